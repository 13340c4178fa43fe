"""torch.cpu: the one device there is."""

from __future__ import annotations

from typing import Any

from tinygrad6.amp import module_of
from tinygrad6.devices import CPU

amp = module_of("cpu")


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The name of the one device, `cpu`."""
    return str(CPU)


def synchronize(device: Any = None) -> None:
    """Nothing: operations are done when they return."""
