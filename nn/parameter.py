"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.dtypes import default_float
from tinygrad6.tensor import Leaf, Tensor, wrap


class Parameter(Tensor):
    """A tensor to be learned, on the memory of `data`: it requires gradients unless told otherwise."""

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = wrap(np.empty(0, default_float()))
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter(): expected a Tensor, got {type(data).__name__}")
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
        twin.grad = None
        return twin


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being learned."""

    __slots__ = ()

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        b = wrap(np.empty(0, default_float()) if data is None else data.array, cls)
        b.__dict__["persistent"] = persistent
        return b


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet: lazy modules materialize it at their first call."""

    __slots__ = ()

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        from tinygrad6.ops.create import empty

        return super().__new__(cls, empty(0, dtype=dtype, device=device), requires_grad)

    def materialize(self, shape: Any) -> None:
        """Take a shape and become an ordinary Parameter."""
        self.array = np.empty(tuple(shape), self.array.dtype)
        self.__class__ = Parameter
        if self.node is not None:
            self.node = Leaf(self)

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call forward once first."
        )

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class UninitializedBuffer(Buffer):
    """A buffer whose shape is not known yet."""

    __slots__ = ()

    def materialize(self, shape: Any, dtype: Any = None) -> None:
        """Take a shape and become an ordinary tensor."""
        self.array = np.empty(tuple(shape), self.array.dtype if dtype is None else dtype)
        self.__class__ = Tensor

    def __repr__(self) -> str:
        return "<UninitializedBuffer>"


def is_lazy(p: Any) -> bool:
    """Whether p waits for its shape."""
    return isinstance(p, (UninitializedParameter, UninitializedBuffer))
