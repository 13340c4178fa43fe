"""torch.onnx, as far as model files ask it: nothing is exported, and no model is being exported."""

from __future__ import annotations

from typing import Any


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.onnx.export(): programs are not traced: save the model's state_dict")
