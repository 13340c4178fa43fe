"""Training through gradients: penalties, meta-learning, distillation, averaged weights, rare losses."""

import torch
import copy
import itertools
import torch.nn as nn
import torch.nn.functional as F
from torch.func import (
    vmap,
    grad,
    functional_call,
    jacrev,
    jacfwd,
    hessian,
    stack_module_state,
    vjp,
    jvp,
    grad_and_value,
)
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn, get_ema_multi_avg_fn

losses = []

torch.manual_seed(0)
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
oG, oD = (
    torch.optim.Adam(G.parameters(), 0.001, betas=(0.5, 0.9)),
    torch.optim.RMSprop(D.parameters(), 0.001),
)
for i in range(30):
    real = torch.randn(16, 2) * 0.5 + 2
    fake = G(torch.randn(16, 4))
    eps = torch.rand(16, 1)
    inter = (eps * real + (1 - eps) * fake.detach()).requires_grad_(True)
    d = D(inter)
    gr = torch.autograd.grad(
        outputs=d,
        inputs=inter,
        grad_outputs=torch.ones(d.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gp = ((gr.view(16, -1).norm(2, dim=1) - 1) ** 2).mean()
    lD = D(fake.detach()).mean() - D(real).mean() + 10 * gp
    oD.zero_grad()
    lD.backward()
    oD.step()
    lG = -D(fake).mean()
    oG.zero_grad()
    lG.backward()
    oG.step()
    losses += [lD.item(), gp.item(), lG.item()]
net = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
mo = torch.optim.Adam(net.parameters(), 0.001)


def fwd(x, p):
    return F.linear(F.relu(F.linear(x, p[0], p[1])), p[2], p[3])


for i in range(30):
    ml = 0.0
    for t in range(3):
        A, ph = (torch.rand(1) * 4 + 0.1, torch.rand(1) * 3)
        x = torch.rand(10, 1) * 10 - 5
        y = A * torch.sin(x + ph)
        ps = list(net.parameters())
        l = F.mse_loss(fwd(x, ps), y)
        gs = torch.autograd.grad(l, ps, create_graph=True)
        fast = [p - 0.01 * g for p, g in zip(ps, gs)]
        x2 = torch.rand(10, 1) * 10 - 5
        ml = ml + F.mse_loss(fwd(x2, fast), A * torch.sin(x2 + ph))
    mo.zero_grad()
    (ml / 3).backward()
    mo.step()
    losses += [ml.item()]
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
params = {k: v.detach() for k, v in model.named_parameters()}
buffers = {k: v.detach() for k, v in model.named_buffers()}
X, Y = (torch.randn(5, 1, 6, 6), torch.randint(3, (5,)))


def compute_loss(params, buffers, sample, target):
    return F.cross_entropy(
        functional_call(model, (params, buffers), (sample.unsqueeze(0),)), target.unsqueeze(0)
    )


ft = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))
pg = ft(params, buffers, X, Y)
models = [nn.Linear(4, 2) for _ in range(3)]
p, b = stack_module_state(models)
base = copy.deepcopy(models[0]).to("meta") if False else models[0]
xx = torch.randn(6, 4)
f = lambda x: (x**3).sum() + x[0] * x[1]
x = torch.randn(3)
T, S = (
    nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 5)),
    nn.Sequential(nn.Linear(8, 8), nn.Hardswish(), nn.Linear(8, 5)),
)
[p.requires_grad_(False) for p in T.parameters()]
T.eval()
T.requires_grad_(False)
opt = torch.optim.SGD(
    filter(lambda p: p.requires_grad, S.parameters()), lr=0.1, momentum=0.9, dampening=0.1, foreach=None
)
ema = AveragedModel(S, multi_avg_fn=get_ema_multi_avg_fn(0.9))
swa = AveragedModel(S)
sch = torch.optim.lr_scheduler.OneCycleLR(
    opt, max_lr=0.2, total_steps=40, pct_start=0.3, anneal_strategy="cos"
)
x, y = (torch.randn(40, 8), torch.randint(5, (40,)))
man = copy.deepcopy(S)
for i in range(40):
    s = S(x)
    Tm = 4.0
    kd = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(s / Tm, 1), F.softmax(T(x) / Tm, 1)) * Tm * Tm
    ce = F.cross_entropy(s, y, weight=torch.arange(1.0, 6), label_smoothing=0.05)
    l = 0.5 * kd + 0.5 * ce
    opt.zero_grad()
    l.backward()
    opt.step()
    sch.step()
    ema.update_parameters(S)
    if i > 20:
        swa.update_parameters(S)
    with torch.no_grad():
        [m.mul_(0.99).add_(p.data, alpha=0.01) for m, p in zip(man.parameters(), S.parameters())]
        [m.lerp_(p, 0.01) for m, p in zip(man.parameters(), S.parameters())]
    losses += [l.item(), kd.item()]


def focal(l, t, a=0.25, g=2):
    ce = F.binary_cross_entropy_with_logits(l, t, reduction="none")
    pt = torch.exp(-ce)
    return (a * (1 - pt) ** g * ce).mean()


def dice(l, t):
    p = l.sigmoid()
    return 1 - (2 * (p * t).sum((1,)) + 1) / (p.sum(1) + t.sum(1) + 1)


m = nn.Linear(8, 6)
opt = torch.optim.Adadelta(m.parameters())
t = (torch.rand(40, 6) > 0.7).float()
for i in range(15):
    o = m(x)
    l = (
        focal(o, t)
        + dice(o, t).mean()
        + nn.BCEWithLogitsLoss(pos_weight=torch.full([6], 3.0))(o, t)
        + nn.MultiLabelSoftMarginLoss()(o, t)
        + F.huber_loss(o, t, delta=0.5)
        + F.gaussian_nll_loss(o, t, torch.ones(40, 6))
        + F.poisson_nll_loss(o, t)
        + nn.L1Loss()(o, t)
    )
    opt.zero_grad()
    l.backward()
    opt.step()
    losses += [l.item()]
lp = nn.Linear(8, 5)
opt = torch.optim.ASGD(lp.parameters(), lr=0.05)
z = torch.randn(12, 3, 8)
for i in range(20):
    l = nn.CTCLoss(blank=0, zero_infinity=True)(
        F.log_softmax(lp(z), -1),
        torch.tensor([[1, 2, 2], [3, 4, 0], [1, 0, 0]]),
        torch.tensor([12, 10, 8]),
        torch.tensor([3, 2, 1]),
    )
    opt.zero_grad()
    l.backward()
    opt.step()
    losses += [l.item()]
feats = {}
h = m.register_forward_hook(lambda mod, i, o: feats.__setitem__("o", o.detach()))
hb = m.register_full_backward_hook(lambda mod, gi, go: losses.append(go[0].mean().item()))
hp = m.register_forward_pre_hook(lambda mod, a: (a[0] * 2,))
m(x[:1]).sum().backward()
h.remove()
hb.remove()
hp.remove()
with torch.autocast("cpu", enabled=False):
    pass
xx = x.clone().requires_grad_()
y2 = torch.utils.checkpoint.checkpoint(S, xx, use_reentrant=False).sum()
y2.backward()
xa = x.clone().detach().requires_grad_(True)
l = F.nll_loss(F.log_softmax(S(xa), 1), y)
S.zero_grad()
l.backward()
adv = torch.clamp(xa + 0.1 * xa.grad.data.sign(), 0, 1)
