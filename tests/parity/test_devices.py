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


ASKED = """is_available is_initialized device_count empty_cache memory_allocated max_memory_allocated
    memory_reserved memory_stats seed seed_all get_rng_state_all get_arch_list
    current_device synchronize get_device_name get_device_properties current_stream default_stream
    get_rng_state initial_seed mem_get_info init ipc_collect""".split()


@pytest.mark.parametrize("name", ASKED)
def test_what_cuda_says_where_there_is_none(name):
    if name == "ipc_collect":  # which does nothing here
        return
    same(lambda torch: [getattr(torch.cuda, name)()])


def test_other_things_of_cuda():
    def run(torch):
        torch.cuda.set_rng_state_all(torch.cuda.get_rng_state_all())
        torch.cuda.manual_seed_all(0)
        with torch.cuda.stream(None):
            kinds = [
                issubclass(e, RuntimeError) for e in (torch.OutOfMemoryError, torch.cuda.OutOfMemoryError)
            ]
        others = [torch.xpu.is_available(), torch.mtia.is_available(), torch.mps.device_count()]
        return [kinds, others, torch.cuda.default_generators, torch.cuda.device(0) is not None]

    same(run)
    same(lambda torch: torch.cuda.device(0).__enter__())
    same(lambda torch: torch.cuda.set_per_process_memory_fraction(0.5))
    with pytest.raises(AssertionError, match="CUDA"):
        tinygrad6.cuda.stream(3)


def test_switches_of_attention_and_precision():
    def run(torch):
        b = torch.backends
        before = [b.cuda.flash_sdp_enabled(), b.cuda.mem_efficient_sdp_enabled(), b.cuda.math_sdp_enabled()]
        b.cuda.enable_flash_sdp(False)
        after = [b.cuda.flash_sdp_enabled(), b.cuda.mem_efficient_sdp_enabled()]
        b.cuda.enable_flash_sdp(True)
        kinds = [b.cuda.matmul.fp32_precision, b.cudnn.conv.fp32_precision, b.cudnn.rnn.fp32_precision]
        return [before, after, kinds]

    same(run)
    with tinygrad6.backends.cuda.sdp_kernel(enable_flash=False):
        pass
