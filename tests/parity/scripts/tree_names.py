"""Names of trees: counted pairs, a table of scores, a network normalized by hand, and a small transformer kept on disk."""

import torch
import math
import inspect
import torch.nn as nn
import torch.nn.functional as F
from dataclasses import asdict, dataclass
from contextlib import nullcontext

losses = []

TREES = "birch alder maple hazel rowan willow poplar cedar larch aspen cherry spruce linden chestnut walnut elder".split()
LETTERS = ["|", *sorted(set("".join(TREES)))]  # the bar stands at both ends of a name
SIZE = len(LETTERS)
lots = torch.Generator().manual_seed(31)


def spelled(name):
    return [LETTERS.index(letter) for letter in f"|{name}|"]


def pairs(names):
    for name in map(spelled, names):
        yield from zip(name, name[1:])


# How often each letter follows each other, plus one; and walks through that table.
follows = torch.zeros((SIZE, SIZE), dtype=torch.int32)
for first, second in pairs(TREES):
    follows[first, second] += 1
chance = follows.float() + 1
chance /= chance.sum(1, keepdims=True)
for walk in range(3):
    at, steps = 0, 0
    while steps == 0 or (at and steps < 20):
        at = torch.multinomial(chance[at], num_samples=1, replacement=True, generator=lots).item()
        steps += 1
    losses.append(float(steps))

# The same table found by descent.
given, wanted = torch.tensor(list(pairs(TREES))).T
scores = torch.randn((SIZE, SIZE), generator=lots, requires_grad=True)
row = torch.arange(len(given))
for lap in range(25):
    grown = (F.one_hot(given, num_classes=SIZE).float() @ scores).exp()
    likely = (grown / grown.sum(1, keepdims=True))[row, wanted]
    loss = 0.02 * (scores**2).mean() - likely.log().mean()
    scores.grad = None
    loss.backward()
    scores.data += -15 * scores.grad
    losses.append(loss.item())

# The last four letters through one hidden layer, its batches normalized here.
BEFORE, DIM, HIDDEN, BATCH = 4, 6, 36, 24
contexts, nexts = [], []
for name in map(spelled, TREES):
    padded = [0] * (BEFORE - 1) + name
    for end in range(BEFORE, len(padded)):
        contexts.append(padded[end - BEFORE : end])
        nexts.append(padded[end])
contexts, nexts = torch.tensor(contexts), torch.tensor(nexts)
fan_in = BEFORE * DIM
net = {
    "table": torch.randn((SIZE, DIM), generator=lots),
    "inner": torch.randn((fan_in, HIDDEN), generator=lots) * 1.6 / fan_in**0.5,
    "outer": torch.randn((HIDDEN, SIZE), generator=lots) * 0.02,
    "shift": torch.zeros(SIZE),
    "gain": torch.ones((1, HIDDEN)),
    "level": torch.zeros((1, HIDDEN)),
}
for weight in net.values():
    weight.requires_grad = True
usual_mean, usual_spread = torch.zeros((1, HIDDEN)), torch.ones((1, HIDDEN))
for lap in range(30):
    drawn = torch.randint(0, contexts.shape[0], (BATCH,), generator=lots)
    letters = net["table"][contexts[drawn]]
    inner = letters.view(letters.shape[0], -1) @ net["inner"]
    mean, spread = inner.mean(0, keepdim=True), inner.std(0, keepdim=True)
    hidden = torch.tanh((inner - mean) / spread * net["gain"] + net["level"])
    with torch.no_grad():
        usual_mean = torch.lerp(usual_mean, mean, 0.01)
        usual_spread = 0.99 * usual_spread + 0.01 * spread
    guess = hidden @ net["outer"] + net["shift"]
    loss = F.cross_entropy(guess, nexts[drawn])
    for seen in (letters, hidden, guess):
        seen.retain_grad()
    for weight in net.values():
        weight.grad = None
    loss.backward()
    for weight in net.values():
        weight.data += -(0.1 if lap < 20 else 0.02) * weight.grad
    losses.append(loss.item())
losses += [usual_mean.abs().sum().item(), usual_spread.mean().item()]
# The gradients of cross entropy and of the table, found by hand from what is above them.
by_hand = F.softmax(guess, 1)
by_hand[range(BATCH), nexts[drawn]] -= 1
by_hand /= BATCH
losses.append(float(torch.allclose(by_hand, guess.grad, atol=1e-6)))
of_table = torch.zeros_like(net["table"])
for example, letter in enumerate(contexts[drawn]):
    for place in range(BEFORE):
        of_table[letter[place]] += letters.grad[example, place]
losses.append(float(torch.allclose(of_table, net["table"].grad, atol=1e-6)))


@dataclass
class Plan:
    reach: int = 12
    width: int = 20
    heads: int = 2
    depth: int = 2
    blur: float = 0.1
    shifts: bool = False


class Level(nn.Module):
    """Layer norm whose shift may be left out."""

    def __init__(self, width, shifted):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if shifted else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-06)


class Stage(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.heads, self.blur = plan.heads, plan.blur
        linear = lambda n, m: nn.Linear(n, m, bias=plan.shifts)
        self.looks = nn.ModuleDict(
            {
                "level": Level(plan.width, plan.shifts),
                "ask": linear(plan.width, 3 * plan.width),
                "last": linear(plan.width, plan.width),
            }
        )
        self.thinks = nn.Sequential()
        self.thinks.add_module("level", Level(plan.width, plan.shifts))
        self.thinks.add_module("wide", linear(plan.width, 3 * plan.width))
        self.thinks.add_module("bend", nn.GELU())
        self.thinks.add_module("last", linear(3 * plan.width, plan.width))
        self.thinks.add_module("blur", nn.Dropout(plan.blur))

    def forward(self, x):
        n, length, width = x.size()
        asked = self.looks.ask(self.looks.level(x)).split(width, dim=2)
        query, key, value = (part.view(n, length, self.heads, -1).transpose(1, 2) for part in asked)
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=None, dropout_p=self.blur if self.training else 0, is_causal=True
        )
        x = x + self.looks.last(seen.transpose(1, 2).contiguous().view(n, length, width))
        return x + self.thinks(x)


class Speller(nn.Module):
    """Scores for the letter after each of those given, or with last=True only after the last."""

    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        self.read = nn.Linear(plan.width, SIZE, bias=False)
        self.letter = nn.Embedding(SIZE, plan.width)
        self.letter.weight = self.read.weight
        self.place = nn.Embedding(plan.reach, plan.width)
        self.blur = nn.Dropout(plan.blur)
        self.stages = nn.ModuleList([Stage(plan) for _ in range(plan.depth)])
        self.level = Level(plan.width, plan.shifts)
        self.apply(self.start)
        for name, weight in self.named_parameters():
            if name.endswith("last.weight"):
                torch.nn.init.normal_(weight, mean=0.0, std=0.05 / math.sqrt(plan.depth))

    def start(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.05)
        if isinstance(module, nn.Linear) and module.bias is not None:
            torch.nn.init.zeros_(module.bias)

    def forward(self, letters, last=False):
        place = self.place(torch.arange(letters.size(1), dtype=torch.long, device=letters.device))
        x = self.blur(self.letter(letters) + place)
        for stage in self.stages:
            x = stage(x)
        return self.read(self.level(x[:, [-1], :] if last else x))


torch.manual_seed(77)
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.allow_tf32 = True
torch.set_float32_matmul_precision("high")
on = "cuda" if torch.cuda.is_available() else "cpu"
mixed = torch.amp.autocast(device_type=on, dtype=torch.float16) if on == "cuda" else nullcontext()
scaler = torch.amp.GradScaler("cpu", enabled=False)
speller = Speller(Plan()).to(on)
trained = [weight for weight in speller.parameters() if weight.requires_grad]
flat = {"params": [w for w in trained if w.dim() < 2], "weight_decay": 0.0}
deep = {"params": [w for w in trained if w.dim() >= 2], "weight_decay": 0.05}
fused = {"fused": False} if "fused" in inspect.signature(torch.optim.AdamW).parameters else {}
descent = torch.optim.AdamW([flat, deep], lr=0.002, betas=(0.9, 0.98), **fused)
stream = torch.cat([torch.tensor(spelled(name)[1:]) for name in TREES * 3])


def wrong():
    """How far off the speller is on six windows of the stream."""
    reach = speller.plan.reach
    starts = torch.randint(len(stream) - reach, (6,))
    windows = torch.stack([stream[at : at + reach + 1] for at in starts])
    scores = speller(windows[:, :-1])
    return F.cross_entropy(scores.reshape(-1, scores.size(-1)), windows[:, 1:].reshape(-1), ignore_index=-1)


@torch.no_grad()
def examined(times):
    speller.eval()
    found = torch.zeros(times)
    for i in range(times):
        found[i] = wrong().item()
    speller.train()
    return found.mean()


def rate(lap, warm=4, last=28, high=0.002, low=0.0002):
    if lap < warm:
        return high * (lap + 1) / warm
    return low + (high - low) * math.cos(math.pi / 2 * (lap - warm) / last) ** 2


file = DATA.parent / "speller.pt"
for lap in range(28):
    for group in descent.param_groups:
        group["lr"] = rate(lap)
    for part in range(3):
        with mixed:
            loss = wrong() / 3
        scaler.scale(loss).backward()
    scaler.unscale_(descent)
    torch.nn.utils.clip_grad_norm_(speller.parameters(), 0.8)
    scaler.step(descent)
    scaler.update()
    descent.zero_grad(set_to_none=True)
    losses.append(loss.item())
    if lap % 9 == 5:
        quality = examined(2)
        losses.append(quality.item())
        weights = {f"kept.{name}": weight for name, weight in speller.state_dict().items()}
        torch.save(
            {
                "net": weights,
                "descent": descent.state_dict(),
                "plan": asdict(speller.plan),
                "quality": quality,
            },
            file,
        )
kept = torch.load(file, map_location="cpu")
speller = Speller(Plan(**kept["plan"]))
speller.load_state_dict({name.removeprefix("kept."): weight for name, weight in kept["net"].items()})
descent = torch.optim.AdamW(
    [
        {"params": [w for w in speller.parameters() if w.dim() < 2]},
        {"params": [w for w in speller.parameters() if w.dim() >= 2]},
    ]
)
descent.load_state_dict(kept["descent"])
speller = torch.compile(speller) if on == "cuda" else speller
for lap in range(3):
    loss = wrong()
    loss.backward()
    descent.step()
    losses.append(loss.item())
speller.eval()
name = torch.zeros((1, 1), dtype=torch.long)[None, ...].view(1, 1)
with torch.no_grad():
    for letter in range(14):
        scores = speller(name[:, -speller.plan.reach :], last=True)[:, -1, :] / 0.7
        least, _ = torch.topk(scores, min(4, scores.size(-1)))
        scores[scores < least[:, [-1]]] = -float("Inf")
        name = torch.cat((name, torch.multinomial(F.softmax(scores, -1), num_samples=1)), dim=1)
losses += name[0].tolist()
