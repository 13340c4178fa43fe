"""torch.profiler: how often each operation was called, and what it cost.

    with torch.profiler.profile(record_shapes=True) as prof:
        with torch.profiler.record_function("forward"):
            loss = model(x).sum()
        loss.backward()
    print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))

The one clever thing: operations know nothing of this. While a profiler runs, Python itself (sys.setprofile)
tells of every call of a function, and those whose code belongs to an operation, to a node of the graph in
backward or to an optimizer's step are timed. So nothing is slower without a profiler; with one, everything
is, by about a microsecond for each call of any Python function, as with cProfile. Only the thread that
started it is seen.
"""

from __future__ import annotations

import contextlib
import enum
import inspect
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad6.engine import Node
from tinygrad6.op import COMPOSITES, OPS
from tinygrad6.profiler_events import EventList, FunctionEvent
from tinygrad6.tensor import Tensor

_HOMES = ("tinygrad6.nn.", "tinygrad6.ops.create")  # of functions that are neither ops nor composites


class ProfilerActivity(enum.Enum):
    """What to watch: there is only the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profiler does in a step of its schedule."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """{ProfilerActivity.CPU}."""
    return {ProfilerActivity.CPU}


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """Steps to profile, for profile(schedule=...): after skip_first steps, over and over (or `repeat` times)
    wait, then warm up (which is recorded and thrown away), then record, for so many steps each.

    skip_first_wait: 1 to leave out the first wait. AssertionError for negative numbers, or active < 1.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if not warmup:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step += (wait if skip_first_wait else 0) - skip_first
        if repeat and step >= repeat * cycle:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """Writes <dir_name>/<worker>.<time>.pt.trace.json, for profile(on_trace_ready=...)."""

    def handler(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        end = ".pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}{end}"))

    return handler


# ---- watching


def _codes() -> dict[Any, Any]:
    """The code objects of operations, nodes and optimizers' steps: their names, or how to find them."""
    from tinygrad6 import optim
    from tinygrad6.nn import functional
    from tinygrad6.ops import create, rand

    found: dict[Any, Any] = {
        inspect.unwrap(f).__code__: f"aten::{n}"
        for n, f in (*vars(create).items(), *vars(rand).items(), *vars(functional).items())
        if isinstance(f, FunctionType) and f.__module__.startswith(_HOMES) and n[0] != "_"
    }
    for table, calls in ((OPS, (op.call for op in OPS.values())), (COMPOSITES, COMPOSITES.values())):
        for name, call in zip(table, calls, strict=True):
            code = inspect.unwrap(call).__code__
            if "op" in code.co_freevars:  # one code of many operations
                found[code] = lambda frame: f"aten::{frame.f_locals['op'].name}"
            else:
                found.setdefault(code, f"aten::{name}")
    node: Any = Node.gradients
    found[node.__code__] = lambda frame: (
        f"autograd::engine::evaluate_function: {frame.f_locals['self'].name()}"
    )
    for kind in vars(optim).values():
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and "step" in vars(kind):
            step: Any = inspect.unwrap(vars(kind)["step"])
            found[step.__code__] = lambda frame: _step_name(frame.f_locals["self"])
    return found


def _step_name(optimizer: Any) -> str:
    return f"Optimizer.step#{type(optimizer).__name__}.step"


class _Watch:
    """Events while they happen. One at a time can watch."""

    running: _Watch | None = None
    codes: dict[Any, Any] = {}

    def __init__(self, shapes: bool, stacks: bool) -> None:
        self.shapes, self.stacks = shapes, stacks
        self.open: list[FunctionEvent] = []
        self.events = EventList()

    def start(self) -> None:
        if _Watch.running is not None or sys.getprofile() is not None:
            raise RuntimeError("profile(): another profiler is running: leave one of them out")
        _Watch.codes = _Watch.codes or _codes()
        _Watch.running = self
        sys.setprofile(self.told)

    def stop(self) -> None:
        sys.setprofile(None)
        _Watch.running = None
        while self.open:
            self.leave(None)

    def enter(self, name: str, frame: Any = None) -> None:
        event = FunctionEvent(name, time.perf_counter_ns() / 1e3, self.open[-1] if self.open else None)
        event.frame, event.is_user_annotation = frame, frame is None
        self.open.append(event)
        self.events.append(event)

    def leave(self, result: Any) -> None:
        self.open.pop().close(time.perf_counter_ns() / 1e3, result)

    def told(self, frame: Any, what: str, result: Any) -> None:
        """What sys.setprofile calls."""
        if what == "return":
            if self.open and self.open[-1].frame is frame:
                self.leave(result)
        elif what == "call" and (name := self.codes.get(frame.f_code)) is not None:
            name = name if isinstance(name, str) else name(frame)
            if self.open and self.open[-1].name == name:
                return  # the same again, one layer below
            self.enter(name, frame)
            if self.shapes:
                code = frame.f_code
                arguments = [frame.f_locals.get(n) for n in code.co_varnames[: code.co_argcount]]
                self.open[-1].input_shapes = [_shape(a) for a in arguments]
            if self.stacks:
                self.open[-1].stack = list(_callers(frame))


def _shape(a: Any) -> list:
    if isinstance(a, (Tensor, np.ndarray)):
        return list(a.shape)
    return [_shape(b) for b in a] if isinstance(a, (tuple, list)) and any(map(_is_array, a)) else []


def _is_array(a: Any) -> bool:
    return isinstance(a, (Tensor, np.ndarray))


def _callers(frame: Any) -> Iterable[str]:
    """file(line): function of every caller outside this library, the innermost first."""
    while (frame := frame.f_back) is not None:
        if not frame.f_globals.get("__name__", "tinygrad6").startswith(
            "tinygrad6"
        ):  # what is compiled has none
            code = frame.f_code
            yield f"{code.co_filename}({frame.f_lineno}): {code.co_name}"


class record_function(contextlib.ContextDecorator):  # noqa: N801 -- PyTorch's name
    """A labelled block, or function: a row of its own in the table of a profiler that runs."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        if _Watch.running is not None:
            _Watch.running.enter(self.name)
            self._event = _Watch.running.open[-1]
        return self

    def __exit__(self, *error: object) -> None:
        watch, event = _Watch.running, self.__dict__.pop("_event", None)
        if watch is not None and event in watch.open:
            while watch.open[-1] is not event:  # what an exception left open
                watch.leave(None)
            watch.leave(None)


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:  # noqa: N801 -- PyTorch's name
    """A block, or steps of a loop, whose operations are timed.

    schedule: see `schedule`; then call step() at the end of every step, and on_trace_ready(prof) is called
    when a cycle is over (without a schedule: at the end). record_shapes: keep the shapes of arguments.
    profile_memory: show the bytes of results, which is what operations allocate and keep. with_stack: keep
    the lines that called. with_modules: nothing, as in PyTorch outside of TorchScript. acc_events: keep the
    events of earlier cycles. Activities that are not there are warned of.

    NotImplementedError for with_flops; RuntimeError while another profiler runs, cProfile for example.

    >>> import tinygrad6 as torch
    >>> with torch.profiler.profile() as prof:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 2)
    >>> [(e.key, e.count) for e in prof.key_averages() if e.key == "aten::matmul"]
    [('aten::matmul', 1)]
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
    ) -> None:
        if with_flops or experimental_config is not None or execution_trace_observer is not None:
            raise NotImplementedError(
                "profile(): with_flops, experimental_config and execution_trace_observer are not supported: "
                "leave them out"
            )
        asked = set(activities) if activities is not None else {ProfilerActivity.CPU}
        if not asked:
            raise AssertionError("No valid profiler activities found")
        for a in asked - {ProfilerActivity.CPU} | ({ProfilerActivity.CUDA} if use_cuda else set()):
            warnings.warn(
                f"{a.name} is not available, disabling {a.name} profiling", UserWarning, stacklevel=2
            )
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready, self.record_shapes, self.profile_memory = (
            on_trace_ready,
            record_shapes,
            profile_memory,
        )
        self.with_stack, self.acc_events, self.step_num = with_stack, acc_events, 0
        self._by_step = schedule is not None
        self.current_action = self.schedule(0)
        self._watch: _Watch | None = None
        self._label: record_function | None = None
        self._seen: EventList | None = None
        self._started = False

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as the beginning of a `with` block does."""
        self._started = True
        self._go_on()

    def stop(self) -> None:
        """End, as the end of a `with` block does."""
        if not self._started:
            raise AssertionError("Profiler must be initialized before stopping trace")
        if self._halt(keep=self.current_action in _RECORDING) and self.on_trace_ready:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Say that a step is over."""
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        self._unlabel()
        same = self.current_action in _RECORDING and before is ProfilerAction.RECORD
        if not same and self._halt(keep=before in _RECORDING) and self.on_trace_ready:
            self.on_trace_ready(self)
        self._go_on()

    def _go_on(self) -> None:
        """Watch, if the step that begins is to be watched."""
        if self._watch is None and self.current_action is not ProfilerAction.NONE:
            watch = _Watch(self.record_shapes, self.with_stack)
            watch.start()
            self._watch = watch
        if self._by_step and self._watch is not None:
            self._label = record_function(f"ProfilerStep#{self.step_num}").__enter__()

    def _unlabel(self) -> None:
        if self._label is not None:
            self._label.__exit__()
        self._label = None

    def _halt(self, keep: bool) -> bool:
        """Watch no more; whether there is something new to see."""
        watch, self._watch = self._watch, None
        if watch is None:
            return False
        self._unlabel()
        watch.stop()
        if keep:
            earlier = self._seen if self.acc_events and self._seen is not None else ()
            self._seen = EventList([*earlier, *watch.events], self.profile_memory)
        return keep

    def events(self) -> EventList:
        """Every call, in the order of their beginnings."""
        if self._seen is None:
            raise AssertionError("Profiler must be initialized before accessing events")
        return self._seen

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The calls added up by name: see EventList.table."""
        if self._seen is None:
            raise AssertionError("Profiler must be initialized before getting key averages")
        return self._seen.key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write the calls as a file for chrome://tracing; compressed if its name ends in .gz."""
        self.events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks with their times, for flame graphs; of a profile(with_stack=True)."""
        self.events().export_stacks(path, metric)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'tinygrad6.profiler' has no attribute {name!r}: use cProfile")
