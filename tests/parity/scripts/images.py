"""Super-resolution with PixelShuffle and orthogonal weights, and a net for style transfer."""

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim
from math import log10
from torch.utils.data import DataLoader, Dataset, Subset, random_split

losses = []


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super(Net, self).__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 16, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        x = self.pixel_shuffle(self.conv4(x))
        return x

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


torch.manual_seed(123)


class D(Dataset):
    def __init__(self, n):
        g = torch.linspace(0, 6.28, 16)
        yy, xx = torch.meshgrid(g, g, indexing="ij")
        self.hi = torch.stack(
            [torch.sin(xx * (1 + k % 3) + k) * torch.cos(yy * (1 + k % 2)) for k in range(n)]
        ).unsqueeze(1)
        self.lo = nn.functional.interpolate(self.hi, scale_factor=0.5, mode="bicubic", align_corners=False)

    def __len__(self):
        return len(self.hi)

    def __getitem__(self, i):
        return (self.lo[i], self.hi[i])


tr, te = random_split(D(40), [32, 8], generator=torch.Generator().manual_seed(4))
training_data_loader = DataLoader(dataset=tr, num_workers=0, batch_size=4, shuffle=True)
testing_data_loader = DataLoader(dataset=te, num_workers=0, batch_size=4, shuffle=False)
model = Net(upscale_factor=2)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.002)
for epoch in range(5):
    for iteration, batch in enumerate(training_data_loader, 1):
        input, target = (batch[0], batch[1])
        optimizer.zero_grad()
        loss = criterion(model(input), target)
        loss.backward()
        optimizer.step()
        losses += [loss.item()]
    avg_psnr = 0
    with torch.no_grad():
        for batch in testing_data_loader:
            mse = criterion(model(batch[0]), batch[1])
            avg_psnr += 10 * log10(1 / mse.item())


class ConvLayer(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super(ConvLayer, self).__init__()
        self.reflection_pad = torch.nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        return self.conv2d(self.reflection_pad(x))


class ResidualBlock(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3, 1)
        self.in1 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3, 1)
        self.in2 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.relu = torch.nn.ReLU()

    def forward(self, x):
        return self.in2(self.conv2(self.relu(self.in1(self.conv1(x))))) + x


class Up(torch.nn.Module):
    def __init__(self, i, o, k, stride, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = torch.nn.ReflectionPad2d(k // 2)
        self.conv2d = torch.nn.Conv2d(i, o, k, stride)

    def forward(self, x):
        if self.upsample:
            x = torch.nn.functional.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


def gram_matrix(y):
    b, ch, h, w = y.size()
    features = y.view(b, ch, w * h)
    features_t = features.transpose(1, 2)
    return features.bmm(features_t) / (ch * h * w)


torch.manual_seed(42)
net = nn.Sequential(
    ConvLayer(3, 8, 5, 1),
    nn.InstanceNorm2d(8, affine=True),
    nn.ReLU(),
    ConvLayer(8, 8, 3, 2),
    ResidualBlock(8),
    Up(8, 3, 3, 1, upsample=2),
)
vgg = nn.Sequential(
    nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
).eval()
for p in vgg.parameters():
    p.requires_grad_(False)


def normalize_batch(batch):
    mean = batch.new_tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    std = batch.new_tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    return (batch.div_(255.0) - mean) / std


x = torch.rand(2, 3, 12, 12) * 255
gs = gram_matrix(vgg(normalize_batch(torch.rand(2, 3, 12, 12) * 255)))
opt = optim.Adam(net.parameters(), 0.001)
for i in range(30):
    opt.zero_grad()
    y = net(x.clone())
    tv = (y[:, :, 1:] - y[:, :, :-1]).abs().mean() + torch.abs(y[..., 1:] - y[..., :-1]).mean()
    fy, fx = vgg(normalize_batch(y)), vgg(normalize_batch(x.clone()))
    c = 1e3 * nn.functional.mse_loss(fy, fx)
    s = 1e6 * nn.functional.mse_loss(gram_matrix(fy), gs[: len(x), :, :])
    (c + s + 0.1 * tv).backward()
    opt.step()
    losses += [c.item(), s.item(), tv.item()]
