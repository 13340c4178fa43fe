"""Parameters, their order and defaults, methods and attributes: those of PyTorch's classes and functions."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import warnings
from typing import Any

import pytest
import torch
from modules import MODULES

import tinygrad6

CLASSES = [
    n
    for n, c in vars(torch.nn).items()
    if isinstance(c, type) and issubclass(c, torch.nn.Module) and hasattr(tinygrad6.nn, n)
]
# *args in PyTorch where we name them, or the other way round; and bases whose forward is never called
OTHERWISE = {
    ("LogSigmoid", "__init__"), ("Sigmoid", "__init__"), ("Softsign", "__init__"), ("Tanh", "__init__"),
    ("Tanhshrink", "__init__"), ("NLLLoss2d", "__init__"), ("RNN", "__init__"), ("RNNCellBase", "__init__"),
    ("CrossMapLRN2d", "forward"), ("PoissonNLLLoss", "forward"), ("RNNBase", "forward"),
    ("RNNCellBase", "forward"), ("Module", "forward"), ("ModuleDict", "forward"), ("ModuleList", "forward"),
    ("ParameterDict", "forward"), ("ParameterList", "forward"),
}  # fmt: skip


def parameters(method):
    positional = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = list(inspect.signature(method).parameters.values())[1:]
    return [(p.name, "position" if p.kind in positional else p.kind.name) for p in found]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("method", ["__init__", "forward"])
def test_parameters(name, method):
    if (name, method) in OTHERWISE:
        return
    ours, theirs = (getattr(getattr(lib.nn, name), method) for lib in (tinygrad6, torch))
    assert parameters(ours) == parameters(theirs)


def test_subclasses_have_their_own():
    class Named(tinygrad6.nn.ReLU):
        def __init__(self, name):
            super().__init__(inplace=True)
            self.name = name

    assert list(inspect.signature(Named).parameters) == ["name"]
    assert Named("a").inplace and repr(Named("a")) == "Named(inplace=True)"


# Methods behind forward that are written otherwise here.
MACHINERY = """
    _apply_instance_norm _check_input_dim _conv_forward _flat_weight_refs _get_in_channels _get_item_by_idx
    _get_no_batch_dim _get_num_spatial_dims _handle_no_batch_input _init_flat_weights _initialize_hook
    _lazy_load_hook _load_hook _output_padding _require_tuple_int _reversed_padding_repeated_twice
    _update_flat_weights _weights_have_changed
""".split()
PLAIN = (bool, int, float, str, type(None), tuple)


def made(lib, entry):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return entry.make(lib.nn)


@pytest.mark.parametrize("entry", MODULES, ids=lambda e: e.name)
def test_instances(entry):
    ours, theirs = made(tinygrad6, entry), made(torch, entry)
    missing = {n for n in set(dir(theirs)) - set(dir(ours)) if not n.startswith("__")}
    assert not missing - set(dir(torch.nn.Module())) - set(MACHINERY)
    for name in sorted(set(dir(theirs)) - set(dir(torch.nn.Module()))):
        if name.startswith("__") or name in missing or not hasattr(theirs, name):
            continue
        a, b = getattr(ours, name), getattr(theirs, name)
        if isinstance(b, PLAIN) or isinstance(b, list) and all(isinstance(v, PLAIN) for v in b):
            assert a == b and type(a) is type(b), f"{name}: {a!r}, PyTorch {b!r}"
    assert ours.state_dict()._metadata == theirs.state_dict()._metadata
    for twin in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert repr(twin) == repr(ours) and list(twin.state_dict()) == list(theirs.state_dict())


# ---- defaults of functions and classes

SPACES = ["nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim", "optim.lr_scheduler",
          "optim.swa_utils", "utils.data", "autograd", "autograd.functional"]  # fmt: skip
IGNORED = {"device", "dtype", "_stacklevel", "_freeze", "_weight"}
INTERNAL = {"RNNCellBase", "PackedSequence", "enable_grad"}  # nobody calls their constructors with these


def space(lib: Any, name: str) -> Any:
    for part in name.split("."):
        lib = getattr(lib, part)
    return lib


def defaults(thing: Any) -> tuple[dict[str, Any], bool]:
    """Default by name, and whether these are all the parameters; none where Python cannot tell."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (ValueError, TypeError):
        return {}, False
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = {p.name: p.default for p in found if p.kind not in several and p.name not in IGNORED}
    return own, all(p.kind not in several for p in found)


def cases() -> list[tuple[str, str]]:
    found = []
    for where in SPACES:
        ours, theirs = space(tinygrad6, where), space(torch, where)
        for name in dir(theirs):
            a, b = getattr(ours, name, None), getattr(theirs, name)
            if name[0] != "_" and name not in INTERNAL and callable(a) and callable(b):
                if inspect.isclass(a) == inspect.isclass(b) and defaults(a)[0] and defaults(b)[0]:
                    found.append((where, name))
    return found


def same_default(a: Any, b: Any) -> bool:
    if a is inspect.Parameter.empty or b is inspect.Parameter.empty:
        return a is b
    if isinstance(b, (bool, int, float, str, tuple, list, type(None))):
        return a == b and isinstance(a, bool) == isinstance(b, bool)
    return True  # functions, dtypes and sentinels are objects of each library's own


@pytest.mark.parametrize("where, name", cases(), ids=lambda v: v)
def test_defaults_are_pytorchs(where, name):
    ours, ours_are_all = defaults(getattr(space(tinygrad6, where), name))
    theirs, theirs_are_all = defaults(getattr(space(torch, where), name))
    common = [p for p in theirs if p in ours]
    assert not [(p, ours[p], theirs[p]) for p in common if not same_default(ours[p], theirs[p])]
    if ours_are_all and theirs_are_all:
        assert common == list(theirs) and [p for p in ours if p in theirs] == common


def test_many_are_compared():
    assert len(cases()) > 300


# ---- methods and attributes


WITH_METHODS = [
    (where, name)
    for where in ("nn", "optim", "optim.lr_scheduler", "optim.swa_utils", "utils.data", "nn.utils.rnn")
    for name in dir(functools.reduce(getattr, where.split("."), torch))
    if name[0] != "_"
    and all(
        isinstance(getattr(functools.reduce(getattr, where.split("."), lib), name, None), type)
        for lib in (tinygrad6, torch)
    )
    and not issubclass(getattr(functools.reduce(getattr, where.split("."), torch), name), torch.Tensor)
]


@pytest.mark.parametrize("where, name", WITH_METHODS)
def test_methods_have_pytorchs_arguments(where, name):
    ours, theirs = (
        getattr(functools.reduce(getattr, where.split("."), lib), name) for lib in (tinygrad6, torch)
    )
    wrong = []
    for method in dir(theirs):
        a, b = getattr(ours, method, None), getattr(theirs, method)
        if method[0] == "_" or method == "forward" or not inspect.isfunction(a) or not inspect.isfunction(b):
            continue
        p, q = (
            {k: v.default for k, v in inspect.signature(m).parameters.items() if v.kind < v.VAR_KEYWORD}
            for m in (a, b)
        )
        for k in q:
            if k in p and p[k] != q[k] and isinstance(q[k], (bool, int, float, str, type, type(None))):
                wrong.append(f"{method}({k}={p[k]}), PyTorch {q[k]}")
    assert not wrong


# how tables make classes
OURS = set("accepts check function gates kept mode rank ranks settings shown".split())


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("entry", MODULES, ids=lambda e: e.name)
def test_attributes_of_modules_are_pytorchs(entry):
    ours, theirs = entry.make(tinygrad6.nn), entry.make(torch.nn)
    names = {n for n in dir(ours) if n[0] != "_"}
    assert names - set(dir(theirs)) <= OURS
    assert {n for n in vars(theirs) if n[0] != "_"} <= names
