"""Run benchmarks: `python -m benchmarks steps --against torch,jax --threads 2`.

Each side of a row runs in a process of its own; the sides take turns, round by round, in rotating order. The
figure is the ratio of medians: how many times as long as tinygrad6 the side takes (2.00x: tinygrad6 is twice
as fast).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import benchmarks.rows  # noqa: F401
from benchmarks import check, plot, report
from benchmarks.race import OURS, Sides, Timing, race, select
from benchmarks.registry import BY_HAND, GROUPS, PEERS

ROUNDS, TINY = Timing(), Timing(rounds=1, seconds=0.0, pause=0.0)
CHECK = Timing(rounds=9, seconds=0.05, pause=0.05)  # short stretches: some of them are undisturbed


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; what is wrong with it ends the program with status 2 and one line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = p.add_argument
    add("groups", nargs="*", help=f"any of {', '.join(GROUPS)}; all by default")
    add(
        "--against",
        default="",
        help=f"any of {','.join(PEERS)}, where installed; {', '.join(BY_HAND)} always run",
    )
    add("--threads", help="1, 2 or 1,2: the same for every side; default 2, and 1 for --tiny and --baseline")
    add("--rounds", type=int, help=f"default {ROUNDS.rounds}, and {CHECK.rounds} for --check and --baseline")
    add("--seconds", type=float, help=f"of each timed stretch, default {ROUNDS.seconds} and {CHECK.seconds}")
    add("--pause", type=float, help=f"seconds before a stretch, default {ROUNDS.pause} and {CHECK.pause}")
    add("--only", default="", help="rows whose name contains this")
    add(
        "--mnist",
        type=Path,
        help="a folder with the files of MNIST, for the group `learning`; else the digits",
    )
    add("--tiny", action="store_true", help="each row once, at small sizes: to see that every row runs")
    add("--save", type=Path, metavar="FILE", help="write the results as JSON")
    add("--load", type=Path, metavar="FILE", help="measure nothing: take the results of --save")
    add("--table", type=Path, metavar="FILE", help="write the results as Markdown")
    add("--plot", type=Path, metavar="DIR", help="draw them with matplotlib")
    add(
        "--check",
        action="store_true",
        help="compare with baseline.json; status 1 where a ratio is 25 %% worse",
    )
    add("--baseline", action="store_true", help="write baseline.json")
    args = p.parse_args(argv)

    def wrong(text: str) -> None:
        p.exit(2, f"benchmarks: {text}\n")

    args.groups = args.groups or list(GROUPS)
    if unknown := [g for g in args.groups if g not in GROUPS]:
        wrong(f"unknown group {unknown[0]!r}: choose from {', '.join(GROUPS)}")
    if args.only and not select(args.groups, args.only):
        wrong(f"--only: no row of {', '.join(args.groups)} has a name with {args.only!r}")
    args.against = [s for s in args.against.split(",") if s and s not in (OURS, *BY_HAND)]
    if unknown := [s for s in args.against if s not in PEERS]:
        wrong(f"--against: unknown side {unknown[0]!r}: choose from {', '.join(PEERS)}")
    missing = [s for s in args.against if not importlib.util.find_spec(PEERS[s])]
    if missing and args.tiny:
        print(f"not installed, left out: {', '.join(missing)}")
        args.against = [s for s in args.against if s not in missing]
    elif missing:
        wrong(
            f"--against: not installed: {', '.join(missing)}; pip install 'tinygrad6[bench]' has every side"
        )
    given = {k: v for k in Timing._fields if (v := getattr(args, k)) is not None}
    args.timing = TINY if args.tiny else (CHECK if args.check or args.baseline else ROUNDS)._replace(**given)
    args.threads = args.threads or ("1" if args.tiny or args.baseline else "2")
    try:
        args.threads = [int(t) for t in args.threads.split(",")]
    except ValueError:
        wrong(f"--threads: whole numbers with commas between them, not {args.threads!r}")
    if min(args.threads) < 1 or args.timing.rounds < 1 or args.timing.seconds < 0 or args.timing.pause < 0:
        wrong("--threads and --rounds must be at least 1, --seconds and --pause not negative")
    if args.mnist and not args.mnist.exists():
        wrong(f"--mnist: there is no {args.mnist}")
    if args.load and not args.load.is_file():
        wrong(f"--load: there is no file {args.load}")
    if args.plot and not importlib.util.find_spec("matplotlib"):
        wrong("--plot needs matplotlib: pip install 'tinygrad6[examples]'")
    if args.check and not check.FILE.exists():
        wrong(f"--check: there is no {check.FILE}; --baseline writes it")
    return args


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run and print the rows that were asked for.

    Ctrl-C ends the measuring; what there is by then is returned.
    """
    results: list[dict[str, Any]] = []
    try:
        for threads in args.threads:
            with Sides(threads, args.tiny, str(args.mnist.resolve()) if args.mnist else "") as sides:
                for group in args.groups:
                    rows = select([group], args.only)
                    others = [s for s in (*args.against, *BY_HAND) if any(r.builder(s) for r in rows)]
                    if rows:
                        print(report.heading(group, threads, others))
                    for row in rows:
                        results.append(race(row, sides, args.against, args.timing))
                        print(report.line(results[-1], others), flush=True)
    except KeyboardInterrupt:
        print("\nstopped: the results so far follow")
    return results


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    if args.baseline:
        with Sides(args.threads[0]) as sides:
            check.write(sides, args.timing)
        return 0
    if args.check:
        baseline = check.read()
        with Sides(baseline["threads"]) as sides:
            return 1 if check.check(baseline, sides, args.timing) else 0
    if args.load:
        run = json.loads(args.load.read_text())
    else:
        run = {"machine": report.machine(), "rows": measure(args)}
    if args.save:
        args.save.write_text(json.dumps(run, indent=1) + "\n")
    if args.table:
        args.table.write_text(report.markdown(run["machine"], run["rows"]))
    if args.plot:
        print(*plot.draw(run["rows"], args.plot), sep="\n")
    broken = [r for r in run["rows"] if set(r["errors"]) - {"torch.compile"}]  # which needs a C++ compiler
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
