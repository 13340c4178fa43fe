"""In which order results lie in memory: the one PyTorch chooses.

It matters where numbers are drawn for a tensor's elements, since dropout, rand_like and the like draw them in
the order of memory, and for `view`, `stride` and `is_contiguous`. NumPy's choice is another where arrays of
different layouts meet. All this is asked only after something was transposed: see `unusual`.

    follow      elementwise operations: the first array that has an opinion decides, as in PyTorch's
                TensorIterator
    plain       most others: row-major
    channels    convolutions, pools, batch norms: channels last if the input has them last
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

unusual = False  # whether this process has seen an array that is not row-major; so that others pay nothing


def axis_order(*arrays: Any, shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """The axes from the outermost in memory to the innermost of what an elementwise operation on `arrays`
    gives. Axes along which an array is repeated leave the choice to the next array; row-major without any."""
    if shape is None:
        shape = arrays[0].shape
    n = len(shape)
    steps = [
        [0] * (n - a.ndim) + [0 if m == 1 else abs(s) for s, m in zip(a.strides, a.shape, strict=True)]
        for a in arrays
    ]

    def wrong(i: int, j: int) -> int:
        """1 if axis i lies outside j, -1 if inside, 0 if no array knows."""
        for s in steps:
            if s[i] and s[j] and s[i] != s[j]:
                return 1 if s[i] > s[j] else -1
            if s[i] and s[i] == s[j] and shape[i] > shape[j]:
                return 1
        return 0

    order = list(range(n - 1, -1, -1))  # innermost first: an insertion sort, as there is no total order
    for i in range(1, n):
        at = i
        for k in range(i - 1, -1, -1):
            said = wrong(order[k], order[at])
            if said > 0:
                order[k], order[at] = order[at], order[k]
                at = k
            elif said < 0:
                break
    return tuple(reversed(order))


def ordered(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A copy of `array` whose axes lie in memory in the given order, outermost first."""
    fresh = np.empty([array.shape[i] for i in order], array.dtype)
    out = fresh.transpose(np.argsort(order)) if len(order) else fresh
    out[...] = array
    return out


def like(array: np.ndarray, dtype: Any) -> np.ndarray:
    """An empty array of another type that lies in memory as `array` does, without gaps."""
    order = axis_order(array)
    fresh = np.empty([array.shape[i] for i in order], dtype)
    return fresh.transpose(np.argsort(order)) if order else fresh


def lies(array: np.ndarray, order: Sequence[int]) -> bool:
    """Whether the axes of `array` lie in that order, without gaps."""
    step = array.itemsize
    for i in reversed(order):
        if array.shape[i] != 1:
            if array.strides[i] != step:
                return False
            step *= array.shape[i]
    return True


def follow(out: np.ndarray, arrays: Sequence[Any]) -> np.ndarray:
    """The result of an elementwise operation on `arrays` in the layout that they give it."""
    given = [a for a in arrays if type(a) is np.ndarray]
    if not given:
        return out
    first = given[0]
    if first.shape == out.shape and (
        first.strides == out.strides or first.flags.c_contiguous and out.flags.c_contiguous
    ):
        return out
    order = axis_order(*given, shape=out.shape)
    return out if lies(out, order) else ordered(out, order)


def plain(array: np.ndarray) -> np.ndarray:
    """The array in row-major order."""
    return array if array.flags.c_contiguous else np.array(array, order="C")


# ---- channels last

_LAST = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


def has_channels_last(a: np.ndarray) -> bool:
    """Whether PyTorch takes a (N, C, H, W) or (N, C, D, H, W) for channels last: with gaps too."""
    order = _LAST.get(a.ndim)
    if order is None or a.strides[1] == 0:
        return False
    least = 0
    for i in reversed(order):
        step = abs(a.strides[i])
        if step == 0 or step < least or (i == 0 and least == abs(a.strides[1])):
            return False
        least = step * a.shape[i] if a.shape[i] > 1 else step
    return True


def channels_last(a: np.ndarray) -> np.ndarray:
    """The array with its channels last in memory; a copy unless it is so."""
    order = _LAST[a.ndim]
    return a if lies(a, order) else ordered(a, order)


def keep_channels(out: Any, like: Any) -> Any:
    """A tensor that a composition made of `like`, laid as its last step would have been in PyTorch: channels
    last if they were, else row-major."""
    if unusual and not (like.array.flags.c_contiguous and out.array.flags.c_contiguous):
        last = out.array.ndim == like.array.ndim and has_channels_last(like.array)
        out.array = channels_last(out.array) if last else plain(out.array)
    return out


def in_format(array: np.ndarray, memory_format: Any) -> np.ndarray:
    """The array as a memory_format asks, a copy where it is not; None and preserve_format ask nothing."""
    global unusual
    name = "" if memory_format is None else str(memory_format).removeprefix("torch.")
    if name == "contiguous_format":
        return plain(array)
    if name in ("", "preserve_format"):
        return array
    rank = 4 if name == "channels_last" else 5
    if array.ndim != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {name} format")
    unusual = True
    return channels_last(array)


def is_in_format(array: np.ndarray, memory_format: Any) -> bool:
    """Whether the array lies in memory as a memory_format says, row-major if None."""
    if memory_format is None or str(memory_format) == "torch.contiguous_format":
        return array.flags.c_contiguous
    rank = 4 if str(memory_format) == "torch.channels_last" else 5
    return array.ndim == rank and lies(array, _LAST[rank])
