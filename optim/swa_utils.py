"""Averaging weights over training: stochastic weight averaging (SWA) and exponential moving averages (EMA).

    averaged = AveragedModel(model)                            # a copy that becomes the mean of the weights
    scheduler = SWALR(optimizer, swa_lr=0.05)
    for epoch in range(100):
        train(model)
        if epoch >= 75:
            averaged.update_parameters(model)
            scheduler.step()
    update_bn(loader, averaged)                                # running statistics for the averaged weights

Sources: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization"; Polyak and
Juditsky 1992.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tinygrad6.modes import no_grad

from .lr_base import LRScheduler, _per_group
from .optimizer import Optimizer

if TYPE_CHECKING:
    AveragedModel: Any


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Any]:
    """decay average + (1 - decay) model, for AveragedModel's avg_fn; ValueError unless 0 <= decay <= 1."""
    _check_decay(decay)

    @no_grad()
    def ema_update(averaged: Any, current: Any, num_averaged: Any) -> Any:
        return decay * averaged + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> Callable[..., Any]:
    """average + (model - average) / (n + 1), the mean of all models so far, for AveragedModel's avg_fn."""

    @no_grad()
    def swa_update(averaged: Any, current: Any, num_averaged: Any) -> Any:
        return averaged + (current - averaged) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """As get_ema_avg_fn, on lists and in place, for AveragedModel's multi_avg_fn."""
    _check_decay(decay)

    @no_grad()
    def ema_update(averaged: list[Any], current: list[Any], num_averaged: Any) -> None:
        _towards(averaged, current, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """As get_swa_avg_fn, on lists and in place, for AveragedModel's multi_avg_fn."""

    @no_grad()
    def swa_update(averaged: list[Any], current: list[Any], num_averaged: Any) -> None:
        _towards(averaged, current, float(1 / (num_averaged + 1)))

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _towards(averaged: list[Any], current: list[Any], weight: float) -> None:
    """averaged += weight (current - averaged); counts and the like are cut to whole numbers."""
    for a, c in zip(averaged, current, strict=True):
        if a.is_floating_point():
            a.lerp_(c, weight)
        else:
            a.copy_(a * (1 - weight) + c * weight)


def __getattr__(name: str) -> Any:
    if name != "AveragedModel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A model is a Module, and optim does not need nn otherwise: it is looked up when it is first asked for.
    from tinygrad6.nn.averaged import AveragedModel

    return AveragedModel


@no_grad()
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the BatchNorm statistics of `model` anew, as the plain mean over the batches of `loader`.

    A batch is a tensor, or a list or tuple that begins with one. Whether the model trains is left as it was.
    """
    momenta = {
        m: m.momentum
        for m in model.modules()
        if hasattr(m, "reset_running_stats") and "BatchNorm" in type(m).__name__
    }
    if not momenta:
        return
    was_training = model.training
    model.train()
    try:
        for m in momenta:
            m.reset_running_stats()
            m.momentum = None
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for m, momentum in momenta.items():
            m.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """lr goes from what it is to swa_lr over anneal_epochs steps, then stays there.

    swa_lr is a number or a list with one for each group; anneal_strategy is "cos" or "linear".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = _per_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, lr in zip(optimizer.param_groups, rates):
            group["swa_lr"] = lr
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, share = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * share + start * (1 - share))
        return rates
