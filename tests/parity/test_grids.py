"""Every elementwise function of one or two tensors on grids of special values, in every type and many pairs.

What random draws and chosen calls hardly meet: every kink beside every infinity, the ends of the integers, a
type beside each other type. Values, types and types of errors; programs and draws compare gradients.
"""

from __future__ import annotations

import math
import operator
import warnings

import numpy as np
import pytest
from helpers import same

import tinygrad6

SPECIAL = "0 -0. 1 -1 .5 -.5 2 -2 3 1e-3 .99 7.5 30 -30 1000 inf -inf nan".split()
KINDS = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()
ONE = """
    abs acos acosh angle asin asinh atan atanh bitwise_not ceil cos cosh deg2rad digamma erf erfc
    erfinv exp exp2 expm1 floor frac i0 isfinite isinf isnan isneginf isposinf isreal lgamma log
    log10 log1p log2 logical_not logit nan_to_num neg positive rad2deg reciprocal relu round rsqrt
    sgn sigmoid sign signbit sin sinc sinh sqrt square tan tanh trunc special.entr special.erfcx
    special.i0e special.i1 special.i1e special.log_ndtr special.ndtr special.ndtri
    nn.functional.celu nn.functional.elu nn.functional.gelu nn.functional.hardshrink
    nn.functional.hardsigmoid nn.functional.hardswish nn.functional.hardtanh
    nn.functional.leaky_relu nn.functional.logsigmoid nn.functional.mish nn.functional.relu6
    nn.functional.selu nn.functional.silu nn.functional.softplus nn.functional.softshrink
    nn.functional.softsign nn.functional.tanhshrink
""".split()
TWO = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign div
    eq float_power floor_divide fmax fmin fmod gcd ge gt heaviside hypot igamma igammac isclose lcm
    ldexp le logaddexp logaddexp2 logical_and logical_or logical_xor lt maximum minimum mul ne
    nextafter pow remainder rsub sub xlogy clamp_max clamp_min special.xlog1py special.zeta
""".split()


# PyTorch's vector code and its zeta have nan where there is a limit,
FINITE = "nn.functional.gelu special.zeta"
# make numbers of nan,
NUMBERS = "igamma igammac"
# crash at the ends of the integers, or wrap them around,
INSIDE = "floor_divide fmod gcd lcm remainder ldexp special.zeta"
# and do not know halves
WITHOUT_HALF = "special.erfcx special.log_ndtr special.ndtri special.zeta"


def grid(name: str, kind: str) -> tinygrad6.Tensor:
    """The special values that the type has and the function is compared at; of integers, the ends too."""
    dtype = getattr(tinygrad6, kind)
    if kind == "bool":
        return tinygrad6.tensor([False, True])
    if kind.startswith("float"):
        numbers = map(float, SPECIAL)
        if name in FINITE or name in NUMBERS:
            numbers = [v for v in numbers if math.isfinite(v) or name in NUMBERS and v == v]
        return tinygrad6.tensor(list(numbers), dtype=dtype)
    ends = np.iinfo(kind)
    found = [v for v in (-9, -2, -1, 0, 1, 2, 3, 7, 8, 100) if v >= ends.min]
    return tinygrad6.tensor(found if name in INSIDE else [ends.min, *found, ends.max], dtype=dtype)


def compared(name, *args):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            same(lambda lib, *args: operator.attrgetter(name)(lib)(*args), *args)
        except AssertionError as e:
            raise AssertionError(f"{[str(a.dtype) for a in args]}: {e}") from None


@pytest.mark.parametrize("name", ONE)
def test_one(name):
    for kind in KINDS:
        if kind != "float16" or name not in WITHOUT_HALF:
            compared(name, grid(name, kind))


@pytest.mark.parametrize("name", TWO)
def test_two(name):
    """Each type with itself, with the next and with one that depends on the function."""
    other = TWO.index(name) % 7 + 2
    for i, kind in enumerate(KINDS):
        for step in (0, 1, other):
            second = KINDS[(i + step) % len(KINDS)]
            if "float16" not in (kind, second) or name not in WITHOUT_HALF:
                compared(name, grid(name, kind).reshape(-1, 1), grid(name, second))
