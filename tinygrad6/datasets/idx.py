"""MNIST and its like, from files that are already there: IDX files, plain or gzipped, or NumPy's .npz.

IDX: two zero bytes, a type (8: unsigned bytes), the number of dimensions; each dimension as a big-endian
32-bit number; the values, last dimension fastest (Y. LeCun, C. Cortes, C. Burges, The MNIST database of
handwritten digits, 1998).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad6.files import replaced
from tinygrad6.tensor import Tensor, wrap

LARGEST = 1 << 30  # bytes of one array: more than any set of this kind has
FILES = {
    ("train", "images"): ("train-images-idx3-ubyte", ("x_train", "train_images", "train_img")),
    ("train", "labels"): ("train-labels-idx1-ubyte", ("y_train", "train_labels", "train_label")),
    ("test", "images"): ("t10k-images-idx3-ubyte", ("x_test", "test_images", "test_img")),
    ("test", "labels"): ("t10k-labels-idx1-ubyte", ("y_test", "test_labels", "test_label")),
}
# SHA-256 of the values of MNIST: the same, whatever file they come in.
_MNIST = {
    ("train", "images"): "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ("train", "labels"): "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ("test", "images"): "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    ("test", "labels"): "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
MNIST_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}


def mnist(
    root: Any, download: bool = False, *, flat: bool = True, verify: bool = True
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """MNIST as ((train images, labels), (test images, labels)): float32 in [0, 1] and int64.

    root: a folder with the four IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte,
    t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or as .gz; the folder may also be
    root/MNIST/raw, where torchvision has them) or with mnist.npz, or an .npz file itself (x_train,
    y_train, x_test, y_test). download: fetch what is missing into it.

    flat: images (60000, 784) and (10000, 784), else (60000, 1, 28, 28) and (10000, 1, 28, 28). verify:
    the values must be those of MNIST; False takes any set of this form. FileNotFoundError, which says
    what to put where, if a file is missing; RuntimeError for one that is damaged or of another set.
    """
    parts = []
    for split in ("train", "test"):
        images, labels = (read(root, split, what, "MNIST", download) for what in ("images", "labels"))
        if verify:
            for what, values in (("images", images), ("labels", labels)):
                if hashlib.sha256(values.tobytes()).hexdigest() != _MNIST[split, what]:
                    raise RuntimeError(
                        f"mnist(): the {split} {what} in {root} are not those of MNIST: a damaged file, "
                        "or another set (then use verify=False)"
                    )
        pixels = images.reshape(len(images), -1) if flat else images[:, None]
        parts.append((wrap(pixels.astype(np.float32) / np.float32(255)), wrap(labels.astype(np.int64))))
    return parts[0], parts[1]


def read(
    root: Any,
    split: str,
    what: str,
    name: str,
    download: bool = False,
    mirror: str | None = None,
    md5: dict[str, str] | None = None,
) -> np.ndarray:
    """The uint8 values of one of the four files of a set called `name`: images (N, H, W) or labels (N,)."""
    stem, keys = FILES[split, what]
    root = Path(root)
    raw = root / name / "raw"
    places = [root] if root.is_file() else [raw, root]
    for _ in range(2):
        for place in places:
            for path in (place, place / f"{name.lower()}.npz"):
                if path.suffix == ".npz" and path.is_file():
                    return _checked(_read_npz(path, keys), what, path)
            for path in (place / stem, place / f"{stem}.gz"):
                if path.is_file():
                    return _checked(_read_idx(path), what, path)
        if not download or root.is_file():
            break
        _fetch(mirror or MNIST_MIRROR, stem, raw, md5 or MNIST_MD5)
    raise FileNotFoundError(
        f"{name} is not in {str(root)!r}: put {stem} or {stem}.gz, and the other three files of the set, "
        f"there or in {str(raw)!r}, or {name.lower()}.npz; or use download=True"
    )


def _checked(array: np.ndarray, what: str, path: Path) -> np.ndarray:
    if array.ndim != (3 if what == "images" else 1):
        raise RuntimeError(f"{path}: {what} of shape {array.shape} are not what was expected")
    return array


def _read_idx(path: Path) -> np.ndarray:
    opened: Any = gzip.open(path) if path.suffix == ".gz" else open(path, "rb")
    try:
        with opened as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise RuntimeError(f"{path} is no IDX file of bytes: it starts with {head.hex(' ')}")
            dims = file.read(4 * head[3])
            if len(dims) < 4 * head[3]:
                raise RuntimeError(f"{path} is truncated: it ends in its header")
            shape = struct.unpack(f">{head[3]}I", dims)
            size = math.prod(shape)
            return _exactly(file, size, path).reshape(shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise RuntimeError(f"{path} is damaged or truncated: {e}") from None


def _exactly(file: Any, size: int, path: Path) -> np.ndarray:
    """The `size` bytes left in a file; what a header claims is allocated only as far as it is there."""
    if size > LARGEST:
        raise RuntimeError(f"{path} claims {size} bytes, at most {LARGEST} are read")
    parts, left = [], size
    while left and (part := file.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if left or file.read(1):
        raise RuntimeError(f"{path} claims {size} bytes and has {'fewer' if left else 'more'}")
    return np.frombuffer(b"".join(parts), np.uint8)


def _read_npz(path: Path, keys: tuple[str, ...]) -> np.ndarray:
    """One array of an .npz file, without np.load, which allocates whatever a header says."""
    try:
        with zipfile.ZipFile(path) as file:
            names = [f"{k}.npy" for k in keys if f"{k}.npy" in file.namelist()]
            if not names:
                raise RuntimeError(f"{path} has no array {keys[0]!r}, only {file.namelist()}")
            with file.open(names[0]) as member:
                if np.lib.format.read_magic(member) != (1, 0):
                    raise RuntimeError(f"{path}: an array of a version that is not supported")
                length = struct.unpack("<H", member.read(2))[0]
                header = io.BytesIO(struct.pack("<H", length) + member.read(min(length, 1000)))
                shape, fortran, kind = np.lib.format.read_array_header_1_0(header)
                if kind != np.uint8 or fortran or any(n < 0 for n in shape):
                    raise RuntimeError(f"{path}: expected uint8 values in C order, got {kind}")
                return _exactly(member, math.prod(shape), path).reshape(shape)
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        struct.error,
        NotImplementedError,
        OSError,
    ) as e:
        raise RuntimeError(f"{path} is damaged or truncated: {e}") from None


def _fetch(mirror: str, stem: str, folder: Path, md5: dict[str, str]) -> None:
    url = f"{mirror}{stem}.gz"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            data = answer.read(LARGEST)
    except (urllib.error.URLError, OSError) as e:
        raise RuntimeError(
            f"cannot download {url}: {e}; put {stem}.gz into {str(folder)!r} yourself"
        ) from None
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5[stem]:
        raise RuntimeError(f"{url} is not the file that was expected: its checksum differs")
    os.makedirs(folder, exist_ok=True)
    with replaced(folder / f"{stem}.gz") as out:
        out.write(data)
