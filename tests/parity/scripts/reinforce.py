"""Learning from rewards: returns alone, with a critic, by Q-values of remembered moves, and by clipped ratios."""

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


class Raft:
    """Two paddles and a current: stay near the middle of the river for fourteen strokes."""

    def __init__(self, seed):
        self.river = np.random.default_rng(seed)

    def launch(self):
        self.at, self.speed, self.strokes = self.river.normal(scale=0.5), 0.0, 0
        return self.look()

    def look(self):
        return np.array([self.at, self.speed, abs(self.at), self.strokes / 14], dtype=np.float32)

    def paddle(self, side):
        push = 0.3 if side else -0.3
        self.speed = 0.7 * self.speed + push + 0.1 * self.river.normal()
        self.at += 0.5 * self.speed
        self.strokes += 1
        return self.look(), 1.0 - abs(self.at), self.strokes == 14


def discounted(rewards, keep):
    """What each stroke leads to, standardized over the trip."""
    worth = deque()
    for reward in reversed(rewards):
        worth.appendleft(reward + keep * (worth[0] if worth else 0.0))
    worth = torch.tensor(worth)
    return (worth - worth.mean()) / (worth.std() + np.finfo(np.float32).eps.item())


raft = Raft(3)
torch.manual_seed(5)

# Returns alone: each choice is made likelier by what followed it.
chooser = nn.Sequential(nn.Linear(4, 24), nn.Dropout(p=0.4), nn.ReLU(), nn.Linear(24, 2), nn.Softmax(dim=1))
learner = optim.Adam(chooser.parameters(), lr=0.01)
for trip in range(25):
    seen, likely, rewards = raft.launch(), [], []
    for stroke in count():
        options = Categorical(chooser(torch.from_numpy(seen).float().unsqueeze(0)))
        side = options.sample()
        likely.append(options.log_prob(side))
        seen, reward, landed = raft.paddle(side.item())
        rewards.append(reward)
        if landed:
            break
    loss = -(torch.cat(likely) * discounted(rewards, 0.95)).sum()
    learner.zero_grad()
    loss.backward()
    learner.step()
    losses.append(loss.item())

# A critic says what to expect; only the surprise counts, and hesitation is rewarded a little.
Stroke = namedtuple("Stroke", "likely hesitation expected reward")


class Crew(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.eyes = nn.Linear(4, width)
        self.hands = nn.Linear(width, 2)
        self.judge = nn.Linear(width, 1)

    def forward(self, seen):
        what = F.relu(self.eyes(seen))
        return F.softmax(self.hands(what), dim=-1), self.judge(what)


def trip_of(crew, strokes):
    seen = raft.launch()
    for _ in range(strokes):
        chances, expected = crew(torch.from_numpy(seen).float())
        options = Categorical(chances)
        side = options.sample()
        seen, reward, _ = raft.paddle(side.item())
        yield Stroke(options.log_prob(side), options.entropy(), expected, reward)


crew = Crew()
learner = optim.Adam(crew.parameters(), lr=0.02)
for trip in range(25):
    diary = Stroke(*zip(*trip_of(crew, 9)))
    worth = discounted(diary.reward, 0.95)
    expected = torch.cat(diary.expected)
    blame = -(torch.stack(diary.likely) * (worth - expected.detach())).sum()
    misjudged = F.smooth_l1_loss(expected, worth, reduction="sum")
    learner.zero_grad()
    loss = blame + misjudged - 0.02 * torch.stack(diary.hesitation).sum()
    loss.backward()
    learner.step()
    losses += [loss.item(), misjudged.item()]

# Q-values: moves drawn from memory, judged by a copy that follows slowly; a finished trip has no next.
Move = namedtuple("Move", "seen side after reward")


def values():
    return nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 2))


memory = deque(maxlen=60)
seen = raft.launch()
for stroke in range(90):
    side = stroke * 5 // 3 % 2
    after, reward, landed = raft.paddle(side)
    memory.append(Move(seen, side, None if landed else after, reward))
    seen = raft.launch() if landed else after
quick, slow = values(), values()
slow.load_state_dict(quick.state_dict())
learner = optim.AdamW(quick.parameters(), lr=0.002, amsgrad=True)
huber = nn.SmoothL1Loss()
lots = torch.Generator()
lots.manual_seed(8)
for lap in range(40):
    drawn = torch.randint(len(memory), (10,), generator=lots)
    moves = Move(*zip(*(memory[i] for i in drawn.tolist())))
    goes_on = torch.tensor([after is not None for after in moves.after], device="cpu", dtype=torch.bool)
    future = torch.zeros(10)
    with torch.no_grad():
        ahead = torch.cat([torch.from_numpy(after)[None] for after in moves.after if after is not None])
        future[goes_on] = slow(ahead).max(1).values
    told = quick(torch.from_numpy(np.stack(moves.seen))).gather(1, torch.tensor(moves.side).unsqueeze(1))
    aim = torch.tensor(moves.reward, dtype=torch.float) + 0.9 * future
    loss = huber(told, aim.unsqueeze(1))
    learner.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(quick.parameters(), 0.1)
    learner.step()
    new, old = quick.state_dict(), slow.state_dict()
    slow.load_state_dict({name: 0.9 * old[name] + 0.1 * new[name] for name in new})
    losses.append(loss.item())

# Clipped ratios: thirty steps on one record of aimed throws, without leaving its chances far behind.
torch.manual_seed(0)
aimer = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
log_spread = nn.Parameter(torch.full((2,), -0.5))
learner = optim.Adam([*aimer.parameters(), log_spread], lr=0.003)
wind = torch.randn(50, 3)
with torch.no_grad():
    throws = Normal(aimer(wind), log_spread.exp())
    landed = throws.sample()
    as_recorded = throws.log_prob(landed).sum(-1)
score = -(landed + wind[:, 1:]).abs().sum(-1)
score = (score - score.mean()) / (score.std() + 1e-06)
for lap in range(30):
    throws = Normal(aimer(wind), log_spread.exp().expand_as(landed))
    ratio = (throws.log_prob(landed).sum(-1) - as_recorded).exp()
    gain = torch.min(ratio * score, torch.clamp(ratio, 0.85, 1.15) * score).mean()
    loss = -gain - 0.005 * throws.entropy().sum(-1).mean()
    learner.zero_grad()
    loss.backward()
    learner.step()
    losses.append(loss.item())
