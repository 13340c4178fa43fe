"""Sums whose rounding errors stay small however many terms there are.

NumPy adds pairwise along the axis whose elements lie side by side. Along any other it adds one row after the
other, so the error grows with their number, and in float32 a sum of ones stops at 2^24. `add_up` is
np.add.reduce that adds rows pairwise too, in blocks of `BLOCK`: the error grows with the logarithm.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad6.quiet import Quiet

FEW = 256  # rows that may be added one after the other
BLOCK = 64
_reduce: Any = np.add.reduce  # whose annotations know no tuple of axes


def add_up(x: Any, dim: tuple[int, ...], kind: Any = None, keepdims: bool = False) -> Any:
    """The sum of x over the axes `dim` (each once), accumulated in the type `kind`:
    its own, but float32 for float16, in which 2048 + 1 is 2048."""
    if kind is None and x.dtype.char == "e":
        with Quiet():
            return np.asarray(add_up(x, dim, np.float32, keepdims)).astype(x.dtype)
    if x.size <= FEW or x.ndim < 2 or x.dtype.kind != "f":
        return _reduce(x, dim, kind, keepdims=keepdims)
    dim = tuple([d % x.ndim for d in dim])  # in rules they may be counted from the end
    if math.prod([x.shape[d] for d in dim]) <= FEW:
        return _reduce(x, dim, kind, keepdims=keepdims)
    last = x.ndim  # axes from here on are reduced, and NumPy adds along them pairwise
    if x.flags.c_contiguous:
        while last - 1 in dim:
            last -= 1
    else:
        order = sorted(range(x.ndim), key=lambda d: -abs(x.strides[d]))
        if order != list(range(x.ndim)):  # as it lies in memory
            lying = add_up(x.transpose(order), tuple([order.index(d) for d in dim]), kind, True)
            return _without(lying.transpose([order.index(d) for d in range(x.ndim)]), dim, keepdims)
        last -= last - 1 in dim
    total = _reduce(x, tuple(range(last, x.ndim)), kind, keepdims=True) if last < x.ndim else x
    for d in dim:
        if d < last:
            total = _along(total, d, kind)
    return _without(total, dim, keepdims)


def _without(total: np.ndarray, dim: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return total if keepdims else total.reshape([n for i, n in enumerate(total.shape) if i not in dim])


def _along(x: np.ndarray, axis: int, kind: Any) -> np.ndarray:
    """The sum along one axis, kept with length 1."""
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    all_before = (slice(None),) * axis
    while (n := x.shape[axis]) > FEW:
        m = n // BLOCK  # sums of BLOCK rows each, as sums of BLOCK slabs of m rows
        sums = _reduce(x[*all_before, : m * BLOCK].reshape(*before, BLOCK, m, *after), axis, kind)
        if m * BLOCK < n:
            sums[*all_before, 0] += _reduce(x[*all_before, m * BLOCK :], axis, kind)
        x = sums
    return _reduce(x, axis, kind, keepdims=True)


# ---- rows and columns of a matrix, whose sums are products with ones: several times as fast as a reduction

LONG = 1 << 12  # terms, from which a product's rounding errors would show


@functools.lru_cache(64)
def ones(n: int, dtype: np.dtype) -> np.ndarray:
    """A vector of ones that is made once and must not be written to."""
    made = np.ones(n, dtype)
    made.flags.writeable = False
    return made


def column_sums(x: np.ndarray) -> np.ndarray:
    """The sum of each column, as a vector."""
    if x.dtype.char not in "fd" or len(x) > LONG:
        return add_up(x, (0,))
    return ones(len(x), x.dtype).dot(x)


def row_sums(x: np.ndarray) -> np.ndarray:
    """The sum of each row, as a column."""
    if x.dtype.char not in "fd" or x.shape[1] > LONG:
        return add_up(x, (1,), None, True)
    return x.dot(ones(x.shape[1], x.dtype))[:, None]
