"""Calls with the factor before the tensor it scales, which PyTorch takes with a warning."""

from __future__ import annotations

import warnings

import pytest
import torch

import tinygrad6
from tinygrad6.ops import overloads

CALLS = """
x.add_(-0.5, y) | x.add(2, y) | t.add(x, 2, y) | x.sub_(2, y) | t.sub(x, 3, y) | x.add(t.tensor(2.0), y)
x.addcmul_(0.5, y, y) | x.addcmul(2, y, y) | t.addcmul(x, 0.5, y, y) | x.addcdiv_(-0.5, x, y + 1)
t.addcdiv(x, 0.5, x, y + 1) | t.addmm(2, m, a, b) | t.addmm(2, m, 3, a, b) | m.addmm(2, a, b)
m.addmm(2, 3, a, b) | m.addmm_(0, 1, a, b) | t.addmv(2, u, m, u) | t.addmv(2, u, 3, m, u)
u.addmv(2, 3, m, u) | t.addr(2, m, 3, u, u) | m.addr_(2, 3, u, u) | t.addbmm(2, m, 3, a[None], b[None])
m.addbmm(2, a[None], b[None]) | t.baddbmm(2, m[None], 3, a[None], b[None])
m[None].baddbmm(2, a[None], b[None]) | s.addcmul(0.5, y, y) | t.add(x, x, x) | t.add(2, x, x)
t.add(x, 2, x, alpha=1) | x.add(1, 2) | x.add(1, y, y) | t.addcmul(x, y, y, y)
x.addcmul(0.5, y, y, value=2) | t.addmm(m, a, b) | t.addmm(m, a, b, beta=2) | x.add(y, alpha=2)
x.mul(2, y) | m.addmm("a", a, b) | x.addcmul_(None, y, y)
"""


def result(t, call):
    names = {"t": t, "x": t.arange(4.0), "y": t.full((4,), 2.0), "s": t.tensor(1.0), "u": t.tensor([1.0, 2])}
    names |= {"m": t.arange(4.0).view(2, 2), "a": t.arange(6.0).view(2, 3), "b": t.ones(3, 2)}
    try:
        return eval(call, names).tolist(), [names[n].tolist() for n in "xym"]
    except (TypeError, RuntimeError, ValueError) as e:
        return type(e).__name__


@pytest.mark.parametrize(
    "call", [c.strip() for line in CALLS.strip().splitlines() for c in line.split(" | ")]
)
@pytest.mark.filterwarnings("ignore")
def test_factors_first(call):
    assert result(tinygrad6, call) == result(torch, call)


def test_gradients_flow():
    def gradients(t):
        x, y = (t.ones(2, requires_grad=True) for _ in range(2))
        (x * 2).add_(3, y).addcmul_(0.5, x, y).sum().backward()
        return x.grad.tolist(), y.grad.tolist()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert gradients(tinygrad6) == gradients(torch)


def test_the_warning_comes_once(monkeypatch):
    monkeypatch.setattr(overloads, "_warned", False)
    x = tinygrad6.ones(2)
    with pytest.warns(UserWarning, match=r"add_\(Number alpha, Tensor other\)") as seen:
        x.add_(2, x)
        x.add_(2, x)
    assert len(seen) == 1 and seen[0].filename == __file__
