"""6.5.1: validation data, and why they are shuffled before they are set apart."""

import tinygrad6 as torch
from tinygrad6 import optim
from tinygrad6.utils.data import TensorDataset, random_split

from . import plots
from .page import Table
from .training import learning_curves, mlp

TITLE = "Validation data"
SECTION = "6.5.1"
QUESTION = (
    "A fifth of the training data is set apart to judge hyperparameters. What if the data are sorted by "
    "label, and nobody shuffles them?"
)
LOOK = (
    "The last fifth of sorted data holds the last classes only, and the network never saw them: it is right "
    "for every training image it learned from and for hardly any of the validation images. The shuffled "
    "split holds every class in both parts, and its validation accuracy says what it should. The same seed "
    "gives the same split again."
)


def split(data, shuffle, seed):
    """(training, validation), four fifths and one fifth."""
    n = len(data)
    if shuffle:
        return random_split(data, [n - n // 5, n // 5], generator=torch.Generator().manual_seed(seed))
    return torch.utils.data.Subset(data, range(n - n // 5)), torch.utils.data.Subset(
        data, range(n - n // 5, n)
    )


CODE = (split,)


def _pair(subset):
    """A subset as one pair of tensors."""
    x, y = subset.dataset.tensors
    rows = torch.tensor(list(subset.indices))
    return x[rows], y[rows]


def run(lab):
    x, y = lab.first(lab.pick(5000, 1000))
    order = y.argsort(stable=True)
    data = TensorDataset(x[order], y[order])  # sorted by label
    numbers = {}
    for name, shuffle in (("not shuffled", False), ("shuffled", True)):
        training, validation = (_pair(part) for part in split(data, shuffle, lab.seed))
        torch.manual_seed(lab.seed)
        model = mlp(*lab.sizes(100, 100))
        optimizer = optim.Momentum(model.parameters(), lr=0.01)
        watched = {"training": training, "validation": validation, "test": lab.test}
        curves = learning_curves(
            model, optimizer, training, watched, lab.pick(21, 31), lab.seed, lab.progress(name)
        )
        counts = {
            part: torch.bincount(labels, minlength=10).tolist()
            for part, (_, labels) in (("training", training), ("validation", validation))
        }
        numbers[name] = {"curves": curves, "counts": counts}
    again = [list(split(data, True, lab.seed)[1].indices) for _ in range(2)]
    numbers["same split again"] = again[0] == again[1]
    return numbers


def _ends(numbers, name):
    return {part: curve[-1] for part, curve in numbers[name]["curves"].items()}


def checks(numbers):
    bad, good = _ends(numbers, "not shuffled"), _ends(numbers, "shuffled")
    unseen = sum(n == 0 for n in numbers["not shuffled"]["counts"]["training"])
    return [
        (
            f"Not shuffled, {unseen} of the classes {'is' if unseen == 1 else 'are'} missing from the "
            f"training part, and validation accuracy is {bad['validation']:.1%} while training accuracy is "
            f"{bad['training']:.1%}.",
            unseen >= 1 and bad["validation"] < 0.25 and bad["training"] > 0.9,
        ),
        (
            f"Shuffled, validation accuracy ({good['validation']:.1%}) is within 5 points of test accuracy "
            f"({good['test']:.1%}).",
            abs(good["validation"] - good["test"]) < 0.05,
        ),
        ("The same seed gives the same split.", numbers["same split again"]),
    ]


def tables(numbers):
    rows = [
        [name, *(f"{_ends(numbers, name)[part]:.1%}" for part in ("training", "validation", "test"))]
        for name in ("not shuffled", "shuffled")
    ]
    head = ["split of data sorted by label", "training accuracy", "validation accuracy", "test accuracy"]
    return [Table("After the last epoch", head, rows, "The chapter gives no numbers for this.")]


def draw(numbers):
    fig = plots.figure(8.4, 5.6)
    for row, name in zip(fig.subplots(2, 2), ("not shuffled", "shuffled")):
        counts = numbers[name]["counts"]
        row[0].bar(range(10), counts["training"], color=plots.BLUE, label="training part")
        row[0].bar(
            range(10),
            counts["validation"],
            bottom=counts["training"],
            color=plots.RED,
            hatch="///",
            edgecolor="white",
            label="validation part",
        )
        row[0].set(xticks=range(10), xlabel="class", ylabel="number of images", title=name)
        row[0].grid(False)
        for part, curve in numbers[name]["curves"].items():
            plots.line(row[1], part, range(len(curve)), [100 * a for a in curve])
        row[1].set(xlabel="epoch", ylabel="accuracy, %", ylim=(0, 103), title=name)
    bars, curves = row
    handles = [*zip(*bars.get_legend_handles_labels()), *zip(*curves.get_legend_handles_labels())]
    fig.legend(*zip(*handles), loc="outside lower center", ncols=5, handlelength=3, fontsize=9)
    return [("Left: classes in each part. Right: accuracy on each part and on the test set.", fig)]
