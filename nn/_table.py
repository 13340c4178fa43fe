"""Modules that are a function with its settings kept, made from one line each:
most activations and losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .module import Module

REQUIRED = inspect.Parameter.empty


class _Tabled(Module):
    """A module whose constructor takes `settings` and whose forward calls `function` with them."""

    function: Callable[..., Any]
    settings: tuple[str, ...] = ()  # passed on to the function, by keyword
    kept: tuple[str, ...] = ()  # those of the settings that are part of the state_dict
    shown: tuple[str, ...] = ()  # those in repr; "[name]" without its name, "inplace" only if it is true
    __signature__: inspect.Signature

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            given = type(self).__signature__.bind(*args, **kwargs)
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
                parts.append(f"{value}" if name[0] == "[" else f"{name}={value!r}")
        return ", ".join(parts)


def module(
    name: str,
    function: Callable[..., Any],
    settings: dict[str, Any],
    shown: str = "",
    buffers: str = "",
    base: type[_Tabled] = _Tabled,
) -> Any:
    """A Module class: its name, its function, its constructor's arguments with their defaults."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(n, kind, default=d) for n, d in settings.items()]
    frame = inspect.currentframe()
    where = frame.f_back.f_globals["__name__"] if frame and frame.f_back else __name__
    return type(
        name,
        (base,),
        {
            "function": staticmethod(function),
            "settings": tuple(n for n in settings if n not in ("size_average", "reduce")),
            "kept": tuple(buffers.split()),
            "shown": tuple(shown.split()),
            "__signature__": inspect.Signature(parameters),
            "__doc__": function.__doc__,
            "__module__": where,
        },
    )
