"""Optimizers and learning-rate schedulers with PyTorch's names."""

if __name__ == "optim":  # imported by its folder's name from the checkout
    raise ImportError(
        "import it as tinygrad6.optim (from tinygrad6 import optim): the folder optim/ is installed under that name"
    )

from . import lr_scheduler
from .adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from .adaptive import ASGD, AdaGrad, Adadelta, Adagrad, RMSprop, Rprop
from .optimizer import Optimizer
from .sgd import SGD, Momentum
