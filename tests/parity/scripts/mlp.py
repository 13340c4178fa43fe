"""A multilayer perceptron on the digits, examined after each epoch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
data = np.load(DATA)
images, labels = torch.from_numpy(data["images"]).float() / 16, torch.from_numpy(data["labels"]).long()
train, test = random_split(TensorDataset(images, labels), [1500, 297])
train_loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
test_loader = DataLoader(test, batch_size=100)


class Digits(nn.Module):
    def __init__(self, wide=120, narrow=60):
        super().__init__()
        self.strokes = nn.Sequential(nn.Linear(64, wide), nn.BatchNorm1d(wide))
        self.shapes = nn.Linear(wide, narrow)
        self.blur = nn.Dropout(0.25)
        self.name = nn.Linear(narrow, 10)

    def forward(self, pixels):
        shapes = torch.tanh(self.shapes(F.relu(self.strokes(pixels))))
        return F.log_softmax(self.name(self.blur(shapes)), dim=1)


model = Digits().to(device)
optimizer = optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
losses = []
for epoch in range(2):
    model.train()
    for batch, (x, y) in enumerate(train_loader):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        for x, y in test_loader:
            scores = model(x.to(device))
            found = scores.argmax(dim=1, keepdim=True).eq(y.view(-1, 1))
            losses += [F.nll_loss(scores, y, reduction="sum").item(), found.sum().item() / len(y)]
