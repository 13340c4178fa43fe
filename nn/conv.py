"""Convolutions and their transposes, which differ only in rank; Unfold and Fold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tinygrad6.ops import create
from tinygrad6.tensor import Tensor

from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def ntuple(value: Any, n: int) -> tuple:
    """A number repeated n times, or the sequence it is."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def _check_settings(
    in_channels: int, out_channels: int, stride: tuple, padding: Any, groups: int, padding_mode: str
) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name} must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(
            f"padding_mode must be one of {{'zeros', 'reflect', 'replicate', 'circular'}}, but got "
            f"padding_mode='{padding_mode}'"
        )


class _ConvNd(Module):
    """Weight, bias and settings of a convolution."""

    rank: int = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.transposed = transposed
        if not self.rank:  # a direct subclass, which is to give tuples, as in PyTorch
            self.rank = len(kernel_size)
        n = self.rank
        _check_settings(in_channels, out_channels, ntuple(stride, n), padding, groups, padding_mode)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.groups, self.padding_mode = groups, padding_mode
        self.kernel_size, self.stride = ntuple(kernel_size, n), ntuple(stride, n)
        self.dilation = ntuple(dilation, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.output_padding = ntuple(output_padding, n)
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(
            create.empty((first, second // groups, *self.kernel_size), device=device, dtype=dtype)
        )
        self.register_parameter(
            "bias", Parameter(create.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(-1/sqrt(n), 1/sqrt(n)), n the inputs of one output."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            s += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            False,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    # The names of this and the next are PyTorch's, for subclasses that convolve with another weight.
    @property
    def _reversed_padding_repeated_twice(self) -> Any:
        """The padding of each side, last dimension first, for F.pad."""
        if not isinstance(self.padding, str):
            return tuple(p for p in reversed(self.padding) for _ in range(2))
        sides: list[int] = []
        for k, d in zip(reversed(self.kernel_size), reversed(self.dilation), strict=True):
            total = d * (k - 1) if self.padding == "same" else 0
            sides += [total // 2, total - total // 2]
        return sides

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        function: Any = getattr(F, f"conv{self.rank}d")
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            sides = self._reversed_padding_repeated_twice
            input, padding = F.pad(input, sides, mode=self.padding_mode), 0
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


_CONV = """Cross-correlation of (N, C, {dims}) with learned weights (out_channels, C / groups, {kernel}).

    The result is (N, out_channels, {result}), bias (out_channels) added, each
    L' = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1. The settings are numbers or one per
    dimension; padding also "valid" (none) or "same" (L' = L); padding_mode "zeros", "reflect", "replicate" or
    "circular". Groups of channels see nothing of each other: C and out_channels must be divisible by groups.

    >>> import tinygrad6 as torch
    >>> layer = torch.nn.Conv{rank}d(3, 8, kernel_size=3, stride=2, padding=1)
    >>> layer(torch.zeros(2, 3, *[6] * {rank})).shape == (2, 8, *[3] * {rank})
    True
    """
_CONV_TRANSPOSE = """The transpose of a convolution (its gradient in the input) applied to (N, C, {dims}).

    Learned weights (C, out_channels / groups, {kernel}). The result is (N, out_channels, {result}), bias
    (out_channels) added, each L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1: the
    size of an input that the convolution with the same settings brings to L, of which output_padding chooses
    one. Source: Zeiler et al. 2010.
    """


def _described(text: str, rank: int) -> str:
    """A docstring for convolutions of one rank."""
    letters = "L" if rank == 1 else "DHW"[-rank:]
    kernel = "k" if rank == 1 else ", ".join(f"k{n.lower()}" for n in letters)
    result = ", ".join(f"{n}'" for n in letters)
    return text.format(rank=rank, dims=", ".join(letters), kernel=kernel, result=result)


class Conv1d(_Conv):
    __doc__ = _described(_CONV, 1)
    rank = 1


class Conv2d(_Conv):
    __doc__ = _described(_CONV, 2)
    rank = 2


class Conv3d(_Conv):
    __doc__ = _described(_CONV, 3)
    rank = 3


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            True,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self,
        input: Tensor,
        output_size: Any,
        stride: Any,
        padding: Any,
        kernel_size: Any,
        num_spatial_dims: int,
        dilation: Any = None,
    ) -> Any:
        """The output padding that makes the output `output_size`; the module's own if that is None."""
        if output_size is None:
            return self.output_padding
        n, shape, size = num_spatial_dims, input.shape, tuple(output_size)
        if len(size) == len(shape):
            size = size[-n:]
        if len(size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {len(shape)}D input, output_size must have {n} or {len(shape)} "
                f"elements (got {len(size)})"
            )
        settings = zip(shape[-n:], stride, padding, dilation or (1,) * n, kernel_size)
        least = [(m - 1) * s - 2 * p + d * (k - 1) + 1 for m, s, p, d, k in settings]
        most = [m + s - 1 for m, s in zip(least, self.stride)]
        if any(not a <= m <= b for a, m, b in zip(least, size, most)):
            raise ValueError(
                f"requested an output size of {list(size)}, but valid sizes range from {least} to {most} "
                f"(for an input of {list(shape[2:])})"
            )
        return tuple(m - a for a, m in zip(least, size))

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        settings = (self.stride, self.padding, self.kernel_size, self.rank, self.dilation)
        extra = self._output_padding(input, output_size, *settings)
        function = getattr(F, f"conv_transpose{self.rank}d")
        return function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    __doc__ = _described(_CONV_TRANSPOSE, 1)
    rank = 1


class ConvTranspose2d(_ConvTransposeNd):
    __doc__ = _described(_CONV_TRANSPOSE, 2)
    rank = 2


class ConvTranspose3d(_ConvTransposeNd):
    __doc__ = _described(_CONV_TRANSPOSE, 3)
    rank = 3


class Unfold(Module):
    """Sliding windows of (N, C, H, W) as columns: (N, C kh kw, L)."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns (N, C kh kw, L) added up where the windows lie: (N, C, H, W). The transpose of Unfold."""

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
