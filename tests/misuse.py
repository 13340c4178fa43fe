"""Small programs that take liberties: a tensor with a past, and statements that may not go with it.

What a single call does wrong, bad_input.py finds. What goes wrong between calls (a view that is written to, a
leaf changed in place, a gradient asked for twice, an optimizer handed what is no leaf) depends on where the
tensor comes from. So every way of liberties.py to come by a tensor `t`, or by a training, meets every
statement there, alone and in pairs, and both libraries are asked: does it raise, with which type, and what
has become of all tensors, their gradients and their histories? A statement that raises is passed over, so
that the next one sees what it left.

    python tests/misuse.py [number of pairs] [part of a statement] ...     lists the disagreements
"""

from __future__ import annotations

import copy
import importlib
import math
import pickle
import random
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from liberties import ACTIONS, HABITS, SUBJECTS, TRAININGS

import tinygrad6


def names_of(lib: Any) -> dict[str, Any]:
    """What statements may use: the library as `torch`, X(*shape) of known floats, quietly(f) without grad."""

    def X(*shape: int) -> Any:  # noqa: N802
        shape = shape or (2, 3)
        values = (np.arange(1, math.prod(shape) + 1) * 0.618 % 1).round(4)
        return lib.tensor(values.reshape(shape).tolist())

    def quietly(f: Any) -> Any:
        with lib.no_grad():
            return f()

    load = lambda name: importlib.import_module(f"{lib.__name__}.{name}")  # noqa: E731
    return {
        "torch": lib, "nn": lib.nn, "F": lib.nn.functional, "X": X, "quietly": quietly, "np": np,
        "copy": copy, "pickle": pickle, "optim": lib.optim, "schedulers": lib.optim.lr_scheduler,
        "swa": load("optim.swa_utils"), "data": load("utils.data"), "with_no_grad": quietly, "nan": math.nan,
        "prune": load("nn.utils.prune"), "parametrize": load("nn.utils.parametrize"),
    }  # fmt: skip


# What we do otherwise for a reason: found in "first statement ; next one ; ... -> what is said of it".
PECULIAR = {
    r"not resizable": "PyTorch's tensors of lists; ours are like all others",
    r"more than one element of the written": "refused wherever memory overlaps, for constants too",
    r"view was created in no_grad": "a write into the view of a leaf, which PyTorch lets pass",
    r"as_strided\(.*->": "of contiguous tensors only",
    r"share that, or a clon": "memory is shared where it can be",
    r"set_\(\): not allowed": "what is recorded keeps its memory",
    r"logical_not_\(\) ->": "a change like any other",
    r"a\.requires_grad_\(\).* in [tw] after": "of views that were there before their base wanted gradients",
    r"t\.requires_grad_\(\)\).* in w after": "the same",
    r"a\[0\]\).*requires_grad.*False.* in t after": "of views made under no_grad",
    r"\b[a-z]: RuntimeError": "views made under no_grad of what was written to, when asked for anything",
    r"parameters_to_vector": "of parameters that are not contiguous",
    r"storage_offset": "views of other types need no even beginning",
    r"\.mT( ->| is only)": "of a number: PyTorch warns that it will refuse it",
    r"set_default_dtype|not implemented": "for a type for which one library has no kernel",
    r"(zeros\(0, 3|\[:0\]).*(roll|softmax|index_add_|jacrev|vmap).*->": "checks of what is nothing",
    r"tensordot": "one element is repeated",
    r"transpose_\(0, 1\) ; .*->|share_memory_": "a layout of its own leaves the memory as it is",
    r"update_parameters": "averages of nothing",
    r"t\.data = .* ; t\[": "memory of its own is no view any more",
    r"(a\.grad|= g) ;.*_version": "gradients are made once, and not written to",
    r"copy\.copy\(m\)": "PyTorch's copies share their dicts",
    r"LBFGS": "a step without gradients",
    r"LazyLinear": "a lazy parameter waits with everything",
    r'"bias": X\(2\)': "a state_dict of which one entry is refused changes nothing",
    r'"lr": -1|momentum_buffer": X\(5': "refused when it is given, not when it is used",
    r'del o|= "a"; m': "state made before a rate is missed",
    r"weight\.data\.double\(\); o\.step": "a gradient of another type",
    r"m\.double\(\); o\.step": "Adam's state follows its parameter",
    r"Adam\(m\.parameters\(\)\)\.state_dict": "options that a file lacks are those of the optimizer",
    r"SparseAdam": "gradients are dense",
    r"named_parameters\(3": "a prefix is any text",
    r"clip_grad_value_": "no gradients are no error",
    r"m\(X\(\)\.numpy": "arrays are what rules are called with",
    r"quietly\(lambda: a\[0\]\).*register_hook": "of views made under no_grad, which PyTorch never calls",
    r"out=w\) -> accepts": "out may be of a wider type than a product",
    r"w = t\.flatten\(\).*out=w\) -> differs": "an operand, which PyTorch overwrites first",
    r"full_backward_hook": "what was reached before the error",
    r"m\.insert": "PyTorch numbers them otherwise, or takes what is no module",
    r"parametrizations": "one of several tensors stands alone",
    r"m\.bias = None": "an LSTM has biases, or none",
    r's\.step\("a"\).* half': "the epoch is noted first",
    r"with_no_grad.* half": "the forward took place",
}


def builtin(error: BaseException) -> type:
    return next(k for k in type(error).__mro__ if k.__module__ == "builtins")


def told(value: Any, depth: int = 0) -> Any:
    """What is compared of a value: tensors by all they have, modules and optimizers by their kind."""
    if hasattr(value, "requires_grad") and hasattr(value, "untyped_storage"):
        d = value.detach()
        grad = value._grad if hasattr(value, "_grad") and value.is_leaf else None
        return (
            str(d.dtype).rpartition(".")[2], tuple(d.shape), d.numpy().copy(), value.requires_grad,
            value.is_leaf, None if grad is None or depth > 2 else told(grad, depth + 1),
        )  # fmt: skip
    if isinstance(value, (list, tuple)):
        return [told(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return [told(p, depth + 1) for p in value.items()]
    if hasattr(value, "named_buffers"):
        names = [(n, type(k).__name__, k.training) for n, k in value.named_modules()]
        return [names, told([*value.named_parameters(), *value.state_dict().items()], depth)]
    if hasattr(value, "param_groups"):
        groups = [
            {k: v for k, v in g.items() if k in ("lr", "momentum", "params")} for g in value.param_groups
        ]
        return [told(groups, depth + 1), told([*value.state.values()], depth + 1)]
    if hasattr(value, "get_last_lr"):
        return [told(value.get_last_lr()), value.last_epoch]
    if isinstance(value, (np.ndarray, bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (np.ndarray, float)) and isinstance(b, (np.ndarray, float)):
        a, b = np.asarray(a), np.asarray(b)
        return (
            a.shape == b.shape
            and a.dtype == b.dtype
            and np.allclose(a.astype(np.float64), b.astype(np.float64), 1e-3, 1e-5, equal_nan=True)
        )
    return type(a) is type(b) and a == b


VARIABLES = "t a b c g m o s w".split()


def state(space: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in VARIABLES:
        try:
            found.append(told(space.get(name)))
        except Exception as e:
            found.append(f"{name}: {type(e).__name__}")
    return found


def run(lib: Any, program: tuple[str, ...]) -> Iterator[tuple[Any, bool, list[Any]]]:
    """After each statement of a program: its error, or None; whether it changed anything; the variables."""
    space = names_of(lib)
    lib.manual_seed(0)
    before = state(space)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program:
            error = None
            try:
                exec(line, space)
            except Exception as e:
                error = e
            lib.set_default_dtype(lib.float32)
            now = state(space)
            yield error, not same(now, before), now
            before = now


def alike(ours: Any, theirs: Any) -> bool:
    """Both None, or errors of one built-in type (ours may be a kind of theirs)."""
    if ours is None or theirs is None:
        return ours is theirs
    return isinstance(ours, builtin(theirs))


def short(e: Any) -> str:
    return "-" if e is None else " ".join(f"{type(e).__name__}: {e}".split())[:90]


def disagreement(program: tuple[str, ...]) -> str:
    """In which statement the libraries part, and how; "" if they agree."""
    import torch

    torch.set_num_threads(1)
    for i, (ours, theirs) in enumerate(zip(run(tinygrad6, program), run(torch, program), strict=True)):
        said = ""
        if not alike(ours[0], theirs[0]):
            kind = "accepts" if ours[0] is None else "refuses" if theirs[0] is None else "type"
            said = f"{kind} in {i} ({short(ours[0])} | {short(theirs[0])})"
        elif ours[0] is not None and ours[1] and ";" not in program[i]:
            said = f"half done in {i} ({short(ours[0])})"
        elif ours[0] is not None and theirs[1]:
            return ""  # what PyTorch leaves half done, we leave alone
        else:
            for name, a, b in zip(VARIABLES, ours[2], theirs[2], strict=True):
                if not same(a, b):
                    said = f"differs in {name} after {i} ({words(a)} | {words(b)})"
                    break
        if said:
            line = f"{' ; '.join(program[: i + 1])} -> {said}"
            return "" if any(re.search(p, line) for p in PECULIAR) else said
    return ""


def words(value: Any) -> str:
    return re.sub(r"array\(|, dtype=\w+\)", "", " ".join(str(value).split()))[:150]


def fitting(subject: str, actions: list[str]) -> list[str]:
    """The statements that speak of what there is: no optimizer's where there is none."""
    there = set(re.findall(r"\b([mosd]) = ", subject))
    return [
        a
        for a in actions
        if set(re.findall(r"\b[mosd]\b", a)) <= there | set(re.findall(r"\b([mosd]) = ", a))
    ]


POSSIBLE = {
    s: fitting(s, actions)
    for table, actions in ((SUBJECTS, ACTIONS), (TRAININGS, HABITS))
    for s in table.values()
}


def alone() -> list[tuple[str, ...]]:
    """Every subject with every statement."""
    return [(s, a) for s, actions in POSSIBLE.items() for a in actions]


def pairs(n: int, seed: int = 0) -> list[tuple[str, ...]]:
    """n subjects with two statements each, as many of tensors as of trainings."""
    draw = random.Random(seed)
    tables = [list(SUBJECTS.values()), list(TRAININGS.values())]
    chosen = [draw.choice(tables[i % 2]) for i in range(n)]
    return [(s, *draw.sample(POSSIBLE[s], 2)) for s in chosen]


if __name__ == "__main__":
    from bad_input import judged

    wanted = sys.argv[1:]
    n = int(wanted.pop(0)) if wanted and wanted[0].isdigit() else 0
    programs = [p for p in alone() + pairs(n) if not wanted or any(w in " ; ".join(p) for w in wanted)]
    for program, words in judged(programs, disagreement):
        if words:
            print(" ; ".join(program), "->", words, flush=True)
    print(len(programs), "programs")
