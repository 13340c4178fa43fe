"""torch.utils._pytree: functions of all leaves of nested tuples, lists and dicts.

    params = tree_map(lambda p, g: p - 0.1 * g, params, grads)

A node is a tuple, list, dict, OrderedDict, defaultdict, deque, named tuple or torch.Size, or of a class that
`register_pytree_node` knows; anything else, None too, is a leaf. What a node is made of is one entry of the
table `_KINDS`.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tinygrad6.tensor import Size

__all__ = [
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]
PyTree = Any


class _Kind(NamedTuple):
    """How nodes of a class are taken apart, and put together again."""

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]  # node -> (children, context)
    unflatten: Callable[[list, Any], Any]  # (children, context) -> node


def _dict(kind: Callable[..., Any]) -> _Kind:
    return _Kind(lambda d: (d.values(), list(d)), lambda parts, keys: kind(zip(keys, parts, strict=True)))


_NAMED = _Kind(lambda t: (t, type(t)), lambda parts, kind: kind(*parts))
_KINDS: dict[type, _Kind] = {
    tuple: _Kind(lambda t: (t, None), lambda parts, _: tuple(parts)),
    list: _Kind(lambda t: (t, None), lambda parts, _: parts),
    dict: _dict(dict),
    OrderedDict: _dict(OrderedDict),
    defaultdict: _Kind(
        lambda d: (d.values(), [d.default_factory, list(d)]),
        lambda parts, context: defaultdict(context[0], zip(context[1], parts, strict=True)),
    ),
    deque: _Kind(lambda q: (q, q.maxlen), deque),
    Size: _Kind(lambda t: (t, None), lambda parts, _: Size(parts)),
}
_KEYED = (dict, OrderedDict, defaultdict)  # whose children belong together by key


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fn: Callable[[list, Any], Any],
    *,
    serialized_type_name: str | None = None,
) -> None:
    """Let instances of a class be nodes; ValueError if they are already.

    flatten_fn(node) -> (children, context), unflatten_fn(children, context) -> node.
    """
    if cls in _KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _KINDS[cls] = _Kind(flatten_fn, unflatten_fn)


def _kind(node: Any) -> _Kind | None:
    named = isinstance(node, tuple) and hasattr(node, "_fields")
    return _KINDS.get(type(node), _NAMED if named else None)


def tree_is_leaf(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether this is no node, or is_leaf says that it shall be none."""
    return is_leaf is not None and is_leaf(tree) or _kind(tree) is None


class TreeSpec:
    """A tree without its leaves: the class of its root, its context and children; `*` for a leaf."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, children_specs

    def is_leaf(self) -> bool:
        """Whether it is one leaf."""
        return self.type is None

    @property
    def num_leaves(self) -> int:
        """How many leaves the tree has."""
        return 1 if self.is_leaf() else sum(c.num_leaves for c in self.children_specs)

    @property
    def num_nodes(self) -> int:
        """How many nodes and leaves the tree has."""
        return 1 + sum(c.num_nodes for c in self.children_specs)

    @property
    def num_children(self) -> int:
        """How many children the root has."""
        return len(self.children_specs)

    def flatten_up_to(self, tree: PyTree) -> list[Any]:
        """What stands in another tree where this one has leaves; ValueError where it has other nodes."""
        if self.is_leaf():
            return [tree]
        if type(tree) is not self.type and not {type(tree), self.type} <= set(_KEYED):
            raise ValueError(f"Node type mismatch; expected {self.type}, but got {type(tree)}.")
        kind: Any = _kind(tree)
        children = list(kind.flatten(tree)[0])
        if len(children) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(children)}.")
        if self.type in _KEYED:
            keys = self.context[1] if self.type is defaultdict else self.context
            if set(keys) != set(tree):
                missing, extra = set(keys) - set(tree), set(tree) - set(keys)
                raise ValueError(
                    f"Node keys mismatch; missing key(s): {missing or '{}'}; extra key(s): {extra or '{}'}."
                )
            children = [tree[k] for k in keys]
        parts = zip(self.children_specs, children, strict=True)
        return [leaf for spec, child in parts for leaf in spec.flatten_up_to(child)]

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The tree of this structure with these leaves; ValueError for another number of them."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a "
                f"pytree that holds {self.num_leaves} items ({self})."
            )
        return self._built(iter(given))

    def _built(self, leaves: Iterator[Any]) -> PyTree:
        if self.is_leaf():
            return next(leaves)
        kind = _KINDS.get(self.type, _NAMED)
        return kind.unflatten([c._built(leaves) for c in self.children_specs], self.context)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (self.type, self.context, self.children_specs) == (
            other.type,
            other.context,
            other.children_specs,
        )

    def __hash__(self) -> int:
        return hash((self.type, str(self.context), tuple(self.children_specs)))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        name = "namedtuple" if self.type not in _KINDS else self.type.__name__
        return f"TreeSpec({name}, {self.context}, [{', '.join(map(repr, self.children_specs))}])"


def _walk(tree: PyTree, is_leaf: Any, leaves: list[Any]) -> TreeSpec:
    """The structure of a tree; its leaves are added to the list."""
    if tree_is_leaf(tree, is_leaf):
        leaves.append(tree)
        return TreeSpec(None, None, [])
    kind: Any = _kind(tree)
    children, context = kind.flatten(tree)
    return TreeSpec(type(tree), context, [_walk(c, is_leaf, leaves) for c in children])


def tree_flatten(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree in order, and its structure.

    >>> from tinygrad6.utils._pytree import tree_flatten
    >>> tree_flatten({"a": 1, "b": (2, [3])})
    ([1, 2, 3], TreeSpec(dict, ['a', 'b'], [*, TreeSpec(tuple, None, [*, TreeSpec(list, None, [*])])]))
    """
    leaves: list[Any] = []
    spec = _walk(tree, is_leaf, leaves)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got "
            f"{treespec!r}"
        )
    return treespec.unflatten(leaves)


def tree_leaves(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> Iterator[Any]:
    """The leaves of a tree in order, one by one."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> PyTree:
    """A tree of the same structure with func(leaf, *what the other trees have there) as its leaves.

    ValueError where another tree has another structure.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *(spec.flatten_up_to(r) for r in rests)]
    return spec.unflatten(map(func, *columns))


def tree_map_(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> PyTree:
    """Call func as tree_map does, for what it does; the tree itself is returned."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _wanted(kinds: Any) -> Callable[[Any], bool]:
    if isinstance(kinds, (type, tuple)) or hasattr(kinds, "__or__") and not callable(kinds):
        return lambda x: isinstance(x, kinds)
    return kinds


def tree_map_only(
    type_or_types_or_pred: Any,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> PyTree:
    """tree_map of the leaves of these types, or of which the predicate is true; others stay."""
    wanted = _wanted(type_or_types_or_pred)
    return tree_map(lambda x: func(x) if wanted(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether pred is true of all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether pred is true of a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any,
    pred: Callable[[Any], bool],
    tree: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> bool:
    """Whether pred is true of all leaves of these types."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any,
    pred: Callable[[Any], bool],
    tree: PyTree,
    is_leaf: Callable[[Any], bool] | None = None,
) -> bool:
    """Whether pred is true of a leaf of these types."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))
