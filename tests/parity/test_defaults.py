"""Parameters and their defaults are PyTorch's, of every class and function that PyTorch defines in Python."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import tinygrad6

SPACES = ["nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim", "optim.lr_scheduler",
          "optim.swa_utils", "utils.data", "autograd", "autograd.functional"]  # fmt: skip
IGNORED = {"device", "dtype", "_stacklevel", "_freeze", "_weight"}
INTERNAL = {"RNNCellBase", "PackedSequence", "enable_grad"}  # nobody calls their constructors with these


def space(lib: Any, name: str) -> Any:
    for part in name.split("."):
        lib = getattr(lib, part)
    return lib


def parameters(thing: Any) -> dict[str, Any] | None:
    """Default by name; None where Python cannot tell, or anything is taken."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (ValueError, TypeError):
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        return None
    return {p.name: p.default for p in found if p.name not in IGNORED}


def cases() -> list[tuple[str, str]]:
    found = []
    for name in SPACES:
        ours, theirs = space(tinygrad6, name), space(torch, name)
        for n in dir(theirs):
            a, b = getattr(ours, n, None), getattr(theirs, n)
            if (
                n[0] != "_"
                and n not in INTERNAL
                and callable(a)
                and callable(b)
                and parameters(a)
                and parameters(b)
            ):
                found.append((name, n))
    return found


def same(a: Any, b: Any) -> bool:
    if a is inspect.Parameter.empty or b is inspect.Parameter.empty:
        return a is b
    if isinstance(b, (bool, int, float, str, tuple, list, type(None))):
        return a == b and isinstance(a, bool) == isinstance(b, bool)
    return True  # functions, dtypes and sentinels are objects of each library's own


@pytest.mark.parametrize("where, name", cases(), ids=lambda v: v)
def test_defaults_are_pytorchs(where, name):
    ours = parameters(getattr(space(tinygrad6, where), name))
    theirs = parameters(getattr(space(torch, where), name))
    wrong = [
        f"{p}: {ours[p]!r}, PyTorch {v!r}" for p, v in theirs.items() if p in ours and not same(ours[p], v)
    ]
    missing = [p for p in theirs if p not in ours]
    assert not wrong and not missing, (wrong, missing)
    order = [p for p in ours if p in theirs]
    assert order == [p for p in theirs if p in ours]


def test_many_are_compared():
    assert len(cases()) > 300
