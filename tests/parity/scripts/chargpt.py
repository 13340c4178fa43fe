"""A transformer over letters that adds two numbers, its attention and its weight decay written out."""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

SIGNS = "0123456789+=."
LENGTH = 10  # 12+34=046. with the sum written from its ones upward is 10 signs


class Sums(Dataset):
    """a+b=c as signs, c backwards; only the signs of c are asked for, the others have the target -1."""

    def __len__(self):
        return 90 * 90

    def __getitem__(self, which):
        a, b = divmod(which, 90)
        a, b = a + 10, b + 10
        line = f"{a}+{b}={str(a + b).zfill(3)[::-1]}."
        signs = torch.tensor([SIGNS.index(sign) for sign in line], dtype=torch.long)
        wanted = signs[1:].clone()
        wanted[: line.index("=")] = -1
        return signs[:-1], wanted


class Layer(nn.Module):
    """x + attention(norm x), then x + two linear maps of its norm."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.parts = nn.ModuleDict(
            {
                "before_looking": nn.LayerNorm(width),
                "look": nn.Linear(width, 3 * width),
                "report": nn.Linear(width, width),
                "before_thinking": nn.LayerNorm(width),
                "think": nn.Linear(width, 3 * width),
                "bend": nn.GELU(),
                "conclude": nn.Linear(3 * width, width),
            }
        )
        self.blur = nn.Dropout(0.1)
        seen = torch.tril(torch.ones(LENGTH, LENGTH))
        self.register_buffer("unseen", seen.view(1, 1, LENGTH, LENGTH) == 0)

    def attend(self, x):
        n, length, width = x.size()
        query, key, value = (
            part.contiguous().view(n, length, self.heads, -1).transpose(1, 2)
            for part in self.parts.look(x).split(width, dim=2)
        )
        alike = query @ key.transpose(-2, -1) / math.sqrt(key.size(-1))
        alike = alike.masked_fill(self.unseen[..., :length, :length], float("-inf"))
        heard = F.softmax(alike, dim=-1) @ value
        return self.blur(self.parts.report(heard.transpose(1, 2).flatten(2)))

    def forward(self, x):
        p = self.parts
        x = x + self.attend(p.before_looking(x))
        return x + p.conclude(p.bend(p.think(p.before_thinking(x))))


class Adder(nn.Module):
    def __init__(self, width=32, heads=4, depth=2):
        super().__init__()
        self.sign = nn.Embedding(len(SIGNS), width)
        self.place = nn.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.settle = nn.LayerNorm(width)
        self.answer = nn.Linear(width, len(SIGNS), bias=False)
        self.apply(Adder.start)
        for name, weight in self.named_parameters():
            if name.endswith(("report.weight", "conclude.weight")):
                torch.nn.init.normal_(weight, mean=0.0, std=0.05 / depth)

    @staticmethod
    def start(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.05)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.zeros_(module.bias)

    def forward(self, signs):
        x = self.sign(signs) + self.place(torch.arange(0, signs.size(1), dtype=torch.long)).unsqueeze(0)
        for layer in self.layers:
            x = layer(x)
        return self.answer(self.settle(x))

    def groups(self):
        """The matrices of linear maps shrink as they are trained; tables, scales and shifts do not."""
        owners = [m for _, m in self.named_modules() if not isinstance(m, (Adder, Layer))]
        shrink = [m.weight for m in owners if isinstance(m, nn.Linear)]
        chosen = {id(w) for w in shrink}
        keep = [w for w in self.parameters() if id(w) not in chosen]
        return [{"params": shrink, "weight_decay": 0.05}, {"params": keep, "weight_decay": 0.0}]


@torch.no_grad()
def finish(adder, signs, likeliest):
    """Sign by sign to the full length, each drawn from the likeliest few."""
    while signs.size(1) < LENGTH:
        scores = adder(signs)[:, -1, :]
        least = torch.topk(scores, likeliest).values[:, [-1]]
        scores[scores < least] = -float("Inf")
        drawn = torch.multinomial(F.softmax(scores, dim=-1), num_samples=1)
        signs = torch.cat((signs, drawn), dim=1)
    return signs


torch.manual_seed(12)
sums = Sums()
drawer = torch.utils.data.RandomSampler(sums, replacement=True, num_samples=60 * 12)
batches = DataLoader(sums, sampler=drawer, shuffle=False, pin_memory=False, batch_size=12, num_workers=0)
adder = Adder()
descent = torch.optim.AdamW(adder.groups(), lr=2e-3, betas=(0.9, 0.98))
losses = []
adder.train()
for signs, wanted in batches:
    scores = adder(signs)
    loss = F.cross_entropy(scores.view(-1, len(SIGNS)), wanted.view(-1), ignore_index=-1)
    adder.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(adder.parameters(), 0.5)
    descent.step()
    losses.append(loss.item())
adder.eval()
losses += finish(adder, sums[4000][0][None, :6], 4)[0].tolist()
