"""Convolutions against PyTorch: shapes and options drawn, values, gradients of both orders,
and the type of errors."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_same, same, to_torch
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6 import nn


def real(*shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return torch.tensor(rng.uniform(-1, 1, shape).astype(dtype)).requires_grad_()


def each(draw, d, values):
    """One setting for all dimensions, or one for each."""
    return draw(values) if draw(st.booleans()) else tuple(draw(values) for _ in range(d))


def ntuple(value, d):
    return (value,) * d if isinstance(value, int) else tuple(value)


@st.composite
def convolutions(draw, transposed=False):
    d = draw(st.sampled_from([1, 2, 2, 3]))
    groups, many = draw(st.sampled_from([1, 1, 2, 3])), st.integers(1, 9 if d == 1 else 3)
    inner, outer = groups * draw(many), groups * draw(many)
    kernel = tuple(draw(st.integers(1, 4 if d < 3 else 2)) for _ in range(d))
    stride, dilation = each(draw, d, st.integers(1, 3)), each(draw, d, st.integers(1, 3 if d < 3 else 2))
    padding = each(draw, d, st.integers(0, 3))
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if transposed:
        size = tuple(draw(st.integers(1, 4)) for _ in range(d))
        strides, dilations, paddings = (ntuple(v, d) for v in (stride, dilation, padding))
        # a float32 result may be empty in PyTorch, a float64 one may not; ours may not
        size = tuple(
            max(n, 1 - (t * (k - 1) - 2 * p) // s)
            for n, k, s, p, t in zip(size, kernel, strides, paddings, dilations)
        )
        most = [max(s, t) - 1 for s, t in zip(strides, dilations)]
        how["output_padding"] = tuple(draw(st.integers(0, m)) for m in most)
        weight = (inner, outer // groups, *kernel)
    else:
        if draw(st.integers(0, 4)) == 0:
            how["padding"] = draw(st.sampled_from(["same", "valid"]))
            if how["padding"] == "same":
                how["stride"] = 1
        least = [
            max(1, t * (k - 1) + 1 - 2 * (0 if isinstance(padding, str) else p))
            for k, t, p in zip(kernel, ntuple(dilation, d), ntuple(padding, d))
        ]
        if how["padding"] == "valid":
            least = [t * (k - 1) + 1 for k, t in zip(kernel, ntuple(dilation, d))]
        size = tuple(m + draw(st.integers(0, 4)) for m in least)
        weight = (outer, inner // groups, *kernel)
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    bias = draw(st.booleans())
    dtype = draw(st.sampled_from(["float64", "float64", "float32"]))
    shapes = ((*batch, inner, *size), weight, (outer,) if bias else None)
    return d, shapes, how, dtype


def check(name, shapes, how, dtype, atol=1e-4):
    tensors = [None if s is None else real(*s, dtype=dtype) for s in shapes]
    tolerance = {} if dtype == "float64" else {"rtol": 1e-4, "atol": atol}
    same(lambda lib, *a, **k: getattr(lib.nn.functional, name)(*a, **k), *tensors, **how, **tolerance)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch says that it may copy
@given(convolutions())
def test_convolutions(drawn):
    d, *rest = drawn
    check(f"conv{d}d", *rest)


@given(convolutions(transposed=True))
def test_transposed_convolutions(drawn):
    d, *rest = drawn
    check(f"conv_transpose{d}d", *rest)


@pytest.mark.parametrize(
    "shapes, how",
    [
        (((5, 32, 6, 5), (8, 32, 3, 3), (8,)), {"padding": 1}),  # by rows
        (((5, 32, 6, 5), (8, 16, 3, 3), (8,)), {"padding": 1, "groups": 2, "stride": 2}),
        (((40, 1, 28, 28), (6, 1, 5, 5), (6,)), {}),  # by columns, in blocks and threads
        (((6, 16, 8, 8), (16, 16, 1, 1), (16,)), {}),  # a product for every pixel
        (((6, 16, 8, 8), (16, 1, 3, 3), None), {"groups": 16, "padding": 1}),  # depthwise
        (((2, 3, 4, 4), (5, 3, 4, 4), (5,)), {}),  # the filter covers the image
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts(shapes, how, dtype):
    check("conv2d", shapes, how, dtype, atol=1e-3)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_half_is_summed_in_single(name):
    x, w, b = (real(*s, dtype="float16") for s in ((2, 8, 6, 6), (8, 8, 3, 3), (8,)))
    same(
        lambda lib, *a: getattr(lib.nn.functional, name)(*a, padding=1),
        x,
        w,
        b,
        second=False,
        rtol=4e-3,
        atol=4e-3,
    )


X, W, B = (2, 4, 5, 5), (6, 4, 3, 3), (6,)
BAD = [
    ("conv2d", (X, W, B), {"stride": 0}),
    ("conv2d", (X, W, B), {"stride": -1}),
    ("conv2d", (X, W, B), {"dilation": 0}),
    ("conv2d", (X, W, B), {"padding": -1}),
    ("conv2d", (X, W, B), {"padding": (1, 2, 3)}),
    ("conv2d", (X, W, B), {"stride": (1, 2, 3)}),
    ("conv2d", (X, W, B), {"padding": "half"}),
    ("conv2d", (X, W, B), {"padding": "same", "stride": 2}),
    ("conv2d", (X, W, B), {"groups": 2}),
    ("conv2d", (X, W, B), {"groups": 0}),
    ("conv2d", (X, W, (5,)), {}),
    ("conv2d", (X, W, (6, 1)), {}),
    ("conv2d", ((2, 3, 5, 5), W, B), {}),
    ("conv2d", ((2, 4, 2, 2), W, B), {}),
    ("conv2d", ((5, 5), W, B), {}),
    ("conv2d", ((1, 2, 4, 5, 5), W, B), {}),
    ("conv2d", (X, (6, 4, 3), B), {}),
    ("conv1d", ((2, 4, 5), (6, 4, 7), B), {}),
    ("conv1d", ((2, 4, 5), (6, 4, 3, 3), B), {}),
    ("conv3d", ((2, 4, 5), (6, 4, 3, 3, 3), B), {}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), (5,)), {}),
    ("conv_transpose2d", (X, (3, 6, 3, 3), B), {}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), B), {"output_padding": 1}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), B), {"padding": 9}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), B), {"padding": "same"}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), B), {"groups": 3}),
    ("conv_transpose2d", (X, (4, 6, 3, 3), B), {"stride": 0}),
    # not errors, but at the edge of them
    ("conv2d", ((0, 4, 5, 5), W, B), {}),
    ("conv_transpose2d", ((0, 4, 5, 5), (4, 6, 3, 3), B), {}),
    ("conv2d", (X, W, B), {"stride": (2,), "padding": [1], "dilation": [1]}),
]


@pytest.mark.parametrize("name, shapes, how", BAD, ids=str)
def test_errors(name, shapes, how):
    check(name, shapes, how, "float64")


@pytest.mark.parametrize("types", ["fd", "df", "ff", "el"])
def test_types_must_agree(types):
    def call(lib, kinds):
        kinds = [
            getattr(lib, {"f": "float32", "d": "float64", "e": "float16", "l": "int64"}[k]) for k in kinds
        ]
        x, w = lib.ones(1, 1, 3, 3, dtype=kinds[0]), lib.ones(1, 1, 2, 2, dtype=kinds[1])
        return lib.nn.functional.conv2d(x, w)

    same(call, types)
    same(
        lambda lib: lib.nn.functional.conv2d(lib.ones(1, 1, 3, 3), lib.ones(1, 1, 2, 2), lib.ones(1).double())
    )


def test_integers():
    x, w, b = torch.arange(32).reshape(1, 2, 4, 4), torch.arange(16).reshape(2, 2, 2, 2), torch.arange(2)
    same(lambda lib, *a: lib.conv2d(*a, padding=1), x, w, b)
    same(lambda lib, *a: lib.conv_transpose2d(*a, stride=2), x, w, b)


def test_conv_tbc():
    same(lambda lib, *a: lib.nn.functional.conv_tbc(*a, pad=1), real(5, 2, 3), real(3, 3, 4), real(4))


@pytest.mark.parametrize(
    "name", ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
)
def test_names_in_torch(name):
    d = int(name[-2])
    same(lambda lib, x, w: getattr(lib, name)(x, w, stride=2), real(1, 2, *(4,) * d), real(2, 2, *(2,) * d))


# ---- modules


MODULES = [
    ("Conv1d", (4, 6, 3), {"padding": 1}, (2, 4, 7)),
    ("Conv2d", (4, 6, 3), {}, (2, 4, 6, 6)),
    (
        "Conv2d",
        (4, 6, (3, 2)),
        {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2},
        (4, 6, 6),
    ),
    ("Conv2d", (4, 6, 3), {"padding": "same", "bias": False}, (2, 4, 6, 6)),
    ("Conv2d", (4, 6, 3), {"padding": "valid"}, (2, 4, 6, 6)),
    ("Conv2d", (4, 6, 3), {"padding": 2, "padding_mode": "reflect"}, (2, 4, 6, 6)),
    ("Conv2d", (4, 6, 3), {"padding": (2, 1), "padding_mode": "replicate", "stride": 2}, (2, 4, 6, 6)),
    ("Conv2d", (4, 6, (4, 3)), {"padding": "same", "padding_mode": "circular", "dilation": 2}, (2, 4, 8, 7)),
    ("Conv1d", (4, 6, 2), {"padding": "same", "padding_mode": "circular"}, (2, 4, 7)),
    ("Conv3d", (2, 3, 2), {"padding": 1, "padding_mode": "replicate"}, (2, 2, 3, 3, 3)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1}, (2, 4, 7)),
    (
        "ConvTranspose2d",
        (4, 6, 3),
        {"stride": 2, "padding": 1, "groups": 2, "dilation": 2, "bias": False},
        (2, 4, 5, 5),
    ),
    ("ConvTranspose3d", (2, 3, 2), {}, (1, 2, 3, 3, 3)),
    ("Conv2d", (4, 6, 3), {"padding_mode": "wrap"}, None),
    ("Conv2d", (4, 6, 3), {"padding": "half"}, None),
    ("Conv2d", (4, 6, 3), {"padding": "same", "stride": 2}, None),
    ("Conv2d", (4, 6, 3), {"groups": 3}, None),
    ("Conv2d", (6, 4, 3), {"groups": 3}, None),
    ("Conv2d", (6, 4, 3), {"groups": 0}, None),
    ("ConvTranspose2d", (6, 4, 3), {"padding_mode": "reflect"}, None),
]


@pytest.mark.parametrize("name, args, how, shape", MODULES, ids=str)
def test_modules(name, args, how, shape):
    def call(lib, x):
        lib.manual_seed(7)
        m = getattr(lib.nn, name)(*args, **how)
        y = m.double()(x)
        y.sin().sum().backward()
        grads = [p.grad for p in m.parameters()]
        return repr(m), {k: v.detach() for k, v in m.state_dict().items()}, y.detach(), grads

    if shape is None:
        return same(call, torch.ones(1))
    x = real(*shape)
    same(call, x.detach())


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_initial_values_are_equal_to_the_bit(name):
    import torch as pytorch

    torch.manual_seed(3), pytorch.manual_seed(3)
    ours, theirs = getattr(nn, name)(6, 4, (3, 5)), getattr(pytorch.nn, name)(6, 4, (3, 5))
    for a, b in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("size", [[10, 9], [2, 4, 10, 9], [9, 9], [12, 9], [4, 10, 9], [10]], ids=str)
def test_output_size_of_a_transposed_module(size):
    def call(lib, x):
        lib.manual_seed(0)
        return lib.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1).double()(x, output_size=size)

    same(call, real(2, 3, 5, 5))


def test_a_deep_stack_has_the_same_gradients():
    def call(lib, x):
        lib.manual_seed(1)
        m = lib.nn.Sequential(
            lib.nn.Conv2d(1, 6, 5, padding=2),
            lib.nn.Tanh(),
            lib.nn.AvgPool2d(2),
            lib.nn.Conv2d(6, 8, 3),
            lib.nn.Tanh(),
        ).double()
        m(x).square().sum().backward()
        return [p.grad for p in m.parameters()]

    same(call, real(3, 1, 12, 12).detach())


def test_noncontiguous_and_expanded_inputs():
    x, w = real(2, 6, 6, 3), real(3, 3, 4, 2)
    same(
        lambda lib, x, w: lib.conv2d(x.permute(0, 3, 1, 2), w.permute(2, 3, 0, 1)[:, :1].expand(4, 3, 3, 3)),
        x,
        w,
    )


def test_infinity_stays_where_it_is():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = float("inf")
    w = torch.ones(1, 1, 2, 2)
    assert_same(torch.conv2d(x, w), to_torch(x).new_tensor(torch.conv2d(x, w).numpy()))
    same(lambda lib, x, w: lib.conv2d(x, w), x, w)


@pytest.mark.parametrize("transposed", [False, True])
def test_of_no_images_all_gradients_are_zero_and_of_no_pixels_there_is_no_convolution(transposed):
    name = "conv_transpose2d" if transposed else "conv2d"
    for frozen in ("", "w", "x"):
        x, w, b = real(0, 4, 5, 5), real(4, 4, 3, 3), real(4)
        (w if frozen == "w" else x).requires_grad_(not frozen)
        same(lambda lib, *args: getattr(lib.nn.functional, name)(*args, padding=1), x, w, b)
    same(lambda lib, *args: getattr(lib.nn.functional, name)(*args, padding=3), real(2, 4, 0, 5), w, b)
