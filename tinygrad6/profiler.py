"""torch.profiler without a profiler: the labels of `record_function` are accepted, as they mean nothing in
PyTorch either while no profiler runs; `profile` raises NotImplementedError.

>>> import tinygrad6 as torch
>>> with torch.profiler.record_function("forward"):
...     torch.ones(1) + 1
tensor([2.])
"""

from __future__ import annotations

import contextlib
from typing import Any


class record_function(contextlib.ContextDecorator):  # noqa: N801 -- PyTorch's name
    """A labelled block, or function."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class profile:  # noqa: N801 -- PyTorch's name
    """NotImplementedError: use cProfile, or python -m benchmarks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("torch.profiler.profile(): use cProfile, or python -m benchmarks")


def __getattr__(name: str) -> Any:
    if name in ("schedule", "tensorboard_trace_handler", "ProfilerActivity", "ProfilerAction", "emit_nvtx"):
        return _Setting()
    raise AttributeError(f"module 'tinygrad6.profiler' has no attribute {name!r}: use cProfile")


class _Setting:
    """What is only given to `profile`, which refuses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return self
