"""torch.accelerator on a machine without one."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False: tinygrad6 computes on the CPU only."""
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def device_count() -> int:
    """0."""
    return 0


def _refused(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = current_device_idx = set_device_index = set_device_idx = synchronize = _refused
current_stream = set_stream = empty_cache = memory_allocated = _refused
