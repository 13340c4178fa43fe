"""Gradient clipping, and parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.tensor import Tensor, wrap

from . import rnn

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [
        p.grad for p in ([parameters] if isinstance(parameters, Tensor) else parameters) if p.grad is not None
    ]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The p-norm of all elements of all tensors together, as a 0-d tensor."""
    arrays = [t.array for t in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    p = float(norm_type)
    if not arrays:
        return wrap(np.zeros((), np.float32))
    kind = arrays[0].dtype
    if p == np.inf:
        total = max(np.abs(a).max(initial=0) for a in arrays)
    elif p == 2:
        norms = np.array([np.sqrt(np.vdot(a, a)) for a in arrays], kind)
        total = np.sqrt(np.vdot(norms, norms))
    else:
        total = np.sum([np.sum(np.abs(a) ** p) for a in arrays]) ** (1 / p)
    norm = np.asarray(total).astype(kind)
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return wrap(norm)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6))."""
    factor = min(1.0, float(max_norm) / (total_norm.item() + 1e-6))
    with no_grad():
        for g in _grads(parameters):
            g.mul_(factor)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together so that their norm is at most max_norm; returns the norm they had."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for g in _grads(parameters):
            g.clamp_(-limit, limit)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened, as one vector; gradients flow back."""
    from tinygrad6.ops.join import cat

    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of a vector into the parameters, in order."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        part: Any = vec.array[start : start + p.array.size].reshape(p.array.shape)
        p.data = wrap(part)
        start += p.array.size
