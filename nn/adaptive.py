"""AdaptiveLogSoftmaxWithLoss: a softmax over many classes, rare ones in clusters with smaller layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6.op import NAMES
from tinygrad6.tensor import Tensor, wrap

from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log p of classes sorted by falling frequency:
    input (N, in_features) or (in_features), target (N) or ().

    The head has the classes below cutoffs[0] and one more for each cluster; cluster i has the classes from
    cutoffs[i] to cutoffs[i + 1], through a layer of in_features / div_value^(i+1). Returns (output, loss):
    log p of each target, and minus their mean. Source: Grave et al. 2017.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cuts = list(cutoffs)
        if not cuts:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cuts != sorted(set(cuts))
            or cuts[0] <= 0
            or cuts[-1] >= n_classes
            or any(int(c) != c for c in cuts)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                f"where each value is between 1 and n_classes-1, got {cuts} for {n_classes} classes"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cuts, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cuts[0], len(cuts)
        self.head_size = self.shortlist_size + self.n_clusters
        kwargs = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **kwargs)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(itertools.pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **kwargs),
                    Linear(width, stop - start, bias=False, **kwargs),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for inner, outer in self.tail:
            inner.reset_parameters()
            outer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        if target_.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, but found inputs "
                f"with size {input_.shape}"
            )
        if target_.ndim and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        x, t = (input_, target_.array) if target_.ndim else (input_.unsqueeze(0), target_.array.reshape(1))
        if t.size and not 0 <= t.min() <= t.max() < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{t.min()}, "
                f"{t.max()}] were found."
            )
        cluster = np.searchsorted(self.cutoffs, t, "right")  # 0 is the head itself
        entry = np.where(cluster, self.shortlist_size + cluster - 1, t)
        gather = NAMES["gather"]
        output = gather(F.log_softmax(self.head(x), 1), 1, wrap(entry[:, None])).squeeze(1)
        for i, tail in enumerate(self.tail):
            rows = np.flatnonzero(cluster == i + 1)
            if rows.size:
                logp = F.log_softmax(tail(x[wrap(rows)]), 1)
                within = wrap((t[rows] - self.cutoffs[i])[:, None])
                output = output.index_add(0, wrap(rows), gather(logp, 1, within).squeeze(1))
        loss = (-output).mean()
        return _ASMoutput(output if target_.ndim else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """log p of all classes: (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        n = self.shortlist_size
        parts = [head[:, :n]]
        parts += [
            F.log_softmax(tail(input), 1) + head[:, n + i : n + i + 1] for i, tail in enumerate(self.tail)
        ]
        return NAMES["cat"](parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row: (N, in_features) -> (N)."""
        best = self.head(input).argmax(1)
        unsure = best.array >= self.shortlist_size  # the head's best is a cluster: look at all classes
        if unsure.any():
            best.array[unsure] = self.log_prob(input[wrap(unsure)]).argmax(1).array
        return best
