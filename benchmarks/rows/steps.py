"""Whole training steps: forward, loss, backward, optimizer step, in float32.

Plain MLPs run beside the peers too (peers.py); the floor is the matrix products of the step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import Build, row
from benchmarks.rows import peers


def mlp(
    lib: Any, sizes: list[int], activation: str, between: Callable[[Any, int], list] = lambda lib, n: []
) -> Any:
    layers: list[Any] = []
    for a, b in zip(sizes[:-2], sizes[1:-1]):
        layers += [
            lib.nn.Linear(a, b),
            *between(lib, b)[:1],
            getattr(lib.nn, activation)(),
            *between(lib, b)[1:],
        ]
    return lib.nn.Sequential(*layers, lib.nn.Linear(sizes[-2], sizes[-1]))


def training(lib: Any, opt: Any, loss: Callable[[], Any]) -> Callable[[], Any]:
    """One step: `loss` computes the loss of a batch."""
    forward, update = lib.compile(loss), lib.compile(opt.step)

    def step() -> Any:
        opt.zero_grad()
        value = forward()
        value.backward()
        update()
        return value.detach()

    return step


def classifier(
    sizes: list[int],
    batch: int,
    activation: str = "ReLU",
    optimizer: str = "Adam",
    between: Any = None,
    **options: Any,
) -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        lib.torch.manual_seed(0)
        model = mlp(lib, sizes, activation, between or (lambda lib, n: []))
        opt = getattr(lib.optim, optimizer)(model.parameters(), lr=peers.LR, **options)
        x, y = map(lib.torch.from_numpy, peers.batch_of(sizes, batch))
        criterion = lib.nn.CrossEntropyLoss()
        return training(lib, opt, lambda: criterion(model(x), y))

    return build


def products(sizes: list[int], batch: int, **_: Any) -> Build:
    """The floor: the step's matrix products, and one pass over the parameters for the optimizer."""

    def build(lib: Any) -> Callable[[], Any]:
        rng = np.random.default_rng(0)
        xs = [rng.standard_normal((batch, n), dtype=np.float32) for n in sizes]
        ws = [rng.standard_normal((a, b), dtype=np.float32) for a, b in zip(sizes, sizes[1:])]
        outs = [np.empty((batch, b), np.float32) for b in sizes[1:]]
        grads = [np.empty_like(w) for w in ws]
        dxs = [np.empty_like(x) for x in xs]

        def step() -> None:
            for x, w, o in zip(xs, ws, outs):
                np.matmul(x, w, out=o)
            for i in reversed(range(len(ws))):
                np.matmul(xs[i].T, outs[i], out=grads[i])
                if i:
                    np.matmul(outs[i], ws[i].T, out=dxs[i])
            for g in grads:
                np.multiply(g, 1.0, out=g)

        return step

    return build


NETS = {
    "moons 2-16-16-2, batch 64": dict(sizes=[2, 16, 16, 2], batch=64),
    "digits 64-50-10 sigmoid, batch 100": dict(
        sizes=[64, 50, 10], batch=100, activation="Sigmoid", optimizer="SGD"
    ),
    "digits 64-50-10 sigmoid, Adam": dict(sizes=[64, 50, 10], batch=100, activation="Sigmoid"),
    "mnist 784-50-10, batch 100": dict(sizes=[784, 50, 10], batch=100),
    "mnist 784-100x4-10, batch 128": dict(sizes=[784, 100, 100, 100, 100, 10], batch=128),
    "mnist 784-100x4-10 BatchNorm": dict(
        sizes=[784, 100, 100, 100, 100, 10], batch=128, between=lambda lib, n: [lib.nn.BatchNorm1d(n)]
    ),
    "mnist 784-100x4-10 Dropout, decay": dict(
        sizes=[784, 100, 100, 100, 100, 10],
        batch=128,
        weight_decay=1e-4,
        between=lambda lib, n: [lib.nn.Identity(), lib.nn.Dropout(0.2)],
    ),
    "mnist 784-512-512-10, batch 128": dict(sizes=[784, 512, 512, 10], batch=128),
    "mnist 784-2048-2048-10, batch 256": dict(sizes=[784, 2048, 2048, 10], batch=256),
}
SIDES: dict[str, Callable[..., Build]] = {"library": classifier, "floor": products, **peers.STEPS}


def sized(make: Callable[..., Build], net: dict[str, Any]) -> Build:
    """The side of a net; small where the run is tiny."""

    def build(lib: Any) -> Callable[[], Any]:
        small = {"sizes": [min(n, 20) for n in net["sizes"]], "batch": 10} if lib.tiny else {}
        return make(**net | small)(lib)

    return build


for _name, _net in NETS.items():
    _only = ("library", "floor") if {"between", "weight_decay"} & set(_net) else SIDES
    row("steps", _name, **{side: sized(SIDES[side], _net) for side in _only})


def conv_net(lib: Any) -> Callable[[], Any]:
    lib.torch.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 30, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(30 * 12 * 12, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
    opt = lib.optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x = lib.torch.from_numpy(rng.standard_normal((100, 1, 28, 28), dtype=np.float32))
    y = lib.torch.from_numpy(rng.integers(0, 10, 100))
    return training(lib, opt, lambda: lib.F.cross_entropy(model(x), y))


def lstm(lib: Any) -> Callable[[], Any]:
    lib.torch.manual_seed(0)
    nn = lib.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm, self.out = (
                nn.Embedding(50, 32),
                nn.LSTM(32, 64, batch_first=True),
                nn.Linear(64, 50),
            )

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(self.embedding(x))[0])

    model = Net()
    opt = lib.optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x, y = (lib.torch.from_numpy(rng.integers(0, 50, (32, 32))) for _ in range(2))
    return training(lib, opt, lambda: lib.F.cross_entropy(model(x).reshape(-1, 50), y.reshape(-1)))


def gpt(lib: Any) -> Callable[[], Any]:
    lib.torch.manual_seed(0)
    nn, F, width, heads, tokens = lib.nn, lib.F, 64, 4, 32

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = (
                z.view(b, t, heads, c // heads).transpose(1, 2)
                for z in self.qkv(self.ln1(x)).split(width, dim=2)
            )
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(a.transpose(1, 2).contiguous().view(b, t, c))
            return x + self.down(F.gelu(self.up(self.ln2(x))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(65, width), nn.Embedding(tokens, width)
            self.blocks, self.ln, self.head = (
                nn.Sequential(Block(), Block()),
                nn.LayerNorm(width),
                nn.Linear(width, 65),
            )

        def forward(self, x: Any) -> Any:
            return self.head(self.ln(self.blocks(self.token(x) + self.place(lib.torch.arange(x.shape[1])))))

    model = Net()
    opt = lib.optim.AdamW(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x, y = (lib.torch.from_numpy(rng.integers(0, 65, (16, tokens))) for _ in range(2))
    return training(lib, opt, lambda: F.cross_entropy(model(x).view(-1, 65), y.view(-1)))


row("steps", "conv 30x5x5, pool, 100, 10, batch 100", conv_net)
row("steps", "lstm, embedding 32, hidden 64, 32x32", lstm)
row("steps", "gpt, 2 layers of 64, 4 heads, 32 tokens, batch 16", gpt)
