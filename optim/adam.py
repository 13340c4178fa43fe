"""Adam and its relatives: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .optimizer import Optimizer, decayed, harmless


def _average(m: np.ndarray, g: np.ndarray, beta: float) -> None:
    """m += (1 - beta) (g - m)."""
    d = g - m
    d *= m.dtype.type(1 - beta)
    m += d


def _average_square(v: np.ndarray, g: np.ndarray, beta: float) -> None:
    """v = beta v + (1 - beta) g^2."""
    v *= v.dtype.type(beta)
    d = np.square(g)
    d *= v.dtype.type(1 - beta)
    v += d


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= lr m^ / (sqrt(v^) + eps), with m^ = m / (1 - b1^t), v^ alike.

    weight_decay adds weight_decay p to g (with decoupled_weight_decay it shrinks p by lr weight_decay instead, as AdamW);
    amsgrad divides by the largest v^ so far. Source: Kingma and Ba 2015, algorithm 1. (The book, and the paper's
    "epsilon hat", add epsilon before the correction: the same as eps / sqrt(1 - b2^t) here.)
    """

    decoupled = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: Any = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: Any = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                **harmless(foreach, fused, capturable, differentiable),
                decoupled_weight_decay=decoupled_weight_decay,
            ),
        )

    def begin(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        b1, b2 = group["betas"]
        lr = group["lr"]
        if group["decoupled_weight_decay"]:
            if group["maximize"]:
                np.negative(g, out=g)
            if group["weight_decay"]:
                p *= kind(1 - lr * group["weight_decay"])
        else:
            g = decayed(p, g, group)
        m, v = s["exp_avg"], s["exp_avg_sq"]
        # m += (1 - b1) (g - m); v = b2 v + (1 - b2) g^2, with one scratch array
        scratch = np.subtract(g, m)
        scratch *= kind(1 - b1)
        m += scratch
        v *= kind(b2)
        np.multiply(g, g, out=scratch)
        scratch *= kind(1 - b2)
        v += scratch
        if group["amsgrad"]:
            v = np.maximum(s["max_exp_avg_sq"], v, out=s["max_exp_avg_sq"])
        np.sqrt(v, out=scratch)
        scratch /= kind(math.sqrt(1 - b2**step))
        scratch += kind(group["eps"])
        np.divide(m, scratch, out=scratch)
        scratch *= kind(lr / (1 - b1**step))
        p -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay: p is first shrunk by lr weight_decay (Loshchilov and Hutter 2019)."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: Any = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: Any = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )


class Adamax(Optimizer):
    """p -= lr / (1 - b1^t) m / u, with u = max(b2 u, |g| + eps): Kingma and Ba 2015, algorithm 2."""

    slots = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: Any = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = harmless(foreach, None, capturable, differentiable)
        del options["fused"]
        super().__init__(
            params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, **options)
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        b1, b2 = group["betas"]
        g = decayed(p, g, group)
        m, u = s["exp_avg"], s["exp_inf"]
        _average(m, g, b1)
        u *= kind(b2)
        np.maximum(u, np.abs(g) + kind(group["eps"]), out=u)
        p -= m / u * kind(group["lr"] / (1 - b1**step))


_products: dict[tuple[float, float], list[float]] = {}


def _product_of_momenta(b1: float, decay: float, step: int) -> float:
    """mu_1 mu_2 ... mu_step, the running products remembered."""
    known = _products.setdefault((b1, decay), [1.0])
    while len(known) <= step:
        known.append(known[-1] * (b1 * (1.0 - 0.5 * 0.96 ** (len(known) * decay))))
    return known[step]


class NAdam(Optimizer):
    """Adam with Nesterov momentum, its coefficient mu_t = b1 (1 - 0.96^(t momentum_decay) / 2): Dozat 2016."""

    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: Any = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not momentum_decay >= 0.0:
            raise ValueError(f"Invalid momentum_decay value: {momentum_decay}")
        options = harmless(foreach, None, capturable, differentiable)
        del options["fused"]
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                momentum_decay=momentum_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
                **options,
            ),
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        (b1, b2), lr, decay = group["betas"], group["lr"], group["momentum_decay"]
        if group["decoupled_weight_decay"]:
            if group["maximize"]:
                np.negative(g, out=g)
            p *= kind(1 - lr * group["weight_decay"])
        else:
            g = decayed(p, g, group)
        mu = b1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = b1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        product = _product_of_momenta(b1, decay, step)
        m, v = s["exp_avg"], s["exp_avg_sq"]
        _average(m, g, b1)
        _average_square(v, g, b2)
        denominator = np.sqrt(v / kind(1 - b2**step))
        denominator += kind(group["eps"])
        p -= g / denominator * kind(lr * (1.0 - mu) / (1.0 - product))
        p -= m / denominator * kind(lr * mu_next / (1.0 - product * mu_next))


class RAdam(Optimizer):
    """Adam whose adaptive step is rectified, or left out while the variance of v is too high: Liu et al. 2020."""

    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: Any = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = harmless(foreach, None, capturable, differentiable)
        del options["fused"]
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                decoupled_weight_decay=decoupled_weight_decay,
                **options,
            ),
        )

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        kind = p.dtype.type
        (b1, b2), lr = group["betas"], group["lr"]
        if group["decoupled_weight_decay"]:
            if group["maximize"]:
                np.negative(g, out=g)
            p *= kind(1 - lr * group["weight_decay"])
        else:
            g = decayed(p, g, group)
        m, v = s["exp_avg"], s["exp_avg_sq"]
        _average(m, g, b1)
        _average_square(v, g, b2)
        c2 = 1 - b2**step
        corrected = m / kind(1 - b1**step)
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * step * (b2**step) / c2
        if length > 5.0:
            rectified = math.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )
            p -= (
                corrected
                * kind(lr)
                * (kind(math.sqrt(c2)) / (np.sqrt(v) + kind(group["eps"])))
                * kind(rectified)
            )
        else:
            p -= corrected * kind(lr)
