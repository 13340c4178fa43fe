"""Whether two pictures are of one kind, distances by every loss of pairs and triplets, and views of one thing."""

import torch
import random
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data.dataloader import DataLoader
from torch.utils.data.dataset import Dataset
from torch.optim.lr_scheduler import StepLR

losses = []

random.seed(0)
torch.manual_seed(7)


class Pairs(Dataset):
    """Two pictures of 10 by 10 and 1.0 if the same column is bright in both; by turns like and unlike."""

    def __init__(self, count, kinds):
        self.kind = torch.arange(count).remainder(kinds)
        self.picture = torch.rand(count, 10, 10)
        self.picture[torch.arange(count), :, 2 * self.kind] += 0.8
        self.of_kind = [torch.where(self.kind == kind)[0] for kind in range(kinds)]

    def __len__(self):
        return self.kind.shape[0]

    def __getitem__(self, i):
        kind = self.kind[i].item()
        alike = torch.tensor(i % 2, dtype=torch.float)
        other = kind if alike else (kind + random.randint(1, len(self.of_kind) - 1)) % len(self.of_kind)
        partner = random.choice(self.of_kind[other])
        return self.picture[i].clone().float().unsqueeze(0), self.picture[partner].unsqueeze(0), alike


class Twins(nn.Module):
    """One set of eyes for both pictures; the judgement is of what both saw, in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.eyes = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 5)),
        )
        self.judge = nn.Sequential(nn.Linear(60, 20), nn.ReLU(inplace=True), nn.Linear(20, 1), nn.Sigmoid())
        for layer in self.judge:
            if isinstance(layer, nn.Linear):
                torch.nn.init.xavier_uniform_(layer.weight)
                layer.bias.data.fill_(0.02)

    def forward(self, *two):
        seen = [self.eyes(picture) for picture in two]
        return self.judge(torch.cat([maps.view(maps.size(0), -1) for maps in seen], 1)).squeeze()


twins, error = Twins(), nn.BCELoss()
batches = DataLoader(Pairs(50, 4), batch_size=10, shuffle=True)
descent = optim.Adadelta(twins.parameters(), lr=0.8)
slower = StepLR(descent, step_size=1, gamma=0.8)
for lap in range(6):
    for one, other, alike in batches:
        said = twins(one, other)
        wrong = error(said, alike)
        descent.zero_grad()
        wrong.backward()
        descent.step()
        decided = torch.where(said > 0.5, 1, 0)
        losses += [wrong.item(), decided.eq(alike.view_as(decided)).sum().item()]
    slower.step()


def near_or_far(one, other, apart, least=0.8):
    """The mean of d^2 where apart is 0 and of max(least - d, 0)^2 where it is 1 (Hadsell et al., 2006)."""
    gap = F.pairwise_distance(one, other, keepdim=True)
    return torch.mean(torch.where(apart > 0, torch.clamp(least - gap, min=0.0).pow(2), torch.pow(gap, 2)))


def by_angle(one, other):
    return 1 - F.cosine_similarity(one, other)


code = nn.Sequential(nn.Linear(9, 12), nn.PReLU(), nn.Linear(12, 5))
descent = optim.SGD(code.parameters(), lr=0.04, momentum=0.9, nesterov=True, weight_decay=0.001)
thing, same, else_ = torch.randn(3, 20, 9).unbind(0)
signs, ones, kinds = torch.sign(same[:, :5]), torch.ones(20), torch.arange(20) % 5
triplet = nn.TripletMarginLoss(margin=0.8, p=2, swap=True)
angled = nn.TripletMarginWithDistanceLoss(distance_function=by_angle)
alike, soft, classed = nn.CosineEmbeddingLoss(margin=0.2), nn.SoftMarginLoss(), nn.MultiMarginLoss()
for lap in range(24):
    a, b, c = map(code, (thing, same, else_))
    parts = {
        "triplet": triplet(a, b, c),
        "alike": alike(a, b, ones) + F.cosine_embedding_loss(a, c, -ones, margin=0.2),
        "gap": near_or_far(a, c, torch.ones(20, 1)) + near_or_far(a, b, torch.zeros(20, 1)),
        "rank": F.margin_ranking_loss(a[:, 1], b[:, 1], torch.sign(thing[:, 1]), margin=0.1),
        "angle": angled(a, b, c),
        "sign": F.hinge_embedding_loss(a, signs) + soft(c, signs) + classed(b, kinds),
    }
    descent.zero_grad()
    torch.stack(list(parts.values())).sum().backward()
    descent.step()
    losses += [part.item() for part in parts.values()]

# Two views of each thing: each is to find its fellow among all others.
torch.manual_seed(1)
code = nn.Sequential(nn.Linear(9, 24), nn.BatchNorm1d(24), nn.GELU(), nn.Linear(24, 6))
descent = optim.AdamW(code.parameters(), lr=0.004)
slower = optim.lr_scheduler.CosineAnnealingLR(descent, T_max=30, eta_min=1e-04)
fellow = torch.arange(40).roll(20)
for lap in range(30):
    views = torch.cat([code(thing + 0.2 * torch.randn_like(thing)), code(F.dropout(thing, 0.1))])
    views = F.normalize(views, dim=1)
    alike = (views @ views.T / 0.4).fill_diagonal_(float("-inf"))
    wrong = F.cross_entropy(alike, fellow)
    descent.zero_grad()
    wrong.backward()
    descent.step()
    slower.step()
    losses.append(wrong.item())
