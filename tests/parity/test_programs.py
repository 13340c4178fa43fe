"""Random programs run by both libraries: everything that can be seen is compared after every line.

See tests/programs.py.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import Difference, compare, counts, differs, generate, shrink

COUNT = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else 480


@pytest.mark.parametrize("part", range(8))
def test_programs_mean_the_same(part):
    start = part * COUNT // 8
    for seed in range(start, start + COUNT // 8):
        lines, data = generate(random.Random(seed), 12)
        try:
            compare(lines, data)
        except Difference as e:
            raise AssertionError("\n".join([*shrink(lines, data, differs), str(e)])) from None


@given(st.randoms(use_true_random=False))
def test_programs_that_hypothesis_draws_mean_the_same(rng):
    compare(*generate(rng, 8))


def test_we_refuse_hardly_more_than_pytorch():
    """Only overlapping memory: see `CHOICES`."""
    for seed in range(200):
        compare(*generate(random.Random(seed), 12))
    assert len(counts["stricter"]) <= 0.02 * COUNT, counts["stricter"]


def test_a_difference_is_noticed(monkeypatch):
    from tinygrad6 import inplace

    monkeypatch.setattr(inplace.OVERWRITE, "readers", [lambda g, n: g, inplace.OVERWRITE.readers[1]])
    with pytest.raises(Difference):
        for seed in range(200):
            compare(*generate(random.Random(seed), 12))
