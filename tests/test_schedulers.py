"""Schedulers without PyTorch: its numbers, frozen; resuming; what they do together; averaged models."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import nn, optim
from tinygrad6.optim import lr_scheduler as L
from tinygrad6.optim import swa_utils

MAKE = {
    "LambdaLR": lambda o: L.LambdaLR(o, lambda e: 1 / (e + 1)),
    "MultiplicativeLR": lambda o: L.MultiplicativeLR(o, lambda e: 0.5 if e % 2 else 0.9),
    "StepLR": lambda o: L.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: L.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda o: L.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: L.LinearLR(o, 0.25, 0.75, 4),
    "ExponentialLR": lambda o: L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: L.PolynomialLR(o, 4, 2.0),
    "CosineAnnealingLR": lambda o: L.CosineAnnealingLR(o, 4, 0.1),
    "CosineAnnealingWarmRestarts": lambda o: L.CosineAnnealingWarmRestarts(o, 2, 2, 0.1),
    "CyclicLR": lambda o: L.CyclicLR(o, 0.1, 0.5, 2, 3, mode="triangular2"),
    "OneCycleLR": lambda o: L.OneCycleLR(o, 1.0, 9),
    "OneCycleLR three": lambda o: L.OneCycleLR(o, 1.0, 9, three_phase=True, anneal_strategy="linear"),
    "SequentialLR": lambda o: L.SequentialLR(o, [L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.5)], [3]),
    "ChainedScheduler": lambda o: L.ChainedScheduler([L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.5)]),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.1, 4),
}
# What PyTorch 2.13 gives for these from lr 1 and momentum 0.9, before each of nine steps.
FROZEN = {
    "LambdaLR": [1.0, 0.5, 0.333333333333, 0.25, 0.2, 0.166666666667, 0.142857142857, 0.125, 0.111111111111],
    "MultiplicativeLR": [1.0, 0.5, 0.45, 0.225, 0.2025, 0.10125, 0.091125, 0.0455625, 0.04100625],
    "StepLR": [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25],
    "MultiStepLR": [1.0, 1.0, 0.5, 0.5, 0.5, 0.125, 0.125, 0.125, 0.125],
    "ConstantLR": [0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0],
    "LinearLR": [0.25, 0.375, 0.5, 0.625, 0.75, 0.75, 0.75, 0.75, 0.75],
    "ExponentialLR": [1.0, 0.9, 0.81, 0.729, 0.6561, 0.59049, 0.531441, 0.4782969, 0.43046721],
    "PolynomialLR": [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0, 0.0, 0.0, 0.0],
    "CosineAnnealingLR": [
        1.0,
        0.868198051534,
        0.55,
        0.231801948466,
        0.1,
        0.231801948466,
        0.55,
        0.868198051534,
        1.0,
    ],
    "CosineAnnealingWarmRestarts": [
        1.0,
        0.55,
        1.0,
        0.868198051534,
        0.55,
        0.231801948466,
        1.0,
        0.96574578963,
        0.868198051534,
    ],
    "CyclicLR": [0.1, 0.3, 0.5, 0.366666666667, 0.233333333333, 0.1, 0.2, 0.3, 0.233333333333],
    "CyclicLR momentum": [0.9, 0.85, 0.8, 0.833333333333, 0.866666666667, 0.9, 0.875, 0.85, 0.866666666667],
    "OneCycleLR": [
        0.04,
        0.651358235235,
        0.994415435451,
        0.898566659346,
        0.705644728991,
        0.462637102667,
        0.22872995316,
        0.060892969758,
        4e-06,
    ],
    "OneCycleLR momentum": [
        0.95,
        0.886316850496,
        0.850558458689,
        0.860143374639,
        0.879435644843,
        0.903736504679,
        0.927127313193,
        0.943911078669,
        0.95,
    ],
    "OneCycleLR three": [
        0.04,
        0.604705882353,
        0.830588235294,
        0.265882352941,
        0.0347831304348,
        0.0260883478261,
        0.0173935652174,
        0.0086987826087,
        4e-06,
    ],
    "OneCycleLR three momentum": [
        0.95,
        0.891176470588,
        0.867647058824,
        0.926470588235,
        0.95,
        0.95,
        0.95,
        0.95,
        0.95,
    ],
    "SequentialLR": [0.1, 0.1, 0.1, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125],
    "ChainedScheduler": [0.1, 0.05, 0.025, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625],
    "SWALR": [1.0, 0.868198051534, 0.55, 0.231801948466, 0.1, 0.1, 0.1, 0.1, 0.1],
}
each = pytest.mark.parametrize("name", MAKE)


def sgd(lr=1.0):
    return optim.SGD([torch.ones(1, requires_grad=True)], lr=lr, momentum=0.9)


@each
def test_pytorchs_numbers(name):
    optimizer = sgd()
    scheduler = MAKE[name](optimizer)
    rates, momenta = [], []
    for _ in range(9):
        rates.append(scheduler.get_last_lr()[0])
        momenta.append(optimizer.param_groups[0]["momentum"])
        assert optimizer.param_groups[0]["lr"] == rates[-1]
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, FROZEN[name], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(momenta, FROZEN.get(f"{name} momentum", [0.9] * 9), rtol=1e-10)


CLOSED = [
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
]


@pytest.mark.parametrize("name", CLOSED)
def test_step_by_step_is_the_formula(name):
    optimizer = sgd()
    scheduler = MAKE[name](optimizer)
    for _ in range(8):
        np.testing.assert_allclose(
            scheduler.get_last_lr(), scheduler._get_closed_form_lr(), rtol=1e-12, atol=1e-15
        )
        optimizer.step()
        scheduler.step()


@each
@pytest.mark.parametrize("how", ["state_dict", "pickled state_dict", "deepcopy"])
def test_resumes_exactly(name, how):
    optimizer = sgd()
    scheduler = MAKE[name](optimizer)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    if how == "deepcopy":
        fresh, resumed = copy.deepcopy((optimizer, scheduler))
    else:
        fresh = sgd()
        resumed = MAKE[name](fresh)
        if how == "state_dict":
            states = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
        else:
            states = pickle.loads(pickle.dumps((scheduler.state_dict(), optimizer.state_dict())))
        kept = copy.deepcopy(states[0])
        resumed.load_state_dict(states[0])
        assert states[0] == kept  # what was handed over is not changed
        fresh.load_state_dict(states[1])
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    for _ in range(4):
        for o, s in ((optimizer, scheduler), (fresh, resumed)):
            o.step()
            s.step()
        assert fresh.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        assert fresh.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]
    assert resumed.state_dict() == scheduler.state_dict() and resumed.optimizer is fresh


@each
def test_a_rate_in_a_tensor_stays_that_tensor(name):
    rate = torch.tensor(1.0, dtype=torch.float64)
    optimizer = sgd(rate)
    scheduler = MAKE[name](optimizer)
    for i in range(6):
        assert optimizer.param_groups[0]["lr"] is rate
        last = scheduler.get_last_lr()[0]
        np.testing.assert_allclose(rate.item(), FROZEN[name][i], rtol=1e-10, atol=1e-15)
        optimizer.step()
        scheduler.step()
        assert not isinstance(last, torch.Tensor) or last is not rate
        np.testing.assert_allclose(last.item(), FROZEN[name][i], rtol=1e-10, atol=1e-15)


def test_groups_go_their_own_way():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": [b], "lr": 0.1}])
    scheduler = L.LambdaLR(optimizer, [lambda e: 0.5**e, lambda e: 1.0])
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.1] and [g["initial_lr"] for g in optimizer.param_groups] == [
        1.0,
        0.1,
    ]


def test_the_order_of_steps():
    optimizer = sgd()
    scheduler = L.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    optimizer = sgd()
    scheduler = L.StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step()  # warnings are errors here


def test_the_order_of_steps_of_a_subclass():
    class Own(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, dict(lr=1.0))

        def step(self, closure=None):
            pass

    optimizer = Own([torch.ones(1, requires_grad=True)])
    scheduler = L.StepLR(optimizer, 1, 0.5)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]


def test_get_lr_says_what_to_ask():
    scheduler = L.ExponentialLR(sgd(), 0.5)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


def test_plateau():
    optimizer = sgd()
    scheduler = L.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=2, min_lr=0.2)
    seen = []
    for metric in (
        1.0,
        0.9,
        0.9,
        0.9,
        0.9,
        0.9,
        0.9,
        0.9,
        0.5,
        0.5,
        0.5,
        math.nan,
        math.nan,
        math.nan,
        math.nan,
    ):
        scheduler.step(torch.tensor(metric))
        seen.append(scheduler.get_last_lr()[0])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]
    optimizer.add_param_group({"params": [torch.ones(1, requires_grad=True)], "lr": 1.0})
    for _ in range(5):
        scheduler.step(9.0)
    assert optimizer.param_groups[1]["lr"] == 0.25


def test_schedules_reach_the_parameters():
    """lr is read at each step: three steps of gradient 1 with rates 1, 0.5, 0.25."""
    w = torch.zeros(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    scheduler = L.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        w.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    assert w.item() == -1.75


def test_refused_before_anything_changes():
    optimizer = optim.Adadelta([torch.ones(1, requires_grad=True)], lr=1.0)
    before = dict(optimizer.param_groups[0])
    for make in (
        lambda: L.CyclicLR(optimizer, 0.1, 0.5),
        lambda: L.CyclicLR(optimizer, 0.1, [0.5, 0.6], cycle_momentum=False),
        lambda: L.OneCycleLR(optimizer, 1.0, 9),
        lambda: L.OneCycleLR(optimizer, 1.0, math.nan),
        lambda: L.ConstantLR(optimizer, math.nan),
        lambda: L.LinearLR(optimizer, math.nan),
        lambda: L.ReduceLROnPlateau(optimizer, factor=math.nan),
        lambda: swa_utils.SWALR(optimizer, [0.1, 0.2]),
        lambda: L.StepLR(optimizer, 2, last_epoch=3),
    ):
        with pytest.raises((ValueError, KeyError)):
            make()
        assert optimizer.param_groups[0] == before


# ---- averaged models


def test_averages():
    model = nn.Linear(1, 1, bias=False)
    swa = swa_utils.AveragedModel(model)
    ema = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    seen = []
    for value in (4.0, 2.0, 6.0):
        with torch.no_grad():
            model.weight.fill_(value)
        swa.update_parameters(model)
        ema.update_parameters(model)
        seen.append((swa.module.weight.item(), ema.module.weight.item()))
    assert seen == [(4.0, 4.0), (3.0, 3.0), (4.0, 4.5)]
    assert swa.n_averaged.item() == 3 and swa.n_averaged.dtype == torch.int64
    assert list(swa.state_dict()) == ["n_averaged", "module.weight"]
    assert swa(torch.ones(1, 1)).item() == 4.0
    again = pickle.loads(pickle.dumps(swa))
    assert type(again) is swa_utils.AveragedModel and again.module.weight.item() == 4.0


def test_update_bn_is_the_mean_over_batches():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2, momentum=None)).eval()
    batches = [torch.arange(6.0).reshape(3, 2), torch.arange(6.0).reshape(3, 2) * 3]
    swa_utils.update_bn(iter(batches), model)
    np.testing.assert_allclose(model[0].running_mean.tolist(), [(2 + 6) / 2, (3 + 9) / 2])
    assert model[0].momentum == 0.1 and model[1].momentum is None and not model.training

    def lost():
        yield batches[0]
        raise KeyError("lost")

    with pytest.raises(KeyError):
        swa_utils.update_bn(lost(), model)
    assert model[0].momentum == 0.1 and not model.training  # put back all the same
    swa_utils.update_bn(lost(), nn.Linear(1, 1))  # without BatchNorm nothing is read


def test_optim_needs_no_nn():
    """swa_utils is loaded when asked for: importing optim does not draw it in."""
    code = (
        "import sys, tinygrad6.optim as optim\n"
        "assert 'tinygrad6.optim.swa_utils' not in sys.modules\n"
        "assert optim.swa_utils.SWALR and optim.swa_utils.AveragedModel\n"
        "from tinygrad6.optim.swa_utils import AveragedModel\n"
        "assert not hasattr(optim, 'swa') and not hasattr(optim.swa_utils, 'swa')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
