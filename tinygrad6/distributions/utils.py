"""What the distributions share: parameters of one shape, probabilities and logits, properties made late."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tinygrad6 as torch
from tinygrad6 import Tensor

euler_constant = 0.57721566490153286060

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers get the type of the first tensor, or the default
    one. ValueError for anything else."""
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        raise ValueError("Input arguments must all be instances of Number or torch.Tensor.")
    kind = next((v.dtype for v in values if isinstance(v, Tensor)), torch.get_default_dtype())
    return torch.broadcast_tensors(
        *[v if isinstance(v, Tensor) else torch.tensor(v, dtype=kind) for v in values]
    )


def standard_normal(shape: Any, like: Tensor) -> Tensor:
    """Normal numbers in like's type."""
    return torch.empty(shape, dtype=like.dtype).normal_()


def sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    return value.reshape((*value.shape[:-dim], -1)).sum(-1) if dim else value


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept away from 0 and 1 by the type's eps."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """sigmoid(logits) if is_binary, else softmax over the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log p - log(1 - p) if is_binary, else log p, of clamped probabilities."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


def binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-log Bernoulli(target; logits), elementwise: max(x, 0) - x t + log(1 + exp(-|x|))."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")


class lazy_property:
    """A property that is computed when first read and then an attribute of the instance."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below a diagonal of matrices (..., D, D), by rows, as vectors."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Lower triangular matrices (..., D, D) from the elements on and below a diagonal, by rows."""
    n = 1
    while len(torch.tril_indices(n, n, diag)[0]) < vec.shape[-1]:
        n += 1
    rows, columns = torch.tril_indices(n, n, diag)
    if len(rows) != vec.shape[-1]:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower "
            "triangular part of a square D x D matrix."
        )
    out = vec.new_zeros((*vec.shape[:-1], n * n))
    return out.index_copy(-1, rows * n + columns, vec).reshape((*vec.shape[:-1], n, n))
