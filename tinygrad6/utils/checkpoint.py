"""Memory for time: `checkpoint` forgets what a function saved and runs it again when the backward pass needs
it.

The way without re-entrance, which `use_reentrant=False` chooses, stands on hooks on saved tensors: the graph
is recorded as ever, but instead of arrays its nodes hold numbers. The first of them to be needed runs the
function again, and what that saves is handed out by number. So gradients of gradients, `autograd.grad` and
keyword arguments work as without.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinygrad6 import autograd, random
from tinygrad6.autograd.function import once_differentiable
from tinygrad6.autograd.graph import saved_tensors_hooks
from tinygrad6.modes import enable_grad, state
from tinygrad6.tensor import Tensor

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_early_stop",
    "set_device_states",
]
_early_stop = True


class CheckpointError(RuntimeError):
    """A function did not save the same tensors when it was run again."""


class _Enough(Exception):
    """All that was saved has been saved again: the rest of the function need not run."""


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """([], []): the devices among args besides the CPU, and the states of their generators."""
    return [], []


def set_device_states(devices: Sequence[int], states: Sequence[Tensor], **kwargs: Any) -> None:
    """Nothing: there is no device besides the CPU, whose generator random.set_rng_state sets."""


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors detached from their history that require gradients if they did; the rest as it is."""
    return tuple(t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in inputs)


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether a function that is run again stops as soon as it has saved everything (it does by default)."""
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


class _Frame:
    """One application of a checkpointed function: how to run it again, and what it saves."""

    def __init__(self, run: Callable[[], Any], rng: Any, context: Any, compare: bool, early: bool) -> None:
        self.run, self.rng, self.context, self.compare, self.early = run, rng, context, compare, early
        self.saved: list[tuple] = []  # (shape, dtype) of each
        self.again: dict[int, Tensor] = {}  # those that were computed again and not yet handed out

    def pack(self, t: Tensor) -> int:
        self.saved.append((t.array.shape, t.array.dtype))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.again:
            self.recompute()
        return self.again.pop(number)

    def recompute(self) -> None:
        """Run the function again, on the same random numbers, and keep what it saves this time.

        CheckpointError if that is not what it saved the first time.
        """
        found: list[Tensor] = []

        def keep(t: Tensor) -> None:
            if len(found) < len(self.saved):
                found.append(t)
            if self.early and len(found) == len(self.saved):
                raise _Enough

        with contextlib.ExitStack() as stack:
            if self.rng is not None:
                stack.enter_context(random.fork_rng())
                random.set_rng_state(self.rng)
            stack.enter_context(enable_grad())
            stack.enter_context(self.context)
            stack.enter_context(saved_tensors_hooks(keep, lambda t: t))
            with contextlib.suppress(_Enough):
                self.run()
        if len(found) != len(self.saved):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward "
                f"and recomputation.\nNumber of tensors saved during forward: {len(self.saved)}\nNumber of "
                f"tensors saved during recomputation: {len(found)}"
            )
        for i, (t, was) in enumerate(zip(found, self.saved, strict=True)):
            if self.compare and (t.array.shape, t.array.dtype) != was:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                    f"metadata than during the forward pass.\ntensor at position {i}: saved {was}, "
                    f"recomputed {(t.array.shape, t.array.dtype)}"
                )
        self.again = dict(enumerate(found))


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose inner results are not kept but computed again in the backward pass.

    use_reentrant=False is the way to take; True is PyTorch's older one, which runs a backward pass within the
    other: it needs an argument that requires gradients, works with `backward()` only, and once. None takes
    it, with a warning.
    preserve_rng_state (True): draw the same random numbers again, for dropout. The function must do the same
    both times; CheckpointError if the number, shapes or types of the tensors it saves differ
    (determinism_check="none" compares the number only). Whatever it changes besides, such as running
    statistics, is changed twice. context_fn returns two context managers, for the first run and for the
    second.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: t.exp().sin().sum(), x, use_reentrant=False).backward()
    >>> torch.allclose(x.grad, x.detach().exp().cos() * x.detach().exp())
    True
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended; without it, use_reentrant=True is assumed.",
            stacklevel=2,
        )
        use_reentrant = True
    if debug:
        raise NotImplementedError(
            "checkpoint(debug=True): use autograd.detect_anomaly() to find what differs"
        )
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'] but got {determinism_check}"
        )
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        return CheckpointFunction.apply(function, preserve, *args)
    first, second = context_fn()
    rng = random.get_rng_state() if preserve else None
    frame = _Frame(
        lambda: function(*args, **kwargs),
        rng,
        second,
        determinism_check == "default",
        early_stop and _early_stop,
    )
    with first:
        if not state.grad:
            return function(*args, **kwargs)
        with saved_tensors_hooks(frame.pack, frame.unpack):
            return function(*args, **kwargs)


class CheckpointFunction(autograd.Function):
    """The re-entrant way: the function's backward runs it again, and a backward pass through that."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        ctx.run, ctx.rng = function, random.get_rng_state() if preserve else None
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.at = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.wants = [args[i].requires_grad for i in ctx.at]
        ctx.save_for_backward(*[args[i] for i in ctx.at])
        return function(*args)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        if state.partial:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
                "`inputs` parameter to .backward(). To resolve this error, you can either set "
                "use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        args = list(ctx.args)
        for i, t, wants in zip(ctx.at, ctx.saved_tensors, ctx.wants, strict=True):
            args[i] = t.detach().requires_grad_(wants)
        with contextlib.ExitStack() as stack:
            if ctx.rng is not None:
                stack.enter_context(random.fork_rng())
                random.set_rng_state(ctx.rng)
            with enable_grad():
                outs = ctx.run(*args)
        outs = outs if isinstance(outs, (tuple, list)) else (outs,)
        pairs = [
            (o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[a.grad if isinstance(a, Tensor) else None for a in args])


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The functions (a Sequential or a list) one after another, in `segments` parts of which all but the last
    are
    checkpointed: between them only their inputs are kept."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
            "explicitly.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps: Sequence[Any] = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def part(start: int, stop: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in steps[start:stop]:
                x = step(x)
            return x

        return run

    size, stop = len(steps) // segments, 0
    for start in range(0, size * (segments - 1), size or 1):
        stop = start + size
        input = checkpoint(part(start, stop), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(stop, len(steps))(input)
