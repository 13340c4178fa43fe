"""Datasets with torchvision's names and arguments, from local files.

Samples are Pillow images where Pillow is installed, as in torchvision, and else NumPy arrays (H, W),
which all our transforms take with the same results.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad6 as torch
from tinygrad6.datasets import idx
from tinygrad6.tensor import wrap
from tinygrad6.utils.data import Dataset
from tinygrad6.vision.transforms.functional import pillow, to_pil_image

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class VisionDataset(Dataset):
    """What datasets of images share: `root`, `transform` for images, `target_transform` for labels."""

    def __init__(
        self, root: Any = None, transform: Callable | None = None, target_transform: Callable | None = None
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, (str, os.PathLike)) else root
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        raise NotImplementedError

    def _sample(self, image: Any, target: Any) -> tuple[Any, Any]:
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        lines += [f"Root location: {self.root}"] if self.root is not None else []
        lines += self.extra_repr().splitlines()
        for name in ("transform", "target_transform"):
            if (value := getattr(self, name)) is not None:
                lines.append(f"{name}: {value}")
        return f"Dataset {type(self).__name__}\n" + "\n".join(f"    {line}" for line in lines)


def _picture(array: np.ndarray) -> Any:
    try:
        return pillow().fromarray(array)
    except ImportError:
        return array


class MNIST(VisionDataset):
    """Handwritten digits: `data` (N, 28, 28) uint8, `targets` (N,) int64; a sample is (image, label).

    root: the folder with MNIST/raw/train-images-idx3-ubyte and so on, or with these files themselves,
    plain or as .gz, or mnist.npz. download: fetch what is missing. RuntimeError, which says what to put
    where, if a file is missing.
    """

    mirror = idx.MNIST_MIRROR
    md5 = idx.MNIST_MD5
    classes = [
        f"{i} - {w}" for i, w in enumerate("zero one two three four five six seven eight nine".split())
    ]

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        try:
            images, labels = (
                idx.read(
                    self.root,
                    "train" if train else "test",
                    what,
                    type(self).__name__,
                    download,
                    self.mirror,
                    self.md5,
                )
                for what in ("images", "labels")
            )
        except FileNotFoundError as e:
            raise RuntimeError(f"Dataset not found. {e}") from None
        if len(images) != len(labels):
            raise RuntimeError(f"{type(self).__name__}: {len(images)} images, but {len(labels)} labels")
        self.data, self.targets = wrap(images.copy()), wrap(labels.astype(np.int64))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._sample(_picture(self.data.array[index]), int(self.targets.array[index]))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.classes)}

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Articles of clothing, in MNIST's form (Xiao, Rasul and Vollgraf 2017)."""

    mirror = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    md5 = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag".split() + ["Ankle boot"]


class FakeData(VisionDataset):
    """Images and labels that are random, but the same for an index: seed random_offset + i draws them."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform, target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        g = torch.Generator().manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size, generator=g)
        target = torch.randint(0, self.num_classes, size=(1,), generator=g)[0]
        try:
            picture = to_pil_image(image)
        except ImportError:
            picture = (image.array * 255).astype(np.int64).astype(np.uint8).transpose(1, 2, 0)
        image, target = self._sample(picture, target)
        return image, target.item() if isinstance(target, torch.Tensor) else target

    def __len__(self) -> int:
        return self.size


def default_loader(path: Any) -> Any:
    """The image in a file, as RGB; needs Pillow."""
    with open(path, "rb") as file:
        return pillow().open(file).convert("RGB")


class DatasetFolder(VisionDataset):
    """Files in folders that are their classes: root/class/.../file. `samples` are (path, class index).

    extensions, or is_valid_file(path), choose the files. FileNotFoundError if there is no class, or no
    file in one (unless allow_empty).
    """

    def __init__(
        self,
        root: Any,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        endings = tuple(extensions or ())
        valid = is_valid_file or (lambda path: path.lower().endswith(endings))
        self.samples: list[tuple[str, int]] = []
        empty = []
        for name, i in sorted(self.class_to_idx.items()):
            before = len(self.samples)
            for folder, _, files in sorted(os.walk(os.path.join(self.root, name), followlinks=True)):
                paths = (os.path.join(folder, f) for f in sorted(files))
                self.samples += [(path, i) for path in paths if valid(path)]
            if len(self.samples) == before:
                empty.append(name)
        if empty and not allow_empty:
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)} in {self.root}.")
        self.targets = [i for _, i in self.samples]

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        """The names of the folders, sorted, and their indices."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {c: i for i, c in enumerate(classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._sample(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in folders that are their classes: root/dog/a.png, root/cat/b.png. Reading them needs Pillow."""

    def __init__(
        self,
        root: Any,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
