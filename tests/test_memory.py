"""Memory that does not grow, and deep networks."""

from __future__ import annotations

import copy
import gc
import io
import os
import tracemalloc

import pytest

import tinygrad6 as torch
from tinygrad6 import nn, optim
from tinygrad6.utils.checkpoint import checkpoint

INTENSE = os.environ.get("HYPOTHESIS_PROFILE") == "intense"
STEPS = 10_000 if INTENSE else 100


class Net(nn.Module):
    """A bit of everything that could hold on to a graph."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.2)
        self.rnn = nn.GRU(8, 8, batch_first=True)

    def forward(self, x):
        h = self.drop(self.norm(self.a(x)).relu())
        h = checkpoint(lambda t: t.tanh() * t, h, use_reentrant=False)
        h = h + self.rnn(h.unsqueeze(1))[0].squeeze(1)
        h[:, 0] *= 2
        return self.b(h)


def trainer(seed, steps):
    """Losses of a training run, and the parameters at its end."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Net()
    model.drop.p = 0.0  # the default generator is shared by all threads
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []

    def step():
        x = torch.randn(4, 6, generator=generator)
        y = torch.randint(0, 3, (4,), generator=generator)
        optimizer.zero_grad()
        out = model(x)
        out.register_hook(lambda g: g * 1)
        loss = nn.functional.cross_entropy(out, y)
        (g,) = torch.autograd.grad(loss, model.a.weight, create_graph=True)
        (loss + (g * g).sum()).backward()
        optimizer.step()
        losses.append(loss.item())

    for _ in range(steps):
        step()
    return losses, [p.detach().numpy().copy() for p in model.parameters()], step


def test_memory_is_flat_without_the_cycle_collector():
    _, _, step = trainer(0, 5)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            step()
        objects = len(gc.get_objects())
        for _ in range(STEPS):
            step()
        assert len(gc.get_objects()) - objects < 20, "objects pile up"
        tracemalloc.start()  # which sees arrays too; what was there before is replaced first
        for _ in range(200):
            step()
        used = tracemalloc.get_traced_memory()[0]
        for _ in range(STEPS // 5):
            step()
        growth = tracemalloc.get_traced_memory()[0] - used
        tracemalloc.stop()
        assert growth < 600 * STEPS // 5, (
            f"{growth} bytes in {STEPS // 5} steps"
        )  # about 450 are the losses kept
        assert gc.collect() < 10, "cycles are left for the collector"
    finally:
        tracemalloc.stop()
        gc.enable()


def resident():
    """Megabytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
@pytest.mark.parametrize("collecting", [True, False])
def test_resident_memory_is_flat(collecting):
    """100,000 steps in the intense profile; the losses that `step` keeps are the caller's."""
    losses, _, step = trainer(0, 5)
    if not collecting:
        gc.disable()
    try:
        for _ in range(STEPS // 10):
            step()
        before = resident()
        for _ in range(10 * STEPS if INTENSE else STEPS):
            step()
            losses.clear()
        assert resident() - before < 4, f"{resident() - before:.1f} MB more"
    finally:
        gc.enable()


@pytest.mark.parametrize("join", [torch.stack, torch.cat, sum])
def test_ten_thousand_arguments_and_ten_thousand_uses(join):
    x = torch.ones(3, requires_grad=True)
    many = [torch.ones(3, requires_grad=True) for _ in range(10_000)]
    join([x * t for t in many]).sum().backward()
    assert x.grad.tolist() == [10_000.0] * 3 and all(t.grad.tolist() == [1.0] * 3 for t in many)


def test_a_graph_that_failed_is_freed_too():
    def broken():
        x = torch.ones(1000, requires_grad=True)
        y = x * 2
        z = y.sin()
        y += 1
        try:
            z.sum().backward()
        except RuntimeError as e:
            return str(e)

    broken()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            assert "modified by an inplace operation" in broken()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_network_of_5000_layers():
    model = nn.Sequential(*[nn.Linear(2, 2) if i % 2 else nn.Tanh() for i in range(5000)])
    out = model(torch.ones(1, 2))
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    file = io.BytesIO()
    torch.save(dict(list(model.state_dict().items())[: None if INTENSE else 500]), file)
    file.seek(0)
    model.load_state_dict(torch.load(file), strict=INTENSE)
    assert len(repr(model)) > 100_000 and len(copy.deepcopy(model)) == 5000
    model.train().eval().zero_grad()
    del model, out
