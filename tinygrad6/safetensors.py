"""The safetensors format: a JSON header that names tensors, and their bytes. No code, no pickles.

An 8-byte little-endian length, that many bytes of JSON `{name: {dtype, shape, data_offsets}}`, and then
the data: every tensor contiguous, one after the other, without gaps. Specification:
https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad6.files import replaced
from tinygrad6.pickle_reader import as_type
from tinygrad6.serialization import widen
from tinygrad6.devices import to_device
from tinygrad6.tensor import Tensor, wrap

_TYPES = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
}
_TYPES |= {"BOOL": "?", "BF16": "u2"}
_NAMES = {np.dtype(v): k for k, v in _TYPES.items() if k != "BF16"}
_ORDER = {k: i for i, k in enumerate(("I64", "F64", "F32", "I32", "F16", "I16", "I8", "U8", "BOOL"))}
_LONGEST_HEADER = 100_000_000  # the specification's limit


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The file `save_file` would write, as bytes."""
    return b"".join(_parts(tensors, metadata))


def save_file(tensors: dict[str, Tensor], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors, and strings about them, to a file, atomically, byte for byte as the library.

    Before the file is touched: TypeError for anything but tensors and strings; ValueError for a tensor
    that is not contiguous; RuntimeError for tensors that share memory, which the format cannot say:
    clone() one of them, or leave it out.
    """
    parts = _parts(tensors, metadata)
    with replaced(filename) as out:
        for part in parts:
            out.write(part)


def _parts(tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> list[Any]:
    """The file as bytes-like parts: length of the header, header, and the tensors' own memory, uncopied."""
    if not isinstance(tensors, dict):
        raise TypeError(f"save_file(): expected a dict of tensors, got {type(tensors).__name__}")
    spans = []
    for name, t in tensors.items():
        if not isinstance(name, str) or not isinstance(t, Tensor):
            raise TypeError(f"save_file(): expected names and tensors, got {name!r}: {type(t).__name__}")
        if not t.array.flags.c_contiguous:
            raise ValueError(f"save_file(): tensor {name!r} is not contiguous: save {name}.contiguous()")
        start = t.data_ptr()
        spans.append((start, start + t.array.nbytes, name))
    spans = sorted(s for s in spans if s[1] > s[0])
    for (_, end, name), (start, _, other) in zip(spans, spans[1:]):
        if start < end:
            raise RuntimeError(
                f"save_file(): tensors {name!r} and {other!r} share memory: clone() one, or leave it out"
            )
    if metadata is not None and not all(isinstance(s, str) for kv in metadata.items() for s in kv):
        raise TypeError("save_file(): metadata must be a dict from strings to strings")
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    arrays, at = [], 0
    for name, t in sorted(tensors.items(), key=lambda kv: (_ORDER[_NAMES[kv[1].array.dtype]], kv[0])):
        a, end = t.array, at + t.array.nbytes
        header[name] = {"dtype": _NAMES[a.dtype], "shape": list(a.shape), "data_offsets": [at, end]}
        arrays.append(a.reshape(-1).view(np.uint8).data)
        at = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)), text, *arrays]


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in a safetensors file that is given as bytes."""
    view = memoryview(data)
    entries, start, _ = _header(view[:8], lambda n: bytes(view[8 : 8 + n]), len(view), "the data")
    return {
        k: _tensor(k, np.array(view[start + b : start + e]), *rest) for k, (b, e, *rest) in entries.items()
    }


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors in a safetensors file, by name, each in memory of its own.

    RuntimeError, naming what is wrong, for a file that is damaged, truncated, or whose header is not
    exactly as the specification demands; nothing is allocated before that is known. bfloat16 is widened
    to float32 with a UserWarning.
    """
    with safe_open(filename, "pt", device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- a method, no dict


class safe_open:  # noqa: N801 -- the library's name
    """Read single tensors of a file: `with safe_open(path, "pt") as f: f.get_tensor(f.keys()[0])`."""

    def __init__(self, filename: Any, framework: str = "pt", device: Any = "cpu") -> None:
        if framework not in ("pt", "torch", "pytorch"):
            raise ValueError(f"safe_open(): framework must be 'pt', got {framework!r}")
        to_device(device)
        self._file = open(filename, "rb")
        try:
            size = os.fstat(self._file.fileno()).st_size
            first = self._file.read(8)
            self._entries, self._start, self._metadata = _header(
                first, self._file.read, size, os.fsdecode(filename)
            )
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._file.close()

    def keys(self) -> list[str]:
        return list(self._entries)

    def metadata(self) -> dict[str, str] | None:
        return self._metadata

    def get_tensor(self, name: str) -> Tensor:
        """The tensor of that name; KeyError if there is none."""
        begin, end, *rest = self._entries[name]
        raw = np.empty(end - begin, np.uint8)
        self._file.seek(self._start + begin)
        if self._file.readinto(raw.data) != end - begin:
            raise RuntimeError(f"safe_open(): the file was truncated while tensor {name!r} was read")
        return _tensor(name, raw, *rest)


def _tensor(name: str, raw: np.ndarray, kind: str, shape: tuple) -> Tensor:
    try:
        array = as_type(raw, _TYPES[kind])
    except ValueError as e:
        raise RuntimeError(f"tensor {name!r} is damaged: {e}") from None
    return wrap((widen(array) if kind == "BF16" else array).reshape(shape))


def _header(first: Any, read: Any, size: int, name: str) -> tuple[dict[str, tuple], int, Any]:
    """(begin, end, dtype, shape) of each tensor, where the data starts, the metadata: all of it verified."""

    def wrong(what: str) -> RuntimeError:
        return RuntimeError(f"{name} is no valid safetensors file: {what}")

    if len(first) < 8:
        raise wrong(f"it has {len(first)} bytes, a header needs 8")
    n = struct.unpack("<Q", first)[0]
    if n > min(_LONGEST_HEADER, size - 8):
        raise wrong(
            f"its header claims {n} bytes, the file has {size - 8} more, the limit is {_LONGEST_HEADER}"
        )
    try:
        header = json.loads(read(n).decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as e:
        raise wrong(f"its header is no JSON: {type(e).__name__}: {e}") from None
    if not isinstance(header, dict):
        raise wrong("its header is no JSON object")
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    ):
        raise wrong("its __metadata__ is no object of strings")
    entries = dict(_entries(header, wrong))
    at = 0
    for key, (begin, end, *_) in sorted(entries.items(), key=lambda kv: kv[1][:2]):
        if begin != at:
            raise wrong(
                f"tensor {key!r} starts at {begin} where {at} is expected: tensors overlap or leave gaps"
            )
        at = end
    if at != size - 8 - n:
        raise wrong(f"its tensors have {at} bytes, the file has {size - 8 - n} for them")
    return entries, 8 + n, metadata


def _entries(header: dict, wrong: Any) -> Iterator[tuple[str, tuple]]:
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise wrong(f"tensor {key!r} is not described by dtype, shape and data_offsets")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or kind not in _TYPES:
            raise wrong(f"tensor {key!r} has dtype {kind!r}; supported are {', '.join(_TYPES)}")
        if not all(type(v) is list and all(type(i) is int and i >= 0 for i in v) for v in (shape, offsets)):
            raise wrong(f"tensor {key!r}: shape and data_offsets must be lists of integers from 0 on")
        if len(shape) > 64:
            raise wrong(f"tensor {key!r} has {len(shape)} dimensions, at most 64 are supported")
        if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * np.dtype(_TYPES[kind]).itemsize:
            raise wrong(f"tensor {key!r} of shape {shape} and dtype {kind} does not fill bytes {offsets}")
        yield key, (*offsets, kind, tuple(shape))


def _distinct(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
