"""Pooling: the largest, the mean or another norm of every window; and unfold and fold, the windows themselves.

Windows are products of intervals, so a maximum or a sum over them is taken one dimension after another, as the maximum or
sum of a few shifted slices. Only the gradient of a maximum has to look at whole windows: it goes to the first of equal
elements in row-major order, as in PyTorch. Where maxima are (`window_index`) is an op without gradient; `pick` takes elements
by such an index, `place` adds them back, and each is the other's rule. Padding is never part of a maximum.

Inside, x is (*lead, *size) with the last `d` dimensions spatial; settings are tuples with one entry for each of them.
"""
from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from tinygrad6.op import case, composite, op
from tinygrad6.ops.conv import overlaps, padded, per_dimension, windows
from tinygrad6.ops.pointwise import abs as absolute
from tinygrad6.ops.pointwise import relu, sign
from tinygrad6.ops.reduce import mean
from tinygrad6.ops.resample import averaging, resample
from tinygrad6.ops.shape import reshape
from tinygrad6.tensor import Tensor
from tinygrad6.threads import share

WORTH = 1 << 17  # elements, from which threads pay
BLOCK = 1 << 17  # elements worked on at a time, so that they stay in the cache


# ---- taking and placing by index


def _flat(a: np.ndarray, d: int) -> np.ndarray:
    return a.reshape(math.prod(a.shape[:a.ndim - d]), -1) if a.size else a.reshape(math.prod(a.shape[:a.ndim - d]), math.prod(a.shape[a.ndim - d:]))


def _index(*shape: int, size: int) -> Any:
    return lambda rng: rng.integers(0, size, shape)


@op(lambda g, index, x_shape, d: place(g, index, x_shape[len(x_shape) - d:]), None, method=False, public=False,
    examples=[case((2, 3, 4), _index(2, 2, 2, size=12), d=2)])
def pick(x, index, d):
    """x at index, which counts row-major positions in the last d dimensions: (*lead, *size), (*lead, *out) -> (*lead, *out)."""
    return np.take_along_axis(_flat(x, d), _flat(index, d), 1).reshape(index.shape)


@op(lambda h, index, size: pick(h, index, len(size)), None, method=False, public=False,
    examples=[case((2, 2, 2), _index(2, 2, 2, size=12), size=(3, 4))])
def place(x, index, size):
    """Zeros of (*lead, *size) with x added at index: the adjoint of pick."""
    d, n = len(size), math.prod(size)
    where = _flat(index, d) + n * np.arange(math.prod(x.shape[:x.ndim - d]))[:, None]
    lead = x.shape[:x.ndim - d]
    total = np.bincount(where.reshape(-1), x.reshape(-1), math.prod(lead) * n)
    return total.astype(x.dtype).reshape(lead + size)


@op(lambda g, index: pick(g, index, index.ndim - 2), None, method=False, public=False,
    examples=[case((1, 2, 2), lambda rng: np.array([[[0, 5], [2, 3]]]), size=(6,))])
def put_at(x, index, size):
    """Zeros of (N, C, *size) with x (N, C, *out) written at index; of equal indices one wins."""
    d = len(size)
    out = np.zeros(x.shape[:x.ndim - d] + size, x.dtype)
    np.put_along_axis(_flat(out, d), _flat(index, d), _flat(x, d), 1)
    return out


@functools.lru_cache(256)
def window_table(size: tuple, ranges: tuple) -> np.ndarray:
    """The row-major positions of the elements of every window, (windows, elements).

    ranges has, for each dimension, the positions of each window along it; short windows repeat their last.
    """
    table = np.zeros((1, 1), np.int64)
    for n, along in zip(size, ranges, strict=True):
        longest = max(map(len, along))
        along = np.array([[*r, *[r[-1]] * (longest - len(r))] for r in along])
        table = table[:, None, :, None] * n + along[None, :, None, :]
        table = table.reshape(table.shape[0] * table.shape[1], -1)
    return table


@op(None, method=False, public=False, examples=[case((2, 4, 3), ranges=(((0, 1), (2, 3)), ((0,), (1, 2))))])
def window_index(x, ranges):
    """The position of the first largest element (or nan) in each window, counted in the last dimensions: int64."""
    d = len(ranges)
    table = window_table(x.shape[x.ndim - d:], ranges)
    first = np.argmax(_flat(x, d)[:, table], -1)
    return table[np.arange(len(table)), first].reshape(x.shape[:x.ndim - d] + tuple(map(len, ranges)))


def _ranges(size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, out: tuple) -> tuple:
    return tuple(tuple(tuple(j for j in range(i * s - p, i * s - p + k * d, d) if 0 <= j < n) for i in range(m))
                 for n, k, s, p, d, m in zip(size, kernel, stride, padding, dilation, out, strict=True))


# ---- windows, one dimension after another


def slide(ufunc: Any, x: np.ndarray, axis: int, k: int, s: int, p: int, d: int, m: int, neutral: Any) -> np.ndarray:
    """The reduction by ufunc over windows along one axis: m windows of k elements."""
    before = (slice(None),) * axis
    places = [((*before, met[0]), (*before, of[0])) for _, met, of in overlaps((x.shape[axis],), (k,), (m,), (s,), ((p, p),), (d,))]
    whole = [met for met, of in places if of[axis] == slice(0, m)]
    if len(whole) > 1:
        out = ufunc(x[whole[0]], x[whole[1]])
    elif whole:
        out = x[whole[0]].copy()
    else:
        out = np.full([m if i == axis else n for i, n in enumerate(x.shape)], neutral, x.dtype)
    for met in whole[2:]:
        ufunc(out, x[met], out=out)
    for met, of in places:
        if of[axis] != slice(0, m):
            ufunc(out[of], x[met], out=out[of])
    return out


def _by_lead(work: Any, x: np.ndarray, d: int) -> list:
    """work(start, stop) over parts of the first dimension, in blocks that fit the cache, shared among threads."""
    step = max(1, BLOCK * len(x) // max(1, x.size))

    def part(start: int, stop: int) -> None:
        for a in range(start, stop, step):
            work(a, min(a + step, stop))

    return share(part, len(x), x.size > WORTH)


def _lowest(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_pool_kernel(g, x, out, kernel, stride, padding, dilation):
    d = len(kernel)
    apart = all((k - 1) * t < s for k, s, t in zip(kernel, stride, dilation, strict=True))
    places = overlaps(x.shape[x.ndim - d:], kernel, out.shape[x.ndim - d:], stride, tuple((p, p) for p in padding), dilation)
    dx = np.empty_like(x, subok=False)

    def work(a: int, b: int) -> None:
        gs, xs, ys, part = g[a:b], x[a:b], out[a:b], dx[a:b]
        part[...] = 0
        free = np.ones(ys.shape, bool)
        for _, met, of in places:
            met, of = (..., *met), (..., *of)
            first = xs[met] == ys[of]
            first &= free[of]
            np.greater(free[of], first, out=free[of])
            if apart:
                np.multiply(gs[of], first, out=part[met])
            else:
                part[met] += gs[of] * first

    _by_lead(work, x, d)
    return (dx,)


_POOLS = [case((2, 2, 4, 6), kernel=(2, 3), stride=(2, 3), padding=(0, 0), dilation=(1, 1), out=(2, 2)),
          case((2, 5, 5), kernel=(3, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 2), out=(3, 3)),
          case((1, 2, 7), kernel=(2,), stride=(3,), padding=(0,), dilation=(1,), out=(3,))]


@op(lambda g, x, x_shape, kernel, stride, padding, dilation, out_size: None, method=False, public=False, examples=[])
def _gone(x, kernel, stride, padding, dilation, out_size):
    return x
