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
LETTERS = "-" + string.ascii_lowercase[:6]  # the first is the blank
sound = torch.randn(len(LETTERS), 5, 3)  # five bands, three moments for each letter


class Spoken(Dataset):
    """Words of two to five letters, each letter's sound after the other's, with some noise."""

    def __init__(self, count):
        self.dice = torch.Generator().manual_seed(3)
        lengths = torch.randint(2, 6, (count,), generator=self.dice).tolist()
        self.words = [torch.randint(1, len(LETTERS), (n,), generator=self.dice) for n in lengths]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        clear = torch.cat(list(sound[self.words[i]]), dim=1)
        return clear + 0.1 * torch.randn(clear.shape, generator=self.dice), self.words[i]


def together(pairs):
    """Sounds (B, 5, longest) with silence after the shorter, all letters in a row, and both lengths."""
    heard, words = zip(*pairs)
    moments = torch.LongTensor([sound.size(1) for sound in heard])
    padded = heard[0].new_zeros(len(heard), 5, max(moments))
    for row, one in zip(padded, heard):
        row[:, : one.shape[-1]].copy_(one)
    return padded, torch.cat(words), moments, torch.LongTensor([len(word) for word in words])


class Listener(nn.Module):
    def __init__(self, width=14):
        super().__init__()
        self.ear = nn.Sequential(nn.Conv1d(5, width, 3, padding=1), nn.BatchNorm1d(width), nn.ReLU(True))
        self.rnn = nn.LSTM(width, 10, num_layers=2, bidirectional=True, dropout=0.1)
        self.letter = nn.Linear(20, len(LETTERS))

    def forward(self, heard, moments):
        steps = self.ear(heard).permute(2, 0, 1)
        packed, (state, _) = self.rnn(pack_padded_sequence(steps, moments.cpu(), enforce_sorted=False))
        steps, lengths = pad_packed_sequence(packed)
        assert (lengths == moments).all()
        return self.letter(steps).log_softmax(2), state


def written(likely, moments):
    """The likeliest letter of each moment, repetitions and blanks left out."""
    for line, length in zip(likely.argmax(2).t().tolist(), moments.tolist()):
        runs = [letter for letter, _ in itertools.groupby(line[:length])]
        yield "".join(LETTERS[letter] for letter in runs if letter)


dl = DataLoader(Spoken(90), batch_size=15, shuffle=True, collate_fn=together)
m = Listener()
print(m)
align = nn.CTCLoss(blank=0, reduction="mean", zero_infinity=True)
o = torch.optim.Adam(m.parameters(), 1e-2)
pace = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=2e-2, steps_per_epoch=len(dl), epochs=6, pct_start=0.25)
for lap in range(6):
    total = 0.0
    for heard, letters, moments, lengths in dl:
        likely, state = m(heard, moments)
        wrong = align(likely, letters, moments, lengths)
        o.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(m.parameters(), 4)
        o.step()
        pace.step()
        total += wrong.item() * heard.size(0) / 90
    print(f"lap {lap}: wrong by {total:.4f} at {pace.get_last_lr()[0]:.6f}", state.shape)
m.eval()
heard, letters, moments, lengths = next(iter(DataLoader(Spoken(5), 5, collate_fn=together)))
likely, _ = m(heard, moments)
words = letters.split(lengths.tolist())
print(list(written(likely, moments)), ["".join(LETTERS[k.item()] for k in word) for word in words])
print(F.ctc_loss(likely, letters, moments, lengths, reduction="none"))
as_table = pad_sequence(words, batch_first=True)
print(
    F.ctc_loss(likely.double(), as_table, tuple(moments.tolist()), tuple(lengths.tolist()), reduction="sum")
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
