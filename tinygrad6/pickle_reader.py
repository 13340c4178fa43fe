"""Reading the part of the pickle format that checkpoints need, without running anything.

A pickle is a program for a small stack machine, and pickle.load runs what it says: calls of any function
there is. `Reader` executes the stack machine itself; functions exist in it only as the names in its table,
each with its arguments checked, and nothing is allocated because a number in the file says so: lengths are
compared with what is there first. Nor can a file ask for one thing to be copied again and again: what calls
make is counted, and must not become much more than the file has (`_COPIES`).

The format: `pickletools` in the standard library; PEP 307, 3154, 574.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

import numpy as np

from tinygrad6.pickle_writer import STORAGES, is_key
from tinygrad6.devices import device
from tinygrad6.tensor import Size, Tensor, wrap


class Function:
    """A function as the reader knows it: a name in the file, and what it stands for."""

    def __init__(self, name: str, call: Callable) -> None:
        self.name, self.call = name, call

    def __repr__(self) -> str:
        return f"<{self.name} in a file>"


class StorageType:
    """`torch.FloatStorage` and the like: the element type of a storage. None for bfloat16."""

    def __init__(self, kind: np.dtype | None) -> None:
        self.kind = kind


class Dtype:
    """A NumPy dtype under construction."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?[biufc]([1248]|16)", code):
            raise UnpicklingError(f"an array of NumPy type {code!r}: only numbers and bools are read")
        self.real = np.dtype(code)

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise UnpicklingError("the state of a NumPy type is not valid")
        self.real = self.real.newbyteorder(state[1])


_MARK = object()
_COPIES = 4  # bytes that calls may make for each byte of a pickle: an honest one makes two or three
_SMALL = 64  # so many are free: several objects may well be made of one short text or tuple
_LEAST: dict[type, int] = dict.fromkeys((set, frozenset, OrderedDict, Counter, Size), 8)  # for each member
_LEAST |= {bytes: 1, bytearray: 1}


class Reader:
    """Executes a pickle in `data` from `position` on: `load()` gives the value, `position` is then its end.

    `rebuild` makes a tensor from (storage, offset, size, stride, requires_grad), `storage` a storage from a
    persistent id. UnpicklingError for anything else than tensors and plain data, and for damage.
    """

    def __init__(
        self, data: Any, storage: Callable[[tuple], Any], rebuild: Callable[..., Any], position: int = 0
    ) -> None:
        self.data, self.position = memoryview(data), position
        self.storage, self.rebuild = storage, rebuild
        self.allowance = _COPIES * len(self.data)
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.globals = dict(_GLOBALS)
        tensor = Function("torch._utils._rebuild_tensor_v2", self._tensor)
        self.globals["torch._utils._rebuild_tensor_v2"] = tensor
        self.globals["torch._utils._rebuild_tensor"] = tensor

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any = False, *rest: Any
    ) -> Any:
        return self.rebuild(storage, offset, size, stride, grad)

    def load(self) -> Any:
        start = self.position
        try:
            return self._run()
        except UnpicklingError:
            raise
        except (
            IndexError,
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            OverflowError,
            RecursionError,
            struct.error,
        ) as e:
            raise UnpicklingError(
                f"the pickle is damaged: near byte {self.position - start} of it: {type(e).__name__}: {e}"
            ) from None

    def take(self, n: int) -> memoryview:
        start = self.position
        if not 0 <= n <= len(self.data) - start:
            raise UnpicklingError(
                f"the pickle is damaged: {n} bytes are announced where {len(self.data) - start} are left"
            )
        self.position = start + n
        return self.data[start : self.position]

    def unpack(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = bytes(self.data[self.position : self.position + 300]).find(b"\n")
        if end < 0:
            raise UnpicklingError("the pickle is damaged: a name does not end")
        return bytes(self.take(end + 1)[:-1]).decode()

    def _run(self) -> Any:
        while True:
            code = self.data[self.position]
            self.position += 1
            if code == 0x2E:  # STOP
                (value,) = self.stack
                return value
            try:
                step = _STEPS[code]
            except KeyError:
                raise UnpicklingError(
                    f"the pickle is damaged, or holds other than tensors and plain data: opcode {code:#04x}"
                ) from None
            step(self)

    # ---- steps that need more than a line

    def _marked(self) -> list:
        """The items above the last mark, which go from the stack."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise UnpicklingError("the pickle is damaged: no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _find(self, module: str, name: str) -> None:
        if module == "__builtin__":
            module = "builtins"
        full = f"{module}.{name}"
        if full not in self.globals:
            raise UnpicklingError(
                f"the file asks for {full}, which is refused: only tensors, arrays and plain containers "
                "are read. Save a state_dict instead of the object, where the file was made. If you trust "
                "the file, load(..., weights_only=False) rebuilds objects of classes that are defined here."
            )
        self.stack.append(self.globals[full])

    def _reduce(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Function) or type(args) is not tuple:
            raise UnpicklingError(f"the pickle is damaged: a call of {type(function).__name__}")
        value = function.call(*args)
        each = _LEAST.get(type(value))
        size = each * len(value) if each else value.nbytes if type(value) is np.ndarray else 0
        if size > _SMALL:
            self.allowance -= size
            if self.allowance < 0:
                raise UnpicklingError(
                    "the pickle is damaged: it asks for much more memory than it has itself"
                )
        self.stack.append(value)

    def _persistent(self) -> None:
        key = self.stack.pop()
        if type(key) is not tuple or len(key) < 5 or key[0] != "storage":
            raise UnpicklingError("the pickle is damaged: a persistent id that is no storage")
        self.stack.append(self.storage(key))

    def _new(self) -> None:
        raise UnpicklingError("the file holds an object: load(..., weights_only=False) rebuilds it")

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is np.ndarray:
            _, shape, kind, fortran, raw = state
            if type(shape) is not tuple or not _are_sizes(shape):
                raise UnpicklingError("an array of a shape that is none")
            if type(raw) is not bytes or len(raw) != math.prod(shape) * kind.real.itemsize:
                raise UnpicklingError(f"an array of shape {shape} with {len(raw)} bytes")
            as_type(np.frombuffer(raw, np.uint8), kind.real)
            target.__setstate__((1, shape, kind.real, bool(fortran), raw))  # type: ignore[arg-type]
        elif type(target) is Dtype:
            target.build(state)
        elif type(target) is OrderedDict and type(state) is dict:
            if type(state.get("_metadata")) is OrderedDict:
                target._metadata = state["_metadata"]  # type: ignore[attr-defined]
        else:
            raise UnpicklingError(f"the file sets attributes of a {type(target).__name__}, which is refused")

    def _append(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise UnpicklingError("the pickle is damaged: items for what is no list")
        target.extend(items)

    def _set_items(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter) or len(items) % 2:
            raise UnpicklingError("the pickle is damaged: pairs for what is no dict")
        for k, v in zip(items[::2], items[1::2]):
            target[_key(k)] = v

    def _add(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise UnpicklingError("the pickle is damaged: members for what is no set")
        target.update(map(_key, items))

    def _wrap_last(self, n: int) -> None:
        if len(self.stack) < n or any(v is _MARK for v in self.stack[-n:]):
            raise UnpicklingError("the pickle is damaged: a tuple of too many")
        self.stack[-n:] = [tuple(self.stack[-n:])]


def _key(value: Any) -> Any:
    if not is_key(value):
        raise UnpicklingError(f"a {type(value).__name__} as a key or member of a set is refused")
    return value


def _are_sizes(numbers: Any) -> bool:
    """Whether they may be the sizes of an array: few and not huge, so that their product is quickly there."""
    return len(numbers) <= 64 and all(type(n) is int and 0 <= n < 1 << 63 for n in numbers)


def as_type(raw: np.ndarray, kind: Any) -> np.ndarray:
    """Bytes as elements of a type; ValueError for bools that are neither 0 nor 1."""
    if np.dtype(kind).kind == "b" and raw.size and raw.max() > 1:
        raise ValueError("bools must be 0 or 1")
    return raw.view(kind)


def _text(raw: Any) -> str:
    return str(raw, "utf-8", "surrogatepass")


def _long(raw: Any) -> int:
    return int.from_bytes(raw, "little", signed=True)


Step = Callable[[Reader], Any]
_STEPS: dict[int, Step] = {
    ord("("): lambda r: r.stack.append(_MARK),
    ord("0"): lambda r: r.stack.pop(),
    ord("N"): lambda r: r.stack.append(None),
    0x88: lambda r: r.stack.append(True),
    0x89: lambda r: r.stack.append(False),
    ord("K"): lambda r: r.stack.append(r.unpack("<B")),
    ord("M"): lambda r: r.stack.append(r.unpack("<H")),
    ord("J"): lambda r: r.stack.append(r.unpack("<i")),
    0x8A: lambda r: r.stack.append(_long(r.take(r.unpack("<B")))),
    0x8B: lambda r: r.stack.append(_long(r.take(r.unpack("<i")))),
    ord("G"): lambda r: r.stack.append(r.unpack(">d")),
    ord("X"): lambda r: r.stack.append(_text(r.take(r.unpack("<I")))),
    0x8C: lambda r: r.stack.append(_text(r.take(r.unpack("<B")))),
    0x8D: lambda r: r.stack.append(_text(r.take(r.unpack("<Q")))),
    ord("C"): lambda r: r.stack.append(bytes(r.take(r.unpack("<B")))),
    ord("B"): lambda r: r.stack.append(bytes(r.take(r.unpack("<I")))),
    0x8E: lambda r: r.stack.append(bytes(r.take(r.unpack("<Q")))),
    0x96: lambda r: r.stack.append(bytearray(r.take(r.unpack("<Q")))),
    ord("]"): lambda r: r.stack.append([]),
    ord("}"): lambda r: r.stack.append({}),
    ord(")"): lambda r: r.stack.append(()),
    0x8F: lambda r: r.stack.append(set()),
    ord("t"): lambda r: r.stack.append(tuple(r._marked())),
    0x85: lambda r: r._wrap_last(1),
    0x86: lambda r: r._wrap_last(2),
    0x87: lambda r: r._wrap_last(3),
    ord("a"): lambda r: r._append([r.stack.pop()]),
    ord("e"): lambda r: r._append(r._marked()),
    ord("s"): lambda r: r._set_items([r.stack.pop(), r.stack.pop()][::-1]),
    ord("u"): lambda r: r._set_items(r._marked()),
    0x90: lambda r: r._add(r._marked()),
    0x91: lambda r: r.stack.append(frozenset(map(_key, r._marked()))),
    ord("q"): lambda r: r.memo.__setitem__(r.unpack("<B"), r.stack[-1]),
    ord("r"): lambda r: r.memo.__setitem__(r.unpack("<I"), r.stack[-1]),
    0x94: lambda r: r.memo.__setitem__(len(r.memo), r.stack[-1]),
    ord("h"): lambda r: r.stack.append(r.memo[r.unpack("<B")]),
    ord("j"): lambda r: r.stack.append(r.memo[r.unpack("<I")]),
    ord("c"): lambda r: r._find(r.line(), r.line()),
    0x93: lambda r: r._find(*_two_names(r)),
    ord("R"): lambda r: r._reduce(),
    0x81: lambda r: r._new(),
    ord("Q"): lambda r: r._persistent(),
    ord("b"): lambda r: r._build(),
    0x80: lambda r: _protocol(r.unpack("<B")),
    0x95: lambda r: r.unpack("<Q"),  # FRAME: its length is a hint for streams
}


def _two_names(r: Reader) -> tuple[str, str]:
    name, module = r.stack.pop(), r.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise UnpicklingError("the pickle is damaged: a name that is no string")
    return module, name


def _protocol(n: int) -> None:
    if not 2 <= n <= 5:
        raise UnpicklingError(f"pickle protocol {n} is not supported: save with protocols 2 to 5")


# ---- what the names in a file stand for


def _typed(name: str, call: Callable, *kinds: Any) -> tuple[str, Function]:
    """A function of exactly these argument types."""

    def checked(*args: Any) -> Any:
        if len(args) != len(kinds) or not all(isinstance(a, k) for a, k in zip(args, kinds)):
            raise UnpicklingError(f"{name} with arguments of types {[type(a).__name__ for a in args]}")
        return call(*args)

    return name, Function(name, checked)


def _ordered_dict(*args: Any) -> OrderedDict:
    if args and not (len(args) == 1 and type(args[0]) is list):
        raise UnpicklingError("collections.OrderedDict with arguments that are no list of pairs")
    return OrderedDict((_key(k), v) for k, v in (args[0] if args else ()))


def _encode(text: str, codec: str) -> bytes:
    if codec not in ("latin1", "latin-1"):
        raise UnpicklingError(f"bytes in codec {codec!r}: only latin1 is used in pickles")
    return text.encode("latin1")


def _size(items: Any) -> Size:
    return Size(int(n) for n in items)


def _parameter(data: Any, requires_grad: Any, *hooks_and_state: Any) -> Any:
    from tinygrad6.nn.parameter import Parameter

    if data is None:  # in the first of two passes over an old file
        return None
    if not isinstance(data, Tensor):
        raise UnpicklingError("a parameter that is no tensor")
    return Parameter(data, bool(requires_grad))


def _from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor with attributes, which are left out."""
    if not isinstance(function, Function) or type(args) is not tuple:
        raise UnpicklingError("the pickle is damaged: _rebuild_from_type_v2")
    return function.call(*args)


def _reconstruct(kind: Any, shape: Any, code: Any) -> np.ndarray:
    return np.empty(0, np.int8)


def _scalar(kind: Dtype, raw: bytes) -> Any:
    if len(raw) != kind.real.itemsize:
        raise UnpicklingError("a NumPy number of the wrong length")
    return as_type(np.frombuffer(raw, np.uint8), kind.real)[0]


def _frombuffer(raw: Any, kind: Dtype, shape: tuple, order: str) -> np.ndarray:
    if not _are_sizes(shape):
        raise UnpicklingError("an array of a shape that is none")
    array = as_type(np.frombuffer(raw, np.uint8), kind.real)
    return array.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _stand_in(name: str) -> tuple[str, Function]:
    def refuse(*args: Any) -> Any:
        raise UnpicklingError(f"a call of {name} is refused")

    return name, Function(name, refuse)


def _named() -> Iterator[tuple[str, Any]]:
    """All that a file may name, and what stands for it here: nothing is looked up anywhere else."""
    yield "collections.OrderedDict", Function("collections.OrderedDict", _ordered_dict)
    yield _typed("collections.Counter", lambda d: Counter({k: v for k, v in d.items()}), dict)
    yield _typed("builtins.set", lambda items: {_key(i) for i in items}, list)
    yield _typed("builtins.frozenset", lambda items: frozenset(_key(i) for i in items), list)
    yield _typed("builtins.bytearray", bytearray, bytes)
    yield _typed("builtins.bytes", bytes)  # no bytes, in protocol 2
    yield _typed("builtins.complex", complex, float, float)
    yield _typed("_codecs.encode", _encode, str, str)
    yield _typed("torch.Size", _size, (tuple, list))
    yield "torch.device", Function("torch.device", device)
    yield "torch._utils._rebuild_parameter", Function("torch._utils._rebuild_parameter", _parameter)
    yield (
        "torch._utils._rebuild_parameter_with_state",
        Function("torch._utils._rebuild_parameter", _parameter),
    )
    yield "torch._tensor._rebuild_from_type_v2", Function("torch._tensor._rebuild_from_type_v2", _from_type)
    yield _stand_in("torch.Tensor")
    yield _stand_in("torch.nn.parameter.Parameter")
    yield _stand_in("torch.nn.parameter.Buffer")
    yield _stand_in("numpy.ndarray")
    yield "numpy.dtype", Function("numpy.dtype", Dtype)
    for module in ("numpy.core", "numpy._core"):
        yield f"{module}.multiarray._reconstruct", Function("numpy._reconstruct", _reconstruct)
        yield _typed(f"{module}.multiarray.scalar", _scalar, Dtype, bytes)
        yield _typed(f"{module}.numeric._frombuffer", _frombuffer, (bytes, bytearray), Dtype, tuple, str)
    for name, d in STORAGES.items():
        yield f"torch.{name}Storage", StorageType(d.np)
        yield f"torch.{d.name}", d
    yield "torch.BFloat16Storage", StorageType(None)


_GLOBALS: dict[str, Any] = dict(_named())


def tensor_at(
    array: np.ndarray, offset: Any, size: Any, stride: Any, requires_grad: bool, kind: type = Tensor
) -> Any:
    """A tensor of `size` and `stride` from element `offset` of a 1-d array on; ValueError outside it."""
    if not (len(size) == len(stride) and _are_sizes(size) and _are_sizes(stride) and _are_sizes((offset,))):
        raise ValueError("offset, size and stride do not describe a tensor")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if 0 not in size else offset - 1
    if last >= array.size:
        raise ValueError(
            f"a tensor of size {list(size)} needs {last + 1} elements, its storage has {array.size}"
        )
    steps = [s * array.itemsize for s in stride]
    view = (
        np.ndarray(size, array.dtype, array, offset * array.itemsize, steps)
        if array.size
        else np.empty(size, array.dtype)
    )
    return wrap(view, kind).requires_grad_(bool(requires_grad))
