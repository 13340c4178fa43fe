"""What PyTorch has and what it has not: names, methods, forms in place;
and arguments that all modules take."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest
import torch
from modules import MODULES

import tinygrad6
from tinygrad6.op import NAMES

# methods that are functions, too: nobody is misled
FUNCTIONS = set(
    """
    absolute_ contiguous expand expand_as fork_rng quiet repeat reshape_as settings to type type_as view
    view_as
    """.split()
)
METHODS = set("array bucketize bump cell keep_grad_of node of rejoin std_mean var_mean view_of".split())
ABSENT = set(
    """
    ccol_indices coalesce col_indices conj_physical_ crow_indices dense_dim dequantize eig geqrf grad_dtype
    hash_tensor index indices int_repr istft lstsq module_load orgqr ormqr q_per_channel_axis
    q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme reinforce resize resize_as
    resize_as_sparse_ row_indices slice_inverse smm solve sparse_dim sparse_mask sparse_resize_
    sparse_resize_and_clear_ sspaddmm stft symeig to_mkldnn to_padded_tensor triangular_solve values
    """.split()
)


def test_functions_are_pytorchs():
    ours = {n for n in NAMES if callable(getattr(tinygrad6, n, None))}
    assert {n for n in ours if not hasattr(torch, n)} <= FUNCTIONS


def test_methods_are_pytorchs():
    ours = {n for n in dir(tinygrad6.Tensor) if n[0] != "_"}
    assert ours - set(dir(torch.Tensor)) <= METHODS
    assert set(n for n in dir(torch.Tensor) if n[0] != "_") - ours <= ABSENT


def test_what_is_a_function_in_pytorch_is_one_here():
    """A method of ours whose name is a function in PyTorch is exported as one; and the other way round."""
    methods = {n for n in dir(tinygrad6.Tensor) if n[0] != "_"} & set(dir(torch.Tensor))
    other = set("mtia xpu cfloat cdouble chalf storage".split())  # modules and types that we have not
    missing = {n for n in methods if hasattr(torch, n) and not hasattr(tinygrad6, n) and n[-1] != "_"}
    assert missing <= other
    functions = {n for n in dir(tinygrad6) if n[0] != "_"} & set(dir(torch)) - ABSENT
    assert not [n for n in functions if hasattr(torch.Tensor, n) and not hasattr(tinygrad6.Tensor, n)]


def test_what_has_a_form_in_place():
    functions = {n for n in dir(tinygrad6) if n[0] != "_" and hasattr(torch, f"{n}_")}
    missing = {n for n in functions if not hasattr(tinygrad6, f"{n}_")}
    assert missing <= set(
        "alpha_dropout as_strided conj_physical dropout feature_alpha_dropout resize_as rrelu".split()
    ) | {"threshold"}


class With:
    """nn whose classes get further keywords."""

    def __init__(self, nn, **more):
        self.nn, self.more = nn, more

    def __getattr__(self, name):
        made = getattr(self.nn, name)
        if not isinstance(made, type) or not takes(self.nn, name):
            return made
        return functools.partial(made, **self.more)


def takes(nn, name):
    parameters = inspect.signature(getattr(nn, name)).parameters
    return "device" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


FACTORIES = [
    e
    for e in MODULES
    if takes(torch.nn, e.name.partition("(")[0])
    and "device" in inspect.signature(getattr(tinygrad6.nn, e.name.partition("(")[0])).parameters
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("entry", FACTORIES, ids=lambda e: e.name)
def test_types_and_devices_are_passed_on(entry):
    lazy = "Lazy" in entry.name
    for lib in (tinygrad6, torch):
        if list(entry.make(lib.nn).parameters()) and not lazy:
            with pytest.raises((RuntimeError, AssertionError, NotImplementedError)):
                entry.make(With(lib.nn, device="cuda"))
    states = []
    for lib in (tinygrad6, torch):
        lib.manual_seed(0)
        states.append(entry.make(With(lib.nn, device="cpu", dtype=lib.float64)).state_dict())
    ours, theirs = states
    assert list(ours) == list(theirs)
    for k, v in theirs.items():
        assert repr(ours[k].dtype) == repr(v.dtype), k
        if not lazy and v.numel():
            np.testing.assert_allclose(ours[k].numpy(), v.numpy(), 1e-5, 1e-6, err_msg=k)
