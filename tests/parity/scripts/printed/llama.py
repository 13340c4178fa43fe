"""A transformer that turns its queries and keys, scales by the root mean square and shares keys between heads."""

import inspect
import io
import math
from dataclasses import asdict, dataclass
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1337)


@dataclass
class Sizes:
    signs: int = 40
    width: int = 24
    depth: int = 2
    queries: int = 6
    keys: Optional[int] = 3
    inner: Optional[int] = None
    reach: int = 12
    blur: float = 0.0

    def __post_init__(self):
        self.keys = self.keys or self.queries
        if self.inner is None:
            self.inner = 8 * math.ceil(self.width / 3)  # about 8/3 of the width, in eights


class Scale(torch.nn.Module):
    """x / sqrt(mean(x^2) + 1e-6) times a weight for each feature."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).type_as(x) * self.weight


def angles(places: int, width: int) -> torch.Tensor:
    """angle[p, i] = p 100^(-2i / width), (places, width // 2): later pairs turn more slowly."""
    slower = 100.0 ** -(torch.arange(0, width, 2).float() / width)
    return torch.outer(torch.arange(places, device=slower.device), slower).float()


def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Each pair of neighbours in x (B, T, heads, width) turned by its angle, in float32."""
    a, b = x.float().reshape(x.shape[:-1] + (-1, 2)).unbind(-1)
    assert cos.shape == (x.shape[1], a.shape[-1]) and x.ndim == 4
    cos, sin = (table.view(1, *table.shape).unsqueeze(2) for table in (cos, sin))
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(3).type_as(x)


class Look(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.each = sizes.width // sizes.queries
        self.shared = sizes.queries // sizes.keys
        self.ask = nn.Linear(sizes.width, sizes.queries * self.each, bias=False)
        self.keep = nn.Linear(sizes.width, 2 * sizes.keys * self.each, bias=False)
        self.tell = nn.Linear(sizes.queries * self.each, sizes.width, bias=False)
        self.blur = nn.Dropout(sizes.blur)
        self.fast = hasattr(nn.functional, "scaled_dot_product_attention")
        later = torch.triu(torch.full((sizes.reach, sizes.reach), float("-inf")), diagonal=1)
        self.register_buffer("later", later, persistent=False)

    def heads(self, x):
        return x.view(*x.shape[:2], -1, self.each)

    def one_for_each(self, x):
        """Every head of keys stands beside itself as often as queries share it."""
        n, length, heads, width = x.shape
        return x.unsqueeze(3).expand(n, length, heads, self.shared, width).flatten(2, 3)

    def forward(self, x, cos, sin):
        length = x.size(1)
        query = turn(self.heads(self.ask(x)), cos, sin)
        key, value = map(self.heads, self.keep(x).chunk(2, dim=-1))
        key = turn(key, cos, sin)
        query, key, value = (
            t.transpose(1, 2) for t in (query, self.one_for_each(key), self.one_for_each(value))
        )
        if self.fast and self.training:
            seen = F.scaled_dot_product_attention(
                query, key, value, attn_mask=None, dropout_p=self.blur.p, is_causal=True
            )
        else:
            alike = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(self.each)
            alike = alike + self.later[:length, :length]
            seen = torch.matmul(self.blur(F.softmax(alike.float(), dim=-1).type_as(query)), value)
        return self.blur(self.tell(seen.transpose(1, 2).contiguous().view(x.shape)))


class Think(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.gate, self.lift = (nn.Linear(sizes.width, sizes.inner, bias=False) for _ in range(2))
        self.tell = nn.Linear(sizes.inner, sizes.width, bias=False)
        self.blur = nn.Dropout(sizes.blur)

    def forward(self, x):
        return self.blur(self.tell(F.silu(self.gate(x)) * self.lift(x)))


class Storey(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.scales = nn.ModuleList([Scale(sizes.width), Scale(sizes.width)])
        self.look, self.think = Look(sizes), Think(sizes)

    def forward(self, x, cos, sin):
        x = x + self.look(self.scales[0](x), cos, sin)
        return x + self.think.forward(self.scales[1](x))


class Tower(nn.Module):
    """Scores (B, T, signs) and, given the signs that follow, how wrong they are; otherwise only the last place's."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        self.enter = nn.Embedding(sizes.signs, sizes.width)
        self.blur = nn.Dropout(sizes.blur)
        self.storeys = torch.nn.ModuleList()
        while len(self.storeys) < sizes.depth:
            self.storeys.append(Storey(sizes))
        self.scale = Scale(sizes.width)
        self.leave = nn.Linear(sizes.width, sizes.signs, bias=False)
        self.enter.weight = self.leave.weight
        turns = angles(sizes.reach, sizes.width // sizes.queries)
        self.register_buffer("cos", torch.cos(turns), persistent=False)
        self.register_buffer("sin", torch.sin(turns), persistent=False)
        self.apply(self.begin)
        for name, weight in self.named_parameters():
            if name.endswith("tell.weight"):
                torch.nn.init.normal_(weight, mean=0.0, std=0.03 / sizes.depth**0.5)

    def begin(self, module):
        match module:
            case nn.Linear(bias=None) | nn.Embedding():
                torch.nn.init.normal_(module.weight, mean=0.0, std=0.03)
            case nn.Linear():
                torch.nn.init.zeros_(module.bias)

    def forward(self, signs: torch.Tensor, following: Optional[torch.Tensor] = None):
        length = signs.shape[1]
        x = self.blur(self.enter(signs))
        for storey in self.storeys:
            x = storey(x, self.cos[:length], self.sin[:length])
        x = self.scale(x)
        if following is None:
            return self.leave(x[:, [-1], :]), None
        scores = self.leave(x)
        wrong = F.cross_entropy(scores.view(-1, scores.size(-1)), following.view(-1), ignore_index=-1)
        return scores, wrong

    @torch.inference_mode()
    def go_on(self, signs, count, warmth=1.0, among=None, within=None):
        """count more signs: the likeliest if warmth is 0, else drawn among the best or within a share of chance."""
        for _ in range(count):
            scores = self(signs[:, -self.sizes.reach :])[0][:, -1, :]
            if not warmth:
                drawn = torch.topk(scores, k=1, dim=-1).indices
            elif within is not None:
                chance, sign = torch.sort(F.softmax(scores / warmth, dim=-1), dim=-1, descending=True)
                chance[torch.cumsum(chance, dim=-1) - chance > within] = 0.0
                chance.div_(chance.sum(dim=-1, keepdim=True))
                drawn = torch.gather(sign, -1, torch.multinomial(chance, num_samples=1))
            else:
                scores = scores / warmth
                if among is not None:
                    least = torch.topk(scores, min(among, scores.size(-1))).values[:, [-1]]
                    scores[scores < least] = -float("Inf")
                drawn = torch.multinomial(F.softmax(scores, dim=-1), num_samples=1)
            signs = torch.cat((signs, drawn), dim=1)
        return signs


tower = Tower(Sizes(blur=0.1))
print(tower)
matrices, vectors = {}, {}
for name, weight in tower.named_parameters():
    if weight.requires_grad:
        (matrices if weight.dim() >= 2 else vectors)[name] = weight
for kind, chosen in dict(matrices=matrices, vectors=vectors).items():
    print(kind, len(chosen), "with", f"{sum(w.numel() for w in chosen.values()):,}", "numbers")
fused = {}
if "fused" in inspect.signature(torch.optim.AdamW).parameters and torch.cuda.is_available():
    fused = dict(fused=True)
descent = torch.optim.AdamW(
    [
        {"params": list(vectors.values()), "weight_decay": 0.0},
        {"params": list(matrices.values()), "weight_decay": 0.05},
    ],
    lr=4e-3,
    betas=(0.9, 0.97),
    **fused,
)
# A staircase that never goes down, some steps longer than others.
climb = torch.randint(0, 40, (1500,)).sort()[0].roll(5) % 40


def pace(lap):
    """Up over four laps, then down along a cosine to a tenth at lap 18, and level."""
    if lap < 4:
        return 4e-3 * (lap + 1) / 4
    done = min(1.0, (lap - 4) / 14)
    return 4e-4 + 3.6e-3 * (1 + math.cos(math.pi * done)) / 2


for lap in range(22):
    for group in descent.param_groups:
        group["lr"] = pace(lap)
    total = 0.0
    for share in range(2):
        starts = torch.randint(len(climb) - 12, (5,))
        windows = torch.stack([climb[at : at + 13] for at in starts])
        _, wrong = tower(windows[:, :-1], windows[:, 1:].contiguous())
        (wrong / 2).backward()
        total += wrong.item() / 2
    torch.nn.utils.clip_grad_norm_(tower.parameters(), 0.7)
    descent.step()
    descent.zero_grad(set_to_none=True)
    if lap % 2:
        print(f"lap {lap:2d}: wrong by {total:.4f} at pace {pace(lap):e}")
tower.eval()
for settings in (dict(warmth=0.7, among=8), dict(within=0.85), dict(warmth=0.0)):
    print(settings, tower.go_on(torch.tensor([[4, 4, 5]]), 8, **settings))
renamed = {"wrapped." + name: weight for name, weight in tower.state_dict().items()}
bare = {name.removeprefix("wrapped."): weight for name, weight in renamed.items()}
print(tower.load_state_dict(bare, strict=False), len(bare), sum(w.numel() for w in bare.values()))
print("tied still:", tower.leave.weight is tower.enter.weight)
file = io.BytesIO()
torch.save({"weights": bare, "descent": descent.state_dict(), "sizes": asdict(tower.sizes), "lap": lap}, file)
file.seek(0)
kept = torch.load(file, map_location="cpu")
print(kept["sizes"], kept["lap"], list(kept["descent"]), kept["descent"]["param_groups"])
print(Tower(Sizes(**kept["sizes"])).load_state_dict(kept["weights"]))
