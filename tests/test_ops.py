"""The laws of testing/laws.py over the registry:
every op, every example, without a line of test code per op."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.op import COMPOSITES, OPS
from tinygrad6.testing.laws import LAWS

# Why a law does not hold for an op. Nothing is skipped without a line here.
EXCEPTIONS = {
    ("single_and_no_elements_are_like_the_rest", "others_product"): "it needs a last dimension",
    ("memory_layout_does_not_matter", "as_strided"): "it looks at memory, and refuses what is not contiguous",
    ("nothing_given_is_written", "cast"): "to the same type gives the input itself",
}
ROWS = [(name, number) for name, op in OPS.items() for number in range(len(op.examples))]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name, number", ROWS, ids=lambda v: str(v))
def test_law(name, number, law):
    if (law, name) in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[law, name])
    op = OPS[name]
    LAWS[law](op, op.examples[number], np.random.default_rng(0))


COMPOSITE_ROWS = [(n, i) for n, c in COMPOSITES.items() for i in range(len(c.examples or ()))]


@pytest.mark.parametrize("name, number", COMPOSITE_ROWS, ids=lambda v: str(v))
def test_composites_are_differentiable_twice(name, number):
    function, rng = COMPOSITES[name], np.random.default_rng(0)
    example = function.examples[number]
    low, high = function.facts.get("domain", (-2.0, 2.0))
    tensors = [
        torch.tensor(np.asarray(s(rng) if callable(s) else rng.uniform(low, high, s))) for s in example.shapes
    ]
    for t in tensors:
        t.requires_grad_(t.is_floating_point())

    parameters = inspect.signature(function).parameters.values()
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    free = [p.name for p in parameters if p.name not in example.params]

    def call(*args):
        return (
            function(*args, **example.params)
            if several
            else function(**dict(zip(free, args, strict=False)), **example.params)
        )

    out = call(*tensors)
    if (out if isinstance(out, torch.Tensor) else out[0]).requires_grad:
        torch.autograd.gradcheck(call, tensors)
        torch.autograd.gradgradcheck(call, tensors)


def test_every_op_is_documented_and_has_an_example():
    for name, op in OPS.items():
        assert op.doc, f"{name} has no docstring"
        assert op.examples or name in {"take_region", "embed", "clear_region"}, (
            f"{name} has no example: the laws see nothing of it"
        )
