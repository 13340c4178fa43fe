"""A convolutional network on the digits, on a falling cosine of rates."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)
data = np.load(DATA)
images = torch.tensor(data["images"], dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
labels = torch.tensor(data["labels"], dtype=torch.long)


class Digits(nn.Module):
    """Two convolutions, the second without shift before its norm, pooled once; whole channels are dropped."""

    def __init__(self):
        super(Digits, self).__init__()
        self.strokes = nn.Conv2d(1, 14, 3, 1, padding=1)
        self.shapes = nn.Conv2d(14, 28, kernel_size=3, stride=1, padding="same", bias=False)
        self.even = nn.BatchNorm2d(28)
        self.blur = nn.Dropout2d(0.2)
        self.name = nn.Linear(28 * 4 * 4, 10)

    def forward(self, x):
        x = self.even(self.shapes(F.relu(self.strokes(x))))
        return self.name(torch.flatten(self.blur(F.max_pool2d(F.relu(x), 2)), 1))


def start(layer):
    match layer.__class__.__name__:
        case "Conv2d":
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        case "BatchNorm2d":
            nn.init.normal_(layer.weight, 1.0, 0.05)
            nn.init.zeros_(layer.bias)


net = Digits()
net.apply(start)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
losses = []
for step in range(50):
    index = torch.randint(0, len(images), (48,))
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(net(images[index]), labels[index])
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
