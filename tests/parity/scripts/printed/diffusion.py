"""A diffusion model with a U-Net: weight standardization, linear attention, and sampling."""

import math
from functools import partial
from inspect import isfunction

import torch
import torch.nn.functional as F
from torch import einsum, nn

torch.manual_seed(0)


def exists(x):
    return x is not None


def default(val, d):
    if exists(val):
        return val
    return d() if isfunction(d) else d


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, *args, **kwargs):
        return self.fn(x, *args, **kwargs) + x


def Upsample(dim, dim_out=None):
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(dim, default(dim_out, dim), 3, padding=1)
    )


class Rearr(nn.Module):
    def forward(self, x):
        b, c, h, w = x.shape
        return x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, c * 4, h // 2, w // 2)


def Downsample(dim, dim_out=None):
    return nn.Sequential(Rearr(), nn.Conv2d(dim * 4, default(dim_out, dim), 1))


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        device = time.device
        half_dim = self.dim // 2
        embeddings = math.log(10000) / (half_dim - 1)
        embeddings = torch.exp(torch.arange(half_dim, device=device) * -embeddings)
        embeddings = time[:, None] * embeddings[None, :]
        return torch.cat((embeddings.sin(), embeddings.cos()), dim=-1)


class WeightStandardizedConv2d(nn.Conv2d):
    def forward(self, x):
        eps = 1e-5 if x.dtype == torch.float32 else 1e-3
        weight = self.weight
        mean = weight.mean(dim=(1, 2, 3), keepdim=True)
        var = weight.var(dim=(1, 2, 3), keepdim=True, unbiased=False)
        normalized_weight = (weight - mean) / (var + eps).rsqrt()
        return F.conv2d(
            x, normalized_weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class Block(nn.Module):
    def __init__(self, dim, dim_out, groups=4):
        super().__init__()
        self.proj = WeightStandardizedConv2d(dim, dim_out, 3, padding=1)
        self.norm = nn.GroupNorm(groups, dim_out)
        self.act = nn.SiLU()

    def forward(self, x, scale_shift=None):
        x = self.norm(self.proj(x))
        if exists(scale_shift):
            scale, shift = scale_shift
            x = x * (scale + 1) + shift
        return self.act(x)


class ResnetBlock(nn.Module):
    def __init__(self, dim, dim_out, *, time_emb_dim=None, groups=4):
        super().__init__()
        self.mlp = (
            nn.Sequential(nn.SiLU(), nn.Linear(time_emb_dim, dim_out * 2)) if exists(time_emb_dim) else None
        )
        self.block1 = Block(dim, dim_out, groups=groups)
        self.block2 = Block(dim_out, dim_out, groups=groups)
        self.res_conv = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time_emb=None):
        scale_shift = None
        if exists(self.mlp) and exists(time_emb):
            time_emb = self.mlp(time_emb)[..., None, None]
            scale_shift = time_emb.chunk(2, dim=1)
        return self.block2(self.block1(x, scale_shift=scale_shift)) + self.res_conv(x)


class Attention(nn.Module):
    def __init__(self, dim, heads=2, dim_head=4):
        super().__init__()
        self.scale = dim_head**-0.5
        self.heads = heads
        hidden_dim = dim_head * heads
        self.to_qkv = nn.Conv2d(dim, hidden_dim * 3, 1, bias=False)
        self.to_out = nn.Conv2d(hidden_dim, dim, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = map(lambda t: t.reshape(b, self.heads, -1, h * w), self.to_qkv(x).chunk(3, dim=1))
        q = q * self.scale
        sim = einsum("b h d i, b h d j -> b h i j", q, k)
        sim = sim - sim.amax(dim=-1, keepdim=True).detach()
        attn = sim.softmax(dim=-1)
        out = einsum("b h i j, b h d j -> b h i d", attn, v)
        out = out.permute(0, 1, 3, 2).reshape(b, -1, h, w)
        return self.to_out(out)


class LinearAttention(nn.Module):
    def __init__(self, dim, heads=2, dim_head=4):
        super().__init__()
        self.scale = dim_head**-0.5
        self.heads = heads
        hidden_dim = dim_head * heads
        self.to_qkv = nn.Conv2d(dim, hidden_dim * 3, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(hidden_dim, dim, 1), nn.GroupNorm(1, dim))

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = map(lambda t: t.reshape(b, self.heads, -1, h * w), self.to_qkv(x).chunk(3, dim=1))
        q = q.softmax(dim=-2)
        k = k.softmax(dim=-1)
        q = q * self.scale
        context = torch.einsum("b h d n, b h e n -> b h d e", k, v)
        out = torch.einsum("b h d e, b h d n -> b h e n", context, q).reshape(b, -1, h, w)
        return self.to_out(out)


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.fn = fn
        self.norm = nn.GroupNorm(1, dim)

    def forward(self, x):
        return self.fn(self.norm(x))


class Unet(nn.Module):
    def __init__(self, dim, dim_mults=(1, 2), channels=1, resnet_block_groups=4):
        super().__init__()
        self.init_conv = nn.Conv2d(channels, dim, 1, padding=0)
        dims = [dim, *map(lambda m: dim * m, dim_mults)]
        in_out = list(zip(dims[:-1], dims[1:]))
        bk = partial(ResnetBlock, groups=resnet_block_groups)
        td = dim * 4
        self.time_mlp = nn.Sequential(
            SinusoidalPositionEmbeddings(dim), nn.Linear(dim, td), nn.GELU(), nn.Linear(td, td)
        )
        self.downs = nn.ModuleList([])
        self.ups = nn.ModuleList([])
        n = len(in_out)
        for i, (di, do) in enumerate(in_out):
            self.downs.append(
                nn.ModuleList(
                    [
                        bk(di, di, time_emb_dim=td),
                        bk(di, di, time_emb_dim=td),
                        Residual(PreNorm(di, LinearAttention(di))),
                        Downsample(di, do) if i < n - 1 else nn.Conv2d(di, do, 3, padding=1),
                    ]
                )
            )
        mid = dims[-1]
        self.mid_block1 = bk(mid, mid, time_emb_dim=td)
        self.mid_attn = Residual(PreNorm(mid, Attention(mid)))
        self.mid_block2 = bk(mid, mid, time_emb_dim=td)
        for i, (di, do) in enumerate(reversed(in_out)):
            self.ups.append(
                nn.ModuleList(
                    [
                        bk(do + di, do, time_emb_dim=td),
                        bk(do + di, do, time_emb_dim=td),
                        Residual(PreNorm(do, LinearAttention(do))),
                        Upsample(do, di) if i < n - 1 else nn.Conv2d(do, di, 3, padding=1),
                    ]
                )
            )
        self.final_res_block = bk(dim * 2, dim, time_emb_dim=td)
        self.final_conv = nn.Conv2d(dim, channels, 1)

    def forward(self, x, time):
        x = self.init_conv(x)
        r = x.clone()
        t = self.time_mlp(time)
        h = []
        for b1, b2, attn, down in self.downs:
            x = b1(x, t)
            h.append(x)
            x = b2(x, t)
            x = attn(x)
            h.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, t)), t)
        for b1, b2, attn, up in self.ups:
            x = torch.cat((x, h.pop()), dim=1)
            x = b1(x, t)
            x = torch.cat((x, h.pop()), dim=1)
            x = b2(x, t)
            x = attn(x)
            x = up(x)
        return self.final_conv(self.final_res_block(torch.cat((x, r), dim=1), t))


def cosine_beta_schedule(timesteps, s=0.008):
    steps = timesteps + 1
    x = torch.linspace(0, timesteps, steps)
    ac = torch.cos(((x / timesteps) + s) / (1 + s) * torch.pi * 0.5) ** 2
    ac = ac / ac[0]
    return torch.clip(1 - (ac[1:] / ac[:-1]), 0.0001, 0.9999)


timesteps = 20
betas = torch.linspace(0.0001, 0.02, timesteps)
print(cosine_beta_schedule(8), torch.linspace(1e-4**0.5, 0.02**0.5, 5) ** 2)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, dim=0)
acp = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
sra = torch.sqrt(1.0 / alphas)
sac = torch.sqrt(alphas_cumprod)
somac = torch.sqrt(1.0 - alphas_cumprod)
posterior_variance = betas * (1.0 - acp) / (1.0 - alphas_cumprod)


def extract(a, t, x_shape):
    b = t.shape[0]
    out = a.gather(-1, t.cpu())
    return out.reshape(b, *((1,) * (len(x_shape) - 1))).to(t.device)


def q_sample(x_start, t, noise=None):
    if noise is None:
        noise = torch.randn_like(x_start)
    return extract(sac, t, x_start.shape) * x_start + extract(somac, t, x_start.shape) * noise


def p_losses(m, x0, t, noise=None, loss_type="l1"):
    if noise is None:
        noise = torch.randn_like(x0)
    xn = q_sample(x0, t, noise)
    pn = m(xn, t)
    return {"l1": F.l1_loss, "l2": F.mse_loss, "huber": F.smooth_l1_loss}[loss_type](noise, pn)


@torch.no_grad()
def p_sample(model, x, t, t_index):
    mean = extract(sra, t, x.shape) * (
        x - extract(betas, t, x.shape) * model(x, t) / extract(somac, t, x.shape)
    )
    if t_index == 0:
        return mean
    return mean + torch.sqrt(extract(posterior_variance, t, x.shape)) * torch.randn_like(x)


model = Unet(dim=8)
print(sum(p.numel() for p in model.parameters() if p.requires_grad))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
imgs = torch.stack(
    [((torch.arange(8)[None] + torch.arange(8)[:, None] + k) % 4 < 2).float() * 2 - 1 for k in range(4)]
)[:, None]
for step in range(8):
    opt.zero_grad()
    t = torch.randint(0, timesteps, (4,)).long()
    loss = p_losses(model, imgs, t, loss_type=["huber", "l1", "l2"][step % 3])
    loss.backward()
    print("Loss:", loss.item())
    opt.step()
img = torch.randn(2, 1, 8, 8)
for i in reversed(range(0, timesteps)):
    img = p_sample(model, img, torch.full((2,), i, dtype=torch.long), i)
print(img[0, 0, :2], img.clamp(-1, 1).add(1).mul(0.5).mul(255).to(torch.uint8)[1, 0, 0])
