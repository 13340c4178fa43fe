"""Checkpoints move both ways: what PyTorch saved we load,
what we saved PyTorch loads with weights_only=True."""

from __future__ import annotations

import collections
import io
import random
import tracemalloc
from pickle import UnpicklingError

import numpy as np
import pytest
import safetensors.torch
import torch as T
from damage import mutated
from helpers import assert_same, to_torch
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6 import nn, optim
from tinygrad6 import safetensors as ours_safetensors

DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"]


def theirs_to_ours(value, **options):
    file = io.BytesIO()
    T.save(value, file, **options)
    file.seek(0)
    return torch.load(file)


def ours_to_theirs(value, **options):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return T.load(file, **{"weights_only": True, **options})


TENSORS = st.builds(
    lambda shape, kind, dims: (
        torch.arange(int(np.prod(shape))).reshape(*shape).to(getattr(torch, kind)).permute(dims)
    ),
    st.just([2, 3, 2]),
    st.sampled_from(DTYPES),
    st.permutations(range(3)),
)
NESTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(-1, 1), st.text(), TENSORS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers()), inner, max_size=3),
        st.dictionaries(st.text(max_size=2), inner, max_size=3).map(collections.OrderedDict),
    ),
    max_leaves=10,
)


@given(NESTS, st.booleans(), st.integers(2, 5))
def test_nests_move_both_ways(value, zipped, protocol):
    reference = to_torch(value)
    assert_same(value, ours_to_theirs(value))
    assert_same(
        theirs_to_ours(reference, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped), reference
    )


def test_what_else_a_checkpoint_holds():
    plain = {
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "bytearray": bytearray(b"x"),
        "complex": 1 + 2j,
        "counter": collections.Counter("aab"),
    }
    assert theirs_to_ours(plain) == plain and ours_to_theirs(plain) == plain
    numpy = {
        "array": np.arange(6.0).reshape(2, 3).T,
        "big": np.arange(3, dtype=">i4"),
        "number": np.float64(0.5),
    }
    for got in (
        theirs_to_ours(numpy),
        theirs_to_ours(numpy, pickle_protocol=5),
        ours_to_theirs(numpy, weights_only=False),
    ):
        for k in numpy:
            np.testing.assert_array_equal(got[k], numpy[k])
    special = ours_to_theirs({"d": torch.float16, "s": torch.Size([2, 3]), "dev": torch.device("cpu")})
    assert special == {"d": T.float16, "s": T.Size([2, 3]), "dev": T.device("cpu")}
    special = theirs_to_ours({"d": T.float16, "s": T.Size([2, 3]), "dev": T.device("cpu")})
    assert special == {"d": torch.float16, "s": torch.Size([2, 3]), "dev": torch.device("cpu")}


def test_shared_memory_and_parameters():
    base = torch.zeros(3, 4)
    got = ours_to_theirs([base, base[1], nn.Parameter(base[2])])
    got[0].fill_(7)
    assert got[1].tolist() == [7] * 4 and got[2].tolist() == [7] * 4 and type(got[2]) is T.nn.Parameter
    base = T.zeros(3, 4)
    for zipped in (True, False):
        ours = theirs_to_ours(
            [base, base[1], T.nn.Parameter(base[2]), T.nn.Buffer(base[0])],
            _use_new_zipfile_serialization=zipped,
        )
        ours[0].fill_(7)
        assert ours[1].tolist() == [7] * 4 and ours[2].tolist() == [7] * 4 and type(ours[2]) is nn.Parameter


def model(lib):
    return lib.nn.Sequential(
        lib.nn.Conv2d(1, 2, 3),
        lib.nn.BatchNorm2d(2),
        lib.nn.Flatten(),
        lib.nn.Linear(8, 3),
        lib.nn.LSTM(3, 2),
    )


def test_models_and_optimizers_move_both_ways(tmp_path):
    ours, theirs = model(torch), model(T)
    path = tmp_path / "model.pt"
    torch.save(ours.state_dict(), path)
    for options in ({}, {"mmap": True}):
        state = T.load(path, weights_only=True, **options)
        theirs.load_state_dict(state)
        assert_same(collections.OrderedDict(ours.state_dict()), theirs.state_dict())
    theirs = model(T)
    T.save(theirs.state_dict(), path)
    for options in ({}, {"mmap": True}):
        ours.load_state_dict(torch.load(path, **options))
        assert_same(collections.OrderedDict(ours.state_dict()), theirs.state_dict())

    x = np.random.rand(4, 8).astype("f4")
    states = []
    for lib, opt, net in ((torch, optim, nn.Linear(8, 3)), (T, T.optim, T.nn.Linear(8, 3))):
        adam = opt.Adam(net.parameters(), lr=0.1)
        net(lib.from_numpy(x)).sum().backward()
        adam.step()
        states.append(adam.state_dict())
    assert_same(states[0]["param_groups"][0]["betas"], ours_to_theirs(states[0])["param_groups"][0]["betas"])
    assert list(theirs_to_ours(states[1])["state"][0]) == list(states[0]["state"][0])
    T.optim.Adam(T.nn.Linear(8, 3).parameters()).load_state_dict(ours_to_theirs(states[0]))
    optim.Adam(nn.Linear(8, 3).parameters()).load_state_dict(theirs_to_ours(states[1]))


def test_bfloat16_is_widened():
    want = T.randn(5)
    with pytest.warns(UserWarning, match="bfloat16"):
        got = theirs_to_ours(want.bfloat16())
    assert_same(got, want.bfloat16().float())
    with pytest.warns(UserWarning, match="bfloat16"):
        got = ours_safetensors.load(safetensors.torch.save({"x": want.bfloat16()}))
    assert_same(got["x"], want.bfloat16().float())


@pytest.mark.parametrize(
    "value, named",
    [
        (T.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (T.ones(2, dtype=T.complex64), "ComplexFloatStorage"),
        (T.ones(2).to_sparse(), "sparse"),
        (T.ones(2, dtype=T.uint16), "_rebuild_tensor_v3|UntypedStorage|uint16"),
        (lambda: 0, None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_ours_is_refused_by_name(value, named):
    if named is None:
        pytest.raises(Exception, T.save, value, io.BytesIO())
        return
    with pytest.raises(UnpicklingError, match=named):
        theirs_to_ours({"x": value})


def test_locations():
    """A tensor from a GPU, forged by changing its location in a file."""
    file = io.BytesIO()
    T.save([T.ones(2)], file, _use_new_zipfile_serialization=False)
    gpu = file.getvalue().replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    for library in (torch, T):
        with pytest.raises(RuntimeError, match="CPU|cpu"):
            library.load(io.BytesIO(gpu))
        for where in ("cpu", library.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
            assert library.load(io.BytesIO(gpu), map_location=where)[0].tolist() == [1, 1]


def test_files_that_pytorch_refuses_we_refuse():
    for data in (b"", b"hello", b"PK\x03\x04", b"\x80\x02.", b"PK\x05\x06" + bytes(18)):
        for library in (torch, T):
            # PyTorch raises a KeyError for some: a mistake of its own
            with pytest.raises((RuntimeError, UnpicklingError, EOFError) if library is torch else Exception):
                library.load(io.BytesIO(data))


@pytest.mark.parametrize("zipped", [True, False])
def test_changed_files_of_pytorch_do_no_harm(zipped):
    file = io.BytesIO()
    T.save(
        {"w": T.arange(6.0).reshape(2, 3), "p": T.nn.Parameter(T.ones(2))},
        file,
        _use_new_zipfile_serialization=zipped,
    )
    data, rng = file.getvalue(), random.Random(2)
    for _ in range(500):
        bad = mutated(data, rng)
        tracemalloc.start()
        try:
            torch.load(io.BytesIO(bad))
        except (RuntimeError, UnpicklingError, EOFError, UserWarning):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(bad) + 300_000


# ---- safetensors


@given(
    st.dictionaries(st.text(max_size=3).filter(lambda s: s != "__metadata__"), TENSORS, max_size=5),
    st.one_of(st.none(), st.dictionaries(st.text(max_size=3), st.text(max_size=3), min_size=1, max_size=1)),
)
def test_safetensors_byte_for_byte(tensors, metadata):
    # metadata with one entry: its order is not defined in the library, and of none it writes no JSON
    tensors = {k: t.contiguous() for k, t in tensors.items()}
    raw = ours_safetensors.save(tensors, metadata)
    assert raw == safetensors.torch.save(to_torch(tensors), metadata)
    assert_same({k: tensors[k] for k in sorted(tensors)}, dict(sorted(safetensors.torch.load(raw).items())))
    assert_same(
        dict(sorted(ours_safetensors.load(raw).items())), to_torch({k: tensors[k] for k in sorted(tensors)})
    )
