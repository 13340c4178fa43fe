"""Connectionist temporal classification: the probability of a sequence of labels,
summed over all its alignments.

Labels are written with blanks between and around them; a path through that row of 2S + 1 states may stay, go
to the next state, or skip a blank between two different labels. `alpha` sums over the paths that lead to a
state, `beta` over those that go on from it, both in logarithms, where LOW stands for log 0 so that no
infinities meet.

Source: Graves, Fernandez, Gomez and Schmidhuber 2006, sections 4.1 and 4.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.op import case, derived, make_cache, op
from tinygrad6.ops.gather import gather_along
from tinygrad6.ops.choose import where

LOW = -1e30


def _states(t: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of all states (N, 2S + 1), and where a path may come from two states before."""
    n, s = t.shape
    labels = np.full((n, 2 * s + 1), blank, np.int64)
    labels[:, 1::2] = t
    skip = np.zeros(labels.shape, bool)
    skip[:, 3::2] = t[:, 1:] != t[:, :-1]
    return labels, skip


def _shifted(a: np.ndarray, by: int) -> np.ndarray:
    """a (N, L) moved along its rows, LOW where nothing comes in."""
    out = np.full_like(a, LOW)
    if by > 0:
        out[:, by:] = a[:, :-by]
    else:
        out[:, :by] = a[:, -by:]
    return out


def _ends(lengths: np.ndarray, steps: np.ndarray) -> tuple[tuple, tuple]:
    """Where the last blank and the last label are in alpha (T, N, L), at the last step of each sequence."""
    n, last = np.arange(len(lengths)), np.maximum(steps - 1, 0)
    return (last, n, 2 * lengths), (last, n, np.maximum(2 * lengths - 1, 0))


def _ctc_reference(x: Any, t: Any, steps: Any, lengths: Any, blank: int, cache: Any) -> Any:
    from tinygrad6.ops.join import stack
    from tinygrad6.ops.softmax import logsumexp
    from tinygrad6.tensor import wrap

    t, steps, lengths = (getattr(a, "array", a) for a in (t, steps, lengths))
    labels, skip = _states(t, blank)
    width = labels.shape[1]
    emitted = gather_along(x, wrap(np.broadcast_to(labels, (x.shape[0], *labels.shape)).copy()), 2)
    states = np.arange(width)
    alpha = where(wrap(states < 2), emitted[0], LOW)
    alphas = [alpha]
    for k in range(1, x.shape[0]):
        before = [alpha]
        for by, allowed in ((1, states >= 1), (2, skip)):
            moved = alpha[:, wrap(np.maximum(states - by, 0))]
            before.append(where(wrap(np.broadcast_to(allowed, labels.shape).copy()), moved, LOW))
        alpha = logsumexp(stack(before), 0) + emitted[k]
        alphas.append(alpha)
    blank_end, label_end = (stack(alphas)[tuple(map(wrap, i))] for i in _ends(lengths, steps))
    label_end = where(wrap(lengths > 0), label_end, LOW)
    return where(
        wrap(steps > 0), -logsumexp(stack([blank_end, label_end]), 0), wrap(_without_steps(lengths, x))
    )


def _without_steps(lengths: np.ndarray, x: Any) -> np.ndarray:
    """The loss of a sequence of no steps: 0 if it has no labels, else there is no alignment."""
    return np.where(lengths > 0, -LOW, 0.0).astype(getattr(x, "array", x).dtype)


def _ctc_kernel(g, needs, x, steps, lengths, out, cache):
    alpha, labels, skip = cache
    rows = np.arange(len(steps))
    dx = np.zeros_like(x)
    beta = np.full(alpha.shape[1:], LOW, x.dtype)
    first, second = _ends(lengths, steps)
    onward = np.zeros_like(skip)  # may a path go two states on?
    onward[:, :-2] = skip[:, 2:]
    for k in reversed(range(len(x))):
        if k + 1 < len(x):
            after = beta + x[k + 1][rows[:, None], labels]
            beta = np.logaddexp(after, _shifted(after, -1))
            beta = np.logaddexp(beta, np.where(onward, _shifted(after, -2), LOW))
        last = steps - 1 == k
        if last.any():
            beta[last] = LOW
            for i in (first[2], second[2]):
                beta[rows[last], i[last]] = 0
        posterior = np.exp(alpha[k] + beta + out[:, None])
        posterior *= np.where(k < steps, g, 0)[:, None]
        for s in range(labels.shape[1]):
            dx[k, rows, labels[:, s]] -= posterior[:, s]
    return dx, None, None, None


@op(
    derived,
    None,
    None,
    None,
    reference=_ctc_reference,
    kernel=_ctc_kernel,
    prepare=make_cache,
    method=False,
    public=False,
    node_name="CtcLoss",
    examples=[
        case(
            (5, 2, 4),
            lambda rng: np.array([[1, 2, 2], [3, 1, 1]]),
            lambda rng: np.array([5, 4]),
            lambda rng: np.array([3, 2]),
            blank=0,
        ),
        case(
            (3, 2, 3),
            lambda rng: np.array([[1], [0]]),
            lambda rng: np.array([2, 3]),
            lambda rng: np.array([1, 0]),
            blank=2,
        ),
    ],
)
def ctc_rows(x, t, steps, lengths, blank, cache=None):
    """-log P(t) under log-probabilities x (T, N, C) for labels t (N, S), of each of N sequences.

    steps (N) and lengths (N) say how many steps of x and labels of t count. About 1e30 where no alignment
    exists. `cache` receives what the kernel needs.
    """
    labels, skip = _states(t, blank)
    emitted = x[:, np.arange(x.shape[1])[:, None], labels]
    alpha = np.empty_like(emitted)
    alpha[0] = LOW
    alpha[0, :, :2] = emitted[0, :, :2]
    for k in range(1, len(x)):
        a = np.logaddexp(alpha[k - 1], _shifted(alpha[k - 1], 1))
        a = np.logaddexp(a, np.where(skip, _shifted(alpha[k - 1], 2), LOW))
        np.add(a, emitted[k], out=alpha[k])
    blank_end, label_end = (alpha[i] for i in _ends(lengths, steps))
    losses = -np.logaddexp(blank_end, np.where(lengths > 0, label_end, LOW))
    losses = np.where(steps > 0, losses, _without_steps(lengths, x))
    if cache is not None:
        cache[:] = alpha, labels, skip
    return losses.astype(x.dtype, copy=False)
