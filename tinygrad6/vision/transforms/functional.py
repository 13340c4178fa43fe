"""Transforms of images as functions, with torchvision's names.

An image is a tensor (..., C, H, W), an ndarray (H, W) or (H, W, C), or a Pillow image; each function
returns the kind it was given. Gradients pass through all of them but resizing with antialiasing.
"""

from __future__ import annotations

import enum
import numbers
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.modes import is_grad_enabled
from tinygrad6.ops.create import as_tensor
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.vision.transforms import resample


class InterpolationMode(enum.Enum):
    """How pixels between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PILLOW = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5, "nearest-exact": 0}
PADDINGS = ("constant", "edge", "reflect", "symmetric")


def pillow() -> Any:
    """The module PIL.Image; ImportError, which says what to install, where it is missing."""
    try:
        import PIL.Image
    except ImportError:
        raise ImportError(
            "this needs Pillow, which is not installed: pip install 'tinygrad6[vision]'; "
            "transforms themselves also take NumPy arrays (H, W) or (H, W, C)"
        ) from None
    return PIL.Image


def is_pillow(img: Any) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    if isinstance(img, Tensor):
        return [1 if img.ndim == 2 else img.size(-3), img.size(-2), img.size(-1)]
    if isinstance(img, np.ndarray) and img.ndim in (2, 3):
        return [1 if img.ndim == 2 else img.shape[2], *img.shape[:2]]
    if is_pillow(img):
        return [len(img.getbands()), img.height, img.width]
    raise TypeError(f"img should be a PIL Image, a Tensor or an ndarray (H, W) or (H, W, C). Got {type(img)}")


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    return get_dimensions(img)[0]


def _planes(img: Any, act: Callable[[Any], Any]) -> Any:
    """`act` on the image as planes (..., H, W), whatever kind it is; the result is of the same kind."""
    get_dimensions(img)  # raises for what is no image
    if isinstance(img, Tensor):
        return act(img)
    if isinstance(img, np.ndarray):
        if img.ndim == 2:
            return np.ascontiguousarray(act(img))
        return np.ascontiguousarray(np.moveaxis(act(np.moveaxis(img, 2, 0)), 0, 2))
    out = pillow().fromarray(_planes(np.asarray(img), act))
    if img.mode == "P":
        out.putpalette(img.getpalette())
    return out


# ---- kinds of images


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or array (H, W[, C]) as tensor (C, H, W): bytes as floats in [0, 1], others as is.

    TypeError for anything else, ValueError for an array that is not 2-d or 3-d.
    """
    if not isinstance(pic, np.ndarray) and not is_pillow(pic):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if isinstance(pic, np.ndarray) and pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    t = _channels_first(pic)
    if is_pillow(pic) and pic.mode == "1":
        t = wrap(t.array.astype(np.uint8) * np.uint8(255))
    if t.array.dtype != np.uint8:
        return t
    kind = dtypes.default_float()
    return wrap(t.array.astype(kind) / kind.type(255))


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as tensor (C, H, W) of its own type."""
    if not is_pillow(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return _channels_first(pic)


def _channels_first(pic: Any) -> Tensor:
    a = np.array(pic)
    if a.dtype == np.uint16:  # Pillow's I;16
        a = a.view(np.int16)
    return as_tensor(np.array(a[None] if a.ndim == 2 else a.transpose(2, 0, 1), order="C"))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor ([C, ]H, W) or an array (H, W[, C]) as a Pillow image; floats are taken in [0, 1]."""
    if isinstance(pic, Tensor):
        a = pic.numpy(force=True)
        a = a.transpose(1, 2, 0) if a.ndim == 3 else a
    elif isinstance(pic, np.ndarray):
        a = pic
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if a.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {a.ndim} dimensions.")
    channels = a.shape[2] if a.ndim == 3 else 1
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if a.dtype.kind == "f" and mode != "F":
        a = (a * 255).astype(np.int64).astype(np.uint8)  # as C casts them: modulo 256
    if channels == 1:
        known = {"u1": ["L"], "i2": ["I;16"], "i4": ["I"], "f4": ["F"]}.get(a.dtype.str[1:], [])
        a = a.reshape(a.shape[:2])
    else:
        known = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}[channels]
        known = known if a.dtype == np.uint8 else []
    if mode is None and not known:
        raise TypeError(f"Input type {a.dtype} is not supported")
    if mode is not None and mode not in known:
        raise ValueError(
            f"mode {mode!r} does not fit {channels} channels of {a.dtype}; it should be in {known}"
        )
    image = pillow()
    if a.dtype == np.int16:
        a = a.view(np.uint16)
    chosen = mode or known[0]
    if image.fromarray(a[:1, :1]).mode == chosen:
        return image.fromarray(np.ascontiguousarray(a))
    return image.frombytes(chosen, a.shape[1::-1], np.ascontiguousarray(a).tobytes())


def convert_image_dtype(image: Tensor, dtype: dtypes.dtype = dtypes.float32) -> Tensor:
    """A tensor image in another type, scaled: integers span 0 to their maximum, floats 0 to 1."""
    if image.dtype == dtype:
        return image
    if dtype.is_floating_point:
        top = 1 if image.dtype.is_floating_point else np.iinfo(image.dtype.np).max
        return image.to(dtype) if top == 1 else image.to(dtype) / top
    top = np.iinfo(dtype.np).max
    if image.dtype.is_floating_point:
        if (image.dtype, dtype) in ((dtypes.float32, dtypes.int32), (dtypes.float32, dtypes.int64)):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        return (image * (top + 1.0 - 1e-3)).to(dtype)
    from_top = np.iinfo(image.dtype.np).max
    if from_top > top:
        return (image // ((from_top + 1) // (top + 1))).to(dtype)
    return image.to(dtype) * ((top + 1) // (from_top + 1))


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(tensor - mean) / std by channel, for a float tensor (..., C, H, W).

    TypeError for another type, ValueError for fewer than three dimensions or a std of zero.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). "
            f"Got tensor.size() = {tuple(tensor.size())}"
        )
    m, s = (as_tensor(v, dtype=tensor.dtype) for v in (mean, std))
    if (s == 0).any():
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    m, s = (v.reshape(-1, 1, 1) if v.ndim == 1 else v for v in (m, s))
    return tensor.sub_(m).div_(s) if inplace else tensor.sub(m).div_(s)


# ---- size and place


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """More pixels around an image: one number, [left and right, top and bottom], or one for each side.

    fill: their value, one for each channel if it is a tuple. padding_mode: 'constant', 'edge' (the last
    pixel), 'reflect' (mirrored without it) or 'symmetric' (with it). Negative padding crops.
    """
    if not isinstance(padding, (int, float, tuple, list)):
        raise TypeError(f"Got inappropriate padding arg: {padding!r}")
    if not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"Got inappropriate fill arg: {fill!r}")
    if padding_mode not in PADDINGS:
        raise ValueError(
            f"Padding mode should be either constant, edge, reflect or symmetric, got {padding_mode!r}"
        )
    sides: list[int] = list(padding) if isinstance(padding, (tuple, list)) else [int(padding)]
    if len(sides) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple"
        )
    left, top, right, bottom = (sides * 4 if len(sides) == 1 else sides * 2)[:4]

    def act(x: Any) -> Any:
        h, w = x.shape[-2:]
        if padding_mode == "constant":
            return _with_border(x, -top, -left, h + top + bottom, w + left + right, fill)
        mode: Any = padding_mode
        rows, columns = (
            np.pad(np.arange(max(-a, 0), n - max(-b, 0)), (max(a, 0), max(b, 0)), mode)
            for n, a, b in ((h, top, bottom), (w, left, right))
        )
        return x[..., rows, :][..., columns]

    return _planes(img, act)


def _with_border(x: Any, top: int, left: int, height: int, width: int, fill: Any) -> Any:
    """The pixels of x (..., H, W) from (top, left) on; where there are none, `fill`."""
    h, w = x.shape[-2:]
    if top >= 0 and left >= 0 and top + height <= h and left + width <= w:
        return x[..., top : top + height, left : left + width]
    if isinstance(fill, (tuple, list)):
        fill = fill[0] if len(fill) == 1 else as_tensor(np.array(fill)).reshape(-1, 1, 1)
        if not isinstance(x, Tensor) and isinstance(fill, Tensor):
            fill = fill.array
    shape = (*x.shape[:-2], height, width)
    a, b = max(top, 0), max(left, 0)
    inside = x[..., a : max(top + height, 0), b : max(left + width, 0)]
    out = wrap(np.empty(shape, x.array.dtype)) if isinstance(x, Tensor) else np.empty(shape, x.dtype)
    out[...] = fill
    out[..., a - top : a - top + inside.shape[-2], b - left : b - left + inside.shape[-1]] = inside
    return out


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of an image from (top, left) on; zeros where it leaves the image."""
    return _planes(img, lambda x: _with_border(x, top, left, height, width, 0))


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of an image, with zeros around it if it is smaller."""
    height, width = pair(output_size)
    _, h, w = get_dimensions(img)
    wide, high = max(width - w, 0), max(height - h, 0)
    if wide or high:
        img = pad(img, [wide // 2, high // 2, (wide + 1) // 2, (high + 1) // 2])
        _, h, w = get_dimensions(img)
    return crop(img, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def hflip(img: Any) -> Any:
    """The image mirrored left to right."""
    return _planes(img, lambda x: x.flip(-1) if isinstance(x, Tensor) else x[..., ::-1])


def vflip(img: Any) -> Any:
    """The image turned upside down."""
    return _planes(img, lambda x: x.flip(-2) if isinstance(x, Tensor) else x[..., ::-1, :])


def pair(size: Any) -> tuple[int, int]:
    """(height, width) from a number, or a sequence of one or two."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"Please provide only two dimensions (h, w) for size. Got {size!r}")
    return size[0], size[1]


def interpolation_mode(mode: Any) -> InterpolationMode:
    """The mode, which may also be one of Pillow's numbers."""
    if isinstance(mode, InterpolationMode):
        return mode
    for name, number in PILLOW.items():
        if isinstance(mode, int) and mode == number:
            return InterpolationMode(name)
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, "
        f"got {mode!r}"
    )


def _new_size(h: int, w: int, size: Any, max_size: int | None) -> tuple[int, int]:
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) not in (1, 2):
        raise ValueError(
            f"Size must be an int or a 1 or 2 element tuple/list, not a {len(sides)} element tuple/list"
        )
    if len(sides) == 2:
        if max_size is not None:
            raise ValueError("max_size should only be passed if size is the length of the smaller edge")
        return sides[0], sides[1]
    short, long = sides[0], int(sides[0] * max(h, w) / min(h, w))
    if max_size is not None:
        if max_size <= short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size = {size}"
            )
        if long > max_size:
            short, long = int(max_size * short / long), max_size
    return (long, short) if w <= h else (short, long)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size: (height, width), or a number for the shorter side.

    max_size: a limit for the longer side, which goes before. antialias=False, for tensors only: pixels
    are interpolated even when shrinking, by nn.functional.interpolate. Tensors of bytes are computed in
    float32 and rounded; arrays of bytes are rounded as Pillow rounds them.
    """
    mode = interpolation_mode(interpolation)
    _, h, w = get_dimensions(img)
    height, width = _new_size(h, w, size, max_size)
    if (height, width) == (h, w):
        return img
    if not isinstance(img, Tensor) and antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored."
        )
    if is_pillow(img):
        return img.resize((width, height), PILLOW[mode.value])
    if isinstance(img, Tensor):
        return _resize_tensor(img, height, width, mode.value, antialias)
    if mode.value.startswith("nearest"):
        return _planes(img, lambda x: resample.nearest(x, height, width, "pillow"))
    fixed = img.dtype == np.uint8
    return _planes(
        img, lambda x: resample.resize(x, height, width, mode.value, fixed).astype(img.dtype, copy=False)
    )


def _resize_tensor(img: Tensor, height: int, width: int, mode: str, antialias: bool | None) -> Tensor:
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError(
            f"resize(): {mode!r} is for images and arrays; tensors take nearest, bilinear, bicubic"
        )
    if not antialias and mode in ("bilinear", "bicubic"):
        from tinygrad6.nn import functional as F

        x = img if img.is_floating_point() else img.float()
        out = F.interpolate(x.reshape(-1, 1, *x.shape[-2:]), (height, width), mode=mode, align_corners=False)
        out = out.reshape(*x.shape[:-2], height, width)
    elif img.requires_grad and is_grad_enabled():
        raise NotImplementedError(
            "resize(): gradients do not pass through antialiasing: use antialias=False, or detach() the image"
        )
    elif mode.startswith("nearest"):
        rule = "corner" if mode == "nearest" else "middle"
        return wrap(np.ascontiguousarray(resample.nearest(img.array, height, width, rule)))
    else:
        kind = img.array.dtype if img.is_floating_point() else np.dtype(np.float32)
        out = wrap(resample.resize(img.array, height, width, mode).astype(kind))
    if img.is_floating_point():
        return out
    if mode == "bicubic" and img.dtype == dtypes.uint8:
        out = out.clamp(0, 255)
    return out.round().to(img.dtype)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A part of an image, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Brightness, 0.299 R + 0.587 G + 0.114 B, repeated if three channels are wanted.

    A tensor that has one channel stays as it is, whatever is wanted, as in torchvision.
    """
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if is_pillow(img):
        gray = img.convert("L")
        return gray if num_output_channels == 1 else pillow().merge("RGB", (gray,) * 3)
    channels, _, _ = get_dimensions(img)
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, but found {channels}")
    if isinstance(img, Tensor):
        if channels == 1:
            return img
        r, g, b = img.unbind(-3)
        img = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
        return img if num_output_channels == 1 else img.expand(*img.shape[:-3], 3, *img.shape[-2:])
    a = img[..., 0] if img.ndim == 3 and channels == 1 else img
    if channels == 3:
        if img.dtype == np.uint8:  # Pillow's integers, in units of 2^-16
            a = ((img.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 0x8000) >> 16).astype(
                np.uint8
            )
        else:
            a = img @ np.array([0.299, 0.587, 0.114], img.dtype)
    return a if num_output_channels == 1 else np.stack([a] * 3, -1)


to_grayscale = rgb_to_grayscale
