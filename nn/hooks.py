"""Hooks of modules: registering them (a base class of Module), and a call with them.

The full backward hooks work by two identity functions, around the inputs and around the outputs of the
module: backward passes through them, and there the gradients of all inputs, or of all outputs, are together.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tinygrad6.autograd.function import Function
from tinygrad6.hooks import RemovableHandle
from tinygrad6.ops.create import zeros_like
from tinygrad6.tensor import Tensor


class Hooked:
    """What Module knows about hooks."""

    _hooks: dict[str, dict] | None = None  # by kind; None as long as there are none

    def _register(self, kind: str, hook: Any, prepend: bool = False) -> RemovableHandle:
        if self._hooks is None:
            self.__dict__["_hooks"] = {}
        hooks: Any = self._hooks.setdefault(kind, OrderedDict())  # type: ignore[union-attr]
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args[, kwargs]) before forward; a result replaces the arguments."""
        return self._register("forward_pre", (hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args[, kwargs], output) after forward; a result replaces the output.

        always_call: also if forward or another hook raised.
        """
        return self._register("forward", (hook, with_kwargs, always_call), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """PyTorch's deprecated backward hook: NotImplementedError."""
        raise NotImplementedError("register_backward_hook is not supported: use register_full_backward_hook")

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known.

        Both are tuples with None for what is no tensor or has no gradient; a result replaces grad_input.
        """
        return self._register("backward", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) when the gradients of the outputs are known;
        a result replaces them."""
        return self._register("backward_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata) at the end of state_dict;
        it may change the dict in place."""
        return self._register("state", (hook, True))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return self._register("state", (hook, False))  # this one may return another dict

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) at the start of state_dict."""
        return self._register("state_pre", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)
        before loading."""
        return self._register("load_pre", (hook, True))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return self._register("load_pre", (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading."""
        return self._register("load_post", hook)


class _Outputs(Function):
    """Passes outputs on; backward sees all their gradients at once."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *outputs: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.module = seen, module
        return tuple(o.view_as(o) for o in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        grads = _placed(ctx.seen["out_none"], ctx.seen["out_places"], grads)
        for hook in list((ctx.module._hooks or {}).get("backward_pre", {}).values()):
            answer = hook(ctx.module, grads)
            if answer is not None:
                grads = _as_many(answer, len(grads), "pre hook", "grad_output")
        ctx.seen["grads"] = grads
        if not ctx.seen["inputs"]:
            for hook in list((ctx.module._hooks or {}).get("backward", {}).values()):
                if hook(ctx.module, ctx.seen["none"], grads) is not None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None for all gradients."
                    )
        return (None, None, *[grads[i] for i in ctx.seen["out_places"]])


class _Inputs(Function):
    """Passes inputs on; backward sees all their gradients at once and calls the hooks."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *inputs: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.module = seen, module
        return tuple(i.view_as(i) for i in inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        given = tuple(  # zeros for every other tensor, as in PyTorch
            zeros_like(t) if g is None and isinstance(t, Tensor) else g
            for g, t in zip(
                _placed(ctx.seen["none"], ctx.seen["places"], grads), ctx.seen["args"], strict=True
            )
        )
        for hook in list((ctx.module._hooks or {}).get("backward", {}).values()):
            answer = hook(ctx.module, given, ctx.seen.get("grads"))
            if answer is not None:
                given = _as_many(answer, len(given), "hook", "grad_input")
        return (None, None, *[given[i] for i in ctx.seen["places"]])


def _placed(none: tuple, places: list[int], grads: tuple) -> tuple:
    """The gradients at their places among all arguments or results."""
    full = list(none)
    for place, g in zip(places, grads, strict=True):
        full[place] = g
    return tuple(full)


def _as_many(answer: Any, count: int, kind: str, what: str) -> tuple:
    answer = answer if isinstance(answer, tuple) else (answer,)
    if len(answer) != count:
        raise RuntimeError(
            f"Backward {kind} returned an invalid number of {what}, got {len(answer)}, but expected {count}"
        )
    return answer


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """module.forward between its hooks."""
    hooks = module._hooks
    if not any(hooks.values()):  # all were removed: calls are short again
        module.__dict__["_hooks"] = None
    for hook, with_kwargs in list(hooks.get("forward_pre", {}).values()):
        answer = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if answer is None:
            continue
        if with_kwargs:
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{answer}."
                )
            args, kwargs = answer
        else:
            args = answer if isinstance(answer, tuple) else (answer,)
    backward = bool(hooks.get("backward") or hooks.get("backward_pre"))
    seen: dict[str, Any] = {}
    if backward:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        seen = {"places": places, "none": (None,) * len(args), "inputs": bool(places)}
        seen["args"] = tuple(a.detach() if isinstance(a, Tensor) else None for a in args)
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
    return _watched(module, result, seen) if backward else result


def _watched(module: Any, result: Any, seen: dict) -> Any:
    """The outputs, with backward's attention drawn to those that are tensors."""
    if not isinstance(result, (Tensor, tuple)):
        warnings.warn(
            "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
            f"received {type(result)}",
            stacklevel=4,
        )
        return result
    outs = result if isinstance(result, tuple) else (result,)
    places = [i for i, o in enumerate(outs) if isinstance(o, Tensor)]
    if not any(outs[i].requires_grad for i in places):
        return result
    seen["out_places"], seen["out_none"] = places, (None,) * len(outs)
    passed = iter(_Outputs.apply(seen, module, *[outs[i] for i in places]))
    outs = tuple(next(passed) if i in places else o for i, o in enumerate(outs))
    if not isinstance(result, tuple):
        return outs[0]
    return type(result)(*outs) if hasattr(result, "_fields") else outs
