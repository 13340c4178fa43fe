"""Windows: the largest element or the sum of every window, and what pooling is made of.

Windows are products of intervals, so a maximum or a sum over them is taken one dimension after another, as
the maximum or sum of a few shifted slices. Only the gradient of a maximum has to look at whole windows: it
goes to the first of equal elements in row-major order, or to the last nan, as in PyTorch. Where maxima are
(`window_index`) is an op without gradient; `pick` takes elements by such an index, `place` adds them back,
and each is the other's rule. Padding is never part of a maximum.

x is (*lead, *size) with the last `d` dimensions spatial; settings are tuples with one entry for each of them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad6.blocks import by_lead
from tinygrad6.op import case, op
from tinygrad6.ops.conv import overlaps


# ---- taking and placing by index


def _flat(a: np.ndarray, d: int) -> np.ndarray:
    """(*lead, *size) as a matrix."""
    return a.reshape(math.prod(a.shape[: a.ndim - d]), math.prod(a.shape[a.ndim - d :]))


def _index(*shape: int, size: int) -> Any:
    return lambda rng: rng.integers(0, size, shape)


@op(
    lambda g, index, x_shape, d: place(g, index, x_shape[len(x_shape) - d :]),
    None,
    method=False,
    public=False,
    examples=[case((2, 3, 4), _index(2, 2, 2, size=12), d=2)],
    layout="channels",
)
def pick(x, index, d):
    """x (*lead, *size) at index (*lead, *out) of row-major positions in the last d dimensions."""
    return np.take_along_axis(_flat(x, d), _flat(index, d), 1).reshape(index.shape)


@op(
    lambda h, index, size: pick(h, index, len(size)),
    None,
    method=False,
    public=False,
    examples=[case((2, 2, 2), _index(2, 2, 2, size=12), size=(3, 4))],
)
def place(x, index, size):
    """Zeros of (*lead, *size) with x added at index: the adjoint of pick."""
    d, n = len(size), math.prod(size)
    where = _flat(index, d) + n * np.arange(math.prod(x.shape[: x.ndim - d]))[:, None]
    lead = x.shape[: x.ndim - d]
    total = np.bincount(where.reshape(-1), x.reshape(-1), math.prod(lead) * n)
    return total.astype(x.dtype).reshape(lead + size)


@op(
    lambda g, index, size: pick(g, index, len(size)),
    None,
    method=False,
    public=False,
    examples=[case((1, 2, 2), lambda rng: np.array([[[0, 5], [2, 3]]]), size=(6,))],
)
def put_at(x, index, size):
    """Zeros of (*lead, *size) with x (*lead, *out) written at index; of equal indices the last wins."""
    d = len(size)
    out = np.zeros(x.shape[: x.ndim - d] + size, x.dtype)
    np.put_along_axis(_flat(out, d), _flat(index, d), _flat(x, d), 1)
    return out


@functools.lru_cache(256)
def window_table(size: tuple, ranges: tuple) -> np.ndarray:
    """The row-major positions of the elements of every window, (windows, elements).

    ranges has, for each dimension, the positions of each window along it; short windows repeat their last.
    """
    table = np.zeros((1, 1), np.int64)
    for n, along in zip(size, ranges, strict=True):
        longest = max(map(len, along), default=1)
        along = np.array([[*r, *[r[-1]] * (longest - len(r))] for r in along], np.int64).reshape(
            len(along), longest
        )
        table = table[:, None, :, None] * n + along[None, :, None, :]
        table = table.reshape(table.shape[0] * table.shape[1], table.shape[2] * table.shape[3])
    return table


@op(None, method=False, public=False, examples=[case((2, 4, 3), ranges=(((0, 1), (2, 3)), ((0,), (1, 2))))])
def window_index(x, ranges):
    """Where the first largest element, or the last nan, of each window is in the last dimensions: int64."""
    d = len(ranges)
    table = window_table(x.shape[x.ndim - d :], ranges)
    if not len(table):
        return np.zeros(x.shape[: x.ndim - d] + tuple(map(len, ranges)), np.int64)
    at = first_or_nan(_flat(x, d)[:, table])
    return table[np.arange(len(table)), at].reshape(x.shape[: x.ndim - d] + tuple(map(len, ranges)))


def first_or_nan(seen: np.ndarray) -> np.ndarray:
    """Where along the last axis the first maximum is, or the last nan."""
    at = np.argmax(seen, -1)
    if seen.dtype.kind == "f":
        found = np.take_along_axis(seen, at[..., None], -1)[..., 0]
        lost = found != found  # argmax stops at the first nan
        if lost.any():
            at[lost] = seen.shape[-1] - 1 - np.argmax(np.isnan(seen[lost])[:, ::-1], -1)
    return at


@op(
    None,
    None,
    method=False,
    public=False,
    examples=[
        case((2, 2, 5, 6), (2, 2, 2), kernel=(2, 3), size=(3, 2)),
        case((2, 5, 6), (1, 2, 2), kernel=(2, 2), size=(2, 1)),
    ],
    domain=(0, 1),
)
def fractional_index(x, samples, kernel, size):
    """window_index for windows of x (N, C, *) that start at random, by samples (N, C, d) in [0, 1)."""
    d, given = len(kernel), x.shape[x.ndim - len(kernel) :]
    flat = _flat(x, d)
    u = samples.reshape(-1, d)[: len(flat)]
    table = np.zeros((len(u), 1, 1), np.int64)
    # PyTorch reads the samples in the order W, H in two dimensions, and T, H, W in three
    for i, (n, k, m) in enumerate(zip(given, kernel, size, strict=True)):
        v = u[:, (1 - i if d == 2 else i), None]
        alpha = u.dtype.type(n - k) / u.dtype.type(max(m - 1, 1))
        starts = ((np.arange(m).astype(u.dtype) + v) * alpha).astype(np.int64) - (v * alpha).astype(np.int64)
        starts[:, -1] = n - k
        along = starts[:, :, None] + np.arange(k)
        table = table[:, :, None, :, None] * n + along[:, None, :, None, :]
        table = table.reshape(len(u), table.shape[1] * m, -1)
    rows = np.arange(len(flat))[:, None]
    at = first_or_nan(flat[rows[:, :, None], table])
    return table[rows, np.arange(table.shape[1]), at].reshape(x.shape[: x.ndim - d] + size)


@functools.lru_cache(256)
def positions(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, cells: tuple
) -> tuple:
    """For each dimension, the positions of each window along it, without those in the padding."""
    return tuple(
        tuple(tuple(j for j in range(i * s - p, i * s - p + k * d, d) if 0 <= j < n) for i in range(m))
        for n, k, s, p, d, m in zip(size, kernel, stride, padding, dilation, cells, strict=True)
    )


# ---- windows, one dimension after another


def slide(
    ufunc: Any, x: np.ndarray, axis: int, k: int, s: int, p: int, d: int, m: int, neutral: Any
) -> np.ndarray:
    """The reduction by ufunc over windows along one axis: m windows of k elements."""
    before = (slice(None),) * axis
    places = [
        ((*before, met[0]), (*before, of[0]))
        for _, met, of in overlaps((x.shape[axis],), (k,), (m,), (s,), ((p, p),), (d,))
    ]
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


def _lowest(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def winners(x: np.ndarray, y: np.ndarray, places: list) -> Any:
    """For every place in the window (where it meets x, of which windows, whether y comes from there)."""
    free = np.ones(y.shape, bool)
    for _, met, of in places:
        met, of = (..., *met), (..., *of)
        won = x[met] == y[of]
        won &= free[of]
        np.greater(free[of], won, out=free[of])
        yield met, of, won
    if x.dtype.kind == "f" and free.any():  # windows with a nan equal nothing
        for _, met, of in reversed(places):
            met, of = (..., *met), (..., *of)
            won = np.isnan(x[met])
            won &= free[of]
            np.greater(free[of], won, out=free[of])
            yield met, of, won


def _max_pool_kernel(g, x, out, kernel, stride, padding, dilation):
    d = len(kernel)
    apart = all((k - 1) * t < s for k, s, t in zip(kernel, stride, dilation, strict=True))
    places = overlaps(
        x.shape[x.ndim - d :],
        kernel,
        out.shape[x.ndim - d :],
        stride,
        tuple((p, p) for p in padding),
        dilation,
    )
    dx = np.empty(x.shape, g.dtype)
    bits = np.dtype(f"i{g.dtype.itemsize}")  # times 0 or 1 as integers: exact, where inf * 0 would be nan

    def work(a: int, b: int) -> None:
        gs, part = g[a:b].view(bits), dx[a:b]
        part[...] = 0
        for n, (met, of, won) in enumerate(winners(x[a:b], out[a:b], places)):
            if apart and n < len(places):
                np.multiply(gs[of], won, out=part.view(bits)[met])
            else:
                part[met] += np.multiply(gs[of], won).view(g.dtype)

    by_lead(work, x)
    return (dx,)


_POOLS = [
    case((2, 2, 4, 6), kernel=(2, 3), stride=(2, 3), padding=(0, 0), dilation=(1, 1), cells=(2, 2)),
    case((2, 5, 5), kernel=(3, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 2), cells=(3, 3)),
    case((1, 2, 7), kernel=(2,), stride=(3,), padding=(0,), dilation=(1,), cells=(3,)),
]


def _max_pool_rule(g: Any, x: Any, *how: tuple) -> Any:
    size = tuple(x.shape[x.ndim - len(how[0]) :])
    return place(g, window_index(x, positions(size, *how)), size)


@op(
    lambda g, x, kernel, stride, padding, dilation, cells: _max_pool_rule(
        g, x, kernel, stride, padding, dilation, cells
    ),
    kernel=_max_pool_kernel,
    method=False,
    public=False,
    node_name="MaxPool2DWithIndices",
    examples=_POOLS,
    layout="channels",
)
def max_pool(x, kernel, stride, padding, dilation, cells):
    """The largest element, or a nan, of every window, `cells` of them along the last dimensions."""
    d = len(kernel)
    y = np.empty(x.shape[: x.ndim - d] + cells, x.dtype)

    def work(a: int, b: int) -> None:
        part = x[a:b]
        for i in range(d):
            part = slide(
                np.maximum,
                part,
                x.ndim - d + i,
                kernel[i],
                stride[i],
                padding[i],
                dilation[i],
                cells[i],
                _lowest(x.dtype),
            )
        y[a:b] = part

    by_lead(work, x)
    return y


_MEANS = [
    case((2, 2, 4, 6), kernel=(2, 3), stride=(2, 3), padding=(0, 0), size=(2, 2), scale=0.25),
    case((2, 5, 5), kernel=(3, 3), stride=(2, 1), padding=(1, 1), size=(3, 5), scale=0.5),
]


@op(
    lambda g, x_shape, kernel, stride, padding, scale: window_spread(
        g, kernel, stride, padding, x_shape[len(x_shape) - len(kernel) :], scale
    ),
    method=False,
    public=False,
    node_name="AvgPool2D",
    examples=_MEANS,
    layout="channels",
)
def window_sum(x, kernel, stride, padding, size, scale):
    """scale times the sum of every window, `size` of them; scale is a number or an array of that size."""
    d = len(kernel)
    y = np.empty(x.shape[: x.ndim - d] + size, x.dtype)

    def work(a: int, b: int) -> None:
        part = x[a:b].astype(np.float32) if x.dtype.char == "e" else x[a:b]
        for i in range(d):
            part = slide(np.add, part, x.ndim - d + i, kernel[i], stride[i], padding[i], 1, size[i], 0)
        np.multiply(part, _typed(scale, part.dtype), out=y[a:b], casting="same_kind")

    by_lead(work, x)
    return y


@op(
    lambda h, x_shape, kernel, stride, padding, scale: window_sum(
        h, kernel, stride, padding, x_shape[len(x_shape) - len(kernel) :], scale
    ),
    method=False,
    public=False,
    node_name="AvgPool2DBackward",
    examples=[
        case((2, 2, 2, 2), kernel=(2, 3), stride=(2, 3), padding=(0, 0), size=(4, 6), scale=0.25),
        case((2, 3, 5), kernel=(3, 3), stride=(2, 1), padding=(1, 1), size=(5, 5), scale=0.5),
    ],
)
def window_spread(x, kernel, stride, padding, size, scale):
    """Every element times scale added to the whole of its window: the adjoint of window_sum."""
    d = len(kernel)
    y = np.empty(x.shape[: x.ndim - d] + size, x.dtype)

    def work(a: int, b: int) -> None:
        part = x[a:b] * _typed(scale, x.dtype)
        for i in reversed(range(d)):
            axis = x.ndim - d + i
            wide = np.zeros([size[i] if j == axis else n for j, n in enumerate(part.shape)], x.dtype)
            for _, met, of in overlaps(
                (size[i],), (kernel[i],), (x.shape[axis],), (stride[i],), ((padding[i],) * 2,), (1,)
            ):
                met, of = (*(slice(None),) * axis, *met), (*(slice(None),) * axis, *of)
                if kernel[i] <= stride[i]:
                    wide[met] = part[of]
                else:
                    wide[met] += part[of]
            part = wide
        y[a:b] = part

    by_lead(work, y)
    return y


def _typed(scale: Any, dtype: np.dtype) -> Any:
    return scale.astype(dtype) if isinstance(scale, np.ndarray) else scale
