"""Losses that are worth fusing; the others are compositions in nn.functional."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.op import REAL, case, derived, make_cache, op
from tinygrad6.ops.gather import gather_along
from tinygrad6.ops.pointwise import abs as absolute
from tinygrad6.ops.choose import above, below, np_clip, where
from tinygrad6.ops.activations import log_of_tail, sigmoid
from tinygrad6.ops.pointwise import log, log1p, sign, square
from tinygrad6.ops.reduce import as_type
from tinygrad6.ops.softmax import log_softmax
from tinygrad6.ops.reduce import mean as average
from tinygrad6.ops.reduce import sum as total
from tinygrad6.quiet import Quiet
from tinygrad6.sums import ones


TURNED = 128  # classes


def _check_targets(t: np.ndarray, classes: int, ignore_index: int) -> bool:
    """Whether some target is to be ignored; IndexError for one that is no class."""
    if not t.size:
        return False
    if not 0 <= ignore_index < classes and np.maximum.reduce(t.view(np.uint64)) < classes:
        return False  # a negative class is huge as an unsigned number
    ignored = t == ignore_index
    bad = t[~ignored & ((t < 0) | (t >= classes))]
    if bad.size:
        raise IndexError(f"Target {int(bad[0])} is out of bounds.")
    return bool(ignored.any())


def _picked(logp: Any, t: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """-log p of each target, 0 where it is ignored; which are kept, and how many."""
    keep = t != ignore_index
    index = where(keep, t, 0).reshape((t.shape[0], 1))
    losses = -gather_along(logp, index, 1).reshape((t.shape[0],))
    return where(keep, losses, 0.0), keep, total(keep, (0,))


def _reduced(losses: Any, count: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    summed = total(losses, (0,))
    return summed if reduction == "sum" else summed / count if count else summed * float("nan")


def _entropy_reference(x: Any, t: Any, ignore_index: int, reduction: str, cache: Any) -> Any:
    losses, _, count = _picked(log_softmax(x, 1), t, ignore_index)
    return _reduced(losses, count, reduction)


def _line(z: np.ndarray) -> np.ndarray:
    """The elements of a contiguous matrix in the order in which they lie."""
    return z.ravel("K")


def _entropy_kernel(g, needs, t, ignore_index, reduction, cache):
    p, kept, count, places = cache
    scale = g / p.dtype.type(count or 1) if reduction == "mean" else g  # 0-d, or one per row
    dx = p * scale
    if kept is None:
        _line(dx)[places] -= scale
    else:
        dx[:, ~kept] = 0
        dx[t[kept], np.flatnonzero(kept)] -= scale[kept] if reduction == "none" else scale
    return dx.T, None


_TARGETS = lambda rng: rng.integers(0, 4, 3)  # noqa: E731


@op(
    derived,
    None,
    reference=_entropy_reference,
    kernel=_entropy_kernel,
    prepare=make_cache,
    method=False,
    public=False,
    node_name="NllLoss",
    examples=[
        case((3, 4), _TARGETS, ignore_index=-100, reduction="mean"),
        case((3, 4), _TARGETS, ignore_index=-100, reduction="none"),
        case((3, 4), lambda rng: np.array([1, 2, 1]), ignore_index=2, reduction="mean"),
        case((3, 4), lambda rng: np.array([1, 2, 1]), ignore_index=2, reduction="sum"),
    ],
)
def cross_entropy_rows(x, t, ignore_index, reduction, cache=None):
    """-log softmax(x)[t] of each row of x (N, C), t (N) int64;
    their mean over the rows that are not ignored, sum, or none.

    `cache` receives softmax(x)^T, which is all that the gradient (softmax(x) - onehot(t)) g / n needs.
    """
    ignoring = _check_targets(t, x.shape[1], ignore_index)
    # Classes first, since a reduction over a short last axis is slow: up to some width the copy is transposed
    # in memory, beyond it as a view.
    kind = np.dtype(np.float32) if x.dtype.char == "e" else x.dtype
    z = np.array(x.T, kind, order="C" if x.shape[1] <= TURNED else "K")
    with Quiet():  # the distance to the top may be infinite
        z -= np.maximum.reduce(z, 0)
    kept = t != ignore_index if ignoring else None
    labels, rows = t if kept is None else np.where(kept, t, 0), np.arange(len(t))
    places = labels * len(t) + rows if z.flags.c_contiguous else rows * len(z) + labels
    chosen = _line(z)[places]
    np.exp(z, out=z)
    sums = ones(len(z), z.dtype).dot(z)
    losses = np.log(sums)
    losses -= chosen
    z /= sums
    if kept is not None:
        losses[~kept] = 0
    count = len(t) if kept is None else int(np.count_nonzero(kept))
    if cache is not None:
        cache[:] = z, kept, count, places
    if reduction == "none":
        return losses.astype(x.dtype, copy=False)
    summed = np.add.reduce(losses)
    if reduction == "mean":
        summed = summed / kind.type(count) if count else summed * kind.type(np.nan)
    return as_type(summed, x.dtype)


# ---- mean squared error


def _squared_kernel(g, needs, x, y, reduction):
    d = x - y
    if d.dtype.char == "e":  # 2 / n may be too small for it
        d = d.astype(np.float32)
    scale = g * d.dtype.type(2 / max(x.size, 1)) if reduction == "mean" else g * d.dtype.type(2)
    d *= scale
    return d if needs[0] else None, -d if needs[1] else None


def _squared_reference(x: Any, y: Any, reduction: str) -> Any:
    d = x - y
    return d * d if reduction == "none" else total(d * d) if reduction == "sum" else average(d * d)


@op(
    derived,
    derived,
    reference=_squared_reference,
    kernel=_squared_kernel,
    promote=True,
    method=False,
    public=False,
    node_name="MseLoss",
    examples=[
        case((2, 3), (2, 3), reduction="mean"),
        case((2, 3), (2, 3), reduction="none"),
        case((2, 3), (2, 3), reduction="sum"),
    ],
    layout="follow",
)
def squared_error(x, y, reduction):
    """(x - y)^2 for x and y of one shape; its mean, sum, or none."""
    with Quiet():
        d = x - y
        if reduction == "none":
            return np.square(d)
        flat = d.reshape(-1)
        if flat.dtype.char == "e":
            flat = flat.astype(np.float32)
        summed = np.add.reduce(np.square(flat, out=flat)) if flat.size > 1 << 16 else flat @ flat
        if reduction == "mean":
            summed = summed / flat.dtype.type(d.size) if d.size else summed * np.nan
        return as_type(summed, d.dtype)


# ---- a parabola that goes on straight


def _smooth_kernel(g, x, beta):
    kind = x.dtype.type
    slope = np_clip(x, kind(-beta), kind(beta))
    if beta != 1:
        slope /= kind(beta)
    slope *= g
    return (slope,)


@op(
    lambda g, x, beta: g * where(absolute(x) >= beta, sign(x), x / beta),
    kernel=_smooth_kernel,
    method=False,
    public=False,
    node_name="SmoothL1Loss",
    avoid=(-0.7, 0.7),
    domain=REAL,
    examples=[case((2, 3), beta=0.7)],
    elementwise=True,
)
def smooth_size(x, beta):
    """x^2 / (2 beta) where |x| < beta, else |x| - beta / 2, elementwise; beta > 0. No overflow."""
    size = np.abs(x)
    near = below(size, beta)
    size -= x.dtype.type(0.5) * near
    if beta != 1:
        near /= x.dtype.type(beta)
    size *= near
    return size


# ---- binary cross entropy of logits


def _logits_kernel(g, needs, x, y):
    return ((sigmoid.op.forward(x) - y) * g if needs[0] else None), (-x * g if needs[1] else None)


@op(
    lambda g, x, y: g * (sigmoid(x) - y),
    lambda g, x: -g * x,
    kernel=_logits_kernel,
    promote=True,
    method=False,
    public=False,
    examples=[case((2, 3), (2, 3))],
)
def logits_entropy(x, y):
    """-y log s - (1 - y) log(1 - s) for s = sigmoid(x), elementwise:
    (1 - y) x + max(-x, 0) + log(1 + exp(-|x|)), exact also where x is sure, and right."""
    tail = log_of_tail(x)
    with Quiet():
        return (1 - y) * x + above(-x, 0) + tail


# ---- binary cross entropy of probabilities

EPS = 1e-12  # PyTorch's floor of x (1 - x)


@op(
    lambda h, x, y: probability_slope(h, x, y),
    lambda h, g, x, y: h * g * ((x * x - 2 * x * y + y) / square((x + EPS) * (1 - x + EPS))),
    lambda h, g, x: -h * g / ((x + EPS) * (1 - x + EPS)),
    method=False,
    public=False,
    domain=(0.1, 0.9),
    node_name="BinaryCrossEntropyBackward",
    examples=[case((2, 3), (2, 3), (2, 3))],
    layout="follow",
)
def probability_slope(g, x, y):
    """g (x - y) / max(x (1 - x), 1e-12), of float16, which has no 1e-12, through float32."""
    single = [a.astype(np.float32) if a.dtype.char == "e" else a for a in (g, x, y)]
    g32, p, t = single
    with Quiet():
        return as_type(g32 * (p - t) / np.maximum(p * (1 - p), p.dtype.type(EPS)), x.dtype)


@op(
    lambda g, x, y: probability_slope(g, x, y),
    lambda g, x: g * (log1p(-x) - log(x)),
    promote=True,
    method=False,
    public=False,
    domain=(0.1, 0.9),
    examples=[case((2, 3), (2, 3))],
    layout="follow",
)
def binary_entropy(x, y):
    """-y log x - (1 - y) log(1 - x) with the logarithms no less than -100, as in PyTorch; x in [0, 1]."""
    with Quiet():
        kind = x.dtype.type
        return -(y * np.maximum(np.log(x), kind(-100)) + (1 - y) * np.maximum(np.log1p(-x), kind(-100)))
