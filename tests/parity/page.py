"""Write docs/parity.md: every public name of PyTorch's namespaces, and what has become of it here.

    python tests/parity/page.py          (needs PyTorch; test_page.py fails when the page is out of date)

Nothing on the page is by hand: the names are read off PyTorch, "here" off the library, "compared" off the
parity tests that mention the name, the reasons for what is absent off tinygrad6/absent.py, and the
differences off the list below, which the reports of the parity tests are the source of.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "parity.md"

# What behaves otherwise than PyTorch on purpose, or by what NumPy can do; by namespace and name.
DIFFERS: dict[str, dict[str, str]] = {
    "torch": {
        "as_strided": "of non-contiguous tensors raises",
        "scatter": "of several values for one place gives the gradient to the last, which stays, not to all",
        "index_put": "of several values for one place gives the gradient to the last, as scatter",
        "index_copy": "of several values for one place gives the gradient to the last, as scatter",
        "scatter_reduce": "of amax without include_self does not count a tie with what is left out",
        "index_reduce": "of amax without include_self does not count a tie with what is left out",
        "autocast": "enabled for the CPU raises NotImplementedError: it needs bfloat16",
        "inference_mode": "gives ordinary tensors: is_inference() is False, and they may be used in training",
        "vmap": "calls the function for each slice where it looks at values, which PyTorch refuses",
        "compile": "returns the function itself",
        "save": "writes PyTorch's zip format, sealed by a checksum; torch.load(weights_only=True) reads it",
        "load": "with weights_only=False rebuilds objects of imported classes, and calls nothing else",
    },
    "Tensor": {"stride": "of dimensions of size 1 and of empty tensors may be another number"},
    "nn": {
        "CrossMapLRN2d": "raises NotImplementedError",
        "SyncBatchNorm": "is BatchNorm, as on one CPU",
        "TransformerEncoder": "does not warn where padding cannot be left out in evaluation",
    },
    "nn.functional": {
        "ctc_loss": "has PyTorch's gradient, which is that of the logits",
        "max_pool2d": "with windows wholly in the padding raises",
        "interpolate": "of uint8 only by nearest",
    },
    "optim": {
        "SparseAdam": "raises NotImplementedError: there are no sparse gradients",
        "Adam": "folds the bias corrections into numbers: equal to a few units in the last place",
    },
}
INTERNAL = re.compile(
    r"(Type|Storage|Function|Module|Guard|Set|Graph|Interface|Context|Iterator|Exception|Key|Method|Error|Config"
    r"|Dict|List)$"
    r"|^(Sym|sym_|Script|mkldnn|miopen|cudnn|fbgemm|quantized|q_|_)|_backward_|(_copy|_jvp)$|^native_|^unsafe_"
)


def namespaces() -> list[tuple[str, Any, Any]]:
    import torch

    import tinygrad6 as ours

    return [
        ("torch", torch, ours),
        ("Tensor", torch.Tensor, ours.Tensor),
        ("nn", torch.nn, ours.nn),
        ("nn.functional", torch.nn.functional, ours.nn.functional),
        ("nn.init", torch.nn.init, ours.nn.init),
        ("nn.utils", torch.nn.utils, ours.nn.utils),
        ("optim", torch.optim, ours.optim),
        ("optim.lr_scheduler", torch.optim.lr_scheduler, ours.optim.lr_scheduler),
        ("linalg", torch.linalg, ours.linalg),
        ("utils.data", torch.utils.data, ours.utils.data),
        ("autograd", torch.autograd, ours.autograd),
        ("func", torch.func, ours.func),
    ]


def public_names(space: Any) -> list[str]:
    """Functions, classes, methods and dtypes that belong to the namespace:
    no modules, no imported helpers of typing."""
    names = []
    for name in dir(space):
        value = inspect.getattr_static(space, name)
        home = getattr(value, "__module__", "torch") or "torch"
        if name.startswith("_") or inspect.ismodule(value) or not home.startswith("torch"):
            continue
        if INTERNAL.search(name):
            continue
        names.append(name)
    return sorted(names)


def words_of_tests() -> set[str]:
    text = "".join(
        p.read_text() for p in [*(ROOT / "tests").glob("*.py"), *(ROOT / "tests" / "parity").rglob("*.py")]
    )
    return set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", text))


def is_compared(name: str, words: set[str]) -> bool:
    """In-place forms are tested with their op, and modules of several ranks from one entry."""
    return bool({name, name.rstrip("_"), re.sub(r"[123]d$", "", name)} & words)


def has(space: Any, name: str) -> bool:
    try:
        return hasattr(space, name)
    except Exception:  # a property that only some tensors have
        return True


def page() -> str:
    from tinygrad6.absent import REASONS
    from tinygrad6.dtypes import _Unsupported

    words = words_of_tests()
    parts, totals = [], []
    for title, theirs, ours in namespaces():
        names = public_names(theirs)
        here = [n for n in names if has(ours, n)]
        differs = {n: why for n, why in DIFFERS.get(title, {}).items() if n in here}
        names_alone = [n for n in here if type(getattr(ours, n, None)) is _Unsupported]
        differs |= dict.fromkeys(names_alone, "a type that may be named and compared, but no tensor has it")
        same = [n for n in here if n not in differs]
        compared = [n for n in same if is_compared(n, words)]
        other = [n for n in same if n not in compared]
        absent = [n for n in names if n not in here]
        reasons: dict[str, list[str]] = {}
        for n in absent:
            reasons.setdefault(REASONS.get(n, "not used by training code"), []).append(n)
        totals.append(
            f"| `{title}` | {len(names)} | {len(compared)} | {len(other)} | {len(differs)} | {len(absent)} |"
        )
        parts.append(f"## {title}\n")
        parts.append(f"**Same** ({len(compared)}, compared by the parity tests): {_listed(compared)}\n")
        if other:
            parts.append(f"**Here** ({len(other)}, mentioned in no parity test): {_listed(other)}\n")
        if differs:
            parts.append("**Differs**\n")
            parts += [f"- `{n}`: {why}." for n, why in sorted(differs.items())]
            parts.append("")
        if absent:
            parts.append(f"**Absent** ({len(absent)})\n")
            parts += [f"- {why}: {_listed(ns)}" for why, ns in sorted(reasons.items())]
            parts.append("")
    head = (
        "# What equals PyTorch 2.13, and what does not\n\n"
        "Written by `tests/parity/page.py` from PyTorch, the library and the tests; `make parity` fails when "
        "it is out of date. A name counts as compared when a parity test mentions it. Names of PyTorch's "
        "machinery (storages, script types, backends, quantization internals) are left out.\n\n"
        "| namespace | names | same | here | differs | absent |\n|---|---|---|---|---|---|\n"
        + "\n".join(totals)
        + "\n\n"
    )
    return head + "\n".join(parts)


def _listed(names: list[str]) -> str:
    return " ".join(f"`{n}`" for n in names)


if __name__ == "__main__":
    PAGE.write_text(page())
