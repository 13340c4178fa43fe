"""Tiny files in MNIST's form, for tests."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from tinygrad6.datasets import idx

RNG = np.random.default_rng(0)
ARRAYS = {
    ("train", "images"): RNG.integers(0, 256, (5, 4, 3), np.uint8),
    ("train", "labels"): RNG.integers(0, 10, 5, np.uint8),
    ("test", "images"): RNG.integers(0, 256, (2, 4, 3), np.uint8),
    ("test", "labels"): RNG.integers(0, 10, 2, np.uint8),
}


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for key, array in ARRAYS.items():
        name, data = idx.FILES[key][0], idx_bytes(array)
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)


def write_npz(path: Path, compressed=True):
    save = np.savez_compressed if compressed else np.savez
    save(path, **{idx.FILES[key][1][0]: array for key, array in ARRAYS.items()})
