"""The laws that every op obeys, ours or yours.

Each takes an op and one of its examples and raises if it is broken. `check_op(my_op)` runs them all. A law
draws its inputs in the op's domain, away from its kinks, from a seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad6 import autograd, blocks, engine
from tinygrad6.op import SHOWN, Case, Op, no_derivative
from tinygrad6.ops.join import stack
from tinygrad6.tensor import Tensor, wrap
from tinygrad6.testing.close import assert_close

LAWS: dict[str, Callable[[Op, Case, np.random.Generator], None]] = {}


def law(check: Callable[[Op, Case, np.random.Generator], None]) -> Callable[..., None]:
    LAWS[check.__name__] = check
    return check


def check_op(op: Any, laws: list[str] | None = None, seed: int = 0) -> None:
    """Run the laws (all, or those named) on every example of an op made with `@op`;
    AssertionError names the broken one."""
    made: Op = op if isinstance(op, Op) else op.op
    if not made.examples:
        raise ValueError(f"check_op: {made.name} has no examples; give @op examples=[case(...)]")
    for name in laws or LAWS:
        for number, example in enumerate(made.examples):
            try:
                LAWS[name](made, example, np.random.default_rng(seed))
            except Exception as e:
                e.add_note(f"law {name!r} of op {made.name!r}, example {number}: {example}")
                raise


def draw(op: Op, shape: Any, rng: np.random.Generator, dtype: Any = np.float64) -> np.ndarray:
    """An array of the shape in the op's domain, at least 0.05 away from its kinks;
    or what a function draws."""
    if callable(shape):
        a = np.asarray(shape(rng))
        return a.astype(dtype) if a.dtype.kind == "f" else a
    low, high = op.domain
    a = rng.uniform(low, high, shape)
    for kink in op.avoid:
        a = np.where(np.abs(a - kink) < 0.05, np.where(kink + 0.1 < high, kink + 0.1, kink - 0.1), a)
    return np.asarray(a, dtype)


def inputs(
    op: Op, example: Case, rng: np.random.Generator, dtype: Any = np.float64, frozen: bool = False
) -> list[Tensor]:
    """Tensors for an example; floats require gradients. Frozen arrays raise when somebody writes to them."""
    tensors = []
    for shape in example.shapes:
        t = wrap(np.array(draw(op, shape, rng, dtype)))
        if t.array.dtype.kind == "f" and differentiable(op):
            t.requires_grad_()
        if frozen:
            t.array.flags.writeable = False
        tensors.append(t)
    return tensors


def call(op: Op, tensors: Sequence, example: Case) -> Tensor:
    return op.call(*tensors, **example.params)


def differentiable(op: Op) -> bool:
    return any(r not in (None, no_derivative) for r in op.rules)


@law
def gradients_agree_with_differences(op: Op, example: Case, rng: np.random.Generator) -> None:
    """First order, by central differences in a random direction."""
    tensors = inputs(op, example, rng)
    if differentiable(op) and call(op, tensors, example).requires_grad:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            autograd.gradcheck(lambda *a: call(op, a, example), tensors, atol=1e-6, rtol=1e-4)


@law
def second_gradients_agree_with_differences(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Second order: the same check of the gradient function."""
    tensors = inputs(op, example, rng)
    if differentiable(op) and call(op, tensors, example).requires_grad:
        autograd.gradgradcheck(lambda *a: call(op, a, example), tensors, atol=1e-5, rtol=1e-3)


@law
def rules_read_the_same_on_arrays_and_tensors(op: Op, example: Case, rng: np.random.Generator) -> None:
    """The first-order gradient on arrays equals the recorded one;
    and the kernel, if there is one, equals the rules."""
    for dtype in (np.float32, np.float64):
        tensors = inputs(op, example, rng, dtype)
        out = call(op, tensors, example)
        if out.node is None:
            continue
        g = rng.uniform(-1, 1, out.array.shape).astype(out.array.dtype)
        fast = {n: a for n, a, _ in engine.backprop([(out.node, g)], False, True)}
        graph = {n: a for n, a, _ in engine.backprop([(out.node, wrap(g))], True, True)}
        assert fast.keys() == graph.keys() and fast, "no gradient arrived, or not at the same leaves"
        for leaf, a in fast.items():
            assert not isinstance(a, Tensor) and isinstance(graph[leaf], Tensor)
            assert a.shape == leaf.shape and a.dtype == graph[leaf].array.dtype == leaf.dtype
            if op.kernel is None:
                np.testing.assert_array_equal(a, graph[leaf].array)
            else:
                tolerance = 2e-5 if dtype == np.float32 else 1e-10
                assert_close(
                    wrap(np.asarray(a)), graph[leaf].detach(), rtol=tolerance, atol=tolerance, equal_nan=True
                )


@law
def a_batch_of_gradients_is_its_rows(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Several cotangents in one pass give what each gives in a pass of its own, at first and second order."""
    tensors = inputs(op, example, rng)
    out = call(op, tensors, example)
    wanted = [t for t in tensors if t.requires_grad]
    if out.node is None or not differentiable(op):
        return
    several = wrap(rng.uniform(-1, 1, (3, *out.array.shape)))

    def gradients(weights: Tensor, **options: Any) -> list:
        return list(autograd.grad(out, wanted, weights, retain_graph=True, allow_unused=True, **options))

    for graph in (False, True):
        g = several.clone().requires_grad_() if graph else several
        rows = [gradients(g[k], create_graph=graph) for k in range(3)]
        together = gradients(g, create_graph=graph, is_grads_batched=True)
        for batch, *single in zip(together, *rows, strict=True):
            if batch is None:
                assert single == [None] * 3
                continue
            expected = stack(single)
            assert batch.array.dtype == expected.array.dtype and batch.requires_grad == expected.requires_grad
            np.testing.assert_allclose(batch.array, expected.array, 1e-9, 1e-12)
            if not graph or not batch.requires_grad:
                continue
            u = wrap(rng.uniform(-1, 1, batch.array.shape))
            options: Any = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
            for a, b in zip(
                autograd.grad(batch, [*wanted, g], u, **options),
                autograd.grad(expected, [*wanted, g], u, **options),
                strict=True,
            ):
                np.testing.assert_allclose(a.array, b.array, 1e-8, 1e-10)


@law
def float32_stays_float32(op: Op, example: Case, rng: np.random.Generator) -> None:
    """The result and the raw gradients, before the edge restores them, are float32 for float32 inputs."""
    tensors = inputs(op, example, rng, np.float32)
    out = call(op, tensors, example)
    if out.node is None or example.params.get("dtype") is not None:
        return
    assert out.array.dtype == np.float32, f"the result is {out.array.dtype}"
    g = np.ones(out.array.shape, np.float32)
    node = out.node
    if node.op is not op:
        return
    for i, (reader, parent) in enumerate(zip(op.readers, node.parents, strict=True)):
        if parent is not None and reader is not None:
            raw = reader(g, node)
            assert raw.dtype == np.float32, (
                f"{op.readers[i]}: the raw gradient of argument {i} is {raw.dtype}"
            )
    if op.kernel is not None:
        for raw, parent in zip(op.kernel(g, node), node.parents, strict=True):
            assert parent is None or raw.dtype == np.float32, f"the kernel gives {raw.dtype}"


@law
def nothing_given_is_written(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Neither forward nor rules write to inputs, output or incoming gradient: all are read-only here."""
    tensors = inputs(op, example, rng, frozen=not op.view)
    before = [t.array.copy() for t in tensors]
    out = call(op, tensors, example)
    if out.node is not None and not op.view:
        g = np.ones(out.array.shape)
        g.flags.writeable = False
        if out.array.flags.owndata:
            out.array.flags.writeable = False
        for _ in engine.backprop([(out.node, g)], False, True):
            pass
    for t, b in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(t.array, b)


@law
def memory_layout_does_not_matter(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Transposed and strided inputs give the same result and gradients as contiguous ones."""
    tensors = inputs(op, example, rng)
    plain = call(op, tensors, example)
    for arrange in (_column_major, _strided):
        others = [wrap(arrange(t.array)).requires_grad_(t.requires_grad) for t in tensors]
        out = call(op, others, example)
        np.testing.assert_allclose(out.array, plain.array, rtol=1e-12, atol=1e-12)
        if out.node is not None and plain.node is not None:
            g = wrap(rng.uniform(-1, 1, plain.array.shape))
            wanted = [t for t in tensors if t.requires_grad]
            found = [t for t in others if t.requires_grad]
            for a, b in zip(
                autograd.grad(plain, wanted, g, retain_graph=True), autograd.grad(out, found, g), strict=True
            ):
                np.testing.assert_allclose(b.array, a.array, rtol=1e-9, atol=1e-12)


def _column_major(a: np.ndarray) -> np.ndarray:
    return np.asarray(a, order="F")  # asfortranarray makes 0-d arrays 1-d


def _strided(a: np.ndarray) -> np.ndarray:
    room = np.empty([2 * n for n in a.shape], a.dtype)
    index: Any = (*(slice(None, None, 2),) * a.ndim, Ellipsis)
    view = room[index]
    view[...] = a
    return view


@law
def broadcasting_is_undone(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Elementwise ops of several arguments broadcast, and each gradient has its input's shape."""
    if len(op.promote) < 2 or example.params or any(callable(s) for s in example.shapes):
        return
    for pair in (
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((), (2, 2)),
        ((2, 2), ()),
        ((1,), (3, 1)),
        ((0, 3), (1, 3)),
        ((1, 1), ()),
    ):
        shapes: list = [(2, 3)] * len(example.shapes)
        for i, s in zip(op.promote, pair, strict=True):
            shapes[i] = s
        if len(op.arrays) > len(op.promote):
            shapes[0] = lambda r: r.random(()) < 0.5
        tensors = inputs(op, Case(tuple(shapes), {}), rng)
        out = call(op, tensors, example)
        assert out.array.shape == np.broadcast_shapes(*pair)
        if out.node is not None and out.array.size:
            autograd.gradcheck(lambda *a: call(op, a, example), tensors, fast_mode=True)


@law
def single_and_no_elements_are_like_the_rest(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Elementwise ops of 0-d tensors give what they give for one element of a row; of empty ones, empty ones.

    Twice.
    """
    if example.params or not example.shapes or any(s != (2, 3) for s in example.shapes):
        return
    row = inputs(op, Case(((2,),) * len(example.shapes), {}), rng)
    out = call(op, row, example)
    if out.array.shape != (2,):
        return  # not elementwise
    for dtype in (np.float64, np.float32, np.float16):
        single = [wrap(np.array(t.array[0], dtype)).requires_grad_(t.requires_grad) for t in row]
        tolerance = {2: 2e-2, 4: 1e-5, 8: 1e-12}[np.dtype(dtype).itemsize]
        _agree(op, row, [t for t in single], example, tolerance)
    empty = [wrap(t.array[:0].reshape(0, 3)).requires_grad_(t.requires_grad) for t in row]
    out = call(op, empty, example)
    assert out.array.shape == (0, 3), f"of shape (0, 3) it makes {out.array.shape}"
    if out.requires_grad:
        wanted = [t for t in empty if t.requires_grad]
        for g in autograd.grad(
            out, wanted, wrap(np.ones_like(out.array)), create_graph=True, allow_unused=True
        ):
            assert g is None or g.array.shape == (0, 3)


def _agree(op: Op, row: list, single: list, example: Case, tolerance: float) -> None:
    def all_of(tensors: list) -> list:
        out = call(op, tensors, example)
        if not out.requires_grad:
            return [out]
        wanted = [t for t in tensors if t.requires_grad]
        first = [
            g for g in autograd.grad(out.sum(), wanted, create_graph=True, allow_unused=True) if g is not None
        ]
        plain = [
            g
            for g in autograd.grad(call(op, tensors, example).sum(), wanted, allow_unused=True)
            if g is not None
        ]
        again = [g.sum() for g in first if g.requires_grad]
        second = autograd.grad(again, wanted, allow_unused=True, materialize_grads=True) if again else ()
        return [out, *first, *plain, *second]

    for a, b in zip(all_of(single), all_of(row), strict=True):
        assert a.array.shape == (), f"of 0-d tensors it makes shape {a.array.shape}"
        np.testing.assert_allclose(a.array, b.array[0], rtol=tolerance, atol=tolerance)


@law
def an_elementwise_op_may_be_cut(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Forward and gradients computed in blocks, on several threads, are those computed whole, bit for bit."""
    if not op.elementwise:
        return
    shape = next((s for s in example.shapes if s and not callable(s)), None)
    if shape is None or any(callable(s) or s not in (shape, ()) for s in example.shapes):
        return
    tensors = inputs(op, Case(tuple((5, 9) if s else s for s in example.shapes), example.params), rng)
    out = call(op, tensors, example)
    g = rng.uniform(-1, 1, out.array.shape)
    plain = [] if out.node is None else [a for _, a, _ in engine.backprop([(out.node, g)], False, True)]
    before = blocks.BLOCK, blocks.SHARED, op.limit
    blocks.BLOCK, blocks.SHARED, op.limit = 8, 16, 0
    try:
        params = dict(example.params) if out.node is None else out.node.params
        np.testing.assert_array_equal(op.large([t.array for t in tensors], params), out.array)
        cut = [] if out.node is None else [a for _, a, _ in engine.backprop([(out.node, g)], False, True)]
    finally:
        blocks.BLOCK, blocks.SHARED, op.limit = before
    for a, b in zip(plain, cut, strict=True):
        np.testing.assert_array_equal(b, a)


@law
def rows_may_be_shared(op: Op, example: Case, rng: np.random.Generator) -> None:
    """What goes over the first dimension in blocks gives the same in blocks of one."""
    if {"by_lead", "in_rows"}.isdisjoint(getattr(op.forward, "__globals__", {})):
        return
    before = blocks.ROWS
    for dtype in (np.float64, np.float16):
        tensors, seen = inputs(op, example, rng, dtype), []
        try:
            for blocks.ROWS in (before, 1):
                out = call(op, tensors, example)
                g = np.linspace(-1, 1, out.array.size).reshape(out.array.shape).astype(out.array.dtype)
                passed = () if out.node is None else engine.backprop([(out.node, g)], False, True)
                seen.append([out.array, *[a for _, a, _ in passed]])
        finally:
            blocks.ROWS = before
        for a, b in zip(*seen, strict=True):
            np.testing.assert_allclose(b, a, 1e-12, 1e-14)


@law
def a_missing_gradient_is_none(op: Op, example: Case, rng: np.random.Generator) -> None:
    """Each argument alone gets the same gradient as it gets together with the others."""
    tensors = inputs(op, example, rng)
    out = call(op, tensors, example)
    wanted = [
        i for i, t in enumerate(tensors) if t.requires_grad and i < len(op.rules) and op.rules[i] is not None
    ]
    if out.node is None or len(wanted) < 2:
        return
    g = wrap(rng.uniform(-1, 1, out.array.shape))
    together = autograd.grad(out, [tensors[i] for i in wanted], g)
    for i, expected in zip(wanted, together, strict=True):
        alone = [t if j == i else t.detach() for j, t in enumerate(tensors)]
        (got,) = autograd.grad(call(op, alone, example), [tensors[i]], g)
        np.testing.assert_allclose(got.array, expected.array, rtol=1e-10, atol=1e-12)


@law
def what_is_changed_later_is_not_needed_or_refused(op: Op, example: Case, rng: np.random.Generator) -> None:
    """An input or the output changed in place after the call: the gradients are the same, or backward raises.

    What a kernel keeps in a cache of its own must therefore be nobody else's memory.
    """
    seed = int(rng.integers(1 << 30))

    def gradients(changed: int | None, graph: bool) -> list | None:
        rng = np.random.default_rng(seed)
        leaves = inputs(op, example, rng)
        tensors = [t * 1 if t.requires_grad else t for t in leaves]
        out = call(op, tensors, example)
        wanted = [t for t in leaves if t.requires_grad]
        if out.node is None or not wanted:
            return None
        if changed is not None:
            t = [*tensors, out][changed]
            with autograd.no_grad():
                t.copy_(t * 0.5 + 0.3 if t.array.dtype.kind == "f" else t.flip(tuple(range(t.array.ndim))))
        g = wrap(rng.uniform(-1, 1, out.array.shape))
        try:
            found = autograd.grad(out, wanted, g, create_graph=graph, allow_unused=True)
        except RuntimeError as e:
            assert "modified by an inplace operation" in str(e), e
            return None
        return [None if f is None else f.array for f in found]

    for graph in (False, True):
        expected = gradients(None, graph)
        for changed in range(len(example.shapes) + (not op.view)):
            got = None if expected is None else gradients(changed, graph)
            for a, b in zip(got or (), expected or (), strict=False):
                assert (a is None) == (b is None)
                if a is not None:
                    np.testing.assert_allclose(a, b, 1e-9, 1e-12)


@law
def the_inplace_twin_agrees(op: Op, example: Case, rng: np.random.Generator) -> None:
    """`x.name_()` holds what `x.name()` gives, counts a version, and has the same gradients."""
    method = getattr(Tensor, f"{op.name}_", None)
    if method is None or not example.shapes or callable(example.shapes[0]):
        return
    tensors = inputs(op, example, rng)
    expected = call(op, tensors, example)
    if expected.array.shape != tensors[0].array.shape or expected.array.dtype != np.float64:
        return
    copy = tensors[0] * 1.0
    version = copy._version
    got = method(copy, *tensors[1:], **example.params)
    assert got is copy and copy._version > version, "the twin must return its tensor and count a version"
    np.testing.assert_array_equal(got.array, expected.array)
    if expected.requires_grad:
        g = wrap(rng.uniform(-1, 1, expected.array.shape))
        wanted = [t for t in tensors if t.requires_grad]
        for a, b in zip(
            autograd.grad(expected, wanted, g, allow_unused=True),
            autograd.grad(got, wanted, g, allow_unused=True),
            strict=True,
        ):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(b.array, a.array, rtol=1e-12, atol=1e-14)


@law
def strangers_are_refused(op: Op, example: Case, rng: np.random.Generator) -> None:
    """A string where a tensor belongs raises TypeError that names the op."""
    tensors: list[Any] = list(inputs(op, example, rng))
    if not tensors or op.name in ("cat",):
        return
    tensors[0] = "three"
    try:
        call(op, tensors, example)
    except TypeError as e:
        assert SHOWN.get(op.name, op.name) in str(e), f"the error does not name the op: {e}"
    else:
        raise AssertionError("a string was accepted as a tensor")
