"""Collating: one batch from a list of samples, and the same at once for datasets that are tensors."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from tinygrad6.accidents import public
from tinygrad6.dtypes import float64
from tinygrad6.ops.create import as_tensor, tensor
from tinygrad6.ops.join import stack
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.utils.data.dataset import IterableDataset, Subset, TensorDataset, fetch


def _refuse(found: Any) -> TypeError:
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {found}; pass a collate_fn to the DataLoader that knows what to do with it"
    )


def _rebuild(old: Any, items: Any, changes: Any, kind: type) -> Any:
    """A container like `old` with new values: a changed copy, else a new one, else a plain `kind`."""
    try:
        if isinstance(old, (MutableMapping, MutableSequence)):
            twin = copy.copy(old)
            for k, v in changes:
                twin[k] = v
            return twin
        return type(old)(items)
    except TypeError:
        return kind(items)


def default_convert(data: Any) -> Any:
    """Arrays and NumPy numbers in a nest as tensors; anything else as it is. Tuples become lists."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUOa":
        return as_tensor(data)
    if isinstance(data, Mapping):
        new = {k: default_convert(v) for k, v in data.items()}
        return _rebuild(data, new, new.items(), dict)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(v) for v in data))
    if isinstance(data, tuple):
        return [default_convert(v) for v in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        items = [default_convert(v) for v in data]
        return _rebuild(data, items, enumerate(items), list)
    return data


def collate(batch: Any, *, collate_fn_map: Mapping[Any, Callable] | None = None) -> Any:
    """One batch from a list of samples, by the functions in `collate_fn_map` for what containers hold.

    The functions, by type or tuple of types, are called as f(batch, collate_fn_map=...). Mappings, named
    tuples and sequences are collated member by member; TypeError for a type that is in neither,
    RuntimeError for sequences of unequal lengths.
    """
    elem, fns = batch[0], collate_fn_map or {}
    if type(elem) in fns:
        return fns[type(elem)](batch, collate_fn_map=fns)
    for kind, fn in fns.items():
        if isinstance(elem, kind):
            return fn(batch, collate_fn_map=fns)

    def together(samples: Any) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(elem, Mapping):
        new = {k: together([d[k] for d in batch]) for k in elem}
        return _rebuild(elem, new, new.items(), dict)
    if isinstance(elem, tuple) and hasattr(elem, "_fields"):
        return type(elem)(*(together(samples) for samples in zip(*batch)))
    if isinstance(elem, Sequence):
        lengths = [len(sample) for sample in batch]
        if len(set(lengths)) > 1:
            raise RuntimeError(f"each element in list of batch should be of equal size, got {lengths}")
        items = [together(samples) for samples in zip(*batch)]
        return items if isinstance(elem, tuple) else _rebuild(elem, items, enumerate(items), list)
    raise _refuse(type(elem))


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    for i, t in enumerate(batch):
        if not isinstance(t, Tensor):
            raise TypeError(f"default_collate(): expected Tensor as element {i}, but got {type(t).__name__}")
    return stack(tuple(batch), 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if batch[0].dtype.kind in "SUO":
        raise _refuse(batch[0].dtype)
    return collate([as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.array(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch, dtype=float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
_DEFAULTS = dict(default_collate_fn_map)


@public
def default_collate(batch: Any) -> Any:
    """One batch from a list of samples: tensors and arrays stacked, numbers as tensors, member by member.

    Python floats become float64, ints int64; strings and bytes stay lists; tuples become lists. Users may
    add types to `default_collate_fn_map`. TypeError for other types, RuntimeError for tensors of unequal
    shapes.

    >>> default_collate([(0, "a"), (1, "b")])
    [tensor([0, 1]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def gather(dataset: Any, collate_fn: Callable) -> Callable[[Any], Any] | None:
    """How to get a whole batch at once: a function of the indices; None where samples must come singly.

    For a TensorDataset, or a Subset of one, and the default collate, each tensor is indexed once by all
    indices; a batch of 64 costs two calls of NumPy rather than some two hundred of ours. Results are the
    same: tensors that record gradients, and anything unusual about the indices, go the long way, with its
    errors.
    """
    cls, tensors = type(dataset), getattr(dataset, "tensors", ())
    if collate_fn is not default_collate or default_collate_fn_map != _DEFAULTS:
        return None
    if not hasattr(cls, "__getitem__"):
        return None
    if cls.__getitem__ is Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
        inner = gather(dataset.dataset, collate_fn)
        return inner and (lambda indices: inner([dataset.indices[i] for i in indices]))
    if cls.__getitem__ is not TensorDataset.__getitem__ or hasattr(cls, "__getitems__"):
        return None
    if any(type(t) is not Tensor or t.requires_grad for t in tensors):
        return None

    def at_once(indices: Any) -> Any:
        if type(indices) is not list or not indices or type(indices[0]) is not int:
            return None
        where = np.array(indices)
        if where.dtype.kind != "i" or where.ndim != 1:
            return None
        try:
            return [wrap(_rows(t.array, where)) for t in tensors]
        except IndexError:
            return None  # the long way says what is wrong

    return at_once


def _rows(array: np.ndarray, where: np.ndarray) -> np.ndarray:
    # take is the faster way, but copies all of an array that is not contiguous before it starts
    return array.take(where, 0) if array.flags.c_contiguous else np.ascontiguousarray(array[where])


def fetcher(dataset: Any, batched: bool, collate_fn: Callable, drop_last: bool) -> Callable[[Any], Any]:
    """A function from what a sampler gives (an index, or a list of them if `batched`) to a batch.

    For an IterableDataset only the length of that list counts, and StopIteration says that the samples
    have run out.
    """
    if isinstance(dataset, IterableDataset):
        samples = iter(dataset)

        def following(index: Any) -> Any:
            if not batched:
                return collate_fn(next(samples))
            batch = list(itertools.islice(samples, len(index)))
            if not batch or drop_last and len(batch) < len(index):
                raise StopIteration
            return collate_fn(batch)

        return following
    at_once = gather(dataset, collate_fn) if batched else None

    def chosen(index: Any) -> Any:
        if at_once is not None and (batch := at_once(index)) is not None:
            return batch
        return collate_fn(fetch(dataset, index) if batched else dataset[index])

    return chosen
