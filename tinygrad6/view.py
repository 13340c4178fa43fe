"""Views and in-place changes: one memory, several tensors, right gradients for all of them.

A view remembers its base and the `chain` of view ops that leads from the base to it. Two rules do everything:

* **Writing** into a tensor bumps the version cell that it shares with its base and views, so that values
  saved before the write are refused later. If the tensor is a view, the *base* gets a new history: of its
  old gradient everything but the written region, and the region goes to the value written.
* **Asking a view for its node** when the base's history was rewritten since replays the chain on the base.

Both are lazy: a program without in-place changes pays one `is None` per operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.modes import state


class View:
    """How a tensor looks into another one's memory."""

    __slots__ = ("base", "chain", "seen", "recorded")

    def __init__(self, base: Any, chain: tuple, seen: int, recorded: bool | str) -> None:
        self.base = base
        self.chain = chain  # ((view op, its static arguments), ...), from the base outwards
        self.seen = seen  # how often the base's history had been rewritten when the view's node was made
        self.recorded = (
            recorded  # made while grad mode was on; or the maker's name, if it made several at once
        )


def link(out: Any, x: Any, op: Any, params: dict) -> None:
    """Make `out`, the result of the view op on `x`, a view of x's base."""
    outer = x.view_of
    base, chain = (x, ()) if outer is None else (outer.base, outer.chain)
    out.cell = x.cell
    out.view_of = View(
        base, (*chain, (op, params)), x.cell[2], state.grad and (outer is None or outer.recorded)
    )


def live_node(t: Any) -> Any:
    """The tensor's node, replayed from its base if the base's history was rewritten."""
    v = t.view_of
    if v is not None and v.seen != t.cell[2]:
        v.seen = t.cell[2]
        before, state.grad = state.grad, True
        try:
            replayed = v.base
            for op, params in v.chain:
                replayed = op.call(replayed, **params)
            t.node = replayed.node
        finally:
            state.grad = before
    return t.node


def region(array: np.ndarray, chain: tuple) -> np.ndarray:
    """The part of `array` that the chain of view ops looks at, on the same memory."""
    for op, params in chain:
        array = op.forward(array, **params)
    return array


def same_layout(array: np.ndarray, order: tuple) -> np.ndarray:
    """A copy of `array` whose axes lie in memory in the given order, outermost first."""
    fresh = np.empty([array.shape[i] for i in order], array.dtype)
    out = fresh.transpose(np.argsort(order)) if order else fresh
    out[...] = array
    return out


def axis_order(array: np.ndarray) -> tuple:
    """The axes of `array` from the outermost in memory to the innermost."""
    return tuple(sorted(range(array.ndim), key=lambda i: (-abs(array.strides[i]), i)))
