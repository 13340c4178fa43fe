"""Corners of the core beside PyTorch, of what is neither an op nor a module.

Each kind of test answers mutants that nothing noticed: of engine, tensor, func, random, printing, files and
data loading.
"""

from __future__ import annotations

import collections
import io
import itertools
import os
import types

import numpy as np
import pytest
import torch
from helpers import same

import tinygrad6
from tinygrad6 import safetensors

pytestmark = pytest.mark.filterwarnings("ignore")


# ---- what there is besides the CPU: nothing, in PyTorch's words

PLACES = "cpu cuda mps accelerator backends.cuda backends.mps backends.mkl backends.openmp".split()
LENIENT = set("empty_cache ipc_collect set_device_idx set_device_index set_stream".split())


def found(lib, path):
    for name in path.split("."):
        lib = getattr(lib, name)
    return lib


@pytest.mark.parametrize("path", PLACES)
def test_what_is_known_of_devices(path):
    ours, theirs = found(tinygrad6, path), found(torch, path)
    for name in dir(ours):
        f = getattr(ours, name)
        if name[0] == "_" or isinstance(f, type) or not callable(f) or not hasattr(theirs, name):
            continue
        if name in LENIENT or name.startswith("reset_"):
            continue
        answers = []
        for call in (f, getattr(theirs, name)):
            try:
                answer = call()
            except Exception as e:
                answer = type(e)
            plain = isinstance(answer, (bool, int, str, type(None), list, tuple, dict, type))
            answers.append(answer if plain else type(answer).__name__)
        assert answers[0] == answers[1], name
    same(lambda lib: lib.cuda.set_rng_state_all([]))
    with pytest.raises((RuntimeError, AssertionError)):
        tinygrad6.cuda.set_rng_state_all([tinygrad6.get_rng_state()])


# ---- values that are kept for a second pass


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("change", ["value", "nothing", "view"])
def test_a_change_between_two_passes_is_noticed(power, change):
    def run(lib):
        leaf = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
        x = leaf * 1
        (g,) = lib.autograd.grad((x**power * x.sin()).sum(), x, create_graph=True)
        with lib.no_grad():
            if change == "value":
                x.mul_(2)
            elif change == "view":
                x[0].fill_(3.0)
        return lib.autograd.grad(g.sum(), leaf)[0]

    same(run)


def test_what_is_changed_in_place_by_another_type():
    def run(lib, name, one, other):
        x = lib.full((3,), 2.0, dtype=one, requires_grad=True)
        y = lib.full((3,), 3.0, dtype=other, requires_grad=True)
        z = x.clone()
        getattr(z, name)(y)
        grads = lib.autograd.grad((z * z).sum(), [x, y], create_graph=True)
        again = lib.autograd.grad(sum((g * g).sum().double() for g in grads), [x, y], allow_unused=True)
        return [z.detach(), z.grad_fn.name()[:3], *(g.detach() for g in grads), *again]

    for name, kinds in itertools.product(
        ["mul_", "add_", "div_", "pow_", "atan2_", "hypot_"],
        itertools.product([tinygrad6.float32, tinygrad6.float64], repeat=2),
    ):
        same(run, name, *kinds, second=False, rtol=1e-5, atol=1e-5)


def test_a_backward_that_differs_by_little_is_found():
    def run(lib, by, allowed):
        class Drifts(lib.autograd.Function):
            calls = 0

            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                Drifts.calls += 1
                return g * (2 + by * Drifts.calls)

        x = lib.ones(2, dtype=lib.float64, requires_grad=True)
        return lib.autograd.gradcheck(Drifts.apply, (x,), nondet_tol=allowed, raise_exception=False)

    for by, allowed in itertools.product([0.0, 1e-9, 1e-7], [0.0, 1e-5]):
        same(run, by, allowed)


COPIES = {
    "reshape": lambda t: t.reshape(-1),
    "reshape_turned": lambda t: t.t().reshape(-1),
    "flatten": lambda t: t.flatten(),
    "flatten_turned": lambda t: t.t().flatten(),
    "ravel_part": lambda t: t[:, ::2].ravel(),
    "contiguous": lambda t: t.contiguous(),
    "contiguous_turned": lambda t: t.t().contiguous(),
    "expand": lambda t: t[:1].expand(3, 4),
    "to": lambda t: t.to(t.dtype),
    "cast": lambda t: t.float(),
    "chosen": lambda t: t[[0, 1]],
    "part": lambda t: t[1:],
    "one": lambda t: t[0, 0],
    "diagonal": lambda t: t.diagonal(),
    "unfold": lambda t: t.unfold(1, 2, 2),
    "split": lambda t: t.split(1)[0],
    "unbind": lambda t: t.unbind()[1],
    "real": lambda t: t.real,
    "narrow": lambda t: t.narrow(0, 1, 1),
    "squeeze": lambda t: t[:1].squeeze(),
    "view_as": lambda t: t.view_as(t),
    "detach": lambda t: t.detach(),
    "clone": lambda t: t.clone(),
    "broadcast": lambda t: t.broadcast_to((2, *t.shape)),
    "tile": lambda t: t.tile(1),
    "repeat": lambda t: t.repeat(1, 1),
    "roll": lambda t: t.roll(0, 0),
    "flip": lambda t: t.flip(0),
    "movedim": lambda t: t.movedim(0, 1),
    "unflatten": lambda t: t.unflatten(1, (2, 2)),
    "take": lambda t: t.take_along_dim(t.argsort(1), 1),
    "chunk": lambda t: t.chunk(1)[0],
    "identity": lambda t: t.view(t.shape),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("grad", [True, False])
def test_what_is_a_view_and_what_a_copy(kind, grad):
    """By `_is_view`, by a write into the result, and by a write into what it came from."""

    def run(lib):
        leaf = lib.arange(12.0, dtype=lib.float64).reshape(3, 4).clone().requires_grad_(grad)
        t = leaf * 1
        part = COPIES[kind](t)
        seen = [part._is_view(), part is t, part._base is t, part.stride(), part.storage_offset()]
        with lib.no_grad():
            t.mul_(2)
            seen += [part.clone(), part._version]
        t = leaf * 1
        part = COPIES[kind](t)
        try:
            part.mul_(3)
        except RuntimeError:
            return [*seen, "refused"]
        seen += [t.detach().clone(), t._version]
        return seen + (list(lib.autograd.grad((t * t).sum(), leaf)) if grad else [])

    same(run)


# ---- func


def nested(lib):
    lib.manual_seed(0)
    m = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2)))
    m[1][0].weight = m[0].weight
    m.register_buffer("shift", lib.ones(1))
    return m


@pytest.mark.parametrize("tie_weights", [True, False])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        ["0.weight"],
        ["1.0.weight"],
        ["1.0.bias", "1.1.running_mean"],
        ["0.weight", "1.0.weight"],
        ["shift"],
        ["no.such"],
        ["1.other"],
        ["other"],
        ["0"],
        ["1.0.in_features"],
        [],
    ],
    ids=str,
)
def test_calls_with_other_parameters(names, strict, tie_weights):
    def run(lib):
        m = nested(lib)
        own = {**dict(m.named_parameters(remove_duplicate=False)), **dict(m.named_buffers())}
        given = {n: own[n].detach() + 1 if n in own else lib.ones(1) for n in names}
        if strict:
            given = {n: given.get("0.weight", t.detach()) if t is m[0].weight else t for n, t in own.items()}
            given |= {n: given[n] if n in own else lib.ones(1) for n in names}
        out = lib.func.functional_call(
            m, given, lib.arange(6.0).reshape(3, 2), tie_weights=tie_weights, strict=strict
        )
        return [out.detach(), *m.state_dict().values(), m[1][0].weight is m[0].weight]

    same(run)


MISUSE = {
    "randomness": lambda lib: lib.func.vmap(lib.sin, randomness="any"),
    "called": lambda lib: lib.func.vmap(lib.sin, randomness="any")(lib.ones(2)),
    "chunks": lambda lib: lib.func.vmap(lib.sin, chunk_size=0)(lib.ones(2)),
    "classes": lambda lib: lib.func.stack_module_state([lib.nn.Linear(2, 2), lib.nn.Bilinear(2, 2, 2)]),
    "modes": lambda lib: lib.func.stack_module_state([lib.nn.Linear(2, 2), lib.nn.Linear(2, 2).eval()]),
    "none": lambda lib: lib.func.stack_module_state([]),
    "frozen": lambda lib: lib.func.stack_module_state(
        [lib.nn.Linear(2, 2), lib.nn.Linear(2, 2).requires_grad_(False)]
    ),
    "two": lambda lib: len(lib.func.stack_module_state([lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)])),
}


@pytest.mark.parametrize("name", MISUSE)
def test_misuse_of_func(name):
    same(lambda lib: MISUSE[name](lib))


def test_many_ways_through_a_graph_are_walked_once():
    """2^60 ways lead from the end of the graph to its beginning."""

    def f(x):
        for _ in range(60):
            x = x.sin() + x.cos()
        return x.sum()

    x = tinygrad6.ones(2, dtype=tinygrad6.float64)
    assert tinygrad6.func.grad(f)(x).shape == (2,)
    assert tinygrad6.autograd.functional.vjp(f, x)[1].shape == (2,)
    assert tinygrad6.func.vjp(f, x)[0].ndim == 0


@pytest.mark.parametrize("driver", [None, "gelsy", "gelsd", "gelss", "gels"])
@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
@pytest.mark.parametrize("full", [True, False])
def test_least_squares(driver, shape, full):
    def run(lib, a, b):
        if not full:
            a = lib.cat([a[..., :1], a[..., :1] * 2, a[..., 2:]], -1)
        if driver in (None, "gelsy", "gels") and not full:  # gelsy says that the rank is 1
            return None
        x, residuals, rank, values = lib.linalg.lstsq(a, b, driver=driver)
        return [x, residuals, rank, values]

    rng = np.random.default_rng(0)
    same(
        run,
        tinygrad6.tensor(rng.normal(size=shape)),
        tinygrad6.tensor(rng.normal(size=(*shape[:-1], 2))),
        second=False,
        rtol=1e-6,
        atol=1e-6,
    )


# ---- numbers at which one method of drawing gives way to another


@pytest.mark.parametrize(
    "draw",
    [
        lambda lib: lib.distributions.Gamma(lib.tensor([1.0, 0.999, 1.001, 0.5] * 4).double(), 1.0).sample(),
        lambda lib: lib.poisson(lib.tensor([10.0, 9.999, 10.001, 0.0, 1.0] * 5)),
        lambda lib: lib.binomial(
            lib.tensor([20.0, 20, 20, 100, 19, 21, 10, 0] * 4),
            lib.tensor([0.5, 0.5001, 0.4999, 0.1, 0.5, 0.5, 1.0, 0.3] * 4),
        ),
        lambda lib: [lib.randn(n) for n in (15, 16, 17, 31, 32, 33)],
        lambda lib: [lib.randint(0, n, (3,)) for n in (2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40)],
        lambda lib: [lib.randperm(n) for n in (0, 1, 2, 33)],
        lambda lib: [lib.multinomial(lib.ones(5), n, r) for n in (1, 2, 5) for r in (True, False)],
        lambda lib: [lib.empty(3).exponential_(), lib.empty(3).geometric_(0.3), lib.empty(3).cauchy_()],
        lambda lib: [lib.bernoulli(lib.tensor([0.0, 1.0, 0.5])), lib.empty(3).log_normal_()],
        lambda lib: [lib.empty(20).random_(), lib.empty(3).random_(7), lib.empty(3).random_(-2, 3)],
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_draws_where_methods_change(draw, seed):
    def run(lib):
        lib.manual_seed(seed)
        first = draw(lib)
        return [first, draw(lib), lib.rand(2)]

    same(run, rtol=1e-4, atol=1e-5)


# ---- printing, where one form gives way to another


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 1000.0], [1.0, 1000.5], [1.5, 1500.0], [1.5, 1501.0], [1e8], [1e8 + 100], [1e8, 1.0], [1e-4],
        [0.99e-4], [1.0, 1e-4], [0.5, 1e-5], [0.0], [-0.0], [float("nan"), 1.5], [float("inf"), 1e9], [1e5],
        [99999.0, 0.1], [123456.0], [1e16], [-1.0, 1.0], [],
    ],
    ids=str,
)  # fmt: skip
def test_forms_of_printed_numbers(values):
    same(lambda lib: [repr(lib.tensor(values)), repr(lib.tensor(values, dtype=lib.float64)[None])])


@pytest.mark.parametrize("n", [999, 1000, 1001])
@pytest.mark.parametrize("shape", [(-1,), (1, -1), (-1, 1)])
def test_long_tensors_are_summarized(n, shape):
    same(lambda lib: repr(lib.arange(n).reshape(shape)))
    same(lambda lib: repr(lib.arange(float(n)).reshape(shape)))


# ---- files


KINDS = {
    "dict": lambda lib: {"a": 1},
    "ordered": lambda lib: collections.OrderedDict(a=1),
    "counter": lambda lib: collections.Counter("aab"),
    "default": lambda lib: collections.defaultdict(list, a=[1]),
    "list": lambda lib: [1, 2],
    "tuple": lambda lib: (1, [2]),
    "set": lambda lib: {1, 2},
    "bytes": lambda lib: bytearray(b"xyz"),
    "tensor": lambda lib: lib.ones(2),
    "parameter": lambda lib: lib.nn.Parameter(lib.ones(2)),
    "array": lambda lib: np.arange(3.0),
    "type": lambda lib: lib.float64,
    "size": lambda lib: lib.Size([2, 3]),
    "text": lambda lib: "x" * 300,
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_stored_twice_is_one_object_again(name):
    """And what follows it in the file is what it was."""

    def run(lib):
        value, file = KINDS[name](lib), io.BytesIO()
        lib.save([value, [value], "between", {"k": value}, KINDS[name](lib), "end"], file)
        file.seek(0)
        a, (b,), between, c, other, end = lib.load(file, weights_only=name not in ("array", "default"))
        equal = a.tolist() == other.tolist() if hasattr(a, "tolist") else a == other
        one = isinstance(a, tuple) or a is b is c["k"]
        return [one, isinstance(a, tuple) or a is other, equal, between, end, type(a).__name__]

    same(run)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_in_files_of_pytorch(protocol):
    arrays = [
        np.arange(3.0),
        np.ones((2, 3), np.int16).T,
        np.zeros((0, 2)),
        np.array(2.5),
        np.array([True]),
        np.float32(7),
    ]
    file = io.BytesIO()
    torch.save({"arrays": arrays, "again": arrays[0]}, file, pickle_protocol=protocol)
    file.seek(0)
    back = tinygrad6.load(file, weights_only=False)
    for a, b in zip(arrays, back["arrays"], strict=True):
        assert type(a) is type(b) and a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert back["again"] is back["arrays"][0]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not list what is open")
def test_saving_and_loading_leave_nothing_open(tmp_path):
    def rounds():
        for name in ("a.pt", "b.pt"):
            tinygrad6.save({"x": tinygrad6.ones(3)}, tmp_path / name)
            tinygrad6.load(tmp_path / name)
        safetensors.save_file({"x": tinygrad6.ones(3)}, tmp_path / "x.safetensors")
        safetensors.load_file(tmp_path / "x.safetensors")
        return len(os.listdir("/proc/self/fd"))

    assert rounds() == rounds()


def test_empty_parts_of_another_tensor_share_nothing(tmp_path):
    x = tinygrad6.arange(4.0)
    tensors = {"x": x, "empty": x[2:2], "start": x[:0], "zero": tinygrad6.zeros(0, 3)}
    safetensors.save_file(tensors, tmp_path / "x.safetensors")
    back = safetensors.load_file(tmp_path / "x.safetensors")
    assert {k: v.tolist() for k, v in back.items()} == {k: v.tolist() for k, v in tensors.items()}
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save_file({"x": x, "part": x[3:]}, tmp_path / "y.safetensors")
    safetensors.save_file({"a": x[:2], "b": x[2:]}, tmp_path / "z.safetensors")


# ---- nests and batches


def test_functions_for_some_leaves():
    def run(lib):
        tree = importlib_pytree(lib)
        nest = {"a": 1, "b": [2.5, "x", (True, None)], "c": b"y"}
        double = lambda v: v * 2  # noqa: E731
        wanted = [int, (int, str), int | float, lambda v: v == 2.5]
        seen = [tree.tree_map_only(kind, double, nest) for kind in wanted]
        seen += [tree.tree_all_only(int, lambda v: v > 0, nest), tree.tree_any_only(str, str.isupper, nest)]
        return seen + [tree.tree_map_only(str | bytes, len, nest)]

    same(run)


def importlib_pytree(lib):
    import importlib

    return importlib.import_module(f"{lib.__name__}.utils._pytree")


class Own(collections.UserDict):
    pass


class OwnList(list):
    pass


Pair = collections.namedtuple("Pair", "x y")
SAMPLES = {
    "ordered": lambda lib: collections.OrderedDict(b=1, a=2.5),
    "default": lambda lib: collections.defaultdict(int, a=1),
    "own": lambda lib: Own(a=1, b=lib.ones(2)),
    "proxy": lambda lib: types.MappingProxyType({"a": 1}),
    "list": lambda lib: OwnList([1, lib.ones(1)]),
    "pair": lambda lib: Pair(1, "x"),
    "range": lambda lib: range(2),
    "deque": lambda lib: collections.deque([1, 2]),
    "bytes": lambda lib: b"x",
    "array": lambda lib: np.float32(2),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_containers_of_samples(kind):
    def shown(v):
        if isinstance(v, collections.abc.Mapping):
            return [
                type(v).__name__,
                getattr(v, "default_factory", None),
                *((k, shown(x)) for k, x in v.items()),
            ]
        plain = isinstance(v, (str, bytes)) or not isinstance(v, collections.abc.Sequence)
        return v if plain else [type(v).__name__, *map(shown, v)]

    def run(lib):
        sample = SAMPLES[kind](lib)
        return [
            shown(lib.utils.data.default_convert(sample)),
            shown(lib.utils.data.default_collate([sample, SAMPLES[kind](lib)])),
            shown(sample),
        ]

    same(run)
