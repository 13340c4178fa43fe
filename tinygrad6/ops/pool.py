"""Pooling with PyTorch's arguments: maxima, means, norms; adaptive and fractional windows; unpooling."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

import numpy as np

from tinygrad6.op import COMPOSITES, NAMES, POSITIVE, case, composite
from tinygrad6.ops.conv import per_dimension
from tinygrad6.ops.create import rand
from tinygrad6.ops.pad import constant_pad_nd
from tinygrad6.ops.pointwise import where
from tinygrad6.ops.reduce import mean
from tinygrad6.ops.shape import reshape
from tinygrad6.ops.taps import Map, from_table, gather_taps
from tinygrad6.ops.window import (
    fractional_index,
    max_pool,
    pick,
    positions,
    put_at,
    window_index,
    window_sum,
)
from tinygrad6.tensor import Tensor

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

    H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, rounded up with ceil_mode; stride is
    kernel_size if None. Padding never wins. Of equal elements the first gets the gradient. return_indices:
    also its position in H x W, int64.
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
    if d == 3 and any(n < k for n, k in zip(size, kernel, strict=True)):
        raise RuntimeError(f"{name}: input image {list(size)} smaller than kernel size {list(kernel)}")
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
    public=False,
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

    The sum is divided by the number of elements in the window, those of the padding among them unless
    count_include_pad is False, or by divisor_override.
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite(examples=[case((1, 2, 2, 4, 4), kernel_size=2)], method=False, public=False)
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
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """lp_pool2d in one dimension: (N, C, L) or (C, L)."""
    return _lp(1, input, norm_type, kernel_size, stride, ceil_mode)


@composite(
    examples=[case((2, 2, 4, 4), norm_type=3, kernel_size=2)], domain=POSITIVE, method=False, public=False
)
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
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
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
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


# ---- adaptive windows


def _adapted(name: str, x: Tensor, d: int, output_size: Any) -> tuple[int, ...]:
    """The output size per dimension, None filled in; errors as PyTorch's."""
    shape = x.array.shape
    if not isinstance(output_size, int):
        output_size = tuple(output_size)
        if len(shape) <= len(output_size):
            raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
        if len(output_size) == d:
            output_size = tuple(n if m is None else m for n, m in zip(shape[-d:], output_size, strict=True))
    if len(shape) not in (d + 1, d + 2) or 0 in shape[len(shape) - d :]:
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D tensor with non-zero size for non-batch dimensions, but "
            f"input has sizes {list(shape)}"
        )
    size = (output_size,) * d if isinstance(output_size, int) else output_size
    if len(size) == 1:
        size *= d
    if len(size) != d or min(size) < 0:
        raise RuntimeError(f"{name}: output_size must be {d} non-negative numbers, got {output_size}")
    return size


@functools.lru_cache(256)
def _spans(n: int, m: int) -> tuple[tuple[int, ...], ...]:
    """The positions of each of m windows that cover n: from floor(i n / m) up to ceil((i + 1) n / m)."""
    return tuple(tuple(range(i * n // m, -(-(i + 1) * n // m))) for i in range(m))


@functools.lru_cache(256)
def _means(n: int, m: int) -> Map:
    spans = _spans(n, m)
    return from_table(n, spans, [[1 / len(s)] * len(s) for s in spans])


def _even(x: Tensor, size: tuple) -> tuple | None:
    """The common window of each dimension, if every dimension divides into equal ones."""
    given = x.array.shape[x.array.ndim - len(size) :]
    if any(m == 0 or n % m for n, m in zip(given, size, strict=True)):
        return None
    return tuple(n // m for n, m in zip(given, size, strict=True))


def _adaptive_mean(d: int, x: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{d}d"
    size = _adapted(name, x, d, output_size)
    if set(size) == {1}:
        return mean(x, tuple(range(-d, 0)), True)
    if x.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: floating types only, got {x.array.dtype}")
    if kernel := _even(x, size):
        return window_sum(x, kernel, kernel, (0,) * d, size, 1 / math.prod(kernel))
    given = x.array.shape[x.array.ndim - d :]
    return gather_taps(x, tuple(_means(n, m) for n, m in zip(given, size, strict=True)))


def _adaptive_max(d: int, x: Tensor, output_size: Any, indices: bool) -> Any:
    name = f"adaptive_max_pool{d}d"
    size = _adapted(name, x, d, output_size)
    if x.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: floating types only, got {x.array.dtype}")
    kernel = _even(x, size)
    if kernel and not indices:
        return max_pool(x, kernel, kernel, (0,) * d, (1,) * d, size)
    given = x.array.shape[x.array.ndim - d :]
    index = window_index(x, tuple(_spans(n, m) for n, m in zip(given, size, strict=True)))
    y = pick(x, index, d)
    return (y, index) if indices else y


@composite(examples=[case((2, 2, 6), output_size=3), case((2, 5), output_size=3)], method=False)
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """adaptive_avg_pool2d in one dimension: (N, C, L) or (C, L)."""
    return _adaptive_mean(1, input, output_size)


@composite(
    examples=[case((2, 2, 4, 6), output_size=2), case((2, 5, 4), output_size=(3, None))],
    method=False,
    public=False,
)
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that make the result (N, C, *output_size).

    input (N, C, H, W) or (C, H, W); output_size is one number or two.
    Window i of m covers floor(i H / m) up to ceil((i + 1) H / m), exclusively; None leaves a dimension as it
    is.
    """
    return _adaptive_mean(2, input, output_size)


@composite(examples=[case((1, 2, 2, 3, 4), output_size=2)], method=False, public=False)
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """adaptive_avg_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_mean(3, input, output_size)


@composite(examples=[case((2, 2, 6), output_size=3), case((2, 5), output_size=3)], method=False, public=False)
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """adaptive_max_pool2d in one dimension; under the name torch.adaptive_max_pool1d always with indices."""
    return _adaptive_max(1, input, output_size, return_indices)


@composite(
    examples=[case((2, 2, 4, 6), output_size=2), case((2, 5, 4), output_size=(3, None))],
    method=False,
    public=False,
)
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of the windows of adaptive_avg_pool2d; ties, nan and return_indices as in max_pool2d."""
    return _adaptive_max(2, input, output_size, return_indices)


@composite(examples=[case((1, 2, 2, 3, 4), output_size=2)], method=False, public=False)
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """adaptive_max_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_max(3, input, output_size, return_indices)


# ---- fractional windows


def _fractional(
    d: int,
    x: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    indices: bool,
    samples: Tensor | None,
) -> Any:
    name, shape = f"fractional_max_pool{d}d", x.array.shape
    if len(shape) <= d:
        raise IndexError(
            f"{name}: Dimension out of range: expected {d + 1}D or {d + 2}D input, but got {list(shape)}"
        )
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * d
        if len(ratio) > d:
            raise ValueError(
                f"{name} requires output_ratio to be a single number or {d} of them, got {ratio}"
            )
        output_size = [int(n * r) for n, r in zip(shape[-d:], ratio, strict=True)]
    kernel, size = (
        (v,) * d if isinstance(v, int) else tuple(v) * (d if len(v) == 1 else 1)
        for v in (kernel_size, output_size)
    )
    if len(shape) not in (d + 1, d + 2) or 0 in shape[-d - 1 :] or len(kernel) != d or len(size) != d:
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D input with non-zero size for non-batch dimensions, "
            f"kernel_size and output_size of {d} numbers, but got input {list(shape)}, kernel_size {kernel} "
            f"and output_size {size}"
        )
    most = [n - k + (1 if d == 2 else 0) for n, k in zip(shape[-d:], kernel, strict=True)]  # PyTorch's limits
    if min(kernel) < 1 or min(size) < 1 or any(m > n for m, n in zip(size, most, strict=True)):
        raise RuntimeError(
            f"{name}: pool size {kernel} too large relative to input size {shape[-d:]} for output_size {size}"
        )
    if x.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: floating types only, got {x.array.dtype}")
    lead = (1, *shape[:-d]) if len(shape) == d + 1 else shape[:-d]
    if samples is None:
        samples = rand(*lead, d, dtype=x.dtype)
    if samples.array.dtype != x.array.dtype:
        raise RuntimeError(f"Expect _random_samples to have the same dtype as input, got {samples.dtype}")
    if samples.array.ndim != 3 or samples.array.shape[0] < lead[0] or samples.array.shape[1:] != (lead[1], d):
        raise RuntimeError(
            f"{name}: expected _random_samples of shape {[*lead, d]}, got {list(samples.array.shape)}"
        )
    index = fractional_index(x, samples, kernel, size)
    y = pick(x, index, d)
    return (y, index) if indices else y


@composite(examples=[], method=False, public=False)
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows of one kernel_size at random, nearly even distances (Graham 2014).

    input (N, C, H, W) or (C, H, W).
    The result is (N, C, *output_size), or output_ratio, between 0 and 1, times the size of the input.
    _random_samples (N, C, 2) in [0, 1) are drawn for each call if None. ValueError without a size,
    RuntimeError for windows that do not fit.
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@composite(examples=[], method=False, public=False)
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """fractional_max_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


# ---- back from maxima


def _unpool(
    d: int, x: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name, shape = f"max_unpool{d}d", x.array.shape
    kernel = per_dimension("kernel_size", kernel_size, d)
    stride = kernel if stride is None else per_dimension("stride", stride, d)
    padding = per_dimension("padding", padding, d)
    least = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(shape[-d:], stride, kernel, padding, strict=True)]
    size = tuple(least)
    if output_size is not None:
        size = tuple(output_size)[2:] if len(output_size) == d + 2 else tuple(output_size)
        if len(size) != d:
            raise ValueError(
                f"output_size should be a sequence containing {d} or {d + 2} elements, but it has a length "
                f"of '{len(output_size)}'"
            )
        for i, (n, m, s) in enumerate(zip(size, least, stride, strict=True)):
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
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """max_unpool2d in one dimension: (N, C, L) or (C, L)."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@composite(examples=[], method=False, public=False)
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
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
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """max_unpool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


# ---- the same functions, always with indices


def _with_indices(function: Any) -> Any:
    signature = inspect.signature(function)

    def call(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        given = signature.bind(*args, **kwargs)
        given.arguments["return_indices"] = True
        return function(*given.args, **given.kwargs)

    call.__name__ = call.__qualname__ = f"{function.__name__}_with_indices"
    call.__doc__ = f"{function.__name__} with return_indices=True."
    return composite(examples=[], method=False, public=False)(call)


for _function in (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    fractional_max_pool2d,
    fractional_max_pool3d,
):
    _with_indices(_function)
NAMES["max_pool1d_with_indices"] = COMPOSITES["max_pool1d_with_indices"]
NAMES["adaptive_max_pool1d"] = COMPOSITES["adaptive_max_pool1d_with_indices"]  # torch's own always gives both
