"""Looking up rows of tables, one by one or in bags; exported by functional.py."""

from __future__ import annotations

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.op import NAMES, OPS, named
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
    """The rows of weight (V, D) numbered by input (*): (*, D).

    Row padding_idx gets no gradient; max_norm shortens rows in place. IndexError for a number outside [0, V).
    """
    if sparse:
        raise NotImplementedError("embedding(): sparse gradients are not supported: leave sparse=False")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding(): 'weight' must be 2-D, got {list(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if input.array.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding(): expected indices of type int64 or int32, got {input.dtype}")
    if max_norm is not None:
        if weight.array.dtype.kind != "f":
            raise RuntimeError(f"embedding(): max_norm needs a weight of floating point, got {weight.dtype}")
        used = np.unique(input.array)
        if used.size and not 0 <= used[0] <= used[-1] < rows:
            raise IndexError(
                f"embedding(): index out of range for a table of {rows} rows: {used[0]} to {used[-1]}"
            )
        with no_grad():
            norms = np.linalg.norm(weight.array[used], norm_type, 1)
            factor = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0).astype(weight.array.dtype)
            weight.array[used] *= factor[:, None]
            weight.bump()
    return OPS["embedding"].call(
        weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq
    )


def _check_tensors(
    input: Tensor, weight: Tensor, offsets: Tensor | None, per_sample_weights: Tensor | None
) -> None:
    if per_sample_weights is not None and per_sample_weights.array.shape != input.array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if weight.array.dtype.kind != "f":
        raise RuntimeError(f"embedding_bag(): expected a weight of floating point, got {weight.dtype}")
    if per_sample_weights is not None and per_sample_weights.array.dtype != weight.array.dtype:
        raise RuntimeError(
            "embedding_bag(): expected weight and per_sample_weights to have the same type, got "
            f"{weight.dtype} and {per_sample_weights.dtype}"
        )
    if offsets is not None and offsets.array.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding_bag(): expected offsets of type int64 or int32, got {offsets.dtype}")


def _check_mode(mode: str, weighted: bool, scale_grad_by_freq: bool, sparse: bool) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(
            "max mode does not support scaling the gradient by the frequency, nor sparse weights"
        )
    if weighted and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}')"
        )


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, np.ndarray, int]:
    """The indices as one vector, the number of the bag of each, and how many bags there are."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                "length sequences."
            )
        count, each = input.array.shape
        return input.reshape(-1), np.repeat(np.arange(count), each), count
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    flat, starts = input, offsets.array
    if include_last_offset:
        flat, starts = flat[: int(starts[-1]) if starts.size else 0], starts[:-1]
    count = len(starts)
    bags = np.searchsorted(starts, np.arange(flat.array.size), "right") - 1
    return (flat, bags, count) if count else (flat[:0], bags[:0], count)


def _reduce_bags(rows: Tensor, bags: np.ndarray, count: int, mode: str) -> Tensor:
    """Sum, mean or max (count, D) of the rows (n, D) of each bag (n); 0 for a bag of none."""
    if mode == "max":
        nothing = rows[:0].sum(0)  # zeros of the same graph
        members = (np.flatnonzero(bags == b) for b in range(count))
        return NAMES["stack"]([rows[wrap(m)].max(0)[0] if m.size else nothing for m in members])
    total = create.zeros((count, rows.shape[1]), dtype=rows.dtype).index_add(0, wrap(bags), rows)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(bags, minlength=count), 1).astype(rows.array.dtype)
    return total / wrap(sizes[:, None])


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
    """Sum, mean or max of the embedding rows of each bag -> (B, D): weight (V, D).

    input (B, n), a bag in each row, or (N) with offsets (B), where each bag begins; include_last_offset says
    that offsets (B + 1) end with N. per_sample_weights, like input, multiply the rows of sums. Rows
    padding_idx do not count. An empty bag gives 0. With scale_grad_by_freq the gradient of a row is divided
    by how often it occurs, as by `embedding` (PyTorch's CPU kernel takes the count of another row).
    ValueError for the wrong shapes, RuntimeError for types, offsets and indices.

    >>> import tinygrad6 as torch
    >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [5., 6.]])
    """
    _check_tensors(input, weight, offsets, per_sample_weights)
    flat, bags, count = _bags(input, offsets, include_last_offset)
    _check_mode(mode, per_sample_weights is not None, scale_grad_by_freq, sparse)
    if offsets is not None and offsets.array.size:
        o, n = offsets.array, input.array.size
        if o[0] or o[-1] > n or (np.diff(o) < 0).any():
            raise RuntimeError(
                f"embedding_bag(): offsets must begin with 0, not fall, and be at most {n}, the number of "
                f"indices, got {o.tolist()}"
            )
    if flat.array.size and not 0 <= flat.array.min() <= flat.array.max() < weight.shape[0]:
        raise RuntimeError(f"embedding_bag(): index out of range for a table of {weight.shape[0]} rows")
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[: len(rows)].unsqueeze(1)
    if input.ndim == 2 and padding_idx is None and flat.array.size:  # bags of one size: no index is needed
        each_bag = rows.reshape(count, -1, weight.shape[1])
        if mode == "max":
            return named(each_bag.max(1)[0], "EmbeddingBag")
        out = each_bag.sum(1) if mode == "sum" else each_bag.sum(1) / each_bag.shape[1]
        return named(out, "EmbeddingBag")
    kept = np.ones(len(bags), bool) if padding_idx is None else flat.array != padding_idx % weight.shape[0]
    out = _reduce_bags(rows[wrap(np.flatnonzero(kept))], bags[kept], count, mode)
    return named(out, "EmbeddingBag")
