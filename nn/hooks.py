"""Hooks of modules: registering them (a base class of Module), and a call with them.

The full backward hooks work by two identity functions, around the inputs and around the outputs of the
module: backward passes through them, and there the gradients of all inputs, or of all outputs, are together.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tinygrad6.autograd.function import Function
from tinygrad6.hooks import RemovableHandle
from tinygrad6.ops.create import zeros_like
from tinygrad6.tensor import Tensor

_NONE: dict = {}


def _store(name: str) -> Any:
    """The dict of hooks `name` of a module: made when somebody asks for it, and there to be changed."""

    def get(self: Hooked) -> Any:
        if "_hooks" not in self.__dict__ or self._hooks is None:
            self.__dict__["_hooks"] = {}
        return self._hooks.setdefault(name, OrderedDict())  # type: ignore[union-attr]

    def set_(self: Hooked, hooks: Any) -> None:
        get(self)
        self._hooks[name] = hooks  # type: ignore[index]

    return property(get, set_)


class Hooked:
    """What Module knows about hooks.

    They live in one dict by kind, which is None as long as there are none, so that calls are short; PyTorch's
    `_forward_hooks` and the like ({id: hook}) show its parts.
    """

    _hooks: dict[str, dict] | None = None
    _is_full_backward_hook: bool | None = None  # which of the two kinds of backward hooks this module has

    _forward_pre_hooks, _forward_pre_hooks_with_kwargs = (
        _store("_forward_pre_hooks"),
        _store("_forward_pre_hooks_with_kwargs"),
    )
    _forward_hooks, _forward_hooks_with_kwargs = (
        _store("_forward_hooks"),
        _store("_forward_hooks_with_kwargs"),
    )
    _forward_hooks_always_called = _store("_forward_hooks_always_called")
    _backward_hooks, _backward_pre_hooks = _store("_backward_hooks"), _store("_backward_pre_hooks")
    _state_dict_hooks, _state_dict_pre_hooks = _store("_state_dict_hooks"), _store("_state_dict_pre_hooks")
    _load_state_dict_pre_hooks, _load_state_dict_post_hooks = (
        _store("_load_state_dict_pre_hooks"),
        _store("_load_state_dict_post_hooks"),
    )

    def _register(self, kind: str, hook: Any, prepend: bool = False, **flags: bool) -> RemovableHandle:
        return register(
            getattr(self, kind), hook, prepend, *(getattr(self, f) for f, on in flags.items() if on)
        )

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args[, kwargs]) before forward; a result replaces the arguments."""
        flags = {"_forward_pre_hooks_with_kwargs": with_kwargs}
        return self._register("_forward_pre_hooks", hook, prepend, **flags)

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
        flags = {"_forward_hooks_with_kwargs": with_kwargs, "_forward_hooks_always_called": always_call}
        return self._register("_forward_hooks", hook, prepend, **flags)

    def _backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please "
                "use only one of them."
            )
        self.__dict__["_is_full_backward_hook"] = full

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """PyTorch's deprecated form: call hook(module, grad_input, grad_output) of the last operation alone.

        grad_output is (the gradient of the output,). grad_input are the gradients of that operation's inputs:
        of a convolution (input, weight, bias), of a 2-D linear map (bias, input, transposed weight), of an
        activation (input,); the hook's result replaces them. NotImplementedError, when backward comes by, for
        operations whose inputs are others here than in PyTorch.
        """
        self._backward_kind(False)
        return self._register("_backward_hooks", hook)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known.

        Both are tuples with None for what is no tensor or has no gradient; a result replaces grad_input.
        """
        self._backward_kind(True)
        return self._register("_backward_hooks", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) when the gradients of the outputs are known;
        a result replaces them."""
        return self._register("_backward_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata) at the end of state_dict;
        it may change the dict in place."""

        def public(module: Any, *told: Any) -> None:
            if hook(module, *told) is not None:
                raise RuntimeError("state_dict post-hook must return None")

        return self._register("_state_dict_hooks", public)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return self._register("_state_dict_hooks", hook)  # this one may return another dict

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) at the start of state_dict."""
        return self._register("_state_dict_pre_hooks", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)
        before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return self._register("_load_state_dict_pre_hooks", _Told(hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading."""
        return self._register("_load_state_dict_post_hooks", hook)


class _Told:
    """A hook that is called with the module, or without: as PyTorch does, whoever calls all of them gives
    it the rest."""

    def __init__(self, hook: Callable[..., Any], with_module: bool) -> None:
        self.hook, self.with_module = hook, with_module

    def tell(self, module: Any, *told: Any) -> Any:
        return self.hook(module, *told) if self.with_module else self.hook(*told)


def register(hooks: Any, hook: Any, prepend: bool = False, *flags: dict) -> RemovableHandle:
    """Put a hook into a dict, and its id into the dicts that say more about it."""
    handle = RemovableHandle(hooks, extra_dict=list(flags))
    hooks[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class _Outputs(Function):
    """Passes outputs on; backward sees all their gradients at once."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *outputs: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.module = seen, module
        return tuple(o.view_as(o) for o in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        seen = ctx.seen
        grads = _placed(seen["out_none"], seen["out_places"], grads)
        for hook in seen["pre"]:
            answer = hook(ctx.module, grads)
            if answer is not None:
                grads = _as_many(answer, len(grads), "pre hook", "grad_output")
        seen["grads"] = grads
        if not seen["inputs"]:
            for hook in seen["full"]:
                answer = hook(ctx.module, seen["none"], grads)
                if answer is not None and not (type(answer) is tuple and all(a is None for a in answer)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None for all gradients."
                    )
        return (None, None, *[grads[i] for i in seen["out_places"]])


class _Inputs(Function):
    """Passes inputs on; backward sees all their gradients at once and calls the hooks."""

    @staticmethod
    def forward(ctx: Any, seen: dict, module: Any, *inputs: Tensor) -> Any:
        ctx.seen, ctx.module = seen, module
        return tuple(i.view_as(i) for i in inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        seen = ctx.seen
        if seen.get("grads") is None:  # they did not come through the outputs, or these are no tensors
            return (None, None, *grads)
        given = tuple(  # zeros for every other tensor, as in PyTorch
            zeros_like(t) if g is None and isinstance(t, Tensor) else g
            for g, t in zip(_placed(seen["none"], seen["places"], grads), seen["args"], strict=True)
        )
        for hook in seen["full"]:
            answer = hook(ctx.module, given, seen["grads"])
            if answer is not None:
                given = _as_many(answer, len(given), "hook", "grad_input")
        seen["grads"] = None
        return (None, None, *[given[i] for i in seen["places"]])


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
    """module.forward between its hooks and those of all modules."""
    hooks = module._hooks
    if not any(hooks.values()):  # all were removed: calls are short again
        module.__dict__.pop("_hooks", None)
    if Hooked._hooks is not None and not any(_everywhere.values()):
        Hooked._hooks = None
    if before := _all_of(hooks, "_forward_pre_hooks", "forward_pre"):
        args, kwargs = _prepared(
            module, before, hooks.get("_forward_pre_hooks_with_kwargs", _NONE), args, kwargs
        )
    full = list(_all_of(hooks, "_backward_hooks", "backward").values())
    pre = list(_all_of(hooks, "_backward_pre_hooks", "backward_pre").values())
    last: list = []  # hooks of the last operation alone
    if module._is_full_backward_hook is False:
        full, last = (
            list(_everywhere["backward"].values()),
            list(hooks.get("_backward_hooks", _NONE).values()),
        )
    seen: dict[str, Any] = {}
    if full or pre:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        seen = {
            "places": places,
            "none": (None,) * len(args),
            "inputs": bool(places),
            "full": full,
            "pre": pre,
        }
        seen["args"] = tuple(a.detach() if isinstance(a, Tensor) else None for a in args)
        if places:
            passed = iter(_Inputs.apply(seen, module, *[args[i] for i in places]))
            args = tuple(next(passed) if i in places else a for i, a in enumerate(args))
    called: list[int] = []
    result = None
    try:
        result = module.forward(*args, **kwargs)
        if after := _all_of(hooks, "_forward_hooks", "forward"):
            with_kwargs = _all_of(hooks, "_forward_hooks_with_kwargs", "with_kwargs")
            for key, hook in list(after.items()):
                called.append(key)
                told = (args, kwargs, result) if key in with_kwargs else (args, result)
                answer = hook(module, *told)
                result = result if answer is None else answer
        if seen:
            result = _watched(module, result, seen)
        if last:
            _watch_last(module, args, result, last)
    except Exception:
        _call_always(module, hooks, called, args, kwargs, result)
        raise
    return result


def _all_of(hooks: dict, own: str, kind: str) -> dict:
    """The hooks of a kind, those of all modules first."""
    found = hooks.get(own, _NONE)
    return found if Hooked._hooks is None else {**_everywhere[kind], **found}


def _prepared(module: Any, before: dict, with_kwargs: dict, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments as the hooks before forward leave them."""
    for key, hook in list(before.items()):
        answer = hook(module, args, kwargs) if key in with_kwargs else hook(module, args)
        if answer is None:
            continue
        if key in with_kwargs:
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{answer}."
                )
            args, kwargs = answer
        else:
            args = answer if isinstance(answer, tuple) else (answer,)
    return args, kwargs


def _call_always(module: Any, hooks: dict, called: list[int], args: tuple, kwargs: dict, result: Any) -> None:
    """After an error, those hooks that are called even then; their own errors are warnings."""
    always = _all_of(hooks, "_forward_hooks_always_called", "always")
    with_kwargs = _all_of(hooks, "_forward_hooks_with_kwargs", "with_kwargs")
    for key, hook in _all_of(hooks, "_forward_hooks", "forward").items():
        if key not in always or key in called:
            continue
        try:
            answer = hook(module, *((args, kwargs, result) if key in with_kwargs else (args, result)))
            result = result if answer is None else answer
        except Exception as e:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                f"another error was raised in forward: {e}",
                stacklevel=4,
            )


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


# ---- the deprecated backward hooks, which see one operation


def _watch_last(module: Any, args: tuple, result: Any, hooks: list) -> None:
    """Let the hooks see what the operation that made `result` passes back."""
    out = result
    while not isinstance(out, Tensor):
        out = next(v for v in out.values() if isinstance(v, Tensor)) if isinstance(out, dict) else out[0]
    node = out.grad_fn
    if node is None:
        return
    to, back = _order(node, out)
    for hook in hooks:

        def told(inputs: tuple, outputs: tuple, hook: Any = hook) -> Any:
            if to is None:
                raise NotImplementedError(
                    f"register_backward_hook: the inputs of {node.name()} are others here than in PyTorch: "
                    "use register_full_backward_hook"
                )
            answer = hook(module, to(inputs), outputs)
            return answer if answer is None else back(answer if isinstance(answer, tuple) else (answer,))

        node.register_hook(told)
    outs = result if isinstance(result, tuple) else (result,)
    made = {t.grad_fn for t in (*args, *outs) if isinstance(t, Tensor) and t.grad_fn is not None}
    if not all(isinstance(t, Tensor) for t in (*args, *outs)) or made - {node} != {
        n for n, _ in node.next_functions if n is not None and n.op is not None
    }:
        warnings.warn(
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated "
            "and will be removed in future versions. This hook will be missing some grad_input. Please use "
            "register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=4,
        )


_SAME_INPUTS = re.compile(
    "convolve$|conv_transpose|batch_norm|layer_norm|group_norm|embedding$|(add|sub|mul|div)$"
)


def _order(node: Any, out: Tensor) -> tuple[Any, Any]:
    """How the gradients of a node's inputs become those of PyTorch's node for it, and how they come back."""
    count, name = len(node.parents), node.op.name
    if name == "linear" and out.ndim == 2:  # addmm(bias, input, weight.t()), or mm without a bias
        has_bias = node.parents[2] is not None
        flip = lambda g: None if g is None else g.t()  # noqa: E731
        if has_bias:
            return lambda g: (g[2], g[0], flip(g[1])), lambda g: (g[1], flip(g[2]), g[0])
        return lambda g: (g[0], flip(g[1])), lambda g: (g[0], flip(g[1]), None)
    if count == 1 or _SAME_INPUTS.match(name):
        return lambda g: g, lambda g: g
    return None, None


# ---- hooks of all modules: torch.nn.modules.module.register_module_*_hook

_everywhere: dict[str, OrderedDict] = {
    kind: OrderedDict()
    for kind in ("forward_pre", "forward", "with_kwargs", "always", "backward", "backward_pre")
}


def _register_everywhere(kind: str, hook: Any, **flags: bool) -> RemovableHandle:
    Hooked._hooks = {}  # no longer None: every call looks for hooks
    return register(_everywhere[kind], hook, False, *(_everywhere[f] for f, on in flags.items() if on))


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, args) before the forward of every module."""
    return _register_everywhere("forward_pre", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args[, kwargs], output) after the forward of every module."""
    return _register_everywhere("forward", hook, with_kwargs=with_kwargs, always=always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_output) in the backward pass of every module."""
    return _register_everywhere("backward_pre", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) in the backward pass of every module."""
    return _register_everywhere("backward", hook)
