"""Normalization functions, exported by functional.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.op import OPS
from tinygrad6.ops.norm import batch_norm_fixed
from tinygrad6.tensor import Tensor, wrap


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
