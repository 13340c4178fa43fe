"""Run benchmarks: `python -m benchmarks steps --against torch --threads 2`.

Each side of a row runs in a process of its own; the sides take turns, round by round, in rotating order. The figure is
the ratio of medians: how many times faster tinygrad6 is than the side (2.0 means half the time).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.rows import GROUPS


class Side:
    """A worker process."""

    def __init__(self, name: str, threads: int) -> None:
        env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
        env.update({k: str(threads) for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, str(threads)],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        if self._read() != "ready":
            raise RuntimeError(f"the worker for {name} did not start")

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a benchmark worker ended early; see its error above")
        return json.loads(line)

    def measure(self, group: str, row: str, duration: float, pause: float):
        self.process.stdin.write(json.dumps([group, row, duration, pause]) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def run(
    groups: list[str], against: list[str], threads: int, rounds: int, duration: float, pause: float, only: str
) -> list[dict]:
    """Measure and print row by row; returns the rows."""
    sides: dict[str, Side] = {}
    out = []
    try:
        for group in groups:
            print(f"\n{group}, {threads} thread{'s' if threads > 1 else ''}")
            names = [n for n in GROUPS[group] if only in n]
            wanted = [
                "tinygrad6",
                *against,
                *(("numpy",) if any("numpy" in GROUPS[group][n] for n in names) else ()),
                *(("floor",) if any("floor" in GROUPS[group][n] for n in names) else ()),
            ]
            print(f"{'':52s}{'tinygrad6':>12s}" + "".join(f"{'vs ' + s:>14s}" for s in wanted[1:]))
            for name in names:
                here = [s for s in wanted if s in ("tinygrad6", *against) or s in GROUPS[group][name]]
                times: dict[str, list[float]] = {s: [] for s in here}
                error = None
                for r in range(rounds):
                    for s in here[r % len(here) :] + here[: r % len(here)]:
                        if s not in sides:
                            sides[s] = Side(s, threads)
                        answer = sides[s].measure(group, name, duration, pause)
                        if isinstance(answer, dict):
                            error = f"{s}: {answer['error']}"
                            break
                        times[s].append(answer)
                    if error:
                        break
                if error:
                    print(f"{name:52s}  {error[:100]}")
                    out.append({"group": group, "row": name, "threads": threads, "error": error})
                    continue
                median = {s: statistics.median(t) for s, t in times.items()}
                ours = median["tinygrad6"]
                spread = (max(times["tinygrad6"]) - min(times["tinygrad6"])) / ours
                print(
                    f"{name:52s}{_show(ours):>12s}"
                    + "".join(f"{median[s] / ours:13.2f}x" if s in median else " " * 14 for s in wanted[1:])
                    + (f"   spread {spread:.0%}" if spread > 0.25 else ""),
                    flush=True,
                )
                out.append(
                    {
                        "group": group,
                        "row": name,
                        "threads": threads,
                        "seconds": median,
                        "ratios": {s: median[s] / ours for s in median if s != "tinygrad6"},
                        "spread": spread,
                    }
                )
    finally:
        for side in sides.values():
            side.close()
    return out


def _show(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def import_time(rounds: int) -> dict:
    """Seconds for `import tinygrad6` above `import numpy` and in all, in fresh processes taking turns."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    times: dict[str, list[float]] = {"numpy": [], "tinygrad6": []}
    for _ in range(rounds):
        for name, seconds in times.items():
            seconds.append(
                float(
                    subprocess.run(
                        [sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=True
                    ).stdout
                )
            )
    median = {k: statistics.median(v) for k, v in times.items()}
    print(
        f"\nimport\n{'tinygrad6, NumPy included':52s}{_show(median['tinygrad6']):>12s}\n{'numpy alone':52s}{_show(median['numpy']):>12s}"
    )
    return {"group": "import", "row": "import", "seconds": median}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "groups", nargs="*", default=[], help=f"any of {', '.join(GROUPS)}, import; all by default"
    )
    parser.add_argument(
        "--against", default="", help="torch, if it is installed; NumPy by hand and the floor always run"
    )
    parser.add_argument("--threads", default="2", help="1, 2 or 1,2: the same for every side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each timed stretch")
    parser.add_argument(
        "--pause",
        type=float,
        default=0.15,
        help="seconds before each stretch, for idle threads to fall asleep",
    )
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--tiny", action="store_true", help="one short round: to see that every row runs")
    parser.add_argument("--save", type=Path, help="write the rows to this JSON file")
    args = parser.parse_args()
    groups = args.groups or [*GROUPS, "import"]
    if unknown := set(groups) - {*GROUPS, "import"}:
        parser.error(f"unknown group {sorted(unknown)[0]!r}: choose from {', '.join([*GROUPS, 'import'])}")
    rounds, seconds, pause = (1, 0.001, 0.0) if args.tiny else (args.rounds, args.seconds, args.pause)
    rows = []
    for threads in map(int, args.threads.split(",")):
        rows += run(
            [g for g in groups if g != "import"],
            [s for s in args.against.split(",") if s],
            threads,
            rounds,
            seconds,
            pause,
            args.only,
        )
    if "import" in groups:
        rows.append(import_time(1 if args.tiny else 7))
    if args.save:
        args.save.write_text(json.dumps(rows, indent=1) + "\n")
    if args.tiny and any("error" in r for r in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
