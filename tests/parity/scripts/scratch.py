"""Models from tensors alone, then an autoencoder that draws its code, and choices made likelier by their reward."""

import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

torch.manual_seed(7)
losses = []

# A plane through noisy points, its slopes moved by hand a few points at a time.
slopes, height = torch.tensor([1.5, -2, 0.25]), -0.75
points = torch.normal(0, 1, (150, len(slopes)))
seen = torch.matmul(points, slopes) + height
seen += torch.normal(0, 0.05, seen.shape)
seen = seen.reshape((-1, 1))
tilt = torch.normal(0, 0.01, size=(3, 1), requires_grad=True)
lift = torch.zeros(1, requires_grad=True)


def half_square(some):
    return (torch.matmul(points[some], tilt) + lift - seen[some]) ** 2 / 2


for lap in range(3):
    for some in torch.randperm(len(points)).split(15):
        half_square(some).sum().backward()
        with torch.no_grad():
            for p in (tilt, lift):
                p -= 0.04 * p.grad / len(some)
                p.grad.zero_()
    losses.append(float(half_square(slice(None)).detach().mean()))

# Four classes of small grids, by one hidden layer: relu and softmax are spelled out.
grids, kinds = torch.rand(56, 5, 3), torch.randint(4, (56,))
inner = nn.Parameter(torch.randn(15, 10, requires_grad=True) * 0.2)
shift = nn.Parameter(torch.zeros(10, requires_grad=True))
outer = nn.Parameter(torch.randn(10, 4, requires_grad=True) * 0.2)
descent = torch.optim.SGD([inner, shift, outer], lr=0.4)


def chances():
    hidden = torch.max(grids.reshape((-1, 15)) @ inner + shift, torch.zeros(1))
    grown = torch.exp(hidden @ outer)
    return grown / grown.sum(1, keepdim=True)


for lap in range(30):
    right = chances()[range(len(kinds)), kinds]
    loss = -torch.log(right).mean()
    descent.zero_grad()
    loss.backward()
    descent.step()
    losses.append(loss.item())


class Sketch(nn.Module):
    """Each grid to a mean and a log-variance of two numbers; a draw of those back to the grid (Kingma and Welling, 2014)."""

    def __init__(self):
        super().__init__()
        self.read, self.draw = nn.Linear(15, 10), nn.Linear(2, 10)
        self.code, self.paint = nn.Linear(10, 4), nn.Linear(10, 15)

    def forward(self, flat):
        mean, log_var = self.code(F.relu(self.read(flat))).chunk(2, dim=1)
        width = torch.exp(log_var / 2)
        drawn = mean + width * torch.randn_like(width)
        return torch.sigmoid(self.paint(F.relu(self.draw(drawn)))), mean, log_var


sketch = Sketch()
descent = torch.optim.Adam(sketch.parameters(), lr=2e-2)
flat = grids.view(-1, 15)
for lap in range(30):
    painted, mean, log_var = sketch(flat)
    unlike = F.binary_cross_entropy(painted, flat, reduction="sum")
    from_normal = torch.sum(mean.pow(2) + log_var.exp() - 1 - log_var) / 2
    descent.zero_grad()
    (unlike + 0.5 * from_normal).backward()
    descent.step()
    losses += [unlike.item(), from_normal.item()]

# A light that has gone round a ring of five is to be caught: two choices each time, judged at the end.
chooser = nn.Sequential(nn.Linear(5, 12), nn.Dropout(p=0.1), nn.ReLU(), nn.Linear(12, 2), nn.Softmax(dim=-1))
descent = torch.optim.AdamW(chooser.parameters(), lr=2e-2)
for game in range(15):
    ring, likely, caught = torch.zeros(5), [], []
    for turn in range(9):
        ring = ring.roll(1)
        ring[turn % 5] = 1 - ring[turn % 5]
        options = Categorical(chooser(ring.unsqueeze(0)))
        choice = options.sample()
        likely.append(options.log_prob(choice))
        caught.append(float(choice.item() == int(ring[0].item())))
    worth = torch.tensor(caught)
    worth = (worth - worth.mean()) / (worth.std() + 1e-5)
    loss = -(torch.cat(likely) * worth).sum()
    descent.zero_grad()
    loss.backward()
    descent.step()
    losses.append(loss.item())
