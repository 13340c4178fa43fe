"""Weighted gathering along dimensions: what resizing, padding by the border and adaptive means have in common.

Each output element along a dimension is a weighted sum of a few input elements, its *taps*. A `Map` lists them tap by tap:
(which outputs, or all; their inputs; their weights, or ones). `gather_taps` applies one Map for each of the last dimensions,
one dimension after another, and `scatter_taps` is its adjoint; each is the other's rule. No weight is zero by padding a short
list, so nan and inf reach only what they belong to.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad6.op import case, op
from tinygrad6.ops.window import by_lead


class Tap(NamedTuple):
    """outputs (k) or None for all in order; inputs (k), each output's; weights (k) or None for ones."""

    outputs: np.ndarray | None
    inputs: np.ndarray
    weights: np.ndarray | None


class Map(NamedTuple):
    """The taps of a dimension of `size` inputs and `made` outputs; the first one has all outputs."""

    size: int
    made: int
    taps: tuple[Tap, ...]


def from_table(size: int, inputs: Any, weights: Any = None) -> Map:
    """A Map from, for every output, the list of its inputs and that of their weights (not empty)."""
    made, taps = len(inputs), []
    for k in range(max(map(len, inputs), default=0)):
        has = [i for i in range(made) if len(inputs[i]) > k]
        taps.append(
            Tap(
                None if len(has) == made else np.array(has),
                np.array([inputs[i][k] for i in has], np.intp),
                None if weights is None else np.array([weights[i][k] for i in has]),
            )
        )
    return Map(size, made, tuple(taps))


def _weighted(x: np.ndarray, weights: np.ndarray | None, axis: int) -> np.ndarray:
    """x, just made and not shared, times weights along axis."""
    if weights is not None:
        x *= weights.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
    return x


def _at(axis: int, where: Any) -> tuple:
    return (*(slice(None),) * axis, where)


def _forward(x: np.ndarray, m: Map, axis: int) -> np.ndarray:
    shape = list(x.shape)
    shape[axis] = m.made
    out = np.zeros(shape, x.dtype) if not m.taps else None
    for tap in m.taps:
        part = _weighted(x.take(tap.inputs, axis), tap.weights, axis)
        if out is None:
            out = part
        else:
            out[... if tap.outputs is None else _at(axis, tap.outputs)] += part
    return out


def _backward(g: np.ndarray, m: Map, axis: int) -> np.ndarray:
    shape = list(g.shape)
    shape[axis] = m.size
    out = np.zeros(shape, g.dtype)
    for tap in m.taps:
        part = g if tap.outputs is None else g.take(tap.outputs, axis)
        inputs, weights = tap.inputs, tap.weights
        if np.any(inputs[1:] < inputs[:-1]):
            order = np.argsort(inputs, kind="stable")
            part, inputs = part.take(order, axis), inputs[order]
            weights = None if weights is None else weights[order]
        if weights is not None:
            part = _weighted(part.copy(), weights, axis)
        starts = np.flatnonzero(np.r_[True, inputs[1:] != inputs[:-1]][: len(inputs)])
        if len(starts) < len(inputs):
            part = np.add.reduceat(part, starts, axis)
        if len(starts):
            out[_at(axis, inputs[starts])] += part
    return out


def _each(x: np.ndarray, maps: tuple, forward: bool) -> np.ndarray:
    """Every map applied to its dimension: narrowing ones first, so that little is carried along."""
    d = len(maps)
    step = _forward if forward else _backward
    lead, given = x.shape[: x.ndim - d], x.shape[x.ndim - d :]
    size = tuple(m.made if forward else m.size for m in maps)
    x = x.reshape(math.prod(lead), *given)
    out = np.empty((len(x), *size), x.dtype)
    order = sorted(range(d), key=lambda i: size[i] / max(1, given[i]))
    widen = x.dtype.char == "e" and any(len(m.taps) > 1 or not forward for m in maps)

    def work(a: int, b: int) -> None:
        part = x[a:b].astype(np.float32) if widen else x[a:b]
        for i in order:
            part = step(part, maps[i], i + 1)
        out[a:b] = part

    by_lead(work, x if forward else out, d)
    return out.reshape(lead + size)


_MAPS = (
    from_table(3, [[0], [2, 1], [1, 0]], [[0.5], [1.0, 0.25], [2.0, 0.5]]),
    from_table(4, [[2], [1], [1], [3], [3]]),
)


@op(
    lambda g, maps: scatter_taps(g, maps),
    method=False,
    public=False,
    examples=[case((2, 3, 4), maps=_MAPS), case((2, 3), maps=_MAPS[:1])],
)
def gather_taps(x, maps):
    """Every element of the result a weighted sum of elements of x (*lead, *size), by a Map for each of the last dimensions."""
    return _each(x, maps, True)


@op(
    lambda h, maps: gather_taps(h, maps),
    method=False,
    public=False,
    examples=[case((2, 3, 5), maps=_MAPS)],
)
def scatter_taps(x, maps):
    """Every element added, weighted, to the elements that gather_taps would make it of: its adjoint."""
    return _each(x, maps, False)
