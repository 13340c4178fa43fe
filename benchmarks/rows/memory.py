"""Bytes: kept and at the peak of a layer's forward, growth over many steps, and a chain of a million ops.

What NumPy allocates, tracemalloc sees: the layers are measured for the libraries on NumPy. The resident
memory of the process serves for all, and is read where Linux shows it.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Build, row
from benchmarks.rows import steps

LIBRARIES = ("tinygrad6", "torch")

# Layer -> (module of nn, shape of its input)
LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "Linear(256, 256)": (lambda nn: nn.Linear(256, 256), (1000, 256)),
    "ReLU": (lambda nn: nn.ReLU(), (1000, 256)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), (1000, 256)),
    "Tanh": (lambda nn: nn.Tanh(), (1000, 256)),
    "Softmax": (lambda nn: nn.Softmax(1), (1000, 256)),
    "GELU": (lambda nn: nn.GELU(), (1000, 256)),
    "Dropout": (lambda nn: nn.Dropout(0.5), (1000, 256)),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(256), (1000, 256)),
    "LayerNorm": (lambda nn: nn.LayerNorm(256), (1000, 256)),
    "Conv2d(8, 8, 3)": (lambda nn: nn.Conv2d(8, 8, 3, padding=1), (32, 8, 32, 32)),
    "MaxPool2d(2)": (lambda nn: nn.MaxPool2d(2), (32, 8, 32, 32)),
    "LSTM(64, 64), 20 steps": (lambda nn: nn.LSTM(64, 64), (20, 50, 64)),
}
# The same by MyGrad's functions, and by the NumPy of autograd.
PEERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "ReLU": (lambda mg, x: mg.nnet.activations.relu(x), lambda np, x: np.maximum(x, 0)),
    "Sigmoid": (lambda mg, x: mg.nnet.activations.sigmoid(x), lambda np, x: 1 / (1 + np.exp(-x))),
    "Tanh": (lambda mg, x: mg.tanh(x), lambda np, x: np.tanh(x)),
}


def traced(call: Callable[[], Any], peak: bool) -> int:
    """Bytes allocated while `call` ran: at most, or those still held by its result."""
    call()  # plans and buffers that are made once are no part of it
    gc.collect()
    tracemalloc.start()
    try:
        result = call()
        figures = tracemalloc.get_traced_memory()
        del result
    finally:
        tracemalloc.stop()
    return figures[peak]


def ours(make: Callable[[Any], Any], shape: tuple[int, ...], peak: bool) -> Build:
    def build(lib: Any) -> Callable[[], int]:
        module, x = make(lib.nn), lib.torch.ones(*shape).requires_grad_()
        return lambda: traced(lambda: module(x), peak)

    return build


def by_mygrad(function: Callable[..., Any], shape: tuple[int, ...], peak: bool) -> Build:
    def build(lib: Any) -> Callable[[], int]:
        import mygrad as mg
        import mygrad.nnet.activations

        x = mg.tensor(np.ones(shape, np.float32))
        return lambda: traced(lambda: function(mg, x), peak)

    return build


def by_autograd(function: Callable[..., Any], shape: tuple[int, ...], peak: bool) -> Build:
    def build(lib: Any) -> Callable[[], int]:
        import autograd.numpy as anp
        from autograd import make_vjp

        x = np.ones(shape, np.float32)
        return lambda: traced(lambda: make_vjp(lambda a: function(anp, a))(x), peak)

    return build


for _name, (_make, _shape) in LAYERS.items():
    for _peak in (False, True):
        _mygrad, _autograd = PEERS.get(_name, (None, None))
        row(
            "memory",
            f"{'peak' if _peak else 'kept'}: {_name} on {' x '.join(map(str, _shape))}",
            ours(_make, _shape, _peak),
            libraries=("tinygrad6",),
            unit="returned B",
            rounds=1,
            mygrad=by_mygrad(_mygrad, _shape, _peak) if _mygrad else None,
            autograd=by_autograd(_autograd, _shape, _peak) if _autograd else None,
        )


def resident(key: str = "VmRSS") -> int:
    """Bytes of this process in memory, now (VmRSS) or at most since `forget_peak` (VmHWM)."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        raise NotImplementedError(
            "resident memory is read from /proc/self/status, which only Linux has"
        ) from None
    return int(status.split(key + ":")[1].split()[0]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts from here


def growth(lib: Any) -> Callable[[], int]:
    step = steps.classifier([2, 16, 16, 2], batch=64)(lib)

    def run() -> int:
        for _ in range(10 if lib.tiny else 1000):
            step()
        before = resident()
        for _ in range(100 if lib.tiny else 100_000):
            step()
        return resident() - before

    return run


def chain(lib: Any, figure: Callable[[Callable[[], None]], Any]) -> Callable[[], Any]:
    """x * 1.000001, a million times, and back."""
    x = lib.torch.ones(4, requires_grad=True)

    def run() -> None:
        y = x
        for _ in range(1000 if lib.tiny else 1_000_000):
            y = y * 1.000001
        y.sum().backward()

    return lambda: figure(run)


def seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_bytes(call: Callable[[], None]) -> int:
    gc.collect()
    before = resident()
    forget_peak()
    call()
    return resident("VmHWM") - before


row(
    "memory",
    "growth over 100000 steps of moons, resident",
    growth,
    libraries=LIBRARIES,
    unit="returned B",
    rounds=1,
)
row("memory", "chain of 10^6 ops, forward and backward", lambda lib: chain(lib, seconds), libraries=LIBRARIES,
    unit="returned s", rounds=1)  # fmt: skip
row("memory", "chain of 10^6 ops, peak resident", lambda lib: chain(lib, peak_bytes), libraries=LIBRARIES,
    unit="returned B", rounds=1)  # fmt: skip
