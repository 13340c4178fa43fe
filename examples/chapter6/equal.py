"""6.2.1: why the initial weights must not be zero, nor equal."""

import tinygrad6 as torch
from tinygrad6 import nn, optim

from . import plots
from .page import Table
from .training import accuracy, batches, initialize, mlp, update

TITLE = "Zero and equal initial values"
SECTION = "6.2.1"
QUESTION = "Small weights are good. Why not start from zero, or give all weights the same value?"
LOOK = (
    "Units of one layer that start with equal weights receive equal gradients, so they stay equal for ever: "
    "a hundred units do the work of one. The rank of the weight matrix stays at 1 (0 for zeros that nothing "
    "reaches) and the rows never part. From random values the matrix keeps its full rank, and the network "
    "learns."
)

STARTS = ("zeros", "equal", "random")


def start(model, how):
    initialize(model, "Xavier" if how == "random" else "zeros")
    if how == "equal":
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.constant_(layer.weight, 0.05)


@torch.no_grad()
def distance_of_rows(weight):
    """The largest difference between two rows (two units) in any element."""
    return (weight.max(0).values - weight.min(0).values).max().item()


@torch.no_grad()
def rank(weight):
    """Numerical rank: singular values above 1e-5 of the largest."""
    s = torch.linalg.svdvals(weight)
    return int((s > 1e-5 * s.max()).sum().item()) if s.max().item() > 0 else 0


CODE = (start, distance_of_rows, rank)


def train(lab, how, steps, progress):
    torch.manual_seed(lab.seed)
    model = mlp(*lab.sizes(100, 100), activation=nn.Sigmoid).double()  # for finer rounding
    start(model, how)
    optimizer = optim.Momentum(model.parameters(), lr=0.1)
    curve = {"update": [], "distance": [], "rank": [], "rank2": [], "accuracy": []}
    many, labels = lab.first(1000)
    many = many.double()
    for i, (x, y) in zip(progress(steps + 1), batches(*lab.train, 100, lab.seed)):
        x = x.double()
        if i % (steps // 25) == 0:  # before the update: the first point is the start
            weight, second = model[0].weight, model[2].weight
            curve["update"].append(i)
            curve["distance"].append(max(distance_of_rows(weight), distance_of_rows(second)))
            curve["rank"].append(rank(weight))
            curve["rank2"].append(rank(second))
            curve["accuracy"].append(accuracy(model, many, labels))
        update(model, optimizer, x, y)
    return curve


def run(lab):
    steps = lab.pick(1000, 400)
    return {how: train(lab, how, steps, lab.progress(how)) for how in STARTS}


def checks(numbers):
    apart = {how: max(numbers[how]["distance"]) for how in STARTS}
    ranks = {how: max(numbers[how]["rank"]) for how in STARTS}
    right = {how: numbers[how]["accuracy"][-1] for how in STARTS}
    return [
        (
            f"From zero and from equal weights two rows of a layer never differ by more than 1e-9 "
            f"(largest: {apart['zeros']:.1e} and {apart['equal']:.1e}; random: {apart['random']:.2f}).",
            max(apart["zeros"], apart["equal"]) < 1e-9 < apart["random"],
        ),
        (
            f"The first layer's rank is at most 1 ({ranks['zeros']} and {ranks['equal']}), and "
            f"{ranks['random']} from random weights.",
            max(ranks["zeros"], ranks["equal"]) <= 1 and ranks["random"] > 50,
        ),
        (
            f"They are right for less than half as many images ({right['zeros']:.0%} and "
            f"{right['equal']:.0%}) as from random weights ({right['random']:.0%}).",
            max(right["zeros"], right["equal"]) < right["random"] / 2,
        ),
    ]


def tables(numbers):
    rows = [
        [how, f"{max(c['distance']):.2e}", f"{c['rank'][-1]}, {c['rank2'][-1]}", f"{c['accuracy'][-1]:.1%}"]
        for how, c in numbers.items()
    ]
    head = ["start", "largest difference of two rows", "rank of layer 1, 2 at the end", "accuracy at the end"]
    note = (
        "The chapter argues this without numbers. In float64; what difference there is comes from "
        "rounding, since sums are taken in another order."
    )
    return [Table("Do the units of a layer ever differ?", head, rows, note)]


def draw(numbers):
    fig = plots.figure(8.4, 3.4)
    axes = fig.subplots(1, 3)
    for how in STARTS:
        c = numbers[how]
        plots.line(axes[0], how, c["update"], [max(d, 1e-17) for d in c["distance"]])
        plots.line(axes[1], how, c["update"], c["rank"])
        plots.line(axes[2], how, c["update"], [100 * a for a in c["accuracy"]])
    axes[0].set(yscale="log", ylabel="largest difference of rows", xlabel="update")
    axes[1].set(ylabel="rank of the first weight matrix", xlabel="update")
    axes[2].set(ylabel="training accuracy, %", xlabel="update", ylim=(0, 102))
    plots.legend_below(fig, axes[0])
    return [
        (
            "Two hidden layers of 100 sigmoid units, trained with Momentum 0.1 from three starts. Left: 0 is "
            "drawn as 1e-17.",
            fig,
        )
    ]
