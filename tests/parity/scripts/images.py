"""Small pictures made large by shuffled channels, and pictures whose texture is brought near another's."""

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim
from math import log10
from torch.utils.data import DataLoader, Dataset, Subset, random_split

losses = []


class Enlarger(nn.Sequential):
    """(B, 1, H, W) to (B, 1, times H, times W): the last layer makes times^2 channels, shuffled into place."""

    def __init__(self, times, widths=(12, 12, 6)):
        super(Enlarger, self).__init__()
        before = 1
        for depth, width in enumerate(widths):
            reach = 5 if depth == 0 else 3
            layer = nn.Conv2d(before, width, (reach, reach), (1, 1), (reach // 2, reach // 2))
            init.orthogonal_(layer.weight, init.calculate_gain("relu"))
            self.extend([layer, nn.ReLU()])
            before = width
        last = nn.Conv2d(before, times**2, (3, 3), padding=(1, 1))
        init.orthogonal_(last.weight)
        self.extend([last, nn.PixelShuffle(times)])


class Ripples(Dataset):
    """Rings round a point that wanders, 15 by 15, and the same at a third of the size."""

    def __init__(self, count):
        line = torch.linspace(-2, 2, 15)
        down, right = torch.meshgrid(line, line, indexing="ij")
        rings = []
        for i in range(count):
            far = (down - 0.1 * (i % 7)).square() + (right + 0.15 * (i % 5)).square()
            rings.append(torch.cos(far + 0.4 * i) * torch.sin(right))
        self.large = torch.stack(rings).unsqueeze(1)
        self.small = nn.functional.interpolate(
            self.large, scale_factor=1 / 3, mode="bicubic", align_corners=False
        )

    def __len__(self):
        return self.large.size(0)

    def __getitem__(self, i):
        return self.small[i], self.large[i]


torch.manual_seed(12)
seen, unseen = random_split(Ripples(42), [36, 6], generator=torch.Generator().manual_seed(4))
assert isinstance(unseen, Subset)
batches = DataLoader(dataset=seen, num_workers=0, batch_size=6, shuffle=True)
check = DataLoader(dataset=unseen, num_workers=0, batch_size=3, shuffle=False)
enlarge, error = Enlarger(times=3), nn.MSELoss()
descent = optim.Adam(enlarge.parameters(), lr=0.003)
for lap in range(6):
    for small, large in batches:
        wrong = error(enlarge(small), large)
        descent.zero_grad()
        wrong.backward()
        descent.step()
        losses.append(wrong.item())
    with torch.no_grad():
        decibels = [-10 * log10(error(enlarge(small), large).item()) for small, large in check]
    losses.append(sum(decibels) / len(decibels))


class Mirrored(torch.nn.Module):
    """A convolution whose edges see the picture mirrored; larger > 1 repeats the pixels first."""

    def __init__(self, given, made, reach, stride=1, larger=1):
        super(Mirrored, self).__init__()
        self.larger = larger
        self.mirror = torch.nn.ReflectionPad2d(reach // 2)
        self.filters = torch.nn.Conv2d(given, made, reach, stride)

    def forward(self, x):
        if self.larger > 1:
            x = torch.nn.functional.interpolate(x, mode="nearest", scale_factor=self.larger)
        return self.filters(self.mirror(x))


class Beside(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def evened(given, made, *more):
    return [Mirrored(given, made, *more), torch.nn.InstanceNorm2d(made, affine=True)]


def texture(maps):
    """How the channels of (B, C, H, W) go together over the picture, (B, C, C)."""
    n, channels, high, wide = maps.size()
    flat = maps.view(n, channels, high * wide)
    return flat.bmm(flat.transpose(1, 2)) / maps[0].numel()


def levels(bytes_):
    """0..255 to values of about zero mean and unit variance; divides in place."""
    centre, spread = (
        bytes_.new_tensor(values).view(-1, 1, 1) for values in ([0.5, 0.45, 0.4], [0.25, 0.2, 0.3])
    )
    return (bytes_.div_(255.0) - centre) / spread


torch.manual_seed(21)
paint = nn.Sequential(
    *evened(3, 6, 5),
    nn.ReLU(),
    Mirrored(6, 10, 3, 2),
    Beside(nn.Sequential(*evened(10, 10, 3), torch.nn.ReLU(), *evened(10, 10, 3))),
    Mirrored(10, 3, 3, larger=2),
)
eyes = nn.Sequential(
    nn.Conv2d(3, 7, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(7, 9, 3, padding=1), nn.ReLU()
)
for weight in eyes.eval().parameters():
    weight.requires_grad_(False)
photo, cloth = (255 * torch.rand(2, 3, 10, 14) for _ in range(2))
woven = texture(eyes(levels(cloth)))
descent = optim.Adam(paint.parameters(), 0.002)
for lap in range(25):
    painted = paint(photo.clone())
    rough = torch.abs(painted.diff(dim=2)).mean() + (painted[..., 1:] - painted[..., :-1]).abs().mean()
    shown, meant = eyes(levels(painted)), eyes(levels(photo.clone()))
    unlike = 100 * nn.functional.mse_loss(shown, meant)
    unwoven = 1e4 * nn.functional.mse_loss(texture(shown), woven[: len(photo), :, :])
    descent.zero_grad()
    (unlike + unwoven + 0.5 * rough).backward()
    descent.step()
    losses += [unlike.item(), unwoven.item(), rough.item()]
