"""Making tensors: from values, filled, in ranges, and like others."""

from __future__ import annotations

import builtins
import math
import sys
import warnings
from typing import Any

import numpy as np

from tinygrad6 import dtypes, layouts
from tinygrad6.arguments import plain, real, refused, scalar, truth, whole
from tinygrad6.arguments import tensors as each_tensor
from tinygrad6.devices import to_device
from tinygrad6.out import into
from tinygrad6.tensor import Tensor, as_array, flatten_sequence, wrap

_LARGEST = (1 << 63) - 1
_ROOM = {"layout", "pin_memory"}  # what PyTorch's constructors take besides


def _finish(array: np.ndarray, requires_grad: bool, device: Any = None, rest: dict | None = None) -> Tensor:
    """The tensor of a constructor, after its common arguments were looked at."""
    out = _besides(rest) if rest else None
    if device is not None:
        to_device(device)
    t = wrap(array)
    if out is not None:
        t = into(out if out.shape == t.shape else out.resize_(t.shape), t, "out")
    if requires_grad is False:
        return t
    if requires_grad is not True:
        raise TypeError(f"argument 'requires_grad' must be bool, not {type(requires_grad).__name__}")
    return t.requires_grad_()


def _caller() -> str:
    """The function that was called by the user."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_name.startswith("_"):
        frame = frame.f_back
    return frame.f_code.co_name


def _besides(rest: dict) -> Tensor | None:
    """Look at what seldom comes: the tensor given as `out`, if any."""
    out = rest.pop("out", None)
    if unknown := set(rest) - _ROOM:
        raise TypeError(f"{_caller()}() got an unexpected keyword argument '{sorted(unknown)[0]}'")
    if rest.get("pin_memory"):
        raise RuntimeError("pin_memory=True needs an accelerator: tinygrad6 computes on the CPU only")
    if str(rest.get("layout") or "torch.strided") != "torch.strided":
        raise NotImplementedError(f"layout {rest['layout']} is not supported: keep tensors strided")
    if out is not None and not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    return out


def _type(dtype: Any, default: np.dtype | None = None, rest: dict | None = None) -> np.dtype:
    """The type wanted, by `dtype`, by rest["out"], or by default."""
    if rest and isinstance(out := rest.get("out"), Tensor):
        if dtype is not None and dtypes.to_numpy(dtype) != out.array.dtype:
            raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
        return out.array.dtype
    if dtype is not None:
        return dtypes.to_numpy(dtype)
    return dtypes.default_float() if default is None else default


def _numeric(name: str, kind: np.dtype) -> np.dtype:
    if kind.kind == "b":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    return kind


def _shape(size: tuple, name: str) -> tuple[int, ...]:
    shape = tuple(plain(n) for n in flatten_sequence(size))
    if builtins.any(type(n) is not builtins.int for n in shape):
        raise TypeError(f"{name}(): sizes must be ints or one sequence of ints, got {size!r}")
    if builtins.any(n > _LARGEST for n in shape):
        raise TypeError(f"{name}(): sizes must fit in 64 bits, got {list(shape)}")
    if builtins.any(n < 0 for n in shape):
        raise RuntimeError(
            f"{name}(): trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    return shape


def _sequence(size: Any, name: str, position: int) -> tuple[int, ...]:
    """A shape that may not be a single int."""
    if not isinstance(size, (tuple, list)):
        raise refused(name, "size", position, "tuple of ints", size)
    return _shape(tuple(size), name)


def _size(size: tuple, rest: dict, name: str) -> tuple[int, ...]:
    """The shape given by position, or as size=; TypeError if it is missing."""
    if not size and "size" not in rest:
        raise TypeError(f"{name}() missing 1 required positional arguments: 'size'")
    return _shape(size or (rest.pop("size"),), name)


# ---- from values


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested sequences of them, arrays or tensors.

    Python floats become the default float (float32), ints int64, bools bool; arrays and tensors keep their
    type. ValueError for ragged nesting, TypeError for what is no number.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        _copied("torch.tensor")
    return _finish(
        as_array(data, None if dtype is None else dtypes.to_numpy(dtype), copy=True),
        requires_grad,
        device,
        {"pin_memory": pin_memory} if pin_memory else None,
    )


def _copied(call: str) -> None:
    warnings.warn(
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
        f"sourceTensor.detach().clone().requires_grad_(True), rather than {call}(sourceTensor).",
        stacklevel=3,
    )


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor: itself, or on its memory, where type and kind allow; else a copy."""
    to_device(device)
    kind = None if dtype is None else dtypes.to_numpy(dtype)
    if isinstance(data, Tensor):
        same = kind is None or kind == data.array.dtype
        return data if same else data.to(kind)
    return wrap(as_array(data, kind).view())


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """obj as a tensor on its memory where that is possible; detached if requires_grad is False.

    requires_grad None is obj's own, and warns where obj itself is returned, as in PyTorch.

    copy: True always copies; False raises ValueError where a copy is needed, as for lists and other types.
    """
    to_device(device)
    if requires_grad is not None and type(requires_grad) is not builtins.bool:
        truth("asarray", "requires_grad", 0, requires_grad)
    kind = None if dtype is None else dtypes.to_numpy(dtype)
    array = obj.array if isinstance(obj, Tensor) else obj
    shared = isinstance(array, np.ndarray) and (kind is None or kind == array.dtype)
    if copy is False and not shared:
        raise ValueError(
            "can't alias arbitrary sequence or another type into a tensor: give copy=True or None"
        )
    t = obj if isinstance(obj, Tensor) else wrap(as_array(obj, kind).view())
    if kind is not None:
        t = t.to(kind)
    if copy and shared:
        t = t.clone()
    if requires_grad is False and t.requires_grad:
        t = t.detach()
    if requires_grad is None and t is obj and t.requires_grad:
        warnings.warn(
            "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False. "
            "Pass requires_grad=False explicitly to get the old behavior and silence this warning.",
            stacklevel=2,
        )
    return t.requires_grad_() if requires_grad and not t.requires_grad else t


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the array's own memory; TypeError for anything but an ndarray of a supported type."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return wrap(as_array(ndarray).view())  # of its own: the array's shape may be set without harm


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor on the memory of an object with the buffer protocol."""
    count, offset = whole("frombuffer", "count", 3, count), whole("frombuffer", "offset", 4, offset)
    try:
        size = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError(f"frombuffer(): {type(buffer).__name__} gives no access to its memory") from None
    kind = dtypes.to_numpy(dtype)
    if count == 0 or not 0 <= offset < size or offset + max(count, 1) * kind.itemsize > size:
        raise ValueError(
            f"frombuffer(): count {count} and offset {offset} (bytes) do not lie in a buffer of {size} bytes"
        )
    return _finish(np.frombuffer(buffer, kind, count, offset), requires_grad)


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """A 0-d tensor of the default float."""
    if "out" in rest:
        raise TypeError("scalar_tensor() got an unexpected keyword argument 'out'")
    return _finish(np.array(scalar("scalar_tensor", "s", 1, s), _type(dtype)), requires_grad, device, rest)


# ---- filled


def zeros(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """Zeros of the given size (ints, or one sequence of them), in the default float."""
    return _finish(
        np.zeros(_size(size, rest, "zeros"), _type(dtype, None, rest)), requires_grad, device, rest
    )


def ones(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """Ones of the given size, in the default float."""
    return _finish(np.ones(_size(size, rest, "ones"), _type(dtype, None, rest)), requires_grad, device, rest)


def empty(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """Memory of the given size, its values not set."""
    memory_format = rest.pop("memory_format", None)
    made = np.empty(_size(size, rest, "empty"), _type(dtype, None, rest))
    return _finish(layouts.in_format(made, memory_format), requires_grad, device, rest)


def _held(value: Any, kind: np.dtype) -> Any:
    """The number, as `stored` gives it; small ones, which every type holds, as they are."""
    return value if 0 <= value <= 100 else dtypes.stored(value, kind)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """`fill_value` repeated; its type is the one the number becomes (float32 for 1.0, int64 for 1)."""
    value = scalar("full", "fill_value", 2, fill_value)
    kind = _type(dtype, dtypes.of_scalar(value), rest)
    return _finish(
        np.full(_sequence(size, "full", 1), _held(value, kind), kind),
        requires_grad,
        device,
        rest,
    )


def _like(name: str, make: Any, *needs: str) -> Any:
    def like(
        input: Tensor,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **rest: Any,
    ) -> Tensor:
        if not isinstance(input, Tensor):
            raise refused(name, "input", 1, "Tensor", input)
        kind, memory_format = _type(dtype, input.array.dtype), None
        if rest:
            memory_format = rest.pop("memory_format", None)
            args = (*args, *(rest.pop(k) for k in needs if k in rest))
        if len(args) != len(needs) or "out" in rest:
            raise TypeError(f"{name}() takes {('input', *needs)} and options, got {(input.shape, *args)}")
        made = make(input.array.shape, *args, kind)
        if memory_format is not None and str(memory_format) != "torch.preserve_format":
            made = layouts.in_format(made, memory_format)
        elif not input.array.flags.c_contiguous:
            made = layouts.ordered(made, layouts.axis_order(input.array))
        return _finish(made, requires_grad, device, rest)

    like.__name__ = like.__qualname__ = name
    like.__code__ = like.__code__.replace(co_name=name)  # for _caller
    like.__doc__ = f"As {name[:-5]}, in the shape and type of input."
    return like


zeros_like, ones_like, empty_like = (
    _like("zeros_like", np.zeros),
    _like("ones_like", np.ones),
    _like("empty_like", np.empty),
)
full_like = _like(
    "full_like",
    lambda shape, v, kind: np.full(shape, _held(scalar("full_like", "fill_value", 2, v), kind), kind),
    "fill_value",
)


def _new(name: str, make: Any) -> Any:
    def new(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **rest: Any,
    ) -> Tensor:
        if "out" in rest:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
        return _finish(
            make(_size(size, rest, name), _type(dtype, self.array.dtype)), requires_grad, device, rest
        )

    new.__name__ = name
    new.__doc__ = f"As {name[4:]}, in the type of self unless dtype is given."
    return new


def _new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """As full, in the type of self unless dtype is given."""
    return full(
        _sequence(size, "new_full", 1),
        fill_value,
        dtype=_type(dtype, self.array.dtype),
        device=device,
        requires_grad=requires_grad,
        layout=layout,
        pin_memory=pin_memory,
    )


def _new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """As tensor, in the type of self unless dtype is given."""
    if isinstance(data, Tensor):
        _copied("tensor.new_tensor")
        data = data.array
    return tensor(data, dtype=_type(dtype, self.array.dtype), requires_grad=requires_grad, **rest)


Tensor.new_zeros = _new("new_zeros", np.zeros)  # type: ignore[attr-defined]
Tensor.new_ones = _new("new_ones", np.ones)  # type: ignore[attr-defined]
Tensor.new_empty, Tensor.new_full = _new("new_empty", np.empty), _new_full  # type: ignore[attr-defined]
Tensor.new_tensor = _new_tensor  # type: ignore[attr-defined]
for _function in (_new_full, _new_tensor):  # which says what is missing
    _function.__name__ = _function.__qualname__ = _function.__name__.lstrip("_")


# ---- ranges


def arange(
    *bounds: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **rest: Any
) -> Tensor:
    """start, start + step, ... below end: arange(end), arange(start, end) or arange(start, end, step).

    int64 if all are integers, else the default float. RuntimeError for a zero step or one of the wrong sign.
    """
    named = {k: rest.pop(k) for k in ("start", "end", "step") if k in rest}
    if len(bounds) > 3:
        raise TypeError(f"arange() takes from 1 to 3 positional arguments but {len(bounds)} were given")
    order = ["end"] if len(bounds) == 1 else ["start", "end", "step"]
    values: dict[str, Any] = {"start": 0, "step": 1}
    values |= dict(zip(order, bounds, strict=False)) | named
    if "end" not in values:
        raise TypeError("arange() missing 1 required argument: 'end'")
    start, end, step = (
        scalar("arange", name, i + 1, values[name]) for i, name in enumerate(("start", "end", "step"))
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end) and step == step):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = builtins.all(isinstance(v, int) for v in (start, end, step))
    kind = _type(dtype, dtypes.INT64 if whole else None, rest)
    _numeric("arange", kind)
    if whole:
        return _finish(np.arange(start, end, step).astype(kind, copy=False), requires_grad, device, rest)
    n = math.ceil((end - start) / step)
    if kind.kind != "f":
        if int(step) == 0 and kind == dtypes.INT64:  # narrower integers repeat the start, as in PyTorch
            raise ValueError(f"arange(): step must be nonzero, also as torch.int64, got {step}")
        return _finish((int(start) + int(step) * np.arange(n)).astype(kind), requires_grad, device, rest)
    return _finish((start + step * np.arange(n, dtype=np.float64)).astype(kind), requires_grad, device, rest)


def _end(name: str, position: int, value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.array.ndim:
            raise RuntimeError(
                f"linspace only supports 0-dimensional start and end tensors, but got {name} with "
                f"{value.array.ndim} dimension(s)."
            )
        value = value.array.item()
    return scalar("linspace", name, position, value)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """`steps` numbers from start to end, both included, evenly spaced, counted from the nearer end."""
    steps = whole("linspace", "steps", 3, steps)
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    start, end = _end("start", 1, start), _end("end", 2, end)
    kind = _numeric("linspace", _type(dtype, None, rest))
    if kind.kind != "f":
        start, end = math.trunc(start), math.trunc(end)
        step: Any = np.longdouble((end - start) / (steps - 1) if steps > 1 else 0)
        i = np.arange(steps)
        values = np.where(i < (steps // 2 or 1), start + step * i, end - step * (steps - 1 - i))
        values = values.astype(np.float64)  # rounded once, as fma does
        return _finish(np.trunc(values).astype(kind), requires_grad, device, rest)
    work = np.float32 if kind == dtypes.FLOAT16 else kind.type
    first, last = work(start), work(end)
    step = (last - first) / work(steps - 1) if steps > 1 else work(0)
    i = np.arange(steps).astype(work)
    # in float64, and so rounded once, as fma does
    low = np.asarray(first.astype(np.float64) + step.astype(np.float64) * i).astype(work)
    high = np.asarray(last.astype(np.float64) - step.astype(np.float64) * (steps - 1 - i)).astype(work)
    return _finish(
        np.where(np.arange(steps) < steps // 2, low, high if steps > 1 else low).astype(kind),
        requires_grad,
        device,
        rest,
    )


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """base to the powers linspace(start, end, steps)."""
    base = real("logspace", "base", 4, base)
    powers = linspace(start, end, steps, dtype=dtypes.float64).array
    with np.errstate(over="ignore"):
        return _finish(
            np.power(float(base), powers).astype(_numeric("logspace", _type(dtype, None, rest))),
            requires_grad,
            device,
            rest,
        )


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """The (n, m) matrix with ones on its diagonal; m = n by default."""
    n, m = whole("eye", "n", 1, n), None if m is None else whole("eye", "m", 2, m)
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"eye(): n and m must be greater or equal to 0, got n={n}, m={m}")
    return _finish(np.eye(n, m, dtype=_type(dtype, None, rest)), requires_grad, device, rest)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The grids of coordinates of 1-d tensors.

    indexing: "ij", the default (the first varies along rows), or "xy".
    """
    items = each_tensor("meshgrid", flatten_sequence(tensors))
    indexing = "ij" if indexing is None else indexing
    if not isinstance(indexing, str):
        raise refused("meshgrid", "indexing", 0, "str", indexing)
    if not items:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if any_deep := [t for t in items if t.ndim > 1]:
        raise RuntimeError(
            "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got one of shape "
            f"{list(any_deep[0].shape)}"
        )
    if len({t.array.dtype for t in items}) > 1:
        kinds = ", ".join(str(t.dtype) for t in items)
        raise RuntimeError(f"meshgrid expects all tensors to have the same dtype, got {kinds}")
    items = [t.reshape(1) if t.ndim == 0 else t for t in items]
    if indexing == "xy" and len(items) > 1:
        items = [items[1], items[0], *items[2:]]
    shape = tuple(t.array.size for t in items)
    grids = [
        t.reshape([-1 if j == i else 1 for j in builtins.range(len(items))]).expand(shape)
        for i, t in enumerate(items)
    ]
    if indexing == "xy" and len(items) > 1:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def complex(*args: Any, **kwargs: Any) -> Tensor:
    """Complex tensors are not supported: NotImplementedError."""
    raise NotImplementedError("complex tensors are not supported")


def range(start: Any = 0, end: Any = None, step: Any = 1, **rest: Any) -> Tensor:
    """start, start + step, ... up to end, which is included, in the default float: PyTorch's old range.

    Prefer arange.
    """
    if end is None:
        raise TypeError("range() missing 1 required positional argument: 'end'")
    start, end, step = (
        scalar("range", n, i + 1, v)
        for i, (n, v) in enumerate(zip(("start", "end", "step"), (start, end, step)))
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not builtins.all(map(math.isfinite, (start, end, step))):
        raise RuntimeError(f"unsupported range: {start} -> {end} by {step}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = _numeric("range", _type(rest.pop("dtype", None), None, rest))
    values = start + float(step) * np.arange(math.floor((end - start) / step) + 1)
    return _finish(values.astype(kind), rest.pop("requires_grad", False), rest.pop("device", None), rest)


def _window(name: str, doc: str, shape: Any, *options: tuple[str, Any]) -> Any:
    names = [n for n, _ in options]

    def window(
        window_length: int,
        periodic: bool = True,
        *given: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **rest: Any,
    ) -> Tensor:
        window_length = whole(name, "window_length", 1, window_length)
        if type(periodic) is not builtins.bool:
            truth(name, "periodic", 2, periodic)
        if len(given) > len(names):
            raise TypeError(f"{name}() takes at most {2 + len(names)} positional arguments")
        given = tuple(real(name, n, i, v) for i, (n, v) in enumerate(zip(names, given, strict=False), 3))
        if window_length < 0:
            raise RuntimeError(
                f"{name} requires non-negative window_length, got window_length={window_length}"
            )
        kind = _type(dtype)
        if unknown := set(rest) - set(names) - _ROOM:
            raise TypeError(f"{name}() got an unexpected keyword argument '{min(unknown)}'")
        if kind.kind != "f":
            raise RuntimeError(f"{name} expects floating point dtypes, got: {dtypes.from_numpy(kind)}")
        values = {**dict(options), **dict(zip(names, given, strict=False))}
        values.update({k: rest.pop(k) for k in names if k in rest})
        n = window_length + 1 if periodic else window_length
        x = np.arange(window_length) / max(n - 1, 1)
        out = (
            shape(x, **values) if window_length > 1 or periodic and window_length else np.ones(window_length)
        )
        return _finish(
            np.asarray(out if window_length > 1 else np.ones(window_length)).astype(kind),
            requires_grad,
            device,
            rest,
        )

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"{doc} Of one period of window_length, or symmetric if not periodic."
    return window


hann_window = _window("hann_window", "sin(pi x)^2.", lambda x: 0.5 - 0.5 * np.cos(2 * math.pi * x))
hamming_window = _window(
    "hamming_window",
    "alpha - beta cos(2 pi x).",
    lambda x, alpha, beta: alpha - beta * np.cos(2 * math.pi * x),
    ("alpha", 0.54),
    ("beta", 0.46),
)
blackman_window = _window(
    "blackman_window",
    "0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x).",
    lambda x: 0.42 - 0.5 * np.cos(2 * math.pi * x) + 0.08 * np.cos(4 * math.pi * x),
)
bartlett_window = _window("bartlett_window", "1 - |2 x - 1|.", lambda x: 1 - np.abs(2 * x - 1))
kaiser_window = _window(
    "kaiser_window",
    "I0(beta sqrt(1 - (2 x - 1)^2)) / I0(beta).",
    lambda x, beta: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta),
    ("beta", 12.0),
)
