"""Arguments for comparing calls with PyTorch, drawn from a `random.Random` (Hypothesis's, or one of a seed).

Shapes from 0-d to 3-d with lengths 0, 1, 2, 3; all nine dtypes; contiguous, transposed and strided memory;
values with ties, zeros of both signs, infinities and nan; dimensions now and then out of range, numbers of
every kind.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinygrad6 as torch

FLOATS = ("float32", "float64", "float32", "float64", "float16")
WHOLE = ("int64", "int32", "int16", "int8", "uint8")
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, math.inf, -math.inf, math.nan, 1e-3, 30.0, -30.0)


class Draw:
    """Draws arguments; `wild` turns special values, odd types and wrong dimensions on and off."""

    def __init__(self, r: Any, wild: float = 0.2) -> None:
        self.r, self.wild, self.wrong = r, wild, False

    def chance(self, p: float) -> bool:
        return self.r.random() < p

    def pick(self, *options: Any) -> Any:
        return options[self.r.randrange(len(options))]

    # ---- shapes and dimensions

    def shape(self, low: int = 0, high: int = 3, sizes: tuple = (1, 2, 3, 3, 0)) -> tuple:
        n = self.r.randint(low, high)
        if not self.chance(0.15):
            sizes = tuple(s for s in sizes if s)
        return tuple(self.pick(*sizes) for _ in range(n))

    def broadcast(self, shape: tuple) -> tuple:
        """A shape that broadcasts with `shape`, now and then one that does not."""
        if self.chance(0.5 * self.wild):
            return self.shape()
        kept = shape[self.r.randint(0, len(shape)) :]
        return tuple(1 if self.chance(0.25) else n for n in kept)

    def dim(self, ndim: int) -> Any:
        if ndim and not self.wrong and self.chance(0.3 * self.wild):
            self.wrong = True  # one mistake at a time: which of several is noticed first is nobody's business
            return self.pick(ndim, ndim + 1, -ndim - 1, -ndim - 2, "a", 1.5)
        n = max(ndim, 1)
        return self.r.randint(-n, n - 1)

    def dims(self, ndim: int, none: bool = True) -> Any:
        k = self.r.randrange(6)
        if k == 0 and none:
            return None
        if k == 1 and ndim > 1:
            chosen = self.r.sample(range(ndim), self.r.randint(1, ndim))
            return tuple(d - ndim if self.chance(0.5) else d for d in chosen)
        if k == 2 and self.chance(self.wild):
            return (0, 0) if self.chance(0.5) else ()
        return self.dim(ndim)

    # ---- numbers

    def number(self, dtype: str | None = None) -> Any:
        kind = self.r.randrange(8)
        if kind < 3:
            return self.pick(0, 1, 2, 3, -1, -2, 5)
        if kind < 6:
            return self.pick(0.0, 0.5, -0.5, 1.5, -2.0, 2.5, 3.0)
        if kind == 6:
            return self.pick(True, False)
        return self.pick(np.float32(1.5), np.float64(0.5), np.int64(2))

    # ---- tensors

    def dtype(self) -> str:
        if not self.chance(self.wild * 2):
            return self.pick("float64", "float32")
        return self.pick(*FLOATS, *WHOLE, "bool")

    def array(self, shape: tuple, dtype: str, values: Any = None) -> np.ndarray:
        n, r = math.prod(shape), self.r
        if dtype == "bool":
            flat: list = [r.random() < 0.5 for _ in range(n)]
        elif dtype in WHOLE:
            low, high = values if isinstance(values, tuple) else (-3, 5)
            flat = [
                r.randint(max(math.ceil(low), 0) if dtype == "uint8" else math.ceil(low), max(int(high), 1))
                for _ in range(n)
            ]
        elif isinstance(values, tuple):
            low, high = values
            flat = [round(low + (high - low) * r.random(), 3) for _ in range(n)]
        elif self.chance(self.wild * 0.7):
            flat = [self.pick(*SPECIAL) for _ in range(n)]
        elif self.chance(0.3):
            flat = [float(r.randint(-2, 2)) for _ in range(n)]
        else:
            flat = [round(r.uniform(-3, 3), 3) for _ in range(n)]
        return np.array(flat, dtype).reshape(shape)

    def tensor(
        self, shape: Any = None, dtype: str | None = None, values: Any = None, grad: Any = None
    ) -> torch.Tensor:
        shape = self.shape() if shape is None else shape
        dtype = self.dtype() if dtype is None else dtype
        self.wrong = self.wrong or dtype not in FLOATS  # a type may be a mistake too
        a = self.array(shape, dtype, values)
        layout = self.r.randrange(4)
        if layout == 1 and a.ndim > 1:
            a = a.T.copy().T
        elif layout == 2 and a.ndim:
            room = np.zeros([2 * n for n in a.shape], a.dtype)
            view = room[tuple(slice(None, None, 2) for _ in a.shape)]
            view[...] = a
            a = view
        t = torch.from_numpy(a)
        grad = self.chance(0.8) if grad is None else grad
        return t.requires_grad_() if grad and a.dtype.kind == "f" else t

    def floats(self, shape: Any = None, values: Any = None, **options: Any) -> torch.Tensor:
        return self.tensor(shape, self.pick("float32", "float64"), values, **options)

    def indices(self, n: int, shape: tuple, dtype: str = "int64", low: int = 0) -> torch.Tensor:
        if self.chance(0.3 * self.wild):
            n += 1
        high = max(n - 1, 0)
        flat = [
            self.r.randint(low if not self.chance(0.1 * self.wild) else -n - 1, high)
            for _ in range(math.prod(shape))
        ]
        return torch.from_numpy(np.array(flat, dtype).reshape(shape))

    def mask(self, shape: tuple) -> torch.Tensor:
        return torch.from_numpy(self.array(shape, "bool"))

    def type(self) -> Any:
        return getattr(torch, self.pick("float32", "float64", "float16", "int64", "int32", "bool"))

    def stranger(self) -> Any:
        """What is no argument of anything."""
        return self.pick("a string", None, [1.0, 2.0], {}, object)
