"""Gradients on demand: `grad`, `backward`, functions of your own, and checks of their gradients."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tinygrad6 import engine
from tinygrad6.accidents import public
from tinygrad6.autograd import anomaly_mode, functional, graph
from tinygrad6.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from tinygrad6.autograd.function import Function
from tinygrad6.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from tinygrad6.paths import attribute
from tinygrad6.modes import enable_grad, inference_mode, no_grad, set_grad_enabled, state
from tinygrad6.quiet import hush, speak
from tinygrad6.tensor import Tensor, node_of, run_backward, start, wrap

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    if name == "profiler":
        return import_module("tinygrad6.autograd.profiler")
    return attribute(__name__, name)


def _as_list(value: Any) -> list:
    """Tensors one by one; a gradient edge as a tensor that stands for it."""
    values = [value] if isinstance(value, (Tensor, graph.GradientEdge)) else list(value)
    return [_stand_in(v) if isinstance(v, graph.GradientEdge) else v for v in values]


def _stand_in(edge: graph.GradientEdge) -> Tensor:
    if edge.node.shape is None:
        raise NotImplementedError(
            "the gradient edge of a Function with several outputs: use the tensor itself"
        )
    return Tensor.rejoin(np.broadcast_to(np.zeros((), edge.node.dtype), edge.node.shape), edge.node, None)


def _flags(function: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, int):
            raise TypeError(f"{function}(): argument '{name}' must be bool, not {type(value).__name__}")


def _weights(outputs: list, grad_outputs: Any) -> list:
    if grad_outputs is None:
        return [None] * len(outputs)
    weights = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    for w in weights[: len(outputs)]:
        if w is not None and not isinstance(w, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(w).__name__}")
    if len(weights) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(weights)} gradients")
    return weights


@public
def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of the tensors, weighted by grad_tensors, to `.grad` of their leaves (or of inputs).

    grad_variables is grad_tensors' old name; inputs may be a dict, whose values count.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed: use grad_tensors"
            )
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=3
        )
        grad_tensors = grad_variables
    _flags("backward", retain_graph=retain_graph, create_graph=create_graph)
    outputs = _as_list(tensors)
    inputs = list(inputs.values()) if isinstance(inputs, dict) else inputs
    run_backward(outputs, _weights(outputs, grad_tensors), retain_graph, create_graph, inputs)


@public
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Any,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of sum(outputs * grad_outputs) with respect to inputs; `.grad` is left alone.

    create_graph makes the result differentiable. An input that the outputs do not depend on raises
    RuntimeError; allow_unused=True gives None for it, materialize_grads=True zeros. is_grads_batched:
    grad_outputs have a leading batch dimension, and so has each result. inputs may be a dict: so is the
    result then. Outputs and inputs may also be gradient edges. only_inputs=False is as deprecated as in
    PyTorch, and refused.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> first, = torch.autograd.grad(x ** 3, x, create_graph=True)
    >>> torch.autograd.grad(first, x)
    (tensor(18.),)
    """
    if isinstance(inputs, dict):
        values = grad(
            outputs,
            list(inputs.values()),
            grad_outputs,
            retain_graph,
            create_graph,
            only_inputs,
            allow_unused,
            is_grads_batched,
            materialize_grads,
        )
        return dict(zip(inputs, values, strict=True))
    if not only_inputs:
        raise NotImplementedError(
            "grad(only_inputs=False) is deprecated: call backward() to fill .grad of other leaves"
        )
    _flags("grad", retain_graph=retain_graph, create_graph=create_graph, allow_unused=allow_unused)
    results, wanted = _as_list(outputs), _as_list(inputs)
    for t in wanted:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"grad(): all inputs have to be Tensors or GradientEdges, but got {type(t).__name__}"
            )
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    weights = _weights(results, grad_outputs)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    nodes = [node_of(t, i) for i, t in enumerate(wanted)]
    begin: Any = start
    step: Any = None
    if is_grads_batched or state.lanes:
        from tinygrad6.autograd import lanes

        if lanes.concerned(*results, *wanted, *weights):
            options: Any = {
                "retain_graph": retain_graph,
                "create_graph": create_graph,
                "allow_unused": allow_unused,
                "is_grads_batched": is_grads_batched,
                "materialize_grads": materialize_grads,
            }
            return lanes.grad_inside(grad, results, wanted, weights, **options)
    if is_grads_batched:
        begin, step = lanes.starts, lanes.gradients
    roots = [begin(t, w, i, create_graph) for i, (t, w) in enumerate(zip(results, weights, strict=True))]
    retain = create_graph or state.retain if retain_graph is None else retain_graph
    # without the leaves of views made under no_grad, where no gradient arrives
    targets = {n for n in nodes if n.op is not None or n.tensor() is not None}
    found: dict[engine.Node, Any] = {}
    before, errors = (state.grad, state.partial), hush()
    state.grad, state.partial = create_graph, True
    try:
        for node, g, owned in engine.backprop(roots, create_graph, retain, targets, step):
            if step is not None:
                g = g.full
            found[node] = g if isinstance(g, Tensor) else wrap(np.asarray(g) if owned else np.array(g))
    finally:
        state.grad, state.partial = before
        speak(errors)
    answers = []
    for node, t in zip(nodes, wanted, strict=True):
        g = found.get(node)
        if g is None:
            if materialize_grads:
                lead = weights[0].array.shape[:1] if is_grads_batched else ()
                g = wrap(np.zeros((*lead, *t.array.shape), t.array.dtype))
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
        answers.append(g)
    return tuple(answers)


class _AnyTensor(type):
    """The type of Variable: every tensor is an instance, and calling it gives a tensor."""

    def __call__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
        return data.detach().requires_grad_(requires_grad)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_AnyTensor):
    """PyTorch's old name for a tensor that may ask for gradients: Variable(data, requires_grad=False)."""
