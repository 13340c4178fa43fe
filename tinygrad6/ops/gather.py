"""Gathering and scattering by integer tensors along a dimension, embeddings, and their kin.

`gather_along` and `add_along` are each other's transposes. Wrong indices are refused before anything is
computed: PyTorch lets none of these count from the back, unlike x[index].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import Text, composite, refused, scalar, whole
from tinygrad6.modes import state
from tinygrad6.op import case, op
from tinygrad6.ops.index import ALL, add_rows, items, plus_items, replace_items
from tinygrad6.ops.choose import where
from tinygrad6.ops.pointwise import mul, nothing
from tinygrad6.ops.shape import expand_to, normal_dim, repeat, reshape, unsqueeze
from tinygrad6.ops.writers import number
from tinygrad6.tensor import Tensor, wrap

# ---- along a dimension: gather, scatter


def positions(index: np.ndarray, shape: tuple, dim: int) -> np.ndarray:
    """Where the elements that `index` names along `dim` lie in an array of `shape`, flattened:
    like index, flattened."""
    if not shape:
        return np.zeros(index.size, np.int64)
    flat = np.zeros((), np.int64)
    step = 1
    for d in range(len(shape) - 1, -1, -1):
        if d == dim:
            flat = flat + index * step
        elif index.shape[d] > 1:
            flat = flat + (np.arange(index.shape[d]) * step).reshape((-1,) + (1,) * (len(shape) - 1 - d))
        step *= shape[d]
    return np.broadcast_to(flat, index.shape).reshape(-1)


def _indices(high: int, *shape: int) -> Any:
    return lambda rng: rng.integers(0, high, shape)


@op(
    lambda g, x_shape, index, dim: add_along(g, index, x_shape, dim),
    None,
    method=False,
    public=False,
    node_name="Gather",
    examples=[
        case((3, 4), _indices(3, 2, 4), dim=0),
        case((3, 4), _indices(4, 2, 5), dim=1),
        case((), _indices(1), dim=0),
    ],
)
def gather_along(x, index, dim):
    """x[.., index[i, .., j], ..] along dim."""
    if not x.ndim:
        return np.broadcast_to(x, index.shape).copy()
    return x.reshape(-1).take(positions(index, x.shape, dim)).reshape(index.shape)


@op(
    lambda g, index, dim: gather_along(g, index, dim),
    None,
    method=False,
    public=False,
    examples=[case((2, 4), _indices(3, 2, 4), shape=(3, 4), dim=0), case((), _indices(1), shape=(), dim=0)],
)
def add_along(x, index, shape, dim):
    """Zeros of the given shape to which x was added where index says; repeats add up."""
    out = np.zeros(shape, x.dtype)
    add_rows(out.reshape(-1, 1), positions(index, shape, dim), x.reshape(-1, 1))
    return out


@op(
    lambda g: g,
    None,
    lambda g, index, dim: gather_along(g, index, dim),
    method=False,
    public=False,
    node_name="ScatterAdd",
    examples=[case((3, 4), _indices(3, 2, 4), (2, 4), dim=0), case((), _indices(1, 2), (2,), dim=0)],
)
def plus_along(x, index, y, dim):
    """x with y added where index says along dim; repeats add up."""
    out = np.array(x, order="C")
    add_rows(out.reshape(-1, 1), positions(index, x.shape, dim), y.reshape(-1, 1))
    return out


def _lasting_along(g: Any, index: Any, dim: int) -> Any:
    """g where index says along dim, but 0 for a value that another one, for the same place, has replaced."""
    at = index if isinstance(index, np.ndarray) else index.array
    order = np.arange(at.size).reshape(at.shape)
    setter, getter = set_along.op.forward, gather_along.op.forward  # type: ignore[attr-defined]
    lasts = getter(setter(np.zeros(g.shape, np.int64), at, order, dim), at, dim) == order
    got = gather_along(g, index, dim)
    return got if lasts.all() else where(lasts, got, 0.0)


@op(
    lambda g, index, dim: set_along(g, index, 0.0, dim),
    None,
    lambda g, index, dim: _lasting_along(g, index, dim),
    method=False,
    public=False,
    node_name="Scatter",
    examples=[
        case((3, 4), lambda rng: np.array([[2, 0, 1, 1], [0, 2, 2, 0]]), (2, 4), dim=0),
        case((3, 4), lambda rng: np.array([[2, 0, 1, 1], [2, 2, 1, 0]]), (2, 4), dim=0),
    ],
)
def set_along(x, index, y, dim):
    """x with y written where index says along dim;
    of several for one place the last stays, and gets the gradient."""
    out = np.array(x)
    if out.ndim:
        value = y if not isinstance(y, np.ndarray) else y.reshape(-1)
        np.put(out, positions(index, x.shape, dim), value) if index.size else None
    elif index.size:
        out[()] = np.reshape(y, -1)[-1]
    return out


def _checked(name: str, x: Tensor, dim: int, index: Any, src: Any = None) -> tuple[int, Tensor]:
    """dim from the front and index as int64, or the error PyTorch raises."""
    shape, at = x.array.shape, index.array
    d = normal_dim(dim, len(shape))
    if at.dtype.kind != "i" or at.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if not at.size:
        return d, index if at.dtype == np.int64 else wrap(at.astype(np.int64))
    for what, t in (("input", x), ("src", src)):
        if t is not None and max(at.ndim, 1) != max(t.array.ndim, 1):
            raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} tensor")
    too_large = [i for i in range(len(shape)) if i != d and at.shape[i] > shape[i]]
    if too_large and name == "gather":
        raise RuntimeError(
            f"Size does not match at dimension {too_large[0]} expected index {list(at.shape)} to be no "
            f"larger than self {list(shape)} apart from dimension {d}"
        )
    room = src is not None and any(n > m for n, m in zip(at.shape, src.array.shape, strict=False))
    if too_large or room:
        raise RuntimeError(
            (
                f"Expected index {list(at.shape)} to be no larger than self {list(shape)} apart from "
                f"dimension {d}"
            )
            + (f" and to be no larger size than src {list(src.array.shape)}" if src is not None else "")
        )
    in_range(at, shape[d] if shape else 1, d)
    return d, index if at.dtype == np.int64 else wrap(at.astype(np.int64))


class OutOfRange(IndexError, RuntimeError):
    """An index beyond the end: index_select raises either in PyTorch, by the types of its arguments."""


def in_range(index: np.ndarray, n: int, dim: int, kind: type = RuntimeError, prefix: str = "") -> None:
    """Raise for an index below 0 or not below n."""
    if index.size and (index.min() < 0 or index.max() >= n):
        bad = index[(index < 0) | (index >= n)].flat[0]
        raise kind(f"{prefix}index {bad} is out of bounds for dimension {dim} with size {n}")


@composite(examples=[case((3, 4), dim=0, index=wrap(np.array([[0, 2, 1, 0]])))])
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = x[index[i][j]][j] for dim 0, and likewise for others; the result has the shape of index.

    index may be smaller than x in the other dimensions. RuntimeError for a wrong shape or an index out of
    range.
    """
    if sparse_grad:
        raise NotImplementedError("gather(): sparse_grad=True is not supported: gradients are dense")
    d, index = _checked("gather", input, dim, index)
    if not index.array.size and input.array.ndim != index.array.ndim:
        nothing = gather_along(reshape(input, (-1,)), reshape(index, (-1,)), 0)
        return reshape(nothing, index.array.shape)
    return gather_along(input, index, d)


def _source(name: str, x: Tensor, dim: int, index: Tensor, src: Any) -> tuple[int, Tensor, Any]:
    """Check the arguments; cut src to the shape of index, of which it may be larger."""
    if not isinstance(src, Tensor):
        d, index = _checked(name, x, dim, index)
        return d, index, number(scalar(name, "value", 4, src), x)
    d, index = _checked(name, x, dim, index, src)
    if src.array.dtype != x.array.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if src.array.shape != index.array.shape:
        src = (
            src[tuple(slice(0, n) for n in index.array.shape)]
            if src.array.ndim
            else reshape(src, index.array.shape)
        )
    return d, index, src


@composite(inplace=True, examples=[case((3, 4), dim=0, index=wrap(np.array([[0, 2, 1, 0]])), value=2.0)])
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """x with out[index[i][j]][j] = src[i][j] for dim 0, and likewise for others;
    src may be a number (`value`).

    Of several values for one place the last stays. reduce: "add" or "multiply" combines with what is there.
    """
    src = value if src is None else src
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        d, index, src = _source("scatter", input, dim, index, src)
        return _reduced(input, d, index, src, "sum" if reduce == "add" else "prod")
    d, index, src = _source("scatter", input, dim, index, src)
    return set_along(input, index, src, d)


@composite(
    inplace=True,
    examples=[case((3, 4), dim=1, index=wrap(np.array([[0, 2], [3, 3]])), src=wrap(np.ones((2, 2))))],
)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x with out[index[i][j]][j] += src[i][j] for dim 0, and likewise for others; repeats add up."""
    d, index, src = _source("scatter_add", input, dim, index, src)
    return _reduced(input, d, index, src, "sum")


def _reduced(x: Tensor, dim: int, index: Tensor, src: Tensor, how: str) -> Tensor:
    """x combined with src where index says, by adding, multiplying or taking the extreme."""
    if not index.array.size:  # of a sum, src is part of the graph though none of it is used
        nothing_of_it = how == "sum" and src.requires_grad
        return x + reshape(src, (-1,))[:0].sum() if nothing_of_it else x.clone()
    if src.array.shape != index.array.shape:
        src = expand_to(src, index.array.shape)
    if how == "sum":
        return plus_along(x, index, src, dim)
    if how == "prod":
        return _multiplied(x, dim, index, src)
    return extreme_along(x, index, src, dim, how == "amax")


def _multiplied(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x multiplied by src where index says: round by round, the k-th factor of each place,
    so that zeros are no trouble."""
    shape = x.array.shape
    place = positions(index.array, shape, dim)
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    turn = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    flat, factors = reshape(x, (-1,)), reshape(src, (-1,))
    for k in range(int(turn.max()) + 1):
        at = (ordered[turn == k],)
        flat = replace_items(flat, items(flat, at) * items(factors, (order[turn == k],)), at)
    return reshape(flat, shape)


@op(
    lambda g, x, out, index, y, dim: g * (x == out) / _ties(x, out, index, y, dim),
    None,
    lambda g, x, out, index, y, dim: (
        gather_along(g / _ties(x, out, index, y, dim), index, dim) * (y == gather_along(out, index, dim))
    ),
    method=False,
    public=False,
    node_name="ScatterReduce",
    examples=[
        case((3, 4), _indices(3, 2, 4), (2, 4), dim=0),
        case((3,), _indices(3, 4), (4,), dim=0, largest=False),
    ],
)
def extreme_along(x, index, y, dim, largest=True):
    """The largest (or smallest) of x and of what y brings to each place."""
    out = np.array(x)
    ufunc = np.maximum if largest else np.minimum
    flat = out.reshape(-1)
    ufunc.at(flat, positions(index, x.shape, dim), y.reshape(-1))
    return flat.reshape(x.shape)


def _ties(x: Any, out: Any, index: Any, y: Any, dim: int) -> Any:
    """How many elements share each extreme: they share its gradient."""
    winners = where(y == gather_along(out, index, dim), 1.0, nothing(y))
    return where(x == out, 1.0, nothing(x)) + add_along(winners, index, x.shape, dim)


@composite(
    fresh=True,
    inplace=True,
    examples=[
        case((3, 4), dim=0, index=wrap(np.array([[0, 2, 1, 0]])), src=wrap(np.ones((1, 4))), reduce=r)
        for r in ("sum", "mean", "prod", "amax")
    ],
    node_name="ScatterReduce",
)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: Text, *, include_self: bool = True
) -> Tensor:
    """x combined with src along `dim` where index says; reduce: "sum", "prod", "mean", "amax" or "amin".

    Without include_self, places that index names start from nothing instead of from x. Ties share the
    gradient.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d, index, src = _source("scatter_reduce", input, dim, index, src)
    if not index.array.size:
        return input.clone()
    a = input.array
    if not include_self:
        start: float | None = {"prod": 1, "sum": 0, "mean": 0}.get(reduce)
        if start is None and a.dtype.kind == "f":
            start = -math.inf if reduce == "amax" else math.inf
        elif start is None:
            start = np.iinfo(a.dtype).min if reduce == "amax" else np.iinfo(a.dtype).max
        input = set_along(input, index, number(start, input), d)
    if reduce != "mean":
        return _reduced(input, d, index, src, reduce)
    total = _reduced(input, d, index, src, "sum")
    adder = add_along.op.forward  # type: ignore[attr-defined]
    count = adder(np.ones(index.array.shape, np.int64), index.array, a.shape, d)
    count = np.maximum(count + int(include_self), 1)
    if a.dtype.kind != "f":
        return wrap(np.floor_divide(total.array, count).astype(a.dtype))
    return total / wrap(count.astype(a.dtype))


@composite(examples=[case((3, 4), indices=wrap(np.array([[1], [0], [3]])), dim=1)])
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather with the other dimensions broadcast; without dim, from x flattened.

    With dim, indices go round the end, as in PyTorch.
    """
    if dim is None:
        input, indices, dim = reshape(input, (-1,)), reshape(indices, (-1,)), 0
        in_range(indices.array, input.array.size, 0)
    d, at = normal_dim(dim, input.array.ndim), indices.array
    if at.ndim != input.array.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.array.ndim} dimensions for input, and {at.ndim} dimensions for indices"
        )
    if at.dtype.kind not in "iu":
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got " + str(indices.dtype)
        )
    have, n = input.array.shape, input.array.shape[d]
    common = np.broadcast_shapes((*have[:d], 1, *have[d + 1 :]), (*at.shape[:d], 1, *at.shape[d + 1 :]))
    if at.size and not n:
        raise RuntimeError(f"take_along_dim(): ZeroDivisionError: dimension {d} has no elements")
    at = np.broadcast_to(at % n if n else at, (*common[:d], at.shape[d], *common[d + 1 :]))
    return gather_along(expand_to(input, (*common[:d], n, *common[d + 1 :])), wrap(at.astype(np.int64)), d)


# ---- whole rows


def _vector(name: str, x: Tensor, dim: int, index: Any) -> tuple[int, np.ndarray]:
    """dim and a 1-d int64 index, checked but for its range; a copy if the gradient may need it."""
    d, at = normal_dim(dim, x.array.ndim), index.array
    if at.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if at.dtype.kind != "i" or at.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return d, np.array(at.reshape(-1), np.int64, copy=True if state.grad else None)


def _rows(x: Tensor) -> Tensor:
    return x if x.array.ndim else reshape(x, (1,))


@composite(examples=[case((3, 4), dim=1, index=wrap(np.array([3, 0, 3])))], node_name="IndexSelect")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of x along `dim` that the 1-d index names; RuntimeError out of range."""
    d, at = _vector("index_select", input, dim, index)
    if not input.array.ndim and at.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {at.size} value(s)")
    in_range(at, _rows(input).array.shape[d], d, OutOfRange, "index_select(): ")
    out = items(_rows(input), (ALL,) * d + (at,))
    return out if input.array.ndim else reshape(out, ())


def _along_rows(
    name: str, x: Tensor, dim: int, index: Tensor, source: Tensor, kind: type
) -> tuple[int, np.ndarray]:
    d, at = _vector(name, x, dim, index)
    if source.array.dtype != x.array.dtype:
        raise RuntimeError(
            f"{name}_(): self ({x.dtype}) and source ({source.dtype}) must have the same scalar type"
        )
    have, given = _rows(x).array.shape, _rows(source).array.shape
    if len(given) != len(have):
        raise kind(f"{name}_(): the source has {len(given)} dimensions, self has {len(have)}")
    if given[d] != at.size:
        raise kind(
            f"{name}_(): Number of indices ({at.size}) should be equal to source.size(dim): ({given[d]}), "
            f"for dim: {d}"
        )
    if given[:d] + given[d + 1 :] != have[:d] + have[d + 1 :]:
        raise kind(
            f"{name}_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{list(have[:d] + have[d + 1 :])} at dimension {d} and source slice shape: "
            f"{list(given[:d] + given[d + 1 :])} at dimension {d}."
        )
    flat = name == "index_add" and x.array.ndim < 2  # which PyTorch computes otherwise
    in_range(at, have[d], d, RuntimeError if name == "index_add" and not flat else IndexError, f"{name}_(): ")
    return d, at


@composite(
    fresh=True,
    inplace=True,
    examples=[case((3, 4), dim=1, index=wrap(np.array([3, 0, 3])), source=wrap(np.ones((3, 3))))],
    node_name="IndexAdd",
)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """x with alpha * source added to the slices along `dim` that the 1-d index names; repeats add up."""
    d, at = _along_rows("index_add", input, dim, index, source, RuntimeError)
    source = source if alpha == 1 else mul(source, alpha)
    return reshape(plus_items(_rows(input), _rows(source), (ALL,) * d + (at,)), input.array.shape)


@composite(
    fresh=True,
    inplace=True,
    examples=[case((3, 4), dim=1, index=wrap(np.array([3, 0])), source=wrap(np.ones((3, 2))))],
    node_name="IndexCopy",
)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """x with the slices of source in the places along `dim` that the 1-d index names."""
    d, at = _along_rows("index_copy", input, dim, index, source, IndexError)
    return reshape(replace_items(_rows(input), _rows(source), (ALL,) * d + (at,)), input.array.shape)


@composite(
    fresh=True,
    inplace=True,
    examples=[case((3, 4), dim=1, index=wrap(np.array([3, 0])), value=2.0)],
    node_name="IndexFill",
)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """x with a number, or a 0-d tensor, in the slices along `dim` that the 1-d index names."""
    if isinstance(value, Tensor) and value.array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.array.ndim} dimension(s)."
        )
    if index.array.dtype != np.int64:
        raise IndexError(f"index_fill(): expected an index of int64, got {index.dtype}")
    if index.array.ndim > 1:
        raise RuntimeError(f"index_fill(): Index has to be a vector/scalar, got shape {list(index.shape)}")
    d, at = _vector("index_fill", input, dim, index)
    n = _rows(input).array.shape[d]
    in_range(np.where((at < 0) & (at >= -n), at + n, at), n, d, IndexError)
    if isinstance(value, Tensor):
        dtypes.check_size(value.item(), input.array.dtype)
        value = value.to(input.array.dtype)
    else:
        value = number(scalar("index_fill", "value", 4, value), input)
    return reshape(replace_items(_rows(input), value, (ALL,) * d + (at,)), input.array.shape)


# ---- embeddings


def _embedding(arrays: list, params: dict) -> None:
    weight, indices = arrays
    if not hasattr(indices, "shape"):
        raise refused("embedding", "indices", 2, "Tensor", indices)
    if indices.dtype.kind != "i" or indices.itemsize < 4:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got {indices.dtype} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError("index out of range in self")
    if params["padding_idx"] is not None:
        params["padding_idx"] = whole("embedding", "padding_idx", 3, params["padding_idx"])
    if type(params["scale_grad_by_freq"]) is not bool:
        raise refused("embedding", "scale_grad_by_freq", 4, "bool", params["scale_grad_by_freq"])
    if params["sparse"]:
        raise NotImplementedError("embedding(): sparse=True is not supported: gradients are dense")


@op(
    lambda g, w_shape, indices, padding_idx, scale_grad_by_freq: embedding_slope(
        g, indices, w_shape[0], padding_idx, scale_grad_by_freq
    ),
    None,
    method=False,
    prepare=_embedding,
    examples=[case((5, 3), _indices(5, 2, 4)), case((5, 3), _indices(4, 6), padding_idx=4)],
)
def embedding(w, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """w[indices]: row indices[i, .., j] of w (count, width) for each;
    indices of any shape, result (*, width).

    Row padding_idx gets no gradient (-1: there is none such). With scale_grad_by_freq a row's gradient is
    divided by how often it is named. IndexError for an index below 0 or beyond count.
    """
    return w.take(indices, 0)


@op(
    lambda h, indices, padding_idx, scale_grad_by_freq: embedding_again(
        h, indices, padding_idx, scale_grad_by_freq
    ),
    None,
    method=False,
    public=False,
    examples=[case((2, 4, 3), _indices(5, 2, 4), count=5, padding_idx=2)],
)
def embedding_slope(x, indices, count, padding_idx=-1, scale_grad_by_freq=False):
    """The gradient of an embedding of `count` rows: the rows of x added up by their index."""
    rows, x = indices.reshape(-1), x.reshape(indices.size, x.shape[-1])
    if padding_idx is not None and padding_idx >= 0:
        kept = rows != padding_idx
        rows, x = rows[kept], x[kept]
    if scale_grad_by_freq:
        x = x / np.bincount(rows, minlength=count)[rows, None].astype(x.dtype)
    out = np.zeros((count, x.shape[-1]), x.dtype)
    add_rows(out, rows, x)
    return out


@op(
    lambda g, h_shape, indices, padding_idx, scale_grad_by_freq: embedding_slope(
        g, indices, h_shape[0], padding_idx, scale_grad_by_freq
    ),
    None,
    method=False,
    public=False,
    examples=[case((5, 3), _indices(5, 2, 4), padding_idx=2)],
)
def embedding_again(h, indices, padding_idx=-1, scale_grad_by_freq=False):
    """The transpose of embedding_slope: rows of h, 0 for the padding, divided by how often they are named."""
    out = h.take(indices, 0)
    if padding_idx is not None and padding_idx >= 0:
        out[indices == padding_idx] = 0
    if scale_grad_by_freq:
        out /= np.bincount(indices.reshape(-1), minlength=len(h))[indices][..., None].astype(h.dtype)
    return out


@composite(method=False, public=False, spellings={"input": "tensor"})
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 zeros (*, num_classes) with a 1 at each element of `tensor` (*);
    -1 takes the largest element plus one."""
    a = tensor.array
    if a.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not a.size and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if a.size and a.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(a.max()) + 1
    elif a.size and a.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = np.zeros((a.size, num_classes), np.int64)
    out[np.arange(a.size), a.reshape(-1)] = 1
    return wrap(out.reshape(*a.shape, num_classes))


# ---- flat positions, repeats


@composite(examples=[case((3, 4), index=wrap(np.array([[0, 5], [-1, 5]])))], node_name="Take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of x flattened that index names, in the shape of index;
    indices count from the back too."""
    return items(reshape(input, (-1,)), (_flat(index, input, "take"),))


def _flat(index: Tensor, x: Tensor, name: str) -> np.ndarray:
    at, n = index.array, x.array.size
    if at.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype}")
    bad = (at < -n) | (at >= n)
    if bad.any():
        raise IndexError(
            f"out of range: tried to access index {at[bad].flat[0]} on a tensor of {n} elements."
        )
    return np.array(at)


@composite(
    fresh=True,
    inplace=True,
    examples=[case((3, 4), index=wrap(np.array([0, 5])), source=wrap(np.ones(2)))],
    node_name="Put",
)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """x with the elements of source at the flat positions index, added to what is there if accumulate."""
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} and "
            f"{source.dtype}"
        )
    if source.array.size != index.array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.array.size}, index.numel() = {index.array.size}"
        )
    at, shape, flat = (_flat(index, input, "put_").reshape(-1),), input.array.shape, reshape(source, (-1,))
    if accumulate:
        return reshape(plus_items(reshape(input, (-1,)), flat, at), shape)
    return reshape(replace_items(reshape(input, (-1,)), flat, at), shape)


@composite(
    fresh=True,
    examples=[
        case((2, 3), repeats=2, dim=1),
        case((2, 3), repeats=wrap(np.array([2, 1])), dim=0),
        case((2, 3), repeats=2),
    ],
)
def repeat_interleave(
    input: Tensor | None = None,
    repeats: Any = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Every slice of x along `dim` (of x flattened, without) repeated `repeats` times,
    an int or one per slice.

    With one argument only, the indices 0, 1, ... each repeated input[i] times.
    """
    if input is None:
        input, repeats = repeats, None
    if not isinstance(input, Tensor):
        raise TypeError(
            f"repeat_interleave(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if repeats is None and (dim is not None or input.array.dtype.kind == "f"):
        raise TypeError("repeat_interleave(): of one argument, repeats, the integers are wanted, and no dim")
    if repeats is not None and not isinstance(repeats, Tensor):
        repeats = whole("repeat_interleave", "repeats", 2, repeats)
    if repeats is None:
        counts, source, dim = input.array, None, 0
    else:
        source = reshape(input, (-1,)) if dim is None else input
        dim = normal_dim(0 if dim is None else dim, source.array.ndim)
        counts = repeats.array if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.dtype.kind != "i":
        raise NotImplementedError(f'"repeat_interleave_cpu" not implemented for {counts.dtype}')
    if counts.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if (counts < 0).any():
        raise RuntimeError("Repeats must be non-negative")
    n = counts.size if source is None else source.array.shape[dim] if source.array.ndim else 1
    if counts.size not in (1, n):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.size} and input.size({dim}) = {n}"
        )
    if source is not None and not counts.ndim and source.array.ndim:  # one number: no index is needed
        shape, k = source.array.shape, int(counts)
        if output_size not in (None, n * k):
            raise RuntimeError("allocated size does not match required size")
        wide = repeat(unsqueeze(source, dim + 1), *(k if i == dim + 1 else 1 for i in range(len(shape) + 1)))
        return reshape(wide, shape[:dim] + (n * k,) + shape[dim + 1 :])
    at = np.repeat(np.arange(n), counts.reshape(-1))
    if output_size not in (None, at.size):
        raise RuntimeError("allocated size does not match required size")
    return wrap(at) if source is None else items(_rows(source), (ALL,) * dim + (at,))
