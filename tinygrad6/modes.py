"""Grad mode: whether operations are recorded. One flag per thread, on unless told otherwise.

`state` also holds what else is true of one thread alone.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any


class _State(threading.local):
    grad = True  # record operations on tensors that require gradients
    inference = False  # inside inference_mode
    partial = False  # in a backward pass that goes to chosen tensors only
    lanes = 0  # how many slices a function inside vmap works on at once
    retain = False  # a backward pass keeps its graph unless told otherwise: the next slice of vmap wants it
    saving: tuple = ()  # what saved_tensors_hooks, the innermost last, do with saved tensors


state = _State()


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return state.inference


class _Mode:
    """A context manager that also decorates functions and generators, re-entrant and reusable."""

    grad = True
    inference: bool | None = None  # None leaves it as it is

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((state.grad, state.inference))
        state.grad = self.grad
        if self.inference is not None:
            state.inference = self.inference

    def __exit__(self, *exc: object) -> None:
        state.grad, state.inference = self._before.pop()

    def clone(self) -> _Mode:
        """A fresh manager with the same setting, so that recursive calls do not share a stack."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__, _before=[])
        return twin

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                # The mode holds while the generator runs, not while its consumer does.
                with self.clone():
                    inner = function(*args, **kwargs)
                sent = None
                while True:
                    try:
                        with self.clone():
                            value = inner.send(sent)
                    except StopIteration as stop:
                        return stop.value
                    sent = yield value

            return generator

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return inside


class no_grad(_Mode):  # noqa: N801 -- PyTorch's name
    """Record nothing inside: `with no_grad(): ...` or `@no_grad()`."""

    grad = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        manager = super().__new__(cls)
        return manager if function is None else manager(function)  # `@no_grad` without parentheses


class enable_grad(no_grad):  # noqa: N801 -- PyTorch's name
    """Record again inside a `no_grad` block."""

    grad = True


class set_grad_enabled(_Mode):  # noqa: N801 -- PyTorch's name
    """Set grad mode to `mode` at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            came = type(mode).__name__
            raise TypeError(f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {came}")
        super().__init__()
        self.grad, self._found = mode, (state.grad, state.inference)
        state.grad = self.grad

    def __enter__(self) -> None:
        self._before.append(self._found)
        state.grad = self.grad

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        state.grad = self._found[0]  # as a decorator it changes nothing outside the function
        return super().__call__(function)

    def clone(self) -> _Mode:
        return set_grad_enabled(self.grad)


class inference_mode(_Mode):  # noqa: N801 -- PyTorch's name
    """Like `no_grad`; `inference_mode(False)` records again. Results are ordinary tensors here."""

    def __new__(cls, mode: Any = True) -> Any:
        manager = super().__new__(cls)
        if isinstance(mode, bool):
            return manager
        manager.__init__(True)  # type: ignore[misc]  # `@inference_mode` without parentheses
        return manager(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.grad, self.inference = not mode, bool(mode)
