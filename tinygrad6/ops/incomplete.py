"""The incomplete gamma functions, and how samples of gamma and beta distributions move with their parameters.

One series carries all four. With t_0 = 1 and t_n = t_(n-1) x / (a + n),

    P(a, x) = x^a e^-x / Gamma(a + 1) * (t_0 + t_1 + ...),

and the implicit derivative of a sample x of Gamma(a), -(dP/da) / (dP/dx) (Figurnov et al. 2018), is the same
sum with the weights psi(a + n + 1) - log x. Sources: DLMF 8.11.4 and 8.9.2; Wilson and Hilferty 1931.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.op import case, op
from tinygrad6.ops.gamma import _digamma, _lgamma, lgamma
from tinygrad6.ops.pointwise import exp, log
from tinygrad6.quiet import Quiet

_EPS = 2.0**-53
_LARGE = 1e4  # from this parameter on Wilson and Hilferty's normal approximation is closer than 1e-6


def _no_slope(g: Any) -> Any:
    raise NotImplementedError(
        "the derivative for 'igamma: input' is not implemented: detach() it, or use the samples of Gamma"
    )


def _whole(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(1, 4, (2, 3))  # without gradient, as the rule refuses one


@op(
    _no_slope,
    lambda g, x, y: g * exp((x - 1) * log(y) - y - lgamma(x)),
    promote=True,
    inplace=True,
    domain=(0.3, 5.0),
    examples=[case(_whole, (2, 3))],
    layout="follow",
)
def igamma(x, y):
    """P(x, y), the integral of t^(x-1) e^-t from 0 to y over Gamma(x): from 0 at y = 0 to 1. nan below 0 and
    at (0, 0), 1 for x = 0. Floats only; no gradient in x, as in PyTorch."""
    return _pair(x, y)[0]


@op(
    _no_slope,
    lambda g, x, y: -g * exp((x - 1) * log(y) - y - lgamma(x)),
    promote=True,
    inplace=True,
    domain=(0.3, 5.0),
    examples=[case(_whole, (2, 3))],
    layout="follow",
)
def igammac(x, y):
    """Q(x, y) = 1 - P(x, y), without the cancellation. As igamma."""
    return _pair(x, y)[1]


def _pair(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """P and Q in the type of the operands: by the series below x + 1, by the continued fraction above."""
    kind = next(a for a in (x, y) if isinstance(a, np.ndarray)).dtype
    if kind.kind != "f":
        raise NotImplementedError(f'"igamma_cpu" not implemented for {dtypes.from_numpy(kind)}')
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    a, z = (np.broadcast_to(v, shape).astype(np.float64).reshape(-1) for v in (x, y))
    lower = np.full(a.shape, np.nan)
    upper = lower.copy()
    with Quiet():
        usual = (a > 0) & (z > 0) & np.isfinite(a) & np.isfinite(z)
        front = np.exp(a * np.log(z) - z - _lgamma(a))
        series, fraction = usual & (z < a + 1), usual & (z >= a + 1)
        lower[series] = front[series] / a[series] * _summed(a[series], z[series])
        upper[series] = 1 - lower[series]
        upper[fraction] = front[fraction] * _fraction(a[fraction], z[fraction])
        lower[fraction] = 1 - upper[fraction]
        zero = (a > 0) & (z == 0) | (a == np.inf) & (z >= 0) & np.isfinite(z)
        one = (a == 0) & (z > 0) | np.isinf(z) & (z > 0) & (a >= 0) & np.isfinite(a)
        lower[zero], upper[zero], lower[one], upper[one] = 0, 1, 1, 0
    return lower.reshape(shape).astype(kind), upper.reshape(shape).astype(kind)


def _summed(a: np.ndarray, z: np.ndarray) -> np.ndarray:
    """t_0 + t_1 + ... of the series above."""
    term, total, n = np.ones_like(a), np.ones_like(a), 0
    while a.size and (term > _EPS * total).any():
        n += 1
        term = term * (z / (a + n))
        total += term
    return total


def _fraction(a: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The continued fraction of Gamma(a, z) / (z^a e^-z), by Lentz's method."""
    b = z + 1 - a
    d = 1 / b
    c, out, n, step = np.full_like(a, 1e300), d.copy(), 0, np.full_like(a, 2.0)
    while a.size and (abs(step - 1) > 2 * _EPS).any() and n < 100_000:
        n += 1
        factor, b = -n * (n - a), b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        step = c * d
        out = out * step
    return out


def gamma_slope(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx/da for samples x of Gamma(a, 1), elementwise, in float64."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out, large = np.empty(a.shape), a > _LARGE
    with Quiet():
        at, root = a[large], np.cbrt(x[large] / a[large])
        # x = a (1 - 1 / 9a + z / 3 sqrt(a))^3 with a normal z that stays
        z = 3 * np.sqrt(at) * (root - 1 + 1 / (9 * at))
        out[large] = root**3 + root**2 * (1 / (3 * at) - z / (2 * np.sqrt(at)))
        at, xt = a[~large], x[~large]
        out[~large] = xt / at * _weighted(xt, at, _digamma(at + 1) - np.log(xt))
    return out


def beta_slope(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(dx/da) / (1 - x) for samples x of Beta(a, b), elementwise, in float64: from the side on which the
    series of the incomplete beta function (DLMF 8.17.22) is short and does not cancel."""
    x, a, b = (v.astype(np.float64) for v in np.broadcast_arrays(x, a, b))
    out = np.empty(x.shape)
    with Quiet():
        above = np.where((b < 1) & (x > 0.5), True, (x > a / (a + b)) & ~((a < 1) & (x < 0.5)))
        at, bt, xt = a[~above], b[~above], x[~above]
        first = _digamma(at + 1) - _digamma(at + bt) - np.log(xt)
        out[~above] = xt / at * _weighted(xt, at, first, top=at + bt, by_top=-1.0)
        at, bt, xt = a[above], b[above], x[above]
        first = np.log(xt) - _digamma(at) + _digamma(at + bt)
        out[above] = xt / bt * _weighted(1 - xt, bt, first, by_low=0.0, top=at + bt, by_top=1.0)
    return out


def _weighted(
    x: np.ndarray,
    low: np.ndarray,
    weight: np.ndarray,
    by_low: float = 1.0,
    top: np.ndarray | None = None,
    by_top: float = 0.0,
) -> np.ndarray:
    """The sum of t_n w_n from t_0 = 1 and w_0 = weight, where t_n = t_(n-1) x (top + n - 1) / (low + n) and
    w_n = w_(n-1) + by_low / (low + n) + by_top / (top + n - 1); without top without its terms."""
    term, total, scale, n = np.ones_like(low), weight.copy(), abs(weight), 0
    while low.size and (term * (abs(weight) + 1) > _EPS * scale).any() and n < 1_000_000:
        n += 1
        term = term * (x / (low + n))
        weight = weight + by_low / (low + n)
        if top is not None:
            term = term * (top + n - 1)
            weight = weight + by_top / (top + n - 1)
        total = total + term * weight
        scale = np.maximum(scale, abs(total))
    return total
