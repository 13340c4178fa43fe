"""Models written by hand from tensors alone, in the manner of a textbook; a VAE; and a policy gradient."""
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

torch.manual_seed(7)
losses = []

# Linear regression with its own data iterator and update.
true_w, true_b = torch.tensor([2, -3.4]), 4.2
X = torch.normal(0, 1, (200, len(true_w)))
y = torch.matmul(X, true_w) + true_b
y += torch.normal(0, 0.01, y.shape)
y = y.reshape((-1, 1))
w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    order = torch.randperm(len(X))
    for i in range(0, len(X), 20):
        batch = order[i : i + 20]
        l = (torch.matmul(X[batch], w) + b - y[batch].reshape(-1, 1)) ** 2 / 2
        l.sum().backward()
        with torch.no_grad():
            for param in [w, b]:
                param -= 0.03 * param.grad / 20
                param.grad.zero_()
    with torch.no_grad():
        losses.append(float(((torch.matmul(X, w) + b - y) ** 2 / 2).mean()))

# Softmax regression and an MLP by hand.
W1 = nn.Parameter(torch.randn(16, 12, requires_grad=True) * 0.1)
b1 = nn.Parameter(torch.zeros(12, requires_grad=True))
W2 = nn.Parameter(torch.randn(12, 4, requires_grad=True) * 0.1)
params = [W1, b1, W2]
data, label = torch.rand(64, 4, 4), torch.randint(4, (64,))


def softmax(X):
    X_exp = torch.exp(X)
    return X_exp / X_exp.sum(1, keepdim=True)


def net(X):
    H = torch.max(X.reshape((-1, 16)) @ W1 + b1, torch.zeros(1))
    return softmax(H @ W2)


updater = torch.optim.SGD(params, lr=0.5)
for step in range(30):
    y_hat = net(data)
    loss = -torch.log(y_hat[range(len(y_hat)), label]).mean()
    updater.zero_grad()
    loss.backward()
    updater.step()
    losses.append(loss.item())


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(16, 12), nn.Linear(12, 3), nn.Linear(12, 3)
        self.fc3, self.fc4 = nn.Linear(3, 12), nn.Linear(12, 16)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 16))
        z = self.reparameterize(mu, logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(30):
    optimizer.zero_grad()
    recon, mu, logvar = model(data)
    BCE = F.binary_cross_entropy(recon, data.view(-1, 16), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    loss = BCE + KLD
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

policy = nn.Sequential(nn.Linear(4, 16), nn.Dropout(p=0.2), nn.ReLU(), nn.Linear(16, 2), nn.Softmax(dim=-1))
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2)
for episode in range(15):
    log_probs, rewards, state = [], [], torch.zeros(4)
    for t in range(8):
        m = Categorical(policy(state.unsqueeze(0)))
        action = m.sample()
        log_probs.append(m.log_prob(action))
        state = torch.cat([state[1:], action.float()])
        rewards.append(float(action.item()) - 0.3 * t % 2)
    returns = torch.tensor(rewards)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    loss = torch.cat([-lp * r for lp, r in zip(log_probs, returns)]).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
