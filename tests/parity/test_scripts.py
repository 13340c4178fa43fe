"""Whole training scripts, each run from one source with PyTorch and, its imports changed, with tinygrad6."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad6.datasets import digits

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


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
