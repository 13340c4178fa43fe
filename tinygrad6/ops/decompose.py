"""Solving, inverting and factorising matrices, all over leading batch dimensions.

From inverses to singular vectors. Every rule is written with ops, so gradients of any order follow. A
factorisation with several factors is one primitive whose result is *packed*: the factors stacked by rows (Q
over R; eigenvalues over eigenvectors; U over S over V), so that one rule sees all their gradients at once and
the work is done once. The public functions cut the packs apart.

`cholesky` and `eigh` take their matrix to be symmetric: they read one triangle, and their gradients are
symmetric.

Sources: Giles 2008, "Collected matrix derivative results"; Golub and Pereyra 1973 for the pseudo-inverse;
Walter, Lehmann and Lamour 2012 for QR; Murray 2016 for the Cholesky factor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import Text, composite
from tinygrad6.dtypes import TYPE_NAMES
from tinygrad6.op import case, op
from tinygrad6.ops.linalg import mT
from tinygrad6.ops.choose import where
from tinygrad6.ops.pointwise import nothing
from tinygrad6.ops.reduce import others_product
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import crop, reshape
from tinygrad6.ops.sort import returns
from tinygrad6.tensor import Tensor, wrap


class LinAlgError(RuntimeError):
    """A matrix is singular or not positive definite where it must not be."""


def converged(name: str, factors: Any, x: np.ndarray, **options: Any) -> Any:
    """NumPy's factors(x, **options); LinAlgError where LAPACK's iteration does not end."""
    try:
        return factors(x, **options)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"{name}: The algorithm failed to converge because the input matrix is ill-conditioned or "
            "contains non-finite values."
        ) from None


def check_matrix(name: str, A: Tensor, square: bool = True, kinds: str = "f") -> None:
    """RuntimeError in PyTorch's words unless A is a batch of (square) matrices of floats (or other kinds)."""
    x = A.array
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} "
            "matrices"
        )
    if A.array.dtype.kind not in kinds or kinds == "f":
        check_float(name, A)


def check_float(name: str, A: Tensor) -> None:
    if A.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{TYPE_NAMES[A.array.dtype.name]}"
        )
    if A.array.dtype.char == "e":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Half': convert to float32 first")


@functools.lru_cache(64)
def _triangle(n: int, dtype: np.dtype, diagonal: float, upper: bool = False) -> np.ndarray:
    """Ones below the diagonal (above, if upper), `diagonal` on it, zeros elsewhere."""
    mask = np.tril(np.ones((n, n), dtype), -1)
    mask = (mask.T if upper else mask) + np.eye(n, dtype=dtype) * np.asarray(diagonal, dtype)
    mask.flags.writeable = False
    return mask


def triangle(x: Any, diagonal: float = 1.0, upper: bool = False) -> Any:
    """x with one triangle kept, its diagonal times `diagonal`."""
    return x * _triangle(x.shape[-1], np.dtype(x.dtype), diagonal, upper)


def symmetric(x: Any) -> Any:
    return (x + mT(x)) / 2


def as_symmetric(A: Tensor, upper: bool) -> Tensor:
    """A with the other triangle ignored: the values of one mirrored,
    by adding what is missing as a constant."""
    x = A.array
    half = np.triu(x) if upper else np.tril(x)
    whole = half + mT(half) - np.eye(x.shape[-1], dtype=x.dtype) * x
    return A if np.array_equal(whole, x, equal_nan=True) else A + wrap(whole - x)


def rows(pack: Any, start: int, stop: int) -> Any:
    """pack[..., start:stop, :]."""
    return crop(pack, ((0, 0),) * (pack.ndim - 2) + ((start, pack.shape[-2] - stop), (0, 0)))


def _spread(g: Any) -> Any:
    return g.reshape(g.shape + (1, 1))


def quotient(a: Any, b: Any) -> Any:
    """a / b, but 0 where both are 0: so that a gradient nobody sent stays 0 where eigenvalues coincide."""
    return a / where((a == 0) & (b == 0), b * 0 + 1, b)


def _regular(n: int) -> Any:
    """A function that draws well-conditioned n x n matrices, for examples."""
    return lambda rng: rng.uniform(-0.5, 0.5, (2, n, n)) + np.diag(np.arange(1.0, n + 1) * 2)


def _positive(rng: Any) -> np.ndarray:
    x = rng.uniform(-1, 1, (2, 3, 3))
    return x @ np.swapaxes(x, -1, -2) + np.eye(3)


# ---- what is wrong with a matrix, for the errors


def _zero_pivot(x: np.ndarray) -> int:
    """The number of the first zero on the diagonal of U, from 1; 0 if there is none."""
    from tinygrad6.ops.lu import _pivots

    return int(_pivots(x)[2])


def _first_bad_minor(x: np.ndarray) -> int:
    """The size of the smallest leading block that is not positive definite; 0 if all are."""
    for k in range(1, len(x) + 1):
        try:
            if np.isnan(np.linalg.cholesky(x[:k, :k])).any():
                return k
        except np.linalg.LinAlgError:
            return k
    return 0


def _batch_element(x: np.ndarray, look: Callable[[np.ndarray], int]) -> tuple[str, int]:
    """("(Batch element i): ", what look found) for the first matrix in which it finds something."""
    for i, matrix in enumerate(x.reshape((-1, *x.shape[-2:]))):
        if order := look(matrix):
            return f"(Batch element {i}): " if x.ndim > 2 else "", order
    return "", x.shape[-1]


# ---- inverse, solve, determinant


@op(
    lambda g, out: -(mT(out) @ g @ mT(out)),
    method=False,
    torch="linalg.inv",
    node_name="LinalgInvEx",
    examples=[case(_regular(3))],
    public=False,
)
def matrix_inverse(x):
    """The inverse of square matrices (*, N, N)."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        which, order = _batch_element(x, _zero_pivot)
        raise LinAlgError(
            f"linalg.inv: {which}The diagonal element {order} is zero, the inversion could not be completed "
            "because the input matrix is singular."
        ) from None


@composite(examples=[case(_regular(2))])
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices (*, N, N); LinAlgError if one is singular.

    Prefer linalg.solve(A, B) to inv(A) @ B.
    """
    check_matrix("linalg.inv", input)
    return matrix_inverse(input)


def _solve_kernel(g, needs, x, out):
    down = solve_matrices(mT(x), g)
    return -(down @ mT(out)) if needs[0] else None, down


@op(
    lambda g, x, out: -(solve_matrices(mT(x), g) @ mT(out)),
    lambda g, x: solve_matrices(mT(x), g),
    kernel=_solve_kernel,
    method=False,
    public=False,
    examples=[case(_regular(3), (2, 3, 2)), case(_regular(3), (3, 2))],
    node_name="LinalgSolveEx",
)
def solve_matrices(x, y):
    """The z with x @ z = y: x (*, N, N), y (*, N, K)."""
    try:
        return np.linalg.solve(x, y)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"torch.linalg.solve: {_batch_element(x, _zero_pivot)[0]}The solver failed because the input "
            "matrix is singular."
        ) from None


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X with A X = B, or X A = B if not left: A (*, N, N), B (*, N, K), or (*, N) for vectors.

    LinAlgError if a matrix is singular.
    """
    check_matrix("linalg.solve", A)
    if A.array.dtype != B.array.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{TYPE_NAMES[A.array.dtype.name]} and B of type {TYPE_NAMES[B.array.dtype.name]} instead"
        )
    vector = B.array.ndim == 1 or (A.array.ndim - 1 == B.array.ndim and A.array.shape[:-1] == B.array.shape)
    if not B.array.ndim:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 2 dimensions.")
    Y = reshape(B, B.array.shape + (1,)) if vector else B
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False"
        )
    if A.array.shape[-1] != Y.array.shape[-2 if left else -1]:
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({'x'.join(map(str, A.array.shape[-2:]))} and {'x'.join(map(str, Y.array.shape[-2:]))})"
        )
    if not left:
        return mT(solve_matrices(mT(A), mT(Y)))
    X = solve_matrices(A, Y)
    return reshape(X, X.array.shape[:-1]) if vector else X


@op(
    lambda g, x: _spread(g) * cofactors(x),
    method=False,
    public=False,
    node_name="LinalgDet",
    examples=[case((3, 3)), case((2, 2, 2))],
)
def determinant(x):
    """The determinant of square matrices (*, N, N)."""
    return np.linalg.det(x)


def _cofactor_rule(h: Any, x: Any) -> Any:
    down = mT(matrix_inverse(x))
    inner = total(h * down, (-2, -1), True)
    return _spread(determinant(x)) * (inner * down - down @ mT(h) @ down)


@op(lambda h, x: _cofactor_rule(h, x), method=False, public=False, examples=[case((3, 3)), case((2, 2, 2))])
def cofactors(x):
    """d det(x) / dx, for singular matrices too:
    U V^T with every singular value replaced by the product of the others."""
    u, s, v = np.linalg.svd(x)
    others = others_product(s) if x.shape[-1] else s
    return (np.linalg.det(u) * np.linalg.det(v))[..., None, None] * ((u * others[..., None, :]) @ v)


@composite(examples=[case((3, 3))])
def det(input: Tensor) -> Tensor:
    """The determinant of square matrices (*, N, N) -> (*). Differentiable once at singular matrices too."""
    check_matrix("linalg.det", input)
    return determinant(input)


@op(lambda g, x: _spread(g) * mT(matrix_inverse(x)), method=False, public=False, examples=[case((3, 3))])
def logabsdet(x):
    """log |det x| of square matrices; -inf if singular."""
    return np.linalg.slogdet(x)[1]


Slogdet = returns("linalg_slogdet", "sign", "logabsdet")


@composite(examples=[])
def slogdet(input: Tensor) -> Any:
    """(sign, logabsdet): the sign of the determinant, -1, 0 or 1, and the logarithm of its size,
    for (*, N, N)."""
    check_matrix("linalg.slogdet", input)
    size = logabsdet(input)
    return Slogdet(nothing(size) + wrap(np.asarray(np.linalg.slogdet(input.array)[0])), size)


@composite(examples=[case(_regular(3))])
def logdet(input: Tensor) -> Tensor:
    """log det(input) of square matrices: -inf if singular, nan if the determinant is negative."""
    sign, size = slogdet(input)
    return where(sign < 0, math.nan, size)


@composite(examples=[case((2, 2), n=3), case(_regular(2), n=-2), case((2, 2), n=0)])
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices by repeated squaring;
    the inverse's for negative n, the identity for 0."""
    check_matrix("linalg.matrix_power", input, kinds="fiub")
    if n < 0:
        return matrix_power(inverse(input), -n)
    if n == 0:
        one = np.eye(input.array.shape[-1], dtype=input.array.dtype)
        if input.array.dtype.kind != "f":
            return wrap(np.broadcast_to(one, input.array.shape).copy())
        return input * 0 + wrap(one)
    if n == 1:
        return input.clone()
    out, square = None, input
    while n:
        if n & 1:
            out = square if out is None else out @ square
        n >>= 1
        square = square @ square if n else square
    return out  # type: ignore[return-value]


@composite(examples=[case((2, 2)), case((2, 3, 3))])
def matrix_exp(input: Tensor) -> Tensor:
    """The matrix exponential of square matrices:
    a Taylor polynomial of degree 18 at input / 2^s, squared s times."""
    check_matrix("linalg.matrix_exp", input)
    x = input.array
    largest = float(np.max(np.sum(np.abs(x), -1), initial=0.0))
    s = max(0, math.ceil(math.log2(largest)) + 1) if math.isfinite(largest) and largest > 0 else 0
    small, one = input / 2**s, wrap(np.eye(x.shape[-1], dtype=x.dtype))
    out = small / 18 + one
    for k in range(17, 0, -1):
        out = small @ out / k + one
    for _ in range(s):
        out = out @ out
    return out


# ---- triangular matrices and the Cholesky factor


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """The X with A X = B (X A = B if not left), reading only one triangle of A,
    with ones for its diagonal if unitriangular. The result has the type of A."""
    check_matrix("linalg.solve_triangular", A)
    if B.array.ndim < 2:
        raise RuntimeError("linalg.solve_triangular: The input tensor B must have at least 2 dimensions.")
    B = B.to(A.dtype)
    T = triangle(A, 0.0 if unitriangular else 1.0, upper)
    if unitriangular:
        T = T + wrap(np.eye(A.array.shape[-1], dtype=A.array.dtype))
    return solve_matrices(T, B) if left else mT(solve_matrices(mT(T), mT(B)))


def _cholesky_rule(g: Any, out: Any) -> Any:
    up = matrix_inverse(out)
    return symmetric(mT(up) @ triangle(mT(out) @ triangle(g), 0.5) @ up)


@op(
    lambda g, out: _cholesky_rule(g, out),
    method=False,
    public=False,
    examples=[case(_positive)],
    node_name="LinalgCholeskyEx",
)
def cholesky_factor(x):
    """The lower triangular L with L L^T = (x + x^T) / 2."""
    try:
        factor = np.linalg.cholesky(symmetric(x))
        if np.isnan(factor).any():
            raise np.linalg.LinAlgError
        return factor
    except np.linalg.LinAlgError:
        which, order = _batch_element(symmetric(x), _first_bad_minor)
        raise LinAlgError(
            f"linalg.cholesky: {which}The factorization could not be completed because the input is not "
            f"positive-definite (the leading minor of order {order} is not positive-definite)."
        ) from None


@composite(examples=[])
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = input (upper: the R with R^T R),
    for symmetric positive definite (*, N, N).

    LinAlgError if a matrix is not positive definite.
    """
    check_matrix("linalg.cholesky", input)
    L = cholesky_factor(as_symmetric(input, upper))
    return mT(L) if upper else L


@composite(examples=[case((3, 2), _positive)], spellings={"input": "B", "input2": "L"})
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X with L L^T X = B (R^T R X = B if upper), from the Cholesky factor."""
    check_matrix("cholesky_solve", L)
    if B.array.dtype != L.array.dtype:
        raise RuntimeError(f"cholesky_solve: expected B and L of the same type, got {B.dtype} and {L.dtype}")
    T = triangle(L, 1.0, upper)
    down, up = (mT(T), T) if upper else (T, mT(T))
    return solve_matrices(up, solve_matrices(down, B))


@composite(examples=[case(_positive)], spellings={"input": "L"})
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of L L^T (of R^T R if upper), from the Cholesky factor."""
    check_matrix("cholesky_inverse", L, kinds="fiub")
    if L.array.dtype.char not in "fd":
        raise NotImplementedError(f"cholesky_inverse: not implemented for {L.dtype}: use .float()")
    up = matrix_inverse(triangle(L, 1.0, upper))
    return up @ mT(up) if upper else mT(up) @ up


# ---- QR


def _qr_rule(g: Any, out: Any) -> Any:
    n = out.shape[-1]
    m = out.shape[-2] - n
    q, r, gq, gr = rows(out, 0, m), rows(out, m, m + n), rows(g, 0, m), triangle(rows(g, m, m + n), 1.0, True)
    inner = r @ mT(gr) - mT(gq) @ q
    inner = triangle(inner) + mT(triangle(inner, 0.0))
    return mT(solve_matrices(r, mT(gq + q @ inner)))


@op(
    lambda g, out: _qr_rule(g, out),
    method=False,
    public=False,
    examples=[case((4, 2)), case((2, 3, 3))],
    node_name="LinalgQr",
)
def qr_pack(x):
    """Q over R with Q R = x: x (*, M, N) with M >= N -> (*, M + N, N)."""
    return np.concatenate(np.linalg.qr(x), -2)


QR = returns("linalg_qr", "Q", "R")


def qr_factors(A: Tensor, mode: str) -> Any:
    """linalg.qr."""
    check_matrix("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    m, n = A.array.shape[-2:]
    if mode == "complete" and m > n:
        if A.requires_grad:
            raise NotImplementedError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols: "
                "use mode='reduced', or detach()"
            )
        return QR(*(wrap(a) for a in np.linalg.qr(A.array, "complete")))
    if m >= n:
        pack = qr_pack(A)
        Q, R = rows(pack, 0, m), rows(pack, m, m + n)
    else:
        Q = rows(qr_pack(mT(rows(mT(A), 0, m))), 0, m)
        R = mT(Q) @ A * wrap(np.triu(np.ones((m, n), A.array.dtype)))
    return QR(Q if mode != "r" else wrap(np.zeros(0, A.array.dtype)), R)


@composite(examples=[])
def qr(input: Tensor, some: bool = True) -> Any:
    """(Q, R) as linalg.qr has them, in mode "reduced", or "complete" if not some."""
    return qr_factors(input, "reduced" if some else "complete")


# ---- eigenvalues and eigenvectors of symmetric matrices


def _eigh_rule(g: Any, out: Any) -> Any:
    n = out.shape[-1]
    values, v, gv = rows(out, 0, 1), rows(out, 1, n + 1), rows(g, 1, n + 1)
    inner = mT(v) @ gv
    inner = inner - inner * _triangle(n, np.dtype(inner.dtype), 1.0) * _triangle(
        n, np.dtype(inner.dtype), 1.0, True
    )
    return symmetric(v @ quotient(inner, values - mT(values)) @ mT(v) + (v * rows(g, 0, 1)) @ mT(v))


@op(
    lambda g, out: _eigh_rule(g, out),
    method=False,
    public=False,
    examples=[case(_positive)],
    node_name="LinalgEigh",
)
def eigh_pack(x):
    """The eigenvalues of (x + x^T) / 2, ascending, over its eigenvectors in columns:
    (*, N, N) -> (*, 1 + N, N)."""
    values, vectors = converged("linalg.eigh", np.linalg.eigh, symmetric(x))
    return np.concatenate([values[..., None, :], vectors], -2)


Eigh = returns("linalg_eigh", "eigenvalues", "eigenvectors")


def eigh(A: Tensor, UPLO: Text = "L") -> Any:
    """(eigenvalues (*, N), ascending, and eigenvectors (*, N, N) in columns) of symmetric matrices (*, N, N).

    Reads the lower triangle, or the upper for UPLO "U". Gradients through eigenvectors of equal eigenvalues
    are infinite or nan.
    """
    check_matrix("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    pack = eigh_pack(as_symmetric(A, UPLO.upper() == "U"))
    n = A.array.shape[-1]
    return Eigh(reshape(rows(pack, 0, 1), A.array.shape[:-1]), rows(pack, 1, n + 1))


# ---- singular values and vectors, and what is made of them


def _svd_rule(g: Any, out: Any, split: int) -> Any:
    m, k = split, out.shape[-1]
    n = out.shape[-2] - m - 1
    u, s, v = rows(out, 0, m), rows(out, m, m + 1), rows(out, m + 1, m + 1 + n)
    gu, gs, gv = rows(g, 0, m), rows(g, m, m + 1), rows(g, m + 1, m + 1 + n)
    a, b = mT(u) @ gu, mT(v) @ gv
    gaps = (s - mT(s)) * (s + mT(s))
    inner = quotient(a - mT(a), gaps) * s + mT(s) * quotient(b - mT(b), gaps)
    out = (u @ inner + u * gs) @ mT(v)
    if m > k:
        out = out + quotient(gu - u @ a, s) @ mT(v)
    if n > k:
        out = out + u @ mT(quotient(gv - v @ b, s))
    return out


@op(
    lambda g, out, split: _svd_rule(g, out, split),
    method=False,
    public=False,
    node_name="LinalgSvd",
    examples=[case((3, 3), split=3), case((2, 4, 2), split=4), case((2, 3), split=2)],
)
def svd_pack(x, split):
    """U over S over V with U diag(S) V^T = x: x (*, M, N), K = min(M, N) -> (*, M + 1 + N, K). split is M."""
    u, s, vh = converged("linalg.svd", np.linalg.svd, x, full_matrices=False)
    return np.concatenate([u, s[..., None, :], mT(vh)], -2)


SVD = returns("linalg_svd", "U", "S", "Vh")


def svd_factors(A: Tensor, full_matrices: bool) -> Any:
    """linalg.svd."""
    check_matrix("linalg.svd", A, square=False)
    m, n = A.array.shape[-2:]
    k = min(m, n)
    pack = svd_pack(A, m)
    U, S, V = rows(pack, 0, m), rows(pack, m, m + 1), rows(pack, m + 1, m + 1 + n)
    Vh = mT(V)
    if full_matrices and m != n:
        from tinygrad6.ops.join import cat

        u, _, vh = np.linalg.svd(A.array)
        if m > n:
            U = cat([U, wrap(u[..., k:])], -1)
        else:
            Vh = cat([Vh, wrap(vh[..., k:, :])], -2)
    return SVD(U, reshape(S, A.array.shape[:-2] + (k,)), Vh)


OldSVD = returns("svd", "U", "S", "V")


@composite(examples=[])
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, V) with U diag(S) V^T = input; linalg.svd gives V^T instead.

    Full matrices if not some; else K columns.
    """
    if not compute_uv:
        m, n = input.array.shape[-2:]
        zeros = [wrap(np.zeros(input.array.shape[:-2] + (k, k), input.array.dtype)) for k in (m, n)]
        return OldSVD(zeros[0], svd_factors(input, False).S, zeros[1])
    U, S, Vh = svd_factors(input, not some)
    return OldSVD(U, S, mT(Vh))


def _pinv_rule(g: Any, x: Any, out: Any) -> Any:
    p, pt, gt = out, mT(out), mT(g)
    left, right = gt @ p @ pt, pt @ p @ gt
    return left - x @ (p @ left) + right - (right @ p) @ x - pt @ g @ pt


@op(
    lambda g, x, out: _pinv_rule(g, x, out),
    method=False,
    public=False,
    node_name="LinalgPinv",
    examples=[case((3, 2), atol=0.0, rtol=1e-6), case((2, 2, 3), atol=0.0, rtol=1e-6)],
)
def pseudo_inverse(x, atol, rtol):
    """V diag(1 / S) U^T with singular values up to max(atol, rtol * the largest) taken for 0."""
    u, s, vh = converged("linalg.pinv", np.linalg.svd, x, full_matrices=False)
    limit = np.maximum(atol, rtol * np.max(s, -1, keepdims=True, initial=0.0))
    kept = s > limit
    weights = np.where(kept, 1 / np.where(kept, s, 1), 0).astype(x.dtype)
    return (mT(vh) * weights[..., None, :]) @ mT(u)


def limits(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """atol and rtol as PyTorch has them by default: 0 and max(M, N) eps, or 0 where atol is given.

    Numbers, or tensors with one number per matrix, which get a dimension for the singular values.
    """
    a, r = (v.array[..., None] if isinstance(v, Tensor) and v.array.ndim else v for v in (atol, rtol))
    a = a if isinstance(a, np.ndarray) else float(a or 0.0)
    if r is None:
        r = np.where(np.asarray(a) > 0, 0.0, max(A.array.shape[-2:]) * dtypes.finfo(A.dtype).eps)
    return a, r if isinstance(r, np.ndarray) and r.ndim else float(r)


@composite(examples=[])
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose inverse of (*, M, N), singular values up to rcond * the largest counting as 0."""
    check_matrix("linalg.pinv", input, square=False)
    return pseudo_inverse(input, 0.0, rcond)
