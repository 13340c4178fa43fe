"""Threads: models of their own, one model, common leaves, one generator; the same bits in every run.

Rules. Threads may train models of their own, call one model, and make backward passes whose graphs share
leaves: gradients are added without loss, in an order left to chance. Grad mode and the like are each
thread's own. What one thread changes in place while another computes with it is up to the program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from test_memory import Net, trainer

import tinygrad6 as torch
from tinygrad6 import threads


@pytest.fixture(autouse=True)
def impatient():
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work, n=8):
    """[work(0), ..., work(n - 1)], each in a thread, all started at one moment."""
    found, errors, start = [None] * n, [], threading.Barrier(n)

    def run(i):
        start.wait()
        try:
            found[i] = work(i)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return found


def test_eight_threads_train_eight_models_as_one_thread_does():
    expected = [trainer(seed, 6)[:2] for seed in range(8)]
    found = together(lambda seed: trainer(seed, 6)[:2])
    for a, b in zip(expected, found):
        assert a[0] == b[0]
        for p, q in zip(a[1], b[1]):
            np.testing.assert_array_equal(p, q)


def test_one_model_used_by_many_threads():
    torch.manual_seed(0)
    model = Net().eval()
    inputs = [torch.randn(4, 6) for _ in range(8)]
    with torch.no_grad():
        expected = [model(x).numpy() for x in inputs]
    gradients = [torch.autograd.grad(model(x).sum(), list(model.parameters())) for x in inputs]

    def work(i):
        for _ in range(10):
            with torch.no_grad():
                np.testing.assert_array_equal(model(inputs[i]).numpy(), expected[i])
            for a, b in zip(
                torch.autograd.grad(model(inputs[i]).sum(), list(model.parameters())), gradients[i]
            ):
                np.testing.assert_array_equal(a.numpy(), b.numpy())

    together(work)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("n", [3, 50_000])
@pytest.mark.parametrize("graph", ["of its own", "shared"])
def test_gradients_of_many_threads_are_added_without_loss(n, graph):
    """Whole numbers, so that their sum does not depend on the order."""
    w = torch.ones(n, requires_grad=True)
    for _ in range(5):
        w.grad = None
        one = (w * torch.full((n,), 2.0)).sum()

        def work(i):
            for _ in range(10):
                if graph == "shared":
                    one.backward(retain_graph=True)
                else:
                    (w * torch.full((n,), 2.0)).sum().backward()

        together(work)
        np.testing.assert_array_equal(w.grad.numpy(), np.full(n, 160.0))


def test_modes_are_each_threads_own():
    x = torch.ones(2, requires_grad=True)

    def work(i):
        seen = []
        for _ in range(50):
            with torch.set_grad_enabled(i % 2 == 0):
                seen.append((x * 2).requires_grad)
        return set(seen), torch.is_grad_enabled()

    assert together(work) == [({i % 2 == 0}, True) for i in range(8)]


@pytest.mark.parametrize("shape", [(1,), (3,), (96,)])
@pytest.mark.parametrize("draw", [torch.rand, torch.randn])
def test_a_shared_generator_draws_no_number_twice(draw, shape):
    generator = torch.Generator().manual_seed(0)
    expected = [draw(shape, generator=generator).tolist() for _ in range(8 * 50)]
    state = generator.get_state()
    generator.manual_seed(0)
    got = together(lambda i: [draw(shape, generator=generator).tolist() for _ in range(50)])
    if shape != (3,) or draw is not torch.randn:  # three numbers are parts of two pairs
        assert sorted(v for part in got for v in part) == sorted(expected)
    assert torch.equal(generator.get_state(), state)


def test_passes_in_threads_of_hooks_do_not_lock_up():
    """A hook may run a backward pass of its own in another thread, and wait for it."""
    w = torch.ones(2, requires_grad=True)

    def hook(t):
        thread = threading.Thread(target=lambda: (w * 3).sum().backward())
        handle.remove()
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    handle = w.register_post_accumulate_grad_hook(hook)
    (w * 2).sum().backward()
    assert w.grad.tolist() == [5.0, 5.0]


# ---- the same bits in every run

PROGRAM = """
import hashlib, json, sys
import numpy as np
import tinygrad6 as torch
from tinygrad6 import threads
from tinygrad6 import nn

def bits(*tensors):
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()[:16]

torch.manual_seed(3)
draws = [torch.rand(40), torch.randn(5), torch.randn(50), torch.randperm(20), torch.randint(0, 9, (7,))]
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4))
data = torch.utils.data.TensorDataset(torch.rand(64, 8), torch.randint(0, 4, (64,)))
loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
order = []
for _ in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        order += y.tolist()
print(json.dumps({"draws": bits(*draws), "order": order, "state": str(list(net.state_dict())),
                  "weights": bits(*net.parameters()), "values": [round(v, 4) for v in net[3].bias.tolist()]}))
"""


def printed(**environment):
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_the_same_seed_gives_the_same_bits_in_every_process():
    """Whatever the hashes of strings are, and, for products as small as these, however many BLAS threads."""
    first = printed(PYTHONHASHSEED="1")
    assert printed(PYTHONHASHSEED="2") == first
    assert printed(OPENBLAS_NUM_THREADS="2") == first


@pytest.fixture
def two_threads():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    yield
    threads.set_num_threads(before)


def test_work_is_shared_by_many_callers_at_once(two_threads):
    found = []

    def caller(me):
        for _ in range(100):
            found.append(threads.share(lambda a, b: (me, b - a), 7) in ([(me, 3), (me, 4)], [(me, 7)]))

    callers = [threading.Thread(target=caller, args=(i,)) for i in range(6)]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    assert len(found) == 600 and all(found)


@pytest.mark.parametrize("part", [0, 1])
def test_an_error_in_any_part_arrives_when_all_are_done(two_threads, part):
    done = []

    def work(start, stop):
        if (start > 0) == part:
            raise ValueError("wrong part")
        done.append(start)

    with pytest.raises(ValueError, match="wrong part"):
        threads.share(work, 4)
    assert len(done) == 1
    assert threads.share(lambda a, b: b - a, 4) == [2, 2]  # and the thread takes work again
