"""Run the examples in PyTorch's docstrings with both libraries and print where what they show differs.

    python tests/parity/docstrings.py [torch.nn ...]

Takes half a minute a library, so it is no test. What is left over names types and machinery that are not here
(docs/parity.md), memory that is not set, or the names of objects.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import json
import re
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path

from test_scripts import NUMBER, agree, with_our_imports

MODULES = """
    torch torch.Tensor torch.nn torch.nn.functional torch.nn.init torch.nn.utils torch.nn.utils.rnn
    torch.nn.utils.parametrize torch.nn.utils.parametrizations torch.nn.utils.prune torch.optim
    torch.optim.lr_scheduler torch.optim.swa_utils torch.autograd torch.autograd.functional
    torch.autograd.graph torch.func torch.linalg torch.special torch.distributions torch.utils.data
    torch.random torch.utils.checkpoint torch.testing torch.overrides
""".split()
NAMES = """
import math, copy, os, functools, itertools, collections
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import *
from torch.distributions import *
from torch.nn.utils import *
from torch.nn.utils.rnn import *
from torch.optim.lr_scheduler import *
from torch.optim.swa_utils import *
from torch.func import *
from torch.autograd.functional import *
from torch.nn.utils import prune, parametrize
torch.set_default_device("cpu")
torch.set_default_dtype(torch.float32)
torch.set_grad_enabled(True)
torch.use_deterministic_algorithms(False)
torch.set_printoptions(profile="default")
torch.distributions.Distribution.set_default_validate_args(True)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
input, target, loss_fn = torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1]), nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = dataloader = train_loader = data_loader = DataLoader(TensorDataset(input, target), 2)
train, validate = lambda *a, **k: None, lambda *a, **k: 0.5
torch.manual_seed(0)
"""


def statements(doc: str) -> list[str]:
    """What stands behind >>>, joined where it is one statement."""
    out: list[str] = []
    for line in doc.expandtabs().split("\n"):
        start, more = re.match(r"\s*>>> ?(.*)", line), re.match(r"\s*\.\.\. ?(.*)", line)
        if start and out and not _whole(out[-1]) or more and out:
            out[-1] += "\n" + (start or more)[1]  # type: ignore[index]
        elif start:
            out.append(start[1])
    return out


def _whole(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def examples() -> dict[str, list[str]]:
    """By the name of the object whose docstring it is, each docstring once."""
    found: dict[str, list[str]] = {}
    seen = set()
    for path in MODULES:
        home = getattr(importlib.import_module("torch"), path[6:], None) or importlib.import_module(path)
        for name in sorted(n for n in dir(home) if n[0] != "_"):
            thing = getattr(home, name, None)
            inside = vars(thing) if inspect.isclass(thing) else {}
            inside = inside if str(getattr(thing, "__module__", "")).startswith("torch") else {}
            for full, o in [
                (f"{path}.{name}", thing),
                *((f"{path}.{name}.{k}", v) for k, v in inside.items()),
            ]:
                doc = inspect.getdoc(o) if isinstance(getattr(o, "__doc__", None), str) else None
                if doc and doc not in seen and (lines := statements(doc)):
                    found[full] = lines
                seen.add(doc)
    return found


def show(ours: bool, path: Path) -> None:
    """Run the examples in the file; write what each statement showed in their place."""
    shown = {}
    for name, lines in json.loads(path.read_text()).items():
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        source = with_our_imports(NAMES) if ours else NAMES
        for line in source.strip().split("\n"):
            with contextlib.suppress(ImportError):
                exec(line, module.__dict__)
        shown[name] = []
        for line in lines:
            out = io.StringIO()
            sys.displayhook = lambda v, out=out: v is not None and out.write(repr(v) + "\n")
            try:
                with contextlib.redirect_stdout(out):
                    exec(compile(with_our_imports(line) if ours else line, name, "single"), module.__dict__)
            except BaseException as e:  # SystemExit, too
                out.write(type(e).__name__)
            text = re.sub(r"grad_fn=<\w+>|at 0x\w+", "", out.getvalue()).replace("tinygrad6", "torch")
            shown[name].append(text)
    path.write_text(json.dumps(shown))


def same(a: str, b: str) -> bool:
    mine, wanted = NUMBER.findall(a), NUMBER.findall(b)
    return NUMBER.sub("#", a).split() == NUMBER.sub("#", b).split() and all(map(agree, mine, wanted))


def main(only: list[str]) -> None:
    chosen = {k: v for k, v in examples().items() if not only or k.startswith(tuple(only))}
    answers = []
    with tempfile.TemporaryDirectory() as folder:  # some examples write files
        for library in ("--theirs", "--ours"):
            path = Path(folder) / library
            path.write_text(json.dumps(chosen))
            call = [sys.executable, __file__, library, str(path)]
            subprocess.run(call, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=folder, check=True)
            answers.append(json.loads(path.read_text()))
    theirs, ours = answers
    differ = 0
    for name, lines in chosen.items():
        pairs = zip(lines, ours[name], theirs[name], strict=True)
        wrong = [(line, a, b) for line, a, b in pairs if not same(a, b)]
        differ += bool(wrong)
        for line, a, b in wrong[:2]:
            print(f"--- {name}: {line}\nours:   {a.strip()[:300]}\ntheirs: {b.strip()[:300]}")
    print(f"{len(chosen)} examples, {differ} differ")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) == 3 and sys.argv[1] in ("--ours", "--theirs"):
        show(sys.argv[1] == "--ours", Path(sys.argv[2]))
    else:
        main(sys.argv[1:])
