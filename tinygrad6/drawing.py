"""A picture of the graph behind a tensor: as SVG, which notebooks show by themselves, and as text.

    draw(loss)                                  # in a notebook
    draw(loss, model).save("graph.svg")         # the model's parameters by name
    print(draw(loss))                           # one line per operation

Operations stand in layers: each above all that it was computed from. Within a layer they are ordered by the
mean place of their neighbours above, swept a few times; that keeps crossings few, and nothing needs to be
installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from typing import Any

from tinygrad6.engine import Node
from tinygrad6.tensor import Tensor
from tinygrad6.view import live_node

WIDE, HIGH, GAP, STEP = 118, 38, 18, 74  # a box, the space between two, and from layer to layer
COLORS = {"leaf": "#d7ead9", "op": "#e8ecf4", "root": "#f6e3c5"}


class Drawing:
    """The graph as `text`, as `svg`, and as what `save(path)` writes (.svg, or text for any other ending)."""

    def __init__(self, rows: list[tuple], text: str, svg: str) -> None:
        self.rows, self.text, self.svg = rows, text, svg

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the SVG, or the text if the name does not end in .svg."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg if os.fspath(path).endswith(".svg") else self.text + "\n")


def draw(outputs: Any, names: Any = None, *, limit: int = 500) -> Drawing:
    """The graph that leads to a tensor, or to several (a sequence), from the leaves up.

    names: a module, whose parameters are named as in state_dict, or a mapping from names to tensors.
    RuntimeError if no output has a graph; ValueError for more than `limit` nodes.

    >>> import tinygrad6 as torch
    >>> w, x = torch.ones(2, 3, requires_grad=True), torch.ones(3, 1)
    >>> print(draw((w @ x).sum(), {"w": w}))
    1  w (2, 3)
    2  Mm (2, 1)   from 1
    3  Sum ()   from 2
    """
    tensors = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    roots = [n for t in tensors if (n := live_node(t)) is not None]
    if not roots:
        raise RuntimeError("draw(): the tensor has no graph: it does not require grad")
    given = dict(names.named_parameters()) if hasattr(names, "named_parameters") else dict(names or {})
    if not isinstance(given, Mapping) or not all(isinstance(t, Tensor) for t in given.values()):
        raise TypeError("draw(): names must be a module or a mapping from names to tensors")
    called = {live_node(t): name for name, t in given.items()}
    nodes = _collect(roots, limit)
    number = {node: i + 1 for i, node in enumerate(nodes)}
    rows = []
    for node in nodes:
        kind = "root" if node in roots else "leaf" if node.op is None else "op"
        title = called.get(node) or ("leaf" if node.op is None else node.name().removesuffix("Backward0"))
        shape = "" if node.shape is None else str(tuple(node.shape))
        rows.append((number[node], kind, title, shape, [number[p] for p in node.parents if p is not None]))
    return Drawing(rows, _text(rows), _svg(rows))


def _collect(roots: list[Node], limit: int) -> list[Node]:
    """The nodes that lead to the roots, parents first. Iterative."""
    seen, stack = set(roots), list(roots)
    while stack:
        for p in stack.pop().parents:
            if p is not None and p not in seen:
                seen.add(p)
                stack.append(p)
                if len(seen) > limit:
                    raise ValueError(
                        f"draw(): the graph has more than {limit} nodes; raise limit, or draw a part"
                    )
    return sorted(seen, key=lambda n: n.rank)


def _text(rows: list[tuple]) -> str:
    width = len(str(len(rows)))
    return "\n".join(
        f"{n:>{width}}  {title} {shape}".rstrip()
        + (f"   from {', '.join(map(str, parents))}" if parents else "")
        for n, _, title, shape, parents in rows
    )


def _layers(rows: list[tuple]) -> list[list[int]]:
    """Numbers by layer, outputs first; each node one below the lowest that uses it."""
    depth = {n: 0 for n, *_ in rows}
    for n, *_, parents in reversed(rows):
        for p in parents:
            depth[p] = max(depth[p], depth[n] + 1)
    layers: list[list[int]] = [[] for _ in range(max(depth.values()) + 1)]
    for n, d in depth.items():
        layers[d].append(n)
    neighbours: dict[int, list[int]] = {n: list(parents) for n, *_, parents in rows}
    for n, *_, parents in rows:
        for p in parents:
            neighbours[p].append(n)
    place = {n: i - len(layer) / 2 for layer in layers for i, n in enumerate(layer)}
    for layer in [*layers, *layers[::-1]] * 2:
        layer.sort(key=lambda n: sum(place[m] for m in neighbours[n]) / max(len(neighbours[n]), 1))
        place.update({n: i - len(layer) / 2 for i, n in enumerate(layer)})
    return layers


def _svg(rows: list[tuple]) -> str:
    """Boxes in layers, outputs on top, with an arrow to each from what it was made of."""
    layers = _layers(rows)
    width = max(len(layer) for layer in layers) * (WIDE + GAP) + GAP
    height = len(layers) * STEP + GAP
    at = {
        n: (width / 2 + (i - (len(layer) - 1) / 2) * (WIDE + GAP), GAP + HIGH / 2 + d * STEP)
        for d, layer in enumerate(layers)
        for i, n in enumerate(layer)
    }
    lines, boxes = [], []
    for n, kind, title, shape, parents in rows:
        x, y = at[n]
        for p in parents:
            px, py = at[p]
            lines.append(
                f'<path d="M{px:.0f},{py - HIGH / 2:.0f} C{px:.0f},{py - STEP / 2:.0f} '
                f'{x:.0f},{y + STEP / 2:.0f} {x:.0f},{y + HIGH / 2:.0f}" marker-end="url(#tip)"/>'
            )
        label = title if len(title) < 20 else "…" + title[-18:]
        boxes.append(
            f'<g><title>{escape(title)} {shape}</title><rect x="{x - WIDE / 2:.0f}" y="{y - HIGH / 2:.0f}" '
            f'width="{WIDE}" height="{HIGH}" rx="{HIGH // 2 if kind == "leaf" else 5}" '
            f'fill="{COLORS[kind]}"/><text x="{x:.0f}" y="{y - 3:.0f}">{escape(label)}</text>'
            f'<text x="{x:.0f}" y="{y + 12:.0f}" class="shape">{escape(shape)}</text></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">'
        "<style>rect{stroke:#5b6478}path{fill:none;stroke:#8a93a6}text{font:12px "
        "sans-serif;text-anchor:middle;fill:#222}.shape{font-size:10px;fill:#666}</style>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><polygon points="0,0 8,4 0,8" fill="#8a93a6"/></marker></defs>'
        + "".join(lines)
        + "".join(boxes)
        + "</svg>"
    )
