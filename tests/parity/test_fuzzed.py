"""What drawing shapes, types and layouts at random found, kept as one deterministic case each."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import tinygrad6 as torch


def test_vectors_of_no_elements_are_left_out_of_cat_but_get_gradients():
    def joined(lib, *tensors, dim=1):
        return lib.cat(tensors, dim) * 2

    empty, x = torch.zeros(0, dtype=torch.float64), torch.ones(2, 3)
    same(joined, x.requires_grad_(), empty.requires_grad_())
    same(joined, empty, torch.ones(2, 3), torch.zeros(0, dtype=torch.int64))
    same(joined, empty, torch.zeros(2, 0), dim=-2)
    same(joined, empty, torch.zeros(0), dim=7)  # of nothing, every dimension is one
    same(joined, empty, torch.ones(3), dim=7)
    same(joined, torch.zeros(0), torch.tensor(1.0), dim=0)


def _normalized(lib, x, w):
    return lib.nn.functional.batch_norm(x, None, None, w, None, True)


def test_second_derivatives_of_float16_where_the_variance_is_nothing():
    """The cube of 1/std is 3e7 there, which float16 does not hold."""
    x = torch.ones(4, 3, dtype=torch.float16).requires_grad_()
    small = torch.arange(12.0).reshape(4, 3).half() / 1000
    for norm in (_normalized, lambda lib, x, w: lib.nn.functional.layer_norm(x, (3,))):
        (g,) = torch.autograd.grad(norm(torch, x, None), x, small, create_graph=True)
        (h,) = torch.autograd.grad(g.sin().sum(), x)
        assert h.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 0), (1,)])
def test_one_value_per_channel_is_refused_before_types_are_looked_at(shape):
    same(_normalized, torch.ones(shape, dtype=torch.float64), torch.ones(3))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        _normalized(torch, torch.tensor(np.ones(shape)), None)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 2)])
@pytest.mark.parametrize("kind", [torch.float16, torch.float32])
def test_float16_is_normalized_to_float16_also_by_parameters_of_float32(training, shape, kind):
    def normalized(lib, x, *rest):
        return lib.nn.functional.batch_norm(x, *[t.clone() for t in rest], training)

    rng = np.random.default_rng(0)
    x, mean, variance, w, b = (
        torch.tensor(rng.uniform(0.5, 1, s)).to(k) for s, k in ((shape, torch.float16), *[((3,), kind)] * 4)
    )
    same(
        normalized,
        x.requires_grad_(),
        mean,
        variance,
        w.requires_grad_(),
        b.requires_grad_(),
        second=False,
        atol=1e-2,
    )


@pytest.mark.parametrize("other", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["layer_norm", "group_norm", "instance_norm", "rms_norm", "batch_norm"])
@pytest.mark.parametrize("n", [2, 0])
@pytest.mark.filterwarnings("ignore:Mismatch dtype")
def test_norms_of_float16_take_parameters_of_float32_alone_and_give_float16(norm, other, n):
    def normalized(lib, x, w, b):
        f = getattr(lib.nn.functional, norm)
        if norm == "rms_norm":
            return f(x, (4,), w)
        if norm == "batch_norm":
            return f(x, None, None, w, b, True)
        return (
            f(x, weight=w, bias=b) if norm == "instance_norm" else f(x, (4,) if norm[0] == "l" else 2, w, b)
        )

    if not n and (norm == "instance_norm" or other is torch.float64):
        return  # PyTorch has an IndexError for one, and looks at no types of nothing
    rng = np.random.default_rng(0)
    x, w, b = (torch.tensor(rng.uniform(0.5, 1, s)) for s in ((n, 4, 4), (4,), (4,)))
    x, w, b = x.half().requires_grad_(), w.to(other).requires_grad_(), b.to(other).requires_grad_()
    same(normalized, x, w, b, second=False, atol=1e-2)


def test_the_largest_of_empty_bags_belongs_to_the_graph():
    def largest(lib, w):
        none = lib.zeros(0, dtype=lib.int64)
        return lib.nn.functional.embedding_bag(none, w, lib.tensor([0, 0]), mode="max")

    same(largest, torch.ones(3, 2).requires_grad_(), second=False)
