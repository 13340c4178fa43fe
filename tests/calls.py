"""How to draw arguments for every function and method: name -> draws -> (arguments, keyword arguments).

The receiver comes first. `test_ops.py` calls each name as a function, as a method and in place, wherever
PyTorch has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from drawing import Draw

import tinygrad6 as torch

CALLS: dict[str, Callable[[Draw], tuple]] = {}
REL: dict[str, float] = {}  # names whose values agree only to this


def calls(names: str, tolerance: float | None = None) -> Callable[..., Any]:
    def add(draw: Callable[[Draw], tuple]) -> Callable[[Draw], tuple]:
        for name in names.split():
            CALLS[name] = draw
            if tolerance:
                REL[name] = tolerance
        return draw

    return add


def some(d: Draw, **options: Any) -> dict:
    """Each option with probability one half, from its choices or drawer."""
    return {k: v() if callable(v) else d.pick(*v) for k, v in options.items() if d.chance(0.5)}


# ---- elementwise


@calls(
    "abs absolute acos acosh angle arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil "
    "clone conj cos cosh deg2rad exp exp2 expm1 fix floor frac isfinite isinf isnan isneginf isposinf isreal "
    "log log10 log1p log2 neg negative positive rad2deg relu sgn sigmoid sign signbit sin sinh sqrt tan tanh "
    "trunc nan_to_num real resolve_conj resolve_neg ravel t adjoint imag is_floating_point is_complex "
    "is_signed is_nonzero numel is_conj is_neg is_inference contiguous detach argwhere tolist item nelement "
    "dim ndimension element_size type double float half int long short char byte bool data_ptr_free"
)
def unary(d: Draw) -> tuple:
    if d.chance(0.2 * d.wild):
        return (d.stranger(),), {}
    return (d.tensor(),), {}


del CALLS["data_ptr_free"]


@calls("erf erfc erfinv lgamma digamma i0 mvlgamma_free", 1e-4)
def special(d: Draw) -> tuple:
    return (d.tensor(values=(0.1, 0.95)),), {}


del CALLS["mvlgamma_free"]


@calls("__abs__ __neg__ __pos__ __invert__")
def operators(d: Draw) -> tuple:
    return (d.tensor(),), {}


@calls("sinc selu celu reciprocal rsqrt square")
def smooth(d: Draw) -> tuple:  # at 0, infinity and nan PyTorch's second derivatives are mostly nan
    return (d.floats(values=(0.3, 2)),), {}


@calls("logit")
def logit(d: Draw) -> tuple:
    return (d.tensor(values=(0.05, 0.95)),), some(d, eps=(None, 0.1, 0.3))


@calls("polygamma", 1e-4)  # PyTorch's trigamma of float32 is right to 4e-5
def polygamma(d: Draw) -> tuple:
    return (d.pick(0, 1, 2, 3, -1), d.tensor(values=(0.5, 3))), {}


@calls("mvlgamma", 1e-4)
def mvlgamma(d: Draw) -> tuple:  # for integers PyTorch takes the halves for whole numbers
    return (d.floats(values=(3, 6)), d.pick(1, 2, 3, 0)), {}


@calls("round")
def rounding(d: Draw) -> tuple:
    return (d.tensor(),), some(d, decimals=(1, 2, -1))


@calls("bitwise_not")
def bits(d: Draw) -> tuple:
    return (d.tensor(dtype=d.pick("int64", "uint8", "int8", "bool", "float32")),), {}


def pair(d: Draw, values: Any = None) -> tuple:
    x = d.tensor(values=values)
    kind = d.r.randrange(8)
    if kind == 0:
        return x, d.number()
    if kind == 1:
        return d.number() or 3, x  # not 0 ** x, whose second derivative PyTorch has as nan
    if kind == 2 and d.chance(d.wild):
        return x, d.stranger()
    return x, d.tensor(d.broadcast(tuple(x.shape)), values=values)


@calls("logical_and logical_or logical_xor")
def logical(d: Draw) -> tuple:  # in place PyTorch leaves the old gradient
    x = d.tensor(grad=False)
    return (x, d.pick(d.tensor(d.broadcast(tuple(x.shape)), grad=False), 2, "a string")), {}


@calls("logical_not")
def logical_not(d: Draw) -> tuple:
    return (d.tensor(grad=False),), {}


@calls("float_power")
def float_power(d: Draw) -> tuple:
    x = d.floats(values=(0.3, 2))
    return (x, d.pick(2, 0.5, d.floats(d.broadcast(tuple(x.shape)), (0.3, 2)))), {}


@calls(
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ eq ne lt le gt ge less less_equal greater greater_equal "
    "not_equal"
)
def comparison(d: Draw) -> tuple:
    x, y = pair(d)
    y = y.detach() if isinstance(y, torch.Tensor) else y  # in place, PyTorch gives it a gradient of zeros
    return (x, abs(y) if isinstance(y, (int, float)) else y), {}  # it wraps negative numbers around for uint8


@calls("ldexp")
def ldexp(d: Draw) -> tuple:
    x = d.floats(values=(0.5, 2))
    return (x, d.floats(d.broadcast(tuple(x.shape)), (0.5, 2), grad=False)), {}


@calls("copysign")
def copysign(d: Draw) -> tuple:  # at 0 PyTorch's second derivative is nan, ours 0
    x = d.tensor(values=(0.5, 2))
    return (x, d.pick(d.number(), d.tensor(d.broadcast(tuple(x.shape))))), {}


@calls(
    "mul multiply "
    "maximum minimum fmax fmin fmod remainder floor_divide true_divide hypot logaddexp logaddexp2 "
    "xlogy heaviside gcd lcm bitwise_and bitwise_or bitwise_xor __add__ __sub__ __mul__ "
    "__truediv__ __radd__ __rsub__ __rmul__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __and__ __or__ "
    "__xor__ equal"
)
def binary(d: Draw) -> tuple:
    return pair(d), {}


@calls("__rtruediv__")
def quotient(d: Draw) -> tuple:
    x = d.floats(values=(0.5, 2))
    return (x, d.pick(2, 0.5, np.int64(2), d.floats(d.broadcast(tuple(x.shape))))), {}


@calls("pow __pow__ __rpow__")
def powers(d: Draw) -> tuple:
    x = d.tensor(dtype=d.pick("float64", "float32", "int64"), values=(0.5, 2.5))
    y = d.pick(2, 0.5, 3, np.float32(1.5), d.tensor(d.broadcast(tuple(x.shape)), values=(0.5, 2.5)))
    x, y = (t or 3 if isinstance(t, (int, float)) else t for t in (x, y))
    return (x, 2 if isinstance(y, bool) else y) if not isinstance(x, bool) else (2, y), {}


@calls("__imul__ __itruediv__ __iadd__ __isub__ __ipow__")
def in_place(d: Draw) -> tuple:
    x = d.tensor(d.shape(1), "float64", (0.5, 2), grad=False)
    return (x, d.tensor(tuple(x.shape), "float64", (0.5, 2)) if d.chance(0.5) else d.pick(2, 0.5)), {}


@calls("atan2 arctan2 nextafter")  # of uint8 PyTorch's gradients wrap around
def signed(d: Draw) -> tuple:
    x = d.floats(values=(0.5, 2))
    return (x, d.tensor(d.broadcast(tuple(x.shape)), str(x.dtype)[6:], (-2, -0.5))), {}


@calls("add sub subtract rsub")
def scaled(d: Draw) -> tuple:
    return pair(d), some(d, alpha=(1, 2, 0.5, -1, True))


@calls("div divide")
def division(d: Draw) -> tuple:
    return pair(d), some(d, rounding_mode=(None, "floor", "trunc"))


@calls("bitwise_left_shift bitwise_right_shift")
def shifts(d: Draw) -> tuple:
    kind = d.pick("int64", "int32", "uint8", "int8")
    x = d.tensor(dtype=kind)
    return (x, d.pick(1, 2, d.tensor(d.broadcast(tuple(x.shape)), kind, (0, 4)))), {}


@calls("lerp")
def lerp(d: Draw) -> tuple:
    kind = d.dtype()
    x = d.tensor(dtype=kind)
    weight = d.pick(0.3, 0.8, 1, d.tensor(d.broadcast(tuple(x.shape)), kind))
    return (x, d.tensor(d.broadcast(tuple(x.shape)), kind if d.chance(0.9) else None), weight), {}


@calls("addcmul addcdiv")
def addc(d: Draw) -> tuple:
    x = d.floats(d.shape(1), (0.5, 2))
    kind = str(x.dtype)[6:]  # of mixed types PyTorch's own gradients fail
    return (x, *(d.tensor(d.broadcast(tuple(x.shape)), kind, (0.5, 2)) for _ in range(2))), some(
        d, value=(1, 2, 0.5, -1.5)
    )


@calls("clamp clip")
def clamp(d: Draw) -> tuple:
    x = d.tensor()
    limit = lambda: d.pick(None, d.number(), d.tensor(d.broadcast(tuple(x.shape))))  # noqa: E731
    return (x,), some(d, min=limit, max=limit)


@calls("clamp_min clamp_max")
def clamp_one(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.pick(d.number(), d.tensor(d.broadcast(tuple(x.shape))))), {}


@calls("where")
def where(d: Draw) -> tuple:
    shape = d.shape()
    condition = d.mask(shape) if d.chance(0.9) else d.tensor(shape)
    choice = lambda: d.tensor(d.broadcast(shape)) if d.chance(0.7) else d.number()  # noqa: E731
    return (condition, choice(), choice()) if d.chance(0.9) else (condition,), {}


@calls("isclose allclose")
def close(d: Draw) -> tuple:
    x = d.tensor()
    y = d.tensor(d.broadcast(tuple(x.shape)), str(x.dtype)[6:] if d.chance(0.8) else None)
    return (x, y), some(d, rtol=(0.1, 1e-3), atol=(0.5, 1.0), equal_nan=(True, False))


# ---- reductions


@calls("sum mean nansum nanmean")
def sums(d: Draw) -> tuple:
    dtype = d.pick({}, {"dtype": d.type()})
    whole = dtype and not dtype["dtype"].is_floating_point
    x = d.tensor(grad=False if whole else None)  # PyTorch refuses integer sums of what requires grad
    if d.chance(0.3):
        return (x,), dtype
    return (x, d.dims(x.ndim)), dtype | some(d, keepdim=(True, False))


@calls("amax amin all any")
def extremes(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, dim=lambda: d.dims(x.ndim, False), keepdim=(True, False))


@calls("argmax argmin")
def arguments(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, dim=lambda: d.pick(None, d.dim(x.ndim)), keepdim=(True, False))


@calls("max min median nanmedian")
def chosen(d: Draw) -> tuple:
    x = d.tensor(d.shape(0, 3, (1, 2, 3)))
    kind = d.r.randrange(4)
    if kind == 0:
        return (x,), {}
    return (x, d.dim(x.ndim)), some(d, keepdim=(True, False))


@calls("aminmax")
def aminmax(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, dim=lambda: d.dim(x.ndim), keepdim=(True, False))


@calls("prod")
def prod(d: Draw) -> tuple:
    dtype = d.pick({}, {"dtype": d.type()})
    whole = dtype and not dtype["dtype"].is_floating_point
    x = d.tensor(values=(-2, 2), grad=False if whole else None)
    if d.chance(0.3):
        return (x,), dtype
    return (x, d.dim(x.ndim)), dtype | some(d, keepdim=(True, False))


@calls("var std var_mean std_mean")
def variance(d: Draw) -> tuple:
    x = d.tensor(values=(-3, 3))  # of infinities PyTorch's one-pass means are nan
    if d.chance(0.3):
        return (x,), some(d, unbiased=(True, False))
    return (x,), some(d, dim=lambda: d.dims(x.ndim) or None, correction=(0, 1, None), keepdim=(True, False))


@calls("norm")
def norm(d: Draw) -> tuple:
    x = d.floats(values=(0.3, 2))
    p = lambda: d.pick(2, 1, 3, 0.5, float("inf"), float("-inf"), "fro")  # noqa: E731
    return (x,), some(d, p=p, dim=lambda: d.dims(x.ndim), keepdim=(True, False))


@calls("logsumexp")
def logsumexp(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.dims(x.ndim, False)), some(d, keepdim=(True, False))


@calls("softmax log_softmax")
def softmax(d: Draw) -> tuple:
    x = d.floats()
    return (x, d.dim(x.ndim)), some(d, dtype=(torch.float32, torch.float64))


@calls("cumsum cumprod")
def cumulative(d: Draw) -> tuple:
    x = d.tensor(dtype=d.pick("float64", "float32", "int64", "int32"), values=(-2, 2))
    return (x, d.dim(x.ndim)), {"dtype": x.dtype} if d.chance(0.3) else {}


@calls("cummax cummin logcumsumexp")
def running(d: Draw) -> tuple:
    x = d.tensor(d.shape(0, 3, (1, 2, 3)), d.pick("float64", "float32"), (-2, 2))
    return (x, d.dim(x.ndim)), {}


@calls("count_nonzero")
def count_nonzero(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, dim=lambda: d.dims(x.ndim))


@calls("diff")
def diff(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 3, (1, 2, 3)))
    dim = d.dim(x.ndim)
    return (x,), some(d, n=(1, 2), dim=lambda: dim)


@calls("dist")
def dist(d: Draw) -> tuple:
    x = d.tensor(values=(0.5, 2))
    return (x, d.tensor(d.broadcast(tuple(x.shape)), values=(-2, -0.5))), some(d, p=(2, 1, 3, float("inf")))


@calls("renorm", 1e-6)
def renorm(d: Draw) -> tuple:
    x = d.floats(d.shape(2), (0.5, 2))
    return (x, d.pick(1, 2, 3), d.dim(x.ndim), d.pick(0.5, 2.0, 0.0)), {}


# ---- order


@calls("sort argsort")
def sort(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), {"stable": True, **some(d, dim=lambda: d.dim(x.ndim), descending=(True, False))}


@calls("msort")
def msort(d: Draw) -> tuple:
    return (d.tensor(d.shape(1)),), {}


def distinct(d: Draw, shape: tuple) -> torch.Tensor:
    flat = list(range(int(np.prod(shape))))
    d.r.shuffle(flat)
    t = torch.from_numpy(np.array(flat, d.pick("float64", "float32", "int64")).reshape(shape))
    return t.requires_grad_(t.is_floating_point())


@calls("topk")
def topk(d: Draw) -> tuple:
    x = distinct(d, d.shape())
    return (x, d.pick(0, 1, 1, 2, 3)), some(d, dim=lambda: d.dim(x.ndim), largest=(True, False))


@calls("kthvalue")
def kthvalue(d: Draw) -> tuple:
    x = distinct(d, d.shape())
    return (x, d.pick(1, 1, 2, 3, 0)), some(d, dim=lambda: d.dim(x.ndim), keepdim=(True, False))


@calls("mode")
def mode(d: Draw) -> tuple:
    x = d.tensor(d.shape(1), dtype=d.pick("int64", "float64"), values=(-1, 2))
    return (x,), some(d, dim=lambda: d.dim(x.ndim), keepdim=(True, False))


@calls("quantile nanquantile")
def quantile(d: Draw) -> tuple:
    x = distinct(d, d.shape(0, 3, (1, 2, 3)))
    q = d.pick(0.3, 0.5, 1.0, 0.0, 1.5) if d.chance(0.7) else torch.tensor([0.1, 0.7], dtype=x.dtype)
    names = ("linear", "lower", "higher", "midpoint", "nearest", "wrong")
    return (x, q), some(
        d, dim=lambda: d.pick(None, d.dim(x.ndim)), keepdim=(True, False), interpolation=names
    )


@calls("unique unique_consecutive")
def unique(d: Draw) -> tuple:
    x = d.tensor(values=(-1, 2), dtype=d.pick("int64", "float64", "bool"), grad=False)
    options = some(d, return_inverse=(True, False), return_counts=(True, False), dim=lambda: d.dim(x.ndim))
    return (x,), options


@calls("bincount")
def bincount(d: Draw) -> tuple:
    x = d.tensor(
        d.shape(1, 1) if d.chance(0.9) else None,
        d.pick("int64", "int32", "uint8", "float32"),
        (0, 5),
        grad=False,
    )
    weights = lambda: d.tensor(tuple(x.shape), "float64", grad=False)  # noqa: E731
    return (x,), some(d, weights=weights, minlength=(0, 4, 9))


@calls("histc")
def histc(d: Draw) -> tuple:
    return (d.floats(values=(-2, 2), grad=False),), some(d, bins=(3, 10, 0), min=(-1, 0), max=(1, 2))


@calls("histogram")
def histogram(d: Draw) -> tuple:
    x = d.floats(values=(-2, 2), grad=False)
    bins = d.pick(3, 1, 5, torch.tensor([-1.0, 0.0, 0.5, 2.0], dtype=x.dtype))
    return (x, bins), some(d, density=(True, False)) | (
        {"range": (-1.0, 1.0)} if isinstance(bins, int) and d.chance(0.4) else {}
    )


@calls("searchsorted")
def searchsorted(d: Draw) -> tuple:
    table = torch.tensor(sorted(d.r.randint(-3, 3) for _ in range(4)), dtype=torch.float64)
    return (table, d.tensor(dtype="float64", grad=False)), some(
        d, right=(True, False), out_int32=(True, False)
    )


@calls("bucketize")
def bucketize(d: Draw) -> tuple:
    table = torch.tensor(sorted(d.r.randint(-3, 3) for _ in range(4)), dtype=torch.float64)
    return (d.tensor(dtype="float64", grad=False), table), some(
        d, right=(True, False), out_int32=(True, False)
    )


@calls("isin")
def isin(d: Draw) -> tuple:
    return (d.tensor(dtype="int64"), d.tensor(dtype="int64")), some(d, invert=(True, False))


# ---- shapes


@calls("reshape view")
def reshape(d: Draw) -> tuple:
    x = d.tensor().detach().contiguous()
    x.requires_grad_(x.is_floating_point())
    n = x.numel()
    shape = d.pick((n,), (-1,), (1, n), (n, 1), (-1, 1), (2, -1), (3, -1), (7,), (), (-1, -1), (n, -2))
    return (x, shape), {}


@calls("flatten")
def flatten(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, start_dim=lambda: d.dim(x.ndim), end_dim=lambda: d.dim(x.ndim))


@calls("unflatten")
def unflatten(d: Draw) -> tuple:
    return (d.tensor((4, 6)), d.pick(0, 1, -1, 2), d.pick((2, -1), (2, 2), (2, 3), (-1, 1), (3, 2))), {}


@calls("squeeze")
def squeeze(d: Draw) -> tuple:
    x = d.tensor(d.shape(sizes=(1, 1, 2, 3)))
    return (x,) if d.chance(0.4) else (x, d.dim(x.ndim) if d.chance(0.7) else tuple(range(x.ndim))), {}


@calls("unsqueeze")
def unsqueeze(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.dim(x.ndim + 1)), {}


@calls("permute")
def permute(d: Draw) -> tuple:
    x = d.tensor()
    dims = list(range(x.ndim))
    d.r.shuffle(dims)
    return (
        x,
        tuple(n - x.ndim if d.chance(0.3) else n for n in dims) if d.chance(0.9) else d.pick((0,), (0, 0)),
    ), {}


@calls("transpose swapaxes swapdims")
def transpose(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.dim(x.ndim), d.dim(x.ndim)), {}


@calls("movedim moveaxis")
def movedim(d: Draw) -> tuple:
    x = d.tensor(d.shape(2))
    if d.chance(0.5):
        return (x, d.dim(x.ndim), d.dim(x.ndim)), {}
    return (x, tuple(d.r.sample(range(x.ndim), 2)), tuple(d.r.sample(range(x.ndim), 2))), {}


@calls("expand broadcast_to")
def expand(d: Draw) -> tuple:
    x = d.tensor(d.shape(sizes=(1, 1, 2)))
    return (
        x,
        (*(d.pick(1, 2, 3) for _ in range(d.r.randint(0, 2))), *(d.pick(-1, n, 3) for n in x.shape)),
    ), {}


@calls("repeat tile")
def repeat(d: Draw) -> tuple:
    x = d.tensor()
    return (x, tuple(d.pick(1, 2, 0, 1) for _ in range(d.r.randint(0, 4)))), {}


@calls("flip")
def flip(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    dims = d.dims(x.ndim, False)
    return (x, dims if isinstance(dims, tuple) else (dims,)), {}


@calls("fliplr flipud")
def flipped(d: Draw) -> tuple:
    return (d.tensor(),), {}


@calls("rot90")
def rot90(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    return (x,), some(d, k=(0, 1, 2, 3, -1, 5), dims=((0, 1), (1, 0), (-1, 0), (0, 0)))


@calls("roll")
def roll(d: Draw) -> tuple:
    x = d.tensor()
    if d.chance(0.4):
        return (x, d.pick(0, 1, -2, 7)), {}
    dim = d.dim(x.ndim)
    return (x, d.pick(1, -2, 5), dim) if d.chance(0.6) else (x, (1, 2), (0, -1)), {}


@calls("narrow")
def narrow(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 3, (1, 2, 3)))
    return (x, d.dim(x.ndim), d.pick(0, 1, 2), d.pick(0, 1, 2, 3)), {}


@calls("narrow_copy")
def narrow_copy(d: Draw) -> tuple:
    x = d.tensor((3, 2))
    return (x, d.pick(0, 1, -1), d.pick(0, 1), d.pick(0, 1)), {}


@calls("select select_copy")
def select(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.dim(x.ndim), d.pick(0, 1, -1, 2, 5, -4)), {}


@calls("diagonal diagonal_copy")
def diagonal(d: Draw) -> tuple:
    x = d.tensor(d.shape(2) if d.chance(0.9) else None)
    return (x,), some(d, offset=(0, 1, -1, 5), dim1=lambda: d.dim(x.ndim), dim2=lambda: d.dim(x.ndim))


@calls("diag")
def diag(d: Draw) -> tuple:
    return (d.tensor(),), some(d, diagonal=(0, 1, -1, 4))


@calls("diagflat")
def diagflat(d: Draw) -> tuple:
    return (d.tensor(),), some(d, offset=(0, 1, -1))


@calls("diag_embed")
def diag_embed(d: Draw) -> tuple:
    return (d.tensor(d.shape(1, 2)),), some(d, offset=(0, 1, -1), dim1=(0, -2), dim2=(1, -1, 0))


@calls("trace t_copy")
def trace(d: Draw) -> tuple:
    return (d.tensor(d.shape(2, 2) if d.chance(0.9) else None),), {}


@calls("tril triu")
def triangles(d: Draw) -> tuple:
    return (d.tensor(d.shape(2) if d.chance(0.9) else None),), some(d, diagonal=(0, 1, -1, 5))


@calls("unfold unfold_copy")
def unfold(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.dim(x.ndim), d.pick(0, 1, 2, 3), d.pick(1, 2, 0)), {}


@calls("as_strided as_strided_copy")
def as_strided(d: Draw) -> tuple:
    x = d.floats((3, 4)).detach().contiguous().requires_grad_()
    return (x, d.pick((2, 2), (3,), ()), d.pick((1, 2), (2,), (), (4, 1))), some(d, storage_offset=(0, 1, 3))


@calls("split")
def split(d: Draw) -> tuple:
    x = d.tensor(d.shape(1) if d.chance(0.9) else None)
    return (x, d.pick(1, 2, 3, [1, 1], [1, 2], 0, -1)), some(d, dim=lambda: d.dim(x.ndim))


@calls("unsafe_split split_copy")
def split_copy(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    return (x, d.pick(1, 2, 3)), some(d, dim=lambda: d.dim(x.ndim))


@calls("chunk unsafe_chunk")
def chunk(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    return (x, d.pick(1, 2, 3, 5)), some(d, dim=lambda: d.dim(x.ndim))


@calls("tensor_split")
def tensor_split(d: Draw) -> tuple:
    x = d.tensor(d.shape(1) if d.chance(0.9) else None)
    return (x, d.pick(1, 2, 4, (1,), (1, 2), (0, 5), 0)), some(d, dim=lambda: d.dim(x.ndim))


@calls("hsplit vsplit dsplit")
def splits(d: Draw) -> tuple:
    return (d.tensor(d.shape(1)), d.pick(1, 2, 3, (1,))), {}


@calls("unbind unbind_copy")
def unbind(d: Draw) -> tuple:
    x = d.tensor()
    return (x,), some(d, dim=lambda: d.dim(x.ndim))


@calls("cat concat concatenate")
def cat(d: Draw) -> tuple:
    shape = list(d.shape(1) if d.chance(0.9) else d.shape())
    dim = d.r.randint(-len(shape), len(shape) - 1) if shape else 0
    parts = []
    for _ in range(d.r.randint(1, 3)):
        if isinstance(dim, int) and -len(shape) <= dim < len(shape) and d.chance(0.7):
            shape[dim] = d.pick(0, 1, 2)
        parts.append(d.tensor(tuple(shape)))
    if d.chance(0.1):
        parts.append(torch.zeros(0))
    return (parts if d.chance(0.97) else parts[0],), {"dim": dim}


@calls("stack")
def stack(d: Draw) -> tuple:
    shape = d.shape()
    parts = [d.tensor(shape) for _ in range(d.r.randint(1, 3))]
    return (parts,), some(d, dim=lambda: d.dim(len(shape) + 1))


@calls("hstack vstack dstack column_stack row_stack")
def stacks(d: Draw) -> tuple:
    shape = d.shape()
    return ([d.tensor(shape) for _ in range(d.r.randint(1, 3))],), {}


@calls("atleast_1d atleast_2d atleast_3d")
def atleast(d: Draw) -> tuple:
    return (d.tensor(),) if d.chance(0.7) else ([d.tensor(), d.tensor()],), {}


@calls("broadcast_tensors")
def broadcast_tensors(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.tensor(d.broadcast(tuple(x.shape)))), {}


@calls("broadcast_shapes")
def broadcast_shapes(d: Draw) -> tuple:
    shape = d.shape()
    return (shape, d.broadcast(shape)), {}


@calls("meshgrid")
def meshgrid(d: Draw) -> tuple:
    return tuple(d.tensor(d.shape(0, 1), "float64") for _ in range(d.r.randint(1, 3))), {
        "indexing": d.pick("ij", "xy")
    }


@calls("cartesian_prod")
def cartesian_prod(d: Draw) -> tuple:
    return tuple(d.tensor(d.shape(1, 1), "float64") for _ in range(d.r.randint(1, 3))), {}


@calls("combinations")
def combinations(d: Draw) -> tuple:
    return (d.tensor(d.shape(1, 1)),), some(d, r=(0, 1, 2, 3), with_replacement=(True, False))


@calls("block_diag")
def block_diag(d: Draw) -> tuple:
    return tuple(d.tensor(d.shape(0, 2, (1, 2, 3))) for _ in range(d.r.randint(1, 3))), {}


@calls("vander")
def vander(d: Draw) -> tuple:
    x = d.tensor(
        d.shape(1, 1) if d.chance(0.9) else None, values=(-2, 2), grad=False
    )  # PyTorch's backward fails
    return (x,), some(d, N=(None, 0, 1, 2, 4), increasing=(True, False))


# ---- indices


@calls("gather")
def gather(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 3, (2, 3)))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    shape = tuple(d.r.randint(1, n) for n in x.shape)
    return (x, dim, d.indices(x.shape[dim], shape, d.pick("int64", "int64", "int64", "int32", "float32"))), {}


@calls("scatter scatter_add")
def scatter(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (2, 3)))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    order = [d.r.sample(range(x.shape[dim]), x.shape[dim]) for _ in range(x.numel() // x.shape[dim])]
    index = np.moveaxis(
        np.array(order).reshape(*(n for i, n in enumerate(x.shape) if i != dim % x.ndim), -1), -1, dim
    )
    return (
        x,
        dim,
        torch.from_numpy(index.copy()),
        d.tensor(tuple(x.shape), str(x.dtype)[6:] if d.chance(0.9) else None),
    ), {}


@calls("scatter_reduce")
def scatter_reduce(d: Draw) -> tuple:
    x = d.floats(d.shape(1, 2, (2, 3)), (0.5, 2))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    index = d.indices(x.shape[dim], tuple(x.shape))
    src = d.tensor(tuple(x.shape), str(x.dtype)[6:], (0.5, 2))
    reduce = d.pick("sum", "prod", "mean", "amax", "amin", "no")
    return (x, dim, index, src, reduce), some(d, include_self=(True, reduce in ("amax", "amin")))


@calls("index_select")
def index_select(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    dim = d.dim(x.ndim)
    n = x.shape[dim] if isinstance(dim, int) and -x.ndim <= dim < x.ndim else 2
    return (
        x,
        dim,
        d.indices(n, (d.r.randint(0, 3) if n else 0,), d.pick("int64", "int64", "int32")),
    ), {}


@calls("index_add index_copy")
def index_add(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (2, 3)))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    n = d.r.randint(1, x.shape[dim])
    index = torch.tensor(d.r.sample(range(x.shape[dim]), n))
    shape = list(x.shape)
    shape[dim] = n
    return (x, dim, index, d.tensor(tuple(shape), str(x.dtype)[6:] if d.chance(0.9) else None)), {}


@calls("index_reduce")
def index_reduce(d: Draw) -> tuple:
    x = d.floats(d.shape(1, 2, (2, 3)), (0.5, 2))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    shape = list(x.shape)
    shape[dim] = 2
    source = d.tensor(tuple(shape), str(x.dtype)[6:], (0.5, 2))
    index = d.indices(x.shape[dim], (2,))
    # without itself, PyTorch's amax counts a tie with what it leaves out
    reduce = d.pick("prod", "mean", "amax", "amin", "no")
    return (x, dim, index, source, reduce), some(d, include_self=(True, reduce in ("amax", "amin")))


@calls("index_fill")
def index_fill(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (2, 3)))
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    return (
        x,
        dim,
        torch.tensor(d.r.sample(range(x.shape[dim]), 2)),
        d.pick(1, 2.5, d.tensor((), str(x.dtype)[6:])),
    ), {}


@calls("index_put")
def index_put(d: Draw) -> tuple:
    x = d.tensor((3, 4))
    index = (torch.tensor(d.r.sample(range(3), 2)), torch.tensor(d.r.sample(range(4), 2)))
    values = d.tensor(d.pick((2,), (), (1,), (3,)), str(x.dtype)[6:] if d.chance(0.9) else None)
    return (x, index[: d.pick(1, 2, 2, 2)], values), some(d, accumulate=(True, False))


@calls("masked_fill")
def masked_fill(d: Draw) -> tuple:
    x = d.tensor()
    mask = d.mask(d.broadcast(tuple(x.shape))) if d.chance(0.95) else d.tensor(tuple(x.shape))
    value = d.tensor((), values=(-2, 2), grad=x.requires_grad)
    return (x, mask, d.pick(1, 2.5, True, float("-inf"), value)), {}


@calls("masked_select")
def masked_select(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.mask(d.broadcast(tuple(x.shape)))), {}


@calls("masked_scatter")
def masked_scatter(d: Draw) -> tuple:
    x = d.tensor()
    source = d.tensor((max(x.numel(), 1) * 3,) if d.chance(0.9) else (1,), str(x.dtype)[6:])
    return (x, d.mask(d.broadcast(tuple(x.shape))), source), {}


@calls("nonzero")
def nonzero(d: Draw) -> tuple:
    return (d.tensor(),), some(d, as_tuple=(True, False))


@calls("take")
def take(d: Draw) -> tuple:
    x = d.tensor(d.shape(0, 3, (1, 2, 3)))
    return (x, d.indices(x.numel(), d.shape(), low=-x.numel())), {}


@calls("put")
def put(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (2, 3)))
    index = torch.tensor(d.r.sample(range(x.numel()), 2))
    return (x, index, d.tensor((2,), str(x.dtype)[6:])), some(d, accumulate=(True, False))


@calls("take_along_dim")
def take_along_dim(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (2, 3)))
    if d.chance(0.3):
        return (x, d.indices(x.numel(), (2,))), {}
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    shape = [1 if d.chance(0.3) else n for n in x.shape]
    return (x, d.indices(x.shape[dim], tuple(shape))), {"dim": dim}


@calls("repeat_interleave")
def repeat_interleave(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2))
    if d.chance(0.3):
        return (x, d.pick(0, 1, 2, 3)), {}
    dim = d.r.randint(-x.ndim, x.ndim - 1)
    return (x, d.pick(2, torch.tensor([d.r.randint(0, 2) for _ in range(x.shape[dim])]))), {"dim": dim}


@calls("select_scatter")
def select_scatter(d: Draw) -> tuple:
    x = d.floats((3, 4))
    return (x, d.tensor(d.pick((3,), (4,)), str(x.dtype)[6:]), d.pick(0, 1, -1), d.pick(0, 1, -1)), {}


@calls("slice_scatter")
def slice_scatter(d: Draw) -> tuple:
    x = d.floats((4, 2))
    return (x, d.tensor((2, 2), str(x.dtype)[6:])), {
        "start": d.pick(0, 1, -3),
        "end": d.pick(4, 9),
        "step": 2,
    }


@calls("diagonal_scatter")
def diagonal_scatter(d: Draw) -> tuple:
    x = d.floats((3, 3))
    return (x, d.tensor(d.pick((2,), (3,)), str(x.dtype)[6:]), d.pick(0, 1, -1)), {}


@calls("as_strided_scatter")
def as_strided_scatter(d: Draw) -> tuple:
    x = d.floats((3, 4)).detach().contiguous().requires_grad_()
    # PyTorch's own gradient for x is nonzero where src was written, and zero elsewhere
    return (x.detach(), d.tensor((2, 2), str(x.dtype)[6:]), (2, 2), (1, 2), 1), {}


@calls("nonzero_static")
def nonzero_static(d: Draw) -> tuple:
    return (d.tensor(d.shape(1)),), {"size": d.pick(0, 2, 5), **some(d, fill_value=(0, -1))}


@calls("unravel_index")
def unravel_index(d: Draw) -> tuple:
    return (d.indices(6, d.shape()), d.pick((2, 3), (6,), 6)), {}


@calls("tril_indices triu_indices")
def triangle_indices(d: Draw) -> tuple:
    return (d.pick(0, 1, 3), d.pick(0, 2, 3)), some(d, offset=(0, 1, -1))


@calls("embedding")
def embedding(d: Draw) -> tuple:
    return (d.floats((4, 3)), d.indices(4, d.shape())), some(
        d, padding_idx=(-1, 1), scale_grad_by_freq=(True, False)
    )


# ---- products


@calls("matmul __matmul__ __rmatmul__")
def matmul(d: Draw) -> tuple:
    n, k, m = (d.pick(1, 2, 3, 0) for _ in range(3))
    batch = d.shape(0, 1)
    left = d.pick((k,), (n, k), (*batch, n, k))
    right = d.pick((k,), (k, m), (*batch, k, m), (k + 1, m))
    kind = d.pick("float64", "float32", "int64", "float16")
    other = kind if 0 in (n, k, m) or d.chance(0.9) else None
    return (d.tensor(left, kind), d.tensor(right, other)), {}


@calls("mm")
def mm(d: Draw) -> tuple:
    n, k, m = (d.pick(1, 2, 3, 0) for _ in range(3))
    return (d.floats((n, k)), d.tensor(d.pick((k, m), (k, m), (k,), (k + 1, m)), "float64")), {}


@calls("bmm")
def bmm(d: Draw) -> tuple:
    b, n, k, m = (d.pick(1, 2, 3) for _ in range(4))
    return (
        d.tensor((b, n, k), "float64"),
        d.tensor(d.pick((b, k, m), (b, k, m), (1, k, m), (k, m)), "float64"),
    ), {}


@calls("mv")
def mv(d: Draw) -> tuple:
    n, k = d.pick(0, 1, 3), d.pick(0, 2)
    return (d.tensor((n, k), "float64"), d.tensor(d.pick((k,), (k,), (k + 1,), (k, 1)), "float64")), {}


@calls("dot vdot inner")
def dot(d: Draw) -> tuple:
    n = d.pick(0, 1, 3)
    return (d.tensor((n,)), d.tensor(d.pick((n,), (n,), (n + 1,)))), {}


@calls("outer ger")
def outer(d: Draw) -> tuple:
    return (d.tensor(d.shape(1, 1) if d.chance(0.9) else None), d.tensor(d.shape(1, 1))), {}


@calls("cross")
def cross(d: Draw) -> tuple:
    shape = d.pick((3,), (2, 3), (3, 2), (3, 3), (2, 2))
    return (d.tensor(shape, "float64"), d.tensor(shape, "float64")), some(d, dim=lambda: d.dim(len(shape)))


@calls("kron")
def kron(d: Draw) -> tuple:
    return (d.tensor(d.shape(0, 2)), d.tensor(d.shape(0, 2))), {}


_ADD = {"beta": (0, 1, 0.5), "alpha": (1, 2, 0.5)}


@calls("addmm")
def addmm(d: Draw) -> tuple:
    kind = "float64"
    x = d.tensor(d.pick((2, 4), (4,), (), (2, 1), (3, 4)), kind, (-2, 2))
    return (x, d.tensor((2, 3), kind, (-2, 2)), d.tensor((3, 4), kind, (-2, 2))), some(d, **_ADD)


@calls("addmv")
def addmv(d: Draw) -> tuple:
    x = d.tensor(d.pick((2,), (1,), ()), "float64", (-2, 2))
    return (x, d.tensor((2, 3), "float64", (-2, 2)), d.tensor((3,), "float64", (-2, 2))), some(d, **_ADD)


@calls("addr")
def addr(d: Draw) -> tuple:
    x = d.tensor(d.pick((2, 3), (3,), ()), "float64", (-2, 2))
    return (x, d.tensor((2,), "float64", (-2, 2)), d.tensor((3,), "float64", (-2, 2))), some(d, **_ADD)


@calls("baddbmm")
def baddbmm(d: Draw) -> tuple:
    x = d.tensor(d.pick((2, 2, 4), (4,), (2, 1, 4)), "float64", (-2, 2))
    return (x, d.tensor((2, 2, 3), "float64", (-2, 2)), d.tensor((2, 3, 4), "float64", (-2, 2))), some(
        d, **_ADD
    )


@calls("addbmm")
def addbmm(d: Draw) -> tuple:  # in place PyTorch makes (2, 4) of (4,)
    x = d.tensor((2, 4), "float64", (-2, 2))
    return (x, d.tensor((2, 2, 3), "float64", (-2, 2)), d.tensor((2, 3, 4), "float64", (-2, 2))), some(
        d, **_ADD
    )


@calls("chain_matmul")
def chain_matmul(d: Draw) -> tuple:
    return tuple(d.tensor(s, "float64", (-2, 2)) for s in ((2, 3), (3, 4), (4, 2))), {}


@calls("cdist", 1e-6)
def cdist(d: Draw) -> tuple:
    return (d.tensor((2, 3), "float64", (-2, 2)), d.tensor((4, 3), "float64", (-2, 2))), some(
        d, p=(2.0, 1.0, 3.0, float("inf"))
    )


@calls("pdist", 1e-6)
def pdist(d: Draw) -> tuple:
    return (d.tensor(d.pick((4, 3), (1, 3), (3,)), "float64", (-2, 2)),), some(d, p=(2.0, 1.0, 3.0))


@calls("tensordot")
def tensordot(d: Draw) -> tuple:
    return (d.tensor((2, 3, 4), "float64", (-2, 2)), d.tensor((3, 4, 2), "float64", (-2, 2))), {
        "dims": d.pick(0, ([1, 2], [0, 1]), ([0], [2]), ([2], [1]), ([-1], [-2]), 1)
    }


@calls("einsum")
def einsum(d: Draw) -> tuple:
    equation, *shapes = d.pick(
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
        ("ij->ji", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("...ij,...jk->...ik", (2, 2, 3), (3, 4)),
        ("ij,kj", (2, 3), (4, 3)),
        ("i,j->ij", (2,), (3,)),
        ("ij,jk->ik", (2, 3), (4, 4)),
    )
    return (equation, *(d.tensor(s, "float64", (-2, 2)) for s in shapes)), {}


# ---- statistics


@calls("cov")
def cov(d: Draw) -> tuple:
    x = d.tensor(d.shape(0, 2), values=(-2, 2))
    return (x,), some(d, correction=(0, 1, 2))


@calls("corrcoef", 1e-6)
def corrcoef(d: Draw) -> tuple:
    return (d.floats(d.pick((2, 4), (3, 5)), (-2, 2)),), {}


@calls("trapezoid trapz cumulative_trapezoid")
def trapezoid(d: Draw) -> tuple:
    y = d.tensor(d.shape(1, 2), values=(-2, 2))
    if d.chance(0.5):
        return (y,), some(d, dx=(1, 0.5), dim=lambda: d.dim(y.ndim))
    return (y, d.tensor(tuple(y.shape)[-1:], str(y.dtype)[6:], (-2, 2))), {}


@calls("gradient")
def gradient(d: Draw) -> tuple:
    x = d.tensor(d.shape(1, 2, (3, 4)), "float64", (-2, 2))
    return (x,), some(d, spacing=(1, 0.5, 2.0), dim=lambda: d.dim(x.ndim), edge_order=(1, 2))


# ---- conversions and facts


@calls("to")
def to(d: Draw) -> tuple:
    return (d.tensor(), d.pick(d.type(), d.type(), d.tensor(), "cpu", "nowhere", 3)), {}


@calls("type_as view_as reshape_as expand_as is_same_size")
def like(d: Draw) -> tuple:
    x = d.tensor().detach().contiguous()
    x.requires_grad_(x.is_floating_point())
    return (x, d.pick(d.tensor(), d.tensor(tuple(x.shape)), d.tensor((x.numel(),)))), {}


@calls("size stride")
def size(d: Draw) -> tuple:
    x = d.tensor(d.shape(0, 3, (2, 3))).detach().contiguous()
    return (x,) if d.chance(0.3) else (x, d.dim(x.ndim)), {}


@calls("fill")
def fill(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.pick(d.number(), d.tensor((), grad=x.requires_grad), d.tensor(grad=x.requires_grad))), {}


@calls("copy")
def copy(d: Draw) -> tuple:
    x = d.tensor()
    return (x, d.tensor(d.broadcast(tuple(x.shape)))), {}


@calls("zero requires_grad squeeze_all")
def plain(d: Draw) -> tuple:
    return (d.tensor(),), {}


del CALLS["squeeze_all"]


@calls("sum_to_size")
def sum_to_size(d: Draw) -> tuple:
    x = d.tensor(d.shape(1))
    return (x, d.broadcast(tuple(x.shape))), {}


@calls("fill_diagonal")
def fill_diagonal(d: Draw) -> tuple:
    return (d.tensor(d.pick((2, 3), (7, 3), (3, 3), (2, 2, 2), (2,), (2, 3, 2))), d.pick(1, 2.5)), some(
        d, wrap=(True, False)
    )


@calls("result_type")
def result_type(d: Draw) -> tuple:
    return (d.tensor() if d.chance(0.8) else d.number(), d.tensor() if d.chance(0.7) else d.number()), {}


@calls("promote_types can_cast")
def two_types(d: Draw) -> tuple:
    return (d.type(), d.type() if d.chance(0.95) else 3), {}


@calls("zeros_like ones_like rand_like_shape empty_like_shape")
def filled_like(d: Draw) -> tuple:
    return (d.tensor(),), some(d, dtype=d.type)


for _name in ("rand_like_shape", "empty_like_shape"):
    del CALLS[_name]


@calls("full_like")
def full_like(d: Draw) -> tuple:
    return (d.tensor(), d.number()), some(d, dtype=d.type)


@calls("expand_copy permute_copy squeeze_copy transpose_copy unsqueeze_copy view_copy split_with_sizes_copy")
def copies(d: Draw) -> tuple:
    raise NotImplementedError


_SAME = {
    "expand_copy": "expand",
    "permute_copy": "permute",
    "squeeze_copy": "squeeze",
    "transpose_copy": "transpose",
}
_SAME |= {"unsqueeze_copy": "unsqueeze", "view_copy": "view"}
for _name, _like in _SAME.items():
    CALLS[_name] = CALLS[_like]


@calls("split_with_sizes unsafe_split_with_sizes split_with_sizes_copy")
def split_with_sizes(d: Draw) -> tuple:
    return (d.tensor((3, 2)), d.pick([1, 2], [3], [1, 1])), {}


@calls("det logdet slogdet inverse pinverse matrix_exp", 1e-6)
def matrices(d: Draw) -> tuple:
    x = d.tensor(d.pick((2, 2), (3, 3), (2, 3, 3)), "float64", (-0.5, 0.5), grad=False)
    return ((x + 2 * torch.eye(x.shape[-1], dtype=x.dtype)).requires_grad_(),), {}


@calls("matrix_power", 1e-6)
def matrix_power(d: Draw) -> tuple:
    return (*matrices(d)[0], d.pick(0, 1, 2, 3, -1, -2)), {}


@calls("cholesky cholesky_inverse", 1e-6)
def cholesky(d: Draw) -> tuple:
    n = d.pick(1, 2, 3)
    x = d.tensor((n, n), "float64", (-1, 1), grad=False)
    x = (x @ x.T) + torch.eye(n, dtype=x.dtype)
    return (x,), some(d, upper=(True, False))  # PyTorch's gradients leave the triangle that was read
