"""LBFGS and its line search against torch.optim: paths, calls of the closure, state, and where they stop."""

from __future__ import annotations

import copy
import importlib
import inspect
import math
import random

import numpy as np
import pytest
from helpers import pytorch
from hypothesis import given
from hypothesis import strategies as st
from optimizers import moved

import tinygrad6
import tinygrad6.optim.lbfgs as lbfgs

# ---- steps


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def quadratic(x):
    return (x * x * x.new_tensor([1.0, 10.0, 0.1, 3.0])[: len(x)]).sum() + x.sum()


def wavy(x):
    return (x * x / 10 + (3 * x).sin()).sum()


@given(data=st.data())
def test_lbfgs(data):
    """The path of parameters, losses, calls of the closure and state, over several steps."""
    f = data.draw(st.sampled_from([rosenbrock, quadratic, wavy]))
    options = data.draw(
        st.fixed_dictionaries(
            {"max_iter": st.integers(1, 3)},  # rounding grows with every iteration
            optional=dict(
                lr=st.sampled_from([1, 0.5, 0.1]),
                max_eval=st.integers(1, 12),
                history_size=st.integers(1, 5),
                line_search_fn=st.sampled_from([None, "strong_wolfe"]),
                tolerance_grad=st.sampled_from([1e-7, 0.1]),
                tolerance_change=st.sampled_from([1e-9, 1e-3]),
            ),
        )
    )
    if f is rosenbrock and options.get("line_search_fn") is None:
        options["lr"] = 1e-3  # a fixed step diverges, and then nothing is comparable
    start = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(-2, 2, 4)
    results = []
    for lib in (tinygrad6, pytorch()):
        x, y = (
            lib.from_numpy(start[:3].copy()).requires_grad_(),
            lib.from_numpy(start[3:].copy()).requires_grad_(),
        )
        optimizer = lib.optim.LBFGS([x, y], **options)
        calls = []

        def closure(lib=lib, x=x, y=y, optimizer=optimizer, calls=calls):
            optimizer.zero_grad()
            loss = f(lib.cat([x, y]))
            loss.backward()
            calls.append(loss.item())
            return loss

        losses = [optimizer.step(closure).item() for _ in range(3)]
        results.append((x, y, losses, calls, optimizer.state_dict()))
    (x, y, losses, calls, ours), (x2, y2, losses2, calls2, theirs) = results
    np.testing.assert_allclose(calls[:6], calls2[:6], rtol=1e-6, atol=1e-9)
    if f is wavy or not np.all(np.abs(calls2) < 1e6):
        return  # where it jumps from valley to valley, rounding decides which one
    assert len(calls) == len(calls2)
    np.testing.assert_allclose(losses, losses2, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(x.tolist() + y.tolist(), x2.tolist() + y2.tolist(), rtol=1e-4, atol=1e-6)
    a, b = ours["state"][0], theirs["state"][0]
    assert set(a) == set(b)
    for k in b:
        if isinstance(b[k], list):
            assert len(a[k]) == len(b[k]) and all((v is None) == (w is None) for v, w in zip(a[k], b[k])), k
        elif k in ("func_evals", "n_iter"):
            assert a[k] == b[k]
    assert list(ours["param_groups"][0]) == list(theirs["param_groups"][0])


def test_lbfgs_goes_on_from_pytorchs_state():
    paths = []
    start = np.array([-1.2, 1.0, 0.5])

    def closure(optimizer, x):
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    torch = pytorch()
    x = torch.from_numpy(start.copy()).requires_grad_()
    first = torch.optim.LBFGS([x], max_iter=5, line_search_fn="strong_wolfe")
    first.step(lambda: closure(first, x))
    middle, state = x.detach().numpy().copy(), first.state_dict()
    for lib, kept in ((tinygrad6, moved(state, tinygrad6.from_numpy)), (torch, copy.deepcopy(state))):
        x = lib.from_numpy(middle.copy()).requires_grad_()
        optimizer = lib.optim.LBFGS([x])
        optimizer.load_state_dict(kept)
        for _ in range(2):
            optimizer.step(lambda optimizer=optimizer, x=x: closure(optimizer, x))
        paths.append(x.tolist())
    np.testing.assert_allclose(*paths, rtol=1e-7)


# ---- the line search


def line_search():
    return importlib.import_module("torch.optim.lbfgs")  # the name is one of an attribute, too


def test_cubic_minimum_of_small_whole_numbers():
    """Whole numbers make the discriminant 0 and the slopes equal now and then."""
    wanted = line_search()._cubic_interpolate
    r = random.Random(0)
    for _ in range(1000):
        x1, x2 = r.sample(range(4), 2)
        values = [
            float(v) for v in (x1, r.randint(-3, 3), r.randint(-3, 3), x2, r.randint(-3, 3), r.randint(-3, 3))
        ]
        bounds = r.choice([None, (min(x1, x2) - 1.0, max(x1, x2) + 0.5)])
        answers = []
        for f in (lbfgs.cubic_minimum, wanted):
            try:
                numbers = (
                    values
                    if f is not wanted
                    else [pytorch().tensor(v, dtype=pytorch().float64) for v in values]
                )
                answers.append(float(f(*numbers, bounds)))
            except ZeroDivisionError:
                answers.append("0")
        assert (
            answers[0] == pytest.approx(answers[1], nan_ok=True)
            if "0" not in answers
            else answers[0] == answers[1]
        ), values


def test_strong_wolfe_on_drawn_functions():
    torch = pytorch()
    r = random.Random(0)
    for _ in range(300):
        a = [r.uniform(-2, 2) for _ in range(4)]
        f = lambda t: a[0] * t + abs(a[1]) * t * t + a[2] * math.sin(3 * t)  # noqa: B023, E731
        slope = lambda t: a[0] + 2 * abs(a[1]) * t + 3 * a[2] * math.cos(3 * t)  # noqa: B023, E731
        if slope(0) >= 0:
            continue
        t, most, settings = r.choice([0.01, 0.5, 1.0, 8.0]), r.choice([1, 2, 4, 25]), {}
        if r.random() < 0.5:
            settings = dict(c1=r.choice([1e-4, 0.1]), c2=r.choice([0.9, 0.1]))
        d = np.array([1.0])
        got = lbfgs.strong_wolfe(
            lambda t: (f(t), np.array([slope(t)])),
            t,
            d,
            f(0),
            np.array([slope(0)]),
            slope(0),
            most,
            **settings,
        )
        td = torch.ones(1, dtype=torch.float64)
        value, gradient, where, _ = line_search()._strong_wolfe(
            lambda x, t, d: (f(t), slope(t) * td), None, t, td, f(0), slope(0) * td,
            torch.tensor(slope(0), dtype=torch.float64),
            max_ls=most, **settings,
        )  # fmt: skip
        assert got[0] == pytest.approx(float(value), abs=1e-9) and got[2] == pytest.approx(
            float(where), abs=1e-9
        )
        assert got[1][0] == pytest.approx(float(gradient), abs=1e-9)


def test_defaults_of_the_line_search():
    for ours, theirs, names in (
        (lbfgs.strong_wolfe, "_strong_wolfe", {"evaluations": "max_ls", "tolerance": "tolerance_change"}),
        (lbfgs.cubic_minimum, "_cubic_interpolate", {}),
    ):
        wanted = inspect.signature(getattr(line_search(), theirs)).parameters
        for name, p in inspect.signature(ours).parameters.items():
            if p.default is not p.empty:
                assert p.default == wanted[names.get(name, name)].default


# ---- where it stops


@pytest.mark.parametrize("setting", ["tolerance_change", "tolerance_grad"])
@pytest.mark.parametrize("value", [0.0, 1e-9, 1e-4, 1e-2, 1.0, 100.0])
def test_where_lbfgs_stops(setting, value):
    seen = []
    for lib in (tinygrad6, pytorch()):
        w = lib.tensor([3.0, -2.0], dtype=lib.float64).requires_grad_()
        others = {"tolerance_grad": 0.0} if setting == "tolerance_change" else {"tolerance_change": 0.0}
        opt = lib.optim.LBFGS([w], lr=0.5, max_iter=15, **{setting: value}, **others)

        def closure():
            opt.zero_grad()
            loss = 0.05 * (w**4).sum() + 5
            loss.backward()
            return loss

        rows = []
        for _ in range(3):
            opt.step(closure)
            state = opt.state[opt.param_groups[0]["params"][0]]
            rows.append((state["func_evals"], state["n_iter"], *w.tolist()))
        seen.append(rows)
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-6)


def test_lbfgs_stops_at_short_steps_and_at_small_changes():
    for scale, lr in ((1e8, 1e-10), (1e-8, 1.0), (1.0, 0.1)):
        seen = []
        for lib in (tinygrad6, pytorch()):
            w = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
            opt = lib.optim.LBFGS([w], lr=lr, max_iter=6, tolerance_grad=0.0)
            calls = []

            def closure():
                opt.zero_grad()
                loss = (w * w).sum() * scale
                loss.backward()
                calls.append(loss.item())
                return loss

            opt.step(closure)
            state = opt.state[w]
            seen.append((len(calls), calls[-1], *w.tolist(), state["n_iter"], state["func_evals"]))
        assert seen[0] == pytest.approx(seen[1])


def test_strong_wolfe_on_any_answers_whatever():
    """A closure may say what it likes: values and slopes that fit no function lead through every branch."""
    torch = pytorch()
    r = random.Random(0)
    for _ in range(600):
        whole = r.random() < 0.5
        number = (lambda: float(r.randint(-3, 3))) if whole else lambda: r.uniform(-2, 2)  # noqa: B023
        answers = [(number(), number()) for _ in range(30)]
        slope, t, most = -abs(number()) - 0.5 * whole, r.choice([0.5, 1.0, 4.0]), r.choice([1, 2, 3, 5, 25])
        settings = dict(c1=r.choice([1e-4, 0.3]), c2=r.choice([0.9, 0.4]))
        found = []
        for lib in ("ours", "theirs"):
            asked = []

            def evaluate(t, asked=asked):
                asked.append(float(t))
                return answers[len(asked) - 1]  # noqa: B023

            try:
                if lib == "ours":
                    value, g, where = lbfgs.strong_wolfe(
                        lambda t: (lambda v, s: (v, np.array([s])))(*evaluate(t)),
                        t, np.ones(1), 0.0, np.array([slope]), slope, most, tolerance=1e-3, **settings,
                    )  # fmt: skip
                else:
                    one = torch.ones(1, dtype=torch.float64)
                    value, g, where, _ = line_search()._strong_wolfe(
                        lambda x, t, d: (lambda v, s: (v, s * d))(*evaluate(t)),
                        None, t, one, 0.0, slope * one, torch.tensor(slope, dtype=torch.float64),
                        tolerance_change=1e-3, max_ls=most, **settings,
                    )  # fmt: skip
                found.append([float(value), float(g[0]), float(where), len(asked), *asked])
            except ZeroDivisionError:
                found.append([0.0, len(asked)])
        if not any(map(math.isnan, found[1])):  # 0 over 0: what comes after means nothing
            assert found[0] == pytest.approx(found[1], abs=1e-9), (answers, slope, t, most, settings)


@pytest.mark.parametrize("max_iter", [1, 2, 4])
@pytest.mark.parametrize("first", [True, False])
def test_a_parameter_without_gradient_and_what_the_state_holds(max_iter, first):
    """The scale of the first direction is the number 1; later ones are tensors."""
    seen = []
    for lib in (tinygrad6, pytorch()):
        a, b = (lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in ([1.0, -2.0], [0.5, 1.0, 2.0]))
        opt = lib.optim.LBFGS([a, b] if first else [b, a], lr=0.1, max_iter=max_iter)

        def closure():
            opt.zero_grad()
            loss = (a**4).sum()
            loss.backward()
            return loss

        opt.step(closure)
        scale = opt.state[opt.param_groups[0]["params"][0]]["H_diag"]
        seen.append([isinstance(scale, lib.Tensor), float(scale), *a.tolist(), *b.tolist()])
    assert seen[0] == pytest.approx(seen[1])
