"""`@op`: one block of code defines an operation. Its gradient rules stand above, its forward below.

    @op(lambda g, y: g * y, lambda g, x: g * x, infix="mul", promote=True, domain=REAL)
    def mul(x, y):
        "x * y, elementwise."
        return np.multiply(x, y)

The forward works on arrays. There is one rule per array argument; a rule takes `g`, the gradient of the
output, and then **asks by name** for what it needs: an input, `out`, `x_shape`, a static argument. Exactly
that is saved, and only for the arguments being differentiated. None instead of a rule says that there is no
gradient. Rules are read on arrays and, under `create_graph`, on Tensors; so they use operators, indexing and
other ops, and never NumPy. A `kernel`, optional, gives all first-order gradients at once on arrays for ops
where speed matters; a law of the tests holds it to the rules. A fused op may go without rules: with a
`reference`, the same function composed of other ops, and `derived` in the place of each rule, higher
derivatives are those of the reference.

From the block follow the function, the Tensor method, the operator, the in-place twin, the tests, the
benchmark entry and the row in the docs. `@composite` registers a function built from other ops.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6 import blocks, dispatch, dtypes, layouts
from tinygrad6.accidents import nameless, told
from tinygrad6.dispatch import MISSING
from tinygrad6.engine import Node, backprop
from tinygrad6.modes import state
from tinygrad6.tensor import TENSORS, UFUNCS, Tensor, as_array, wrap
from tinygrad6.view import live_node

OPS: dict[str, Op] = {}  # every primitive, by name
COMPOSITES: dict[str, Callable[..., Any]] = {}  # every function built from primitives, by name
NAMES: dict[str, Callable[..., Any]] = {}  # what `tinygrad6` exports of both
PUBLIC = {"x": "input", "y": "other", "w": "weight", "b": "bias", "t": "target"}  # in rules -> PyTorch's
SHOWN = {  # operations that users know by other names
    "quotient": "div",
    "reshape_to": "reshape",
    "expand_to": "expand",
    "permute_to": "permute",
    "windows": "unfold",
    "scaled": "ldexp",
}
REAL = (-2.0, 2.0)  # a domain for functions defined everywhere
POSITIVE = (0.3, 3.0)
ndarray = np.ndarray


def derived(g):
    """In the place of a rule: the gradient is the one of the op's `reference`."""
    raise TypeError("derived stands for a rule and is never called")


def no_derivative(g):
    """The rule of what has no derivative in PyTorch either:
    the result requires grad, and backward refuses it."""
    raise RuntimeError(
        "derivative is not implemented for this op (floor_divide, heaviside), which is constant almost "
        "everywhere: detach() its inputs"
    )


def make_cache(arrays: list, params: dict) -> None:
    """A `prepare` for ops with a `cache`: the forward leaves there what it has computed and the kernel needs.

    It lives in the node's settings, and goes with them when the node is freed.
    """
    params["cache"] = []


class Case(NamedTuple):
    """One example call for tests, docs and benchmarks: shapes of the array arguments, then the static ones.

    An entry of `shapes` may also be a function from a NumPy generator to an array (for indices, masks, ...).
    """

    shapes: tuple
    params: dict


def case(*shapes: Any, **params: Any) -> Case:
    """Write an example: case((2, 3), dim=1)."""
    return Case(shapes, params)


class Op:
    """An operation: its forward, its rules, and the plans made from them once."""

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: tuple,
        *,
        kernel: Callable[..., Any] | None = None,
        reference: Callable[..., Any] | None = None,
        promote: bool | tuple[int, ...] = False,
        floating: bool = False,
        prepare: Callable[[list, dict], None] | None = None,
        check: Callable[[list], None] | None = None,
        view: bool = False,
        domain: tuple[float, float] | None = None,
        avoid: tuple[float, ...] = (),
        examples: list[Case] | None = None,
        torch: str | None = None,
        node_name: str | Callable[[Node], str] | None = None,
        ufunc: Any = None,
        elementwise: bool | None = None,
        layout: str | None = None,
        refuse: str = "",
    ) -> None:
        self.name = forward.__name__
        self.shown = SHOWN.get(self.name, self.name)
        self.parameters = dispatch.parameters_of(forward)
        n = len(rules)
        self.arrays = [p.name for p in self.parameters[:n]]
        self.statics = {p.name: p for p in self.parameters[n:]}
        self.public_names = [PUBLIC.get(a, a) for a in self.arrays]
        self.forward = forward if ufunc is None else ufunc
        self.rules = rules
        self.promote = tuple(range(n)) if promote is True else promote or ()
        self.floating, self.prepare, self.check, self.view = floating, prepare, check, view
        if domain is None and examples is None:
            raise TypeError(
                f"@op {self.name}: give a domain or examples, so that the laws can be tested on it"
            )
        self.domain = domain or REAL
        self.avoid = avoid  # kinks: tests draw away from them
        self.examples = examples if examples is not None else [case(*[(2, 3)] * n)]
        self.torch = torch
        self.node_name = (
            node_name
            if callable(node_name)  # PyTorch numbers the forms of one function
            else (node_name or self.name.replace("_", " ").title().replace(" ", "")) + "Backward0"
        )
        self.ufunc, self.refuse = ufunc, refuse
        self.elementwise = ufunc is not None if elementwise is None else elementwise
        by_element = self.elementwise or domain is not None and examples is None
        self.layout = layout or ("any" if view else "follow" if by_element else "plain")
        self.limit = blocks.LARGE if self.elementwise else math.inf  # elements from which it works in blocks
        self.doc = inspect.getdoc(forward) or ""
        if (derived in rules) != (reference is not None):
            raise TypeError(f"@op {self.name}: `derived` rules and a `reference` come together")
        self.reference = reference
        self.needs = [None if r is None else self.arrays if r is derived else _asked(r) for r in rules]
        self.readers = [
            _derived(self, i) if r is derived else _reader(self, r, i) for i, r in enumerate(rules)
        ]
        self.kernel = None if kernel is None else _reader(self, kernel, None)
        self.kernel_needs = asked_by_kernel = set() if kernel is None else set(_asked(kernel))
        pool = [*self.arrays, "out"]
        self.keep: list[tuple[bool, ...] | None] = []  # what to save, for every set of live arguments
        for live in range(1 << n):
            wanted = {k for i in range(n) if live >> i & 1 for k in self.needs[i] or ()}
            wanted |= asked_by_kernel if live else set()
            flags = tuple(k in wanted for k in pool)
            self.keep.append(flags if any(flags) else None)
        self.call: Callable[..., Any] = forward

    def run(self, inputs: tuple, params: dict) -> Any:
        """Apply to Tensors, arrays or numbers; record if a Tensor among them wants gradients."""
        arrays: list[Any] = []
        cells: list[Any] = []
        parents: list[Any] = []
        live, recording, rules = 0, state.grad, self.rules
        tensors = False
        for i, t in enumerate(inputs):
            if type(t) in TENSORS:
                tensors = True
                arrays.append(t.array)
                cells.append(t.cell)
                node = None
                if recording and rules[i] is not None:
                    node = t.node if t.view_of is None else live_node(t)
                    if node is not None:
                        live |= 1 << i
                parents.append(node)
            elif isinstance(t, Tensor):
                return t.run(self, inputs, params)  # a stand-in, for a batch of gradients
            else:
                arrays.append(t)
                cells.append(None)
                parents.append(None)
        if not tensors:  # inside a rule, or arrays in and arrays out
            if any(isinstance(a, (ndarray, np.generic)) for a in arrays):
                try:
                    return self.forward(*arrays, **params)
                except (TypeError, ValueError) as e:
                    for i, a in enumerate(arrays):
                        if not isinstance(a, (ndarray, np.generic, bool, int, float)):
                            raise self.wrong_type(i, a) from e
                    raise
            raise self.wrong_type(0, inputs[0] if inputs else None)
        for i, a in enumerate(arrays):
            if type(a) is not ndarray and a is not None:
                arrays[i] = self.operand(a, i)
        if self.check is not None:
            self.check(arrays)
        if self.refuse and arrays[0].dtype.kind in self.refuse:
            raise NotImplementedError(
                f'"{self.name}_cpu" not implemented for {dtypes.from_numpy(arrays[0].dtype)}'
            )
        if self.promote:
            try:
                self.to_common_type(arrays)
            except OverflowError as e:  # an int beyond 64 bits
                raise self.explained(e, arrays, params) from e
        elif self.floating and arrays[0].dtype.kind != "f":
            arrays[0] = arrays[0].astype(dtypes.default_float())
        if self.prepare is not None:
            try:
                self.prepare(arrays, params)
            except AttributeError as e:
                raise self.explained(e, arrays, params) from e
        try:
            large = self.elementwise and max(getattr(a, "size", 0) for a in arrays) >= self.limit
            out = self.large(arrays, params) if large else self.forward(*arrays, **params)
        except (ValueError, OverflowError, IndexError, TypeError, AttributeError) as e:
            raise self.explained(e, arrays, params) from e
        if type(out) is not ndarray:
            out = np.asarray(out)
        if layouts.unusual:
            out = self.laid(out, arrays)
        result = wrap(out)
        if live and out.dtype.kind == "f":
            keep = self.keep[live]
            if keep is None:
                result.node = Node(self, tuple(parents), (), (), params, out)
            else:
                arrays.append(out)
                cells.append(result.cell)
                saved = tuple([a if k else None for a, k in zip(arrays, keep, strict=True)])
                used = tuple([c if k else None for c, k in zip(cells, keep, strict=True)])
                result.node = Node(self, tuple(parents), saved, used, params, out)
        return result

    def laid(self, out: ndarray, arrays: Sequence[Any]) -> ndarray:
        """The result in the order in which PyTorch lays it in memory: see layouts.py."""
        if self.layout == "follow":
            return layouts.follow(out, arrays)
        if self.layout == "channels" and layouts.has_channels_last(arrays[0]):
            return layouts.channels_last(out)
        return out if self.layout == "any" else layouts.plain(out)

    def large(self, arrays: Sequence[Any], params: dict) -> Any:
        """The forward of an elementwise op on large arrays: in blocks, shared among threads."""
        if blocks.alike(arrays):
            first = next(a for a in arrays if type(a) is ndarray and a.ndim)
            if self.ufunc is None:
                found = blocks.in_blocks(lambda *parts: (self.forward(*parts, **params),), arrays)
                if found is not None:
                    return found[0]
            elif first.size >= blocks.SHARED and all(
                type(a) is not ndarray or a.dtype.kind == "f" for a in arrays
            ):
                return blocks.ufunc_in_parts(self.ufunc, arrays, first.dtype)
        return self.forward(*arrays, **params)

    def operand(self, a: Any, i: int) -> Any:
        """A non-tensor argument: numbers stay weak, NumPy scalars become numbers, sequences are refused."""
        if isinstance(a, (bool, int, float)):
            return float(a) if isinstance(a, np.floating) else a
        if isinstance(a, np.generic):
            return a.item()
        if isinstance(a, ndarray):
            dtypes.from_numpy(a.dtype)
            return a
        raise self.wrong_type(i, a)

    def wrong_type(self, i: int, a: Any) -> TypeError:
        """The error for `a` in the place of the i-th array."""
        return TypeError(
            f"{self.shown}(): argument '{self.public_names[i]}' (position {i + 1}) "
            f"must be Tensor, not {type(a).__name__}"
        )

    def to_common_type(self, arrays: list) -> None:
        """Cast the promoted arguments to their common type; Python numbers among arrays stay weak."""
        chosen = [arrays[i] for i in self.promote]
        common = dtypes.result_type(*chosen)
        if self.floating and common.kind != "f":
            common = dtypes.default_float()
        for i, a in zip(self.promote, chosen, strict=True):
            if a is None:
                raise self.wrong_type(i, a)
            if type(a) is not ndarray:
                # an array, so that NumPy neither widens to its own choice nor refuses what PyTorch wraps
                if common.kind != "f" or not any(type(b) is ndarray and b.dtype == common for b in chosen):
                    arrays[i] = np.asarray(a).astype(common)
            elif a.dtype != common:
                arrays[i] = a.astype(common)

    def explained(self, e: Exception, arrays: list, params: dict) -> Exception:
        """NumPy's error as PyTorch's type, with the op, what came, and the inner message."""
        if isinstance(e, AttributeError):  # of None, or a number, where only an array will do
            strange = [i for i, a in enumerate(arrays) if a is getattr(e, "obj", e)]
            return self.wrong_type(strange[0], arrays[strange[0]]) if strange else e
        shapes = [a.shape for a in arrays if isinstance(a, ndarray)]
        inner = str(e)
        if "broadcast" in inner and len(shapes) == 2 and (found := _mismatch(*shapes)):
            inner = found
        came = ", ".join(
            [f"{n}: {_describe(a)}" for n, a in zip(self.public_names, arrays, strict=False)]
            + [f"{k}={v!r}" for k, v in params.items() if not isinstance(v, ndarray)]
        )
        kind = (
            IndexError
            if isinstance(e, IndexError)
            else RuntimeError
            if isinstance(e, (ValueError, OverflowError))  # a number that the type cannot hold
            else TypeError
        )
        name = self.shown
        spaces = (sys.modules.get(f"tinygrad6{part}") for part in ("", ".nn.functional", ".special"))
        if not any(hasattr(space, name) for space in spaces):  # the public function adds its own name
            return nameless(kind(f"{inner} (given {came})"))
        return kind(f"{name}({came}): {inner}")


def op(
    *rules: Callable[..., Any] | None,
    infix: str | None = None,
    inplace: bool = False,
    method: bool | str = True,
    public: bool = True,
    **facts: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Define a primitive in one place; see the top of this file and `Op` for the facts it takes.

    What follows from the block:

    infix       operator name, "mul" for `*` (and its reflection)
    inplace     also attach `name_`
    method      attach as a Tensor method (or under the name given)
    public      export as `tinygrad6.name`
    node_name   the node's name in the graph without "Backward0", such as "AvgPool2D"; a function of the node
                gives the whole name, where PyTorch numbers the forms of one op

    How it runs:

    promote     bring the array arguments (or those numbered) to a common type
    floating    integers become the default float first
    refuse      the kinds of types ("b", "biu") that PyTorch has no kernel for
    check       check(arrays) refuses mixtures of types, before they are promoted
    prepare     prepare(arrays, params) normalises and validates, before the forward runs
    ufunc       NumPy's ufunc of the same meaning, called directly; the body may then be empty
    elementwise forward and rules may be computed on parts of the arrays, which they then are where arrays are
                large; so it is for a ufunc
    view        the result may share the input's memory
    layout      how the result lies in memory, see layouts.py: "follow" (the default of elementwise ops),
                "channels", "any" (as the forward made it), else row-major
    kernel, reference: see the top of this file

    How it is tested:

    domain      where tests draw inputs
    avoid       the kinks to stay away from
    examples    calls to test and show
    torch       the dotted name to compare with, if it differs
    """

    def define(forward: Callable[..., Any]) -> Callable[..., Any]:
        call: Any
        made = Op(forward, rules, **facts)
        if made.statics or len(rules) not in (1, 2) or made.prepare or made.view:
            call = dispatch.with_signature(made)
        else:
            call = (dispatch.unary if len(rules) == 1 else dispatch.binary)(made)
        functools.update_wrapper(
            call, forward, assigned=("__module__", "__name__", "__qualname__", "__doc__")
        )
        del call.__wrapped__
        call.__qualname__ = made.shown  # what Python says of missing arguments
        call.op = made
        made.call = call
        OPS[made.name] = made
        if public:
            NAMES[made.name] = call
        if made.ufunc is not None:
            UFUNCS[made.ufunc] = call
        if method:
            attach(made.name if method is True else method, call, inplace)
        if infix:
            setattr(Tensor, f"__{infix}__", _operator(call))
            if len(rules) == 2:
                setattr(Tensor, f"__r{infix}__", _operator(lambda self, other: call(other, self)))
            if inplace:
                setattr(Tensor, f"__i{infix}__", getattr(Tensor, f"{made.name}_"))
        return call

    return define


def composite(
    *,
    inplace: bool = False,
    method: bool | str = True,
    public: bool = True,
    fresh: bool = False,
    examples: list[Case] | None = None,
    spellings: dict[str, str] | None = None,
    node_name: str = "",
    **facts: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of Tensors that is built from ops;
    `examples` as for `op`, [] if it has no gradient.

    fresh: the result is new for the caller, although it may be a view of something made in between.
    spellings: further keywords that PyTorch takes, beside NumPy's -> the function's own.
    node_name: what the results' node is called in the graph, as for `op`; else by the last op.
    """

    def define(function: Callable[..., Any]) -> Callable[..., Any]:
        call = function if not node_name else _named(function, node_name)
        if fresh:
            inner = call
            call = functools.wraps(function)(lambda *a, **k: _owned(inner(*a, **k), (*a, *k.values())))
        call.examples, call.facts = examples, facts  # type: ignore[attr-defined]
        checked = COMPOSITES[function.__name__] = checked_tensors(call, function, spellings)
        if public:
            NAMES[function.__name__] = checked
        if method:
            attach(function.__name__ if method is True else method, checked, inplace, composed=True)
        return checked

    return define


@functools.cache
def _twin(op: Op, name: str) -> Op:
    twin = copy.copy(op)
    twin.node_name = f"{name}Backward0" if name[-1].isalpha() else name
    return twin


def named(t: Any, name: str) -> Any:
    """t, newly made, its node called "nameBackward0" in the graph, or `name` if that ends in a digit."""
    node = t.node
    if node is not None and node.op is not None:
        node.op = _twin(node.op, name)
    return t


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        for t in out if isinstance(out, tuple) else (out,):
            if t.node is not None and not any(t is a for a in args):
                named(t, name)
        return out

    return call


def _owned(t: Any, given: tuple) -> Any:
    """t; no view any more if its base is nothing that was given: then nobody else has it."""
    if t.view_of is not None:
        base = t.view_of.base
        if not any(
            g is base or type(g) in TENSORS and g.view_of is not None and g.view_of.base is base
            for g in given
        ):
            t.view_of = None
    return t


def checked_tensors(
    call: Callable[..., Any], function: Callable[..., Any], more: dict[str, str] | None = None
) -> Callable[..., Any]:
    """`call` with a TypeError where something else stands for a parameter annotated as Tensor, and NumPy's
    spellings of its parameters."""
    code, kinds = function.__code__, function.__annotations__
    names = code.co_varnames[: code.co_argcount]
    expected = [(i, n, kinds[n]) for i, n in enumerate(names) if kinds.get(n) in ("Tensor", "Tensor | None")]
    several = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & 0x04 else ""
    if kinds.get(several) != "Tensor":
        several = ""
    spellings = dispatch.renames(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    spellings.update(more or {})
    if not expected and not several and not spellings:
        return call

    def refuse(i: int, name: str, a: Any) -> None:
        raise TypeError(
            f"{function.__name__}(): argument '{name}' (position {i + 1}) must be Tensor, not "
            f"{type(a).__name__}"
        )

    @functools.wraps(call)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
        if kwargs and not spellings.keys().isdisjoint(kwargs):
            kwargs = dispatch.renamed(kwargs, spellings, function.__name__)
        for i, name, kind in expected:
            a = args[i] if i < given else kwargs.get(name, MISSING)
            if (
                type(a) not in TENSORS
                and a is not MISSING
                and not isinstance(a, (Tensor, ndarray, np.generic))
            ):
                if a is not None or kind == "Tensor":
                    refuse(i, name, a)
        if several:
            for i, a in enumerate(args[len(names) :], len(names)):
                inside = a if isinstance(a, (tuple, list)) and a else [a]  # some take one sequence instead
                if not all(isinstance(b, (Tensor, ndarray)) for b in inside):
                    refuse(i, several, a)
        try:
            return call(*args, **kwargs)
        except Exception as e:
            if (better := told(e, function.__name__, args, kwargs)) is not None:
                raise better from e
            raise

    return checked


def attach(name: str, call: Callable[..., Any], inplace: bool = False, composed: bool = False) -> None:
    """Make `call` a Tensor method, with an in-place twin if asked."""
    from tinygrad6.inplace import twin

    setattr(Tensor, name, call)
    if inplace:
        setattr(Tensor, f"{name}_", twin(name, call, composed))


# ---- operators and names


def _operator(call: Callable[..., Any]) -> Callable[..., Any]:
    """The operator form: an operand that is neither tensor, array nor number is left to its own type."""

    def operate(self: Any, *other: Any) -> Any:
        try:
            return call(self, *other)
        except TypeError:
            if other and not isinstance(other[0], (Tensor, ndarray, np.generic, bool, int, float)):
                return NotImplemented
            raise

    return operate


# ---- plans


def _asked(rule: Callable[..., Any]) -> list[str]:
    """The names a rule asks for, after g."""
    code = getattr(rule, "__code__", None)
    if code is None:
        return list(inspect.signature(rule).parameters)[1:]
    return list(code.co_varnames[1 : code.co_argcount])  # as signature has it, in a fiftieth of the time


def _reader(op: Op, rule: Callable[..., Any] | None, own: int | None) -> Callable[..., Any] | None:
    """`rule` as a function of (g, node): each name it asks for is looked up where it is kept.

    The lookup is written out once and compiled, since it runs for every gradient of every op.
    """
    if rule is None:
        return None
    rule.__name__ = f"{op.name}.{'kernel' if own is None else f'rule[{op.arrays[own]}]'}"
    sources = []
    for name in _asked(rule):
        base, _, kind = name.rpartition("_")
        if name in op.arrays or name == "out":
            sources.append(f"n.saved[{[*op.arrays, 'out'].index(name)}]")
        elif name in op.statics:
            sources.append(f"n.params[{name!r}]")
        elif name == "needs":
            wanted = (f"n.parents[{i}] is not None" for i in range(len(op.arrays)))
            sources.append(f"({', '.join(wanted)},)")
        elif base in op.arrays and kind == "shape" and own in (op.arrays.index(base), None):
            sources.append(f"n.parents[{op.arrays.index(base)}].shape")
        else:
            raise TypeError(
                f"@op {op.name}: the rule {rule.__name__} asks for {name!r}, which nothing provides"
            )
    return _lookup(", ".join(["g", *sources]))(rule)


def _derived(op: Op, i: int) -> Callable[..., Any]:
    """The reader of a `derived` rule: the gradient of the reference at the saved inputs."""

    def reader(g: Any, n: Any) -> Any:
        arrays = type(g) not in TENSORS
        before, state.grad = state.grad, True
        try:
            # Through an identity of its own, so that only paths inside the reference are followed.
            inputs = [wrap(a) if type(a) is ndarray else a for a in n.saved[: len(op.arrays)]]
            if arrays:
                inputs[i].requires_grad_()
            inputs[i] = OPS["identity"].call(inputs[i])
            out = op.reference(*inputs, **n.params)  # type: ignore[misc]
            target = inputs[i].node
            if target is None or out.node is None:
                return None
            found = list(backprop([(out.node, g)], not arrays, True, {target}))
        finally:
            state.grad = before
        return found[0][1] if found else None

    return reader


@functools.cache
def _lookup(arguments: str) -> Callable[..., Any]:
    return eval(f"lambda rule: lambda g, n: rule({arguments})")


def _mismatch(a: tuple, b: tuple) -> str | None:
    """PyTorch's sentence about two shapes that do not broadcast."""
    for i in range(1, min(len(a), len(b)) + 1):
        if a[-i] != b[-i] and 1 not in (a[-i], b[-i]):
            return (
                f"The size of tensor a ({a[-i]}) must match the size of tensor b ({b[-i]}) "
                f"at non-singleton dimension {max(len(a), len(b)) - i}"
            )
    return None


def _describe(a: Any) -> str:
    return f"{a.dtype}{list(a.shape)}" if isinstance(a, ndarray) else repr(a)


def lift(value: Any, like: Tensor | None = None) -> Tensor:
    """A Tensor from a Tensor, an array or a number (of like's type, where its category allows)."""
    if isinstance(value, Tensor):
        return value
    array = as_array(value)
    if like is not None and not isinstance(value, (ndarray, np.generic)):
        array = array.astype(dtypes.result_type(like.array, value))
    return wrap(array)
