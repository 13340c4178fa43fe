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
from tinygrad6.ops.choose import FLOATS, above, below, clip_numbers, kept, np_clip, over, select, where
from tinygrad6.ops.pointwise import abs as absolute
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
    z = _inverse_sigmoid(x)
    return np.divide(1, z, out=over(z))


def _inverse_sigmoid(x: Any) -> Any:
    """1 + exp(-x), by which others divide without making the quotient 1 / (1 + exp(-x)) first."""
    z = np.negative(x)
    with Quiet():
        z = np.exp(z, out=over(z))
    z += 1
    return z


def log_of_tail(x: Any) -> Any:
    """log(1 + exp(-|x|)), which a logsigmoid has beside a straight line."""
    z = np.abs(x)
    z = np.negative(z, out=over(z))
    z = np.exp(z, out=over(z))
    return np.log1p(z, out=over(z))


def _logsigmoid_kernel(g, x):
    if x.dtype.char == "e":
        return (g * sigmoid(-x),)
    z = np.exp(x)
    z += 1
    return (np.divide(g, z, out=over(z)),)


@op(
    lambda g, x: g * sigmoid(-x),
    kernel=_logsigmoid_kernel,
    method=False,
    public=False,
    domain=REAL,
    floating=True,
    elementwise=True,
    node_name="LogSigmoid",
)
def logsigmoid(x):
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), elementwise, without overflow."""
    tail = log_of_tail(x)
    return np.subtract(below(x, 0), tail, out=over(tail))


def _softplus_kernel(g, x, beta, threshold):
    z = x if beta == 1 else x * beta
    if x.dtype.char == "e" or not x.ndim:
        return (g * where(z > threshold, 1.0, sigmoid(z)),)
    tail = _inverse_sigmoid(z)
    linear = z > threshold
    if linear.any():
        tail[linear] = 1
    return (np.divide(g, tail, out=tail),)


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
    soft = log_of_tail(z)
    soft += above(z, 0)
    if beta != 1:
        soft /= beta
    linear = z > threshold
    return select(linear, x, np.asarray(soft)) if linear.any() else soft


def _leaky_relu_kernel(g, x, negative_slope):
    positive = np.greater(x, 0)
    if not 0 <= negative_slope <= 1:
        one, low = np.ones((), x.dtype), np.array(negative_slope, x.dtype)
        return (g * select(np.asarray(positive), one, low),)
    slope = positive.astype(x.dtype)
    kind = x.dtype.type
    slope = np_clip(slope, kind(negative_slope), kind(np.inf), out=over(slope))
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
        return np.maximum(x, low, out=over(low))
    return select(x > 0, x, low)


def _elu_kernel(g, x, alpha, scale, input_scale):
    steepness = scale * input_scale * alpha
    slope = below(x, 0)
    if input_scale != 1:
        slope *= input_scale
    slope = np.exp(slope, out=over(slope))  # 1 where x > 0
    if steepness != 1:
        slope *= steepness
    if steepness != scale:
        slope = select(np.greater(x, 0), np.array(scale, x.dtype), np.asarray(slope))
    slope *= g
    return (slope,)


@op(
    lambda g, x, alpha, scale, input_scale: (
        g * where(x <= 0, scale * input_scale * alpha * exp(where(x < 0, x, 0.0) * input_scale), scale)
    ),
    kernel=_elu_kernel,
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
    low = below(x, 0)
    if input_scale != 1:
        low *= kind(input_scale)
    low = np.expm1(low, out=over(low))
    if scale * alpha != 1:
        low *= kind(scale * alpha)
    high = above(x, 0)
    if scale != 1:
        high *= kind(scale)
    high += low  # one of the two is 0
    return high


def _gate(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out / x: the gate p of out = x p(x), which spares its exponential. At 0 it is 1 / 2."""
    p = out / x
    near = np.abs(x) < 1e-30  # where out has lost digits, or is 0
    if near.any():
        p[near] = 0.5
    return p


def _silu_kernel(g, x, out):
    """silu' = s + x s (1 - s), where s = out / x."""
    if x.dtype.char == "e" or not x.ndim:
        return (g * silu_slope(x),)
    s = _gate(x, out)
    slope = 1 - s
    slope *= out
    slope += s
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
    return in_single(_silu, x)


def _silu(x: np.ndarray) -> np.ndarray:
    z = _inverse_sigmoid(x)
    return np.divide(x, z, out=over(z))


def silu_slope(x: Any) -> Any:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_kernel(g, x, out, approximate):
    """gelu' = p + x p', where p = out / x."""
    if x.dtype.char == "e" or not x.ndim:
        return (g * gelu_slope(x, approximate),)
    p = _gate(x, out)
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


# ---- limits


def _hardtanh_kernel(g, x, min_val, max_val):
    inside = np.greater(x, min_val)
    inside &= np.less(x, max_val)
    return (kept(g, inside),)


@op(
    lambda g, x, min_val, max_val: where((x > min_val) & (x < max_val), g, 0.0),
    kernel=_hardtanh_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(-1.0, 1.0, 0.7),
    examples=[case((2, 3)), case((2, 3), max_val=0.7)],
    elementwise=True,
)
def hardtanh(x, min_val=-1.0, max_val=1.0):
    """min(max(x, min_val), max_val), elementwise, for floats. The gradient at the limits is 0."""
    kind = x.dtype.type
    return np_clip(x, kind(min_val), kind(max_val))


def _hardsigmoid_kernel(g, x):
    return (_hardtanh_kernel(g, x, -3, 3)[0] / 6,)


@op(
    lambda g, x: where((x > -3) & (x < 3), g / 6, 0.0),
    kernel=_hardsigmoid_kernel,
    method=False,
    public=False,
    domain=(-4.0, 4.0),
    avoid=(-3.0, 3.0),
    elementwise=True,
)
def hardsigmoid(x):
    """min(max(x + 3, 0), 6) / 6, elementwise: Howard et al. 2019. The gradient at the kinks is 0."""
    return in_single(_hardsigmoid, x)


def _hardsigmoid(x: Any) -> Any:
    kind = x.dtype.type
    gate = x + kind(3)
    gate = np_clip(gate, kind(0), kind(6), out=over(gate))
    gate /= kind(6)
    return gate


def _shrink_kernel(g, x, lambd):
    return (kept(g, ~(np.abs(x) <= lambd)),)


@op(
    lambda g, x, lambd: where(absolute(x) <= lambd, 0.0, g),
    kernel=_shrink_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(-0.5, 0.5),
    elementwise=True,
)
def softshrink(x, lambd=0.5):
    """x - lambd where x > lambd, x + lambd where x < -lambd, else 0, elementwise; lambd >= 0."""
    kind = x.dtype.type
    near = np_clip(x, kind(-lambd), kind(lambd))
    return np.subtract(x, near, out=over(near))


@op(
    lambda g, x, lambd: where(absolute(x) <= lambd, 0.0, g),
    kernel=_shrink_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(-0.5, 0.5),
    elementwise=True,
)
def hardshrink(x, lambd=0.5):
    """x where |x| > lambd, else 0, elementwise."""
    return kept(x, ~(np.abs(x) <= lambd))


@op(
    lambda g, x, threshold: where(x <= threshold, 0.0, g),
    kernel=lambda g, x, threshold: (kept(g, ~(x <= threshold)),),
    method=False,
    public=False,
    domain=REAL,
    avoid=(0.3,),
    examples=[case((2, 3), threshold=0.3, value=-0.5)],
    elementwise=True,
)
def threshold(x, threshold, value):
    """x where x > threshold, else value, elementwise, for floats. The gradient at the threshold is 0."""
    return select(np.asarray(x <= threshold), np.array(value, x.dtype), x)


def _prelu_kernel(g, needs, x, w):
    positive = np.greater(x, 0)
    dx = dw = None
    if needs[0]:
        dx = w * g
        dx = select(positive, g, dx) if dx.ndim else np.where(positive, g, dx)
    if needs[1]:
        dw = kept(x * g, ~positive)
    return dx, dw


@op(
    lambda g, x, w: where(x > 0, g, w * g),
    lambda g, x: where(x > 0, 0.0, x * g),
    kernel=_prelu_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(0.0,),
    examples=[case((2, 3), (1, 1)), case((2, 3), (1, 3))],
    node_name="PreluKernel",
    layout="follow",
)
def prelu(x, w):
    """x where x > 0, else w x, elementwise; w broadcasts to x."""
    low = np.asarray(w * x)
    if np.all((w <= 1) & (w != 0)):  # 0 times inf would be nan
        return np.maximum(x, low, out=low)
    return select(np.greater(x, 0), x, low)


def _hardswish_kernel(g, x):
    """g (x / 3 + 1 / 2) between the kinks, without the half from 3 on, where x / 3 stays 1."""
    kind = x.dtype.type
    slope = np_clip(x, kind(-3), kind(3))
    slope /= kind(3)
    half = np.less(x, 3).astype(x.dtype)
    half *= kind(0.5)
    slope += half
    slope *= g
    return (kept(slope, ~np.less_equal(x, -3)),)


@op(
    lambda g, x: where(x <= -3, 0.0, where(x < 3, g * (clip_numbers(x, -3.0, 3.0) / 3 + 0.5), g)),
    kernel=_hardswish_kernel,
    domain=(-4.0, 4.0),
    avoid=(-3.0, 3.0),
    method=False,
    public=False,
    elementwise=True,
)
def hardswish(x):
    """x min(max(x + 3, 0), 6) / 6, elementwise: Howard et al. 2019. The gradient is 0 at -3 and 1 at 3."""
    gate = _hardsigmoid(x)
    gate *= x
    return gate


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
