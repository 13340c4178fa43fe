"""Activations as modules. Each class is its function with its settings kept:
made from one table where that is all."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad6.modes import no_grad
from tinygrad6.ops import create
from tinygrad6.tensor import Tensor

from . import functional as F
from ._table import REQUIRED, module
from .module import Module
from .parameter import Parameter

INPLACE = {"inplace": False}
ReLU = module("ReLU", F.relu, INPLACE, "inplace")
Sigmoid = module("Sigmoid", F.sigmoid, {})
Tanh = module("Tanh", F.tanh, {})
LeakyReLU = module("LeakyReLU", F.leaky_relu, {"negative_slope": 0.01, **INPLACE}, "negative_slope inplace")
ELU = module("ELU", F.elu, {"alpha": 1.0, **INPLACE}, "alpha inplace")
SELU = module("SELU", F.selu, INPLACE, "inplace")
CELU = module("CELU", F.celu, {"alpha": 1.0, **INPLACE}, "alpha inplace")
GELU = module("GELU", F.gelu, {"approximate": "none"}, "approximate")
SiLU = module("SiLU", F.silu, INPLACE, "inplace")
Mish = module("Mish", F.mish, INPLACE, "inplace")
Softplus = module("Softplus", F.softplus, {"beta": 1.0, "threshold": 20.0}, "beta threshold")
Softsign = module("Softsign", F.softsign, {})
Softshrink = module("Softshrink", F.softshrink, {"lambd": 0.5}, "[lambd]")
Hardshrink = module("Hardshrink", F.hardshrink, {"lambd": 0.5}, "[lambd]")
Tanhshrink = module("Tanhshrink", F.tanhshrink, {})
Hardsigmoid = module("Hardsigmoid", F.hardsigmoid, INPLACE)
Hardswish = module("Hardswish", F.hardswish, INPLACE)
Threshold = module(
    "Threshold", F.threshold, {"threshold": REQUIRED, "value": REQUIRED, **INPLACE}, "threshold value inplace"
)
LogSigmoid = module("LogSigmoid", F.logsigmoid, {})
GLU = module("GLU", F.glu, {"dim": -1}, "dim")
Softmin = module("Softmin", F.softmin, {"dim": None}, "dim")
Softmax = module("Softmax", F.softmax, {"dim": None}, "dim")
LogSoftmax = module("LogSoftmax", F.log_softmax, {"dim": None}, "dim")


class Hardtanh(Module):
    """x limited to [min_val, max_val], elementwise; gradient 0 at both."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new in ((min_value, "min_val"), (max_value, "max_val")):
            if old is not None:
                warnings.warn(
                    f"keyword argument `{new}ue` is deprecated and rename to `{new}`",
                    FutureWarning,
                    stacklevel=3,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError("max_val must be larger than min_val")

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """min(max(x, 0), 6), elementwise."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Softmax2d(Module):
    """softmax over the channels of (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class PReLU(Module):
    """x where x > 0, else w x with learned weights: one, or one for each channel (He et al. 2015)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(create.empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to `init`."""
        with no_grad():
            self.weight.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where x > 0, else a x with a drawn from U(lower, upper) in training,
    their mean in evaluation (Xu et al. 2015)."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
