"""Elementwise arithmetic, powers, exponentials, trigonometry, activations. From simple to complex.

Rules use operators and ops only: they are read on arrays and, for higher derivatives, on Tensors.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite
from tinygrad6.op import POSITIVE, REAL, case, no_derivative, op
from tinygrad6.ops.shape import cast
from tinygrad6.ops.special import erf as _erf
from tinygrad6.quiet import Quiet
from tinygrad6.tensor import Tensor

_clip = np._core.umath.clip  # type: ignore[attr-defined]  # np.clip without two layers of Python

# ---- arithmetic


@op(lambda g: g, lambda g: g, infix="add", promote=True, domain=REAL, ufunc=np.add, inplace=True)
def add(x, y):
    """x + y, elementwise."""


def _no_bools(arrays: list) -> None:
    if builtins.any(getattr(a, "dtype", None) == dtypes.BOOL or isinstance(a, bool) for a in arrays):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )


@op(
    lambda g: g,
    lambda g: -g,
    infix="sub",
    promote=True,
    domain=REAL,
    ufunc=np.subtract,
    inplace=True,
    check=_no_bools,
)
def sub(x, y):
    """x - y, elementwise."""


@op(
    lambda g, y: g * y,
    lambda g, x: g * x,
    infix="mul",
    promote=True,
    domain=REAL,
    ufunc=np.multiply,
    inplace=True,
)
def mul(x, y):
    """x * y, elementwise."""


@op(
    lambda g, y: g / y,
    lambda g, x, y: -g * (x / y) / y,  # not by `out`, which may be changed in place, as in PyTorch
    infix="truediv",
    promote=True,
    floating=True,
    domain=POSITIVE,
    ufunc=np.true_divide,
    inplace=True,
)
def div(x, y):
    """x / y, elementwise; integers become the default float. x / 0 is inf or nan, as IEEE 754 has it."""


def _negated(arrays: list) -> None:
    if arrays[0].dtype.kind == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a "
            "mask, use the `~` or `logical_not()` operator instead."
        )


@op(
    lambda g: -g,
    infix="neg",
    domain=REAL,
    ufunc=np.negative,
    inplace=True,
    refuse="b",
    check=lambda arrays: _negated(arrays),
)
def neg(x):
    """-x, elementwise."""


def _not_two_bools(name: str, x: Any, y: Any) -> None:
    if np.asarray(x).dtype.kind == np.asarray(y).dtype.kind == "b":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")


@op(no_derivative, no_derivative, promote=True, domain=POSITIVE, inplace=True, infix="floordiv")
def floor_divide(x, y):
    """The floor of x / y, elementwise. Its gradient is not defined: RuntimeError. Not for bools."""
    _not_two_bools("div_floor", x, y)
    if _whole(x, y) and np.size(x) and not np.all(y):
        raise ValueError("ZeroDivisionError")
    return _floor_quotient(x, y)


def _whole(x: Any, y: Any) -> bool:
    return (x if isinstance(x, np.ndarray) else np.asarray(y)).dtype.kind in "iu"


def _floor_quotient(x: Any, y: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.floor_divide(x, y)
        # NumPy says nan for x / 0; PyTorch infinity
        return (
            np.where(np.equal(y, 0), np.true_divide(x, y), out).astype(out.dtype)
            if out.dtype.kind == "f"
            else out
        )


@op(
    lambda g: nothing(g),
    lambda g: nothing(g),
    promote=True,
    method=False,
    public=False,
    node_name="Div",
    domain=POSITIVE,
    examples=[case((2, 3), (2, 3), rounding_mode="floor"), case((2, 3), (3,), rounding_mode="trunc")],
)
def quotient(x, y, rounding_mode):
    """x / y rounded down ("floor") or towards zero ("trunc"), in the common type; its gradient is 0."""
    if _whole(x, y) and np.size(x) and not np.all(y):
        raise ValueError("ZeroDivisionError")
    if np.asarray(x).dtype.kind == np.asarray(y).dtype.kind == "b":
        raise NotImplementedError(f"\"div_{rounding_mode}_cpu\" not implemented for 'Bool'")
    down = _floor_quotient(x, y)
    if rounding_mode == "floor":
        return down
    if down.dtype.kind == "f":
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.trunc(np.true_divide(x, y)).astype(down.dtype)
    return down + ((down < 0) & (down * y != x)).astype(down.dtype)


@op(
    lambda g: g,
    lambda g, x, y: -g * quotient(x, y, "floor"),
    promote=True,
    domain=POSITIVE,
    inplace=True,
    infix="mod",
)
def remainder(x, y):
    """x - y * floor(x / y), elementwise: the sign is y's. The gradient jumps are ignored, as in PyTorch."""
    _not_two_bools("remainder", x, y)
    if _whole(x, y) and np.size(x) and not np.all(y):
        raise ValueError("ZeroDivisionError")
    return np.remainder(x, y)


@op(lambda g: g, lambda g, x, y: -g * quotient(x, y, "trunc"), promote=True, domain=POSITIVE, inplace=True)
def fmod(x, y):
    """x - y * trunc(x / y), elementwise: the sign is x's."""
    _not_two_bools("fmod", x, y)
    if _whole(x, y) and np.size(x) and not np.all(y):
        raise ValueError("ZeroDivisionError")
    return np.fmod(x, y)


@op(lambda g: g, domain=REAL, method=False, public=False)
def identity(x):
    """x itself, as a step of its own in the graph."""
    return x


@op(lambda g: nothing(g), domain=REAL, method=False, public=False)
def nothing(x):
    """Zeros like x: the gradient of what is constant almost everywhere, whatever comes in."""
    return np.zeros(x.shape, x.dtype)


# ---- signs and rounding; the gradients of rounding are zero, as in PyTorch


@op(lambda g, x: g * sign(x), domain=REAL, avoid=(0.0,), ufunc=np.absolute, inplace=True, refuse="b")
def abs(x):
    """|x|, elementwise. The gradient at 0 is 0."""


@op(lambda g: nothing(g), domain=REAL, avoid=(0.0,), inplace=True, elementwise=True)
def sign(x):
    """-1, 0 or 1, elementwise. Its gradient is 0."""
    return signs(x)


def signs(x: np.ndarray) -> np.ndarray:
    """np.sign, but 0 for nan, as PyTorch has it."""
    return (
        x.copy() if x.dtype.kind == "b" else np.greater(x, 0).astype(x.dtype) - np.less(x, 0).astype(x.dtype)
    )


@op(
    lambda g: nothing(g),
    domain=REAL,
    avoid=(-2.0, -1.0, 0.0, 1.0, 2.0),
    inplace=True,
    refuse="b",
    elementwise=True,
)
def floor(x):
    """The largest integer not above x, elementwise. Its gradient is 0."""
    return np.floor(x)


@op(
    lambda g: nothing(g),
    domain=REAL,
    avoid=(-2.0, -1.0, 0.0, 1.0, 2.0),
    inplace=True,
    refuse="b",
    elementwise=True,
)
def ceil(x):
    """The smallest integer not below x, elementwise. Its gradient is 0."""
    return np.ceil(x)


@op(
    lambda g: nothing(g),
    domain=REAL,
    avoid=(-2.0, -1.0, 0.0, 1.0, 2.0),
    inplace=True,
    refuse="b",
    elementwise=True,
)
def trunc(x):
    """x without its fraction, elementwise. Its gradient is 0."""
    return np.trunc(x)


@op(lambda g: nothing(g), domain=REAL, avoid=(-1.5, -0.5, 0.5, 1.5), inplace=True)
def round(x, *, decimals=0):
    """x rounded to `decimals` places, halves to even, elementwise. Its gradient is 0."""
    if x.dtype.kind == "b" or decimals and x.dtype.kind != "f":
        raise NotImplementedError(f'"round_cpu" not implemented for {x.dtype}')
    return np.round(x, decimals)


@op(lambda g: g, domain=REAL, avoid=(-2.0, -1.0, 0.0, 1.0, 2.0), inplace=True, refuse="biu")
def frac(x):
    """x - trunc(x), elementwise."""
    return x - np.trunc(x)


# ---- powers, exponentials, logarithms


def _counted(arrays: list) -> None:
    if arrays[0].dtype.kind == "b":
        arrays[0] = arrays[0].astype(np.int64)  # as pow makes of a bool and the number 2


@op(
    lambda g, x: g * (2 * x),
    domain=REAL,
    ufunc=np.square,
    inplace=True,
    node_name="Pow",
    check=lambda arrays: _counted(arrays),
)
def square(x):
    """x * x, elementwise."""


@op(lambda g, out: g / (2 * out), domain=POSITIVE, floating=True, ufunc=np.sqrt, inplace=True)
def sqrt(x):
    """The square root, elementwise. At 0 the gradient is inf; below, the value is nan."""


@op(
    lambda g, out: -0.5 * g * (out * out * out),
    domain=POSITIVE,
    floating=True,
    inplace=True,
    elementwise=True,
)
def rsqrt(x):
    """1 / sqrt(x), elementwise; inf at 0."""
    return np.reciprocal(np.sqrt(x))


@op(lambda g, out: -g * out * out, domain=POSITIVE, floating=True, inplace=True, elementwise=True)
def reciprocal(x):
    """1 / x, elementwise; inf at 0."""
    return np.reciprocal(x)


@op(lambda g, out: g * out, domain=REAL, floating=True, ufunc=np.exp, inplace=True)
def exp(x):
    """e to the x, elementwise."""


@op(lambda g, out: g * out * math.log(2), domain=REAL, floating=True, ufunc=np.exp2, inplace=True)
def exp2(x):
    """2 to the x, elementwise."""


@op(lambda g, out: g * (out + 1), domain=REAL, floating=True, ufunc=np.expm1, inplace=True)
def expm1(x):
    """exp(x) - 1, elementwise, exact near 0."""


@op(lambda g, x: g / x, domain=POSITIVE, floating=True, ufunc=np.log, inplace=True)
def log(x):
    """The natural logarithm, elementwise; -inf at 0, nan below."""


@op(lambda g, x: g / (x * math.log(2)), domain=POSITIVE, floating=True, ufunc=np.log2, inplace=True)
def log2(x):
    """The logarithm to base 2, elementwise."""


@op(lambda g, x: g / (x * math.log(10)), domain=POSITIVE, floating=True, ufunc=np.log10, inplace=True)
def log10(x):
    """The logarithm to base 10, elementwise."""


@op(lambda g, x: g / (x + 1), domain=(-0.6, 2.0), floating=True, ufunc=np.log1p, inplace=True)
def log1p(x):
    """log(1 + x), elementwise, exact near 0."""


def _pow_name(node: Any) -> str:
    """PyTorch has an op each for a number as the exponent, two tensors, and a number as the base."""
    base, exponent, _ = node.saved or (None, None, None)
    if not isinstance(exponent, np.ndarray):
        return "PowBackward0"
    return "PowBackward1" if isinstance(base, np.ndarray) else "PowBackward2"


def _no_negative_number(arrays: list) -> None:
    x, y = arrays
    if isinstance(y, (int, np.integer)) and y < 0 and x.dtype.kind in "iub":
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if type(y) is int and isinstance(x, np.ndarray):
        dtypes.stored(y, x.dtype)  # refuses an exponent that the type does not hold


@op(
    lambda g, x, exponent: pow_slope(g, x, exponent),
    lambda g, x, exponent, out: pow_slope_in_y(g, x, exponent, out),
    infix="pow",
    promote=True,
    domain=POSITIVE,
    inplace=True,
    elementwise=True,
    check=_no_negative_number,
    node_name=_pow_name,
)
def pow(x, exponent):
    """x to the exponent y, elementwise; 0 to the 0 is 1.
    The gradient in y at x = 0 is 0 for y >= 0, as in PyTorch."""
    y = exponent
    if x.dtype.kind in "iu" if isinstance(x, np.ndarray) else isinstance(x, int):
        if np.any(np.less(y, 0)) and np.asarray(y).dtype.kind in "iub":
            return _negative_powers(np.asarray(x), y)
    elif type(y) is float or type(y) is int:
        if y == 2:
            return np.square(x)
        if y == 0.5:
            return np.sqrt(x)
        if y == -0.5:
            return np.reciprocal(np.sqrt(x))  # -inf at -0 and nan at -inf, as PyTorch has it
        if y == 3 and x.dtype.kind == "f":
            return x * x * x
    if getattr(x, "dtype", None) == getattr(y, "dtype", None) == dtypes.BOOL:
        if np.ndim(x) and np.ndim(y):
            raise NotImplementedError("\"pow\" not implemented for 'Bool'")
        return np.power(x, y).astype(bool)
    return np.power(x, y)


def _negative_powers(x: Any, y: Any) -> Any:
    """Whole numbers to negative powers, rounded towards 0, as PyTorch has it for tensors;
    ValueError for a number y, whose check explains it."""
    if not isinstance(y, np.ndarray):
        raise ValueError
    one = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2, -1, 1), 0))
    return np.where(y < 0, one, np.power(x, np.maximum(y, 0))).astype(np.result_type(x, y))


def pow_slope_in_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    """g x^y log(x), and 0 at x = 0 for y >= 0."""
    if isinstance(x, (int, float)):
        if x:
            return g * (out * (math.log(x) if x > 0 else math.nan))
        return g * where(y >= 0, 0.0, out * -math.inf)
    return g * where((x == 0) & (y >= 0), 0.0, out * log(x))


def pow_slope(g: Any, x: Any, y: Any) -> Any:
    """g y x^(y-1), which is 0 where y is 0, even at x = 0."""
    if isinstance(y, (int, float)):
        return nothing(g) if y == 0 else g * (pow(x, y - 1) * y)
    return where(y == 0, 0.0, g * (y * pow(x, y - 1)))


# ---- trigonometry


@op(lambda g, x: g * cos(x), domain=REAL, floating=True, ufunc=np.sin, inplace=True)
def sin(x):
    """The sine of x radians, elementwise."""


@op(lambda g, x: -g * sin(x), domain=REAL, floating=True, ufunc=np.cos, inplace=True)
def cos(x):
    """The cosine of x radians, elementwise."""


@op(lambda g, out: g * (out * out + 1), domain=(-1.2, 1.2), floating=True, ufunc=np.tan, inplace=True)
def tan(x):
    """The tangent of x radians, elementwise."""


@op(lambda g, x: g * rsqrt(1 - x * x), domain=(-0.9, 0.9), floating=True, ufunc=np.arcsin, inplace=True)
def asin(x):
    """The angle in [-pi/2, pi/2] with sine x, elementwise; nan outside [-1, 1]."""


@op(lambda g, x: -g * rsqrt(1 - x * x), domain=(-0.9, 0.9), floating=True, ufunc=np.arccos, inplace=True)
def acos(x):
    """The angle in [0, pi] with cosine x, elementwise; nan outside [-1, 1]."""


@op(lambda g, x: g / (x * x + 1), domain=REAL, floating=True, ufunc=np.arctan, inplace=True)
def atan(x):
    """The angle in [-pi/2, pi/2] with tangent x, elementwise."""


@op(
    lambda g, x, y: g * (y * over_square(x, y)),
    lambda g, x, y: g * (-x * over_square(x, y)),
    promote=True,
    floating=True,
    domain=POSITIVE,
    ufunc=np.arctan2,
    inplace=True,
)
def atan2(x, y):
    """The angle of the point (y, x) in (-pi, pi]: atan(x / y) in the right quadrant, elementwise.

    The gradient at (0, 0) is 0.
    """


def over_square(x: Any, y: Any) -> Any:
    """1 / (x^2 + y^2), but 0 at (0, 0)."""
    square = x * x + y * y
    return where(square == 0, 0.0, 1 / square)


@op(lambda g, x: g * cosh(x), domain=REAL, floating=True, ufunc=np.sinh, inplace=True)
def sinh(x):
    """The hyperbolic sine, elementwise."""


@op(lambda g, x: g * sinh(x), domain=REAL, floating=True, ufunc=np.cosh, inplace=True)
def cosh(x):
    """The hyperbolic cosine, elementwise."""


def _tanh_kernel(g, out):
    slope = np.asarray(np.square(out))  # of 0-d arrays NumPy makes scalars, which nothing can be written to
    np.subtract(1, slope, out=slope)
    slope *= g
    return (slope,)


@op(
    lambda g, out: g * (1 - out * out),
    kernel=_tanh_kernel,
    domain=REAL,
    floating=True,
    ufunc=np.tanh,
    inplace=True,
)
def tanh(x):
    """The hyperbolic tangent, elementwise."""


@op(lambda g, x: g * rsqrt(x * x + 1), domain=REAL, floating=True, ufunc=np.arcsinh, inplace=True)
def asinh(x):
    """The inverse of sinh, elementwise."""


@op(lambda g, x: g * rsqrt(x * x - 1), domain=(1.2, 3.0), floating=True, ufunc=np.arccosh, inplace=True)
def acosh(x):
    """The inverse of cosh, elementwise; nan below 1."""


@op(lambda g, x: g / (1 - x * x), domain=(-0.9, 0.9), floating=True, ufunc=np.arctanh, inplace=True)
def atanh(x):
    """The inverse of tanh, elementwise; inf at 1, nan beyond."""


@op(
    lambda g, x: g * exp(-(x * x)) * (2 / math.sqrt(math.pi)),
    domain=REAL,
    floating=True,
    inplace=True,
    examples=[case((2, 3))],
    elementwise=True,
)
def erf(x):
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, elementwise."""
    return _erf(x)


def in_single(function: Any, x: np.ndarray) -> np.ndarray:
    """function(x), through float32 if x is float16: one rounding, as in PyTorch."""
    if x.dtype.char != "e":
        return function(x)
    with Quiet():  # what is too large for float16 becomes inf
        return function(x.astype(np.float32)).astype(x.dtype)


# ---- choosing


def above(x: np.ndarray, low: float) -> np.ndarray:
    """max(x, low) for a number, by clip: NumPy's loop of maximum for a scalar operand is not vectorized."""
    kind = x.dtype.type
    return _clip(x, kind(low), kind(np.inf)) if x.dtype.kind == "f" else np.maximum(x, kind(low))


def below(x: np.ndarray, high: float) -> np.ndarray:
    """min(x, high) for a number."""
    kind = x.dtype.type
    return _clip(x, kind(-np.inf), kind(high)) if x.dtype.kind == "f" else np.minimum(x, kind(high))


def select(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """np.where; by bits where that is possible, since a branch per element takes six times as long."""
    shape, kind = condition.shape, x.dtype
    if condition.size < 256 or kind.char not in "fd" or y.dtype is not kind:
        return np.where(condition, x, y)
    for a in (x, y):
        if a.ndim and not (a.shape == shape and a.flags.c_contiguous):
            return np.where(condition, x, y)
    whole = np.int32 if kind.char == "f" else np.int64
    bits: Any = condition.astype(whole, "C")
    np.negative(bits, out=bits)  # all bits, or none
    other: Any = y.view(whole)
    bits &= x.view(whole) ^ other
    bits ^= other
    return bits.view(kind)


def _won_kernel(g, needs, x, y, x_lost, y_lost):
    tie, zero = np.equal(x, y), np.zeros((), g.dtype)
    if tie.any():
        g = np.where(tie, g / 2, g)
    return tuple(
        select(np.asarray(lost), zero, g) if need else None for need, lost in zip(needs, (x_lost, y_lost))
    )


@op(
    lambda g, x, y: won(g, x, y, x < y),
    lambda g, x, y: won(g, x, y, y < x),
    kernel=lambda g, needs, x, y: _won_kernel(g, needs, x, y, x < y, y < x),
    promote=True,
    domain=REAL,
    ufunc=np.maximum,
)
def maximum(x, y):
    """The larger of x and y, elementwise; nan if either is. At a tie each gets half of the gradient."""


@op(
    lambda g, x, y: won(g, x, y, y < x),
    lambda g, x, y: won(g, x, y, x < y),
    kernel=lambda g, needs, x, y: _won_kernel(g, needs, x, y, y < x, x < y),
    promote=True,
    domain=REAL,
    ufunc=np.minimum,
)
def minimum(x, y):
    """The smaller of x and y, elementwise; nan if either is. At a tie each gets half of the gradient."""


def won(g: Any, x: Any, y: Any, lost: Any) -> Any:
    """What a side of a maximum gets: g, half of it at a tie, 0 where it lost.

    By selection: 0 times an infinite g would be nan. Where one of x and y is nan neither has lost.
    """
    return where(lost, 0.0, where(x == y, g / 2, g))


@op(
    None,
    lambda g, condition: where(condition, g, 0.0),
    lambda g, condition: where(condition, 0.0, g),
    promote=(1, 2),
    method=False,
    domain=REAL,
    examples=[
        case(lambda rng: rng.random((2, 3)) < 0.5, (2, 3), (2, 3)),
        case(lambda rng: rng.random((2, 1)) < 0.5, (3,), (2, 3)),
    ],
    elementwise=True,
)
def where(condition, x, y):
    """x where the condition holds, else y, elementwise; the three broadcast together."""
    condition = np.asarray(condition)
    if condition.dtype.kind != "b":
        raise TypeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        kind = (
            x.dtype
            if isinstance(x, (np.ndarray, np.generic))
            else y.dtype
            if isinstance(y, (np.ndarray, np.generic))
            else None
        )
        x, y = np.asarray(x, kind), np.asarray(y, kind)
    return select(condition, x, y)


# ---- activations


# Of each float type: 0 and inf, as NumPy takes them fastest, and the integer of the same size.
_OF = {
    np.dtype(kind): (np.zeros((), kind), np.full((), np.inf, kind), np.dtype(whole))
    for kind, whole in ((np.float16, np.int16), (np.float32, np.int32), (np.float64, np.int64))
}


def _kept(g, keep):
    """g where `keep` holds, else 0: its bits times 1 or 0,
    a selection like where at the price of a multiplication."""
    zero, _, whole = _OF[g.dtype]
    if not g.ndim:
        return np.where(keep, g, zero)
    if keep.size > 4096:
        keep = keep.astype(whole)
    return (g.view(whole) * keep).view(g.dtype)


def _relu_kernel(g, out):
    """g where out is above 0 (or nan)."""
    return (_kept(g, np.not_equal(out, _OF[g.dtype][0])),)


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
    if x.dtype in _OF:
        zero, inf, _ = _OF[x.dtype]
        return _clip(x, zero, inf)
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
    return select(linear, x, soft) if linear.any() else soft.reshape(x.shape)


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
        x = _clip(x, x.dtype.type(-SATURATED), x.dtype.type(SATURATED))
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
        p = _erf(x * math.sqrt(0.5))
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


# ---- clamp, and arithmetic with PyTorch's options


def _clip_kernel(g, x, min, max):
    return (_kept(g, within.op.forward(x, min, max)),)


@op(
    lambda g, x, min, max: where(within(x, min, max), g, 0.0),
    kernel=_clip_kernel,
    method=False,
    public=False,
    domain=REAL,
    avoid=(-0.5, 0.7),
    examples=[case((2, 3), min=-0.5, max=0.7), case((2, 3), min=-0.5), case((2, 3), max=0.7)],
    elementwise=True,
    node_name=lambda node: "ClampBackward1",
)
def clip_numbers(x, min=None, max=None):
    """x limited to [min, max], two numbers either of which may be None. The gradient at the limits is 1."""
    if min is None:
        return np.array(x) if max is None else below(x, max)
    if max is None:
        return above(x, min)
    kind = x.dtype.type
    return _clip(x, kind(min), kind(max))


@op(
    lambda g, x, low, high: where(in_order(low, x, high), g, 0.0),
    lambda g, x, low, high: where(pushed_up(x, low, high), g, 0.0),
    lambda g, x, low, high: where(pushed_down(x, low, high), g, 0.0),
    method=False,
    public=False,
    domain=REAL,
    node_name="Clamp",
    examples=[case((2, 3), (3,), (2, 1)), case((2, 3), (2, 3))],
)
def clip_tensors(x, low=None, high=None):
    """x limited to [low, high], arrays either of which may be None; high wins if low > high; nan stays.

    A gradient goes to x at the limits and between them, else to the limit that was reached.
    """
    out = x if low is None else np.maximum(x, low)
    return out if high is None else np.minimum(out, high)


def in_order(low: Any, x: Any, high: Any) -> Any:
    """1 where low <= x <= high, else 0, as a bool."""
    inside = x == x
    inside = inside if low is None else inside & (x >= low)
    return inside if high is None else inside & (x <= high)


def pushed_up(x: Any, low: Any, high: Any) -> Any:
    return x < low if high is None else (x < low) & (low < high)


def pushed_down(x: Any, low: Any, high: Any) -> Any:
    return x > high if low is None else (x > high) | (high < low)


@op(None, method=False, public=False, examples=[case((2, 3), min=-0.5, max=0.7)], elementwise=True)
def within(x, min=None, max=None):
    """Whether min <= x <= max, elementwise. No gradient."""
    if min is None:
        return x <= max
    return x >= min if max is None else (x >= min) & (x <= max)


def _as_number(limit: Any, other: Any) -> Any:
    """A NumPy scalar as a number; and beside a number a 0-d tensor without gradient,
    which may stand for one."""
    beside = isinstance(limit, Tensor) and other is not None and not isinstance(other, Tensor)
    if beside and not limit.array.ndim and not limit.requires_grad:
        return limit.item()
    return limit.item() if isinstance(limit, np.generic) else limit


@composite(inplace=True, examples=[case((2, 3), min=-0.5, max=0.7), case((2, 3), min=-0.5)])
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], numbers or tensors, either of which may be left out; max wins if min > max.

    The gradient at a limit that is a number is 1, as in PyTorch. RuntimeError if both are None.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    for name, v in (("min", min), ("max", max)):
        if v is not None and not isinstance(v, (Tensor, int, float, np.number, np.bool_)):
            raise TypeError(
                f"clamp(): argument '{name}' must be a number or a Tensor, not {type(v).__name__}"
            )
    min, max = _as_number(min, max), _as_number(max, min)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if not builtins.all(v is None or isinstance(v, Tensor) for v in (min, max)):
            raise TypeError("clamp(): min and max must both be numbers or both be tensors")
        low, high = (v if v is None else v.array for v in (min, max))
        common = dtypes.result_type(*[v for v in (input.array, low, high) if v is not None])
        return clip_tensors(
            *[v if v is None or v.array.dtype == common else v.to(common) for v in (input, min, max)]
        )
    common = dtypes.result_type(input.array, *[v for v in (min, max) if v is not None])
    if common.kind == "b":
        raise NotImplementedError("\"clamp_scalar_cpu\" not implemented for 'Bool'")
    for v in (min, max):
        if type(v) is float:
            dtypes.check_size(v, common)
    return clip_numbers(input if common == input.array.dtype else input.to(common), min, max)


@composite(inplace=True, examples=[case((2, 3), min=-0.5)])
def clip(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Another name for clamp."""
    return clamp(input, min, max)
