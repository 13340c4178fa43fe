"""The lines of tests/lines.py, in both libraries; tests/running.py says what the names in them are."""

from __future__ import annotations

import pytest
from running import compared, lines


@pytest.mark.parametrize("line", lines())
def test_a_line(line):
    said = compared(line.removeprefix("! "))
    assert line[0] != "!" or len(said) == 2 and said[0] == said[1], said
