"""torch.autograd.profiler: the older form of torch.profiler."""

from __future__ import annotations

from typing import Any

from tinygrad6 import profiler
from tinygrad6.profiler import record_function
from tinygrad6.profiler_events import EventList, FunctionEvent, FunctionEventAvg

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]


class profile:  # noqa: N801 -- PyTorch's name
    """A block whose operations are timed, unless not `enabled`; see torch.profiler.profile for the settings.

    >>> import tinygrad6 as torch
    >>> with torch.autograd.profiler.profile() as prof:
    ...     _ = torch.ones(3).exp()
    >>> [(e.name, e.count) for e in prof.function_events]
    [('aten::ones', 1), ('aten::exp', 1)]
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
    ) -> None:
        self.enabled = enabled
        self._inner = profiler.profile(
            record_shapes=record_shapes,
            with_flops=with_flops,
            profile_memory=profile_memory,
            with_stack=with_stack,
            use_cuda=use_cuda or use_device == "cuda",
        )

    def __enter__(self) -> profile:
        if self.enabled:
            self._inner.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.enabled:
            self._inner.stop()

    @property
    def function_events(self) -> EventList:
        """Every call."""
        if self._inner._seen is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._inner._seen

    @property
    def self_cpu_time_total(self) -> float:
        """The microseconds of all calls."""
        return self.function_events.self_cpu_time_total

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """The calls added up by name: see EventList.key_averages."""
        return self.function_events.key_averages(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        """All calls as one."""
        return self.function_events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The calls as a table: see EventList.table."""
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the calls as a file for chrome://tracing."""
        self.function_events.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks with their times, for flame graphs."""
        self.function_events.export_stacks(path, metric)


def __getattr__(name: str) -> Any:
    if name in ("emit_nvtx", "emit_itt"):
        raise AttributeError(f"module 'tinygrad6.autograd.profiler' has no attribute {name!r}: use profile")
    raise AttributeError(f"module 'tinygrad6.autograd.profiler' has no attribute {name!r}")
