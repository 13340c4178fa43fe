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
QUESTION = "1000 random inputs run through five layers of 100 units. How are the layers' outputs distributed, and what gradient comes back?"
LOOK = (
    "Standard deviation 1 drives sigmoid and tanh to their ends, where their slope is 0: the gradients vanish towards "
    "layer 1 (or explode, with ReLU). 0.01 collapses every activation onto one value. Xavier's values keep sigmoid's and "
    "tanh's spread but let ReLU's shrink from layer to layer; He's keep ReLU's. The gradient figures show the logarithm of "
    "its size: a hump that moves left from layer 5 to layer 1 is a vanishing gradient, seen."
)

LAYERS, WIDTH, INPUTS, BINS = 5, 100, 1000, 30
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}
INITS = {"std 1": 1.0, "std 0.01": 0.01, "Xavier": "Xavier", "He": "He", "zeros": "zeros"}

# mean and standard deviation in layer 1 and 5; for tanh sd only
REFERENCE = {
    "sigmoid": {
        "std 1": ".499/.458 → .543/.437", "std 0.01": ".500/.0249 → .501/.0115", "Xavier": ".500/.208 → .510/.116",
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
    """The outputs of the five activations, and the gradient that comes back to each."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    for _ in range(LAYERS):
        model.append(nn.Linear(WIDTH, WIDTH, bias=False))
        model.append(activation())
    initialize(model, init)
    x = torch.randn(INPUTS, WIDTH)
    with record(model, where=lambda name, module: isinstance(module, activation)) as r:
        out = model(x)
        out.backward(torch.randn(out.shape))
    return list(r.activations.values()), list(r.gradients.values())


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
        "gradient_zeros": float((g == 0).mean()),
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
    def std(kind, init, layer):
        return numbers[kind][init][layer]["std"]

    def shrink(kind, init):
        layers = numbers[kind][init]
        return layers[0]["gradient_std"] / layers[-1]["gradient_std"]

    saturated = numbers["sigmoid"]["std 1"][0]["saturated"]
    kept = std("ReLU", "He", -1) / std("ReLU", "He", 0)
    lost = std("ReLU", "Xavier", -1) / std("ReLU", "Xavier", 0)
    return [
        (
            f"Standard deviation 1 saturates sigmoid: {saturated:.0%} below 0.05 or above 0.95.",
            saturated > 0.6,
        ),
        (
            f"0.01 collapses: sigmoid's last layer has sd {std('sigmoid', 'std 0.01', -1):.3f}, tanh's {std('tanh', 'std 0.01', -1):.0e}.",
            std("sigmoid", "std 0.01", -1) < 0.03 and std("tanh", "std 0.01", -1) < 1e-4,
        ),
        (
            f"Xavier keeps tanh spread (sd {std('tanh', 'Xavier', -1):.2f} in layer 5).",
            0.2 < std("tanh", "Xavier", -1) < 0.5,
        ),
        (
            f"He keeps ReLU's sd from layer 1 to 5 (times {kept:.2f}), Xavier does not (times {lost:.2f}).",
            0.6 < kept < 1.7 and lost < 0.5,
        ),
        (
            f"With sd 0.01 the gradient vanishes: layer 1 gets {shrink('tanh', 'std 0.01'):.0e} of layer 5's with tanh; "
            f"with He and ReLU {shrink('ReLU', 'He'):.2f}.",
            shrink("tanh", "std 0.01") < 1e-3 and 0.4 < shrink("ReLU", "He") < 2.5,
        ),
    ]


def tables(numbers):
    rows = []
    for kind, inits in numbers.items():
        for init, layers in inits.items():
            a, b = layers[0], layers[-1]
            ours = f"{a['mean']:.3g}/{a['std']:.3g} → {b['mean']:.3g}/{b['std']:.3g}"
            back = f"{b['gradient_std']:.2g} → {a['gradient_std']:.2g}"
            rows.append(
                [
                    kind,
                    init,
                    ours,
                    REFERENCE[kind][init],
                    f"{a['saturated']:.0%} → {b['saturated']:.0%}",
                    back,
                ]
            )
    head = [
        "activation",
        "initial values",
        "mean/sd, layer 1 → 5",
        "reference",
        "saturated, layer 1 → 5",
        "gradient sd, layer 5 → 1",
    ]
    note = (
        "Reference: NumPy with seed 0 (tanh: sd only). Saturated: below 0.05 or above 0.95 for sigmoid, beyond ±0.95 for tanh, exactly 0 for "
        "ReLU. The gradient that is sent into layer 5 is N(0, 1)."
    )
    return [Table("Layer 1 to layer 5", head, rows, note)]


def _grid(inits, paint, xlabel, ylabel):
    fig = plots.figure(8.4, 7.6)
    axes = fig.subplots(len(inits), LAYERS, squeeze=False)
    for row, (init, layers) in zip(axes, inits.items()):
        for i, (ax, layer) in enumerate(zip(row, layers)):
            paint(ax, layer)
            ax.grid(False)
            ax.set_yticks([])
            ax.tick_params(labelsize=7.5)
            if row is axes[0]:
                ax.set_title(f"layer {i + 1}\n{ax.get_title()}", fontsize=8.5)
            else:
                ax.set_title(ax.get_title(), fontsize=8.5)
        row[0].set_ylabel(init)
    fig.supxlabel(xlabel, fontsize=10)
    fig.supylabel(ylabel, fontsize=10)
    return fig


def _activations(ax, layer):
    edges = np.linspace(*layer["range"], BINS + 1)
    ax.stairs(layer["counts"], edges, fill=True, color=plots.BLUE)
    ax.set_title(f"{layer['mean']:.2g} ± {layer['std']:.2g}")
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
                f"{kind}: the gradient by those outputs, coming from layer 5 back to layer 1.",
                _grid(inits, _gradients, "log₁₀ |gradient| (exact zeros left out)", "number of gradients"),
            ),
        ]
    return figures
