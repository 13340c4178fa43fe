"""Indexing: x[...] and x[...] = v.

An index has a basic part (ints, slices, None, ...), which gives a view, and on that view an advanced part
(integer tensors and masks), which gives a copy. Each part is one op, `part` and `items`, whose transpose is
another op, `embed_part` and `add_items`; each names the other in its rule, so every order of derivative
exists.

The one thing that takes care is adding up rows that an index names several times: see `add_rows`.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6.arguments import composite
from tinygrad6.inplace import refuse, refuse_memory, write
from tinygrad6.modes import state
from tinygrad6.op import case, op
from tinygrad6.ops.writers import copy, in_torch_words, number, put
from tinygrad6.quiet import Quiet
from tinygrad6.tensor import TENSORS, Tensor, as_array, wrap
from tinygrad6.view import live_node

ALL = slice(None)
NARROW = 24  # up to so many columns, adding rows up by bincount is the fastest
FEW = 128  # to so few rows, adding is a matrix product
HEAVY = 32  # a row named more often than this is added up on its own

# ---- the basic part: a view


def _part_name(node: Any) -> str:
    """PyTorch takes an index apart; the last of its views gives the name."""
    for item in reversed(node.params.get("index", ())):
        if item is None:
            return "UnsqueezeBackward0"
        if type(item) is int:
            return "SelectBackward0"
        if item is not ... and item != ALL:
            break
    return "SliceBackward0"


@op(
    lambda g, x_shape, index: embed_part(g, x_shape, index),
    method=False,
    public=False,
    view=True,
    node_name=_part_name,
    examples=[
        case((3, 4), index=(1, ...)),
        case((3, 4), index=(slice(0, 2), None, slice(1, 4, 2), ...)),
        case((3, 4), index=(..., -1)),
        case((3, 4), index=(2, 0, ...)),
    ],
)
def part(x, index):
    """x[index] for a tuple of ints, slices, None and one Ellipsis; a view."""
    return x[index]


@op(
    lambda g, index: part(g, index),
    method=False,
    public=False,
    examples=[case((4,), shape=(3, 4), index=(1, ...)), case((), shape=(3, 4), index=(2, 0, ...))],
)
def embed_part(x, shape, index):
    """Zeros of the given shape with x at [index]."""
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


# ---- the advanced part: a copy

_ROWS = (np.array([2, 0, 2, -1]),)
_PAIRS = (np.array([[0], [2]]), slice(None), np.array([1, 1, 0]))
_MASK = (slice(None), np.array([True, False, True, True]))


@op(
    lambda g, x_shape, index: add_items(g, x_shape, index),
    method=False,
    public=False,
    node_name="Index",
    examples=[case((3, 4), index=_ROWS), case((3, 4, 2), index=_PAIRS), case((3, 4), index=_MASK)],
)
def items(x, index):
    """x[index] for a tuple of full slices, integer arrays and masks, with NumPy's placing of the result;
    a copy."""
    if type(index[-1]) is np.ndarray and index[-1].dtype.kind == "i" and x.flags.c_contiguous:
        if not any(type(i) is np.ndarray for i in index[:-1]):
            return x.take(index[-1], len(index) - 1)
    out = x[index]  # which NumPy may lay out in another order
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


@op(
    lambda g, index: items(g, index),
    method=False,
    public=False,
    examples=[
        case((4, 4), shape=(3, 4), index=_ROWS),
        case((2, 3, 4), shape=(3, 4, 2), index=_PAIRS),
        case((3, 3), shape=(3, 4), index=_MASK),
    ],
)
def add_items(x, shape, index):
    """Zeros of the given shape to which x was added at [index]; what an index names twice adds up."""
    at = [a for a in index if type(a) is np.ndarray]
    if len(at) == 1 and at[0].dtype.kind == "b":
        out = np.zeros(shape, x.dtype)
        out[index] = x
        return out
    if len(index) == 1 and x.size:  # rows: what embeddings do
        rows, out = at[0].reshape(-1), np.zeros(shape, x.dtype)
        if rows.min() < 0:
            rows = np.where(rows < 0, rows + shape[0], rows)
        add_rows(out.reshape(shape[0], -1), rows, x.reshape(len(rows), -1))
        return out
    return _added(np.zeros(shape, x.dtype), x, index)


@op(
    lambda g: g,
    lambda g, index: items(g, index),
    method=False,
    public=False,
    node_name="IndexAdd",
    examples=[
        case((3, 4), (4, 4), index=_ROWS),
        case((3, 4, 2), (2, 3, 4), index=_PAIRS),
        case((3, 4), (3, 1), index=_MASK),
    ],
)
def plus_items(x, y, index):
    """x with y, broadcast, added at [index]; what an index names twice adds up."""
    return _added(np.array(x, order="C"), y, index)


def _added(out: np.ndarray, x: np.ndarray, index: tuple) -> np.ndarray:
    """out, row-major, with x added at [index]."""
    shape = out.shape
    arrays, dims, inner, first = layout(index, shape)
    common = np.broadcast_shapes(*[a.shape for a in arrays])
    rows: Any = 0
    for a, i in zip(arrays, dims, strict=True):
        rows = rows * shape[i] + np.where(a < 0, a + shape[i], a)
    rows = np.broadcast_to(rows, common).reshape(-1)
    x = np.broadcast_to(x, (*[shape[i] for i in inner[:first]], *common, *[shape[i] for i in inner[first:]]))
    n = len(common)
    x = x.transpose((*range(first, first + n), *range(first), *range(first + n, x.ndim)))
    x = x.reshape(len(rows), math.prod([shape[i] for i in inner]))
    height = math.prod([shape[i] for i in dims])
    if dims == list(range(len(dims))):
        add_rows(out.reshape(height, x.shape[1]), rows, x)
    else:
        moved = out.transpose(dims + inner)
        flat = moved.reshape(height, x.shape[1])  # a copy
        add_rows(flat, rows, x)
        moved[...] = flat.reshape(moved.shape)
    return out


def layout(index: tuple, shape: tuple) -> tuple[list, list, list, int]:
    """The integer arrays of an advanced index, the dimensions they are for, the other dimensions, and how
    many of those come before the index's own in the result: NumPy puts it in front if the arrays do not stand
    together."""
    at = [i for i, a in enumerate(index) if type(a) is np.ndarray]
    arrays: list[np.ndarray] = []
    dims: list[int] = []
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
    inner = [i for i in range(len(shape)) if i not in dims]
    return arrays, dims, inner, at[0] if len(at) == at[-1] - at[0] + 1 else 0


def shape_of(index: tuple, shape: tuple) -> tuple:
    """The shape of items(x, index) for x of the given shape."""
    arrays, _, inner, first = layout(index, shape)
    try:
        common = np.broadcast_shapes(*[a.shape for a in arrays])
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(a.shape)) for a in arrays)
        ) from None
    rest = [shape[i] for i in inner]
    return (*rest[:first], *common, *rest[first:])


def add_rows(out: np.ndarray, rows: np.ndarray, x: np.ndarray) -> None:
    """out[rows[i]] += x[i] for every i, in order of i:
    out (n, width), x (count, width), rows (count,) counted from 0.

    np.add.at takes one slow step per element. Here, many narrow rows are added by one bincount (in float64,
    so also more exactly); few rows to add to, by a product with a matrix of ones; wide ones are sorted by
    row: the first of each is added, then the second, and so on, except that a row named very often, such as a
    padding token's, is summed alone.
    """
    (n, width), count = out.shape, len(rows)
    if not x.size:
        return
    if x.dtype.kind != "f":
        np.add.at(out, rows, x)
        return
    if x.dtype.char == "e":
        wide = out.astype(np.float32)
        add_rows(wide, rows, x.astype(np.float32))
        out[...] = wide
        return
    if width < NARROW:
        flat = rows if width == 1 else (rows[:, None] * width + np.arange(width)).reshape(-1)
        if out.size <= 8 * flat.size + 4096:
            out += np.bincount(flat, x.reshape(-1), out.size).reshape(n, width)
        else:
            np.add.at(out.reshape(-1), flat, x.reshape(-1))  # fast for one dimension and few elements
        return
    if n <= FEW:
        ones = np.zeros((n, count), x.dtype)
        ones[rows, np.arange(count)] = 1
        with Quiet():
            totals = ones @ x
        if np.isfinite(totals).all():  # else 0 * inf has spread to other rows
            out += totals
            return
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=count)
    by = np.argsort(-counts, kind="stable")  # the rows named most often first: those still to be added to,
    starts, counts = starts[by], counts[by]  # when the k-th is added, are then the first
    named, totals = ordered[starts], x[order[starts]]
    totals += out[named]
    often = int(np.count_nonzero(counts > HEAVY))
    for k in range(1, int(counts[often]) if often < len(counts) else 1):
        end = int(np.count_nonzero(counts > k))
        totals[often:end] += x[order[starts[often:end] + k]]
    for i, (start, n) in enumerate(zip(starts[:often].tolist(), counts[:often].tolist(), strict=True)):
        totals[i] += np.add.reduce(x[order[start + 1 : start + n]], 0)
    out[named] = totals


def _lasting(g: Any, index: tuple) -> Any:
    """g[index], but 0 for a value that another one, for the same place, has replaced."""
    from tinygrad6.ops.choose import where

    got = items(g, index)
    order = np.arange(math.prod(got.shape)).reshape(got.shape)
    last = np.zeros(g.shape, np.int64)
    last[index] = order
    lasts = last[index] == order
    return got if lasts.all() else where(lasts, got, 0.0)


@op(
    lambda g, index: replace_items(g, 0.0, index),
    lambda g, index: _lasting(g, index),
    method=False,
    public=False,
    node_name="IndexPut",
    examples=[
        case((3, 4), (4,), index=(np.array([2, 0]),)),
        case((3, 4), (3, 3), index=_MASK),
        case((3, 4, 2), (), index=(np.array([1, 0]), slice(None), np.array([1, 1]))),
        case((3, 4), (3, 4), index=(np.array([1, 0, 1]),)),
    ],
)
def replace_items(x, y, index):
    """x with the elements at [index] replaced by y, which is broadcast;
    of several for one place the last stays.

    Only the one that stays gets a gradient; PyTorch gives it to all of them.
    """
    out = np.array(x)
    out[index] = y
    return out


# ---- reading an index


def parse(index: Any, shape: tuple) -> tuple[tuple | None, tuple | None]:
    """An index as its basic part, for the tensor, and its advanced part, for the view made by that.

    A part is None where there is nothing to do. Ints and 0-d integer tensors belong to the basic part, also
    beside integer tensors: that is where PyTorch differs from NumPy, in the order of the dimensions of the
    result. IndexError for what is out of range or no index.
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
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
                "to convert a 0-dim tensor to a number"
            )
        if not ndim and type(parts[0]) is slice:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    basic: list[Any] = []
    advanced: list[Any] = []
    simple = True  # the basic part is full slices
    plain = True  # there is no advanced part
    d = 0
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
                    raise IndexError(
                        f"The shape of the mask {list(item.shape)} at index {i} does not match the shape of "
                        f"the indexed tensor {list(shape)} at index {d + i}"
                    )
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
    return (
        type(index) is list
        and len(index) < 32
        and any(
            i is None or i is ... or isinstance(i, (slice, list, tuple, Tensor, np.ndarray)) for i in index
        )
    )


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
        if a.dtype.kind == "i" and a.itemsize < 4 and a.ndim:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if a.ndim and state.grad:
            a = a.copy()  # the gradient needs it later, and it may be changed
    elif isinstance(item, (list, tuple, range)):
        a = as_array(list(item)) if len(item) else np.zeros(0, np.int64)
    elif isinstance(item, np.ndarray):
        a = item
    elif hasattr(item, "__index__") and not isinstance(item, np.bool_):
        return operator.index(item)
    elif isinstance(item, str):
        raise TypeError(f"a tensor cannot be indexed by a str, {item!r}")
    else:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
            f"indices (got {type(item).__name__})"
        )
    if a.dtype.kind not in "iub":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if a.dtype == np.uint8:
        if a.ndim:
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
                UserWarning,
                stacklevel=4,
            )
        a = a.astype(bool)
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
    shape = input.array.shape
    if type(index) is int and shape and -shape[0] <= index < shape[0]:
        return part(input, (index, ...))
    basic, advanced = parse(index, shape)
    x = input if basic is None else part(input, basic)
    return x if advanced is None else _items(x, advanced)


def _items(x: Tensor, index: tuple) -> Tensor:
    try:
        return items(x, index)
    except IndexError as e:
        raise in_torch_words(e, index) from None


# ---- x[index] = v


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """x[index] = v, with v broadcast to x[index]:
    a write through the view, or `index_put_` for an advanced index.

    Gradients flow to v and to what of x was not overwritten. RuntimeError for shapes that do not broadcast,
    and for leaves that require gradients.
    """
    basic, advanced = parse(index, input.array.shape)
    if type(value) not in TENSORS:
        if isinstance(value, (list, tuple, str)) or value is None:
            raise TypeError(f"can't assign a {type(value).__name__} to a torch.{input.dtype} tensor")
        value = number(np.asarray(value), input)  # which may become inf
    elif advanced is not None and value.array.dtype != input.array.dtype:
        at = [a for a in advanced if type(a) is np.ndarray]
        if value.array.size != 1 or len(at) > 1 or at[0].dtype != bool:  # one mask: masked_fill, which casts
            try:  # shapes that do not fit are refused first
                put(
                    np.empty_like(input.array if basic is None else input.array[basic]), advanced, value.array
                )
            except IndexError as e:
                if "shape mismatch" in str(e):
                    raise
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{input.dtype} for the destination and {value.dtype} for the source."
            )
        value = value.to(input.array.dtype)
    recording = state.grad and (live_node(input) is not None or live_node(value) is not None)
    name = "copy" if advanced is None else "index_put"
    if not recording:
        a = input.array if basic is None else input.array[basic]
        refuse_memory(a, name)
        value = without_leading_ones(value, a.ndim if advanced is None else None)
        put(a, ... if advanced is None else advanced, value.array)
        input.bump()
        return
    x = input if basic is None else part(input, basic)
    refuse(x, name, True)
    value = without_leading_ones(value, x.array.ndim if advanced is None else None)
    if advanced is None:
        write(x, copy(x, value), name)
    else:
        write(x, _replaced(x, value, advanced), name)


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
    except (RuntimeError, TypeError):  # NumPy's TypeError: a value of several dimensions for a mask
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing "
            f"result of shape {list(x.array[index].shape)}"
        ) from None


Tensor.__getitem__ = getitem
Tensor.__setitem__ = setitem


def _indices(indices: Sequence[Any], shape: tuple, name: str) -> tuple:
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    for i, t in enumerate(indices):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    # 0-d ones as arrays, so that everything is advanced and the basic part is trivial.
    lifted = tuple(i if i.array.ndim else wrap(np.broadcast_to(i.array, (1,))) for i in indices)
    return parse(lifted, shape)[1] or (ALL,)


@composite(
    inplace=True,
    examples=[
        case(
            (3, 4),
            lambda rng: np.array([1.0, 2.0]),
            indices=(wrap(np.array([0, 2])), wrap(np.array([1, 3]))),
            accumulate=True,
        )
    ],
)
def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values`, broadcast, at [indices], a tuple of tensors;
    accumulate adds them instead, repeats included.

    RuntimeError if the types differ or values does not broadcast; IndexError out of range.
    """
    index = _indices(indices, input.array.shape, "index_put")
    if values.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype} for the "
            f"destination and {values.dtype} for the source."
        )
    wanted = shape_of(index, input.array.shape)
    if values.array.ndim > len(wanted) or broadcast(values.array.shape, wanted) != wanted:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing "
            f"result of shape {list(wanted)}"
        )
    if not accumulate:
        return _replaced(input, values, index)
    check_range(index, input.array.shape)
    return plus_items(input, values, index)


def broadcast(a: tuple, b: tuple) -> tuple | None:
    """The shape that two broadcast to; None if they do not."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def check_range(index: tuple, shape: tuple) -> None:
    """IndexError for an index out of range."""
    arrays, dims, *_ = layout(index, shape)
    for a, d in zip(arrays, dims, strict=True):
        n = shape[d]
        if a.size and (a.min() < -n or a.max() >= n):
            bad = a[(a < -n) | (a >= n)].flat[0]
            raise IndexError(f"index {bad} is out of bounds for dimension {d} with size {n}")
