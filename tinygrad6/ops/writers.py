"""What in-place writers are made of: copy_, fill_, zero_, and assignment to arrays with PyTorch's errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import scalar
from tinygrad6.inplace import refuse, write
from tinygrad6.modes import state
from tinygrad6.op import case, op
from tinygrad6.tensor import TENSORS, Tensor, wrap
from tinygrad6.view import live_node


def number(value: Any, like: Tensor) -> Tensor:
    """A value to be written as a Tensor of like's type;
    floats are truncated for integer tensors, as PyTorch does."""
    a = np.asarray(value)
    dtypes.from_numpy(a.dtype)
    return wrap(dtypes.stored(value, like.array.dtype))


def put(x: np.ndarray, index: Any, value: np.ndarray) -> None:
    """x[index] = value on arrays, with PyTorch's errors."""
    try:
        if x.dtype.kind != "f" and value.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                value = value.astype(x.dtype)
        x[index] = value
    except IndexError as e:
        raise in_torch_words(e, index) from None
    except (ValueError, TypeError):  # NumPy's TypeError: a value of several dimensions for a mask
        have = list(x[index].shape)
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing "
            f"result of shape {have}"
        ) from None


def in_torch_words(e: IndexError, index: tuple) -> IndexError:
    """NumPy's complaint about an index as PyTorch puts it."""
    said = str(e.__cause__ or e)
    if "broadcast" in said:
        arrays = [
            a for i in index if type(i) is np.ndarray for a in (i.nonzero() if i.dtype.kind == "b" else [i])
        ]
        return IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(a.shape)) for a in arrays)
        )
    return IndexError(said.replace("for axis", "for dimension"))


@op(lambda g: zero(g), method=False, public=False, domain=(-2.0, 2.0))
def zero(x):
    """Zeros like x."""
    return np.zeros(x.shape, x.dtype)


@op(lambda g: zero(g), lambda g: g, method=False, public=False, examples=[case((2, 3), ())])
def fill(x, y):
    """An array like x that holds the number y everywhere."""
    return np.full(x.shape, y if isinstance(y, np.ndarray) else dtypes.stored(y, x.dtype), x.dtype)


@op(
    lambda g: zero(g),
    lambda g: g,
    method=False,
    public=False,
    examples=[case((2, 3), (2, 3)), case((2, 3), (3,))],
)
def copy(x, y):
    """y broadcast to the shape of x and cast to its type."""
    out = np.empty(x.shape, x.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        out[...] = y
    return out


def _writer(call: Any, doc: str) -> Any:
    name, wanted = call.__name__, len(call.op.arrays) - 1

    def method(self: Tensor, *args: Any) -> Tensor:
        if len(args) != wanted:
            raise TypeError(f"{name}_() takes {wanted} arguments ({len(args)} given)")
        recording = state.grad and (
            live_node(self) is not None or any(type(a) in TENSORS and live_node(a) is not None for a in args)
        )
        refuse(self, name, recording)
        if recording:
            return write(self, call(self, *args), name)
        value: Any = args[0].array if args and type(args[0]) in TENSORS else args[0] if args else 0
        if type(value) in (int, float):
            if not 0 <= value <= 100:  # which every type holds, and which it nearly always is
                value = dtypes.stored(value, self.array.dtype)
            self.array.fill(value)
        else:
            put(self.array, ..., np.asarray(value))
        self.bump()
        return self

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = doc
    return method


_copy = _writer(copy, "")
_fill = _writer(fill, "")


def copy_(self: Tensor, src: Any = None, non_blocking: bool = False, *, other: Any = None) -> Tensor:
    """Write src (or `other`, its other name), broadcast and cast, into this tensor; gradients go to src."""
    src = other if src is None else src
    if isinstance(src, (bool, int, float)):
        src = wrap(np.asarray(src))
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    have, want = src.array.shape, self.array.shape
    if have != want:
        try:
            fits = np.broadcast_shapes(have, want) == want
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"copy_(): the source of shape {list(have)} cannot be broadcast to shape {list(want)}"
            )
    return _copy(self, src)


def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one number, or the element of a 0-d tensor, everywhere into this tensor."""
    if isinstance(value, Tensor) and value.array.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim} dimensions."
        )
    return _fill(input, value if isinstance(value, Tensor) else scalar("fill_", "value", 1, value))


Tensor.copy_, Tensor.fill_ = copy_, fill_  # type: ignore[attr-defined]
Tensor.zero_ = _writer(zero, "Write zeros into this tensor.")  # type: ignore[attr-defined]
