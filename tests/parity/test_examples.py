"""What the examples in PyTorch's own docstrings, and programs written for it, showed to differ once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinygrad6

LIBRARIES = pytest.mark.parametrize("lib", [tinygrad6, torch], ids=["ours", "theirs"])


@pytest.mark.parametrize("seed", [0, 3, -5, 2**33 + 7])
def test_states_of_generators_are_the_same_bytes_and_go_from_one_library_to_the_other(seed):
    ours, theirs = tinygrad6.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    for n in (0, 1, 5, 623, 624, 1300):
        tinygrad6.rand(n, generator=ours), torch.rand(n, generator=theirs)
        assert ours.get_state().tolist() == theirs.get_state().tolist()
    tinygrad6.randn(3, generator=ours), torch.randn(3, generator=theirs)  # one of a pair is kept
    assert ours.get_state().tolist() == theirs.get_state().tolist()
    other = tinygrad6.Generator().set_state(
        tinygrad6.tensor(theirs.get_state().tolist(), dtype=tinygrad6.uint8)
    )
    assert tinygrad6.randn(5, generator=other).tolist() == torch.randn(5, generator=theirs).tolist()
    assert str(ours.device) == str(theirs.device) == ours.device.type == "cpu"


@LIBRARIES
def test_a_hook_after_accumulation_may_return_the_tensor_it_changed(lib):
    x = lib.zeros(3, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda p: p.add_(p.grad, alpha=-0.5))
    x.backward(lib.tensor([1.0, 2.0, 3.0]))
    assert x.tolist() == [-0.5, -1.0, -1.5]
    for answer, error in ((x.detach() + 1, RuntimeError), (3, TypeError)):
        y = lib.zeros(3, requires_grad=True)
        y.register_post_accumulate_grad_hook(lambda p, answer=answer: answer)
        with pytest.raises(error, match="hook"):
            y.backward(lib.ones(3))


@LIBRARIES
def test_asarray_keeps_requires_grad_unless_told(lib):
    leaf = lib.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="requires_grad now defaults"):
        assert lib.asarray(leaf) is leaf
    assert lib.asarray(leaf + 2, copy=True).requires_grad
    assert lib.asarray(leaf + 2, dtype=lib.float64).requires_grad
    assert not lib.asarray(leaf + 2, requires_grad=False).requires_grad
    assert lib.asarray([1.0, 2.0], requires_grad=True).is_leaf
    assert not lib.asarray(np.ones(2)).requires_grad


@LIBRARIES
def test_vmap_goes_back_through_one_graph_once_per_slice(lib):
    x = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.sin() * x
    rows = lib.func.vmap(lambda v: lib.autograd.grad(y, x, v)[0])(lib.eye(3))
    np.testing.assert_allclose(rows.diagonal().tolist(), (x.sin() + x * x.cos()).tolist(), rtol=1e-5)
    with pytest.raises(RuntimeError, match="second time"):  # the last slice lets the graph go
        lib.autograd.grad(y, x, lib.ones(3))


@LIBRARIES
def test_pack_hooks_see_inputs_with_their_history_in_the_order_of_the_formulas(lib):
    seen = []
    a = lib.ones(2, 3, requires_grad=True)
    b = lib.ones(3, requires_grad=True) * 2
    notes = lambda word: lambda t: seen.append((word, tuple(t.shape), t.requires_grad, t.is_leaf)) or t  # noqa: E731
    with lib.autograd.graph.saved_tensors_hooks(notes("pack"), lambda t: seen.append(tuple(t.shape)) or t):
        y = a * b
    y.sum().backward()
    assert seen == [("pack", (3,), True, False), ("pack", (2, 3), True, True), (3,), (2, 3)]


@pytest.mark.parametrize("call", ["inv", "cholesky", "solve"])
@pytest.mark.parametrize("batch", [False, True])
def test_errors_of_matrices_say_which_and_where(call, batch):
    bad = np.array([[2.0, 1, 0], [1, 0.5, 0], [0, 0, 1]])
    bad[1, 1] -= 0.1 * (call == "cholesky")
    x = np.stack([np.eye(3), bad, bad]) if batch else bad
    said = []
    for lib in (tinygrad6, torch):
        with pytest.raises(lib.linalg.LinAlgError) as e:
            getattr(lib.linalg, call)(lib.tensor(x), *[lib.ones(3, 1).double()] * (call == "solve"))
        said.append(str(e.value))
    assert said[0] == said[1]


@LIBRARIES
def test_types_without_arrays_may_be_named_and_compared(lib):
    named = [lib.complex64, lib.cdouble, lib.uint16, lib.uint32, lib.bfloat16, lib.float8_e5m2]
    assert [str(d) for d in named] == [
        *("torch.complex64", "torch.complex128", "torch.uint16", "torch.uint32", "torch.bfloat16"),
        "torch.float8_e5m2",
    ]
    assert lib.ones(2).dtype not in named and lib.chalf is lib.complex32
    assert [(d.is_complex, d.is_floating_point, d.is_signed, d.itemsize) for d in named] == [
        *(
            (True, False, True, 8),
            (True, False, True, 16),
            (False, False, False, 2),
            (False, False, False, 4),
        ),
        *((False, True, True, 2), (False, True, True, 1)),
    ]


def test_types_without_arrays_are_refused_when_used():
    for use in (tinygrad6.complex64, tinygrad6.uint16, tinygrad6.float8_e5m2):
        for call in (
            lambda d: tinygrad6.ones(2, dtype=d),
            lambda d: tinygrad6.ones(2).to(d),
        ):
            with pytest.raises(NotImplementedError, match="is not supported: (use|keep)"):
                call(use)


@LIBRARIES
def test_what_reversible_nets_keep_of_devices(lib):
    from_checkpoint = lib.utils.checkpoint
    assert not lib.cuda._initialized and from_checkpoint.get_device_states(lib.ones(2)) == ([], [])
    from_checkpoint.set_device_states([], [])
    x = lib.ones(2, requires_grad=True)
    (y,) = from_checkpoint.detach_variable((x * 2,))
    assert y.requires_grad and y.is_leaf


@LIBRARIES
def test_what_model_files_ask_of_exports_and_tracing(lib):
    exec(
        "import torch.fx\ndouble = torch.fx.wrap(abs)\nassert double(-1) == 1".replace("torch", lib.__name__),
        {},
    )
    assert not lib.onnx.is_in_onnx_export()
    assert not isinstance(lib.nn.ReLU(), lib.jit.ScriptModule)
    lib._assert(lib.ones(1) > 0, "fine")
    with pytest.raises(AssertionError, match="wrong"):
        lib._assert(False, "wrong")


@LIBRARIES
def test_the_type_named_tensor_is_the_default_type(lib):
    assert (lib.tensor([1, 2]) > 1).type(lib.Tensor).dtype == lib.float32


@LIBRARIES
def test_normalize_writes_where_it_is_told(lib):
    x = lib.tensor([[3.0, 4.0], [0.0, 2.0]])
    out = lib.nn.functional.normalize(x, dim=1, out=x)
    assert out is x and x.tolist() == lib.tensor([[0.6, 0.8], [0.0, 1.0]]).tolist()


@LIBRARIES
def test_the_dicts_of_a_module_go_backwards_too(lib):
    net = lib.nn.Sequential(lib.nn.Linear(1, 2), lib.nn.ReLU())
    assert [*reversed(net._modules)] == [n for n, _ in reversed(net._modules.items())] == ["1", "0"]
    assert [*reversed(net[0]._parameters.keys())] == ["bias", "weight"]
    assert next(iter(reversed(net[0]._parameters.values()))) is net[0].bias


@LIBRARIES
def test_nodes_show_what_they_saved(lib):
    x = lib.tensor([5.0], requires_grad=True)
    y = x * x
    assert y.grad_fn._saved_self is x and y.grad_fn._saved_other is x
    z = y.exp()
    assert z.grad_fn._saved_result.equal(z) and z.grad_fn._saved_result.grad_fn is z.grad_fn
    square = y.pow(2).grad_fn._saved_self
    assert square.item() == 25.0 and square.grad_fn is not None
    with pytest.raises(AttributeError):
        z.grad_fn._saved_other
    z.backward()
    with pytest.raises(RuntimeError, match="second time|already been freed"):
        z.grad_fn._saved_result


@LIBRARIES
@pytest.mark.filterwarnings("ignore")
def test_saved_tensors_have_their_old_name_too(lib):
    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_variables
            return g * 2 + 0 * x

    x = lib.ones(2, requires_grad=True)
    Double.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


@LIBRARIES
def test_compositions_are_called_what_they_are_in_the_graph(lib):
    x = lib.ones(2, 3, 4, requires_grad=True)
    assert lib.nn.LayerNorm(4)(x).grad_fn.name() == "NativeLayerNormBackward0"
    index, offsets = lib.tensor([1, 2, 4, 0]), lib.tensor([0, 3])
    for mode in ("sum", "mean", "max"):
        bags = lib.nn.EmbeddingBag(6, 3, mode=mode)
        for out in (bags(index, offsets), bags(index[None])):
            assert out.grad_fn.name() == "EmbeddingBagBackward0"
