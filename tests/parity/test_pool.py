"""Pooling against PyTorch: settings and shapes drawn, ties and nan on purpose, values, indices, gradients,
errors."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

NAN = float("nan")


def real(*shape, dtype=np.float64, ties=False, nan=False, seed=0):
    rng = np.random.default_rng([seed, *shape])
    a = rng.integers(-2, 3, shape) if ties else rng.uniform(-1, 1, shape)
    a = a.astype(dtype)
    if nan:
        a[rng.uniform(size=shape) < 0.2] = NAN
    return torch.tensor(a).requires_grad_()


def F(name):
    return lambda lib, *a, **k: getattr(lib.nn.functional, name)(*a, **k)


def tolerance(dtype):
    return (
        {"rtol": 1e-4, "atol": 1e-4}
        if dtype == "float32"
        else {"rtol": 1e-2, "atol": 1e-2}
        if dtype == "float16"
        else {}
    )


@st.composite
def inputs(draw, d, least=1, most=7):
    lead = draw(st.sampled_from([(2,), (1, 1), (3, 2)]))
    size = tuple(draw(st.integers(least, most if d < 3 else min(most, max(least, 4)))) for _ in range(d))
    dtype = draw(st.sampled_from(["float64", "float64", "float32"]))
    return real(*lead, *size, dtype=dtype, ties=draw(st.booleans()), nan=draw(st.integers(0, 3)) == 0), dtype


@st.composite
def pools(draw, dilated):
    d = draw(st.sampled_from([1, 2, 2, 3]))

    def each(values):
        return draw(values) if draw(st.booleans()) else tuple(draw(values) for _ in range(d))

    kernel = each(st.integers(1, 3))
    how = {"kernel_size": kernel, "padding": each(st.integers(0, 1)), "ceil_mode": draw(st.booleans())}
    if draw(st.booleans()):
        how["stride"] = each(st.integers(1, 3))
    if dilated:
        how["dilation"] = each(st.integers(1, 2))
        if how["dilation"] not in (1, (1,) * d):
            how["padding"] = 0  # PyTorch writes outside its memory for windows wholly in the padding
        how["return_indices"] = draw(st.booleans())
    else:
        how["count_include_pad"] = draw(st.booleans())
        if d > 1:
            how["divisor_override"] = draw(st.sampled_from([None, None, 3]))
    x, dtype = draw(inputs(d))
    return d, x, how, dtype


@given(pools(dilated=True))
def test_max_pools(drawn):
    d, x, how, dtype = drawn
    same(F(f"max_pool{d}d"), x, **how, **tolerance(dtype))


@given(pools(dilated=False))
def test_mean_pools(drawn):
    d, x, how, dtype = drawn
    same(F(f"avg_pool{d}d"), x, **how, **tolerance(dtype))


@st.composite
def adaptive(draw):
    d = draw(st.sampled_from([1, 2, 2, 3]))
    size = (
        draw(st.integers(1, 5)) if draw(st.booleans()) else tuple(draw(st.integers(1, 5)) for _ in range(d))
    )
    if isinstance(size, tuple) and d > 1 and draw(st.booleans()):
        size = (None, *size[1:])
    x, dtype = draw(inputs(d))
    return d, x, size, dtype


@given(adaptive())
def test_adaptive_means(drawn):
    d, x, size, dtype = drawn
    same(F(f"adaptive_avg_pool{d}d"), x, size, **tolerance(dtype))


@given(adaptive(), st.booleans())
def test_adaptive_maxima(drawn, indices):
    d, x, size, dtype = drawn
    same(F(f"adaptive_max_pool{d}d"), x, size, return_indices=indices, **tolerance(dtype))


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
@given(st.sampled_from([1, 2, 3]), st.data())
def test_norms_of_windows(d, data):
    size = [data.draw(st.integers(2, 5 if d < 3 else 3)) for _ in range(d)]
    x = real(2, 2, *size, ties=data.draw(st.booleans()))
    p = data.draw(st.sampled_from([1, 2, 2.0, 3.0, float("inf"), -float("inf")]))
    kernel, stride = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([None, 1, 2]))
    same(F(f"lp_pool{d}d"), x, p, kernel, stride, data.draw(st.booleans()))


@given(st.data())
def test_local_response_norm(data):
    shape = data.draw(st.sampled_from([(2, 5, 3), (1, 4, 2, 3), (2, 3, 2, 2, 2)]))
    size = data.draw(st.integers(1, 5))
    same(
        F("local_response_norm"),
        real(*shape),
        size,
        alpha=0.3,
        beta=data.draw(st.sampled_from([0.75, 1])),
        k=2.0,
    )


@given(st.data())
def test_unpooling_undoes_pooling(data):
    d = data.draw(st.sampled_from([1, 2, 3]))
    x, _ = data.draw(inputs(d, least=2))
    kernel, stride = 2, data.draw(st.sampled_from([None, 1, 2]))
    sized = data.draw(st.booleans())

    def call(lib, x):
        y, i = getattr(lib.nn.functional, f"max_pool{d}d")(x, kernel, stride, return_indices=True)
        return getattr(lib.nn.functional, f"max_unpool{d}d")(
            y, i, kernel, stride, output_size=x.shape[-d:] if sized else None
        )

    same(call, x)


@given(st.data())
def test_fractional_pools(data):
    d = data.draw(st.sampled_from([2, 3]))
    x, dtype = data.draw(inputs(d, least=4, most=7))
    how = {"return_indices": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        how["output_size"] = data.draw(st.integers(1, 3))
    else:
        how["output_ratio"] = data.draw(st.sampled_from([(0.5,) * d, (0.7,) * d]))

    def call(lib, x):
        lib.manual_seed(5)
        return getattr(lib.nn.functional, f"fractional_max_pool{d}d")(x, 2, **how)

    same(call, x, second=False, **tolerance(dtype))


X = (2, 3, 6, 5)
ERRORS = [
    ("max_pool2d", X, (0,), {}),
    ("max_pool2d", X, (2, 0), {}),
    ("max_pool2d", X, (2, -1), {}),
    ("max_pool2d", X, (2, 2, 2), {}),
    ("max_pool2d", X, (2, 2, -1), {}),
    ("max_pool2d", X, (2, 2, 0, 0), {}),
    ("max_pool2d", X, (7,), {}),
    ("max_pool2d", X, ((2, 2, 2),), {}),
    ("max_pool2d", X, ((2,),), {}),
    ("max_pool2d", X, (2, (1, 2, 3)), {}),
    ("max_pool2d", (6, 5), (2,), {}),
    ("max_pool2d", (1, 2, 3, 6, 5), (2,), {}),
    ("max_pool2d", (0, 3, 6, 5), (2,), {}),
    ("max_pool2d", (2, 0, 6, 5), (2,), {}),
    ("max_pool2d", (2, 3, 0, 5), (2,), {}),
    ("max_pool1d", (5,), (2,), {}),
    ("max_pool1d", (0, 3, 6), (2,), {}),
    ("max_pool3d", (2, 2, 2), (2,), {}),
    ("max_pool3d", (0, 2, 2, 2, 2), (2,), {}),
    ("avg_pool2d", X, (2, 2, 2), {}),
    ("avg_pool2d", X, (2,), {"divisor_override": 0}),
    ("avg_pool2d", X, (2,), {"divisor_override": -2}),
    ("avg_pool2d", X, (0,), {}),
    ("avg_pool2d", X, (8,), {}),
    ("avg_pool2d", (0, 3, 6, 5), (2,), {}),
    ("avg_pool1d", (0, 3, 6), (2,), {}),
    ("avg_pool1d", (6,), (2,), {}),
    ("avg_pool3d", X, (2,), {}),
    ("adaptive_avg_pool2d", X, (-1,), {}),
    ("adaptive_avg_pool2d", X, ((2, 2, 2),), {}),
    ("adaptive_avg_pool2d", (6, 5), (2,), {}),
    ("adaptive_avg_pool2d", (6, 5), ((2, 2),), {}),
    ("adaptive_avg_pool2d", (0, 3, 6, 5), (2,), {}),
    ("adaptive_avg_pool2d", (2, 3, 0, 5), (2,), {}),
    ("adaptive_avg_pool2d", X, (0,), {}),
    ("adaptive_max_pool2d", X, (0,), {}),
    ("adaptive_max_pool2d", X, (-1,), {}),
    ("adaptive_max_pool2d", (6, 5), (2,), {}),
    ("adaptive_max_pool2d", (0, 3, 6, 5), (2,), {}),
    ("adaptive_max_pool2d", (2, 3, 0, 5), (2,), {}),
    ("adaptive_max_pool1d", (6,), (2,), {}),
    ("local_response_norm", (6, 5), (2,), {}),
    ("local_response_norm", (0, 6, 5), (2,), {}),
    ("lp_pool2d", X, (2, 7), {}),
    ("fractional_max_pool2d", X, (2,), {}),
    ("fractional_max_pool2d", X, (2, 9), {}),
    ("fractional_max_pool2d", (6, 5), (2, 2), {}),
    ("fractional_max_pool3d", X, (2, 2), {"return_indices": True}),
]


@pytest.mark.parametrize("name, shape, args, how", ERRORS, ids=str)
def test_errors(name, shape, args, how):
    def call(lib, x):
        lib.manual_seed(0)
        return getattr(lib.nn.functional, name)(x, *args, **how)

    same(call, real(*shape).detach(), second=False)


@pytest.mark.parametrize(
    "index, size, dtype",
    [
        ([[[0, 3]]], None, "int64"),
        ([[[0, 4]]], None, "int64"),
        ([[[0, -1]]], None, "int64"),
        ([[[0, 3]]], None, "int32"),
        ([[0, 3]], None, "int64"),
        ([[[0, 3]]], (5,), "int64"),
        ([[[0, 3]]], (1, 1, 5), "int64"),
        ([[[0, 3]]], (6,), "int64"),
        ([[[0, 3]]], (5, 5), "int64"),
    ],
    ids=str,
)
def test_unpooling_checks_its_indices(index, size, dtype):
    same(
        lambda lib, x, i: lib.nn.functional.max_unpool1d(x, i, 2, output_size=size),
        real(1, 1, 2),
        torch.tensor(np.array(index, dtype)),
    )


@pytest.mark.parametrize(
    "name", ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "lp_pool2d"]
)
def test_half(name):
    args = (2, 2) if name.startswith("lp") else (2,)
    same(F(name), real(2, 3, 6, 7, dtype="float16"), *args, second=False, rtol=4e-3, atol=4e-3)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("name", ["max_pool2d", "max_pool3d", "adaptive_max_pool2d", "adaptive_avg_pool2d"])
def test_integers(name, dtype):
    def call(lib):
        x = lib.arange(64).reshape(1, 4, 4, 4).to(getattr(lib, dtype))
        return getattr(lib.nn.functional, name)(x, 2)

    same(call)


def test_gradient_of_infinity_goes_to_the_winner_only():
    x = torch.tensor([[[1.0, 3.0], [2.0, 0.0]]], requires_grad=True)

    def call(lib, x):
        y = lib.nn.functional.max_pool2d(x, 2)
        return lib.autograd.grad(y, x, lib.full_like(y, float("inf")))[0]

    same(call, x)


def test_windows_wholly_in_the_padding_are_refused():
    with pytest.raises(NotImplementedError, match="wholly in the padding"):
        torch.max_pool1d(torch.ones(1, 1, 1), 2, padding=1, dilation=2)


def test_names_in_torch():
    x = real(1, 2, 6)
    for name in (
        "max_pool1d",
        "avg_pool1d",
        "adaptive_avg_pool1d",
        "adaptive_max_pool1d",
        "max_pool1d_with_indices",
    ):
        same(lambda lib, x: getattr(lib, name)(x, 2), x)
    same(lambda lib, x: lib.max_pool2d(x, 2), real(1, 2, 4, 4))
    same(lambda lib, x: lib.max_pool3d(x, 2), real(1, 2, 4, 4, 4))
    for name in ("max_pool2d_with_indices", "adaptive_max_pool2d_with_indices"):
        same(F(name), real(1, 2, 4, 4), 2)


MODULES = [
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, (2, 3, 8)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "return_indices": True}, (2, 3, 8, 7)),
    ("MaxPool3d", ((1, 2, 2),), {}, (1, 2, 2, 4, 4)),
    ("AvgPool1d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 8)),
    ("AvgPool2d", ((3, 2),), {"count_include_pad": False, "padding": 1}, (2, 3, 8, 7)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, (1, 2, 2, 4, 4)),
    ("LPPool1d", (2, 3), {"stride": 2}, (2, 3, 8)),
    ("LPPool2d", (2, (3, 2)), {}, (2, 3, 8, 7)),
    ("LPPool3d", (1, 2), {"ceil_mode": True}, (1, 2, 3, 4, 4)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 8)),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, (2, 3, 8, 7)),
    ("AdaptiveAvgPool3d", (1,), {}, (1, 2, 3, 4, 4)),
    ("AdaptiveMaxPool1d", (3, True), {}, (2, 3, 8)),
    ("AdaptiveMaxPool2d", ((2, 3),), {}, (2, 3, 8, 7)),
    ("AdaptiveMaxPool3d", (2,), {"return_indices": True}, (1, 2, 3, 4, 4)),
    ("FractionalMaxPool2d", (2,), {"output_ratio": 0.5}, (2, 3, 8, 7)),
    ("FractionalMaxPool3d", (2, 2), {"return_indices": True}, (1, 2, 4, 4, 4)),
    ("LocalResponseNorm", (3,), {"alpha": 0.1, "k": 2}, (2, 5, 3, 3)),
    ("FractionalMaxPool2d", (2,), {}, None),
    ("FractionalMaxPool2d", (2,), {"output_ratio": 1.5}, None),
    ("FractionalMaxPool2d", (2, 3, 0.5), {}, None),
    ("FractionalMaxPool3d", (0, 3), {}, None),
]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name, args, how, shape", MODULES, ids=str)
def test_modules(name, args, how, shape):
    def call(lib, x):
        m = getattr(lib.nn, name)(*args, **how)
        lib.manual_seed(3)
        return m(x)

    def shown(lib):
        m = getattr(lib.nn, name)(*args, **how)
        return repr(m), list(m.state_dict())

    same(shown)
    if shape is not None:
        same(call, real(*shape), second=not name.startswith("Fractional"))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_unpool_modules(d):
    def call(lib, x):
        pool, back = (getattr(lib.nn, f"Max{n}{d}d") for n in ("Pool", "Unpool"))
        pool, back = pool(2, 2, return_indices=True), back(2, 2)
        return repr(back), back(*pool(x)), back(*pool(x), output_size=x.shape)

    same(call, real(2, 3, *(5,) * d))
