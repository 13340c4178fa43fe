"""Distributions: samples from one seed, densities, entropies, gradients and divergences as PyTorch's."""

from __future__ import annotations

import pytest
from helpers import assert_same, pytorch, same

import tinygrad6


def leaf(*shape, low=0.2, high=0.9):
    return (tinygrad6.rand(*shape) * (high - low) + low).requires_grad_()


MAKERS = {
    "Normal": (lambda d, a, b: d.Normal(a, b), lambda: (leaf(3, 2), leaf(2))),
    "Normal numbers": (lambda d: d.Normal(0.5, 2.0), lambda: ()),
    "Uniform": (lambda d, a, b: d.Uniform(a, a + b), lambda: (leaf(3, 2), leaf(2))),
    "Bernoulli": (lambda d, a: d.Bernoulli(a), lambda: (leaf(3, 2),)),
    "Bernoulli logits": (lambda d, a: d.Bernoulli(logits=a), lambda: (leaf(4, low=-2),)),
    "Categorical": (lambda d, a: d.Categorical(a), lambda: (leaf(3, 4),)),
    "Categorical logits": (lambda d, a: d.Categorical(logits=a), lambda: (leaf(2, 3, 4, low=-2),)),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), lambda: (leaf(3, 2), leaf(3, 2))),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_samples_and_densities(name, shape):
    make, draw = MAKERS[name]

    def run(torch, *parameters):
        d = make(torch.distributions, *parameters)
        torch.manual_seed(3)
        x = d.sample(shape)
        out = [x, d.log_prob(x), d.entropy(), list(d.batch_shape), list(d.event_shape)]
        if d.has_rsample:
            out.append(d.rsample(shape))
        if "Cat" not in name:
            out += [d.mean, d.variance]
        return out

    same(run, *draw())


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Bernoulli", "Categorical"])
def test_divergences(name):
    make, draw = MAKERS[name]
    p, q = draw(), draw()

    def run(torch, *parameters):
        n = len(parameters) // 2
        d = torch.distributions
        return d.kl_divergence(make(d, *parameters[:n]), make(d, *parameters[n:]))

    same(run, *p, *q, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d, t: d.Normal(0.0, -1.0),
        lambda d, t: d.Uniform(1.0, 0.0),
        lambda d, t: d.Bernoulli(t(2.0)),
        lambda d, t: d.Bernoulli(),
        lambda d, t: d.Categorical(t(1.0)),
        lambda d, t: d.Categorical(t([-1.0, 1.0])),
        lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2)),
        lambda d, t: d.Categorical(t([0.5, 0.5])).rsample(),
        lambda d, t: d.kl_divergence(d.Normal(0.0, 1.0), d.Bernoulli(t(0.5))),
        lambda d, t: d.Independent(d.Normal(0.0, 1.0), 1),
    ],
)
def test_errors(wrong):
    same(lambda torch: wrong(torch.distributions, torch.tensor))


def test_a_policy_gradient_flows_to_the_logits():
    torch = pytorch()
    grads = []
    for lib in (tinygrad6, torch):
        x = lib.tensor([[0.1, 0.5, -0.3]], requires_grad=True)
        lib.manual_seed(0)
        d = lib.distributions.Categorical(logits=x)
        (-d.log_prob(d.sample()) * 2.0).sum().backward()
        grads.append(x.grad)
    assert_same(*grads)


@pytest.mark.parametrize("name", ["probs", "logits"])
def test_multinomial(name):
    torch = pytest.importorskip("torch")

    def run(t):
        t.manual_seed(0)
        d = t.distributions.multinomial.Multinomial(5, **{name: t.tensor([[0.5, 2.0, 0.1], [1.0, 1.0, 3.0]])})
        one, many = d.sample(), d.sample((2, 3))
        out = [one, many, d.log_prob(one), d.log_prob(many), d.mean, d.variance]
        with pytest.raises(ValueError):
            d.log_prob(one + 1)
        return [x.tolist() for x in out], str(d), tuple(many.shape), str(many.dtype)

    (values, *rest), (expected, *others) = run(tinygrad6), run(torch)
    assert rest == others
    for a, b in zip(values, expected, strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-5, atol=1e-6)


def test_modules_of_single_distributions():
    import tinygrad6.distributions.normal as normal
    from tinygrad6.distributions.categorical import Categorical

    assert normal.Normal is tinygrad6.distributions.Normal
    assert Categorical is tinygrad6.distributions.Categorical
