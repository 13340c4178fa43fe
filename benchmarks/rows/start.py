"""`import`, in a fresh interpreter each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.registry import row

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def fresh(lib: Any) -> Callable[[], float]:
    """Seconds for importing the library named by the side, NumPy included where it is needed."""

    def run() -> float:
        command = [sys.executable, "-c", CODE.format(lib.side)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return run


row(
    "import",
    "import, NumPy included",
    fresh,
    libraries=("tinygrad6", "torch"),
    unit="returned s",
    **dict.fromkeys(("jax", "mygrad", "autograd", "numpy"), fresh),
)
