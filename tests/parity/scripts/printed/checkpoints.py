"""Saving, resuming and averaging: training loops as they stand in projects, with warm-up and moving averages."""

import os
import pickle
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import lr_scheduler as S
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, use_ckpt=False):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Mish()) for _ in range(3)]
        )
        self.head = nn.Linear(8, 3)
        self.use_ckpt = use_ckpt
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        if self.training:
            self.steps += 1
        x = self.stem(x)
        for b in self.blocks:
            x = checkpoint(b, x, use_reentrant=False) if self.use_ckpt and self.training else b(x)
        return self.head(x.mean((2, 3))) * self.scale


X = torch.randn(64, 1, 6, 6)
Y = (X[:, 0, :3].mean((1, 2)) > 0).long() + (X[:, 0, 3:].mean((1, 2)) > 0).long()
ds = torch.utils.data.TensorDataset(X, Y)
dl = torch.utils.data.DataLoader(ds, 16, shuffle=True)
m = Net(True)
o = torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9)
swa = AveragedModel(m)
ema = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
sched = S.CosineAnnealingLR(o, T_max=4)
ss = SWALR(o, swa_lr=0.02, anneal_epochs=2, anneal_strategy="linear")


class Trailing:
    """A mean of the weights that lags behind them; with it in place of them, `with trailing:` lends it to the model."""

    def __init__(self, model, keep):
        self.model, self.keep = model, keep
        self.mean = [p.data.clone() for p in self.weights()]

    def weights(self):
        return [p for p in self.model.parameters() if p.requires_grad]

    def follow(self):
        self.mean = [
            self.keep * mean + (1.0 - self.keep) * p.data for mean, p in zip(self.mean, self.weights())
        ]

    def __enter__(self):
        self.lent = [p.data for p in self.weights()]
        for p, mean in zip(self.weights(), self.mean):
            p.data = mean

    def __exit__(self, *error):
        for p, own in zip(self.weights(), self.lent):
            p.data = own


trailing = Trailing(m, 0.9)


def ev(model):
    model.eval()
    r = F.cross_entropy(model(X), Y).item()
    model.train()
    return round(r, 5)


for e in range(7):
    for x, y in dl:
        l = F.cross_entropy(m(x), y)
        o.zero_grad()
        l.backward()
        o.step()
        ema.update_parameters(m)
        trailing.follow()
    if e > 3:
        swa.update_parameters(m)
        ss.step()
    else:
        sched.step()
    with trailing:
        es = ev(m)
    print(e, l.item(), ev(m), ev(ema), es, o.param_groups[0]["lr"], m.steps, swa.n_averaged)
update_bn(dl, swa)
print(ev(swa), list(swa.state_dict())[:4], swa.module.stem[1].running_mean[:3], swa.module.steps)
# resume
with tempfile.TemporaryDirectory() as d:
    f = os.path.join(d, "ck.pt")
    torch.save(
        {
            "epoch": e,
            "weights": m.state_dict(),
            "descent": o.state_dict(),
            "scheduler": sched.state_dict(),
            "swa": swa.state_dict(),
            "rng": torch.get_rng_state(),
            "best": float("inf"),
            "np": np.arange(3),
        },
        f,
    )
    ck = torch.load(f, map_location=torch.device("cpu"), weights_only=False)
    print(ck.keys(), ck["np"], ck["scheduler"])
    m2 = Net()
    o2 = torch.optim.SGD(m2.parameters(), lr=1.0, momentum=0.5)
    print(m2.load_state_dict(ck["weights"]))
    o2.load_state_dict(ck["descent"])
    print(o2)
    for mm, oo in ((m, o), (m2, o2)):
        torch.set_rng_state(ck["rng"])
        for x, y in dl:
            l = F.cross_entropy(mm(x), y)
            oo.zero_grad()
            l.backward()
            oo.step()
        print(l.item(), sum(p.double().sum() for p in mm.parameters()).item())
    torch.save(m, f)
    m3 = torch.load(f, weights_only=False)
    print(torch.equal(m3(X[:2]), m(X[:2])))
    p = pickle.dumps(o.state_dict())
    print(pickle.loads(p)["param_groups"])
sd = m.state_dict()
part = {k: v for k, v in sd.items() if k.startswith("stem")}
fresh = Net()
print(fresh.load_state_dict(part, strict=False))
own = fresh.state_dict()
own.update({k: v for k, v in sd.items() if k in own and v.shape == own[k].shape and "head" not in k})
fresh.load_state_dict(own)
fresh.head = nn.Linear(8, 5)
try:
    fresh.load_state_dict(sd)
except RuntimeError as err:
    print(err)
ren = type(sd)((k.replace("stem", "backbone.stem"), v) for k, v in sd.items())
try:
    Net().load_state_dict(ren)
except RuntimeError as err:
    print(err)
w = nn.DataParallel(Net())
print(list(w.state_dict())[:2])
bare = {k.replace("module.", "", 1): v for k, v in w.state_dict().items()}
print(Net().load_state_dict(bare))
print(
    sd._metadata["stem.1"],
    sd["steps"],
    type(sd).__name__,
    sd["head.bias"].requires_grad,
    m.state_dict(keep_vars=True)["head.bias"].requires_grad,
)
seq = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(4)])
q = torch.randn(3, 4, requires_grad=True)
a = checkpoint_sequential(seq, 2, q, use_reentrant=False).sum()
a.backward()
g = q.grad.clone()
q.grad = None
seq(q).sum().backward()
print(torch.allclose(g, q.grad), a.item())


def warm(o):
    return S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=3), S.CosineAnnealingLR(o, 5, eta_min=1e-3)], milestones=[3]
    )


for mk in (
    warm,
    lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.5, 2), S.ExponentialLR(o, 0.9)]),
    lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2"),
    lambda o: S.MultiStepLR(o, [2, 4], 0.1),
    lambda o: S.PolynomialLR(o, 6, 2.0),
    lambda o: S.LambdaLR(o, [lambda e: 0.9**e]),
    lambda o: S.MultiplicativeLR(o, lambda e: 0.8),
    lambda o: S.StepLR(o, 2, 0.5),
    lambda o: S.OneCycleLR(o, 0.1, 8),
):
    oo = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    sc = mk(oo)
    r = []
    for _ in range(7):
        oo.step()
        sc.step()
        r.append("%.6f" % sc.get_last_lr()[0])
    print(type(sc).__name__, r, sc.last_epoch if hasattr(sc, "last_epoch") else None)
pl = S.ReduceLROnPlateau(oo, mode="min", factor=0.5, patience=1, threshold=1e-2, cooldown=1, min_lr=1e-3)
print(
    [
        (pl.step(v), round(oo.param_groups[0]["lr"], 5), pl.num_bad_epochs)[1:]
        for v in (1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8)
    ],
    pl.state_dict()["best"],
)
