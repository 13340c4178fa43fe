"""For tests of your own code: `assert_close`, `check_op` for ops made with `@op`, and Hypothesis strategies.

    from tinygrad6.testing import assert_close, check_op, strategies

`strategies` needs the package hypothesis (the extra `test`).
"""

from __future__ import annotations

import importlib
from typing import Any

from tinygrad6.testing.close import assert_allclose, assert_close
from tinygrad6.testing.laws import LAWS, check_op

__all__ = ["LAWS", "assert_allclose", "assert_close", "check_op", "strategies"]


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return importlib.import_module("tinygrad6.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
