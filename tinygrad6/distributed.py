"""torch.distributed as it is where PyTorch was built without it: is_available() is False.

So scripts that ask run, with one process; what would start or use a group of processes raises
NotImplementedError.
"""

from __future__ import annotations

import types
from typing import Any

_FUNCTIONS = frozenset(
    """
    init_process_group destroy_process_group new_group get_rank get_world_size get_backend barrier
    monitored_barrier broadcast broadcast_object_list all_reduce reduce all_gather all_gather_into_tensor
    all_gather_object gather gather_object scatter scatter_object_list reduce_scatter reduce_scatter_tensor
    all_to_all all_to_all_single send recv isend irecv batch_isend_irecv
    """.split()
)


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False: there is one process."""
    return False


is_nccl_available = is_gloo_available = is_mpi_available = is_ucc_available = is_available
is_torchelastic_launched = is_available


def __getattr__(name: str) -> Any:
    if name == "nn":  # the same functions, with gradients
        return types.SimpleNamespace(**{f: __getattr__(f) for f in sorted(_FUNCTIONS)})
    if name not in _FUNCTIONS:
        raise AttributeError(
            f"module 'tinygrad6.distributed' has no attribute {name!r}: there is one process"
        )

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"torch.distributed.{name}(): there is one process: ask torch.distributed.is_available() first"
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse
