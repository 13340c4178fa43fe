"""Losses of differences, classes, likelihoods and sequences, exported by functional.py.

Those with a margin are in _margins.py. All end in the same place: `reduced`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tinygrad6.accidents import brief
from tinygrad6.arguments import real, refused, whole
from tinygrad6.op import NAMES, OPS
from tinygrad6.ops import create
from tinygrad6.ops.loss import _check_targets
from tinygrad6.tensor import Tensor, wrap

_entropy_rows = OPS["cross_entropy_rows"].call
INT64 = np.dtype(np.int64)


def check_reduction(reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """One of "none", "mean", "sum"; the arguments that came before it are translated with a warning."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The losses of the elements, their mean, or their sum."""
    check_reduction(reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _same(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both broadcast to one shape, with PyTorch's warning where they differ."""
    if not isinstance(target, Tensor) or not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): input and target must be Tensors, got {type(input).__name__} and "
            f"{type(target).__name__}"
        )
    if input.array.shape != target.array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This "
            "will likely lead to incorrect results due to broadcasting. Please ensure they have the same "
            "size.",
            stacklevel=3,
        )
        input, target = NAMES["broadcast_tensors"](input, target)
    return input, target


def check_floating(name: str, *inputs: Tensor) -> None:
    """RuntimeError for integers and bools, for which the loss would mean little, or truncate."""
    for t in inputs:
        if t.array.dtype.kind != "f":
            raise RuntimeError(f"{name}(): expected tensors of floating point, got {t.dtype}: use .float()")


def _check_weight(weight: Tensor | None, input: Tensor) -> None:
    if weight is not None and weight.array.shape != input.array.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {list(weight.shape)} and {list(input.shape)}."
        )


def _weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Weighted losses; their mean is over the weights."""
    loss = loss * weight
    if reduction != "mean":
        return reduced(loss, reduction)
    return loss.sum() / weight.sum() if loss.array.size else loss.sum() * math.nan


# ---- differences


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(x - y)^2, reduced.

    x = input and y = target, both (*) -> (*) with reduction "none", else () with "mean" or "sum".
    Other shapes broadcast, with a warning. With a weight (*) the mean is over the weights.

    >>> import tinygrad6 as torch
    >>> F = torch.nn.functional
    >>> F.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(2.5000)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    _check_weight(weight, input)
    input, target = _same(input, target, "mse_loss")
    if weight is not None:
        return _weighted((input - target) ** 2, weight, reduction)
    return OPS["squared_error"].call(input, target, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|x - y|, reduced: shapes and weight as in mse_loss. The gradient where x = y is 0."""
    reduction = check_reduction(reduction, size_average, reduce)
    _check_weight(weight, input)
    input, target = _same(input, target, "l1_loss")
    loss = (input - target).abs()
    return reduced(loss, reduction) if weight is None else _weighted(loss, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2, reduced: Girshick 2015.

    Shapes as in mse_loss. l1_loss if beta is 0; RuntimeError if it is negative.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    input, target = _same(input, target, "smooth_l1_loss")
    if not beta >= 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    d = input - target
    return reduced(d.abs() if beta == 0 else OPS["smooth_size"].call(d, beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 where d = |x - y| <= delta, else delta (d - delta / 2), reduced: Huber 1964.

    Shapes as in mse_loss; a weight multiplies the losses. RuntimeError unless delta > 0.
    """
    kind = input.dtype
    check_floating("huber_loss", input)
    _check_weight(weight, input)
    input, target = _same(input, target, "huber_loss")
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    gap = (input - target).to(kind)
    if delta == math.inf:
        loss = gap * gap * 0.5
    else:
        loss = OPS["smooth_size"].call(gap, delta)
        loss = loss if delta == 1 else loss * delta
    return reduced(loss if weight is None else loss * weight, reduction)


# ---- classification


def _rows(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """input (N, C, d1, ...) as (N d1 ..., C), target (N, d1, ...) as one vector."""
    if input.ndim == 1:
        return input.unsqueeze(0), target.reshape(1)
    if input.ndim == 2:
        return input, target
    return NAMES["movedim"](input, 1, -1).reshape(-1, input.shape[1]), target.reshape(-1)


def _check_classes(input: Tensor, target: Tensor, weight: Tensor | None, name: str) -> None:
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"{name}(): input and target must be Tensors, got {type(input).__name__} and "
            f"{type(target).__name__}"
        )
    x, t = input.array.shape, target.array.shape
    if not x:
        raise ValueError(f"{name}: Expected 1 or more dimensions (got 0)")
    if len(x) == 1 and len(t) == 1 and t[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {t[0]}")
    if len(x) > 1 and (not t or t[0] != x[0]):
        raise ValueError(
            f"Expected input batch_size ({x[0]}) to match target batch_size ({t[0] if t else 0})."
        )
    if target.array.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype}")
    if len(x) <= 2 and len(t) > 1:
        raise RuntimeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported, got {list(t)}"
        )
    if len(x) > 2 and t != (x[0], *x[2:]):
        raise RuntimeError(f"{name}: Expected target size {[x[0], *x[2:]]}, got {list(t)}")
    if weight is not None:
        _check_class_weights(weight, input, name)


def _check_class_weights(weight: Tensor, input: Tensor, name: str) -> None:
    classes = input.array.shape[0 if input.ndim == 1 else 1]
    if weight.array.shape != (classes,):
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    if weight.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}: expected weight of type {input.dtype} but found {weight.dtype}")


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[t] x[t] for log-probabilities x (N, C, *) or (C) and classes t (N, *) or (), reduced.

    weight (C); elements of class ignore_index count as 0, and "mean" divides by the weights that count.
    IndexError for another class out of range, RuntimeError for the wrong shape or type.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if isinstance(input, Tensor) and input.array.dtype.kind != "f":
        raise NotImplementedError(f"nll_loss(): expected an input of floating point, got {input.dtype}")
    _check_classes(input, target, weight, "nll_loss")
    rows, t = _rows(input, target)
    classes = t.array.astype(np.int64, copy=False)
    _check_targets(classes, rows.shape[1], ignore_index)
    kept = classes != ignore_index
    safe = np.where(kept, classes, 0)
    picked = np.ones(len(safe)) if weight is None else weight.array[safe]
    w = np.where(kept, picked, 0).astype(rows.array.dtype)
    losses = -NAMES["gather"](rows, 1, wrap(safe[:, None])).squeeze(1)
    losses = NAMES["where"](wrap(kept), losses * wrap(w), 0.0)
    if reduction == "none":
        return losses.reshape(target.array.shape if input.ndim > 1 else ())
    return _averaged(losses.sum(), w.sum(dtype=w.dtype), reduction)


def _averaged(total: Tensor, count: Any, reduction: str) -> Tensor:
    """The sum, or the sum divided by a count; nan, without gradient, if nothing was counted."""
    if reduction == "sum":
        return total
    return total / wrap(np.asarray(count)) if count else total * math.nan


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum_c q_c log softmax(x)_c for logits x (N, C, *) or (C).

    target: classes (N, *) of int64, where q is one-hot; or probabilities in x's shape. weight (C) rescales
    classes; ignore_index leaves classes out; label_smoothing mixes q with 1 / C. (N, *) with reduction
    "none". IndexError for a class out of range, RuntimeError for the wrong shape or type.

    >>> import tinygrad6 as torch
    >>> F = torch.nn.functional
    >>> logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> F.cross_entropy(logits, torch.tensor([0, 2]), reduction="none")
    tensor([0.2395, 1.0986])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if isinstance(input, Tensor) and isinstance(target, Tensor) and weight is None and label_smoothing == 0.0:
        x, t = input.array, target.array
        everyday = x.ndim == 2 and t.ndim == 1 and len(x) == len(t) and t.dtype is INT64
        if everyday and x.dtype.kind == "f" and type(ignore_index) is int:
            return _entropy_rows(input, target, ignore_index, reduction)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"cross_entropy_loss(): argument '{'target' if isinstance(input, Tensor) else 'input'}' must be "
            f"Tensor, not {type(target if isinstance(input, Tensor) else input).__name__}"
        )
    if weight is not None and not isinstance(weight, Tensor):
        raise refused("cross_entropy_loss", "weight", 3, "Tensor", weight)
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f"cross_entropy_loss(): expected floating point logits, got {input.dtype}")
    if type(ignore_index) is not int:
        ignore_index = whole("cross_entropy_loss", "ignore_index", 5, ignore_index)
    label_smoothing = real("cross_entropy_loss", "label_smoothing", 8, label_smoothing)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 0 if input.ndim == 1 else 1
    if target.array.shape == input.array.shape:
        if target.array.dtype.kind != "f":
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {target.dtype}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        if weight is not None:
            _check_class_weights(weight, input, "cross_entropy")
        return _soft_entropy(input, target, weight, reduction, label_smoothing, dim)
    if not input.ndim:
        raise IndexError("cross_entropy_loss(): expected logits (N, C, *) or (C), got a 0-d tensor")
    _check_classes(input, target, weight, "cross_entropy")
    if weight is None and not label_smoothing:
        rows, labels = _rows(input, target)
        if labels.array.dtype != np.int64:
            labels = labels.long()
        out = OPS["cross_entropy_rows"].call(rows, labels, ignore_index, reduction)
        shape = target.array.shape if input.ndim > 1 else ()
        return out.reshape(shape) if reduction == "none" and out.array.shape != shape else out
    logp = OPS["log_softmax"].call(input, dim)
    loss = nll_loss(logp, target, weight, None, ignore_index, None, reduction)
    if not label_smoothing:
        return loss
    rows, labels = _rows(logp, target)
    kept = labels.array != ignore_index
    w = np.ones(rows.shape[1], rows.array.dtype) if weight is None else weight.array
    smooth = NAMES["where"](wrap(kept), -(rows * wrap(w)).sum(1), 0.0)
    if reduction == "none":
        smooth = smooth.reshape(loss.array.shape)
    else:
        count = w[np.where(kept, labels.array, 0)][kept].sum(dtype=w.dtype)
        smooth = _averaged(smooth.sum(), count, reduction)
    return loss * (1 - label_smoothing) + smooth * (label_smoothing / rows.shape[1])


def _soft_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    classes = input.array.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = OPS["log_softmax"].call(input, dim) * target
    if weight is not None:
        terms = terms * (weight if dim == 0 else weight.reshape(1, -1, *(1,) * (input.ndim - 2)))
    if reduction == "none":
        return -terms.sum(dim)
    return _averaged(-terms.sum(), terms.array.dtype.type(input.array.size // max(classes, 1)), reduction)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """cross_entropy of the logits that a linear map makes of input (N, in) or (in).

    linear_weight (C, in), or (C, d1, ..., in) for logits (N, C, d1, ...); linear_bias (C, d1, ...). The rest
    as for cross_entropy. RuntimeError for shapes that do not fit, and for an ignore_index beside
    probabilities; NotImplementedError for options, which save memory only.
    """
    name = "linear_cross_entropy()"
    if options is not None:
        raise NotImplementedError(f"{name}: options are not supported: leave them out")
    if input.ndim not in (1, 2) or linear_weight.ndim < 2:
        what, expected, t = (
            ("linear_weight", "at least 2", linear_weight)
            if input.ndim in (1, 2)
            else ("input", "1 or 2", input)
        )
        raise RuntimeError(f"{name}: expected {what} with dimensionality {expected}, got {t.ndim}")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            f"{name}: expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    classes = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != classes:
        raise RuntimeError(f"{name}: expected linear_bias shape {classes}, got {tuple(linear_bias.shape)}")
    if len(classes) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"{name}: K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, got {tuple(input.shape)}"
        )
    flat = linear_weight.reshape(-1, linear_weight.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = OPS["linear"].call(input, flat, bias).reshape(*input.shape[:-1], *classes)
    if target.shape == logits.shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits, target, weight, None, ignored, None, reduction, label_smoothing=label_smoothing
    )


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-w (y log p + (1 - y) log(1 - p)) with the logarithms no less than -100, reduced.

    p = input and y = target (*), both in [0, 1]; w = weight broadcasts to (*). ValueError for shapes that
    differ, RuntimeError for values out of range. From logits, use binary_cross_entropy_with_logits.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if input.array.shape != target.array.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    p = input.array
    if target.array.dtype != p.dtype:
        raise RuntimeError(f"binary_cross_entropy: Found dtype {target.dtype} but expected {input.dtype}")
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError("all elements of input should be between 0 and 1")
    if not ((target.array >= 0) & (target.array <= 1)).all():
        raise RuntimeError("all elements of target should be between 0 and 1")
    loss = OPS["binary_entropy"].call(input, target)
    return _scaled(loss, weight, reduction)


def _scaled(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Losses times weights that broadcast to their shape, reduced."""
    if weight is not None:
        kind, shape = loss.dtype, loss.array.shape
        loss = (loss * weight).to(kind)
        if loss.array.shape != shape:
            raise RuntimeError(
                f"output with shape {list(shape)} doesn't match the broadcast shape {list(loss.shape)}"
            )
    return reduced(loss, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of p = sigmoid(x), computed without overflow.

    x = input and y = target (*); weight and pos_weight, which multiplies the term of y = 1, broadcast to
    (*). ValueError for shapes that differ.

    >>> import tinygrad6 as torch
    >>> F = torch.nn.functional
    >>> logits, labels = torch.tensor([0.0, 100.0]), torch.tensor([1.0, 0.0])
    >>> F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    tensor([  0.6931, 100.0000])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if input.array.shape != target.array.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if target.array.dtype.kind != "f":
        raise RuntimeError(
            "binary_cross_entropy_with_logits: result type Float can't be cast to the target's type "
            f"{target.dtype}: use target.float()"
        )
    if input.array.dtype.kind != "f":
        raise NotImplementedError(
            f"binary_cross_entropy_with_logits(): expected an input of floating point, got {input.dtype}"
        )
    if pos_weight is None:
        loss = OPS["logits_entropy"].call(input, target)
    else:
        scale = (pos_weight - 1) * target + 1
        loss = (1 - target) * input + scale * OPS["softplus"].call(-input, 1.0, math.inf)
        if loss.array.shape != input.array.shape:
            raise RuntimeError(
                f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(loss.shape)}"
            )
    return _scaled(loss.to(target.dtype), weight, reduction)


# ---- likelihoods


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """y (log y - x) for log-probabilities x = input (*) and probabilities y = target (*), 0 where y is 0.

    With log_target, target is log y. Reduced; "batchmean" divides the sum by the size of the first
    dimension, as the divergence of Kullback and Leibler 1951 has it.
    """
    batchmean = reduction == "batchmean"
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    reduction = check_reduction("sum" if batchmean else reduction, size_average, reduce)
    check_floating("kl_div", input, target)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = NAMES["xlogy"](target, target) - target * input
    out = reduced(loss, reduction)
    return out / input.shape[0] if batchmean and input.ndim else out


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - y x, or x - y log(x + eps) without log_input, reduced: x = input, y = target (*).

    full adds Stirling's approximation of log y!, y log y - y + log(2 pi y) / 2, where y > 1.
    """
    reduction = check_reduction(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        safe = target.clamp(min=1.0)
        stirling = safe * safe.log() - safe + 0.5 * (2 * math.pi * safe).log()
        loss = loss + NAMES["where"](target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (x - y)^2 / var) / 2 with var at least eps, reduced; full adds log(2 pi) / 2.

    x = input and y = target (*); var a number, or (*), its last dimension left out or one of them 1.
    Source: Nix and Weigend 1994. ValueError for another shape or a negative var.
    """
    check_reduction(reduction)
    if not isinstance(var, Tensor):
        var = create.full(input.shape, real("gaussian_nll_loss", "var", 3, var), dtype=input.dtype)
    if (var.array < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.array.shape != input.array.shape:
        if input.array.shape[:-1] == var.array.shape:
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or [v for x, v in zip(input.shape, var.shape) if x != v] != [1]:
            raise ValueError(
                f"var is of incorrect size: expected {list(input.shape)}, one dimension of it 1, or the last "
                f"one left out; got {list(var.shape)}"
            )
    check_floating("gaussian_nll_loss", var)
    # the gradient passes as if it were var
    with_floor = var + wrap(np.maximum(eps - var.array, 0).astype(var.array.dtype))
    loss = 0.5 * (with_floor.log() + (input - target) ** 2 / with_floor)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# ---- sequences


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of labels under log-probabilities (T, N, C), summed over alignments:
    Graves et al. 2006.

    targets: (N, S) padded, or all labels in one vector; input_lengths and target_lengths (N), as tensors or
    ints; without N for one sequence. Classes in [0, C) but `blank`. Infinite where no alignment exists, or 0
    if zero_infinity. "mean" divides each loss by its target's length first. The gradient is PyTorch's: that
    of the logits before log_softmax.
    """
    check_reduction(reduction)
    name = "ctc_loss()"
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    if x.ndim != 3:
        raise RuntimeError(f"{name}: expected log_probs (T, N, C) or (T, C), got {list(log_probs.shape)}")
    if x.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: log_probs must be of floating point, got {log_probs.dtype}")
    if not x.array.size:
        raise RuntimeError("log_probs tensor must not be empty")
    if targets.array.dtype.kind not in "iu":
        targets = targets.long()
    n = x.array.shape[1]
    steps, lengths = (
        np.asarray(v.array if isinstance(v, Tensor) else v).reshape(-1)
        for v in (input_lengths, target_lengths)
    )
    for what, v, limit in (("input", steps, x.shape[0]), ("target", lengths, None)):
        if not v.size:
            raise RuntimeError(f"{what}_lengths must be of size batch_size: expected {(n,)}, got (0,)")
        if v.dtype.kind not in "iu":
            both = isinstance(input_lengths, Tensor) and isinstance(target_lengths, Tensor)
            kind = RuntimeError if both else TypeError  # as PyTorch's overloads have it
            raise kind(f"{name}: {what}_lengths must be integral, got {brief(v)}")
        if v.shape != (n,):
            raise RuntimeError(f"{what}_lengths must be of size batch_size: expected {(n,)}, got {v.shape}")
        if (v < 0).any() or limit is not None and (v > limit).any():
            raise RuntimeError(f"Expected {what}_lengths to be in [0, {limit}], got {v.tolist()}")
    if not 0 <= blank < x.shape[2]:
        raise RuntimeError(f"{name}: blank must be in label range [0, {x.shape[2]}), got {blank}")
    t, width = targets.array, int(lengths.max(initial=0))
    if t.ndim == 1 and not (single and t.size == width):
        if t.size != lengths.sum():
            raise RuntimeError(f"{name}: expected {lengths.sum()} targets in one vector, got {t.size}")
        rows = np.split(t, np.cumsum(lengths)[:-1])
        t = np.stack([np.pad(row, (0, width - len(row))) for row in rows])
    t = np.atleast_2d(t)
    if t.shape[0] != n or t.shape[1] < width:
        raise RuntimeError(f"{name}: expected targets {(n, width)} or longer, got {list(targets.shape)}")
    counted = np.arange(t.shape[1]) < lengths[:, None]
    t = np.where(counted, t, blank).astype(np.int64)[:, :width]
    if ((t < 0) | (t >= x.shape[2])).any():
        raise RuntimeError(f"{name}: targets must be in [0, {x.shape[2]})")
    losses = OPS["ctc_rows"].call(
        x, wrap(t), wrap(steps.astype(np.int64)), wrap(lengths.astype(np.int64)), blank
    )
    p = x.exp() * wrap((np.arange(len(x))[:, None] < steps)[:, :, None].astype(x.array.dtype))
    losses = losses + (p - p.detach()).sum((0, 2))  # nothing, but for the gradient: see above
    impossible = wrap(losses.array > 1e29)
    if zero_infinity:
        losses = losses.masked_fill(impossible, 0.0)
    elif impossible.array.any():  # their gradients are nan, as PyTorch's are
        losses = losses * wrap(np.where(impossible.array, math.inf, 1.0).astype(x.array.dtype))
    if reduction == "mean":
        return (losses / wrap(np.maximum(lengths, 1).astype(x.array.dtype))).mean()
    return losses.sum() if reduction == "sum" else losses.squeeze(0) if single else losses
