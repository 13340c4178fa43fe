"""assert_close: equality within what the type can hold, with a message that says where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor

# rtol, atol by type, as in torch.testing
_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_device: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Tensors, arrays, numbers, and sequences or mappings of them. Shapes must be equal, and types too if
    check_dtype. Tolerances default to those of the type (float32: 1.3e-6 and 1e-5; integers: 0); give both or
    neither.
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            raise AssertionError(
                f"The keys of the mappings do not match: {sorted(actual)} != {sorted(expected)}"
            )
        for k in actual:
            assert_close(
                actual[k],
                expected[k],
                rtol=rtol,
                atol=atol,
                equal_nan=equal_nan,
                check_dtype=check_dtype,
                msg=msg or f"at key {k!r}",
            )
        return
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_close(
                a,
                e,
                rtol=rtol,
                atol=atol,
                equal_nan=equal_nan,
                check_dtype=check_dtype,
                msg=msg or f"at index {i}",
            )
        return
    a, e = (v.array if isinstance(v, Tensor) else np.asarray(v) for v in (actual, expected))
    if a.shape != e.shape:
        raise AssertionError(
            _text(msg, f"The values for attribute 'shape' do not match: {list(a.shape)} != {list(e.shape)}.")
        )
    if (
        check_dtype
        and a.dtype != e.dtype
        and isinstance(actual, (Tensor, np.ndarray))
        and isinstance(expected, (Tensor, np.ndarray))
    ):
        raise AssertionError(
            _text(msg, f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}.")
        )
    if rtol is None or atol is None:
        pairs = [_TOLERANCES.get(d.name, (0.0, 0.0)) for d in (a.dtype, e.dtype)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = (v.astype(np.float64) if v.dtype.kind == "f" else v.astype(np.int64) for v in (a, e))
    with np.errstate(invalid="ignore", over="ignore"):
        good = (x == y) | (np.abs(x - y) <= atol + rtol * np.abs(y)) & np.isfinite(y)
    if equal_nan:
        good |= np.isnan(x) & np.isnan(y)
    if not good.all():
        with np.errstate(all="ignore"):
            error = np.where(good, -1.0, np.nan_to_num(np.abs(x - y), nan=np.inf, posinf=np.inf))
        worst = np.unravel_index(int(np.argmax(error)), error.shape) if error.ndim else ()
        at = tuple(int(i) for i in worst)
        raise AssertionError(
            _text(
                msg,
                (
                    f"Tensor-likes are not close!\n\nMismatched elements: {int((~good).sum())} / {good.size} "
                    f"({100 * float((~good).mean()):.1f}%)\nGreatest absolute difference: "
                    f"{float(error[worst]):.6g} at index {at} (up to {atol:g} allowed): {x[worst]!r} != "
                    f"{y[worst]!r}\nRelative tolerance: {rtol:g}"
                ),
            )
        )


def _text(msg: Any, default: str) -> str:
    return default if msg is None else msg(default) if callable(msg) else f"{msg}\n{default}"
