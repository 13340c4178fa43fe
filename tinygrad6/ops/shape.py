"""Shapes and arrangements: what moves elements without computing with them. From simple to complex."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad6 import dtypes, layouts
from tinygrad6.arguments import composite, refused, several
from tinygrad6.devices import to_device
from tinygrad6.op import REAL, case, named, op
from tinygrad6.tensor import TENSORS, Size, Tensor, dim_error, flatten_sequence, wrap

# ---- dimensions


def normal_dim(dim: Any, ndim: int) -> int:
    """`dim` counted from the front; IndexError out of range, TypeError if it is no integer."""
    try:
        if dim is True or dim is False:
            raise TypeError
        d = operator.index(dim)
    except TypeError:
        raise TypeError(f"a dimension must be an int, not {builtins.type(dim).__name__}") from None
    n = max(ndim, 1)
    if not -n <= d < n:
        raise dim_error(d, ndim)
    return d % n


def normal_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """One or several dimensions counted from the front; RuntimeError if one appears twice."""
    if isinstance(dim, (tuple, list)):
        dims = tuple(normal_dim(d, ndim) for d in dim)
        if len(set(dims)) != len(dims):
            twice = next(d for d in dims if dims.count(d) > 1)
            raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
        return dims
    return (normal_dim(dim, ndim),)


def _order(name: str, dims: tuple, named: dict) -> tuple:
    """Dimensions given one by one, as a sequence, or as dims=."""
    if unknown := set(named) - {"dims"}:
        raise TypeError(f"{name}() got an unexpected keyword argument '{sorted(unknown)[0]}'")
    if not dims and not named:
        raise TypeError(f"{name}() missing 1 required positional argument: 'dims'")
    return tuple(flatten_sequence(dims or (named["dims"],)))


def _one_way(name: str, positional: tuple, **named: Any) -> tuple:
    """The one keyword that is given, as if it were positional; TypeError if something else is given too."""
    given = [v for v in named.values() if v is not None]
    if positional or len(given) != 1:
        raise TypeError(f"{name}() received an invalid combination of arguments")
    return (given[0],)


# ---- types and copies


def _cast(arrays: list, params: dict) -> None:
    params["dtype"] = dtypes.to_numpy(params["dtype"])


@op(
    lambda g: g,
    method=False,
    public=False,
    prepare=_cast,
    node_name="ToCopy",
    examples=[case((2, 3), dtype=np.dtype("f8"))],
    layout="follow",
)
def cast(x, dtype):
    """x as the given type, truncating floats to integers; the gradient comes back in x's own type."""
    if x.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        with np.errstate(invalid="ignore"):
            return x.astype(dtype)
    if x.dtype == dtypes.FLOAT64 and dtype == dtypes.FLOAT16:
        return x.astype(np.float32).astype(dtype)  # rounded twice, as in PyTorch
    return x.astype(dtype, copy=False)


@op(lambda g: g, domain=REAL, layout="any")
def clone(x, *, memory_format=None):
    """A copy of x, through which gradients flow."""
    if memory_format is not None:
        given = layouts.in_format(x, memory_format)
        return np.array(x) if given is x else given
    return np.array(x) if x.flags.forc else layouts.ordered(x, layouts.axis_order(x))


@composite(examples=[case((2, 3))])
def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """x itself if its elements lie in row-major order in memory (or as memory_format says), else such a
    copy."""
    if memory_format is not None and not layouts.is_in_format(input.array, memory_format):
        return _laid(input, memory_format=memory_format)
    return input if memory_format or input.array.flags.c_contiguous else _row_major(input)


@op(lambda g: g, method=False, public=False, domain=REAL, layout="any")
def _row_major(x):
    """A row-major copy of x."""
    return np.asarray(x, order="C")


@op(lambda g: g, method=False, public=False, domain=REAL, layout="any")
def _laid(x, *, memory_format=None):
    """A copy of x whose elements lie in memory as memory_format says."""
    return layouts.in_format(x, memory_format)


@composite()
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """x as another type, or on the CPU, where it is: to(dtype), to(device), to(device, dtype), to(other).

    The tensor itself where nothing changes and copy is False. RuntimeError for another device.
    """
    copy = kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    memory_format = kwargs.pop("memory_format", None)
    dtype, place = kwargs.pop("dtype", None), kwargs.pop("device", None)
    if kwargs:
        raise TypeError(f"to() received an invalid combination of arguments: {', '.join(kwargs)}")
    for a in [*args, kwargs.pop("other", None)]:
        if isinstance(a, Tensor):
            dtype = a.array.dtype
        elif isinstance(a, (dtypes.dtype, np.dtype)) or a in (float, int, bool):
            dtype = a
        elif isinstance(a, bool):
            continue  # non_blocking, copy
        elif isinstance(a, int):
            raise RuntimeError(f"to(): device {a} is not available: tinygrad6 computes on the CPU only")
        elif a is not None:
            to_device(a)
    to_device(place)
    wanted = input.array.dtype if dtype is None else dtypes.to_numpy(dtype)
    if wanted != input.array.dtype:
        input = cast(input, wanted)
    elif copy:
        return clone(input, memory_format=memory_format)
    return input if memory_format is None else _formatted(input, memory_format)


def _formatted(x: Tensor, memory_format: Any) -> Tensor:
    """x in a memory_format; x itself for preserve_format."""
    return (
        x if layouts.in_format(x.array, memory_format) is x.array else _laid(x, memory_format=memory_format)
    )


def _converter(name: str, dtype: dtypes.dtype) -> Any:
    def convert(input: Tensor, *, memory_format: Any = None) -> Tensor:
        return input if input.array.dtype == dtype.np else cast(input, dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"x as {dtype}; x itself if it is that already."
    return convert


for _name, _dtype in (
    ("float", dtypes.float32),
    ("double", dtypes.float64),
    ("half", dtypes.float16),
    ("long", dtypes.int64),
    ("int", dtypes.int32),
    ("short", dtypes.int16),
    ("char", dtypes.int8),
    ("byte", dtypes.uint8),
    ("bool", dtypes.bool_),
):
    setattr(Tensor, _name, _converter(_name, _dtype))


@composite()
def type(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """x as `dtype` (a dtype or a name such as 'torch.FloatTensor'); without one, the name of x's type."""
    if dtype is None:
        return f"torch.{dtypes.TYPE_NAMES[input.dtype.name]}Tensor"
    if isinstance(dtype, str):
        for d in dtypes.ALL:
            if dtype == f"torch.{dtypes.TYPE_NAMES[d.name]}Tensor":
                return to(input, d)
        raise ValueError(f"invalid type: {dtype!r}")
    if dtype is Tensor:  # PyTorch's name for the default type
        dtype = dtypes.default_float()
    return to(input, getattr(dtype, "dtype_made", dtype))


@composite(examples=[case((2, 3), (3,))])
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """x in the type of other."""
    return to(input, other)


@composite(public=False)
def cpu(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """x, which is on the CPU."""
    return input


# ---- reshaping


def _misfit(x: np.ndarray, shape: Any) -> RuntimeError:
    """Why x cannot take this shape, in PyTorch's words."""
    shape = [operator.index(n) for n in shape]
    if shape.count(-1) > 1:
        return RuntimeError("only one dimension can be inferred")
    for i, n in enumerate(shape):
        if n < -1:
            return RuntimeError(f"invalid shape dimension {n} at index {i} of shape {shape}")
    if -1 in shape and 0 in shape:
        return RuntimeError(
            f"cannot reshape tensor of {x.size} elements into shape {shape} because the unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    return RuntimeError(f"shape '{shape}' is invalid for input of size {x.size}")


_RESHAPES = [case((2, 3), shape=(3, 2)), case((2, 3), shape=(6,)), case((2, 3), shape=(1, 2, 3))]


@op(
    lambda g, x_shape: g.reshape(x_shape),
    method=False,
    public=False,
    view=True,
    examples=_RESHAPES,
    node_name="View",
)
def reshape_to(x, shape):
    """x with its elements in row-major order laid out as `shape`; a view where memory allows."""
    try:
        if shape and builtins.min(shape) < -1:  # NumPy takes any negative number for -1
            raise ValueError
        return x.reshape(shape)
    except ValueError:
        raise _misfit(x, shape) from None


@composite(examples=[case((2, 3), shape=(3, 2)), case((2, 3), shape=(-1,))])
def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """x as `shape` in row-major order, given as ints or one sequence; one length may be -1, to be inferred.

    A view where memory allows, else a copy. RuntimeError if the number of elements differs.
    """
    if not sizes and shape is None:
        raise TypeError("reshape() missing 1 required positional argument: 'shape'")
    return reshape_to(input, tuple(flatten_sequence(sizes)) if shape is None else tuple(shape))


def _read_as(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    try:
        return wrap(input.array.view(dtype.np))
    except ValueError as e:
        raise RuntimeError(f"view(): {input.dtype} of shape {list(input.shape)} as {dtype}: {e}") from None


@composite()
def view(input: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """x as `shape` on the same memory; RuntimeError where that needs a copy.

    view(dtype) reads the bytes anew.
    """
    if size is not None or dtype is not None:
        shape = _one_way("view", shape, size=size, dtype=dtype)
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _read_as(input, shape[0])
    out = reshape(input, *shape)
    if out.view_of is None and out.array.size and input.array.ndim and builtins.type(out) in TENSORS:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@composite()
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """view to the shape of other."""
    return view(input, other.array.shape)


@composite()
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """reshape to the shape of other."""
    return reshape(input, other.array.shape)


@composite(examples=[case((2, 3, 2), start_dim=1), case((2, 3))])
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the dimensions from start_dim to end_dim, inclusive, made one. A 0-d tensor becomes 1-d."""
    shape = input.array.shape
    first, last = normal_dim(start_dim, len(shape)), normal_dim(end_dim, len(shape))
    if not shape:
        return reshape(input, (1,))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    n = 1
    for d in shape[first : last + 1]:
        n *= d
    return reshape(input, shape[:first] + (n,) + shape[last + 1 :])


@composite(examples=[case((2, 3))])
def ravel(input: Tensor) -> Tensor:
    """x as one dimension: a view of a contiguous tensor, else a copy."""
    whole = contiguous(input)
    return reshape(whole, (-1,)) if input.array.size else reshape(whole, (0,))


@composite(examples=[case((2, 6), dim=1, sizes=(2, 3))])
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """x with dimension `dim` split into `sizes`, one of which may be -1."""
    d, shape = normal_dim(dim, input.array.ndim), input.array.shape
    known = 1
    for n in sizes:
        known *= n if n != -1 else 1
    full = tuple(shape[d] // known if n == -1 else n for n in sizes)
    if np.prod(full, dtype=np.int64) != shape[d]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]})"
        )
    return reshape(input, shape[:d] + full + shape[d + 1 :])


def _squeeze_dims(arrays: list, params: dict) -> None:
    shape, dim = arrays[0].shape, params["dim"]
    dims = range(len(shape)) if dim is None else normal_dims(dim, len(shape))
    params["dim"] = tuple(d for d in dims if d < len(shape) and shape[d] == 1)


@op(
    lambda g, x_shape: g.reshape(x_shape),
    view=True,
    prepare=_squeeze_dims,
    examples=[case((2, 1, 3)), case((2, 1, 3), dim=1), case((1, 1, 3), dim=(0, 1))],
)
def squeeze(x, dim=None):
    """x without the dimensions of length 1: all of them, or those among `dim`."""
    shape = tuple(n for i, n in enumerate(x.shape) if i not in dim)
    return x.reshape(shape)


def _unsqueeze_dim(arrays: list, params: dict) -> None:
    params["dim"] = normal_dim(params["dim"], arrays[0].ndim + 1)


@op(
    lambda g, x_shape: g.reshape(x_shape),
    view=True,
    prepare=_unsqueeze_dim,
    examples=[case((2, 3), dim=0), case((2, 3), dim=-1)],
)
def unsqueeze(x, dim):
    """x with a new dimension of length 1 at `dim`."""
    dim = dim % (x.ndim + 1)
    return x.reshape(x.shape[:dim] + (1,) + x.shape[dim:])


# ---- permuting


def _permutation(arrays: list, params: dict) -> None:
    dims = normal_dims(tuple(params["dims"]), arrays[0].ndim)
    if len(dims) != arrays[0].ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length "
            f"of the desired ordering of dimensions i.e. input.dim() = {arrays[0].ndim} is not equal "
            f"to len(dims) = {len(dims)}"
        )
    params["dims"] = dims


@op(
    lambda g, dims: permute_to(g, _inverse(dims)),
    method=False,
    public=False,
    view=True,
    prepare=_permutation,
    node_name="Permute",
    examples=[case((2, 3, 4), dims=(2, 0, 1))],
)
def permute_to(x, dims):
    """x with its dimensions in the order `dims`; a view."""
    layouts.unusual = True
    return x.transpose(dims)


def _inverse(dims: tuple) -> tuple:
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d] = i
    return tuple(out)


@composite()
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """x with its dimensions in the order `dims`, given one by one or as a sequence; a view."""
    return permute_to(input, _order("permute", dims, named))


def _transposed(arrays: list, params: dict) -> None:
    n = arrays[0].ndim
    params["dim0"], params["dim1"] = normal_dim(params["dim0"], n), normal_dim(params["dim1"], n)


@op(
    lambda g, dim0, dim1: transpose(g, dim0, dim1),
    view=True,
    prepare=_transposed,
    examples=[case((2, 3), dim0=0, dim1=1), case((2, 3, 4), dim0=-1, dim1=1)],
)
def transpose(x, dim0, dim1):
    """x with two dimensions swapped; a view."""
    layouts.unusual = True
    return x.swapaxes(dim0, dim1) if x.ndim else x


@composite(examples=[case((2, 3))])
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and 0-d tensors as they are. A view."""
    if input.array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.array.ndim}D")
    return named(transpose(input, 0, 1), "T") if input.array.ndim == 2 else input


_T = property(
    lambda self: (
        permute(self, tuple(range(self.array.ndim)[::-1]))
        if self.array.ndim != 2
        else named(transpose(self, 0, 1), "Permute")
    ),
    doc="x with its dimensions in reverse order: the transpose of a matrix. A view.",
)
Tensor.T = _T  # type: ignore[attr-defined]
Tensor.mT = property(  # type: ignore[attr-defined]
    lambda self: _matrix_transpose(self), doc="The transposes of matrices, (*, N, M) -> (*, M, N). A view."
)


def _matrix_transpose(x: Tensor) -> Tensor:
    if x.array.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {x.array.ndim}-D tensor."
        )
    return transpose(x, -2, -1)


@composite(examples=[case((2, 3), axis0=0, axis1=1)])
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """x with two dimensions swapped; a view."""
    return transpose(input, axis0, axis1)


@composite(examples=[case((2, 3), dim0=0, dim1=1)])
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dimensions swapped; a view."""
    return transpose(input, dim0, dim1)


@composite(examples=[case((2, 3, 4), source=0, destination=2)])
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """x with the dimensions `source` moved to the places `destination`, the others kept in order; a view."""
    n = input.array.ndim
    src, dst = normal_dims(source, n), normal_dims(destination, n)
    if len(src) != len(dst):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: they must have the same number of elements"
        )
    if not n:
        return permute_to(input, ())
    order = [d for d in range(n) if d not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return permute_to(input, tuple(order))


@composite(examples=[case((2, 3, 4), source=0, destination=2)])
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Another name for movedim."""
    return movedim(input, source, destination)


# ---- expanding and repeating


def _expanded_shape(arrays: list, params: dict) -> None:
    have, shape = arrays[0].shape, [operator.index(n) for n in params["shape"]]
    lead = len(shape) - len(have)
    if lead < 0:
        raise RuntimeError(
            f"expand(the number of sizes provided ({len(shape)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(have)}))"
        )
    for i, n in enumerate(shape):
        if n == -1 and i >= lead:
            shape[i] = have[i - lead]
        elif n < 0:
            raise RuntimeError(
                f"expand: the expanded size of the tensor ({n}) isn't allowed in a leading, non-existing "
                f"dimension {i}"
            )
        elif i >= lead and have[i - lead] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have[i - lead]}) at "
                f"non-singleton dimension {i}.  Target sizes: {shape}.  Tensor sizes: {list(have)}"
            )
    params["shape"] = tuple(shape)


@op(
    lambda g: g,
    method=False,
    public=False,
    view=True,
    prepare=_expanded_shape,
    node_name="Expand",
    examples=[case((2, 1), shape=(2, 3)), case((3,), shape=(2, 3))],
)
def expand_to(x, shape):
    """x repeated along dimensions of length 1, and along new leading ones, without copying; a view."""
    lead = len(shape) - x.ndim
    strides = (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True))
    return as_strided(x, shape, strides)


@composite()
def expand(input: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """x repeated along dimensions of length 1 up to `size` (-1 keeps one), without copying; a view."""
    if size is not None:
        sizes = _one_way("expand", sizes, size=size)
    elif not sizes:
        raise TypeError("expand() missing 1 required positional argument: 'size'")
    return expand_to(input, tuple(flatten_sequence(sizes)))


@composite()
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """expand to the shape of other."""
    return expand_to(input, other.array.shape)


@composite(examples=[case((3,), size=(2, 3))])
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """expand to `size`."""
    size = several("broadcast_to", "size", 2, size)
    if isinstance(size, int):
        raise TypeError("broadcast_to(): argument 'size' (position 2) must be tuple of ints, not int")
    return expand_to(input, tuple(size))


@composite(method=False)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All expanded to their common shape."""
    shape = broadcast_shapes(*[x.array.shape for x in flatten_sequence(tensors)])
    return tuple(expand_to(x, tuple(shape)) for x in flatten_sequence(tensors))


@composite(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that arrays of these shapes broadcast to; RuntimeError if they do not."""
    sizes = [(s,) if isinstance(s, (int, np.integer)) else s for s in shapes]
    for s in sizes:
        if not isinstance(s, (tuple, list)) or not all(isinstance(n, (int, np.integer)) for n in s):
            raise RuntimeError(f"broadcast_shapes(): expected ints, or tuples or lists of ints, got {s!r}")
        if min(s, default=0) < 0:
            raise ValueError("Attempting to broadcast a dimension with negative length!")
    try:
        return Size(np.broadcast_shapes(*[tuple(map(int, s)) for s in sizes]))
    except ValueError:
        raise RuntimeError(
            "Shape mismatch: objects cannot be broadcast to a single shape: "
            f"{', '.join(str(list(s)) for s in sizes)}"
        ) from None


@composite(examples=[case((2, 3), dims=(2, 2)), case((3,), dims=(2, 1))], node_name="Repeat")
def tile(input: Tensor, *reps: Any, dims: Any = None) -> Tensor:
    """x repeated dims[i] times along dimension i, as np.tile does."""
    if not reps and dims is None:
        raise TypeError("tile() missing 1 required positional argument: 'dims'")
    times = flatten_sequence(reps if dims is None else (dims,))
    return repeat(input, repeats=(1,) * (input.array.ndim - len(times)) + tuple(times))


@composite(fresh=True, examples=[], node_name="Repeat")
def repeat(input: Tensor, *times: Any, repeats: Any = None) -> Tensor:
    """x repeated repeats[i] times along dimension i; more repeats than dimensions add leading ones.

    A copy.
    """
    if repeats is not None:
        times = _one_way("repeat", times, repeats=repeats)
    elif not times:
        raise TypeError("repeat() missing 1 required positional argument: 'repeats'")
    reps, shape = [operator.index(r) for r in flatten_sequence(times)], input.array.shape
    lead = len(reps) - len(shape)
    if lead < 0:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    if any(r < 0 for r in reps):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {reps}")
    full = (1,) * lead + shape
    if all(r == 1 for r in reps):
        return reshape(input, full).clone()
    split = [n for pair in zip([1] * len(full), full, strict=True) for n in pair]
    wide = [n for pair in zip(reps, full, strict=True) for n in pair]
    out = expand_to(reshape(input, split), tuple(wide))
    return reshape(_row_major(out), [r * n for r, n in zip(reps, full, strict=True)])


# ---- flipping, rolling, padding


def _flip_dims(arrays: list, params: dict) -> None:
    params["dims"] = normal_dims(params["dims"], arrays[0].ndim) if arrays[0].ndim else ()


@op(
    lambda g, dims: flip_over(g, dims),
    method=False,
    public=False,
    prepare=_flip_dims,
    node_name="Flip",
    examples=[case((2, 3), dims=(0,)), case((2, 3), dims=(0, 1))],
    layout="follow",
)
def flip_over(x, dims):
    """x in reverse order along `dims`; a copy."""
    return np.flip(x, dims).copy()


@composite()
def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """x in reverse order along `dims`; a copy."""
    return flip_over(input, normal_dims(_order("flip", dims, named), input.array.ndim))


@composite(examples=[case((2, 3))])
def fliplr(input: Tensor) -> Tensor:
    """x with its columns in reverse order."""
    if input.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_over(input, (1,))


@composite(examples=[case((2, 3))])
def flipud(input: Tensor) -> Tensor:
    """x with its rows in reverse order."""
    if not input.array.ndim:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_over(input, (0,))


@composite(fresh=True, examples=[case((2, 3), k=1), case((2, 3, 2), k=-1, dims=(1, 2))], node_name="Rot90")
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """x turned k times by 90 degrees in the plane of two dimensions, from the first towards the second;
    a copy."""
    n = input.array.ndim
    if not isinstance(dims, (tuple, list)):
        raise refused("rot90", "dims", 3, "tuple of ints", dims)
    dims = several("rot90", "dims", 3, dims)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    a, b = normal_dim(dims[0], n), normal_dim(dims[1], n)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    k %= 4
    if k == 2:
        return flip_over(input, (a, b))
    return clone(input) if not k else transpose(flip_over(input, (b if k == 1 else a,)), a, b)


def _moves(arrays: list, params: dict) -> None:
    params["shifts"] = several("roll", "shifts", 2, params["shifts"])
    if params["dims"] is not None:
        params["dims"] = several("roll", "dims", 3, params["dims"])


@op(
    lambda g, shifts, dims: roll(g, _negative(shifts), dims),
    prepare=_moves,
    examples=[
        case((2, 3), shifts=1),
        case((2, 3), shifts=(1, -2), dims=(0, 1)),
        case((4,), shifts=2, dims=0),
    ],
    layout="channels",
)
def roll(x, shifts, dims=None):
    """x with its elements moved on by `shifts` along `dims`, round the end; without dims, of x flattened."""
    moved = [shifts] if isinstance(shifts, int) else list(shifts)
    along = () if dims is None else [dims] if isinstance(dims, int) else list(dims)
    if not moved:
        raise RuntimeError("roll(): `shifts` required")
    if len(moved) != len(along) and (along or len(moved) > 1):
        raise ValueError(f"shifts and dimensions must align. shifts: {len(moved)}, dims:{len(along)}")
    if not x.size:
        return np.array(x)  # before the dimensions are looked at, as in PyTorch
    return np.roll(x, moved[0] if not along else moved, along or None)


def _negative(shifts: Any) -> Any:
    return -shifts if isinstance(shifts, int) else tuple(-s for s in shifts)


@op(
    lambda g, width: crop(g, width),
    method=False,
    public=False,
    node_name="ConstantPadNd",
    examples=[case((2, 3), width=((1, 0), (2, 1)), value=0.5)],
    layout="channels",
)
def pad_constant(x, width, value=0.0):
    """x with width[i] = (before, after) elements of `value` added along dimension i."""
    out = np.full(
        [n + a + b for n, (a, b) in zip(x.shape, width, strict=True)], dtypes.stored(value, x.dtype), x.dtype
    )
    out[tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, width, strict=True))] = x
    return out


@op(
    lambda g, width: pad_constant(g, width),
    method=False,
    public=False,
    examples=[case((4, 5), width=((1, 0), (2, 1)))],
)
def crop(x, width):
    """x without its first width[i][0] and last width[i][1] elements along dimension i; undoes a padding."""
    return x[tuple(slice(a, n - b) for n, (a, b) in zip(x.shape, width, strict=True))]
