"""Attention functions, exported by functional.py."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tinygrad6 import layouts
from tinygrad6.op import NAMES, OPS
from tinygrad6.ops import create
from tinygrad6.tensor import Tensor, wrap

from ._dropout import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T scale + mask) V: query (*, L, E), key (*, S, E), value (*, S, Ev) -> (*, L, Ev).

    scale is 1 / sqrt(E) by default; a bool mask is True where a query may look, a float mask is added;
    is_causal lets query i look at keys up to i. A query that may look nowhere gets zeros. enable_gqa repeats
    the heads of key and value (*, H', S, E) to match query's (*, H, L, E). Source: Vaswani et al. 2017,
    equation 1.
    """
    name = "scaled_dot_product_attention()"
    if not query.array.dtype == key.array.dtype == value.array.dtype:
        raise RuntimeError(
            f"{name}: Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"{name}: Expected query, key, and value to all be at least 2 dimensional, but got "
            f"{query.ndim}, {key.ndim} and {value.ndim} dimensions"
        )
    if attn_mask is not None:
        if is_causal:
            raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True")
        if attn_mask.array.dtype not in (bool, np.float32, query.array.dtype):
            raise RuntimeError(
                f"{name}: Expected attn_mask dtype to be bool or float or to match query dtype, but got "
                f"attn_mask.dtype: {attn_mask.dtype} and query.dtype: {query.dtype} instead."
            )
    if enable_gqa:
        if query.ndim < 3 or key.shape[-3] == 0 or query.shape[-3] % key.shape[-3]:
            raise RuntimeError(
                f"{name}: Number of heads in key and value must divide the number of heads in query"
            )
        times = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {dropout_p}")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * factor) @ key.transpose(-2, -1)
    if is_causal:
        length, source = scores.array.shape[-2:]
        attn_mask = wrap(np.tri(length, source, dtype=bool))
    if attn_mask is not None:
        scores = scores + (additive(~attn_mask, scores) if attn_mask.array.dtype == bool else attn_mask)
    blind = None
    if attn_mask is not None and not is_causal:
        nowhere = np.isneginf(scores.array).all(-1, keepdims=True)
        blind = wrap(nowhere) if nowhere.any() else None
    if blind is None:
        weights = OPS["softmax"].call(scores, -1)
    else:
        weights = OPS["softmax"].call(scores.masked_fill(blind, 0.0), -1).masked_fill(blind, 0.0)
    if dropout_p:
        weights = dropout(weights, dropout_p, True)
    out = weights @ value
    if layouts.unusual and not dropout_p and query.ndim == 4:  # PyTorch's fast way, where rows have no gaps
        arrays = [t.array for t in (query, key, value)]
        if all(a.strides[-1] == a.itemsize for a in arrays) and out.shape == query.shape:
            out.array = layouts.follow(out.array, arrays[:1])
    return out


def additive(mask: Tensor, like: Tensor) -> Tensor:
    """A mask that is True where a query may not look as one that is added: -inf there, 0 elsewhere."""
    if mask.array.dtype == bool:
        return wrap(np.where(mask.array, -np.inf, 0.0).astype(like.array.dtype))
    return mask


def _check_shapes(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the arguments are batches; AssertionError where they disagree about it."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    for name, t, wanted in (
        ("key", key, (query.ndim,)),
        ("value", value, (query.ndim,)),
        ("key_padding_mask", key_padding_mask, (query.ndim - 1,)),
        ("attn_mask", attn_mask, (2, 3)),
    ):
        if t is not None and t.ndim not in wanted:
            raise AssertionError(
                f"For {'batched' if query.ndim == 3 else 'unbatched'} ({query.ndim}-D) `query`, expected "
                f"`{name}` to be {' or '.join(f'{n}-D' for n in wanted)} but found {t.ndim}-D tensor instead"
            )
    if query.ndim == 2 and attn_mask is not None and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if attn_mask.array.shape != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}"
            )
    for name, t in (("key_padding_mask", key_padding_mask), ("attn_mask", attn_mask)):
        if t is not None and t.array.dtype != bool and t.array.dtype.kind != "f":
            raise AssertionError(f"only bool and floating types of {name} are supported")
    if attn_mask is not None and key_padding_mask is not None:
        if attn_mask.array.dtype != key_padding_mask.array.dtype:
            warnings.warn(
                "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both "
                "instead.",
                stacklevel=4,
            )
    return query.ndim == 3


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    own: tuple[Tensor | None, ...] | None,
) -> tuple[Tensor, ...]:
    """Queries, keys and values, each (*, E): by one weight (3 E, E), or by three of their own."""
    linear, width = OPS["linear"].call, query.shape[-1]
    if own is None and query is key and key is value:  # one product instead of three
        return linear(query, weight, bias).chunk(3, -1)
    weights: Any = weight.chunk(3) if own is None else own  # type: ignore[union-attr]
    if own is not None:
        for name, x, w in zip(("key", "value"), (key, value), weights[1:], strict=True):
            if w.shape != (width, x.shape[-1]):
                raise AssertionError(
                    f"expecting {name} weights shape of {(width, x.shape[-1])}, but got {w.shape}"
                )
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def _merged_mask(
    attn_mask: Tensor | None,
    padding_mask: Tensor | None,
    like: Tensor,
    n: int,
    heads: int,
    length: int,
    source: int,
) -> Tensor | None:
    """Both masks as one that is added, of a shape that broadcasts to (N, H, L, S)."""
    mask = None
    if attn_mask is not None:
        mask = additive(attn_mask, like)
        expected = (length, source) if mask.ndim == 2 else (n * heads, length, source)
        if mask.array.shape != expected:
            raise RuntimeError(
                f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}."
            )
        if mask.ndim == 3:
            mask = mask.reshape(n, heads, length, source)
    if padding_mask is not None:
        if padding_mask.array.shape != (n, source):
            raise AssertionError(
                f"key_padding_mask should have shape {(n, source)}, got {tuple(padding_mask.shape)}"
            )
        padding = additive(padding_mask, like).reshape(n, 1, 1, source)
        mask = padding if mask is None else mask + padding
    return mask


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What MultiheadAttention computes: query (L, N, E), key (S, N, *), value (S, N, *) or all without N.

    Returns (L, N, E), and the weights (N, L, S), or (N, H, L, S) if not averaged, if they are needed. Masks
    are True, or -inf, where a query may not look: attn_mask (L, S) or (N H, L, S), key_padding_mask (N, S).
    Source: Vaswani et al. 2017, section 3.2.2.
    """
    if static_k is not None or static_v is not None:
        raise NotImplementedError("multi_head_attention_forward(): static_k and static_v are not supported")
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        alone = query is key and key is value
        query, key, value = (
            [query.unsqueeze(1)] * 3 if alone else (x.unsqueeze(1) for x in (query, key, value))
        )
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, n, width = query.shape
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2] or not use_separate_proj_weight and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    own = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, own)
    source = k.shape[0]
    mask = _merged_mask(attn_mask, key_padding_mask, q, n, num_heads, length, source)
    more = 0  # keys and values that nobody may be kept from
    cat = NAMES["cat"]
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("multi_head_attention_forward(): bias_k and bias_v go together")
    if bias_k is not None and bias_v is not None:
        k, v = (cat([x, b.expand(1, n, width)]) for x, b in ((k, bias_k), (v, bias_v)))
        more += 1
    q, k, v = (x.reshape(x.shape[0], n, num_heads, head).permute(1, 2, 0, 3) for x in (q, k, v))
    if add_zero_attn:
        zero = create.zeros((n, num_heads, 1, head), dtype=k.dtype)
        k, v = cat([k, zero], 2), cat([v, zero], 2)
        more += 1
    if mask is not None and more:
        mask = cat([mask, create.zeros((*mask.shape[:-1], more), dtype=mask.dtype)], -1)
    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / head)) @ k.transpose(-2, -1)
        weights = OPS["softmax"].call(scores if mask is None else scores + mask, -1)
        weights = dropout(weights, p) if p else weights
        out = weights @ v
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        out = scaled_dot_product_attention(q, k, v, mask, p)
    out = OPS["linear"].call(
        out.permute(2, 0, 1, 3).reshape(length, n, width), out_proj_weight, out_proj_bias
    )
    if not batched:
        return out.squeeze(1), None if weights is None else weights.squeeze(0)
    return out, weights
