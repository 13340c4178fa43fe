"""What a profiler saw: calls, averages over them, and the table and files they make."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad6.tensor import Tensor


class _Costs:
    """Times in microseconds and bytes of results, of one call or of several added up."""

    count, cpu_time_total, self_cpu_time_total = 1, 0.0, 0.0
    cpu_memory_usage = self_cpu_memory_usage = 0
    # there is no other device
    device_time = device_time_total = self_device_time_total = cuda_time = cuda_time_total = 0.0
    device_memory_usage = self_device_memory_usage = flops = 0
    is_async = is_remote = is_legacy = is_user_annotation = False
    input_shapes: Any = ""
    stack: list[str] = []

    @property
    def cpu_time(self) -> float:
        """Microseconds per call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    cpu_time_str = property(lambda self: _time(self.cpu_time))
    cpu_time_total_str = property(lambda self: _time(self.cpu_time_total))
    self_cpu_time_total_str = property(lambda self: _time(self.self_cpu_time_total))


class FunctionEvent(_Costs):
    """One call: `name`, time_range (start, end), and the calls it made as cpu_children."""

    def __init__(self, name: str, start: float, parent: FunctionEvent | None) -> None:
        self.name = self.trace_name = name
        self.key = "ProfilerStep*" if name.startswith("ProfilerStep#") else name  # steps are averaged over
        self.start, self.end, self.cpu_parent = start, start, parent
        self.cpu_children: list[FunctionEvent] = []
        self.input_shapes, self.stack, self.thread = [], [], 1
        self.frame: Any = None

    def close(self, end: float, result: Any) -> None:
        """The call is over, with this result."""
        self.end, self.frame = end, None
        self.cpu_time_total = end - self.start
        inside = self.cpu_children
        self.self_cpu_time_total = self.cpu_time_total - sum(e.cpu_time_total for e in inside)
        if not inside and isinstance(result, Tensor) and result.view_of is None:
            self.self_cpu_memory_usage = result.array.nbytes
        self.cpu_memory_usage = self.self_cpu_memory_usage + sum(e.cpu_memory_usage for e in inside)
        if self.cpu_parent is not None:
            self.cpu_parent.cpu_children.append(self)

    @property
    def time_range(self) -> tuple[float, float]:
        """Start and end in microseconds of time.perf_counter."""
        return self.start, self.end

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent name={self.name} cpu_time={self.cpu_time_str} input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg(_Costs):
    """All calls of one `key`: `count`, and their costs added up."""

    def __init__(self, key: str, event: Any = None) -> None:
        self.key, self.count = key, 0
        if event is not None:
            self.is_user_annotation, self.stack = event.is_user_annotation, event.stack

    def add(self, other: Any) -> FunctionEventAvg:
        """Add the costs of another."""
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        return self

    def __iadd__(self, other: Any) -> FunctionEventAvg:
        return self.add(other)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


def _time(us: float) -> str:
    return f"{us / 1e6:.3f}s" if us >= 1e6 else f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(n) >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


class EventList(list):
    """Calls, or averages over them."""

    def __init__(self, events: Iterable[Any] = (), profile_memory: bool = False) -> None:
        super().__init__(events)
        self._profile_memory = profile_memory

    @property
    def self_cpu_time_total(self) -> float:
        """The microseconds of all of them."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """One FunctionEventAvg per name (and shapes of arguments, and last lines of the stack).

        There are no overloads to tell apart.
        """
        found: dict[Any, FunctionEventAvg] = {}
        for e in self:
            key = (e.key, str(e.input_shapes) if group_by_input_shapes else "", *e.stack[:group_by_stack_n])
            if key not in found:
                found[key] = FunctionEventAvg(e.key, e)
                if group_by_input_shapes:
                    found[key].input_shapes = str(e.input_shapes)
            found[key].add(e)
        return EventList(found.values(), self._profile_memory)

    def total_average(self) -> FunctionEventAvg:
        """All of them as one, under the name "Total"."""
        total = FunctionEventAvg("Total")
        for e in self:
            total.add(e)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """A table for people. sort_by: a name such as "cpu_time_total", the largest first."""
        rows = [e for e in self if not top_level_events_only or getattr(e, "cpu_parent", None) is None]
        if sort_by is not None:
            rows.sort(key=lambda e: getattr(e, sort_by), reverse=True)
        total = self.self_cpu_time_total or 1.0
        share = lambda us: f"{100 * us / total:.2f}%"  # noqa: E731
        columns: list[tuple[str, Callable[[Any], str]]] = [
            ("Name", lambda e: _short(e.key, max_name_column_width)),
            ("Self CPU %", lambda e: share(e.self_cpu_time_total)),
            ("Self CPU", lambda e: e.self_cpu_time_total_str),
            ("CPU total %", lambda e: share(e.cpu_time_total)),
            ("CPU total", lambda e: e.cpu_time_total_str),
            ("CPU time avg", lambda e: e.cpu_time_str),
        ]
        if self._profile_memory:
            columns.append(("CPU Mem", lambda e: _bytes(e.cpu_memory_usage)))
            columns.append(("Self CPU Mem", lambda e: _bytes(e.self_cpu_memory_usage)))
        columns.append(("# of Calls", lambda e: str(e.count)))
        if any(e.input_shapes for e in rows):
            columns.append(("Input Shapes", lambda e: _short(str(e.input_shapes), max_shapes_column_width)))
        if any(e.stack for e in rows):
            columns.append(("Source Location", lambda e: _short((e.stack or [""])[0], -max_src_column_width)))
        shown = [[title for title, _ in columns]]
        shown += [[cell(e) for _, cell in columns] for e in rows[: None if row_limit < 0 else row_limit]]
        widths = [max(12, *(len(row[i]) for row in shown)) for i in range(len(columns))]
        rule = "  ".join("-" * w for w in widths)
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in shown]
        head = [] if header is None else ["=" * len(rule), header]
        end = [rule, f"Self CPU time total: {_time(self.self_cpu_time_total)}", ""]
        return "\n".join([*head, rule, lines[0], rule, *lines[1:], *end])

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str) -> None:
        """Write the calls as a file for chrome://tracing or ui.perfetto.dev; compressed if it ends in .gz."""
        events = [
            {
                "name": e.name,
                "ph": "X",
                "cat": "user_annotation" if e.is_user_annotation else "cpu_op",
                "ts": e.start,
                "dur": e.cpu_time_total,
                "pid": os.getpid(),
                "tid": e.thread,
                "args": {"Input Dims": e.input_shapes} if e.input_shapes else {},
            }
            for e in self
        ]
        opened: Any = gzip.open(path, "wt") if path.endswith(".gz") else open(path, "w")
        with opened as file:
            json.dump({"traceEvents": events}, file)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write one line "outer;inner;op microseconds" per stack, for flame graphs. Needs with_stack."""
        if metric != "self_cpu_time_total":
            raise ValueError("metric should be one of: ['self_cpu_time_total']")
        sums: dict[str, float] = {}
        for e in self:
            if e.stack:
                line = ";".join([*reversed(e.stack), e.name]).replace(" ", "_")
                sums[line] = sums.get(line, 0.0) + e.self_cpu_time_total
        with open(path, "w") as file:
            file.writelines(f"{line} {int(us)}\n" for line, us in sums.items() if int(us) > 0)


def _short(text: str, width: int) -> str:
    """At most |width| characters of the beginning, or of the end if it is negative."""
    if len(text) <= abs(width):
        return text
    return text[: width - 3] + "..." if width > 0 else "..." + text[width + 3 :]
