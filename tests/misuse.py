"""Small programs that take liberties: a tensor with a past, and one or two statements that may not go with it.

What a single call does wrong, bad_input.py finds. What goes wrong between calls (a view that is written to, a
leaf changed in place, a gradient asked for twice, an optimizer handed what is no leaf) depends on where the
tensor comes from. So every way to come by a tensor `t` (SUBJECTS) meets every statement (ACTIONS), alone and in
pairs, and both libraries are asked: does it raise, with which type, and what has become of all tensors, their
gradients and their histories? A statement that raises is passed over, so that the next one sees what it left.

    python tests/misuse.py [part of a statement] ...     lists the disagreements with PyTorch
"""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import random
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

SUBJECTS = {
    line.partition(":")[0]: line.partition(": ")[2]
    for line in """
plain: t = X()
leaf: t = X().requires_grad_()
parameter: t = nn.Parameter(X())
result: a = X().requires_grad_(); t = a * 2
row: a = X(); t = a[0]
columns: a = X(); t = a[:, 1:]
steps: a = X(); t = a[:, ::2]
turned: a = X(); t = a.t()
expanded: a = X()[:1]; t = a.expand(2, 3)
row_of_leaf: a = X().requires_grad_(); t = a[0]
row_of_result: a = X().requires_grad_(); b = a * 2; t = b[0]
expanded_leaf: a = X()[:1].clone().requires_grad_(); t = a.expand(2, 3)
expanded_result: a = X()[:1].clone().requires_grad_(); b = a * 2; t = b.expand(2, 3)
part: a = X().requires_grad_(); b = a * 2; t, c = b.split(1)
part_of_plain: a = X(); t, c = a.unbind()
saved: a = X().requires_grad_(); t = a.exp(); b = t.sum()
factor: a = X().requires_grad_(); t = X(); b = (a * t).sum()
detached: a = X().requires_grad_(); t = a.detach()
detached_result: a = X().requires_grad_(); b = a.exp(); t = b.detach()
data: a = X().requires_grad_(); t = a.data
quiet_row: a = X().requires_grad_(); t = quietly(lambda: a[0])
used: t = X().requires_grad_(); b = (t * t).sum(); b.backward()
freed: a = X().requires_grad_(); t = (a * a).sum(); t.backward()
scalar: t = torch.tensor(1.5)
scalar_leaf: t = torch.tensor(1.5, requires_grad=True)
scalar_result: a = torch.tensor(1.5, requires_grad=True); t = a * 2
loss: a = X().requires_grad_(); t = (a * a).sum()
one: t = torch.tensor([1.5])
empty: t = torch.zeros(0, 3)
empty_leaf: t = torch.zeros(0, 3, requires_grad=True)
ints: t = torch.arange(6).reshape(2, 3)
int_row: a = torch.arange(6).reshape(2, 3); t = a[0]
bools: t = X() > 0.4
bytes: t = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
halves: t = X().half()
doubles: t = X().double().requires_grad_()
numpy: n = np.ones((2, 3), np.float32); t = torch.from_numpy(n)
gradient: a = X().requires_grad_(); (a * a).sum().backward(); t = a.grad
grown: a = X().requires_grad_(); (g,) = torch.autograd.grad((a * a).sum(), a, create_graph=True); t = g
buffer: m = nn.BatchNorm1d(3); t = m.running_mean
weight: m = nn.Linear(3, 2); t = m.weight
""".strip().splitlines()
}

ACTIONS = """
t += 1
t += 1.5
t *= X()
t *= X(3)
t -= X(4, 2, 3)
t += True
t /= 2
t //= 2
t **= 2
t %= 2
t &= 1
t @= X(3, 3)
t.add_(1, alpha=0.5)
t.add_(X().double())
t.mul_(torch.tensor(2))
t.mul_(torch.tensor([2]))
t.sub_(X() > 0.5)
t.neg_()
t.exp_()
t.sqrt_()
t.sigmoid_()
t.relu_()
F.relu(t, inplace=True)
F.dropout(t, 0.0, True, True)
t.clamp_(0.2, 0.5)
t.clamp_(X(3), X(3) + 1)
t.round_()
t.bernoulli_(0.5)
t.uniform_()
t.normal_(0, -1)
t.random_(-1, 5)
t.zero_()
t.fill_(2)
t.fill_(2.5)
t.fill_(True)
t.fill_(300)
t.fill_(-1)
t.fill_(X(3))
t.fill_(torch.tensor(3.5))
t.copy_(X())
t.copy_(X(3))
t.copy_(X(2, 1))
t.copy_(X(4, 2, 3))
t.copy_(X().long())
t.copy_(X().requires_grad_())
t.copy_(2)
t[0] = 1
t[0] = 1.5
t[0] = X(3)
t[0] = X(1, 3)
t[0] = X(2, 3)
t[..., 0] = X(2)
t[:] = X()
t[...] = True
t[t > 0.3] = 0
t[t > 0.3] = X(2)
t[torch.tensor([0, 0])] = X(2, 3)
t[torch.tensor([0, 7])] = 1
t[[True, False]] = 5
t[None] = X()
t[5] = 1
t[0, 0, 0] = 1
t[0:1] = [[1, 2, 3]]
t[0] = "a"
t[0] = None
t[1.5] = 1
t[()] = 1
t[-1] += 1
t.data[0] = 1
t.data += 1
t.data = X()
t.data = X(3, 3)
t.data = X().double()
t.data = X().long()
t.data = 3
t.detach_()
t.detach().add_(1)
t.requires_grad_()
t.requires_grad_(False)
t.requires_grad = True
t.requires_grad = False
t.requires_grad = 1
t.requires_grad_("yes")
t.is_leaf = True
t.shape = (3, 2)
t.dtype = torch.float64
t.grad = X()
t.grad = None
t.grad = X(3)
t.grad = X().double()
t.grad = 1
t.grad = t
t.grad.zero_()
t.grad += 1
del t.grad
w = t.grad
t.retain_grad(); (t * 2).sum().backward()
t.backward()
t.backward(X())
t.backward(X(3))
t.backward(X().double())
t.backward(1)
t.backward(gradient=None, retain_graph=True)
t.sum().backward()
t.sum().backward(); t.sum().backward()
t.sum().backward(retain_graph=True); t.sum().backward()
t.mean().backward()
(t * t).sum().backward()
(t * t).sum().backward(create_graph=True); w = t.grad
(t * X()).backward()
t.max().backward()
t.prod().backward()
t.std().backward()
t.norm().backward()
t.argmax().backward()
t.round().sum().backward()
t.detach().sum().backward()
t.long().sum().backward()
t.double().sum().backward()
t.expand(4, 2, 3).sum().backward()
a.sum().backward()
b.backward()
b.sum().backward()
b.backward(); b.backward()
a.add_(1)
a.mul_(2); t.sum().backward()
a[0] = 7
a.data.zero_()
a.grad.zero_()
a.requires_grad_(False)
a.requires_grad_()
quietly(lambda: a.add_(1))
quietly(lambda: t.add_(1))
quietly(lambda: t.requires_grad_())
quietly(lambda: (t * t).sum().backward())
w = quietly(lambda: t * 2)
w = quietly(lambda: t[0]); w.add_(1)
w = quietly(lambda: t.view(-1)); w.requires_grad_()
torch.autograd.backward(t, X())
torch.autograd.backward([t, t], [X(), X()])
torch.autograd.grad(t.sum(), t)
(w,) = torch.autograd.grad(t.sum(), [t])
(w,) = torch.autograd.grad(t, t, X())
(w,) = torch.autograd.grad(t, t)
w = torch.autograd.grad((t * t).sum(), t, create_graph=True)[0]; w.sum().backward()
torch.autograd.grad(t.sum(), a)
torch.autograd.grad(t.sum(), [a, X()])
torch.autograd.grad(t.sum(), [a, X().requires_grad_()])
w = torch.autograd.grad(t.sum(), [a, X().requires_grad_()], allow_unused=True)
w = torch.autograd.grad(t.sum(), [a, X().requires_grad_()], materialize_grads=True)
torch.autograd.grad([], [t])
torch.autograd.grad(t.sum(), [])
torch.autograd.grad(b, a)
torch.autograd.grad(b, t)
torch.add(t, 1, out=t)
torch.add(X(), 1, out=t)
torch.add(X(3), 1, out=t)
torch.add(X().double(), 1, out=t)
torch.exp(t, out=X())
w = torch.empty(0); torch.mul(t, 2, out=w)
w = torch.empty(0, dtype=torch.int64); torch.mul(t, 2, out=w)
w = X().double(); torch.mul(t, 2, out=w)
w = X(7); torch.mul(t, 2, out=w)
torch.matmul(t, X(3, 2), out=w)
w = torch.empty(0); torch.max(t, 0, out=w)
w = torch.cat([t, t], out=X(4, 3))
w = t[5]
w = t[-3]
w = t[0, 0, 0]
w = t[True]
w = t[False]
w = t[[0, 5]]
w = t[[True, True, True]]
w = t[torch.tensor([True, False])]
w = t[torch.tensor([0.5])]
w = t[torch.tensor([1], dtype=torch.uint8)]
w = t[torch.tensor(1)]
w = t[1.0]
w = t[None, ..., None]
w = t[..., ...]
w = t["a"]
w = t[::-1]
w = t[::0]
w = t[5:1]
w = t[0:2, [0, 1], None]
w = t.view(-1)
w = t.view(3, 2)
w = t.view(7)
w = t.view(-1, -1)
w = t.view(-2, 3)
w = t.view(torch.int32)
w = t.view(torch.int64)
w = t.detach().round().view(torch.uint8)
w = t.reshape(())
w = t.reshape(3, -1)
w = t.reshape(0, -1)
w = t.expand(4, 2, 3)
w = t.expand(2, 4)
w = t.expand(-1, -1)
w = t.expand(-1, 2, 3)
w = t.expand_as(X(3))
w = t.permute(0, 0)
w = t.permute(0)
w = t.transpose(0, 2)
w = t.transpose(0, 1); w.add_(1)
w = t.squeeze(5)
w = t.squeeze((0, 0))
w = t.unsqueeze(4)
w = t.flatten(1, 0)
w = t.unflatten(0, (3, -1))
w = t.narrow(0, 1, 5)
w = t.narrow(0, -1, 1)
w = t.select(0, 2)
w = t.split(0)
w = t.split([1, 2])
w = t.chunk(0)
w = t.chunk(5)
w = t.unbind(2)
w = t.unfold(0, 3, 1)
w = t.as_strided((2, 2), (1, 1)); w.add_(1)
w = t.as_strided((9, 9), (1, 1))
w = t.as_strided((2,), (-1,))
w = t.diagonal(); w.fill_(9)
w = t.T; w.mul_(2)
w = t.mT
w = t.H
w = t.view(-1)[0]; w.add_(1)
w = t.detach()[0]; w.zero_()
w = t.real; w.add_(1)
w = t.unbind()[0]; w.add_(1)
w = t.split(1)[0]; w.zero_()
w = t.chunk(2)[0].add_(1)
w = t.clone().unbind()[0].mul_(2)
w = t.squeeze(); w.fill_(3)
w = t.reshape(-1); w.fill_(3)
w = t.flatten(); w.fill_(3)
w = t.contiguous(); w.fill_(3)
w = t.to(t.dtype); w.fill_(3)
w = t.float(); w.fill_(3)
w = t.expand(2, 2, 3); w.add_(1)
w = t.expand(2, 2, 3); w[0] = 1
w = t.expand(2, 2, 3).reshape(-1); w.zero_()
w = torch.broadcast_to(t, (2, 2, 3)); w.zero_()
w = t.movedim(0, 1); w.zero_()
t.unsqueeze_(0)
t.squeeze_(0)
t.transpose_(0, 1)
t.t_()
t.swapaxes_(0, 1)
t.resize_(3, 2)
t.resize_(7)
t.resize_(2)
t.resize_as_(X(1, 1))
t.set_(X())
t.index_fill_(0, torch.tensor([0]), 1)
t.index_add_(0, torch.tensor([0, 0]), X())
t.index_add_(0, torch.tensor([0]), X())
t.index_copy_(0, torch.tensor([0, 1]), X())
t.scatter_(0, torch.tensor([[0, 1, 0]]), X())
t.scatter_(0, torch.tensor([[0, 1, 2]]), 1.0)
t.scatter_(0, torch.tensor([[0, 1, 0]]), X(1, 2))
t.scatter_add_(0, torch.tensor([[0, 0, 0]]), X().long())
t.masked_fill_(X() > 0.5, 3)
t.masked_fill_(X(3) > 0.5, X(1))
t.masked_fill_(X().long(), 3)
t.masked_scatter_(X() > 0.5, X(1))
t.put_(torch.tensor([0, 9]), X(2))
t.lerp_(X(), 0.5)
t.addcmul_(X(), X())
t.addmm_(X(2, 3), X(3, 3))
t.addmm_(X(2, 2), X(2, 3), alpha=2, beta=True)
t.cumsum_(0)
t.tril_()
t.fill_diagonal_(2)
t.fill_diagonal_(X(2))
t.sort()[0].add_(1)
t.float_power_(2)
t.logical_not_()
t.eq_(1)
t.bitwise_not_()
t.share_memory_()
w = t.item()
w = bool(t)
w = float(t)
w = int(t)
w = complex(t)
w = len(t)
w = list(t)
w = t.numpy()
w = t.numpy(force=True)
w = np.asarray(t)
w = np.sum(t)
w = t.tolist()
w = t == None
w = t == "a"
w = t in [1]
w = 0.5 in t
w = X() in t
w = t and 1
w = not t
w = t < "a"
w = t + "a"
w = t + None
w = t + [1, 2, 3]
w = [1, 2, 3] + t
w = t @ X(2, 3)
w = t @ t
w = t @ 2
w = 2 ** t
w = t ** "a"
w = ~t
w = t << 1
w = t & 1.5
w = -t
w = abs(t)
w = +t
w = round(t)
w = t.__index__()
w = [1, 2, 3][t]
w = range(t)
w = {t: 1}[t]
w = hash(t) == hash(t)
w = copy.copy(t)
w = copy.deepcopy(t)
w = pickle.loads(pickle.dumps(t))
w = t.clone().requires_grad_(); w.sum().backward()
w = t.long().requires_grad_()
w = t.half().requires_grad_()
w = t.bool().sum()
w = nn.Parameter(t)
w = nn.Parameter(t, False)
w = nn.Parameter(t.long())
w = nn.Parameter(t.data)
w = nn.Parameter("a")
w = nn.Buffer(t)
w = torch.tensor(t)
w = torch.as_tensor(t)
w = torch.tensor(t, requires_grad=True)
w = torch.tensor([t, t])
w = torch.asarray(t, requires_grad=True)
w = torch.from_numpy(t)
w = torch.zeros_like(t, requires_grad=True)
w = torch.full_like(t, 2.5)
w = torch.full_like(t, 300)
w = torch.empty_like(t).fill_(1)
w = t.new_tensor(t)
w = t.new_tensor([1.5])
w = t.new_zeros((2, -1))
w = t.new_full((2,), 2.5)
w = torch.nn.functional.one_hot(t)
w = torch.bincount(t)
w = torch.nonzero(t)
w = t.to("cuda")
w = t.to("nowhere")
w = t.cuda()
w = t.to(torch.float64, copy=True)
w = t.to(X().double())
w = t.type(torch.int64)
w = t.type("a")
w = t.type_as(1)
h = t.register_hook(lambda g: g * 2); t.sum().backward()
h = t.register_hook(lambda g: 3); t.sum().backward()
h = t.register_hook(lambda g: g[0]); t.sum().backward()
h = t.register_hook(3)
h = t.register_post_accumulate_grad_hook(lambda p: p.zero_()); t.sum().backward()
w = torch.optim.SGD([t], lr=0.1)
w = torch.optim.SGD(t, lr=0.1)
w = torch.optim.SGD([t, t], lr=0.1)
o = torch.optim.SGD([t], lr=0.1); t.sum().backward(); o.step(); o.zero_grad()
o = torch.optim.SGD([t], lr=0.1); t.grad = torch.ones_like(t); o.step()
o = torch.optim.Adam([t]); o.step(); t.sum().backward(); o.step()
o = torch.optim.SGD([{"params": [t]}, {"params": [t]}], lr=0.1)
o = torch.optim.LBFGS([t]); o.step()
o = torch.optim.LBFGS([t]); o.step(lambda: 1.0)
o = torch.optim.SGD([X().requires_grad_()], lr=0.1); o.add_param_group({"params": [t]})
o = torch.optim.SGD([X().requires_grad_()], lr=t)
m = nn.Linear(3, 2); m.weight = t
m = nn.Linear(3, 2); m.weight.data = t
m = nn.Linear(3, 2); m.weight = nn.Parameter(t.detach()); w = m(X())
m = nn.Linear(3, 2); m.bias = None; w = m(X())
m = nn.Linear(3, 2); m.extra = t; w = list(m.state_dict())
m = nn.Linear(3, 2); m.register_parameter("p", t)
m = nn.Linear(3, 2); m.register_buffer("p", t); w = list(m.state_dict())
m = nn.Linear(3, 2); m.register_buffer("weight", t)
m = nn.Linear(3, 2); m.load_state_dict({"weight": t, "bias": X(2)})
m = nn.Linear(3, 2); m.load_state_dict({"weight": t}, strict=False); w = m.weight
m = nn.Linear(3, 2); m.load_state_dict({"weight": t, "bias": X(2)}, assign=True); w = m.weight
m = nn.BatchNorm1d(3); m.running_mean = t
w = nn.utils.clip_grad_norm_(t, 1.0)
w = nn.utils.clip_grad_norm_([t], 1.0, error_if_nonfinite=True)
w = nn.utils.parameters_to_vector([t])
nn.utils.vector_to_parameters(X(6), [t])
nn.init.ones_(t)
nn.init.xavier_uniform_(t)
nn.init.normal_(t, 0, -1)
w = nn.Linear(3, 2)(t)
w = nn.Linear(2, 2)(t)
w = nn.Embedding(4, 2)(t)
w = F.linear(t, t)
w = F.linear(X(2, 3), t)
w = F.embedding(torch.tensor([0, 1]), t)
w = F.softmax(t, 5)
w = F.softmax(t, 0, dtype=torch.int64)
w = F.cross_entropy(X(2, 3), t)
w = F.cross_entropy(t, torch.tensor([0, 1]))
w = F.cross_entropy(t, torch.tensor([0, 3]))
w = F.cross_entropy(t, t)
w = F.nll_loss(t, torch.tensor([0, 1]))
w = F.mse_loss(t, X())
w = F.mse_loss(X(), t)
w = F.binary_cross_entropy(t, X())
w = F.binary_cross_entropy(X(), t)
w = F.l1_loss(t, t, reduction="avg")
w = F.batch_norm(X(), t, None)
w = F.batch_norm(t, X(3), X(3), training=True)
w = F.layer_norm(t, (3,))
w = F.layer_norm(t, (2,))
w = F.layer_norm(X(), (2, 3), t)
w = F.dropout(t, 1.5)
w = F.pad(t, (1,))
w = F.pad(t, (-4, 0))
w = F.normalize(t)
w = F.gumbel_softmax(t, hard=True)
w = torch.cat([t, X()])
w = torch.cat([t, X(2, 1)])
w = torch.cat([t, X(0)])
w = torch.cat([])
w = torch.stack([t, X(3)])
w = torch.where(t, 1, 2)
w = torch.where(t > 0.3, t, 2)
w = torch.where(X() > 0.3, t, X(2))
w = torch.sum(t, 2)
w = torch.sum(t, (0, 0))
w = torch.sum(t, ())
w = torch.mean(t)
w = torch.mean(t, dtype=torch.int64)
w = torch.mean(t, dtype=torch.float64)
w = t.var(0, correction=5)
w = t.max(0)
w = t.max(2)
w = t.argmax(5)
w = t.sort(stable=True)
w = t.topk(4)
w = t.kthvalue(0)
w = t.clone().median(0)
w = t.quantile(1.5)
w = t.cumsum(2)
w = t.gather(0, torch.tensor([[0, 1, 5]]))
w = t.gather(0, torch.tensor([0, 1, 1]))
w = t.gather(0, X())
w = t.take(torch.tensor([7]))
w = t.index_select(0, torch.tensor([[0]]))
w = t.index_select(0, torch.tensor([5]))
w = t.masked_select(X(3))
w = t.masked_select(X(3) > 0.5)
w = t.repeat(2)
w = t.repeat(2, 2, -1)
w = t.roll(1, 5)
w = t.flip(0, 0)
w = t.flip(7)
w = t.clamp(1, 0)
w = t.clamp()
w = t.clamp(min=X(4))
w = t.diag(5)
w = t.trace()
w = t.dot(t)
w = t.outer(t)
w = t.mv(X(3))
w = t.mm(X(3))
w = t.bmm(t)
w = t.matmul(X(2))
w = torch.addmm(X(5), t, X(3, 2))
w = torch.einsum("ij,jk->ik", t, X(2, 2))
w = torch.einsum("ii", t)
w = torch.tensordot(t, X(), 1)
w = torch.outer(t, X(3))
w = torch.linalg.inv(t)
w = torch.linalg.norm(t, 3)
w = torch.linalg.det(t @ t.T)
w = t.pow(-1)
w = t / 0
w = t // 0
w = t % 0
w = t.div(2, rounding_mode="round")
w = t.log()
w = t.floor_divide(X())
w = t.sub(t > 0.3)
w = t.logit(eps=2)
w = t.bernoulli()
w = t.multinomial(2)
w = torch.normal(t, t)
w = torch.poisson(t)
w = torch.arange(t)
w = torch.zeros(t)
w = torch.full((2,), t)
w = torch.linspace(0, t, 3)
w = torch.randint(t, (2,))
w = torch.func.grad(lambda x: x.sum())(t)
w = torch.func.grad(lambda x: x * 2)(t)
w = torch.func.vmap(lambda x: x.sum())(t)
w = torch.func.jacrev(lambda x: x * x)(t)
w = torch.utils.checkpoint.checkpoint(lambda x: x * x, t, use_reentrant=False); w.sum().backward()
w = torch.utils.data.TensorDataset(t, X(3))
w = list(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(t)))
w = list(torch.utils.data.DataLoader(t, batch_size=2))
w = torch.utils.data.random_split(t, [1, 2])
w = torch.utils.data.random_split(t, [0.5, 0.6])
w = torch.utils.data.Subset(t, [0, 9])[1]
w = torch.equal(t, X())
w = torch.allclose(t, X())
w = torch.is_nonzero(t)
w = torch.isclose(t, X().double())
w = torch.result_type(t, 1.5)
w = torch.can_cast(t.dtype, torch.int32)
w = torch.finfo(t.dtype).max
w = torch.iinfo(t.dtype).max
w = torch.set_default_dtype(t.dtype)
w = torch.broadcast_tensors(t, X(4))
w = torch.meshgrid(t, t)
w = torch.cdist(t, t)
w = torch.save(t, 5)
w = t.backward
w = t.no_such
w = t(1)
w = t.stride(5)
w = t.size(5)
w = t.data_ptr() == a.data_ptr()
w = t.is_contiguous()
w = t._version > 0
w = t.grad_fn is None
w = t.output_nr
w = t._base is None
""".strip().splitlines()


def names_of(lib: Any) -> dict[str, Any]:
    """What statements may use: the library as `torch`, X(*shape) of known floats, quietly(f) without grad."""

    def X(*shape: int) -> Any:  # noqa: N802
        shape = shape or (2, 3)
        values = (np.arange(1, math.prod(shape) + 1) * 0.618 % 1).round(4)
        return lib.tensor(values.reshape(shape).tolist())

    def quietly(f: Any) -> Any:
        with lib.no_grad():
            return f()

    return {
        "torch": lib, "nn": lib.nn, "F": lib.nn.functional, "X": X, "quietly": quietly, "np": np,
        "copy": copy, "pickle": pickle,
    }  # fmt: skip


def builtin(error: BaseException) -> type:
    return next(k for k in type(error).__mro__ if k.__module__ == "builtins")


def told(value: Any, depth: int = 0) -> Any:
    """What is compared of a value: tensors by all they have, modules and optimizers by their kind."""
    if hasattr(value, "requires_grad") and hasattr(value, "untyped_storage"):
        d = value.detach()
        grad = value._grad if hasattr(value, "_grad") and value.is_leaf else None
        return (
            str(d.dtype).rpartition(".")[2], tuple(d.shape), d.numpy().copy(), value.requires_grad, value.is_leaf,
            None if grad is None or depth > 2 else told(grad, depth + 1),
        )  # fmt: skip
    if isinstance(value, (list, tuple)):
        return [told(v, depth + 1) for v in value]
    if isinstance(value, (np.ndarray, bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (np.ndarray, float)) and isinstance(b, (np.ndarray, float)):
        a, b = np.asarray(a), np.asarray(b)
        return a.shape == b.shape and a.dtype == b.dtype and np.allclose(
            a.astype(np.float64), b.astype(np.float64), 1e-3, 1e-5, equal_nan=True
        )
    return type(a) is type(b) and a == b


VARIABLES = "t a b c g w".split()


def state(space: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in VARIABLES:
        try:
            found.append(told(space.get(name)))
        except Exception as e:
            found.append(f"{name}: {type(e).__name__}")
    return found


def run(lib: Any, program: tuple[str, ...]) -> Iterator[tuple[Any, bool, list[Any]]]:
    """After each statement of a program: its error, or None; whether it changed anything; and the variables."""
    space = names_of(lib)
    lib.manual_seed(0)
    before = state(space)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program:
            error = None
            try:
                exec(line, space)
            except Exception as e:
                error = e
            lib.set_default_dtype(lib.float32)
            now = state(space)
            yield error, not same(now, before), now
            before = now


def alike(ours: Any, theirs: Any) -> bool:
    """Both None, or errors of one built-in type (ours may be a kind of theirs)."""
    if ours is None or theirs is None:
        return ours is theirs
    return isinstance(ours, builtin(theirs))


def short(e: Any) -> str:
    return "-" if e is None else " ".join(f"{type(e).__name__}: {e}".split())[:90]


def disagreement(program: tuple[str, ...]) -> str:
    """In which statement the libraries part, and how; "" if they agree."""
    import torch

    import tinygrad6

    torch.set_num_threads(1)
    for i, (ours, theirs) in enumerate(zip(run(tinygrad6, program), run(torch, program), strict=True)):
        if not alike(ours[0], theirs[0]):
            kind = "accepts" if ours[0] is None else "refuses" if theirs[0] is None else "type"
            return f"{kind} in {i} ({short(ours[0])} | {short(theirs[0])})"
        if ours[0] is not None and ";" not in program[i]:
            if ours[1]:
                return f"half done in {i} ({short(ours[0])})"
            if theirs[1]:
                return ""  # what PyTorch leaves half done, we leave alone
        for name, a, b in zip(VARIABLES, ours[2], theirs[2], strict=True):
            if not same(a, b):
                return f"differs in {name} after {i} ({words(a)} | {words(b)})"
    return ""


def words(value: Any) -> str:
    return re.sub(r"array\(|, dtype=\w+\)", "", " ".join(str(value).split()))[:150]


def programs(n: int, wanted: Iterable[str] = (), seed: int = 0) -> Iterator[tuple[str, ...]]:
    """Every subject with every statement; and n of all with two statements."""
    wanted = list(wanted)
    singles = [(s, a) for s in SUBJECTS.values() for a in ACTIONS]
    draw = random.Random(seed)
    subjects = list(SUBJECTS.values())
    pairs = ((draw.choice(subjects), draw.choice(ACTIONS), draw.choice(ACTIONS)) for _ in range(n))
    for program in itertools.chain(singles, pairs):
        if not wanted or any(w in " ; ".join(program) for w in wanted):
            yield program


if __name__ == "__main__":
    from bad_input import judged

    n, wanted = (int(sys.argv[1]), sys.argv[2:]) if sys.argv[1:] and sys.argv[1].isdigit() else (0, sys.argv[1:])
    total = 0
    for program, words in judged(programs(n, wanted), disagreement):
        total += 1
        if words:
            print(" ; ".join(program), "->", words, flush=True)
    print(total, "programs")
