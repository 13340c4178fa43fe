"""Optimizers and learning-rate schedulers with PyTorch's names."""

if __name__ == "optim":  # imported by its folder's name from the checkout
    raise ImportError(
        "import it as tinygrad6.optim (from tinygrad6 import optim): the folder optim/ is installed under "
        "that name"
    )

from typing import Any as _Any

from . import lr_scheduler
from .adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from .adaptive import ASGD, AdaGrad, Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .matrix import Adafactor, Muon
from .optimizer import Optimizer
from .sgd import SGD, Momentum


def __getattr__(name: str) -> _Any:
    if name != "swa_utils":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module(".swa_utils", __name__)
