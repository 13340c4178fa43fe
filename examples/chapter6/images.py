"""6.1.8: six optimizers train the same network on the same batches."""

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table
from .training import batches, loss_of, mlp, update

TITLE = "Optimizers on images"
SECTION = "6.1.8"
QUESTION = (
    "The same network, the same initial values, the same batches of 128 images: how fast does the loss fall "
    "with each optimizer?"
)
LOOK = (
    "SGD is by far the slowest. AdaGrad and Adam fall fastest at first, Momentum and Nesterov follow "
    "closely. All use the chapter's learning rates; another rate changes the order more than another "
    "optimizer does, so try some."
)

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.01),
    "Momentum": lambda p: optim.Momentum(p, lr=0.01),
    "Nesterov": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "AdaGrad": lambda p: optim.AdaGrad(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.001),
    "Adam": lambda p: optim.Adam(p, lr=0.001),
}

# the book's notebook on MNIST, where every optimizer has a network of its own: loss after update 0, 100, ...
SHOWN = (0, 100, 500, 1000, 1900)
REFERENCE = {
    "SGD": (2.408, 1.484, 0.287, 0.181, 0.150),
    "Momentum": (2.407, 0.422, 0.123, 0.0443, 0.0500),
    "AdaGrad": (2.399, 0.191, 0.0405, 0.0205, 0.0163),
    "Adam": (2.194, 0.338, 0.0738, 0.0262, 0.0319),
}


def train(make_optimizer, lab, steps, progress):
    """The loss on each batch after the step on it, as the book measures it."""
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(100, 100, 100, 100))
    optimizer = make_optimizer(model.parameters())
    losses = []
    for _, (x, y) in zip(progress(steps), batches(*lab.train, 128, lab.seed)):
        update(model, optimizer, x, y)
        losses.append(loss_of(model, x, y))
    return losses


CODE = (train, update)


def run(lab):
    steps = lab.pick(2000, 300)
    return {
        "losses": {name: train(make, lab, steps, lab.progress(name)) for name, make in OPTIMIZERS.items()}
    }


def _last(losses):
    """The mean loss over the last twentieth of the updates."""
    tail = losses[-max(len(losses) // 20, 10) :]
    return sum(tail) / len(tail)


def checks(numbers):
    last = {name: _last(losses) for name, losses in numbers["losses"].items()}
    others = [v for n, v in last.items() if n != "SGD"]
    area = {name: sum(losses) / len(losses) for name, losses in numbers["losses"].items()}
    adaptive = max(area["AdaGrad"], area["Adam"])
    return [
        (
            f"SGD ends with the highest loss: {last['SGD']:.4f}, more than 1.5 times the next, "
            f"{max(others):.4f}.",
            last["SGD"] > 1.5 * max(others),
        ),
        (
            f"AdaGrad and Adam have less than 0.6 of SGD's mean loss over the training "
            f"({area['AdaGrad']:.3f} and {area['Adam']:.3f} against {area['SGD']:.3f}).",
            adaptive < 0.6 * area["SGD"],
        ),
    ]


def tables(numbers):
    rows = []
    for name, losses in numbers["losses"].items():
        for who, values in (
            ("ours", [losses[i] if i < len(losses) else None for i in SHOWN]),
            ("reference", REFERENCE.get(name)),
        ):
            if values:
                rows.append([name, who, *("–" if v is None else f"{v:.3g}" for v in values)])
    note = (
        "Loss on one batch of 128 after the update on it, so it is noisy. Reference: the book's notebook on "
        "MNIST, where each optimizer starts from another random network; it has no Nesterov and RMSprop."
    )
    return [Table("Loss after update number …", ["optimizer", "whose", *map(str, SHOWN)], rows, note)]


def draw(numbers):
    fig = plots.figure(7.2, 4.8)
    ax = fig.subplots()
    for name, losses in numbers["losses"].items():
        plots.line(ax, name, range(len(losses)), plots.smooth(losses), markers=10)
    ax.set(xlabel="update", ylabel="training loss (smoothed)", yscale="log")
    plots.legend_below(fig, ax)

    linear = plots.figure(7.2, 4.8)
    ax = linear.subplots()
    for name, losses in numbers["losses"].items():
        plots.line(ax, name, range(len(losses)), plots.smooth(losses), markers=10)
    ax.set(xlabel="update", ylabel="training loss (smoothed)", ylim=(0, 1))
    plots.legend_below(linear, ax)
    return [
        ("As the chapter draws it: loss from 0 to 1.", linear),
        ("The same on a logarithmic scale, where the later part is seen.", fig),
    ]
