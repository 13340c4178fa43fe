"""A probe: what every layer of a model puts out, and the gradient that comes back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinygrad6.tensor import Tensor


class record:
    """Keep the outputs of a model's layers, and the gradients of the loss by them, while a `with` block runs.

    model: any Module. `where(name, module)` says which modules are recorded; by default those without
    submodules. Within the block, `activations[name]` is the module's output and `gradients[name]` the
    gradient by that output, each a detached copy with the output's shape and dtype, under the names of
    `named_modules()` ("" is the model itself) in the order of the calls. Several tensors in one output (a
    recurrent layer's) are `name[0]`, `name[1][0]`, `name[key]`.

    A module that is called several times keeps its last call; with `every=True` each entry is a list, one
    item per call (a gradient that never came is None). A gradient arrives with `backward`, which may also run
    after the block; running it twice over one graph keeps the last. Under `no_grad` there are activations
    only. The copy is made at once, so an in-place layer that follows does not show. An output that is not a
    tensor, tuple, list or dict is passed over. The model computes what it would without the probe, and is
    free of hooks afterwards, even if the block raised.

    TypeError if model has no modules to hook; RuntimeError if the recording is entered a second time while it
    runs.

    >>> import tinygrad6 as torch
    >>> from tinygrad6 import nn
    >>> from tinygrad6.utils import record
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> with record(model) as r:
    ...     model(torch.ones(5, 4)).sum().backward()
    >>> list(r.activations)
    ['0', '1', '2']
    >>> r.gradients["2"].shape
    torch.Size([5, 2])
    >>> with record(model, where=lambda name, module: isinstance(module, nn.ReLU)) as r:
    ...     _ = model(torch.ones(5, 4))
    >>> bool((r.activations["1"] >= 0).all()), r.gradients
    (True, {})
    """

    def __init__(
        self, model: Any, where: Callable[[str, Any], bool] | None = None, *, every: bool = False
    ) -> None:
        if not hasattr(model, "named_modules"):
            raise TypeError(f"record(): model must be a Module, got {type(model).__name__}")
        self.model, self.every = model, every
        self.where = where or (lambda name, module: not any(True for _ in module.children()))
        self._handles: list[Any] = []
        self.clear()

    def clear(self) -> None:
        """Forget what was recorded, for example between two steps of a training."""
        self._activations: dict[str, list[Tensor]] = {}
        self._gradients: dict[str, list[Tensor | None]] = {}

    def __enter__(self) -> record:
        if self._handles:
            raise RuntimeError("record(): this recording is running already; make another with record(model)")
        for name, module in self.model.named_modules():
            if self.where(name, module):
                self._handles.append(module.register_forward_hook(self._hook(name)))
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _hook(self, name: str) -> Callable[[Any, Any, Any], None]:
        def hook(module: Any, args: Any, output: Any) -> None:
            for path, tensor in _tensors(name, output):
                self._keep(path, tensor)

        return hook

    def _keep(self, path: str, tensor: Tensor) -> None:
        kept = self._activations.setdefault(path, [])
        came = self._gradients.setdefault(path, [])
        if not self.every:
            # new lists, not cleared ones: the gradient of an earlier call must not land beside this call's
            # output
            kept, came = self._activations[path], self._gradients[path] = [], []
        kept.append(tensor.detach().clone())
        came.append(None)
        if tensor.requires_grad:
            tensor.register_hook(_receiver(came, len(came) - 1))

    @property
    def activations(self) -> dict[str, Any]:
        """Outputs by the name of the module."""
        return {n: v if self.every else v[-1] for n, v in self._activations.items()}

    @property
    def gradients(self) -> dict[str, Any]:
        """Gradients of what was differentiated by those outputs; no entry where none came."""
        came = {n: v for n, v in self._gradients.items() if any(g is not None for g in v)}
        return {n: v if self.every else v[-1] for n, v in came.items()}

    def statistics(self) -> dict[str, dict[str, float]]:
        """Per name, over all recorded calls: mean, std, zeros (share of exact 0) of the outputs,
        and the same of gradients.

        The keys are mean, std, zeros, grad_mean, grad_std, grad_zeros; the latter only where a gradient came.
        std is the biased one, nan for no elements.
        """
        table: dict[str, dict[str, float]] = {}
        for name, kept in self._activations.items():
            came = [g for g in self._gradients[name] if g is not None]
            table[name] = {**_summary("", kept), **(_summary("grad_", came) if came else {})}
        return table

    def __repr__(self) -> str:
        """The statistics as a table."""
        columns = ("mean", "std", "zeros", "grad_mean", "grad_std", "grad_zeros")
        names = list(self._activations)
        width = max([len(n) for n in names] + [len("output of")])
        lines = [f"{'output of':{width}}" + "".join(f"{c:>12}" for c in columns)]
        for name, row in self.statistics().items():
            cells = (f"{row[c]:12.3g}" if c in row else f"{'-':>12}" for c in columns)
            lines.append(f"{name:{width}}" + "".join(cells))
        return "\n".join(lines)


def _tensors(path: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of an output with their paths."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, (tuple, list)):
        for i, v in enumerate(value):
            yield from _tensors(f"{path}[{i}]", v)
    elif isinstance(value, dict):
        for key, v in value.items():
            yield from _tensors(f"{path}[{key}]", v)


def _receiver(came: list[Tensor | None], place: int) -> Callable[[Tensor], None]:
    def receive(g: Tensor) -> None:
        came[place] = g.detach().clone()

    return receive


def _summary(prefix: str, tensors: list[Tensor]) -> dict[str, float]:
    """Mean, biased standard deviation and share of zeros over all elements, in float64."""
    n = sum(t.numel() for t in tensors)
    if not n:
        return {prefix + k: float("nan") for k in ("mean", "std", "zeros")}
    wide = [t.double() for t in tensors]
    mean = sum(t.sum().item() for t in wide) / n
    square = sum(((t - mean) ** 2).sum().item() for t in wide) / n
    zeros = sum((t == 0).sum().item() for t in wide) / n
    return {prefix + "mean": mean, prefix + "std": square**0.5, prefix + "zeros": zeros}
