"""torch.cuda on a machine without it: it is not available, and seeds and caches there need no care."""

from __future__ import annotations

from typing import Any

from tinygrad6.amp import module_of
from tinygrad6.ops.typed import DTYPES, tensortype

amp = module_of("cuda")


def is_available() -> bool:
    """False: tinygrad6 computes on the CPU only."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no such generator."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no such generator."""


def empty_cache() -> None:
    """Nothing: there is no such memory."""


def ipc_collect() -> None:
    """Nothing: there is no such memory."""


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: there is no such memory."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in DTYPES:
        return tensortype(name, DTYPES[name], "tinygrad6.cuda")

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(
            f"cuda.{name}: Torch not compiled with CUDA enabled: tinygrad6 computes on the CPU only"
        )

    known = (
        "current_device",
        "set_device",
        "synchronize",
        "get_device_name",
        "get_device_properties",
        "init",
    )
    if name in known + (
        "get_device_capability",
        "current_stream",
        "mem_get_info",
        "memory_summary",
        "stream",
        "Stream",
        "Event",
    ):
        return refused
    raise AttributeError(f"tinygrad6.cuda has no {name!r}: tinygrad6 computes on the CPU only")
