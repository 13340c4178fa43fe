"""What holds for every class of nn, beside PyTorch's: what is stored, copies, states, options of methods, and
what becomes of inputs that are a little wrong."""

from __future__ import annotations

import copy
import itertools
import warnings
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
    {
        e.name.partition("(")[0]: e
        for e in MODULES
        if e.make(tinygrad6.nn).state_dict() and "Lazy" not in e.name
    }.values()
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
    tree[1].register_buffer("own", tree.own, persistent=False)
    tree[1].extra = nn.Buffer(lib.ones(1), persistent=False)
    return tree


BOTH = [True, False]
OPTIONS = {
    "_named_members": {"get_members_fn": [lambda m: m._buffers.items()], "prefix": ["p"], "recurse": BOTH},
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
        if not isinstance(value, lib.Tensor):
            return value
        kind, *rest = plain(value, lib)  # there is a class of buffers here, PyTorch marks tensors
        return [kind.replace("Buffer", "Tensor"), *rest, *([] if method == "to_empty" else [value])]

    def run(lib):
        seen = []
        defaults = {"to_empty": ("cpu",), "_named_members": (lambda m: m._buffers.items(),)}.get(method, ())
        for values in [*itertools.product(*OPTIONS[method].values()), defaults]:
            m = nest(lib)
            m[1](m[0](lib.arange(6.0).reshape(3, 2) ** 2)).pow(2).sum().backward()
            named = dict(zip(OPTIONS[method], values))
            if method in ("to_empty",) or by_name:
                answer = getattr(m, method)(**named)
            else:
                first = [None] * (method in ("state_dict", "named_modules"))  # the destination, the memo
                answer = getattr(m, method)(*first, *values)
            if answer is m or answer is None:
                answer = [m.training, m[1][0].training]
                grads = [None if p.grad is None or method == "to_empty" else p.grad for p in m.parameters()]
                answer += [[p.requires_grad, type(p).__name__] for p in m.parameters()] + grads
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


# ---- classes, and what is left of them


def ancestors(lib):
    """The names of the bases of each class of nn, of those names that both libraries have."""
    found = {}
    for name in dir(lib.nn):
        kind = getattr(lib.nn, name)
        if isinstance(kind, type) and issubclass(kind, lib.nn.Module):
            found[name] = [base.__name__ for base in kind.__mro__]
    return found


def test_bases_of_classes_are_pytorchs():
    ours, theirs = ancestors(tinygrad6), ancestors(torch)
    both = {n for bases in ours.values() for n in bases} & {n for bases in theirs.values() for n in bases}
    wrong = []
    for name in ours.keys() & theirs.keys():
        a, b = ([n for n in bases if n in both] for bases in (ours[name], theirs[name]))
        if a != b and "Lazy" not in name:  # a lazy module is of the class that it becomes, already
            wrong.append((name, a, b))
    assert not wrong
    assert {"_Loss", "_WeightedLoss", "RNNBase", "RNNCellBase", "Module"} <= both


@pytest.mark.parametrize("training", BOTH)
def test_batch_norms_of_several_processes(training):
    def run(lib):
        lib.manual_seed(0)
        nn = lib.nn
        m = nn.Sequential(
            nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm2d(3, 0.1, None, affine=False), nn.ReLU()),
            nn.BatchNorm3d(2, track_running_stats=False), nn.SyncBatchNorm(2), nn.InstanceNorm1d(2),
        )  # fmt: skip
        m[0].weight.requires_grad_(False)
        m.train(training)
        m[1].train(not training)
        twin = nn.SyncBatchNorm.convert_sync_batchnorm(m)
        alone = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(2).train(training))
        return [
            twin is m, repr(m), [k.training for k in m.modules()], type(alone).__name__, alone.training,
            [n for n, _ in m.named_parameters()], list(m.state_dict()), m[0].weight.requires_grad,
            m[0].process_group, nn.SyncBatchNorm(2, momentum=0.3).momentum,
        ]  # fmt: skip

    same(run)
    same(lambda lib: lib.nn.SyncBatchNorm(2)(lib.ones(3)))


CALLED = {
    "grad_output": lambda m, log: m.register_full_backward_pre_hook(lambda k, go: (go[0], go[0])),
    "doubled": lambda m, log: m.register_full_backward_pre_hook(lambda k, go: (go[0] * 2,)),
    "grad_input": lambda m, log: m.register_full_backward_hook(lambda k, gi, go: (gi[0], gi[0])),
    "halved": lambda m, log: m.register_full_backward_hook(lambda k, gi, go: (gi[0] / 2,)),
    "seen": lambda m, log: m.register_full_backward_hook(lambda k, gi, go: log.append([len(gi), len(go)])),
    "arguments": lambda m, log: m.register_forward_pre_hook(lambda k, a, kw: 3, with_kwargs=True),
    "pair": lambda m, log: m.register_forward_pre_hook(lambda k, a, kw: ((a[0] * 2,), kw), with_kwargs=True),
    "bare": lambda m, log: m.register_forward_pre_hook(lambda k, a: a[0] * 2),
    "result": lambda m, log: m.register_forward_hook(lambda k, a, o: o * 2),
    "named": lambda m, log: m.register_forward_hook(
        lambda k, a, kw, o: log.append(list(kw)), with_kwargs=True
    ),
    "first": lambda m, log: m.register_forward_hook(lambda k, a, o: log.append("first"), prepend=True),
    "always": lambda m, log: m.register_forward_hook(lambda k, a, o: log.append("always"), always_call=True),
    "older": lambda m, log: m.register_backward_hook(lambda k, gi, go: log.append([len(gi), len(go)])),
}


@pytest.mark.parametrize("result", ["tensor", "tuple", "dict", "list", "nothing", "detached"])
@pytest.mark.parametrize("hook", CALLED)
def test_hooks_and_what_forward_gives(hook, result):
    def run(lib):
        log, shapes = [], {
            "tensor": lambda y: y,
            "tuple": lambda y: (y, 3),
            "dict": lambda y: {"y": y},
            "list": lambda y: [y],
            "nothing": lambda y: None,
            "detached": lambda y: y.detach(),
        }  # fmt: skip

        class Net(lib.nn.Module):
            def forward(self, x, other=None):
                return shapes[result](x * x.exp())

        m = Net()
        m.register_forward_hook(lambda k, a, o: log.append("last"))
        handle = CALLED[hook](m, log)
        x = lib.ones(2, dtype=lib.float64, requires_grad=True)
        out = m(x * 1)
        out = out["y"] if result == "dict" else out[0] if result in ("tuple", "list") else out
        if out is not None and out.requires_grad:
            out.sum().backward()
        handle.remove()
        m(x)
        return [log, x.grad]

    if not (hook == "older" and result == "nothing"):  # PyTorch looks for a tensor in it
        same(run, second=False)


@pytest.mark.parametrize("hook", ["register_full_backward_hook", "register_full_backward_pre_hook"])
@pytest.mark.parametrize("wrapped", BOTH)
def test_hooks_and_inputs_that_are_not_used(hook, wrapped):
    """Whose gradients are zeros then, even where the hook is not called because the result is a dict."""

    def run(lib):
        class Net(lib.nn.Module):
            def forward(self, x, unused, constant):
                return {"y": x * 2} if wrapped else x * 2

        m, log = Net(), []
        getattr(m, hook)(lambda m, *grads: log.append([list(g) for g in grads]))
        x, unused = (lib.ones(2, requires_grad=True) for _ in range(2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = m(x, unused, lib.ones(2))
        (out["y"] if wrapped else out).sum().backward()
        return [x.grad, unused.grad, *log]

    same(run)


LAZY_MIXIN = next(c for c in tinygrad6.nn.LazyLinear.__mro__ if c.__name__ == "LazyModuleMixin")
UNSUPPORTED = {
    "sparse gradients": lambda t: t.nn.functional.embedding(t.tensor([0]), t.ones(2, 2), sparse=True),
    "sparse=False": lambda t: t.nn.Embedding(2, 2, sparse=True)(t.tensor([0])),
    "process_group=None": lambda t: t.nn.SyncBatchNorm(2, process_group=1),
    "train the module": lambda t: t.nn.parallel.DistributedDataParallel(t.nn.Linear(1, 1)),
    "initialize_parameters": lambda t: type("L", (LAZY_MIXIN, t.nn.Linear), {})(1, 1)(1),
    "options are not": lambda t: t.nn.functional.linear_cross_entropy(
        t.ones(2, 3), t.ones(4, 3), t.tensor([0, 1]), options={}
    ),
    "static_k": lambda t: t.nn.functional.multi_head_attention_forward(
        *[t.ones(1, 1, 2)] * 3, 2, 1, t.ones(6, 2), t.ones(6), None, None, False, 0.0, t.ones(2, 2), None,
        static_k=t.ones(1, 1, 2),
    ),
    "use optim.Adam": lambda t: t.optim.SparseAdam([t.nn.Parameter(t.ones(1))]),
    "capturable=True": lambda t: t.optim.Adam([t.nn.Parameter(t.ones(1))], capturable=True),
    "differentiable=True": lambda t: t.optim.SGD([t.nn.Parameter(t.ones(1))], differentiable=True),
    "LocalResponseNorm": lambda t: t.nn.CrossMapLRN2d(3),
    "complex": lambda t: t.float32.to_complex(),
    "bfloat16": lambda t: t.nn.Linear(1, 1).bfloat16(),
    "sparse tensors": lambda t: t.autograd.gradcheck(t.sin, (t.ones(1).double(),), masked=True),
    "forward mode": lambda t: t.autograd.gradgradcheck(t.sin, (t.ones(1).double(),), check_fwd_over_rev=True),
    "forward derivatives|forward mode": lambda t: t.autograd.gradcheck(
        t.sin, (t.nn.Parameter(t.ones(1).double()),), check_forward_ad=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", UNSUPPORTED)
def test_what_is_not_supported_says_so(said):
    """And what to use instead: PyTorch has these."""
    with pytest.raises(NotImplementedError, match=said):
        UNSUPPORTED[said](tinygrad6)
