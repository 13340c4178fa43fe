"""6.2.2, 6.2.3: what initial values do to the activations and gradients of five layers."""

import numpy as np

import tinygrad6 as torch
from tinygrad6 import nn
from tinygrad6.utils import record

from . import plots
from .page import Table
from .training import initialize

TITLE = "Activations and gradients of five layers"
SECTION = "6.2.2, 6.2.3"
QUESTION = (
    "1000 random inputs run through five layers of 100 units. How are the layers' outputs distributed, "
    "and what gradient comes back?"
)
LOOK = (
    "Standard deviation 1 drives sigmoid and tanh to their ends, where their slope is 0, so most gradients "
    "are lost there (with ReLU both outputs and gradients explode). 0.01 collapses every output onto one "
    "value. Xavier's values keep sigmoid's and tanh's spread but let ReLU's shrink from layer to layer; He's "
    "keep ReLU's. The gradient figures show the logarithm of its size: a hump that moves left from layer 5 "
    "to layer 1, or spreads to the left, is a vanishing gradient, seen."
)

LAYERS, WIDTH, INPUTS, BINS = 5, 100, 1000, 30
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}
INITS = {"std 1": 1.0, "std 0.01": 0.01, "Xavier": "Xavier", "He": "He", "zeros": "zeros"}

# mean and standard deviation in layer 1 and 5; for tanh sd only
REFERENCE = {
    "sigmoid": {
        "std 1": ".499/.458 → .543/.437", "std 0.01": ".500/.0249 → .501/.0115", "Xavier": (
            ".500/.208 → "
            ".510/.116"
        ),
        "He": ".499/.261 → .513/.162", "zeros": ".5/0 → .5/0",
    },
    "tanh": {
        "std 1": "sd .958 → .956", "std 0.01": "sd .0990 → 9.66e-6", "Xavier": "sd .626 → .314",
        "He": "sd .719 → .558", "zeros": "sd 0 → 0",
    },
    "ReLU": {
        "std 1": "3.97/5.85 → 1.17e4/1.77e4", "std 0.01": ".0397/.0585 → 1.17e-6/1.77e-6",
        "Xavier": ".397/.585 → .117/.177", "He": ".561/.828 → .660/1.00", "zeros": "0/0 → 0/0",
    },
}  # fmt: skip


def probe(activation, init, seed):
    """The outputs of the five activations, and the gradient that reaches the sums before each of them."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    for _ in range(LAYERS):
        model.append(nn.Linear(WIDTH, WIDTH, bias=False))
        model.append(activation())
    initialize(model, init)
    x = torch.randn(INPUTS, WIDTH)
    with record(model) as r:
        out = model(x)
        out.backward(torch.randn(out.shape))
    sums, outputs = range(0, 2 * LAYERS, 2), range(1, 2 * LAYERS, 2)
    return [r.activations[str(i)] for i in outputs], [r.gradients[str(i)] for i in sums]


CODE = (probe,)


def _describe(a, g, kind, top):
    """One layer's histograms and figures; `top` is the right end of ReLU's histograms."""
    low, high = {"sigmoid": (0, 1), "tanh": (-1, 1), "ReLU": (0, top)}[kind]
    counts, _ = np.histogram(np.clip(a, low, high), BINS, (low, high))
    size = np.abs(g[g != 0]).astype(float)
    logs, _ = np.histogram(np.clip(np.log10(size), -20, 10), 60, (-20, 10))
    ends = {"sigmoid": (a < 0.05) | (a > 0.95), "tanh": np.abs(a) > 0.95, "ReLU": a == 0}[kind]
    return {
        "range": [low, float(high)],
        "counts": counts.tolist(),
        "mean": float(a.mean(dtype=float)),
        "std": float(a.std(dtype=float)),
        "saturated": float(ends.mean()),
        "log_gradients": logs.tolist(),
        "gradient_std": float(g.std(dtype=float)),
        "lost": float((np.abs(g) < 1e-3).mean()),
    }


def run(lab):
    numbers = {}
    bar = iter(lab.progress("activations")(len(ACTIVATIONS) * len(INITS)))
    for kind, activation in ACTIVATIONS.items():
        numbers[kind] = {}
        for name, init in INITS.items():
            outs, grads = probe(activation, init, lab.seed)
            outs, grads = [a.numpy() for a in outs], [g.numpy() for g in grads]
            top = float(np.quantile(outs[0], 0.999)) or 1.0
            numbers[kind][name] = [_describe(a, g, kind, top) for a, g in zip(outs, grads)]
            next(bar)
    next(bar, None)
    return numbers


def checks(numbers):
    def layer(kind, init, number):
        return numbers[kind][init][number - 1]

    def change(kind, init, what, start, end):
        return layer(kind, init, end)[what] / layer(kind, init, start)[what]

    kept, shrunk = (change("ReLU", init, "std", 1, 5) for init in ("He", "Xavier"))
    collapsed = layer("sigmoid", "std 0.01", 5)["std"], layer("tanh", "std 0.01", 5)["std"]
    vanished, steady = (
        change("tanh", "std 0.01", "gradient_std", 5, 1),
        change("ReLU", "He", "gradient_std", 5, 1),
    )
    saturated, lost = layer("sigmoid", "std 1", 1)["saturated"], layer("tanh", "std 1", 1)["lost"]
    spread = layer("tanh", "Xavier", 5)["std"]
    return [
        (
            f"Standard deviation 1 saturates sigmoid: {saturated:.0%} below 0.05 or above 0.95.",
            saturated > 0.6,
        ),
        (
            f"So gradients are lost: in layer 1 of tanh {lost:.0%} are below 0.001, with Xavier's values "
            f"{layer('tanh', 'Xavier', 1)['lost']:.0%}.",
            lost > 0.3 > 0.1 > layer("tanh", "Xavier", 1)["lost"],
        ),
        (
            f"0.01 collapses: in layer 5 sigmoid has a standard deviation of {collapsed[0]:.3f}, tanh of "
            f"{collapsed[1]:.0e}.",
            collapsed[0] < 0.03 and collapsed[1] < 1e-4,
        ),
        (f"Xavier keeps tanh spread (standard deviation {spread:.2f} in layer 5).", 0.2 < spread < 0.5),
        (
            f"He keeps ReLU's standard deviation from layer 1 to 5 (times {kept:.2f}), Xavier does not "
            f"(times {shrunk:.2f}).",
            0.6 < kept < 1.7 and shrunk < 0.5,
        ),
        (
            f"From 0.01 the gradient vanishes: layer 1 of tanh gets {vanished:.0e} of layer 5's; of ReLU "
            f"with He {steady:.2f}.",
            vanished < 1e-3 and 0.4 < steady < 2.5,
        ),
    ]


def tables(numbers):
    rows = []
    for kind, inits in numbers.items():
        for init, layers in inits.items():
            a, b = layers[0], layers[-1]
            if kind == "tanh":
                ours = f"sd {a['std']:.3g} → {b['std']:.3g}"
            else:
                ours = f"{a['mean']:.3g}/{a['std']:.3g} → {b['mean']:.3g}/{b['std']:.3g}"
            saturated = f"{a['saturated']:.0%} → {b['saturated']:.0%}"
            back = f"{b['gradient_std']:.2g} → {a['gradient_std']:.2g}"
            lost = f"{b['lost']:.0%} → {a['lost']:.0%}"
            rows.append([kind, init, ours, REFERENCE[kind][init], saturated, back, lost])
    head = [
        "activation", "initial values", "mean/sd, layer 1 → 5", "reference", "saturated, 1 → 5", (
            "gradient sd, 5 → "
            "1"
        ),
        "lost, 5 → 1",
    ]  # fmt: skip
    note = (
        "Reference: NumPy with seed 0 (tanh: sd only). Saturated: below 0.05 or above 0.95 for sigmoid, "
        "beyond ±0.95 for tanh, exactly 0 for ReLU. The gradient sent into layer 5's outputs is N(0, 1); "
        "lost are gradients below 0.001."
    )
    return [Table("Layer 1 to layer 5", head, rows, note)]


def _grid(inits, paint, xlabel, ylabel):
    fig = plots.figure(8.4, 7.6)
    axes = fig.subplots(len(inits), LAYERS, squeeze=False)
    for i, (init, layers) in enumerate(inits.items()):
        for j, layer in enumerate(layers):
            ax = axes[i, j]
            paint(ax, layer)
            ax.grid(False)
            ax.set_yticks([])
            ax.tick_params(labelsize=7.5)
            above = f"layer {j + 1}\n" if i == 0 else ""
            ax.set_title(above + ax.get_title(), fontsize=8.5)
        axes[i, 0].set_ylabel(init)
    fig.supxlabel(xlabel, fontsize=10)
    fig.supylabel(ylabel, fontsize=10)
    return fig


def _activations(ax, layer):
    edges = np.linspace(*layer["range"], BINS + 1)
    ax.stairs(layer["counts"], edges, fill=True, color=plots.BLUE)
    mean = 0 if abs(layer["mean"]) < layer["std"] / 50 else layer["mean"]
    ax.set_title(f"{mean:.2g} ± {layer['std']:.2g}")
    if layer["range"][1] > 1 or layer["range"][1] < 0.5:  # ReLU: round numbers only
        ax.set_xticks([0, float(f"{layer['range'][1]:.1g}")])
        ax.set_xlim(0, layer["range"][1])


def _gradients(ax, layer):
    if any(layer["log_gradients"]):
        ax.stairs(layer["log_gradients"], np.linspace(-20, 10, 61), fill=True, color=plots.RED)
        ax.set_title(f"sd {layer['gradient_std']:.1e}")
    else:
        ax.text(0.5, 0.5, "all 0", ha="center", va="center", transform=ax.transAxes)
        ax.set_title("sd 0")
    ax.set(xlim=(-16, 6), xticks=(-15, -10, -5, 0, 5))


def draw(numbers):
    figures = []
    for kind, inits in numbers.items():
        end = "the last bin takes all above" if kind == "ReLU" else "30 bins"
        figures += [
            (
                f"{kind}: outputs of layers 1 to 5, mean ± standard deviation above each.",
                _grid(inits, _activations, f"output of {kind} ({end})", "number of outputs"),
            ),
            (
                f"{kind}: the gradient that reaches the sums before them, from layer 5 back to layer 1.",
                _grid(inits, _gradients, "log₁₀ |gradient| (exact zeros left out)", "number of gradients"),
            ),
        ]
    return figures
