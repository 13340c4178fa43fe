"""Recurrent layers of every kind, and half a transformer, learn a tune and go on with it."""

import math
import torch
import torch.nn as nn
import torch.nn.functional as F

losses = []

PITCHES, VOICES, BAR = 26, 7, 10
LAYERS = {
    "LSTM": lambda n, drop: nn.LSTM(n, n, 2, dropout=drop),
    "GRU": lambda n, drop: nn.GRU(n, n, 2, dropout=drop),
    "tanh": lambda n, drop: nn.RNN(n, n, 2, nonlinearity="tanh", dropout=drop),
    "relu": lambda n, drop: nn.RNN(n, n, 2, nonlinearity="relu", dropout=drop),
}


def tune(notes):
    """A scale that climbs and falls, transposed every dozen notes."""
    pitch = [abs(i % 14 - 7) * 2 + (i // 12) * 5 for i in range(notes)]
    voices = torch.tensor(pitch, dtype=torch.int64).remainder(PITCHES)
    per_voice = notes // VOICES
    return voices.narrow(0, 0, VOICES * per_voice).view(VOICES, -1).t().contiguous()


def bars(score):
    """Every bar, with the notes that follow each of its own; the last may be short."""
    for start in range(0, len(score) - 1, BAR):
        stop = min(start + BAR, len(score) - 1)
        yield score[start:stop], score[start + 1 : stop + 1].view(-1)


def spread(weights, bias, width=0.12):
    for w in weights:
        nn.init.uniform_(w, -width, width)
    nn.init.zeros_(bias)


class Listener(nn.Module):
    """One table of pitches is read on the way in and compared with on the way out."""

    def __init__(self, layer, width=20, drop=0.15):
        super(Listener, self).__init__()
        self.hush = nn.Dropout(drop)
        self.pitch = nn.Embedding(PITCHES, width)
        self.memory = LAYERS[layer](width, drop)
        self.guess = nn.Linear(width, PITCHES)
        self.guess.weight = self.pitch.weight
        spread([self.pitch.weight], self.guess.bias)

    def silence(self, voices):
        like = next(self.parameters())
        state = [like.new_zeros(self.memory.num_layers, voices, self.memory.hidden_size) for _ in "hc"]
        return tuple(state) if isinstance(self.memory, nn.LSTM) else state[0]

    def forward(self, notes, state):
        heard, state = self.memory(self.hush(self.pitch(notes)), state)
        return F.log_softmax(self.guess(self.hush(heard)).view(-1, PITCHES), dim=1), state


class Conductor(nn.Transformer):
    """Only the encoder of nn.Transformer is called: its decoder gets no gradient at all."""

    def __init__(self, width=16, drop=0.15, longest=64):
        super(Conductor, self).__init__(
            d_model=width, nhead=4, dim_feedforward=24, num_encoder_layers=2, num_decoder_layers=1
        )
        self.hush = nn.Dropout(p=drop)
        self.pitch = nn.Embedding(PITCHES, width)
        self.guess = nn.Linear(width, PITCHES)
        slower = torch.exp(torch.arange(width // 2).float() * (-2 * math.log(400.0) / width))
        angle = torch.arange(longest, dtype=torch.float).unsqueeze(1) * slower
        beat = torch.zeros(longest, width)
        beat[:, ::2], beat[:, 1::2] = torch.sin(angle), torch.cos(angle)
        self.register_buffer("beat", beat.unsqueeze(0).transpose(0, 1))
        spread([self.pitch.weight, self.guess.weight], self.guess.bias)

    def forward(self, notes, blind=True):
        n = notes.size(0)
        future = torch.log(torch.tril(torch.ones(n, n))).to(notes.device) if blind else None
        x = self.pitch(notes) * math.sqrt(self.d_model) + self.beat[:n]
        return F.log_softmax(self.guess(self.encoder(self.hush(x), mask=future)), dim=-1)


def forget(state):
    """The state with no history, so that a gradient ends at the bar line."""
    return state.detach() if isinstance(state, torch.Tensor) else tuple(part.detach() for part in state)


def practise(model, score, rate):
    surprise = nn.NLLLoss()
    recurrent = isinstance(model, Listener)
    for tempo in range(3):
        model.train()
        state = model.silence(VOICES) if recurrent else None
        for notes, following in bars(score):
            if recurrent:
                said, state = model(notes, forget(state))
            else:
                said = model(notes).view(-1, PITCHES)
            loss = surprise(said, following)
            model.zero_grad()
            loss.backward()
            before = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            for p in filter(lambda p: p.grad is not None, model.parameters()):
                p.data.add_(p.grad, alpha=-rate * 0.6**tempo)
            losses.extend([loss.item(), before.item()])


def play_on(model):
    model.eval()
    with torch.no_grad():
        note = torch.randint(PITCHES, (1, 1), dtype=torch.long)
        said = model(note, model.silence(1))[0] if isinstance(model, Listener) else model(note, False)[-1]
        chance = said.squeeze().div(0.9).exp().cpu()
        losses.append(chance.sum().item())
        losses.extend(torch.multinomial(chance, 4).tolist())


score = tune(800)
for seed, layer in enumerate([*LAYERS, None]):
    torch.manual_seed(seed)
    model = Conductor() if layer is None else Listener(layer)
    practise(model, score, 1.5)
    play_on(model)
    if layer is not None:
        model.memory.flatten_parameters()
