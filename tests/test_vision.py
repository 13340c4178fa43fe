"""The vision kit: numbers frozen from torchvision 0.29 and Pillow 13, three kinds of images, datasets."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest
from idx_files import ARRAYS, write_idx, write_npz

import tinygrad6 as torch
from tinygrad6.utils.data import DataLoader
from tinygrad6.vision import datasets, transforms
from tinygrad6.vision.transforms import InterpolationMode, functional

IMAGE = (np.arange(20 * 30).reshape(20, 30) * 7 % 251).astype(np.uint8)
COLOR = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]], -1)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


# ---- what is drawn


def test_random_transforms_draw_what_torchvision_draws():
    torch.manual_seed(0)
    crops = [transforms.RandomCrop.get_params(IMAGE, (5, 9))[:2] for _ in range(4)]
    assert crops == [(12, 7), (5, 14), (3, 3), (3, 11)]
    torch.manual_seed(0)
    parts = [transforms.RandomResizedCrop.get_params(IMAGE, (0.08, 1.0), (0.75, 4 / 3)) for _ in range(4)]
    assert parts == [(1, 0, 17, 19), (6, 7, 14, 15), (1, 11, 17, 18), (10, 8, 9, 7)]
    torch.manual_seed(0)
    flip = transforms.RandomHorizontalFlip()
    assert [int((flip(IMAGE) != IMAGE).any()) for _ in range(10)] == [1, 0, 1, 1, 1, 0, 1, 0, 1, 0]
    torch.manual_seed(0)
    flip = transforms.RandomApply([transforms.RandomVerticalFlip(0.4)], 0.7)
    assert [int((flip(IMAGE) != IMAGE).any()) for _ in range(10)] == [0, 1, 0, 0, 0, 0, 1, 0, 0, 1]


def test_what_needs_no_draw_draws_nothing():
    torch.manual_seed(0)
    transforms.RandomCrop((20, 30))(IMAGE)
    assert torch.initial_seed() == 0 and torch.equal(
        torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(0))
    )


# ---- sizes


@pytest.mark.parametrize(
    "mode, smaller, larger",
    [
        ("nearest", "0917b4d7af3a80b9", "4a10867e6935a7da"),
        ("bilinear", "4f319f626e57a0ff", "2eeb3e183fa49f77"),
        ("bicubic", "62d4dee9db62048c", "58b4f64737c6e81f"),
        ("box", "4f4e08edacbdfa51", "4a10867e6935a7da"),
        ("hamming", "31f2d2a426222973", "33bf5af7896f4e73"),
        ("lanczos", "b4e8f2eda2770823", "5f172e1af364ee76"),
    ],
)
def test_bytes_are_resized_as_pillow_does(mode, smaller, larger):
    assert digest(transforms.Resize((8, 12), InterpolationMode(mode))(IMAGE)) == smaller
    assert digest(transforms.Resize(31, InterpolationMode(mode))(IMAGE)) == larger


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_resizing_a_live_pillow_gives_the_same(mode):
    image = pytest.importorskip("PIL.Image")
    for size in ((8, 12), (40, 61), (20, 31)):
        t = transforms.Resize(size, InterpolationMode(mode))
        for array in (IMAGE, COLOR):
            np.testing.assert_array_equal(t(array), np.asarray(t(image.fromarray(array))))


def test_tensors_are_resized_like_images_up_to_rounding():
    x = torch.from_numpy(IMAGE.copy())[None]
    for size in ((8, 12), (40, 61)):
        got = transforms.Resize(size)(x)
        assert got.dtype == torch.uint8
        assert (got[0].int() - torch.from_numpy(transforms.Resize(size)(IMAGE)).int()).abs().max() <= 1
    ramp = torch.arange(6.0).expand(1, 1, 2, 6)
    assert transforms.Resize((1, 3))(ramp)[0, 0, 0].tolist() == pytest.approx([5 / 7, 2.5, 30 / 7])
    assert transforms.Resize((1, 3), antialias=False)(ramp)[0, 0, 0].tolist() == [0.5, 2.5, 4.5]


def test_the_shorter_side_is_what_a_number_means():
    assert transforms.Resize(10)(IMAGE).shape == (10, 15) and transforms.Resize(10)(IMAGE.T).shape == (15, 10)
    assert transforms.Resize([10], max_size=12)(IMAGE).shape == (8, 12)
    assert transforms.Resize(20)(IMAGE) is IMAGE


def test_gradients_pass_or_are_refused():
    x = torch.rand(1, 4, 4, requires_grad=True)
    t = transforms.Compose(
        [
            transforms.CenterCrop(6),
            transforms.Pad(1, padding_mode="edge"),
            transforms.RandomHorizontalFlip(1.0),
        ]
    )
    t(x).sum().backward()
    assert x.grad.tolist() == [[[1.0] * 4] * 4]
    with pytest.raises(NotImplementedError, match="antialias=False"):
        transforms.Resize(2)(x)
    with torch.no_grad():
        assert transforms.Resize(2)(x).shape == (1, 2, 2)


# ---- places


def test_three_kinds_of_images_are_treated_alike():
    make = [
        transforms.CenterCrop((6, 40)),
        transforms.Pad((1, 2, 3, 4), fill=9),
        transforms.Pad((2, 1), padding_mode="reflect"),
        transforms.Pad(3, padding_mode="symmetric"),
        transforms.Pad((-2, 3), padding_mode="edge"),
        transforms.RandomHorizontalFlip(1.0),
        transforms.RandomVerticalFlip(1.0),
        transforms.RandomCrop(9, padding=4),
        transforms.RandomCrop((25, 33), pad_if_needed=True),
    ]
    for t in make:
        results = []
        for image in (COLOR, torch.from_numpy(COLOR.transpose(2, 0, 1).copy())):
            torch.manual_seed(3)
            out = t(image)
            results.append(out if isinstance(out, np.ndarray) else out.permute(1, 2, 0).numpy())
        if "PIL" in sys.modules:
            torch.manual_seed(3)
            results.append(np.asarray(t(functional.pillow().fromarray(COLOR))))
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


def test_padding_by_hand():
    x = np.array([[1, 2, 3]], np.uint8)
    assert functional.pad(x, [2, 0], 7).tolist() == [[7, 7, 1, 2, 3, 7, 7]]
    assert functional.pad(x, [2, 0], padding_mode="reflect").tolist() == [[3, 2, 1, 2, 3, 2, 1]]
    assert functional.pad(x, [2, 0], padding_mode="symmetric").tolist() == [[2, 1, 1, 2, 3, 3, 2]]
    assert functional.pad(x, [1, 0, 0, 1], padding_mode="edge").tolist() == [[1, 1, 2, 3]] * 2
    assert functional.pad(COLOR[:1, :1], 1, (1, 2, 3))[0, 0].tolist() == [1, 2, 3]
    assert functional.crop(x, -1, 1, 3, 4).tolist() == [[0] * 4, [2, 3, 0, 0], [0] * 4]


# ---- values


def test_to_tensor_and_normalize():
    t = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    got = t(IMAGE)
    assert got.shape == (1, 20, 30) and got.dtype == torch.float32
    want = (IMAGE.astype("f4") / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    np.testing.assert_array_equal(got[0].numpy(), want)
    assert transforms.ToTensor()(COLOR).shape == (3, 20, 30)
    assert transforms.ToTensor()(IMAGE.astype("f8")).dtype == torch.float64  # not bytes: as they are
    assert repr(t) == "Compose(\n    ToTensor()\n    Normalize(mean=(0.1307,), std=(0.3081,))\n)"
    x = torch.ones(1, 2, 2)
    assert transforms.Normalize([1.0], [2.0], inplace=True)(x) is x and x.sum() == 0


def test_gray():
    assert transforms.Grayscale()(COLOR).shape == (20, 30)
    assert transforms.Grayscale(3)(COLOR).shape == (20, 30, 3)
    assert functional.rgb_to_grayscale(np.array([[[255, 0, 0]]], np.uint8)).item() == 76
    assert functional.rgb_to_grayscale(torch.tensor([[[255]], [[0]], [[0]]], dtype=torch.uint8)).item() == 76


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: transforms.ToTensor()(1), TypeError),
        (lambda: transforms.ToTensor()(np.zeros(3)), ValueError),
        (lambda: transforms.PILToTensor()(IMAGE), TypeError),
        (lambda: transforms.Normalize([0], [1])(IMAGE), TypeError),
        (lambda: transforms.Normalize([0], [1])(torch.ones(1, 2, 2, dtype=torch.uint8)), TypeError),
        (lambda: transforms.Normalize([0], [1])(torch.ones(2, 2)), ValueError),
        (lambda: transforms.Normalize([0], [0])(torch.ones(1, 2, 2)), ValueError),
        (lambda: transforms.Lambda(3), TypeError),
        (lambda: transforms.Resize(3.0), TypeError),
        (lambda: transforms.Resize((1, 2, 3)), ValueError),
        (lambda: transforms.Resize(3, 99), TypeError),
        (lambda: transforms.Resize(3, max_size=2)(IMAGE), ValueError),
        (lambda: transforms.Resize((3, 3), max_size=2)(IMAGE), ValueError),
        (lambda: transforms.Resize(3, InterpolationMode.LANCZOS)(torch.ones(1, 4, 4)), ValueError),
        (lambda: transforms.CenterCrop((1, 2, 3)), ValueError),
        (lambda: transforms.CenterCrop(2)([[1]]), TypeError),
        (lambda: transforms.Pad((1, 2, 3)), ValueError),
        (lambda: transforms.Pad("1"), TypeError),
        (lambda: transforms.Pad(1, padding_mode="mirror"), ValueError),
        (lambda: transforms.RandomCrop(50)(IMAGE), ValueError),
        (lambda: transforms.RandomResizedCrop(5, scale=0.5), TypeError),
        (lambda: transforms.Grayscale(2)(COLOR), ValueError),
        (lambda: transforms.Grayscale()(COLOR[..., :2]), TypeError),
        (lambda: transforms.ToPILImage()("x"), TypeError),
    ],
)
def test_mistakes_raise(make, error):
    with pytest.raises(error):
        make()


# ---- datasets


@pytest.fixture(params=[True, False], ids=["with Pillow", "without"])
def with_pillow(request, monkeypatch):
    if request.param:
        pytest.importorskip("PIL.Image")
    else:
        monkeypatch.setitem(sys.modules, "PIL", None)
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
    return request.param


@pytest.mark.parametrize("train", [True, False])
def test_mnist(tmp_path, with_pillow, train):
    write_idx(tmp_path / "MNIST" / "raw", zipped=train)
    write_npz(tmp_path / "fashionmnist.npz")
    split = "train" if train else "test"
    for cls in (datasets.MNIST, datasets.FashionMNIST):
        d = cls(str(tmp_path), train=train, transform=transforms.ToTensor(), target_transform=lambda y: y + 1)
        assert d.data.tolist() == ARRAYS[split, "images"].tolist() and d.targets.dtype == torch.int64
        x, y = d[1]
        np.testing.assert_array_equal(x[0].numpy(), ARRAYS[split, "images"][1] / np.float32(255))
        assert (
            type(y) is int and y == ARRAYS[split, "labels"][1] + 1 and len(d) == len(ARRAYS[split, "labels"])
        )
        assert len(d.classes) == 10 and list(d.class_to_idx.values()) == list(range(10))
        assert f"Split: {split.title()}" in repr(d) and "ToTensor" in repr(d)
        batch, labels = next(iter(DataLoader(d, batch_size=2)))
        assert batch.shape == (2, 1, 4, 3) and labels.dtype == torch.int64
    image, _ = datasets.MNIST(tmp_path, train=train)[0]
    assert isinstance(image, np.ndarray) != with_pillow


def test_a_missing_set_says_what_to_put_where(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found.*FashionMNIST/raw"):
        datasets.FashionMNIST(tmp_path)


def test_fake_data(with_pillow):
    d = datasets.FakeData(4, (3, 4, 5), transform=transforms.ToTensor(), random_offset=5)
    torch.manual_seed(1)
    x, y = d[3]
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(1)))
    assert x.shape == (3, 4, 5) and (x * 255).round().sum() == 7298 and y == 0 and type(y) is int
    with pytest.raises(IndexError):
        d[4]


def test_image_folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("dog/1.png", "dog/more/2.PNG", "cat/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(COLOR).save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    d = datasets.ImageFolder(str(tmp_path), transforms.ToTensor())
    assert d.classes == ["cat", "dog"] and d.targets == [0, 1, 1] and len(d) == 3
    assert torch.equal(d[2][0], transforms.ToTensor()(COLOR)) and d[0][1] == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 3
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(tmp_path / "cat")
    with pytest.raises(ValueError, match="extensions"):
        datasets.DatasetFolder(tmp_path, None)


def test_what_needs_pillow_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"tinygrad6\[vision\]"):
        transforms.ToPILImage()(torch.ones(1, 2, 2))
