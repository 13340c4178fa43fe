"""What the annotations of a function promise, kept: `checked` refuses other types, as PyTorch's parser does.

    @composite()
    def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor: ...

    narrow(x, 0, 1.5, 2)     TypeError: narrow(): argument 'start' (position 3) must be int, not float

The tests are written out as the lines of a function and compiled when it is first called (compiling all of
them would take a fifth of the time of import); each costs one comparison of types. What is not of the very
type is looked at again: NumPy's numbers and 0-d tensors without gradient become Python's, as in PyTorch.

Types only: values are checked by the functions themselves, and what fails unforeseen is told by accidents.py
(docs/engine.md, "The way of a call").
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import dispatch, op
from tinygrad6.accidents import told
from tinygrad6.tensor import TENSORS, Tensor


LEAST, MOST = -(1 << 63), (1 << 63) - 1  # of 64-bit integers


def _place(name: str, position: int) -> str:
    return f"'{name}' (position {position})" if position else f"'{name}'"


def refused(function: str, name: str, position: int, expected: str, value: Any) -> TypeError:
    came = type(value).__name__
    return TypeError(f"{function}(): argument {_place(name, position)} must be {expected}, not {came}")


def plain(value: Any) -> Any:
    """NumPy's numbers and 0-d tensors without gradient as Python's numbers; anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor) and not value.array.ndim and value.node is None:
        return value.array.item()
    return value


def truth(function: str, name: str, position: int, value: Any) -> bool:
    raise refused(function, name, position, "bool", value)


def whole(function: str, name: str, position: int, value: Any) -> int:
    number = plain(value)
    if type(number) is not int:
        raise refused(function, name, position, "int", value)
    if not LEAST <= number <= MOST:
        raise ValueError(f"{function}(): argument {_place(name, position)}: {number} is beyond 64 bits")
    return number


def scalar(function: str, name: str, position: int, value: Any) -> Any:
    """A number of any type."""
    number = plain(value)
    if not isinstance(number, (bool, int, float)):
        raise refused(function, name, position, "Number", value)
    return number


def real(function: str, name: str, position: int, value: Any) -> float:
    number = plain(value)
    if isinstance(number, bool):
        return float(number)
    if not isinstance(number, (int, float)):
        raise refused(function, name, position, "float", value)
    return number


def text(function: str, name: str, position: int, value: Any) -> str:
    raise refused(function, name, position, "str", value)


def several(function: str, name: str, position: int, value: Any) -> Any:
    """A tuple of ints, or one."""
    if type(value) in (tuple, list):
        for v in value:
            if type(v) is not int or not LEAST <= v <= MOST:
                break
        else:
            return value
    if isinstance(value, (tuple, list)):
        numbers = tuple(map(plain, value))
        for i, number in enumerate(numbers):
            if type(number) is not int:
                raise TypeError(
                    f"{function}(): argument {_place(name, position)} must be tuple of ints, but found "
                    f"element of type {type(value[i]).__name__} at pos {i}"
                )
            if not LEAST <= number <= MOST:
                raise TypeError(
                    f"{function}(): argument {_place(name, position)}: {number} at pos {i} is beyond 64 bits"
                )
        return numbers
    if type(plain(value)) is not int:
        raise refused(function, name, position, "tuple of ints", value)
    return whole(function, name, position, value)


def tensor(function: str, name: str, position: int, value: Any) -> Any:
    if not isinstance(value, (Tensor, np.ndarray, np.generic)):  # arrays come from rules
        raise refused(function, name, position, "Tensor", value)
    return value


def tensors(function: str, items: Any) -> Any:
    """Several tensors, given as a sequence."""
    if not isinstance(items, (tuple, list)):
        raise refused(function, "tensors", 1, "tuple of Tensors", items)
    for i, t in enumerate(items):
        if not isinstance(t, (Tensor, np.ndarray)):
            raise TypeError(f"{function}(): expected Tensor as element {i}, but got {type(t).__name__}")
    return items


Text = Any  # the annotation of a string that PyTorch's parser checks: most choices are looked at later
Ints = Any  # the annotation of an int or a tuple of them, one for each dimension
TESTS: dict[str, tuple[str, Callable[..., Any]]] = {  # annotation -> when to look again, and how
    "Tensor": ("type({n}) not in TENSORS", tensor),
    "bool": ("type({n}) is not bool", truth),
    "int": (f"type({{n}}) is not int or not {LEAST} <= {{n}} <= {MOST}", whole),
    "Text": ("not isinstance({n}, str)", text),
    "float": ("type({n}) is not float and type({n}) is not int", real),
    "Ints": (f"type({{n}}) is not int or not {LEAST} <= {{n}} <= {MOST}", several),
}


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which refuses arguments of other types than those it is annotated with.

    TypeError, before anything is done, names the function, the argument, its position, and what came.
    """
    code, kinds = function.__code__, function.__annotations__
    if code.co_flags & 0x0C:  # * or **
        return op.checked_tensors(function, function)
    count = code.co_argcount + code.co_kwonlyargcount
    if not any(kinds.get(n, "").removesuffix(" | None") in TESTS for n in code.co_varnames[:count]):
        return function
    made: Callable[..., Any] | None = None
    spellings = dispatch.renames(code.co_varnames[:count])

    @functools.wraps(function)
    def entry(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        if made is None:
            made = _compiled(function)
        if kwargs and not spellings.keys().isdisjoint(kwargs):
            kwargs = dispatch.renamed(kwargs, spellings, function.__name__)
        return made(*args, **kwargs)

    return entry


def _compiled(function: Any) -> Any:
    """The tests in front of a call of `function`, under its signature."""
    code, kinds = function.__code__, function.__annotations__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    head, body, given = [], [], []
    for i, n in enumerate(names):
        if i == code.co_argcount:
            head.append("*")
        head.append(n)
        given.append(n if i < code.co_argcount else f"{n}={n}")
        kind, _, optional = kinds.get(n, "").partition(" | ")
        if kind in TESTS and optional in ("", "None"):
            test, convert = TESTS[kind]
            test = test.format(n=n)
            test = f"{n} is not None and ({test})" if optional else test
            again = f"{convert.__name__}_({function.__name__!r}, {n!r}, {i + 1}, {n})"
            body.append(f"    if {test}: {n} = {again}")
    space: dict[str, Any] = {f"{f.__name__}_": f for _, f in TESTS.values()}
    space |= {"TENSORS": TENSORS, "call_": function, "told_": told, "__name__": __name__}
    # Not under its own name, which would hide a builtin from the tests: there is a method `type`.
    call = f"call_({', '.join(given)})"
    tell = f"told_(e, {function.__name__!r}, ({''.join(f'{n}, ' for n in names)}), {{}})"
    lines = [
        f"def made_({', '.join(head)}):",
        *body,
        "    try:",
        f"        return {call}",
        "    except Exception as e:",
        f"        if (better := {tell}) is not None: raise better from e",
        "        raise",
    ]
    exec("\n".join(lines), space)
    made = space["made_"]
    made.__name__, made.__qualname__ = function.__name__, function.__qualname__
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return made


def composite(**facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`op.composite` of a function whose annotations are kept."""
    register = op.composite(**facts)
    return lambda function: register(checked(function))
