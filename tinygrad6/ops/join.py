"""Joining and splitting tensors."""

from __future__ import annotations

import operator
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6 import dtypes, layouts
from tinygrad6.arguments import composite, several
from tinygrad6.arguments import tensors as each_tensor
from tinygrad6.engine import Node
from tinygrad6.modes import state
from tinygrad6.op import OPS, Op, case, named
from tinygrad6.ops.index import getitem, part
from tinygrad6.ops.shape import normal_dim, reshape
from tinygrad6.out import into
from tinygrad6.tensor import TENSORS, Tensor, wrap
from tinygrad6.view import live_node


class _Concatenation(Op):
    """An op of any number of arrays: its node has a parent for each,
    and the gradient is cut where they meet."""

    def __init__(self, forward: Any) -> None:
        super().__init__(forward, (), examples=[], node_name="Cat")

    def join(self, tensors: Sequence[Tensor], dim: int) -> Tensor:
        if state.lanes:
            from tinygrad6.autograd.lanes import Lanes

            if any(type(t) is Lanes for t in tensors):
                return Lanes.cat(tensors, dim)
        arrays = [t.array for t in tensors]
        common = dtypes.result_type(*arrays)
        out = self.forward([a if a.dtype == common else a.astype(common) for a in arrays], dim)
        return self.record(tensors, arrays, dim, out)

    def plain(self, tensors: Sequence[Any], dim: Any) -> Tensor | None:
        """What `join` makes of matrices, or arrays of more dimensions, of one type; None for all else."""
        if not tensors or type(dim) is not int:
            return None
        arrays = [t.array for t in tensors if type(t) in TENSORS]
        if len(arrays) < len(tensors):
            return None
        kind, d = arrays[0].dtype, arrays[0].ndim
        if d < 2 or not -d <= dim < d:
            return None
        for a in arrays:
            if a.dtype is not kind or a.ndim != d:
                return None
        try:
            out = self.forward(arrays, dim)
        except ValueError:
            return None
        return self.record(tensors, arrays, dim % d, out)

    def record(self, tensors: Sequence[Tensor], arrays: list, dim: int, out: np.ndarray) -> Tensor:
        """`out` as a Tensor, whose node leads to all the tensors that want gradients."""
        result = wrap(out)
        if state.grad and out.dtype.kind == "f":
            parents = tuple([live_node(t) for t in tensors])
            if any(p is not None for p in parents):
                ends = list(itertools.accumulate([a.shape[dim] for a in arrays]))
                result.node = _CatNode(self, parents, (), (), {"dim": dim, "ends": ends}, out)
        return result


class _CatNode(Node):
    """A node with any number of parents, for which Op, with one rule for each argument, has no form."""

    __slots__ = ()

    def gradients(self, g: Any, graph: bool) -> Any:
        dim, ends = self.params["dim"], self.params["ends"]
        before = (slice(None),) * dim
        starts = [0, *ends[:-1]]
        return [
            (p, g[(*before, slice(a, b))])
            for p, a, b in zip(self.parents, starts, ends, strict=True)
            if p is not None
        ]


def _cat(tensors, dim):
    """The tensors one after another along dim."""
    out = np.concatenate(tensors, dim)
    if layouts.unusual and all(map(layouts.has_channels_last, tensors)):
        return layouts.channels_last(out)
    # of column-major arrays NumPy makes a column-major one
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


_CAT = _Concatenation(_cat)


@composite(method=False)
def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, out: Any = None) -> Tensor:
    """The tensors one after another along `dim`; all other lengths must be equal. Types are promoted.

    1-d tensors without elements are left out, as in PyTorch. RuntimeError for none at all or for lengths that
    differ.
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"cat(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    if out is not None:
        return into(out, cat(tensors, dim if axis is None else axis), "cat")
    if axis is not None:
        dim = axis
    if (joined := _CAT.plain(tensors, dim)) is not None:
        return joined
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    first = next((t.array.shape for t in tensors if t.array.shape != (0,)), None)
    if first is None:
        return _CAT.join(tensors, 0)  # whatever dim says
    if not first:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = normal_dim(dim, len(first))
    for i, t in enumerate(tensors):
        shape = t.array.shape
        if shape == (0,):
            continue
        if len(shape) != len(first):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}"
            )
        for d, (a, b) in enumerate(zip(first, shape, strict=True)):
            if a != b and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} but got size "
                    f"{b} for tensor number {i} in the list."
                )
    nothing = (*first[:dim], 0, *first[dim + 1 :])  # left out, but not of the types, nor of the graph
    return _CAT.join([reshape(t, nothing) if t.array.shape == (0,) else t for t in tensors], dim)


@composite(method=False)
def concat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Another name for cat."""
    return cat(tensors, dim)


@composite(method=False)
def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Another name for cat."""
    return cat(tensors, dim)


@composite(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Any = None) -> Tensor:
    """The tensors, all of one shape, along a new dimension `dim`."""
    each_tensor("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    if out is not None:
        return into(out, stack(tensors, dim), "stack")
    arrays = [t.array for t in tensors]
    shape, kind = arrays[0].shape, arrays[0].dtype
    for i, a in enumerate(arrays):
        if a.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(a.shape)} at entry {i}"
            )
    d = normal_dim(dim, len(shape) + 1)
    plain = not state.lanes and not (state.grad and any([t.requires_grad for t in tensors]))
    if plain and all([a.dtype is kind for a in arrays]):
        if not d:
            return wrap(np.array(arrays))  # a batch of samples, mostly: NumPy is fastest at these
        result = np.empty((*shape[:d], len(tensors), *shape[d:]), kind)  # row by row in any case
        return wrap(np.stack(arrays, d, out=result))
    unsqueeze = OPS["unsqueeze"].call
    return named(_CAT.join([unsqueeze(t, d) for t in tensors], d), "Stack")


def _at_least(ndim: int) -> Any:
    def lifted(t: Tensor) -> Tensor:
        each_tensor(f"atleast_{ndim}d", [t])
        if t.array.ndim >= ndim:
            return t
        if ndim == 1:
            return t.reshape(1)
        if ndim == 2:
            return t.reshape(1, -1)
        return t.reshape(1, -1, 1) if t.array.ndim < 2 else t.unsqueeze(-1)

    return lifted


for _n in (1, 2, 3):

    def _public(*tensors: Any, _lifted: Any = _at_least(_n)) -> Any:
        items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
        return (
            _lifted(items[0])
            if len(items) == 1 and isinstance(tensors[0], Tensor)
            else tuple(map(_lifted, items))
        )

    _public.__name__ = _public.__qualname__ = f"atleast_{_n}d"
    _public.__doc__ = f"The tensors with at least {_n} dimension{'s' if _n > 1 else ''}."
    composite(method=False)(_public)


def _some(name: str, tensors: Any) -> Any:
    if not each_tensor(name, tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@composite(method=False)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 1, or 0 for 1-d tensors."""
    items = [_at_least(1)(t) for t in _some("hstack", tensors)]
    return cat(items, 0 if items and items[0].array.ndim == 1 else 1)


@composite(method=False)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 0, 1-d tensors as rows."""
    return cat([_at_least(2)(t) for t in _some("vstack", tensors)], 0)


@composite(method=False)
def row_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Another name for vstack."""
    return vstack(tensors)


@composite(method=False)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 2."""
    return cat([_at_least(3)(t) for t in _some("dstack", tensors)], 2)


@composite(method=False)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """1-d tensors as columns, joined along dimension 1."""
    items = _some("column_stack", tensors)
    return cat([t.reshape(-1, 1) if t.array.ndim < 2 else t for t in items], 1)


# ---- splitting: the parts are views


def _cut(input: Tensor, dim: int, lengths: Sequence[int], maker: str | None = None) -> tuple[Tensor, ...]:
    parts, start = [], 0
    for n in lengths:
        parts.append(part(input, (*(slice(None),) * dim, slice(start, start + n), ...)))
        start += n
    return _several(tuple(parts), maker)


def _several(parts: tuple[Tensor, ...], maker: str | None) -> tuple[Tensor, ...]:
    """Mark views of one tensor made by one call:
    PyTorch does not let them be changed in place while recording."""
    if maker and state.grad:
        shown: Any = None  # the op under the name of what made them, found once
        for p in parts:
            if (v := p.view_of) is not None and v.recorded:
                v.recorded = maker
                if p.node is not None:
                    if shown is None:
                        shown = named(p, maker).node.op
                    p.node.op = shown
    return parts


@composite(
    examples=[case((4, 3), split_size_or_sections=3), case((4, 3), split_size_or_sections=[1, 3])],
    spellings={"tensor": "input"},
)
def split(
    input: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Views of x cut along `dim` into parts of one length, the last perhaps shorter,
    or of the lengths listed."""
    size: Any = split_size if split_size_or_sections is None else split_size_or_sections
    size = several("split", "split_size", 2, size)
    if not input.array.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if isinstance(size, int) and size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    d = normal_dim(dim, input.array.ndim)
    n = input.array.shape[d]
    if isinstance(size, (tuple, list)):
        if sum(size) != n or any(s < 0 for s in size):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at "
                f"dimension {d}), but got split_sizes={list(size)}"
            )
        return _cut(input, d, size, "SplitWithSizesBackward0")
    if size == 0 and n:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
    return _cut(input, d, [min(size, n - i) for i in range(0, n, size)] if n else [0], "SplitBackward0")


@composite()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """split into the lengths listed."""
    return split(input, list(split_sizes), dim)


@composite(examples=[case((5, 3), chunks=2), case((2, 6), chunks=3, dim=1)])
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of x along `dim`, of equal length but for the last."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not input.array.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    d = normal_dim(dim, input.array.ndim)
    n = input.array.shape[d]
    if not n:
        return _cut(input, d, [0] * chunks, "SplitBackward0")
    return split(input, -(-n // chunks), d)


_CUTS = dict.fromkeys(("sections", "indices", "tensor_indices_or_sections"), "indices_or_sections")


@composite(spellings=_CUTS)
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of x along `dim`: a number of parts of nearly equal lengths, or cut before each index."""
    if not isinstance(indices_or_sections, Tensor):
        indices_or_sections = several("tensor_split", "indices_or_sections", 2, indices_or_sections)
    elif indices_or_sections.array.dtype != np.int64:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
            f"{indices_or_sections.dtype}"
        )
    if not input.array.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = normal_dim(dim, input.array.ndim)
    n = input.array.shape[d]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {k}")
        return _cut(input, d, [n // k + (i < n % k) for i in range(k)])
    cuts = [0, *[operator.index(i) for i in indices_or_sections], n]
    before = (slice(None),) * d
    return tuple(getitem(input, (*before, slice(a, b))) for a, b in zip(cuts, cuts[1:], strict=False))


@composite(examples=[case((3, 2)), case((3, 2), dim=1)])
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of x without dimension `dim`, one per index."""
    if not input.array.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = normal_dim(dim, input.array.ndim)
    before = (slice(None),) * d
    return _several(
        tuple([part(input, (*before, i, ...)) for i in range(input.array.shape[d])]), "UnbindBackward0"
    )


def _splitter(name: str, dim: int, needed: int) -> None:
    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        several(name, "indices_or_sections", 2, indices_or_sections)
        ndim = input.array.ndim
        if ndim < needed:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {needed} dimension, but got a tensor with "
                f"{ndim} dimensions!"
            )
        d = 0 if ndim == 1 else dim
        if isinstance(indices_or_sections, int) and input.array.shape[d] % (indices_or_sections or 1):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension "
                f"{input.array.shape[d]} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, d)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Views of x cut along dimension {dim}: a number of equal parts, or cut before each index."
    )
    composite(spellings=_CUTS)(function)


for _name, _dim, _needed in (("hsplit", 1, 1), ("vsplit", 0, 2), ("dsplit", 2, 3)):
    _splitter(_name, _dim, _needed)
