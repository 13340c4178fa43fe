"""The README's training script, as printed there: the first thing to run after a change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tinygrad6 as torch
from tinygrad6 import nn, optim

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.skipif(not README.exists(), reason="runs from a checkout")
def test_the_readme_script_runs_as_printed(capsys):
    script = next(s for s in re.findall(r"```python\n(.*?)```", README.read_text(), re.S) if "for epoch" in s)
    assert len(script.splitlines()) <= 24
    exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
    accuracy = float(re.search(r"accuracy (\d+\.\d+) ?%", capsys.readouterr().out).group(1))
    assert accuracy > 95


def test_a_small_net_learns_the_exclusive_or():
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([0, 1, 1, 0])
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert model(x).argmax(1).tolist() == [0, 1, 1, 0] and loss.item() < 0.05
