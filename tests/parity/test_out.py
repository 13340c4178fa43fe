"""`out=` writes the same into the same, and refuses the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import tinygrad6
from tinygrad6.out import NAMES

CALLS = {
    "add": lambda t, x, o: t.add(x, 1.5, out=o),
    "matmul": lambda t, x, o: t.matmul(x, x, out=o),
    "mul": lambda t, x, o: t.mul(x, x, out=o),
    "exp": lambda t, x, o: t.exp(x, out=o),
    "sum": lambda t, x, o: t.sum(x, 1, out=o),
    "clamp": lambda t, x, o: t.clamp(x, 0, 1, out=o),
    "cumsum": lambda t, x, o: t.cumsum(x, dim=0, out=o),
    "where": lambda t, x, o: t.where(x > 0, x, -x, out=o),
    "cat": lambda t, x, o: t.cat([x, x], 1, out=o),
    "stack": lambda t, x, o: t.stack([x, x], out=o),
}
OUTS = {
    "alike": lambda t: t.zeros(3, 3),
    "empty": lambda t: t.empty(0),
    "wider": lambda t: t.zeros(3, 3, dtype=t.float64),
    "integers": lambda t: t.zeros(3, 3, dtype=t.long),
    "other shape": lambda t: t.zeros(2, 5),
    "a number": lambda t: 3,
    "wants a gradient": lambda t: t.zeros(3, 3, requires_grad=True),
}


def outcome(t, call, make_out, grad):
    x = t.tensor([[0.5, -1.0, 2.0], [0.0, 1.0, -0.5], [3.0, 0.25, 1.0]], requires_grad=grad)
    o = make_out(t)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = call(t, x, o)
    except Exception as e:
        return type(e).__name__
    assert result is o
    return str(o), [w.category.__name__ for w in caught]


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("out", OUTS)
@pytest.mark.parametrize("name", CALLS)
def test_same_outcome(name, out, grad):
    theirs, ours = (outcome(t, CALLS[name], OUTS[out], grad) for t in (torch, tinygrad6))
    if out == "integers" or out == "wider" and isinstance(theirs, str):
        # A sum is computed in the type of `out` by PyTorch; its products and `where` refuse a wider one.
        assert ours == "RuntimeError" or out == "wider"
    elif out == "a number":
        assert ours == "TypeError" and isinstance(theirs, str), "which PyTorch's add calls a RuntimeError"
    else:
        assert ours == theirs


def test_several_outs():
    for t in (torch, tinygrad6):
        x = t.tensor([[1.0, 3.0], [2.0, 0.0]])
        values, indices = t.zeros(2), t.zeros(2, dtype=t.long)
        found = t.max(x, 1, out=(values, indices))
        assert found[0] is values and found[1] is indices
        assert values.tolist() == [3, 2] and indices.tolist() == [1, 0]
        with pytest.raises(TypeError):
            t.max(x, 1, out=values)


def test_pytorch_has_out_too():
    def takes(name):
        schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        return "out" in (getattr(torch, name).__doc__ or "out") or any(
            a.is_out for s in schemas for a in s.arguments
        )

    assert all(map(takes, NAMES))
    kept = np.zeros(2, np.float32)
    tinygrad6.add(tinygrad6.ones(2), 1, out=tinygrad6.from_numpy(kept))
    assert kept.tolist() == [2, 2]


def test_named_results_print_alike():
    for call in (
        lambda t: t.linalg.slogdet(t.eye(2)),
        lambda t: t.linalg.inv_ex(t.eye(2)),
        lambda t: t.linalg.eigh(t.diag(t.tensor([1.0, 2.0])))[:1],
        lambda t: t.svd(t.eye(1)),
    ):
        assert repr(call(tinygrad6)) == repr(call(torch))
