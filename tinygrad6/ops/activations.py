"""Activations that are ops of their own because a composition of others overflows, or loses digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.op import REAL, op
from tinygrad6.ops.pointwise import _clip, clip_numbers, in_single, sigmoid, softplus, tanh, where


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


@op(
    lambda g, x: g * mish_slope(x),
    domain=REAL,
    method=False,
    public=False,
    elementwise=True,
)
def mish(x):
    """x tanh(log(1 + exp(x))), elementwise: Misra 2019."""
    return in_single(lambda x: x * np.tanh(softplus.op.forward(x, threshold=np.inf)), x)


def mish_slope(x: Any) -> Any:
    t = tanh(softplus(x, 1.0, float("inf")))
    return t + x * sigmoid(x) * (1 - t * t)
