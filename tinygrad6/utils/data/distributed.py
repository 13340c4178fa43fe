"""DistributedSampler: one process's share of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

from tinygrad6.random import Generator
from tinygrad6.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index from `rank` on, of the order seed + epoch gives (shuffle) or of 0, 1, ...

    The order is filled up from its start to a multiple of num_replicas, or with drop_last cut. Call
    set_epoch(epoch) before each epoch for another order. ValueError for a rank outside [0, num_replicas), and
    for no num_replicas or rank at all: there is no group of processes to ask.

    >>> from tinygrad6.utils.data import DistributedSampler
    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "DistributedSampler(): there is no process group: give num_replicas and rank, or use "
                "RandomSampler"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.epoch, self.shuffle, self.seed, self.drop_last = 0, shuffle, seed, drop_last
        whole = math.floor if drop_last else math.ceil
        self.num_samples = whole(len(dataset) / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n: Any = len(self.dataset)
        if self.shuffle:
            order = Generator().manual_seed(self.seed + self.epoch).permutation(n).tolist()
        else:
            order = list(range(n))
        if n:
            order = (order * math.ceil(self.total_size / n))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch: all processes must name the same."""
        self.epoch = epoch
