"""torch.func: models side by side, a gradient for each example, derivatives of vectors, kernels, learning to learn."""

import copy
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)

torch.manual_seed(0)


class Committee:
    """Several networks of one architecture, held as one set of stacked weights and called as one."""

    def __init__(self, members):
        self.weights, self.state = stack_module_state(members)
        self.shape = copy.deepcopy(members[0]).eval()

    def vote(self, weights, state, x):
        return functional_call(self.shape, (weights, state), (x,))

    def __call__(self, x, each_its_own):
        return vmap(self.vote, in_dims=(0, 0, 0 if each_its_own else None))(self.weights, self.state, x)

    def errors(self, x, y):
        def error(weights, state):
            return F.cross_entropy(self.vote(weights, state, x), y)

        return vmap(error, (0, 0))(self.weights, self.state)


def member():
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 14), nn.BatchNorm1d(14), nn.ReLU(), nn.Linear(14, 3))


members = [member().eval() for _ in range(4)]
committee = Committee(members)
for name, stacked in (committee.weights | committee.state).items():
    print(name, tuple(stacked.shape), stacked.requires_grad, stacked.dtype)
grids, kinds = torch.randn(4, 8, 1, 3, 3, device="cpu"), torch.randint(3, (8,), device="cpu")
apart = torch.stack([one(grid) for one, grid in zip(members, grids)])
together = committee(grids, each_its_own=True)
print(together.shape, torch.allclose(apart, together, atol=1e-5))
print("all on the first batch", committee(grids[0], each_its_own=False)[..., 0])
fit = torch.optim.Adam(committee.weights.values(), lr=2e-2)
for lap in range(4):
    errors = committee.errors(grids[1], kinds)
    fit.zero_grad()
    errors.sum().backward()
    fit.step()
    print("committee", lap, errors)


class Glyphs(nn.Module):
    """Two convolutions and a linear map of their pooled responses."""

    def __init__(self, classes=4):
        super().__init__()
        self.edges = nn.Conv2d(1, 3, 3, 1)
        self.shapes = nn.Conv2d(3, 5, 3, 1)
        self.label = nn.Linear(20, classes)

    def forward(self, x):
        for layer in (self.edges, self.shapes):
            x = F.relu(layer(x))
        return F.log_softmax(self.label(torch.flatten(F.max_pool2d(x, 2), 1)), dim=1)


glyphs = Glyphs()
picture, meant = torch.randn(6, 1, 9, 8)[..., :8, :], torch.randint(4, (6,))
frozen = {name: w.detach() for name, w in glyphs.named_parameters()}
no_buffers = {name: w.detach() for name, w in glyphs.named_buffers()}


def read(weights, one):
    """Log-probabilities for a single picture, without a batch dimension on either side."""
    return functional_call(glyphs, (weights, no_buffers), (one.unsqueeze(0),)).squeeze(0)


def misread(weights, one, label):
    return F.nll_loss(read(weights, one), label)


each = vmap(grad(misread), in_dims=(None, 0, 0))(frozen, picture, meant)
for name, w in glyphs.named_parameters():
    slow = [torch.autograd.grad(F.nll_loss(glyphs(p[None]), m[None]), w)[0] for p, m in zip(picture, meant)]
    same = torch.allclose(torch.stack(slow), each[name], atol=3e-3, rtol=1e-5)
    print(name, each[name].shape, same, "norms", each[name].flatten(1).norm(dim=1))


def tangent_kernel(left, right):
    """K[n, m] (classes, classes) = sum over all weights of J(left[n]) J(right[m])^T."""
    by_weight = vmap(jacrev(read), (None, 0))
    a, b = by_weight(frozen, left), by_weight(frozen, right)
    return sum(torch.einsum("ncw,mdw->nmcd", a[name].flatten(2), b[name].flatten(2)) for name in frozen)


kernel = tangent_kernel(picture[:4], picture[4:])
print("kernel", kernel.shape, kernel[2, 1])
square = tangent_kernel(picture[:2], picture[:2])
print("is symmetric", torch.allclose(square, square.permute(1, 0, 3, 2), atol=1e-5))

# Jacobians, both ways and composed, of one small layer.
gain, shift, point = torch.randn(3, 3), torch.randn(3), torch.randn(3)


def squash(gain, shift, x):
    return F.linear(x, gain, shift).tanh()


for way in (jacrev, jacfwd):
    print(way.__name__, way(squash, argnums=2)(gain, shift, point))
    print("by the rest", [tuple(j.shape) for j in way(squash, argnums=(0, 1))(gain, shift, point)])
curved = hessian(squash, argnums=2)(gain, shift, point)
other = jacfwd(jacrev(squash, argnums=2), argnums=2)(gain, shift, point)
print("curvature", curved.shape, torch.allclose(curved, other, atol=1e-6), other[1])
at_many = vmap(jacrev(squash, argnums=2), in_dims=(None, None, 0))(gain, shift, torch.randn(5, 3))
print("at five points", at_many.shape, at_many[3])
value, pull = vjp(partial(squash, gain, shift), point)
(rows,) = vmap(pull)(torch.eye(3))
print("row by row", value, rows)
pushed = jvp(lambda x: x.cos() * x.prod(), (point,), (torch.ones(3),))
print("pushed forward", *pushed)


def bend(f, at, along):
    """The Hessian of f at a point, times a direction: forward over reverse."""
    return jvp(grad(f), (at,), (along,))[1]


print("bend", bend(lambda x: x.sin().sum() * x.prod(), point, torch.ones(3)))

# Learning to learn lines: one step of descent inside, Adam outside, eight tasks at a time.
curve = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
start = dict(curve.named_parameters())
outer = torch.optim.Adam(start.values(), 5e-3)


def misfit(weights, x, y):
    return (functional_call(curve, weights, (x,)) - y).pow(2).mean()


def after_one_step(shown, asked, slope, offset):
    slopes = grad(misfit)(start, shown, slope * shown + offset)
    adapted = {name: w - 0.05 * slopes[name] for name, w in start.items()}
    return misfit(adapted, asked, slope * asked + offset)


for lap in range(6):
    slope, offset = torch.rand(8, 1, 1) * 2 - 1, torch.rand(8, 1, 1)
    shown, asked = (torch.rand(2, 8, 6, 1) * 4 - 2).unbind(0)
    loss = vmap(after_one_step)(shown, asked, slope, offset).mean()
    outer.zero_grad()
    loss.backward()
    outer.step()
    print("lines", lap, loss.item())
# Options of the transforms one by one.
print(grad_and_value(lambda w: (w**2).sum())(torch.tensor([1.5, -2.0])))
columns, lines = torch.arange(8.0).view(4, 2), torch.full((2, 4), 0.5)
print(vmap(lambda a, b: torch.dot(a, b), in_dims=(1, 0), out_dims=0)(columns, lines))
print(vmap(lambda x: {"peak": x.max(), "both": (x, -x)}, randomness="different")(columns))
print(grad(lambda x, y: (x * y.exp()).sum(), argnums=(0, 1), has_aux=False)(lines[0], lines[1]))
print(grad(lambda x: ((x**4).sum(), x.max()), has_aux=True)(torch.arange(3.0)))
