"""What a row is. Each side of a row is a builder: a function of a library that returns the closure to time.

Since tinygrad6 has PyTorch's names, one builder serves both, and torch.compile too. Other sides are written
out: what a NumPy programmer would write ("numpy"), a plain Python loop ("loop"), the matrix products of a
training step alone ("floor"), and the peers' own ways. A closure returns its result, so that tests can
compare the sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

Build = Callable[[Any], Callable[[], Any]]

LIBRARIES = ("tinygrad6", "torch", "torch.compile")  # the sides that one builder serves
PEERS = {"torch": "torch", "torch.compile": "torch", "jax": "jax", "mygrad": "mygrad", "autograd": "autograd"}
BY_HAND = ("numpy", "loop", "floor")  # always run where a row has them
SIDES = ("tinygrad6", *PEERS, *BY_HAND)
PACKAGES = ("numpy", "torch", "jax", "mygrad", "autograd")  # whose versions a report names


@dataclass(frozen=True)
class Row:
    """One line of a table. A figure is seconds per call, or what the call returns where `unit` says so."""

    group: str
    name: str
    sides: dict[str, Build]
    libraries: tuple[str, ...] = LIBRARIES
    unit: str = "s"  # or "returned s", "returned B": the closure measures itself
    rounds: int = 99  # at most: 1 where a call takes a minute and its figure does not vary
    per: int = 0  # ops, parameters, ... in one call: the report adds the cost of one above the NumPy side

    def builder(self, side: str) -> Build | None:
        return self.sides.get("library" if side in self.libraries else side)


GROUPS: dict[str, dict[str, Row]] = {}


def row(group: str, name: str, library: Build | None = None, *, libraries: Any = LIBRARIES, unit: str = "s",
        rounds: int = 99, per: int = 0, **sides: Build | None) -> None:  # fmt: skip
    """Define a row; `library` is the builder for tinygrad6, torch and torch.compile,
    or for those in `libraries`."""
    built = {k: b for k, b in {"library": library, **sides}.items() if b is not None}
    GROUPS.setdefault(group, {})[name] = Row(group, name, built, libraries, unit, rounds, per)


def library(side: str, tiny: bool = False, mnist: str = "") -> Any:
    """What builders are given: the names of a library, and the settings of the run."""
    lib = SimpleNamespace(side=side, tiny=tiny, mnist=mnist, compile=lambda f: f, reset=lambda: None)
    if side.startswith("torch"):
        import torch
        import torch.nn.functional as F
        from torch import nn, optim
        from torch.utils import data

        if side == "torch.compile":
            lib.compile, lib.reset = torch.compile, torch.compiler.reset
    elif side == "tinygrad6":
        import tinygrad6 as torch  # type: ignore[no-redef]
        import tinygrad6.nn.functional as F  # type: ignore[no-redef]
        from tinygrad6 import nn, optim  # type: ignore[no-redef]
        from tinygrad6.utils import data  # type: ignore[no-redef]
    else:
        return lib
    lib.torch, lib.nn, lib.optim, lib.F, lib.data = torch, nn, optim, F, data
    return lib
