"""PyTorch's paths to the classes, such as `nn.modules.loss`, for code that imports from them: which file has
the names of which path is in tinygrad6/paths.py."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from tinygrad6.paths import ALIASES

__path__: list[str] = []  # a package, though there is no folder: modules of it are found by their names


def __getattr__(name: str) -> Any:
    if f"nn.modules.{name}" in ALIASES:
        return import_module(f"{__name__}.{name}")
    return getattr(sys.modules[__package__ or "tinygrad6.nn"], name)
