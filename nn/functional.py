"""The functions behind the layers, with PyTorch's names and signatures: each checks its arguments and calls ops.

They keep no state and read no training flag; what is random draws from the default generator as PyTorch does.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6 import random
from tinygrad6.modes import no_grad
from tinygrad6.op import COMPOSITES, NAMES, OPS
from tinygrad6.ops import create
from tinygrad6.ops.norm import batch_norm_fixed
from tinygrad6.tensor import Tensor, wrap

from ._losses import (  # noqa: F401 -- part of this namespace
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)


def _from_ops(*names: str) -> None:
    """Functions that are ops or compositions of them, by their own names."""
    for n in names:
        found = COMPOSITES.get(n) or (OPS[n].call if n in OPS else None)
        if found is not None:
            globals()[n] = found


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
    "logsigmoid",
    "upsample",
    "channel_shuffle",
)
linear = OPS["linear"].call


def __getattr__(name: str) -> Any:
    found = COMPOSITES.get(name)
    if found is None:
        raise AttributeError(f"module 'tinygrad6.nn.functional' has no attribute {name!r}")
    return found


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1^T W_k x2 + b_k: input1 (*, in1), input2 (*, in2), weight (out, in1, in2) -> (*, out)."""
    out = NAMES["einsum"]("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias


# ---- activations


def _written(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, or the input with the result stored in it."""
    if not inplace:
        return result
    from tinygrad6.inplace import refuse, write
    from tinygrad6.modes import state
    from tinygrad6.view import live_node

    refuse(input, "inplace activation", state.grad and live_node(input) is not None)
    return write(input, result, "activation")


_relu, _leaky_relu, _elu, _silu, _gelu, _softplus = (
    OPS[n].call for n in ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")
)
sigmoid, tanh = NAMES["sigmoid"], NAMES["tanh"]


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
    """x where x > 0, else negative_slope x, elementwise."""
    return _written(_leaky_relu(input, negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1), elementwise."""
    return _written(_elu(input, alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507... times elu with alpha 1.6733..., elementwise: Klambauer et al. 2017."""
    return _written(
        _elu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946), input, inplace
    )


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x / alpha) - 1), elementwise: Barron 2017."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _written(_elu(input, alpha, 1.0, 1.0 / alpha), input, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), elementwise."""
    return _written(_silu(input), input, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x P(Z <= x) for a standard normal Z, elementwise; approximate="tanh" for the formula of GPT-2."""
    return _gelu(input, approximate)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)), elementwise: Misra 2019."""
    return _written(input * _softplus(input).tanh(), input, inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, elementwise; x where beta x > threshold."""
    return _softplus(input, beta, threshold)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x limited to [min_val, max_val], elementwise; gradient 0 at both."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    inside = (input > min_val) & (input < max_val)
    return _written(NAMES["where"](inside, input, input.detach().clamp(min_val, max_val)), input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x / 6 + 1/2, 0), 1), elementwise."""
    return _written(hardtanh(input, -3.0, 3.0) / 6 + 0.5, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6, elementwise: Howard et al. 2019."""
    slope = (input + 3).clamp(0.0, 6.0) / 6
    return _written(
        NAMES["where"](input <= -3, input * 0.0, NAMES["where"](input >= 3, input, input * slope)),
        input,
        inplace,
    )


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|), elementwise."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x), elementwise."""
    return input - input.tanh()


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 within, elementwise."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return NAMES["where"](
        input > lambd, input - lambd, NAMES["where"](input < -lambd, input + lambd, input * 0.0)
    )


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0, elementwise."""
    return NAMES["where"](input.abs() > lambd, input, input * 0.0)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value, elementwise."""
    return _written(NAMES["where"](input > threshold, input, value), input, inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else w x, with one weight, or one for each channel of x (N, C, *): He et al. 2015."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel size = {channels}."
            )
        weight = weight.reshape(1, -1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else weight
    return NAMES["where"](input > 0, input, weight * input)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a x with a drawn from U(lower, upper) for each element, or the mean of both in evaluation."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = np.ones(input.array.shape, input.array.dtype)
    negative = input.array <= 0
    drawn = random.default_generator.uniform((int(negative.sum()),), np.float64, lower, upper)
    slopes[negative] = drawn
    return _written(input * wrap(slopes), input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the halves a and b of x along dim: Dauphin et al. 2017."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def _softmax_dim(name: str, dim: int | None, ndim: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along dim."""
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
    """softmax((x + Gumbel noise) / tau) along dim; as one-hot with the soft gradient if hard: Jang et al. 2017."""
    noise = -create.empty_like(logits).exponential_().log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one = create.zeros_like(soft).scatter_(dim, index, 1.0)
    return one - soft.detach() + soft


# ---- dropout


def _check_p(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _noise(shape: tuple, p: float, kind: np.dtype) -> Tensor:
    """1 / (1 - p) with probability 1 - p, else 0: PyTorch's draw."""
    kept = random.default_generator.bernoulli(1 - p, shape)
    return wrap(np.multiply(kept, kind.type(1) / kind.type(1 - p), dtype=kind))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x with each element set to 0 with probability p and the others divided by 1 - p; x itself if not training.

    Source: Srivastava et al. 2014, in the inverted form, so that nothing needs scaling in evaluation.
    """
    _check_p(p)
    if p == 0 or not training or not input.array.size:
        return input
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    noise = _noise(input.array.shape, p, input.array.dtype)
    return input.mul_(noise) if inplace else input * noise


def _feature_dropout(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    _check_p(p)
    if p == 0 or not training or not input.array.size:
        return input
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    noise = _noise((*input.array.shape[:2], *(1,) * (input.ndim - 2)), p, input.array.dtype)
    return input.mul_(noise) if inplace else input * noise


def _per_channel(name: str, ndims: tuple[int, ...]) -> Any:
    def function(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        _check_p(p)
        if input.ndim not in ndims:
            warnings.warn(
                f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a future "
                "release.",
                stacklevel=2,
            )
        batched = input.ndim == ndims[-1] or name == "dropout2d" or len(ndims) == 1
        if batched:
            return _feature_dropout(input, p, training, inplace)
        return _feature_dropout(input.unsqueeze(0), p, training, inplace).squeeze(0)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "dropout of whole channels of x (N, C, *): Tompson et al. 2015."
    return function


dropout1d, dropout2d, dropout3d = (
    _per_channel("dropout1d", (2, 3)),
    _per_channel("dropout2d", (3, 4)),
    _per_channel("dropout3d", (4, 5)),
)


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple) -> Tensor:
    _check_p(p)
    if p == 0 or not training or not input.array.size:
        return input
    if p == 1:
        return input * 0.0
    alpha = 1.7580993408473766
    kept = random.default_generator.bernoulli(1 - p, shape)
    a = 1.0 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    kind = input.array.dtype
    b = (wrap(kept.astype(kind)) - 1) * (alpha * a) + alpha * a * p
    result = input * wrap(kept.astype(kind) * kind.type(a)) + b
    return _written(result, input, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of self-normalizing networks: Klambauer et al. 2017."""
    return _alpha(input, p, training, inplace, input.array.shape)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels."""
    return _alpha(input, p, training, inplace, (*input.array.shape[:2], *(1,) * (input.ndim - 2)))


# ---- normalization


def _ones(n: Any, kind: np.dtype) -> Tensor:
    return wrap(np.ones(n, kind))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of input (N, C, *).

    In training the statistics are the batch's (the variance biased), and the running ones move towards them by
    momentum (towards the unbiased variance); else the running ones are used. ValueError for one value per channel.
    Source: Ioffe and Szegedy 2015, algorithm 1.
    """
    x = input.array
    if x.ndim < 2:
        raise RuntimeError(
            f"batch_norm: expected an input of at least 2 dimensions (N, C, *), got {list(x.shape)}"
        )
    channels = x.shape[1]
    for name, t in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if t is not None and t.array.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.array.size}")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        return batch_norm_fixed(input, running_mean.array, running_var.array, weight, bias, eps)
    n = x.size // channels if channels else 0
    if n == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    kind = x.dtype
    cache: list = []
    w = _ones(channels, kind) if weight is None else weight
    b = wrap(np.zeros(channels, kind)) if bias is None else bias
    out = OPS["batch_norm_train"].call(input, w, b, eps, cache)
    if running_mean is not None or running_var is not None:
        _, _, centre, variance = cache
        for running, batch in ((running_mean, centre), (running_var, variance * (n / max(n - 1, 1)))):
            if running is not None:
                r = running.array
                r *= r.dtype.type(1 - momentum)
                r += (batch * momentum).astype(r.dtype, copy=False)
                running.bump()
    return out


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, which must be normalized_shape.

    Source: Ba, Kiros and Hinton 2016.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.array.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(t.shape)} and normalized_shape = {list(shape)}"
            )
    n, kind = math.prod(shape), input.array.dtype
    if not input.array.size:
        return input * 1.0
    w = _ones(n, kind) if weight is None else weight if len(shape) == 1 else weight.reshape(n)
    b = wrap(np.zeros(n, kind)) if bias is None else bias if len(shape) == 1 else bias.reshape(n)
    flat = input if input.ndim == 2 and len(shape) == 1 else input.reshape(-1, n)
    out = OPS["layer_norm_rows"].call(flat, w, b, eps, None)
    return out if flat is input else out.reshape(input.array.shape)


def _channel_affine(out: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    shape = (1, -1, *(1,) * (out.ndim - 2))
    if weight is not None:
        out = out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each of num_groups groups of channels of each sample of input (N, C, *) normalized by itself: Wu and He 2018."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, c = input.array.shape[:2]
    if num_groups <= 0 or c % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and num_groups={num_groups}"
        )
    size = input.array.size // max(n * num_groups, 1)
    if size * n * num_groups == 0:
        return input * 1.0
    rows = input.reshape(n * num_groups, size)
    kind = input.array.dtype
    out = (
        OPS["layer_norm_rows"]
        .call(rows, _ones(size, kind), wrap(np.zeros(size, kind)), eps, None)
        .reshape(input.array.shape)
    )
    return _channel_affine(out, weight, bias)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample of input (N, C, *) normalized by itself: Ulyanov et al. 2017."""
    n, c = input.array.shape[:2]
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.array.size // max(n * c, 1) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if running_mean is not None or running_var is not None:
        with no_grad():
            dims = tuple(range(2, input.ndim))
            for running, value in (
                (running_mean, input.detach().mean(dims).mean(0)),
                (running_var, input.detach().var(dims).mean(0)),
            ):
                if running is not None:
                    running.copy_(running * (1 - momentum) + value * momentum)
    return group_norm(input, c, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions: Zhang and Sennrich 2019."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if input.array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    dims = tuple(range(-len(shape), 0))
    epsilon = float(np.finfo(input.array.dtype).eps) if eps is None else eps
    out = input * ((input * input).mean(dims, keepdim=True) + epsilon).rsqrt()
    return out if weight is None else out * weight


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    """x / max(|x|_p, eps) along dim."""
    if out is not None:
        raise NotImplementedError("normalize(): out= is not supported")
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)


# ---- distances


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along dim."""
    norms = [x.norm(2, dim, keepdim=True).clamp(min=eps) for x in (x1, x2)]
    return (x1 / norms[0] * (x2 / norms[1])).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p along the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances between all pairs of rows, i < j."""
    i, j = np.triu_indices(input.shape[0], 1)
    return (input[wrap(i)] - input[wrap(j)]).norm(p, -1)


# ---- embedding


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


# ---- attention


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T scale + mask) V: query (*, L, E), key (*, S, E), value (*, S, Ev) -> (*, L, Ev).

    scale is 1 / sqrt(E) by default; a bool mask is True where a query may look; is_causal lets query i look at keys up
    to i. enable_gqa repeats the heads of key and value to match query's. Source: Vaswani et al. 2017, equation 1.
    """
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
    length, source = query.shape[-2], key.shape[-2]
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * factor) @ key.transpose(-2, -1)
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        scores = scores + _causal(length, source, scores.array.dtype)
    elif attn_mask is not None:
        if attn_mask.array.dtype == bool:
            attn_mask = wrap(np.where(attn_mask.array, 0.0, -np.inf).astype(scores.array.dtype))
        scores = scores + attn_mask
    weights = OPS["softmax"].call(scores, -1)
    if dropout_p:
        weights = dropout(weights, dropout_p, True)
    return weights @ value


def _causal(length: int, source: int, kind: np.dtype) -> Tensor:
    return wrap(np.triu(np.full((length, source), -np.inf, kind), 1))


def multi_head_attention_forward(*args: Any, **kwargs: Any) -> Any:
    """Use nn.MultiheadAttention: NotImplementedError."""
    raise NotImplementedError(
        "F.multi_head_attention_forward is not supported: use nn.MultiheadAttention or F.scaled_dot_product_attention"
    )


__all__ = [n for n in dir() if not n.startswith("_")]
