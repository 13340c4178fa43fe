"""Modules that are a function with its settings kept, made from one line each:
most activations and losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from .module import Module

REQUIRED = inspect.Parameter.empty
_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


class _Tabled(Module):
    """A module whose constructor takes `settings` and whose forward calls `function` with them."""

    function: Callable[..., Any]
    settings: tuple[str, ...] = ()  # passed on to the function, by keyword
    kept: tuple[str, ...] = ()  # those of the settings that are part of the state_dict
    shown: tuple[str, ...] = ()  # those in repr; "[name]" without its name, "inplace" only if it is true
    accepts: inspect.Signature  # of the constructor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            given = self.accepts.bind(*args, **kwargs)
        except TypeError as e:
            raise TypeError(f"{type(self).__name__}.__init__() {e}") from None
        given.apply_defaults()
        self._set(dict(given.arguments))

    def _set(self, given: dict[str, Any]) -> None:
        for name, value in given.items():
            if name in self.kept:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        own = self.__dict__
        return self.function(*inputs, **named, **{name: own[name] for name in self.settings})

    def extra_repr(self) -> str:
        parts = []
        for name in self.shown:
            value = self.__dict__[name.strip("[]")]
            if name == "inplace":
                parts += ["inplace=True"] if value else []
            else:
                text = repr(value) if name == "approximate" else f"{value}"  # as PyTorch has it
                parts.append(text if name[0] == "[" else f"{name}={text}")
        return ", ".join(parts)


def module(
    name: str,
    function: Callable[..., Any],
    settings: dict[str, Any],
    shown: str = "",
    buffers: str = "",
    base: type[_Tabled] = _Tabled,
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD,
) -> Any:
    """A Module class: its name, its function, its constructor's arguments with their defaults."""
    parameters = [inspect.Parameter(n, kind, default=d) for n, d in settings.items()]
    frame = inspect.currentframe()
    where = frame.f_back.f_globals["__name__"] if frame and frame.f_back else __name__
    made: Any = type(
        name,
        (base,),
        {
            "function": staticmethod(function),
            "settings": tuple(n for n in settings if n not in ("size_average", "reduce")),
            "kept": tuple(buffers.split()),
            "shown": tuple(shown.split()),
            "accepts": inspect.Signature(parameters),
            "__doc__": function.__doc__,
            "__module__": where,
        },
    )
    tell(made, "__init__", parameters)
    code, given = inspect.unwrap(function).__code__, len(inspect.unwrap(function).__defaults__ or ())
    inputs = [n for n in code.co_varnames[: code.co_argcount - given] if n not in settings]
    tell(made, "forward", [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in inputs])
    return made


def tell(made: Any, name: str, parameters: list[inspect.Parameter]) -> None:
    """Give the class a copy of a method that tells help() and inspect its parameters."""
    f = getattr(made, name)
    told: Any = FunctionType(f.__code__, f.__globals__, name, f.__defaults__, f.__closure__)
    told.__qualname__, told.__doc__, told.__kwdefaults__ = (
        f"{made.__name__}.{name}",
        f.__doc__,
        f.__kwdefaults__,
    )
    told.__signature__ = inspect.Signature([_SELF, *parameters])
    setattr(made, name, told)
