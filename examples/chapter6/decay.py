"""6.4.1, 6.4.2: over-fitting, and weight decay against it."""

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table
from .training import few_images, learning_curves, mlp

TITLE = "Over-fitting and weight decay"
SECTION = "6.4.1, 6.4.2"
QUESTION = (
    "A network of seven layers and only 300 training images: what happens, and what does weight decay change?"
)
LOOK = (
    "Without weight decay the network learns its 300 images by heart: training accuracy near 100 %, test "
    "accuracy far below. With λ = 0.1 training is slower and does not reach 100 %, and the gap is smaller. "
    "Whether the test accuracy itself gains is another matter: look."
)

NOTE = (
    "On the digits, which are so easy that 300 of them suffice, a quarter of the training labels is drawn at "
    "random, and the training takes 401 epochs."
)
REFERENCE = {0.0: "1.000 / .758 (Fashion-MNIST)", 0.01: "–", 0.1: ".927 / .721 (MNIST)"}


def make_optimizer(model, decay):
    """SGD with weight decay on the weights only, by parameter groups: biases are left alone."""
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    return optim.SGD([{"params": weights, "weight_decay": decay}, {"params": biases}], lr=0.01)


def train(lab, decay, epochs, progress):
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(*[100] * 6))
    few = few_images(lab)
    watched = {"training": few, "test": lab.test}
    curves = learning_curves(model, make_optimizer(model, decay), few, watched, epochs, lab.seed, progress)
    size = sum((p**2).sum().item() for name, p in model.named_parameters() if name.endswith("weight")) ** 0.5
    return {**curves, "norm": size}


CODE = (make_optimizer, train)


def run(lab):
    epochs = 201 if lab.data == "mnist" else 401
    return {
        f"{decay:g}": train(lab, decay, epochs, lab.progress(f"λ = {decay:g}")) for decay in (0.0, 0.01, 0.1)
    }


def gap(curves):
    """Training minus test accuracy, mean over the last ten epochs."""
    return sum(a - b for a, b in zip(curves["training"][-10:], curves["test"][-10:])) / 10


def checks(numbers):
    plain, decayed = numbers["0"], numbers["0.1"]
    return [
        (
            f"Without weight decay the training accuracy reaches {plain['training'][-1]:.1%}.",
            plain["training"][-1] > 0.9,
        ),
        (
            f"With λ = 0.1 the gap between training and test is {100 * gap(decayed):.1f} points instead of "
            f"{100 * gap(plain):.1f}.",
            gap(decayed) < gap(plain) - 0.03,
        ),
        (
            f"The weights are smaller: norm {decayed['norm']:.1f} instead of {plain['norm']:.1f}.",
            decayed["norm"] < 0.8 * plain["norm"],
        ),
    ]


def tables(numbers):
    rows = [
        [
            key,
            f"{c['training'][-1]:.3f} / {c['test'][-1]:.3f}",
            REFERENCE[float(key)],
            f"{100 * gap(c):.1f} points",
            f"{c['norm']:.1f}",
        ]
        for key, c in numbers.items()
    ]
    head = ["λ", "training / test accuracy", "reference", "gap, last 10 epochs", "norm of the weights"]
    note = f"Reference: the book's code; for λ = 0 there is a run on Fashion-MNIST only. {NOTE}"
    return [Table("After the last epoch", head, rows, note)]


def accuracy_panels(numbers, titles):
    """Training and test accuracy side by side for several networks."""
    fig = plots.figure(8.2, 3.9)
    axes = fig.subplots(1, len(titles), sharey=True)
    for ax, (key, title) in zip(axes, titles.items()):
        for name in ("training", "test"):
            curve = [100 * a for a in numbers[key][name]]
            plots.line(ax, name, range(len(curve)), curve)
        ax.set(title=title, xlabel="epoch of 3 updates", ylim=(0, 103))
    axes[0].set_ylabel("accuracy, %")
    plots.legend_below(fig, axes[0], 2)
    return fig


def draw(numbers):
    fig = accuracy_panels(numbers, {"0": "without weight decay", "0.01": "λ = 0.01", "0.1": "λ = 0.1"})
    return [("Accuracy on 300 training images and on the test set.", fig)]
