"""Attention and transformers beside PyTorch: masks, hints, dropout, shapes, padding, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import draws, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

RNG = np.random.default_rng


def tensor(*shape, seed=0, grad=True, dtype=np.float64):
    return torch.from_numpy(np.asarray(RNG(seed).uniform(-1, 1, shape), dtype)).requires_grad_(grad)


def mask(*shape, kind="bool", seed=5, share=0.3):
    hidden = RNG(seed).uniform(size=shape) < share
    if kind == "bool":
        return torch.from_numpy(hidden)
    return torch.from_numpy(np.where(hidden, -np.inf, RNG(seed).uniform(-1, 1, shape)))


@given(
    lead=st.sampled_from([(), (2,), (2, 3)]),
    length=st.integers(1, 4),
    source=st.integers(1, 4),
    kind=st.sampled_from(["none", "bool", "float", "causal", "both"]),
    dropout=st.sampled_from([0.0, 0.5, 1.0]),
    scale=st.sampled_from([None, 0.3]),
)
def test_scaled_dot_product_attention(lead, length, source, kind, dropout, scale):
    q, k, v = tensor(*lead, length, 4), tensor(*lead, source, 4, seed=1), tensor(*lead, source, 3, seed=2)
    m = (
        mask(length, source, kind="bool" if kind == "both" else kind)
        if kind in ("bool", "float", "both")
        else None
    )

    def run(lib, q, k, v, m):
        lib.manual_seed(1)
        causal = kind in ("causal", "both")
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, m, dropout, causal, scale=scale)

    same(run, q, k, v, m, second=False)  # PyTorch's fused attention has no second derivative


@pytest.mark.parametrize("heads, shared", [(4, 2), (4, 1), (3, 2), (4, 4), (2, 4)])
def test_grouped_heads(heads, shared):
    q, k, v = (tensor(2, h, 3, 4, seed=h) for h in (heads, shared, shared))
    same(
        lambda lib, *a: lib.nn.functional.scaled_dot_product_attention(*a, enable_gqa=True),
        q,
        k,
        v,
        second=False,
    )


@pytest.mark.parametrize(
    "q, k, v, m",
    [
        (tensor(3, 4), tensor(3, 5), tensor(3, 4), None),
        (tensor(3, 4), tensor(2, 4), tensor(3, 4), None),
        (tensor(4), tensor(4), tensor(4), None),
        (tensor(3, 4), tensor(3, 4, dtype=np.float32), tensor(3, 4), None),
        (tensor(3, 4), tensor(3, 4), tensor(3, 4), torch.zeros(3, 3)),
        (tensor(3, 4), tensor(3, 4), tensor(3, 4), torch.zeros(3, 3, dtype=torch.int64)),
        (tensor(3, 4), tensor(3, 4), tensor(3, 4), mask(2, 3)),
    ],
)
def test_scaled_dot_product_attention_refuses(q, k, v, m):
    same(lambda lib, *a: lib.nn.functional.scaled_dot_product_attention(*a), q, k, v, m)


def masks(draw_attn, draw_padding, batched, n, heads, length, source):
    shape = {"2d": (length, source), "3d": ((n if batched else 1) * heads, length, source)}
    attn = None if draw_attn == "none" else mask(*shape[draw_attn[:2]], kind=draw_attn[2:], share=0.2)
    lead = (n,) if batched else ()
    padding = None if draw_padding == "none" else mask(*lead, source, kind=draw_padding, seed=8, share=0.2)
    return attn, padding


@draws(30)
@given(
    batched=st.booleans(),
    batch_first=st.booleans(),
    own=st.booleans(),
    bias=st.booleans(),
    extra=st.booleans(),
    zero=st.booleans(),
    widths=st.sampled_from([(None, None), (3, 5), (6, 6)]),
    need=st.booleans(),
    average=st.booleans(),
    attn=st.sampled_from(["none", "2dbool", "2dfloat", "3dbool", "3dfloat"]),
    padding=st.sampled_from(["none", "bool", "float"]),
    dropout=st.sampled_from([0.0, 0.4]),
    causal=st.booleans(),
)
def test_multihead_attention(
    batched, batch_first, own, bias, extra, zero, widths, need, average, attn, padding, dropout, causal
):
    n, length, source = 2, 3, 3 if own else 4
    if own:
        widths = (None, None)
    attn_mask, padding_mask = masks(attn, padding, batched, n, 2, length, source)
    causal = causal and attn == "none"

    def inputs(steps, width, seed):
        shape = (steps, width) if not batched else (n, steps, width) if batch_first else (steps, n, width)
        return tensor(*shape, seed=seed)

    q = inputs(length, 6, 0)
    others = () if own else (inputs(source, widths[0] or 6, 1), inputs(source, widths[1] or 6, 2))

    def run(lib, attn_mask, padding_mask, q, *others):
        k, v = others or (q, q)
        lib.manual_seed(4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = lib.nn.MultiheadAttention(
                6, 2, dropout, bias, extra, zero, widths[0], widths[1], batch_first
            ).double()
            out, weights = m(q, k, v, padding_mask, need, attn_mask, average, causal)
        return [out, weights, out.stride() if dropout == 0 else None]

    same(run, attn_mask, padding_mask, q, *others, second=need)


@pytest.mark.parametrize(
    "shapes, options",
    [
        ([(3, 2, 6), (3, 2, 6), (4, 2, 6)], {}),
        ([(3, 2, 5), (3, 2, 6), (3, 2, 6)], {}),
        ([(3, 6), (3, 2, 6), (3, 2, 6)], {}),
        ([(3, 2, 6), (3, 6), (3, 6)], {}),
        ([(1, 3, 2, 6)] * 3, {}),
        ([(3, 2, 6)] * 3, {"attn_mask": mask(2, 3)}),
        ([(3, 2, 6)] * 3, {"attn_mask": mask(3)}),
        ([(3, 2, 6)] * 3, {"attn_mask": mask(3, 3, 3)}),
        ([(3, 6)] * 3, {"attn_mask": mask(3, 3, 3)}),
        ([(3, 2, 6)] * 3, {"attn_mask": torch.ones(3, 3, dtype=torch.int64)}),
        ([(3, 2, 6)] * 3, {"key_padding_mask": mask(3)}),
        ([(3, 2, 6)] * 3, {"key_padding_mask": mask(3, 2)}),
        ([(3, 2, 6)] * 3, {"key_padding_mask": torch.ones(2, 3, dtype=torch.int64)}),
        ([(3, 2, 6)] * 3, {"is_causal": True}),
        ([(3, 2, 6)] * 3, {"attn_mask": mask(3, 3), "key_padding_mask": mask(2, 3, kind="float")}),
    ],
)
def test_multihead_attention_refuses_or_warns(shapes, options):
    def run(lib, q, k, v, **options):
        lib.manual_seed(0)
        return list(lib.nn.MultiheadAttention(6, 2).double()(q, k, v, **options))

    same(run, *[tensor(*s, seed=i) for i, s in enumerate(shapes)], second=False, **options)


@pytest.mark.parametrize("arguments", [(6, 4), (0, 1), (6, 0), (-6, 2)])
def test_multihead_attention_constructor_refuses(arguments):
    same(lambda lib: repr(lib.nn.MultiheadAttention(*arguments)))


@draws(15)
@given(
    batch_first=st.booleans(),
    norm_first=st.booleans(),
    activation=st.sampled_from(["relu", "gelu"]),
    dropout=st.sampled_from([0.0, 0.3]),
    training=st.booleans(),
    src=st.sampled_from(["none", "bool", "float", "causal"]),
    padding=st.booleans(),
    bias=st.booleans(),
)
def test_transformer(batch_first, norm_first, activation, dropout, training, src, padding, bias):
    def shape(steps):
        return (2, steps, 6) if batch_first else (steps, 2, 6)

    x, y = tensor(*shape(4)), tensor(*shape(3), seed=1)
    hide = torch.from_numpy(np.array([[False] * 4, [False, False, False, True]])) if padding else None
    src_mask = None if src in ("none", "causal") else mask(4, 4, kind=src, share=0.2)

    def run(lib, x, y, src_mask, hide):
        lib.manual_seed(2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = lib.nn.Transformer(
                6, 2, 2, 1, 8, dropout, activation, batch_first=batch_first, norm_first=norm_first, bias=bias
            ).double()
            m.train(training)
            square = m.generate_square_subsequent_mask
            if src == "causal":
                src_mask = square(4).double()
            tgt_mask = square(3, dtype=lib.float64)
            return m(
                x, y, src_mask, tgt_mask, src_key_padding_mask=hide, memory_key_padding_mask=hide,
                src_is_causal=src == "causal", tgt_is_causal=True,
            )  # fmt: skip

    same(run, x, y, src_mask, hide, second=False)


@pytest.mark.parametrize(
    "src, tgt", [((4, 2, 6), (3, 3, 6)), ((4, 2, 5), (3, 2, 6)), ((4, 2, 6), (3, 2, 5)), ((4, 6), (3, 6))]
)
def test_transformer_shapes(src, tgt):
    def run(lib, x, y):
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lib.nn.Transformer(6, 2, 1, 1, 8, 0.0).double()(x, y)

    same(run, tensor(*src), tensor(*tgt), second=False)


def test_a_causal_hint_needs_its_mask():
    def run(lib, x):
        return lib.nn.TransformerEncoderLayer(6, 2, 8, 0.0).double()(x, is_causal=True)

    same(run, tensor(3, 2, 6))
    same(lambda lib: lib.nn.TransformerEncoderLayer(6, 2, 8, activation="sigmoid"))


# ---- what subclasses replace, and what evaluation does with padding


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
