"""What a call costs: per recorded op, per backward node, per parameter of an optimizer, per module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import row
from benchmarks.rows import peers

LINKS = 50  # of two ops each


def linked(x: Any) -> Any:
    for _ in range(LINKS):
        x = x.sin() * 1.01
    return x


def chain(lib: Any) -> Callable[[], Any]:
    x, forward = lib.torch.ones(10, requires_grad=True), lib.compile(linked)
    return lambda: forward(x)


def chain_numpy(lib: Any) -> Callable[[], Any]:
    x = np.ones(10, np.float32)

    def run() -> Any:
        y = x
        for _ in range(LINKS):
            y = np.sin(y) * 1.01
        return y

    return run


def chain_both(lib: Any) -> Callable[[], Any]:
    x, g, forward = lib.torch.ones(10, requires_grad=True), lib.torch.ones(10), lib.compile(linked)

    def run() -> Any:
        x.grad = None
        forward(x).backward(g)
        return x.grad

    return run


def chain_both_numpy(lib: Any) -> Callable[[], Any]:
    x = np.ones(10, np.float32)

    def run() -> Any:
        kept, y = [], x
        for _ in range(LINKS):
            kept.append(y)
            y = np.sin(y) * 1.01
        g = np.ones_like(y)
        for z in reversed(kept):
            g = g * 1.01 * np.cos(z)
        return g

    return run


def identity(lib: Any) -> Callable[[], Any]:
    module, x = lib.nn.Identity(), lib.torch.ones(1)
    return lambda: module(x)


def linear(lib: Any) -> Callable[[], Any]:
    lib.torch.manual_seed(0)
    module, x = lib.nn.Linear(4, 4), lib.torch.ones(1, 4)
    return lambda: module(x)


def linear_numpy(lib: Any) -> Callable[[], Any]:
    (w, b), x = peers.initial([4, 4]), np.ones((1, 4), np.float32)
    return lambda: x @ w.T + b


def adam(lib: Any) -> Callable[[], Any]:
    params = [lib.nn.Parameter(lib.torch.zeros(4)) for _ in range(100)]
    for p in params:
        p.grad = lib.torch.ones(4)
    update = lib.compile(lib.optim.Adam(params, lr=peers.LR).step)

    def step() -> Any:
        update()
        return params[0]

    return step


def adam_numpy(lib: Any) -> Callable[[], Any]:
    params, grads = [
        [f((100, 4), np.float32)] for f in (np.zeros, np.ones)
    ]  # one array: the cost of the numbers
    update = peers.adam(params)

    def step() -> Any:
        update(grads)
        return params[0][0]

    return step


row("overhead", f"{LINKS} x (sin, * 1.01), forward", chain, numpy=chain_numpy, per=2 * LINKS)
row(
    "overhead",
    f"{LINKS} x (sin, * 1.01), forward and backward",
    chain_both,
    numpy=chain_both_numpy,
    per=2 * LINKS,
)
row("overhead", "Adam step, 100 parameters of 4", adam, numpy=adam_numpy, per=100)
row("overhead", "Module call: Identity", identity, libraries=("tinygrad6", "torch"), per=1)
row(
    "overhead",
    "Module call: Linear(4, 4)",
    linear,
    numpy=linear_numpy,
    libraries=("tinygrad6", "torch"),
    per=1,
)
