"""Normalizations, fused: one op with one kernel each.

Higher derivatives come from the references beside them. The statistics are sums of columns or rows, taken as
products with ones, which is several times as fast as a reduction.
Sources: Ioffe and Szegedy 2015 (batch normalization), Ba, Kiros and Hinton 2016 (layer normalization).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.blocks import by_lead, is_large
from tinygrad6.dtypes import float16
from tinygrad6.op import case, derived, op
from tinygrad6.ops.pointwise import rsqrt
from tinygrad6.ops.reduce import mean, var_over
from tinygrad6.ops.shape import cast
from tinygrad6.sums import add_up, column_sums, ones, row_sums

SINGLE = np.dtype(np.float32)


def _cached(arrays: list, params: dict) -> None:
    if params["cache"] is None:
        params["cache"] = []


# ---- batch normalization: x (N, C, *), statistics of each channel


def _batch_reference(x: Any, w: Any, b: Any, eps: float, cache: Any) -> Any:
    if x.dtype == float16:  # which does not hold the cube of 1/std
        y = _batch_reference(cast(x, SINGLE), cast(w, SINGLE), cast(b, SINGLE), eps, cache)
        return cast(y, x.dtype)
    dims = (0, *range(2, x.ndim))
    shape = (1, -1, *(1,) * (x.ndim - 2))
    xhat = (x - mean(x, dims, True)) * rsqrt(var_over(x, dims, 0, True) + eps)
    return xhat * w.reshape(shape) + b.reshape(shape)


def _spread(v: np.ndarray) -> np.ndarray:
    """A value for each channel, to be broadcast with maps (N, C, P)."""
    return v[:, None]


def _channel_sums(part: Callable[[int, int], np.ndarray], maps: np.ndarray) -> np.ndarray:
    """The sums over everything but channels of an array like `maps`, of which `part` makes images a to b."""
    sums, all_ones = np.empty(maps.shape[:2], maps.dtype), ones(maps.shape[2], maps.dtype)

    def work(a: int, b: int) -> None:
        seen = part(a, b)
        sums[a:b] = seen.reshape(-1, maps.shape[2]).dot(all_ones).reshape(b - a, -1)

    by_lead(work, maps)
    return add_up(sums, (0,))


def _maps(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:2], -1)


def _batch_of_maps(x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float) -> tuple:
    """Batch normalization of x (N, C, *): the result and what the kernel needs, in blocks of images."""
    maps = _maps(x)
    n = maps.size // maps.shape[1]
    centre = _channel_sums(lambda i, j: maps[i:j], maps) / n

    def square(i: int, j: int) -> np.ndarray:
        t = maps[i:j] - _spread(centre)
        return np.square(t, out=t)

    variance = _channel_sums(square, maps) / n
    rstd = 1 / np.sqrt(variance + variance.dtype.type(eps))
    scale, out = w * rstd, np.empty(x.shape, x.dtype)
    lines = _maps(out)

    def work(i: int, j: int) -> None:
        t = np.subtract(maps[i:j], _spread(centre), out=lines[i:j])
        t *= _spread(scale)
        t += _spread(b)

    by_lead(work, maps)
    return out, None, rstd, centre, variance


def _maps_kernel(g: np.ndarray, want: bool, x: np.ndarray, w: np.ndarray, rstd: Any, centre: Any) -> tuple:
    maps, gs = _maps(x), _maps(g)
    n = maps.size // maps.shape[1]

    def product(i: int, j: int) -> np.ndarray:
        t = maps[i:j] - _spread(centre)
        t *= gs[i:j]
        return t

    db = _channel_sums(lambda i, j: gs[i:j], maps)
    dw = _channel_sums(product, maps) * rstd
    if not want:
        return None, dw, db
    slope, shift, scale = _spread(dw * rstd / -n), _spread(db / n), _spread(w * rstd)
    dx = np.empty(x.shape, maps.dtype)
    out = _maps(dx)

    def work(i: int, j: int) -> None:  # ((x - mean) slope + g - shift) scale
        t = np.subtract(maps[i:j], _spread(centre), out=out[i:j])
        t *= slope
        t += gs[i:j]
        t -= shift
        t *= scale

    by_lead(work, maps)
    return dx, dw, db


def _batch_of_rows(x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float) -> tuple:
    """Batch normalization of x (N, C)."""
    n = len(x)
    centre = column_sums(x) / n
    xhat = x - centre
    variance = column_sums(np.square(xhat)) / n
    rstd = 1 / np.sqrt(variance + variance.dtype.type(eps))
    xhat *= rstd
    out = xhat * w
    out += b
    return out, xhat, rstd, centre, variance


def _rows_kernel(g: np.ndarray, want: bool, xhat: np.ndarray, w: np.ndarray, rstd: np.ndarray) -> tuple:
    n = len(g)
    db = column_sums(g)
    dx = np.multiply(g, xhat)
    dw = column_sums(dx)
    if not want:
        return None, dw, db
    np.multiply(xhat, dw / -n, out=dx)
    dx += g
    dx -= db / n
    dx *= w * rstd
    return dx, dw, db


def _batch_kernel(g, needs, x, w, cache):
    if x.dtype.char == "e":
        x, g = x.astype(np.float32), g.astype(np.float32)
    xhat, rstd, centre = cache[:3]
    if xhat is None:
        return _maps_kernel(g, needs[0], x, w, rstd, centre)
    return _rows_kernel(g, needs[0], xhat, w, rstd)


@op(
    derived,
    derived,
    derived,
    reference=_batch_reference,
    kernel=_batch_kernel,
    prepare=_cached,
    method=False,
    public=False,
    node_name="NativeBatchNorm",
    torch="nn.functional.batch_norm",
    examples=[case((4, 3), (3,), (3,), eps=1e-5), case((2, 3, 2, 2), (3,), (3,), eps=1e-3)],
    layout="channels",
)
def batch_norm_train(x, w, b, eps, cache=None):
    """(x - mean) / sqrt(var + eps) * w + b with the mean and biased variance of each channel of x (N, C, *).

    `cache` receives what the kernel and the running statistics need: of rows (N, C) the normalized ones,
    1/std, mean, variance.
    """
    wide = x.astype(np.float32) if x.dtype.char == "e" else x
    out, *kept = (_batch_of_rows if x.ndim == 2 else _batch_of_maps)(wide, w, b, eps)
    if cache is not None:
        cache[:] = kept
    return out.astype(x.dtype, copy=False)


def _affine(w: Any, ndim: int) -> Any:
    return w.reshape((1, -1, *(1,) * (ndim - 2)))


def batch_norm_fixed(x: Any, mean: np.ndarray, variance: np.ndarray, w: Any, b: Any, eps: float) -> Any:
    """The same with given statistics: an affine map of x, Tensors in and out."""
    from tinygrad6.tensor import wrap

    if x.dtype == float16:  # whose parameters may be float32
        w, b = (None if t is None else cast(t, SINGLE) for t in (w, b))
        mean, variance = mean.astype(SINGLE), variance.astype(SINGLE)
        return cast(batch_norm_fixed(cast(x, SINGLE), mean, variance, w, b, eps), x.dtype)
    rstd = wrap((1 / np.sqrt(variance + variance.dtype.type(eps))).astype(variance.dtype))
    scale = rstd if w is None else w * rstd
    shift = -wrap(mean) * scale
    if b is not None:
        shift = shift + b
    return x * _affine(scale, x.ndim) + _affine(shift, x.ndim)


# ---- layer normalization: rows of x (R, D), statistics of each row


def _layer_reference(x: Any, w: Any, b: Any, eps: float, cache: Any) -> Any:
    if x.dtype == float16:
        y = _layer_reference(cast(x, SINGLE), cast(w, SINGLE), cast(b, SINGLE), eps, cache)
        return cast(y, x.dtype)
    xhat = (x - mean(x, (1,), True)) * rsqrt(var_over(x, (1,), 0, True) + eps)
    return xhat * w + b


def _layer_of(x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float) -> tuple:
    """Layer normalization of x (R, D): the result, the normalized rows, 1/std."""
    d = x.shape[1]
    xhat = x - row_sums(x) / d
    rstd = 1 / np.sqrt(row_sums(np.square(xhat)) / d + x.dtype.type(eps))
    xhat *= rstd
    out = xhat * w
    out += b
    return out, xhat, rstd


def _layer_slopes(g, needs, xhat, w, rstd):
    d = g.shape[1]
    scratch = g * xhat
    dw = column_sums(scratch) if needs[1] else None
    db = column_sums(g) if needs[2] else None
    dx = None
    if needs[0]:
        dx = g * w
        np.multiply(dx, xhat, out=scratch)
        correlation = row_sums(scratch) / d
        dx -= row_sums(dx) / d
        np.multiply(xhat, correlation, out=scratch)
        dx -= scratch
        dx *= rstd
    return dx, dw, db


def _layer_kernel(g, needs, x, w, cache):
    xhat, rstd = cache
    g = g.astype(xhat.dtype, copy=False)  # float32 for float16
    if not is_large(g):
        return _layer_slopes(g, needs, xhat, w, rstd)
    dx = np.empty(g.shape, g.dtype) if needs[0] else None
    sums = {}

    def work(i: int, j: int) -> None:
        slope, *sums[i] = _layer_slopes(g[i:j], needs, xhat[i:j], w, rstd[i:j])
        if dx is not None:
            dx[i:j] = slope

    by_lead(work, g)
    dw, db = ([sums[i][k] for i in sorted(sums)] for k in (0, 1))
    return (
        dx,
        add_up(np.array(dw), (0,)) if needs[1] else None,
        add_up(np.array(db), (0,)) if needs[2] else None,
    )


@op(
    derived,
    derived,
    derived,
    reference=_layer_reference,
    kernel=_layer_kernel,
    prepare=_cached,
    method=False,
    public=False,
    node_name="NativeLayerNorm",
    examples=[case((3, 4), (4,), (4,), eps=1e-5)],
)
def layer_norm_rows(x, w, b, eps, cache=None):
    """(x - mean) / sqrt(var + eps) * w + b with the mean and biased variance of each row of x (R, D);
    w, b (D)."""
    wide = x.astype(np.float32) if x.dtype.char == "e" else x
    if is_large(wide):
        out, xhat, rstd = (np.empty((len(x), k), wide.dtype) for k in (x.shape[1], x.shape[1], 1))

        def work(i: int, j: int) -> None:
            out[i:j], xhat[i:j], rstd[i:j] = _layer_of(wide[i:j], w, b, eps)

        by_lead(work, wide)
    else:
        out, xhat, rstd = _layer_of(wide, w, b, eps)
    if cache is not None:
        cache[:] = xhat, rstd
    return out.astype(x.dtype, copy=False)
