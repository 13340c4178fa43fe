"""Sequential, and lists and dicts of modules and parameters, beside PyTorch's."""

from __future__ import annotations

import collections

import pytest
from helpers import same


def test_what_containers_do():
    def run(lib):
        lib.manual_seed(0)
        n = lib.nn
        log = []
        s = n.Sequential(n.Linear(2, 3), n.ReLU(), n.Linear(3, 1))
        s.append(n.Tanh()).insert(1, n.Identity())
        s.extend([n.ReLU()])
        log += [repr(s), len(s), repr(s[1:3]), list(s.state_dict()), repr(s[-1])]
        del s[1]
        log += [repr(s.pop(-1)), repr(s), repr(s + n.Sequential(n.ReLU())), repr(s * 2)]
        s *= 2
        s[0] = n.Identity()
        log += [repr(s), [type(m).__name__ for m in s]]
        layers = {"a": n.Linear(1, 2), "b": n.ReLU()}
        named = n.Sequential(collections.OrderedDict(layers))
        log += [repr(named), list(named.state_dict()), repr(named[0]), repr(named.a)]
        ml = n.ModuleList([n.Linear(1, 1) for _ in range(3)])
        ml.append(n.ReLU())
        ml += [n.ReLU()]
        ml.insert(0, n.Tanh())
        log += [
            repr(ml),
            len(ml),
            repr(ml[1:3]),
            repr(ml.pop(0)),
            repr(ml + [n.GELU()]),
            repr(ml[-1]),
            repr(n.ModuleList()),
        ]
        md = n.ModuleDict({"x": n.Linear(1, 1), "y": n.ReLU()})
        md["z"] = n.Tanh()
        md.update([("w", n.GELU())])
        log += [
            repr(md),
            list(md),
            list(md.keys()),
            "x" in md,
            repr(md.pop("y")),
            len(md),
            [k for k, _ in md.items()],
        ]
        md.clear()
        log.append(len(md))
        pl = n.ParameterList([lib.zeros(2), n.Parameter(lib.ones(3))])
        pl.append(lib.ones(1, 2))
        pl += [lib.zeros(4)]
        log += [
            repr(pl),
            len(pl),
            list(pl.state_dict()),
            pl[-1].shape[0],
            len(pl[1:3]),
            [p.shape[0] for p in pl],
        ]
        pd = n.ParameterDict({"a": lib.zeros(2), "b": n.Parameter(lib.ones(2, 2))})
        pd["c"] = lib.ones(1)
        pd.setdefault("d", lib.ones(5))
        log += [
            repr(pd),
            list(pd),
            list(pd.state_dict()),
            "a" in pd,
            pd.pop("a").shape[0],
            [k for k, _ in pd.items()],
            pd.get("nope"),
        ]
        pd.update({"e": lib.ones(2)})
        log += [
            sorted(pd.copy().keys()),
            [k for k in reversed(pd)],
            len(pd | n.ParameterDict({"q": lib.ones(1)})),
            pd.popitem()[0],
        ]
        return log

    same(run)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n: n.Sequential(3), lambda n: n.Sequential(n.ReLU())[1],
        lambda n: n.Sequential(n.ReLU()).pop(3), lambda n: n.ModuleList([3]), lambda n: n.ModuleList(3),
        lambda n: n.ModuleDict(3), lambda n: n.ModuleDict({"a": 3}),
        lambda n: n.ModuleDict({"a.b": n.ReLU()}), lambda n: n.ModuleDict({"keys": n.ReLU()}),
        lambda n: n.ModuleList([n.ReLU()])(1), lambda n: n.ModuleDict({})["x"],
        lambda n: n.ParameterDict({})["x"], lambda n: n.ParameterList([1])[4],
        lambda n: n.Sequential(n.ReLU()).insert(5, n.ReLU()), lambda n: n.Sequential().append(3),
        lambda n: n.ParameterList(3), lambda n: n.ModuleList().extend(3),
        lambda n: n.Sequential(n.ReLU()) * 0, lambda n: n.Sequential(n.ReLU()) + 3,
        lambda n: n.ModuleDict({1: n.ReLU()}),
    ],
)  # fmt: skip
def test_containers_refuse(wrong):
    same(lambda lib: repr(wrong(lib.nn)))


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
def test_dicts_and_lists_refuse(what):
    same(lambda torch: REFUSED[what](torch.nn))


def test_inserting():
    def run(torch):
        nn = torch.nn
        modules, chain = nn.ModuleList([nn.ReLU()]), nn.Sequential(nn.ReLU())
        return [modules.insert(0, nn.Tanh()), repr(modules), chain.insert(0, nn.Tanh()) is chain, repr(chain)]

    same(run)
