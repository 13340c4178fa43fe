"""Self-supervised and few-shot losses, sequence to sequence with attention, beam search, and a CRF."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import numpy as np
import copy
import random

torch.manual_seed(0)
# CLIP / SimSiam / MoCo / BYOL / prototypical / matching / triplets mining / arcface centre / memory bank / hard negatives
enc_i, enc_t = (
    nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 8)),
    nn.Sequential(nn.EmbeddingBag(20, 16, mode="mean", padding_idx=0), nn.Linear(16, 8)),
)
logit_scale = nn.Parameter(torch.ones([]) * np.log(1 / 0.07))
o = torch.optim.AdamW(
    [*enc_i.parameters(), *enc_t.parameters(), logit_scale],
    lr=5e-3,
    betas=(0.9, 0.98),
    eps=1e-6,
    weight_decay=0.2,
)
im, tx = torch.randn(16, 12), torch.randint(0, 20, (16, 5))
for i in range(6):
    fi, ft = enc_i(im), enc_t(tx)
    fi, ft = fi / fi.norm(dim=-1, keepdim=True), ft / ft.norm(dim=1, keepdim=True)
    li = logit_scale.exp() * fi @ ft.t()
    lab = torch.arange(len(li))
    loss = (F.cross_entropy(li, lab) + F.cross_entropy(li.t(), lab)) / 2
    o.zero_grad()
    loss.backward()
    o.step()
    logit_scale.data = torch.clamp(logit_scale.data, 0, 4.6052)
    print("clip", loss.item(), logit_scale.item(), (li.argmax(1) == lab).float().mean().item())
sl = -F.logsigmoid((2 * torch.eye(16) - 1) * (li.detach() - 5)).sum() / 16
print("siglip", sl.item())


class MoCo(nn.Module):
    def __init__(self, K=24, m=0.99, T=0.07):
        super().__init__()
        self.K, self.m, self.T = K, m, T
        self.q = nn.Linear(12, 6)
        self.k = nn.Linear(12, 6)
        for pq, pk in zip(self.q.parameters(), self.k.parameters()):
            pk.data.copy_(pq.data)
            pk.requires_grad = False
        self.register_buffer("queue", F.normalize(torch.randn(6, K), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def _momentum(self):
        for pq, pk in zip(self.q.parameters(), self.k.parameters()):
            pk.data = pk.data * self.m + pq.data * (1.0 - self.m)

    @torch.no_grad()
    def _enqueue(self, keys):
        bs = keys.shape[0]
        ptr = int(self.queue_ptr)
        assert self.K % bs == 0
        self.queue[:, ptr : ptr + bs] = keys.T
        self.queue_ptr[0] = (ptr + bs) % self.K

    def forward(self, a, b):
        q = F.normalize(self.q(a), dim=1)
        with torch.no_grad():
            self._momentum()
            idx = torch.randperm(len(b))
            inv = torch.argsort(idx)
            k = F.normalize(self.k(b[idx]), dim=1)[inv]
        l = (
            torch.cat(
                [
                    torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1),
                    torch.einsum("nc,ck->nk", [q, self.queue.clone().detach()]),
                ],
                dim=1,
            )
            / self.T
        )
        self._enqueue(k)
        return l, torch.zeros(l.shape[0], dtype=torch.long)


mo = MoCo()
o = torch.optim.SGD(filter(lambda p: p.requires_grad, mo.parameters()), 0.1, momentum=0.9, weight_decay=1e-4)
for i in range(5):
    l, y = mo(im[:8] + 0.1 * torch.randn(8, 12), im[:8])
    loss = nn.CrossEntropyLoss()(l, y)
    o.zero_grad()
    loss.backward()
    o.step()
    print("moco", loss.item(), mo.queue_ptr.item(), mo.queue.sum().item())
on, pr = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)), nn.Linear(4, 4)
tg = copy.deepcopy(on)
[p.requires_grad_(False) for p in tg.parameters()]
o = torch.optim.SGD([*on.parameters(), *pr.parameters()], 0.05)
for i in range(4):
    a, b = im + 0.1 * torch.randn_like(im), im + 0.1 * torch.randn_like(im)
    f = lambda x, y: 2 - 2 * (F.normalize(x, dim=-1) * F.normalize(y, dim=-1)).sum(-1)
    loss = (f(pr(on(a)), tg(b).detach()) + f(pr(on(b)), tg(a).detach())).mean()
    o.zero_grad()
    loss.backward()
    o.step()
    for t, s in zip(tg.parameters(), on.parameters()):
        t.data = 0.9 * t.data + 0.1 * s.data
    print("byol", loss.item())


def proto(sup, qry, n_way, k):
    z = sup.view(n_way, k, -1).mean(1)
    d = torch.pow(qry.unsqueeze(1).expand(-1, n_way, -1) - z.unsqueeze(0).expand(qry.size(0), -1, -1), 2).sum(
        2
    )
    return F.log_softmax(-d, dim=1)


lp = proto(enc_i(im[:12]), enc_i(im[12:]), 4, 3)
print("proto", F.nll_loss(lp, torch.arange(4)).item(), lp.argmax(1))


def batch_hard(e, y, m=0.3):
    d = torch.cdist(e, e)
    same = y[:, None] == y[None]
    hp = (d * same).max(1)[0]
    hn = d.masked_fill(same, float("inf")).min(1)[0]
    return (
        F.relu(hp - hn + m).mean(),
        F.margin_ranking_loss(hn, hp, torch.ones_like(hn), margin=m),
        F.soft_margin_loss(hn - hp, torch.ones_like(hn)),
    )


print("hard", [v.item() for v in batch_hard(enc_i(im), torch.arange(16) % 4)])
cen = nn.Parameter(torch.zeros(4, 8))
yv = torch.arange(16) % 4
cl = (enc_i(im).detach() - cen[yv]).pow(2).sum(1).mean()
cl.backward()
print(
    cl.item(),
    cen.grad.norm().item(),
    nn.TripletMarginWithDistanceLoss(
        distance_function=lambda a, b: 1 - F.cosine_similarity(a, b), margin=0.2
    )(enc_i(im[:4]), enc_i(im[4:8]), enc_i(im[8:12])).item(),
    nn.CosineEmbeddingLoss(margin=0.1)(enc_i(im[:4]), enc_i(im[4:8]), torch.tensor([1, -1, 1, -1])).item(),
)
# seq2seq with attention (PyTorch tutorial) with teacher forcing and beam search
SOS, EOS, V, Hd = 0, 1, 9, 12


class EncoderRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, Hd)
        self.gru = nn.GRU(Hd, Hd, batch_first=True)
        self.dropout = nn.Dropout(0.1)

    def forward(self, input):
        return self.gru(self.dropout(self.embedding(input)))


class BahdanauAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.Wa, self.Ua, self.Va = nn.Linear(Hd, Hd), nn.Linear(Hd, Hd), nn.Linear(Hd, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, Hd)
        self.attention = BahdanauAttention()
        self.gru = nn.GRU(2 * Hd, Hd, batch_first=True)
        self.out = nn.Linear(Hd, V)
        self.dropout = nn.Dropout(0.1)

    def forward(self, eo, eh, target=None):
        bs = eo.size(0)
        di = torch.empty(bs, 1, dtype=torch.long).fill_(SOS)
        dh = eh
        outs, att = [], []
        for i in range(5):
            e = self.dropout(self.embedding(di))
            c, w = self.attention(dh.permute(1, 0, 2), eo)
            o, dh = self.gru(torch.cat((e, c), dim=2), dh)
            o = self.out(o)
            outs.append(o)
            att.append(w)
            if target is not None:
                di = target[:, i].unsqueeze(1)
            else:
                _, topi = o.topk(1)
                di = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outs, dim=1), dim=-1), dh, torch.cat(att, dim=1)


e, d = EncoderRNN(), AttnDecoderRNN()
eo_, do_ = torch.optim.Adam(e.parameters(), lr=0.01), torch.optim.Adam(d.parameters(), lr=0.01)
src = torch.randint(2, V, (16, 5))
tgt = src.flip(1)
crit = nn.NLLLoss()
for i in range(12):
    eo_.zero_grad()
    do_.zero_grad()
    a, h = e(src)
    out, _, _ = d(a, h, tgt if random.Random(i).random() < 0.7 else None)
    loss = crit(out.view(-1, out.size(-1)), tgt.reshape(-1))
    loss.backward()
    eo_.step()
    do_.step()
    if i % 4 == 0:
        print("s2s", loss.item())
e.eval()
d.eval()
with torch.no_grad():
    a, h = e(src[:2])
    out, _, at = d(a, h)
    print(out.topk(1)[1].squeeze(), at.sum(-1))


def beam(step, k=3, n=4):
    beams = [([SOS], 0.0, h[:, :1])]
    for _ in range(n):
        cand = []
        for s, sc, hh in beams:
            lp, h2 = step(torch.tensor([[s[-1]]]), hh)
            v, ix = lp[0, -1].topk(k)
            cand += [(s + [j.item()], sc + p.item(), h2) for p, j in zip(v, ix)]
        beams = sorted(cand, key=lambda b: -b[1])[:k]
    return [(s, round(sc, 4)) for s, sc, _ in beams]


def step(t, hh):
    emb = d.embedding(t)
    c, _ = d.attention(hh.permute(1, 0, 2), a[:1])
    o, h2 = d.gru(torch.cat((emb, c), 2), hh)
    return F.log_softmax(d.out(o), -1), h2


with torch.no_grad():
    print(beam(step))


# CRF & viterbi
class CRF(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.T = nn.Parameter(torch.empty(n, n).uniform_(-0.1, 0.1))
        self.s, self.e = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(n))

    def nll(self, em, y, m):
        B, L, N = em.shape
        sc = self.s[y[:, 0]] + em[:, 0].gather(1, y[:, :1]).squeeze(1)
        al = self.s + em[:, 0]
        for t in range(1, L):
            sc = (
                sc + (self.T[y[:, t - 1], y[:, t]] + em[:, t].gather(1, y[:, t : t + 1]).squeeze(1)) * m[:, t]
            )
            nx = torch.logsumexp(al.unsqueeze(2) + self.T + em[:, t].unsqueeze(1), 1)
            al = torch.where(m[:, t].unsqueeze(1).bool(), nx, al)
        last = m.long().sum(1) - 1
        sc = sc + self.e[y.gather(1, last[:, None]).squeeze(1)]
        return (torch.logsumexp(al + self.e, 1) - sc).mean()

    def decode(self, em):
        v = self.s + em[0]
        bp = []
        for t in range(1, len(em)):
            x, i = (v[:, None] + self.T).max(0)
            v = x + em[t]
            bp.append(i)
        p = [int((v + self.e).argmax())]
        [p.append(int(b[p[-1]])) for b in reversed(bp)]
        return p[::-1]


crf, lin = CRF(4), nn.Linear(6, 4)
xs = torch.randn(8, 5, 6)
ys = xs[..., :4].argmax(-1)
ms = (torch.arange(5) < torch.randint(2, 6, (8, 1))).float()
o = torch.optim.Adam([*crf.parameters(), *lin.parameters()], 0.05)
for i in range(6):
    l = crf.nll(lin(xs), ys, ms)
    o.zero_grad()
    l.backward()
    o.step()
    print("crf", l.item())
print(crf.decode(lin(xs[0]).detach()), ys[0].tolist())
