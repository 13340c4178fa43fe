"""Padding: with a constant, or with what is inside, reflected, repeated or continued from the other side."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from tinygrad6.arguments import Text, composite
from tinygrad6.op import case
from tinygrad6.ops.shape import crop, pad_constant
from tinygrad6.ops.taps import Map, from_table, gather_taps
from tinygrad6.tensor import Tensor


@composite(
    method=False,
    examples=[case((2, 3), pad=(1, 2)), case((2, 3), pad=(-1, 1, 2, -1), value=0.5)],
    torch="constant_pad_nd",
)
def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """x with `value` around it, or less of x.

    pad is (left, right) of the last dimension, then of the one before, ...; negative ones cut off.
    RuntimeError for an odd number of them, more than two for each dimension, or nothing left of a dimension.
    """
    pad, shape = [operator.index(n) for n in pad], input.array.shape
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length "
            f"is {len(pad)} while the input has {len(shape)} dimensions."
        )
    width = [(0, 0)] * (len(shape) - len(pad) // 2) + _pairs(pad)
    made = [n + a + b for n, (a, b) in zip(shape, width, strict=True)]
    if min(made, default=0) < 0:
        raise RuntimeError(
            f"The input size {list(shape)}, plus negative padding {pad} resulted in a negative output size, "
            f"which is invalid: {made}."
        )
    return pad_constant(_cut(input, width), tuple((max(a, 0), max(b, 0)) for a, b in width), value)


def _cut(x: Tensor, width: list[tuple[int, int]]) -> Tensor:
    """x without what the negative paddings among width, one pair for each dimension, cut off."""
    cut = tuple((max(-a, 0), max(-b, 0)) for a, b in width)
    if any(a + b > n for n, (a, b) in zip(x.array.shape, cut, strict=True)):
        raise RuntimeError(f"pad: cannot cut {cut} off the dimensions of {list(x.array.shape)}")
    return crop(x, cut) if any(map(any, cut)) else x


def _pairs(pad: list[int]) -> list[tuple[int, int]]:
    """(before, after) for each padded dimension, from the front."""
    return [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]


@functools.lru_cache(256)
def _border(mode: str, n: int, before: int, after: int) -> Map:
    """Where each element of a padded dimension of length n comes from."""
    last, at = n - 1, np.arange(-before, n + after)
    if mode == "reflect":
        at = last - np.abs(last - np.abs(at))
    elif mode == "replicate":
        at = np.clip(at, 0, last)
    else:
        at %= max(n, 1)
    return from_table(n, at[:, None])


@composite(
    method=False,
    public=False,
    examples=[
        case((2, 3), pad=(1, 2)),
        case((2, 3, 4), pad=(1, 2, 2, 1), mode="reflect"),
        case((2, 3, 4), pad=(1, 2, -1, 1), mode="replicate"),
        case((2, 3, 4), pad=(1, 2, -1, 1), mode="circular"),
    ],
    torch="nn.functional.pad",
)
def pad(input: Tensor, pad: Any, mode: Text = "constant", value: float | None = None) -> Tensor:
    """x with a border, or less of x.

    pad is (left, right) of the last dimension, then of the one before, ...; negative ones cut off.
    mode "constant" fills with `value` (0 if None), in any number of dimensions. For the last one to three
    dimensions, after one or two others: "reflect" mirrors at the edge elements, "replicate" repeats them,
    "circular" goes on at the other side. RuntimeError for paddings that do not fit, NotImplementedError for
    numbers of dimensions that have no such mode.

    >>> import tinygrad6 as torch
    >>> torch.nn.functional.pad(torch.tensor([[1, 2, 3]]), (2, 1), mode="reflect").tolist()
    [[3, 2, 1, 2, 3, 2]]
    """
    pad, shape = [operator.index(n) for n in pad], input.array.shape
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pad) % 2 or len(pad) > 2 * len(shape):
        raise RuntimeError(
            f"Padding length {len(pad)} must be even, and at most two for each of {len(shape)} dimensions"
        )
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    d = len(pad) // 2
    if d not in (1, 2, 3) or len(shape) not in (d + 1, d + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"pad of {len(pad)} numbers with mode={mode!r}, input of shape {list(shape)}"
        )
    if input.array.dtype.kind == "b" and mode != "circular":
        raise NotImplementedError(f"pad: mode={mode!r} not implemented for 'Bool'; pad it as uint8")
    if mode != "circular" and 0 in shape[len(shape) - d - 1 :]:
        raise RuntimeError(
            f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )
    width = _pairs(pad)
    for n, (a, b) in zip(shape[-d:], width, strict=True):
        _fits(mode, n, a, b, shape)
    if mode != "circular" and all(n + a + b < 1 for n, (a, b) in zip(shape[-d:], width, strict=True)):
        raise RuntimeError(
            f"pad: input {list(shape)} is too small for {pad} with mode={mode!r}: nothing is left"
        )
    if mode == "circular":  # goes on at the other side of what is left
        input = _cut(input, [(0, 0)] * (len(shape) - d) + width)
        shape, width = input.array.shape, [(max(a, 0), max(b, 0)) for a, b in width]
        for n, (a, b) in zip(shape[-d:], width, strict=True):
            _fits(mode, n, a, b, shape)
    return gather_taps(
        input, tuple(_border(mode, n, a, b) for n, (a, b) in zip(shape[-d:], width, strict=True))
    )


def _fits(mode: str, n: int, a: int, b: int, shape: tuple) -> None:
    """RuntimeError if a dimension of length n cannot be padded by (a, b)."""
    if mode == "reflect" and max(a, b) >= n:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: "
            f"padding ({a}, {b}) at a dimension of {n} of input {list(shape)}"
        )
    if mode == "circular" and max(a, b) > n:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if n + a + b < 0:
        raise RuntimeError(
            f"pad: a dimension of {n} padded by ({a}, {b}) has no elements left, with mode={mode!r}, input "
            f"{list(shape)}"
        )
