"""Sharing work among cores.

NumPy's BLAS multiplies large matrices on all cores by itself; copies and elementwise work run on one. `share`
divides such work, usually over a batch, among a few Python threads: NumPy lets go of the interpreter inside
its loops. While it runs, BLAS is told to use one thread per call, or the two kinds of threads would fight for
the cores.

They fight after it, too: a thread of OpenBLAS that has nothing to do spins for 25 ms before it sleeps, on a
core that `share` wants, and, once the scheduler has put it beside the thread it works for, on that one's.
Measured on two cores, shared work ran as on one core after any product, and whole training steps took up to
1.6 times as long as with one thread. So it is told to sleep after 0.1 ms (`rest_soon`): longer than what lies
between two products of a small network, so that these lose little.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import concurrent.futures

_TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"
_lock = threading.Lock()
_sharing = 0  # how many calls of `share` are running
_count: int | None = None
_pool: concurrent.futures.ThreadPoolExecutor | None = None


@functools.cache
def _library() -> ctypes.CDLL:
    """The symbols of NumPy's own extension, and those of what it is linked with."""
    return ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]


@functools.cache
def _blas() -> tuple[Callable[[int], None], Callable[[], int]] | None:
    """How to set and read the number of threads of NumPy's OpenBLAS; None where that cannot be found."""
    try:
        library = _library()
        for prefix in ("scipy_openblas", "openblas"):
            for suffix in ("64_", ""):
                if hasattr(library, f"{prefix}_set_num_threads{suffix}"):
                    return (
                        getattr(library, f"{prefix}_set_num_threads{suffix}"),
                        getattr(library, f"{prefix}_get_num_threads{suffix}"),
                    )
    except (AttributeError, OSError):
        pass
    return None


def rest_soon() -> bool:
    """Let idle threads of OpenBLAS sleep after about 2^18 ticks of the processor's clock; whether they will.

    OPENBLAS_THREAD_TIMEOUT, the exponent, decides where it is set. OpenBLAS reads it when NumPy is imported,
    which may be past: then it reads again, and starts its threads anew.
    """
    blas = _blas()
    if blas is None or blas[1]() < 2 or _TIMEOUT in os.environ or threading.active_count() > 1:
        return False
    library = _library()
    try:
        read, stop, start = library.openblas_read_env, library.blas_thread_shutdown_, library.blas_thread_init
    except AttributeError:
        return False
    os.environ[_TIMEOUT] = "18"
    try:
        read()
    finally:
        del os.environ[_TIMEOUT]
    stop()
    return start() == 0


def get_num_threads() -> int:
    """How many threads large operations use: what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS say,
    else the cores there are."""
    global _count
    if _count is None:
        blas = _blas()
        named = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _count = blas[1]() if blas else min(int(named), cores) if named.isdigit() and int(named) else cores
    return _count


def set_num_threads(n: int) -> None:
    """Use `n` threads for large operations from now on, in BLAS too; RuntimeError unless n is positive."""
    global _count, _pool
    if not isinstance(n, int) or n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {n!r}")
    with _lock:
        if _pool is not None:
            _pool.shutdown(wait=False)
        _count, _pool = n, None
        blas = _blas()
        if blas and not _sharing:
            blas[0](n)


def share(work: Callable[[int, int], Any], n: int, worth: bool = True) -> list[Any]:
    """[work(start, stop), ...] over consecutive parts of range(n), one part per thread, results in order.

    All of it in one part if there is one thread or it is not `worth` sharing. `work` must not record
    operations.
    """
    global _sharing, _pool
    parts = min(get_num_threads(), n) if worth else 1
    if parts < 2 or threading.current_thread().name.startswith(
        "tinygrad6"
    ):  # shared already: waiting could be for ever
        return [work(0, n)]
    import concurrent.futures  # late, since it takes as long as a tenth of our own import

    cuts = [n * i // parts for i in range(parts + 1)]
    blas = _blas()
    with _lock:
        if _pool is None:
            _pool = concurrent.futures.ThreadPoolExecutor(parts - 1, "tinygrad6")
        pool = _pool
        _sharing += 1
        if blas and _sharing == 1:
            blas[0](1)
    try:
        others = [pool.submit(work, a, b) for a, b in zip(cuts[1:-1], cuts[2:], strict=True)]
        try:
            first = work(0, cuts[1])
        finally:
            concurrent.futures.wait(others)
        return [first, *(f.result() for f in others)]
    finally:
        with _lock:
            _sharing -= 1
            if blas and not _sharing:
                blas[0](get_num_threads())


def _forget_pool() -> None:
    """In a forked child: the parent's threads are not there, and its locks may be held by nobody."""
    global _lock, _sharing, _pool
    _lock, _sharing, _pool = threading.Lock(), 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
