"""Random programs against central differences: views, in-place changes, broadcasting, first and second order.

No PyTorch needed; tests/parity/test_programs.py compares programs of more kinds with it.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6
from programs import environment, generate, quiet, shrink

COUNT = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else 1_200
REFUSALS = ("modified by an inplace operation", "derivative is not implemented")
REFUSALS = ("modified by an inplace operation", "derivative is not implemented")
refused = {"yes": 0, "no": 0}


def run(lines, data, create_graph=False):
    """(loss, its gradients at the leaves), or None where an in-place change makes backward refuse."""
    env = environment(tinygrad6, data)
    with quiet():
        for line in lines:
            exec(line, env)
        loss = env["loss"]
        leaves = [env[line.split(" ")[0]] for line in lines if "torch.tensor(data[" in line]
        if not loss.requires_grad:
            return loss.item(), [tinygrad6.zeros_like(x) for x in leaves], leaves
        try:
            gs = tinygrad6.autograd.grad(
                loss, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True
            )
        except RuntimeError as e:
            assert any(words in str(e) for words in REFUSALS), e
            return None
    return loss.item(), list(gs), leaves


def check(lines, data):
    """AssertionError if a gradient of the program, or of its gradients, disagrees with central differences.

    Within 1e-5 of a kink differences say nothing, which happens once in some ten thousand programs: a rule
    that is wrong is wrong a little farther on, too.
    """
    if (found := disagreement(lines, data)) is not None:
        rng = np.random.default_rng(1)
        if disagreement(lines, [a + 0.01 * rng.standard_normal(a.shape) for a in data]) is not None:
            raise AssertionError(found)


def disagreement(lines, data):
    """What is wrong with the gradients at this point, or None."""
    here = run(lines, data, create_graph=True)
    refused["yes" if here is None else "no"] += 1
    if here is None or not all(np.isfinite(g.array).all() for g in here[1]):
        return None
    _, gs, leaves = here
    rng = np.random.default_rng(0)
    u, w = ([rng.standard_normal(a.shape) for a in data] for _ in range(2))
    first = sum(float((g.array * d).sum()) for g, d in zip(gs, u))
    total = sum((g * tinygrad6.from_numpy(d)).sum() for g, d in zip(gs, w))
    second = 0.0
    if isinstance(total, tinygrad6.Tensor) and total.requires_grad:
        try:
            again = tinygrad6.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
        except RuntimeError as e:
            assert any(words in str(e) for words in REFUSALS), e
            again = None
        second = None if again is None else sum(float((h.array * d).sum()) for h, d in zip(again, u))
        if second is not None and not np.isfinite(second):
            return None  # a norm of 0: PyTorch's second derivative is nan there, too
    numeric = []
    for eps in (1e-5, 1e-4, 1e-6):  # a step may cross a kink, or be too small or too large for the program
        sides = [run(lines, [a + s * eps * d for a, d in zip(data, u)]) for s in (1, -1)]
        slope = (sides[0][0] - sides[1][0]) / (2 * eps)
        dots = [sum(float((g.array * d).sum()) for g, d in zip(side[1], w)) for side in sides]
        numeric.append((slope, (dots[0] - dots[1]) / (2 * eps)))
        if all(exact is None or close(exact, n, eps) for exact, n in zip((first, second), numeric[-1])):
            return None
    for order, exact, found in zip(("first", "second"), (first, second), zip(*numeric)):
        if exact is None or any(close(exact, n, 1e-4) for n in found) or not close(*found[:2], 1e-4):
            continue  # or differences that do not agree among themselves, and say nothing
        return "\n".join([*lines, f"{order} order: {exact} by backward, {found[0]} by differences"])
    return None


def close(a, b, eps):
    return not np.isfinite(b) or abs(a - b) <= 1e-4 * max(1.0, abs(a)) + 1e-9 / eps


def fails(lines, data):
    try:
        check(lines, data)
    except AssertionError:
        return True
    except Exception:
        return False
    return False


@pytest.mark.parametrize("part", range(8))
def test_gradients_agree_with_differences(part):
    start = part * COUNT // 8
    for seed in range(start, start + COUNT // 8):
        lines, data = generate(random.Random(seed), 12, smooth=True)
        try:
            check(lines, data)
        except AssertionError:
            check(shrink(lines, data, fails), data)
            raise


@given(st.randoms(use_true_random=False))
def test_gradients_agree_with_differences_for_what_hypothesis_draws(rng):
    check(*generate(rng, 8, smooth=True))


def test_most_programs_are_not_refused():
    for seed in range(100):
        check(*generate(random.Random(seed), 8, smooth=True))
    assert refused["no"] > 2 * refused["yes"], refused


def test_a_wrong_rule_is_noticed(monkeypatch):
    """The check itself is worth something: a wrong in-place history is found within a few programs."""
    from tinygrad6 import inplace

    monkeypatch.setattr(inplace.OVERWRITE, "readers", [lambda g, n: g, inplace.OVERWRITE.readers[1]])
    with pytest.raises(AssertionError, match="order"):
        for seed in range(200):
            check(*generate(random.Random(seed), 12, smooth=True))
