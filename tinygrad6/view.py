"""Views and in-place changes: one memory, several tensors, right gradients for all of them.

A view remembers its base and the `chain` of view ops that leads from the base to it. Two rules do everything:

* **Writing** into a tensor bumps the version cell that it shares with its base and views, so that values
  saved before the write are refused later. If the tensor is a view, the *base* gets a new history: of its
  old gradient everything but the written region, and the region goes to the value written.
* **Asking a view for its node** after a write, which may have rewritten the base's history, replays the chain
  on the base.

Both are lazy: a program without in-place changes pays one `is None` per operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.engine import Leaf
from tinygrad6.modes import state


class View:
    """How a tensor looks into another one's memory."""

    __slots__ = ("made_of", "chain", "version", "recorded")

    def __init__(self, base: Any, chain: tuple, version: int, recorded: bool | str) -> None:
        self.made_of = base
        self.chain = chain  # ((view op, its static arguments), ...), from the base outwards
        self.version = version  # how often the memory had been written to when the view's node was made
        # whether it was made while grad mode was on; or the maker's name, if it made several at once
        self.recorded = recorded

    @property
    def base(self) -> Any:
        """The tensor whose memory this is; one whose own layout was changed (`transpose_`)
        left it to a hidden base."""
        base = self.made_of
        return base if base.view_of is None else base.view_of.base


def link(out: Any, x: Any, op: Any, params: dict) -> None:
    """Make `out`, the result of the view op on `x`, a view of x's base."""
    outer = x.view_of
    base, chain = (x, ()) if outer is None else (outer.base, outer.chain)
    out.cell = x.cell
    if not state.grad and x.node is not None:
        out.node = Leaf(out)  # as in PyTorch it requires gradients, which arrive nowhere
        out.node.tensor = _nowhere
    out.view_of = View(
        base, (*chain, (op, params)), x.cell[1], state.grad and (outer is None or outer.recorded)
    )


def _nowhere() -> None:
    """In the place of a weak reference to the tensor that a gradient is for."""


def stale(t: Any) -> bool:
    """Whether t is a view that may no longer be used: see `reason`."""
    v = t.view_of
    return (
        v is not None
        and v.recorded is not True
        and v.version != t.cell[1]
        and (v.base.node is not None or t.node is not None and t.node.op is not None)
    )


def live_node(t: Any) -> Any:
    """The tensor's node, replayed from its base if their memory was written to since.

    RuntimeError for a view made under no_grad, or by a function that makes several, whose memory was written
    to.
    """
    v = t.view_of
    if v is None or v.version == t.cell[1]:
        return t.node
    if v.base.node is None and (t.node is None or t.node.op is None):
        v.version = t.cell[1]  # nobody wants gradients, or t alone, for itself
        return t.node
    if v.recorded is not True:
        if state.grad:
            raise RuntimeError(reason(v, "its base or another view of its base has been"))
        return t.node
    v.version = t.cell[1]
    before, state.grad = state.grad, True
    try:
        replayed = v.base
        for op, params in v.chain:
            replayed = op.call(replayed, **params)
    finally:
        state.grad = before
    if t.__dict__.get("retains_grad"):
        t.keep_grad_of(replayed.node, t.node)
    t.node = replayed.node
    return t.node


def reason(v: View, changed: str) -> str:
    """Why the view may not be changed in place, or be used after it was."""
    if isinstance(v.recorded, str) and not v.recorded.endswith("0"):
        return (
            f"Output 0 of {v.recorded} is a view and {changed} modified inplace. This view was created "
            "inside a custom Function (or because an input was returned as-is) and the autograd logic to "
            "handle view+inplace would override the custom backward associated with the custom Function, "
            "leading to incorrect gradients. You can fix this by cloning the output of the custom Function."
        )
    if isinstance(v.recorded, str):
        return (
            f"Output of {v.recorded} is a view and {changed} modified inplace. This view is the output of a "
            "function that returns multiple views. Such functions do not allow the output views to be "
            "modified inplace. You should replace the inplace operation by an out-of-place one."
        )
    return (
        f"A view was created in no_grad mode and {changed} modified inplace with grad mode enabled. Make the "
        "view and the change both inside the no_grad block, or both outside; or clone() the view."
    )


def region(array: np.ndarray, chain: tuple) -> np.ndarray:
    """The part of `array` that the chain of view ops looks at, on the same memory."""
    for op, params in chain:
        array = op.forward(array, **params)
    return array
