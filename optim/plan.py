"""Which parameters a step takes together, and on what arrays the rule is called.

An optimizer's rule costs a dozen NumPy calls whatever the length of the array, so for the parameters of a
small network nearly all of the time is the calls; and on an array larger than the cache each of the dozen
passes waits for memory. An elementwise rule does not care where one parameter ends and the next begins. So
small parameters are `Gathered` into one array, large ones (`Alone`) are cut into blocks that stay in the
cache from one pass to the next, and many blocks are shared among threads. What is computed for an element is
the same in each case, bit for bit.

All of this is planned once and kept as long as it fits: a step looks whether the arrays are still those of
the plan.
"""

from __future__ import annotations

import math
import operator
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad6 import threads
from tinygrad6.tensor import Tensor

if TYPE_CHECKING:
    from .optimizer import Optimizer

SMALL = 1 << 15  # parameters of fewer elements are gathered
BLOCK = 1 << 17  # elements on which a rule is called at once
SHARED = 1 << 18  # parameters of as many elements or more are shared among threads

_own = threading.local()


def _workspace(kind: np.dtype, n: int) -> np.ndarray:
    """Two arrays of n elements or more, this thread's own: fresh memory costs more than the arithmetic."""
    found = _own.__dict__.get(kind.name)
    if found is None or found.shape[1] < n:
        found = _own.__dict__[kind.name] = np.empty((2, n), kind)
    return found


def _overlap(arrays: list[np.ndarray]) -> bool:
    """Whether the memory of two arrays may overlap: between first and last byte, strides not looked into."""
    spans = sorted(np.lib.array_utils.byte_bounds(a) for a in arrays if a.size)
    return any(end > start for (_, end), (start, _) in zip(spans, spans[1:]))


class _Unit:
    """Parameters at the same count that step together; `kept` and `seen` tell if their state was changed."""

    def __init__(self, opt: Optimizer, params: list[Tensor], slots: tuple[str, ...], new: bool) -> None:
        self.params, self.counters, self.new = params, opt.counters, new  # not opt itself: no cycle
        self.states = [opt.state[p] for p in params] if opt.counters or slots else []
        self.arrays = [p.array for p in params]
        self.kept: list[tuple[dict, str, np.ndarray]] = []
        # The counters lie side by side: one call adds 1 to them all, and one comparison finds a changed one.
        kind = self.states[0][opt.counters[0]].array.dtype if opt.counters else np.float32
        self.counts = np.empty((len(opt.counters), len(params)), kind)
        for name, row in zip(opt.counters, self.counts):
            for i, s in enumerate(self.states):
                self._move(s, name, row[i : i + 1].reshape(()))
        self.seen = self.counts.tobytes()

    def _move(self, state: dict, name: str, to: np.ndarray) -> None:
        """Let a tensor of the state, still the same object, live in another array from now on."""
        to[...] = state[name].array
        self._keep(state, name, to)

    def _keep(self, state: dict, name: str, array: np.ndarray) -> None:
        state[name].array = array
        self.kept.append((state, name, array))

    def intact(self, state_of: dict[Tensor, dict]) -> bool:
        """Whether parameters and state lie where they lay, and the counters are as the step left them."""
        if self.counts.tobytes() != self.seen:
            return False
        for p, a in zip(self.params, self.arrays):
            if p.array is not a:
                return False
        for p, s in zip(self.params, self.states):
            if state_of.get(p) is not s:
                return False
        for s, name, a in self.kept:
            tensor = s.get(name)
            if tensor is None or tensor.array is not a:
                return False
        return True

    def _count(self) -> dict[str, Any]:
        """Add 1 to the steps; the counters by name, the others as NumPy's numbers of their dtype."""
        t: dict[str, Any] = {"new": self.new}
        self.new = False
        if len(self.counts):
            self.counts[0] += 1
            t["step"] = self.counts.item(0)
            for name, row in zip(self.counters[1:], self.counts[1:]):
                t[name] = row[0]
        return t

    def _close(self, opt: Optimizer, t: dict[str, Any], group: dict[str, Any]) -> None:
        """Move the other counters on, after the rule."""
        if len(self.counts) > 1:
            opt.after(t, group)
            for name, row in zip(self.counters[1:], self.counts[1:]):
                row[...] = t[name]
        self.seen = self.counts.tobytes()


class Gathered(_Unit):
    """Small parameters of one dtype: gradients and values are copied into common arrays, and back out.

    Their state lives in common arrays. The parameters do not: others may hold views of their memory.
    """

    def __init__(self, opt: Optimizer, params: list[Tensor], slots: tuple[str, ...], new: bool) -> None:
        super().__init__(opt, params, slots, new)
        ends = np.cumsum([a.size for a in self.arrays]).tolist()
        kind, n = self.arrays[0].dtype, ends[-1]
        places = [slice(end - a.size, end) for a, end in zip(self.arrays, ends)]
        theta, g = np.empty((2, n), kind)
        self.thetas, self.grads = (
            [flat[i].reshape(a.shape) for i, a in zip(places, self.arrays)] for flat in (theta, g)
        )
        buffers = {name: np.empty(n, kind) for name in slots}
        for name, buffer in buffers.items():
            for s, i, a in zip(self.states, places, self.arrays):
                self._move(s, name, buffer[i].reshape(a.shape))
        x, y = np.empty((2, min(n, BLOCK)), kind)
        self.blocks = [
            (theta[b], g[b], {k: v[b] for k, v in buffers.items()}, x[: theta[b].size], y[: theta[b].size])
            for b in (slice(i, i + BLOCK) for i in range(0, n, BLOCK))
        ]

    def step(self, opt: Optimizer, group: dict[str, Any]) -> None:
        for view, p in zip(self.grads, self.params):
            view[...] = p._grad.array  # type: ignore[union-attr]
        for view, a in zip(self.thetas, self.arrays):
            view[...] = a
        t = self._count()
        for theta, g, s, x, y in self.blocks:
            opt.rule(theta, g, s, t, group, x, y)
        self._close(opt, t, group)
        for view, p in zip(self.thetas, self.params):
            p.array[...] = view
            p.bump()


class Alone(_Unit):
    """One parameter: the rule is called on it where it is, in blocks if that may be."""

    def __init__(self, opt: Optimizer, params: list[Tensor], slots: tuple[str, ...], new: bool) -> None:
        super().__init__(opt, params, slots, new)
        (a,) = self.arrays
        values = {name: self.states[0][name].array for name in slots}
        for name, value in values.items():
            self._keep(self.states[0], name, value)
        self.flat = opt.elementwise and all(v.flags.c_contiguous for v in (a, *values.values()))
        # For 0-d arrays NumPy's results are no arrays: they are seen as one-element ones.
        view = (lambda v: v.reshape(-1)) if self.flat else np.atleast_1d
        self.theta, self.slots = view(a), {name: view(v) for name, v in values.items()}

    def step(self, opt: Optimizer, group: dict[str, Any]) -> None:
        (p,), theta, slots = self.params, self.theta, self.slots
        t, n, rule = self._count(), theta.size, opt.rule
        g = p._grad.array.reshape(theta.shape)  # type: ignore[union-attr]
        if n > BLOCK and self.flat:

            def work(start: int, stop: int) -> None:
                x, y = _workspace(theta.dtype, BLOCK)
                with np.errstate(all="ignore"):  # is each thread's own
                    for i in range(start * BLOCK, min(stop * BLOCK, n), BLOCK):
                        b = slice(i, min(i + BLOCK, n))
                        k = b.stop - i
                        rule(
                            theta[b], g[b], {name: v[b] for name, v in slots.items()}, t, group, x[:k], y[:k]
                        )

            threads.share(work, math.ceil(n / BLOCK), worth=n >= SHARED)
        elif n:
            x, y = _workspace(theta.dtype, n) if n <= BLOCK else np.empty((2, n), theta.dtype)
            rule(theta, g, slots, t, group, x[:n].reshape(theta.shape), y[:n].reshape(theta.shape))
        self._close(opt, t, group)
        p.bump()


class Plan:
    """How the parameters of a group that have gradients are stepped."""

    def __init__(self, opt: Optimizer, group: dict[str, Any], params: list[Tensor]) -> None:
        self.params, self.slots = params, opt.slots_of(group, params[0])
        once = {id(p): p for p in params}
        # One by one if one is there twice, or two share memory: each starts from the other's result.
        gather = opt.elementwise and len(once) == len(params) and not _overlap([p.array for p in params])
        alike: dict[Any, list[Tensor]] = {}
        for p in once.values():
            new = opt.prepare(p, group)
            counts = [opt.state[p][c].array for c in opt.counters]
            key: Any = (p.array.dtype, new, *((c.dtype, c.item()) for c in counts))
            if not gather or p.array.size >= SMALL:
                key = id(p), new
            alike.setdefault(key, []).append(p)
        self.units: list[Gathered | Alone] = [
            (Gathered if len(some) > 1 else Alone)(opt, some, opt.slots_of(group, some[0]), key[1])
            for key, some in alike.items()
        ]
        if len(once) != len(params):
            of = {id(unit.params[0]): unit for unit in self.units}
            self.units = [of[id(p)] for p in params]

    def fits(self, params: list[Tensor], slots: tuple[str, ...], state_of: dict[Tensor, dict]) -> bool:
        """Whether these are the parameters and slots it was made for, and nothing was moved since."""
        return (
            slots == self.slots
            and len(params) == len(self.params)
            and all(map(operator.is_, params, self.params))
            and all([unit.intact(state_of) for unit in self.units])
        )
