"""L-BFGS: steps along the gradient times an approximate inverse Hessian, kept as a few pairs of vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.modes import enable_grad
from tinygrad6.tensor import Tensor, wrap

from .optimizer import Optimizer, number

Evaluate = Callable[[float], tuple[float, np.ndarray]]


class LBFGS(Optimizer):
    """Up to max_iter quasi-Newton steps in one call of step(closure).

    The closure clears the gradients, computes the loss, calls backward and returns the loss; it is called up
    to max_eval times (1.25 max_iter by default). A call ends early when the largest gradient is at most
    tolerance_grad, or the step or the change of the loss falls below tolerance_change. history_size is the
    number of remembered pairs. Without line_search_fn each step has length lr (the first min(1, 1 / |g|_1)
    lr); with "strong_wolfe" a line search finds it.

    All parameters are in one group; those without a gradient count as having 0. The state belongs to the
    first parameter. ValueError for several groups; RuntimeError for another line_search_fn.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4, 3.5 and 3.6.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=60)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> print([round(v, 2) for v in x.tolist()])
    [1.0, 1.0]
    """

    counters = ()

    @property
    def skip_nonfinite(self) -> bool:
        """False: what the closure computes on the way cannot be foreseen."""
        return False

    @skip_nonfinite.setter
    def skip_nonfinite(self, value: bool) -> None:
        if value:
            raise NotImplementedError(
                "LBFGS computes gradients during its step: let the closure raise where they are not finite"
            )

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
            ),
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only the first group can be added."""
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    # ---- all parameters as one vector

    def _gradient(self) -> np.ndarray:
        return np.concatenate(
            [
                np.zeros(p.array.size, p.array.dtype) if p.grad is None else p.grad.array.ravel()
                for p in self.param_groups[0]["params"]
            ]
        )

    def _move(self, t: float, d: np.ndarray) -> None:
        """x += t d."""
        start = 0
        for p in self.param_groups[0]["params"]:
            stop = start + p.array.size
            p.array[...] += d[start:stop].reshape(p.array.shape) * d.dtype.type(t)
            p.bump()
            start = stop

    def _restore(self, x: list[np.ndarray]) -> None:
        for p, old in zip(self.param_groups[0]["params"], x):
            p.array[...] = old
            p.bump()

    def step(self, closure: Callable[[], Any]) -> Any:
        """Minimise what `closure` computes; returns its value before the step."""
        group = self.param_groups[0]
        lr, tolerance = number(group["lr"]), group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"LBFGS: only 'strong_wolfe' is supported as line_search_fn, got {group['line_search_fn']!r}"
            )
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> tuple[Any, np.ndarray]:
            with enable_grad():
                value = closure()
            state["func_evals"] += 1
            return value, self._gradient()

        answer, g = evaluate()
        loss, start = float(number(answer)), state["func_evals"] - 1
        if np.abs(g).max(initial=0) <= group["tolerance_grad"] or group["max_iter"] < 1:
            return answer
        memory, n_iter = _Memory(state, group["history_size"]), state["n_iter"]
        for i in range(1, group["max_iter"] + 1):
            n_iter += 1
            d = memory.direction(g, first=n_iter == 1)
            old_loss = loss
            memory.t = min(1.0, 1.0 / np.abs(g).sum().item()) * lr if n_iter == 1 else lr
            slope = np.dot(g, d).item()
            if slope > -tolerance:
                break
            used = state["func_evals"] - start
            if group["line_search_fn"] is not None:
                x = [p.array.copy() for p in group["params"]]

                def along(t: float, x: list = x, d: np.ndarray = d) -> tuple[float, np.ndarray]:
                    try:
                        self._move(t, d)
                        value, gradient = evaluate()
                        return float(number(value)), gradient
                    finally:
                        self._restore(x)

                loss, g, memory.t = strong_wolfe(
                    along, memory.t, d, loss, g, slope, evaluations=group["max_eval"] - used
                )
                self._move(memory.t, d)
            else:
                self._move(memory.t, d)
                if i != group["max_iter"]:  # the value after the last step is not needed
                    value, g = evaluate()
                    loss = float(number(value))
            if (
                i == group["max_iter"]
                or state["func_evals"] - start >= group["max_eval"]
                or np.abs(g).max(initial=0) <= group["tolerance_grad"]
                or np.abs(d * d.dtype.type(memory.t)).max(initial=0) <= tolerance
                or abs(loss - old_loss) < tolerance
            ):
                break
        state["n_iter"] = n_iter  # kept with the memory: a closure that raises leaves both as they were
        memory.save(state, old_loss)
        return answer


class _Memory:
    """The pairs (y, s) of changes of gradient and place, the last direction and step, in NumPy's arrays."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        def array(value: Any) -> Any:
            return value.array if isinstance(value, Tensor) else value

        self.size = size
        self.d, self.t, self.scale = array(state.get("d")), array(state.get("t")), array(state.get("H_diag"))
        self.ys, self.steps = [list(map(array, state.get(k) or ())) for k in ("old_dirs", "old_stps")]
        self.ro = [array(v).item() if isinstance(v, Tensor) else v for v in state.get("ro") or ()]
        self.t = self.t.item() if isinstance(self.t, np.ndarray) else self.t
        self.g = array(state.get("prev_flat_grad"))
        self.al: list[float | None] | None = None

    def direction(self, g: np.ndarray, first: bool) -> np.ndarray:
        """-H g, after learning from the last step; the two loops of Nocedal and Wright, algorithm 7.4."""
        kind = g.dtype.type
        if first:
            self.ys, self.steps, self.ro, self.scale = [], [], [], 1
            d = -g
        else:
            y, s = g - self.g, self.d * kind(self.t)
            ys = np.dot(y, s)
            if ys > 1e-10:
                if len(self.ys) == self.size:
                    for memory in (self.ys, self.steps, self.ro):
                        memory.pop(0)
                self.ys.append(y)
                self.steps.append(s)
                self.ro.append((kind(1) / ys).item())
                self.scale = ys / np.dot(y, y)
            d = -g
            self.al = [None] * self.size
            for i in reversed(range(len(self.ys))):
                self.al[i] = (np.dot(self.steps[i], d) * kind(self.ro[i])).item()
                d -= self.ys[i] * kind(self.al[i])
            d *= kind(self.scale)
            for i in range(len(self.ys)):
                be = (np.dot(self.ys[i], d) * kind(self.ro[i])).item()
                d += self.steps[i] * kind(self.al[i] - be)
        self.g, self.d = g.copy(), d
        return d

    def save(self, state: dict[str, Any], loss: float) -> None:
        """Into the optimizer's state, under PyTorch's names."""

        def tensors(values: list) -> list:
            return [None if v is None else wrap(np.array(v, self.d.dtype)) for v in values]

        if self.al is not None:
            state["al"] = tensors(self.al)
        state.update(
            d=wrap(self.d),
            t=self.t,
            old_dirs=[wrap(y) for y in self.ys],
            old_stps=[wrap(s) for s in self.steps],
            ro=tensors(self.ro),
            H_diag=self.scale if isinstance(self.scale, int) else wrap(np.array(self.scale)),
            prev_flat_grad=wrap(self.g),
            prev_loss=loss,
        )


def cubic_minimum(
    x1: float,
    f1: float,
    g1: float,
    x2: float,
    f2: float,
    g2: float,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Where the cubic with values f1, f2 and slopes g1, g2 at x1, x2 is least: Nocedal and Wright, (3.59).

    Within bounds, by default x1 and x2; half way between them if the cubic has no minimum.
    """
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 > x2:
        x1, g1, x2, g2 = x2, g2, x1, g1
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 over 0 on a straight line
        share = float(np.divide(g2 + d2 - d1, g2 - g1 + 2 * d2))
    return min(max(x2 - (x2 - x1) * share, low), high)


def strong_wolfe(
    evaluate: Evaluate,
    t: float,
    d: np.ndarray,
    f: float,
    g: np.ndarray,
    slope: float,
    evaluations: int = 25,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
) -> tuple[float, np.ndarray, float]:
    """(value, gradient, t) with f(t) <= f + c1 t slope and |slope(t)| <= c2 |slope|.

    evaluate(t) is the value and the gradient at x + t d; f, g and slope are those at 0. First t grows until
    it and the one before bracket a point that will do, then the bracket shrinks by cubic interpolation. The
    best so far is returned when the evaluations are used up or the bracket times the largest element of d is
    below the tolerance.
    """
    longest = np.abs(d).max().item()

    def point(t: float) -> tuple[float, float, np.ndarray, float]:
        value, gradient = evaluate(t)
        return t, value, gradient, np.dot(gradient, d).item()

    start = before = (0.0, f, g, slope)
    new = point(t)
    count, done = 0, False
    while count < evaluations:
        t, value, _, new_slope = new
        too_high = value > f + c1 * t * slope or (count > 1 and value >= before[1])
        if not too_high and abs(new_slope) <= -c2 * slope:
            bracket, done = [new], True
            break
        if too_high or new_slope >= 0:
            bracket = [before, new]
            break
        limits = (t + 0.01 * (t - before[0]), t * 10)
        t = cubic_minimum(before[0], before[1], before[3], t, value, new_slope, limits)
        before, new = new, point(t)
        count += 1
    else:
        bracket = [start, new]
    low = 0 if bracket[0][1] <= bracket[-1][1] else 1
    short = False  # whether the last interpolation came close to an end of the bracket
    while not done and count < evaluations:
        (a, b), high = (bracket[0][0], bracket[1][0]), 1 - low
        if abs(b - a) * longest < tolerance:
            break
        t = cubic_minimum(a, bracket[0][1], bracket[0][3], b, bracket[1][1], bracket[1][3])
        margin = 0.1 * (max(a, b) - min(a, b))
        if min(max(a, b) - t, t - min(a, b)) < margin:
            if short or t >= max(a, b) or t <= min(a, b):
                t = max(a, b) - margin if abs(t - max(a, b)) < abs(t - min(a, b)) else min(a, b) + margin
                short = False
            else:
                short = True
        else:
            short = False
        new = point(t)
        count += 1
        if new[1] > f + c1 * t * slope or new[1] >= bracket[low][1]:
            bracket[high] = new
            low = 0 if bracket[0][1] <= bracket[1][1] else 1
        else:
            if abs(new[3]) <= -c2 * slope:
                done = True
            elif new[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    t, value, gradient, _ = bracket[low]
    return value, gradient, t
