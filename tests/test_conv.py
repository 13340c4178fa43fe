"""Convolutions, pools, padding, resizing and rearranging without PyTorch:
frozen numbers, identities, messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
import tinygrad6.nn.functional as F
from tinygrad6 import nn, threads
from tinygrad6.ops import shifted
from tinygrad6.ops.conv import convolve, convolve_dw, convolve_dx
from tinygrad6.ops.taps import from_table, gather_taps, scatter_taps


def by_hand(x, w, stride, padding, dilation, groups):
    """conv2d as six loops."""
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    n, c, *size = x.shape
    o, cg, *kernel = w.shape
    out = [(m - t * (k - 1) - 1) // s + 1 for m, k, s, t in zip(size, kernel, stride, dilation)]
    y = np.zeros((n, o, *out))
    for b, f, i, j in np.ndindex(*y.shape):
        for ch, k, l in np.ndindex(cg, *kernel):
            row, column = i * stride[0] + k * dilation[0], j * stride[1] + l * dilation[1]
            y[b, f, i, j] += x[b, ch + f // (o // groups) * cg, row, column] * w[f, ch, k, l]
    return y


@st.composite
def settings(draw):
    def pair(low, high):
        return (draw(st.integers(low, high)), draw(st.integers(low, high)))

    groups, cg, og = draw(st.integers(1, 3)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    kernel, dilation = pair(1, 3), pair(1, 2)
    how = (pair(1, 2), (pair(0, 2), pair(0, 2)), dilation, groups)
    size = tuple(t * (k - 1) + 1 + draw(st.integers(0, 3)) for k, t in zip(kernel, dilation))
    return (draw(st.integers(1, 3)), groups * cg, *size), (groups * og, cg, *kernel), how


@given(settings())
def test_the_triangle_is_a_convolution_and_its_adjoints(drawn):
    x_shape, w_shape, how = drawn
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 1, x_shape), rng.uniform(-1, 1, w_shape)
    y = convolve.op.forward(x, w, None, *how)
    np.testing.assert_allclose(y, by_hand(x, w, *how), atol=1e-12)
    g = rng.uniform(-1, 1, y.shape)
    inner = (y * g).sum()
    np.testing.assert_allclose((x * convolve_dx.op.forward(g, w, x_shape[2:], *how)).sum(), inner, atol=1e-10)
    np.testing.assert_allclose((w * convolve_dw.op.forward(x, g, w_shape[2:], *how)).sum(), inner, atol=1e-10)


@st.composite
def maps(draw):
    """Geometries that shifts can do: stride 1, two or three dimensions."""
    d, groups, cg, og = (draw(st.integers(*r)) for r in ((2, 3), (1, 2), (1, 3), (1, 3)))
    kernel, dilation = ([draw(st.integers(1, high)) for _ in range(d)] for high in (3, 2))
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(d))
    size = [t * (k - 1) + 1 + draw(st.integers(0, 3)) for k, t in zip(kernel, dilation)]
    x_shape, w_shape = (draw(st.integers(1, 5)), groups * cg, *size), (groups * og, cg, *kernel)
    return x_shape, w_shape, padding, tuple(dilation), groups


@given(maps())
def test_shifts_give_what_windows_give(drawn):
    x_shape, w_shape, padding, dilation, groups = drawn
    at = shifted.Grid(x_shape, w_shape, padding, dilation, groups)
    at.block = 2  # so that there are several blocks, the last of another length
    how = ((1,) * len(padding), padding, dilation, groups)
    rng = np.random.default_rng(0)
    x, w, b = rng.uniform(-1, 1, x_shape), rng.uniform(-1, 1, w_shape), rng.uniform(-1, 1, w_shape[0])
    assert shifted.grid(x_shape, w_shape, *how) is None  # too small, so that the windows' layout is taken
    y = convolve.op.forward(x, w, b, *how)
    np.testing.assert_allclose(shifted.convolve(x, w, b, at), y, atol=1e-12)
    g = rng.uniform(-1, 1, y.shape)
    dw = convolve_dw.op.forward(x, g, w_shape[2:], *how)
    np.testing.assert_allclose(shifted.weight_gradient(x, g, at), dw, atol=1e-12)


@pytest.mark.parametrize(
    "shapes",
    [((33, 2, 20, 20), (4, 2, 5, 5)), ((33, 32, 6, 6), (8, 32, 3, 3)), ((33, 6, 12, 12), (8, 6, 3, 3))],
    ids=str,
)
def test_threads_do_not_change_results(shapes):
    x, w = (torch.randn(*s, requires_grad=True) for s in shapes)
    b, before = torch.randn(shapes[1][0], requires_grad=True), threads.get_num_threads()

    def run(n):
        threads.set_num_threads(n)
        y = F.max_pool2d(F.conv2d(x, w, b), 2)
        return [y, *torch.autograd.grad(y.square().sum(), (x, w, b))]

    try:
        for one, three in zip(run(1), run(3)):
            np.testing.assert_allclose(one.detach().numpy(), three.detach().numpy(), rtol=1e-4, atol=1e-3)
    finally:
        threads.set_num_threads(before)


def test_frozen_numbers():
    x, w = torch.arange(16.0).reshape(1, 1, 4, 4), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert F.conv2d(x, w, torch.tensor([0.5]), stride=2).tolist() == [[[[34.5, 54.5], [114.5, 134.5]]]]
    assert F.conv_transpose2d(torch.tensor([[[[1.0, 2.0]]]]), w).tolist() == [
        [[[1.0, 4.0, 4.0], [3.0, 10.0, 8.0]]]
    ]
    assert F.avg_pool2d(x, 3, 2, 1, count_include_pad=False).tolist() == [[[[2.5, 4.0], [8.5, 10.0]]]]
    assert F.max_pool2d(x, 2, return_indices=True)[1].tolist() == [[[[5, 7], [13, 15]]]]
    assert F.adaptive_avg_pool2d(x, (1, 3)).tolist() == [[[[6.5, 7.5, 8.5]]]]
    assert F.interpolate(x, size=(1, 2), mode="bilinear").tolist() == [[[[6.5, 8.5]]]]
    assert F.interpolate(x, scale_factor=0.5).tolist() == [[[[0.0, 2.0], [8.0, 10.0]]]]
    assert F.pad(x[0], (1, 0, 0, 1), "circular").tolist()[0][-1] == [3.0, 0.0, 1.0, 2.0, 3.0]
    assert F.unfold(x, 2, stride=2)[0, :, 1].tolist() == [2.0, 3.0, 6.0, 7.0]
    assert F.pixel_shuffle(x.reshape(1, 4, 2, 2), 2)[0, 0].tolist()[0] == [0.0, 4.0, 1.0, 5.0]


def test_ties_and_nan_in_a_maximum():
    x = torch.tensor([[[2.0, 2.0, float("nan"), 1.0], [2.0, 0.0, float("nan"), 3.0]]], requires_grad=True)
    y, at = F.max_pool2d(x, 2, return_indices=True)
    assert at.tolist() == [[[0, 6]]], "the first of equal elements, the last nan"
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.nonzero().tolist() == [[0, 0, 0], [0, 1, 2]]
    assert y[0, 0, 0] == 2 and y.isnan().tolist() == [[[False, True]]]


@given(st.data())
def test_scattering_is_the_adjoint_of_gathering(data):
    size = data.draw(st.integers(1, 5))
    row = st.lists(st.integers(0, size - 1), max_size=4)
    inputs = data.draw(st.lists(row, min_size=1, max_size=6))
    rng = np.random.default_rng(0)
    weights = [rng.uniform(-1, 1, len(r)) for r in inputs] if data.draw(st.booleans()) else None
    m = from_table(size, inputs, weights)
    x, g = rng.uniform(-1, 1, (2, size)), rng.uniform(-1, 1, (2, len(inputs)))
    dense = np.zeros((len(inputs), size))
    for i, r in enumerate(inputs):
        for k, j in enumerate(r):
            dense[i, j] += 1 if weights is None else weights[i][k]
    np.testing.assert_allclose(gather_taps.op.forward(x, (m,)), x @ dense.T, atol=1e-12)
    np.testing.assert_allclose(scatter_taps.op.forward(g, (m,)), g @ dense, atol=1e-12)


def test_results_are_not_views_of_the_input():
    x = torch.ones(1, 4, 2, 2)
    for y in (
        F.pad(x, (0, 0)),
        F.pad(x, (-1, 0)),
        F.interpolate(x, scale_factor=1),
        F.interpolate(x, size=(2, 2), mode="bilinear"),
        F.max_pool2d(x, 1),
        F.avg_pool2d(x, 1),
        F.adaptive_avg_pool2d(x, 2),
        F.unfold(x, 1),
        F.pixel_shuffle(x, 1),
        F.channel_shuffle(x, 1),
        F.conv2d(x, torch.eye(4).reshape(4, 4, 1, 1)),
    ):
        y.fill_(7)
        assert x.sum() == 16


def test_inputs_may_be_read_only_or_transposed():
    x = torch.from_numpy(
        np.broadcast_to(np.arange(4.0, dtype=np.float32), (2, 3, 4, 4)).transpose(0, 1, 3, 2)
    )
    same = torch.tensor(x.numpy().copy())
    for f in (
        lambda x: F.conv2d(x, torch.ones(2, 3, 2, 2)),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 3, 1, 1),
        lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
        lambda x: F.unfold(x, 2),
    ):
        assert (f(x) == f(same)).all()


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (
            lambda: F.conv2d(torch.ones(1, 3, 4, 4), torch.ones(2, 2, 2, 2)),
            RuntimeError,
            "to have 2 channels, but got 3",
        ),
        (
            lambda: F.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3)),
            RuntimeError,
            "Kernel size can't be greater",
        ),
        (lambda: F.max_pool2d(torch.ones(1, 1, 4, 4), 2, padding=2), RuntimeError, "at most half"),
        (lambda: F.interpolate(torch.ones(1, 1, 4, 4), 2, mode="cubic"), NotImplementedError, "bicubic"),
        (
            lambda: F.interpolate(torch.ones(1, 1, 4, 4).long(), 2),
            NotImplementedError,
            "convert the input to float",
        ),
        (lambda: F.pad(torch.ones(1, 3), (3, 0), "reflect"), RuntimeError, "less than the corresponding"),
        (lambda: nn.CrossMapLRN2d(3), NotImplementedError, "LocalResponseNorm"),
        (lambda: nn.Conv2d(3, 4, 2, groups=2), ValueError, "divisible by groups"),
    ],
)
def test_messages(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_a_small_network_learns():
    torch.manual_seed(0)
    x = torch.rand(64, 1, 8, 8)
    y = (x[:, 0, :, :4].sum((1, 2)) > x[:, 0, :, 4:].sum((1, 2))).long()
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    from tinygrad6 import optim

    optimizer = optim.Adam(model.parameters(), 0.03)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_a_subclass_may_convolve_with_another_weight():
    """Weight standardization as timm and detectron2 write it: PyTorch's constructor and `_conv_forward`."""

    class Standardized(torch.nn.Conv2d):
        def forward(self, x):
            w = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
            return self._conv_forward(x, w, self.bias)

    class Direct(torch.nn.modules.conv._ConvNd):
        def __init__(self):
            two = torch.nn.modules.utils._pair
            super().__init__(2, 3, two(3), two(1), two(1), two(1), False, two(0), 1, True, "zeros")

    x = torch.randn(2, 2, 5, 5)
    m = Standardized(2, 3, 3, padding=1, padding_mode="circular")
    w = m.weight - m.weight.mean(dim=(1, 2, 3), keepdim=True)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="circular")
    assert torch.equal(m(x), torch.conv2d(padded, w, m.bias))
    d = Direct()
    assert not d.transposed and d.weight.shape == (3, 2, 3, 3) and d.bias.shape == (3,)
