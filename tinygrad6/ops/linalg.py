"""Products of matrices and vectors: matmul and its relatives, and `linear`.

From the one that matters to the rest. `matmul` and `linear` are the primitives; a layer's whole cost is
theirs, so the two-dimensional case is nothing but calls of BLAS: one forward, two backward. A batch times one
matrix, (B, T, D) @ (D, E), is folded into a single product both ways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6.arguments import composite
from tinygrad6.dtypes import CPP_NAMES, TYPE_NAMES
from tinygrad6.op import REAL, case, named, op
from tinygrad6.op import _mismatch as broadcast_error
from tinygrad6.ops.pointwise import abs as absolute
from tinygrad6.ops.choose import where
from tinygrad6.ops.activations import relu
from tinygrad6.ops.pointwise import nothing, sign
from tinygrad6.ops.reduce import norm, root_or_zero
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import normal_dim, reshape, roll, transpose, unsqueeze
from tinygrad6.sums import column_sums
from tinygrad6.tensor import Tensor

_FLOATS = frozenset("fd")


def mT(x: Any) -> Any:
    """x with its last two dimensions swapped, of an array or a Tensor."""
    return transpose(x, -2, -1)


def gemm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for matrices. `dot` dispatches 0.4 us faster, `matmul` does not clear the result first, but gives
    BLAS no column times row: each where it pays."""
    return a.dot(b) if a.shape[0] * b.shape[1] < 10_000 or a.shape[1] == 1 else np.matmul(a, b)


def _x(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


# ---- matmul


def matmul_dx(g: Any, y: Any, x_shape: tuple) -> Any:
    """The gradient of x @ y in x."""
    if y.ndim == 1:
        return g * y if len(x_shape) == 1 else g.reshape(g.shape + (1,)) * y
    if len(x_shape) == 1:
        return y @ g if y.ndim == 2 else (y @ g.reshape(g.shape + (1,))).reshape(y.shape[:-1])
    if y.ndim > 2:
        return g @ mT(y)
    if len(x_shape) == 2:
        return g @ y.T
    return (g.reshape((math.prod(g.shape[:-1]), g.shape[-1])) @ y.T).reshape(x_shape)


def matmul_dy(g: Any, x: Any, y_shape: tuple) -> Any:
    """The gradient of x @ y in y."""
    if x.ndim == 1:
        return (
            g * x
            if len(y_shape) == 1
            else x.reshape((x.shape[0], 1)) * g.reshape(g.shape[:-1] + (1, g.shape[-1]))
        )
    rows = math.prod(x.shape[:-1])
    if len(y_shape) == 1:
        return g.reshape((rows,)) @ x.reshape((rows, x.shape[-1]))
    if len(y_shape) > 2:
        return mT(x) @ g
    if x.ndim == 2:
        return x.T @ g
    return x.reshape((rows, x.shape[-1])).T @ g.reshape((rows, g.shape[-1]))


_PRODUCTS = [
    case((2, 3), (3, 4)),
    case((3,), (3,)),
    case((3,), (3, 2)),
    case((2, 3), (3,)),
    case((2, 3, 4), (4, 2)),
    case((2, 3, 4), (2, 4, 3)),
    case((2, 1, 2, 3), (4, 3, 2)),
    case((3,), (2, 3, 2)),
    case((2, 2, 3), (3,)),
    case((2, 3), (2, 3, 2)),
]


def _product_name(node: Any) -> str:
    """PyTorch has an op for each pair of dimensions, and folds batches into one matrix, which it unfolds."""
    if len(node.shape) == 2:
        return "MmBackward0"
    return ("DotBackward0", "MvBackward0")[len(node.shape)] if len(node.shape) < 2 else "UnsafeViewBackward0"


@op(
    lambda g, y, x_shape: matmul_dx(g, y, x_shape),
    lambda g, x, y_shape: matmul_dy(g, x, y_shape),
    infix="matmul",
    node_name=lambda node: _product_name(node),
    examples=_PRODUCTS,
)
def matmul(x, y):
    """The matrix product x @ y.

    Two vectors give their dot product, a matrix and a vector a vector; leading dimensions are batches and
    broadcast: (*, M, K) @ (*, K, N) is (*, M, N). RuntimeError if K differs, the types differ, or one is 0-d.
    """
    try:
        if x.dtype is y.dtype and x.dtype.char in _FLOATS:
            if y.ndim != 2 or x.ndim == 1:
                return np.matmul(x, y)
            if x.ndim == 2:
                return gemm(x, y)
            return gemm(x.reshape(-1, x.shape[-1]), y).reshape(x.shape[:-1] + y.shape[1:])
    except (ValueError, AttributeError, IndexError):
        pass
    return _unusual_matmul(x, y)


def _unusual_matmul(x: Any, y: Any) -> np.ndarray:
    """Types other than float32 and float64, empty arrays, and what cannot be multiplied,
    which is explained."""
    for a in (x, y):
        if not isinstance(a, np.ndarray):
            raise TypeError(f"matmul(): unsupported operand type(s) for @: 'Tensor' and '{type(a).__name__}'")
    if not x.ndim or not y.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D"
        )
    if x.dtype != y.dtype:
        if x.ndim == 1 == y.ndim:
            raise RuntimeError(
                "dot : expected both vectors to have same dtype, but found "
                f"{TYPE_NAMES[x.dtype.name]} and {TYPE_NAMES[y.dtype.name]}"
            )
        raise RuntimeError(
            "expected m1 and m2 to have the same dtype, but got: "
            f"{CPP_NAMES[x.dtype.name]} != {CPP_NAMES[y.dtype.name]}"
        )
    if x.dtype.kind == "b":
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise RuntimeError(_mismatch(x.shape, y.shape))
    if x.ndim > 2 and y.ndim > 2 and (wrong := broadcast_error(x.shape[:-2], y.shape[:-2])):
        raise RuntimeError(wrong)
    if x.dtype.char == "e":
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    return np.matmul(x, y)


def _mismatch(x: tuple, y: tuple) -> str:
    """PyTorch's sentence about shapes that cannot be multiplied."""
    if len(y) == 1:
        if len(x) == 1:
            return (
                f"inconsistent tensor size, expected tensor [{x[0]}] and src [{y[0]}] to have the same "
                f"number of elements, but got {x[0]} and {y[0]} elements respectively"
            )
        rows = math.prod(x[:-1])
        return f"size mismatch, got input ({rows}), mat ({rows}x{x[-1]}), vec ({y[0]})"
    if len(y) == 2:
        return f"mat1 and mat2 shapes cannot be multiplied ({math.prod(x[:-1])}x{x[-1]} and {_x(y)})"
    batch = math.prod(np.broadcast_shapes(x[:-2], y[:-2]))
    return (
        f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {x[-1]}] but got: "
        f"[{batch}, {y[-2]}]."
    )


# ---- linear: x w^T + b


def _linear_kernel(g, needs, x, w):
    if w.ndim != 2:
        return [
            matmul_dx(g, w, x.shape) if needs[0] else None,
            matmul_dy(g, x, w.shape) if needs[1] else None,
            None,
        ]
    shape = x.shape
    if x.ndim != 2:
        rows = math.prod(shape[:-1])
        g, x = g.reshape(rows, w.shape[0]), x.reshape(rows, w.shape[1])
    return [
        gemm(g, w).reshape(shape) if needs[0] else None,
        gemm(g.T, x) if needs[1] else None,
        column_sums(g) if needs[2] else None,
    ]


def _w_rule(g: Any, x: Any, w_shape: tuple) -> Any:
    if len(w_shape) == 1:
        return matmul_dy(g, x, w_shape)
    return _matrix(g).T @ _matrix(x)


def _matrix(x: Any) -> Any:
    """x (*, n) as rows, of an array or a Tensor."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


@op(
    lambda g, w: g @ w if w.ndim == 2 else matmul_dx(g, w, g.shape + w.shape),
    lambda g, x, w_shape: _w_rule(g, x, w_shape),
    lambda g: total(_matrix(g), (0,), False),
    kernel=_linear_kernel,
    method=False,
    public=False,
    torch="nn.functional.linear",
    node_name="Addmm",
    examples=[
        case((2, 3), (4, 3), (4,)),
        case((2, 3), (4, 3)),
        case((3,), (4, 3), (4,)),
        case((2, 3, 4), (5, 4), (5,)),
        case((2, 3), (4, 3), (1,)),
        case((2, 3), (3,)),
    ],
)
def linear(x, w, b=None):
    """x w^T + b: x (*, in), w (out, in), b (out) or None -> (*, out).

    RuntimeError if the sizes or the types differ.
    """
    try:
        if w.ndim == 2 and x.dtype is w.dtype and x.dtype.char in _FLOATS:
            if x.ndim == 2:
                out = gemm(x, w.T)
            else:
                out = gemm(x.reshape(-1, x.shape[-1]), w.T).reshape(x.shape[:-1] + w.shape[:1])
            if b is None:
                return out
            if b.dtype is out.dtype and b.ndim < 2:
                out += b
                return out
    except (ValueError, IndexError):
        pass
    return _unusual_linear(x, w, b)


def _unusual_linear(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    if not x.ndim or not w.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {x.ndim}D and {w.ndim}D"
        )
    if w.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {w.ndim}D")
    if b is not None and w.ndim == 1:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    if b is not None and b.ndim > 1:
        raise RuntimeError(
            f"linear(): the bias must have at most one dimension, got shape {list(b.shape)}; add it "
            "afterwards"
        )
    if x.shape[-1] != w.shape[-1] and w.ndim == 2:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({math.prod(x.shape[:-1])}x{x.shape[-1]} and "
            f"{_x(w.shape[::-1])})"
        )
    if b is not None and x.dtype == w.dtype != b.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{TYPE_NAMES[b.dtype.name]} and {TYPE_NAMES[w.dtype.name]}"
        )
    out = _unusual_matmul(x, w.T)
    if b is None:
        return out
    _expandable(b.shape, out.shape)
    return out + b


def _expandable(shape: tuple, target: tuple) -> None:
    """RuntimeError in PyTorch's words unless `shape` expands to `target`."""
    for i, n in enumerate(reversed(shape), 1):
        if i > len(target) or n not in (1, target[-i]):
            if i > len(target):
                raise RuntimeError(
                    f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the "
                    f"number of dimensions in the tensor ({len(shape)})"
                )
            raise RuntimeError(
                f"The expanded size of the tensor ({target[-i]}) must match the existing size ({n}) at "
                f"non-singleton dimension {len(target) - i}.  Target sizes: {list(target)}.  "
                f"Tensor sizes: {list(shape)}"
            )


# ---- the same product under names that are strict about dimensions


@composite(examples=[case((2, 3), (3, 4))])
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (N, M) @ (M, P)."""
    if input.array.ndim != 2 or mat2.array.ndim != 2:
        raise RuntimeError(f"{'self' if input.array.ndim != 2 else 'mat2'} must be a matrix")
    return matmul(input, mat2)


@composite(examples=[case((2, 3, 4), (2, 4, 3))])
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (B, N, M) @ (B, M, P); the batches do not broadcast."""
    x, y = input.array.shape, mat2.array.shape
    for i, shape in enumerate((x, y), 1):
        if len(shape) != 3:
            raise RuntimeError(f"batch{i} must be a 3D tensor")
    if (x[0], x[2]) != y[:2]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{x[0]}, {x[2]}] but got: [{y[0]}, {y[1]}]."
        )
    return named(matmul(input, mat2), "Bmm")


@composite(examples=[case((2, 3), (3,))])
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector, (N, M) @ (M)."""
    if input.array.ndim != 2 or vec.array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {vec.array.ndim}, {input.array.ndim}, {vec.array.ndim}"
        )
    return matmul(input, vec)


@composite(examples=[case((3,), (3,))])
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    if input.array.ndim != 1 or tensor.array.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {input.array.ndim}D and {tensor.array.ndim}D tensors"
        )
    return matmul(input, tensor)


@composite(examples=[case((3,), (3,))])
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """dot, for real numbers."""
    return named(dot(input, other), "Vdot")


@composite(examples=[case((2,), (3,))])
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """input[i] * vec2[j] for two vectors."""
    for name, v in (("self", input), ("vec2", vec2)):
        if v.array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {v.array.ndim}-D")
    return reshape(input, (-1, 1)) * vec2 if input.array.size else reshape(input, (0, 1)) * vec2


@composite(examples=[case((2,), (3,))])
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """Another name for outer."""
    return outer(input, vec2)


# ---- a product and a sum


def _scaled_sum(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * input + alpha * product, as PyTorch's addmm family has it:
    input expands, and beta = 0 forgets it."""
    if input.array.dtype != product.array.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{TYPE_NAMES[input.array.dtype.name]} and {TYPE_NAMES[product.array.dtype.name]}"
        )
    _expandable(input.array.shape, product.array.shape)
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled + nothing(input)
    return scaled + (input if beta == 1 else input * beta)


@composite(
    inplace=True, examples=[case((4,), (2, 3), (3, 4)), case((2, 4), (2, 3), (3, 4), beta=0.5, alpha=2)]
)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2): mat1 (N, M), mat2 (M, P), input expandable to (N, P).

    With beta = 0 input is ignored, nan and inf included.
    """
    return named(_scaled_sum(input, mm(mat1, mat2), beta, alpha), "Addmm")


@composite(inplace=True, examples=[case((2,), (2, 3), (3,), beta=0.5, alpha=2)])
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec): mat (N, M), vec (M), input expandable to (N)."""
    return named(_scaled_sum(input, mv(mat, vec), beta, alpha), "Addmv")


@composite(inplace=True, examples=[case((2, 3), (2,), (3,), beta=0.5, alpha=2)])
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    return named(_scaled_sum(input, outer(vec1, vec2), beta, alpha), "Addr")


@composite(inplace=True, examples=[case((3,), (2, 2, 3), (2, 3, 3), beta=0.5, alpha=2)])
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2)."""
    return named(_scaled_sum(input, bmm(batch1, batch2), beta, alpha), "Baddbmm")


@composite(inplace=True, examples=[case((2, 3), (2, 2, 3), (2, 3, 3), beta=0.5, alpha=2)])
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch."""
    return named(_scaled_sum(input, total(bmm(batch1, batch2), 0), beta, alpha), "Addbmm")


# ---- other products


@composite(
    examples=[case((3,), (3,)), case((2, 3), (2, 3), dim=1), case((3, 2), (3, 2))], node_name="LinalgCross"
)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of 3 elements along `dim`; by default the first dimension of length 3.

    The other dimensions broadcast. RuntimeError where the length is not 3.
    """
    if input.array.ndim != other.array.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(f"linalg.cross: inputs must have the same type, got {input.dtype}, {other.dtype}")
    if said := broadcast_error(input.array.shape, other.array.shape):
        raise RuntimeError(f"linalg.cross: {said}")
    shape = np.broadcast_shapes(input.array.shape, other.array.shape)
    if dim is None:
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
    d = normal_dim(dim, len(shape))
    if input.array.shape[d] != 3 or other.array.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.array.shape[d]} and "
            f"{other.array.shape[d]}"
        )
    return roll(input, -1, d) * roll(other, -2, d) - roll(input, -2, d) * roll(other, -1, d)


_FAR = "use_mm_for_euclid_dist"


@composite(
    method=False,
    examples=[case((3, 2), (4, 2)), case((2, 3, 2), (4, 2), p=1.0), case((3, 2), (4, 2), p=3.0)],
    node_name="Cdist",
)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = f"{_FAR}_if_necessary") -> Tensor:
    """The p-norm distances between rows: x1 (*, P, M), x2 (*, R, M) -> (*, P, R).

    The gradient at distance 0 is 0. With p = 2 and more than 25 rows, |x|^2 + |y|^2 - 2 x.y is used, which is
    fast and loses digits where distances are small; compute_mode "donot_use_mm_for_euclid_dist" prevents it,
    "use_mm_for_euclid_dist" demands it.
    """
    if compute_mode not in (f"{_FAR}_if_necessary", _FAR, f"donot_{_FAR}"):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for i, x in enumerate((x1, x2), 1):
        if x.array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i} got: {x.array.ndim}D")
        if x.array.dtype.kind != "f":
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, X{i} got: {TYPE_NAMES[x.array.dtype.name]}"
            )
    rows, columns = x1.array.shape[-2], x2.array.shape[-2]
    if x1.array.shape[-1] != x2.array.shape[-1]:
        raise RuntimeError(
            "X1 and X2 must have the same number of columns. "
            f"X1: {x1.array.shape[-1]} X2: {x2.array.shape[-1]}"
        )
    if x1.array.dtype != x2.array.dtype:
        raise RuntimeError(
            f"cdist(): expected X1 and X2 of the same dtype, but got {x1.dtype} and {x2.dtype}"
        )
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if p == 2 and (
        compute_mode == _FAR or (max(rows, columns) > 25 and not compute_mode.startswith("donot"))
    ):
        squares = total(x1 * x1, -1, True) + mT(total(x2 * x2, -1, True)) - 2 * (x1 @ mT(x2))
        return root_or_zero(relu(squares))
    gaps = reshape(x1, x1.array.shape[:-1] + (1, x1.array.shape[-1])) - reshape(
        x2, x2.array.shape[:-2] + (1,) + x2.array.shape[-2:]
    )
    return farthest(gaps) if math.isinf(p) else norm(gaps, p, -1)


@op(
    lambda g, x, out: unsqueeze(g, -1) * where(absolute(x) == unsqueeze(out, -1), sign(x), 0.0),
    method=False,
    public=False,
    domain=REAL,
    node_name="Cdist",
)
def farthest(x):
    """max |x| along the last dimension; as in PyTorch's distances, equal ones each get the whole gradient."""
    return np.maximum.reduce(np.abs(x), -1)


@composite(fresh=True, examples=[case((2, 3), (2, 2)), case((2,), (3, 2))])
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of input times the whole of other."""
    n = max(input.array.ndim, other.array.ndim)
    x = (1,) * (n - input.array.ndim) + input.array.shape
    y = (1,) * (n - other.array.ndim) + other.array.shape
    both = reshape(input, [k for a in x for k in (a, 1)]) * reshape(other, [k for b in y for k in (1, b)])
    return reshape(both, [a * b for a, b in zip(x, y, strict=True)])


def _chain_order(sizes: list[int]) -> list[list[int]]:
    """Where to split a product of matrices with the fewest multiplications (Cormen et al., section 14.2)."""
    n = len(sizes) - 1
    cost, cut = [[0] * n for _ in range(n)], [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return cut


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and the last may be vectors."""
    matrices = list(tensors)
    if len(matrices) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(matrices)}")
    row, column = matrices[0].array.ndim == 1, matrices[-1].array.ndim == 1
    if row:
        matrices[0] = reshape(matrices[0], (1, -1))
    if column:
        matrices[-1] = reshape(matrices[-1], (-1, 1))
    for i, m in enumerate(matrices):
        if m.array.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {m.array.ndim}D")
    cut = _chain_order([matrices[0].array.shape[0], *(m.array.shape[1] for m in matrices)])

    def product(i: int, j: int) -> Tensor:
        return matrices[i] if i == j else matmul(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    out = product(0, len(matrices) - 1)
    return reshape(out, out.array.shape[int(row) : 2 - int(column)])


@composite(fresh=True, method=False, examples=[case((2, 3), (3, 4), (4, 2))])
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices in the cheapest order."""
    for m in matrices:
        if m.array.ndim != 2:
            raise RuntimeError(f"chain_matmul(): Tensor dimension is {m.array.ndim}, expected 2 instead.")
    return matrices[0].clone() if len(matrices) == 1 else multi_dot(matrices)


@composite(public=False, method=False, examples=[case((2, 3), (2, 3)), case((2, 3), (2, 3), dim=0)])
def vecdot(x: Tensor, y: Tensor, dim: int = -1) -> Tensor:
    """The dot products of vectors along `dim`; the other dimensions broadcast. Floats of one type."""
    if x.array.dtype.kind != "f" or x.array.dtype != y.array.dtype:
        raise RuntimeError(
            f"linalg.vecdot: expected two tensors of one floating type, got {x.dtype}, {y.dtype}"
        )
    return total(x * y, dim)
