"""In-place twins: `x.add_(y)` is `add`, its result written into x's memory and x's history continued.

What PyTorch refuses is refused before any memory changes: leaves that require gradients, views of such
leaves, views made under no_grad, expanded tensors, results of another shape or of a higher type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.engine import Node, clock
from tinygrad6.layouts import axis_order, ordered
from tinygrad6.modes import state
from tinygrad6.op import OPS, REAL, Op, case, op
from tinygrad6.tensor import TENSORS, Tensor, wrap
from tinygrad6.view import live_node, reason, region


def twin(name: str, call: Callable[..., Any], composed: bool = False) -> Callable[..., Any]:
    """The in-place form of an op: the same arguments, the result stored in the first of them."""

    def method(input: Any, *args: Any, **kwargs: Any) -> Any:
        self = input  # as PyTorch's functions of the same names have it: relu_(input=x)
        recording = state.grad and (
            live_node(self) is not None
            or any(type(a) in TENSORS and live_node(a) is not None for a in (*args, *kwargs.values()))
        )
        refuse(self, name, recording)
        if kwargs and kwargs.get("dtype") not in (None, self.dtype):
            raise RuntimeError(f"Bad in-place call: {name}_ with dtype={kwargs['dtype']} for {self.dtype}")
        if not recording:
            ufunc = None if composed or kwargs else call.op.ufunc  # type: ignore[attr-defined]
            if ufunc is not None and _straight(self, args):
                ufunc(self.array, *[a.array if type(a) in TENSORS else a for a in args], out=self.array)
                self.bump()
                return self
            before, state.grad = state.grad, False
            try:
                return write(self, call(self, *args, **kwargs), name)
            finally:
                state.grad = before
        # A composite may need the old value in several places, and a pack hook may keep it: let them have a
        # copy.
        source = self.clone() if composed or state.saving else self
        return write(self, call(source, *args, **kwargs), name)

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"In-place form of `{name}`: changes this tensor's memory and returns it."
    return method


def _straight(self: Any, args: tuple) -> bool:
    """May the ufunc write its result right here? Same type and shape; numbers no stronger than the array."""
    a = self.array
    for v in args:
        if type(v) in TENSORS:
            if v.array.dtype is not a.dtype or (v.array.shape != a.shape and v.array.ndim):
                return False
        elif type(v) not in (int, float) or a.dtype.char not in "fd":
            return False
    return a.dtype.kind == "f"


def refuse(t: Tensor, name: str, recording: bool) -> None:
    """Raise for an in-place change that must not be: before anything is changed."""
    refuse_history(t, name, recording)
    refuse_memory(t.array, name)


def refuse_history(t: Tensor, name: str, recording: bool) -> None:
    """Raise if gradients would be wrong after a change, which is recorded."""
    if recording:
        v, node = t.view_of, live_node(t)
        if v is not None and v.recorded is not True:
            raise RuntimeError(f"{name}_: {reason(v, 'is being')}")
        if v is not None and node is not None and v.base.is_leaf:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
        if v is None and node is not None and node.op is None:
            raise RuntimeError(
                f"a leaf Variable that requires grad is being used in an in-place operation. ({name}_: "
                "change it under no_grad(), or change a clone())"
            )


def refuse_memory(a: np.ndarray, name: str) -> None:
    """Raise if writing to the array is impossible, or would write to one place twice."""
    if not a.flags.c_contiguous and a.size and _overlaps(a):
        raise RuntimeError(
            f"{name}_: unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    if not a.flags.writeable:
        raise RuntimeError(f"{name}_: the tensor's memory is read-only. Please clone() the tensor first.")


def _overlaps(a: np.ndarray) -> bool:
    """Whether two elements lie at one place: True unless each stride steps over all that the smaller ones
    reach."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(a.strides, a.shape, strict=True)):
        if n > 1:
            if stride <= reach:
                return True
            reach += stride * (n - 1)
    return False


def write(t: Any, value: Any, name: str) -> Any:
    """Store `value`, a recorded result, in t's memory and let t stand for it."""
    old, new = t.array, value.array
    if new.shape != old.shape:
        raise RuntimeError(
            f"{name}_: output with shape {list(old.shape)} doesn't match the broadcast shape "
            f"{list(new.shape)}"
        )
    if not dtypes.can_cast(new.dtype, old.dtype):
        raise RuntimeError(
            f"{name}_: result type {dtypes.TYPE_NAMES[new.dtype.name]} can't be cast to the desired output "
            f"type {dtypes.TYPE_NAMES[old.dtype.name]}"
        )
    node = value.node if state.grad else None
    spoiled = False
    if node is not None and node.saved:
        # A rule that asked for the value t had keeps a copy of it, if it was not cast to another type, and so
        # copied. What it asked for of other parts of the same memory is not touched by this write.
        copy = np.array(old) if any(a is old for a in node.saved) else None
        whole = _owner(old)
        cells = list(node.cells)
        for i, a in enumerate(node.saved):
            if cells[i] is t.cell and isinstance(a, np.ndarray):
                if a is old or not np.may_share_memory(a, whole):
                    cells[i] = None
                elif np.may_share_memory(a, old):
                    spoiled = True
        node.cells = tuple(cells)
        node.saved = tuple(copy if a is old else a for a in node.saved)
    np.copyto(old, new, casting="unsafe")
    t.bump()
    if node is not None and not spoiled:
        node.rank = clock()  # this write is not one that spoils what it keeps; later ones are
    if not state.grad or (node is None and live_node(t) is None):
        return t
    if node is None and old.dtype.kind == "f" and (before := live_node(t)) is not None:
        # the result has no gradient, so the old value gets none from here on
        node = Node(OPS["nothing"], (before,), (), (), {}, old)
    if node is not None and node.saved and node.saved[-1] is new and new.dtype == old.dtype:
        # The result now lives in t's memory: changing t again is noticed, and nothing is stored twice.
        node.saved, node.cells = (*node.saved[:-1], old), (*node.cells[:-1], t.cell)
        node.rank = clock()
    continue_history(t, node)
    return t


def _owner(a: np.ndarray) -> np.ndarray:
    """The array whose memory `a` is a part of."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def continue_history(t: Any, node: Node | None) -> None:
    """After a change in place: t's values come from `node` now, or nothing; its base's from there in part."""
    v = t.view_of
    if v is None:
        if t.__dict__.get("retains_grad"):
            t.keep_grad_of(node, t.node)
        t.node = node
    else:
        params = {"chain": v.chain, "order": axis_order(v.base.array)}
        base = v.base.node
        v.base.node = Node(OVERWRITE, (v.base.node, node), (), (), params, v.base.array)
        if v.base.__dict__.get("retains_grad"):
            v.base.keep_grad_of(v.base.node, base)


# ---- the ops by which histories are rewritten: each is a helper in the others' rules


@op(lambda g, x_shape, chain, order: embed(g, x_shape, chain, order), method=False, public=False, examples=[])
def take_region(x, chain, order):
    """The region of x that the chain of view ops looks at, copied."""
    return region(ordered(x, order), chain)


@op(lambda g, shape, chain, order: take_region(g, chain, order), method=False, public=False, examples=[])
def embed(x, shape, chain, order):
    """Zeros of the given shape with x in the region of the chain."""
    out = ordered(np.zeros(shape, x.dtype), order)
    region(out, chain)[...] = x
    return out


@op(lambda g, chain, order: clear_region(g, chain, order), method=False, public=False, examples=[])
def clear_region(x, chain, order):
    """x with the region of the chain set to zero."""
    out = ordered(x, order)
    region(out, chain)[...] = 0
    return out


def _overwritten(x, y, chain, order):
    """x with the region of the chain replaced by y."""
    raise NotImplementedError("overwrite is recorded after the memory was changed, never called")


_overwritten.__name__ = "copy_slices"
OVERWRITE = Op(
    _overwritten,
    (
        lambda g, chain, order: clear_region(g, chain, order),
        lambda g, chain, order: take_region(g, chain, order),
    ),
    node_name=lambda node: "CopySlices",
    examples=[case((2, 3), (3,))],
    domain=REAL,
)
__all__ = ["refuse", "twin", "wrap", "write"]
