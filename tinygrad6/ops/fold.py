"""Windows as columns and back, and the rearrangements of channels and pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6.arguments import Ints, composite
from tinygrad6.layouts import keep_channels
from tinygrad6.op import case, op
from tinygrad6.ops.conv import output_sizes, overlaps, padded, windows
from tinygrad6.ops.shape import clone, permute_to, reshape
from tinygrad6.tensor import Tensor

_COLUMNS = [
    case((1, 2, 3, 4), kernel=(2, 2), stride=(1, 2), padding=(1, 0), dilation=(1, 1)),
    case((2, 1, 5, 5), kernel=(2, 1), stride=(1, 1), padding=(0, 0), dilation=(2, 1)),
]


@op(
    lambda g, x_shape, kernel, stride, padding, dilation: from_columns(
        g, x_shape[2:], kernel, stride, padding, dilation
    ),
    method=False,
    public=False,
    node_name="Im2Col",
    examples=_COLUMNS,
)
def to_columns(x, kernel, stride, padding, dilation):
    """Every window of x (N, C, *size) as a column: (N, C prod(kernel), windows)."""
    sides = tuple((p, p) for p in padding)
    out = output_sizes(x.shape[2:], kernel, stride, sides, dilation)
    seen = windows(padded(x, sides, 2), kernel, out, stride, dilation, 2)
    return np.array(seen, order="C").reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(out))


@op(
    lambda h, kernel, stride, padding, dilation: to_columns(h, kernel, stride, padding, dilation),
    method=False,
    public=False,
    node_name="Col2Im",
    examples=[
        case((1, 8, 8), size=(3, 4), kernel=(2, 2), stride=(1, 2), padding=(1, 0), dilation=(1, 1)),
        case((2, 2, 15), size=(5, 5), kernel=(2, 1), stride=(1, 1), padding=(0, 0), dilation=(2, 1)),
    ],
)
def from_columns(x, size, kernel, stride, padding, dilation):
    """Columns (N, C prod(kernel), windows) added up in (N, C, *size): the adjoint of to_columns."""
    sides = tuple((p, p) for p in padding)
    made = output_sizes(size, kernel, stride, sides, dilation)
    x = x.reshape(len(x), x.shape[1] // math.prod(kernel), *kernel, *made)
    out = np.zeros((len(x), x.shape[1], *size), x.dtype)
    for place, met, of in overlaps(tuple(size), kernel, made, stride, sides, dilation):
        out[:, :, *met] += x[:, :, *place][:, :, *of]
    return out


def _pairs(name: str, floor: int, **settings: Any) -> dict:
    """Each setting as two numbers; RuntimeError unless they are one or two, none below `floor`."""
    for key, value in settings.items():
        if isinstance(value, int):
            value = (value, value)
        if len(value) != 2:
            raise RuntimeError(f"{name}: It is expected {key} equals to 2, but got size {len(value)}")
        if min(value) < floor:
            raise RuntimeError(f"{name}: {key} should be at least {floor}, but got {list(value)}")
        settings[key] = tuple(value)
    return settings


@composite(
    fresh=True,
    method=False,
    public=False,
    examples=[case((1, 2, 3, 4), kernel_size=2), case((2, 4, 4), kernel_size=(2, 3), padding=1, stride=2)],
    torch="nn.functional.unfold",
)
def unfold(
    input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """Every window of input (N, C, H, W) or (C, H, W) as a column of (N, C KH KW, L), L windows.

    Windows in row-major order; C varies slowest in a column. RuntimeError for settings or shapes that do not
    fit.
    """
    given = _pairs("unfold", 1, kernel_size=kernel_size, dilation=dilation, stride=stride) | _pairs(
        "unfold", 0, padding=padding
    )
    shape = input.array.shape
    if len(shape) < 3:
        raise IndexError(f"unfold: Dimension out of range: expected 3D or 4D input, but got {list(shape)}")
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    if input.array.dtype.kind in "iu":
        raise NotImplementedError(f"unfold: floating types only, got {input.array.dtype}")
    how = given["kernel_size"], given["stride"], given["padding"], given["dilation"]
    made = output_sizes(shape[-2:], how[0], how[1], tuple((p, p) for p in how[2]), how[3])
    if min(made) < 1:
        raise RuntimeError(
            f"Given input with spatial size {list(shape[-2:])}, kernel_size={how[0]}, dilation={how[3]}, "
            f"padding={how[2]}, stride={how[1]}, calculated shape of the array of sliding blocks as "
            f"{list(made)}, but its components must be at least one."
        )
    y = to_columns(input if len(shape) == 4 else reshape(input, (1, *shape)), *how)
    return y if len(shape) == 4 else reshape(y, y.array.shape[1:])


@composite(
    method=False,
    public=False,
    examples=[case((1, 8, 6), output_size=(3, 4), kernel_size=2)],
    torch="nn.functional.fold",
)
def fold(
    input: Tensor,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:
    """Columns (N, C KH KW, L) added up where their windows lie in (N, C, *output_size): transposes unfold.

    RuntimeError unless there are as many columns as windows, each of a whole number of channels.
    """
    given = _pairs("fold", 1, kernel_size=kernel_size, dilation=dilation, stride=stride)
    given |= _pairs("fold", 0, padding=padding)
    size = _pairs("fold", 1, output_size=output_size)["output_size"]
    how = given["kernel_size"], given["stride"], given["padding"], given["dilation"]
    shape = input.array.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    if input.array.dtype.kind in "iu":
        raise NotImplementedError(f"fold: floating types only, got {input.array.dtype}")
    if shape[-2] % math.prod(how[0]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={shape[-2]} and kernel_size={how[0]}."
        )
    made = output_sizes(size, how[0], how[1], tuple((p, p) for p in how[2]), how[3])
    if min(made) < 1 or math.prod(made) != shape[-1]:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={how[0]}, dilation={how[3]}, padding={how[2]}, "
            f"stride={how[1]}, expected size of input's dimension 2 to match the calculated number of "
            f"sliding blocks {made[0]} * {made[1]} = {math.prod(made)}, but got input.size(2)={shape[-1]}."
        )
    y = from_columns(input if len(shape) == 3 else reshape(input, (1, *shape)), size, *how)
    return y if len(shape) == 3 else reshape(y, y.array.shape[1:])


# ---- channels and pixels


def _owned(x: Tensor, source: Tensor) -> Tensor:
    """x, or a copy if its elements did not have to move: the result never shares memory with `source`."""
    return keep_channels(x if x.view_of is None else clone(x), source)


@composite(method=False, examples=[case((1, 8, 2, 3), upscale_factor=2)], torch="pixel_shuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r): y[c, h r + i, w r + j] = x[c r^2 + i r + j, h, w].

    RuntimeError for fewer than three dimensions or channels that r^2 does not divide. Shi et al. 2016.
    """
    r, shape = upscale_factor, input.array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    y = permute_to(
        reshape(input, (*lead, c // (r * r), r, r, h, w)), (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    )
    return _owned(reshape(y, (*lead, c // (r * r), h * r, w * r)), input)


@composite(method=False, examples=[case((1, 2, 4, 6), downscale_factor=2)], torch="pixel_unshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W) for r = downscale_factor: undoes pixel_shuffle.

    RuntimeError for fewer than three dimensions or sizes that r does not divide.
    """
    r, shape = downscale_factor, input.array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = shape
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but {h} x {w} "
            f"is not divisible by {r}"
        )
    n = len(lead)
    y = permute_to(
        reshape(input, (*lead, c, h // r, r, w // r, r)), (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    )
    return _owned(reshape(y, (*lead, c * r * r, h // r, w // r)), input)


@composite(method=False, examples=[case((1, 4, 2, 3), groups=2)], torch="channel_shuffle")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """x (N, C, *) with its channels, a table of `groups` rows, read by columns: Zhang et al. 2018.

    RuntimeError for fewer than three dimensions or channels that `groups` does not divide.
    """
    shape = input.array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, c, *size = shape
    if c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    y = permute_to(reshape(input, (n, groups, c // groups, *size)), (0, 2, 1, *range(3, len(shape) + 1)))
    return _owned(reshape(y, shape), input)


@composite(method=False, examples=[case((1, 4, 2, 3), groups=2)], torch="native_channel_shuffle")
def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Another name for channel_shuffle."""
    return channel_shuffle(input, groups)
