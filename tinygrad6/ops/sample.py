"""Sampling images at real coordinates: affine_grid makes the coordinates, grid_sample reads the image there.

A sample is a weighted sum of elements around it. Which elements is a matter of integers, without gradient;
the weights are functions of the coordinates written with ordinary ops, so gradients of every order follow.
Elements outside the image are read from one more row of zeros, so nothing real is multiplied by them.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import warnings
from typing import Any

import numpy as np

from tinygrad6.arguments import composite
from tinygrad6.op import case
from tinygrad6.ops.create import from_numpy
from tinygrad6.ops.gather import embedding
from tinygrad6.ops.linalg import matmul
from tinygrad6.ops.choose import where
from tinygrad6.ops.resize import cubic_weights
from tinygrad6.ops.shape import pad_constant, permute_to, reshape
from tinygrad6.tensor import Tensor, wrap


def _aligned(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            f"{name}: align_corners is False by default; specify align_corners=True for the behavior before "
            "PyTorch 1.3.0",
            stacklevel=3,
        )
        return False
    return align_corners


@composite(
    fresh=True,
    method=False,
    public=False,
    examples=[
        case((2, 2, 3), size=(2, 1, 3, 2), align_corners=False),
        case((1, 3, 4), size=(1, 1, 2, 2, 2), align_corners=True),
    ],
    torch="nn.functional.affine_grid",
)
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Where the pixels of an image lie after an affine map.

    theta (N, 2, 3), size (N, C, H, W) -> (N, H, W, 2), x before y.
    Coordinates go from -1 to 1: with align_corners between the centres of the outermost pixels, else between
    the image's edges. With theta (N, 3, 4) and size (N, C, D, H, W) the same in three dimensions. ValueError
    for shapes or types that do not fit.
    """
    align, size = _aligned("affine_grid", align_corners), tuple(size)
    if theta.array.dtype.kind != "f":
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got "
            f"size {size}."
        )
    d = len(size) - 2
    if theta.array.ndim != 3 or theta.array.shape[1:] != (d, d + 1):
        raise ValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. Got "
            f"{theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.array.shape[0] != size[0]:
        raise RuntimeError(
            f"affine_grid: expected {size[0]} matrices for size {size}, but got {theta.array.shape[0]}"
        )
    kind, along = theta.array.dtype, []
    for n in size[2:]:
        step = np.linspace(-1, 1, n, dtype=kind) if n > 1 else np.zeros(1, kind)
        along.append(step if align else step * kind.type((n - 1) / n))
    grid = np.meshgrid(*along, indexing="ij")[::-1]
    base = np.stack([*grid, np.ones(size[2:], kind)], -1).reshape(1, -1, d + 1)
    return reshape(matmul(wrap(base), permute_to(theta, (0, 2, 1))), (size[0], *size[2:], d))


def _limited(c: Tensor, n: int) -> Tensor:
    """c limited to [0, n - 1], nan to 0; gradient 0 from the limits on."""
    inside = (c > 0) & (c < n - 1)
    return where(inside, c, wrap(np.where(c.array >= n - 1, n - 1, 0).astype(c.array.dtype)))


def _reflected(c: Tensor, low: float, high: float) -> Tensor:
    """c folded into [low, high] by reflection at both."""
    if low == high:
        return c * 0.0
    span = high - low
    c = (c - low) * wrap(np.where(c.array < low, -1, 1).astype(c.array.dtype))
    with np.errstate(invalid="ignore"):
        flips = np.floor(c.array / c.array.dtype.type(span))
        extra = np.fmod(c.array, c.array.dtype.type(span))
    even = flips % 2 == 0
    value = np.where(even, extra + low, span - extra + low).astype(c.array.dtype)
    sign = wrap(np.where(even, 1, -1).astype(c.array.dtype))
    return (c - c.detach()) * sign + wrap(value)


def _inside(c: Tensor, n: int, padding_mode: str, align: bool) -> Tensor:
    """Pixel coordinates c as padding_mode moves those outside."""
    if padding_mode == "zeros":
        return c
    if padding_mode == "reflection":
        c = _reflected(c, 0, n - 1) if align else _reflected(c, -0.5, n - 0.5)
    return _limited(c, n)


def _integers(a: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers in floats as int64; all that is far outside or nan as -10."""
    return np.where((a > -10) & (a < n + 10), a, -10).astype(np.int64)


@composite(
    fresh=True,
    method=False,
    public=False,
    examples=[
        case((1, 2, 3, 4), lambda rng: rng.uniform(-1.2, 1.2, (1, 2, 3, 2)), align_corners=False),
        case(
            (1, 2, 3, 4),
            lambda rng: rng.uniform(-1, 1, (1, 2, 3, 2)),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        ),
        case(
            (2, 1, 2, 3, 2),
            lambda rng: rng.uniform(-1.2, 1.2, (2, 1, 2, 2, 3)),
            padding_mode="reflection",
            align_corners=False,
        ),
    ],
    torch="nn.functional.grid_sample",
)
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input (N, C, H, W) read at grid (N, H', W', 2), x, y in [-1, 1] as in affine_grid: (N, C, H', W').

    mode "bilinear", "nearest" (halves to even) or "bicubic" (a = -0.75). Outside the image padding_mode
    "zeros" reads 0, "border" the nearest pixel, "reflection" what a mirror there shows. input (N, C, D, H, W)
    with grid (N, D', H', W', 3) in three dimensions, not bicubic. nan counts as -1 except with zeros or
    bicubic, where the sample is nan. Jaderberg et al. 2015. ValueError for other modes, RuntimeError for
    shapes and types that do not fit.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    align, x = _aligned("grid_sample", align_corners), input.array
    d, size, made = x.ndim - 2, x.shape[2:], grid.array.shape[1:-1]
    if d not in (2, 3) or grid.array.ndim != x.ndim or grid.array.shape[-1] != d or len(grid.array) != len(x):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions and batch "
            f"size, and as many coordinates as spatial dimensions, but got input {list(x.shape)} and grid "
            f"{list(grid.array.shape)}"
        )
    if 0 in size:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, got {list(x.shape)}"
        )
    if x.dtype.kind != "f":
        raise NotImplementedError(f"grid_sample: floating types only, got {input.dtype}")
    if x.dtype != grid.array.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has {input.dtype} and "
            f"grid has {grid.dtype}"
        )
    if mode == "bicubic" and d == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if x.dtype.char == "e":
        return grid_sample(input.float(), grid.float(), mode, padding_mode, align).half()
    choices = []  # for each dimension: its possible (integer positions, weights)
    for i, n in enumerate(size):
        c = grid[..., d - 1 - i]
        if align:
            c = (c + 1) * ((n - 1) / 2)
        else:  # rounded as in PyTorch, for what falls half way between pixels
            c = (c + 1) * (n / 2) - 0.5 if d == 2 else ((c + 1) * n - 1) / 2
        if mode == "bicubic":
            low = wrap(np.floor(c.array))
            taps = [
                (_inside(low + k, n, padding_mode, align).array, w)
                for k, w in zip(range(-1, 3), cubic_weights(c - low, -0.75), strict=True)
            ]
        else:
            c = _inside(c, n, padding_mode, align)
            low = wrap(np.floor(c.array))
            if mode == "bilinear":
                taps = [(low.array, low + 1 - c), (low.array + 1, c - low)]
            else:  # weight 1, whose gradient is 0 and not missing
                taps = [(np.rint(c.array), where(wrap(np.zeros(c.array.shape, bool)), c, 1.0))]
        choices.append([(_integers(at, n), w) for at, w in taps])
    return _mixed(input, made, choices)


def _mixed(input: Tensor, made: tuple, choices: list) -> Tensor:
    """The sum over one choice for each dimension of the element there times the product of the weights."""
    n, channels, *size = input.array.shape
    rows = n * math.prod(size)
    table = reshape(permute_to(input, (0, *range(2, input.array.ndim), 1)), (rows, channels))
    table = pad_constant(table, ((0, 1), (0, 0)))
    image = np.arange(n).reshape(n, *(1,) * len(made))
    out: Any = None
    for taps in itertools.product(*choices):
        index, valid = image, np.ones((n, *made), bool)
        for (at, _), length in zip(taps, size, strict=True):
            index, valid = index * length + at, valid & (at >= 0) & (at < length)
        weight = functools.reduce(operator.mul, (w for _, w in taps))
        part = embedding(table, from_numpy(np.where(valid, index, rows))) * weight.unsqueeze(-1)
        out = part if out is None else out + part
    return permute_to(out, (0, len(made) + 1, *range(1, len(made) + 1))).contiguous()
