"""Transformers: the parts that subclasses replace, and what evaluation does with padding."""

from __future__ import annotations

import warnings

import pytest
from helpers import same

KEYS = {
    "": dict(batch_first=True),
    "gelu": dict(batch_first=True, activation="gelu"),
    "norm_first": dict(batch_first=True, norm_first=True),
    "second": dict(),
    "tanh": dict(batch_first=True, activation="tanh"),
    "no_bias": dict(batch_first=True, bias=False),
}
PADDING = {
    "right": [[False, False, False], [False, False, True], [False, True, True]],
    "left": [[False, False, False], [True, False, False], [False, False, True]],
    "none": [[False] * 3] * 3,
}


def encoder(torch, kind, norm=True, **options):
    torch.manual_seed(0)
    keys = dict(KEYS[kind])
    if keys.get("activation") == "tanh":
        keys["activation"] = torch.nn.functional.tanh
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, **keys)
        return torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(4) if norm else None, **options)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_padding_in_evaluation(kind, padding):
    def run(torch):
        net = encoder(torch, kind).eval()
        net.norm.bias.data.fill_(0.5)
        x, mask = torch.randn(3, 3, 4), torch.tensor(PADDING[padding])
        with torch.no_grad():
            plain = [net(x, src_key_padding_mask=mask), net(x)]
            plain.append(net(x, src_key_padding_mask=mask.float().masked_fill(mask, float("-inf"))))
            bare = encoder(torch, kind, norm=False).eval()(x, src_key_padding_mask=mask)
        switches = [net.use_nested_tensor, net.enable_nested_tensor, net.mask_check]
        return [plain, bare, net(x, src_key_padding_mask=mask).detach(), switches]

    same(run, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_padding_stays_where_the_shortcut_is_off():
    def run(torch):
        torch.manual_seed(1)
        x, mask = torch.randn(3, 3, 4), torch.tensor(PADDING["right"])
        with torch.no_grad():
            outs = [encoder(torch, "", enable_nested_tensor=False).eval()(x, src_key_padding_mask=mask)]
            net = encoder(torch, "").eval()
            torch.backends.mha.set_fastpath_enabled(False)
            outs.append(net(x, src_key_padding_mask=mask))
            torch.backends.mha.set_fastpath_enabled(True)
            outs.append(net(x, torch.zeros(3, 3, dtype=torch.bool), src_key_padding_mask=mask))
            for p in net.parameters():
                p.requires_grad_(False)
        outs.append(net(x, src_key_padding_mask=mask))
        return outs

    same(run, rtol=1e-4, atol=1e-5)


def test_blocks_may_be_replaced():
    def run(torch):
        class Encoder(torch.nn.TransformerEncoderLayer):
            def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
                return self.dropout1(x * 2)

        class Decoder(torch.nn.TransformerDecoderLayer):
            def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
                return x + mem.mean()

            def _ff_block(self, x):
                return super()._ff_block(x) * 3

        torch.manual_seed(0)
        outs = []
        x, y = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
        for first in (False, True):
            keys = dict(dropout=0.0, norm_first=first, batch_first=True)
            outs.append(Encoder(4, 2, 8, **keys)(x, torch.zeros(3, 3)))
            outs.append(Decoder(4, 2, 8, **keys)(x, y, tgt_mask=torch.zeros(3, 3)))
        return outs

    same(run, rtol=1e-4, atol=1e-5)


def test_what_layers_know_of_their_activation():
    def run(torch):
        F, nn = torch.nn.functional, torch.nn
        kinds = ["relu", "gelu", F.relu, F.gelu, nn.ReLU(), nn.GELU(), nn.Tanh(), F.silu]
        return [nn.TransformerEncoderLayer(4, 2, 8, activation=k).activation_relu_or_gelu for k in kinds]

    same(run)


def test_merged_masks():
    def run(torch):
        torch.manual_seed(0)
        net, x = torch.nn.MultiheadAttention(4, 2), torch.randn(3, 5, 4)
        square, cube, pad = torch.randn(5, 5), torch.randn(6, 5, 5), torch.randn(3, 5)
        given = [(None, None), (square, None), (None, pad), (square, pad), (cube, pad), (cube, None)]
        return [list(net.merge_masks(a, b, x)) for a, b in given]

    same(run)
