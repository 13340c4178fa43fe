"""Worker processes of a DataLoader: what runs in them, and the team of them as the parent sees it.

Each worker has a pipe of its own, so that one killed at any moment can neither hold a lock nor garble
what the others say; its end of the pipe closes with it, which the parent notices at once. A thread of the
worker does the sending: the worker goes on with its next batch while the parent is busy, and never waits
for a parent that waits for it.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import queue
import random
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from tinygrad6.random import manual_seed
from tinygrad6.threads import set_num_threads
from tinygrad6.utils.data.collate import fetcher
from tinygrad6.utils.data.dataset import IterableDataset

PATIENCE = 5.0  # seconds a worker may take to end by itself before it is terminated


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker's `id` in [0, num_workers), `num_workers`, `seed` (base seed + id), its copy of `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader's worker process its WorkerInfo; None in the main process."""
    return _worker_info


@dataclass(frozen=True)
class Job:
    """What every worker of a loader is told once."""

    dataset: Any
    batched: bool
    collate_fn: Callable
    drop_last: bool
    init_fn: Callable | None
    base_seed: int
    num_workers: int


class Failure:
    """An exception in a worker, as text and type, to be raised again in the parent."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind, self.where = type(error), where
        self.trace = "".join(traceback.format_exception(error))
        try:
            pickle.loads(pickle.dumps(self.kind))
        except Exception:  # a local class, say: the traceback still names it
            self.kind = RuntimeError

    def reraise(self) -> None:
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.trace}"
        if issubclass(self.kind, KeyError):
            text = _Verbatim(text)
        try:
            error = self.kind(text)
        except Exception:  # its constructor wants other arguments
            error = RuntimeError(text)
        raise error


class _Verbatim(str):
    """Text that KeyError, which shows the repr of its argument, shows as it is."""

    __repr__ = str.__str__


END = "end of the iterable dataset"


def pack(message: Any) -> list[Any]:
    """A message as bytes: the pickle, then the memory of the arrays in it, which is not copied."""
    buffers: list[pickle.PickleBuffer] = []
    out = io.BytesIO()
    ForkingPickler(out, 5, True, buffers.append).dump(message)
    raws = [b.raw() for b in buffers]
    return [pickle.dumps([r.nbytes for r in raws]), out.getbuffer(), *(r for r in raws if r.nbytes)]


def receive(connection: Any) -> Any:
    """The message that `pack` packed."""
    sizes = pickle.loads(connection.recv_bytes())
    body = connection.recv_bytes()
    buffers = [bytearray(n) for n in sizes]
    for b in buffers:
        if b:
            connection.recv_bytes_into(b)
    return pickle.loads(body, buffers=buffers)


def work(job: Job, worker_id: int, connection: Any) -> None:
    """A worker's life: answer (epoch, number, index) by (epoch, number, batch) until the pipe closes."""
    outbox: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_send, args=(connection, outbox), daemon=True).start()
    try:
        _answer(job, worker_id, connection, outbox.put)
    except (KeyboardInterrupt, EOFError, OSError):
        pass  # Ctrl-C reaches the whole group of processes, and the parent deals with it


def _send(connection: Any, outbox: queue.SimpleQueue) -> None:
    try:
        while True:
            for part in outbox.get():
                connection.send_bytes(part)
    except OSError:
        pass  # the parent has closed its end


def _answer(job: Job, worker_id: int, connection: Any, put: Callable) -> None:
    """Answer requests until the parent is gone. Failures are answers too: the parent raises them in order."""
    global _worker_info
    set_num_threads(1)
    seed = job.base_seed + worker_id
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(
        np.random.SeedSequence([worker_id, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32]).generate_state(4)
    )
    _worker_info = WorkerInfo(worker_id, job.num_workers, seed, job.dataset)
    where = f"in DataLoader worker process {worker_id}"
    failure, fetch, current = None, None, -1
    try:
        if job.init_fn is not None:
            job.init_fn(worker_id)
    except Exception as e:
        failure = Failure(e, where)
    parent = multiprocessing.parent_process()
    while True:
        if connection not in wait([connection, parent.sentinel] if parent else [connection]):
            return  # the parent is gone
        epoch, number, index = receive(connection)
        result: Any
        try:
            if epoch != current and failure is None:
                current = epoch
                fetch = fetcher(job.dataset, job.batched, job.collate_fn, job.drop_last)
            result = failure if failure is not None else fetch(index)  # type: ignore[misc]
            parts = pack((epoch, number, result))
        except Exception as e:
            over = isinstance(e, StopIteration) and isinstance(job.dataset, IterableDataset)
            fetch = _over if over else fetch
            parts = pack((epoch, number, END if over else Failure(e, where)))
        put(parts)


def _over(index: Any) -> Any:
    raise StopIteration


class Team:
    """The worker processes of one loader, started."""

    def __init__(self, job: Job, context: Any) -> None:
        self.home = os.getpid()
        self.connections: list[Any] = []
        self.processes: list[Any] = []
        try:
            for i in range(job.num_workers):
                ours, theirs = context.Pipe()
                self.connections.append(ours)
                process = context.Process(target=work, args=(job, i, theirs), daemon=True)
                try:
                    process.start()
                finally:
                    theirs.close()  # from now on the worker alone holds it
                self.processes.append(process)
        except BaseException:
            self.stop()
            raise

    def send(self, worker: int, message: Any) -> None:
        try:
            for part in pack(message):
                self.connections[worker].send_bytes(part)
        except OSError:
            self.report([worker])

    def receive(self, timeout: float | None) -> tuple[int, Any] | None:
        """The next message and whose it is; None after `timeout` seconds; RuntimeError if a worker died."""
        sentinels = {p.sentinel: i for i, p in enumerate(self.processes)}
        ready = wait([*self.connections, *sentinels], timeout)
        for i, connection in enumerate(self.connections):
            if connection in ready:
                try:
                    return i, receive(connection)
                except (EOFError, OSError):
                    self.report([i])
        if dead := [sentinels[s] for s in ready]:
            self.report(dead)
        return None

    def report(self, dead: list[int]) -> None:
        """RuntimeError that says which workers died, and of what, once the others are stopped."""
        for i in dead:
            self.processes[i].join(1)
        fates = ", ".join(f"pid {self.processes[i].pid}: {_fate(self.processes[i].exitcode)}" for i in dead)
        pids = ", ".join(str(self.processes[i].pid) for i in dead)
        self.stop()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly ({fates})")

    def stop(self) -> None:
        """End all workers: by closing their pipes, then by SIGTERM, then by SIGKILL."""
        if os.getpid() != self.home:
            return  # a copy in a forked process, which may collect it as garbage: not its children
        for c in self.connections:
            _hang_up(c)
        for end in (None, "terminate", "kill"):
            for p in self.processes:
                if end is not None and p.exitcode is None:
                    getattr(p, end)()
            for p in self.processes:
                p.join(PATIENCE)
        self.processes.clear()


def _hang_up(connection: Any) -> None:
    """Close a pipe for good, also where processes forked later hold copies of our end of it."""
    if connection.closed:
        return
    if hasattr(socket, "AF_UNIX"):
        with contextlib.suppress(OSError), socket.fromfd(connection.fileno(), socket.AF_UNIX, 0) as s:
            s.shutdown(socket.SHUT_RDWR)
    connection.close()


def _fate(code: int | None) -> str:
    if code is None:
        return "its pipe is closed"
    if code >= 0:
        return f"exit code {code}"
    hint = "; out of memory?" if -code == signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{hint}"
