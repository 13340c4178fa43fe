"""Objects in checkpoints: what `save(model, ...)` writes and `load(..., weights_only=False)` rebuilds.

An object is written as the name of its class and its attributes. Reading makes an empty object of that
class, which the program must have defined or imported itself, and gives it the attributes, through its
`__setstate__` if it has one. Nothing is imported, and no function is called because a file names it, which
is what makes a foreign pickle dangerous. But a file chooses the attributes, and they may be functions of the
program that run when the object is used: hence only where `weights_only=False` says that it is trusted.
"""

from __future__ import annotations

import copyreg
import datetime
import enum
import functools
import pathlib
import sys
from collections import defaultdict, deque
from pickle import UnpicklingError
from types import BuiltinFunctionType, FunctionType
from typing import Any

from tinygrad6.pickle_reader import Reader, _key
from tinygrad6.pickle_writer import Writer
from tinygrad6.settings import layout, memory_format

# Types whose objects are rebuilt by a call, and are harmless to call
_CALLED: tuple[type, ...] = (enum.Enum, pathlib.PurePath, functools.partial, defaultdict, deque, slice, range)
_CALLED += (datetime.date, datetime.time, datetime.timedelta)
_HOMES = ("tinygrad6", "tinygrad6.nn.functional")  # of functions that do not know where they are found


def find(module: str, name: str) -> Any:
    """The class, function or layout of this name in a module that is imported; None for anything else."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    function = isinstance(found, FunctionType | BuiltinFunctionType) and module != "builtins"
    return found if function or isinstance(found, type | layout | memory_format) else None


def _home(v: Any) -> tuple[str, str] | None:
    """Where a class or function is found again, or None: pickles hold it by its name."""
    name = v.__qualname__
    return next(((m, name) for m in (v.__module__, *_HOMES) if m and find(m, name) is v), None)


def write(writer: Writer, v: Any, key: Any) -> None:
    """Any object that says, as for pickle and copy, of which class it is and what it holds."""
    if isinstance(v, type | FunctionType | BuiltinFunctionType):
        if (home := _home(v)) is None:
            writer._refuse(v)
        module, name = home
        writer._global("__builtin__" if module == "builtins" else module, name)
        return
    try:
        reduced = v.__reduce_ex__(2)
    except TypeError:
        writer._refuse(v)
    if isinstance(reduced, str):
        if find(type(v).__module__, reduced) is not v:
            writer._refuse(v)
        writer._global(type(v).__module__, reduced)
        return
    function, args, state, items, pairs = (*reduced, None, None, None)[:5]
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        function, *args = args
        code = b"\x81"
    elif isinstance(function, type) and issubclass(function, _CALLED):
        code = b"R"
    else:
        writer._refuse(v)
    if _home(function) is None:
        writer._refuse(v)
    writer._value(function)
    writer._tuple(tuple(args))
    writer.data += code
    writer._put(key)
    if items is not None:
        writer._items(list(items), b"e")
    if pairs is not None:
        writer._pairs(dict(pairs))
    if state is not None:
        writer._value(state)
        writer.data += b"b"


class ObjectReader(Reader):
    """A Reader that rebuilds objects too: of the classes in `safe`, by their full names; of any, if None."""

    def __init__(self, safe: dict[str, Any] | None, *args: Any) -> None:
        super().__init__(*args)
        self.safe = safe
        self.made: dict[int, Any] = {}  # what a file may change: never what was here before

    def _find(self, module: str, name: str) -> None:
        home = "builtins" if module == "__builtin__" else module
        full = f"{home}.{name}"
        if full in self.globals or self.safe is not None and full not in self.safe:
            super()._find(module, name)
            return
        found = find(home, name) if self.safe is None else self.safe[full]
        if found is None:
            raise UnpicklingError(
                f"the file asks for {full}: a class or function of this name must be defined or "
                "imported here before"
            )
        self.stack.append(found)

    def _made(self, value: Any) -> None:
        self.made[id(value)] = value
        self.stack.append(value)

    def _new(self) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        if not isinstance(cls, type) or args and not issubclass(cls, (tuple, str, int, float)):
            raise UnpicklingError(f"the file asks for an object of {cls!r} with arguments, which is refused")
        self._made(cls.__new__(cls, *args))

    def _reduce(self) -> None:
        args, function = self.stack[-1], self.stack[-2]
        if isinstance(function, type) and issubclass(function, _CALLED) and type(args) is tuple:
            del self.stack[-2:]
            self._made(function(*args))
        elif isinstance(function, type | FunctionType | BuiltinFunctionType):
            raise UnpicklingError(
                f"the file asks for a call of {function.__module__}.{function.__qualname__}, which is refused"
            )
        else:
            super()._reduce()

    def _build(self) -> None:
        target = self.stack[-2]
        if id(target) not in self.made:
            super()._build()
            return
        state = self.stack.pop()
        if hasattr(target, "__setstate__"):
            target.__setstate__(state)
            return
        attributes, slots = state if type(state) is tuple else (state, None)
        if attributes:
            vars(target).update(attributes)
        for name, value in (slots or {}).items():
            setattr(target, name, value)

    def _append(self, items: list) -> None:
        target = self.stack[-1]
        if id(target) in self.made and isinstance(target, list | deque):
            target.extend(items)
        else:
            super()._append(items)

    def _set_items(self, items: list) -> None:
        target = self.stack[-1]
        if id(target) in self.made and isinstance(target, dict):
            target.update((_key(k), v) for k, v in zip(items[::2], items[1::2]))
        else:
            super()._set_items(items)
