"""The lines of tests/lines.py, in both libraries; tests/running.py says what the names in them are."""

from __future__ import annotations

import pytest
import torch.nn.utils.fusion
import torch.nn.utils.prune  # noqa: F401 -- lines find these in nn.utils
from running import compared, lines

from tinygrad6.nn.utils import fusion, prune  # noqa: F401


@pytest.mark.parametrize("line", lines())
def test_a_line(line):
    said = compared(line.removeprefix("! "))
    assert line[0] != "!" or len(said) == 2 and said[0] == said[1], said
