"""`torch.linalg`: solving, inverting, factorising and measuring matrices, over leading batch dimensions.

>>> import tinygrad6 as torch
>>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
tensor([1.0000, 0.5000])
>>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
tensor(5.)

All have gradients of any order, but for ranks, for the full Q of `qr(mode="complete")`, and for `eig` and
`eigvals`, which would need complex numbers and raise NotImplementedError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.accidents import public
from tinygrad6.arguments import Text, checked, refused, scalar, several
from tinygrad6.dispatch import parameter_names
from tinygrad6.dtypes import TYPE_NAMES
from tinygrad6.ops import linalg as products
from tinygrad6.ops.decompose import (
    LinAlgError,
    check_matrix,
    converged,
    det,
    eigh,
    inverse,
    limits,
    matrix_exp,
    matrix_power,
    pseudo_inverse,
    qr_factors,
    slogdet,
    solve,
    solve_triangular,
    svd_factors,
)
from tinygrad6.ops.decompose import cholesky as _cholesky
from tinygrad6.ops.linalg import matmul, multi_dot, vecdot
from tinygrad6.ops.lu import cholesky_ex, inv_ex, lu, lu_factor, lu_factor_ex, lu_solve, solve_ex
from tinygrad6.ops.reduce import amax, amin
from tinygrad6.ops.reduce import norm as _norm
from tinygrad6.ops.reduce import sum as _sum
from tinygrad6.ops.shape import movedim, normal_dims, reshape, unsqueeze
from tinygrad6.ops.sort import returns
from tinygrad6.out import taking_out
from tinygrad6.tensor import Tensor, wrap

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices (*, N, N); LinAlgError if one is singular.

    Prefer solve(A, B) to inv(A) @ B.
    """
    return inverse(A)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = A (upper: the R with R^T R),
    for symmetric positive definite (*, N, N)."""
    return _cholesky(A, upper)


def qr(A: Tensor, mode: Text = "reduced") -> Any:
    """(Q, R) with Q R = A, Q orthonormal and R upper triangular:
    A (*, M, N), K = min(M, N), Q (*, M, K), R (*, K, N).

    mode "complete": Q (*, M, M), R (*, M, N), without gradients where M > N. mode "r": R alone, Q empty.
    """
    return qr_factors(A, mode)


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """(U, S, Vh) with U diag(S) Vh = A, S descending:
    A (*, M, N), U (*, M, M), S (*, K), Vh (*, N, N), K = min(M, N).

    Not full_matrices: U (*, M, K), Vh (*, K, N). The columns that full matrices have beyond K carry no
    gradient; gradients through vectors of equal or vanishing singular values are infinite or nan.
    """
    if driver is not None:
        raise RuntimeError(
            "linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )
    return svd_factors(A, full_matrices)


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of A (*, M, N), descending: (*, min(M, N))."""
    return svd(A, False, driver=driver).S


def eigvalsh(A: Tensor, UPLO: Text = "L") -> Tensor:
    """The eigenvalues of symmetric matrices (*, N, N), ascending: (*, N)."""
    return eigh(A, UPLO).eigenvalues


def eig(A: Tensor) -> Any:
    """Not supported: the eigenvalues of a general matrix are complex. NotImplementedError."""
    raise NotImplementedError(
        "linalg.eig needs complex numbers, which tinygrad6 does not have; for symmetric matrices use "
        "linalg.eigh, else numpy.linalg.eig(A.numpy())"
    )


def eigvals(A: Tensor) -> Any:
    """Not supported: the eigenvalues of a general matrix are complex. NotImplementedError."""
    raise NotImplementedError(
        "linalg.eigvals needs complex numbers, which tinygrad6 does not have; for symmetric matrices "
        "use linalg.eigvalsh, else numpy.linalg.eigvals(A.numpy())"
    )


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 elements along `dim`; the other dimensions broadcast."""
    return products.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices (*, M, N), in the last dimension; a view."""
    from tinygrad6.ops.parts import diagonal as diagonals

    return diagonals(A, offset, dim1, dim2)


# ---- least squares


def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The Moore-Penrose inverse of A (*, M, N): (*, N, M).

    Singular values up to max(atol, rtol * the largest) count as 0; rtol is max(M, N) eps unless atol is
    given, and `rcond` an older name of it. The gradient holds where the rank does not change. hermitian: A
    is known to be symmetric (which changes nothing here).
    """
    if rcond is not None:
        atol, rtol = _older("linalg.pinv", "rcond", atol, rtol, 0.0, rcond)
    check_matrix("linalg.pinv", A, square=hermitian)
    return pseudo_inverse(A, *limits(A, atol, rtol))


def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values of A (*, M, N) exceed max(atol, rtol * the largest):
    (*), int64, no gradient. tol: atol alone, as in NumPy."""
    if tol is not None:
        atol, rtol = _older("linalg.matrix_rank", "tol", atol, rtol, tol, 0.0)
    check_matrix("linalg.matrix_rank", A, square=hermitian)
    a, r = limits(A, atol, rtol)
    s = converged("linalg.matrix_rank", np.linalg.svd, A.array, compute_uv=False)
    limit = np.maximum(a, r * np.max(s, -1, keepdims=True, initial=0.0))
    return wrap(np.asarray(np.sum(s > limit, -1, dtype=np.int64)))


def _older(function: str, name: str, atol: Any, rtol: Any, absolute: Any, relative: Any) -> tuple:
    """(absolute, relative), which one older argument stands for; TypeError beside the newer two."""
    for value in (absolute, relative):
        if not isinstance(value, (int, float, np.number, Tensor)):
            raise refused(function, name, 2, "float or Tensor", value)
    if atol is not None or rtol is not None:
        raise TypeError(f"{function}(): give atol and rtol, or {name}, but not both")
    return absolute, relative


Lstsq = returns("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: Text | None = None) -> Any:
    """(solution, residuals, rank, singular_values): the X with the least |A X - B|, the shortest of them.

    A (*, M, N), B (*, M, K) or (*, M), solution (*, N, K) or (*, N). Only the solution has a gradient.
    residuals are given for M > N and full rank by drivers other than the default "gelsy"; singular_values by
    "gelsd" and "gelss".
    """
    check_matrix("torch.linalg.lstsq", A, square=False)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    if A.array.dtype != B.array.dtype:
        raise RuntimeError(
            f"torch.linalg.lstsq: Expected input and other to have the same dtype, but got {A.dtype} and "
            f"{B.dtype}"
        )
    if not B.array.ndim:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if not 0 <= A.array.ndim - B.array.ndim <= 1:
        raise RuntimeError(
            "torch.linalg.lstsq: other must have as many dimensions as input, or one less, got shapes "
            f"{list(A.shape)} and {list(B.shape)}"
        )
    vector = B.array.ndim == 1 or (A.array.ndim - 1 == B.array.ndim and A.array.shape[:-1] == B.array.shape)
    Y = unsqueeze(B, -1) if vector else B
    m, n = A.array.shape[-2:]
    if Y.array.shape[-2] != m:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    rtol = float(np.finfo(A.array.dtype).eps) * max(m, n) if rcond is None else rcond
    X = pinv(A, atol=0.0, rtol=rtol) @ Y
    rank = matrix_rank(A, atol=0.0, rtol=rtol)
    none = np.zeros(0, A.array.dtype)
    residuals = none
    if driver not in (None, "gelsy") and m > n and bool(np.all(rank.array == n)):
        residuals = np.asarray(np.sum(np.square(A.array @ X.array - Y.array), -2))
    values = np.linalg.svd(A.array, compute_uv=False) if driver in ("gelsd", "gelss") else none
    if driver == "gels":
        rank = wrap(np.zeros(0, np.int64))
    return Lstsq(reshape(X, X.array.shape[:-1]) if vector else X, wrap(residuals), rank, wrap(values))


# ---- norms


def _typed(name: str, x: Tensor, dtype: Any) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{TYPE_NAMES[x.array.dtype.name]}"
        )
    return x


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim` (all if None):
    ord inf for the largest |x|, -inf the smallest, 0 counts nonzeros.

    The gradient at 0 is 0. RuntimeError for integers.
    """
    if isinstance(ord, (str, Tensor)):
        raise TypeError(
            f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}"
        )
    x = _typed("linalg.vector_norm", x, dtype)
    dims = (
        tuple(range(x.array.ndim))
        if dim is None or type(dim) in (tuple, list) and not dim
        else normal_dims(dim, x.array.ndim)
    )
    if (math.isinf(ord) or ord < 0) and 0 in [x.array.shape[d] for d in dims if d < x.array.ndim]:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord:g} norm on an empty tensor because the operation "
            "does not have an identity"
        )
    return _norm(x, ord, dims, keepdim)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of the matrices in the two dimensions `dim`.

    ord: "fro", the root of the sum of squares; "nuc", the sum of the singular values; 2 and -2, the largest
    and the smallest of them; 1 and -1, the largest and smallest sum of |column|; inf and -inf, of |row|.
    """
    if A.array.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if not isinstance(dim, Sequence):
        raise TypeError("linalg_matrix_norm(): argument 'dim' must be tuple of ints")
    dim = several("linalg_matrix_norm", "dim", 3, dim)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dim)}")
    if not isinstance(ord, str):
        ord = scalar("linalg_matrix_norm", "ord", 2, ord)
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    A = _typed("linalg.matrix_norm", A, dtype)
    n = A.array.ndim
    row, column = (normal_dims(d, n)[0] for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return vector_norm(A, 2, (row, column), keepdim)
    if ord in ("nuc", 2, -2):
        s = svdvals(movedim(A, (row, column), (-2, -1)))
        out = _sum(s, -1) if ord == "nuc" else amax(s, -1) if ord == 2 else amin(s, -1)
        for d in sorted((row, column)) if keepdim else ():
            out = unsqueeze(out, d)
        return out
    if abs(ord) == math.inf:
        row, column = column, row
    lengths = _sum(A.abs(), row, True)
    out = (amax if ord > 0 else amin)(lengths, column, True)
    return (
        out if keepdim else reshape(out, [k for d, k in enumerate(A.array.shape) if d not in (row, column)])
    )


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """A vector norm over one dimension, a matrix norm over two;
    without ord, the 2-norm of all that `dim` names.

    Without dim and with ord, A must have one dimension or two.
    """
    if dim is not None:
        dim = several("linalg_norm", "dim", 3, dim)
    if isinstance(dim, Sequence) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if isinstance(ord, str) and isinstance(dim, int):
        raise RuntimeError(f"linalg.norm: ord={ord!r} is of matrices, whose dim must be a 2-tuple. Got {dim}")
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None and A.array.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {A.array.ndim}D."
        )
    count = A.array.ndim if dim is None else len(dim) if isinstance(dim, Sequence) else 1
    if isinstance(ord, str) or count == 2:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """How much A magnifies relative errors: norm(A, p) norm(inv(A), p), by singular values for p = 2 (None)
    and -2.

    inf for singular matrices, 0 for those without elements.
    """
    if p is not None and not isinstance(p, str):
        p = scalar("linalg_cond", "p", 2, p)
    check_matrix("linalg.cond", A, square=p not in (None, 2, -2) and 0 not in A.shape[-2:])
    if not A.array.size:
        return wrap(np.zeros(A.array.shape[:-2], A.array.dtype))
    if p in (None, 2, -2):
        s = svdvals(A)
        return amin(s, -1) / amax(s, -1) if p == -2 else amax(s, -1) / amin(s, -1)
    try:
        return matrix_norm(A, p) * matrix_norm(inv(A), p)
    except LinAlgError:
        if A.array.ndim > 2:
            raise
        return wrap(np.asarray(math.inf, A.array.dtype))


# ---- tensors as matrices


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The Vandermonde matrices: x[..., i] ** j for j < N (the length of x if None)."""
    if x.array.dtype.char in "?e":
        raise RuntimeError(
            f"linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{TYPE_NAMES[x.array.dtype.name]}"
        )
    if x.array.dtype.kind != "f":
        x = x.to(dtypes.int64)
    x = x if x.array.ndim else unsqueeze(x, 0)
    count = x.array.shape[-1] if N is None else N
    if count < 2:
        raise RuntimeError(f"N must be greater than 1, got {count}")
    return powers(x, count)


def powers(x: Tensor, count: int) -> Tensor:
    """x ** j for j < count, along a new last dimension."""
    from tinygrad6.ops.join import stack

    found = [x * 0 + 1]
    while len(found) < count:
        found.append(found[-1] * x)
    return stack(found[:count], -1)


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H_1 ... H_k: A (*, m, n) with n <= m, tau (*, k) with k <= n -> (*, m, n).

    H_i = I - tau_i v_i v_i^T, where v_i is column i of A with 1 in its place i and 0 above: what LAPACK
    leaves of a QR decomposition. RuntimeError for other shapes.
    """
    from tinygrad6.ops.create import eye

    name, a, t = "linalg.householder_product", A.array.shape, tau.array.shape
    if len(a) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions, got {list(a)}")
    if a[-2] < a[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if len(t) != len(a) - 1 or t[:-1] != a[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(t)} "
            f"for input {list(a)}"
        )
    if t[-1] > a[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.dtype != tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")
    first = eye(a[-2], a[-1], dtype=A.dtype)
    v, q = A.tril(-1) + first, first.expand(a)
    for i in reversed(range(t[-1])):
        column = v[..., i : i + 1]
        q = q - tau[..., i, None, None] * column @ (column.mT @ q)
    return q.clone() if q.view_of is not None else q


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The B with tensordot(A, B, ind) the identity:
    A of shape first + last, `first` being its first `ind` dimensions."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    if ind > A.array.ndim:
        raise RuntimeError(f"tensorinv(): 'ind' is {ind}, but the input has {A.array.ndim} dimensions")
    first, last = A.array.shape[:ind], A.array.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            f"got {math.prod(last)} != {math.prod(first)}"
        )
    return reshape(inv(reshape(A, (math.prod(first), math.prod(last)))), last + first)


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """The X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.array.ndim - len(dims), A.array.ndim)))
    last = A.array.shape[B.array.ndim :]
    if math.prod(last) != B.array.size:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(last)} != {B.array.size}"
        )
    return reshape(solve(reshape(A, (B.array.size, math.prod(last))), reshape(B, (-1,))), last)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"tinygrad6.linalg has no {name!r}; it has {', '.join(__all__)}")


def _spelt(function: Any) -> dict[str, str]:
    """Other keywords: PyTorch's manual calls the first matrix A, most of its functions `input`."""
    names = parameter_names(function)
    first = dict.fromkeys({"input", "A", "x", "a", "x1"} - set(names), names[0])
    return first | ({} if "other" in names else {"b": "B", "other": "B"})


for _name in set(__all__) - {"LinAlgError", "diagonal", "multi_dot", "vander"}:
    _function = globals()[_name]
    _kept = public(_function) if hasattr(_function, "__wrapped__") else checked(_function)
    globals()[_name] = taking_out(_kept, _spelt(_function))
multi_dot, vander = public(multi_dot), public(checked(vander))  # without `out`
