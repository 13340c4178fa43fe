"""Where sizes choose between two ways to one result: both are gone, on every example of every op.

The examples are small and would only ever take one of them.
"""

from __future__ import annotations

import functools
import gc
import importlib
import warnings

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import engine
from tinygrad6.op import OPS
from tinygrad6.tensor import wrap
from tinygrad6.testing.laws import call, inputs

MANY = 1 << 60
NEAR = {  # whose ops are run; all for the others
    "ops.conv": ("conv",),
    "ops.shifted": ("conv",),
    "ops.index": ("index", "gather", "parts"),
    "ops.loss": ("loss",),
    "ops.gamma": ("gamma", "incomplete"),
}
WAYS = [  # where, and what its sizes are set to
    ("ops.conv", {"LONG": 0}),
    ("ops.conv", {"LONG": MANY}),
    ("ops.conv", {"FEW": 0}),
    ("ops.conv", {"FEW": 0, "LONG": 0}),
    ("ops.conv", {"FEW": MANY}),
    ("ops.conv", {"BLOCK": 1}),
    ("ops.conv", {"BLOCK": 1, "FEW": MANY}),
    ("ops.shifted", {"BLOCK": 1}),
    ("ops.shifted", {"FEW": 0, "SHORT": 0, "WIDE": MANY}),
    ("ops.shifted", {"FEW": 0, "SHORT": 0, "WIDE": MANY, "BLOCK": 1}),
    ("ops.shifted", {"FEW": 0, "SHORT": 0, "WIDE": 0}),
    ("ops.shifted", {"FEW": 0, "SHORT": 0, "WIDE": 0, "WORTH": 0}),
    ("ops.shifted", {"WORTH": 0}),
    ("ops.index", {"NARROW": 0}),
    ("ops.index", {"NARROW": 0, "FEW": 0}),
    ("ops.index", {"NARROW": 0, "FEW": 0, "HEAVY": 1}),
    ("ops.index", {"NARROW": 0, "FEW": 0, "HEAVY": 2}),
    ("ops.index", {"NARROW": MANY}),
    ("ops.loss", {"TURNED": 0}),
    ("ops.reduce", {"SMALL": 0}),
    ("ops.gamma", {"BLOCK": 1}),
    ("sums", {"FEW": 2, "BLOCK": 2}),
]


def forget():
    """Plans that were made for the sizes before."""
    kind = type(functools.cache(forget))
    for cached in [o for o in gc.get_objects() if type(o) is kind and o.__module__.startswith("tinygrad6")]:
        cached.cache_clear()


def embedded(kind, rng):
    """Rows named once, twice, and very often."""
    table = torch.tensor(rng.uniform(-1, 1, (5, 3)), dtype=kind, requires_grad=True)
    named = torch.tensor([[4, 0, 0, 3], [0, 2, 0, 3], [0, 0, 2, 0]])
    return torch.nn.functional.embedding(named, table), [table]


def put(kind, rng):
    x = torch.tensor(rng.uniform(-1, 1, (6, 2, 3)), dtype=kind, requires_grad=True)
    y = torch.tensor(rng.uniform(-1, 1, (7, 2, 3)), dtype=kind, requires_grad=True)
    return x.index_put((torch.tensor([1, 5, 1, 1, 0, 5, 1]),), y, accumulate=True), [x, y]


def columns(kind, rng):
    x = torch.tensor(rng.uniform(-1, 1, (9, 4)), dtype=kind, requires_grad=True)
    return x.sum(0) + x.mT.cumsum(0).mT.mean(0) + x.t().contiguous().t().sum(0), [x]


def losses(kind, rng):
    x = torch.tensor(rng.uniform(-1, 1, (4, 5)), dtype=kind, requires_grad=True)
    t = torch.tensor([1, 0, 4, 4])
    cross_entropy = torch.nn.functional.cross_entropy
    return cross_entropy(x, t, reduction="none") + cross_entropy(x.t()[:4, :4], t % 4, reduction="none"), [x]


def images(kind, rng, **options):
    groups = options.get("groups", 1)
    x = torch.tensor(rng.uniform(-1, 1, (3, 4, 7, 9)), dtype=kind, requires_grad=True)
    w = torch.tensor(rng.uniform(-1, 1, (6, 4 // groups, 3, 2)), dtype=kind, requires_grad=True)
    b = torch.tensor(rng.uniform(-1, 1, 6), dtype=kind, requires_grad=True)
    return torch.nn.functional.conv2d(x, w, b, **options), [x, w, b]


LARGER = [embedded, put, columns, losses, images]
LARGER += [
    lambda kind, rng, o=o: images(kind, rng, **o) for o in ({"padding": 1}, {"stride": 2}, {"groups": 2})
]
LARGER += [lambda kind, rng: images(kind, rng, padding=2, dilation=2, groups=2, stride=(1, 2))]


def results(kind, modules=None):
    """What the examples of these modules' ops (None: all) and the calls above give, forward and backward."""
    found = {}
    for name, op in OPS.items():
        if modules and not any(
            getattr(r, "__module__", "").endswith(modules) for r in (*op.rules, op.forward)
        ):
            continue
        if kind is np.float16 and getattr(op.forward, "__module__", "").endswith((".decompose", ".lu")):
            continue  # NumPy's linear algebra knows no halves
        for number, example in enumerate(op.examples):
            tensors = inputs(op, example, np.random.default_rng(0), kind)
            found[name, number] = slopes(call(op, tensors, example))
    for number, larger in enumerate(LARGER):
        out, _ = larger(torch.float64 if kind is np.float64 else torch.float16, np.random.default_rng(0))
        found["larger", number] = slopes(out)
    return found


def slopes(out):
    """The result and its gradients, on arrays and as a graph."""
    g = np.random.default_rng(1).uniform(-1, 1, out.array.shape).astype(out.array.dtype)
    arrays = [out.array]
    if out.node is not None:
        for given, graph in ((g, False), (wrap(g), True)):
            passed = engine.backprop([(out.node, given)], graph, True)
            arrays += [np.asarray(getattr(a, "array", a)) for _, a, _ in passed]
    return arrays


@pytest.fixture(scope="module")
def usual():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gradients of some examples are no halves
        return {kind: results(kind) for kind in (np.float64, np.float16)}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("where, sizes", WAYS, ids=str)
def test_both_ways_lead_to_one_result(where, sizes, usual, monkeypatch):
    for name, size in sizes.items():
        monkeypatch.setattr(importlib.import_module(f"tinygrad6.{where}"), name, size)
    forget()
    try:
        for kind, close in ((np.float64, 1e-9), (np.float16, 4e-3)):
            for key, arrays in results(kind, NEAR.get(where)).items():
                assert len(arrays) == len(usual[kind][key]), key
                for b, a in zip(arrays, usual[kind][key]):
                    assert a.dtype == b.dtype, key
                    np.testing.assert_allclose(
                        b, a, close, close * (1 + np.abs(a).max(initial=0)), err_msg=str(key)
                    )
    finally:
        forget()
