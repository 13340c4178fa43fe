"""6.1: the paths of six optimizers in a long valley, f(x, y) = x^2 / 20 + y^2."""

import html
import json
import math

import tinygrad6 as torch
from tinygrad6 import optim

from . import plots
from .page import Table

TITLE = "Which way down?"
SECTION = "6.1"
QUESTION = (
    "Six optimizers start at (−7, 2) and take 30 steps in a valley that is twenty times steeper across than "
    "along, f(x, y) = x²/20 + y². What do their paths look like?"
)
LOOK = (
    "SGD jumps from one wall of the valley to the other at every step, since the gradient rarely points at "
    "the minimum. Momentum and Nesterov roll like a ball and overshoot. AdaGrad and RMSprop shorten their "
    "steps across the valley and head for the minimum, AdaGrad most directly. Adam combines both ideas."
)

START, STEPS = (-7.0, 2.0), 30


class BookAdam(optim.Adam):
    """Adam with the book's epsilon: 1e-7, added to sqrt(v) before v is corrected, not after."""

    def step(self, closure=None):
        for group in self.param_groups:
            group["t"] = group.get("t", 0) + 1
            group["eps"] = 1e-7 / math.sqrt(1 - group["betas"][1] ** group["t"])
        return super().step(closure)


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.95),
    "Momentum": lambda p: optim.Momentum(p, lr=0.1),
    "Nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "AdaGrad": lambda p: optim.AdaGrad(p, lr=1.5, eps=1e-7),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, eps=1e-7),
    "Adam": lambda p: optim.Adam(p, lr=0.3),
    "Adam, the book's epsilon": lambda p: BookAdam(p, lr=0.3),
}

# after 30 steps: the book's code in float64; for Adam torch.optim.Adam in float64, whose epsilon is ours
REFERENCE = {
    "SGD": (-0.3503929957523197, 0.0847823165504322),
    "Momentum": (0.896413858493733, 0.08808560171506971),
    "Nesterov": (0.6896149016966209, -0.0006799058361171969),
    "AdaGrad": (-0.12016232231416045, 2.486389893984459e-17),
    "RMSprop": (-0.6974203096807906, 1.4834621508315574e-08),
    "Adam": (0.13601461732623352, 0.31824538889630977),
    "Adam, the book's epsilon": (0.13600685239498186, 0.31824537553721943),
}


def f(x, y):
    return x**2 / 20 + y**2


def walk(make_optimizer):
    """The points from START to the one after STEPS steps."""
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make_optimizer([p])
    path = [p.tolist()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        f(*p).backward()
        optimizer.step()
        path.append(p.tolist())
    return path


CODE = (walk, BookAdam)


def run(lab):
    return {"paths": {name: walk(make) for name, make in OPTIMIZERS.items()}}


def _length(path):
    return sum(math.dist(a, b) for a, b in zip(path, path[1:]))


def _turns(path):
    """How often y changes its sign from one point to the next."""
    return sum(a[1] * b[1] < 0 for a, b in zip(path, path[1:]))


def _off(numbers, name):
    """The distance of an end point from its reference, by coordinate."""
    return max(abs(a - b) for a, b in zip(numbers["paths"][name][-1], REFERENCE[name]))


def checks(numbers):
    paths = numbers["paths"]
    worst = max(_off(numbers, name) for name in REFERENCE)
    length = {name: _length(path) for name, path in paths.items()}
    overshoot = max(x for x, _ in paths["Momentum"])
    return [
        (f"Every end point equals its reference to 1e-12 (largest difference {worst:.1e}).", worst <= 1e-12),
        (
            f"SGD crosses the valley at every step ({_turns(paths['SGD'])} of {STEPS}).",
            _turns(paths["SGD"]) == STEPS,
        ),
        (
            f"SGD's path is the longest of the six ({length['SGD']:.2f}) and AdaGrad's is shorter than those "
            f"of SGD, Momentum and Adam ({length['AdaGrad']:.2f}).",
            max(length, key=length.get) == "SGD"
            and length["AdaGrad"] < min(length[n] for n in ("SGD", "Momentum", "Adam")),
        ),
        (f"Momentum rolls past the minimum, to x = {overshoot:.2f}.", overshoot > 0.5),
    ]


def tables(numbers):
    rows = []
    for name, path in numbers["paths"].items():
        (x, y), (rx, ry) = path[-1], REFERENCE[name]
        rows.append(
            [name, f"{x:.12g}, {y:.12g}", f"{rx:.12g}, {ry:.12g}", f"{_off(numbers, name):.0e}",
             f"{f(x, y):.6g}", f"{_length(path):.2f}", _turns(path)]
        )  # fmt: skip
    head = [
        "optimizer",
        "(x, y) after 30 steps",
        "reference",
        "difference",
        "f",
        "path length",
        "sign changes of y",
    ]
    note = (
        "Reference: the book's code in float64. Adam adds ε = 1e-8 to √v̂, after the correction, as PyTorch "
        "does; the book adds 1e-7 to √v, before it; both rows are given, each with its own reference."
    )
    return [Table("End points", head, rows, note)]


def draw(numbers):
    import numpy as np

    paths = {name: np.array(path) for name, path in numbers["paths"].items() if name in plots.STYLES}
    fig = plots.figure(8.4, 6.6)
    x, y = np.meshgrid(np.linspace(-8.2, 4.2, 120), np.linspace(-2.8, 2.8, 80))
    gx, gy = np.meshgrid(np.linspace(-7.5, 3.5, 8), np.linspace(-2.25, 2.25, 6))
    size = np.hypot(gx / 10, 2 * gy)
    for ax, (name, path) in zip(fig.subplots(3, 2, sharex=True, sharey=True).flat, paths.items()):
        ax.contour(x, y, f(x, y), levels=[0.05, 0.2, 0.5, 1, 2, 3.5, 5.5, 8], colors="0.75", linewidths=0.7)
        ax.quiver(gx, gy, -gx / 10 / size, -2 * gy / size, color="0.6", width=0.0035, scale=26, zorder=1)
        plots.line(ax, name, *path.T, markers=len(path), linewidth=1.2, markersize=3.5)
        ax.plot(0, 0, "x", color="0.3", markersize=8, markeredgewidth=1.8)
        ax.set_title(f"{name}: f = {f(*path[-1]):.2g} after {STEPS} steps")
        ax.set_aspect("equal")
        ax.grid(False)
    fig.supxlabel("x", fontsize=10)
    fig.supylabel("y", fontsize=10)

    heights = plots.figure(6.4, 4.2)
    ax = heights.subplots()
    for name, path in paths.items():
        plots.line(ax, name, range(STEPS + 1), f(*path.T), markers=10)
    ax.set(yscale="log", xlabel="step", ylabel="f(x, y)")
    plots.legend_below(heights, ax)
    return [
        (
            "The paths, over contour lines of f and arrows in the direction of −grad f. The cross is the "
            "minimum.",
            fig,
        ),
        ("The race: press play, or move the slider.", player(numbers["paths"])),
        ("The height f over the steps, on a logarithmic scale.", heights),
    ]


def player(paths):
    """All six racing, as HTML: an SVG whose level lines are ellipses, a slider, and forty lines of script.

    Without scripts, and in print, the whole paths are seen.
    """
    shown = {n: [[50 * x, -50 * y] for x, y in p] for n, p in paths.items() if n in plots.STYLES}
    ellipses = "".join(
        f'<ellipse rx="{50 * math.sqrt(20 * c):.0f}" ry="{50 * math.sqrt(c):.0f}"/>'
        for c in (0.05, 0.2, 0.5, 1, 2, 3.5, 5.5, 8)
    )
    ticks = "".join(
        f'<text x="{50 * x}" y="164" text-anchor="middle">{str(x).replace("-", "−")}</text>'
        for x in range(-8, 5, 2)
    ) + "".join(
        f'<text x="-428" y="{-50 * y + 5}" text-anchor="end">{str(y).replace("-", "−")}</text>'
        for y in (-2, 0, 2)
    )
    runners, legend = "", ""
    for i, (name, points) in enumerate(shown.items()):
        style = plots.STYLES[name]
        dash = "" if style["linestyle"] == "-" else " ".join(str(3 * d) for d in style["linestyle"][1])
        look = f'stroke="{style["color"]}" stroke-dasharray="{dash}"'
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        shape = _marker(style["marker"])
        at = f"translate({points[-1][0]:.1f} {points[-1][1]:.1f})"
        runners += (
            f'<g data-runner="{i}"><polyline points="{line}" {look}/>'
            f'<path d="{shape}" fill="{style["color"]}" transform="{at}"/></g>'
        )
        legend += (
            f'<label><input type="checkbox" checked data-toggle="{i}"> <svg viewBox="-30 -10 60 20" '
            f'width="48" height="16" aria-hidden="true"><path d="M-30 0H30" {look} stroke-width="3"/><path '
            f'd="{shape}" fill="{style["color"]}"/></svg> '
            f"{html.escape(name)}</label>"
        )
    data = json.dumps([[[round(c, 3) for c in point] for point in points] for points in shown.values()])
    return f"""<div class="player" id="race">
<svg viewBox="-460 -150 690 345" role="img" aria-label="Paths of six optimizers on contour lines of f">
<clipPath id="race-window"><rect x="-420" y="-145" width="640" height="290"/></clipPath>
<g clip-path="url(#race-window)"><g class="level">{ellipses}</g>
<path class="goal" d="M-7-7L7 7M-7 7L7-7"/>{runners}</g>
<rect class="frame" x="-420" y="-145" width="640" height="290"/>{ticks}
<text x="-100" y="190" text-anchor="middle">x</text><text x="-450" y="5">y</text></svg>
<div class="controls"><button type="button">play</button>
<input type="range" min="0" max="{STEPS}" step="0.01" value="{STEPS}" aria-label="step">
<output>step {STEPS}</output>
<label>speed <select><option value="2">slow</option><option value="5" selected>normal</option>
<option value="12">fast</option></select></label></div>
<div class="legend">{legend}</div></div>
<script>{_SCRIPT.replace("PATHS", data)}</script>"""


def _marker(kind):
    """matplotlib's marker as an SVG path of about 14 units."""
    return {
        "o": "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0z",
        "s": "M-6-6H6V6H-6z",
        "D": "M0-8L8 0L0 8L-8 0z",
        "^": "M0-8L8 7H-8z",
        "v": "M0 8L8-7H-8z",
        "P": "M-3-8H3V-3H8V3H3V8H-3V3H-8V-3H-3z",
    }[kind]


_SCRIPT = """(() => {
  const paths = PATHS, race = document.getElementById("race");
  const runners = [...race.querySelectorAll("[data-runner]")];
  const button = race.querySelector("button"), slider = race.querySelector("input[type=range]");
  const speed = race.querySelector("select"), output = race.querySelector("output");
  let last = null;
  function show(t) {
    const k = Math.min(Math.floor(t), paths[0].length - 2), part = t - k;
    paths.forEach((path, i) => {
      const here = path[k].map((c, j) => c + part * (path[k + 1][j] - c));
      runners[i].children[0].setAttribute("points", path.slice(0, k + 1).concat([here]).join(" "));
      runners[i].children[1].setAttribute("transform", `translate(${here})`);
    });
    output.textContent = "step " + Math.floor(t);
  }
  function frame(now) {
    if (last === null) return;
    const t = Math.min(+slider.value + Math.max(now - last, 0) / 1000 * speed.value, +slider.max);
    last = now; slider.value = t; show(t);
    if (t >= +slider.max) stop(); else requestAnimationFrame(frame);
  }
  function stop() { last = null; button.textContent = "play"; }
  button.onclick = () => {
    if (last !== null) return stop();
    if (+slider.value >= +slider.max) slider.value = 0;
    button.textContent = "pause"; last = performance.now(); requestAnimationFrame(frame);
  };
  slider.oninput = () => { stop(); show(+slider.value); };
  race.querySelectorAll("[data-toggle]").forEach(box => box.onchange = () => {
    runners[box.dataset.toggle].style.display = box.checked ? "" : "none";
  });
  addEventListener("beforeprint", () => { stop(); slider.value = slider.max; show(+slider.max); });
})();"""
