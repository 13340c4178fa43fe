"""LSTMCells in float64 trained by LBFGS, other cells, and a logistic regression with strong Wolfe search."""

import torch
import torch.nn as nn
import torch.optim as optim
import numpy as np

losses = []

np.random.seed(2)
T = 50
L = 60
N = 12
x = np.empty((N, L), "int64")
x[:] = np.array(range(L)) + np.random.randint(-4 * T, 4 * T, N).reshape(N, 1)
data = np.sin(x / 1.0 / T).astype("float64")


class Sequence(nn.Module):
    def __init__(self):
        super(Sequence, self).__init__()
        self.lstm1 = nn.LSTMCell(1, 11)
        self.lstm2 = nn.LSTMCell(11, 11)
        self.linear = nn.Linear(11, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 11, dtype=torch.double)
        c_t = torch.zeros(input.size(0), 11, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), 11, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), 11, dtype=torch.double)
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
        outputs = torch.cat(outputs, dim=1)
        return outputs


np.random.seed(0)
torch.manual_seed(0)
input = torch.from_numpy(data[3:, :-1])
target = torch.from_numpy(data[3:, 1:])
test_input = torch.from_numpy(data[:3, :-1])
test_target = torch.from_numpy(data[:3, 1:])
seq = Sequence()
seq.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=8)
for i in range(2):

    def closure():
        optimizer.zero_grad()
        out = seq(input)
        loss = criterion(out, target)
        losses.extend([loss.item()])
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        future = 20
        pred = seq(test_input, future=future)
        loss = criterion(pred[:, :-future], test_target)
        losses += [loss.item()]
        y = pred.detach().numpy()
torch.manual_seed(3)
for C in (nn.GRUCell, nn.RNNCell):
    c = C(3, 5)
    h = torch.zeros(2, 5)
    l = nn.Linear(5, 1)
    opt = torch.optim.RMSprop([*c.parameters(), *l.parameters()], lr=0.01, momentum=0.5, centered=True)
    xs = torch.randn(6, 2, 3)
    for it in range(15):
        hh = h
        tot = 0.0
        for t in range(6):
            hh = c(xs[t], hh)
            tot = tot + (l(hh) - xs[t].sum(-1, True)).abs().mean()
        opt.zero_grad()
        tot.backward()
        opt.step()
        losses += [tot.item()]
torch.manual_seed(0)
X = torch.randn(80, 4)
w = torch.tensor([1.0, -2.0, 0.5, 0.0])
y = (X @ w + 0.3 * torch.randn(80) > 0).float()
W = torch.zeros(4, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
opt = torch.optim.LBFGS(
    [W, b],
    lr=1,
    max_iter=20,
    history_size=10,
    line_search_fn="strong_wolfe",
    tolerance_grad=1e-05,
    tolerance_change=1e-09,
)


def closure():
    opt.zero_grad()
    l = nn.functional.binary_cross_entropy_with_logits(X @ W + b, y) + 0.01 * W.pow(2).sum()
    l.backward()
    losses.extend([l.item()])
    return l


for i in range(3):
    opt.step(closure)
