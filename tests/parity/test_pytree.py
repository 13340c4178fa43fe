"""torch.utils._pytree beside PyTorch's: leaves, structures, maps, and what is refused."""

from __future__ import annotations

import collections
import importlib

import pytest
from helpers import same

import tinygrad6

Point = collections.namedtuple("Point", "x y")


def tree():
    return {
        "b": [1, (2, None)],
        "a": Point(3, collections.OrderedDict(z=4, y=5)),
        "d": collections.defaultdict(list, {"k": 6}),
        "q": collections.deque([7, 8], maxlen=3),
        "e": [],
    }


def pytree(torch):
    return importlib.import_module(f"{torch.__name__}.utils._pytree")


CALLS = {
    "leaves": lambda p: p.tree_leaves(tree()),
    "iter": lambda p: list(p.tree_iter(tree())),
    "leaf_count": lambda p: p.tree_structure(tree()).num_leaves,
    "counts": lambda p: [p.tree_structure(tree()).num_nodes, p.tree_structure(tree()).num_children],
    "back": lambda p: p.tree_unflatten(*p.tree_flatten(tree())) == tree(),
    "kinds": lambda p: [type(v).__name__ for v in p.tree_map(lambda x: x, tree()).values()],
    "maxlen": lambda p: p.tree_map(lambda x: x, tree())["q"].maxlen,
    "map": lambda p: p.tree_map(lambda x, y: [x, y], [1, {"a": 2}], [3, {"a": 4}]),
    "other_order": lambda p: p.tree_map(lambda x, y: x - y, {"a": 1, "b": 2}, {"b": 3, "a": 4}),
    "deeper": lambda p: p.tree_map(lambda x, y: [x, y], [1, 2], [1, [2]]),
    "kinds_of_dict": lambda p: p.tree_map(lambda x, y: x + y, {"a": 1}, collections.OrderedDict(a=2)),
    "arity": lambda p: p.tree_map(lambda x, y: x, [1, 2], [1]),
    "type": lambda p: p.tree_map(lambda x, y: x, [1, 2], (1, 2)),
    "keys": lambda p: p.tree_map(lambda x, y: x, {"a": 1}, {"b": 1}),
    "few": lambda p: p.tree_unflatten([1], p.tree_structure([1, 2])),
    "no_spec": lambda p: p.tree_unflatten([1], [1]),
    "is_leaf": lambda p: p.tree_leaves([[1, 2], [3]], is_leaf=lambda x: isinstance(x, list) and len(x) == 1),
    "only": lambda p: p.tree_map_only(int, lambda x: x + 1, [1, "a", 2.0]),
    "only_several": lambda p: p.tree_map_only((int, float), lambda x: x + 1, [1, "a", (2.0,)]),
    "only_where": lambda p: p.tree_map_only(lambda x: x == 1, lambda x: 9, [1, 2]),
    "for_effect": lambda p: p.tree_map_(lambda x: None, [1]),
    "all": lambda p: [p.tree_all(lambda x: x > 0, [1, 2]), p.tree_any(lambda x: x > 2, [1, [2]])],
    "all_only": lambda p: p.tree_all_only(int, lambda x: x > 0, [1, "a"]),
    "any_only": lambda p: p.tree_any_only(str, str.isupper, [1, "a"]),
    "equal": lambda p: [p.tree_structure([1, {"a": 2}]) == p.tree_structure([3, {"a": 5}]),
                        p.tree_structure([1]) == p.tree_structure((1,)),
                        p.tree_structure({"a": 1, "b": 2}) == p.tree_structure({"b": 1, "a": 2})],
    "shown": lambda p: [repr(p.tree_structure(t)) for t in (1, [], None, (1,), {"a": [1]})],
    "leaf": lambda p: [p.tree_is_leaf(1), p.tree_is_leaf([1]), p.tree_is_leaf([1], is_leaf=lambda x: True)],
    "size": lambda p: p.tree_leaves([tinygrad6.Size([1, 2])][:0] + [(1, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_calls(call):
    same(lambda torch: CALLS[call](pytree(torch)))


def test_tensors_and_classes_of_ones_own():
    def run(torch):
        p = pytree(torch)

        class Pair:
            def __init__(self, a, b):
                self.a, self.b = a, b

        p.register_pytree_node(Pair, lambda q: ([q.a, q.b], None), lambda parts, _: Pair(*parts))
        params = {"w": torch.ones(2), "more": Pair(torch.zeros(1), [torch.ones(1)])}
        grads = p.tree_map(torch.ones_like, params)
        new = p.tree_map(lambda w, g: w - 0.5 * g, params, grads)
        assert torch.utils._pytree is p
        sizes = p.tree_leaves(torch.ones(1, 2).shape)
        try:
            p.register_pytree_node(Pair, None, None)
        except ValueError:
            sizes.append("already")
        return [new["w"], new["more"].a, new["more"].b, sizes]

    same(run)
