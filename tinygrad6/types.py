"""Names of types for annotations: torch.types and torch.nn.common_types."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from types import GenericAlias
from typing import Any

from tinygrad6.dtypes import dtype as _dtype  # noqa: F401 -- PyTorch's names
from tinygrad6.settings import layout as _layout  # noqa: F401
from tinygrad6.tensor import Size, Tensor
from tinygrad6.devices import device as _device

_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_TensorOrTensors = Tensor | Sequence[Tensor]
_size = Size | list[int] | tuple[int, ...]
Number = _Number = int | float | bool
Device = _device | str | int | None
Storage: Any = None

__all__ = ["Device", "Number", "Storage"]


def __getattr__(name: str) -> Any:
    """_size_1_t ... _size_6_t and the like: a number, or one for each dimension."""
    base, _, end = name.strip("_").partition("_")
    parts = end.split("_")
    if base in ("size", "ratio") and len(parts) == 2 and parts[1] == "t":
        kind: Any = int if base == "size" else float
        if parts[0] == "any":
            return kind | GenericAlias(tuple, (kind, ...))
        if parts[0] in "123456":
            return kind | GenericAlias(tuple, (kind,) * int(parts[0]))
    raise AttributeError(f"module 'tinygrad6.types' has no attribute {name!r}")
