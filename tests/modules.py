"""The table of modules: how to make each class of nn, and what to feed it.

test_modules.py and its parity twin run over it. An entry's `make` takes the library's nn, ours or PyTorch's;
its inputs are shapes, or functions from a NumPy generator to an array, or None for an argument left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Entry(NamedTuple):
    name: str
    make: Callable[[Any], Any]
    inputs: list
    random: bool  # draws in training: no two calls agree
    modal: bool  # training and evaluation differ
    smooth: bool  # gradcheck applies
    inplace: bool  # changes its input
    normal: bool  # initial values are normal numbers, which agree with PyTorch's to rounding only


MODULES: list[Entry] = []


def add(name, *args, inputs, random=False, modal=None, smooth=True, normal=False, make=None, **kwargs):
    make = make or (lambda nn: getattr(nn, name)(*args, **kwargs))
    shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    modal = random if modal is None else modal
    inplace = kwargs.get("inplace", False) or name == "Dropout" and True in args
    MODULES.append(Entry(f"{name}({shown})", make, inputs, random, modal, smooth, inplace, normal))


def away(*shape, low=0.2, high=0.9):
    """Numbers of both signs away from 0, where kinks are."""
    return lambda rng: rng.uniform(low, high, shape) * rng.choice([-1, 1], shape)


def between(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape)


def below(n, *shape):
    return lambda rng: rng.integers(0, n, shape)


def signs(*shape):
    def drawn(rng):
        return rng.choice([-1.0, 1.0], shape)

    drawn.fixed = True  # labels: they are not differentiated
    return drawn


def draw(inputs: list, dtype: Any, seed: int = 0) -> list:
    """The arrays of an entry's inputs; floating ones in dtype."""
    rng = np.random.default_rng(seed)
    arrays = [x if x is None else x(rng) if callable(x) else rng.uniform(-1, 1, x) for x in inputs]
    return [a if a is None or a.dtype.kind != "f" else a.astype(dtype) for a in arrays]


# ---- linear and containers
add("Identity", 7, unused=1, inputs=[(2, 3)])
add("Linear", 4, 3, inputs=[(2, 4)])
add("Linear", 4, 3, bias=False, inputs=[(2, 5, 4)])
add("Linear", 4, 1, inputs=[(4,)])
add("Bilinear", 3, 4, 5, inputs=[(2, 3), (2, 4)])
add("Bilinear", 3, 4, 2, bias=False, inputs=[(2, 6, 3), (2, 6, 4)])
add("Sequential", make=lambda nn: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), inputs=[(4, 3)])
add("Flatten", inputs=[(2, 3, 4)])
add("Flatten", 0, 1, inputs=[(2, 3, 4)])
add("Unflatten", 1, (2, 3), inputs=[(4, 6, 2)])

# ---- activations
for _name in (
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "ELU",
    "SELU",
    "CELU",
    "SiLU",
    "Mish",
    "Hardsigmoid",
    "Hardswish",
):
    add(_name, inputs=[away(3, 4)])
    add(_name, inplace=True, inputs=[away(3, 4)], smooth=False)
for _name in ("Sigmoid", "Tanh", "Softsign", "Tanhshrink", "LogSigmoid", "GELU", "Softplus", "Hardtanh"):
    add(_name, inputs=[away(3, 4)])
add("LeakyReLU", 0.2, inputs=[away(3, 4)])
add("ELU", 0.5, inputs=[away(3, 4)])
add("CELU", 0.5, inputs=[away(3, 4)])
add("GELU", approximate="tanh", inputs=[(3, 4)])
add("Softplus", 2.0, 1.5, inputs=[away(3, 4, high=1.5)])
add("Hardtanh", -0.5, 0.25, inputs=[away(3, 4, low=0.6, high=1.2)])
add("Hardshrink", inputs=[away(3, 4, low=0.6, high=1.2)])
add("Softshrink", 0.3, inputs=[away(3, 4, low=0.4, high=1.2)])
add("Threshold", 0.1, -2.0, inputs=[away(3, 4)])
add("Threshold", 0.1, -2.0, inplace=True, inputs=[away(3, 4)], smooth=False)
add("GLU", inputs=[(3, 4)])
add("GLU", 0, inputs=[(4, 3)])
add("Softmax", 1, inputs=[(3, 4)])
add("Softmin", dim=0, inputs=[(3, 4)])
add("LogSoftmax", dim=-1, inputs=[(3, 4)])
add("Softmax2d", inputs=[(2, 3, 2, 2)])
add("PReLU", inputs=[away(3, 4)])
add("PReLU", 3, 0.1, inputs=[away(2, 3, 4)])
add("RReLU", inputs=[away(3, 4)], random=True)
add("RReLU", 0.2, 0.3, inplace=True, inputs=[away(3, 4)], random=True, smooth=False)

# ---- dropout
add("Dropout", inputs=[(6, 7)], random=True)
add("Dropout", 0.3, True, inputs=[(6, 7)], random=True, smooth=False)
add("Dropout", 0.0, inputs=[(6, 7)])
add("Dropout", 1.0, inputs=[(6, 7)], modal=True)
add("Dropout1d", 0.4, inputs=[(4, 5, 3)], random=True)
add("Dropout2d", 0.4, inputs=[(4, 5, 2, 3)], random=True)
add("Dropout3d", 0.4, inputs=[(4, 5, 2, 2, 2)], random=True)
add("AlphaDropout", 0.4, inputs=[(6, 7)], random=True)
add("FeatureAlphaDropout", 0.4, inputs=[(4, 5, 3)], random=True)

# ---- tables
add("Embedding", 7, 3, inputs=[below(7, 2, 4)], normal=True)
add("Embedding", 7, 3, padding_idx=-1, inputs=[below(7, 2, 4)], normal=True)
add("Embedding", 9, 4, max_norm=1.0, norm_type=1.0, inputs=[below(9, 5)], normal=True, smooth=False)
add("Embedding", 9, 4, 2, scale_grad_by_freq=True, inputs=[below(4, 8)], normal=True, smooth=False)
add("EmbeddingBag", 9, 4, inputs=[below(9, 3, 5)], normal=True)
add("EmbeddingBag", 9, 4, mode="sum", padding_idx=1, inputs=[below(3, 3, 5)], normal=True)
add("EmbeddingBag", 9, 4, mode="mean", padding_idx=1, inputs=[below(3, 3, 5)], normal=True)
add("EmbeddingBag", 9, 4, mode="max", inputs=[below(9, 10), lambda rng: np.array([0, 3, 3, 7])], normal=True)
add("EmbeddingBag", 9, 4, mode="max", padding_idx=0, inputs=[below(3, 4, 4)], normal=True)
add(
    "EmbeddingBag", 9, 4, mode="sum", include_last_offset=True,
    inputs=[below(9, 10), lambda rng: np.array([0, 3, 3, 7, 10]), (10,)], normal=True,
)  # fmt: skip
add("EmbeddingBag", 9, 4, max_norm=0.5, inputs=[below(9, 3, 5)], normal=True, smooth=False)

# ---- normalization
for _d, _shape in ((1, (6, 3)), (1, (4, 3, 5)), (2, (4, 3, 2, 2)), (3, (3, 3, 2, 2, 1))):
    add(f"BatchNorm{_d}d", 3, inputs=[_shape], modal=True)
add("BatchNorm1d", 3, eps=0.1, momentum=None, inputs=[(6, 3)], modal=True)
add("BatchNorm1d", 3, affine=False, inputs=[(6, 3)], modal=True)
add("BatchNorm1d", 3, bias=False, inputs=[(6, 3)], modal=True)
add("BatchNorm2d", 3, track_running_stats=False, inputs=[(6, 3, 2, 2)])
add("BatchNorm2d", 3, momentum=0.3, affine=False, track_running_stats=False, inputs=[(6, 3, 2, 2)])
for _d, _shape in ((1, (4, 3, 5)), (2, (4, 3, 2, 3)), (3, (3, 3, 2, 2, 2))):
    add(f"InstanceNorm{_d}d", 3, inputs=[_shape])
    add(f"InstanceNorm{_d}d", 3, affine=True, inputs=[_shape[1:]])
add("InstanceNorm1d", 3, track_running_stats=True, inputs=[(4, 3, 5)], modal=True)
add("InstanceNorm2d", 3, affine=True, track_running_stats=True, momentum=0.4, inputs=[(3, 4, 5)], modal=True)
add("LayerNorm", 5, inputs=[(4, 5)])
add("LayerNorm", (3, 5), eps=0.1, inputs=[(2, 4, 3, 5)])
add("LayerNorm", [5], bias=False, inputs=[(4, 5)])
add("LayerNorm", 5, elementwise_affine=False, inputs=[(5,)])
add("RMSNorm", 5, inputs=[(4, 5)])
add("RMSNorm", [3, 5], eps=1e-3, elementwise_affine=False, inputs=[(2, 3, 5)])
add("GroupNorm", 2, 6, inputs=[(3, 6, 4)])
add("GroupNorm", 3, 6, eps=0.1, affine=False, inputs=[(3, 6)])
add("GroupNorm", 1, 4, bias=False, inputs=[(2, 4, 3, 2)])

# ---- recurrent
for _name in ("RNN", "LSTM", "GRU"):
    add(_name, 3, 4, inputs=[(5, 2, 3)])
    add(_name, 3, 4, 2, batch_first=True, inputs=[(2, 5, 3)])
    add(_name, 3, 2, num_layers=2, bidirectional=True, bias=False, inputs=[(5, 2, 3)])
    add(_name, 3, 2, num_layers=3, dropout=0.5, bidirectional=True, inputs=[(4, 2, 3)], random=True)
    add(_name, 3, 4, inputs=[(5, 3)])
add("RNN", 3, 4, nonlinearity="relu", inputs=[(5, 2, 3), (1, 2, 4)])
add("RNN", 3, 4, 1, "relu", inputs=[(5, 2, 3)])
add("GRU", 3, 4, 1, inputs=[(5, 3), (1, 4)])
add("LSTM", 3, 4, proj_size=2, inputs=[(5, 2, 3)])
add("LSTM", 3, 4, 2, proj_size=2, bidirectional=True, batch_first=True, inputs=[(2, 5, 3)])
for _name in ("RNNCell", "LSTMCell", "GRUCell"):
    add(_name, 3, 4, inputs=[(2, 3)])
    add(_name, 3, 4, bias=False, inputs=[(3,)])
add("RNNCell", 3, 4, nonlinearity="relu", inputs=[(2, 3), (2, 4)])
add("GRUCell", 3, 4, inputs=[(3,), (4,)])

# ---- attention
add("MultiheadAttention", 6, 2, inputs=[(4, 2, 6), (5, 2, 6), (5, 2, 6)])
add("MultiheadAttention", 6, 3, bias=False, batch_first=True, inputs=[(2, 4, 6), (2, 5, 6), (2, 5, 6)])
add("MultiheadAttention", 6, 2, kdim=3, vdim=5, inputs=[(4, 2, 6), (5, 2, 3), (5, 2, 5)])
add("MultiheadAttention", 6, 2, add_bias_kv=True, add_zero_attn=True, inputs=[(4, 2, 6)] * 3, normal=True)
add("MultiheadAttention", 6, 2, dropout=0.5, inputs=[(4, 2, 6)] * 3, random=True)
add("MultiheadAttention", 6, 2, inputs=[(4, 6)] * 3)
for _options in ({}, {"norm_first": True, "batch_first": True}, {"activation": "gelu", "bias": False}):
    _plain = {"dropout": 0.0, **_options}
    add("TransformerEncoderLayer", 6, 2, 8, inputs=[(4, 2, 6)], **_plain)
    add("TransformerDecoderLayer", 6, 2, 8, inputs=[(4, 2, 6), (4, 2, 6)], **_plain)
add("TransformerEncoderLayer", 6, 2, 8, 0.4, inputs=[(4, 2, 6)], random=True)
add("TransformerDecoderLayer", 6, 2, 8, 0.4, inputs=[(4, 2, 6), (5, 2, 6)], random=True)
add(
    "TransformerEncoder",
    make=lambda nn: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), 2, nn.LayerNorm(6)
    ),
    inputs=[(2, 4, 6)],
    random=True,
)
add(
    "TransformerDecoder",
    make=lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8), 2),
    inputs=[(4, 2, 6), (3, 2, 6)],
    random=True,
)
add("Transformer", 6, 2, 1, 2, 8, inputs=[(4, 2, 6), (3, 2, 6)], random=True)
add("Transformer", 6, 2, 1, 1, 8, 0.0, batch_first=True, norm_first=True, inputs=[(2, 4, 6), (2, 3, 6)])

# ---- losses
_pair = [(3, 4), (3, 4)]
for _r in ("mean", "sum", "none"):
    for _name in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss"):
        add(_name, reduction=_r, inputs=[(3, 4), between(1.5, 2, 3, 4)])
    add("CrossEntropyLoss", reduction=_r, inputs=[(3, 4), below(4, 3)])
    add("CrossEntropyLoss", reduction=_r, label_smoothing=0.2, inputs=[(3, 4, 2), below(4, 3, 2)])
    add("CrossEntropyLoss", reduction=_r, inputs=[(3, 4), between(0, 1, 3, 4)])
    add("NLLLoss", reduction=_r, ignore_index=1, inputs=[(5, 4), below(4, 5)])
    add("BCELoss", reduction=_r, inputs=[between(0.1, 0.9, 3, 4), between(0, 1, 3, 4)])
    add("BCEWithLogitsLoss", reduction=_r, inputs=[(3, 4), between(0, 1, 3, 4)])
    add("KLDivLoss", reduction=_r, inputs=[(3, 4), between(0.1, 1, 3, 4)])
    add("PoissonNLLLoss", reduction=_r, inputs=[(3, 4), between(0, 5, 3, 4)])
    add("GaussianNLLLoss", reduction=_r, inputs=[(3, 4), (3, 4), between(0.5, 2, 3, 4)])
    add("HingeEmbeddingLoss", reduction=_r, inputs=[away(3, 4), signs(3, 4)])
    add("MarginRankingLoss", reduction=_r, inputs=[(5,), (5,), signs(5)])
    add("CosineEmbeddingLoss", reduction=_r, inputs=[(3, 4), (3, 4), signs(3)])
    add("SoftMarginLoss", reduction=_r, inputs=[(3, 4), signs(3, 4)])
    add("MultiLabelSoftMarginLoss", reduction=_r, inputs=[(3, 4), below(2, 3, 4)])
    add("MultiMarginLoss", reduction=_r, inputs=[(3, 4), below(4, 3)])
    add(
        "MultiLabelMarginLoss",
        reduction=_r,
        inputs=[(2, 4), lambda rng: np.array([[3, 0, -1, 1], [2, -1, 0, 1]])],
    )
    add("TripletMarginLoss", reduction=_r, inputs=[(3, 4)] * 3)
    add("TripletMarginWithDistanceLoss", reduction=_r, inputs=[(3, 4)] * 3)
    add(
        "CTCLoss",
        reduction=_r,
        smooth=False,  # PyTorch's gradient, which is that of the logits
        inputs=[
            lambda rng: np.log(rng.dirichlet(np.ones(4), (6, 2))),
            lambda rng: rng.integers(1, 4, (2, 3)),
            lambda rng: np.array([6, 5]),
            lambda rng: np.array([3, 2]),
        ],
    )
add("SmoothL1Loss", beta=0.5, inputs=[(3, 4), between(2, 3, 3, 4)])
add("SmoothL1Loss", beta=0, inputs=[(3, 4), between(2, 3, 3, 4)])
add("HuberLoss", "sum", 0.7, inputs=[(3, 4), between(2, 3, 3, 4)])
add("LinearCrossEntropyLoss", 4, 3, bias=True, inputs=[(5, 4), below(3, 5)])
add("CrossEntropyLoss", ignore_index=2, inputs=[(6, 4), below(4, 6)])
add("CrossEntropyLoss", label_smoothing=0.3, ignore_index=2, inputs=[(6, 4), below(4, 6)])
add("CrossEntropyLoss", inputs=[(4,), below(4)])
add("KLDivLoss", reduction="batchmean", log_target=True, inputs=_pair)
add(
    "PoissonNLLLoss",
    log_input=False,
    full=True,
    eps=1e-3,
    inputs=[between(0.5, 3, 3, 4), between(0, 5, 3, 4)],
)
add("GaussianNLLLoss", full=True, eps=1e-3, inputs=[(3, 4), (3, 4), between(0.5, 2, 3, 1)])
add("HingeEmbeddingLoss", margin=0.3, inputs=[away(3, 4, low=0.4), signs(3, 4)])
add("MarginRankingLoss", 0.5, inputs=[(5,), (5,), signs(5)])
add("CosineEmbeddingLoss", margin=0.2, inputs=[(4,), (4,), lambda rng: np.array(-1.0)])
add("MultiMarginLoss", p=2, margin=0.7, inputs=[(3, 4), below(4, 3)])
add("TripletMarginLoss", margin=0.5, p=1.0, swap=True, inputs=[(3, 4)] * 3)
for _w in ("CrossEntropyLoss", "NLLLoss"):
    add(_w, make=lambda nn, w=_w: getattr(nn, w)(WEIGHT(nn), ignore_index=0), inputs=[(5, 4), below(4, 5)])
add(
    "CrossEntropyLoss",
    make=lambda nn: nn.CrossEntropyLoss(WEIGHT(nn), label_smoothing=0.1),
    inputs=[(3, 4, 2), below(4, 3, 2)],
)
add("CrossEntropyLoss", make=lambda nn: nn.CrossEntropyLoss(WEIGHT(nn)), inputs=[(3, 4), between(0, 1, 3, 4)])
add("BCELoss", make=lambda nn: nn.BCELoss(WEIGHT(nn)), inputs=[between(0.1, 0.9, 3, 4), between(0, 1, 3, 4)])
add(
    "BCEWithLogitsLoss",
    make=lambda nn: nn.BCEWithLogitsLoss(WEIGHT(nn), pos_weight=WEIGHT(nn) * 2),
    inputs=[(3, 4), between(0, 1, 3, 4)],
)
add("MultiMarginLoss", make=lambda nn: nn.MultiMarginLoss(weight=WEIGHT(nn)), inputs=[(3, 4), below(4, 3)])
add(
    "MultiLabelSoftMarginLoss",
    make=lambda nn: nn.MultiLabelSoftMarginLoss(WEIGHT(nn)),
    inputs=[(3, 4), below(2, 3, 4)],
)


def WEIGHT(nn: Any) -> Any:
    """Four class weights as a tensor of the library that `nn` belongs to."""
    import importlib

    return importlib.import_module(nn.__name__.rpartition(".")[0]).tensor([0.5, 1.0, 2.0, 0.25])


# ---- convolution and pooling (their options are drawn in tests of their own)
for _d, _s in ((1, (7,)), (2, (5, 6)), (3, (4, 4, 3))):
    add(f"Conv{_d}d", 2, 3, 2, stride=2, padding=1, inputs=[(2, 2, *_s)])
    add(f"ConvTranspose{_d}d", 2, 3, 2, stride=2, inputs=[(2, 2, *_s)])
    add(f"MaxPool{_d}d", 2, inputs=[(2, 2, *_s)])
    add(f"AvgPool{_d}d", 2, inputs=[(2, 2, *_s)])
    add(f"AdaptiveAvgPool{_d}d", 2, inputs=[(2, 2, *_s)])
    add(f"AdaptiveMaxPool{_d}d", 2, inputs=[(2, 2, *_s)])
    for _name in ("ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad"):
        add(f"{_name}{_d}d", 1, inputs=[(2, 2, *_s)])
    add(f"ConstantPad{_d}d", 1, 0.5, inputs=[(2, 2, *_s)])
    add(f"LPPool{_d}d", 2.0, 2, inputs=[between(0.5, 1, 2, 2, *_s)])
add("LocalResponseNorm", 3, alpha=0.1, inputs=[(2, 5, 3, 3)])
add("ChannelShuffle", 2, inputs=[(1, 4, 2, 2)])
add("Unfold", 2, inputs=[(1, 2, 3, 3)])
add("Fold", (3, 3), 2, inputs=[(1, 8, 4)])
add("PixelShuffle", 2, inputs=[(1, 4, 2, 2)])
add("PixelUnshuffle", 2, inputs=[(1, 1, 4, 4)])
add("Upsample", scale_factor=2, inputs=[(1, 2, 2, 2)])
add("UpsamplingNearest2d", scale_factor=2, inputs=[(1, 2, 2, 2)])
add("UpsamplingBilinear2d", scale_factor=2, inputs=[(1, 2, 2, 2)])
add("MaxUnpool2d", 2, inputs=[(1, 1, 2, 2), lambda rng: np.array([[[[0, 3], [9, 14]]]])])
add("MaxUnpool1d", 2, inputs=[(1, 1, 2), lambda rng: np.array([[[0, 3]]])])
add("MaxUnpool3d", 2, inputs=[(1, 1, 1, 1, 2), lambda rng: np.array([[[[[0, 9]]]]])])
add("CosineSimilarity", inputs=_pair)
add("CosineSimilarity", dim=0, eps=0.1, inputs=_pair)
add("PairwiseDistance", inputs=_pair)
add("PairwiseDistance", p=1.0, keepdim=True, inputs=_pair)

for _d, _s in ((1, (6,)), (3, (4, 4, 4))):
    add(f"LPPool{_d}d", 2.0, 2, inputs=[between(0.5, 1, 1, 2, *_s)])
add("MaxUnpool1d", 2, inputs=[(1, 1, 2), lambda rng: np.array([[[0, 3]]])])
add("MaxUnpool3d", 1, inputs=[(1, 1, 1, 1, 2), lambda rng: np.array([[[[[0, 1]]]]])])
add("ChannelShuffle", 2, inputs=[(1, 4, 2, 2)])
add("LocalResponseNorm", 2, inputs=[(1, 4, 3)])

# ---- lazy: the shape comes with the first input
add("LazyLinear", 3, inputs=[(2, 4)])
add("LazyLinear", 3, bias=False, inputs=[(2, 5, 4)])
for _d, _s in ((1, (5,)), (2, (4, 4)), (3, (3, 3, 3))):
    add(f"LazyConv{_d}d", 4, 2, padding=1, inputs=[(2, 2, *_s)])
    add(f"LazyConvTranspose{_d}d", 4, 2, bias=False, inputs=[(2, 2, *_s)])
    add(f"LazyBatchNorm{_d}d", inputs=[(2, 3, *_s)], modal=True)
    add(f"LazyInstanceNorm{_d}d", affine=True, inputs=[(2, 3, *_s)], modal=True)
add("LazyConv2d", 4, 3, stride=2, groups=2, inputs=[(2, 2, 6, 6)])
add("LazyBatchNorm1d", momentum=None, affine=False, inputs=[(4, 3)], modal=True)

# what the table leaves out: no forward of their own, or arguments that need more than arrays; tested by hand
APART = {
    "Module", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Parameter", "Buffer",
    "UninitializedParameter", "UninitializedBuffer", "Container", "RNNBase", "RNNCellBase", "NLLLoss2d",
    "SyncBatchNorm", "DataParallel", "CrossMapLRN2d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "AdaptiveLogSoftmaxWithLoss",
}  # fmt: skip
