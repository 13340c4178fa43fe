"""Module itself beside PyTorch's: registration, walking, state, hooks, and what is refused."""

from __future__ import annotations

import copy
import warnings

import pytest
from helpers import same

import tinygrad6 as torch


def net(lib):
    n = lib.nn

    class Net(n.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = n.Linear(4, 3)
            self.scale = n.Parameter(lib.ones(3))
            self.register_buffer("seen", lib.zeros(2))
            self.register_buffer("hidden", lib.zeros(2), persistent=False)
            self.layers = n.ModuleList([n.Linear(3, 3), n.Sequential(n.BatchNorm1d(3), n.ReLU())])
            self.again = self.fc1
            self.nothing = None
            self.register_parameter("none", None)
            self.extra = n.Buffer(lib.ones(1))

        def forward(self, x):
            x = self.fc1(x) * self.scale
            for layer in self.layers:
                x = layer(x)
            return x

        def extra_repr(self):
            return "two\nlines"

    lib.manual_seed(0)
    return Net()


def names(m):
    return [
        [n for n, _ in m.named_parameters()],
        [n for n, _ in m.named_parameters(remove_duplicate=False)],
        [n for n, _ in m.named_parameters("p", recurse=False)],
        [n for n, _ in m.named_buffers()],
        [(n, type(k).__name__) for n, k in m.named_modules()],
        [n for n, _ in m.named_modules(prefix="q", remove_duplicate=False)],
        [n for n, _ in m.named_children()],
        len(list(m.children())),
        list(m.state_dict()),
        list(m.state_dict(prefix="x.")),
        {k: dict(v) for k, v in m.state_dict()._metadata.items()},
        list(m._parameters),
        list(m._buffers),
        list(m._modules),
        repr(m),
        sorted(m._non_persistent_buffers_set),
    ]


def test_names_and_state():
    same(lambda lib: names(net(lib)))
    same(lambda lib: names(copy.deepcopy(net(lib))))


CHANGES = [
    lambda lib, m: setattr(m, "scale", None),
    lambda lib, m: setattr(m, "scale", lib.ones(3)),
    lambda lib, m: setattr(m, "scale", 3),
    lambda lib, m: setattr(m, "fc1", None),
    lambda lib, m: setattr(m, "fc1", lib.nn.ReLU()),
    lambda lib, m: setattr(m, "fc1", lib.ones(1)),
    lambda lib, m: setattr(m, "fc1", lib.nn.Parameter(lib.ones(1))),
    lambda lib, m: setattr(m, "seen", lib.ones(5)),
    lambda lib, m: setattr(m, "seen", None),
    lambda lib, m: setattr(m, "seen", 3),
    lambda lib, m: setattr(m, "seen", lib.nn.Parameter(lib.ones(5))),
    lambda lib, m: setattr(m, "hidden", lib.nn.Buffer(lib.ones(5))),
    lambda lib, m: setattr(m, "nothing", lib.nn.Parameter(lib.ones(2))),
    lambda lib, m: setattr(m, "none", lib.nn.Parameter(lib.ones(2))),
    lambda lib, m: setattr(m, "scale", lib.nn.Linear(1, 1)),
    lambda lib, m: delattr(m, "scale"),
    lambda lib, m: delattr(m, "fc1"),
    lambda lib, m: delattr(m, "seen"),
    lambda lib, m: delattr(m, "missing"),
    lambda lib, m: m.missing,
    lambda lib, m: m.register_buffer("seen", lib.ones(1), persistent=False),
    lambda lib, m: m.register_buffer("scale", None),
    lambda lib, m: m.register_parameter("scale", None),
    lambda lib, m: m.register_parameter("fc1", None),
    lambda lib, m: m.register_parameter("a.b", None),
    lambda lib, m: m.register_parameter(3, None),
    lambda lib, m: m.register_module("", lib.nn.ReLU()),
    lambda lib, m: m.add_module("train", lib.nn.ReLU()),
    lambda lib, m: m.add_module("new", None),
    lambda lib, m: m.get_submodule("layers.1.0").weight.detach(),
    lambda lib, m: m.get_submodule("layers.7"),
    lambda lib, m: m.get_parameter("layers.0.weight").detach(),
    lambda lib, m: m.get_parameter("seen"),
    lambda lib, m: m.get_buffer("scale"),
    lambda lib, m: m.get_buffer("layers.1.0.running_mean"),
    lambda lib, m: m.set_submodule("layers.0", lib.nn.ReLU()),
    lambda lib, m: m.set_submodule("", lib.nn.ReLU()),
    lambda lib, m: m.set_submodule("layers.0", 3),
    lambda lib, m: m.set_submodule("scale", lib.nn.ReLU()),
    lambda lib, m: m.set_submodule("fresh", lib.nn.ReLU()),
    lambda lib, m: m.set_submodule("fresh", lib.nn.ReLU(), strict=True),
    lambda lib, m: m.to(lib.float64),
    lambda lib, m: m.to(lib.int64),
    lambda lib, m: m.to(dtype=lib.float16),
    lambda lib, m: m.to("cpu", lib.float64),
    lambda lib, m: m.type(lib.float64),
    lambda lib, m: m.train(2),
    lambda lib, m: m.requires_grad_(False),
    lambda lib, m: m.apply(lambda k: setattr(k, "mark", 1)),
    lambda lib, m: m.layers.append(lib.nn.Tanh()),
    lambda lib, m: m._modules.pop("layers"),
    lambda lib, m: m._parameters.update(scale=None),
]


@pytest.mark.parametrize("change", range(len(CHANGES)))
def test_changes(change):
    def run(lib):
        m = net(lib)
        answer = CHANGES[change](lib, m)
        shown = answer if isinstance(answer, lib.Tensor) else type(answer).__name__
        return [
            shown,
            names(m),
            [p.dtype for p in m.parameters()],
            [b.dtype for b in m.buffers()],
            m.training,
        ]

    same(run, second=False)


LOADS = [
    lambda lib, s: s.pop("fc1.bias"),
    lambda lib, s: s.update({"more": lib.ones(1)}),
    lambda lib, s: s.update({"fc1.more.x": lib.ones(1)}),
    lambda lib, s: s.update({"layers.5.weight": lib.ones(1)}),
    lambda lib, s: s.update({"seen": lib.ones(3)}),
    lambda lib, s: s.update({"seen": None}),
    lambda lib, s: s.update({"scale": 3}),
    lambda lib, s: s.update({"layers.1.0.num_batches_tracked": lib.ones(1, dtype=lib.int64)}),
    lambda lib, s: s.update({"scale": lib.ones(3, dtype=lib.float64)}),
    lambda lib, s: s.update({"_extra_state": 3}),
    lambda lib, s: s.pop("layers.1.0.num_batches_tracked"),
    lambda lib, s: s.update({"hidden": lib.ones(2)}),
    lambda lib, s: None,
]


@pytest.mark.parametrize("change", range(len(LOADS)))
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_loading(change, strict, assign, plain):
    def run(lib):
        m = net(lib)
        state = lib.nn.Module.state_dict(net(lib)) if not plain else dict(net(lib).state_dict())
        for k in list(state):
            state[k] = state[k] + 1
        LOADS[change](lib, state)
        found = m.load_state_dict(state, strict=strict, assign=assign)
        return [
            repr(found),
            list(found.missing_keys),
            list(found.unexpected_keys),
            list(m.state_dict().values()),
            names(m),
        ]

    same(run, second=False)


def test_the_message_of_a_load():
    texts = []
    for lib in (torch, __import__("torch")):
        state = dict(net(lib).state_dict())
        del state["scale"]
        state |= {"more": lib.ones(1), "fc1.weight": lib.ones(2, 2), "layers.0.bias": lib.ones(1)}
        with pytest.raises(RuntimeError) as e:
            net(lib).load_state_dict(state)
        texts.append(str(e.value))
    assert texts[0].replace("\n", " ").split() == texts[1].replace("\n", " ").split()


def test_hooks():
    def run(lib, x):
        m, log = net(lib).double(), []
        m.register_forward_pre_hook(lambda k, a: log.append("pre 1"))
        m.register_forward_pre_hook(lambda k, a: (a[0] * 2,), prepend=True)
        m.register_forward_hook(lambda k, a, o: log.append(tuple(o.shape)))
        m.register_forward_hook(lambda k, a, kw, o: o * 3, with_kwargs=True)
        m.fc1.register_full_backward_pre_hook(lambda k, go: log.append(["before", [g.detach() for g in go]]))
        m.fc1.register_full_backward_hook(
            lambda k, gi, go: log.append([[g.detach() for g in gi], [g.detach() for g in go]])
        )
        m.layers[0].register_full_backward_hook(lambda k, gi, go: (gi[0] * 2,))
        out = m(x)
        grads = lib.autograd.grad(out.sin().sum(), [x, *m.parameters()], retain_graph=True)
        return [out, log, list(grads)]

    x = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.5, 1.0, 2.0, -2.0]], dtype=torch.float64, requires_grad=True)
    same(run, x, second=False)


@pytest.mark.parametrize("inputs", ["x", "nothing", "both"])
def test_backward_hooks_of_any_module(inputs):
    def run(lib, x):
        log = []

        class Odd(lib.nn.Module):
            def forward(self, a, b, c=None):
                return (a * 2, 3, b * a)

        m = Odd()

        def keep(grads):
            return [g if g is None else g.detach() for g in grads]

        m.register_full_backward_hook(lambda k, gi, go: log.append([keep(gi), keep(go)]))
        a = x if inputs != "nothing" else x.detach()
        b = x * 2 if inputs == "both" else x.detach()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = m(a, b)
        if out[2].requires_grad:
            (out[0].sum() * 2 + out[2].sum()).backward()
        return [log, x.grad]

    same(run, torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True), second=False)
