"""Recurrent layers, cells and packed sequences beside PyTorch, over drawn options."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import draws, leaves, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6.nn.utils import rnn

KINDS = ("RNN", "LSTM", "GRU")


def tensor(*shape, seed=0, grad=True):
    a = np.random.default_rng(seed).uniform(-1, 1, shape)
    return torch.from_numpy(a).requires_grad_(grad)


def with_parameter_gradients(lib, module, out):
    """The results, and the gradients of a scalar of them in all parameters."""
    parts = leaves(list(out))
    loss = sum((t.sin().sum() for t in parts if t.requires_grad), lib.zeros((), dtype=lib.float64))
    return [
        parts,
        list(lib.autograd.grad(loss, list(module.parameters()), create_graph=True, allow_unused=True)),
    ]


@draws(25)
@given(
    kind=st.sampled_from(KINDS),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    batch_first=st.booleans(),
    bias=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4, 1.0]),
    state=st.booleans(),
    proj=st.integers(0, 2),
    packed=st.sampled_from(["no", "sorted", "unsorted"]),
    training=st.booleans(),
)
def test_layers(kind, layers, bidirectional, batch_first, bias, dropout, state, proj, packed, training):
    options = dict(
        num_layers=layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias, dropout=dropout
    )
    if kind == "LSTM":
        options["proj_size"] = proj
    else:
        proj = 0
    x = tensor(2, 4, 3) if batch_first else tensor(4, 2, 3)
    n = layers * (2 if bidirectional else 1)
    h, c = tensor(n, 2, proj or 3, seed=1), tensor(n, 2, 3, seed=2)
    lengths = [4, 2] if packed == "sorted" else [2, 4]

    def run(lib, x, h, c):
        lib.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = getattr(lib.nn, kind)(3, 3, **options).double().train(training)
        hx = None if not state else (h, c) if kind == "LSTM" else h
        tools = lib.nn.utils.rnn
        if packed != "no":
            x = tools.pack_padded_sequence(x, lengths, batch_first, packed == "sorted")
        out, final = m(x, hx)
        if packed != "no":
            assert out.batch_sizes.tolist() == [2, 2, 1, 1]
            out = tools.pad_packed_sequence(out, batch_first)[0]
        return with_parameter_gradients(lib, m, [out, final])

    same(run, x, h, c, second=layers == 1)


@pytest.mark.parametrize("kind", [*KINDS, "RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize(
    "shape, state",
    [
        ((4, 2, 5), None), ((4, 2, 3), (1, 3, 4)), ((4, 2, 3), (2, 4)), ((2, 2, 2, 3), None), ((3,), None),
        ((4, 3), (1, 4)), ((4, 3), (1, 1, 4)), ((2, 3), (2, 4)), ((2, 5), None), ((2, 3), (3, 4)),
        ((2, 3), (2, 5)), ((0, 2, 3), None), ((0, 3), None),
    ],
)  # fmt: skip
def test_refusals(kind, shape, state):
    x = tensor(*shape)

    def run(lib, x, *state):
        lib.manual_seed(0)
        m = getattr(lib.nn, kind)(3, 4).double()
        return m(x, state * 2 if kind.startswith("LSTM") else state[0]) if state else m(x)

    same(run, x, *([] if state is None else [tensor(*state)]), second=False)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(input_size=0), dict(hidden_size=0), dict(num_layers=0), dict(hidden_size=2.0), dict(bias=1),
        dict(batch_first=None), dict(dropout=1.5), dict(dropout=True), dict(dropout="a"), dict(proj_size=1),
        dict(proj_size=9), dict(proj_size=-1), dict(nonlinearity="sigmoid"), dict(nonlinearity="relu"),
        dict(unknown=1), dict(input_size=2.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_constructors_refuse(kind, arguments):
    full = {"input_size": 3, "hidden_size": 4, **arguments}
    same(lambda lib: repr(getattr(lib.nn, kind)(**full)))


def test_a_dropout_that_does_nothing_warns():
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        torch.nn.LSTM(3, 4, dropout=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_must_have_the_weights_type(kind):
    same(lambda lib, x: getattr(lib.nn, kind)(3, 4)(x), tensor(5, 2, 3))


# ---- packing


def everything(p):
    return [p.data, p.batch_sizes, p.sorted_indices, p.unsorted_indices]


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    batch_first=st.booleans(),
    enforce=st.booleans(),
    total=st.sampled_from([None, 4, 6, 2]),
    value=st.sampled_from([0.0, -3.0]),
)
def test_pack_and_pad(lengths, batch_first, enforce, total, value):
    n = len(lengths)
    x = tensor(n, 4, 2) if batch_first else tensor(4, n, 2)

    def run(lib, x):
        tools = lib.nn.utils.rnn
        p = tools.pack_padded_sequence(x, lengths, batch_first, enforce)
        q = tools.pack_padded_sequence(x, lib.tensor(lengths), batch_first, enforce)
        assert q.batch_sizes.tolist() == p.batch_sizes.tolist()
        return [everything(p), *tools.pad_packed_sequence(p, batch_first, value, total)]

    same(run, x)


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    batch_first=st.booleans(),
    side=st.sampled_from(["left", "right"]),
    value=st.sampled_from([0, 2.5]),
)
def test_sequences(lengths, batch_first, side, value):
    xs = [tensor(n, 2, seed=i) for i, n in enumerate(lengths)]

    def run(lib, xs):
        tools = lib.nn.utils.rnn
        padded = tools.pad_sequence(xs, batch_first, value, side)
        p = tools.pack_sequence(xs, enforce_sorted=False)
        back = tools.unpad_sequence(tools.pad_sequence(xs, batch_first), lib.tensor(lengths), batch_first)
        return [padded, everything(p), list(tools.unpack_sequence(p)), list(back)]

    same(run, xs)


@pytest.mark.parametrize("lengths", [[2, 3], [0, 1], [3], [[1, 2]], [], [2.0, 1.0]])
def test_pack_refuses(lengths):
    same(lambda lib, x: everything(lib.nn.utils.rnn.pack_padded_sequence(x, lengths)), tensor(4, 2, 3))


def test_lengths_beyond_the_input_are_refused():  # PyTorch reads beyond its memory
    with pytest.raises(RuntimeError, match="at most 4 steps, got 5"):
        rnn.pack_padded_sequence(tensor(4, 2, 3), [5, 1])


def test_packed_sequences_convert_and_tell_their_place():
    p = rnn.pack_sequence([tensor(2, 3), tensor(1, 3)])
    assert p.float().data.dtype == torch.float32 and p.double().data.dtype == torch.float64
    assert (
        p.to(torch.float16).data.dtype == torch.float16
        and p.cpu() is p
        and not p.is_cuda
        and not p.is_pinned()
    )
    with pytest.raises(RuntimeError):
        p.cuda()


def test_packed_sequences_made_of_their_parts():
    def run(torch, x):
        kind = torch.nn.utils.rnn.PackedSequence
        packed = torch.nn.utils.rnn.pack_sequence([x, x[:1]])
        older = kind((packed.data, packed.batch_sizes))
        return [older.data, older.batch_sizes, packed.char().data, packed.byte().data]

    same(run, torch.tensor([1.0, 2.0, 3.0]))
