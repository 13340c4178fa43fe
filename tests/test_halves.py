"""float16: what is summed is summed in float32, forward and backward.

A sum of thousands of halves that is kept in a half loses its digits one by one, and stops growing at 2048.
Each call below has that many terms somewhere, and is held to the same in float64, with the halves' values.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.nn import functional as F

LONG = 4096
CALLS = {
    "sum": (lambda x: x.sum() / 8, [(LONG,)]),
    "sum of columns": (lambda x: x.sum(0) / 8, [(LONG, 2)]),
    "mean": (lambda x: x.mean(), [(LONG,)]),
    "mean of columns": (lambda x: x.mean(0), [(LONG, 2)]),
    "nansum": (lambda x: x.nansum() / 8, [(LONG,)]),
    "var": (lambda x: x.var(), [(LONG,)]),
    "std": (lambda x: x.std(0), [(LONG, 2)]),
    "norm": (lambda x: x.norm(), [(LONG,)]),
    "norm 1": (lambda x: x.norm(1) / 8, [(LONG,)]),
    "norm 3": (lambda x: x.norm(3, 0), [(LONG, 2)]),
    "logsumexp": (lambda x: x.logsumexp(0), [(LONG, 2)]),
    "softmax": (lambda x: x.softmax(0) * 1000, [(LONG, 2)]),
    "log_softmax": (lambda x: x.log_softmax(1), [(2, LONG)]),
    "matmul": (lambda x, y: x @ y / 8, [(3, LONG), (LONG, 2)]),
    "matmul, backward": (lambda x, y: x @ y, [(LONG, 3), (3, 2)]),
    "dot": (lambda x, y: x @ y / 8, [(LONG,), (LONG,)]),
    "bmm": (lambda x, y: x @ y / 8, [(2, 2, LONG), (2, LONG, 2)]),
    "einsum": (lambda x, y: torch.einsum("ij,kj->ik", x, y) / 8, [(3, LONG), (2, LONG)]),
    "linear": (lambda x, w, b: F.linear(x, w, b), [(LONG, 3), (2, 3), (2,)]),
    "bilinear": (lambda x, y, w: F.bilinear(x, y, w), [(LONG, 2), (LONG, 2), (3, 2, 2)]),
    "broadcast": (lambda x, y: x * y, [(LONG, 2), (2,)]),
    "add": (lambda x, y: x + y, [(LONG, 2), ()]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b) / 4, [(2, 3, LONG // 2), (2, 3, 3), (2,)]),
    "conv1d of one": (lambda x, w, b: F.conv1d(x, w, b) / 4, [(2, 3, LONG // 2), (2, 3, 1), (2,)]),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1) / 4, [(4, 2, 32, 32), (3, 2, 3, 3), (3,)]),
    "conv2d, channels": (lambda x, w: F.conv2d(x, w) / 8, [(1, 512, 4, 4), (2, 512, 3, 3)]),
    "conv2d, groups": (lambda x, w, b: F.conv2d(x, w, b, groups=2) / 4, [(4, 4, 32, 32), (4, 2, 3, 3), (4,)]),
    "conv2d, strides": (lambda x, w: F.conv2d(x, w, None, 2, 1, 2) / 4, [(4, 2, 64, 64), (2, 2, 3, 3)]),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2) / 4,
        [(4, 2, 32, 32), (2, 3, 3, 3), (3,)],
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (8,), w, b), [(LONG, 8), (8,), (8,)]),
    "layer_norm, wide": (lambda x: F.layer_norm(x, (LONG,)), [(2, LONG)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (8,), w), [(LONG, 8), (8,)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(4, 4, LONG // 4), (4,), (4,)]),
    "instance_norm": (lambda x: F.instance_norm(x), [(2, 2, LONG)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(LONG, 2), (2,), (2,)]),
    "prelu": (lambda x, w: F.prelu(x - 0.5, w), [(LONG, 2), (2,)]),
    "avg_pool": (lambda x: F.avg_pool2d(x, 64), [(1, 1, 64, 64)]),
    "adaptive_avg_pool": (lambda x: F.adaptive_avg_pool2d(x, 1), [(1, 1, 64, 64)]),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), [(LONG,), (LONG,)]),
    "l1_loss": (lambda x, y: F.l1_loss(x, y), [(LONG,), (LONG,)]),
    "smooth_l1_loss": (lambda x, y: F.smooth_l1_loss(x, y), [(LONG,), (LONG,)]),
    "kl_div": (lambda x, y: F.kl_div(x.log(), y, reduction="sum") / 64, [(LONG,), (LONG,)]),
    "bce": (lambda x, y: F.binary_cross_entropy_with_logits(x, y), [(LONG,), (LONG,)]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, torch.arange(LONG) % 4) * 8,
        [(LONG, 4)],
    ),
    "cumsum": (lambda x: x.cumsum(0) / 8, [(LONG,)]),
    "trace": (lambda x: x.trace(), [(64, 64)]),
    "index_add": (
        lambda x, y: x.index_add(0, torch.arange(LONG) % 2, y) / 8,
        [(2, 2), (LONG, 2)],
    ),
    "index": (lambda x: x[torch.arange(LONG) % 2], [(2, 2)]),
    "embedding": (lambda x: F.embedding(torch.arange(LONG) % 2, x), [(2, 2)]),
    "expand": (lambda x: x.expand(LONG, 2), [(2,)]),
}
FROM_RESULT = "logsumexp", "log_softmax"  # whose gradient is the exp of a result rounded to a half


@pytest.mark.parametrize("name", CALLS)
def test_sums_of_halves(name):
    call, shapes = CALLS[name]
    rng = np.random.default_rng(0)
    given = [rng.uniform(0.2, 0.9, s).astype(np.float16) for s in shapes]
    seen = []
    for kind in (torch.float16, torch.float64):
        tensors = [torch.from_numpy(a).to(kind).requires_grad_() for a in given]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = call(*tensors)
            g = torch.from_numpy(
                np.random.default_rng(1).uniform(0.1, 0.9, tuple(out.shape)).astype(np.float16)
            )
            found = [out, *torch.autograd.grad(out, tensors, g.to(kind) / 8)]
        assert all(t.dtype == kind for t in found)
        seen.append([t.detach().numpy().astype(np.float64) for t in found])
    for which, (half, exact) in enumerate(zip(*seen)):
        least = 1.2e-7  # two of the smallest halves
        error = np.maximum(np.abs(half - exact) - least, 0).max() / np.abs(exact).max()
        most = 1e-2 if which and name in FROM_RESULT else 2e-3
        assert error < most, f"{'value' if not which else f'gradient {which}'}: {error:.1e}"
