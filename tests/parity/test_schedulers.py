"""Learning-rate schedulers against PyTorch's: every step, every state, every error, with drawn options."""

from __future__ import annotations

import copy
import inspect
import warnings

import numpy as np
import pytest
from helpers import pytorch
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6
from tinygrad6.optim import lr_scheduler

factor = st.sampled_from([0.0, 0.1, 1.0 / 3, 0.5, 0.9, 1.0])
positive = st.sampled_from([0.1, 1.0 / 3, 0.5, 0.9, 1.0])
gamma = st.sampled_from([0.1, 0.5, 0.9, 1.0, 1.1])
small = st.integers(1, 7)
eta = st.sampled_from([0.0, 0.01, 0.5])
LAMBDAS = [lambda e: 1 / (e + 1), lambda e: 0.9**e, lambda e: 0.5 if e % 3 == 0 else 1.5]
pair = st.tuples(st.sampled_from(LAMBDAS), st.sampled_from(LAMBDAS)).map(list)

OPTIONS = {
    "LambdaLR": st.fixed_dictionaries({"lr_lambda": st.sampled_from(LAMBDAS) | pair}),
    "MultiplicativeLR": st.fixed_dictionaries({"lr_lambda": st.sampled_from(LAMBDAS) | pair}),
    "StepLR": st.fixed_dictionaries({"step_size": small}, optional={"gamma": gamma}),
    "MultiStepLR": st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 9), max_size=4)}, optional={"gamma": gamma}
    ),
    "ConstantLR": st.fixed_dictionaries({}, optional={"factor": positive, "total_iters": small}),
    "LinearLR": st.fixed_dictionaries(
        {}, optional={"start_factor": positive, "end_factor": factor, "total_iters": small}
    ),
    "ExponentialLR": st.fixed_dictionaries({"gamma": gamma}),
    "PolynomialLR": st.fixed_dictionaries(
        {}, optional={"total_iters": small, "power": st.sampled_from([0.5, 1.0, 2.0])}
    ),
    "CosineAnnealingLR": st.fixed_dictionaries({"T_max": small}, optional={"eta_min": eta}),
    "CosineAnnealingWarmRestarts": st.fixed_dictionaries(
        {"T_0": small}, optional={"T_mult": st.integers(1, 3), "eta_min": eta}
    ),
    "CyclicLR": st.fixed_dictionaries(
        {"base_lr": st.sampled_from([0.01, [0.01, 0.02]]), "max_lr": st.sampled_from([0.1, [0.2, 0.3]])},
        optional={
            "step_size_up": small,
            "step_size_down": small,
            "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
            "gamma": st.sampled_from([0.9, 1.0]),
            "scale_fn": st.sampled_from([None, LAMBDAS[0]]),
            "scale_mode": st.sampled_from(["cycle", "iterations"]),
            "cycle_momentum": st.booleans(),
            "base_momentum": st.sampled_from([0.7, [0.6, 0.7]]),
            "max_momentum": st.sampled_from([0.95, [0.9, 0.95]]),
        },
    ),
    "OneCycleLR": st.fixed_dictionaries(
        {"max_lr": st.sampled_from([0.1, [0.1, 0.2]]), "total_steps": st.integers(20, 30)},
        optional={
            "pct_start": st.sampled_from([0.2, 0.3, 0.45]),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "cycle_momentum": st.booleans(),
            "base_momentum": st.sampled_from([0.7, [0.6, 0.7]]),
            "max_momentum": st.sampled_from([0.95, [0.9, 0.95]]),
            "div_factor": st.sampled_from([10.0, 25.0]),
            "final_div_factor": st.sampled_from([10.0, 1e4]),
            "three_phase": st.booleans(),
        },
    ),
}
each = pytest.mark.parametrize("name", OPTIONS)


def optimizers(kind="SGD", tensor=False, **options):
    """Two groups with rates of their own, ours and PyTorch's."""
    made = []
    for lib in (tinygrad6, pytorch()):
        a, b = (lib.ones(2).requires_grad_() for _ in range(2))
        rates = [lib.tensor(lr, dtype=lib.float64) if tensor else lr for lr in (0.5, 0.25)]
        made.append(
            getattr(lib.optim, kind)(
                [{"params": [a], "lr": rates[0]}, {"params": [b], "lr": rates[1]}], **options
            )
        )
    return made


def schedulers(name, optimizers, **options):
    return [
        getattr(m, name)(o, **copy.copy(options))
        for m, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), optimizers)
    ]


def plain(value):
    """Numbers instead of one-element tensors, in nests; methods of the scheduler as their names."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def close(a, b):
    a, b = plain(a), plain(b)
    if isinstance(b, dict):
        assert list(a) == list(b), f"keys {list(a)}, PyTorch {list(b)}"
        for k in b:
            close(a[k], b[k])
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            close(x, y)
    elif isinstance(b, float) and not isinstance(a, bool):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    else:
        assert a == b


def compare(opts, scheds):
    ours, theirs = scheds
    close(ours.get_last_lr(), theirs.get_last_lr())
    assert ours.last_epoch == theirs.last_epoch
    close(
        [{k: v for k, v in g.items() if k != "params"} for g in opts[0].param_groups],
        [{k: v for k, v in g.items() if k != "params"} for g in opts[1].param_groups],
    )


@each
@given(data=st.data())
def test_every_step_and_state(name, data):
    """Rates, momentum, groups, and the state_dict with its keys in order."""
    options = data.draw(OPTIONS[name])
    tensor = data.draw(st.booleans()) and name not in ("CyclicLR",)
    opts = optimizers(
        **data.draw(st.sampled_from([dict(kind="SGD", momentum=0.9), dict(kind="Adam")])), tensor=tensor
    )
    scheds = schedulers(name, opts, **options)
    compare(opts, scheds)
    for _ in range(data.draw(st.integers(1, 18))):
        for o, s in zip(opts, scheds):
            o.step()
            s.step()
        compare(opts, scheds)
    close(scheds[0].state_dict(), scheds[1].state_dict())


@each
@given(data=st.data())
def test_states_move_between_the_libraries(name, data):
    options = data.draw(OPTIONS[name])
    opts = optimizers(momentum=0.9)
    scheds = schedulers(name, opts, **options)
    for _ in range(data.draw(st.integers(0, 8))):
        for o, s in zip(opts, scheds):
            o.step()
            s.step()
    fresh = optimizers(momentum=0.9)
    resumed = schedulers(name, fresh, **options)
    for new, old, s, state in zip(fresh, opts, resumed, [s.state_dict() for s in scheds[::-1]]):
        s.load_state_dict(copy.deepcopy(state))
        for g, h in zip(new.param_groups, old.param_groups):
            g.update({k: v for k, v in h.items() if k != "params"})
    for _ in range(5):
        for o, s in zip(opts + fresh, scheds + resumed):
            o.step()
            s.step()
        close(scheds[0].get_last_lr(), resumed[0].get_last_lr())
        compare(fresh, resumed)


@each
@given(data=st.data())
def test_resuming_from_a_last_epoch(name, data):
    """With last_epoch given and initial_lr in the groups, and a step to an epoch, deprecated."""
    options = data.draw(OPTIONS[name])
    opts = optimizers(momentum=0.9)
    for o in opts:
        for g in o.param_groups:
            g.update(initial_lr=g["lr"] * 2, max_lr=0.8, min_lr=0.01, max_momentum=0.9, base_momentum=0.5)
    scheds = schedulers(name, opts, **options, last_epoch=data.draw(st.integers(0, 9)))
    compare(opts, scheds)
    for i in range(4):
        epoch = data.draw(st.none() | st.integers(0, 15))
        for o, s in zip(opts, scheds):
            o.step()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                s.step(epoch)
        compare(opts, scheds)


@given(data=st.data())
def test_warm_restarts_at_fractions_of_an_epoch(data):
    opts = optimizers()
    scheds = schedulers(
        "CosineAnnealingWarmRestarts", opts, **data.draw(OPTIONS["CosineAnnealingWarmRestarts"])
    )
    for _ in range(8):
        epoch = data.draw(st.none() | st.floats(0, 40))
        for s in scheds:
            s.step(epoch)
        compare(opts, scheds)


CHAINABLE = [n for n in OPTIONS if n not in ("CyclicLR", "OneCycleLR")]


@given(data=st.data())
def test_several_schedulers_on_one_optimizer(data):
    """Acting freely, in a ChainedScheduler, in a SequentialLR, and one within the other."""
    names = data.draw(st.lists(st.sampled_from(CHAINABLE), min_size=1, max_size=3))
    options = [data.draw(OPTIONS[n]) for n in names]
    how = data.draw(st.sampled_from(["free", "chained", "sequential", "nested"]))
    milestones = sorted(
        data.draw(st.lists(st.integers(1, 9), min_size=len(names) - 1, max_size=len(names) - 1))
    )
    opts = optimizers()
    tops = []
    for lib, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), opts):
        inner = [getattr(lib, n)(o, **copy.copy(k)) for n, k in zip(names, options)]
        if how == "chained":
            inner = [lib.ChainedScheduler(inner, optimizer=o)]
        elif how != "free":
            inner = [lib.SequentialLR(o, inner, list(milestones))]
        if how == "nested":
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # both warn about the order: the inner one is made to step twice
                inner = [lib.SequentialLR(o, [inner[0], lib.ExponentialLR(o, 0.5)], [7])]
        tops.append(inner)
    for _ in range(14):
        for o, inner in zip(opts, tops):
            o.step()
            for s in inner:
                s.step()
        for a, b in zip(*tops):
            close(a.get_last_lr(), b.get_last_lr())
        close([g["lr"] for g in opts[0].param_groups], [g["lr"] for g in opts[1].param_groups])
    for a, b in zip(*tops):
        close(a.state_dict(), b.state_dict())
    if how != "free":
        kept = [t[0].state_dict() for t in tops]
        tops[0][0].load_state_dict(copy.deepcopy(kept[1]))
        close(tops[0][0].state_dict(), kept[0])


@given(data=st.data())
def test_reduce_on_plateau(data):
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from(["min", "max"]),
                "factor": st.sampled_from([0.1, 0.5]),
                "patience": st.integers(0, 3),
                "threshold": st.sampled_from([1e-4, 0.1]),
                "threshold_mode": st.sampled_from(["rel", "abs"]),
                "cooldown": st.integers(0, 2),
                "min_lr": st.sampled_from([0, 0.1, [0.1, 0.05]]),
                "eps": st.sampled_from([1e-8, 0.1]),
            },
        )
    )
    opts = optimizers(tensor=data.draw(st.booleans()))
    scheds = schedulers("ReduceLROnPlateau", opts, **options)
    metrics = data.draw(
        st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0, 1.01, 2.0, -1.0, float("inf")]), max_size=25)
    )
    for m in metrics:
        for lib, s in zip((tinygrad6, pytorch()), scheds):
            s.step(lib.tensor(m))
        compare(opts, scheds)
        assert scheds[0].in_cooldown == scheds[1].in_cooldown
    close(scheds[0].state_dict(), scheds[1].state_dict())
    again = schedulers("ReduceLROnPlateau", opts, patience=9)
    for s, state in zip(again, [s.state_dict() for s in scheds[::-1]]):
        s.load_state_dict(copy.deepcopy(state))
    for m in (1.0, 1.0, 1.0, 5.0):
        for s in again:
            s.step(m)
        compare(opts, again)


@given(data=st.data())
def test_swalr(data):
    options = data.draw(
        st.fixed_dictionaries(
            {"swa_lr": st.sampled_from([0.05, [0.05, 0.01]])},
            optional={
                "anneal_epochs": st.integers(0, 5),
                "anneal_strategy": st.sampled_from(["cos", "linear"]),
            },
        )
    )
    opts = optimizers(tensor=data.draw(st.booleans()))
    from tinygrad6.optim import swa_utils

    scheds = [m.SWALR(o, **options) for m, o in zip((swa_utils, pytorch().optim.swa_utils), opts)]
    for _ in range(8):
        for o, s in zip(opts, scheds):
            o.step()
            s.step()
        compare(opts, scheds)
    close(scheds[0].state_dict(), scheds[1].state_dict())


# ---- swa_utils


AVERAGES = {
    "default": lambda m: {},
    "avg_fn swa": lambda m: dict(avg_fn=m.get_swa_avg_fn()),
    "avg_fn ema": lambda m: dict(avg_fn=m.get_ema_avg_fn(0.75)),
    "multi swa": lambda m: dict(multi_avg_fn=m.get_swa_multi_avg_fn()),
    "multi ema": lambda m: dict(multi_avg_fn=m.get_ema_multi_avg_fn(0.75)),
    "own avg_fn": lambda m: dict(avg_fn=lambda a, c, n: (a + c) / 2 + n),
}


@pytest.mark.parametrize("name", AVERAGES)
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averaged_model(name, use_buffers):
    if name == "multi swa" and use_buffers:
        return  # PyTorch refuses to divide the whole numbers of num_batches_tracked
    results = []
    for lib, swa in ((tinygrad6, tinygrad6.optim.swa_utils), (pytorch(), pytorch().optim.swa_utils)):
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3), lib.nn.Linear(3, 1))
        averaged = swa.AveragedModel(model, use_buffers=use_buffers, **AVERAGES[name](swa))
        x = lib.arange(8.0).reshape(4, 2)
        seen = []
        for i in range(4):
            with lib.no_grad():
                for p in model.parameters():
                    p.add_(0.5 + i)
            model(x + i)
            averaged.update_parameters(model)
            seen.append({k: v.tolist() for k, v in averaged.state_dict().items()})
        swa.update_bn([x, [x + 1, 5], (x * 2,)], averaged)
        seen.append({k: v.tolist() for k, v in averaged.state_dict().items()})
        assert averaged.module[1].momentum == 0.1 and averaged.training
        averaged.eval()
        seen.append(averaged(x).tolist())
        results.append((seen, repr(averaged)))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        if isinstance(b, dict):
            assert list(a) == list(b)
            a, b = list(a.values()), list(b.values())
        for v, w in zip(a, b, strict=True):
            np.testing.assert_allclose(v, w, rtol=1e-5, atol=1e-5)
    assert results[0][1] == results[1][1]


def test_swa_errors():
    for lib, swa in ((tinygrad6, tinygrad6.optim.swa_utils), (pytorch(), pytorch().optim.swa_utils)):
        with pytest.raises(AssertionError, match="Only one of"):
            swa.AveragedModel(
                lib.nn.Linear(1, 1), avg_fn=swa.get_swa_avg_fn(), multi_avg_fn=swa.get_swa_multi_avg_fn()
            )
        for make in (swa.get_ema_avg_fn, swa.get_ema_multi_avg_fn):
            with pytest.raises(ValueError, match="Invalid decay value 1.5"):
                make(1.5)
        optimizer = lib.optim.SGD([lib.ones(1).requires_grad_()], lr=0.1)
        for options in (dict(anneal_strategy="x"), dict(anneal_epochs=-1), dict(anneal_epochs=1.5)):
            with pytest.raises(ValueError, match="anneal"):
                swa.SWALR(optimizer, 0.1, **options)
        with pytest.raises(ValueError, match="same length"):
            swa.SWALR(optimizer, [0.1, 0.2])


class Decay:
    """A callable object: its attributes go into the state_dict."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR", "CyclicLR"])
def test_callable_objects_in_the_state(name):
    results = []
    for lib, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), optimizers(momentum=0.9)):
        make = {
            "CyclicLR": lambda f, lib=lib, o=o: lib.CyclicLR(o, 0.1, 1.0, step_size_up=2, scale_fn=f),
        }.get(name, lambda f, lib=lib, o=o: getattr(lib, name)(o, [f, lambda e: 1.0]))
        first = make(Decay(0.5))
        state = copy.deepcopy(first.state_dict())
        again = make(Decay(0.9))
        again.load_state_dict(copy.deepcopy(state))  # PyTorch takes things out of it
        o.step()
        again.step()
        results.append((state, again.get_last_lr()))
    close(results[0][1], results[1][1])
    close(results[0][0], results[1][0])


def test_subclasses():
    for lib in (tinygrad6, pytorch()):

        class Halving(lib.optim.lr_scheduler._LRScheduler):
            def get_lr(self):
                return [base * 0.5**self.last_epoch for base in self.base_lrs]

        class Odd(lib.optim.lr_scheduler.LRScheduler):
            def __init__(self, optimizer, n):
                self.n = n
                super().__init__(optimizer)

            def get_lr(self):
                if self._get_lr_called_within_step and self.last_epoch % self.n:
                    return [g["lr"] * 0.9 for g in self.optimizer.param_groups]
                return [g["lr"] for g in self.optimizer.param_groups]

            def _get_closed_form_lr(self):
                return [7.0 for _ in self.base_lrs]

        optimizer = lib.optim.SGD([lib.ones(1).requires_grad_()], lr=1.0)
        halving = Halving(optimizer)
        optimizer.step()
        halving.step()
        assert halving.get_last_lr() == [0.5]
        odd = Odd(optimizer, 2)
        odd.step()
        np.testing.assert_allclose(odd.get_last_lr(), [0.45])
        with pytest.warns(UserWarning, match="epoch parameter"):
            odd.step(4)
        assert odd.get_last_lr() == [7.0] and odd.last_epoch == 4
        assert isinstance(halving, lib.optim.lr_scheduler.LRScheduler)


def warned(do):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do()
    return [w.category for w in caught]


@pytest.mark.parametrize(
    "order", ["ss", "os", "oss", "sos", "oso", "first", "second", "get", "epoch", "plateau"]
)
def test_warnings_about_the_order(order):
    seen = []
    for lib, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), optimizers()):
        if order == "first":
            o.step()  # before there is a scheduler
        s = lib.ExponentialLR(o, 0.9)
        counts = []
        if order in ("first", "second"):
            if order == "second":
                o.step()
                s.step()
                s = lib.StepLR(o, 3)
            counts.append(warned(s.step))
        elif order == "get":
            counts.append(warned(s.get_lr))
        elif order == "epoch":
            counts.append(warned(lambda s=s: s.step(3)))
        elif order == "plateau":
            s = lib.ReduceLROnPlateau(o)
            counts.append(warned(lambda s=s: (s.step(1.0), s.step(1.0, 3))))
        else:
            counts += [warned(o.step if c == "o" else s.step) for c in order]
        seen.append(counts)
    assert seen[0] == seen[1]


REFUSED = {
    "not an optimizer": lambda lib, o: lib.StepLR("x", 1),
    "not an optimizer, cyclic": lambda lib, o: lib.CyclicLR("x", 0.1, 1.0),
    "not an optimizer, one cycle": lambda lib, o: lib.OneCycleLR("x", 0.1, 10),
    "not an optimizer, plateau": lambda lib, o: lib.ReduceLROnPlateau("x"),
    "resumed without initial_lr": lambda lib, o: lib.StepLR(o, 1, last_epoch=3),
    "lambdas": lambda lib, o: lib.LambdaLR(o, [abs]),
    "multiplicative lambdas": lambda lib, o: lib.MultiplicativeLR(o, [abs]),
    "no function": lambda lib, o: lib.MultiplicativeLR(o, 0.5),
    "constant": lambda lib, o: lib.ConstantLR(o, 1.5),
    "constant below": lambda lib, o: lib.ConstantLR(o, -0.5),
    "linear start": lambda lib, o: lib.LinearLR(o, 0.0),
    "linear end": lambda lib, o: lib.LinearLR(o, 0.5, -0.1),
    "T_0": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 0),
    "T_0 float": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 1.5),
    "T_mult": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 1, 0),
    "eta_min": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 1, 1, "x"),
    "epoch below 0": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 1).step(-1),
    "cyclic mode": lambda lib, o: lib.CyclicLR(o, 0.1, 1.0, mode="x"),
    "cyclic rates": lambda lib, o: lib.CyclicLR(o, [0.1], 1.0),
    "cyclic highest": lambda lib, o: lib.CyclicLR(o, 0.1, [1.0] * 3),
    "one cycle without steps": lambda lib, o: lib.OneCycleLR(o, 0.1),
    "one cycle steps": lambda lib, o: lib.OneCycleLR(o, 0.1, 0),
    "one cycle steps float": lambda lib, o: lib.OneCycleLR(o, 0.1, 1.5),
    "one cycle epochs": lambda lib, o: lib.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=3),
    "one cycle share": lambda lib, o: lib.OneCycleLR(o, 0.1, 10, pct_start=2.0),
    "one cycle share int": lambda lib, o: lib.OneCycleLR(o, 0.1, 10, pct_start=1),
    "one cycle strategy": lambda lib, o: lib.OneCycleLR(o, 0.1, 10, anneal_strategy="x"),
    "one cycle ended": lambda lib, o: [
        s.step() for s in [lib.OneCycleLR(o, 0.1, 3, pct_start=0.9)] for _ in range(5)
    ],
    "plateau factor": lambda lib, o: lib.ReduceLROnPlateau(o, factor=1.0),
    "plateau mode": lambda lib, o: lib.ReduceLROnPlateau(o, "x"),
    "plateau threshold": lambda lib, o: lib.ReduceLROnPlateau(o, threshold_mode="x"),
    "plateau rates": lambda lib, o: lib.ReduceLROnPlateau(o, min_lr=[0.1]),
    "sequential none": lambda lib, o: lib.SequentialLR(o, [], []),
    "sequential milestones": lambda lib, o: lib.SequentialLR(o, [lib.StepLR(o, 1)], [1]),
    "sequential plateau": lambda lib, o: lib.SequentialLR(o, [lib.ReduceLROnPlateau(o)], []),
    "sequential number": lambda lib, o: lib.SequentialLR(o, [3], []),
    "chained none": lambda lib, o: lib.ChainedScheduler([]),
    "chained plateau": lambda lib, o: lib.ChainedScheduler([lib.ReduceLROnPlateau(o)]),
    "base": lambda lib, o: lib.LRScheduler(o),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("momentum", [True, False])
def test_refused_with_pytorchs_error(name, momentum):
    errors = []
    kind = dict(kind="SGD", momentum=0.9) if momentum else dict(kind="Rprop")
    for lib, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), optimizers(**kind)):
        before = [dict(g) for g in o.param_groups]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception) as caught:
                REFUSED[name](lib, o)
        errors.append(caught.value)
        if (
            lib is lr_scheduler
            and "epoch" not in name
            and name not in ("base", "one cycle ended")
            and "equential" not in name
        ):
            assert [{k: v for k, v in g.items() if k != "params"} for g in o.param_groups] == [
                {k: v for k, v in g.items() if k != "params"} for g in before
            ], "something was changed"
    assert type(errors[0]) is type(errors[1]), errors
    if name not in ("resumed without initial_lr", "base"):
        assert str(errors[0]) == str(errors[1])


def test_cycling_needs_momentum():
    for lib, o in zip((lr_scheduler, pytorch().optim.lr_scheduler), optimizers("Rprop")):
        for make in (
            lambda lib=lib, o=o: lib.CyclicLR(o, 0.1, 1.0),
            lambda lib=lib, o=o: lib.OneCycleLR(o, 0.1, 10),
        ):
            with pytest.raises(ValueError, match="must support momentum or beta1"):
                make()


def test_names_and_signatures_are_those_of_pytorch():
    theirs = pytorch().optim.lr_scheduler
    for name in theirs.__all__:
        ours = inspect.signature(getattr(lr_scheduler, name)).parameters.values()
        wanted = inspect.signature(getattr(theirs, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in wanted], (
            name
        )
