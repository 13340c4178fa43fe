"""Initial values: each function fills a tensor in place, without recording, and returns it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad6.accidents import public
from tinygrad6.arguments import checked, real
from tinygrad6.modes import no_grad
from tinygrad6.ops.create import empty_like
from tinygrad6.random import Generator, default_generator
from tinygrad6.tensor import Tensor


@public
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity's initial standard deviation is scaled:
    sqrt(2) for relu, 5/3 for tanh, ..."""
    linear = (
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "sigmoid",
    )
    if nonlinearity in linear:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


@public
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with U(a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@public
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with N(mean, std^2)."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@public
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with N(mean, std^2) limited to [a, b]: what falls outside is drawn again.

    Where [a, b] holds less than 0.3 of the distribution, uniform numbers in it are accepted in proportion to
    its density.
    """

    def cdf(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=3,
        )
    x = tensor.array
    with no_grad():
        if cdf((b - mean) / std) - cdf((a - mean) / std) > 0.3:
            low, high = x.dtype.type(a), x.dtype.type(b)
            tensor.normal_(mean, std, generator=generator)
            while (outside := (x < low) | (x > high)).any():
                again = empty_like(tensor).normal_(mean, std, generator=generator)
                np.copyto(x, again.array, where=outside)
        else:
            peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
            tensor.uniform_(a, b, generator=generator)
            drawn, pending = tensor.clone(), np.ones(x.shape, bool)
            while True:
                density = ((drawn - mean) / std).pow(2) * -0.5 - peak
                with np.errstate(divide="ignore"):
                    height = empty_like(tensor).uniform_(generator=generator).log_()
                pending &= height.array > density.array
                if not pending.any():
                    break
                drawn.uniform_(a, b, generator=generator)
                np.copyto(x, drawn.array, where=pending)
        tensor.bump()
        return tensor


@public
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    with no_grad():
        return tensor.fill_(val)


@public
def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


@public
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


@public
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on its diagonal, zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.array[...] = np.eye(*tensor.array.shape)
        tensor.bump()
        return tensor


@public
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill convolution weights of 3 to 5 dimensions so that as many channels as possible pass unchanged."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    shape = tensor.array.shape
    if not isinstance(groups, int) or groups < 1:
        raise (TypeError if not isinstance(groups, int) else ValueError)(
            f"dirac_(): groups must be a positive int, got {groups!r}"
        )
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    each = shape[0] // groups
    with no_grad():
        tensor.array[...] = 0
        centre = tuple(n // 2 for n in shape[2:])
        for g in range(groups):
            for d in range(min(each, shape[1])):
                tensor.array[(g * each + d, d, *centre)] = 1
        tensor.bump()
        return tensor


@public
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010, equation 16."""
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor)))))
    return uniform_(tensor, -bound, bound, generator)


@public
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)): Glorot and Bengio 2010."""
    return normal_(
        tensor, 0.0, gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor)))), generator
    )


@public
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with U(-b, b), b = gain sqrt(3 / fan): He et al. 2015. `a`: the negative slope of leaky_relu."""
    if not tensor.array.size:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return tensor
    bound = math.sqrt(3.0) * (
        calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    )
    return uniform_(tensor, -bound, bound, generator)


@public
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with N(0, s^2), s = gain / sqrt(fan): He et al. 2015.

    With nonlinearity="relu" the book's N(0, 2/n).
    """
    if not tensor.array.size:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return tensor
    return normal_(
        tensor,
        0.0,
        calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode)),
        generator,
    )


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with N(0, 1/fan_in): LeCun et al. 1998; what the book's chapter 6 calls Xavier's initial values.

    Not in PyTorch. Its xavier_normal_ averages fan_in and fan_out; the book's "He" is
    kaiming_normal_(nonlinearity="relu").
    """
    return normal_(tensor, 0.0, 1 / math.sqrt(_calculate_fan_in_and_fan_out(tensor)[0]), generator)


@public
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix, from the QR decomposition of a normal one: Saxe et al. 2013."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.array.size:
        return tensor
    if tensor.array.dtype.kind != "f" or tensor.array.dtype.itemsize < 4:
        raise NotImplementedError(f"orthogonal_(): needs float32 or float64, got {tensor.dtype}")
    gain = real("orthogonal_", "gain", 2, gain)
    rows = tensor.array.shape[0]
    columns = tensor.array.size // rows
    g = default_generator if generator is None else generator
    flat = g.normal((rows, columns), tensor.array.dtype)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    d = np.diag(r)
    q = q * np.sign(d)
    with no_grad():
        tensor.array[...] = ((q.T if rows < columns else q) * gain).reshape(tensor.array.shape)
        tensor.bump()
        return tensor


@public
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with N(0, std^2) and set the share `sparsity` of each column to zero: Martens 2010."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.array.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for j in range(columns):
            tensor.array[default_generator.permutation(rows)[:zeros], j] = 0
        tensor.bump()
        return tensor


def _old(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def old(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{function.__name__}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    old.__name__, old.__doc__ = name, f"The old name of {function.__name__}."
    return old


uniform, normal, constant, eye, dirac = (
    _old(f, f.__name__[:-1]) for f in (uniform_, normal_, constant_, eye_, dirac_)
)
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, orthogonal, sparse = (
    _old(f, f.__name__[:-1])
    for f in (xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_, orthogonal_, sparse_)
)


for _name, _function in list(globals().items()):
    if isinstance(_function, FunctionType) and _function.__module__ == __name__ and _name[0] != "_":
        if _name != "calculate_gain" and _function.__name__ == _name and _name[-1] == "_":
            globals()[_name] = checked(_function)
