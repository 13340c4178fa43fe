"""Orthogonal weights, weight and spectral normalization as parametrizations;
the two normalizations in PyTorch's older form, too, as hooks before forward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6 import linalg
from tinygrad6.accidents import public
from tinygrad6.arguments import checked
from tinygrad6.modes import no_grad
from tinygrad6.op import NAMES
from tinygrad6.ops.create import empty, eye
from tinygrad6.ops.rand import randn
from tinygrad6.tensor import Tensor, dim_error, wrap

from .. import functional as F
from ..module import Module
from ..parameter import Parameter, is_lazy
from .parametrize import register_parametrization


def _known_as(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: accidents told under the name that `nn.utils` has for a function of another name here."""

    def rename(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__name__ = function.__qualname__ = name
        return public(function)

    return rename


@checked
def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norm of v over all dimensions but `dim` (which stays, with size-1 neighbours);
    over all if it is -1."""
    if dim == -1:
        return v.norm()
    if not -v.ndim <= dim < v.ndim:
        raise dim_error(dim, v.ndim)
    dim %= v.ndim
    return (v * v).sum([d for d in range(v.ndim) if d != dim], keepdim=True).sqrt() if v.ndim > 1 else v.abs()


class _WeightNorm(Module):
    """g v / |v|: Salimans and Kingma 2016."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


class _SpectralNorm(Module):
    """W / sigma(W), sigma the largest singular value by power iteration: Miyato et al. 2018."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got {n_power_iterations}")
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                for name, n in zip(("_u", "_v"), matrix.shape, strict=True):
                    self.register_buffer(name, random_direction(n, weight, eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(F.normalize(matrix.t() @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # a second forward will change them in place
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """weight with `dim` first and the rest flattened."""
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


def random_direction(n: int, like: Tensor, eps: float) -> Tensor:
    """A vector of length 1 and normal direction."""
    return F.normalize(empty(n, dtype=like.dtype).normal_(0, 1), dim=0, eps=eps)


def _output_dim(module: Module) -> int:
    """The dimension of a layer's weight that counts its outputs."""
    return 1 if type(module).__name__.startswith("ConvTranspose") else 0


@public
def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Let a weight be g v / |v| with learned g and v,
    the norm over all dimensions but `dim` (all if None)."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


@public
def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Let a weight be W / sigma(W); each forward in training improves sigma by n_power_iterations."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = _output_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


class _Orthogonal(Module):
    """Q(X) with orthonormal columns (rows if there are more columns), from any X: Lezcano-Casado 2019.

    With a base B, a square orthogonal matrix, the result is B Q(X), and setting it makes a new B and X = -I,
    of which every map makes the identity.
    """

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            q = linalg.householder_product(a, 2.0 / (1.0 + (a * a).sum(-2)))
            q = q * x.diagonal(0, -2, -1).detach().int().unsqueeze(-2)  # the diagonal holds signs alone
        else:
            a = x.tril()
            if n != k:
                a = NAMES["cat"]([a, a.new_zeros(*a.shape[:-1], n - k)], -1)
            skew = a - a.mT
            if self.orthogonal_map == "matrix_exp":
                q = NAMES["matrix_exp"](skew)
            else:  # Cayley: (I - A/2)^-1 (I + A/2)
                one = eye(n, dtype=skew.dtype)
                q = linalg.solve(one - 0.5 * skew, one + 0.5 * skew)
            q = q[..., :k]
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        q = (Q.mT if wide else Q).detach()
        n, k = q.shape[-2:]
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            a, tau = _reflectors(q)
            signs = np.sign(np.diagonal(a, 0, -2, -1))
            signs = np.where(tau == 0, -signs, signs)  # LAPACK left that reflection out
            a[..., np.arange(k), np.arange(k)] = signs
            return wrap(np.ascontiguousarray(np.swapaxes(a, -2, -1) if wide else a))
        if n != k:
            q = _with_positive_r(NAMES["cat"]([q, randn(*q.shape[:-1], n - k, dtype=q.dtype)], -1))
        elif not _is_orthogonal(q):
            q = _with_positive_r(q)
        self.base = q.clone()
        return -eye(*Q.shape[-2:], dtype=Q.dtype).expand(Q.shape).clone()


def _reflectors(q: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """LAPACK's geqrf: R above the Householder vectors, and their factors tau."""
    a, tau = (x.astype(q.array.dtype, copy=False) for x in np.linalg.qr(q.array, "raw"))
    return np.swapaxes(a, -2, -1).copy(), tau


def _with_positive_r(q: Tensor) -> Tensor:
    """The orthogonal factor of QR with a positive diagonal of R."""
    a, tau = _reflectors(q)
    made = linalg.householder_product(wrap(a), wrap(tau))
    return made * wrap(np.sign(np.diagonal(a, 0, -2, -1))[..., None, :])


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    eps = 10.0 * n * float(np.finfo(q.array.dtype).eps)
    return bool(np.allclose(np.swapaxes(q.array, -2, -1) @ q.array, np.eye(k, dtype=q.array.dtype), atol=eps))


@public
def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Let a weight (*, m, n) have orthonormal columns, or rows if m < n, whatever the optimizer does.

    orthogonal_map: "matrix_exp" (exp(A), A skew-symmetric; the default if m = n), "cayley" ((I + A/2)(I -
    A/2)^-1) or "householder" (a product of reflections; the default otherwise). With use_trivialization a
    matrix `base` stands before it, so that the weight starts as it is if it is orthogonal, else as the factor
    Q of its QR decomposition; without, only "householder" can be set. If m != n the base is completed at
    random. ValueError for weights of fewer than 2 dimensions. Source: Lezcano-Casado 2019.

    >>> import tinygrad6 as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
    >>> torch.allclose(layer.weight @ layer.weight.T, torch.eye(3), atol=1e-5)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    rule = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, rule, unsafe=True)


# ---- the older form


class _Hook:
    """Computes module.<name> before every forward from the parameters it was taken apart into."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def first(self, module: Module) -> Tensor:
        """What stands as the weight until the first forward.

        As in PyTorch, spectral_norm leaves the memory of <name>_orig there: init.normal_(layer.weight.data)
        after it still counts.
        """
        return self.compute(module, training=False).detach()

    def compute(self, module: Module, training: bool | None = None) -> Tensor:
        raise NotImplementedError


class _WeightNormHook(_Hook):
    parts = ("_g", "_v")

    def __init__(self, module: Module, name: str, dim: int | None) -> None:
        super().__init__(name)
        weight = _taken(module, name, "WeightNorm")
        self.rule = _WeightNorm(dim)
        with no_grad():
            g, v = self.rule.right_inverse(weight.detach())
        delattr(module, name)
        module.register_parameter(f"{name}_g", Parameter(g.detach()))
        module.register_parameter(f"{name}_v", Parameter(v))

    def compute(self, module: Module, training: bool | None = None) -> Tensor:
        return self.rule.forward(getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v"))


class _SpectralNormHook(_Hook):
    parts = ("_orig", "_u", "_v")

    def __init__(self, module: Module, name: str, times: int, eps: float, dim: int) -> None:
        super().__init__(name)
        if times <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got {times}")
        self.times, self.eps, self.dim = times, eps, dim
        weight = _taken(module, name, "SpectralNorm")
        with no_grad():
            sizes = as_matrix(weight, dim).shape
            made = [random_direction(n, weight, eps) for n in sizes]
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        for part, vector in zip(("_u", "_v"), made, strict=True):
            module.register_buffer(name + part, vector)

    def first(self, module: Module) -> Tensor:
        return getattr(module, f"{self.name}_orig").detach()

    def compute(self, module: Module, training: bool | None = None) -> Tensor:
        weight, u, v = (getattr(module, self.name + part) for part in self.parts)
        matrix = as_matrix(weight, self.dim)
        if module.training if training is None else training:
            with no_grad():
                for _ in range(self.times):
                    v.copy_(F.normalize(matrix.t() @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()
        return weight / (u @ (matrix @ v))


def _taken(module: Module, name: str, what: str) -> Any:
    """The parameter, which the caller takes out of the module when nothing can fail any more."""
    if not isinstance(name, str):
        raise TypeError(f"{what}: the name of a parameter must be str, not {type(name).__name__}")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"`{what}` cannot be applied: {type(module).__name__} has no parameter `{name}`")
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{what}` can't have uninitialized parameters. Make sure to run the dummy "
            "forward before"
        )
    return weight


def _find(module: Module, name: str, kind: type[_Hook]) -> Any:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key, hook
    return None, None


def _apply(module: Module, name: str, kind: type[_Hook], *settings: Any) -> Module:
    if _find(module, name, kind)[1] is not None:
        raise RuntimeError(f"Cannot register two {kind.__name__} hooks on the same parameter {name}")
    make: Callable[..., _Hook] = kind
    hook = make(module, name, *settings)
    setattr(module, name, hook.first(module))
    module.register_forward_pre_hook(hook)
    return module


@_known_as("weight_norm")
def old_weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Deprecated form of parametrizations.weight_norm, with parameters <name>_g and <name>_v."""
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=3,
    )
    return _apply(module, name, _WeightNormHook, dim)


@_known_as("spectral_norm")
def old_spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Older form of parametrizations.spectral_norm,
    with a parameter <name>_orig and buffers <name>_u and <name>_v."""
    dim = _output_dim(module) if dim is None else dim
    return _apply(module, name, _SpectralNormHook, n_power_iterations, eps, dim)


def _remove(module: Module, name: str, kind: Any, what: str) -> Module:
    key, hook = _find(module, name, kind)
    if hook is None:
        raise ValueError(f"{what} of '{name}' not found in {module}")
    with no_grad():
        weight = hook.compute(module, training=False).detach()
    for part in ("", *kind.parts):
        delattr(module, name + part)
    del module._forward_pre_hooks[key]
    module.register_parameter(name, Parameter(weight))
    return module


@public
def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo weight_norm: the weight is a plain parameter again."""
    return _remove(module, name, _WeightNormHook, "weight_norm")


@public
def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo spectral_norm: the weight is a plain parameter again."""
    return _remove(module, name, _SpectralNormHook, "spectral_norm")
