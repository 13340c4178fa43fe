"""Neighbours of a line of code: the same with one thing changed, for comparing both libraries. Run by hand.

    python tests/neighbours.py          # writes tests/neighbours.txt, and prints what differs from PyTorch

A line of tests/lines.py says what somebody thought of. Its neighbours say what nobody thought of: a number
one more, one less, negative or nothing at all; a tensor of another type, shape or layout; an option turned
over, left out or added. Which changes a line gets is drawn from the line itself, so they stay what they are
when others come and go.

tests/neighbours.txt holds those that do the same in both libraries today, in the form of tests/lines.py, and
parity/test_neighbours.py sees to it that they do so tomorrow. What is printed is to be judged: a mistake of
ours, or a peculiarity of PyTorch's. It is also what finds them: a higher NEIGHBOURS tries more.
"""

from __future__ import annotations

import ast
import copy
import inspect
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NEIGHBOURS = int(os.environ.get("NEIGHBOURS", "2"))  # for each line
TENSORS = "a b c s q e v h f n k k0 none m".split()
MAKERS = "x i p floats graded tensor ones zeros full eye arange empty".split()  # only whole numbers in these
OPTIONS = [  # of which one stands for another
    group.split()
    for group in """
        mean sum none | floor trunc | linear lower higher midpoint nearest | sum prod mean amax amin
        add multiply | fro nuc | bilinear nearest bicubic area nearest-exact | zeros border reflection
        reflect replicate circular constant | none tanh | left right | same valid | reduced complete r
        L U | ij xy | mean sum max
    """.replace("\n", "|").split("|")
]
KINDS = ["np.int64({})", "torch.tensor({})", "[{}]", "({},)", "{}.0", "torch.Size([{}])"]  # of whole numbers
TYPES = "half() float() double() long() int() bool() to(torch.uint8)".split()
SHAPES = "mT|flip(0)|sum()|unsqueeze(1)|reshape(-1)|squeeze(0)|transpose(0, -1)|detach()|clone()".split("|")
PARTS = "None|..., :0|..., :1|..., ::2|0|..., None|:0|1:|..., [0, -1]".split("|")
AVOIDED = {  # PyTorch crashes, takes all memory, or what it says depends on the machine
    "F.pdist(q[:0])",
    "torch.zeros([2] * 33)[[[0]] * 31].shape",
    "a.mT.grad_fn",
}


def neighbours(line: str, number: int) -> Iterator[str]:
    """So many lines that differ from `line` in one thing; fewer where there is little to change."""
    tree = ast.parse(line, mode="eval")
    places = list(_places(tree.body))
    r, seen = random.Random(line), {ast.unparse(tree), *AVOIDED}
    most = len(seen) + number
    for _ in range(5 * number if places else 0):
        old, maker = r.choice(places)
        new = copy.deepcopy(tree, {id(old): _changed(old, maker, r)})
        text = ast.unparse(ast.fix_missing_locations(new))
        if text not in seen and len(seen) < most:
            seen.add(text)
            yield text


def _places(node: ast.AST, maker: bool = False) -> Iterator[tuple[Any, bool]]:
    """What may be changed, and whether it is an argument of what makes a tensor."""
    if isinstance(node, ast.Constant):
        if type(node.value) in (int, float, bool, type(None)) or any(
            node.value in group for group in OPTIONS
        ):
            yield node, maker
    elif isinstance(node, ast.Name) and node.id in TENSORS:
        yield node, False
    elif isinstance(node, ast.Call):
        maker = getattr(node.func, "id", getattr(node.func, "attr", "")) in MAKERS
        if maker or node.keywords or _options(node):
            yield node, maker
    for child in ast.iter_child_nodes(node):
        yield from _places(child, maker)


def _options(call: ast.Call) -> list[tuple[str, Any]]:
    """The options of what is called, and their defaults, that the call does not give."""
    import tinygrad6

    path = ast.unparse(call.func).split(".")
    start = {"torch": tinygrad6, "F": tinygrad6.nn.functional, "linalg": tinygrad6.linalg}
    found: Any = start.get(path[0], tinygrad6.Tensor)
    for name in path[1:] if path[0] in start else path[-1:]:
        found = getattr(found, name, None)
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return []
    given = {k.arg for k in call.keywords}
    rest = parameters[len(call.args) + (path[0] not in start) :]
    found = [(p.name, p.default) for p in rest if p.name not in given]
    return [(n, v) for n, v in found if type(v) in (bool, int, float) or any(v in group for group in OPTIONS)]


def _changed(node: Any, maker: bool, r: Any) -> ast.AST:
    if isinstance(node, ast.Constant):
        if type(node.value) is int and not maker and r.random() < 0.15:
            return ast.parse(r.choice(KINDS).format(node.value), mode="eval").body
        return ast.Constant(_value(node.value, maker, r))
    if isinstance(node, ast.Call) and not maker:
        new, options = copy.copy(node), _options(node)
        new.keywords = list(node.keywords)
        if options and (not node.keywords or r.random() < 0.6):
            name, default = r.choice(options)
            new.keywords.append(ast.keyword(name, ast.Constant(_value(default, False, r))))
        else:
            del new.keywords[r.randrange(len(new.keywords))]
        return new
    text, kind = ast.unparse(node), r.randrange(4)
    if kind == 0 and isinstance(node, ast.Name):
        text = r.choice(TENSORS)
    elif kind < 2:
        text = f"{text}.{r.choice(TYPES)}"
    else:
        text = f"{text}.{r.choice(SHAPES)}" if kind == 2 else f"{text}[{r.choice(PARTS)}]"
    return ast.parse(text, mode="eval").body


def _value(value: object, maker: bool, r: Any) -> Any:
    """Another value of the same kind, or now and then of another."""
    if isinstance(value, str):
        return r.choice([o for group in OPTIONS if value in group for o in group if o != value])
    if value is None:
        return None if maker else r.choice([0, 1, -1, 2, 0.5])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        odd = () if maker else (-value - 1, -value, 1.5, None)
        return r.choice([value + 1, value - 1, value + 1, value - 1, 0, 2, *odd])
    return r.choice([-value, 0.0] if maker else [-value, 0.0, value + 1, value / 2, 1, 1e309])


def said_by(compared: Any, line: str) -> str:
    """PyTorch's words if it refuses the line, else nothing."""
    try:
        return (compared(line) or [""])[0]
    except Exception:
        return ""


def main() -> None:
    from running import compared, lines

    written = [line.removeprefix("! ") for line in lines()]
    known, kept = set(written), []
    for line in written:
        if re.search(r"^\[|:=|\bset_|\bprune\b", line):
            continue  # several steps, a setting of the library, or what gives modules
        refused = said_by(compared, line)
        for text in neighbours(line, NEIGHBOURS):
            if text in known:
                continue
            known.add(text)
            try:
                said = compared(text)
            except Exception as e:  # in PyTorch's backward, or a difference
                print(text, "|", str(e).strip().replace("\n", " ")[:300], flush=True)
                continue
            if refused and said and refused[:20] != said[0][:20]:
                continue  # two mistakes: which is noticed first is nobody's business
            alike = len(said) == 2 and said[0] == said[1] and "{'" not in said[0]  # a set, in any order
            kept.append("! " * alike + text)
    (HERE / "neighbours.txt").write_text("\n".join(kept) + "\n")


if __name__ == "__main__":
    main()
