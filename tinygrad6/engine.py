"""The graph and the backward pass. Knows arrays; knows neither Tensor nor any mathematics.

The one idea: a node is made after its parents, so **creation order is a topological order**. `backprop`
keeps the gradients it has not passed on yet in a heap and always takes the newest node: by then all the
node's consumers, which are newer still, have reported. There is no tape, no sorting and no recursion.

Each op holds one rule per argument; the node holds what the rules asked for by name. A rule is read on
arrays in an ordinary backward pass, and on Tensors under `create_graph`, which is all that gradients of
gradients need. Broadcasting is undone, and the input's dtype restored, once, on the edge: `fit`.
"""

from __future__ import annotations

import heapq
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad6 import blocks, modes
from tinygrad6.sums import add_up

ndarray = np.ndarray
clock: Callable[[], int] = itertools.count(1).__next__  # ticks for every node made and every write recorded
TENSOR: Any = object  # set by tensor.py, so that graph mode can rejoin saved arrays to their history
watch: Callable[..., Any] | None = None  # set by autograd/graph.py when somebody wants to see what nodes do
NOTHING: dict = {}  # the settings of a node that was freed
LAST = 1 << 62  # hooks with keys from here on run after the others
FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time: "
)


class Node:
    """One recorded op: where gradients go next, and what its rules asked to keep."""

    tensor: Callable[[], Any]  # of leaves alone, whose op is None
    __slots__ = (
        "op",
        "parents",
        "saved",
        "cells",
        "params",
        "shape",
        "dtype",
        "rank",
        "hooks",
        "__weakref__",
    )

    def __init__(
        self, op: Any, parents: tuple, saved: tuple, cells: tuple, params: dict, out: ndarray
    ) -> None:
        self.op = op
        self.parents = parents  # one per array argument; None where no gradient is wanted
        self.saved: tuple | None = saved  # one place per array argument, then the output; () if nothing
        self.cells = cells  # the version cells of the saved arrays, to notice in-place changes
        self.params = params
        self.shape = out.shape
        self.dtype = out.dtype
        self.rank = clock()
        self.hooks: dict | None = None  # on the gradient of this node's output

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        """Each parent with its share of `g`, the gradient of this node's output."""
        if self.saved is None:
            raise RuntimeError(FREED + f"the node freed is {self.name()}.")
        op, by_rules = self.op, False
        for cell in self.cells:
            if cell is not None and cell[0] > self.rank:
                by_rules = self._who_can_do_without(cell, graph) == "rules"
        if graph:
            source: Any = Rejoined(self)
        elif by_rules:
            source = self
        elif g.size >= op.limit and (found := self._in_blocks(g)) is not None:
            return zip(self.parents, found, strict=True)
        elif op.kernel is not None:
            found = op.kernel(g, self)
            if len(found) > 1 and _twice(*found[:3]):
                # each will be added to on its own
                found = [None if a is None else np.array(a) for a in found]
            return zip(self.parents, found, strict=True)
        else:
            source = self
        if len(self.parents) == 1:
            return ((self.parents[0], op.readers[0](g, source)),)
        return [
            (p, rule(g, source)) for p, rule in zip(self.parents, op.readers, strict=True) if p is not None
        ]

    def _who_can_do_without(self, cell: list, graph: bool) -> str:
        """Kernel or rules, whichever does not read what was changed in place; RuntimeError if both do.

        So the result of gelu or of a max pool may be changed, and the logits after the cross entropy, as in
        PyTorch, whose formulas do not need them.
        """
        op = self.op
        changed = {n for n, c in zip([*op.arrays, "out"], self.cells) if c is not None and c[0] > self.rank}
        if op.kernel is not None:
            if not graph and changed.isdisjoint(op.kernel_needs):
                return "kernel"
            asked = [k for k, p in zip(op.needs, self.parents, strict=True) if p is not None and k]
            if changed.isdisjoint(n for names in asked for n in names):
                return "rules"
        raise RuntimeError(self._changed(cell))

    def _in_blocks(self, g: ndarray) -> list | None:
        """The gradients of a large elementwise op, computed block by block;
        None if its arrays differ in shape."""
        op, params, parents = self.op, self.params, self.parents
        arrays = [g, *self.saved]  # type: ignore[misc]
        if not blocks.alike(arrays):
            return None

        def gradients(g: ndarray, *saved: Any) -> Any:
            part = Part(saved, params, parents)
            if op.kernel is not None:
                return op.kernel(g, part)
            return [None if p is None else rule(g, part) for p, rule in zip(parents, op.readers, strict=True)]

        return blocks.in_blocks(gradients, arrays)

    def _changed(self, cell: list) -> str:
        which = next(i for i, c in enumerate(self.cells) if c is cell)
        names = [*self.op.public_names, "output"]
        value = self.saved[which]  # type: ignore[index]
        return (
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"the {'output' if which == len(names) - 1 else repr(names[which])} of {self.op.name}() "
            f"[{value.dtype} {list(value.shape)}] is at version {cell[1]}; {self.name()} needs the value it "
            "had when it was recorded. Hint: change a clone() instead; "
            + (
                f"it was changed here (most recent call last):\n{cell[2]}"
                if len(cell) > 2
                else "autograd.set_detect_anomaly(True) tells the line that changed it."
            )
        )

    def release(self) -> None:
        """Let go of what was saved, so that memory falls as the backward pass goes on."""
        if self.saved:
            self.saved, self.cells, self.params = None, (), NOTHING

    def name(self) -> str:
        """PyTorch's name for this node, such as MulBackward0."""
        given = self.op.node_name
        return given if isinstance(given, str) else given(self)

    def hook_gradient(self, hook: Callable[..., Any]) -> Any:
        """Call `hook(grad)` when the gradient of this node's output is complete; a result replaces it."""
        from tinygrad6.hooks import RemovableHandle

        if self.hooks is None:
            self.hooks = {}
        handle = RemovableHandle(self.hooks)
        self.hooks[handle.id] = hook
        return handle

    def register_prehook(self, hook: Callable[..., Any]) -> Any:
        """Call `hook((grad,))` before this node passes gradients on;
        a tuple it returns replaces the gradient."""

        def single(g: Any) -> Any:
            answer = hook((g,))
            return answer[0] if isinstance(answer, tuple) else answer

        return self.hook_gradient(single)

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after this node ran;
        a tuple it returns replaces grad_inputs."""
        from tinygrad6.autograd.graph import hook_after

        return hook_after(self, hook)

    @property
    def next_functions(self) -> tuple:
        return tuple((p, 0) for p in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {id(self):#x}>"


def _twice(a: Any, b: Any, c: Any = None) -> bool:
    """Whether one array is there twice."""
    return a is not None and (a is b or a is c) or b is not None and b is c


class Leaf(Node):
    """Where a gradient arrives: a tensor that was made with requires_grad."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any) -> None:
        super().__init__(None, (), (), (), {}, tensor.array)
        self.tensor = weakref.ref(tensor)

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        return ()

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Any:
        """The tensor itself, for programs that draw graphs."""
        return self.tensor()


class Part:
    """A node as its rules see it when they are given parts of its arrays."""

    __slots__ = ("saved", "params", "parents")

    def __init__(self, saved: tuple, params: dict, parents: tuple) -> None:
        self.saved, self.params, self.parents = saved, params, parents


class Rejoined(Part):
    """A node as its rules see it under `create_graph`: saved arrays are Tensors with their history again.

    Nothing was stored twice for this: an input belongs to its parent's node, the output to the node itself.
    """

    __slots__ = ()

    def __init__(self, node: Node) -> None:
        origins = (*node.parents, node)
        saved = tuple(
            TENSOR.rejoin(a, origin, cell) if isinstance(a, ndarray) else a
            for a, origin, cell in zip(node.saved or (), origins, node.cells, strict=False)
        )
        super().__init__(saved, node.params, node.parents)


def fit(g: Any, shape: tuple, dtype: np.dtype) -> Any:
    """Sum `g` back to `shape` and cast it to `dtype`: the one place that knows about broadcasting."""
    array = g if isinstance(g, (ndarray, np.generic)) else g.array
    if array.shape != shape:
        lead = array.ndim - len(shape)
        dims = *range(lead), *(lead + i for i, n in enumerate(shape) if n != array.shape[lead + i])
        if array is g:
            g = array = add_up(g, dims, None, True).reshape(shape)
        else:
            g = g.sum(dims, keepdim=True).reshape(shape)
            array = g.array
    if array.dtype is not dtype and array.dtype != dtype:
        g = g.astype(dtype) if array is g else g.to(dtype)
    return g


def backprop(
    roots: Iterable[tuple[Node, Any]],
    graph: bool,
    retain: bool,
    targets: set[Node] | None = None,
    step: Callable[..., Any] | None = None,
) -> Iterator[tuple[Node, Any, bool]]:
    """Yield (node, gradient, owned) for every leaf, or for every node of `targets`.

    `roots` pairs nodes with the gradients they start from. `owned` tells that nobody else holds the
    gradient's memory, so that it may be kept without a copy. With `targets`, only paths that end there are
    followed. `step`, if given, stands for Node.gradients. The caller must consume the iterator to its end.
    """
    waiting: dict[Node, Any] = {}
    owned: set[Node] = set()  # gradients in `waiting` whose memory is ours alone, to be added to in place
    # the waiting ops; leaves pass nothing on, and wait until all ops are done
    heap: list[tuple[int, Node]] = []
    for node, g in roots:
        if node in waiting:
            waiting[node] = waiting[node] + g
        else:
            waiting[node] = g
            if node.op is not None:
                heap.append((-node.rank, node))
    heapq.heapify(heap)
    useful = None if targets is None else _leading_to(targets, list(waiting))
    push, pop, observer = heapq.heappush, heapq.heappop, step or watch

    while heap:
        node = pop(heap)[1]
        g = waiting.pop(node)
        mine = node in owned
        if mine:
            owned.discard(node)
        if useful is not None and node not in useful:
            continue
        if node.hooks:
            after = run_hooks(node.hooks, g, graph)
            mine = mine and after is g
            g = after
        if targets is not None and node in targets:
            yield node, g, mine
            if not any(p in useful for p in node.parents):  # type: ignore[operator]
                continue
            mine = False
        for parent, new in node.gradients(g, graph) if observer is None else observer(node, g, graph):
            if new is None or parent is None:
                continue
            if new.shape != parent.shape or new.dtype is not parent.dtype:
                new = fit(new, parent.shape, parent.dtype)
            if parent not in waiting:
                waiting[parent] = new
                if parent.op is not None:
                    push(heap, (-parent.rank, parent))
                if not graph and type(new) is ndarray:
                    # `g` itself may go to several parents; a view's memory, or a saved array, is somebody
                    # else's.
                    if new is g:
                        if mine and len(node.parents) == 1:
                            owned.add(parent)
                    elif new.base is None:
                        for saved in node.saved:  # type: ignore[union-attr]
                            if saved is new:
                                break
                        else:
                            owned.add(parent)
            elif parent in owned:
                total = waiting[parent]
                np.add(total, new, out=total)
            else:
                waiting[parent] = total = waiting[parent] + new
                if not graph and type(total) is ndarray:
                    owned.add(parent)
        if not retain:
            node.release()

    for node, g in waiting.items():
        if targets is None or node in targets:
            mine = node in owned
            if node.hooks:
                after = run_hooks(node.hooks, g, graph)
                mine, g = mine and after is g, after
            yield node, g, mine


def _leading_to(targets: set[Node], roots: list[Node]) -> set[Node]:
    """The nodes reachable from `roots` from which some target can be reached. Iterative."""
    seen, stack = set(roots), list(roots)
    while stack:
        for p in stack.pop().parents:
            if p is not None and p not in seen:
                seen.add(p)
                stack.append(p)
    useful: set[Node] = set()
    for node in sorted(seen, key=lambda n: n.rank):  # parents first
        if node in targets or not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def run_hooks(hooks: dict, g: Any, graph: bool) -> Any:
    """Pass `g` through the hooks in order; each may return a replacement of the same shape."""
    if hasattr(g, "one_by_one"):  # several gradients at once
        return g.one_by_one(lambda row: run_hooks(hooks, row, graph))
    for hook in [hooks[key] for key in sorted(hooks)]:
        before = modes.state.grad
        modes.state.grad = graph
        try:
            tensor = g if isinstance(g, TENSOR) else TENSOR.of(np.asarray(g))
            answer = hook(tensor)
        finally:
            modes.state.grad = before
        if answer is not None:
            if not isinstance(answer, TENSOR):
                raise TypeError(f"a gradient hook must return a Tensor or None, not {type(answer).__name__}")
            if answer.array.shape != tensor.array.shape:
                raise RuntimeError(
                    f"a gradient hook has changed the size of value: got {list(answer.array.shape)}, "
                    f"expected {list(tensor.array.shape)}"
                )
            g = answer if graph else answer.array
    return g
