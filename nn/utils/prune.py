"""Pruning: weights that stay 0, by masks chosen at random, by size, or given.

    prune.l1_unstructured(layer, "weight", amount=0.3)

moves the parameter to `weight_orig`, keeps the mask as a buffer `weight_mask`, and computes `weight` = mask *
original before every forward. Pruning again prunes among what is left. `remove` makes it a plain parameter
again, with its zeros.

To choose in another way, subclass BasePruningMethod with a compute_mask of your own and call its `apply`.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from tinygrad6.op import NAMES
from tinygrad6.ops.create import ones_like, zeros_like
from tinygrad6.ops.rand import rand, rand_like
from tinygrad6.tensor import Tensor

from ..module import Module
from . import parameters_to_vector


class BasePruningMethod(ABC):
    """A way to choose what is pruned; an instance is the hook that prunes one tensor before every forward.

    Subclasses define compute_mask(t, default_mask) -> mask, of ones and zeros and of the shape of `t`, and
    PRUNING_TYPE: what `t` is when a tensor is pruned again. "unstructured": a vector of the elements left;
    "structured": the slices along self.dim that are left; "global": all of it.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for the scores `t`, which leaves out what default_mask leaves out."""

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned tensor: <name>_mask * <name>_orig."""
        if getattr(self, "_tensor_name", None) is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, f"{self._tensor_name}_orig")
        return getattr(module, f"{self._tensor_name}_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Prune the parameter `name` of a module by cls(*args, **kwargs); returns the hook.

        `importance_scores`, of the parameter's shape, are given to compute_mask in place of the parameter.
        """
        old = [(k, h) for k, h in module._forward_pre_hooks.items() if _prunes(h, name)]
        if len(old) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
                "PruningContainer."
            )
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        tensor = getattr(module, name)
        scores = _scores(tensor, importance_scores, f"parameter {name} of {module}")
        if not old:
            mask = method.compute_mask(scores, default_mask=ones_like(tensor))
            module.register_parameter(f"{name}_orig", tensor)
            delattr(module, name)
        else:
            key, before = old[0]
            if not isinstance(before, PruningContainer):
                before = PruningContainer(before)
            left = getattr(module, f"{name}_mask").detach().clone()
            mask = _among(method, scores, left)
            before.add_pruning_method(method)
            del module._forward_pre_hooks[key]
            method = before
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """t times the mask computed for it."""
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(_scores(t, importance_scores, "tensor t"), default_mask=mask)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor a plain parameter; the hook is the caller's to remove."""
        weight, name = self.apply_mask(module), self._tensor_name
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[f"{name}_orig"]
        original.data = weight.data
        del module._parameters[f"{name}_orig"], module._buffers[f"{name}_mask"]
        setattr(module, name, original)


def _prunes(hook: Any, name: str) -> bool:
    return isinstance(hook, BasePruningMethod) and hook._tensor_name == name


def _scores(t: Tensor, scores: Tensor | None, what: str) -> Tensor:
    if scores is None:
        return t
    if scores.shape != t.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {what}, got {scores.shape} vs {t.shape}"
        )
    return scores


def _among(method: Any, t: Tensor, mask: Tensor) -> Tensor:
    """The mask in which `method` has pruned among what `mask` leaves."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        part: Any = mask == 1
    elif kind == "structured":
        if not hasattr(method, "dim"):
            raise AttributeError(
                'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
            )
        dim = method.dim + t.ndim if method.dim < 0 else method.dim
        if dim < 0:
            raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
        left = mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
        part = (slice(None),) * dim + (left,)
    elif kind == "global":
        part = (slice(None),) * t.ndim
    else:
        raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
    new = mask.to(dtype=t.dtype)
    new[part] = method.compute_mask(t[part], default_mask=mask[part]).to(dtype=new.dtype)
    return new


class PruningContainer(BasePruningMethod):
    """Several prunings of one tensor, one after another."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Add one more, of the same tensor."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and method._tensor_name != self._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                f"PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The newest method's mask for what default_mask leaves."""
        return _among(self._pruning_methods[-1], t, default_mask)


class Identity(BasePruningMethod):
    """Prunes nothing, and puts the original and a mask of ones in place."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Any:  # type: ignore[override]
        return super().apply(module, name)


class _Amount(BasePruningMethod):
    """Prunes `amount` units: a whole number of them, or a share of them in [0, 1]."""

    amount: Any

    def _check_amount(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or not isinstance(amount, numbers.Integral) and not 0 <= float(amount) <= 1:
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of `size` units to prune."""
        count: Any = self.amount if isinstance(self.amount, numbers.Integral) else round(self.amount * size)
        if count > size:
            raise ValueError(
                f"amount={count} should be smaller than the number of parameters to prune={size}"
            )
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Any) -> None:
        self._check_amount(amount)

    def _chosen(self, t: Tensor, count: int) -> Tensor:
        """The places of `count` elements of t in t.view(-1)."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes elements at random."""

    def _chosen(self, t: Tensor, count: int) -> Tensor:
        return NAMES["topk"](rand_like(t).view(-1), count).indices

    @classmethod
    def apply(cls, module: Module, name: str, amount: Any) -> Any:  # type: ignore[override]
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Unstructured):
    """Prunes the elements of the smallest absolute values."""

    def _chosen(self, t: Tensor, count: int) -> Tensor:
        return NAMES["topk"](t.abs().view(-1), count, largest=False).indices

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Any, importance_scores: Tensor | None = None
    ) -> Any:
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(_Amount):
    """Prunes whole slices along `dim`."""

    PRUNING_TYPE = "structured"
    dim: int

    def _kept(self, t: Tensor, size: int, count: int) -> Any:
        """Which of the `size` slices are kept when `count` are pruned: an index."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        count = self._count(t.shape[self.dim])
        if not count:
            return default_mask
        mask = zeros_like(t)
        mask[(slice(None),) * (self.dim % t.ndim) + (self._kept(t, t.shape[self.dim], count),)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes slices along `dim` at random."""

    def __init__(self, amount: Any, dim: int = -1) -> None:
        self._check_amount(amount)
        self.dim = dim

    def _kept(self, t: Tensor, size: int, count: int) -> Any:
        chance = rand(size)
        return chance > NAMES["kthvalue"](chance, count).values

    @classmethod
    def apply(cls, module: Module, name: str, amount: Any, dim: int = -1) -> Any:  # type: ignore[override]
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes the slices along `dim` of the smallest n-norms."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        self._check_amount(amount)
        self.n, self.dim = n, dim

    def _kept(self, t: Tensor, size: int, count: int) -> Any:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return NAMES["topk"](NAMES["norm"](t, p=self.n, dim=others), size - count).indices

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Tensor | None = None
    ) -> Any:
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask leaves out."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> Any:  # type: ignore[override]
        return super().apply(module, name, mask=mask)


def identity(module: Module, name: str) -> Module:
    """Prune nothing, but put <name>_orig and <name>_mask in place; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Any) -> Module:
    """Prune elements of a parameter at random: `amount` of them, or that share; returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: Any, importance_scores: Tensor | None = None
) -> Module:
    """Prune the elements of a parameter of the smallest absolute values; returns the module.

    >>> import tinygrad6 as torch
    >>> from tinygrad6.nn.utils import prune
    >>> layer = torch.nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -2.0, 3.0, -4.0]]))
    >>> prune.l1_unstructured(layer, "weight", amount=0.5).weight_mask
    tensor([[0., 0., 1., 1.]])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Any, dim: int) -> Module:
    """Prune slices of a parameter along `dim` at random; returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune the slices of a parameter along `dim` of the smallest n-norms; returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune what `mask`, of the parameter's shape, leaves out; returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: dict | None = None, **kwargs: Any
) -> None:
    """Prune several parameters, given as (module, name), as if they were one vector.

    `pruning_method` is a class such as L1Unstructured, kwargs its settings; importance_scores {(module,
    name): tensor} stand in for parameters. TypeError for methods that are not "unstructured".
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    places = list(parameters)
    vector = parameters_to_vector([scores.get((m, name), getattr(m, name)) for m, name in places])
    left = parameters_to_vector(
        [getattr(m, f"{name}_mask", ones_like(getattr(m, name))) for m, name in places]
    )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    mask = _among(method, vector, left)
    start = 0
    for m, name in places:
        n = getattr(m, name).numel()
        custom_from_mask(m, name, mask[start : start + n].view_as(getattr(m, name)))
        start += n


def remove(module: Module, name: str) -> Module:
    """Make a pruned parameter a plain one, with its zeros; returns the module. ValueError if not pruned."""
    for key, hook in module._forward_pre_hooks.items():
        if _prunes(hook, name):
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether anything in the tree of modules is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for m in module.modules()
        for hook in m._forward_pre_hooks.values()
    )
