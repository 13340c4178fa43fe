"""Views and in-place changes: right gradients for bases and views, PyTorch's refusals,
and nothing changed by them.

Random programs of these are in test_programs.py; here stands, by name, what they found and what must not come
back.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import nn


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_a_view_changed_in_place_changes_its_base_and_the_other_views():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    tail, row = y[1:], y.view(1, 3)
    tail.mul_(10)
    assert y.tolist() == [1.0, 20.0, 30.0] and row.tolist() == [[1.0, 20.0, 30.0]]
    (row * row).sum().backward()
    assert x.grad.tolist() == [2.0, 400.0, 600.0]


def test_a_base_changed_in_place_changes_its_views():
    x = leaf(1.0, 2.0)
    y = x * 1
    first = y[0]
    y *= 3
    (first * first).backward()
    assert x.grad.tolist() == [18.0, 0.0]


def test_a_constant_base_becomes_part_of_the_graph():
    x, base = leaf(2.0), torch.zeros(3, dtype=torch.float64)
    view = base[1:]
    base[0] = 5.0
    view[0] = x * 3
    assert base.requires_grad and not base.is_leaf
    (base**2).sum().backward()
    assert x.grad.item() == 36.0


def test_retained_gradients_accumulate_and_follow_changes():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    (y * 2).sum().backward(retain_graph=True)
    (y * 3).sum().backward(retain_graph=True)
    assert y.grad.item() == 5.0
    y.grad = None
    y.mul_(10)
    (y * 4).sum().backward()
    assert y.grad.item() == 4.0 and y.retains_grad, "the gradient of the value after the change"
    base = x * torch.ones(2, dtype=torch.float64)
    base.retain_grad()
    base[0:1].mul_(5)
    (base * 7).sum().backward()
    assert base.grad.tolist() == [7.0, 7.0]


def test_retained_gradients_come_after_the_hooks():
    x = leaf(1.0)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: g * 3)
    y.sum().backward()
    assert y.grad.item() == 3.0


def test_inputs_of_backward_retain_theirs():
    x = leaf(2.0)
    y = x * 3
    (y * y).sum().backward(inputs=[y], retain_graph=True)
    assert y.grad.item() == 12.0 and y.retains_grad and x.grad is None


def test_only_what_leads_to_the_inputs_is_run():
    x = leaf(2.0)
    y = x * 1
    z = y * y  # whose saved values are spoiled
    y.add_(1)
    assert torch.autograd.grad((z * 3).sum(), z)[0].item() == 3.0


def test_a_frozen_leaf_gets_nothing():
    x, y = leaf(1.0), leaf(1.0)
    z = x * y
    x.requires_grad_(False)
    z.sum().backward()
    assert x.grad is None and y.grad.item() == 1.0


def test_the_value_that_stays_gets_the_gradient():
    x, v = torch.zeros(3, dtype=torch.float64), leaf(1.0, 2.0, 3.0)
    x[torch.tensor([0, 1, 0])] = v
    assert x.tolist() == [3.0, 2.0, 0.0]
    x.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0, 1.0]
    w = leaf(1.0, 2.0, 3.0)
    torch.zeros(3, dtype=torch.float64).scatter(0, torch.tensor([2, 2, 1]), w).sum().backward()
    assert w.grad.tolist() == [0.0, 1.0, 1.0]


def test_a_lower_type_changed_by_a_higher_one():
    x, y = torch.ones(2, dtype=torch.float32), leaf(3.0, 4.0)
    view = x[:]
    view *= y
    view += 1.0
    (view * view).sum().backward()
    assert x.dtype == torch.float32 and y.grad.tolist() == [8.0, 10.0]


def test_results_whose_value_no_rule_needs_may_be_changed():
    x, y = leaf(1.0, 2.0), leaf(4.0, 5.0)
    z = x / y
    z += 1
    z.mul_(2)
    z.sum().backward()
    assert np.allclose(y.grad.numpy(), [-2 / 16, -4 / 25])


def test_views_made_without_recording():
    x = leaf(1.0, 2.0)
    with torch.no_grad():
        v = x.view(-1)
    assert v.requires_grad and v.is_leaf and v.grad_fn is None
    (v * 2).sum().backward()  # arrives nowhere, as in PyTorch
    assert x.grad is None and v.grad is None
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        v.mul_(2)
    with torch.no_grad():
        v.mul_(2)
    assert x.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        v.numpy()


REFUSED = {
    "a leaf": lambda x, y: x.add_(1),
    "a leaf by an operator": lambda x, y: x.__iadd__(1),
    "a part of a leaf": lambda x, y: x.__setitem__(0, 1.0),
    "a view of a leaf": lambda x, y: x.view(-1).mul_(2),
    "one of several views": lambda x, y: y.chunk(2)[0].mul_(2),
    "one of several views, unbound": lambda x, y: y.unbind()[0].zero_(),
    "an expanded tensor": lambda x, y: y[:1].expand(4).mul_(2),
    "overlapping windows": lambda x, y: y.unfold(0, 2, 1).mul_(2),
    "overlapping strides": lambda x, y: y.as_strided((3, 2), (1, 1)).add_(1),
    "a larger shape": lambda x, y: y.add_(torch.ones(2, 4)),
    "a misfit": lambda x, y: y.add_(torch.ones(3)),
    "a mask with values of another shape": lambda x, y: y.__setitem__(
        y > -9, torch.ones(2, 2, dtype=torch.float64)
    ),
    "an integer by a float": lambda x, y: torch.ones(4, dtype=torch.int64).add_(0.5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_everything_as_it_was(name):
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1
    versions = x._version, y._version
    with pytest.raises(RuntimeError):
        REFUSED[name](x, y)
    assert x.tolist() == y.tolist() == [1.0, 2.0, 3.0, 4.0] and (x._version, y._version) == versions
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 4


def test_several_views_are_stale_after_a_change():
    y = leaf(1.0, 2.0) * 1
    first, second = y.unbind()
    y.mul_(2)
    for use in (lambda: first * 2, lambda: first.is_leaf, lambda: second.sin()):
        with pytest.raises(RuntimeError, match="UnbindBackward0 is a view and its base or another view"):
            use()
    with torch.no_grad():
        assert (first * 2).item() == 4.0


def test_a_view_whose_base_was_detached():
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y[:1]
    y.detach_()
    with pytest.raises(RuntimeError, match="view of a leaf"):
        v.mul_(2)
    with pytest.raises(RuntimeError, match="Can't detach views"):
        v.detach_()


def test_an_input_returned_as_it_came_may_not_be_changed():
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    y = x * 1
    z = Same.apply(y)
    with pytest.raises(RuntimeError, match="created inside a custom Function"):
        z.mul_(2)
    assert y.item() == 1.0


def test_spoiled_values_are_noticed_wherever_they_were_changed():
    def spoil(change):
        x = leaf(1.0, 2.0)
        y = x * 1
        z = (y * y).sum()
        change(y)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()

    spoil(lambda y: y.add_(1))
    spoil(lambda y: y[0].mul_(2))
    spoil(lambda y: y.detach().zero_())
    spoil(lambda y: y.view(2, 1).__setitem__(0, 3.0))
    with torch.no_grad():
        spoil_quietly = leaf(1.0) * 1
        spoil_quietly.add_(1)


def test_a_change_of_another_part_is_noticed_when_it_comes_later():
    """What an in-place op keeps of the rest of its memory: found by a random program."""

    def program(later):
        x = leaf(0.3, -0.7)
        y = x * 1
        a, b = y[0:1], y[1:2]
        b *= a  # keeps a, which this write does not touch
        later(a)
        return x, (a.sin() + b.sin()).sum()

    x, loss = program(lambda a: None)
    loss.backward()
    expected = [np.cos(0.3) - 0.7 * np.cos(0.3 * -0.7), 0.3 * np.cos(0.3 * -0.7)]
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        program(lambda a: a.mul_(-0.42))[1].backward()


def test_results_of_joining_lie_row_by_row():
    x = torch.arange(6.0).reshape(2, 3).T
    for joined in (torch.cat([x, x]), torch.stack([x, x]), x.repeat(2, 2), torch.vstack([x, x])):
        assert joined.is_contiguous()


@pytest.mark.parametrize(
    "name", ["tile", "repeat_interleave", "rot90", "kron", "quantile", "index_add", "scatter_reduce"]
)
def test_composed_results_are_nobodys_views(name):
    x = torch.ones(2, 2)
    at = torch.zeros(2, 2, dtype=torch.int64)
    made = {
        "tile": lambda: x.tile((2, 2)),
        "repeat_interleave": lambda: x.repeat_interleave(2),
        "rot90": lambda: x.rot90(),
        "kron": lambda: torch.kron(x, x),
        "quantile": lambda: x.quantile(0.5),
        "index_add": lambda: x.index_add(0, at[0], x),
        "scatter_reduce": lambda: x.scatter_reduce(0, at, x, "sum"),
    }[name]()
    assert not made._is_view()
    made.zero_()
    assert x.tolist() == [[1.0, 1.0], [1.0, 1.0]]


AFTER = {
    "max_pool1d": (lambda: nn.MaxPool1d(2), (2, 3, 8)),
    "max_pool2d": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 6, 6)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
    "adaptive_max_pool2d": (lambda: nn.AdaptiveMaxPool2d(2), (1, 2, 5, 5)),
    "gelu": (lambda: nn.GELU(), (300, 200)),
    "gelu tanh": (lambda: nn.GELU("tanh"), (3, 4)),
    "rnn": (lambda: nn.RNN(3, 4), (5, 2, 3)),
    "gru": (lambda: nn.GRU(3, 4), (5, 2, 3)),
}


@pytest.mark.parametrize("name", AFTER)
def test_a_result_that_only_a_fast_path_reads_may_be_changed(name):
    """nn.MaxPool2d(2), nn.ReLU(True): PyTorch's backward of these does not need their results."""
    make, shape = AFTER[name]
    torch.manual_seed(0)
    module, x = make(), torch.randn(shape, requires_grad=True)

    def gradients(change, **options):
        y = module(x)
        y = change(y[0] if isinstance(y, tuple) else y)
        return torch.autograd.grad(y.sin().sum(), [x, *module.parameters()], **options)

    want = gradients(torch.relu)
    for options in ({}, {"create_graph": True}):
        for got, w in zip(gradients(torch.relu_, **options), want, strict=True):
            assert torch.allclose(got, w, rtol=1e-5, atol=1e-6)


def test_logits_may_be_changed_after_the_cross_entropy():
    x = torch.randn(4, 3, requires_grad=True)
    target = torch.tensor([0, 2, 1, 1])
    want = torch.autograd.grad(nn.functional.cross_entropy(x * 2, target), x)[0]
    logits = x * 2
    loss = nn.functional.cross_entropy(logits, target)
    logits[:, 0] = float("-inf")
    assert torch.equal(torch.autograd.grad(loss, x)[0], want)
