"""torch.multiprocessing: spawned functions run, their errors come back, shared tensors are shared."""

from __future__ import annotations

import os
import time

import pytest

import tinygrad6 as torch
import tinygrad6.multiprocessing as mp


def write(rank, shared, own):
    shared[rank] = rank + 1
    own += 1


def fail(rank):
    if rank == 1:
        raise ValueError("the second is wrong")
    time.sleep(30)


def leave(rank):
    os._exit(3)


def put(rank, queue):
    queue.put((rank, torch.full((2,), float(rank))))


@pytest.mark.skipif("fork" not in mp.get_all_start_methods(), reason="needs fork")
def test_forked_processes_share_what_was_shared():
    shared, own = torch.zeros(2).share_memory_(), torch.zeros(2)
    assert mp.start_processes(write, (shared, own), nprocs=2, start_method="fork") is None
    assert shared.tolist() == [1, 2] and own.tolist() == [0, 0]


def learn(rank, net):
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    net.register_buffer("own", torch.ones(1))  # of this process alone


@pytest.mark.skipif("fork" not in mp.get_all_start_methods(), reason="needs fork")
def test_forked_processes_train_one_shared_module():
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1)).eval()
    before = net[0].bias.item()
    assert net.share_memory() is net and all(t.is_shared() for t in net.state_dict(keep_vars=True).values())
    mp.start_processes(learn, (net,), nprocs=1, start_method="fork")
    assert net[0].bias.item() == pytest.approx(before - 1, abs=1e-4) and not hasattr(net, "own")


def test_an_error_comes_back_and_ends_the_others():
    start = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException, match="Process 1 (?s:.)*the second is wrong") as e:
        mp.spawn(fail, nprocs=2)
    assert e.value.error_index == 1 and time.monotonic() - start < 20
    context = mp.start_processes(leave, join=False, start_method="fork")
    with pytest.raises(mp.ProcessExitedException, match="exit code 3"):
        context.join()


def test_tensors_go_through_queues():
    queue = mp.get_context("fork").Queue()
    context = mp.start_processes(put, (queue,), nprocs=2, join=False, start_method="fork")
    got = dict(queue.get(timeout=30) for _ in range(2))
    while not context.join():
        pass
    assert {k: v.tolist() for k, v in got.items()} == {0: [0, 0], 1: [1, 1]}


def test_sharing_strategies():
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="pigeon"):
        mp.set_sharing_strategy("pigeon")
