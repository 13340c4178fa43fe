"""torch.backends: switches of libraries that are not there. They remember what they are set to, and change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class _Backend(SimpleNamespace):
    """A library that is not available."""

    def is_available(self) -> bool:
        """False."""
        return False

    def is_built(self) -> bool:
        """False."""
        return False

    def flags(self, *args: Any, **kwargs: Any) -> Any:
        """A block in which nothing changes."""
        import contextlib

        return contextlib.nullcontext()


cudnn = _Backend(
    enabled=True,
    benchmark=False,
    deterministic=False,
    allow_tf32=True,
    benchmark_limit=10,
    version=lambda: None,
)
cuda = _Backend(matmul=_Backend(allow_tf32=False, allow_fp16_reduced_precision_reduction=True))
mps, mkl, mkldnn, openmp, opt_einsum = (
    _Backend(),
    _Backend(),
    _Backend(enabled=True),
    _Backend(),
    _Backend(enabled=False),
)
cpu = SimpleNamespace(get_cpu_capability=lambda: "NUMPY")
