"""The lines of tests/neighbours.txt, made by tests/neighbours.py of those of lines.py, in both libraries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import compared

FILE = Path(__file__).parents[1] / "neighbours.txt"


def groups():
    """The lines by what they call: the first name after a library's, or the last method."""
    found: dict[str, list[str]] = {}
    for line in FILE.read_text().splitlines():
        called = re.match(r"(?:! )?(?:torch|F|nn|linalg|special|init|rnn|optim)((?:\.\w+)+)", line)
        name = called[1].lstrip(".") if called else (re.findall(r"\.(\w+)\(", line) or ["operators"])[-1]
        found.setdefault(name, []).append(line)
    return [pytest.param(lines, id=name) for name, lines in sorted(found.items())]


@pytest.mark.parametrize("lines", groups())
def test_neighbours(lines):
    for line in lines:
        try:
            said = compared(line.removeprefix("! "))
        except Exception as e:
            raise AssertionError(f"{line}: {e}") from e
        assert line[0] != "!" or len(said) == 2 and said[0] == said[1], (line, said)
