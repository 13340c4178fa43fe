"""Automatic mixed precision: the scaling of losses and gradients, and switches for what is not cast here."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.settings import autocast, is_autocast_available
from tinygrad6.tensor import Tensor, wrap

__path__: list[str] = []  # amp.grad_scaler and amp.autocast_mode are found by tinygrad6.paths
__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

READY, UNSCALED, STEPPED = "ready", "unscaled", "stepped"  # what has been done with an optimizer's gradients


class GradScaler:
    """Scale a loss so that small gradients do not vanish in float16, and leave out steps that overflowed.

        scaler.scale(loss).backward()     the gradients are `get_scale()` times too large
        scaler.step(optimizer)            divides them; no step where one is inf or nan
        scaler.update()                   after such a step scale *= backoff_factor; after `growth_interval`
                                          good steps in a row scale *= growth_factor

    Call unscale_(optimizer) before step to clip gradients in between. The scale is a float32 number, 2^16 at
    first. Switched off, or enabled for a device that is not there (with a UserWarning), `scale` gives the
    loss back and `step` is the optimizer's.

    RuntimeError for a second unscale_ or step before update; AssertionError for a step before any `scale`, or
    without gradients; ValueError for float16 gradients: keep parameters in float32.

    >>> import tinygrad6 as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer, scaler = torch.optim.SGD([w], lr=0.5), torch.amp.GradScaler("cpu")
    >>> scaler.scale(w.sum()).backward()
    >>> w.grad
    tensor([65536.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0.5000], requires_grad=True)

    Micikevicius et al. 2018, Mixed Precision Training, section 3.2.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and str(device) != "cpu":
            warnings.warn(
                f"torch.{device}.amp.GradScaler is enabled, but {str(device).upper()} is not available.  "
                "Disabling.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        if not enabled:
            return
        if not growth_factor > 1.0:
            raise AssertionError(f"GradScaler: growth_factor must be > 1.0, got {growth_factor}")
        if not backoff_factor < 1.0:
            raise AssertionError(f"GradScaler: backoff_factor must be < 1.0, got {backoff_factor}")
        self._scale, self._good_steps, self._used = np.float32(init_scale), 0, False
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._states: dict[
            int, tuple[str, bool]
        ] = {}  # by optimizer: what was done, and whether all is finite

    def scale(self, outputs: Any) -> Any:
        """The outputs (a tensor, or an iterable of them, nested) times the scale."""
        if not self._enabled:
            return outputs
        self._used = True
        if isinstance(outputs, Tensor):
            return outputs * wrap(np.asarray(self._scale))
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError(
            "GradScaler.scale(): outputs must be a Tensor or an iterable of Tensors, not "
            f"{type(outputs).__name__}"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, in place."""
        if not self._enabled:
            return
        self._demand_use("unscale_")
        done = self._states.get(id(optimizer), (READY, True))[0]
        if done == UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if done == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.array.dtype == np.float16 for g in grads):
            raise ValueError("Attempting to unscale FP16 gradients. Keep the parameters in float32.")
        finite = all([bool(np.isfinite(g.array).all()) for g in grads])
        factor = float(np.float32(1 / np.float64(self._scale)))
        with no_grad(), np.errstate(all="ignore"):
            for g in grads:
                g.mul_(factor)
        if grads:
            self._states[id(optimizer)] = UNSCALED, finite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """unscale_(optimizer) unless done, then optimizer.step(*args, **kwargs) if all gradients are finite.

        Returns what the step returns, or None.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._demand_use("step")
        done = self._states.get(id(optimizer), (READY, True))[0]
        if done == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if done == READY:
            self.unscale_(optimizer)
        if id(optimizer) not in self._states:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        finite = self._states[id(optimizer)][1]
        result = optimizer.step(*args, **kwargs) if finite else None
        self._states[id(optimizer)] = STEPPED, finite
        return result

    def update(self, new_scale: Any = None) -> None:
        """Choose the scale of the next iteration: `new_scale`, or by the steps since the last update."""
        if not self._enabled:
            return
        self._demand_use("update")
        if new_scale is not None:
            self._scale = np.float32(float(new_scale))
        elif not self._states:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif not all([finite for _, finite in self._states.values()]):
            self._scale, self._good_steps = np.float32(self.get_scale() * self._backoff_factor), 0
        elif self._good_steps + 1 < self._growth_interval:
            self._good_steps += 1
        else:
            with np.errstate(over="ignore"):
                grown = np.float32(self.get_scale() * self._growth_factor)
            self._scale, self._good_steps = grown if np.isfinite(grown) else self._scale, 0
        self._states.clear()

    def __getstate__(self) -> dict:
        if self._enabled and self._states:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end "
                "after scaler.update()."
            )
        return vars(self)

    def _demand_use(self, name: str) -> None:
        if not self._used:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def get_scale(self) -> float:
        """The scale; 1.0 if switched off."""
        return float(self._scale) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after `growth_interval` good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by after `growth_interval` good steps."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a step with gradients that are not finite."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by after a step with gradients that are not finite."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row let the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many good steps in a row let the scale grow."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict:
        """The scale, its factors and the count of good steps, under PyTorch's keys; {} if switched off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what state_dict() gave; nothing if switched off; RuntimeError for {}."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        scale, growth, backoff, interval, good = (
            state_dict[k]
            for k in ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
        )
        self._scale, self._good_steps = np.float32(scale), good
        self._growth_factor, self._backoff_factor, self._growth_interval = growth, backoff, interval


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """The function itself: a decorator for autograd.Function.forward under autocast, which casts the tensors
    of a device that is not there."""
    return _decorator(fwd, device_type)


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """The function itself: a decorator for autograd.Function.backward under autocast."""
    return _decorator(bwd, device_type)


def _decorator(function: Any, device_type: Any) -> Any:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return function if function is not None else lambda f: f


def module_of(device: str) -> ModuleType:
    """The module `tinygrad6.<device>.amp`: the older forms, which know their device and do not take it."""
    module = ModuleType(f"tinygrad6.{device}.amp", f"Older forms of amp.autocast({device!r}) and the like.")

    class older_autocast(autocast):  # noqa: N801 -- shown as autocast
        __doc__ = f"amp.autocast({device!r}, dtype, enabled, cache_enabled)."

        def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
            super().__init__(device, dtype, enabled, cache_enabled)

    older_autocast.__name__ = older_autocast.__qualname__ = "autocast"
    scaler: Callable[..., GradScaler] = functools.wraps(GradScaler, updated=())(
        lambda *args, **kwargs: GradScaler(device, *args, **kwargs)
    )
    vars(module).update(
        autocast=older_autocast,
        GradScaler=scaler,
        custom_fwd=functools.partial(custom_fwd, device_type=device),
        custom_bwd=functools.partial(custom_bwd, device_type=device),
    )
    sys.modules[module.__name__] = module  # from tinygrad6.cuda.amp import autocast
    return module
