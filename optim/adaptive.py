"""Optimizers with a learning rate of its own for every element, and averaged SGD."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Optimizer, decayed, harmless


def _without(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k not in names}


class Adagrad(Optimizer):
    """h += g^2, p -= lr_t g / (sqrt(h) + eps), with lr_t = lr / (1 + (t - 1) lr_decay): Duchi, Hazan and Singer 2011."""

    slots = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: Any = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: Any = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                maximize=maximize,
                **_without(harmless(foreach, fused, False, differentiable), "capturable"),
            ),
        )

    def initial(self, name: str, p: np.ndarray, group: dict[str, Any]) -> np.ndarray:
        return np.full(p.shape, group["initial_accumulator_value"], p.dtype)

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        g = decayed(p, g, group)
        h = s["sum"]
        h += g * g
        scratch = np.sqrt(h)
        scratch += kind(group["eps"])
        np.divide(g, scratch, out=scratch)
        scratch *= kind(group["lr"] / (1 + (step - 1) * group["lr_decay"]))
        p -= scratch


AdaGrad = Adagrad  # the book's spelling


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) g^2, p -= lr g / (sqrt(v) + eps): Hinton, lecture 6e, 2012.

    centered subtracts the square of the averaged gradient from v; momentum adds up steps in a buffer.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: Any = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not alpha >= 0.0:
            raise ValueError(f"Invalid alpha value: {alpha}")
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                maximize=maximize,
                **_without(harmless(foreach, None, capturable, differentiable), "fused"),
            ),
        )

    def begin(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (
            "square_avg",
            *(("momentum_buffer",) if group["momentum"] > 0 else ()),
            *(("grad_avg",) if group["centered"] else ()),
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        alpha = group["alpha"]
        g = decayed(p, g, group)
        v = s["square_avg"]
        v *= kind(alpha)
        scratch = g * g
        scratch *= kind(1 - alpha)
        v += scratch
        if group["centered"]:
            mean = s["grad_avg"]
            mean += (g - mean) * kind(1 - alpha)
            np.sqrt(v - mean * mean, out=scratch)
        else:
            np.sqrt(v, out=scratch)
        scratch += kind(group["eps"])
        np.divide(g, scratch, out=scratch)
        if group["momentum"] > 0:
            b = s["momentum_buffer"]
            b *= kind(group["momentum"])
            b += scratch
            np.multiply(b, kind(group["lr"]), out=scratch)
        else:
            scratch *= kind(group["lr"])
        p -= scratch


class Adadelta(Optimizer):
    """v = rho v + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(v + eps) g, u = rho u + (1 - rho) d^2, p -= lr d: Zeiler 2012."""

    slots = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: Any = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                **_without(harmless(foreach, None, capturable, differentiable), "fused"),
            ),
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        rho, eps = kind(group["rho"]), kind(group["eps"])
        g = decayed(p, g, group)
        v, u = s["square_avg"], s["acc_delta"]
        v *= rho
        v += g * g * kind(1 - group["rho"])
        d = np.sqrt(u + eps)
        d /= np.sqrt(v + eps)
        d *= g
        u *= rho
        u += d * d * kind(1 - group["rho"])
        p -= d * kind(group["lr"])


class Rprop(Optimizer):
    """Steps by the sign of g alone: each element's step grows while the sign stays and shrinks when it turns (Riedmiller and Braun 1993)."""

    slots = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: Any = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                maximize=maximize,
                **_without(harmless(foreach, None, capturable, differentiable), "fused"),
            ),
        )

    def initial(self, name: str, p: np.ndarray, group: dict[str, Any]) -> np.ndarray:
        return np.full(p.shape, group["lr"] if name == "step_size" else 0, p.dtype)

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        if group["maximize"]:
            np.negative(g, out=g)
        previous, size = s["prev"], s["step_size"]
        turned = np.sign(g * previous)
        size *= np.where(
            turned > 0, kind(group["etas"][1]), np.where(turned < 0, kind(group["etas"][0]), kind(1))
        )
        np.clip(size, kind(group["step_sizes"][0]), kind(group["step_sizes"][1]), out=size)
        g[turned < 0] = 0
        p -= np.sign(g) * size
        previous[...] = g


class ASGD(Optimizer):
    """SGD with decay whose iterates are averaged in the state `ax`: Polyak and Juditsky 1992."""

    slots = ("ax",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: Any = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                maximize=maximize,
                **_without(harmless(foreach, None, capturable, differentiable), "fused"),
            ),
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        lr, lambd = group["lr"], group["lambd"]
        g = decayed(p, g, group)
        eta = lr if step == 1 else lr / (1 + lambd * lr * (step - 1)) ** group["alpha"]
        p *= kind(1 - lambd * eta)
        p -= g * kind(eta)
        average, weight = s["ax"], 1 / max(1, step - 1 - group["t0"]) if step > 1 else 1.0
        if weight == 1:
            average[...] = p
        else:
            average += (p - average) * kind(weight)
