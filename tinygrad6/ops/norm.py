"""Normalizations, fused: one op with one kernel each.

Higher derivatives come from the references beside them. The statistics are sums of columns or rows, taken as
products with ones, which is several times as fast as a reduction.
Sources: Ioffe and Szegedy 2015 (batch normalization), Ba, Kiros and Hinton 2016 (layer normalization).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.op import case, derived, op
from tinygrad6.ops.linalg import column_sums
from tinygrad6.ops.pointwise import rsqrt
from tinygrad6.ops.reduce import mean, var_over


def _cached(arrays: list, params: dict) -> None:
    if params["cache"] is None:
        params["cache"] = []


# ---- batch normalization: x (N, C, *), statistics of each channel


def _batch_reference(x: Any, w: Any, b: Any, eps: float, cache: Any) -> Any:
    dims = (0, *range(2, x.ndim))
    shape = (1, -1, *(1,) * (x.ndim - 2))
    xhat = (x - mean(x, dims, True)) * rsqrt(var_over(x, dims, 0, True) + eps)
    return xhat * w.reshape(shape) + b.reshape(shape)


def _rows(x: np.ndarray) -> np.ndarray:
    """x (N, C, *) as a matrix with a column for each channel:
    itself for (N, C), else a copy with channels last."""
    return x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _back(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.ndim == 2:
        return rows
    shape = (like.shape[0], *like.shape[2:], like.shape[1])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape), -1, 1))


def _batch_kernel(g, needs, x, w, cache):
    xhat, rstd = cache[:2]
    g = _rows(g)
    n = len(g)
    db = column_sums(g)
    scratch = np.multiply(g, xhat)
    dw = column_sums(scratch)
    dx = None
    if needs[0]:
        np.multiply(xhat, dw / -n, out=scratch)
        scratch += g
        scratch -= db / n
        scratch *= w * rstd
        dx = _back(scratch, x)
    return dx, dw, db


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
)
def batch_norm_train(x, w, b, eps, cache=None):
    """(x - mean) / sqrt(var + eps) * w + b with the mean and biased variance of each channel of x (N, C, *).

    `cache` receives what the kernel and the running statistics need: normalized rows, 1/std, mean, variance.
    """
    rows = _rows(x)
    n = len(rows)
    wide = rows.astype(np.float32) if rows.dtype.char == "e" else rows
    centre = column_sums(wide) / n
    xhat = wide - centre
    variance = column_sums(np.square(xhat)) / n
    rstd = 1 / np.sqrt(variance + variance.dtype.type(eps))
    xhat *= rstd
    out = xhat * w
    out += b
    if cache is not None:
        cache[:] = xhat.astype(x.dtype, copy=False), rstd.astype(x.dtype, copy=False), centre, variance
    return _back(out.astype(x.dtype, copy=False), x)


def _affine(w: Any, ndim: int) -> Any:
    return w.reshape((1, -1, *(1,) * (ndim - 2)))


def batch_norm_fixed(x: Any, mean: np.ndarray, variance: np.ndarray, w: Any, b: Any, eps: float) -> Any:
    """The same with given statistics: an affine map of x, Tensors in and out."""
    from tinygrad6.tensor import wrap

    rstd = wrap((1 / np.sqrt(variance + variance.dtype.type(eps))).astype(variance.dtype))
    scale = rstd if w is None else w * rstd
    shift = -wrap(mean) * scale
    if b is not None:
        shift = shift + b
    return x * _affine(scale, x.ndim) + _affine(shift, x.ndim)


# ---- layer normalization: rows of x (R, D), statistics of each row


def _layer_reference(x: Any, w: Any, b: Any, eps: float, cache: Any) -> Any:
    xhat = (x - mean(x, (1,), True)) * rsqrt(var_over(x, (1,), 0, True) + eps)
    return xhat * w + b


def row_sums(x: np.ndarray) -> np.ndarray:
    """The sum of each row of a matrix, as a column."""
    return (x @ np.ones(x.shape[1], x.dtype))[:, None]


def _layer_kernel(g, needs, x, w, cache):
    xhat, rstd = cache
    d = x.shape[1]
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
    d = x.shape[1]
    xhat = wide - row_sums(wide) / d
    rstd = 1 / np.sqrt(row_sums(np.square(xhat)) / d + wide.dtype.type(eps))
    xhat *= rstd
    out = xhat * w
    out += b
    if cache is not None:
        cache[:] = xhat.astype(x.dtype, copy=False), rstd.astype(x.dtype, copy=False)
    return out.astype(x.dtype, copy=False)
