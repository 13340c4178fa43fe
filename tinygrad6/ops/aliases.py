"""Second names, and options that PyTorch gives to functions but not to operators:
add's alpha, div's rounding mode."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite, refused
from tinygrad6.dispatch import with_names
from tinygrad6.op import NAMES, attach, case, lift
from tinygrad6.ops import compare, pointwise
from tinygrad6.ops.overloads import scaled_second
from tinygrad6.ops.pointwise import mul, quotient
from tinygrad6.tensor import Tensor

# ---- comparisons and shifts in place


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "bitwise_left_shift", "bitwise_right_shift"):
    attach(_name, getattr(compare, _name), True)


Tensor.__ilshift__ = Tensor.bitwise_left_shift_  # type: ignore[attr-defined]
Tensor.__irshift__ = Tensor.bitwise_right_shift_  # type: ignore[attr-defined]
Tensor.__abs__ = pointwise.abs

# ---- options

_NONE: Any = object()


def scaled(other: Any, alpha: Any, input: Any, minus: bool = False) -> Any:
    """alpha * other, for a sum with input, or a difference."""
    if not isinstance(other, (Tensor, np.ndarray, np.generic, bool, int, float)):
        raise TypeError(f"argument 'other' must be Tensor, not {type(other).__name__}")
    if minus and any(
        t is True or t is False or getattr(t, "dtype", None) == dtypes.bool_ for t in (input, other)
    ):
        return pointwise.sub(input, other)  # which refuses
    alpha = alpha.item() if isinstance(alpha, (Tensor, np.generic)) else alpha
    if not isinstance(alpha, (bool, int, float)):
        raise TypeError(f"argument 'alpha' must be Number, not {type(alpha).__name__}")
    both = [getattr(t, "dtype", type(t)) for t in (input, other)]
    if isinstance(alpha, bool) and not all(k in (dtypes.bool_, bool) for k in both):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if alpha == 1:
        return other
    floats = [t.array.dtype.kind == "f" for t in (input, other) if isinstance(t, Tensor)]
    if isinstance(alpha, float) and not any(floats) and not any(isinstance(t, float) for t in (input, other)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if not isinstance(other, Tensor):
        return cast(Any, other) * alpha
    if all(k is dtypes.bool_ or k is bool for k in both):
        return mul(other, bool(alpha))
    common = dtypes.result_type(input.array if isinstance(input, Tensor) else input, other.array)
    if common != other.array.dtype:
        other = other.to(dtypes.from_numpy(common))  # where alpha does not wrap
    return mul(other, alpha)


def _with_alpha(name: str, sign: str) -> None:
    plain, in_place = getattr(pointwise, name), getattr(Tensor, f"{name}_")

    def function(input: Any, other: Any, *more: Any, alpha: Any = _NONE) -> Tensor:
        if more:
            other, alpha = scaled_second(name, other, more, alpha, _NONE)
        return plain(input, other if alpha is _NONE else scaled(other, alpha, input, sign == "-"))

    def method(self: Tensor, other: Any, *more: Any, alpha: Any = _NONE) -> Tensor:
        if more:
            other, alpha = scaled_second(f"{name}_", other, more, alpha, _NONE)
        return in_place(self, other if alpha is _NONE else scaled(other, alpha, self, sign == "-"))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"x {sign} alpha * y, elementwise."
    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = in_place.__doc__
    function.op = plain.op  # type: ignore[attr-defined]
    NAMES[name] = function
    setattr(Tensor, name, function)
    setattr(Tensor, f"{name}_", method)


_with_alpha("add", "+")
_with_alpha("sub", "-")


@composite(method=False, examples=[case((2, 3), (3,), alpha=2.0)])
def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * x, elementwise."""
    if not isinstance(other, (Tensor, np.ndarray, np.generic, bool, int, float)):
        raise TypeError(f"rsub(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    if isinstance(other, bool):
        pointwise.sub(input, other)  # which refuses
    x = scaled(input, alpha, other, True)
    return pointwise.sub(lift(other, input), x)


_div, _div_in_place = pointwise.div, Tensor.div_  # type: ignore[attr-defined]


def _rounded(input: Any, other: Any, mode: Any) -> Tensor:
    if not isinstance(mode, str):
        raise refused("div", "rounding_mode", 0, "str", mode)
    if mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"
        )
    return quotient(input, other, mode)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """x / y, elementwise; integers become the default float. x / 0 is inf or nan, as IEEE 754 has it.

    rounding_mode "floor" or "trunc": rounded down or towards 0, in the common type of x and y; its gradient
    is 0.
    """
    return _div(input, other) if rounding_mode is None else _rounded(input, other, rounding_mode)


def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """In-place form of `div`: changes this tensor's memory and returns it."""
    if rounding_mode is None:
        return _div_in_place(self, other)
    from tinygrad6.inplace import twin

    return twin("div", lambda x, y: _rounded(x, y, rounding_mode), True)(self, other)


div.op = _div.op  # type: ignore[attr-defined]
NAMES["div"] = Tensor.div = div  # type: ignore[attr-defined]
Tensor.div_ = div_  # type: ignore[attr-defined]


# ---- tensors only, as in PyTorch, where rules and operators may have numbers


def _strict(name: str, both: bool) -> None:
    names = getattr(getattr(NAMES[name], "op", None), "public_names", ("input", "other"))

    def checked(call: Any, shown: str) -> Any:
        def strict(input: Any, other: Any) -> Any:
            for i, t in enumerate((input, other), 1):
                if not isinstance(t, Tensor) and (both or i == 1):
                    raise TypeError(
                        f"{shown}(): argument '{names[i - 1]}' (position {i}) must be Tensor, not "
                        f"{type(t).__name__}"
                    )
            return call(input, other)

        with_names(strict, names)
        strict.__name__ = strict.__qualname__ = shown
        strict.__doc__ = call.__doc__
        strict.op = getattr(call, "op", None)  # type: ignore[attr-defined]
        return strict

    NAMES[name] = checked(NAMES[name], name)
    setattr(Tensor, name, NAMES[name])
    if hasattr(Tensor, f"{name}_"):
        setattr(Tensor, f"{name}_", checked(getattr(Tensor, f"{name}_"), f"{name}_"))


for _name in """
    atan2 maximum minimum fmax fmin hypot logaddexp logaddexp2 nextafter gcd lcm heaviside ldexp
    igamma igammac
    logical_and logical_or logical_xor
""".split():
    _strict(_name, True)
for _name in "eq ne lt le gt ge copysign fmod".split():
    _strict(_name, False)

# ---- second names

SECOND = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "negative": "neg", "fix": "trunc",
    "multiply": "mul", "divide": "div", "subtract": "sub", "true_divide": "div", "less": "lt",
    "less_equal": "le", "greater": "gt", "greater_equal": "ge", "not_equal": "ne", "conj_physical": "clone",
}  # fmt: skip
for _second, _first in SECOND.items():
    NAMES[_second] = NAMES[_first]
    setattr(Tensor, _second, getattr(Tensor, _first))
    if hasattr(Tensor, f"{_first}_"):
        setattr(Tensor, f"{_second}_", getattr(Tensor, f"{_first}_"))

# ---- methods that change their tensor, as functions

for _name in """
    abs absolute acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil
    clamp clamp_max clamp_min clip cos cosh deg2rad detach erf erfc exp exp2 expm1 fill fix floor frac gcd i0
    index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal relu round rsqrt
    sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero
""".split():
    NAMES[f"{_name}_"] = getattr(Tensor, f"{_name}_")


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like x with a number, or the element of a 0-d tensor, everywhere."""
    for name, v, kinds in (("input", input, Tensor), ("value", value, (Tensor, int, float, np.number))):
        if not isinstance(v, kinds):
            raise TypeError(f"fill(): argument '{name}' may not be {type(v).__name__}")
    if isinstance(value, Tensor) and value.requires_grad and input.array.dtype.kind != "f":
        raise RuntimeError(f"fill(): a value that requires grad cannot fill a tensor of {input.dtype}")
    return input.clone().fill_(value)


NAMES["fill"] = fill
