"""Small names of utilities that libraries and tutorials use."""

from __future__ import annotations

import collections
import importlib
import warnings

import numpy as np
import pytest
from helpers import same

import tinygrad6


class Five:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return i


def test_datasets_and_loaders():
    def run(torch):
        data = torch.utils.data
        both = data.ConcatDataset([Five(), Five()])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            old = both.cummulative_sizes
        whole, single = data.DataLoader(Five(), batch_size=2), data.DataLoader(Five(), batch_size=None)
        return [
            both.cumsum([[1], [2, 3]]), old, [w.category.__name__ for w in caught],
            [type(d._index_sampler).__name__ for d in (whole, single)],
            [d._auto_collation for d in (whole, single)], [len(whole), len(single)],
        ]  # fmt: skip

    same(run)


def test_packed_sequences():
    def run(torch, x):
        kind = torch.nn.utils.rnn.PackedSequence
        packed = torch.nn.utils.rnn.pack_sequence([x, x[:1]])
        older = kind((packed.data, packed.batch_sizes))
        return [older.data, older.batch_sizes, packed.char().data, packed.byte().data]

    same(run, tinygrad6.tensor([1.0, 2.0, 3.0]))


def test_weights_in_another_format():
    def run(torch, kind):
        convert = torch.nn.utils.convert_conv2d_weight_memory_format
        torch.manual_seed(0)
        net = torch.nn.Conv2d(1, 2, 2)
        return [convert(net, getattr(torch, kind)) is net, net.weight]

    same(run, kind="channels_last")


def test_batch_norms_for_vmap():
    def run(torch):
        net = torch.nn.Sequential(
            torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2, affine=False)
        )
        same_net = torch.func.replace_all_batch_norm_modules_(net)
        return [same_net is net, list(net.state_dict()), repr(net), net[0].running_mean is None]

    same(run)
    same(lambda torch: torch.func.functionalize(lambda x: x + 1)(torch.ones(1)))
    same(lambda torch: torch.func.functionalize(lambda x: x, remove="z")(1))


def test_parametrizations_move():
    def run(torch, name):
        p = torch.nn.utils.parametrize

        class Twice(torch.nn.Module):
            def forward(self, x):
                return x * 2

        torch.manual_seed(0)
        a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        untouched = p.transfer_parametrizations_and_params(a, b) is b
        p.register_parametrization(a, "weight", Twice())
        kinds = [p.type_before_parametrizations(m) is torch.nn.Linear for m in (a, b)]
        p.transfer_parametrizations_and_params(a, b, name)
        bare = torch.nn.Module()
        p.transfer_parametrizations_and_params(a, bare, "weight")
        return [untouched, kinds, b.weight.detach(), bare.weight.detach(), list(b.state_dict()),
                b.parametrizations.weight.original is a.parametrizations.weight.original]  # fmt: skip

    for name in (None, "weight", "bias"):
        same(run, name=name)


# ---- products of reflections, and cross entropies of linear maps


SHAPES = [
    ((3, 2), (2,)), ((4, 4), (4,)), ((5, 3), (1,)), ((2, 4, 3), (2, 2)), ((3, 0), (0,)), ((3, 2), (0,)),
    ((2, 3), (2,)), ((3, 2), (3,)), ((3,), (1,)), ((2, 4, 3), (2,)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES)
def test_householder_product(shapes):
    rng = np.random.default_rng(0)
    a, tau = (tinygrad6.tensor(rng.uniform(-1, 1, s)).requires_grad_(shapes[1] != (0,)) for s in shapes)
    same(lambda torch, a, tau: torch.linalg.householder_product(a, tau), a, tau)


CASES = [
    ((4, 3), (5, 3), (4,), {}), ((4, 3), (5, 3), (4,), {"reduction": "sum", "ignore_index": 2}),
    ((3,), (5, 3), (), {"reduction": "none"}), ((4, 3), (5, 3), (4,), {"label_smoothing": 0.1, "bias": True}),
    ((4, 3), (5, 2, 3), (4, 2), {"bias": True}), ((4, 3), (5, 3), (4, 5), {}),
    ((4, 3), (5, 3), (4,), {"weight": True}),
    ((4, 3), (5, 3), (4, 5), {"ignore_index": 1}), ((2, 4, 3), (5, 3), (4,), {}), ((4, 2), (5, 3), (4,), {}),
    ((4, 3), (5,), (4,), {}), ((3,), (5, 2, 3), (2,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("x", "w", "t", "settings"), CASES)
def test_linear_cross_entropy(x, w, t, settings):
    rng = np.random.default_rng(0)
    numbers = lambda shape: tinygrad6.tensor(rng.uniform(0.1, 1, shape)).requires_grad_()  # noqa: E731
    classes = w[:-1] or (1,)
    target = tinygrad6.tensor(rng.integers(0, 5, t))
    if t == (4, 5):
        target = tinygrad6.tensor(rng.uniform(0, 1, t))
    settings = dict(settings)
    if settings.pop("bias", False):
        settings["linear_bias"] = numbers(classes)
    if settings.pop("weight", False):
        settings["weight"] = tinygrad6.tensor(rng.uniform(0.5, 1, 5))
    call = lambda torch, x, w, target, **kw: torch.nn.functional.linear_cross_entropy(x, w, target, **kw)  # noqa: E731
    same(call, numbers(x), numbers(w), target, **settings)


@pytest.mark.parametrize("settings", [{}, {"out_features": (2,), "bias": True}, {"label_smoothing": 2.0}])
def test_linear_cross_entropy_loss(settings):
    def run(torch, x):
        torch.manual_seed(0)
        net = torch.nn.LinearCrossEntropyLoss(3, 5, **settings)
        target = torch.tensor([1, 4]) if not settings else torch.tensor([[1, 2], [0, 4]])
        loss = net(x, target)
        return [loss, list(net.state_dict()), repr(net), net.linear.weight]

    same(run, tinygrad6.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]], requires_grad=True))
    with pytest.raises(NotImplementedError, match="options"):
        tinygrad6.nn.LinearCrossEntropyLoss(3, 5, options=1)(tinygrad6.ones(1, 3), tinygrad6.tensor([0]))


# ---- containers


def parameters_of(torch, names):
    return {n: torch.nn.Parameter(torch.full((1,), float(i))) for i, n in enumerate(names)}


ORDERS = {
    "plain": lambda given: given,
    "ordered": collections.OrderedDict,
    "pairs": lambda given: list(given.items()),
    "user": collections.UserDict,
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_order_of_dicts(kind):
    def run(torch):
        given = ORDERS[kind](parameters_of(torch, "zabk"))
        d = torch.nn.ParameterDict(given)
        d.update(ORDERS[kind](parameters_of(torch, "yzc")))
        modules = torch.nn.ModuleDict(ORDERS[kind]({"z": torch.nn.ReLU(), "a": torch.nn.Tanh()}))
        return [list(d), [n for n, _ in d.named_parameters()], list(d.state_dict()), list(modules)]

    same(run)


REFUSED = {
    "sequential_of_dict": lambda nn: nn.Sequential({"a": nn.ReLU()}),
    "number": lambda nn: nn.ParameterDict(3),
    "numbers": lambda nn: nn.ParameterDict([3]),
    "triples": lambda nn: nn.ParameterDict([("a", 1, 2)]),
    "modules": lambda nn: nn.ModuleDict([3]),
    "module_triples": lambda nn: nn.ModuleDict([("a", 1, 2)]),
    "list": lambda nn: nn.ParameterList(3),
    "call": lambda nn: nn.ParameterList([])(1),
    "call_dict": lambda nn: nn.ParameterDict({})(1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_containers_refuse(what):
    same(lambda torch: REFUSED[what](torch.nn))


def test_inserting():
    def run(torch):
        nn = torch.nn
        modules, chain = nn.ModuleList([nn.ReLU()]), nn.Sequential(nn.ReLU())
        return [modules.insert(0, nn.Tanh()), repr(modules), chain.insert(0, nn.Tanh()) is chain, repr(chain)]

    same(run)


def test_helpers_of_modules():
    def run(torch):
        names = "module", "utils", "transformer"
        modules = {n: importlib.import_module(f"{torch.__name__}.nn.modules.{n}") for n in names}
        clones = modules["transformer"]._get_clones(torch.nn.Linear(1, 1), 3)
        return [
            modules["module"]._addindent("a\nb\nc", 4),
            modules["utils"]._list_with_default([None, 3], [5, 6, 7]),
            [len(clones), clones[0].weight is clones[1].weight, repr(clones)],
            modules["transformer"]._get_activation_fn("gelu") is torch.nn.functional.gelu,
            repr(modules["module"]._IncompatibleKeys(["a"], [])),
        ]

    same(run)
    for sizes in ([1, None], [1, 2, 3]):
        same(
            lambda torch, sizes=sizes: importlib.import_module(
                f"{torch.__name__}.nn.modules.utils"
            )._list_with_default(sizes, [5, 6])
        )
    path = "nn.modules.transformer"
    same(lambda torch: importlib.import_module(f"{torch.__name__}.{path}")._get_activation_fn("tanh"))


@pytest.mark.parametrize("mode", ["fan_in", "FAN_OUT", "fan"])
def test_fans(mode):
    def run(torch):
        init, weights = torch.nn.init, [torch.ones(4, 3), torch.ones(2, 5, 3, 3)]
        return [
            [init._calculate_correct_fan(w, mode), init._calculate_fan_in_and_fan_out(w)] for w in weights
        ]

    same(run)
    same(lambda torch: torch.nn.init._calculate_fan_in_and_fan_out(torch.ones(3)))
