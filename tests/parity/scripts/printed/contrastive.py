"""Embeddings by contrast, labels by likeness, a sequence turned round with attention and a search, chains of tags."""

import copy
import math
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def follow(name, optimizer, loss, *more):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(name, loss.item(), *more)


# Sixteen things seen and described: each sight is to be nearest to its own description.
sight, words = torch.randn(16, 10), torch.randint(0, 18, (16, 6))
see = nn.Sequential(nn.Linear(10, 14), nn.ReLU(), nn.Linear(14, 8))
hear = nn.Sequential(nn.EmbeddingBag(18, 14, mode="mean", padding_idx=0), nn.Linear(14, 8))
sharp = nn.Parameter(torch.ones([]) * np.log(8.0))
fit = torch.optim.AdamW(
    [sharp, *hear.parameters(), *see.parameters()], lr=6e-3, betas=(0.9, 0.97), eps=1e-7, weight_decay=0.1
)
own = torch.arange(16)
for lap in range(6):
    seen, heard = see(sight), hear(words)
    alike = (seen / seen.norm(dim=-1, keepdim=True)) @ (heard / heard.norm(dim=1, keepdim=True)).t()
    scores = sharp.exp() * alike
    both = torch.stack([F.cross_entropy(side, own) for side in (scores, scores.t())])
    found = (scores.argmax(1) == own).float().mean()
    follow("described", fit, both.mean(), found.item(), sharp.item())
    sharp.data = torch.clamp(sharp.data, 0, math.log(50))
each_pair = F.logsigmoid((2 * torch.eye(16) - 1) * (scores.detach() - 3))
print("pair by pair", -each_pair.sum().item() / 16)


class Remembering(nn.Module):
    """Told from a ring of earlier codes, which a slower copy of the coder writes (He et al., 2020)."""

    def __init__(self, room=20, slow=0.95, warmth=0.1):
        super().__init__()
        self.room, self.slow, self.warmth = room, slow, warmth
        self.quick, self.late = nn.Linear(10, 5), nn.Linear(10, 5)
        for ours, theirs in self.pairs():
            theirs.data.copy_(ours.data)
            theirs.requires_grad = False
        self.register_buffer("ring", F.normalize(torch.randn(5, room), dim=0))
        self.register_buffer("next", torch.zeros(1, dtype=torch.long))

    def pairs(self):
        return zip(self.quick.parameters(), self.late.parameters())

    @torch.no_grad()
    def code_late(self, x):
        for ours, theirs in self.pairs():
            theirs.data = torch.lerp(ours.data, theirs.data, self.slow)
        mixed = torch.randperm(len(x))
        return F.normalize(self.late(x[mixed]), dim=1)[torch.argsort(mixed)]

    @torch.no_grad()
    def write(self, codes):
        assert self.room % codes.shape[0] == 0
        start = int(self.next)
        self.ring[:, start : start + codes.shape[0]] = codes.T
        self.next[0] = (start + codes.shape[0]) % self.room

    def forward(self, this, same):
        ours, theirs = F.normalize(self.quick(this), dim=1), self.code_late(same)
        near = torch.einsum("nc,nc->n", [ours, theirs]).unsqueeze(-1)
        far = torch.einsum("nc,cr->nr", [ours, self.ring.clone().detach()])
        self.write(theirs)
        return torch.cat([near, far], dim=1) / self.warmth


remember = Remembering()
first = torch.zeros(10, dtype=torch.long)  # the right answer is the first of the scores
fit = torch.optim.SGD(
    filter(lambda w: w.requires_grad, remember.parameters()), 0.05, momentum=0.9, weight_decay=1e-4
)
for lap in range(5):
    shaken = sight[:10] + 0.2 * torch.randn(10, 10)
    told = nn.CrossEntropyLoss()(remember(shaken, sight[:10]), first)
    follow("remembered", fit, told, remember.next.item(), remember.ring.sum().item())

# No contrast at all: one branch foretells the other, which follows it and gets no gradient.
lead = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
foretell, trail = nn.Linear(3, 3), copy.deepcopy(lead)
for w in trail.parameters():
    w.requires_grad_(False)
fit = torch.optim.SGD([*foretell.parameters(), *lead.parameters()], 0.1)
for lap in range(4):
    views = [sight + 0.15 * torch.randn_like(sight) for _ in range(2)]
    apart = 0.0
    for this, other in (views, views[::-1]):
        said, meant = (F.normalize(code, dim=-1) for code in (foretell(lead(this)), trail(other).detach()))
        apart = apart + (said - meant).pow(2).sum(-1).mean()
    follow("foretold", fit, apart)
    for late, early in zip(trail.parameters(), lead.parameters()):
        late.data = 0.8 * late.data + 0.2 * early.data


def nearest_mean(known, asked):
    """log p(class) of asked (q, d) by squared distance from the means of known (classes, shots, d)."""
    means = known.mean(1)
    shape = (asked.size(0), *means.shape)
    gaps = asked.unsqueeze(1).expand(shape) - means.unsqueeze(0).expand(shape)
    return F.log_softmax(-torch.pow(gaps, 2).sum(2), dim=1)


code = see(sight)
likely = nearest_mean(code[:12].view(3, 4, 8), code[12:15])
print("nearest mean", F.nll_loss(likely, torch.arange(3)).item(), likely.argmax(1))
kinds = torch.arange(16) % 3
alike = kinds.unsqueeze(1).eq(kinds)
gaps = torch.cdist(code, code)
furthest = (gaps * alike).max(1)[0]
closest = gaps.masked_fill(alike, float("inf")).min(1)[0]
up = torch.ones_like(closest)
print("hardest", F.relu(furthest - closest + 0.2).mean().item())
print("ranked", F.margin_ranking_loss(closest, furthest, up, margin=0.2).item())
print("softly", F.soft_margin_loss(closest - furthest, up).item())
middle = nn.Parameter(torch.zeros(3, 8))
to_middle = (code.detach() - middle[kinds]).pow(2).sum(1).mean()
to_middle.backward()
print("to the middle", to_middle.item(), middle.grad.norm().item())
cosine = nn.TripletMarginWithDistanceLoss(
    distance_function=lambda one, other: 1 - F.cosine_similarity(one, other), margin=0.3
)
print("by angle", cosine(code[:5], code[5:10], code[10:15]).item())
signs = torch.tensor([-1, 1, 1, -1, 1])
print("by sign", nn.CosineEmbeddingLoss(margin=0.2)(code[:5], code[5:10], signs).item())

# A sequence is said backwards: what is read is kept, and every word said looks back at it.
GO, TOKENS, WIDTH, LONG = 0, 8, 10, 6


class Backwards(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(TOKENS, WIDTH)
        self.blur = nn.Dropout(0.1)
        self.read = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.ask, self.offer, self.weigh = (
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, 1),
        )
        self.speak = nn.GRU(2 * WIDTH, WIDTH, batch_first=True)
        self.word = nn.Linear(WIDTH, TOKENS)

    def say(self, before, state, kept):
        """log p of the next word (B, 1, words), the state, and where it looked (B, 1, T)."""
        worth = self.weigh(torch.tanh(self.ask(state.permute(1, 0, 2)) + self.offer(kept))).squeeze(2)
        where = F.softmax(worth.unsqueeze(1), dim=-1)
        given = torch.cat((self.blur(self.table(before)), torch.bmm(where, kept)), dim=2)
        said, state = self.speak(given, state)
        return F.log_softmax(self.word(said), dim=-1), state, where

    def forward(self, tokens, prompt=None):
        kept, state = self.read(self.blur(self.table(tokens)))
        before = torch.empty(len(tokens), 1, dtype=torch.long).fill_(GO)
        said, looked = [], []
        for place in range(LONG):
            likely, state, where = self.say(before, state, kept)
            said.append(likely)
            looked.append(where)
            before = likely.topk(1)[1].squeeze(-1).detach() if prompt is None else prompt[:, place, None]
        return torch.cat(said, dim=1), torch.cat(looked, dim=1)

    def search(self, tokens, width):
        """The likeliest few whole answers to one sequence, each with its log-probability."""
        kept, state = self.read(self.table(tokens))
        open_ends = [(0.0, [GO], state)]
        for _ in range(LONG):
            longer = []
            for total, line, state in open_ends:
                likely, after, _ = self.say(torch.tensor([line[-1:]]), state, kept)
                for gain, word in zip(*(part.tolist() for part in likely[0, 0].topk(width))):
                    longer.append((total + gain, [*line, word], after))
            longer.sort(key=lambda end: end[0], reverse=True)
            open_ends = longer[:width]
        return [(line[1:], round(total, 4)) for total, line, _ in open_ends]


talk = Backwards()
fit = torch.optim.Adam(talk.parameters(), lr=0.01)
tokens = torch.randint(1, TOKENS, (14, LONG))
answer = tokens.flip(1)
dice = random.Random(5)
for lap in range(12):
    said, _ = talk(tokens, answer if dice.random() < 0.6 else None)
    follow("backwards", fit, nn.NLLLoss()(said.view(-1, said.size(-1)), answer.reshape(-1)))
talk.eval()
with torch.no_grad():
    said, looked = talk(tokens[:2])
    print(said.argmax(-1), looked.sum(-1), looked[0, 0])
    print(*talk.search(tokens[:1], 3), sep="\n")


class Tags(nn.Module):
    """A chain of tags: scores of each tag at its word, of each after each other, of the first and the last."""

    def __init__(self, tags):
        super().__init__()
        self.after = nn.Parameter(torch.empty(tags, tags).uniform_(-0.2, 0.2))
        self.begin, self.end = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))

    def surprise(self, scores, tags, present):
        """log of the sum over all chains minus the score of this one, the mean over (B, T, tags)."""
        here = scores.gather(2, tags.unsqueeze(2)).squeeze(2) * present
        step = self.after[tags[:, :-1], tags[:, 1:]] * present[:, 1:]
        last = tags.gather(1, present.long().sum(1, keepdim=True) - 1).squeeze(1)
        this = self.begin[tags[:, 0]] + here.sum(1) + step.sum(1) + self.end[last]
        every = self.begin + scores[:, 0]
        for word, there in zip(scores.unbind(1)[1:], present.unbind(1)[1:]):
            moved = torch.logsumexp(every.unsqueeze(2) + self.after, 1) + word
            every = torch.where(there.unsqueeze(1).bool(), moved, every)
        return (torch.logsumexp(every + self.end, 1) - this).mean()

    @torch.no_grad()
    def best(self, scores):
        """The best chain for one sentence (T, tags), traced from its end."""
        reach, came_from = self.begin + scores[0], []
        for word in scores[1:]:
            reach, origin = (reach.unsqueeze(1) + self.after).max(0)
            reach = reach + word
            came_from.insert(0, origin)
        chain = [int((reach + self.end).argmax())]
        for origin in came_from:
            chain.insert(0, int(origin[chain[0]]))
        return chain


chain, read = Tags(3), nn.Linear(5, 3)
sentences = torch.randn(9, 6, 5)
truth = sentences[..., 1:4].argmax(-1)
present = (torch.arange(6) < torch.randint(3, 7, (9, 1))).float()
fit = torch.optim.Adam([*read.parameters(), *chain.parameters()], 0.04)
for lap in range(6):
    follow("tags", fit, chain.surprise(read(sentences), truth, present))
for sentence, tags in zip(sentences[:2], truth):
    print(chain.best(read(sentence)), tags.tolist())
