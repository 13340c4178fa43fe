"""What scripts touch inside a Module: its dicts of hooks and members, global hooks, older backward hooks."""

from __future__ import annotations

import copy
import importlib
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest
from helpers import same

import tinygrad6


def net(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def everywhere(torch):
    return importlib.import_module(f"{torch.__name__}.nn.modules.module")


HOOKS = """_forward_hooks _forward_pre_hooks _forward_hooks_with_kwargs _forward_pre_hooks_with_kwargs
    _forward_hooks_always_called _backward_hooks _backward_pre_hooks _state_dict_hooks _state_dict_pre_hooks
    _load_state_dict_pre_hooks _load_state_dict_post_hooks""".split()


def test_dicts_of_hooks():
    def run(torch):
        m, log = torch.nn.Linear(2, 2), []
        hook = lambda *told, **named: log.append(len(told))  # noqa: E731
        handles = [
            m.register_forward_hook(hook, with_kwargs=True, always_call=True),
            m.register_forward_pre_hook(hook, with_kwargs=True),
            m.register_full_backward_hook(hook),
            m.register_full_backward_pre_hook(hook),
            m._register_state_dict_hook(hook),
            m.register_state_dict_pre_hook(hook),
            m.register_load_state_dict_pre_hook(hook),
            m.register_load_state_dict_post_hook(hook),
        ]
        full = [len(getattr(m, n)) for n in HOOKS]
        plain = [n for n in HOOKS[:7] for v in getattr(m, n).values() if v is hook]
        m.load_state_dict(m.state_dict())
        m(torch.ones(1, 2, requires_grad=True)).sum().backward()
        twins = [len(copy.deepcopy(m)._forward_hooks), m._is_full_backward_hook]
        for h in handles:
            h.remove()
        return [full, plain, [len(getattr(m, n)) for n in HOOKS], log, twins]

    same(run)


def test_hooks_are_cleared_and_moved_by_hand():
    def run(torch):
        m, log = net(torch), []
        first = m[0].register_forward_hook(lambda k, a, o: log.append("first"))
        m[0].register_forward_hook(lambda k, a, o: log.append("second"))
        m(torch.ones(1, 3))
        m[0]._forward_hooks.move_to_end(first.id)
        m(torch.ones(1, 3))
        m[0]._forward_hooks.clear()
        m[2]._forward_hooks[-1] = lambda k, a, o: o * 0
        out = m(torch.ones(1, 3))
        for module in m.modules():
            module._forward_hooks = OrderedDict()
        names = [type(h).__name__ for module in m.modules() for h in module._forward_hooks.values()]
        return [log, out.detach(), m(torch.ones(1, 3)).detach(), names]

    same(run)


def test_hooks_of_all_modules():
    def run(torch):
        m, log, all_of = net(torch), [], everywhere(torch)
        name = lambda k: type(k).__name__  # noqa: E731
        handles = [
            all_of.register_module_forward_pre_hook(lambda k, a: log.append(["pre", name(k)])),
            all_of.register_module_forward_hook(lambda k, a, o: log.append(["out", name(k), o.detach()])),
            all_of.register_module_forward_hook(
                lambda k, a, kw, o: o * 2 if isinstance(k, torch.nn.ReLU) else None, with_kwargs=True
            ),
            all_of.register_module_full_backward_pre_hook(lambda k, go: log.append(["before", name(k)])),
            all_of.register_module_full_backward_hook(
                lambda k, gi, go: log.append([name(k), [None if g is None else g.detach() for g in gi]])
            ),
        ]
        m[0].register_forward_hook(lambda k, a, o: log.append(["own"])).remove()
        try:
            x = torch.ones(2, 3, requires_grad=True)
            out = m(x)
            out.sum().backward()
        finally:
            for h in handles:
                h.remove()
        count = len(log)
        m(x)
        return [log, out.detach(), x.grad, len(log) == count]

    same(run)
    m = net(tinygrad6)
    m(tinygrad6.ones(1, 3))
    assert m._hooks is None, "calls are short again"


def test_a_global_hook_that_is_always_called():
    def run(torch):
        log, all_of = [], everywhere(torch)
        handle = all_of.register_module_forward_hook(
            lambda k, a, o: log.append([type(k).__name__, o]), always_call=True
        )
        m = net(torch)
        m[2].register_forward_hook(lambda k, a, o: 1 / 0)
        try:
            m(torch.ones(1, 3))
        except ZeroDivisionError:
            log.append("raised")
        handle.remove()
        return [[n for n, *_ in log], log[-1]]

    same(run)


OLDER = {
    "linear": lambda nn: nn.Linear(3, 4),
    "no_bias": lambda nn: nn.Linear(3, 4, bias=False),
    "relu": lambda nn: nn.ReLU(),
    "sigmoid": lambda nn: nn.Sigmoid(),
    "softmax": lambda nn: nn.Softmax(-1),
    "conv": lambda nn: nn.Conv1d(2, 4, 2),
    "conv_no_bias": lambda nn: nn.Conv1d(2, 4, 2, bias=False),
    "norm": lambda nn: nn.BatchNorm1d(3),
    "layer": lambda nn: nn.LayerNorm(3),
    "identity": lambda nn: nn.Identity(),
}


@pytest.mark.filterwarnings("ignore:Using a non-full backward hook:FutureWarning")
@pytest.mark.parametrize("kind", OLDER)
@pytest.mark.parametrize("replace", [False, True])
def test_older_backward_hooks(kind, replace):
    def run(torch, x):
        torch.manual_seed(0)
        m, log = OLDER[kind](torch.nn), []

        def hook(module, grad_in, grad_out):
            log.append([[None if g is None else g.detach() for g in gs] for gs in (grad_in, grad_out)])
            return tuple(None if g is None else g * 2 for g in grad_in) if replace else None

        m.register_backward_hook(hook)
        y = x * 1
        m(y).square().sum().backward()
        return [log, x.grad, [p.grad for p in m.parameters()], m._is_full_backward_hook]

    shape = (3, 2, 3) if kind.startswith("conv") else (5, 3)
    same(
        run,
        tinygrad6.linspace(-1, 1, 18 if len(shape) == 3 else 15).view(shape).requires_grad_(),
        second=False,
        rtol=1e-4,
        atol=1e-4,
    )


def test_older_and_full_hooks_do_not_mix():
    def run(torch, first, second):
        m = torch.nn.Linear(1, 1)
        getattr(m, first)(print)
        getattr(m, second)(print)

    kinds = ["register_backward_hook", "register_full_backward_hook"]
    same(run, *kinds)
    same(run, *reversed(kinds))
    m = tinygrad6.nn.Linear(2, 2)
    m.register_backward_hook(lambda *told: None)
    with pytest.raises(NotImplementedError, match="register_full_backward_hook"):
        m(tinygrad6.ones(1, 2, 2)).sum().backward()


def test_a_hook_that_fails_in_a_failing_call_is_silenced():
    def run(torch):
        m, log = torch.nn.Linear(1, 1), []
        m.register_forward_hook(lambda k, a, o: 1 / 0)
        m.register_forward_hook(lambda k, a, o: log.append(o.shape), always_call=True)
        m.register_forward_hook(lambda k, a, o: [][0], always_call=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                m(torch.ones(2, 1))
            except ZeroDivisionError:
                log.append("zero")
        return [[tuple(v) if v != "zero" else v for v in log], [str(w.message)[:40] for w in caught]]

    same(run)


# ---- members


def test_members_as_dicts():
    def run(torch):
        m = net(torch)
        m.register_buffer("b", torch.ones(1))
        m._modules["c"] = torch.nn.Tanh()
        m._parameters["q"] = torch.nn.Parameter(torch.ones(1))
        kept = m._modules.copy()
        last = m._modules.popitem()[0]
        seen = [list(m._modules), list(m._parameters), list(m._buffers), last, type(kept).__name__ != "_View"]
        m._modules = OrderedDict(x=torch.nn.Linear(1, 1), y=None)
        m._buffers.update(d=torch.zeros(2))
        m._parameters = {}
        seen += [list(m.state_dict()), hasattr(m, "0"), m.x.in_features, m._modules.get("z")]
        m._modules.clear()
        try:
            m._modules.popitem()
        except KeyError:
            seen.append("empty")
        return seen

    same(run)


def test_state_by_setstate_and_members_by_function():
    def run(torch):
        class Old(torch.nn.Linear):
            def __setstate__(self, state):
                state.setdefault("added", 3)
                super().__setstate__(state)

        old = Old(2, 1)
        twin = copy.deepcopy(old)
        again = torch.nn.Linear.__new__(torch.nn.Linear)
        again.__setstate__(old.__dict__.copy())
        names = [n for n, _ in net(torch)._named_members(lambda m: m._parameters.items(), "p", True)]
        names += [
            n for n, _ in net(torch)._named_members(lambda m: m._modules.items(), remove_duplicate=False)
        ]
        return [twin.added, list(again.state_dict()), names, torch.nn.Module.dump_patches]

    same(run)


def names_of(module):
    return [n for n in dir(module) if n in ("0", "a", "weight", "forward")]


ACTIONS = {
    "buffer_over_attribute": lambda t, m: setattr(m, "training", t.nn.Buffer(t.ones(1))),
    "arguments": lambda t, m: t.nn.Module(3),
    "keywords": lambda t, m: t.nn.Module(a=3),
    "dotted": lambda t, m: m.add_module("a.b", None),
    "parameter": lambda t, m: m.get_parameter("zzz"),
    "parameter_of": lambda t, m: m.get_parameter("0.zzz"),
    "not_a_parameter": lambda t, m: m.get_parameter("0"),
    "buffer": lambda t, m: m.get_buffer("0.weight"),
    "no_buffer": lambda t, m: m.get_buffer("1.weight"),
    "set_strict": lambda t, m: m.set_submodule("0.x", t.nn.ReLU(), strict=True),
    "set_over": lambda t, m: m.set_submodule("0.weight", t.nn.ReLU()),
    "tensor_as_child": lambda t, m: setattr(m, "0", t.ones(1)),
    "tensor_as_parameter": lambda t, m: setattr(m[0], "weight", t.ones(1)),
    "buffer_as_parameter": lambda t, m: setattr(m[0], "weight", t.nn.Buffer(t.ones(1))),
    "number_as_child": lambda t, m: m.add_module("x", 3),
    "tensor_to_register": lambda t, m: m.register_parameter("x", t.ones(1, dtype=t.float64)),
    "cuda": lambda t, m: m.cuda(),
    "xpu": lambda t, m: m.xpu(),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_texts(action):
    """The same error with the same words."""

    def run(torch):
        try:
            ACTIONS[action](torch, net(torch))
        except Exception as e:
            return [str(e).split(": tinygrad6")[0].split(" is not available")[0]]

    if action != "xpu":
        same(run)
    same(lambda torch: ACTIONS[action](torch, net(torch)))


def test_dir_leaves_out_numbers():
    same(lambda torch: [names_of(net(torch)), names_of(torch.nn.Linear(1, 1))])


def test_assigning_integers_changes_nothing():
    def run(torch):
        m = net(torch)
        state = OrderedDict((k, v + 1) for k, v in m.state_dict().items())
        state["2.weight"] = torch.ones(2, 4, dtype=torch.int64)
        m.load_state_dict(state, assign=True)

    same(run)
    m = net(tinygrad6)
    before = {k: v.clone() for k, v in m.state_dict().items()}
    state = OrderedDict((k, v + 1) for k, v in before.items())
    state["2.weight"] = tinygrad6.ones(2, 4, dtype=tinygrad6.int64)
    with pytest.raises(RuntimeError, match="2.weight.*torch.int64"):
        m.load_state_dict(state, assign=True)
    assert all((v == before[k]).all() for k, v in m.state_dict().items())


def test_hooks_survive_pickling_of_their_module():
    m = tinygrad6.nn.Linear(1, 1)
    m.register_forward_pre_hook(_pre)
    assert list(pickle.loads(pickle.dumps(m))._forward_pre_hooks.values()) == [_pre]


def _pre(module, args):
    return None


PLACES = [
    (), ("cpu",), ("f64",), ("cpu", "f64"), ("f64", "cpu"), ("t",), ("t", "cpu"), ("t", True), ("cpu", True),
    ("f64", True), ("cpu", "f64", True), ("cpu", "f64", True, False), (None,), (None, "f64"), ("cpu", None),
    (True,), ("f64", "f64"), ("t", "t"), (float,), (int,), ([1],), ({},), ("cpu", "cpu"), (3,), (str,),
    (np.float32,), (dict,),
]  # fmt: skip
NAMED = [{}, {"dtype": "f64"}, {"device": "cpu"}, {"non_blocking": True}, {"tensor": "t"},
         {"other": "t"}, {"device": "cpu", "dtype": "f64"}, {"dtype": None}]  # fmt: skip


@pytest.mark.parametrize("args", PLACES, ids=str)
def test_forms_of_to(args):
    def run(torch, kwargs):
        known = {"f64": torch.float64, "t": torch.ones(1, dtype=torch.float64)}
        find = lambda a: known.get(a, a) if isinstance(a, str) else a  # noqa: E731
        net = torch.nn.Linear(1, 1)
        moved = net.to(*map(find, args), **{n: find(v) for n, v in kwargs.items()})
        return [moved is net, net.weight.dtype, net.bias.dtype]

    for kwargs in NAMED + [{"copy": True}] * (args in [(), ("cpu",), ("t",), ("cpu", "f64"), ("f64", "cpu")]):
        same(run, kwargs=kwargs)
