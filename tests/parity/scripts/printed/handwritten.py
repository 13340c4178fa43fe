"""Optimizers, cross-validation, metrics and cells by hand; a polynomial regression; forward-forward layers."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import numpy as np
import math
import copy
import itertools
from itertools import count
import collections
import json
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
np.random.seed(0)


# old handwritten optimizers and trainers
class OldAdam:
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-8):
        self.ps = list(params)
        self.lr, self.b, self.eps, self.t = lr, betas, eps, 0
        self.m = [p.data.new(p.size()).zero_() for p in self.ps]
        self.v = [torch.zeros_like(p.data) for p in self.ps]

    def step(self):
        self.t += 1
        for p, m, v in zip(self.ps, self.m, self.v):
            g = p.grad.data
            m.mul_(self.b[0]).add_(1 - self.b[0], g)
            v.mul_(self.b[1]).addcmul_(1 - self.b[1], g, g)
            denom = v.sqrt().add_(self.eps)
            bc1, bc2 = 1 - self.b[0] ** self.t, 1 - self.b[1] ** self.t
            p.data.addcdiv_(-self.lr * math.sqrt(bc2) / bc1, m, denom)

    def zero_grad(self):
        for p in self.ps:
            if p.grad is not None:
                p.grad.detach_()
                p.grad.zero_()


X = torch.randn(128, 6)
Y = (X[:, 0] * X[:, 1] > 0).long()
m = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
o = OldAdam(m.parameters())
for i in range(6):
    l = nn.CrossEntropyLoss()(m(X), Y)
    o.zero_grad()
    l.backward()
    o.step()
    print(l.data.item(), "acc %.3f" % (m(X).data.max(1)[1].eq(Y).sum().item() / len(Y)))
for p in m.parameters():
    p.data.add_(-0.01, p.grad.data)
    p.data.sub_(0.01, p.grad.data)
print(sum(p.norm(2).item() ** 2 for p in m.parameters()) ** 0.5)


# k-fold, early stop, class weights, confusion, roc by hand, grid search, ensembling, calibration, snapshot
def kfold(n, k):
    idx = torch.randperm(n)
    return [(torch.cat([f for j, f in enumerate(idx.chunk(k)) if j != i]), idx.chunk(k)[i]) for i in range(k)]


scores = []
for lr, hid in itertools.product([1e-2, 1e-1], [4, 8]):
    accs = []
    for tr, va in kfold(len(X), 4):
        net = nn.Sequential(nn.Linear(6, hid), nn.Tanh(), nn.Linear(hid, 1), nn.Flatten(0))
        op = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
        best, wait = -1, 0
        for e in range(15):
            net.train()
            for xb, yb in DataLoader(TensorDataset(X[tr], Y[tr].float()), 32, shuffle=True):
                l = F.binary_cross_entropy_with_logits(net(xb), yb)
                op.zero_grad()
                l.backward()
                op.step()
            net.eval()
            with torch.no_grad():
                a = ((net(X[va]).sigmoid() > 0.5) == Y[va].bool()).float().mean().item()
            if a > best:
                best, wait, st = a, 0, copy.deepcopy(net.state_dict())
            else:
                wait += 1
            if wait >= 5:
                break
        accs.append(best)
    scores.append((np.mean(accs).round(4), lr, hid))
    print(scores[-1])
net.load_state_dict(st)
p = net(X).sigmoid().detach()
order = p.argsort(descending=True)
tp = Y[order].cumsum(0).float()
fp = (1 - Y[order]).cumsum(0).float()
print(
    "auc", torch.trapz(tp / tp[-1], fp / fp[-1]).item(), "ap", ((tp / (tp + fp))[Y[order] == 1]).mean().item()
)
cm = torch.zeros(2, 2, dtype=torch.int64)
for t, q in zip(Y.view(-1), (p > 0.5).long().view(-1)):
    cm[t.long(), q.long()] += 1
prec, rec = cm.diag() / cm.sum(0), cm.diag() / cm.sum(1)
print(cm, 2 * prec * rec / (prec + rec))
bins = torch.bucketize(p, torch.linspace(0, 1, 6)[1:-1])
ece = sum(
    ((p[bins == b].mean() - Y[bins == b].float().mean()).abs() * (bins == b).float().mean())
    for b in bins.unique()
)
print("ece", ece.item())
T = nn.Parameter(torch.ones(1) * 1.5)
z = torch.logit(p, eps=1e-6)
lb = torch.optim.LBFGS([T], lr=0.01, max_iter=20)


def ev():
    lb.zero_grad()
    l = F.binary_cross_entropy_with_logits(z / T, Y.float())
    l.backward()
    return l


lb.step(ev)
print("temp", T.item(), ev().item())


# manual rnn / lstm / conv / bn vs modules
def lstm_cell(x, h, c, wi, wh, bi, bh):
    g = F.linear(x, wi, bi) + F.linear(h, wh, bh)
    i, f, gg, oo = g.chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * gg.tanh()
    return oo.sigmoid() * c.tanh(), c


ref = nn.LSTM(3, 4)
x = torch.randn(5, 2, 3)
h = c = torch.zeros(2, 4)
hs = []
for t in range(5):
    h, c = lstm_cell(x[t], h, c, *ref.all_weights[0])
    hs.append(h)
print(
    torch.allclose(torch.stack(hs), ref(x)[0], atol=1e-6),
    torch.allclose(
        F.unfold(X[:2, None, :].unsqueeze(2).expand(2, 1, 3, 6), (3, 3)).shape[1] * torch.ones(1),
        torch.tensor([9.0]),
    ),
)
bn = nn.BatchNorm1d(6)
yb = bn(X)
mu, va = X.mean(0), X.var(0, unbiased=False)
print(
    torch.allclose(yb, (X - mu) / torch.sqrt(va + bn.eps), atol=1e-5),
    torch.allclose(bn.running_var, 0.9 * torch.ones(6) + 0.1 * X.var(0)),
    bn.running_mean[:2],
)
w = torch.randn(4, 3, 3, 3)
im = torch.randn(2, 3, 6, 6)
cols = F.unfold(im, 3, padding=1)
print(
    torch.allclose((w.view(4, -1) @ cols).view(2, 4, 6, 6), F.conv2d(im, w, padding=1), atol=1e-5),
    torch.allclose(im.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)), F.max_pool2d(im, 2)),
)


class Cfg(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


cfg = Cfg(lr=0.1, layers=[3, 4], act="relu")
mods = nn.ModuleDict({f"l{i}": nn.Linear(a, b) for i, (a, b) in enumerate(zip([6] + cfg.layers, cfg.layers))})
xx = X
for k, mod in mods.items():
    xx = getattr(F, cfg.act)(mod(xx))
print(xx.shape, json.dumps(cfg), list(mods))
hist = collections.defaultdict(list)
[hist[k].append(float(v)) for k, v in dict(a=xx.mean(), b=xx.max()).items()]
print({k: [round(q, 5) for q in v] for k, v in hist.items()})
np.savez("a.npz", **{k: v.detach().cpu().numpy() for k, v in mods.state_dict().items()})
ld = np.load("a.npz")
mods.load_state_dict({k: torch.from_numpy(ld[k]) for k in ld.files})
print(sorted(ld.files))


# a polynomial, as a line of its powers
torch.manual_seed(0)
POLY_DEGREE = 4
W_target = torch.randn(POLY_DEGREE, 1) * 5
b_target = torch.randn(1) * 5


def make_features(x):
    x = x.unsqueeze(1)
    return torch.cat([x**i for i in range(1, POLY_DEGREE + 1)], 1)


def f(x):
    return x.mm(W_target) + b_target.item()


def poly_desc(W, b):
    result = "y = "
    for i, w in enumerate(W):
        result += "{:+.2f} x^{} ".format(w, i + 1)
    result += "{:+.2f}".format(b[0])
    return result


def get_batch(batch_size=32):
    random = torch.randn(batch_size)
    x = make_features(random)
    y = f(x)
    return x, y


fc = torch.nn.Linear(W_target.size(0), 1)
for batch_idx in count(1):
    batch_x, batch_y = get_batch()
    fc.zero_grad()
    output = F.smooth_l1_loss(fc(batch_x), batch_y)
    loss = output.item()
    output.backward()
    for param in fc.parameters():
        param.data.add_(-0.1 * param.grad)
    if loss < 1e-3 or batch_idx > 300:
        break
print("Loss: {:.6f} after {} batches".format(loss, batch_idx))
print("==> Learned function:\t" + poly_desc(fc.weight.view(-1), fc.bias))
print("==> Actual function:\t" + poly_desc(W_target.view(-1), b_target))


# forward-forward: each layer trains itself
class Layer(nn.Linear):
    def __init__(self, i, o, bias=True, device=None, dtype=None):
        super().__init__(i, o, bias, device, dtype)
        self.relu = torch.nn.ReLU()
        self.opt = torch.optim.Adam(self.parameters(), lr=0.03)
        self.threshold = 2.0
        self.num_epochs = 8

    def forward(self, x):
        d = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(d, self.weight.T) + self.bias.unsqueeze(0))

    def train(self, xp, xn=None):
        if isinstance(xp, bool):
            return super().train(xp)
        for i in range(self.num_epochs):
            gp = self.forward(xp).pow(2).mean(1)
            gn = self.forward(xn).pow(2).mean(1)
            loss = torch.log(1 + torch.exp(torch.cat([-gp + self.threshold, gn - self.threshold]))).mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
        print("ff", loss.item())
        return self.forward(xp).detach(), self.forward(xn).detach()


def overlay(x, y):
    x_ = x.clone()
    x_[:, :10] *= 0.0
    x_[range(x.shape[0]), y] = x.max()
    return x_


X, Y = torch.rand(40, 30), torch.randint(0, 10, (40,))
xp = overlay(X, Y)
rnd = torch.randperm(X.size(0))
xn = overlay(X, Y[rnd])
hp, hn = xp, xn
for l in [Layer(30, 24), Layer(24, 24)]:
    hp, hn = l.train(hp, hn)
