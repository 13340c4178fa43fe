"""Tensor: an array, the node that made it, and PyTorch's face.

Knows no mathematics: ops attach themselves.
"""

from __future__ import annotations

import copy
import functools
import operator
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad6 import dtypes, engine, layouts
from tinygrad6.devices import CPU, device, to_device
from tinygrad6.engine import Leaf, Node, clock
from tinygrad6.modes import state
from tinygrad6.quiet import hush, speak
from tinygrad6.view import View, live_node, stale

TENSORS: set[type] = set()  # Tensor and its subclasses: `type(x) in TENSORS` is the fast test
_new = object.__new__
_warned: list[bool] = []  # once in a process, as in PyTorch, was told that float() loses the history
NOT_A_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
    "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
    "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
    "mistake, make sure you access the leaf Tensor instead."
)


class Size(tuple):
    """A shape: a tuple of ints with `numel()`."""

    __slots__ = ()

    def numel(self) -> int:
        n = 1
        for d in self:
            n *= d
        return n

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, i: Any) -> Any:
        got = tuple.__getitem__(self, i)
        return Size(got) if isinstance(i, slice) else got

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __reduce__(self) -> Any:
        return Size, (tuple(self),)


class Tensor:
    """A multi-dimensional array that remembers how it was made.

    `array` is the ndarray itself; changing it behind the library's back cannot be noticed (call `bump()`
    after writing to it). `node` is where its gradient goes: None when none is wanted, a `Leaf` for a
    tensor made with requires_grad, else the recorded op.

    >>> x = Tensor([1.0, 2.0]).requires_grad_()
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("array", "node", "cell", "view_of", "_grad", "__dict__", "__weakref__")
    array: np.ndarray
    node: Node | None  # of a view possibly out of date: read it through live_node
    cell: list  # [time of the last write, number of writes]; views share it
    view_of: View | None
    _grad: Tensor | None  # what `grad` guards; the engine and optimizers use it without the checks
    __hash__ = object.__hash__
    __array_priority__ = 1000

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        TENSORS.add(cls)
        if not cls.__module__.startswith("tinygrad6"):
            from tinygrad6.overrides import watch

            watch(cls)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        """func(*args, **kwargs), the tensors among the results as instances of cls; see tinygrad6.overrides.

        Subclasses may define their own, which is called in place of the function.
        """
        from tinygrad6.overrides import default

        return default(cls, func, types, args, kwargs or {})

    @staticmethod
    def _make_subclass(cls: Any, data: Tensor, require_grad: bool = False) -> Any:
        """An instance of a subclass on the memory of `data`, without its history."""
        return data.detach().as_subclass(cls).requires_grad_(require_grad)

    def __new__(cls, *data: Any, device: Any = None) -> Any:
        """PyTorch's old constructor: Tensor(values) in the default float, or Tensor(2, 3) for a shape."""
        to_device(device)
        if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
            if isinstance(data[0], Size):
                return wrap(np.zeros(data[0], dtypes.default_float()), cls)
            return wrap(as_array(data[0], dtypes.default_float(), copy=True), cls)
        if not all(isinstance(n, (int, np.integer)) for n in data):
            raise TypeError(f"Tensor(): expected values or a sequence of ints as sizes, got {data!r}")
        return wrap(np.zeros(data if data else (0,), dtypes.default_float()), cls)

    if TYPE_CHECKING:  # ops attach themselves as methods and operators when they are defined

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, index: Any) -> Tensor: ...

        def __setitem__(self, index: Any, value: Any) -> None: ...

        def _unary(self) -> Tensor: ...

        def _binary(self, other: Any) -> Tensor: ...

        __neg__ = __pos__ = __abs__ = __invert__ = _unary
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _binary
        __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _binary
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __and__ = __rand__ = _binary
        __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _binary
        __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __iand__ = _binary
        __ior__ = __ixor__ = __lt__ = __le__ = __gt__ = __ge__ = _binary

        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]

        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]

    # ---- what it is

    @property
    def shape(self) -> Size:
        """The length of each dimension, (N, C, ...)."""
        return Size(self.array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements, such as torch.float32."""
        return dtypes.from_numpy(self.array.dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def device(self) -> device:
        """device(type='cpu'): there is no other."""
        return CPU

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements; a view's elements, not its base's."""
        return self.array.nbytes

    @property
    def is_cuda(self) -> bool:
        """False, as are is_sparse, is_quantized, is_meta and is_mps: all tensors are dense, on the CPU."""
        return False

    is_sparse = is_quantized = is_meta = is_mps = is_cuda

    @property
    def layout(self) -> Any:
        """torch.strided: there is no other."""
        from tinygrad6.settings import strided

        return strided

    def size(self, dim: int | None = None, *, axis: int | None = None) -> Any:
        """The shape, or the length of dimension `dim`; IndexError out of range."""
        if axis is not None:
            dim = axis
        if dim is None:
            return Size(self.array.shape)
        return self.array.shape[self._dimension("size", dim)]

    def _dimension(self, function: str, dim: Any) -> int:
        """`dim`, counted from 0 or the end, as an int in range."""
        try:
            i = operator.index(dim)
        except TypeError:
            i = True
        if i is True or i is False:
            came = type(dim).__name__
            raise TypeError(f"{function}(): argument 'dim' (position 1) must be int, not {came}")
        if not -self.array.ndim <= i < self.array.ndim:
            raise dim_error(i, self.array.ndim)
        return i

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements; 1 for a 0-d tensor."""
        return self.array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    def stride(self, dim: int | None = None, *, axis: int | None = None) -> Any:
        """Distances between neighbours along each dimension, in elements."""
        dim = axis if dim is None else dim
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[self._dimension("stride", dim)]

    def storage_offset(self) -> int:
        """Elements between the start of the base's memory and this tensor's first."""
        base = self.view_of.base.array if self.view_of is not None else self.array
        return (self.array.ctypes.data - base.ctypes.data) // self.array.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory row by row, or as memory_format says."""
        return (
            self.array.flags.c_contiguous
            if memory_format is None
            else layouts.is_in_format(self.array, memory_format)
        )

    def is_floating_point(self) -> bool:
        """Whether the type is float16, float32 or float64."""
        return self.array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """False: there are no complex types."""
        return False

    def is_signed(self) -> bool:
        """Whether the type has negative numbers: all but uint8 and bool."""
        return self.array.dtype.kind in "fi"

    def get_device(self) -> int:
        """-1, PyTorch's number for the CPU."""
        return -1

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    # ---- its place in the graph

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes added up, None before the first; `del t.grad` forgets it.

        Assigning anything but None or a tensor of this shape and dtype raises TypeError or RuntimeError.
        """
        if self._grad is None and self.node is not None and not self.is_leaf and not self.retains_grad:
            warnings.warn(NOT_A_LEAF, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.array.shape != self.array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient of {value.dtype} to a tensor of {self.dtype}: use "
                    "grad.to(tensor.dtype)"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def requires_grad(self) -> bool:
        """Whether backward passes go on to it; settable for leaves of floating point, else RuntimeError."""
        v = self.view_of
        if v is None or v.version == self.cell[1]:  # nothing was written since
            return self.node is not None
        return stale(self) or live_node(self) is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if type(wanted) is not bool:
            raise RuntimeError(f"requires_grad must be a bool, not {type(wanted).__name__}")
        node = self.node if stale(self) else live_node(self)
        if node is not None and node.op is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed "
                "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if wanted and (node is None or node.tensor() is not self):
            if self.array.dtype.kind != "f":
                raise RuntimeError(
                    "only Tensors of floating point dtype can require gradients, "
                    f"this one has dtype {self.dtype}"
                )
            self.node = Leaf(self)
        elif not wanted:
            self.node = None

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for gradients (or no longer) and return the tensor; RuntimeError for integer types."""
        if type(requires_grad) is not bool:
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        if self.requires_grad is not requires_grad:
            self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded op made: parameters, data, constants."""
        node = live_node(self)
        return node is None or node.op is None

    @property
    def grad_fn(self) -> Node | None:
        """The recorded op that made it; None for leaves."""
        node = live_node(self)
        return None if node is None or node.op is None else node

    @property
    def output_nr(self) -> int:
        """0: every recorded op has one output."""
        return 0

    @property
    def _version(self) -> int:
        return self.cell[1]

    @property
    def _base(self) -> Tensor | None:
        return None if self.view_of is None else self.view_of.base

    def _is_view(self) -> bool:
        return self.view_of is not None

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory without history; changes through it are not noticed by autograd."""
        return wrap(self.array, type(self) if type(self) in _PLAIN else Tensor)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if value.array is self.array:  # what `t.data -= u` ends with
            return
        node = self.node
        if node is not None and value.array.dtype.kind != "f":
            raise RuntimeError(
                f"data set to a tensor that requires gradients must be floating point, not {value.dtype}"
            )
        self.array, self.cell = value.array, [0, 0]
        self.view_of = None
        if node is not None and node.op is None:
            node.shape, node.dtype = value.array.shape, value.array.dtype

    def detach(self) -> Tensor:
        """The same memory without history. In-place changes to either are seen by both, and noticed."""
        t = wrap(self.array)
        t.cell = self.cell
        return t

    def detach_(self) -> Tensor:
        """Drop this tensor's own history in place; RuntimeError for views."""
        if self.view_of is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node = None
        return self

    def bump(self) -> None:
        """Say that this tensor's memory was changed, so that saved values that share it are refused."""
        self.cell[0] = clock()
        self.cell[1] += 1

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add d self / d leaf, weighted by `gradient`, to `.grad` of every leaf (or only of `inputs`).

        gradient: same shape as self; may be left out for a scalar. Raises RuntimeError for a non-scalar
        without it, for a tensor without history, and for a graph that was freed by an earlier pass
        (retain_graph=True keeps it; so does create_graph=True, which makes the gradients differentiable).
        """
        run_backward([self], [gradient], retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Keep `.grad` of this intermediate result in later backward passes."""
        node = live_node(self)
        if node is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if node.op is not None and not self.__dict__.get("retains_grad"):
            self.__dict__["retains_grad"] = True
            self.keep_grad_of(node)

    def keep_grad_of(self, node: Node | None, instead: Node | None = None) -> None:
        """Have the gradients of `node`, this tensor's new one, added to `.grad`,
        and no longer those of the old."""
        me, key = weakref.ref(self), engine.LAST + id(self)
        if instead is not None and instead.hooks:
            instead.hooks.pop(key, None)

        def keep(g: Tensor) -> None:
            if (t := me()) is not None:
                g = wrap(g.array.copy()) if g.node is None else g
                with _adding:
                    t._grad = g if t._grad is None else t._grad + g

        if node is not None:
            node.hooks = {} if node.hooks is None else node.hooks
            node.hooks[key] = keep

    @property
    def retains_grad(self) -> bool:
        """Whether retain_grad was called: False for leaves, which always keep theirs."""
        return bool(self.__dict__.get("retains_grad"))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Call `hook(grad)` when this tensor's gradient is complete; a returned tensor replaces it.

        Returns a handle with `remove()`. RuntimeError if the tensor does not require gradients.
        """
        node = live_node(self)
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return node.hook_gradient(hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Any:
        """Call `hook(tensor)` after `.grad` of this leaf was updated; RuntimeError for other tensors."""
        if not self.is_leaf or not self.requires_grad:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        from tinygrad6.hooks import RemovableHandle

        hooks = self.__dict__.setdefault("_post_accumulate", {})
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    # ---- its values

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as an ndarray on the same memory; RuntimeError if it requires grad, unless forced."""
        if not force and self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        return self.array.view()  # of its own: its shape may be set without harm

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        a = self.numpy()
        if dtype is not None and np.dtype(dtype) != a.dtype:
            if copy is False:
                raise ValueError("__array__(copy=False): another dtype needs a copy")
            return a.astype(dtype)
        return a.copy() if copy else a

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's ufuncs on tensors: the op of the same meaning, with gradients; else TypeError."""
        op = UFUNCS.get(ufunc)
        if method == "__call__" and op is not None and not kwargs:
            return op(*inputs)
        raise TypeError(
            f"np.{ufunc.__name__}.{method}({', '.join(kwargs)}) does not work on a Tensor: use the tinygrad6 "
            "function of that name, or tensor.detach().numpy()"
        )

    def item(self) -> Any:
        """The one element as a Python number; RuntimeError if there are several."""
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers (a number for a 0-d tensor)."""
        return self.array.tolist()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            if not self.array.size:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.array.item())

    def __float__(self) -> float:
        if self.node is not None and not _warned:
            _warned.append(True)
            warnings.warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first.",
                stacklevel=2,
            )
        return float(self._only().item())

    def __int__(self) -> int:
        return int(self._only().item())

    def __complex__(self) -> complex:
        return complex(self._only().item())

    def _only(self) -> np.ndarray:
        if self.array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.array

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.array.item())

    def __format__(self, spec: str) -> str:
        # A subclass, such as Parameter, takes no format, as in PyTorch.
        number = not self.array.ndim and type(self) is Tensor
        return format(self.item(), spec) if number else object.__format__(self, spec)

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (Tensor, bool, int, float, np.generic)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(value)}."
            )
        return bool((self == value).any())

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self.array.ndim else self

    def __repr__(self) -> str:
        from tinygrad6.printing import tensor_repr

        return tensor_repr(self)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
                "the moment. If you were attempting to deepcopy a module, this may be because of a tensor it "
                "computed."
            )
        if id(self) in memo:
            return memo[id(self)]
        twin = memo[id(self)] = wrap(self.array.copy(order="K"), type(self))
        twin.requires_grad_(self.requires_grad)
        twin._grad = copy.deepcopy(self._grad, memo)
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restore, (type(self), self.array, self.requires_grad, self.__dict__)

    # ---- for the engine

    @staticmethod
    def of(array: np.ndarray) -> Tensor:
        """wrap, for those who know of Tensor only by engine.TENSOR."""
        return wrap(array)

    @staticmethod
    def rejoin(array: np.ndarray, node: Node | None, cell: list | None) -> Tensor:
        """A saved array with its history again."""
        t = wrap(array)
        t.node = node
        if cell is not None:
            t.cell = cell
        return t


TENSORS.add(Tensor)
engine.TENSOR = Tensor
UFUNCS: dict[Any, Callable[..., Any]] = {}  # NumPy's ufunc -> the op of the same meaning; filled by op.py
_PLAIN: set[type] = {Tensor}


def wrap(array: np.ndarray, cls: type = Tensor) -> Any:
    """A Tensor around `array` itself: no copy, no history."""
    t: Any = _new(cls)
    t.array = array
    t.node = None
    t.cell = [0, 0]
    t.view_of = None
    t._grad = None
    return t


def _restore(cls: type, array: np.ndarray, requires_grad: bool, attributes: dict) -> Any:
    t = wrap(array, cls)
    t.__dict__.update(attributes)
    return t.requires_grad_(requires_grad)


def dim_error(dim: int, ndim: int) -> IndexError:
    """PyTorch's error for a dimension out of range."""
    n = max(ndim, 1)
    return IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")


def as_array(data: Any, dtype: np.dtype | None = None, copy: bool = False) -> np.ndarray:
    """An ndarray of a supported type from a Tensor, an array, numbers or nested sequences of them.

    Python floats become the default float, ints int64, bools bool, as in PyTorch; arrays keep their type.
    ValueError for ragged nesting; TypeError for anything that is no number.
    """
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, (np.ndarray, np.generic)):
        if not data.dtype.isnative:
            raise ValueError("given numpy array has byte order different from the native byte order")
        dtypes.from_numpy(data.dtype)
        array = np.asarray(data)
        if dtype is not None and array.dtype != dtype:
            return dtypes.stored(array, dtype) if isinstance(data, np.generic) else array.astype(dtype)
        if not array.flags.c_contiguous:
            layouts.unusual = True
            return array.copy("K") if copy else array
        return array.copy() if copy else array
    if isinstance(data, (list, tuple, range)):
        data = _plain(data)
    elif isinstance(data, int) and not -(1 << 63) <= data < 1 << 63:
        if dtype is None or dtype.kind != "f":
            raise ValueError(f"Overflow when unpacking long long: {data} does not fit in 64 bits")
        data = float(data)
    elif hasattr(data, "__array__"):
        return as_array(np.asarray(data), dtype, copy)
    try:
        array = np.asarray(data)
    except (RuntimeError, ValueError) as e:
        if isinstance(data, (list, tuple)) and any(isinstance(d, Tensor) for d in data):
            return as_array(np.array(_numbers(data, set())), dtype)  # tensors after numbers
        mixed = {isinstance(d, (list, tuple)) for d in data} if isinstance(data, (list, tuple)) else ()
        kind = TypeError if len(mixed) > 1 else ValueError  # [[1, 2], 3], and [[1, 2], [3]]
        raise kind(f"expected a rectangular nesting of numbers: {e}") from None
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long: a value does not fit in int64") from None
    if array.dtype.kind not in "biuf":
        got = type(data).__name__ if array.ndim == 0 else f"a sequence of {array.dtype}"
        if array.dtype.kind == "U" and array.ndim and isinstance(data[0], str):
            raise ValueError(f"too many dimensions 'str': expected numbers, got {got}")
        if dtype is None and array.dtype.kind == "O":
            raise RuntimeError(
                f"Could not infer dtype of {got}: data must be a number, a sequence of numbers or an array"
            )
        raise TypeError(f"new(): data must be a number, a sequence of numbers or an array, got {got}")
    if dtype is None:
        typed = isinstance(data, np.ndarray)
        dtype = {"f": dtypes.default_float(), "b": dtypes.BOOL}.get(array.dtype.kind, dtypes.INT64)
        dtype = array.dtype if typed else dtype
    return dtypes.stored(array, dtype)


def _plain(data: Any) -> Any:
    """Nested sequences with the tensors and arrays inside them made plain."""
    if not data:
        return np.zeros(np.shape(data), dtypes.default_float())
    probe = data[0]
    while isinstance(probe, (list, tuple)) and probe:
        probe = probe[0]
    if isinstance(probe, np.ndarray) and len({(type(d), np.shape(d)) for d in data}) == 1:
        return np.stack([as_array(d) for d in data])
    if isinstance(probe, (Tensor, np.ndarray, np.generic)):
        kinds: set[np.dtype] = set()
        plain = _numbers(data, kinds)
        try:
            return np.array(plain, functools.reduce(dtypes.promote_types, kinds))
        except (ValueError, TypeError, OverflowError):
            return plain  # whose error says more
    return data if isinstance(data, (list, tuple)) else list(data)


def _numbers(data: Any, kinds: set[np.dtype]) -> Any:
    """Nested sequences of numbers, arrays and tensors of one element as lists of Python numbers, whose types
    go to `kinds`."""
    if isinstance(data, (list, tuple, range)):
        return [_numbers(d, kinds) for d in data]
    if isinstance(data, Tensor):
        kinds.add(data.array.dtype)
        if data.array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars, got one of shape "
                f"{list(data.shape)} in a list: use torch.stack(list)"
            )
        return data.array.item()
    if isinstance(data, (np.ndarray, np.generic)):
        kinds.add(dtypes.from_numpy(data.dtype).np)
        return data.tolist()
    if isinstance(data, (bool, int, float)):
        kinds.add(dtypes.of_scalar(data))
    return data


# ---- the backward pass, from Tensors to Tensors

_adding = threading.Lock()  # no user's code runs while it is held
if hasattr(os, "register_at_fork"):  # in a child it may be held by a thread that is not there
    os.register_at_fork(after_in_child=_adding._at_fork_reinit)  # type: ignore[attr-defined]


def run_backward(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any],
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Any = None,
) -> None:
    """Accumulate into `.grad`: the body of Tensor.backward and autograd.backward."""
    targets = None
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not chosen:
            raise RuntimeError("'inputs' argument to backward() cannot be empty.")
        targets = {node_of(t, i) for i, t in enumerate(chosen)}
        for t in chosen:
            t.retain_grad()  # as PyTorch does: gradients of later passes are kept too
    roots = [start(t, g, i, create_graph) for i, (t, g) in enumerate(zip(tensors, gradients, strict=True))]
    retain = create_graph or state.retain if retain_graph is None else retain_graph
    before, errors = (state.grad, state.partial), hush()
    state.grad, state.partial = create_graph, targets is not None
    try:
        for node, g, owned in engine.backprop(roots, create_graph, retain, targets):
            t = node.tensor() if node.op is None else None  # others keep theirs by a hook: see retain_grad
            if t is not None and t.node is not None:  # it may have been frozen since
                accumulate(t, g, owned)
    finally:
        state.grad, state.partial = before
        speak(errors)


def accumulate(t: Tensor, g: Any, owned: bool) -> None:
    """t.grad += g, in place where there is one already, taking over `g`'s memory where it is free.

    Under a lock: threads with graphs of their own may share leaves, and none loses what another adds.
    """
    with _adding:
        if isinstance(g, Tensor):
            t._grad = g if t._grad is None else t._grad + g
        elif t._grad is None:
            # A copy where the memory is shared: rules may hand on what they were given, or a view of it.
            t._grad = wrap(g if owned and g.flags.c_contiguous else np.array(g, order="C"))
        elif t._grad.node is not None:
            t._grad = wrap(t._grad.array + g)
        else:
            t._grad.array = np.asarray(np.add(t._grad.array, g, out=t._grad.array))
            t._grad.bump()
    if hooks := t.__dict__.get("_post_accumulate"):
        for hook in list(hooks.values()):
            if (out := hook(t)) is not None and out is not t:  # a change in place returns t itself
                if not isinstance(out, Tensor):
                    raise TypeError(f"expected Variable, but hook returned {type(out).__name__!r}")
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def node_of(t: Tensor, i: int) -> Node:
    """The node of an input of a backward pass; RuntimeError if it does not require gradients."""
    if not isinstance(t, Tensor):
        raise TypeError(f"element {i} of inputs must be a Tensor, not {type(t).__name__}")
    node = live_node(t)
    if node is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return node


def start(t: Tensor, gradient: Any, i: int, graph: bool) -> tuple[Node, Any]:
    """A root of the backward pass: the node, and the gradient it starts from, checked."""
    if gradient is not None and not isinstance(gradient, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
    node = live_node(t)
    if node is None or node.op is None and node.tensor() is None:
        raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    if gradient is None:
        if t.array.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, got shape {list(t.shape)}"
            )
        one = np.ones(t.array.shape, t.array.dtype)
        return node, wrap(one) if graph else one
    if gradient.array.shape != t.array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {gradient.shape} and "
            f"output[{i}] has a shape of {t.shape}."
        )
    if gradient.array.dtype != t.array.dtype:
        gradient = gradient.to(t.array.dtype)
    return node, gradient if graph else gradient.array


def flatten_sequence(items: Any) -> list:
    """A flat list from arguments given one by one or as one sequence: view(2, 3) and view((2, 3))."""
    if len(items) == 1 and isinstance(items[0], (tuple, list)):
        items = items[0]
    return list(items)
