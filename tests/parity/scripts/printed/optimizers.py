"""Optimizers that users write: SAM, Lookahead, LAMB, Lion, Muon and Shampoo."""

import copy
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Optimizer
from torch.optim.optimizer import required

torch.manual_seed(0)


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, adaptive=False, **kwargs):
        assert rho >= 0.0
        defaults = dict(rho=rho, adaptive=adaptive, **kwargs)
        super(SAM, self).__init__(params, defaults)
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        grad_norm = self._grad_norm()
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["old_p"] = p.data.clone()
                e_w = (torch.pow(p, 2) if group["adaptive"] else 1.0) * p.grad * scale.to(p)
                p.add_(e_w)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        assert closure is not None
        closure = torch.enable_grad()(closure)
        self.first_step(zero_grad=True)
        closure()
        self.second_step()

    def _grad_norm(self):
        shared_device = self.param_groups[0]["params"][0].device
        return torch.norm(
            torch.stack(
                [
                    ((torch.abs(p) if group["adaptive"] else 1.0) * p.grad).norm(p=2).to(shared_device)
                    for group in self.param_groups
                    for p in group["params"]
                    if p.grad is not None
                ]
            ),
            p=2,
        )

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.base_optimizer.param_groups = self.param_groups


class Lookahead(Optimizer):
    def __init__(self, optimizer, k=3, alpha=0.5):
        self.optimizer = optimizer
        self.k = k
        self.alpha = alpha
        self.param_groups = self.optimizer.param_groups
        self.state = defaultdict(dict)
        self.fast_state = self.optimizer.state
        for group in self.param_groups:
            group["counter"] = 0

    def update(self, group):
        for fast in group["params"]:
            param_state = self.state[fast]
            if "slow_param" not in param_state:
                param_state["slow_param"] = torch.zeros_like(fast.data)
                param_state["slow_param"].copy_(fast.data)
            slow = param_state["slow_param"]
            slow += (fast.data - slow) * self.alpha
            fast.data.copy_(slow)

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            if group["counter"] == 0:
                self.update(group)
            group["counter"] += 1
            if group["counter"] >= self.k:
                group["counter"] = 0
        return loss

    def zero_grad(self):
        self.optimizer.zero_grad()


class Lamb(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0):
        if not 0.0 <= lr:
            raise ValueError("Invalid learning rate: {}".format(lr))
        super(Lamb, self).__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def step(self, closure=None):
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                if grad.is_sparse:
                    raise RuntimeError("no")
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p.data)
                    state["exp_avg_sq"] = torch.zeros_like(p.data)
                m, v = state["exp_avg"], state["exp_avg_sq"]
                b1, b2 = group["betas"]
                state["step"] += 1
                m.mul_(b1).add_(grad, alpha=1 - b1)
                v.mul_(b2).addcmul_(grad, grad, value=1 - b2)
                wn = p.data.pow(2).sum().sqrt().clamp(0, 10)
                st = m / v.sqrt().add(group["eps"])
                if group["weight_decay"] != 0:
                    st.add_(p.data, alpha=group["weight_decay"])
                an = st.pow(2).sum().sqrt()
                tr = 1 if wn == 0 or an == 0 else wn / an
                state["trust_ratio"] = tr
                p.data.add_(st, alpha=-group["lr"] * float(tr))
        return loss


class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), wd=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, wd=wd))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for g in self.param_groups:
            for p in filter(lambda p: p.grad is not None, g["params"]):
                p.mul_(1 - g["lr"] * g["wd"])
                s = self.state[p]
                m = s.setdefault("m", torch.zeros_like(p))
                u = m.clone().mul_(g["betas"][0]).add(p.grad, alpha=1 - g["betas"][0]).sign_()
                p.add_(u, alpha=-g["lr"])
                m.lerp_(p.grad, 1 - g["betas"][1])
        return loss


def ns5(G, steps=5, eps=1e-7):
    a, b, c = (3.4445, -4.7750, 2.0315)
    X = G / (G.norm() + eps)
    if G.size(0) > G.size(1):
        X = X.T
    for _ in range(steps):
        A = X @ X.T
        B = b * A + c * A @ A
        X = a * X + B @ X
    return X.T if G.size(0) > G.size(1) else X


class MuonLike(Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.95, nesterov=True):
        super().__init__(list(params), dict(lr=lr, momentum=momentum, nesterov=nesterov))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                gr = p.grad
                s = self.state[p]
                if "momentum_buffer" not in s:
                    s["momentum_buffer"] = torch.zeros_like(gr)
                buf = s["momentum_buffer"]
                buf.lerp_(gr, 1 - g["momentum"])
                gr = gr.lerp_(buf, g["momentum"]) if g["nesterov"] else buf
                p.add_(
                    ns5(gr) if gr.ndim == 2 else gr.sign(),
                    alpha=-g["lr"] * max(1, gr.size(-2) / gr.size(-1)) ** 0.5 if gr.ndim == 2 else -g["lr"],
                )


class Shampoo(Optimizer):
    def __init__(self, params, lr=0.1, eps=1e-4):
        super().__init__(params, dict(lr=lr, eps=eps))

    def step(self, closure=None):
        for g in self.param_groups:
            for p in g["params"]:
                gr = p.grad.data
                os = gr.size()
                st = self.state[p]
                for d, dim in enumerate(gr.size()):
                    if len(st) < 2 * gr.ndim:
                        st[f"p_{d}"] = g["eps"] * torch.eye(dim, out=gr.new(dim, dim))
                        st[f"i_{d}"] = gr.new(dim, dim).zero_()
                    pre = st[f"p_{d}"]
                    gr = gr.transpose_(0, d).contiguous()
                    ts = gr.size()
                    gr = gr.view(dim, -1)
                    pre.add_(gr @ gr.t())
                    u, s, v = torch.svd(pre)
                    st[f"i_{d}"].copy_(u @ s.pow_(-1 / len(os)).diag() @ v.t())
                    gr = (st[f"i_{d}"] @ gr).view(ts)
                    gr = gr.transpose_(0, d)
                p.data.add_(gr.reshape(os), alpha=-g["lr"])


X = torch.randn(64, 5)
Y = torch.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))


for name, mk in dict(
    lamb=lambda m: Lamb(m.parameters(), 1e-2, weight_decay=0.01),
    lion=lambda m: Lion(m.parameters(), 1e-2, wd=0.1),
    muon=lambda m: MuonLike(m.parameters()),
    shampoo=lambda m: Shampoo(m.parameters()),
    look=lambda m: Lookahead(torch.optim.Adam(m.parameters(), 1e-2)),
).items():
    m = net()
    o = mk(m)
    for i in range(8):
        l = F.mse_loss(m(X), Y)
        o.zero_grad()
        l.backward()
        o.step()
    print(
        name,
        l.item(),
        sum(p.abs().sum().item() for p in m.parameters()),
        sorted(k for k in list(o.state.values())[0]),
    )
m = net()
o = SAM(m.parameters(), torch.optim.SGD, rho=0.05, adaptive=True, lr=0.1, momentum=0.9)
sch = torch.optim.lr_scheduler.StepLR(o, 3, 0.5)
for i in range(6):

    def closure():
        l = F.mse_loss(m(X), Y)
        l.backward()
        return l

    l = F.mse_loss(m(X), Y)
    l.backward()
    o.step(closure)
    o.zero_grad()
    sch.step()
    print("sam", l.item(), o.param_groups[0]["lr"])
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
