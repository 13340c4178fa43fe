"""assert_close: equality within what the type can hold, with a message that says where it fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad6.tensor import Tensor, wrap

# rtol, atol by type, as in torch.testing
_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_LOOSER = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}  # of assert_allclose


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Two tensors, two NumPy arrays, two numbers, two Nones, or sequences or mappings of such pairs. Shapes must
    be equal, types too if check_dtype, and strides if check_stride; there is one device and one layout.
    Tolerances default to those of the types (float32: 1.3e-6 and 1e-5; integers: 0); give both or neither.
    msg replaces the message, or makes another one of it. Unless allow_subclasses, both tensors must be of the
    same class.

    TypeError for other pairs, such as a tensor and a number; ValueError for one tolerance without the other.

    >>> import tinygrad6 as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.000001]))
    """
    pairs: list[tuple[str, Any, Any]] = []
    _pair(actual, expected, "", allow_subclasses, pairs)
    if not all(a is None or e is None or isinstance(a, bool) for _, a, e in pairs):
        if (rtol is None) != (atol is None):
            lacking = "atol" if atol is None else "rtol"
            raise ValueError(
                f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {lacking}."
            )
        if rtol is not None and atol is not None and (rtol < 0 or atol < 0):
            raise RuntimeError(f"rtol and atol must not be negative, got {rtol} and {atol}")
    for place, a, e in pairs:
        text = _difference(a, e, rtol, atol, equal_nan, check_dtype, check_stride)
        if text is not None:
            text += f"\n\nThe failure occurred for item {place}" if place else ""
            raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)


def _pair(actual: Any, expected: Any, place: str, allow_subclasses: bool, pairs: list) -> None:
    """Collect what is to be compared, or raise because it cannot be."""
    both = actual, expected
    if all(isinstance(v, Mapping) for v in both):
        if actual.keys() != expected.keys():
            missing = [k for k in actual if k not in expected]
            extra = [k for k in expected if k not in actual]
            raise AssertionError(
                f"The keys of the mappings do not match:\nMissing keys in the expected mapping: {missing}\n"
                f"Additional keys in the expected mapping: {extra}"
            )
        for k in actual:
            _pair(actual[k], expected[k], f"{place}[{k!r}]", allow_subclasses, pairs)
    elif all(isinstance(v, Sequence) and not isinstance(v, (str, bytes)) for v in both):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _pair(a, e, f"{place}[{i}]", allow_subclasses, pairs)
    elif actual is None or expected is None or _comparable(actual, expected, allow_subclasses):
        pairs.append((place, actual, expected))
    else:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
        )


def _comparable(a: Any, e: Any, allow_subclasses: bool) -> bool:
    for kind in (Tensor, np.ndarray, (bool, int, float, np.number, np.bool_)):
        if isinstance(a, kind) and isinstance(e, kind):
            return kind is not Tensor or allow_subclasses or type(a) is type(e)
    return False


def _difference(
    actual: Any,
    expected: Any,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
) -> str | None:
    """What is wrong with a pair; None if nothing is."""
    if actual is None or expected is None:
        return None if actual is expected else f"None mismatch: {actual} is not {expected}"
    scalar = not isinstance(actual, (Tensor, np.ndarray))
    if scalar:
        actual, expected = (v.item() if isinstance(v, np.generic) else v for v in (actual, expected))
    if scalar and check_dtype and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    a, e = (v.array if isinstance(v, Tensor) else np.asarray(v) for v in (actual, expected))
    if a.shape != e.shape:
        return f"The values for attribute 'shape' do not match: {list(a.shape)} != {list(e.shape)}."
    if check_stride and not scalar and a.strides != e.strides:
        shown = (tuple(s // v.itemsize for s in v.strides) for v in (a, e))
        return "The values for attribute 'stride()' do not match: {} != {}.".format(*shown)
    if check_dtype and a.dtype != e.dtype:
        kinds = (getattr(v, "dtype", None) for v in (actual, expected))
        return "The values for attribute 'dtype' do not match: {} != {}.".format(*kinds)
    if rtol is None or atol is None:
        pairs = [_TOLERANCES.get(d.name, (0.0, 0.0)) for d in (a.dtype, e.dtype)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = (v.astype(np.float64) if v.dtype.kind == "f" else v.astype(np.int64) for v in (a, e))
    with np.errstate(invalid="ignore", over="ignore"):
        good = (x == y) | (np.abs(x - y) <= atol + rtol * np.abs(y)) & np.isfinite(y)
    if equal_nan:
        good |= np.isnan(x) & np.isnan(y)
    if good.all():
        return None
    with np.errstate(all="ignore"):
        error = np.where(good, -1.0, np.nan_to_num(np.abs(x - y), nan=np.inf, posinf=np.inf))
    what = f"{'Scalars' if scalar else 'Tensor-likes'} are not {'close' if rtol or atol else 'equal'}!"
    if scalar:
        return f"{what}\n\nExpected {expected} but got {actual}.\nAllowed: {atol:g} + {rtol:g} * |expected|"
    worst = np.unravel_index(int(np.argmax(error)), error.shape) if error.ndim else ()
    return (
        f"{what}\n\nMismatched elements: {int((~good).sum())} / {good.size} "
        f"({100 * float((~good).mean()):.1f}%)\n"
        f"Greatest absolute difference: {float(error[worst]):.6g} at index {tuple(map(int, worst))} "
        f"(up to {atol:g} allowed): {x[worst].item()} != {y[worst].item()}\n"
        f"Relative tolerance: {rtol:g}"
    )


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """Deprecated form of assert_close: of anything that makes a tensor, of any types, with more tolerance."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    a, e = (v if isinstance(v, Tensor) else wrap(np.asarray(v)) for v in (actual, expected))
    if rtol is None and atol is None:
        pairs = [_LOOSER.get(t.array.dtype.name, (0.0, 0.0)) for t in (a, e)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    assert_close(a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)
