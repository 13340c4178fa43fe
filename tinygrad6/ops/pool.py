"""Pooling with PyTorch's arguments: maxima, means and norms of windows, and back from maxima."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad6.arguments import Ints, composite
from tinygrad6.dtypes import TYPE_NAMES
from tinygrad6.op import POSITIVE, case
from tinygrad6.ops.conv import per_dimension
from tinygrad6.ops.pad import constant_pad_nd
from tinygrad6.ops.choose import where
from tinygrad6.ops.shape import reshape
from tinygrad6.ops.window import max_pool, pick, positions, put_at, window_index, window_sum
from tinygrad6.tensor import Tensor, wrap

# ---- PyTorch's arguments


def _settings(
    name: str, x: Tensor, d: int, dilation: Any, **settings: Any
) -> tuple[tuple, tuple, tuple, tuple]:
    """kernel, stride, padding and dilation per dimension; RuntimeError for what does not fit."""
    shape = x.array.shape
    if x.array.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    if 0 in shape[x.array.ndim - d - 1 :]:
        raise RuntimeError(
            f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(shape)}"
        )
    if settings["stride"] is None or settings["stride"] in ([], ()):
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
            f"{name}: kernel size should be greater than zero, but got {list(kernel)}, and so should "
            f"stride, but got {list(stride)}"
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
    kernel_size: Ints,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: bool,
) -> Any:
    name = f"max_pool{d}d"
    how = _settings(name, input, d, dilation, kernel_size=kernel_size, stride=stride, padding=padding)
    if input.array.dtype.kind == "b" or d == 1 and not indices and input.array.dtype.kind != "f":
        raise NotImplementedError(f"\"{name}\" not implemented for '{TYPE_NAMES[input.array.dtype.name]}'")
    size = input.array.shape[input.array.ndim - d :]
    cells = _cells(size, *how, ceil_mode)
    if max(how[3]) > 1 and any(() in along for along in positions(size, *how, cells)):
        raise NotImplementedError(
            f"{name}: a window lies wholly in the padding, with input {list(input.array.shape)} and "
            f"kernel_size, stride, padding, dilation {how}; pad less"
        )
    if not indices:
        return max_pool(input, *how, cells)
    index = window_index(input, positions(size, *how, cells))
    return pick(input, index, d), index


@composite(examples=[case((2, 2, 6), kernel_size=2)], method=False)
def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
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
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window: input (N, C, H, W) or (C, H, W) -> (N, C, H', W').

    H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, rounded up with ceil_mode; stride is
    kernel_size if None. Padding never wins. Of equal elements the first gets the gradient. return_indices:
    also its position in H x W, int64.
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(examples=[case((1, 2, 2, 4, 4), kernel_size=2)], method=False)
def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
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
    kernel_size: Ints,
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
    whole = input.array.dtype == np.int64
    if input.array.dtype.kind != "f" and not whole:
        raise NotImplementedError(f"{name}: floating types and int64 only, got {input.dtype}")
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    size = input.array.shape[input.array.ndim - d :]
    if d == 3 and any(n < k for n, k in zip(size, kernel, strict=True)):
        raise RuntimeError(f"{name}: input image {list(size)} smaller than kernel size {list(kernel)}")
    cells = _cells(size, kernel, stride, padding, one, ceil_mode)
    scale = 1 / divisor if divisor else _inverse_counts(size, kernel, stride, padding, cells, include_pad)
    if whole:  # divided as in C: towards 0
        total = window_sum(input, kernel, stride, padding, cells, 1).array
        count = np.rint(1 / np.asarray(scale)).astype(np.int64)
        return wrap(np.sign(total) * np.sign(count) * (abs(total) // abs(count)))
    return window_sum(input, kernel, stride, padding, cells, scale)


@composite(examples=[case((2, 2, 6), kernel_size=2)], method=False)
def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
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
    public=False,
)
def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window: input (N, C, H, W) or (C, H, W) -> (N, C, H', W'), sizes as in max_pool2d.

    The sum is divided by the number of elements in the window, those of the padding among them unless
    count_include_pad is False, or by divisor_override.
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite(examples=[case((1, 2, 2, 4, 4), kernel_size=2)], method=False, public=False)
def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """avg_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


_MAX = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}
_AVG = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


# ---- norms of windows, and of neighbouring channels


def _lp(d: int, x: Tensor, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    largest, mean = _MAX[d], _AVG[d]
    if p == math.inf:
        return largest(x.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if p == -math.inf:
        return -largest(-x.abs(), kernel_size, stride, 0, 1, ceil_mode)
    y = mean(x.pow(p), kernel_size, stride, 0, ceil_mode)
    count = math.prod(per_dimension("kernel_size", kernel_size, d))
    y = where(y == 0, y.detach(), y)  # gradient 0 there, instead of that of the root
    return y.mul(count).pow(1.0 / p)


@composite(
    examples=[case((2, 2, 6), norm_type=2, kernel_size=2)], domain=POSITIVE, method=False, public=False
)
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """lp_pool2d in one dimension: (N, C, L) or (C, L)."""
    return _lp(1, input, norm_type, kernel_size, stride, ceil_mode)


@composite(
    examples=[case((2, 2, 4, 4), norm_type=3, kernel_size=2)], domain=POSITIVE, method=False, public=False
)
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p over every window)^(1/p), p = norm_type (inf: max |x|): shapes as in avg_pool2d.

    As in PyTorch, x^p is not made positive first (nan for a negative sum and a root that has none), the
    gradient at a sum of zero is zero, and with ceil_mode the windows that end outside are scaled up to whole
    ones.
    """
    return _lp(2, input, norm_type, kernel_size, stride, ceil_mode)


@composite(
    examples=[case((1, 1, 2, 2, 4), norm_type=2, kernel_size=2)], domain=POSITIVE, method=False, public=False
)
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """lp_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _lp(3, input, norm_type, kernel_size, stride, ceil_mode)


@composite(examples=[case((2, 4, 3), size=3), case((1, 4, 2, 2), size=2)], method=False, public=False)
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha m)^beta, m the mean of x^2 over `size` neighbouring channels of input (N, C, *).

    Channels beyond the first and last count as zeros. ValueError for fewer than 3 dimensions. Krizhevsky et
    al. 2012, section 3.3.
    """
    shape = input.array.shape
    if len(shape) < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)")
    if not input.array.size:
        return input
    squares = reshape(input * input, (shape[0], 1, shape[1], math.prod(shape[2:])))
    squares = constant_pad_nd(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = reshape(avg_pool2d(squares, (size, 1), 1), shape)
    return input / (mean * alpha + k).pow(beta)


# ---- back from maxima


def _unpool(
    d: int, x: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    """All max_unpools. output_size may differ from the usual one by less than a stride."""
    name, shape = f"max_unpool{d}d", x.array.shape
    kernel = per_dimension("kernel_size", kernel_size, d)
    stride = kernel if stride is None else per_dimension("stride", stride, d)
    padding = per_dimension("padding", padding, d)
    if len(shape) < d:
        raise IndexError(f"{name}: Expected {d + 1}D or {d + 2}D input, but got {list(shape)}")
    usual = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(shape[-d:], stride, kernel, padding, strict=True)]
    size = tuple(usual)
    if output_size is not None:
        size = tuple(output_size)[2:] if len(output_size) == d + 2 else tuple(output_size)
        if len(size) != d:
            raise ValueError(
                f"output_size should be a sequence containing {d} or {d + 2} elements, but it has a length "
                f"of '{len(output_size)}'"
            )
        for i, (n, m, s) in enumerate(zip(size, usual, stride, strict=True)):
            if not m - s < n < m + s:
                raise ValueError(
                    f'invalid output_size "{size}" (dim {i} must be between {m - s} and {m + s})'
                )
    if min(size) < 0:
        raise ValueError(
            f"max_unpooling: output_size must contain non-negative spatial dimensions, but got {size}"
        )
    if indices.array.dtype != np.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    if len(shape) not in (d + 1, d + 2) or 0 in shape[1:] or indices.array.shape != shape:
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D input with non-zero non-batch dimensions and indices of "
            f"its shape, but got {list(shape)} and {list(indices.array.shape)}"
        )
    n, at = math.prod(size), indices.array
    if at.size and (at.min() < 0 or at.max() >= n):
        wrong = at[(at < 0) | (at >= n)].flat[0]
        raise RuntimeError(
            f"Found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, size))})"
        )
    return put_at(x, indices, size)


@composite(examples=[], method=False, public=False)
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """max_unpool2d in one dimension: (N, C, L) or (C, L)."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@composite(examples=[], method=False, public=False)
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima written back where max_pool2d found them, zeros elsewhere.

    input, indices (N, C, H', W') -> (N, C, H, W).
    H = (H' - 1) stride - 2 padding + KH, or output_size, less than a stride away from that. Of equal indices
    the last wins. ValueError for another size, RuntimeError for indices outside, of another type or another
    shape.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@composite(examples=[], method=False, public=False)
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """max_unpool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
