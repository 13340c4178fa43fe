"""torch.dropout and its kin, whose switch is called `train` where that of nn.functional is `training`."""

from __future__ import annotations

from typing import Any

from tinygrad6.nn import functional
from tinygrad6.tensor import Tensor


def _dropout(name: str, inner: str, inplace: bool) -> Any:
    drop = getattr(functional, inner)

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        return drop(input, p, train, inplace)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"nn.functional.{inner}{', in place' * inplace}."
    return function


dropout, dropout_ = (_dropout(n, "dropout", n[-1] == "_") for n in ("dropout", "dropout_"))
alpha_dropout, alpha_dropout_ = (
    _dropout(n, "alpha_dropout", n[-1] == "_") for n in ("alpha_dropout", "alpha_dropout_")
)
feature_alpha_dropout, feature_alpha_dropout_ = (
    _dropout(n, "feature_alpha_dropout", n[-1] == "_")
    for n in ("feature_alpha_dropout", "feature_alpha_dropout_")
)
