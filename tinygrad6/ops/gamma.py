"""Special functions with gradients: error, gamma and Bessel functions, entropies. From simple to complex.

The arithmetic happens in float64, in the functions that start with an underscore, and is rounded to the
input's type. erfc is that of Python's `math`, one element after the other, about 0.1 us each.

Sources: Abramowitz and Stegun 1964, chapters 6, 7, 9 and 23; Trefethen and Weideman 2014 for the trapezoidal
rule of the Bessel functions, which converges geometrically.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.arguments import composite, real
from tinygrad6.op import POSITIVE, REAL, case, op
from tinygrad6.ops.pointwise import abs as absolute
from tinygrad6.ops.choose import where
from tinygrad6.ops.pointwise import cos, exp, exp2, in_single, log, nothing, square
from tinygrad6.ops.special import erf as _erf
from tinygrad6.quiet import Quiet
from tinygrad6.tensor import Tensor

_ROOT_PI = math.sqrt(math.pi)


BLOCK = 1 << 13  # elements at a time: the dozens of intermediate results stay in the cache


def in_double(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The function on float64, its result in the type of x; no warnings at poles and beyond domains."""

    def call(x: np.ndarray) -> np.ndarray:
        if x.flags.f_contiguous and not x.flags.c_contiguous:
            return call(x.T).T
        out, flat = np.empty(x.shape, x.dtype), x.reshape(-1)
        into = out.reshape(-1)
        with Quiet():
            for i in range(0, flat.size, BLOCK):
                into[i : i + BLOCK] = function(flat[i : i + BLOCK].astype(np.float64))
        return out

    return call


def _each(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


# ---- error functions


def _erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x^2) erfc(x): by its asymptotic series beyond 25, where its terms up to 11 reach float64."""
    z = 0.5 / np.square(np.maximum(x, 25.0))
    far = (1 - z * (1 - z * 3 * (1 - z * 5 * (1 - z * 7 * (1 - z * 9 * (1 - z * 11)))))) / (x * _ROOT_PI)
    near = np.clip(x, -27.0, 25.0)
    # exp makes a large relative error of the rounding of x^2: that part is multiplied in afterwards.
    coarse = np.round(near * 16) / 16
    square = np.exp(coarse * coarse) * np.exp((near - coarse) * (near + coarse))
    return np.where(x > 25, far, square * _each(math.erfc, near))


def _erfinv(y: np.ndarray) -> np.ndarray:
    """Winitzki's first guess, two parts in a thousand off, and two of Halley's steps,
    each of which triples the digits."""
    rest = 1 - np.abs(y)
    b = np.log(rest * (1 + np.abs(y)))
    a = 2 / (math.pi * 0.147) + b / 2
    x = np.sqrt(np.sqrt(a * a - b / 0.147) - a)
    for _ in range(2):
        # The distance to the target, from the side on which it has no cancellation.
        wrong = np.where(x > 0.5, rest - _each(math.erfc, x), _erf(x) - np.abs(y))
        step = wrong * (_ROOT_PI / 2) * np.exp(x * x)
        x = x - step / (1 + x * step)
    x = np.where(rest == 0, np.inf, np.where(rest < 0, np.nan, np.where(y == 0, 0.0, x)))
    return np.copysign(x, y)


def _log_ndtr(x: np.ndarray) -> np.ndarray:
    low = np.log(_erfcx(np.maximum(-x, 0) * math.sqrt(0.5)) / 2) - np.square(x) / 2
    return np.where(x < -1, low, np.log1p(-_each(math.erfc, np.maximum(x, -1) * math.sqrt(0.5)) / 2))


def _ndtri(p: np.ndarray) -> np.ndarray:
    """The quantile of the normal distribution;
    near 0 by Newton's steps on log_ndtr, which keeps its digits there."""
    x = np.where(p < 0, np.nan, math.sqrt(2) * _erfinv(2 * p - 1))
    small = (p > 0) & (p < 0.02)
    if small.any():
        target = np.log(p[small])
        z = -np.sqrt(-2 * target)
        for _ in range(12):
            value = _log_ndtr(z)
            z = z - (value - target) * np.exp(value + z * z / 2) * math.sqrt(2 * math.pi)
        x[small] = z
    return x


@op(
    lambda g, x: g * exp(-(x * x)) * (-2 / _ROOT_PI),
    domain=REAL,
    floating=True,
    inplace=True,
)
def erfc(x):
    """1 - erf(x), elementwise, with all its digits for large x."""
    return in_double(lambda a: _each(math.erfc, a))(x)


@op(lambda g, out: g * exp(square(out)) * (_ROOT_PI / 2), domain=(-0.9, 0.9), floating=True, inplace=True)
def erfinv(x):
    """The inverse of erf, elementwise; infinite at -1 and 1, nan beyond."""
    return in_double(_erfinv)(x)


@op(
    lambda g, x, out: g * (2 * x * out - 2 / _ROOT_PI), domain=REAL, floating=True, method=False, public=False
)
def erfcx(x):
    """exp(x^2) erfc(x), elementwise."""
    return in_double(_erfcx)(x)


@op(
    lambda g, x: g * exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi)),
    domain=REAL,
    floating=True,
    method=False,
    public=False,
)
def ndtr(x):
    """The probability that a standard normal number is below x, elementwise."""
    return in_double(lambda a: 0.5 * _each(math.erfc, -a * math.sqrt(0.5)))(x)


@op(
    lambda g, x: g * math.sqrt(2 / math.pi) / erfcx(-math.sqrt(0.5) * x),
    domain=REAL,
    floating=True,
    method=False,
    public=False,
)
def log_ndtr(x):
    """log(ndtr(x)), elementwise, without underflow."""
    return in_double(_log_ndtr)(x)


@op(
    lambda g, out: g * exp(0.5 * square(out)) * math.sqrt(2 * math.pi),
    domain=(0.1, 0.9),
    floating=True,
    method=False,
    public=False,
)
def ndtri(x):
    """The inverse of ndtr, elementwise; infinite at 0 and 1, nan beyond."""
    return in_double(_ndtri)(x)


# ---- logarithms and entropies


@op(
    lambda g, x, eps: logit_slope(g, x, eps),
    domain=(0.1, 0.9),
    floating=True,
    inplace=True,
    examples=[case((2, 3)), case((2, 3), eps=0.3)],
    avoid=(0.3, 0.7),
    layout="follow",
)
def logit(x, eps=None):
    """log(x / (1 - x)), elementwise; x is first limited to [eps, 1 - eps], if given. nan outside [0, 1]."""
    if eps is not None:
        eps = real("logit", "eps", 2, eps)
        low, high = x.dtype.type(eps), x.dtype.type(1 - eps)
        x = np.where(x < low, low, np.where(x > high, high, x))
    with Quiet():
        return np.log(x / (1 - x))


def logit_slope(g: Any, x: Any, eps: float | None) -> Any:
    """g / (x (1 - x)); outside [eps, 1 - eps] 0, outside [0, 1] nan if there is no eps."""
    low, beyond = (0.0, math.nan) if eps is None else (eps, 0.0)
    return where((x >= low) & (x <= 1 - low), g / (x * (1 - x)), beyond)


@op(
    lambda g, x, y: where((x == 0) & (y <= 0), 0.0, xlogy(g, y)),
    lambda g, x, y: g * x / y,
    promote=True,
    floating=True,
    inplace=True,
    domain=POSITIVE,
)
def xlogy(x, y):
    """x log(y), elementwise; 0 where x is 0, nan where y is."""
    return _x_times(x, y, np.log)


@op(
    lambda g, x, y: where((x == 0) & (y <= -1), 0.0, xlog1py(g, y)),
    lambda g, x, y: g * x / (y + 1),
    promote=True,
    floating=True,
    method=False,
    public=False,
    domain=POSITIVE,
)
def xlog1py(x, y):
    """x log(1 + y), elementwise; 0 where x is 0, nan where y is."""
    return _x_times(x, y, np.log1p)


def _x_times(x: Any, y: Any, function: Any) -> np.ndarray:
    """x function(y), with 0 where x is 0 and y is a number."""
    kind = x.dtype if isinstance(x, np.ndarray) else y.dtype
    x, y = np.asarray(x, kind), np.asarray(y, kind)
    with Quiet():
        return np.where((x == 0) & ~np.isnan(y), np.zeros((), kind), x * function(y))


@op(lambda g, x: g * (-1 - log(x)), domain=POSITIVE, floating=True, method=False, public=False)
def entr(x):
    """-x log(x), elementwise; 0 at 0, -inf below."""
    with Quiet():
        out = np.where(x == 0, x.dtype.type(0), -x * np.log(x))
    return np.where(x < 0, x.dtype.type(-math.inf), out)


@op(
    lambda g, x, y: g / (exp(y - x) + 1),
    lambda g, x, y: g / (exp(x - y) + 1),
    promote=True,
    domain=REAL,
)
def logaddexp(x, y):
    """log(exp(x) + exp(y)), elementwise, without overflow. Floats only."""
    return _float_pair("logaddexp_cpu", np.logaddexp, x, y)


@op(
    lambda g, x, y: g / (exp2(y - x) + 1),
    lambda g, x, y: g / (exp2(x - y) + 1),
    promote=True,
    domain=REAL,
)
def logaddexp2(x, y):
    """log2(2^x + 2^y), elementwise, without overflow. Floats only."""
    return _float_pair("logaddexp2_cpu", np.logaddexp2, x, y)


def _float_pair(name: str, ufunc: Any, x: Any, y: Any) -> Any:
    kind = x.dtype if isinstance(x, np.ndarray) else y.dtype
    if kind.kind != "f":
        raise NotImplementedError(f'"{name}" not implemented for {kind}')
    return ufunc(x, y)


# ---- gamma functions


_EULER = 0.57721566490153286061


@functools.cache
def _gamma_series() -> tuple[float, ...]:
    """Of lgamma(2 + z) = z (1 - Euler's constant) + sum (zeta(k) - 1) (-z)^k / k, k from 2: |z| <= 1/2."""
    rest = [float(_zeta(k, np.asarray(2.0))) for k in range(2, 28)]  # zeta(k) - 1
    return (1 - _EULER, *((-1) ** k * r / k for k, r in enumerate(rest, 2)))


_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)  # B_2k / (2k (2k - 1))


def _lgamma(x: np.ndarray) -> np.ndarray:
    """Exact near its zeros 1 and 2: the series around 2, by lgamma(x + 1) = lgamma(x) + log(x) from 1/2
    to 8; Stirling's beyond; reflected for x < 0."""
    size = np.abs(x)
    # To [3/2, 5/2]: one step up, or some down.
    up = np.where(size < 1.5, 1.0, 0.0)
    up += size < 0.5
    down = np.where(size > 2.5, np.ceil(np.minimum(size, 8.0) - 2.5), 0.0)
    z = np.minimum(size, 8.0) - (2 - up + down)
    out = np.zeros_like(size)
    for c in reversed(_gamma_series()):
        out += c
        out *= z
    factor = np.where(down > 0, size - 1, 1.0)
    for k in range(2, 8):
        factor *= np.where(down >= k, size - k, 1.0)
    out += np.log(factor)
    out -= np.where(size < 0.5, np.log(size) + np.log1p(size), np.where(up > 0, np.log1p(size - 1), 0.0))
    far = np.maximum(size, 8.0)
    y = 1 / (far * far)
    series = np.zeros_like(far)
    for c in reversed(_STIRLING):
        series = y * series + c
    out = np.where(
        size > 8,
        (far - 0.5) * (np.log(far) - 1) + (series / far + (0.5 * math.log(2 * math.pi) - 0.5)),
        out,
    )
    fraction = size - np.floor(size)
    sine = np.sin(math.pi * np.minimum(fraction, 1 - fraction))
    out = np.where(x < 0, math.log(math.pi) - np.log(size) - np.log(sine) - out, out)
    return np.where(np.isinf(x), np.inf, out)


_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)  # B_2k / (2k)


def _digamma(x: np.ndarray) -> np.ndarray:
    """The asymptotic series beyond 10, reached by psi(x) = psi(x + 1) - 1/x; reflected for x < 0."""
    flip = x < 0
    z = np.where(flip, 1 - x, x)
    out = np.zeros_like(z)
    for _ in range(10):
        near = z < 10
        out = np.where(near, out - 1 / z, out)
        z = np.where(near, z + 1, z)
    y = 1 / (z * z)
    series = y * 0
    for c in reversed(_DIGAMMA):
        series = y * (c + series)
    out += np.log(z) - 0.5 / z - series
    fraction = x - np.trunc(x)
    out = np.where(flip, out - math.pi / np.tan(math.pi * fraction), out)
    out = np.where(flip & (fraction == 0), np.nan, out)
    return np.where(
        x == 0, np.copysign(np.inf, -x), np.where(x == -np.inf, np.nan, np.where(x == np.inf, x, out))
    )


_ZETA = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
    -236364091 / 2730,
)  # fmt: skip  (Bernoulli numbers B_2k)


def _zeta(s: Any, q: np.ndarray) -> np.ndarray:
    """Hurwitz' zeta, the sum of (q + k)^-s, by Euler and Maclaurin's formula from sixteen on."""
    s = np.asarray(s, np.float64)
    s, q = np.broadcast_arrays(s, q)
    out = np.zeros(q.shape)
    z = q.astype(np.float64)
    start = np.clip(s, 16.0, 64.0)  # the formula needs more than s / 6
    while (short := z < start).any():
        z = np.where(short, np.maximum(z, -1e4), z)
        out = np.where(short, out + z**-s, out)
        z = np.where(short, z + 1, z)
    last = z**-s
    out = out + z ** (1 - s) / (s - 1) + last / 2  # not z * last, which is inf * 0 far out
    factor = last * s / z
    for k, b in enumerate(_ZETA, 1):
        out = out + factor * (b / math.factorial(2 * k))
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (z * z)
    out = np.where((q <= 0) & (q == np.floor(q)), np.inf, out)
    out = np.where((q <= 0) & (q != np.floor(q)) & (s != np.floor(s)), np.nan, out)
    return np.where(s == 1, np.inf, np.where(s < 1, np.nan, out))


def _polygamma(n: int, x: np.ndarray) -> np.ndarray:
    if n == 0:
        return _digamma(x)
    if n == 1:  # reflected, so that far negative x cost nothing
        flip = x < 0.5
        out = _zeta(2.0, np.where(flip, 1 - x, x))
        return np.where(flip, (math.pi / np.sin(math.pi * x)) ** 2 - out, out)
    return (1.0 if n % 2 else -1.0) * math.factorial(n) * _zeta(n + 1.0, x)


@op(lambda g, x: g * digamma(x), domain=POSITIVE, floating=True, inplace=True)
def lgamma(x):
    """The natural logarithm of |gamma(x)|, elementwise; inf at 0 and the negative integers."""
    return in_double(_lgamma)(x)


@op(lambda g, x: g * polygamma_of(x, 1), domain=POSITIVE, floating=True, inplace=True)
def digamma(x):
    """The derivative of lgamma, elementwise; -inf at 0, nan at the negative integers."""
    return in_double(_digamma)(x)


@op(
    lambda g, x, n: g * polygamma_of(x, n + 1),
    method=False,
    public=False,
    floating=True,
    domain=POSITIVE,
    node_name="Polygamma",
    examples=[case((2, 3), n=0), case((2, 3), n=1), case((2, 3), n=2)],
    layout="follow",
)
def polygamma_of(x, n):
    """The n-th derivative of digamma, elementwise."""
    return in_double(lambda a: _polygamma(n, a))(x)


@composite(method=False, examples=[])
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma at x, elementwise, n >= 0."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return polygamma_of(input, n)


def _method(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma at x, elementwise, n >= 0."""
    return polygamma(n, self)


Tensor.polygamma = _method  # type: ignore[attr-defined]


def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place form of `polygamma`, for floats."""
    if self.array.dtype.kind != "f":
        raise RuntimeError(
            f"polygamma_: result type Float can't be cast to the desired output type {self.dtype}"
        )
    return self.copy_(polygamma(n, self))


Tensor.polygamma_ = polygamma_  # type: ignore[attr-defined]


@composite(inplace=True, node_name="Mvlgamma")
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the p-dimensional gamma function:
    p (p - 1) / 4 log(pi) + the sum of lgamma(x - j / 2), j < p."""
    if input.array.dtype.kind == "b":
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    out = lgamma(input) + p * (p - 1) / 4 * math.log(math.pi)
    for j in range(1, p):
        out = out + lgamma(input - j / 2)
    return out


@op(
    None,
    lambda g, x, y: -g * x * zeta(x + 1, y),
    promote=True,
    floating=True,
    method=False,
    public=False,
    examples=[case(lambda rng: np.array([[2], [4]]), (2, 3))],
    domain=(1.5, 3.0),
    layout="follow",
)
def zeta(x, y):
    """Hurwitz' zeta function: the sum of (k + y)^-x over k = 0, 1, ..., elementwise.

    The gradient is in y only.
    """
    kind = x.dtype if isinstance(x, np.ndarray) else y.dtype
    with Quiet():
        out = _zeta(x, np.asarray(y, np.float64))
    return out.astype(kind) if kind.kind == "f" else out


# ---- modified Bessel functions of the first kind


def _bessel(n: int, x: np.ndarray) -> np.ndarray:
    """exp(-|x|) I_n(x) for n = 0 or 1: the mean of exp(|x| (cos t - 1)) cos(n t) over a half turn;
    beyond 30 its series."""
    z = np.abs(x)
    near = np.minimum(z, 30.0)
    points = 64
    out = np.zeros_like(z)
    for k in range(points + 1):
        weight = (0.5 if k in (0, points) else 1.0) * (math.cos(math.pi * k / points) if n else 1.0)
        out += weight * np.exp(near * (-2 * math.sin(math.pi * k / (2 * points)) ** 2))  # cos t - 1
    out /= points
    far = np.maximum(z, 30.0)
    term, series = np.ones_like(far), np.ones_like(far)
    for k in range(1, 20):
        term = -term * (4 * n * n - (2 * k - 1) ** 2) / (8 * k * far)
        series += term
    out = np.where(z > 30, series / (math.sqrt(2 * math.pi) * np.sqrt(far)), out)
    if n:  # near 0 the terms of the mean cancel
        series = np.ones_like(z)
        for k in range(9, 0, -1):
            series = 1 + z * z / (4 * k * (k + 1)) * series
        out = np.copysign(np.where(z < 1, z * (np.exp(-z) * series / 2), out), x)
    return out


@op(lambda g, x: g * i1(x), domain=REAL, floating=True, inplace=True)
def i0(x):
    """The modified Bessel function of the first kind of order 0, elementwise."""
    return in_double(lambda a: _bessel(0, a) * np.exp(np.abs(a)))(x)


@op(
    lambda g, x, out: g * (i1e(x) - _sign(x) * out),
    domain=REAL,
    avoid=(0.0,),
    floating=True,
    method=False,
    public=False,
)
def i0e(x):
    """exp(-|x|) i0(x), elementwise."""
    return in_double(lambda a: _bessel(0, a))(x)


@op(
    lambda g, x, out: g * where(x == 0, 0.5, i0(x) - out / where(x == 0, 1.0, x)),
    domain=REAL,
    avoid=(0.0,),
    floating=True,
    method=False,
    public=False,
)
def i1(x):
    """The modified Bessel function of the first kind of order 1, elementwise."""
    return in_double(lambda a: _bessel(1, a) * np.exp(np.abs(a)))(x)


@op(
    lambda g, x, out: g * where(x == 0, 0.5, i0e(x) - out * (_sign(x) + 1 / where(x == 0, 1.0, x))),
    domain=REAL,
    avoid=(0.0,),
    floating=True,
    method=False,
    public=False,
)
def i1e(x):
    """exp(-|x|) i1(x), elementwise."""
    return in_double(lambda a: _bessel(1, a))(x)


def _sign(x: Any) -> Any:
    return where(x > 0, 1.0, where(x < 0, -1.0, nothing(x)))


# ---- the sine over its argument


@op(
    lambda g, x: where(x == 0, 0.0, g * sinc_slope(x)),
    domain=REAL,
    avoid=(0.0,),
    floating=True,
    inplace=True,
)
def sinc(x):
    """sin(pi x) / (pi x), elementwise; 1 at 0."""
    return in_single(_sinc, x)


def _sinc(x: np.ndarray) -> np.ndarray:
    angle = np.where(x == 0, x.dtype.type(1), x) * x.dtype.type(math.pi)
    return np.where(x == 0, x.dtype.type(1), np.sin(angle) / angle)


def sinc_slope(x: Any) -> Any:
    """(cos(pi x) - sinc(x)) / x; near 0, where that cancels, its series."""
    z = x * math.pi
    near = absolute(z) < 0.5
    square = where(near, z, 0.0) * z
    series: Any = 1.0
    for n in (130, 88, 54, 28, 10):
        series = 1 - square / n * series
    far = where(near, 1.0, x)
    return where(near, z * series * (-math.pi / 3), (cos(z) - sinc(far)) / far)
