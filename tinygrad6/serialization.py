"""save and load: checkpoints in PyTorch's own format, both ways, and nothing in a file is run.

Objects, such as a whole model, are read only with `weights_only=False` (pickle_objects.py).

Why that format rather than one of our own: `torch.load(weights_only=True)` reads what we write, we read
what PyTorch writes, and the format itself is sound once its pickle is read by a machine that knows no
functions (pickle_reader.py) and the whole is sealed by a checksum (archive.py).
"""

from __future__ import annotations

import functools
import io
import mmap as memory_map
import os
import struct
import warnings
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

from tinygrad6 import archive, pickle_reader
from tinygrad6.files import replaced
from tinygrad6.pickle_writer import Writer
from tinygrad6.devices import to_device
from tinygrad6.tensor import wrap

_safe: dict[str, Any] = {}  # full name -> class or function
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to `f`, a path or a file open for writing, so that `load`, and PyTorch, read it.

    obj: a nest of dicts (OrderedDict, Counter), lists, tuples, sets, strings, bytes, numbers, None,
    tensors, Parameters, dtypes, Sizes, devices and NumPy arrays; and objects, such as a module or an
    argparse.Namespace, whose class is defined at the top of a file: these need load(weights_only=False).
    Tensors that share memory share it again after loading; a view brings the whole memory it looks into, as
    in PyTorch. History, a tensor's hooks and `.grad` are not stored.

    A path is written atomically: the old file stays as it was until the new one is whole and on the disk,
    whatever happens. TypeError, before the file is touched, for what cannot be stored, such as a lambda.
    OSError for a full disk, the old file kept. A state_dict outlives changes of the code, a model does not:
    prefer `save(model.state_dict(), ...)`.

    >>> import tinygrad6 as torch
    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
    >>> torch.load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if pickle_module is not None or pickle_protocol != 2 or not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "save(): pickle_module, pickle_protocol and the old file format are not supported: leave them out"
        )
    content = Writer(obj)
    if hasattr(f, "write"):
        _write(content, f)
        return
    with replaced(f) as out:
        _write(content, out)


def _write(content: Writer, out: Any) -> None:
    a, folder = archive.Writer(out), "archive"
    a.record(f"{folder}/data.pkl", content.data)
    a.record(f"{folder}/.format_version", b"1")
    a.record(f"{folder}/.storage_alignment", str(archive.ALIGNMENT).encode())
    a.record(f"{folder}/byteorder", b"little")
    for i, storage in enumerate(content.storages):
        a.record(f"{folder}/data/{i}", storage)
    a.record(f"{folder}/version", b"3\n")
    a.record(f"{folder}/{archive.MARKER}", str(archive.FORMAT).encode())
    a.close()


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What `save`, or PyTorch's torch.save, wrote to `f`: a path or a seekable file open for reading.

    weights_only: whether a file that asks for other than tensors and plain containers raises
    pickle.UnpicklingError, which names what it asks for. With False, which is for files that you trust,
    objects of classes that the program has defined or imported are rebuilt, by setting their attributes: no
    module is imported and no function called because a file says so. Classes that `add_safe_globals` names
    are rebuilt in any case. A damaged or truncated file raises
    RuntimeError (EOFError if it is empty) before anything of it is used.

    map_location: 'cpu', a device, a dict from location to location or a function (storage, location) ->
    storage or None: what to do with tensors that were on a GPU. Without it they raise RuntimeError, as in
    PyTorch without CUDA. mmap: leave the tensors in the file until they are used, which must be a path;
    writing to them does not change the file; their checksums are not verified. bfloat16 tensors are
    widened to float32, exactly, with a UserWarning. Attributes of tensors are left out.
    """
    if pickle_module is not None or pickle_load_args:
        raise NotImplementedError("load(): pickle_module and its arguments are not supported: leave them out")
    place = _placer(map_location)
    reader: Callable[..., Any] = pickle_reader.Reader
    if _safe or weights_only is not None and not weights_only:
        from tinygrad6.pickle_objects import ObjectReader

        trusted = weights_only is not None and not weights_only
        reader = functools.partial(ObjectReader, None if trusted else dict(_safe))
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load(): f must be a path when mmap=True, got an open file")
        if not hasattr(f, "seek") or f.tell():
            f = io.BytesIO(f.read())
        return _load(f, str(getattr(f, "name", "the file")), place, reader)
    with open(f, "rb") as file:
        return _load(file, os.fsdecode(f), place, reader, bool(mmap))


def _name(v: Any) -> str:
    return f"{v.__module__}.{v.__qualname__}"


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let load rebuild objects of these classes, or hold these functions, also with weights_only=True.

    An element may be a pair of a class and the full name that files know it by.
    """
    _safe.update((v[1], v[0]) if isinstance(v, tuple) else (_name(v), v) for v in safe_globals)


def get_safe_globals() -> list[Any]:
    """What add_safe_globals was given."""
    return [v if name == _name(v) else (v, name) for name, v in _safe.items()]


def clear_safe_globals() -> None:
    """Forget what add_safe_globals was given."""
    _safe.clear()


class safe_globals:  # noqa: N801 -- PyTorch's name
    """add_safe_globals inside a `with`."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.given = safe_globals

    def __enter__(self) -> None:
        self.before = dict(_safe)
        add_safe_globals(self.given)

    def __exit__(self, *exc: Any) -> None:
        _safe.clear()
        _safe.update(self.before)


def _load(file: Any, name: str, place: Callable, reader: Callable, mapped: bool = False) -> Any:
    head = file.read(4)
    if not head:
        raise EOFError(f"{name} is empty, or read to its end: there is nothing to load")
    file.seek(0)
    try:
        if head == b"PK\3\4":
            return _load_zip(file, name, place, reader, mapped)
        if mapped:
            raise RuntimeError(f"{name}: mmap=True needs PyTorch's zip format, this file is older")
        return _load_legacy(file.read(), place, reader)
    except UnpicklingError as e:
        raise UnpicklingError(f"{name}: {e}") from None


def _load_zip(file: Any, name: str, place: Callable, reader: Callable, mapped: bool) -> Any:
    a = archive.Reader(file, name)
    if "constants.pkl" in a:
        raise RuntimeError(f"{name} is a TorchScript program: save its state_dict() where it was made")
    if "byteorder" in a and a.read("byteorder").tobytes() != b"little":
        raise RuntimeError(f"{name} was written on a machine of other byte order, which is not supported")
    memory = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_COPY) if mapped else None
    loaded: dict[str, np.ndarray] = {}
    typed: dict[tuple, np.ndarray] = {}  # so that many tensors in one storage cost no more than one

    def storage(key: tuple) -> np.ndarray:
        kind, number, location, numel = _checked(key)
        if number not in loaded:
            record = f"data/{number}"
            loaded[number] = place(a.read(record) if memory is None else a.map(record, memory), location)
        if (number, kind.kind, numel) not in typed:
            typed[number, kind.kind, numel] = _typed(loaded[number], kind, numel, number)
        return typed[number, kind.kind, numel]

    return reader(a.read("data.pkl"), storage, pickle_reader.tensor_at).load()


def _checked(key: tuple) -> tuple:
    """What the persistent id of a storage says: element type, name, location, number of elements."""
    kind, number, location, numel = key[1:5]
    named = type(number) is str and type(location) is str
    if not named or not isinstance(kind, pickle_reader.StorageType) or type(numel) is not int or numel < 0:
        raise UnpicklingError("the pickle is damaged, or a storage is of a kind that is not supported")
    return kind, number, location, numel


def _typed(raw: np.ndarray, kind: Any, numel: int, number: str) -> np.ndarray:
    """The bytes of a storage as its elements."""
    stored = np.dtype(np.uint16) if kind.kind is None else kind.kind
    if numel * stored.itemsize != raw.size:
        raise UnpicklingError(
            f"storage {number} should have {numel} elements of {stored.itemsize} bytes, has {raw.size} bytes"
        )
    if kind.kind is None:
        return widen(raw.view(np.uint16))
    try:
        return pickle_reader.as_type(raw, kind.kind)
    except ValueError as e:
        raise UnpicklingError(f"storage {number}: {e}") from None


def widen(bits: np.ndarray) -> np.ndarray:
    """bfloat16 numbers, given as their bits, as float32, exactly."""
    warnings.warn("bfloat16 is not supported: the tensors are widened to float32, exactly", stacklevel=2)
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def _load_legacy(data: bytes, place: Callable, machine: Callable) -> Any:
    """The format before PyTorch 1.6: pickles one after the other, then the storages."""

    def pickle_at(position: int, storage: Callable, rebuild: Callable) -> tuple[Any, int]:
        reader = machine(data, storage, rebuild, position)
        return reader.load(), reader.position

    def none(*args: Any) -> None:
        return None

    try:
        magic, at = pickle_at(0, none, none)
    except UnpicklingError:
        magic = None
    if magic != _LEGACY_MAGIC:
        raise UnpicklingError("it is no checkpoint: it has neither of the formats that torch.save writes")
    version, at = pickle_at(at, none, none)
    system, at = pickle_at(at, none, none)
    if version != _LEGACY_PROTOCOL or type(system) is not dict or system.get("little_endian") is not True:
        raise UnpicklingError("a version or byte order of the old format that is not supported")
    # The storages stand behind the value that needs them: it is read twice, first to learn what they are.
    announced: dict[str, tuple] = {}
    start = at

    def announce(key: tuple) -> None:
        announced.setdefault(_checked(key)[1], key)

    _, at = pickle_at(at, announce, none)
    keys, at = pickle_at(at, none, none)
    if type(keys) is not list or not all(type(k) is str for k in keys) or sorted(keys) != sorted(announced):
        raise UnpicklingError("the storages in the file are not those that its tensors need")
    found: dict[str, np.ndarray] = {}
    for number in keys:
        kind, _, location, numel = _checked(announced[number])
        size = numel * (2 if kind.kind is None else kind.kind.itemsize)
        if len(data) - at < 8 + size or struct.unpack("<q", data[at : at + 8])[0] != numel:
            raise UnpicklingError(f"storage {number} is damaged or truncated")
        raw = place(np.frombuffer(data, np.uint8, size, at + 8).copy(), location)
        found[number] = _typed(raw, kind, numel, number)
        at += 8 + size

    def storage(key: tuple) -> np.ndarray:
        if len(key) > 5 and key[5] is not None:
            raise UnpicklingError("storages that are views of others are not supported")
        return found[key[2]]

    return pickle_at(start, storage, pickle_reader.tensor_at)[0]


def _placer(map_location: Any) -> Callable[[np.ndarray, str], np.ndarray]:
    """A function that says what becomes of the bytes of a storage that was at `location`."""
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        to_device(map_location)  # raises for any but the CPU

        return lambda raw, location: raw

    def place(raw: np.ndarray, location: str) -> np.ndarray:
        if callable(map_location):
            placed = map_location(wrap(raw), location)
            if placed is not None:
                return placed.array
        elif map_location is not None:
            location = str(map_location.get(location, location))
        if location.partition(":")[0] != "cpu":
            raise RuntimeError(
                f"load(): a tensor was saved on {location!r}, and only the CPU is available: "
                "use load(..., map_location='cpu')"
            )
        return raw

    return place
