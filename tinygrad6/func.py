"""Functions of functions: grad, vjp, jvp, jacobians and hessians of pure functions, and modules called with other weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad6 import autograd
from tinygrad6.autograd import functional
from tinygrad6.modes import enable_grad
from tinygrad6.tensor import Tensor

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "vjp"]


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns (d func / d args[argnums], func(args)); func returns one element, or (it, aux).

    Arguments may be tensors or nested tuples, lists and dicts of them.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else argnums
        args_list, leaves = list(args), []
        for n in numbers:
            args_list[n] = _map(args_list[n], lambda t: _track(t, leaves))
        with enable_grad():
            out = func(*args_list, **kwargs)
            value, aux = out if has_aux else (out, None)
            if not isinstance(value, Tensor) or value.array.size != 1:
                raise RuntimeError(
                    "grad(): Expected f(*args) to return a scalar tensor, "
                    f"got {tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__}"
                )
            found = iter(
                autograd.grad(value, leaves, create_graph=True, allow_unused=True, materialize_grads=True)
            )
        nested = any(t.requires_grad for t in _flat([args, kwargs]))
        gradients = tuple(_map(args_list[n], lambda t: _kept(next(found), nested)) for n in numbers)
        answer = gradients[0] if isinstance(argnums, int) else gradients
        value = _kept(value, nested)
        return (answer, (value, aux)) if has_aux else (answer, value)

    return wrapped


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns d func / d args[argnums]; may be applied to its own result for higher derivatives."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapped


def _kept(t: Tensor, nested: bool) -> Tensor:
    return t if nested else t.detach()


def _track(t: Tensor, leaves: list) -> Tensor:
    tracked = t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
    leaves.append(tracked)
    return tracked


def _map(value: Any, f: Callable[[Tensor], Any]) -> Any:
    if isinstance(value, Tensor):
        return f(value)
    if isinstance(value, Mapping):
        return type(value)((k, _map(v, f)) for k, v in value.items())
    if isinstance(value, (tuple, list)):
        return type(value)(_map(v, f) for v in value)
    return value


def _flat(value: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _map(value, found.append)
    return found


def vjp(func: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., Any]]:
    """(func(primals), f) where f(cotangent) is the tuple of products cotangent^T J."""
    ins, _, outs, many = functional._record(func, primals, True)

    def product(cotangent: Any) -> tuple[Tensor, ...]:
        return functional._done(
            functional._grad(outs, ins, functional._vectors(cotangent, outs, "output"), False), True, False
        )

    return functional._done(outs, many, False), product


def jvp(func: Callable[..., Any], primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    """(func(primals), J tangents)."""
    return functional.jvp(func, tuple(primals), tuple(tangents))


def jacrev(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of func in its argument number argnums."""

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        def one(x: Tensor) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.jacobian(one, args[argnums], create_graph=any(t.requires_grad for t in _flat(args)))

    return wrapped


def jacfwd(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The same numbers as jacrev."""
    return jacrev(func, argnums)


def hessian(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of func in its argument number argnums."""

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        return functional.hessian(lambda x: func(*args[:argnums], x, *args[argnums + 1 :]), args[argnums])

    return wrapped


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors in the place of its parameters and buffers, which stay as they are."""
    given: dict[str, Tensor] = {}
    for d in (
        [parameter_and_buffer_dicts]
        if isinstance(parameter_and_buffer_dicts, Mapping)
        else parameter_and_buffer_dicts
    ):
        given.update(d)
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict and (missing := set(own) - set(given)):
        raise RuntimeError(f"functional_call: Missing key(s): {sorted(missing)}")
    if strict and (extra := set(given) - set(own)):
        raise RuntimeError(f"functional_call: Unexpected key(s): {sorted(extra)}")
    if tie_weights:
        for name, t in list(given.items()):
            given.update({other: t for other, o in own.items() if o is own.get(name) and other not in given})
    places = [
        (module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], t)
        for name, t in given.items()
        if name in own
    ]
    before = [(owner, key, vars(owner)[key]) for owner, key, _ in places]
    try:
        for owner, key, t in places:
            vars(owner)[key] = t
        arguments = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for owner, key, t in before:
            vars(owner)[key] = t
