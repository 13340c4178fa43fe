"""Datasets, samplers, the DataLoader and workers that fail in every way; orders frozen from PyTorch."""

from __future__ import annotations

import collections
import multiprocessing
import os
import pickle
import random
import signal
import time

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.utils import data
from tinygrad6.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # a machine may have one core
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),  # 3.12 on, where BLAS has threads
]
METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]


class Numbers(Dataset):
    """0 ... n - 1, and what happens when one of them is asked for."""

    def __init__(self, n, event=None, at=None):
        self.n, self.event, self.at = n, event, at

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.at:
            self.event()
        return i


class Stream(IterableDataset):
    """0 ... n - 1, divided among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


class Draws(Dataset):
    """What random numbers a worker sees."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        info = data.get_worker_info()
        seed = 0 if info is None else info.seed
        return seed, torch.randint(0, 1000, (1,)).item(), random.random(), float(np.random.rand())


def fail():
    raise ValueError("no number seven")


def missing():
    raise KeyError("lost")


class Fussy(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


def fuss():
    raise Fussy(1, 2)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def sleep():
    time.sleep(60)


def one(batch):
    return batch[0]


# ---- orders


def test_shuffling_is_pytorchs_order():
    torch.manual_seed(0)
    loader = DataLoader(range(10), batch_size=4, shuffle=True)
    assert [b.tolist() for b in loader] == [[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]]
    assert [b.tolist() for b in loader] == [[2, 4, 7, 0], [8, 9, 5, 3], [6, 1]]


def test_a_generator_decides_alone():
    def order():
        g = torch.Generator().manual_seed(7)
        return [b.tolist() for b in DataLoader(range(9), batch_size=2, shuffle=True, generator=g)]

    first = order()
    torch.manual_seed(99)
    assert order() == first
    assert sorted(i for b in first for i in b) == list(range(9))


def test_random_split_of_fractions_gives_the_rest_to_the_first():
    parts = data.random_split(range(10), [0.34, 0.33, 0.33], generator=torch.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [4, 3, 3]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    with pytest.warns(UserWarning, match="index 1 is 0"):
        data.random_split(range(3), [1.0, 0.0])


def test_samplers():
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(data.BatchSampler(range(5), 2, True)) == 2 and len(data.BatchSampler(range(5), 2, False)) == 3
    assert sorted(data.RandomSampler(range(5), num_samples=10)) == sorted(2 * list(range(5)))
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=70))
    assert len(drawn) == 70 and set(drawn) == {0, 1, 2}
    assert sorted(data.SubsetRandomSampler([3, 5, 8])) == [3, 5, 8]
    assert list(data.WeightedRandomSampler([0.0, 1.0, 0.0], 4)) == [1, 1, 1, 1]
    assert sorted(data.WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]


# ---- datasets


def test_datasets_compose():
    a, b = TensorDataset(torch.arange(3)), TensorDataset(torch.arange(3, 5))
    both = a + b
    assert len(both) == 5 and both[3] == (torch.tensor(3),) and both[-1] == (torch.tensor(4),)
    assert data.StackDataset(a, a)[1] == ((torch.tensor(1),),) * 2
    assert data.StackDataset(x=range(3), y=range(3)).__getitems__([2, 0]) == [
        {"x": 2, "y": 2},
        {"x": 0, "y": 0},
    ]
    assert Subset(range(10), [7, 8])[1] == 8 and len(Subset(range(10), [7, 8])) == 2
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: TensorDataset(torch.ones(2), torch.ones(3)), AssertionError),
        (lambda: data.StackDataset(), ValueError),
        (lambda: data.StackDataset(range(2), range(3)), ValueError),
        (lambda: data.StackDataset(range(2), x=range(2)), ValueError),
        (lambda: data.ConcatDataset([]), AssertionError),
        (lambda: data.ConcatDataset([Stream(1)]), AssertionError),
        (lambda: data.ConcatDataset([range(2)])[-3], ValueError),
        (lambda: list(data.ChainDataset([range(2)])), AssertionError),
        (lambda: Dataset()[0], NotImplementedError),
        (lambda: data.random_split(range(3), [1, 1]), ValueError),
        (lambda: data.random_split(range(3), [1.5, -0.5]), ValueError),
        (lambda: data.RandomSampler(range(3), replacement=1), TypeError),
        (lambda: data.RandomSampler([]), ValueError),
        (lambda: data.WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda: data.BatchSampler(range(3), True, False), ValueError),
        (lambda: data.BatchSampler(range(3), 2, 0), ValueError),
        (lambda: DataLoader(range(3), batch_size=0), ValueError),
        (lambda: DataLoader(range(3), num_workers=-1), ValueError),
        (lambda: DataLoader(range(3), timeout=-1), ValueError),
        (lambda: DataLoader(range(3), prefetch_factor=2), ValueError),
        (lambda: DataLoader(range(3), num_workers=1, prefetch_factor=0), ValueError),
        (lambda: DataLoader(range(3), persistent_workers=True), ValueError),
        (lambda: DataLoader(range(3), shuffle=True, sampler=[0]), ValueError),
        (lambda: DataLoader(range(3), batch_sampler=[[0]], drop_last=True), ValueError),
        (lambda: DataLoader(range(3), batch_size=None, drop_last=True), ValueError),
        (lambda: DataLoader(range(3), multiprocessing_context="fork"), ValueError),
        (lambda: DataLoader(range(3), num_workers=1, multiprocessing_context="forkk"), ValueError),
        (lambda: DataLoader(range(3), num_workers=1, multiprocessing_context=3), TypeError),
        (lambda: DataLoader(Stream(3), shuffle=True), ValueError),
        (lambda: DataLoader(Stream(3), sampler=[0]), ValueError),
        (lambda: iter(DataLoader(range(3), timeout=1)), AssertionError),
        (lambda: setattr(DataLoader(range(3)), "batch_size", 2), ValueError),
        (lambda: pickle.dumps(iter(DataLoader(range(3)))), NotImplementedError),
        (lambda: list(DataLoader([object()])), TypeError),
        (lambda: list(DataLoader([[1], [1, 2]], batch_size=2)), RuntimeError),
        (lambda: list(DataLoader([torch.ones(1), torch.ones(2)], batch_size=2)), RuntimeError),
        (lambda: list(DataLoader(TensorDataset(torch.ones(2)), sampler=[5])), IndexError),
    ],
)
def test_mistakes_raise(make, error):
    with pytest.raises(error):
        make()


def test_a_subset_that_would_be_bypassed_is_refused():
    class Doubled(Subset):
        def __getitem__(self, i):
            return 2 * super().__getitem__(i)

    with pytest.raises(NotImplementedError, match="__getitems__"):
        Doubled(range(3), [0])


# ---- batches


def test_collate_keeps_the_shape_of_samples():
    Point = collections.namedtuple("Point", "x y")
    sample = {
        "t": torch.ones(2),
        "n": np.arange(3),
        "f": 1.5,
        "i": 2,
        "s": "a",
        "p": Point(1, 2),
        "l": [1, (2, 3)],
    }
    batch = data.default_collate([sample, sample])
    assert batch["t"].shape == (2, 2) and batch["n"].dtype == torch.int64 and batch["n"].shape == (2, 3)
    assert batch["f"].dtype == torch.float64 and batch["i"].tolist() == [2, 2] and batch["s"] == ["a", "a"]
    assert isinstance(batch["p"], Point) and batch["p"].y.tolist() == [2, 2]
    assert batch["l"][1][0].tolist() == [2, 2]
    assert data.default_collate([np.float32(1), np.float32(2)]).dtype == torch.float32
    converted = data.default_convert({"a": np.arange(2), "b": (np.float32(1), "x")})
    assert converted["a"].tolist() == [0, 1] and converted["b"][1] == "x"


def test_users_can_teach_collate_a_type():
    class Odd:
        pass

    data.default_collate_fn_map[Odd] = lambda batch, *, collate_fn_map=None: len(batch)
    try:
        assert data.default_collate([Odd(), Odd()]) == 2
    finally:
        del data.default_collate_fn_map[Odd]


@pytest.mark.parametrize("nested", [False, True])
def test_the_quick_way_gives_what_the_long_way_gives(nested):
    tensors = torch.randn(20, 3, 2).transpose(1, 2), torch.arange(20), torch.randn(3, 20).T
    dataset = TensorDataset(*tensors)
    order = [3, -1, 3, 0]
    if nested:
        dataset = Subset(Subset(dataset, list(range(19, -1, -1))), list(range(0, 20, 2)) * 2)
    quick = next(iter(DataLoader(dataset, batch_size=4, sampler=order)))
    slow = next(
        iter(DataLoader(dataset, batch_size=4, sampler=order, collate_fn=lambda b: data.default_collate(b)))
    )
    assert type(quick) is type(slow) and len(quick) == 3
    for a, b in zip(quick, slow):
        assert a.dtype == b.dtype and a.is_contiguous() and torch.equal(a, b)
    assert not np.shares_memory(quick[0].numpy(), tensors[0].numpy())


def test_batches_of_tensors_with_gradients_are_differentiable():
    w = torch.ones(4, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(w), batch_size=2)))
    batch.sum().backward()
    assert w.grad.tolist() == [1, 1, 0, 0]


def test_an_overridden_getitem_is_respected():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            return tuple(2 * t for t in super().__getitem__(i))

    (batch,) = next(iter(DataLoader(Doubled(torch.arange(4)), batch_size=3)))
    assert batch.tolist() == [0, 2, 4]


def test_without_batches_samples_come_as_they_are():
    assert [x for x in DataLoader(["a", "b"], batch_size=None)] == ["a", "b"]
    assert [x.tolist() for x in DataLoader([np.arange(2)], batch_size=None)] == [[0, 1]]
    assert list(DataLoader(range(10), batch_sampler=[[1, 2], [3]], collate_fn=list)) == [[1, 2], [3]]
    assert len(DataLoader(range(10), batch_sampler=[[1, 2], [3]])) == 2


def test_streams():
    loader = DataLoader(Stream(5), batch_size=2, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3]]
    with pytest.raises(TypeError):
        len(loader)

    class Liar(Stream):
        def __len__(self):
            return 1

    loader = DataLoader(Liar(2))
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="reported to be 1"):
        list(loader)


def test_pinning_says_that_it_does_nothing():
    with pytest.warns(UserWarning, match="pin_memory"):
        list(DataLoader(range(2), pin_memory=True))


# ---- worker processes


@pytest.mark.parametrize("method", METHODS)
def test_workers_give_the_same_batches_in_the_same_order(method):
    def batches(**options):
        torch.manual_seed(5)
        dataset = TensorDataset(torch.arange(40), torch.randn(40, 3))
        return [
            (a.tolist(), b.tolist()) for a, b in DataLoader(dataset, batch_size=3, shuffle=True, **options)
        ]

    here = batches()
    assert batches(num_workers=2, multiprocessing_context=method) == here


def test_seeds_of_workers_are_pytorchs():
    g = torch.Generator().manual_seed(0)
    rows = list(DataLoader(Draws(), batch_size=None, num_workers=2, generator=g))
    base = torch.Generator().manual_seed(0).word64() % 2**63
    assert [r[0] for r in rows] == [base, base + 1, base, base + 1]
    state = np.random.RandomState(
        np.random.SeedSequence([1, base & 0xFFFFFFFF, base >> 32]).generate_state(4)
    )
    assert rows[1][3] == state.rand()
    assert rows[1][2] == random.Random(base + 1).random()
    torch.manual_seed(base)
    assert rows[0][1] == torch.randint(0, 1000, (1,)).item()
    assert data.get_worker_info() is None


def test_streams_are_divided_and_end_at_different_times():
    loader = DataLoader(Stream(9), batch_size=2, num_workers=2)
    assert [b.tolist() for b in loader] == [[0, 2], [1, 3], [4, 6], [5, 7], [8]]
    assert [b.tolist() for b in DataLoader(Stream(1), num_workers=2)] == [[0]]
    assert list(DataLoader(Stream(3), batch_size=None, num_workers=2)) == [0, 1, 2]


def test_persistent_workers_live_on():
    loader = DataLoader(
        Draws(), batch_size=1, num_workers=1, persistent_workers=True, collate_fn=lambda b: os.getpid()
    )
    pids = {pid for _ in range(2) for pid in loader}
    for _ in loader:  # a pass that is broken off leaves nothing behind
        break
    pids |= set(loader)
    assert len(pids) == 1 and os.getpid() not in pids
    assert len(list(loader)) == 4


def test_persistent_workers_that_died_are_replaced(tmp_path):
    flag = tmp_path / "died"

    def die_once():
        if not flag.exists():
            flag.touch()
            die()

    loader = DataLoader(Numbers(4, die_once, 2), num_workers=1, persistent_workers=True)
    with pytest.raises(RuntimeError, match="SIGKILL"):
        list(loader)
    assert [b.item() for b in loader] == [0, 1, 2, 3]


@pytest.mark.parametrize("event, error", [(fail, ValueError), (missing, KeyError), (fuss, RuntimeError)])
def test_an_exception_in_a_worker_is_raised_here_with_its_traceback(event, error):
    it = iter(DataLoader(Numbers(8, event, 5), batch_size=2, num_workers=1))
    assert next(it).tolist() == [0, 1]
    next(it)
    with pytest.raises(error) as caught:
        next(it)
    text = str(caught.value)
    assert "in DataLoader worker process 0" in text and "__getitem__" in text and "\n" in text
    assert next(it).tolist() == [6, 7]  # the worker goes on


def test_what_cannot_be_sent_is_said():
    with pytest.raises(Exception, match="pickle|local object"):
        list(DataLoader(range(2), num_workers=1, collate_fn=lambda b: lambda: b))


def test_a_broken_init_function_is_raised():
    def init(worker):
        raise ValueError("init")

    with pytest.raises(ValueError, match="worker process 0"):
        list(DataLoader(range(2), num_workers=1, worker_init_fn=init))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("event, fate", [(die, "SIGKILL"), (leave, "exit code 3")])
def test_a_worker_that_dies_is_reported_at_once(event, fate, method):
    start, before = time.monotonic(), set(multiprocessing.active_children())
    with pytest.raises(RuntimeError, match=f"exited unexpectedly.*{fate}"):
        list(DataLoader(Numbers(20, event, 9), batch_size=2, num_workers=2, multiprocessing_context=method))
    assert time.monotonic() - start < (5 if method == "fork" else 20)  # starting takes a second or more
    assert set(multiprocessing.active_children()) <= before


def test_a_worker_killed_while_it_sends_is_reported():
    """From outside, with a batch half sent."""
    loader = DataLoader(range(4), num_workers=1, collate_fn=lambda b: np.zeros(1 << 24))
    it = iter(loader)
    next(it)
    time.sleep(0.1)
    os.kill(it.team.processes[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="SIGKILL"):
        list(it)


def test_a_worker_that_hangs_runs_into_the_timeout():
    it = iter(DataLoader(Numbers(2, sleep, 0), num_workers=1, timeout=0.3))
    with pytest.raises(RuntimeError, match="timed out after 0.3 seconds"):
        next(it)
    it.team.processes[0].kill()


def test_a_pass_that_is_dropped_ends_its_workers():
    it = iter(DataLoader(range(1000), num_workers=2, collate_fn=lambda b: np.zeros(1 << 20)))
    next(it)
    processes = list(it.team.processes)
    del it
    assert not any(p.is_alive() for p in processes)


def test_loaders_side_by_side_end_independently():
    """Workers forked later hold copies of the pipes of earlier ones, which must close all the same."""
    first = iter(DataLoader(range(9), num_workers=1))
    second = iter(DataLoader(range(9), num_workers=1))
    process, start = first.team.processes[0], time.monotonic()
    del first
    assert not process.is_alive() and time.monotonic() - start < 3
    assert len(list(second)) == 9


def test_batches_as_they_come():
    class Uneven(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            time.sleep(0.5 if i == 0 else 0)
            return i

    got = [b.item() for b in DataLoader(Uneven(), num_workers=2, in_order=False)]
    assert sorted(got) == list(range(6)) and got[0] != 0


def test_large_index_lists_and_large_batches_do_not_lock_up():
    """More than a pipe holds, in both directions at once."""
    n = 300_000
    loader = DataLoader(TensorDataset(torch.arange(4 * n)), batch_size=n, num_workers=1, prefetch_factor=4)
    assert [b.sum().item() for (b,) in loader] == [sum(range(i * n, (i + 1) * n)) for i in range(4)]
