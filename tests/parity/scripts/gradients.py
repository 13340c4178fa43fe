"""Training through gradients: penalties on slopes, steps within steps, teachers, averaged weights, rare losses."""

import torch
import copy
import torch.nn as nn
import torch.nn.functional as F
from torch.func import (
    vmap,
    grad,
    functional_call,
    jacrev,
    jacfwd,
    hessian,
    stack_module_state,
    vjp,
    jvp,
    grad_and_value,
)
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

losses = []


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())


# A critic of slope one between a ring and what imitates it (a penalty on a gradient, differentiated again).
torch.manual_seed(0)
forger = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 2))
critic = nn.Sequential(nn.Linear(2, 12), nn.LeakyReLU(0.2), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1))
forges = torch.optim.Adam(forger.parameters(), 0.001, betas=(0.5, 0.9))
criticizes = torch.optim.RMSprop(critic.parameters(), 0.001)


def steepness(at):
    """The norm (B,) of the critic's gradient at each point (B, 2)."""
    at = at.detach().requires_grad_(True)
    height = critic(at)
    (slope,) = torch.autograd.grad(
        outputs=height,
        inputs=at,
        grad_outputs=torch.ones(height.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )
    return slope.view(len(at), -1).norm(2, dim=1)


for lap in range(25):
    angle = 6.283 * torch.rand(20)
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    forged = forger(torch.randn(20, 3))
    between = torch.lerp(ring, forged.detach(), torch.rand(20, 1))
    penalty = (steepness(between) - 1).square().mean()
    losses.append(penalty.item())
    descend(criticizes, critic(forged.detach()).mean() - critic(ring).mean() + 5 * penalty)
    descend(forges, -critic(forged).mean())

# A start from which one step of descent fits any of a family of parabolas.
shape = nn.Sequential(nn.Linear(1, 14), nn.ReLU(), nn.Linear(14, 1))
outer = torch.optim.Adam(shape.parameters(), 0.002)


def bent(x, weights):
    first, shift, second, height = weights
    return F.linear(F.relu(F.linear(x, first, shift)), second, height)


for lap in range(25):
    after = []
    for bend, lift in torch.rand(4, 2) * 2 - 1:
        weights = list(shape.parameters())
        shown, asked = (torch.rand(2, 8, 1) * 2 - 1).unbind()
        wrong = F.mse_loss(bent(shown, weights), bend * shown**2 + lift)
        slopes = torch.autograd.grad(wrong, weights, create_graph=True)
        moved = [w - 0.05 * s for w, s in zip(weights, slopes)]
        after.append(F.mse_loss(bent(asked, moved), bend * asked**2 + lift))
    descend(outer, torch.stack(after).mean())

# One gradient for each example; a stack of models; derivatives of a small function by every transform.
small = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
weights = {name: w.detach() for name, w in small.named_parameters()}
fixed = {name: w.detach() for name, w in small.named_buffers()}


def wrong_on(weights, picture, label):
    return F.cross_entropy(functional_call(small, (weights, fixed), (picture[None],)), label[None])


each = vmap(grad(wrong_on), in_dims=(None, 0, 0))(weights, torch.randn(4, 1, 6, 6), torch.randint(3, (4,)))
losses += [g.abs().mean().item() for g in each.values()]
lines = [nn.Linear(3, 2) for _ in range(3)]
stacked, state = stack_module_state(lines)
pattern = copy.deepcopy(lines[0])
several = vmap(lambda w, s, x: functional_call(pattern, (w, s), (x,)), in_dims=(0, 0, None))
losses += several(stacked, state, torch.randn(5, 3)).detach().std(1).flatten().tolist()
point, along = torch.randn(3), torch.tensor([1.0, -1.0, 2.0])


def well(x):
    return (x**4).sum() - x[0] * x[2]


slope, depth = grad_and_value(well)(point)
(pulled,) = vjp(well, point)[1](torch.ones(()))
losses += [depth.item(), *pulled.tolist(), jvp(well, (point,), (along,))[1].item(), (slope @ along).item()]
losses += (hessian(well)(point) @ along).tolist() + jacrev(jacfwd(well))(point).diagonal().tolist()

# A small network learns from a frozen one; its weights are averaged in four ways as it goes.
teacher = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 5)).eval().requires_grad_(False)
pupil = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Hardswish(), nn.Linear(8, 5))
fit = torch.optim.SGD(
    (p for p in pupil.parameters() if p.requires_grad), lr=0.1, momentum=0.9, dampening=0.1, foreach=None
)
rate = torch.optim.lr_scheduler.OneCycleLR(
    fit, max_lr=0.15, total_steps=36, pct_start=0.25, anneal_strategy="cos"
)
evened, recent = AveragedModel(pupil), AveragedModel(pupil, multi_avg_fn=get_ema_multi_avg_fn(0.8))
slow, slower = copy.deepcopy(pupil), copy.deepcopy(pupil)
questions, answers = torch.randn(36, 8), torch.randint(5, (36,))
WARM = 3.0
agree = nn.KLDivLoss(reduction="batchmean")
for lap in range(36):
    said = pupil(questions)
    told = agree(F.log_softmax(said / WARM, 1), F.softmax(teacher(questions) / WARM, 1)) * WARM**2
    true = F.cross_entropy(said, answers, weight=torch.linspace(1, 2, 5), label_smoothing=0.05)
    descend(fit, 0.7 * told + 0.3 * true)
    rate.step()
    recent.update_parameters(pupil)
    if lap >= 20:
        evened.update_parameters(pupil)
    with torch.no_grad():
        for a, b, p in zip(slow.parameters(), slower.parameters(), pupil.parameters()):
            a.mul_(0.95).add_(p.data, alpha=0.05)
            b.lerp_(p, 0.02)
    losses.append(told.item())
update_bn([questions[:18], questions[18:]], evened)
for average in (evened, recent, slow, slower):
    losses.append(F.cross_entropy(average.eval()(questions), answers).item())
settle = SWALR(fit, swa_lr=0.01, anneal_epochs=3, anneal_strategy="linear")
for lap in range(4):
    fit.step()
    settle.step()
    losses.append(fit.param_groups[0]["lr"])


# Losses seldom met, summed over one linear layer of six yes-or-no questions.
def on_the_hard_ones(scores, truth, sharp=1.5):
    """Cross entropy weighted by how far each answer is from the truth (Lin et al., 2017)."""
    each = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    return ((1 - torch.exp(-each)) ** sharp * each).mean()


def without_overlap(scores, truth):
    """One minus twice the intersection over the sum, by row, with one added above and below."""
    chance = scores.sigmoid()
    return 1 - (2 * (chance * truth).sum((1,)) + 1) / (chance + truth).sum(1).add(1)


asker = nn.Linear(8, 6)
fit = torch.optim.Adadelta(asker.parameters())
truth = torch.rand(36, 6).lt(0.35).float()
rare = [
    on_the_hard_ones,
    lambda scores, truth: without_overlap(scores, truth).mean(),
    nn.BCEWithLogitsLoss(pos_weight=torch.full([6], 2.0)),
    nn.MultiLabelSoftMarginLoss(),
    lambda scores, truth: F.huber_loss(scores, truth, delta=0.5),
    lambda scores, truth: F.gaussian_nll_loss(scores, truth, torch.full((36, 6), 0.5)),
    F.poisson_nll_loss,
    nn.L1Loss(),
]
for lap in range(15):
    scores = asker(questions)
    descend(fit, sum(loss(scores, truth) for loss in rare))
sounds = torch.randn(10, 3, 8)
spell = nn.Linear(8, 5)
fit = torch.optim.ASGD(spell.parameters(), lr=0.05)
align = nn.CTCLoss(blank=0, zero_infinity=True)
letters = torch.tensor([[2, 2, 1], [4, 3, 0], [3, 0, 0]])
for lap in range(20):
    likely = F.log_softmax(spell(sounds), -1)
    descend(fit, align(likely, letters, torch.tensor([10, 9, 7]), torch.tensor([3, 2, 1])))

# Hooks that see and change, a recomputed block, and a step uphill on the input.
seen = []
hooks = [
    asker.register_forward_pre_hook(lambda module, given: (given[0] * 2,)),
    asker.register_forward_hook(lambda module, given, out: seen.append(out.detach().sum().item())),
    asker.register_full_backward_hook(
        lambda module, by_input, by_output: seen.append(by_output[0].mean().item())
    ),
]
asker(questions[:2]).square().sum().backward()
for hook in hooks:
    hook.remove()
losses += seen
pupil.eval()
with torch.autocast("cpu", enabled=False):
    asked = questions.clone().requires_grad_()
    checkpoint(pupil, asked, use_reentrant=False).sum().backward()
losses.append(asked.grad.norm().item())
worse = questions.clone().detach().requires_grad_(True)
pupil.zero_grad()
F.nll_loss(F.log_softmax(pupil(worse), 1), answers).backward()
worse = torch.clamp(worse + 0.05 * worse.grad.data.sign(), -2, 2)
losses.append(F.cross_entropy(pupil(worse), answers).item())
