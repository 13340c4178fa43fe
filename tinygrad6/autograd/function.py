"""Functions of your own in PyTorch's class style: `forward(ctx, ...)` and `backward(ctx, g)`.

The house's own form is `@op` (see op.py): shorter, and twice differentiable without thinking. This one is for
code that has it already, and for functions whose backward is a program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad6.engine import FREED, Node, fit
from tinygrad6.autograd.graph import Packed
from tinygrad6.inplace import continue_history, refuse
from tinygrad6.modes import state
from tinygrad6.tensor import TENSORS, Tensor, wrap
from tinygrad6.view import View, live_node


class _Parts:
    """The gradients of several outputs of one function, on their way to it."""

    shape = dtype = None
    base = 0

    def __init__(self, parts: dict) -> None:
        self.parts = parts

    def __add__(self, other: _Parts) -> _Parts:
        sums = {k: self.parts[k] + g for k, g in other.parts.items() if k in self.parts}
        return _Parts({**self.parts, **other.parts, **sums})


class _Output(Node):
    """One of several outputs: hands its gradient, with its number, to the function."""

    __slots__ = ("number",)

    def __init__(self, function: FunctionNode, number: int, out: np.ndarray) -> None:
        super().__init__(type(function), (function,), (), (), {}, out)
        self.number = number

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        return [(self.parents[0], _Parts({self.number: g}))]

    def name(self) -> str:
        return self.parents[0].name()

    @property
    def next_functions(self) -> tuple:
        return self.parents[0].next_functions


class FunctionNode(Node):
    """One application of a Function: the node in the graph and the `ctx` of its forward and backward."""

    def __init__(self, function: type[Function], inputs: tuple, out: np.ndarray) -> None:
        parents = tuple(live_node(t) if state.grad and type(t) in TENSORS else None for t in inputs)
        super().__init__(function, parents, (), (), {}, out)
        self.function = function
        self.needs_input_grad = tuple(type(t) in TENSORS and t.requires_grad for t in inputs)
        self.materialize = True
        self.to_save: tuple = ()
        self.kept: list | None = []
        self.dirty: tuple = ()
        self.constant: tuple = ()
        self.outputs: list[tuple | None] = []  # (shape, dtype) of each; None for what is no tensor
        self.several = False

    # what forward may call

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward, where they are `ctx.saved_tensors`;
        in-place changes to them are noticed."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Nothing: there is no forward mode to use them."""

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward changed these inputs in place (and returns them)."""
        self.dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self.constant = tensors

    saved_variables = property(lambda self: self.saved_tensors, doc="The old name of saved_tensors.")

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward sees zeros (the default) or None for outputs that nothing depended on."""
        self.materialize = value

    @property
    def saved_tensors(self) -> tuple:
        if self.kept is None:
            raise RuntimeError(FREED + f"the function freed is {self.name()}.")
        out: list[Tensor | None] = []
        for entry in self.kept:
            if entry is None:
                out.append(None)
                continue
            array, node, cell, version = entry
            if cell is not None and cell[1] != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: a tensor of shape {list(array.shape)} saved by {self.name()} is at version "
                    f"{cell[1]}; expected version {version} instead."
                )
            if isinstance(array, Packed):
                array = array.tensor().array
            if node is _MYSELF:
                node = self
            elif isinstance(node, int):  # made anew: this function's own would be a reference cycle
                node = _Output(self, node, array)
            out.append(Tensor.rejoin(array, node, cell))
        return tuple(out)

    # what the engine calls

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        given = g.parts if self.several else {0: g}
        grads = []
        for i, meta in enumerate(self.outputs):
            part = given.get(i)
            if part is None and self.materialize and meta is not None:
                part = np.zeros(*meta)
            grads.append(part if part is None or isinstance(part, Tensor) else wrap(np.asarray(part)))
        function = self.function
        rule = function.backward if function.vjp is Function.vjp else function.vjp
        answer = rule(self, *grads)
        answers = answer if isinstance(answer, tuple) else (answer,)
        n = len(self.parents)
        if len(answers) > n and all(a is None for a in answers[n:]):
            answers = answers[:n]
        if len(answers) != n:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {n}, got "
                f"{len(answers)})"
            )
        pairs = []
        for i, (parent, a) in enumerate(zip(self.parents, answers, strict=True)):
            if parent is None or a is None:
                continue
            if not isinstance(a, Tensor):
                raise TypeError(
                    f"function {self.name()} returned {type(a).__name__} as gradient {i}: expected Tensor or "
                    "None"
                )
            value: Any = a if graph else a.array
            try:
                pairs.append((parent, fit(value, parent.shape, parent.dtype)))
            except (ValueError, RuntimeError, IndexError, KeyError):
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got "
                    f"{list(a.array.shape)} but expected shape compatible with {list(parent.shape)}"
                ) from None
        return [(p, np.array(v) if isinstance(v, np.ndarray) else v) for p, v in pairs]

    def release(self) -> None:
        if self.kept:
            self.kept = None

    def name(self) -> str:
        return f"{self.function.__name__}Backward"


_MYSELF: Any = object()  # stands for the node itself among the saved, which would be a reference cycle


class Function:
    """Base of functions with their own backward.

    Subclass with static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`, which returns one
    gradient per argument (None for what has none); call `YourFunction.apply(*args)`. forward runs without
    recording; backward works on tensors and is recorded under create_graph, so that a backward made of
    differentiable operations gives second derivatives. `setup_context(ctx, inputs, output)` may take the
    place of forward's ctx.

    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         x, = ctx.saved_tensors
    ...         return 3 * g * x ** 2
    >>> x = Tensor([2.0]).requires_grad_()
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function."
        )

    vjp = backward  # PyTorch's other name for it

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "Function.jvp is not used: there is no forward mode, func.jvp takes two backward passes"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            f"autograd function with static forward method: call {type(self).__name__}.apply(...)"
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on the arguments and record it."""
        ctx = FunctionNode(cls, args, np.empty(0))
        before, state.grad = state.grad, False
        try:
            if cls.setup_context is not Function.setup_context:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
        finally:
            state.grad = before
        several = isinstance(result, (tuple, list))
        results = tuple(result) if several else (result,)
        recording = any(p is not None for p in ctx.parents)
        outs = [_finish(ctx, r, args, recording) for r in results]
        tensors = [o for o in outs if isinstance(o, Tensor)]
        if recording:
            ctx.several = several or len(tensors) != 1
            ctx.outputs = [(t.array.shape, t.array.dtype) if isinstance(t, Tensor) else None for t in outs]
            if not ctx.several:
                ctx.shape, ctx.dtype = tensors[0].array.shape, tensors[0].array.dtype
            else:
                ctx.shape = ctx.dtype = None  # type: ignore[assignment]
            for i, (o, r) in enumerate(zip(outs, results, strict=True)):
                if not isinstance(o, Tensor):
                    continue
                if o.array.dtype.kind != "f" or any(r is c for c in ctx.constant):
                    o.node = None
                    continue
                node = _Output(ctx, i, o.array) if ctx.several else ctx
                if any(r is d for d in ctx.dirty):
                    continue_history(o, node)
                else:
                    o.node = node
            made = {
                id(r): (i if ctx.several else _MYSELF, o)
                for i, (r, o) in enumerate(zip(results, outs, strict=True))
                if isinstance(o, Tensor) and o.node is not None
                if any(r is d for d in ctx.dirty) or not any(r is a for a in args)
            }
            ctx.kept = [_entry(t, made) for t in ctx.to_save]
        ctx.to_save = ctx.dirty = ctx.constant = ()
        return tuple(outs) if several else outs[0]


def _finish(ctx: FunctionNode, r: Any, args: tuple, recording: bool) -> Any:
    """An output as it is given out: changed inputs are themselves,
    unchanged ones become views that may not be changed."""
    if not isinstance(r, Tensor):
        return r
    if any(r is d for d in ctx.dirty):
        if recording and state.grad:
            refuse(r, ctx.name(), True)
        r.bump()
        return r
    if not any(r is a for a in args):
        return r
    out = r.detach()
    if recording:
        base, chain = (r, ()) if r.view_of is None else (r.view_of.base, r.view_of.chain)
        out.view_of = View(base, chain, r.cell[1], ctx.name())
    return out


def _entry(t: Tensor | None, made: dict) -> tuple | None:
    """What is kept of a saved tensor: (array or Packed, node or which output of this function, cell,
    version)."""
    if t is None:
        return None
    where, t = made.get(id(t), (None, t))
    array = Packed(t.array) if state.saving else t.array
    if where is None:
        where = live_node(t)
    if isinstance(array, Packed) and not array.shares(t.array):
        return array, where, None, 0
    return array, where, t.cell, t.cell[1]


class _Refusal(Node):
    """What stands behind gradients that cannot be differentiated again."""

    def gradients(self, g: Any, graph: bool) -> Iterable[tuple[Node, Any]]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    def name(self) -> str:
        return "OnceDifferentiable"


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a backward that uses what autograd cannot see: differentiating through it raises."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        graph = state.grad
        state.grad = False
        try:
            answer = backward(ctx, *grads)
        finally:
            state.grad = graph
        # As in PyTorch, only gradients through which one could differentiate make the result refuse.
        if not (graph and any(isinstance(g, Tensor) and g.requires_grad for g in grads)):
            return answer
        answers = answer if isinstance(answer, tuple) else (answer,)
        outs = []
        for a in answers:
            if isinstance(a, Tensor):
                a = a.detach()
                a.node = _Refusal(Function, ctx.parents, (), (), {}, a.array)
            outs.append(a)
        return tuple(outs)

    return wrapped


class InplaceFunction(Function):
    """A Function that knows whether it works in place: `inplace` of its instances."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


FunctionCtx = FunctionNode  # PyTorch's name, for annotations of ctx
