"""Wrong calls: where PyTorch refuses, we refuse, with its type of exception, and nothing is changed.

Each function of the registry that PyTorch has is called with one argument of its first example replaced: by
things that are no tensor, by tensors of other types and shapes, and by wrong settings. So are the functions,
methods, modules, optimizers, schedulers, data sets and distributions of bad_input.py: by default one in sixty
of some 60,000 calls, each in the intense profile. bad_input.on_purpose has what is otherwise for a reason.
"""

from __future__ import annotations

import collections
import warnings
from typing import Any

import bad_input
import hypothesis
import numpy as np
import pytest
import torch
from left_over import OTHERWISE

import tinygrad6
from tinygrad6.op import COMPOSITES, OPS

STRANGE = [None, "x", [1], -1, -100, float("nan"), 1.5, (0, 1, 2, 3, 4, 5), object()]
TENSORS = {
    "bool": lambda lib: lib.tensor([True, False]),
    "int": lambda lib: lib.tensor([[1, 2, 3], [4, 5, 6]]),
    "half": lambda lib: lib.tensor([[1.0, 2.0]]).half(),
    "empty": lambda lib: lib.zeros(0),
    "0-d": lambda lib: lib.tensor(1.5),
    "3-d": lambda lib: lib.ones(7, 5, 3),
    "double": lambda lib: lib.ones(2, 3).double(),
}
# PyTorch itself crashes, or allocates without end.
LEFT_OUT = {
    "igamma",
    "igammac",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "interpolate",
    "local_response_norm",
}
# We take what PyTorch's CPU kernels lack, or one number for several.
LOOSER = {
    ("cdist", "half"), ("erfcx", "half"), ("log_ndtr", "half"), ("ndtri", "half"), ("zeta", "half"),
    ("topk", "bool"), ("kthvalue", "bool"), ("max_pool1d", "int"), ("gradient", "bool"),
    ("cartesian_prod", "bool"), ("vecdot", "int"), ("vecdot", "double"), ("logsumexp", "dim=None"),
    ("movedim", "source=[1]"), ("movedim", "destination=[1]"), ("moveaxis", "source=[1]"),
    ("moveaxis", "destination=[1]"), ("tile", "dims=None"), ("renorm", "p=nan"),
    ("conv_tbc", "pad=[1]"), ("lp_pool1d", "kernel_size=[1]"), ("renorm", "maxnorm=nan"),
    ("lp_pool2d", "kernel_size=[1]"), ("lp_pool3d", "kernel_size=[1]"), ("fill", "other=None"),
    ("fill", "other=[1]"),
}  # fmt: skip
# Both refuse, with types that differ: PyTorch's comes from a check further inside.
OTHER_TYPES = {
    "as_strided", "as_strided_scatter", "addbmm", "baddbmm", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "block_diag", "cartesian_prod", "chain_matmul", "channel_shuffle", "cholesky_solve", "conv_tbc",
    "conv2d", "cross", "embedding", "fill", "fold", "kthvalue", "log_softmax", "logcumsumexp",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "movedim",
    "moveaxis", "mv", "narrow_copy", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
    "repeat_interleave", "reshape", "slice_scatter", "softmax", "split", "adaptive_avg_pool1d",
    "adaptive_max_pool1d", "grid_sample", "tile", "unflatten", "unfold", "roll", "lerp", "clamp_min",
    "clamp_max",
}  # fmt: skip
OURS = (TypeError, RuntimeError, ValueError, IndexError, NotImplementedError)


def find(lib: Any, name: str) -> Any:
    for space in (lib, lib.nn.functional, lib.special, lib.linalg):
        if callable(getattr(space, name, None)):
            return getattr(space, name)
    return None


def arguments(example: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    drawn = [np.asarray(s(rng)) if callable(s) else rng.uniform(0.3, 0.9, s) for s in example.shapes]
    return [a.astype(np.float32) if a.dtype == np.float64 else a for a in drawn]


def tensors(lib: Any, arrays: list[np.ndarray]) -> list[Any]:
    return [lib.from_numpy(a.copy()) if a.ndim else lib.tensor(a.item()) for a in arrays]


def refusal(call: Any, args: list, params: dict) -> Exception | None:
    try:
        call(*args, **params)
    except Exception as e:
        return e
    return None


def names() -> list[str]:
    found = []
    for name, call in {**{n: o.call for n, o in OPS.items()}, **COMPOSITES}.items():
        examples = OPS[name].examples if name in OPS else call.examples
        if name in LEFT_OUT or not examples or not find(torch, name) or not find(tinygrad6, name):
            continue
        arrays, params = arguments(examples[0]), examples[0].params
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if all(
                refusal(find(lib, name), tensors(lib, arrays), params) is None for lib in (tinygrad6, torch)
            ):
                found.append(name)
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", names())
def test_wrong_calls_are_refused_as_in_pytorch(name):
    example = (OPS[name].examples if name in OPS else COMPOSITES[name].examples)[0]
    arrays, params = arguments(example), dict(example.params)
    ours, theirs = find(tinygrad6, name), find(torch, name)
    cases = []
    for i in range(len(arrays)):
        for value in STRANGE:
            cases.append((f"{'other' if i else 'input'}={value!r}", i, lambda lib, v=value: v, {}))
        for label, make in TENSORS.items():
            cases.append((label, i, make, {}))
    for p in params:
        for value in STRANGE:
            cases.append((f"{p}={value!r}", None, None, {p: value}))
    cases.append(("nonsense=1", None, None, {"nonsense": 1}))
    wrong = []
    for label, i, make, changed in cases:
        refusals = []
        for lib, call in ((tinygrad6, ours), (torch, theirs)):
            args = tensors(lib, arrays)
            if make is not None:
                args[i] = make(lib)
            refusals.append(refusal(call, args, {**params, **changed}))
            if lib is tinygrad6:
                left = [
                    j for j in range(len(arrays)) if j != i and not np.array_equal(args[j].numpy(), arrays[j])
                ]
                assert not left, f"{label}: argument {left} was changed"
        mine, his = refusals
        if mine is not None and not isinstance(mine, OURS):
            wrong.append(f"{label}: an accident: {mine!r}")
        elif mine is None and his is not None and (name, label) not in LOOSER:
            wrong.append(f"{label}: taken; PyTorch: {his!r}")
        elif mine is not None and his is not None and name not in OTHER_TYPES:
            alike = isinstance(mine, type(his)) or isinstance(his, type(mine))
            if not alike and not isinstance(his, AttributeError):
                wrong.append(f"{label}: {mine!r}; PyTorch: {his!r}")
    assert not wrong, "\n".join(wrong)


# ---- calls that went otherwise once

ONCE = """
linalg.solve_triangular(x(3, 3) + torch.eye(3), x(3, 2).double(), upper=True)
linalg.lstsq(x(4, 3) + torch.eye(4, 3), x(1, 4, 2))
linalg.lstsq(x(4, 3), torch.tensor(1.0))
linalg.solve(torch.eye(3), torch.tensor(1.0))
linalg.cholesky_ex(torch.tensor([[4.0, 1, 1], [1, -1, 2], [1, 2, 3]]))
linalg.cholesky_ex(torch.tensor([[4.0, 1, 1], [1, -1, 2], [1, 2, 3]]), upper=True)
linalg.cholesky_ex(torch.eye(3))
linalg.eigh(torch.eye(3) * nan)
linalg.matrix_rank(torch.eye(3) * nan)
linalg.matrix_rank(torch.eye(3), tol='text')
linalg.vander(torch.tensor(2.0), N=4)
linalg.tensorinv(torch.tensor(2.0), ind=2)
linalg.norm(x(3, 3), 2, dim=[])
linalg.norm(x(3, 3), 'fro', 3)
linalg.matrix_norm(x(3, 3), object())
linalg.cond(x(3, 3), p=[])
linalg.lu_solve(torch.eye(2), torch.tensor([0, 1], dtype=torch.int32), x(2, 2))
F.avg_pool1d(i(9, 2, 6) - 4, 2)
F.avg_pool2d(i(9, 2, 6, 6) - 4, 3, 2, 1, divisor_override=-2)
F.avg_pool2d(i(9, 2, 6, 6) - 4, 3, 2, 1, count_include_pad=False)
F.local_response_norm(i(9, 2, 5, 3), 2)
F.rms_norm(x(2, 3), 'text', x(3))
F.layer_norm(x(2, 3), (True,))
x(2, 3).backward('text')
x(2, 3).fill_diagonal_(torch.ones(2))
torch.autograd.backward([p(2) * 2], ['text'])
func.vjp(torch.sin, [1.0])
func.jvp(torch.sin, (x(3),), ())
func.functional_call(nn.Linear(2, 3), 3, (x(4, 2),))
utils.weight_norm(nn.Linear(2, 3), None)
init.orthogonal_(x(2, 3), gain='text')
nn.Conv2d(2, 3, 2, padding=[])
nn.ConvTranspose2d(4, 6, 2, output_padding=(0,))
nn.Transformer(4, 2, 1, 0, 8)(x(3, 2, 4), x(2, 2, 4))
data.DataLoader(None, batch_sampler=[[0]])
""".strip().splitlines()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", ONCE)
def test_goes_as_in_pytorch_now(line):
    assert not bad_input.disagreement(bad_input.parsed(line))


def test_a_bag_divides_by_the_count_of_its_rows():
    """As PyTorch's embedding does; its embedding_bag takes the count of another row on the CPU."""

    def gradient(lib, call):
        table = lib.ones(4, 3, requires_grad=True)
        n = lib.tensor([[0, 1, 1], [2, 1, 0]])
        call(lib.nn.functional, n, table).sum().backward()
        return table.grad.tolist()

    for k in (None, 1):
        ours = gradient(
            tinygrad6, lambda F, n, w: F.embedding_bag(n, w, None, None, 2, True, "sum", padding_idx=k)
        )
        assert ours == gradient(torch, lambda F, n, w: F.embedding(n, w, k, None, 2, True).sum(1))


def test_many_layers_are_refused_and_not_begun():
    nn = tinygrad6.nn
    for make in (nn.RNN, nn.LSTM, nn.GRU):
        with pytest.raises(ValueError, match="64 bits"):
            make(3, 4, 2**70)
    with pytest.raises(ValueError, match="64 bits"):
        nn.Transformer(4, 2, 1, 2**70)
    with pytest.raises(ValueError, match="64 bits"):
        tinygrad6.utils.data.DataLoader([1], num_workers=2**70)


def test_hardly_a_function_is_passed_over():
    assert len(names()) >= 260


# ---- every public function


@pytest.mark.filterwarnings("ignore")
def test_wrong_calls_raise_pytorchs_types():
    intense = hypothesis.settings().max_examples >= 1000
    found = collections.defaultdict(list)
    calls = bad_input.every(1 if intense else 61)
    for call, words in bad_input.judged(calls, bad_input.disagreement):
        if words == "died":  # PyTorch does, of these
            assert "2**70" in str(call) or call.function == "torch.binomial", call
        elif words:
            found[bad_input.name_of(call)].append(f"{call}: {words}")
    wrong = {name: said for name, said in found.items() if len(said) > OTHERWISE.get(name, 0)}
    assert len(calls) > 900
    assert not wrong, "\n".join(line for said in wrong.values() for line in said)
