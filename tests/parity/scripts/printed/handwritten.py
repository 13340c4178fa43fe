"""By hand: an optimizer in the oldest calls, folds, curves and tables of right and wrong, cells, and layers that train alone."""

import collections
import copy
import itertools
import json
import math
from itertools import count

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
np.random.seed(0)


class Moments:
    """Adam (Kingma and Ba, 2015) as it was once written: the number before the tensor, and .data throughout."""

    def __init__(self, weights, rate=2e-2, keep=(0.9, 0.99)):
        self.kept = [(w, w.data.new(w.size()).zero_(), torch.zeros_like(w.data)) for w in weights]
        self.rate, self.keep, self.taken = rate, keep, 0

    def forget(self):
        for w, _, _ in self.kept:
            if w.grad is not None:
                w.grad.detach_()
                w.grad.zero_()

    def move(self):
        self.taken += 1
        quick, slow = self.keep
        rate = self.rate * math.sqrt(1 - slow**self.taken) / (1 - quick**self.taken)
        for w, first, second in self.kept:
            g = w.grad.data
            first.mul_(quick).add_(1 - quick, g)
            second.mul_(slow).addcmul_(1 - slow, g, g)
            w.data.addcdiv_(-rate, first, second.sqrt().add_(1e-7))


X = torch.randn(120, 5)
Y = (X[:, 1] - X[:, 0] * X[:, 3] > 0).long()
net = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 2))
hand = Moments(net.parameters())
for lap in range(6):
    said = net(X)
    wrong = nn.CrossEntropyLoss()(said, Y)
    hand.forget()
    wrong.backward()
    hand.move()
    print("moments", wrong.data.item(), "right %.3f" % (said.data.max(1)[1].eq(Y).sum().item() / len(Y)))
for w in net.parameters():
    w.data.add_(-0.02, w.grad.data)
    w.data.sub_(0.02, w.grad.data)
print("length", math.sqrt(sum(w.norm(2).item() ** 2 for w in net.parameters())))


# Which rate and width are best: each part of the data is once kept apart; training stops when that gets no better.
def folds(n, parts):
    cut = torch.randperm(n).chunk(parts)
    for i, apart in enumerate(cut):
        yield torch.cat([*cut[:i], *cut[i + 1 :]]), apart


def right_at_best(net, rate, known, apart, patience=4):
    descent = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.8)
    best, at_best, since = -1.0, None, 0
    for lap in range(12):
        net.train()
        for x, y in DataLoader(TensorDataset(X[known], Y[known].float()), 30, shuffle=True):
            descent.zero_grad()
            F.binary_cross_entropy_with_logits(net(x), y).backward()
            descent.step()
        net.eval()
        with torch.no_grad():
            right = net(X[apart]).sigmoid().gt(0.5).eq(Y[apart].bool()).float().mean().item()
        since = 0 if right > best else since + 1
        if since == 0:
            best, at_best = right, copy.deepcopy(net.state_dict())
        elif since >= patience:
            break
    net.load_state_dict(at_best)
    return best


for width, rate in itertools.product([3, 9], [0.02, 0.2]):
    found = []
    for known, apart in folds(len(X), 3):
        net = nn.Sequential(nn.Linear(5, width), nn.Tanh(), nn.Linear(width, 1), nn.Flatten(0))
        found.append(right_at_best(net, rate, known, apart))
    print("width", width, "rate", rate, "right", np.mean(found).round(4))
# How the last one sorts: the areas under its curves, its table, and whether it means what it says.
chance = net(X).sigmoid().detach()
sorted_ = Y[chance.argsort(descending=True)]
hits, misses = sorted_.cumsum(0).float(), (1 - sorted_).cumsum(0).float()
print("area", torch.trapz(hits / hits[-1], misses / misses[-1]).item())
print("mean precision", (hits / (hits + misses))[sorted_ == 1].mean().item())
table = torch.zeros(2, 2, dtype=torch.int64)
for true, guess in zip(Y.view(-1), (chance > 0.5).long().view(-1)):
    table[true.long(), guess.long()] += 1
both = 2 * table.diag() / (table.sum(0) + table.sum(1))
print(table, both)
bin_of = torch.bucketize(chance, torch.linspace(0, 1, 5)[1:-1])
off = torch.stack(
    [((chance - Y)[bin_of == b].mean()).abs() * (bin_of == b).float().mean() for b in bin_of.unique()]
)
print("says more than it knows by", off.sum().item())
warmth, logits = nn.Parameter(torch.ones(1) * 1.2), torch.logit(chance, eps=1e-5)
search = torch.optim.LBFGS([warmth], lr=0.02, max_iter=10)


def misfit():
    search.zero_grad()
    wrong = F.binary_cross_entropy_with_logits(logits / warmth, Y.float())
    wrong.backward()
    return wrong


search.step(misfit)
print("cooled by", warmth.item(), "to", misfit().item())

# What the modules do, from smaller parts.
lstm, line = nn.LSTM(4, 3), torch.randn(6, 2, 4)
by_input, by_state, shift, shift_too = lstm.all_weights[0]
state = memory = torch.zeros(2, 3)
states = []
for x in line:
    gates = F.linear(x, by_input, shift) + F.linear(state, by_state, shift_too)
    let_in, keep, new, show = gates.chunk(4, 1)
    memory = torch.sigmoid(keep) * memory + let_in.sigmoid() * new.tanh()
    state = show.sigmoid() * torch.tanh(memory)
    states.append(state)
print("lstm", torch.allclose(torch.stack(states), lstm(line)[0], atol=1e-6))
even = nn.BatchNorm1d(5)
evened, middle = even(X), X.mean(0)
print(
    "norm", torch.allclose(evened, (X - middle) / torch.sqrt(X.var(0, unbiased=False) + even.eps), atol=1e-5)
)
print(even.running_mean[:3], torch.allclose(even.running_var, torch.ones(5).lerp(X.var(0), 0.1)))
picture, filters = torch.randn(3, 2, 6, 4), torch.randn(5, 2, 3, 3)
columns = F.unfold(picture, 3, padding=1)
made = torch.einsum("of,nfp->nop", filters.view(5, -1), columns).view(3, 5, 6, 4)
same = (filters.view(5, -1) @ columns).view_as(made)
print(
    "filters",
    torch.allclose(made, F.conv2d(picture, filters, padding=1), atol=1e-5),
    torch.allclose(made, same, atol=1e-5),
)
largest = picture.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
print("pool", torch.equal(largest, F.max_pool2d(picture, 2)))
print(F.unfold(X[:3, None, :].unsqueeze(2).expand(3, 1, 4, 5), (2, 3)).shape)


# A net from a description in JSON, its weights kept by NumPy.
class Plan(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


plan = Plan(json.loads('{"widths": [5, 4, 3], "bend": "elu"}'))
plan.laps = 2
steps = nn.ModuleDict({f"from{a}": nn.Linear(a, b) for a, b in itertools.pairwise(plan.widths)})
x, notes = X, collections.defaultdict(list)
for lap in range(plan.laps):
    x = X
    for step in steps.values():
        x = getattr(F, plan.bend)(step(x))
    for name, value in {"mean": x.mean(), "most": x.max()}.items():
        notes[name].append(round(float(value), 5))
print(x.shape, json.dumps(plan), list(steps), dict(notes))
np.savez("steps.npz", **{name: w.detach().cpu().numpy() for name, w in steps.state_dict().items()})
kept = np.load("steps.npz")
print(steps.load_state_dict({name: torch.from_numpy(kept[name]) for name in kept.files}), sorted(kept.files))

# The coefficients of a curve from its values, until they are right to a thousandth.
torch.manual_seed(0)
truth, offset = torch.randn(3, 1) * 2, torch.randn(1)
fit = torch.nn.Linear(truth.size(0), 1)
for lap in count(1):
    powers = torch.randn(40).clamp(-2, 2).unsqueeze(1) ** torch.arange(1, 4)
    fit.zero_grad()
    wrong = F.smooth_l1_loss(fit(powers), powers.mm(truth) + offset.item())
    wrong.backward()
    for w in fit.parameters():
        w.data.add_(-0.05 * w.grad)
    if wrong.item() < 1e-3 or lap == 250:
        break
print("after {} laps {:.6f}".format(lap, wrong.item()))
for name, factors, level in (("found", fit.weight.view(-1), fit.bias), ("is", truth.view(-1), offset)):
    terms = ["{:+.2f} x^{}".format(factor.item(), power) for power, factor in enumerate(factors, 1)]
    print(name, *terms, "{:+.2f}".format(level[0].item()))


# Layers that train one after the other, each to be loud for true pairs and quiet for false ones (Hinton, 2022).
class Loud(nn.Linear):
    def __init__(self, inputs, outputs, bias=True, device=None, dtype=None):
        super().__init__(inputs, outputs, bias, device, dtype)
        self.bend = torch.nn.ReLU()
        self.descent = torch.optim.Adam(self.parameters(), lr=0.02)

    def forward(self, x):
        direction = x / x.norm(2, 1, keepdim=True).add(1e-5)
        return self.bend(torch.addmm(self.bias.unsqueeze(0), direction, self.weight.T))

    def learn(self, true, false, laps=7, level=1.5):
        for lap in range(laps):
            quiet = [level - self(true).pow(2).mean(1), self(false).pow(2).mean(1) - level]
            wrong = torch.log(torch.exp(torch.cat(quiet)).add(1)).mean()
            self.descent.zero_grad()
            wrong.backward()
            self.descent.step()
        print("loud", wrong.item(), self.training)
        return [self.forward(x).detach() for x in (true, false)]

    def train(self, mode=True):
        return super().train(bool(mode))


def labelled(things, kinds):
    """The things with their first six numbers replaced by their kind."""
    marked = things.clone()
    marked[:, :6] *= 0.0
    marked[range(things.shape[0]), kinds] = things.max()
    return marked


things, kinds = torch.rand(36, 25), torch.randint(0, 6, (36,))
layers = nn.ModuleList([Loud(25, 20), Loud(20, 20)]).train()
true, false = labelled(things, kinds), labelled(things, kinds[torch.randperm(things.size(0))])
for layer in layers:
    true, false = layer.learn(true, false)
print(torch.mm(true, false.T).diagonal()[:5])
