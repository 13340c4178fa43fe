"""Convolutions in any number of dimensions: the bilinear triangle.

    y = convolve(x, w)    dx = convolve_dx(g, w)    dw = convolve_dw(x, g)

Each is linear in both arguments, and the rule of each names only the other two, so every order of derivative
exists. A transposed convolution is convolve_dx.

Each is a matrix product after laying the windows of x out as a matrix (Chellapilla et al. 2006, "im2col"), or
before adding such a matrix up into x again; in blocks of a few images, so that the matrix never leaves the
cache, and shared among threads. The windows are a strided view, and the matrix one copy of it, whose cost
lies in the lengths of the runs that are contiguous on both sides. Hence three layouts. *By columns*, (C, KH,
KW) x (H', W') for every image: runs along W'; the product arrives in PyTorch's order. *By rows*, (N, H', W')
x (KH, KW, C): runs along KW and C, one product for the block, but input and output change their order on the
way; for many channels on small maps. *By shifts* (shifted.py): where the stride is 1, whole padded images
shifted along one dimension. In convolve_dx the rows have a matrix for every place in the kernel, so that
whole rows of pixels are added up at once. Measured and rejected: one layout for the whole batch, which is
memory traffic; keeping the matrix for the backward pass, which saves 15 % of it for 9 to 25 times the memory;
Winograd's transforms, too many passes in NumPy; for depthwise filters a sum of shifted products.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad6.arguments import composite, several
from tinygrad6.dtypes import CPP_NAMES, TYPE_NAMES
from tinygrad6.op import case, op
from tinygrad6.ops import shifted
from tinygrad6.ops.linalg import linear
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import pad_constant, permute_to, reshape
from tinygrad6.tensor import Tensor
from tinygrad6.threads import share

BLOCK = 1 << 18  # elements of columns made at a time
LONG = 2  # how much longer than by columns the runs by rows must be, to pay for the changes of order
FEW = 6  # channels of a group, below which they are too short a run to add up


# ---- geometry


def output_sizes(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple
) -> tuple[int, ...]:
    """How many windows fit along each dimension; padding is (before, after) for each."""
    return tuple(
        (n + a + b - d * (k - 1) - 1) // s + 1
        for n, k, s, (a, b), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def padded(x: np.ndarray, padding: tuple, first: int) -> np.ndarray:
    """x, spatial dimensions from `first` on, with zeros around; x itself, if row-major, without padding."""
    if not any(a or b for a, b in padding):
        return np.ascontiguousarray(x)
    whole = [(0, n) for n in x.shape]
    whole[first : first + len(padding)] = [
        (a, a + n) for n, (a, _) in zip(x.shape[first:], padding, strict=False)
    ]
    sides = [0] * first + [a + b for a, b in padding] + [0] * (x.ndim - first - len(padding))
    out = np.zeros([n + s for n, s in zip(x.shape, sides, strict=True)], x.dtype)
    out[tuple(slice(*w) for w in whole)] = x
    return out


def windows(
    x: np.ndarray, kernel: tuple, out: tuple, stride: tuple, dilation: tuple, first: int
) -> np.ndarray:
    """The windows of x, its spatial dimensions from `first` on, as a view: these become (*kernel, *out)."""
    d = len(kernel)
    steps = x.strides[first : first + d]
    inside = tuple(s * t for s, t in zip(steps, dilation, strict=True))
    between = tuple(s * t for s, t in zip(steps, stride, strict=True))
    return as_strided(
        x,
        x.shape[:first] + kernel + out + x.shape[first + d :],
        x.strides[:first] + inside + between + x.strides[first + d :],
    )


@functools.lru_cache(256)
def overlaps(
    size: tuple, kernel: tuple, out: tuple, stride: tuple, padding: tuple, dilation: tuple
) -> list[tuple]:
    """For every place in the kernel (place, where it meets x, of which windows), the latter as slices.

    x[*met] are the elements of the unpadded x that the windows out[*of] have at this place.
    """
    along = []
    for n, k, m, s, (a, _), d in zip(size, kernel, out, stride, padding, dilation, strict=True):
        places = []
        for i in range(k):
            first = max(0, -((i * d - a) // s))  # the first window whose place i is not in the padding
            last = min(m - 1, (n - 1 - i * d + a) // s)
            start = first * s + i * d - a
            if last >= first:
                places.append((i, slice(start, start + (last - first) * s + 1, s), slice(first, last + 1)))
        along.append(places)
    return [
        (tuple(p[0] for p in ps), tuple(p[1] for p in ps), tuple(p[2] for p in ps))
        for ps in itertools.product(*along)
    ]


class _Layout:
    """The sizes of one convolution and how its windows are laid out: shared by the three."""

    def __init__(
        self,
        x_shape: tuple,
        w_shape: tuple,
        stride: tuple,
        padding: tuple,
        dilation: tuple,
        groups: int,
        backward: bool = False,
    ) -> None:
        self.n, self.c, self.size = x_shape[0], x_shape[1], x_shape[2:]
        self.o, self.kernel = w_shape[0], w_shape[2:]
        self.groups, self.stride, self.padding, self.dilation = groups, stride, padding, dilation
        self.out = output_sizes(self.size, self.kernel, stride, padding, dilation)
        self.k, self.p = w_shape[1] * math.prod(self.kernel), math.prod(self.out)
        self.pointwise = max(self.kernel) == 1 == max(stride) and not any(a or b for a, b in padding)
        if backward and groups == 1:  # rows of pixels and channels together
            self.by_rows = self.c >= FEW and not self.pointwise
        else:
            run = w_shape[1] * (1 if backward else self.kernel[-1])
            self.by_rows = run >= LONG * self.out[-1] and not self.pointwise
        self.block = max(1, min(self.n, BLOCK // max(1, self.k * self.p * groups)))
        self.worth = self.n * self.p * self.k * self.o > shifted.WORTH

    def blocks(self, start: int, stop: int) -> Any:
        for a in range(start, stop, self.block):
            yield a, min(a + self.block, stop)

    def matrices(self, x: np.ndarray, start: int, stop: int, ones: bool = False) -> Any:
        """For each block of images (from, to, their windows): (n, G, K, P) by columns, (G, n P, K) by rows.

        With `ones`, K has one more element, 1: what the bias is multiplied by.
        """
        d, g, room = len(self.kernel), self.groups, np.empty(0)
        k = self.k + ones
        for a, b in self.blocks(start, stop):
            if self.pointwise:
                yield a, b, x[a:b].reshape(b - a, g, k, self.p)
                continue
            shape = (g, (b - a) * self.p, k) if self.by_rows else (b - a, g, k, self.p)
            if room.shape != shape:
                room = np.empty(shape, x.dtype)
                room[
                    (..., slice(self.k, None)) if self.by_rows else (..., slice(self.k, None), slice(None))
                ] = 1
            if self.by_rows:
                v = windows(
                    padded(x[a:b].transpose(0, *range(2, d + 2), 1), self.padding, 1),
                    self.kernel,
                    self.out,
                    self.stride,
                    self.dilation,
                    1,
                )
                v = v.reshape(v.shape[:-1] + (g, -1)).transpose(
                    2 * d + 1, 0, *range(d + 1, 2 * d + 1), *range(1, d + 1), -1
                )
                room[..., : self.k].reshape(v.shape)[...] = v
            else:
                v = windows(
                    padded(x[a:b], self.padding, 2), self.kernel, self.out, self.stride, self.dilation, 2
                )
                v = v.reshape(b - a, g, self.c // g, *v.shape[2:])
                room[:, :, : self.k].reshape(v.shape)[...] = v
            yield a, b, room

    def weight(self, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """w, and b beside it, as a matrix (G, O / G, K), K in the order of the layout."""
        if self.by_rows:
            w = w.transpose(0, *range(2, w.ndim), 1)
        # contiguous, for BLAS takes no flipped one
        w = np.ascontiguousarray(w).reshape(self.groups, self.o // self.groups, self.k)
        return w if b is None else np.concatenate([w, b.reshape(self.groups, -1, 1)], 2)

    def rows(self, g: np.ndarray) -> np.ndarray:
        """A map (n, O, *out) as rows (G, n P, O / G)."""
        return (
            g.reshape(len(g), self.groups, -1, self.p)
            .transpose(1, 0, 3, 2)
            .reshape(self.groups, len(g) * self.p, -1)
        )


# ---- the triangle


def _widened(*arrays: Any) -> list:
    """float16 arrays as float32: products of many terms are summed in float32."""
    return [a.astype(np.float32) if a is not None and a.dtype.char == "e" else a for a in arrays]


def _convolve_kernel(g, needs, x, w, stride, padding, dilation, groups):
    dx = convolve_dx(g, w, x.shape[2:], stride, padding, dilation, groups) if needs[0] else None
    if needs[1] and g.dtype.char != "e":
        return dx, *_both(x, g, w.shape[2:], stride, padding, dilation, groups, needs[2])
    dw = convolve_dw(x, g, w.shape[2:], stride, padding, dilation, groups) if needs[1] else None
    return dx, dw, _sums(g) if needs[2] else None


def _sums(g: np.ndarray) -> np.ndarray:
    """The sums of g over everything but channels."""
    flat = g.reshape(g.shape[0], g.shape[1], math.prod(g.shape[2:]))
    return np.add.reduce(np.matmul(flat, np.ones(flat.shape[2], g.dtype)), 0)


def _both(
    x: np.ndarray,
    g: np.ndarray,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    dilation: tuple,
    groups: int,
    bias: bool,
) -> tuple:
    """The gradients of the weight and, if wanted, of the bias."""
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    grid = shifted.grid(x.shape, shape, stride, padding, dilation, groups)
    if grid is not None and grid.narrow:
        return shifted.weight_gradient(x, g, grid), _sums(g) if bias else None
    at = _Layout(x.shape, shape, stride, padding, dilation, groups)
    ones = bias and not at.pointwise

    def work(start: int, stop: int) -> np.ndarray:
        out = np.zeros((groups, at.k + ones, at.o // groups), x.dtype)
        for i, j, seen in at.matrices(x, start, stop, ones):
            if at.by_rows:
                out += np.matmul(seen.swapaxes(1, 2), at.rows(g[i:j]))
            else:
                out += np.add.reduce(
                    np.matmul(seen, g[i:j].reshape(j - i, groups, -1, at.p).swapaxes(2, 3)), 0
                )
        return out

    parts = share(work, at.n, at.worth)
    for part in parts[1:]:
        parts[0] += part
    dw, db = (
        parts[0][:, : at.k].swapaxes(1, 2),
        parts[0][:, -1].reshape(-1) if ones else _sums(g) if bias else None,
    )
    if at.by_rows:
        dw = dw.reshape(shape[0], *kernel, shape[1]).transpose(0, -1, *range(1, len(kernel) + 1))
    return np.ascontiguousarray(dw).reshape(shape), db


_ONE = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
_TWO = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2), "groups": 2}
_SHIFTED = {"stride": (1, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2), "groups": 1}
_LINE = {"stride": (2,), "padding": ((1, 1),), "dilation": (1,), "groups": 1}


@op(
    lambda g, w, x_shape, stride, padding, dilation, groups: convolve_dx(
        g, w, x_shape[2:], stride, padding, dilation, groups
    ),
    lambda g, x, w_shape, stride, padding, dilation, groups: convolve_dw(
        x, g, w_shape[2:], stride, padding, dilation, groups
    ),
    lambda g: total(g, (0, *range(2, g.ndim)), False),
    kernel=_convolve_kernel,
    method=False,
    public=False,
    node_name="Convolution",
    examples=[
        case((2, 2, 4, 3), (3, 2, 2, 2), (3,), **_ONE),
        case((1, 2, 10, 9), (2, 1, 2, 2), (2,), **_TWO),
        case((1, 8, 9, 3), (2, 4, 2, 2), (2,), **_TWO),
        case((2, 3, 2, 2), (2, 3, 1, 1), (2,), **_ONE),
        case((2, 1, 5), (2, 1, 3), (2,), **_LINE),
        case((2, 6, 2, 7), (2, 6, 2, 2), (2,), **_SHIFTED),
    ],
    layout="channels",
)
def convolve(x, w, b, stride, padding, dilation, groups):
    """y[n, o] = sum over c of x[n, c] * w[o, c] (correlated) + b[o].

    x (N, C, *size), w (O, C / groups, *kernel), b (O) or None -> (N, O, *out).
    """
    if x.dtype.char == "e":
        return convolve(*_widened(x, w, b), stride, padding, dilation, groups).astype(x.dtype)
    if (grid := shifted.grid(x.shape, w.shape, stride, padding, dilation, groups)) is not None:
        return shifted.convolve(x, w, b, grid)
    at = _Layout(x.shape, w.shape, stride, padding, dilation, groups)
    ones = b is not None and not at.pointwise
    w = at.weight(w, b if ones else None)
    out = np.empty((at.n, at.o, *at.out), x.dtype)
    split = out.reshape(at.n, groups, at.o // groups, at.p)

    def work(start: int, stop: int) -> None:
        for i, j, seen in at.matrices(x, start, stop, ones):
            if at.by_rows:
                split[i:j] = (
                    np.matmul(seen, w.swapaxes(1, 2)).reshape(groups, j - i, at.p, -1).transpose(1, 0, 3, 2)
                )
            else:
                np.matmul(w, seen, out=split[i:j])
                if b is not None and not ones:
                    split[i:j] += b.reshape(groups, -1, 1)

    share(work, at.n, at.worth)
    return out


@op(
    lambda h, w, stride, padding, dilation, groups: convolve(h, w, None, stride, padding, dilation, groups),
    lambda h, g, w_shape, stride, padding, dilation, groups: convolve_dw(
        h, g, w_shape[2:], stride, padding, dilation, groups
    ),
    method=False,
    public=False,
    node_name="Convolution",
    examples=[
        case((2, 3, 3, 2), (3, 2, 2, 2), size=(4, 3), **_ONE),
        case((1, 2, 5, 10), (2, 1, 2, 2), size=(10, 9), **_TWO),
        case((1, 2, 5, 4), (2, 4, 2, 2), size=(9, 3), **_TWO),
        case((2, 2, 2, 2), (2, 3, 1, 1), size=(2, 2), **_ONE),
        case((2, 6, 2, 8), (6, 2, 2, 2), size=(2, 7), **_SHIFTED),
    ],
    layout="channels",
)
def convolve_dx(g, w, size, stride, padding, dilation, groups):
    """The adjoint of convolve in x: g (N, O, *out), w (O, C / groups, *kernel) -> (N, C, *size)."""
    if g.dtype.char == "e":
        return convolve_dx(*_widened(g, w), size, stride, padding, dilation, groups).astype(g.dtype)
    kernel, c, d = w.shape[2:], w.shape[1] * groups, w.ndim - 2
    wide = tuple(
        (t * (k - 1) - a, t * (k - 1) - b) for k, t, (a, b) in zip(kernel, dilation, padding, strict=True)
    )
    # groups of few channels: adding up takes longer than convolving with the kernels turned round
    few = (
        groups > 1 and w.shape[1] < FEW and len(w) <= 2 * c and max(stride) == 1 and min(map(min, wide)) >= 0
    )
    turned_shape = (c, len(w) // groups, *kernel)
    if few or shifted.grid(g.shape, turned_shape, stride, wide, dilation, groups) is not None:
        turned = np.flip(w, range(2, d + 2)).reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
        return convolve(g, turned.reshape(turned_shape), None, stride, wide, dilation, groups)
    at = _Layout((len(g), c, *size), w.shape, stride, padding, dilation, groups, backward=True)
    places = overlaps(size, kernel, at.out, stride, padding, dilation)
    if at.by_rows:  # a matrix for every place in the kernel
        w = np.ascontiguousarray(w.reshape(groups, at.o // groups, c // groups, -1).transpose(3, 0, 1, 2))
    else:
        w = at.weight(w)
    out = np.empty((at.n, c, *size), g.dtype)

    def work(start: int, stop: int) -> None:
        for i, j in at.blocks(start, stop):
            if at.by_rows:
                y = np.matmul(at.rows(g[i:j]), w).reshape(*kernel, groups, j - i, *at.out, c // groups)
                y = y.squeeze(d) if groups == 1 else np.moveaxis(y, d, -2)  # an axis of 1 breaks up runs
                part = np.zeros((j - i, *size, *y.shape[2 * d + 1 :]), g.dtype)
                for place, met, of in places:
                    part[:, *met] += y[*place, :, *of]
                out[i:j] = part.reshape(j - i, *size, c).transpose(0, d + 1, *range(1, d + 1))
            elif at.pointwise:
                np.matmul(
                    w.swapaxes(1, 2),
                    g[i:j].reshape(j - i, groups, -1, at.p),
                    out=out[i:j].reshape(j - i, groups, -1, at.p),
                )
            else:
                y = np.matmul(w.swapaxes(1, 2), g[i:j].reshape(j - i, groups, -1, at.p)).reshape(
                    j - i, c, *kernel, *at.out
                )
                part = out[i:j]
                part[...] = 0
                for place, met, of in places:
                    part[:, :, *met] += y[:, :, *place][:, :, *of]

    share(work, at.n, at.worth)
    return out


@op(
    lambda h, g, x_shape, stride, padding, dilation, groups: convolve_dx(
        g, h, x_shape[2:], stride, padding, dilation, groups
    ),
    lambda h, x, stride, padding, dilation, groups: convolve(x, h, None, stride, padding, dilation, groups),
    method=False,
    public=False,
    node_name="ConvolutionBackward",
    examples=[
        case((2, 2, 4, 3), (2, 3, 3, 2), kernel=(2, 2), **_ONE),
        case((1, 2, 10, 9), (1, 2, 5, 10), kernel=(2, 2), **_TWO),
        case((1, 8, 9, 3), (1, 2, 5, 4), kernel=(2, 2), **_TWO),
        case((2, 3, 2, 2), (2, 2, 2, 2), kernel=(1, 1), **_ONE),
        case((2, 6, 2, 7), (2, 2, 2, 8), kernel=(2, 2), **_SHIFTED),
    ],
)
def convolve_dw(x, g, kernel, stride, padding, dilation, groups):
    """The adjoint of convolve in w: x (N, C, *size), g (N, O, *out) -> (O, C / groups, *kernel)."""
    if x.dtype.char == "e":
        return convolve_dw(*_widened(x, g), kernel, stride, padding, dilation, groups).astype(x.dtype)
    return _both(x, g, kernel, stride, padding, dilation, groups, False)[0]


# ---- PyTorch's functions


def per_dimension(name: str, value: Any, n: int, function: str = "conv") -> tuple[int, ...]:
    """A setting for each of n dimensions, from one number or n of them.

    RuntimeError for any other count, TypeError for what is no int.
    """
    if type(value) is not int:
        value = several(function, name, 0, value)
    if type(value) is int:
        return (value,) * n
    values = tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values


def _checked(
    input: Tensor, weight: Tensor, bias: Tensor | None, d: int, groups: int, transposed: bool, **settings: Any
) -> dict:
    """The settings per dimension; RuntimeError in PyTorch's words for shapes and types that do not fit."""
    x, w = input.array, weight.array
    name = f"conv_transpose{d}d" if transposed else f"conv{d}d"
    for key in ("stride", "dilation", "padding", "output_padding"):
        if key in settings and not isinstance(settings[key], str):
            settings[key] = per_dimension(key, settings[key], w.ndim - 2, name)
    if x.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"Expected {d + 1}D (unbatched) or {d + 2}D (batched) input to {name}, but got input of size: "
            f"{list(x.shape)}"
        )
    if w.ndim != d + 2:
        raise RuntimeError(
            f"{name}: expected a {d + 2}-dimensional weight, but got weight of size {list(w.shape)}"
        )
    if 0 in w.shape[2:] or transposed and not w.shape[1]:
        raise RuntimeError(f"{name}: expected a weight that is not empty, got size {list(w.shape)}")
    for key in ("stride", "dilation"):
        if min(settings[key]) < 1:
            raise RuntimeError(f"non-positive {key} is not supported")
    for key in ("padding", "output_padding"):
        if key in settings and not isinstance(settings[key], str) and min(settings[key]) < 0:
            raise RuntimeError(f"negative {key} is not supported")
    if groups < 1:
        raise RuntimeError("non-positive groups is not supported")
    if x.dtype != w.dtype:
        raise RuntimeError(
            f"Input type (torch.{TYPE_NAMES[x.dtype.name]}Tensor) and weight type "
            f"(torch.{TYPE_NAMES[w.dtype.name]}Tensor) should be the same"
        )
    given = (
        f"Given transposed=1, weight of size {list(w.shape)}"
        if transposed
        else (f"Given groups={groups}, weight of size {list(w.shape)}")
    )
    if w.shape[0] < groups or w.shape[0] % groups:
        how = f"at least {groups}" if w.shape[0] < groups else f"divisible by {groups}"
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be {how} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
        )
    channels = w.shape[0] if transposed else w.shape[1] * groups
    if x.shape[-d - 1] != channels:
        raise RuntimeError(
            f"{given}, expected input{list(x.shape)} to have {channels} channels, but got {x.shape[-d - 1]} "
            "channels instead"
        )
    made = w.shape[1] * groups if transposed else w.shape[0]
    if bias is not None and bias.array.shape != (made,):
        given = given if transposed else f"Given weight of size {list(w.shape)}"
        raise RuntimeError(
            f"{given}, expected bias to be 1-dimensional with {made} elements, but got bias of size "
            f"{list(bias.array.shape)} instead"
        )
    if bias is not None and bias.array.dtype != x.dtype:
        raise RuntimeError(
            f"Input type ({CPP_NAMES[x.dtype.name]}) and bias type ({CPP_NAMES[bias.array.dtype.name]}) "
            "should be the same"
        )
    if 0 in x.shape[-d:] and 0 not in x.shape[:-d]:
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}"
        )
    return settings


def _both_sides(padding: Any, kernel: tuple, stride: tuple, dilation: tuple) -> tuple[tuple[int, int], ...]:
    """(before, after) for each dimension, from numbers, "valid" or "same"."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((n // 2, n - n // 2) for n in spans)
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    return tuple((p, p) for p in padding)


def _conv(
    d: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    """conv1d to conv3d: their checks, batches of one, and a product where the kernel covers the input."""
    s = _checked(input, weight, bias, d, groups, False, stride=stride, padding=padding, dilation=dilation)
    shape, kernel = input.array.shape, weight.array.shape[2:]
    sides = _both_sides(s["padding"], kernel, s["stride"], s["dilation"])
    seen = [n + a + b for n, (a, b) in zip(shape[-d:], sides, strict=True)]
    if any(t * (k - 1) + 1 > n for n, k, t in zip(seen, kernel, s["dilation"], strict=True)):
        spans = [t * (k - 1) + 1 for k, t in zip(kernel, s["dilation"], strict=True)]
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, seen))}). Kernel size: "
            f"({' x '.join(map(str, spans))}). Kernel size can't be greater than actual input size"
        )
    x = input if len(shape) == d + 2 else reshape(input, (1, *shape))
    if groups == 1 and shape[-d:] == kernel == tuple(seen):  # the filter covers the input
        made, flat = weight.array.shape[0], (-1, weight.array[0].size)
        y = reshape(linear(reshape(x, flat), reshape(weight, flat), bias), (-1, made, *(1,) * d))
        return y if len(shape) == d + 2 else reshape(y, y.array.shape[1:])
    y = convolve(x, weight, bias, s["stride"], sides, s["dilation"], groups)
    return y if len(shape) == d + 2 else reshape(y, y.array.shape[1:])


def _transposed(
    d: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    """conv_transpose1d to 3d: the gradient of a convolution's input, as a function of its own."""
    if isinstance(padding, str):
        raise TypeError(f"conv_transpose{d}d(): argument 'padding' must be tuple of ints, not str")
    s = _checked(
        input,
        weight,
        bias,
        d,
        groups,
        True,
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=output_padding,
    )
    shape, kernel = input.array.shape, weight.array.shape[2:]
    rows = list(
        zip(shape[-d:], kernel, s["stride"], s["padding"], s["dilation"], s["output_padding"], strict=True)
    )
    if any(o >= max(t, u) for _, _, t, _, u, o in rows):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got output_padding: "
            f"{s['output_padding']} stride: {s['stride']} dilation: {s['dilation']}"
        )
    size = tuple((n - 1) * t - 2 * p + u * (k - 1) + o + 1 for n, k, t, p, u, o in rows)
    if min(size) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, shape[-d:]))}). Calculated output size per "
            f"channel: ({' x '.join(map(str, size))}). Output size is too small"
        )
    x = input if len(shape) == d + 2 else reshape(input, (1, *shape))
    if any(o >= t for _, _, t, _, _, o in rows):  # so far that further windows would fit: they are empty
        x = pad_constant(x, ((0, 0), (0, 0), *((0, o // t) for _, _, t, _, _, o in rows)))
    y = convolve_dx(x, weight, size, s["stride"], tuple((p, p) for p in s["padding"]), s["dilation"], groups)
    if bias is not None:
        y = y + reshape(bias, (-1, *(1,) * d))
    return y if len(shape) == d + 2 else reshape(y, y.array.shape[1:])


@composite(method=False, examples=[case((2, 2, 5), (3, 2, 2), (3,), stride=2)], torch="nn.functional.conv1d")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """conv2d in one dimension: input (N, C, L) or (C, L), weight (O, C / groups, K) -> (N, O, L')."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@composite(
    fresh=True,
    method=False,
    examples=[case((2, 2, 4, 4), (3, 2, 3, 3), (3,), padding=1), case((2, 4, 4), (2, 1, 2, 2), groups=2)],
    torch="nn.functional.conv2d",
)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of images with filters.

    input (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O).
    The result is (N, O, H', W') with H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1. Settings are
    one number or one per dimension; padding may be "valid" (none) or "same" (H' = H, for stride 1; the odd
    one goes after). RuntimeError for shapes and types that do not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@composite(
    method=False, examples=[case((1, 1, 3, 3, 3), (2, 1, 2, 2, 2), (2,))], torch="nn.functional.conv3d"
)
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """conv2d in three dimensions: input (N, C, D, H, W), weight (O, C / groups, KD, KH, KW)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


@composite(
    method=False,
    examples=[case((2, 2, 4), (2, 3, 3), (3,), stride=2)],
    torch="nn.functional.conv_transpose1d",
)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """conv_transpose2d in one dimension: input (N, C, L), weight (C, O / groups, K)."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(
    method=False,
    examples=[case((1, 2, 3, 3), (2, 2, 2, 2), (2,), stride=2, output_padding=1)],
    torch="nn.functional.conv_transpose2d",
)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of conv2d: input (N, C, H, W), weight (C, O / groups, KH, KW) -> (N, O, H', W').

    H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(
    method=False,
    examples=[case((1, 1, 2, 2, 2), (1, 2, 2, 2, 2), stride=2)],
    torch="nn.functional.conv_transpose3d",
)
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """conv_transpose2d in three dimensions: input (N, C, D, H, W), weight (C, O / groups, KD, KH, KW)."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(fresh=True, method=False, examples=[case((5, 2, 3), (3, 3, 4), (4,), pad=1)], torch="conv_tbc")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv1d with the time first: input (T, N, C), weight (K, C, O), bias (O) -> (T', N, O)."""
    if input.array.ndim != 3 or weight.array.ndim != 3 or bias.array.ndim != 1:
        raise RuntimeError(
            "conv_tbc: input must have 3 dims: time, batch, in_channel; weight 3: kernel_width, "
            "in_channels, out_channels; bias 1; but got "
            f"{[list(t.array.shape) for t in (input, weight, bias)]}"
        )
    y = conv1d(permute_to(input, (1, 2, 0)), permute_to(weight, (2, 1, 0)), bias, padding=pad)
    return permute_to(y, (2, 0, 1))
