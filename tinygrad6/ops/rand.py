"""Tensors of random numbers, and the methods that fill tensors with them.

The numbers are those of PyTorch's CPU generator, drawn in its order: see tinygrad6/random.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad6 import dtypes, layouts, random
from tinygrad6.arguments import checked, composite, real, refused, whole
from tinygrad6.layouts import axis_order
from tinygrad6.modes import state
from tinygrad6.op import OPS, _mismatch, named
from tinygrad6.ops.create import (
    _besides,
    _finish,
    _numeric,
    _sequence,
    _size,
    _type,
    empty_like,
)
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.view import live_node

# ---- new tensors


def _generator(generator: random.Generator | None) -> random.Generator:
    if generator is None:
        return random.default_generator
    if not isinstance(generator, random.Generator):
        raise TypeError(f"argument 'generator' must be a Generator, not {type(generator).__name__}")
    return generator


def _random_float(dtype: Any, name: str, rest: dict | None = None) -> np.dtype:
    kind = _type(dtype, None, rest)
    if rest:
        _besides(dict(rest))  # before a number is drawn
    if kind.kind != "f":
        raise NotImplementedError(
            f"{name}: not implemented for {dtypes.from_numpy(kind)}; random floats need a float type"
        )
    return kind


def rand(
    *size: Any,
    generator: random.Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    shape = _size(size, rest, "rand")
    return _finish(
        _generator(generator).uniform(shape, _random_float(dtype, "rand", rest)), requires_grad, device, rest
    )


def randn(
    *size: Any,
    generator: random.Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """Standard normal numbers."""
    shape = _size(size, rest, "randn")
    return _finish(
        _generator(generator).normal(shape, _random_float(dtype, "randn", rest)), requires_grad, device, rest
    )


def randint(
    *args: Any,
    generator: random.Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **named: Any,
) -> Tensor:
    """Integers in [low, high): randint(high, size) or randint(low, high, size). int64."""
    values = list(args)
    size = named.pop("size", None)
    if size is None:
        size = values.pop() if values else ()
    low, high = named.pop("low", None), named.pop("high", None)
    if high is None:
        high = values.pop()
    if low is None:
        low = values.pop() if values else 0
    kind = _type(dtype, dtypes.INT64, named)
    _besides(dict(named))
    low, high = whole("randint", "low", 1, low), whole("randint", "high", 2, high)
    if kind.kind != "f" and kind != dtypes.INT64:
        least, most = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        for what, n, v in (("from", "low", low), ("to - 1", "high", high)):
            if not least <= v - (n == "high") <= most:
                raise RuntimeError(f"{what} is out of bounds for {dtypes.from_numpy(kind)}")
    return _finish(
        _generator(generator).integers(
            _sequence(size, "randint", len(args)),
            low,
            high,
            kind,
        ),
        requires_grad,
        device,
        named,
    )


def randperm(
    n: int,
    *,
    generator: random.Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """A random order of 0 ... n - 1, as int64."""
    n = whole("randperm", "n", 1, n)
    if n < 0:
        raise RuntimeError(f"randperm(): n must be non-negative, got {n}")
    _besides(dict(rest))
    kind = _numeric("randperm", _type(dtype, dtypes.INT64, rest))
    return _finish(_generator(generator).permutation(n).astype(kind), requires_grad, device, rest)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: random.Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    """Normal numbers: of a given mean and std with `size`, or one per element of the tensors mean and std."""
    g = _generator(generator)
    if rest:
        _besides(dict(rest))
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        m, s = (
            v.array if isinstance(v, Tensor) else real("normal", n, i, v)
            for i, (n, v) in enumerate((("mean", mean), ("std", std)), 1)
        )
        if size is not None:
            raise TypeError("normal(): give either tensors or a size, not both")
        kind = _random_float(getattr(m if isinstance(m, np.ndarray) else s, "dtype", None), "normal")
        if not np.all(np.greater_equal(s, 0)):
            raise RuntimeError("normal expects all elements of std >= 0.0")
        _alike_shapes(np.shape(m), np.shape(s))
        drawn = g.normal(np.broadcast_shapes(np.shape(m), np.shape(s)), kind, m, s)
        return _constant(_finish(drawn, requires_grad, device, rest), "Normal", mean, std)
    if size is None:
        raise TypeError("normal() missing 1 required positional argument: 'size'")
    mean, std = real("normal", "mean", 1, mean), real("normal", "std", 2, std)
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return _finish(
        g.normal(_sequence(size, "normal", 3), _random_float(dtype, "normal", rest), mean, std),
        requires_grad,
        device,
        rest,
    )


@composite()
def bernoulli(input: Tensor, p: float | None = None, *, generator: random.Generator | None = None) -> Tensor:
    """1 with probability input[i] (or p), else 0, in input's shape and type."""
    g = _generator(generator)
    if p is None:
        _random_float(input.dtype, "bernoulli")
    drawn = g.bernoulli(input.array if p is None else float(p), input.array.shape)
    return _constant(wrap(np.asarray(drawn).astype(input.array.dtype)), "Bernoulli", input)


@composite()
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: random.Generator | None = None
) -> Tensor:
    """`num_samples` indices drawn with probabilities proportional to the rows of input (n,) or (m, n).

    int64.
    """
    return wrap(_generator(generator).multinomial(input.array, num_samples, replacement))


def _constant(drawn: Tensor, name: str, *sources: Any) -> Tensor:
    """What was drawn, by the function of that name, from `sources`: they get gradients of 0."""
    for s in sources:
        if isinstance(s, Tensor) and state.grad and s.requires_grad:
            drawn = named(drawn + OPS["nothing"].call(s), name)
    return drawn


def _alike_shapes(a: tuple, b: tuple) -> None:
    if told := _mismatch(a, b):
        raise RuntimeError(told)


@checked
def poisson(input: Tensor, generator: random.Generator | None = None) -> Tensor:
    """Poisson numbers with the rates input, in its shape and type. Its gradient is 0."""
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f'"poisson_cpu" not implemented for {input.dtype}')
    if not (input.array >= 0).all() or np.isinf(input.array).any():
        raise RuntimeError("poisson: rates must be finite and not negative")
    drawn = _generator(generator).poisson(input.array)
    return _constant(wrap(drawn.astype(input.array.dtype)), "Poisson", input)


@checked
def binomial(count: Tensor, prob: Tensor, generator: random.Generator | None = None) -> Tensor:
    """How many of count[i] trials with probability prob[i] succeed; the two broadcast. Floats of one type."""
    if count.array.dtype.kind != "f" or count.array.dtype != prob.array.dtype:
        raise ValueError(
            "binomial only supports floating-point dtypes for count and prob, equal ones, got: "
            f"{count.dtype}, {prob.dtype}"
        )
    _alike_shapes(count.array.shape, prob.array.shape)
    n, p = np.broadcast_arrays(count.array, prob.array)
    drawn = _generator(generator).binomial(n, p)
    return _constant(wrap(drawn.astype(count.array.dtype)), "Binomial", count, prob)


def _like_random(name: str, make: Any) -> Any:
    def like(
        input: Tensor,
        *,
        generator: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **rest: Any,
    ) -> Tensor:
        if not isinstance(input, Tensor):
            raise refused(name, "input", 1, "Tensor", input)
        memory_format = rest.pop("memory_format", None)
        if "out" in rest:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
        kind = _type(dtype, input.array.dtype)
        if memory_format or not input.array.flags.c_contiguous:  # drawn in the order of memory
            t: Any = empty_like(input, dtype=kind, device=device, memory_format=memory_format, **rest)
            (t.uniform_ if make is rand else t.normal_)(generator=generator)
            return t.requires_grad_() if requires_grad else t
        return make(
            input.array.shape,
            generator=generator,
            dtype=kind,
            device=device,
            requires_grad=requires_grad,
            **rest,
        )

    like.__name__ = like.__qualname__ = name
    like.__code__ = like.__code__.replace(co_name=name)  # for _caller
    like.__doc__ = f"As {name[:-5]}, in the shape and type of input."
    return like


rand_like, randn_like = _like_random("rand_like", rand), _like_random("randn_like", randn)


def randint_like(input: Tensor, *bounds: int, dtype: Any = None, **rest: Any) -> Tensor:
    """As randint(low, high), in the shape and type of input."""
    if not isinstance(input, Tensor):
        raise refused("randint_like", "input", 1, "Tensor", input)
    memory_format = rest.pop("memory_format", None)
    if "out" in rest:
        raise TypeError("randint_like() got an unexpected keyword argument 'out'")
    like = layouts.in_format(input.array, memory_format)
    order = layouts.axis_order(like)
    shape = [like.shape[i] for i in order]
    out = randint(*bounds, shape, dtype=_type(dtype, input.array.dtype), **rest)
    out.array = out.array.transpose(np.argsort(order)) if order else out.array
    return out


# ---- filled in place


def _filler(name: str, draw: Any, doc: str) -> None:
    def fill(self: Tensor, *args: Any, generator: random.Generator | None = None, **kwargs: Any) -> Tensor:
        from tinygrad6.inplace import refuse

        recording = state.grad and live_node(self) is not None
        refuse(self, name[:-1], recording)
        a = self.array
        order = None if a.flags.c_contiguous else axis_order(a)  # as it lies in memory
        if order:
            a = a.transpose(order)
            args, kwargs = _in_order(self.array.shape, order, args, kwargs)
            if name == "normal_":
                kwargs["singly"] = True
        drawn = np.asarray(draw(_generator(generator), a, *args, **kwargs))
        if recording:
            drawn = drawn.astype(a.dtype)
            return self.copy_(wrap(drawn.transpose(np.argsort(order)) if order else drawn))
        a[...] = drawn
        self.bump()
        return self

    draw.__name__ = draw.__qualname__ = name  # which says what is missing
    fill.__name__, fill.__doc__ = name, doc
    setattr(Tensor, name, fill)


def _in_order(shape: tuple, order: tuple, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The tensors among the arguments with their dimensions in the given order."""

    def moved(v: Any) -> Any:
        if not isinstance(v, Tensor) or not v.array.ndim:
            return v
        if told := _mismatch(v.array.shape, shape):
            raise RuntimeError(told)
        return wrap(np.broadcast_to(v.array, shape).transpose(order))

    return tuple(map(moved, args)), {k: moved(v) for k, v in kwargs.items()}


def _named(function: str, named: dict, low: Any, high: Any) -> tuple[Any, Any]:
    """`from` and `to`, which are no names for Python's own parameters."""
    if unknown := set(named) - {"from", "to"}:
        raise TypeError(f"{function}() got an unexpected keyword argument '{sorted(unknown)[0]}'")
    return named.get("from", low), named.get("to", high)


def _bounds(g: Any, a: np.ndarray, low: float = 0.0, high: float = 1.0, **named: float) -> Any:
    _random_float(a.dtype, "uniform_")
    low, high = _named("uniform_", named, low, high)
    low, high = real("uniform_", "from", 1, low), real("uniform_", "to", 2, high)
    limit = np.finfo(a.dtype).max
    if not (abs(low) <= limit and abs(high) <= limit):
        raise RuntimeError(f"uniform_: from and to must be finite numbers of {a.dtype}, got {low} and {high}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    return g.uniform(a.shape, a.dtype, low, high)


def _normals(g: Any, a: np.ndarray, mean: float = 0.0, std: float = 1.0, singly: bool = False) -> Any:
    _random_float(a.dtype, "normal_")
    mean, std = real("normal_", "mean", 1, mean), real("normal_", "std", 2, std)
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return g.normal(a.shape, a.dtype, mean, std, singly)


def _integers(g: Any, a: np.ndarray, *bounds: int, **named: int) -> Any:
    if not bounds and not named:
        limit = (
            2 ** (np.finfo(a.dtype).nmant + 1) + 1
            if a.dtype.kind == "f"
            else 2
            if a.dtype.kind == "b"
            else int(np.iinfo(a.dtype).max) + 1
        )
        return g.integers(a.shape, 0, limit, a.dtype, 1 << 32)
    if len(bounds) > 2:
        raise TypeError(f"random_() takes at most 2 positional arguments but {len(bounds)} were given")
    first, last = (0, *bounds) if len(bounds) == 1 and "from" not in named else bounds or (0, None)
    first, last = _named("random_", named, first, last)
    low, high = whole("random_", "from", 1, first), whole("random_", "to", 2, last)
    return g.integers(a.shape, low, high, a.dtype)


def _geometrics(g: Any, a: np.ndarray, p: float) -> np.ndarray:
    if a.dtype.kind == "b":
        raise NotImplementedError("\"geometric_cpu\" not implemented for 'Bool'")
    return g.geometric(a.shape, real("geometric_", "p", 1, p))


_filler("uniform_", _bounds, "Fill with uniform numbers in [from, to), by default [0, 1).")
_filler("normal_", _normals, "Fill with normal numbers of the given mean and std.")
_filler(
    "random_",
    _integers,
    "Fill with integers: random_(to) or random_(from, to); without, over the type's range.",
)
_filler(
    "bernoulli_",
    lambda g, a, p=0.5: g.bernoulli(
        p.array if isinstance(p, Tensor) else real("bernoulli_", "p", 1, p), a.shape
    ),
    "Fill with ones with probability p, else zeros.",
)
_filler(
    "exponential_",
    lambda g, a, lambd=1.0: g.exponential(
        a.shape, _random_float(a.dtype, "exponential_"), real("exponential_", "lambd", 1, lambd)
    ),
    "Fill with exponential numbers of rate lambd.",
)

_filler(
    "geometric_",
    _geometrics,
    "Fill with the number of the first success in trials with probability p, counted from 1.",
)
_filler(
    "cauchy_",
    lambda g, a, median=0.0, sigma=1.0: g.cauchy(
        a.shape, real("cauchy_", "median", 1, median), real("cauchy_", "sigma", 2, sigma)
    ),
    "Fill with numbers of the Cauchy distribution around the median, of width sigma.",
)
_filler(
    "log_normal_",
    lambda g, a, mean=1.0, std=2.0: g.log_normal(
        a.shape, real("log_normal_", "mean", 1, mean), real("log_normal_", "std", 2, std)
    ),
    "Fill with exp of normal numbers of the given mean and std.",
)
