"""An MLP on the digits, in the manner of PyTorch's beginner tutorials."""
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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.fc2 = nn.Linear(128, 64)
        self.drop = nn.Dropout(0.3)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.fc1(x)))
        x = self.drop(torch.tanh(self.fc2(x)))
        return F.log_softmax(self.fc3(x), dim=1)


model = Net().to(device)
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
            out = model(x.to(device))
            losses.append(F.nll_loss(out, y, reduction="sum").item())
            pred = out.argmax(dim=1, keepdim=True)
            losses.append(pred.eq(y.view_as(pred)).sum().item() / len(y))
