"""Activations, dropout, normalization and tables of nn.functional beside PyTorch's:
values, kinks, draws, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import draws, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

ACTIVATIONS = [
    ("relu", {}), ("relu6", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.3}),
    ("leaky_relu", {"negative_slope": -0.3}), ("elu", {}), ("elu", {"alpha": 0.5}), ("elu", {"alpha": -1.0}),
    ("selu", {}), ("celu", {}), ("celu", {"alpha": 2.0}), ("celu", {"alpha": 0.0}), ("silu", {}),
    ("mish", {}), ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("gelu", {"approximate": "sigmoid"}),
    ("softplus", {}), ("softplus", {"beta": 2.0, "threshold": 1.1}), ("softsign", {}), ("tanhshrink", {}),
    ("logsigmoid", {}), ("hardtanh", {}), ("hardtanh", {"min_val": -0.5, "max_val": 1.0}),
    ("hardtanh", {"min_val": 1.0, "max_val": 0.0}), ("hardsigmoid", {}), ("hardswish", {}),
    ("softshrink", {}), ("softshrink", {"lambd": 1.0}), ("softshrink", {"lambd": -1.0}), ("hardshrink", {}),
    ("hardshrink", {"lambd": 1.0}), ("threshold", {"threshold": 0.5, "value": 2.0}),
    ("threshold", {"threshold": 0, "value": 7}), ("glu", {}), ("glu", {"dim": 0}), ("softmax", {"dim": 0}),
    ("softmin", {"dim": -1}), ("log_softmax", {"dim": 1}), ("softmax", {"dim": 5}),
    ("softmax", {"dim": 0, "dtype": torch.float32}), ("log_softmax", {"dim": 0, "dtype": torch.float32}),
    ("softmin", {"dim": 0, "dtype": torch.float32}), ("sigmoid", {}), ("tanh", {}), ("softmax", {}),
    ("softmin", {}), ("log_softmax", {}), ("rrelu", {}), ("rrelu", {"lower": 0.2, "upper": 0.2}),
    ("rrelu", {"training": True}),
]  # fmt: skip
NAMES = [f"{n}({', '.join(f'{k}={v}' for k, v in o.items())})" for n, o in ACTIVATIONS]
# every kink of the above, both sides of it, and numbers far out
POINTS = [-30.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0, -3.5, 2.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("name, options", ACTIVATIONS, ids=NAMES)
def test_activation_at_its_kinks(name, options, dtype):
    x = torch.tensor(POINTS).to(dtype).reshape(6, 2)
    if dtype != torch.int64:
        x.requires_grad_()
    elif options.get("dim") == 5:
        pytest.skip("wrong twice over")

    def run(lib, x, **options):
        lib.manual_seed(0)
        return getattr(lib.nn.functional, name)(x, **options)

    with np.errstate(all="ignore"):
        # hardsigmoid's 1/6 is a float32 number in PyTorch
        same(
            run,
            x,
            second=name not in ("hardsigmoid", "rrelu"),
            rtol=1e-7 if name == "hardsigmoid" else None,
            **options,
        )


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 4, 6)])
@pytest.mark.parametrize("name, options", ACTIVATIONS, ids=NAMES)
def test_activation_of_any_shape(name, options, shape):
    x = torch.from_numpy(np.asarray(np.random.default_rng(0).uniform(-2, 2, shape))).requires_grad_()

    def run(lib, x, **options):
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(lib.nn.functional, name)(x, **options)

    same(run, x, second=False, rtol=1e-7 if name == "hardsigmoid" else None, **options)


INPLACE = ["relu_", "leaky_relu_", "elu_", "selu_", "celu_", "hardtanh_", "rrelu_", "threshold_"]


@pytest.mark.parametrize("name", INPLACE)
def test_in_place_forms(name):
    settings = (0.1, 2.0) if name == "threshold_" else ()
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64, requires_grad=True)

    def run(lib, x):
        y = x * 1.0
        z = getattr(lib.nn.functional, name)(y, *settings)
        assert z is y
        return [z, y * 2]

    same(run, x)
    same(lambda lib, x: getattr(lib.nn.functional, name)(x, *settings), x)  # a leaf
    same(lambda lib, x: getattr(lib.nn.functional, name[:-1])(x * 1.0, *settings, inplace=True), x)


@pytest.mark.parametrize(
    "x, w",
    [((2, 3), (1,)), ((2, 3), (3,)), ((3,), (1,)), ((3,), (3,)), ((2, 3, 4), (3,)), ((2, 3), (2,)),
    ((), (1,)), ((2, 3), ()), ((2, 3), (1, 3)), ((0, 3), (3,))],
)  # fmt: skip
def test_prelu(x, w):
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(np.asarray(rng.uniform(-1, 1, s))).requires_grad_() for s in (x, w))
    same(lambda lib, a, b: lib.nn.functional.prelu(a, b), a, b, second=False)


@given(hard=st.booleans(), tau=st.sampled_from([1, 0.5]), dim=st.sampled_from([-1, 0]))
def test_gumbel_softmax(hard, tau, dim):
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)

    def run(lib, x):
        lib.manual_seed(5)
        return lib.nn.functional.gumbel_softmax(x, tau, hard, dim=dim)

    same(run, x)


# ---- dropout


@draws(40)
@given(
    name=st.sampled_from(
        ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
    ),
    ndim=st.integers(0, 5),
    p=st.sampled_from([0.0, 0.3, 0.5, 1.0, -0.1, 1.5]),
    training=st.booleans(),
    inplace=st.booleans(),
    turned=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64]),
    empty=st.booleans(),
)
def test_dropout(name, ndim, p, training, inplace, turned, dtype, empty):
    x = (torch.arange(1.0, 3.0**ndim + 1).reshape((3,) * ndim) / 7).to(dtype)
    if empty and ndim:
        x = x[:0]
    if dtype not in (torch.int64, torch.float16):
        x.requires_grad_()

    def run(lib, x):
        lib.manual_seed(3)
        if turned and ndim > 1:
            x = x.transpose(0, -1)
        return getattr(lib.nn.functional, name)(x * 1, p, training, inplace)

    def quiet(lib, x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(lib, x)

    same(run, x)
    same(quiet, x)


# ---- normalization


def tensor(*shape, seed=0, low=-1.0, grad=True, dtype=np.float64):
    a = np.random.default_rng(seed).uniform(low, 1, shape)
    return torch.from_numpy(np.asarray(a, dtype)).requires_grad_(grad)


@draws(40)
@given(
    name=st.sampled_from(["batch_norm", "instance_norm"]),
    shape=st.sampled_from(
        [(4, 3), (4, 3, 2), (2, 3, 2, 2), (1, 3), (1, 3, 4), (3,), (2, 3, 1), (2, 3, 2, 1, 2)]
    ),
    stats=st.sampled_from([True, True, False, "mean", "wrong"]),
    affine=st.sampled_from([True, False, "weight", "bias", "wrong"]),
    training=st.booleans(),
    momentum=st.sampled_from([0.1, 0.0, 1.0]),
    eps=st.sampled_from([1e-5, 0.1]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_batch_statistics(name, shape, stats, affine, training, momentum, eps, dtype):
    if name == "batch_norm" and shape == (3,):
        shape = (4, 3)  # PyTorch's errors for vectors depend on everything else
    affine = False if affine == "bias" else affine  # PyTorch fails without a weight
    n = 4 if affine == "wrong" else 3
    w = tensor(n, seed=1, dtype=dtype) if affine in (True, "weight", "wrong") else None
    b = tensor(n, seed=2, dtype=dtype) if affine in (True, "bias", "wrong") else None
    n = 2 if stats == "wrong" else 3
    mean = tensor(n, seed=3, grad=False, dtype=dtype) if stats else None
    var = tensor(n, seed=4, low=0.2, grad=False, dtype=dtype) if stats not in (False, "mean") else None

    def run(lib, x, mean, var, w, b):
        mean, var = (None if t is None else t.clone() for t in (mean, var))
        out = getattr(lib.nn.functional, name)(x, mean, var, w, b, training, momentum, eps)
        return [out, mean, var]

    loose = 1e-4 if dtype == np.float32 else None
    same(
        run, tensor(*shape, dtype=dtype), mean, var, w, b, second=dtype == np.float64, rtol=loose, atol=loose
    )


@draws(40)
@given(
    name=st.sampled_from(["layer_norm", "rms_norm"]),
    shape=st.sampled_from([(4, 3), (3,), (2, 4, 3), (0, 3), (4, 1), (3, 0)]),
    normalized=st.sampled_from([(3,), (4, 3), [3], (1,), (), (0,), 3]),
    weight=st.sampled_from([None, True, "wrong"]),
    bias=st.booleans(),
    eps=st.sampled_from([1e-5, 0.1]),
)
def test_row_statistics(name, shape, normalized, weight, bias, eps):
    bias = bias and weight is not None  # PyTorch fails without a weight
    size = (normalized,) if isinstance(normalized, int) else tuple(normalized)
    w = None if weight is None else tensor(*(size if weight is True else (*size, 2)), seed=1)
    b = [tensor(*size, seed=2) if bias else None] if name == "layer_norm" else []
    with np.errstate(all="ignore"):
        same(
            lambda lib, x, w, *b: getattr(lib.nn.functional, name)(x, normalized, w, *b, eps),
            tensor(*shape),
            w,
            *b,
        )


@given(
    shape=st.sampled_from([(2, 4), (2, 4, 3), (1, 6, 2, 2), (4,), (0, 4, 2)]),
    groups=st.sampled_from([1, 2, 3, 4]),
    weight=st.booleans(),
    bias=st.booleans(),
)
def test_group_norm(shape, groups, weight, bias):
    n = shape[1] if len(shape) > 1 else 4
    bias = bias and weight  # with a bias alone PyTorch fails
    w, b = tensor(n, seed=1) if weight else None, tensor(n, seed=2) if bias else None
    with np.errstate(all="ignore"):
        same(
            lambda lib, x, w, b: lib.nn.functional.group_norm(x, groups, w, b),
            *(tensor(*shape), w, b),
            second=weight and bias,
        )


@given(p=st.sampled_from([1.0, 2.0, 3.0, float("inf")]), dim=st.sampled_from([0, 1, -1]), zero=st.booleans())
def test_normalize_and_distances(p, dim, zero):
    x, y = tensor(3, 4), tensor(3, 4, seed=1)
    if zero:
        x = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    smooth = p != float("inf") and not zero
    F = "functional"
    same(lambda lib, x: getattr(lib.nn, F).normalize(x, p, dim), x, second=smooth)
    same(lambda lib, x, y: getattr(lib.nn, F).pairwise_distance(x, y, p), x, y, second=smooth)
    same(lambda lib, x, y: getattr(lib.nn, F).cosine_similarity(x, y, dim), x, y, second=smooth)
    same(lambda lib, x: getattr(lib.nn, F).pdist(x, p), y, second=False)


# ---- tables


@draws(40)
@given(
    index=st.sampled_from([(4,), (2, 3), (), (0,), (2, 3, 2)]),
    padding=st.sampled_from([None, 0, -1, 4, 9]),
    max_norm=st.sampled_from([None, 0.5, 100.0]),
    norm_type=st.sampled_from([2.0, 1.0]),
    by_freq=st.booleans(),
    kind=st.sampled_from([np.int64, np.int32, np.float32]),
    beyond=st.sampled_from([False, False, False, True]),
)
def test_embedding(index, padding, max_norm, norm_type, by_freq, kind, beyond):
    i = np.asarray(np.random.default_rng(2).integers(0, 5, index), kind)
    if beyond and i.size:
        i.reshape(-1)[-1] = 5
    w = tensor(5, 3)

    def run(lib, i, w):
        table = w * 1.0
        if max_norm is not None:
            table = table.detach()
        out = lib.nn.functional.embedding(i, table, padding, max_norm, norm_type, by_freq)
        return [out, table.detach() if max_norm is not None else None]

    same(run, torch.from_numpy(i), w, second=not by_freq)


@draws(60)
@given(
    cut=st.booleans(),
    mode=st.sampled_from(["mean", "sum", "max", "min"]),
    padding=st.sampled_from([None, 0, -1]),
    last=st.booleans(),
    weights=st.booleans(),
    offsets=st.sampled_from([[0, 2, 2, 6], [0], [0, 6], [1, 2], [0, 2, 2, 5]]),
    max_norm=st.sampled_from([None, 0.5]),
)
def test_embedding_bag(cut, mode, padding, last, weights, offsets, max_norm):
    last = last and offsets == [0, 2, 2, 6]  # else PyTorch crashes, or reads beyond the last offset
    i = np.random.default_rng(2).integers(0, 5, 6)
    i = i if cut else i.reshape(2, 3)
    w, per = tensor(5, 3), tensor(*i.shape, seed=4) if weights else None

    def run(lib, i, w, per, offsets):
        table = w * 1.0 if max_norm is None else w.detach().clone()
        return lib.nn.functional.embedding_bag(
            i, table, offsets if cut else None, mode=mode, padding_idx=padding,
            include_last_offset=last and cut, per_sample_weights=per, max_norm=max_norm,
        )  # fmt: skip

    same(run, torch.from_numpy(i), w, per, torch.tensor(offsets, dtype=torch.int64), second=False)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 4)), ((3,), (4,)), ((2, 5, 3), (2, 5, 4)), ((2, 3), (3, 4)), ((2, 3), (2, 3))]
)
def test_bilinear(shapes):
    x, y, w, b = tensor(*shapes[0]), tensor(*shapes[1], seed=1), tensor(2, 3, 4, seed=2), tensor(2, seed=3)
    same(lambda lib, x, y, w, b: lib.nn.functional.bilinear(x, y, w, b), x, y, w, b)
    same(lambda lib, x, y, w: lib.nn.functional.bilinear(x, y, w), x, y, w)


def test_an_empty_batch_leaves_the_statistics_alone():
    def run(lib, x, w):
        mean, var = lib.zeros(3, dtype=lib.float64), lib.ones(3, dtype=lib.float64)
        return [lib.nn.functional.batch_norm(x, mean, var, w, None, True), mean, var]

    same(run, tensor(0, 3), tensor(3), second=False)


def test_offsets_beyond_the_input_are_refused():  # PyTorch may read beyond its memory
    for offsets in ([0, 7], [0, 3, 1]):
        with pytest.raises(RuntimeError, match="offsets must begin with 0, not fall, and be at most 6"):
            torch.nn.functional.embedding_bag(torch.arange(6), torch.ones(6, 3), torch.tensor(offsets))


@pytest.mark.parametrize("shape", [(1, 2, 5), (1, 2, 1, 5), (1, 2, 5, 1), (1, 2, 1), (1, 2), (3, 4), (4,)])
def test_groups_of_one_value(shape):
    """Are refused, however many dimensions of size 1 there are."""
    x = torch.linspace(-1, 2, int(np.prod(shape)), dtype=torch.float64).reshape(shape).requires_grad_()
    same(lambda lib, x: lib.nn.functional.group_norm(x, 2), x, second=False)


def test_instance_norm_without_momentum():
    def run(lib, x):
        m = lib.nn.InstanceNorm1d(3, momentum=None, track_running_stats=True).double()
        return [m(x), m(x * 2), m.running_mean, m.running_var]

    same(run, torch.linspace(-1, 2, 24, dtype=torch.float64).reshape(2, 3, 4))
