"""The 1797 digits that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygrad6.tensor import Tensor, wrap


def digits(flat: bool = True) -> tuple[Tensor, Tensor]:
    """1797 scans of handwritten digits: images (1797, 64) float32 in [0, 1] and labels (1797,) int64.

    flat=False gives images (1797, 1, 8, 8), one channel, as convolutions take them. A pixel is the part
    of a 4 x 4 block of the scan that is ink: 0, 1/16, ..., 1. Each call returns fresh tensors.

    The test set of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository 1998, doi:10.24432/C50P49, licensed CC BY 4.0; see digits.txt beside this file.

    >>> from tinygrad6.datasets import digits
    >>> images, labels = digits()
    >>> images.shape, labels[:5]
    (torch.Size([1797, 64]), tensor([0, 1, 2, 3, 4]))
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    images = images.astype(np.float32) / np.float32(16)
    return wrap(images if flat else images.reshape(-1, 1, 8, 8)), wrap(labels.astype(np.int64))
