"""Parts of a tensor by position: slices, diagonals, triangles, sliding windows. Most are views."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided

from tinygrad6 import dtypes
from tinygrad6.arguments import composite, refused, several, whole
from tinygrad6.op import case, op
from tinygrad6.ops.index import ALL, add_rows, part
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import normal_dim, reshape
from tinygrad6.devices import to_device
from tinygrad6.tensor import Tensor, wrap

# ---- along one dimension


@composite(examples=[case((2, 3), dim=1, index=2)])
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """x without dimension `dim`, at the index there; a view. IndexError out of range."""
    shape = input.array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d, i = normal_dim(dim, len(shape)), operator.index(index)
    if not -shape[d] <= i < shape[d]:
        raise IndexError(
            f"select(): index {i} out of range for tensor of size {list(shape)} at dimension {d}"
        )
    return part(input, ((ALL,) * d + (i, ...)))


@composite(examples=[case((2, 3), dim=1, start=1, length=2)])
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """x from start to start + length along `dim`; a view. RuntimeError beyond the end."""
    if not input.array.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d, first = normal_dim(dim, input.array.ndim), whole("narrow", "start", 3, start)
    n = input.array.shape[d]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= first <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {first})")
    first = first + n if first < 0 else first
    if first + length > n:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return part(input, ((ALL,) * d + (slice(first, first + length), ...)))


# ---- diagonals


def _two_dims(arrays: list, params: dict) -> None:
    n = arrays[0].ndim
    d1, d2 = params["dim1"], params["dim2"]
    params["dim1"], params["dim2"] = normal_dim(d1, n), normal_dim(d2, n)
    if params["dim1"] == params["dim2"]:
        raise RuntimeError(f"diagonal dimensions cannot be identical {d1}, {d2}")


@op(
    lambda g, x_shape, offset, dim1, dim2: embed_diagonal(g, x_shape, offset, dim1, dim2),
    view=True,
    prepare=_two_dims,
    examples=[
        case((3, 4)),
        case((3, 4), offset=1),
        case((3, 2, 4), offset=-1, dim1=2, dim2=0),
        case((2, 3), offset=5),
    ],
)
def diagonal(x, offset=0, dim1=0, dim2=1):
    """The elements whose index in dim2 is that in dim1 plus `offset`, as the last dimension; a view."""
    out = x.diagonal(offset, dim1, dim2)
    if x.flags.writeable:
        out.flags.writeable = True  # NumPy makes it read-only out of caution
    return out


@op(
    lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
    method=False,
    public=False,
    node_name="DiagEmbed",
    examples=[case((3,), shape=(3, 4), offset=1)],
)
def embed_diagonal(x, shape, offset=0, dim1=0, dim2=1):
    """Zeros of the given shape with x on the diagonal."""
    out = np.zeros(shape, x.dtype)
    diagonal.op.forward(out, offset, dim1, dim2)[...] = x
    return out


@composite(examples=[case((2, 3)), case((3,), offset=-1)])
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of x on the diagonal of dimensions dim1 and dim2 of the result;
    a copy."""
    shape = input.array.shape
    if not shape:
        raise IndexError("diag_embed(): the input must have at least one dimension")
    a, b = normal_dim(dim1, len(shape) + 1), normal_dim(dim2, len(shape) + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    full = list(shape[:-1])
    for d in sorted((a, b)):
        full.insert(d, shape[-1] + abs(offset))
    return embed_diagonal(input, tuple(full), offset, a, b)


@composite(examples=[case((3,)), case((3, 4), diagonal=1)])
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with x (n,) on a diagonal, or the diagonal of a matrix; a copy."""
    if input.array.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")
    return diag_embed(input, diagonal) if input.array.ndim == 1 else _diagonal(input, diagonal).clone()


_diagonal = diagonal


@composite(examples=[case((2, 2))])
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with the elements of x on a diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


@composite(examples=[case((3, 4))], node_name="Trace")
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.array.dtype.kind == "b":
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return total(diagonal(input))


# ---- triangles


def _matrices(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        if arrays[0].ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        if type(params["diagonal"]) is not int:
            params["diagonal"] = whole(name, "diagonal", 2, params["diagonal"])

    return prepare


_TRIANGLES = [case((3, 4)), case((3, 4), diagonal=1), case((2, 3, 3), diagonal=-1)]


@op(lambda g, diagonal: tril(g, diagonal), inplace=True, prepare=_matrices("tril"), examples=_TRIANGLES)
def tril(x, diagonal=0):
    """The lower triangles of matrices (*, n, m), with the given diagonal; zeros above."""
    return np.where(np.tri(*x.shape[-2:], diagonal, bool), x, np.zeros((), x.dtype))


@op(lambda g, diagonal: triu(g, diagonal), inplace=True, prepare=_matrices("triu"), examples=_TRIANGLES)
def triu(x, diagonal=0):
    """The upper triangles of matrices (*, n, m), with the given diagonal; zeros below."""
    return np.where(np.tri(*x.shape[-2:], diagonal - 1, bool), np.zeros((), x.dtype), x)


def _index_type(
    row: int, col: int, dtype: Any, device: Any, pin_memory: bool, requires_grad: bool
) -> np.dtype:
    to_device(device)
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got {n}")
    kind = dtypes.INT64 if dtype is None else dtypes.to_numpy(dtype)
    if kind not in (dtypes.INT64, np.dtype(np.int32)):
        raise NotImplementedError(f'"tril_indices" not implemented for {dtype}')
    if pin_memory or requires_grad:
        raise RuntimeError("tril_indices(): indices are neither pinned nor differentiable here")
    return kind


@composite(method=False)
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = dtypes.int64,
    device: Any = "cpu",
    layout: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The indices (2, count) of the lower triangle of a row x col matrix, row by row."""
    kind = _index_type(row, col, dtype, device, pin_memory, requires_grad)
    return wrap(np.stack(np.tri(row, col, offset, bool).nonzero()).astype(kind))


@composite(method=False)
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = dtypes.int64,
    device: Any = "cpu",
    layout: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The indices (2, count) of the upper triangle of a row x col matrix, row by row."""
    kind = _index_type(row, col, dtype, device, pin_memory, requires_grad)
    return wrap(np.stack((~np.tri(row, col, offset - 1, bool)).nonzero()).astype(kind))


# ---- windows


def _window(arrays: list, params: dict) -> None:
    shape = arrays[0].shape
    for position, name in enumerate(("dimension", "size", "step"), 1):
        params[name] = whole("unfold", name, position, params[name])
    d = params["dimension"] = normal_dim(params["dimension"], len(shape))
    n, size, step = shape[d] if shape else 1, params["size"], params["step"]
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")


@op(
    lambda g, x_shape, dimension, size, step: fold_windows(g, x_shape, dimension, size, step),
    method="unfold",
    public=False,
    view=True,
    prepare=_window,
    node_name="Unfold",
    examples=[case((2, 5), dimension=1, size=3, step=1), case((5, 2), dimension=0, size=2, step=2)],
)
def windows(x, dimension, size, step):
    """x.unfold(dim, size, step): all slices of length `size` along a dimension, `step` apart,
    as a new last one; a view."""
    if not x.ndim:
        x = x.reshape(1)[:size]
        return x if size else x.reshape(1, 0)[0]
    d, n = dimension, (x.shape[dimension] - size) // step + 1
    strides = (*x.strides[:d], x.strides[d] * step, *x.strides[d + 1 :], x.strides[d])
    return strided(x, (*x.shape[:d], n, *x.shape[d + 1 :], size), strides)


@op(
    lambda g, dimension, size, step: windows(g, dimension, size, step),
    method=False,
    public=False,
    examples=[case((2, 3, 3), shape=(2, 5), dimension=1, size=3, step=1)],
)
def fold_windows(x, shape, dimension, size, step):
    """Zeros of the given shape to which the windows of x were added where they came from."""
    out = np.zeros(shape, x.dtype)
    if not shape:
        out[...] = x.sum()
        return out
    n = x.shape[dimension]
    for i in range(size):
        out[(ALL,) * dimension + (slice(i, i + n * step, step),)][(ALL,) * dimension + (slice(n),)] += x[
            ..., i
        ]
    return out


def _strides(arrays: list, params: dict) -> None:
    x = arrays[0]
    for position, name in ((2, "size"), (3, "stride")):
        if not isinstance(params[name], (tuple, list)):
            raise refused("as_strided", name, position, "tuple of ints", params[name])
        params[name] = tuple(several("as_strided", name, position, params[name]))
    size, stride, offset = params["size"], params["stride"], params["storage_offset"]
    offset = 0 if offset is None else whole("as_strided", "storage_offset", 4, offset)
    params["storage_offset"] = offset
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if not x.flags.c_contiguous:
        raise NotImplementedError("as_strided(): only for contiguous tensors; call contiguous() first")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min(size, default=1) and (last >= x.size or offset < 0 or min(stride, default=0) < 0):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset} are out of "
            f"bounds for a tensor of {x.size} elements"
        )


@op(
    lambda g, x_shape, size, stride, storage_offset: add_strided(g, x_shape, size, stride, storage_offset),
    view=True,
    prepare=_strides,
    examples=[
        case((3, 4), size=(2, 2), stride=(1, 2), storage_offset=1),
        case((6,), size=(3, 3), stride=(1, 1)),
    ],
)
def as_strided(x, size, stride, storage_offset=None):
    """The elements storage_offset + sum_d i_d stride[d] of contiguous x in row-major order, as shape `size`;
    a view.

    Offsets count from x's own first element. RuntimeError out of bounds, NotImplementedError if x is not
    contiguous.
    """
    x = np.ascontiguousarray(x).reshape(-1)[storage_offset or 0 :]
    return strided(x, size, [s * x.itemsize for s in stride])


@op(
    lambda g, size, stride, storage_offset: as_strided(g, size, stride, storage_offset),
    method=False,
    public=False,
    examples=[case((3, 3), shape=(6,), size=(3, 3), stride=(1, 1), storage_offset=1)],
)
def add_strided(x, shape, size, stride, storage_offset):
    """Zeros of the given shape to which x was added where as_strided looks."""
    out = np.zeros(shape, x.dtype)
    places = as_strided.op.forward(np.arange(out.size), size, stride, storage_offset)
    add_rows(out.reshape(-1, 1), places.reshape(-1), x.reshape(-1, 1))
    return out
