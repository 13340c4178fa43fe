"""Laws over the table of modules, and Module itself: registration, state, hooks, modes, errors.

No torch needed.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from modules import APART, MODULES, draw

import tinygrad6 as torch
from tinygrad6 import nn

ENTRIES = pytest.mark.parametrize("entry", MODULES, ids=[e.name for e in MODULES])


def build(entry, dtype="float64", seed=0):
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return entry.make(nn).to(getattr(torch, dtype))


def feed(entry, dtype="float64", grad=False):
    out = []
    for a, made_by in zip(draw(entry.inputs, dtype), entry.inputs):
        t = a if a is None else torch.from_numpy(np.array(a))
        if grad and a is not None and a.dtype.kind == "f" and not getattr(made_by, "fixed", False):
            t.requires_grad_()
        out.append(t)
    return out


def call(module, inputs, seed=1):
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module(*inputs)


def tensors(out):
    """The floating-point tensors of a result, in order."""
    if isinstance(out, torch.Tensor):
        return [out] if out.is_floating_point() else []
    return [] if out is None else [t for o in out for t in tensors(o)]


def arrays(out):
    return [t.detach().numpy() for t in tensors(out)]


def equal(a, b):
    a, b = arrays(a), arrays(b)
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


# ---- laws


def test_every_class_is_in_the_table():
    classes = {
        n for n in dir(nn) if inspect.isclass(getattr(nn, n)) and issubclass(getattr(nn, n), nn.Module)
    }
    covered = {e.name.partition("(")[0] for e in MODULES}
    assert not classes - covered - APART, f"not in tests/modules.py: {sorted(classes - covered - APART)}"


@ENTRIES
def test_gradients(entry):
    """The derivative along a random direction of all inputs and parameters, beside a central difference."""
    if not entry.smooth:
        pytest.skip("not differentiable as it stands")
    module = build(entry)
    call(module, feed(entry))
    module.eval()
    inputs = feed(entry, grad=True)
    live = [t for t in (*inputs, *module.parameters()) if t is not None and t.requires_grad]
    rng = np.random.default_rng(3)
    weights = {}

    def value():
        total = 0.0
        for i, o in enumerate(tensors(call(module, inputs))):
            w = weights.setdefault(i, torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(o.shape)))))
            total = total + (o * w).sum()
        return total

    if not live or not isinstance(value(), torch.Tensor):
        return
    grads = torch.autograd.grad(value(), live, allow_unused=True, materialize_grads=True)
    steps = [rng.uniform(-1, 1, tuple(t.shape)) for t in live]
    slope = sum((g.numpy() * v).sum() for g, v in zip(grads, steps))
    ends = []
    for eps in (1e-6, -2e-6):
        for t, v in zip(live, steps):
            t.data = t.data + torch.from_numpy(np.asarray(eps * v))
        ends.append(value().item())
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


@ENTRIES
def test_modes(entry):
    module = build(entry)
    x = call(module, feed(entry)), call(module, feed(entry), seed=2)
    stats = any(b.is_floating_point() for b in module.buffers() if "Norm" in entry.name)
    assert equal(*x) == (not entry.random), "draws in training are what the table says"
    module.train()
    a = call(module, feed(entry))
    module.eval()
    assert not any(m.training for m in module.modules())
    b, c = call(module, feed(entry)), call(module, feed(entry), seed=2)
    assert equal(b, c), "evaluation draws nothing"
    if not entry.modal:
        assert equal(a, b), "training and evaluation agree"
    elif not stats:
        assert not equal(a, b), "training and evaluation differ"


@ENTRIES
def test_state_goes_round(entry):
    one = build(entry)
    call(one, feed(entry))
    state = one.state_dict()
    other = build(entry, seed=5)
    call(other, feed(entry))
    for p in other.parameters():
        p.data = p.data + 1.0
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert equal(call(one.eval(), feed(entry)), call(other.eval(), feed(entry)))
    for k, v in other.state_dict().items():
        assert np.array_equal(v.numpy(), state[k].numpy())
        assert not np.shares_memory(v.numpy(), state[k].numpy())


@ENTRIES
@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_twins(entry, twin):
    for used in (False, True):
        one = build(entry)
        if used:
            call(one, feed(entry))
        other = twin(one)
        assert type(other) is type(one) and repr(other) == repr(one)
        for a, b in zip(arrays(call(one, feed(entry))), arrays(call(other, feed(entry))), strict=True):
            np.testing.assert_allclose(a, b, 1e-12)  # sums depend on where memory begins
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            assert p is not q and not np.shares_memory(p.detach().numpy(), q.detach().numpy())
            assert type(q) is nn.Parameter and q.requires_grad == p.requires_grad


@ENTRIES
def test_dtype_follows(entry):
    module = build(entry, "float32")
    out = call(module, feed(entry, "float32"))
    assert all(a.dtype == np.float32 for a in arrays(out))
    assert all(p.dtype == torch.float32 for p in module.parameters())


@ENTRIES
def test_grads_come_and_go(entry):
    if entry.inplace:
        pytest.skip("its input is a leaf")
    module = build(entry)
    parts = [t.sum() for t in tensors(call(module, feed(entry, grad=True))) if t.requires_grad]
    if parts:
        sum(parts[1:], parts[0]).backward()
    params = list(module.parameters())
    assert all(p.grad is not None for p in params if p.requires_grad and p.numel())
    module.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in params if p.grad is not None)
    module.zero_grad()
    assert all(p.grad is None for p in params)
    assert not any(p.requires_grad for p in module.requires_grad_(False).parameters())


# ---- registration


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("hidden", torch.zeros(2), persistent=False)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.BatchNorm1d(3)])

    def forward(self, x):
        x = self.fc1(x) * self.scale
        for layer in self.layers:
            x = layer(x)
        return x


def test_names_in_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "fc1.weight", "fc1.bias", "layers.0.weight", "layers.0.bias", "layers.1.weight",
        "layers.1.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == ["", "fc1", "layers", "layers.0", "layers.1"]
    assert "hidden" not in net.state_dict() and "seen" in net.state_dict()
    assert list(dict(net.named_buffers()))[:2] == ["seen", "hidden"]
    assert [n for n, _ in net.named_children()] == ["fc1", "layers"]
    assert len(list(net.parameters(recurse=False))) == 1


def test_shared_parameters_are_counted_once():
    net = Net()
    net.layers[0].weight = net.tied = nn.Parameter(torch.ones(3, 3))
    names = [n for n, _ in net.named_parameters()]
    assert "tied" in names and "layers.0.weight" not in names
    assert "layers.0.weight" in [n for n, _ in net.named_parameters(remove_duplicate=False)]


def test_a_name_changes_its_kind():
    net = Net()
    net.scale = None
    assert net.scale is None and "scale" not in net.state_dict()
    net.scale = nn.Parameter(torch.zeros(3))
    assert list(net.state_dict())[0] == "scale"
    del net.scale
    net.scale = 3.0
    assert net.scale == 3.0
    net.plain = 1
    net.plain = nn.Parameter(torch.zeros(1))
    assert "plain" in net.state_dict()
    with pytest.raises(TypeError, match="as parameter 'plain'"):
        net.plain = nn.Linear(1, 1)
    del net.plain
    net.plain = nn.Linear(1, 1)
    assert "plain.weight" in net.state_dict() and "plain" not in dict(net.named_parameters())
    net.extra = nn.Buffer(torch.ones(2), persistent=False)
    net.extra = torch.zeros(2)
    assert "extra" in dict(net.named_buffers()) and "extra" not in net.state_dict()


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda net: setattr(net, "scale", torch.ones(3)), TypeError),
        (lambda net: setattr(net, "fc1", torch.ones(3)), TypeError),
        (lambda net: setattr(net, "seen", "never"), TypeError),
        (lambda net: net.register_parameter("a.b", None), KeyError),
        (lambda net: net.register_parameter("", None), KeyError),
        (lambda net: net.register_parameter("forward", None), KeyError),
        (lambda net: net.register_parameter("w", torch.ones(1)), TypeError),
        (lambda net: net.register_parameter("w", nn.Parameter(torch.ones(1)) * 2), TypeError),
        (lambda net: net.register_buffer("fc1", None), KeyError),
        (lambda net: net.register_buffer("b", 3), TypeError),
        (lambda net: net.add_module("m", torch.ones(1)), TypeError),
        (lambda net: net.missing, AttributeError),
        (lambda net: net.get_submodule("fc1.missing"), AttributeError),
        (lambda net: net.get_parameter("seen"), AttributeError),
        (lambda net: net.train(1), ValueError),
        (lambda net: net.to(torch.int64), TypeError),
        (lambda net: net.cuda(), RuntimeError),
        (lambda net: net.to("cuda"), RuntimeError),
        (lambda net: nn.Module()(1), NotImplementedError),
        (lambda net: nn.Module(3), TypeError),
        (lambda net: net.load_state_dict([1]), TypeError),
        (lambda net: net.set_submodule("", nn.ReLU()), ValueError),
        (lambda net: net.bfloat16(), NotImplementedError),
    ],
)
def test_refusals(wrong, error):
    net = Net()
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    with pytest.raises(error):
        wrong(net)
    after = net.state_dict()
    assert list(before) == list(after) and all(np.array_equal(v, after[k].numpy()) for k, v in before.items())


def test_assigning_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.part = value
            super().__init__()

    for value in (nn.Linear(1, 1), nn.Parameter(torch.ones(1)), nn.Buffer(torch.ones(1))):
        with pytest.raises(AttributeError, match="before Module.__init__"):
            Early(value)


def test_wrappers_may_ask_getattr():
    class Wrapper(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.__dict__["inner"], name)

    assert Wrapper(nn.Linear(4, 3)).out_features == 3


def test_properties_of_subclasses_are_set_and_not_hidden():
    class Tempered(nn.Module):
        @property
        def heat(self):
            return self.kept

        @heat.setter
        def heat(self, value):
            self.kept = value * 2

    m = Tempered()
    m.heat = 3
    assert m.heat == 6 and "heat" not in m.__dict__


def test_moves_and_submodules():
    net = Net()
    net.set_submodule("layers.1", nn.ReLU())
    assert isinstance(net.layers[1], nn.ReLU) and net.get_submodule("") is net
    net(torch.ones(2, 4)).sum().backward()
    net.double()
    assert net.scale.dtype == net.scale.grad.dtype == net.seen.dtype == torch.float64
    assert net.half().seen.dtype == torch.float16 and net.float().cpu().scale.dtype == torch.float32
    assert net.to(torch.zeros(1, dtype=torch.float64)).scale.dtype == torch.float64
    assert net.type(torch.float32).scale.dtype == torch.float32
    assert net.to_empty(device="cpu") is net and net.compile() is None
    p = net.fc1.weight
    assert net.to("cpu").fc1.weight is p and net.double().fc1.weight is p


# ---- state


def test_a_load_that_fails_names_all_problems_and_changes_nothing():
    net = Net()
    state = {k: v.clone() + 1 for k, v in net.state_dict().items()}
    del state["fc1.bias"], state["seen"]
    state["fc1.weight"] = torch.zeros(2, 2)
    state["layers.1.weight"] = "text"
    state["layers.7.weight"] = torch.zeros(1)
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        'Missing key(s) in state_dict: "seen", "fc1.bias"', (
            'Unexpected key(s) in state_dict: '
            '"layers.7.weight"'
        ),
        "size mismatch for fc1.weight", "expected torch.Tensor",
    ):  # fmt: skip
        assert part in text
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)
    for k, v in net.state_dict().items():
        assert np.array_equal(v.numpy(), before[k])


def test_loading_loosely_and_by_assignment():
    net = Net()
    found = net.load_state_dict({"scale": torch.zeros(3), "other": torch.zeros(1)}, strict=False)
    assert found.unexpected_keys == ["other"] and "fc1.weight" in found.missing_keys and net.scale.sum() == 0
    new = torch.full((3,), 7.0, dtype=torch.float64)
    net.scale.requires_grad_(False)
    net.load_state_dict({**net.state_dict(), "scale": new}, assign=True)
    assert (
        isinstance(net.scale, nn.Parameter)
        and net.scale.dtype == torch.float64
        and not net.scale.requires_grad
    )
    new[0] = 1.0
    assert net.scale[0] == 1.0, "the tensor itself is taken"


def test_plain_dicts_without_num_batches_tracked_load():
    bn = nn.BatchNorm1d(3)
    plain = {k: v for k, v in bn.state_dict().items() if k != "num_batches_tracked"}
    bn.load_state_dict(plain)
    versioned = bn.state_dict()
    del versioned["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="Missing key"):
        bn.load_state_dict(versioned)


def test_extra_state_and_hooks_around_it():
    class Counting(nn.Linear):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = nn.Sequential(Counting(1, 1)), nn.Sequential(Counting(1, 1))
    a[0].count = 5
    seen = []
    a.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("before"))
    a.register_state_dict_post_hook(lambda m, state, prefix, meta: seen.append(len(state)))
    b.register_load_state_dict_pre_hook(lambda m, *rest: seen.append(sorted(rest[0])))
    b.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys))
    b.load_state_dict(a.state_dict())
    assert b[0].count == 5 and seen == ["before", 3, ["0._extra_state", "0.bias", "0.weight"], []]
    state = a.state_dict()
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match='Missing key.*"0._extra_state"'):
        b.load_state_dict(state)


def test_a_hook_may_forgive_missing_keys():
    net = nn.Linear(2, 2)
    handle = net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    weight = torch.ones(2, 2)
    net.load_state_dict({"weight": weight})
    assert np.array_equal(net.weight.detach().numpy(), weight.numpy())
    handle.remove()
    with pytest.raises(RuntimeError, match="bias"):
        net.load_state_dict({"weight": weight})


# ---- lazy modules


def test_lazy_modules_have_no_values_before_the_first_input():
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    w = net[0].weight
    with pytest.raises(RuntimeError, match="shape of an uninitialized"):
        _ = w.shape
    for use in (lambda: w + 1, lambda: w.numel(), lambda: w.sum(), lambda: nn.init.ones_(w)):
        with pytest.raises(ValueError, match="uninitialized parameter"):
            use()
    assert isinstance(net.state_dict()["0.weight"], nn.UninitializedParameter)
    net.double()
    assert w.dtype == torch.float64 and net[0].has_uninitialized_params()
    net(torch.zeros(4, 5, dtype=torch.float64))
    assert net[0].weight is w and type(w) is nn.Parameter and w.dtype == torch.float64 and w.shape == (3, 5)
    assert type(net[0]) is nn.Linear and type(net[1]) is nn.BatchNorm1d and w.is_leaf and w.requires_grad


def test_lazy_modules_load_what_has_values_and_what_has_none():
    made = nn.LazyLinear(3)
    made(torch.zeros(2, 5))
    lazy = nn.LazyLinear(3)
    lazy.load_state_dict(made.state_dict())
    assert lazy.weight.shape == (3, 5) and isinstance(lazy, nn.LazyLinear)
    x = torch.ones(2, 5)
    assert equal(lazy(x), made(x)) and type(lazy) is nn.Linear and lazy.in_features == 5
    nn.LazyLinear(3).load_state_dict(nn.LazyLinear(3).state_dict())
    with pytest.raises(RuntimeError, match="no shape yet"):
        made.load_state_dict(nn.LazyLinear(3).state_dict())


def test_lazy_modules_of_your_own():
    class LazyScale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.UninitializedParameter()

        def initialize_parameters(self, x):
            if self.has_uninitialized_params():
                self.scale.materialize(x.shape[-1:])
                nn.init.constant_(self.scale, 2.0)

        def forward(self, x):
            return x * self.scale

    m = LazyScale()
    assert m(torch.ones(2, 3)).sum() == 12 and m(torch.ones(2, 3)).sum() == 12 and type(m) is LazyScale

    class Forgetful(LazyScale):
        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="not been fully initialized"):
        Forgetful()(torch.ones(2, 3))


@pytest.mark.parametrize("name, shape", [("LazyConv2d", (3, 3)), ("LazyConv1d", (2, 2, 2, 2))])
def test_lazy_convolutions_refuse(name, shape):
    with pytest.raises(RuntimeError, match="Expected .D"):
        getattr(nn, name)(4, 2)(torch.zeros(shape))
    with pytest.raises(ValueError, match="divisible by groups"):
        nn.LazyConv2d(4, 2, groups=2)(torch.zeros(1, 3, 4, 4))


# ---- hooks


def test_forward_hooks_see_and_replace():
    lin = nn.Linear(2, 2)
    log = []
    handles = [
        lin.register_forward_pre_hook(lambda m, args: log.append("pre")),
        lin.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        lin.register_forward_pre_hook(lambda m, args, kw: (args, kw), with_kwargs=True, prepend=True),
        lin.register_forward_hook(lambda m, args, out: log.append(args[0].sum().item())),
        lin.register_forward_hook(lambda m, args, kw, out: out * 0, with_kwargs=True),
    ]
    assert lin(torch.ones(1, 2)).abs().sum() == 0 and log == ["pre", 4.0]
    for h in handles:
        h.remove()
    assert lin(torch.ones(1, 2)).abs().sum() > 0 and lin._hooks is None, "and calls are short again"


def test_a_hook_that_is_always_called():
    class Bad(nn.Module):
        def forward(self):
            raise ZeroDivisionError

    bad, log = Bad(), []
    bad.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)
    bad.register_forward_hook(lambda m, args, out: log.append("no"))
    with pytest.raises(ZeroDivisionError):
        bad()
    assert log == [None]


def test_backward_hooks():
    lin = nn.Linear(2, 1, bias=False)
    log = {}
    lin.register_full_backward_hook(lambda m, gi, go: log.update(gi=gi, go=go))
    lin.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x = torch.ones(1, 2, requires_grad=True)
    lin(x).sum().backward()
    assert log["go"][0].item() == 3.0 and np.allclose(x.grad.numpy(), 3 * lin.weight.detach().numpy())
    assert np.allclose(log["gi"][0].numpy(), x.grad.numpy())
    replaced = nn.Identity()
    replaced.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0,))
    x.grad = None
    replaced(x).sum().backward()
    assert x.grad.sum() == 0
    with pytest.raises(RuntimeError, match="both regular backward hooks and full"):
        lin.register_backward_hook(print)


def test_backward_hooks_where_results_are_no_tensors():
    class Odd(nn.Module):
        def forward(self, x, flag):
            return (x * 2, "label") if flag else {"x": x}

    odd, log = Odd(), []
    odd.register_full_backward_hook(lambda m, gi, go: log.append((len(gi), gi[1], len(go), go[1])))
    x = torch.ones(2, requires_grad=True)
    odd(x, True)[0].sum().backward()
    assert log == [(2, None, 2, None)]
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple"):
        odd(x, False)


# ---- errors


def test_an_error_names_its_module():
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 5)))
    with pytest.raises(RuntimeError) as caught:
        net(torch.zeros(1, 2))
    assert caught.value.__notes__ == ["1.1: Linear(in_features=4, out_features=5, bias=True) got (1, 3)"]
    with pytest.raises(RuntimeError) as caught:
        net[1][1](torch.zeros(1, 2))
    assert caught.value.__notes__ == ["Linear(in_features=4, out_features=5, bias=True) got (1, 2)"]


def test_an_error_may_lose_its_notes_on_the_way():
    class Clears(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 1)

        def forward(self, x):
            try:
                return self.inner(x)
            except RuntimeError as e:
                e.__notes__.clear()
                raise

    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(Clears())(torch.zeros(1, 3))
    assert caught.value.__notes__ == []
