"""Functions of functions: grad, vjp, jvp, Jacobians, Hessians and vmap of pure functions,
and modules with other weights.

Arguments and results may be tensors, or tuples, lists and dicts of them, nested at will. Derivatives are
taken of leaves of the function's own. Whether they are recorded in turn depends on what the function's result
reaches besides these: the arguments of an outer `grad`, or captured tensors that require gradients. If it
reaches nothing, they are plain numbers.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad6 import autograd, random
from tinygrad6.accidents import public
from tinygrad6.engine import Leaf, Node
from tinygrad6.modes import enable_grad, state
from tinygrad6.tensor import Tensor, wrap

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]


# ---- nested values


def _map(value: Any, f: Callable[..., Any], *others: Any) -> Any:
    """f of every tensor of a nest, and of what stands in its place in the others."""
    if isinstance(value, Mapping):
        pairs = ((k, _map(v, f, *[o[k] for o in others])) for k, v in value.items())
        return type(value)(pairs)  # type: ignore[call-arg]
    if isinstance(value, (tuple, list)):
        parts = [_map(v, f, *[o[i] for o in others]) for i, v in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return f(value, *others) if isinstance(value, Tensor) else value


def _only_tensors(nest: Any) -> None:
    """ValueError if anything but tensors is in the nest."""
    if isinstance(nest, (tuple, list, Mapping)):
        for v in nest.values() if isinstance(nest, Mapping) else nest:
            _only_tensors(v)
    elif not isinstance(nest, Tensor):
        raise ValueError(f"vjp(f, *primals): primals must be Tensors, got {type(nest).__name__}")


def _flat(value: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _map(value, found.append)
    return found


# ---- what all derivatives have in common


def _chosen(name: str, args: tuple, argnums: Any) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not isinstance(n, int) or not -len(args) <= n < len(args):
            raise RuntimeError(f"{name}(): Got argnum={n}, but only {len(args)} positional inputs")
    places = tuple(n % len(args) for n in numbers)
    if len(set(places)) < len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


class _Run:
    """One call of the function on leaves of its own in the places `numbers`."""

    out: Any
    aux: Any

    def __init__(
        self, name: str, func: Callable[..., Any], args: tuple, numbers: tuple, aux: bool, kwargs: dict
    ) -> None:
        self.leaves: list[Tensor] = []
        tracked = list(args)
        for n in numbers:
            tracked[n] = _map(args[n], self._track)
        self.inputs = [tracked[n] for n in numbers]
        with enable_grad():
            out = func(*tracked, **kwargs)
        if aux and not (isinstance(out, tuple) and len(out) == 2):
            raise RuntimeError(
                f"{name}(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
            )
        self.out, self.aux = out if aux else (out, None)
        own = {t.node for t in self.leaves}
        self.nested = _reaches_others([t.node for t in _flat(out) if t.requires_grad], own)

    def _track(self, t: Tensor) -> Tensor:
        if not t.is_floating_point():
            raise RuntimeError(f"only floating-point tensors have derivatives, got one of {t.dtype}")
        if state.lanes:  # every slice differentiates in its own
            from tinygrad6.autograd.lanes import Lanes, widened

            t = Lanes(widened(t, state.lanes))
        tracked = t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
        self.leaves.append(tracked)
        return tracked

    def grad(
        self, outs: list, weights: list, graph: bool | None = None, batched: bool = False
    ) -> list[Tensor]:
        """The products of cotangents, or of batches of them, with the Jacobian, one per leaf;
        zeros where nothing depends."""
        live = [(o, w) for o, w in zip(outs, weights, strict=True) if o.requires_grad]
        if not live or not self.leaves:
            lead = weights[0].array.shape[:1] if batched else ()
            return [wrap(np.zeros((*lead, *t.array.shape), t.array.dtype)) for t in self.leaves]
        graph = self.nested if graph is None else graph
        found = autograd.grad(
            [o for o, _ in live],
            self.leaves,
            [w for _, w in live],
            retain_graph=True,
            create_graph=graph,
            allow_unused=True,
            is_grads_batched=batched,
            materialize_grads=True,
        )
        return list(found)

    def like_inputs(self, gradients: Sequence[Tensor]) -> list[Any]:
        """The leaves' gradients, nested as the inputs are."""
        found = iter(gradients)
        return [_map(i, lambda t: next(found)) for i in self.inputs]

    def given(self, value: Any) -> Any:
        """Results as they are given out."""
        return value if self.nested else _map(value, lambda t: t.detach())


def _reaches_others(roots: list[Node | None], own: set) -> bool:
    """Whether the graph leads to a leaf that is none of `own`. Iterative."""
    seen = {n for n in roots if n is not None}
    stack = list(seen)
    while stack:
        node = stack.pop()
        if isinstance(node, Leaf) and node not in own:
            return True
        new = [p for p in node.parents if p is not None and p not in seen]
        seen.update(new)
        stack += new
    return False


def _matching(name: str, given: Any, like: Any, what: str) -> list[Tensor]:
    """Cotangents or tangents, flat, checked against what they belong to."""
    vs, ts = _flat(given), _flat(like)
    if len(vs) != len(ts):
        raise RuntimeError(
            f"{name}: expected {what} of the structure of the "
            f"{'outputs' if what == 'cotangents' else 'primals'}"
        )
    for v, t in zip(vs, ts, strict=True):
        if v.array.shape != t.array.shape:
            raise RuntimeError(
                f"{name}: {what} of shape {list(v.shape)} given for a tensor of shape {list(t.shape)}"
            )
    return vs


def _tensors_only(name: str, out: Any) -> Any:
    flat: list[Tensor] = []
    _map(out, flat.append)
    if not flat and not isinstance(out, (tuple, list, Mapping)):
        raise RuntimeError(
            f"{name}: Expected f to be a function that has non-empty output, got output = {out!r}"
        )
    return out


# ---- first derivatives


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns (d func / d args[argnums], func(args));
    func returns a 0-d tensor, or (it, aux)."""

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        run = _Run("grad_and_value", func, args, _chosen("grad_and_value", args, argnums), has_aux, kwargs)
        value = run.out
        if not isinstance(value, Tensor):
            raise RuntimeError(
                f"grad_and_value(f)(*args): Expected f(*args) to return a tensor, got {type(value).__name__}"
            )
        if value.array.ndim:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with "
                f"{value.array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        found = run.like_inputs(run.grad([value], [None]))
        answer = found[0] if isinstance(argnums, int) else tuple(found)
        value = run.given(value)
        return (answer, (value, run.given(run.aux))) if has_aux else (answer, value)

    return wrapped


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns d func / d args[argnums];
    may be applied to its own result for higher derivatives.

    >>> import tinygrad6 as torch
    >>> grad(grad(lambda x: x ** 3))(torch.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapped


@public
def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(primals), f), or with the aux at the end;
    f(cotangent) is cotangent^T J, a tuple if there are several primals."""
    _only_tensors(primals)
    run = _Run("vjp", func, primals, tuple(range(len(primals))), has_aux, {})
    _tensors_only("vjp(f, *primals)", run.out)

    def product(*cotangents: Any) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        vs = _matching("vjp(f, *primals)", given, run.out, "cotangents")
        nested = run.nested or any(v.requires_grad for v in vs)
        found = run.like_inputs(run.grad(_flat(run.out), vs, nested))
        return tuple(found)

    out = run.given(run.out)
    return (out, product, run.given(run.aux)) if has_aux else (out, product)


@public
def jvp(
    func: Callable[..., Any], primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(func(primals), J tangents), or with the aux at the end. By two backward passes: see `linearize`."""
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call "
            "f(*primals)."
            if not isinstance(primals, tuple)
            else "jvp(f, primals, tangents): Expected tangents to be a tuple of the structure of primals."
        )
    if len(primals) != len(tangents):
        raise RuntimeError(
            f"jvp(f, primals, tangents): expected as many tangents as primals, got {len(tangents)} for "
            f"{len(primals)}"
        )
    out, push, aux = _linear("jvp", func, primals, has_aux, strict)
    product = push(*tangents)
    return (out, product, aux) if has_aux else (out, product)


@public
def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(primals), f), where f(*tangents) is J tangents."""
    return _linear("linearize", func, primals, False, False)[:2]


def _linear(
    name: str, func: Callable[..., Any], primals: tuple, has_aux: bool, strict: bool
) -> tuple[Any, Any, Any]:
    """The derivative of v -> J^T v in v, applied to a tangent u, is J u: recorded once, used for any u."""
    run = _Run(name, func, primals, tuple(range(len(primals))), has_aux, {})
    _tensors_only(name, run.out)
    outs = _flat(run.out)
    if strict and not all(o.requires_grad for o in outs):
        raise RuntimeError(f"{name}(f, primals, tangents): Expected f to depend on the primals (strict=True)")
    dummies = [wrap(np.zeros_like(o.array)).requires_grad_() for o in outs]
    with enable_grad():
        transposed = run.grad(outs, dummies, True)

    def push(*tangents: Any) -> Any:
        us = _matching(name, tangents, primals, "tangents")
        live = [(t, u) for t, u in zip(transposed, us, strict=True) if t.requires_grad]
        nested = run.nested or any(u.requires_grad for u in us)
        if live:
            found = iter(
                autograd.grad(
                    [t for t, _ in live],
                    dummies,
                    [u for _, u in live],
                    retain_graph=True,
                    create_graph=nested,
                    allow_unused=True,
                    materialize_grads=True,
                )
            )
        else:
            found = iter([wrap(np.zeros_like(d.array)) for d in dummies])
        return _map(run.out, lambda o: next(found))

    return run.given(run.out), push, run.given(run.aux)


# ---- matrices of derivatives


def _jacobian(
    name: str, func: Callable[..., Any], argnums: Any, has_aux: bool, chunk: int | None = None
) -> Callable[..., Any]:
    from tinygrad6.autograd.lanes import jacobian_blocks

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        run = _Run(name, func, args, _chosen(name, args, argnums), has_aux, kwargs)
        _tensors_only(name, run.out)

        def block(o: Tensor) -> Any:
            products = lambda units: run.grad([o], [units], batched=True)  # noqa: E731
            found = run.like_inputs(jacobian_blocks(o, run.leaves, products, chunk))
            return found[0] if isinstance(argnums, int) else tuple(found)

        answer = _map(run.out, block)
        return (answer, run.given(run.aux)) if has_aux else answer

    return wrapped


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that returns d func / d args[argnums], of the shape of the output,
    then that of the argument.

    The rows, one per element of the output, come from one backward pass, or `chunk_size` of them from each
    of several; without it, as many as fit in some memory. ValueError unless chunk_size is positive.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")
    return _jacobian("jacrev", func, argnums, has_aux, chunk_size)


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The same numbers as jacrev, found in the same way: there is no forward mode."""
    return _jacobian("jacfwd", func, argnums, has_aux)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of func in its argument number argnums: jacrev of jacrev."""
    return jacrev(jacrev(func, argnums), argnums)


# ---- over a batch


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps func over slices of its arguments and stacks the results.

    in_dims: for each positional argument the dimension to slice (an int), None for what is the same in each
    call, or a nest of these; out_dims likewise for the results. func is called once, with stand-ins for all
    slices (tinygrad6/autograd/lanes.py), or once per `chunk_size` of them. Where that cannot be, because it
    branches on values, calls item() or changes something in place, it is called again, for each slice; so it
    should have no effects besides its result. randomness: "error" raises if func draws random numbers;
    "different" lets it, and "same" gives each slice the same ones: both call func for each slice.

    >>> import tinygrad6 as torch
    >>> vmap(torch.dot, in_dims=(0, None))(torch.eye(2), torch.tensor([3.0, 4.0]))
    tensor([3., 4.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    alone: list[bool] = []  # whether slices had to be taken alone

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        name = getattr(func, "__name__", repr(func))
        if not isinstance(in_dims, (int, tuple, list)):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
                f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
            )
        dims = _spread(in_dims, args, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)")
        sizes = {t.array.shape[d] for t, d in zip(_flat(args), dims, strict=True) if d is not None}
        if not sizes:
            raise ValueError(f"vmap({name}): at least one input must be mapped over")
        if len(sizes) > 1:
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
                f"{[t.array.shape[d] for t, d in zip(_flat(args), dims, strict=True) if d is not None]} for "
                "the mapped dimension"
            )
        (size,) = sizes
        if not size:
            raise NotImplementedError(
                f"vmap({name}): a batch of size 0 has no result whose shape could be known"
            )
        if randomness == "error" and size > 1 and not alone and not state.lanes:
            start = random.get_rng_state()
            try:
                return _together(func, args, kwargs, dims, chunk_size or size, out_dims)
            except Exception:  # whatever it is: slice by slice there is a result, or an error that explains
                random.set_rng_state(start)
            found = _one_by_one(func, args, kwargs, dims, size, out_dims, randomness)
            alone.append(True)
            return found
        return _one_by_one(func, args, kwargs, dims, size, out_dims, randomness)

    return wrapped


def _together(
    func: Callable[..., Any], args: tuple, kwargs: dict, dims: list, chunk: int, out_dims: Any
) -> Any:
    """func of all slices, `chunk` of them at a time; raises if it needs to see them one by one."""
    from tinygrad6.autograd.lanes import Lanes, NotTogether, map_over, widened
    from tinygrad6.ops.join import cat

    moved = [t if d is None else t.movedim(d, 0) for t, d in zip(_flat(args), dims, strict=True)]
    if not all(type(t).__module__.startswith("tinygrad6") for t in moved):
        raise NotTogether  # a subclass with rules of its own
    size = next(len(t.array) for t, d in zip(moved, dims, strict=True) if d is not None)
    start = random.get_rng_state()
    outs = []
    for first in range(0, size, chunk):
        k = min(chunk, size - first)
        parts = iter(
            [
                t if d is None else Lanes(t if k == size else t[first : first + k])
                for t, d in zip(moved, dims, strict=True)
            ]
        )
        out = map_over(func, _map(args, lambda t: next(parts)), kwargs, k)  # noqa: B023
        _map_results(getattr(func, "__name__", ""), out)
        outs.append(_map(out, lambda t: t.full if type(t) is Lanes else widened(t, k).clone()))  # noqa: B023
    if not np.array_equal(start.array, random.get_rng_state().array):
        raise NotTogether
    places = iter(_spread_out(out_dims, outs[0], ""))
    return _map(outs[0], lambda *c: (cat(c) if len(c) > 1 else c[0]).movedim(0, next(places)), *outs[1:])


def _one_by_one(
    func: Callable[..., Any], args: tuple, kwargs: dict, dims: list, size: int, out_dims: Any, randomness: str
) -> Any:
    """func of each slice, stacked."""
    name = getattr(func, "__name__", repr(func))
    start = random.get_rng_state()
    outs = []
    for i in range(size):
        if randomness == "same":
            random.set_rng_state(start)
        at = iter(dims)
        piece = _map(args, lambda t: t if (d := next(at)) is None else t.select(d, i))  # noqa: B023
        outs.append(_slice(func, piece, kwargs, last=i == size - 1))
        if not i and randomness == "error" and not np.array_equal(start.array, random.get_rng_state().array):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' "
                "or 'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )
    _map_results(name, outs[0])
    places = iter(_spread_out(out_dims, outs[0], name))
    return _map(outs[0], lambda *column: _stacked(list(column), next(places)), *outs[1:])


def _slice(func: Callable[..., Any], args: Any, kwargs: dict, last: bool) -> Any:
    """func of one slice. A graph from outside that it goes back through is kept for the slices to come."""
    before, state.retain = state.retain, state.retain or not last
    try:
        return func(*args, **kwargs)
    finally:
        state.retain = before


def _spread(dims: Any, args: Any, where: str) -> list[int | None]:
    """One dimension per tensor in args, in order, checked."""
    if dims is None:
        return [None for _ in _flat(args)]
    if isinstance(dims, int):
        found: list[int | None] = []
        for t in _flat(args):
            n = t.array.ndim
            if not -n <= dims < n:
                raise ValueError(
                    f"{where}: Got in_dim={dims} for some input, but that input is a Tensor of "
                    f"dimensionality {n} so expected in_dim to satisfy -{n} <= in_dim < {n}."
                )
            found.append(dims % n)
        return found
    if isinstance(dims, Mapping):
        if not isinstance(args, Mapping) or dims.keys() != args.keys():
            raise ValueError(f"{where}: in_dims is not compatible with the structure of inputs")
        return list(itertools.chain.from_iterable(_spread(dims[k], args[k], where) for k in args))
    if not isinstance(args, (tuple, list)) or len(dims) != len(args):
        raise ValueError(f"{where}: in_dims is not compatible with the structure of inputs")
    return list(itertools.chain.from_iterable(_spread(d, a, where) for d, a in zip(dims, args, strict=True)))


def _spread_out(dims: Any, out: Any, name: str) -> list[int]:
    if isinstance(dims, int):
        return [dims for _ in _flat(out)]
    parts = out if isinstance(out, (tuple, list)) else [out]
    if not isinstance(dims, (tuple, list)) or len(dims) != len(parts):
        raise ValueError(
            f"vmap({name}, ..., out_dims={dims}): out_dims is not compatible with the structure of outputs"
        )
    return list(
        itertools.chain.from_iterable(_spread_out(d, o, name) for d, o in zip(dims, parts, strict=True))
    )


def _map_results(name: str, out: Any) -> None:
    """ValueError unless the result is made of tensors only."""
    parts = out.values() if isinstance(out, Mapping) else out if isinstance(out, (tuple, list)) else None
    if parts is not None:
        for part in parts:
            _map_results(name, part)
    elif not isinstance(out, Tensor):
        raise ValueError(f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(out)}.")


def _stacked(tensors: list[Tensor], dim: int) -> Tensor:
    from tinygrad6.ops.join import stack

    return stack(tensors, dim)


# ---- modules


@public
def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors in the place of its parameters and buffers,
    which stay as they are."""
    if not isinstance(parameter_and_buffer_dicts, (Mapping, list, tuple)):
        raise ValueError(
            "functional_call(): expected parameter_and_buffer_dicts to be a dict, or a list or tuple of "
            f"dicts, got {type(parameter_and_buffer_dicts).__name__}"
        )
    given: dict[str, Tensor] = {}
    for d in (
        [parameter_and_buffer_dicts]
        if isinstance(parameter_and_buffer_dicts, Mapping)
        else parameter_and_buffer_dicts
    ):
        if twice := [name for name in d if name in given]:
            raise ValueError(
                f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given.update(d)
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if tie_weights:
        for name, t in list(given.items()):
            tied = sorted(n for n, o in own.items() if name in own and o is own[name])
            if any(given.get(n, t) is not t for n in tied):
                raise ValueError(
                    f"functional_call got multiple values for keys {tied}, which are tied. "
                    "Consider using tie_weights=False"
                )
            given.update(dict.fromkeys(tied, t))
    if strict and (missing := set(own) - set(given)):
        raise RuntimeError(f"functional_call: Missing key(s): {sorted(missing)}")
    if strict and (extra := set(given) - set(own)):
        raise RuntimeError(f"functional_call: Unexpected key(s): {sorted(extra)}")
    parts = ((*name.rpartition("."), t) for name, t in given.items())
    places = [(module.get_submodule(path), key, t) for path, _, key, t in parts]
    for owner, key, t in places:
        for value in (t, getattr(owner, key, None)):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"{value} is not an instance of torch.Tensor")
        if isinstance(getattr(type(owner), key, None), property):
            raise NotImplementedError(
                f"functional_call: {key} is parametrized: give parametrizations.{key}.original instead"
            )
    before = [(owner, key, vars(owner).get(key, owner)) for owner, key, _ in places]  # owner: was not there
    try:
        for owner, key, t in places:
            vars(owner)[key] = t
        arguments = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for owner, key, t in before:
            if t is owner:
                del vars(owner)[key]
            else:
                vars(owner)[key] = t


@public
def stack_module_state(models: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of several models of one kind, stacked along a new first dimension,
    as leaves of their own.

    With vmap and functional_call on one of the models, an ensemble is called at once. RuntimeError unless all
    models are of the same class, and all in training or all in evaluation.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(dicts: list[dict]) -> dict[str, Tensor]:
        out = {}
        for name in dicts[0]:
            column = [d[name] for d in dicts]
            if len({t.requires_grad for t in column}) > 1:
                raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
            out[name] = _stacked([t.detach() for t in column], 0).requires_grad_(column[0].requires_grad)
        return out

    return stacked([dict(m.named_parameters()) for m in models]), stacked(
        [dict(m.named_buffers()) for m in models]
    )


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """func itself: PyTorch rewrites its in-place operations for compilers, with the same results."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove={remove!r}): expected remove to be 'mutations' or 'mutations_and_views'"
        )
    return func


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let the batch norms of a tree keep no running statistics, which vmap cannot update; returns root."""
    from tinygrad6.nn.norm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
