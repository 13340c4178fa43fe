"""Many cotangents in one backward pass. The laws compare every op's; here is what is around the ops."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.autograd import Function, grad, lanes
from tinygrad6.autograd.functional import hessian, jacobian
from tinygrad6.func import jacrev
from tinygrad6.op import OPS
from tinygrad6.testing.laws import call, inputs

X = np.linspace(-1, 1, 12).reshape(3, 4)
# What a rule does with these it does to all lanes at once; what is not in the list may be done one by one.
TOGETHER = (
    "add sub mul div pow neg exp log sqrt tanh sigmoid relu gelu softplus where maximum clip_numbers cast "
    "clone reshape_to permute_to transpose expand_to squeeze unsqueeze flip_over pad_constant part sum mean "
    "var_over std_over amax logsumexp softmax log_softmax cumsum norm_over prod_over matmul linear contract "
    "gather_along tril"
).split()


def leaf(values=X):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def visits(monkeypatch):
    """The names of the nodes that a backward pass goes through, in a list that fills."""
    seen: list[str] = []
    plain = lanes.gradients

    def noting(node, g, graph):
        seen.append(node.name())
        return plain(node, g, graph)

    monkeypatch.setattr(lanes, "gradients", noting)
    return seen


@pytest.mark.parametrize("name", TOGETHER)
def test_rules_work_on_all_lanes_at_once(name, monkeypatch):
    op = OPS[name]
    for example in op.examples:
        tensors = inputs(op, example, np.random.default_rng(0))
        out = call(op, tensors, example)

        def one_by_one(rows):
            raise AssertionError(f"lane by lane: {example}")

        with monkeypatch.context() as m:
            m.setattr(lanes, "stack", one_by_one)
            wanted = [t for t in tensors if t.requires_grad]
            g = torch.ones(2, *out.shape, dtype=out.dtype)
            grad(out, wanted, g, is_grads_batched=True, allow_unused=True)


def test_a_jacobian_is_one_pass(monkeypatch):
    seen = visits(monkeypatch)
    j = jacobian(lambda x: (x.exp() * 2).sum(1), leaf())
    assert seen == ["SumBackward1", "MulBackward0", "ExpBackward0"]
    np.testing.assert_allclose(j.numpy(), np.einsum("ik,kj->ikj", np.eye(3), 2 * np.exp(X)))


def test_chunks_are_as_large_as_asked(monkeypatch):
    seen = visits(monkeypatch)
    x = torch.tensor(X[0])
    whole = jacrev(torch.sin)(x)
    assert seen == ["SinBackward0"]
    pieces = jacrev(torch.sin, chunk_size=3)(x)
    assert seen == ["SinBackward0"] * 3
    np.testing.assert_array_equal(pieces.numpy(), whole.numpy())
    np.testing.assert_array_equal(whole.numpy(), np.diag(np.cos(X[0])))


def test_chunks_keep_gradients_below_a_size(monkeypatch):
    seen = visits(monkeypatch)
    monkeypatch.setattr(lanes, "MOST", 24)
    whole = jacobian(lambda x: (x * 2).sum(0), leaf())  # 12 elements on the way: two lanes at a time
    assert seen == ["SumBackward1", "MulBackward0"] * 2
    np.testing.assert_array_equal(whole.numpy(), 2 * np.eye(4)[:, None] * np.ones((1, 3, 1)))


def test_a_hook_sees_one_gradient_at_a_time():
    x = leaf()
    y = x * 3
    shapes = []
    y.register_hook(lambda g: shapes.append(g.shape) or g * 2)
    (g,) = grad(y.sum(1), x, torch.eye(3, dtype=torch.float64), is_grads_batched=True)
    assert shapes == [(3, 4)] * 3
    np.testing.assert_array_equal(g.numpy(), 6 * np.eye(3)[:, :, None] * np.ones((1, 1, 4)))


def test_a_function_sees_one_gradient_at_a_time():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert g.shape == (4,)
            return g * 2 if g[0] > 0 else g * 20

    x = torch.tensor(X[0], requires_grad=True)
    g = torch.tensor([[1.0, 1, 1, 1], [-1.0, 1, 1, 1]], dtype=torch.float64)
    (found,) = grad(Double.apply(x), x, g, is_grads_batched=True)
    np.testing.assert_array_equal(found.numpy(), [[2, 2, 2, 2], [-20, 20, 20, 20]])


def test_a_node_without_its_saved_values_refuses():
    x = leaf()
    y = (x * x).sum(1)
    g = torch.eye(3, dtype=torch.float64)
    grad(y, x, g, is_grads_batched=True)
    with pytest.raises(RuntimeError, match="second time"):
        grad(y, x, g, is_grads_batched=True)
    y = (x * 1).exp()
    with torch.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        grad(y, x, torch.ones(2, 3, 4, dtype=torch.float64), is_grads_batched=True)


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_mode_names_the_op():
    x = leaf([0.0, 1.0])
    with torch.autograd.detect_anomaly(), np.errstate(all="ignore"):
        y = x.sqrt() * 0
        with pytest.raises(RuntimeError, match="SqrtBackward0"):
            grad(y, x, torch.eye(2, dtype=torch.float64), is_grads_batched=True)


@pytest.mark.parametrize("weights", [None, torch.tensor(1.0), torch.ones(2, 4)])
def test_weights_that_are_no_batch_are_refused(weights):
    x = leaf()
    with pytest.raises(RuntimeError, match="leading batch dimension|Mismatch in shape"):
        grad(x.sum(1), x, weights, is_grads_batched=True)


def test_no_lanes_at_all():
    x = leaf()
    y = torch.nn.functional.layer_norm(x, (4,)).sum(1)
    (g,) = grad(y, x, torch.ones(0, 3, dtype=torch.float64), is_grads_batched=True)
    assert g.shape == (0, 3, 4)
    assert jacobian(lambda x: x[:0], leaf()).shape == (0, 4, 3, 4)


def test_lanes_of_a_net_and_their_own_derivatives():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(8, 6), torch.nn.LayerNorm(6), torch.nn.GELU(), torch.nn.Linear(6, 3),
        torch.nn.Softmax(-1),
    ).double()  # fmt: skip
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    parameters = list(net.parameters())
    j = jacobian(net, x, create_graph=True)
    found = grad((j**2).sum(), parameters, allow_unused=True, materialize_grads=True)
    x = x.requires_grad_()
    out = net(x)
    rows = [grad(out[i, k], x, create_graph=True)[0] for i in range(2) for k in range(3)]
    np.testing.assert_allclose(
        j.detach().numpy().reshape(6, -1), torch.stack(rows).detach().numpy().reshape(6, -1)
    )
    expected = grad((torch.stack(rows) ** 2).sum(), parameters, allow_unused=True, materialize_grads=True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-9, 1e-12)


def test_hessians_of_hessians():
    def f(x):
        return (x**4).sum()

    third = jacobian(lambda x: hessian(f, x, create_graph=True), torch.tensor(X[0]))
    expected = np.zeros((4, 4, 4))
    expected[range(4), range(4), range(4)] = 24 * X[0]
    np.testing.assert_allclose(third.numpy(), expected)
