"""Stochastic gradient descent, with momentum in PyTorch's form and in the book's."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor

from .optimizer import Array, Counters, Group, Optimizer, Slots, decayed


class SGD(Optimizer):
    """p -= lr b, with b = momentum b + (1 - dampening) g, or b = g without momentum.

    The first b is g. nesterov uses g + momentum b instead of b. weight_decay adds weight_decay p to g;
    maximize ascends. ValueError if nesterov has no momentum or some dampening. foreach and fused are accepted
    and change nothing, here as in the other optimizers: they choose among PyTorch's implementations, and
    there is one here.

    Sources: Robbins and Monro 1951; Sutskever et al. 2013, with lr outside the buffer as PyTorch has it.

    >>> import tinygrad6 as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    counters = ()

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                foreach=foreach,
                differentiable=differentiable,
                fused=fused,
            ),
        )

    def _check(self, group: Group) -> None:
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def slots_of(self, group: Group, p: Tensor) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind = p.dtype.type
        if group["momentum"]:
            b = s["momentum_buffer"]
            if t["new"]:
                b[...] = g
            else:
                b *= kind(group["momentum"])
                b += np.multiply(g, kind(1 - group["dampening"]), y) if group["dampening"] else g
            if group["nesterov"]:
                g = np.add(g, np.multiply(b, kind(group["momentum"]), y), x)
            else:
                g = b
        p -= np.multiply(g, kind(group["lr"]), y)


class Momentum(Optimizer):
    """v = momentum v - lr g; p += v, v starting from 0: the book's form.

    ("Deep Learning from Scratch", section 6.1.4.) Equal to SGD(momentum=...) as long as lr is constant; a
    change of lr acts on new gradients only, where SGD's rescales the whole buffer. The book's default
    learning rate.
    """

    counters = ()
    slots = ("velocity",)

    def __init__(
        self,
        params: Any,
        lr: Any = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, maximize=maximize))

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        v = s["velocity"]
        v *= p.dtype.type(group["momentum"])
        v -= np.multiply(g, p.dtype.type(group["lr"]), y)
        p += v
