"""vmap: all slices at once give what one slice after the other gives, for every op, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6 import func, nn
from tinygrad6.autograd.lanes import Lanes, NotTogether
from tinygrad6.func import functional_call, grad, stack_module_state, vmap
from tinygrad6.nn import functional as F
from tinygrad6.op import COMPOSITES, OPS
from tinygrad6.testing.laws import draw
from tinygrad6.tensor import Tensor, wrap

K = 3
FLAT = {"floor_divide", "quotient", "heaviside"}  # whose backward refuses


class Plain:
    """Where a composite's inputs are drawn."""

    domain, avoid = (-2.0, 2.0), ()


def flat(out):
    return [x for part in out for x in flat(part)] if isinstance(out, (tuple, list)) else [out]


def slices(function, args, dims):
    return [function(*[a[i] if d == 0 else a for a, d in zip(args, dims, strict=True)]) for i in range(K)]


def compare(function, args, dims, gradients=True, rtol=1e-9):
    """Whether all slices could be done at once; AssertionError if that gives something else."""
    expected = slices(function, args, dims)
    try:
        found = func._together(function, tuple(args), {}, dims, K, 0)
    except Exception:
        return False
    for got, *rows in zip(flat(found), *map(flat, expected), strict=True):
        want = torch.stack(rows)
        assert got.dtype == want.dtype and got.requires_grad == want.requires_grad
        np.testing.assert_allclose(
            got.detach().numpy(), want.detach().numpy(), rtol, 1e-6 if rtol > 1e-8 else 1e-12
        )
        leaves = [a for a in args if a.requires_grad]
        if gradients and want.requires_grad:
            u = wrap(np.random.default_rng(0).uniform(-1, 1, want.array.shape).astype(want.array.dtype))
            options = {"allow_unused": True, "materialize_grads": True, "retain_graph": True}
            for a, b in zip(
                torch.autograd.grad(got, leaves, u, **options),
                torch.autograd.grad(want, leaves, u, **options),
                strict=True,
            ):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol * 10, 1e-6 if rtol > 1e-8 else 1e-10)
    return True


def calls():
    for name, op in OPS.items():
        yield name, op.call, op, op.examples
    for name, call in COMPOSITES.items():
        facts = getattr(call, "facts", {})
        drawn = type("Drawn", (Plain,), {"domain": facts.get("domain") or Plain.domain})
        yield name, call, drawn, call.examples or []


@pytest.mark.parametrize(
    "name, call, drawn, examples", list(calls()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_all_slices_at_once_are_each_by_itself(name, call, drawn, examples):
    for example in examples:
        for mapped in range(1, 1 << min(len(example.shapes), 4)):
            rng = np.random.default_rng(0)
            dims = [0 if mapped >> i & 1 else None for i in range(len(example.shapes))]
            arrays = [
                [draw(drawn, s, rng) for _ in range(1 if d is None else K)]
                for s, d in zip(example.shapes, dims, strict=True)
            ]
            if any(len({a.shape for a in column}) > 1 for column in arrays):
                continue
            args = [wrap(np.stack(c) if len(c) > 1 else np.asarray(c[0])) for c in arrays]
            for a in args:
                a.requires_grad_(a.array.dtype.kind == "f")
            function = lambda *a: call(*a, **dict(example.params))  # noqa: B023, E731
            try:
                outs = flat(slices(function, args, dims)[0])
            except (TypeError, ValueError, RuntimeError):
                continue  # drawn so that it refuses, or with a tensor among the settings
            if all(isinstance(o, Tensor) for o in outs):
                compare(function, args, dims, name not in FLAT and "div" not in name)


def test_most_ops_do_all_slices_at_once():
    """What runs lane by lane is slower; what cannot run at all goes slice by slice."""
    alone = 0
    for op in OPS.values():
        if not op.examples or any(callable(s) for s in op.examples[0].shapes):
            continue
        example = op.examples[0]
        args = [
            wrap(np.stack([draw(op, s, np.random.default_rng(i)) for i in range(K)])) for s in example.shapes
        ]
        done = compare(lambda *a: op.call(*a, **dict(example.params)), args, [0] * len(args), False)  # noqa: B023
        alone += not done
    assert alone <= 3


MODULES = [
    (nn.Linear(6, 3), (2, 6)),
    (nn.LayerNorm(6), (2, 6)),
    (nn.RMSNorm(6), (2, 6)),
    (nn.PReLU(), (2, 6)),
    (nn.GELU(), (2, 6)),
    (nn.Softmax(-1), (2, 6)),
    (nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()), (2, 4, 8, 8)),
    (nn.Conv2d(4, 6, 3, padding="same", groups=2), (2, 4, 8, 8)),
    (nn.ConvTranspose2d(4, 3, 2, stride=2), (2, 4, 5, 5)),
    (nn.AvgPool2d(2), (2, 4, 8, 8)),
    (nn.AdaptiveAvgPool2d(3), (2, 4, 8, 8)),
    (nn.BatchNorm2d(4).eval(), (2, 4, 8, 8)),
    (nn.GroupNorm(2, 4), (2, 4, 8, 8)),
    (nn.InstanceNorm2d(4), (2, 4, 8, 8)),
    (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 4, 4, 4)),
    (nn.ReflectionPad2d(1), (2, 4, 8, 8)),
    (nn.LSTM(6, 4), (2, 5, 6)),
    (nn.GRU(6, 4), (2, 5, 6)),
    (nn.TransformerEncoderLayer(6, 2, 8, batch_first=True).eval(), (2, 5, 6)),
]


@pytest.mark.parametrize(
    "module, shape", MODULES, ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else ""
)
def test_modules_map_over_all_slices_at_once(module, shape):
    x = torch.randn(K, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert compare(module, [x], [0], rtol=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("mapped", [(0, 0), (0, None), (None, 0)])
def test_losses_over_all_slices(reduction, mapped):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(K, 4, 6, generator=generator, dtype=torch.float64)
    t = torch.randint(0, 6, (K, 4), generator=generator)
    args = [a if d == 0 else a[0] for a, d in zip((x, t), mapped, strict=True)]
    args[0].requires_grad_()
    entropy = lambda a, b: F.cross_entropy(a, b, reduction=reduction, ignore_index=2)  # noqa: E731
    assert compare(entropy, args, list(mapped))
    compare(lambda a, b: F.nll_loss(a, b, reduction=reduction), args, list(mapped))
    x = x.detach().requires_grad_()
    assert compare(lambda a: F.mse_loss(a, a * 2, reduction=reduction), [x], [0])


# ---- what vmap does besides


def counted(function):
    seen = []

    def counting(*args):
        seen.append(type(args[0]) is Lanes)
        return function(*args)

    return counting, seen


def test_the_function_is_called_once_or_for_each_slice():
    x = torch.arange(6.0).reshape(3, 2)
    once, seen = counted(lambda a: (a * 2).sum())
    assert vmap(once)(x).tolist() == [2.0, 10.0, 18.0] and seen == [True]
    branching, seen = counted(lambda a: a.sum() if a.sum() > 5 else -a.sum())
    mapped = vmap(branching)
    assert mapped(x).tolist() == [-1.0, -5.0, 9.0] and seen == [True, False, False, False]
    assert mapped(x + 1).tolist() == [-3.0, 7.0, 11.0] and len(seen) == 7  # it remembers
    once, seen = counted(lambda a: a + torch.ones(2))
    mapped = vmap(once)
    with pytest.raises(RuntimeError, match="must match"):
        mapped(torch.ones(3, 4))
    assert mapped(x).shape == (3, 2) and seen == [True, False, True]  # but not mistakes


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a * a.sum().item(),
        lambda a: torch.tensor(a.tolist()),
        lambda a: torch.from_numpy(a.numpy() * 2),
        lambda a: torch.from_numpy(np.exp(a.numpy())),
        lambda a: a.clone().add_(1),
        lambda a: torch.tensor(float(a[0])),
        lambda a: a.sort().values,
        lambda a: a.max(0).values,
        lambda a: a.data * 2,
        lambda a: torch.as_tensor(np.asarray(a)),
        lambda a: a[a > 1].sum(),
        lambda a: torch.tensor(len(repr(a)) * 0.0) + a,
    ],
)
def test_values_may_be_looked_at(function):
    x = torch.arange(6.0).reshape(3, 2)
    expected = torch.stack([function(a) for a in x])
    np.testing.assert_array_equal(vmap(function)(x).numpy(), expected.numpy())


def test_errors_are_those_of_a_slice():
    with pytest.raises(RuntimeError, match=r"size of tensor a \(2\) must match"):
        vmap(lambda a: a + torch.ones(3))(torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(lambda a: a + torch.rand(2))(torch.ones(3, 2))
    with pytest.raises(ValueError, match="must only return Tensors"):
        vmap(lambda a: 3)(torch.ones(3, 2))


def test_random_numbers_are_drawn_as_before():
    torch.manual_seed(0)
    x = vmap(lambda a: a + torch.rand(2), randomness="different")(torch.zeros(3, 2))
    torch.manual_seed(0)
    assert torch.equal(x, torch.stack([torch.rand(2) for _ in range(3)]))
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda a: a + torch.rand(2))(torch.ones(3, 2))
    torch.set_rng_state(before)


def test_chunks():
    x = torch.arange(10.0).reshape(5, 2)
    function, seen = counted(lambda a: a.sin().sum())
    found = vmap(function, chunk_size=2)(x)
    assert seen == [True] * 3
    np.testing.assert_allclose(found.numpy(), np.sin(x.numpy()).sum(1), 1e-6)
    out = vmap(lambda a: (a, torch.ones(2)), out_dims=(1, 0), chunk_size=2)(x)
    assert out[0].shape == (2, 5) and out[1].shape == (5, 2)


def test_gradients_of_each_sample():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 3)).double()
    parameters = {k: v.detach() for k, v in net.named_parameters()}
    x, y = torch.randn(6, 4, dtype=torch.float64), torch.randint(0, 3, (6,))

    def loss(p, a, b):
        return F.cross_entropy(functional_call(net, p, (a.unsqueeze(0),)), b.unsqueeze(0))

    each, seen = counted(lambda a, p, b: grad(loss)(p, a, b))
    found = vmap(each, in_dims=(0, None, 0))(x, parameters, y)
    assert seen == [True]
    for i in range(6):
        expected = grad(loss)(parameters, x[i], y[i])
        for k, v in expected.items():
            np.testing.assert_allclose(found[k][i].numpy(), v.numpy(), 1e-9, 1e-12)


def test_a_gradient_that_would_be_summed_over_slices_is_not():
    """Inside, autograd.grad in a tensor from outside: one gradient per slice, as one after the other."""
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.arange(6.0).reshape(3, 2)
    found = vmap(lambda a: torch.autograd.grad((a * w).sum(), w)[0])(x)
    assert torch.equal(found, x)
    with pytest.raises(NotTogether):
        func._together(lambda a: torch.autograd.grad((a * w).sum(), w)[0], (x,), {}, [0], 3, 0)


def test_ensembles():
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)) for _ in range(4)]
    parameters, buffers = stack_module_state(models)
    x = torch.randn(6, 4)
    out = vmap(lambda p, b, a: functional_call(models[0], (p, b), (a,)), in_dims=(0, 0, None))(
        parameters, buffers, x
    )
    np.testing.assert_allclose(
        out.detach().numpy(), torch.stack([m(x) for m in models]).detach().numpy(), 1e-5, 1e-6
    )
    out.sum().backward()
    for m, g in zip(models, parameters["0.weight"].grad, strict=True):
        m(x).sum().backward()
        np.testing.assert_allclose(g.numpy(), m[0].weight.grad.numpy(), 1e-4, 1e-6)


def test_a_subclass_keeps_its_rules():
    class Loud(torch.Tensor):
        pass

    x = torch.ones(3, 2).as_subclass(Loud)
    with pytest.raises(NotTogether):
        func._together(lambda a: a * 2, (x,), {}, [0], 3, 0)
