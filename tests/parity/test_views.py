"""What shares memory in PyTorch shares it here, and what does not, does not: seen by writing to either."""

from __future__ import annotations

import warnings

import pytest
from helpers import same

import tinygrad6

CALLS = [
    line
    for line in """
x.t()
x.T
x.mT
x.mT.mT
x.transpose(0, 1)
x.transpose(1, 1)
x.swapaxes(0, -1)
x.swapdims(0, 1)
x.permute(1, 0)
x.permute(0, 1)
x.movedim(0, 1)
x.moveaxis(1, 0)
x.adjoint()
x.view(-1)
x.view(2, 1, 4)
x.view(4, 2)
x.view_as(torch.ones(8))
x.view(torch.int64)
x.view(x.dtype)
x.reshape(8)
x.reshape(2, 4)
x.reshape(2, 2, 2)
x.reshape_as(torch.ones(4, 2))
x.t().reshape(8)
x.t().reshape(4, 1, 2)
x.flatten()
x.flatten(1)
x.t().flatten()
x.ravel()
x.t().ravel()
x[None].flatten(0, 1)
x.unflatten(1, (2, 2))
x[None]
x[..., None]
x[:, None]
x[0]
x[-1]
x[0, 1]
x[:, 1]
x[...]
x[:]
x[:, ::2]
x[1:, 1:3]
x[:, 3:]
x[2:]
x[0][1]
x[:, 1:][:, 1]
x.t()[1:].t()
x[[0, 1]]
x[torch.tensor([1, 0])]
x[x > 0]
x[:, [0]]
x[True]
x.select(1, 2)
x.narrow(1, 1, 2)
x.narrow(0, 0, 2)
x.narrow_copy(1, 1, 2)
x.unbind(1)[2]
x.unbind()[0]
x.split(2, 1)[1]
x.split([1, 3], 1)[1]
x.chunk(2, 1)[1]
x.tensor_split(3, 1)[0]
x.hsplit(2)[1]
x.vsplit(2)[1]
x[None].dsplit(2)[0]
x.unsqueeze(0)
x.unsqueeze(-1)
x.squeeze()
x.squeeze(0)
x[None].squeeze()
x[None].squeeze(0)
x[:, :1].squeeze(1)
x[None, None].squeeze((0, 1))
x.diagonal()
x.diagonal(1)
x.diagonal(-1)
x.diag()
x.diagflat()
x.unfold(1, 2, 2)
x.unfold(1, 2, 1)[:, 0]
x.unfold(1, 4, 1)
x.as_strided((2, 2), (4, 1), 1)
x.as_strided((3,), (2,))
x.expand(2, 4)
x.expand(1, 2, 4)
x.expand(3, 2, 4)[0]
x[:, :1].expand(2, 1)
x.expand_as(x)
x.broadcast_to((2, 4))
x.broadcast_to((1, 2, 4))
torch.broadcast_tensors(x, x)[0]
x.contiguous()
x.t().contiguous()
x.to(x.dtype)
x.to(torch.float64, copy=True)
x.double()
x.float()
x.type(torch.float64)
x.type_as(x)
x.cpu()
x.clone()
x.detach()
x.data
x.real
x.resolve_conj()
x.positive()
+x
x.flip(0)
x.roll(1, 1)
x.rot90()
x.repeat(1, 1)
x.tile(1)
x.repeat_interleave(1, 0)
x.take(torch.tensor([1, 0]))
x.index_select(0, torch.tensor([0, 1]))
x.gather(0, torch.zeros(1, 4, dtype=torch.int64))
x.masked_select(x > 0)
torch.cat([x])
torch.cat([x, x[:0]])
torch.stack([x])[0]
torch.hstack([x])
torch.atleast_1d(x)
torch.atleast_2d(x)
torch.atleast_3d(x)
torch.atleast_2d(x[0])
torch.meshgrid(x[0], x[1], indexing="ij")[0][:, 0]
torch.block_diag(x)
torch.asarray(x)
torch.as_tensor(x)
torch.squeeze(x)
torch.triu(x, -5)
torch.tril(x, 5)
torch.clamp(x, -100, 100)
torch.where(x > -100, x, x)
torch.nan_to_num(x)
x.sum_to_size(2, 4)
x.sum(())
x.masked_fill(x > 100, 0)
x.index_fill(1, torch.zeros(0, dtype=torch.int64), 0)
x.msort()
x[:1].cumsum(0)
x[:1].prod(0)
x[:1].sum(0)
x[:1].amax(0)
x[:1].max(0).values
x[:1].mean(0)
x[:1].logsumexp(0)
x[:, :1].median(1).values
x.float().double()
x.add(0)
x.mul(1)
x.pow(1)
x / 1
abs(x)
x.round(decimals=20)
x.trunc()
torch.linalg.matrix_power(x[:, :2], 1)
torch.linalg.multi_dot([x[:, :2], x[:, :2]])
torch.chain_matmul(x)
torch.einsum("ij->ij", x)
torch.einsum("ij->ji", x)
torch.tensordot(x, x, 0)[0, 0]
F.dropout(x, 0.0)
F.dropout(x, 0.5, False)
F.pad(x, (0, 0))
F.pad(x, (-1, 0))
F.relu(x)
F.hardtanh(x, -100, 100)
F.threshold(x, -100, 0)
F.normalize(x, p=1, dim=1)
F.avg_pool1d(x, 1)
F.max_pool1d(x, 1)
F.interpolate(x[None], 4)
F.interpolate(x[None], scale_factor=1.0, mode="linear")
F.adaptive_avg_pool1d(x, 4)
F.unfold(x[None, None], (1, 1))
F.fold(x[None, :1], (1, 4), (1, 1))
F.pixel_shuffle(x[:, None, None], 1)
F.pixel_unshuffle(x[:, None], 1)
F.channel_shuffle(x[None], 1)
F.channel_shuffle(x[None], 2)
F.linear(x, torch.eye(4).double())
F.embedding(torch.tensor([0, 1]), x)
F.layer_norm(x, (4,))
nn.Identity()(x)
nn.Flatten()(x)
nn.Flatten(0)(x)
nn.Unflatten(1, (2, 2))(x)
nn.Dropout(0.5).eval()(x)
""".splitlines()
    if line
]


def with_names(lib, line, x):
    return eval(line, {"torch": lib, "F": lib.nn.functional, "nn": lib.nn, "x": x})


def written_through(lib, line, x, first):
    """x * 1 and what the line makes of it, where one was changed; and a gradient through both."""
    base = x * 1
    made = with_names(lib, line, base)
    if not made.is_floating_point():
        return base, made, made.is_contiguous()
    changed, other = (made, base) if first == "made" else (base, made)
    changed.mul_(3)
    again = changed.sigmoid() if first == "made" else made.sigmoid()
    other.add_(1)
    return base, made, again, made.is_contiguous()


@pytest.mark.parametrize("first", ["made", "base"])
@pytest.mark.parametrize("line", CALLS)
def test_what_is_written_is_seen_where_pytorch_sees_it(line, first):
    x = tinygrad6.arange(8, dtype=tinygrad6.float64).reshape(2, 4).sub(3.25).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(written_through, line, x.detach(), first)
        try:
            same(written_through, line, x, first)
        except RuntimeError as e:  # PyTorch needed what was changed
            assert "modified by an inplace operation: [torch.DoubleTensor" in str(e)
