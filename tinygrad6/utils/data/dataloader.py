"""DataLoader: batches of a dataset, in order or shuffled, made here or by worker processes."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic

from tinygrad6.accidents import constructor
from tinygrad6.random import Generator
from tinygrad6.utils.data.collate import default_collate, default_convert, fetcher
from tinygrad6.utils.data.dataset import Dataset, IterableDataset, T
from tinygrad6.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from tinygrad6.utils.data.worker import END, Failure, Job, Team, get_worker_info as get_worker_info

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Forever:
    """The sampler of an IterableDataset, whose samples have no indices."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T]):
    """Iterate over batches of `dataset`.

    batch_size: samples per batch; None gives the samples themselves. shuffle: a new random order each
    pass. sampler, batch_sampler: another order, of indices or of lists of them. drop_last: leave out a
    last batch that is not full. collate_fn: makes a batch from a list of samples (default_collate).
    generator: draws the order and the base seed; for a seed the order is PyTorch's.

    num_workers: processes that make batches ahead of time, `prefetch_factor` (2) each; 0 makes them here,
    on demand. worker_init_fn(id) is called in each, after it was seeded with base seed + id. timeout:
    seconds to wait for a batch, 0 for ever. multiprocessing_context: 'fork', 'spawn', 'forkserver' or a
    context; with the last two dataset, collate_fn and worker_init_fn must be picklable.
    persistent_workers keeps the processes for the next pass. in_order=False gives batches as they come.
    An exception in a worker is raised here with its traceback; a worker that dies is a RuntimeError at
    once. pin_memory has no effect, as on PyTorch without an accelerator (UserWarning).

    ValueError for options that exclude each other or are out of range.

    >>> import tinygrad6 as torch
    >>> from tinygrad6.utils.data import TensorDataset
    >>> for x, y in DataLoader(TensorDataset(torch.arange(3), torch.arange(3) * 2), batch_size=2):
    ...     print(x, y)
    tensor([0, 1]) tensor([0, 2])
    tensor([2]) tensor([4])
    """

    _started = False

    @constructor
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers > sys.maxsize:
            raise ValueError(f"num_workers must fit in 64 bits, got {num_workers}")
        if num_workers < 0:
            raise ValueError(
                f"num_workers option should be non-negative, got {num_workers}; "
                "use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError(f"timeout option should be non-negative, got {timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing, with num_workers > 0"
            )
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"prefetch_factor option should be positive, got {prefetch_factor}")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value not in (None, False):
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, "
                        f"but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if iterable:
                sampler = _Forever()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context = _context(multiprocessing_context, num_workers)
        self._iterator: Any = None
        self._promised: int | None = None  # what len() said of an IterableDataset
        self._started = True
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if num_workers > cores:
            warnings.warn(
                f"This DataLoader will create {num_workers} worker processes in total. Our suggested max "
                f"number of worker in current system is {cores}, which is smaller.",
                stacklevel=3,
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if self._started and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return _Here(self)
        if not self.persistent_workers:
            return _Workers(self)
        if self._iterator is None or not self._iterator.team.processes:
            self._iterator = _Workers(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __len__(self) -> int:
        """How many batches one pass gives; for an IterableDataset an estimate from its own length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        n = self._promised = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)


def _context(given: Any, num_workers: int) -> Any:
    if given is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0)"
        )
    if isinstance(given, str):
        known = multiprocessing.get_all_start_methods()
        if given not in known:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {known!r}, but got "
                f"multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying "
            f"the start method, but got multiprocessing_context={given}"
        )
    return given


class _Pass:
    """One pass over a loader: what both kinds have in common."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, "
                "then device pinned memory won't be used.",
                stacklevel=3,
            )
        self.loader = loader
        self.indices = iter(loader._index_sampler)
        self.base_seed = draw_seed(loader.generator)
        self.given = 0

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.loader._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled: pickle the DataLoader")

    def count(self) -> None:
        """Warn where an IterableDataset gives more batches than its length promised."""
        self.given += 1
        promised = self.loader._promised
        if promised is not None and self.given > promised:
            warnings.warn(
                f"Length of IterableDataset {self.loader.dataset} was reported to be {promised} (when "
                f"accessing len(dataloader)), but {self.given} samples have been fetched. With worker "
                "processes, each must take its own part of the data: see get_worker_info.",
                stacklevel=3,
            )


class _Here(_Pass):
    """Batches made in this process, on demand."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout:
            raise AssertionError("timeout needs worker processes: DataLoader(..., num_workers=1)")
        self.fetch = fetcher(
            loader.dataset, loader.batch_sampler is not None, loader.collate_fn, loader.drop_last
        )

    def __next__(self) -> Any:
        batch = self.fetch(next(self.indices))
        self.count()
        return batch


class _Workers(_Pass):
    """Batches from worker processes. Tasks are numbered and dealt in turn, results given in that order."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        job = Job(
            loader.dataset,
            loader.batch_sampler is not None,
            loader.collate_fn,
            loader.drop_last,
            loader.worker_init_fn,
            self.base_seed,
            loader.num_workers,
        )
        self.team = Team(job, loader.multiprocessing_context or multiprocessing.get_context())
        # Not __del__: this runs at interpreter exit too, and cannot keep the iterator alive.
        weakref.finalize(self, self.team.stop)
        self.epoch = -1
        self.begin()

    def restart(self, loader: DataLoader) -> None:
        """Another pass with the same processes; what is still under way from the last one is ignored."""
        self.indices = iter(loader._index_sampler)
        self.given = 0
        self.begin()

    def begin(self) -> None:
        self.epoch += 1
        self.sent = self.due = 0  # numbers of the next task to deal and of the next batch to give
        self.turn = 0
        self.active = [
            True
        ] * self.loader.num_workers  # an iterable dataset may end sooner in one than in another
        self.load = [0] * self.loader.num_workers
        self.owner: dict[int, int] = {}
        self.arrived: dict[int, Any] = {}
        for _ in range(self.loader.prefetch_factor * self.loader.num_workers):  # type: ignore[operator]
            self.deal()

    def deal(self) -> None:
        """Give the next task to the next worker that takes part, if there is a task and such a worker."""
        n, limit = len(self.active), self.loader.prefetch_factor or 0
        candidates = [(self.turn + i) % n for i in range(n)]
        free = [w for w in candidates if self.active[w] and (self.loader.in_order or self.load[w] < limit)]
        if not free:
            return
        try:
            index = next(self.indices)
        except StopIteration:
            return
        worker, self.turn = free[0], free[0] + 1
        self.owner[self.sent] = worker
        self.load[worker] += 1
        self.team.send(worker, (self.epoch, self.sent, index))
        self.sent += 1

    def __next__(self) -> Any:
        while True:
            if not self.owner or not self.team.processes:  # nothing is under way, or its workers are gone
                if not self.loader.persistent_workers:
                    self.team.stop()
                raise StopIteration
            number = self.due if self.loader.in_order else next(iter(self.arrived), None)
            if number not in self.arrived:
                self.wait()
                continue
            result = self.arrived.pop(number)
            self.due += 1
            worker = self.owner.pop(number)
            self.load[worker] -= 1
            if isinstance(result, str) and result == END:
                self.active[worker] = False
                self.deal()
                continue
            self.deal()
            if isinstance(result, Failure):
                result.reraise()
            self.count()
            return result

    def wait(self) -> None:
        """Receive one message from any worker."""
        seconds = self.loader.timeout or None
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                got = self.team.receive(left)
            except BaseException:
                self.team.stop()  # half a message may have been read: nothing more can be understood
                raise
            if got is None:
                raise RuntimeError(f"DataLoader timed out after {seconds} seconds")
            worker, (epoch, number, result) = got
            if epoch == self.epoch:
                self.arrived[number] = result
                return
