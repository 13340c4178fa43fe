"""Adam and its relatives: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor

from .optimizer import Array, Counters, Group, Optimizer, Slots, add_square, decayed, lerp


def _decayed(p: Array, g: Array, group: Group, x: Array) -> Array:
    """g with weight decay, or, decoupled, p shrunk by lr weight_decay; g negated first if maximizing."""
    if not group["decoupled_weight_decay"]:
        return decayed(p, g, group, x)
    if group["weight_decay"]:
        p *= p.dtype.type(1 - group["lr"] * group["weight_decay"])
    return np.negative(g, x) if group["maximize"] else g


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= lr m^ / (sqrt(v^) + eps).

    m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t) correct for the start from 0.

    weight_decay adds weight_decay p to g (with decoupled_weight_decay it shrinks p by lr weight_decay
    instead, as AdamW); amsgrad divides by the largest v so far. Source: Kingma and Ba 2015, algorithm 1;
    Reddi et al. 2018 for amsgrad. (The book, and the paper's "epsilon hat", add epsilon before the
    correction: the same as eps / sqrt(1 - b2^t) here.)

    The first step has length lr, whatever the size of g:

    >>> import tinygrad6 as torch
    >>> w = torch.tensor([1.0, -1000.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print([round(v, 4) for v in w.tolist()])
    [0.9, -999.9]
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
            raise ValueError(f"betas must be either both floats or both Tensors, got {betas}")
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
                fused=fused,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
        )

    def slots_of(self, group: Group, p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = _decayed(p, g, group, x)
        kind, step = p.dtype.type, t["step"]
        b1, b2 = group["betas"]
        m, v = s["exp_avg"], s["exp_avg_sq"]
        lerp(m, g, 1 - b1, y)
        v *= kind(b2)
        add_square(v, g, 1 - b2, y)
        if group["amsgrad"]:
            v = np.maximum(s["max_exp_avg_sq"], v, out=s["max_exp_avg_sq"])
        # lr m^ / (sqrt(v^) + eps), with the corrections in the numbers: a pass over the array less.
        correction = math.sqrt(1 - b2**step)
        np.sqrt(v, y)
        y += kind(group["eps"] * correction)
        np.multiply(m, kind(group["lr"] * correction / (1 - b1**step)), x)
        x /= y
        p -= x


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
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
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


class SparseAdam(Adam):
    """Not here, for want of sparse gradients; dense ones PyTorch's SparseAdam refuses too. Use Adam."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "SparseAdam needs sparse gradients, which tinygrad6 does not have: use optim.Adam"
        )


class Adamax(Optimizer):
    """m = b1 m + (1 - b1) g, u = max(b2 u, |g| + eps), p -= lr / (1 - b1^t) m / u.

    Source: Kingma and Ba 2015, algorithm 2.
    """

    slots = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind = p.dtype.type
        b1, b2 = group["betas"]
        m, u = s["exp_avg"], s["exp_inf"]
        lerp(m, g, 1 - b1, y)
        u *= kind(b2)
        np.abs(g, y)
        y += kind(group["eps"])
        np.maximum(u, y, out=u)
        np.multiply(m, kind(group["lr"] / (1 - b1 ** t["step"])), x)
        x /= u
        p -= x


class NAdam(Optimizer):
    """Adam with Nesterov momentum, p -= lr (c m + c' g) / (sqrt(v^) + eps): Dozat 2016.

    c = mu_(t+1) / (1 - mu_1 ... mu_(t+1)) and c' = (1 - mu_t) / (1 - mu_1 ... mu_t), where mu_t is
    b1 (1 - 0.96^(t momentum_decay) / 2). The state's mu_product is mu_1 mu_2 ... mu_t.
    """

    counters = ("step", "mu_product")
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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
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
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
            ),
        )

    def initial(self, name: str, p: Array, group: Group) -> Any:
        return 1.0 if name == "mu_product" else super().initial(name, p, group)

    @staticmethod
    def _momenta(t: Counters, group: Group) -> tuple[float, float, float]:
        """mu_t, mu_(t+1), and mu_1 ... mu_t rounded as it is kept."""
        b1, decay, step = group["betas"][0], group["momentum_decay"], t["step"]
        mu, mu_next = (b1 * (1.0 - 0.5 * 0.96 ** (i * decay)) for i in (step, step + 1))
        return mu, mu_next, float(t["mu_product"] * mu)

    def after(self, t: Counters, group: Group) -> None:
        t["mu_product"] = self._momenta(t, group)[2]

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = _decayed(p, g, group, x)
        kind = p.dtype.type
        (b1, b2), lr = group["betas"], group["lr"]
        mu, mu_next, product = self._momenta(t, group)
        m, v = s["exp_avg"], s["exp_avg_sq"]
        lerp(m, g, 1 - b1, y)
        v *= kind(b2)
        add_square(v, g, 1 - b2, y)
        np.divide(v, kind(1 - b2 ** t["step"]), y)
        np.sqrt(y, y)
        y += kind(group["eps"])
        np.multiply(g, kind(lr * (1.0 - mu) / (1.0 - product)), x)
        x /= y
        p -= x
        np.multiply(m, kind(lr * mu_next / (1.0 - product * mu_next)), x)
        x /= y
        p -= x


class RAdam(Optimizer):
    """Adam whose step is rectified, p -= lr r m^ / (sqrt(v^) + eps): Liu et al. 2020, algorithm 2.

    r = sqrt((l - 4) (l - 2) L / ((L - 4) (L - 2) l)), with L = 2 / (1 - b2) - 1 and l = L - 2 t b2^t /
    (1 - b2^t). While l <= 5, in the first steps, v says too little, and the step is lr m^.
    """

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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = _decayed(p, g, group, x)
        kind, step = p.dtype.type, t["step"]
        b1, b2 = group["betas"]
        m, v = s["exp_avg"], s["exp_avg_sq"]
        lerp(m, g, 1 - b1, y)
        v *= kind(b2)
        add_square(v, g, 1 - b2, y)
        correction = 1 - b2**step
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * step * b2**step / correction
        np.divide(m, kind(1 - b1**step), x)
        x *= kind(group["lr"])
        if length > 5.0:
            rectified = math.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )
            np.sqrt(v, y)
            y += kind(group["eps"])
            x *= np.divide(kind(math.sqrt(correction)), y, y)
            x *= kind(rectified)
        p -= x
