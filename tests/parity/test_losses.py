"""Every loss function beside PyTorch's: reductions, weights, broadcasting, classes left out,
refusals and warnings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import draws, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
ALL = ["mean", "sum", "none"]
F64 = np.float64


def tensor(*shape, low=-1.0, high=1.0, seed=0, grad=True, dtype=F64):
    a = np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)
    return torch.from_numpy(np.asarray(a)).requires_grad_(grad)


def classes(n, *shape, seed=3, dtype=np.int64):
    return torch.from_numpy(np.asarray(np.random.default_rng(seed).integers(0, n, shape), dtype))


def check(name, *args, second=True, rtol=None, **kwargs):
    """The function on both sides; once with warnings as errors, so that they are compared,
    and once without."""

    def run(lib, *args, **kwargs):
        return getattr(lib.nn.functional, name)(*args, **kwargs)

    def quiet(lib, *args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(lib, *args, **kwargs)

    same(run, *args, second=second, rtol=rtol, **kwargs)
    same(quiet, *args, second=second, rtol=rtol, **kwargs)


SHAPES = st.sampled_from(
    [
        ((3, 4), (3, 4)),
        ((), ()),
        ((0, 3), (0, 3)),
        ((3, 1), (3,)),
        ((4,), (3, 4)),
        ((2,), (3,)),
        ((2, 3, 1), (2, 3, 1)),
    ]
)


@draws(30)
@given(
    name=st.sampled_from(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]),
    shapes=SHAPES,
    reduction=REDUCTIONS,
    setting=st.sampled_from([None, 0.5, 1.0, 0.0, -1.0]),
    weighted=st.booleans(),
    old=st.sampled_from(
        [{}, {}, {"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True}]
    ),
)
def test_regression(name, shapes, reduction, setting, weighted, old):
    x, y = tensor(*shapes[0]), tensor(*shapes[1], seed=1)
    options = {"reduction": reduction}
    if name != "huber_loss":
        options |= old
    if setting is not None and name in ("smooth_l1_loss", "huber_loss"):
        options["beta" if name == "smooth_l1_loss" else "delta"] = setting
    if weighted and name in ("mse_loss", "l1_loss", "huber_loss"):
        options["weight"] = tensor(*shapes[0], low=0.5, seed=2, grad=False)
    # PyTorch cannot differentiate a broadcast huber or smooth loss twice; its kinks are measured elsewhere
    check(name, x, y, **options, second=shapes[0] == shapes[1])


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_regression_types(name):
    check(name, tensor(3, dtype=np.float32, grad=False), tensor(3, grad=False))
    check(name, tensor(3, grad=False), classes(3, 3))
    check(name, tensor(3), tensor(3), reduction="average")
    check(name, tensor(3), tensor(3, grad=False), reduction="batchmean")
    check(name, torch.zeros(3, requires_grad=True), torch.zeros(3))


# ---- classes

GOOD = [
    ((3, 4), (3,)),
    ((4,), ()),
    ((2, 4, 3), (2, 3)),
    ((2, 4, 2, 3), (2, 2, 3)),
    ((0, 4), (0,)),
    ((1, 4), (1,)),
]
BAD = [
    ((3, 4), (2,)),
    ((3, 4), (3, 1)),
    ((4,), (2,)),
    ((), ()),
    ((2, 4, 3), (2, 2)),
    ((2, 4, 3), (2,)),
    ((3, 4), ()),
]


@draws(40)
@given(
    name=st.sampled_from(["cross_entropy", "nll_loss"]),
    shapes=st.sampled_from(GOOD),
    reduction=REDUCTIONS,
    weighted=st.booleans(),
    ignore=st.sampled_from([-100, 0, 2, 9]),
    smoothing=st.sampled_from([0.0, 0.0, 0.2, 1.0]),
    seed=st.integers(0, 5),
)
def test_classes(name, shapes, reduction, weighted, ignore, smoothing, seed):
    x, t = tensor(*shapes[0]), classes(3, *shapes[1], seed=seed)
    options = {"label_smoothing": smoothing} if name == "cross_entropy" else {}
    w = tensor(4, low=0.2, seed=7, grad=False) if weighted else None
    check(name, x, t, w, ignore_index=ignore, reduction=reduction, **options)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("shapes", BAD)
def test_classes_of_the_wrong_shape(name, shapes):
    check(name, tensor(*shapes[0]), classes(3, *shapes[1]))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("reduction", ALL)
@pytest.mark.parametrize("weighted", [False, True])
def test_all_ignored_and_none_at_all(name, reduction, weighted):
    w = tensor(4, low=0.2, grad=False) if weighted else None
    x = tensor(3, 4)
    with np.errstate(invalid="ignore"):
        for t in (torch.full((3,), -100), torch.full((3,), 2)):
            check(name, x, t, w, ignore_index=int(t[0]), reduction=reduction)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int16, np.float64, bool])
def test_class_types(name, kind):
    check(name, tensor(3, 4), classes(2, 3, dtype=kind))
    check(name, tensor(3, 4, dtype=np.float32), classes(2, 3, dtype=kind))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("value", [4, -1, 100])
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_class_out_of_range(name, value, shape):
    t = torch.zeros(shape, dtype=torch.int64)
    t[-1] = value
    x = tensor(3, 4) if len(shape) == 1 else tensor(3, 4, 2)
    check(name, x, t)
    check(name, x, t, tensor(4, grad=False))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_class_weights_that_do_not_fit(name):
    check(name, tensor(3, 4), classes(4, 3), tensor(3, grad=False))
    check(name, tensor(3, 4), classes(4, 3), tensor(4, grad=False, dtype=np.float32))
    check(name, tensor(3, 4), classes(4, 3), tensor(2, 2, grad=False))


def test_smoothing_out_of_range():
    check("cross_entropy", tensor(3, 4), classes(4, 3), label_smoothing=1.5)
    with pytest.raises(RuntimeError, match="Got: -0.1"):  # PyTorch ignores it
        torch.nn.functional.cross_entropy(tensor(3, 4), classes(4, 3), label_smoothing=-0.1)


@given(
    shape=st.sampled_from([(3, 4), (4,), (2, 4, 3), (0, 4)]),
    reduction=REDUCTIONS,
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.3]),
    ignore=st.sampled_from([-100, 1]),
)
def test_class_probabilities(shape, reduction, weighted, smoothing, ignore):
    x, p = tensor(*shape), tensor(*shape, low=0, seed=1)
    w = tensor(4, low=0.2, seed=7, grad=False) if weighted else None
    check("cross_entropy", x, p, w, reduction=reduction, label_smoothing=smoothing, ignore_index=ignore)


# ---- two classes


@draws(30)
@given(
    name=st.sampled_from(["binary_cross_entropy", "binary_cross_entropy_with_logits"]),
    shape=st.sampled_from([(3, 4), (), (5,), (0,), (2, 3, 4)]),
    reduction=REDUCTIONS,
    weighted=st.sampled_from([None, "full", "row"]),
    positive=st.sampled_from([None, "row", "one"]),
    learned=st.booleans(),
)
def test_two_classes(name, shape, reduction, weighted, positive, learned):
    logits = name.endswith("logits")
    x = tensor(*shape, low=-3, high=3) if logits else tensor(*shape, low=0.02, high=0.98)
    y = tensor(*shape, low=0, seed=1, grad=learned)
    last = shape[-1:]
    options = {"reduction": reduction}
    if weighted:
        options["weight"] = tensor(*(shape if weighted == "full" else last), low=0.1, seed=4, grad=False)
    if logits and positive:
        options["pos_weight"] = tensor(
            *(last if positive == "row" else (1,) * bool(shape)), low=0.1, high=3, grad=False
        )
    check(name, x, y, **options)


def test_two_classes_at_the_ends():
    ends = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    with np.errstate(divide="ignore"):
        for reduction in ALL:
            check("binary_cross_entropy", ends, y, reduction=reduction, second=False, rtol=1e-8)
    far = torch.tensor([-800.0, 800.0, 0.0, -40.0], dtype=torch.float64, requires_grad=True)
    check("binary_cross_entropy_with_logits", far, y, reduction="none")


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_two_classes_refuse(name):
    check(name, tensor(3, low=0), tensor(3, 1, low=0))
    check(name, tensor(3, low=0), tensor(4, low=0))
    check(name, tensor(3, low=0), classes(2, 3))
    check(name, torch.tensor([0.5, 1.5]), torch.tensor([0.0, 1.0]))
    check(name, torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]), reduction="batchmean")
    check(name, torch.tensor([0.5, -0.5]), torch.tensor([0.0, 1.0]))
    check(name, tensor(3, low=0, dtype=np.float32), tensor(3, low=0))
    check(name, tensor(3, low=0), tensor(3, low=0), tensor(2, low=0))


# ---- distributions


@given(
    shape=st.sampled_from([(3, 4), (4,), (), (2, 0)]),
    reduction=st.sampled_from([*ALL, "batchmean"]),
    log_target=st.booleans(),
    zeros=st.booleans(),
    learned=st.booleans(),
)
def test_divergence(shape, reduction, log_target, zeros, learned):
    x, y = tensor(*shape), tensor(*shape, low=0.1, seed=1, grad=learned and not zeros)
    if zeros and not log_target:
        y = y * (classes(2, *shape) > 0)
    check("kl_div", x, y, reduction=reduction, log_target=log_target)


@given(
    reduction=REDUCTIONS,
    log_input=st.booleans(),
    full=st.booleans(),
    eps=st.sampled_from([1e-8, 0.1]),
    learned=st.booleans(),
)
def test_poisson(reduction, log_input, full, eps, learned):
    x, y = tensor(3, 4, low=0.2, high=2), tensor(3, 4, low=0, high=4, seed=1, grad=learned)
    check("poisson_nll_loss", x, y, log_input, full, eps=eps, reduction=reduction, second=not full)


@given(
    reduction=REDUCTIONS,
    full=st.booleans(),
    shape=st.sampled_from([(3, 4), (3, 1), (3,), (4,), (1, 4), ()]),
    eps=st.sampled_from([1e-6, 0.8]),
    target=st.sampled_from([(3, 4), (3, 1)]),
)
def test_gaussian(reduction, full, shape, eps, target):
    x, y, v = tensor(3, 4), tensor(*target, seed=1), tensor(*shape, low=0.3, high=2, seed=2)
    check("gaussian_nll_loss", x, y, v, full=full, eps=eps, reduction=reduction)


def test_gaussian_with_a_number_or_a_negative_variance():
    check("gaussian_nll_loss", tensor(3, 4), tensor(3, 4, seed=1), 0.5)
    check("gaussian_nll_loss", tensor(3, 4), tensor(3, 4, seed=1), -0.5)
    check("gaussian_nll_loss", tensor(3, 4), tensor(3, 4, seed=1), tensor(3, 4))


# ---- margins


def signs(*shape, seed=2):
    return torch.from_numpy(np.asarray(np.random.default_rng(seed).choice([-1.0, 1.0], shape)))


@given(
    reduction=REDUCTIONS, margin=st.sampled_from([None, 0.3, -0.2]), shape=st.sampled_from([(3, 4), (5,), ()])
)
def test_pairs(reduction, margin, shape):
    options = {"reduction": reduction, **({} if margin is None else {"margin": margin})}
    check("hinge_embedding_loss", tensor(*shape), signs(*shape), **options)
    check("margin_ranking_loss", tensor(*shape), tensor(*shape, seed=1), signs(*shape), **options)
    check("soft_margin_loss", tensor(*shape), signs(*shape), reduction=reduction)
    if len(shape) == 2:
        check("cosine_embedding_loss", tensor(*shape), tensor(*shape, seed=1), signs(shape[0]), **options)
        check("multilabel_soft_margin_loss", tensor(*shape), classes(2, *shape), reduction=reduction)
        w = tensor(shape[1], low=0, seed=5, grad=False)
        check("multilabel_soft_margin_loss", tensor(*shape), classes(2, *shape), w, reduction=reduction)
    elif len(shape) == 1:
        check("cosine_embedding_loss", tensor(*shape), tensor(*shape, seed=1), signs(), **options)
        check("multilabel_soft_margin_loss", tensor(*shape), classes(2, *shape), reduction=reduction)


def test_pairs_refuse():
    check("margin_ranking_loss", tensor(3), tensor(3), signs(3, 1))
    check("margin_ranking_loss", tensor(3, 1), tensor(3), signs(3))
    check("margin_ranking_loss", tensor(3), tensor(4), signs(4))
    check("cosine_embedding_loss", tensor(3, 4), tensor(3, 4), signs(3, 1))
    check("cosine_embedding_loss", tensor(3, 4), tensor(3, 4), signs(2))
    check("cosine_embedding_loss", tensor(3, 4), tensor(4), signs(3))
    check("cosine_embedding_loss", tensor(4), tensor(4), signs(1))
    check("soft_margin_loss", tensor(3), signs(4))
    check("hinge_embedding_loss", tensor(3, 4), signs(4), reduction="mean")


@given(
    reduction=REDUCTIONS,
    p=st.sampled_from([1, 2, 3]),
    margin=st.sampled_from([1.0, 0.3]),
    weighted=st.booleans(),
    shapes=st.sampled_from([((3, 4), (3,)), ((4,), ()), ((4,), (1,)), ((3, 4), (2,)), ((2, 3, 4), (2,))]),
)
def test_multi_margin(reduction, p, margin, weighted, shapes):
    w = tensor(4, low=0.1, seed=5, grad=False) if weighted else None
    check(
        "multi_margin_loss",
        tensor(*shapes[0]),
        classes(4, *shapes[1]),
        p,
        margin,
        w,
        reduction=reduction,
        second=False,
    )


@given(
    reduction=REDUCTIONS,
    labels=st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), min_size=1, max_size=3),
    one=st.booleans(),
)
def test_multilabel_margin(reduction, labels, one):
    t = torch.tensor(labels[0] if one else labels)
    check("multilabel_margin_loss", tensor(*t.shape), t, reduction=reduction, second=False)


def test_margins_refuse():
    check("multilabel_margin_loss", tensor(2, 4), torch.zeros(2, 3, dtype=torch.int64), second=False)
    check("multilabel_margin_loss", tensor(2, 4), torch.full((2, 4), 4), second=False)
    check("multi_margin_loss", tensor(2, 4), torch.tensor([1, 4]), second=False)
    check("multi_margin_loss", tensor(2, 4), torch.tensor([1, 2]), weight=tensor(3, grad=False), second=False)


@given(
    reduction=REDUCTIONS,
    margin=st.sampled_from([1.0, 0.2, 0.0, -1.0]),
    p=st.sampled_from([2.0, 1.0, 3.0]),
    swap=st.booleans(),
    shapes=st.sampled_from([((3, 4),) * 3, ((4,),) * 3, ((3, 4), (3, 4), (4,)), ((3, 4), (1, 4), (3, 4))]),
)
def test_triplets(reduction, margin, p, swap, shapes):
    a, b, c = (tensor(*s, seed=i) for i, s in enumerate(shapes))
    check("triplet_margin_loss", a, b, c, margin, p, swap=swap, reduction=reduction)
    check("triplet_margin_with_distance_loss", a, b, c, margin=margin, swap=swap, reduction=reduction)


def test_modules_keep_old_arguments():
    for name in (
        "MSELoss",
        "L1Loss",
        "CrossEntropyLoss",
        "NLLLoss",
        "BCELoss",
        "KLDivLoss",
        "SoftMarginLoss",
    ):
        for old in ({"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": False}):

            def run(lib, name=name, old=old):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return getattr(lib.nn, name)(**old).reduction

            same(run)
            same(lambda lib, name=name, old=old: getattr(lib.nn, name)(**old).reduction)
    for name, arguments in (
        ("TripletMarginLoss", {"margin": 0}), ("MultiMarginLoss", {"p": 3}),
        ("TripletMarginWithDistanceLoss", {"margin": -1}), ("HuberLoss", {"delta": -1}),
        ("MSELoss", {"beta": 1}), ("MultiMarginLoss", {"weight": 1}), ("SmoothL1Loss", {"beta": -1}),
    ):  # fmt: skip
        same(lambda lib, name=name, arguments=arguments: repr(getattr(lib.nn, name)(**arguments)))


# ---- connectionist temporal classification


@draws(25)
@given(
    data=st.data(), reduction=REDUCTIONS, zero=st.booleans(), joined=st.booleans(), blank=st.integers(0, 3)
)
def test_ctc(data, reduction, zero, joined, blank):
    n = data.draw(st.integers(1, 3))
    steps = data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    labels = [c for c in range(4) if c != blank]
    t = np.array(
        data.draw(st.lists(st.lists(st.sampled_from(labels), min_size=4, max_size=4), min_size=n, max_size=n))
    )
    if joined:
        t = np.concatenate([row[:k] for row, k in zip(t, lengths)])
    x = tensor(6, n, 4, seed=data.draw(st.integers(0, 3)))

    def run(lib, x, t):
        loss = lib.nn.functional.ctc_loss(
            x.log_softmax(-1), t, lib.tensor(steps), lib.tensor(lengths), blank, reduction, zero
        )
        # in infinite losses PyTorch's gradients are nan, and so are ours, though not in the same places
        return loss if lib.isfinite(loss).all() else loss.detach()

    with np.errstate(invalid="ignore"):
        same(run, x, torch.from_numpy(t), second=False)


def test_ctc_of_one_sequence_and_its_own_gradient():
    x = tensor(5, 4).log_softmax(-1).detach().requires_grad_()
    t = torch.tensor([1, 2, 2])
    check("ctc_loss", x, t, (5,), (3,), second=False)
    check("ctc_loss", x, t, torch.tensor(5), torch.tensor(3), reduction="none", second=False)


@pytest.mark.parametrize(
    "t, steps, lengths, options",
    [
        ([[1, 2]], [7], [2], {}), ([[1, 2]], [5], [3], {}), ([[1, 2]], [5, 5], [2], {}),
        ([[1, 2]], [5], [2, 1], {}), ([[1, 2]], [5], [2], {"blank": 4}), ([1, 2, 3], [5], [2], {}),
        ([[1, 2]], [5.0], [2], {}), ([[1, 2]], [5], [2], {"reduction": "batchmean"}),
        ([[1, 2]], [5], [-1], {}),
    ],
)  # fmt: skip
def test_ctc_refuses(t, steps, lengths, options):
    x = tensor(5, 1, 4)
    check("ctc_loss", x, torch.tensor(t), torch.tensor(steps), torch.tensor(lengths), second=False, **options)


def test_losses_of_ones_own():
    def facts(lib):
        from importlib import import_module

        loss = import_module(f"{lib.__name__}.nn.modules.loss")

        class Own(loss._Loss):
            def forward(self, x):
                return x.sum() if self.reduction == "sum" else x.mean()

        class Focal(loss._WeightedLoss):
            def __init__(self, weight=None, gamma=2.0, reduction="mean"):
                super().__init__(weight, reduction=reduction)
                self.gamma = gamma

            def forward(self, x, t):
                logp = lib.log_softmax(x, 1)
                scaled = (1 - logp.exp()) ** self.gamma * logp
                return lib.nn.functional.nll_loss(scaled, t, self.weight, reduction=self.reduction)

        x, t = lib.tensor([[0.5, 1.0], [2.0, -1.0]]), lib.tensor([1, 0])
        focal = Focal(lib.tensor([1.0, 3.0]), reduction="sum")
        return [
            Own()(x).item(),
            Own(reduction="sum")(x).item(),
            Own(reduction="none").reduction,
            round(focal(x, t).item(), 5),
            list(focal.state_dict()),
            repr(focal),
        ]

    import torch as theirs

    import tinygrad6 as ours

    assert facts(ours) == facts(theirs)


# ---- cross entropies of linear maps


LINEAR = [
    ((4, 3), (5, 3), (4,), {}), ((4, 3), (5, 3), (4,), {"reduction": "sum", "ignore_index": 2}),
    ((3,), (5, 3), (), {"reduction": "none"}), ((4, 3), (5, 3), (4,), {"label_smoothing": 0.1, "bias": True}),
    ((4, 3), (5, 2, 3), (4, 2), {"bias": True}), ((4, 3), (5, 3), (4, 5), {}),
    ((4, 3), (5, 3), (4,), {"weight": True}),
    ((4, 3), (5, 3), (4, 5), {"ignore_index": 1}), ((2, 4, 3), (5, 3), (4,), {}), ((4, 2), (5, 3), (4,), {}),
    ((4, 3), (5,), (4,), {}), ((3,), (5, 2, 3), (2,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("x", "w", "t", "settings"), LINEAR)
def test_linear_cross_entropy(x, w, t, settings):
    rng = np.random.default_rng(0)
    numbers = lambda shape: torch.tensor(rng.uniform(0.1, 1, shape)).requires_grad_()  # noqa: E731
    classes = w[:-1] or (1,)
    target = torch.tensor(rng.integers(0, 5, t))
    if t == (4, 5):
        target = torch.tensor(rng.uniform(0, 1, t))
    settings = dict(settings)
    if settings.pop("bias", False):
        settings["linear_bias"] = numbers(classes)
    if settings.pop("weight", False):
        settings["weight"] = torch.tensor(rng.uniform(0.5, 1, 5))
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

    same(run, torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]], requires_grad=True))
    with pytest.raises(NotImplementedError, match="options"):
        torch.nn.LinearCrossEntropyLoss(3, 5, options=1)(torch.ones(1, 3), torch.tensor([0]))
