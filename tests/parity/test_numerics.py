"""The whole range of each float type, and every kink, tie and singularity: PyTorch's results and gradients.

What is not the same is listed, with the reason. That it happens in silence is tested in test_numerics.py.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from extremes import KINDS, KINKS, NORMS, ONE, ROWS, TIE, TIES, TWO, inputs, kinks, values
from helpers import pytorch

import tinygrad6

# ---- the whole range

CASES = [(table, name) for table in (ONE, TWO, ROWS, NORMS) for name in table]
TOLERANCE = {np.float16: 4e-3, np.float32: 2e-5, np.float64: 1e-8}
# PyTorch's intermediate values overflow although the result is in range; ours do not.
EARLY = {"sinh", "cosh", "gelu", "hardswish", "multilabel_soft_margin", "gaussian_nll"}
# Differences of nearly equal numbers in PyTorch, in ours, or in both: exact to the type's eps only.
CANCEL = {
    "gelu",
    "gelu tanh",
    "logaddexp2",
    "kl_div",
    "bce with pos_weight",
    "binary_cross_entropy_with_logits",
}
CANCEL |= {"bce of logits and classes", "soft_margin", "log_softmax", "mish", "hardswish", "cross_entropy"}
# Differences of large distances: in rows of mixed scale nothing is left of the small.
WHOLE = [(table, name) for table, name in CASES if name != "triplet"]


def apart(ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float, early: bool) -> np.ndarray:
    """Where they differ. Where PyTorch has nan, a number is as good."""
    with np.errstate(all="ignore"):
        a, b = ours.astype(np.longdouble), theirs.astype(np.longdouble)
        near = np.abs(a - b) <= rtol * np.abs(b) + atol
        top = float(np.finfo(ours.dtype).max)
        fine = near | (a == b) | np.isnan(b)
        return ~(fine | (early & np.isinf(b) & (np.sign(a) == np.sign(b)) & (np.abs(a) > top / 16)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("table, name", WHOLE, ids=[name for _, name in WHOLE])
def test_the_whole_range_is_as_in_pytorch(table, name, kind):
    arrays = inputs(table, kind)
    try:
        theirs = values(pytorch(), table[name], arrays)
    except NotImplementedError as e:
        pytest.skip(f"PyTorch: {e}")
    warnings.simplefilter("ignore")
    ours = values(tinygrad6, table[name], arrays)
    f, rtol = np.finfo(kind), TOLERANCE[kind]
    for which, (a, b) in enumerate(zip(ours, theirs)):
        if a is None or b is None:
            assert a is b or not np.any(a if b is None else b)
            continue
        atol = float(f.tiny)
        if which or name in CANCEL:
            atol += 8 * float(f.eps) * (10 if name in CANCEL else 1)
        if table is NORMS:
            atol += 10_000 * float(f.eps)  # 1 / sqrt(eps) is 316, and so much noise has a constant row
        bad = apart(a, b, rtol, atol, name in EARLY)
        at = tuple(np.argwhere(bad)[0]) if bad.any() else ()
        place = [x[at] if x.shape == a.shape else x[at[:1]] for x in arrays] if at else arrays
        assert not bad.any(), f"{'value' if not which else 'gradient'} at {place}: {a[at]}, PyTorch {b[at]}"


# ---- kinks and ties

# What differs: y is the value; g0 and g1 are the gradients; h0, h1, ... the gradients of their sum in the
# inputs, then in the incoming gradient. Where PyTorch says nan:
NUMBER = {
    "mish": "g0 h0 h1",  # at inf, the limit
    "digamma": "h0",  # at inf, the limit
    "polygamma": "g0 h0 h1",  # the same
    "sinc": "h0 h1",  # at 0, the limit
    "gelu": "g0",  # at -100, if the incoming gradient is inf
    "gelu tanh": "g0 h0 h1",  # at inf, and where PyTorch's square overflows, the limit
    "copysign of two": "h0",  # at 0, 0
}
OTHER = {
    "prelu": "h1",  # at 0 PyTorch's second derivative is that of x > 0, its first that of x < 0
}


def derivatives(lib: Any, f: Any, arrays: list[np.ndarray], g: float, second: bool) -> dict[str, np.ndarray]:
    """The value, the gradients for an incoming gradient g everywhere, and the gradients of their sum."""
    force = {"force": True} if lib is pytorch() else {}
    leaves = [lib.from_numpy(a.copy()).requires_grad_() for a in arrays]
    y = f(lib, *leaves)
    found = {"y": y.detach().numpy(**force)}
    if not y.requires_grad:
        return found
    incoming = lib.full_like(y.detach(), g).requires_grad_()
    grads = lib.autograd.grad(y, leaves, incoming, allow_unused=True, create_graph=second)
    grads = [lib.zeros_like(x) if v is None else v for v, x in zip(grads, leaves)]
    found |= {f"g{i}": v.detach().numpy(**force) for i, v in enumerate(grads)}
    again = [v for v in grads if v.requires_grad]
    if not second or not again:
        return found
    total = sum((v.sum() * (1 + i / 4) for i, v in enumerate(again)), lib.zeros((), dtype=y.dtype))
    twice = lib.autograd.grad(total, [*leaves, incoming], allow_unused=True, materialize_grads=True)
    return found | {f"h{i}": v.detach().numpy(**force) for i, v in enumerate(twice)}


def compare(name: str, f: Any, arrays: list[np.ndarray], g: float, second: bool) -> None:
    warnings.simplefilter("ignore")
    try:
        theirs = derivatives(pytorch(), f, arrays, g, second)
    except (RuntimeError, NotImplementedError) as e:
        if not second or "derivative" not in str(e) and "not implemented" not in str(e):
            raise
        theirs = derivatives(pytorch(), f, arrays, g, second := False)
    ours = derivatives(tinygrad6, f, arrays, g, second)
    wrong = []
    for key, b in theirs.items():
        a = ours.get(key, np.zeros_like(b))  # where PyTorch's gradient only seems to depend on the inputs
        with np.errstate(all="ignore"):
            same = (a == b) | (np.abs(a - b) <= 1e-7 * np.abs(b) + 1e-8)
        same |= np.isnan(b) & (np.isnan(a) | (key in NUMBER.get(name, "").split()))
        if same.all() or key in OTHER.get(name, "").split():
            continue
        i = tuple(np.argwhere(~same)[0])
        wrong.append(
            f"{key} at {[x[i[0]].tolist() for x in arrays]}: {a[i]}, PyTorch {b[i]} ({(~same).sum()})"
        )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("g, second", [(1.0, True), (0.0, False), (np.inf, False), (np.nan, False)])
@pytest.mark.parametrize("name", KINKS)
def test_kinks_are_pytorchs(name, g, second):
    compare(name, KINKS[name], kinks(name), g, second)


@pytest.mark.parametrize("name", TIES)
def test_ties_are_pytorchs(name):
    compare(name, TIES[name], [TIE], 1.0, True)
