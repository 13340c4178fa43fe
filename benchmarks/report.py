"""Results as lines, as a Markdown table, and as JSON with the machine they were measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.race import OURS
from benchmarks.registry import PACKAGES, SIDES

WIDTH = 54  # of a row's name


def show(figure: float, unit: str) -> str:
    """A figure with its unit: 1.2 us, 3.40 ms, 5.6 MB."""
    if unit == "B":
        return f"{figure / 1e6:.2f} MB" if abs(figure) >= 1e5 else f"{figure / 1e3:.1f} kB"
    if abs(figure) < 1:
        return f"{figure * 1e6:.1f} us" if abs(figure) < 1e-3 else f"{figure * 1e3:.2f} ms"
    return f"{figure:.2f} s"


def columns(results: list[dict[str, Any]]) -> list[str]:
    """The sides that some result has, or failed to have, in the order of SIDES, ours left out."""
    seen = {s for r in results for s in (*r["median"], *r["errors"])}
    return [s for s in SIDES if s in seen and s != OURS]


def cells(result: dict[str, Any], others: list[str]) -> list[str]:
    """Ours, then how many times ours each other side takes, or its own figure where ours is 0; else "-"."""
    ratios, figures = result["ratios"], {s: show(m, result["unit"]) for s, m in result["median"].items()}
    return [
        figures.get(OURS, "-"),
        *(f"{ratios[s]:.2f}x" if s in ratios else figures.get(s, "-") for s in others),
    ]


def line(result: dict[str, Any], others: list[str]) -> str:
    ours, *rest = cells(result, others)
    text = f"{result['row']:{WIDTH}s}{ours:>12s}" + "".join(f"{c:>17s}" for c in rest)
    if result["spread"] > 0.25:
        text += f"   spread {result['spread']:.0%}"
    if result["each"]:
        text += f"\n  {each(result)}"
    return text + "".join(f"\n  {side}: {error[:150]}" for side, error in result["errors"].items())


def each(result: dict[str, Any]) -> str:
    above = ", above NumPy" if "numpy" in result["median"] else ""
    return f"one of them{above}: " + ", ".join(f"{s} {show(cost, 's')}" for s, cost in result["each"].items())


def heading(group: str, threads: int, others: list[str]) -> str:
    title = f"{group}, {threads} thread{'s' if threads > 1 else ''}"
    return f"\n{title:{WIDTH}s}{OURS:>12s}" + "".join(f"{'vs ' + s:>17s}" for s in others)


def machine() -> dict[str, str]:
    """What the figures depend on besides the code."""
    try:
        info = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(x.split(":", 1)[1].strip() for x in info if x.startswith("model name"))
    except (FileNotFoundError, StopIteration):
        processor = platform.processor() or platform.machine()
    versions = {p: importlib.metadata.version(p) for p in PACKAGES if importlib.util.find_spec(p)}
    return {
        "processor": processor,
        "processors": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "Python": platform.python_version(),
        **versions,
    }


def markdown(about: dict[str, str], results: list[dict[str, Any]]) -> str:
    """The tables of a run, one for each group and number of threads."""
    versions = ", ".join(f"{k} {v}" for k, v in about.items() if k in ("Python", *PACKAGES))
    parts = [
        f"Measured on {about['date']}: {about['processor']}, {about['processors']} processors, "
        f"{about['system']}; {versions}.\n\nThe first column is tinygrad6's median; each other one says how "
        "many times as long (or as many bytes) that side takes: 2.00x means that tinygrad6 is twice as fast. "
        "Spread is (longest - shortest) / "
        'median of tinygrad6\'s rounds. "-": the side has no such row.\n'
    ]
    for group, threads in dict.fromkeys((r["group"], r["threads"]) for r in results):
        chosen = [r for r in results if (r["group"], r["threads"]) == (group, threads)]
        parts += ["\n".join(_table(group, threads, chosen)) + "\n"]
    return "\n".join(parts)


def _table(group: str, threads: int, results: list[dict[str, Any]]) -> Iterator[str]:
    others = columns(results)
    yield f"## {group}, {threads} thread{'s' if threads > 1 else ''}\n"
    yield "| | " + " | ".join([OURS, *others, "spread"]) + " |"
    yield "|---|" + "---:|" * (len(others) + 2)
    for r in results:
        yield f"| {r['row']} | " + " | ".join([*cells(r, others), f"{r['spread']:.0%}"]) + " |"
    if costs := [r for r in results if r["each"]]:
        yield "\nThe cost of one op, parameter or call; above the same by NumPy where that has a column:\n"
        yield from (f"- {r['row']}: {each(r)}" for r in costs)
