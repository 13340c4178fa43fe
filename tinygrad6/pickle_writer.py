"""Writing the part of the pickle format that checkpoints need, without running anything.

A pickle is a program for a small stack machine. `Writer` emits only what PyTorch's
`torch.load(weights_only=True)` takes, but for arrays and frozensets, which PyTorch takes only when told to.
What a file may hold is decided here, by an explicit list of types.

The format: `pickletools` in the standard library; PEP 307.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.devices import device
from tinygrad6.tensor import Size, Tensor

STORAGES = {dtypes.TYPE_NAMES[d.name]: d for d in dtypes.ALL}
_STORAGE_OF = {d.np: f"{name}Storage" for name, d in STORAGES.items()}
_ARRAYS = "?bBhHiIlLqQefdFD"  # NumPy types without Python objects inside
_KEYS = (str, float, bool, bytes, type(None), complex, dtypes.dtype, device)


class Writer:
    """`data` is the pickle of `value`; `storages` the memory of its tensors, as bytes, by their numbers.

    Tensors that share memory, and containers that occur twice, do so again after loading. TypeError,
    which names the place in the nest, for what has no class or function of its name to be found by. Objects
    are written by pickle_objects.py.
    """

    def __init__(self, value: Any) -> None:
        self.data = bytearray(b"\x80\x02")
        self.storages: list[np.ndarray] = []
        self._keys: dict[Any, int] = {}  # (address, size, dtype) of a storage -> its number
        self._memo: dict[Any, int] = {}
        self._alive: list[Any] = []  # what the memo knows by id must not be freed and its id given to another
        self._path: list[str] = []
        try:
            self._value(value)
        except RecursionError:
            raise TypeError("save(): the value is nested too deeply") from None
        self.data += b"."

    def _refuse(self, value: Any) -> NoReturn:
        kind, where = type(value), "".join(self._path)
        place = f"at {where}" if where else "as the whole value"
        hint = "there is no class or function of its name to find it by, or it is no object of Python's"
        if hasattr(value, "state_dict"):
            hint += ": save its state_dict(), and load that into a new object"
        raise TypeError(f"save(): a {kind.__module__}.{kind.__qualname__} {place} cannot be stored: {hint}")

    def _value(self, v: Any) -> None:
        out, kind = self.data, type(v)
        if v is None:
            out += b"N"
        elif kind is bool:
            out += b"\x88" if v else b"\x89"
        elif kind is int:
            self._int(v)
        elif kind is float:
            out += b"G" + struct.pack(">d", v)
        elif kind is str:
            self._memoized(("str", v), lambda: self._text(v))
        elif kind is Size:
            self._call("torch", "Size", (tuple(v),))
        elif kind is dtypes.dtype:
            self._global("torch", v.name)
        elif kind is device:
            self._call("torch", "device", (v.type,) if v.index is None else (v.type, v.index))
        elif kind is bytes:
            self._bytes(v)
        elif kind is complex:
            self._call("__builtin__", "complex", (v.real, v.imag))
        elif kind is tuple:
            self._tuple(v)
        else:
            self._object(v, kind)

    def _object(self, v: Any, kind: type) -> None:
        """What may occur twice in the nest, and is one object then."""
        key = ("object", id(v))
        if key in self._memo:
            self._get(key)
            return
        self._alive.append(v)
        if kind is list:
            self.data += b"]"
            self._put(key)
            self._items(v, b"e")
        elif kind is dict:
            self.data += b"}"
            self._put(key)
            self._pairs(v)
        elif kind is OrderedDict:
            self._call("collections", "OrderedDict", ())
            self._put(key)
            self._pairs(v)
            if metadata := getattr(v, "_metadata", None):  # versions of modules, in a state_dict
                self._value({"_metadata": metadata})
                self.data += b"b"
        elif kind is Counter:
            self._call("collections", "Counter", (dict(v),))
            self._put(key)
        elif kind is set or kind is frozenset:
            for item in v:
                self._check_key(item)
            self._call("__builtin__", kind.__name__, (_in_order(v),))
            self._put(key)
        elif kind is bytearray:
            self._call("__builtin__", "bytearray", (bytes(v),))
            self._put(key)
        elif isinstance(v, Tensor):
            self._tensor(v, kind)
            self._put(key)
        elif isinstance(v, (np.ndarray, np.generic)) and v.dtype.char in _ARRAYS:
            self._array(v)
            self._put(key)
        else:
            from tinygrad6 import pickle_objects  # rarely needed

            pickle_objects.write(self, v, key)

    # ---- atoms

    def _int(self, v: int) -> None:
        if -(1 << 31) <= v < 1 << 31:
            self.data += b"K" + bytes([v]) if 0 <= v < 256 else b"J" + struct.pack("<i", v)
        else:
            raw = v.to_bytes(v.bit_length() // 8 + 1, "little", signed=True)
            self.data += (
                b"\x8a" + bytes([len(raw)]) if len(raw) < 256 else b"\x8b" + struct.pack("<i", len(raw))
            )
            self.data += raw

    def _text(self, v: str) -> None:
        raw = v.encode("utf-8", "surrogatepass")
        self.data += b"X" + struct.pack("<I", len(raw)) + raw

    def _bytes(self, v: bytes) -> None:
        """As the call that makes them of text, which protocol 2 demands.

        The text is not memoized: it is rarely needed twice, and a reader counts what is copied from one.
        """
        self._global("_codecs", "encode")
        self.data += b"("
        self._text(v.decode("latin1"))
        self._value("latin1")
        self.data += b"tR"

    def _global(self, module: str, name: str) -> None:
        self._memoized(("global", module, name), lambda: self.data.extend(f"c{module}\n{name}\n".encode()))

    def _call(self, module: str, name: str, args: tuple) -> None:
        self._global(module, name)
        self._tuple(args)
        self.data += b"R"

    # ---- the memo

    def _put(self, key: Any) -> None:
        n = self._memo[key] = len(self._memo)
        self.data += b"q" + bytes([n]) if n < 256 else b"r" + struct.pack("<I", n)

    def _get(self, key: Any) -> None:
        n = self._memo[key]
        self.data += b"h" + bytes([n]) if n < 256 else b"j" + struct.pack("<I", n)

    def _memoized(self, key: Any, write: Callable[[], Any]) -> None:
        if key in self._memo:
            self._get(key)
        else:
            write()
            self._put(key)

    # ---- containers

    def _items(self, items: Any, end: bytes) -> None:
        self.data += b"("
        for i, item in enumerate(items):
            self._path.append(f"[{i}]")
            self._value(item)
            self._path.pop()
        self.data += end

    def _tuple(self, items: tuple) -> None:
        if items:
            self._items(items, b"t")
        else:
            self.data += b")"

    def _pairs(self, mapping: dict) -> None:
        self.data += b"("
        for k, v in mapping.items():
            self._path.append(f"[{k!r}]")
            self._check_key(k)
            self._value(k)
            self._value(v)
            self._path.pop()
        self.data += b"u"

    def _check_key(self, key: Any) -> None:
        if not is_key(key):
            self._refuse(key)

    # ---- tensors and arrays

    def _tensor(self, t: Tensor, kind: type) -> None:
        from tinygrad6.nn.parameter import Buffer, Parameter  # the layer above: only its names are needed

        hooks: OrderedDict = OrderedDict()
        if kind is Parameter:
            self._global("torch._utils", "_rebuild_parameter")
            self.data += b"("
            self._rebuild(t.array, False, hooks)
            self._value(t.requires_grad)
            self._value(hooks)
            self.data += b"tR"
        elif kind is Tensor or kind is Buffer:
            self._rebuild(t.array, t.requires_grad, hooks)
        else:
            self._refuse(t)

    def _rebuild(self, array: np.ndarray, requires_grad: bool, hooks: OrderedDict) -> None:
        key, numel, start, array = self._storage(array)
        self._global("torch._utils", "_rebuild_tensor_v2")
        self.data += b"(("
        self._value("storage")
        self._global("torch", _STORAGE_OF[array.dtype])
        for part in (str(key), "cpu", numel):
            self._value(part)
        self.data += b"tQ"  # a persistent id: what is not in the pickle
        strides = tuple(s // array.itemsize for s in array.strides)
        for v in (start, array.shape, strides, requires_grad, hooks):
            self._value(v)
        self.data += b"tR"

    def _storage(self, array: np.ndarray) -> tuple[int, int, int, np.ndarray]:
        """The storage `array` lies in: number, length, the array's first element there; and the array."""
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        size = array.itemsize
        whole = root.flags.forc and root.nbytes % size == 0
        start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        if not whole or start % size or any(s < 0 or s % size for s in array.strides):
            root = array = np.array(array, order="C")  # a layout that storages do not have
            start = 0
        address = root.__array_interface__["data"][0]
        key = (address, root.nbytes, array.dtype)
        if key not in self._keys:
            self._keys[key] = len(self.storages)
            self.storages.append(root.reshape(-1, order="A").view(np.uint8))
        self._alive.append(root)
        return self._keys[key], root.nbytes // size, start // size, array

    def _array(self, a: Any) -> None:
        """An ndarray or a NumPy number, as NumPy itself pickles them."""
        code = a.dtype.newbyteorder("<").str[1:]
        raw = np.asarray(a).astype(a.dtype.newbyteorder("<"), copy=False).tobytes()
        if isinstance(a, np.generic):
            self._global("numpy._core.multiarray", "scalar")
            self.data += b"("
            self._numpy_dtype(code)
            self._value(raw)
            self.data += b"tR"
            return
        self._global("numpy._core.multiarray", "_reconstruct")
        self.data += b"("
        self._global("numpy", "ndarray")
        self._value((0,))
        self._value(b"b")
        self.data += b"tR("
        self._value(1)
        self._value(a.shape)
        self._numpy_dtype(code)
        self._value(False)
        self._value(raw)
        self.data += b"tb"

    def _numpy_dtype(self, code: str) -> None:
        self._call("numpy", "dtype", (code, False, True))
        self._value((3, "<" if int(code[1:]) > 1 else "|", None, None, None, -1, -1, 0))
        self.data += b"b"


def _in_order(items: Any) -> list:
    """Members of a set in an order that does not change from run to run, where they have one."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def is_key(key: Any) -> bool:
    """Whether a value may be a key or a member of a set: hashing it must be quick, whatever a file says."""
    if type(key) is not tuple:
        return _is_plain(key)
    parts: list[Any] = [key]
    for _ in range(3):  # tuples in tuples; their members are counted before they are looked at
        if sum(len(p) for p in parts if type(p) is tuple) > 100:
            return False
        parts = [q for p in parts for q in (p if type(p) is tuple else (p,))]
    return all(map(_is_plain, parts))


def _is_plain(key: Any) -> bool:
    if type(key) is int:
        return key.bit_length() <= 4096  # Python keeps the hash of a string, but not that of a number
    return type(key) in _KEYS or isinstance(key, np.number | Tensor)
