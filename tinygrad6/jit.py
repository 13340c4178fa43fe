"""torch.jit, as far as it leaves the numbers alone: functions and modules are not compiled but returned as
they are. Tracing and files of scripts raise NotImplementedError.

>>> import tinygrad6 as torch
>>> @torch.jit.script
... def double(x):
...     return x + x
>>> double(torch.ones(1))
tensor([2.])
"""

from __future__ import annotations

import builtins
from typing import Any


def _unchanged(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """obj itself."""
    return obj


script = export = script_if_tracing = script_method = _unchanged
freeze = optimize_for_inference = interface = _unchanged
_overload = _overload_method = _script_if_tracing = _unchanged  # torchvision's files use them


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator, with or without arguments, that returns the function itself."""
    return drop if callable(drop) else _unchanged


unused = ignore


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value."""
    return the_value


def is_scripting() -> bool:
    """False."""
    return False


is_tracing = is_scripting
isinstance = builtins.isinstance


def __getattr__(name: str) -> Any:
    if name == "Final":
        from typing import Final

        return Final
    if name in ("ScriptModule", "RecursiveScriptModule"):
        from tinygrad6.nn import Module

        # a class of its own, since programs ask isinstance(model, ScriptModule)
        globals()[name] = type(name, (Module,), {"__module__": __name__})
        return globals()[name]
    if name not in ("trace", "trace_module", "load", "save"):
        raise AttributeError(f"module 'tinygrad6.jit' has no attribute {name!r}: programs are not compiled")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"torch.jit.{name}(): programs are not traced: call the module itself, and save its state_dict"
        )

    return refuse
