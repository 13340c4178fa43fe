"""A look at the graph while it is recorded and run: hooks on saved tensors and on nodes, and anomaly mode.

None of this costs anything until it is used: recording is watched by putting another `__init__` in the place
of Node's, backward passes by setting `engine.watch`. Both go back when the last watcher leaves.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6 import engine
from tinygrad6.engine import FREED, Node
from tinygrad6.hooks import RemovableHandle
from tinygrad6.modes import state
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.view import live_node

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
DEPTH = 8  # how many of the user's lines are kept per operation in anomaly mode
_HERE = __name__.partition(".")[0]
_plain_init, _plain_bump, _plain_backprop = Node.__init__, Tensor.bump, engine.backprop
_running = threading.local()  # the node that is being run, and the pass
_lock = threading.Lock()
_recorders = 0  # how many ask for recording to be watched
_traces: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # where each node was recorded
# hooks to call when a node has run
_after: weakref.WeakKeyDictionary[Node, dict] = weakref.WeakKeyDictionary()
anomaly = {"on": False, "nan": True}


def watch_recording(more: int) -> None:
    """Count watchers of recording in or out; while there are any, every new node passes through `_record`."""
    global _recorders
    with _lock:
        _recorders += more
        Node.__init__ = _record if _recorders else _plain_init


def _record(self: Node, op: Any, parents: tuple, saved: tuple, cells: tuple, params: dict, out: Any) -> None:
    _plain_init(self, op, parents, saved, cells, params, out)
    if anomaly["on"] and op is not None:
        _traces[self] = _stack() + _because()
    if saved and state.saving:
        pack_node(self)


def _stack() -> str:
    """The user's lines that are being run, outermost first."""
    frames = []
    for f, line in traceback.walk_stack(sys._getframe(1)):
        if f.f_globals.get("__name__", _HERE).partition(".")[0] != _HERE:
            frames.append((f, line))
            if len(frames) == DEPTH:
                break
    return "".join(traceback.StackSummary.extract(reversed(frames)).format())


# ---- hooks on what is saved


class Packed:
    """A saved tensor as a pack hook gave it back."""

    __slots__ = ("value", "unpack")

    def __init__(self, a: np.ndarray, node: Node | None = None) -> None:
        hooks = state.saving[-1]
        if isinstance(hooks, str):
            raise RuntimeError(hooks)
        pack, self.unpack = hooks
        t = wrap(a)
        t.node = node
        with _aside():
            self.value = pack(t)

    def tensor(self) -> Tensor:
        with _aside():
            t = self.unpack(self.value)
        if not isinstance(t, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(t).__name__}"
            )
        return t

    def shares(self, a: np.ndarray) -> bool:
        return isinstance(self.value, Tensor) and np.may_share_memory(self.value.array, a)


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """Hooks run without recording, and what they save is their own business."""
    before = state.grad, state.saving
    state.grad, state.saving = False, ()
    try:
        yield
    finally:
        state.grad, state.saving = before


class PackedNode(Node):
    """A node whose saved arrays were packed: they are unpacked for as long as its rules run."""

    __slots__ = ()

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        packed = self.saved
        if packed is not None:
            found: list[Any] = list(packed)
            for i in _in_turn(self):
                if type(packed[i]) is Packed:
                    found[i] = packed[i].tensor().array
            self.saved = tuple(found)
        try:
            pairs = list(super().gradients(g, graph))
            # A rule may hand on what was saved, which belongs to whoever unpacked it.
            return [
                (p, np.array(new) if any(new is a for a in self.saved or ()) else new) for p, new in pairs
            ]
        finally:
            self.saved = packed


def _in_turn(node: Node) -> list[int]:
    """The places of what `node` saved in the order in which its rules ask for it, which is PyTorch's."""
    places = {name: i for i, name in enumerate([*node.op.arrays, "out"])}
    asked = [a for a, p in zip(node.op.needs, node.parents, strict=True) if a and p is not None]
    first = [places[name] for names in asked for name in names if name in places]
    return list(dict.fromkeys([*first, *range(len(node.saved or ()))]))


def pack_node(node: Node) -> None:
    """Pass what the node saved through the pack hook; inputs are seen with their history.

    Changes are noticed as before where the memory is still shared.
    """
    arrays = node.saved or ()
    packed: list[Any] = list(arrays)
    for i in _in_turn(node):
        if isinstance(arrays[i], np.ndarray):
            packed[i] = Packed(arrays[i], node.parents[i] if i < len(node.parents) else None)
    node.saved = tuple(packed)
    node.cells = tuple(
        c if not isinstance(p, Packed) or p.shares(a) else None
        for p, a, c in zip(node.saved, arrays, node.cells, strict=True)
    )
    if type(node) is Node:
        node.__class__ = PackedNode


class saved_tensors_hooks:  # noqa: N801 -- PyTorch's name
    """Inside, what operations save for backward passes through `pack_hook`,
    and through `unpack_hook` when needed.

    pack_hook(tensor) returns anything; unpack_hook gets that and returns a tensor of the same values. Of
    nested managers the innermost counts. Both run without recording.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor([2.0, 3.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda v: torch.tensor(v)):
    ...     y = (x * x).sum()
    >>> y.backward(); x.grad
    tensor([4., 6.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.hooks: Any = (pack_hook, unpack_hook)

    def __enter__(self) -> Any:
        if state.saving and isinstance(state.saving[-1], str):
            raise RuntimeError(state.saving[-1])
        watch_recording(1)
        state.saving = (*state.saving, self.hooks)
        return self

    def __exit__(self, *exc: object) -> None:
        state.saving = state.saving[:-1]
        watch_recording(-1)


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 -- PyTorch's name
    """Inside, copies are saved: in-place changes to the originals do no harm.

    (There is no other device to come from.)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.clone(), lambda t: t)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering saved_tensors_hooks raises RuntimeError(error_message)."""
    before, state.saving = state.saving, (*state.saving, error_message)
    try:
        yield
    finally:
        state.saving = before


def _saved_as(node: Node, name: str) -> Any:
    """What the node's rules keep of the op's argument of this name, or of its "result"."""
    places = {} if node.op is None else {n: i for i, n in enumerate([*node.op.public_names, "result"])}
    i = places.get("input" if name == "self" else name)
    if i is None:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")
    if node.saved is None:
        raise RuntimeError(FREED + f"the node freed is {node.name()}.")
    value = node.saved[i] if node.saved else None
    if value is None:
        raise AttributeError(f"{node.name()} does not save {name!r}")
    origin = node.parents[i] if i < len(node.parents) else node
    if origin is not None and origin.op is None:
        return origin.tensor()  # the leaf itself
    t = value.tensor() if isinstance(value, Packed) else wrap(value)
    t.node = origin
    return t


# Properties, since a __getattr__ would make every attribute of every node a tenth slower to reach.
for _name in (
    "self input other weight bias target condition exponent index indices values low high lengths samples "
    "steps g h c v result".split()
):
    setattr(Node, f"_saved_{_name}", property(functools.partial(_saved_as, name=_name)))

# ---- hooks on nodes


def hook_after(node: Node, hook: Callable[..., Any]) -> RemovableHandle:
    """The body of Node.register_hook."""
    if node.op is None:  # where gradients arrive: after the arrival
        t = node.tensor()
        return t.register_post_accumulate_grad_hook(lambda t: hook((), (t.grad,)) and None)
    hooks = _after.setdefault(node, {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    engine.watch = _watch
    return handle


def _watch(node: Node, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
    """node.gradients, for those who look on."""
    before = _running.__dict__.get("node")
    _running.node = node
    try:
        pairs = list(node.gradients(g, graph))
    except Exception as e:
        if node in _traces:
            e.add_note(_told(node))
        raise
    finally:
        _running.node = before
    if len(pairs) < len(node.parents):  # as hooks know them, with None where no gradient is wanted
        came = collections.deque(pairs)
        pairs = [came.popleft() if came and came[0][0] is p else (None, None) for p in node.parents]  # type: ignore[misc]
    for hook in list(_after.get(node, {}).values()):
        given = tuple(None if new is None else _as_tensor(new) for _, new in pairs)
        answer = hook(given, (_as_tensor(g),))
        if answer is not None:
            answers = answer if isinstance(answer, tuple) else (answer,)
            if len(answers) != len(pairs):
                raise RuntimeError(
                    f"hook of {node.name()} has returned an incorrect number of values: {len(answers)}, not "
                    f"{len(pairs)}"
                )
            pairs = [
                (p, a if a is None or graph else a.array) for (p, _), a in zip(pairs, answers, strict=True)
            ]
    if anomaly["on"] and anomaly["nan"]:
        for i, (_, new) in enumerate(pairs):
            parts = getattr(new, "parts", None)
            for part in (new,) if parts is None else parts.values():
                a = part.array if isinstance(part, Tensor) else part
                if a is not None and np.isnan(a).any():
                    raise RuntimeError(
                        f"Function '{node.name()}' returned nan values in its {i}th output.\n{_told(node)}"
                    )
    return pairs


def _as_tensor(g: Any) -> Tensor:
    return g if isinstance(g, Tensor) else wrap(np.asarray(g))


class _Pass:
    """One backward pass, for hooks that concern several tensors."""

    def __init__(self, roots: list, targets: Any) -> None:
        self.roots, self.targets = roots, targets

    def reached(self) -> set[Node]:
        """The nodes that this pass gives gradients to."""
        roots = [node for node, _ in self.roots]
        if self.targets is not None:
            return engine._leading_to(self.targets, roots)
        seen, stack = set(roots), list(roots)
        while stack:
            new = [p for p in stack.pop().parents if p is not None and p not in seen]
            seen.update(new)
            stack += new
        return seen


def _known_backprop(
    roots: Any, graph: bool, retain: bool, targets: Any = None, step: Any = None
) -> Iterator[tuple[Node, Any, bool]]:
    """engine.backprop, while `_running.current` tells the hooks which pass calls them."""
    roots = list(roots)
    before, _running.current = _running.__dict__.get("current"), _Pass(roots, targets)
    try:
        yield from _plain_backprop(roots, graph, retain, targets, step)
    finally:
        _running.current = before


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call fn once per backward pass: with all the tensors' gradients when they are there,
    or with the first ("any").

    Under "all", those of tensors that the pass does not reach are None.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    engine.backprop = _known_backprop
    nodes = [live_node(t) for t in tensors]
    came: weakref.WeakKeyDictionary[_Pass, tuple[list, int]] = weakref.WeakKeyDictionary()

    def hook_for(i: int) -> Callable[[Tensor], None]:
        def hook(g: Tensor) -> None:
            this = _running.current
            first = this not in came
            if first:
                reached = this.reached()
                came[this] = [None] * len(tensors), len({i for i, n in enumerate(nodes) if n in reached})
            grads, expected = came[this]
            grads[i] = g
            if mode == "any":
                if first:
                    fn(g)
            elif sum(v is not None for v in grads) == expected:
                fn(grads)

        return hook

    handles = [t.register_hook(hook_for(i)) for i, t in enumerate(tensors) if nodes[i] is not None]
    together = RemovableHandle({})
    together.remove = lambda: [h.remove() for h in handles]  # type: ignore[assignment]
    return together


# ---- anomaly mode


def _because() -> str:
    node = _running.__dict__.get("node")
    return (
        ""
        if node is None
        else f"in the backward pass through {node.name()}, which was recorded here:\n{_traces.get(node, '')}"
    )


def _told(node: Node) -> str:
    where = _traces.get(node)
    if where is None:
        return "No forward pass information available. Enable detect_anomaly during the forward pass too."
    return (
        f"Traceback of the forward call that caused the error in {node.name()} (most recent call "
        f"last):\n{where}"
    )


def _noting_bump(self: Tensor) -> None:
    _plain_bump(self)
    self.cell[2:] = [_stack()]


def set_anomaly(on: bool, nan: bool) -> None:
    """Switch anomaly mode: record where nodes come from and who changes tensors,
    look for nan in gradients."""
    if on != anomaly["on"]:
        watch_recording(1 if on else -1)
    anomaly["on"], anomaly["nan"] = on, nan
    Tensor.bump = _noting_bump if on else _plain_bump
    if on or not _after:
        engine.watch = _watch if on else None


# ---- small things


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Say that the tensors' memory was changed behind the library's back,
    so that saved values are refused."""
    for t in [tensor] if isinstance(tensor, Tensor) else tensor:
        t.bump()


class GradientEdge(NamedTuple):
    """A node and the number of its output: where a gradient goes."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor goes, to be given to `grad` and `backward` in its place."""
    node = live_node(tensor)
    if node is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(node, 0, node)
