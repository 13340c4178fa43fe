"""LU factors with partial pivoting, and what is solved with them.

The rule belongs to the square factorisation without pivots; rows are exchanged before it, and what a tall or
wide matrix has beyond its square part follows by solving with triangles. Source: Golub and Van Loan 2013,
section 3.4.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad6.arguments import checked
from tinygrad6.op import NAMES, case, op
from tinygrad6.ops.decompose import (
    LinAlgError,
    check_matrix,
    cholesky,
    inverse,
    solve,
    solve_matrices,
    solve_triangular,
)
from tinygrad6.ops.gather import gather_along
from tinygrad6.ops.join import cat
from tinygrad6.ops.linalg import mT
from tinygrad6.ops.masks import where
from tinygrad6.ops.parts import tril, triu
from tinygrad6.ops.shape import expand_to
from tinygrad6.ops.sort import returns
from tinygrad6.tensor import Tensor, wrap


@functools.lru_cache(64)
def _eye(n: int, dtype: np.dtype) -> np.ndarray:
    eye = np.eye(n, dtype=dtype)
    eye.flags.writeable = False
    return eye


def _lu_rule(g: Any, out: Any) -> Any:
    """L^-T [tril(L^T gL, -1) + triu(gU U^T)] U^-T, gL and gU being the two halves of g."""
    n = out.shape[-1]
    L, U = tril(out, -1) + _eye(n, np.dtype(g.dtype)), triu(out)
    middle = tril(mT(L) @ tril(g, -1), -1) + triu(triu(g) @ mT(U))
    return mT(solve_matrices(U, mT(solve_matrices(mT(L), middle))))


@op(
    lambda g, out: _lu_rule(g, out),
    method=False,
    public=False,
    node_name="LinalgLuFactorEx",
    examples=[
        case(lambda rng: rng.random((3, 3)) + 3 * np.eye(3)),
        case(lambda rng: rng.random((2, 2, 2)) + 2 * np.eye(2)),
    ],
)
def unpivoted_lu(x):
    """L below the diagonal, whose ones are left out, and U on and above it, with L U = x:
    x (*, N, N) -> (*, N, N)."""
    a = np.array(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in range(a.shape[-1] - 1):
            pivot = a[..., k : k + 1, k : k + 1]
            column = a[..., k + 1 :, k : k + 1]
            column[...] = np.where(pivot == 0, column, column / pivot)
            a[..., k + 1 :, k + 1 :] -= column * a[..., k : k + 1, k + 1 :]
    return a


def _pivots(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(order of the rows, LAPACK's pivots from 1, LAPACK's info)
    of a factorisation that takes the largest pivots."""
    *batch, m, n = x.shape
    rows = np.broadcast_to(np.arange(m), (*batch, m)).copy()
    pivots, info = np.zeros((*batch, min(m, n)), np.int32), np.zeros(batch, np.int32)
    for at in np.ndindex(*batch):
        a, order = np.array(x[at]), rows[at]
        for k in range(min(m, n)):
            p = k + int(np.argmax(np.abs(a[k:, k])))
            pivots[(*at, k)] = p + 1
            if p != k:
                a[[k, p]], order[[k, p]] = a[[p, k]], order[[p, k]]
            if a[k, k] == 0:
                info[at] = info[at] or k + 1
                continue
            a[k + 1 :, k] /= a[k, k]
            a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return rows, pivots, info


def _ordered(x: Tensor, rows: np.ndarray) -> Tensor:
    """The rows of x (*, M, N) in the order `rows` (*, M)."""
    index = np.array(np.broadcast_to(rows[..., None], x.array.shape))
    return gather_along(x, wrap(index), x.array.ndim - 2)


def _factor(name: str, A: Tensor, pivot: bool = True) -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    """(LU, order of the rows, pivots, info) for A (*, M, N)."""
    check_matrix(name, A, square=False, kinds="fiub")
    if A.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: not implemented for {A.dtype}: use .float()")
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")
    rows, pivots, info = _pivots(A.array)
    x = _ordered(A, rows)
    m, n = x.array.shape[-2:]
    k = min(m, n)
    square = unpivoted_lu(x if m == n else x[..., :k, :k])
    if m > n:
        square = cat([square, solve_triangular(triu(square), x[..., k:, :], upper=True, left=False)], -2)
    elif n > m:
        right = solve_triangular(square, x[..., :, k:], upper=False, unitriangular=True)
        square = cat([square, right], -1)
    return square, rows, pivots, info


_LU_FACTOR = returns("linalg_lu_factor", "LU", "pivots")
_LU_FACTOR_EX = returns("linalg_lu_factor_ex", "LU", "pivots", "info")
_LU = returns("linalg_lu", "P", "L", "U")
_INV_EX = returns("linalg_inv_ex", "inverse", "info")
_CHOLESKY_EX = returns("linalg_cholesky_ex", "L", "info")
_SOLVE_EX = returns("linalg_solve_ex", "result", "info")


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """(LU, pivots, info): as lu_factor; info is the first zero pivot counted from 1, or 0."""
    LU, _, pivots, info = _factor("linalg.lu_factor_ex", A, pivot)
    if check_errors and info.any():
        raise LinAlgError(
            f"linalg.lu_factor: U[{info.max()},{info.max()}] is zero and using it on lu_solve would fail"
        )
    return _LU_FACTOR_EX(LU, wrap(pivots), wrap(np.asarray(info)))


def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """(LU, pivots): L below the diagonal of LU, its ones left out, U on and above it;
    rows k and pivots[k] - 1 were exchanged."""
    return _LU_FACTOR(*lu_factor_ex(A, pivot=pivot)[:2])


def permutation(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The P with A = P A[rows]."""
    return np.swapaxes(np.eye(rows.shape[-1], dtype=dtype)[rows], -1, -2)


def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """(P, L, U) with P L U = A: A (*, M, N), P (*, M, M) a permutation, L (*, M, K), U (*, K, N),
    K = min(M, N)."""
    LU, rows, _, _ = _factor("linalg.lu", A, pivot)
    return _LU(wrap(permutation(rows, A.array.dtype)), *_halves(LU))


def _halves(LU: Tensor) -> tuple[Tensor, Tensor]:
    m, n = LU.array.shape[-2:]
    k = min(m, n)
    return tril(LU[..., :, :k], -1) + wrap(np.eye(m, k, dtype=LU.array.dtype)), triu(LU[..., :k, :])


def _order_of(pivots: np.ndarray, m: int) -> np.ndarray:
    """The order of m rows that LAPACK's pivots describe."""
    rows = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    for at in np.ndindex(*pivots.shape[:-1]):
        for k, p in enumerate(pivots[at] - 1):
            rows[(*at, k)], rows[(*at, p)] = rows[(*at, p)], rows[(*at, k)]
    return rows


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """The X with A X = B (X A = B if not left, A^T for A if adjoint), A being given by lu_factor:
    LU (*, N, N), B (*, N, K)."""
    check_matrix("linalg.lu_solve", LU)
    if B.array.dtype != LU.array.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found {LU.dtype} and {B.dtype}"
        )
    if pivots.array.dtype != np.int32:
        raise RuntimeError(f"linalg.lu_solve: expected pivots of type torch.int32, got {pivots.dtype}")
    if pivots.array.shape != LU.array.shape[:-1]:
        raise RuntimeError(
            f"linalg.lu_solve: expected pivots of shape {list(LU.shape[:-1])}, got {list(pivots.shape)}"
        )
    if B.array.ndim < 2:
        raise RuntimeError(f"linalg.lu_solve: B must have at least 2 dimensions, got shape {list(B.shape)}")
    if ((pivots.array < 1) | (pivots.array > LU.array.shape[-1])).any():
        raise RuntimeError(
            f"linalg.lu_solve: expected pivots from 1 to {LU.array.shape[-1]}, as lu_factor gives them"
        )
    n, have = LU.array.shape[-1], list(B.array.shape[-2:])
    if n != have[-2 if left else -1]:
        raise RuntimeError(
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({n}x{n} and {have[0]}x{have[1]})"
        )
    if not left:
        return mT(lu_solve(LU, pivots, mT(B), adjoint=not adjoint))
    rows = _order_of(pivots.array, LU.array.shape[-1])
    batch = np.broadcast_shapes(LU.array.shape[:-2], B.array.shape[:-2])
    B = expand_to(B, (*batch, *B.array.shape[-2:]))
    rows = np.broadcast_to(rows, (*batch, rows.shape[-1]))
    if not adjoint:
        Y = solve_triangular(LU, _ordered(B, rows), upper=False, unitriangular=True)
        return solve_triangular(LU, Y, upper=True)
    Y = solve_triangular(mT(LU), B, upper=False)
    return _ordered(solve_triangular(mT(LU), Y, upper=True, unitriangular=True), np.argsort(rows, -1))


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """(P, L, U) of what lu_factor gave; an empty tensor for what is not wanted."""
    for i, (name, t) in enumerate((("LU_data", LU_data), ("LU_pivots", LU_pivots)), 1):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"lu_unpack(): argument '{name}' (position {i}) must be Tensor, not {type(t).__name__}"
            )
    none = wrap(np.zeros(0, LU_data.array.dtype))
    rows = _order_of(LU_pivots.array, LU_data.array.shape[-2])
    P = wrap(permutation(rows, LU_data.array.dtype)) if unpack_pivots else none
    return _LU(P, *(_halves(LU_data) if unpack_data else (none, none)))


# ---- factors with a report instead of an error


def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """(inverse, info): info is 0 where A (*, N, N) could be inverted,
    else the first zero pivot counted from 1."""
    check_matrix("linalg.inv", A)
    info = _pivots(A.array)[2]
    if not info.any() or check_errors:
        return _INV_EX(inverse(A), wrap(np.asarray(info)))
    bad = wrap(np.asarray(info != 0)[..., None, None])
    safe = where(bad, wrap(_eye(A.array.shape[-1], A.array.dtype)), A)
    return _INV_EX(where(bad, wrap(np.asarray(np.inf, A.array.dtype)), inverse(safe)), wrap(np.asarray(info)))


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """(result, info): as solve; info is 0, or the first zero pivot counted from 1,
    for which the result is not finite."""
    check_matrix("linalg.solve", A)
    info = _pivots(A.array)[2]
    if info.any() and not check_errors:
        raise NotImplementedError("linalg.solve_ex: a singular matrix has no solution to report: use lstsq")
    return _SOLVE_EX(solve(A, B, left=left), wrap(np.asarray(info)))


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L, info): as cholesky; info is 0, or the order of the first leading minor that is not positive,
    from 1, of which L has the columns before it, and A in the others."""
    check_matrix("linalg.cholesky", A)
    info, begun = np.zeros(A.array.shape[:-2], np.int32), np.zeros_like(A.array)
    for at in np.ndindex(*info.shape):
        begun[at], info[at] = _columns(np.tril(A.array[at]) if not upper else np.triu(A.array[at]).T)
    if info.any() and not check_errors:
        bad = wrap(np.asarray(info != 0)[..., None, None])
        safe = where(bad, wrap(_eye(A.array.shape[-1], A.array.dtype)), A)
        begun = np.swapaxes(begun, -1, -2) if upper else begun
        return _CHOLESKY_EX(where(bad, wrap(begun), cholesky(safe, upper)), wrap(info))
    return _CHOLESKY_EX(cholesky(A, upper), wrap(np.asarray(info)))


def _columns(a: np.ndarray) -> tuple[np.ndarray, int]:
    """The Cholesky factor of the symmetric matrix with the lower triangle a, column by column up to a minor
    that is not positive, and the order of that minor; or 0."""
    a = a.copy()
    for j in range(len(a)):
        a[j, j] -= a[j, :j] @ a[j, :j]
        if not a[j, j] > 0:
            return a, j + 1
        a[j, j] = np.sqrt(a[j, j])
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ a[j, :j]) / a[j, j]
    return a, 0


# ---- PyTorch's older names


def _called(name: str) -> Any:
    def rename(function: Any) -> Any:
        function.__name__ = function.__qualname__ = name
        return checked(function)

    return rename


@_called("lu")
def _old_lu(input: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """(LU, pivots), and info if asked for: linalg.lu_factor under its old name."""
    LU, pivots, info = lu_factor_ex(input, pivot=pivot)
    return (LU, pivots, info) if get_infos else (LU, pivots)


@_called("lu_solve")
def _old_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """The X with A X = b, A being given by lu."""
    return lu_solve(LU_data, LU_pivots, b)


NAMES["lu"], NAMES["lu_solve"], NAMES["lu_unpack"] = _old_lu, _old_lu_solve, lu_unpack
Tensor.lu, Tensor.lu_solve = _old_lu, _old_lu_solve  # type: ignore[attr-defined]
