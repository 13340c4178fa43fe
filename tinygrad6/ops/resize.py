"""Resizing: nearest, linear and cubic interpolation, antialiased or not, as a Map for each dimension."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from tinygrad6.arguments import composite
from tinygrad6.op import COMPOSITES, case
from tinygrad6.ops.taps import Map, from_table, gather_taps
from tinygrad6.tensor import Tensor

# modes for so many spatial dimensions only
DIMENSIONS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
SUPPORT = {"linear": 2, "cubic": 4, "lanczos": 6}  # how many inputs a filter spans


def _scale(size: int, made: int, align: bool, factor: float | None, kind: Any) -> Any:
    """How far apart outputs are, in inputs, in the arithmetic of `kind`."""
    if align:
        return kind(size - 1) / kind(made - 1) if made > 1 else kind(0)
    return kind(1.0 / factor) if factor else kind(size) / kind(made)


def cubic_weights(t: Any, a: float) -> list:
    """The weights of the elements at -1, 0, 1, 2 for a point at t in [0, 1): Keys 1981, equation 4."""
    near = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1
    far = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@functools.lru_cache(256)
def _map(mode: str, size: int, made: int, align: bool, factor: float | None, kind: Any) -> Map:
    """The taps of one dimension for mode "nearest", "nearest-exact", "linear" or "cubic"."""
    if mode.startswith("nearest"):
        kind = np.float32  # in PyTorch whatever the type
    scale, i = _scale(size, made, align, factor, kind), np.arange(made).astype(kind)
    half = kind(0.5)
    if mode.startswith("nearest"):
        at = np.floor((i + half if mode == "nearest-exact" else i) * scale).astype(np.int64)
        return from_table(size, np.minimum(at, size - 1)[:, None])
    x = i * scale if align else (i + half) * scale - half
    if mode == "linear":
        x = np.maximum(x, 0)
        first = np.minimum(np.floor(x).astype(np.int64), size - 1)
        t = x - first.astype(kind)
        if made == size:  # nothing between elements
            return from_table(size, np.arange(size)[:, None])
        return from_table(
            size, np.stack([first, np.minimum(first + 1, size - 1)], 1), np.stack([1 - t, t], 1)
        )
    first = np.minimum(np.floor(x).astype(np.int64), size - 1)
    t = np.clip(x - first.astype(kind), 0, 1)
    at = np.clip(first[:, None] + np.arange(-1, 3), 0, size - 1)
    return from_table(size, at, np.stack(cubic_weights(t, -0.75), 1))


def _filter(mode: str, x: np.ndarray) -> np.ndarray:
    """The weight at distance x: a triangle, a cubic with a = -0.5, or a windowed sinc with three lobes."""
    x = np.abs(x)
    if mode == "linear":
        return np.maximum(1 - x, 0)
    if mode == "lanczos":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)
    a = -0.5
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


@functools.lru_cache(256)
def _smooth_map(mode: str, size: int, made: int, align: bool, factor: float | None, kind: Any) -> Map:
    """Antialiased: the filter is as wide as outputs lie apart, and its weights add up to 1."""
    scale = _scale(size, made, align, factor, kind)
    wide = max(scale, kind(1))
    reach = kind(SUPPORT[mode] / 2) * wide
    inputs, weights = [], []
    for i in range(made):
        center = scale * (kind(i) + kind(0.5))
        first, last = max(int(center - reach + kind(0.5)), 0), min(int(center + reach + kind(0.5)), size)
        at = np.arange(first, last)
        w = _filter(mode, (at.astype(kind) - center + kind(0.5)) / wide).astype(kind)
        total = w.sum()
        inputs.append(at)
        weights.append(w / total if total else w)
    return from_table(size, inputs, weights)


def _sizes(x: Tensor, size: Any, factor: Any, again: bool | None) -> tuple[tuple, tuple]:
    """Output sizes, and scale factors where used; ValueError unless exactly one of the two is given."""
    given = x.array.shape[2:]
    d = len(given)
    if size is not None and factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and factor is None:
        raise ValueError("either size or scale_factor should be defined")
    value = factor if size is None else size
    if isinstance(value, (list, tuple)) and len(value) != d:
        what = "scale_factor" if size is None else "output"
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(given)} and {what} of {value}. Please provide input tensor in (N, C, d1, "
            "d2, ...,dK) format."
        )
    each = tuple(value) if isinstance(value, (list, tuple)) else (value,) * d
    if size is not None:
        if any(not isinstance(n, (int, np.integer)) for n in each):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], "
                f"but got size with types {[type(n) for n in each]}"
            )
        if again:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(int(n) for n in each), (None,) * d
    made = tuple(int(math.floor(float(n) * f)) for n, f in zip(given, each, strict=True))
    return made, (None,) * d if again else tuple(float(f) for f in each)


def _check_mode(mode: str, d: int, align_corners: bool | None, antialias: bool) -> None:
    """Errors for a mode that does not go with d dimensions or with the options."""
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and d == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            "tensor as input"
        )
    if (
        d not in (1, 2, 3)
        or DIMENSIONS.get(mode, 2 if mode == "lanczos" else d) != d
        or (mode not in DIMENSIONS and mode not in ("nearest", "nearest-exact", "area", "lanczos"))
    ):
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{d + 2}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area | "
            f"nearest-exact (got {mode})"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and does not support align_corners=True")


@composite(
    method=False,
    public=False,
    examples=[
        case((1, 2, 3), scale_factor=2),
        case((1, 1, 3, 4), size=(5, 3), mode="bilinear"),
        case((1, 1, 3, 4), size=(5, 3), mode="bicubic", align_corners=True),
        case((1, 1, 5, 4), size=(2, 3), mode="bilinear", antialias=True),
        case((1, 1, 2, 3, 2), scale_factor=(1.5, 2, 1), mode="trilinear"),
    ],
    torch="nn.functional.interpolate",
)
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input (N, C, *) resized to `size`, or to scale_factor times its size, rounded down.

    Both are one number or one per dimension.
    Modes: "nearest" takes element floor(i / scale), "nearest-exact" the one at the centre, "area" means as in
    adaptive_avg_pool2d, in one to three dimensions; "linear" (N, C, L), "bilinear", "bicubic" (a = -0.75)
    and, antialiased only, "lanczos" (N, C, H, W), "trilinear" (N, C, D, H, W). Element i stands for [i, i +
    1), or with align_corners for the point i, first on first and last on last. antialias: a wider filter
    where the image shrinks. recompute_scale_factor: the scale is that of the rounded sizes. Elements beyond
    the edge are those at the edge. ValueError for arguments that contradict each other, NotImplementedError
    for a mode and input that do not go together, and for integers, except by nearest in uint8.

    >>> import tinygrad6 as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[0.0, 1.0]]]), scale_factor=2, mode="linear").tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """
    x, d = input.array, input.array.ndim - 2
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )
    made, factors = _sizes(
        input, size, scale_factor, recompute_scale_factor or (mode == "area" and size is None)
    )
    _check_mode(mode, d, align_corners, antialias)
    if mode == "area":
        return COMPOSITES[f"adaptive_avg_pool{d}d"](input, made)
    if min(made) < 1 or 0 in x.shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(x.shape)} and output "
            f"{list(made)}"
        )
    if x.dtype.kind != "f" and not (x.dtype == np.uint8 and mode.startswith("nearest")):
        raise NotImplementedError(
            f"interpolate: mode={mode!r} for {input.dtype}; convert the input to float first"
        )
    kind = np.float64 if x.dtype.char == "d" else np.float32
    method = {"bicubic": "cubic", "bilinear": "linear", "trilinear": "linear"}.get(mode, mode)
    make = _smooth_map if antialias else _map
    return gather_taps(
        input,
        tuple(
            make(method, n, m, bool(align_corners), f, kind)
            for n, m, f in zip(x.shape[2:], made, factors, strict=True)
        ),
    )


@composite(method=False, public=False, examples=[])
def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, under its older name, which warns."""
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite(method=False, public=False, examples=[])
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate by nearest neighbours, under its older name, which warns."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, "nearest")


@composite(method=False, public=False, examples=[])
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate bilinearly, corners aligned, under its older name, which warns."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, "bilinear", True)
