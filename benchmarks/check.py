"""Guard against slowing down: ratios to NumPy by hand, measured side by side, against those in baseline.json.

A ratio travels between machines where seconds do not. A row that looks worse is measured again, for longer:
it fails only if its better ratio of the two is still more than 25 % below the baseline.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.race import Sides, Timing, race
from benchmarks.registry import GROUPS
from benchmarks.report import machine

FILE = Path(__file__).with_name("baseline.json")
WORSE = 1.25

# Short rows whose ratio hardly moves between runs: group -> names.
ROBUST = {
    "ops": [
        "add 10",
        "exp 1e3 backward",
        "mul 1e5 backward",
        "tanh 1e5 backward",
        "relu 1e5 backward",
        "sigmoid 1e5 backward",
        "softmax, rows of 100 1e5 backward",
        "layer_norm, rows of 100 1e5 backward",
        "matmul, square 1e3 backward",
    ],
    "overhead": [
        "50 x (sin, * 1.01), forward",
        "50 x (sin, * 1.01), forward and backward",
        "Adam step, 100 parameters of 4",
        "Module call: Linear(4, 4)",
    ],
    "steps": [
        "moons 2-16-16-2, batch 64",
        "digits 64-50-10 sigmoid, batch 100",
        "mnist 784-50-10, batch 100",
        "mnist 784-100x4-10, batch 128",
    ],
}


def measure(group: str, name: str, sides: Sides, timing: Timing) -> float:
    """NumPy's time over ours, above 1 where we are faster.

    Of the least times: what else the machine does can only add to a time.
    """
    answer = race(GROUPS[group][name], sides, [], timing)
    if answer["errors"]:
        raise RuntimeError(f"{group}: {name}: {answer['errors']}")
    return answer["least"]["numpy"] / answer["least"]["tinygrad6"]


def write(sides: Sides, timing: Timing, path: Path = FILE) -> None:
    rows = {g: {n: round(measure(g, n, sides, timing), 3) for n in names} for g, names in ROBUST.items()}
    content = {"machine": machine(), "threads": sides.threads, "numpy / tinygrad6": rows}
    path.write_text(json.dumps(content, indent=1) + "\n")


def read(path: Path = FILE) -> dict[str, Any]:
    return json.loads(path.read_text())


def worsened(before: float, now: float) -> float:
    """By which part of itself our time has grown against NumPy's: 0.25 is a quarter slower."""
    return before / now - 1


def check(baseline: dict[str, Any], sides: Sides, timing: Timing) -> list[str]:
    """Print the table of all rows of the baseline; returns the names of those that fail."""
    failed = []
    print(
        f"{'NumPy by hand / tinygrad6, ' + str(sides.threads) + ' thread(s)':54s}"
        f"{'baseline':>10s}{'now':>10s}"
    )
    for group, rows in baseline["numpy / tinygrad6"].items():
        for name, before in rows.items():
            if name not in GROUPS.get(group, {}):
                failed.append(name)
                print(f"{group + ': ' + name:54s}{before:10.2f}{'-':>10s}   FAILED: there is no such row")
                continue
            now = measure(group, name, sides, timing)
            if now * WORSE < before:
                longer = timing._replace(rounds=2 * timing.rounds)
                now = max(now, measure(group, name, sides, longer))
            verdict = ""
            if now * WORSE < before:
                failed.append(name)
                verdict = f"FAILED: takes {worsened(before, now):.0%} longer against NumPy than it did"
            print(f"{group + ': ' + name:54s}{before:10.2f}{now:10.2f}   {verdict}".rstrip(), flush=True)
    print(f"{len(failed)} of {sum(map(len, baseline['numpy / tinygrad6'].values()))} rows failed")
    return failed
