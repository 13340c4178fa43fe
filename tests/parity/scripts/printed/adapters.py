"""Layers beside or instead of Linear: curves on each edge, low-rank corrections, and experts chosen by token."""

import math
from copy import deepcopy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class Curves(nn.Module):
    """y_o = sum over i of a_oi silu(x_i) + c_oi s_oi(x_i), the s splines of a degree over even knots.

    x (B, inputs) within low..high, y (B, outputs). The curves start as interpolations of noise.
    """

    def __init__(self, inputs, outputs, cells=4, degree=2, noise=0.2, low=-1.0, high=1.0):
        super().__init__()
        self.inputs, self.cells, self.degree = inputs, cells, degree
        step = (high - low) / cells
        knots = low + step * torch.arange(-degree, cells + degree + 1)
        self.register_buffer("knots", knots.expand(inputs, -1).contiguous())
        self.straight = nn.Parameter(torch.Tensor(outputs, inputs))
        self.curve = nn.Parameter(torch.Tensor(outputs, inputs, cells + degree))
        self.scale = nn.Parameter(torch.Tensor(outputs, inputs))
        for weight in (self.straight, self.scale):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(3))
        with torch.no_grad():
            at = self.knots[:, degree:-degree].T
            self.curve.data.copy_(self.through(at, noise * (torch.rand(*at.shape, outputs) - 0.5)))

    def bumps(self, x):
        """The splines' values (B, inputs, cells + degree), by the recursion of Cox and de Boor."""
        assert x.dim() == 2 and x.size(1) == self.inputs
        x, knots = x.unsqueeze(-1), self.knots
        value = torch.logical_and(x >= knots[:, :-1], x < knots[:, 1:]).to(x.dtype)
        for order in range(1, self.degree + 1):
            span = knots[:, order:] - knots[:, :-order]
            rising = (x - knots[:, :-order]) / span
            value = rising[..., :-1] * value[..., :-1] + (1 - rising[..., 1:]) * value[..., 1:]
        return value.contiguous()

    def through(self, x, y):
        """Coefficients (outputs, inputs, splines) of the curves nearest to y (B, inputs, outputs) at x."""
        fit = torch.linalg.lstsq(self.bumps(x).transpose(0, 1), y.transpose(0, 1))
        return fit.solution.permute(2, 0, 1).contiguous()

    def forward(self, x):
        curves = (self.curve * self.scale.unsqueeze(-1)).flatten(1)
        return F.linear(F.silu(x), self.straight) + F.linear(self.bumps(x).view(x.size(0), -1), curves)

    def crowding(self):
        """How large the curves are, plus the entropy of how that is shared among them."""
        size = self.curve.abs().mean(-1)
        share = size / size.sum()
        return size.sum() - torch.sum(share * share.log())


bend = nn.Sequential(Curves(3, 4), Curves(4, 1))
print(bend)
x = torch.rand(48, 3) * 2 - 1
y = torch.sin(torch.pi * x[:, [1]]) * x[:, [0]] + torch.exp(-x[:, [2]].abs())
fit = torch.optim.LBFGS(
    bend.parameters(), lr=0.4, max_iter=4, history_size=8, line_search_fn="strong_wolfe", tolerance_grad=1e-20
)


def misfit():
    fit.zero_grad()
    wrong = F.mse_loss(bend(x), y) + 1e-5 * sum(layer.crowding() for layer in bend)
    wrong.backward()
    return wrong


for lap in range(4):
    print("curves", lap, round(fit.step(misfit).item(), 4))


class Corrected(nn.Module):
    """A frozen linear layer and a correction of low rank, which is nothing at first (Hu et al., 2021)."""

    def __init__(self, fixed, rank=3, strength=1.5):
        super().__init__()
        self.fixed = fixed.requires_grad_(False)
        self.narrow = nn.Parameter(torch.empty(rank, fixed.in_features))
        self.widen = nn.Parameter(torch.zeros(fixed.out_features, rank))
        nn.init.kaiming_uniform_(self.narrow, a=3**0.5)
        self.strength = strength

    def forward(self, x):
        return torch.add(self.fixed(x), F.linear(F.linear(x, self.narrow), self.widen), alpha=self.strength)

    @torch.no_grad()
    def folded(self):
        """One plain layer that does the same."""
        whole = deepcopy(self.fixed)
        whole.weight += self.strength * (self.narrow.T @ self.widen.T).T
        return whole


def correct(root):
    """Every linear layer below root, however deep, gets a correction."""
    found = [
        (parent, name)
        for parent in root.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for parent, name in found:
        setattr(parent, name, Corrected(getattr(parent, name)))


body = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"),
    2,
    enable_nested_tensor=False,
)
for weight in body.parameters():
    weight.requires_grad = False
top = nn.Sequential(nn.Linear(12, 10), nn.Sequential(nn.Tanh(), nn.Linear(10, 4)))
correct(top)
whole = nn.ModuleDict({"body": body, "top": top})
moving = {name: weight for name, weight in whole.named_parameters() if weight.requires_grad}
print(top, list(moving), sum(weight.numel() for weight in moving.values()))
descent = torch.optim.AdamW(filter(lambda weight: weight.requires_grad, whole.parameters()), lr=2e-2)
lines, kinds = torch.randn(28, 5, 12), torch.randint(0, 4, (28,))
past_end = torch.arange(5)[None] >= torch.randint(2, 6, (28, 1))
for lap in range(8):
    read = whole["body"](lines, src_key_padding_mask=past_end).masked_fill(past_end[..., None], 0)
    mean = read.sum(1) / past_end.logical_not().sum(1, keepdim=True)
    wrong = F.cross_entropy(whole["top"](mean), kinds)
    descent.zero_grad()
    wrong.backward()
    descent.step()
    print("corrected", wrong.item())
folded = nn.Sequential(top[0].folded(), nn.Tanh(), top[1][1].folded())
print("folded in:", torch.allclose(folded(mean), top(mean), atol=1e-6), folded)


class Guild(nn.Module):
    """Every token (B, T, width) goes to the two experts of highest chance, in training with some noise.

    even is the number of experts times the sum of their mean chance and share of first places: 1 when all are alike.
    """

    def __init__(self, width, count, asked=2):
        super().__init__()
        self.asked = asked
        self.choose = nn.Linear(width, count, bias=False)
        self.waver = nn.Linear(width, count)
        self.experts = nn.ModuleList()
        for _ in range(count):
            self.experts.append(nn.Sequential(nn.Linear(width, 18), nn.GELU(), nn.Linear(18, width)))

    def forward(self, x):
        tokens = x.view(-1, x.size(-1))
        scores = self.choose(tokens)
        if self.training:
            scores = torch.addcmul(scores, torch.randn_like(scores), F.softplus(self.waver(tokens)))
        chance = scores.softmax(-1)
        trust, chosen = torch.topk(chance, self.asked, dim=-1)
        trust = trust / trust.sum(-1, keepdim=True)
        places = F.one_hot(chosen, len(self.experts)).permute(2, 1, 0)
        told = torch.zeros_like(tokens)
        for expert, place in zip(self.experts, places):
            rank, token = torch.where(place)
            if token.shape[0]:
                told.index_add_(0, token, trust[token, rank, None] * expert(tokens[None, token].squeeze(0)))
        first = F.one_hot(chosen[:, 0], len(self.experts)).float()
        self.even = len(self.experts) * torch.dot(chance.mean(0), first.mean(0))
        return told.reshape(x.shape)


guild = Guild(12, 5)
descent = torch.optim.RAdam(guild.parameters(), lr=2e-2)
for lap in range(6):
    wrong = F.smooth_l1_loss(guild(lines), lines.roll(1, 1)) + 0.02 * guild.even
    descent.zero_grad(set_to_none=True)
    wrong.backward()
    descent.step()
    asked = [sum(weight.grad is not None for weight in expert.parameters()) for expert in guild.experts]
    print("guild %d: %.6f, even %.5f, gradients" % (lap, wrong, guild.even), asked)
