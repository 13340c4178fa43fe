"""Masks and searches: where, masked_fill, masked_select, masked_scatter, nonzero, isin, searchsorted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tinygrad6 import dtypes, layouts
from tinygrad6.arguments import composite, scalar
from tinygrad6.op import case, named, op
from tinygrad6.ops import choose
from tinygrad6.ops.index import items, replace_items
from tinygrad6.ops.shape import broadcast_shapes, cast, expand_to, normal_dims, reshape
from tinygrad6.ops.writers import number
from tinygrad6.tensor import Tensor, as_array, wrap

_HALF = wrap(np.array([[True, False, True], [False, True, False]]))

# ---- choosing by a mask


@composite(method=False, examples=[], spellings={"self": "input"})
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition, a bool tensor, holds, else other, elementwise;
    all broadcast, either may be a number.

    With the condition alone: the indices of its nonzero elements, one tensor for each dimension.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where(): give a condition alone, or a condition, input and other")
    if condition.array.dtype != bool:
        if condition.array.dtype != np.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{condition.dtype}"
            )
        condition = cast(condition, bool)
    input, other = (v.item() if isinstance(v, np.generic) else v for v in (input, other))
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        kind = dtypes.promote_types(dtypes.of_scalar(input), dtypes.of_scalar(other))
        input = wrap(np.asarray(input).astype(kind))
    for v, t in ((input, other), (other, input)):
        if type(v) is float:
            dtypes.check_size(v, t.array.dtype)
        elif type(v) is int and t.array.dtype.kind in "iu":
            dtypes.stored(v, t.array.dtype)  # refuses what the type does not hold
    broadcast_pair(condition, input)
    broadcast_pair(condition, other)
    return choose.where(condition, input, other)


def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """self where the condition holds, else other, elementwise."""
    return where(condition, self, other)


_where.__qualname__ = "where"
Tensor.where = _where  # type: ignore[attr-defined]


def broadcast_pair(a: Any, b: Any) -> None:
    """Raise PyTorch's error for two shapes that do not broadcast."""
    from tinygrad6.op import _mismatch

    if isinstance(a, Tensor) and isinstance(b, Tensor) and (said := _mismatch(a.array.shape, b.array.shape)):
        raise RuntimeError(said)


def _value(name: str, value: Any, like: Tensor) -> Tensor:
    """A number or a 0-d tensor in like's type."""
    if not isinstance(value, Tensor):
        return number(scalar(name, "value", 3, value), like)
    if value.array.ndim:
        raise RuntimeError(
            f"{name}_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.array.ndim} dimension(s)."
        )
    if value.array.dtype == like.array.dtype:
        return value
    dtypes.stored(value.item(), like.array.dtype)  # refuses what the type does not hold, as for a number
    return cast(value, like.array.dtype)


@composite(inplace=True, examples=[case((2, 3), mask=_HALF, value=1.5), case((2, 1), mask=_HALF, value=-2)])
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """x with a number, or a 0-d tensor, where the bool mask is True; the two broadcast."""
    if mask.array.dtype != bool:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    value = _value("masked_fill", value, input)
    broadcast_pair(input, mask)
    out = named(choose.where(mask, value, input), "MaskedFill")
    out.array = layouts.plain(out.array)
    return out


def _both(name: str, x: Tensor, mask: Tensor) -> tuple[Tensor, np.ndarray]:
    """x and the mask expanded to their common shape; the mask as an array that nobody changes."""
    if mask.array.dtype != bool:
        raise RuntimeError(f"{name}: expected BoolTensor for mask")
    broadcast_pair(mask, x)
    shape = tuple(broadcast_shapes(x.array.shape, mask.array.shape))
    if x.array.shape != shape:
        x = expand_to(x, shape)
    return x, np.array(np.broadcast_to(mask.array, shape))


@composite(examples=[case((2, 3), mask=_HALF), case((3,), mask=_HALF)], node_name="MaskedSelect")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements of x where the bool mask is True, as one dimension; the two broadcast."""
    x, chosen = _both("masked_select", input, mask)
    return items(x, (chosen,)) if chosen.ndim else items(reshape(x, (1,)), (chosen.reshape(1),))


@composite(
    inplace=True, examples=[case((2, 3), mask=_HALF, source=wrap(np.arange(4.0)))], node_name="MaskedScatter"
)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """x with the elements of source, in their order, where the bool mask is True; the two broadcast."""
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and "
            f"{source.dtype}"
        )
    x, chosen = _both("masked_scatter", input, mask)
    n = int(chosen.sum())
    if source.array.size < n:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    values = reshape(source, (-1,))[:n]
    if not chosen.ndim:
        return reshape(replace_items(reshape(x, (1,)), values, (chosen.reshape(1),)), ())
    return replace_items(x, values, (chosen,))


# ---- finding


@composite()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the nonzero elements: int64 (count, ndim), or a tuple of ndim tensors (count,)."""
    a = input.array
    if as_tuple:
        return tuple(wrap(i) for i in np.atleast_1d(a).nonzero())
    return wrap(np.argwhere(a) if a.ndim else np.zeros((int(a != 0), 0), np.int64))


@composite()
def argwhere(input: Tensor) -> Tensor:
    """The indices of the nonzero elements: int64 (count, ndim)."""
    return nonzero(input)


@op(None, prepare=lambda arrays, params: _dims(arrays, params), examples=[case((2, 3)), case((2, 3), dim=1)])
def count_nonzero(x, dim=None):
    """How many elements over `dim` (an int, a tuple, or None for all) are not zero, as int64. No gradient."""
    return np.asarray(np.count_nonzero(x, dim)).astype(np.int64)


def _dims(arrays: list, params: dict) -> None:
    dim, ndim = params["dim"], arrays[0].ndim
    if type(dim) in (tuple, list) and not dim:
        params["dim"] = None
    elif dim is not None:
        params["dim"] = normal_dims(dim, ndim) if ndim else normal_dims(dim, 0) and ()


@composite(method=False, spellings={"element": "elements", "test_element": "test_elements"})
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each of `elements` is among `test_elements`, as bool; either may be a number, not both."""
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): one of elements and test_elements must be a Tensor")
    for i, (name, v) in enumerate((("elements", elements), ("test_elements", test_elements)), 1):
        if not isinstance(v, Tensor):
            scalar("isin", name, i, v)
    x, y = as_array(elements), as_array(test_elements)
    if "b" in (x.dtype.kind, y.dtype.kind):
        raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    return wrap(
        np.asarray(np.isin(x, y, assume_unique=assume_unique and x.ndim == y.ndim == 1, invert=invert))
    )


@composite(method=False, spellings={"self": "input"})
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value would be inserted into the sorted last dimension of sorted_sequence;
    equal values before (or after, right).

    One sequence (n,) serves any values; sequences (*, n) go with values (*, m). sorter: the order that sorts
    the sequence.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right "
            "was True"
        )
    table, values = sorted_sequence.array, as_array(input)
    if not table.ndim:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1"
        )
    if table.ndim > 1 and table.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            "boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(table.shape)} and input value tensor {list(values.shape)}"
        )
    if sorter is not None:
        if sorter.array.shape != table.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(table.shape)} and got sorter tensor {list(sorter.array.shape)}"
            )
        if sorter.array.size and not 0 <= sorter.array.min() <= sorter.array.max() < table.shape[-1]:
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
        table = np.take_along_axis(table, sorter.array, -1)
    which: Literal["left", "right"] = "right" if right or side == "right" else "left"
    kind = np.int32 if out_int32 else np.int64
    if table.ndim == 1:
        return wrap(np.asarray(table.searchsorted(values, which)).astype(kind))
    out = np.empty(values.shape, kind)
    for i in np.ndindex(table.shape[:-1]):
        out[i] = table[i].searchsorted(values[i], which)
    return wrap(out)


@composite(method=True)
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the interval between the sorted boundaries (n,) in which each value lies, 0 to n.

    A value on a boundary lies below it, or above it with right=True.
    """
    if boundaries.array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.array.ndim})")
    if not isinstance(input, Tensor):
        input = scalar("bucketize", "input", 1, input)
    which: Literal["left", "right"] = "right" if right else "left"
    kind = np.int32 if out_int32 else np.int64
    return wrap(np.asarray(boundaries.array.searchsorted(as_array(input), which)).astype(kind))
