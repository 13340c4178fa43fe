"""A vision transformer with parameter groups and chained schedules; encoder and decoder with masks."""

import torch
import torch.nn as nn

losses = []


SIDE, WIDTH = 4, 28  # of a patch, of what stands for it


def patches(pictures):
    """(B, C, H, W) cut into squares, (B, H / SIDE * W / SIDE, C * SIDE^2), row by row."""
    assert pictures.size(-1) % SIDE == 0 == pictures.size(-2) % SIDE
    rows = pictures.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE)
    return rows.permute(0, 2, 3, 1, 4, 5).contiguous().view(pictures.size(0), -1, pictures.size(1) * SIDE**2)


class Look(nn.Module):
    """Attention and then two linear maps, each added to what came; one norm serves both."""

    def __init__(self, heads, blur=0.1):
        super().__init__()
        self.even = nn.LayerNorm(WIDTH)
        self.attend = nn.MultiheadAttention(WIDTH, heads, dropout=blur, batch_first=True)
        self.think = nn.Sequential(nn.Linear(WIDTH, 50), nn.GELU(), nn.Dropout(blur), nn.Linear(50, WIDTH))
        self.blur = nn.Dropout(blur)

    def forward(self, x):
        query = self.even(x)
        seen, shares = self.attend(query, query, query)
        x = x + seen
        return x + self.blur(self.think(self.even(x))), shares


class Mosaic(nn.Module):
    """Scores (B, 5) read off a token of no patch, and where the last layer looked (B, 17, 17)."""

    def __init__(self, depth=2):
        super().__init__()
        self.enter = nn.Linear(3 * SIDE**2, WIDTH)
        self.judge = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.place = nn.Parameter(0.5 * torch.randn(1, 17, WIDTH))
        self.looks = nn.ModuleList([Look(4) for _ in range(depth)])
        self.name = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5))

    def forward(self, pictures):
        x = self.enter(patches(pictures))
        x = torch.cat((self.judge.expand(x.shape[0], 1, -1), x), dim=1) + self.place[:, : x.shape[1] + 1, :]
        for look in self.looks:
            x, shares = look(x)
        return self.name(x[:, 0]), shares


torch.manual_seed(0)
model = Mosaic()
x = torch.randn(24, 3, 16, 16)
y = torch.randint(5, (24,), dtype=torch.long)
decay = [p for n, p in model.named_parameters() if p.ndim > 1]
nd = [p for n, p in model.named_parameters() if p.dim() <= 1]
opt = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.05}, {"params": nd, "weight_decay": 0.0}],
    lr=0.001,
    betas=(0.9, 0.98),
    eps=1e-06,
    fused=None,
    foreach=False,
)
sch = torch.optim.lr_scheduler.SequentialLR(
    opt,
    [
        torch.optim.lr_scheduler.LinearLR(opt, 0.01, 1.0, total_iters=5),
        torch.optim.lr_scheduler.CosineAnnealingLR(opt, 25),
    ],
    milestones=[5],
)
crit = nn.CrossEntropyLoss(label_smoothing=0.1)
for i in range(30):
    opt.zero_grad()
    o, shares = model(x)
    loss = crit(o, y)
    loss.backward()
    n = nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
    opt.step()
    sch.step()
    losses += [loss.item(), n.item()]
model.eval()
with torch.inference_mode():
    o, shares = model(x[:2])
losses += shares[:, 0].amax(-1).tolist()
enc = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(32, 4, 64, 0.1, activation="gelu", batch_first=True, norm_first=True),
    2,
    norm=nn.LayerNorm(32),
    enable_nested_tensor=False,
)
mask = torch.zeros(24, 17, dtype=torch.bool)
mask[:, 12:] = True
opt = torch.optim.NAdam(enc.parameters(), 0.001)
z = torch.randn(24, 17, 32)
for i in range(15):
    o = enc(z, src_key_padding_mask=mask, mask=nn.Transformer.generate_square_subsequent_mask(17))
    l = o[:, :12].mean(1).pow(2).mean() + o[:, 0].sin().mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    losses += [l.item()]
dec = nn.TransformerDecoder(
    nn.TransformerDecoderLayer(d_model=32, nhead=4, dim_feedforward=48, batch_first=True), num_layers=2
)
opt = torch.optim.RAdam(dec.parameters(), 0.001)
for i in range(15):
    o = dec(
        z[:, :6],
        z,
        tgt_mask=torch.triu(torch.full((6, 6), float("-inf")), 1),
        tgt_is_causal=True,
        memory_key_padding_mask=mask,
    )
    l = (o - z[:, 1:7]).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    losses += [l.item()]
