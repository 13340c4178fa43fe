"""The Kullback-Leibler divergence of two distributions of one kind."""

from __future__ import annotations

from typing import Any

from tinygrad6.tensor import Tensor


def kl_divergence(p: Any, q: Any) -> Tensor:
    """E_p[log p(x) - log q(x)]: both Normal, Bernoulli, Categorical or Uniform;
    NotImplementedError for other pairs."""
    kind = type(p).__name__
    if type(p) is type(q) and kind in _FORMULAS:
        return _FORMULAS[kind](p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {kind} and q type {type(q).__name__}: estimate it with "
        "log_prob"
    )


def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


def _bernoulli(p: Any, q: Any) -> Tensor:
    a, b = p.probs, q.probs
    one = (a * (a / b).log()).masked_fill(a == 0, 0.0)
    zero = ((1 - a) * ((1 - a) / (1 - b)).log()).masked_fill(a == 1, 0.0)
    return one + zero


def _categorical(p: Any, q: Any) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t = t.masked_fill((q.probs == 0).expand_as(t), float("inf"))
    return t.masked_fill((p.probs == 0).expand_as(t), 0.0).sum(-1)


def _uniform(p: Any, q: Any) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), float("inf"))


_FORMULAS = {"Normal": _normal, "Bernoulli": _bernoulli, "Categorical": _categorical, "Uniform": _uniform}
