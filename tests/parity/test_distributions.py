"""Distributions: samples from one seed, densities, moments, gradients and divergences as PyTorch's."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest
from helpers import assert_same, pytorch, same

import tinygrad6

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")


def leaf(*shape, low=0.2, high=0.9):
    return (tinygrad6.rand(shape, dtype=tinygrad6.float64) * (high - low) + low).requires_grad_()


def spd(n, batch=()):
    a = tinygrad6.rand(*batch, n, n, dtype=tinygrad6.float64)
    return (a @ a.mT + tinygrad6.eye(n, dtype=a.dtype)).detach().requires_grad_()


A, B, C = leaf(3, 2, low=0.5, high=2.5), leaf(2, low=0.5, high=2.0), leaf(3, 2)
PROBS, LOGITS, VECTOR = leaf(3, 4), leaf(2, 3, 4, low=-2), leaf(3)
SIMPLE = ("entropy", "mean", "variance", "mode", "stddev")  # what most have
MAKERS = {
    "Normal": (lambda d, a, b: d.Normal(a, b), (A, B)),
    "Normal numbers": (lambda d: d.Normal(0.5, 2.0), ()),
    "Uniform": (lambda d, a, b: d.Uniform(a, a + b), (A, B)),
    "Laplace": (lambda d, a, b: d.Laplace(a, b), (A, B)),
    "Cauchy": (lambda d, a, b: d.Cauchy(a, b), (A, B)),
    "Exponential": (lambda d, a: d.Exponential(a), (A,)),
    "VonMises": (lambda d, a, b: d.VonMises(a, b), (A.detach(), B.detach())),
    "ContinuousBernoulli": (lambda d, a: d.ContinuousBernoulli(a), (C,)),
    "ContinuousBernoulli logits": (lambda d, a: d.ContinuousBernoulli(logits=a), (leaf(5, low=-0.005),)),
    "Bernoulli": (lambda d, a: d.Bernoulli(a), (C,)),
    "Bernoulli logits": (lambda d, a: d.Bernoulli(logits=a), (leaf(4, low=-2),)),
    "Geometric": (lambda d, a: d.Geometric(a), (C,)),
    "Geometric logits": (lambda d, a: d.Geometric(logits=a), (leaf(4, low=-2),)),
    "Poisson": (lambda d, a: d.Poisson(a * 7), (A,)),
    "Binomial": (lambda d, a: d.Binomial(6, a), (C,)),
    "Binomial logits": (lambda d, a: d.Binomial(6, logits=a), (leaf(4, low=-2),)),
    "NegativeBinomial": (lambda d, a: d.NegativeBinomial(3, a), (C,)),
    "NegativeBinomial logits": (lambda d, a: d.NegativeBinomial(3.5, logits=a), (leaf(4, low=-2),)),
    "Categorical": (lambda d, a: d.Categorical(a), (PROBS,)),
    "Categorical logits": (lambda d, a: d.Categorical(logits=a), (LOGITS,)),
    "OneHotCategorical": (lambda d, a: d.OneHotCategorical(a), (PROBS,)),
    "OneHotCategoricalStraightThrough": (
        lambda d, a: d.OneHotCategoricalStraightThrough(logits=a),
        (LOGITS,),
    ),
    "Multinomial": (lambda d, a: d.Multinomial(5, a), (PROBS,)),
    "Gamma": (lambda d, a, b: d.Gamma(a, b), (A, B)),
    "Chi2": (lambda d, a: d.Chi2(a * 3), (A,)),
    "Beta": (lambda d, a, b: d.Beta(a, b), (A, B)),
    "Beta numbers": (lambda d: d.Beta(2.0, 3), ()),
    "Dirichlet": (lambda d, a: d.Dirichlet(a * 3), (PROBS,)),
    "StudentT": (lambda d, a, b: d.StudentT(a * 2, b, b), (A, B)),
    "FisherSnedecor": (lambda d, a, b: d.FisherSnedecor(a * 4, b * 6), (A, B)),
    "LogNormal": (lambda d, a, b: d.LogNormal(a, b), (C, B)),
    "LogisticNormal": (lambda d, a, b: d.LogisticNormal(a, b), (A, B)),
    "HalfNormal": (lambda d, a: d.HalfNormal(a), (A,)),
    "HalfCauchy": (lambda d, a: d.HalfCauchy(a), (A,)),
    "Gumbel": (lambda d, a, b: d.Gumbel(a, b), (A, B)),
    "Pareto": (lambda d, a, b: d.Pareto(a, b + 2), (A, B)),
    "Weibull": (lambda d, a, b: d.Weibull(a, b + 1), (A, B)),
    "Kumaraswamy": (lambda d, a, b: d.Kumaraswamy(a, b), (A, B)),
    "InverseGamma": (lambda d, a, b: d.InverseGamma(a + 2, b), (A, B)),
    "RelaxedBernoulli": (lambda d, t, a: d.RelaxedBernoulli(t, a), (leaf(low=1), C)),
    "RelaxedBernoulli logits": (lambda d, t, a: d.RelaxedBernoulli(t, logits=a), (leaf(low=1), A)),
    "RelaxedOneHotCategorical": (lambda d, t, a: d.RelaxedOneHotCategorical(t, a), (leaf(low=1), PROBS)),
    "MultivariateNormal": (lambda d, m, c: d.MultivariateNormal(m, c), (VECTOR, spd(3))),
    "MultivariateNormal precision": (
        lambda d, m, c: d.MultivariateNormal(m, precision_matrix=c),
        (leaf(2, 3), spd(3)),
    ),
    "MultivariateNormal tril": (
        lambda d, m, c: d.MultivariateNormal(m, scale_tril=c.tril()),
        (VECTOR, spd(3, (2,))),
    ),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), (A, leaf(3, 2))),
    "Mixture": (lambda d, p, a: d.MixtureSameFamily(d.Categorical(p), d.Normal(a, a + 1)), (C, A)),
    "Mixture of vectors": (
        lambda d, p, a: d.MixtureSameFamily(d.Categorical(p), d.Independent(d.Normal(a, 1.0), 1)),
        (VECTOR, A),
    ),
    "squashed": (
        lambda d, a, b: d.TransformedDistribution(
            d.Normal(a, b), [d.TanhTransform(cache_size=1), d.AffineTransform(1.0, b)]
        ),
        (A, B),
    ),
    "flow": (
        lambda d, a, b: d.TransformedDistribution(
            d.Independent(d.Normal(a, b), 1), [d.AffineTransform(b, -b, event_dim=1), d.SigmoidTransform()]
        ),
        (A, B),
    ),
}
# Samples whose slope PyTorch approximates to about 1e-3, and of which it has no second derivatives.
GAMMAS = {"Gamma", "Chi2", "Beta", "Beta numbers", "Dirichlet", "StudentT", "FisherSnedecor", "InverseGamma"}


def results(d, names=SIMPLE):
    """Those of the properties and methods that exist, by name."""
    out = {}
    for name in names:
        try:
            value = getattr(d, name)
            out[name] = value() if callable(value) else value
        except NotImplementedError:
            out[name] = None
    return out


@pytest.mark.parametrize("name", MAKERS)
def test_densities_and_moments(name):
    make, parameters = MAKERS[name]

    def run(torch, *parameters):
        d = make(torch.distributions, *parameters)
        torch.manual_seed(3)
        x = d.sample((4,))
        out = {"sample": x, "log_prob": d.log_prob(x), **results(d)}
        return {**out, "shapes": [list(d.batch_shape), list(d.event_shape)], "r": bool(d.has_rsample)}

    same(run, *parameters, rtol=1e-6, atol=1e-7 if parameters else 1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_samples(name):
    make, parameters = MAKERS[name]
    parameters = [p.detach().float().requires_grad_(p.requires_grad) for p in parameters]

    def run(torch, *parameters):
        d = make(torch.distributions, *parameters)
        torch.manual_seed(5)
        x = d.rsample((2, 3)) if d.has_rsample else d.sample((2, 3))
        return [x, d.sample(), torch.rand(2)]

    same(run, *parameters, second=False, rtol=3e-3 if name in GAMMAS else 1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_distribution_functions_expansion_and_support(name):
    make, parameters = MAKERS[name]
    if name == "Gamma":  # PyTorch has no gradient of cdf in the concentration
        parameters = tuple(p.detach() for p in parameters)

    def run(torch, *parameters):
        d = make(torch.distributions, *parameters)
        torch.manual_seed(2)
        x, out = d.sample((2,)), []
        for call in (
            lambda: d.cdf(x),
            lambda: d.icdf(torch.full(x.shape, 0.3, dtype=x.dtype)),
            lambda: d.enumerate_support(),
        ):
            try:
                out.append(call())
            except NotImplementedError:
                out.append(None)
        wide = d.expand((2, *d.batch_shape))
        torch.manual_seed(2)
        out += [
            list(wide.batch_shape),
            wide.sample(),
            wide.log_prob(x),
            results(wide, ("mean", "entropy")[: 1 + (name != "Multinomial")]),
        ]
        checked = d.support.check(x)
        return [*out, checked, d.support.event_dim, d.support.is_discrete]

    same(run, *parameters, second=False, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted({n.split()[0] for n in MAKERS} - {"squashed", "flow", "Mixture"}))
def test_text(name):
    make, parameters = MAKERS[name]
    ours = make(tinygrad6.distributions, *[p.detach().float() for p in parameters])
    theirs = make(pytorch().distributions, *[pytorch().tensor(p.tolist()) for p in parameters])
    assert str(ours) == str(theirs)
    assert str(ours.support) == str(theirs.support)


KL_PAIRS = [
    *[(n, n) for n in MAKERS if n.split()[0] not in ("Mixture", "squashed", "flow", "NegativeBinomial")],
    *[(p, "Normal") for p in ("Beta", "Exponential", "Gamma", "Gumbel", "Laplace", "Pareto", "Uniform")],
    *[(p, "Exponential") for p in ("Beta", "Gamma", "Pareto", "Uniform", "Normal")],
    *[(p, "Gamma") for p in ("Beta", "Exponential", "Pareto", "Uniform", "Laplace")],
    *[(p, "Gumbel") for p in ("Exponential", "Gamma", "Normal", "Uniform")],
    *[(p, "ContinuousBernoulli") for p in ("Beta", "Gumbel")],
    *[(p, "Normal numbers") for p in ("ContinuousBernoulli", "ContinuousBernoulli logits")],
    ("ContinuousBernoulli", "Exponential"),
    ("Normal", "Laplace"),
    ("Beta", "Uniform"),
    ("Uniform", "Pareto"),
    ("Poisson", "Binomial"),
    ("Normal", "Bernoulli"),
    ("Independent", "Normal"),
    ("LogNormal", "LogNormal"),
    ("Chi2", "Chi2"),
]


@pytest.mark.parametrize(("p", "q"), KL_PAIRS)
def test_divergences(p, q):
    (make_p, of_p), (make_q, of_q) = MAKERS[p], MAKERS[q]
    of_q = tuple((x.detach() * 0.7 + 0.1).requires_grad_() for x in of_q)
    if p == q:
        if "MultivariateNormal" in p:
            of_q = (of_q[0], (of_p[1].detach() * 2).requires_grad_())

    def run(torch, *parameters):
        d = torch.distributions
        return d.kl_divergence(make_p(d, *parameters[: len(of_p)]), make_q(d, *parameters[len(of_p) :]))

    same(run, *of_p, *of_q, second=False, rtol=1e-6, atol=1e-8)


def test_divergences_of_what_lies_in_the_unit_interval():
    def run(torch, low, high, a, b):
        d, kl = torch.distributions, torch.distributions.kl_divergence
        p = d.Uniform(low, high)
        out = [kl(p, d.Beta(a, b)), kl(p, d.ContinuousBernoulli(b)), kl(p, d.Exponential(a))]
        return [*out, kl(p, d.Gamma(a, b)), kl(d.Beta(a, b), d.Uniform(low - 1, high + 1))]

    same(run, leaf(3, low=0.1, high=0.3), leaf(3, low=0.5, high=0.9), leaf(3), leaf(3), rtol=1e-6)


def test_registered_divergences_and_dispatch():
    def run(torch):
        d = torch.distributions

        class Mine(d.Normal):
            pass

        class Other(d.Gamma):
            pass

        @d.register_kl(Mine, Other)
        def _(p, q):
            return torch.tensor(7.0)

        one = Mine(torch.tensor(0.0), torch.tensor(1.0))
        two = Other(torch.tensor(1.0), torch.tensor(1.0))
        return [
            d.kl_divergence(one, two),
            d.kl_divergence(one, d.Normal(0.0, 2.0)),
            d.kl_divergence(two, two),
        ]

    same(run)


TRANSFORMS = {
    "exp": lambda d, a: d.ExpTransform(),
    "power": lambda d, a: d.PowerTransform(a[0, 0]),
    "sigmoid": lambda d, a: d.SigmoidTransform(),
    "softplus": lambda d, a: d.SoftplusTransform(),
    "tanh": lambda d, a: d.TanhTransform(),
    "affine": lambda d, a: d.AffineTransform(a, -2 * a),
    "affine of vectors": lambda d, a: d.AffineTransform(a, 2.0, event_dim=1),
    "composed": lambda d, a: d.ComposeTransform([d.AffineTransform(0.5, a), d.ExpTransform()]),
    "inverse": lambda d, a: d.ComposeTransform([d.ExpTransform(), d.AffineTransform(0.1, a)]).inv,
    "independent": lambda d, a: d.IndependentTransform(d.ExpTransform(), 1),
    "reshape": lambda d, a: d.ReshapeTransform((4,), (2, 2)),
    "sticks": lambda d, a: d.StickBreakingTransform(),
    "stack": lambda d, a: d.StackTransform([d.ExpTransform(), d.TanhTransform()] * 2, dim=-1),
    "cat": lambda d, a: d.CatTransform([d.ExpTransform(), d.SigmoidTransform()], dim=-1, lengths=[1, 3]),
    "cdf": lambda d, a: d.CumulativeDistributionTransform(d.Normal(a, 1.0)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    a, x = leaf(3, 4), leaf(3, 4, low=0.3, high=0.8)

    def run(torch, a, x):
        t = TRANSFORMS[name](torch.distributions, a)
        if name == "inverse":
            x = 0.2 + 3 * x
        y = t(x)
        shapes = [list(t.forward_shape(x.shape)), list(t.inverse_shape(y.shape))]
        out = [y, t.inv(y), t.log_abs_det_jacobian(x, y), shapes, t.domain.event_dim, t.codomain.event_dim]
        back = t.inv.log_abs_det_jacobian(y, x)
        with_cache = t.with_cache(1)
        kept = with_cache.inv(with_cache(x)) is x if name not in ("composed", "inverse") else True
        return [*out, back, kept, t == TRANSFORMS[name](torch.distributions, a), bool(t.bijective)]

    if name in ("independent", "reshape", "stack", "cat", "cdf"):  # equal in PyTorch only when the same
        ours = TRANSFORMS[name](tinygrad6.distributions, a)
        assert (ours == ours) is True
        same(lambda torch, a, x: run(torch, a, x)[:-2], a, x, rtol=1e-4, atol=1e-5)
    else:
        same(run, a, x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["LowerCholeskyTransform", "PositiveDefiniteTransform", "SoftmaxTransform"])
def test_transforms_without_jacobian(name):
    def run(torch, x):
        t = getattr(torch.distributions, name)()
        y = t(x)
        return [y, t.inv(y), str(t.codomain)]

    same(run, leaf(2, 3, 3), rtol=1e-3, atol=1e-4)


def test_cholesky_factors_of_correlations():
    def run(torch, x):
        t = torch.distributions.CorrCholeskyTransform()
        y = t(x)
        good = torch.distributions.constraints.corr_cholesky.check(y)
        return [y, t.inv(y), t.log_abs_det_jacobian(x, y), good, list(t.forward_shape((6,)))]

    same(run, leaf(2, 6, low=-0.5), rtol=1e-4, atol=1e-5)


CONSTRAINTS = """boolean corr_cholesky lower_cholesky lower_triangular nonnegative nonnegative_integer
    one_hot positive positive_definite positive_integer positive_semidefinite real real_vector simplex square
    symmetric unit_interval""".split()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name):
    values = [
        np.eye(3),
        np.array([[0.0, 1.0], [0.25, 0.75], [np.nan, 2.0], [-1.0, 0.5]]),
        np.array([[2.0, 1.0], [1.0, 2.0]]),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
    ]

    def run(torch, *values):
        c = getattr(torch.distributions.constraints, name)
        return [[c.check(v) for v in values], str(c), c.event_dim, c.is_discrete]

    same(run, *[tinygrad6.from_numpy(v) for v in values])


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_by_constraint(registry):
    def run(torch, x):
        c = torch.distributions.constraints
        to = getattr(torch.distributions, registry)
        sets = [c.real, c.positive, c.nonnegative, c.greater_than(1.0), c.less_than(2.0), c.unit_interval]
        sets += [c.interval(-1.0, 3.0), c.half_open_interval(0.0, 2.0), c.simplex, c.corr_cholesky]
        sets += [c.independent(c.positive, 1), c.stack([c.positive, c.real, c.unit_interval], -1)]
        sets += [c.cat([c.positive, c.real], -1, [1, 2])]
        return [[to(s)(x), str(to(s)), bool(s.check(to(s)(x)).all())] for s in sets]

    same(run, leaf(2, 3, low=-1.0), rtol=1e-4, atol=1e-5)
    with pytest.raises(NotImplementedError):
        tinygrad6.distributions.biject_to(tinygrad6.distributions.constraints.boolean)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d, t: d.Normal(0.0, -1.0),
        lambda d, t: d.Normal("a", 1.0),
        lambda d, t: d.Uniform(1.0, 0.0),
        lambda d, t: d.Bernoulli(t(2.0)),
        lambda d, t: d.Bernoulli(),
        lambda d, t: d.Bernoulli(t(0.5)).rsample(),
        lambda d, t: d.Categorical(t(1.0)),
        lambda d, t: d.Categorical(t([-1.0, 3.0])),
        lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2)),
        lambda d, t: d.Categorical(t([0.5, 0.5])).rsample(),
        lambda d, t: d.kl_divergence(d.Normal(0.0, 1.0), d.Bernoulli(t(0.5))),
        lambda d, t: d.Independent(d.Normal(0.0, 1.0), 1),
        lambda d, t: d.Geometric(t([0.5, 0.0])),
        lambda d, t: d.Gamma(t(-1.0), t(1.0)),
        lambda d, t: d.Beta(t(1.0), t(1.0)).log_prob(t(2.0)),
        lambda d, t: d.Exponential(t(1.0)).log_prob(t(-2.0)),
        lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0])),
        lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(1.0),
        lambda d, t: d.Dirichlet(t(1.0)),
        lambda d, t: d.Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6])),
        lambda d, t: d.MultivariateNormal(t([0.0, 1.0])),
        lambda d, t: d.MultivariateNormal(t([0.0, 1.0]), t([[1.0, 2.0], [2.0, 1.0]])),
        lambda d, t: d.MultivariateNormal(t([0.0, 1.0]), t([1.0, 1.0])),
        lambda d, t: d.Multinomial(2, t([0.5, 0.5])).log_prob(t([2.0, 1.0])),
        lambda d, t: d.Multinomial(t(2), t([0.5, 0.5])),
        lambda d, t: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(0.0, 1.0)),
        lambda d, t: d.MixtureSameFamily(d.Categorical(t([0.5, 0.5])), d.Normal(t([0.0] * 3), 1.0)),
        lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), "exp"),
        lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform()),
        lambda d, t: d.ExpTransform(cache_size=2),
        lambda d, t: d.ReshapeTransform((2,), (3,)),
        lambda d, t: d.Distribution.set_default_validate_args(3),
        lambda d, t: d.Distribution().mean,
    ],
)
def test_errors(wrong):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        same(lambda torch: wrong(torch.distributions, torch.tensor))


def test_arguments_are_not_checked_when_told_so():
    def run(torch):
        d = torch.distributions
        a = d.Normal(torch.tensor(0.0), torch.tensor(-1.0), validate_args=False).mean
        d.Distribution.set_default_validate_args(False)
        try:
            b = d.Exponential(torch.tensor(1.0)).log_prob(torch.tensor(-2.0))
        finally:
            d.Distribution.set_default_validate_args(True)
        return [a, b]

    same(run)


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


def test_a_distribution_of_the_users_own():
    def run(torch, a):
        d = torch.distributions

        class Shifted(d.ExponentialFamily):
            arg_constraints = {"rate": d.constraints.positive}
            support = d.constraints.greater_than(1.0)
            has_rsample = True
            _mean_carrier_measure = 0

            def __init__(self, rate, validate_args=None):
                (self.rate,) = d.utils.broadcast_all(rate)
                super().__init__(self.rate.shape, validate_args=validate_args)

            def expand(self, batch_shape, _instance=None):
                new = self._get_checked_instance(Shifted, _instance)
                new.rate = self.rate.expand(batch_shape)
                super(Shifted, new).__init__(torch.Size(batch_shape), validate_args=False)
                return new

            def rsample(self, sample_shape=()):
                return (
                    1
                    - torch.rand(self._extended_shape(sample_shape), dtype=self.rate.dtype).log() / self.rate
                )

            def log_prob(self, value):
                if self._validate_args:
                    self._validate_sample(value)
                return self.rate.log() - self.rate * (value - 1)

            @property
            def _natural_params(self):
                return (-self.rate,)

            def _log_normalizer(self, x):
                return -torch.log(-x)

        torch.manual_seed(0)
        one = Shifted(a)
        x = one.rsample((4,))
        kl = d.kl_divergence(one, Shifted(a * 2))
        wide = one.expand((5, 3)).log_prob(x.detach()[0])
        return [x, one.log_prob(x), one.entropy(), kl, d.Independent(one, 1).entropy(), wide, str(one)]

    same(run, leaf(3, low=0.5, high=2.0), second=False)


def test_slopes_of_gamma_and_beta_samples_are_exact():
    """Against differences of the quantile functions; PyTorch's own are some 1e-4 off."""
    special = pytest.importorskip("scipy.special")
    from tinygrad6.ops.incomplete import beta_slope, gamma_slope

    q = np.array([0.01, 0.3, 0.8, 0.99])
    for a in (0.1, 1.0, 7.5, 300.0, 20000.0):
        h = 1e-4 * a
        f = [special.gammaincinv(a + k * h, q) for k in (-2, -1, 1, 2)]
        want = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
        np.testing.assert_allclose(gamma_slope(np.full(4, a), special.gammaincinv(a, q)), want, rtol=1e-6)
    for a, b in ((0.5, 0.5), (2.0, 0.4), (5.0, 40.0), (300.0, 200.0)):
        h, x = 1e-4 * a, special.betaincinv(a, b, q)
        f = [special.betaincinv(a + k * h, b, q) for k in (-2, -1, 1, 2)]
        want = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
        got = beta_slope(x, np.full(4, a), np.full(4, b)) * (1 - x)
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_modules_and_names():
    theirs = pytorch().distributions
    absent = {"GeneralizedPareto", "LKJCholesky", "LowRankMultivariateNormal", "Wishart"}
    assert set(theirs.__all__) - set(tinygrad6.distributions.__all__) == absent
    for name in absent:
        with pytest.raises(AttributeError, match=": (use|make)"):
            getattr(tinygrad6.distributions, name)
    for name in set(theirs.__all__) - absent - set(theirs.transforms.__all__):
        kind = getattr(theirs, name)
        if isinstance(kind, type):
            path = kind.__module__.removeprefix("torch.")
            module = importlib.import_module(f"tinygrad6.{path}")
            assert getattr(module, name) is getattr(tinygrad6.distributions, name)


@pytest.mark.parametrize("name", ["igamma", "igammac"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_incomplete_gamma_functions(name, dtype):
    a = np.array([0.0, 0.0, 1.0, -1.0, np.inf, 1.0, np.nan, 0.01, 0.5, 1.0, 3.0, 20.0, 20.0, 300.0, 300.0])
    x = np.array([1.0, 0.0, 0.0, 1.0, 1.0, np.inf, 1.0, 0.5, 2.0, 0.1, 9.0, 15.0, 40.0, 280.0, 350.0])
    a, x = (tinygrad6.from_numpy(v.astype(dtype)) for v in (a, x))

    def run(torch, a, x):
        special = {"igamma": torch.special.gammainc, "igammac": torch.special.gammaincc}[name]
        return [getattr(torch, name)(a, x), getattr(a, name)(x), special(a, x)]

    def checked(torch, a, x):
        return [torch.nan_to_num(t, nan=-5.0) for t in run(torch, a, x)]

    same(checked, a, x, atol=1e-7 if dtype == "float32" else None)
    usual = [t[7:].requires_grad_(t is x) for t in (a, x)]
    same(lambda torch, a, x: getattr(torch, name)(a, x), *usual, rtol=1e-4 if dtype == "float32" else None)


def test_incomplete_gamma_functions_have_no_gradient_in_the_first_argument():
    same(lambda torch, a: torch.igamma(a, a.detach()).backward(), leaf(low=1))
    same(lambda torch: torch.igamma(torch.tensor([1]), torch.tensor([2])))
