"""Convolutions of stride 1 as a few products of shifted maps: conv.py's third layout.

On the padded images, each flattened, the pixel that place (i, j) of the kernel meets lies i rows and j
elements behind the window's first. So on the grid of the padded image

    Y = sum over i of W[i] V[:, i rows on:]

where V (KW * C, L) has the image below itself, shifted by 0, 1, .. KW - 1 elements, and W[i] is row i of the
kernel as a matrix (O, KW * C). Shifting by rows moves only the start of a matrix that BLAS is given; the
copies V are KH times less memory than the windows' matrix, and whole images long. What it costs: KH products
instead of one, and grid columns that are no windows, KW - 1 of each row, computed and left out.

The gradient of x is such a convolution again, of kernels turned round; that of w is, for every i, a product
of the gradient on the grid, zero where there is no window, with V shifted by i rows.

Source: "kn2row" of Anderson et al. 2017, "Low-memory GEMM-based convolution algorithms", with rows for
single places.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad6.threads import share

BLOCK = 1 << 18  # elements of shifted images made at a time
FEW = 6  # channels of a group, below which the products are too thin
SHORT = 8  # columns of a map, below which those that are no windows weigh too much
WIDE = 1 << 10  # elements of a row of the kernel, above which BLAS is slow at its gradient
WORTH = 1 << 18  # multiplications, from which threads pay


@functools.lru_cache(256)
def grid(
    x_shape: tuple, w_shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> Grid | None:
    """How to convolve by shifts, or None where another layout is faster, or shifts cannot do it."""
    if max(stride) > 1 or len(stride) < 2 or w_shape[-1] < 2 or w_shape[1] < FEW:
        return None
    if min(map(min, padding)) < 0 or not all(x_shape[:2]):
        return None
    made = Grid(x_shape, w_shape, padding, dilation, groups)
    return made if made.out[-1] >= SHORT and min(made.out) > 0 else None


class Grid:
    """The sizes of one convolution on the grid of its padded images. w (O, C / groups, *kernel)."""

    def __init__(self, x_shape: tuple, w_shape: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
        self.n, self.c, self.size = x_shape[0], x_shape[1], x_shape[2:]
        self.o, self.kernel, self.padding, self.groups = w_shape[0], w_shape[2:], padding, groups
        self.padded = tuple(n + a + b for n, (a, b) in zip(self.size, padding, strict=True))
        self.out = tuple(n - t * (k - 1) for n, k, t in zip(self.padded, self.kernel, dilation, strict=True))
        self.rows = (self.out[0], *self.padded[1:])  # the grid that holds all windows
        self.positions = math.prod(self.rows)
        steps = [t * math.prod(self.padded[i + 1 :]) for i, t in enumerate(dilation)]
        ways = zip(self.kernel, steps, strict=True)
        reach = [(k - 1) * s for k, s in ways]  # of the kernel along each dimension, in elements
        self.step = steps[-1]  # between two of the copies in V
        self.length = self.positions + sum(reach[:-1])  # L
        self.tail = sum(reach[1:])  # how far the last windows read beyond their image: zeros
        outer = [range(0, r + 1, s) for r, s in zip(reach[:-1], steps[:-1], strict=True)]
        # where each row of the kernel starts in V
        self.shifts = [sum(at) for at in itertools.product(*outer)]
        self.taps = self.kernel[-1] * self.c // groups  # of a row of the kernel
        self.each = self.o // groups
        self.narrow = self.each * self.taps <= WIDE  # else weight_gradient is slower than by columns
        self.worth = self.n * math.prod(self.out) * math.prod(w_shape) > WORTH
        # images at a time
        self.block = max(1, BLOCK // (self.kernel[-1] * self.c * self.length))

    def blocks(self, x: np.ndarray, start: int, stop: int) -> Any:
        """For each block of images (from, to, V): V (n, groups, KW * C / groups, L)."""
        whole = math.prod(self.padded)
        inside = tuple(slice(a, a + n) for n, (a, _) in zip(self.size, self.padding, strict=True))
        few = min(self.block, stop - start)
        flat = np.zeros((few, self.c, whole + self.tail), x.dtype)
        room = np.empty((few, self.groups, self.kernel[-1], self.c // self.groups, self.length), x.dtype)
        images = flat[:, :, :whole].reshape(few, self.c, *self.padded)
        image, channel, element = flat.strides
        shifted = as_strided(
            flat,
            room.shape,
            (image, channel * (self.c // self.groups), element * self.step, channel, element),
        )
        for a in range(start, stop, few):
            n = min(few, stop - a)
            images[:n, :, *inside] = x[a : a + n]
            room[:n] = shifted[:n]
            yield a, a + n, room[:n].reshape(n, self.groups, self.taps, self.length)

    def windows(self, grid: np.ndarray) -> np.ndarray:
        """Of what was computed on the grid (.., positions), the windows (.., *out)."""
        grid = grid.reshape(*grid.shape[:-1], *self.rows)
        inside: tuple = (..., *(slice(m) for m in self.out))
        return grid[inside]


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, at: Grid) -> np.ndarray:
    """y[n, o] = sum over c of x[n, c] * w[o, c] (correlated) + b[o]: (N, C, *size) -> (N, O, *out)."""
    each = at.each
    turned = np.moveaxis(w.reshape(at.groups, each, -1, *w.shape[2:]), 2, -1)  # (G, O / G, *kernel, C / G)
    matrices = np.ascontiguousarray(
        turned.reshape(at.groups, each, len(at.shifts), at.taps).transpose(2, 0, 1, 3)
    )
    out = np.empty((at.n, at.o, *at.out), x.dtype)
    bias = None if b is None else b.reshape(-1, *[1] * len(at.out))

    def work(start: int, stop: int) -> None:
        room = np.empty((2, min(at.block, stop - start), at.groups, each, at.positions), x.dtype)
        for i, j, seen in at.blocks(x, start, stop):
            total, more = room[0, : j - i], room[1, : j - i]
            np.matmul(matrices[0], seen[..., : at.positions], out=total)
            for m, shift in zip(matrices[1:], at.shifts[1:], strict=True):
                np.matmul(m, seen[..., shift : shift + at.positions], out=more)
                total += more
            y = at.windows(total.reshape(j - i, at.o, -1))
            if bias is None:
                out[i:j] = y
            else:
                np.add(y, bias, out=out[i:j])

    share(work, at.n, at.worth)
    return out


def weight_gradient(x: np.ndarray, g: np.ndarray, at: Grid) -> np.ndarray:
    """The gradient of w: x (N, C, *size), g (N, O, *out) -> (O, C / groups, *kernel)."""

    def work(start: int, stop: int) -> np.ndarray:
        total = np.zeros((len(at.shifts), at.groups, at.each, at.taps), x.dtype)
        grid = np.zeros((min(at.block, stop - start), at.o, at.positions), x.dtype)
        for i, j, seen in at.blocks(x, start, stop):
            at.windows(grid[: j - i])[...] = g[i:j]
            rows = grid[: j - i].reshape(j - i, at.groups, at.each, -1)
            for m, shift in zip(total, at.shifts, strict=True):
                m += np.add.reduce(np.matmul(rows, seen[..., shift : shift + at.positions].swapaxes(2, 3)), 0)
        return total

    parts = share(work, at.n, at.worth)
    for part in parts[1:]:
        parts[0] += part
    dw = parts[0].reshape(len(at.shifts), at.o, at.kernel[-1], -1)
    dw = np.moveaxis(dw, (1, 3), (0, 1)).reshape(at.o, -1, *at.kernel)
    return np.ascontiguousarray(dw)
