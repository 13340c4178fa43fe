"""nn.init, nn.utils and the rarer modules beside PyTorch."""

from __future__ import annotations

import importlib
import math
import warnings

import numpy as np
import pytest
from helpers import assert_same, draws, pytorch, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6 import nn

INIT = [
    ("uniform_", {}), ("uniform_", {"a": -2.0, "b": 3.0}), ("normal_", {}),
    ("normal_", {"mean": 1.0, "std": 0.2}), ("trunc_normal_", {}),
    ("trunc_normal_", {"mean": 1.0, "std": 0.5, "a": 0.5, "b": 1.5}), ("trunc_normal_", {"mean": 9.0}),
    ("constant_", {"val": 0.3}), ("ones_", {}), ("zeros_", {}), ("eye_", {}), ("dirac_", {}),
    ("dirac_", {"groups": 2}), ("dirac_", {"groups": 3}), ("xavier_uniform_", {}),
    ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}), ("kaiming_uniform_", {}),
    ("kaiming_uniform_", {"a": 0.5, "mode": "fan_out"}), ("kaiming_uniform_", {"nonlinearity": "relu"}),
    ("kaiming_normal_", {}), ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}),
    ("kaiming_normal_", {"mode": "fan"}), ("kaiming_normal_", {"nonlinearity": "swish"}), ("orthogonal_", {}),
    ("orthogonal_", {"gain": 2.0}), ("sparse_", {"sparsity": 0.3}),
    ("sparse_", {"sparsity": 0.6, "std": 1.0}),
]  # fmt: skip
EXACT = {"uniform_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_", "kaiming_uniform_"}


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (4, 2, 3), (3, 4, 2, 2), (5,), (), (0, 3), (4, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name, options", INIT, ids=[f"{n}{o or ''}" for n, o in INIT])
def test_init(name, options, shape, dtype):
    def run(lib, x):
        lib.manual_seed(7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = getattr(lib.nn.init, name)(x.requires_grad_(), **options)
        assert out is x
        return [out, lib.rand(2)]  # and both drew equally often

    exact = {"rtol": 0.0, "atol": 0.0} if name in EXACT else {}
    if name == "orthogonal_" and dtype == torch.float32:
        exact = {"rtol": 1e-4, "atol": 1e-5}
    same(run, torch.zeros(shape, dtype=dtype), second=False, **exact)


@pytest.mark.parametrize(
    "name, options",
    [("trunc_normal_", {"mean": 9.0}), ("kaiming_uniform_", {}), ("kaiming_normal_", {}), ("uniform", {})],
)
def test_init_warns(name, options):
    same(
        lambda lib, x: getattr(lib.nn.init, name)(x, **options),
        torch.zeros(0, 3) if "kaim" in name else torch.zeros(2, 3),
    )


@pytest.mark.parametrize(
    "kind", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "elu", "conv_transpose3d"]
)
@pytest.mark.parametrize("param", [None, 0.3, 2, True, "x"])
def test_gain(kind, param):
    same(lambda lib: lib.nn.init.calculate_gain(kind, param))


# ---- gradients, vectors


def parameters(lib, grads, dtype="float64"):
    out = []
    for g in grads:
        p = lib.nn.Parameter(lib.zeros((2,) if g is None else np.shape(g), dtype=getattr(lib, dtype)))
        p.grad = None if g is None else lib.tensor(g, dtype=getattr(lib, dtype))
        out.append(p)
    return out


GRADS = st.lists(
    st.one_of(
        st.none(), st.lists(st.floats(-5, 5), min_size=1, max_size=3), st.just([0.0]),
        st.just([math.nan]), st.just([math.inf, 1.0]),
    ),
    max_size=4,
)  # fmt: skip


@draws(40)
@given(
    grads=GRADS,
    bound=st.sampled_from([1.0, 0.1, 1e6, 0.0]),
    norm=st.sampled_from([2.0, 1.0, 3.0, math.inf, -math.inf, 0.0, "inf"]),
    strict=st.booleans(),
    dtype=st.sampled_from(["float64", "float32"]),
    foreach=st.sampled_from([None, True, False]),
)
def test_clipping(grads, bound, norm, strict, dtype, foreach):
    def run(lib):
        ps = parameters(lib, grads, dtype)
        total = lib.nn.utils.clip_grad_norm_(ps, bound, norm, strict, foreach)
        return [
            total,
            [p.grad for p in ps],
            lib.nn.utils.get_total_norm([p.grad for p in ps if p.grad is not None], norm),
        ]

    def by_value(lib):
        ps = parameters(lib, grads, dtype)
        return [lib.nn.utils.clip_grad_value_(ps, bound, foreach), [p.grad for p in ps]]

    with np.errstate(all="ignore"):
        same(run)
        if any(g is not None for g in grads):  # else PyTorch fails
            same(by_value)


def test_clipping_of_one_tensor_of_none_and_by_its_old_name():
    same(lambda lib: lib.nn.utils.clip_grad_norm_(parameters(lib, [[3.0, 4.0]])[0], 1.0))
    same(lambda lib: lib.nn.utils.clip_grad_norm_((p for p in []), 1.0))
    same(lambda lib: lib.nn.utils.clip_grad_norm_([], 1.0))
    same(lambda lib: lib.nn.utils.clip_grad_norm(parameters(lib, [[3.0, 4.0]]), 1.0))


def test_vectors():
    def run(lib):
        ps = parameters(lib, [[1.0, 2.0], [3.0]])
        v = lib.nn.utils.parameters_to_vector(ps)
        lib.nn.utils.vector_to_parameters(lib.arange(3.0, dtype=lib.float64), ps)
        return [v, [p.detach() for p in ps]]

    same(run)
    same(lambda lib: lib.nn.utils.vector_to_parameters([1.0], []))
    with pytest.raises(RuntimeError, match="a vector of 3 elements"):
        nn.utils.vector_to_parameters(torch.zeros(2), parameters(torch, [[1.0, 2.0], [3.0]]))


# ---- parametrizations

LAYERS = [
    ("Linear", (4, 3), (2, 4)),
    ("Conv2d", (2, 3, 2), (1, 2, 4, 4)),
    ("ConvTranspose2d", (2, 3, 2), (1, 2, 3, 3)),
    ("Conv1d", (2, 3, 2), (1, 2, 5)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=[n for n, _, _ in LAYERS])
@pytest.mark.parametrize("where", ["utils", "utils.parametrizations"])
@pytest.mark.parametrize(
    "name, options",
    [
        ("weight_norm", {}),
        ("weight_norm", {"dim": None}),
        ("weight_norm", {"dim": 1}),
        ("spectral_norm", {}),
        ("spectral_norm", {"n_power_iterations": 3, "dim": 1}),
    ],
)
def test_norms_of_weights(name, options, where, layer):
    kind, arguments, shape = layer

    def run(lib, x):
        lib.manual_seed(0)
        tools = lib.nn.utils
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = getattr(lib.nn, kind)(*arguments).double()
            m = getattr(tools if where == "utils" else tools.parametrizations, name)(m, **options)
        shown = [
            repr(m) if where != "utils" else type(m).__name__,
            [n for n, _ in m.named_parameters()],
            list(m.state_dict()),
        ]
        outs = [m(x), m(x * 2)]  # two forwards in training, then one in evaluation
        grads = lib.autograd.grad(
            outs[0].sum() - outs[1].sin().sum(), list(m.parameters()), retain_graph=True
        )
        m.eval()
        outs.append(m(x))
        state = [v.clone() for v in m.state_dict().values()]
        if where == "utils":
            getattr(tools, "remove_" + name)(m)
        else:
            tools.parametrize.remove_parametrizations(m, "weight")
        return [shown, outs, list(grads), state, m(x), type(m).__name__, sorted(m.state_dict())]

    same(
        run,
        torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, shape)).requires_grad_(),
        second=False,
        rtol=1e-7,
    )


def test_norms_of_weights_refuse():
    for name in ("weight_norm", "spectral_norm"):
        same(
            lambda lib, name=name: getattr(lib.nn.utils.parametrizations, name)(
                lib.nn.Linear(2, 2), "missing"
            )
        )
    same(lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(2, 2), n_power_iterations=0))
    same(lambda lib: lib.nn.utils.parametrizations.spectral_norm(lib.nn.Linear(2, 2), dim=4))
    same(lambda lib: lib.nn.utils.spectral_norm(lib.nn.utils.spectral_norm(lib.nn.Linear(2, 2))))
    same(lambda lib: lib.nn.utils.remove_spectral_norm(lib.nn.Linear(2, 2)))
    same(lambda lib: lib.nn.utils.weight_norm(lib.nn.Linear(2, 2)))  # it is deprecated


def test_parametrizations_of_your_own():
    def run(lib, x):
        class Double(lib.nn.Module):
            def forward(self, w):
                return w * 2

            def right_inverse(self, w):
                return w / 2

        class Wider(lib.nn.Module):
            def forward(self, w):
                return w.repeat(2, 1)

        tools = lib.nn.utils.parametrize
        lib.manual_seed(0)
        m = lib.nn.Linear(4, 3).double()
        tools.register_parametrization(m, "weight", Double())
        first = m(x)
        tools.register_parametrization(m, "weight", Double())
        second = m(x)
        m.weight = lib.ones(3, 4, dtype=lib.float64)
        with tools.cached():
            assert m.weight is m.weight
        state = m.state_dict()
        for wrong, error in ((Wider(), ValueError), (None, ValueError)):
            with pytest.raises(error):
                tools.register_parametrization(m, "weight" if wrong else "missing", wrong or Double())
        third = m(x)
        tools.remove_parametrizations(m, "weight", leave_parametrized=False)
        return [
            first,
            second,
            third,
            list(state),
            list(state.values()),
            m.weight.detach(),
            tools.is_parametrized(m),
        ]

    same(run, torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 4))).requires_grad_())


# ---- what is left


def test_fusion_and_skip_init():
    def run(lib, x, y):
        lib.manual_seed(0)
        out = []
        for layer, bn, kind in (
            (lib.nn.Conv2d(2, 3, 2), lib.nn.BatchNorm2d(3), "conv"),
            (lib.nn.ConvTranspose2d(2, 3, 2, bias=False), lib.nn.BatchNorm2d(3, affine=False), "transposed"),
            (lib.nn.Linear(4, 3), lib.nn.BatchNorm1d(3), "linear"),
        ):
            both = lib.nn.Sequential(layer, bn).double()
            z = y if kind == "linear" else x
            both(z)
            both.eval()
            tools = lib.nn.utils
            fused = (
                tools.fuse_linear_bn_eval(layer, bn)
                if kind == "linear"
                else tools.fuse_conv_bn_eval(layer, bn, kind != "conv")
            )
            np.testing.assert_allclose(fused(z).detach().numpy(), both(z).detach().numpy(), 1e-9)
            out.append(fused(z))
        before = lib.get_rng_state()
        m = lib.nn.utils.skip_init(lib.nn.Linear, 3, 4)
        assert (lib.get_rng_state() == before).all()
        return [out, repr(m)]

    rng = np.random.default_rng(0)
    same(
        run,
        *(torch.from_numpy(rng.uniform(-1, 1, s)).requires_grad_() for s in ((2, 2, 3, 3), (5, 4))),
        second=False,
    )
    same(lambda lib: lib.nn.utils.skip_init(lib.nn.ReLU))
    same(lambda lib: lib.nn.utils.skip_init(3))
    same(lambda lib: lib.nn.utils.fuse_conv_bn_eval(lib.nn.Conv2d(1, 1, 1), lib.nn.BatchNorm2d(1)))


@given(
    target=st.sampled_from([(5,), (), (2, 2), (4,)]),
    cutoffs=st.sampled_from([[3], [2, 5], [2, 5, 9]]),
    bias=st.booleans(),
    far=st.booleans(),
)
def test_adaptive_softmax(target, cutoffs, bias, far):
    x = torch.from_numpy(
        np.random.default_rng(0).uniform(-1, 1, (5, 16) if target else (16,))
    ).requires_grad_()
    t = torch.from_numpy(np.asarray(np.random.default_rng(1).integers(0, 14 if far else 12, target)))

    def run(lib, x, t):
        lib.manual_seed(0)
        m = lib.nn.AdaptiveLogSoftmaxWithLoss(16, 12, cutoffs, 2.0, bias).double()
        out = m(x, t)
        full = [m.log_prob(x), m.predict(x)] if target else []
        return [repr(m), list(m.state_dict()), list(out), full]

    same(run, x, t, second=False)


@pytest.mark.parametrize("cutoffs", [[], [0], [5, 3], [3, 3], [12], [2.5]])
def test_adaptive_softmax_refuses(cutoffs):
    same(lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs))


def test_parallel():
    def run(lib, x):
        lib.manual_seed(0)
        net = lib.nn.Sequential(
            lib.nn.Linear(4, 3), lib.nn.BatchNorm1d(3), lib.nn.Sequential(lib.nn.BatchNorm1d(3, bias=False))
        )
        net = lib.nn.SyncBatchNorm.convert_sync_batchnorm(net.double())
        m = lib.nn.DataParallel(net)
        return [m(x), repr(m), list(m.state_dict()), list(m.state_dict().values())]

    same(
        run, torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5, 4))).requires_grad_(), second=False
    )
    same(lambda lib, x: lib.nn.SyncBatchNorm(3)(x), torch.zeros(3))


# ---- containers


def test_assert_same_is_not_blind():
    with pytest.raises(AssertionError):
        assert_same(torch.zeros(2), pytorch().ones(2))


def test_spectral_norm_can_be_initialized_after_it():
    """GAN scripts initialize layer.weight.data of layers that are normalized already."""

    def call(lib):
        lib.manual_seed(0)
        layer = lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4))
        lib.nn.init.normal_(layer.weight.data, 0.0, 0.02)
        return layer.weight_orig, layer(lib.ones(2, 3))

    same(call)


# ---- smaller ones


def test_weights_in_another_format():
    def run(torch, kind):
        convert = torch.nn.utils.convert_conv2d_weight_memory_format
        torch.manual_seed(0)
        net = torch.nn.Conv2d(1, 2, 2)
        return [convert(net, getattr(torch, kind)) is net, net.weight]

    same(run, kind="channels_last")


def test_batch_norms_for_vmap():
    def run(torch):
        net = torch.nn.Sequential(
            torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2, affine=False)
        )
        same_net = torch.func.replace_all_batch_norm_modules_(net)
        return [same_net is net, list(net.state_dict()), repr(net), net[0].running_mean is None]

    same(run)
    same(lambda torch: torch.func.functionalize(lambda x: x + 1)(torch.ones(1)))
    same(lambda torch: torch.func.functionalize(lambda x: x, remove="z")(1))


def test_parametrizations_move():
    def run(torch, name):
        p = torch.nn.utils.parametrize

        class Twice(torch.nn.Module):
            def forward(self, x):
                return x * 2

        torch.manual_seed(0)
        a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        untouched = p.transfer_parametrizations_and_params(a, b) is b
        p.register_parametrization(a, "weight", Twice())
        kinds = [p.type_before_parametrizations(m) is torch.nn.Linear for m in (a, b)]
        p.transfer_parametrizations_and_params(a, b, name)
        bare = torch.nn.Module()
        p.transfer_parametrizations_and_params(a, bare, "weight")
        return [untouched, kinds, b.weight.detach(), bare.weight.detach(), list(b.state_dict()),
                b.parametrizations.weight.original is a.parametrizations.weight.original]  # fmt: skip

    for name in (None, "weight", "bias"):
        same(run, name=name)


def test_helpers_of_modules():
    def run(torch):
        names = "module", "utils", "transformer"
        modules = {n: importlib.import_module(f"{torch.__name__}.nn.modules.{n}") for n in names}
        clones = modules["transformer"]._get_clones(torch.nn.Linear(1, 1), 3)
        return [
            modules["module"]._addindent("a\nb\nc", 4),
            modules["utils"]._list_with_default([None, 3], [5, 6, 7]),
            [len(clones), clones[0].weight is clones[1].weight, repr(clones)],
            modules["transformer"]._get_activation_fn("gelu") is torch.nn.functional.gelu,
            repr(modules["module"]._IncompatibleKeys(["a"], [])),
        ]

    same(run)
    for sizes in ([1, None], [1, 2, 3]):
        same(
            lambda torch, sizes=sizes: importlib.import_module(
                f"{torch.__name__}.nn.modules.utils"
            )._list_with_default(sizes, [5, 6])
        )
    path = "nn.modules.transformer"
    same(lambda torch: importlib.import_module(f"{torch.__name__}.{path}")._get_activation_fn("tanh"))


@pytest.mark.parametrize("mode", ["fan_in", "FAN_OUT", "fan"])
def test_fans(mode):
    def run(torch):
        init, weights = torch.nn.init, [torch.ones(4, 3), torch.ones(2, 5, 3, 3)]
        return [
            [init._calculate_correct_fan(w, mode), init._calculate_fan_in_and_fan_out(w)] for w in weights
        ]

    same(run)
    same(lambda torch: torch.nn.init._calculate_fan_in_and_fan_out(torch.ones(3)))


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
    for lib in (torch, pytorch()):
        lib.manual_seed(0)
        t = lib.nn.Parameter(lib.zeros(*shape))
        assert fill(lib.nn.init, t) is t
        assert t._version > 0
        made.append(t.detach().numpy())
    np.testing.assert_allclose(made[0], made[1], 1e-4, 1e-5)
