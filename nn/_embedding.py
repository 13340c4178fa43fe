"""Looking up rows of tables, one by one or in bags; exported by functional.py."""

from __future__ import annotations

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.op import NAMES, OPS
from tinygrad6.ops import create
from tinygrad6.tensor import Tensor, wrap


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (V, D) numbered by input (*): (*, D). Row padding_idx gets no gradient; max_norm shortens rows in place.

    IndexError for a number outside [0, V).
    """
    if sparse:
        raise NotImplementedError("embedding(): sparse gradients are not supported")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        used = np.unique(input.array)
        with no_grad():
            norms = np.linalg.norm(weight.array[used], norm_type, 1)
            factor = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0).astype(weight.array.dtype)
            weight.array[used] *= factor[:, None]
            weight.bump()
    return OPS["embedding"].call(
        weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq
    )


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or max of the embedding rows of each bag: input (B, n), or one vector cut at offsets."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='{mode}')"
        )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences."
            )
        bags = np.repeat(np.arange(input.shape[0]), input.shape[1])
        count = input.shape[0]
        flat = input.reshape(-1)
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        starts = offsets.array[:-1] if include_last_offset else offsets.array
        count, flat = len(starts), input
        bags = np.searchsorted(starts, np.arange(len(flat)), "right") - 1
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    kept = np.ones(len(bags), bool) if padding_idx is None else flat.array != padding_idx % weight.shape[0]
    zeros = create.zeros((count, weight.shape[1]), dtype=weight.dtype)
    picked, where_ = rows[wrap(np.flatnonzero(kept))], wrap(bags[kept])
    if mode == "max":
        outs = [
            picked[wrap(np.flatnonzero(bags[kept] == b))].max(0)[0] if (bags[kept] == b).any() else zeros[b]
            for b in range(count)
        ]
        return NAMES["stack"](outs)
    total = zeros.index_add(0, where_, picked)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(bags[kept], minlength=count), 1).astype(weight.array.dtype)
    return total / wrap(sizes[:, None])
