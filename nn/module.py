"""Module: a tree of parameters, buffers and submodules, found through plain attributes.

Everything registered lives in the instance's own `__dict__`, so `self.weight` is an ordinary attribute look-up; beside it
stand the names, in order: `_names` maps "parameters", "buffers" and "modules" to {name: persistent or None}. PyTorch's
`_parameters`, `_buffers` and `_modules` are live views made from both when somebody asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from tinygrad6 import dtypes
from tinygrad6.hooks import RemovableHandle
from tinygrad6.modes import no_grad
from tinygrad6.tensor import Tensor, to_device

from .parameter import Buffer, Parameter, is_lazy

_KINDS = ("parameters", "buffers", "modules")


class _View(MutableMapping):
    """A module's parameters, buffers or submodules as a dict that writes through."""

    def __init__(self, module: Module, kind: str) -> None:
        self.module, self.kind = module, kind

    def __getitem__(self, name: str) -> Any:
        if name not in self.module._names[self.kind]:
            raise KeyError(name)
        return self.module.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.module._names[self.kind].setdefault(name, True)
        self.module.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        del self.module._names[self.kind][name]
        del self.module.__dict__[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.module._names[self.kind]))

    def __len__(self) -> int:
        return len(self.module._names[self.kind])

    def __repr__(self) -> str:
        return repr(dict(self))


class Module:
    """Base class of all layers and models: assign parameters and submodules to attributes, define `forward`.

    >>> import tinygrad6 as torch
    >>> from tinygrad6 import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> Net()(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    training: bool = True
    _hooks: dict[str, dict] | None = None  # by kind; None as long as there are none
    _version = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument, got {len(args)} more and {sorted(kwargs)}"
            )
        self.__dict__["training"] = True
        self.__dict__["_names"] = {kind: {} for kind in _KINDS}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        from .hooks import call_with_hooks

        return call_with_hooks(self, args, kwargs)

    # ---- registration

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_names")
        if isinstance(value, Parameter):
            if names is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "parameters")
            self.register_parameter(name, value)
            return
        if isinstance(value, Module):
            if names is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "modules")
            names["modules"].setdefault(name, None)
        elif isinstance(value, Buffer):
            if names is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name, "buffers")
            names["buffers"][name] = value.__dict__.get("persistent", True)
        elif names is not None and value is not None:
            if name in names["parameters"]:
                raise TypeError(
                    f"cannot assign '{_type(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            if name in names["modules"]:
                raise TypeError(
                    f"cannot assign '{_type(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            if name in names["buffers"] and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{_type(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None expected)"
                )
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        else:
            self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        names = self.__dict__.get("_names", {})
        for kind in names:
            names[kind].pop(name, None)
        object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _forget(self, name: str, keep: str) -> None:
        """A name that changes its kind is registered once."""
        for kind in _KINDS:
            if kind != keep and self._names[kind].pop(name, self) is not self:
                self.__dict__.pop(name, None)

    def _check_name(self, name: Any, what: str, kind: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_type(name)}")
        if "_names" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."')
        if not name:
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self._names[kind] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` (or None) a parameter of this module under `name`."""
        self._check_name(name, "parameter", "parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly."
            )
        self._names["parameters"].setdefault(name, None)
        self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` (or None) part of this module's state; of its state_dict only if persistent."""
        self._check_name(name, "buffer", "buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._names["buffers"][name] = persistent
        self.__dict__[name] = tensor

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` (or None) a submodule under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type(module)} is not a Module subclass")
        self._check_name(name, "module", "modules")
        self._names["modules"].setdefault(name, None)
        self.__dict__[name] = module

    register_module = add_module

    _parameters = property(lambda self: _View(self, "parameters"))
    _buffers = property(lambda self: _View(self, "buffers"))
    _modules = property(lambda self: _View(self, "modules"))

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        return {n for n, persistent in self._names["buffers"].items() if not persistent}

    # ---- walking the tree

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Every module of the tree with its dotted name, this one first; each once."""
        memo = set() if memo is None else memo
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate:
                if module in memo:
                    continue
                memo.add(module)
            yield path, module
            own = vars(module)
            stack += [
                (f"{path}.{n}" if path else n, own[n])
                for n in reversed(module._names["modules"])
                if own[n] is not None
            ]

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Every module of the tree, this one first; each once."""
        for _, m in self.named_modules(remove_duplicate=remove_duplicate):
            yield m

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names; each once."""
        seen = set()
        for name in self._names["modules"]:
            m = self.__dict__[name]
            if m is not None and m not in seen:
                seen.add(m)
                yield name, m

    def children(self) -> Iterator[Module]:
        """The direct submodules; each once."""
        for _, m in self.named_children():
            yield m

    def _named(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        ):
            own = vars(module)
            for name in module._names[kind]:
                value = own[name]
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of the tree with their dotted names; a shared one once, under its first name."""
        return self._named("parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of the tree; a shared one once."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers of the tree with their dotted names."""
        return self._named("buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of the tree."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; AttributeError if there is none."""
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def _get(self, target: str, kind: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._names[kind]:
            raise AttributeError(f"{type(module).__name__}: `{name}` is not {what}")
        return vars(module)[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path; AttributeError if there is none."""
        return self._get(target, "parameters", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path; AttributeError if there is none."""
        return self._get(target, "buffers", "a buffer")

    # ---- changing all of it

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Call fn on every submodule, children first, and on this one; returns this module."""
        for m in self.children():
            m.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        """Replace the memory of every parameter, gradient and buffer by what fn makes of it."""
        for module in self.modules() if recurse else [self]:
            own = vars(module)
            for name in module._names["parameters"]:
                p = own[name]
                if p is None or is_lazy(p):
                    continue
                with no_grad():
                    changed = fn(p.detach())
                    if changed.array is not p.array:
                        p.data = changed
                    if p.grad is not None:
                        p.grad = fn(p.grad.detach())
            for name in module._names["buffers"]:
                if own[name] is not None and not is_lazy(own[name]):
                    own[name] = fn(own[name])
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Cast floating-point parameters and buffers: to(dtype), to(device), to(tensor). RuntimeError off the CPU."""
        dtype = kwargs.pop("dtype", None)
        to_device(kwargs.pop("device", None))
        kwargs.pop("non_blocking", None), kwargs.pop("memory_format", None)
        if kwargs:
            raise TypeError(f"to() got an unexpected keyword argument '{sorted(kwargs)[0]}'")
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, dtypes.dtype):
                dtype = a
            elif not isinstance(a, bool) and a is not None:
                to_device(a)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def type(self, dst_type: Any) -> Module:
        """Cast all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Module:
        """Cast floating-point parameters and buffers to float32."""
        return self.to(dtypes.float32)

    def double(self) -> Module:
        """Cast floating-point parameters and buffers to float64."""
        return self.to(dtypes.float64)

    def half(self) -> Module:
        """Cast floating-point parameters and buffers to float16."""
        return self.to(dtypes.float16)

    def cpu(self) -> Module:
        """This module, which is on the CPU."""
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """This module on a device, its values not kept."""
        to_device(device)
        return self

    def train(self, mode: bool = True) -> Module:
        """Put the tree into training mode (or not); what that changes, the layers say."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for m in self.modules():
            m.__dict__["training"] = mode
        return self

    def eval(self) -> Module:
        """Put the tree into evaluation mode: train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Ask for the gradients of all parameters, or no longer."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for p in self.parameters():
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_().zero_()

    def share_memory(self) -> Module:
        """Shared memory between processes is not supported: NotImplementedError."""
        raise NotImplementedError("share_memory() is not supported")

    # ---- state

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        own = self.__dict__
        for name in self._names["parameters"]:
            if own[name] is not None:
                destination[prefix + name] = own[name] if keep_vars else own[name].detach()
        for name, persistent in self._names["buffers"].items():
            if own[name] is not None and persistent:
                destination[prefix + name] = own[name] if keep_vars else own[name].detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, sharing memory with the module."""
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        for hook in (self._hooks or {}).get("state_pre", {}).values():
            hook(self, prefix, keep_vars)
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name in self._names["modules"]:
            if self.__dict__[name] is not None:
                self.__dict__[name].state_dict(
                    destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars
                )
        for hook in (self._hooks or {}).get("state", {}).values():
            answer = hook(self, destination, prefix, metadata)
            destination = destination if answer is None else answer
        return destination

    def get_extra_state(self) -> Any:
        """More to keep in the state_dict: define this and set_extra_state together."""
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        own = self.__dict__
        for name in self._names["parameters"]:
            if own[name] is not None:
                yield name, own[name]
        for name, persistent in self._names["buffers"].items():
            if own[name] is not None and persistent:
                yield name, own[name]

    def _check_state_dict(self, state: Mapping, prefix: str, errors: list[str], assign: bool) -> None:
        for name, have in self._own_state():
            given = state.get(prefix + name)
            if given is None:
                continue
            if not isinstance(given, Tensor):
                errors.append(
                    f'While copying the parameter named "{prefix + name}", expected torch.Tensor or Tensor-like object from '
                    f"checkpoint but received {_type(given)}"
                )
            elif (
                not is_lazy(have)
                and not assign
                and given.array.shape != have.array.shape
                and not (given.ndim == 1 == given.numel() and have.ndim == 0)
            ):
                errors.append(
                    f"size mismatch for {prefix + name}: copying a param with shape {given.shape} from checkpoint, the shape in "
                    f"current model is {have.shape}."
                )

    def _load_from_state_dict(
        self,
        state_dict: Mapping,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        """Copy this module's own entries; a subclass may extend it. Shapes were checked before."""
        assign = local_metadata.get("assign_to_params_buffers", False)
        known = set()
        for name, have in list(self._own_state()):
            known.add(name)
            given = state_dict.get(prefix + name)
            if given is None:
                if prefix + name not in state_dict:
                    missing_keys.append(prefix + name)
                continue
            if is_lazy(have):
                have.materialize(given.array.shape)  # type: ignore[attr-defined]
            if assign:
                value = (
                    Parameter(given, have.requires_grad)
                    if isinstance(have, Parameter) and not isinstance(given, Parameter)
                    else given
                )
                self.__dict__[name] = value
            else:
                with no_grad():
                    have.copy_(given.reshape(have.shape))
        if type(self).set_extra_state is not Module.set_extra_state:
            if prefix + "_extra_state" in state_dict:
                self.set_extra_state(state_dict[prefix + "_extra_state"])
            else:
                missing_keys.append(prefix + "_extra_state")
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != prefix + "_extra_state":
                    first, _, rest = key[len(prefix) :].partition(".")
                    if not (rest and first in self._names["modules"]) and not (not rest and first in known):
                        unexpected_keys.append(key)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy a state_dict into this module (or take its tensors, if assign); returns (missing_keys, unexpected_keys).

        RuntimeError that names every missing, unexpected and misshapen key; the module is then as it was. Without
        `strict`, missing and unexpected keys are only reported.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        errors: list[str] = []
        missing: list[str] = []
        unexpected: list[str] = []
        modules = [(p + "." if p else "", m) for p, m in self.named_modules(remove_duplicate=False)]
        plain = all(type(m)._load_from_state_dict is Module._load_from_state_dict for _, m in modules)
        known = {prefix + n for prefix, m in modules for n, _ in m._own_state()}
        known |= {
            prefix + "_extra_state"
            for prefix, m in modules
            if type(m).set_extra_state is not Module.set_extra_state
        }
        for prefix, m in modules:
            m._check_state_dict(state_dict, prefix, errors, assign)
        if strict and plain:  # find everything before anything is changed
            missing = [
                prefix + n for prefix, m in modules for n in _required(m) if prefix + n not in state_dict
            ]
            unexpected = [k for k in state_dict if k not in known]
        if not (errors or strict and (missing or unexpected)):
            missing, unexpected = [], []
            metadata = getattr(state_dict, "_metadata", {})
            state = OrderedDict(state_dict)
            for prefix, m in modules:
                local = dict(metadata.get(prefix[:-1], {}))
                if assign:
                    local["assign_to_params_buffers"] = True
                for hook in (m._hooks or {}).get("load_pre", {}).values():
                    hook(m, state, prefix, local, strict, missing, unexpected, errors)
                m._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
            unexpected = list(dict.fromkeys(k for k in unexpected if not any(k in known for _ in (0,))))
        result = IncompatibleKeys(missing, unexpected)
        for _, m in reversed(modules):
            for hook in (m._hooks or {}).get("load_post", {}).values():
                hook(m, result)
        if strict:
            if result.unexpected_keys:
                errors.insert(
                    0,
                    "Unexpected key(s) in state_dict: "
                    + ", ".join(f'"{k}"' for k in result.unexpected_keys)
                    + ". ",
                )
            if result.missing_keys:
                errors.insert(
                    0,
                    "Missing key(s) in state_dict: "
                    + ", ".join(f'"{k}"' for k in result.missing_keys)
                    + ". ",
                )
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors)
            )
        return result

    # ---- hooks: see hooks.py for when they run

    def _register(self, kind: str, hook: Any, prepend: bool = False) -> RemovableHandle:
        if self._hooks is None:
            self.__dict__["_hooks"] = {}
        hooks = self._hooks.setdefault(kind, OrderedDict())  # type: ignore[union-attr]
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
        """Call hook(module, args[, kwargs], output) after forward (even if it raised, if always_call); a result replaces the output."""
        return self._register("forward", (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known; a result replaces grad_input."""
        return self._register("backward", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) when the gradients of the outputs are known; a result replaces them."""
        return self._register("backward_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata) at the end of state_dict."""
        return self._register("state", hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) at the start of state_dict."""
        return self._register("state_pre", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors) before loading."""
        return self._register("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading."""
        return self._register("load_post", hook)

    # ---- showing

    def extra_repr(self) -> str:
        """The configuration shown between the brackets of repr; override it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({n}): {_indented(repr(self.__dict__[n]))}" for n in self._names["modules"]]
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        lines = extra + children
        return f"{self._get_name()}(" + ("\n  " + "\n  ".join(lines) + "\n" if lines else "") + ")"

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})


class IncompatibleKeys(tuple):
    """What load_state_dict found: `missing_keys` and `unexpected_keys`."""

    def __new__(cls, missing_keys: list, unexpected_keys: list) -> Any:
        return super().__new__(cls, (missing_keys, unexpected_keys))

    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])

    def __repr__(self) -> str:
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"


def _required(m: Module) -> list[str]:
    extra = ["_extra_state"] if type(m).set_extra_state is not Module.set_extra_state else []
    return [n for n, _ in m._own_state()] + extra


def _type(value: Any) -> str:
    return (
        f"{type(value).__module__}.{type(value).__name__}"
        if type(value).__module__ != "builtins"
        else type(value).__name__
    )


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])
