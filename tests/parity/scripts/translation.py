"""Numbers are read out in words by an attending decoder; bags of unequal length go through a packed LSTM."""

import random
import torch
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

WORDS = ["<end>", "<go>", "minus", "hundred", "tens", "ones", *"abcdefghi"]  # a is one, b is two ...
SIGNS = "-0123456789"
LONGEST = 7


def say(number):
    """The words of a number under 1000: the places that are not zero, from the left."""
    digits = [int(d) for d in f"{abs(number):03d}"]
    words = ["minus"] if number < 0 else []
    for digit, place in zip(digits, ("hundred", "tens", "ones")):
        words += [WORDS[5 + digit], place] if digit else []
    return [WORDS.index(w) for w in words][:LONGEST]


numbers = np.random.randint(-999, 1000, size=56)
read = np.zeros((56, 4), dtype=np.int32)
said = np.zeros((56, LONGEST), dtype=np.int32)
for row, number in enumerate(numbers):
    read[row] = [SIGNS.index(sign) for sign in f"{number:+04d}".replace("+", "0")]
    said[row, : len(say(number))] = say(number)
pairs = TensorDataset(torch.LongTensor(read).to(device), torch.LongTensor(said).to(device))
batches = DataLoader(pairs, sampler=RandomSampler(pairs), batch_size=14)


class Reader(nn.Module):
    def __init__(self, width, blur=0.1):
        super(Reader, self).__init__()
        self.body = nn.Sequential(nn.Embedding(len(SIGNS), width), nn.Dropout(blur))
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, signs):
        return self.gru(self.body(signs))


class Glance(nn.Module):
    """softmax over n of v . tanh(W s + U m_n): what of the memory m (B, n, C) the state s (B, 1, C) looks at."""

    def __init__(self, width):
        super().__init__()
        self.of_state = nn.Linear(width, width)
        self.of_memory = nn.Linear(width, width)
        self.judge = nn.Linear(width, 1)

    def forward(self, state, memory):
        worth = self.judge((self.of_state(state) + self.of_memory(memory)).tanh())
        share = F.softmax(worth.squeeze(2).unsqueeze(1), dim=-1)
        return share.bmm(memory), share


class Speaker(nn.Module):
    def __init__(self, width, blur=0.1):
        super().__init__()
        self.words = nn.Embedding(len(WORDS), width)
        self.blur = nn.Dropout(blur)
        self.glance = Glance(width)
        self.gru = nn.GRU(2 * width, width, batch_first=True)
        self.choose = nn.Linear(width, len(WORDS))

    def forward(self, memory, state, dictated=None):
        """Log-probabilities (B, T, words), the last state, and the shares (B, T, n) of the memory."""
        word = torch.empty(memory.size(0), 1, dtype=torch.long, device=device).fill_(WORDS.index("<go>"))
        spoken, shares = [], []
        while len(spoken) < LONGEST:
            seen, share = self.glance(state.permute(1, 0, 2), memory)
            step, state = self.gru(torch.cat((self.blur(self.words(word)), seen), dim=2), state)
            spoken.append(F.log_softmax(self.choose(step), dim=-1))
            shares.append(share)
            if dictated is None:
                word = spoken[-1].topk(1).indices.squeeze(-1).detach()
            else:
                word = dictated[:, len(spoken) - 1].unsqueeze(1)
        return torch.cat(spoken, dim=1), state, torch.cat(shares, dim=1)


reader, speaker = Reader(20).to(device), Speaker(20).to(device)
learners = [optim.Adam(part.parameters(), lr=0.004) for part in (reader, speaker)]
surprise = nn.NLLLoss()
for lap in range(12):
    for signs, words in batches:
        memory, state = reader(signs)
        spoken, _, _ = speaker(memory, state, words if random.random() < 0.75 else None)
        loss = surprise(spoken.view(-1, spoken.size(-1)), words.view(-1))
        for learner in learners:
            learner.zero_grad()
        loss.backward()
        for learner in learners:
            learner.step()
        losses.append(loss.item())
with torch.no_grad():
    signs, words = pairs[:3]
    spoken, _, shares = speaker.eval()(*reader.eval()(signs))
    losses += [surprise(spoken.transpose(1, 2), words).item(), *shares.amax(-1).flatten().tolist()]

# Bags of tokens, the longest not first: padded, packed, read both ways, unpacked to a fixed length.
bags = [torch.randint(1, 12, (count,)) for count in (2, 6, 4, 3, 1)]
kind = torch.tensor([1, 0, 0, 1, 1])
sizes = torch.tensor([bag.numel() for bag in bags])
table = nn.Embedding(12, 6, padding_idx=0)
both_ways = nn.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
head = nn.Linear(16, 2)
fit = optim.Adam([p for part in (table, both_ways, head) for p in part.parameters()], lr=0.01)
for lap in range(20):
    grid = table(pad_sequence(bags, batch_first=True, padding_value=0))
    packed = pack_padded_sequence(grid, sizes.cpu(), batch_first=True, enforce_sorted=False)
    assert isinstance(packed, PackedSequence)
    steps, (last, _) = both_ways(packed)
    steps, counted = pad_packed_sequence(steps, batch_first=True, total_length=9)
    size_of_mean = (steps.sum(1) / counted[:, None]).pow(2).mean()
    loss = F.cross_entropy(head(torch.cat((last[-2], last[-1]), 1)), kind) + 0.2 * size_of_mean
    fit.zero_grad()
    loss.backward()
    fit.step()
    losses.append(loss.item())
packed = pack_sequence([table(bag) for bag in bags], enforce_sorted=False)
ways, counted = pad_packed_sequence(both_ways.eval()(packed)[0], batch_first=True)
losses += [part.sum().item() for part in unpad_sequence(ways, counted, batch_first=True)]
