"""Whole training scripts, each run from one source with PyTorch and, its imports changed, with tinygrad6.

Those in scripts/ collect their losses; of those in scripts/printed/ all that they print is compared.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tinygrad6.datasets import digits

HERE = Path(__file__).parent / "scripts"
SCRIPTS = sorted(HERE.glob("*.py"))
PRINTED = sorted((HERE / "printed").glob("*.py"))
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)|\bnan\b|\binf\b", re.I)


def with_our_imports(source: str) -> str:
    """The promise: only the imports change."""
    source = re.sub(r"^import torch$", "import tinygrad6 as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 tinygrad6", source, flags=re.M)


def run(source: str, name: str, data: Path) -> list[float]:
    space = {"__name__": "__main__", "DATA": data}
    exec(compile(source, name, "exec"), space)
    return space["losses"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_losses_agree(script, tmp_path):
    images, labels = digits()
    data = tmp_path / "digits.npz"
    np.savez(data, images=(images.numpy() * 16).round().astype(np.uint8), labels=labels.numpy())
    source = script.read_text()
    theirs = run(source, str(script), data)
    ours = run(with_our_imports(source), f"{script} with tinygrad6", data)
    assert len(ours) == len(theirs) >= 50
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.mean(theirs[40:50]) != theirs[0], "nothing was learned: the comparison shows nothing"


def agree(ours: str, theirs: str) -> bool:
    """Whether two printed numbers agree to 1e-4, or to one unit in the last of the few places shown."""
    a, b = float(ours), float(theirs)
    places = len(theirs.partition(".")[2])
    shown = 10.0**-places if "." in theirs and "e" not in theirs and places <= 5 else 0.0
    return a == b or math.isnan(a) and math.isnan(b) or abs(a - b) <= 1e-4 * abs(b) + 2e-6 + 1.01 * shown


def printed(source: str, name: str, monkeypatch) -> list[str]:
    """What the script prints, but for the names of nodes."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)  # where pickle looks for the script's classes
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, name, "exec"), main.__dict__)
    return re.sub(r"grad_fn=<\w+>", "grad_fn", out.getvalue()).splitlines()


@pytest.mark.parametrize("script", PRINTED, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore")
def test_prints_agree(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some save checkpoints
    source = script.read_text()
    theirs = printed(source, str(script), monkeypatch)
    ours = printed(with_our_imports(source), f"{script} with tinygrad6", monkeypatch)
    numbers = 0
    for i, (a, b) in enumerate(itertools.zip_longest(ours, theirs, fillvalue="")):
        mine, wanted = NUMBER.findall(a), NUMBER.findall(b)
        assert NUMBER.sub("#", a).split() == NUMBER.sub("#", b).split(), (
            f"line {i + 1}: {a!r}, expected {b!r}"
        )
        assert all(map(agree, mine, wanted)), f"line {i + 1}: {a!r}, expected {b!r}"
        numbers += len(wanted)
    assert numbers >= 40
