"""One side of the comparison, in a process of its own: reads a row and a duration per line, answers seconds per call.

Two BLAS or OpenMP pools in one process disturb each other by factors, and so do idle threads that still spin: hence a
process per library, taking turns, each timed stretch after a pause and a warm-up burst.
"""

from __future__ import annotations

import gc
import json
import sys
import time


def main(side: str, threads: int) -> None:
    from benchmarks.rows import GROUPS, library

    lib = library(side) if side in ("torch", "tinygrad6") else None
    if side == "torch":
        lib.torch.set_num_threads(threads)
    kind = side if side in ("numpy", "floor") else "library"
    built: dict = {}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        group, name, duration, pause = json.loads(line)
        try:
            if (group, name) not in built:
                built.clear()  # one row's arrays at a time
                gc.collect()
                built[group, name] = GROUPS[group][name][kind](lib)
            answer = measure(built[group, name], duration, pause)
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


def measure(call, duration: float, pause: float) -> float:
    """Seconds per call: the median over chunks that together last `duration`."""
    time.sleep(pause)
    clock = time.perf_counter
    start = clock()
    calls = 0
    while clock() - start < 0.3 * duration or not calls:
        call()
        calls += 1
    each = (clock() - start) / calls
    chunk = max(1, int(duration / 10 / each))
    times = []
    end = clock() + duration
    while clock() < end or len(times) < 3:
        t = clock()
        for _ in range(chunk):
            call()
        times.append((clock() - t) / chunk)
    times.sort()
    return times[len(times) // 2]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
