"""A layer and the batch norm after it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import Any

from tinygrad6.ops import create
from tinygrad6.tensor import Tensor

from ..module import Module
from ..parameter import Parameter


def _fused(
    w: Tensor, b: Tensor | None, mean: Tensor, var: Tensor, eps: float, scale: Any, shift: Any, dim: int
) -> tuple[Parameter, Parameter]:
    """W and b of the layer that does what both did; `dim` counts the outputs of W."""
    zero = create.zeros_like(mean)
    b, scale, shift = (
        zero if b is None else b,
        zero + 1 if scale is None else scale,
        zero if shift is None else shift,
    )
    factor = (var + eps).rsqrt() * scale
    shape = [1] * w.ndim
    shape[dim] = -1
    made = (w * factor.reshape(shape)).to(w.dtype), ((b - mean) * factor + shift).to(b.dtype)
    return Parameter(made[0].detach(), w.requires_grad), Parameter(made[1].detach(), b.requires_grad)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution (transposed or not) followed by a batch norm with these statistics."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, int(transpose))


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer followed by a batch norm with these statistics."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _fuse(layer: Module, bn: Any, dim: int) -> Module:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused: Any = copy.deepcopy(layer)
    fused.weight, fused.bias = _fused(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, dim
    )
    return fused


def fuse_conv_bn_eval(conv: Module, bn: Any, transpose: bool = False) -> Module:
    """A convolution that does what `conv` and then `bn` do, both in evaluation mode."""
    return _fuse(conv, bn, int(transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Module:
    """A linear layer that does what `linear` and then `bn` do, both in evaluation mode."""
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fuse(linear, bn, 0)
