"""Order: sort, topk, medians and quantiles, max and min, running extremes and products.

Values are always gathered by an index, so that gradients go to the elements chosen; finding the index is
NumPy's work. NaN counts as larger than every number, as in PyTorch.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections import namedtuple
from typing import Any

import numpy as np

from tinygrad6 import dtypes, layouts
from tinygrad6.arguments import composite, refused
from tinygrad6.modes import state
from tinygrad6.op import case, derived, named, op
from tinygrad6.ops import pointwise
from tinygrad6.ops.gather import gather_along
from tinygrad6.ops.index import getitem
from tinygrad6.ops.join import cat
from tinygrad6.ops.choose import maximum, minimum, where
from tinygrad6.ops.pointwise import floor
from tinygrad6.ops.reduce import WIDER, accumulated, amax, amin, argmax, argmin
from tinygrad6.ops.softmax import logsumexp
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import cast, expand_to, normal_dim, permute_to, reshape, unsqueeze
from tinygrad6.quiet import Quiet
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.view import live_node


RETURN_TYPES: dict[str, Any] = {}


def returns(name: str, *fields: str) -> Any:
    """A named tuple that prints as PyTorch's return types do."""

    def shown(self: Any) -> str:
        values = ",\n".join(f"{k}={v!r}" for k, v in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{values})"

    made: Any = namedtuple(name, fields)  # type: ignore[misc]
    made.__repr__ = shown
    made.__module__ = "tinygrad6.return_types"  # where pickle finds it
    RETURN_TYPES[name] = made
    return made


FREXP = returns("frexp", "mantissa", "exponent")

# ---- sorting


def order(x: np.ndarray, dim: int, descending: bool = False) -> np.ndarray:
    """The stable order along dim, NaN as the largest."""
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, dim, kind="stable")
    # Of the reversed array, and back: so equal elements keep their order.
    back = np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)
    return x.shape[dim] - 1 - back


_SORTED = returns("sort", "values", "indices")


@composite(examples=[case((2, 4)), case((3, 2), dim=0, descending=True)])
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices) of x in order along `dim`. Always stable; NaN comes last, or first if descending."""
    d = normal_dim(dim, input.array.ndim)
    index = argsort(input, d, descending)
    values = named(gather_along(input, index, d), "Sort")
    values.array = layouts.follow(values.array, (input.array,))
    return _SORTED(values, index)


@composite()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort x along `dim`, int64. Always stable."""
    x = input.array
    return wrap(layouts.follow(order(x, normal_dim(dim, x.ndim), descending), (x,)))


@composite(examples=[case((3, 2))])
def msort(input: Tensor) -> Tensor:
    """The values of x in order along dimension 0."""
    return sort(input, 0)[0]


_TOPK = returns("topk", "values", "indices")


@composite(examples=[case((2, 4), k=2), case((4, 2), k=3, dim=0, largest=False)])
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the k largest (or smallest) along `dim`, in order.

    Which of equal ones is not specified.
    """
    x, d, k = input.array, normal_dim(dim, input.array.ndim), operator.index(k)
    if x.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    n = x.shape[d] if x.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError("selected index k out of range")
    if n > 64 and 0 < k < n // 4:  # find them first, then sort those
        part = np.argpartition(x, n - k if largest else k - 1, d)
        part = np.take(part, range(n - k, n) if largest else range(k), d)
        part.sort(d)  # so that equal ones stand in their order
        index = np.take_along_axis(part, order(np.take_along_axis(x, part, d), d, largest), d)
    else:
        index = order(x, d, largest)
        index = index[(slice(None),) * d + (slice(k),)] if x.ndim else index
    at = wrap(np.ascontiguousarray(index) if index.ndim else index)
    return _TOPK(named(gather_along(input, at, d), "Topk"), at)


# ---- order statistics


def _chosen(made: Any, x: Tensor, index: np.ndarray, d: int, keepdim: bool) -> Any:
    """(values, indices) for an index with `d` kept, of length 1."""
    index = index.astype(np.int64, copy=False)
    if not (state.grad and live_node(x) is not None):
        values = gather_along.op.forward(x.array, index, d)  # type: ignore[attr-defined]
        if not keepdim and x.array.ndim:
            shape = index.shape[:d] + index.shape[d + 1 :]
            values, index = values.reshape(shape), index.reshape(shape)
        return made(wrap(values), wrap(index))
    at = wrap(index)
    values = gather_along(x, at, d)
    if not keepdim and x.array.ndim:
        shape = index.shape[:d] + index.shape[d + 1 :]
        values, at = reshape(values, shape), wrap(at.array.reshape(shape))
    end = "Backward1" if made in (_MEDIAN, _NANMEDIAN) else ""
    return made(named(values, made.__name__.title() + end), at)


def _pick(a: np.ndarray, d: int, k: Any) -> np.ndarray:
    """The k-th along d, kept as a dimension of length 1; k a number or one per row."""
    if not a.ndim:
        return a
    if isinstance(k, int):
        return a[(slice(None),) * d + (slice(k, k + 1),)]
    return np.take_along_axis(a, k, d)


_KTH = returns("kthvalue", "values", "indices")


@composite(examples=[case((2, 4), k=2), case((4, 2), k=3, dim=0, keepdim=True)])
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the k-th smallest along `dim`, counted from 1."""
    if input.array.dtype.kind == "b" and input.array.ndim:
        raise NotImplementedError("\"kthvalue_cpu\" not implemented for 'Bool'")
    x, d = input.array, normal_dim(dim, input.array.ndim)
    if x.ndim and not x.shape[d]:
        raise IndexError(f"kthvalue(): Expected reduction dim {d} to have non-zero size.")
    if not 1 <= k <= (x.shape[d] if x.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    return _chosen(_KTH, input, _pick(order(x, d), d, k - 1), d, keepdim)


def _median_index(x: np.ndarray, d: int, ignore_nan: bool) -> np.ndarray:
    """Where the lower median is; the first NaN if there is one and it is not ignored."""
    n = x.shape[d] if x.ndim else 1
    index = order(x, d)
    if x.dtype.kind != "f" or not x.ndim:
        return _pick(index, d, (n - 1) // 2)
    numbers = n - np.add.reduce(np.isnan(x), d, keepdims=True)
    k = (np.maximum(numbers, 1) - 1) // 2
    return _pick(index, d, k if ignore_nan else np.where(numbers < n, numbers, (n - 1) // 2))


@op(
    lambda g, x, out: share_equally(g, x, out),
    method=False,
    public=False,
    node_name=lambda node: f"{'Nanm' if node.params.get('ignore_nan') else 'M'}edianBackward0",
    examples=[case((2, 3)), case((4,), ignore_nan=True)],
)
def median_value(x, ignore_nan=False):
    """The lower median of all elements; nan for none. Equal ones share the gradient."""
    if not x.size:
        return np.full((), math.nan if x.dtype.kind == "f" else np.iinfo(x.dtype).min, x.dtype)
    return x.reshape(-1)[_median_index(x.reshape(-1), 0, ignore_nan)[0]]


def share_equally(g: Any, x: Any, out: Any) -> Any:
    """g shared by the elements equal to out, or by the NaNs if that is one."""
    winners = where(out == out, x == out, x != x)
    return where(winners, g / total(cast(winners, x.dtype)), 0.0)


_MEDIAN, _NANMEDIAN = returns("median", "values", "indices"), returns("nanmedian", "values", "indices")


def _median(name: str, made: Any, input: Tensor, dim: int | None, keepdim: bool) -> Any:
    if input.array.dtype.kind == "b":
        raise NotImplementedError("\"median_cpu\" not implemented for 'Bool'")
    if dim is None and keepdim:
        raise TypeError(f"{name}() missing 1 required positional argument: 'dim'")
    if dim is None:
        return median_value(input, made is _NANMEDIAN)
    d = normal_dim(dim, input.array.ndim)
    if input.array.ndim and not input.array.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return _chosen(made, input, _median_index(input.array, d, made is _NANMEDIAN), d, keepdim)


@composite(examples=[case((2, 3)), case((2, 4), dim=1), case((3, 2), dim=0, keepdim=True)])
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower of the middle values: of all elements, or (values, indices) along `dim`.

    NaN if there is one.
    """
    return _median("median", _MEDIAN, input, dim, keepdim)


@composite(examples=[case((2, 3)), case((2, 4), dim=1)])
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """median of what is not NaN; NaN if nothing is left."""
    return _median("nanmedian", _NANMEDIAN, input, dim, keepdim)


def _queries(name: str, x: Tensor, q: Any, interpolation: str) -> Tensor:
    """q as a tensor of x's type, when all settings of a quantile have been checked."""
    if not isinstance(interpolation, str):
        raise refused(name, "interpolation", 0, "str", interpolation)
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    a = x.array
    if a.dtype.kind != "f" or a.dtype.char == "e":
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = wrap(np.asarray(q, a.dtype))
    if q.array.dtype != a.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q.array.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.array.size and not ((q.array >= 0) & (q.array <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if not a.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    return q


def _quantile(
    name: str, x: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore: bool
) -> Tensor:
    """Both quantiles, as differentiable gathers from rows in order; `ignore` leaves NaN out.

    A row's NaN are sorted to its end, so that what is counted from its start passes them by.
    """
    q = _queries(name, x, q, interpolation)
    a = x.array
    ones = (1,) * a.ndim
    if dim is None:
        x, d = reshape(x, (1, -1)), 0
        rest = ones if keepdim else ()
    else:
        d = normal_dim(dim, a.ndim)
        kept = (*a.shape[:d], 1, *a.shape[d + 1 :]) if a.ndim else ()
        rest = kept if keepdim else (*a.shape[:d], *a.shape[d + 1 :])
        x = (
            reshape(permute_to(x, (*[i for i in range(a.ndim) if i != d], d)), (-1, a.shape[d]))
            if a.ndim
            else reshape(x, (1, 1))
        )
    rows, n = x.array.shape
    ordered = sort(x, 1)[0]  # (rows, n)
    numbers = (n - np.isnan(x.array).sum(1)).astype(a.dtype)[:, None]
    rank = reshape(q, (1, -1)) * wrap(np.maximum(numbers - 1, 0) if ignore else np.full_like(numbers, n - 1))
    if not ignore:
        rank = where(wrap(numbers < n), wrap(np.asarray(n - 1, a.dtype)), rank)
    if interpolation == "lower":
        rank = floor(rank)
    elif interpolation == "higher":
        rank = pointwise.ceil(rank)
    elif interpolation == "nearest":
        rank = pointwise.round(rank)
    below = np.floor(rank.array).astype(np.int64)
    out = gather_along(ordered, wrap(below), 1)  # (rows, queries)
    if interpolation in ("linear", "midpoint"):
        above = gather_along(ordered, wrap(np.ceil(rank.array).astype(np.int64)), 1)
        weight = rank - floor(rank) if interpolation == "linear" else wrap(np.asarray(0.5, a.dtype))
        out = out + (above - out) * weight
    out = permute_to(out, (1, 0))
    return reshape(out, (*q.array.shape, *rest))


@composite(
    fresh=True,
    examples=[
        case((2, 4), q=0.3),
        case((2, 4), q=0.6, dim=1, interpolation="midpoint"),
        case((4, 2), q=0.2, dim=0, keepdim=True),
    ],
)
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles of x along `dim` (of all, if None), q in [0, 1] a number or 1-d:
    then results gain a leading dimension.

    interpolation between the neighbours of rank q (n - 1): "linear", "lower", "higher", "midpoint" or
    "nearest". NaN where x has one.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite(fresh=True, examples=[case((2, 4), q=0.3)])
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """quantile of what is not NaN; NaN if nothing is left."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


_MODE = returns("mode", "values", "indices")


@composite(examples=[case((2, 4)), case((3, 2), dim=0, keepdim=True)])
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the most frequent value along `dim`, the smallest of several;
    the index is its last."""
    x, d = input.array, normal_dim(dim, input.array.ndim)
    if not x.ndim:
        return _chosen(_MODE, input, np.zeros((), np.int64), 0, keepdim)
    if not x.shape[d]:
        raise IndexError(f"mode(): Expected reduction dim {d} to have non-zero size.")
    index = order(x, d)
    s = np.moveaxis(np.take_along_axis(x, index, d), d, -1)
    place = np.arange(s.shape[-1])
    fresh = np.concatenate([np.ones((*s.shape[:-1], 1), bool), s[..., 1:] != s[..., :-1]], -1)
    length = place - np.maximum.accumulate(np.where(fresh, place, 0), -1)
    best = np.moveaxis(length.argmax(-1, keepdims=True), -1, d)  # the end of the first of the longest runs
    return _chosen(_MODE, input, np.take_along_axis(index, best, d), d, keepdim)


# ---- max and min in all their forms

_MAX, _MIN = returns("max", "values", "indices"), returns("min", "values", "indices")


@op(
    lambda g, x, out: share_equally(g, x, out),
    method=False,
    public=False,
    node_name=lambda node: f"{'Max' if node.params.get('largest', True) else 'Min'}Backward1",
    examples=[case((2, 3)), case((4,), largest=False)],
)
def extreme_value(x, largest=True):
    """The largest (or smallest) of all elements; nan if there is one.

    Equal ones, or all nan, share the gradient.
    """
    if not x.size:
        raise RuntimeError(
            f"{'max' if largest else 'min'}(): Expected reduction dim to be specified for input.numel() == "
            "0. Specify the reduction dim with the 'dim' argument."
        )
    return (np.maximum if largest else np.minimum).reduce(x, None)


def _extreme(name: str, x: Tensor, dim: Any, keepdim: Any, other: Any) -> Any:
    made, find, pair = (_MAX, argmax, maximum) if name == "max" else (_MIN, argmin, minimum)
    if isinstance(dim, Tensor):
        other, dim = dim, None
    if other is not None:
        return pair(x, other)
    if dim is None:
        if keepdim is not None:
            raise TypeError(f"{name}(): keepdim needs a dim")
        return extreme_value(x, name == "max")
    if isinstance(dim, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'dim' must be int, not {type(dim).__name__}; a{name}() takes several "
            "dimensions"
        )
    d = normal_dim(dim, x.array.ndim)
    if x.array.ndim and not x.array.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    index = find.op.forward(x.array, d, True)  # type: ignore[attr-defined]
    return _chosen(made, x, index, d, bool(keepdim))


@composite(examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), (3,))])
def max(input: Tensor, dim: Any = None, keepdim: bool | None = None, *, other: Tensor | None = None) -> Any:
    """The largest of all elements; max(x, dim): (values, indices) along `dim`;
    max(x, other): maximum(x, other).

    NaN if there is one. Of all elements, equal ones share the gradient; along `dim`, the first gets it.
    """
    return _extreme("max", input, dim, keepdim, other)


@composite(examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), (3,))])
def min(input: Tensor, dim: Any = None, keepdim: bool | None = None, *, other: Tensor | None = None) -> Any:
    """The smallest of all elements; min(x, dim): (values, indices) along `dim`;
    min(x, other): minimum(x, other).

    NaN if there is one. Of all elements, equal ones share the gradient; along `dim`, the first gets it.
    """
    return _extreme("min", input, dim, keepdim, other)


_AMINMAX = returns("aminmax", "min", "max")


@composite(examples=[case((2, 3)), case((2, 3), dim=1)], node_name="Aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """(min, max) of all elements, or along `dim`; equal ones share the gradient."""
    a = input.array
    if dim is not None and a.ndim and not a.shape[normal_dim(dim, a.ndim)]:
        raise IndexError(f"aminmax: Expected reduction dim {dim} to have non-zero size.")
    if not a.size and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return _AMINMAX(amin(input, dim, keepdim), amax(input, dim, keepdim))


# ---- running extremes, products, sums of exponentials


def _running(made: Any, x: Tensor, dim: int, extreme: Any, reached: Any) -> Any:
    a, d = x.array, normal_dim(dim, x.array.ndim)
    if not a.ndim or not a.size:
        index = np.zeros(a.shape, np.int64)
    else:
        best = extreme.accumulate(a, d)
        new = reached(a, best) if a.dtype.kind != "f" else reached(a, best) | np.isnan(a)
        place = np.arange(a.shape[d]).reshape((-1,) + (1,) * (a.ndim - 1 - d))
        index = np.maximum.accumulate(np.where(new, place, 0), d)
    return made(named(gather_along(x, wrap(index), d), made.__name__.title()), wrap(index))


_CUMMAX, _CUMMIN = returns("cummax", "values", "indices"), returns("cummin", "values", "indices")


@composite(examples=[case((2, 4), dim=1), case((4, 2), dim=0)])
def cummax(input: Tensor, dim: int) -> Any:
    """(values, indices) of the largest so far along `dim`; of equal ones the last, and NaN stays."""
    return _running(_CUMMAX, input, dim, np.maximum, np.equal)


@composite(examples=[case((2, 4), dim=1), case((4, 2), dim=0)])
def cummin(input: Tensor, dim: int) -> Any:
    """(values, indices) of the smallest so far along `dim`; of equal ones the last, and NaN stays."""
    return _running(_CUMMIN, input, dim, np.minimum, np.equal)


def _products(x: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """cumprod by doubling: after the step s, every element is the product of the 2s before it.

    Right for zeros too.
    """
    n, s = x.array.shape[dim] if x.array.ndim else 0, 1
    before = (slice(None),) * dim
    while s < n:
        x = cat(
            [
                getitem(x, (*before, slice(0, s))),
                getitem(x, (*before, slice(s, n))) * getitem(x, (*before, slice(0, n - s))),
            ],
            dim,
        )
        s *= 2
    return x


def _cumulative(arrays: list, params: dict) -> None:
    if params.get("dtype") is not None:
        params["dtype"] = kind = dtypes.to_numpy(params["dtype"])
        if kind.kind == "b":
            raise NotImplementedError("\"cumprod_out_cpu\" not implemented for 'Bool'")
        arrays[0] = arrays[0].astype(kind, copy=False)
    params["dim"] = normal_dim(params["dim"], arrays[0].ndim)


def _cumprod_kernel(g, x, out, dim):
    """sum over k >= i of g[k] out[k] / x[i]; at the first zero, with the products that leave it out;
    after it, nothing."""
    if not x.ndim:
        return (g,)
    zero = x == 0
    slope = _sum_from_behind(g * out, dim)
    if not zero.any():
        return (slope / x,)
    slope /= np.where(zero, x.dtype.type(1), x)
    first = zero & (np.add.accumulate(zero, dim, np.int64) == 1)
    without = np.multiply.accumulate(np.where(first, x.dtype.type(1), x), dim)
    return (np.where(first, _sum_from_behind(g * without, dim), slope),)


def _sum_from_behind(a: np.ndarray, dim: int) -> np.ndarray:
    return np.flip(np.add.accumulate(np.flip(a, dim), dim), dim)


@op(
    derived,
    reference=_products,
    kernel=_cumprod_kernel,
    prepare=_cumulative,
    inplace=True,
    examples=[
        case((2, 4), dim=1),
        case((3, 2), dim=0),
        case(lambda rng: np.array([2.0, 0.0, 3.0, 0.0, -1.0]), dim=0),
    ],
)
def cumprod(x, dim, *, dtype=None):
    """The running product along `dim`. Integers and bools multiply in int64.

    The gradient is right for zeros too.
    """
    return accumulated(np.multiply, x, dim, dtype)


def _exponentials(x: Tensor, dim: int) -> Tensor:
    """logcumsumexp as n logsumexps: quadratic in memory, for higher derivatives only."""
    a = x.array
    if not a.ndim or not a.size:
        return x * 1.0
    n, ndim = a.shape[dim], a.ndim
    x = permute_to(x, (*[i for i in range(ndim) if i != dim], dim))
    wide = expand_to(unsqueeze(x, -2), (*x.array.shape[:-1], n, n))
    out = logsumexp(where(wrap(np.tri(n, dtype=bool)), wide, wrap(np.asarray(-math.inf, a.dtype))), (-1,))
    back = list(range(ndim - 1))
    back.insert(dim, ndim - 1)
    return permute_to(out, tuple(back))


def _logcumsumexp_kernel(g, x, out, dim):
    """sum over k >= i of g[k] exp(x[i] - out[k]): the positive and the negative g apart, in logarithms."""
    if not x.ndim or not x.size:
        return (g,)
    kind, wide = x.dtype, WIDER.get(x.dtype.char, x.dtype)
    out = logcumsumexp.op.forward(x.astype(wide), dim)  # of `out` itself the rounding would be exponentiated
    slope = np.zeros_like(out)
    with Quiet():
        for sign in (1, -1):
            part = np.log(np.maximum(sign * g, 0).astype(wide))
            rest = np.flip(np.logaddexp.accumulate(np.flip(part - out, dim), dim), dim)
            slope += sign * np.exp(x + rest)
        return (slope.astype(kind, copy=False),)


def _floating(arrays: list, params: dict) -> None:
    if arrays[0].dtype.kind != "f":
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for {arrays[0].dtype}')
    _cumulative(arrays, params)


@op(
    derived,
    reference=_exponentials,
    kernel=_logcumsumexp_kernel,
    prepare=_floating,
    examples=[case((2, 4), dim=1), case((3, 2), dim=0)],
)
def logcumsumexp(x, dim):
    """log(cumsum(exp(x))) along `dim`, without overflow. Floats only."""
    with Quiet():
        return accumulated(np.logaddexp, x, dim, None)


@composite(examples=[case((2, 4)), case((4, 2), n=2, dim=0), case((2, 3), prepend=wrap(np.ones((2, 1))))])
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """x[i + 1] - x[i] along `dim`, n times over, of x with `prepend` and `append` joined to it.

    For bools, whether they differ.
    """
    if not input.array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    d = normal_dim(dim, input.array.ndim)
    ends = [t for t in (prepend, input, append) if t is not None]
    if builtins.any(t.array.ndim != input.array.ndim for t in ends):
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    x = cat(ends, d) if len(ends) > 1 else input
    before = (slice(None),) * d
    for _ in range(builtins.min(n, x.array.shape[d])):
        left, right = getitem(x, (*before, slice(0, -1))), getitem(x, (*before, slice(1, None)))
        x = right != left if x.array.dtype.kind == "b" else right - left
    return x.clone() if x is input else x
