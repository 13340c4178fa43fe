"""What an exception leaves behind, wherever it comes from:
in a rule, a hook, a forward, or Ctrl-C at any moment.

Guaranteed: grad mode and the other modes are as before; `.grad` of each leaf is the old one or the whole new
one (leaves get theirs when all rules have run, so an error in a rule or in a hook on a result changes none);
a graph whose pass was cut short gives the right gradients if it was retained, else says that it was freed;
parameters change in `step()` only.
"""

from __future__ import annotations

import dis
import functools
import os
import random
import sys

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import nn, optim
from tinygrad6.modes import state


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Stop(torch.autograd.Function):
    """The identity, whose backward fails as long as it is told to."""

    failing = True

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        if Stop.failing:
            raise KeyError("stop")
        return g


@pytest.fixture(autouse=True)
def failing():
    Stop.failing = True


def modes():
    return state.grad, state.inference, state.saving, state.partial


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_error_in_a_rule_changes_no_gradient(create_graph):
    x, y = leaf(2.0), leaf(3.0)
    x.grad = torch.tensor([7.0], dtype=torch.float64)
    before = modes()
    loss = (y * 5).sum() + (Stop.apply(x * x) * y).sum()
    with pytest.raises(KeyError):
        loss.backward(retain_graph=True, create_graph=create_graph)
    assert modes() == before and x.grad.item() == 7.0 and y.grad is None
    Stop.failing = False
    loss.backward()
    assert x.grad.item() == 7.0 + 12.0 and y.grad.item() == 9.0


def test_a_pass_cut_short_says_that_its_graph_is_freed():
    x = leaf(2.0)
    loss = (Stop.apply(x * x).exp()).sum()
    with pytest.raises(KeyError):
        loss.backward()
    Stop.failing = False
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize("where", ["result", "leaf", "node", "accumulated"])
def test_an_error_in_a_hook(where):
    x, y = leaf(2.0), leaf(3.0)
    middle = x * y

    def fail(*args):
        raise KeyError("hook")

    handle = {
        "result": lambda: middle.register_hook(fail),
        "leaf": lambda: x.register_hook(fail),
        "node": lambda: middle.grad_fn.register_prehook(fail),
        "accumulated": lambda: x.register_post_accumulate_grad_hook(fail),
    }[where]()
    before = modes()
    with pytest.raises(KeyError):
        middle.sum().backward(retain_graph=True)
    assert modes() == before
    assert x.grad is None or (where == "accumulated" and x.grad.item() == 3.0)
    x.grad = y.grad = None
    handle.remove()
    middle.sum().backward()
    assert x.grad.item() == 3.0 and y.grad.item() == 2.0


def test_an_error_in_a_forward():
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            raise KeyError("forward")

    before, x = modes(), leaf(1.0)
    with pytest.raises(KeyError):
        Bad.apply(x)
    for wrong in (
        lambda: x + torch.ones(2, 3).reshape(3, 2) @ torch.ones(5),
        lambda: x.reshape(7),
        lambda: (x * 1).add_(torch.ones(4, 4)),
        lambda: torch.func.grad(lambda t: t.foo())(x),
        lambda: torch.autograd.functional.jacobian(lambda t: 1 / 0, x),
        lambda: torch.vmap(lambda t: 1 / 0)(torch.ones(2)),
    ):
        with pytest.raises((RuntimeError, AttributeError, ZeroDivisionError)):
            wrong()
        assert modes() == before


def test_a_refused_inplace_change_changes_nothing():
    x = torch.arange(6.0).reshape(2, 3)
    y = x * torch.ones(2, 3, requires_grad=True)
    values, version = y.tolist(), y._version
    for wrong in (
        lambda: y.add_(torch.ones(4)),
        lambda: y.add_(torch.ones(5, 2, 3)),
        lambda: y.copy_(torch.ones(4)),
        lambda: y.__setitem__(0, torch.ones(4)),
        lambda: y.__setitem__(5, 1.0),
        lambda: y.masked_fill_(torch.ones(3, 3, dtype=torch.bool), 0.0),
        lambda: y.index_add_(0, torch.tensor([5]), torch.ones(1, 3)),
        lambda: y.long().mul_(0.5),
        lambda: y.unbind()[0].mul_(2),
        lambda: y[0].expand(4, 3).mul_(2),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            wrong()
        assert y.tolist() == values and y._version == version
    y.sum().backward()


# ---- Ctrl-C


@functools.cache
def checkpoints(code):
    """Where in a code object the interpreter looks for signals:
    at its start, after calls, when it jumps back."""
    found, after_call = set(), False
    for i in dis.get_instructions(code):
        if after_call or i.opname in ("RESUME", "JUMP_BACKWARD"):
            found.add(i.offset)
        after_call = i.opname.startswith("CALL")
    return found


def interrupted(run, at):
    """Run with KeyboardInterrupt at the at-th place where a signal could arrive;
    how many there were, if it was not."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        code = frame.f_code
        if (
            "tinygrad6" not in code.co_filename
            and "/nn/" not in code.co_filename
            and "/optim/" not in code.co_filename
        ):
            return None
        if code.co_name in ("__enter__", "__exit__"):
            return None  # `with` itself is not safe against signals: a known limit of Python
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in checkpoints(code):
            count += 1
            if count == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for such a frame when tracing starts
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def places(rng, total, few):
    """Where to interrupt: everywhere in the intense profile, else at a few places by chance."""
    every = range(1, total)
    return every if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else rng.sample(every, few)


def training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    stage = ["start"]

    def step():
        stage[0] = "zero"
        optimizer.zero_grad()
        stage[0] = "forward"
        loss = nn.functional.cross_entropy(model(x), y)
        stage[0] = "backward"
        loss.backward()
        stage[0] = "step"
        optimizer.step()
        stage[0] = "done"
        return loss

    return model, optimizer, step, stage


def test_ctrl_c_at_any_moment_of_a_step():
    model, optimizer, step, stage = training()
    step()
    total = interrupted(step, -1)
    assert total > 300
    rng = random.Random(0)
    hit = set()
    for at in sorted(places(rng, total, 60)):
        model, optimizer, step, stage = training()
        step()
        before, started = modes(), [p.detach().clone() for p in model.parameters()]
        try:
            interrupted(step, at)
            assert stage[0] == "done"
        except KeyboardInterrupt:
            hit.add(stage[0])
        assert modes() == before == (True, False, (), False), (at, stage)
        for p, old in zip(model.parameters(), started):
            assert np.isfinite(p.detach().numpy()).all()
            assert stage[0] in ("step", "done") or torch.equal(p, old), (at, stage)
            assert p.grad is None or np.isfinite(p.grad.numpy()).all()
        for _ in range(3):
            loss = step()
        assert np.isfinite(loss.item()) and all(p.grad is not None for p in model.parameters())
    assert {"forward", "backward", "step"} <= hit


def test_gradients_after_ctrl_c_are_old_or_new():
    model, _, step, _ = training()
    x = torch.randn(5, 3)
    model.eval()

    def passed():
        (model(x) ** 2).sum().backward()

    passed()
    new = [p.grad.clone() for p in model.parameters()]
    old = [torch.full_like(g, 0.5) for g in new]

    def restart():
        for p, g in zip(model.parameters(), old):
            p.grad = g.clone()

    restart()
    total = interrupted(passed, -1)
    rng = random.Random(1)
    for at in places(rng, total, 30):
        restart()
        try:
            interrupted(passed, at)
        except KeyboardInterrupt:
            pass
        for p, a, b in zip(model.parameters(), old, new):
            assert torch.equal(p.grad, a) or torch.allclose(p.grad, a + b), at


@pytest.mark.parametrize(
    "cls", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.NAdam]
)
def test_an_error_before_or_in_a_step_changes_nothing(cls):
    """In a hook before it, in its closure, and for the last of the gradients."""
    params = [torch.ones(3, requires_grad=True), torch.ones(2, 2, requires_grad=True)]
    optimizer = cls(params, lr=0.1)

    def give():
        for p in params:
            p.grad = torch.full(tuple(p.shape), 0.5)

    give()
    optimizer.step()

    def seen():
        return [p.tolist() for p in params], str(optimizer.state_dict())

    before, mode = seen(), modes()

    def fail(*args):
        raise KeyError("stop")

    handle = optimizer.register_step_pre_hook(fail)
    with pytest.raises(KeyError):
        optimizer.step()
    handle.remove()
    with pytest.raises(KeyError):
        optimizer.step(fail)
    assert seen() == before and modes() == mode
    give()
    for wrong in (torch.ones(5), torch.ones(2), torch.ones(2, 2, dtype=torch.float64)):
        with pytest.raises(RuntimeError, match="gradient"):
            params[1].grad = wrong  # PyTorch refuses here, we in the step
            optimizer.step()
        assert seen() == before
    give()
    optimizer.step()
    assert seen() != before
