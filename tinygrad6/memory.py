"""Memory that is kept between operations.

An array that is made, used and freed costs little more than its arithmetic if the next array gets the same
pages. The C library of Linux, left alone, gives larger blocks back to the system as soon as they are freed,
and the system clears every page that it hands out again: measured on arrays of 400 kB to 4 MB, that takes
three to five times as long as the arithmetic. So it is asked, once, to keep what is freed. Elsewhere nothing
is changed. TINYGRAD6_KEEP_MB sets the number of megabytes kept, 1024 unless told otherwise; 0 leaves the C
library alone.
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # from malloc.h
_LARGEST = 32 << 20  # the largest block that glibc takes from its heap


def keep_freed() -> bool:
    """Ask the C library to keep freed memory; whether it will."""
    named = os.environ.get("TINYGRAD6_KEEP_MB", "1024")
    if not named.isdigit():
        raise ValueError(f"TINYGRAD6_KEEP_MB must be a number of megabytes, got {named!r}")
    megabytes = min(int(named), 2047)  # mallopt takes an int
    if not megabytes or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl, for one, has none
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, megabytes << 20))
