# pytorch/examples: regression, super_resolution, time_sequence, siamese, forward-forward, fast neural style
from __future__ import print_function

import math
import random
from itertools import count

import numpy as np
import torch
import torch.autograd
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
import torch.optim as optim
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

torch.manual_seed(0)
np.random.seed(2)
random.seed(0)
POLY_DEGREE = 4
W_target = torch.randn(POLY_DEGREE, 1) * 5
b_target = torch.randn(1) * 5


def make_features(x):
    x = x.unsqueeze(1)
    return torch.cat([x**i for i in range(1, POLY_DEGREE + 1)], 1)


def f(x):
    return x.mm(W_target) + b_target.item()


def poly_desc(W, b):
    result = "y = "
    for i, w in enumerate(W):
        result += "{:+.2f} x^{} ".format(w, i + 1)
    result += "{:+.2f}".format(b[0])
    return result


def get_batch(batch_size=32):
    random = torch.randn(batch_size)
    x = make_features(random)
    y = f(x)
    return x, y


fc = torch.nn.Linear(W_target.size(0), 1)
for batch_idx in count(1):
    batch_x, batch_y = get_batch()
    fc.zero_grad()
    output = F.smooth_l1_loss(fc(batch_x), batch_y)
    loss = output.item()
    output.backward()
    for param in fc.parameters():
        param.data.add_(-0.1 * param.grad)
    if loss < 1e-3 or batch_idx > 300:
        break
print("Loss: {:.6f} after {} batches".format(loss, batch_idx))
print("==> Learned function:\t" + poly_desc(fc.weight.view(-1), fc.bias))
print("==> Actual function:\t" + poly_desc(W_target.view(-1), b_target))


class ESPCN(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 16, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(16, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


hr = torch.rand(4, 1, 8, 8)
lr_ = F.interpolate(hr, scale_factor=0.5, mode="bicubic", align_corners=False)
m = ESPCN(2)
o = optim.Adam(m.parameters(), lr=0.01)
crit = nn.MSELoss()
for e in range(5):
    o.zero_grad()
    loss = crit(m(lr_), hr)
    loss.backward()
    o.step()
    psnr = 10 * math.log10(1 / loss.item())
    print("===> Epoch {} Complete: Avg. Loss: {:.4f} PSNR {:.4f} dB".format(e, loss.item(), psnr))
T, L, N = 5, 40, 6
x = np.empty((N, L), "int64")
x[:] = np.array(range(L)) + np.random.randint(-4 * T, 4 * T, N).reshape(N, 1)
data = np.sin(x / 1.0 / T).astype("float64")


class Sequence(nn.Module):
    def __init__(self):
        super(Sequence, self).__init__()
        self.lstm1 = nn.LSTMCell(1, 9)
        self.lstm2 = nn.LSTMCell(9, 9)
        self.linear = nn.Linear(9, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 9, dtype=torch.double)
        c_t = torch.zeros(input.size(0), 9, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), 9, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), 9, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for i in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


inp, tgt = torch.from_numpy(data[2:, :-1]), torch.from_numpy(data[2:, 1:])
seq = Sequence()
seq.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=4)
for i in range(3):

    def closure():
        optimizer.zero_grad()
        out = seq(inp)
        loss = criterion(out, tgt)
        print("loss:", loss.item())
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        pred = seq(torch.from_numpy(data[:2, :-1]), future=10)
        loss = criterion(pred[:, :-10], torch.from_numpy(data[:2, 1:]))
        print("test loss:", loss.item())
        y = pred.detach().numpy()
        print(y[0, -3:].round(6))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(True))
        self.fc = nn.Sequential(nn.Linear(2 * 36, 16), nn.ReLU(inplace=True), nn.Linear(16, 1))
        self.sigmoid = nn.Sigmoid()
        self.cnn.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        o = self.cnn(x)
        return o.view(o.size()[0], -1)

    def forward(self, a, b):
        return self.sigmoid(self.fc(torch.cat((self.forward_once(a), self.forward_once(b)), 1)))


sm = Siamese()
o = optim.Adadelta(sm.parameters(), lr=1.0)
sch = StepLR(o, step_size=1, gamma=0.7)
a, b = torch.randn(16, 1, 8, 8), torch.randn(16, 1, 8, 8)
t = torch.tensor([random.randint(0, 1) for _ in range(16)], dtype=torch.float)
for e in range(5):
    o.zero_grad()
    out = sm(a, b).squeeze()
    l = nn.BCELoss()(out, t)
    l.backward()
    o.step()
    sch.step()
    p = torch.where(out > 0.5, 1, 0)
    print(
        "Train Epoch: {} Loss: {:.6f} acc {}/{}".format(e, l.item(), p.eq(t.view_as(p)).sum().item(), len(t))
    )


def contrastive(a, b, y, m=1.0):
    d = F.pairwise_distance(a, b, keepdim=True)
    return torch.mean((1 - y) * torch.pow(d, 2) + y * torch.pow(torch.clamp(m - d, min=0.0), 2))


print(contrastive(sm.forward_once(a), sm.forward_once(b), t[:, None]).item())


class Layer(nn.Linear):
    def __init__(self, i, o, bias=True, device=None, dtype=None):
        super().__init__(i, o, bias, device, dtype)
        self.relu = torch.nn.ReLU()
        self.opt = Adam(self.parameters(), lr=0.03)
        self.threshold = 2.0
        self.num_epochs = 8

    def forward(self, x):
        d = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(d, self.weight.T) + self.bias.unsqueeze(0))

    def train(self, xp, xn=None):
        if isinstance(xp, bool):
            return super().train(xp)
        for i in range(self.num_epochs):
            gp = self.forward(xp).pow(2).mean(1)
            gn = self.forward(xn).pow(2).mean(1)
            loss = torch.log(1 + torch.exp(torch.cat([-gp + self.threshold, gn - self.threshold]))).mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
        print("ff", loss.item())
        return self.forward(xp).detach(), self.forward(xn).detach()


def overlay(x, y):
    x_ = x.clone()
    x_[:, :10] *= 0.0
    x_[range(x.shape[0]), y] = x.max()
    return x_


X, Y = torch.rand(40, 30), torch.randint(0, 10, (40,))
xp = overlay(X, Y)
rnd = torch.randperm(X.size(0))
xn = overlay(X, Y[rnd])
hp, hn = xp, xn
for l in [Layer(30, 24), Layer(24, 24)]:
    hp, hn = l.train(hp, hn)


class ConvLayer(nn.Module):
    def __init__(self, i, o, k, s):
        super().__init__()
        self.reflection_pad = nn.ReflectionPad2d(k // 2)
        self.conv2d = nn.Conv2d(i, o, k, s)

    def forward(self, x):
        return self.conv2d(self.reflection_pad(x))


class ResidualBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = ConvLayer(c, c, 3, 1)
        self.in1 = nn.InstanceNorm2d(c, affine=True)
        self.conv2 = ConvLayer(c, c, 3, 1)
        self.in2 = nn.InstanceNorm2d(c, affine=True)
        self.relu = nn.ReLU()

    def forward(self, x):
        r = x
        out = self.relu(self.in1(self.conv1(x)))
        return self.in2(self.conv2(out)) + r


class Up(nn.Module):
    def __init__(self, i, o, k, s, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.rp = nn.ReflectionPad2d(k // 2)
        self.conv2d = nn.Conv2d(i, o, k, s)

    def forward(self, x):
        x = F.interpolate(x, mode="nearest", scale_factor=self.upsample) if self.upsample else x
        return self.conv2d(self.rp(x))


tn = nn.Sequential(
    ConvLayer(3, 8, 3, 1),
    nn.InstanceNorm2d(8, affine=True),
    nn.ReLU(),
    ConvLayer(8, 12, 3, 2),
    nn.ReLU(),
    ResidualBlock(12),
    Up(12, 3, 3, 1, 2),
)
vgg = nn.Sequential(
    nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
).eval()
for p in vgg.parameters():
    p.requires_grad_(False)


def gram_matrix(y):
    b, ch, h, w = y.size()
    feats = y.view(b, ch, w * h)
    return feats.bmm(feats.transpose(1, 2)) / (ch * h * w)


def normalize_batch(batch):
    mean = batch.new_tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    std = batch.new_tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    return (batch.div_(255.0) - mean) / std


x = torch.rand(2, 3, 8, 8) * 255
gs = gram_matrix(vgg(normalize_batch(torch.rand(2, 3, 8, 8) * 255)))
o = Adam(tn.parameters(), 1e-3)
for e in range(4):
    o.zero_grad()
    y = tn(x.clone())
    yn, xn = normalize_batch(y), normalize_batch(x.clone())
    fy, fx = vgg(yn), vgg(xn)
    cl = 1e3 * F.mse_loss(fy, fx)
    sl = 1e6 * F.mse_loss(gram_matrix(fy), gs[: len(x), :, :])
    (cl + sl).backward()
    o.step()
    print("style %.4f %.4f" % (cl.item(), sl.item()))
