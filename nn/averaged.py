"""A model whose weights are means over training: optim.swa_utils.AveragedModel, which is a Module."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from tinygrad6.modes import no_grad
from tinygrad6.optim.swa_utils import get_swa_avg_fn
from tinygrad6.tensor import Tensor

from .module import Module


class AveragedModel(Module):
    """A copy of `model`, `module`, the weights of which become means of those it is updated with.

    avg_fn(average, current, n) gives the new average of a parameter; multi_avg_fn(averages, currents, n)
    changes lists of one dtype in place; n, the buffer n_averaged, counts the models averaged. The first
    update copies. Buffers are averaged with use_buffers, else copied. AssertionError if both functions
    are given.

    >>> import tinygrad6 as torch
    >>> from tinygrad6.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    >>> for value in (1.0, 2.0):
    ...     torch.nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    Parameter containing:
    tensor([[1.]], requires_grad=True)
    Parameter containing:
    tensor([[2.]], requires_grad=True)
    >>> averaged.module.weight.item()
    1.100000023841858
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", Tensor(1).sum().long())
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Any) -> None:
        """Take `model` into the average."""
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            pairs += buffers
        n = self.n_averaged
        if n == 0:
            for average, current in pairs:
                average.copy_(current)
        elif self.multi_avg_fn is not None:
            for _, alike in itertools.groupby(sorted(pairs, key=_dtype_name), key=_dtype_name):
                averages, currents = zip(*[(a.detach(), c.detach()) for a, c in alike])
                self.multi_avg_fn(list(averages), list(currents), n.clone())
        else:
            average_of = self.avg_fn or get_swa_avg_fn()
            for average, current in pairs:
                average.copy_(average_of(average.detach(), current.detach(), n.clone()))
        if not self.use_buffers:
            for average, current in buffers:
                average.copy_(current)
        n.add_(1)


def _dtype_name(pair: tuple[Tensor, Tensor]) -> str:
    return str(pair[0].dtype)
