"""Translation with attention, and packed sequences in a bidirectional LSTM."""

import torch
import random
import math
import unicodedata
import string
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
import numpy as np
from torch.utils.data import TensorDataset, DataLoader, RandomSampler
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
    pack_sequence,
    unpad_sequence,
    PackedSequence,
)

losses = []

random.seed(1)
torch.manual_seed(1)
np.random.seed(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SOS_token, EOS_token, MAX_LENGTH = (0, 1, 10)


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.1):
        super(EncoderRNN, self).__init__()
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input):
        embedded = self.dropout(self.embedding(input))
        output, hidden = self.gru(embedded)
        return (output, hidden)


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return (torch.bmm(weights, keys), weights)


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, encoder_outputs, encoder_hidden, target_tensor=None):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.empty(batch_size, 1, dtype=torch.long, device=device).fill_(SOS_token)
        decoder_hidden = encoder_hidden
        decoder_outputs = []
        attentions = []
        for i in range(6):
            decoder_output, decoder_hidden, attn_weights = self.forward_step(
                decoder_input, decoder_hidden, encoder_outputs
            )
            decoder_outputs.append(decoder_output)
            attentions.append(attn_weights)
            if target_tensor is not None:
                decoder_input = target_tensor[:, i].unsqueeze(1)
            else:
                _, topi = decoder_output.topk(1)
                decoder_input = topi.squeeze(-1).detach()
        decoder_outputs = F.log_softmax(torch.cat(decoder_outputs, dim=1), dim=-1)
        return (decoder_outputs, decoder_hidden, torch.cat(attentions, dim=1))

    def forward_step(self, input, hidden, encoder_outputs):
        embedded = self.dropout(self.embedding(input))
        query = hidden.permute(1, 0, 2)
        context, attn_weights = self.attention(query, encoder_outputs)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return (self.out(output), hidden, attn_weights)


n = 48
inp = np.zeros((n, 6), dtype=np.int32)
tgt = np.zeros((n, 6), dtype=np.int32)
for i in range(n):
    s = [random.randint(2, 11) for _ in range(5)]
    inp[i, :5] = s
    inp[i, 5] = EOS_token
    tgt[i, :5] = s[::-1]
    tgt[i, 5] = EOS_token
train_data = TensorDataset(torch.LongTensor(inp).to(device), torch.LongTensor(tgt).to(device))
train_dataloader = DataLoader(train_data, sampler=RandomSampler(train_data), batch_size=16)
encoder = EncoderRNN(12, 24).to(device)
decoder = AttnDecoderRNN(24, 12).to(device)
eo, do = (optim.Adam(encoder.parameters(), lr=0.003), optim.Adam(decoder.parameters(), lr=0.003))
crit = nn.NLLLoss()
for ep in range(12):
    for a, b in train_dataloader:
        eo.zero_grad()
        do.zero_grad()
        e, h = encoder(a)
        o, _, _ = decoder(e, h, b if random.random() < 0.8 else None)
        loss = crit(o.view(-1, o.size(-1)), b.view(-1))
        loss.backward()
        eo.step()
        do.step()
        losses += [loss.item()]
with torch.no_grad():
    encoder.eval()
    decoder.eval()
    e, h = encoder(train_data[:2][0])
    o, _, att = decoder(e, h)
seqs = [torch.randint(1, 12, (l,)) for l in (5, 3, 7, 1)]
lens = torch.tensor([len(s) for s in seqs])
pad = pad_sequence(seqs, batch_first=True, padding_value=0)
emb = nn.Embedding(12, 6, padding_idx=0)
lstm = nn.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
fc = nn.Linear(16, 2)
opt = optim.Adam([*emb.parameters(), *lstm.parameters(), *fc.parameters()], lr=0.01)
y = torch.tensor([0, 1, 1, 0])
for it in range(20):
    p = pack_padded_sequence(emb(pad), lens.cpu(), batch_first=True, enforce_sorted=False)
    out, (h, c) = lstm(p)
    out, ol = pad_packed_sequence(out, batch_first=True, total_length=8)
    loss = (
        F.cross_entropy(fc(torch.cat((h[-2], h[-1]), 1)), y) + 0.1 * (out.sum(1) / ol[:, None]).pow(2).mean()
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses += [loss.item()]
