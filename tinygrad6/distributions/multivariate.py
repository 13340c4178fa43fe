"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

import tinygrad6 as torch
from tinygrad6 import Size, Tensor
from tinygrad6.distributions import constraints
from tinygrad6.distributions.distribution import Distribution
from tinygrad6.distributions.utils import lazy_property, standard_normal


def mahalanobis(lower: Tensor, x: Tensor) -> Tensor:
    """|L^-1 x|^2 for L (..., n, n) and x (..., n); their batches broadcast."""
    if lower.ndim == 2:  # one factor for all: one solve with many right sides
        flat = torch.linalg.solve_triangular(lower, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return (flat**2).sum(-2).reshape(x.shape[:-1])
    return (torch.linalg.solve_triangular(lower, x.unsqueeze(-1), upper=False) ** 2).sum((-2, -1))


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The lower triangular L with L L^T = P^-1, without inverting P."""
    lower = torch.linalg.cholesky(precision.flip(-2, -1)).flip(-2, -1).mT
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype)
    return torch.linalg.solve_triangular(lower, eye, upper=False)


class MultivariateNormal(Distribution):
    """Density exp(-(x - loc)^T C^-1 (x - loc) / 2) / sqrt((2 pi)^n det C); loc (..., n), and one of
    covariance_matrix C, precision_matrix C^-1 and scale_tril L with C = L L^T, each (..., n, n).
    scale_tril is the fastest.

    >>> import tinygrad6 as torch
    >>> d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    >>> d.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: m for name, m in matrices.items() if m is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} matrix must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, loc.shape[-1:], validate_args)
        if name == "scale_tril":
            self._lower = matrix
        elif name == "covariance_matrix":
            self._lower = torch.linalg.cholesky(matrix)
        else:
            self._lower = precision_to_scale_tril(matrix)

    def _matrices(self, m: Tensor) -> Tensor:
        return m.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._matrices(self._lower)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        return self._matrices(self._lower @ self._lower.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        return self._matrices(torch.cholesky_inverse(self._lower))

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Tensor:
        return (self._lower**2).sum(-1).expand((*self._batch_shape, *self._event_shape))

    def _half_log_det(self) -> Tensor:
        return self._lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:
        noise = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._lower @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        m = mahalanobis(self._lower, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + m) - self._half_log_det()

    def entropy(self) -> Tensor:
        h = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return h.expand(self._batch_shape) if self._batch_shape else h
