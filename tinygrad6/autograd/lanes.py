"""Many tensors of one shape at once: the rows of a Jacobian in one backward pass, and the slices of vmap.

`Lanes` stands for K tensors of one shape. To code it is a tensor of that shape; behind it there is one tensor
with a leading axis of K, and every op that is called works on that: an elementwise op as it is, a reduction
with its dimensions moved by one, and so on through the table at the end. So a gradient rule, written once for
one gradient, gives K of them in one go; and a function written for one sample works on K of them. All of it
is recorded as ever, by the ops on the tensors behind.

Not everything can be done so. In a backward pass, what is not in the table, what a hook or a Function of the
user's sees, and whatever else a rule does with a gradient that only a tensor can do, is done for one lane
after the other, and the results are stacked: there is still one pass through the graph. In vmap, an op that
is not in the table runs lane by lane; code that looks at values raises `NotTogether`, and vmap calls the
function once per slice instead.

Source: the batching rules of JAX's vmap (Bradbury et al. 2018) and of torch.func.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad6 import engine
from tinygrad6.engine import Node, Part, Rejoined
from tinygrad6.modes import state
from tinygrad6.op import Op
from tinygrad6.ops.join import cat, stack
from tinygrad6.ops.linalg import matmul
from tinygrad6.ops.shape import expand_to, reshape_to
from tinygrad6.tensor import TENSORS, Tensor, start, wrap
from tinygrad6.view import live_node

MOST = 1 << 24  # elements of one gradient with all its lanes: 64 MB of float32


class NotTogether(Exception):
    """This cannot be done with all lanes at once."""


class _RowMajor:
    """The flags of an array whose layout does not matter."""

    c_contiguous = forc = True
    f_contiguous = writeable = False


class _Face:
    """What code may ask of an array that stands for many: all but its elements."""

    __slots__ = ("shape", "dtype", "ndim", "size", "strides")
    flags = _RowMajor

    def __init__(self, full: np.ndarray) -> None:
        self.shape, self.dtype, self.ndim = full.shape[1:], full.dtype, full.ndim - 1
        self.strides = tuple(self.dtype.itemsize * math.prod(self.shape[i + 1 :]) for i in range(self.ndim))
        self.size = math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotTogether


class Lanes(Tensor):
    """K tensors of one shape, held as one tensor `full` with a leading axis of K."""

    __slots__ = ("full",)
    full: Tensor

    def __new__(cls, full: Tensor) -> Lanes:
        assert full.array.ndim, "lanes need an axis to lie along"
        lanes = object.__new__(cls)
        lanes.full, lanes.cell, lanes.view_of, lanes._grad = full, [0, 0], None, None
        return lanes

    @property
    def array(self) -> Any:
        return _Face(self.full.array)

    @array.setter
    def array(self, value: Any) -> None:
        if type(value) is not _Face:  # which is what stays as it was laid
            raise NotTogether

    @property
    def node(self) -> Any:  # type: ignore[override]
        return live_node(self.full)

    @property
    def requires_grad(self) -> bool:
        return self.full.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.full.requires_grad = wanted

    def detach(self) -> Lanes:
        return Lanes(self.full.detach())

    @staticmethod
    def run(op: Op, inputs: tuple, params: dict) -> Lanes:
        """What `Op.run` is for tensors."""
        given = dict(params)
        try:
            return Lanes(_together(op, inputs, params))
        except NotTogether:
            if not state.lanes:
                raise  # a node has a better way: see `gradients`
        k = next(len(t.full.array) for t in inputs if type(t) is Lanes)
        rows = [op.call(*[t.full[i] if type(t) is Lanes else t for t in inputs], **given) for i in range(k)]
        return Lanes(stack(rows))

    @staticmethod
    def cat(tensors: Sequence[Tensor], dim: int) -> Lanes:
        """What `cat` is for tensors, dim counted from the front."""
        k = next(len(t.full.array) for t in tensors if type(t) is Lanes)
        return Lanes(cat([widened(t, k) for t in tensors], dim + 1))

    def one_by_one(self, function: Callable[[Any], Any]) -> Lanes:
        """function of the tensor in every lane, stacked."""
        return Lanes(stack([_tensor(function(self.full[i])) for i in range(len(self.full.array))]))


TENSORS.discard(Lanes)  # the fast ways are for tensors with elements: Lanes come to Op.run


def widened(t: Tensor, k: int) -> Tensor:
    """What stands behind k lanes, all of them t if it is no Lanes."""
    return t.full if type(t) is Lanes else expand_to(t, (k, *t.array.shape))


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else wrap(np.asarray(value))


# ---- the backward pass


def starts(t: Tensor, cotangents: Any, i: int, graph: bool) -> tuple[Node, Lanes]:
    """A root of the pass with all the cotangents, checked as `start` checks one."""
    if not isinstance(cotangents, Tensor) or not cotangents.array.ndim:
        raise RuntimeError(
            f"grad(): is_grads_batched=True wants grad_outputs with a leading batch dimension, got "
            f"{list(cotangents.shape) if isinstance(cotangents, Tensor) else cotangents} for output {i}"
        )
    one = expand_to(wrap(np.zeros((), cotangents.array.dtype)), cotangents.array.shape[1:])
    node, _ = start(t, one, i, graph)
    full = cotangents if graph else cotangents.detach()
    return node, Lanes(full if full.array.dtype == t.array.dtype else full.to(t.array.dtype))


def gradients(node: Node, g: Lanes, graph: bool) -> Iterable[tuple[Any, Any]]:
    """`node.gradients(g, graph)` for all lanes of g."""
    if engine.watch is None and _by_rules(node):
        source = Rejoined(node) if graph else Part(_saved(node), node.params, node.parents)
        try:
            return [
                (p, _in_lanes(reader(g, source), g))
                for p, reader in zip(node.parents, node.op.readers, strict=True)
                if p is not None
            ]
        except Exception:  # whatever it is: lane by lane there is an answer, or an error that explains
            pass
    if not len(g.full.array):
        return [(p, Lanes(wrap(np.zeros((0, *p.shape), p.dtype)))) for p in node.parents if p is not None]
    step = node.gradients if engine.watch is None else lambda row, graph: engine.watch(node, row, graph)
    rows = [list(step(row if graph else row.array, graph)) for row in g.full]
    return [
        (parent, None if value is None else Lanes(stack([_tensor(r[i][1]) for r in rows])))
        for i, (parent, value) in enumerate(rows[0])
        if parent is not None
    ]


def _by_rules(node: Node) -> bool:
    """Whether the node has rules of its own, and all that they need."""
    return (
        type(node).gradients is Node.gradients
        and node.op.reference is None
        and node.saved is not None
        and all(cell is None or cell[0] <= node.rank for cell in node.cells)
    )


def _saved(node: Node) -> tuple:
    return tuple(wrap(a) if isinstance(a, np.ndarray) else a for a in node.saved or ())


def _in_lanes(value: Any, g: Lanes) -> Lanes | None:
    """A rule's answer in lanes also where it does not depend on g."""
    if value is None or type(value) is Lanes:
        return value
    return Lanes(expand_to(value, (len(g.full.array), *value.shape)))


def unit_cotangents(out: Tensor, most: int | None = None) -> Iterator[Tensor]:
    """The rows of the identity, one for each element of `out`, of its shape: `most` of them at a time,
    or as many as leave no gradient on the way with more than MOST elements."""
    shape, n = out.array.shape, out.array.size
    step = most or max(1, MOST // _largest(out))
    for first in range(0, n, step):
        units = np.zeros((min(step, n - first), n), out.array.dtype)
        units[range(len(units)), range(first, first + len(units))] = 1
        yield wrap(units.reshape((len(units), *shape)))


def jacobian_blocks(
    out: Tensor,
    inputs: Sequence[Tensor],
    products: Callable[[Tensor], Sequence[Tensor]],
    most: int | None = None,
) -> list[Tensor]:
    """d out / d input for each input, of shape out.shape + input.shape.

    products: from a batch of cotangents to that of their products with each Jacobian.
    """
    pieces = [products(units) for units in unit_cotangents(out, most)]
    rows = (
        [cat(column) for column in zip(*pieces, strict=True)]
        if pieces
        else [wrap(np.zeros((0, *i.array.shape), i.array.dtype)) for i in inputs]
    )
    return [r.reshape((*out.array.shape, *i.array.shape)) for r, i in zip(rows, inputs, strict=True)]


def _largest(out: Tensor) -> int:
    """The elements of the largest gradient in the graph of `out`."""
    todo = [out.node] if out.node is not None else []
    seen, largest = set(todo), 1
    while todo:
        node = todo.pop()
        largest = max(largest, math.prod(node.shape or ()))
        new = [p for p in node.parents if p is not None and p not in seen]
        seen.update(new)
        todo += new
    return largest


# ---- vmap


def map_over(function: Callable[..., Any], args: Any, kwargs: dict, k: int) -> Any:
    """function(*args, **kwargs), some of whose tensors are Lanes: what comes out may be, too."""
    before, state.lanes = state.lanes, k
    try:
        return function(*args, **kwargs)
    finally:
        state.lanes = before


def concerned(*tensors: Any) -> bool:
    """Whether there are Lanes among them."""
    return any(type(t) is Lanes for t in tensors)


def grad_inside(
    grad: Callable[..., Any], outs: list, inputs: list, weights: list, is_grads_batched: bool, **options: Any
) -> tuple:
    """autograd.grad where outputs, inputs or weights are Lanes.

    A slice's gradient reaches no other slice; so the gradients of all are those of what stands behind them.
    """
    k = state.lanes
    if not concerned(*outs, *inputs):  # one graph for all slices: a batch of cotangents
        if is_grads_batched:
            raise NotTogether
        given = [widened(w, k) if isinstance(w, Tensor) else w for w in weights]
        found = grad(outs, inputs, given, is_grads_batched=True, **options)
        return tuple(None if f is None else Lanes(f) for f in found)
    if not all(type(t) is Lanes for t in (*outs, *inputs)):
        raise NotTogether  # the gradient would be summed over the slices
    given = []
    for out, w in zip(outs, weights, strict=True):
        if w is None and out.array.size != 1:
            raise NotTogether
        full = wrap(np.ones_like(out.full.array)) if w is None else widened(w, k)
        given.append(full.transpose(0, 1) if is_grads_batched else full)  # the batch before the lanes
    found = grad(
        [o.full for o in outs], [i.full for i in inputs], given, is_grads_batched=is_grads_batched, **options
    )
    return tuple(None if f is None else Lanes(f.transpose(0, 1) if is_grads_batched else f) for f in found)


# ---- ops on all lanes

# Elementwise ops that rules use, beside those that work in blocks and say so themselves
ELEMENTWISE = frozenset(
    "eq ne lt le gt ge logical_not logical_and logical_or isnan isinf isfinite cast clone identity nothing "
    "sgn mix hypot copysign nan_as_zero root_or_zero clip_tensors quotient xlogy digamma erfcx floor_divide "
    "remainder fmod logits_entropy bitwise_and bitwise_or bitwise_xor bitwise_not".split()
)


def _together(op: Op, inputs: tuple, params: dict) -> Tensor:
    """The op on what stands behind the lanes; NotTogether if there is no way."""
    faces = [t.array if isinstance(t, Tensor) else t for t in inputs]
    if op.prepare is not None:
        op.prepare(faces, params)
    if op.elementwise or op.name in ELEMENTWISE:
        return _elementwise(op, inputs, faces, params)
    rule = TOGETHER.get(op.name)
    if rule is None:
        raise NotTogether
    return rule(op.call, *inputs, **params)


def _elementwise(op: Op, inputs: tuple, faces: list, params: dict) -> Tensor:
    """The leading axis stays in front when tensors of fewer dimensions are broadcast."""
    kinds = {f.dtype for f in faces if isinstance(f, (np.ndarray, _Face))}
    if len(kinds - {np.dtype(bool)}) > 1:
        raise NotTogether  # with the leading axis, one of no dimensions would weigh more
    ndim = max(f.ndim for f in faces if isinstance(f, (np.ndarray, _Face)))
    return op.call(*[_wide(t, ndim) if type(t) is Lanes else t for t in inputs], **params)


def _wide(t: Lanes, ndim: int) -> Tensor:
    """The full tensor, with ones after its leading axis for `ndim` dimensions behind it."""
    shape = t.full.array.shape
    missing = ndim + 1 - len(shape)
    return t.full if missing <= 0 else reshape_to(t.full, (shape[0], *(1,) * missing, *shape[1:]))


def _only_first(t: Any, *others: Any) -> Tensor:
    if type(t) is not Lanes or any(type(o) is Lanes for o in others):
        raise NotTogether
    return t.full


def _sized(call: Any, x: Any, shape: Any, **rest: Any) -> Tensor:
    full = _wide(x, len(shape)) if call is expand_to else x.full
    return call(full, shape=(len(full.array), *shape), **rest)


def _same(call: Any, x: Any, *others: Any, **params: Any) -> Tensor:
    """For what works on the last dimensions and takes any before them."""
    return call(_only_first(x, *others), *others, **params)


def _moved(*names: str) -> Callable[..., Tensor]:
    """For settings that count dimensions: an int, or several; from the end they stay what they are."""

    def run(call: Any, x: Any, *others: Any, **params: Any) -> Tensor:
        if not x.array.ndim:
            raise NotTogether  # no dimensions to reduce: an empty tuple would mean all
        for name in names:
            d = params[name]
            if d is None:
                raise NotTogether
            several = isinstance(d, (tuple, list))
            params[name] = tuple(i + (i >= 0) for i in d) if several else d + (d >= 0)
        return call(_only_first(x, *others), *others, **params)

    return run


def _permuted(call: Any, x: Any, dims: tuple) -> Tensor:
    return call(x.full, dims=(0, *(d + 1 for d in dims)))


def _padded(call: Any, x: Any, width: Any, **rest: Any) -> Tensor:
    return call(x.full, width=((0, 0), *width), **rest)


def _indexed(call: Any, x: Any, index: tuple, **params: Any) -> Tensor:
    """x[:, index]; not with arrays in two places of the index, whose dimensions NumPy puts in front."""
    arrays = [i for i, a in enumerate(index) if isinstance(a, np.ndarray)]
    if arrays and arrays[-1] - arrays[0] >= len(arrays):
        raise NotTogether
    full = _only_first(x)
    if "shape" in params:
        if np.broadcast_to(False, params["shape"])[index].shape != x.array.shape:
            raise NotTogether  # x is broadcast
        params["shape"] = (len(full.array), *params["shape"])
    return call(full, index=(slice(None), *index), **params)


def _along(call: Any, x: Any, index: Any, *, dim: int, **params: Any) -> Tensor:
    full = _only_first(x, index)
    k = len(full.array)
    if "shape" in params:
        params["shape"] = (k, *params["shape"])
    at = index if isinstance(index, Tensor) else wrap(np.asarray(index))
    return call(full, expand_to(at, (k, *at.array.shape)), dim=dim + 1, **params)


def _product(call: Any, x: Any, y: Any) -> Tensor:
    nx, ny = x.array.ndim, y.array.ndim
    if type(x) is Lanes and type(y) is not Lanes and nx <= 2 and ny == 2:
        return _rows_times(x.full, y)
    if nx == 1 and ny == 1:
        return (_wide(x, 1) * (_wide(y, 1) if type(y) is Lanes else y)).sum(-1)
    if nx == 1:  # a row
        return _product(call, x.unsqueeze(0), y).squeeze(-2)
    if ny == 1:  # a column
        return _product(call, x, y.unsqueeze(1)).squeeze(-1)
    ndim = max(nx, ny)
    return matmul(*[_wide(t, ndim) if type(t) is Lanes else t for t in (x, y)])


def _rows_times(full: Tensor, y: Tensor) -> Tensor:
    """(K, *, M) @ (M, N): one product."""
    shape = full.array.shape
    flat = reshape_to(full, (math.prod(shape[:-1]), shape[-1]))
    return reshape_to(matmul(flat, y), (*shape[:-1], y.array.shape[1]))


def _contracted(call: Any, x: Any, y: Any, xs: tuple, ys: tuple, zs: tuple) -> Tensor:
    lane = object()  # an index of its own
    x_lanes, y_lanes = type(x) is Lanes, type(y) is Lanes
    return call(
        x.full if x_lanes else x,
        y.full if y_lanes else y,
        xs=(lane, *xs) if x_lanes else xs,
        ys=(lane, *ys) if y_lanes else ys,
        zs=(lane, *zs),
    )


def _folded(call: Any, x: Any, *others: Any, **params: Any) -> Tensor:
    """For what treats the entries of a first dimension alike: the lanes become more of them."""
    full = _only_first(x, *others)
    if "kernel" in params and x.array.ndim != len(params["kernel"]) + 2:
        raise NotTogether
    k, n, *rest = full.array.shape
    params.pop("cache", None)
    out = call(reshape_to(full, (k * n, *rest)), *others, **params)
    return reshape_to(out, (k, n, *out.array.shape[1:]))


def _linear(call: Any, x: Any, w: Any, b: Any) -> Tensor:
    if not concerned(w, b):
        return call(x.full, w, b)
    if w.array.ndim != 2:
        raise NotTogether
    out = x @ w.transpose(0, 1)
    return (out if b is None else out + b).full


def _embedding(call: Any, w: Any, indices: Any, **params: Any) -> Tensor:
    if concerned(w):
        raise NotTogether
    return call(w, indices.full, **params)


def _layer_norm(call: Any, x: Any, w: Any, b: Any, **params: Any) -> Tensor:
    if not concerned(w, b):
        return _folded(call, x, w, b, **params)
    d, kind = x.array.shape[1], x.array.dtype
    if type(x) is not Lanes or not w.array.shape == b.array.shape == (d,):
        raise NotTogether
    plain = Lanes(_folded(call, x, wrap(np.ones(d, kind)), wrap(np.zeros(d, kind)), **params))
    return (plain * w + b).full


def _cross_entropy(call: Any, x: Any, t: Any, *, ignore_index: int, reduction: str, cache: Any) -> Tensor:
    if type(x) is not Lanes:
        raise NotTogether
    k, n, classes = x.full.array.shape
    labels = reshape_to(widened(t, k), (k * n,))
    losses = call(reshape_to(x.full, (k * n, classes)), labels, ignore_index=ignore_index, reduction="none")
    losses = reshape_to(losses, (k, n))
    if reduction == "none":
        return losses
    total = losses.sum(1)
    counted = (labels.array != ignore_index).reshape(k, n).sum(1)
    return total / wrap(counted.astype(total.array.dtype)) if reduction == "mean" else total


TOGETHER: dict[str, Callable[..., Tensor]] = {
    "reshape_to": _sized,
    "expand_to": _sized,
    "permute_to": _permuted,
    "pad_constant": _padded,
    "crop": _padded,
    **dict.fromkeys("part embed_part items add_items".split(), _indexed),
    **dict.fromkeys("gather_along add_along".split(), _along),
    **dict.fromkeys("tril triu".split(), _same),
    **dict.fromkeys("convolve convolve_dx max_pool window_sum".split(), _folded),
    **dict.fromkeys(
        "squeeze unsqueeze sum mean prod_over var_over std_over amax amin argmax argmin any all "
        "count_nonzero cumsum cumprod logcumsumexp logsumexp softmax log_softmax norm_over".split(),
        _moved("dim"),
    ),
    **dict.fromkeys("flip_over roll".split(), _moved("dims")),
    "transpose": _moved("dim0", "dim1"),
    "diagonal": _moved("dim1", "dim2"),
    "matmul": _product,
    "contract": _contracted,
    "linear": _linear,
    "embedding": _embedding,
    "layer_norm_rows": _layer_norm,
    "cross_entropy_rows": _cross_entropy,
}
