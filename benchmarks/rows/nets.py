"""Training steps of networks as people write them to learn, in several styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import row
from benchmarks.rows.steps import training


def _drawn(lib: Any, *shape: int) -> Any:
    return lib.torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def _labels(lib: Any, below: int, *shape: int) -> Any:
    return lib.torch.from_numpy(np.random.default_rng(1).integers(0, below, shape))


def _classifier(lib: Any, model: Any, *shape: int) -> Callable[[], Any]:
    x, y = _drawn(lib, *shape), _labels(lib, 10, shape[0])
    opt = lib.optim.Adam(model.parameters(), lr=1e-3)
    return training(lib, opt, lambda: lib.F.cross_entropy(model(x), y))


def lenet(lib: Any) -> Callable[[], Any]:
    """LeCun et al. 1998, with ReLU and largest elements."""
    lib.torch.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return _classifier(lib, model, 4 if lib.tiny else 64, 1, 28, 28)


def residual(lib: Any) -> Callable[[], Any]:
    """Two residual blocks of 16 channels: He et al. 2015."""
    lib.torch.manual_seed(0)
    nn, F = lib.nn, lib.F

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv1, self.conv2 = (
                nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)
            )
            self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

        def forward(self, x: Any) -> Any:
            return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), Block(16), nn.MaxPool2d(2), Block(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    return _classifier(lib, model, 2 if lib.tiny else 32, 1, 28, 28)


def gru(lib: Any) -> Callable[[], Any]:
    lib.torch.manual_seed(0)
    nn = lib.nn
    embedding, layer, out = nn.Embedding(65, 32), nn.GRU(32, 64, batch_first=True), nn.Linear(64, 65)
    opt = lib.optim.Adam([p for m in (embedding, layer, out) for p in m.parameters()], lr=1e-3)
    x, y = _labels(lib, 65, 32, 32), _labels(lib, 65, 32, 32)
    return training(
        lib, opt, lambda: lib.F.cross_entropy(out(layer(embedding(x))[0]).view(-1, 65), y.view(-1))
    )


def autoencoder(lib: Any) -> Callable[[], Any]:
    """A variational one, 784-400-20: Kingma and Welling 2013."""
    lib.torch.manual_seed(0)
    nn, F, torch = lib.nn, lib.F, lib.torch
    encoder, mean, spread = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())
    opt = lib.optim.Adam([p for m in (encoder, mean, spread, decoder) for p in m.parameters()], lr=1e-3)
    x = torch.sigmoid(_drawn(lib, 8 if lib.tiny else 128, 784))

    def loss() -> Any:
        h = F.relu(encoder(x))
        mu, logvar = mean(h), spread(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        fit = F.binary_cross_entropy(decoder(z), x, reduction="sum")
        return fit - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    return training(lib, opt, loss)


def physics(lib: Any) -> Callable[[], Any]:
    """u'' + u = 0 by a network 1-32-32-1: gradients of gradients (Raissi et al. 2019)."""
    lib.torch.manual_seed(0)
    nn, torch = lib.nn, lib.torch
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    opt = lib.optim.Adam(model.parameters(), lr=1e-3)
    x = torch.linspace(0, 1, 64).view(-1, 1).requires_grad_()

    def loss() -> Any:
        u = model(x)
        (du,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)
        (ddu,) = torch.autograd.grad(du, x, torch.ones_like(du), create_graph=True)
        return ((ddu + u) ** 2).mean()

    return training(lib, opt, loss)


def by_hand(lib: Any) -> Callable[[], Any]:
    """A character model of bare tensors, updated by hand (Bengio et al. 2003, as taught in notebooks)."""
    lib.torch.manual_seed(0)
    torch = lib.torch
    shapes = ((27, 10), (30, 200), (200,), (200, 27), (27,))
    table, w1, b1, w2, b2 = params = [0.1 * torch.randn(*shape) for shape in shapes]
    for p in params:
        p.requires_grad = True
    x, y = _labels(lib, 27, 32, 3), _labels(lib, 27, 32)

    def step() -> Any:
        h = torch.tanh(table[x].view(-1, 30) @ w1 + b1)
        loss = lib.F.cross_entropy(h @ w2 + b2, y)
        for p in params:
            p.grad = None
        loss.backward()
        for p in params:
            p.data += -0.1 * p.grad
        return loss.detach()

    return step


row("steps", "LeNet, 28x28, batch 64", lenet)
row("steps", "residual net, 16 channels, 28x28, batch 32", residual)
row("steps", "gru, embedding 32, hidden 64, 32x32", gru)
row("steps", "variational autoencoder 784-400-20, batch 128", autoencoder)
row("steps", "physics-informed 1-32-32-1, second derivatives", physics)
row("steps", "character model by hand, 30-200-27, batch 32", by_hand)
