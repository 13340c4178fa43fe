"""The table of optimizers, and what their tests do with parameters, gradients and states."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import optim

# Every elementwise optimizer, with options that use all of its state, and a learning rate for the parabola.
ELEMENTWISE = {
    "SGD": (optim.SGD, dict(lr=0.1)),
    "SGD momentum": (optim.SGD, dict(lr=0.05, momentum=0.8, dampening=0.1, weight_decay=1e-4)),
    "SGD nesterov": (optim.SGD, dict(lr=0.05, momentum=0.8, nesterov=True)),
    "Momentum": (optim.Momentum, dict(lr=0.05, momentum=0.8)),
    "Adam": (optim.Adam, dict(lr=0.1)),
    "Adam amsgrad": (optim.Adam, dict(lr=0.1, amsgrad=True, weight_decay=1e-4)),
    "AdamW": (optim.AdamW, dict(lr=0.1, weight_decay=1e-4)),
    "Adamax": (optim.Adamax, dict(lr=0.2)),
    "NAdam": (optim.NAdam, dict(lr=0.1)),
    "RAdam": (optim.RAdam, dict(lr=0.1)),
    "Adagrad": (optim.Adagrad, dict(lr=0.5)),
    "Adadelta": (optim.Adadelta, dict(lr=20.0)),
    "RMSprop": (optim.RMSprop, dict(lr=0.02)),
    "RMSprop all": (optim.RMSprop, dict(lr=0.005, momentum=0.5, centered=True, weight_decay=1e-4)),
    "Rprop": (optim.Rprop, dict(lr=0.1)),
    "ASGD": (optim.ASGD, dict(lr=0.1, t0=3)),
}
each = pytest.mark.parametrize("name", ELEMENTWISE)


def build(name, params, **options):
    cls, kwargs = ELEMENTWISE[name]
    return cls(params, **{**kwargs, **options})


def parameters(shapes, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.standard_normal(s).astype(dtype)).requires_grad_() for s in shapes]


def give_gradients(params, seed):
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = torch.from_numpy(np.asarray(rng.standard_normal(tuple(p.shape)), p.detach().numpy().dtype))


def values(params):
    return [p.detach().numpy().copy() for p in params]


def state_values(optimizer):
    return [
        {k: v.numpy().copy() for k, v in optimizer.state[p].items()}
        for g in optimizer.param_groups
        for p in g["params"]
    ]


def assert_equal(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        if isinstance(x, dict):
            assert list(x) == list(y)
            x, y = list(x.values()), list(y.values())
            assert_equal(x, y)
        else:
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)


def moved(value, to):
    """A state_dict of one library as the other's."""
    if hasattr(value, "detach"):
        return to(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {k: moved(v, to) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(moved(v, to) for v in value)
    return copy.deepcopy(value)
