"""Counting values: unique, unique_consecutive, bincount, histc. None has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.arguments import composite
from tinygrad6.ops.shape import normal_dim
from tinygrad6.tensor import Tensor, wrap


def _answer(
    values: np.ndarray, inverse: np.ndarray, counts: np.ndarray, return_inverse: bool, return_counts: bool
) -> Any:
    out = [wrap(values)]
    if return_inverse:
        out.append(wrap(inverse.astype(np.int64, copy=False)))
    if return_counts:
        out.append(wrap(counts.astype(np.int64, copy=False)))
    return out[0] if len(out) == 1 else tuple(out)


def _not_empty(a: np.ndarray, d: int) -> None:
    if 0 in a.shape[:d] + a.shape[d + 1 :]:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


@composite()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values of x, or slices along `dim`, in order;
    then where each element's is, and how often each occurs.

    Every NaN is different. Sorted in any case.
    """
    a = input.array
    if dim is None:
        values, inverse, counts = np.unique(a, return_inverse=True, return_counts=True, equal_nan=False)
        return _answer(values, inverse.reshape(a.shape), counts, return_inverse, return_counts)
    d = normal_dim(dim, a.ndim)
    if not a.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    _not_empty(a, d)
    values, inverse, counts = np.unique(
        a, return_inverse=True, return_counts=True, axis=d if a.ndim else None
    )
    return _answer(values, inverse.reshape(-1), counts, return_inverse, return_counts)


@composite()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """x flattened, or its slices along `dim`, without those that repeat the one before;
    then as for unique."""
    a = input.array
    if dim is None:
        rows, d = a.reshape(-1, 1), 0
    else:
        d = normal_dim(dim, a.ndim)
        _not_empty(a, d)
        rows = np.moveaxis(a, d, 0)
        rows = rows.reshape(len(rows), rows.size // max(len(rows), 1))
    fresh = np.ones(len(rows), bool)
    fresh[1:] = (rows[1:] != rows[:-1]).any(1)
    inverse = np.cumsum(fresh) - 1
    counts = np.diff(np.flatnonzero(fresh), append=len(rows))
    values = a.reshape(-1)[fresh] if dim is None else a.compress(fresh, d)
    return _answer(
        values, inverse.reshape(a.shape) if dim is None else inverse, counts, return_inverse, return_counts
    )


@composite()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often 0, 1, 2, ... occur in x (n,), integers from 0; or the sums of their weights (n,).

    At least minlength long.
    """
    a = input.array
    if a.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount_cpu" not implemented for {input.dtype}')
    if a.ndim != 1 or a.size and a.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is None:
        return wrap(np.bincount(a.astype(np.int64), minlength=minlength).astype(np.int64, copy=False))
    w = weights.array
    if w.shape != a.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    out = np.bincount(a.astype(np.int64), w, minlength)
    return wrap(out.astype(w.dtype) if w.dtype == np.float32 else out)


@composite()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal intervals from min to max, in x's type;
    those outside are left out.

    If min equals max, the range is that of x; if that is a single value, one below to one above it.
    """
    a, low, high = input.array, min, max
    if a.dtype.kind != "f":
        raise NotImplementedError(f'"histogram_cpu" not implemented for {input.dtype}')
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if low == high and a.size:
        low, high = float(a.min()), float(a.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    x = a[(a >= low) & (a <= high)]
    kind = a.dtype.type
    # as PyTorch rounds, not by edges
    at = ((x - kind(low)) * kind(bins) / (kind(high) - kind(low))).astype(np.int64)
    return wrap(np.bincount(np.minimum(at, bins - 1), minlength=int(bins)).astype(a.dtype))
