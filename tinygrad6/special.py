"""torch.special: special functions under the names of SciPy, where they have gradients in PyTorch."""

from __future__ import annotations

from typing import Any

from tinygrad6.ops.gamma import (
    digamma,
    entr,
    erfc,
    erfcx,
    erfinv,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    logit,
    mvlgamma,
    ndtr,
    ndtri,
    polygamma,
    sinc,
    xlog1py,
    xlogy,
    zeta,
)
from tinygrad6.ops.gamma import lgamma as gammaln
from tinygrad6.ops.incomplete import igamma as gammainc
from tinygrad6.ops.incomplete import igammac as gammaincc
from tinygrad6.ops.pointwise import erf, exp2, expm1, log1p, round
from tinygrad6.ops.activations import sigmoid as expit
from tinygrad6.ops.softmax import log_softmax as _log_softmax
from tinygrad6.ops.softmax import logsumexp
from tinygrad6.ops.softmax import softmax as _softmax
from tinygrad6.out import taking_out as _taking_out

psi, multigammaln = digamma, mvlgamma


def softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along `dim`."""
    return _softmax(input, dim, dtype)


def log_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """x - log(sum(exp(x))) along `dim`."""
    return _log_softmax(input, dim, dtype)


__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc",
    "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit",
    "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax",
    "xlog1py", "xlogy", "zeta",
]  # fmt: skip

for _name in __all__:
    globals()[_name] = _taking_out(globals()[_name])


def __getattr__(name: str) -> Any:
    raise AttributeError(f"tinygrad6.special has no {name!r}; it has {', '.join(__all__)}")
