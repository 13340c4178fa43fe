"""Checks of gradients against central differences, for ops of your own as much as for ours.

The slow mode compares whole Jacobians, element by element, and tells the worst; the fast mode compares one
random directional derivative per pair of input and output, <u, J v>, which costs two evaluations whatever the
size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad6.modes import no_grad
from tinygrad6.random import default_generator
from tinygrad6.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A gradient disagrees with the difference quotient, or could not be computed."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
    seed: int = 0,
) -> bool:
    """Whether d func / d inputs agrees with central differences: |a - n| <= atol + rtol |n| everywhere.

    func takes the inputs and returns a tensor or several; those of the inputs that require gradients are
    checked and should be float64 (a warning says so otherwise). Each value is moved by eps to both sides.
    GradcheckError names the worst element (or the answer is False if not raise_exception); a warning is given
    where the two one-sided slopes disagree: there the point sits on a kink, and no gradient is right.
    fast_mode compares one random direction, drawn from `seed`. ValueError if no input requires gradients.

    check_undefined_grad: the gradient of each output is also asked for while the others have none.
    check_batched_grad: the same through is_grads_batched. What belongs to forward mode or to sparse tensors
    raises NotImplementedError.

    >>> import tinygrad6 as torch
    >>> gradcheck(torch.tanh, torch.linspace(-1, 1, 5, dtype=torch.float64).requires_grad_())
    True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError(
            "gradcheck(check_forward_ad=True): there is no forward mode; func.jvp takes two backward passes"
        )
    if masked:
        raise NotImplementedError("gradcheck(masked=True) is for sparse tensors, which are not supported")
    assert check_backward_ad, "Expected at least one of check_forward_ad and check_backward_ad to be True"
    args, checked = _arguments("gradcheck", inputs)
    for i in checked:
        if args[i].array.dtype != np.float64:
            warnings.warn(
                f"gradcheck: input #{i} is {args[i].dtype}; with an eps of {eps:g} differences drown in "
                "rounding. Pass float64 inputs, e.g. x.double().detach().requires_grad_().",
                UserWarning,
                stacklevel=2,
            )
        if any(s == 0 and n > 1 for s, n in zip(args[i].array.strides, args[i].array.shape, strict=True)):
            raise RuntimeError(
                f"gradcheck: input #{i} has overlapping memory (it was expanded); call contiguous() on it "
                "first"
            )
    try:
        _check(func, args, checked, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode, seed)
        if check_undefined_grad or check_batched_grad:
            _check_several(func, args, checked, check_undefined_grad, check_batched_grad, seed)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(func: Callable[..., Any], args: list) -> list[Tensor]:
    out = func(*args)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    return [o for o in outs if isinstance(o, Tensor) and o.array.dtype.kind == "f"]


def _arguments(name: str, inputs: Any) -> tuple[list, list[int]]:
    """The inputs as a list, and the places of those to check; ValueError if there are none."""
    args = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    if not checked:
        raise ValueError(
            f"{name} expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    return args, checked


def _check(
    func: Any,
    args: list,
    checked: list,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_dtypes: bool,
    fast: bool,
    seed: int,
) -> None:
    """Each output against differences in each checked input; types, zeros and repeatability on the way."""
    from tinygrad6.autograd import grad

    outs = _outputs(func, args)
    if not outs:
        raise GradcheckError("gradcheck: func returned no floating-point tensor")
    rng = np.random.default_rng(seed)

    def evaluate() -> list[np.ndarray]:
        with no_grad():
            return [np.array(o.array, np.float64) for o in _outputs(func, args)]

    def analytic(o: int, weight: np.ndarray) -> list[np.ndarray]:
        if not outs[o].requires_grad:
            return [np.zeros(args[i].array.shape) for i in checked]
        gs = grad(
            outs[o],
            [args[i] for i in checked],
            wrap(weight.astype(outs[o].array.dtype)),
            retain_graph=True,
            allow_unused=True,
        )
        for i, g in zip(checked, gs, strict=True):
            if g is not None and g.array.shape != args[i].array.shape:
                raise GradcheckError(
                    f"gradcheck: the gradient of input #{i} has shape {list(g.shape)}, the input "
                    f"{list(args[i].shape)}"
                )
            if g is not None and check_dtypes and g.array.dtype != args[i].array.dtype:
                raise GradcheckError(
                    f"gradcheck: the gradient of input #{i} is {g.dtype}, the input {args[i].dtype}"
                )
        return [
            np.zeros(args[i].array.shape) if g is None else np.array(g.array, np.float64)
            for i, g in zip(checked, gs, strict=True)
        ]

    here = evaluate()
    for o in range(len(outs)):
        weight = rng.standard_normal(here[o].shape)
        first, second = analytic(o, weight), analytic(o, weight)
        for i, a, b in zip(checked, first, second, strict=True):
            if not np.allclose(a, b, rtol=0, atol=nondet_tol, equal_nan=True):
                raise GradcheckError(
                    "gradcheck: backward is not reentrant: two passes gave different gradients for input "
                    f"#{i}, by up to {np.nanmax(np.abs(a - b)):.3g} (nondet_tol {nondet_tol:g})"
                )
        if fast:
            _directional(o, first, weight, args, checked, evaluate, eps, atol, rtol, rng)
        else:
            _full(o, analytic, args, checked, evaluate, here, eps, atol, rtol)


def _check_several(func: Any, args: list, checked: list, undefined: bool, batched: bool, seed: int) -> None:
    """Gradients of all outputs together are the sum of those of each alone;
    those of a batch are those of its rows."""
    from tinygrad6.autograd import grad

    outs = [o for o in _outputs(func, args) if o.requires_grad]
    wanted, rng = [args[i] for i in checked], np.random.default_rng(seed)
    weights = [wrap(rng.standard_normal(o.array.shape).astype(o.array.dtype)) for o in outs]

    def gradients(o: list, w: list, **more: Any) -> list[np.ndarray]:
        gs = grad(o, wanted, w, retain_graph=True, allow_unused=True, materialize_grads=True, **more)
        return [g.array for g in gs]

    if undefined and len(outs) > 1:
        together = gradients(outs, weights)
        alone = [gradients([o], [w]) for o, w in zip(outs, weights, strict=True)]
        for i, g, parts in zip(checked, together, zip(*alone, strict=True), strict=True):
            if not np.allclose(g, sum(parts), equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: for input #{i} the gradients of the outputs one by one, the others "
                    "undefined, do not add up to the gradient of all"
                )
    if batched and outs:
        pairs = [wrap(np.stack([w.array, -2 * w.array])) for w in weights]
        for i, rows, g in zip(
            checked, gradients(outs, pairs, is_grads_batched=True), gradients(outs, weights), strict=True
        ):
            if not np.allclose(rows, np.stack([g, -2 * g]), equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: for input #{i} the batched gradients are not those of the rows"
                )


def _directional(
    o: int,
    got: list,
    weight: np.ndarray,
    args: list,
    checked: list,
    evaluate: Any,
    eps: float,
    atol: float,
    rtol: float,
    rng: Any,
) -> None:
    """One random direction for each input: two calls of the function, whatever the number of elements."""
    for i, g in zip(checked, got, strict=True):
        x = args[i].array
        v = rng.standard_normal(x.shape)
        v /= max(np.linalg.norm(v), 1e-12)
        kept = x.copy()
        try:
            x[...] = kept + eps * v
            up = evaluate()[o]
            x[...] = kept - eps * v
            down = evaluate()[o]
        finally:
            x[...] = kept
        numeric, exact = float(np.sum(weight * (up - down)) / (2 * eps)), float(np.sum(g * v))
        scale = max(1.0, float(np.sqrt(weight.size)))
        if not abs(numeric - exact) <= atol * scale + rtol * abs(numeric):
            raise GradcheckError(
                f"gradcheck (fast mode): for output #{o} and input #{i} the directional derivative is "
                f"{exact:.10g} by backward and {numeric:.10g} by central difference. Run with "
                "fast_mode=False to see which element is wrong."
            )


def _full(
    o: int,
    analytic: Any,
    args: list,
    checked: list,
    evaluate: Any,
    here: list,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    """The whole Jacobian of output o: rows by backward passes, columns by differences.

    The slopes to both sides tell a kink, where a difference proves nothing, from a wrong gradient.
    """
    shape = here[o].shape
    rows = []
    for k in range(here[o].size):
        unit = np.zeros(here[o].size)
        unit[k] = 1
        rows.append(analytic(o, unit.reshape(shape)))
    for position, i in enumerate(checked):
        x = args[i].array
        jacobian = np.array([r[position].ravel() for r in rows]).reshape(here[o].size, x.size)
        numeric, kinks = np.zeros_like(jacobian), []
        for j in range(x.size):
            where = np.unravel_index(j, x.shape)
            kept = x[where].copy() if x.ndim else x[()].copy()
            try:
                x[where] = kept + eps
                up = evaluate()[o].ravel()
                x[where] = kept - eps
                down = evaluate()[o].ravel()
            finally:
                x[where] = kept
            numeric[:, j] = (up - down) / (2 * eps)
            right, left = (up - here[o].ravel()) / eps, (here[o].ravel() - down) / eps
            jump = np.abs(right - left)
            if np.any(jump > 1e-2 * np.maximum(1, np.abs(right) + np.abs(left))):
                kinks.append(tuple(int(w) for w in where))
        error = np.abs(jacobian - numeric)
        allowed = atol + rtol * np.abs(numeric)
        wrong = ~(error <= allowed) & ~((jacobian == numeric) | (np.isnan(jacobian) & np.isnan(numeric)))
        if kinks:
            shown = ", ".join(map(str, kinks[:3]))
            warnings.warn(
                f"gradcheck: the slopes to both sides differ at element {shown} of input #{i}: the point "
                "sits on a kink (or a jump), where a difference quotient says nothing about the gradient. "
                "Move the input away from it.",
                UserWarning,
                stacklevel=4,
            )
        if wrong.any():
            excess = np.where(wrong, np.where(np.isnan(error), np.inf, error - allowed), -np.inf)
            row, column = np.unravel_index(int(np.argmax(excess)), error.shape)
            raise GradcheckError(
                f"Jacobian mismatch for output {o} with respect to input {i}: {int(wrong.sum())} of "
                f"{wrong.size} entries disagree.\nworst: d "
                f"output{[int(n) for n in np.unravel_index(row, shape)]} / d "
                f"input{[int(n) for n in np.unravel_index(column, x.shape)]}\nnumerical: "
                f"{numeric[row, column]:.10g}\nanalytical: {jacobian[row, column]:.10g}\n(atol={atol:g}, "
                f"rtol={rtol:g}, eps={eps:g})"
                + ("; the point sits on a kink, see the warning" if kinks else "")
            )


def _random_like(a: np.ndarray, gaps: bool) -> Tensor:
    """Numbers in [-1, 1), drawn as PyTorch draws them; with gaps, every second one of twice as many."""
    if gaps and a.size > 1:
        twice = (*a.shape[:-1], 2 * a.shape[-1])
        return wrap(default_generator.uniform(twice, a.dtype, -1, 1)[..., ::2])
    return wrap(default_generator.uniform(a.shape, a.dtype, -1, 1))


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
    seed: int = 0,
) -> bool:
    """gradcheck of the gradient of func: second derivatives,
    in inputs and in grad_outputs (drawn from [-1, 1) if not given).

    gen_non_contig_grad_outputs draws them in a memory that is not contiguous. The other settings are
    gradcheck's.
    """
    from tinygrad6.autograd import grad

    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck(check_fwd_over_rev=True): there is no forward mode")
    assert check_rev_over_rev, "Expected at least one of check_fwd_over_rev and check_rev_over_rev to be True"

    args, checked = _arguments("gradgradcheck", inputs)
    outs = [o for o in _outputs(func, args) if o.requires_grad]
    if grad_outputs is None:
        weights = [_random_like(o.array, gen_non_contig_grad_outputs).requires_grad_() for o in outs]
    else:
        weights = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def first(*values: Any) -> tuple:
        used, ws = values[: len(args)], values[len(args) :]
        results = [o for o in _outputs(func, list(used)) if o.requires_grad]
        wanted = [used[i] for i in checked]
        gs = grad(results, wanted, list(ws), create_graph=True, allow_unused=True)
        return tuple(g for g in gs if g is not None)

    # The first gradients are recorded even where gradcheck evaluates without recording.
    from tinygrad6.modes import enable_grad

    return gradcheck(
        enable_grad(first),
        [*args, *weights],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
        seed=seed,
    )
