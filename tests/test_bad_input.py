"""Wrong calls are refused by name and change nothing: good calls with one argument that is not."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

import tinygrad6 as torch

# ---- attributes


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (3, TypeError, "expected to be a Tensor or None but got grad of type int"),
        (np.ones(2), TypeError, "of type ndarray"),
        (torch.ones(3), RuntimeError, "size '\\[3\\]' to a tensor of size '\\[2\\]'"),
        (torch.ones(()), RuntimeError, "size '\\[\\]'"),
        (torch.ones(2).double(), RuntimeError, "float64 to a tensor of torch.float32"),
        ("itself", RuntimeError, "its own grad"),
    ],
)
def test_a_gradient_must_be_like_its_tensor(value, error, said):
    p = torch.ones(2, requires_grad=True)
    p.grad = before = torch.zeros(2)
    with pytest.raises(error, match=said):
        p.grad = p if isinstance(value, str) else value
    assert p.grad is before
    p.grad = None
    p.grad = (p * 2).detach()
    del p.grad
    assert p.grad is None


def test_the_gradient_of_what_keeps_none_is_warned_of():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.grad is None and y.grad is None and y.detach().grad is None


def test_conversions_that_lose_the_history_are_warned_of(monkeypatch):
    monkeypatch.setattr(sys.modules["tinygrad6.tensor"], "_warned", [])
    x = torch.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="scalar may lead to unexpected behavior"):
        assert float(x) == 1.0
    with warnings.catch_warnings():  # once in a process
        warnings.simplefilter("error")
        assert float(x) == int(x) == x.item() == 1
    for copy in (torch.tensor, torch.ones(1).new_tensor):
        with pytest.warns(UserWarning, match="sourceTensor.detach"):
            assert not copy(x).requires_grad


def test_lists_of_tensors_become_numbers():
    one = torch.ones(1)
    assert torch.tensor([one, one[0], torch.ones(1, 1)]).shape == (3,)
    assert torch.tensor([one.long(), one.half()]).dtype == torch.float16
    assert torch.tensor([np.float32(1), 2]).dtype == torch.float32
    assert torch.tensor([2, one[0].requires_grad_()]).tolist() == [2, 1]
    with pytest.raises(ValueError, match="only one element"):
        torch.tensor([torch.ones(2), torch.ones(2)])
