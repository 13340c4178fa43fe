"""Indexing, assignment, creation, conversions and changes of a tensor's own shape, compared with PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from drawing import Draw
from helpers import assert_same, draws, pytorch, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch

theirs = pytorch()


# ---- indexing


def draw_index(d: Draw, shape: tuple) -> tuple:
    """An index of every kind for each dimension; now and then one too many, or out of range."""
    items: list = []
    at, common = 0, d.pick((2,), (3,), (2, 1), ())
    while at < len(shape):
        n = shape[at]
        kind = d.r.randrange(11)
        if kind == 0 and n:
            items.append(d.r.randint(-n, n - 1))
        elif kind in (1, 2):
            ends = [d.pick(None, 0, 1, 2, -1, -2, 5) for _ in range(2)]
            items.append(slice(*ends, d.pick(None, None, 1, 2)))
        elif kind == 3:
            items.append(slice(None))
        elif kind == 4 and n:
            items.append(
                torch.from_numpy(
                    np.array([d.r.randint(-n, n - 1) for _ in range(int(np.prod(common)))]).reshape(common)
                )
            )
        elif kind == 5 and n:
            items.append([d.r.randint(-n, n - 1) for _ in range(2)])
        elif kind == 6:
            items.append(d.mask((n,)))
        elif kind == 7 and at + 1 < len(shape):
            items.append(d.mask(shape[at : at + 2]))
            at += 1
        elif kind == 8:
            items.append(None)
            continue
        elif kind == 9 and ... not in [i for i in items if not isinstance(i, torch.Tensor)]:
            items.append(...)
            break
        elif kind == 10:
            break
        else:
            items.append(slice(None))
        at += 1
    if shape and d.chance(0.05):
        items.append(d.pick(0, None, 7))
    return tuple(items)


@given(random=st.randoms(use_true_random=False))
@draws(300)
def test_reading_by_an_index(random):
    d = Draw(random)
    x = d.floats(d.shape(0, 4, (2, 3, 1)))
    index = draw_index(d, tuple(x.shape))
    same(lambda lib, x, index: x[index], x, index)
    if len(index) == 1:
        same(lambda lib, x, index: x[index[0]], x, index)


@given(random=st.randoms(use_true_random=False))
@draws(300)
def test_writing_by_an_index(random):
    d = Draw(random)
    x = d.floats(d.shape(0, 3, (2, 3, 1)))
    index = draw_index(d, tuple(x.shape))
    try:
        place = tuple(x.detach()[index].shape)
    except (IndexError, TypeError, ValueError):
        place = ()
    value = d.pick(
        2.5, d.tensor(place, str(x.dtype)[6:]), d.tensor(d.broadcast(place), str(x.dtype)[6:]), d.tensor(())
    )

    def write(lib, x, index, value):
        y = x * 1.0
        y[index] = value
        return y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if any(
            isinstance(i, (list, torch.Tensor)) and not getattr(i, "dtype", None) == torch.bool for i in index
        ):
            value = 2.5  # of several values for one place, PyTorch does not say which stays
        same(write, x, index, value)


@pytest.mark.parametrize(
    "index",
    [
        (slice(None, None, -1),), (slice(None, None, 0),), ("a",), (1.5,), ({},), (5,), (-4,), (0, 0, 0),
        (..., ...), ([0, 5],), ([[0, 1], [1, 0]],), ([True, False, True],), (True,), (False,), (None, True),
        ([],), ((0, 1),), (0, [1, 0]), ([0, 1], None, [1, 0]), (slice(1.5),), (np.array([0, 1]),),
        (np.int64(1),), (np.array([True, False, True]),),
    ],
    ids=str,
)  # fmt: skip
def test_particular_indices(index):
    x = torch.arange(12.0).reshape(3, 4).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lambda lib, x: x[index], x)
        same(lambda lib, x: x[index[0]], x)

        def write(lib, x):
            y = x * 1.0
            y[index] = 7.0
            return y

        same(write, x)


# ---- making tensors


VALUES = [
    1, 1.5, True, [1, 2], [1, 2.5], [True, False], [True, 2], [True, 1.5], [], [[]], [[1, 2], [3, 4]], (1, 2),
    ((1,), (2,)), range(3), np.float32(1.5), np.int8(3), np.array([1, 2], np.int16), np.array(1.5),
    [np.float32(1), np.float32(2)], [np.array([1, 2]), np.array([3, 4])], float("nan"), [float("inf"), 1],
    2**40, "text", None, [None], [[1], [2, 3]], {}, {1}, ["a"], [1, "a"], 2**70, np.array(["a"]),
    [[1, 2], 3], object(), np.array([], np.float64), np.bool_(True),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v).split(" at 0x")[0][:25])
@pytest.mark.parametrize("dtype", [None, "float32", "int64", "bool", "float16", "uint8"])
@pytest.mark.filterwarnings("ignore")
def test_tensor_from_values(value, dtype):
    if dtype in ("int64", "uint8", "bool") and isinstance(value, (np.generic, list)) and "np." in repr(value):
        pytest.skip("PyTorch refuses NumPy's floats where integers are asked for")
    if dtype in ("uint8", "bool", "float16") and repr(value) in (
        "1099511627776",
        "nan",
        "[inf, 1]",
        str(2**70),
    ):
        pytest.skip("what does not fit")
    for name in ("tensor", "as_tensor"):
        same(
            lambda lib: getattr(lib, name)(value, **({} if dtype is None else {"dtype": getattr(lib, dtype)}))
        )  # noqa: B023


@given(random=st.randoms(use_true_random=False))
@draws(150)
def test_filled_and_ranges(random):
    d = Draw(random)
    shape, kind = d.shape(), d.pick({}, {}, {"dtype": d.type()})
    value = d.pick(0, 1, 2.5, True, -1, 7)
    same(lambda lib, k: lib.full(shape, value, **k), kind)
    same(lambda lib, k: lib.zeros(*shape, **k), kind)
    same(lambda lib, k: lib.ones(shape, **k), kind)
    bounds = d.pick(
        (5,),
        (0,),
        (2, 7),
        (0, 5, 2),
        (5, 0, -2),
        (0, 1, 0.1),
        (1.5, 4),
        (0.0, 5),
        (5, 2),
        (0, 3, 0),
        (0, -3),
        (3, 3),
    )
    same(lambda lib, k: lib.arange(*bounds, **k), {k: v for k, v in kind.items() if v != torch.bool})
    ends = d.pick((0, 1), (-3, 7), (1, 1), (5, -5), (0.5, 2.25))
    steps = d.pick(0, 1, 2, 5, 11, 100, -1)
    floats = {k: v for k, v in kind.items() if v.is_floating_point}
    same(lambda lib, k: lib.linspace(*ends, steps, **k), floats)
    same(lambda lib, k: lib.logspace(*ends, steps, **k), floats, rtol=2e-3 if floats else 1e-5)
    same(lambda lib, k: lib.eye(3, **k), kind)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.zeros(2, 3, dtype=lib.int32, requires_grad=True),
        lambda lib: lib.zeros(-1),
        lambda lib: lib.zeros("a"),
        lambda lib: lib.zeros(2, device="nowhere"),
        lambda lib: lib.ones(2, size=3),
        lambda lib: lib.full((2,), "a"),
        lambda lib: lib.eye(-1),
        lambda lib: lib.from_numpy([1, 2]),
        lambda lib: lib.from_numpy(np.array(["a"])),
        lambda lib: lib.arange(),
        lambda lib: lib.arange("a"),
        lambda lib: lib.linspace(0, 1),
        lambda lib: lib.FloatTensor([1, 2]),
        lambda lib: lib.LongTensor([1, 2]),
        lambda lib: lib.Tensor([1, 2]),
        lambda lib: lib.Tensor(2, 3).shape,
        lambda lib: lib.LongTensor(2, 3).shape,
        lambda lib: lib.Tensor().shape,
        lambda lib: lib.range(0, 3),
        lambda lib: lib.scalar_tensor(3),
        lambda lib: lib.ones(2).new_tensor([1, 2]),
        lambda lib: lib.ones(2, dtype=lib.int64).new_ones(2, 3),
        lambda lib: lib.ones(2).new_full((2,), 3),
        lambda lib: lib.ones(2).new_zeros((2, 2), dtype=lib.bool),
        lambda lib: lib.ones(2).new_empty(0, 3).shape,
        lambda lib: lib.empty_strided((2, 3), (1, 2)).stride(),
        lambda lib: lib.empty_permuted((2, 3, 4), (2, 0, 1)).stride(),
        lambda lib: lib.frexp(lib.tensor([1.5, -6.0, 0.0])),
        lambda lib: lib.typename(lib.ones(2)) + lib.typename(3) + lib.ones(2, dtype=lib.int8).type(),
        lambda lib: [lib.is_tensor(3), lib.is_storage(3), lib.numel(lib.ones(2, 3)), lib.ones(2).item()],
        lambda lib: [
            lib.ones(2, 2).tolist(),
            lib.tensor(3).item(),
            lib.tensor(True).item(),
            lib.tensor(2.5).tolist(),
        ],
        lambda lib: [
            bool(lib.tensor(0)),
            float(lib.tensor(2)),
            int(lib.tensor(2.7)),
            len(lib.ones(3, 2)),
            2 in lib.arange(3),
        ],
        lambda lib: bool(lib.ones(2)),
        lambda lib: bool(lib.ones(0)),
        lambda lib: len(lib.tensor(1)),
        lambda lib: list(lib.tensor(1)),
        lambda lib: [1, 2, 3][lib.tensor(1)],
        lambda lib: [1, 2, 3][lib.tensor(1.0)],
        lambda lib: lib.ones(2, requires_grad=True).numpy(),
        lambda lib: lib.ones(2).cuda(),
        lambda lib: lib.ones(2).pin_memory(),
        lambda lib: lib.ones(2).to("cuda"),
        lambda lib: lib.ones(2).to(lib.float64, copy=True),
        lambda lib: [
            lib.ones(2).is_shared(),
            lib.ones(2).share_memory_().is_shared(),
            lib.ones(2).is_cpu,
            lib.ones(2).name,
        ],
        lambda lib: (
            lib.ones(2, 3).stride() + (lib.ones(2, 3).t().stride(1),) + lib.ones(2, 3).t().dim_order()
        ),
        lambda lib: list(reversed(lib.arange(3))),
        lambda lib: lib.zeros(3).apply_(lambda v: v + 1),
        lambda lib: lib.zeros(3).map_(lib.ones(3), lambda a, b: a + 2 * b),
        lambda lib: lib.tensor([3.0, 4.0]).real,
        lambda lib: lib.ones(2, 3).H,
        lambda lib: lib.ones(2, 2, 3).H,
        lambda lib: lib.ones(2, 2, 3).mH,
        lambda lib: lib.ones(2, 2, 3).mT,
        lambda lib: lib.ones(3).mT,
        lambda lib: lib.get_device(lib.ones(2)),
        lambda lib: lib.finfo(lib.float32).eps + lib.finfo(lib.float16).max + lib.finfo().tiny,
        lambda lib: [lib.iinfo(lib.int8).min, lib.iinfo(lib.uint8).max, lib.iinfo(lib.int64).bits],
        lambda lib: lib.finfo(lib.int32),
        lambda lib: lib.iinfo(lib.float32),
        lambda lib: [
            lib.float32.itemsize,
            lib.bool.is_floating_point,
            lib.uint8.is_signed,
            str(lib.long),
            repr(lib.half),
        ],
        lambda lib: [
            lib.cuda.is_available(),
            lib.accelerator.is_available(),
            lib.cuda.device_count(),
            lib.version.cuda,
        ],
        lambda lib: [
            lib.compile(lambda x: x + 1)(1),
            lib.compile()(lambda x: x + 2)(1),
            lib.get_float32_matmul_precision(),
        ],
        lambda lib: [
            repr(lib.strided),
            repr(lib.ones(1).layout),
            repr(lib.channels_last),
            repr(lib.get_default_device()),
        ],
        lambda lib: lib.use_deterministic_algorithms(False),
        lambda lib: lib.set_num_threads(0),
        lambda lib: lib.set_default_dtype(lib.int32),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_particular_calls(call):
    same(call)


# ---- a tensor's own shape


def test_relaid_tensors_keep_gradients_of_their_views():
    def program(lib):
        w = lib.tensor([[1.0, 2, 3], [4, 5, 6]], dtype=lib.float64, requires_grad=True)
        x = w * 2
        v = x[0]
        x.transpose_(0, 1)
        v.mul_(w[1])
        x.unsqueeze_(0)
        x[0, 2].mul_(3)
        ((x * x).sum() + v.sum()).backward()
        return [w.grad, x.shape == (1, 3, 2), v]

    assert_same(program(torch)[0], program(theirs)[0])
    assert_same(program(torch)[2], program(theirs)[2])


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.t_(), lambda x: x.squeeze_(), lambda x: x.unsqueeze_(1), lambda x: x.transpose_(0, 1),
        lambda x: x.swapaxes_(0, -1), lambda x: x.swapdims_(0, 1), lambda x: x.resize_(3),
        lambda x: x.resize_(3, 2), lambda x: x.resize_(2, -1), lambda x: x.set_(),
        lambda x: x.fill_diagonal_(2), lambda x: x.as_strided_((2,), (1,)), lambda x: x.transpose_(0, 5),
        lambda x: x.squeeze_(0), lambda x: x.squeeze_(7),
    ],
)  # fmt: skip
def test_changes_of_shape(change):
    for shape in ((2, 3), (3, 2)):
        same(lambda lib, x: change(x.clone()), torch.arange(6.0).reshape(shape))
    same(lambda lib, x: change(x), torch.ones(2, 3).requires_grad_())


@pytest.mark.parametrize("convert", [float, int, complex])
def test_python_numbers_of_several_elements(convert):
    for shape in ((2,), (0,), (1, 1)):
        same(lambda lib, shape=shape: repr(convert(lib.ones(shape))))


def test_old_types_answer_isinstance():
    def facts(lib):
        x = lib.ones(2)
        kinds = lib.FloatTensor, lib.LongTensor, lib.DoubleTensor, lib.cuda.FloatTensor
        answers = [isinstance(t, k) for t in (x, x.long(), lib.nn.Parameter(x), 3) for k in kinds]
        sizes = x.new(lib.Size([2, 3])), lib.LongTensor(lib.Size([1])), lib.FloatTensor(2, 3), x.new([2, 3])
        shares = lib.FloatTensor(x).data_ptr() == x.data_ptr()
        for wrong in (lib.ones(2).long(), 2.5):
            with pytest.raises(TypeError):
                lib.FloatTensor(wrong)
        names = [k.__name__ for k in kinds]
        return answers, names, [t.shape for t in sizes], shares, x.type(lib.LongTensor).dtype == lib.int64

    import torch as theirs

    import tinygrad6 as ours

    assert facts(ours) == facts(theirs)
