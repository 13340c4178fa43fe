"""Reductions: sums, means, products, extremes, cumulative sums, norms. From simple to complex."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite
from tinygrad6.op import POSITIVE, case, op
from tinygrad6.ops.choose import where
from tinygrad6.ops.pointwise import abs as absolute
from tinygrad6.ops.pointwise import nothing, pow, sign
from tinygrad6.ops.shape import cast, expand_to, flip_over, normal_dim, normal_dims, permute_to
from tinygrad6.quiet import Quiet
from tinygrad6.sums import add_up
from tinygrad6.tensor import Tensor

_DIMS = [case((2, 3)), case((2, 3), dim=0), case((2, 3), dim=1, keepdim=True), case((2, 3, 2), dim=(0, 2))]


_ALL = tuple(tuple(range(n)) for n in range(65))  # every dimension of an array with n of them


class _Every(tuple):
    """The default dim of sum and mean, which PyTorch tells from dim=None: that may go with keepdim."""

    def __repr__(self) -> str:
        return "None"


EVERY = _Every()


def _reduced(arrays: list, params: dict) -> None:
    """dim as a tuple from the front (None and () mean all), dtype applied to the input."""
    x, dim = arrays[0], params["dim"]
    if type(params.get("keepdim", False)) is not bool:
        raise TypeError(f"argument 'keepdim' must be bool, not {type(params['keepdim']).__name__}")
    if dim is None or dim is EVERY or type(dim) in (tuple, list) and not dim:
        if dim is EVERY and params["keepdim"]:
            raise TypeError("keepdim=True wants dim too: sum(dim=None, keepdim=True) keeps all of them")
        params["dim"] = _ALL[x.ndim]
    else:
        dims = normal_dims(dim, x.ndim)
        params["dim"] = dims if x.ndim else ()
    dtype = params.get("dtype")
    if dtype is not None:
        params["dtype"] = dtypes.to_numpy(dtype)
        arrays[0] = as_type(x, params["dtype"])


def as_type(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """x as another type, without warnings for what does not fit."""
    if x.dtype == dtype:
        return x
    with Quiet():
        return x.astype(dtype)


def _reduced_floats(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        dtype = params["dtype"]
        kind = arrays[0].dtype if dtype is None else dtypes.to_numpy(dtype)
        if kind.kind != "f":
            if not isinstance(params["dim"], (int, tuple, list, type(None))):
                normal_dims(params["dim"], 1)  # whose TypeError comes first
            raise RuntimeError(
                f"{name}(): could not infer output dtype. Input dtype must be either a floating point or "
                f"complex dtype. Got: {dtypes.from_numpy(kind)}"
            )
        _reduced(arrays, params)

    return prepare


SMALL = 1 << 14  # elements up to which a copy is made faster than a view


def widen(g: Any, x_shape: tuple, dim: tuple, keepdim: bool) -> Any:
    """g, the gradient of a reduction, broadcast back to the shape that was reduced."""
    if g.ndim and not keepdim:
        g = g.reshape([1 if i in dim else n for i, n in enumerate(x_shape)])
    if isinstance(g, (np.ndarray, np.generic)) and math.prod(x_shape) < SMALL:
        out = np.empty(x_shape, g.dtype)
        out[...] = g
        return out
    return expand_to(g, x_shape)


def keep_dims(g: Any, x_shape: tuple, dim: tuple, keepdim: bool) -> Any:
    """g with the reduced dimensions back, of length 1."""
    return g if keepdim else g.reshape(tuple(1 if i in dim else n for i, n in enumerate(x_shape)))


def _numbered(name: str) -> Any:
    """The node's name: PyTorch has one form for all dimensions and one for some."""
    return lambda node: f"{name}Backward{1 if node.shape else 0}"


@op(
    lambda g, x_shape, dim, keepdim: widen(g, x_shape, dim, keepdim),
    prepare=_reduced,
    node_name=_numbered("Sum"),
    examples=_DIMS,
)
def sum(x, dim=EVERY, keepdim=False, *, dtype=None):
    """The sum over `dim` (an int, a tuple, or None for all).

    Integers and bools add up in int64, or as `dtype`.
    """
    if dim is EVERY:  # inside a rule, where nothing prepares it
        dim = _ALL[x.ndim]
    if x.dtype.kind == "f":
        return add_up(x, dim, None, keepdim)
    return np.add.reduce(x, dim, np.int64 if dtype is None else x.dtype, keepdims=keepdim)


def count(shape: tuple, dim: tuple) -> int:
    """How many elements are reduced into one."""
    n = 1
    for d in dim:
        n *= shape[d]
    return n


def divided(total: Any, n: int) -> Any:
    """total / n, nan for the mean of nothing; of float16, which has no large n, through float32."""
    if total.dtype == dtypes.float16:
        return cast(divided(cast(total, np.dtype(np.float32)), n), total.dtype)
    return total / n if n else total * math.nan


@op(
    lambda g, x_shape, dim, keepdim: widen(divided(g, count(x_shape, dim)), x_shape, dim, keepdim),
    prepare=_reduced_floats("mean"),
    node_name=_numbered("Mean"),
    examples=_DIMS,
)
def mean(x, dim=EVERY, keepdim=False, *, dtype=None):
    """The mean over `dim` (an int, a tuple, or None for all); nan for no elements. Floats only."""
    if dim is EVERY:
        dim = _ALL[x.ndim]
    total = add_up(x, dim, np.float32 if x.dtype.char == "e" else None, keepdim)
    return divided(total, count(x.shape, dim)).astype(x.dtype, copy=False)


@op(
    lambda g, x, dim, keepdim: prod_slope(g, x, dim, keepdim),
    method=False,
    public=False,
    prepare=_reduced,
    node_name=_numbered("Prod"),
    examples=[*_DIMS, case(lambda rng: np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0]]), dim=1)],
)
def prod_over(x, dim=None, keepdim=False, *, dtype=None):
    """The product over `dim` (all if None). The gradient is right for zeros too."""
    kind = x.dtype if dtype is not None or x.dtype.kind == "f" else np.int64
    with Quiet():
        return np.multiply.reduce(x, dim, kind, keepdims=keepdim)


def prod_slope(g: Any, x: Any, dim: tuple, keepdim: bool) -> Any:
    """g times the product of all the other elements, without dividing by any: products from both sides."""
    shape = x.shape
    rest = tuple(i for i in range(len(shape)) if i not in dim)
    order = (*rest, *dim)
    back = [0] * len(order)
    for i, d in enumerate(order):
        back[d] = i
    flat = permute_to(x, order).reshape((*[shape[i] for i in rest], count(shape, dim)))
    others = permute_to(others_product(flat).reshape(tuple(shape[i] for i in order)), tuple(back))
    return keep_dims(g, shape, dim, keepdim) * others


@op(lambda g, x: others_product_slope(g, x), method=False, public=False, examples=[case((2, 3))])
def others_product(x):
    """For every element the product of the others along the last dimension."""
    ones, kind = np.ones((*x.shape[:-1], 1), x.dtype), WIDER.get(x.dtype.char)
    with Quiet():  # the product of some may be out of range where that of all others is not
        before = np.multiply.accumulate(np.concatenate([ones, x[..., :-1]], -1), -1, kind)
        after = np.multiply.accumulate(np.concatenate([ones, x[..., :0:-1]], -1), -1, kind)[..., ::-1]
        return (before * after)[..., : x.shape[-1]].astype(x.dtype)  # of no elements there are no others


def others_product_slope(g: Any, x: Any) -> Any:
    """Its gradient: for each pair (i, j) the product of all but i and j. Quadratic, exact at zeros."""
    n = x.shape[-1]
    total = 0.0 * x
    for j in range(n):
        # d others[i] / d x[j] for all i: others of x with x[j] set to 1, except at i == j
        at_j = np.arange(n) == j
        rest = others_product(where(at_j, 0.0 * x + 1.0, x))
        contribution = where(at_j, 0.0 * x, g * rest)
        summed = sum(contribution, (len(x.shape) - 1,), True)
        total = total + where(at_j, summed + 0.0 * x, 0.0 * x)
    return total


@composite(examples=_DIMS[:3])
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over `dim`, one dimension, or of all elements."""
    if dim is None and keepdim:
        raise TypeError("prod(): keepdim=True wants a dim")
    return prod_over(input, dim, keepdim, dtype=dtype)


# ---- variance


def _corrected(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        _reduced(arrays, params)
        if arrays[0].dtype.kind != "f":
            raise RuntimeError(f"{name} only support floating point and complex dtypes")

    return prepare


@op(
    lambda g, x, dim, correction, keepdim: var_slope(g, x, dim, correction, keepdim),
    method=False,
    public=False,
    prepare=_corrected("std and var"),
    node_name="Var",
    examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), dim=0, correction=0, keepdim=True)],
)
def var_over(x, dim=None, correction=1, keepdim=False):
    """The sum of squared differences from the mean over max(0, n - correction)."""
    with Quiet():
        out = spread(x, dim, correction, keepdim)
        return (out if np.isfinite(out).all() else in_double(spread, x, dim, correction, keepdim)).astype(
            x.dtype
        )


def spread(x: np.ndarray, dim: tuple, correction: float, keepdim: bool) -> np.ndarray:
    """The variance, of float16 in float32."""
    n = count(x.shape, dim)
    kind = np.float32 if x.dtype.char == "e" else x.dtype
    centre = divided(add_up(x, dim, kind, True), n)
    total = add_up(np.square(x - centre), dim, kind, keepdim)
    return np.asarray(np.true_divide(total, max(n - correction, 0), dtype=kind))


def in_double(function: Any, x: np.ndarray, *args: Any) -> np.ndarray:
    """The function of x as float64, where its squares have room. PyTorch always computes it so."""
    return function(x.astype(np.float64), *args)


def var_slope(g: Any, x: Any, dim: tuple, correction: float, keepdim: bool) -> Any:
    n = count(x.shape, dim)
    rest = n - correction if n > correction else 0
    g = keep_dims(g, x.shape, dim, keepdim)
    return (g * (2.0 / rest if rest else math.inf)) * (x - mean(x, dim, True))


_VARS = [
    case((2, 3)),
    case((2, 3), dim=1),
    case((2, 3), dim=0, unbiased=False),
    case((2, 3), dim=1, correction=2),
]


def _correction(unbiased: bool, correction: Any) -> Any:
    return correction if correction is not None else 1 if unbiased else 0


@composite(examples=_VARS)
def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The variance over `dim`: squared differences from the mean, over n - 1 (n if not unbiased).

    nan for n = 1.
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return var_over(input, dim, _correction(unbiased, correction), keepdim)


@composite(examples=_VARS)
def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The square root of var over `dim`. The gradient for constants is 0, as in PyTorch."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return std_over(input, dim, _correction(unbiased, correction), keepdim)


@op(
    lambda g, x, out, dim, correction, keepdim: var_slope(
        where(out == 0, 0.0, g / (2 * out)), x, dim, correction, keepdim
    ),
    method=False,
    public=False,
    prepare=_corrected("std and var"),
    node_name="Std",
    examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), dim=0, correction=0, keepdim=True)],
)
def std_over(x, dim=None, correction=1, keepdim=False):
    """The square root of the variance, also where that is too large or too small for the type."""
    with Quiet():
        out = spread(x, dim, correction, keepdim)
        if x.dtype.char != "d" and not ((out > 1e-30) & (out < np.inf)).all():
            out = in_double(spread, x, dim, correction, keepdim)
        return np.sqrt(out).astype(x.dtype)


@op(
    lambda g, out: where(out == 0, 0.0, g / (2 * out)),
    method=False,
    public=False,
    domain=POSITIVE,
    node_name="Std",
)
def root_or_zero(x):
    """The square root, with gradient 0 at 0: for norms and deviations."""
    return np.sqrt(x)


@composite(node_name="VarMean")
def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(var, mean) over `dim`."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(
        input, dim if not isinstance(dim, bool) else None, keepdim
    )


@composite(node_name="StdMean")
def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(std, mean) over `dim`."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(
        input, dim if not isinstance(dim, bool) else None, keepdim
    )


# ---- extremes


def _not_empty(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        x, dim = arrays[0], params["dim"]
        _reduced(arrays, params)
        if not count(x.shape, params["dim"]):
            kind = RuntimeError if dim is None or type(dim) is tuple and not dim else IndexError
            raise kind(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                f"reduction dim with the 'dim' argument. Got shape {list(x.shape)}, dim {params['dim']}"
            )

    return prepare


def extreme_slope(g: Any, x: Any, out: Any, dim: tuple, keepdim: bool) -> Any:
    """g shared equally among the elements that tie for the extreme."""
    shape = x.shape
    winners = cast(x == keep_dims(out, shape, dim, keepdim), x.dtype)
    return keep_dims(g, shape, dim, keepdim) * (winners / sum(winners, dim, True))


@op(
    lambda g, x, out, dim, keepdim: extreme_slope(g, x, out, dim, keepdim),
    prepare=_not_empty("amax"),
    examples=_DIMS,
)
def amax(x, dim=None, keepdim=False):
    """The largest element over `dim` (all if None); nan if there is one. Ties share the gradient equally."""
    return np.maximum.reduce(x, dim, keepdims=keepdim)


@op(
    lambda g, x, out, dim, keepdim: extreme_slope(g, x, out, dim, keepdim),
    prepare=_not_empty("amin"),
    examples=_DIMS,
)
def amin(x, dim=None, keepdim=False):
    """The smallest element over `dim` (all if None); nan if there is one. Ties share the gradient equally."""
    return np.minimum.reduce(x, dim, keepdims=keepdim)


def _argument(name: str) -> Any:
    def prepare(arrays: list, params: dict) -> None:
        x, dim = arrays[0], params["dim"]
        if type(params["keepdim"]) is not bool:
            raise TypeError(
                f"{name}(): argument 'keepdim' must be bool, not {type(params['keepdim']).__name__}"
            )
        if dim is not None:
            params["dim"] = dim = normal_dim(dim, x.ndim)
        if x.dtype.kind == "b":
            raise RuntimeError(f"{name}(): does not support bool input")
        if not (x.size if dim is None else x.shape[dim] if x.ndim else 1):
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Got "
                f"{list(x.shape)}"
            )

    return prepare


@op(
    None,
    prepare=_argument("argmax"),
    examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), dim=0, keepdim=True)],
)
def argmax(x, dim=None, keepdim=False):
    """The index of the first largest element along `dim`, or in x flattened. int64, no gradient."""
    return _first(np.argmax, x, dim, keepdim)


@op(
    None,
    prepare=_argument("argmin"),
    examples=[case((2, 3)), case((2, 3), dim=1), case((2, 3), dim=0, keepdim=True)],
)
def argmin(x, dim=None, keepdim=False):
    """The index of the first smallest element along `dim`, or in x flattened. int64, no gradient."""
    return _first(np.argmin, x, dim, keepdim)


def _first(find: Any, x: np.ndarray, dim: int | None, keepdim: bool) -> Any:
    return find(x, dim, keepdims=keepdim) if x.ndim else np.zeros((), np.int64)


def _judged(arrays: list, params: dict) -> None:
    none = type(params["dim"]) in (tuple, list) and not params["dim"]  # for these two, no dimension at all
    _reduced(arrays, params)
    params["dim"] = () if none else params["dim"]


def _verdict(found: np.ndarray, x: np.ndarray) -> np.ndarray:
    return found.astype(np.uint8) if x.dtype == np.uint8 else found  # as PyTorch has it


@op(None, prepare=_judged, examples=_DIMS)
def any(x, dim=None, keepdim=False):
    """Whether some element is nonzero, over `dim` (all if None). bool, but uint8 for uint8."""
    return _verdict(np.asarray(np.logical_or.reduce(x, dim, keepdims=keepdim)), x)


@op(None, prepare=_judged, examples=_DIMS)
def all(x, dim=None, keepdim=False):
    """Whether every element is nonzero, over `dim` (all if None). bool, but uint8 for uint8."""
    return _verdict(np.asarray(np.logical_and.reduce(x, dim, keepdims=keepdim)), x)


# ---- cumulative

WIDER = {"e": np.float32, "f": np.float64}  # what running results are kept in


def accumulated(ufunc: Any, x: np.ndarray, dim: int, dtype: Any) -> np.ndarray:
    """ufunc.accumulate, of floats in a wider type, since rounding adds up from element to element."""
    kind = x.dtype if x.dtype.kind == "f" or dtype is not None else np.dtype(np.int64)
    if not x.ndim:
        return x.astype(kind)
    with Quiet():
        return ufunc.accumulate(x, dim, WIDER.get(kind.char, kind)).astype(kind, copy=False)


@op(
    lambda g, dim: flip_over(cumsum(flip_over(g, (dim,)), dim), (dim,)) if g.ndim else g,
    prepare=lambda a, p: _cumulative(a, p),
    examples=[case((2, 3), dim=0), case((2, 3), dim=-1)],
    inplace=True,
)
def cumsum(x, dim, *, dtype=None):
    """The running sum along `dim`. Integers and bools add up in int64."""
    return accumulated(np.add, x, dim, dtype)


def _cumulative(arrays: list, params: dict) -> None:
    x = arrays[0]
    if params["dtype"] is not None:
        params["dtype"] = kind = dtypes.to_numpy(params["dtype"])
        if kind.kind == "b":
            raise NotImplementedError("\"cumsum_out_cpu\" not implemented for 'Bool'")
        arrays[0] = as_type(x, kind)
    params["dim"] = normal_dim(params["dim"], x.ndim)


# ---- norms


def norm_slope(g: Any, x: Any, out: Any, p: float, dim: tuple, keepdim: bool) -> Any:
    """g times the derivative of the norm. By selection at 0, so that an infinite g stays where it belongs."""
    g, out = keep_dims(g, x.shape, dim, keepdim), keep_dims(out, x.shape, dim, keepdim)
    if p == 0:
        return nothing(x)
    if p == 1:
        return g * sign(x)
    if p == 2:
        return g * where(out == 0, 0.0, x / out)
    size = absolute(x)
    if math.isinf(p):
        winners = size == out
        return where(winners, sign(x) * (g / sum(cast(winners, x.dtype), dim, True)), 0.0)
    if p < 1:
        return where(size == 0, 0.0, sign(x) * pow(size, p - 1)) * (g * pow(out, 1 - p))
    inner = sign(x) * pow(size, p - 1) if p < 2 else x * pow(size, p - 2)
    return inner * where(out == 0, 0.0, g / pow(out, p - 1))


def _norm_kernel(g, x, out, p, dim, keepdim):
    if p != 2:
        return (norm_slope(g, x, out, p, dim, keepdim),)
    g, out = keep_dims(g, x.shape, dim, keepdim), keep_dims(out, x.shape, dim, keepdim)
    zero = out == 0
    slope = np.where(zero, 0, x / np.where(zero, 1, out)) if zero.any() else x / out
    return (g * slope,)  # not x * (g / out): a quotient by a tiny norm would overflow


@op(
    lambda g, x, out, p, dim, keepdim: norm_slope(g, x, out, p, dim, keepdim),
    kernel=_norm_kernel,
    method=False,
    public=False,
    prepare=_reduced,
    node_name="LinalgVectorNorm",
    avoid=(0.0,),
    examples=[
        case((2, 3), p=2),
        case((2, 3), p=1, dim=1),
        case((2, 3), p=3.0, dim=0, keepdim=True),
        case((2, 3), p=1.5, dim=(0, 1)),
        case((2, 3), p=0.5, dim=1),
        case((2, 3), p=0),
        case((2, 3), p=math.inf, dim=0),
        case((2, 3), p=-math.inf, dim=1),
    ],
)
def norm_over(x, p, dim=None, keepdim=False):
    """(sum |x|^p)^(1/p) over `dim`; of float16 in float32."""
    if p == math.inf or p == -math.inf:
        return (np.maximum if p > 0 else np.minimum).reduce(np.abs(x), dim, keepdims=keepdim)
    wide = x.astype(np.float32) if x.dtype.char == "e" else x
    with Quiet():
        if p == 2:
            out = np.sqrt(add_up(np.square(wide), dim, None, keepdim))
        elif p == 0:
            out = add_up((wide != 0).astype(wide.dtype), dim, None, keepdim)
        elif p == 1:
            out = add_up(np.abs(wide), dim, None, keepdim)
        else:
            out = np.power(add_up(np.power(np.abs(wide), p), dim, None, keepdim), 1 / p)
        return out.astype(x.dtype, copy=False)


@composite(
    examples=[case((2, 3)), case((2, 3), p=1), case((2, 3), p=3.0, dim=1), case((2, 3), p=math.inf, dim=0)]
)
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """(sum |x|^p)^(1/p) over `dim` (all if None);
    p = 2 by default, inf for the largest |x|, 0 counts nonzeros.

    The gradient at 0 is 0. RuntimeError for integers.
    """
    x = input if dtype is None else input.to(dtype)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}"
        )
    if p == "nuc":
        raise NotImplementedError("norm(): p='nuc' is not supported: use linalg.matrix_norm(x, 'nuc')")
    if p == "fro" and isinstance(dim, (tuple, list)) and len(dim) > 2:  # with p=2 any number will do
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    p = 2 if p in ("fro", None) else p
    if math.isinf(p):
        _not_empty("amax" if p > 0 else "amin")([x.array], {"dim": dim})
    return norm_over(x, p, dim, keepdim)
