"""What holds for every class of nn, beside PyTorch's: what is stored, copies, states, options of methods, and
what becomes of inputs that are a little wrong."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from helpers import assert_same, same
from modules import MODULES, draw

import tinygrad6

# PyTorch reads beyond its arrays where indices or lengths are wrong
CRASHES = "EmbeddingBag MaxUnpool1d MaxUnpool2d MaxUnpool3d CTCLoss".split()
# losses that differ in reduction only store the same
DISTINCT = [e for e in MODULES if "reduction='mean'" not in e.name and "reduction='sum'" not in e.name]
FIRST = {e.name.partition("(")[0]: e for e in reversed(DISTINCT)}
LAST = {e.name.partition("(")[0]: e for e in DISTINCT}
TWO_OF_EACH = [
    e
    for e in DISTINCT
    if "er()" not in e.name
    and "Transformer(" not in e.name
    and e in (FIRST[n := e.name.partition("(")[0]], LAST[n])
]
ONE_OF_EACH = list(
    {e.name.partition("(")[0]: e for e in MODULES if e.make(tinygrad6.nn).state_dict()}.values()
)

pytestmark = pytest.mark.filterwarnings("ignore")
HOW_CLASSES_ARE_MADE = set("T_destination accepts check gates kept mode rank ranks settings shown".split())


def plain(value, lib):
    """A value as something that compares equal in both libraries."""
    if isinstance(value, lib.nn.parameter.UninitializedTensorMixin if lib is torch else LAZY):
        return type(value).__name__
    if isinstance(value, lib.Tensor):
        return [type(value).__name__, tuple(value.shape), str(value.dtype), value.requires_grad]
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *(plain(v, lib) for v in value)]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return type(value).__name__ if not callable(value) else "something to call"


LAZY = (tinygrad6.nn.UninitializedParameter, tinygrad6.nn.UninitializedBuffer)


def facts(module, lib):
    """All that is public in a module, by name; and what its dicts of members hold."""
    found = {}
    for name in dir(module):
        value = getattr(module, name, None)
        of_class = callable(value) and name not in vars(module) and not isinstance(value, lib.nn.Module)
        if name[0] != "_" and name not in HOW_CLASSES_ARE_MADE and not of_class:
            found[name] = plain(value, lib)
    for name in "_parameters _buffers _modules".split():
        found[name] = list(getattr(module, name))
    found["persistent"] = sorted(set(module._buffers) - module._non_persistent_buffers_set)
    found["state"] = [(k, plain(v, lib)) for k, v in module.state_dict().items()]
    found["versions"] = {k: dict(v) for k, v in module.state_dict()._metadata.items()}
    found["repr"] = repr(module)
    found["children"] = [facts(child, lib) for child in module.children()]
    return found


def made(entry, lib, seed=0):
    lib.manual_seed(seed)
    return entry.make(lib.nn)


def differing(ours, theirs):
    return {k: (ours.get(k), theirs.get(k)) for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)}


@pytest.mark.parametrize("entry", DISTINCT, ids=lambda e: e.name)
def test_what_a_module_stores(entry):
    ours, theirs = (made(entry, lib) for lib in (tinygrad6, torch))
    wanted = facts(theirs, torch)
    assert not differing(facts(ours, tinygrad6), wanted)
    for twin in (copy.deepcopy(ours), copy.copy(ours), pickle.loads(pickle.dumps(ours))):
        assert not differing(facts(twin, tinygrad6), wanted)
        assert type(twin) is type(ours)
        if "Lazy" not in entry.name:
            assert all((twin.state_dict()[k] == v).all() for k, v in ours.state_dict().items())
    for p, q in zip(ours.parameters(), copy.deepcopy(ours).parameters()):
        assert p is not q and type(p) is type(q)
    assert [id(p) for p in copy.copy(ours).parameters()] == [id(p) for p in ours.parameters()]


@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=lambda e: e.name)
def test_what_changes_all_of_a_module(entry):
    """Casts, modes, new draws, and states that are taken over from another module of the kind."""

    def run(lib):
        seen = []
        for change in (
            lambda m: m.double(),
            lambda m: m.half(),
            lambda m: m.to(lib.float64).float(),
            lambda m: m.eval(),
            lambda m: m.eval().train(),
            lambda m: m.requires_grad_(False),
            lambda m: m.to("cpu", lib.float16),
            lambda m: [k.reset_parameters() for k in m.modules() if hasattr(k, "reset_parameters")],
            lambda m: m.load_state_dict(made(entry, lib, 1).state_dict()),
            lambda m: m.load_state_dict(made(entry, lib, 1).double().state_dict(), assign=True),
            lambda m: m.load_state_dict(dict(made(entry, lib, 1).state_dict())),
        ):
            m = made(entry, lib)
            answer = change(m)
            seen.append(
                [
                    answer is m,
                    repr(answer) if isinstance(answer, tuple) else "",
                    sorted(facts(m, lib).items()),
                ]
            )
            if "Lazy" not in entry.name:
                seen.append([v.float() for v in m.state_dict().values()])
        return seen

    same(run, second=False, rtol=2e-3 if entry.normal else 1e-6, atol=1e-5)


def nest(lib):
    """A tree with shared parts, buffers of both kinds, and members that are None."""
    nn = lib.nn
    lib.manual_seed(0)
    tree = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2, bias=False)))
    tree.register_buffer("own", lib.ones(2))
    tree.register_buffer("kept_out", lib.zeros(1), persistent=False)
    tree.register_parameter("nothing", None)
    tree.add_module("again", tree[0])
    tree.add_module("gone", None)
    tree.scale = nn.Parameter(lib.ones(1))
    tree[1].scale = tree.scale
    tree[1].own = nn.Buffer(tree.own, persistent=False)
    return tree


BOTH = [True, False]
OPTIONS = {
    "parameters": {"recurse": BOTH},
    "buffers": {"recurse": BOTH},
    "modules": {"remove_duplicate": BOTH},
    "children": {},
    "named_children": {},
    "named_parameters": {"prefix": ["", "p"], "recurse": BOTH, "remove_duplicate": BOTH},
    "named_buffers": {"prefix": ["", "p"], "recurse": BOTH, "remove_duplicate": BOTH},
    "named_modules": {"prefix": ["", "p"], "remove_duplicate": BOTH},
    "state_dict": {"prefix": ["", "p."], "keep_vars": BOTH},
    "requires_grad_": {"requires_grad": BOTH},
    "zero_grad": {"set_to_none": BOTH},
    "train": {"mode": BOTH},
    "to_empty": {"device": ["cpu"], "recurse": BOTH},
}


@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("by_name", BOTH)
def test_every_option_of_a_method_both_ways(method, by_name):
    def shown(value, lib):
        if isinstance(value, tuple):
            return [shown(v, lib) for v in value]
        if isinstance(value, lib.nn.Module):
            return type(value).__name__
        return [plain(value, lib), value] if isinstance(value, lib.Tensor) else value

    def run(lib):
        seen = []
        for values in itertools.product(*OPTIONS[method].values()):
            m = nest(lib)
            m(lib.ones(3, 2)).sum().backward()
            named = dict(zip(OPTIONS[method], values))
            if method in ("to_empty",) or by_name:
                answer = getattr(m, method)(**named)
            elif method != "state_dict":
                answer = getattr(m, method)(*values)
            else:
                answer = m.state_dict(None, *values)
            if answer is m or answer is None:
                answer = [m.training, m[1][0].training]
                answer += [[p.requires_grad, p.grad, type(p).__name__] for p in m.parameters()]
            elif isinstance(answer, dict):
                answer = [list(answer._metadata), *answer.items()]
            seen.append([shown(v, lib) for v in answer])
        return seen

    same(run, second=False)


# ---- inputs that are a little wrong

DISTORTIONS = {
    "in brackets": lambda lib, t: t[None],
    "first row": lambda lib, t: t[0],
    "flat": lambda lib, t: t.flatten(),
    "a number": lambda lib, t: t.flatten()[0],
    "no rows": lambda lib, t: t[:0],
    "shorter": lambda lib, t: t[..., :-1],
    "narrower": lambda lib, t: t[:, :-1],
    "twice": lambda lib, t: lib.cat([t, t]),
    "half": lambda lib, t: t.half(),
    "double": lambda lib, t: t.double(),
    "whole": lambda lib, t: t.long(),
    "below": lambda lib, t: -t - 1,
    "above": lambda lib, t: t + 7,
    "turned": lambda lib, t: t.mT,
}  # fmt: skip

# PyTorch has no kernel for the type, or stumbles over the shape in another place, or forgets to look
OTHERWISE = {
    "half": "RReLU MultiMarginLoss MultiLabelMarginLoss CTCLoss AvgPool3d LPPool3d LocalResponseNorm",
    "whole": "HingeEmbeddingLoss MaxUnpool1d MaxUnpool2d MaxUnpool3d",
    "flat": "AvgPool2d LPPool2d",
    "a number": "AvgPool2d LPPool2d CTCLoss",
    "no rows": "GaussianNLLLoss PixelUnshuffle LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
    "narrower": "PixelUnshuffle",
    "above": "EmbeddingBag",
}


@pytest.mark.parametrize("entry", TWO_OF_EACH, ids=lambda e: e.name)
def test_inputs_a_little_wrong(entry):
    wrong = []
    for i, how in itertools.product(range(len(entry.inputs)), DISTORTIONS):
        answers, name = [], entry.name.partition("(")[0]
        if i and name in CRASHES or name in OTHERWISE.get(how, "").split():
            continue
        for lib in (tinygrad6, torch):
            xs = [None if a is None else lib.from_numpy(np.array(a)) for a in draw(entry.inputs, np.float32)]
            try:
                xs[i] = DISTORTIONS[how](lib, xs[i])
            except Exception:
                break
            m = made(entry, lib)
            lib.manual_seed(1)
            try:
                answers.append(m(*xs))
            except Exception as e:
                answers.append(e)
        if len(answers) < 2:
            continue
        ours, theirs = answers
        if isinstance(theirs, Exception) or isinstance(ours, Exception):
            kind = next(k for k in type(theirs).__mro__ if k.__module__ == "builtins")
            if not isinstance(ours, kind):
                wrong.append((how, i, repr(ours)[:200], repr(theirs)[:200]))
            continue
        try:
            assert_same(ours, theirs, *([2e-3, 2e-3] if how == "half" else [1e-4, 1e-4]))
        except Exception as e:
            wrong.append((how, i, str(e)))
    assert not wrong


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_of_ctc_loss_beyond_either_end(label):
    """PyTorch reads what lies there."""
    x, one = tinygrad6.zeros(3, 1, 4).log_softmax(2), tinygrad6.tensor([1])
    with pytest.raises(RuntimeError, match="targets must be in"):
        tinygrad6.nn.functional.ctc_loss(x, tinygrad6.tensor([[label]]), one * 3, one)


def test_names_of_functional():
    """No more than PyTorch's: what is a method or a function of the package is not to be found here."""
    ours, theirs = tinygrad6.nn.functional, torch.nn.functional
    assert set(n for n in dir(theirs) if n[0] != "_" and callable(getattr(theirs, n))) - set(
        dir(ours)
    ) <= set(
        """
        DType Optional ScalingType SwizzleType assert_int_or_pair boolean_dispatch grouped_mm
        handle_torch_function has_torch_function has_torch_function_unary has_torch_function_variadic
        scaled_grouped_mm scaled_mm
        """.split()
    )
    same(lambda lib: lib.nn.functional.clip)
