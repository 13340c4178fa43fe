"""How exact the functions are: errors in units in the last place (ULP) against 40 digits, ours and PyTorch's.

    python tests/accuracy.py > docs/accuracy.md

`FUNCTIONS` says of each pointwise function where it is looked at, what it should be, and the error allowed by
tests/test_accuracy.py; `SUMS` does so for reductions, whose reference is exact summation.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import mpmath
import numpy as np

mpmath.mp.dps = 40
one = mpmath.mpf(1)
KINDS = (np.float32, np.float64)


class Function(NamedTuple):
    """name: in the library or its nn.functional; exact: of mpmath's numbers; ranges: where it is looked at,
    "log" meaning both signs and every magnitude; allowed: ULP in float32 and float64."""

    name: str
    exact: Callable[..., Any]
    ranges: tuple = ((-10.0, 10.0),)
    allowed: tuple[float, float] = (2, 2)
    options: dict[str, Any] = {}
    inputs: int = 1


def _sigmoid(x: Any) -> Any:
    return one / (one + mpmath.exp(-x))


def _normal(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _gelu_tanh(x: Any) -> Any:
    inner = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return x / 2 * (1 + mpmath.tanh(inner))


SELU, ALPHA = mpmath.mpf("1.0507009873554804934193349852946"), mpmath.mpf("1.6732632423543772848170429916717")
SMALL, POSITIVE, UNIT = ("log", 1e-6, 1.0), ("positive", 1e-30, 1e30), ((-0.999, 0.999), ("log", 1e-6, 0.9))
FUNCTIONS = [
    Function("exp", mpmath.exp, ((-80.0, 80.0), SMALL)),
    Function("expm1", mpmath.expm1, ((-10.0, 80.0), SMALL)),
    Function("exp2", lambda x: mpmath.mpf(2) ** x, ((-100.0, 100.0), SMALL)),
    Function("log", mpmath.log, (POSITIVE, (0.5, 2.0))),
    Function("log2", lambda x: mpmath.log(x, 2), (POSITIVE, (0.5, 2.0))),
    Function("log10", mpmath.log10, (POSITIVE, (0.5, 2.0))),
    Function("log1p", mpmath.log1p, ((-0.9, 10.0), SMALL)),
    Function("sqrt", mpmath.sqrt, (POSITIVE,), (0.5, 0.5)),
    Function("rsqrt", lambda x: one / mpmath.sqrt(x), (POSITIVE,)),
    Function("reciprocal", lambda x: one / x, (("log", 1e-30, 1e30),), (0.5, 0.5)),
    Function("sin", mpmath.sin, ((-10.0, 10.0), SMALL, (-1e4, 1e4))),
    Function("cos", mpmath.cos, ((-10.0, 10.0), SMALL, (-1e4, 1e4))),
    Function("tan", mpmath.tan, ((-10.0, 10.0), SMALL), (4, 4)),
    Function("asin", mpmath.asin, UNIT, (3, 3)),
    Function("acos", mpmath.acos, UNIT, (3, 3)),
    Function("atan", mpmath.atan, (("log", 1e-6, 1e6),), (3, 3)),
    Function("sinh", mpmath.sinh, ((-20.0, 20.0), SMALL), (3, 3)),
    Function("cosh", mpmath.cosh, ((-20.0, 20.0),), (3, 3)),
    Function("tanh", mpmath.tanh, ((-10.0, 10.0), SMALL), (3, 3)),
    Function("asinh", mpmath.asinh, (("log", 1e-6, 1e6),), (3, 3)),
    Function("acosh", mpmath.acosh, ((1.0, 100.0),), (3, 3)),
    Function("atanh", mpmath.atanh, UNIT, (3, 3)),
    Function("sigmoid", _sigmoid, ((-80.0, 80.0), SMALL), (4, 4)),
    Function("logsigmoid", lambda x: -mpmath.log1p(mpmath.exp(-x)), ((-80.0, 80.0), SMALL), (4, 4)),
    Function("softplus", lambda x: mpmath.log1p(mpmath.exp(x)), ((-80.0, 15.0), SMALL), (4, 4)),
    Function("silu", lambda x: x * _sigmoid(x), ((-80.0, 80.0), SMALL), (4, 4)),
    Function("mish", lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))), ((-20.0, 20.0), SMALL), (8, 8)),
    Function("elu", lambda x: x if x > 0 else mpmath.expm1(x), ((-20.0, 20.0), SMALL), (2, 2)),
    Function("gelu", lambda x: x * _normal(x), ((-1.0, 10.0), SMALL), (8, 8)),
    Function("gelu", _gelu_tanh, ((-1.0, 10.0), SMALL), (8, 8), {"approximate": "tanh"}),
    Function("erf", mpmath.erf, ((-6.0, 6.0), SMALL, ("log", 1e-30, 1e-6)), (4, 3)),
    Function("erfc", mpmath.erfc, ((-4.0, 4.0),), (8, 8)),
    Function("erfinv", mpmath.erfinv, ((-0.99, 0.99), ("log", 1e-6, 0.9)), (8, 8)),
    Function(
        "lgamma", mpmath.loggamma, ((0.01, 10.0), (0.99, 1.01), (1.99, 2.01), ("positive", 10, 1e30)), (2, 6)
    ),
    Function("digamma", mpmath.digamma, ((2.0, 100.0), (0.01, 1.0)), (2, 16)),
    Function("logit", lambda x: mpmath.log(x / (1 - x)), ((0.6, 0.999), (0.001, 0.4)), (8, 8)),
    Function("sinc", mpmath.sincpi, ((-0.9, 0.9), (1.1, 1.9)), (24, 24)),
    Function("pow", lambda x, y: x**y, ((0.1, 10.0),), (2, 2), inputs=2),
    Function("atan2", mpmath.atan2, (("log", 1e-6, 1e6),), (3, 3), inputs=2),
    Function("zeta", mpmath.zeta, ((1.5, 20.0),), (2, 16), inputs=2),
    Function("hypot", mpmath.hypot, (("log", 1e-18, 1e18),), (2, 2), inputs=2),
    Function(
        "logaddexp", lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)), ((1.0, 80.0),), (3, 3), {}, 2
    ),
    Function("logaddexp2", lambda x, y: mpmath.log(2**x + 2**y, 2), ((1.0, 80.0),), (3, 3), {}, 2),
    Function("xlogy", lambda x, y: x * mpmath.log(y), (POSITIVE,), (3, 3), {}, 2),
    Function("xlog1py", lambda x, y: x * mpmath.log1p(y), ((0.01, 10.0),), (3, 3), {}, 2),
    Function("div", lambda x, y: x / y, (("log", 1e-10, 1e10),), (0.5, 0.5), {}, 2),
    Function("remainder", lambda x, y: x - y * mpmath.floor(x / y), ((0.1, 10.0),), (0.5, 0.5), {}, 2),
    Function("square", lambda x: x * x, (("log", 1e-10, 1e10),), (0.5, 0.5)),
    Function("deg2rad", lambda x: x * mpmath.pi / 180, ((-360.0, 360.0),), (2, 2)),
    Function("softsign", lambda x: x / (1 + abs(x)), (("log", 1e-6, 1e6),), (2, 2)),
    Function("tanhshrink", lambda x: x - mpmath.tanh(x), ((1.0, 10.0),), (8, 8)),
    Function(
        "selu", lambda x: SELU * (x if x > 0 else ALPHA * mpmath.expm1(x)), ((-20.0, 20.0), SMALL), (4, 4)
    ),
    Function(
        "celu",
        lambda x: x if x > 0 else 2 * mpmath.expm1(x / 2),
        ((-20.0, 20.0), SMALL),
        (3, 3),
        {"alpha": 2.0},
    ),
    Function("hardsigmoid", lambda x: min(max(x + 3, 0), 6) / mpmath.mpf(6), ((-4.0, 4.0), (-3.0, -2.9))),
    Function("hardswish", lambda x: x * min(max(x + 3, 0), 6) / 6, ((-2.0, 6.0),), (4, 4)),
    Function(
        "softplus", lambda x: mpmath.log1p(mpmath.exp(2 * x)) / 2, ((-40.0, 8.0),), (4, 4), {"beta": 2.0}
    ),
    Function("polygamma", lambda x: mpmath.psi(1, x), ((0.01, 100.0),), (2, 8)),
    Function("i0", lambda x: mpmath.besseli(0, x), ((-20.0, 20.0), SMALL), (2, 16)),
    Function("i1", lambda x: mpmath.besseli(1, x), ((-20.0, 20.0), SMALL), (2, 16)),
    Function("i0e", lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), ((-50.0, 50.0), SMALL), (2, 16)),
    Function("i1e", lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), ((-50.0, 50.0), SMALL), (2, 16)),
    Function("entr", lambda x: -x * mpmath.log(x), ((0.01, 0.9), (1.1, 10.0)), (3, 3)),
    Function("erfcx", lambda x: mpmath.exp(x * x) * mpmath.erfc(x), ((-2.0, 50.0),), (2, 8)),
    Function("ndtr", _normal, ((-10.0, 5.0),), (2, 160)),
    Function("log_ndtr", lambda x: mpmath.log(_normal(x)), ((-30.0, 3.0),), (2, 32)),
    Function(
        "ndtri", lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1), ((0.001, 0.4), (0.6, 0.999)), (2, 16)
    ),
]


def points(ranges: tuple, kind: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    """n numbers of the type from each range."""
    drawn = []
    for r in ranges:
        if isinstance(r[0], str):
            x = np.exp(rng.uniform(math.log(r[1]), math.log(r[2]), n))
            drawn.append(x * rng.choice([-1, 1], n) if r[0] == "log" else x)
        else:
            drawn.append(rng.uniform(*r, n))
    return np.concatenate(drawn).astype(kind)


def find(lib: Any, name: str) -> Callable[..., Any]:
    """The function, wherever the library has it."""
    for space in (lib, lib.nn.functional, lib.special):
        if hasattr(space, name):
            return getattr(space, name)
    raise AttributeError(name)


def ulps(found: np.ndarray, exact: list) -> np.ndarray:
    """The errors in units of the last place of the exact value."""
    kind = found.dtype
    errors = []
    for a, b in zip(found.tolist(), exact):
        if not math.isfinite(a):
            errors.append(0.0 if abs(b) > np.finfo(kind).max else math.inf)
            continue
        unit = float(np.spacing(np.abs(kind.type(float(b)))))
        errors.append(float(abs(mpmath.mpf(a) - b)) / unit)
    return np.array(errors)


def pointwise(libs: list, f: Function, kind: Any, n: int) -> list[tuple[float, float]]:
    """(largest, mean) error of each library."""
    rng = np.random.default_rng(0)
    inputs = [points(f.ranges, kind, n, rng) for _ in range(f.inputs)]
    exact = [f.exact(*map(mpmath.mpf, values)) for values in zip(*(x.tolist() for x in inputs))]
    answers = []
    for lib in libs:
        tensors = [lib.from_numpy(x) for x in inputs]
        out = find(lib, f.name)(*([1] if f.name == "polygamma" else []), *tensors, **f.options)
        error = ulps(out.detach().numpy(), exact)
        answers.append((float(error.max()), float(error.mean())))
    return answers


# ---- reductions


def _moments(x: np.ndarray) -> tuple[Any, Any]:
    mean = mpmath.mpf(math.fsum(x)) / len(x)
    return mean, mpmath.fsum((mpmath.mpf(v) - mean) ** 2 for v in x.tolist()) / (len(x) - 1)


class Sum(NamedTuple):
    name: str
    call: Callable[[Any, Any], Any]  # of the library and a tensor
    exact: Callable[[np.ndarray], Any]
    allowed: tuple[float, float] = (4, 4)


def _total(x: np.ndarray) -> Any:
    return mpmath.mpf(math.fsum(x))


def _exponentials(x: np.ndarray) -> Any:
    return mpmath.fsum(map(mpmath.exp, x.tolist()))


def _length(x: np.ndarray) -> Any:
    return mpmath.sqrt(mpmath.fsum(mpmath.mpf(v) ** 2 for v in x.tolist()))


def _product(x: np.ndarray) -> Any:
    return mpmath.fprod((x * x.dtype.type(0.01) + 1).tolist())


SUMS = [
    Sum("sum", lambda lib, x: x.sum(), _total),
    Sum("mean", lambda lib, x: x.mean(), lambda x: _total(x) / len(x)),
    Sum("sum over rows", lambda lib, x: x.reshape(-1, 1).repeat(1, 3).sum(0)[1], _total, (8, 8)),
    Sum("var", lambda lib, x: x.var(), lambda x: _moments(x)[1], (8, 8)),
    Sum("std", lambda lib, x: x.std(), lambda x: mpmath.sqrt(_moments(x)[1])),
    Sum("norm", lambda lib, x: x.norm(), _length),
    Sum("logsumexp", lambda lib, x: x.logsumexp(0), lambda x: mpmath.log(_exponentials(x))),
    Sum("softmax, the largest", lambda lib, x: x.softmax(0).max(),
        lambda x: mpmath.exp(max(x.tolist())) / _exponentials(x)),
    Sum("cumsum, the last", lambda lib, x: x.cumsum(0)[-1], _total, (1, 100)),
    Sum("logcumsumexp, the last", lambda lib, x: x.logcumsumexp(0)[-1],
        lambda x: mpmath.log(_exponentials(x)), (1, 100)),
    Sum("prod, numbers near 1", lambda lib, x: (x * 0.01 + 1).prod(), _product, (100, 100)),
    Sum("cumprod, the last", lambda lib, x: (x * 0.01 + 1).cumprod(0)[-1], _product, (1, 100)),
]  # fmt: skip


def reductions(libs: list, s: Sum, kind: Any, n: int, rounds: int) -> list[tuple[float, float]]:
    """(largest, mean) error of each library over some arrays of n positive numbers."""
    rng = np.random.default_rng(0)
    errors: list[list[float]] = [[] for _ in libs]
    for _ in range(rounds):
        x = rng.uniform(0.0, 1.0, n).astype(kind)
        exact = [s.exact(x)]
        for lib, found in zip(libs, errors):
            out = np.asarray(s.call(lib, lib.from_numpy(x)).detach().numpy()).reshape(1)
            found.append(float(ulps(out, exact)[0]))
    return [(max(e), sum(e) / len(e)) for e in errors]


# ---- the page


def rows(libs: list, n: int) -> Iterator[list[str]]:
    def figures(two: list[list[tuple[float, float]]]) -> list[str]:
        return [f"{largest:.2g} ({mean:.2g})" for of_kind in two for largest, mean in of_kind]

    for f in FUNCTIONS:
        name = f.name + ("".join(f" {v}" for v in f.options.values()))
        yield [f"`{name}`", *figures([pointwise(libs, f, kind, n) for kind in KINDS])]
    for s in SUMS:
        yield [s.name, *figures([reductions(libs, s, kind, 4001, 10) for kind in KINDS])]


def main() -> None:
    import torch

    import tinygrad6

    out = sys.stdout.write
    out(
        "# How exact the functions are\n\n"
        "Written by `python tests/accuracy.py`; tests/test_accuracy.py holds each function to a bound.\n"
        "Errors in units in the last place (ULP) against 40 digits: the largest, and in parentheses the\n"
        "mean, over thousands of points, those included where the function is hard: near its zeros, at\n"
        "tiny and at large arguments. 0.5 is a result that is rounded correctly. Reductions run over 4001\n"
        "numbers from 0 to 1.\n\n"
        "| function | float32, ours | PyTorch | float64, ours | PyTorch |\n"
        "|---|---:|---:|---:|---:|\n"
    )
    for row in rows([tinygrad6, torch], 1000):
        out("| " + " | ".join(row) + " |\n")


if __name__ == "__main__":
    main()
