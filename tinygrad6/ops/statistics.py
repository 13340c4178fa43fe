"""Statistics and numerical calculus: nan-aware sums, norms of differences, covariances, integrals,
derivatives, histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad6 import dtypes
from tinygrad6.arguments import composite, refused
from tinygrad6.op import REAL, case, op
from tinygrad6.ops.compare import isnan
from tinygrad6.ops.join import cat
from tinygrad6.ops.linalg import farthest, matmul, mT
from tinygrad6.ops.choose import clamp, where
from tinygrad6.ops.reduce import cumsum, mean, norm, root_or_zero
from tinygrad6.ops.reduce import sum as total
from tinygrad6.ops.shape import cast, normal_dim, reshape, unsqueeze
from tinygrad6.ops.sort import returns
from tinygrad6.tensor import Tensor, wrap

# ---- passing over nan


@op(lambda g, x: g * ~isnan(x), method=False, public=False, domain=REAL)
def nan_as_zero(x):
    """x with 0 for nan. As in PyTorch the gradient is multiplied by 0 there: an infinite one becomes nan."""
    return np.where(np.isnan(x), x.dtype.type(0), x)


@composite(examples=[case((2, 3)), case((2, 3), dim=1, keepdim=True)], node_name="Nansum")
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over `dim` (all if None), nan counting as 0."""
    return total(nan_as_zero(input), dim, keepdim, dtype=dtype)


@composite(examples=[case((2, 3)), case((2, 3), dim=1, keepdim=True)])
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over `dim` (all if None) of what is not nan; nan if nothing is left. Floats only."""
    if not isinstance(dim, (int, tuple, list, type(None))):
        raise refused("nanmean", "dim", 2, "tuple of ints", dim)
    if input.array.dtype.kind != "f":
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}"
        )
    if dtype is not None and dtypes.to_numpy(dtype).kind != "f":
        raise RuntimeError(
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or "
            f"complex dtype. Got: {dtype}"
        )
    x = input if dtype is None else input.to(dtype)
    kind = x.array.dtype
    x = cast(x, np.dtype(np.float32)) if kind.char == "e" else x  # float16 has no counts beyond 65504
    return cast(nansum(x, dim, keepdim) / cast(total(~isnan(x), dim, keepdim), x.array.dtype), kind)


# ---- distances and lengths


@composite(examples=[case((2, 3), (2, 3)), case((2, 3), (3,), p=3)], node_name="Dist")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of x - y; the two broadcast."""
    return norm(input - other, p)


@composite(method=False, public=True, examples=[case((4, 3)), case((4, 3), p=1.0)], node_name="Pdist")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between all pairs i < j of the rows of x (N, M), (N (N - 1) / 2):
    (0, 1), (0, 2), ..., (1, 2), ..."""
    if input.array.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.array.ndim}D")
    if input.array.dtype.kind != "f":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    i, j = np.triu_indices(len(input.array), 1)
    gaps = input[wrap(i)] - input[wrap(j)]
    return farthest(gaps) if math.isinf(p) else norm(gaps, p, 1)


@composite(
    inplace=True,
    examples=[case((3, 4), p=2, dim=0, maxnorm=1.0), case((3, 4), p=1, dim=1, maxnorm=1.5)],
    node_name="Renorm",
)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """x with every slice along `dim` whose p-norm exceeds maxnorm scaled down to it."""
    if input.array.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.array.ndim} dimensions")
    if not p > 0:
        raise RuntimeError("renorm: non-positive norm degree is not supported")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    d = normal_dim(dim, input.array.ndim)
    if input.array.dtype.char == "e":
        return cast(renorm(cast(input, dtypes.float32), p, dim, maxnorm), dtypes.float16)
    length = norm(input, p, tuple(i for i in range(input.array.ndim) if i != d), True)
    return input * where(length > maxnorm, maxnorm / (length + 1e-7), 1.0)


# ---- covariances


@composite(fresh=True, examples=[case((2, 4)), case((4,)), case((2, 4), correction=0)])
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the rows of x (N, M), each a variable observed M times: (N, N);
    of one variable (M), its variance.

    fweights (M): how often each observation counts, integers; aweights (M): its weight. The sum is divided by
    max(0, the total weight - correction).
    """
    x = input
    if x.array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {x.array.ndim} "
            "dimensions"
        )
    if x.array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = reshape(x, (1, -1)) if x.array.ndim < 2 else x
    if x.array.dtype.kind != "f":
        x = x.to(dtypes.get_default_dtype())
    n, w = x.array.shape[1], None
    for name, given, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if given is None:
            continue
        if given.array.ndim > 1 or given.array.size != n:
            raise RuntimeError(f"cov(): expected {name} to have one dimension and {n} elements")
        if given.array.dtype.kind not in kinds:
            raise RuntimeError(f"cov(): expected {name} to be {'integers' if kinds == 'iu' else 'floats'}")
        if (given.array < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
        w = given if w is None else w * given
    if w is None:
        norm_factor: Any = n - correction
        average = mean(x, 1, True) if n else total(x, 1, True) * math.nan
    else:
        if aweights is None:
            norm_factor = total(w) - correction
        elif correction == 0:
            norm_factor = total(w)
        else:
            norm_factor = total(w) - correction * total(w * aweights) / total(w)
        average = total(x * w, 1, True) / total(w)
    x = x - average
    if isinstance(norm_factor, Tensor):
        norm_factor = clamp(norm_factor, 0)
    else:
        norm_factor = wrap(np.asarray(max(norm_factor, 0), x.array.dtype))
    out = matmul(x, mT(x if w is None else (x * w).to(x.dtype))) / norm_factor
    return reshape(out, ()) if out.array.size == 1 and input.array.ndim < 2 else out.squeeze()


@composite(examples=[case((2, 4))])
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows of x (N, M): (N, N), within [-1, 1]; 1 for one variable (M)."""
    if input.array.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.array.ndim} dimensions"
        )
    c = cov(input)
    if not c.array.ndim:
        return c / c
    deviation = root_or_zero(c.diagonal())
    return clamp(c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0), -1, 1)


# ---- integrals and derivatives


def _widths(name: str, y: Tensor, x: Any, dx: Any, d: int) -> Any:
    """The distances between the points, in the shape that multiplies the n - 1 panels along d."""
    if x is not None and dx is not None:
        raise TypeError(f"{name}(): give x or dx, not both")
    if x is None:
        return 1 if dx is None else dx
    if not x.array.ndim:
        raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
    if x.array.ndim == 1:
        if len(x.array) != y.array.shape[d]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        return reshape(x[1:] - x[:-1], (-1,) + (1,) * (y.array.ndim - 1 - d))
    x = reshape(x, (1,) * (y.array.ndim - x.array.ndim) + x.array.shape)
    return _after(x, d) - _before(x, d)


def _after(x: Tensor, d: int) -> Tensor:
    return x[(slice(None),) * d + (slice(1, None),)]


def _before(x: Tensor, d: int) -> Tensor:
    return x[(slice(None),) * d + (slice(None, -1),)]


def _panels(name: str, y: Tensor, x: Any, dx: Any, dim: int) -> tuple[Tensor, int]:
    if y.array.dtype.kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    d = normal_dim(dim, y.array.ndim)
    return (_after(y, d) + _before(y, d)) * _widths(name, y, x, dx, d) / 2.0, d


@composite(method=False, examples=[case((2, 4)), case((2, 4), (4,)), case((4, 2), dx=0.5, dim=0)])
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of y along `dim` by the trapezoidal rule, at the points x or with the step dx (1)."""
    d = normal_dim(dim, y.array.ndim)
    if not y.array.shape[d]:
        return wrap(np.zeros(y.array.shape[:d] + y.array.shape[d + 1 :], y.array.dtype))
    parts, d = _panels("trapezoid", y, x, dx, dim)
    return total(parts, d)


@composite(method=False)
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Another name for trapezoid."""
    return trapezoid(y, x, dx=dx, dim=dim)


@composite(method=False, examples=[case((2, 4)), case((2, 4), (4,))])
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The running integrals of y along `dim` by the trapezoidal rule, one fewer than points."""
    parts, d = _panels("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(parts, d)


@composite(method=False, examples=[case((4,)), case((3, 4), dim=1), case((3, 4), edge_order=2)])
def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The derivatives of x along each of `dim` (all if None) by central differences,
    one-sided of `edge_order` at the ends.

    spacing: the distance between neighbours, one for all or one per dimension; or the coordinates, a 1-d
    tensor each.
    """
    if input.array.dtype.char in "B?":
        raise RuntimeError(f"torch.gradient does not support {input.dtype} input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    n = input.array.ndim
    dims = (
        list(range(n))
        if dim is None
        else [normal_dim(d, n) for d in (dim if isinstance(dim, Sequence) else [dim])]
    )
    several = isinstance(spacing, (list, tuple))
    if several and len(spacing) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length {len(dims)}, "
            f"but got a list of length {len(spacing)}"
        )
    steps = list(spacing) if several else [1 if spacing is None else spacing] * len(dims)
    x = input if input.array.dtype.kind == "f" else input.to(dtypes.get_default_dtype())
    out = []
    for d, h in zip(dims, steps, strict=True):
        size = x.array.shape[d]
        if size < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        out.append(_slopes(x, d, h, edge_order))
    return tuple(out)


def _slopes(x: Tensor, d: int, h: Any, edge_order: int) -> Tensor:
    """Weighted means of the slopes on both sides of each point; beyond the ends the slopes are continued."""
    tail = (1,) * (x.array.ndim - 1 - d)
    n = x.array.shape[d]
    given = isinstance(h, Tensor) and h.array.ndim == 1
    if given and h.array.size != n:
        raise RuntimeError(
            f"gradient(): spacing has {h.array.size} coordinates for dimension {d}, whose length is {n}"
        )
    gaps = (
        reshape(h[1:] - h[:-1], (-1, *tail))
        if given
        else wrap(np.full((n - 1, *tail), h.item() if isinstance(h, Tensor) else h, x.array.dtype))
    )
    slopes = (_after(x, d) - _before(x, d)) / gaps
    left, right = gaps[:-1], gaps[1:]
    at = (slice(None),) * d
    inner = (_before(slopes, d) * right + _after(slopes, d) * left) / (left + right)
    first, last = slopes[(*at, slice(0, 1))], slopes[(*at, slice(n - 2, n - 1))]
    if edge_order == 2:
        second, before = slopes[(*at, slice(1, 2))], slopes[(*at, slice(n - 3, n - 2))]
        first = first + (first - second) * gaps[:1] / (gaps[:1] + gaps[1:2])
        last = last + (last - before) * gaps[-1:] / (gaps[-1:] + gaps[-2:-1])
    return cat([first, inner, last], d)


# ---- histograms


_HISTOGRAM = returns("histogram", "hist", "bin_edges")


@composite()
def histogram(
    input: Tensor,
    bins: Any = 100,
    *,
    range: tuple[float, float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges): how many elements of x, or how much of their weight,
    lies between neighbouring edges.

    bins: how many equal ones, over `range` or that of x, or the edges, a 1-d tensor. The last bin includes
    its upper edge.
    density: divided by the total and the bins' widths. No gradient.
    """
    a = input.array
    if a.dtype.kind != "f" or a.dtype.char == "e":
        raise NotImplementedError(f'"histogram_cpu" not implemented for {input.dtype}')
    if weight is not None and weight.array.shape != a.shape:
        raise RuntimeError(
            "torch.histogram(): if weight tensor is provided it should have the same shape as the input "
            "tensor"
        )
    if weight is not None and weight.array.dtype != a.dtype:
        raise RuntimeError(f"torch.histogram(): expected a weight of {input.dtype}, got {weight.dtype}")
    if isinstance(bins, Tensor):
        edges = bins.array
        if edges.dtype != a.dtype:
            raise RuntimeError(f"histogram(): expected bins of type {input.dtype}, got {bins.dtype}")
        if edges.ndim != 1 or not edges.size:
            raise RuntimeError(
                "torch.histogramdd(): bins tensor should have one dimension and at least one edge"
            )
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
        low, high = range or ((float(a.min()), float(a.max())) if a.size else (0.0, 1.0))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"torch.histogram(): dimension 0's range [{low}, {high}] is not finite")
        if low > high:
            raise RuntimeError(f"torch.histogram(): min should not exceed max, but got min {low} max {high}")
        if low == high:
            low, high = low - 0.5, high + 0.5
        from tinygrad6.ops.create import linspace

        edges = linspace(low, high, bins + 1, dtype=input.dtype).array
    counts, _ = np.histogram(a.ravel(), edges, weights=None if weight is None else weight.array.ravel())
    counts = counts.astype(a.dtype)
    if density:
        counts = counts / counts.sum() / np.diff(edges)
    return _HISTOGRAM(wrap(counts.astype(a.dtype)), wrap(np.array(edges)))


# ---- combinations


@composite(method=False, examples=[case((3,), (2,))])
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element from each of the 1-d tensors, as rows, the last varying fastest."""
    from tinygrad6.ops.create import meshgrid
    from tinygrad6.ops.join import stack

    for t in tensors:
        if t.array.ndim != 1:
            raise RuntimeError("Expect a 1D vector, but got shape " + str(list(t.array.shape)))
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(g, (-1,)) for g in meshgrid(*tensors, indexing="ij")], 1)


@composite(method=False, examples=[case((4,)), case((3,), r=3, with_replacement=True)])
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of x (n), in order, as rows;
    with_replacement, an element may be chosen again."""
    import itertools

    if input.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return wrap(np.zeros(0, input.array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(len(input.array)), r)), np.int64).reshape(-1, r)
    return input[wrap(rows)]


@composite(method=False, examples=[case((4,)), case((3,), N=2, increasing=True)])
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of x (n): columns x^(N - 1), ..., x, 1, or the other way round if increasing;
    N = n by default."""
    from tinygrad6.linalg import powers

    if x.array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    N = len(x.array) if N is None else N
    if N < 0:
        raise RuntimeError("N must be non-negative.")
    if x.array.dtype.kind != "f":
        x = x.to(dtypes.int64)
    out = powers(x, max(N, 2))[:, :N]
    return out if increasing else out.flip(1)


@composite(method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, one tensor for each dimension of `shape`, of flat row-major indices."""
    sizes = (
        tuple(shape.tolist())
        if isinstance(shape, Tensor)
        else (shape,)
        if isinstance(shape, int)
        else tuple(shape)
    )
    if indices.array.dtype.kind not in "iu":
        raise TypeError(f"unravel_index(): expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(type(n) is not int for n in sizes):
        raise TypeError(f"unravel_index(): expected 'shape' sequence to only contain ints, but got {sizes}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    rest, out = indices.array.astype(np.int64), []
    if rest.size and 0 in sizes:
        raise RuntimeError(f"unravel_index(): ZeroDivisionError: there is no element in the shape {sizes}")
    for n in reversed(sizes):
        out.append(wrap(np.asarray(rest % max(n, 1))))
        rest = rest // max(n, 1)
    return tuple(reversed(out))


@composite(method=False, examples=[case((2, 3), (3,), ())], node_name="BlockDiag")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the tensors, of at most two dimensions, as blocks along its diagonal, zeros elsewhere."""
    from tinygrad6.ops.shape import pad_constant

    blocks = []
    for i, t in enumerate(tensors):
        if t.array.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has "
                f"{t.array.ndim} dimensions"
            )
        blocks.append(reshape(t, (1, -1)) if t.array.ndim < 2 else t)
    if not blocks:
        return wrap(np.zeros((1, 0), dtypes.default_float()))
    width, at, rows = sum(b.array.shape[1] for b in blocks), 0, []
    common = dtypes.result_type(*[t.array for t in tensors])
    for b in blocks:
        n = b.array.shape[1]
        rows.append(pad_constant(b.to(common), ((0, 0), (at, width - at - n))))
        at += n
    return cat(rows, 0)
