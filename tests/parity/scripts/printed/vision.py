"""Pictures as functions of place, rays through a cloud, a picture that is turned, boxes, and masks."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


class Wave(nn.Module):
    """sin(pitch (W x + b)), W small enough that the waves stay apart (Sitzmann et al., 2020)."""

    def __init__(self, inputs, outputs, pitch=20.0, first=False):
        super().__init__()
        self.pitch = pitch
        self.map = nn.Linear(inputs, outputs, bias=True)
        reach = 1 / inputs if first else np.sqrt(6 / inputs) / pitch
        with torch.no_grad():
            self.map.weight.uniform_(-reach, reach)

    def forward(self, x):
        return torch.sin(self.pitch * self.map(x))


def slope(y, x):
    return torch.autograd.grad(y, [x], grad_outputs=torch.ones_like(y), create_graph=True)[0]


def curvature(first, x):
    """The sum of second derivatives (B, 1), from the slopes (B, d)."""
    return sum(slope(first[..., axis], x)[..., axis : axis + 1] for axis in range(first.shape[-1]))


sheet = nn.Sequential(Wave(2, 20, first=True), Wave(20, 20), nn.Linear(20, 1))
line = torch.linspace(-1, 1, steps=11)
places = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2)
saddle = torch.exp(-3 * places[:, :1].square()) * places[:, 1:]
descent = torch.optim.Adam(lr=1e-3, params=sheet.parameters())
for lap in range(6):
    at = places.clone().detach().requires_grad_(True)
    drawn = sheet(at)
    first = slope(drawn, at)
    rough = 1e-5 * curvature(first, at).pow(2).mean() + 1e-4 * first.norm(dim=-1).mean()
    print("sheet", lap, descend(descent, F.mse_loss(drawn, saddle) + rough), rough.item())


# A cloud of colours seen through a pinhole: along each ray what is in front hides what is behind.
def rays(high, wide, focus, pose):
    """Where the rays start and where they go, both (high, wide, 3); the camera looks along -z."""
    down, right = torch.meshgrid(
        torch.arange(high, dtype=torch.float32), torch.arange(wide, dtype=torch.float32), indexing="ij"
    )
    through = torch.stack([right - (wide - 1) / 2, (high - 1) / 2 - down, torch.full_like(down, -focus)], -1)
    ahead = torch.einsum("hwc,kc->hwk", through / focus, pose[:, :3])
    return pose[:, 3].expand(ahead.shape), ahead


def octaves(x, count=2):
    angles = torch.cat([2.0**octave * x for octave in range(count)], -1)
    return torch.cat([x, torch.sin(angles), torch.cos(angles)], -1)


def look(cloud, start, ahead, near=1.0, far=5.0, count=7):
    """Colour (..., 3), depth (...), what each sample adds (..., count) and how far it lies."""
    cell = (far - near) / count
    far_off = torch.linspace(near, far - cell, count) + cell * torch.rand(list(start.shape[:-1]) + [count])
    at = start.unsqueeze(-2) + ahead.unsqueeze(-2) * far_off.unsqueeze(-1)
    made = torch.reshape(cloud(octaves(at.flatten(0, -2))), list(at.shape[:-1]) + [4])
    colour, density = torch.sigmoid(made[..., :3]), F.relu(made[..., 3] + 0.5)
    length = torch.cat((far_off.diff(dim=-1), torch.tensor([1e8]).expand(far_off[..., :1].shape)), -1)
    passes = torch.exp(-density * length)
    reaches = torch.roll(torch.cumprod(passes + 1e-9, -1), 1, -1)
    reaches[..., 0] = 1.0
    adds = reaches * (1.0 - passes)
    return (adds.unsqueeze(-1) * colour).sum(-2), (adds * far_off).sum(-1), adds, far_off


def more_where(edges, weights, count):
    """count places on each ray (R, edges), spread as its weights (R, edges - 1) are: the inverse of their sum."""
    total = torch.cumsum(F.normalize(weights + 1e-4, p=1.0, dim=-1), -1)
    total = torch.cat([torch.zeros_like(total[..., :1]), total], -1)
    level = torch.linspace(0.05, 0.95, count).expand(len(total), count).contiguous()
    above = torch.searchsorted(total, level, right=True)
    above = torch.min(above, torch.full_like(above, total.shape[-1] - 1))
    ends = torch.stack([torch.max(above - 1, torch.zeros_like(above)), above], -1).flatten(1)
    (low, high), (left, right) = (
        torch.gather(t, 1, ends).view(len(t), count, 2).unbind(-1) for t in (total, edges)
    )
    gap = torch.where(high - low < 1e-6, torch.ones_like(low), high - low)
    return left + (level - low) / gap * (right - left)


cloud = nn.Sequential(nn.Linear(15, 24), nn.ReLU(), nn.Linear(24, 4))
descent = torch.optim.Adam(cloud.parameters(), 4e-3)
start, ahead = rays(5, 4, 3.0, torch.eye(4)[:3])
photo = torch.rand(5, 4, 3)
for lap in range(5):
    colour, depth, adds, far_off = look(cloud, start, ahead)
    wrong = descend(descent, F.mse_loss(colour, photo))
    print("cloud", wrong, (10.0 * torch.log10(1 / torch.tensor(wrong))).item(), depth.mean().item())
between = (far_off[..., 1:] + far_off[..., :-1]).flatten(0, 1) / 2
print(more_where(between, adds.flatten(0, 1)[..., 1:-1].detach(), 6)[:3])


class Turning(nn.Module):
    """Looks at a picture once to choose how to shear and shift it, and again to name it."""

    def __init__(self):
        super().__init__()
        self.glance = nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2, stride=2), nn.ReLU(True))
        self.choose = nn.Sequential(nn.Linear(3 * 12, 10), nn.ReLU(True), nn.Linear(10, 6))
        self.choose[2].weight.data.zero_()
        self.choose[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.gaze = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.Dropout2d(), nn.ReLU(), nn.Flatten())
        self.name = nn.Linear(48, 3)

    def forward(self, picture):
        how = self.choose(self.glance(picture).view(-1, 36)).view(-1, 2, 3)
        grid = F.affine_grid(how, picture.size(), align_corners=False)
        turned = F.grid_sample(picture, grid, align_corners=False, padding_mode="border")
        return F.log_softmax(self.name(self.gaze(turned)), 1), how


turning, pictures, kinds = Turning(), torch.randn(9, 1, 8, 10), torch.arange(9) % 3
descent = torch.optim.SGD(turning.parameters(), 0.04)
for lap in range(5):
    likely, how = turning(pictures)
    print("turning", descend(descent, F.nll_loss(likely, kinds)), how[1].flatten().tolist())


# Boxes as corners (left, top, right, bottom).
def overlap(a, b):
    """(shared area over joint area, the share of the smallest box round both that is neither), each (A, B)."""
    a, b = a.unsqueeze(1), b.unsqueeze(0)
    size = lambda low, high: (high - low).clamp(min=0).prod(-1)
    both = size(torch.max(a[..., :2], b[..., :2]), torch.min(a[..., 2:], b[..., 2:]))
    around = size(torch.min(a[..., :2], b[..., :2]), torch.max(a[..., 2:], b[..., 2:]))
    either = size(a[..., :2], a[..., 2:]) + size(b[..., :2], b[..., 2:]) - both
    return both / either, (around - either) / around


def corners(boxes):
    middle, size = boxes.split(2, dim=-1)
    return torch.cat([middle - size / 2, middle + size / 2], -1)


def keep_best(boxes, scores, most):
    """The indices of boxes that overlap no better one by more than most, the best first."""
    order = scores.argsort(descending=True)
    shared = overlap(boxes[order], boxes[order])[0]
    kept = []
    while order.numel() > 0:
        kept.append(order[0].item())
        apart = (shared[0] <= most).nonzero().squeeze(1)
        order, shared = order[apart], shared[apart][:, apart]
    return torch.LongTensor(kept)


boxes = corners(torch.rand(12, 4) * 0.4 + 0.3)
shared, outside = overlap(boxes, boxes)
print(keep_best(boxes, torch.rand(12), 0.3), shared.sum(), (shared - outside).diag(), outside[0, :4])

# Every cell of a grid proposes two boxes (x, y, w, h, surety) and one of three names for what has its middle there.
proposed = nn.Parameter(0.1 * torch.randn(2, 3, 3, 13) + 0.3)
truth = torch.zeros(2, 3, 3, 5)
truth[0, 1, 2] = torch.tensor([0.4, 0.6, 0.5, 0.3, 1])
truth[1, 0, 0] = torch.tensor([0.7, 0.2, 0.2, 0.6, 1])
named = torch.tensor([2, 0])
descent = torch.optim.SGD([proposed], 0.1, momentum=0.9)
for lap in range(5):
    taken = truth[..., 4] > 0
    offers, real = proposed[taken][:, :10].contiguous().view(-1, 2, 5), truth[taken].unsqueeze(1)
    fits = torch.stack(
        [overlap(corners(o[:, :4]), corners(r[:, :4]))[0][:, 0] for o, r in zip(offers.detach(), real)]
    )
    chosen = torch.zeros_like(fits, dtype=torch.bool)
    chosen[range(len(fits)), fits.max(1)[1]] = True
    best, wanted = offers[chosen], real.expand_as(offers)[chosen]
    wrong = {
        "where": F.mse_loss(best[:, :2], wanted[:, :2], reduction="sum"),
        "size": F.mse_loss(best[:, 2:4].abs().sqrt(), wanted[:, 2:4].sqrt(), reduction="sum"),
        "sure": (proposed[~taken][..., [4, 9]] ** 2).sum() / 2,
        "name": F.cross_entropy(proposed[taken][:, 10:], named, reduction="sum"),
    }
    print(
        "boxes",
        descend(descent, 4 * wrong["where"] + sum(wrong.values())),
        *[v.item() for v in wrong.values()],
    )


# Masks, by four losses at once.
def hard_ones(scores, truth, rare=0.6, sharp=1.5):
    each = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    missed = torch.where(truth > 0, 1 - torch.sigmoid(scores), torch.sigmoid(scores))
    return (torch.where(truth > 0, rare, 1 - rare) * missed**sharp * each).mean()


def shared_area(scores, truth):
    found, truth = scores.sigmoid().flatten(1), truth.flatten(1)
    return (1 - (2.0 * (found * truth).sum(1) + 1) / (found.sum(1) + truth.sum(1) + 1)).mean()


def uneven_area(scores, truth, for_missed=0.6):
    found, truth = scores.sigmoid().view(-1), truth.view(-1)
    hit = torch.dot(found, truth)
    missed, wrong = truth.sum() - hit, found.sum() - hit
    return 1 - (hit + 1) / (hit + for_missed * missed + (1 - for_missed) * wrong + 1)


def by_rank(scores, truth):
    """Hinge losses, the largest first, each times what it takes from the Jaccard index (Berman et al., 2018)."""
    hinge, order = torch.sort(1.0 - scores * (2.0 * truth.float() - 1.0), dim=0, descending=True)
    truth = truth[order].float()
    lost = 1.0 - (truth.sum() - truth.cumsum(0)) / (truth.sum() + (1 - truth).cumsum(0))
    return torch.dot(F.relu(hinge), torch.cat([lost[:1], lost[1:] - lost[:-1].clone()]))


draw = nn.Conv2d(1, 1, 3, padding="same")
X = torch.randn(4, 1, 8, 8)
mask = (F.avg_pool2d(X, 3, 1, 1) > 0.15).float()
descent = torch.optim.Adam(draw.parameters(), 0.04)
for lap in range(6):
    z = draw(X)
    areas = shared_area(z, mask) + uneven_area(z, mask)
    print("masks", descend(descent, hard_ones(z, mask) + areas + 0.2 * by_rank(z.view(-1), mask.view(-1))))
found, true = (z > 0).long().flatten(), mask.long().flatten()
known = (true >= 0) & (true < 2)
table = torch.bincount(2 * true[known] + found[known], minlength=4).reshape(2, 2)
hits = table.diag()
print(table, hits / (table.sum(0) + table.sum(1) - hits), (hits.sum() / table.sum()).item())


def likeness(a, b, wide=5):
    """The structural similarity of two pictures, averaged (Wang et al., 2004), by a bell of five pixels."""
    bell = torch.tensor([math.exp(-((i - wide // 2) ** 2) / 3.0) for i in range(wide)]).unsqueeze(1)
    bell = bell.mm(bell.t()).div(bell.sum() ** 2).expand(1, 1, wide, wide).contiguous()
    near = F.conv2d(torch.cat([a, b, a * a, b * b, a * b]), bell, padding=wide // 2)
    mean_a, mean_b, aa, bb, ab = near.chunk(5)
    level = (2 * mean_a * mean_b + 1e-3) / (mean_a**2 + mean_b**2 + 1e-3)
    detail = (2 * (ab - mean_a * mean_b) + 2e-3) / (aa - mean_a**2 + bb - mean_b**2 + 2e-3)
    return (level * detail).mean()


print(
    likeness(X, X + 0.1 * torch.randn_like(X)),
    F.interpolate(X[:1], scale_factor=0.5, mode="area")[0, 0, 0],
    F.interpolate(X[:1], size=(5, 3), mode="bicubic", align_corners=False, antialias=False)[0, 0, 0],
    F.interpolate(X[:1], 4, mode="bilinear", antialias=True)[0, 0, 0],
    F.unfold(X[:1], 3, stride=2).shape,
    F.fold(F.unfold(X[:1], 2, stride=2), (8, 8), 2, stride=2).equal(X[:1]),
    F.pixel_unshuffle(X[:1], 2).shape,
)
