"""What is measured. A row is a function of a library that returns the closure to time.

Since tinygrad6 has PyTorch's names, a row is written once and run with either; the sides "numpy" and "floor" are
written out by hand: what a NumPy programmer would write for one op, and the matrix products of a training step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

GROUPS: dict[str, dict[str, dict[str, Callable[..., Any]]]] = {}  # group -> row -> side -> builder


def row(group: str, name: str, side: str = "library") -> Callable[..., Any]:
    def define(build: Callable[..., Any]) -> Callable[..., Any]:
        GROUPS.setdefault(group, {}).setdefault(name, {})[side] = build
        return build

    return define


# ---- training steps: (forward, loss, backward, optimizer step), float32


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


def classifier(
    sizes: list[int],
    batch: int,
    activation: str = "ReLU",
    optimizer: str = "Adam",
    between: Any = None,
    **options: Any,
) -> Callable[..., Any]:
    def build(lib: Any) -> Callable[[], Any]:
        lib.torch.manual_seed(0)
        model = mlp(lib, sizes, activation, between or (lambda lib, n: []))
        opt = getattr(lib.optim, optimizer)(model.parameters(), lr=1e-3, **options)
        rng = np.random.default_rng(0)
        x = lib.torch.from_numpy(rng.standard_normal((batch, sizes[0]), dtype=np.float32))
        y = lib.torch.from_numpy(rng.integers(0, sizes[-1], batch))
        loss_function = lib.nn.CrossEntropyLoss()

        def step() -> None:
            opt.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            opt.step()

        return step

    return build


def products(sizes: list[int], batch: int, state: int = 0) -> Callable[..., Any]:
    """The floor: the step's matrix products, and `state` passes over the parameters for the optimizer."""

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
            for _ in range(state):
                for g in grads:
                    np.multiply(g, 1.0, out=g)

        return step

    return build


NETS = {
    "moons 2-16-16-2, batch 64": dict(sizes=[2, 16, 16, 2], batch=64),
    "digits 64-50-10 sigmoid, batch 100": dict(
        sizes=[64, 50, 10], batch=100, activation="Sigmoid", optimizer="SGD"
    ),
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
for _name, _net in NETS.items():
    row("steps", _name)(classifier(**_net))
    row("steps", _name, "floor")(products(_net["sizes"], _net["batch"], state=1))


@row("steps", "conv 30x5x5, pool, 100, 10, batch 100")
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

    def step() -> None:
        opt.zero_grad()
        lib.F.cross_entropy(model(x), y).backward()
        opt.step()

    return step


@row("steps", "lstm, embedding 32, hidden 64, 32x32")
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

    def step() -> None:
        opt.zero_grad()
        lib.F.cross_entropy(model(x).reshape(-1, 50), y.reshape(-1)).backward()
        opt.step()

    return step


@row("steps", "gpt, 2 layers of 64, 4 heads, 32 tokens, batch 16")
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

    def step() -> None:
        opt.zero_grad()
        F.cross_entropy(model(x).view(-1, 65), y.view(-1)).backward()
        opt.step()

    return step


# ---- single ops, forward and forward + backward

UNARY = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "neg", "square")
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "maximum": np.maximum}
SIZES = {"10": 10, "1e3": 1_000, "1e5": 100_000, "1e7": 10_000_000}


def _values(n: int, i: int = 0) -> np.ndarray:
    return np.random.default_rng(i).uniform(0.5, 2, n).astype(np.float32)


def _one_op(name: str, n: int, count: int, backward: bool) -> Callable[..., Any]:
    def build(lib: Any) -> Callable[[], Any]:
        xs = [lib.torch.from_numpy(_values(n, i)).requires_grad_(backward) for i in range(count)]
        f = getattr(lib.torch, name)
        if not backward:
            return lambda: f(*xs)
        g = lib.torch.from_numpy(_values(n, 9))

        def both() -> None:
            for x in xs:
                x.grad = None
            f(*xs).backward(g)

        return both

    return build


def _numpy_op(name: str, n: int, count: int) -> Callable[..., Any]:
    spelled = {
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "relu": lambda x: np.maximum(x, 0),
        "neg": np.negative,
        "abs": np.absolute,
        **BINARY,
    }

    def build(lib: Any) -> Callable[[], Any]:
        xs = [_values(n, i) for i in range(count)]
        f = spelled.get(name) or getattr(np, name)
        return lambda: f(*xs)

    return build


for _name in (*UNARY, *BINARY):
    for _label, _n in SIZES.items():
        _count = 2 if _name in BINARY else 1
        row("ops", f"{_name} {_label}")(_one_op(_name, _n, _count, False))
        row("ops", f"{_name} {_label}", "numpy")(_numpy_op(_name, _n, _count))
        row("ops", f"{_name} {_label} backward")(_one_op(_name, _n, _count, True))
for _label, _n in SIZES.items():
    for _name in ("sum", "mean", "amax", "logsumexp", "softmax"):
        _args = (0,) if _name in ("logsumexp", "softmax") else ()
        row("ops", f"{_name} {_label} backward")(
            lambda lib, _name=_name, _n=_n, _args=_args: _reduction(lib, _name, _n, _args)
        )


def _reduction(lib: Any, name: str, n: int, args: tuple) -> Callable[[], Any]:
    x = lib.torch.from_numpy(_values(n)).requires_grad_()
    f = getattr(lib.torch, name)
    g = lib.torch.ones(()) if name != "softmax" else lib.torch.from_numpy(_values(n, 9))

    def both() -> None:
        x.grad = None
        f(x, *args).backward(g)

    return both


# ---- overhead per op, per node, per module


@row("overhead", "50 x (sin, * 1.01), forward")
def chain(lib: Any) -> Callable[[], Any]:
    x = lib.torch.ones(10, requires_grad=True)

    def run() -> Any:
        y = x
        for _ in range(50):
            y = y.sin() * 1.01
        return y

    return run


@row("overhead", "50 x (sin, * 1.01), forward", "numpy")
def chain_numpy(lib: Any) -> Callable[[], Any]:
    x = np.ones(10, np.float32)

    def run() -> Any:
        y = x
        for _ in range(50):
            y = np.sin(y) * 1.01
        return y

    return run


@row("overhead", "50 x (sin, * 1.01), forward and backward")
def chain_both(lib: Any) -> Callable[[], Any]:
    run = chain(lib)
    return lambda: run().sum().backward()


@row("overhead", "50 x (sin, * 1.01), forward and backward", "numpy")
def chain_both_numpy(lib: Any) -> Callable[[], Any]:
    x = np.ones(10, np.float32)

    def run() -> Any:
        kept, y = [], x
        for _ in range(50):
            kept.append(y)
            y = np.sin(y) * 1.01
        g = np.ones_like(y)
        for z in reversed(kept):
            g = g * 1.01 * np.cos(z)
        return g

    return run


@row("overhead", "Module call: Identity")
def module_call(lib: Any) -> Callable[[], Any]:
    module, x = lib.nn.Identity(), lib.torch.ones(1)
    return lambda: module(x)


# ---- optimizer steps alone


def _optimizer(name: str, shapes: list, **options: Any) -> Callable[..., Any]:
    def build(lib: Any) -> Callable[[], Any]:
        params = [lib.nn.Parameter(lib.torch.zeros(*s)) for s in shapes]
        for p in params:
            p.grad = lib.torch.ones(*p.shape)
        opt = getattr(lib.optim, name)(params, **options)
        return opt.step

    return build


SMALL, LARGE = [(40, 50)] * 50 + [(80,)] * 50, [(2048, 1280)] * 3
for _name, _options in (
    ("SGD", dict(lr=0.01, momentum=0.9)),
    ("Adam", {}),
    ("AdamW", {}),
    ("RMSprop", {}),
    ("Adagrad", {}),
):
    row("optim", f"{_name}, 100 small tensors")(_optimizer(_name, SMALL, **_options))
    row("optim", f"{_name}, 8 M parameters")(_optimizer(_name, LARGE, **_options))


def library(side: str) -> Any:
    """The names a row uses, from one library."""
    if side == "torch":
        import torch
        import torch.nn.functional as F
        from torch import nn, optim
    else:
        import tinygrad6 as torch  # type: ignore[no-redef]
        import tinygrad6.nn.functional as F  # type: ignore[no-redef]
        from tinygrad6 import nn, optim  # type: ignore[no-redef]
    return SimpleNamespace(torch=torch, nn=nn, optim=optim, F=F)
