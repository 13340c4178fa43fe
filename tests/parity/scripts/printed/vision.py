"""Implicit images, radiance fields, a spatial transformer, detection and segmentation losses and metrics."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class SineLayer(nn.Module):
    def __init__(self, i, o, bias=True, is_first=False, omega_0=30):
        super().__init__()
        self.omega_0, self.is_first, self.in_features = omega_0, is_first, i
        self.linear = nn.Linear(i, o, bias=bias)
        self.init_weights()

    def init_weights(self):
        with torch.no_grad():
            if self.is_first:
                self.linear.weight.uniform_(-1 / self.in_features, 1 / self.in_features)
            else:
                self.linear.weight.uniform_(
                    -np.sqrt(6 / self.in_features) / self.omega_0,
                    np.sqrt(6 / self.in_features) / self.omega_0,
                )

    def forward(self, x):
        return torch.sin(self.omega_0 * self.linear(x))


def get_mgrid(s, dim=2):
    t = tuple(dim * [torch.linspace(-1, 1, steps=s)])
    return torch.stack(torch.meshgrid(*t, indexing="xy"), dim=-1).reshape(-1, dim)


def gradient(y, x, go=None):
    return torch.autograd.grad(
        y, [x], grad_outputs=torch.ones_like(y) if go is None else go, create_graph=True
    )[0]


def divergence(y, x):
    d = 0.0


def laplace(y, x):
    g = gradient(y, x)
    div = 0.0
    for i in range(g.shape[-1]):
        div += torch.autograd.grad(g[..., i], x, torch.ones_like(g[..., i]), create_graph=True)[0][
            ..., i : i + 1
        ]
    return div


siren = nn.Sequential(SineLayer(2, 24, is_first=True), SineLayer(24, 24), nn.Linear(24, 1))
coords = get_mgrid(12)
img = torch.exp(-4 * coords.pow(2).sum(-1, keepdim=True))
o = torch.optim.Adam(lr=1e-3, params=siren.parameters())
for i in range(6):
    c = coords.clone().detach().requires_grad_(True)
    out = siren(c)
    loss = (
        ((out - img) ** 2).mean()
        + 1e-5 * laplace(out, c).pow(2).mean()
        + 1e-4 * gradient(out, c).norm(dim=-1).mean()
    )
    o.zero_grad()
    loss.backward()
    o.step()
    print("siren", i, loss.item())


def posenc(x, L=3):
    return torch.cat([x] + [f(2.0**i * x) for i in range(L) for f in (torch.sin, torch.cos)], -1)


def get_rays(H, W, focal, c2w):
    i, j = torch.meshgrid(
        torch.arange(W, dtype=torch.float32), torch.arange(H, dtype=torch.float32), indexing="ij"
    )
    i, j = i.t(), j.t()
    dirs = torch.stack([(i - W * 0.5) / focal, -(j - H * 0.5) / focal, -torch.ones_like(i)], -1)
    rd = torch.sum(dirs[..., None, :] * c2w[:3, :3], -1)
    return c2w[:3, -1].expand(rd.shape), rd


def cumprod_exclusive(t):
    c = torch.cumprod(t, -1)
    c = torch.roll(c, 1, -1)
    c[..., 0] = 1.0
    return c


def render(net, ro, rd, near=2.0, far=6.0, n=8):
    z = torch.linspace(near, far, n)
    z = z + torch.rand(list(ro.shape[:-1]) + [n]) * (far - near) / n
    pts = ro[..., None, :] + rd[..., None, :] * z[..., :, None]
    raw = torch.reshape(net(posenc(pts.reshape(-1, 3))), list(pts.shape[:-1]) + [4])
    sig, rgb = F.relu(raw[..., 3]), torch.sigmoid(raw[..., :3])
    dist = torch.cat((z[..., 1:] - z[..., :-1], torch.tensor([1e10]).expand(z[..., :1].shape)), -1)
    al = 1.0 - torch.exp(-sig * dist)
    w = al * cumprod_exclusive(1.0 - al + 1e-10)
    return (w[..., None] * rgb).sum(-2), (w * z).sum(-1), w, z


def sample_pdf(bins, w, n, det=True):
    w = w + 1e-5
    pdf = w / w.sum(-1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(pdf[..., :1]), torch.cumsum(pdf, -1)], -1)
    u = torch.linspace(0.0, 1.0, n).expand(list(cdf.shape[:-1]) + [n]).contiguous()
    idx = torch.searchsorted(cdf, u, right=True)
    b, a = (
        torch.max(torch.zeros_like(idx - 1), idx - 1),
        torch.min((cdf.shape[-1] - 1) * torch.ones_like(idx), idx),
    )
    g = torch.stack([b, a], -1)
    ms = [g.shape[0], g.shape[1], cdf.shape[-1]]
    cg, bg = torch.gather(cdf.unsqueeze(1).expand(ms), 2, g), torch.gather(bins.unsqueeze(1).expand(ms), 2, g)
    den = cg[..., 1] - cg[..., 0]
    den = torch.where(den < 1e-5, torch.ones_like(den), den)
    return bg[..., 0] + (u - cg[..., 0]) / den * (bg[..., 1] - bg[..., 0])


nerf = nn.Sequential(nn.Linear(21, 32), nn.ReLU(), nn.Linear(32, 4))
o = torch.optim.Adam(nerf.parameters(), 5e-3)
ro, rd = get_rays(6, 5, 4.0, torch.eye(4)[:3])
tgt = torch.rand(6, 5, 3)
for i in range(5):
    rgb, dep, w, z = render(nerf, ro, rd)
    loss = F.mse_loss(rgb, tgt)
    o.zero_grad()
    loss.backward()
    o.step()
    print("nerf", loss.item(), (-10.0 * torch.log10(loss)).item(), dep.mean().item())
zm = 0.5 * (z[..., 1:] + z[..., :-1])
print(sample_pdf(zm.flatten(0, 1), w.flatten(0, 1)[..., 1:-1].detach(), 5)[:2])


class STN(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2, stride=2), nn.ReLU(True))
        self.fc = nn.Sequential(nn.Linear(4 * 9, 8), nn.ReLU(True), nn.Linear(8, 6))
        self.fc[2].weight.data.zero_()
        self.fc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.c = nn.Conv2d(1, 4, 3, stride=2)
        self.d = nn.Dropout2d()
        self.o = nn.Linear(36, 3)

    def forward(self, x):
        th = self.fc(self.loc(x).view(-1, 36)).view(-1, 2, 3)
        x = F.grid_sample(
            x, F.affine_grid(th, x.size(), align_corners=False), align_corners=False, padding_mode="border"
        )
        return F.log_softmax(self.o(F.relu(self.d(self.c(x))).flatten(1)), 1), th


stn = STN()
o = torch.optim.SGD(stn.parameters(), 0.05)
x = torch.randn(8, 1, 8, 8)
y = torch.arange(8) % 3
for i in range(5):
    lp, th = stn(x)
    l = F.nll_loss(lp, y)
    o.zero_grad()
    l.backward()
    o.step()
    print("stn", l.item(), th[0].tolist()[0])


def box_iou(a, b, giou=False):
    lt, rb = torch.max(a[:, None, :2], b[:, :2]), torch.min(a[:, None, 2:], b[:, 2:])
    wh = (rb - lt).clamp(min=0)
    inter = wh[..., 0] * wh[..., 1]
    area = lambda t: (t[:, 2] - t[:, 0]) * (t[:, 3] - t[:, 1])
    un = area(a)[:, None] + area(b) - inter
    iou = inter / un
    if not giou:
        return iou
    c = (torch.max(a[:, None, 2:], b[:, 2:]) - torch.min(a[:, None, :2], b[:, :2])).clamp(0).prod(2)
    return iou - (c - un) / c


def nms(b, s, t):
    order = s.argsort(descending=True)
    keep = []
    while order.numel() > 0:
        i = order[0]
        keep.append(i.item())
        if order.numel() == 1:
            break
        order = order[1:][(box_iou(b[i][None], b[order[1:]])[0] <= t).nonzero().squeeze(1)]
    return torch.LongTensor(keep)


def xywh(b):
    x, y, w, h = b.unbind(-1)
    return torch.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], -1)


boxes = xywh(torch.rand(10, 4) * 0.5 + 0.2)
print(nms(boxes, torch.rand(10), 0.4), box_iou(boxes, boxes).sum(), box_iou(boxes, boxes, True).diag())
S, B, C = 4, 2, 3
pred = nn.Parameter(torch.randn(2, S, S, B * 5 + C) * 0.1)
t = torch.zeros(2, S, S, B * 5 + C)
t[0, 1, 2] = torch.rand(13)
t[0, 1, 2, 4] = 1
t[1, 3, 3, 4] = 1
o = torch.optim.SGD([pred], 0.1, momentum=0.9)


def yolo(p, t):
    coo = (t[..., 4] > 0).unsqueeze(-1).expand_as(t)
    noo = t[..., 4] == 0
    cp, ct = p[coo].view(-1, B * 5 + C), t[coo].view(-1, B * 5 + C)
    bp, bt = cp[:, : B * 5].contiguous().view(-1, 5), ct[:, : B * 5].contiguous().view(-1, 5)
    m = torch.zeros_like(bt, dtype=torch.bool)
    for i in range(0, bt.size(0), B):
        iou = box_iou(xywh(bp[i : i + B, :4].detach()), xywh(bt[i : i + 1, :4]))
        mi = iou.max(0)[1]
        m[i + mi] = True
    return (
        5 * F.mse_loss(bp[m].view(-1, 5)[:, :2], bt[m].view(-1, 5)[:, :2], reduction="sum")
        + F.mse_loss(
            bp[m].view(-1, 5)[:, 2:4].abs().sqrt(), bt[m].view(-1, 5)[:, 2:4].sqrt(), reduction="sum"
        )
        + 0.5 * (p[noo][..., 4::5][..., :2] ** 2).sum()
        + F.cross_entropy(cp[:, B * 5 :], ct[:, B * 5 :].argmax(1), reduction="sum")
    )


for i in range(5):
    l = yolo(pred, t) / 2
    o.zero_grad()
    l.backward()
    o.step()
    print("yolo", l.item())


def focal(x, t, a=0.25, g=2.0):
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    pt = p * t + (1 - p) * (1 - t)
    l = ce * (1 - pt) ** g
    return ((a * t + (1 - a) * (1 - t)) * l).mean()


def dice(i, t, s=1.0):
    i, t = torch.sigmoid(i).flatten(1), t.flatten(1)
    inter = (i * t).sum(1)
    return (1 - (2.0 * inter + s) / (i.sum(1) + t.sum(1) + s)).mean()


def tversky(p, t, a=0.7):
    p = p.sigmoid().view(-1)
    t = t.view(-1)
    tp = (p * t).sum()
    return 1 - (tp + 1) / (tp + a * ((1 - p) * t).sum() + (1 - a) * (p * (1 - t)).sum() + 1)


def lovasz_grad(gs):
    n = gs.numel()
    s = gs.sum()
    inter = s - gs.float().cumsum(0)
    un = s + (1 - gs).float().cumsum(0)
    j = 1.0 - inter / un
    j[1:n] = j[1:n] - j[:-1].clone()
    return j


def lovasz_hinge(x, t):
    s = 2.0 * t.float() - 1.0
    e = 1.0 - x * s
    es, perm = torch.sort(e, dim=0, descending=True)
    return torch.dot(F.relu(es), lovasz_grad(t[perm]))


seg = nn.Conv2d(1, 1, 3, padding="same")
X = torch.randn(4, 1, 8, 8)
T = (F.avg_pool2d(X, 3, 1, 1) > 0.1).float()
o = torch.optim.Adam(seg.parameters(), 0.05)
for i in range(6):
    z = seg(X)
    l = focal(z, T) + dice(z, T) + tversky(z, T) + 0.1 * lovasz_hinge(z.view(-1), T.view(-1))
    o.zero_grad()
    l.backward()
    o.step()
    print("seg", l.item())


def confusion(p, t, n):
    k = (t >= 0) & (t < n)
    return torch.bincount(n * t[k] + p[k], minlength=n**2).reshape(n, n)


cm = confusion((z > 0).long().flatten(), T.long().flatten(), 2)
print(cm, cm.diag() / (cm.sum(1) + cm.sum(0) - cm.diag()), (cm.diag().sum() / cm.sum()).item())


def ssim(a, b, w=5):
    g = torch.tensor([math.exp(-((x - w // 2) ** 2) / (2 * 1.5**2)) for x in range(w)])
    g = (g / g.sum()).unsqueeze(1)
    k = g.mm(g.t()).expand(1, 1, w, w).contiguous()
    c = lambda t: F.conv2d(t, k, padding=w // 2)
    m1, m2 = c(a), c(b)
    s1, s2, s12 = c(a * a) - m1**2, c(b * b) - m2**2, c(a * b) - m1 * m2
    return (((2 * m1 * m2 + 1e-4) * (2 * s12 + 9e-4)) / ((m1**2 + m2**2 + 1e-4) * (s1 + s2 + 9e-4))).mean()


print(
    ssim(X, X + 0.1 * torch.randn_like(X)),
    F.interpolate(X[:1], scale_factor=0.5, mode="area")[0, 0, 0],
    F.interpolate(X[:1], size=(5, 3), mode="bicubic", align_corners=False, antialias=False)[0, 0, 0],
    F.interpolate(X[:1], 4, mode="bilinear", antialias=True)[0, 0, 0],
    F.unfold(X[:1], 3, stride=2).shape,
    F.fold(F.unfold(X[:1], 2, stride=2), (8, 8), 2, stride=2).equal(X[:1]),
    F.pixel_unshuffle(X[:1], 2).shape,
)
