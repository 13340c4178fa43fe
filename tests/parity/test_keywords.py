"""Every overload of PyTorch's functions and methods, called by its own keywords, gives the same here.

The overloads are read from PyTorch's schemas; values are tried for the arguments until PyTorch accepts the
call, which is then made here too: with the required arguments, with each optional one, with NumPy's
spellings.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch

import tinygrad6
from tinygrad6.out import NAMES

RNG = np.random.RandomState(0)
X = RNG.rand(3, 3) * 0.8 + 0.1
TENSORS = (X, (X * 10).astype(int) % 3, X > 0.5, X[0], (X[0] * 10).astype(int) % 3, RNG.rand(2, 3, 3))
TENSORS += (np.array(2.0), RNG.rand(2, 2, 3, 3), np.array([0, 2]), np.array(1))
VALUES = {
    "Tensor": TENSORS,
    "List[Tensor]": ([X, X], [X[0], X[0]]),
    "int": (1, 0, 2),
    "List[int]": ([0], [3, 3], [0, 1], [1, 0], [1], [2, 2], [9], [3], [0, 1, 2], [1, 1, 1]),
    "number": (1, 0.5),
    "float": (0.5, 1.0),
    "List[float]": ([0.5],),
    "bool": (True, False),
    "str": ("sum", "mean", "floor", "reduce", "linear", "fro", "ij", "tril", "N", "left"),
}
SPELLINGS = {"input": ("x", "a", "x1"), "dim": ("axis",), "keepdim": ("keepdims",), "other": ("x2",)}
RANDOM = """
    dropout_ alpha_dropout_ feature_alpha_dropout_ rrelu_
    rand randn randint randperm normal bernoulli multinomial poisson dropout rrelu native_dropout
    alpha_dropout feature_dropout feature_alpha_dropout rand_like randn_like randint_like bernoulli_
    cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_ empty_like new_empty empty
    empty_permuted manual_seed Generator
""".split()
# what is stated elsewhere: complex and sparse results, memory nobody set, PyTorch's own switches
SKIPPED = """
    complex chalf eig eigvals to_sparse to_sparse_bsc to_sparse_bsr to_sparse_csc to_sparse_csr
    cholesky_ex linear.bias conv_transpose2d.bias zero_ detach_ scaled_dot_product_attention.dropout_p
    generator sparse cudnn_enable cudnn_enabled sparse_grad scale input_scale hermitian
""".split()
SKIPPED += [
    "as_strided_scatter",  # into overlapping memory, which is refused here
    "histogram",  # of edges that fall
    "ctc_loss",  # of targets that are no integers
    "lstsq",  # with an rcond that leaves no rank
]


def made(t, v):
    if isinstance(v, np.ndarray):
        kind = {"f": t.float32, "i": t.int64, "b": t.bool}[v.dtype.kind]
        return t.tensor(v.tolist(), dtype=kind)
    if isinstance(v, list):
        return [made(t, a) for a in v]
    return getattr(t, v[3:]) if isinstance(v, str) and v.startswith("dt:") else v


def values(name, kind):
    kind = kind.strip().removeprefix("Optional[").replace("SymInt", "int").replace("Scalar", "number")
    kind = kind[:-1] if kind.count("]") > kind.count("[") else kind
    if name == "dtype":
        return ("dt:float64", "dt:int64")
    return (None,) if name in ("layout", "device", "memory_format") else VALUES.get(kind, (None,))


def call(t, home, name, given):
    kwargs = {k: made(t, v) for k, v in given.items()}
    f = getattr(kwargs.pop("input"), name) if home == "Tensor" else getattr(space(t, home), name)
    return seen(f(**kwargs))


def space(t, home):
    for part in filter(None, home.split(".")):
        t = getattr(t, part)
    return t


def seen(r):
    """A result as something to compare."""
    if isinstance(r, (tuple, list)):
        return [seen(a) for a in r]
    if not hasattr(r, "numpy"):
        return str(r).split(".")[-1]
    if str(r.layout) != "torch.strided" or r.is_complex():
        return "sparse or complex"
    return str(r.dtype).split(".")[-1], r.shape, r.detach().numpy().astype(float)


def alike(a, b):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, tuple):
        return a[:2] == b[:2] and np.allclose(a[2], b[2], 1e-3, 1e-3, equal_nan=True)
    return a == b


def accepted(home, name, wanted, given):
    """The first values of the wanted arguments that PyTorch takes, and its result."""
    for combo in itertools.islice(itertools.product(*(values(n, k) for n, k in wanted)), 3000):
        tried = {**given, **{n: v for (n, _), v in zip(wanted, combo, strict=True)}}
        try:
            return tried, call(torch, home, name, tried)
        except Exception:  # whatever PyTorch says to values that do not fit
            continue
    return None


def calls(home, name, schema):
    """(keywords, PyTorch's result) for one overload."""
    arguments = [(a.name, str(a.type), a.has_default_value()) for a in schema.arguments]
    if arguments and arguments[0][0] == "self":
        arguments[0] = ("input", *arguments[0][1:])
    elif home == "Tensor":
        return
    if any("Dimname" in k or n == "dim" and "str" in k for n, k, _ in arguments):
        return
    required = [(n, k) for n, k, optional in arguments if not optional]
    if (base := accepted(home, name, required, {})) is None:
        return
    yield base
    for n, k, optional in arguments:
        if optional and n not in SKIPPED and f"{name}.{n}" not in SKIPPED:
            if (more := accepted(home, name, [(n, k)], base[0])) is not None:
                yield more
    for n, _ in required:
        for other in SPELLINGS.get(n, ()):
            if n in ("dim", "keepdim") or not home and name in NAMES and "cholesky" not in name:
                given = {other if k == n else k: v for k, v in base[0].items()}
                if (again := accepted(home, name, [], given)) is not None:
                    yield again


@pytest.mark.parametrize("home", ["", "linalg", "special", "nn.functional", "Tensor"])
@pytest.mark.filterwarnings("ignore")
def test_keywords(home):
    schemas: dict = {}
    for s in torch._C._jit_get_all_schemas():
        if s.name.startswith("aten::") and not any(a.is_out for a in s.arguments):
            schemas.setdefault(s.name[6:], []).append(s)
    prefix = f"{home}_" if home in ("linalg", "special") else ""
    wrong, made_calls = [], 0
    for name in dir(space(torch, home)):
        if name.startswith("_") or name in (*RANDOM, *SKIPPED) or not hasattr(space(tinygrad6, home), name):
            continue
        if home == "nn.functional" and getattr(torch, name, None) is getattr(torch.nn.functional, name):
            continue
        for schema in schemas.get(prefix + name, ()):
            for given, theirs in calls(home, name, schema):
                made_calls += 1
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        ours = call(tinygrad6, home, name, given)
                except Exception as e:
                    wrong.append(f"{name}({', '.join(given)}): {type(e).__name__}: {e}")
                else:
                    if theirs != "sparse or complex" and not alike(theirs, ours):
                        wrong.append(f"{name}({given}): {ours} for {theirs}")
    assert made_calls > 10
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t, x: x.softmax(0, axis=1),
        lambda t, x: t.softmax(x),
        lambda t, x: x.cumsum(),
        lambda t, x: t.sum(x, axis=0, dim=0),
        lambda t, x: t.add(input=x, x=x, other=x),
        lambda t, x: x.expand(3, size=(3, 3)),
        lambda t, x: x.view(9, size=(9,)),
        lambda t, x: x.repeat(),
        lambda t, x: t.sum(x, bogus=1),
        lambda t, x: x.pow(other=2),
        lambda t, x: t.tensor_split(x, 3, sections=3),
        lambda t, x: t.result_type(x),
    ],
)
def test_wrong_keywords(wrong):
    for t in (torch, tinygrad6):
        with pytest.raises((TypeError, RuntimeError) if t is torch else TypeError):
            wrong(t, t.ones(3, 3))
