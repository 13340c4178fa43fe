"""What tensors say about themselves, and what PyTorch's tensors do beyond computing:
copies, storage, devices, complex parts.

All types are real and everything lives on the CPU, so most of this is one line; what cannot be is refused
with a reason.
"""

from __future__ import annotations

import math
import mmap
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite
from tinygrad6.devices import to_device
from tinygrad6.dispatch import MISSING
from tinygrad6.inplace import refuse
from tinygrad6.op import NAMES, case
from tinygrad6.ops import masks, parts, shape
from tinygrad6.ops.pointwise import nothing
from tinygrad6.ops.reduce import sum as total
from tinygrad6.tensor import Tensor, flatten_sequence, wrap
from tinygrad6.view import live_node

# ---- questions


def _of_tensor(name: str, input: Any) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input


def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """False: there are no storages here."""
    return False


def numel(input: Tensor) -> int:
    """How many elements x has."""
    return _of_tensor("numel", input).array.size


def is_floating_point(input: Tensor) -> bool:
    """Whether x's type is a float."""
    return _of_tensor("is_floating_point", input).array.dtype.kind == "f"


def is_complex(input: Tensor) -> bool:
    """False: all types are real."""
    _of_tensor("is_complex", input)
    return False


def is_signed(input: Tensor) -> bool:
    """Whether x's type has negative numbers."""
    return _of_tensor("is_signed", input).array.dtype.kind in "fi"


def get_device(input: Tensor) -> int:
    """-1, for the CPU."""
    _of_tensor("get_device", input)
    return -1


def typename(obj: Any) -> str:
    """The name of an object's type: 'torch.FloatTensor' for a tensor, 'module.Class' for others."""
    if isinstance(obj, Tensor):
        return obj.type()
    module = getattr(obj, "__module__", "") or ""
    if module in ("builtins", "__builtin__"):
        module = ""
    if hasattr(obj, "__qualname__"):
        name = obj.__qualname__
    elif hasattr(obj, "__name__"):
        name = obj.__name__
    else:
        module, name = type(obj).__module__ or "", type(obj).__qualname__
        module = "" if module == "builtins" else module
    return f"{module}.{name}" if module else name


def promote_types(type1: Any, type2: Any) -> dtypes.dtype:
    """The type that tensors of the two types become together."""
    for i, t in enumerate((type1, type2), 1):
        if not isinstance(t, dtypes.dtype):
            raise TypeError(
                f"promote_types(): argument 'type{i}' must be torch.dtype, not {type(t).__name__}"
            )
    return dtypes.from_numpy(dtypes.promote_types(type1.np, type2.np))


def result_type(tensor1: Any = MISSING, tensor2: Any = MISSING, **named: Any) -> dtypes.dtype:
    """The type of the result of arithmetic with the two, tensors or numbers.

    named: PyTorch's names of the two, tensor and other, scalar and tensor, or scalar1 and scalar2.
    """
    if named:
        two = [named.pop(n) for n in ("scalar1", "scalar", "tensor", "scalar2", "other") if n in named]
        tensor1, tensor2 = [*(t for t in (tensor1, tensor2) if t is not MISSING), *two, MISSING, MISSING][:2]
    if named or tensor2 is MISSING:
        raise TypeError("result_type(): expected two tensors or numbers")
    both = [t.array if isinstance(t, Tensor) else t for t in (tensor1, tensor2)]
    both = [t.item() if isinstance(t, np.generic) else t for t in both]
    for t in both:
        if not isinstance(t, (np.ndarray, bool, int, float)):
            raise TypeError(f"result_type(): expected tensors or numbers, got {type(t).__name__}")
    return dtypes.from_numpy(dtypes.result_type(*both))


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a result of type from_ may be stored in place as `to`:
    never down from float to integer to bool."""
    for t in (from_, to):
        if not isinstance(t, dtypes.dtype):
            raise TypeError(f"can_cast(): expected torch.dtype, got {type(t).__name__}")
    return dtypes.can_cast(from_.np, to.np)


for _function in (
    is_tensor,
    is_storage,
    numel,
    is_floating_point,
    is_complex,
    is_signed,
    get_device,
    typename,
    promote_types,
    result_type,
    can_cast,
):
    NAMES[_function.__name__] = _function


@composite()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.array.shape == _of_tensor("is_same_size", other).array.shape


def _fact(name: str, value: Any, doc: str, function: bool = True) -> None:
    """A method, and a function, that always answers the same."""

    def answer(input: Tensor, device: Any = None) -> Any:
        _of_tensor(name, input)
        return value

    answer.__name__ = answer.__qualname__ = name
    answer.__doc__ = doc
    setattr(Tensor, name, answer)
    if function:
        NAMES[name] = answer


for _name in ("is_conj", "is_neg", "is_inference", "is_distributed"):
    _fact(_name, False, "False: there is no such tensor here.")
for _name in ("is_pinned", "is_coalesced"):
    _fact(_name, False, "False: there is no such tensor here.", False)
for _name in (
    "is_ipu",
    "is_maia",
    "is_mkldnn",
    "is_mtia",
    "is_nested",
    "is_sparse_csr",
    "is_vulkan",
    "is_xla",
    "is_xpu",
):
    setattr(Tensor, _name, False)
Tensor.is_cpu = True  # type: ignore[attr-defined]
Tensor.name = None  # type: ignore[attr-defined]
Tensor.volatile = False  # type: ignore[attr-defined]

# ---- the real and imaginary parts of real numbers


def conj(input: Tensor) -> Tensor:
    """x itself: all types are real."""
    return _of_tensor("conj", input)


def adjoint(input: Tensor) -> Tensor:
    """The transposes of matrices (*, N, M): all types are real. A view."""
    if _of_tensor("adjoint", input).array.ndim == 1:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return shape.transpose(input, -2, -1) if input.array.ndim else input


for _name in ("conj", "real", "resolve_conj", "resolve_neg"):
    NAMES[_name] = conj
for _name in ("conj", "resolve_conj", "resolve_neg"):
    setattr(Tensor, _name, conj)
NAMES["adjoint"] = Tensor.adjoint = adjoint  # type: ignore[attr-defined]
Tensor.real = property(conj)  # type: ignore[attr-defined]
_h = property(
    lambda self: shape.t(self) if self.array.ndim in (0, 2) else _no_h(self),
    doc="The transpose of a matrix: all types are real. A view.",
)
Tensor.H = _h  # type: ignore[attr-defined]
Tensor.mH = property(adjoint)  # type: ignore[attr-defined]


def _no_h(x: Tensor) -> Any:
    raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {x.array.ndim}-D tensor.")


def imag(input: Tensor) -> Tensor:
    """Not for real types: RuntimeError."""
    _of_tensor("imag", input)
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


NAMES["imag"], Tensor.imag = imag, property(imag)  # type: ignore[attr-defined]


@composite(examples=[], node_name="Angle")
def angle(input: Tensor) -> Tensor:
    """0 for x >= 0, pi below, nan for nan, elementwise. Its gradient is 0."""
    x = input if input.array.dtype.kind == "f" else input.to(dtypes.get_default_dtype())
    flat = nothing(x)
    return flat + wrap(
        np.where(x.array < 0, math.pi, np.where(np.isnan(x.array), x.array, 0.0)).astype(x.array.dtype)
    )


# ---- copies and other sizes


@composite(method=True, public=False)
def sum_to_size(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """x summed over the dimensions that broadcasting `size` to x's shape would repeat."""
    target = tuple(operator.index(n) for n in flatten_sequence(sizes if size is None else (size,)))
    have = input.array.shape
    lead = len(have) - len(target)
    if lead < 0 or any(n not in (1, m) for n, m in zip(target, have[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(target)}}} is not expandable to size {{{list(have)}}}.")
    dims = [*range(lead), *(lead + i for i, n in enumerate(target) if n == 1 != have[lead + i])]
    return shape.reshape(total(input, dims, True), target) if dims else input


@composite(examples=[case((2, 3), dim=1, start=1, length=2)])
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of narrow(dim, start, length)."""
    return parts.narrow(input, dim, start, length).clone()


@composite()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` rows of nonzero(x), int64 (size, ndim); rows of fill_value where there are fewer."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = masks.nonzero(input).array[:size]
    out = np.full((size, input.array.ndim), fill_value, np.int64)
    out[: len(found)] = found
    return wrap(out)


def _copied(name: str) -> None:
    view = getattr(Tensor, name)

    def copy(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        out = view(_of_tensor(f"{name}_copy", input), *args, **kwargs)
        return tuple(t.clone() for t in out) if isinstance(out, tuple) else out.clone()

    copy.__name__ = copy.__qualname__ = f"{name}_copy"
    copy.__doc__ = f"A copy of what `{name}` looks at."
    NAMES[copy.__name__] = copy


for _name in (
    "as_strided",
    "diagonal",
    "expand",
    "permute",
    "select",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsqueeze",
    "view",
):
    _copied(_name)


def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    return _of_tensor("detach", input).detach()


NAMES["detach"] = detach
for _name in ("chunk", "split", "split_with_sizes"):
    NAMES[f"unsafe_{_name}"] = getattr(Tensor, _name)
    setattr(Tensor, f"unsafe_{_name}", getattr(Tensor, _name))


def new(self: Tensor, *data: Any, device: Any = None) -> Tensor:
    """PyTorch's old constructor, in this tensor's type: from values, or of a size;
    without arguments, empty."""
    from tinygrad6.ops.typed import tensortype

    return tensortype("new", self.dtype, "tinygrad6")(*data, device=device)


def new_empty_strided(self: Tensor, size: Any, stride: Any, dtype: Any = None, **rest: Any) -> Tensor:
    """As empty_strided, in the type of self unless dtype is given."""
    return empty_strided(size, stride, dtype=self.dtype if dtype is None else dtype, **rest)


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Memory of the given size and strides, counted in elements, its values not set."""
    to_device(device)
    if pin_memory:
        raise RuntimeError("pin_memory=True needs an accelerator: tinygrad6 computes on the CPU only")
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    for name, numbers in (("size", size), ("stride", stride)):
        for n in numbers:
            if type(n) is not int:
                raise TypeError(
                    f"empty_strided(): argument '{name}' must be tuple of ints, but found {type(n).__name__}"
                )
            if n < 0:
                raise RuntimeError(
                    f"empty_strided(): '{name}' must be of non-negative numbers, got {numbers}"
                )
    kind = dtypes.default_float() if dtype is None else dtypes.to_numpy(dtype)
    room = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    a = np.lib.stride_tricks.as_strided(
        np.zeros(max(room, 1), kind)[:room], tuple(size), [s * kind.itemsize for s in stride]
    )
    return wrap(a).requires_grad_(requires_grad)


def empty_permuted(size: Any, physical_layout: Any, **rest: Any) -> Tensor:
    """Memory of the given size whose dimensions lie in the order physical_layout, outermost first;
    values not set."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError("empty_permuted: physical_layout must be a permutation of the dimensions")
    stride, step = [0] * len(size), 1
    for d in reversed(physical_layout):
        stride[d], step = step, step * size[d]
    return empty_strided(size, stride, **rest)


Tensor.new, Tensor.new_empty_strided = new, new_empty_strided  # type: ignore[attr-defined]
NAMES["empty_strided"], NAMES["empty_permuted"] = empty_strided, empty_permuted


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by callable(element), in place.

    Slow, and not for tensors that require gradients.
    """
    return _each("apply_", self, callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element x by callable(x, y), y the other tensor's, in place. Slow."""
    return _each("map_", self, callable, tensor)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace each element by callable(element, x's, y's), in place. Slow."""
    return _each("map2_", self, callable, x, y)


def _each(name: str, self: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    if any(live_node(t) is not None for t in (self, *others)):
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    refuse(self, name[:-1], False)
    if not callable(function):
        raise TypeError(f"{name}(): the argument 'callable' must be callable, not {type(function).__name__}")
    for t in others:
        if t.array.dtype != self.array.dtype:
            raise TypeError(f"{name}(): expected tensors of {self.dtype}, got one of {t.dtype}")
    rows = [np.broadcast_to(t.array, self.array.shape).ravel().tolist() for t in (self, *others)]
    values = np.array([function(*v) for v in zip(*rows, strict=True)]).reshape(self.array.shape)
    self.array[...] = values.astype(self.array.dtype)
    self.bump()
    return self


Tensor.apply_, Tensor.map_, Tensor.map2_ = apply_, map_, map2_  # type: ignore[attr-defined]


def as_subclass(self: Tensor, cls: type) -> Any:
    """This tensor's memory and history as an instance of a subclass of Tensor."""
    out = wrap(self.array, cls)
    out.node, out.cell, out.view_of = live_node(self), self.cell, self.view_of
    return out


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both look at the same memory in the same shape."""
    a, b = self.array, tensor.array
    return a.shape == b.shape and a.strides == b.strides and a.ctypes.data == b.ctypes.data


def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost."""
    from tinygrad6.layouts import axis_order

    return axis_order(self.array)


def share_memory_(self: Tensor) -> Tensor:
    """Move the values to memory that processes forked from now on share; the tensor itself. Not for views.

    Views made before keep the old memory. Spawned processes get copies, as of every tensor.
    """
    if self.view_of is not None:
        raise RuntimeError(
            "share_memory_(): this tensor is a view of another one; share that, or a clone() of this"
        )
    if not self.__dict__.get("_shared"):
        a = self.array
        moved = np.frombuffer(mmap.mmap(-1, max(a.nbytes, 1)), a.dtype, a.size).reshape(a.shape)
        moved[...] = a
        self.array = moved
        self.__dict__["_shared"] = True
    return self


def is_shared(self: Tensor) -> bool:
    """Whether share_memory_ was called."""
    return bool(self.__dict__.get("_shared"))


Tensor.is_shared = is_shared  # type: ignore[attr-defined]
Tensor.as_subclass, Tensor.is_set_to = as_subclass, is_set_to  # type: ignore[attr-defined]
Tensor.dim_order = dim_order  # type: ignore[attr-defined]
Tensor.share_memory_, Tensor.const_data_ptr = share_memory_, Tensor.data_ptr  # type: ignore[attr-defined]

# ---- other libraries' arrays


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array, on the CPU, through DLPack; or on a copy of it."""
    to_device(device)
    given = np.from_dlpack(ext_tensor)
    return wrap(np.array(given) if copy else given)


def _dlpack(self: Tensor, **options: Any) -> Any:
    if live_node(self) is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self.array.__dlpack__(**options)


NAMES["from_dlpack"] = from_dlpack
Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = lambda self: self.array.__dlpack_device__()  # type: ignore[attr-defined]

# ---- what there is not


def _absent(name: str, kind: type[Exception], reason: str) -> None:
    def refused(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise kind(f"{name}(): {reason}")

    refused.__name__ = refused.__qualname__ = name
    refused.__doc__ = f"Not supported: {reason}."
    setattr(Tensor, name, refused)


_absent("cuda", AssertionError, "Torch not compiled with CUDA enabled: tinygrad6 computes on the CPU only")
for _name in ("xpu", "ipu", "mtia"):
    _absent(_name, RuntimeError, "no such device: tinygrad6 computes on the CPU only")
_absent("pin_memory", RuntimeError, "Cannot access accelerator device when none is available.")
_absent("record_stream", NotImplementedError, "there are no streams on the CPU")
for _name in ("storage", "untyped_storage", "storage_type"):
    _absent(
        _name, NotImplementedError, "tensors have no storage objects here; use numpy(), data_ptr() or nbytes"
    )
for _name in (
    "to_sparse",
    "to_sparse_coo",
    "to_sparse_csr",
    "to_sparse_csc",
    "to_sparse_bsr",
    "to_sparse_bsc",
):
    _absent(_name, NotImplementedError, "sparse tensors are not supported; keep the tensor dense")
_absent("bfloat16", NotImplementedError, "bfloat16 is not supported; use float32 or half()")
for _name in ("cfloat", "cdouble", "chalf"):
    _absent(
        _name, NotImplementedError, "complex tensors are not supported; keep real and imaginary parts apart"
    )


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """x itself, which is dense."""
    return self if dtype is None else self.to(dtype)


Tensor.to_dense = to_dense  # type: ignore[attr-defined]


def _of_functional(name: str) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from tinygrad6.nn import functional

        return getattr(functional, name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"nn.functional.{name} of this tensor."
    setattr(Tensor, name, method)


for _name in ("prelu", "hardshrink"):
    _of_functional(_name)
