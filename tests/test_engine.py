"""The graph and the backward pass: order, accumulation, freeing, hooks, modes, and what must be refused."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import tinygrad6 as torch


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_diamond():
    x = leaf(3.0)
    a, b = x * 2, x.sin()
    (a * b + a).sum().backward()
    v = 3.0
    assert x.grad.item() == pytest.approx(2 * np.sin(v) + 2 * v * np.cos(v) + 2)


def test_wide_fan_in_is_added_up():
    x = leaf(1.0, 2.0)
    total = x * 0
    for i in range(10_000):
        total = total + x * float(i % 3)
    total.sum().backward()
    assert x.grad.tolist() == [9999.0, 9999.0]


def test_a_million_ops_forward_and_backward_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad.item() == 1.0 and y.item() == pytest.approx(2.0)
    del y


def test_an_unused_deep_graph_is_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(300_000):
        y = y * 1.0
    del y
    z = (x * 2).sum()
    z.backward()
    assert x.grad.item() == 2.0


def test_gradients_accumulate_over_passes():
    x = leaf(2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.item() == 7.0
    kept = x.grad
    (x * 3).sum().backward()
    assert x.grad is kept, "accumulation happens in place"


def test_a_second_pass_through_a_freed_graph_is_refused():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    assert x.grad.item() == 8.0
    z = (x + 1).sum()  # nothing was saved here, so nothing is missing: as in PyTorch
    z.backward()
    z.backward()


def test_backward_needs_a_scalar_or_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (x * 2).backward()
    (x * 2).backward(torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert x.grad.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(torch.ones(3, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(()).backward()
    with pytest.raises(TypeError):
        (x * 2).backward(1.0)


def test_only_floats_require_gradients():
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([True]).requires_grad_()
    x = leaf(1.5)
    assert not (x > 1).requires_grad and not x.to(torch.int64).requires_grad


def test_inputs_limit_where_gradients_go():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    (z * z).sum().backward(inputs=[x])
    assert x.grad.item() == 36.0 and y.grad is None
    z = x * y
    (z * z).sum().backward(inputs=[z])
    assert z.grad.item() == 12.0


def test_grad_leaves_grad_alone_and_names_the_unused():
    x, y = leaf(2.0), leaf(3.0)
    (gx,) = torch.autograd.grad(x * x, x)
    assert gx.item() == 4.0 and x.grad is None
    with pytest.raises(RuntimeError, match="appears to not have been used"):
        torch.autograd.grad(x * x, [x, y])
    assert torch.autograd.grad(x * x, [x, y], allow_unused=True)[1] is None
    assert torch.autograd.grad(x * x, [x, y], materialize_grads=True)[1].item() == 0.0
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(x * x, torch.ones(1))


def test_third_order():
    x = leaf(0.7)
    y = x.tanh()
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
    t = np.tanh(0.7)
    s = 1 - t * t
    assert y.item() == pytest.approx(-2 * s * (s - 2 * t * t))


def test_create_graph_gradients_flow_on_into_grad():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (x.grad**2).sum().backward()
    assert x.grad.item() == 12.0 + 2 * 12.0 * 12.0


def test_shared_gradients_do_not_alias():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0, 1.0]
    a = leaf(1.0)
    g = torch.ones(1, dtype=torch.float64)
    (a + 0).backward(g)
    a.grad.mul_(5)
    assert g.item() == 1.0


def test_an_incoming_gradient_shared_by_two_parents_is_not_added_into():
    x, y = leaf(1.0, 1.0), leaf(1.0, 1.0)
    s = x + y  # hands the same array to both
    t = s * 1.0
    (t + x * 2 + x * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0] and y.grad.tolist() == [1.0, 1.0]


def test_broadcast_gradients_have_their_inputs_shapes():
    x, y, z = (torch.ones(s, dtype=torch.float64, requires_grad=True) for s in ((2, 1), (3,), ()))
    (x * y * z).sum().backward()
    assert x.grad.tolist() == [[3.0], [3.0]] and y.grad.tolist() == [2.0] * 3 and z.grad.item() == 6.0


def test_gradients_come_back_in_their_inputs_types():
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == torch.float32 and y.grad.dtype == torch.float64


def test_grad_modes_nest_decorate_and_belong_to_their_thread():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def off():
        return torch.is_grad_enabled()

    @torch.no_grad
    def bare():
        return torch.is_grad_enabled()

    @torch.inference_mode()
    def inferring():
        yield torch.is_grad_enabled()

    assert not off() and not bare() and list(inferring()) == [False]
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        1 / 0  # noqa: B018
    assert torch.is_grad_enabled()


def test_leaves_and_their_flags():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None
    assert y.grad_fn.name() == "MulBackward0" and "MulBackward0" in repr(y.grad_fn)
    assert y.detach().is_leaf and not y.detach().requires_grad
    assert y.detach().array is y.array
    with pytest.raises(RuntimeError, match="leaf variables"):
        y.requires_grad = False
    y.detach_()
    assert y.is_leaf and not y.requires_grad
    assert x.requires_grad_(False) is x and not x.requires_grad


def test_retain_grad_and_hooks():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g * 10)
    (y * y).sum().backward()
    assert y.grad.item() == 12.0 and x.grad.item() == 240.0 and seen == [12.0]
    handle.remove()
    y = x * 2
    (y * y).sum().backward()
    assert seen == [12.0]
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None
    with pytest.raises(RuntimeError):
        torch.ones(1).register_hook(print)
    with pytest.raises(RuntimeError):
        torch.ones(1).retain_grad()


def test_hooks_after_accumulation():
    x = leaf(3.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * x).sum().backward()
    assert seen == [6.0]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_a_bad_hook_is_refused():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match="changed the size"):
        (x * 2).sum().backward()


def test_nothing_is_left_for_the_cycle_collector():
    def step():
        x = torch.ones(4, 4, requires_grad=True)
        y = ((x @ x).tanh() * 2 + x.T).reshape(-1)
        y[1:3].mul_(2)
        loss = y.logsumexp(0) + x.var()
        (g,) = torch.autograd.grad(loss, x, create_graph=True)
        (g * g).sum().backward()

    step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_memory_is_released_as_backward_passes():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    node = y.grad_fn
    assert node.saved is not None
    y.sum().backward()
    assert node.saved is None


def test_only_what_the_rules_name_is_kept():
    x = torch.ones(3, requires_grad=True)
    assert (x + 1).node.saved == ()
    assert [a is not None for a in x.exp().node.saved] == [False, True]
    constant = torch.ones(3)
    node = (x * constant).node
    assert node.saved[0] is None and node.saved[1] is constant.array


def test_errors_in_a_rule_leave_grad_mode_alone():
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("inside")

    x = leaf(1.0)
    with pytest.raises(KeyError):
        Bad.apply(x).backward()
    assert torch.is_grad_enabled() and x.grad is None


def test_rules_and_kernels_may_hand_out_one_array_twice_or_what_was_saved():
    """Gradients are added to in place: nobody may be left with memory that somebody else has."""
    from tinygrad6.op import Op, case

    def both(g, x, y):
        d = g * x
        return d, d

    def strange(x, y):
        """x y, with kernels and rules that no one should write."""
        return x * y

    op = Op(strange, (lambda g, x: x, lambda g, x: g * x), examples=[case((2,), (2,))], kernel=both)
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    for _ in range(2):
        op.run((a, b), {}).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [2.0, 4.0]
    op.kernel = None  # the first rule gives the saved array itself
    a.grad = None
    for _ in range(2):
        op.run((a, b), {}).sum().backward()
    assert a.tolist() == [1.0, 2.0] and a.grad.tolist() == [2.0, 4.0]


def test_node_names_tell_the_form():
    x = torch.ones(2, 3, requires_grad=True)
    named = {
        "SelectBackward0": [x[0], x[:, 0], x[..., 0], x[0, :], x[0, 1]],
        "SliceBackward0": [x[:1], x[:, 1:], x[0, 1:]],
        "UnsqueezeBackward0": [x[None], x[0, None]],
        "SumBackward0": [x.sum()],
        "SumBackward1": [x.sum(0), x.sum((0, 1), keepdim=True)],
        "MeanBackward0": [x.mean()],
        "MeanBackward1": [x.mean(1)],
        "ProdBackward1": [x.prod(0)],
        "ClampBackward1": [x.clamp(0, 1)],
        "ToCopyBackward0": [x.double()],
    }
    for name, tensors in named.items():
        assert [t.grad_fn.name() for t in tensors] == [name] * len(tensors)
    assert repr(x[0]) == "tensor([1., 1., 1.], grad_fn=<SelectBackward0>)"
