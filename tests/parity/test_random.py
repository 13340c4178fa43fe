"""Random numbers, bit for bit as PyTorch draws them:
every function, every type, sizes around 16, states and generators."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import draws, pytorch
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

theirs = pytorch()
SIZES = [(), (0,), (1,), (2,), (3,), (7,), (15,), (16,), (17,), (31,), (32,), (33,), (5, 5), (40,), (1000,)]
FLOATS = ["float32", "float64", "float16"]
ALL = [*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool"]


def same_bits(ours, wanted, ulp=0):
    a, b = ours.detach().numpy(), wanted.detach().numpy()
    assert a.dtype == b.dtype and a.shape == b.shape
    if ulp and a.size:  # PyTorch's vectorized logarithms and cosines differ from NumPy's in the last digits
        np.testing.assert_allclose(a, b, rtol=0, atol=ulp * np.finfo(a.dtype).eps * max(1.0, np.abs(b).max()))
    else:
        np.testing.assert_array_equal(a, b)


def both(draw, seed, ulp=0):
    """The same draws on both sides; then one more uniform number,
    which shows that as many words were used."""
    theirs.manual_seed(seed), torch.manual_seed(seed)
    wanted = draw(theirs)
    same_bits(draw(torch), wanted, ulp)
    same_bits(torch.rand(3), theirs.rand(3))


@pytest.mark.parametrize("size", SIZES, ids=str)
@given(seed=st.integers(0, 2**64 - 1))
@draws(3)
def test_floats(size, seed):
    for name in FLOATS:
        dtype = lambda lib: getattr(lib, name)  # noqa: B023, E731
        both(lambda lib: lib.rand(size, dtype=dtype(lib)), seed)
        both(lambda lib: lib.randn(size, dtype=dtype(lib)), seed, 4)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).uniform_(-2, 3), seed)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).normal_(1, 0.5), seed, 4)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).exponential_(1.5), seed, 2)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).log_normal_(0.1, 0.5), seed, 2)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).geometric_(0.3), seed)
        if name != "float16":
            both(lambda lib: lib.empty(size, dtype=dtype(lib)).cauchy_(0.5, 0.1), seed, 4)
        both(lambda lib: lib.rand_like(lib.empty(size, dtype=dtype(lib))), seed)
        both(lambda lib: lib.randn_like(lib.empty(size, dtype=dtype(lib))), seed, 4)
        both(lambda lib: lib.bernoulli(lib.full(size, 0.3, dtype=dtype(lib))), seed)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).bernoulli_(lib.tensor(0.3)), seed)


@pytest.mark.parametrize("name", ALL)
@draws(5)
@given(seed=st.integers(0, 2**32), size=st.sampled_from(SIZES))
def test_whole_numbers(name, seed, size):
    dtype = lambda lib: getattr(lib, name)  # noqa: E731
    both(lambda lib: lib.empty(size, dtype=dtype(lib)).bernoulli_(0.7), seed)
    both(lambda lib: lib.empty(size, dtype=dtype(lib)).random_(), seed)
    if name != "bool":
        both(lambda lib: lib.randint(0, 100, size, dtype=dtype(lib)), seed)
        both(lambda lib: lib.empty(size, dtype=dtype(lib)).random_(3, 90), seed)
        both(lambda lib: lib.randint_like(lib.empty(size, dtype=dtype(lib)), 5), seed)


@draws(5)
@given(seed=st.integers(0, 2**32))
def test_ranges(seed):
    for low, high in ((-5, 5), (0, 2**31), (0, 2**32), (-(2**40), 2**40), (0, 2**62)):
        both(lambda lib: lib.randint(low, high, (20,)), seed)  # noqa: B023
    for n in (0, 1, 2, 5, 100, 30000):
        both(lambda lib: lib.randperm(n), seed)  # noqa: B023


@draws(5)
@given(seed=st.integers(0, 2**32))
def test_normal_of_tensors(seed):
    for size in ((3,), (16,), (20,)):
        both(lambda lib: lib.normal(lib.arange(size[0]) * 1.0, lib.full(size, 0.5)), seed, 8)  # noqa: B023
        both(lambda lib: lib.normal(2.0, lib.full(size, 0.5)), seed, 8)  # noqa: B023
        both(lambda lib: lib.normal(lib.full(size, 0.5), 2.0), seed, 8)  # noqa: B023
        both(lambda lib: lib.normal(1.0, 2.0, size), seed, 8)  # noqa: B023


@draws(5)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 40), k=st.integers(1, 5))
def test_multinomial(seed, n, k):
    weights = np.random.default_rng(seed).random((3, n)).astype(np.float32) + np.float32(0.01)
    for w in (weights, weights[0], weights.astype(np.float64)):
        both(lambda lib: lib.multinomial(lib.from_numpy(w.copy()), k, True), seed)  # noqa: B023
        if k <= n:
            both(lambda lib: lib.multinomial(lib.from_numpy(w.copy()), k), seed)  # noqa: B023


@draws(5)
@given(seed=st.integers(0, 2**32))
def test_counts(seed):
    rates = np.random.default_rng(seed).exponential(15, 30)
    p = np.random.default_rng(seed).random(30)
    both(lambda lib: lib.poisson(lib.from_numpy(rates)), seed)
    both(lambda lib: lib.binomial(lib.from_numpy(np.floor(rates * 5)), lib.from_numpy(p)), seed)


@given(seed=st.integers(-(2**63), 2**64 - 1))
def test_generators_and_seeds(seed):
    mine, other = torch.Generator(), theirs.Generator()
    assert mine.manual_seed(seed) is mine and mine.initial_seed() == other.manual_seed(seed).initial_seed()
    for n in (3, 20):
        same_bits(torch.randn(n, generator=mine), theirs.randn(n, generator=other), 4)
    state = mine.get_state()
    first = torch.randn(5, generator=mine).tolist()
    mine.set_state(state)
    assert torch.randn(5, generator=mine).tolist() == first


def test_a_normal_number_is_kept_for_the_next_scalar_draw():
    for sizes in ((1, 1, 1), (3, 2), (1, 20, 1), (5, 16, 2)):
        theirs.manual_seed(3), torch.manual_seed(3)
        for n in sizes:
            same_bits(torch.randn(n), theirs.randn(n), 4)
        theirs.manual_seed(3), torch.manual_seed(3)
        same_bits(torch.randn(1), theirs.randn(1), 4)


@pytest.mark.parametrize(
    "draw",
    [
        lambda lib: lib.randn(3, dtype=lib.int64),
        lambda lib: lib.rand(3, dtype=lib.bool),
        lambda lib: lib.randint(5, 5, (2,)),
        lambda lib: lib.randint(5, 3, (2,)),
        lambda lib: lib.randperm(-1),
        lambda lib: lib.rand(-1),
        lambda lib: lib.empty(2).normal_(0, -1),
        lambda lib: lib.empty(2).uniform_(2, 1),
        lambda lib: lib.empty(2).exponential_(-1),
        lambda lib: lib.empty(2).geometric_(1.5),
        lambda lib: lib.empty(2).cauchy_(0, -1),
        lambda lib: lib.empty(2).log_normal_(0, -1),
        lambda lib: lib.empty(2).bernoulli_(2),
        lambda lib: lib.bernoulli(lib.tensor([2.0])),
        lambda lib: lib.multinomial(lib.tensor([1.0, 2.0]), 3),
        lambda lib: lib.multinomial(lib.tensor([-1.0, 2.0]), 1),
        lambda lib: lib.multinomial(lib.tensor([0.0, 0.0]), 1),
        lambda lib: lib.multinomial(lib.tensor([1, 2]), 1),
        lambda lib: lib.multinomial(lib.tensor([1.0, 2.0]), 0),
        lambda lib: lib.poisson(lib.tensor([-1.0])),
        lambda lib: lib.normal(lib.zeros(2), lib.tensor([-1.0, 1.0])),
        lambda lib: lib.manual_seed(2**64),
        lambda lib: lib.rand("three"),
        lambda lib: lib.randn(3, generator=4),
    ],
)
def test_what_is_refused(draw):
    with pytest.raises(Exception) as wanted:  # noqa: PT011, B017
        draw(theirs)
    kind = next(k for k in type(wanted.value).__mro__ if k.__module__ == "builtins")
    with pytest.raises(kind):
        draw(torch)
