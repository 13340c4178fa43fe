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

from tinygrad6.op import case, derived, make_cache, op
from tinygrad6.ops.activations import relu, sigmoid
from tinygrad6.ops.pointwise import tanh
from tinygrad6.sums import add_up, column_sums


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


def _lstm_reference(x: Any, h: Any, c: Any, v: Any, w: Any, b: Any, cache: Any) -> Any:
    from tinygrad6.ops.join import cat, stack

    n, steps = h.shape[-1], []
    for t in range(x.shape[0]):
        z = x[t] @ v.t() + h @ w.t() + b
        i, f, o = sigmoid(z[..., :n]), sigmoid(z[..., n : 2 * n]), sigmoid(z[..., 3 * n :])
        c = f * c + i * tanh(z[..., 2 * n : 3 * n])
        h = o * tanh(c)
        steps.append(cat([h, c], -1))
    return stack(steps)


def _lstm_kernel(g, needs, x, h, c, v, w, out, cache):
    gates, cells, tanh_c = cache
    steps, batch, n = tanh_c.shape
    # What does not depend on later steps, for all steps at once: dz / dc of i, f, u and dz / dh of o.
    i, f, u, o = (gates[:, k] for k in range(4))
    dz = 1 - gates
    dz *= gates
    dz[:, 2] += 1 - u  # the slope of a sigmoid is s (1 - s), that of tanh 1 - u^2
    dz[:, 0] *= u
    dz[0, 1] *= c
    dz[1:, 1] *= cells[:-1]
    dz[:, 2] *= i
    dz[:, 3] *= tanh_c
    through = tanh_c * tanh_c
    np.subtract(1, through, out=through)
    through *= o
    late = g[:, :, n:].any((1, 2))  # of the cells most often the last alone is used, if any
    dh, dc, scratch = np.zeros_like(h), np.zeros_like(c), np.empty_like(h)
    rows = np.empty((steps, batch, 4, n), g.dtype)
    flat = rows.reshape(-1, 4 * n)
    for t in reversed(range(steps)):
        dh += g[t, :, :n]
        if late[t]:
            dc += g[t, :, n:]
        dc += np.multiply(dh, through[t], out=scratch)
        z = dz[t]
        z[:3] *= dc
        z[3] *= dh
        rows[t] = z.swapaxes(0, 1)
        np.matmul(rows[t].reshape(batch, 4 * n), w, out=dh)
        dc *= f[t]
    dw = None
    if needs[4]:
        dw = flat[:batch].T @ h
        dw += flat[batch:].T @ out[:-1].reshape(-1, 2 * n)[:, :n]
    return (
        (flat @ v).reshape(x.shape) if needs[0] else None,
        dh,
        dc,
        flat.T @ x.reshape(steps * batch, -1) if needs[3] else None,
        dw,
        column_sums(flat) if needs[5] else None,
    )


@op(
    derived,
    derived,
    derived,
    derived,
    derived,
    derived,
    reference=_lstm_reference,
    kernel=_lstm_kernel,
    prepare=make_cache,
    method=False,
    public=False,
    examples=[case((3, 2, 5), (2, 2), (2, 2), (8, 5), (8, 2), (8,))],
)
def lstm_scan(x, h, c, v, w, b, cache=None):
    """All steps of an LSTM: x (T, B, I), h, c (B, H), v (4H, I), w (4H, H), b (4H) -> (T, B, 2H): h and c.

    Gates in PyTorch's order i, f, g, o of z = x[t] v^T + h[t-1] w^T + b: c[t] = f c[t-1] + i g,
    h[t] = o tanh(c[t]). `cache` receives the gates (T, 4, B, H), c and tanh(c) for the kernel.
    """
    steps, batch, width = x.shape
    n = h.shape[-1]
    # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: scaled beforehand, all four gates are one tanh.
    # Each gate lies by itself in memory; the weights are turned, for BLAS is twice as fast on them so.
    half = np.array([0.5, 0.5, 1, 0.5], x.dtype)[:, None, None]
    v = (v.reshape(4, n, width) * half).transpose(2, 0, 1).reshape(width, 4 * n)
    w = np.ascontiguousarray((w.reshape(4, n, n) * half).swapaxes(1, 2))
    z = x.reshape(-1, width).dot(v).reshape(steps, batch, 4, n)
    gates = np.add(z.swapaxes(1, 2), b.reshape(4, 1, n) * half, order="C")
    scale = np.ascontiguousarray(np.broadcast_to(half, (4, batch, n)))
    shift = 1 - scale
    out = np.empty((steps, batch, 2 * n), x.dtype)
    cells, tanh_c = np.empty((2, steps, batch, n), x.dtype)
    hidden, new, product = np.array(h), np.empty_like(c), np.empty_like(scale)
    for t in range(steps):
        z, after = gates[t], cells[t]
        z += np.matmul(hidden, w, out=product)
        np.tanh(z, out=z)
        z *= scale
        z += shift
        i, f, u, o = z
        np.multiply(f, c, out=after)
        after += np.multiply(i, u, out=new)
        c = after
        np.tanh(c, out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=hidden)
        out[t, :, :n] = hidden
    out[:, :, n:] = cells
    if cache is not None:
        cache[:] = gates, cells, tanh_c
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
    gates, new, inner = cache
    steps, n = len(out), h.shape[-1]
    r, z = gates[:, :, :n], np.ascontiguousarray(gates[:, :, n:])
    # What does not depend on later steps, for all steps at once: du / dh, dz / dh and dr / du.
    to_new = 1 - np.square(new)
    to_new *= 1 - z
    to_z = np.concatenate([h[None], out[:-1]])
    to_z -= new
    to_z *= z
    to_z *= 1 - z
    to_r = 1 - r
    to_r *= r
    to_r *= inner
    da = np.empty((*g.shape[:2], 3 * n), g.dtype)
    du, dh, scratch = np.empty_like(g), np.zeros_like(h), np.empty_like(h)
    for t in reversed(range(steps)):
        dh += g[t]
        u, a = du[t], da[t]
        np.multiply(dh, to_new[t], out=u)
        np.multiply(u, to_r[t], out=a[:, :n])
        np.multiply(dh, to_z[t], out=a[:, n : 2 * n])
        np.multiply(u, r[t], out=a[:, 2 * n :])
        dh *= z[t]
        dh += np.matmul(a, w, out=scratch)
    dx = da.copy()
    dx[:, :, 2 * n :] = du
    flat, batch = da.reshape(-1, 3 * n), len(h)
    dw = None
    if needs[2]:
        dw = flat[:batch].T @ h
        dw += flat[batch:].T @ out[:-1].reshape(-1, n)
    return dx, dh, dw, column_sums(flat) if needs[3] else None


@op(
    derived,
    derived,
    derived,
    derived,
    reference=_gru_reference,
    kernel=_gru_kernel,
    prepare=make_cache,
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
    # Apart, the two sigmoids and the new state are contiguous; sigmoid(z) = tanh(z / 2) / 2 + 1 / 2.
    # (w turned once: BLAS is twice as fast on it at this size.)
    half = x.dtype.type(0.5)
    gates = x[:, :, : 2 * n] + b[: 2 * n]
    gates *= half
    new, inner = x[:, :, 2 * n :].copy(), np.empty((steps, batch, n), x.dtype)
    w_gates = np.multiply(w[: 2 * n].T, half, order="C")
    w_new, b_new = np.ascontiguousarray(w[2 * n :].T), np.repeat(b[None, 2 * n :], batch, 0)
    out, scratch = np.empty((steps, batch, n), x.dtype), np.empty_like(h)
    for t in range(steps):
        q, a, u, after = gates[t], inner[t], new[t], out[t]
        q += h.dot(w_gates)
        np.tanh(q, out=q)
        q *= half
        q += half
        np.matmul(h, w_new, out=a)
        a += b_new
        u += np.multiply(q[:, :n], a, out=scratch)
        np.tanh(u, out=u)
        np.subtract(h, u, out=after)  # (1 - z) u + z h = u + z (h - u)
        after *= q[:, n:]
        after += u
        h = after
    if cache is not None:
        cache[:] = gates, new, inner
    return out
