"""Mutation testing: change one thing in the source, and see whether a test notices. Run by hand.

    python tests/mutate.py ops --sample 80 --seed 1       # or optim, nn, or files
    python tests/mutate.py optim/adam.py tinygrad6/ops/conv.py

Nothing is written to the checkout: everything happens in processes that work on a copy of it.

1. Each test file is run once, to note which lines of which file each test reaches.
2. One process only collects the tests. For each mutant it forks; the child gives the live functions the
   changed code and runs the tests that reach the changed line, until one fails: some tenths of a second. This
   process must not have run anything: plans that are cached would hide what the mutant does to them.
3. What runs while the package is imported (defaults, tables, facts about ops) is imported anew, changed.

Mutated are operators, comparisons, conditions, signs, numbers and booleans (defaults too), arguments that
change places, keywords left out, bounds of slices, and statements left out; not what is only read by people:
docstrings, messages, annotations, examples. `EQUIVALENT` lists what cannot be noticed, and why.
docs/mutants.md has the figures.
"""

from __future__ import annotations

import argparse
import ast
import atexit
import contextlib
import copy
import gc
import hashlib
import importlib.abc
import importlib.util
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {
    "ops": "tinygrad6/ops/*.py",
    "optim": "optim/*.py",
    "nn": "nn/*.py",
    "core": "tinygrad6/*.py tinygrad6/autograd/*.py tinygrad6/utils/**/*.py nn/utils/*.py",
}
PYTEST = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
LEFT_OUT = """
    benchmarks chapter6 data datasets demo interrupts layers memory page
    programs record rest scripts serialization tests vision
""".split()  # what tests something else, at length
OF_CORE = "data memory record rest serialization".split()  # but not something else than the core

# what runs in other processes, where no trace is taken: the tests that start these
BEYOND = {"tinygrad6/utils/data/worker.py": "/test_data.py"}

# they choose the faster of two ways
SIZES = "BLOCK|LONG|FEW|WORTH|NARROW|HEAVY|TURNED|SMALL|SHARED|SHORT|WIDE|ROWS"
# (file, what matches "line ## kind of change: what is changed", why nothing can notice)
EQUIVALENT = [
    ("", rf"^({SIZES}) = ", "sizes from which another way is faster"),
    ("", rf"## comparison: [^()]+ [<>]=? (2 \* )?({SIZES})\b", "the same"),
    ("ops/linalg.py", r"10_000|1 << 12", "the same"),
    ("ops/loss.py", r"<= TURNED|1 << 16", "the same"),
    ("ops/choose.py", r"keep\.size > 4096", "the same"),
    ("ops/activations.py", r"^SATURATED = ", "tanh is 1 long before"),
    ("", r"lru_cache\(maxsize", "how much is remembered"),
    ("", r"__doc__ = ", "for people"),
    ("", r"stable: bool", "sorting is always stable"),
    ("optim/lr_base.py", r"^_is_initial = ", "overwritten before anybody reads it"),
    (
        "ops/linalg.py",
        r"comparison: max\(rows, columns\) > 25|sizes\[i\] \*",
        "the faster of two ways to one result",
    ),
    ("ops/linalg.py", r"^batch = math.prod|^for i, shape in enumerate", "numbers in messages"),
    ("ops/sample.py", r"-10|n \+ 10", "as far outside as before"),
    ("ops/reduce.py", r"## operator: x\.dtype\.char != 'd' and", "computed in double where single would do"),
    ("ops/gamma.py", r"^for _ in range\(10\)|## comparison: z < 10$", "one step more than it takes"),
    ("ops/gamma.py", r"^(854513 / 138|-236364091 / 2730),", "a term below the last digit"),
    ("ops/arithmetic.py", r"^return np.where\(x == 0.*## comparison: x > 0$", "x is not 0 there"),
    ("ops/incomplete.py", r"x [<>]=? 0.5", "where two series are equally good"),
    ("ops/einsum.py", r"i == len\(operands\)", "an order that the last step puts right"),
    ("nn/_losses.py", r"^if x.ndim == 2 and t.ndim == 1", "the faster of two ways to one result"),
    (
        "nn/_losses.py",
        r"arguments: _same\(|1e\+29",
        "who comes first is said in a message; no loss is just 1e29",
    ),
    ("optim/optimizer.py", r"comparison: weight < 0.5", "at one half both ends are equally near"),
    ("optim/adam.py", r"comparison: length > 5.0", "it is never just 5"),
    ("nn/module.py", r"setdefault\(name, True\)", "a dict whose values nobody reads"),
    ("nn/hooks.py", r"^flag\[handle.id\] = True", "a dict whose values nobody reads"),
    ("nn/shape.py", r"^(sides|where) = ", "in docstrings"),
    ("nn/conv.py", r"^letters = ", "in docstrings"),
    ("nn/functional.py", r"_stacklevel: int = 3", "PyTorch's argument, which nobody reads"),
    ("nn/init.py", r"^q = q \* np.sign\(d\)", "signs are 1 and -1, unless a number was drawn twice"),
    ("nn/init.py", r"_name\[0\]|^if isinstance\(_function.*constant: 0", "no name has its only _ second"),
    (
        "nn/recurrent.py",
        r"without device: create.empty\(rows, hidden_size",
        "weight_ih refuses others before",
    ),
    ("optim/lbfgs.py", r"arguments: np.dot\(", "of two vectors: the same"),
    ("optim/lbfgs.py", r"comparison: min\(max\(a, b\) - t.* < margin", "they are never just equal"),
    ("nn/_losses.py", r"slice: :width$", "padding of targets: their lengths say what counts"),
    ("nn/norm.py", r"create.tensor\(0\)", "set to 0 once more where it is drawn anew"),
    ("archive.py", r"1 << 20|1 << 26", "sizes of parts"),
    ("random.py", r"2 \* \w+\.size", "how many numbers are drawn ahead; what is left is given back"),
]

# tests that look at everything there is: they see what an import decides
WHOLE = "signature|_names|every_method|every_function|default|are_pytorchs|is_one_here|in_place$|arguments"

SWAPS = {
    getattr(ast, old): [getattr(ast, new) for new in others.split("|")]
    for old, _, others in (
        pair.partition(":")
        for pair in """
            Add:Sub Sub:Add Mult:Div Div:Mult FloorDiv:Mult Mod:FloorDiv Pow:Mult MatMult:Mult BitAnd:BitOr
            BitOr:BitAnd LShift:RShift RShift:LShift Lt:LtE|Gt LtE:Lt|GtE Gt:GtE|Lt GtE:Gt|LtE Eq:NotEq
            NotEq:Eq Is:IsNot IsNot:Is In:NotIn NotIn:In And:Or Or:And
        """.split()
    )
}
COMMUTATIVE = """
    swapaxes min max add multiply maximum minimum fmin fmax hypot logaddexp gcd logical_and logical_or
    logical_xor bitwise_and bitwise_or equal not_equal array_equal promote_types result_type broadcast_shapes
    shares_memory may_share_memory common_dtype
""".split()
# keyword arguments for tests and people; strict is an assertion, elementwise a matter of speed
FACTS = "examples domain avoid torch node_name doc refuse stacklevel strict elementwise".split()
ANNOTATIONS = {"annotation", "returns", "type_comment", "type_params"}
REMOVABLE = (ast.Expr, ast.AugAssign, ast.Delete, ast.Raise, ast.Continue, ast.Break)


class Mutant(NamedTuple):
    file: str  # from the root of the checkout
    number: int  # among the file's mutants
    line: int
    lines: tuple[Sequence[int], ...]  # where it shows, the narrowest first
    function: tuple[int, str] | None  # line and name of the innermost code it is in
    text: str
    names: tuple[str, ...]  # of what it stands in


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(description, changed copy) of everything that may be done to one node."""

    def changed(**fields: Any) -> ast.AST:
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        text = isinstance(node, ast.BinOp) and _is_text(node.left)
        for op in () if text else SWAPS.get(type(node.op), ()):
            yield "operator", changed(op=op())
    elif isinstance(node, ast.Compare):
        for op in SWAPS[type(node.ops[0])]:
            yield "comparison", changed(ops=[op(), *node.ops[1:]])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield "sign", node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield "constant", changed(value=not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.Slice):
        for end in ("lower", "upper"):
            bound = getattr(node, end)
            if bound is not None and not isinstance(bound, ast.Constant):
                yield "slice", changed(**{end: ast.BinOp(bound, ast.Add(), ast.Constant(1))})
    elif isinstance(node, ast.IfExp) and not (_is_text(node.body) and _is_text(node.orelse)):
        yield "branches", changed(body=node.orelse, orelse=node.body)
    elif isinstance(node, (ast.If, ast.While)) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
        yield "condition", changed(test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call):
        if len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
            called = ast.unparse(node.func).rpartition(".")[2].removeprefix("NAMES['").removesuffix("']")
            texts = ast.unparse(node.args[0]) == "name" or _is_text(node.args[0])  # for messages
            texts = texts and _is_text(node.args[1])
            if not texts and ast.dump(node.args[0]) != ast.dump(node.args[1]) and called not in COMMUTATIVE:
                yield "arguments", changed(args=[node.args[1], node.args[0], *node.args[2:]])
        for k in node.keywords:
            if k.arg is not None and k.arg not in FACTS:
                yield f"without {k.arg}", changed(keywords=[o for o in node.keywords if o is not k])
    if isinstance(node, REMOVABLE) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
    ):
        yield "statement", ast.Pass()


def mutants(file: str, source: str) -> list[Mutant]:
    """What can be done to a file; `changed_tree` does it."""
    text, found = source.splitlines(), []
    for number, (old, what, new, chain, code) in enumerate(_places(ast.parse(source))):
        line = text[old.lineno - 1].strip()
        where = None
        if code is not None:
            first = min([code.lineno, *[d.lineno for d in getattr(code, "decorator_list", ())]])
            where = first, getattr(code, "name", "<lambda>")
        spans = [range(n.lineno, (n.end_lineno or n.lineno) + 1) for n in (old, *reversed(chain))]
        if code is None and isinstance(chain[0], (ast.Assign, ast.AnnAssign)):  # a table: where it is used
            target = chain[0].targets[0] if isinstance(chain[0], ast.Assign) else chain[0].target
            word = re.compile(rf"\b{re.escape(ast.unparse(target))}\b")
            spans.append([i for i, part in enumerate(text, 1) if word.search(part)])
        names = tuple(n.name.strip("_") for n in chain if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
        key = f"{line} ## {what}: {_short(old)}"
        if any(f in file and re.search(pattern, key) for f, pattern, _ in EQUIVALENT):
            continue
        change = f"{what}: {_short(old)}  ->  {_short(new)}"
        if code is None:  # it runs at the import: seen wherever the whole function or class is
            spans = spans[-1:]
        found.append(Mutant(file, number, old.lineno, tuple(spans), where, change, names))
    return found


def _places(tree: ast.Module) -> Iterator[tuple[Any, str, ast.AST, list, Any]]:
    """(node, what, changed node, the statements and lambdas it stands in, the function whose code it is)."""
    used = _used(tree)

    def walk(node: ast.AST, chain: list, code: Any) -> Iterator[tuple[Any, str, ast.AST, list, Any]]:
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not chain and isinstance(node, ast.Assign) and ast.unparse(node.targets[0])[0] == "_":
            words = ast.unparse(node.targets[0]) not in used  # only in examples
        if words or isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr)):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, (ast.stmt, ast.Lambda)):
            chain = [*chain, node]
        for what, new in changes(node):
            yield node, what, new, chain, code
        if isinstance(node, ast.Raise):
            return
        for name, value in ast.iter_fields(node):
            if (
                isinstance(node, ast.Call)
                and name == "args"
                and len(value) > 1
                and all(map(_is_text, value[:2]))
            ):
                continue  # a check whose first arguments are the names for its message
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or name in ANNOTATIONS:
                    continue
                if isinstance(child, ast.keyword) and child.arg in FACTS:
                    continue
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(child) == "-1"
                    and "reshape" in ast.unparse(node.func)
                ):
                    continue  # NumPy takes -2 for -1
                inside = name == "body" and isinstance(node, (ast.Lambda, ast.FunctionDef))
                yield from walk(child, chain, node if inside else code)

    for statement in tree.body:
        yield from walk(statement, [], None)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


def _used(tree: ast.AST) -> set[str]:
    """The names that are read anywhere but in examples and their like."""
    if isinstance(tree, ast.keyword) and tree.arg in FACTS:
        return set()
    own = {tree.id} if isinstance(tree, ast.Name) and isinstance(tree.ctx, ast.Load) else set()
    return own.union(*map(_used, ast.iter_child_nodes(tree)))


def changed_tree(source: str, number: int) -> ast.Module:
    """The file's tree after the change of that number."""
    tree = ast.parse(source)
    for i, (old, _, new, *_) in enumerate(_places(tree)):
        if i == number:
            break

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(new, old) if node is old else self.generic_visit(node)

    return ast.fix_missing_locations(Put().visit(tree))


def _short(node: ast.AST) -> str:
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) < 90 else f"{text[:60]} ... {text[-25:]}"


# -- running -----------------------------------------------------------------------------------------------


def module_of(file: str) -> str:
    parts = [p for p in Path(file).with_suffix("").parts if p != "__init__"]
    return ".".join(parts if parts[0] == "tinygrad6" else ["tinygrad6", *parts])


def installed(file: str) -> str:
    """Where the copy is imported from: nn and optim lie inside the package there, as when it is installed."""
    return os.path.join(os.getcwd(), file if file.startswith("tinygrad6") else f"tinygrad6/{file}")


class Loop:
    """A pytest plugin that runs `act(items)` in the place of pytest's own loop."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def pytest_runtestloop(self, session: Any) -> bool:
        self.act({item.nodeid: item for item in session.items})
        return True


def collect(files: list[str], act: Any) -> int:
    import pytest

    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main([*PYTEST, *files], plugins=[Loop(act)]))


def passes(item: Any) -> bool:
    from _pytest.runner import runtestprotocol
    from _pytest.warnings import catch_warnings_for_item

    with catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item):
        return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def trace(files: list[str], targets: dict[str, int], out: Path) -> None:
    """Write which tests reach which line, their CPU seconds, and what code runs during the import."""
    seen: set[int] = set()
    codes: set[tuple[int, int, str]] = set()

    def lines(frame: Any, event: str, arg: Any) -> Any:
        seen.add(targets[frame.f_code.co_filename] * 100_000 + frame.f_lineno)
        return lines

    def calls(frame: Any, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in targets:
            return None
        codes.add((targets[code.co_filename], code.co_firstlineno, code.co_name))
        return lines

    def run(items: dict[str, Any]) -> None:
        imported = sorted(codes)
        reached: dict[int, list[int]] = {}
        names, seconds, failing = list(items), [], []
        for number, name in enumerate(names):
            seen.clear()
            start = time.process_time()
            sys.settrace(calls)
            if not passes(items[name]):
                failing.append(number)
            sys.settrace(None)
            seconds.append(round(time.process_time() - start, 4))
            for line in seen if number not in failing[-1:] else ():
                reached.setdefault(line, []).append(number)
        found = {"tests": names, "seconds": seconds, "imported": imported, "failing": failing}
        out.write_text(json.dumps({**found, "reached": reached}))

    threading.settrace(calls)
    sys.settrace(calls)
    collect(files, run)


def choose(mutant: Mutant, index: int, known: dict[str, Any], cap: float) -> list[str]:
    """The tests that reach the mutant, those first that have its function's name, then one of each kind.

    What an import decides is reached by no test, but shows in those that have its name.
    """
    words = "|".join([WHOLE, *map(re.escape, filter(None, mutant.names))])
    signatures = [
        i for i, name in enumerate(known["tests"]) if mutant.function is None and re.search(words, name)
    ]
    reached = set(signatures)
    if mutant.file in BEYOND:
        reached.update(i for i, name in enumerate(known["tests"]) if BEYOND[mutant.file] in name)
    for span in mutant.lines:
        for line in span:
            reached.update(known["reached"].get(str(index * 100_000 + line), ()))
        if len(reached) > len(signatures) and mutant.file not in BEYOND:
            break
    groups: dict[tuple[bool, str], list[int]] = {}
    for number in sorted(reached, key=lambda n: known["seconds"][n]):
        kind, _, rest = known["tests"][number].partition("[")
        named = any(n.lower() in known["tests"][number].lower() for n in mutant.names if n)
        groups.setdefault((not named, kind + rest.partition("-")[0] * named), []).append(number)
    ranked = sorted((named, rank, n) for (named, _), g in groups.items() for rank, n in enumerate(g))
    spent, chosen = 0.0, []
    for _, _, n in ranked:
        spent += known["seconds"][n]
        if spent > cap and chosen:
            break
        chosen.append(known["tests"][n])
    return chosen


def in_child(act: Any, seconds: float) -> tuple[str, str]:
    """(how it ended, what `act` returned) of a forked process with so many seconds of CPU time."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(read)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            signal.alarm(900)
            resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
            os.write(write, act().encode())
        except BaseException as e:
            os.write(write, f"import: {e!r}"[:200].encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return ("time" if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else "crash"), said
    return "", said


def first_failing(items: dict[str, Any], names: list[str]) -> str:
    return next((name for name in names if not passes(items[name])), "")


def patch(path: str, source: str, tree: ast.Module) -> bool:
    """Give every live function the code of the changed tree; False if something cannot be replaced."""

    def codes(code: CodeType) -> list[CodeType]:
        return [code, *(c for k in code.co_consts if isinstance(k, CodeType) for c in codes(k))]

    old, new = codes(compile(source, path, "exec")), codes(compile(tree, path, "exec"))
    if [c.co_name for c in old] != [c.co_name for c in new]:
        return False
    live = [f for f in gc.get_objects() if type(f) is FunctionType and f.__code__.co_filename == path]
    done = False
    for a, b in zip(old[1:], new[1:]):
        if a != b:
            for function in [f for f in live if f.__code__ == a]:
                if len(a.co_freevars) != len(b.co_freevars):
                    return False
                function.__code__ = b
                done = True
    return done


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        inside = [os.path.dirname(self.path)] if self.path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=self, submodule_search_locations=inside
        )

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(compile(self.tree, self.path, "exec"), module.__dict__)


def judge_warm(todo: list[tuple[Mutant, list[str], float]], files: list[str], tell: Any) -> None:
    """Phase 2: collect once, fork for each mutant. What needs a new import is told as "again"."""

    def run(items: dict[str, Any]) -> None:
        gc.collect()
        for number, (mutant, names, seconds) in enumerate(todo):
            path = installed(mutant.file)
            source = Path(path).read_text()

            def act() -> str:
                if mutant.number < 0:
                    return first_failing(items, names)
                tree = changed_tree(source, mutant.number)
                if module_of(mutant.file) not in sys.modules:
                    sys.meta_path.insert(0, Changed(module_of(mutant.file), path, tree))
                elif not patch(path, source, tree):
                    return "again"
                return first_failing(items, names)

            tell(number, *in_child(act, seconds))

    collect(files, run)


def judge_cold(mutant: Mutant, names: list[str], seconds: float) -> tuple[str, str]:
    """Phase 3: import the package anew, changed."""
    path = installed(mutant.file)
    source = Path(path).read_text()
    tree = ast.parse(source) if mutant.number < 0 else changed_tree(source, mutant.number)

    def act() -> str:
        sys.meta_path.insert(0, Changed(module_of(mutant.file), path, tree))
        verdict = ["import"]

        def run(items: dict[str, Any]) -> None:
            wanted = [n for n in names if n in items]
            verdict[0] = "collection" if len(wanted) < len(names) else first_failing(items, names)

        collect(sorted({n.partition("::")[0] for n in names}), run)
        return verdict[0]

    return in_child(act, seconds + 20)


def _needed(file: str) -> list[Path]:
    """A test file, and what it imports from the tests and from `tinygrad6.testing`."""
    helpers = {p.stem: p for p in sorted(Path("tests").glob("*.py"))}
    found = [Path(file), Path("tests/conftest.py")]
    for path in found:  # which grows
        text = path.read_text()
        names = re.findall(r"^\s*(?:from|import) (\w+)", text, re.M)
        more = [helpers[n] for n in names if n in helpers]
        if "testing" in text:
            more += sorted(Path("tinygrad6/testing").glob("*.py"))
        more += [p for p in sorted(Path("tests").glob("*.txt")) if p.name in text]
        found += [p for p in dict.fromkeys(more) if p not in found]
    return found


def traced(files: list[str], targets: list[str], cache: Path) -> dict[str, Any]:
    """The traces of all test files, made where there is none of just these sources and tests."""
    whole = hashlib.sha256()
    for path in sorted(Path().glob("**/*.py")):
        if "tests" not in path.parts and "testing" not in path.parts:
            whole.update(path.read_bytes())
    known: dict[str, Any] = {"tests": [], "seconds": [], "reached": {}, "imported": set(), "failing": []}
    for file in files:
        key = hashlib.sha256(whole.digest() + b"".join(map(Path.read_bytes, _needed(file)))).hexdigest()[:16]
        out = cache / f"{Path(file).stem}-{key}.json"
        if not out.exists():
            start = time.time()
            index = {installed(t): i for i, t in enumerate(targets)}
            how, said = in_child(lambda: trace([file], index, out) or "", 3600)
            if not out.exists():
                raise RuntimeError(f"{file} could not be run: {how} {said}")
            print(f"traced {file} in {time.time() - start:.0f} s", flush=True)
        found, first = json.loads(out.read_text()), len(known["tests"])
        known["tests"] += found["tests"]
        known["seconds"] += found["seconds"]
        known["failing"] += [found["tests"][i] for i in found["failing"]]
        known["imported"] |= {tuple(c) for c in found["imported"]}
        for line, numbers in found["reached"].items():
            known["reached"].setdefault(line, []).extend(first + n for n in numbers)
    return known


def files_of(what: list[str]) -> list[str]:
    """The files of groups and patterns, each once."""
    patterns = [p for w in what for p in GROUPS.get(w, w).split()]
    return list(dict.fromkeys(str(f.relative_to(ROOT)) for p in patterns for f in sorted(ROOT.glob(p))))


def _same_mutant(among: list[Mutant], file: str, line: int, text: str, **_: Any) -> Mutant | None:
    """The mutant of an earlier report, though lines may have moved since."""
    alike = [m for m in among if (m.file, m.text) == (file, text)]
    return min(alike, key=lambda m: abs(m.line - line), default=None)


def prepare() -> None:
    """A copy of the checkout, laid out as installed, as the current folder; and the slow imports."""
    room = tempfile.mkdtemp(prefix="mutants-")
    for part in ("tinygrad6", "nn", "optim", "tests", "docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / part, f"{room}/{part}", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for part in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / part, room)
    os.chdir(room)
    atexit.register(lambda pid: os.getpid() == pid and shutil.rmtree(room), os.getpid())
    for part in ("nn", "optim"):
        os.symlink(f"../{part}", f"{room}/tinygrad6/{part}")
    sys.path.insert(0, room)
    import hypothesis
    import numpy  # noqa: F401
    import pytest  # noqa: F401

    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
    hypothesis.settings.register_profile(
        "mutants",
        max_examples=30,
        deadline=None,
        derandomize=True,  # the same draws with and without the change
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # a failure need not be made small
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="+", help="ops, optim, nn, core, or files")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cap", type=float, default=40.0, help="seconds of tests for one mutant")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tinygrad6-mutants")
    parser.add_argument("--again", type=Path, help="only what survived in a report of --report")
    parser.add_argument("--control", action="store_true", help="change nothing: all of them must survive")
    parser.add_argument("--report", type=Path, help="write every verdict here, a JSON object in each line")
    options = parser.parse_args()
    chosen_files = files_of(options.what)
    everything = [m for f in chosen_files for m in mutants(f, (ROOT / f).read_text())]
    if options.again:
        rows = [r for r in map(json.loads, options.again.open()) if r["verdict"] == "survives"]
        found = {m[:2]: m for r in rows if (m := _same_mutant(everything, **r))}
        everything = list(found.values())
    sample = random.Random(options.seed).sample(everything, options.sample or len(everything))
    prepare()
    core = not set(chosen_files) <= set(files_of(["ops", "optim", "nn"]))
    targets = files_of(["optim", "nn", "core"] if core else ["ops", "optim", "nn"])
    files = [
        str(p)
        for p in [*sorted(Path("tests").glob("test_*.py")), *sorted(Path("tests/parity").glob("test_*.py"))]
        if (name := p.stem.removeprefix("test_")) not in LEFT_OUT or core and name in OF_CORE
    ]
    cache = options.cache / ("core" if core else "")
    cache.mkdir(parents=True, exist_ok=True)
    known = traced(files, targets, cache)
    if known["failing"]:
        print(f"left out, since they fail without any change: {len(known['failing'])} tests")
    seconds = dict(zip(known["tests"], known["seconds"]))
    plan, verdicts = [], []
    for m in sorted(sample, key=lambda m: (m.file, m.line)):
        names = choose(m, targets.index(m.file), known, options.cap)
        budget = 10 + 5 * sum(seconds[n] for n in names)
        cold = m.function is None or (targets.index(m.file), *m.function) in known["imported"]
        plan.append((m._replace(number=-1) if options.control else m, names, budget, cold))
    report = open(options.report, "a") if options.report else None
    start = time.time()

    def tell(mutant: Mutant, names: list[str], how: str, said: str) -> None:
        verdict = how or said or "survives"
        verdicts.append(verdict)
        if verdict == "survives":
            print(f"survives {len(names)} tests: {mutant.file}:{mutant.line}: {mutant.text}", flush=True)
        if report:
            row = {**mutant._asdict(), "verdict": verdict, "tests": len(names), "first": names[:1]}
            report.write(json.dumps(row, default=str) + "\n")
            report.flush()

    warm = [(m, names, budget) for m, names, budget, cold in plan if not cold and names]
    again: list[Mutant] = []
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(write, "w") as pipe:

            def send(number: int, how: str, said: str) -> None:
                pipe.write(json.dumps([number, how, said]) + "\n")
                pipe.flush()

            judge_warm(warm, files, send)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        for line in pipe:
            number, how, said = json.loads(line)
            if said == "again":
                again.append(warm[number][0])
            else:
                tell(*warm[number][:2], how, said)
    os.waitpid(pid, 0)
    for m, names, budget, cold in plan:
        if not names:
            tell(m, names, "", "")
        elif cold or m in again:
            tell(m, names, *judge_cold(m, names, budget))
    dead = [v for v in verdicts if v != "survives"]
    ways = Counter("a test" if "::" in v else v.partition(":")[0] for v in dead)
    print(f"killed by: {', '.join(f'{way} {n}' for way, n in ways.most_common())}")
    print(
        f"{' '.join(options.what)}, seed {options.seed}: {len(dead)} of {len(verdicts)} mutants killed "
        f"({100 * len(dead) / max(len(verdicts), 1):.1f} %) of {len(everything)}; {time.time() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
