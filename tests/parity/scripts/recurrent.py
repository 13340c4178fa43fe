"""An LSTM carries its state along a sequence of letters; a bidirectional GRU reads gestures of unequal length."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(3)
losses = []


class Speller(nn.Module):
    def __init__(self, letters, width, depth=2):
        super(Speller, self).__init__()
        self.table = nn.Embedding(letters, width)
        self.lstm = nn.LSTM(width, width, depth, dropout=0.2)
        self.blur = nn.Dropout(0.2)
        self.score = nn.Linear(width, letters)
        self.score.weight = self.table.weight  # tied: the same table reads and writes
        nn.init.uniform_(self.table.weight, -0.2, 0.2)
        nn.init.zeros_(self.score.bias)

    def forward(self, ids, state):
        seen, state = self.lstm(self.blur(self.table(ids)), state)
        scores = self.score(self.blur(seen))
        return scores.view(-1, scores.size(2)), state


columns = torch.randint(0, 21, (390,)).view(6, -1).t().contiguous()
speller = Speller(21, 18)
blank = next(speller.parameters()).new_zeros(2, 6, 18)
state = (blank, blank.clone())
measure = nn.CrossEntropyLoss()
for rows in columns.split(8):
    if len(rows) < 2:
        continue
    speller.zero_grad()
    scores, state = speller(rows[:-1], state)
    loss = measure(scores, rows[1:].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(speller.parameters(), 0.5)
    with torch.no_grad():
        for p in speller.parameters():
            p.data.add_(p.grad, alpha=-2.0)
    state = tuple(s.detach() if isinstance(s, torch.Tensor) else s for s in state)
    losses.append(loss.item())

gru = nn.GRU(5, 12, batch_first=True, bidirectional=True)
head = nn.Linear(24, 3)
optimizer = torch.optim.RMSprop([*gru.parameters(), *head.parameters()], lr=1e-2)
lengths = torch.tensor([6, 5, 3, 2])
sequences = [torch.randn(int(n), 5) for n in lengths]
target = torch.tensor([0, 2, 1, 1])
for step in range(50):
    packed = pack_padded_sequence(pad_sequence(sequences, batch_first=True), lengths, batch_first=True)
    output, hidden = gru(packed)
    padded, sizes = pad_packed_sequence(output, batch_first=True)
    summary = padded.sum(dim=1) / sizes.unsqueeze(1)
    loss = nn.functional.cross_entropy(head(summary), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
