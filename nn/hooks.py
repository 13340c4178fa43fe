"""A module call with hooks: forward-pre, forward, and the full backward hooks by functions around inputs and outputs."""

from __future__ import annotations

from typing import Any

from tinygrad6.autograd.function import Function
from tinygrad6.tensor import Tensor


class _Outputs(Function):
    """Passes outputs on; backward sees all their gradients at once."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *outputs: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.module = seen, module
        return tuple(o.view_as(o) for o in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        for hook in (ctx.module._hooks or {}).get("backward_pre", {}).values():
            answer = hook(ctx.module, grads)
            if answer is not None:
                grads = answer if isinstance(answer, tuple) else (answer,)
        ctx.seen["grads"] = grads
        if not ctx.seen["inputs"]:
            for hook in (ctx.module._hooks or {}).get("backward", {}).values():
                hook(ctx.module, ctx.seen["none"], grads)
        return (None, None, *grads)


class _Inputs(Function):
    """Passes inputs on; backward sees all their gradients at once and calls the hooks."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *inputs: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.module = seen, module
        return tuple(i.view_as(i) for i in inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        full = list(ctx.seen["none"])
        for place, g in zip(ctx.seen["places"], grads, strict=True):
            full[place] = g
        given = tuple(full)
        for hook in (ctx.module._hooks or {}).get("backward", {}).values():
            answer = hook(ctx.module, given, ctx.seen.get("grads"))
            if answer is not None:
                given = answer if isinstance(answer, tuple) else (answer,)
                if len(given) != len(full):
                    raise RuntimeError(
                        f"Backward hook returned an invalid number of grad_input, got {len(given)}, but expected {len(full)}"
                    )
        return (None, None, *[given[place] for place in ctx.seen["places"]])


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """module.forward between its hooks."""
    hooks = module._hooks
    for hook, with_kwargs in list(hooks.get("forward_pre", {}).values()):
        answer = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if answer is None:
            continue
        if with_kwargs:
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {answer}."
                )
            args, kwargs = answer
        else:
            args = answer if isinstance(answer, tuple) else (answer,)
    backward = bool(hooks.get("backward") or hooks.get("backward_pre"))
    seen: dict[str, Any] = {}
    if backward:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        seen = {"places": places, "none": (None,) * len(args), "inputs": bool(places)}
        if places:
            passed = iter(_Inputs.apply(seen, module, *[args[i] for i in places]))
            args = tuple(next(passed) if i in places else a for i, a in enumerate(args))
    called: set[int] = set()
    try:
        result = module.forward(*args, **kwargs)
        for key, (hook, with_kwargs, _) in list(hooks.get("forward", {}).items()):
            called.add(key)
            answer = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            result = result if answer is None else answer
    except Exception:
        for key, (hook, with_kwargs, always) in list(hooks.get("forward", {}).items()):
            if always and key not in called:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise
    if backward:
        several = isinstance(result, tuple)
        outs = result if several else (result,)
        if not all(isinstance(o, Tensor) for o in outs):
            raise RuntimeError(
                "full backward hooks need a module that returns a tensor or a tuple of tensors"
            )
        passed_on = _Outputs.apply(seen, module, *outs)
        result = passed_on if several else passed_on[0]
    return result
