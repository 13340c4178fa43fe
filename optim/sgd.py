"""Stochastic gradient descent, with momentum in PyTorch's form and in the book's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Optimizer, decayed, harmless


class SGD(Optimizer):
    """p -= lr b, with b = momentum b + (1 - dampening) g, or b = g without momentum.

    The first b is g. nesterov uses g + momentum b instead of b. weight_decay adds weight_decay p to g; maximize ascends.
    Sources: Robbins and Monro 1951; Sutskever et al. 2013, with lr outside the buffer as PyTorch has it.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: Any = None,
        differentiable: bool = False,
        fused: Any = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        options = harmless(foreach, fused, differentiable=differentiable)
        del options["capturable"]
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                **options,
            ),
        )

    def begin(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        g = decayed(p, g, group)
        kind = p.dtype.type
        if group["momentum"]:
            b = s["momentum_buffer"]
            if step == 1:
                b[...] = g
            else:
                b *= kind(group["momentum"])
                b += g * kind(1 - group["dampening"]) if group["dampening"] else g
            if group["nesterov"]:
                g += b * kind(group["momentum"])
            else:
                np.multiply(b, kind(group["lr"]), out=g)
                p -= g
                return
        g *= kind(group["lr"])
        p -= g


class Momentum(Optimizer):
    """v = momentum v - lr g; p += v: the book's form ("Deep Learning from Scratch", section 6.1.4), v starting from 0.

    Equal to SGD(momentum=...) as long as lr is constant; a change of lr acts on new gradients only, where SGD's rescales the
    whole buffer. The book's default learning rate.
    """

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

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        g = decayed(p, g, group)
        v = s["velocity"]
        v *= p.dtype.type(group["momentum"])
        g *= p.dtype.type(group["lr"])
        v -= g
        p += v
