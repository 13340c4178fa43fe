"""Losses as modules: the settings of the function of the same name, kept. Made from one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad6.tensor import Tensor

from . import functional as F
from ._losses import check_reduction
from .module import Module


class _Loss(Module):
    function: Callable[..., Tensor]
    settings: dict[str, Any] = {}
    positional: tuple[str, ...] = ()
    buffers_: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = self.positional
        if len(args) > len(names):
            raise TypeError(
                f"{type(self).__name__}.__init__() takes at most {len(names)} arguments ({len(args)} given)"
            )
        given = {**dict(zip(names, args)), **kwargs}
        if unknown := set(given) - set(names):
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{sorted(unknown)[0]}'"
            )
        size_average, reduce = given.pop("size_average", None), given.pop("reduce", None)
        if size_average is not None or reduce is not None:
            given["reduction"] = check_reduction("mean", size_average, reduce)
        for name, default in self.settings.items():
            value = given.get(name, default)
            if name in self.buffers_:
                self.register_buffer(name, value)
            else:
                self.__dict__[name] = value

    def forward(self, *inputs: Tensor) -> Tensor:
        own = self.__dict__
        return type(self).function(*inputs, **{n: own[n] for n in self.settings})


def _loss(
    name: str, function: Callable[..., Tensor], positional: str, buffers: str = "", **defaults: Any
) -> type[_Loss]:
    """A loss class; `positional`: its arguments in PyTorch's order (size_average and reduce are translated)."""
    names = tuple(positional.split())
    settings = {
        n: defaults.get(n, "mean" if n == "reduction" else None)
        for n in names
        if n not in ("size_average", "reduce")
    }
    return type(
        name,
        (_Loss,),
        {
            "function": staticmethod(function),
            "settings": settings,
            "positional": names,
            "buffers_": tuple(buffers.split()),
            "__doc__": function.__doc__,
            "__module__": __name__,
        },
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
GaussianNLLLoss = _loss("GaussianNLLLoss", F.gaussian_nll_loss, "full eps reduction", full=False, eps=1e-6)
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", F.hinge_embedding_loss, "margin " + OLD, margin=1.0)
MarginRankingLoss = _loss("MarginRankingLoss", F.margin_ranking_loss, "margin " + OLD, margin=0.0)
CosineEmbeddingLoss = _loss("CosineEmbeddingLoss", F.cosine_embedding_loss, "margin " + OLD, margin=0.0)
SoftMarginLoss = _loss("SoftMarginLoss", F.soft_margin_loss, OLD)
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, "weight " + OLD, "weight"
)
MultiMarginLoss = _loss(
    "MultiMarginLoss", F.multi_margin_loss, "p margin weight " + OLD, "weight", p=1, margin=1.0
)
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", F.multilabel_margin_loss, OLD)
TripletMarginLoss = _loss(
    "TripletMarginLoss",
    F.triplet_margin_loss,
    "margin p eps swap " + OLD,
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
)


class TripletMarginWithDistanceLoss(Module):
    """triplet_margin_loss with a distance of your own."""

    def __init__(
        self,
        *,
        distance_function: Callable[..., Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function, self.margin, self.swap, self.reduction = (
            distance_function,
            margin,
            swap,
            reduction,
        )

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
