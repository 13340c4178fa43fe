"""Layers that replace or wrap Linear: Kolmogorov-Arnold splines, LoRA, and a mixture of two experts."""

import math
from copy import deepcopy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class KANLinear(nn.Module):
    def __init__(
        self,
        in_features,
        out_features,
        grid_size=5,
        spline_order=3,
        scale_noise=0.1,
        base_activation=nn.SiLU,
        grid_range=[-1, 1],
    ):
        super().__init__()
        self.in_features, self.out_features, self.grid_size, self.spline_order = (
            in_features,
            out_features,
            grid_size,
            spline_order,
        )
        h = (grid_range[1] - grid_range[0]) / grid_size
        grid = (
            (torch.arange(-spline_order, grid_size + spline_order + 1) * h + grid_range[0])
            .expand(in_features, -1)
            .contiguous()
        )
        self.register_buffer("grid", grid)
        self.base_weight = nn.Parameter(torch.Tensor(out_features, in_features))
        self.spline_weight = nn.Parameter(torch.Tensor(out_features, in_features, grid_size + spline_order))
        self.spline_scaler = nn.Parameter(torch.Tensor(out_features, in_features))
        self.base_activation = base_activation()
        self.scale_noise = scale_noise
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.kaiming_uniform_(self.base_weight, a=math.sqrt(5))
        with torch.no_grad():
            noise = (
                (torch.rand(self.grid_size + 1, self.in_features, self.out_features) - 1 / 2)
                * self.scale_noise
                / self.grid_size
            )
            self.spline_weight.data.copy_(
                self.curve2coeff(self.grid.T[self.spline_order : -self.spline_order], noise)
            )
            nn.init.kaiming_uniform_(self.spline_scaler, a=math.sqrt(5))

    def b_splines(self, x):
        assert x.dim() == 2 and x.size(1) == self.in_features
        grid = self.grid
        x = x.unsqueeze(-1)
        bases = ((x >= grid[:, :-1]) & (x < grid[:, 1:])).to(x.dtype)
        for k in range(1, self.spline_order + 1):
            bases = ((x - grid[:, : -(k + 1)]) / (grid[:, k:-1] - grid[:, : -(k + 1)]) * bases[:, :, :-1]) + (
                (grid[:, k + 1 :] - x) / (grid[:, k + 1 :] - grid[:, 1:(-k)]) * bases[:, :, 1:]
            )
        return bases.contiguous()

    def curve2coeff(self, x, y):
        A = self.b_splines(x).transpose(0, 1)
        B = y.transpose(0, 1)
        solution = torch.linalg.lstsq(A, B).solution
        return solution.permute(2, 0, 1).contiguous()

    def forward(self, x):
        base = F.linear(self.base_activation(x), self.base_weight)
        sp = F.linear(
            self.b_splines(x).view(x.size(0), -1),
            (self.spline_weight * self.spline_scaler.unsqueeze(-1)).view(self.out_features, -1),
        )
        return base + sp

    def regularization_loss(self):
        l1 = self.spline_weight.abs().mean(-1)
        s = l1.sum()
        p = l1 / s
        ent = -torch.sum(p * p.log())
        return s + ent


kan = nn.Sequential(KANLinear(2, 5), KANLinear(5, 1))
print(kan)
x = torch.rand(64, 2) * 2 - 1
y = torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2)
opt = torch.optim.LBFGS(
    kan.parameters(), lr=0.5, max_iter=5, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=1e-32
)
for i in range(4):

    def closure():
        opt.zero_grad()
        l = F.mse_loss(kan(x), y) + 1e-5 * sum(k.regularization_loss() for k in kan)
        l.backward()
        return l

    l = opt.step(closure)
    print("kan", i, round(l.item(), 4))


class LoRA(nn.Module):
    def __init__(self, lin, r=4, alpha=8):
        super().__init__()
        self.lin = lin
        self.lin.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(r, lin.in_features))
        self.B = nn.Parameter(torch.zeros(lin.out_features, r))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)
        self.scale = alpha / r

    def forward(self, x):
        return self.lin(x) + (x @ self.A.T @ self.B.T) * self.scale

    @torch.no_grad()
    def merge(self):
        lin = deepcopy(self.lin)
        lin.weight += self.scale * self.B @ self.A
        return lin


def inject(module, cls=nn.Linear):
    for name, child in module.named_children():
        if isinstance(child, cls):
            setattr(module, name, LoRA(child))
        else:
            inject(child)


enc = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"),
    2,
    enable_nested_tensor=False,
)
head = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
inject(head)
model = nn.ModuleDict({"enc": enc, "head": head})
for p in model["enc"].parameters():
    p.requires_grad = False
print(
    head,
    sum(p.numel() for p in model.parameters() if p.requires_grad),
    [n for n, p in model.named_parameters() if p.requires_grad],
)
o = torch.optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2)
X = torch.randn(32, 6, 16)
Y = torch.randint(0, 3, (32,))
mask = torch.arange(6)[None] >= torch.randint(3, 7, (32, 1))
for i in range(8):
    h = model["enc"](X, src_key_padding_mask=mask)
    h = h.masked_fill(mask[..., None], 0).sum(1) / (~mask).sum(1, keepdim=True)
    l = F.cross_entropy(model["head"](h), Y)
    o.zero_grad()
    l.backward()
    o.step()
    print("lora", l.item())
merged = nn.Sequential(head[0].merge(), nn.Tanh(), head[2].merge())
print(torch.allclose(merged(h), head(h), atol=1e-6))


class Top2MoE(nn.Module):
    def __init__(self, d, E, k=2):
        super().__init__()
        self.gate = nn.Linear(d, E, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d)) for _ in range(E)
        )
        self.k = k
        self.noise = nn.Linear(d, E)

    def forward(self, x):
        B, T, D = x.shape
        x = x.view(-1, D)
        logits = self.gate(x)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(self.noise(x))
        w, idx = torch.topk(logits.softmax(-1), self.k, dim=-1)
        w = w / w.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        mask = F.one_hot(idx, len(self.experts)).permute(2, 1, 0)
        for e, expert in enumerate(self.experts):
            kk, tok = torch.where(mask[e])
            if tok.shape[0] == 0:
                continue
            out.index_add_(0, tok, expert(x[None, tok].reshape(-1, D)) * w[tok, kk, None])
        me = logits.softmax(-1).mean(0)
        ce = F.one_hot(idx[:, 0], len(self.experts)).float().mean(0)
        self.aux = (me * ce).sum() * len(self.experts)
        return out.view(B, T, D)


moe = Top2MoE(16, 4)
o = torch.optim.RAdam(moe.parameters(), lr=1e-2)
for i in range(6):
    l = F.smooth_l1_loss(moe(X), X.roll(1, 1)) + 0.01 * moe.aux
    o.zero_grad(set_to_none=True)
    l.backward()
    o.step()
    print(
        "moe %d %.6f aux %.5f" % (i, l, moe.aux),
        [sum(p.grad is not None for p in e.parameters()) for e in moe.experts],
    )
