"""Layers for several devices, as they behave where there is only the CPU."""

from __future__ import annotations

from typing import Any

from tinygrad6.tensor import Tensor

from .module import Module
from .norm import _BatchNorm


class DataParallel(Module):
    """`module` itself, under the name "module", as in PyTorch where there are no GPUs."""

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module, self.dim = module, dim
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """NotImplementedError: there is one process, so train `module` itself."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("DistributedDataParallel(): there is one process: train the module itself")


class SyncBatchNorm(_BatchNorm):
    """Batch norm of (N, C, *) over the processes of a group:
    of which there is one, so it is BatchNorm of any rank."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise NotImplementedError(
                "SyncBatchNorm(): process groups are not supported: leave process_group=None"
            )
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = None

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with all BatchNorm layers in it replaced by SyncBatchNorm layers of the same
        parameters."""
        new = module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            new = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            for kind in ("parameters", "buffers"):
                for name in module._names[kind]:
                    new.__dict__[name] = module.__dict__[name]
            new.train(module.training)
        for name, child in list(module.named_children()):
            setattr(new, name, cls.convert_sync_batchnorm(child, process_group))
        return new
