"""`out=`: a result written into a tensor that is there already.

It saves no memory here, since the result is made first and then copied; programs that use it run too.
Only the functions of the module take it, as in PyTorch, and never the methods, so that those stay as quick.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from tinygrad6 import dtypes
from tinygrad6.modes import no_grad, state
from tinygrad6.tensor import Tensor

NAMES = frozenset(
    """
    abs acos add addbmm addcdiv addcmul addmm addmv addr all amax amin any argmax argmin asin atan atan2
    baddbmm bitwise_and bitwise_not bitwise_or bitwise_xor bmm ceil clamp clip cos cosh cross cummax
    cummin cumprod cumsum diag div divide dot eq erf erfinv exp exp2 expm1 floor floor_divide fmod gather
    ge gt hstack hypot index_select inverse kron kthvalue le lerp lgamma log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor logsumexp lt masked_select matmul max maximum mean
    median min minimum mm mode mul multinomial multiply mv ne neg negative nonzero norm outer pow prod
    quantile reciprocal remainder round rsqrt searchsorted sigmoid sign sin sinh sort sqrt square std sub
    subtract sum tan tanh topk tril triu true_divide trunc var vstack where
    """.split()
)


def into(out: Tensor, result: Tensor, name: str) -> Tensor:
    """Write `result` into `out`, which takes its shape, and return `out`.

    RuntimeError if either has a gradient to keep, or the type of `out` cannot hold the result; a UserWarning
    if `out` has elements and another shape. Nothing is changed before that. A wider type is taken wherever it
    holds the result; PyTorch's matrix products want the very type.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.grad and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if not dtypes.can_cast(result.array.dtype, out.array.dtype):
        raise RuntimeError(
            f"result type {result.dtype.name} can't be cast to the desired output type {out.dtype.name}"
        )
    if out.shape != result.shape:
        if out.numel():
            warnings.warn(
                f"{name}(): out has shape {list(out.shape)} and was resized to {list(result.shape)}, "
                "that of the result. Give an out of that shape, or one without elements.",
                UserWarning,
                stacklevel=3,
            )
        out.resize_(result.shape)
    with no_grad():
        out.copy_(result)
    return out


def taking_out(call: Callable[..., Any]) -> Callable[..., Any]:
    """The function with PyTorch's keyword `out`: a tensor, or a tuple of them where it returns several."""

    @functools.wraps(call)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        if out is None:
            return result
        if isinstance(result, Tensor):
            return into(out, result, call.__name__)
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{call.__name__}(): argument 'out' must be a tuple of {len(result)} Tensors")
        written = [into(o, r, call.__name__) for o, r in zip(out, result, strict=True)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)

    return function
