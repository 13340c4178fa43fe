"""Activations as modules. Each class is its function with its settings kept: made from one table where that is all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad6.ops import create
from tinygrad6.tensor import Tensor

from . import functional as F
from .module import Module
from .parameter import Parameter


def _module(
    name: str, function: Callable[..., Any], settings: dict[str, Any], shown: str | None = None
) -> type[Module]:
    """A Module class whose constructor takes `settings` and whose forward is function(input, **settings).

    shown: names of the settings in repr, those in brackets without "name="; in PyTorch's manner, inplace only if true.
    """
    names = list(settings)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        Module.__init__(self)
        if len(args) > len(names):
            raise TypeError(f"{name}.__init__() takes at most {len(names)} arguments ({len(args)} given)")
        given = dict(zip(names, args))
        for k, v in kwargs.items():
            if k not in settings or k in given:
                raise TypeError(f"{name}.__init__() got an unexpected keyword argument '{k}'")
            given[k] = v
        for k, default in settings.items():
            self.__dict__[k] = given.get(k, default)

    def forward(self: Any, input: Tensor) -> Tensor:
        own = self.__dict__
        return function(input, **{k: own[k] for k in names}) if names else function(input)

    def extra_repr(self: Any) -> str:
        parts = []
        for n in (shown or "").split():
            bare = n.startswith("[")
            key = n.strip("[]")
            value = self.__dict__[key]
            if key == "inplace":
                if value:
                    parts.append("inplace=True")
            else:
                parts.append(
                    f"{value}" if bare else f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}"
                )
        return ", ".join(parts)

    doc = f"{(function.__doc__ or '').strip()}\n\n    Settings: {', '.join(f'{k}={v!r}' for k, v in settings.items()) or 'none'}."
    return type(
        name,
        (Module,),
        {
            "__init__": __init__,
            "forward": forward,
            "extra_repr": extra_repr,
            "__doc__": doc,
            "__module__": __name__,
        },
    )


INPLACE = {"inplace": False}
ReLU = _module("ReLU", F.relu, INPLACE, "inplace")
Sigmoid = _module("Sigmoid", F.sigmoid, {})
Tanh = _module("Tanh", F.tanh, {})
LeakyReLU = _module("LeakyReLU", F.leaky_relu, {"negative_slope": 0.01, **INPLACE}, "negative_slope inplace")
ELU = _module("ELU", F.elu, {"alpha": 1.0, **INPLACE}, "alpha inplace")
SELU = _module("SELU", F.selu, INPLACE, "inplace")
CELU = _module("CELU", F.celu, {"alpha": 1.0, **INPLACE}, "alpha inplace")
GELU = _module("GELU", F.gelu, {"approximate": "none"}, "approximate")
SiLU = _module("SiLU", F.silu, INPLACE, "inplace")
Mish = _module("Mish", F.mish, INPLACE, "inplace")
Softplus = _module("Softplus", F.softplus, {"beta": 1.0, "threshold": 20.0}, "beta threshold")
Softsign = _module("Softsign", F.softsign, {})
Softshrink = _module("Softshrink", F.softshrink, {"lambd": 0.5}, "[lambd]")
Hardshrink = _module("Hardshrink", F.hardshrink, {"lambd": 0.5}, "[lambd]")
Tanhshrink = _module("Tanhshrink", F.tanhshrink, {})
Hardsigmoid = _module("Hardsigmoid", F.hardsigmoid, INPLACE)
Hardswish = _module("Hardswish", F.hardswish, INPLACE)
Threshold = _module(
    "Threshold", F.threshold, {"threshold": None, "value": None, **INPLACE}, "threshold value inplace"
)
LogSigmoid = _module("LogSigmoid", F.logsigmoid, {})
GLU = _module("GLU", F.glu, {"dim": -1}, "dim")
Softmin = _module("Softmin", F.softmin, {"dim": None}, "dim")
Softmax = _module("Softmax", F.softmax, {"dim": None}, "dim")
LogSoftmax = _module("LogSoftmax", F.log_softmax, {"dim": None}, "dim")
_Hardtanh = _module(
    "_Hardtanh", F.hardtanh, {"min_val": -1.0, "max_val": 1.0, **INPLACE}, "min_val max_val inplace"
)


class Hardtanh(_Hardtanh):  # type: ignore[misc, valid-type]
    """x limited to [min_val, max_val], elementwise; gradient 0 at both."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_val <= self.min_val:
            raise AssertionError("max_val must be larger than min_val")


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
        self.weight = Parameter(create.full((num_parameters,), init, dtype=dtype, device=device))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where x > 0, else a x with a drawn from U(lower, upper) in training, their mean in evaluation (Xu et al. 2015)."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
