"""Choosing among values for each element: where, maximum and minimum, clamp.

Selections, not products with a mask of 0 and 1: 0 times inf or nan would be nan. So the rules of other ops
are written with `where` too.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite
from tinygrad6.op import REAL, case, op
from tinygrad6.tensor import Tensor

np_clip = np._core.umath.clip  # type: ignore[attr-defined]  # np.clip without two layers of Python

# ---- for arrays, inside forwards and kernels


def above(x: np.ndarray, low: float) -> np.ndarray:
    """max(x, low) for a number, by clip: NumPy's loop of maximum for a scalar operand is not vectorized."""
    kind = x.dtype.type
    return np_clip(x, kind(low), kind(np.inf)) if x.dtype.kind == "f" else np.maximum(x, kind(low))


def below(x: np.ndarray, high: float) -> np.ndarray:
    """min(x, high) for a number."""
    kind = x.dtype.type
    return np_clip(x, kind(-np.inf), kind(high)) if x.dtype.kind == "f" else np.minimum(x, kind(high))


def select(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """np.where; by bits where that is possible, since a branch per element takes six times as long."""
    shape, kind = condition.shape, x.dtype
    if condition.size < 256 or kind.char not in "fd" or y.dtype is not kind:
        return np.where(condition, x, y)
    for a in (x, y):
        if a.ndim and not (a.shape == shape and a.flags.c_contiguous):
            return np.where(condition, x, y)
    whole = FLOATS[kind][2]
    other: Any = y.view(whole)
    if x.ndim and not y.ndim and not other:
        return kept(x, condition)
    if y.ndim and not x.ndim and not x.view(whole):
        return kept(y, ~condition)
    bits: Any = condition.astype(whole, "C")
    bits *= x.view(whole) ^ other
    bits ^= other
    return bits.view(kind)


# Of each float type: 0 and inf, as NumPy takes them fastest, and the integer of the same size.
FLOATS = {
    np.dtype(kind): (np.zeros((), kind), np.full((), np.inf, kind), np.dtype(whole))
    for kind, whole in ((np.float16, np.int16), (np.float32, np.int32), (np.float64, np.int64))
}


def kept(g, keep):
    """g where `keep` holds, else 0: its bits times 1 or 0,
    a selection like where at the price of a multiplication."""
    zero, _, whole = FLOATS[g.dtype]
    if not g.ndim:
        return np.where(keep, g, zero)
    if keep.size > 4096 and keep.shape == g.shape:
        bits = keep.astype(whole)
        bits *= g.view(whole)
        return bits.view(g.dtype)
    return (g.view(whole) * keep).view(g.dtype)


def over(a: Any) -> Any:
    """`out=` for a ufunc that may write over `a`: of 0-d arrays NumPy makes scalars, which nothing can be
    written to."""
    return a if a.ndim else None


# ---- where, maximum, minimum


@op(
    None,
    lambda g, condition: where(condition, g, 0.0),
    lambda g, condition: where(condition, 0.0, g),
    promote=(1, 2),
    method=False,
    domain=REAL,
    examples=[
        case(lambda rng: rng.random((2, 3)) < 0.5, (2, 3), (2, 3)),
        case(lambda rng: rng.random((2, 1)) < 0.5, (3,), (2, 3)),
    ],
    elementwise=True,
)
def where(condition, x, y):
    """x where the condition holds, else y, elementwise; the three broadcast together."""
    condition = np.asarray(condition)
    if condition.dtype.kind != "b":
        raise TypeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        kind = (
            x.dtype
            if isinstance(x, (np.ndarray, np.generic))
            else y.dtype
            if isinstance(y, (np.ndarray, np.generic))
            else None
        )
        x, y = np.asarray(x, kind), np.asarray(y, kind)
    return select(condition, x, y)


def _won_kernel(g, needs, x, y, x_lost, y_lost):
    tie, zero = np.equal(x, y), np.zeros((), g.dtype)
    if tie.any():
        g = select(tie, np.asarray(g / 2), g)
    return tuple(
        select(np.asarray(lost), zero, g) if need else None for need, lost in zip(needs, (x_lost, y_lost))
    )


@op(
    lambda g, x, y: won(g, x, y, x < y),
    lambda g, x, y: won(g, x, y, y < x),
    kernel=lambda g, needs, x, y: _won_kernel(g, needs, x, y, x < y, y < x),
    promote=True,
    domain=REAL,
    ufunc=np.maximum,
)
def maximum(x, y):
    """The larger of x and y, elementwise; nan if either is. At a tie each gets half of the gradient."""


@op(
    lambda g, x, y: won(g, x, y, y < x),
    lambda g, x, y: won(g, x, y, x < y),
    kernel=lambda g, needs, x, y: _won_kernel(g, needs, x, y, y < x, x < y),
    promote=True,
    domain=REAL,
    ufunc=np.minimum,
)
def minimum(x, y):
    """The smaller of x and y, elementwise; nan if either is. At a tie each gets half of the gradient."""


def won(g: Any, x: Any, y: Any, lost: Any) -> Any:
    """What a side of a maximum gets: g, half of it at a tie, 0 where it lost.

    By selection: 0 times an infinite g would be nan. Where one of x and y is nan neither has lost.
    """
    return where(lost, 0.0, where(x == y, g / 2, g))


# ---- clamp


def _clip_kernel(g, x, min, max):
    return (kept(g, within.op.forward(x, min, max)),)


@op(
    lambda g, x, min, max: where(within(x, min, max), g, 0.0),
    kernel=_clip_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(-0.5, 0.7),
    examples=[case((2, 3), min=-0.5, max=0.7), case((2, 3), min=-0.5), case((2, 3), max=0.7)],
    elementwise=True,
    node_name=lambda node: "ClampBackward1",
)
def clip_numbers(x, min=None, max=None):
    """x limited to [min, max], two numbers either of which may be None. The gradient at the limits is 1."""
    if min is None:
        return np.array(x) if max is None else below(x, max)
    if max is None:
        return above(x, min)
    kind = x.dtype.type
    return np_clip(x, kind(min), kind(max))


@op(
    lambda g, x, low, high: where(in_order(low, x, high), g, 0.0),
    lambda g, x, low, high: where(pushed_up(x, low, high), g, 0.0),
    lambda g, x, low, high: where(pushed_down(x, low, high), g, 0.0),
    method=False,
    public=False,
    domain=REAL,
    node_name="Clamp",
    examples=[case((2, 3), (3,), (2, 1)), case((2, 3), (2, 3))],
    layout="follow",
)
def clip_tensors(x, low=None, high=None):
    """x limited to [low, high], arrays either of which may be None; high wins if low > high; nan stays.

    A gradient goes to x at the limits and between them, else to the limit that was reached.
    """
    out = x if low is None else np.maximum(x, low)
    return out if high is None else np.minimum(out, high)


def in_order(low: Any, x: Any, high: Any) -> Any:
    """1 where low <= x <= high, else 0, as a bool."""
    inside = x == x
    inside = inside if low is None else inside & (x >= low)
    return inside if high is None else inside & (x <= high)


def pushed_up(x: Any, low: Any, high: Any) -> Any:
    return x < low if high is None else (x < low) & (low < high)


def pushed_down(x: Any, low: Any, high: Any) -> Any:
    return x > high if low is None else (x > high) | (high < low)


@op(None, method=False, public=False, examples=[case((2, 3), min=-0.5, max=0.7)], elementwise=True)
def within(x, min=None, max=None):
    """Whether min <= x <= max, elementwise. No gradient."""
    if min is None:
        return x <= max
    return x >= min if max is None else (x >= min) & (x <= max)


def _as_number(limit: Any, other: Any) -> Any:
    """A NumPy scalar as a number; and beside a number a 0-d tensor without gradient,
    which may stand for one."""
    beside = isinstance(limit, Tensor) and other is not None and not isinstance(other, Tensor)
    if beside and not limit.array.ndim and not limit.requires_grad:
        return limit.item()
    return limit.item() if isinstance(limit, np.generic) else limit


_PLAIN = frozenset({float, int, type(None)})  # limits that nothing needs to be asked about, beside floats


@composite(inplace=True, examples=[case((2, 3), min=-0.5, max=0.7), case((2, 3), min=-0.5)])
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], numbers or tensors, either of which may be left out; max wins if min > max.

    The gradient at a limit that is a number is 1, as in PyTorch. RuntimeError if both are None.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if type(min) in _PLAIN and type(max) in _PLAIN and input.array.dtype.kind == "f":
        for v in (min, max):
            if type(v) is float:
                dtypes.check_size(v, input.array.dtype)
        return clip_numbers(input, min, max)
    for name, v in (("min", min), ("max", max)):
        if v is not None and not isinstance(v, (Tensor, int, float, np.number, np.bool_)):
            raise TypeError(
                f"clamp(): argument '{name}' must be a number or a Tensor, not {type(v).__name__}"
            )
    min, max = _as_number(min, max), _as_number(max, min)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if not builtins.all(v is None or isinstance(v, Tensor) for v in (min, max)):
            raise TypeError("clamp(): min and max must both be numbers or both be tensors")
        low, high = (v if v is None else v.array for v in (min, max))
        common = dtypes.result_type(*[v for v in (input.array, low, high) if v is not None])
        return clip_tensors(
            *[v if v is None or v.array.dtype == common else v.to(common) for v in (input, min, max)]
        )
    common = dtypes.result_type(input.array, *[v for v in (min, max) if v is not None])
    if common.kind == "b":
        raise NotImplementedError("\"clamp_scalar_cpu\" not implemented for 'Bool'")
    for v in (min, max):
        if type(v) is float:
            dtypes.check_size(v, common)
    return clip_numbers(input if common == input.array.dtype else input.to(common), min, max)


@composite(inplace=True, examples=[case((2, 3), min=-0.5)])
def clip(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Another name for clamp."""
    return clamp(input, min, max)
