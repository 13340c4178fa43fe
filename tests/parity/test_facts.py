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


@pytest.mark.parametrize(
    "fill, shape",
    [
        (lambda init, t: init.uniform_(t), (2, 3)),
        (lambda init, t: init.normal_(t), (2, 3)),
        (lambda init, t: init.constant_(t, 2.0), (2, 3)),
        (lambda init, t: init.ones_(t), (2, 3)),
        (lambda init, t: init.zeros_(t), (2, 3)),
        (lambda init, t: init.eye_(t), (2, 3)),
        (lambda init, t: init.dirac_(t), (2, 3, 3)),
        (lambda init, t: init.xavier_uniform_(t), (2, 3)),
        (lambda init, t: init.xavier_normal_(t), (2, 3)),
        (lambda init, t: init.kaiming_uniform_(t), (2, 3)),
        (lambda init, t: init.kaiming_normal_(t), (2, 3)),
        (lambda init, t: init.trunc_normal_(t), (2, 3)),
        (lambda init, t: init.trunc_normal_(t, 0.5, 2.0, -1.0, 1.0), (50, 3)),
        (lambda init, t: init.trunc_normal_(t, 0.5, 2.0, 0.4, 0.7), (50, 3)),
        (lambda init, t: init.trunc_normal_(t, 1.0, 0.5, 1.4, 2.2), (50, 3)),
        (lambda init, t: init.orthogonal_(t), (2, 3)),
        (lambda init, t: init.orthogonal_(t, 2.0), (3, 2)),
        (lambda init, t: init.orthogonal_(t), (3, 3)),
        (lambda init, t: init.sparse_(t, 0.5), (4, 3)),
    ],
)
def test_initialization_counts_a_version_and_draws_as_pytorch(fill, shape):
    made = []
    for lib in (tinygrad6, torch):
        lib.manual_seed(0)
        t = lib.nn.Parameter(lib.zeros(*shape))
        assert fill(lib.nn.init, t) is t
        assert t._version > 0
        made.append(t.detach().numpy())
    np.testing.assert_allclose(made[0], made[1], 1e-4, 1e-5)


CLASSES = [
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


@pytest.mark.parametrize("where, name", CLASSES)
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


OURS = set(
    "accepts check function gates kept mode rank ranks settings shown".split()
)  # how tables make classes


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("entry", MODULES, ids=lambda e: e.name)
def test_attributes_of_modules_are_pytorchs(entry):
    ours, theirs = entry.make(tinygrad6.nn), entry.make(torch.nn)
    names = {n for n in dir(ours) if n[0] != "_"}
    assert names - set(dir(theirs)) <= OURS
    assert {n for n in vars(theirs) if n[0] != "_"} <= names
