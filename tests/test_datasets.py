"""The digits of the package, and files in MNIST's form, good and bad. MNIST=path tests the real one."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from damage import mutated
from idx_files import ARRAYS, idx_bytes, write_idx, write_npz

import tinygrad6 as torch
from tinygrad6.datasets import digits, idx, mnist


def check(sets, flat=True):
    for split, (images, labels) in zip(("train", "test"), sets):
        want = ARRAYS[split, "images"].astype("f4") / np.float32(255)
        want = want.reshape(len(want), -1) if flat else want[:, None]
        np.testing.assert_array_equal(images.numpy(), want)
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert labels.tolist() == ARRAYS[split, "labels"].tolist()


def test_digits():
    images, labels = digits()
    assert images.shape == (1797, 64) and images.dtype == torch.float32 and labels.dtype == torch.int64
    assert images.min() == 0 and images.max() == 1 and (images * 16 == (images * 16).round()).all()
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    raw = (images * 16).to(torch.uint8).numpy().tobytes() + labels.to(torch.uint8).numpy().tobytes()
    assert (
        hashlib.sha256(raw).hexdigest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    )
    square, _ = digits(flat=False)
    assert square.shape == (1797, 1, 8, 8) and torch.equal(square.flatten(1), images)
    images[0] = 9  # tensors of one's own
    assert digits()[0].max() == 1


def test_the_origin_of_the_digits_is_told():
    text = Path(idx.__file__).with_name("digits.txt").read_text()
    assert "CC BY 4.0" in text and "Alpaydin" in text and "10.24432/C50P49" in text


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folder", [".", "MNIST/raw"])
@pytest.mark.parametrize("flat", [False, True])
def test_idx_files(tmp_path, zipped, folder, flat):
    write_idx(tmp_path / folder, zipped)
    check(mnist(tmp_path, flat=flat, verify=False), flat)


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_files(tmp_path, compressed):
    write_npz(tmp_path / "mnist.npz", compressed)
    check(mnist(tmp_path, verify=False))
    check(mnist(str(tmp_path / "mnist.npz"), verify=False))


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte.*MNIST/raw.*mnist.npz"):
        mnist(tmp_path)
    with pytest.raises(FileNotFoundError):
        mnist(tmp_path / "nowhere")


def test_another_set_is_not_taken_for_mnist(tmp_path):
    write_idx(tmp_path)
    with pytest.raises(RuntimeError, match="not those of MNIST"):
        mnist(tmp_path)


@pytest.mark.parametrize(
    "data, named",
    [
        (b"", "no IDX"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "no IDX"),
        (b"\0\0\x08\3\0\0\0\1", "header"),
        (b"\0\0\x08\3" + b"\xff" * 12, "at most"),
        (b"\0\0\x08\3" + struct.pack(">3I", 1000, 1000, 1000), "fewer"),
        (b"\0\0\x08\3" + struct.pack(">3I", 1, 1, 1) + b"12", "more"),
        (b"\0\0\x08\1" + struct.pack(">I", 1) + b"1", "shape"),
    ],
)
def test_bad_idx_files_are_refused_by_name(tmp_path, data, named):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(RuntimeError, match=named):
        mnist(tmp_path)
    os.remove(tmp_path / "train-images-idx3-ubyte")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
    with pytest.raises(RuntimeError, match=named):
        mnist(tmp_path)


@pytest.mark.parametrize(
    "arrays, named",
    [({"a": np.zeros(3, np.uint8)}, "no array 'x_train'"), ({"x_train": np.zeros((1, 2, 2))}, "uint8")],
)
def test_bad_npz_files_are_refused_by_name(tmp_path, arrays, named):
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(RuntimeError, match=named):
        mnist(tmp_path)


@pytest.mark.parametrize("kind", ["npz", "compressed npz", "gz"])
def test_damaged_files_do_no_harm(tmp_path, kind):
    path = tmp_path / ("train-images-idx3-ubyte.gz" if kind == "gz" else "mnist.npz")
    if kind == "gz":
        path.write_bytes(gzip.compress(idx_bytes(ARRAYS["train", "images"])))
    else:
        write_npz(path, kind != "npz")
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(25_000 if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else 300):
        path.write_bytes(mutated(data, rng))
        try:
            idx.read(tmp_path, "train", "images", "MNIST")
        except RuntimeError:
            pass


def test_download_verifies_what_it_gets(tmp_path, monkeypatch):
    write_idx(tmp_path / "mirror", zipped=True)
    monkeypatch.setattr(idx, "MNIST_MIRROR", (tmp_path / "mirror").as_uri() + "/")
    with pytest.raises(RuntimeError, match="checksum"):
        mnist(tmp_path / "data", download=True)
    assert not (tmp_path / "data").exists()
    sums = {p.name[:-3]: hashlib.md5(p.read_bytes()).hexdigest() for p in (tmp_path / "mirror").iterdir()}
    monkeypatch.setattr(idx, "MNIST_MD5", sums)
    check(mnist(tmp_path / "data", download=True, verify=False))
    check(mnist(tmp_path / "data", verify=False))
    (tmp_path / "mirror" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(RuntimeError, match="cannot download"):
        mnist(tmp_path / "other", download=True)


@pytest.mark.skipif("MNIST" not in os.environ, reason="MNIST=path of the real set")
def test_the_real_mnist():
    (x, y), (tx, ty) = mnist(os.environ["MNIST"])
    assert x.shape == (60000, 784) and tx.shape == (10000, 784) and y[:3].tolist() == [5, 0, 4]
