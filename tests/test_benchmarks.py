"""The benchmarks' arithmetic and arguments, and that all sides of a row compute the same."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest

pytest.importorskip("benchmarks")

from benchmarks import __main__ as program, check, plot, report, worker
from benchmarks.race import Sides, Timing, race, result
from benchmarks.registry import BY_HAND, GROUPS, PEERS, Row, library, row
from benchmarks.rows import ops
from tinygrad6.op import NAMES, OPS

ROW = Row("ops", "exp 10", {}, per=10)
PAIRS = lambda *medians: [[m, m / 2] for m in medians]
FIGURES = {"tinygrad6": PAIRS(2.0, 4.0, 3.0), "torch": PAIRS(6.0, 6.0, 9.0), "numpy": PAIRS(1.0, 1.5, 2.0)}
SAME = ("ops", "overhead", "steps", "optim", "data")  # groups whose closures return what they computed


class Fake:
    """Sides that answer from a list."""

    threads = 1

    def __init__(self, answers):
        self.answers = {s: list(a) for s, a in answers.items()}
        self.asked = []

    def ask(self, side, row, timing):
        self.asked.append(side)
        answer = self.answers[side].pop(0)
        return answer if isinstance(answer, dict) else [answer, answer]


# ---- arithmetic


def test_ratios_are_of_medians_and_say_how_much_longer_the_others_take():
    r = result(ROW, FIGURES, 2, {})
    assert r["median"] == {"tinygrad6": 3.0, "torch": 6.0, "numpy": 1.5}
    assert r["ratios"] == {"torch": 2.0, "numpy": 0.5}
    assert r["least"] == {"tinygrad6": 1.0, "torch": 3.0, "numpy": 0.5}
    assert r["spread"] == pytest.approx(2 / 3)
    assert r["each"] == pytest.approx({"tinygrad6": 0.15, "torch": 0.45})  # above NumPy, per op


def test_bytes_may_be_none_or_negative():
    r = result(
        Row("memory", "x", {}, unit="returned B"), {"tinygrad6": PAIRS(0.0), "torch": PAIRS(5.0)}, 1, {}
    )
    assert r["ratios"] == {} and r["unit"] == "B" and report.cells(r, ["torch"]) == ["0.0 kB", "0.0 kB"]


def test_sides_take_turns_in_rotating_order_and_drop_out_when_they_fail():
    build = lambda lib: lambda: None
    r = Row("ops", "x", {"library": build, "numpy": build}, libraries=("tinygrad6", "torch"))
    fake = Fake({"tinygrad6": [1, 1, 1], "torch": [2, {"error": "no"}], "numpy": [3, 3, 3]})
    out = race(r, fake, ["torch", "jax"], Timing(rounds=3))
    assert fake.asked == ["tinygrad6", "torch", "numpy", "torch", "numpy", "tinygrad6", "numpy", "tinygrad6"]
    assert out["ratios"] == {"numpy": 3.0} and out["errors"] == {"torch": "no"}
    assert report.cells(out, ["torch", "jax", "numpy"])[1:] == ["-", "-", "3.00x"]


def test_measure_counts_every_call_once():
    calls = []
    median, least = worker.measure(lambda: calls.append(0), 0.0, 0.0)
    assert median == least > 0 and len(calls) == 1
    median, least = worker.measure(lambda: calls.append(0), 0.002, 0.0)
    assert 0 < least <= median < 0.001 and len(calls) > 10


@pytest.mark.parametrize(
    "figure, unit, text",
    [
        (1.5e-6, "s", "1.5 us"),
        (0.0125, "s", "12.50 ms"),
        (2, "s", "2.00 s"),
        (2e6, "B", "2.00 MB"),
        (-512, "B", "-0.5 kB"),
    ],
)
def test_figures_carry_their_unit(figure, unit, text):
    assert report.show(figure, unit) == text


@pytest.mark.parametrize(
    "answers, failed, asked",
    [
        ([2.0], 0, 2),  # as before
        ([1.61], 0, 2),  # 24 % longer
        ([1.59, 2.0], 0, 4),  # looks worse once
        ([1.59, 1.5], 1, 4),  # and again
    ],
)
def test_check_looks_twice_before_it_fails(answers, failed, asked, capsys):
    fake = Fake({"tinygrad6": [1.0] * 9, "numpy": answers})
    build = lambda lib: lambda: None
    row("robust", "x", build, numpy=build)
    fake.answers["numpy"] = [a for a, n in zip(answers, (1, 2)) for _ in range(n)]
    try:
        found = check.check({"numpy / tinygrad6": {"robust": {"x": 2.0}}}, fake, Timing(rounds=1))
    finally:
        del GROUPS["robust"]
    assert len(found) == failed and ("FAILED" in capsys.readouterr().out) == bool(failed)
    assert len(fake.asked) == asked + 2 * (asked > 2)  # the second look takes twice the rounds


def test_check_fails_where_a_row_has_gone(capsys):
    assert check.check({"numpy / tinygrad6": {"ops": {"gone": 1.0}}}, Fake({}), Timing()) == ["gone"]
    assert "there is no such row" in capsys.readouterr().out


def test_the_baseline_names_the_robust_rows():
    assert {g: list(r) for g, r in check.read()["numpy / tinygrad6"].items()} == check.ROBUST
    assert all("numpy" in GROUPS[g][n].sides for g, names in check.ROBUST.items() for n in names)


# ---- the command line


@pytest.mark.parametrize(
    "argv, message",
    [
        (["opz"], "unknown group 'opz'"),
        (["--against", "torch7"], "unknown side 'torch7'"),
        (["--threads", "two"], "whole numbers"),
        (["--threads", "0"], "at least 1"),
        (["--rounds", "0"], "at least 1"),
        (["--only", "no such row"], "no row"),
        (["--load", "nowhere.json"], "no file"),
        (["--mnist", "nowhere"], "there is no nowhere"),
    ],
)
def test_wrong_arguments_end_with_status_2_and_one_line(argv, message, capsys):
    with pytest.raises(SystemExit) as e:
        program.main(argv)
    error = capsys.readouterr().err
    assert e.value.code == 2 and message in error and error.count("\n") == 1


def test_a_side_that_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as e:
        program.arguments(["--against", "jax,mygrad"])
    assert e.value.code == 2 and "not installed: jax, mygrad; pip install" in capsys.readouterr().err
    assert program.arguments(["--against", "jax", "--tiny"]).against == []
    with pytest.raises(SystemExit) as e:
        program.arguments(["--plot", "x"])
    assert e.value.code == 2 and "needs matplotlib" in capsys.readouterr().err


def test_a_run_from_end_to_end(tmp_path, capsys):
    saved, table = tmp_path / "run.json", tmp_path / "run.md"
    wanted = [
        "overhead",
        "--only",
        "sin",
        "--tiny",
        "--threads",
        "1",
        "--save",
        str(saved),
        "--table",
        str(table),
    ]
    assert program.main(wanted) == 0
    assert "one of them, above NumPy: tinygrad6" in capsys.readouterr().out
    run = json.loads(saved.read_text())
    assert run["machine"]["numpy"] == np.__version__ and [r["threads"] for r in run["rows"]] == [1, 1]
    text = table.read_text()
    assert "| | tinygrad6 | numpy | spread |" in text and "| 50 x (sin, * 1.01), forward |" in text
    again = tmp_path / "again.md"
    assert program.main(["--load", str(saved), "--table", str(again)]) == 0 and again.read_text() == text


def test_a_worker_that_dies_or_raises_is_an_error_of_its_side():
    with Sides(1, tiny=True, mnist="/nowhere") as sides:
        learn = next(iter(GROUPS["learning"].values()))
        assert "FileNotFoundError" in sides.ask("tinygrad6", learn, program.TINY)["error"]
        sides.workers["tinygrad6"].kill()
        sides.workers["tinygrad6"].wait()
        assert "ended with status -9" in sides.ask("tinygrad6", learn, program.TINY)["error"]
        assert sides.ask("tinygrad6", GROUPS["ops"]["exp 10"], program.TINY)[0] > 0  # in a new one


def test_curves_are_drawn_per_op_and_bars_per_step(tmp_path):
    pytest.importorskip("matplotlib")
    results = [
        result(GROUPS["ops"][f"exp {n}{b}"], FIGURES, 2, {}) for n in ("10", "1e3") for b in ("", " backward")
    ]
    results += [result(r, FIGURES, 2, {}) for r in GROUPS["steps"].values()]
    assert plot.curves(results)["exp", True]["torch"] == [(10.0, 6.0), (1000.0, 6.0)]
    names = {p.name for p in plot.draw(results, tmp_path)}
    assert names == {"ops-forward-1.png", "ops-forward-and-backward-1.png", "steps.png"}
    looks = [style[1:] for style in plot.STYLE.values()]
    assert all(len(set(map(str, kind))) == len(looks) for kind in list(zip(*looks))[1:])  # without colour


# ---- the rows


def computed(value):
    """A result as a flat list of float64 arrays."""
    if isinstance(value, (list, tuple)) and not all(isinstance(v, float) for v in value):
        return [a for v in value for a in computed(v)]
    value = value.detach() if hasattr(value, "detach") else value
    return [np.asarray(value, dtype=np.float64)]


def assert_sides_agree(name_of_group, side):
    """`side` computes in three calls of each row what tinygrad6 computes."""
    ours, theirs = library("tinygrad6", tiny=True), library(side, tiny=True)
    seen = 0
    for name, r in GROUPS[name_of_group].items():
        build = r.builder(side)
        if build and r.unit == "s" and "1e5" not in name and "1e7" not in name:
            a, b = r.builder("tinygrad6")(ours), build(theirs)
            for _ in range(3):
                left, right = computed(a()), computed(b())
                flat = lambda arrays: np.concatenate([x.ravel() for x in arrays])
                np.testing.assert_allclose(
                    flat(left), flat(right), rtol=2e-4, atol=2e-5, err_msg=f"{name}: {side}"
                )
            seen += 1
    return seen


@pytest.mark.parametrize("group", SAME)
def test_numpy_by_hand_computes_what_we_compute(group):
    assert assert_sides_agree(group, "numpy") > 0


def test_loops_compute_what_we_compute():
    assert assert_sides_agree("ops", "loop") > 100


@pytest.mark.parametrize("side", ["mygrad", "autograd", "jax"])
def test_peers_take_the_same_steps(side):
    pytest.importorskip(PEERS[side])
    assert assert_sides_agree("steps", side) > 5


@pytest.mark.parity
@pytest.mark.parametrize("group", SAME)
def test_pytorch_computes_what_we_compute(group):
    pytest.importorskip("torch")
    assert assert_sides_agree(group, "torch") > 0


def test_every_row_has_our_side_and_names_only_known_ones():
    for group in GROUPS.values():
        for r in group.values():
            assert r.builder("tinygrad6"), r.name
            assert set(r.sides) <= {"library", *PEERS, *BY_HAND}, r.name


def test_every_public_pointwise_op_has_rows():
    pointwise = {o.name for o in OPS.values() if o.elementwise and o.name in NAMES}
    assert pointwise <= set(ops.BY_HAND)
    for name in ops.BY_HAND:
        assert {f"{name} {n}" for n in ops.SIZES} <= set(GROUPS["ops"]), name
        assert ("loop" in GROUPS["ops"][f"{name} 10"].sides) and "loop" not in GROUPS["ops"][
            f"{name} 1e7"
        ].sides


def test_tiny_rows_are_small():
    lib = library("numpy", tiny=True)
    assert ops.elements(lib, 10**7) == 1000 and math.isqrt(1000) == 31
