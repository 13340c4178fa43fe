"""Probability distributions whose samples follow PyTorch's stream, their transforms and divergences.

`sample` records nothing; `rsample`, where there is one, is differentiable in the parameters (Kingma and
Welling 2014). Shapes are sample_shape + batch_shape + event_shape, as in torch.distributions. Each family has
a file; PyTorch's modules named after single distributions (distributions.normal) are made below.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from tinygrad6.distributions import constraints, transformed, transforms, utils
from tinygrad6.distributions.constraint_registry import biject_to, transform_to
from tinygrad6.distributions.continuous import (
    Cauchy,
    ContinuousBernoulli,
    Exponential,
    Laplace,
    Normal,
    Uniform,
    VonMises,
)
from tinygrad6.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)
from tinygrad6.distributions.distribution import Distribution, ExponentialFamily, Independent
from tinygrad6.distributions.gammas import Beta, Chi2, Dirichlet, FisherSnedecor, Gamma, StudentT
from tinygrad6.distributions.kl import kl_divergence, register_kl
from tinygrad6.distributions.mixture import MixtureSameFamily
from tinygrad6.distributions.multivariate import MultivariateNormal
from tinygrad6.distributions.transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    InverseGamma,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    Pareto,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    TransformedDistribution,
    Weibull,
)
from tinygrad6.distributions.transforms import *  # noqa: F403

__all__ = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet",
    "Distribution", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma", "Geometric", "Gumbel",
    "HalfCauchy", "HalfNormal", "Independent", "InverseGamma", "Kumaraswamy", "Laplace", "LogNormal",
    "LogisticNormal", "MixtureSameFamily", "Multinomial", "MultivariateNormal", "NegativeBinomial", "Normal",
    "OneHotCategorical", "OneHotCategoricalStraightThrough", "Pareto", "Poisson", "RelaxedBernoulli",
    "RelaxedOneHotCategorical", "StudentT", "TransformedDistribution", "Uniform", "VonMises", "Weibull",
    "biject_to", "constraints", "kl_divergence", "register_kl", "transform_to", "utils", *transforms.__all__,
]  # fmt: skip

_ABSENT = {
    "LowRankMultivariateNormal": "use MultivariateNormal(loc, W @ W.mT + torch.diag_embed(d))",
    "Wishart": "make it from A @ A.mT with A of scale_tril and standard normal numbers",
    "LKJCholesky": "use transform_to(constraints.corr_cholesky) and a density of your own",
    "GeneralizedPareto": "use Pareto, or TransformedDistribution of Exponential",
}

# `from torch.distributions.normal import Normal` is as usual as the short way
_MODULES = {
    "chi2": "Chi2", "exp_family": "ExponentialFamily", "fishersnedecor": "FisherSnedecor",
    "half_cauchy": "HalfCauchy", "half_normal": "HalfNormal", "inverse_gamma": "InverseGamma",
    "continuous_bernoulli": "ContinuousBernoulli", "log_normal": "LogNormal",
    "logistic_normal": "LogisticNormal", "mixture_same_family": "MixtureSameFamily",
    "multivariate_normal": "MultivariateNormal", "negative_binomial": "NegativeBinomial",
    "one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough",
    "relaxed_bernoulli": "LogitRelaxedBernoulli RelaxedBernoulli",
    "relaxed_categorical": "ExpRelaxedCategorical RelaxedOneHotCategorical", "studentT": "StudentT",
    "transformed_distribution": "TransformedDistribution", "von_mises": "VonMises",
}  # fmt: skip
_MODULES |= {
    name.lower(): name
    for name in "Bernoulli Beta Binomial Categorical Cauchy Dirichlet Exponential Gamma Geometric Gumbel "
    "Independent Kumaraswamy Laplace Multinomial Normal Pareto Poisson Uniform Weibull".split()
}
for _name, _classes in _MODULES.items():
    _module = ModuleType(f"{__name__}.{_name}")
    for _class in _classes.split():
        setattr(_module, _class, getattr(transformed, _class, None) or globals()[_class])
    globals()[_name] = sys.modules[_module.__name__] = _module


def __getattr__(name: str) -> Any:
    why = f": {_ABSENT[name]}" if name in _ABSENT else ""
    raise AttributeError(f"module 'tinygrad6.distributions' has no attribute {name!r}{why}")
