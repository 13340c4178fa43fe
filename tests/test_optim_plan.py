"""Parameters that step together, in blocks or alone: the same bits, whatever others do with their memory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from optimizers import (
    ELEMENTWISE,
    assert_equal,
    build,
    each,
    give_gradients,
    parameters,
    state_values,
    values,
)

import tinygrad6 as torch
from tinygrad6 import optim
from tinygrad6.optim import plan

SHAPES = [(3, 4), (5,), (), (0,), (1, 1), (7, 2, 3), (40, 50)]


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_gathered_and_in_blocks_is_one_by_one(name, dtype, monkeypatch):
    results = []
    for small, block, shared in ((0, 1 << 20, 1 << 30), (1000, 64, 100), (1 << 20, 100, 100), (0, 64, 100)):
        monkeypatch.setattr(plan, "SMALL", small)
        monkeypatch.setattr(plan, "BLOCK", block)
        monkeypatch.setattr(plan, "SHARED", shared)
        params = parameters(SHAPES, dtype)
        optimizer = build(name, params)
        for i in range(6):
            give_gradients(params, i)
            optimizer.step()
        kinds = {type(u) for u in optimizer._plans[0].units}
        assert kinds == (
            {plan.Alone} if not small else {plan.Gathered} if small > 1000 else {plan.Alone, plan.Gathered}
        )
        results.append((values(params), state_values(optimizer)))
    for params, state in results[1:]:
        assert_equal(params, results[0][0])
        assert_equal(state, results[0][1])


@each
def test_gradients_that_come_and_go(name, monkeypatch):
    """A parameter without a gradient is left alone, and its counter; the rest go on without it."""
    results = []
    for small in (1 << 15, 0):
        monkeypatch.setattr(plan, "SMALL", small)
        params = parameters([(3,), (2, 2), (4,), (5,)])
        optimizer = build(name, params)
        rng = np.random.default_rng(1)
        for i in range(12):
            give_gradients(params, i)
            for p in params[:-1]:
                if rng.random() < 0.4:
                    p.grad = None
            params[-1].grad = None
            before = values(params)
            optimizer.step()
            for p, old in zip(params, before):
                if p.grad is None:
                    np.testing.assert_array_equal(p.detach().numpy(), old)
        assert params[-1] not in optimizer.state or name == "Adagrad"
        results.append((values(params), state_values(optimizer)))
    assert_equal(results[0][0], results[1][0])
    assert_equal(results[0][1], results[1][1])


@each
def test_memory_that_others_share(name):
    """Parameters stay where they are: views and arrays go on sharing; changes from outside count."""
    params = parameters([(3, 4), (5,)])
    array, view = params[0].detach().numpy(), params[1].detach()[1:3]
    optimizer = build(name, params)
    twin_params = parameters([(3, 4), (5,)])
    twin = build(name, twin_params)
    for i in range(4):
        for ps, o in ((params, optimizer), (twin_params, twin)):
            give_gradients(ps, i)
            o.step()
        array *= 0.5  # behind the library's back
        with torch.no_grad():
            twin_params[0].mul_(0.5)
    assert_equal(values(params), values(twin_params))
    np.testing.assert_array_equal(view.numpy(), values(params)[1][1:3])
    assert np.shares_memory(array, params[0].detach().numpy())


def change_a_counter(optimizer, p):
    if "step" in optimizer.state[p]:
        optimizer.state[p]["step"].fill_(40.0)


def change_slots_in_place(optimizer, p):
    for slot in optimizer.state[p].values():
        slot.mul_(0.25)


def put_other_slots(optimizer, p):
    for key, slot in list(optimizer.state[p].items()):
        optimizer.state[p][key] = slot * 1.5


def put_another_state(optimizer, p):
    optimizer.state[p] = {key: slot * 1.5 for key, slot in optimizer.state[p].items()}


def clear_a_slot(optimizer, p):
    for key in list(optimizer.state[p]):
        if key != "step":
            del optimizer.state[p][key]


def clear_the_state(optimizer, p):
    optimizer.state.clear()


def replace_the_data(optimizer, p):
    p.data = p.data * 2


CHANGES = [
    change_a_counter,
    change_slots_in_place,
    put_other_slots,
    put_another_state,
    clear_a_slot,
    clear_the_state,
    replace_the_data,
]


@each
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("small", [0, 1 << 15])
def test_state_changed_from_outside(name, change, small, monkeypatch):
    """The next step goes on from it, as a new optimizer does that is given the same state."""
    monkeypatch.setattr(plan, "SMALL", small)
    params = parameters([(3,), (4,)])
    optimizer = build(name, params)
    for i in range(3):
        give_gradients(params, i)
        optimizer.step()
    change(optimizer, params[0])
    copies = [torch.from_numpy(v).requires_grad_() for v in values(params)]
    fresh = build(name, copies)
    fresh.load_state_dict(optimizer.state_dict())
    for i in range(3, 5):
        for ps, o in ((params, optimizer), (copies, fresh)):
            give_gradients(ps, i)
            o.step()
    assert_equal(values(params), values(copies))
    for p, q in zip(params, copies):
        assert {k: v.tolist() for k, v in optimizer.state[p].items()} == {
            k: v.tolist() for k, v in fresh.state[q].items()
        }


@each
def test_layouts(name):
    """Strided and transposed parameters and gradients step as contiguous ones."""
    rng = np.random.default_rng(0)
    big, small = rng.standard_normal((400, 400)).astype("f"), rng.standard_normal((6, 8)).astype("f")
    sets = []
    for layout in (lambda a: a.copy(), lambda a: np.asfortranarray(a), lambda a: np.repeat(a, 2, 1)[:, ::2]):
        params = [torch.from_numpy(layout(a)).requires_grad_() for a in (big, small, small + 1)]
        optimizer = build(name, params)
        for i in range(3):
            r = np.random.default_rng(i)
            for p in params:
                p.grad = torch.from_numpy(np.asfortranarray(r.standard_normal(tuple(p.shape)).astype("f")))
            optimizer.step()
        sets.append(values(params))
    assert_equal(sets[0], sets[1])
    assert_equal(sets[0], sets[2])


@each
def test_mixed_dtypes_in_one_group(name):
    kinds = [np.float32, np.float64, np.float32, np.float16, np.float64, np.float16]
    params = [parameters([(3,)], k, i)[0] for i, k in enumerate(kinds)]
    alone = [parameters([(3,)], k, i)[0] for i, k in enumerate(kinds)]
    together, apart = build(name, params), [build(name, [p]) for p in alone]
    for i in range(4):
        for j, (p, q) in enumerate(zip(params, alone)):
            give_gradients([p], (i, j))
            give_gradients([q], (i, j))
        together.step()
        for o in apart:
            o.step()
    assert [p.dtype for p in params] == [q.dtype for q in alone]
    assert_equal(values(params), values(alone))


def test_a_float64_lr_from_numpy_does_not_change_the_result():
    for name in ELEMENTWISE:
        lr = ELEMENTWISE[name][1]["lr"]
        results = []
        for rate in (
            lr,
            np.float64(lr),
            torch.tensor(lr, dtype=torch.float64),
            torch.tensor([lr], dtype=torch.float64),
        ):
            params = parameters([(3,), (4,)])
            optimizer = build(name, params, lr=rate)
            for i in range(3):
                give_gradients(params, i)
                optimizer.step()
            results.append(values(params))
            assert params[0].dtype == torch.float32
        for r in results[1:]:
            assert_equal(r, results[0])


def test_saved_values_are_guarded():
    """A step changes the parameters' versions: a backward that needs the old values is refused."""
    params = parameters([(2,), (2,)])
    loss = (params[0] * params[1]).sum()
    optimizer = optim.SGD(params, lr=0.1)
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_overflows_are_not_told_from_threads(monkeypatch):
    monkeypatch.setattr(plan, "BLOCK", 64)
    monkeypatch.setattr(plan, "SHARED", 100)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        p = torch.full((1000,), 1e30).requires_grad_()
        p.grad = torch.full((1000,), 1e38)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optim.SGD([p], lr=1e10).step()
    finally:
        torch.set_num_threads(before)
    assert not caught and torch.isinf(p).all()
