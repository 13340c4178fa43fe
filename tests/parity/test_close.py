"""torch.testing.assert_close: what it lets pass, and with which error it refuses the rest."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import tinygrad6

NAN, INF = float("nan"), float("inf")
PAIRS = {
    "same": lambda t: (t.tensor([1.0]), t.tensor([1.0])),
    "other": lambda t: (t.tensor([1.0]), t.tensor([2.0])),
    "close": lambda t: (t.tensor([1.0]), t.tensor([1.000001])),
    "half": lambda t: (t.tensor([1.0], dtype=t.float16), t.tensor([1.0009], dtype=t.float16)),
    "types": lambda t: (t.tensor([1.0]), t.tensor([1.0], dtype=t.float64)),
    "integers": lambda t: (t.tensor([1, 2]), t.tensor([1, 2])),
    "other_integers": lambda t: (t.tensor([1, 2]), t.tensor([1, 3])),
    "integer_float": lambda t: (t.tensor([1]), t.tensor([1.0])),
    "shapes": lambda t: (t.tensor([1.0]), t.tensor([[1.0]])),
    "broadcast": lambda t: (t.ones(2), t.tensor(1.0)),
    "numbers": lambda t: (1.0, 1.0),
    "other_numbers": lambda t: (1.0, 2.0),
    "number_types": lambda t: (1, 1.0),
    "tensor_number": lambda t: (t.tensor(1.0), 1.0),
    "number_tensor": lambda t: (1.0, t.tensor(1.0)),
    "booleans": lambda t: (True, True),
    "truth": lambda t: (t.tensor([True]), t.tensor([False])),
    "arrays": lambda t: (np.ones(2), np.ones(2)),
    "array_tensor": lambda t: (np.ones(2, np.float32), t.ones(2)),
    "array_number": lambda t: (np.float32(1), 1.0),
    "lists": lambda t: ([1.0, t.ones(2)], [1.0, t.ones(2)]),
    "list_tuple": lambda t: ([1.0], (1.0,)),
    "lengths": lambda t: ([1.0], [1.0, 2.0]),
    "dicts": lambda t: ({"a": [t.ones(1), 2]}, {"a": [t.ones(1), 2]}),
    "inside": lambda t: ({"a": [t.ones(1), 2]}, {"a": [t.ones(1), 3]}),
    "keys": lambda t: ({"a": 1.0}, {"b": 1.0}),
    "strings": lambda t: ("a", "a"),
    "string_lists": lambda t: (["a"], ["a"]),
    "nothing": lambda t: (None, None),
    "nothing_something": lambda t: (None, t.tensor(1.0)),
    "nan": lambda t: (t.tensor([NAN]), t.tensor([NAN])),
    "nan_number": lambda t: (NAN, NAN),
    "inf": lambda t: (t.tensor([INF]), t.tensor([INF])),
    "inf_minus": lambda t: (t.tensor([INF]), t.tensor([-INF])),
    "empty": lambda t: (t.tensor([]), t.tensor([])),
    "empty_lists": lambda t: ([], []),
    "sets": lambda t: ({1}, {1}),
    "dtypes": lambda t: (t.float32, t.float32),
    "gradient": lambda t: (t.ones(1, requires_grad=True), t.ones(1)),
    "parameter": lambda t: (t.nn.Parameter(t.ones(1)), t.ones(1)),
    "tensor_list": lambda t: (t.tensor([1.0, 2.0]), [1.0, 2.0]),
    "strides": lambda t: (t.ones(2, 3).T, t.ones(3, 2)),
}
SETTINGS = {
    "": {},
    "equal_nan": {"equal_nan": True},
    "any_dtype": {"check_dtype": False},
    "strides": {"check_stride": True},
    "wide": {"rtol": 0, "atol": 1.5},
    "one": {"rtol": 1e-3},
    "classes": {"allow_subclasses": False},
    "others": {"check_device": False, "check_layout": False, "msg": "text"},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("pair", PAIRS)
def test_pairs(pair, settings):
    same(lambda torch: torch.testing.assert_close(*PAIRS[pair](torch), **SETTINGS[settings]))


def test_messages():
    def run(torch, actual, expected, msg):
        try:
            torch.testing.assert_close(actual, expected, msg=msg)
        except AssertionError as e:
            return [str(e).splitlines()[0]]

    one, two = tinygrad6.ones(1), tinygrad6.ones(1) * 2
    for msg in (None, "text", lambda text: "before " + text[:12]):
        for a, b in ((one, two), ({"a": [one]}, {"a": [two]}), (1.0, 2.0), (one, one.double())):
            same(run, a, b, msg=msg)
    with pytest.raises(AssertionError, match=r"item \['a'\]\[0\]"):
        tinygrad6.testing.assert_close({"a": [one]}, {"a": [two]})
    with pytest.raises(AssertionError, match=r"1 / 3.*33.3%(.|\n)*at index \(2,\)"):
        tinygrad6.testing.assert_close(tinygrad6.zeros(3), tinygrad6.tensor([0.0, 0.0, 0.5]))


@pytest.mark.filterwarnings("ignore:.*assert_allclose:FutureWarning")
@pytest.mark.parametrize("other", [1.0, [1.00001], [1.01], [NAN]])
def test_the_older_form(other):
    same(lambda torch: torch.testing.assert_allclose(torch.tensor([1.0]), other))
    same(lambda torch: torch.testing.assert_allclose([1.0], [1.01], rtol=0.1, atol=0))
