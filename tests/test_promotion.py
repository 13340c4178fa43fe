"""What types operations give, frozen from PyTorch 2.13:
all pairs of types, as tensors, 0-d tensors and Python numbers.

Letters: h f d for float16, float32, float64; B for uint8; b s i l for int8 to int64; z for bool; N R T for
the errors NotImplementedError, RuntimeError and TypeError.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad6 as torch

TYPES = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"]
LETTERS = dict(zip(TYPES, "hfdBbsilz", strict=True))
ERRORS = {"N": NotImplementedError, "R": RuntimeError, "T": TypeError}

# of a type with each other type: x + y, x + 0-d y, 0-d x + y, 0-d x + 0-d y, x * y, x / y
PAIRS = {
    "float16": "hhhhhh fhffff dhdddd hhhhhh hhhhhh hhhhhh hhhhhh hhhhhh hhhhhh",
    "float32": "ffhfff ffffff dfdddd ffffff ffffff ffffff ffffff ffffff ffffff",
    "float64": "ddhddd ddfddd dddddd dddddd dddddd dddddd dddddd dddddd dddddd",
    "uint8": "hhhhhh ffffff dddddd BBBBBf sBbssf sBsssf iBiiif lBlllf BBBBBf",
    "int8": "hhhhhh ffffff dddddd sbBssf bbbbbf sbsssf ibiiif lblllf bbbbbf",
    "int16": "hhhhhh ffffff dddddd ssBssf ssbssf sssssf isiiif lslllf sssssf",
    "int32": "hhhhhh ffffff dddddd iiBiif iibiif iisiif iiiiif lilllf iiiiif",
    "int64": "hhhhhh ffffff dddddd llBllf llbllf llsllf llillf lllllf lllllf",
    "bool": "hhhhhh ffffff dddddd BBBBBf bbbbbf sssssf iiiiif lllllf zzzzzf",
}

# with True, 2 and 1.5, of a tensor and a 0-d tensor: x + n, n * x, x / n, x**n
NUMBERS = {
    "float16": "hhhhhhhh hhhhhhhh hhhhhhhh",
    "float32": "ffffffff ffffffff ffffffff",
    "float64": "dddddddd dddddddd dddddddd",
    "uint8": "BBfBBBfB BBfBBBfB ffffffff",
    "int8": "bbfbbbfb bbfbbbfb ffffffff",
    "int16": "ssfsssfs ssfsssfs ffffffff",
    "int32": "iifiiifi iifiiifi ffffffff",
    "int64": "llflllfl llflllfl ffffffff",
    "bool": "zzfzzzfz llflllfl ffffffff",
}

# of x, two ones of each type in the order of TYPES
EXPRESSIONS = {
    "x.sum()": "hfdllllll",
    "x.prod()": "hfdllllll",
    "x.cumsum(0)": "hfdllllll",
    "x.cumprod(0)": "hfdllllll",
    "x.sin()": "hfdffffff",
    "abs(x)": "hfdBbsilN",
    "-x": "hfdBbsilR",
    "x.sqrt()": "hfdffffff",
    "x.sigmoid()": "hfdffffff",
    "x.erf()": "hfdffffff",
    "x.reciprocal()": "hfdffffff",
    "x == 1": "zzzzzzzzz",
    "x.argmax()": "llllllllR",
    "x // 1": "hfdBbsill",
    "x % 2": "hfdBbsill",
    "x % 2.5": "hfdffffff",
    "x.mean()": "hfdRRRRRR",
    "x.var()": "hfdRRRRRR",
    "x.norm()": "hfdRRRRRR",
    "torch.where(x > 0, x, 0)": "hfdBbsill",
    "torch.where(x > 0, x, 0.5)": "hfdffffff",
    "x.clamp(0.5)": "hfdffffff",
    "x.clamp(1)": "hfdBbsill",
    "x.clamp(torch.tensor(0.5))": "hfdffffff",
    "torch.div(x, 2, rounding_mode='floor')": "hfdBbsill",
    "torch.div(x, 2.0, rounding_mode='trunc')": "hfdffffff",
    "torch.atan2(x, x)": "hfdffffff",
    "x.relu()": "hfdBbsilR",
    "torch.full_like(x, 1.5)": "hfdBbsilz",
    "x.round()": "hfdBbsilN",
    "x.floor()": "hfdBbsilN",
    "x.frac()": "hfdNNNNNN",
    "x.max()": "hfdBbsilz",
    "x ** x": "hfdBbsilN",
    "x.exp2()": "hfdffffff",
    "x.logical_not()": "zzzzzzzzz",
    "~x": "TTTBbsilz",
    "x & x": "NNNBbsilz",
    "torch.fmod(x, 2.0)": "hfdffffff",
    "torch.maximum(x, torch.ones(2))": "ffdffffff",
    "torch.cat([x, torch.ones(2, dtype=torch.int16)])": "hfdsssils",
    "torch.stack([x[0], torch.tensor(1.5)])": "ffdffffff",
    "x @ x": "hfdBbsilN",
    "torch.outer(x, x)": "hfdBbsilz",
    "x.softmax(0)": "hfdNNNNNN",
    "x.logsumexp(0)": "hfdffffff",
    "torch.addcmul(x, x, x)": "hfdBbsilN",
    "torch.lerp(x, x, 0.5)": "hfdNNNNNN",
    "x.lerp(x, 0.5)": "hfdNNNNNN",
    "torch.hypot(x, x)": "hfdNNNNNN",
    "x.median()": "hfdBbsilN",
    "x.sort().values": "hfdBbsilz",
    "x.unique()": "hfdBbsilz",
    "torch.bincount(x)": "NNNlllllN",
    "x.diff()": "hfdBbsilz",
    "torch.linspace(0, 1, 3, dtype=x.dtype)": "hfdBbsilN",
    "torch.arange(3, dtype=x.dtype)": "hfdBbsilN",
    "torch.logaddexp(x, x)": "hfdNNNNNN",
    "torch.xlogy(x, x)": "hfdffffff",
    "x.float_power(2)": "ddddddddd",
    "torch.cumulative_trapezoid(x)": "hfdfffffR",
    "x.sign()": "hfdBbsilz",
    "torch.heaviside(x, x)": "hfdBbsilz",
    "torch.gcd(x, x)": "NNNBbsilN",
    "torch.dot(x, x)": "hfdBbsilN",
    "x.type_as(torch.ones(1))": "fffffffff",
    "x.lgamma()": "hfdffffff",
    "x.deg2rad()": "hfdffffff",
    "torch.special.expit(x)": "hfdffffff",
    "x.add_(1)": "hfdBbsilR",
    "x.mul_(1.5)": "hfdRRRRRR",
    "x.div_(2)": "hfdRRRRRR",
    "x.sub_(True)": "RRRRRRRRR",
    "x.masked_fill(x > 0, 2.5)": "hfdBbsilz",
    "x.clamp_(min=0)": "hfdBbsilR",
    "torch.add(x, x, alpha=2)": "hfdBbsilz",
    "torch.add(x, 1, alpha=1.5)": "hfdRRRRRR",
    "x.bool() + x": "hfdBbsilz",
    "torch.tensor(2.5) * x": "hfdffffff",
    "torch.tensor(2) * x": "hfdBbsill",
    "torch.tensor(True) * x": "hfdBbsilz",
    "x.new_ones(2)": "hfdBbsilz",
    "torch.rand_like(x)": "hfdNNNNNN",
    "torch.zeros(2) + x.to(torch.float64)": "ddddddddd",
    "x.histc()": "hfdNNNNNN",
    "torch.isclose(x, x)": "zzzzzzzzz",
    "x.nan_to_num()": "hfdBbsilz",
    "x.trunc()": "hfdBbsilN",
    "x.any()": "zzzBzzzzz",
    "x.all()": "zzzBzzzzz",
    "x.count_nonzero()": "lllllllll",
    "x.bitwise_left_shift(1)": "NNNBbsill",
}


def ones(name, shape=(2,)):
    return torch.ones(shape, dtype=getattr(torch, name))


def letter(tensor):
    return LETTERS[tensor.dtype.name]


@pytest.mark.parametrize("a", TYPES)
def test_two_tensors(a):
    for b, wanted in zip(TYPES, PAIRS[a].split(), strict=True):
        x, y, x0, y0 = ones(a), ones(b), ones(a, ()), ones(b, ())
        got = "".join(letter(t) for t in (x + y, x + y0, x0 + y, x0 + y0, x * y, x / y))
        assert got == wanted, f"{a} with {b}"
        assert LETTERS[torch.promote_types(x.dtype, y.dtype).name] == wanted[0]
        assert LETTERS[torch.result_type(x, y0).name] == wanted[1]


@pytest.mark.parametrize("a", TYPES)
def test_a_tensor_and_a_number(a):
    for number, wanted in zip((True, 2, 1.5), NUMBERS[a].split(), strict=True):
        got = ""
        for shape in ((2,), ()):
            x = ones(a, shape)
            got += "".join(letter(t) for t in (x + number, number * x, x / number, x**number))
        assert got == wanted, f"{a} with {number}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions(expression):
    got = ""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, wanted in zip(TYPES, EXPRESSIONS[expression], strict=True):
            try:
                got += letter(eval(expression, {"torch": torch, "x": ones(name)}))
            except Exception as e:
                kinds = [k for k, kind in ERRORS.items() if isinstance(e, kind)]
                got += wanted if wanted in kinds else type(e).__name__
    assert got == EXPRESSIONS[expression]


def test_the_default_float_is_what_numbers_become():
    torch.set_default_dtype(torch.float64)
    try:
        assert (torch.ones(2, dtype=torch.int64) * 1.5).dtype == torch.float64
        assert torch.tensor(1.5).dtype == (torch.arange(3) / 2).dtype == torch.zeros(1).dtype == torch.float64
        assert (torch.ones(2, dtype=torch.float32) * 1.5).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_number_beside_float16_is_not_rounded_first():
    x = torch.ones(2, dtype=torch.float16)
    assert (x / 192000)[0].item() == np.float16(1 / 192000) != 0
    assert (x * 0.001 * 1e5)[0].item() == 100.0625
    assert x.clone().div_(192000)[0].item() != 0
    y = torch.ones(1, dtype=torch.float16, requires_grad=True)
    (y / 70000).backward(torch.tensor([60000.0], dtype=torch.float16))
    assert y.grad.dtype == torch.float16 and abs(y.grad.item() - 6 / 7) < 1e-3
