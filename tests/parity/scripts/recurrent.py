"""A word language model with an LSTM, and a sequence-to-sequence GRU with packed sequences."""
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(3)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super(RNNModel, self).__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.init_weights()
        self.nhid, self.nlayers = nhid, nlayers

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output))
        return decoded.view(-1, decoded.size(2)), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid)


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


corpus = torch.randint(0, 30, (400,)).view(8, -1).t().contiguous()
model = RNNModel(30, 24, 24, 2)
criterion = nn.CrossEntropyLoss()
losses = []
hidden = model.init_hidden(8)
lr = 5.0
for i in range(0, corpus.size(0) - 1, 7):
    seq_len = min(7, len(corpus) - 1 - i)
    data, targets = corpus[i : i + seq_len], corpus[i + 1 : i + 1 + seq_len].reshape(-1)
    model.zero_grad()
    hidden = repackage_hidden(hidden)
    output, hidden = model(data, hidden)
    loss = criterion(output, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-lr)
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
