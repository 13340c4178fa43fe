"""Losses with a margin, exported by functional.py: of labels 1 and -1, of classes, of pairs and triplets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.accidents import brief
from tinygrad6.op import NAMES, OPS
from tinygrad6.tensor import Tensor, wrap

from ._losses import check_floating, check_reduction, reduced


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """x where y = 1, max(0, margin - x) where y = -1, reduced: x = input, a distance, and y = target, (*)."""
    reduction = check_reduction(reduction, size_average, reduce)
    if reduction == "mean":
        check_floating("hinge_embedding_loss", input)
    loss = NAMES["where"](target != 1, (margin - input).clamp(min=0), 0.0) + NAMES["where"](
        target != -1, input, 0.0
    )
    return reduced(loss, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y (x1 - x2) + margin), reduced: x1 should be the larger where y = 1, the smaller where -1.

    x1 = input1, x2 = input2, y = target, all (N) or (). RuntimeError if their numbers of dimensions differ.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where y = 1, max(0, cos - margin) where y = -1, reduced.

    x1 = input1, x2 = input2 (N, D) or (D), y = target (N) or (). RuntimeError for other numbers of
    dimensions.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with "
            f"sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dots = (input1 * input2).sum(-1)
    sizes = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]
    cosine = dots / (sizes[0] * sizes[1]).sqrt()
    return reduced(
        NAMES["where"](target == 1, 1 - cosine, 0.0)
        + NAMES["where"](target == -1, (cosine - margin).clamp(min=0), 0.0),
        reduction,
    )


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(-y x)), reduced: x = input (*), y = target of 1 and -1, which broadcasts to (*)."""
    reduction = check_reduction(reduction, size_average, reduce)
    check_floating("soft_margin_loss", input)
    product = -target * input
    if product.array.shape != input.array.shape:
        raise RuntimeError(
            "soft_margin_loss(): the target must broadcast to the shape of the input, got input "
            f"{list(input.shape)} and target {list(target.shape)}"
        )
    return reduced(OPS["softplus"].call(product, 1.0, math.inf).to(input.dtype), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over C of binary_cross_entropy_with_logits, reduced: input, target (N, C), weight (C)."""
    reduction = check_reduction(reduction, size_average, reduce)
    if not input.ndim:
        raise IndexError("multilabel_soft_margin_loss(): expected an input (N, C) or (C), got a 0-d tensor")
    if input.array.dtype.kind != "f":
        raise NotImplementedError(
            f"multilabel_soft_margin_loss(): expected an input of floating point, got {input.dtype}"
        )
    logsigmoid = OPS["logsigmoid"].call
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    classes = input.ndim - 1  # the dimension of the input: a target may have more
    return reduced(loss.sum(classes) / input.array.shape[classes], reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: Any = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over i != t of max(0, margin - x[t] + x[i])^p / C, reduced; weight[t] multiplies the terms.

    x = input (N, C) or (C), t = target (N) or (), weight (C), p 1 or 2. Source: Crammer and Singer 2001.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if isinstance(p, Tensor) or p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {brief(p)}")
    rows = _matrix(input, "multi_margin_loss")
    n, classes = rows.array.shape
    if target.array.size != n or target.ndim > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the batch size. Expected "
            f"target size [{n}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if target.array.dtype != np.int64:
        raise RuntimeError(f"multi_margin_loss: expected target of type int64 but found {target.dtype}")
    if ((target.array < 0) | (target.array >= classes)).any():
        raise RuntimeError(f"multi_margin_loss: target out of range: expected classes in [0, {classes})")
    if weight is not None and weight.array.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must be one-dimensional, got {list(weight.shape)}")
    if weight is not None and weight.array.shape != (classes,):
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    if weight is not None and weight.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"multi_margin_loss: expected weight of type {input.dtype} but found {weight.dtype}"
        )
    t = target.reshape(-1, 1)
    terms = (margin - NAMES["gather"](rows, 1, t) + rows).relu()  # of gradient 0 at the margin
    if p == 2:
        terms = terms * terms
    if weight is not None:
        terms = terms * weight[t]
    others = wrap(np.arange(classes)[None, :] != t.array)
    loss = NAMES["where"](others, terms, 0.0).sum(1) / classes
    return reduced(loss.reshape(() if input.ndim < 2 and not target.ndim else (n,)), reduction)


def _matrix(input: Tensor, name: str) -> Tensor:
    """input (N, C) or (C) as a matrix."""
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: expected an input of floating point, got {input.dtype}")
    if input.ndim > 2 or input.ndim and not input.shape[-1]:
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    return input if input.ndim == 2 else input.reshape(1, -1)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """sum over labels y and non-labels i of max(0, 1 - x[y] + x[i]) / C, reduced.

    x = input and target (N, C) or (C): a row of target lists its labels, and ends at the first -1.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    rows = _matrix(input, "multilabel_margin_loss")
    if target.array.shape != input.array.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    if target.array.dtype != np.int64:
        raise RuntimeError(f"multilabel_margin_loss: expected scalar type Long but found {target.dtype}")
    n, classes = rows.array.shape
    t = target.array.reshape(n, classes)
    if ((t < -1) | (t >= classes)).any():
        raise RuntimeError(
            f"multilabel_margin_loss: target is out of range: expected classes in [-1, {classes})"
        )
    listed = np.logical_and.accumulate(t >= 0, 1)  # labels before the first -1
    own = np.zeros((n, classes), bool)
    np.put_along_axis(own, np.where(listed, t, t[:, :1]), True, 1)
    own &= listed[:, :1]
    at = NAMES["gather"](rows, 1, wrap(np.where(listed, t, 0)))
    gaps = (1 - at.unsqueeze(2) + rows.unsqueeze(1)).relu()  # (N, labels, classes)
    counted = wrap(listed[:, :, None] & ~own[:, None, :])
    loss = NAMES["where"](counted, gaps, 0.0).sum((1, 2)) / classes
    return reduced(loss.reshape(() if input.ndim < 2 else (n,)), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), reduced; swap takes the smaller of d(a, n) and d(p, n).

    anchor a, positive p, negative n (*, D); d(x, y) = |x - y + eps|_p along D. Source: Balntas et al. 2016.
    """
    from .functional import pairwise_distance

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    reduction = check_reduction(reduction, size_average, reduce)
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[..., Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of your own: distance_function(x, y), |x - y + 1e-6|_2 if None."""
    from .functional import pairwise_distance

    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    check_reduction(reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = NAMES["minimum"](far, distance(positive, negative))
    return reduced((near - far + margin).clamp(min=0), reduction)
