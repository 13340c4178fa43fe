"""torch.linalg against PyTorch: values, gradients, second order, shapes of every kind, options and errors."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import draws, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

TOL = {"rtol": 1e-6, "atol": 1e-6}


def matrix(seed, *shape, kind="plain", dtype="float64"):
    """A matrix, or a batch of them: plain, regular, symmetric, or positive definite."""
    a = np.random.default_rng(seed).uniform(-1, 1, shape)
    if kind == "regular":
        a = a + 2 * np.eye(*shape[-2:])
    elif kind == "symmetric":
        a = a + np.swapaxes(a, -1, -2)
    elif kind == "positive":
        a = a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])
    return torch.from_numpy(a.astype(dtype)).requires_grad_()


SQUARE = st.sampled_from([(1, 1), (2, 2), (3, 3), (2, 3, 3), (2, 1, 2, 2), (0, 3, 3)])
ANY = st.sampled_from([(2, 3), (3, 2), (3, 3), (2, 3, 2), (1, 4), (4, 1)])
SEEDS = st.integers(0, 1000)


@pytest.mark.parametrize(
    "name, kind",
    [
        ("inv", "regular"), ("det", "regular"), ("slogdet", "regular"), ("cholesky", "positive"),
        ("eigvalsh", "symmetric"), ("matrix_exp", "plain"), ("cond", "regular"), ("inv_ex", "regular"),
        ("lu", "regular"), ("lu_factor", "regular"), ("lu_factor_ex", "regular"), ("matrix_rank", "regular"),
        ("cholesky_ex", "positive"),
    ],
)  # fmt: skip
@given(shape=SQUARE, seed=SEEDS)
@draws(6)
def test_square(name, kind, shape, seed):
    if 0 in shape and name == "cond":
        return
    A = matrix(seed, *shape, kind=kind)
    if name == "cholesky_ex":  # PyTorch's gradients treat the matrix as symmetric; so do ours
        same(lambda lib, a: lib.linalg.cholesky_ex((a + a.mT) / 2), A, **TOL)
    else:
        same(lambda lib, a: getattr(lib.linalg, name)(a), A, **TOL)


@given(shape=SQUARE, seed=SEEDS, n=st.integers(-2, 3))
@draws(10)
def test_matrix_power(shape, seed, n):
    same(lambda lib, a: lib.linalg.matrix_power(a, n), matrix(seed, *shape, kind="regular"), **TOL)


@given(
    shape=SQUARE, seed=SEEDS, k=st.integers(1, 3), left=st.booleans(), upper=st.booleans(), unit=st.booleans()
)
@draws(15)
def test_solving(shape, seed, k, left, upper, unit):
    A = matrix(seed, *shape, kind="regular")
    n = shape[-1]
    B = matrix(seed + 1, *shape[:-2], *((n, k) if left else (k, n)))
    same(lambda lib, a, b: lib.linalg.solve(a, b, left=left), A, B, **TOL)
    same(lambda lib, a, b: lib.linalg.solve_ex(a, b, left=left), A, B, **TOL)
    same(
        lambda lib, a, b: lib.linalg.lu_solve(*lib.linalg.lu_factor(a), b, left=left, adjoint=upper),
        A,
        B,
        **TOL,
    )
    same(
        lambda lib, a, b: lib.linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unit),
        A,
        B,
        **TOL,
    )


@given(shape=ANY, seed=SEEDS)
@draws(8)
def test_factors(shape, seed):
    A = matrix(seed, *shape)
    same(lambda lib, a: lib.linalg.svdvals(a), A, **TOL)
    same(lambda lib, a: lib.linalg.svd(a, full_matrices=False).S, A, **TOL)
    same(lambda lib, a: lib.linalg.pinv(a), A, **TOL)
    if shape[-1] <= shape[-2]:  # of wide matrices PyTorch has no gradient
        same(lambda lib, a: [f.abs() for f in lib.linalg.qr(a)], A, **TOL)
    same(lambda lib, a: lib.linalg.lu(a), A, **TOL)
    same(lambda lib, a: lib.lu_unpack(*lib.linalg.lu_factor(a)), A, **TOL)
    same(lambda lib, a: lib.linalg.matrix_rank(a), A, **TOL)


@given(
    shape=ANY,
    seed=SEEDS,
    ord=st.sampled_from([None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf, 3, "no"]),
    keep=st.booleans(),
)
@draws(25)
def test_norms(shape, seed, ord, keep):
    A = matrix(seed, *shape)
    same(lambda lib, a: lib.linalg.matrix_norm(a, ord, keepdim=keep) if ord else lib.linalg.norm(a), A, **TOL)
    if isinstance(ord, (int, float)):
        same(lambda lib, a: lib.linalg.vector_norm(a, ord, keepdim=keep), A, **TOL)
        same(lambda lib, a: lib.linalg.vector_norm(a, ord, dim=-1, keepdim=keep), A, **TOL)
    same(lambda lib, a: lib.linalg.norm(a, ord, dim=(-2, -1), keepdim=keep), A, **TOL)


@given(shape=ANY, seed=SEEDS)
@draws(8)
def test_products(shape, seed):
    A = matrix(seed, *shape)
    same(
        lambda lib, a: (
            lib.linalg.multi_dot([a[0], a[0].mT, a[0]]) if a.ndim > 2 else lib.linalg.multi_dot([a, a.mT, a])
        ),
        A,
        **TOL,
    )
    same(lambda lib, a: lib.linalg.vecdot(a, a), A, **TOL)
    same(lambda lib, a: lib.linalg.vander(a[..., 0, :]), A, **TOL)
    same(lambda lib, a: lib.linalg.diagonal(a), A, **TOL)
    B = matrix(seed + 1, *shape[:-1], 2)
    same(lambda lib, a, b: lib.linalg.lstsq(a, b).solution, A, B, **TOL)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.linalg.inv(lib.zeros(2, 2)),
        lambda lib: lib.linalg.inv(lib.ones(2, 3)),
        lambda lib: lib.linalg.inv(lib.ones(3)),
        lambda lib: lib.linalg.inv(lib.ones(2, 2, dtype=lib.int64)),
        lambda lib: lib.linalg.inv_ex(lib.zeros(2, 2)).info,
        lambda lib: lib.linalg.cholesky(-lib.eye(2)),
        lambda lib: lib.linalg.cholesky_ex(-lib.eye(2)).info,
        lambda lib: lib.linalg.solve(lib.zeros(2, 2), lib.ones(2)),
        lambda lib: lib.linalg.solve(lib.eye(2), lib.ones(3)),
        lambda lib: lib.linalg.solve(lib.eye(2), lib.ones(2, dtype=lib.float64)),
        lambda lib: lib.linalg.lu_factor(lib.ones(3)),
        lambda lib: lib.linalg.lu_factor_ex(lib.zeros(2, 2)).info,
        lambda lib: lib.linalg.norm(lib.ones(2, 2), "no"),
        lambda lib: lib.linalg.norm(lib.ones(2, dtype=lib.int64)),
        lambda lib: lib.linalg.matrix_power(lib.ones(2, 3), 2),
        lambda lib: lib.linalg.multi_dot([lib.ones(2, 2)]),
        lambda lib: lib.linalg.det(lib.ones(2, 3)),
        lambda lib: lib.linalg.tensorinv(lib.eye(4).reshape(2, 2, 2, 2)),
        lambda lib: lib.linalg.tensorsolve(lib.eye(4).reshape(2, 2, 4), lib.ones(2, 2)),
        lambda lib: lib.linalg.cross(lib.ones(3), lib.arange(3.0)),
        lambda lib: lib.linalg.cross(lib.ones(2), lib.ones(2)),
        lambda lib: lib.cholesky_solve(lib.ones(2, 1), lib.eye(2) * 2),
        lambda lib: lib.linalg.eigh(lib.eye(2) * lib.tensor([1.0, 2.0])).eigenvalues,
        lambda lib: lib.lu_solve(lib.ones(2, 1), *lib.linalg.lu_factor(lib.eye(2) * 2)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_particular_calls(call):
    same(call)


REFLECTIONS = [
    ((3, 2), (2,)), ((4, 4), (4,)), ((5, 3), (1,)), ((2, 4, 3), (2, 2)), ((3, 0), (0,)), ((3, 2), (0,)),
    ((2, 3), (2,)), ((3, 2), (3,)), ((3,), (1,)), ((2, 4, 3), (2,)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", REFLECTIONS)
def test_householder_product(shapes):
    rng = np.random.default_rng(0)
    a, tau = (torch.tensor(rng.uniform(-1, 1, s)).requires_grad_(shapes[1] != (0,)) for s in shapes)
    same(lambda torch, a, tau: torch.linalg.householder_product(a, tau), a, tau)
