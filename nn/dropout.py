"""Dropout in its forms: in training elements or channels are set to zero at random;
in evaluation nothing happens."""

from __future__ import annotations

from tinygrad6.tensor import Tensor

from . import functional as F
from .module import Module


class _DropoutNd(Module):
    _function = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Each element set to 0 with probability p, the others divided by 1 - p (Srivastava et al. 2014)."""


class Dropout1d(_DropoutNd):
    """dropout of whole channels of (N, C, L)."""

    _function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """dropout of whole channels of (N, C, H, W) (Tompson et al. 2015)."""

    _function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """dropout of whole channels of (N, C, D, H, W)."""

    _function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """dropout that keeps mean and variance, for SELU networks (Klambauer et al. 2017)."""

    _function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """alpha dropout of whole channels of (N, C, *)."""

    _function = staticmethod(F.feature_alpha_dropout)
