"""The functions behind the layers, with PyTorch's names and signatures:
each checks its arguments and calls ops.

They keep no state and read no training flag; what is random draws from the default generator as PyTorch does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad6 import random
from tinygrad6.arguments import Text, checked
from tinygrad6.dtypes import check_size
from tinygrad6.op import COMPOSITES, NAMES, OPS
from tinygrad6.ops import create
from tinygrad6.tensor import Tensor, wrap

from ._attention import multi_head_attention_forward, scaled_dot_product_attention  # noqa: F401
from ._dropout import (  # noqa: F401
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
    written,
)
from ._embedding import embedding, embedding_bag  # noqa: F401
from ._losses import (  # noqa: F401 -- part of this namespace
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    ctc_loss,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    linear_cross_entropy,
    mse_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from ._margins import (  # noqa: F401
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ._norms import (  # noqa: F401
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    normalize,
    rms_norm,
)


if TYPE_CHECKING:  # what _from_ops adds

    def __getattr__(name: str) -> Any: ...


def _from_ops(*names: str) -> None:
    """Functions that are ops or compositions of them, by their own names."""
    for n in names:
        globals()[n] = COMPOSITES[n] if n in COMPOSITES else OPS[n].call


_from_ops(
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "unfold",
    "fold",
    "pad",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "one_hot",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "local_response_norm",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d_with_indices",
    "conv_tbc",
    "affine_grid",
    "grid_sample",
    "upsample",
    "upsample_nearest",
    "upsample_bilinear",
    "channel_shuffle",
    "native_channel_shuffle",
)
linear = OPS["linear"].call


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1^T W_k x2 + b_k: input1 (*, in1), input2 (*, in2), weight (out, in1, in2) -> (*, out)."""
    shapes = input1.shape, input2.shape
    if shapes[0][:-1] != shapes[1][:-1] or weight.shape[1:] != (shapes[0][-1], shapes[1][-1]):
        raise (RuntimeError if weight.ndim == 3 else IndexError)(
            f"bilinear(): expected input1 (*, in1), input2 (*, in2) and weight (out, in1, in2), got "
            f"{list(shapes[0])}, {list(shapes[1])} and {list(weight.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"bilinear(): expected bias of size {weight.shape[0]}, got {list(bias.shape)}")
    given = {"input1": input1, "input2": input2, "weight": weight, **({} if bias is None else {"bias": bias})}
    if len({t.array.dtype for t in given.values()}) > 1:
        shown = ", ".join(f"{name}: {t.dtype}" for name, t in given.items())
        raise RuntimeError(f"bilinear(): all tensors must have the same dtype, got {shown}")
    out = NAMES["einsum"]("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias


# ---- activations


_relu, _leaky_relu, _elu, _silu, _gelu, _softplus = (
    OPS[n].call for n in ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")
)
sigmoid, tanh = NAMES["sigmoid"], NAMES["tanh"]


def _floating(input: Tensor, name: str) -> Tensor:
    """The input, which must be of a floating-point type."""
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}: use input.float()')
    return input


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), elementwise."""
    return input.relu_() if inplace else _relu(input)


def relu_(input: Tensor) -> Tensor:
    """relu in place."""
    return input.relu_()


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6), elementwise; gradient 0 at the kinks."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x, elementwise: Maas et al. 2013. Gradient negative_slope at 0."""
    return written(_leaky_relu(_floating(input, "leaky_relu"), negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1), elementwise: Clevert et al. 2016. Gradient alpha at 0."""
    return written(_elu(input, alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507... times elu with alpha 1.6733..., elementwise: Klambauer et al. 2017."""
    return written(
        _elu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946), input, inplace
    )


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x / alpha) - 1), elementwise: Barron 2017."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return written(_elu(input, alpha, 1.0, 1.0 / alpha), input, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), elementwise, also called swish: Elfwing et al. 2018."""
    return written(_silu(_floating(input, "silu")), input, inplace)


def gelu(input: Tensor, approximate: Text = "none") -> Tensor:
    """x P(Z <= x) for a standard normal Z, elementwise: Hendrycks and Gimpel 2016.

    approximate="tanh" gives x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the formula of GPT-2.
    """
    return _gelu(_floating(input, "gelu"), approximate)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)), elementwise: Misra 2019."""
    return written(OPS["mish"].call(_floating(input, "mish")), input, inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, elementwise, without overflow; x where beta x > threshold."""
    return _softplus(input, beta, threshold)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """min(max(x, min_val), max_val), elementwise; gradient 0 at both limits."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.array.dtype.kind == "b":
        raise RuntimeError("hardtanh(): bool inputs are not supported")
    if input.array.dtype.kind != "f":
        return written(input.clamp(int(min_val), int(max_val)), input, inplace)
    for limit in (min_val, max_val):
        check_size(limit, input.array.dtype)
    return written(OPS["hardtanh"].call(input, min_val, max_val), input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6, elementwise; gradient 0 at the kinks. Source: Howard et al. 2019."""
    return written(OPS["hardsigmoid"].call(_floating(input, "hardsigmoid")), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6, elementwise: Howard et al. 2019."""
    return written(OPS["hardswish"].call(_floating(input, "hardswish")), input, inplace)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|), elementwise."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x), elementwise."""
    return input - input.tanh()


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd where x > lambd, x + lambd where x < -lambd, else 0, elementwise; lambd is at least 0."""
    _floating(input, "softshrink")
    if not 0 <= lambd <= np.finfo(input.array.dtype).max:
        raise RuntimeError(f"softshrink(): lambd must be a finite number of at least 0, got {lambd}")
    return OPS["softshrink"].call(input, lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0, elementwise."""
    return OPS["hardshrink"].call(_floating(input, "hardshrink"), lambd)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value, elementwise; gradient 0 at the threshold."""
    if input.array.dtype.kind == "f":
        for number in (threshold, value):
            check_size(number, input.array.dtype)
        return written(OPS["threshold"].call(input, threshold, value), input, inplace)
    if input.array.dtype.kind == "b":
        raise NotImplementedError("\"threshold_cpu\" not implemented for 'Bool'")
    return written(NAMES["where"](input <= threshold, value, input).to(input.dtype), input, inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else w x, with one weight, or one for each channel of x (N, C, *): He et al. 2015."""
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.array.dtype != input.array.dtype:
        raise RuntimeError(f"prelu(): input and weight differ in type: {input.dtype} and {weight.dtype}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
        weight = weight.reshape(1, -1, *(1,) * (input.ndim - 2))
    elif weight.ndim:
        weight = weight.reshape((1,) * input.ndim)
    return OPS["prelu"].call(_floating(input, "prelu"), weight)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a x, elementwise: a from U(lower, upper), or its mean if not training.

    Source: Xu et al. 2015. RuntimeError for bounds that are not finite or lower > upper.
    """
    _floating(input, "rrelu")
    if not (np.isfinite([lower, upper]).all() and lower <= upper):
        raise RuntimeError(f"rrelu(): expected finite bounds, lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = np.ones(input.array.shape, input.array.dtype)
    negative = input.array <= 0
    drawn = random.default_generator.uniform((int(negative.sum()),), np.float64, lower, upper)
    slopes[negative] = drawn
    return written(input * wrap(slopes), input, inplace)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), elementwise, without overflow."""
    return OPS["logsigmoid"].call(_floating(input, "logsigmoid"))


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of an activation that stores its result in the input."""

    def form(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    form.__name__ = form.__qualname__ = f"{function.__name__}_"
    form.__doc__ = f"{function.__name__} in place."
    return form


_HAVE: tuple[Any, ...] = (leaky_relu, elu, selu, celu, hardtanh, rrelu, threshold)
leaky_relu_, elu_, selu_, celu_, hardtanh_, rrelu_, threshold_ = map(_in_place, _HAVE)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the halves a and b of x along dim, (*, 2 n, *) -> (*, n, *): Dauphin et al. 2017."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = _floating(input, "glu").chunk(2, dim)
    return a * b.sigmoid()


def _softmax_dim(name: str, dim: int | None, ndim: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along dim, without overflow; computed in dtype if one is given.

    >>> import tinygrad6 as torch
    >>> torch.nn.functional.softmax(torch.tensor([0.0, 1000.0, 1000.0]), dim=0)
    tensor([0.0000, 0.5000, 0.5000])
    """
    return OPS["softmax"].call(input, _softmax_dim("softmax", dim, input.ndim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along dim, without overflow."""
    return OPS["log_softmax"].call(input, _softmax_dim("log_softmax", dim, input.ndim), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax(-x) along dim."""
    return softmax(-input, _softmax_dim("softmin", dim, input.ndim), dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((x + G) / tau) along dim, with G = -log(-log U) of uniform U: Jang et al. 2017.

    hard makes it one-hot, in the forward pass alone: the gradient stays that of the soft values. eps has no
    effect, as in PyTorch, and a warning says so.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    noise = -create.empty_like(logits).contiguous().exponential_().log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one = create.zeros_like(soft).scatter_(dim, index, 1.0)
    return one - soft.detach() + soft


# ---- distances


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along dim, which goes: (N, D) -> (N). The two broadcast."""
    if not eps >= 0:
        raise RuntimeError(f"cosine_similarity(): eps must be non-negative, got {eps}")
    if x1.array.dtype != x2.array.dtype:
        kind = NAMES["result_type"](x1, x2)
        x1, x2 = x1.to(kind), x2.to(kind)
    if x1.shape != x2.shape:
        x1, x2 = NAMES["broadcast_tensors"](x1, x2)
    norms = [x.norm(2, dim, keepdim=True).clamp(min=eps) for x in (x1, x2)]
    return (x1 / norms[0] * (x2 / norms[1])).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p along the last dimension: (N, D) -> (N), or (N, 1) with keepdim. Both broadcast."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """|x_i - x_j|_p of all pairs of rows i < j: (N, D) -> (N (N - 1) / 2)."""
    return NAMES["pdist"](input, p)


for _name, _function in list(globals().items()):
    if isinstance(_function, FunctionType) and _function.__module__.startswith(__package__):
        if _name[0] != "_" and _name != "cross_entropy":  # which checks by itself, in the fewest steps
            globals()[_name] = checked(_function)


_HELPERS = frozenset(("checked", "wrap", "written"))
__all__ = [
    n for n, f in globals().items() if isinstance(f, FunctionType) and n[0] != "_" and n not in _HELPERS
]
