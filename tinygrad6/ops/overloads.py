"""Calls of PyTorch's early days, which it still takes, with a warning: a factor before what it scales.

p.data.add_(-lr, p.grad)        v.addcmul_(1 - beta2, g, g)        torch.addmm(beta, M, alpha, a, b)
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.op import NAMES
from tinygrad6.tensor import Tensor

_warned = False


def is_factor(v: Any) -> bool:
    """Whether it may be a factor: a number, or a tensor of one."""
    return isinstance(v, (int, float, np.number)) or isinstance(v, Tensor) and not v.array.ndim


def is_term(v: Any) -> bool:
    """Whether it may be added."""
    return isinstance(v, (Tensor, int, float, np.number))


def tell(name: str, old: str, new: str) -> None:
    """A UserWarning, once in the life of the program, as in PyTorch."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"This overload of {name} is deprecated:\n\t{name}({old})\nConsider using one of the following "
            f"signatures instead:\n\t{name}({new})",
            UserWarning,
            stacklevel=4,
        )


def scaled_second(name: str, other: Any, more: tuple, alpha: Any, nothing: Any) -> tuple[Any, Any]:
    """(other, alpha) of add(input, alpha, other), where `more` is what came behind the second argument."""
    if len(more) != 1 or alpha is not nothing or not is_factor(other) or not is_term(more[0]):
        raise TypeError(f"{name}() takes 2 positional arguments but {2 + len(more)} were given")
    tell(name, "Number alpha, Tensor other", "Tensor other, *, Number alpha = 1")
    return more[0], other


def _scalar_before(a: Any, b: Any) -> bool:
    return not a.array.ndim and isinstance(b, Tensor) and b.array.ndim > 0


def _early(name: str, call: Callable[..., Any], factors: tuple[str, ...], tensors: str) -> Callable[..., Any]:
    """`call`, which takes three tensors, and `factors` by keyword: also with those among the tensors."""

    @functools.wraps(call)
    def function(*args: Any, **kwargs: Any) -> Any:
        if 3 < len(args) <= 3 + len(factors) and kwargs.keys().isdisjoint(factors):
            numbers = list(args[:-2])
            own = numbers.pop(0 if isinstance(args[0], Tensor) and not _scalar_before(*args[:2]) else 1)
            if all(map(is_factor, numbers)):
                tell(name, f"{', '.join(f'Number {f}' for f in factors)}, {tensors}", f"{tensors}, *, ...")
                return call(own, *args[-2:], **dict(zip(factors, numbers)), **kwargs)
        return call(*args, **kwargs)

    return function


def _install() -> None:
    products = {
        "addmm": "Tensor mat1, Tensor mat2",
        "addmv": "Tensor mat, Tensor vec",
        "addr": "Tensor vec1, Tensor vec2",
        "addbmm": "Tensor batch1, Tensor batch2",
        "baddbmm": "Tensor batch1, Tensor batch2",
    }
    table: dict[str, tuple[tuple[str, ...], str]]
    table = {name: (("beta", "alpha"), tensors) for name, tensors in products.items()}
    table |= {name: (("value",), "Tensor tensor1, Tensor tensor2") for name in ("addcmul", "addcdiv")}
    for name, (factors, tensors) in table.items():
        NAMES[name] = _early(name, NAMES[name], factors, tensors)
        for method in (name, f"{name}_"):
            setattr(Tensor, method, _early(method, getattr(Tensor, method), factors, tensors))


_install()
