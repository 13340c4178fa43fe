"""What the experiments share: the chapter's network, its initial values, and the training loop."""

from itertools import pairwise

import tinygrad6 as torch
import tinygrad6.nn.functional as F
from tinygrad6 import nn


def mlp(*sizes, activation=nn.ReLU, init="He", batch_norm=False, dropout=0.0):
    """Linear, [BatchNorm], activation, [Dropout] for each hidden size, and a Linear at the end."""
    layers = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers.append(nn.Linear(n_in, n_out))
        if batch_norm:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(activation())
        if dropout:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    model = nn.Sequential(*layers)
    initialize(model, init)
    return model


def initialize(model, init):
    """Weights from N(0, std^2) for a number, "Xavier" (1/sqrt(n)), "He" (sqrt(2/n)); "zeros"; biases 0."""
    for layer in model.modules():
        if not isinstance(layer, nn.Linear):
            continue
        if init == "He":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif init == "Xavier":  # the book's: 1/sqrt(fan_in). PyTorch's xavier_normal_ averages both fans
            nn.init.lecun_normal_(layer.weight)
        elif init == "zeros":
            nn.init.zeros_(layer.weight)
        else:
            nn.init.normal_(layer.weight, std=init)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def update(model, optimizer, x, y):
    """One step on one batch; its loss before the step."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def loss_of(model, x, y):
    return F.cross_entropy(model(x), y).item()


@torch.no_grad()
def accuracy(model, x, y):
    """Share of right answers, in evaluation mode."""
    model.eval()
    right = (model(x).argmax(1) == y).float().mean().item()
    model.train()
    return right


def batches(x, y, size, seed):
    """Random batches without end, drawn with replacement as the book does;
    the same ones for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randint(len(x), (size,), generator=generator)
        yield x[chosen], y[chosen]


def few_images(lab):
    """The 300 training images of the over-fitting experiments.

    The digits are so easy that 300 teach them well, so a quarter of their labels is drawn at random: what
    there is to learn from those is to be left alone, and a network that over-fits learns it by heart.
    """
    x, y = lab.first(300)
    if lab.data == "digits":
        generator = torch.Generator().manual_seed(lab.seed)
        wrong = torch.rand(300, generator=generator) < 0.25
        y = torch.where(wrong, torch.randint(10, (300,), generator=generator), y)
    return x, y


def learning_curves(model, optimizer, train, watched, epochs, seed, progress, batch_size=100):
    """Accuracy on each of the `watched` sets by epoch, as the book's Trainer has it:
    after update 1, 1 + n, 1 + 2n, ...

    n, the updates in an epoch, is len(x) // batch_size. train is (x, y), watched {name: (x, y)}.
    """
    per_epoch = max(len(train[0]) // batch_size, 1)
    curves = {name: [] for name in watched}
    for i, (x, y) in zip(progress((epochs - 1) * per_epoch + 1), batches(*train, batch_size, seed)):
        update(model, optimizer, x, y)
        if i % per_epoch == 0:
            for name, (x_all, y_all) in watched.items():
                curves[name].append(accuracy(model, x_all, y_all))
    return curves
