"""Optimizers that look at a parameter as a matrix, and so step one parameter at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor

from .optimizer import Array, Counters, Group, Optimizer, Slots, lerp


def _norm(a: Array) -> float:
    a = a.reshape(-1)
    return math.sqrt(np.vdot(a, a).item())


class Adafactor(Optimizer):
    """p -= alpha u / max(1, rms(u) / d), with u = g / sqrt(v), and v kept as a row and a column.

    For a matrix (or a stack of matrices, in the last two dimensions), v is row_var col_var / mean(row_var),
    where row_var and col_var average mean(g^2) over rows and columns with weight t^beta2_decay; so its memory
    is that of a row and a column. For vectors and 0-d parameters v itself is kept. alpha = max(eps2, rms(p))
    min(lr, 1 / sqrt(t)).

    eps = (eps1, eps2), and eps1 None means the dtype's machine epsilon. As PyTorch's, this differs from the
    paper in that eps1 bounds v from below instead of being added to g^2, and in lr in place of 0.01;
    weight_decay is decoupled.

    Source: Shazeer and Stern 2018, algorithms 4 and 5.
    """

    elementwise = False
    limits = {
        "eps": ("epsilon values", lambda v: (v[0] is None or v[0] >= 0.0) and v[1] >= 0.0),
        "beta2_decay": ("beta2_decay, which should be <= 0,", lambda v: v <= 0.0),
        "d": ("clipping threshold d, which should be >= 1,", lambda v: v >= 1.0),
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def slots_of(self, group: Group, p: Tensor) -> tuple[str, ...]:
        return ("row_var", "col_var") if p.array.ndim > 1 else ("variance",)

    def initial(self, name: str, p: Array, group: Group) -> Any:
        if name == "variance":
            return np.zeros_like(p)
        return np.zeros((*p.shape[:-1], 1) if name == "row_var" else (*p.shape[:-2], 1, p.shape[-1]), p.dtype)

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        kind, step, lr = p.dtype.type, t["step"], group["lr"]
        eps1, eps2 = group["eps"]
        eps1 = float(np.finfo(p.dtype).eps) if eps1 is None else eps1
        weight = step ** group["beta2_decay"]
        alpha = max(eps2, _norm(p) / math.sqrt(p.size)) * min(lr, 1 / math.sqrt(step))
        if group["maximize"]:
            g = np.negative(g, x)
        if group["weight_decay"]:
            p *= kind(1 - lr * group["weight_decay"])
        np.multiply(g, g, y)
        if "variance" in s:
            lerp(s["variance"], y, weight, np.empty_like(y))
            y[...] = s["variance"]
        else:
            row, col = s["row_var"], s["col_var"]
            for var, mean in ((row, y.mean(-1, keepdims=True)), (col, y.mean(-2, keepdims=True))):
                lerp(var, mean, weight, np.empty_like(var))
            np.matmul(row, col, out=y)
            y /= np.maximum(row.mean(-2, keepdims=True), kind(eps1))
        np.maximum(y, kind(eps1 * eps1), out=y)
        np.sqrt(y, y)
        np.divide(g, y, x)
        x *= kind(alpha / max(1.0, _norm(x) / (math.sqrt(x.size) * group["d"])))
        p -= x


class Muon(Optimizer):
    """b = momentum b + (1 - momentum) g, p -= lr' O, with O near the orthogonal matrix closest to b.

    O comes from ns_steps of a Newton-Schulz iteration with ns_coefficients, which lifts the singular values
    of b to about 1; nesterov takes (1 - momentum) g + momentum b for b. p is first shrunk by lr weight_decay.
    lr' is lr times sqrt(max(1, rows / columns)), or, with adjust_lr_fn="match_rms_adamw", times 0.2
    sqrt(max(rows, columns)).

    Parameters have to be matrices: give biases and embeddings to another optimizer. As in PyTorch the
    iteration is rounded to bfloat16 after each product (here float32 that is rounded), so only two or three
    digits of O mean anything. Source: Jordan et al. 2024; "match_rms_adamw" is of Liu et al. 2025.
    """

    elementwise = False
    counters = ()
    slots = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )

    def _check(self, group: Group) -> None:
        super()._check(group)
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {group['adjust_lr_fn']} is not supported: use 'original' or "
                "'match_rms_adamw'"
            )
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        for p in group.get("params", ()):
            if p.ndim != 2:
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                )

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        kind, lr, b = p.dtype.type, group["lr"], s["momentum_buffer"]
        lerp(b, g, 1 - group["momentum"], y)
        if group["nesterov"]:
            x[...] = g
            lerp(x, b, group["momentum"], y)
            b = x
        update = _orthogonal(b, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        p *= kind(1 - lr * group["weight_decay"])
        p -= np.multiply(update, kind(lr * ratio), y)


def _orthogonal(b: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """`steps` times o = a1 o + (a3 o o^T + a5 (o o^T)^2) o, from b / |b|, with singular values in (0, 1].

    On the side that makes o o^T the smaller.
    """
    a1, a3, a5 = (np.float32(c) for c in coefficients)
    o = _bfloat16(b.astype(np.float32).T if b.shape[0] > b.shape[1] else b.astype(np.float32))
    o = _bfloat16(o / max(_bfloat16(np.float32(_norm(o)).reshape(1)), _bfloat16(np.float32(eps).reshape(1))))
    for _ in range(steps):
        gram = _bfloat16(o @ o.T)
        gram = _bfloat16(a3 * gram + a5 * (gram @ gram))
        o = _bfloat16(a1 * o + gram @ o)
    return o.T if b.shape[0] > b.shape[1] else o


def _bfloat16(x: Array) -> Array:
    """float32 rounded to the 8 significant bits of bfloat16, ties to even."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.where(np.isnan(x), x, (rounded & np.uint32(0xFFFF0000)).view(np.float32))
