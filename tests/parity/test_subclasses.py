"""Subclasses of Tensor: what keeps them, and __torch_function__, beside PyTorch."""

from __future__ import annotations

import importlib
import operator
import pickle

import pytest
from helpers import pytorch, same

import tinygrad6
from tinygrad6 import overrides


@pytest.fixture(autouse=True)
def restored():
    """Without subclasses the functions are what they were, for the tests that follow."""
    yield
    for space, name, value in overrides._replaced:
        setattr(space, name, value)
    overrides._replaced.clear()


def subclass(torch, base=None):
    class Kept(base or torch.Tensor):
        extra = 3

        def doubled(self):
            return self * 2

    return Kept


def kinds(value):
    """The names of the classes of tensors in a result."""
    if isinstance(value, (tuple, list)):
        return [kinds(v) for v in value]
    return type(value).__name__ if hasattr(value, "requires_grad") else value


KEEP = {
    "add": lambda t, x: x + 1,
    "radd": lambda t, x: 1 - x,
    "plain_first": lambda t, x: t.ones(2, 3) / x,
    "method": lambda t, x: x.exp().sum(),
    "function": lambda t, x: [t.exp(x), t.sum(x, 0), t.zeros_like(x)],
    "functional": lambda t, x: t.nn.functional.relu(x),
    "linalg": lambda t, x: t.linalg.norm(x),
    "index": lambda t, x: [x[0], x[:, 1], x[x > 0]],
    "views": lambda t, x: [x.view(-1), x.T, x.mT, x.data, x.reshape(3, 2), x.detach(), x.clone()],
    "several": lambda t, x: [x.split(1), x.unbind(0), t.max(x, 1), list(x)],
    "cat": lambda t, x: t.cat([t.ones(2, 3), x]),
    "matmul": lambda t, x: [x @ t.ones(3, 2), t.ones(1, 2) @ x],
    "compare": lambda t, x: [x > 0, x == x, t.ones(2, 3) < x],
    "inplace": lambda t, x: [x.add_(1), x],
    "cast": lambda t, x: [x.double(), x.to(t.float64), x.new_zeros(2)],
    "own": lambda t, x: [x.doubled(), x.doubled().extra],
    "module": lambda t, x: [t.nn.Linear(3, 2)(x), t.nn.ReLU()(x), t.nn.Sequential(t.nn.Tanh())(x)],
    "loss": lambda t, x: t.nn.MSELoss()(x, t.ones(2, 3)),
    "numbers": lambda t, x: [x.shape, x.sum().item(), x.tolist(), len(x), x.dim(), t.is_tensor(x)],
    "repr": lambda t, x: [repr(x), repr(x[0]), str(x.sum())],
    "hash": lambda t, x: [len({x, x}), x in [x]],
    "stack": lambda t, x: t.stack((x, x)),
    "where": lambda t, x: t.where(x > 0, x, t.zeros(2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("what", KEEP)
def test_results_are_of_the_subclass(what):
    def run(torch):
        torch.manual_seed(0)
        x = torch.ones(2, 3).as_subclass(subclass(torch))
        return kinds(KEEP[what](torch, x))

    same(run)


def test_gradients():
    def run(torch):
        Kept = subclass(torch)
        x = torch.ones(2).as_subclass(Kept).requires_grad_()
        y = (x * 3).sum()
        y.backward()
        made = torch.Tensor._make_subclass(Kept, torch.ones(2), True)
        (made * made).sum().backward()
        return [kinds([y, made]), x.grad.tolist(), made.grad.tolist(), made.requires_grad, made.is_leaf]

    same(run)


def test_parameters_are_not_kept():
    def run(torch):
        Own = subclass(torch, torch.nn.Parameter)
        p = Own(torch.ones(2))
        net = torch.nn.Module()
        net.p = p
        return [kinds([p, p * 2, p.exp(), torch.exp(p)]), [n for n, _ in net.named_parameters()]]

    same(run)


NAMES = "add sub mul truediv floordiv mod pow lt le gt ge eq ne".split()


@pytest.mark.parametrize("reflected", [False, True])
def test_names_of_operators(reflected):
    def run(torch):
        log = []

        class Logged(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                log.append(func.__name__)
                return super().__torch_function__(func, types, args, kwargs)

        x = torch.ones(2, 2).as_subclass(Logged)
        for name in NAMES:
            if name != "truediv" or not reflected:
                f = getattr(operator, name)
                f(2, x) if reflected else f(x, 2)
        y = -x @ torch.ones(2, 2)
        torch.cat([y, y]).relu().mean().add_(1)
        torch.nn.functional.softmax(x, 0)
        x[0] = 1
        return log

    same(run)


def test_functions_may_be_replaced():
    def run(torch):
        handled = {}

        class Diagonal(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func in handled:
                    return handled[func](*args, **(kwargs or {}))
                return NotImplemented

        handled[torch.mean] = lambda input, **named: ["mean", sorted(named)]
        handled[torch.Tensor.add] = lambda self, other: ["add", other]
        handled[torch.nn.functional.relu] = lambda input, inplace=False: ["relu", inplace]
        x = torch.ones(2).as_subclass(Diagonal)
        return [torch.mean(x), torch.mean(x, dim=0), x + 3, torch.nn.functional.relu(x)]

    same(run)

    def refused(torch, call):
        class No(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                return NotImplemented

        call(torch, torch.ones(2).as_subclass(No))

    for call in (lambda t, x: x + 1, lambda t, x: t.exp(x), lambda t, x: x.exp(), lambda t, x: 2 / x):
        same(refused, call=call)


def test_the_deeper_class_is_asked_first():
    def run(torch):
        A = subclass(torch)
        B = type("B", (A,), {})
        a, b = torch.ones(2).as_subclass(A), torch.ones(2).as_subclass(B)
        return kinds([a + b, b + a, torch.add(a, b), torch.cat([a, b])])

    same(run)

    def strangers(torch):
        A, B = subclass(torch), type("B", (torch.Tensor,), {})
        return torch.ones(2).as_subclass(A) + torch.ones(2).as_subclass(B)

    same(strangers)


def test_overrides():
    def run(torch):
        o = importlib.import_module(f"{torch.__name__}.overrides")
        x = torch.ones(2).as_subclass(subclass(torch))

        @o.wrap_torch_function(lambda a, b: (a, b))
        def mine(a, b):
            return a.sum() + b

        class Duck:
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                return [func.__name__, len(types), len(args)]

        asked = [o.has_torch_function((x, 1)), o.has_torch_function((1, "a")), o.is_tensor_like(Duck())]
        asked += [o.has_torch_function_unary(x), o.has_torch_function_variadic(1, Duck())]
        answers = [o.handle_torch_function(mine, (Duck(),), 1, 2), mine(Duck(), 3), kinds(mine(x, 1))]
        return [asked, answers, kinds(mine(torch.ones(2), 1))]

    same(run)
    x = tinygrad6.ones(2).as_subclass(subclass(tinygrad6))
    with tinygrad6.DisableTorchFunctionSubclass():
        assert type(x + 1) is type(tinygrad6.exp(x)) is tinygrad6.Tensor
    assert pytorch().overrides.is_tensor_like(pytorch().ones(1)) and overrides.is_tensor_like(x)


def test_nothing_is_replaced_without_subclasses():
    before = tinygrad6.exp, tinygrad6.nn.functional.relu
    assert not overrides._replaced
    subclass(tinygrad6)
    assert tinygrad6.exp is not before[0] and tinygrad6.nn.functional.relu is not before[1]
    assert tinygrad6.exp.op is before[0].op


def test_types_of_what_a_parameter_or_a_subclass_gives():
    def run(lib):
        class Own(lib.Tensor):
            pass

        seen = []
        for t in (lib.nn.Parameter(lib.ones(2, 2)), lib.ones(2, 2).as_subclass(Own), lib.ones(2, 2)):
            for name in "data T mT H real grad".split():
                seen.append([name, type(getattr(t, name)).__name__])
            for name in "detach clone t contiguous double float cpu relu sum requires_grad_ abs".split():
                seen.append([name, type(getattr(t, name)()).__name__])
            seen.append([type(v).__name__ for v in t.unbind()])
        return seen

    same(run)


def test_a_layer_made_once_functions_are_replaced_is_like_any_other():
    """Functions that ask are others than those that were the layers' defaults."""

    def run(lib):
        class Own(lib.Tensor):
            pass

        m = lib.nn.TransformerEncoderLayer(4, 2, 4)
        twin = pickle.loads(pickle.dumps(m))
        return [
            m.activation_relu_or_gelu,
            twin.activation is lib.nn.functional.relu,
            type(Own([1.0])).__name__,
        ]

    same(run)
