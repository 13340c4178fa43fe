"""Functions and corners of the vocabulary that no other test draws: what prints, what types become, what a
type refuses, the arguments of constructors, low-rank decompositions, segments."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import tinygrad6

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
BOTH = (torch, tinygrad6)
KINDS = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()


def outcome(t, call):
    """The result as text, or the type of the error; PyTorch's subclasses of RuntimeError count as that."""
    try:
        r = call(t)
    except Exception as e:
        return next(k.__name__ for k in type(e).__mro__ if k.__module__ == "builtins")
    return str(r.dtype), tuple(r.shape), r.tolist()


def agree(call, *about):
    theirs, ours = (outcome(t, call) for t in BOTH)
    assert str(ours) == str(theirs), about


# ---- printing


def printed(r):
    """A random tensor as a list, its type, its shape, and print options."""
    g = np.random.RandomState(r.randint(0, 1 << 30))
    kind = r.choice(KINDS)
    shape = [r.choice([0, 1, 2, 3, 7, 12, 40]) for _ in range(r.randint(0, 3))]
    a = g.rand(*shape) if shape else np.array(g.rand())
    if kind.startswith("float"):
        change = r.choice(
            [
                lambda: np.round(a * 10.0 ** r.randint(0, 9)),
                lambda: a * 10.0 ** r.randint(-12, 12),
                lambda: a * 10.0 ** g.randint(-6, 6, a.shape) * g.choice([-1, 1], a.shape),
                lambda: np.where(a < 0.3, r.choice([np.nan, np.inf, -np.inf, 0.0]), a - 0.5),
                lambda: np.full(a.shape, r.choice([np.nan, -np.inf, 0.0, 1.0])),
                lambda: np.round(a * 3) + 1e-7,
            ]
        )
        a = change()
    else:
        a = a < 0.5 if kind == "bool" else np.floor(a * r.choice([3, 100, 127]))
    choices = {
        "precision": [0, 1, 6],
        "threshold": [0, 5, 20],
        "edgeitems": [0, 1, 2],
        "linewidth": [20, 40, 120],
        "sci_mode": [True, False, None],
        "profile": ["short", "full", "default"],
    }
    options = {k: r.choice(v) for k, v in choices.items() if r.random() < 0.15}
    return a.tolist(), kind, shape, options


@pytest.mark.parametrize("seed", range(4))
def test_repr(seed):
    r = random.Random(seed)
    try:
        for _ in range(150):
            values, kind, shape, options = printed(r)
            grad = r.choice([None, None, True, "computed"]) if kind in ("float32", "float64") else None
            texts = []
            for t in BOTH:
                t.set_printoptions(profile="default")
                t.set_printoptions(**options)
                x = t.tensor(values, dtype=getattr(t, kind)).reshape(shape)
                x = x if grad is None else x.requires_grad_()
                texts.append(repr(x * 1 if grad == "computed" else x))
            assert texts[1] == texts[0], (kind, shape, options)
    finally:
        for t in BOTH:
            t.set_printoptions(profile="default")


# ---- types


@pytest.mark.parametrize("kind", KINDS)
def test_types_of_functions_of_one(kind):
    for name in """
        square abs neg sign sgn sqrt exp sigmoid relu sum mean prod cumsum var std amax max argmax
        median any all logical_not bitwise_not floor round reciprocal sinh erf isnan count_nonzero
        norm topk_ kthvalue_ nansum logsumexp_ softmax_ unique positive signbit frac clamp_ cumprod
        diff trapezoid logit digamma
    """.split():
        arguments = {"topk_": (1,), "kthvalue_": (1,), "logsumexp_": (0,), "softmax_": (0,), "clamp_": (0, 1)}
        more = arguments.get(name, (0,) if name in ("cumsum", "cumprod") else ())
        name = name.rstrip("_")
        for values in ([1, 0, 1], 1):

            def call(t, name=name, more=more, values=values):
                r = getattr(t, name)(t.tensor(values, dtype=getattr(t, kind)), *more)
                return r[0] if isinstance(r, tuple) else r

            theirs, ours = (outcome(t, call) for t in BOTH)
            if isinstance(theirs, str):
                assert ours == theirs, (name, kind)
            else:
                assert ours[:2] == theirs[:2], (name, kind)
                assert np.allclose(ours[2], theirs[2], 2e-3, 2e-3, equal_nan=True), (name, kind)


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("name", "ldexp sub rsub pow heaviside bitwise_left_shift true_divide fmod".split())
def test_types_of_functions_of_two(name, first):
    for second in KINDS:
        for shape in ((2,), ()):
            if name == "pow" and first == second == "bool" and not shape:
                continue  # a 0-d tensor may stand for a number here
            agree(
                lambda t, second=second, shape=shape: getattr(t, name)(
                    t.tensor([1, 1], dtype=getattr(t, first)), t.ones(shape, dtype=getattr(t, second))
                ),
                second,
                shape,
            )


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize("value", [300, -1, -300, 127.5, 1e10, 2**40, float("inf"), float("nan")])
def test_numbers_a_type_may_not_hold(kind, value):
    def of(t):
        return t.tensor([1, 0], dtype=getattr(t, kind))

    for call in (
        lambda t: of(t).fill_(value),
        lambda t: t.full((2,), value, dtype=getattr(t, kind)),
        lambda t: t.full_like(of(t), value),
        lambda t: of(t).new_full((1,), value),
        lambda t: of(t).masked_fill(of(t) > 0, value),
        lambda t: of(t).scatter(0, t.tensor([0]), value),
        lambda t: of(t).index_fill(0, t.tensor([0]), value),
        lambda t: t.where(of(t) > 0, of(t), value),
        lambda t: t.constant_pad_nd(of(t), (1, 1), value),
        lambda t: t.eye(2, dtype=getattr(t, kind)).fill_diagonal_(value),
        lambda t: t.tensor([value], dtype=getattr(t, kind)),
        lambda t: of(t) ** value if isinstance(value, int) and value > 0 else of(t) ** 3,
        lambda t: t.tensor(np.array([1]), dtype=getattr(t, kind)).add_(1),
    ):
        agree(call, kind, value)


@pytest.mark.parametrize("kind", ["bool", "int8", "float32"])
def test_wrong_writes_are_refused(kind):
    def of(t):
        return t.tensor([1, 0], dtype=getattr(t, kind))

    for call in (
        lambda t: of(t).zero_(2),
        lambda t: of(t).clamp(True),
        lambda t: of(t).clamp_(max=True),
        lambda t: of(t).polygamma_(1).relu_(),
        lambda t: of(t).cumsum_(0, dtype=t.float64),
        lambda t: of(t).neg_(),
        lambda t: of(t).expand(),
        lambda t: of(t).repeat(),
    ):
        theirs, ours = (outcome(t, call) for t in BOTH)
        assert str(ours)[:9] == str(theirs)[:9], kind


def test_an_alpha_does_not_wrap():
    agree(lambda t: t.sub(-2.0, t.tensor([4, 2], dtype=t.uint8), alpha=-1))
    agree(lambda t: t.rsub(t.tensor([4, 2], dtype=t.uint8), -2.5, alpha=2))


def test_doubles_become_half_by_way_of_float():
    values = np.random.RandomState(0).rand(50000)
    for make in (
        lambda t: t.tensor(values).half(),
        lambda t: t.tensor(values[:20000].tolist(), dtype=t.float16),
    ):
        assert (make(torch).numpy() == make(tinygrad6).numpy()).all()


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "median", "nanmedian"])
def test_keepdim_wants_dim(name):
    for t in BOTH:
        with pytest.raises(TypeError):
            getattr(t.ones(2, 2), name)(keepdim=True)
    if name in ("sum", "mean"):
        agree(lambda t: getattr(t.ones(2, 2), name)(dim=None, keepdim=True))


@pytest.mark.parametrize("kind", KINDS[3:8])
def test_zero_dimensional_indices(kind):
    if kind != "uint8":  # of which PyTorch makes a mask
        agree(lambda t: t.arange(6).reshape(3, 2)[t.tensor(1, dtype=getattr(t, kind))], kind)


# ---- constructors

MAKERS = {
    "zeros": ((2, 3),),
    "ones": ((2,),),
    "full": ((2,), 3.0),
    "arange": (5,),
    "linspace": (0, 1, 5),
    "logspace": (0, 1, 5),
    "eye": (3,),
    "rand": ((2,),),
    "randn": ((2,),),
    "randint": (5, (2,)),
    "randperm": (4,),
    "normal": (0.0, 1.0, (3,)),
    "hann_window": (4,),
    "tril_indices": (3, 3),
    "scalar_tensor": (2.0,),
    "asarray": ([1.0, 2.0],),
}


@pytest.mark.parametrize("name", MAKERS)
def test_arguments_of_constructors(name):
    for options in (
        lambda t: {"dtype": t.float64},
        lambda t: {"dtype": t.int64},
        lambda t: {"dtype": t.bool},
        lambda t: {"requires_grad": True},
        lambda t: {"requires_grad": 1},
        lambda t: {"pin_memory": False},
        lambda t: {"layout": t.strided},
        lambda t: {"device": "cpu"},
        lambda t: {"out": t.empty(0)},
        lambda t: {"out": t.empty(0, dtype=t.int64)},
        lambda t: {"out": t.empty(0, dtype=t.int64), "dtype": t.float32},
        lambda t: {"out": t.zeros(2), "requires_grad": True},
        lambda t: {"nonsense": 1},
    ):

        def call(t, options=options):
            t.manual_seed(0)
            given = options(t)
            r = getattr(t, name)(*MAKERS[name], **given)
            assert given.get("out") is None or r is given["out"]
            return r.double().detach() if r.is_floating_point() and not r.requires_grad else r

        theirs, ours = (outcome(t, call) for t in BOTH)
        if isinstance(theirs, str) or isinstance(ours, str):
            assert ours == theirs, (name, options(torch))
        else:
            assert ours[:2] == theirs[:2] and np.allclose(ours[2], theirs[2], 1e-6), (name, options(torch))


def test_integers_out_of_a_type():
    for bounds, kind in (((300,), "uint8"), ((-1, 2), "uint8"), ((5,), "bool"), ((200,), "int8")):
        for t in BOTH:
            with pytest.raises(RuntimeError, match="out of bounds"):
                t.randint(*bounds, (2,), dtype=getattr(t, kind))


# ---- low-rank decompositions, segments


@pytest.mark.parametrize("shape", [(7, 9), (9, 5), (2, 6, 4)])
def test_low_rank(shape):
    a = np.random.RandomState(0).randn(*shape)
    m = np.random.RandomState(1).randn(1, shape[-1])
    found = []
    for t in BOTH:
        t.manual_seed(3)
        A = t.tensor(a, requires_grad=True)
        U, S, V = t.svd_lowrank(A, q=3, M=t.tensor(m))
        (U * S.unsqueeze(-2) @ V.mT).sum().backward()
        u, s, v = t.pca_lowrank(A.detach())
        found.append(
            [S.detach(), (U * S.unsqueeze(-2) @ V.mT).detach(), A.grad, s, u * s.unsqueeze(-2) @ v.mT]
        )
        for wrong in ({"q": 100}, {"q": -1}, {"niter": -1}):
            with pytest.raises(ValueError):
                t.pca_lowrank(A, **wrong)
    for theirs, ours in zip(*found, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), 1e-6, 1e-6)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod", "nothing"])
@pytest.mark.parametrize("initial", [None, 3.0])
def test_segments(reduce, initial):
    x = np.arange(12.0).reshape(6, 2) % 5
    for how in (
        lambda t: {"lengths": t.tensor([2, 0, 4])},
        lambda t: {"offsets": t.tensor([0, 2, 6])},
        lambda t: {"lengths": t.tensor([[1, 1], [2, 0], [0, 2], [1, 1], [1, 1], [1, 1]]), "axis": 1},
        lambda t: {"lengths": t.tensor([2, 3])},
        lambda t: {"lengths": t.tensor([2, 4]), "axis": 1},
        lambda t: {"lengths": t.tensor([-2, 8])},
        lambda t: {"lengths": t.tensor([2.0, 4.0])},
        lambda t: {"indices": t.tensor([0])},
        lambda t: {},
    ):

        def call(t, how=how):
            data = t.tensor(x, requires_grad=True)
            out = t.segment_reduce(data, reduce, initial=initial, **how(t))
            out.sum().backward()
            return t.cat([out.detach().reshape(-1), data.grad.reshape(-1)])

        agree(call, reduce, initial, how(torch))


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("end", ["", "_"])
def test_dropouts_train(name, end):
    for train in (True, False):

        def call(t, train=train):
            t.manual_seed(1)
            return getattr(t, name + end)(t.ones(2, 3, dtype=t.float64), p=0.5, train=train)

        theirs, ours = (outcome(t, call) for t in BOTH)
        assert ours[:2] == theirs[:2] and np.allclose(ours[2], theirs[2])


# ---- names in the graph

NAMED = """
x + x; x - 1; x * 2; x / x; x @ x; x @ x[0]; x[0] @ x[0]; -x; x ** 2; x ** x; 2 ** x; x.exp(); x.sum()
x.sum(1); x.mean(0); x.max(); x.min(); x.max(1)[0]; x.min(1)[0]; x.topk(2)[0]; x.sort()[0]; x.median()
x.median(1)[0]; x.kthvalue(1)[0]; x.mode()[0]; x.cummax(0)[0]; x.amax(1); x.std(); x.var(0); x.norm()
x.T; x.t(); x.view(9); x.reshape(9); x[0]; x[:, 1:]; x[None]; x.permute(1, 0); x.unsqueeze(0)
x.expand(2, 3, 3); x.repeat(2, 1); t.stack([x, x]); t.cat([x, x]); x.split(2)[0]; x.split([1, 2])[1]
x.chunk(2)[0]; x.unbind()[0]; t.addmm(x, x, x); t.baddbmm(x[None], x[None], x[None])
t.bmm(x[None], x[None]); t.addmv(x[0], x, x[0]); t.addcmul(x, x, x); t.addcdiv(x, x, x + 9); x.mv(x[0])
x[0].dot(x[1]); t.where(x > 0, x, x); x.masked_fill(x > 0, 1.0); x.masked_select(x > -9)
x.index_select(0, i); x.gather(0, i[None]); x[i]; x[x > -9]; x.index_add(0, i, x); x.index_copy(0, i, x)
x.scatter(0, i[None], x); x.scatter_add(0, i[None], x); x.clamp(0, 1); x.tril(); x.triu(); x.trace()
x.cumsum(0); x.cumprod(0); x.roll(1, 0); x.flip(0); x.softmax(1); x.log_softmax(1); x.relu(); x.sigmoid()
x.tanh(); x.abs(); x.pow(3); x.prod(); x.logsumexp(0); t.lerp(x, x, 0.5); t.cdist(x, x); t.dist(x, x + 1)
x.float(); x.half(); x.clone(); x.contiguous(); t.var_mean(x)[0]; t.aminmax(x)[0]; x.take(i)
x.renorm(2, 0, 1.0); x.square(); x.nansum(); x.deg2rad(); x.diag_embed()
"""


@pytest.mark.parametrize("expression", [e.strip() for e in NAMED.replace("\n", ";").split(";") if e.strip()])
def test_names_in_the_graph(expression):
    names = []
    for t in BOTH:
        x = (t.arange(9.0, dtype=t.float64).reshape(3, 3) / 7 - 0.5).requires_grad_() * 1
        found = eval(expression, {"t": t, "x": x, "i": t.tensor([0, 2, 1])})
        names.append(found.grad_fn and found.grad_fn.name())
    assert names[1] == names[0]


def test_walking_the_graph():
    found = []
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        node, path = (x * 2 + x).sum().grad_fn, []
        while node is not None:
            path.append([node.name(), [None if n is None else (n.name(), k) for n, k in node.next_functions]])
            last, node = node, node.next_functions[0][0] if node.next_functions else None
        found.append(path)
        assert last.variable is x
    assert found[1] == found[0]
