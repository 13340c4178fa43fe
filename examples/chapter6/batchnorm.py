"""6.3: batch normalization, at sixteen scales of initial weights, and its three advantages measured."""

import numpy as np

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table
from .training import learning_curves, mlp

TITLE = "Batch normalization"
SECTION = "6.3"
QUESTION = (
    "Sixteen scales of initial weights, from 1 to 0.0001; each network is trained with and without batch normalization. "
    "Which learn? And are the three advantages named in the chapter true here: larger learning rates, less dependence on "
    "initial values, less over-fitting?"
)
LOOK = (
    "Without BatchNorm only a few scales near He's value learn at all; the largest overflow. With it almost every scale "
    "learns, and mostly faster. It also survives learning rates that destroy the plain network. The last advantage is the "
    "weakest: compare the gaps between training and test accuracy yourself."
)

KINDS = ("without BatchNorm", "with BatchNorm")
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
REFERENCE = (  # final training accuracy in the book's notebook on MNIST: without, with
    (0.097, 0.419), (0.097, 0.498), (0.979, 0.630), (0.823, 0.763), (0.235, 0.890), (0.116, 0.950), (0.116, 0.990),
    (0.116, 1.0), (0.116, 1.0), (0.117, 0.998), (0.116, 0.999), (0.117, 0.831), (0.116, 0.804), (0.116, 0.595),
    (0.117, 0.618), (0.116, 0.523),
)  # fmt: skip


def train(lab, kind, init, lr, epochs, progress, images=1000, hidden=(100,) * 5, seed=0, test=False):
    """Accuracy by epoch on the first `images` images, and on the test set if asked for."""
    torch.manual_seed(lab.seed + seed)
    model = mlp(*lab.sizes(*hidden), init=init, batch_norm=kind == "with BatchNorm")
    optimizer = optim.SGD(model.parameters(), lr=lr)
    few = lab.first(images)
    watched = {"training": few, **({"test": lab.test} if test else {})}
    return learning_curves(model, optimizer, few, watched, epochs, lab.seed + seed, progress)


CODE = (train, mlp)


def run(lab):
    epochs, rate_epochs, fit_epochs = lab.pick((20, 20, 101), (20, 10, 31))
    scales = np.logspace(0, -4, 16).tolist()
    curves = {
        kind: [
            train(lab, kind, s, 0.01, epochs, lab.progress(f"scale {s:.4f}, {kind}"))["training"]
            for s in scales
        ]
        for kind in KINDS
    }
    rates = {
        kind: [
            train(lab, kind, "He", lr, rate_epochs, lab.progress(f"lr {lr}, {kind}"))["training"][-1]
            for lr in RATES
        ]
        for kind in KINDS
    }
    fits = {
        kind: [
            train(
                lab,
                kind,
                "He",
                0.01,
                fit_epochs,
                lab.progress(f"300 images, {kind}"),
                300,
                (100,) * 6,
                s,
                True,
            )
            for s in range(lab.pick(3, 1))
        ]
        for kind in KINDS
    }
    return {"scales": scales, "curves": curves, "rates": rates, "fits": fits}


def _finals(numbers):
    return {kind: [curve[-1] for curve in numbers["curves"][kind]] for kind in KINDS}


def _fit(numbers, kind):
    """Training and test accuracy at the end, over the seeds."""
    ends = [(c["training"][-1], c["test"][-1]) for c in numbers["fits"][kind]]
    return tuple(sum(e[i] for e in ends) / len(ends) for i in (0, 1))


def _usable(numbers, kind):
    return sum(a > 0.8 for a in numbers["rates"][kind])


def checks(numbers):
    finals = _finals(numbers)
    learned = {kind: sum(a > 0.35 for a in finals[kind]) for kind in KINDS}
    spread = {kind: float(np.std(finals[kind])) for kind in KINDS}
    largest = {
        kind: max((lr for lr, a in zip(RATES, numbers["rates"][kind]) if a > 0.8), default=0)
        for kind in KINDS
    }
    train_b, test_b = _fit(numbers, "with BatchNorm")
    _, test_a = _fit(numbers, "without BatchNorm")
    return [
        (
            f"With BatchNorm {learned['with BatchNorm']} of 16 scales learn (more than 35 % right), without it "
            f"{learned['without BatchNorm']}.",
            learned["with BatchNorm"] >= 12 and learned["without BatchNorm"] <= 6,
        ),
        (
            f"Larger learning rates: {_usable(numbers, 'with BatchNorm')} of {len(RATES)} rates reach 80 % with it, up to "
            f"{largest['with BatchNorm']:g}; {_usable(numbers, 'without BatchNorm')} without, up to "
            f"{largest['without BatchNorm']:g}.",
            _usable(numbers, "with BatchNorm") > _usable(numbers, "without BatchNorm")
            and largest["with BatchNorm"] > largest["without BatchNorm"],
        ),
        (
            "Less dependence on initial values: over the scales that do not overflow or vanish the median accuracy is "
            f"{np.median(finals['with BatchNorm']):.2f} with it and {np.median(finals['without BatchNorm']):.2f} without "
            f"(standard deviation {spread['with BatchNorm']:.2f} and {spread['without BatchNorm']:.2f}).",
            np.median(finals["with BatchNorm"]) > 2 * np.median(finals["without BatchNorm"]),
        ),
        (
            f"Less over-fitting, from 300 images: test accuracy {test_b:.1%} with it and {test_a:.1%} without "
            f"(training {train_b:.1%} with).",
            test_b > test_a - 0.02,
        ),
    ]


def tables(numbers):
    finals = _finals(numbers)
    rows = [
        [f"{i + 1}", f"{s:.4g}", f"{a:.3f}", f"{ra:.3f}", f"{b:.3f}", f"{rb:.3f}"]
        for i, (s, a, b, (ra, rb)) in enumerate(
            zip(numbers["scales"], finals[KINDS[0]], finals[KINDS[1]], REFERENCE)
        )
    ]
    head = ["no.", "scale", "without: ours", "reference", "with: ours", "reference"]
    note = (
        "Reference: the book's notebook on MNIST. The book's BatchNorm starts its running variance at 0, ours at 1 as in "
        "PyTorch, which tells after so few updates."
    )
    rates = [
        [f"{lr:g}", *(f"{numbers['rates'][kind][i]:.1%}" for kind in KINDS)] for i, lr in enumerate(RATES)
    ]
    fits = []
    for kind in KINDS:
        a, b = _fit(numbers, kind)
        fits.append([kind, f"{a:.1%}", f"{b:.1%}", f"{100 * (a - b):.1f} points"])
    seeds = len(numbers["fits"][KINDS[0]])
    return [
        Table("Training accuracy after 20 epochs of 10 updates, by scale", head, rows, note),
        Table(
            "Advantage 1, larger learning rates: training accuracy from He's values",
            ["learning rate", *KINDS], rates, "1000 images, SGD.",
        ),
        Table(
            "Advantage 3, less over-fitting: 300 images, seven layers, learning rate 0.01",
            ["network", "training", "test", "gap"], fits, f"Mean over {seeds} seed{'s' if seeds > 1 else ''}.",
        ),
    ]  # fmt: skip


def draw(numbers):
    fig = plots.figure(8.4, 7.4)
    axes = fig.subplots(4, 4, sharex=True, sharey=True)
    for i, ax in enumerate(axes.flat):
        for kind in KINDS:
            curve = [100 * a for a in numbers["curves"][kind][i]]
            plots.line(ax, kind, range(len(curve)), curve, markers=4, markersize=4)
        ax.set(title=f"scale {numbers['scales'][i]:.3g}", ylim=(0, 104))
    fig.supxlabel("epoch of 10 updates", fontsize=10)
    fig.supylabel("training accuracy, %", fontsize=10)
    plots.legend_below(fig, axes[0, 0], 2)

    three = plots.figure(8.4, 3.5)
    a, b, c = three.subplots(1, 3, sharey=True)
    finals = _finals(numbers)
    for kind in KINDS:
        plots.line(a, kind, RATES, [100 * v for v in numbers["rates"][kind]])
        plots.line(b, kind, numbers["scales"], [100 * v for v in finals[kind]], markers=16)
        ends = _fit(numbers, kind)
        plots.line(c, kind, [0, 1], [100 * v for v in ends])
    a.set(
        xscale="log", xlabel="learning rate", ylabel="accuracy, %", ylim=(0, 104), title="1: learning rates"
    )
    b.set(xscale="log", xlabel="scale of initial weights", title="2: initial values")
    c.set(xticks=[0, 1], xticklabels=["training", "test"], xlim=(-0.3, 1.3), title="3: over-fitting")
    c.set_xlabel("set of images")
    plots.legend_below(three, a, 2)
    return [
        ("Training accuracy by epoch at sixteen scales of the initial weights.", fig),
        (
            "The three advantages: final accuracy by learning rate, by initial scale, and on training and test images.",
            three,
        ),
    ]
