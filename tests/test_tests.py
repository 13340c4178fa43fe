"""Tests that the tests fail: wrong rules, seeded on purpose, must be caught by some law."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad6.autograd import GradcheckError, gradcheck
from tinygrad6.op import NAMES, OPS, case, op
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.testing import check_op


def seeded(*rules, forward=lambda x, y: x * y, examples=None, **facts):
    """An op with the given rules, taken out of the registry again."""

    def wrong(x, y):
        """x * y, or what a test makes of it."""
        return forward(x, y)

    made = op(*rules, examples=examples or [case((2, 3), (2, 3))], method=False, public=False, **facts)(wrong)
    del OPS["wrong"]
    assert "wrong" not in NAMES
    return made


def x_rule(g, y):
    return g * y


WRONG_RULES = {
    "sign": dict(rules=(lambda g, y: -g * y, lambda g, x: g * x)),
    "factor": dict(rules=(lambda g, y: 2 * g * y, lambda g, x: g * x)),
    "missing term": dict(rules=(lambda g, x: g + 0 * x, lambda g, x: g * x), forward=lambda x, y: x + x * y),
    "swapped": dict(rules=(lambda g, x: g * x, lambda g, y: g * y)),
    "broadcast": dict(rules=(lambda g, y: g.reshape((1,) + g.shape)[0, :1] * y, lambda g, x: g * x)),
    "dtype": dict(rules=(lambda g, y: g * np.float64(1.0) * y, lambda g, x: g * x)),
    "mutates g": dict(rules=(lambda g, y: mutate(g, y), lambda g, x: g * x)),
    "constant at second order": dict(rules=(lambda g, y: g * frozen(y), lambda g, x: g * x)),
    "zero": dict(rules=(lambda g, y: g * 0.0, lambda g, x: g * x)),
    "writes its input": dict(
        rules=(lambda g, y: g * y, lambda g, x: g * x), forward=lambda x, y: spoil(x) * y
    ),
    "fails for 0-d": dict(
        rules=(lambda g, y: g[...] * y, lambda g, x: g * x), forward=lambda x, y: x[0] * 0 + x * y
    ),
    "wrong for 0-d": dict(
        rules=(lambda g, y: g * y * (2 if g.shape == () else 1), lambda g, x: g * x),
    ),
    "drops its second order": dict(rules=(lambda g, y: g * y, lambda g, x: frozen(g) * x)),
    "kernel differs": dict(
        rules=(lambda g, y: g * y, lambda g, x: g * x), kernel=lambda g, x, y: (g * y, g * y)
    ),
}


def mutate(g, y):
    g *= y
    return g


def frozen(y):
    return Tensor(y.array).to(y.array.dtype) if isinstance(y, Tensor) else y


def spoil(x):
    x += 1
    return x


@pytest.mark.parametrize("fault", WRONG_RULES)
def test_a_wrong_rule_is_caught(fault):
    facts = dict(WRONG_RULES[fault])
    made = seeded(*facts.pop("rules"), **facts)
    with pytest.raises((AssertionError, GradcheckError, RuntimeError, ValueError, IndexError, UserWarning)):
        check_op(made)


def test_the_right_rule_passes():
    check_op(seeded(x_rule, lambda g, x: g * x))


def test_a_transposed_rule_is_caught():
    made = seeded(lambda g, y: g @ y, lambda g, x: x @ g, forward=np.matmul, examples=[case((3, 3), (3, 3))])
    with pytest.raises(GradcheckError):
        check_op(made)


def test_an_op_without_domain_or_examples_is_refused():
    with pytest.raises(TypeError, match="give a domain or examples"):
        op(lambda g: g)(lambda x: x)


def test_a_rule_that_asks_for_the_unknown_is_refused():
    with pytest.raises(TypeError, match="asks for 'weather'"):
        seeded(lambda g, weather: g, None)


def test_gradcheck_names_the_worst_element():
    made = seeded(lambda g, y: g * y * np.array([[1, 1, 1], [1, 1, 3]]), lambda g, x: g * x)
    x, y = (wrap(np.random.default_rng(0).uniform(1, 2, (2, 3))).requires_grad_() for _ in range(2))
    with pytest.raises(GradcheckError, match=r"d output\[1, 2\] / d input\[1, 2\]"):
        gradcheck(made, (x, y))
    assert gradcheck(made, (x, y), raise_exception=False) is False
    with pytest.raises(GradcheckError, match="fast mode"):
        gradcheck(made, (x, y), fast_mode=True)


def test_gradcheck_warns_at_a_kink_and_for_float32():
    from tinygrad6 import relu

    x = wrap(np.array([1.0, 0.0])).requires_grad_()
    with pytest.warns(UserWarning, match="kink"), pytest.raises(GradcheckError):
        gradcheck(relu, x)
    with pytest.warns(UserWarning, match="float64"):
        gradcheck(relu, wrap(np.array([1.0], np.float32)).requires_grad_(), eps=1e-3, atol=1e-2)
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(relu, wrap(np.array([1.0])))


def test_the_mutator_changes_rules_and_bodies_and_nothing_else():
    from mutate import mutants

    source = (
        "@op(lambda g, x: -g * (x + 1), examples=[case((2, 3))], domain=(0.5, 2.0))\n"
        "def f(x, eps=1e-5):\n"
        "    '''doc'''\n"
        "    if x < 3:\n"
        "        raise ValueError(f'{x + 1}')\n"
        "    return g(x, 2) if x and True else x\n"
    )
    found = [m.text for m in mutants("optim/none.py", source)]
    assert sorted(found) == sorted(
        [
            "constant: 1e-05  ->  1.00001",
            "comparison: x < 3  ->  x <= 3",
            "comparison: x < 3  ->  x > 3",
            "constant: 3  ->  4",
            "statement: raise ValueError(f'{x + 1}')  ->  pass",
            "branches: g(x, 2) if x and True else x  ->  x if x and True else g(x, 2)",
            "operator: x and True  ->  x or True",
            "constant: True  ->  False",
            "arguments: g(x, 2)  ->  g(2, x)",
            "constant: 2  ->  3",
            "operator: -g * (x + 1)  ->  -g / (x + 1)",
            "sign: -g  ->  g",
            "operator: x + 1  ->  x - 1",
            "constant: 1  ->  2",
        ]
    )
