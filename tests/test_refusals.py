"""What ops, nn and optim refuse by a check of their own, where PyTorch stumbles, or takes it."""

from __future__ import annotations

import pytest

import tinygrad6 as torch
from tinygrad6 import nn, optim

F = nn.functional


def x(*shape):
    return torch.ones(shape)


def p(*shape):
    return nn.Parameter(torch.ones(shape))


REFUSED = {
    "get_submodule(): target must be a str": (TypeError, lambda: nn.Linear(2, 1).get_submodule(3)),
    "dotted path of an nn.Parameter, not int": (TypeError, lambda: nn.Linear(2, 1).get_parameter(3)),
    "dotted path of a buffer, not int": (TypeError, lambda: nn.Linear(2, 1).get_buffer(3)),
    "Parameter(): expected a Tensor, got int": (TypeError, lambda: nn.Parameter(3)),
    "Parameter(): expected a Tensor, got list": (TypeError, lambda: nn.Parameter([1.0])),
    "LSTM: expected Tensor as hidden state 1, but got int": (
        TypeError,
        lambda: nn.LSTM(2, 3)(x(2, 1, 2), (x(1, 1, 3), 3)),
    ),
    "LSTM expects 2 hidden states (h, c), got Tensor": (
        RuntimeError,
        lambda: nn.LSTM(2, 3)(x(2, 1, 2), x(1, 1, 3)),
    ),
    "LSTM expects 2 hidden states (h, c), got tuple": (
        RuntimeError,
        lambda: nn.LSTM(2, 3)(x(2, 1, 2), (x(1, 1, 3),)),
    ),
    "GRU: expected Tensor as hidden state 0, but got int": (TypeError, lambda: nn.GRU(2, 3)(x(2, 1, 2), 3)),
    "GRUCell: expected Tensor as hidden state 0": (TypeError, lambda: nn.GRUCell(2, 3)(x(1, 2), "x")),
    "set those, as in rnn.weight_hh_l0 = w": (
        NotImplementedError,
        lambda: setattr(nn.GRU(2, 3), "_flat_weights", []),
    ),
    "betas must be two numbers, got (0.9,)": (ValueError, lambda: optim.Adam([p(2)], betas=(0.9,))),
    "betas must be two numbers, got ()": (ValueError, lambda: optim.NAdam([p(2)], betas=())),
    "betas must be two numbers, got (0.9, 0.9, 0.9)": (
        ValueError,
        lambda: optim.RAdam([p(2)]).add_param_group({"params": [p(1)], "betas": (0.9, 0.9, 0.9)}),
    ),
    "step_sizes must be two numbers": (ValueError, lambda: optim.Rprop([p(2)], step_sizes=(1.0,))),
    "load_state_dict(): expected a dict, got int": (
        TypeError,
        lambda: optim.SGD([p(2)], 0.1).load_state_dict(3),
    ),
    "gather(): sparse_grad=True is not supported": (
        NotImplementedError,
        lambda: torch.gather(x(2), 0, torch.tensor([0]), sparse_grad=True),
    ),
    "embedding(): sparse=True is not supported": (
        NotImplementedError,
        lambda: torch.embedding(x(2, 2), torch.tensor([0]), -1, False, True),
    ),
    "complex tensors are not supported": (NotImplementedError, lambda: torch.complex(x(2), x(2))),
    "as_strided(): only for contiguous tensors": (
        NotImplementedError,
        lambda: torch.as_strided(x(2, 4)[:, ::2], (2,), (1,)),
    ),
    "p='nuc' is not supported: use linalg.matrix_norm": (
        NotImplementedError,
        lambda: x(2, 2).norm("nuc", (0, 1)),
    ),
    "share_memory_(): this tensor is a view": (RuntimeError, lambda: x(2, 2)[0].share_memory_()),
    "t_(): a leaf that requires grad keeps its shape": (RuntimeError, lambda: torch.no_grad()(p(2, 2).t_)()),
    "spacing has 2 coordinates for dimension 1, whose length is 3": (
        RuntimeError,
        lambda: torch.gradient(x(2, 3), spacing=(x(2).cumsum(0), x(2).cumsum(0))),
    ),
    "apply_: unsupported operation: more than one": (
        RuntimeError,
        lambda: x(1).expand(2).apply_(lambda u: u),
    ),
    "map_: unsupported operation: more than one": (
        RuntimeError,
        lambda: x(1).expand(2).map_(x(2), lambda u, v: u),
    ),
    "map2_: unsupported operation: more than one": (
        RuntimeError,
        lambda: x(1).expand(2).map2_(x(2), x(2), lambda u, v, w: u),
    ),
    "didn't specify a value of required optimization parameter lr": (
        ValueError,
        lambda: optim.Optimizer([p(2)], {"lr": optim.optimizer.required}),
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused_in_our_words(words):
    kind, call = REFUSED[words]
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)


def test_an_option_that_is_required_says_so():
    assert repr(optim.optimizer.required) == "<required parameter>"
    assert optim.Optimizer([{"params": [p(2)], "lr": 3.0}], {"lr": optim.optimizer.required}).param_groups


def test_an_optimizer_of_ones_own_has_as_many_betas_as_it_likes():
    class Three(optim.Optimizer):
        pass

    assert Three([p(2)], {"betas": (0.9, 0.8, 0.7)}).param_groups[0]["betas"] == (0.9, 0.8, 0.7)
