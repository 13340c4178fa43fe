"""vmap with the derivatives of torch.func inside it, around it and beside it, as PyTorch has them."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad6

torch = pytest.importorskip("torch")


def inputs(t):
    numbers = np.linspace(-1, 1, 12).reshape(4, 3)
    return t.tensor(numbers), t.tensor(np.cos(np.arange(9.0)).reshape(3, 3))


def flat(out):
    parts = out.values() if isinstance(out, dict) else out if isinstance(out, (tuple, list)) else None
    return [out] if parts is None else [x for p in parts for x in flat(p)]


def f(t, w):
    return lambda a: (t.tanh(a @ w) * a).sum()


def through(t, x, w, function):
    w = w.clone().requires_grad_()
    return t.autograd.grad((t.func.vmap(lambda a: function(a, w))(x) ** 2).sum(), w)


def one_graph(t, x, w):
    x = x.clone().requires_grad_()
    y = (x * x)[0]
    return t.func.vmap(lambda v: t.autograd.grad(y, x, v, retain_graph=True)[0])(t.eye(3, dtype=t.float64))


CASES = {
    "grad": lambda t, x, w: t.func.vmap(t.func.grad(f(t, w)))(x),
    "grad and value": lambda t, x, w: t.func.vmap(t.func.grad_and_value(f(t, w)))(x),
    "hessian": lambda t, x, w: t.func.vmap(t.func.hessian(f(t, w)))(x),
    "jacrev": lambda t, x, w: t.func.vmap(t.func.jacrev(lambda a: t.tanh(a @ w)))(x),
    "jacrev in what all share": lambda t, x, w: t.func.vmap(
        t.func.jacrev(lambda a, b: t.tanh(a @ b), argnums=1), in_dims=(0, None)
    )(x, w),
    "both arguments": lambda t, x, w: t.func.vmap(
        t.func.grad(lambda a, b: (a @ b).pow(2).sum(), argnums=(0, 1)), in_dims=(0, None)
    )(x, w),
    "second derivatives": lambda t, x, w: t.func.vmap(t.func.grad(t.func.grad(lambda a: a**3)))(x[:, 0]),
    "sum of a scalar": lambda t, x, w: t.func.vmap(t.func.grad(t.func.grad(lambda a: (a**3).sum())))(x[:, 0]),
    "vjp": lambda t, x, w: t.func.vmap(
        lambda a: t.func.vjp(lambda z: t.sin(z) * w[0], a)[1](t.ones(3, dtype=t.float64))[0]
    )(x),
    "jvp": lambda t, x, w: t.func.vmap(lambda a, v: t.func.jvp(lambda z: t.sin(z) * w[0], (a,), (v,))[1])(
        x, x + 1
    ),
    "vmap in vmap": lambda t, x, w: t.func.vmap(
        t.func.vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(0, None)
    )(x, t.tensor(2.0, dtype=t.float64)),
    "an outer slice inside": lambda t, x, w: t.func.vmap(lambda a: t.func.vmap(lambda b: a * b)(w))(x[:3]),
    "grad in two vmaps": lambda t, x, w: t.func.vmap(t.func.vmap(t.func.grad(lambda a: a**3)))(x),
    "grad of vmap": lambda t, x, w: t.func.grad(lambda z: t.func.vmap(lambda a: (a * a @ w).sum())(z).prod())(
        x
    ),
    "jacrev of vmap": lambda t, x, w: t.func.jacrev(t.func.vmap(lambda a: t.sin(a).sum()))(x),
    "chunks": lambda t, x, w: t.func.vmap(t.func.grad(f(t, w)), chunk_size=3)(x),
    "nests": lambda t, x, w: t.func.vmap(lambda a: {"s": a.sum(), "t": (a, w)})(x),
    "places": lambda t, x, w: t.func.vmap(lambda a, b: (a * b, a), in_dims=(1, 0), out_dims=(1, 0))(x[:3], w),
    "negative places": lambda t, x, w: t.func.vmap(lambda a: t.outer(a, a), in_dims=-1, out_dims=-1)(x),
    "einsum": lambda t, x, w: t.func.vmap(lambda a: t.einsum("i,ij,k->jk", a, w, a))(x),
    "attention": lambda t, x, w: t.func.vmap(lambda a: t.softmax(t.outer(a, a) @ w, -1) @ a)(x),
    "indices": lambda t, x, w: t.func.vmap(lambda a, i: w[0].gather(0, i) * a[1:], in_dims=(0, 0))(
        x, t.tensor([[0, 1], [1, 2], [2, 0], [1, 1]])
    ),
    "stacked": lambda t, x, w: t.func.vmap(lambda a: t.cat([t.stack([a, a * 2]), w]).cumsum(0).amax(1))(x),
    "through to a weight": lambda t, x, w: through(t, x, w, lambda a, v: (a @ v).sin().sum()),
    "through a gradient": lambda t, x, w: through(
        t, x, w, lambda a, v: t.func.grad(lambda b: (b @ v).sin().sum())(a)
    ),
    "one graph for all": one_graph,
    "batched and mapped": lambda t, x, w: t.func.vmap(t.func.jacrev(t.func.jacrev(lambda a: t.sin(a @ w))))(
        x
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own
@pytest.mark.parametrize("case", CASES)
def test_vmap_and_derivatives(case):
    ours, theirs = (flat(CASES[case](t, *inputs(t))) for t in (tinygrad6, torch))
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-9, 1e-12)
