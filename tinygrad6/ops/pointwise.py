"""Elementwise arithmetic, rounding, powers, exponentials, trigonometry. From simple to complex.

Rules use operators and ops only: they are read on arrays and, for higher derivatives, on Tensors.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.op import POSITIVE, REAL, case, no_derivative, op
from tinygrad6.ops.choose import over, where
from tinygrad6.ops.special import erf as _erf
from tinygrad6.quiet import Quiet

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
    layout="follow",
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
    if x.dtype.kind == "b":
        return x.copy()
    above, below = np.greater(x, 0), np.less(x, 0)
    return (above.view(np.int8) - below.view(np.int8)).astype(x.dtype)


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
    whole = np.trunc(x)
    return np.subtract(x, whole, out=over(whole))


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
    root = np.sqrt(x)
    return np.divide(1, root, out=over(root))


@op(lambda g, out: -g * out * out, domain=POSITIVE, floating=True, inplace=True, elementwise=True)
def reciprocal(x):
    """1 / x, elementwise; inf at 0."""
    return np.divide(1, x)  # np.reciprocal takes twice as long


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
            return np.divide(1, np.sqrt(x))  # -inf at -0 and nan at -inf, as PyTorch has it
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


@op(lambda g, x: g / sqrt(1 - x * x), domain=(-0.9, 0.9), floating=True, ufunc=np.arcsin, inplace=True)
def asin(x):
    """The angle in [-pi/2, pi/2] with sine x, elementwise; nan outside [-1, 1]."""


@op(lambda g, x: -g / sqrt(1 - x * x), domain=(-0.9, 0.9), floating=True, ufunc=np.arccos, inplace=True)
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


@op(lambda g, x: g / sqrt(x * x + 1), domain=REAL, floating=True, ufunc=np.arcsinh, inplace=True)
def asinh(x):
    """The inverse of sinh, elementwise."""


@op(lambda g, x: g / sqrt(x * x - 1), domain=(1.2, 3.0), floating=True, ufunc=np.arccosh, inplace=True)
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
