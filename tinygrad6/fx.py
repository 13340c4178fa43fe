"""torch.fx, as far as model files mention it: functions are marked for tracing, and nothing is traced."""

from __future__ import annotations

from typing import Any


def wrap(fn_or_name: Any) -> Any:
    """The function, or its name, itself."""
    return fn_or_name


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'tinygrad6.fx' has no attribute {name!r}: programs are not traced")
