"""Subclasses of Tensor, and functions that treat them in a way of their own: torch.overrides.

    class Masked(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            print(func.__name__)
            return super().__torch_function__(func, types, args, kwargs)

What Tensor's own __torch_function__ does is to call func, and to make the tensors among the results instances
of the subclass. The one clever thing: none of this is there until somebody defines a subclass. Then `watch`
puts a class between it and Tensor whose methods ask __torch_function__ first, and such functions in the place
of those in `torch`, `torch.nn.functional` and `torch.linalg`. So without subclasses nothing is slower.
Functions that a script imported by name before it defined the subclass do not know of it.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from tinygrad6.op import NAMES
from tinygrad6.tensor import Tensor

__all__ = [
    "DisableTorchFunctionSubclass",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "wrap_torch_function",
]


class _State(threading.local):
    disabled = 0  # how many blocks we are in


_state = _State()


class DisableTorchFunctionSubclass:
    """A block in which subclasses are treated as Tensors."""

    def __enter__(self) -> None:
        _state.disabled += 1

    def __exit__(self, *error: object) -> None:
        _state.disabled -= 1


def _asks(kind: type) -> bool:
    """Whether instances of a class want to be asked: not Tensor itself, nor Parameter."""
    return getattr(kind, "__torch_function__", None) is not None and kind is not Tensor


def _overloaded(args: Iterable[Any]) -> list[Any]:
    """The arguments to ask, one of each class, subclasses before their bases; lists are looked into."""
    found: list[Any] = []
    for a in args:
        for value in a if isinstance(a, (tuple, list)) else (a,):
            kind = type(value)
            if isinstance(value, (bool, int, float, str)) or not _asks(kind):
                continue
            if all(type(f) is not kind for f in found):
                place = next((i for i, f in enumerate(found) if issubclass(kind, type(f))), len(found))
                found.insert(place, value)
    return found


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has a __torch_function__ of its own."""
    return not _state.disabled and bool(_overloaded(relevant_args))


def has_torch_function_unary(tensor: Any) -> bool:
    """has_torch_function of one argument."""
    return has_torch_function((tensor,))


def has_torch_function_variadic(*args: Any) -> bool:
    """has_torch_function of several arguments."""
    return has_torch_function(args)


def is_tensor_like(inp: Any) -> bool:
    """Whether this is a Tensor, or has a __torch_function__."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the __torch_function__ of the arguments makes of public_api(*args, **kwargs).

    TypeError if all of them return NotImplemented.
    """
    found = _overloaded(relevant_args)
    result = _first_answer(public_api, found, args, kwargs)
    if result is NotImplemented:
        raise TypeError(
            f"no implementation found for '{public_api.__name__}' on types that implement "
            f"__torch_function__: {[type(f) for f in found]}"
        )
    return result


def _first_answer(public: Callable[..., Any], found: list, args: tuple, kwargs: dict) -> Any:
    types = tuple(type(f) for f in found)
    answers = (f.__torch_function__(public, types, args, kwargs) for f in found)
    return next((a for a in answers if a is not NotImplemented), NotImplemented)


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function ask __torch_function__; dispatcher(*its arguments) gives those to be asked."""

    def inner(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return asking

    return inner


def default(cls: type, func: Callable[..., Any], types: Iterable[type], args: tuple, kwargs: dict) -> Any:
    """Tensor.__torch_function__: call func; the results are of class cls."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        return _converted(func(*args, **kwargs), cls)


def _converted(result: Any, cls: type) -> Any:
    if isinstance(result, Tensor):
        if cls is Tensor or isinstance(result, cls):
            return result
        made = result.as_subclass(cls)
        made.__dict__.update(result.__dict__)
        return made
    if isinstance(result, (tuple, list)) and type(result).__name__ != "Size":
        parts = [_converted(r, cls) for r in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


# ---- put in place when the first subclass is defined


def _asking(function: Callable[..., Any], public: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """The function, which asks its arguments first; they see it as `public`."""

    @functools.wraps(function)
    def asking(*args: Any, **kwargs: Any) -> Any:
        if not _state.disabled and (found := _overloaded((*args, *kwargs.values()))):
            return handle_torch_function(public or asking, found, *args, **kwargs)
        return function(*args, **kwargs)

    return asking


# What makes an object, copies it, or is asked by NumPy
_LEFT = """
    __class__ __init__ __new__ __init_subclass__ __torch_function__ __getattribute__ __setattr__ __delattr__
    __dir__ __subclasshook__ __hash__ __deepcopy__ __copy__ __reduce__ __reduce_ex__ __setstate__ __getstate__
    __sizeof__ __array__ __array_ufunc__ __array_function__ __dlpack__ __dlpack_device__ __iter__ as_subclass
    _make_subclass
""".split()
_VIEWS = "T H mT mH data real imag".split()  # properties that give tensors
# Operators whose function is a method, as __torch_function__ sees them; others are themselves.
_METHODS = {
    f"__{operator}__": method
    for method, operators in {
        "add": "add radd", "sub": "sub", "mul": "mul rmul", "div": "truediv", "remainder": "mod",
        "pow": "pow", "matmul": "matmul", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "ne": "ne",
        "neg": "neg",
        "positive": "pos", "abs": "abs", "bitwise_and": "rand", "bitwise_or": "ror", "bitwise_xor": "rxor",
        "add_": "iadd", "sub_": "isub", "mul_": "imul", "div_": "itruediv",
    }.items()
    for operator in operators.split()
}  # fmt: skip
_REFLECTED = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
_COMPARED = "lt le gt ge eq ne".split()


def _operator(name: str, reflected: str = "") -> Callable[..., Any]:
    """An operator of two operands that asks them; NotImplemented lets Python try the other one's."""
    own = getattr(Tensor, reflected or name)
    public = getattr(Tensor, _METHODS.get(reflected or name, reflected or name))
    forward = getattr(Tensor, _METHODS.get(name, name))

    def ask(self: Any, other: Any) -> Any:
        if _state.disabled:
            return own(self, other)
        if reflected and isinstance(other, Tensor):  # its turn was first, but a plain Tensor does not ask
            return _first_answer(forward, _overloaded((other, self)), (other, self), {})
        return _first_answer(public, _overloaded((self, other)), (self, other), {})

    return functools.wraps(own)(ask)


@functools.cache
def _asking_class() -> type:
    """A Tensor whose methods ask."""
    members: dict[str, Any] = {"__module__": "tinygrad6", "__slots__": (), "__hash__": Tensor.__hash__}
    for name in dir(Tensor):
        value = inspect.getattr_static(Tensor, name)
        if isinstance(value, FunctionType) and name not in _LEFT:
            if not hasattr(Tensor, value.__name__):
                value.__name__ = name
            members[name] = _asking(value, getattr(Tensor, _METHODS.get(name, name)))
        elif name in _VIEWS and isinstance(value, property):
            get: Any = _asking(value.fget)  # type: ignore[arg-type]
            get.__name__ = "__get__"
            members[name] = property(get, value.fset)
    for name in _COMPARED + _REFLECTED:
        members[f"__{name}__"] = _operator(f"__{name}__")
    for name in _REFLECTED:
        members[f"__r{name}__"] = _operator(f"__{name}__", f"__r{name}__")
    members["__iter__"] = lambda self: iter(self.unbind(0)) if self.dim() else Tensor.__iter__(self)
    return type("Tensor", (Tensor,), members)


_replaced: list[tuple[Any, str, Any]] = []  # (where, name, what was there)


def _replace_functions() -> None:
    import tinygrad6
    from tinygrad6 import linalg, nn

    others = tinygrad6._OF_FUNCTIONAL
    wanted = [
        (tinygrad6, lambda n: n != "is_tensor" and (n in others or n in NAMES or n.endswith("_like"))),
        (nn.functional, lambda n: n[0] != "_"),
        (linalg, lambda n: n[0] != "_"),
    ]
    for space, chosen in wanted:
        for name, value in list(vars(space).items()):
            if isinstance(value, FunctionType) and chosen(name):
                _replaced.append((space, name, value))
    for kind in vars(nn).values():  # modules made from a table hold their function
        if isinstance(kind, type) and "function" in vars(kind):
            _replaced.append((kind, "function", vars(kind)["function"]))
    for space, name, value in _replaced:
        plain = isinstance(value, FunctionType)
        setattr(space, name, _asking(value) if plain else staticmethod(_asking(value.__func__)))


def watch(cls: Any) -> None:
    """Let the methods of a new subclass of Tensor, and the functions it is given to, ask for its rules."""
    if cls.__module__.partition(".")[0] == "tinygrad6" or not _asks(cls):
        return
    between = _asking_class()
    cls.__bases__ = tuple(between if b is Tensor else b for b in cls.__bases__)
    if not _replaced:
        _replace_functions()
