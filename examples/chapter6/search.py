"""6.5.2, 6.5.3: random search for learning rate and weight decay, in rounds that narrow the range,
beside a grid."""

import itertools
import math

import tinygrad6 as torch

from . import plots
from .lab import code_of
from .decay import make_optimizer
from .page import Table
from .training import learning_curves, mlp

TITLE = "Hyperparameter search"
SECTION = "6.5.2, 6.5.3"
QUESTION = (
    "Learning rate over four powers of ten (1e-6 to 1e-2 on MNIST), weight decay from 1e-8 to 1e-4: where "
    "are good values? Draw at random, train shortly, narrow the range around the best, repeat."
)
LOOK = (
    "Accuracy depends on the learning rate and hardly on the weight decay: good points form an upright band "
    "at the larger rates. Each round's box closes in on it. A grid of as many trials tries only a few "
    "different learning rates, many times each; random points try as many as there are trials, and narrowing "
    "spends the rest where it pays. Where the best value lies at the very edge of the range, as here, a grid "
    "has a point just there: do not take one winner for a rule."
)

# powers of ten: the book's, and for the small digits, whose networks have 64 inputs, ten times the learning
# rates
WIDE = {
    "mnist": {"lr": (-6.0, -2.0), "weight_decay": (-8.0, -4.0)},
    "digits": {"lr": (-5.0, -1.0), "weight_decay": (-8.0, -4.0)},
}
REFERENCE = "best .84 (lr .0094, weight decay 2.8e-6); best ten all lr ≥ .0049; mean .2176"


def sizes(lab):
    """Trials of each round, and of a side of the grid: as many in all."""
    return lab.pick(((100, 48, 48), 14), ((12, 7, 6), 5))


def objective(lab, trial):
    """Validation accuracy after a short training on 400 images, the other 100 being for validation."""
    lr = trial.suggest_float("lr", 1e-6, 1e-1, log=True)
    decay = trial.suggest_float("weight_decay", 1e-8, 1e-4, log=True)
    (x, y), rows = lab.first(500), torch.randperm(500, generator=torch.Generator().manual_seed(lab.seed))
    train, validation = (x[rows[100:]], y[rows[100:]]), (x[rows[:100]], y[rows[:100]])
    torch.manual_seed(1000 * lab.seed + trial.user_attrs["place"])
    model = mlp(*lab.sizes(*[100] * 6))
    optimizer = make_optimizer(model, decay)
    for group in optimizer.param_groups:
        group["lr"] = lr
    curves = learning_curves(
        model, optimizer, train, {"training": train, "validation": validation}, 50, lab.seed, range
    )
    trial.set_user_attr("curves", {k: [round(a, 4) for a in v] for k, v in curves.items()})
    return curves["validation"][-1]


def draw_points(box, n, seed):
    """n points, uniform in the powers of ten."""
    g = torch.Generator().manual_seed(seed)
    points = []
    for _ in range(n):
        at = {
            name: low + (high - low) * torch.rand(1, generator=g).item() for name, (low, high) in box.items()
        }
        points.append({name: 10**power for name, power in at.items()})
    return points


def grid(box, n):
    """n x n points, evenly spaced in the powers of ten."""
    sides = [torch.logspace(low, high, n, dtype=torch.float64).tolist() for low, high in box.values()]
    return [dict(zip(box, point)) for point in itertools.product(*sides)]


def narrow(trials, wide):
    """The box around the best tenth so far (four at least),
    a quarter of a power of ten wider on each side."""
    best = sorted(trials, key=lambda t: -t["accuracy"])[: max(len(trials) // 10, 4)]
    box = {}
    for name, (low, high) in wide.items():
        powers = [math.log10(t[name]) for t in best]
        box[name] = max(min(powers) - 0.25, low), min(max(powers) + 0.25, high)
    return box


CODE = (objective, draw_points, narrow)


def study_name(lab):
    """With a checksum of the code: trials of other code must not be mixed with these."""
    return f"chapter6-{lab.key}-{code_of('search'):08x}"


def _record(trials):
    return [
        {
            "lr": t.params["lr"],
            "weight_decay": t.params["weight_decay"],
            "accuracy": t.value,
            "curves": t.user_attrs["curves"],
        }
        for t in trials
    ]


def run(lab):
    from . import study as optuna_study

    name, wide, (rounds, side) = study_name(lab), WIDE[lab.data], sizes(lab)
    if lab.force:
        optuna_study.forget(lab, name)
    study = optuna_study.open_study(lab, name)
    study.set_user_attr("over", False)

    def evaluate(label, points):
        with lab.bar(label, len(points)) as bar:
            return _record(optuna_study.run_points(lab, study, label, points, objective, crew, bar))

    with optuna_study.crew_of(lab, name, objective) as crew:
        numbers, trials, box = {"rounds": []}, [], wide
        for i, n in enumerate(rounds):
            done = evaluate(f"round {i + 1}", draw_points(box, n, 100 * lab.seed + i))
            numbers["rounds"].append({"box": {k: list(v) for k, v in box.items()}, "trials": done})
            trials += done
            box = narrow(trials, wide)
        points = grid(wide, side)
        order = torch.randperm(len(points), generator=torch.Generator().manual_seed(lab.seed)).tolist()
        numbers["grid"] = evaluate("grid", [points[i] for i in order])
        study.set_user_attr("over", True)
    return numbers


def join(lab):
    """Take part in a search that was started elsewhere: how many trials were run here."""
    from . import study as optuna_study

    return optuna_study.join(lab, study_name(lab), objective)


def _all(numbers):
    return [t for r in numbers["rounds"] for t in r["trials"]]


def _best(trials, n=1):
    return sorted(trials, key=lambda t: -t["accuracy"])[:n]


def _mean(trials):
    return sum(t["accuracy"] for t in trials) / len(trials)


def checks(numbers):
    first, last = numbers["rounds"][0], numbers["rounds"][-1]
    best = _best(_all(numbers), 5)
    low = min(t["lr"] for t in best)
    grid_best = _best(numbers["grid"])[0]["accuracy"]
    good = [sum(t["accuracy"] > 0.6 for t in trials) for trials in (_all(numbers), numbers["grid"])]
    rates = len({t["lr"] for t in numbers["grid"]})
    width = [r["box"]["lr"][1] - r["box"]["lr"][0] for r in (first, last)]
    return [
        (f"The best five of all trials have learning rates of {low:.2g} or more.", low >= 1e-3),
        (
            f"Narrowing pays: the mean accuracy of a trial rises from {_mean(first['trials']):.2f} in the "
            f"first round to {_mean(last['trials']):.2f} in the last, while the range of the learning rate "
            f"shrinks from {width[0]:.1f} to {width[1]:.1f} powers of ten.",
            _mean(last["trials"]) > _mean(first["trials"]) + 0.15 and width[1] < 0.6 * width[0],
        ),
        (
            f"At equal cost ({len(_all(numbers))} and {len(numbers['grid'])} trials) the rounds find "
            f"{good[0]} settings that are right for more than 60 %, the grid, which tries {rates} learning "
            f"rates, {good[1]}. (Best accuracy found: {best[0]['accuracy']:.0%} and {grid_best:.0%}.)",
            good[0] > good[1],
        ),
    ]


def tables(numbers):
    rows = []
    for i, r in enumerate(numbers["rounds"]):
        b, top = _best(r["trials"])[0], _best(r["trials"], 10)
        box = ", ".join(f"{name} 1e{low:.1f} to 1e{high:.1f}" for name, (low, high) in r["box"].items())
        rows.append(
            [f"round {i + 1}", len(r["trials"]), box.replace("-", "−"), f"{b['accuracy']:.2f}",
             f"{b['lr']:.4f}", f"{b['weight_decay']:.1e}", f"{min(t['lr'] for t in top):.4f}",
             f"{_mean(r['trials']):.3f}"]
        )  # fmt: skip
    b, top = _best(numbers["grid"])[0], _best(numbers["grid"], 10)
    rows.append(
        ["grid", len(numbers["grid"]), "as round 1", f"{b['accuracy']:.2f}", f"{b['lr']:.4f}",
         f"{b['weight_decay']:.1e}", f"{min(t['lr'] for t in top):.4f}", f"{_mean(numbers['grid']):.3f}"]
    )  # fmt: skip
    head = [
        "",
        "trials",
        "range",
        "best accuracy",
        "its lr",
        "its weight decay",
        "least lr of the best ten",
        "mean accuracy",
    ]
    note = f"Reference for round 1 (the book's notebook on MNIST, 100 trials): {REFERENCE}."
    return [Table("Validation accuracy (100 images) after 200 updates", head, rows, note)]


def draw(numbers):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    trials = _all(numbers)
    curves = plots.figure(8.4, 7.4)
    axes = curves.subplots(4, 5, sharex=True, sharey=True)
    for ax, (i, t) in zip(axes.flat, enumerate(_best(trials, 20))):
        for name in ("training", "validation"):
            curve = [100 * a for a in t["curves"][name]]
            plots.line(ax, name, range(len(curve)), curve, markers=3, markersize=3.5, linewidth=1.3)
        ax.set_title(f"{i + 1}. lr {t['lr']:.4f}\nwd {t['weight_decay']:.1e}", fontsize=8)
        ax.set_ylim(0, 104)
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy, %")
    plots.legend_below(curves, axes[0, 0], 2)

    plane = plots.figure(8.4, 4.6)
    axes = plane.subplots(1, 2, sharex=True, sharey=True)
    rounds = numbers["rounds"]
    marks = ("o", "s", "^", "P")
    for i, r in enumerate(rounds):
        seen = _scatter(axes[0], r["trials"], marks[i])
        (a, b), (c, d) = r["box"]["lr"], r["box"]["weight_decay"]
        axes[0].add_patch(
            Rectangle((10**a, 10**c), 10**b - 10**a, 10**d - 10**c, fill=False, edgecolor="0.2",
                      linestyle=("-", "--", ":")[i % 3], linewidth=1.3)
        )  # fmt: skip
    _scatter(axes[1], numbers["grid"], marks[len(rounds)])
    axes[0].set(
        title=f"random, {len(rounds)} rounds and their boxes", xlabel="learning rate", ylabel="weight decay"
    )
    axes[1].set(title="grid", xlabel="learning rate")
    low, high = rounds[0]["box"]["lr"]
    for ax in axes:
        ax.set(xscale="log", yscale="log", xlim=(0.7 * 10**low, 1.4 * 10**high), ylim=(7e-9, 1.4e-4))
    plane.colorbar(seen, ax=axes, label="validation accuracy, %", pad=0.01)
    names = [*(f"round {i + 1}" for i in range(len(rounds))), "grid"]
    handles = [
        Line2D([], [], color="0.35", linestyle="", marker=m, label=name) for m, name in zip(marks, names)
    ]
    plane.legend(handles=handles, loc="outside lower center", ncols=len(names))

    race = plots.figure(6.8, 4.2)
    ax = race.subplots()
    for name, done in (("random search, narrowed", trials), ("grid search", numbers["grid"])):
        best, top = [], 0.0
        for t in done:
            best.append(100 * (top := max(top, t["accuracy"])))
        plots.line(ax, name, range(1, len(best) + 1), best, drawstyle="steps-post")
    at = 0
    for r in rounds[:-1]:
        at += len(r["trials"])
        ax.axvline(at + 0.5, color="0.6", linewidth=0.8)
    ax.set(xlabel="trials (the lines end a round)", ylabel="best validation accuracy so far, %")
    plots.legend_below(race, ax, 2)
    return [
        ("The twenty best trials of all rounds: accuracy by epoch (4 updates).", curves),
        ("All trials on the plane of both hyperparameters, by accuracy.", plane),
        ("Random search in rounds against a grid in random order, at equal cost.", race),
    ]


def _scatter(ax, trials, marker):
    return ax.scatter(
        [t["lr"] for t in trials],
        [t["weight_decay"] for t in trials],
        c=[100 * t["accuracy"] for t in trials],
        s=22, marker=marker, cmap="cividis", vmin=0, vmax=100, edgecolors="0.4", linewidths=0.3,
    )  # fmt: skip
