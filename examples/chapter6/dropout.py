"""6.4.3: dropout, and two ways of scaling it."""

import numpy as np

import tinygrad6 as torch
from tinygrad6 import nn, optim

from . import plots
from .decay import NOTE, accuracy_panels, gap
from .page import Table
from .training import few_images, learning_curves, mlp

TITLE = "Dropout"
SECTION = "6.4.3"
QUESTION = (
    "The same 300 images and seven layers: what if every unit is left out with probability 0.2 in each "
    "training step?"
)
LOOK = (
    "With dropout learning is much slower, training accuracy stays below 100 %, and the gap to the test "
    "accuracy is smaller. The second figure shows that our (and PyTorch's) inverted dropout, which divides "
    "by 1 − p in training, and the book's, which multiplies by 1 − p in testing, each keep the expectation "
    "of what the next layer sees."
)

P = 0.2
REFERENCE = {"without": "1.000 / .760 (Fashion-MNIST)", "with": ".670 / .548 (MNIST)"}


def train(lab, p, epochs, progress):
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(*[100] * 6), dropout=p)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    few = few_images(lab)
    watched = {"training": few, "test": lab.test}
    return learning_curves(model, optimizer, few, watched, epochs, lab.seed, progress)


def book_dropout(x, p, training):
    """The book's: nothing is scaled in training; in testing everything is multiplied by 1 - p."""
    return x * (torch.rand(x.shape) > p) if training else x * (1 - p)


def expectation(seed, masks):
    """Mean over many masks of what a unit passes on in training, beside what it passes on in testing."""
    torch.manual_seed(seed)
    x = torch.linspace(0.1, 2, 20)
    many = x.expand(masks, 20)
    ours = nn.Dropout(P)
    book = book_dropout(many, P, training=True)
    return {
        "x": x.tolist(),
        "masks": masks,
        "ours": {"training": ours(many).mean(0).tolist(), "test": ours.eval()(x).tolist()},
        "book": {"training": book.mean(0).tolist(), "test": book_dropout(x, P, training=False).tolist()},
    }


CODE = (book_dropout, expectation)


def run(lab):
    epochs = 301 if lab.data == "mnist" else 401
    return {
        "without": train(lab, 0.0, epochs, lab.progress("without dropout")),
        "with": train(lab, P, epochs, lab.progress("with dropout")),
        "expectation": expectation(lab.seed, lab.pick(100_000, 20_000)),
    }


def _errors(numbers):
    """By form: the largest deviation of training's mean from testing, in standard errors of that mean."""
    e = numbers["expectation"]
    x, root = np.array(e["x"]), np.sqrt(e["masks"])
    spread = {"ours": x * np.sqrt(P / (1 - P)), "book": x * np.sqrt(P * (1 - P))}
    return {
        form: float(np.max(np.abs(np.subtract(e[form]["training"], e[form]["test"])) / (spread[form] / root)))
        for form in spread
    }


def checks(numbers):
    errors = _errors(numbers)
    a, b = numbers["without"], numbers["with"]
    return [
        (f"Without dropout the training accuracy reaches {a['training'][-1]:.1%}.", a["training"][-1] > 0.9),
        (
            f"With dropout the gap is {100 * gap(b):.1f} points instead of {100 * gap(a):.1f}.",
            gap(b) < gap(a) - 0.01,
        ),
        (
            "Both forms keep the expectation: the mean over the masks is within 4.5 standard errors of what "
            f"is passed on in testing ({errors['ours']:.1f} for ours, {errors['book']:.1f} for the book's, "
            "largest of 20 units).",
            max(errors.values()) < 4.5,
        ),
    ]


def tables(numbers):
    rows = [
        [
            f"{key} dropout",
            f"{numbers[key]['training'][-1]:.3f} / {numbers[key]['test'][-1]:.3f}",
            REFERENCE[key],
            f"{100 * gap(numbers[key]):.1f} points",
        ]
        for key in ("without", "with")
    ]
    head = ["network", "training / test accuracy", "reference", "gap, last 10 epochs"]
    note = (
        "Reference: the book's code with dropout 0.2; without it there is a run on Fashion-MNIST only. The "
        "book's dropout leaves training's signal at 0.8 per layer, 0.26 after six, and so learns slower than "
        f"ours. {NOTE}"
    )
    e = numbers["expectation"]
    scale = [
        [
            form,
            f"{np.mean(e[k]['training']) / np.mean(e['x']):.4f} x",
            f"{np.mean(e[k]['test']) / np.mean(e['x']):.4f} x",
        ]
        for k, form in (
            ("ours", "inverted: / (1 − p) in training"),
            ("book", "the book's: × (1 − p) in testing"),
        )
    ]
    return [
        Table("After the last epoch", head, rows, note),
        Table(
            f"What a unit of value x passes on, p = {P}",
            ["form", f"training, mean of {e['masks']} masks", "testing"],
            scale,
        ),
    ]


def draw(numbers):
    fig = accuracy_panels(numbers, {"without": "without dropout", "with": f"dropout, p = {P}"})
    e = numbers["expectation"]
    scales = plots.figure(6.0, 4.2)
    ax = scales.subplots()
    for form, color, marker, name in (
        ("ours", plots.BLUE, "o", "inverted (ours)"),
        ("book", plots.ORANGE, "s", "the book's"),
    ):
        dashes = "-" if form == "ours" else (0, (5, 2))
        ax.plot(e["x"], e[form]["test"], color=color, linestyle=dashes, label=f"{name}: testing")
        ax.plot(
            e["x"],
            e[form]["training"],
            marker,
            color=color,
            markerfacecolor="white",
            label=f"{name}: mean in training",
        )
    ax.set(xlabel="value of the unit, x", ylabel="passed on to the next layer", xlim=(0, 2.05), ylim=(0, 2.1))
    plots.legend_below(scales, ax, 2)
    return [
        ("Accuracy on 300 training images and on the test set.", fig),
        (
            f"Expectation under dropout, p = {P}: means over {e['masks']:,} masks lie on the lines of "
            "testing.",
            scales,
        ),
    ]
