"""Exponentials that cannot overflow: logsumexp, softmax and log_softmax, shifted by the largest element.

exp(x) / sum(exp(x)) does not change when a number is taken from all x; with the largest taken, no exponential
is above 1, and one of them is 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import refused
from tinygrad6.blocks import in_rows
from tinygrad6.op import case, op
from tinygrad6.ops.pointwise import exp
from tinygrad6.ops.reduce import _reduced, count, keep_dims, sum
from tinygrad6.ops.shape import normal_dim
from tinygrad6.quiet import Quiet
from tinygrad6.sums import add_up, row_sums


def _floating(arrays: list, params: dict) -> None:
    _reduced(arrays, params)
    if arrays[0].dtype.kind != "f":
        arrays[0] = arrays[0].astype(dtypes.default_float())


def _named_dims(arrays: list, params: dict) -> None:
    if params["dim"] is None:
        raise refused("logsumexp", "dim", 2, "tuple of ints", None)
    _floating(arrays, params)


@op(
    lambda g, x, out, dim, keepdim: (
        keep_dims(g, x.shape, dim, keepdim) * exp(x - keep_dims(out, x.shape, dim, keepdim))
    ),
    prepare=_named_dims,
    examples=[case((2, 3), dim=0), case((2, 3), dim=1, keepdim=True), case((2, 3, 2), dim=(0, 2))],
)
def logsumexp(x, dim, keepdim=False):
    """log(sum(exp(x))) over `dim`, shifted by the largest element so that nothing overflows."""
    if not count(x.shape, dim):
        return np.full(np.add.reduce(x, dim, keepdims=keepdim).shape, -math.inf, x.dtype)
    if len(dim) == 1:
        out = in_rows(_logsumexp, dim[0], x, width=1)
    else:
        out = _logsumexp(x, dim)
    return out if keepdim else out.reshape([n for i, n in enumerate(x.shape) if i not in dim])


def _logsumexp(x: np.ndarray, dim: int | tuple) -> np.ndarray:
    top = _top(x, dim)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    with Quiet():  # the distance to the top may be infinite
        sums = np.exp(x - top)
        return np.log(add_up(sums, dim, None, True) if isinstance(dim, tuple) else _total(sums, dim)) + top


def _along(arrays: list, params: dict) -> None:
    x = arrays[0]
    if params.get("dtype") is not None:
        arrays[0] = x = x.astype(dtypes.to_numpy(params["dtype"]), copy=False)
        params["dtype"] = None
    params["dim"] = normal_dim(params["dim"], x.ndim)
    if x.dtype.kind != "f":
        raise NotImplementedError(f"softmax is not implemented for {dtypes.from_numpy(x.dtype)}")


FEW = 1 << 12  # elements, up to which ways to find the largest of rows faster do not pay
SHORT = 256  # bytes of a row, below which its largest is found faster in a transposed copy


def _in_rows(x: np.ndarray, dim: int | tuple) -> np.ndarray | None:
    """x as a matrix whose rows lie along dim in memory; None if they do not."""
    if dim == x.ndim - 1 and x.size and x.flags.c_contiguous and x.dtype.char in "fd":
        return x.reshape(-1, x.shape[dim])
    return None


def _top(x: np.ndarray, dim: int | tuple) -> np.ndarray:
    """The largest along dim, kept with length 1."""
    rows = _in_rows(x, dim) if x.size > FEW else None
    if rows is None:
        return np.maximum.reduce(x, dim, keepdims=True)
    if rows.shape[1] * x.itemsize < SHORT:
        return np.maximum.reduce(np.ascontiguousarray(rows.T), 0).reshape(*x.shape[:-1], 1)
    at = rows.argmax(1)  # in half the time of the largest, where rows lie in one piece
    at += np.arange(0, rows.size, rows.shape[1])
    return rows.reshape(-1)[at].reshape(*x.shape[:-1], 1)


def _under_top(x: np.ndarray, dim: int) -> np.ndarray:
    """x minus its largest element along dim; -inf where that is too far below."""
    if not x.size:
        return x.copy()
    with Quiet():
        return x - _top(x, dim)


def _total(x: np.ndarray, dim: int) -> np.ndarray:
    """The sums along dim, kept with length 1."""
    rows = _in_rows(x, dim)
    if rows is None:
        return add_up(x, (dim,), None, True)
    return row_sums(rows).reshape(*x.shape[:-1], 1)


def _wider(function: Any, x: np.ndarray, dim: int) -> np.ndarray:
    """The function in float32, or of one row for a 0-d array."""
    kind = np.float32 if x.dtype.char == "e" else x.dtype
    return function.op.forward(x.astype(kind).reshape(x.shape or (1,)), dim).astype(x.dtype).reshape(x.shape)


def _softmax_kernel(g, out, dim):
    return (in_rows(_softmax_slope, dim, g, out),)


def _softmax_slope(g: np.ndarray, out: np.ndarray, dim: int) -> np.ndarray:
    slope = g * out
    slope -= out * _total(slope, dim) if out.ndim else slope
    return slope


_SOFT = [case((2, 3), dim=1), case((2, 3), dim=0), case((2, 3, 2), dim=-2)]


@op(
    lambda g, out, dim: out * (g - sum(g * out, dim, True)),
    kernel=_softmax_kernel,
    prepare=_along,
    examples=_SOFT,
)
def softmax(x, dim, dtype=None):
    """exp(x) / sum(exp(x)) along `dim`, shifted by the largest element. Sums to 1; floats only."""
    if x.dtype.char == "e" or not x.ndim:
        return _wider(softmax, x, dim)
    return in_rows(_softmax, dim, x)


def _softmax(x: np.ndarray, dim: int) -> np.ndarray:
    out = _under_top(x, dim)
    np.exp(out, out=out)
    out /= _total(out, dim)
    return out


def _log_softmax_kernel(g, out, dim):
    return (in_rows(_log_softmax_slope, dim, g, out),)


def _log_softmax_slope(g: np.ndarray, out: np.ndarray, dim: int) -> np.ndarray:
    slope = np.exp(out)
    slope *= -_total(g, dim) if out.ndim else -g
    slope += g
    return slope


@op(
    lambda g, out, dim: g - exp(out) * sum(g, dim, True),
    kernel=_log_softmax_kernel,
    prepare=_along,
    examples=_SOFT,
)
def log_softmax(x, dim, dtype=None):
    """x - log(sum(exp(x))) along `dim`, shifted by the largest element. Floats only."""
    if x.dtype.char == "e" or not x.ndim:
        return _wider(log_softmax, x, dim)
    return in_rows(_log_softmax, dim, x)


def _log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    out = _under_top(x, dim)
    out -= np.log(_total(np.exp(out), dim))
    return out
