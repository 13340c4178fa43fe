"""Modules that hold others: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinygrad6.tensor import Tensor

from .module import Module, _addindent
from .parameter import Parameter


class _Listing(Module):
    """Submodules under the names "0", "1", ...: what Sequential and ModuleList share."""

    def _items(self) -> list[Any]:
        return [self.__dict__[n] for n in self._names["modules"]]

    def _whole(self, i: Any) -> int:
        try:
            return operator.index(i)
        except TypeError:
            raise TypeError(f"{type(self).__name__}: an index must be int, not {type(i).__name__}") from None

    def _index(self, i: int) -> str:
        n, i = len(self), self._whole(i)
        if not -n <= i < n:
            raise IndexError(f"index {i} is out of range")
        return str(i % n)

    def _renumber(self, modules: list[Any]) -> None:
        for name in list(self._names["modules"]):
            delattr(self, name)
        for i, m in enumerate(modules):
            self.add_module(str(i), m)

    def __len__(self) -> int:
        return len(self._names["modules"])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items())

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            names = list(self._names["modules"])[i]
            if isinstance(self, Sequential):
                part = type(self)()
                for n in names:
                    part.add_module(n, self.__dict__[n])
                return part
            return type(self)([self.__dict__[n] for n in names])
        return self._items()[int(self._index(i))]

    def __setitem__(self, i: int, module: Module) -> None:
        setattr(self, list(self._names["modules"])[int(self._index(i))], module)

    def __delitem__(self, i: Any) -> None:
        items = self._items()
        del items[i if isinstance(i, slice) else int(self._index(i))]
        self._renumber(items)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Any]) -> Any:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for m in list(modules):
            self.append(m)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before the one at `index`."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}, got {type(module).__name__}")
        items = self._items()
        items.insert(self._whole(index), module)
        self._renumber(items)

    def pop(self, key: Any) -> Any:
        """Take the module at `key` out and return it."""
        m = self[key]
        del self[key]
        return m


class Sequential(_Listing):
    """Modules applied one after another: Sequential(a, b)(x) = b(a(x)).

    Takes modules or an ordered dict of them.

    >>> import tinygrad6 as torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> model(torch.zeros(3, 2, 2)).shape, model[1]
    (torch.Size([3, 2]), Linear(in_features=4, out_features=2, bias=True))
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = (
            args[0].items()
            if len(args) == 1 and isinstance(args[0], OrderedDict)
            else ((str(i), m) for i, m in enumerate(args))
        )
        for name, m in named:
            self.add_module(name, m)

    def forward(self, input: Any) -> Any:
        own = self.__dict__
        for name in self._names["modules"]:
            input = own[name](input)
        return input

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before the one at `index`, which must be in [-n, n]."""
        if not -len(self) <= self._whole(index) <= len(self):
            raise IndexError(f"Index out of range: {index}")
        super().insert(index, module)
        return self

    def _checked(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )
        return other

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *self._checked(other))

    def __iadd__(self, other: Any) -> Any:
        return self.extend(self._checked(other))

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*self).__imul__(times)

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Any:
        """The same modules, `times` times: they share their parameters."""
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")
        return self.extend(self._items() * (times - 1))


class ModuleList(_Listing):
    """A list of modules that are all registered. It cannot be called.

    >>> from tinygrad6 import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), list(layers.state_dict())[:2]
    (3, ['0.weight', '0.bias'])
    """

    def __add__(self, other: Iterable[Any]) -> ModuleList:
        return type(self)([*self, *other])

    def __iadd__(self, other: Iterable[Any]) -> Any:
        return self.extend(other)

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __repr__(self) -> str:
        """Equal neighbours are shown once, with their range."""
        shown = [repr(m) for m in self]
        if not shown:
            return f"{self._get_name()}()"
        runs: list[list[int]] = [[0, 0]]
        for i, text in enumerate(shown[1:], 1):
            if text == shown[runs[-1][0]]:
                runs[-1][1] = i
            else:
                runs.append([i, i])
        lines = [
            _addindent(f"({a}): {shown[a]}" if a == b else f"({a}-{b}): {b - a + 1} x {shown[a]}", 2)
            for a, b in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict of modules that are all registered, in order. Keys become parts of names: no dots in them."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._names["modules"]

    def clear(self) -> None:
        """Remove all."""
        for k in list(self):
            del self[k]

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        m = self[key]
        del self[key]
        return m

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """(name, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from (name, module) pairs."""
        for key, m in _pairs("ModuleDict", modules):
            self[key] = m


class ParameterList(Module):
    """A list whose tensors are all registered as parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")

    def __len__(self) -> int:
        return self._size

    def _name(self, i: int) -> str:
        n, i = len(self), operator.index(i)
        if not -n <= i < n:
            raise IndexError(f"index {i} is out of range")
        return str(i % n)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return type(self)([self[k] for k in range(*i.indices(len(self)))])
        return getattr(self, self._name(i))

    def __setitem__(self, i: int, value: Any) -> None:
        setattr(self, self._name(i), _parameter(value))

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        setattr(self, str(self._size), _parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}"
            )
        for v in values:
            self.append(v)
        return self

    __iadd__ = extend

    def extra_repr(self) -> str:
        return "\n".join(f"  ({i}): " + _shown(p) for i, p in enumerate(self))


class ParameterDict(Module):
    """A dict whose tensors are all registered as parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._name(key))

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, self._name(key), _parameter(value))
        self._keys[key] = None

    @staticmethod
    def _name(key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type is "
                f"{type(key).__name__})"
            )
        return key

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keys(self) -> Any:
        """The names."""
        return self._keys.keys()

    def values(self) -> Any:
        """The parameters."""
        return [self[k] for k in self._keys]

    def items(self) -> Any:
        """(name, parameter) pairs."""
        return [(k, self[k]) for k in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter under key, or default."""
        return self[key] if key in self else default

    def pop(self, key: str) -> Any:
        """Remove a parameter and return it."""
        v = self[key]
        del self[key]
        return v

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter under key, which is `default` from now on if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove the last parameter and return it with its name."""
        if not self._keys:
            raise KeyError("popitem(): dictionary is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all."""
        for key in list(self):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A dict with `default` under each of keys."""
        return ParameterDict((k, default) for k in keys)

    def __or__(self, other: Any) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other: Any) -> Any:
        both = other.copy()
        both.update(self)
        return both

    def __ior__(self, other: Any) -> ParameterDict:
        self.update(other)
        return self

    def update(self, parameters: Any) -> None:
        """Add from a mapping or from (name, value) pairs.

        As in PyTorch, a plain dict gives its names in alphabetical order, anything else in its own.
        """
        plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        pairs = _pairs("ParameterDict", parameters)
        for k, v in sorted(pairs, key=lambda pair: pair[0]) if plain else pairs:
            self[k] = v

    def extra_repr(self) -> str:
        return "\n".join(f"  ({k}): " + _shown(p, True) for k, p in self.items())


def _pairs(name: str, given: Any) -> list[tuple[Any, Any]]:
    """The (name, value) pairs that a dict of modules or parameters is given; errors before any is used."""
    if isinstance(given, (Mapping, ModuleDict, ParameterDict)):
        return list(given.items())
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{name}.update should be called with an iterable of key/value pairs, but got "
            f"{type(given).__name__}"
        )
    pairs = list(given)
    for i, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{name} update sequence element #{i} should be Iterable; is {type(pair).__name__}"
            )
        if len(pair) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{name} update sequence element #{i} has length {len(pair)}; 2 is required")  # type: ignore[arg-type]
    return pairs


def _parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _shown(p: Any, old: bool = False) -> str:
    """A line of repr; PyTorch writes types of ParameterDict in the old manner."""
    if not isinstance(p, Tensor):
        return f"Object of type: {type(p).__name__}"
    size = "x".join(map(str, p.shape))
    return (
        f"{'Parameter' if isinstance(p, Parameter) else 'Tensor'} containing: "
        f"[{p.type() if old else p.dtype} of size {size}]"
    )
