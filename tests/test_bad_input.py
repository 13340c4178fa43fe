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
from left_over import FAULTS

import tinygrad6 as torch
from tinygrad6 import nn

# ---- many calls

INTENSE = hypothesis.settings().max_examples >= 1000


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
    wrong = {name: said for name, said in found.items() if len(said) > FAULTS.get(name, 0)}
    assert not wrong, "\n".join(line for said in wrong.values() for line in said)


GOOD = bad_input.good_calls()


@pytest.mark.filterwarnings("ignore")
@hypothesis.given(st.data())
def test_two_wrong_arguments_are_refused_as_well_as_one(data):
    call = data.draw(st.sampled_from(GOOD))
    for _ in range(2):
        try:
            worse = list(bad_input.spoiled(call))
        except Exception:  # what is wrong cannot even be made
            hypothesis.reject()
        call = data.draw(st.sampled_from(worse))
        # Some try to do 2**70 times what they are told; NumPy's numbers, which rules hand to operations, are
        # taken for tensors: see FAULTS.
        hypothesis.assume("2**70" not in str(call) and "np." not in str(call))
    if bad_input.name_of(call) not in FAULTS:
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


# ---- taken in silence, once


def test_resize_shows_the_memory_of_the_base_or_refuses():
    a = torch.arange(6.0).reshape(2, 3).clone()
    row = a[1]
    assert row.resize_(2).tolist() == [3, 4]
    row.fill_(9)
    assert a.tolist() == [[0, 1, 2], [9, 9, 5]]
    assert a[0].resize_(3, 2).tolist() == [[0, 1], [2, 9], [9, 5]]
    with pytest.raises(RuntimeError, match="no room"):
        a[1].resize_(4)
    assert a.t().resize_(2).tolist() == [0, 1]  # as it lies in memory


@pytest.mark.parametrize(
    "look", [lambda x: x[2:], lambda x: x.detach(), lambda x: x.view(2, 3), lambda x: x.numpy()]
)
def test_memory_that_others_look_at_does_not_grow(look):
    x = torch.arange(6.0)
    other = look(x)
    with pytest.raises(RuntimeError, match="which another tensor or array shares"):
        x.resize_(7)
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    del other
    assert x.resize_(7)[:6].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("p", [torch.ones(1, 2).expand(3, 2), torch.ones(3, dtype=torch.int64)])
def test_optimizers_write_neither_into_integers_nor_twice_into_one_place(p):
    p.grad = torch.ones_like(p)
    before = p.tolist()
    with pytest.raises(RuntimeError, match="SGD.step"):
        torch.optim.SGD([p], lr=0.1).step()
    assert p.tolist() == before


@pytest.mark.filterwarnings("ignore:optimizer contains")
def test_a_parameter_that_is_there_twice_is_stepped_twice():
    p, q = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([p, q, p], lr=0.25)
    for _ in range(2):
        p.grad, q.grad = torch.ones(2), torch.ones(3)
        optimizer.step()
    assert p.tolist() == [0, 0] and q.tolist() == [0.5, 0.5, 0.5]


def test_what_pytorch_refuses_is_refused():
    x = torch.ones(2, requires_grad=True)
    for call, error in (
        (lambda: setattr(x * 2, "requires_grad", True), RuntimeError),
        (lambda: setattr(torch.ones(2), "requires_grad", 1), RuntimeError),
        (lambda: torch.linalg.cholesky(torch.eye(2) * np.nan), torch.linalg.LinAlgError),
        (lambda: torch.ones(2, dtype=torch.uint8).random_(-1, 5), RuntimeError),
        (lambda: torch.ones(2, 3).t().view(-1), RuntimeError),
        (lambda: torch.tensor(1.0).flip(7), IndexError),
        (lambda: torch.ones(2).masked_fill(torch.ones(2) > 0, [1.0]), TypeError),
        (lambda: nn.functional.adaptive_avg_pool2d(torch.ones(1, 4, 4), (2,)), RuntimeError),
        (lambda: (x * 2).split(1)[0].t_(), RuntimeError),
    ):
        with pytest.raises(error):
            call()


def test_a_batch_that_is_refused_is_not_counted():
    m = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value"):
        m(torch.ones(1, 3))
    assert m.num_batches_tracked == 0
    m(torch.ones(2, 3))
    assert m.num_batches_tracked == 1


def test_draws_from_parameters_give_gradients_of_zero():
    p = torch.full((3,), 0.5, requires_grad=True)
    for drawn in (p.bernoulli(), torch.poisson(p), torch.normal(p, p)):
        drawn.sum().backward()
        assert p.grad.tolist() == [0, 0, 0]


# ---- accidents


def test_accidents_are_told_with_the_call():
    for call, kind, said in (
        (lambda: nn.GroupNorm(0, 6), ZeroDivisionError, r"^GroupNorm\(0, 6\): integer modulo by zero"),
        (lambda: nn.Flatten()(None), TypeError, r"^Flatten\(None\): "),
        (lambda: torch.ones(2).expand(None), TypeError, r"^expand\(float32\[2\], None\): "),
        (lambda: torch.linalg.svd(torch.ones(2, 2) * np.nan), torch.linalg.LinAlgError, r"^linalg\.svd: "),
        (lambda: nn.init.calculate_gain(3, [1]), ValueError, "Unsupported nonlinearity 3"),  # raised by name
    ):
        with pytest.raises(kind, match=said):
            call()


def test_errors_of_users_stay_as_they_are():
    class Mine(nn.Module):
        def __init__(self, wrong=False):
            super().__init__()
            if wrong:
                self.parts = [][0]

        def forward(self, x):
            return x.no_such

    with pytest.raises(IndexError, match="^list index out of range$"):
        Mine(True)
    for call in (lambda: Mine()(3), lambda: nn.Sequential(Mine())(3)):
        with pytest.raises(AttributeError) as caught:
            call()
        assert str(caught.value) == "'int' object has no attribute 'no_such'"
    with pytest.raises(AttributeError) as caught:
        torch.func.vjp(lambda x: x.no_such, torch.ones(2))
    assert str(caught.value) == "'Tensor' object has no attribute 'no_such'"


def test_a_scheduler_that_cannot_be_made_leaves_its_optimizer_alone():
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1, momentum=0.9)
    before = [dict(group) for group in optimizer.param_groups]
    for make in (
        lambda: torch.optim.lr_scheduler.CyclicLR(optimizer, 0.2, 0.5, step_size_up=0),
        lambda: torch.optim.lr_scheduler.MultiStepLR(optimizer, object()),
        lambda: torch.optim.lr_scheduler.MultiplicativeLR(optimizer, [abs, abs]),
    ):
        with pytest.raises((ValueError, TypeError, ZeroDivisionError)):
            make()
        assert optimizer.param_groups == before


@pytest.mark.parametrize(
    "dtype, large", [(torch.float16, 1e6), (torch.float16, -65505.0), (torch.float32, 1e39)]
)
def test_a_number_that_the_type_cannot_hold_is_refused(dtype, large):
    x = torch.ones(2, dtype=dtype)
    for call in (
        lambda: torch.full((2,), large, dtype=dtype),
        lambda: x.fill_(large),
        lambda: x.masked_fill(x > 0, large),
        lambda: x.clamp(max=large),
        lambda: x.index_fill_(0, torch.tensor([0]), large),
        lambda: nn.functional.pad(x, (1, 1), value=large),
    ):
        with pytest.raises(RuntimeError, match="without overflow"):
            call()
    assert x.tolist() == [1, 1]
    assert x.fill_(float("inf")).isinf().all()


def test_sequences_to_pad_are_looked_at():
    rnn = nn.utils.rnn
    with pytest.raises(RuntimeError, match="empty list"):
        rnn.pad_sequence([])
    with pytest.raises(RuntimeError, match="Expected iterable"):
        rnn.pad_sequence(None)
    with pytest.raises(TypeError, match="element 1"):
        rnn.pad_sequence([torch.ones(2), 3])
    with pytest.raises(TypeError, match="'batch_first'"):
        rnn.pad_sequence([torch.ones(2)], batch_first=2)
    with pytest.raises(TypeError, match="str"):
        rnn.pack_padded_sequence(torch.ones(3, 2), "ab")


def test_an_empty_sum_into_places_keeps_its_history():
    x = torch.ones(3, requires_grad=True)
    y = torch.zeros(3).scatter_add_(0, torch.zeros(0, dtype=torch.int64), x[:0])
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_norm_except_dim_counts_from_the_end():
    v = torch.arange(6.0).reshape(2, 3)
    norms = nn.utils.parametrizations.norm_except_dim
    assert norms(v, -2).tolist() == norms(v, 0).tolist()
    with pytest.raises(IndexError):
        norms(v, 2)
