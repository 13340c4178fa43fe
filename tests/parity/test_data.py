"""utils.data against torch.utils.data: orders, batches, seeds of workers, errors."""

from __future__ import annotations

import collections
import random
import warnings

import numpy as np
import pytest
import torch as T
import torch.utils.data as D
from helpers import assert_same, same, to_torch
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6.utils import data

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]


def both(function, seed=0):
    """The same function of (torch, torch.utils.data) on either side, from the same seed:
    results or errors agree."""
    T.manual_seed(seed)
    torch.manual_seed(seed)
    try:
        theirs = function(T, D)
    except Exception as e:
        with pytest.raises(type(e)):
            function(torch, data)
        return
    assert_same(function(torch, data), theirs)
    assert torch.rand(3).tolist() == T.rand(3).tolist(), "one side drew more random numbers"


def test_the_names_are_there():
    for name in D.__all__:
        if (
            not any(part in name for part in ("Pipe", "datapipe", "Chunk", "_", "Distributed"))
            and name != "Distributed"
        ):
            assert hasattr(data, name), name


@given(
    n=st.integers(0, 20),
    batch_size=st.one_of(st.none(), st.integers(0, 7)),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    own=st.booleans(),
    seed=st.integers(0, 2**63),
)
def test_loaders(n, batch_size, shuffle, drop_last, own, seed):
    def passes(lib, d):
        g = lib.Generator().manual_seed(seed + 1) if own else None
        dataset = d.TensorDataset(lib.arange(n), lib.arange(2 * n).reshape(n, 2).double())
        loader = d.DataLoader(dataset, batch_size, shuffle, drop_last=drop_last, generator=g)
        return [list(loader), list(loader), len(loader)]

    both(passes, seed % 2**32)


@given(
    n=st.integers(1, 12),
    num_samples=st.one_of(st.none(), st.integers(-1, 70)),
    replacement=st.booleans(),
    seed=st.integers(0, 99),
)
def test_samplers(n, num_samples, replacement, seed):
    both(lambda lib, d: list(d.RandomSampler(range(n), replacement, num_samples)), seed)
    both(lambda lib, d: list(d.SubsetRandomSampler(list(range(0, 3 * n, 3)))), seed)
    weights = [0.5 + i % 3 for i in range(n)]
    both(lambda lib, d: list(d.WeightedRandomSampler(weights, num_samples or 0, replacement)), seed)
    both(lambda lib, d: list(d.BatchSampler(d.RandomSampler(range(n)), 3, replacement)), seed)


@given(
    n=st.integers(0, 30), parts=st.lists(st.integers(0, 10), min_size=1, max_size=4), seed=st.integers(0, 99)
)
def test_random_split(n, parts, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both(lambda lib, d: [s.indices for s in d.random_split(range(sum(parts)), parts)], seed)
        if sum(parts):
            fractions = [p / sum(parts) for p in parts]
            both(lambda lib, d: [s.indices for s in d.random_split(range(n), fractions)], seed)
    both(lambda lib, d: [s.indices for s in d.random_split(range(n), parts)], seed)


Point = collections.namedtuple("Point", "x y")


@given(
    st.recursive(
        st.one_of(
            st.integers(-5, 5),
            st.floats(-1, 1),
            st.booleans(),
            st.text(max_size=2),
            st.sampled_from(
                [np.float32(1.5), np.int16(3), np.arange(3), np.ones((2, 1), np.float32), np.array(["s"])]
            ),
            st.sampled_from([torch.ones(2), torch.arange(2), torch.tensor(True)]),
            st.none(),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.tuples(inner, inner),
            st.builds(Point, inner, inner),
            st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        ),
        max_leaves=6,
    )
)
def test_collate(sample):
    def theirs(value):
        if isinstance(value, Point):
            return Point(*map(theirs, value))
        if isinstance(value, (list, tuple)):
            return type(value)(map(theirs, value))
        return {k: theirs(v) for k, v in value.items()} if isinstance(value, dict) else to_torch(value)

    def check(ours, other):
        assert type(ours).__name__ == type(other).__name__
        if isinstance(other, T.Tensor):
            assert_same(ours, other)
        elif isinstance(other, dict):
            assert list(ours) == list(other)
            [check(ours[k], other[k]) for k in other]
        elif isinstance(other, (list, tuple)):
            assert len(ours) == len(other)
            [check(a, b) for a, b in zip(ours, other)]
        else:
            assert np.array_equal(ours, other)

    for name, argument in (("default_collate", [sample, sample]), ("default_convert", sample)):
        try:
            expected = getattr(D, name)(theirs(argument))
        except Exception as e:
            with pytest.raises(type(e)):
                getattr(data, name)(argument)
        else:
            check(getattr(data, name)(argument), expected)


class Draws:
    """Everything random that a sample could use, in a worker of either library."""

    def __init__(self, lib, d):
        self.lib, self.d = lib, d

    def __len__(self):
        return 6

    def __getitem__(self, i):
        info = self.d.get_worker_info()
        return info.id, info.seed, self.lib.rand(2).tolist(), random.random(), float(np.random.rand())


@pytest.mark.parametrize("workers", [1, 2])
def test_workers(workers):
    for shuffle in (False, True):
        T.manual_seed(3)
        theirs = list(D.DataLoader(Draws(T, D), 2, shuffle, num_workers=workers))
        torch.manual_seed(3)
        ours = list(data.DataLoader(Draws(torch, data), 2, shuffle, num_workers=workers))
        assert_same(ours, theirs)


class Part:
    def __init__(self, d, sizes):
        self.d, self.sizes = d, sizes

    def __iter__(self):
        info = self.d.get_worker_info()
        start = sum(self.sizes[: info.id])
        return iter(range(start, start + self.sizes[info.id]))


class OurPart(Part, data.IterableDataset): ...


class TheirPart(Part, D.IterableDataset): ...


@pytest.mark.parametrize("sizes", [(5, 2), (0, 3), (1, 0), (0, 0)])
@pytest.mark.parametrize("batch_size, drop_last", [(2, False), (2, True), (None, False)])
def test_streams_from_workers(sizes, batch_size, drop_last):
    theirs = list(D.DataLoader(TheirPart(D, sizes), batch_size, num_workers=2, drop_last=drop_last))
    ours = list(data.DataLoader(OurPart(data, sizes), batch_size, num_workers=2, drop_last=drop_last))
    assert_same(ours, theirs)


class Five:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return i


def test_what_loaders_show():
    def run(torch):
        data = torch.utils.data
        both = data.ConcatDataset([Five(), Five()])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            old = both.cummulative_sizes
        whole, single = data.DataLoader(Five(), batch_size=2), data.DataLoader(Five(), batch_size=None)
        return [
            both.cumsum([[1], [2, 3]]), old, [w.category.__name__ for w in caught],
            [type(d._index_sampler).__name__ for d in (whole, single)],
            [d._auto_collation for d in (whole, single)], [len(whole), len(single)],
        ]  # fmt: skip

    same(run)
