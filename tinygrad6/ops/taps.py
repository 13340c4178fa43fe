"""Weighted gathering: what resizing, padding by the border and adaptive means have in common.

Each output element along a dimension is a weighted sum of a few input elements, its *taps*. A `Map` lists
them tap by tap: (which outputs, or all; their inputs; their weights, or ones). `gather_taps` applies one Map
for each of the last dimensions, one dimension after another, and `scatter_taps` is its adjoint; each is the
other's rule. The adjoint gathers too, by the transposed table: np.add.at and np.add.reduceat took ten times
as long. No weight is zero by padding a short list, so nan and inf reach only what they belong to.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad6.blocks import by_lead
from tinygrad6.op import case, op


class Tap(NamedTuple):
    """outputs (k), or None for all in order; inputs (k), each output's; weights (k), or None for ones.

    Positions at equal distances are a slice.
    """

    outputs: Any
    inputs: Any
    weights: np.ndarray | None


class Map(NamedTuple):
    """The taps of a dimension of `size` inputs and `made` outputs; and `back`, those of the adjoint."""

    size: int
    made: int
    taps: tuple[Tap, ...]
    back: tuple[Tap, ...]


def from_table(size: int, inputs: Any, weights: Any = None) -> Map:
    """A Map from, for every output, the list of its inputs and that of their weights."""
    made = len(inputs)
    if isinstance(inputs, np.ndarray):  # equally many for all
        outputs = np.repeat(np.arange(made), inputs.shape[1])
        joined, w = inputs.reshape(-1), None if weights is None else weights.reshape(-1)
    else:
        outputs = np.repeat(np.arange(made), [len(r) for r in inputs])
        joined = np.concatenate([np.zeros(0, np.intp), *inputs]).astype(np.intp)
        w = None if weights is None else np.concatenate([np.zeros(0), *weights])
    return Map(size, made, _taps(outputs, joined, w, made), _taps(joined, outputs, w, size))


def _taps(outputs: np.ndarray, inputs: np.ndarray, weights: np.ndarray | None, made: int) -> tuple[Tap, ...]:
    """Pairs of an output and an input, sorted so that every tap has no output twice."""
    order = np.argsort(outputs, kind="stable")
    outputs, inputs = outputs[order], inputs[order]
    count = np.bincount(outputs, minlength=made)
    rank = np.arange(len(outputs)) - (np.cumsum(count) - count)[outputs]
    taps = []
    for k in range(max(count, default=0)):
        at = np.flatnonzero(rank == k)
        taps.append(
            Tap(
                None if len(at) == made else _positions(outputs[at]),
                _positions(inputs[at]),
                None if weights is None else weights[order[at]],
            )
        )
    return tuple(taps)


def _positions(at: np.ndarray) -> Any:
    """Positions as a slice, if they have equal distances, else as they are."""
    step = int(at[1] - at[0]) if len(at) > 1 else 1
    if step > 0 and (np.diff(at) == step).all():
        return slice(int(at[0]), int(at[-1]) + 1, step)
    return at


def _gathered(x: np.ndarray, taps: tuple[Tap, ...], made: int, axis: int) -> np.ndarray:
    """The sums of the taps along axis."""
    before, after = (slice(None),) * axis, (1,) * (x.ndim - axis - 1)
    out = None
    for tap in taps:
        view = type(tap.inputs) is slice
        part = x[*before, tap.inputs] if view else x.take(tap.inputs, axis)
        if tap.weights is not None:
            part = np.multiply(
                part, tap.weights.astype(x.dtype).reshape(-1, *after), out=None if view else part
            )
        if out is None and tap.outputs is None:
            out = part.copy() if part.base is not None else part
            continue
        if out is None:
            out = np.zeros((*x.shape[:axis], made, *x.shape[axis + 1 :]), x.dtype)
        out[... if tap.outputs is None else (*before, tap.outputs)] += part
    return np.zeros((*x.shape[:axis], made, *x.shape[axis + 1 :]), x.dtype) if out is None else out


def _each(x: np.ndarray, maps: tuple, forward: bool) -> np.ndarray:
    """Every map applied to its dimension: narrowing ones first, so that little is carried along."""
    d = len(maps)
    lead, given = x.shape[: x.ndim - d], x.shape[x.ndim - d :]
    size = tuple(m.made if forward else m.size for m in maps)
    x = x.reshape(math.prod(lead), *given)
    out = np.empty((len(x), *size), x.dtype)
    order = sorted(range(d), key=lambda i: size[i] / max(1, given[i]))
    widen = x.dtype.char == "e" and any(len(m.taps) > 1 or not forward for m in maps)

    def work(a: int, b: int) -> None:
        part = x[a:b].astype(np.float32) if widen else x[a:b]
        for i in order:
            part = _gathered(part, maps[i].taps if forward else maps[i].back, size[i], i + 1)
        out[a:b] = part

    by_lead(work, x if forward else out)
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
    layout="channels",
)
def gather_taps(x, maps):
    """Weighted sums of elements of x (*lead, *size), by a Map for each of the last dimensions."""
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
