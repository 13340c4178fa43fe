"""Gradient clipping, and parameters as one vector."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad6 import settings
from tinygrad6.paths import attribute as _attribute
from tinygrad6.accidents import public
from tinygrad6.arguments import refused
from tinygrad6.modes import no_grad
from tinygrad6.random import fork_rng
from tinygrad6.tensor import Tensor, wrap

from ..module import Module
from . import fusion, parametrizations, parametrize, rnn
from .fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from .parametrizations import old_spectral_norm as spectral_norm
from .parametrizations import old_weight_norm as weight_norm
from .parametrizations import remove_spectral_norm, remove_weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "fusion",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [
        p.grad for p in ([parameters] if isinstance(parameters, Tensor) else parameters) if p.grad is not None
    ]


@public
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The p-norm of all elements of all tensors together, as a 0-d tensor."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"get_total_norm(): tensors must be Tensors, got {type(t).__name__}")
    arrays = [t.array for t in tensors]
    if not arrays:
        return wrap(np.zeros((), np.float32))
    p = float(norm_type)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        norms = np.array([_norm(a, p) for a in arrays])
        norm = np.asarray(_norm(norms.astype(np.result_type(*arrays)), p)).astype(np.result_type(*arrays))
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, "
            "set `error_if_nonfinite=False`"
        )
    return wrap(norm)


def _norm(a: np.ndarray, p: float) -> Any:
    """(sum |a|^p)^(1/p) of all elements; the largest or smallest for p = inf or -inf;
    the number that is not 0 for 0."""
    flat = a.reshape(-1)
    if p == 2:
        return np.sqrt(flat @ flat)
    size = np.abs(flat)
    if p == np.inf:
        return size.max(initial=0)
    if p == -np.inf:
        return size.min()
    if p == 0:
        return np.count_nonzero(size)
    return np.sum(size**p) ** (1 / p)


@public
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6))."""
    if not isinstance(total_norm, Tensor):
        raise refused("clip_grads_with_norm_", "total_norm", 3, "Tensor", total_norm)
    if total_norm.ndim:
        raise RuntimeError(
            f"clip_grads_with_norm_(): total_norm must be a 0-d tensor, got shape {list(total_norm.shape)}"
        )
    factor = (float(max_norm) / (total_norm.detach() + 1e-6)).clamp(max=1.0)  # nan stays nan
    with no_grad():
        for g in _grads(parameters):
            g.mul_(factor)


@public
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together so that their norm is at most max_norm; returns the norm they had."""
    if not isinstance(parameters, Tensor):
        generated, parameters = inspect.isgenerator(parameters), list(parameters)
        if generated and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
            )
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """The old name of clip_grad_norm_."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


@public
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for g in _grads(parameters):
            g.clamp_(-limit, limit)


@public
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened, as one vector; gradients flow back."""
    from tinygrad6.ops.join import cat

    return cat([p.reshape(-1) for p in parameters])


@public
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of a vector into the parameters, in order."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    parameters, start = list(parameters), 0
    size = sum(p.array.size for p in parameters)
    if vec.ndim != 1 or vec.array.size < size:
        raise RuntimeError(
            f"vector_to_parameters(): expected a vector of {size} elements, got {list(vec.shape)}"
        )
    for p in parameters:
        part: Any = vec.array[start : start + p.array.size].reshape(p.array.shape)
        p.data = wrap(part)
        start += p.array.size


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module itself: how weights lie in memory is a request only, and not followed here."""
    if not isinstance(memory_format, settings.memory_format):
        raise refused(
            "convert_conv2d_weight_memory_format", "memory_format", 2, "memory_format", memory_format
        )
    return module


convert_conv3d_weight_memory_format = convert_conv2d_weight_memory_format


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module whose initial values do not matter: making it draws no random numbers."""
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with fork_rng():
        return module_cls(*args, **kwargs)


def __getattr__(name: str) -> Any:
    return _attribute(__name__, name)
