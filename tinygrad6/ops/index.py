"""Indexing: x[...] and x[...] = v.

An index has a basic part (ints, slices, None, ...), which gives a view, and on that view an advanced part
(integer tensors and masks), which gives a copy. Each part is one op, `part` and `items`, whose transpose is
another op, `embed_part` and `add_items`; each names the other in its rule, so every order of derivative exists.

The one thing that takes care is adding up rows that an index names several times: see `add_rows`.
"""
from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6.inplace import refuse, write
from tinygrad6.modes import state
from tinygrad6.op import case, composite, op
from tinygrad6.ops.writers import copy, in_torch_words, number, put
from tinygrad6.tensor import TENSORS, Tensor, as_array, wrap
from tinygrad6.view import live_node

ALL = slice(None)
NARROW = 24  # up to so many columns, adding rows up by bincount is the fastest
HEAVY = 16  # a row named more often than this is added up on its own

# ---- the basic part: a view


@op(lambda g, x_shape, index: embed_part(g, x_shape, index), method=False, public=False, view=True, node_name="Slice",
    examples=[case((3, 4), index=(1, ...)), case((3, 4), index=(slice(0, 2), None, slice(1, 4, 2), ...)),
              case((3, 4), index=(..., -1)), case((3, 4), index=(2, 0, ...)), case((3, 4), index=(slice(2, 1), ...))])
def part(x, index):
    """x[index] for a tuple of ints, slices, None and one Ellipsis; a view."""
    return x[index]


@op(lambda g, index: part(g, index), method=False, public=False,
    examples=[case((4,), shape=(3, 4), index=(1, ...)), case((), shape=(3, 4), index=(2, 0, ...))])
def embed_part(x, shape, index):
    """Zeros of the given shape with x at [index]."""
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


# ---- the advanced part: a copy

_ROWS = (np.array([2, 0, 2, -1]),)
_PAIRS = (np.array([[0], [2]]), slice(None), np.array([1, 1, 0]))
_MASK = (slice(None), np.array([True, False, True, True]))


@op(lambda g, x_shape, index: add_items(g, x_shape, index), method=False, public=False, node_name="Index",
    examples=[case((3, 4), index=_ROWS), case((3, 4, 2), index=_PAIRS), case((3, 4), index=_MASK)])
def items(x, index):
    """x[index] for a tuple of full slices, integer arrays and masks, with NumPy's placing of the result; a copy."""
    if type(index[-1]) is np.ndarray and index[-1].dtype.kind == "i" and x.flags.c_contiguous:
        if not any(type(i) is np.ndarray for i in index[:-1]):
            return x.take(index[-1], len(index) - 1)
    return x[index]


@op(lambda g, index: items(g, index), method=False, public=False,
    examples=[case((4, 4), shape=(3, 4), index=_ROWS), case((2, 3, 4), shape=(3, 4, 2), index=_PAIRS),
              case((3, 3), shape=(3, 4), index=_MASK)])
def add_items(x, shape, index):
    """Zeros of the given shape to which x was added at [index]; what an index names twice adds up."""
    at = [i for i, a in enumerate(index) if type(a) is np.ndarray]
    if len(at) == 1 and index[at[0]].dtype.kind == "b":
        out = np.zeros(shape, x.dtype)
        out[index] = x
        return out
    arrays, dims = [], []
    d = 0
    for a in index:
        if type(a) is not np.ndarray:
            d += 1
        elif a.dtype.kind == "b":
            arrays += a.nonzero()
            dims += range(d, d + a.ndim)
            d += a.ndim
        else:
            arrays.append(a)
            dims.append(d)
            d += 1
    first = at[0] if at == list(range(at[0], at[-1] + 1)) else 0  # where x has the dimensions of the index
    common = np.broadcast_shapes(*[a.shape for a in arrays])
    inner = [i for i in range(len(shape)) if i not in dims]
    rows = 0
    for a, i in zip(arrays, dims, strict=True):
        rows = rows * shape[i] + np.where(a < 0, a + shape[i], a)
    n = len(common)
    x = np.broadcast_to(x, (*[shape[i] for i in inner[:first]], *common, *[shape[i] for i in inner[first:]]))
    x = x.transpose((*range(first, first + n), *range(first), *range(first + n, x.ndim)))
    width = math.prod([shape[i] for i in inner])
    x = x.reshape(math.prod(common), width)
    out = add_rows(x, np.broadcast_to(rows, common).reshape(-1), math.prod([shape[i] for i in dims]))
    out = out.reshape([shape[i] for i in dims] + [shape[i] for i in inner])
    return out if dims == list(range(len(dims))) else out.transpose(np.argsort(dims + inner))


def add_rows(x: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Zeros (n, width) to which x[i] (width,) was added in row rows[i] for every i; rows counts from 0.

    np.add.at takes one Python-sized step per element. Here, many narrow rows are added by one bincount (in float64,
    so also more exactly), and wide ones are sorted by row: the first of each is assigned, the second added, and so on,
    except that a row named very often, such as a padding token's, is summed on its own.
    """
    count, width = x.shape
    if x.dtype.kind != "f":
        out = np.zeros((n, width), x.dtype)
        np.add.at(out, rows, x)
        return out
    if width < NARROW:
        flat = rows if width == 1 else (rows[:, None] * width + np.arange(width)).reshape(-1)
        if n * width <= 8 * flat.size + 4096:
            return np.bincount(flat, x.reshape(-1), n * width).reshape(n, width).astype(x.dtype, copy=False)
        out = np.zeros(n * width, np.float32 if x.dtype.char == "e" else x.dtype)
        np.add.at(out, flat, x.reshape(-1).astype(out.dtype, copy=False))  # fast for one dimension and few elements
        return out.reshape(n, width).astype(x.dtype, copy=False)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if count else np.zeros(0, np.int64)
    counts = np.diff(starts, append=count)
    half = x.dtype.char == "e"
    out = np.zeros((n, width), np.float32 if half else x.dtype)
    out[ordered[starts]] = x[order[starts]]
    often = counts > HEAVY
    light, counts_light = starts[~often], counts[~often]
    for k in range(1, int(counts_light.max(initial=1))):
        at = light[counts_light > k] + k
        out[ordered[at]] += x[order[at]]
    for start, times in zip(starts[often].tolist(), counts[often].tolist(), strict=True):
        out[ordered[start]] = np.add.reduce(x[order[start:start + times]], 0, out.dtype)
    return out.astype(x.dtype) if half else out


@op(lambda g, index: replace_items(g, 0.0, index), lambda g, index: items(g, index), method=False, public=False,
    node_name="IndexPut", examples=[case((3, 4), (4,), index=_ROWS[0:1]), case((3, 4), (3, 3), index=_MASK),
                                    case((3, 4, 2), (), index=(np.array([1, 0]), slice(None), np.array([1, 1])))])
def replace_items(x, y, index):
    """x with the elements at [index] replaced by y, which is broadcast; of several for one place the last stays."""
    out = np.array(x)
    out[index] = y
    return out


# ---- reading an index


def parse(index: Any, shape: tuple) -> tuple[tuple | None, tuple | None]:
    """An index as its basic part, for the tensor, and its advanced part, for the view made by that. None: nothing to do.

    Ints and 0-d integer tensors belong to the basic part, also beside integer tensors: that is where PyTorch differs
    from NumPy, in the order of the dimensions of the result. IndexError for what is out of range or no index.
    """
    given = index if type(index) is tuple else tuple(index) if _stands_for_tuple(index) else (index,)
    ndim = len(shape)
    parts: list[Any] = []
    taken = 0  # dimensions that the index names
    for item in given:
        kind = type(item)
        if kind is int or kind is slice:
            taken += 1
        elif item is not None and item is not ... and kind is not bool:
            item = _read(item)
            if type(item) is np.ndarray:
                taken += item.ndim if item.dtype.kind == "b" else 1
            elif type(item) is int:
                taken += 1
        parts.append(item)
    if taken > ndim:
        if not ndim and type(parts[0]) is int:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
                             "to convert a 0-dim tensor to a number")
        if not ndim and type(parts[0]) is slice:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    basic: list[Any] = []
    advanced: list[Any] = []
    simple, plain, d = True, True, 0  # simple: the basic part is full slices; plain: there is no advanced part
    for item in parts:
        kind = type(item)
        if kind is int:
            n = shape[d]
            if not -n <= item < n:
                raise IndexError(f"index {item} is out of bounds for dimension {d} with size {n}")
            basic.append(item)
            simple = False
            d += 1
        elif kind is slice:
            item = _slice(item)
            basic.append(item)
            advanced.append(ALL)
            simple = simple and item == ALL
            d += 1
        elif item is None:
            basic.append(None)
            advanced.append(ALL)
            simple = False
        elif item is ...:
            skipped, taken = ndim - taken, ndim
            basic += [ALL] * skipped
            advanced += [ALL] * skipped
            d += skipped
        elif kind is bool:
            basic.append(None)
            advanced.append(np.zeros(int(item), np.int64))
            simple = plain = False
        elif item.dtype.kind == "b":
            for i, n in enumerate(item.shape):
                if n != shape[d + i]:
                    raise IndexError(f"The shape of the mask {list(item.shape)} at index {i} does not match the shape of "
                                     f"the indexed tensor {list(shape)} at index {d + i}")
            basic += [ALL] * item.ndim
            advanced.append(item)
            plain = False
            d += item.ndim
        else:
            basic.append(ALL)
            advanced.append(item)
            plain = False
            d += 1
    if plain:
        return (*basic, ...), None
    while type(advanced[-1]) is slice:
        advanced.pop()
    return None if simple else (*basic, ...), tuple(advanced)


def _stands_for_tuple(index: Any) -> bool:
    """PyTorch reads a short list as a tuple if there is a sequence, a tensor, a slice, None or ... in it."""
    return type(index) is list and len(index) < 32 and any(
        i is None or i is ... or isinstance(i, (slice, list, tuple, Tensor, np.ndarray)) for i in index)


def _slice(s: slice) -> slice:
    start, stop, step = s.start, s.stop, s.step
    if step is not None and step <= 0:
        raise ValueError("slice step cannot be zero" if step == 0 else "step must be greater than zero")
    if (start is None or type(start) is int) and (stop is None or type(stop) is int):
        return s
    try:
        return slice(*[v if v is None else operator.index(v) for v in (start, stop, step)])
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def _read(item: Any) -> Any:
    """An index that is no int, slice, None or Ellipsis, as an int, a bool, an integer array or a mask."""
    if isinstance(item, Tensor):
        a = item.array
        if a.dtype == np.uint8:
            warnings.warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
                          UserWarning, stacklevel=4)
            a = a.astype(bool)
        elif a.dtype.kind == "f" or a.itemsize < 4 and a.dtype.kind != "b":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        elif a is item.array and a.ndim and state.grad:
            a = a.copy()  # the gradient needs it later, and it may be changed
    elif isinstance(item, (list, tuple, range)):
        a = as_array(list(item)) if len(item) else np.zeros(0, np.int64)
    elif isinstance(item, np.ndarray):
        a = item
    elif hasattr(item, "__index__"):
        return bool(item) if isinstance(item, np.bool_) else operator.index(item)
    elif isinstance(item, np.bool_):
        return bool(item)
    else:
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                         f"(got {type(item).__name__})")
    if a.dtype.kind not in "iub":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if not a.ndim:
        return a.item()
    return a if a.dtype.kind == "b" else a.astype(np.int64, copy=False)


# ---- x[index]


def getitem(input: Tensor, index: Any) -> Tensor:
    """x[index]: a view for ints, slices, None and ..., a copy for integer tensors, lists and masks.

    Raises IndexError for what is out of range or no index, ValueError for a slice that steps backwards.

    >>> import tinygrad6 as torch
    >>> x = torch.arange(6).reshape(2, 3)
    >>> x[:, 1:], x[[1, 0], [0, 2]], x[x > 3]
    (tensor([[1, 2],
            [4, 5]]), tensor([3, 2]), tensor([4, 5]))
    """
    basic, advanced = parse(index, input.array.shape)
    x = input if basic is None else part(input, basic)
    return x if advanced is None else _items(x, advanced)


def _items(x: Tensor, index: tuple) -> Tensor:
    try:
        return items(x, index)
    except IndexError as e:
        raise in_torch_words(e, index) from None


# ---- x[index] = v


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """x[index] = v, with v broadcast to x[index]: a write through the view, or `index_put_` for an advanced index.

    Gradients flow to v and to what of x was not overwritten. RuntimeError for shapes that do not broadcast, and for
    leaves that require gradients.
    """
    basic, advanced = parse(index, input.array.shape)
    if type(value) not in TENSORS:
        if isinstance(value, (list, tuple, str)) or value is None:
            raise TypeError(f"can't assign a {type(value).__name__} to a torch.{input.dtype} tensor")
        value = number(value, input)
    elif advanced is not None and value.array.dtype != input.array.dtype:
        if value.array.ndim:
            raise RuntimeError("Index put requires the source and destination dtypes match, got "
                               f"{input.dtype} for the destination and {value.dtype} for the source.")
        value = value.to(input.array.dtype)
    recording = state.grad and (live_node(input) is not None or live_node(value) is not None)
    refuse(input, "index_put" if advanced is not None else "copy", recording)
    if not recording:
        x = input.array if basic is None else input.array[basic]
        put(x, ... if advanced is None else advanced, value.array)
        input.bump()
        return
    x = input if basic is None else part(input, basic)
    value = without_leading_ones(value, x.array.ndim if advanced is None else None)
    if advanced is None:
        write(x, copy(x, value), "copy")
    else:
        write(x, _replaced(x, value, advanced), "index_put")


def without_leading_ones(value: Tensor, ndim: int | None) -> Tensor:
    """value without leading dimensions of length 1: those beyond ndim, or all if ndim is None."""
    shape = value.array.shape
    while shape and shape[0] == 1 and (ndim is None or len(shape) > ndim):
        shape = shape[1:]
    return value if shape == value.array.shape else value.reshape(shape)


def _replaced(x: Tensor, value: Tensor, index: tuple) -> Tensor:
    try:
        return replace_items(x, value, index)
    except IndexError as e:
        raise in_torch_words(e, index) from None
    except RuntimeError:
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing "
                           f"result of shape {list(x.array[index].shape)}") from None


Tensor.__getitem__ = getitem  # type: ignore[attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[attr-defined]


def _indices(indices: Sequence[Any], shape: tuple, name: str) -> tuple:
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not {type(indices).__name__}")
    # Ints as arrays, so that everything is advanced and the basic part is trivial.
    as_arrays = [wrap(i.array.reshape(1)) if isinstance(i, Tensor) and not i.array.ndim else ALL if i is None else i
                 for i in indices]
    return parse(tuple(as_arrays), shape)[1] or (...,)


@composite(inplace=True, examples=[
    case((3, 4), lambda rng: np.array([1.0, 2.0]), indices=(np.array([0, 2]), np.array([1, 3])), accumulate=True)])
def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values`, broadcast, at [indices], a tuple of tensors; accumulate adds them instead, repeats included.

    RuntimeError if the types differ or values does not broadcast; IndexError out of range.
    """
    if isinstance(values, (tuple, list)) and isinstance(indices, Tensor):
        indices, values = values, indices
    if values.array.dtype != input.array.dtype:
        raise RuntimeError(f"Index put requires the source and destination dtypes match, got {input.dtype} for the "
                           f"destination and {values.dtype} for the source.")
    index = _indices(indices, input.array.shape, "index_put")
    if not accumulate:
        return _replaced(input, values, index)
    try:
        wanted = np.broadcast_shapes(input.array[index].shape, values.array.shape)
    except IndexError as e:
        raise in_torch_words(e, index) from None
    return input + add_items(values.expand(wanted), input.array.shape, index)
