"""6.3: batch normalization, at sixteen scales of initial weights, and its three advantages measured."""

import numpy as np

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table
from .training import accuracy, learning_curves, mlp

TITLE = "Batch normalization"
SECTION = "6.3"
QUESTION = (
    "Sixteen scales of initial weights, from 1 to 0.0001; each network is trained with and without batch "
    "normalization. Which learn? And are the three advantages named in the chapter true here: larger "
    "learning rates, less dependence on initial values, less over-fitting?"
)
LOOK = (
    "Without BatchNorm only a few scales near He's value learn at all; the largest overflow. With it almost "
    "every scale learns, and mostly faster. It also survives learning rates that destroy the plain network. "
    "The last advantage is the weakest: at the same small learning rate BatchNorm over-fits more; at the "
    "larger rates that it allows, it does not."
)

KINDS = ("without BatchNorm", "with BatchNorm")
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FIT_RATES = (0.01, 0.1, 1.0)
REFERENCE = (  # final training accuracy in the book's notebook on MNIST: without, with
    (0.097, 0.419), (0.097, 0.498), (0.979, 0.630), (0.823, 0.763), (0.235, 0.890), (0.116, 0.950),
    (0.116, 0.990), (0.116, 1.0), (0.116, 1.0), (0.117, 0.998), (0.116, 0.999), (0.117, 0.831),
    (0.116, 0.804), (0.116, 0.595), (0.117, 0.618), (0.116, 0.523),
)  # fmt: skip


def train(lab, kind, init, lr, epochs, progress):
    """Training accuracy by epoch on the first 1000 images."""
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(*[100] * 5), init=init, batch_norm=kind == "with BatchNorm")
    optimizer = optim.SGD(model.parameters(), lr=lr)
    few = lab.first(1000)
    return learning_curves(model, optimizer, few, {"training": few}, epochs, lab.seed, progress)["training"]


def fit(lab, kind, lr, epochs, seed, progress):
    """Training and test accuracy of seven layers after training on 300 images."""
    torch.manual_seed(seed)
    model = mlp(*lab.sizes(*[100] * 6), batch_norm=kind == "with BatchNorm")
    optimizer = optim.SGD(model.parameters(), lr=lr)
    few = lab.first(300)
    learning_curves(model, optimizer, few, {}, epochs, seed, progress)
    return accuracy(model, *few), accuracy(model, *lab.test)


CODE = (train, mlp)


def run(lab):
    scales = np.logspace(0, -4, 16).tolist()
    epochs, fit_epochs, seeds = lab.pick((20, 201, 2), (20, 101, 1))
    numbers = {"scales": scales, "seeds": seeds, "curves": {}, "rates": {}, "fits": {}}
    for kind in KINDS:
        bar = lab.progress(kind)
        numbers["curves"][kind] = [train(lab, kind, scale, 0.01, epochs, bar) for scale in scales]
        numbers["rates"][kind] = [train(lab, kind, "He", lr, epochs, bar)[-1] for lr in RATES]
        fits = [[fit(lab, kind, lr, fit_epochs, lab.seed + s, bar) for s in range(seeds)] for lr in FIT_RATES]
        numbers["fits"][kind] = np.mean(fits, 1).tolist()
    return numbers


def _finals(numbers):
    return {kind: [curve[-1] for curve in numbers["curves"][kind]] for kind in KINDS}


def _best_test(numbers, kind):
    return max(test for _, test in numbers["fits"][kind])


def checks(numbers):
    finals = _finals(numbers)
    plain, normed = KINDS
    learned = {kind: sum(a > 0.35 for a in finals[kind]) for kind in KINDS}
    rates = {kind: [lr for lr, a in zip(RATES, numbers["rates"][kind]) if a > 0.8] for kind in KINDS}
    median = {kind: float(np.median(finals[kind])) for kind in KINDS}
    best = {kind: _best_test(numbers, kind) for kind in KINDS}
    slow = {kind: numbers["fits"][kind][0][1] for kind in KINDS}
    return [
        (
            f"With BatchNorm {learned[normed]} of 16 scales learn (more than 35 % right), without it "
            f"{learned[plain]}.",
            learned[normed] >= 12 and learned[plain] <= 6,
        ),
        (
            f"Larger learning rates: {len(rates[normed])} of {len(RATES)} rates reach 80 % with it, up to "
            f"{max(rates[normed], default=0):g}; without it {len(rates[plain])}, up to "
            f"{max(rates[plain], default=0):g}.",
            max(rates[normed], default=0) >= 3 * max(rates[plain], default=0),
        ),
        (
            "Less dependence on initial values: over the 16 scales the median accuracy is "
            f"{median[normed]:.0%} with it and {median[plain]:.0%} without.",
            median[normed] > 2 * median[plain],
        ),
        (
            "Less over-fitting, from 300 images, each at the best of three learning rates: test accuracy "
            f"{best[normed]:.1%} with it and {best[plain]:.1%} without. (At the same small rate, "
            f"{FIT_RATES[0]:g}, it is {slow[normed]:.1%} and {slow[plain]:.1%}: the gain comes with the "
            "larger rates.)",
            best[normed] > best[plain],
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
        "Reference: the book's notebook on MNIST. The book's BatchNorm starts its running variance at 0, "
        "ours at 1 as in PyTorch, which tells after so few updates."
    )
    rates = [
        [f"{lr:g}", *(f"{numbers['rates'][kind][i]:.1%}" for kind in KINDS)] for i, lr in enumerate(RATES)
    ]
    fits = []
    for i, lr in enumerate(FIT_RATES):
        ends = (numbers["fits"][kind][i] for kind in KINDS)
        fits.append([f"{lr:g}", *(f"{a:.1%} / {b:.1%}" for a, b in ends)])
    seeds = numbers["seeds"]
    return [
        Table("Training accuracy after 20 epochs of 10 updates, by scale", head, rows, note),
        Table(
            "Advantage 1, larger learning rates: training accuracy from He's values",
            ["learning rate", *KINDS], rates, "1000 images, SGD.",
        ),
        Table(
            "Advantage 3, less over-fitting: training / test accuracy of seven layers on 300 images",
            ["learning rate", *KINDS], fits, f"Mean over {seeds} seed{'s' if seeds > 1 else ''}.",
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
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy, %")
    plots.legend_below(fig, axes[0, 0], 2)

    three = plots.figure(8.4, 3.5)
    a, b, c = three.subplots(1, 3, sharey=True)
    finals = _finals(numbers)
    for kind in KINDS:
        plots.line(a, kind, RATES, [100 * v for v in numbers["rates"][kind]])
        plots.line(b, kind, numbers["scales"], [100 * v for v in finals[kind]], markers=16)
        plots.line(c, kind, FIT_RATES, [100 * test for _, test in numbers["fits"][kind]])
    a.set(
        xscale="log", xlabel="learning rate", ylabel="accuracy, %", ylim=(0, 104), title="1: learning rates"
    )
    b.set(xscale="log", xlabel="scale of initial weights", title="2: initial values")
    c.set(xscale="log", xlabel="learning rate", title="3: test, from 300 images")
    plots.legend_below(three, a, 2)
    return [
        ("Training accuracy by epoch (10 updates) at sixteen scales of the initial weights.", fig),
        (
            "The three advantages: training accuracy by learning rate and by initial scale, and test "
            "accuracy by learning rate.",
            three,
        ),
    ]
