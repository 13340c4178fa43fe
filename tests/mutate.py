"""Mutation testing: change one thing in a source file, and see whether the tests notice. Run by hand.

    python tests/mutate.py tinygrad6/ops/pointwise.py --sample 60 tests/parity/test_pointwise.py
    python tests/mutate.py optim/adam.py tests/test_optim.py

Each mutant lives in a forked child, where the changed source is what `import` finds. The laws run first, on
the ops of the file; then the tests given, with pytest. What survives both is printed, and the share that was
killed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SPARED = {
    "examples",
    "domain",
    "avoid",
    "node_name",
    "torch",
    "doc",
}  # keyword arguments that are not behaviour


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """(node, what may be done to it), in rules and function bodies;
    not in examples, annotations, messages."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[ast.AST, str]]:
        if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            return
        if inside:
            if (
                isinstance(node, ast.BinOp)
                and type(node.op) in SWAPS
                and not isinstance(node.left, ast.Constant | ast.JoinedStr)
            ):
                yield node, "operator"
            elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
                yield node, "comparison"
            elif isinstance(node, ast.BoolOp):
                yield node, "logic"
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
                yield node, "drop sign"
            elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
                yield node, "constant"
            elif isinstance(node, ast.AugAssign) and type(node.op) in SWAPS:
                yield node, "operator"
            elif isinstance(node, ast.Call) and len(node.args) == 2 and not node.keywords:
                yield node, "swap arguments"
            elif isinstance(node, ast.IfExp):
                yield node, "swap branches"
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "defaults", "kw_defaults"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.keyword) and child.arg in SPARED:
                    continue
                if isinstance(child, ast.AST):
                    body = name == "body" and isinstance(node, (ast.Lambda, ast.FunctionDef))
                    yield from walk(child, inside or body)

    yield from walk(tree, False)


def change(node: ast.AST, what: str) -> None:
    if what == "operator" or what == "logic":
        node.op = SWAPS[type(node.op)]()
    elif what == "comparison":
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif what == "drop sign":
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif what == "constant":
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif what == "swap arguments":
        node.args.reverse()
    elif what == "swap branches":
        node.body, node.orelse = node.orelse, node.body


def mutants(source: str) -> list[tuple[int, str, ast.Module]]:
    """(line, description, changed tree) of every mutant."""
    tree = ast.parse(source)
    found = []
    for i, (node, what) in enumerate(places(tree)):
        changed = copy.deepcopy(tree)
        target = list(places(changed))[i][0]
        before = ast.unparse(target)
        change(target, what)
        found.append((node.lineno, f"{before}  ->  {ast.unparse(target)}", changed))
    return found


def function_at(tree: ast.Module, line: int) -> str:
    """The public function that the line belongs to, decorators included, or ""."""
    for part in tree.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            first = min([part.lineno, *[d.lineno for d in part.decorator_list]])
            if first <= line <= part.end_lineno:
                return part.name
    return ""


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            package = self.path.name == "__init__.py"
            return importlib.util.spec_from_file_location(
                name,
                self.path,
                loader=self,
                submodule_search_locations=[str(self.path.parent)] if package else None,
            )
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(ast.fix_missing_locations(self.tree), str(self.path), "exec"), module.__dict__)


def killed_by(
    module: str, path: Path, tree: ast.Module, tests: list[str], patience: int, only: str = ""
) -> str:
    """What noticed the mutant: "import", "laws", "tests", "time", or "" if nothing did."""
    pid = os.fork()
    if not pid:
        code = 4
        try:
            signal.alarm(patience)
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            sys.meta_path.insert(0, Changed(module, path, tree))
            code = _judge(module, [*tests, "-k", only] if tests and only else tests)
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "time" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
    code = os.WEXITSTATUS(status)
    if code == 3:
        raise RuntimeError("pytest could not run: see whether the test files exist")
    return {0: "", 1: "laws", 2: "tests"}.get(code, "import")


def _judge(module: str, tests: list[str]) -> int:
    import warnings

    import numpy as np

    importlib.import_module(module)
    from tinygrad6.op import OPS
    from tinygrad6.testing.laws import LAWS

    import test_ops

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, op in OPS.items():
            for law, check in LAWS.items() if op.call.__module__ == module else ():
                for example in op.examples:
                    if (law, name) in test_ops.EXCEPTIONS:
                        continue
                    try:
                        check(op, example, np.random.default_rng(0))
                    except BaseException:
                        return 1
    if tests:
        import pytest

        code = pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", *tests]
        )
        return {0: 0, 5: 0, 1: 2, 2: 2}.get(int(code), 3)  # 5: no test has the name
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("tests", nargs="*", help="files for pytest, after the laws")
    parser.add_argument("--sample", type=int, default=None, help="so many mutants instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=int, default=120, help="seconds per mutant")
    parser.add_argument(
        "--match", action="store_true", help="run only tests that have the changed function's name"
    )
    options = parser.parse_args()
    path = (ROOT / options.file).resolve()
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    module = ".".join(parts if parts[0] == "tinygrad6" else ["tinygrad6", *parts])
    os.environ["CI"] = "1"  # Hypothesis draws the same each time
    sys.path.insert(0, str(ROOT / "tests"))
    with contextlib.suppress(ImportError):
        import hypothesis, numpy, pytest, torch  # noqa: E401, F401 -- before forking: the slow part

        torch.set_num_threads(1)
    whole = ast.parse(path.read_text())
    found = mutants(path.read_text())
    chosen = (
        found
        if options.sample is None
        else random.Random(options.seed).sample(found, min(options.sample, len(found)))
    )
    names = {line: function_at(whole, line) if options.match else "" for line, _, _ in chosen}
    sick = {n for n in names.values() if killed_by(module, path, whole, options.tests, 600, n)}
    if sick:
        print(
            "left out, since their tests fail without any change: "
            f"{', '.join(sorted(n or 'the rest' for n in sick))}"
        )
    chosen = [m for m in chosen if names[m[0]] not in sick]
    count: dict[str, int] = {}
    start = time.time()
    for line, text, tree in sorted(chosen, key=lambda m: m[0]):
        by = killed_by(module, path, tree, options.tests, options.patience, names[line])
        count[by] = count.get(by, 0) + 1
        if not by:
            print(f"survives  {options.file}:{line}: {text}", flush=True)
    dead = len(chosen) - count.get("", 0)
    print(
        f"{options.file}: {dead} of {len(chosen)} mutants killed ({100 * dead / max(len(chosen), 1):.0f} %), "
        f"of {len(found)} there are; by {count}; {time.time() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
