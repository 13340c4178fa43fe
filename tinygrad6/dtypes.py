"""Element types: their names, the default float, and what two of them become together.

Arrays carry NumPy dtypes inside the library; `dtype` is the face they show to users (`x.dtype`), with
PyTorch's names and text. Promotion follows PyTorch's categories rather than NumPy's table: a float wins
over any integer without growing, and a 0-d tensor or a Python number never widens an array of its own
category.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class dtype:  # noqa: N801 -- PyTorch's name
    """An element type, such as `float32`. `np.dtype(d)` and `d.np` give NumPy's twin of it."""

    __slots__ = ("name", "np", "dtype", "is_floating_point", "is_complex", "is_signed", "itemsize")

    def __init__(self, name: str, numpy_name: str) -> None:
        self.name = name
        self.np = self.dtype = np.dtype(numpy_name)  # `.dtype` is what np.dtype(self) asks for
        self.is_floating_point = self.np.kind == "f"
        self.is_complex = False
        self.is_signed = self.np.kind in "fi"
        self.itemsize = self.np.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name

    def to_complex(self) -> dtype:
        raise NotImplementedError(f"{self}.to_complex(): complex types are not supported")

    def to_real(self) -> dtype:
        return self


_Int = int
float16 = half = dtype("float16", "f2")
float32 = float = dtype("float32", "f4")
float64 = double = dtype("float64", "f8")
uint8 = dtype("uint8", "u1")
int8 = dtype("int8", "i1")
int16 = short = dtype("int16", "i2")
int32 = int = dtype("int32", "i4")
int64 = long = dtype("int64", "i8")
bool_ = dtype("bool", "?")


class _Unsupported(dtype):
    """A type that scripts may name and compare with; no array has it: NotImplementedError if it is used."""

    __slots__ = ()

    def __init__(self, name: str, itemsize: _Int) -> None:
        self.name, self.itemsize = name, itemsize
        self.is_complex = name.startswith("complex")
        self.is_floating_point = "float" in name
        self.is_signed = not name.startswith("uint")

    def __getattr__(self, attribute: str) -> Any:  # `np` and `dtype`, which are not set
        if attribute in ("np", "dtype"):
            use = (
                "keep real and imaginary parts apart, or use numpy on x.numpy()"
                if self.is_complex
                else "use float32, or float16"
                if self.is_floating_point
                else "use int32 or int64"
            )
            raise NotImplementedError(f"{self.name} is not supported: {use}")
        raise AttributeError(f"'dtype' object has no attribute '{attribute}'")


bfloat16 = _Unsupported("bfloat16", 2)
uint16, uint32, uint64 = _Unsupported("uint16", 2), _Unsupported("uint32", 4), _Unsupported("uint64", 8)
complex32 = chalf = _Unsupported("complex32", 4)
complex64 = cfloat = _Unsupported("complex64", 8)
complex128 = cdouble = _Unsupported("complex128", 16)
float8_e4m3fn, float8_e5m2 = _Unsupported("float8_e4m3fn", 1), _Unsupported("float8_e5m2", 1)

ALL = (float16, float32, float64, uint8, int8, int16, int32, int64, bool_)
_OF_NUMPY = {d.np: d for d in ALL}
BOOL, INT64, FLOAT16, FLOAT32, FLOAT64 = bool_.np, int64.np, float16.np, float32.np, float64.np
_default = FLOAT32

# What PyTorch's error messages call the types: by its own old names, or by those of C++.
TYPE_NAMES = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}
CPP_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "int8": "signed char",
    "uint8": "unsigned char",
    "bool": "bool",
}


def from_numpy(d: np.dtype) -> dtype:
    """The `dtype` whose NumPy twin is `d`; TypeError for one that has none (complex, strings, objects)."""
    try:
        return _OF_NUMPY[d]
    except KeyError:
        known = ", ".join(d.name for d in ALL)
        raise TypeError(f"can't convert an array of {d}. The supported types are: {known}") from None


def to_numpy(d: Any) -> np.dtype:
    """NumPy's twin of `d`: a `dtype`, one of NumPy's, or the Python types float, int and bool."""
    if isinstance(d, dtype):
        return d.np
    if d is _py_float:
        return FLOAT64  # as in NumPy and PyTorch, whatever the default float is
    if d is _py_int:
        return INT64
    if d is _py_bool:
        return BOOL
    if isinstance(d, (np.dtype, type)):
        try:
            return from_numpy(np.dtype(d)).np
        except TypeError:
            pass
    raise TypeError(f"expected a dtype such as torch.float32, got {d!r}")


_py_float, _py_int, _py_bool = type(0.0), type(0), bool  # noqa: UP003 -- `float` and `int` are dtypes here


def get_default_dtype() -> dtype:
    """The type that Python floats, and integer arguments of floating functions, become."""
    return from_numpy(_default)


def set_default_dtype(d: dtype) -> None:
    """Choose the default float: float16, float32 or float64; TypeError for any other."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            f"set_default_dtype(): only floating-point types are supported as the default, got {d}"
        )
    _default = d.np


def default_float() -> np.dtype:
    """NumPy's twin of the default float."""
    return _default


def promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """What arrays of types `a` and `b` become together: the float wins over an integer and keeps its size."""
    if a is b:
        return a
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


def _combine(strong: np.dtype | None, weak: np.dtype | None) -> np.dtype | None:
    """`weak` counts only where its category (bool < integer < float) is above that of `strong`."""
    if strong is None or weak is None:
        return strong if weak is None else weak
    if strong.kind == "f":
        return strong
    if strong.kind == "b" or weak.kind == "f":
        return promote_types(strong, weak)
    return strong


def of_scalar(value: Any) -> np.dtype:
    """The type a Python number becomes: bool, int64 or the default float."""
    return BOOL if isinstance(value, _py_bool) else INT64 if isinstance(value, _py_int) else _default


def result_type(*operands: Any) -> np.dtype:
    """The common type of arrays and Python numbers: arrays first, then 0-d arrays, then numbers."""
    dimensioned = zero_dim = number = None
    for v in operands:
        if not isinstance(v, (np.ndarray, np.generic)) and not hasattr(v, "ndim"):
            number = of_scalar(v) if number is None else promote_types(number, of_scalar(v))
        elif v.ndim:
            dimensioned = v.dtype if dimensioned is None else promote_types(dimensioned, v.dtype)
        else:
            zero_dim = v.dtype if zero_dim is None else promote_types(zero_dim, v.dtype)
    found = _combine(_combine(dimensioned, zero_dim), number)
    return _default if found is None else found


def can_cast(source: np.dtype, target: np.dtype) -> bool:
    """Whether a result of type `source` may be stored in place as `target`: never down a category."""
    order = "biuf"
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    assert source.kind in order and target.kind in order
    return rank[source.kind] <= rank[target.kind]


class finfo:  # noqa: N801 -- PyTorch's name
    """Limits of a floating type: bits, eps, max, min, tiny, smallest_normal, resolution, dtype."""

    def __init__(self, type: dtype | None = None) -> None:
        d = get_default_dtype() if type is None else type
        if not isinstance(d, dtype) or not d.is_floating_point:
            raise TypeError(f"finfo() requires a floating point type, got {d}; use iinfo for integers")
        info = np.finfo(d.np)
        self.bits, self.dtype = info.bits, d.name
        self.eps, self.max, self.min = _py_float(info.eps), _py_float(info.max), _py_float(info.min)
        self.tiny = self.smallest_normal = _py_float(info.smallest_normal)
        self.resolution = 10.0**-info.precision

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        shown = ", ".join(f"{k}={getattr(self, k):g}" for k in names)
        return f"finfo({shown}, dtype={self.dtype})"


class iinfo:  # noqa: N801 -- PyTorch's name
    """Limits of an integer type: bits, max, min, dtype."""

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype) or type.np.kind not in "iu":
            raise TypeError(f"iinfo() requires an integer type, got {type}; use finfo for floats")
        info = np.iinfo(type.np)
        self.bits, self.max, self.min, self.dtype = info.bits, _py_int(info.max), _py_int(info.min), type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


e, pi, inf, nan = math.e, math.pi, math.inf, math.nan


_LARGEST = {FLOAT16: 65504.0, FLOAT32: _py_float(np.finfo(np.float32).max), FLOAT64: math.inf}


def check_size(value: Any, kind: np.dtype) -> None:
    """RuntimeError for a finite number beyond the largest of a float type, which would become inf."""
    if kind in _LARGEST and type(value) in (_py_float, _py_int):
        if not -_LARGEST[kind] <= value <= _LARGEST[kind] and math.isfinite(value):
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value}")


def stored(value: Any, kind: np.dtype) -> np.ndarray:
    """A number (or numbers) as an array of this type; floats are truncated for integers.

    RuntimeError for what the type does not hold, as in PyTorch: nan, inf and numbers out of range, where
    unsigned types take integers from the negative of their largest on. Of floats only Python's numbers are
    looked at: arrays become inf, as when they are cast.
    """
    check_size(value, kind)
    a = np.asarray(value)
    if kind.kind in "iu" and a.dtype.kind != "b" and a.size:
        most = np.iinfo(kind).max
        low = -most if kind.kind == "u" and a.dtype.kind != "f" else np.iinfo(kind).min
        if not ((a >= low) & (a <= most)).all():
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
    with np.errstate(invalid="ignore", over="ignore"):
        if kind == FLOAT16 and a.dtype == FLOAT64:
            a = a.astype(np.float32)  # rounded twice, as in PyTorch
        return a.astype(kind, copy=False)
