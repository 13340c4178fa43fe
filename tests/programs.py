"""Random programs of tensors: ops, views, in-place changes, hooks, detached parts, passes backward, refusals.

`generate(rng)` writes a program as lines of Python that mean the same to tinygrad6 and to PyTorch; `rng` is a
`random.Random` (plain seeds) or what Hypothesis's `randoms()` gives, so that failures shrink. Lines may
raise: a refusal is part of a program's meaning. tests/parity/test_programs.py runs each program with both
libraries and compares everything after every line; tests/test_programs.py compares gradients with central
differences.

    python tests/programs.py 20000 --start 0      # compare so many programs with PyTorch, shrink what differs
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

import tinygrad6
from tinygrad6.op import COMPOSITES, OPS, Op
from tinygrad6.view import stale

SHAPES = [
    (),
    (1,),
    (3,),
    (2, 3),
    (2, 3),
    (3, 2),
    (2, 2),
    (1, 3),
    (2, 1),
    (0,),
    (2, 0),
    (2, 1, 3),
    (2, 3, 2),
    (1, 1),
]
SMOOTH = [
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "square",
    "neg",
    "erf",
    "atan",
    "expm1",
    "exp",
    "reciprocal",
    "sinh",
]
KINKED = ["abs", "relu", "sign", "floor", "frac", "ceil"]
NOISE = 1e7  # of values beyond, which in-place changes may give, sines and exponentials say nothing
LIMIT = 1e4  # values beyond are brought back by tanh, so that programs compare numbers and not overflow


class Writer:
    """Writes one program while running it with tinygrad6, to know the shapes."""

    def __init__(self, rng: Any, smooth: bool = False) -> None:
        self.rng, self.smooth = (
            rng,
            smooth,
        )  # smooth: differentiable everywhere, no detached parts, no refusals
        self.lines: list[str] = []
        self.data: list[np.ndarray] = []
        self.env: dict[str, Any] = {}
        self.names: list[str] = []
        self.count = 0
        self.env = environment(tinygrad6, self.data)

    # ---- small choices

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def pick(self, items: Any) -> Any:
        return items[self.rng.randrange(len(items))]

    def number(self) -> float:
        return round(self.rng.uniform(-1.5, 1.5), 2)

    def tensor(self) -> str:
        """A variable, the younger the likelier."""
        n = len(self.names)
        return self.names[max(self.rng.randrange(n), self.rng.randrange(n))]

    def shape(self, name: str) -> tuple:
        return tuple(self.env[name].shape)

    def dim(self, shape: tuple) -> int:
        n = max(len(shape), 1)
        return self.rng.randrange(-n, n)

    # ---- lines

    def add(self, line: str) -> bool:
        """Append a line after running it; False if it raised."""
        with quiet():
            try:
                exec(line, self.env)
            except Exception:
                if not self.smooth:
                    self.lines.append(line)
                return False
        self.lines.append(line)
        return True

    def new(self, expression: str, bounded: bool = False) -> str | None:
        name = f"v{self.count}"
        self.count += 1
        if not self.add(f"{name} = {expression}"):
            return None
        t = self.env[name]
        if not isinstance(t, tinygrad6.Tensor):
            return None
        if t.array.size > 60 or t.array.ndim > 4:
            return None
        a = t.array
        if a.dtype.kind == "f" and a.size and not np.abs(a).max() < LIMIT:
            return None
        if a.dtype.kind == "f":
            self.names.append(name)
        return name

    def leaf(self) -> None:
        shape = self.pick(SHAPES)
        if self.smooth and 0 in shape:
            shape = (2,)
        dtype = "float64" if self.smooth or self.chance(0.85) else "float32"
        n = int(np.prod(shape))
        values = np.array([self.rng.randrange(-300, 300) / 200 for _ in range(n)], dtype).reshape(shape)
        self.data.append(values)
        grad = self.smooth or self.chance(0.85)
        name = self.new(f"torch.tensor(data[{len(self.data) - 1}], requires_grad={grad})")
        if not self.smooth and self.chance(0.1):
            self.add(f"{name}.data.mul_(0.5)")  # later, unnoticed by design, it would spoil what rules saved

    def constant(self, shape: tuple, dtype: str | None = None) -> str:
        n = int(np.prod(shape))
        if dtype == "bool":
            values: Any = np.array([self.chance(0.5) for _ in range(n)], bool)
        else:
            values = np.array([self.number() for _ in range(n)])
        return (
            f"torch.tensor({values.reshape(shape).tolist()!r}, "
            f"dtype=torch.{dtype or 'float64'}).reshape({shape})"
        )

    def indices(self, shape: tuple, high: int, once: bool = False) -> str:
        n = int(np.prod(shape))
        values = np.array([self.rng.randrange(max(high, 1)) for _ in range(n)], int).reshape(shape)
        if (
            once and not self.smooth
        ):  # PyTorch gives the gradient to all that were written to one place, not to the last
            values = (np.arange(n) % max(high, 1))[:: self.pick([1, -1])].reshape(shape)
        return f"torch.tensor({values.tolist()!r}, dtype=torch.int64).reshape({shape})"

    def other(self, shape: tuple) -> str:
        """Something to combine with a tensor of the shape:
        a variable that broadcasts, a number, a constant."""
        fitting = [n for n in self.names if _broadcasts(self.shape(n), shape)]
        if fitting and self.chance(0.75):
            return self.pick(fitting)
        if not self.smooth and self.chance(0.03):
            return self.tensor()  # perhaps a misfit
        return (
            repr(self.number())
            if self.chance(0.6)
            else self.constant(self.pick([(), shape, (1,) * len(shape)]))
        )

    def index(self, shape: tuple, once: bool = False) -> str:
        """A basic or advanced index for a tensor of the shape."""
        kind = self.rng.randrange(6)
        if kind == 0 and shape and 0 not in shape:
            return f"{self.mask(shape)}"
        if kind == 1 and shape and shape[0]:
            sizes = [
                s for s in ((2,), (3,), (1,), (2, 2)) if not once or self.smooth or np.prod(s) <= shape[0]
            ]
            return self.indices(self.pick(sizes), shape[0], once)
        if kind == 2:
            return "..."
        parts = []
        for n in shape[: self.rng.randrange(len(shape) + 1)]:
            form = self.rng.randrange(5)
            if form == 0 and n:
                parts.append(str(self.rng.randrange(-n, n)))
            elif form == 1:
                parts.append(f"slice({self.rng.randrange(n + 1)}, {self.rng.randrange(n + 2)})")
            elif form == 2:
                parts.append("slice(None, None, 2)")
            elif form == 3:
                parts.append("slice(1, None)")
            else:
                parts.append("slice(None)")
        if self.chance(0.15):
            parts.insert(self.rng.randrange(len(parts) + 1), "None")
        if self.chance(0.15):
            parts.insert(self.rng.randrange(len(parts) + 1), "...")
        return f"({''.join(p + ', ' for p in parts)})"

    def mask(self, shape: tuple) -> str:
        return self.constant(shape, "bool")

    # ---- steps: each writes one line or a few

    def pointwise(self) -> None:
        x = self.tensor()
        name = self.pick(SMOOTH if self.smooth or self.chance(0.8) else KINKED)
        if name == "reciprocal":
            self.new(f"({x} * {x} + 0.8).reciprocal()")
        elif name in ("exp", "expm1", "sinh"):
            self.new(
                f"{x}.tanh().{name}()"
                if self.chance(0.5)
                else f"({x} * 0.3).clamp(-20, 5).{name}()"
                if not self.smooth
                else f"({x} * 0.3).sin().{name}()"
            )
        else:
            self.new(f"{x}.{name}()" if self.chance(0.5) else f"torch.{name}({x})")

    def binary(self) -> None:
        x = self.tensor()
        y = self.other(self.shape(x))
        if self.chance(0.3):
            x, y = y, x
        forms = [
            "{} + {}",
            "{} - {}",
            "{} * {}",
            "{} * {}",
            (
                "torch.atan2(torch.as_tensor({}, dtype=torch.float64), torch.as_tensor({}, "
                "dtype=torch.float64) * 0.1 + 9.0)"
            ),
            "{} / ({} * 0.1 + 7.5).sin()",
        ]
        if not self.smooth:
            forms += [
                "torch.maximum(torch.as_tensor({}), torch.as_tensor({}))",
                "torch.where({} > 0, {}, 0.5)",
            ]
        self.new(self.pick(forms).format(x, y))

    def reduction(self) -> None:
        x = self.tensor()
        shape = self.shape(x)
        dim: Any = self.pick([self.dim(shape), tuple(range(len(shape)))])
        keep = self.chance(0.5)
        names = ["sum", "mean", "logsumexp", "sum"]
        if not self.smooth:
            # not std: of equal numbers it is rounding noise in both libraries
            names += ["amax", "amin", "var"]
        name = self.pick(names)
        single = [
            f"{x}.softmax({self.dim(shape)})",
            f"{x}.log_softmax({self.dim(shape)})",
            f"{x}.cumsum({self.dim(shape)})",
            f"{x}.prod({self.dim(shape)})",
            f"({x} * {x} + 0.5).sqrt().norm()",
            f"{x}.sum()",
            f"{x}.mean()",
        ]
        if not self.smooth:
            single += [
                f"{x}.max({self.dim(shape)}, {keep})[0]",
                f"{x}.min()",
                f"{x}.norm()",
                f"{x}.max()",
                f"{x}.cummax({self.dim(shape)})[0]",
            ]
        self.new(self.pick(single) if self.chance(0.5) else f"{x}.{name}({dim}, keepdim={keep})")

    def view(self) -> None:
        x = self.tensor()
        shape = self.shape(x)
        n = int(np.prod(shape))
        d, e = self.dim(shape), self.dim(shape)
        forms = [
            f"{x}.transpose({d}, {e})",
            f"{x}.reshape(-1)",
            f"{x}.unsqueeze({d})",
            f"{x}.squeeze()",
            f"{x}.flatten()",
            f"{x}.view({(1, *shape)})",
            f"{x}.view_as({x})",
            f"{x}.expand({(2, *shape)})",
            f"{x}.permute({tuple(range(len(shape)))[::-1]})",
            f"{x}[{self.index(shape)}]",
            f"{x}[{self.index(shape)}]",
            f"{x}[{self.index(shape)}]",
            f"{x}.movedim({d}, {e})",
            f"{x}.reshape({(n, 1)})",
            f"{x}.squeeze({d})",
            f"{x}.contiguous()",
            f"{x}.expand_as({x})",
        ]
        if shape:
            size = shape[d]
            forms += [
                f"{x}.narrow({d}, 0, {self.rng.randrange(size + 1)})",
                f"{x}.unfold({d}, {self.rng.randrange(1, size + 2)}, 1)",
            ]
            if size:
                forms += [f"{x}.select({d}, {self.rng.randrange(-size, size)})"] * 2
        if len(shape) == 2:
            forms += [f"{x}.t()", f"{x}.T", f"{x}.diagonal()", f"{x}.mT"]
        if n and n % 2 == 0:
            forms += [f"{x}.view({(2, n // 2)})", f"{x}.reshape({(n // 2, 2)})"]
        self.new(self.pick(forms))

    def several(self) -> None:
        x = self.tensor()
        shape = self.shape(x)
        if not shape:
            return
        d = self.dim(shape)
        form = self.pick(
            [
                f"chunk(2, {d})",
                f"split(2, {d})",
                f"unbind({d})",
                f"tensor_split(2, {d})",
                f"split([1, {max(shape[d] - 1, 0)}], {d})",
            ]
        )
        name = f"p{self.count}"
        if self.add(f"{name} = {x}.{form}"):
            for i in range(min(len(self.env[name]), 2)):
                self.new(f"{name}[{i}]")

    def arrangement(self) -> None:
        x = self.tensor()
        shape = self.shape(x)
        d = self.dim(shape)
        forms = [
            f"{x}.clone()",
            f"{x}.flip({d})",
            f"{x}.roll(1, {d})",
            f"torch.stack([{x}, {x}], {d})",
            f"{x}.repeat({(2,) * max(len(shape), 1)})",
            f"{x} ** 2",
            f"{x} ** 3",
        ]
        same = [n for n in self.names if self.shape(n) == shape]
        y = self.pick(same)
        forms += [f"torch.stack([{x}, {y}])"]
        if shape:
            forms += [f"torch.cat([{x}, {y}], {d})"] * 2
            if shape[d]:
                forms += [
                    f"{x}.index_select({d}, {self.indices((2,), shape[d])})",
                    f"{x}.gather({d}, {self.indices(shape, shape[d])})",
                ]
        if 2 <= len(shape):
            forms += [f"{x}.tril()", f"{x}.triu(1)", f"{x} @ {x}.transpose(-1, -2)"] + [
                f"{x} @ {y}"
                for y in self.names
                if len(self.shape(y)) >= 1 and self.shape(y)[-2:][0] == shape[-1]
            ][:2]
        forms += [
            f"{x}.masked_fill({self.mask(shape)}, {self.number()})",
            f"torch.where({self.mask(shape)}, {x}, {self.other(shape)})",
        ]
        self.new(self.pick(forms))

    def inplace(self) -> None:
        x = self.tensor()
        shape = self.shape(x)
        y = self.other(shape)
        forms = [
            f"{x}.mul_({y})",
            f"{x}.add_({y})",
            f"{x} += {y}",
            f"{x} *= {y}",
            f"{x}.sub_({y})",
            f"{x}.copy_(torch.as_tensor({y}))",
            f"{x}.zero_()",
            f"{x}.fill_({self.number()})",
            f"{x}.masked_fill_({self.mask(shape)}, {self.number()})",
            f"{x}.sin_()",
            f"{x}.tanh_()",
            f"{x}.neg_()",
            f"{x}[{self.index(shape, once=True)}] = {y}",
            f"{x}[{self.index(shape, once=True)}] = {self.number()}",
            f"{x}[{self.index(shape, once=True)}] += {self.number()}",
            f"{x}[{self.index(shape, once=True)}] *= {self.number()}",
            f"{x}.sigmoid_()",
            f"{x}.square_()",
            f"{x}.cos_()",
        ]
        if not self.smooth:
            forms += [
                f"{x}.clamp_(-0.5, 0.5)",
                f"{x}.relu_()",
                f"{x}.abs_()",
                f"{x}.fill_(torch.as_tensor({y}))",
                f"{x}.pow_(2)",
                f"{x}.exp_()",
            ]
        if shape and shape[0]:
            rows = (
                self.pick([r for r in self.names if self.shape(r) == shape]) + " * 1.0"
            )  # PyTorch refuses x itself
            at = self.indices((shape[0],), shape[0], once=True)
            forms += [
                f"{x}.index_add_(0, {at}, {rows})",
                f"{x}.index_fill_(0, {at}, {self.number()})",
                f"{x}.scatter_(0, {self.indices(shape, shape[0], once=True)}, {self.number()})",
                f"{x}.scatter_add_(0, {self.indices(shape, shape[0])}, {rows})",
                f"{x}.index_copy_(0, torch.arange({shape[0]}), {rows})",
            ]
        self.add(self.pick(forms))

    def registry(self) -> None:
        """An op of the registry on one of its examples, its arguments cut out of variables."""
        name, example, domain = self.pick(registered(self.smooth))
        args = []
        for shape in example.shapes:
            if callable(shape):
                value = np.asarray(shape(np.random.default_rng(self.rng.randrange(100))))
                args.append(
                    f"torch.tensor({value.tolist()!r}, dtype=torch.{value.dtype}).reshape({value.shape})"
                )
            else:
                args.append(f"cut({self.tensor()}, {shape}, {domain})")
        args += [f"{k}={v!r}" for k, v in example.params.items()]
        self.new(f"torch.{name}({', '.join(args)})")

    def history(self) -> None:
        """What changes the graph itself."""
        x = self.tensor()
        shape = self.shape(x)
        forms = [
            f"N = {x}.detach()",
            f"N = {x}.detach().requires_grad_()",
            f"N = {x}.data.clone()",
            f"N = {x}.detach().clone().requires_grad_()",
            f"with torch.no_grad(): {x}.add_({self.number()})",
            f"with torch.no_grad(): {x}.mul_(0.5)",
            f"with torch.no_grad(): N = {x}.view(-1)",
            f"with torch.no_grad(): N = {x} * 2",
            f"{x}.retain_grad()",
            f"{x}.clone()" if self.env[x]._is_view() else f"{x}.register_hook(lambda g: g * 2)",
            f"{x}.register_hook(lambda g: None)",
            f"{x}.requires_grad_()",
            f"{x}.requires_grad_(False)",
            f"{x}.clone().detach_()" if self.env[x]._is_view() else f"{x}.detach_()",
            f"{x}.detach().mul_({self.number()})",
            f"N = {x}.to(torch.{self.pick(['float32', 'float64'])})",
            f"with torch.no_grad(): N = {x}[{self.index(shape)}]",
            f"{x}.grad = None",
            f"with torch.no_grad(): {x}[{self.index(shape)}] = {self.number()}",
            f"N = {x}.to(torch.float64)",
            f"{x}.register_post_accumulate_grad_hook(lambda t: t.grad.mul_(2))",
            f"with torch.enable_grad(): N = {x} * 3",
        ]
        form = self.pick(forms)
        name = f"v{self.count}"
        self.count += 1
        if "N = " in form:
            if self.add(form.replace("N =", f"{name} =")):
                self.names.append(name)
        else:
            self.add(form)

    def backward(self) -> None:
        """A pass in the middle of things."""
        x = self.tensor()
        leaves = [n for n in self.names if _fact(self.env[n], "requires_grad") is True]
        ins = ", ".join(self.pick(leaves) for _ in range(self.rng.randrange(1, 3))) if leaves else x
        retain = self.pick(["True", "True", "True", "False"])
        forms = [
            f"{x}.sum().backward(retain_graph={retain})",
            f"({x} * {x}).sum().backward(retain_graph={retain})",
            f"G = torch.autograd.grad({x}.sum(), [{ins}], retain_graph={retain}, allow_unused=True)",
            f"G = torch.autograd.grad(({x} * {x}).sum(), [{ins}], create_graph=True, allow_unused=True)",
            f"({x} * {x}).sum().backward(inputs=[{ins}], retain_graph={retain})",
            f"{x}.backward(torch.ones_like({x}), retain_graph={retain})",
        ]
        form = self.pick(forms)
        name = f"g{self.count}"
        if form.startswith("G = "):
            if self.add(form.replace("G =", f"{name} =")):
                for i, g in enumerate(self.env[name]):
                    if g is not None:
                        self.new(f"{name}[{i}].clone()")  # PyTorch's may be expanded
        else:
            self.add(form)

    # ---- the whole

    def program(self, steps: int) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.leaf()
        kinds = (
            [self.pointwise] * 3
            + [self.binary] * 4
            + [self.reduction] * 2
            + [self.view] * 6
            + [self.several, self.arrangement, self.arrangement]
        )
        kinds += [self.inplace] * 6 + [self.registry] * 2
        if not self.smooth:
            kinds += [self.history] * 2 + [self.backward]
        for _ in range(steps):
            self.pick(kinds)()
        self.finish()

    def finish(self) -> None:
        """A scalar of several variables, its gradients, and those of a scalar made from the gradients."""
        terms = []
        names = [n for n in self.names if not self.smooth or not stale(self.env[n])]
        for name in names:
            if self.chance(0.5) or name is names[-1]:
                terms.append(f"({name} * {self.number() or 0.5}).sin().sum()")
        self.add(f"loss = torch.zeros((), dtype=torch.float64) + {' + '.join(terms)}")
        leaves = [
            n for n in self.names if _fact(self.env[n], "is_leaf") is True and self.env[n].requires_grad
        ]
        if self.smooth or not leaves or "loss" not in self.env:
            return
        form = self.rng.randrange(3)
        if form == 0:
            self.add("loss.backward()")
            if self.chance(0.2):
                self.add("loss.backward()")
        else:
            some = leaves if self.chance(0.7) else [self.pick(self.names)]
            self.add(
                f"gs = torch.autograd.grad(loss, [{', '.join(some)}], create_graph=True, allow_unused=True)"
            )
            self.add("again = sum((g * g).sum() for g in gs if g is not None)")
            self.add(
                "again.backward()"
                if form == 1
                else f"hs = torch.autograd.grad(again, [{', '.join(some)}], allow_unused=True)"
            )


def _broadcasts(small: tuple, large: tuple) -> bool:
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(small[::-1], large[::-1]))


def cut(t: Any, shape: tuple, domain: tuple, double: Any) -> Any:
    """`shape` worth of t's elements, brought into the domain by a smooth map."""
    n = int(np.prod(shape))
    flat = t.reshape(-1).to(double)  # of one type: mixtures are the business of the tests of single ops
    if not flat.shape[0]:
        flat = t.sum().reshape(1).to(double)
    k = -(-n // flat.shape[0])
    flat = (flat.repeat(k) if k > 1 else flat)[:n].reshape(shape)
    low, high = domain
    # every element gets an offset of its own, or repeated ones would tie
    shift = type(t)([0.1234567 + 0.37 * i % 1.7 for i in range(n)]).reshape(shape).to(flat.dtype)
    return (flat + shift).sin() * (0.45 * (high - low)) + 0.5 * (low + high)


_registered: dict[bool, list] = {}


def registered(smooth: bool) -> list:
    """(name, example, domain) of what the registry has under a name of PyTorch's."""
    if smooth not in _registered:
        rows = []
        try:
            import torch
        except ImportError:
            torch = tinygrad6
        for name, call in [*((n, o) for n, o in OPS.items()), *COMPOSITES.items()]:
            public = getattr(tinygrad6, name, None)
            if public is None or not hasattr(torch, name) or name in UNFIT or (smooth and name in UNSMOOTH):
                continue
            facts = vars(call) if isinstance(call, Op) else call.facts
            for example in call.examples or ():
                if all(_plain(v) for v in example.params.values()) and example.shapes:
                    if any(callable(s) for s in example.shapes) and smooth:
                        continue
                    rows.append((name, example, facts.get("domain", (-2.0, 2.0))))
        _registered[smooth] = rows
    return _registered[smooth]


# Names that mean something else in PyTorch, need what an example does not say, have no gradient to compare,
# or a wrong one in PyTorch 2.13 (as_strided_scatter).
UNFIT = {
    "cross",
    "nextafter",
    "cholesky_inverse",
    "channel_shuffle",
    "empty",
    "as_strided_scatter",
    "bernoulli",
    "multinomial",
    "svd",
    "qr",
    "matrix_exp",
    "tensor_split",
    "unbind",
    "split",
    "chunk",
}
UNSMOOTH = {
    "sign",
    "floor",
    "ceil",
    "round",
    "trunc",
    "frac",
    "floor_divide",
    "remainder",
    "fmod",
    "clamp",
    "clip",
    "sort",
    "topk",
    "median",
    "nanmedian",
    "mode",
    "quantile",
    "nanquantile",
    "kthvalue",
    "max",
    "min",
    "amax",
    "amin",
    "aminmax",
    "cummax",
    "cummin",
}


def _plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_plain(v) for v in value)
    return value is None or type(value) in (int, float, bool, str)


class quiet:
    """Neither library's warnings, nor NumPy's: programs divide by zero on purpose."""

    def __enter__(self) -> None:
        self.manager = warnings.catch_warnings()
        self.manager.__enter__()
        warnings.simplefilter("ignore")
        self.errors = np.errstate(all="ignore")
        self.errors.__enter__()

    def __exit__(self, *exc: object) -> None:
        self.errors.__exit__(None, None, None)
        self.manager.__exit__(None, None, None)


def environment(lib: Any, data: list) -> dict[str, Any]:
    return {"torch": lib, "data": data, "cut": lambda t, s, d: cut(t, s, d, lib.float64)}


def generate(rng: Any, steps: int = 12, smooth: bool = False) -> tuple[list[str], list[np.ndarray]]:
    """The lines of a program, and the values of its leaves."""
    writer = Writer(rng, smooth)
    tinygrad6.manual_seed(0)
    writer.program(rng.randrange(3, steps + 1))
    return writer.lines, writer.data


# ---- comparing with PyTorch


# In what a refusal may differ: which values a rule saves, which results share memory with others, and
# in-place changes through overlapping memory, which we refuse always and PyTorch in most cases.
CHOICES = (
    "second time",
    "NoneType",
    "view size is not compatible",
    "_channel_shuffle",
    "modified by an inplace operation",
    "refer",
    "saved tensor that has been detached",
    "_backward' is not implemented",
)
counts: dict[str, list[str]] = {"stricter": [], "looser": []}


class Difference(AssertionError):
    """The libraries part ways."""


def compare(lines: list[str], data: list[np.ndarray]) -> None:
    """Run with both libraries; Difference if a line raises differently or anything is different after it."""
    import torch

    ours, theirs = environment(tinygrad6, data), environment(torch, data)
    alike = True  # everything so far is laid out in memory in the same way
    pure = True  # everything so far is float64
    versions: dict[tuple, tuple] = {}
    with quiet():
        for number, line in enumerate(lines):
            problem = _step(line, ours), _step(line, theirs)
            where = f"line {number}: {line}"
            kinds = [None if p is None else kind(p) for p in problem]
            if kinds[0] is not kinds[1]:
                if sum(p is None for p in problem) == 1 and any(
                    w in str(problem[0] or problem[1]) for w in CHOICES
                ):
                    counts["stricter" if problem[0] else "looser"].append(str(problem[0] or problem[1]))
                    return
                raise Difference(f"{where}\n  ours: {problem[0]!r}\n  PyTorch: {problem[1]!r}")
            if problem[0] is not None and ("backward(" in line or "autograd.grad(" in line):
                return  # which gradients had arrived, and what was freed, depends on the order of the pass
            for name in ours:
                if name[0] in "vpgh" or name in ("loss", "again"):
                    if name not in theirs:
                        continue
                    for i, (a, b) in enumerate(zip(_flat(ours[name]), _flat(theirs[name]), strict=True)):
                        pure = pure and not (isinstance(a, tinygrad6.Tensor) and a.dtype is tinygrad6.float32)
                        if isinstance(a, tinygrad6.Tensor) and b is not None:
                            start = versions.setdefault((name, i, id(a)), (a._version, b._version))
                            new = a._version - start[0], b._version - start[1]
                            alike = alike and a.is_contiguous() == b.is_contiguous()
                            if new[0] != new[1] and not alike:
                                return  # reshape() copies where the other library's layout needs no copy
                            if new[0] != new[1]:
                                raise Difference(
                                    f"{where}\n  {name}: {new[0]} new versions, PyTorch {new[1]}"
                                )
                        if (
                            isinstance(a, tinygrad6.Tensor)
                            and b is not None
                            and (_zero_that_requires_grad(name, a, b) or _view_of_a_late_leaf(a, b))
                        ):
                            return
                        if (
                            found := difference(a, b, pure, loose="gs" in line or "again" in line)
                        ) is not None:
                            raise Difference(f"{where}\n  {name}: {found}")
                        if isinstance(a, tinygrad6.Tensor) and a.array.dtype.kind == "f" and _size(a) > NOISE:
                            return


def _zero_that_requires_grad(name: str, a: Any, b: Any) -> bool:
    """The gradient of a piecewise constant function is a zero for both, which for us is still recorded."""
    return name[0] in "gh" and a.requires_grad and not b.requires_grad


def _view_of_a_late_leaf(a: Any, b: Any) -> bool:
    """A view made before its base asked for gradients:
    PyTorch says that it requires grad too, and records nothing."""
    return (
        a._is_view()
        and a.requires_grad != b.requires_grad
        and (b.requires_grad or a.view_of.recorded is not True)
    )


def kind(e: BaseException) -> type:
    return next(k for k in type(e).__mro__ if k.__module__ == "builtins")


def _step(line: str, env: dict) -> Exception | None:
    try:
        exec(line, env)
    except Exception as e:
        return e
    return None


def _flat(value: Any) -> list:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def difference(a: Any, b: Any, pure: bool, loose: bool = False) -> str | None:
    """What tells our tensor from PyTorch's: values, dtype, shape, place in the graph, `.grad`;
    None if nothing."""
    if b is None or a is None:
        return None if a is b else f"{a!r}, PyTorch {b!r}"
    if not hasattr(b, "requires_grad"):
        return None if a == b else f"{a!r}, PyTorch {b!r}"
    for fact in ("requires_grad", "retains_grad") if loose else ("requires_grad", "is_leaf", "retains_grad"):
        x, y = _fact(a, fact), _fact(b, fact)
        if x != y:
            return f"{fact} is {x}, PyTorch {y}"
    if _fact(b, "is_leaf") is RuntimeError:
        return None  # a view that may not be used any more
    if (found := unequal(a.array, b.detach().numpy(force=True), pure, loose)) is not None:
        return found
    if not a.is_leaf and (loose or not a.retains_grad):
        return (
            None  # in second derivatives, what passes through an intermediate result depends on the formulas
        )
    g, h = a.grad, b.grad
    if loose and h is None and g is not None and not g.array.any():
        return None
    if (g is None) != (h is None):
        return f".grad is {g!r}, PyTorch {h!r}"
    if h is not None and (found := unequal(g.array, h.detach().numpy(force=True), pure, loose)) is not None:
        return ".grad: " + found
    return None


def _size(t: Any) -> float:
    return float(np.max(np.abs(t.array), initial=0.0, where=np.isfinite(t.array)))


def _fact(t: Any, name: str) -> Any:
    try:
        return getattr(t, name)
    except RuntimeError:
        return RuntimeError


def unequal(x: np.ndarray, y: np.ndarray, pure: bool, loose: bool = False) -> str | None:
    """How two arrays differ; `loose` where PyTorch's nan (of second derivatives at a deviation of 0, say)
    is no rule."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return f"{x.dtype}{list(x.shape)}, PyTorch {y.dtype}{list(y.shape)}"
    if x.dtype.kind != "f":
        return None if np.array_equal(x, y) else f"{x.tolist()}, PyTorch {y.tolist()}"
    x = np.where(np.isnan(y), np.nan, x) if loose else x
    scale = float(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)))
    tolerance = (1e-9 if pure else 3e-4) * scale
    if np.allclose(x, y, rtol=1e-7 if pure else 1e-3, atol=tolerance, equal_nan=True):
        return None
    return f"{x.tolist()}, PyTorch {y.tolist()}"


def shrink(lines: list[str], data: list, broken: Any) -> list[str]:
    """Fewer lines for which `broken(lines, data)` still holds."""
    size = len(lines) // 2
    while size:
        start = 0
        while start < len(lines):
            fewer = lines[:start] + lines[start + size :]
            if broken(fewer, data):
                lines = fewer
            else:
                start += size
        size //= 2
    return lines


def differs(lines: list[str], data: list) -> bool:
    try:
        compare(lines, data)
    except Difference:
        return True
    return False


def main() -> None:
    import argparse
    import random

    parser = argparse.ArgumentParser(description="Compare random programs with PyTorch.")
    parser.add_argument("count", type=int)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--show", type=int, default=30, help="stop after so many differences")
    options = parser.parse_args()
    shown = 0
    for seed in range(options.start, options.start + options.count):
        lines, data = generate(random.Random(seed), options.steps)
        try:
            compare(lines, data)
        except Difference:
            lines = shrink(lines, data, differs)
            try:
                compare(lines, data)
            except Difference as e:
                print(f"seed {seed}")
                for i, a in enumerate(data):
                    if any(f"data[{i}]" in line for line in lines):
                        print(f"  data[{i}] = np.array({a.tolist()}, '{a.dtype}').reshape({a.shape})")
                print("\n".join("  " + line for line in lines), f"\n  --> {e}\n", flush=True)
            shown += 1
            if shown >= options.show:
                break
    print(f"{seed - options.start + 1} programs, {shown} differ; an in-place change refused")
    for which, messages in counts.items():
        print(
            f"  {which} than PyTorch: {len(messages)}",
            *sorted({m[:160] for m in messages})[:10],
            sep="\n    ",
        )
    sys.exit(bool(shown))


if __name__ == "__main__":
    main()
