"""einsum: sums of products over named indices, planned once per equation and shapes, then done by matmul.

Every contraction of two operands is one primitive, `contract`, whose two gradients are contractions of the
same kind with the roles exchanged: z = contract(x, y) over xs, ys -> zs gives dx = contract(g, y) over zs, ys
-> xs. That is the whole calculus. The rest is preparation on each operand alone, by ordinary ops: diagonals
for repeated indices, sums over indices that nobody else has. Operands are contracted from left to right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6 import layouts
from tinygrad6.arguments import composite, tensors
from tinygrad6.op import case, op
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import contiguous, normal_dims, permute_to, reshape
from tinygrad6.tensor import Tensor

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # in the order of numbered subscripts


# ---- the primitive


class _Pair(NamedTuple):
    """How to bring two operands to (batch, rows, inner) @ (batch, inner, columns),
    and the result to its order."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    z: tuple[int, ...] | None
    batch: int
    rows: int
    columns: int
    inner: int


@functools.lru_cache(512)
def _pair(xs: tuple, ys: tuple, zs: tuple) -> _Pair:
    batch = [i for i in zs if i in xs and i in ys]
    rows = [i for i in zs if i in xs and i not in ys]
    columns = [i for i in zs if i in ys and i not in xs]
    inner = [i for i in xs if i in ys and i not in zs]
    made = batch + rows + columns
    order = tuple(made.index(i) for i in zs)
    return _Pair(
        tuple(xs.index(i) for i in batch + rows + inner),
        tuple(ys.index(i) for i in batch + inner + columns),
        None if order == tuple(range(len(order))) else order,
        len(batch),
        len(rows),
        len(columns),
        len(inner),
    )


@op(
    lambda g, y, xs, ys, zs: contract(g, y, zs, ys, xs),
    lambda g, x, xs, ys, zs: contract(x, g, xs, zs, ys),
    method=False,
    public=False,
    node_name="Einsum",
    layout="any",
    examples=[
        case((2, 3), (3, 4), xs=(0, 1), ys=(1, 2), zs=(0, 2)),
        case((2, 3), (2, 3), xs=(0, 1), ys=(0, 1), zs=()),
        case((2, 3), (2, 3), xs=(0, 1), ys=(0, 1), zs=(1, 0)),
        case((2,), (3,), xs=(0,), ys=(1,), zs=(1, 0)),
        case((2, 3, 4), (4, 3, 5), xs=(0, 1, 2), ys=(2, 1, 3), zs=(1, 3, 0)),
    ],
)
def contract(x, y, xs, ys, zs):
    """The sum of x * y over the indices in both xs and ys but not in zs;
    each index of x is in ys or in zs, and so for y."""
    if x.dtype != y.dtype:
        raise RuntimeError(f"einsum(): expected operands of one type but found {x.dtype} and {y.dtype}")
    p = _pair(xs, ys, zs)
    x, y = x.transpose(p.x), y.transpose(p.y)
    batch, rows, columns = (
        x.shape[: p.batch],
        x.shape[p.batch : p.batch + p.rows],
        y.shape[y.ndim - p.columns :],
    )
    if not p.inner:  # a product, which lies in memory as products do
        x, y = x.reshape(x.shape + (1,) * p.columns), y.reshape(batch + (1,) * p.rows + columns)
        if p.z is not None:
            x, y = x.transpose(p.z), y.transpose(p.z)
        return layouts.follow(x * y, (x, y))
    else:
        b, m, n, k = (
            math.prod(batch),
            math.prod(rows),
            math.prod(columns),
            math.prod(x.shape[p.batch + p.rows :]),
        )
        half = x.dtype.char == "e"
        if half:
            x, y = x.astype(np.float32), y.astype(np.float32)
        if p.batch:
            out = np.matmul(x.reshape(b, m, k), y.reshape(b, k, n))
        else:
            out = np.matmul(x.reshape(m, k), y.reshape(k, n))
        out = out.reshape(batch + rows + columns)
        if half:
            out = out.astype(np.float16)
    return out if p.z is None else out.transpose(p.z)


@op(
    lambda g, x_shape, axis1, axis2: from_diagonal(g, axis1, axis2),
    method=False,
    public=False,
    examples=[case((3, 3), axis1=0, axis2=1), case((3, 2, 3), axis1=0, axis2=2)],
)
def to_diagonal(x, axis1, axis2):
    """x[.., i, .., i, ..] for two dimensions of one length, axis1 < axis2: the second of them is gone."""
    return np.moveaxis(x.diagonal(0, axis1, axis2), -1, axis1).copy()


@op(
    lambda h, axis1, axis2: to_diagonal(h, axis1, axis2),
    method=False,
    public=False,
    examples=[case((3,), axis1=0, axis2=1), case((3, 2), axis1=0, axis2=2)],
)
def from_diagonal(g, axis1, axis2):
    """Zeros with g on the diagonal of dimensions axis1 < axis2: the adjoint of to_diagonal."""
    shape = g.shape[:axis2] + (g.shape[axis1],) + g.shape[axis2:]
    out = np.zeros(shape, g.dtype)
    np.einsum(
        out,
        [i if i != axis2 else axis1 for i in range(len(shape))],
        [i for i in range(len(shape)) if i != axis2],
    )[...] = g
    return out


# ---- the plan


def _subscripts(equation: str, ndims: tuple[int, ...]) -> tuple[list[list[Any]], list[Any]]:
    """The indices of each operand and of the result: letters, and for the dimensions of an ellipsis numbers
    that count them from the last, -1, so that they line up as in broadcasting."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        kind = "fewer" if len(terms) > len(ndims) else "more"
        raise RuntimeError(f"einsum(): {kind} operands were provided than specified in the equation")
    where = equation.index("->") + 2 if arrow else 0
    operands = [_term(t, f"for operand {i}", equation, 0) for i, t in enumerate(terms)]
    widest = 0
    for i, (term, n) in enumerate(zip(operands, ndims, strict=True)):
        named = sum(t is not ... for t in term)
        if ... in term:
            if named > n:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({named}) is more than the number "
                    f"of dimensions ({n}) for operand {i}"
                )
            widest = max(widest, n - named)
        elif named != n:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of "
                f"dimensions ({n}) for operand {i} and no ellipsis was given"
            )
        operands[i] = _spread(term, n - named)
    if arrow:
        out = _term(right, "for the output", equation, where)
        for t in out:
            if t is not ... and out.count(t) > 1:
                raise RuntimeError(f"einsum(): output subscript {t} appears more than once in the output")
            if t is not ... and not any(t in o for o in operands):
                raise RuntimeError(
                    f"einsum(): output subscript {t} does not appear in the equation for any input operand"
                )
        return operands, _spread(out, widest)
    everything = [t for o in operands for t in o if isinstance(t, str)]
    return operands, [*range(-widest, 0), *sorted(t for t in set(everything) if everything.count(t) == 1)]


def _term(text: str, whose: str, equation: str, offset: int) -> list[Any]:
    """One group of subscripts as letters and at most one Ellipsis."""
    out: list[Any] = []
    i = 0
    while i < len(text):
        if text.startswith("...", i):
            if ... in out:
                raise RuntimeError(f"einsum(): found '.' {whose} for which an ellipsis was already found")
            out.append(...)
            i += 3
            continue
        if text[i] == ".":
            raise RuntimeError(f"einsum(): found '.' {whose} that is not part of any ellipsis")
        if text[i] not in LETTERS:
            at = equation.index(text[i], offset)
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {at} in the equation string, subscripts must "
                "be in [a-zA-Z]"
            )
        out.append(text[i])
        i += 1
    return out


def _spread(term: list[Any], width: int) -> list[Any]:
    return [s for t in term for s in (range(-width, 0) if t is ... else (t,))]


@functools.lru_cache(512)
def _plan(equation: str, shapes: tuple[tuple[int, ...], ...]) -> list[tuple]:
    """The steps to take: ("diagonal", i, axis1, axis2), ("sum", i, dims), ("drop", i, shape) on operand i,
    then ("contract", i, xs, ys, zs) of what there is so far with operand i, then ("permute", 0, dims)."""
    operands, out = _subscripts(equation, tuple(map(len, shapes)))
    sizes: dict[Any, int] = {}
    steps: list[tuple] = []
    lengths: list[dict[Any, int]] = []
    for i, (term, shape) in enumerate(zip(operands, shapes, strict=True)):
        while len(set(term)) < len(term):
            b = next(j for j, t in enumerate(term) if t in term[:j])
            a = term.index(term[b])
            if shape[a] != shape[b]:
                raise RuntimeError(
                    f"einsum(): subscript {term[b]} is repeated for operand {i} but the sizes don't match, "
                    f"{shape[b]} != {shape[a]}"
                )
            steps.append(("diagonal", i, a, b))
            del term[b]
            shape = shape[:b] + shape[b + 1 :]
        lengths.append(dict(zip(term, shape, strict=True)))
        for t, n in lengths[i].items():
            seen = sizes.setdefault(t, n)
            if seen == 1:
                sizes[t] = n
            elif n not in (1, seen):
                raise RuntimeError(
                    f"einsum(): subscript {t} has size {n} for operand {i} which does not broadcast with "
                    f"previously seen size {seen}"
                )
    for i, term in enumerate(operands):  # a length of 1 that is to broadcast might as well not be there
        if any(lengths[i][t] != sizes[t] for t in term):
            operands[i] = [t for t in term if lengths[i][t] == sizes[t]]
            steps.append(("drop", i, tuple(lengths[i][t] for t in operands[i])))

    def keep_only(i: int, term: list[Any], wanted: set) -> list[Any]:
        dims = tuple(d for d, t in enumerate(term) if t not in wanted)
        if dims:
            steps.append(("sum", i, dims))
        return [t for t in term if t in wanted]

    later = [set(out).union(*map(set, operands[i + 1 :])) for i in range(len(operands))]
    have = keep_only(0, operands[0], later[0])
    for i, term in enumerate(operands[1:], 1):
        term = keep_only(i, term, later[i] | set(have))
        have = keep_only(0, have, later[i] | set(term))
        zs = out if i == len(operands) - 1 else [t for t in dict.fromkeys([*have, *term]) if t in later[i]]
        steps.append(("contract", i, tuple(have), tuple(term), tuple(zs)))
        have = list(zs)
    if have != out:
        steps.append(("permute", 0, tuple(have.index(t) for t in out)))
    return steps


# ---- the act


@composite(method=False, examples=[])
def einsum(*args: Any) -> Tensor:
    """The sum of products of operands over the indices that the equation does not keep:
    einsum("ij,jk->ik", x, y).

    Without "->" the result has the indices that occur once, in alphabetical order, after those of an
    ellipsis. An index twice in one operand takes the diagonal; "..." stands for dimensions that broadcast.
    The form einsum(x, [0, 1], y, [1, 2], [0, 2]) says the same with numbers. All operands have one type.
    RuntimeError for equations that do not fit.

    >>> import tinygrad6 as torch
    >>> torch.einsum("ii->i", torch.arange(9.0).reshape(3, 3))
    tensor([0., 4., 8.])
    """
    equation, operands = _arguments(args)
    arrays = list(tensors("einsum", operands))
    summed = False
    for kind, i, *how in _plan(equation, tuple(t.array.shape for t in arrays)):
        if kind == "contract":
            arrays[0] = contract(arrays[0], arrays[i], *how)
        elif kind == "sum":
            arrays[i], summed = total(arrays[i], how[0]), True
        elif kind == "permute":
            arrays[0] = permute_to(arrays[0], *how)
        elif kind == "diagonal":
            arrays[i] = to_diagonal(arrays[i], *how)
        else:
            arrays[i] = reshape(arrays[i], how[0])
    return contiguous(arrays[0]) if summed and kind == "permute" and len(arrays) == 1 else arrays[0]


def _arguments(args: tuple) -> tuple[str, Sequence[Tensor]]:
    """The equation and the operands, from either form of the call."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
        )
    if isinstance(args[0], str):
        tensors = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        return args[0], tensors
    groups = [_letters(a) for a in args[1::2]]
    out = "->" + _letters(args[-1]) if len(args) % 2 else ""
    return ",".join(groups) + out, args[: len(args) // 2 * 2 : 2]


def _letters(subscripts: Sequence[Any]) -> str:
    for s in subscripts:
        if s is not ... and not 0 <= s < len(LETTERS):
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return "".join("..." if s is ... else LETTERS[s] for s in subscripts)


@composite(
    method=False,
    examples=[
        case((2, 3, 4), (3, 4, 2)),
        case((2, 3), (4,), dims=0),
        case((2, 3, 4), (4, 2), dims=([0, 2], [1, 0])),
    ],
)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over the last `dims` dimensions of a and the first of b,
    or over dims = (of a, of b)."""
    n, m = a.array.ndim, b.array.ndim
    if isinstance(dims, Tensor):
        dims = dims.tolist() if dims.array.ndim else int(dims.item())
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(n, m):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = list(range(n - dims, n)), list(range(dims))
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    of_a, of_b = normal_dims(first, n), normal_dims(second, m)
    for p, q in zip(of_a, of_b, strict=True):
        if a.array.shape[p] != b.array.shape[q]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.array.shape[p]} in dim {p} and "
                f"second has size {b.array.shape[q]} in dim {q}"
            )
    xs = tuple(range(n))
    ys = tuple(of_a[of_b.index(q)] if q in of_b else n + q for q in range(m))
    return contract(a, b, xs, ys, tuple(i for i in xs if i not in of_a) + tuple(i for i in ys if i >= n))


@composite(examples=[case((2, 3), (4, 3)), case((2, 3), (3,)), case((3,), (3,))])
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sums of products over the last dimension of each; for a 0-d tensor, the product."""
    x, y = input.array, other.array
    if not x.ndim or not y.ndim:
        return input * other
    if x.dtype != y.dtype:
        raise RuntimeError(f"both inputs should have same dtype, got {input.dtype} and {other.dtype}")
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(x.shape)} and {list(y.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))
