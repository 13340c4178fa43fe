"""Looking at the graph: hooks, anomaly mode, saved tensors, checkpoints;
and what errors say about in-place changes."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import nn
from tinygrad6.autograd import engine, graph
from tinygrad6.engine import Node
from tinygrad6.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_early_stop,
)


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.fixture(autouse=True)
def nobody_watches_any_more():
    yield
    assert Node.__init__ is graph._plain_init and torch.Tensor.bump is graph._plain_bump
    assert not torch.is_anomaly_enabled()


# ---- anomaly mode


@np.errstate(all="ignore")
def test_anomaly_mode_names_the_line_of_the_first_nan():
    x = leaf(0.0, 1.0)
    earlier = x.sqrt()
    with torch.autograd.set_detect_anomaly(True):
        root = x.sqrt()  # this very line
        with pytest.raises(
            RuntimeError,
            match=r"(?s)Function 'SqrtBackward0' returned nan.*root = x.sqrt\(\)  # this very line",
        ):
            (root * 0).sum().backward()
        assert torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.raises(RuntimeError, match="No forward pass information"),
    ):
        (earlier * 0).sum().backward()


def test_anomaly_mode_tells_where_an_op_that_fails_was_recorded():
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("inside")

    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        manager = torch.autograd.detect_anomaly()
    with manager:
        y = Bad.apply(leaf(1.0))  # recorded here
        with pytest.raises(KeyError) as caught:
            y.sum().backward()
    assert any("y = Bad.apply(leaf(1.0))  # recorded here" in note for note in caught.value.__notes__)


@np.errstate(all="ignore")
def test_anomaly_mode_in_gradients_of_gradients():
    x = leaf(0.0)
    with torch.autograd.set_detect_anomaly(True):
        (g,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)  # made the slope
        with pytest.raises(RuntimeError, match=r"(?s)returned nan.*made the slope"):
            (g * 0).sum().backward()


def test_an_inplace_error_names_the_tensor_the_op_and_under_anomaly_mode_the_line():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y.sin()
    y += 1
    with pytest.raises(
        RuntimeError, match=r"the 'input' of sin\(\) \[float64 \[2\]\] is at version 1; SinBackward0 needs"
    ):
        z.sum().backward()
    with torch.autograd.set_detect_anomaly(True):
        y = x * 1
        z = y.sin()
        y[0] = 3.0  # the culprit
        with pytest.raises(RuntimeError, match=r"(?s)changed here.*y\[0\] = 3.0  # the culprit"):
            z.sum().backward()


# ---- saved tensors


def test_saved_tensors_pass_through_hooks():
    packed, unpacked = [], []

    def pack(t):
        packed.append(t.tolist())
        return np.array(t.detach().numpy())

    def unpack(a):
        unpacked.append(a)
        return torch.from_numpy(a)

    x, y = leaf(2.0), leaf(3.0)
    with graph.saved_tensors_hooks(pack, unpack):
        z = x * y
    assert packed == [[3.0], [2.0]] and not unpacked
    (gx,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    assert gx.item() == 3.0 and torch.autograd.grad(gx, y)[0].item() == 1.0 and len(unpacked) == 2


def test_an_identity_pack_hook_does_not_hide_inplace_changes():
    x = leaf(2.0)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x * 1
        z = y * y
        y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.sum().backward()
        y = x * 1
        y.mul_(y.detach().clone().requires_grad_())  # what in-place ops save of the old value is a copy
        y.sum().backward()
    assert x.grad.item() == 2.0


def test_hooks_on_what_a_function_saves():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x

    x = leaf(3.0)
    with graph.saved_tensors_hooks(lambda t: t.item(), lambda v: torch.tensor([v], dtype=torch.float64)):
        y = Square.apply(x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.item() == 6.0 and torch.autograd.grad(g, x)[0].item() == 2.0


def test_bad_hooks_and_forbidden_ones():
    x = leaf(1.0)
    with graph.saved_tensors_hooks(lambda t: 0, lambda v: v):
        y = x.exp()
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        y.backward()
    with graph.disable_saved_tensors_hooks("not here"):
        with (
            pytest.raises(RuntimeError, match="not here"),
            graph.saved_tensors_hooks(lambda t: t, lambda t: t),
        ):
            pass
        x.exp().backward()
    with graph.saved_tensors_hooks(lambda t: 1 / 0, lambda v: v), pytest.raises(ZeroDivisionError):
        x.exp()
    x.exp().backward()


def test_save_on_cpu_makes_later_changes_harmless():
    x = leaf(2.0)
    with graph.save_on_cpu(pin_memory=True):
        y = x * 1
        z = y * y
    y.add_(5)
    z.backward()
    assert x.grad.item() == 4.0


# ---- nodes


def test_hooks_on_nodes():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    before = y.grad_fn.register_prehook(lambda gs: seen.append(("before", gs[0].tolist())))
    y.grad_fn.register_hook(lambda ins, outs: seen.append(("after", ins[0].tolist(), outs[0].tolist())))
    y.sum().backward(retain_graph=True)
    assert seen == [("before", [1.0, 1.0]), ("after", [3.0, 3.0], [1.0, 1.0])]
    before.remove()
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 10, ins[1]))
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [30.0, 30.0]
    engine.watch = None


def test_hooks_on_the_node_of_a_leaf():
    x = leaf(1.0)
    accumulate = x.expand_as(x).grad_fn.next_functions[0][0]
    assert accumulate.name() == "torch::autograd::AccumulateGrad"
    seen = []
    accumulate.register_hook(lambda *args: seen.append(x.grad.item()))
    (x * 2).backward()
    assert seen == [2.0]


def test_hooks_on_several_gradients_at_once():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    seen, first = [], []
    handle = graph.register_multi_grad_hook(
        (a, b, c), lambda gs: seen.append([None if g is None else g.item() for g in gs])
    )
    graph.register_multi_grad_hook((a, b), lambda g: first.append(g.item()), mode="any")
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    assert seen == [[2.0, 1.0, None], [6.0, 3.0, 2.0]] and len(first) == 2
    handle.remove()
    (a * b).sum().backward()
    assert len(seen) == 2


def test_versions_and_edges():
    x = leaf(2.0)
    y = x * 1
    z = y * y
    y.detach().numpy()[...] = 5
    graph.increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    y = x * 3
    edge = graph.get_gradient_edge(y)
    assert torch.autograd.grad((y * y).sum(), edge)[0].item() == 12.0
    with pytest.raises(RuntimeError, match="does not require"):
        graph.get_gradient_edge(torch.ones(1))


def test_the_old_variable():
    v = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    v.sum().backward()
    assert v.grad.tolist() == [1.0, 1.0]


# ---- checkpoints


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)
    )


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_gradients_are_the_same_to_the_bit(reentrant):
    found = []
    for way in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=reentrant)):
        m = model()
        torch.manual_seed(1)
        x = torch.randn(3, 4, requires_grad=True)
        loss = (way(m, x) ** 2).sum()
        after = torch.rand(1).item()
        loss.backward()
        assert torch.rand(1).item() != after
        found.append([after, loss.item(), x.grad.tolist(), *[p.grad.tolist() for p in m.parameters()]])
    assert found[0] == found[1]


def test_checkpoints_keep_numbers_instead_of_arrays():
    m, x = model(), torch.randn(3, 4)
    loss = checkpoint(m, x, use_reentrant=False).sum()
    stack, kept = [loss.grad_fn], 0
    while stack:
        node = stack.pop()
        kept += sum(isinstance(a, np.ndarray) for a in node.saved or ())
        stack += [p for p in node.parents if p is not None]
    assert kept == 0
    loss.backward()
    assert all(p.grad is not None for p in m.parameters())


def test_checkpoints_by_every_way_of_differentiating():
    x = leaf(0.3, -0.5)

    def f(t, scale=1.0):
        return checkpoint(lambda u: (u * scale).sin() * u.exp(), t, use_reentrant=False)

    assert torch.autograd.gradcheck(f, x) and torch.autograd.gradgradcheck(f, x)

    def nested(t):
        return checkpoint(lambda u: f(u) * u.cos(), t, use_reentrant=False)

    assert torch.autograd.gradcheck(nested, x) and torch.autograd.gradgradcheck(nested, x)
    y = checkpoint(lambda u, *, k: u * k, x, k=3.0, use_reentrant=False).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0, 6.0]
    with torch.no_grad():
        assert not f(x).requires_grad


def test_checkpoints_in_sequence_run_each_segment_once_more():
    calls = []

    class Counted(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, x):
            calls.append(self.name)
            return x.sin()

    x = leaf(0.5)
    layers = nn.Sequential(*[Counted(n) for n in "abcdef"])
    for reentrant in (False, True):
        calls.clear()
        x.grad = None
        checkpoint_sequential(layers, 3, x, use_reentrant=reentrant).sum().backward()
        assert "".join(calls) == "abcdef" + "cdab"
        expected = leaf(0.5)
        layers(expected).sum().backward()
        assert x.grad.item() == expected.grad.item()


def test_a_function_that_changes_its_mind_is_noticed():
    runs = []

    def fickle(t):
        runs.append(0)
        return t.sin() if len(runs) < 2 else t.reshape(-1, 1).sin()

    x = leaf(1.0, 2.0)
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(fickle, x, use_reentrant=False).sum().backward()
    runs.clear()

    def fewer(t):
        runs.append(0)
        return t.sin() * (t.exp() if len(runs) < 2 else 1.0)

    with pytest.raises(CheckpointError, match="different number"):
        checkpoint(fewer, x, use_reentrant=False).sum().backward()
    assert torch.is_grad_enabled()


def test_early_stop_can_be_switched_off():
    runs = []

    def f(t):
        y = t.sin()
        runs.append(0)
        return y

    x = leaf(1.0)
    checkpoint(f, x, use_reentrant=False).backward()
    assert len(runs) == 1
    with set_checkpoint_early_stop(False):
        checkpoint(f, x, use_reentrant=False).backward()
    assert len(runs) == 3


def test_what_reentrant_checkpoints_refuse():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="incompatible with .grad()"):
        torch.autograd.grad(checkpoint(torch.sin, x, use_reentrant=True), x)
    with pytest.raises(ValueError, match="Unexpected keyword"):
        checkpoint(torch.sin, x, use_reentrant=True, k=1)
    with pytest.warns(UserWarning, match="None of the inputs"):
        checkpoint(torch.sin, torch.ones(1), use_reentrant=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter"):
        checkpoint(torch.sin, x).backward()
    assert x.grad.item() == pytest.approx(np.cos(1.0))


def test_a_checkpoint_leaves_nothing_for_the_cycle_collector():
    def step():
        x = torch.ones(3, requires_grad=True)
        y = checkpoint(lambda t: t.exp() * t, x, use_reentrant=False)
        y.sum().backward()
        return weakref.ref(y.grad_fn)

    step()
    gc.collect()
    gc.disable()
    try:
        assert step()() is None
    finally:
        gc.enable()


# ---- pictures


def test_drawing_a_graph(tmp_path):
    from xml.etree import ElementTree

    m = model()
    drawing = torch.draw(m(torch.ones(1, 4)).sum(), m)
    assert str(drawing).splitlines()[-1].startswith(f"{len(drawing.rows)}  Sum ()")
    assert "0.weight (8, 4)" in drawing.text and "5.bias (2,)" in drawing.text
    root = ElementTree.fromstring(drawing._repr_svg_())
    assert root.tag.endswith("svg") and drawing.svg.count("<rect") == len(drawing.rows)
    assert drawing.svg.count("marker-end") == sum(len(parents) for *_, parents in drawing.rows)
    drawing.save(tmp_path / "graph.svg")
    drawing.save(tmp_path / "graph.txt")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg
    assert (tmp_path / "graph.txt").read_text(encoding="utf-8") == drawing.text + "\n"


def test_what_cannot_be_drawn():
    with pytest.raises(RuntimeError, match="no graph"):
        torch.draw(torch.ones(1))
    y = x = leaf(1.0)
    for _ in range(600):
        y = y + 1
    with pytest.raises(ValueError, match="more than 500 nodes"):
        torch.draw(y)
    assert len(torch.draw(y, {"<x>": x}, limit=1000).rows) == 601
    assert "&lt;x&gt;" in torch.draw(x * 2, {"<x>": x}).svg
    with pytest.raises(TypeError, match="names must be"):
        torch.draw(y, {"x": 3})
