"""Colours, line styles and markers, the same for the same thing in every figure, and figures as inline SVG.

The colours are Okabe and Ito's, which remain apart for colour-blind readers; the dashes and markers remain
apart in black and white.
"""

import io
import re

import matplotlib
import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PINK, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#000000"


def _style(color, linestyle, marker):
    return {"color": color, "linestyle": linestyle, "marker": marker}


STYLES = {
    "SGD": _style(BLUE, "-", "o"),
    "Momentum": _style(ORANGE, (0, (5, 2)), "s"),
    "Nesterov": _style(RED, (0, (5, 1.5, 1, 1.5)), "D"),
    "AdaGrad": _style(GREEN, (0, (1, 1.2)), "^"),
    "RMSprop": _style(PINK, (0, (9, 2)), "v"),
    "Adam": _style(BLACK, (0, (4, 1.5, 1, 1.5, 1, 1.5)), "P"),
    "std 0.01": _style(BLUE, "-", "o"),
    "Xavier": _style(ORANGE, (0, (5, 2)), "s"),
    "He": _style(GREEN, (0, (1, 1.2)), "^"),
    "zeros": _style(RED, (0, (5, 2)), "D"),
    "equal": _style(ORANGE, (0, (1, 1.2)), "s"),
    "random": _style(BLUE, "-", "o"),
    "with BatchNorm": _style(BLUE, "-", "o"),
    "without BatchNorm": _style(RED, (0, (5, 2)), "s"),
    "training": _style(BLUE, "-", "o"),
    "test": _style(ORANGE, (0, (5, 2)), "s"),
    "validation": _style(RED, (0, (5, 1.5, 1, 1.5)), "D"),
    "random search, narrowed": _style(BLUE, "-", "o"),
    "grid search": _style(ORANGE, (0, (5, 2)), "s"),
}

RC = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, read aloud
    "path.simplify_threshold": 0.4,
}


def figure(width, height):
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def line(ax, name, x, y, label=None, markers=8, **options):
    """A curve in the style of `name`, with about `markers` markers on it."""
    y = np.array([np.nan if v is None else v for v in y], float)
    every = max(len(y) // markers, 1) if markers else None
    style = dict(STYLES[name], markevery=every) if markers else dict(STYLES[name], marker="")
    return ax.plot(x, y, label=name if label is None else label, **{**style, **options})


def legend_below(fig, ax, columns=3):
    """One legend for all axes, outside of them, so that it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=4)


def smooth(values, length=11, beta=2.0):
    """The book's smooth_curve: convolution with a Kaiser window, the ends mirrored."""
    v = np.asarray(values, float)
    if len(v) < length:
        return v
    w = np.kaiser(length, beta)
    mirrored = np.r_[v[length - 1 : 0 : -1], v, v[-1:-length:-1]]
    y = np.convolve(w / w.sum(), mirrored, mode="valid")
    return y[length // 2 : len(y) - length // 2]


def svg(fig, name, alt):
    """The figure as an <svg> element: no date, ids of its own, as wide as there is room,
    `alt` for screen readers."""
    with io.StringIO() as out, matplotlib.rc_context({"svg.hashsalt": name}):
        fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    width = re.search(r'width="([\d.]+)pt"', text).group(1)
    text = re.sub(r'(<svg[^>]*?) height="[\d.]+pt"', r"\1", text, count=1)
    least = "31rem" if float(width) > 520 else "0px"  # on a phone: grids scroll, single plots shrink
    style = f"--width:{width}px;--least:{least}"
    return text.replace(f'width="{width}pt"', f'role="img" aria-label="{alt}" style="{style}"', 1)
