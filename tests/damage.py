"""Damaged files for tests of what reads them."""

from __future__ import annotations

import struct


def mutated(data, rng):
    """The file with a few bytes changed, cut off, left out or repeated, or a number in it made huge."""
    raw = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(raw) or 1)
        kind = rng.randrange(7)
        if kind == 0 and raw:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and raw:
            raw[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del raw[at:]
        elif kind == 3:
            del raw[at : at + rng.randrange(1, 20)]
        elif kind == 4:
            raw[at:at] = raw[at : at + rng.randrange(1, 20)]
        elif kind == 5:
            raw[at : at + 8] = struct.pack("<Q", rng.choice((1 << 63, (1 << 63) - 1, 1 << 40, 1 << 32)))
        else:
            raw[at : at + 4] = struct.pack("<I", rng.choice((0xFFFFFFFF, 0x7FFFFFFF, 1 << 24, 0)))
    return bytes(raw)
