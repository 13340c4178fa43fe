"""Losses as modules: the settings of the function of the same name, kept. Made from one table."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from tinygrad6.tensor import Tensor

from . import functional as F
from ._losses import check_reduction
from ._table import _Tabled, module
from .linear import Linear
from .shape import PairwiseDistance


def _accepts(**settings: Any) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(n, kind, default=d) for n, d in settings.items()])


class _Loss(_Tabled):
    """A loss; `size_average` and `reduce`, which came before `reduction`, are translated to it.

    Losses of one's own are written as subclasses of this and the next, as in PyTorch.
    """

    accepts = _accepts(size_average=None, reduce=None, reduction="mean")
    reduction: str
    check: Callable[[dict[str, Any]], None] | None = None  # of the settings, for what PyTorch refuses early

    def _set(self, given: dict[str, Any]) -> None:
        old = given.pop("size_average", None), given.pop("reduce", None)
        if old != (None, None):
            given["reduction"] = check_reduction("mean", *old)
        super()._set(given)
        if self.check is not None:
            self.check(given)


class _WeightedLoss(_Loss):
    """A loss with a buffer `weight`."""

    accepts = _accepts(weight=None, size_average=None, reduce=None, reduction="mean")
    kept = ("weight",)
    weight: Tensor | None


def _loss(
    name: str,
    function: Callable[..., Tensor],
    positional: str,
    buffers: str = "",
    check: Callable[[dict[str, Any]], None] | None = None,
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD,
    **defaults: Any,
) -> Any:
    """A loss class; `positional`: its arguments in PyTorch's order,
    None or "mean" if `defaults` has nothing else."""
    settings = {n: defaults.get(n, "mean" if n == "reduction" else None) for n in positional.split()}
    base = _WeightedLoss if buffers == "weight" else _Loss
    made = module(name, function, settings, "", buffers, base, kind)
    made.check = None if check is None else staticmethod(check)
    return made


def _one_or_two(given: dict[str, Any]) -> None:
    if given["p"] not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, got p={given['p']}")
    if given["weight"] is not None and given["weight"].dim() != 1:
        raise ValueError(f"weight must be one-dimensional, got {given['weight'].dim()} dimensions")


def _positive_margin(given: dict[str, Any]) -> None:
    if given["margin"] <= 0:
        raise ValueError(
            f"TripletMarginLoss: expected margin to be greater than 0, got {given['margin']} instead"
        )


OLD = "size_average reduce reduction"
L1Loss = _loss("L1Loss", F.l1_loss, OLD)
MSELoss = _loss("MSELoss", F.mse_loss, OLD)
SmoothL1Loss = _loss("SmoothL1Loss", F.smooth_l1_loss, OLD + " beta", beta=1.0)
HuberLoss = _loss("HuberLoss", F.huber_loss, "reduction delta", delta=1.0)
CrossEntropyLoss = _loss(
    "CrossEntropyLoss",
    F.cross_entropy,
    "weight size_average ignore_index reduce reduction label_smoothing",
    "weight",
    ignore_index=-100,
    label_smoothing=0.0,
)
NLLLoss = _loss(
    "NLLLoss", F.nll_loss, "weight size_average ignore_index reduce reduction", "weight", ignore_index=-100
)
BCELoss = _loss("BCELoss", F.binary_cross_entropy, "weight " + OLD, "weight")
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, f"weight {OLD} pos_weight", "weight pos_weight"
)
KLDivLoss = _loss("KLDivLoss", F.kl_div, OLD + " log_target", log_target=False)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss",
    F.poisson_nll_loss,
    "log_input full size_average eps reduce reduction",
    log_input=True,
    full=False,
    eps=1e-8,
)
GaussianNLLLoss = _loss(
    "GaussianNLLLoss",
    F.gaussian_nll_loss,
    "full eps reduction",
    kind=inspect.Parameter.KEYWORD_ONLY,
    full=False,
    eps=1e-6,
)
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", F.hinge_embedding_loss, "margin " + OLD, margin=1.0)
MarginRankingLoss = _loss("MarginRankingLoss", F.margin_ranking_loss, "margin " + OLD, margin=0.0)
CosineEmbeddingLoss = _loss("CosineEmbeddingLoss", F.cosine_embedding_loss, "margin " + OLD, margin=0.0)
SoftMarginLoss = _loss("SoftMarginLoss", F.soft_margin_loss, OLD)
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, "weight " + OLD, "weight"
)
MultiMarginLoss = _loss(
    "MultiMarginLoss", F.multi_margin_loss, "p margin weight " + OLD, "weight", _one_or_two, p=1, margin=1.0
)
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", F.multilabel_margin_loss, OLD)
TripletMarginLoss = _loss(
    "TripletMarginLoss",
    F.triplet_margin_loss,
    "margin p eps swap " + OLD,
    check=_positive_margin,
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
)
CTCLoss = _loss("CTCLoss", F.ctc_loss, "blank reduction zero_infinity", blank=0, zero_infinity=False)


class NLLLoss2d(NLLLoss):  # type: ignore[valid-type, misc]
    """The old name of NLLLoss for images."""


class LinearCrossEntropyLoss(_WeightedLoss):
    """linear_cross_entropy with a Linear of its own, of in_features to num_classes * prod(out_features).

    input (N, in_features); target classes (N, *out_features), or probabilities (N, num_classes,
    *out_features).
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features, self.ignore_index = num_classes, out_features, ignore_index
        self.label_smoothing, self.options = label_smoothing, options
        outputs = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, outputs, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape, linear = (self.num_classes, *self.out_features), self.linear
        return F.linear_cross_entropy(
            input,
            linear.weight.reshape(*shape, linear.in_features),
            target,
            linear_bias=None if linear.bias is None else linear.bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        shown = "num_classes out_features reduction ignore_index label_smoothing options".split()
        given = {n: getattr(self, n) for n in shown}
        parts = [f"in_features={self.linear.in_features}", *(f"{n}={v}" for n, v in given.items())]
        parts.insert(3, f"bias={self.linear.bias is not None}")
        return ", ".join(parts)


class TripletMarginWithDistanceLoss(_Loss):
    """triplet_margin_loss with a distance of your own."""

    def __init__(
        self,
        *,
        distance_function: Callable[..., Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
