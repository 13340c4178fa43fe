"""The Kullback-Leibler divergence KL(p || q) = E_p[log p(x) - log q(x)], by pairs of types.

Pairs of one family have closed forms of their own. Of mixed pairs, most are -H(p) - E_p[log q]: where log q
is a polynomial of x and log x, the moments of p are enough, so one function for q serves every p.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import tinygrad6 as torch
from tinygrad6 import Tensor
from tinygrad6.distributions.continuous import (
    Cauchy,
    ContinuousBernoulli,
    Exponential,
    Laplace,
    Normal,
    Uniform,
)
from tinygrad6.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    OneHotCategorical,
    Poisson,
)
from tinygrad6.distributions.distribution import Distribution, ExponentialFamily, Independent
from tinygrad6.distributions.gammas import Beta, Dirichlet, Gamma
from tinygrad6.distributions.multivariate import MultivariateNormal, mahalanobis
from tinygrad6.distributions.transformed import Gumbel, HalfNormal, Pareto, TransformedDistribution
from tinygrad6.distributions.utils import euler_constant, sum_rightmost

_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}
_INF = math.inf


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Decorator: the function of (p, q) gives KL(p || q) for these types and their subclasses."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def decorator(function: Any) -> Any:
        _FORMULAS[type_p, type_q] = function
        return function

    return decorator


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) in nats, of shape batch_shape, by the formula registered for the nearest classes of p and q;
    RuntimeWarning where the nearest by p is another than the nearest by q. NotImplementedError for pairs
    without a formula.

    >>> import tinygrad6 as torch
    >>> from tinygrad6.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    order_p, order_q = type(p).__mro__, type(q).__mro__
    matches = [(a, b) for a, b in _FORMULAS if a in order_p and b in order_q]
    if not matches:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}: "
            "estimate it with log_prob, or register_kl() a formula"
        )
    by_p = min(matches, key=lambda m: (order_p.index(m[0]), order_q.index(m[1])))
    by_q = min(matches, key=lambda m: (order_q.index(m[1]), order_p.index(m[0])))
    if _FORMULAS[by_p] is not _FORMULAS[by_q]:
        warnings.warn(
            f"Ambiguous kl_divergence({type(p).__name__}, {type(q).__name__}). Please "
            f"register_kl({by_p[0].__name__}, {by_q[1].__name__})",
            RuntimeWarning,
            stacklevel=2,
        )
    return _FORMULAS[by_p](p, q)


# ---- of one family


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Tensor:
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            "divergences"
        )
    theta = [t.detach().requires_grad_() for t in p._natural_params]
    normalizer = p._log_normalizer(*theta)
    grads = torch.autograd.grad(normalizer.sum(), theta, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for other, own, g in zip(q._natural_params, theta, grads, strict=True):
        result = result - sum_rightmost((other - own) * g, len(q.event_shape))
    return result


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    softplus = torch.nn.functional.softplus
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = one.masked_fill(q.probs == 0, _INF).masked_fill(p.probs == 0, 0.0)
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return one + zero.masked_fill(q.probs == 1, _INF).masked_fill(p.probs == 1, 0.0)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    one = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * one).masked_fill(p.total_count > q.total_count, _INF)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t = t.masked_fill((q.probs == 0).expand_as(t), _INF)
    return t.masked_fill((p.probs == 0).expand_as(t), 0.0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    own, other = p._log_norm() + (-p.probs).log1p(), q._log_norm() + (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + own - other


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    norms = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return norms + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


def _dirichlet_of(a: Tensor, b: Tensor) -> Tensor:
    sum_a, sum_b = a.sum(-1), b.sum(-1)
    norms = sum_a.lgamma() - sum_b.lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - sum_a.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    return _dirichlet_of(p.concentration, q.concentration)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet_of(p._dirichlet.concentration, q._dirichlet.concentration)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, (p.loc - q.loc).abs()
    return off / q.scale + ratio * (-off / p.scale).exp() - 1 - ratio.log()


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return (
        off - ratio.log() + ratio * euler_constant + ((1 + ratio).lgamma() - off).exp() - 1 - euler_constant
    )


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.masked_fill(p.scale < q.scale, _INF)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), _INF)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    batch = torch.broadcast_shapes(p._lower.shape[:-2], q._lower.shape[:-2])
    own, other = (d._lower.expand((*batch, -1, -1)) for d in (p, q))
    trace = (torch.linalg.solve_triangular(other, own, upper=False) ** 2).sum((-2, -1))
    m = mahalanobis(q._lower, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + m - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence(): both Independent must take in as many dimensions")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence(): both must have the same transforms and event_shape")
    return kl_divergence(p.base_dist, q.base_dist)


# ---- of two families: -H(p) - E_p[log q]


def _to_normal(p: Any, q: Any) -> Tensor:
    squares = (p.variance + (p.mean - q.loc) ** 2) / q.scale**2
    return -p.entropy() + q.scale.log() + 0.5 * (squares + math.log(2 * math.pi))


def _to_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _to_gamma(p: Any, q: Any) -> Tensor:
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return -p.entropy() + norm + q.rate * p.mean - (q.concentration - 1) * _mean_log(p)


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()


def _unit_to_uniform(p: Any, q: Any) -> Tensor:
    result = -p.entropy() + (q.high - q.low).log()
    return result.masked_fill((q.low > 0) | (q.high < 1), _INF)


def _to_gumbel(p: Any, q: Any) -> Tensor:
    """E exp(-x / scale) is the Laplace transform of p."""
    s = 1 / q.scale
    if isinstance(p, Normal):
        log_transform = -p.loc * s + 0.5 * (p.scale * s) ** 2
    elif isinstance(p, Uniform):
        log_transform = (((-p.low * s).exp() - (-p.high * s).exp()) / (s * (p.high - p.low))).log()
    else:
        a = p.concentration if isinstance(p, Gamma) else 1.0
        log_transform = -a * (1 + s / p.rate).log()
    return -p.entropy() + q.scale.log() + (p.mean - q.loc) * s + (q.loc * s + log_transform).exp()


def _mean_log(p: Any) -> Tensor:
    """E_p[log x]."""
    if isinstance(p, Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, Exponential):
        return -p.rate.log() - euler_constant
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return _uniform_mean_log(p.low, p.high)


def _uniform_mean_log(low: Tensor, high: Tensor) -> Tensor:
    return (high.xlogy(high) - low.xlogy(low)) / (high - low) - 1


def _uniform_to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
    logs = (a - 1) * _uniform_mean_log(p.low, p.high) + (b - 1) * _uniform_mean_log(1 - p.high, 1 - p.low)
    return -p.entropy() - log_norm - logs


def _uniform_to_pareto(p: Any, q: Any) -> Tensor:
    result = -p.entropy() - q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * _mean_log(p)
    return result.masked_fill(p.low < q.scale, _INF)


def _from_uniform(formula: Any, low: float, high: float) -> Any:
    """The formula, inf where p reaches beyond the support of q."""

    def function(p: Any, q: Any) -> Tensor:
        outside = (p.low < low) | (p.high > high)
        return formula(p, q).masked_fill(outside, _INF)

    return function


def _infinite(p: Any, q: Any) -> Tensor:
    """p gives probability to what q excludes."""
    return torch.full_like(next(iter(getattr(p, n) for n in p.arg_constraints)), _INF)


_p: Any
for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform):
    register_kl(_p, Normal)(_to_normal)
for _p in (Beta, ContinuousBernoulli, Gamma, Pareto):
    register_kl(_p, Exponential)(_to_exponential)
for _p in (Beta, Exponential, Pareto):
    register_kl(_p, Gamma)(_to_gamma)
for _p in (Exponential, Gamma, Normal, Uniform):
    register_kl(_p, Gumbel)(_to_gumbel)
for _p in (Beta, ContinuousBernoulli):
    register_kl(_p, Uniform)(_unit_to_uniform)
register_kl(Beta, ContinuousBernoulli)(_to_continuous_bernoulli)
register_kl(Uniform, Beta)(_from_uniform(_uniform_to_beta, 0, 1))
register_kl(Uniform, ContinuousBernoulli)(_from_uniform(_to_continuous_bernoulli, 0, 1))
register_kl(Uniform, Exponential)(_from_uniform(_to_exponential, 0, _INF))
register_kl(Uniform, Gamma)(_from_uniform(_to_gamma, 0, _INF))
register_kl(Uniform, Pareto)(_uniform_to_pareto)
for _p, _qs in {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


@register_kl(Normal, Laplace)
def _normal_to_laplace(p: Any, q: Any) -> Tensor:
    """E |x - m| of the folded normal distribution."""
    off = p.loc - q.loc
    z = off / p.scale
    mean_abs = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z**2).exp() + off * (math.sqrt(0.5) * z).erf()
    return -p.entropy() + (2 * q.scale).log() + mean_abs / q.scale


@register_kl(Bernoulli, Poisson)
def _bernoulli_to_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)
