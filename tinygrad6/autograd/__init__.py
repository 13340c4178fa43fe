"""Gradients on demand: `grad`, `backward`, functions of your own, and checks of their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6 import engine
from tinygrad6.autograd import anomaly_mode, functional, graph
from tinygrad6.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from tinygrad6.autograd.function import Function
from tinygrad6.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from tinygrad6.modes import enable_grad, inference_mode, no_grad, set_grad_enabled, state
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


def _as_list(value: Any) -> list:
    return [value] if isinstance(value, Tensor) else list(value)


def _weights(outputs: list, grad_outputs: Any) -> list:
    if grad_outputs is None:
        return [None] * len(outputs)
    weights = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    if len(weights) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(weights)} gradients")
    return weights


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of the tensors, weighted by grad_tensors, to `.grad` of their leaves (or of inputs)."""
    outputs = _as_list(tensors)
    run_backward(outputs, _weights(outputs, grad_tensors), retain_graph, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of sum(outputs * grad_outputs) with respect to inputs; `.grad` is left alone.

    create_graph makes the result differentiable. An input that the outputs do not depend on raises
    RuntimeError; allow_unused=True gives None for it, materialize_grads=True zeros. is_grads_batched:
    grad_outputs have a leading batch dimension, and so has each result.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> first, = torch.autograd.grad(x ** 3, x, create_graph=True)
    >>> torch.autograd.grad(first, x)
    (tensor(18.),)
    """
    results, wanted = _as_list(outputs), _as_list(inputs)
    weights = _weights(results, grad_outputs)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if is_grads_batched:
        if any(w is None for w in weights):
            raise RuntimeError("grad(): is_grads_batched=True needs grad_outputs for every output")
        rows = [
            grad(
                results,
                wanted,
                [w[i] for w in weights],
                True,
                create_graph,
                allow_unused,
                False,
                materialize_grads,
            )
            for i in range(len(weights[0]))
        ]
        from tinygrad6.ops.join import stack

        return tuple(None if column[0] is None else stack(list(column)) for column in zip(*rows, strict=True))
    nodes = [node_of(t, i) for i, t in enumerate(wanted)]
    roots = [start(t, w, i, create_graph) for i, (t, w) in enumerate(zip(results, weights, strict=True))]
    retain = create_graph if retain_graph is None else retain_graph
    targets = {
        n for n in nodes if n.op is not None or n.tensor() is not None
    }  # the last: views made under no_grad
    found: dict[engine.Node, Any] = {}
    before = state.grad, state.partial
    state.grad, state.partial = create_graph, True
    try:
        for node, g, owned in engine.backprop(roots, create_graph, retain, targets):
            found[node] = g if isinstance(g, Tensor) else wrap(np.asarray(g) if owned else np.array(g))
    finally:
        state.grad, state.partial = before
    answers = []
    for node, t in zip(nodes, wanted, strict=True):
        g = found.get(node)
        if g is None:
            if materialize_grads:
                g = wrap(np.zeros(t.array.shape, t.array.dtype))
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
        answers.append(g)
    return tuple(answers)


def Variable(data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:  # noqa: N802
    """PyTorch's old name for a tensor that may ask for gradients."""
    return data.detach().requires_grad_(requires_grad)
