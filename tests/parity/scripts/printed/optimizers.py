"""Optimizers as users write them: a step uphill first, slow weights, trust by layer, signs, and whitened steps."""

import copy
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Optimizer
from torch.optim.optimizer import required

torch.manual_seed(0)


def graded(optimizer):
    """(group, parameter, its gradient's tensor, its state) for all that have a gradient."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                yield group, p, p.grad, optimizer.state[p]


class Uphill(torch.optim.Optimizer):
    """The gradient is taken a distance away in the worst direction, then applied here (Foret et al., 2021)."""

    def __init__(self, params, inner, distance=0.05, relative=False, **settings):
        assert distance >= 0.0
        super(Uphill, self).__init__(params, dict(distance=distance, relative=relative, **settings))
        self.inner = inner(self.param_groups, **settings)
        self.param_groups = self.inner.param_groups
        self.defaults.update(self.inner.defaults)

    @torch.no_grad()
    def step(self, closure=None):
        assert closure is not None
        again = torch.enable_grad()(closure)
        size = lambda group, p: torch.abs(p) if group["relative"] else 1.0
        where = self.param_groups[0]["params"][0].device
        steep = [(size(group, p) * g).norm(p=2).to(where) for group, p, g, _ in graded(self)]
        steepest = torch.norm(torch.stack(steep), p=2)
        for group, p, g, kept in graded(self):
            kept["home"] = p.data.clone()
            further = torch.pow(p, 2) if group["relative"] else 1.0
            p.add_(further * g * (group["distance"] / (steepest + 1e-9)).to(p))
        self.zero_grad()
        there = again()
        for _, p, _, kept in graded(self):
            p.data = kept.pop("home")
        self.inner.step()
        self.zero_grad()
        return there

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.inner.param_groups = self.param_groups


class Slow(Optimizer):
    """Every few steps of another optimizer the weights fall back part of the way (Zhang et al., 2019)."""

    def __init__(self, quick, every=3, share=0.5):
        self.quick, self.every, self.share, self.taken = quick, every, share, 0
        self.param_groups = quick.param_groups
        self.state = defaultdict(dict)

    def zero_grad(self):
        self.quick.zero_grad()

    def step(self, closure=None):
        loss = self.quick.step(closure)
        for _, p, _, kept in graded(self):
            if "slow" not in kept:
                kept["slow"] = torch.zeros_like(p.data).copy_(p.data)
            elif self.taken % self.every == 0:
                kept["slow"] += (p.data - kept["slow"]) * self.share
                p.data.copy_(kept["slow"])
        self.taken += 1
        return loss


class Trust(Optimizer):
    """Adam without correction, each layer's step as long as a share of its weights (You et al., 2020)."""

    def __init__(self, params, lr, decay=0.0, betas=(0.9, 0.99), eps=1e-6):
        if lr < 0.0:
            raise ValueError("lr is negative: {}".format(lr))
        super(Trust, self).__init__(params, dict(lr=lr, decay=decay, betas=betas, eps=eps))

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group, p, g, kept in graded(self):
            if g.is_sparse:
                raise RuntimeError("Trust takes no sparse gradients")
            if not kept:
                kept.update(step=0, first=torch.zeros_like(p.data), second=torch.zeros_like(p.data))
            quick, slow = group["betas"]
            kept["step"] += 1
            kept["first"].mul_(quick).add_(g.data, alpha=1 - quick)
            kept["second"].mul_(slow).addcmul_(g.data, g.data, value=1 - slow)
            move = kept["first"] / kept["second"].sqrt().add(group["eps"])
            move.add_(p.data, alpha=group["decay"])
            weigh, length = (t.pow(2).sum().sqrt() for t in (p.data, move))
            kept["ratio"] = weigh.clamp(0, 8) / length if weigh > 0 and length > 0 else 1
            p.data.add_(move, alpha=-group["lr"] * float(kept["ratio"]))
        return loss


class Signs(Optimizer):
    """Steps of one length: the sign of a mean that is quicker than the one remembered (Chen et al., 2023)."""

    def __init__(self, params, lr, decay=0.0, quick=0.85, slow=0.98):
        super().__init__(params, dict(lr=lr, decay=decay, quick=quick, slow=slow))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group, p, g, kept in filter(lambda found: found[1].requires_grad, graded(self)):
            mean = kept.setdefault("mean", torch.zeros_like(p))
            way = mean.clone().mul_(group["quick"]).add(g, alpha=1 - group["quick"]).sign_()
            p.mul_(1 - group["lr"] * group["decay"]).add_(way, alpha=-group["lr"])
            mean.lerp_(g, 1 - group["slow"])
        return loss


def evened(matrix, rounds=4):
    """The matrix with its singular values driven towards one, by cubic steps x (3 - x^2) / 2."""
    x = matrix.T if matrix.size(0) > matrix.size(1) else matrix
    x = x / (x.norm() + 1e-8)
    for _ in range(rounds):
        x = 1.5 * x - 0.5 * (x @ x.T) @ x
    return x.T if matrix.size(0) > matrix.size(1) else x


class Evened(Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.9, nesterov=True):
        super().__init__(list(params), dict(lr=lr, momentum=momentum, nesterov=nesterov))

    @torch.no_grad()
    def step(self):
        for group, p, g, kept in graded(self):
            if "speed" not in kept:
                kept["speed"] = torch.zeros_like(g)
            kept["speed"].lerp_(g, 1 - group["momentum"])
            way = g.lerp_(kept["speed"], group["momentum"]) if group["nesterov"] else kept["speed"]
            if way.ndim == 2:
                p.add_(evened(way), alpha=-group["lr"] * max(1, way.size(-2) / way.size(-1)) ** 0.5)
            else:
                p.add_(way.sign(), alpha=-group["lr"])


class Whitened(Optimizer):
    """Along each dimension the gradient times a root of the sum of its outer products (Gupta et al., 2018)."""

    def __init__(self, params, lr=0.1, eps=1e-3):
        super().__init__(params, dict(lr=lr, eps=eps))

    def step(self, closure=None):
        for group, p, g, kept in graded(self):
            g = g.data.clone()
            for axis, size in enumerate(p.size()):
                if axis not in kept:
                    kept[axis] = group["eps"] * torch.eye(size, out=g.new(size, size))
                    kept[f"root of {axis}"] = g.new(size, size).zero_()
                flat = g.transpose_(0, axis).contiguous().view(size, -1)
                kept[axis].add_(flat @ flat.t())
                left, values, right = torch.svd(kept[axis])
                kept[f"root of {axis}"].copy_(left @ values.pow_(-0.5 / g.ndim).diag() @ right.t())
                g = (kept[f"root of {axis}"] @ flat).view(g.size()).transpose_(0, axis)
            p.data.add_(g.reshape(p.size()), alpha=-group["lr"])


X = torch.randn(64, 5)
Y = X[:, :1].cos() - X[:, 1:2] * X[:, 4:5]


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))


makers = {
    Trust: lambda weights: Trust(weights, 2e-2, decay=0.01),
    Signs: lambda weights: Signs(weights, 1e-2, decay=0.1),
    Evened: Evened,
    Whitened: Whitened,
    Slow: lambda weights: Slow(torch.optim.Adam(weights, 2e-2)),
}
for kind, make in makers.items():
    model = net()
    user = make(model.parameters())
    for lap in range(8):
        wrong = F.mse_loss(model(X), Y)
        user.zero_grad()
        wrong.backward()
        user.step()
    weights = sum(w.abs().sum().item() for w in model.parameters())
    print(kind.__name__, wrong.item(), weights, sorted(map(str, next(iter(user.state.values())))))
m = net()
o = Uphill(m.parameters(), torch.optim.SGD, distance=0.08, relative=True, lr=0.1, momentum=0.9)
halved = torch.optim.lr_scheduler.StepLR(o, 2, 0.5)


def wrong():
    loss = F.mse_loss(m(X), Y)
    loss.backward()
    return loss


for lap in range(6):
    here = wrong().item()
    there = o.step(wrong)
    halved.step()
    print("uphill from", here, "to", there.item(), "at", o.param_groups[0]["lr"])
print(o.state_dict()["param_groups"], o)
sw = torch.optim.SGD(net().parameters(), lr=required if False else 0.1)
sw.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 1.0})
print(len(sw.param_groups), [g["lr"] for g in sw.param_groups])
print(sw.state_dict())
o = torch.optim.Adam([{"params": m[0].parameters(), "lr": 1e-3}, {"params": m[2].parameters()}], lr=1e-2)
h = o.register_step_post_hook(lambda opt, a, k: print("post", len(opt.state)))
h2 = o.register_step_pre_hook(lambda opt, a, k: None)
F.mse_loss(m(X), Y).backward()
o.step()
h.remove()
o.step()
sd = copy.deepcopy(o.state_dict())
print(sd["state"][0]["step"], sd["param_groups"][0]["params"], sd["state"][0].keys())
o2 = torch.optim.Adam([{"params": m[0].parameters(), "lr": 1.0}, {"params": m[2].parameters()}], lr=1.0)
o2.load_state_dict(sd)
print(
    o2.param_groups[0]["lr"], torch.equal(o2.state[m[0].weight]["exp_avg"], o.state[m[0].weight]["exp_avg"])
)
try:
    o2.load_state_dict(sw.state_dict())
except ValueError as e:
    print(e)
p = nn.Parameter(torch.tensor([1.0, 2.0]))
oa = torch.optim.SGD([p], 0.1, maximize=True, weight_decay=0.1, dampening=0.1, momentum=0.5)
for _ in range(3):
    p.grad = torch.tensor([1.0, -1.0])
    oa.step()
    print(p.data, oa.state[p])
for cls, kw in [
    (torch.optim.Adam, dict(amsgrad=True, weight_decay=0.1)),
    (torch.optim.AdamW, dict(foreach=False, maximize=True)),
    (torch.optim.RMSprop, dict(centered=True, momentum=0.9)),
    (torch.optim.Adagrad, dict(lr_decay=0.1, initial_accumulator_value=0.1)),
    (torch.optim.Adadelta, dict(rho=0.8)),
    (torch.optim.Adamax, {}),
    (torch.optim.NAdam, dict(decoupled_weight_decay=True, weight_decay=0.1)),
    (torch.optim.RAdam, {}),
    (torch.optim.Rprop, {}),
    (torch.optim.ASGD, dict(t0=2)),
    (torch.optim.Adafactor, {}),
    (torch.optim.Adam, dict(lr=torch.tensor(0.1))),
]:
    p = nn.Parameter(torch.linspace(-1, 1, 6).view(2, 3))
    o = cls([p], **{"lr": 0.1, **kw})
    for i in range(7):
        o.zero_grad()
        (p**2 * (i + 1)).sum().backward()
        o.step()
    print(
        cls.__name__,
        kw,
        p.data.flatten(),
        {k: (v.shape if v.dim() else v) if torch.is_tensor(v) else v for k, v in o.state[p].items()},
    )
