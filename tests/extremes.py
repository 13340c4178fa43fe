"""Where numbers are hard: the whole range of a type, kinks and ties, and the functions that meet them there.

Used by test_numerics.py and parity/test_numerics.py. Each function takes the library and its arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

KINDS = (np.float16, np.float32, np.float64)
Case = Callable[..., Any]


def numbers(kind: Any, n: int = 60, seed: int = 0) -> np.ndarray:
    """Numbers of the type from the smallest subnormal to the largest, of both signs;
    where exp, tanh, squares and cubes change their nature, and n drawn evenly in the exponent."""
    f, rng = np.finfo(kind), np.random.default_rng(seed)
    top = float(f.max)
    fixed = [
        0,
        float(f.smallest_subnormal),
        float(f.tiny) / 2,
        float(f.tiny),
        float(f.eps),
        1e-3,
        0.3,
        0.5,
        1,
        1.5,
    ]
    fixed += [4, 9, 12, 17, 19.9, 20.1, 40, 87, 88.8, 89, 104, 700, 709, 710, 745, 800, 1e4]
    fixed += [top**0.5 * 0.99, top**0.5 * 1.01, top ** (1 / 3), top / 8, top / 2, top]
    drawn = 2.0 ** rng.uniform(np.log2(float(f.smallest_subnormal)), np.log2(top) - 0.01, n)
    x = np.concatenate([[v for v in fixed if v <= top], drawn])
    return np.concatenate([x, -x]).astype(kind)


def rows(kind: Any, limit: float = 1.0) -> np.ndarray:
    """(N, 6): rows of one scale, for many scales up to limit times the largest number; constant and zero
    rows; rows of mixed scales."""
    f, rng = np.finfo(kind), np.random.default_rng(1)
    top = float(f.max) * limit
    scales = [
        float(f.tiny),
        float(f.tiny) ** 0.5,
        1e-3,
        1.0,
        10.0,
        80.0,
        top**0.5 * 0.3,
        top**0.5 * 3,
        top / 8,
        top,
    ]
    drawn = [rng.uniform(-1, 1, (2, 6)) * min(s, top) for s in scales]
    drawn += [np.full((1, 6), v) for v in (0.0, 3.0, top / 8 if limit == 1 else 30)]
    drawn += [np.array([[top, 1, 0, -1, 1e-3, float(f.tiny)], [top / 2, 1, 0, -1, 1e-3, -top / 2]])]
    spans = np.log2(float(f.smallest_subnormal)), np.log2(top) - 0.01
    drawn += [rng.choice([-1, 1], (6, 6)) * 2.0 ** rng.uniform(*spans, (6, 6))]
    return np.concatenate(drawn).astype(kind)


def F(lib: Any) -> Any:
    return lib.nn.functional


def _named(names: str, where: Callable[[Any], Any], **options: Any) -> dict[str, Case]:
    return {n: lambda lib, *x, n=n: getattr(where(lib), n)(*x, **options) for n in names.split()}


ONE: dict[str, Case] = {  # of one array, elementwise
    **_named(
        "sigmoid tanh exp exp2 expm1 log log1p log2 log10 sqrt rsqrt reciprocal square sin cos atan asinh "
        "sinh cosh erf erfc abs",
        lambda lib: lib,
    ),
    **_named(
        "gelu silu mish logsigmoid elu selu celu relu6 softplus hardswish softsign hardshrink softshrink "
        "leaky_relu",
        F,
    ),
    "gelu tanh": lambda lib, x: F(lib).gelu(x, approximate="tanh"),
    "softplus 2": lambda lib, x: F(lib).softplus(x, beta=2.0),
    "softplus 1000": lambda lib, x: F(lib).softplus(x, beta=1e3),
    "elu 2": lambda lib, x: F(lib).elu(x, 2.0),
    "logit": lambda lib, x: lib.logit(x, eps=1e-2),
    "pow 3": lambda lib, x: x**3,
    "pow -1": lambda lib, x: x**-1,
}
TWO: dict[str, Case] = {  # of two arrays, elementwise
    **_named("hypot logaddexp logaddexp2 atan2 maximum add sub mul div xlogy", lambda lib: lib),
    **_named("mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss kl_div", F, reduction="none"),
    **_named("binary_cross_entropy_with_logits", F, reduction="none"),
    "bce": lambda lib, x, y: F(lib).binary_cross_entropy(
        x.abs().clamp(0, 1), y.abs().clamp(0, 1).detach(), reduction="none"
    ),
    "bce of logits and classes": lambda lib, x, y: F(lib).binary_cross_entropy_with_logits(
        x, (y > 0).to(x.dtype), reduction="none"
    ),
    "bce with pos_weight": lambda lib, x, y: F(lib).binary_cross_entropy_with_logits(
        x, (y > 0).to(x.dtype), reduction="none", pos_weight=lib.tensor(3.0, dtype=x.dtype)
    ),
    "smooth_l1 3": lambda lib, x, y: F(lib).smooth_l1_loss(x, y, beta=3.0, reduction="none"),
    "huber 3": lambda lib, x, y: F(lib).huber_loss(x, y, delta=3.0, reduction="none"),
    "kl_div log": lambda lib, x, y: F(lib).kl_div(x, y, log_target=True, reduction="none"),
    "hinge": lambda lib, x, y: F(lib).hinge_embedding_loss(x, (y > 0).to(x.dtype) * 2 - 1, reduction="none"),
    "soft_margin": lambda lib, x, y: F(lib).soft_margin_loss(
        x, (y > 0).to(x.dtype) * 2 - 1, reduction="none"
    ),
    "margin_ranking": lambda lib, x, y: F(lib).margin_ranking_loss(
        x, y, (y > 0).to(x.dtype) * 2 - 1, reduction="none"
    ),
    "gaussian_nll": lambda lib, x, y: F(lib).gaussian_nll_loss(
        x, y.detach(), y.abs().detach() + 1, reduction="none"
    ),
}
ROWS: dict[str, Case] = {  # of the rows of a matrix (N, 6)
    **_named("sum mean var std logsumexp softmax log_softmax cumsum amax", lambda lib: _Along(lib)),
    "softmin": lambda lib, x: F(lib).softmin(x, 1),
    **{f"norm {p}": lambda lib, x, p=p: x.norm(p, dim=1) for p in (2, 1, 3, 0.5, np.inf)},
    "cross_entropy": lambda lib, x: F(lib).cross_entropy(x, lib.arange(len(x)) % 6, reduction="none"),
    "cross_entropy, mean": lambda lib, x: F(lib).cross_entropy(x, lib.arange(len(x)) % 6),
    "nll": lambda lib, x: F(lib).nll_loss(x, lib.arange(len(x)) % 6, reduction="none"),
    "multilabel_soft_margin": lambda lib, x: F(lib).multilabel_soft_margin_loss(
        x, (lib.arange(6) % 2).to(x.dtype).expand(len(x), 6), reduction="none"
    ),
}
NORMS: dict[str, Case] = {  # of rows whose squares must have room: how sums of squares overflow is not fixed
    "layer_norm": lambda lib, x: F(lib).layer_norm(x, (6,)),
    "rms_norm": lambda lib, x: F(lib).rms_norm(x, (6,)),
    "group_norm": lambda lib, x: F(lib).group_norm(x, 2),
    "instance_norm": lambda lib, x: F(lib).instance_norm(x[:, None]),
    "batch_norm": lambda lib, x: F(lib).batch_norm(x.T.contiguous(), None, None, training=True),
    "normalize": lambda lib, x: F(lib).normalize(x),
    "cosine_similarity": lambda lib, x: F(lib).cosine_similarity(x, x.flip(1)),
    "cosine_embedding": lambda lib, x: F(lib).cosine_embedding_loss(
        x, x.flip(1), lib.arange(len(x)) % 2 * 2 - 1, reduction="none"
    ),
    "pairwise_distance": lambda lib, x: F(lib).pairwise_distance(x, x.flip(1)),
    "triplet": lambda lib, x: F(lib).triplet_margin_loss(x, x.flip(1), -x, reduction="none"),
    "cdist": lambda lib, x: lib.cdist(x.reshape(-1, 1, 6), x.flip(1).reshape(-1, 1, 6)),
    "cdist 1": lambda lib, x: lib.cdist(x.reshape(-1, 1, 6), x.flip(1).reshape(-1, 1, 6), p=1.0),
    "multi_margin": lambda lib, x: F(lib).multi_margin_loss(x, lib.arange(len(x)) % 6, reduction="none"),
    "multilabel_margin": lambda lib, x: F(lib).multilabel_margin_loss(
        x, lib.tensor([[0, 2, -1, 1, 1, 1]] * len(x)), reduction="none"
    ),
}


class _Along:
    """lib.name(x, 1)"""

    def __init__(self, lib: Any) -> None:
        self.lib = lib

    def __getattr__(self, name: str) -> Case:
        return lambda x: getattr(self.lib, name)(x, 1)


def inputs(table: dict[str, Case], kind: Any) -> list[np.ndarray]:
    if table is ONE:
        return [numbers(kind)]
    if table is TWO:
        x, y = numbers(kind), np.random.default_rng(5).permutation(numbers(kind, seed=2))
        return [np.concatenate([x, np.zeros(3, kind), x]), np.concatenate([y, np.array([0, 1, -1], kind), x])]
    return [rows(kind)] if table is ROWS else [rows(kind, 1e-4 * float(np.finfo(kind).max) ** -0.5)]


def values(lib: Any, f: Case, arrays: list[np.ndarray]) -> list[np.ndarray | None]:
    """The result, and in each array the gradient of its sum, which itself may not have room."""
    leaves = [lib.from_numpy(a.copy()).requires_grad_() for a in arrays]
    y = f(lib, *leaves)
    grads = [None] * len(leaves)
    if y.requires_grad:
        grads = lib.autograd.grad(y, leaves, lib.ones_like(y), allow_unused=True)
    return [t if t is None else t.detach().numpy() for t in (y, *grads)]


# ---- kinks: points where a slope jumps, is infinite or undefined

POINTS = np.array(
    [
        0,
        -0.0,
        0.3,
        -0.3,
        0.5,
        -0.5,
        1,
        -1,
        1.5,
        -1.5,
        2,
        -2,
        2.5,
        3,
        -3,
        6,
        -6,
        20,
        -20,
        21,
        100,
        -100,
        np.inf,
    ]
    + [-np.inf]
)
_PAIR = np.array([0, -0.0, 1, -1, 0.5, 2, -2, 3, np.inf, -np.inf])
KINKS: dict[str, Case] = {  # of one array
    **_named(
        "abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc erfinv exp exp2 expm1 floor "
        "frac i0 lgamma log log10 log1p log2 logit nan_to_num neg reciprocal relu round rsqrt sgn sigmoid "
        "sign sin sinc sinh sqrt square tan tanh trunc deg2rad positive",
        lambda lib: lib,
    ),
    **_named("i0e i1 i1e entr erfcx ndtr ndtri", lambda lib: lib.special),
    **_named(
        "relu6 leaky_relu elu selu celu silu gelu mish softplus hardtanh hardsigmoid hardswish softsign "
        "tanhshrink hardshrink softshrink logsigmoid",
        F,
    ),
    "elu 2": lambda lib, x: F(lib).elu(x, 2.0),
    "celu 2": lambda lib, x: F(lib).celu(x, 2.0),
    "leaky_relu -0.5": lambda lib, x: F(lib).leaky_relu(x, -0.5),
    "leaky_relu 0": lambda lib, x: F(lib).leaky_relu(x, 0.0),
    "gelu tanh": lambda lib, x: F(lib).gelu(x, approximate="tanh"),
    "threshold": lambda lib, x: F(lib).threshold(x, 0.5, 7.0),
    "hardshrink 1": lambda lib, x: F(lib).hardshrink(x, 1.0),
    "softshrink 1": lambda lib, x: F(lib).softshrink(x, 1.0),
    "prelu": lambda lib, x: F(lib).prelu(x, lib.tensor([0.25], dtype=x.dtype)),
    "clamp": lambda lib, x: x.clamp(-1, 1),
    "clamp min": lambda lib, x: x.clamp(min=0.5),
    "clamp max": lambda lib, x: x.clamp(max=0.5),
    "clamp, turned round": lambda lib, x: x.clamp(1, -1),
    "clamp by tensors": lambda lib, x: lib.clamp(x, -lib.ones_like(x), lib.ones_like(x)),
    "logit 0.3": lambda lib, x: lib.logit(x, eps=0.3),
    "polygamma": lambda lib, x: lib.polygamma(1, x),
    **{f"x ** {p}": lambda lib, x, p=p: x**p for p in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.5, 2.5, -1.5)},
    **{f"{b} ** x": lambda lib, x, b=b: b**x for b in (0, 1, 2, -1, 0.5)},
    "2 / x": lambda lib, x: 2 / x,
    "x / 0": lambda lib, x: x / 0,
    "x % 2": lambda lib, x: x % 2,
    "x % -1.5": lambda lib, x: x % -1.5,
    "fmod 1.5": lambda lib, x: lib.fmod(x, 1.5),
    "xlogy(2, x)": lambda lib, x: lib.xlogy(2.0, x),
    "xlogy(x, 0)": lambda lib, x: lib.xlogy(x, 0.0),
    "xlogy(0, x)": lambda lib, x: lib.xlogy(0.0, x),
    "log where positive": lambda lib, x: lib.where(x > 0, x.log(), lib.zeros_like(x)),
}
_elementwise = {  # of two arrays
    **_named(
        "add sub mul div maximum minimum fmax fmin atan2 hypot logaddexp logaddexp2 pow remainder fmod xlogy "
        "copysign",
        lambda lib: lib,
    ),
    "xlog1py": lambda lib, x, y: lib.special.xlog1py(x, y),
    "where x > y": lambda lib, x, y: lib.where(x > y, x, y),
    "lerp": lambda lib, x, y: lib.lerp(x, y, 0.3),
    "clamp min by tensor": lambda lib, x, y: lib.clamp(x, min=y),
    "clamp max by tensor": lambda lib, x, y: lib.clamp(x, max=y),
    "addcmul": lambda lib, x, y: lib.addcmul(x, x, y, value=0.5),
    "floor of quotient": lambda lib, x, y: lib.div(x, y, rounding_mode="floor"),
    **_named("mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss", F, reduction="none"),
    **_named("binary_cross_entropy_with_logits", F, reduction="none"),
    "smooth_l1 0.5": lambda lib, x, y: F(lib).smooth_l1_loss(x, y, beta=0.5, reduction="none"),
    "smooth_l1 0": lambda lib, x, y: F(lib).smooth_l1_loss(x, y, beta=0.0, reduction="none"),
    "huber 2": lambda lib, x, y: F(lib).huber_loss(x, y, delta=2.0, reduction="none"),
    "hinge": lambda lib, x, y: F(lib).hinge_embedding_loss(x, y.detach(), reduction="none"),
    "margin_ranking": lambda lib, x, y: F(lib).margin_ranking_loss(
        x, y, lib.ones_like(y), 1.0, reduction="none"
    ),
    "bce": lambda lib, x, y: F(lib).binary_cross_entropy(
        x.clamp(0, 1), y.detach().clamp(0, 1), reduction="none"
    ),
}
KINKS.update({f"{name} of two": f for name, f in _elementwise.items()})


def kinks(name: str) -> list[np.ndarray]:
    """The points at which a function of KINKS is looked at."""
    if not name.endswith(" of two"):
        return [POINTS]
    x, y = (a.ravel() for a in np.meshgrid(_PAIR, _PAIR))
    number = ~(np.isinf(x) & (x == y))  # the difference of which is nan
    return [x[number], y[number]]


TIE = np.array(
    [[1.0, 1, 0, 2], [2, 2, 1, 2], [0, 0, 0, 0], [-0.0, 0, 1, -1], [3, 3, 3, 3], [0, 2, 0, 3], [0, 2, 3, 4]]
    + [[-1, 1, -1, 1], [1, 2, 3, 4], [2, 3, 4, 4.5]]
)
TIES: dict[str, Case] = {  # of the rows of TIE
    **_named(
        "sum mean prod amax amin nansum nanmean logsumexp std var softmax log_softmax cumsum cumprod "
        "logcumsumexp",
        lambda lib: _Along(lib),
    ),
    **{
        n: lambda lib, x, n=n: getattr(lib, n)(x, 1)[0]
        for n in "max min median nanmedian mode cummax cummin".split()
    },
    **{
        f"{n} of all": lambda lib, x, n=n: lib.stack([getattr(v, n)() for v in x])
        for n in "max min median nanmedian amax amin prod std norm".split()
    },
    "sort": lambda lib, x: lib.sort(x, dim=1, stable=True)[0],
    "sort, descending": lambda lib, x: lib.sort(x, dim=1, descending=True, stable=True)[0],
    "aminmax": lambda lib, x: lib.aminmax(x, dim=1)[1],
    **{f"quantile {q}": lambda lib, x, q=q: lib.quantile(x, q, 1) for q in (0.0, 0.25, 0.5, 1.0)},
    **{f"norm {p}": lambda lib, x, p=p: x.norm(p, dim=1) for p in (2, 1, 3, 0.5, 1.5, 0, np.inf, -np.inf, 4)},
    "normalize": lambda lib, x: F(lib).normalize(x),
    "normalize 1": lambda lib, x: F(lib).normalize(x, p=1.0),
    "cosine_similarity": lambda lib, x: F(lib).cosine_similarity(x, x.flip(1)),
    "cosine_similarity with 0": lambda lib, x: F(lib).cosine_similarity(x, x * 0),
    "pairwise_distance": lambda lib, x: F(lib).pairwise_distance(x, x),
    **{
        f"cdist {p}": lambda lib, x, p=p: lib.cdist(x[:, None], x[:, None].flip(2), p=p)
        for p in (1.0, 2.0, 3.0, np.inf, 0.0)
    },
    **{f"pdist {p}": lambda lib, x, p=p: F(lib).pdist(x, p) for p in (1.0, 2.0, np.inf)},
    "dist": lambda lib, x: lib.stack([lib.dist(v, v.detach()) for v in x]),
    "renorm": lambda lib, x: lib.renorm(x, 2, 0, 2.0),
    "layer_norm": lambda lib, x: F(lib).layer_norm(x, (4,)),
    "rms_norm": lambda lib, x: F(lib).rms_norm(x, (4,)),
    "cross_entropy": lambda lib, x: F(lib).cross_entropy(x, lib.arange(len(x)) % 4, reduction="none"),
    "multi_margin": lambda lib, x: F(lib).multi_margin_loss(x, lib.arange(len(x)) % 4, reduction="none"),
    "multi_margin 2": lambda lib, x: F(lib).multi_margin_loss(
        x, lib.arange(len(x)) % 4, p=2, reduction="none"
    ),
    "multilabel_margin": lambda lib, x: F(lib).multilabel_margin_loss(
        x, lib.tensor([[0, 2, -1, 1]] * len(x)), reduction="none"
    ),
    "cosine_embedding": lambda lib, x: F(lib).cosine_embedding_loss(
        x, x.flip(1), lib.arange(len(x)) % 2 * 2 - 1, reduction="none"
    ),
    "triplet": lambda lib, x: F(lib).triplet_margin_loss(x, x.flip(1), x, reduction="none"),
    "triplet, swapped": lambda lib, x: F(lib).triplet_margin_loss(
        x, x.flip(1), -x, swap=True, reduction="none"
    ),
    "max_pool": lambda lib, x: F(lib).max_pool1d(x[:, None], 3, 1, 1),
    "adaptive_max_pool": lambda lib, x: F(lib).adaptive_max_pool1d(x[:, None], 2),
    "scatter_reduce amax": lambda lib, x: lib.zeros(len(x), 2, dtype=x.dtype).scatter_reduce(
        1, lib.tensor([[0, 0, 1, 1]] * len(x)), x, "amax"
    ),
    "std of one": lambda lib, x: x[:, :1].std(1),
}
