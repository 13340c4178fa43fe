"""torch.backends: switches of libraries that are not there.

They remember what they are set to, and change nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
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
    conv=SimpleNamespace(fp32_precision="tf32"),
    rnn=SimpleNamespace(fp32_precision="tf32"),
)


@contextlib.contextmanager
def _sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[dict]:
    """A block in which attention may use these implementations: there is one, with the same numbers."""
    yield {}


cuda = _Backend(
    "cuda",
    matmul=SimpleNamespace(
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
        fp32_precision="none",
    ),
    sdp_kernel=_sdp_kernel,
)
for _kind in ("flash", "mem_efficient", "math", "cudnn"):  # the implementations of attention
    _on = {"on": True}
    setattr(cuda, f"{_kind}_sdp_enabled", lambda on=_on: on["on"])
    setattr(cuda, f"enable_{_kind}_sdp", lambda enabled, on=_on: on.update(on=enabled))
mps, mkl, openmp = _Backend("mps"), _Backend("mkl"), _Backend("openmp")
mkldnn, opt_einsum = _Backend("mkldnn", enabled=True), _Backend("opt_einsum", enabled=False)
mha = _Backend("mha", fastpath=True)  # whether TransformerEncoder leaves out padding in evaluation
mha.get_fastpath_enabled = lambda: mha.fastpath  # type: ignore[attr-defined]
mha.set_fastpath_enabled = lambda value: setattr(mha, "fastpath", value)  # type: ignore[attr-defined]
cpu = SimpleNamespace(get_cpu_capability=lambda: "NUMPY")
