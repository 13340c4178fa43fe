"""torch.func: ensembles, per-sample gradients, Jacobians, Hessians, tangent kernels, and meta-learning."""

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


class SimpleMLP(nn.Module):
    def __init__(self):
        super(SimpleMLP, self).__init__()
        self.fc1 = nn.Linear(16, 12)
        self.fc2 = nn.Linear(12, 12)
        self.fc3 = nn.Linear(12, 4)

    def forward(self, x):
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


device = "cpu"
num_models = 5
data = torch.randn(10, 6, 1, 4, 4, device=device)
targets = torch.randint(4, (60,), device=device)
models = [SimpleMLP().to(device) for _ in range(num_models)]
minibatches = data[:num_models]
p1 = [model(mb) for model, mb in zip(models, minibatches)]
params, buffers = stack_module_state(models)
base_model = copy.deepcopy(models[0])
base_model = base_model.to("meta") if False else base_model


def fmodel(params, buffers, x):
    return functional_call(base_model, (params, buffers), (x,))


print([(k, tuple(v.shape), v.requires_grad) for k, v in params.items()])
p1v = vmap(fmodel)(params, buffers, minibatches)
print(p1v.shape, torch.allclose(torch.stack(p1), p1v, atol=1e-5))
p2 = vmap(fmodel, in_dims=(0, 0, None))(params, buffers, minibatches[0])
print(p2.shape, p2[:, 0])
# train the ensemble in one go
opt = torch.optim.Adam(params.values(), lr=1e-2)
xb, yb = data[0], targets[:6]


def ens_loss(p, b, x, y):
    return F.cross_entropy(functional_call(base_model, (p, b), (x,)), y)


for i in range(5):
    l = vmap(ens_loss, (0, 0, None, None))(params, buffers, xb, yb)
    opt.zero_grad()
    l.sum().backward()
    opt.step()
    print(i, l)


# per-sample gradients
class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 6, 3, 1)
        self.fc1 = nn.Linear(6 * 4, 8)
        self.fc2 = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def loss_fn(predictions, targets):
    return F.nll_loss(predictions, targets)


d = torch.randn(7, 1, 8, 8)
t = torch.randint(5, (7,))
model = SimpleCNN()
params = {k: v.detach() for k, v in model.named_parameters()}
buffers = {k: v.detach() for k, v in model.named_buffers()}


def compute_loss(params, buffers, sample, target):
    predictions = functional_call(model, (params, buffers), (sample.unsqueeze(0),))
    return loss_fn(predictions, target.unsqueeze(0))


ft_compute_sample_grad = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))
psg = ft_compute_sample_grad(params, buffers, d, t)


def compute_grad(sample, target):
    loss = loss_fn(model(sample.unsqueeze(0)), target.unsqueeze(0))
    return torch.autograd.grad(loss, list(model.parameters()))


ref = [torch.stack(s) for s in zip(*[compute_grad(d[i], t[i]) for i in range(7)])]
for r, (k, g) in zip(ref, psg.items()):
    print(k, g.shape, torch.allclose(r, g, atol=3e-3, rtol=1e-5), g.flatten(1).norm(dim=1))
# jacobians
D = 4
weight = torch.randn(D, D)
bias = torch.randn(D)
x = torch.randn(D)


def predict(weight, bias, x):
    return F.linear(x, weight, bias).tanh()


print(jacrev(predict, argnums=2)(weight, bias, x))
print(jacfwd(predict, argnums=2)(weight, bias, x))
print([j.shape for j in jacrev(predict, argnums=(0, 1))(weight, bias, x)])
print(
    hessian(predict, argnums=2)(weight, bias, x).shape,
    jacfwd(jacrev(predict, argnums=2), argnums=2)(weight, bias, x)[0],
)
cj = vmap(jacrev(predict, argnums=2), in_dims=(None, None, 0))(weight, bias, torch.randn(3, D))
print(cj.shape, cj[1])
_, vjp_fn = vjp(partial(predict, weight, bias), x)
(ft,) = vmap(vjp_fn)(torch.eye(D))
print(ft)
y, jv = jvp(lambda x: x.sin() * x.sum(), (x,), (torch.ones(D),))
print(y, jv)


def hvp(f, primals, tangents):
    return jvp(grad(f), primals, tangents)[1]


print(hvp(lambda x: x.sin().sum() * x.prod(), (x,), (torch.ones(D),)))


# NTK
def fnet_single(params, x):
    return functional_call(model, params, (x.unsqueeze(0),)).squeeze(0)


def empirical_ntk_jacobian_contraction(fnet_single, params, x1, x2):
    jac1 = vmap(jacrev(fnet_single), (None, 0))(params, x1).values()
    jac1 = [j.flatten(2) for j in jac1]
    jac2 = vmap(jacrev(fnet_single), (None, 0))(params, x2).values()
    jac2 = [j.flatten(2) for j in jac2]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", j1, j2) for j1, j2 in zip(jac1, jac2)]).sum(0)


r = empirical_ntk_jacobian_contraction(fnet_single, params, d[:3], d[3:5])
print(r.shape, r[0, 1])
# MAML regression in functional style
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
P = dict(net.named_parameters())
o = torch.optim.Adam(P.values(), 1e-2)


def inner(p, x, y):
    g = grad(lambda p: ((functional_call(net, p, x) - y) ** 2).mean())(p)
    return {k: p[k] - 0.1 * g[k] for k in p}


for it in range(6):
    A, ph = torch.rand(4, 1, 1) * 4 + 0.1, torch.rand(4, 1, 1) * 3
    x1 = torch.rand(4, 10, 1) * 10 - 5
    x2 = torch.rand(4, 10, 1) * 10 - 5

    def task(x1, x2, A, ph):
        q = inner(P, x1, A * torch.sin(x1 + ph))
        return ((functional_call(net, q, (x2,)) - A * torch.sin(x2 + ph)) ** 2).mean()

    loss = vmap(task)(x1, x2, A, ph).mean()
    o.zero_grad()
    loss.backward()
    o.step()
    print(it, loss.item())
gv = grad_and_value(lambda w: (w**2).sum())
print(gv(torch.arange(3.0)))
print(
    vmap(lambda a, b: torch.dot(a, b), in_dims=(1, 0), out_dims=0)(
        torch.arange(6.0).view(3, 2), torch.ones(2, 3)
    )
)
print(vmap(lambda x: {"a": x.sum(), "b": (x, x * 2)}, randomness="different")(torch.arange(4.0).view(2, 2)))
print(grad(lambda x, y: (x * y).sum(), argnums=(0, 1), has_aux=False)(torch.ones(2), torch.full((2,), 3.0)))
print(grad(lambda x: ((x**3).sum(), x.max()), has_aux=True)(torch.arange(3.0)))
