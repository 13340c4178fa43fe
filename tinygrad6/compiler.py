"""torch.compiler beside a `compile` that returns the function itself: nothing is compiled, so there is
nothing to reset, or to keep from it."""

from __future__ import annotations

from typing import Any

from tinygrad6.settings import compile as compile


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """fn itself; without fn a decorator that returns its function."""
    return (lambda function: function) if fn is None else fn


allow_in_graph = assume_constant_result = disable


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Nothing: there is no compiled code to forget."""


def cudagraph_mark_step_begin() -> None:
    """Nothing: there are no CUDA graphs."""
