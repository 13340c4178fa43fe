"""Sizes as tuples: the helpers of torch.nn.modules.utils."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .conv import ntuple


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """A function that makes a tuple of a number n times, or of a sequence."""

    def parse(x: Any) -> tuple:
        return ntuple(x, n)

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (
    _ntuple(n, name) for n, name in enumerate(("_single", "_pair", "_triple", "_quadruple"), 1)
)


def _list_with_default(out_size: list[int | None], defaults: list[int]) -> list[int]:
    """The sizes, those that are None taken from the end of `defaults`; ValueError if there are too few."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [d if v is None else v for v, d in zip(out_size, defaults[-len(out_size) :], strict=True)]


def _reverse_repeat_tuple(t: Iterable, n: int) -> tuple:
    """The elements from the last to the first, each n times: F.pad's order from a convolution's."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: Any, prefix: str) -> None:
    """Take a prefix off all keys that have it, in place: "module." of a model saved inside DataParallel."""
    for key in [k for k in state_dict if k.startswith(prefix)]:
        state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", {})  # by module, so without the dot for the outermost
    for key in [k for k in metadata if k and (k.startswith(prefix) or k == prefix.rstrip("."))]:
        metadata[key[len(prefix) :]] = metadata.pop(key)
