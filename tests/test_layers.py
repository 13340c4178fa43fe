"""The import table: a module imports from lower layers only, so the architecture stays what the README says.

Imports inside functions are free of the order (they run late), except where `NEVER` forbids them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

# From the lowest layer to the highest. A name stands for the module and all below it; the longest match
# counts.
LAYERS = [
    ["dtypes", "modes", "hooks", "threads", "blocks", "memory", "version", "ops.special", "quiet", "sums"]
    + ["paths", "accidents", "devices", "layouts"],
    ["engine", "view", "random", "printing"],
    ["tensor"],
    ["dispatch", "out"],
    ["op"],
    ["inplace", "arguments"],
    ["ops"],
    ["autograd", "func", "linalg", "special", "drawing", "settings", "datasets", "utils", "testing"]
    + ["serialization", "archive", "files", "pickle_reader", "pickle_writer", "pickle_objects", "safetensors"]
    + ["accelerator", "amp", "backends", "cpu", "cuda", "mps", "absent", "overrides", "hub", "types"]
    + ["lowrank", "compiler", "distributed", "multiprocessing", "jit", "fx", "onnx", "profiler"]
    + ["profiler_events"],
    ["nn.parameter", "optim", "return_types"],
    ["nn"],
    ["dropouts"],
    [""],  # tinygrad6/__init__.py
    ["vision", "distributions"],  # written as users write, with the library whole
]
NEVER = {"optim": ("ops", "nn"), "engine": ("tensor", "op", "ops", "nn"), "tensor": ("nn", "optim")}
# Late imports that break a rule of NEVER, with the reason.
ALLOWED = {("optim.swa_utils", "nn"): "AveragedModel is a Module"}


def modules() -> Iterator[tuple[str, Path]]:
    for top in ("tinygrad6", "nn", "optim"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name.removeprefix("tinygrad6").removeprefix("."), path


NAMES = {name for name, _ in modules()}


def imports(name: str, path: Path) -> Iterator[tuple[str, bool, int]]:
    """(module imported, at the top of the file?, line) for every import of the library's own modules."""
    tree = ast.parse(path.read_text())
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    late |= {id(n) for i in tree.body if isinstance(i, ast.If) for n in ast.walk(i)}  # if TYPE_CHECKING
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.ImportFrom):
            base = f"tinygrad6.{package}" if node.level else node.module or ""
            for _ in range(node.level - 1):
                base = base.rpartition(".")[0]
            if node.level and node.module:
                base = f"{base}.{node.module}"
            found = [f"{base}.{a.name}" for a in node.names]
            found = [f if f.removeprefix("tinygrad6.") in NAMES else base for f in found]
        elif isinstance(node, ast.Import):
            found = [a.name for a in node.names]
        for f in found:
            short = f.removeprefix("tinygrad6").removeprefix(".")
            if f.split(".")[0] == "tinygrad6" and short != name:
                yield short, id(node) not in late, node.lineno


def covers(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def test_every_name_of_the_table_is_a_module():
    gone = [n for row in LAYERS for n in row if not any(covers(n, m) for m in NAMES)]
    assert not gone, f"LAYERS names {gone}, which are no modules (any more)"


def test_names_loaded_late_are_no_files():
    """Importing a file binds its name in the package, which would hide a function looked up there later."""
    import tinygrad6

    clashes = [n for n in (*tinygrad6._ELSEWHERE, *tinygrad6._OF_FUNCTIONAL) if n in NAMES]
    assert not clashes, f"{clashes} are files and functions of tinygrad6"


def layer(name: str) -> int:
    matches = [(len(p), i) for i, row in enumerate(LAYERS) for p in row if covers(p, name)]
    assert matches, f"{name or 'tinygrad6'} has no place in LAYERS: say where it belongs"
    return max(matches)[1]


def test_modules_import_from_lower_layers_only():
    wrong = []
    for name, path in modules():
        for target, early, line in imports(name, path):
            if early and layer(target) > layer(name):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {target}, which is above it")
    assert not wrong, "\n".join(wrong)


def test_what_must_never_be_imported_is_not():
    wrong = []
    for name, path in modules():
        for owner, banned in NEVER.items():
            for target, _, line in imports(name, path) if covers(owner, name) else ():
                hit = next((b for b in banned if covers(b, target)), None)
                if hit and (name, hit) not in ALLOWED:
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_numpy_is_the_only_dependency():
    """At the top of a file: the standard library, NumPy and ourselves.

    Extras are imported where they are used.
    """
    import sys

    wrong = []
    for _, path in modules():
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for n in names:
                at = f"{path.relative_to(ROOT)}:{node.lineno}"
                if n.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "tinygrad6", "hypothesis"}:
                    wrong.append(f"{at} imports {n}")
                if n.split(".")[0] == "hypothesis" and path.name != "strategies.py":
                    wrong.append(f"{at}: only strategies.py imports hypothesis")
    assert not wrong, "\n".join(wrong)


def test_every_package_is_in_the_wheel():
    """setuptools is told the packages one by one, since nn and optim lie beside tinygrad6:
    none may be forgotten."""
    import tomllib

    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {".".join(path.relative_to(ROOT).parent.parts) for _, path in modules()}
    names = {f if f.startswith("tinygrad6") else f"tinygrad6.{f}" for f in folders}
    assert sorted(setuptools["packages"]) == sorted(names)
    assert setuptools["package-dir"] == {"tinygrad6.nn": "nn", "tinygrad6.optim": "optim"}


RULE_VOCABULARY = {"shape", "ndim", "dtype", "reshape", "name", "kind", "itemsize"}


def test_rules_speak_only_the_shared_vocabulary():
    """Rules are read on arrays and on Tensors: operators, indexing, a few attributes and ops; never NumPy."""
    wrong = []
    for path in sorted((ROOT / "tinygrad6" / "ops").glob("*.py")):
        for define in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(define, "decorator_list", []):
                if not isinstance(decorator, ast.Call) or getattr(decorator.func, "id", "") != "op":
                    continue
                for rule in (a for a in decorator.args if isinstance(a, ast.Lambda)):
                    for node in ast.walk(rule.body):
                        where = f"{path.name}: {define.name}: {ast.unparse(rule)}"
                        if isinstance(node, ast.Name) and node.id == "np":
                            wrong.append(where)
                        if not isinstance(node, ast.Attribute) or getattr(node.value, "id", "") == "math":
                            continue
                        if node.attr not in RULE_VOCABULARY:
                            wrong.append(where)
    assert not wrong, "\n".join(wrong)
