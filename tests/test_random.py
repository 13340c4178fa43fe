"""Random draws, frozen from PyTorch 2.13: a seeded script gives these numbers with either library,
here without torch."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

import tinygrad6 as torch

GOLDEN = {
    "rand(5)": [
        0.8822692632675171,
        0.9150039553642273,
        0.38286375999450684,
        0.9593056440353394,
        0.3904482126235962,
    ],
    "rand(3, dtype=torch.float64)": [0.05815448596142969, 0.06291016742457756, 0.12358607277440903],
    "rand(3, dtype=torch.float16)": [0.88232421875, 0.9150390625, 0.3828125],
    "randn(5)": [
        0.33669036626815796,
        0.12880940735340118,
        0.23446236550807953,
        0.23033303022384644,
        -1.1228563785552979,
    ],
    "randn(3, dtype=torch.float64)": [0.33669035438385886, 0.1288094051365897, 0.23446236336153173],
    "randn(17)[-5:]": [
        -0.2316243201494217,
        0.041759490966796875,
        -0.2515752911567688,
        0.859858512878418,
        -0.3097267746925354,
    ],
    "randint(0, 100, (8,))": [42, 67, 76, 14, 26, 35, 20, 24],
    "randint(0, 2**30, (4,))": [199900595, 787846414, 127521863, 415968276],
    "randint(-(2**40), 2**40, (3,))": [-658003837517, 395924837646, -640896347065],
    "randperm(10)": [2, 6, 1, 8, 4, 5, 0, 9, 3, 7],
    "empty(5).uniform_(-2, 3)": [
        2.411346435546875,
        2.5750198364257812,
        -0.08568120002746582,
        2.7965283393859863,
        -0.04775893688201904,
    ],
    "empty(3, dtype=torch.float64).uniform_(-2, 3)": [
        -1.7092275701928514,
        -1.6854491628771122,
        -1.3820696361279547,
    ],
    "empty(5).normal_(1, 0.5)": [
        1.1683452129364014,
        1.0644047260284424,
        1.1172311305999756,
        1.1151665449142456,
        0.4385718107223511,
    ],
    "empty(5).exponential_(1.5)": [
        0.039942678064107895,
        0.04331741854548454,
        0.08794452250003815,
        0.03600863367319107,
        0.49794045090675354,
    ],
    "empty(5).geometric_(0.3)": [8.0, 8.0, 6.0, 9.0, 2.0],
    "empty(4).cauchy_()": [-5.412487506866455, -4.993700981140137, -2.4448742866516113, -5.9986395835876465],
    "empty(4).log_normal_()": [5.330157279968262, 3.5170366764068604, 4.3445611000061035, 4.308828353881836],
    "empty(8).bernoulli_(0.3)": [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    "bernoulli(torch.full((8,), 0.3))": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "empty(4, dtype=torch.int64).random_()": [
        6909045637428952499,
        8314211556539077902,
        4279532810384561223,
        1819927849474927636,
    ],
    "empty(4, dtype=torch.uint8).random_()": [102, 179, 92, 14],
    "multinomial(torch.tensor([0.1, 0.2, 0.7]), 6, True)": [0, 0, 1, 0, 2, 2],
    "multinomial(torch.tensor([0.1, 0.2, 0.7]), 3)": [2, 1, 0],
    "poisson(torch.tensor([0.5, 4.0, 40.0, 400.0]))": [0.0, 1.0, 26.0, 399.0],
    "binomial(torch.tensor([5.0, 50.0, 500.0]), torch.tensor([0.3, 0.6, 0.1]))": [0.0, 37.0, 36.0],
    "normal(torch.arange(3.0), torch.full((3,), 0.5))": [
        0.16834518313407898,
        1.0644047260284424,
        2.1172311305999756,
    ],
}
DIGESTS = {
    "rand(100_000)": "c4deea25dc62a873",
    "rand(10_001, dtype=torch.float64)": "9c57b4e3b674cd35",
    "randint(0, 1000, (100_000,))": "c1d8971e827f69e1",
    "randint(0, 2**31, (10_000,))": "5293c64eb1ff310a",
    "randperm(10_000)": "2a4f912f5aed44d5",
    "empty(10_001).uniform_(-0.1, 0.1)": "191a03a27de82252",
    "empty(10_001).bernoulli_(0.5)": "38244807fe1985cc",
    "empty(1_000).geometric_(0.1)": "2af817acdb69b202",
}


@pytest.mark.parametrize("call", GOLDEN)
def test_golden_draws(call):
    torch.manual_seed(42)
    got = eval(f"torch.{call}")
    wanted = np.array(GOLDEN[call], got.numpy().dtype)
    np.testing.assert_allclose(
        got.numpy(), wanted, rtol=4 * np.finfo(wanted.dtype).eps if got.is_floating_point() else 0
    )


@pytest.mark.parametrize("call", DIGESTS)
def test_long_draws_are_equal_to_the_last_bit(call):
    torch.manual_seed(7)
    got = eval(f"torch.{call}").numpy()
    assert hashlib.sha256(np.ascontiguousarray(got).tobytes()).hexdigest()[:16] == DIGESTS[call]


def test_the_seed_decides_and_only_its_low_32_bits():
    torch.manual_seed(5)
    first = torch.rand(4).tolist()
    torch.manual_seed(5 + 2**32)
    assert torch.rand(4).tolist() == first and torch.initial_seed() == 5 + 2**32
    torch.manual_seed(6)
    assert torch.rand(4).tolist() != first


def test_a_state_goes_on_from_where_it_was():
    torch.manual_seed(1)
    torch.randn(3)  # leaves the second of a pair of normal numbers waiting
    state = torch.get_rng_state()
    first = torch.randn(5).tolist() + torch.rand(700).tolist()
    torch.set_rng_state(state)
    assert torch.randn(5).tolist() + torch.rand(700).tolist() == first
    assert state.dtype == torch.uint8
    with pytest.raises(RuntimeError, match="set_state"):
        torch.set_rng_state(state[:-1])


def test_generators_are_independent_and_pickle():
    g = torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    before = torch.get_rng_state().tolist()
    torch.rand(3, generator=g)
    assert torch.get_rng_state().tolist() == before
    twin = pickle.loads(pickle.dumps(g))
    assert torch.randn(20, generator=g).tolist() == torch.randn(20, generator=twin).tolist()
    clone = g.clone_state()
    assert torch.rand(5, generator=g).tolist() == torch.rand(5, generator=clone).tolist()


def test_fork_rng_leaves_the_stream_alone():
    torch.manual_seed(0)
    first = torch.rand(2).tolist()
    torch.manual_seed(0)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.rand(2).tolist() == first


def test_an_empty_draw_takes_nothing():
    torch.manual_seed(0)
    first = torch.rand(2).tolist()
    torch.manual_seed(0)
    torch.rand(0), torch.randn(0, 3), torch.randint(0, 9, (0,)), torch.randperm(0), torch.randperm(1)
    assert torch.rand(2).tolist() == first
