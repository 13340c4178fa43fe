"""Reinforcement learning: policy gradients, actor and critic, Q-learning, and clipped ratios."""

import numpy as np
from itertools import count
from collections import deque, namedtuple
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions.categorical import Categorical
from torch.distributions.normal import Normal

losses = []


class Env:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def reset(self):
        self.s = self.rng.normal(size=4).astype(np.float32)
        self.t = 0
        return (self.s, {})

    def step(self, a):
        self.s = (0.8 * self.s + 0.1 * (a - 0.5) + 0.05 * self.rng.normal(size=4)).astype(np.float32)
        self.t += 1
        return (self.s, float(1.0 - abs(self.s[0]) * 3), self.t >= 12, False, {})


env = Env()
torch.manual_seed(543)
eps = np.finfo(np.float32).eps.item()


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 32)
        self.dropout = nn.Dropout(p=0.6)
        self.affine2 = nn.Linear(32, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = self.affine1(x)
        x = self.dropout(x)
        x = F.relu(x)
        return F.softmax(self.affine2(x), dim=1)


policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=0.01)


def select_action(state):
    state = torch.from_numpy(state).float().unsqueeze(0)
    probs = policy(state)
    m = Categorical(probs)
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R = 0
    policy_loss = []
    returns = deque()
    for r in policy.rewards[::-1]:
        R = r + 0.99 * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * R)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


for i in range(35):
    state, _ = env.reset()
    for t in range(12):
        action = select_action(state)
        state, reward, done, _, _ = env.step(action)
        policy.rewards.append(reward)
        if done:
            break
SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class AC(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions, self.rewards = ([], [])

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return (F.softmax(self.action_head(x), dim=-1), self.value_head(x))


model = AC()
optimizer = optim.Adam(model.parameters(), lr=0.03)
for ep in range(30):
    state, _ = env.reset()
    ent = 0
    for t in range(1, 10):
        probs, v = model(torch.from_numpy(state).float())
        m = Categorical(probs)
        action = m.sample()
        ent = ent + m.entropy()
        model.saved_actions.append(SavedAction(m.log_prob(action), v))
        state, reward, done, _, _ = env.step(action.item())
        model.rewards.append(reward)
    R = 0
    pl, vl, returns = ([], [], [])
    for r in model.rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for (log_prob, value), R in zip(model.saved_actions, returns):
        advantage = R - value.item()
        pl.append(-log_prob * advantage)
        vl.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(pl).sum() + torch.stack(vl).sum() - 0.01 * ent
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    losses += [loss.item()]
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
policy_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=0.001, amsgrad=True)
g = torch.Generator()
g.manual_seed(0)
for it in range(40):
    batch = Transition(
        *zip(
            *[
                (
                    torch.randn(1, 4),
                    torch.randint(2, (1, 1)),
                    None if torch.rand(()) < 0.2 else torch.randn(1, 4),
                    torch.rand(1),
                )
                for _ in range(8)
            ]
        )
    )
    mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), device="cpu", dtype=torch.bool)
    nn_s = torch.cat([s for s in batch.next_state if s is not None])
    sv = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    nsv = torch.zeros(8)
    with torch.no_grad():
        nsv[mask] = target_net(nn_s).max(1).values
    expected = nsv * 0.99 + torch.cat(batch.reward)
    loss = nn.SmoothL1Loss()(sv, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 0.05)
    optimizer.step()
    tsd, psd = (target_net.state_dict(), policy_net.state_dict())
    for key in psd:
        tsd[key] = psd[key] * 0.05 + tsd[key] * 0.95
    target_net.load_state_dict(tsd)
    losses += [loss.item()]
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
log_std = nn.Parameter(torch.zeros(2))
opt = optim.Adam(list(net.parameters()) + [log_std], lr=0.003)
obs = torch.randn(64, 3)
with torch.no_grad():
    d = Normal(net(obs), log_std.exp())
    act = d.sample()
    old = d.log_prob(act).sum(-1)
adv = -(act - obs[:, :2]).pow(2).sum(-1)
adv = (adv - adv.mean()) / (adv.std() + 1e-08)
for it in range(30):
    d = Normal(net(obs), log_std.exp().expand_as(act))
    ratio = (d.log_prob(act).sum(-1) - old).exp()
    loss = (
        -torch.min(ratio * adv, torch.clamp(ratio, 0.8, 1.2) * adv).mean() - 0.01 * d.entropy().sum(-1).mean()
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses += [loss.item()]
