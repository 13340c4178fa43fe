"""Derivatives of functions of tensors: products with Jacobians and Hessians, and the matrices themselves.

A Jacobian's rows are products of unit cotangents with one recorded graph, all of them found in one backward
pass (tinygrad6/autograd/lanes.py). jvp comes from two vjps (the
derivative of v -> J^T v in v, applied to the tangent, is J u): no forward mode is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.accidents import public
from tinygrad6.modes import enable_grad
from tinygrad6.tensor import Tensor, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(value: Any, name: str) -> tuple[tuple[Tensor, ...], bool]:
    if isinstance(value, Tensor):
        return (value,), False
    if not isinstance(value, (tuple, list)) or not all(isinstance(v, Tensor) for v in value):
        raise TypeError(f"The {name} must be a Tensor or a tuple of Tensors, got {type(value).__name__}")
    return tuple(value), True


def _record(func: Callable[..., Any], inputs: Any, create_graph: bool) -> tuple[tuple, bool, tuple, bool]:
    """Run func on inputs that are views of the user's (when derivatives must reach them) or fresh leaves."""
    args, several = _tuple(inputs, "inputs")
    used = tuple(
        (a.view_as(a) if a.requires_grad else a.detach().requires_grad_())
        if create_graph
        else a.detach().requires_grad_()
        for a in args
    )
    with enable_grad():
        outs, many = _tuple(func(*used), "outputs of the user-provided function")
    return used, several, outs, many


def _vectors(v: Any, like: tuple, name: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) == 1 and like[0].array.size == 1:
            return (wrap(np.ones_like(like[0].array)),)
        raise RuntimeError(
            f"The vector v can only be None if the {name} is a single Tensor with a single element."
        )
    vs, _ = _tuple(v, "v")
    if len(vs) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}.")
    for a, b in zip(vs, like):
        if a.array.shape != b.array.shape:
            raise RuntimeError(f"v has invalid size: should be {b.shape} but got {a.shape}.")
    return vs


def _grad(
    outs: tuple,
    ins: tuple,
    weights: tuple,
    create_graph: bool,
    strict: bool = False,
    batched: bool = False,
) -> tuple[Tensor, ...]:
    """The products of the weights, or of batches of weights, with the Jacobians; zeros for what is unused."""
    from tinygrad6.autograd import grad

    lead = weights[0].array.shape[:1] if batched else ()

    def zeros(i: Tensor) -> Tensor:
        return wrap(np.zeros((*lead, *i.array.shape), i.array.dtype))

    live = [(o, w) for o, w in zip(outs, weights) if o.requires_grad]
    if strict and len(live) < len(outs):
        raise RuntimeError(
            "an output does not depend on the inputs in a differentiable way; this is refused in strict mode"
        )
    if not live:
        return tuple(map(zeros, ins))
    found = grad(
        [o for o, _ in live],
        list(ins),
        [w for _, w in live],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
        is_grads_batched=batched,
    )
    if strict and any(f is None for f in found):
        raise RuntimeError("the outputs do not depend on one of the inputs; this is refused in strict mode")
    return tuple(zeros(i) if f is None else f for f, i in zip(found, ins))


def _done(values: tuple, several: bool, create_graph: bool) -> Any:
    values = values if create_graph else tuple(v.detach() for v in values)
    return values if several else values[0]


@public
def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), v^T J): v has the shape of the output, the product that of the inputs."""
    ins, several, outs, many = _record(func, inputs, create_graph)
    product = _grad(outs, ins, _vectors(v, outs, "output"), create_graph, strict)
    return _done(outs, many, create_graph), _done(product, several, create_graph)


@public
def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), J v): v has the shape of the inputs, the product that of the output."""
    ins, _, outs, many = _record(func, inputs, create_graph)
    tangents = _vectors(v, ins, "input")
    dummies = tuple(wrap(np.zeros_like(o.array)).requires_grad_() for o in outs)
    with enable_grad():
        transposed = _grad(outs, ins, dummies, True, strict)
        product = _grad(transposed, dummies, tangents, create_graph)
    return _done(outs, many, create_graph), _done(product, many, create_graph)


@public
def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """d out[i] / d in[j], of shape out.shape + in.shape; nested tuples for several outputs or inputs.

    All rows come from one backward pass, or from several where the memory would not do. vectorize and
    strategy choose among PyTorch's ways to the same numbers; here there is one.

    >>> import tinygrad6 as torch
    >>> jacobian(lambda x: x * x, torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    from tinygrad6.autograd.lanes import jacobian_blocks

    _check_strategy("jacobian", strategy, create_graph, strict, vectorize)
    ins, several, outs, many = _record(func, inputs, create_graph)

    def products(units: Tensor) -> tuple[Tensor, ...]:
        found = _grad((out,), ins, (units,), create_graph, strict, batched=True)
        if strict and create_graph:
            _must_depend(found, "jacobian of the user-provided function is independent of input")
        return found

    rows = []
    for out in outs:
        rows.append(_done(tuple(jacobian_blocks(out, ins, products)), several, create_graph))
    return tuple(rows) if many else rows[0]


def _must_depend(values: tuple, what: str) -> None:
    for i, v in enumerate(values):
        if not v.requires_grad:
            raise RuntimeError(f"The {what} {i}. This is not allowed in strict mode.")


def _check_strategy(name: str, strategy: str, create_graph: bool, strict: bool, vectorize: bool) -> None:
    """PyTorch's conditions on what goes together, so that programs mean the same;
    the numbers are found in one way here."""
    assert strategy in ("reverse-mode", "forward-mode"), (
        f'{name}(): Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}'
    )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                f'torch.autograd.functional.{name}: `create_graph=True` and `strategy="forward-mode"` are '
                "not supported together (yet). Please either set `create_graph=False` or "
                '`strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
                "`vectorize=True`."
            )
    if strict and vectorize:
        raise RuntimeError(
            f"torch.autograd.functional.{name}: `strict=True` and `vectorized=True` are not supported "
            "together. Please either set `strict=False` or `vectorize=False`."
        )


def _scalar(func: Callable[..., Any]) -> Callable[..., Tensor]:
    def checked(*args: Tensor) -> Tensor:
        out = func(*args)
        if not isinstance(out, Tensor) or out.array.size != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single element"
            )
        return out.reshape(())

    return checked


@public
def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """d^2 func / d in[i] d in[j] of a function with one element, of shape in.shape + in.shape."""
    _check_strategy("hessian", outer_jacobian_strategy, create_graph, strict, vectorize)
    _, several = _tuple(inputs, "inputs")

    def gradient(*args: Tensor) -> Any:
        from tinygrad6.autograd import grad

        out = _scalar(func)(*args)
        found = grad(out, args, create_graph=True, allow_unused=True, materialize_grads=True)
        if strict:
            _must_depend(found, "jacobian of the user-provided function is independent of input")
        return found if several else found[0]

    return jacobian(gradient, inputs, create_graph, strict)


@public
def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), H v) for a function with one element."""
    ins, several, outs, many = _record(_scalar(func), inputs, create_graph)
    vs = _vectors(v, ins, "input")
    with enable_grad():
        first = _grad(outs, ins, (wrap(np.ones_like(outs[0].array)),), True, strict)
        if strict:
            _must_depend(first, "jacobian of the user-provided function is independent of input")
        product = _grad(first, ins, vs, create_graph)  # H is symmetric
    return _done(outs, many, create_graph), _done(product, several, create_graph)


@public
def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), v^T H) for a function with one element: the same numbers as hvp."""
    return hvp(func, inputs, v, create_graph, strict)
