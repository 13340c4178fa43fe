"""Noise is added to small pictures in steps and taken away again by a network with a skip at every size."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import einsum, nn

torch.manual_seed(0)


class Add(nn.Module):
    """x + f(norm(x)), with one group for the norm."""

    def __init__(self, channels, inner):
        super().__init__()
        self.inner = nn.Sequential(nn.GroupNorm(1, channels), inner)

    def forward(self, x, *more, **settings):
        return x + self.inner(x, *more, **settings)


class Fold(nn.Module):
    """Two by two pixels become channels: (B, C, H, W) to (B, 4C, H/2, W/2)."""

    def forward(self, x):
        n, channels, high, wide = x.shape
        blocks = x.view(n, channels, high // 2, 2, wide // 2, 2)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * channels, high // 2, wide // 2)


class Clock(nn.Module):
    """(B,) steps to (B, width) waves, from one radian a step to a thousandth."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, step):
        pace = torch.exp(
            torch.arange(self.width // 2, device=step.device) * (-2 * math.log(1000) / self.width)
        )
        turned = torch.einsum("b,w->bw", step.float(), pace)
        return torch.cat((turned.cos(), turned.sin()), dim=-1)


class EvenConv(nn.Conv2d):
    """Convolution by filters of mean zero and variance one."""

    def forward(self, x):
        least = 1e-5 if x.dtype == torch.float32 else 1e-3
        over = dict(dim=(1, 2, 3), keepdim=True)
        spread = self.weight.var(unbiased=False, **over)
        even = (self.weight - self.weight.mean(**over)) * (spread + least).rsqrt()
        return F.conv2d(x, even, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Paint(nn.Module):
    """Two convolutions; the clock says how far the first one's result is stretched and moved."""

    def __init__(self, given, made, clock, groups):
        super().__init__()
        self.told = nn.Sequential(nn.SiLU(), nn.Linear(clock, 2 * made))
        self.first = nn.Sequential(EvenConv(given, made, 3, padding=1), nn.GroupNorm(groups, made))
        self.second = nn.Sequential(EvenConv(made, made, 3, padding=1), nn.GroupNorm(groups, made), nn.SiLU())
        self.past = nn.Identity() if given == made else nn.Conv2d(given, made, 1)

    def forward(self, x, clock):
        stretch, move = self.told(clock).unsqueeze(-1).unsqueeze(-1).chunk(2, dim=1)
        inner = F.silu(torch.addcmul(move, self.first(x), 1 + stretch))
        return self.past(x) + self.second(inner)


class Compare(nn.Module):
    """Attention between all pixels; with linear=True the keys are summed first, so that cost grows as pixels do."""

    def __init__(self, channels, heads=3, each=4, linear=False):
        super().__init__()
        self.heads, self.linear = heads, linear
        self.split = nn.Conv2d(channels, 3 * heads * each, 1, bias=False)
        self.join = nn.Conv2d(heads * each, channels, 1)
        self.even = nn.GroupNorm(1, channels) if linear else nn.Identity()

    def forward(self, x):
        n, _, high, wide = x.shape
        query, key, value = (
            part.reshape(n, self.heads, -1, high * wide) for part in self.split(x).chunk(3, dim=1)
        )
        query = query / query.size(2) ** 0.5
        if self.linear:
            gathered = einsum("b h k n, b h v n -> b h k v", key.softmax(dim=-1), value)
            seen = torch.einsum("b h k v, b h k n -> b h v n", gathered, query.softmax(dim=-2))
        else:
            alike = einsum("b h k n, b h k m -> b h n m", query, key)
            alike = alike - alike.amax(dim=-1, keepdim=True).detach()
            seen = einsum("b h n m, b h v m -> b h n v", alike.softmax(dim=-1), value).permute(0, 1, 3, 2)
        return self.even(self.join(seen.reshape(n, -1, high, wide)))


class Cleaner(nn.Module):
    """Foretells the noise in x (B, 1, H, W) at a step (B,)."""

    def __init__(self, width, wider=(1, 2), groups=3):
        super().__init__()
        hours = 3 * width
        paint = partial(Paint, clock=hours, groups=groups)
        self.clock = nn.Sequential(Clock(width), nn.Linear(width, hours), nn.GELU(), nn.Linear(hours, hours))
        self.enter = nn.Conv2d(1, width, 1, padding=0)
        widths = [width, *(times * width for times in wider)]
        self.down, self.up = nn.ModuleList([]), nn.ModuleList([])
        for small, large in zip(widths, widths[1:]):
            last = large == widths[-1]
            shrink = nn.Conv2d(small, large, 3, padding=1)
            grow = [nn.Conv2d(large, small, 3, padding=1)]
            if not last:
                shrink = nn.Sequential(Fold(), nn.Conv2d(4 * small, large, 1))
                grow.insert(0, nn.Upsample(scale_factor=2, mode="nearest"))
            self.down.append(
                nn.ModuleDict(
                    dict(
                        paint=paint(small, small), look=Add(small, Compare(small, linear=True)), resize=shrink
                    )
                )
            )
            self.up.insert(
                0,
                nn.ModuleDict(
                    dict(
                        paint=paint(2 * small, small),
                        look=Add(small, Compare(small, linear=True)),
                        resize=nn.Sequential(*grow),
                    )
                ),
            )
        deepest = widths[-1]
        self.inmost = nn.ModuleList(
            [paint(deepest, deepest), Add(deepest, Compare(deepest)), paint(deepest, deepest)]
        )
        self.last = paint(2 * width, width)
        self.leave = nn.Conv2d(width, 1, 1)

    def forward(self, x, step):
        clock = self.clock(step)
        x = begun = self.enter(x)
        kept = []
        for stage in self.down:
            x = stage.look(stage.paint(x, clock))
            kept.append(x)
            x = stage.resize(x)
        before, between, after = self.inmost
        x = after(between(before(x, clock)), clock)
        for stage in self.up:
            x = stage.resize(x)
            x = stage.look(stage.paint(torch.cat((x, kept.pop()), dim=1), clock))
        return self.leave(self.last(torch.cat((x, begun.clone()), dim=1), clock))


class Fog:
    """The same amounts of noise for every picture: step s leaves sqrt(clear[s]) of it."""

    def __init__(self, added):
        self.added = added
        self.clear = torch.cumprod(1.0 - added, dim=0)
        before = F.pad(self.clear[:-1], (1, 0), value=1.0)
        self.spread = added * (1.0 - before) / (1.0 - self.clear)

    @staticmethod
    def at(table, step, like):
        return table.gather(-1, step.cpu()).reshape(-1, *[1] * (like.dim() - 1)).to(like.device)

    def thicken(self, picture, step, noise):
        clear = self.at(self.clear, step, picture)
        return torch.sqrt(clear) * picture + torch.sqrt(1.0 - clear) * noise

    @torch.no_grad()
    def thin(self, cleaner, foggy, step):
        share = self.at(self.added, step, foggy) / torch.sqrt(1.0 - self.at(self.clear, step, foggy))
        cleaned = (foggy - share * cleaner(foggy, step)) / torch.sqrt(1.0 - self.at(self.added, step, foggy))
        spread = self.at(self.spread, step, foggy)
        return cleaned + torch.sqrt(spread) * torch.randn_like(foggy) * (step > 0).view(-1, 1, 1, 1)


STEPS = 16
clearing = torch.cos(torch.linspace(0, torch.pi / 2, 9)) ** 2
print("by a cosine", torch.clip(1 - clearing[1:] / clearing[:-1], 0.001, 0.99))
print("by squares", torch.linspace(0.02, 0.2, 6) ** 2)
fog = Fog(torch.linspace(0.001, 0.04, STEPS))
print("clear", fog.clear, "spread", fog.spread, sep="\n")
cleaner = Cleaner(6)
print(cleaner.inmost, sum(p.numel() for p in cleaner.parameters() if p.requires_grad))
descent = torch.optim.Adam(cleaner.parameters(), lr=1e-3)
place = torch.arange(8)
rings = (place[:, None] - 3).abs() + (place[None] - 4).abs()
pictures = torch.stack([((rings + shift) % 5 < 2).float() * 2 - 1 for shift in range(5)]).unsqueeze(1)
for lap, distance in enumerate([F.l1_loss, F.mse_loss, F.smooth_l1_loss] * 3):
    step = torch.randint(0, STEPS, (5,)).long()
    noise = torch.randn_like(pictures)
    loss = distance(cleaner(fog.thicken(pictures, step, noise), step), noise)
    descent.zero_grad()
    loss.backward()
    descent.step()
    print(lap, "steps", step.tolist(), "off by", loss.item())
drawn = torch.randn(3, 1, 8, 8)
for at in reversed(range(STEPS)):
    drawn = fog.thin(cleaner, drawn, torch.full((3,), at, dtype=torch.long))
print("drawn", drawn[0, 0, 2:4])
print("as bytes", drawn.clamp(-1, 1).add(1).mul(0.5).mul(255).to(torch.uint8)[2, 0, 5])
