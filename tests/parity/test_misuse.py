"""Programs that take liberties with tensors, views, gradients, modules and optimizers do as in PyTorch.

By default one in fifty of some 26,000 programs of one statement and 500 of two are tried, in the intense
profile all, and 40,000. misuse.PECULIAR has what is otherwise for a reason.
"""

from __future__ import annotations

import hypothesis
import misuse
import pytest
import torch  # noqa: F401 -- before the processes that judge
from bad_input import judged

INTENSE = hypothesis.settings().max_examples >= 1000


def disagreements(programs, seconds=30):
    """Those that matter: which built-in type an error has is for test_bad_input.py."""
    return [
        f"{' ; '.join(program)} -> {words}"
        for program, words in judged(programs, misuse.disagreement, seconds)
        if words and not words.startswith("type")
    ]


@pytest.mark.filterwarnings("ignore")
def test_a_liberty_ends_as_in_pytorch():
    programs = misuse.alone()[:: 1 if INTENSE else 50]
    assert len(programs) > 500
    assert not (wrong := disagreements(programs)), "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
def test_two_liberties_end_as_in_pytorch():
    assert not (wrong := disagreements(misuse.pairs(40_000 if INTENSE else 500))), "\n".join(wrong)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (("t = X()", "t = X() if torch.__name__ == 'torch' else X(3)"), "differs in t"),
        (("t = X()", "t[0] if torch.__name__ == 'torch' else t[9]"), "refuses in 1"),
        (("t = X()", "t[0] if torch.__name__ == 'tinygrad6' else t[9]"), "accepts in 1"),
        (("t = X()", "t.add_(1).no_such"), "half done in 1"),
        (
            ("t = X()", "t.no_such", "t = torch.ones(2, requires_grad=torch.__name__ == 'torch')"),
            "differs in t",
        ),
    ],
)
def test_disagreements_are_noticed(program, said):
    assert misuse.disagreement(program).startswith(said)
