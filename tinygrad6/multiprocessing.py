"""torch.multiprocessing: Python's multiprocessing, and `spawn`, which runs one function in several processes.

Tensors go through queues and pipes as copies. What processes are to share, they share by `share_memory_()`
before they are forked.
"""

from __future__ import annotations

import multiprocessing as _python
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403 -- PyTorch's names are Python's
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = [*_python.__all__, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]

_STRATEGIES = {"file_descriptor", "file_system"}
_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The names that set_sharing_strategy takes."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The name that set_sharing_strategy was given."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """How PyTorch shares memory: it makes no difference here, where tensors are sent as copies."""
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(
            f"set_sharing_strategy(): expected one of {sorted(_STRATEGIES)}, got {new_strategy!r}"
        )
    _strategy = new_strategy


class ProcessException(Exception):
    """A process of `spawn` has failed: the `error_index`-th, of process id `error_pid`."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """The function raised: its traceback is the message."""


class ProcessExitedException(ProcessException):
    """The process ended by a signal or by sys.exit."""

    def __init__(self, msg: str, error_index: int, pid: int, exit_code: int | None) -> None:
        super().__init__(msg, error_index, pid)
        self.exit_code = exit_code


def _run(fn: Callable[..., Any], i: int, args: tuple, pipe: Connection) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        pipe.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list, pipes: list[Connection]) -> None:
        self.processes, self._pipes = processes, pipes

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [p.pid for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait, at most `timeout` seconds: whether all have ended well. If one fails, the others are ended,
        after `grace_period` seconds, and its error is raised."""
        waiting = {p.sentinel: p for p in self.processes if p.exitcode is None}
        for ended in wait(list(waiting), timeout) if waiting else ():
            waiting[ended].join()
        failed = next((i for i, p in enumerate(self.processes) if p.exitcode), None)
        if failed is None:
            return all(p.exitcode == 0 for p in self.processes)
        for p in self.processes:
            p.join(grace_period or 0)
            p.terminate()
        for p in self.processes:
            p.join()
        p = self.processes[failed]
        try:
            message = (
                f"\n\n-- Process {failed} terminated with the following error:\n{self._pipes[failed].recv()}"
            )
        except EOFError:  # it had no time to say anything
            raise ProcessExitedException(
                f"process {failed} terminated with exit code {p.exitcode}", failed, p.pid, p.exitcode
            ) from None
        raise ProcessRaisedException(message, failed, p.pid)


SpawnContext = ProcessContext


def spawn(
    fn: Callable[..., Any],
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run `fn(i, *args)` in `nprocs` new processes, i from 0 on; wait for all, or give what to join later.

    start_method is "spawn", "fork" or "forkserver". ProcessRaisedException with the traceback if one of them
    raises; the others are ended then.
    """
    mp: Any = _python.get_context(start_method)
    processes, pipes = [], []
    for i in range(nprocs):
        here, there = mp.Pipe(duplex=False)
        process = mp.Process(target=_run, args=(fn, i, args, there), daemon=daemon)
        process.start()
        there.close()
        processes.append(process)
        pipes.append(here)
    context = ProcessContext(processes, pipes)
    while join and not context.join():
        pass
    return None if join else context


start_processes = spawn  # as PyTorch calls it where the start method is chosen
