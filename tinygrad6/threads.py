"""Sharing work among cores.

NumPy's BLAS multiplies large matrices on all cores by itself; copies and elementwise work run on one. `share`
divides such work, usually over a batch, among a few Python threads: NumPy lets go of the interpreter inside
its loops. While it runs, BLAS is told to use one thread per call, or the two kinds of threads would fight for
the cores.

They fight after it, too: a thread of OpenBLAS that has nothing to do spins for 25 ms before it sleeps, on a
core that `share` wants, and, once the scheduler has put it beside the thread it works for, on that one's.
Measured on two cores, shared work ran as on one core after any product, and whole training steps took up to
1.6 times as long as with one thread. So it is told to sleep after 0.4 ms (`rest_soon`): what lies between two
products of a network a few hundred wide is shorter. After 0.1 ms such networks lose a tenth to waking threads
up, and convolutions gain a twentieth.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"
_lock = threading.Lock()
_sharing = 0  # how many calls of `share` are running
_count: int | None = None
_idle: list[_Worker] = []  # threads without work
_made = 0  # how many there are


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
    """Let idle threads of OpenBLAS sleep after about 2^20 ticks of the processor's clock; whether they will.

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
    os.environ[_TIMEOUT] = "20"
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
    global _count
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or not 1 <= n < 1 << 31:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {n!r}")
    n = int(n)
    with _lock:
        _count = n
        blas = _blas()
        if blas and not _sharing:
            blas[0](n)


class _Worker(threading.Thread):
    """A thread that waits to be given work. Two locks hand it over, since all that is done under the
    interpreter's own lock delays both sides: an executor's queue and futures cost a third of what sharing
    gains."""

    def __init__(self) -> None:
        super().__init__(name="tinygrad6", daemon=True)
        self.given, self.done = threading.Lock(), threading.Lock()
        self.given.acquire()
        self.done.acquire()
        self.start()

    def run(self) -> None:
        while True:
            self.given.acquire()
            try:
                self.result, self.error = self.work(), None
            except BaseException as e:
                self.result, self.error = None, e
            del self.work
            self.done.release()

    def start_on(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.given.release()

    def finish(self) -> tuple[Any, BaseException | None]:
        """Result and error, once the work is done: waited for whatever interrupts, since it writes to memory
        of the caller's."""
        interrupt = None
        while True:
            try:
                self.done.acquire()
                break
            except BaseException as e:
                interrupt = e
        answer = self.result, self.error or interrupt
        self.result = self.error = None
        _idle.append(self)
        return answer


def _workers(n: int) -> list[_Worker]:
    """Up to n threads that nobody else uses; there are never more than one less than get_num_threads()."""
    global _made
    found: list[_Worker] = []
    with _lock:
        while len(found) < n:
            if _idle:
                found.append(_idle.pop())
            elif _made < get_num_threads() - 1:
                _made += 1
                found.append(_Worker())
            else:
                break
    return found


def share(work: Callable[[int, int], Any], n: int, worth: bool = True) -> list[Any]:
    """[work(start, stop), ...] over consecutive parts of range(n), one part per thread, results in order.

    All of it in one part if there is one thread or it is not `worth` sharing. `work` must not record
    operations.
    """
    global _sharing
    parts = min(get_num_threads(), n) if worth else 1
    if parts < 2 or threading.current_thread().name == "tinygrad6":  # shared already
        return [work(0, n)]
    workers = _workers(parts - 1)
    parts = len(workers) + 1
    cuts = [n * i // parts for i in range(parts + 1)]
    blas = _blas()
    with _lock:
        _sharing += 1
        if blas and _sharing == 1:
            blas[0](1)
    try:
        for worker, a, b in zip(workers, cuts[1:-1], cuts[2:], strict=True):
            worker.start_on(functools.partial(work, a, b))
        try:
            first = work(0, cuts[1])
        finally:
            others = [worker.finish() for worker in workers]
        for _, error in others:
            if error is not None:
                raise error
        return [first, *(result for result, _ in others)]
    finally:
        with _lock:
            _sharing -= 1
            if blas and not _sharing:
                blas[0](get_num_threads())


def _forget_pool() -> None:
    """In a forked child: the parent's threads are not there, and its locks may be held by nobody."""
    global _lock, _sharing, _made
    _lock, _sharing, _made = threading.Lock(), 0, 0
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
