"""Bad input, made systematically: every good call of a table with one argument at a time replaced by what it
should not be.

A call is a line of Python that runs with either library as `torch`, so what disagrees can be pasted into a
prompt. `good_calls` has the lines, written in good_calls.py or drawn by calls.py and modules.py; `spoiled` has the bad
ones made of a good one; `outcome` runs a line and says what came of it, and what was changed by it.

    python tests/bad_input.py [part of a name] ...          lists the disagreements with PyTorch
    python tests/bad_input.py ours [part of a name] ...     lists what is wrong whatever PyTorch does
"""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import os
import random
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from calls import CALLS
from drawing import Draw
from good_calls import LINES
from modules import MODULES

import tinygrad6


class Call(NamedTuple):
    """function(*arguments, **keywords), all of them source."""

    function: str
    arguments: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        given = [*self.arguments, *(f"{k}={v}" for k, v in self.keywords)]
        return f"{self.function}({', '.join(given)})"


def parsed(line: str) -> Call:
    """The outermost call of a line."""
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call), line
    return Call(
        ast.unparse(call.func),
        tuple(ast.unparse(a) for a in call.args),
        tuple((str(k.arg), ast.unparse(k.value)) for k in call.keywords),
    )


# ---- the names that lines use


@functools.cache
def names_of(lib: Any) -> dict[str, Any]:
    """What a line may use: the library as `torch`, its parts, and numbers to call them with."""

    def x(*shape: int) -> Any:
        """Floats between 0 and 1, all different."""
        n = int(np.prod(shape))
        return lib.tensor((np.arange(1, n + 1) * 0.618 % 1).tolist()).reshape(shape)

    def i(below: int, *shape: int) -> Any:
        """Integers from 0 to below - 1."""
        return lib.tensor((np.arange(int(np.prod(shape))) * 7 % below).tolist(), dtype=lib.int64).reshape(
            shape
        )

    def p(*shape: int) -> Any:
        return lib.nn.Parameter(x(*shape))

    def graded(*shape: int) -> Any:
        q = p(*shape)
        q.grad = x(*shape)
        return q

    def sgd(**options: Any) -> Any:
        return lib.optim.SGD([p(2)], **{"lr": 0.1, **options})

    root = lib.__name__
    load = lambda name: __import__(f"{root}.{name}", fromlist=["x"])  # noqa: E731
    return {
        "torch": lib, "nn": lib.nn, "F": lib.nn.functional, "optim": lib.optim, "init": lib.nn.init,
        "utils": lib.nn.utils, "rnn": load("nn.utils.rnn"), "data": load("utils.data"),
        "distributions": load("distributions"), "special": load("special"), "linalg": load("linalg"),
        "schedulers": lib.optim.lr_scheduler, "swa": load("optim.swa_utils"), "parametrize": None,
        "func": load("func"), "x": x, "i": i, "p": p, "graded": graded, "sgd": sgd, "np": np, "nan": np.nan,
        "inf": np.inf,
    }  # fmt: skip


# ---- good calls


def source(value: Any) -> str:
    """A drawn argument as source."""
    if isinstance(value, tinygrad6.Tensor):
        text = f"torch.tensor({value.tolist()!r}, dtype={value.dtype!r})"
        return text if value.numel() or value.ndim == 1 else f"{text}.reshape({tuple(value.shape)})"
    if isinstance(value, tinygrad6.dtype):
        return repr(value)
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(source, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, np.generic):
        return f"np.{value.dtype}({value.item()!r})"
    if isinstance(value, type):
        return value.__name__
    return repr(value)


def drawn(name: str) -> Iterator[str]:
    """Calls of one name of calls.py: a few sets of options as a function, the first also as a method."""
    seen, r = set(), random.Random(1)
    for _ in range(40):
        args, kwargs = CALLS[name](Draw(r, wild=0))
        kinds = (*(type(a) for a in args), *sorted(kwargs))
        if kinds in seen or len(seen) > 2:
            continue
        first = not seen
        seen.add(kinds)
        given = [*map(source, args), *(f"{k}={source(v)}" for k, v in kwargs.items())]
        if hasattr(tinygrad6, name):
            yield f"torch.{name}({', '.join(given)})"
        if not hasattr(tinygrad6, name) or first and isinstance(args[0], tinygrad6.Tensor):
            if not callable(getattr(tinygrad6.Tensor, name, None)):
                continue
            yield f"{given[0]}.{name}({', '.join(given[1:])})"


def of_modules() -> Iterator[str]:
    seen: dict[str, int] = {}
    for entry in MODULES:
        kind = entry.name.partition("(")[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > 2:
            continue
        if "()" in entry.name and entry.name.startswith(("Sequential", "TransformerEnc", "TransformerDec")):
            continue
        feeds, rng = [], np.random.default_rng(0)
        for shape in entry.inputs:
            a = None if shape is None else shape(rng) if callable(shape) else rng.uniform(0, 1, shape)
            if a is not None and a.dtype.kind == "f":
                a = a.astype(np.float32).round(3)
            feeds.append("None" if a is None else source(tinygrad6.tensor(a.tolist(), dtype=_kind(a))))
        yield f"nn.{entry.name}"
        yield f"nn.{entry.name}({', '.join(feeds)})"


def _kind(a: np.ndarray) -> Any:
    return tinygrad6.int64 if a.dtype.kind == "i" else tinygrad6.float32


def good_calls() -> list[Call]:
    """Every call of the tables that runs with this library."""
    lines = [*LINES, *(line for name in CALLS if name[0] != "_" for line in drawn(name)), *of_modules()]
    return [parsed(line) for line in dict.fromkeys(lines)]


# ---- bad calls made of good ones

ANYTHING = ["None", "'text'", "object()"]


def worse(value: Any, s: str) -> list[str]:
    """What might stand wrongly where `value`, of source `s`, stands rightly."""
    if isinstance(ast.parse(s, mode="eval").body, ast.BinOp):
        s = f"({s})"
    if isinstance(value, tinygrad6.Tensor):
        found = [
            *ANYTHING,
            "1.5",
            "[1.0]",
            f"{s}[None]",
            f"{s}.sum()",
            "torch.zeros(0)",
            f"{s}.to(torch.int64)",
        ]
        found += [f"{s}.bool()", f"{s}.double()", f"{s}.half()", f"{s}.flatten()"]
        if value.ndim:
            found += [f"torch.cat([{s}, {s}])", f"torch.cat([{s}, {s}], {value.ndim - 1})", f"{s}[:0]"]
        if value.is_floating_point():
            return [*found, f"{s} * nan", f"{s} - 2", f"{s} * inf"]
        return [*found, f"{s} - 100", f"{s} + 100"]
    if isinstance(value, bool):
        return [*ANYTHING, "2", "1.5", "[]"]
    if isinstance(value, int):
        found = [*ANYTHING, "-1", "0", "50", "-50", "2**70", "1.5", "2.0", "nan", "True", "[]", f"({s},)"]
        return [*found, f"({s},) * 4", f"torch.tensor({s})", "torch.tensor(1.5)", f"np.int64({s})"]
    if isinstance(value, float):
        found = [*ANYTHING, "-1.0", "0.0", "nan", "inf", "-inf", "2", "True", f"[{s}]", f"torch.tensor({s})"]
        return [*found, "torch.ones(2)", f"np.float32({s})", "1.5"]
    if isinstance(value, str):
        return ["None", "object()", "'no such'", "''", "3", "True"]
    if isinstance(value, (list, tuple)):
        found = [*ANYTHING, "1.5", "3", "[]", f"{s} * 2", f"{s}[:-1]"]
        if value and isinstance(value[0], int):
            kind = type(value).__name__
            rest = f"{kind}({s}[1:])"
            found += [
                f"{kind}([{bad}]) + {rest}" for bad in ("-1", "0", "1.5", "None", "'text'", "50", "True")
            ]
        if value and isinstance(value[0], tinygrad6.Tensor):
            found += [f"list({s}) + [{bad}]" for bad in (*ANYTHING, "1.5", "torch.ones(7, 7)")]
        return found
    if isinstance(value, tinygrad6.dtype):
        return ["None", "3", "'float32'", "object()", "float"]
    if value is None:
        return ["object()", "'text'", "-1.5", "torch.ones(7)"]
    return [*ANYTHING, "3", "torch.ones(2)"]


def spoiled(call: Call) -> Iterator[Call]:
    """The call with one argument wrong, missing or too many."""
    function, args, keywords = call
    names = names_of(tinygrad6)
    with quiet():
        for k, s in enumerate(args):
            for bad in worse(eval(s, dict(names)), s):
                yield call._replace(arguments=(*args[:k], bad, *args[k + 1 :]))
        for k, (name, s) in enumerate(keywords):
            for bad in worse(eval(s, dict(names)), s):
                yield call._replace(keywords=(*keywords[:k], (name, bad), *keywords[k + 1 :]))
    if args:
        yield call._replace(arguments=args[:-1])
        yield call._replace(arguments=())
    yield call._replace(keywords=(*keywords, ("no_such", "1")))
    yield call._replace(arguments=(*args, *["object()"] * 12))


# ---- running a line


class Outcome(NamedTuple):
    error: Exception | None
    result: Any
    changed: str  # what is no longer as it was before the call, in words; "" if nothing
    late: bool = False  # whether the error came when the result was looked at


class quiet(warnings.catch_warnings):
    """Neither warnings nor NumPy's floating-point errors."""

    def __enter__(self) -> Any:
        self.numpy = np.errstate(all="ignore")
        self.numpy.__enter__()
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self.numpy.__exit__(*args)


def outcome(lib: Any, call: Call) -> Outcome:
    names = dict(names_of(lib))
    lib.manual_seed(0)
    with quiet():
        args = [eval(a, names) for a in call.arguments]
        kwargs = {k: eval(v, names) for k, v in call.keywords}
        owner, _, method = call.function.rpartition(".")
        holder = eval(owner, names) if owner and not owner.isidentifier() else None
        function = getattr(holder, method) if holder is not None else eval(call.function, names)
        before = everything(lib, args, kwargs, holder)
        try:
            result, error = function(*args, **kwargs), None
        except Exception as e:
            result, error = None, e
        after = everything(lib, args, kwargs, holder)
        changed = ", ".join(k for k in before if before[k] != after[k])
        if error is not None:
            return Outcome(error, None, changed)
        try:
            return Outcome(None, shown(lib, result), changed)
        except Exception as e:
            return Outcome(e, None, changed, late=True)


def everything(lib: Any, args: Any, kwargs: Any, holder: Any) -> dict[str, Any]:
    """What a call that fails must leave as it was."""
    generator = lib.get_rng_state() if lib is tinygrad6 else None
    return {
        "arguments": values(args),
        "keywords": values(kwargs),
        "self": values(holder),
        "the generator": values(generator),
        "grad mode": lib.is_grad_enabled(),
        "the default type": str(lib.get_default_dtype()),
    }


def values(a: Any) -> Any:
    """What a call must not change: of tensors, modules and nests of them."""
    if hasattr(a, "state_dict") and hasattr(a, "named_buffers"):
        return {k: values(v) for k, v in a.state_dict().items()}
    if hasattr(a, "requires_grad") and hasattr(a, "untyped_storage"):
        d = a.detach()
        grad = None if not a.is_leaf or a.grad is None else values(a.grad)
        memory = np.array(d.numpy(force=True)).tobytes()
        return str(d.dtype)[-8:], tuple(d.shape), memory, a.requires_grad, grad
    if hasattr(a, "param_groups") and hasattr(a, "state_dict"):
        return values(a.state_dict())
    if isinstance(a, (list, tuple)):
        return [values(v) for v in a]
    if isinstance(a, dict):
        return {k: values(v) for k, v in a.items()}
    return a if isinstance(a, (bool, int, str)) else None


def shown(lib: Any, result: Any) -> Any:
    """A result as something to compare: modules by what they print, optimizers by a step, datasets by items."""
    if type(result).__name__ in ("function", "builtin_function_or_method", "RemovableHandle", "Generator"):
        return "made"
    if isinstance(result, lib.nn.Module):
        return re.sub("0x[0-9a-f]+", "", repr(result))
    if isinstance(result, lib.optim.Optimizer):
        for group in result.param_groups:
            for q in group["params"]:
                q.grad = lib.ones_like(q)
        if not isinstance(result, lib.optim.LBFGS):
            result.step()
            result.step()
        return [q.detach() for g in result.param_groups for q in g["params"]]
    if hasattr(result, "get_last_lr"):
        rates = [result.get_last_lr()]
        for _ in range(3):
            result.optimizer.step()
            result.step() if not isinstance(
                result, lib.optim.lr_scheduler.ReduceLROnPlateau
            ) else result.step(1.0)
            rates.append(result.get_last_lr())
        return rates
    if hasattr(result, "__getitem__") and type(result).__module__.endswith("dataset"):
        return [result[k] for k in range(len(result))]
    if isinstance(result, (list, tuple)) and not hasattr(result, "_fields"):
        return [shown(lib, r) for r in result]
    if hasattr(result, "log_prob"):
        return [list(result.batch_shape), list(result.event_shape), result.sample((2,))]
    if hasattr(result, "__next__") or hasattr(result, "__iter__") and hasattr(result, "__len__"):
        if not isinstance(result, (list, tuple, dict, str, lib.Tensor, np.ndarray)):
            return list(zip(range(20), result))
    return result


def builtin(error: Exception) -> type:
    """The built-in type of an error of PyTorch's."""
    return next(k for k in type(error).__mro__ if k.__module__ == "builtins")


# ---- without PyTorch

DOCUMENTED = (TypeError, ValueError, RuntimeError, IndexError)  # NotImplementedError is a RuntimeError
# What PyTorch raises for names that are not there, for one check, and for settings that it divides by.
NAMED = (KeyError, AttributeError, AssertionError, ZeroDivisionError)
# What Python and NumPy say when code runs into an argument that it did not look at.
ACCIDENTS = re.compile(
    r"object has no attribute|(tuple|list|string) index out of range|zip\(\) argument|to unpack \(expected|"
    r"object is not (iterable|subscriptable|callable)|unsupported operand type|could not convert string|"
    r"cannot be interpreted as an integer|int too (large|big)|array element|ufunc '|"
    r"operands could not be broadcast|shape mismatch: objects|zero-size array|arg is an empty sequence|"
    r"(int|float)\(\) argument must|object of type '\w+' has no len|not supported between instances|"
    r"division by zero|modulo by zero|integer scalar arrays|unhashable type|cannot convert float|"
    r"truth value of an array|Maximum allowed dimension|cannot reshape array|not all arguments converted|"
    r"can't multiply sequence|invalid literal for int|must be real number|indices must be integers"
)
_NAMED = re.compile(r"^[A-Za-z]\w*\(.*\): |\) got \(|'dtype' object is not callable", re.DOTALL)
_NAMES_IN_TEXT = re.compile(r"\b([A-Za-z_]\w*)\((?!s\))")
# Names that PyTorch's messages have too.
_THEIRS = {
    "cross_entropy_loss",
    "grid_sampler",
    "linalg_matrix_norm",
    "dimension",
    "f",
    "getitem",
    "setitem",
    "KL",
    "norm_except_dim",
}


@functools.cache
def known() -> frozenset[str]:
    """Every name that a message may call: what users can reach."""
    spaces = [v for v in names_of(tinygrad6).values() if hasattr(v, "__name__")]
    spaces.append(sys.modules["tinygrad6.autograd.functional"])
    found = {n for s in (*spaces, tinygrad6.Tensor, tinygrad6.nn.Module) for n in dir(s)}
    kinds = [v for s in spaces for v in vars(s).values() if isinstance(v, type)]
    kinds += vars(names_of(tinygrad6)["distributions"].constraints).values()
    found |= {
        n
        for k in kinds
        for n in (getattr(k, "__name__", "").lstrip("_"), type(k).__name__.lstrip("_"), *dir(k))
    }
    return frozenset(found | set(dir(builtins)) | _THEIRS)


def fault(call: Call) -> str:
    """What is wrong with how we take a call, whatever PyTorch does: in words; "" if nothing is."""
    try:
        error, _, changed, late = outcome(tinygrad6, call)
    except Exception:  # an argument could not be made
        return ""
    if error is None or late:
        return ""
    if isinstance(error, KeyError) and [repr(a) for a in error.args] == [*call.arguments]:
        return ""  # what dicts say
    text = "\n".join([str(error), *getattr(error, "__notes__", ())])  # modules say where in notes
    said = f"{type(error).__name__}: {' '.join(text.split())[:150]}"
    if changed and not (changed == "the generator" and call.function.startswith("nn.")):
        return f"changes {changed} ({said})"
    if not isinstance(error, DOCUMENTED + NAMED):
        return f"raises what is not documented ({said})"
    if (found := ACCIDENTS.search(text)) and not _NAMED.search(text):
        return f"an accident: {found.group()} ({said})"
    inner = [n for n in _NAMES_IN_TEXT.findall(text) if n not in known()]
    if inner:
        return f"names {inner[0]} ({said})"
    return "" if len(text) > 8 else f"says nothing ({said})"


# ---- with PyTorch

# PyTorch's own accidents: it meets what it was given as a missing attribute, a key, an assertion.
MISTAKES = (AttributeError, AssertionError, KeyError, UnboundLocalError, ZeroDivisionError)

_THEIR_ACCIDENTS = re.compile(
    ACCIDENTS.pattern + "|can only concatenate|iteration over a 0-d|bad operand type"
)


def on_purpose(call: Call, theirs: Exception | None, ours: Exception | None) -> bool:
    """Whether we do otherwise than PyTorch, which raises `theirs` (or not), for a reason.

    - PyTorch's Python code takes the truth of whatever stands for a bool, its C++ code does not; here a bool is
      a bool everywhere.
    - Where PyTorch runs into a mistake of its own (a missing attribute of what is no tensor, an assertion, a key,
      a comparison that Python refuses), we raise TypeError or ValueError for what was given.
    - nan is no rate, factor or probability, and more gradients than outputs are refused.
    - Numbers beyond 64 bits are refused by whoever first cannot use them.
    - Types that PyTorch has no kernel for ("not implemented for 'Half'") are computed, or refused as wrong types.
    - A tensor of too few dimensions is refused by their number, where PyTorch looks for one that is not there.
    - A tensor of several elements in the place of a number is of the wrong type, before its truth is asked for.
    - Lazy modules look at their settings when they are made, PyTorch's when they first run.
    - True is no size, where PyTorch takes it for 1.
    """
    if theirs is None:
        if "nan" in str(call) and isinstance(ours, ValueError) or " gradients" in str(ours):
            return True
        if isinstance(ours, TypeError) and "True" in str(call) and "sizes must be ints" in str(ours):
            return True
        lazy = call.function.startswith("nn.Lazy") and isinstance(ours, (TypeError, ValueError, RuntimeError))
        return lazy or isinstance(ours, TypeError) and "must be bool" in str(ours)
    text = str(theirs)
    if ours is None:
        return "2**70" in str(call) or "not implemented for" in text
    if isinstance(theirs, NotImplementedError) and "not implemented for" in text:
        return isinstance(ours, (RuntimeError, TypeError))
    if isinstance(theirs, IndexError) and "imension" in text:
        return isinstance(ours, RuntimeError)
    if "Tensor with" in text and ("ambiguous" in text or "cannot be converted to Scalar" in text):
        return isinstance(ours, (TypeError, ValueError))
    if isinstance(theirs, MISTAKES) or "INTERNAL ASSERT" in text or _THEIR_ACCIDENTS.search(text):
        return isinstance(ours, (TypeError, ValueError, RuntimeError, IndexError))
    return "2**70" in str(call)


def disagreement(call: Call) -> str:
    """What our library does otherwise than PyTorch, if anything: in words that begin with the kind."""
    import torch
    from helpers import assert_same

    torch.set_num_threads(1)  # in a forked process its threads are not there, and would be waited for
    try:
        theirs = outcome(torch, call)
    except Exception:  # the line itself is wrong: another argument is
        return ""
    try:
        ours = outcome(tinygrad6, call)
    except Exception as e:
        return f"argument {type(e).__name__}: {e}"
    if theirs.error is None and ours.error is None:
        if "nan" in str(call) or "inf" in str(call):
            return ""  # of numbers that are none, test_numerics.py
        try:
            assert_same(ours.result, theirs.result, 1e-2, 1e-3)
        except Exception as e:
            return "differs: " + " ".join(str(e).split())[:150]
        return ""
    kind = None if theirs.error is None else builtin(theirs.error)
    if ours.error is not None and kind is not None and isinstance(ours.error, kind):
        return ""
    if on_purpose(call, theirs.error, ours.error):
        return ""
    said = [" ".join(f"{type(e).__name__}: {e}".split())[:110] for e in (ours.error, theirs.error)]
    if kind is None:
        return f"refuses ({said[0]})"
    return f"accepts ({said[1]})" if ours.error is None else f"type ({said[0]} | {said[1]})"


# ---- many calls, in processes of their own: PyTorch crashes or never returns at some


def judged(
    calls: Iterable[Call], judge: Callable[[Call], str], seconds: int = 20
) -> Iterator[tuple[Call, str]]:
    """Each call with what `judge` says of it: "died" if the process did, or took longer than `seconds`."""
    left = list(calls)
    while left:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            try:
                _judge(left, judge, seconds, write)
            finally:
                os._exit(0)
        os.close(write)
        done = 0
        with os.fdopen(read) as lines:
            for line in lines:
                yield left[done], line[:-1]
                done += 1
        os.waitpid(child, 0)
        if done < len(left):
            yield left[done], "died"
            done += 1
        left = left[done:]


def _judge(calls: list[Call], judge: Callable[[Call], str], seconds: int, write: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what LAPACK prints
    with os.fdopen(write, "w", buffering=1) as out:
        for call in calls:
            signal.alarm(seconds)
            out.write(judge(call).replace("\n", " ") + "\n")
            signal.alarm(0)


def name_of(call: Call) -> str:
    """The function, or what the object is made by and its method: `sum`, `nn.Linear()`, `x().fill_`."""
    head, bracket, rest = call.function.partition("(")
    return f"{head}(){rest.rpartition(')')[2]}" if bracket else head


def every(n: int, wanted: Sequence[str] = ()) -> list[Call]:
    """One in n of all calls, good and bad, of functions with one of the `wanted` in their names."""
    chosen = [c for c in good_calls() if not wanted or any(w in c.function for w in wanted)]
    return list(itertools.islice((b for c in chosen for b in (c, *spoiled(c))), None, None, n))


if __name__ == "__main__":
    judge, wanted = (fault, sys.argv[2:]) if sys.argv[1:2] == ["ours"] else (disagreement, sys.argv[1:])
    if judge is disagreement:
        import torch  # noqa: F401 -- once, before the processes
    lines = every(1, wanted)
    for line, words in judged(lines, judge):
        if words:
            print(line, "->", words, flush=True)
    print(len(lines), "calls")
