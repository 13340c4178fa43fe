"""Let the sides of a row take turns, round by round, in rotating order.

The figure is the ratio of medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.registry import BY_HAND, GROUPS, Row

OURS = "tinygrad6"


class Timing(NamedTuple):
    """How long to measure: rounds, seconds of each timed stretch, and seconds of pause before it."""

    rounds: int = 5
    seconds: float = 0.3
    pause: float = 0.15  # for idle threads to fall asleep


class Sides:
    """Worker processes by side, started when first asked; `with` ends them."""

    def __init__(self, threads: int, tiny: bool = False, mnist: str = "") -> None:
        self.threads, self.tiny, self.mnist = threads, tiny, mnist
        self.workers: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in self.workers.values():
            worker.kill()
            worker.communicate()

    def ask(self, side: str, row: Row, timing: Timing) -> Any:
        """[median, least] of a timed stretch, or {"error": text}."""
        worker = self.workers.get(side) or self._start(side)
        try:
            worker.stdin.write(json.dumps([row.group, row.name, timing.seconds, timing.pause]) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        self.workers.pop(side).communicate()
        return {"error": f"the process ended with status {worker.returncode}; see its message above"}

    def _start(self, side: str) -> Any:
        env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
        env |= {k: str(self.threads) for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        self.workers[side] = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.worker",
                json.dumps([side, self.threads, self.tiny, self.mnist]),
            ],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,  # Ctrl-C is for us; what was measured until then is reported
        )
        return self.workers[side]


def race(row: Row, sides: Sides, against: list[str], timing: Timing) -> dict[str, Any]:
    """Measure one row; a side that fails drops out, and its error is kept."""
    here = [s for s in (OURS, *against, *BY_HAND) if row.builder(s)]
    figures: dict[str, list[list[float]]] = {s: [] for s in here}
    errors: dict[str, str] = {}
    for r in range(min(timing.rounds, row.rounds)):
        turn = r % len(here)
        for side in here[turn:] + here[:turn]:
            if side not in errors:
                answer = sides.ask(side, row, timing)
                if isinstance(answer, dict):
                    errors[side] = answer["error"]
                else:
                    figures[side].append(answer)
    return result(row, {s: f for s, f in figures.items() if s not in errors}, sides.threads, errors)


def result(
    row: Row, figures: dict[str, list[list[float]]], threads: int, errors: dict[str, str]
) -> dict[str, Any]:
    """Medians and least figures; how many times ours the others take; ours' spread; one op's extra cost."""
    median = {s: statistics.median(m for m, _ in f) for s, f in figures.items()}
    rounds = [m for m, _ in figures.get(OURS, [])]
    ours = median.get(OURS)
    return {
        "group": row.group,
        "row": row.name,
        "threads": threads,
        "unit": row.unit[-1],
        "median": median,
        "least": {s: min(least for _, least in f) for s, f in figures.items()},
        "ratios": {s: m / ours for s, m in median.items() if s != OURS} if ours and ours > 0 else {},
        "spread": (max(rounds) - min(rounds)) / ours if ours and ours > 0 else 0.0,
        "each": {s: (m - median.get("numpy", 0.0)) / row.per for s, m in median.items() if s != "numpy"}
        if row.per
        else {},
        "errors": errors,
    }


def select(groups: list[str], only: str = "") -> list[Row]:
    return [r for g in groups for r in GROUPS[g].values() if only in r.name]
