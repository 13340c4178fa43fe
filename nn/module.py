"""Module: a tree of parameters, buffers and submodules, found through plain attributes.

Everything registered lives in the instance's own `__dict__`, so `self.weight` is an ordinary attribute
look-up; beside it stand the names, in order: `_names` maps "parameters", "buffers" and "modules" to {name:
persistent or None}. PyTorch's `_parameters`, `_buffers` and `_modules` are live views made from both when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from tinygrad6 import dtypes
from tinygrad6.accidents import tell_constructor, told
from tinygrad6.modes import no_grad
from tinygrad6.ops.attributes import typename
from tinygrad6.devices import device, to_device
from tinygrad6.tensor import Tensor

from ._state import Stateful, _IncompatibleKeys  # noqa: F401 -- PyTorch's name here, too
from .hooks import Hooked, call_with_hooks
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

    def popitem(self) -> tuple[str, Any]:
        """Take the last out."""
        if not len(self):
            raise KeyError("popitem(): dictionary is empty")
        name = next(reversed(self.module._names[self.kind]))
        return name, self.pop(name)

    def copy(self) -> dict[str, Any]:
        """A plain dict."""
        return {name: self[name] for name in self}

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.copy())

    def keys(self) -> Any:
        return self.copy().keys()

    def values(self) -> Any:
        return self.copy().values()

    def items(self) -> Any:
        return self.copy().items()

    def __repr__(self) -> str:
        return repr(self.copy())


def _view(kind: str) -> Any:
    def set_(module: Module, new: Any) -> None:
        kept, view = dict(new), _View(module, kind)
        view.clear()
        view.update(kept)

    return property(lambda module: _View(module, kind), set_)


class Module(Hooked, Stateful):
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
    dump_patches = False  # of sources of modules: PyTorch keeps the name only
    call_super_init = False  # whether __init__ goes on to the next class of a multiple inheritance

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tell_constructor(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if (args or kwargs) and not self.call_super_init:
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'")
            raise TypeError(f"{name} takes 1 positional argument but {len(args) + 1} were given")
        self.__dict__["training"] = True
        self.__dict__["_names"] = {kind: {} for kind in _KINDS}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return call_with_hooks(self, args, kwargs)
        except Exception as e:
            if (better := told(e, type(self).__name__, args, kwargs)) is not None:
                _say_where(better, self, args, kwargs)
                raise better from e
            _say_where(e, self, args, kwargs)
            raise

    # ---- registration

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_names")
        if isinstance(value, Parameter):
            if names is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "parameters")
            self.register_parameter(name, value)
            return
        if names is not None and name in names["parameters"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None "
                    "expected)"
                )
        elif isinstance(value, Module):
            if names is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "modules")
            names["modules"].setdefault(name, None)
        elif names is not None and name in names["modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None "
                    "expected)"
                )
        elif isinstance(value, Buffer):
            if names is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            if name not in names["buffers"] and hasattr(self, name):
                raise KeyError(f"attribute '{name}' already exists")
            names["buffers"][name] = value.__dict__.get("persistent", True)
        elif names is not None and name in names["buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or "
                    "None expected)"
                )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        names = self.__dict__.get("_names", {})
        for kind in names:
            names[kind].pop(name, None)
        object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__:  # asked for by super().__getattr__(name), as wrappers of modules do
            return self.__dict__[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _forget(self, name: str, keep: str) -> None:
        """A name that changes its kind is registered once."""
        if name not in self._names[keep]:
            for kind in _KINDS:
                self._names[kind].pop(name, None)
            self.__dict__.pop(name, None)

    def _check_name(self, name: Any, what: str, kind: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "_names" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."' + (f", got: {name}" if what == "module" else ""))
        if not name:
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self._names[kind] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` (or None) a parameter of this module under `name`."""
        self._check_name(name, "parameter", "parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None "
                "required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                "explicitly."
            )
        self._names["parameters"].setdefault(name, None)
        self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` (or None) part of this module's state; of its state_dict only if persistent."""
        self._check_name(name, "buffer", "buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None "
                "required)"
            )
        self._names["buffers"][name] = persistent
        self.__dict__[name] = tensor

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` (or None) a submodule under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name(name, "module", "modules")
        self._names["modules"].setdefault(name, None)
        self.__dict__[name] = module

    register_module = add_module

    _parameters, _buffers, _modules = _view("parameters"), _view("buffers"), _view("modules")

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

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """What get_members_fn(module) gives as (name, value), of the tree, without None; each value once."""
        seen: set[int] = set()
        for path, module in (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        ):
            for name, value in get_members_fn(module):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def _own(self, kind: str) -> Iterator[tuple[str, Any]]:
        own = self.__dict__
        return ((name, own[name]) for name in self._names[kind])

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of the tree with their dotted names; a shared one once, under its first name."""
        return self._named_members(lambda m: m._own("parameters"), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of the tree; a shared one once."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers of the tree with their dotted names."""
        return self._named_members(lambda m: m._own("buffers"), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of the tree."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; AttributeError if there is none."""
        if not isinstance(target, str):
            raise TypeError(f"get_submodule(): target must be a str, not {type(target).__name__}")
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def _get(self, target: str, kind: str, what: str) -> Any:
        if not isinstance(target, str):
            raise TypeError(f"expected the dotted path of {what}, not {type(target).__name__}")
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in module._names[kind]:
            raise AttributeError(f"`{name}` is not {what}")
        return vars(module)[name]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at a dotted path, whose parent must exist;
        with strict, something must be replaced by it."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path; AttributeError if there is none."""
        return self._get(target, "parameters", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path; AttributeError if there is none."""
        return self._get(target, "buffers", "a buffer")

    # ---- changing all of it

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Call fn on every submodule, children first, and on this one; returns this module."""
        if not callable(fn):
            raise TypeError(f"apply(): fn must be callable, not {type(fn).__name__}")
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
                if is_lazy(p):
                    p.convert(fn)
                elif p is not None:
                    with no_grad():
                        changed = fn(p.detach())
                        if changed.array is not p.array:
                            p.data = changed
                        if p.grad is not None:
                            p.grad = fn(p.grad.detach())
            for name in module._names["buffers"]:
                if is_lazy(own[name]):
                    own[name].convert(fn)
                elif own[name] is not None:
                    own[name] = fn(own[name])
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Cast floating-point parameters and buffers: to(dtype), to(device), to(tensor).

        RuntimeError off the CPU.
        """
        kinds = "".join("k" if i == 1 and a is None else _letter(a) for i, a in enumerate(args))
        if kinds not in _TO or not kwargs.keys() <= set(_TO[kinds].split()):
            came = [type(a).__name__ for a in args] + [f"{n}={type(v).__name__}" for n, v in kwargs.items()]
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({', '.join(came)}), but expected "
                "(device, dtype, non_blocking), (dtype, non_blocking) or (tensor, non_blocking)"
            )
        if "copy" in kwargs or kinds.endswith("bb"):
            raise RuntimeError(".to() does not accept copy argument")
        args = (*args, kwargs["tensor"]) if "tensor" in kwargs else args
        dtype = kwargs.get("dtype")
        to_device(kwargs.get("device"))
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif isinstance(a, dtypes.dtype):
                dtype = a
            elif isinstance(a, int) and not isinstance(a, bool):
                raise RuntimeError(f"to(): device {a} is not available: tinygrad6 computes on the CPU only")
            elif isinstance(a, type):
                dtype = dtypes.from_numpy(dtypes.to_numpy(a))
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
        if dst_type is None or isinstance(dst_type, int):
            raise TypeError(f"type(): argument 'dst_type' must be a dtype, not {type(dst_type).__name__}")
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

    def bfloat16(self) -> Module:
        """NumPy has no bfloat16: NotImplementedError."""
        raise NotImplementedError("bfloat16() is not supported: use half() or float()")

    def cpu(self) -> Module:
        """This module, which is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Module:
        """There is no device but the CPU: RuntimeError."""
        to_device("cuda")
        return self

    def xpu(self, device: Any = None) -> Module:
        """There is no device but the CPU: RuntimeError."""
        to_device("xpu")
        return self

    def mtia(self, device: Any = None) -> Module:
        """There is no device but the CPU: RuntimeError."""
        to_device("mtia")
        return self

    def ipu(self, device: Any = None) -> Module:
        """There is no device but the CPU: RuntimeError."""
        to_device("ipu")
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: modules run as they are written. So a script that compiles its model runs unchanged."""

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
        """Move parameters and buffers to memory that processes share which are forked from now on."""
        for t in [*self.parameters(), *self.buffers()]:
            t.share_memory_()
        return self

    # ---- showing

    def extra_repr(self) -> str:
        """The configuration shown between the brackets of repr; override it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({n}): {_addindent(repr(self.__dict__[n]), 2)}" for n in self._names["modules"]]
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        lines = extra + children
        return f"{self._get_name()}(" + ("\n  " + "\n  ".join(lines) + "\n" if lines else "") + ")"

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def __dir__(self) -> list[str]:
        return sorted(n for n in {*dir(type(self)), *self.__dict__} if not n[:1].isdigit())


# The positional arguments of `to`, as letters, and the keywords that may follow.
_TO = {
    "": "tensor device dtype non_blocking copy memory_format",
    "d": "dtype non_blocking copy memory_format",
    **dict.fromkeys(("dk", "k", "t"), "non_blocking copy memory_format"),
    **dict.fromkeys(("dkb", "kb", "tb"), "copy memory_format"),
    **dict.fromkeys(("dkbb", "kbb", "tbb"), "memory_format"),
}


def _letter(a: Any) -> str:
    """t for a tensor, k for a type, b for a bool, d for a device."""
    if isinstance(a, Tensor):
        return "t"
    if isinstance(a, dtypes.dtype) or isinstance(a, type) and a in (float, int, bool):
        return "k"
    if isinstance(a, bool):
        return "b"
    return "d" if a is None or isinstance(a, (str, int, device)) else "?"


def _say_where(e: Exception, module: Module, args: tuple, kwargs: dict) -> None:
    """Note on the exception in which module it was raised,
    by the dotted path from the outermost module called."""
    if "_raised_in" not in e.__dict__:
        given = [*map(_described, args), *(f"{name}={_described(a)}" for name, a in kwargs.items())]
        text = f"{type(module).__name__}{_settings(module)} got {', '.join(given) or 'no arguments'}"
        e.add_note(text)
        e.__dict__["_raised_in"] = module, "", len(e.__notes__) - 1, text
        return
    inner, path, place, text = e.__dict__["_raised_in"]
    step = next((n for n, m in module.named_modules() if m is inner), "")
    if step and place < len(e.__notes__):
        path = f"{step}.{path}" if path else step
        e.__notes__[place] = f"{path}: {text}"
        e.__dict__["_raised_in"] = module, path, place, text


def _settings(module: Module) -> str:
    """What a layer prints in brackets; nothing where a half-made one, or its author, gets that wrong."""
    try:
        return "" if module._names["modules"] else f"({module.extra_repr()})"
    except Exception:
        return ""


def _described(a: Any) -> str:
    if isinstance(a, Tensor) and not is_lazy(a):
        kind = "" if a.dtype is dtypes.float32 else f" {a.dtype.name}"
        return f"{tuple(a.shape)}{kind}"
    return f"({', '.join(map(_described, a))})" if type(a) is tuple else type(a).__name__


def _addindent(s_: str, numSpaces: int) -> str:
    """The text with all lines but the first moved to the right: PyTorch's helper for repr."""
    first, *rest = s_.split("\n")
    return "\n".join([first, *(" " * numSpaces + line for line in rest)])
