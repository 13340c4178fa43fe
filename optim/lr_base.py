"""LRScheduler, on which the learning-rate schedulers rest, and what they share."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad6.accidents import tell_constructor
from tinygrad6.modes import no_grad
from tinygrad6.tensor import Tensor

from .optimizer import Optimizer, number

_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you "
    "should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`. Failure to do "
    "this will result in PyTorch skipping the first value of the learning rate schedule."
)
_EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler."
)


def _restoring(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that leaves the optimizer as it was if it raises."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        optimizer = next((a for a in (*args, *kwargs.values()) if isinstance(a, Optimizer)), None)
        if optimizer is None:
            return init(self, *args, **kwargs)
        before = [dict(group) for group in optimizer.param_groups], optimizer._opt_called
        try:
            init(self, *args, **kwargs)
        except Exception:
            for group, old in zip(optimizer.param_groups, before[0], strict=True):
                group.clear()
                group.update(old)
            optimizer._opt_called = before[1]
            raise

    return __init__


class LRScheduler:
    """Base of the schedulers: a subclass defines get_lr(), the rates for `last_epoch`, one per group.

    `last_epoch` counts from 0; -1 begins anew, another value resumes and needs "initial_lr" in the
    optimizer's groups (KeyError without). TypeError if optimizer is none.

    >>> import tinygrad6 as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(5):
    ...     print(scheduler.get_last_lr()[0], end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 1.0 0.5 0.5 0.25
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _restoring(cls.__init__)
        tell_constructor(cls)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _optimizer(optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", _copy(group["lr"]))
        else:
            for i, group in enumerate(optimizer.param_groups):
                if "initial_lr" not in group:
                    raise KeyError(
                        f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler "
                        "with last_epoch >= 0: load the optimizer's state first, or leave last_epoch out"
                    )
        self.base_lrs: list[Any] = [_copy(g["initial_lr"]) for g in optimizer.param_groups]
        self.last_epoch = last_epoch
        if optimizer._opt_called is None:
            optimizer._opt_called = False  # from now on it notes that step was called
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The rates for last_epoch, one per group, from the present ones: what `step` sets."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Any]:
        """The rates set last, one per group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on by one (or, deprecated, to `epoch`) and set the rates."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(_ORDER, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = self._get_closed_form_lr() if hasattr(self, "_get_closed_form_lr") else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(values)

    def _set(self, values: Sequence[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            _put(group, lr)
        self._last_lr = self._now()

    def _now(self) -> list[Any]:
        """Called within get_lr for the present rates, or to remember them."""
        return [_copy(g["lr"]) for g in self.optimizer.param_groups]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """All there is but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict."""
        self.__dict__.update(state_dict)


class _LRScheduler(LRScheduler):
    """The name of LRScheduler before PyTorch 2.0."""


def _optimizer(optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def _copy(value: Any) -> Any:
    """A rate to keep: a tensor would change with the group's."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def _put(group: dict[str, Any], lr: Any) -> None:
    """Set a group's rate; a tensor stays the same tensor."""
    if isinstance(group["lr"], Tensor):
        with no_grad():
            group["lr"].fill_(number(lr))
    else:
        group["lr"] = lr


def _per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        value = [value] * len(optimizer.param_groups)
    elif len(value) != len(optimizer.param_groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {len(optimizer.param_groups)}."
        )
    return [_copy(v) for v in value]


def _attributes(function: Any) -> dict[str, Any] | None:
    """What a state_dict keeps of a function: nothing, or the attributes of a callable object."""
    return None if isinstance(function, types.FunctionType) else dict(function.__dict__)
