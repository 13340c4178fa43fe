"""PyTorch's old types of tensors, one for each dtype: constructors, and types that isinstance asks about."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.ops.create import _finish, _shape, as_array
from tinygrad6.tensor import Size, Tensor


class tensortype(type):
    """A type such as FloatTensor, of which every float32 tensor is an instance though its class is Tensor."""

    dtype_made: dtypes.dtype

    def __new__(cls, name: str, dtype: dtypes.dtype, module: str) -> tensortype:
        doc = f"PyTorch's old constructor of {dtype} tensors: from values, or of a size."
        return super().__new__(cls, name, (), {"__doc__": doc, "__module__": module})

    def __init__(cls, name: str, dtype: dtypes.dtype, module: str) -> None:
        cls.dtype = cls.dtype_made = dtype
        cls.is_cuda = module != "tinygrad6"

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        if cls.is_cuda:
            raise TypeError(
                f"type torch.cuda.{cls.__name__} not available: tinygrad6 computes on the CPU only"
            )
        values = data[0] if len(data) == 1 else None
        if isinstance(values, Size):
            return _finish(np.zeros(values, cls.dtype.np), False, device)
        if isinstance(values, Tensor):
            if values.dtype is not cls.dtype:
                raise TypeError(
                    f"{cls.__name__}(): expected a tensor of {cls.dtype}, got one of {values.dtype}"
                )
            return values.detach()
        if isinstance(values, float):
            raise TypeError(f"{cls.__name__}(): expected sizes or a sequence of values, got {values}")
        if values is not None and not isinstance(values, (int, np.integer)):
            return _finish(as_array(values, cls.dtype.np, copy=True), False, device)
        return _finish(np.zeros(_shape(data or (0,), cls.__name__), cls.dtype.np), False, device)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype and not cls.is_cuda


DTYPES = {
    "FloatTensor": dtypes.float32,
    "DoubleTensor": dtypes.float64,
    "HalfTensor": dtypes.float16,
    "LongTensor": dtypes.int64,
    "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16,
    "CharTensor": dtypes.int8,
    "ByteTensor": dtypes.uint8,
    "BoolTensor": dtypes.bool_,
}
(
    FloatTensor,
    DoubleTensor,
    HalfTensor,
    LongTensor,
    IntTensor,
    ShortTensor,
    CharTensor,
    ByteTensor,
    BoolTensor,
) = (tensortype(name, dtype, "tinygrad6") for name, dtype in DTYPES.items())
