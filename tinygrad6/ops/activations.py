"""Activations: relu, sigmoid and softplus with their relatives, gelu, silu, mish, hardswish.

Each is an op of its own where a composition of others would overflow, lose digits, or take longer; its
kernel then says how the slope follows from what is known already. Those that are compositions and nothing
more stand in nn/functional.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.op import REAL, case, op
from tinygrad6.ops.choose import FLOATS, above, below, clip_numbers, kept, np_clip, select, where
from tinygrad6.ops.pointwise import erf, exp, in_single, nothing, tanh
from tinygrad6.ops.shape import cast
from tinygrad6.ops.special import erf as _erf
from tinygrad6.quiet import Quiet


def _relu_kernel(g, out):
    """g where out is above 0 (or nan)."""
    return (kept(g, np.not_equal(out, FLOATS[g.dtype][0])),)


@op(
    lambda g, out: where(out <= 0, 0.0, g),
    kernel=_relu_kernel,
    domain=REAL,
    avoid=(0.0,),
    inplace=True,
    elementwise=True,
)
def relu(x):
    """max(x, 0), elementwise. The gradient at 0 is 0."""
    if x.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    if x.dtype in FLOATS:
        zero, inf, _ = FLOATS[x.dtype]
        return np_clip(x, zero, inf)
    return np.maximum(x, x.dtype.type(0))


def _sigmoid_kernel(g, out):
    slope = 1 - out
    slope *= out
    slope *= g
    return (slope,)


@op(
    lambda g, out: g * (out * (1 - out)),
    kernel=_sigmoid_kernel,
    domain=REAL,
    floating=True,
    inplace=True,
    elementwise=True,
)
def sigmoid(x):
    """1 / (1 + exp(-x)), elementwise: as exact as exp itself in both tails;
    0 where exp(-x) is beyond the type's range."""
    if x.dtype.char == "e":
        return sigmoid(x.astype(np.float32)).astype(x.dtype)
    z = np.atleast_1d(np.negative(x))  # of 0-d arrays NumPy makes scalars, which nothing can be written to
    with Quiet():
        np.exp(z, out=z)
    z += 1
    return np.divide(1, z, out=z).reshape(x.shape)


@op(
    lambda g, x: g * sigmoid(-x),
    method=False,
    public=False,
    domain=REAL,
    floating=True,
    elementwise=True,
    node_name="LogSigmoid",
)
def logsigmoid(x):
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), elementwise, without overflow."""
    return below(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _softplus_kernel(g, x, beta, threshold):
    z = x * beta
    slope = np.asarray(sigmoid(z))
    linear = z > threshold
    if linear.any():
        slope = select(linear, np.ones((), x.dtype), slope)
    return (slope * g,)


@op(
    lambda g, x, beta, threshold: g * where(x * beta > threshold, 1.0, sigmoid(x * beta)),
    kernel=_softplus_kernel,
    method=False,
    public=False,
    domain=REAL,
    examples=[case((2, 3)), case((2, 3), beta=2.0), case((2, 3), threshold=1.5)],
    elementwise=True,
)
def softplus(x, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta, elementwise; x itself where beta x > threshold."""
    if x.dtype.kind != "f":
        raise NotImplementedError(f"softplus is not implemented for {x.dtype}")
    with Quiet():
        z = x if beta == 1 else x * beta
    soft = np.atleast_1d(np.abs(z))
    np.negative(soft, out=soft)
    np.exp(soft, out=soft)
    np.log1p(soft, out=soft)
    soft += above(z, 0)
    soft /= beta
    linear = z > threshold
    soft = soft.reshape(x.shape)
    return select(linear, x, soft) if linear.any() else soft


def _leaky_relu_kernel(g, x, negative_slope):
    slope = np.asarray(np.greater(x, 0).astype(x.dtype))
    if 0 <= negative_slope <= 1:
        slope = above(slope, negative_slope)
    else:
        slope[slope == 0] = negative_slope
    slope *= g
    return (slope,)


@op(
    lambda g, x, negative_slope: g * where(x > 0, 1.0, negative_slope + nothing(x)),
    kernel=_leaky_relu_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(0.0,),
    examples=[case((2, 3)), case((2, 3), negative_slope=0.3), case((2, 3), negative_slope=-0.5)],
    elementwise=True,
)
def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, else negative_slope x, elementwise. The gradient at 0 is negative_slope."""
    low = x * x.dtype.type(negative_slope)
    if 0 < negative_slope <= 1:
        return np.maximum(x, low)
    return select(x > 0, x, low)


@op(
    lambda g, x, alpha, scale, input_scale: (
        g * where(x <= 0, scale * input_scale * alpha * exp(where(x < 0, x, 0.0) * input_scale), scale)
    ),
    method=False,
    public=False,
    domain=REAL,
    avoid=(0.0,),
    examples=[case((2, 3)), case((2, 3), alpha=0.5), case((2, 3), alpha=1.5, scale=1.1, input_scale=0.7)],
    elementwise=True,
)
def elu(x, alpha=1.0, scale=1.0, input_scale=1.0):
    """scale x where x > 0, else scale alpha (exp(input_scale x) - 1), elementwise (Clevert et al. 2016)."""
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"elu_cpu" not implemented for {x.dtype}')
    kind = x.dtype.type
    low = np.expm1(below(x, 0) * kind(input_scale)) * kind(scale * alpha)
    return low + above(x, 0) * kind(scale)  # one of the two is 0


def _silu_kernel(g, x):
    s = sigmoid(x)
    slope = 1 - s
    slope *= x
    slope += 1
    slope *= s
    slope *= g
    return (slope,)


@op(
    lambda g, x: g * silu_slope(x),
    kernel=_silu_kernel,
    method=False,
    public=False,
    domain=REAL,
    elementwise=True,
)
def silu(x):
    """x sigmoid(x), elementwise (also called swish)."""
    return x * sigmoid(x)


def silu_slope(x: Any) -> Any:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_kernel(g, x, out, approximate):
    """gelu' = p + x p', where p = out / x spares the error function; 1 / 2 at 0, where that is 0 / 0."""
    if x.dtype.char == "e" or not x.ndim:
        return (g * gelu_slope(x, approximate),)
    tiny = _TINY[x.dtype.char]
    p = (out + tiny / 2) / (x + tiny)
    if approximate == "tanh":
        x = np_clip(x, x.dtype.type(-SATURATED), x.dtype.type(SATURATED))
        slope = x * x
        slope *= 3 * 0.044715
        slope += 1
        slope *= 2 * math.sqrt(2 / math.pi)
        slope *= p
        slope *= 1 - p
    else:
        slope = x * x
        slope *= -0.5
        np.exp(slope, out=slope)
        slope *= 1 / math.sqrt(2 * math.pi)
    slope *= x
    slope += p
    slope *= g
    return (slope,)


_TINY = {kind: float(np.finfo(kind).tiny) * 4 for kind in "fd"}
SATURATED = 20.0  # beyond this the tanh of gelu is 1, and its slope 0, in every type


@op(
    lambda g, x, approximate: g * gelu_slope(x, approximate),
    kernel=_gelu_kernel,
    method=False,
    public=False,
    domain=REAL,
    examples=[case((2, 3)), case((2, 3), approximate="tanh")],
    elementwise=True,
)
def gelu(x, approximate="none"):
    """x P(Z <= x) for a standard normal Z, elementwise; approximate="tanh" is the formula of BERT and GPT-2.

    Source: Hendrycks and Gimpel 2016.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu(): approximate argument must be either none or tanh, got {approximate!r}")
    return in_single(lambda x: _gelu(x, approximate), x)


def _gelu(x: np.ndarray, approximate: str) -> np.ndarray:
    if approximate == "tanh":
        with Quiet():
            p = np.tanh(_gelu_inner(x))
    else:
        p = _erf(x, math.sqrt(0.5))
    p += 1
    p *= 0.5
    p *= x
    return p


def _gelu_inner(x: Any) -> Any:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))


def gelu_slope(x: Any, approximate: str) -> Any:
    """The derivative of gelu, of float16 through float32."""
    if x.dtype == dtypes.float16:
        return cast(gelu_slope(cast(x, np.dtype(np.float32)), approximate), x.dtype)
    if approximate == "tanh":
        x = clip_numbers(x, -SATURATED, SATURATED)
        t = tanh(_gelu_inner(x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * (x * x)))
    return 0.5 * (1 + erf(x * math.sqrt(0.5))) + x * exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))


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
    gate = np_clip(x + kind(3), kind(0), kind(6))
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
