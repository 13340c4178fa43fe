"""Errors that nobody raised on purpose, told with the call that led to them.

Not every argument is looked at before it is used: GroupNorm(0, 6) fails where a remainder is computed. What
the interpreter or NumPy says there ("integer modulo by zero") names neither the function nor the argument, so
the public boundary adds the call, once, and keeps the message:

    ZeroDivisionError: GroupNorm(0, 6): integer modulo by zero

An accident is told by its traceback, which leads into NumPy (or `collections`), or ends in this library at
an instruction that is not `raise`. Errors that we raise by name, and those of a function that the user passed
in, stay as they are.
"""

from __future__ import annotations

import functools
import opcode
from collections.abc import Callable
from typing import Any

import numpy as np

_RAISE = opcode.opmap["RAISE_VARARGS"]
_KINDS: dict[type, type] = {  # what is raised instead: types that users expect for wrong arguments
    AttributeError: TypeError,
    ZeroDivisionError: ZeroDivisionError,
    OverflowError: ValueError,
    TypeError: TypeError,
    ValueError: ValueError,
    IndexError: IndexError,
    RuntimeError: RuntimeError,
    np.exceptions.AxisError: IndexError,
}


def nameless(e: Exception) -> Exception:
    """`e`, raised by an operation that users do not know by name: the public function adds its own."""
    e.__dict__["nameless"] = True
    return e


def accident(e: Exception) -> bool:
    """Whether `e` was raised by nobody on purpose, by NumPy, or without a name."""
    trace = e.__traceback__
    if trace is None or trace.tb_next is None:  # the call itself: a missing argument, which Python names
        return False
    if "nameless" in e.__dict__:
        return True
    while True:
        package = (trace.tb_frame.f_globals.get("__name__") or "tinygrad6").partition(".")[0]
        if package in ("numpy", "collections"):
            return True
        if package != "tinygrad6":
            return False
        if trace.tb_next is None:
            return trace.tb_frame.f_code.co_code[trace.tb_lasti] != _RAISE
        trace = trace.tb_next


def told(e: Exception, name: str, args: Any, kwargs: Any) -> Exception | None:
    """The error to raise instead of the accident `e` of name(*args, **kwargs); None if `e` is none."""
    kind = _KINDS.get(type(e))
    if kind is None or not accident(e):
        return None
    given = [*map(brief, args), *(f"{k}={brief(v)}" for k, v in kwargs.items())]
    return kind(f"{name}({', '.join(given)}): {e}")


def brief(value: Any) -> str:
    """An argument in a few words."""
    array = getattr(value, "array", value)
    if isinstance(array, np.ndarray):
        return f"{array.dtype}{list(array.shape)}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value) if len(repr(value)) < 40 else f"{repr(value)[:37]}..."
    if isinstance(value, (list, tuple)) and len(value) < 5:
        inner = ", ".join(map(brief, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return getattr(value, "__name__", type(value).__name__)


def constructor(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` whose accidents are told."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except Exception as e:
            if (better := told(e, type(self).__name__, args, kwargs)) is not None:
                raise better from e
            raise

    return __init__


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose accidents are told."""

    @functools.wraps(function)
    def entry(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as e:
            if (better := told(e, function.__name__, args, kwargs)) is not None:
                raise better from e
            raise

    return entry


def tell_constructor(cls: type, *methods: str) -> None:
    """Have the accidents of a class of this library told, those of `methods` too; users' classes are left
    alone."""
    if cls.__module__.partition(".")[0] == "tinygrad6":
        if "__init__" in cls.__dict__:
            cls.__init__ = constructor(cls.__init__)  # type: ignore[misc]
        for name in cls.__dict__.keys() & methods:
            setattr(cls, name, public(cls.__dict__[name]))
