"""What optimizers keep and refuse: resuming, groups, closures, hooks, and steps that are left out."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import warnings
import weakref

import numpy as np
import pytest
from optimizers import assert_equal, build, each, give_gradients, parameters, state_values, values

import tinygrad6 as torch
from tinygrad6 import optim

# ---- resuming


@each
@pytest.mark.parametrize("how", ["state_dict", "deepcopy", "pickle", "pickled state_dict"])
def test_resumes_exactly(name, how):
    shapes = [(3, 4), (5,), (), (200, 200)]
    params = parameters(shapes)
    optimizer = build(name, params)
    for i in range(5):
        give_gradients(params, i)
        optimizer.step()
    if how == "deepcopy":
        copies, resumed = copy.deepcopy((params, optimizer))
    elif how == "pickle":
        copies, resumed = pickle.loads(pickle.dumps((params, optimizer)))
    else:
        copies = [torch.from_numpy(v).requires_grad_() for v in values(params)]
        resumed = build(name, copies, lr=77.0)
        state = copy.deepcopy(optimizer.state_dict()) if how == "state_dict" else optimizer.state_dict()
        resumed.load_state_dict(pickle.loads(pickle.dumps(state)) if how == "pickled state_dict" else state)
    assert resumed.param_groups[0]["params"][0] is copies[0]
    for i in range(5, 9):
        for ps, o in ((params, optimizer), (copies, resumed)):
            give_gradients(ps, i)
            o.step()
    assert_equal(values(copies), values(params))
    assert_equal(state_values(resumed), state_values(optimizer))
    assert resumed.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@each
def test_a_loaded_state_is_a_copy(name):
    a, b = parameters([(3,), (2,)]), parameters([(3,), (2,)])
    first, second = build(name, a), build(name, b)
    give_gradients(a, 0)
    first.step()
    second.load_state_dict(first.state_dict())
    kept = state_values(second)
    give_gradients(a, 1)
    first.step()
    assert_equal(state_values(second), kept)


def test_state_dict_form():
    params = parameters([(2,), (3,), (4,)])
    optimizer = optim.Adam([{"params": params[:1], "lr": 0.5}, {"params": params[1:]}], amsgrad=True)
    assert optimizer.state_dict()["state"] == {}
    give_gradients(params[1:], 0)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [1, 2]
    assert list(state["state"][1]) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert state["state"][1]["step"].item() == 1 and state["state"][1]["step"].shape == ()
    assert [g["params"] for g in state["param_groups"]] == [[0], [1, 2]]
    assert [g["lr"] for g in state["param_groups"]] == [0.5, 1e-3]


def test_wrong_state_dicts_change_nothing():
    params = parameters([(2,), (3,)])
    optimizer = optim.Adam(params)
    give_gradients(params, 0)
    optimizer.step()
    before = (state_values(optimizer), dict(optimizer.param_groups[0]))
    good = copy.deepcopy(optimizer.state_dict())

    def wrong(change):
        state = copy.deepcopy(good)
        change(state)
        return state

    bad = [
        wrong(lambda s: s["param_groups"].append(dict(s["param_groups"][0]))),
        wrong(lambda s: s["param_groups"][0]["params"].pop()),
        wrong(lambda s: s["param_groups"][0].update(lr=-1.0)),
        wrong(lambda s: s["param_groups"][0].update(betas=(0.9, 2.0))),
        wrong(lambda s: s["state"][0].update(exp_avg=torch.zeros(5))),
    ]
    for state in bad:
        with pytest.raises(ValueError):
            optimizer.load_state_dict(state)
        assert_equal(state_values(optimizer), before[0])
        assert optimizer.param_groups[0] == before[1]


def test_old_state_dicts_without_some_options_load():
    params = parameters([(2,)])
    optimizer = optim.Adam(params, maximize=True)
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"]
    state["state"] = {0: {"step": 3, "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}}
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is True
    assert optimizer.state[params[0]]["step"].item() == 3
    sgd = optim.SGD(params, momentum=0.9)
    old = sgd.state_dict()
    old["state"] = {0: {"momentum_buffer": None}}
    sgd.load_state_dict(old)
    give_gradients(params, 0)
    sgd.step()
    np.testing.assert_array_equal(sgd.state[params[0]]["momentum_buffer"].numpy(), params[0].grad.numpy())


# ---- groups


def test_groups_have_options_of_their_own():
    a, b = parameters([(2,), (2,)])
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b, "weight_decay": 1.0}], lr=0.1)
    old_a, old_b = values([a, b])
    a.grad, b.grad = torch.ones(2), torch.zeros(2)
    optimizer.step()
    np.testing.assert_allclose(a.detach().numpy(), old_a - 1.0, rtol=1e-6)
    np.testing.assert_allclose(b.detach().numpy(), old_b * 0.9, rtol=1e-6)


def test_add_param_group():
    a, b, c = parameters([(2,), (3,), (3,)])
    optimizer = optim.Adam([a], lr=0.1)
    give_gradients([a], 0)
    optimizer.step()
    mine = {"params": [b, c], "lr": 0.5}
    optimizer.add_param_group(mine)
    assert mine == {"params": [b, c], "lr": 0.5}  # what was handed over is not changed
    assert optimizer.param_groups[1]["lr"] == 0.5 and optimizer.param_groups[1]["betas"] == (0.9, 0.999)
    give_gradients([a, b, c], 1)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (a, b, c)] == [2, 1, 1]


def test_named_parameters():
    a, b = parameters([(2,), (3,)])
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    with pytest.raises(ValueError, match="without names"):
        optimizer.add_param_group({"params": parameters([(2,)])})
    with pytest.raises(ValueError, match="names are missing"):
        optim.SGD([("a", a), b])


def test_a_parameter_twice_in_a_group_steps_twice():
    a, b = parameters([(2,)]), parameters([(2,)])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        twice = optim.Adam([a[0], a[0]], lr=0.1)
    once = optim.Adam(b, lr=0.1)
    for i in range(3):
        give_gradients(a, i)
        give_gradients(b, i)
        twice.step()
        once.step()
        once.step()
    assert_equal(values(a), values(b))
    assert twice.state_dict()["param_groups"][0]["params"] == [1, 1]


@each
def test_parameters_that_share_memory_step_one_after_the_other(name):
    """Each from the other's result, as if they were given one by one."""
    results = []
    for together in (True, False):
        whole = torch.from_numpy(np.arange(6, dtype=np.float32) - 2.5)
        params = [
            whole.detach()[:4].requires_grad_(),
            whole.detach()[2:].requires_grad_(),
            parameters([(3,)])[0],
        ]
        optimizers = [build(name, params)] if together else [build(name, [p]) for p in params]
        for i in range(4):
            give_gradients(params, i)
            for optimizer in optimizers:
                optimizer.step()
        results.append(values([whole, *params]))
    assert_equal(*results)


def test_what_is_no_parameter_is_refused():
    a = parameters([(2,)])[0]
    for params, error in (
        (a, TypeError),
        ([], ValueError),
        (["a"], TypeError),
        ([{"params": {a}}], TypeError),
        ([a * 2], ValueError),
        ([{"params": [a]}, {"params": [a]}], ValueError),
        ([{"params": [a]}, 3], TypeError),
    ):
        with pytest.raises(error):
            optim.SGD(params, lr=0.1)
    optimizer = optim.SGD([a], lr=0.1)
    for group, error in (
        ({"params": [a]}, ValueError),
        ({"params": parameters([(2,)]), "lr": -1.0}, ValueError),
        ([a], TypeError),
    ):
        with pytest.raises(error):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1


@each
@pytest.mark.parametrize("bad", [-1.0, math.nan, -math.inf])
def test_options_out_of_range(name, bad):
    params = parameters([(2,)])
    own = build(name, params).param_groups[0]
    names = {
        "lr",
        "weight_decay",
        "eps",
        "momentum",
        "lr_decay",
        "rho",
        "momentum_decay",
        "initial_accumulator_value",
    }
    if name.startswith("RMSprop"):
        names.add("alpha")
    for option in sorted(names & set(own)):
        with pytest.raises(ValueError, match="Invalid"):
            build(name, params, **{option: bad})
    for option in ("betas", "etas"):
        if option in own:
            for pair in ((bad, 0.9), (0.9, bad), (1.0, 0.9), (0.9, 1.0)):
                with pytest.raises(ValueError, match="Invalid"):
                    build(name, params, **{option: pair})
    with pytest.raises(ValueError, match="Invalid learning rate"):
        build(name, params, lr=torch.tensor(bad))
    with pytest.raises(ValueError, match="1-element"):
        build(name, params, lr=torch.tensor([0.1, 0.2]))


def test_what_is_not_supported_says_what_to_use():
    params = parameters([(2,)])
    with pytest.raises(NotImplementedError, match="capturable"):
        optim.Adam(params, capturable=True)
    with pytest.raises(NotImplementedError, match="create_graph"):
        optim.SGD(params, differentiable=True)
    with pytest.raises(NotImplementedError, match="use optim.Adam"):
        optim.SparseAdam(params)
    with pytest.raises(ValueError, match="Nesterov"):
        optim.SGD(params, nesterov=True)
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        optim.Adam(params, fused=True, foreach=True)


# ---- step, zero_grad, closures, hooks


def test_wrong_gradients_are_refused_before_anything_changes():
    a, b = parameters([(2,), (3,)])
    optimizer = optim.Adam([{"params": [a]}, {"params": [b]}], lr=0.1)
    before = values([a, b])
    for wrong in (torch.ones(1), torch.ones(3, dtype=torch.float64)):
        a.grad = torch.ones(2)
        b.grad = torch.ones(3)
        b.grad.array = wrong.array  # an assignment would be refused already
        with pytest.raises(RuntimeError, match="does not match its parameter"):
            optimizer.step()
        assert_equal(values([a, b]), before)
        assert not optimizer.state


def test_closures():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert w.tolist() == [0.0, 0.0]
    assert optimizer.step() is None

    def broken():
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        optimizer.step(broken)


def test_zero_grad():
    a, b = parameters([(2,), (2,)])
    optimizer = optim.SGD([a, b])
    a.grad = torch.ones(2)
    grad = a.grad
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is grad and grad.tolist() == [0.0, 0.0] and b.grad is None
    optimizer.zero_grad()
    assert a.grad is None


def test_frozen_parameters_stay():
    a, b = parameters([(2,), (2,)])
    b.requires_grad_(False)
    optimizer = optim.AdamW([a, b], lr=0.1)
    old = values([b])
    (a * b).sum().backward()
    optimizer.step()
    assert_equal(values([b]), old)
    assert b not in optimizer.state


def test_step_hooks():
    params = parameters([(2,)])
    optimizer = optim.SGD(params, lr=0.1)
    seen = []
    pre = optimizer.register_step_pre_hook(
        lambda o, args, kwargs: seen.append(("pre", o is optimizer, args, kwargs))
    )
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", o is optimizer)))
    optimizer.step()
    assert seen == [("pre", True, (optimizer,), {}), ("post", True)]
    pre.remove()
    optimizer.step()
    assert [s[0] for s in seen] == ["pre", "post", "post"]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 5.0), {}))
    assert optimizer.step() == 5.0
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="pre-hook"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer = optim.SGD(parameters([(2,)]), lr=0.1)
    calls = []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    state = optimizer.state_dict()
    assert calls == ["first", "pre"] and state["extra"] == 1
    state["param_groups"][0]["lr"] = 0.7

    def halve(o, state):
        state["param_groups"] = [{**g, "lr": g["lr"] / 2} for g in state["param_groups"]]

    optimizer.register_load_state_dict_pre_hook(halve)
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append(o.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)
    assert calls[-1] == 0.35 and state["param_groups"][0]["lr"] == 0.7


def test_a_subclass_with_a_step_of_its_own():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, dict(lr=lr))

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p].setdefault("count", 0)
                        self.state[p]["count"] += 1
                        p.add_(p.grad, alpha=-group["lr"])

    w = torch.tensor([1.0], requires_grad=True)
    optimizer = Plain([w], lr=0.5)
    seen = []
    optimizer.register_step_post_hook(lambda *a: seen.append(1))
    w.grad = torch.ones(1)
    optimizer.step()
    assert w.item() == 0.5 and seen == [1] and optimizer.state_dict()["state"] == {0: {"count": 1}}
    again = Plain([w], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.state[w]["count"] == 1 and again.param_groups[0]["lr"] == 0.5


def test_required_options():
    class Needs(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, dict(lr=optim.optimizer.required))

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Needs(parameters([(2,)]))
    assert Needs([{"params": parameters([(2,)]), "lr": 1.0}]).param_groups[0]["lr"] == 1.0


@each
def test_no_reference_cycles(name):
    """A dropped optimizer is gone at once, with the garbage collector off too."""
    params = parameters([(3,), (4,)])
    optimizer = build(name, params)
    give_gradients(params, 0)
    optimizer.step()
    gone, kept = weakref.ref(optimizer), weakref.ref(params[0])
    gc.disable()
    try:
        del optimizer, params
        assert gone() is None and kept() is None
    finally:
        gc.enable()


def test_repr():
    text = repr(optim.SGD(parameters([(2,)]), lr=0.1))
    assert text.splitlines()[:3] == ["SGD (", "Parameter Group 0", "    dampening: 0"] and text.endswith(
        "\n    weight_decay: 0\n)"
    )


@each
def test_gradients_that_are_not_finite_pass_silently(name):
    """inf and nan travel as in PyTorch; NumPy's warnings do not reach the user."""
    params = parameters([(3,), (4,), (300, 300)])
    optimizer = build(name, params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (math.inf, math.nan, 3e38, 0.0):
            for p in params:
                p.grad = torch.full(tuple(p.shape), value)
            optimizer.step()


# ---- steps that are left out


SKIPPING = [cls for cls in vars(optim).values() if isinstance(cls, type) and issubclass(cls, optim.Optimizer)]
SKIPPING = [c for c in SKIPPING if c not in (optim.Optimizer, optim.LBFGS, optim.SparseAdam)]


@pytest.mark.parametrize("cls", SKIPPING, ids=lambda c: c.__name__)
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_step_with_nonfinite_gradients_changes_nothing_if_asked(cls, bad):
    def trained(spoil):
        torch.manual_seed(0)
        w, v = (torch.randn(3, 2).requires_grad_() for _ in range(2))
        optimizer = cls([w, v], lr=0.1)
        optimizer.skip_nonfinite = True
        for i in range(4):
            w.grad, v.grad = torch.randn(3, 2), torch.randn(3, 2)
            if spoil and i % 2:
                good, v.grad = v.grad, torch.full((3, 2), bad)
                optimizer.step()
                v.grad = good
            optimizer.step()
        return w.tolist(), v.tolist(), str(optimizer.state_dict()), optimizer.skipped_steps

    plain, spoiled = trained(False), trained(True)
    assert spoiled[:3] == plain[:3]
    assert (plain[3], spoiled[3]) == (0, 2)


def test_copies_go_on_leaving_steps_out():
    w = torch.ones(2, requires_grad=True)
    optimizer = optim.Adam([w])
    optimizer.skip_nonfinite, optimizer.skipped_steps = True, 3
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        twin.param_groups[0]["params"][0].grad = torch.tensor([math.nan, 1.0])
        twin.step()
        assert twin.skipped_steps == 4 and twin.param_groups[0]["params"][0].tolist() == [1.0, 1.0]
    assert set(optim.Adam([w]).__getstate__()) == {"defaults", "state", "param_groups"}


def test_a_closure_is_called_once_where_steps_may_be_left_out():
    w = torch.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    optimizer.skip_nonfinite = True
    calls = []

    def closure(scale=1.0):
        calls.append(scale)
        optimizer.zero_grad()
        loss = (w * scale).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert w.tolist() == [0.5, 0.5]
    assert optimizer.step(lambda: closure(math.inf)).item() == math.inf
    assert w.tolist() == [0.5, 0.5] and optimizer.skipped_steps == 1 and calls == [1.0, math.inf]
    with pytest.raises(NotImplementedError, match="LBFGS"):
        optim.LBFGS([w]).skip_nonfinite = True


def test_nonfinite_steps_are_taken_unless_asked():
    w = torch.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    w.grad = torch.tensor([math.inf, 1.0])
    optimizer.step()
    assert w.tolist() == [-math.inf, 0.5] and optimizer.skipped_steps == 0
