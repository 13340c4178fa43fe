"""Resizing images by weighted means of the pixels that a new pixel covers: Pillow's method and numbers.

Each new pixel is a mean of old ones, weighted by a filter that is as wide as the new pixel when shrinking
(antialiasing); rows and columns are done one after the other, which is two products with a matrix. For
bytes Pillow computes with weights in units of 2^-22 and rounds after each direction: both are exact in
float64. Here rows always come first; new versions of Pillow begin with columns where an image loses much
height, which can round differently.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np


def _box(x: np.ndarray) -> np.ndarray:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _hamming(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


FILTERS: dict[str, tuple[Callable, float]] = {
    "box": (_box, 0.5),
    "bilinear": (_triangle, 1.0),
    "hamming": (_hamming, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}


@functools.lru_cache(maxsize=64)
def weights(size: int, new: int, mode: str) -> np.ndarray:
    """The matrix (new, size), float64: in each row the weights of the old pixels in a new one, sum 1."""
    function, reach = FILTERS[mode]
    scale = size / new
    stretch = max(scale, 1.0)
    center = (np.arange(new)[:, None] + 0.5) * scale
    first = np.maximum((center - reach * stretch + 0.5).astype(int), 0)
    last = np.minimum((center + reach * stretch + 0.5).astype(int), size)
    old = np.arange(size)[None]
    w = np.where((old >= first) & (old < last), function((old - center + 0.5) / stretch), 0.0)
    w /= w.sum(1, keepdims=True)
    w.flags.writeable = False  # kept for the next image
    return w


def resize(x: np.ndarray, height: int, width: int, mode: str, fixed: bool = False) -> np.ndarray:
    """x (..., H, W) -> (..., height, width) by filter `mode`; `fixed`: bytes, rounded as Pillow does."""
    for axis, new in ((-1, width), (-2, height)):
        if x.shape[axis] == new:
            continue
        w = weights(x.shape[axis], new, mode)
        if fixed:
            w = np.trunc(w * 2.0**22 + np.where(w < 0, -0.5, 0.5))
        y = x.astype(np.float64) @ w.T if axis == -1 else w @ x.astype(np.float64)
        x = np.clip(np.floor((y + 2.0**21) / 2.0**22), 0, 255).astype(np.uint8) if fixed else y
    return x


def nearest(x: np.ndarray, height: int, width: int, rule: str) -> np.ndarray:
    """x (..., H, W) -> (..., height, width), of each new pixel the old one under its corner or middle.

    rule: 'corner' or 'middle', as PyTorch computes them, or 'pillow': the middles, found by adding up,
    whose rounding errors decide where a middle falls between two pixels.
    """
    found = []
    for size, new in zip(x.shape[-2:], (height, width)):
        step = size / new
        if rule == "pillow":
            at = np.cumsum(np.r_[0.5 * step, np.full(new - 1, step)])
        else:
            at = (np.arange(new, dtype=np.float32) + np.float32(rule == "middle") / 2) * np.float32(step)
        found.append(np.minimum(at.astype(int), size - 1))
    return x[..., found[0][:, None], found[1]]
