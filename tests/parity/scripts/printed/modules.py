"""Losses, pooling, freezing, hooks and changes of parameters, as projects write them on top of Module."""

import copy
import gc
import weakref

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import nn, optim
from torch.nn import Buffer, ModuleDict, ModuleList, Parameter, ParameterDict, ParameterList
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.loss import _WeightedLoss

torch.manual_seed(0)


class HardOnes(_WeightedLoss):
    """Cross entropy times (1 - p) to a power, by class weights: what is known already counts little."""

    def __init__(self, weight=None, power=1.5, reduction="mean"):
        super().__init__(weight, reduction=reduction)
        self.power = power

    def forward(self, scores, kinds):
        log_p = F.log_softmax(scores, 1)
        scaled = log_p * (1 - log_p.exp()) ** self.power
        return F.nll_loss(scaled, kinds, self.weight, reduction=self.reduction)


class Angles(nn.Module):
    """Cosines of x (B, inputs) with a direction for each kind; that of the true kind is turned further by an angle."""

    def __init__(self, inputs, kinds, loud=8.0, turn=0.25):
        super().__init__()
        self.weight = nn.Parameter(torch.FloatTensor(kinds, inputs))
        nn.init.xavier_uniform_(self.weight)
        self.loud, self.turn = loud, turn

    def forward(self, x, kinds):
        cos = F.linear(F.normalize(x), F.normalize(self.weight))
        sin = torch.sqrt(torch.clamp(1.0 - torch.pow(cos, 2), 0, 1))
        turned = cos * np.cos(self.turn) - sin * np.sin(self.turn)
        past = cos < -np.cos(self.turn)  # turning would go beyond a half circle
        turned = torch.where(past, cos - self.turn * np.sin(self.turn), turned)
        true = torch.zeros(cos.size(), device=x.device).scatter_(1, kinds.view(-1, 1).long(), 1)
        return self.loud * torch.lerp(cos, turned, true)


class PowerMean(nn.Module):
    """(mean of x^p over the picture)^(1/p), p learned: the mean for 1, near the largest for many."""

    def __init__(self, p=2.5):
        super().__init__()
        self.p = Parameter(torch.ones(1) * p)

    def forward(self, x):
        return F.avg_pool2d(x.clamp(min=1e-5).pow(self.p), (x.size(-2), x.size(-1))).pow(1.0 / self.p)

    def __repr__(self):
        return "{}(p={:.4f})".format(type(self).__name__, self.p.data.tolist()[0])


class Rows(nn.Module):
    """Tables whose columns are names (each with an embedding of half as many numbers) and measurements."""

    def __init__(self, choices, measured):
        super().__init__()
        self.names = nn.ModuleList(nn.Embedding(n, (n + 1) // 2) for n in choices)
        self.even = nn.BatchNorm1d(measured)
        width = measured + sum(table.embedding_dim for table in self.names)
        self.judge = nn.Sequential(nn.Linear(width, 14, bias=False), nn.BatchNorm1d(14), nn.PReLU(14))
        self.judge.extend([nn.Dropout(0.15), nn.Linear(14, 1)])
        for table in self.names:
            nn.init.trunc_normal_(table.weight, 0, 0.05, -0.1, 0.1)

    def forward(self, named, measured):
        columns = [table(column) for table, column in zip(self.names, named.unbind(1))]
        return self.judge(torch.cat([*columns, self.even(measured)], 1)).squeeze(1)


rows = Rows([6, 8, 3], 5)
o = optim.Adam(rows.parameters(), 1e-2)
c = torch.stack([torch.randint(0, k, (60,)) for k in (6, 8, 3)], 1)
x = torch.randn(60, 5)
y = (x[:, 2] - c[:, 1] + 3.5 > 0).float()
for i in range(5):
    z = rows(c, x)
    l = F.binary_cross_entropy_with_logits(z, y, pos_weight=torch.tensor(1.5))
    o.zero_grad()
    l.backward()
    o.step()
    print("rows", l.item(), ((z > 0) == y.bool()).float().mean().item())
angles, pool, hard = Angles(8, 4), PowerMean(), HardOnes(torch.tensor([1.0, 2, 1, 1]))
bb = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
o = optim.SGD(
    [{"params": pool.p, "lr": 0.02}, {"params": angles.parameters(), "lr": 0.1}, {"params": bb.parameters()}],
    lr=0.05,
    momentum=0.9,
)
xi, yi = torch.randn(16, 3, 6, 6), torch.randint(0, 4, (16,))
for i in range(5):
    l = hard(angles(pool(bb(xi)).flatten(1), yi), yi)
    o.zero_grad()
    l.backward()
    o.step()
    print("angles", l.item(), pool)


def freeze_bn(m):
    if isinstance(m, _BatchNorm):
        m.eval()
        m.weight.requires_grad_(False)


bb.apply(freeze_bn)
print(
    [p.requires_grad for p in bb.parameters()],
    bb[1].training,
    bb.training,
    bb[1].track_running_stats,
    bb[1].num_batches_tracked,
)


class Dyn(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = ParameterList([torch.randn(2, 2) for _ in range(2)])
        self.d = ParameterDict({"a": Parameter(torch.ones(2)), "b": torch.zeros(2)})
        self.buf = Buffer(torch.ones(1), persistent=False)
        self.register_parameter("opt", None)
        self.ls = [nn.Linear(2, 2)]
        self.choice = ModuleDict([["lrelu", nn.LeakyReLU()], ["prelu", nn.PReLU()]])

    def forward(self, x, k="prelu", n=2):
        for i in range(n):
            x = x @ self.w[i % len(self.w)] + self.d["a"]
        return self.choice[k](x) * self.buf + (self.opt if self.opt is not None else 0)


d = Dyn()
d.w.append(Parameter(torch.eye(2)))
d.w.extend([torch.zeros(2, 2)])
d.d["c"] = torch.ones(1)
d.d.update({"e": Parameter(torch.ones(1))})
print(
    d,
    list(d.state_dict()),
    len(d.w),
    "a" in d.d,
    list(d.d.keys()),
    d.d.pop("e").shape,
    [type(v).__name__ for v in d.d.values()],
)
d.opt = Parameter(torch.tensor(1.0))
del d.choice["lrelu"]
print(len(list(d.parameters())), d(torch.ones(1, 2), n=3))
d.buf = torch.tensor([3.0])
print(dict(d.named_buffers()), d.w[-1].shape, d.w[:2])
d.choice.clear()
print(len(d.choice))
delattr(d, "buf")
print(hasattr(d, "buf"))
m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
m.add_module("out", nn.Linear(2, 1))
m[0] = nn.Linear(2, 3)
m[2:]
del m[1]
print(m, m.out if hasattr(m, "out") else "", len(m))
m.extend([nn.Sigmoid()])
print(m.pop(-1), [n for n, _ in m.named_children()])
n = nn.Sequential(*[nn.Linear(2, 2) for _ in range(2)] * 2)
print(
    len(n),
    len(list(n.parameters())),
    len(list(n.named_modules())),
    len(list(n.named_modules(remove_duplicate=False))),
    sum(1 for _ in n.children()),
)
ml = ModuleList([nn.Linear(1, 1)])
ml.append(nn.ReLU())
ml.insert(0, nn.Tanh())
ml += [nn.ELU()]
print(ml, ml[1:3], ml[-1], nn.ELU in [type(k) for k in ml])
cp = copy.deepcopy(ml)
print(cp[1].weight is ml[1].weight, torch.equal(cp[1].weight, ml[1].weight), copy.copy(ml)[1] is ml[1])
# parameter surgery
l = nn.Linear(3, 2)
l.weight.data = torch.ones(2, 3)
l.bias = None
print(l, l(torch.ones(1, 3)))
l.weight = nn.Parameter(l.weight[:, :2].detach().clone())
l.in_features = 2
print(l, l.weight.requires_grad)
w = l.weight
l._parameters["weight"].data.zero_()
print(w.sum())
emb = nn.Embedding.from_pretrained(torch.arange(6.0).view(3, 2), freeze=True, padding_idx=0)
print(emb.weight.requires_grad, emb(torch.tensor([[0, 2]])), emb)
big = nn.Embedding(5, 2)
big.weight.data[:3] = emb.weight.data
big.weight.data.copy_(torch.cat([emb.weight, torch.zeros(2, 2)]))
print(big.weight[:3])
nn.init.eye_(l.weight)
nn.init.dirac_(nn.Conv1d(2, 2, 3).weight)
nn.init.sparse_(torch.empty(4, 3), 0.5)
with torch.no_grad():
    l.weight[0] = 5
    l.weight[:, 1] -= 1
    l.weight.clamp_(-2, 2)
    l.weight.masked_fill_(l.weight == 0, 9)
    l.weight.t().mul_(2)
    l.weight.view(-1)[0] = 7
    print(l.weight)
# grads
a = torch.ones(3, requires_grad=True)
b = a * 2
b.retain_grad()
c = (b**2).sum()
c.backward()
print(a.grad, b.grad, b.is_leaf, b.retains_grad, c.requires_grad)
a.grad = None
h = []
hh = b.register_hook(lambda g: h.append(g))
(a * b.detach()).sum().backward()
print(a.grad, h)
a.grad.zero_()
a.grad.data.add_(1)
a.grad *= 2
print(a.grad)
a.requires_grad_(False)
a += 1
a.requires_grad = True
print(a, (a.detach() is a), a.data.requires_grad)
e = a.detach().clone().requires_grad_(True)
f = torch.tensor(e.detach().numpy() * 2)
print(
    f,
    e.new_tensor([1, 2]),
    e.new_ones(2, dtype=torch.int),
    e.new_full((1,), 3.0),
    torch.empty_like(e).shape,
    torch.zeros_like(e, requires_grad=True),
    torch.as_tensor(np.float64(2.0)),
    torch.tensor(np.arange(3)),
    torch.as_tensor([np.array([1, 2]), np.array([3, 4])]) if False else "",
)
for mode in (torch.no_grad(), torch.enable_grad(), torch.set_grad_enabled(False), torch.inference_mode()):
    with mode:
        print((a * 2).requires_grad, torch.is_grad_enabled())


@torch.no_grad
def ev(x):
    return (x * 2).requires_grad


@torch.set_grad_enabled(False)
def ev2(x):
    return x * 2


@torch.enable_grad()
def ev3(x):
    return (x * 2).requires_grad


print(ev(a), ev2(a).requires_grad, ev3(a))
with torch.no_grad():
    print(ev3(a), nn.Parameter(torch.ones(1)).requires_grad)


def gen():
    with torch.no_grad():
        for i in range(2):
            yield (a * i).requires_grad


print(list(gen()), torch.is_grad_enabled())
x = torch.arange(12.0).view(3, 4)
x.resize_(2, 6)
print(
    x,
    x.numpy().flags["OWNDATA"] in (True, False),
    torch.from_numpy(np.arange(6).reshape(2, 3)[:, ::2].copy()),
)
arr = np.zeros(3, np.float32)
tt = torch.from_numpy(arr)
arr[0] = 5
tt[1] = 6
tt.add_(1)
print(arr, tt)
u = tt.numpy()
u *= 2
print(tt, torch.as_tensor(arr).data_ptr() == tt.data_ptr(), torch.tensor(arr).data_ptr() == tt.data_ptr())
tt[[0, 1]] = tt[[1, 0]].clone()
print(
    arr,
    np.asarray(tt) is arr,
    np.shares_memory(np.asarray(tt), arr),
    tt.__array__().dtype,
    (tt * np.float32(2)).dtype,
    (np.float64(2) * tt),
    np.add(arr, 1).dtype,
    torch.sum(tt).numpy(),
    np.mean(tt.numpy()),
    tt.tolist(),
)
r = weakref.ref(c)
del c, b
gc.collect()
print(
    torch.get_default_dtype(),
    torch.get_num_threads() > 0,
    torch.__version__.split(".")[0] >= "0",
    torch.cuda.is_available(),
    torch.backends.mps.is_available(),
    torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    str(torch.device("cpu")),
    torch.device("cpu") == torch.device("cpu"),
    x.device == torch.device("cpu"),
    x.device.type,
    x.is_cuda,
    torch.initial_seed(),
)
torch.set_default_dtype(torch.float64)
print(
    torch.ones(1).dtype,
    torch.tensor(1.0).dtype,
    nn.Linear(1, 1).weight.dtype,
    torch.arange(2.0).dtype,
    torch.tensor([1]).float().dtype,
)
torch.set_default_dtype(torch.float32)
g = torch.Generator().manual_seed(7)
print(
    torch.rand(2, generator=g),
    torch.randn(2, generator=g),
    torch.randperm(4, generator=g),
    torch.randint(0, 9, (3,), generator=g),
    torch.empty(2).normal_(generator=g),
    torch.bernoulli(torch.full((3,), 0.5), generator=g),
    torch.multinomial(torch.ones(4), 2, generator=g),
    g.initial_seed(),
)
st = torch.get_rng_state()
q1 = torch.rand(2)
torch.set_rng_state(st)
print(torch.equal(q1, torch.rand(2)), torch.seed() > 0)
torch.manual_seed(3)
with torch.random.fork_rng():
    torch.manual_seed(1)
    torch.rand(1)
print(
    torch.rand(1),
    torch.randn(5).std(),
    torch.empty(3).uniform_(-1, 1),
    torch.empty(3).exponential_(),
    torch.empty(3).log_normal_(),
    torch.empty(3).geometric_(0.5),
    torch.empty(3).cauchy_(),
    torch.normal(torch.zeros(2), torch.ones(2)),
    torch.normal(mean=0.5, std=torch.arange(1.0, 3.0)),
    torch.poisson(torch.tensor([3.0])),
    torch.randint_like(torch.ones(2), 5),
    torch.rand_like(torch.ones(2)),
    torch.randn(20)[-2:],
    torch.randn(3, dtype=torch.float64),
    torch.empty(2, dtype=torch.long).random_(10),
    torch.rand(3, dtype=torch.float16),
    torch.multinomial(torch.tensor([0.1, 0.9]), 5, replacement=True),
    torch.bernoulli(torch.tensor([0.2, 0.8])),
    F.dropout(torch.ones(6), 0.5),
    F.gumbel_softmax(torch.zeros(3), hard=True),
    nn.init.trunc_normal_(torch.empty(3)),
    nn.init.orthogonal_(torch.empty(2, 2)),
    nn.init.xavier_normal_(torch.empty(2, 2)),
)
