"""Finite inputs of any size give results without warnings, and float16 and long sums lose nothing.

That the results are PyTorch's is tested in parity/test_numerics.py; how exact they are in test_accuracy.py.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from extremes import KINDS, NORMS, ONE, ROWS, TWO, inputs, values

import tinygrad6 as torch

CASES = [(table, name) for table in (ONE, TWO, ROWS, NORMS) for name in table]
FILTER = r"(divide by zero|overflow|underflow|invalid value) encountered"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("table, name", CASES, ids=[name for _, name in CASES])
def test_the_whole_range_is_silent(table, name, kind):
    """With the filter that importing the library sets, which pytest has removed."""
    warnings.filterwarnings("ignore", FILTER, module="tinygrad6")
    values(torch, table[name], inputs(table, kind))


# These are silent by themselves: what they pass through on the way to a finite result stays in range, or its
# errors are ignored where they arise. Underflow, to 0 or to a subnormal, is no error.
SILENT = """
    sigmoid tanh silu gelu mish logsigmoid elu selu softplus logaddexp logaddexp2 hypot xlogy smooth_l1_loss
    huber_loss binary_cross_entropy_with_logits bce mse_loss l1_loss atan2 maximum kl_div logsumexp softmax
    log_softmax norm var std cross_entropy cumsum mean layer_norm batch_norm group_norm instance_norm
    normalize cosine_similarity
""".split()
OWN = [(table, name) for table, name in CASES if name.split(",")[0].split(" ")[0] in SILENT]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("table, name", OWN, ids=[name for _, name in OWN])
def test_nothing_overflows_on_the_way_to_a_finite_result(table, name, kind):
    arrays = inputs(table, kind)
    with np.errstate(all="ignore"):
        finite = np.isfinite(values(torch, table[name], arrays)[0])
    if finite.shape[:1] == arrays[0].shape[:1]:
        keep = finite.reshape(len(finite), -1).all(1)
        arrays = [a[keep] for a in arrays]
    elif not finite.all():
        pytest.skip("one result of all rows, and it is not finite")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values(torch, table[name], arrays)


def test_a_backward_pass_ignores_floating_point_errors_and_then_minds_them_again():
    x = torch.tensor([1e30, 0.0], requires_grad=True)
    with np.errstate(all="raise"):
        (x.sqrt() * 1e10).backward(torch.tensor([1e38, 1.0]))
        assert x.grad[1].item() == np.inf
        with pytest.raises(FloatingPointError):
            np.float32(1e30) * np.float32(1e30)
