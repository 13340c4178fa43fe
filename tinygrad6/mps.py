"""torch.mps on a machine without it; torch.xpu and torch.mtia are the same."""

from __future__ import annotations


def is_available() -> bool:
    """False: tinygrad6 computes on the CPU only."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no such generator."""


def empty_cache() -> None:
    """Nothing: there is no such memory."""
