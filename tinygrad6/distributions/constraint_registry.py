"""Which transform leads from real numbers into a set: `biject_to(constraint)`, which has a Jacobian, and
`transform_to(constraint)`, which may have more coordinates than needed and suits optimizers better.

>>> import tinygrad6 as torch
>>> torch.distributions.transform_to(torch.distributions.constraints.simplex)(torch.zeros(2))
tensor([0.5000, 0.5000])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad6.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Transforms by type of constraint."""

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], Any]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Let factory(constraint) make the transform for constraints of this type; also a decorator."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


_kind: Any
biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _between(c: Any) -> Any:
    if all(isinstance(b, (int, float)) for b in (c.lower_bound, c.upper_bound)) and (
        (c.lower_bound, c.upper_bound) == (0, 1)
    ):
        return transforms.SigmoidTransform()
    scaled = transforms.AffineTransform(c.lower_bound, c.upper_bound - c.lower_bound)
    return transforms.ComposeTransform([transforms.SigmoidTransform(), scaled])


def _beyond(bound: Any, side: int) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(bound, side)])


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda c: transforms.identity_transform)
    for _kind in (constraints.greater_than, constraints.greater_than_eq):
        _registry.register(_kind, lambda c: _beyond(c.lower_bound, 1))
    _registry.register(constraints.less_than, lambda c: _beyond(c.upper_bound, -1))
    for _kind in (constraints.interval, constraints.half_open_interval):
        _registry.register(_kind, _between)
    _registry.register(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
    _registry.register(
        constraints.independent,
        lambda c, to=_registry: transforms.IndependentTransform(
            to(c.base_constraint), c.reinterpreted_batch_ndims
        ),
    )
    _registry.register(
        constraints.cat,
        lambda c, to=_registry: transforms.CatTransform([to(p) for p in c.cseq], c.dim, c.lengths),
    )
    _registry.register(
        constraints.stack, lambda c, to=_registry: transforms.StackTransform([to(p) for p in c.cseq], c.dim)
    )
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _constraint in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_constraint, lambda c: transforms.PositiveDefiniteTransform())
