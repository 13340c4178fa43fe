"""Devices: PyTorch's names can be made and compared; to put a tensor there is an error."""

from __future__ import annotations

import copy
import pickle

import pytest
from helpers import same

import tinygrad6

NAMES = ["cpu", "cpu:0", "cuda", "cuda:1", "mps", "meta", "xpu:0", "foo", "cuda:01", "cuda:-1", "cuda:", ""]


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    def run(torch):
        d = torch.device(name)
        twins = [
            torch.device(d),
            copy.deepcopy(d),
            pickle.loads(pickle.dumps(d)),
            torch.device(d.type, d.index),
        ]
        return [
            str(d),
            repr(d),
            d.type,
            d.index,
            [t == d for t in twins],
            d == torch.device("cpu"),
            d == name,
        ]

    same(run)


def test_forms():
    same(lambda torch: str(torch.device(type="cuda", index=1)))
    same(lambda torch: torch.device("cuda:1", 1))
    same(lambda torch: torch.device(0))
    same(lambda torch: torch.device(None))

    def pick(torch):
        use_cuda = torch.cuda.is_available()
        d = torch.device("cuda" if use_cuda else "cpu")
        spare = torch.device("cuda", 0)
        net = torch.nn.Linear(2, 2).to(d)
        return [d != spare, d.type, str(net.weight.device), len({d, spare, torch.device("cpu")})]

    same(pick)


USES = {
    "zeros": lambda torch, d: torch.zeros(2, device=d),
    "tensor": lambda torch, d: torch.tensor([1.0], device=torch.device(d)),
    "arange": lambda torch, d: torch.arange(3, device=d),
    "like": lambda torch, d: torch.rand_like(torch.ones(2), device=torch.device(d)),
    "new": lambda torch, d: torch.ones(2).new_zeros(3, device=d),
    "to": lambda torch, d: torch.ones(2).to(d),
    "to_named": lambda torch, d: torch.ones(2).to(device=torch.device(d), dtype=torch.float64),
    "module": lambda torch, d: torch.nn.Linear(2, 3, device=d),
    "module_to": lambda torch, d: torch.nn.Linear(2, 3).to(torch.device(d)),
    "average": lambda torch, d: torch.optim.swa_utils.AveragedModel(torch.nn.Linear(1, 1), device=d),
}


@pytest.mark.parametrize("use", USES)
def test_uses(use):
    same(lambda torch: [USES[use](torch, "cpu") is not None])
    for d in ("cuda", "cuda:0"):
        same(lambda torch, d=d: USES[use](torch, d))
    with pytest.raises(RuntimeError, match="mps"):
        USES[use](tinygrad6, "mps")
    with pytest.raises(NotImplementedError, match="meta.*use 'cpu'"):
        USES[use](tinygrad6, "meta")


def test_blocks():
    def run(torch):
        with torch.device("cpu"):
            return torch.zeros(2)

    same(run)
    with pytest.raises(NotImplementedError, match="meta"), tinygrad6.device("meta"):
        pass
