"""Dropout functions, exported by functional.py. Their masks are PyTorch's for the same seed."""

from __future__ import annotations

import math
import warnings
import numpy as np

from tinygrad6 import random
from tinygrad6.inplace import refuse, write
from tinygrad6.layouts import axis_order
from tinygrad6.modes import state
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.view import live_node


def written(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, or the input with the result stored in it."""
    if not inplace:
        return result
    refuse(input, "inplace activation", state.grad and live_node(input) is not None)
    return write(input, result, "activation")


def _check_p(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        kind = RuntimeError if p != p else ValueError  # nan, which PyTorch finds later
        raise kind(f"dropout probability has to be between 0 and 1, but got {p}")


def _kept(a: np.ndarray, p: float) -> np.ndarray:
    """True with probability 1 - p for each element of a, drawn in the order in which they lie in memory,
    as PyTorch does."""
    if a.flags.c_contiguous:
        return random.default_generator.bernoulli(1 - p, a.shape)
    order = axis_order(a)
    kept = random.default_generator.bernoulli(1 - p, tuple(a.shape[i] for i in order))
    return kept.transpose(np.argsort(order))


def _channels(a: np.ndarray) -> np.ndarray:
    """One element for each channel of a (N, C, *)."""
    if a.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return np.empty((*a.shape[:2], *(1,) * (a.ndim - 2)), a.dtype)


def _drop(input: Tensor, p: float, training: bool, inplace: bool, by_channel: bool = False) -> Tensor:
    _check_p(p)
    a = input.array
    if p == 0 or not training or not a.size:
        return input
    if p == 1:
        zero = wrap(np.zeros((), a.dtype))
        return input.mul_(zero) if inplace else input * zero
    if a.dtype.kind != "f":
        raise RuntimeError(
            f"dropout(): result type Float can't be cast to the desired output type {input.dtype}"
        )
    kept = _kept(_channels(a) if by_channel else a, p)
    kind = a.dtype.type
    noise = wrap(np.multiply(kept, kind(1) / kind(1 - p), dtype=a.dtype))
    return input.mul_(noise) if inplace else input * noise


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x with each element set to 0 with probability p and the others divided by 1 - p;
    x itself if not training.

    Source: Srivastava et al. 2014, in the inverted form, so that nothing needs scaling in evaluation.
    """
    return _drop(input, p, training, inplace)


def _by_channel(name: str, input: Tensor, p: float, training: bool, inplace: bool, rank: int) -> Tensor:
    """dropout of the channels of (N, C, *) with `rank` dimensions in *, or of (C, *)."""
    _check_p(p)
    if input.ndim not in (rank + 1, rank + 2):
        expected = f"{rank + 1}D or {rank + 2}D"
        if rank == 1:
            raise RuntimeError(f"{name}: Expected {expected} input, but received a {input.ndim}D input.")
        warnings.warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an "
            f"error in a future release. Use dropout instead, or {expected} inputs.",
            stacklevel=3,
        )
    if rank == 2:
        if input.ndim == 3:
            warnings.warn(
                "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
                "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel dim. "
                "Use dropout1d for that.",
                stacklevel=3,
            )
        return _drop(input, p, training, inplace, True)
    if input.ndim == rank + 2:
        return _drop(input, p, training, inplace, True)
    out = _drop(input.unsqueeze(0), p, training, inplace, True)
    return input if inplace else out.squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """dropout of whole channels of (N, C, L) or (C, L)."""
    return _by_channel("dropout1d", input, p, training, inplace, 1)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """dropout of whole channels of (N, C, H, W): Tompson et al. 2015.

    Three dimensions are taken for (N, C, L).
    """
    return _by_channel("dropout2d", input, p, training, inplace, 2)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    return _by_channel("dropout3d", input, p, training, inplace, 3)


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, by_channel: bool) -> Tensor:
    _check_p(p)
    x = input.array
    if p == 0 or not training or not x.size:
        return input
    if p == 1:
        zero = wrap(np.zeros((), x.dtype))
        return input.mul_(zero) if inplace else input * zero
    if x.dtype.kind != "f":
        raise RuntimeError(f"alpha_dropout(): expected a floating-point input, got {input.dtype}")
    alpha = 1.7580993408473766
    kept = _kept(_channels(x) if by_channel else x, p).astype(x.dtype)
    a = 1.0 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    b = (wrap(kept) - 1) * (alpha * a) + alpha * a * p
    return written(input * wrap(kept * kept.dtype.type(a)) + b, input, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """a x + b, x set to -1.7581 with probability p, elementwise: the mean and variance that SELU keeps stay.

    a and b are chosen for that; 0 for p = 1, x itself if not training. Source: Klambauer et al. 2017.
    """
    return _alpha(input, p, training, inplace, False)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels of (N, C, *)."""
    return _alpha(input, p, training, inplace, True)
