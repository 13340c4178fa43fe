"""Probability distributions whose samples follow PyTorch's stream:
Normal, Uniform, Bernoulli, Categorical, Multinomial, and Independent.

`sample` records nothing; `rsample`, where there is one, is differentiable in the parameters (Kingma and
Welling 2014). Shapes are sample_shape + batch_shape + event_shape, as in torch.distributions.
"""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

from tinygrad6 import dtypes
from tinygrad6.distributions.kl import kl_divergence
from tinygrad6.modes import no_grad
from tinygrad6.op import NAMES
from tinygrad6.ops import create
from tinygrad6.tensor import Size, Tensor

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Independent",
    "Multinomial",
    "Normal",
    "Uniform",
    "kl_divergence",
]


def _together(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape."""
    kind = next((v.dtype for v in values if isinstance(v, Tensor)), None)
    tensors = [v if isinstance(v, Tensor) else create.tensor(float(v), dtype=kind) for v in values]
    return tuple(NAMES["broadcast_tensors"](*tensors))


def _eps(probs: Tensor) -> float:
    return dtypes.finfo(probs.dtype).eps


def _safe_log(probs: Tensor) -> Tensor:
    """log p with p kept away from 0 and 1 by the type's eps."""
    return probs.clamp(_eps(probs), 1 - _eps(probs)).log()


class Distribution:
    """Base of the distributions: shapes, checks, and what follows from `rsample`,
    `log_prob` and the moments."""

    has_rsample = False

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._validate = validate_args is not False

    def _require(self, name: str, value: Tensor, good: Tensor, what: str) -> None:
        """ValueError unless every element of the parameter is `good`."""
        if self._validate and not bool(good.all()):
            raise ValueError(
                f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                f"distribution {type(self).__name__} to satisfy the constraint {what}, but found invalid "
                f"values:\n{value}"
            )

    def _require_value(self, good: Tensor, what: str) -> None:
        if self._validate and not bool(good.all()):
            raise ValueError(
                f"{type(self).__name__}.log_prob(): expected value to be {what}, but found others"
            )

    @property
    def batch_shape(self) -> Size:
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define mean")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """A differentiable sample; NotImplementedError where the distribution is discrete."""
        raise NotImplementedError(f"{type(self).__name__} has no differentiable samples: use sample()")

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A sample of shape sample_shape + batch_shape + event_shape, not recorded."""
        with no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define log_prob")

    def entropy(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define entropy")

    def __repr__(self) -> str:
        names = [n for n in ("loc", "scale", "low", "high", "probs", "logits") if n in self.__dict__]
        shown = (
            f"{n}: {v if not v.ndim else f'torch.Size({list(v.shape)})'}"
            for n in names
            for v in [self.__dict__[n]]
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Normal(Distribution):
    """Density exp(-(x - loc)^2 / (2 scale^2)) / (scale sqrt(2 pi)); loc and scale > 0 broadcast.

    >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = _together(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._require("scale", self.scale, self.scale > 0, "scale > 0")

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale**2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = create.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).normal_()
        return self.loc + noise * self.scale

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            return create.normal(self.loc.expand(shape), self.scale.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return (
            -((value - self.loc) ** 2) / (2 * self.variance)
            - self.scale.log()
            - math.log(math.sqrt(2 * math.pi))
        )

    def cdf(self, value: Tensor) -> Tensor:
        """P(x <= value)."""
        return 0.5 * (1 + ((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Uniform(Distribution):
    """Density 1 / (high - low) on [low, high)."""

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = _together(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate and not bool((self.low < self.high).all()):
            raise ValueError("Uniform is not defined when low >= high")

    mean = property(lambda self: (self.high + self.low) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = create.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        self._require_value((value >= self.low) & (value <= self.high), "in [low, high]")
        inside = (self.low <= value) & (self.high > value)
        return inside.type(self.low.dtype).log() - (self.high - self.low).log()

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()


class _Discrete(Distribution):
    """What Bernoulli and Categorical share: parameters as probabilities or as logits,
    each made from the other."""

    def _take(self, probs: Any, logits: Any) -> tuple[str, Tensor]:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name = "logits" if probs is None else "probs"
        return name, _together(logits if probs is None else probs)[0]


class Bernoulli(_Discrete):
    """1 with probability probs = sigmoid(logits), else 0."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        name, value = self._take(probs, logits)
        setattr(self, name, value)
        super().__init__(value.shape, (), validate_args)
        if name == "probs":
            self._require(name, value, (value >= 0) & (value <= 1), "0 <= probs <= 1")

    def __getattr__(self, name: str) -> Any:
        if name == "probs":
            return self.logits.sigmoid()
        if name == "logits":
            p = self.probs.clamp(_eps(self.probs), 1 - _eps(self.probs))
            return p.log() - (-p).log1p()
        raise AttributeError(f"'Bernoulli' object has no attribute '{name}'")

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self.probs.expand(self._extended_shape(sample_shape)).bernoulli()

    def log_prob(self, value: Tensor) -> Tensor:
        self._require_value((value == 0) | (value == 1), "0 or 1")
        logits, value = NAMES["broadcast_tensors"](self.logits, value)
        return value * logits - logits.clamp(min=0) - (-logits.abs()).exp().log1p()

    def entropy(self) -> Tensor:
        logits, p = self.logits, self.probs
        return logits.clamp(min=0) - logits * p + (-logits.abs()).exp().log1p()


class Categorical(_Discrete):
    """Class i of the last dimension with probability probs[..., i] / sum, or softmax(logits)[..., i].

    >>> torch.distributions.Categorical(torch.tensor([0.25, 0.75])).log_prob(torch.tensor(1))
    tensor(-0.2877)
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        name, value = self._take(probs, logits)
        if not value.ndim:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        super().__init__(value.shape[:-1], (), validate_args)
        if name == "probs":
            total = value.sum(-1, keepdim=True)
            self._require(name, value, (value >= 0).all(-1) & (total.squeeze(-1) > 0), "probabilities")
            self.probs = value / total
        else:
            self._require(name, value, value == value, "real numbers")
            self.logits = value - value.logsumexp(-1, keepdim=True)
        self._num_events = value.shape[-1]

    def __getattr__(self, name: str) -> Any:
        if name == "probs":
            return self.logits.softmax(-1)
        if name == "logits":
            return _safe_log(self.probs)
        raise AttributeError(f"'Categorical' object has no attribute '{name}'")

    mode = property(lambda self: self.probs.argmax(-1))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        rows = self.probs.reshape(-1, self._num_events)
        with no_grad():
            drawn = rows.multinomial(Size(sample_shape).numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._require_value((value >= 0) & (value < self._num_events), f"a class below {self._num_events}")
        value, logits = NAMES["broadcast_tensors"](value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=dtypes.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)


class Independent(Distribution):
    """The base distribution with its last dimensions of the batch taken as one event:
    log_prob sums over them."""

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        n, shape = reinterpreted_batch_ndims, base_distribution.batch_shape
        if n > len(shape):
            raise ValueError(
                f"Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual {n} vs "
                f"{len(shape)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(shape) - n
        super().__init__(shape[:cut], (*shape[cut:], *base_distribution.event_shape), validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    variance = property(lambda self: self.base_dist.variance)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def _summed(self, t: Tensor) -> Tensor:
        n = self.reinterpreted_batch_ndims
        return t.sum(tuple(range(-n, 0))) if n else t

    def log_prob(self, value: Tensor) -> Tensor:
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self._summed(self.base_dist.entropy())

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class Multinomial(Distribution):
    """How often each of K classes came in `total_count` draws of Categorical(probs, logits): (..., K).

    >>> d = torch.distributions.Multinomial(3, torch.tensor([1.0, 1.0]))
    >>> d.mean
    tensor([1.5000, 1.5000])
    """

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self.probs.shape[-1:], validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = create.zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype)
        return counts.scatter_add_(-1, drawn, create.ones_like(drawn, dtype=counts.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        good = (value >= 0).all(-1) & (value == value.round()).all(-1) & (value.sum(-1) == self.total_count)
        self._require_value(good, f"counts of {self.total_count} draws")
        logits, value = NAMES["broadcast_tensors"](self.logits, value)
        powers = (logits.masked_fill((value == 0) & (logits == -math.inf), 0.0) * value).sum(-1)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + powers


for _class in (Bernoulli, Categorical, Distribution, Independent, Multinomial, Normal, Uniform):
    # `from torch.distributions.normal import Normal` is as usual as the short way
    _module = ModuleType(f"{__name__}.{_class.__name__.lower()}")
    setattr(_module, _class.__name__, _class)
    globals()[_class.__name__.lower()] = sys.modules[_module.__name__] = _module
