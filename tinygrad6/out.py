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
from tinygrad6.dispatch import parameter_names, renamed, renames
from tinygrad6.modes import no_grad, state
from tinygrad6.tensor import Tensor

NAMES = frozenset(
    """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax angle any
    arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin asin asinh atan atan2 atanh baddbmm
    bernoulli bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm
    bucketize ceil cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip column_stack
    conj_physical copysign cos cosh cross cummax cummin cumprod cumsum deg2rad diag diff digamma div
    divide dot dstack eq erf erfc erfinv exp exp2 expand_copy expm1 fix float_power floor floor_divide
    fmax fmin fmod frac frexp gather gcd ge ger greater greater_equal gt heaviside histc histogram hstack
    hypot i0 igamma igammac index_add index_copy index_reduce index_select inner inverse isin isneginf
    isposinf kron kthvalue lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 log_softmax
    logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lt
    lu_solve lu_unpack masked_select matmul matrix_power max maximum mean median min minimum mm mode mul
    multinomial multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow_copy ne neg
    negative nextafter nonzero nonzero_static norm not_equal outer permute_copy polygamma pow prod
    quantile reciprocal remainder renorm round row_stack rsqrt scatter scatter_add scatter_reduce
    searchsorted select_copy sgn sigmoid sign signbit sin sinc sinh slogdet softmax sort sqrt square
    squeeze_copy std std_mean sub subtract sum svd t_copy take take_along_dim tan tanh tensordot topk
    transpose_copy tril triu true_divide trunc unsqueeze_copy var var_mean vdot view_copy vstack where
    xlogy
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


def taking_out(call: Callable[..., Any], spellings: dict[str, str] | None = None) -> Callable[..., Any]:
    """The function with PyTorch's keyword `out`: a tensor, or a tuple of them where it returns several.

    spellings: other keywords -> the function's own.
    """
    spellings = renames(parameter_names(call)) | (spellings or {})

    @functools.wraps(call)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if kwargs and not spellings.keys().isdisjoint(kwargs):
            kwargs = renamed(kwargs, spellings, call.__name__)
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
