"""Every module of the table beside PyTorch's: initial values, names, repr, results, gradients, state."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import assert_same, leaves, pytorch
from modules import MODULES, draw

import tinygrad6
from tinygrad6 import nn

IDS = [e.name for e in MODULES]


def build(entry, lib, lib_nn, seed=0):
    lib.manual_seed(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = entry.make(lib_nn)
    nested = "enable_nested_tensor"  # a shortcut of PyTorch's that there is no need to speak of
    return module, [w.category for w in caught if nested not in str(w.message)]


def both(entry):
    torch = pytorch()
    (ours, our_warnings), (theirs, their_warnings) = (
        build(entry, tinygrad6, nn),
        build(entry, torch, torch.nn),
    )
    assert our_warnings == their_warnings
    return ours, theirs


def feed(entry, lib, dtype, seed=0):
    """The inputs as tensors; floating ones require gradients."""
    out = []
    for a, made_by in zip(draw(entry.inputs, dtype, seed), entry.inputs):
        t = a if a is None else lib.from_numpy(np.array(a))
        if (
            a is not None
            and a.dtype.kind == "f"
            and not entry.inplace
            and not getattr(made_by, "fixed", False)
        ):
            t.requires_grad_()
        out.append(t)
    return out


def call(module, inputs, lib, seed=1):
    lib.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module(*inputs)


def same_state(ours, theirs, exact):
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    for k in b:
        assert tuple(a[k].shape) == tuple(b[k].shape) and repr(a[k].dtype) == repr(b[k].dtype), k
        x, y = a[k].numpy(), b[k].numpy()
        if exact:
            np.testing.assert_array_equal(x, y, err_msg=k)
        else:
            np.testing.assert_allclose(x, y, 1e-5, 1e-6, err_msg=k)


def gradients(outs, ins, lib):
    rng = np.random.default_rng(2)
    outs = [o for o in leaves(list(outs) if isinstance(outs, tuple) else outs) if o.requires_grad]
    weights = [
        lib.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(o.shape)), o.detach().numpy().dtype)) for o in outs
    ]
    return lib.autograd.grad(outs, ins, weights, allow_unused=True) if outs and ins else []


@pytest.mark.parametrize("entry", MODULES, ids=IDS)
def test_initial_values_names_and_repr(entry):
    torch = pytorch()
    ours, theirs = both(entry)
    assert repr(ours) == repr(theirs)
    if "Lazy" not in entry.name:
        same_state(ours, theirs, exact=not entry.normal)
        assert [(n, p.requires_grad) for n, p in ours.named_parameters()] == [
            (n, p.requires_grad) for n, p in theirs.named_parameters()
        ]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    names = [(n, type(m).__name__) for n, m in ours.named_modules()]
    assert names == [(n, type(m).__name__) for n, m in theirs.named_modules()]
    assert tinygrad6.rand(1).item() == torch.rand(1).item(), "both have drawn equally often"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("entry", MODULES, ids=IDS)
def test_results_gradients_and_state(entry, dtype):
    torch = pytorch()
    ours, theirs = both(entry)
    ours, theirs = ours.to(getattr(tinygrad6, dtype)), theirs.to(getattr(torch, dtype))
    for round_, training in enumerate((True, False) if dtype == "float64" else (True,)):
        ours.train(training), theirs.train(training)
        x, y = feed(entry, tinygrad6, dtype, round_), feed(entry, torch, dtype, round_)
        a, b = call(ours, x, tinygrad6, round_), call(theirs, y, torch, round_)
        if entry.normal and not round_:
            theirs.load_state_dict(
                {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()}
            )
            x, y = feed(entry, tinygrad6, dtype, round_), feed(entry, torch, dtype, round_)
            a, b = call(ours, x, tinygrad6, round_), call(theirs, y, torch, round_)
        # hardsigmoid's 1/6 is a float32 number in PyTorch
        assert_same(a, b, rtol=1e-7 if "Hardsigmoid" in entry.name else None)
        mine = [t for t in x if t is not None and t.requires_grad] + list(ours.parameters())
        yours = [t for t in y if t is not None and t.requires_grad] + list(theirs.parameters())
        for g, h in zip(gradients(a, mine, tinygrad6), gradients(b, yours, torch)):
            assert (g is None) == (h is None)
            if g is not None:
                assert_same(g.detach(), h.detach(), rtol=1e-7 if "Hardsigmoid" in entry.name else None)
        same_state(ours, theirs, exact=False)
        assert repr(ours) == repr(theirs)
