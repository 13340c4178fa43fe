"""One side of the comparison, in a process of its own:
a row and its timing per line in, its figures per line out.

Two BLAS or OpenMP pools in one process disturb each other by factors, and so do idle threads that still spin:
hence a process per side, taking turns, each timed stretch after a pause and a warm-up burst.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


def main(answers: TextIO, side: str, threads: int, tiny: bool, mnist: str) -> None:
    if side == "jax" and hasattr(os, "sched_setaffinity"):  # XLA makes as many threads as it sees processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    from benchmarks.registry import GROUPS, library
    import benchmarks.rows  # noqa: F401

    lib = library(side, tiny, mnist)
    if side.startswith("torch"):
        lib.torch.set_num_threads(threads)
    built: dict = {}
    gc.collect()
    gc.freeze()  # a large library's own objects are not searched again between rows
    for line in sys.stdin:
        group, name, duration, pause = json.loads(line)
        row = GROUPS[group][name]
        try:
            if (group, name) not in built:
                built.clear()  # one row's arrays and compiled functions at a time
                lib.reset()
                gc.collect()
                built[group, name] = row.builder(side)(lib)
            call = built[group, name]
            answer = measure(call, duration, pause) if row.unit == "s" else [call()] * 2
        except Exception as e:
            built.clear()
            answer = {"error": f"{type(e).__name__}: {e}".splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


def measure(call: Callable[[], Any], duration: float, pause: float) -> list[float]:
    """Seconds per call, median and least of chunks that together last `duration`; of one call if it is 0."""
    time.sleep(pause)
    clock = time.perf_counter
    start = clock()
    calls = 0
    while clock() - start < 0.3 * duration or not calls:
        call()
        calls += 1
    each = (clock() - start) / calls
    if not duration:
        return [each, each]
    chunk = max(1, int(duration / 50 / each))  # short, so that some run undisturbed
    least = 3 if each < duration else 1  # a call that lasts longer than the stretch is its own median
    times: list[float] = []
    end = clock() + duration
    while clock() < end or len(times) < least:
        t = clock()
        for _ in range(chunk):
            call()
        times.append((clock() - t) / chunk)
    return [statistics.median(times), min(times)]


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    main(answers, *json.loads(sys.argv[1]))
