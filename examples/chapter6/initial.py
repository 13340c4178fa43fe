"""6.2.4: three initial values compared in training."""

import math

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table
from .training import batches, loss_of, mlp, update

TITLE = "Initial values compared in training"
SECTION = "6.2.4"
QUESTION = (
    "The same ReLU network, trained by SGD, from weights of standard deviation 0.01, from Xavier's "
    "values and from He's: which learns?"
)
LOOK = (
    "With 0.01 nothing is learned at all: outputs and gradients are too small, and the loss stays at ln 10 = "
    "2.303, that of guessing among ten classes. Xavier learns, He, made for ReLU, learns sooner."
)

INITS = {"std 0.01": 0.01, "Xavier": "Xavier", "He": "He"}
SHOWN = (100, 500, 1000, 1900)
REFERENCE = {  # the book's notebook on MNIST
    "std 0.01": (2.3022, 2.3011, 2.3017, 2.3050),
    "Xavier": (2.232, 1.064, 0.356, 0.377),
    "He": (1.561, 0.341, 0.205, 0.286),
}


def train(init, lab, steps, progress):
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(100, 100, 100, 100), init=init)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _, (x, y) in zip(progress(steps), batches(*lab.train, 128, lab.seed)):
        update(model, optimizer, x, y)
        losses.append(loss_of(model, x, y))
    return losses


CODE = (train,)


def run(lab):
    steps = lab.pick(2000, 700)
    return {"losses": {name: train(init, lab, steps, lab.progress(name)) for name, init in INITS.items()}}


def checks(numbers):
    losses = numbers["losses"]
    stuck = max(abs(v - math.log(10)) for v in losses["std 0.01"])
    last = {name: sum(v[-20:]) / 20 for name, v in losses.items()}
    mean = {name: sum(v) / len(v) for name, v in losses.items()}
    return [
        (f"From 0.01 the loss stays within 0.05 of ln 10 (farthest {stuck:.3f}).", stuck < 0.05),
        (f"From He's values it falls below 1 (to {last['He']:.3f}).", last["He"] < 1),
        (
            f"He is ahead of Xavier: mean loss over the training {mean['He']:.3f} against "
            f"{mean['Xavier']:.3f}.",
            mean["He"] < 0.9 * mean["Xavier"],
        ),
    ]


def tables(numbers):
    rows = []
    for name, losses in numbers["losses"].items():
        ours = [f"{losses[i]:.4g}" if i < len(losses) else "–" for i in SHOWN]
        rows += [[name, "ours", *ours], [name, "reference", *(f"{v:.4g}" for v in REFERENCE[name])]]
    note = "Loss on one batch of 128 after the update on it. Reference: the book's notebook on MNIST."
    return [Table("Loss after update number …", ["initial values", "whose", *map(str, SHOWN)], rows, note)]


def draw(numbers):
    fig = plots.figure(7.2, 4.6)
    ax = fig.subplots()
    for name, losses in numbers["losses"].items():
        plots.line(ax, name, range(len(losses)), plots.smooth(losses), markers=10)
    ax.axhline(math.log(10), color="0.5", linewidth=0.8)
    ax.annotate("ln 10", (1, math.log(10)), (-2, 4), ax.get_yaxis_transform(), "offset points", ha="right")
    ax.set(xlabel="update", ylabel="training loss (smoothed)", ylim=(0, 2.55))
    plots.legend_below(fig, ax)
    return [("Loss from three initial values. The line marks guessing.", fig)]
