"""Optimizers with a learning rate of its own for every element, and averaged SGD."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor

from .optimizer import Array, Counters, Group, Optimizer, Slots, add_square, decayed, lerp, number


class Adagrad(Optimizer):
    """h += g^2, p -= lr_t g / (sqrt(h) + eps), with lr_t = lr / (1 + (t - 1) lr_decay).

    h starts from initial_accumulator_value, when the optimizer is made. Source: Duchi, Hazan and Singer 2011.
    """

    slots = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        for group in self.param_groups:
            for p in group["params"]:
                self.prepare(p, group)

    def initial(self, name: str, p: Array, group: Group) -> Any:
        return np.full_like(p, self.defaults["initial_accumulator_value"])

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind = p.dtype.type
        h = s["sum"]
        h += np.multiply(g, g, y)
        np.sqrt(h, y)
        y += kind(group["eps"])
        np.multiply(g, kind(group["lr"] / (1 + (t["step"] - 1) * group["lr_decay"])), x)
        x /= y
        p -= x


AdaGrad = Adagrad  # the book's spelling


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) g^2, p -= lr g / (sqrt(v) + eps): Hinton, lecture 6e, 2012.

    centered subtracts the square of the averaged gradient from v; momentum adds up steps in a buffer.
    """

    limits = {"alpha": ("alpha value", lambda v: v >= 0.0)}

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
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                capturable=capturable,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
            ),
        )

    def slots_of(self, group: Group, p: Tensor) -> tuple[str, ...]:
        return (
            "square_avg",
            *(("momentum_buffer",) if group["momentum"] > 0 else ()),
            *(("grad_avg",) if group["centered"] else ()),
        )

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind, alpha = p.dtype.type, group["alpha"]
        v = s["square_avg"]
        v *= kind(alpha)
        add_square(v, g, 1 - alpha, y)
        if group["centered"]:
            mean = s["grad_avg"]
            lerp(mean, g, 1 - alpha, y)
            np.subtract(v, np.multiply(mean, mean, y), y)
            np.sqrt(y, y)
        else:
            np.sqrt(v, y)
        y += kind(group["eps"])
        if group["momentum"] > 0:
            b = s["momentum_buffer"]
            b *= kind(group["momentum"])
            b += np.divide(g, y, y)
            np.multiply(b, kind(group["lr"]), x)
        else:
            np.multiply(g, kind(group["lr"]), x)
            x /= y
        p -= x


class Adadelta(Optimizer):
    """v = rho v + (1 - rho) g^2, d = sqrt((u + eps) / (v + eps)) g, u = rho u + (1 - rho) d^2, p -= lr d.

    Source: Zeiler 2012.
    """

    slots = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind = p.dtype.type
        rho, eps = kind(group["rho"]), kind(group["eps"])
        v, u = s["square_avg"], s["acc_delta"]
        v *= rho
        add_square(v, g, 1 - group["rho"], y)
        d = np.add(u, eps)
        np.sqrt(d, d)
        np.add(v, eps, y)
        d /= np.sqrt(y, y)
        d *= g
        u *= rho
        add_square(u, d, 1 - group["rho"], y)
        d *= kind(group["lr"])
        p -= d


class Rprop(Optimizer):
    """Steps by the sign of g alone: an element's step grows while the sign stays and shrinks when it turns.

    Where it turns, g counts as 0 this time and next. The steps start from lr; etas are the factors for
    shrinking and growing, step_sizes the bounds. Source: Riedmiller and Braun 1993.
    """

    slots = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _check(self, group: Group) -> None:
        super()._check(group)
        if len(group["step_sizes"]) != 2:
            raise ValueError(f"Rprop(): step_sizes must be two numbers, got {group['step_sizes']}")
        if not 0.0 < group["etas"][0] < 1.0 < group["etas"][1]:
            raise ValueError(f"Invalid eta values: {group['etas'][0]}, {group['etas'][1]}")

    def initial(self, name: str, p: Array, group: Group) -> Any:
        return np.full_like(p, number(group["lr"]) if name == "step_size" else 0)

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        kind = p.dtype.type
        if group["maximize"]:
            g = np.negative(g, x)
        shrink, grow = (kind(eta) for eta in group["etas"])
        previous, size = s["prev"], s["step_size"]
        turned = np.sign(np.multiply(g, previous, y), y)
        size *= np.where(turned > 0, grow, np.where(turned < 0, shrink, kind(1)))
        np.clip(size, kind(group["step_sizes"][0]), kind(group["step_sizes"][1]), out=size)
        previous[...] = g
        previous[turned < 0] = 0
        p -= np.multiply(np.sign(previous, x), size, x)


class ASGD(Optimizer):
    """SGD with decay whose iterates are averaged in the state `ax`: Polyak and Juditsky 1992.

    p -= eta (lambd p + g + weight_decay p), eta_t = lr / (1 + lambd lr t)^alpha, ax += mu (p - ax), with
    mu_t = 1 / max(1, t - t0): a copy of p until step t0, and the mean of the iterates from then on.
    """

    counters = ("step", "eta", "mu")
    slots = ("ax",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
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
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def initial(self, name: str, p: Array, group: Group) -> Any:
        return {"eta": number(group["lr"]), "mu": 1.0}.get(name, np.zeros_like(p))

    def after(self, t: Counters, group: Group) -> None:
        lr, step = group["lr"], t["step"]
        t["eta"] = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        t["mu"] = 1 / max(1, step - group["t0"])

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        g = decayed(p, g, group, x)
        kind, ax, eta = p.dtype.type, s["ax"], float(t["eta"])
        p *= kind(1 - group["lambd"] * eta)
        p -= np.multiply(g, kind(eta), y)
        if t["mu"] == 1:
            ax[...] = p
        else:
            np.subtract(p, ax, y)
            ax += np.multiply(y, kind(t["mu"]), y)
