"""Constructors and forwards of modules take PyTorch's parameters in its order; and what instances show."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

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
