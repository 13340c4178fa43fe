"""torch.cuda on a machine without it: it is not available, and seeds and caches there need no care."""

from __future__ import annotations

from collections import OrderedDict
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


_initialized = False  # reversible nets, which keep the generators' states, ask for it by this name


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
memory_cached = max_memory_cached = memory_allocated  # their older names


def memory_stats(device: Any = None) -> OrderedDict:
    """Empty: there is no such memory."""
    return OrderedDict()


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: there is no such memory."""


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
reset_accumulated_memory_stats = reset_peak_memory_stats


def seed() -> None:
    """Nothing: there is no such generator."""


seed_all = seed


def get_rng_state_all() -> list:
    """[]: there is no such generator."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Takes what get_rng_state_all gave: nothing."""
    for _ in new_states:
        __getattr__("set_rng_state")()


def get_arch_list() -> list[str]:
    """[]: nothing is compiled for such devices."""
    return []


default_generators: tuple = ()


class OutOfMemoryError(RuntimeError):
    """What scripts catch when a device has no memory left; nothing raises it here."""


class device:  # noqa: N801 -- PyTorch's name
    """A block on a device that is not there: RuntimeError when it begins."""

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        raise RuntimeError(
            f"cuda.device({self.idx!r}): PyTorch was compiled without CUDA support: tinygrad6 computes on "
            "the CPU only"
        )

    def __exit__(self, *error: object) -> None:
        pass


class stream:  # noqa: N801 -- PyTorch's name
    """A block on a stream, of which there is none: stream(None) does nothing; AssertionError for others."""

    def __init__(self, stream: Any) -> None:
        if stream is not None:
            __getattr__("stream")()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        pass


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
    if name == "stream" or name in known + (
        "get_device_capability",
        "default_stream",
        "get_rng_state",
        "set_rng_state",
        "initial_seed",
        "current_blas_handle",
        "set_per_process_memory_fraction",
        "can_device_access_peer",
        "current_stream",
        "mem_get_info",
        "memory_summary",
        "Stream",
        "Event",
    ):
        return refused
    raise AttributeError(f"tinygrad6.cuda has no {name!r}: tinygrad6 computes on the CPU only")
