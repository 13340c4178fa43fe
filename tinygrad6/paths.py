"""PyTorch's module paths that are not files here.

`from torch.optim.adamw import AdamW` finds the module that has the name; `import torch.fft` fails with one
line that says what to use instead. `install` puts a finder behind Python's own, which is asked only for what
those did not find.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# path: the modules whose names it has, the first first ("." is tinygrad6 itself)
ALIASES = (
    {
        "amp.autocast_mode": "amp",
        "amp.grad_scaler": "amp",
        "autograd.grad_mode": ".",
        "autograd.variable": "autograd",
        "functional": ".",
        "mtia": "mps",
        "nn.common_types": "types",
        "nn.utils.clip_grad": "nn.utils",
        "nn.utils.convert_parameters": "nn.utils",
        "nn.utils.init": "nn.utils",
        "nn.utils.stateless": "func",
        "utils.data._utils": "utils.data",
        "utils.data._utils.collate": "utils.data.collate",
        "utils.data._utils.worker": "utils.data.worker",
        "utils.dlpack": ".",
        "utils.hooks": "hooks",
        "utils.model_zoo": "hub",
        "xpu": "mps",
    }
    | {  # the modules of nn, of which several are in one file here
        f"nn.modules.{name}": homes
        for name, homes in {
            "activation": "nn.activation nn.attention",
            "adaptive": "nn.adaptive",
            "batchnorm": "nn.norm nn.parallel nn.lazy",
            "channelshuffle": "nn.shape",
            "container": "nn.containers",
            "conv": "nn.conv nn.lazy nn._tuples",
            "distance": "nn.shape",
            "dropout": "nn.dropout",
            "flatten": "nn.shape",
            "fold": "nn.conv",
            "instancenorm": "nn.norm nn.lazy",
            "lazy": "nn.lazy",
            "linear": "nn.linear nn.attention nn.lazy",
            "loss": "nn.loss",
            "module": "nn.module nn.hooks",
            "normalization": "nn.norm nn.pool",
            "padding": "nn.shape nn._tuples",
            "pixelshuffle": "nn.shape",
            "pooling": "nn.pool nn._tuples",
            "rnn": "nn.recurrent",
            "sparse": "nn.embedding",
            "transformer": "nn.attention",
            "upsampling": "nn.shape",
            "utils": "nn._tuples",
        }.items()
    }
    | {
        f"optim.{name}": "optim"
        for name in "adadelta adagrad adamax adamw asgd nadam radam rmsprop rprop sparse_adam".split()
    }
)

# path: what to use instead
REASONS = {
    "_dynamo": "tinygrad6.compile returns the function itself: leave torch._dynamo out",
    "autograd.forward_ad": "use func.jvp, which needs no forward mode",
    "library": "make an op of your own with @op or autograd.Function",
    "masked": "use masked_fill, where and masked_select",
    "nn.attention.flex_attention": "use nn.functional.scaled_dot_product_attention",
    "nn.grad": "use autograd.grad",
    "nn.quantized": "quantized layers are not supported: use nn",
    "storage": "tensors have no storage objects here",
    "utils.benchmark": "use timeit",
    "utils.cpp_extension": "make an op of your own with @op or autograd.Function",
    "utils.data.datapipes": "use utils.data.IterableDataset",
    "utils.flop_counter": "nothing counts operations here: use timeit",
    "utils.tensorboard": "log with tensorboardX, or print and plot",
}
_PACKAGES = frozenset(p.rpartition(".")[0] for p in ALIASES)


class _Alias:
    """Loads a module that has the names of others."""

    def __init__(self, homes: str) -> None:
        self.homes = homes.split()

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        homes = [import_module(f"tinygrad6.{h}" if h != "." else "tinygrad6") for h in self.homes]

        def find(name: str) -> Any:
            if f"{module.__name__.partition('.')[2]}.{name}" in ALIASES:
                return import_module(f"{module.__name__}.{name}")
            for home in homes if not name.startswith("__") else ():
                if hasattr(home, name):
                    return getattr(home, name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        module.__dict__["__getattr__"] = find
        module.__dict__["__dir__"] = lambda: sorted({n for h in homes for n in dir(h)})


class Finder:
    """What `sys.meta_path` asks for a module of tinygrad6 that is no file."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, short = name.partition(".")
        if package != "tinygrad6":
            return None
        if short in ALIASES:
            return ModuleSpec(name, _Alias(ALIASES[short]), is_package=short in _PACKAGES)  # type: ignore[arg-type]
        from tinygrad6 import absent

        reason = REASONS.get(short) or absent.REASONS.get(short.partition(".")[0])
        if reason:  # without name=, or `from tinygrad6 import fft` would lose the text
            raise ModuleNotFoundError(f"No module named {name!r}: {reason}")
        return None


def attribute(package: str, name: str) -> ModuleType:
    """`torch.utils.hooks` without an import: the module behind a path of PyTorch, for `__getattr__`."""
    short = f"{package}.{name}".partition(".")[2]
    if short in ALIASES:
        return import_module(f"{package}.{name}")
    reason = f": {REASONS[short]}" if short in REASONS else ""
    raise AttributeError(f"module {package!r} has no attribute {name!r}{reason}")


def install() -> None:
    """Ask the Finder for what is not found otherwise."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
