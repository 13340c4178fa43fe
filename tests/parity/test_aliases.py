"""Which results are the argument itself, its view, or a copy: what a write does to the argument."""

from __future__ import annotations

import pytest

import tinygrad6
import torch

CALLS = """
x.view(-1) | x.reshape(-1) | x.T.T | x.expand(2, 2, 3) | x[None] | x[0] | x[...] | x[:, ::2] | x[[0]]
x[t.tensor(0)] | x[True] | x.flatten() | x.ravel() | x.contiguous() | x.to(x.dtype) | x.float() | x.double()
x.cpu() | x.to(t.float32, copy=True) | x.type_as(x) | x.clone() | x.detach() | x.data | x.squeeze()
x.chunk(1)[0] | x.split(5)[0] | x.unbind(0)[0] | x.diagonal() | x.real | x.movedim(0, 0) | x.view_as(x)
t.atleast_1d(x) | t.as_tensor(x) | t.tensor(x) | nn.Flatten()(x) | nn.Identity()(x)
F.dropout(x, 0.5, False) | nn.Dropout(0.5).eval()(x) | F.dropout(x, 0.0, True) | F.relu(x) | F.relu(x, True)
x.positive() | x.repeat(1, 1, 1) | x.repeat(1, 1, 1, 1) | x.tile(1) | x.repeat_interleave(1)
x.repeat_interleave(1, 0) | x.roll(0, 0) | x.flip(0) | x.flip([]) | x.rot90(0) | t.cat([x])
t.stack([x])[0] | t.hstack([x]) | t.vstack([x]) | t.column_stack([x[0]]) | x.masked_fill(x < -1, 0.0)
x.index_select(0, t.arange(2)) | nn.Parameter(x) | nn.Parameter(x).data | t.from_numpy(x.numpy())
x.new_tensor(x) | x.transpose(0, 1).reshape(-1) | F.pad(x, (0, 0)) | F.pad(x, ())
F.interpolate(x, scale_factor=1.0) | F.unfold(x[None], 1) | F.alpha_dropout(x, 0.5, False) | x.long().long()
x * 1 | x.pow(1) | x.gather(0, t.zeros(2, 2, 3, dtype=t.long)) | x.where(x > -9, 0.0) | x.nan_to_num()
F.pixel_shuffle(x, 1) | F.channel_shuffle(x, 1) | F.avg_pool2d(x, 1) | F.max_pool2d(x, 1) | x.diff(n=0)
F.adaptive_avg_pool2d(x, (2, 3)) | x[:1].sum(0) | x[:1].mean(0) | x[:1].amax(0) | x[:1].cumsum(0)
x.sort()[0] | x.tril(9) | x.clamp(-99, 99) | x.round() | x.int().round() | t.block_diag(x[0]) | x.topk(3)[0]
t.chain_matmul(x[0]) | t.linalg.matrix_power(x[:, :, :2], 1) | t.kron(x[0], t.ones(1, 1)) | t.maximum(x, x)
t.cartesian_prod(x[0, 0]) | t.nn.utils.rnn.pad_sequence([x[0]]) | t.nn.utils.parameters_to_vector([x])
t.utils.data.default_collate([x]) | t.utils.data.TensorDataset(x)[0][0]
t.utils.data.TensorDataset(x)[:][0] | list(t.utils.data.DataLoader(x, 1))[0]
t.utils.data.default_convert(x.numpy()) | x.scatter(0, t.zeros(0, 2, 3, dtype=t.long), 1.0)
"""


def facts(t, call):
    x = t.arange(12.0).view(2, 2, 3)
    try:
        y = eval(call, {"t": t, "nn": t.nn, "F": t.nn.functional, "x": x})
    except AttributeError:
        return "no such name"
    before = x.tolist()
    y.detach().fill_(-7)
    return y is x, x.tolist() != before, tuple(y.shape)


@pytest.mark.parametrize("call", [c.strip() for line in CALLS.strip().splitlines() for c in line.split("|")])
@pytest.mark.filterwarnings("ignore")
def test_what_shares_memory(call):
    assert facts(tinygrad6, call) == facts(torch, call)
