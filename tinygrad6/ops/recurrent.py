"""Recurrent layers as scans: one op runs a whole sequence, one kernel runs it backward.

The part of each step that does not depend on the state, x W_ih^T + b_ih, is one matrix product for all steps
and is done outside; so is the gradient of the recurrent weight, one product at the end. Higher derivatives
come from the references below, the textbook's step written with ordinary ops, which are also what the kernels
are tested against.

Sources: Hochreiter and Schmidhuber 1997 with Gers et al. 2000 (LSTM); Cho et al. 2014 (GRU); PyTorch's gate
order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6.op import case, derived, op
from tinygrad6.ops.pointwise import relu, sigmoid, tanh
from tinygrad6.sums import add_up


def _sigmoid_(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)) in place, as 0.5 tanh(0.5 z) + 0.5: vectorized, and it cannot overflow."""
    z *= z.dtype.type(0.5)
    np.tanh(z, out=z)
    z *= z.dtype.type(0.5)
    z += z.dtype.type(0.5)
    return z


# ---- Elman's network


def _rnn_reference(x: Any, h: Any, w: Any, b: Any, nonlinearity: str, cache: Any) -> Any:
    from tinygrad6.ops.join import stack

    steps, act = [], tanh if nonlinearity == "tanh" else relu
    for t in range(x.shape[0]):
        h = act(x[t] + h @ w.t() + b)
        steps.append(h)
    return stack(steps)


def _rnn_kernel(g, needs, x, h, w, out, nonlinearity):
    steps = len(x)
    dz = np.empty_like(out)
    dh = np.zeros_like(h)
    for t in reversed(range(steps)):
        dh = dh + g[t]
        y = out[t]
        dz[t] = dh * (1 - y * y) if nonlinearity == "tanh" else dh * (y > 0)
        dh = dz[t] @ w
    before = np.concatenate([h[None], out[:-1]])
    flat = dz.reshape(-1, dz.shape[-1])
    return (
        dz,
        dh if needs[1] else None,
        flat.T @ before.reshape(-1, h.shape[-1]) if needs[2] else None,
        add_up(flat, (0,)) if needs[3] else None,
    )


@op(
    derived,
    derived,
    derived,
    derived,
    reference=_rnn_reference,
    kernel=_rnn_kernel,
    method=False,
    public=False,
    examples=[case((3, 2, 4), (2, 4), (4, 4), (4,), nonlinearity="tanh", cache=None)],
)
def rnn_scan(x, h, w, b, nonlinearity, cache):
    """h[t] = act(x[t] + h[t-1] w^T + b) for all t: x (T, B, H), h (B, H), w (H, H), b (H) -> (T, B, H)."""
    out, wt = np.empty(x.shape, x.dtype), np.ascontiguousarray(w.T)
    for t in range(len(x)):
        z = out[t]
        np.matmul(h, wt, out=z)
        z += x[t]
        z += b
        if nonlinearity == "tanh":
            np.tanh(z, out=z)
        else:
            np.maximum(z, 0, out=z)
        h = z
    return out


# ---- long short-term memory


def _lstm_reference(x: Any, h: Any, c: Any, w: Any, b: Any, cache: Any) -> Any:
    from tinygrad6.ops.join import cat, stack

    n, steps = h.shape[-1], []
    for t in range(x.shape[0]):
        z = x[t] + h @ w.t() + b
        i, f, o = sigmoid(z[..., :n]), sigmoid(z[..., n : 2 * n]), sigmoid(z[..., 3 * n :])
        c = f * c + i * tanh(z[..., 2 * n : 3 * n])
        h = o * tanh(c)
        steps.append(cat([h, c], -1))
    return stack(steps)


def _lstm_kernel(g, needs, h, c, w, out, cache):
    gates, tanh_c = cache
    steps, batch, n = tanh_c.shape
    gates = gates.reshape(steps, batch, 4, n)
    i, f, u, o = (gates[:, :, k] for k in range(4))
    before = np.concatenate([c[None], out[:-1, :, n:]])
    # What does not depend on later steps, for all steps at once: dz / dc of i, f, u and dz / dh of o.
    dz = np.empty_like(gates)
    for k, outer, slope in (
        (0, u, i * (1 - i)),
        (1, before, f * (1 - f)),
        (2, i, 1 - u * u),
        (3, tanh_c, o * (1 - o)),
    ):
        np.multiply(outer, slope, out=dz[:, :, k])
    through = o * (1 - tanh_c * tanh_c)
    dh, dc = np.zeros_like(h), np.zeros_like(c)
    for t in reversed(range(steps)):
        dh += g[t, :, :n]
        dc += g[t, :, n:]
        dc += dh * through[t]
        z = dz[t]
        z[:, :3] *= dc[:, None]
        z[:, 3] *= dh
        np.matmul(z.reshape(batch, 4 * n), w, out=dh)
        dc *= f[t]
    dz = dz.reshape(steps, batch, 4 * n)
    flat = dz.reshape(-1, 4 * n)
    dw = None
    if needs[3]:
        dw = flat.T @ np.concatenate([h[None], out[:-1, :, :n]]).reshape(-1, n)
    return dz, dh, dc, dw, np.ones(len(flat), flat.dtype) @ flat if needs[4] else None


def _lstm_room(arrays: list, params: dict) -> None:
    params["cache"] = []


@op(
    derived,
    derived,
    derived,
    derived,
    derived,
    reference=_lstm_reference,
    kernel=_lstm_kernel,
    prepare=_lstm_room,
    method=False,
    public=False,
    examples=[case((3, 2, 8), (2, 2), (2, 2), (8, 2), (8,))],
)
def lstm_scan(x, h, c, w, b, cache=None):
    """All steps of an LSTM: x (T, B, 4H) = inputs times W_ih^T, h, c (B, H), w (4H, H), b (4H) -> (T, B, 2H):
    h and c.

    Gates in PyTorch's order i, f, g, o: c[t] = f c[t-1] + i g, h[t] = o tanh(c[t]). `cache` receives the
    gates and tanh(c) for the kernel.
    """
    steps, batch, width = x.shape
    n = width // 4
    # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: scaled beforehand, all four gates are one tanh.
    # (Matrices of batch rows, and a turned copy of w, since NumPy and BLAS are twice as fast on them.)
    half = np.full(width, 0.5, x.dtype)
    half[2 * n : 3 * n] = 1
    scale = np.repeat(half[None], batch, 0)
    shift = 1 - scale
    shift[:, 2 * n : 3 * n] = 0
    gates = x + b
    gates *= scale
    wt = np.multiply(w.T, half, order="C")
    out = np.empty((steps, batch, 2 * n), x.dtype)
    tanh_c = np.empty((steps, batch, n), x.dtype)
    for t in range(steps):
        z = gates[t]
        z += h.dot(wt)
        np.tanh(z, out=z)
        z *= scale
        z += shift
        after = out[t, :, n:]
        np.multiply(z[:, n : 2 * n], c, out=after)
        after += z[:, :n] * z[:, 2 * n : 3 * n]
        c = after
        np.tanh(c, out=tanh_c[t])
        h = out[t, :, :n]
        np.multiply(z[:, 3 * n :], tanh_c[t], out=h)
    if cache is not None:
        cache[:] = gates, tanh_c
    return out


# ---- gated recurrent unit


def _gru_reference(x: Any, h: Any, w: Any, b: Any, cache: Any) -> Any:
    from tinygrad6.ops.join import stack

    n, steps = h.shape[-1], []
    for t in range(x.shape[0]):
        a = h @ w.t() + b
        r, z = sigmoid(x[t][..., :n] + a[..., :n]), sigmoid(x[t][..., n : 2 * n] + a[..., n : 2 * n])
        u = tanh(x[t][..., 2 * n :] + r * a[..., 2 * n :])
        h = (1 - z) * u + z * h
        steps.append(h)
    return stack(steps)


def _gru_kernel(g, needs, h, w, out, cache):
    gates, inner = cache
    steps, n = len(out), h.shape[-1]
    dx, da = np.empty_like(gates), np.empty_like(gates)
    dh = np.zeros_like(h)
    for t in reversed(range(steps)):
        r, z, u = (gates[t, :, k * n : (k + 1) * n] for k in range(3))
        before = out[t - 1] if t else h
        dh = dh + g[t]
        du = dh * (1 - z) * (1 - u * u)
        dx[t, :, 2 * n :] = du
        dx[t, :, :n] = du * inner[t] * (r * (1 - r))
        dx[t, :, n : 2 * n] = dh * (before - u) * (z * (1 - z))
        da[t, :, : 2 * n] = dx[t, :, : 2 * n]
        da[t, :, 2 * n :] = du * r
        dh = dh * z
        dh += da[t] @ w
    flat = da.reshape(-1, 3 * n)
    dw = None
    if needs[2]:
        dw = flat.T @ np.concatenate([h[None], out[:-1]]).reshape(-1, n)
    return dx, dh, dw, np.ones(len(flat), flat.dtype) @ flat if needs[3] else None


@op(
    derived,
    derived,
    derived,
    derived,
    reference=_gru_reference,
    kernel=_gru_kernel,
    prepare=_lstm_room,
    method=False,
    public=False,
    examples=[case((3, 2, 6), (2, 2), (6, 2), (6,))],
)
def gru_scan(x, h, w, b, cache=None):
    """All steps of a GRU: x (T, B, 3H) = inputs times W_ih^T + b_ih, h (B, H), w (3H, H), b (3H)
    -> (T, B, H).

    Gates in PyTorch's order r, z, n: n = tanh(x_n + r (h W_hn^T + b_hn)), h[t] = (1 - z) n + z h[t-1].
    """
    steps, batch, width = x.shape
    n = width // 3
    out = np.empty((steps, batch, n), x.dtype)
    gates, inner = np.array(x), np.empty((steps, batch, n), x.dtype)
    wt = np.ascontiguousarray(w.T)  # turned once: BLAS is twice as fast on it at this size
    for t in range(steps):
        a = h.dot(wt)
        a += b
        q = gates[t]
        q[:, : 2 * n] += a[:, : 2 * n]
        _sigmoid_(q[:, : 2 * n])
        inner[t] = a[:, 2 * n :]
        u = q[:, 2 * n :]
        u += q[:, :n] * a[:, 2 * n :]
        np.tanh(u, out=u)
        z = q[:, n : 2 * n]
        h = u + z * (h - u)
        out[t] = h
    if cache is not None:
        cache[:] = gates, inner
    return out
