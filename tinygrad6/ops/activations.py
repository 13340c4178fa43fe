"""Activations that are ops of their own because a composition of others overflows, or loses digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.op import REAL, op
from tinygrad6.ops.pointwise import _clip, below, clip_numbers, exp, in_single, where
from tinygrad6.ops.shape import cast


@op(
    lambda g, x: where(x <= -3, 0.0, where(x < 3, g * (clip_numbers(x, -3.0, 3.0) / 3 + 0.5), g)),
    domain=(-4.0, 4.0),
    avoid=(-3.0, 3.0),
    method=False,
    public=False,
    elementwise=True,
)
def hardswish(x):
    """x min(max(x + 3, 0), 6) / 6, elementwise: Howard et al. 2019. The gradient is 0 at -3 and 1 at 3."""
    kind = x.dtype.type
    gate = _clip(x + kind(3), kind(0), kind(6))
    return x * np.divide(gate, kind(6), out=gate if gate.ndim else None)


# tanh(log(1 + e)) is n / (n + 2) with e = exp(x), n = e (e + 2): one exponential instead of three functions.
# Beyond 22 it is 1 in every type, and so is the slope; the limit leaves room for the square of n.


def _mish_kernel(g, x):
    if x.dtype.char == "e" or not x.ndim:
        return (g * mish_slope(x),)
    x = below(x, 22)
    e = np.exp(x)
    n = e + 2
    n *= e
    slope = e + 1
    slope *= e
    slope *= x
    slope *= 4
    np.add(n, 2, out=e)
    n /= e
    slope /= e
    slope /= e
    slope += n
    slope *= g
    return (slope,)


@op(
    lambda g, x: g * mish_slope(x),
    kernel=_mish_kernel,
    domain=REAL,
    method=False,
    public=False,
    elementwise=True,
)
def mish(x):
    """x tanh(log(1 + exp(x))), elementwise: Misra 2019."""
    return in_single(_mish, x)


def _mish(x: np.ndarray) -> np.ndarray:
    e = np.exp(below(x, 22))
    n = e * (e + 2)
    return x * (n / (n + 2))


def mish_slope(x: Any) -> Any:
    """The derivative of mish; of float16, in which the squares overflow from 5.5 on, through float32."""
    if x.dtype == dtypes.float16:
        return cast(mish_slope(cast(x, np.dtype(np.float32))), x.dtype)
    x = clip_numbers(x, None, 22.0)
    e = exp(x)
    n = e * (e + 2)
    return n / (n + 2) + x * (4 * e * (e + 1) / ((n + 2) * (n + 2)))
