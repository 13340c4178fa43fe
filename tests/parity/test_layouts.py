"""Results lie in memory as PyTorch's do, so that masks and noise are drawn for the same elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tinygrad6

LIBRARIES = (tinygrad6, torch)
ONES = (2, 6, 4, 5)  # the shape of every x below, and of c
GIVEN = {  # how x came to lie as it does
    "row-major": lambda t: t(2, 6, 4, 5),
    "channels last": lambda t: t(2, 4, 5, 6).permute(0, 3, 1, 2),
    "batch inside": lambda t: t(6, 2, 4, 5).permute(1, 0, 2, 3),
    "transposed": lambda t: t(2, 6, 5, 4).transpose(2, 3),
    "heads": lambda t: t(2, 4, 6, 5).transpose(1, 2),
    "every second": lambda t: t(2, 6, 4, 10)[..., ::2],
    "some channels, last": lambda t: t(2, 4, 5, 9).permute(0, 3, 1, 2)[:, 2:8],
    "repeated": lambda t: t(2, 6, 1, 5).expand(2, 6, 4, 5),
    "reversed": lambda t: t(5, 4, 6, 2).permute(3, 2, 1, 0),
}
# x is the tensor above, c row-major, t the library, f its nn.functional, r draws from a generator of NumPy's
CALLS = """
x + 1 | -x | x.exp() | x.relu() | f.gelu(x) | f.silu(x) | f.elu(x) | x.sigmoid() | x ** 2 | x.clamp(0, 1)
x > 0 | x + c | c + x | x * r(4, 5) | r(4, 5) * x | x * r(1, 6, 1, 1) | x * x.mean((2, 3), keepdim=True)
c / x | x * x.sigmoid() | t.where(x > 0, x, c) | x.masked_fill(x > 0, 1.0) | t.lerp(x, c, 0.5)
t.addcmul(x, c, c) | t.maximum(x, c) | t.hypot(x, c) | x.half() | x.double() | x.long() | x.bool()
x.clone() | x.contiguous() | t.zeros_like(x) | t.full_like(x, 2.0) | t.rand_like(x) | t.randn_like(x)
t.randint_like(x, 9) | t.bernoulli(x.sigmoid()) | f.dropout(x, 0.4) | f.dropout2d(x, 0.4) | x.softmax(1)
x.softmax(-1) | x.log_softmax(1) | x.cumsum(1) | x.cumsum(3) | x.sort(1)[0] | x.argsort(3) | x.topk(2, 1)[0]
x.sum(1) | x.sum(-1) | x.sum(1, keepdim=True) | x.mean((2, 3)) | x.var(1) | x.std(2) | x.amax(1)
x.max(1)[0] | x.norm(dim=1) | x.prod(1) | (x > 0).any(1) | x.logsumexp(1) | x.argmax(1)
f.linear(x, r(7, 5)) | x @ r(5, 7) | x @ x.transpose(2, 3) | f.conv2d(x, r(3, 6, 3, 3), padding=1)
f.conv2d(x, r(3, 6, 1, 1)) | f.conv2d(x, r(6, 1, 3, 3), groups=6)
f.conv2d(x, r(3, 6, 3, 3), stride=2, padding=1) | f.conv_transpose2d(x, r(6, 3, 2, 2), stride=2)
f.batch_norm(x, None, None, training=True) | f.batch_norm(x, t.zeros(6), t.ones(6)) | f.group_norm(x, 2)
f.instance_norm(x) | f.layer_norm(x, (5,)) | f.rms_norm(x, (5,)) | f.normalize(x, dim=1)
f.max_pool2d(x, 2) | f.avg_pool2d(x, 2) | f.adaptive_avg_pool2d(x, 1) | f.adaptive_avg_pool2d(x, 2)
f.adaptive_max_pool2d(x, 2) | f.interpolate(x, scale_factor=2)
f.interpolate(x, scale_factor=2, mode="bilinear") | f.pad(x, (1, 1, 1, 1))
f.pad(x, (1, 1, 1, 1), mode="reflect") | t.cat([x, x], 1) | t.cat([x, c], 1) | t.cat([c, x], 2) | x.flip(2)
t.roll(x, 1, 2) | x.repeat(1, 1, 2, 1) | x.tril() | x.flatten(1) | x.reshape(2, 24, 5) | f.glu(x, 1)
f.mse_loss(x, c, reduction="none") | f.scaled_dot_product_attention(x, x, x) | f.gumbel_softmax(x, dim=1)
t.einsum("bhij,bhkj->bhik", x, r(2, 6, 3, 5)) | t.einsum("bhij,bjhd->bihd", x, r(2, 5, 6, 3))
t.einsum("bhij,hg->bgij", x, r(6, 3)) | t.einsum("bhij->bji", x) | t.einsum("bhij->bihj", x)
t.einsum("bhij,bhij->bhij", x, c) | t.einsum("bihd,bjhd->ijbh", x, r(2, 3, 4, 5))
t.einsum("bhij,d->bhijd", x, r(3)) | t.einsum("bhij,j->bhi", x, r(5))
""".replace("\n", " | ").split(" | ")
CALLS = [call.strip() for call in CALLS if call.strip()]


def made(lib, given, call):
    rng = np.random.default_rng(0)
    r = lambda *size: lib.from_numpy(rng.standard_normal(size, dtype=np.float32))  # noqa: E731
    x, c = given(r), r(*ONES)
    lib.manual_seed(0)
    return eval(call, {"x": x, "c": c, "t": lib, "f": lib.nn.functional, "r": r})


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.filterwarnings("ignore")
def test_results_lie_in_memory_as_in_pytorch(given):
    wrong = []
    for call in CALLS:
        ours, theirs = (made(lib, given, call) for lib in LIBRARIES)
        steps = [[s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1] for t in (ours, theirs)]
        if steps[0] != steps[1]:
            wrong.append((call, *steps))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5, err_msg=call)
    assert not wrong


PROGRAMS = {
    "images whose channels come last": """
x = torch.tensor(np.random.default_rng(0).random((4, 8, 8, 3), dtype=np.float32).transpose(0, 3, 1, 2))
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5))
out = net(x + 0.1 * torch.randn_like(x))
""",
    "patches and their places": """
x = nn.Conv2d(3, 6, 4, stride=4)(torch.randn(2, 3, 16, 16)).flatten(2).transpose(1, 2)
out = nn.functional.dropout(x + torch.randn(1, 16, 6), 0.3)
""",
    "attention by einsum": """
q, k = torch.randn(5, 2, 3, 4), torch.randn(5, 2, 3, 4)
out = nn.Dropout(0.4)(torch.einsum("ibhd,jbhd->ijbh", q, k).softmax(1))
""",
    "a memory format that was asked for": """
x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
out = nn.functional.dropout(x.clone(), 0.5) * x.is_contiguous(memory_format=torch.channels_last)
out = out + nn.functional.dropout(x.contiguous(), 0.5) * (not x.is_contiguous())
out = out + torch.rand_like(x, memory_format=torch.contiguous_format)
""",
    "probabilities that were transposed": """
out = torch.multinomial(torch.rand(6, 4).t(), 3).float() + torch.multinomial(torch.rand(3, 4).t(), 1)
""",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_masks_fall_on_the_same_elements(program):
    outs = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        space = {"torch": lib, "nn": lib.nn, "np": np}
        exec(program, space)
        outs.append(space["out"])
    np.testing.assert_allclose(outs[0].detach().numpy(), outs[1].detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lib", LIBRARIES, ids=["ours", "theirs"])
def test_a_memory_format_needs_its_number_of_dimensions(lib):
    for x, name in ((lib.ones(2, 3, 4), "channels_last"), (lib.ones(2, 3, 4, 5), "channels_last_3d")):
        with pytest.raises(RuntimeError, match="required rank"):
            x.contiguous(memory_format=getattr(lib, name))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_outputs_of_recurrent_layers_lie_as_in_pytorch(cell, layers):
    for options in ({}, {"batch_first": True}, {"bidirectional": True}):
        ours, theirs = (
            getattr(lib.nn, cell)(4, 6, layers, **options)(lib.ones(3, 5, 4))[0] for lib in LIBRARIES
        )
        assert ours.stride() == theirs.stride() and ours.is_contiguous() == theirs.is_contiguous()
