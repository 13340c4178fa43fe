"""autograd.Function: PyTorch's class style, once and twice differentiable, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.autograd import Function, grad, gradcheck, gradgradcheck
from tinygrad6.autograd.function import once_differentiable


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out


class MulAdd(Function):
    @staticmethod
    def forward(ctx, x, y, scale):
        ctx.save_for_backward(x, y)
        ctx.scale = scale
        return x * y * scale, x + y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        dx = g * y * ctx.scale + h if ctx.needs_input_grad[0] else None
        dy = g * x * ctx.scale + h if ctx.needs_input_grad[1] else None
        return dx, dy, None


def test_twice_differentiable():
    x = leaf(0.1, -0.5)
    assert gradcheck(Exp.apply, x) and gradgradcheck(Exp.apply, x)
    assert Exp.apply(x).grad_fn.name() == "ExpBackward"


def test_several_outputs_of_which_any_may_be_unused():
    x, y = leaf(0.3, 2.0), leaf(1.5, -1.0)

    def both(a, b):
        return MulAdd.apply(a, b, 3.0)

    assert gradcheck(both, (x, y)) and gradgradcheck(both, (x, y))
    first, second = both(x, y)
    assert grad(first.sum(), x, retain_graph=True)[0].tolist() == (y * 3).tolist()
    assert grad(second.sum(), y)[0].tolist() == [1.0, 1.0]
    constant = torch.ones(2, dtype=torch.float64)
    assert not both(constant, constant)[0].requires_grad
    assert both(x, constant)[0].grad_fn.parents[0].needs_input_grad == (True, False, False)


def test_setup_context():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x

    assert gradgradcheck(Square.apply, leaf(1.0, 2.0))


def test_once_differentiable_refuses_the_second_time():
    class Numpy(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.from_numpy(np.sin(x.numpy(force=True)))

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return torch.from_numpy(g.numpy(force=True) * np.cos(x.numpy(force=True)))

    x = leaf(0.3)
    assert gradcheck(Numpy.apply, x)
    (g,) = grad(Numpy.apply(x), x, create_graph=True)
    assert not g.requires_grad  # the gradient that came in is a constant: so is the answer, as in PyTorch
    (g,) = grad(Numpy.apply(x) * leaf(2.0), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad(g, x)


def test_saved_tensors_are_checked_and_freed():
    x = leaf(1.0)
    y = x * 1
    out = Exp.apply(y)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()
    out = Exp.apply(x)
    out.backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_mark_dirty_and_non_differentiable():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.array[...] *= 2
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = leaf(3.0)
    y = x * 1
    assert Double.apply(y) is y and y.item() == 6.0
    y.backward()
    assert x.grad.item() == 2.0
    with pytest.raises(RuntimeError, match="leaf Variable"):
        Double.apply(leaf(1.0))

    class Index(Function):
        @staticmethod
        def forward(ctx, x):
            where = x.floor()
            ctx.mark_non_differentiable(where)
            return x * 1, where

        @staticmethod
        def backward(ctx, g, _):
            return g

    value, where = Index.apply(leaf(1.5))
    assert value.requires_grad and not where.requires_grad


def test_wrong_answers_are_refused():
    class TooMany(Exp):
        @staticmethod
        def backward(ctx, g):
            return g, g

    class WrongShape(Exp):
        @staticmethod
        def backward(ctx, g):
            return torch.ones(5, dtype=torch.float64)

    class NoTensor(Exp):
        @staticmethod
        def backward(ctx, g):
            return 1.0

    for function, kind, words in (
        (TooMany, RuntimeError, "expected 1, got 2"),
        (WrongShape, RuntimeError, "invalid gradient at index 0"),
        (NoTensor, TypeError, "returned float"),
    ):
        with pytest.raises(kind, match=words):
            function.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(NotImplementedError, match="forward"):
        Function.apply(leaf(1.0))


def test_unmaterialized_gradients_are_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g is None, h is None))
            return h * 2

    x = leaf(1.0)
    Two.apply(x)[1].backward()
    assert seen == [(True, False)] and x.grad.item() == 2.0
