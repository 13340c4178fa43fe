"""Siamese networks, every loss of pairs and triplets, and contrastive learning."""

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


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((2, 2)),
        )
        self.fc_in_features = 32
        self.fc = nn.Sequential(nn.Linear(64, 32), nn.ReLU(inplace=True), nn.Linear(32, 1))
        self.sigmoid = nn.Sigmoid()
        self.cnn.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        output = self.cnn(x)
        return output.view(output.size()[0], -1)

    def forward(self, a, b):
        out = torch.cat((self.forward_once(a), self.forward_once(b)), 1)
        return self.sigmoid(self.fc(out))


class APP(Dataset):
    def __init__(self):
        self.data = torch.rand(60, 12, 12)
        self.targets = torch.arange(60) % 5
        self.data[torch.arange(60), self.targets] += 1
        self.group()

    def group(self):
        np_arange = [torch.where(self.targets == i)[0] for i in range(5)]
        self.g = {i: v for i, v in enumerate(np_arange)}

    def __len__(self):
        return 60

    def __getitem__(self, index):
        c = random.randint(0, 4)
        i1 = random.randint(0, self.g[c].shape[0] - 1)
        i1 = self.g[c][i1]
        im1 = self.data[i1].clone().float()
        if index % 2 == 0:
            i2 = random.choice(self.g[c])
            t = torch.tensor(1, dtype=torch.float)
        else:
            o = (c + 1) % 5
            i2 = self.g[o][random.randint(0, len(self.g[o]) - 1)]
            t = torch.tensor(0, dtype=torch.float)
        return (im1.unsqueeze(0), self.data[i2].unsqueeze(0), t)


model = SiameseNetwork()
loader = DataLoader(APP(), batch_size=12, shuffle=True)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
crit = nn.BCELoss()
for ep in range(6):
    for a, b, t in loader:
        optimizer.zero_grad()
        o = model(a, b).squeeze()
        loss = crit(o, t)
        loss.backward()
        optimizer.step()
        pred = torch.where(o > 0.5, 1, 0)
        losses += [loss.item(), pred.eq(t.view_as(pred)).sum().item()]
    scheduler.step()


class Contrastive(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, x, y, l):
        d = F.pairwise_distance(x, y, keepdim=True)
        return torch.mean((1 - l) * torch.pow(d, 2) + l * torch.pow(torch.clamp(self.margin - d, min=0.0), 2))


emb = nn.Sequential(nn.Linear(10, 16), nn.PReLU(), nn.Linear(16, 4))
opt = optim.SGD(emb.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.0001)
A, P, N_ = torch.randn(3, 24, 10).unbind(0)
for it in range(40):
    ea, ep, en = (emb(A), emb(P), emb(N_))
    l1 = nn.TripletMarginLoss(margin=1.0, p=2, swap=True)(ea, ep, en)
    l2 = nn.CosineEmbeddingLoss(margin=0.1)(ea, ep, torch.ones(24)) + F.cosine_embedding_loss(
        ea, en, -torch.ones(24), margin=0.1
    )
    l3 = Contrastive()(ea, en, torch.ones(24, 1))
    l4 = F.margin_ranking_loss(ea[:, 0], ep[:, 0], torch.sign(A[:, 0]), margin=0.2)
    l5 = nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: 1 - F.cosine_similarity(x, y))(
        ea, ep, en
    )
    l6 = (
        F.hinge_embedding_loss(ea, torch.sign(P[:, :4]))
        + nn.SoftMarginLoss()(en, torch.sign(A[:, :4]))
        + nn.MultiMarginLoss()(ea, torch.arange(24) % 4)
    )
    loss = l1 + l2 + l3 + l4 + l5 + 0.1 * l6
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses += [v.item() for v in (l1, l2, l3, l4, l5, l6)]
torch.manual_seed(1)


def nt_xent(z1, z2, t=0.5):
    n = z1.shape[0]
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    sim = z @ z.T / t
    sim.fill_diagonal_(float("-inf"))
    tgt = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(sim, tgt)


enc = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Linear(32, 8))
opt = optim.AdamW(enc.parameters(), lr=0.003)
sch = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=30, eta_min=1e-05)
for it in range(30):
    l = nt_xent(enc(A + 0.1 * torch.randn_like(A)), enc(F.dropout(A, 0.2)))
    opt.zero_grad()
    l.backward()
    opt.step()
    sch.step()
    losses += [l.item()]
