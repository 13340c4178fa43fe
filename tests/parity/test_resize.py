"""Padding, resizing, sampling, folding and shuffling against PyTorch, with settings and shapes drawn."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch


def real(*shape, dtype=np.float64, low=-1.0, high=1.0, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return torch.tensor(rng.uniform(low, high, shape).astype(dtype)).requires_grad_()


def F(name):
    return lambda lib, *a, **k: getattr(lib.nn.functional, name)(*a, **k)


# ---- padding


@given(st.data())
def test_constant_padding(data):
    shape = tuple(data.draw(st.integers(0, 3)) for _ in range(data.draw(st.integers(1, 4))))
    pad = tuple(data.draw(st.integers(-2, 3)) for _ in range(2 * data.draw(st.integers(0, len(shape)))))
    value = data.draw(st.sampled_from([None, 0, 1.5, -2]))
    same(F("pad"), real(*shape), pad, value=value)
    same(F("pad"), real(*shape), pad, "constant", value)


@given(st.sampled_from(["reflect", "replicate", "circular"]), st.data())
def test_padding_by_the_border(mode, data):
    d = data.draw(st.sampled_from([1, 2, 3]))
    lead = data.draw(st.sampled_from([(2,), (1, 2)]))
    size = tuple(data.draw(st.integers(3, 4)) for _ in range(d))
    most = (
        min(size) + (mode == "replicate") - (mode == "circular")
    )  # PyTorch reads outside of what negative ones leave
    pad = tuple(data.draw(st.integers(-1, most)) for _ in range(2 * d))
    dtype = data.draw(st.sampled_from(["float64", "float32"]))
    same(F("pad"), real(*lead, *size, dtype=dtype), pad, mode, rtol=1e-5, atol=1e-5)


PADS = [
    ((2, 3), (1,), {}),
    ((2, 3), (1, 1, 1, 1, 1, 1), {}),
    ((2, 3), (-2, -2), {}),
    ((2, 3), (1, 1), {"mode": "mirror"}),
    ((2, 3), (1, 1), {"mode": "reflect", "value": 1.0}),
    ((2, 3), (1, 1), {"mode": "reflect", "value": 0}),
    ((2, 3), (3, 1), {"mode": "reflect"}),
    ((2, 3), (4, 1), {"mode": "circular"}),
    ((2, 3), (9, 9), {"mode": "replicate"}),
    ((3,), (1, 1), {"mode": "reflect"}),
    ((2, 3), (1, 1, 1, 1), {"mode": "replicate"}),
    ((1, 1, 2, 3), (1, 1), {"mode": "circular"}),
    ((1, 1, 1, 1, 2, 3), (1, 1, 1, 1, 1, 1), {"mode": "replicate"}),
    ((1, 2, 0), (1, 1), {"mode": "reflect"}),
    ((0, 2, 3), (1, 1), {"mode": "reflect"}),
    ((0, 2, 3), (1, 1), {"mode": "circular"}),
    ((2, 3), (), {}),
]


@pytest.mark.parametrize("shape, pad, how", PADS, ids=str)
def test_padding_errors(shape, pad, how):
    same(F("pad"), real(*shape), pad, **how)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float16"])
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_types(mode, dtype):
    same(
        lambda lib: lib.nn.functional.pad(
            lib.arange(6).reshape(1, 2, 3).to(getattr(lib, dtype)), (1, 2), mode
        )
    )


def test_constant_pad_nd():
    same(lambda lib, x: lib.constant_pad_nd(x, (1, 0, -1, 2), 2.5), real(2, 3, 4))
    x = torch.ones(2, 2)
    y = torch.nn.functional.pad(x, (0, 0)) if hasattr(torch, "nn") else torch.constant_pad_nd(x, (0, 0))
    y.fill_(3)
    assert x.sum() == 4, "the result is a copy"


# ---- resizing


@st.composite
def resizings(draw):
    mode = draw(
        st.sampled_from(["nearest", "nearest-exact", "area", "linear", "bilinear", "bicubic", "trilinear"])
    )
    d = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode) or draw(
        st.sampled_from([1, 2, 3])
    )
    least = 2 if mode == "area" else 1  # PyTorch's gradient of an empty result fails
    size = tuple(draw(st.integers(least, 7 if d < 3 else 3)) for _ in range(d))
    how = {"mode": mode}
    if draw(st.booleans()):
        one = draw(st.booleans())
        how["size"] = draw(st.integers(1, 9)) if one else tuple(draw(st.integers(1, 9)) for _ in range(d))
    else:
        factors = st.sampled_from([1, 2, 1.0, 0.5, 1.5, 0.7, 2.6, 3])
        how["scale_factor"] = draw(factors) if draw(st.booleans()) else tuple(draw(factors) for _ in range(d))
        how["recompute_scale_factor"] = draw(st.sampled_from([None, True, False]))
    if mode not in ("nearest", "nearest-exact", "area"):
        how["align_corners"] = draw(st.sampled_from([None, True, False]))
    return (2, 2, *size), how


@given(resizings(), st.sampled_from(["float64", "float32"]))
def test_interpolate(drawn, dtype):
    shape, how = drawn
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {}
    same(F("interpolate"), real(*shape, dtype=dtype), **how, **tolerance)


@given(st.data())
def test_antialiased(data):
    mode = data.draw(st.sampled_from(["bilinear", "bicubic", "lanczos"]))
    shape = (1, 2, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    how = {"mode": mode, "antialias": True}
    if mode != "lanczos":
        how["align_corners"] = data.draw(st.booleans())
    if data.draw(st.booleans()):  # PyTorch repeats the first row if a column is all that is made
        how["size"] = (data.draw(st.integers(1, 9)), data.draw(st.integers(2, 9)))
    else:
        shape = (*shape[:3], shape[3] + 3)
        how["scale_factor"] = data.draw(st.sampled_from([1.0, 2.0, 0.5, (0.7, 0.6), (1.5, 0.7)]))
    same(F("interpolate"), real(*shape), **how, rtol=1e-6, atol=1e-6)


X = (1, 2, 3, 4)
RESIZES = [
    (X, {}),
    (X, {"size": 2, "scale_factor": 2}),
    (X, {"size": (2,)}),
    (X, {"size": 2.5}),
    (X, {"size": (2, 2.5)}),
    (X, {"scale_factor": (1, 2, 3)}),
    (X, {"size": 2, "recompute_scale_factor": True}),
    (X, {"size": 2, "align_corners": True}),
    (X, {"size": 2, "mode": "linear"}),
    (X, {"size": 2, "mode": "trilinear"}),
    (X, {"size": 2, "mode": "cubic"}),
    (X, {"size": 0}),
    (X, {"size": -1}),
    (X, {"scale_factor": 0.1}),
    (X, {"size": 2, "mode": "nearest", "antialias": True}),
    (X, {"size": 2, "mode": "lanczos"}),
    (X, {"size": 2, "mode": "lanczos", "antialias": True, "align_corners": True}),
    ((2, 3), {"size": 2}),
    ((1, 2, 3), {"size": 2, "mode": "bilinear"}),
    ((1, 1, 1, 1, 1, 1), {"size": 2}),
    ((0, 2, 3, 4), {"size": 2}),
    ((1, 0, 3, 4), {"size": 2}),
    ((1, 2, 0, 4), {"size": 2}),
    ((0, 2, 3, 4), {"size": 2, "mode": "bilinear"}),
]


@pytest.mark.parametrize("shape, how", RESIZES, ids=str)
def test_resizing_errors(shape, how):
    same(F("interpolate"), real(*shape), **how)


def test_half_and_bytes():
    x = real(1, 2, 4, 5, dtype="float16")
    for mode in ("nearest", "bilinear", "bicubic"):
        same(F("interpolate"), x, scale_factor=1.5, mode=mode, second=False, rtol=4e-3, atol=4e-3)
    same(
        lambda lib: lib.nn.functional.interpolate(
            lib.arange(12, dtype=lib.uint8).reshape(1, 1, 3, 4), scale_factor=2
        )
    )


@pytest.mark.filterwarnings("ignore:.*upsample.* is deprecated")
def test_upsample():
    same(F("upsample"), real(*X), scale_factor=2, mode="bilinear", align_corners=True)
    same(F("upsample_nearest"), real(*X), scale_factor=2)
    same(F("upsample_bilinear"), real(*X), size=(5, 3))


def test_infinity_reaches_only_what_it_belongs_to():
    x = real(1, 1, 6, 6).detach()
    x[0, 0, 2, 3] = float("inf")
    for mode in ("nearest", "area", "bilinear"):
        same(F("interpolate"), x, size=(4, 9), mode=mode)
    same(F("pad"), x, (2, 1, 1, 2), "reflect")
    same(F("interpolate"), x, size=(4, 3), mode="bilinear", antialias=True)


# ---- sampling


@given(st.data())
def test_grid_sample(data):
    d = data.draw(st.sampled_from([2, 2, 3]))
    size = tuple(data.draw(st.integers(1, 4)) for _ in range(d))
    made = tuple(data.draw(st.integers(1, 3)) for _ in range(d))
    how = {
        "mode": data.draw(st.sampled_from(["bilinear", "nearest", "bicubic"][: 3 if d == 2 else 2])),
        "padding_mode": data.draw(st.sampled_from(["zeros", "border", "reflection"])),
        "align_corners": data.draw(st.booleans()),
    }
    grid = real(2, *made, d, low=-1.9, high=1.9, seed=data.draw(st.integers(0, 9)))
    same(F("grid_sample"), real(2, 3, *size), grid, **how, second=False)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample_at_special_points(mode, padding_mode, align):
    special = [-1.0, 1.0, 0.0, -0.5, 0.3, 0.5, -1e6, 3e9, float("nan"), float("inf"), -0.75, 2.0]
    if padding_mode == "reflection":
        special = [p for p in special if np.isfinite(p) and abs(p) < 1e6]
    grid = torch.tensor([[[[a, b] for a in special] for b in special]], dtype=torch.float64)
    x = real(1, 2, 3, 4).detach()
    with np.errstate(invalid="ignore"):
        same(F("grid_sample"), x, grid, mode=mode, padding_mode=padding_mode, align_corners=align)


BAD_GRIDS = [
    ((1, 1, 3, 3), (1, 2, 2, 3), {}),
    ((1, 1, 3, 3), (2, 2, 2, 2), {}),
    ((1, 3, 3), (1, 2, 2), {}),
    ((1, 1, 3, 3), (1, 2, 2, 2, 3), {}),
    ((1, 1, 0, 3), (1, 2, 2, 2), {}),
    ((1, 1, 3, 3, 3), (1, 2, 2, 2, 3), {"mode": "bicubic"}),
    ((1, 1, 3, 3), (1, 2, 2, 2), {"mode": "cubic"}),
    ((1, 1, 3, 3), (1, 2, 2, 2), {"padding_mode": "circular"}),
    ((0, 1, 3, 3), (0, 2, 2, 2), {}),
    ((1, 0, 3, 3), (1, 2, 2, 2), {}),
    ((1, 1, 3, 3), (1, 0, 2, 2), {}),
]


@pytest.mark.parametrize("shape, grid, how", BAD_GRIDS, ids=str)
def test_grid_errors(shape, grid, how):
    same(F("grid_sample"), real(*shape), real(*grid), align_corners=False, **how, second=False)


def test_grid_types():
    x, grid = real(1, 1, 3, 3), real(1, 2, 2, 2)
    same(lambda lib, x, g: lib.nn.functional.grid_sample(x, g.float(), align_corners=False), x, grid)
    same(lambda lib, x, g: lib.nn.functional.grid_sample(x.long(), g, align_corners=False), x, grid)
    same(
        lambda lib, x, g: lib.nn.functional.grid_sample(x.half(), g.half(), align_corners=False),
        x,
        grid,
        second=False,
    )


@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(align):
    same(F("affine_grid"), real(2, 2, 3), (2, 3, 4, 5), align_corners=align)
    same(F("affine_grid"), real(2, 3, 4), (2, 3, 2, 4, 5), align_corners=align)
    same(F("affine_grid"), real(2, 2, 3, dtype="float32"), torch_size(2, 3, 4, 5), align_corners=align)
    for theta, size in (
        ((2, 2, 3), (2, 3, 4)),
        ((2, 3, 4), (2, 3, 4, 5)),
        ((2, 2, 3), (2, 3, 0, 5)),
        ((1, 2, 3), (2, 1, 2, 2)),
    ):
        same(F("affine_grid"), real(*theta), size, align_corners=align)


def torch_size(*size):
    return list(size)


def test_the_default_of_align_corners_warns():
    for name, args in (
        ("affine_grid", (real(1, 2, 3), (1, 1, 2, 2))),
        ("grid_sample", (real(1, 1, 2, 2), real(1, 2, 2, 2))),
    ):
        with pytest.warns(UserWarning, match="align_corners"):
            getattr(nn_functional(), name)(*args)


def nn_functional():
    import tinygrad6.nn.functional

    return tinygrad6.nn.functional


# ---- folding and shuffling


@given(st.data())
def test_unfold_and_fold(data):
    def pair(low, high):
        n = st.integers(low, high)
        return data.draw(n) if data.draw(st.booleans()) else (data.draw(n), data.draw(n))

    how = {"kernel_size": pair(1, 3), "stride": pair(1, 2), "padding": pair(0, 1), "dilation": pair(1, 2)}
    size = (data.draw(st.integers(3, 7)), data.draw(st.integers(3, 7)))
    lead = data.draw(st.sampled_from([(2,), (2, 3)]))

    def call(lib, x):
        columns = lib.nn.functional.unfold(x, **how)
        return columns, lib.nn.functional.fold(columns.sin(), size, **how)

    same(call, real(*lead, *size))


FOLDS = [
    ("unfold", (1, 2, 3, 3), (4,), {}),
    ("unfold", (1, 2, 3, 3), (0,), {}),
    ("unfold", (1, 2, 3, 3), ((2, 2, 2),), {}),
    ("unfold", (1, 2, 3, 3), (2,), {"stride": 0}),
    ("unfold", (1, 2, 3, 3), (2,), {"padding": -1}),
    ("unfold", (1, 2, 3, 3), (2,), {"dilation": 0}),
    ("unfold", (3, 3), (2,), {}),
    ("unfold", (1, 2, 0, 3), (2,), {}),
    ("unfold", (0, 2, 3, 3), (2,), {}),
    ("unfold", (1, 2, 3, 3), ((2,),), {}),
    ("fold", (1, 8, 4), ((3, 3), 2), {}),
    ("fold", (1, 8, 5), ((3, 3), 2), {}),
    ("fold", (1, 7, 4), ((3, 3), 2), {}),
    ("fold", (8, 4), (3, 2), {}),
    ("fold", (1, 1, 8, 4), (3, 2), {}),
    ("fold", (0, 8, 4), (3, 2), {}),
    ("fold", (1, 8, 4), ((3, 3, 3), 2), {}),
    ("fold", (1, 8, 4), (1, 2), {}),
    ("pixel_shuffle", (1, 8, 2, 3), (2,), {}),
    ("pixel_shuffle", (8, 2, 3), (2,), {}),
    ("pixel_shuffle", (2, 1, 8, 2, 3), (2,), {}),
    ("pixel_shuffle", (1, 7, 2, 3), (2,), {}),
    ("pixel_shuffle", (1, 8, 2, 3), (0,), {}),
    ("pixel_shuffle", (8, 2), (2,), {}),
    ("pixel_unshuffle", (1, 2, 4, 6), (2,), {}),
    ("pixel_unshuffle", (2, 4, 6), (2,), {}),
    ("pixel_unshuffle", (1, 2, 4, 5), (2,), {}),
    ("pixel_unshuffle", (1, 2, 4, 6), (-1,), {}),
    ("pixel_unshuffle", (4, 6), (2,), {}),
    ("channel_shuffle", (1, 6, 2, 3), (2,), {}),
    ("channel_shuffle", (1, 6, 2), (3,), {}),
    ("channel_shuffle", (1, 6), (3,), {}),
    ("channel_shuffle", (1, 6, 2), (4,), {}),
    ("channel_shuffle", (1, 6, 2), (0,), {}),
]


@pytest.mark.parametrize("name, shape, args, how", FOLDS, ids=str)
def test_folds_and_shuffles(name, shape, args, how):
    same(F(name), real(*shape), *args, **how)


def test_shuffles_copy():
    for name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"):
        x = torch.ones(1, 2, 2, 2)
        getattr(torch, name)(x, 1).fill_(5)
        assert x.sum() == 8


# ---- modules


MODULES = [
    ("Unfold", (2,), {"padding": 1}, (1, 2, 4, 4)),
    ("Fold", ((3, 3), 2), {}, (1, 8, 4)),
    ("ChannelShuffle", (2,), {}, (1, 4, 2, 2)),
    ("PixelShuffle", (2,), {}, (1, 4, 2, 2)),
    ("PixelUnshuffle", (2,), {}, (1, 4, 2, 2)),
    ("Upsample", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("Upsample", (), {"scale_factor": (1.5, 2), "mode": "bilinear", "align_corners": True}, (1, 2, 3, 4)),
    ("Upsample", (5,), {"mode": "linear"}, (1, 2, 3)),
    ("Upsample", ((4, 5),), {"mode": "bicubic"}, (1, 2, 3, 4)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("UpsamplingBilinear2d", (5,), {}, (1, 2, 3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Unflatten", (1, (2, 3)), {}, (2, 6)),
    ("Unflatten", (1, [2, -1]), {}, (2, 6)),
    ("Unflatten", (1, 3), {}, None),
    ("Unflatten", (1, (2.0, 3)), {}, None),
    ("CosineSimilarity", (), {"dim": 0}, None),
    ("PairwiseDistance", (1,), {}, None),
    *(
        (f"{kind}Pad{d}d", (padding, *((2.5,) if kind == "Constant" else ())), {}, (1, 2, *(4,) * d))
        for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
        for d in (1, 2, 3)
        for padding in (2, tuple(range(2 * d))[::-1] if d == 1 else (1, 2) * d)
    ),
    ("CircularPad2d", (1,), {}, (4, 4)),
    ("ReflectionPad2d", (1,), {}, (4, 4)),
]


@pytest.mark.parametrize("name, args, how, shape", MODULES, ids=str)
def test_modules(name, args, how, shape):
    same(lambda lib: repr(getattr(lib.nn, name)(*args, **how)))
    if shape is not None:
        same(lambda lib, x: getattr(lib.nn, name)(*args, **how)(x), real(*shape))
