"""Figures of a run: time against size for each op, and bars for each training step. Readable without colour.

Needs matplotlib (the extra `examples`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.race import OURS
from benchmarks.registry import SIDES

# side -> (colour, line, marker, hatch): any one of the last three tells the sides apart
STYLE = {
    OURS: ("black", "-", "o", ""),
    "torch": ("#d55e00", "--", "s", "////"),
    "torch.compile": ("#cc79a7", (0, (5, 1, 1, 1)), "D", "xxxx"),
    "jax": ("#009e73", (0, (3, 1)), "v", "\\\\\\\\"),
    "mygrad": ("#e69f00", (0, (1, 2)), "P", "----"),
    "autograd": ("#8c564b", (0, (4, 3)), "*", "||||"),
    "numpy": ("#0072b2", ":", "^", "...."),
    "loop": ("#777777", "-.", "x", "++++"),
    "floor": ("#bbbbbb", "-", "_", "oooo"),
}
PANELS = (4, 3)  # rows and columns of a page


def draw(results: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Write the figures as PNG and return their paths; ImportError without matplotlib."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    threads = max((r["threads"] for r in results), default=0)  # one number of threads in one figure
    results = [r for r in results if r["threads"] == threads]
    for name, figure in [*_curves(Figure, results), *_bars(Figure, results)]:
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        made.append(path)
    return made


def curves(results: list[dict[str, Any]]) -> dict[tuple[str, bool], dict[str, list[tuple[float, float]]]]:
    """(op, backward?) -> side -> points (elements, seconds), of the group `ops`."""
    out: dict[tuple[str, bool], dict[str, list[tuple[float, float]]]] = {}
    for r in results:
        if r["group"] == "ops":
            op, size = r["row"].removesuffix(" backward").rsplit(" ", 1)
            lines = out.setdefault((op, r["row"].endswith(" backward")), {})
            for side, seconds in r["median"].items():
                lines.setdefault(side, []).append((float(size), seconds))
    return out


def _curves(Figure: Any, results: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    found = curves(results)
    for backward in (False, True):
        panels = [(op, lines) for (op, b), lines in found.items() if b == backward]
        per_page = PANELS[0] * PANELS[1]
        for start in range(0, len(panels), per_page):
            page = panels[start : start + per_page]
            kind = "forward and backward" if backward else "forward"
            height = -(-len(page) // PANELS[1])
            figure = Figure(figsize=(11, 2.7 * height + 0.9), layout="constrained")
            axes = figure.subplots(height, PANELS[1], squeeze=False).flat
            for axis, (op, lines) in zip(axes, page):
                for side, points in lines.items():
                    colour, line, marker, _ = STYLE[side]
                    axis.loglog(*zip(*sorted(points)), color=colour, ls=line, marker=marker, ms=5, label=side,
                                mfc="none", zorder=3 if side == OURS else 2)  # fmt: skip
                axis.set_title(op, fontsize=10)
                axis.grid(alpha=0.3)
            for axis in list(axes)[len(page) :]:
                axis.set_visible(False)
            named = {h: None for _, lines in page for h in lines}
            handles = {t: h for a in figure.axes for h, t in zip(*a.get_legend_handles_labels())}
            figure.legend([handles[s] for s in SIDES if s in named], [s for s in SIDES if s in named],
                          loc="outside upper center", ncols=len(named), frameon=False)  # fmt: skip
            figure.supxlabel("elements")
            figure.supylabel(f"seconds, {kind}")
            yield f"ops-{kind.replace(' ', '-')}-{start // per_page + 1}", figure


def _bars(Figure: Any, results: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    rows = [r for r in results if r["group"] == "steps" and OURS in r["median"]]
    if not rows:
        return
    sides = [s for s in SIDES if any(s in r["median"] for r in rows)]
    figure = Figure(figsize=(10, 0.7 + len(rows) * (0.14 * len(sides) + 0.2)), layout="constrained")
    axis = figure.subplots()
    thick = 0.84 / len(sides)
    for i, side in enumerate(sides):
        at = [(k + (i - (len(sides) - 1) / 2) * thick, r["median"][side] * 1e3)
              for k, r in enumerate(rows) if side in r["median"]]  # fmt: skip
        colour, _, _, hatch = STYLE[side]
        axis.barh(*zip(*at), height=thick, label=side, hatch=hatch, edgecolor=colour,
                  color="black" if side == OURS else "white", linewidth=0.8)  # fmt: skip
    axis.set_yticks(range(len(rows)), [r["row"] for r in rows])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("milliseconds per training step (shorter is faster)")
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(sides), frameon=False)
    yield "steps", figure
