"""What an experiment is given: the data, a seed, and how large to be;
and the errors that end a run in one line."""

import os
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import tinygrad6 as torch
from tinygrad6 import datasets


class LabError(Exception):
    """Something the user can mend, said in one line."""


def code_of(name):
    """A checksum of the code that computes an experiment: a changed experiment is computed again."""
    files = {"decay", "training", "lab", name} if name in ("dropout", "search") else {"training", "lab", name}
    return zlib.crc32(b"".join((Path(__file__).parent / f"{f}.py").read_bytes() for f in sorted(files)))


@dataclass
class Lab:
    data: str = "digits"
    seed: int = 0
    quick: bool = False
    out: Path = Path("out/chapter6")
    mnist: str | None = None  # folder or file of the MNIST set
    workers: int = 2  # processes of the hyperparameter search
    storage: str | None = None  # its Optuna URL
    force: bool = False
    _sets: tuple = field(default=(), repr=False)

    def pick(self, full, quick):
        """A size, for the whole experiment or for --quick."""
        return quick if self.quick else full

    @property
    def key(self):
        """What tells the results of one setting from those of another, as a part of file names."""
        return f"{self.data}{'-quick' if self.quick else ''}-seed{self.seed}"

    def load(self):
        if not self._sets:
            self._sets = load(self.data, self.mnist)
        return self._sets

    @property
    def train(self):
        """Training images (N, pixels) float32 in [0, 1] and labels (N,) int64:
        1297 digits or 60000 of MNIST."""
        return self.load()[0]

    @property
    def test(self):
        """Test images and labels: 500 digits or 10000 of MNIST."""
        return self.load()[1]

    def first(self, n):
        """The first n training images and their labels."""
        x, y = self.train
        return x[:n], y[:n]

    def sizes(self, *hidden):
        """The sizes of a network's layers between pixels and ten classes."""
        return self.train[0].shape[1], *hidden, 10

    def bar(self, text, total, steps=None):
        """A progress bar, where somebody is looking."""
        from tqdm import tqdm

        quiet = not sys.stderr.isatty()
        return tqdm(steps, f"  {text}", total=total, leave=False, disable=quiet, mininterval=0.2)

    def progress(self, text):
        """steps -> range(steps) with a progress bar."""
        return lambda steps: self.bar(text, steps, range(steps))


def load(name, mnist=None):
    """((x, y) for training, (x, y) for testing). The digits are shuffled once, always in the same way."""
    if name == "digits":
        x, y = datasets.digits()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(6))
        x, y = x[order], y[order]
        return (x[:1297], y[:1297]), (x[1297:], y[1297:])
    try:
        return datasets.mnist(mnist or os.environ.get("MNIST") or "data")
    except (OSError, RuntimeError) as e:
        raise LabError(
            f"--data mnist: {e}; say where it is with --mnist PATH or the variable MNIST"
        ) from None
