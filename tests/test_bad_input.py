"""Wrong calls are refused by name and change nothing: good calls with one argument that is not.

By default one in forty of some 60,000 calls is tried, in the intense profile each; and calls with two wrong
arguments at once, as Hypothesis draws them.
"""

from __future__ import annotations

import collections
import sys
import warnings

import bad_input
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad6 as torch

# ---- many calls

INTENSE = hypothesis.settings().max_examples >= 1000
# Functions whose faults are left: how many of all calls, and what they are.
LEFT: dict[str, int] = {}


def faults_of(calls):
    """The faults, by function."""
    found = collections.defaultdict(list)
    for call, words in bad_input.judged(calls, bad_input.fault):
        if words:
            found[bad_input.name_of(call)].append(f"{call}: {words}")
    return found


@pytest.mark.filterwarnings("ignore")
def test_wrong_calls_are_refused_by_name_and_change_nothing():
    """TypeError, ValueError, RuntimeError or IndexError, and a message that names a public function;
    arguments, modules, optimizers, gradients, the generator and grad mode are as before; none hangs."""
    calls = bad_input.every(1 if INTENSE else 41)
    assert len(calls) > 1000
    found = faults_of(calls)
    wrong = {name: said for name, said in found.items() if len(said) > LEFT.get(name, 0)}
    assert not wrong, "\n".join(line for said in wrong.values() for line in said)


GOOD = bad_input.good_calls()


@pytest.mark.filterwarnings("ignore")
@hypothesis.given(st.data())
def test_two_wrong_arguments_are_refused_as_well_as_one(data):
    call = data.draw(st.sampled_from(GOOD))
    for _ in range(2):
        call = data.draw(st.sampled_from(list(bad_input.spoiled(call))))
        hypothesis.assume("2**70" not in str(call))  # some try to do that often what they are told: see LEFT
    if bad_input.name_of(call) not in LEFT:
        assert not bad_input.fault(call)


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x.array.fill(7) or refuse(),
        lambda x: torch.rand(1) and refuse(),
        lambda x: torch.set_grad_enabled(False) and None or refuse(),
        lambda x: x.nothing,
        lambda x: refuse("cross_entropy_rows(input: float32[2]): wrong"),
        lambda x: refuse("wrong"),
        lambda x: refuse("argument 'x' must be float", KeyboardInterrupt.__base__),
    ],
)
def test_faults_are_noticed(monkeypatch, fault):
    """Each of these functions does one thing that a function that refuses must not do."""
    monkeypatch.setattr(torch.special, "entr", fault)
    try:
        assert bad_input.fault(bad_input.parsed("special.entr(x(2))"))
    finally:
        torch.set_grad_enabled(True)


def refuse(text="entr(): argument 'input' must be a good one", kind=ValueError):
    raise kind(text) if kind is not BaseException else LookupError(text)


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
