"""Pools whose windows follow from the size of the result: adaptive and fractional;
and all pools with indices."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

from tinygrad6.arguments import Ints, composite, several
from tinygrad6.op import COMPOSITES, NAMES, case
from tinygrad6.ops.rand import rand
from tinygrad6.ops.pool import max_pool1d, max_pool2d, max_pool3d
from tinygrad6.ops.reduce import mean
from tinygrad6.ops.taps import Map, from_table, gather_taps
from tinygrad6.ops.window import fractional_index, max_pool, pick, window_index, window_sum
from tinygrad6.tensor import Tensor

# ---- adaptive windows


def _adapted(name: str, x: Tensor, d: int, output_size: Any) -> tuple[int, ...]:
    """The output size per dimension, None filled in; errors as PyTorch's."""
    shape = x.array.shape
    if d > 1 and isinstance(output_size, (tuple, list)):
        if len(shape) <= len(output_size):
            raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
        if len(output_size) == d:
            output_size = tuple(n if m is None else m for n, m in zip(shape[-d:], output_size, strict=True))
    output_size = several(name, "output_size", 2, output_size)
    if len(shape) not in (d + 1, d + 2) or 0 in shape[len(shape) - d :]:
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D tensor with non-zero size for non-batch dimensions, but "
            f"input has sizes {list(shape)}"
        )
    size = (output_size,) * d if isinstance(output_size, int) else tuple(output_size)
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
    kernel_size: Ints,
    output_size: Any,
    output_ratio: Any,
    indices: bool,
    samples: Tensor | None,
) -> Any:
    """Both fractional_max_pools, which differ in rank only."""
    name, shape = f"fractional_max_pool{d}d", x.array.shape
    if len(shape) <= d:
        kind = IndexError if samples is None else RuntimeError  # PyTorch draws them by the input's shape
        raise kind(f"{name}: Expected {d + 1}D or {d + 2}D input, but got {list(shape)}")
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * d
        if len(ratio) > d:
            raise ValueError(
                f"{name} requires output_ratio to be a single number or {d} of them, got {ratio}"
            )
        output_size = [int(n * r) for n, r in zip(shape[-d:], ratio, strict=True)]
    output_size = several(name, "output_size", 3, output_size)
    kernel, size = ((v,) * d if isinstance(v, int) else tuple(v) for v in (kernel_size, output_size))
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
    kernel_size: Ints,
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
    kernel_size: Ints,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """fractional_max_pool2d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


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
