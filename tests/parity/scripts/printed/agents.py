"""Reinforcement learning beyond reinforce.py: distributional and quantile Q-learning with noisy layers, soft actor-critic."""

import copy
import math
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal, TanhTransform, TransformedDistribution

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class ReplayMemory(object):
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class Chain:
    def reset(self):
        self.s, self.t = 2, 0
        return self.obs()

    def obs(self):
        o = np.zeros(6, np.float32)
        o[self.s] = 1
        return o

    def step(self, a):
        self.s = min(5, max(0, self.s + (1 if a else -1)))
        self.t += 1
        return self.obs(), float(self.s == 5), self.s == 5 or self.t > 15


class NoisyLinear(nn.Module):
    def __init__(self, i, o, std=0.5):
        super().__init__()
        self.i, self.o = i, o
        self.weight_mu = nn.Parameter(torch.empty(o, i))
        self.weight_sigma = nn.Parameter(torch.empty(o, i))
        self.register_buffer("weight_epsilon", torch.empty(o, i))
        self.bias_mu = nn.Parameter(torch.empty(o))
        self.bias_sigma = nn.Parameter(torch.empty(o))
        self.register_buffer("bias_epsilon", torch.empty(o))
        r = 1 / math.sqrt(i)
        self.weight_mu.data.uniform_(-r, r)
        self.weight_sigma.data.fill_(std / math.sqrt(i))
        self.bias_mu.data.uniform_(-r, r)
        self.bias_sigma.data.fill_(std / math.sqrt(o))
        self.reset_noise()

    def _scale_noise(self, size):
        x = torch.randn(size)
        return x.sign().mul_(x.abs().sqrt_())

    def reset_noise(self):
        ei, eo = self._scale_noise(self.i), self._scale_noise(self.o)
        self.weight_epsilon.copy_(eo.ger(ei))
        self.bias_epsilon.copy_(eo)

    def forward(self, x):
        if self.training:
            return F.linear(
                x,
                self.weight_mu + self.weight_sigma * self.weight_epsilon,
                self.bias_mu + self.bias_sigma * self.bias_epsilon,
            )
        return F.linear(x, self.weight_mu, self.bias_mu)


class C51(nn.Module):
    def __init__(self, n=2, atoms=11, vmin=0.0, vmax=2.0):
        super().__init__()
        self.n, self.atoms = n, atoms
        self.register_buffer("support", torch.linspace(vmin, vmax, atoms))
        self.f = nn.Linear(6, 16)
        self.a, self.v = NoisyLinear(16, n * atoms), NoisyLinear(16, atoms)

    def dist(self, x):
        h = F.relu(self.f(x))
        a = self.a(h).view(-1, self.n, self.atoms)
        v = self.v(h).view(-1, 1, self.atoms)
        return F.softmax(v + a - a.mean(dim=1, keepdim=True), dim=-1).clamp(min=1e-3)

    def forward(self, x):
        return torch.sum(self.dist(x) * self.support, dim=2)

    def reset_noise(self):
        self.a.reset_noise()
        self.v.reset_noise()


q, tgt = C51(), C51()
tgt.load_state_dict(q.state_dict())
tgt.eval()
mem = ReplayMemory(200)
o = torch.optim.AdamW(q.parameters(), lr=3e-3, amsgrad=True)
env = Chain()
s = torch.tensor(env.reset()).unsqueeze(0)
vmin, vmax, dz = 0.0, 2.0, 0.2
rews = 0
for step in range(120):
    with torch.no_grad():
        a = q(s).max(1).indices.view(1, 1)
    ob, r, done = env.step(a.item())
    rews += r
    ns = None if done else torch.tensor(ob, dtype=torch.float32).unsqueeze(0)
    mem.push(s, a, ns, torch.tensor([r]))
    s = torch.tensor(env.reset()).unsqueeze(0) if done else ns
    if len(mem) < 32:
        continue
    b = Transition(*zip(*mem.sample(16)))
    mask = torch.tensor(tuple(map(lambda s: s is not None, b.next_state)), dtype=torch.bool)
    nxt = torch.cat([x for x in b.next_state if x is not None])
    st, ac, rw = torch.cat(b.state), torch.cat(b.action), torch.cat(b.reward)
    with torch.no_grad():
        nd = torch.zeros(16, q.atoms)
        nd[:, 0] = 1.0
        na = q(nxt).argmax(1)
        d = tgt.dist(nxt)
        nd[mask] = d[range(len(nxt)), na]
        tz = (rw.unsqueeze(1) + mask.float().unsqueeze(1) * 0.95 * q.support).clamp(min=vmin, max=vmax)
        bb = (tz - vmin) / dz
        l, u = bb.floor().long(), bb.ceil().long()
        l[(u > 0) * (l == u)] -= 1
        u[(l < (q.atoms - 1)) * (l == u)] += 1
        off = torch.linspace(0, 15 * q.atoms, 16).long().unsqueeze(1).expand(16, q.atoms)
        proj = torch.zeros(nd.size())
        proj.view(-1).index_add_(0, (l + off).view(-1), (nd * (u.float() - bb)).view(-1))
        proj.view(-1).index_add_(0, (u + off).view(-1), (nd * (bb - l.float())).view(-1))
    loss = -(proj * q.dist(st)[range(16), ac.squeeze(1)].log()).sum(1).mean()
    o.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(q.parameters(), 100)
    o.step()
    q.reset_noise()
    td, sd = tgt.state_dict(), q.state_dict()
    for k in sd:
        td[k] = sd[k] * 0.05 + td[k] * 0.95
    tgt.load_state_dict(td)
    if step % 20 == 0:
        print("c51", step, loss.item(), rews, q(s).mean().item())


# QR-DQN / TD3 / SAC pieces
def quantile_huber(cur, tgt, tau, k=1.0):
    d = tgt.unsqueeze(1) - cur.unsqueeze(2)
    h = torch.where(d.abs() < k, 0.5 * d.pow(2), k * (d.abs() - 0.5 * k))
    return (torch.abs(tau[None, :, None] - (d.detach() < 0).float()) * h).sum(1).mean()


taus = (2 * torch.arange(8) + 1) / 16.0
qr = nn.Linear(6, 8)
oo = torch.optim.Adam(qr.parameters(), 1e-2)
for i in range(4):
    l = quantile_huber(qr(torch.eye(6)), torch.randn(6, 8) + 1, taus)
    oo.zero_grad()
    l.backward()
    oo.step()
    print("qr", l.item())


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(3, 16), nn.ReLU())
        self.mu, self.ls = nn.Linear(16, 2), nn.Linear(16, 2)

    def forward(self, s):
        h = self.f(s)
        mu, ls = self.mu(h), torch.clamp(self.ls(h), -5, 2)
        n = Normal(mu, ls.exp())
        u = n.rsample()
        a = torch.tanh(u)
        lp = n.log_prob(u).sum(-1) - (2 * (np.log(2) - u - F.softplus(-2 * u))).sum(axis=1)
        return (
            a,
            lp,
            TransformedDistribution(n, [TanhTransform(cache_size=1)])
            .log_prob(a.clamp(-0.999, 0.999))
            .sum(-1),
        )


act, q1, q2 = (
    Actor(),
    nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1)),
    nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1)),
)
t1, t2 = copy.deepcopy(q1), copy.deepcopy(q2)
for p in t1.parameters():
    p.requires_grad = False
la = torch.zeros(1, requires_grad=True)
oa, oq, ol = (
    torch.optim.Adam(act.parameters(), 3e-3),
    torch.optim.Adam(list(q1.parameters()) + list(q2.parameters()), 3e-3),
    torch.optim.Adam([la], 3e-3),
)
for i in range(10):
    S, A = torch.randn(32, 3), torch.rand(32, 2) * 2 - 1
    R, S2, D = -(S[:, :2] - A).pow(2).sum(-1), S + 0.1, (torch.rand(32) < 0.1).float()
    with torch.no_grad():
        a2, lp2, _ = act(S2)
        sa = torch.cat([S2, a2], -1)
        y = R + 0.99 * (1 - D) * (torch.min(t1(sa), t2(sa)).squeeze(-1) - la.exp() * lp2)
    sa = torch.cat([S, A], -1)
    lq = F.mse_loss(q1(sa).squeeze(-1), y) + ((q2(sa).squeeze(-1) - y) ** 2).mean()
    oq.zero_grad()
    lq.backward()
    oq.step()
    for p in q1.parameters():
        p.requires_grad = False
    a, lp, lp_ = act(S)
    lpi = (
        la.exp().detach() * lp - torch.min(q1(torch.cat([S, a], -1)), q2(torch.cat([S, a], -1))).squeeze(-1)
    ).mean()
    oa.zero_grad()
    lpi.backward()
    oa.step()
    for p in q1.parameters():
        p.requires_grad = True
    lal = -(la * (lp + -2.0).detach()).mean()
    ol.zero_grad()
    lal.backward()
    ol.step()
    with torch.no_grad():
        for p, t in zip([*q1.parameters(), *q2.parameters()], [*t1.parameters(), *t2.parameters()]):
            t.data.mul_(0.995)
            t.data.add_(0.005 * p.data)
    print(
        "sac %d %.5f %.5f %.5f" % (i, lq.item(), lpi.item(), la.exp().item()),
        (lp - lp_).abs().max().item() < 1e-2,
    )
