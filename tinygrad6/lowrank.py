"""The largest singular values of a matrix by random projections: torch.svd_lowrank and torch.pca_lowrank.

Source: Halko, Martinsson and Tropp 2009 (arXiv:0909.4061), algorithms 4.4 and 5.1: project on a few random
directions, sharpen them by power iterations, and decompose what is left. The directions are those PyTorch
draws.
"""

from __future__ import annotations

from tinygrad6 import dtypes
from tinygrad6.arguments import checked
from tinygrad6.linalg import qr, svd
from tinygrad6.ops.rand import randn
from tinygrad6.ops.reduce import mean
from tinygrad6.tensor import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """q orthonormal columns (*, m, q) that span nearly what A (*, m, n) reaches."""
    kind = A.dtype if A.is_floating_point() else dtypes.get_default_dtype()
    Q = qr(A @ randn(A.shape[-1], q, dtype=kind)).Q
    for _ in range(niter):
        Q = qr(A.mT @ Q).Q
        Q = qr(A @ Q).Q
    return Q


@checked
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with U diag(S) V^T near A - M: the q largest singular values S, in falling order.

    A (*, m, n), M broadcast to it; U (*, m, q), S (*, q), V (*, n, q). niter: power iterations, which make up
    for slowly falling values. Draws from the default generator. Differentiable, and right for values apart.

    >>> import tinygrad6 as torch
    >>> U, S, V = torch.svd_lowrank(torch.ones(4, 3), q=1)
    >>> S
    tensor([3.4641])
    """
    if M is not None:
        A = A - M.broadcast_to(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    A = A.mT if wide else A
    Q = _basis(A, 6 if q is None else q, 2 if niter is None else niter)
    U, S, Vh = svd(Q.mT @ A, full_matrices=False)
    U, V = Q @ U, Vh.mT
    return (V, S, U) if wide else (U, S, V)


@checked
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) as of svd_lowrank: V (*, n, q) are the q principal directions of the rows of A (*, m, n).

    q: min(6, m, n) by default. center: first take the mean row away. A @ V are the coordinates of the rows.
    ValueError for q outside [0, min(m, n)] or niter below 0.
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)
