"""A line of code in both libraries.

In a line, `torch` is the library; other names are those of `names_of` in bad_input.py, or of `VALUES`:
tensors, of which a, b, c, s, q, e, v are float64 and want gradients.
"""

from __future__ import annotations

import math
import re
import warnings

import numpy as np
from bad_input import names_of
from helpers import same
from lines import LINES

import tinygrad6


def floats(*shape):
    return tinygrad6.tensor((np.arange(1, math.prod(shape) + 1) * 0.618 % 1 * 2 - 0.9).reshape(shape))


VALUES = {
    "a": floats(2, 3).requires_grad_(),
    "b": floats(3).requires_grad_(),
    "c": (floats(2, 3) * 3 - 1).requires_grad_(),
    "s": tinygrad6.tensor(1.5, dtype=tinygrad6.float64, requires_grad=True),
    "q": floats(3, 3).requires_grad_(),
    "e": floats(0, 3).requires_grad_(),
    "v": floats(2, 3, 4).requires_grad_(),
    "h": floats(2, 3).half(),
    "f": floats(2, 3).float(),
    "n": tinygrad6.tensor([[2, 0, 1], [1, 1, 0]]),
    "k": tinygrad6.tensor([2, 0, 1]),
    "k0": tinygrad6.tensor(1),
    "none": tinygrad6.tensor([], dtype=tinygrad6.int64),
    "m": tinygrad6.tensor([[True, False, True], [False, False, True]]),
}


def lines():
    """Those of lines.py, each once."""
    found = [line for line in LINES.splitlines() if line and line[0] != "#"]
    assert len(set(found)) == len(found), [x for x in found if found.count(x) > 1]
    return found


def compared(line):
    """Run a line in both libraries, and compare: what they raised, if so, in words."""
    used = {
        k: v.detach().clone().requires_grad_(v.requires_grad)  # the line may write to it
        for k, v in VALUES.items()
        if re.search(rf"\b{k}\b", line)
    }
    code = compile(line, line, "eval")
    said = []

    def run(lib, **given):
        space = {**names_of(lib), **given}
        space["floats"] = lambda *shape: lib.from_numpy(floats(*shape).numpy())
        lib.manual_seed(0)
        try:
            return eval(code, space)
        except Exception as e:
            said.append(str(e))
            raise

    # what passes through a coarser type is no better
    coarse = 2e-3 if ".half()" in line else 1e-5 if ".float()" in line else None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        same(run, rtol=coarse, atol=coarse, **used)
    return said
