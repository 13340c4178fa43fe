"""Copies with a part replaced, and methods that change a tensor's own shape: transpose_, resize_, set_.

A tensor changed by `transpose_` and its like becomes a view of a hidden base that keeps its old layout and
history, so that gradients and other views of the same memory stay right.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import Text, composite, refused, scalar, several
from tinygrad6.inplace import refuse_history
from tinygrad6.modes import state
from tinygrad6.op import case
from tinygrad6.ops import masks, parts, shape
from tinygrad6.ops.gather import _along_rows, _rows, scatter_reduce
from tinygrad6.ops.index import replace_items
from tinygrad6.tensor import Tensor, flatten_sequence, wrap
from tinygrad6.view import live_node

# ---- a part replaced: as in-place changes of a view, on a copy


def _replaced(name: str, input: Tensor, src: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
    if not isinstance(src, Tensor):
        raise TypeError(f"{name}(): argument 'src' (position 2) must be Tensor, not {type(src).__name__}")
    before, state.grad = state.grad, True
    try:
        out = input.clone()
        place = look(out)
        if place.array.shape != src.array.shape:
            raise RuntimeError(
                "expected src to have a size equal to the slice of self. src size = "
                f"{list(src.array.shape)}, slice size = {list(place.array.shape)}"
            )
        place.copy_(src)
    finally:
        state.grad = before
    return out if before else out.detach()


@composite(examples=[case((3, 4), (3,), dim=1, index=2)], node_name="SelectScatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of x with src at `index` along `dim`, of which src has no dimension."""
    return _replaced("select_scatter", input, src, lambda t: parts.select(t, dim, index))


@composite(examples=[case((4, 2), (2, 2), start=1, end=4, step=2)], node_name="SliceScatter")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of x with src in the places start:end:step along `dim`."""
    d = shape.normal_dim(dim, input.array.ndim)
    if step <= 0:
        raise RuntimeError(f"slice_scatter(): slice step must be positive, got {step}")
    return _replaced(
        "slice_scatter", input, src, lambda t: t[(slice(None),) * d + (slice(start, end, step),)]
    )


@composite(examples=[case((3, 3), (2,), offset=1)], node_name="DiagonalScatter")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of x with src on the diagonal."""
    return _replaced("diagonal_scatter", input, src, lambda t: parts.diagonal(t, offset, dim1, dim2))


@composite(
    examples=[case((3, 4), (2, 2), size=(2, 2), stride=(1, 2), storage_offset=1)],
    node_name="AsStridedScatter",
)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of x with src where as_strided(size, stride, storage_offset) looks."""
    return _replaced(
        "as_strided_scatter", input, src, lambda t: parts.as_strided(t, size, stride, storage_offset)
    )


@composite(
    fresh=True,
    inplace=True,
    examples=[
        case((3, 4), dim=1, index=wrap(np.array([3, 0, 3])), source=wrap(np.full((3, 3), 1.5)), reduce="prod")
    ],
    node_name="IndexReduce",
)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: Text, *, include_self: bool = True
) -> Tensor:
    """x with the slices of source combined, along `dim`, into those that the 1-d index names.

    reduce: "prod", "mean", "amax" or "amin"; include_self: x's own slice takes part. Repeats are combined
    too.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    d, at = _along_rows("index_reduce", input, dim, index, source, RuntimeError)
    x, given = _rows(input), _rows(source)
    wide = at.reshape((-1,) + (1,) * (x.array.ndim - 1 - d))
    full = wrap(np.array(np.broadcast_to(wide, given.array.shape)))
    out = scatter_reduce(x, d, full, given, reduce, include_self=include_self)
    return shape.reshape(out, input.array.shape)


_START = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}


def _segments(
    data: Tensor,
    reduce: Text,
    lengths: Tensor | None,
    indices: Tensor | None,
    offsets: Tensor | None,
    axis: int,
) -> np.ndarray:
    """How long the segments are (*, s); errors for what segment_reduce cannot do."""
    if reduce not in _START:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, max or min, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if data.array.dtype.kind != "f":
        raise NotImplementedError(f'"segment_reduce" not implemented for {data.dtype}')
    given: Any = offsets if lengths is None else lengths
    if given.array.dtype.kind != "i":
        raise NotImplementedError(f'"segment_reduce" not implemented for lengths of {given.dtype}')
    count = np.diff(given.array) if lengths is None else given.array
    if axis != count.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis}."
        )
    n, batch = data.array.shape[axis], data.array.shape[:axis]
    if (count < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if (count.sum(-1) != n).any() or count.shape[:-1] != batch:
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            "data.size(lengths.dim()-1) when !unsafe."
        )
    return count


@composite(method=False, node_name="SegmentReduce")
def segment_reduce(
    data: Tensor,
    reduce: Text,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Tensor:
    """Neighbouring slices of data along `axis` combined: the first lengths[0] of them, then lengths[1], ...

    reduce: "sum", "mean", "max", "min" or "prod". data (*, n, ...), lengths (*, s) with * the dimensions
    before axis, or offsets (*, s + 1), the running sum of lengths from 0; result (*, s, ...). initial takes
    part in each segment, though not in the number a mean divides by; without it a segment of nothing is 0,
    nan, -inf, inf or 1. Floats only. Equal largest (or smallest) ones share the gradient.

    >>> import tinygrad6 as torch
    >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "sum", lengths=torch.tensor([2, 1]))
    tensor([3., 3.])
    """
    count = _segments(data, reduce, lengths, indices, offsets, axis)
    n, batch = data.array.shape[axis], data.array.shape[:axis]
    rest = data.array.shape[axis + 1 :]
    at = np.repeat(np.arange(count.size), count.reshape(-1)).reshape((-1,) + (1,) * len(rest))
    start = wrap(np.full((count.size, *rest), _START[reduce], data.array.dtype))
    source = shape.reshape(data, (math.prod(batch) * n, *rest))
    index = wrap(np.array(np.broadcast_to(at, source.array.shape)))
    kind = {"max": "amax", "min": "amin", "mean": "sum"}.get(reduce, reduce)
    out = scatter_reduce(start, 0, index, source, kind, include_self=False)
    out = shape.reshape(out, (*count.shape, *rest))
    if initial is not None:
        if kind in ("sum", "prod"):
            out = out + initial if kind == "sum" else out * initial
        else:
            out = masks.where(out < initial if kind == "amax" else out > initial, initial, out)
    if reduce == "mean":
        parts_of = count.reshape(count.shape + (1,) * len(rest)).astype(data.array.dtype)
        out = out / wrap(parts_of if initial is None else np.maximum(parts_of, 1))
    return out


@composite(inplace=False, method=False, public=False, examples=[])
def fill_diagonal(input: Tensor, fill_value: Any, wrap_around: bool = False) -> Tensor:
    """x with a number on its main diagonal, x[i, i, ..]; wrap_around: on again below a tall matrix's end."""
    a = input.array
    if a.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if a.ndim > 2 and len(set(a.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(math.prod(a.shape[i + 1 :]) for i in range(a.ndim))
    end = a.size if wrap_around or a.ndim > 2 else min(a.shape) * step
    at = np.arange(0, min(end, a.size), step)
    flat = replace_items(shape.reshape(input, (-1,)), wrap(dtypes.stored(fill_value, a.dtype)), (at,))
    return shape.reshape(flat, a.shape)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal, x[i, i, ..]; wrap: again below the end of a tall matrix."""
    from tinygrad6.inplace import twin

    if not isinstance(fill_value, Tensor):
        fill_value = scalar("fill_diagonal_", "fill_value", 1, fill_value)
    elif fill_value.array.ndim:
        raise refused("fill_diagonal_", "fill_value", 1, "Number", fill_value)
    return twin("fill_diagonal", fill_diagonal, True)(self, fill_value, wrap)


Tensor.fill_diagonal_ = fill_diagonal_  # type: ignore[attr-defined]

# ---- the tensor's own shape


def _relaid(name: str, call: Callable[..., Any]) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_history(self, name, state.grad and live_node(self) is not None)
        if self.is_leaf and self.node is not None:
            raise RuntimeError(f"{name}_(): a leaf that requires grad keeps its shape: use x = x.{name}(...)")
        old = self
        if self.view_of is None:  # the hidden base takes over history and memory
            old = wrap(self.array)
            old.node, old.cell = self.node, self.cell
        new = call(old, *args, **kwargs)
        if new is not old and new.view_of is None and new.array.size and new.array is not old.array:
            raise RuntimeError(f"{name}_(): the memory of this tensor allows no such view")
        self.array, self.node, self.view_of = new.array, new.node, new.view_of
        return self

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"Change this tensor's own shape as `{name}` would."
    setattr(Tensor, f"{name}_", method)


for _name in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims", "as_strided"):
    _relaid(_name, getattr(Tensor, _name))


def _holders(x: Tensor) -> int:
    """How many references there are to the memory of x."""
    owner = x.array.base
    return sys.getrefcount(x.array) + (0 if owner is None else sys.getrefcount(owner))


def resize_(self: Tensor, *sizes: Any, size: Any = None, memory_format: Any = None) -> Tensor:
    """Give this tensor another size, contiguous: what lies in its memory from its first element on stays, new
    elements are not set.

    A view shows more of its base's memory, or less. Not for gradients. RuntimeError where more memory is
    needed than there is and another tensor or array looks at it: NumPy's memory cannot grow in its place.
    """
    if live_node(self) is not None:
        raise RuntimeError("cannot resize variables that require grad")
    if (size is None) == (not sizes):
        raise TypeError("resize_() missing 1 required positional argument: 'size'")
    size = flatten_sequence(sizes or (size,))
    size = several("resize_", "size", 1, tuple(size))
    if any(n < 0 for n in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    alone = wrap(np.empty(1) if self.array.base is None else np.empty(2)[:1])
    shared = _holders(self) > _holders(alone)  # now: later on this function looks at the memory, too
    a, n = self.array, math.prod(size)
    if n * a.itemsize >= 1 << 63:
        raise RuntimeError(f"resize_(): a tensor of size {list(size)} does not fit in memory")
    if a.shape == tuple(size):
        return self
    whole = a if self.view_of is None else self.view_of.base.array
    flat = whole.ravel(order="K")  # a view of what is dense
    if np.may_share_memory(flat, whole):
        flat = flat.view(np.uint8)[a.ctypes.data - flat.ctypes.data :].view(a.dtype)
    elif self.view_of is not None:
        raise RuntimeError("resize_(): the base of this view has gaps in its memory: resize a clone()")
    if n > flat.size:
        if self.view_of is not None:
            raise RuntimeError(
                f"resize_(): the base of this view has no room for size {list(size)}: resize a clone()"
            )
        if shared:
            raise RuntimeError(
                f"resize_(): size {list(size)} needs more memory than this tensor has, which another tensor "
                "or array shares: resize a clone()"
            )
        flat = np.concatenate([flat, np.empty(n - flat.size, a.dtype)])
    self.array, self.view_of = flat[:n].reshape(size), None
    self.bump()
    return self


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """resize_ to the size of another tensor."""
    if not isinstance(the_template, Tensor):
        raise TypeError(
            "resize_as_(): argument 'the_template' (position 1) must be Tensor, not "
            f"{type(the_template).__name__}"
        )
    return resize_(self, size=the_template.array.shape)


def set_(
    self: Tensor,
    source: Tensor | None = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Share another tensor's memory and shape from now on; without one, be empty. Not for gradients.

    size: another shape of that memory, with these strides, row-major ones by default, from the element
    storage_offset on.
    """
    if live_node(self) is not None:
        raise RuntimeError("set_(): not allowed on a tensor that requires grad: assign to .data instead")
    if source is None:
        source = wrap(np.zeros(0, self.array.dtype))
    if not isinstance(source, Tensor):
        raise TypeError(f"set_(): argument 'source' (position 1) must be Tensor, not {type(source).__name__}")
    if source.array.dtype != self.array.dtype:
        raise RuntimeError(f"set_(): expected a source of {self.dtype}, got {source.dtype}")
    if size is not None:
        size = several("set_", "size", 3, size)
        step = [math.prod(size[i + 1 :]) for i in range(len(size))]
        source = parts.as_strided(source.detach(), size, step if stride is None else stride, storage_offset)
    self.array, self.cell, self.view_of = source.array, source.cell, source.view_of
    return self


Tensor.resize_, Tensor.resize_as_, Tensor.set_ = resize_, resize_as_, set_  # type: ignore[attr-defined]
