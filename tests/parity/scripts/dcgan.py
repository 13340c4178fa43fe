"""A painter of checkered tiles against a judge of them, both convolutional."""

import random
import torch
import torch.nn as nn
import torch.nn.parallel
import torch.backends.cudnn as cudnn
import torch.optim as optim
import torch.utils.data

losses = []

random.seed(4)
torch.manual_seed(4)
torch.use_deterministic_algorithms(True)
cudnn.benchmark = True
devices = [f"cuda:{i}" for i in range(2)] if torch.cuda.is_available() else ["cpu"]
home = torch.device(devices[0])
IDEAS, COLOURS = 10, 2


def tiles(count):
    """Checkered squares of 16 by 16 between -1 and 1, each with its own pitch, phase and colours."""
    place = torch.arange(16.0)
    pitch, phase = torch.rand(count, COLOURS, 1) + 0.4, 3 * torch.rand(count, COLOURS, 1)
    wave = torch.sin(pitch * place + phase)
    return torch.tanh(2 * wave.unsqueeze(-1) * wave.unsqueeze(-2))


def grow(wide, narrow, stride, pad):
    """Four times four pixels for each one, twice as many or, from a single one, four."""
    layer = nn.ConvTranspose2d(wide, narrow, 4, stride, pad, bias=False)
    nn.init.normal_(layer.weight, 0.0, 0.05)
    return layer


def shrink(narrow, wide, stride, pad):
    layer = nn.Conv2d(narrow, wide, 4, stride, pad, bias=False)
    nn.init.normal_(layer.weight, 0.0, 0.05)
    return layer


class Painter(nn.Sequential):
    def __init__(self, width):
        super(Painter, self).__init__()
        self.append(grow(IDEAS, 2 * width, 1, 0))
        self.extend([nn.BatchNorm2d(2 * width), nn.ReLU(True), grow(2 * width, width, 2, 1)])
        self.extend([nn.BatchNorm2d(width), nn.ReLU(True), grow(width, COLOURS, 2, 1), nn.Tanh()])


class Judge(nn.Module):
    """The probability that a tile was not painted, (B,)."""

    def __init__(self, width):
        super(Judge, self).__init__()
        self.near = nn.Sequential(shrink(COLOURS, width, 2, 1), nn.LeakyReLU(0.1, inplace=True))
        self.far = nn.Sequential(
            shrink(width, 2 * width, 2, 1), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.1, inplace=True)
        )
        self.verdict = nn.Sequential(shrink(2 * width, 1, 1, 0), nn.Sigmoid())

    def forward(self, tile):
        for part in (self.near, self.far, self.verdict):
            on_many = tile.is_cuda and len(devices) > 1
            tile = nn.parallel.data_parallel(part, tile, range(len(devices))) if on_many else part(tile)
        return tile.view(-1, 1).squeeze(1)


def jitter(layer):
    """Scales near one and shifts of nothing, for whatever normalizes."""
    if layer.__class__.__name__.startswith("BatchNorm"):
        nn.init.normal_(layer.weight, 1.0, 0.05)
        nn.init.zeros_(layer.bias)


painter, judge = (net.to(home).apply(jitter) for net in (Painter(6), Judge(6)))
error = nn.BCELoss()
paints, judges = (
    optim.Adam(net.parameters(), lr=rate, betas=(0.6, 0.99)) for net, rate in ((painter, 3e-4), (judge, 2e-4))
)
always_the_same = torch.randn(5, IDEAS, 1, 1, device=home)
shown = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(tiles(60)), batch_size=12, shuffle=True, num_workers=0
)
for lap in range(7):
    for (found,) in shown:
        found = found.to(home)
        truth = torch.full((len(found),), 0.9, dtype=found.dtype, device=home)  # never quite certain
        painted = painter(torch.randn(len(found), IDEAS, 1, 1, device=home))
        judge.zero_grad()
        fooled_by = error(judge(painted.detach()), truth.clone().fill_(0.0))
        doubted = error(judge(found), truth)
        (fooled_by + doubted).backward()
        judges.step()
        painter.zero_grad()
        praise = judge(painted)
        blamed = error(praise, truth.fill_(1.0))
        blamed.backward()
        paints.step()
        losses += [fooled_by.item(), doubted.item(), blamed.item(), praise.mean().item()]
with torch.no_grad():
    losses.append(painter.eval()(always_the_same).detach().abs().mean().item())
