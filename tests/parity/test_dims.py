"""Every function that goes along a dimension, along each of those of (2, 3, 4), counted from both ends."""

from __future__ import annotations

import warnings

import pytest
from helpers import same
from running import floats

CALLS = [
    line
    for line in """
torch.all(v > 0, d)
torch.amax(v, d)
torch.aminmax(v, dim=d)
torch.any(v > 0, d, True)
torch.argmax(v, d)
torch.argmin(v, d, True)
torch.argsort(v, d)
torch.cat([v, v * 2], d)
torch.chunk(v, 2, d)
torch.count_nonzero(v, d)
torch.cross(v.movedim(1, d), v.movedim(1, d).flip(d), d)
torch.cummax(v, d)
torch.cummin(v, d)
torch.cumprod(v, d)
torch.cumsum(v, d)
torch.cumulative_trapezoid(v, dim=d)
torch.cumulative_trapezoid(v, at, dim=d)
torch.diff(v, 1, d)
torch.diff(v, 1, d, v.narrow(d, 0, 1), v.narrow(d, 1, 1) * 2)
torch.flip(v, (d,))
torch.gather(v, d, v.argsort(d))
torch.gradient(v, dim=d)
torch.gradient(v, dim=d, spacing=(at,))
torch.index_add(v, d, k, v * 2)
torch.index_copy(v, d, k, v * 2)
torch.index_fill(v, d, k[:1], 2.0)
torch.index_reduce(v, d, k * 0, v, "prod")
torch.index_select(v, d, k)
torch.kthvalue(v, 2, d)
torch.logcumsumexp(v, d)
torch.logsumexp(v, d)
torch.log_softmax(v, d)
torch.max(v, d)
torch.mean(v, d, True)
torch.median(v, d)
torch.min(v, d, True)
torch.mode((v * 2).round(), d)
torch.moveaxis(v, 0, d)
torch.movedim(v, d, 1)
torch.nanmean(v, d)
torch.nanmedian(v, d)
torch.nanquantile(v, 0.3, d)
torch.nansum(v, d)
torch.narrow(v, d, 1, 1)
torch.norm(v, 3, d)
torch.prod(v, d)
torch.quantile(v, torch.tensor([0.1, 0.6]).double(), d)
torch.renorm(v, 2, d, 1.0)
torch.repeat_interleave(v, 2, d)
torch.repeat_interleave(v, k + 1, d)
torch.roll(v, 1, d)
torch.scatter(v, d, v.argsort(d), v * 2)
torch.scatter_add(v, d, v.argsort(d) // 2, v * 2)
torch.scatter_reduce(v, d, v.argsort(d) // 2, v * 2, "amax")
torch.select(v, d, 1)
torch.select_scatter(v, v.select(d, 0) * 2, d, 1)
torch.slice_scatter(v, v.narrow(d, 0, 1) * 2, d, 1, 2)
torch.softmax(v, d)
torch.sort(v, d, True)
torch.split(v, 1, d)
torch.stack([v, v * 2], d)
torch.std(v, d)
torch.std_mean(v, d)
torch.sum(v, d)
torch.swapaxes(v, 0, d)
torch.take_along_dim(v, v.argsort(d), d)
torch.tensor_split(v, 2, d)
torch.tensordot(v, v, ([d], [d]))
torch.topk(v, 2, d)
torch.transpose(v, d, 1)
torch.trapezoid(v, dim=d)
torch.trapezoid(v, at, dim=d)
torch.unbind(v, d)
torch.unflatten(v, d, (1, -1))
torch.unique(v.detach().round(), dim=d)
torch.unique_consecutive(v.detach().round(), dim=d)
torch.unsqueeze(v, d)
torch.var(v, d)
torch.var_mean(v, d, keepdim=True)
torch.linalg.vecdot(v, v * 2, dim=d)
torch.linalg.vector_norm(v, 3, d)
v.unfold(d, 2, 1)
F.cosine_similarity(v, v * 2 + 1, d)
F.glu(v.repeat_interleave(2, d), d)
F.normalize(v, 2, d)
F.softmin(v, d)
""".splitlines()
    if line
]


@pytest.mark.parametrize("line", CALLS)
def test_along_each_dimension(line):
    v = floats(2, 3, 4).requires_grad_()

    def run(lib, v, d):
        n = v.shape[d]
        at, k = lib.arange(n).double().square() + 1, lib.arange(n).flip(0)
        return eval(line, {"torch": lib, "F": lib.nn.functional, "v": v, "d": d, "at": at, "k": k})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for d in range(-3, 3):
            same(run, v, d)


SETS = [
    line
    for line in """
torch.all(v > 0, d, k)
torch.amax(v, d, k)
torch.amin(v, d, k)
torch.any(v > 0, d, k)
torch.count_nonzero(v, d)
torch.flip(v, d)
torch.linalg.vector_norm(v, 3, d, k)
torch.linalg.vector_norm(v, float("inf"), d, k)
torch.logsumexp(v, d, k)
torch.mean(v, d, k)
torch.nanmean(v, d, k)
torch.nansum(v, d, k)
torch.norm(v, 1, d, k)
torch.roll(v, (1,) * len(d), d)
torch.squeeze(v[:1], d)
torch.std(v, d, keepdim=k)
torch.std_mean(v, d, correction=0, keepdim=k)
torch.sum(v, d, k)
torch.sum(n, d, k)
torch.sum(v > 0, d, k)
torch.sum(v.half(), d, k)
torch.mean(v.half(), d, k)
torch.var(v, d, keepdim=k)
torch.var_mean(v, d, correction=2, keepdim=k)
torch.movedim(v, d, tuple(range(len(d))))
torch.tensordot(v, v, (d, d))
""".splitlines()
    if line
]


# of no dimensions PyTorch reduces all, and has the gradients of none
OWN = ("torch.std", "torch.var", "torch.logsumexp")


@pytest.mark.parametrize("line", SETS)
def test_along_sets_of_dimensions(line):
    v, n = floats(2, 3, 2).requires_grad_(), (floats(2, 3, 2) * 5).int()

    def run(lib, v, n, d, k):
        return eval(line, {"torch": lib, "v": v, "n": n, "d": d, "k": k})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for d in ((), (0,), (-1,), (0, 1), (2, 0), (-2, -1), (0, 1, 2), (2, -2, 0), (1, 1), (0, 3)):
            for k in (False, True):
                if d or not line.startswith(OWN):
                    same(run, v, n, d, k)
