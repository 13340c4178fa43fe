"""How a tensor prints: PyTorch's format, character for character, for the types we have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad6 import dtypes


class _Options:
    precision = 4
    threshold = 1000  # print in full up to this many elements
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None  # None decides by the values


options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors print: digits after the point, elements before summarizing, edge items, line width.

    profile: "default", "short" (2 digits, 2 edge items) or "full" (never summarize).
    """
    profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
    if profile is not None:
        if profile not in profiles:
            raise ValueError(
                f"set_printoptions(): profile must be one of {sorted(profiles)}, got {profile!r}"
            )
        preset: Any = profiles[profile]
        options.precision, options.threshold, options.edgeitems, options.linewidth = preset
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


class _Formatter:
    """One width for all shown numbers, chosen from their range as PyTorch does."""

    def __init__(self, shown: np.ndarray) -> None:
        self.floating = shown.dtype.kind == "f"
        self.whole, self.scientific, self.width = True, False, 1
        values = shown.ravel()
        if not self.floating:
            self.width = max((len(str(v)) for v in values.tolist()), default=1)
            return
        finite = values[np.isfinite(values) & (values != 0)].astype(np.float64)
        if not finite.size:
            return
        size = np.abs(finite)
        low, high = float(size.min()), float(size.max())
        ratio = high / low
        self.whole = bool((finite == np.ceil(finite)).all())
        if self.whole:
            self.scientific = ratio > 1000.0 or high > 1e8
        else:
            self.scientific = ratio > 1000.0 or high > 1e8 or low < 1e-4
        if options.sci_mode is not None:
            self.scientific = options.sci_mode
        if self.whole and not self.scientific:
            self.width = max(len(f"{v:.0f}") + 1 for v in finite)
        else:
            spec = f".{options.precision}{'e' if self.scientific else 'f'}"
            self.width = max(len(f"{v:{spec}}") for v in finite)

    def _plain(self, v: float) -> str:
        if self.scientific:
            return f"{v:{self.width}.{options.precision}e}"
        if self.whole:
            return f"{v:.0f}" + ("." if math.isfinite(v) else "")
        return f"{v:.{options.precision}f}"

    def __call__(self, v: Any) -> str:
        return (self._plain(v) if self.floating else str(v)).rjust(self.width)


def _vector(row: np.ndarray, indent: int, fmt: _Formatter, summarize: bool) -> str:
    per_line = max(1, (options.linewidth - indent) // (fmt.width + 2))
    values, e = row.tolist(), options.edgeitems
    if summarize and not e:
        cells = ["..."]
    elif summarize and len(values) > 2 * e:
        cells = [fmt(v) for v in values[:e]] + [" ..."] + [fmt(v) for v in values[-e:]]
    else:
        cells = [fmt(v) for v in values]
    lines = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _text(a: np.ndarray, indent: int, fmt: _Formatter, summarize: bool) -> str:
    if not a.ndim:
        return fmt(a.item())
    if a.ndim == 1:
        return _vector(a, indent, fmt, summarize)
    e = options.edgeitems
    if summarize and len(a) > 2 * e:
        rows = [_text(a[i], indent + 1, fmt, summarize) for i in range(e)] + ["..."]
        rows += [_text(a[i], indent + 1, fmt, summarize) for i in range(len(a) - e, len(a))]
    else:
        rows = [_text(r, indent + 1, fmt, summarize) for r in a]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def _edges(a: np.ndarray) -> np.ndarray:
    """The elements that a summary shows."""
    e = options.edgeitems
    for d in range(a.ndim):
        if a.shape[d] > 2 * e:
            a = np.take(a, [*range(e), *range(a.shape[d] - e, a.shape[d])], d)
    return a


def tensor_repr(t: Any) -> str:
    """tensor(values, dtype=..., requires_grad=True) or with grad_fn, as PyTorch prints it."""
    prefix = "Parameter containing:\n" if type(t).__name__ == "Parameter" else ""
    a = t.array
    suffixes = []
    usual = a.dtype in (dtypes.default_float(), dtypes.INT64, dtypes.BOOL)
    subclass = t.__torch_function__ is not None and type(t).__name__ != "Tensor"
    head = f"{type(t).__name__}(" if subclass else "tensor("
    indent = len(head)
    if not a.size:
        if a.ndim != 1:
            suffixes.append(f"size={tuple(a.shape)}")
        if a.dtype != dtypes.default_float():
            suffixes.append(f"dtype={t.dtype}")
        text = "[]"
    else:
        if not options.edgeitems:
            suffixes.append(f"size={tuple(a.shape)}")
        if not usual:
            suffixes.append(f"dtype={t.dtype}")
        summarize = a.size > options.threshold
        text = _text(a, indent, _Formatter(_edges(a) if summarize else a), summarize)
    node = t.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{node.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    out = head + text
    last = len(out) - out.rfind("\n") + 1
    for s in suffixes:
        if last + len(s) + 2 > options.linewidth:
            out += ",\n" + " " * indent + s
            last = indent + len(s)
        else:
            out += ", " + s
            last += len(s) + 2
    return prefix + out + ")"
