"""Comparisons, logic and tests of values. None has a gradient."""

from __future__ import annotations


import numpy as np

from tinygrad6.arguments import composite, refused
from tinygrad6.op import REAL, _mismatch, _operator, case, op
from tinygrad6.tensor import Tensor, wrap


@op(None, None, infix=None, promote=True, domain=REAL)
def eq(x, y):
    """x == y, elementwise, as bool."""
    return np.equal(x, y)


@op(None, None, promote=True, domain=REAL)
def ne(x, y):
    """x != y, elementwise, as bool."""
    return np.not_equal(x, y)


@op(None, None, promote=True, domain=REAL)
def lt(x, y):
    """x < y, elementwise, as bool."""
    return np.less(x, y)


@op(None, None, promote=True, domain=REAL)
def le(x, y):
    """x <= y, elementwise, as bool."""
    return np.less_equal(x, y)


@op(None, None, promote=True, domain=REAL)
def gt(x, y):
    """x > y, elementwise, as bool."""
    return np.greater(x, y)


@op(None, None, promote=True, domain=REAL)
def ge(x, y):
    """x >= y, elementwise, as bool."""
    return np.greater_equal(x, y)


for _name, _call in (("eq", eq), ("ne", ne), ("lt", lt), ("le", le), ("gt", gt), ("ge", ge)):
    setattr(Tensor, f"__{_name}__", _operator(_call))
# by identity, in spite of __eq__
Tensor.__hash__ = object.__hash__  # type: ignore[assignment]


@op(None, domain=REAL, inplace=True)
def logical_not(x):
    """True where x is zero, elementwise."""
    return np.logical_not(x)


@op(None, None, domain=REAL, inplace=True)
def logical_and(x, y):
    """True where both are nonzero, elementwise."""
    return np.logical_and(x, y)


@op(None, None, domain=REAL, inplace=True)
def logical_or(x, y):
    """True where either is nonzero, elementwise."""
    return np.logical_or(x, y)


@op(None, None, domain=REAL, inplace=True)
def logical_xor(x, y):
    """True where exactly one is nonzero, elementwise."""
    return np.logical_xor(x, y)


def _bits(arrays: list, params: dict) -> None:
    for a in arrays:
        if isinstance(a, np.ndarray) and a.dtype.kind == "f" or isinstance(a, float):
            raise NotImplementedError("bitwise operations are not implemented for floating-point tensors")


def _shifted(arrays: list, params: dict) -> None:
    _bits(arrays, params)
    if all(np.asarray(a).dtype.kind == "b" for a in arrays):
        raise NotImplementedError("\"lshift_cpu\" not implemented for 'Bool'")


_BITS = [case(lambda rng: rng.integers(0, 9, (2, 3)), lambda rng: rng.integers(0, 9, (3,)))]


@op(None, None, infix="and", promote=True, prepare=_bits, inplace=True, examples=_BITS, layout="follow")
def bitwise_and(x, y):
    """x & y on integers or bools, elementwise."""
    return np.bitwise_and(x, y)


@op(None, None, infix="or", promote=True, prepare=_bits, inplace=True, examples=_BITS, layout="follow")
def bitwise_or(x, y):
    """x | y on integers or bools, elementwise."""
    return np.bitwise_or(x, y)


@op(None, None, infix="xor", promote=True, prepare=_bits, inplace=True, examples=_BITS, layout="follow")
def bitwise_xor(x, y):
    """x ^ y on integers or bools, elementwise."""
    return np.bitwise_xor(x, y)


@op(
    None,
    prepare=_bits,
    inplace=True,
    examples=[case(lambda rng: rng.integers(0, 9, (2, 3)))],
    layout="follow",
)
def bitwise_not(x):
    """~x on integers or bools, elementwise: not, for bools."""
    return np.invert(x)


def _invert(self: Tensor) -> Tensor:
    """~x, for integers and bools; TypeError for floats."""
    if self.array.dtype.kind == "f":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


Tensor.__invert__ = _invert


@op(None, None, infix="lshift", promote=True, prepare=_shifted, examples=_BITS, layout="follow")
def bitwise_left_shift(x, y):
    """x << y on integers, elementwise."""
    return np.left_shift(x, y)


@op(None, None, infix="rshift", promote=True, prepare=_shifted, examples=_BITS, layout="follow")
def bitwise_right_shift(x, y):
    """x >> y on integers, elementwise."""
    return np.right_shift(x, y)


@op(None, domain=REAL)
def isnan(x):
    """True where x is nan, elementwise."""
    return np.isnan(x)


@op(None, domain=REAL)
def isinf(x):
    """True where x is inf or -inf, elementwise."""
    return np.isinf(x)


@op(None, domain=REAL)
def isfinite(x):
    """True where x is neither nan nor infinite, elementwise."""
    return np.isfinite(x)


@op(None, domain=REAL)
def signbit(x):
    """True where the sign of x is set, -0.0 included, elementwise."""
    return np.signbit(x)


@composite()
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|x - y| <= atol + rtol |y|, elementwise, as bool."""
    for name, least in (("rtol", rtol), ("atol", atol)):
        if not least >= 0:
            raise RuntimeError(f"isclose(): {name} must be greater than or equal to zero, but got {least}")
    x, y = input.array, other.array
    if said := _mismatch(x.shape, y.shape):
        raise RuntimeError(said)
    if x.dtype != y.dtype:
        raise RuntimeError(f"isclose(): {x.dtype} did not match {y.dtype}")
    return wrap(np.asarray(np.isclose(x, y, rtol, atol, equal_nan)))


@composite()
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether |x - y| <= atol + rtol |y| everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


@composite()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and values."""
    for i, (name, t) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(t, Tensor):
            raise refused("equal", name, i, "Tensor", t)
    return input.array.shape == other.array.shape and bool((input.array == other.array).all())
