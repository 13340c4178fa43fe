"""Datasets, samplers and the DataLoader, as in torch.utils.data."""

from functools import partial as _partial

from tinygrad6.paths import attribute as _attribute
from tinygrad6.utils.data.collate import (
    collate,
    default_collate,
    default_collate_fn_map,
    default_convert,
)
from tinygrad6.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tinygrad6.utils.data.dataloader import DataLoader
from tinygrad6.utils.data.distributed import DistributedSampler
from tinygrad6.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tinygrad6.utils.data.worker import get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "collate",
    "default_collate",
    "default_collate_fn_map",
    "default_convert",
    "get_worker_info",
    "random_split",
]

__getattr__ = _partial(_attribute, __name__)
