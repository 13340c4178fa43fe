"""Single ops at four sizes, forward and forward + backward:
pointwise ones from the registry of ops, then those of rows.

By hand, each pointwise op is an expression that reads alike on arrays and on numbers: evaluated with NumPy's
functions it is the side "numpy", in a comprehension with those of `math` the side "loop".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.registry import Build, row
from tinygrad6.op import NAMES, OPS, Op

SIZES = {"10": 10, "1e3": 1_000, "1e5": 100_000, "1e7": 10_000_000}
LOOPED = 100_000  # elements up to which a Python loop is worth waiting for

ON_ARRAYS = vars(np)  # erf, which NumPy lacks, has no side "numpy"
ON_NUMBERS = {
    **vars(math),
    **{"abs": abs, "maximum": max, "minimum": min, "sign": lambda x: (x > 0) - (x < 0)},
    **{"where": lambda c, x, y: x if c else y},
}
LN2, LN10, SQRT2, SQRT_PI = math.log(2), math.log(10), math.sqrt(2), math.sqrt(math.pi)
CONSTANTS = {"LN2": LN2, "LN10": LN10, "SQRT2": SQRT2, "SQRT_PI": SQRT_PI}

# The value of x, y, ..., then its gradients, of these, g and out.
BY_HAND: dict[str, tuple[str, ...]] = {
    "add": ("x + y", "g", "g"),
    "sub": ("x - y", "g", "-g"),
    "mul": ("x * y", "g * y", "g * x"),
    "div": ("x / y", "g / y", "-g * out / y"),
    "neg": ("-x", "-g"),
    "abs": ("abs(x)", "g * sign(x)"),
    "sign": ("sign(x)", "0 * g"),
    "floor": ("floor(x)", "0 * g"),
    "ceil": ("ceil(x)", "0 * g"),
    "trunc": ("trunc(x)", "0 * g"),
    "square": ("x * x", "2 * g * x"),
    "sqrt": ("sqrt(x)", "0.5 * g / out"),
    "rsqrt": ("1 / sqrt(x)", "-0.5 * g * out / x"),
    "reciprocal": ("1 / x", "-g * out * out"),
    "exp": ("exp(x)", "g * out"),
    "exp2": ("exp2(x)", "LN2 * g * out"),
    "expm1": ("expm1(x)", "g * (out + 1)"),
    "log": ("log(x)", "g / x"),
    "log2": ("log2(x)", "g / (LN2 * x)"),
    "log10": ("log10(x)", "g / (LN10 * x)"),
    "log1p": ("log1p(x)", "g / (1 + x)"),
    "pow": ("x ** exponent", "g * exponent * out / x", "g * out * log(x)"),
    "sin": ("sin(x)", "g * cos(x)"),
    "cos": ("cos(x)", "-g * sin(x)"),
    "tan": ("tan(x)", "g * (1 + out * out)"),
    "asin": ("asin(x)", "g / sqrt(1 - x * x)"),
    "acos": ("acos(x)", "-g / sqrt(1 - x * x)"),
    "atan": ("atan(x)", "g / (1 + x * x)"),
    "atan2": ("atan2(x, y)", "g * y / (x * x + y * y)", "-g * x / (x * x + y * y)"),
    "sinh": ("sinh(x)", "g * cosh(x)"),
    "cosh": ("cosh(x)", "g * sinh(x)"),
    "tanh": ("tanh(x)", "g * (1 - out * out)"),
    "asinh": ("asinh(x)", "g / sqrt(x * x + 1)"),
    "acosh": ("acosh(x)", "g / sqrt(x * x - 1)"),
    "atanh": ("atanh(x)", "g / (1 - x * x)"),
    "erf": ("erf(x)", "g * exp(-x * x) * 2 / SQRT_PI"),
    "maximum": ("maximum(x, y)", "where(x > y, g, 0)", "where(x > y, 0, g)"),
    "minimum": ("minimum(x, y)", "where(x < y, g, 0)", "where(x < y, 0, g)"),
    "where": (
        "where(condition, x, y)",
        "where(condition, g, 0)",
        "where(condition, 0, g)",
    ),
    "relu": ("maximum(x, 0)", "where(x > 0, g, 0)"),
    "sigmoid": ("1 / (1 + exp(-x))", "g * out * (1 - out)"),
    "logsigmoid": ("-log1p(exp(-x))", "g * (1 - exp(out))"),
    "softplus": ("log1p(exp(x))", "g / (1 + exp(-x))"),
    "leaky_relu": ("where(x > 0, x, 0.01 * x)", "where(x > 0, g, 0.01 * g)"),
    "elu": ("where(x > 0, x, expm1(x))", "where(x > 0, g, g * (out + 1))"),
    "silu": ("x / (1 + exp(-x))", "g * (s := 1 / (1 + exp(-x))) * (1 + x * (1 - s))"),
    "gelu": (
        "0.5 * x * (1 + erf(x / SQRT2))",
        "g * (0.5 * (1 + erf(x / SQRT2)) + x * exp(-0.5 * x * x) / (SQRT2 * SQRT_PI))",
    ),
}


def elements(lib: Any, n: int) -> int:
    return min(n, 1000) if lib.tiny else n


def values(shape: Any, seed: int = 0, domain: tuple[float, float] = (0.5, 2.0)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(*domain, shape).astype(np.float32)


def timed(lib: Any, function: Any, tensors: list, backward: bool, settings: tuple = ()) -> Callable[[], Any]:
    """The closure of one op: its value, or the gradients of the tensors that require them."""
    if not backward:
        return lambda: function(*tensors, *settings)
    live = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    g = lib.torch.from_numpy(values(tuple(function(*tensors, *settings).shape), 9))

    def both() -> list:
        for t in live:
            t.grad = None
        function(*tensors, *settings).backward(g)
        return [t.grad for t in live]

    return both


# ---- pointwise


def find(lib: Any, name: str) -> Any:
    return getattr(lib.torch, name, None) or getattr(lib.F, name)


def pointwise(op: Op, n: int, backward: bool) -> dict[str, Build]:
    """The sides of one op: the library's, and the expressions evaluated by NumPy or in a loop."""

    def arrays(lib: Any) -> list[np.ndarray]:
        drawn = [values(elements(lib, n), i, op.domain) for i in range(len(op.rules))]
        return [a > 1 if rule is None else a for a, rule in zip(drawn, op.rules)]

    def library(lib: Any) -> Callable[[], Any]:
        return timed(
            lib,
            lib.compile(find(lib, op.name)),
            [lib.torch.from_numpy(a) for a in arrays(lib)],
            backward,
        )

    names = ", ".join(op.arrays)
    value, *slopes = BY_HAND[op.name]

    def numpy(lib: Any) -> Callable[[], Any]:
        both = f"lambda {names}, g: (out := {value}, [{', '.join(slopes)}])[1]"
        given = [*arrays(lib), *([values(elements(lib, n), 9)] if backward else [])]
        function = eval(both if backward else f"lambda {names}: {value}", ON_ARRAYS | CONSTANTS)
        return lambda: function(*given)

    def loop(lib: Any) -> Callable[[], Any]:
        each = f"[{value} for {names}, in zip({names})]"
        both = f"lambda {names}, g: (out := {each}, [" + ", ".join(
            f"[{slope} for {names}, g, out in zip({names}, g, out)]" for slope in slopes
        )
        given = [a.tolist() for a in arrays(lib)]
        given += [values(elements(lib, n), 9).tolist()] if backward else []
        function = eval(f"{both}])[1]" if backward else f"lambda {names}: {each}", ON_NUMBERS | CONSTANTS)
        return lambda: function(*given)

    sides: dict[str, Build] = {"library": library}
    if "erf(" not in value:
        sides["numpy"] = numpy
    if n <= LOOPED:
        sides["loop"] = loop
    return sides


for _op in OPS.values():
    if _op.elementwise and (_op.name in NAMES or _op.name in BY_HAND):
        for _label, _n in SIZES.items():
            row("ops", f"{_op.name} {_label}", **pointwise(_op, _n, False))
            row("ops", f"{_op.name} {_label} backward", **pointwise(_op, _n, True))


# ---- reductions, products, normalizations


class Shaped(NamedTuple):
    """An op that is not pointwise: the shapes of its inputs at n elements,
    and how it is spelled on each side."""

    shapes: Callable[[int], list[tuple[int, ...]]]
    library: Callable[..., Any]  # of the library and the tensors
    value: Callable[..., Any]  # by NumPy
    slopes: Callable[..., Any]  # by NumPy: the gradients, of g, out and the arrays
    loop: Callable[..., Any] | None = None  # of nested lists
    looped: int = LOOPED


def _line(n: int) -> list[tuple[int, ...]]:
    return [(n,)]


def _rows(n: int) -> list[tuple[int, ...]]:
    return [(max(n // 100, 1), min(n, 100))]


def _square(n: int) -> list[tuple[int, ...]]:
    return [(math.isqrt(n),) * 2] * 2


def _normalized(n: int) -> list[tuple[int, ...]]:
    return [*_rows(n), (min(n, 100),), (min(n, 100),)]


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _log_softmax(x: Any) -> Any:
    z = x - x.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def _logsumexp(x: Any) -> Any:
    top = x.max(1)
    return np.log(np.exp(x - top[:, None]).sum(1)) + top


def _layer_norm(x: Any, w: Any, b: Any) -> Any:
    z = x - x.mean(1, keepdims=True)
    return z / np.sqrt((z * z).mean(1, keepdims=True) + 1e-5) * w + b


def _layer_norm_slopes(g: Any, out: Any, x: Any, w: Any, b: Any) -> list:
    z = x - x.mean(1, keepdims=True)
    r = 1 / np.sqrt((z * z).mean(1, keepdims=True) + 1e-5)
    z *= r
    gw = g * w
    dx = r * (gw - gw.mean(1, keepdims=True) - z * (gw * z).mean(1, keepdims=True))
    return [dx, (g * z).sum(0), g.sum(0)]


def _softmax_loop(x: list) -> list:
    out = []
    for r in x:
        top = max(r)
        e = [math.exp(v - top) for v in r]
        total = sum(e)
        out.append([v / total for v in e])
    return out


def _matmul_loop(x: list, y: list) -> list:
    columns = list(zip(*y))
    return [[sum(map(float.__mul__, r, c)) for c in columns] for r in x]


SHAPED: dict[str, Shaped] = {
    "sum": Shaped(
        _line,
        lambda lib, x: lib.torch.sum(x),
        lambda x: x.sum(),
        lambda g, out, x: [np.full(x.shape, g)],
        sum,
    ),
    "mean": Shaped(
        _line,
        lambda lib, x: lib.torch.mean(x),
        lambda x: x.mean(),
        lambda g, out, x: [np.full(x.shape, g / x.size)],
        lambda x: sum(x) / len(x),
    ),
    "amax": Shaped(
        _line,
        lambda lib, x: lib.torch.amax(x),
        lambda x: x.max(),
        lambda g, out, x: [(x == out) * (g / np.count_nonzero(x == out))],
        max,
    ),
    "var, rows of 100": Shaped(
        _rows,
        lambda lib, x: lib.torch.var(x, 1, correction=0),
        lambda x: x.var(1),
        lambda g, out, x: [(x - x.mean(1, keepdims=True)) * (g * (2 / x.shape[1]))[:, None]],
    ),
    "cumsum, rows of 100": Shaped(
        _rows,
        lambda lib, x: lib.torch.cumsum(x, 1),
        lambda x: x.cumsum(1),
        lambda g, out, x: [g[:, ::-1].cumsum(1)[:, ::-1]],
        lambda x: [list(itertools.accumulate(r)) for r in x],
    ),
    "logsumexp, rows of 100": Shaped(
        _rows,
        lambda lib, x: lib.torch.logsumexp(x, 1),
        _logsumexp,
        lambda g, out, x: [g[:, None] * np.exp(x - out[:, None])],
    ),
    "softmax, rows of 100": Shaped(
        _rows,
        lambda lib, x: lib.torch.softmax(x, 1),
        _softmax,
        lambda g, out, x: [out * (g - (g * out).sum(1, keepdims=True))],
        _softmax_loop,
    ),
    "log_softmax, rows of 100": Shaped(
        _rows,
        lambda lib, x: lib.torch.log_softmax(x, 1),
        _log_softmax,
        lambda g, out, x: [g - np.exp(out) * g.sum(1, keepdims=True)],
    ),
    "layer_norm, rows of 100": Shaped(
        _normalized,
        lambda lib, x, w, b: lib.F.layer_norm(x, (x.shape[1],), w, b),
        _layer_norm,
        _layer_norm_slopes,
    ),
    "matmul, square": Shaped(
        _square,
        lambda lib, x, y: lib.torch.matmul(x, y),
        lambda x, y: x @ y,
        lambda g, out, x, y: [g @ y.T, x.T @ g],
        _matmul_loop,
        looped=1_000,
    ),
}


def shaped(op: Shaped, n: int, backward: bool) -> dict[str, Build]:
    """The sides of one of SHAPED; the loop goes forward only."""

    def arrays(lib: Any) -> list[np.ndarray]:
        return [values(shape, i) for i, shape in enumerate(op.shapes(elements(lib, n)))]

    def library(lib: Any) -> Callable[[], Any]:
        function = lib.compile(lambda *tensors: op.library(lib, *tensors))
        return timed(lib, function, [lib.torch.from_numpy(a) for a in arrays(lib)], backward)

    def numpy(lib: Any) -> Callable[[], Any]:
        given = arrays(lib)
        if not backward:
            return lambda: op.value(*given)
        g = values(op.value(*given).shape, 9)
        return lambda: op.slopes(g, op.value(*given), *given)

    def loop(lib: Any) -> Callable[[], Any]:
        given = [a.tolist() for a in arrays(lib)]
        return lambda: op.loop(*given)  # type: ignore[misc]

    sides: dict[str, Build] = {"library": library, "numpy": numpy}
    if op.loop and n <= op.looped and not backward:
        sides["loop"] = loop
    return sides


for _name, _shaped in SHAPED.items():
    for _label, _n in SIZES.items():
        row("ops", f"{_name} {_label}", **shaped(_shaped, _n, False))
        row("ops", f"{_name} {_label} backward", **shaped(_shaped, _n, True))
