"""Hypothesis strategies for property tests of tensor code:
shapes, broadcasting, dimensions, values, memory layouts.

`tensors` draws whole tensors, 0-d and empty ones and odd layouts among them; `avoid` keeps their values away
from kinks, where a difference quotient says nothing. A test of an op of one's own, with the laws that need no
drawing:

>>> import numpy as np
>>> import tinygrad6 as torch
>>> from hypothesis import HealthCheck, given, settings
>>> from tinygrad6.testing import check_op, strategies as ts
>>> @torch.op(lambda g, x: g * torch.sign(x), domain=(-2.0, 2.0), avoid=(0.0,), method=False, public=False)
... def size_of(x):
...     "|x|, elementwise."
...     return np.abs(x)
>>> check_op(size_of)
>>> calm = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
>>> @calm
... @given(ts.tensors(avoid=(0.0,), requires_grad=True), ts.tensors(shape=()))
... def test_size_of(x, c):
...     assert torch.equal(size_of(c * x), size_of(c) * size_of(x))
...     if x.numel():
...         torch.autograd.gradcheck(size_of, x.detach().contiguous().requires_grad_())
>>> test_size_of()

`broadcastable_shapes` gives the shapes for ops of several arguments, `dims` and `dim_sets` what belongs in
`dim=`:

>>> @calm
... @given(ts.shapes(min_dims=1).flatmap(lambda s: ts.st.tuples(ts.tensors(shape=s), ts.dims(len(s)))))
... def test_flip_undoes_flip(pair):
...     x, dim = pair
...     assert torch.equal(x.flip(dim).flip(dim), x)
>>> test_flip_undoes_flip()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

try:
    from hypothesis import strategies as st
except ImportError as e:  # pragma: no cover
    raise ImportError("tinygrad6.testing.strategies needs hypothesis: pip install 'tinygrad6[test]'") from e

from tinygrad6.tensor import Tensor, wrap


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with min_dims to max_dims dimensions of lengths min_side to max_side:
    0-d and empty ones included."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw: Any, count: int = 2, max_dims: int = 3, min_side: int = 0, max_side: int = 4
) -> tuple[tuple[int, ...], ...]:
    """`count` shapes that broadcast together: dimensions of one shape, some made 1,
    some leading ones left out."""
    common = draw(shapes(0, max_dims, min_side, max_side))
    out = []
    for _ in range(count):
        kept = [draw(st.sampled_from([n, 1])) if n != 1 else 1 for n in common]
        out.append(tuple(kept[draw(st.integers(0, len(kept))) :]))
    return tuple(out)


def dims(ndim: int) -> st.SearchStrategy[int]:
    """A dimension of an ndim-dimensional tensor, from the front or the back; 0 and -1 for a 0-d one."""
    n = max(ndim, 1)
    return st.integers(-n, n - 1)


def dim_sets(ndim: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Several different dimensions, in any order."""
    return st.permutations(range(ndim)).flatmap(lambda p: st.integers(0, ndim).map(lambda k: tuple(p[:k])))


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "row-major": lambda a: np.array(a, order="C"),
    "column-major": lambda a: np.array(a, order="F"),  # asfortranarray would make 0-d arrays 1-d
    "strided": lambda a: _spread(a, 2),
    "reversed": lambda a: _every(np.array(np.flip(a), order="C"), -1),
}


def _every(a: np.ndarray, step: int) -> np.ndarray:
    """Every step-th element along each dimension: a view, of 0-d arrays too."""
    index: Any = (*(slice(None, None, step),) * a.ndim, Ellipsis)
    return a[index]


def _spread(a: np.ndarray, step: int) -> np.ndarray:
    view = _every(np.zeros([n * step for n in a.shape], a.dtype), step)
    view[...] = a
    return view


def layouts() -> st.SearchStrategy[Callable[[np.ndarray], np.ndarray]]:
    """A function that returns an array with the same values in another memory layout."""
    return st.sampled_from(sorted(LAYOUTS)).map(LAYOUTS.__getitem__)


@st.composite
def arrays(
    draw: Any,
    shape: Any = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    avoid: Sequence[float] = (),
    margin: float = 0.05,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Arrays with values in `domain`, at least `margin` away from the kinks `avoid`;
    shape: a shape or a strategy."""
    low, high = domain
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"arrays(): domain must be two finite numbers in order, got {domain}")
    size = draw(
        shapes()
        if shape is None
        else shape
        if isinstance(shape, st.SearchStrategy)
        else st.just(tuple(shape))
    )
    if np.dtype(dtype).kind in "iu":
        element: st.SearchStrategy[Any] = st.integers(math.ceil(low), math.floor(high))
    elif np.dtype(dtype).kind == "b":
        element = st.booleans()
    else:
        width = {2: 16, 4: 32}.get(np.dtype(dtype).itemsize, 64)
        element = st.floats(low, high, allow_subnormal=False, width=64).map(
            lambda v: v if width == 64 else float(np.dtype(dtype).type(v))
        )
        if avoid:
            element = element.filter(lambda v: all(abs(v - k) >= margin for k in avoid))
    n = math.prod(size)
    return np.array(draw(st.lists(element, min_size=n, max_size=n)), dtype).reshape(size)


@st.composite
def tensors(
    draw: Any,
    shape: Any = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    avoid: Sequence[float] = (),
    margin: float = 0.05,
    dtype: Any = np.float64,
    requires_grad: bool = False,
) -> Tensor:
    """Tensors with such values, in any memory layout."""
    a = draw(arrays(shape, domain, avoid, margin, dtype))
    return wrap(draw(layouts())(a)).requires_grad_(requires_grad)
