"""Automatic mixed precision, which a library that computes in the types of its inputs does not do:
off, it is accepted."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad6.settings import autocast

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


class GradScaler:
    """PyTorch's gradient scaler, switched off: `scale` gives the loss back, `step` is the optimizer's.

    Enabled for a device that is not there it warns and switches itself off, as PyTorch does; for the CPU,
    NotImplementedError.
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
        if enabled and str(device) == "cpu":
            raise NotImplementedError(
                "GradScaler('cpu') is not supported: gradients are not scaled; pass enabled=False"
            )
        if enabled:
            warnings.warn(
                f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  "
                "Disabling.",
                UserWarning,
                stacklevel=2,
            )

    def scale(self, outputs: Any) -> Any:
        """The outputs themselves."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: gradients are not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(*args, **kwargs)."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing: there is no scale."""

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict:
        """{}, as PyTorch's when switched off."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Nothing, as PyTorch's when switched off."""


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """The function itself: a decorator for autograd.Function.forward under autocast."""
    return fwd if fwd is not None else lambda function: function


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """The function itself: a decorator for autograd.Function.backward under autocast."""
    return bwd if bwd is not None else lambda function: function


def is_autocast_available(device_type: str) -> bool:
    """False: see autocast."""
    return False
