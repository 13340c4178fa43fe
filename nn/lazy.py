"""Lazy modules: the sizes of the input come with the first input.

Then they are the plain modules they stand for. The one clever thing: at its first call a lazy module gives
its parameters their shapes, draws their values, and changes its own class to `cls_to_become`. From then on
nothing in it is lazy, and calls cost what they always cost.
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

from tinygrad6.accidents import told
from tinygrad6.tensor import Tensor

from ._table import tell
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .parameter import UninitializedBuffer, UninitializedParameter, is_lazy


class LazyModuleMixin:
    """To be put before a Module class whose parameters are to wait for the first input.

    Make them UninitializedParameter in __init__ and define initialize_parameters(*args), which is called with
    the first input and must materialize them all; `cls_to_become`, if given, is the class of the module from
    then on. Before that call its parameters have no values: cast the network first, make the optimizer after.
    """

    cls_to_become: type[Module] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            self._infer_parameters(self, args, kwargs)
        except Exception as e:
            if (better := told(e, type(self).__name__, args, kwargs)) is not None:
                raise better from e
            raise
        return Module.__call__(self, *args, **kwargs)  # type: ignore[arg-type]

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        if not module.__dict__.get("_initialized"):
            module.initialize_parameters(*args, **(kwargs or {}))
            if module.has_uninitialized_params():
                raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
            if module.cls_to_become is not None:
                module.__class__ = module.cls_to_become
            else:
                module.__dict__["_initialized"] = True

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give all parameters their shapes and values, by the first input."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module still has no shape."""
        own, names = self.__dict__, self._names  # type: ignore[attr-defined]
        return any(is_lazy(own[n]) for n in itertools.chain(names["parameters"], names["buffers"]))


class _Lazy(LazyModuleMixin):
    """A plain class made with 0 in the place of its first argument,
    its parameters then left without shapes."""

    _waits_for = ""  # that argument

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(0, *args, **kwargs)  # type: ignore[call-arg]
        own, names = self.__dict__, self._names  # type: ignore[attr-defined]
        for kind, cls in (("parameters", UninitializedParameter), ("buffers", UninitializedBuffer)):
            for name in names[kind]:
                if own[name] is not None and own[name].is_floating_point():
                    own[name] = cls(dtype=own[name].dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have shapes."""
        if self.__dict__[self._waits_for] and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def _materialize(self, size: int, **shapes: tuple) -> None:
        """Set what was waited for, and give the named parameters and buffers their shapes and first
        values."""
        self.__dict__[self._waits_for] = size
        if self.has_uninitialized_params():
            for name, shape in shapes.items():
                if is_lazy(t := self.__dict__[name]):
                    t.materialize(shape)
            self.reset_parameters()


class LazyLinear(_Lazy, Linear):
    """Linear whose in_features is the size of the first input's last dimension.

    >>> import tinygrad6 as torch
    >>> from tinygrad6 import nn
    >>> fc = nn.LazyLinear(3)
    >>> fc(torch.zeros(2, 5)).shape, fc
    (torch.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear
    _waits_for = "in_features"

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(out_features, bias, device, dtype)

    def initialize_parameters(self, input: Tensor) -> None:
        """in_features, weight and bias by the first input (*, in_features)."""
        n = input.shape[-1]
        self._materialize(n, weight=(self.out_features, n), bias=(self.out_features,))


class _LazyConv(_Lazy):
    _waits_for = "in_channels"

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """in_channels, weight and bias by the first input (N, C, *) or (C, *)."""
        module: Any = self
        n = module.rank
        if input.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but "
                f"got input of size: {input.shape}"
            )
        first, second = module.out_channels, input.shape[-1 - n]
        if second % module.groups:
            raise ValueError("in_channels must be divisible by groups")
        if module.transposed:
            first, second = second, first
        weight = (first, second // module.groups, *module.kernel_size)
        self._materialize(input.shape[-1 - n], weight=weight, bias=(module.out_channels,))


class _LazyNorm(_Lazy):
    _waits_for = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def initialize_parameters(self, input: Tensor) -> None:
        """num_features and all parameters and buffers by the first input (N, C, *)."""
        n = input.shape[1]
        self._materialize(n, **dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (n,)))


def _lazy(mixin: type, plain: type[Module]) -> Any:
    """The lazy form of a class."""
    doc = (
        f"{plain.__name__} that takes its number of channels from the first input, and is a "
        f"{plain.__name__} then."
    )
    members = {"cls_to_become": plain, "__doc__": doc, "__module__": __name__}
    made = type(f"Lazy{plain.__name__}", (mixin, plain), members)
    if mixin is _LazyConv:  # the other one has a constructor of its own
        tell(made, "__init__", list(inspect.signature(plain).parameters.values())[1:])
    return made


LazyConv1d, LazyConv2d, LazyConv3d = (_lazy(_LazyConv, c) for c in (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (
    _lazy(_LazyConv, c) for c in (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
)
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (
    _lazy(_LazyNorm, c) for c in (BatchNorm1d, BatchNorm2d, BatchNorm3d)
)
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (
    _lazy(_LazyNorm, c) for c in (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d)
)
