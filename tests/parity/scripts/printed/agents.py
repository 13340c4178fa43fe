"""Rewards beyond reinforce.py: whole distributions and quantiles of what is to come, and choices kept open."""

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


class Stairs:
    """Seven steps up or down; one point on the top step, nothing elsewhere, and home after eighteen moves."""

    TOP = 6

    def start(self):
        self.step, self.moves = 3, 0
        return self.view()

    def view(self):
        return np.eye(self.TOP + 1, dtype=np.float32)[self.step]

    def go(self, up):
        self.step = int(np.clip(self.step + (1 if up else -1), 0, self.TOP))
        self.moves += 1
        on_top = self.step == self.TOP
        return self.view(), float(on_top), on_top or self.moves == 18


class Shaky(nn.Module):
    """A linear layer whose weights are drawn about their means; the spreads are learned (Fortunato et al., 2018)."""

    def __init__(self, inputs, outputs, spread=0.4):
        super().__init__()
        reach = inputs**-0.5
        for name, shape, size in (("weight", (outputs, inputs), inputs), ("bias", (outputs,), outputs)):
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            self.register_parameter(f"{name}_spread", nn.Parameter(torch.empty(shape)))
            self.register_buffer(f"{name}_noise", torch.empty(shape))
            getattr(self, name).data.uniform_(-reach, reach)
            getattr(self, f"{name}_spread").data.fill_(spread / math.sqrt(size))
        self.shake()

    def shake(self):
        """One number for each input and output, its root with its sign; a weight gets the product of two."""
        out, into = (torch.randn(n) for n in self.weight.shape)
        out, into = (n.sign().mul_(n.abs().sqrt_()) for n in (out, into))
        self.bias_noise.copy_(out)
        self.weight_noise.copy_(out.ger(into))

    def forward(self, x):
        if not self.training:
            return F.linear(x, self.weight, self.bias)
        weight = torch.addcmul(self.weight, self.weight_spread, self.weight_noise)
        return F.linear(x, weight, torch.addcmul(self.bias, self.bias_spread, self.bias_noise))


class Prospects(nn.Module):
    """For each of two moves the chance of each of several totals; forward returns their means (B, 2)."""

    def __init__(self, levels=9, highest=1.6):
        super().__init__()
        self.levels = levels
        self.register_buffer("totals", torch.linspace(0.0, highest, levels))
        self.eye = nn.Linear(Stairs.TOP + 1, 14)
        self.place, self.move = Shaky(14, levels), Shaky(14, 2 * levels)

    def chances(self, view):
        seen = F.relu(self.eye(view))
        move = self.move(seen).view(-1, 2, self.levels)
        logits = self.place(seen).unsqueeze(1) + move - move.mean(dim=1, keepdim=True)
        return F.softmax(logits, dim=-1).clamp(min=1e-4)

    def forward(self, view):
        return torch.sum(self.chances(view) * self.totals, dim=2)


@torch.no_grad()
def moved(chances, rewards, goes_on, totals, keep):
    """Chances (B, levels) of reward + keep * total, shared between the two levels that each new total lies between.

    Where the way ends, only the reward is left (Bellemare et al., 2017, algorithm 1).
    """
    highest, width = totals[-1].item(), (totals[1] - totals[0]).item()
    aim = rewards.unsqueeze(1) + keep * goes_on.float().unsqueeze(1) * totals
    place = aim.clamp(min=0.0, max=highest) / width
    below = place.floor().long().clamp(max=len(totals) - 2)
    upper = place - below.float()
    first = torch.linspace(0, (len(aim) - 1) * len(totals), len(aim)).long()
    at = (below + first.unsqueeze(1).expand(below.shape)).view(-1)
    shared = torch.zeros(chances.size())
    shared.view(-1).index_add_(0, at, (chances * (1 - upper)).view(-1))
    shared.view(-1).index_add_(0, at + 1, (chances * upper).view(-1))
    return shared


Step = namedtuple("Step", "view move reward after")
BATCH = 12
quick, late = Prospects(), Prospects()
late.load_state_dict(quick.state_dict())
late.eval()
walked = deque([], maxlen=150)
descent = torch.optim.AdamW(quick.parameters(), lr=4e-3, amsgrad=True)
stairs, points = Stairs(), 0
view = torch.tensor(stairs.start()).unsqueeze(0)
for walk in range(110):
    with torch.no_grad():
        move = quick(view).max(1).indices.view(1, 1)
    seen, reward, home = stairs.go(move.item())
    points += reward
    after = None if home else torch.tensor(seen, dtype=torch.float32).unsqueeze(0)
    walked.append(Step(view, move, torch.tensor([reward]), after))
    view = torch.tensor(stairs.start()).unsqueeze(0) if home else after
    if len(walked) < 2 * BATCH:
        continue
    drawn = Step(*map(list, zip(*random.sample(walked, BATCH))))
    goes_on = torch.tensor([after is not None for after in drawn.after], dtype=torch.bool)
    ahead = torch.cat([after for after in drawn.after if after is not None])
    future = torch.full((BATCH, quick.levels), 1 / quick.levels)
    with torch.no_grad():
        future[goes_on] = late.chances(ahead)[range(len(ahead)), quick(ahead).argmax(1)]
    aim = moved(future, torch.cat(drawn.reward), goes_on, quick.totals, 0.9)
    said = quick.chances(torch.cat(drawn.view))[range(BATCH), torch.cat(drawn.move).squeeze(1)]
    wrong = -(aim * said.log()).sum(1).mean()
    descent.zero_grad()
    wrong.backward()
    torch.nn.utils.clip_grad_value_(quick.parameters(), 50)
    descent.step()
    for layer in (quick.place, quick.move):
        layer.shake()
    newer, older = quick.state_dict(), late.state_dict()
    late.load_state_dict({name: torch.lerp(older[name], newer[name], 0.1) for name in older})
    if walk % 17 == 0:
        print("prospects", walk, wrong.item(), points, quick(view).mean().item())


def off_quantiles(guess, drawn, shares, near=1.0):
    """Huber's loss, weighted by the share on the side where it falls: guess (B, q) against drawn (B, n)."""
    gap = drawn.unsqueeze(1) - guess.unsqueeze(2)
    size = gap.abs()
    loss = torch.where(size < near, 0.5 * gap.pow(2), near * (size - 0.5 * near))
    side = torch.abs(shares[None, :, None] - gap.detach().lt(0).float())
    return (side * loss).sum(1).mean()


shares = (torch.arange(6) + 0.5) / 6
print("in tenths, rounded up:", (10 * shares).ceil())
spread = nn.Linear(7, 6)
descent = torch.optim.Adam(spread.parameters(), 2e-2)
for lap in range(4):
    wrong = off_quantiles(spread(torch.eye(7)), 2 * torch.randn(7, 5) - 1, shares)
    descent.zero_grad()
    wrong.backward()
    descent.step()
    print("quantiles", wrong.item())


class Thrower(nn.Module):
    """A throw in (-1, 1)^2 for a wind (B, 4), and its log-density by the formula and by PyTorch's transform."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 14), nn.ReLU(), nn.Linear(14, 4))

    def forward(self, wind):
        aim, width = self.body(wind).chunk(2, dim=-1)
        free = Normal(aim, torch.clamp(width, -4, 1).exp())
        before = free.rsample()
        squeezed = 2 * (np.log(2) - before - F.softplus(-2 * before))  # log(1 - tanh^2)
        throw = torch.tanh(before)
        bounded = TransformedDistribution(free, [TanhTransform(cache_size=1)])
        known = bounded.log_prob(throw.clamp(-0.999, 0.999)).sum(-1)
        return throw, free.log_prob(before).sum(-1) - squeezed.sum(axis=1), known


def judge():
    return nn.Sequential(nn.Linear(6, 14), nn.ReLU(), nn.Linear(14, 1), nn.Flatten(0))


def lowest(judges, wind, throw):
    """The less hopeful of two judgements."""
    first, second = (one(torch.cat([wind, throw], -1)) for one in judges)
    return torch.min(first, second)


thrower, judges = Thrower(), nn.ModuleList([judge(), judge()])
patient = copy.deepcopy(judges)
for weight in patient.parameters():
    weight.requires_grad = False
log_warmth = torch.full((1,), -1.0, requires_grad=True)
steps = {
    name: torch.optim.Adam(list(weights), 4e-3)
    for name, weights in dict(
        judge=judges.parameters(), throw=thrower.parameters(), warm=[log_warmth]
    ).items()
}


def take(name, loss):
    steps[name].zero_grad()
    loss.backward()
    steps[name].step()
    return loss.item()


for lap in range(10):
    wind, throw = torch.randn(24, 4), torch.rand(24, 2) * 2 - 1
    reward, ends = -(wind[:, 2:] + throw).abs().sum(-1), (torch.rand(24) < 0.2).float()
    with torch.no_grad():
        later = wind.roll(1, 1)
        next_throw, density, _ = thrower(later)
        worth = lowest(patient, later, next_throw) - log_warmth.exp() * density
        aim = reward + 0.95 * (1 - ends) * worth
    given = torch.cat([wind, throw], -1)
    misjudged = take("judge", sum(F.mse_loss(one(given), aim) for one in judges))
    judges.requires_grad_(False)
    throw, density, known = thrower(wind)
    regret = take("throw", (log_warmth.exp().detach() * density - lowest(judges, wind, throw)).mean())
    judges.requires_grad_(True)
    take("warm", -(log_warmth * (density - 2.0).detach()).mean())
    with torch.no_grad():
        for old, new in zip(patient.parameters(), judges.parameters()):
            old.data.mul_(0.99)
            old.data.add_(0.01 * new.data)
    agree = (density - known).abs().max().item() < 1e-2
    print("throws %d %.5f %.5f %.5f" % (lap, misjudged, regret, log_warmth.exp().item()), agree)
