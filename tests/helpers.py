"""Comparing with PyTorch: the same call on both sides, then values, gradients, dtypes,
shapes and error types.

`from helpers import same, both` in a test; the modules under tests/parity are skipped where torch is missing.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import hypothesis
import numpy as np

import tinygrad6

TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-9}


def draws(number: int) -> hypothesis.settings:
    """So many examples for a test; more of them in the profiles that look harder."""
    more = {"mutants": 4, "intense": 50}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 1)
    return hypothesis.settings(max_examples=number * more)


def pytorch() -> Any:
    """The real torch, imported late so that helpers can be used without it."""
    return importlib.import_module("torch")


def to_torch(value: Any) -> Any:
    """A tensor of ours (or a nest of them) as PyTorch's, with the same requires_grad;
    other values as they are."""
    if isinstance(value, tinygrad6.Tensor):
        t = pytorch().from_numpy(np.array(value.detach().numpy(), order="C"))
        return t.requires_grad_(value.requires_grad)
    if isinstance(value, tinygrad6.dtype):
        return getattr(pytorch(), value.name)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(to_torch(v) for v in value)
    if isinstance(value, dict):
        return {k: to_torch(v) for k, v in value.items()}
    return value


def assert_same(ours: Any, theirs: Any, rtol: float | None = None, atol: float | None = None) -> None:
    """AssertionError unless both are the same: type, shape, dtype and values, tolerance by dtype;
    nests too."""
    torch = pytorch()
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, tinygrad6.Tensor), f"got {type(ours).__name__} where PyTorch gives a Tensor"
        assert tuple(ours.shape) == tuple(theirs.shape), (
            f"shape {tuple(ours.shape)}, PyTorch {tuple(theirs.shape)}"
        )
        assert repr(ours.dtype) == repr(theirs.dtype), f"dtype {ours.dtype}, PyTorch {theirs.dtype}"
        assert ours.requires_grad == theirs.requires_grad, (
            f"requires_grad {ours.requires_grad}, PyTorch {theirs.requires_grad}"
        )
        a, b = ours.detach().numpy(), theirs.detach().numpy(force=True)
        if a.dtype.kind == "f":
            t = TOLERANCE[a.dtype.name]
            np.testing.assert_allclose(
                a, b, rtol=t if rtol is None else rtol, atol=t if atol is None else atol
            )
        else:
            np.testing.assert_array_equal(a, b)
    elif isinstance(theirs, (list, tuple)):
        assert isinstance(ours, (list, tuple)) and len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            assert_same(a, b, rtol, atol)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), f"keys {list(ours)}, PyTorch {list(theirs)}"
        for k in theirs:
            assert_same(ours[k], theirs[k], rtol, atol)
    elif isinstance(theirs, torch.dtype):
        assert repr(ours) == repr(theirs)
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6 if rtol is None else rtol, atol=1e-7)
    else:
        assert ours == theirs, f"got {ours!r}, PyTorch {theirs!r}"


def leaves(value: Any) -> list:
    """The tensors in a nest, in order."""
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in leaves(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in leaves(v)]
    return [value] if hasattr(value, "requires_grad") else []


def same(
    function: Any,
    *args: Any,
    second: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    **kwargs: Any,
) -> None:
    """Call function(lib, *args, **kwargs) with our library and with PyTorch,
    and compare all there is to compare.

    Results, gradients by a fixed random weight, second derivatives of a scalar made from them (`second`),
    and, where PyTorch raises, that we raise the same type of error.
    """
    torch = pytorch()
    theirs_args, theirs_kwargs = to_torch(list(args)), to_torch(kwargs)
    try:
        theirs = function(torch, *theirs_args, **theirs_kwargs)
    except Exception as e:
        kind = next(k for k in type(e).__mro__ if k.__module__ == "builtins")
        try:
            ours = function(tinygrad6, *args, **kwargs)
        except kind:
            return
        except Exception as ours_error:
            raise AssertionError(
                f"raises {type(ours_error).__name__} ({ours_error}) where PyTorch raises {kind.__name__} "
                f"({e})"
            ) from ours_error
        raise AssertionError(f"gives {ours!r} where PyTorch raises {kind.__name__}: {e}") from e
    ours = function(tinygrad6, *args, **kwargs)
    kinds = {t.detach().numpy().dtype.name for t in leaves([args, kwargs, ours])} & set(TOLERANCE)
    if len(kinds) > 1 or "float16" in kinds:  # of mixed types: what passes through the coarsest is no better
        coarsest = max(TOLERANCE[k] for k in kinds)
        rtol, atol = max(rtol or 0, coarsest), max(atol or 0, coarsest)
    assert_same(ours, theirs, rtol, atol)
    ins, outs = (
        [t for t in leaves([args, kwargs]) if t.requires_grad],
        [t for t in leaves(ours) if t.requires_grad],
    )
    their_ins = [t for t in leaves([theirs_args, theirs_kwargs]) if t.requires_grad]
    their_outs = [t for t in leaves(theirs) if t.requires_grad]
    if not ins or not outs:
        return
    rng = np.random.default_rng(0)
    weights = [rng.uniform(-1, 1, tuple(t.shape)).astype(t.detach().numpy().dtype) for t in outs]
    try:
        want = torch.autograd.grad(
            their_outs,
            their_ins,
            [torch.from_numpy(w) for w in weights],
            create_graph=second,
            allow_unused=True,
        )
    except (RuntimeError, NotImplementedError) as e:
        if "not implemented" in str(e) or "not supported" in str(e):
            return  # PyTorch has no such derivative
        raise
    given = [tinygrad6.from_numpy(w) for w in weights]
    if second:  # once on arrays as well, as training does
        plain = tinygrad6.autograd.grad(outs, ins, given, retain_graph=True, allow_unused=True)
        for a, b in zip(plain, want):
            assert (a is None) == (b is None), f"gradient {a!r}, PyTorch {b!r}"
            if a is not None:
                assert_same(a, b.detach(), rtol, atol)
    got = tinygrad6.autograd.grad(outs, ins, given, create_graph=second, allow_unused=True)
    grads = []
    for a, b in zip(got, want):
        assert (a is None) == (b is None), f"gradient {a!r}, PyTorch {b!r}"
        if a is not None:
            assert_same(a.detach(), b.detach(), rtol, atol)
            grads.append((a, b))
    twice = [(a, b) for a, b in grads if b.requires_grad]
    if not second or not twice:
        return
    # Of a large gradient the sine is noise: another rounding of 10^6 in float32 gives another. In float16 the
    # result depends on which product overflows.
    sizes = [
        np.abs(np.nan_to_num(b.detach().numpy(), posinf=0, neginf=0)).max(initial=0) / 10 for _, b in twice
    ]
    if any(n > 1 and b.dtype == torch.float16 for n, (_, b) in zip(sizes, twice)):
        return
    sizes = [max(1.0, float(n)) for n in sizes]
    ours_loss = sum(((a / n).sin().sum() for (a, _), n in zip(twice, sizes)), tinygrad6.zeros(()))
    their_loss = sum(((b / n).sin().sum() for (_, b), n in zip(twice, sizes)), torch.zeros(()))
    got = [
        tinygrad6.zeros_like(t) for t in ins
    ]  # where PyTorch's gradient only seems to depend on the inputs
    if ours_loss.requires_grad:
        got = tinygrad6.autograd.grad(ours_loss, ins, allow_unused=True, materialize_grads=True)
    try:
        want = torch.autograd.grad(their_loss, their_ins, allow_unused=True, materialize_grads=True)
    except (RuntimeError, NotImplementedError) as e:
        if "not implemented" in str(e):
            return
        raise
    for a, b in zip(got, want):
        assert_same(a, b, None if rtol is None else 10 * rtol, None if atol is None else 10 * atol)
