"""autograd.Function: small programs that define one; what they note is the same in both libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import tinygrad6

PROGRAMS: dict[str, Callable[..., None]] = {}


def program(run: Callable[..., None]) -> Callable[..., None]:
    """run(lib, F, leaf, note): F is the library's Function, leaf(*values) a float64 leaf, note compares."""
    PROGRAMS[run.__name__] = run
    return run


def noted(lib: Any, name: str) -> list:
    found: list = []

    def leaf(*values: float) -> Any:
        return lib.tensor(values, dtype=lib.float64, requires_grad=True)

    def note(*values: Any) -> None:
        found.extend(v.detach().tolist() if hasattr(v, "detach") else v for v in values)

    PROGRAMS[name](lib, lib.autograd.Function, leaf, note)
    return found


@program
def multi_saved_out_double(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            e = x.exp()
            d = x * 2
            ctx.save_for_backward(e, d)
            return e, d

        @staticmethod
        def backward(ctx, g, h):
            e, d = ctx.saved_tensors
            return g * e + h * 2 + 0 * d

    x = leaf(0.3, 0.7)
    e, d = A.apply(x)
    (g,) = lib.autograd.grad((e * d).sum(), x, create_graph=True)
    note(g)
    note(*lib.autograd.grad(g.sum(), x))


@program
def identity(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(1.0, 2.0)
    y = x * 1
    z = A.apply(y)
    note(z is y, z.requires_grad)
    try:
        z.mul_(2)
        note("ok")
    except RuntimeError:
        note("RuntimeError")
    y = x * 1
    z = A.apply(y)
    with lib.no_grad():
        y.mul_(2)
    try:
        (z * 2).sum().backward()
        note(x.grad)
    except RuntimeError:
        note("RuntimeError")


@program
def view_out(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x[0]

        @staticmethod
        def backward(ctx, g):
            return lib.stack([g * 3, g * 0])

    x = lib.ones(2, 2, dtype=lib.float64, requires_grad=True)
    y = x * 1
    z = A.apply(y)
    note(z.requires_grad, z.is_leaf)
    z.sum().backward()
    note(x.grad)
    z = A.apply(y)
    try:
        z.mul_(2)
        note("ok")
    except RuntimeError:
        note("RuntimeError")


@program
def dirty_view(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    v = y[1:]
    w = A.apply(v)
    note(w is v, y)
    (y * y).sum().backward()
    note(x.grad)


@program
def dirty_save(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            x.exp_()
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(0.1, 0.2)
    y = x * 1
    z = A.apply(y)
    (g,) = lib.autograd.grad(z.sum(), x, create_graph=True)
    note(g)
    note(*lib.autograd.grad(g.sum(), x))


@program
def nontensor_out(lib, F, leaf, note):
    seen = []

    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2, 5, None, "a"

        @staticmethod
        def backward(ctx, *g):
            seen.append([None if q is None else q.tolist() for q in g])
            return g[0] * 2

    x = leaf(1.0)
    r = A.apply(x)
    r[0].sum().backward()
    note(r[1], r[2], r[3], str(seen), x.grad)


@program
def int_out(lib, F, leaf, note):
    seen = []

    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x.long()

        @staticmethod
        def backward(ctx, *g):
            seen.append([None if q is None else (str(q.dtype), q.tolist()) for q in g])
            return g[0] * 2

    x = leaf(1.5)
    r = A.apply(x)
    note(r[1].requires_grad)
    r[0].sum().backward()
    note(str(seen), x.grad)


@program
def setup(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(x, n):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, n = inputs
            ctx.save_for_backward(x, output)
            ctx.n = n

        @staticmethod
        def backward(ctx, g):
            x, o = ctx.saved_tensors
            return g * ctx.n * o / x, None

    x = leaf(1.5, 2.0)
    y = A.apply(x, 3)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    note(g)
    note(*lib.autograd.grad(g.sum(), x))


@program
def needs(lib, F, leaf, note):
    seen = []

    class A(F):
        @staticmethod
        def forward(ctx, x, y, k):
            seen.append(ctx.needs_input_grad)
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            x, y = ctx.saved_tensors
            return g * y, g * x, None

    x = leaf(1.5)
    y = lib.ones(1, dtype=lib.float64)
    A.apply(x, y, 4).sum().backward()
    note(str(seen), x.grad, y.grad)
    with lib.no_grad():
        note(A.apply(x, y, 1).requires_grad, str(seen))


@program
def none_grad(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return None, g

    x = leaf(1.0)
    y = leaf(2.0)
    A.apply(x, y).sum().backward()
    note(x.grad, y.grad)


@program
def same_twice(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            a = x * 2
            return a, a

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 2

    x = leaf(1.0)
    try:
        a, b = A.apply(x)
        (a + b * 10).sum().backward()
        note(x.grad)
    except RuntimeError:
        note("err")


@program
def saved_input_inplace(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(1.0)
    y = x * 1
    z = A.apply(y)
    y.add_(1)
    try:
        z.sum().backward()
        note(x.grad)
    except RuntimeError:
        note("RuntimeError")


@program
def legacy_nonstatic(lib, F, leaf, note):
    class A(F):
        def forward(ctx, x):
            return x * 2

        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    A.apply(x).sum().backward()
    note(x.grad)


@program
def attr(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            ctx.k = 3
            ctx.t = x
            return x * 3

        @staticmethod
        def backward(ctx, g):
            return g * ctx.k

    x = leaf(1.0)
    o = A.apply(x)
    note(o.grad_fn.name(), o.grad_fn.k, len(o.grad_fn.next_functions))
    o.sum().backward()
    note(x.grad)


@program
def input_dtype(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x.double() * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = lib.ones(2, requires_grad=True)
    A.apply(x).sum().backward()
    note(x.grad, str(x.grad.dtype))


@program
def vjp(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

    x = leaf(1.0)
    A.apply(x).sum().backward()
    note(x.grad)


@program
def nondiff_only(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.mark_non_differentiable(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(1.0)
    y = A.apply(x)
    note(y.requires_grad)


@program
def bwd_twice(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    y = A.apply(x).sum()
    y.backward()
    y.backward()
    note(x.grad)


@program
def no_backward(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    x = leaf(1.0)
    try:
        A.apply(x).sum().backward()
    except NotImplementedError:
        note("NIE")


@program
def inplace_after(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            y = x.sigmoid()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y * (1 - y)

    x = leaf(1.0)
    y = A.apply(x)
    y.add_(1)
    try:
        y.sum().backward()
        note(x.grad)
    except RuntimeError:
        note("RuntimeError")


@program
def grad_mode(lib, F, leaf, note):
    seen = []

    class A(F):
        @staticmethod
        def forward(ctx, x):
            seen.append(lib.is_grad_enabled())
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append((lib.is_grad_enabled(), g.requires_grad))
            return g * 2

    x = leaf(1.0)
    A.apply(x).sum().backward()
    lib.autograd.grad(A.apply(x).sum(), x, create_graph=True)
    note(str(seen))


@program
def duplicate_arg(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x

    x = leaf(3.0)
    A.apply(x, x).sum().backward()
    note(x.grad)


@program
def extra_none(lib, F, leaf, note):
    class A(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2, None, None

    x = leaf(3.0)
    A.apply(x).sum().backward()
    note(x.grad)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_note_the_same(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert noted(tinygrad6, name) == noted(torch, name)


def test_a_function_is_not_called_as_an_object():
    def error(lib):
        class Same(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

        with pytest.raises(RuntimeError, match="non-static forward"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Same()(lib.ones(1))

    error(tinygrad6)
    error(torch)
