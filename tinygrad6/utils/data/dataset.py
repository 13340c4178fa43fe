"""Datasets: what a DataLoader draws samples from. From plain to composed."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from tinygrad6 import random
from tinygrad6.accidents import public, tell_constructor
from tinygrad6.tensor import Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index: a subclass defines `__getitem__`, usually `__len__`, and optionally `__getitems__`.

    `__getitems__(indices)` gives a list of samples at once; a DataLoader prefers it.

    >>> class Squares(Dataset):
    ...     def __len__(self): return 5
    ...     def __getitem__(self, i): return i * i
    >>> Squares()[3]
    9
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tell_constructor(cls)

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T], Iterable[T]):
    """Samples in the order in which they come: a subclass defines `__iter__`.

    With worker processes each worker iterates a copy of its own: divide the work by `get_worker_info()`,
    or every sample comes num_workers times.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i: the i-th rows of tensors (N, ...), as a tuple; AssertionError if lengths differ.

    >>> import tinygrad6 as torch
    >>> TensorDataset(torch.arange(3), torch.arange(3) ** 2)[2]
    (tensor(2), tensor(4))
    """

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [t.size(0) for t in tensors]
        if len(set(lengths)) > 1:
            raise AssertionError(f"Size mismatch between tensors: TensorDataset() got lengths {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Sample i of every dataset side by side: a tuple, or a dict if they are given by keyword.

    ValueError if the lengths differ, if there are none, or if both ways are mixed.
    """

    datasets: tuple | dict

    def __init__(self, *args: Dataset, **kwargs: Dataset) -> None:
        if args and kwargs:
            raise ValueError("StackDataset() takes datasets by position or by keyword, but both are given")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(d) for d in args or kwargs.values()]  # type: ignore[arg-type]
        if len(set(lengths)) > 1:
            raise ValueError(f"Size mismatch between datasets: StackDataset() got lengths {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices: list) -> list:
        named = isinstance(self.datasets, dict)
        columns = []
        for d in self.datasets.values() if isinstance(self.datasets, dict) else self.datasets:
            columns.append(fetch(d, indices))
            if len(columns[-1]) != len(indices):
                raise ValueError(
                    f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(columns[-1])}"
                )
        return [dict(zip(self.datasets, row)) if named else row for row in zip(*columns)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T]):
    """Datasets one after the other; ValueError for a negative index beyond the start."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset: use ChainDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The lengths of the datasets, each added to those before."""
        return list(itertools.accumulate(len(d) for d in sequence))

    @property
    def cummulative_sizes(self) -> list[int]:
        """cumulative_sizes under its older name."""
        warnings.warn(
            "`cummulative_sizes` attribute is renamed to `cumulative_sizes`", FutureWarning, stacklevel=2
        )
        return self.cumulative_sizes

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Iterable datasets one after the other."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield d

    def __iter__(self) -> Iterator[Any]:
        for d in self._checked():
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self._checked())


class Subset(Dataset[T]):
    """The samples of `dataset` at `indices`.

    A subclass that overrides `__getitem__` must override `__getitems__` too (NotImplementedError), since
    that is what a DataLoader calls.
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} overrides __getitem__ but not __getitems__, which a DataLoader calls; add\n"
                "    def __getitems__(self, indices): return [self[i] for i in indices]"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list:
        return fetch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def fetch(dataset: Any, indices: Any) -> list:
    """The samples at `indices`: at once where the dataset has `__getitems__`, else one by one."""
    if callable(at_once := getattr(dataset, "__getitems__", None)):
        return at_once(indices)
    return [dataset[i] for i in indices]


@public
def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: random.Generator | None = None
) -> list[Subset[T]]:
    """Random parts of `dataset`, without overlap, of the given lengths or fractions (which sum to 1).

    A fraction f gives floor(f N) samples; what is left over goes to the first parts, one each, in turn.
    The order is that of `randperm(N, generator=generator)`. ValueError if lengths do not sum to N or a
    fraction is outside [0, 1]; UserWarning for a fraction that leaves its part empty.

    >>> import tinygrad6 as torch
    >>> [len(part) for part in random_split(range(11), [0.5, 0.5])]
    [6, 5]
    """
    n = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=3
                )
        lengths = sizes
    if sum(lengths) != n:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"random_split() got {list(lengths)} for {n} samples"
        )
    order = (generator or random.default_generator).permutation(n).tolist()
    ends = list(itertools.accumulate(lengths))
    starts = [end - size for end, size in zip(ends, lengths)]
    return [Subset(dataset, order[start:end]) for start, end in zip(starts, ends)]
