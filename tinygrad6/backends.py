"""torch.backends: switches of libraries that are not there.

They remember what they are set to, and change nothing.
"""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


class _Backend(ModuleType):
    """A library that is not available: a module, since code says `import torch.backends.cudnn as cudnn`."""

    def __init__(self, name: str, **switches: Any) -> None:
        super().__init__(f"{__name__}.{name}")
        self.__dict__.update(switches)
        sys.modules[self.__name__] = self

    def is_available(self) -> bool:
        """False."""
        return False

    def is_built(self) -> bool:
        """False."""
        return False

    def flags(self, *args: Any, **kwargs: Any) -> Any:
        """A block in which nothing changes."""
        return contextlib.nullcontext()


cudnn = _Backend(
    "cudnn",
    enabled=True,
    benchmark=False,
    deterministic=False,
    allow_tf32=True,
    benchmark_limit=10,
    version=lambda: None,
)
cuda = _Backend("cuda", matmul=SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True))
mps, mkl, openmp = _Backend("mps"), _Backend("mkl"), _Backend("openmp")
mkldnn, opt_einsum = _Backend("mkldnn", enabled=True), _Backend("opt_einsum", enabled=False)
mha = _Backend("mha", fastpath=True)  # whether TransformerEncoder leaves out padding in evaluation
mha.get_fastpath_enabled = lambda: mha.fastpath  # type: ignore[attr-defined]
mha.set_fastpath_enabled = lambda value: setattr(mha, "fastpath", value)  # type: ignore[attr-defined]
cpu = SimpleNamespace(get_cpu_capability=lambda: "NUMPY")
