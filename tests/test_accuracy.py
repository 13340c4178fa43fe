"""Each function stays within its bound; long sums lose nothing. The figures are in docs/accuracy.md."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.sums import add_up

pytest.importorskip("mpmath")

from accuracy import FUNCTIONS, KINDS, SUMS, pointwise, reductions  # noqa: E402


@pytest.mark.parametrize("which", range(2), ids=["float32", "float64"])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: "-".join([f.name, *map(str, f.options.values())]))
def test_a_function_is_as_exact_as_it_says(f, which):
    ((largest, _),) = pointwise([torch], f, KINDS[which], 100)
    assert largest <= f.allowed[which]


@pytest.mark.parametrize("which", range(2), ids=["float32", "float64"])
@pytest.mark.parametrize("s", SUMS, ids=lambda s: s.name)
def test_a_reduction_is_as_exact_as_it_says(s, which):
    ((largest, _),) = reductions([torch], s, KINDS[which], 1501, 3)
    assert largest <= s.allowed[which]


def test_the_measure_sees_an_error():
    coarse = SimpleNamespace(from_numpy=torch.from_numpy, exp=lambda x: x.exp() * (1 + 1e-6))
    coarse.nn = SimpleNamespace(functional=coarse)
    coarse.special = coarse
    exp = next(f for f in FUNCTIONS if f.name == "exp")
    assert pointwise([coarse], exp, np.float32, 50)[0][0] > exp.allowed[0]


# In float32 a sum of ones that is added one by one stops at 2^24 = 16,777,216.
MANY = 20_000_000


def test_sums_of_twenty_million_ones_are_exact():
    ones = torch.ones(MANY)
    assert ones.sum().item() == ones.sum(0).item() == MANY
    assert ones.mean().item() == 1.0
    assert ones.norm().item() == pytest.approx(MANY**0.5, rel=1e-7)
    assert ones.cumsum(0)[-1].item() == MANY
    assert ones.var().item() == 0.0
    rows = ones.reshape(-1, 1)
    assert rows.sum(0).tolist() == [MANY]
    assert rows.mean(0).tolist() == [1.0]
    assert rows.T.sum(1).tolist() == [MANY]
    assert ones.reshape(1, -1, 1).sum(1).tolist() == [[MANY]]
    pairs = torch.ones(MANY, 2)
    assert pairs.T.sum(1).tolist() == pairs.T.flip(1).sum(1).tolist() == [MANY, MANY]
    assert pairs[:, :1].expand(MANY, 2).sum(0).tolist() == [MANY, MANY]


def test_sums_are_exact_however_their_terms_lie_in_memory():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ndim = int(rng.integers(2, 5))
        shape = rng.choice([1, 2, 3, 17, 70, 300, 900], ndim)
        while math.prod(shape) > 200_000:
            shape[rng.integers(ndim)] = 2
        x = rng.uniform(0, 1, shape).astype(np.float32)
        x = x[tuple(slice(None, None, rng.choice([1, 1, 2, -1])) for _ in shape)]
        x = x.transpose(rng.permutation(ndim))
        if rng.random() < 0.2:
            x = np.broadcast_to(x, (400, *x.shape))
        dim = tuple(rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)].tolist())
        keepdims = bool(rng.integers(2))
        exact = np.sum(x, dim, np.float64, keepdims=keepdims)
        found = add_up(x, dim, None, keepdims)
        assert found.dtype == np.float32 and found.shape == exact.shape
        assert (np.abs(found - exact) <= 32 * np.finfo(np.float32).eps * exact).all(), (
            x.shape,
            x.strides,
            dim,
        )


def test_gradients_of_many_rows_are_summed_exactly():
    rows = 1 << 21
    b = torch.zeros(2, requires_grad=True)
    (torch.ones(rows, 2) * 11 + b).sum().backward()  # the bias was broadcast
    assert b.grad.tolist() == [rows, rows]
    x, w = torch.full((rows, 1), 11.0), torch.zeros(2, 1, requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    (torch.nn.functional.linear(x, w, bias) * 11).sum().backward()
    assert bias.grad.tolist() == [11 * rows] * 2


@pytest.mark.parametrize(
    "shape", [(1000, 3), (3, 1000), (300, 5, 7), (5, 300, 7), (5, 7, 300), (20, 30, 4, 5), (400, 1), (0, 300)]
)
def test_add_up_is_a_sum(shape):
    rng = np.random.default_rng(0)
    for x in (rng.random(shape), np.asfortranarray(rng.random(shape)), rng.random((*shape, 2))[..., 1]):
        for bits in range(1, 1 << len(shape)):
            dim = tuple(d for d in range(len(shape)) if bits >> d & 1)
            for keep in (False, True):
                found, plain = add_up(x, dim, None, keep), np.add.reduce(x, dim, keepdims=keep)
                assert np.shape(found) == np.shape(plain)
                np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_float16_counts_more_than_it_can_say():
    n = 100_000  # beyond 65504
    x = torch.full((n,), 0.5, dtype=torch.float16, requires_grad=True)
    for mean in (torch.mean, torch.nanmean):
        x.grad = None
        (mean(x) * 1000).backward()
        assert mean(x).item() == 0.5
        np.testing.assert_allclose(x.grad.numpy(), 0.01, rtol=2e-3)


def test_running_logarithms_of_sums_lose_nothing():
    n = 200_000
    for dtype, error in ((torch.float32, 2e-7), (torch.float16, 1e-3)):
        last = torch.zeros(n, dtype=dtype).logcumsumexp(0)[-1].item()
        assert last == pytest.approx(np.log(n), rel=error)
    x = torch.zeros(n, requires_grad=True)
    x.logcumsumexp(0)[-1].backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 / n, rtol=1e-5)


def test_hardsigmoid_keeps_its_digits_where_it_begins():
    x = torch.tensor([-2.998046875, -2.9921875], dtype=torch.float16)
    found = torch.nn.functional.hardsigmoid(x)
    assert found.tolist() == (np.array([2**-9, 2**-7]) / 6).astype(np.float16).tolist()


def test_long_float32_reductions_agree_with_float64():
    n = 1 << 20
    x = (np.random.default_rng(0).standard_normal((n, 1)) + 3).astype(np.float32)
    single, double = torch.from_numpy(x), torch.from_numpy(x.astype(np.float64))
    for call in (
        lambda t: t.sum(0),
        lambda t: t.mean(0),
        lambda t: t.var(0),
        lambda t: t.std(0),
        lambda t: t.norm(dim=0),
        lambda t: t.norm(3, dim=0),
        lambda t: t.logsumexp(0),
        lambda t: t.cumsum(0)[-1],
        lambda t: t.softmax(0).sum(0),
        lambda t: torch.nn.functional.mse_loss(t, torch.zeros_like(t)),
        lambda t: torch.nn.functional.batch_norm(t, None, None, training=True).square().mean(0),
    ):
        for layout in (lambda t: t, lambda t: t.reshape(-1)[:, None].expand(n, 2)[:, :1]):
            found = call(layout(single))
            assert found.dtype == torch.float32
            np.testing.assert_allclose(found.numpy(), call(layout(double)).numpy(), rtol=1e-6)
