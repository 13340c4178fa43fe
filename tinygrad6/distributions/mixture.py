"""Mixtures of distributions of one kind."""

from __future__ import annotations

from typing import Any

import tinygrad6 as torch
from tinygrad6 import Size, Tensor
from tinygrad6.distributions import constraints
from tinygrad6.distributions.discrete import Categorical
from tinygrad6.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """p(x) = sum_k p_k p(x; k): a Categorical chooses along the last dimension of the batch of components.

    >>> import tinygrad6 as torch
    >>> from tinygrad6.distributions import Categorical, MixtureSameFamily, Normal
    >>> mix = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-1.0, 1.0]), 1.0))
    >>> mix.mean, mix.variance
    (tensor(0.), tensor(2.))
    """

    arg_constraints: Any = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        mixture, parts = mixture_distribution, component_distribution
        if not isinstance(mixture, Categorical):
            raise ValueError(
                "The Mixture distribution needs to be an instance of torch.distributions.Categorical"
            )
        if not isinstance(parts, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of torch.distributions.Distribution"
            )
        batch = parts.batch_shape[:-1]
        for i, j in zip(reversed(mixture.batch_shape), reversed(batch), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture.batch_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({batch})"
                )
        if mixture._num_events != parts.batch_shape[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({mixture._num_events}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({parts.batch_shape[-1]})"
            )
        self.mixture_distribution, self.component_distribution = mixture, parts
        super().__init__(batch, parts.event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.mixture_distribution = self.mixture_distribution.expand(batch_shape)
        n = self.mixture_distribution._num_events
        new.component_distribution = self.component_distribution.expand((*batch_shape, n))
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self.component_distribution.support)

    _dim = property(lambda self: -1 - len(self._event_shape))  # of the components

    def _weights(self) -> Tensor:
        """The probabilities, in a shape that broadcasts with moments of the components."""
        p = self.mixture_distribution.probs
        return p.reshape((*p.shape, *(1,) * len(self._event_shape)))

    @property
    def mean(self) -> Tensor:
        return (self._weights() * self.component_distribution.mean).sum(self._dim)

    @property
    def variance(self) -> Tensor:
        parts, w = self.component_distribution, self._weights()
        between = (parts.mean - self.mean.unsqueeze(self._dim)) ** 2
        return (w * parts.variance).sum(self._dim) + (w * between).sum(self._dim)

    def cdf(self, value: Tensor) -> Tensor:
        each = self.component_distribution.cdf(value.unsqueeze(self._dim))
        return (each * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        each = self.component_distribution.log_prob(value.unsqueeze(self._dim))
        return (each + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Any = Size()) -> Tensor:
        with torch.no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            each = self.component_distribution.sample(sample_shape)
            at = each.ndim + self._dim
            chosen = chosen.reshape((*chosen.shape, *(1,) * (each.ndim - chosen.ndim)))
            shape = [1 if i == at else n for i, n in enumerate(each.shape)]
            return each.gather(at, chosen.expand(shape)).squeeze(at)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
