"""A vision transformer with parameter groups and chained schedules; encoder and decoder with masks."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import math

losses = []


class PatchExtractor(nn.Module):
    def __init__(self, patch_size=4):
        super().__init__()
        self.patch_size = patch_size

    def forward(self, input_data):
        batch_size, channels, height, width = input_data.size()
        assert height % self.patch_size == 0 and width % self.patch_size == 0
        num_patches = height // self.patch_size * (width // self.patch_size)
        patches = (
            input_data.unfold(2, self.patch_size, self.patch_size)
            .unfold(3, self.patch_size, self.patch_size)
            .permute(0, 2, 3, 1, 4, 5)
            .contiguous()
            .view(batch_size, num_patches, -1)
        )
        return patches


class InputEmbedding(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.LinearProjection = nn.Linear(48, d)
        self.class_token = nn.Parameter(torch.randn(1, 1, d))
        self.pos_embedding = nn.Parameter(torch.randn(1, 1, d) + torch.zeros(1, 17, d))
        self.patchify = PatchExtractor()

    def forward(self, x):
        lp = self.LinearProjection(self.patchify(x))
        b, n, _ = lp.shape
        ct = self.class_token.expand(b, 1, -1)
        lp = torch.cat((ct, lp), dim=1)
        return lp + self.pos_embedding[:, : n + 1, :]


class EncoderBlock(nn.Module):
    def __init__(self, d, h, p=0.1):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.multihead = nn.MultiheadAttention(d, h, dropout=p, batch_first=True)
        self.enc_MLP = nn.Sequential(
            nn.Linear(d, d * 2), nn.GELU(), nn.Dropout(p), nn.Linear(d * 2, d), nn.Dropout(p)
        )

    def forward(self, x):
        first = self.norm(x)
        att, w = self.multihead(first, first, first)
        x = att + x
        return (self.enc_MLP(self.norm(x)) + x, w)


class ViT(nn.Module):
    def __init__(self, d=32, L=2, ncls=5):
        super().__init__()
        self.embed = InputEmbedding(d)
        self.blocks = nn.ModuleList([EncoderBlock(d, 4) for _ in range(L)])
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, ncls))

    def forward(self, x):
        x = self.embed(x)
        for b in self.blocks:
            x, w = b(x)
        return (self.head(x[:, 0]), w)


torch.manual_seed(0)
model = ViT()
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
    o, w = model(x)
    loss = crit(o, y)
    loss.backward()
    n = nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
    opt.step()
    sch.step()
    losses += [loss.item(), n.item()]
model.eval()
with torch.inference_mode():
    o, w = model(x[:2])
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
