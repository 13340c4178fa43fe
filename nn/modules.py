"""PyTorch's paths to the classes, such as `nn.modules.loss`, for code that imports from them."""

from __future__ import annotations

import sys
from typing import Any

from . import (
    activation,
    adaptive,
    attention,
    containers,
    conv,
    dropout,
    embedding,
    lazy,
    linear,
    loss,
    module,
    norm,
    pool,
)
from . import recurrent, shape  # isort: skip

_PATHS = {
    "activation": activation,
    "adaptive": adaptive,
    "batchnorm": norm,
    "channelshuffle": shape,
    "container": containers,
    "conv": conv,
    "distance": shape,
    "dropout": dropout,
    "flatten": shape,
    "fold": conv,
    "instancenorm": norm,
    "lazy": lazy,
    "linear": linear,
    "loss": loss,
    "module": module,
    "normalization": norm,
    "padding": shape,
    "pixelshuffle": shape,
    "pooling": pool,
    "rnn": recurrent,
    "sparse": embedding,
    "transformer": attention,
    "upsampling": shape,
}
for _name, _module in _PATHS.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _module


def __getattr__(name: str) -> Any:
    return getattr(sys.modules[__package__], name)
