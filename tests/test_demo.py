"""The demo, at small sizes: it learns, resumes bit for bit, stops in good order, and says what it does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad6 as torch

ROOT = Path(__file__).parents[1]
if not (ROOT / "examples").is_dir():
    pytest.skip("the examples are not part of the installed package", allow_module_level=True)
sys.path.append(str(ROOT))
from examples import digits as demo  # noqa: E402


def run(*args):
    return demo.main([str(a) for a in args])


DRAW = demo.draw


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    """As where matplotlib is missing: drawing takes longer than learning."""
    monkeypatch.setattr(demo, "draw", lambda *args: False)


def test_it_learns(tmp_path, capsys):
    assert run("--epochs", 8, "--out", tmp_path) == 0
    text = capsys.readouterr().out
    assert "1258 training, 270 validation, 269 test images; 86026 parameters" in text
    rows = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+)% +([\d.]+)% +[\d.]+(  best)?$", text, re.M)
    assert [int(r[0]) for r in rows] == list(range(1, 9)) and rows[0][4]
    assert float(rows[-1][1]) < 0.3 * float(rows[0][1])
    accuracy = float(re.search(r"test accuracy of the best epoch: ([\d.]+)%", text)[1])
    assert accuracy > 95
    counts = [
        [int(n) if n != "." else 0 for n in line.split()]
        for line in text.split("taken for)\n")[1].splitlines()[1:11]
    ]
    assert [row[0] for row in counts] == list(range(10))
    total, right = sum(sum(r[1:]) for r in counts), sum(r[1 + i] for i, r in enumerate(counts))
    assert total == 269 and round(100 * right / total, 2) == accuracy
    assert "needs matplotlib" in text  # said, since there is none here
    best = torch.load(tmp_path / "digits-best.pt")
    assert max(float(r[3]) for r in rows) == round(100 * validation_accuracy(best), 2)


def validation_accuracy(state):
    torch.manual_seed(0)
    _, validation, _ = demo.random_split(demo.TensorDataset(*demo.digits()), [0.7, 0.15, 0.15])
    model = demo.Net()
    model.load_state_dict(state)
    return demo.accuracy(model, validation)


def test_a_resumed_run_ends_as_if_it_had_never_stopped(tmp_path, capsys, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("--epochs", 4, "--out", whole) == 0
    train_epoch, started = demo.train_epoch, []

    def interrupted(model, batches, optimizer):
        started.append(0)
        if len(started) == 3:  # in the middle of the third epoch
            batches = iter(batches)
            for x, y in (next(batches) for _ in range(5)):
                demo.F.cross_entropy(model(x), y).backward()
                optimizer.step()
            raise KeyboardInterrupt
        return train_epoch(model, batches, optimizer)

    monkeypatch.setattr(demo, "train_epoch", interrupted)
    assert run("--epochs", 4, "--out", parts) == 130
    assert capsys.readouterr().out.splitlines()[-1].startswith("stopped after 2 whole epochs")
    assert len(torch.load(parts / "digits-last.pt")["history"]) == 2
    monkeypatch.setattr(demo, "train_epoch", train_epoch)
    assert run("--epochs", 4, "--out", parts, "--resume") == 0
    assert "resumed after epoch 2" in capsys.readouterr().out
    for name in ("digits-last.pt", "digits-best.pt"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_resuming_another_run_is_refused(tmp_path, capsys):
    run("--epochs", 1, "--out", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run("--epochs", 2, "--out", tmp_path, "--resume")
    assert stopped.value.code == 2 and "was made with" in capsys.readouterr().err


def test_resuming_nothing_starts(tmp_path, capsys):
    assert run("--epochs", 1, "--out", tmp_path, "--resume") == 0
    assert "resumed" not in capsys.readouterr().out


def test_interrupted_before_anything_is_done(tmp_path, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "train_epoch", interrupt)
    assert run("--out", tmp_path) == 130
    assert "nothing was saved" in capsys.readouterr().out.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_from_outside_leaves_a_whole_checkpoint(tmp_path):
    command = [sys.executable, "-m", "examples.digits", "--epochs", "1000", "--out", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        lines = [process.stdout.readline() for _ in range(6)]  # into the third epoch
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, (lines, rest)
    last = rest.splitlines()[-1]
    whole = int(re.match(r"stopped after (\d+) whole epochs; .*--resume", last)[1])
    assert len(torch.load(tmp_path / "digits-last.pt")["history"]) == whole >= 2


@pytest.mark.parametrize("mistakes", [3, 40])
def test_the_picture_is_drawn(tmp_path, mistakes):
    pytest.importorskip("matplotlib")
    images, labels = demo.digits()
    images, labels = images[:100], labels[:100]
    guesses = labels.clone()
    guesses[:mistakes] = (labels[:mistakes] + 1) % 10
    history = [{"loss": 1 / (1 + i), "train": 0.9 + i / 100, "validation": 0.9} for i in range(5)]
    path = tmp_path / "digits.png"
    assert DRAW(path, history, demo.confusion_matrix(labels, guesses), images, labels, guesses)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


def test_the_confusion_matrix_by_hand():
    counts = demo.confusion_matrix(torch.tensor([0, 0, 2]), torch.tensor([0, 1, 2]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
