"""Pooling: the largest, the mean or another norm of every window; and unfold and fold, the windows themselves.

Windows are products of intervals, so a maximum or a sum over them is taken one dimension after another, as the maximum or
sum of a few shifted slices. Only the gradient of a maximum has to look at whole windows: it goes to the first of equal
elements in row-major order, as in PyTorch. Where maxima are (`window_index`) is an op without gradient; `pick` takes elements
by such an index, `place` adds them back, and each is the other's rule. Padding is never part of a maximum.

Inside, x is (*lead, *size) with the last `d` dimensions spatial; settings are tuples with one entry for each of them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad6.op import case, composite, op
from tinygrad6.ops.conv import overlaps, per_dimension
from tinygrad6.tensor import Tensor
from tinygrad6.threads import share

WORTH = 1 << 17  # elements, from which threads pay
BLOCK = 1 << 17  # elements worked on at a time, so that they stay in the cache


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
)
def pick(x, index, d):
    """x at index, which counts row-major positions in the last d dimensions: (*lead, *size), (*lead, *out) -> (*lead, *out)."""
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
    lambda g, index: pick(g, index, index.ndim - 2),
    None,
    method=False,
    public=False,
    examples=[case((1, 2, 2), lambda rng: np.array([[[0, 5], [2, 3]]]), size=(6,))],
)
def put_at(x, index, size):
    """Zeros of (N, C, *size) with x (N, C, *out) written at index; of equal indices one wins."""
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
        longest = max(map(len, along))
        along = np.array([[*r, *[r[-1]] * (longest - len(r))] for r in along])
        table = table[:, None, :, None] * n + along[None, :, None, :]
        table = table.reshape(table.shape[0] * table.shape[1], -1)
    return table


@op(None, method=False, public=False, examples=[case((2, 4, 3), ranges=(((0, 1), (2, 3)), ((0,), (1, 2))))])
def window_index(x, ranges):
    """The position of the first largest element (or nan) in each window, counted in the last dimensions: int64."""
    d = len(ranges)
    table = window_table(x.shape[x.ndim - d :], ranges)
    first = np.argmax(_flat(x, d)[:, table], -1)
    return table[np.arange(len(table)), first].reshape(x.shape[: x.ndim - d] + tuple(map(len, ranges)))


def _ranges(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, cells: tuple
) -> tuple:
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
    places = overlaps(
        x.shape[x.ndim - d :],
        kernel,
        out.shape[x.ndim - d :],
        stride,
        tuple((p, p) for p in padding),
        dilation,
    )
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


_POOLS = [
    case((2, 2, 4, 6), kernel=(2, 3), stride=(2, 3), padding=(0, 0), dilation=(1, 1), cells=(2, 2)),
    case((2, 5, 5), kernel=(3, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 2), cells=(3, 3)),
    case((1, 2, 7), kernel=(2,), stride=(3,), padding=(0,), dilation=(1,), cells=(3,)),
]


def _max_pool_rule(g: Any, x: Any, *how: tuple) -> Any:
    size = tuple(x.shape[x.ndim - len(how[0]) :])
    return place(g, window_index(x, _ranges(size, *how)), size)


@op(
    lambda g, x, kernel, stride, padding, dilation, cells: _max_pool_rule(
        g, x, kernel, stride, padding, dilation, cells
    ),
    kernel=_max_pool_kernel,
    method=False,
    public=False,
    node_name="MaxPool2DWithIndices",
    examples=_POOLS,
)
def max_pool(x, kernel, stride, padding, dilation, cells):
    """The largest element of every window, `cells` of them along each of the last dimensions; nan if there is one."""
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

    _by_lead(work, x, d)
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

    _by_lead(work, x, d)
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
    """Every element times scale added to the whole of its window, in (*lead, *size): the adjoint of window_sum."""
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

    _by_lead(work, y, d)
    return y


def _typed(scale: Any, dtype: np.dtype) -> Any:
    return scale.astype(dtype) if isinstance(scale, np.ndarray) else scale


# ---- PyTorch's arguments


def _settings(
    name: str, x: Tensor, d: int, dilation: Any, **settings: Any
) -> tuple[tuple, tuple, tuple, tuple]:
    """kernel, stride, padding and dilation per dimension; RuntimeError for what does not fit."""
    shape = x.array.shape
    if x.array.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(shape)}"
        )
    if 0 in shape[x.array.ndim - d - 1 :]:
        raise RuntimeError(
            f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(shape)}"
        )
    if settings["stride"] is None or settings["stride"] == []:
        settings["stride"] = settings["kernel_size"]
    for key, value in settings.items():
        if not isinstance(value, int) and len(value) not in (1, d):
            raise RuntimeError(
                f"{name}: {key} must either be a single int, or a tuple of {d} ints, got {value}"
            )
    kernel, stride, padding = (per_dimension(k, settings[k], d) for k in ("kernel_size", "stride", "padding"))
    dilation = per_dimension("dilation", dilation, d)
    if min(stride) == 0:
        raise RuntimeError("stride should not be zero")
    if min(kernel) < 1 or min(stride) < 0:
        raise RuntimeError(
            f"{name}: kernel size should be greater than zero, but got {list(kernel)}, and so should stride, "
            f"but got {list(stride)}"
        )
    if min(dilation) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    for k, p, t in zip(kernel, padding, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * t + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={t}"
            )
    return kernel, stride, padding, dilation


def _cells(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool
) -> tuple[int, ...]:
    """How many windows; with ceil_mode also those that start inside and end outside."""
    out = []
    for n, k, s, p, t in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - t * (k - 1) - 1
        m = (room + s - 1 if ceil_mode else room) // s + 1
        out.append(m - 1 if ceil_mode and (m - 1) * s >= n + p else m)
    if min(out) < 1:
        shown = "x".join(map(str, size)), "x".join(str(max(m, 0)) for m in out)
        raise RuntimeError(
            f"Given input size: ({shown[0]}). Calculated output size: ({shown[1]}). Output size is too small"
        )
    return tuple(out)


def _max(
    d: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: bool,
) -> Any:
    name = f"max_pool{d}d"
    how = _settings(name, input, d, dilation, kernel_size=kernel_size, stride=stride, padding=padding)
    if input.array.dtype.kind == "b":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    size = input.array.shape[input.array.ndim - d :]
    cells = _cells(size, *how, ceil_mode)
    if not indices:
        return max_pool(input, *how, cells)
    index = window_index(input, _ranges(size, *how, cells))
    return pick(input, index, d), index


@composite(examples=[case((2, 2, 6), kernel_size=2)], method=False)
def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d in one dimension: (N, C, L) or (C, L)."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(
    examples=[
        case((2, 2, 4, 4), kernel_size=2),
        case((2, 5, 5), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    ],
    method=False,
)
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window: input (N, C, H, W) or (C, H, W) -> (N, C, H', W').

    H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, rounded up with ceil_mode; stride is kernel_size if None.
    Padding never wins. Of equal elements the first gets the gradient. return_indices: also its position in H x W, int64.
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(examples=[case((1, 2, 2, 4, 4), kernel_size=2)], method=False)
def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@functools.lru_cache(64)
def _inverse_counts(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, cells: tuple, include_pad: bool
) -> Any:
    """One over the number of elements in each window: a number if they are all equal."""
    total: Any = np.ones(())
    for n, k, s, p, m in zip(size, kernel, stride, padding, cells, strict=True):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)
        count = stop - start if include_pad else np.minimum(stop, n) - np.maximum(start, 0)
        total = total[..., None] * count
    return float(1 / total.flat[0]) if (total == total.flat[0]).all() else 1 / total


def _avg(
    d: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    include_pad: bool,
    divisor: int | None,
) -> Tensor:
    name = f"avg_pool{d}d"
    kernel, stride, padding, one = _settings(
        name, input, d, 1, kernel_size=kernel_size, stride=stride, padding=padding
    )
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: floating types only, got {input.dtype}")
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    size = input.array.shape[input.array.ndim - d :]
    cells = _cells(size, kernel, stride, padding, one, ceil_mode)
    scale = 1 / divisor if divisor else _inverse_counts(size, kernel, stride, padding, cells, include_pad)
    return window_sum(input, kernel, stride, padding, cells, scale)


@composite(examples=[case((2, 2, 6), kernel_size=2)], method=False)
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """avg_pool2d in one dimension: (N, C, L) or (C, L)."""
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composite(
    examples=[
        case((2, 2, 4, 4), kernel_size=2),
        case((2, 5, 5), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    ],
    method=False,
)
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window: input (N, C, H, W) or (C, H, W) -> (N, C, H', W'), sizes as in max_pool2d.

    The sum is divided by the number of elements in the window, those of the padding among them unless count_include_pad is
    False, or by divisor_override.
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite(examples=[case((1, 2, 2, 4, 4), kernel_size=2)], method=False)
def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """avg_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
