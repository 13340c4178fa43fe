"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.arguments import refused
from tinygrad6.dtypes import default_float, from_numpy
from tinygrad6.ops.create import empty
from tinygrad6.tensor import Leaf, Tensor, wrap


class Parameter(Tensor):
    """A tensor to be learned, on the memory of `data`: it requires gradients unless told otherwise."""

    __slots__ = ()
    __torch_function__ = None  # type: ignore[assignment]  # what is computed from it is a Tensor

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = wrap(np.empty(0, default_float()))
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter(): expected a Tensor, got {type(data).__name__}")
        if type(requires_grad) is not bool:
            raise refused("Parameter", "requires_grad", 2, "bool", requires_grad)
        p = wrap(data.array, cls)
        p.cell = data.cell
        if requires_grad:
            if data.array.dtype.kind != "f":
                raise RuntimeError(
                    f"Only Tensors of floating point dtype can require gradients, got {data.dtype}; "
                    "pass requires_grad=False for a parameter of integers"
                )
            p.node = Leaf(p)
        return p

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        twin = super().__deepcopy__(memo)
        twin._grad = None
        return twin


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being learned."""

    __slots__ = ()
    __torch_function__ = None  # type: ignore[assignment]

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        b = wrap(np.empty(0, default_float()) if data is None else data.array, cls)
        b.__dict__["persistent"] = persistent
        return b if data is None else b.requires_grad_(data.requires_grad)


_memory: Any = Tensor.array  # the slot itself, below the property that guards it


class _Uninitialized:
    """What a parameter or buffer without a shape is: nothing can be computed with it."""

    __slots__ = ()
    _becomes: type = Tensor

    @property
    def array(self) -> Any:
        raise ValueError(
            "Attempted to use an uninitialized parameter. This error happens when you are using a lazy "
            "module or explicitly manipulating uninitialized parameters or buffers. If you are using lazy "
            "modules, call forward with a dummy batch to initialize the parameters before calling functions "
            "that need their values"
        )

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "load_state_dict when trying to load an uninitialized parameter into an initialized module. Call "
            "forward to initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> Any:
        return from_numpy(_memory.__get__(self).dtype)

    def convert(self, fn: Any) -> None:
        """Take the dtype that fn gives to an empty tensor of this one's."""
        _memory.__set__(self, fn(wrap(_memory.__get__(self))).array)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Take a shape, and become an ordinary parameter or tensor whose values are still to be set."""
        kind = self.dtype if dtype is None else dtype
        _memory.__set__(self, empty(tuple(shape), dtype=kind, device=device).array)
        wanted = self.requires_grad  # type: ignore[attr-defined]
        self.__class__ = self._becomes
        self.node = Leaf(self) if wanted else None  # type: ignore[misc]

    def __deepcopy__(self, memo: dict) -> Any:
        return memo.setdefault(id(self), type(self)(self.requires_grad, None, self.dtype))  # type: ignore

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.dtype)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc, override]
    """A parameter whose shape is not known yet: lazy modules materialize it at their first call."""

    __slots__ = ()
    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        p = Parameter(empty(0, dtype=dtype, device=device), requires_grad)
        p.__class__ = cls
        return p


class UninitializedBuffer(_Uninitialized, Buffer):  # type: ignore[misc, override]
    """A buffer whose shape is not known yet."""

    __slots__ = ()

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        b = Buffer(empty(0, dtype=dtype, device=device, requires_grad=requires_grad), persistent=persistent)
        b.__class__ = cls
        return b


def is_lazy(p: Any) -> bool:
    """Whether p waits for its shape."""
    return isinstance(p, _Uninitialized)
