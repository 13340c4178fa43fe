"""Normalization functions, exported by functional.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6.arguments import refused, several
from tinygrad6.dtypes import float16, float32
from tinygrad6.layouts import keep_channels
from tinygrad6.modes import no_grad
from tinygrad6.op import OPS, named
from tinygrad6.ops.norm import batch_norm_fixed
from tinygrad6.out import into
from tinygrad6.tensor import Tensor, wrap


def _ones(n: Any, kind: np.dtype) -> Tensor:
    return wrap(np.ones(n, kind))


def _channels(
    input: Tensor, name: str, mean: Tensor | None, var: Tensor | None, *affine: Tensor | None
) -> int:
    """The number of channels of input (N, C, *); errors for what cannot be normalized at all."""
    if input.ndim < 2:
        raise (RuntimeError if name == "batch_norm" else IndexError)(
            f"{name}: expected an input of at least 2 dimensions (N, C, *), got {list(input.shape)}"
        )
    kind = input.array.dtype
    if kind.kind != "f":
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}: use input.float()')
    _check_types(name, input, mean, var, *affine)
    return input.array.shape[1]


def _check_types(name: str, input: Tensor, *others: Tensor | None) -> None:
    """RuntimeError unless all parameters and statistics are of the input's type, or float32 with float16."""
    kinds = {t.dtype for t in others if t is not None}
    if not (kinds <= {input.dtype} or input.dtype == float16 and kinds == {float32}):
        raise RuntimeError(
            f"{name}: mixed dtype (CPU): all inputs must share same datatype, got an input of {input.dtype} "
            f"and parameters or statistics of {', '.join(sorted(map(str, kinds)))}"
        )


def _check_sizes(
    n: int,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool = True,
) -> None:
    if not training and (mean is None or var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
    for name, t in (("running_mean", mean), ("running_var", var), ("weight", weight), ("bias", bias)):
        if t is not None and t.array.shape != (n,):
            raise RuntimeError(f"{name} should contain {n} elements not {t.array.size}")
    if (mean is None) != (var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


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

    In training the statistics are the batch's (the variance biased), and the running ones move towards them
    by momentum (towards the unbiased variance); else the running ones are used. ValueError for one value per
    channel. Source: Ioffe and Szegedy 2015, algorithm 1.
    """
    x = input.array
    if training and x.ndim and len(x) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    channels = _channels(input, "batch_norm", running_mean, running_var, weight, bias)
    n = x.size // channels if channels else 0
    if training and eps <= 0 or eps < 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    _check_sizes(channels, running_mean, running_var, weight, bias, training)
    if not training and running_mean is not None and running_var is not None:
        return keep_channels(
            batch_norm_fixed(input, running_mean.array, running_var.array, weight, bias, eps), input
        )
    if not n:
        return _channel_affine(input.clone(), weight, bias).to(input.dtype)
    kind = x.dtype
    cache: list = []
    w = _ones(channels, kind) if weight is None else weight
    b = wrap(np.zeros(channels, kind)) if bias is None else bias
    out = OPS["batch_norm_train"].call(input, w, b, eps, cache)
    if running_mean is not None:  # then there is running_var too
        _, _, centre, variance = cache
        for running, batch in ((running_mean, centre), (running_var, variance * (n / max(n - 1, 1)))):
            if running is not None:
                r = running.array
                r *= r.dtype.type(1 - momentum)
                r += (batch * momentum).astype(r.dtype, copy=False)
                running.bump()
    return out


def _sizes(name: str, normalized_shape: Any) -> tuple[int, ...]:
    if not isinstance(normalized_shape, (tuple, list)):
        raise refused(name, "normalized_shape", 2, "tuple of ints", normalized_shape)
    return tuple(several(name, "normalized_shape", 2, normalized_shape))


def _trailing(name: str, input: Tensor, normalized_shape: Sequence[int]) -> tuple[int, ...]:
    """normalized_shape as a tuple, if the input's shape ends with it."""
    shape = _sizes(name, normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            f"but got normalized_shape = {list(shape)}"
        )
    if input.array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}: use input.float()')
    return shape


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
    shape = _trailing("layer_norm", input, normalized_shape)
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.array.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(t.shape)} and normalized_shape = {list(shape)}"
            )
    _check_types("layer_norm", input, weight, bias)
    n, kind = math.prod(shape), input.array.dtype
    if not input.array.size:
        out = input.clone() if weight is None else input * weight
        return (out if bias is None else out + bias).to(input.dtype)
    w = _ones(n, kind) if weight is None else weight if len(shape) == 1 else weight.reshape(n)
    b = wrap(np.zeros(n, kind)) if bias is None else bias if len(shape) == 1 else bias.reshape(n)
    flat = input if input.ndim == 2 and len(shape) == 1 else input.reshape(-1, n)
    out = OPS["layer_norm_rows"].call(flat, w, b, eps, None)
    return out if flat is input else named(out.reshape(input.array.shape), "NativeLayerNorm")


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
    """Each of num_groups groups of channels of each sample of input (N, C, *) normalized by itself:
    Wu and He 2018."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, c = input.array.shape[:2]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if n * c // num_groups * math.prod(input.array.shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(input.shape)}"
        )
    if c % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.array.shape != (c,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got "
                f"{name} of shape {list(t.shape)} and input of shape {list(input.shape)}"
            )
    _channels(input, "group_norm", None, None, weight, bias)
    return keep_channels(_grouped(input, num_groups, weight, bias, eps), input)


def _grouped(
    input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    if input.dtype == float16:  # rounded once, and whose parameters may be float32
        w, b = (None if t is None else t.float() for t in (weight, bias))
        return _grouped(input.float(), num_groups, w, b, eps).to(float16)
    n = input.array.shape[0]
    size = input.array.size // max(n * num_groups, 1)
    if size * n * num_groups == 0:
        return _channel_affine(input.clone(), weight, bias)
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
    if use_input_stats and math.prod(input.array.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    c = _channels(input, "instance_norm", running_mean, running_var, weight, bias)
    _check_sizes(c, running_mean, running_var, weight, bias)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None and input.array.size:
        with no_grad():
            dims = tuple(range(2, input.ndim))
            for running, value in (
                (running_mean, input.detach().mean(dims).mean(0)),
                (running_var, input.detach().var(dims).mean(0)),
            ):
                if running is not None:
                    running.copy_(running * (1 - momentum) + value * momentum)
    return _grouped(input, c, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions, which must be normalized_shape.

    weight has that shape; eps is the dtype's machine epsilon if None. Source: Zhang and Sennrich 2019.
    """
    wanted = _sizes("rms_norm", normalized_shape)
    if wanted and weight is not None and weight.array.shape != wanted:
        raise RuntimeError(
            "Expected weight to be of same shape as normalized_shape, but got weight of shape "
            f"{list(weight.shape)} and normalized_shape = {list(wanted)}"
        )
    if input.ndim < len(wanted):
        raise ValueError(
            f"rms_norm(): Input tensor must have at least {len(normalized_shape)} dimensions, but got "
            f"{input.ndim}"
        )
    shape = _trailing("rms_norm", input, normalized_shape)
    dims = tuple(range(-len(shape), 0))
    kind = input.dtype
    x = input.float() if kind == float16 else input  # as in PyTorch, eps included
    epsilon = float(np.finfo(x.array.dtype).eps) if eps is None else eps
    out = x * ((x * x).mean(dims, keepdim=True) + epsilon).rsqrt()
    return keep_channels((out if weight is None else out * weight).to(kind), input)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    """x / max(|x|_p, eps), the norm along dim, an int or several; the shape stays."""
    if out is not None:
        return into(out, normalize(input, p, dim, eps), "normalize")
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)
