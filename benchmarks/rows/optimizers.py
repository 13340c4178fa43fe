"""Optimizer steps alone: many small tensors, and few large ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import Build, row
from benchmarks.rows import peers


def library(name: str, shapes: list[tuple[int, ...]], options: dict[str, Any]) -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        params = [lib.nn.Parameter(lib.torch.zeros(*s)) for s in fitted(lib, shapes)]
        for p in params:
            p.grad = lib.torch.ones(*p.shape)
        update = lib.compile(getattr(lib.optim, name)(params, lr=peers.LR, **options).step)

        def step() -> Any:
            update()
            return params[0]

        return step

    return build


def by_hand(name: str, shapes: list[tuple[int, ...]]) -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        params, grads = ([f(s, np.float32) for s in fitted(lib, shapes)] for f in (np.zeros, np.ones))
        update = peers.UPDATES[name](params)

        def step() -> Any:
            update(grads)
            return params[0]

        return step

    return build


def fitted(lib: Any, shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [tuple(min(n, 8) for n in s) for s in shapes] if lib.tiny else shapes


SHAPES: dict[str, list[tuple[int, ...]]] = {
    "100 small tensors": [(40, 50)] * 50 + [(80,)] * 50,
    "8 M parameters": [(2048, 1280)] * 3,
}
for _name, _options in (
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("Adam", {}),
    ("AdamW", {}),
    ("RMSprop", {}),
    ("Adagrad", {}),
):
    _shown = " ".join([_name, *(f"{k} {v}" for k, v in _options.items())])
    for _label, _shapes in SHAPES.items():
        row(
            "optim",
            f"{_shown}, {_label}",
            library(_name, _shapes, _options),
            numpy=by_hand(_name, _shapes) if _name in peers.UPDATES and not _options else None,
        )
