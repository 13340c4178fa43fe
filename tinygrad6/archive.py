"""Records in a file: the uncompressed zip archives of PyTorch's checkpoints, with a checksum over all.

Zip keeps a CRC-32 of each record, but none of its own headers. So the comment at the end of an archive of
ours holds one of all that stands before it, and a record `.tinygrad6` says that there must be such a
comment. PyTorch's reader overlooks both.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import zipfile
import zlib
from typing import Any

import numpy as np

ALIGNMENT = 64  # of the data in a record, as PyTorch has it: so they can be mapped into memory
FORMAT = 1  # raised when old readers could misread new files
MARKER = ".tinygrad6"
_SEAL = re.compile(rb"(tinygrad6 format (\d+), crc32 )([0-9a-f]{8})")
_BIG, _MANY = 0xFFFFFFFF, 0xFFFF


class Writer:
    """Records to `out`, anything with write(), from front to back."""

    def __init__(self, out: Any) -> None:
        self.out, self.size, self.crc = out, 0, 0
        self.directory: list[tuple[bytes, int, int, int]] = []  # name, checksum, length, position

    def write(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        for i in range(0, len(view), 1 << 26):  # one write cannot be longer than 2 GB on every system
            self.out.write(view[i : i + (1 << 26)])
        self.size += len(view)
        self.crc = zlib.crc32(view, self.crc)

    def record(self, name: str, data: Any) -> None:
        raw, view, position = name.encode(), memoryview(data).cast("B"), self.size
        crc, n = zlib.crc32(view), len(view)
        lengths = struct.pack("<HHQQ", 1, 16, n, n) if n >= _BIG else b""
        pad = -(position + 30 + len(raw) + len(lengths) + 4) % ALIGNMENT
        extra = lengths + struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        self.write(b"PK\3\4" + _header(crc, n, raw, extra) + raw + extra)
        self.write(view)
        self.directory.append((raw, crc, n, position))

    def close(self) -> None:
        """The directory and the seal."""
        start = self.size
        for raw, crc, n, position in self.directory:
            large = [v for v in (n, n, position) if v >= _BIG]
            extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
            tail = struct.pack("<HHHII", 0, 0, 0, 0, min(position, _BIG))
            self.write(b"PK\1\2" + struct.pack("<H", 45) + _header(crc, n, raw, extra) + tail + raw + extra)
        count, size = len(self.directory), self.size - start
        if count >= _MANY or size >= _BIG or start >= _BIG:
            end = self.size
            self.write(b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start))
            self.write(b"PK\6\7" + struct.pack("<IQI", 0, end, 1))
        count, size, start = min(count, _MANY), min(size, _BIG), min(start, _BIG)
        length = len(_seal(0))
        self.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, length))
        self.out.write(_seal(self.crc))


def _seal(crc: int) -> bytes:
    """The comment for content of checksum `crc`; the number of the format is sealed with it."""
    start = b"tinygrad6 format %d, crc32 " % FORMAT
    return start + b"%08x" % zlib.crc32(start, crc)


def _header(crc: int, n: int, name: bytes, extra: bytes) -> bytes:
    """What a record's header and its entry in the directory share: version 4.5, UTF-8, stored, 1980."""
    n = min(n, _BIG)
    return struct.pack("<5H3I2H", 45, 0x800, 0, 0, 0x21, crc, n, n, len(name), len(extra))


class Reader:
    """The records of an archive in a seekable file; RuntimeError, naming what is wrong, if it is none.

    Nothing is unpacked to disk. Records must be uncompressed, and cannot together be longer than the file.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.name = name
        self.file_size = file.seek(0, os.SEEK_END)
        try:
            self.zip = zipfile.ZipFile(file)
            entries = self.zip.infolist()
        except Exception as e:  # the module raises a dozen types for damaged headers
            raise RuntimeError(f"{name} is damaged or truncated: {e}") from None
        self.entries: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for entry in entries:
            self._check(entry)
            total += entry.file_size
            self.entries[entry.filename.partition("/")[2]] = entry
        if len({e.filename.partition("/")[0] for e in entries}) != 1 or len(self.entries) != len(entries):
            raise RuntimeError(f"{name}: records must have different names, in one folder")
        if total > self.file_size:
            raise RuntimeError(
                f"{name}: its records claim {total} bytes, the file has {self.file_size}: they overlap"
            )
        if MARKER in self.entries or self.zip.comment:  # PyTorch writes neither
            self._check_seal(file)

    def _check(self, entry: zipfile.ZipInfo) -> None:
        where = f"{self.name}: record {entry.filename!r}"
        parts = entry.filename.split("/")
        if ".." in parts or "" in parts or "\\" in entry.filename or len(parts) < 2:
            raise RuntimeError(f"{where}: a name that leads elsewhere is refused")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise RuntimeError(f"{where} is compressed, which is refused: checkpoints are stored plainly")
        if entry.flag_bits & 1:
            raise RuntimeError(f"{where} is encrypted")

    def _check_seal(self, file: Any) -> None:
        seal = _SEAL.fullmatch(self.zip.comment)
        if seal is None:
            raise RuntimeError(f"{self.name} is damaged: its checksum is missing")
        if int(seal[2]) > FORMAT:
            raise RuntimeError(
                f"{self.name} has format {int(seal[2])}, this version of tinygrad6 reads up to {FORMAT}"
            )
        file.seek(0)
        crc, left = 0, self.file_size - len(self.zip.comment)
        while left and (part := file.read(min(left, 1 << 20))):
            crc, left = zlib.crc32(part, crc), left - len(part)
        if left or zlib.crc32(seal[1], crc) != int(seal[3], 16):
            raise RuntimeError(f"{self.name} is damaged: its checksum is not that of its content")

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self.entries:
            raise RuntimeError(f"{self.name} is damaged: record {name!r} is missing")
        return self.entries[name]

    def read(self, name: str) -> np.ndarray:
        """The bytes of a record, in memory of their own; RuntimeError if they do not have their checksum."""
        entry = self._entry(name)
        out = np.empty(entry.file_size, np.uint8)
        view, at = out.data, 0
        try:
            with self.zip.open(entry) as record:
                while part := record.read(1 << 20):
                    view[at : at + len(part)] = part
                    at += len(part)
        except Exception as e:
            raise RuntimeError(f"{self.name} is damaged: record {name!r}: {e}") from None
        if at != len(out):
            raise RuntimeError(f"{self.name} is damaged: record {name!r} is truncated")
        return out

    def map(self, name: str, memory: mmap.mmap) -> np.ndarray:
        """The bytes of a record in the mapped file. Their checksum is not read."""
        entry = self._entry(name)
        start = entry.header_offset
        if start + 30 > len(memory) or memory[start : start + 4] != b"PK\3\4":
            raise RuntimeError(f"{self.name} is damaged: record {name!r} has no header")
        start += 30 + sum(struct.unpack("<HH", memory[start + 26 : start + 30]))
        if start + entry.file_size > len(memory):
            raise RuntimeError(f"{self.name} is damaged: record {name!r} is truncated")
        return np.frombuffer(memory, np.uint8, entry.file_size, start)
