"""torch.profiler: the steps it records are PyTorch's, and so are the calls of what both call alike."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
import time
import warnings

import pytest
from helpers import same

import tinygrad6

torch = tinygrad6
P = tinygrad6.profiler
SCHEDULES = [
    {"wait": 1, "warmup": 1, "active": 2, "repeat": 2},
    {"wait": 0, "warmup": 0, "active": 2},
    {"wait": 0, "warmup": 1, "active": 1, "repeat": 1},
    {"wait": 2, "warmup": 0, "active": 1, "skip_first": 3},
    {"wait": 2, "warmup": 1, "active": 3, "skip_first": 1, "skip_first_wait": 1},
]
BAD = [{"wait": -1}, {"warmup": -1}, {"active": 0}, {"repeat": -2}, {"skip_first": -1}]


@pytest.mark.parametrize("kwargs", SCHEDULES + BAD)
def test_schedules(kwargs):
    def run(lib):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action = lib.profiler.schedule(**{"wait": 1, "warmup": 1, "active": 1, **kwargs})
        return [[action(i).name for i in range(20)], [str(w.message) for w in caught]]

    same(run)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kwargs", SCHEDULES)
def test_steps(kwargs):
    def run(lib):
        log, net, p = [], lib.nn.Linear(3, 4), lib.profiler

        def ready(prof):
            found = {e.key: e.count for e in prof.key_averages()}
            log.append([prof.step_num, found.get("ProfilerStep*"), found.get("aten::linear", 0)])

        with p.profile(
            activities=[p.ProfilerActivity.CPU], schedule=p.schedule(**kwargs), on_trace_ready=ready
        ) as prof:
            for _ in range(9):
                net(lib.ones(2, 3))
                prof.step()
        return log

    same(run)


@pytest.mark.filterwarnings("ignore")
def test_calls_are_counted():
    def run(lib):
        net, p = lib.nn.Linear(3, 4), lib.profiler
        x = lib.ones(2, 3)
        optimizer = lib.optim.SGD(net.parameters(), lr=0.1)
        with p.profile(record_shapes=True) as prof:
            for _ in range(2):
                with p.record_function("forward"):
                    loss = (net(x).exp() + 1).sum()
                loss.backward()
                optimizer.step()
        found = {e.key: e.count for e in prof.key_averages()}
        node = "autograd::engine::evaluate_function: AddmmBackward0"
        names = ["forward", "aten::linear", "aten::exp", node, "Optimizer.step#SGD.step", "aten::pdist"]
        return [[n, found.get(n)] for n in names]

    same(run)


def test_times_nest():
    with P.profile(profile_memory=True, with_stack=True) as prof:
        with P.record_function("outer"), P.record_function("inner"):
            time.sleep(0.002)
            torch.ones(100, 10).exp()
    events = {e.name: e for e in prof.events()}
    outer, inner, exp = events["outer"], events["inner"], events["aten::exp"]
    assert inner.cpu_parent is outer and exp.cpu_parent is inner and exp in inner.cpu_children
    assert outer.cpu_time_total >= inner.cpu_time_total >= 2000 > exp.cpu_time_total > 0
    assert outer.start <= inner.start <= exp.start <= exp.end <= inner.end <= outer.end
    parts = sum(e.self_cpu_time_total for e in prof.events())
    assert parts == pytest.approx(outer.cpu_time_total)
    assert exp.self_cpu_memory_usage == 4000 and outer.cpu_memory_usage == 8000
    assert "test_profiler.py" in exp.stack[0] and outer.is_user_annotation and not exp.is_user_annotation


def test_tables_and_files(tmp_path):
    with P.profile(record_shapes=True, with_stack=True, profile_memory=True) as prof:
        for n in (2, 3, 3):
            torch.ones(n, 4).matmul(torch.ones(4, n))
    rows = prof.key_averages(group_by_input_shape=True)
    shapes = {e.input_shapes: e.count for e in rows if e.key == "aten::matmul"}
    assert shapes == {"[[2, 4], [4, 2]]": 1, "[[3, 4], [4, 3]]": 2}
    table = prof.key_averages().table(sort_by="count", row_limit=1, header="costs")
    lines = table.splitlines()
    assert lines[1] == "costs" and lines[3].split()[:2] == ["Name", "Self"] and "# of Calls" in lines[3]
    assert lines[5].split()[0] == "aten::ones" and "Self CPU time total:" in lines[-1]
    assert prof.key_averages().total_average().count == len(prof.events())
    with pytest.raises(AttributeError, match="nonsense"):
        prof.key_averages().table(sort_by="nonsense")
    prof.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        events = json.load(file)["traceEvents"]
    assert len(events) == len(prof.events()) and events[0]["name"] == "aten::ones" and events[0]["dur"] >= 0
    prof.export_stacks(str(tmp_path / "stacks"))
    assert "test_tables_and_files;aten::" in (tmp_path / "stacks").read_text()
    P.tensorboard_trace_handler(str(tmp_path / "logs"), "me")(prof)
    assert [p.name.startswith("me.") for p in (tmp_path / "logs").glob("*.pt.trace.json")] == [True]


def test_one_at_a_time_and_in_order():
    with P.profile():
        with pytest.raises(RuntimeError, match="another profiler"), P.profile():
            pass
    assert sys.getprofile() is None
    with pytest.raises(ValueError, match="inside"), P.profile() as prof:
        with P.record_function("block"):
            raise ValueError("inside")
    assert sys.getprofile() is None and prof.events()[0].name == "block"
    for call in (lambda p: p.events(), lambda p: p.key_averages(), lambda p: p.stop()):
        same(lambda lib, call=call: call(lib.profiler.profile()))
    with pytest.raises(NotImplementedError, match="with_flops"):
        P.profile(with_flops=True)
    with pytest.warns(UserWarning, match="CUDA"):
        P.profile(activities=[P.ProfilerActivity.CPU, P.ProfilerActivity.CUDA])


def test_the_older_form():
    old = importlib.import_module("tinygrad6.autograd.profiler")
    with old.profile(record_shapes=True) as prof:
        with old.record_function("block"):
            torch.ones(3).exp()
    assert [e.name for e in prof.function_events] == ["block", "aten::ones", "aten::exp"]
    assert "aten::exp" in prof.table(sort_by="cpu_time_total") and prof.self_cpu_time_total > 0
    with old.profile(enabled=False) as prof:
        torch.ones(3)
    with pytest.raises(RuntimeError, match="finish"):
        prof.key_averages()
