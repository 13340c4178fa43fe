"""Speech and text recognition: a convolutional recurrent network with the CTC loss."""

import itertools
import string

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpad_sequence,
)
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
alphabet = string.ascii_lowercase[:6]
c2i = {c: i + 1 for i, c in enumerate(alphabet)}
i2c = {v: k for k, v in c2i.items()}
proto = torch.randn(7, 5, 3)


class OCR(Dataset):
    def __init__(self, n):
        self.g = torch.Generator().manual_seed(3)
        self.words = [
            "".join(
                alphabet[i]
                for i in torch.randint(
                    0, 6, (int(torch.randint(2, 6, (1,), generator=self.g)),), generator=self.g
                )
            )
            for _ in range(n)
        ]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        w = self.words[i]
        t = torch.tensor([c2i[c] for c in w])
        img = torch.cat([proto[k] for k in t], dim=1)
        return img + 0.1 * torch.randn(img.shape, generator=self.g), t


def collate(b):
    imgs, ts = zip(*b)
    wl = torch.LongTensor([i.size(1) for i in imgs])
    tl = torch.LongTensor([len(t) for t in ts])
    x = imgs[0].new_zeros(len(b), 5, max(wl))
    for i, im in enumerate(imgs):
        x[i, :, : im.shape[-1]].copy_(im)
    return x, torch.cat(ts), wl, tl


class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv1d(5, 16, 3, padding=1), nn.BatchNorm1d(16), nn.ReLU(True))
        self.rnn = nn.LSTM(16, 12, num_layers=2, bidirectional=True, dropout=0.1)
        self.fc = nn.Linear(24, 7)

    def forward(self, x, wl):
        f = self.cnn(x).permute(2, 0, 1)
        p = pack_padded_sequence(f, wl.cpu(), enforce_sorted=False)
        o, (h, c) = self.rnn(p)
        o, l = pad_packed_sequence(o)
        assert (l == wl).all()
        return self.fc(o).log_softmax(2), h


def greedy(lp, wl):
    best = lp.argmax(2).t().tolist()
    return ["".join(i2c[k] for k, _ in itertools.groupby(b[:n]) if k) for b, n in zip(best, wl.tolist())]


dl = DataLoader(OCR(96), batch_size=16, shuffle=True, collate_fn=collate)
m = CRNN()
print(m)
crit = nn.CTCLoss(blank=0, reduction="mean", zero_infinity=True)
o = torch.optim.Adam(m.parameters(), 1e-2)
s = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=2e-2, steps_per_epoch=len(dl), epochs=6, pct_start=0.3)
for e in range(6):
    tot = 0
    for x, t, wl, tl in dl:
        lp, h = m(x, wl)
        loss = crit(lp, t, wl, tl)
        o.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(m.parameters(), 5)
        o.step()
        s.step()
        tot += loss.item() * x.size(0)
    print(f"epoch {e} loss {tot / 96:.4f} lr {s.get_last_lr()[0]:.6f}", h.shape)
m.eval()
x, t, wl, tl = next(iter(DataLoader(OCR(4), 4, collate_fn=collate)))
lp, _ = m(x, wl)
print(greedy(lp, wl), ["".join(i2c[k.item()] for k in q) for q in t.split(tl.tolist())])
print(
    F.ctc_loss(lp, t, wl, tl, reduction="none"),
    F.ctc_loss(
        lp.double(),
        pad_sequence(t.split(tl.tolist()), batch_first=True),
        tuple(wl.tolist()),
        tuple(tl.tolist()),
        reduction="sum",
    ),
)
seqs = [torch.arange(k).float().unsqueeze(-1) for k in (3, 1, 2)]
p = pack_sequence(seqs, enforce_sorted=False)
print(p)
print(p.data.squeeze(), p.batch_sizes, p.sorted_indices, p.unsorted_indices)
print(pad_packed_sequence(p, batch_first=True, padding_value=-1, total_length=4))
print(unpad_sequence(pad_sequence(seqs), torch.tensor([3, 1, 2])))
gru = nn.GRU(1, 4, batch_first=True)
out, h = gru(p)
print(out.data.shape, h, h.shape)
cell = nn.LSTMCell(1, 4)
hx, cx = torch.zeros(3, 4), torch.zeros(3, 4)
loss = 0
for t in range(3):
    hx, cx = cell(pad_sequence(seqs)[t], (hx, cx))
    loss = loss + hx.pow(2).mean()
loss.backward()
print(loss, cell.weight_hh.grad.norm(), cell.bias_ih.grad[:4])
st = None
rnn = nn.RNN(1, 4, nonlinearity="relu", batch_first=True)
q = torch.optim.SGD(rnn.parameters(), 0.1)
for chunk in torch.sin(torch.arange(24.0)).view(1, 24, 1).split(8, dim=1):
    if st is not None:
        st = st.detach()
    y, st = rnn(chunk, st)
    l = (y[:, :-1].mean(-1, keepdim=True) - chunk[:, 1:]).square().mean()
    q.zero_grad()
    l.backward()
    q.step()
    print(l)
print(
    {k: v.shape for k, v in m.rnn.named_parameters()},
    m.rnn.all_weights[0][0].shape,
    [n for n, _ in gru.named_parameters()],
)
