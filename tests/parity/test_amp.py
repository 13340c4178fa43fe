"""Gradient scaling, and the boilerplate of mixed precision on a machine without a GPU."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from helpers import same

import tinygrad6 as ours

INF = float("inf")


def scaled_steps(lib, grads, **settings):
    """Weights, scales and states while the gradients of `grads`, some of them infinite, come in."""
    w = lib.ones(3, requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.125, momentum=0.5)
    scaler = lib.amp.GradScaler("cpu", **settings)
    seen = []
    for g in grads:
        optimizer.zero_grad()
        scaler.scale((w * lib.tensor(g)).sum()).backward()
        if len(seen) % 2:
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_([w], 1.5)
        scaler.step(optimizer)
        scaler.update()
        seen += [w.detach().clone(), scaler.get_scale(), scaler.state_dict()]
    return seen


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"init_scale": 4.0, "growth_interval": 2},
        {"init_scale": 3.0, "growth_factor": 1.5, "backoff_factor": 0.3, "growth_interval": 1},
        {"init_scale": 2.0**127, "growth_interval": 1},
        {"enabled": False},
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the overflow is meant
def test_scaler(settings):
    finite = [[1.0, 2.0, -3.0], [0.5, 1e-6, 0.0], [3.0, 3.0, 3.0]]
    grads = (
        finite if settings.get("enabled") is False else [*finite, [INF, 0.0, 1.0], *finite, [0.0, -INF, 1.0]]
    )
    for a, b in zip(
        scaled_steps(ours, grads, **settings), scaled_steps(torch, grads, **settings), strict=True
    ):
        if isinstance(b, torch.Tensor):
            assert a.numpy().tobytes() == b.numpy().tobytes()
        else:
            assert a == b


MISUSE = {
    "step before scale": lambda s, o, p: s.step(o),
    "update before scale": lambda s, o, p: s.update(),
    "unscale before scale": lambda s, o, p: s.unscale_(o),
    "twice unscaled": lambda s, o, p: (s.scale(p.sum()).backward(), s.unscale_(o), s.unscale_(o)),
    "twice stepped": lambda s, o, p: (s.scale(p.sum()).backward(), s.step(o), s.step(o)),
    "unscaled after step": lambda s, o, p: (s.scale(p.sum()).backward(), s.step(o), s.unscale_(o)),
    "no gradients": lambda s, o, p: (s.scale(p.sum()), s.step(o)),
    "no steps": lambda s, o, p: (s.scale(p.sum()), s.update()),
    "closure": lambda s, o, p: (s.scale(p.sum()).backward(), s.step(o, closure=lambda: p.sum())),
    "scale of a number": lambda s, o, p: s.scale(3),
    "empty state": lambda s, o, p: s.load_state_dict({}),
    "pickled amid": lambda s, o, p: (s.scale(p.sum()).backward(), s.unscale_(o), pickle.dumps(s)),
}


@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name):
    def call(lib):
        p = lib.ones(2, requires_grad=True)
        MISUSE[name](lib.amp.GradScaler("cpu"), lib.optim.SGD([p], lr=0.1), p)

    same(call)


@pytest.mark.parametrize("settings", [{"growth_factor": 1.0}, {"backoff_factor": 1.0}])
def test_settings(settings):
    same(lambda lib: lib.amp.GradScaler("cpu", **settings) and None)


def test_float16_gradients_are_refused():
    def call(lib):
        p = lib.ones(2, dtype=lib.float16, requires_grad=True)
        scaler = lib.amp.GradScaler("cpu", init_scale=2.0)
        scaler.scale(p.sum()).backward()
        scaler.step(lib.optim.SGD([p], lr=0.1))

    same(call)


def test_copies_and_nests():
    scaler = ours.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
    outputs = scaler.scale([ours.ones(2), (ours.tensor(1.0),)])
    assert outputs[0].tolist() == [8.0, 8.0] and outputs[1][0].item() == 8.0
    for other in (copy.deepcopy(scaler), pickle.loads(pickle.dumps(scaler))):
        assert other.state_dict() == scaler.state_dict()
    fresh = ours.amp.GradScaler("cpu")
    fresh.load_state_dict(scaler.state_dict())
    assert fresh.state_dict() == scaler.state_dict()


@pytest.mark.parametrize("lib", [ours, torch], ids=["ours", "torch"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_boilerplate_without_gpu(lib):
    """The lines of scripts that choose a type and switch things off."""
    amp = lib.cuda.amp
    with amp.autocast(False), amp.autocast(enabled=False, dtype=lib.float16), lib.cpu.amp.autocast(False):
        assert lib.ones(2).dtype == lib.float32
    assert not amp.GradScaler(enabled=False).is_enabled()
    with pytest.warns(UserWarning, match="not available"):
        assert not lib.amp.GradScaler().is_enabled()
    kinds = {"float32": lib.float32, "bfloat16": lib.bfloat16, "float16": lib.float16}
    assert kinds["bfloat16"] not in (lib.float32, lib.ones(1).dtype) and str(lib.bfloat16) == "torch.bfloat16"
    assert lib.bfloat16.is_floating_point and lib.bfloat16.itemsize == 2


@pytest.mark.parametrize(
    "use",
    [
        lambda d: ours.ones(2, dtype=d),
        lambda d: ours.ones(2).to(d),
        lambda d: ours.nn.Linear(2, 2, dtype=d),
        lambda d: ours.nn.Linear(2, 2).to(d),
        lambda d: ours.set_default_dtype(d),
        lambda d: ours.autocast("cpu", dtype=d),
    ],
)
def test_bfloat16_is_a_name_only(use):
    with pytest.raises(NotImplementedError, match=r"float32|enabled=False"):
        use(ours.bfloat16)


# ---- blocks for devices that are not there


def casting(lib, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lib.autocast(*args, **kwargs) as block:
            states = [lib.is_autocast_enabled(block.device), str(lib.get_autocast_dtype(block.device))]
            product = lib.ones(2, 2) @ lib.ones(2, 2)
    return [states, product, lib.is_autocast_enabled(block.device), [str(w.message) for w in caught],
            block.device, str(block.fast_dtype), block._enabled]  # fmt: skip


BLOCKS = [
    (("cuda",), {}), (("cuda",), {"enabled": False}), (("cpu",), {"enabled": False}), ((), {}), ((3,), {}),
    (("mps",), {}), (("xpu",), {"enabled": False}), (("foo",), {}), (("meta",), {"enabled": False}),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs"), BLOCKS)
def test_blocks(args, kwargs):
    same(lambda lib: casting(lib, *args, **kwargs))


@pytest.mark.parametrize("kind", ["float16", "float32", "int64"])
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_types_of_blocks(where, kind):
    if (where, kind) == ("cpu", "float16"):
        with pytest.raises(NotImplementedError, match="pass enabled=False"):
            ours.autocast("cpu", ours.float16)
        same(lambda lib: casting(lib, "cpu", lib.float16, False))
    else:
        same(lambda lib: casting(lib, where, dtype=getattr(lib, kind)))


def test_mixed_precision_on_the_cpu_is_refused():
    for call in (lambda: ours.autocast("cpu"), lambda: ours.set_autocast_enabled("cpu", True)):
        with pytest.raises(NotImplementedError, match="bfloat16"):
            call()
    with pytest.raises(NotImplementedError, match="bfloat16"):
        ours.amp.autocast("cpu", dtype=ours.bfloat16)


def test_what_libraries_ask():
    def run(lib):
        lib.clear_autocast_cache()
        lib.set_autocast_cache_enabled(False)
        off = lib.is_autocast_cache_enabled()
        lib.set_autocast_cache_enabled(True)
        lib.set_autocast_enabled("cpu", False)
        counts = [lib.autocast_increment_nesting(), lib.autocast_decrement_nesting()]
        kinds = [str(lib.get_autocast_dtype(d)) for d in ("cpu", "cuda", "mps")]
        return [off, lib.is_autocast_cache_enabled(), lib.is_autocast_enabled(), counts, kinds,
                [lib.amp.is_autocast_available(d) for d in ("cpu", "cuda", "xla")]]  # fmt: skip

    same(run)
    same(lambda lib: lib.get_autocast_dtype("foo"))
    same(lambda lib: lib.autocast("cuda", enabled=False)(3))
    same(
        lambda lib: [
            lib.autocast("cuda", enabled=False)(lambda x: x + 1)(2),
            lib.GradScaler("cpu").get_scale(),
        ]
    )


def test_functions_with_casts():
    def run(lib, x):
        class Double(lib.autograd.Function):
            @staticmethod
            @lib.amp.custom_fwd(device_type="cuda", cast_inputs=lib.float16)
            def forward(ctx, x):
                return x * 2

            @staticmethod
            @lib.amp.custom_bwd(device_type="cuda")
            def backward(ctx, g):
                return g * 2

        return Double.apply(x)

    same(run, ours.ones(2, requires_grad=True), second=False)
    same(lambda lib: lib.amp.custom_fwd(lambda ctx, x: x))
    same(lambda lib: lib.amp.custom_bwd(device_type=3))
