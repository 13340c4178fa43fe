"""The rest of elementwise arithmetic: mixtures, signs, tests of signs, number theory, angles.

From simple to complex.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite, scalar
from tinygrad6.op import POSITIVE, REAL, case, no_derivative, op
from tinygrad6.ops.compare import isfinite, isnan
from tinygrad6.ops.choose import clamp, where
from tinygrad6.ops.pointwise import add, div, exp2, mul, nothing, pow, signs
from tinygrad6.ops.shape import cast
from tinygrad6.quiet import Quiet
from tinygrad6.tensor import Tensor, wrap

# ---- sums of products


@op(
    lambda g, w: g * (1 - w),
    lambda g, w: g * w,
    lambda g, x, y: g * (y - x),
    method=False,
    public=False,
    domain=REAL,
    node_name="Lerp",
    examples=[case((2, 3), (2, 3), (2, 3)), case((2, 3), (3,), ()), case((3,), (2, 3), (2, 1))],
    layout="follow",
)
def mix(x, y, w):
    """x + w (y - x), computed from the nearer end so that w = 1 gives y exactly."""
    w = np.asarray(w, x.dtype)
    return np.where(np.abs(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w))


@composite(inplace=True, examples=[case((2, 3), (2, 3), weight=0.3), case((2, 3), (3,), weight=0.8)])
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """x + weight (end - x), elementwise; weight a number or a tensor. RuntimeError if the types differ."""
    kind = input.array.dtype
    for t in (end, weight):
        if isinstance(t, Tensor) and t.array.dtype != kind:
            raise RuntimeError(f"expected dtype {input.dtype} for lerp's arguments but got dtype {t.dtype}")
    if kind.kind != "f":
        raise NotImplementedError(f'"lerp_kernel" not implemented for {input.dtype}')
    if not isinstance(weight, (Tensor, int, float, np.number)):
        raise TypeError(
            f"lerp(): argument 'weight' must be a number or a Tensor, not {type(weight).__name__}"
        )
    return mix(input, end, weight if isinstance(weight, Tensor) else wrap(np.asarray(weight, kind)))


def _number(name: str, value: Any) -> Any:
    if isinstance(value, Tensor) and not value.array.ndim:
        value = value.item()
    if not isinstance(value, (bool, int, float, np.generic)):
        raise TypeError(f"{name}(): argument 'value' must be Number, not {type(value).__name__}")
    return value


@composite(inplace=True, examples=[case((2, 3), (2, 3), (3,), value=0.5)], node_name="Addcmul")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """x + value * tensor1 * tensor2, elementwise."""
    if all(t.array.dtype.kind == "b" for t in (input, tensor1, tensor2)):
        raise NotImplementedError("\"addcmul_cpu_out\" not implemented for 'Bool'")
    product = mul(tensor1, tensor2)
    value = _number("addcmul", value)
    if all(t.array.dtype.kind != "f" for t in (input, tensor1, tensor2)):
        value = int(value)
    return add(input, product if value == 1 else mul(product, value))


@composite(
    inplace=True, examples=[case((2, 3), (2, 3), (3,), value=0.5)], domain=POSITIVE, node_name="Addcdiv"
)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """x + value * tensor1 / tensor2, elementwise. RuntimeError for two integer tensors."""
    if tensor1.array.dtype.kind != "f" and tensor2.array.dtype.kind != "f":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release addcdiv will "
            "perform a true division of tensor1 and tensor2."
        )
    value = _number("addcdiv", value)
    return add(input, div(tensor1 if value == 1 else mul(tensor1, value), tensor2))


@op(
    lambda g, x, out: g * x / out,
    lambda g, y, out: g * y / out,
    promote=True,
    domain=POSITIVE,
    inplace=True,
)
def hypot(x, y):
    """sqrt(x^2 + y^2), elementwise, without overflow. The gradient at (0, 0) is nan, as in PyTorch.

    Floats only.
    """
    kind = x.dtype if isinstance(x, np.ndarray) else y.dtype
    if kind.kind != "f":
        raise NotImplementedError(f'"hypot_cpu" not implemented for {kind}')
    return np.hypot(x, y)


@composite(node_name="PowBackward1")
def float_power(input: Any, exponent: Any) -> Tensor:
    """x to the exponent, elementwise, in float64."""
    given = [
        t if isinstance(t, Tensor) else float(scalar("float_power", n, i, t))
        for i, (n, t) in enumerate((("input", input), ("exponent", exponent)), 1)
    ]
    return pow(*[cast(t, dtypes.float64) if isinstance(t, Tensor) else t for t in given])


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """float_power in place, for float64 tensors; RuntimeError for others."""
    if self.array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result requires "
            "dtype Double"
        )
    return self.pow_(exponent)


Tensor.float_power_ = float_power_  # type: ignore[attr-defined]


@op(
    lambda g, y: scaled(g, y),
    None,
    method=False,
    public=False,
    examples=[case((2, 3), lambda rng: rng.integers(-3, 4, (2, 3)))],
)
def scaled(x, y):
    """x * 2^y, elementwise, for an integer y of any size: 2^y itself need not be in range."""
    with Quiet():
        return np.ldexp(x, y)


@composite(inplace=True, examples=[case((2, 3), (2, 3))], node_name="Ldexp")
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """x * 2^other, elementwise."""
    if other.array.dtype.kind == "b" and input.array.dtype.kind == "f":
        raise NotImplementedError("\"ldexp_cpu_exp\" not implemented for 'Bool'")
    if input.array.dtype.kind == "f" and other.array.dtype.kind != "f":
        return scaled(input, other)
    return mul(input, exp2(other))


# ---- larger and smaller, passing over nan


@op(
    lambda g, x, y: where((x >= y) | isnan(y), g, 0.0),
    lambda g, x, y: where((x >= y) | isnan(y), 0.0, g),
    promote=True,
    domain=REAL,
)
def fmax(x, y):
    """The larger of x and y, elementwise; if one is nan, the other. At a tie the gradient is x's."""
    return np.fmax(x, y)


@op(
    lambda g, x, y: where((x <= y) | isnan(y), g, 0.0),
    lambda g, x, y: where((x <= y) | isnan(y), 0.0, g),
    promote=True,
    domain=REAL,
)
def fmin(x, y):
    """The smaller of x and y, elementwise; if one is nan, the other. At a tie the gradient is x's."""
    return np.fmin(x, y)


@op(
    lambda g, x: g * isfinite(x),
    inplace=True,
    domain=REAL,
    examples=[case((2, 3)), case((2, 3), nan=1.0, posinf=2.0, neginf=-2.0)],
    layout="follow",
)
def nan_to_num(x, nan=None, posinf=None, neginf=None):
    """x with nan replaced by `nan` (0), and infinities by the type's largest numbers unless given,
    elementwise."""
    if x.dtype.kind != "f":
        return np.array(x)
    info = np.finfo(x.dtype)
    with np.errstate(over="ignore"):
        kind = x.dtype.type
        out = np.where(np.isnan(x), kind(0.0 if nan is None else nan), x)
        out = np.where(x == np.inf, info.max if posinf is None else kind(posinf), out)
        return np.where(x == -np.inf, info.min if neginf is None else kind(neginf), out)


# ---- signs


@op(
    lambda g, x, out: g * where(x == 0, 0.0, out / where(x == 0, 1.0, x)),
    lambda g: nothing(g),
    promote=True,
    floating=True,
    domain=REAL,
    avoid=(0.0,),
    inplace=True,
)
def copysign(x, y):
    """|x| with the sign of y, elementwise, that of zeros included. The gradient at 0 is 0."""
    return np.copysign(x, y)


@op(lambda g: nothing(g), domain=REAL, avoid=(0.0,), inplace=True)
def sgn(x):
    """-1, 0 or 1, elementwise. Its gradient is 0."""
    return signs(x)


@op(no_derivative, no_derivative, domain=REAL, inplace=True, check=lambda arrays: _one_type(arrays))
def heaviside(x, values):
    """0 where x < 0, 1 where x > 0, `values` where x is 0, elementwise.

    Its gradient is not defined: RuntimeError.
    """
    return np.where(x == 0, values, (x > 0).astype(x.dtype))


def _one_type(arrays: list) -> None:
    if arrays[0].dtype != getattr(arrays[1], "dtype", None):
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@op(
    lambda g, x, y: g * where(x == y, nothing(g), 1.0),
    lambda g, x, y: g * where(x == y, 1.0, nothing(g)),
    promote=True,
    domain=REAL,
    inplace=True,
)
def nextafter(x, y):
    """The float next to x in the direction of y, elementwise."""
    kind = x.dtype if isinstance(x, np.ndarray) else y.dtype
    if kind.kind != "f":
        raise NotImplementedError(f'"nextafter_cpu" not implemented for {kind}')
    return np.nextafter(x, y)


@op(None, domain=REAL)
def isneginf(x):
    """True where x is -inf, elementwise."""
    return x == -math.inf


@op(None, domain=REAL)
def isposinf(x):
    """True where x is inf, elementwise."""
    return x == math.inf


@op(None, domain=REAL)
def isreal(x):
    """True everywhere: all types here are real."""
    return np.ones(x.shape, bool)


@composite()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of x is not zero; RuntimeError if there are none or several."""
    if input.array.size != 1:
        values = "no values" if not input.array.size else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {values} is ambiguous")
    return bool(input.array.item())


# ---- number theory


_WHOLE = [case(lambda rng: rng.integers(1, 40, (2, 3)), lambda rng: rng.integers(1, 40, (3,)))]


def _whole(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        kind = next(a.dtype for a in arrays if isinstance(a, np.ndarray))
        if kind.kind not in "iu":
            raise NotImplementedError(f'"{name}" not implemented for {kind}')

    return prepare


@op(None, None, promote=True, prepare=_whole("gcd_cpu"), inplace=True, examples=_WHOLE, layout="follow")
def gcd(x, y):
    """The greatest common divisor, elementwise; gcd(0, 0) is 0. Integers only."""
    return np.gcd(x, y)


@op(None, None, promote=True, prepare=_whole("lcm_cpu"), inplace=True, examples=_WHOLE, layout="follow")
def lcm(x, y):
    """The least common multiple, elementwise; 0 if either is. Integers only."""
    return np.lcm(x, y)


@op(
    lambda g, x: g / exp2(exponent_of(x)),
    method=False,
    public=False,
    domain=POSITIVE,
    avoid=(0.5, 1.0, 2.0),
    node_name="Frexp",
)
def mantissa_of(x):
    """The m with x = m 2^e and 0.5 <= |m| < 1, elementwise."""
    return np.frexp(x)[0]


@op(None, method=False, public=False, domain=POSITIVE)
def exponent_of(x):
    """The e with x = m 2^e and 0.5 <= |m| < 1, elementwise, in x's type."""
    return np.frexp(x)[1].astype(x.dtype)


@composite(examples=[])
def frexp(input: Tensor) -> Any:
    """(mantissa, exponent) with x = mantissa * 2^exponent, 0.5 <= |mantissa| < 1, the exponent int32.

    Floats only.
    """
    from tinygrad6.ops.sort import FREXP

    if input.array.dtype.kind != "f":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    exponent = wrap(np.asarray(np.frexp(input.array)[1], np.int32))
    return FREXP(mantissa_of(input), exponent)


# ---- angles


@composite(inplace=True, examples=[case((2, 3))], node_name="Deg2Rad")
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians: x * pi / 180, elementwise."""
    return mul(input, math.pi / 180)


@composite(inplace=True, examples=[case((2, 3))], node_name="Rad2Deg")
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees: x * 180 / pi, elementwise."""
    return mul(input, 180 / math.pi)


# ---- limits one at a time


def _no_bools(name: str, input: Tensor, limit: Any) -> None:
    if input.array.dtype.kind == "b" and isinstance(limit, bool):
        raise NotImplementedError(f"\"{name}_scalar_cpu\" not implemented for 'Bool'")


@composite(inplace=True, examples=[case((2, 3), min=-0.5)], node_name="ClampMin")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """x, at least min, elementwise."""
    min = min if isinstance(min, Tensor) else scalar("clamp_min", "min", 2, min)
    _no_bools("clamp_min", input, min)
    return clamp(input, min)


@composite(inplace=True, examples=[case((2, 3), max=0.5)], node_name="ClampMax")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """x, at most max, elementwise."""
    max = max if isinstance(max, Tensor) else scalar("clamp_max", "max", 2, max)
    _no_bools("clamp_max", input, max)
    return clamp(input, None, max)


@composite()
def positive(input: Tensor) -> Tensor:
    """x itself; RuntimeError for bools."""
    if input.array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


Tensor.__pos__ = positive
