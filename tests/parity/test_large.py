"""Sizes at which another way is taken: blocks, threads, sums in parts, other layouts of windows.

Each call is made by both libraries in float32 and by PyTorch in float64. The last tells how far the two are
off, in value and gradients: we may be three times as far off as PyTorch is.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch

import tinygrad6

EPS = float(np.finfo(np.float32).eps)
# x, y: sizes as given; p: positive; t is the library, f its nn.functional, i(n, *size) draws numbers below n,
# b(*size) bools
CALLS = {
    (700, 900): """
        x.exp() | x.sin() | x.tanh() | x.sigmoid() | t.erf(x) | p.log() | p.rsqrt() | t.lgamma(p)
        f.gelu(x) | f.silu(x) | f.softplus(x) | f.elu(x) | f.mish(x) | f.hardswish(x) | f.leaky_relu(x)
        x.clamp(-0.5, 0.7) | x + y | x / p | p ** y | t.maximum(x, y) | t.atan2(x, y) | t.where(x > y, x, y)
        t.lerp(x, y, 0.3) | x * y[0] | x / p[:, :1] | t.addcdiv(x, y, p, value=0.5)
        x.masked_fill(b(700, 900), 2.0) | x[b(700, 900)] | x.sum(0) | x.sum(1) | (x * x).sum() | p.mean(0)
        p.mean(1) | x.var(0) | x.var(1) | x.std() | x.norm(dim=0) | x.norm(dim=1) | x.norm() | x.amax(0)
        x.amax(1) | x.max(1)[0] | x.median(1)[0] | (1 + x / 99).prod(1) | x.cumsum(0) | x.cumsum(1)
        (1 + x / 99).cumprod(1) | x.logcumsumexp(1) | x.logsumexp(0) | x.logsumexp(1) | x.softmax(0)
        x.softmax(1) | x.log_softmax(0) | x.log_softmax(1) | x.sort(1)[0] | x.topk(20, 1)[0]
        x.quantile(0.3, 1) | f.normalize(x, dim=1) | f.glu(x) | x.tril() | f.cosine_similarity(x, y)
        f.mse_loss(x, y) | f.smooth_l1_loss(x, y) | f.l1_loss(x, y)
        f.binary_cross_entropy_with_logits(x, y.sigmoid())
        f.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean") | f.cross_entropy(x, i(900, 700))
        f.cross_entropy(x, i(900, 700), label_smoothing=0.1) | f.layer_norm(x, (900,), y[0], y[1])
        f.rms_norm(x, (900,), y[0]) | f.linear(x, y[:50], p[0, :50])
        f.batch_norm(x, None, None, y[0], y[1], True) | x @ y.T | t.cov(x) | t.cat([x, y], 1)
        t.stack([x, y]) | x.gather(1, i(900, 700, 300)) | x.scatter_add(1, i(900, 700, 300), y[:, :300])
        x.index_select(1, i(900, 400)) | x.index_add(0, i(700, 700), y) | f.embedding(i(700, 300, 9), x)
        x.take(i(9000, 700, 300)) | x.diff() | f.embedding_bag(i(700, 300, 9), x)
        x.scatter_reduce(1, i(900, 700, 300), y[:, :300], "mean") | x[i(700, 2000)]
    """,
    (70_000, 9): """
        f.cross_entropy(x, i(9, 70_000)) | f.nll_loss(x, i(9, 70_000)) | x.softmax(1) | x.log_softmax(1)
        x.var(0) | f.layer_norm(x, (9,), y[0], y[1]) | f.batch_norm(x, None, None, y[0], y[1], True)
        x.logsumexp(1) | x.sum(0) | x.mean(1) | f.linear(x, y[:5]) | x[:5].index_add(0, i(5, 70_000), y)
        f.embedding(i(5, 70_000), x[:5])
    """,
    (40, 60, 150): """
        x.sum((0, 1)) | p.mean((1, 2)) | x.sum((0, 2)) | x.var((0, 2)) | x.logsumexp((1, 2))
        x.amax((0, 2)) | x.softmax(0) | x.softmax(1) | x.softmax(2) | x.cumsum(1) | x @ y.transpose(1, 2)
        x @ y[0].T | t.einsum("bij,bkj->bik", x, y) | f.layer_norm(x, (60, 150))
        f.conv1d(x, y[:8, :, :5], padding=2) | f.max_pool1d(x, 3, 2, 1)
        f.scaled_dot_product_attention(x, y, p) | f.interpolate(x, scale_factor=2)
    """,
    (20, 16, 30, 32): """
        f.conv2d(x, y[:8, :, :3, :3], y[0, :8, 0, 0], padding=1) | f.conv2d(x, y[:8, :, :3, :3], stride=2)
        f.conv2d(x, y[:8, :, :3, :3], dilation=2) | f.conv2d(x, y[:8, :4, :3, :3], groups=4, padding=1)
        f.conv2d(x, y[:8, :, :1, :1]) | f.conv2d(x, y[:16, :1, :3, :3], padding=1, groups=16)
        f.conv_transpose2d(x, y[:16, :8, :3, :3], stride=2, padding=1) | f.max_pool2d(x, 2)
        f.max_pool2d(x, 3, 2, 1) | f.avg_pool2d(x, 3, 1, 1) | f.adaptive_avg_pool2d(x, (7, 5))
        f.adaptive_max_pool2d(x, (7, 5)) | f.interpolate(x, scale_factor=2, mode="bilinear")
        f.interpolate(x, size=(50, 47), mode="bicubic") | f.pad(x, (1, 2, 3, 4), mode="reflect")
        f.unfold(x, 3, padding=1) | f.pixel_shuffle(x, 2) | x.flip(2, 3)
        f.batch_norm(x, None, None, y[0, :, 0, 0], y[0, :, 1, 1], True) | f.group_norm(x, 4)
        f.instance_norm(x) | f.local_response_norm(x, 5) | f.prelu(x, y[0, :, 0, 0])
        x.roll((3, 5), (2, 3)) | x.softmax(1) | f.cross_entropy(x, i(16, 20, 30, 32))
        f.grid_sample(x, y[:, :2].permute(0, 2, 3, 1).tanh(), align_corners=False)
    """,
}
ALL = [
    pytest.param(size, call.strip(), id=call.strip())
    for size, text in CALLS.items()
    for line in text.strip().splitlines()
    for call in line.split("|")
]


@functools.cache
def drawn(size: tuple, number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(size)


def results(library, dtype: str, transposed: bool, size: tuple, call: str) -> list:
    """The value and the gradients of x, y and p, None where there are none."""
    given = [drawn(size, 0), drawn(size, 1), np.abs(drawn(size, 2)) + 0.3]
    if transposed:
        given = [a.T.copy().T for a in given]
    x, y, p = leaves = [library.from_numpy(a.astype(dtype)).requires_grad_() for a in given]
    rng = np.random.default_rng(3)
    names = {
        "t": library,
        "f": library.nn.functional,
        "i": lambda n, *size: library.from_numpy(rng.integers(0, n, size)),
        "b": lambda *size: library.from_numpy(rng.random(size) > 0.5),
    }
    out = eval(call, names | {"x": x, "y": y, "p": p})
    cotangent = np.random.default_rng(4).standard_normal(tuple(out.shape)) if out.ndim else np.ones(())
    out.backward(library.from_numpy(cotangent.astype(dtype)))
    return [out.detach().numpy(), *(None if a.grad is None else a.grad.numpy() for a in leaves)]


@pytest.mark.parametrize("transposed", [False, True], ids=["", "transposed"])
@pytest.mark.parametrize(("size", "call"), ALL)
def test_as_exact_as_pytorch(size, call, transposed):
    ours, theirs, exact = (
        results(library, dtype, transposed, size, call)
        for library, dtype in ((tinygrad6, "f"), (torch, "f"), (torch, "d"))
    )
    for a, b, true in zip(ours, theirs, exact, strict=True):
        if true is None:
            assert a is None
            continue
        assert a.shape == b.shape and a.dtype == b.dtype
        assert (np.isfinite(a) == np.isfinite(b)).all()
        ours_off, theirs_off = np.abs(a - true), np.abs(b - true)
        scale = math.sqrt(np.mean(np.square(true)))
        assert ours_off.max() <= 3 * theirs_off.max() + 5 * EPS * scale


def test_an_error_would_be_seen():
    x = drawn((700, 900), 0)
    exact = np.exp(x)
    off = np.abs(exact.astype(np.float32) - exact).max()
    wrong = np.abs(np.exp(x * (1 + 1e-5)) - exact).max()
    assert wrong > 3 * off + 5 * EPS * math.sqrt(np.mean(np.square(exact)))
