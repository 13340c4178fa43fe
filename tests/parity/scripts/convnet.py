"""A convolutional network on the digits, in the manner of PyTorch's MNIST example."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)
data = np.load(DATA)
images = torch.tensor(data["images"], dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
labels = torch.tensor(data["labels"], dtype=torch.long)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, stride=1, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(32)
        self.dropout1 = nn.Dropout2d(0.25)
        self.fc = nn.Linear(32 * 4 * 4, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        x = self.dropout1(x)
        return self.fc(torch.flatten(x, 1))


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


net = Net()
net.apply(weights_init)
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
