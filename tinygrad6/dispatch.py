"""The ways to call an op: its public signature, and what happens behind it.

`Op.run` does everything, with loops; what stands here is the same with the loops written out.

A training step of a small model makes dozens of calls whose arithmetic takes a microsecond each, so what
happens around it counts. Three shapes cover nearly all of them: one Tensor; two Tensors, or a Tensor and a
number; one to four Tensors with settings. Whatever they cannot do quickly (other types, mixed dtypes, arrays
inside a rule) they pass to `Op.run`.

The names in a signature are PyTorch's; NumPy's spellings of some (`axis`, `keepdims`) are taken for them,
here and, by `renames` and `renamed`, in composites and functions with `out=`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6 import layouts
from tinygrad6.engine import Node
from tinygrad6.modes import state
from tinygrad6.tensor import TENSORS, wrap
from tinygrad6.view import link, live_node

ndarray = np.ndarray
NUMBERS = frozenset({float, int})
BOOL, HALF, SINGLE = np.dtype(bool), np.dtype(np.float16), np.dtype(np.float32)
ERRORS = (ValueError, OverflowError, IndexError, TypeError)


class _Missing:
    def __repr__(self) -> str:  # seen in help()
        return "required"


MISSING: Any = _Missing()  # stands for the default of a parameter that has none
# NumPy's spellings, which PyTorch takes too
ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


# ---- parameters


class Parameter(NamedTuple):
    """A parameter of a forward: what inspect.signature would tell, read in a fiftieth of the time,
    400 times at import."""

    name: str
    default: Any
    keyword_only: bool


def parameters_of(function: Any) -> list[Parameter]:
    """The parameters of a plain function without * or **, in order."""
    code, defaults, keyword_defaults = (
        function.__code__,
        function.__defaults__ or (),
        function.__kwdefaults__ or {},
    )
    names, n = code.co_varnames, code.co_argcount
    padded = (*[MISSING] * (n - len(defaults)), *defaults)
    plain = [Parameter(name, default, False) for name, default in zip(names[:n], padded, strict=True)]
    extra = names[n : n + code.co_kwonlyargcount]
    return plain + [Parameter(name, keyword_defaults.get(name, MISSING), True) for name in extra]


def parameter_names(function: Any) -> list[str]:
    """The names of a function's parameters, of an op's or a wrapped one's too."""
    if (op := getattr(function, "op", None)) is not None:
        return [*op.public_names, *op.statics]
    code = inspect.unwrap(function).__code__
    return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def with_names(function: Any, names: Sequence[str]) -> Any:
    """The function, its first parameters called `names` (pow's exponent), at no cost per call."""
    code = function.__code__
    if code.co_cellvars:  # a name that an inner function shares cannot be changed: Python would crash
        raise TypeError(f"{function.__name__} has inner functions that share its parameters")
    function.__code__ = code.replace(co_varnames=(*names, *code.co_varnames[len(names) :]))
    return function


# ---- calls


def unary(op: Any) -> Callable[..., Any]:
    """The call of an op of one array without settings."""
    forward, run = op.forward, op.run
    keep_x, keep_out = op.keep[1] or (False, False)
    keeps = keep_x or keep_out
    differentiable = op.rules[0] is not None
    # NumPy's ufuncs make floats of integers themselves; other forwards must not see them, or some types
    # at all
    guarded = "biu" if op.floating and op.ufunc is None else op.refuse
    limit, large, plain = op.limit, op.large, op.layout == "plain"
    params: dict = {}

    def call(input: Any) -> Any:
        if type(input) is ndarray:  # inside a rule
            return forward(input)
        if type(input) not in TENSORS:
            return run((input,), {})
        x = input.array
        if guarded and x.dtype.kind in guarded:
            return run((input,), {})
        out = forward(x) if x.size < limit else large((x,), params)
        if out.dtype is not x.dtype:
            return run((input,), {})
        if type(out) is not ndarray:
            out = np.asarray(out)
        if plain and layouts.unusual:
            out = layouts.plain(out)
        result = wrap(out)
        node = input.node if input.view_of is None else live_node(input)
        if node is not None and differentiable and state.grad:
            if keeps:
                result.node = Node(
                    op,
                    (node,),
                    (x if keep_x else None, out if keep_out else None),
                    (input.cell if keep_x else None, result.cell if keep_out else None),
                    params,
                    out,
                )
            else:
                result.node = Node(op, (node,), (), (), params, out)
        return result

    return call


def binary(op: Any) -> Callable[..., Any]:
    """The call of an op of two arrays without settings, whose types are promoted."""
    forward, run, keep = op.forward, op.run, op.keep
    x_has_rule, y_has_rule = op.rules[0] is not None, op.rules[1] is not None
    limit, large, laid = op.limit, op.large, op.laid
    exact = op.name in ("mul", "div")
    params: dict = {}

    def call(input: Any, other: Any) -> Any:
        if type(input) in TENSORS:
            x = one = input.array
            cx = input.cell
            if type(other) in TENSORS:
                y = other.array
                if x.dtype is not y.dtype:
                    return run((input, other), {})
                ny = (other.node if other.view_of is None else live_node(other)) if y_has_rule else None
                cy = other.cell
            elif type(other) in NUMBERS:
                y = other
                ny = cy = None
                if exact and x.dtype is HALF:  # the number is not rounded to float16 first
                    return call(input.to(SINGLE), other).to(HALF)
            else:
                return run((input, other), {})
            nx = (input.node if input.view_of is None else live_node(input)) if x_has_rule else None
        elif type(input) in NUMBERS and type(other) in TENSORS:
            x, y = input, other.array
            one = y
            nx = cx = None
            if exact and y.dtype is HALF:
                return call(input, other.to(SINGLE)).to(HALF)
            ny = (other.node if other.view_of is None else live_node(other)) if y_has_rule else None
            cy = other.cell
        else:
            return run((input, other), {})
        try:
            out = forward(x, y) if one.size < limit else large((x, y), params)
        except (ValueError, OverflowError, TypeError):
            return run((input, other), {})  # the long way, which explains what is wrong
        if out.dtype is not one.dtype and out.dtype is not BOOL:
            return run((input, other), {})
        if type(out) is not ndarray:
            out = np.asarray(out)
        if layouts.unusual and type(x) is type(y) and not x.flags.c_contiguous:
            out = laid(out, (x, y))  # NumPy gives way to the second array, PyTorch does not
        result = wrap(out)
        if (nx is not None or ny is not None) and state.grad:
            flags = keep[(nx is not None) + (ny is not None) * 2]
            if flags is None:
                result.node = Node(op, (nx, ny), (), (), params, out)
            else:
                kx, ky, ko = flags
                result.node = Node(
                    op,
                    (nx, ny),
                    (x if kx else None, y if ky else None, out if ko else None),
                    (cx if kx else None, cy if ky else None, result.cell if ko else None),
                    params,
                    out,
                )
        return result

    return with_names(call, op.public_names)


def settled(op: Any) -> Callable[..., Any]:
    """(input, ..., settings) -> result for an op of one to four arrays;
    the settings are a dict that may be changed."""
    parameters = list(op.parameters)[: len(op.rules)]
    optional = tuple(p.default is None for p in parameters)
    return _unrolled(optional, op.promote)(op)


@functools.cache
def _unrolled(optional: tuple[bool, ...], promote: tuple[int, ...]) -> Callable[..., Any]:
    """Write out the loops of `Op.run` over the array arguments:
    which may be None, and which must be of one type."""
    every = range(len(optional))

    def each(text: str, separator: str = ", ") -> str:
        return separator.join(text.format(i=i) for i in every)

    def flag(text: str) -> str:
        return " + ".join(f"({text.format(i=i)}) * {1 << i}" for i in every)

    tensors = " and ".join(
        f"(p{i} is None or type(p{i}) in TENSORS)" if optional[i] else f"type(p{i}) in TENSORS" for i in every
    )
    alike = " and ".join(f"x{a}.dtype is x{b}.dtype" for a, b in zip(promote, promote[1:], strict=False))
    arrays = "; ".join(
        f"x{i} = None if p{i} is None else p{i}.array" if optional[i] else f"x{i} = p{i}.array" for i in every
    )
    nodes = "\n                ".join(
        f"n{i} = None if not r{i}{f' or p{i} is None' if optional[i] else ''} else "
        f"p{i}.node if p{i}.view_of is None else live_node(p{i})"
        for i in every
    )
    cells = ", ".join(
        f"p{i}.cell if k{i}{f' and p{i} is not None' if optional[i] else ''} else None" for i in every
    )
    source = f"""
def make(op):
    forward, run, prepare, view = op.forward, op.run, op.prepare, op.view
    check, floating, limit, large = op.check, op.floating, op.limit, op.large
    laid, lays = op.laid, op.layout != "any"
    {each("r{i}")}, = [rule is not None for rule in op.rules]
    keep = op.keep
    def call({each("p{i}")}, params):
        if {tensors}:
            {arrays}
            if {f"{alike} and " if alike else ""}check is None and not (floating and x0.dtype.kind != "f"):
                if prepare is not None:
                    arrays = [{each("x{i}")}]
                    prepare(arrays, params)
                    {each("x{i}")}, = arrays
                try:
                    if x0.size < limit:
                        y = forward({each("x{i}")}, **params)
                    else:
                        y = large([{each("x{i}")}], params)
                except ERRORS as e:
                    raise op.explained(e, [{each("x{i}")}], params) from e
                if type(y) is not ndarray:
                    y = np.asarray(y)
                if lays and layouts.unusual and not (x0.flags.c_contiguous and y.flags.c_contiguous):
                    y = laid(y, ({each("x{i}")},))
                out = wrap(y)
                if view:
                    link_if_shared(out, y, p0, x0, op, params)
                if not state.grad or y.dtype.kind != "f":
                    return out
                {nodes}
                if {each("n{i} is None", " and ")}:
                    return out
                flags = keep[{flag("n{i} is not None")}]
                if flags is None:
                    out.node = Node(op, ({each("n{i}")},), (), (), params, y)
                else:
                    {each("k{i}")}, ky = flags
                    saved = ({each("x{i} if k{i} else None")}, y if ky else None)
                    cells = ({cells}, out.cell if ky else None)
                    out.node = Node(op, ({each("n{i}")},), saved, cells, params, y)
                return out
        return run(({each("p{i}")},), params)
    return call
"""
    space = dict(globals())
    exec(source, space)
    return space["make"]


def link_if_shared(out: Any, y: ndarray, t: Any, x: ndarray, op: Any, params: dict) -> None:
    """Make `out` a view of `t` if a view op really gave memory of x;
    a copy that it had to make is a tensor of its own."""
    owner, base = x if x.base is None else x.base, y.base
    # as_strided's base is no array; a copy that was reshaped has that copy as its base
    if base is owner or y is x or base is x or base is not None and not isinstance(base, ndarray):
        link(out, t, op, params)


# ---- signatures and spellings


def renames(names: Iterable[str]) -> dict[str, str]:
    """The other spellings that a function with parameters of these names takes: spelling -> name."""
    own = set(names)
    return {k: v for k, v in ALIASES.items() if v in own and k not in own}


def renamed(kwargs: dict, spellings: dict[str, str], function: str) -> dict:
    """The keywords under their own names; TypeError where one is given twice."""
    out = {}
    for k, v in kwargs.items():
        name = spellings.get(k, k)
        if name in out:
            raise TypeError(f"{function}() got multiple values for argument '{name}'")
        out[name] = v
    return out


def with_signature(op: Any) -> Callable[..., Any]:
    """A function with the op's public signature, which gathers its settings in a dict."""
    shown = op.public_names
    names = [*shown, *op.statics]
    spellings = renames(names)
    if spellings.keys().isdisjoint(("axis", "keepdims")):
        spellings = {}  # what nobody writes should not cost a dict in each call of linear
    head: list[str] = []
    defaults = {}
    wanted: list[str] = []  # required arguments with another spelling, and those behind them: asked for below
    for name, p in zip(names, op.parameters, strict=True):
        if p.keyword_only and "*" not in head:
            head.append("*")
        if p.default is MISSING and (wanted or name in spellings.values()):
            wanted.append(name)
        elif p.default is MISSING:
            head.append(name)
            continue
        head.append(f"{name}=_{name}")
        defaults[f"_{name}"] = p.default
    items = ", ".join(f"{n!r}: {n}" for n in op.statics)
    inputs = ", ".join(shown)
    lacks = " or ".join(f"{n} is MISSING" for n in wanted)
    source = (
        f"def {op.shown}({', '.join(head)}{', **aliases' if spellings else ''}):\n"
        + (f"    if aliases: return again({inputs}, aliases, {{{items}}})\n" if spellings else "")
        + (f"    if {lacks}: lacking({', '.join(wanted)})\n" if wanted else "")
        + f"    return call({inputs}, {{{items}}})\n"
    )
    call = settled(op) if 1 <= len(shown) <= 4 else lambda *args: op.run(args[:-1], args[-1])

    def again(*args: Any) -> Any:
        *inputs, others, params = args
        given = {**dict(zip(shown, inputs, strict=True)), **params}
        for spelling, value in others.items():
            name = spellings.get(spelling)
            if name is None:
                raise TypeError(f"{op.shown}() got an unexpected keyword argument '{spelling}'")
            if given[name] is not defaults[f"_{name}"]:
                raise TypeError(f"{op.shown}() got multiple values for argument '{name}'")
            given[name] = value
        if any(given[n] is MISSING for n in wanted):
            lacking(*(given[n] for n in wanted))
        return call(*(given[n] for n in shown), {n: given[n] for n in op.statics})

    def lacking(*args: Any) -> None:
        lost = [repr(n) for n, a in zip(wanted, args, strict=True) if a is MISSING]
        raise TypeError(
            f"{op.shown}() missing {len(lost)} required positional argument{'s' * (len(lost) > 1)}: "
            + " and ".join(lost)
        )

    space = {**defaults, "call": call, "again": again, "lacking": lacking, "MISSING": MISSING}
    exec(source, space)
    return space[op.shown]
