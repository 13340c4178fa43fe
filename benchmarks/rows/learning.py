"""Whole trainings with a DataLoader, to a given test accuracy; and one epoch of a DataLoader alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import row

LIBRARIES = ("tinygrad6", "torch")
EPOCHS = 60  # by which the accuracy must be reached


def images(lib: Any) -> tuple[tuple, tuple]:
    """((train images, labels), (test images, labels)): MNIST where a path was given, else the digits."""
    from tinygrad6.datasets import digits, mnist

    if lib.mnist:
        parts = mnist(lib.mnist)
    else:
        (x, y), order = digits(), np.random.default_rng(0).permutation(1797)
        parts = tuple((x[i], y[i]) for i in (order[:1400], order[1400:]))
    return tuple(tuple(lib.torch.from_numpy(t.numpy()) for t in part) for part in parts)  # type: ignore[return-value]


def learn(lib: Any) -> Callable[[], Any]:
    """Train from the seed to 97 % of the test set; the closure returns the epochs that took."""
    (x, y), test = images(lib)
    nn, target = lib.nn, 0.5 if lib.tiny else 0.97
    if lib.tiny:
        x, y = x[:400], y[:400]

    def accuracy(model: Any) -> float:
        with lib.torch.no_grad():
            return (model(test[0]).argmax(1) == test[1]).sum().item() / len(test[1])

    def train() -> int:
        lib.torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(x.shape[1], 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
        )
        opt = lib.optim.Adam(model.parameters(), lr=2e-3)
        batches = lib.data.DataLoader(lib.data.TensorDataset(x, y), batch_size=100, shuffle=True)
        for epoch in range(1, EPOCHS + 1):
            for a, b in batches:
                opt.zero_grad()
                lib.F.cross_entropy(model(a), b).backward()
                opt.step()
            if accuracy(model) >= target:
                return epoch
        raise RuntimeError(f"{EPOCHS} epochs did not reach {target:.0%}")

    return train


def epoch(lib: Any) -> Callable[[], Any]:
    x, y = _thousands(lib)
    loader = lib.data.DataLoader(
        lib.data.TensorDataset(lib.torch.from_numpy(x), lib.torch.from_numpy(y)), batch_size=100, shuffle=True
    )
    return lambda: sum(len(labels) for _, labels in loader)


def epoch_numpy(lib: Any) -> Callable[[], Any]:
    x, y = _thousands(lib)
    rng = np.random.default_rng(0)

    def run() -> int:
        seen, order = 0, rng.permutation(len(x))
        for i in range(0, len(x), 100):
            _, labels = x[order[i : i + 100]], y[order[i : i + 100]]
            seen += len(labels)
        return seen

    return run


def _thousands(lib: Any) -> tuple[np.ndarray, np.ndarray]:
    n = 1000 if lib.tiny else 10_000
    return np.zeros((n, 784), np.float32), np.zeros(n, np.int64)


row("learning", "784-100-100-10 (digits: 64) to 97 %, DataLoader", learn, libraries=LIBRARIES)
row("data", "DataLoader, 10000 x 784, batch 100, shuffled", epoch, numpy=epoch_numpy, libraries=LIBRARIES)
