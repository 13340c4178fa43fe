"""Two stacked cells learn a drifting tide by LBFGS in double precision; other cells; a line search that is Wolfe's."""

import torch
import torch.nn as nn
import torch.optim as optim
import numpy as np

losses = []

# Tides at ten harbours: two periods that beat, each harbour with its own delay.
draw = np.random.RandomState(2)
hour = np.arange(48, dtype="float64")[None] + draw.randint(0, 40, (10, 1))
tide = (0.6 * np.sin(hour / 2.0) + 0.4 * np.sin(hour / 2.3)).astype("float64")
level = torch.from_numpy(tide)
known, unseen = level[:8], level[8:]


class Gauge(nn.Module):
    """Foretells the next level from each one; after the last, goes on from its own forecasts."""

    def __init__(self, width):
        super(Gauge, self).__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(1, width), nn.LSTMCell(width, width)])
        self.read = nn.Linear(width, 1)
        self.width = width

    def forward(self, levels, beyond=0):
        empty = torch.zeros(levels.size(0), self.width, dtype=torch.double)
        memory = [(empty, empty) for _ in self.cells]
        forecasts = []
        measured = list(levels.split(1, dim=1))
        for hour in range(len(measured) + beyond):
            x = measured[hour] if hour < len(measured) else forecasts[-1]
            for depth, cell in enumerate(self.cells):
                memory[depth] = cell(x, memory[depth])
                x = memory[depth][0]
            forecasts.append(self.read(x))
        return torch.cat(forecasts, dim=1)


torch.manual_seed(0)
gauge = Gauge(9).double()
error = nn.MSELoss()
search = optim.LBFGS(gauge.parameters(), lr=0.5, max_iter=7)


def misfit():
    search.zero_grad()
    value = error(gauge(known[:, :-1]), known[:, 1:])
    value.backward()
    losses.append(value.item())
    return value


for lap in range(3):
    search.step(misfit)
    with torch.no_grad():
        ahead = gauge(unseen[:, :30], beyond=12)
        losses.append(error(ahead, unseen[:, 1:43]).item())
        losses.append(float(np.abs(ahead.detach().numpy()[:, 30:]).mean()))

# Single cells stepped by hand: the running sum of what they are shown.
torch.manual_seed(3)
shown = torch.randn(7, 4, 2)
for kind in (nn.GRUCell, nn.RNNCell):
    cell, read = kind(2, 6), nn.Linear(6, 1)
    fit = optim.RMSprop([*cell.parameters(), *read.parameters()], lr=0.01, momentum=0.5, centered=True)
    for lap in range(15):
        state, wrong = torch.zeros(4, 6), 0.0
        for x in shown:
            state = cell(x, state)
            wrong = wrong + (read(state) - x.sum(-1, True)).abs().mean()
        fit.zero_grad()
        wrong.backward()
        fit.step()
        losses.append(wrong.item())

# Which of two sides of a noisy plane: few steps, each searched along until Wolfe's conditions hold.
torch.manual_seed(0)
where = torch.randn(70, 3)
side = (where @ torch.tensor([1.5, 0.0, -1.0]) + 0.4 * torch.randn(70)).gt(0.2).float()
tilt, shift = torch.zeros(3, requires_grad=True), torch.zeros(1, requires_grad=True)
newton = optim.LBFGS(
    [tilt, shift],
    lr=1,
    max_iter=3,
    history_size=2,
    line_search_fn="strong_wolfe",
    tolerance_grad=1e-05,
    tolerance_change=1e-09,
)


def on_the_wrong_side():
    newton.zero_grad()
    fit = nn.functional.binary_cross_entropy_with_logits(where @ tilt + shift, side)
    value = fit + 0.02 * tilt.pow(2).sum()
    value.backward()
    losses.append(value.item())
    return value


for lap in range(3):
    newton.step(on_the_wrong_side)
losses += tilt.tolist()
