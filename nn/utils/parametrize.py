"""Parameters that are functions of other parameters, computed whenever they are read.

`register_parametrization(module, "weight", f)` moves the parameter to
`module.parametrizations.weight.original`, gives the module a class of its own, and puts a property in the
parameter's place that returns f(original).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from tinygrad6.modes import no_grad
from tinygrad6.tensor import Tensor

from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_cache: dict[tuple[int, str], Tensor] | None = None


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside the block."""
    global _cache
    before, _cache = _cache, {} if _cache is None else _cache
    try:
        yield
    finally:
        _cache = before


class ParametrizationList(ModuleList):
    """Parametrizations applied one after another to `original`, or to `original0`, `original1`, ..."""

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        new = original
        with no_grad():
            for m in reversed(modules):
                if hasattr(m, "right_inverse"):
                    new = m.right_inverse(new)
        self.is_tensor, self.ntensors = isinstance(new, Tensor), 1 if isinstance(new, Tensor) else len(new)
        if not self.is_tensor and (not isinstance(new, (tuple, list)) or len(modules) > 1):
            raise ValueError(
                "right_inverse must return a tensor, or a sequence of tensors for one parametrization, got "
                f"{type(new)}"
            )
        for name, t in zip(self._originals(), [new] if self.is_tensor else new, strict=True):
            if isinstance(original, Parameter):
                p = original if t is original else Parameter(t.detach(), original.requires_grad)
                self.register_parameter(name, p)
            else:
                self.register_buffer(name, t)
        if not unsafe:
            self._check(original, self())

    def _originals(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def _check(self, before: Tensor, after: Any) -> None:
        if not isinstance(after, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
        if after.shape != before.shape or after.dtype != before.dtype:
            raise ValueError(
                "Registering a parametrization may not change the shape or the dtype of the tensor, unless "
                f"the `unsafe` flag is enabled. Got {before.dtype} {list(before.shape)} before and "
                f"{after.dtype} {list(after.shape)} after."
            )

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`."""
        with no_grad():
            for m in reversed(list(self)):
                if not hasattr(m, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(m).__name__} does not implement right_inverse: its tensor "
                        "cannot be set"
                    )
                value = m.right_inverse(value)
            for name, t in zip(self._originals(), [value] if self.is_tensor else value, strict=True):
                self.__dict__[name].data = t.detach().clone()

    def forward(self) -> Tensor:
        own = self.__dict__
        x: Any = [own[name] for name in self._originals()]
        for i, m in enumerate(self):
            x = m(*x) if i == 0 else m(x)
        return x


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        if _cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set_(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set_)


def _own_class(module: Module) -> None:
    """Give the module a class of its own, to which properties can be added."""

    def copied(self: Any, memo: dict) -> Any:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def refused(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): save that instead."
        )

    plain = type(module)
    members = {"__deepcopy__": copied, "__getstate__": refused, "__module__": plain.__module__}
    object.__setattr__(module, "__class__", type(f"Parametrized{plain.__name__}", (plain,), members))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let the parameter or buffer `tensor_name` be `parametrization` of what it was; returns the module.

    If the parametrization has a method `right_inverse`, the original is right_inverse of the parameter.
    ValueError if there is no such tensor, or if its shape or dtype changes although not `unsafe`.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        made = module.parametrizations[tensor_name]
        if not made.is_tensor:
            raise ValueError("a second parametrization of several tensors is not supported")
        with no_grad():
            before = made()
            if not unsafe:
                made._check(before, parametrization(before))
        made.append(parametrization)
    elif tensor_name in module._names["parameters"] or tensor_name in module._names["buffers"]:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or one tensor of it, is parametrized."""
    made = module.__dict__.get("parametrizations")
    if not isinstance(made, ModuleDict) or not len(made):
        return False
    return tensor_name is None or tensor_name in made


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize to_module as from_module is, or one tensor of it, sharing the originals; returns to_module.

    KeyError if that tensor is not parametrized; nothing happens if no tensor is.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source: Any = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for rule in source:
            register_parametrization(to_module, name, rule)
        made: Any = to_module.parametrizations[name]
        for n in source._originals():
            setattr(made, n, source.__dict__[n])
    return to_module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Put a plain tensor back: with the parametrized values,
    or with the original ones if not leave_parametrized."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    made: Any = module.parametrizations[tensor_name]
    originals = [made.__dict__[n] for n in made._originals()]
    if not leave_parametrized and not made.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized a tensor that is parametrized in terms of a sequence of tensors."
        )
    original = originals[0]
    if leave_parametrized:
        with no_grad():
            value = made().detach()
        kind = Parameter if isinstance(original, Parameter) else None
        original = Parameter(value, original.requires_grad) if kind else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        object.__setattr__(module, "__class__", type(module).__bases__[0])
    return module
