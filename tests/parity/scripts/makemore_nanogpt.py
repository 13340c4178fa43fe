"""Bigrams, an MLP with batch norm by hand and a small GPT, with accumulated gradients and a checkpoint."""

import torch
import math
import inspect
import os
import torch.nn as nn
import torch.nn.functional as F
from dataclasses import dataclass
from contextlib import nullcontext

losses = []

g = torch.Generator().manual_seed(2147483647)
words = "emma olivia ava isabella sophia charlotte mia amelia harper evelyn abigail emily elizabeth mila ella".split()
chars = sorted(list(set("".join(words))))
stoi = {s: i + 1 for i, s in enumerate(chars)}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
V = len(stoi)
N = torch.zeros((V, V), dtype=torch.int32)
for w in words:
    chs = ["."] + list(w) + ["."]
    for a, b in zip(chs, chs[1:]):
        N[stoi[a], stoi[b]] += 1
P = (N + 1).float()
P /= P.sum(1, keepdims=True)
for i in range(4):
    out, ix = ([], 0)
    while True:
        p = P[ix]
        ix = torch.multinomial(p, num_samples=1, replacement=True, generator=g).item()
        out.append(itos[ix])
        if ix == 0 or len(out) > 30:
            break
xs = torch.tensor([stoi[a] for w in words for a in "." + w])
ys = torch.tensor([stoi[b] for w in words for b in w + "."])
W = torch.randn((V, V), generator=g, requires_grad=True)
for k in range(30):
    xenc = F.one_hot(xs, num_classes=V).float()
    logits = xenc @ W
    counts = logits.exp()
    probs = counts / counts.sum(1, keepdims=True)
    loss = -probs[torch.arange(len(xs)), ys].log().mean() + 0.01 * (W**2).mean()
    losses += [loss.item()]
    W.grad = None
    loss.backward()
    W.data += -20 * W.grad


def build(ws, bs=3):
    X, Y = ([], [])
    for w in ws:
        c = [0] * bs
        for ch in w + ".":
            X.append(c)
            Y.append(stoi[ch])
            c = c[1:] + [stoi[ch]]
    return (torch.tensor(X), torch.tensor(Y))


X, Y = build(words)
C = torch.randn((V, 10), generator=g)
W1 = torch.randn((30, 50), generator=g) * (5 / 3) / 30**0.5
W2 = torch.randn((50, V), generator=g) * 0.01
b2 = torch.zeros(V)
bngain, bnbias, rm, rs = (
    torch.ones((1, 50)),
    torch.zeros((1, 50)),
    torch.zeros((1, 50)),
    torch.ones((1, 50)),
)
params = [C, W1, W2, b2, bngain, bnbias]
for p in params:
    p.requires_grad = True
for i in range(60):
    ix = torch.randint(0, X.shape[0], (32,), generator=g)
    Xb, Yb = (X[ix], Y[ix])
    emb = C[Xb]
    hp = emb.view(emb.shape[0], -1) @ W1
    m, s = (hp.mean(0, keepdim=True), hp.std(0, keepdim=True))
    h = torch.tanh(bngain * (hp - m) / s + bnbias)
    with torch.no_grad():
        rm = 0.999 * rm + 0.001 * m
        rs = 0.999 * rs + 0.001 * s
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)
    for p in params:
        p.grad = None
    for t in (logits, h, emb):
        t.retain_grad()
    loss.backward()
    lr = 0.1 if i < 40 else 0.01
    for p in params:
        p.data += -lr * p.grad
    if i % 2 == 0:
        losses += [loss.item(), loss.item()]
dlogits = F.softmax(logits, 1)
dlogits[range(32), Yb] -= 1
dlogits /= 32
losses += [(dlogits - logits.grad).abs().max().item(), dlogits[0].sum().item()]
dC = torch.zeros_like(C)
for k in range(Xb.shape[0]):
    for j in range(3):
        dC[Xb[k, j]] += emb.grad[k, j]


@dataclass
class Cfg:
    block_size: int = 16
    vocab_size: int = V
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 24
    dropout: float = 0.1
    bias: bool = False


class LN(nn.Module):
    def __init__(self, n, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.bias = nn.Parameter(torch.zeros(n)) if bias else None

    def forward(self, i):
        return F.layer_norm(i, self.weight.shape, self.weight, self.bias, 1e-05)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.ln1, self.ln2 = (LN(c.n_embd, c.bias), LN(c.n_embd, c.bias))
        self.c_attn = nn.Linear(c.n_embd, 3 * c.n_embd, bias=c.bias)
        self.c_proj = nn.Linear(c.n_embd, c.n_embd, bias=c.bias)
        self.flash = hasattr(torch.nn.functional, "scaled_dot_product_attention")
        self.mlp = nn.ModuleDict(
            dict(
                fc=nn.Linear(c.n_embd, 4 * c.n_embd, bias=c.bias),
                gelu=nn.GELU(),
                c_proj=nn.Linear(4 * c.n_embd, c.n_embd, bias=c.bias),
                d=nn.Dropout(c.dropout),
            )
        )

    def forward(self, x):
        B, T, Cc = x.size()
        q, k, v = self.c_attn(self.ln1(x)).split(Cc, dim=2)
        q, k, v = (t.view(B, T, self.c.n_head, Cc // self.c.n_head).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=None, dropout_p=self.c.dropout if self.training else 0, is_causal=True
        )
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(B, T, Cc))
        m = self.mlp
        return x + m.d(m.c_proj(m.gelu(m.fc(self.ln2(x)))))


class GPT(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(c.vocab_size, c.n_embd),
                wpe=nn.Embedding(c.block_size, c.n_embd),
                drop=nn.Dropout(c.dropout),
                h=nn.ModuleList([Block(c) for _ in range(c.n_layer)]),
                ln_f=LN(c.n_embd, c.bias),
            )
        )
        self.lm_head = nn.Linear(c.n_embd, c.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init)
        for pn, p in self.named_parameters():
            if pn.endswith("c_proj.weight"):
                torch.nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * c.n_layer))

    def _init(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)
            if m.bias is not None:
                torch.nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Embedding):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        x = self.transformer.drop(self.transformer.wte(idx) + self.transformer.wpe(pos))
        for blk in self.transformer.h:
            x = blk(x)
        x = self.transformer.ln_f(x)
        if targets is not None:
            lg = self.lm_head(x)
            return (lg, F.cross_entropy(lg.view(-1, lg.size(-1)), targets.view(-1), ignore_index=-1))
        return (self.lm_head(x[:, [-1], :]), None)


torch.manual_seed(1337)
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.allow_tf32 = True
torch.set_float32_matmul_precision("high")
device_type = "cpu"
ctx = (
    nullcontext()
    if device_type == "cpu"
    else torch.amp.autocast(device_type=device_type, dtype=torch.float16)
)
scaler = torch.amp.GradScaler("cpu", enabled=False)
model = GPT(Cfg()).to("cpu")
pd = {pn: p for pn, p in model.named_parameters() if p.requires_grad}
og = [
    {"params": [p for p in pd.values() if p.dim() >= 2], "weight_decay": 0.1},
    {"params": [p for p in pd.values() if p.dim() < 2], "weight_decay": 0.0},
]
fused_ok = "fused" in inspect.signature(torch.optim.AdamW).parameters
opt = torch.optim.AdamW(og, lr=0.001, betas=(0.9, 0.95), **dict(fused=False) if fused_ok else {})
data = torch.cat([xs, ys])


def get_batch():
    ix = torch.randint(len(data) - 16, (8,))
    return (torch.stack([data[i : i + 16] for i in ix]), torch.stack([data[i + 1 : i + 17] for i in ix]))


@torch.no_grad()
def estimate_loss():
    out = {}
    model.eval()
    for s in ["train", "val"]:
        ls = torch.zeros(3)
        for k in range(3):
            a, b = get_batch()
            ls[k] = model(a, b)[1].item()
        out[s] = ls.mean()
    model.train()
    return out


def get_lr(it):
    return 0.001 * (it + 1) / 5 if it < 5 else 0.0001 + 0.5 * (1 + math.cos(math.pi * (it - 5) / 30)) * 0.0009


for it in range(32):
    for pg in opt.param_groups:
        pg["lr"] = get_lr(it)
    if it % 8 == 0:
        l = estimate_loss()
    for micro in range(2):
        with ctx:
            a, b = get_batch()
            lg, loss = model(a, b)
            loss = loss / 2
        scaler.scale(loss).backward()
    scaler.unscale_(opt)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(opt)
    scaler.update()
    opt.zero_grad(set_to_none=True)
    losses += [loss.item()]
    if it == 20:
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": opt.state_dict(),
                "args": vars(model.c),
                "it": it,
                "best": l["val"],
            },
            DATA.parent / "checkpoint.pt",
        )
ck = torch.load(DATA.parent / "checkpoint.pt", map_location="cpu")
sd = ck["model"]
up = "_orig_mod."
for k, v in list(sd.items()):
    if k.startswith(up):
        sd[k[len(up) :]] = sd.pop(k)
opt.load_state_dict(ck["optimizer"])
model = torch.compile(model) if False else model
a, b = get_batch()
l = model(a, b)[1]
l.backward()
opt.step()
losses += [l.item()]
model.eval()
x = torch.zeros((1, 1), dtype=torch.long)[None, ...].view(1, 1)
with torch.no_grad():
    for _ in range(15):
        lg = model(x[:, -16:])[0][:, -1, :] / 0.8
        v, _ = torch.topk(lg, min(5, lg.size(-1)))
        lg[lg < v[:, [-1]]] = -float("Inf")
        x = torch.cat((x, torch.multinomial(F.softmax(lg, -1), num_samples=1)), dim=1)
