"""Optimizers without PyTorch: that each minimises, and its numbers, frozen."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from optimizers import assert_equal, build, each, give_gradients, parameters, values

import tinygrad6 as torch
from tinygrad6 import optim

# ---- that they optimize


@each
def test_minimises_a_parabola(name):
    w = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = build(name, [w])
    for _ in range(400):
        optimizer.zero_grad()
        ((w - torch.tensor([1.0, 0.5])) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), [1.0, 0.5], atol=0.03)


RATES = {
    "SGD": 1e-3,
    "SGD momentum": 3e-4,
    "SGD nesterov": 3e-4,
    "Momentum": 3e-4,
    "ASGD": 1e-3,
    "RAdam": 5e-3,
    "Adadelta": 0.3,
}


@each
def test_comes_down_rosenbrocks_valley(name):
    xy = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = build(name, [xy], weight_decay=0.0) if name != "Rprop" else build(name, [xy])
    if name in RATES:
        optimizer.param_groups[0]["lr"] = RATES[name]

    def f():
        x, y = xy
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2

    start = f().item()
    for _ in range(1500):
        optimizer.zero_grad()
        f().backward()
        optimizer.step()
    assert start > 24 and f().item() < 0.5


@each
def test_maximize_is_minus_the_gradient(name):
    a, b = parameters([(3,)]), parameters([(3,)])
    up, down = build(name, a, maximize=True), build(name, b)
    for i in range(5):
        give_gradients(a, i)
        give_gradients(b, i)
        b[0].grad.neg_()
        up.step()
        down.step()
    assert_equal(values(a), values(b))


# The end of 30 steps on x^2 / 20 + y^2 from (-7, 2), in float64: the book's code, and PyTorch.
PATHS = {
    "SGD": (lambda p: optim.SGD(p, lr=0.95), (-0.3503929957523197, 0.0847823165504322)),
    "Momentum": (lambda p: optim.Momentum(p, lr=0.1), (0.896413858493733, 0.08808560171506971)),
    "SGD momentum": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), (0.896413858493733, 0.08808560171506971)),
    "Nesterov": (
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        (0.6896149016966209, -0.0006799058361171969),
    ),
    "AdaGrad": (lambda p: optim.AdaGrad(p, lr=1.5, eps=1e-7), (-0.12016232231416045, 2.486389893984459e-17)),
    "RMSprop": (lambda p: optim.RMSprop(p, lr=0.1, eps=1e-7), (-0.6974203096807906, 1.4834621508315574e-08)),
    "RMSprop, PyTorch's eps": (lambda p: optim.RMSprop(p, lr=0.1), (-0.6974184359619136, None)),
    "Adam": (lambda p: optim.Adam(p, lr=0.3), (0.13601461732623352, 0.31824538889630977)),
    "Adam, eps 1e-7": (lambda p: optim.Adam(p, lr=0.3, eps=1e-7), (0.13601385845071057, 0.318245381419959)),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_books_paths(name):
    make, end = PATHS[name]
    x = torch.tensor(-7.0, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    optimizer = make([x, y])
    for _ in range(30):
        optimizer.zero_grad()
        (x * x / 20 + y * y).backward()
        optimizer.step()
    for got, want in zip((x, y), end):
        assert want is None or abs(got.item() - want) < 1e-12


GRADIENTS = [[1, -0.5, 0.25], [0.5, 0.5, -2], [-3, 0.1, 1], [0.2, -0.7, 0], [1.5, 2.5, -0.5], [0.3, -0.2, 4]]
# Where PyTorch 2.13 arrives from (1, -2, 0.5) with these gradients, in float64.
ARRIVALS = {
    "SGD": (optim.SGD, dict(lr=0.1), [0.9499999999999998, -2.17, 0.2250000000000001]),
    "SGD momentum": (
        optim.SGD,
        dict(lr=0.05, momentum=0.8, dampening=0.1, weight_decay=0.1),
        [0.9143080858356863, -1.9755600075688933, 0.44632672339128343],
    ),
    "SGD nesterov": (
        optim.SGD,
        dict(lr=0.05, momentum=0.8, nesterov=True),
        [0.9749168000000002, -2.1939344, 0.3524551999999999],
    ),
    "Adam": (
        optim.Adam,
        dict(lr=0.1, betas=(0.3, 0.9), weight_decay=0.1),
        [0.8373537871293175, -1.9249808952326235, 0.35561043420802835],
    ),
    "Adam amsgrad": (
        optim.Adam,
        dict(lr=0.1, amsgrad=True, betas=(0.9, 0.5)),
        [0.8469398956518903, -1.9322728534838411, 0.4758768078921303],
    ),
    "AdamW": (
        optim.AdamW,
        dict(lr=0.1, weight_decay=0.5),
        [0.621944463050615, -1.4473324387743143, 0.35755464080255983],
    ),
    "Adamax": (
        optim.Adamax,
        dict(lr=0.2, weight_decay=0.1),
        [0.6870374597109233, -1.677031913147269, 0.406554669002577],
    ),
    "NAdam": (
        optim.NAdam,
        dict(lr=0.1, momentum_decay=0.5),
        [0.8763335204095518, -2.0109854708046564, 0.37022036036600586],
    ),
    "NAdam decoupled": (
        optim.NAdam,
        dict(lr=0.1, decoupled_weight_decay=True, weight_decay=0.5),
        [0.6314088760461868, -1.4958033524252696, 0.23847279271317423],
    ),
    "RAdam": (
        optim.RAdam,
        dict(lr=0.1, betas=(0.5, 0.9)),
        [0.9746854745515687, -2.0720923874665145, 0.5959567870661502],
    ),
    "RAdam decoupled": (
        optim.RAdam,
        dict(lr=0.1, decoupled_weight_decay=True, weight_decay=0.5),
        [0.6821107991589174, -1.4701797245870174, 0.47922583764584953],
    ),
    "Adagrad": (
        optim.Adagrad,
        dict(lr=0.5, lr_decay=0.1, initial_accumulator_value=0.5),
        [0.6018285943932943, -2.0570694145488706, 0.3708523817905905],
    ),
    "Adadelta": (
        optim.Adadelta,
        dict(lr=2.0, rho=0.7, weight_decay=0.1),
        [0.9928530144642449, -1.997754300558489, 0.4936938376836174],
    ),
    "RMSprop": (optim.RMSprop, dict(lr=0.02), [0.782651246139163, -2.00017669616451, 0.2791127750702734]),
    "RMSprop all": (
        optim.RMSprop,
        dict(lr=0.005, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1),
        [0.9617981716329994, -1.9711501904170696, 0.4741536491939943],
    ),
    "Rprop": (optim.Rprop, dict(lr=0.1), [0.5616, -1.9749999999999999, 0.4]),
    "ASGD": (
        optim.ASGD,
        dict(lr=0.1, lambd=0.1, t0=2),
        [0.894287387825363, -2.0487075427608197, 0.20511600193441915],
    ),
    "Adafactor": (
        optim.Adafactor,
        dict(lr=0.1, weight_decay=0.1),
        [0.7928795518468126, -1.8836271747262279, 0.2389029928692607],
    ),
}


@pytest.mark.parametrize("name", ARRIVALS)
def test_pytorchs_numbers(name):
    cls, options, end = ARRIVALS[name]
    p = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = cls([p], **options)
    for g in GRADIENTS:
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
    # NAdam and ASGD keep a counter in float32, the last bit of which moves the result by 1e-8.
    tolerance = 1e-7 if name.startswith(("NAdam", "ASGD")) else 1e-12
    np.testing.assert_allclose(p.detach().numpy(), end, rtol=tolerance)


def test_asgd_averages_after_t0():
    """ax is p until step t0 + 2, and from then on the mean of the iterates since."""
    p = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.ASGD([p], lr=0.1, t0=2)
    iterates = []
    for i in range(8):
        p.grad = torch.tensor([i - 3.0], dtype=torch.float64)
        optimizer.step()
        iterates.append(p.item())
        mean = iterates[i] if i < 3 else np.mean(iterates[3:])
        np.testing.assert_allclose(optimizer.state[p]["ax"].item(), mean, rtol=1e-6)


def test_without_momentum_the_average_is_the_gradient_itself():
    """However large the one before was."""
    p = torch.ones(1, requires_grad=True)
    optimizer = optim.Adam([p], betas=(0.0, 0.9))
    for g in (1e10, 1e-10):
        p.grad = torch.tensor([g])
        optimizer.step()
        assert optimizer.state[p]["exp_avg"].item() == p.grad.item()


def test_the_books_adam_is_ours_with_a_changing_epsilon():
    """The book adds 1e-7 to sqrt(v) before the correction: eps = 1e-7 / sqrt(1 - 0.999^t) here."""
    x = torch.tensor([-7.0, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.Adam([x], lr=0.3)
    for t in range(1, 31):
        optimizer.param_groups[0]["eps"] = 1e-7 / math.sqrt(1 - 0.999**t)
        optimizer.zero_grad()
        (x * x * torch.tensor([0.05, 1.0], dtype=torch.float64)).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(
        x.detach().numpy(), [0.13600685239498186, 0.31824537553721943], rtol=0, atol=1e-12
    )


def test_momentum_is_sgds_while_the_rate_is_constant():
    a, b = parameters([(4,)], np.float64), parameters([(4,)], np.float64)
    ours, torchs = optim.Momentum(a, lr=0.1), optim.SGD(b, lr=0.1, momentum=0.9)
    for i in range(20):
        for p, o in ((a, ours), (b, torchs)):
            give_gradients(p, i)
            o.step()
    np.testing.assert_allclose(a[0].detach().numpy(), b[0].detach().numpy(), rtol=1e-12)


# ---- those that look at whole parameters


def quadratic_in_matrices(cls, **options):
    """The loss |w x - y|^2 after 200 steps, relative to the start, and what its state was."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((6, 20)).astype("f"))
    w = torch.from_numpy(rng.standard_normal((4, 6)).astype("f")).requires_grad_()
    y = torch.from_numpy(rng.standard_normal((4, 6)).astype("f")) @ x
    optimizer = cls([w], **options)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((w @ x - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0], optimizer.state[w]


def test_adafactor():
    share, state = quadratic_in_matrices(optim.Adafactor, lr=0.05)
    assert share < 0.05
    assert {k: tuple(v.shape) for k, v in state.items()} == {"step": (), "row_var": (4, 1), "col_var": (1, 6)}


def test_adafactor_bounds_small_gradients():
    """sqrt(v) is at least eps1: gradients of 0.1 over 0.5, times alpha = rms(p) lr."""
    w = torch.ones(2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.full((2,), 0.1, dtype=torch.float64)
    optim.Adafactor([w], lr=0.1, eps=(0.5, 1e-3)).step()
    np.testing.assert_allclose(w.tolist(), [0.98, 0.98])


def test_muon():
    share, state = quadratic_in_matrices(optim.Muon, lr=0.02)
    assert share < 0.05
    assert list(state) == ["momentum_buffer"]


@pytest.mark.parametrize(
    "shape, adjust, ratio",
    [
        ((5, 8), None, 1),
        ((20, 5), "original", 2),
        ((5, 20), "original", 1),
        ((25, 5), "match_rms_adamw", 1),
        ((5, 100), "match_rms_adamw", 2),
    ],
)
def test_muon_orthogonalizes(shape, adjust, ratio):
    """The singular values of its step are near lr times the ratio, whatever those of the gradient."""
    w = torch.zeros(*shape, requires_grad=True)
    w.grad = torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype("f"))
    optim.Muon([w], lr=1.0, adjust_lr_fn=adjust).step()
    values = np.linalg.svd(w.detach().numpy(), compute_uv=False) / ratio
    assert np.all((values > 0.6) & (values < 1.3))


def test_adafactor_of_a_matrix_as_in_pytorch():
    q = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.7, -0.4]], dtype=torch.float64, requires_grad=True)
    optimizer = optim.Adafactor([q], lr=0.1, weight_decay=0.1)
    for i, g in enumerate(GRADIENTS):
        q.grad = torch.tensor([g, GRADIENTS[i - 1]], dtype=torch.float64)
        optimizer.step()
    end = [
        [0.7775988518457622, -1.8789748078566355, 0.3982345145806039],
        [0.1995768270323317, 0.5345564218965284, -0.37446878599940614],
    ]
    np.testing.assert_allclose(q.detach().numpy(), end, rtol=1e-12)


def test_matrices_are_what_muon_takes():
    with pytest.raises(ValueError, match="2D"):
        optim.Muon([torch.zeros(3, requires_grad=True)])
    optimizer = optim.Muon([torch.zeros(3, 3, requires_grad=True)])
    with pytest.raises(ValueError, match="2D"):
        optimizer.add_param_group({"params": [torch.zeros(3, requires_grad=True)]})


@pytest.mark.parametrize("cls", [optim.Adafactor, optim.Muon])
def test_whole_parameter_optimizers_resume_exactly(cls):
    params, copies = parameters([(3, 4), (5, 2)]), parameters([(3, 4), (5, 2)])
    optimizer, resumed = cls(params), cls(copies)
    for i in range(4):
        give_gradients(params, i)
        optimizer.step()
        if i == 1:
            resumed.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
            with torch.no_grad():
                for p, q in zip(params, copies):
                    q.copy_(p)
        elif i > 1:
            give_gradients(copies, i)
            resumed.step()
    assert_equal(values(params), values(copies))


class Valley:
    """Rosenbrock's function of three variables in two parameters, with a closure that counts."""

    def __init__(self, **options):
        self.x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
        self.y = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        self.optimizer = optim.LBFGS([self.x, self.y], **options)
        self.calls, self.fail_at = 0, None

    def __call__(self):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyError("lost")
        self.optimizer.zero_grad()
        v = torch.cat([self.x, self.y.reshape(1)])
        loss = ((1 - v[:-1]) ** 2 + 100 * (v[1:] - v[:-1] ** 2) ** 2).sum()
        loss.backward()
        return loss


@pytest.mark.parametrize("history_size", [3, 100])
def test_lbfgs_finds_rosenbrocks_minimum(history_size):
    valley = Valley(line_search_fn="strong_wolfe", max_iter=80, history_size=history_size)
    first = valley.optimizer.step(valley)
    assert first.item() == pytest.approx(49.2)
    np.testing.assert_allclose(valley.x.tolist() + [valley.y.item()], [1, 1, 1], rtol=1e-5)
    assert valley.calls < 100
    state = valley.optimizer.state[valley.x]
    assert state["func_evals"] == valley.calls and len(state["old_dirs"]) <= history_size


def test_lbfgs_with_fixed_steps():
    valley = Valley(lr=1e-3, max_iter=10)
    losses = [valley.optimizer.step(valley).item() for _ in range(4)]
    np.testing.assert_allclose(
        losses, [49.2, 48.33785188475621, 47.536543529356564, 46.73212554312973], rtol=1e-10
    )
    assert valley.calls == 40


def test_lbfgs_resumes_exactly():
    valley, resumed = Valley(line_search_fn="strong_wolfe", max_iter=4), Valley()
    valley.optimizer.step(valley)
    resumed.optimizer.load_state_dict(pickle.loads(pickle.dumps(valley.optimizer.state_dict())))
    with torch.no_grad():
        resumed.x.copy_(valley.x)
        resumed.y.copy_(valley.y)
    for _ in range(3):
        assert valley.optimizer.step(valley).item() == resumed.optimizer.step(resumed).item()
    assert valley.x.tolist() == resumed.x.tolist() and valley.y.item() == resumed.y.item()


@pytest.mark.parametrize("fail_at", [1, 2, 5, 9])
def test_a_closure_that_fails_in_a_line_search(fail_at):
    """leaves the parameters at a point that was accepted, and a state to go on from."""
    valley = Valley(line_search_fn="strong_wolfe", max_iter=8)
    valley.fail_at = fail_at
    with pytest.raises(KeyError, match="lost"):
        valley.optimizer.step(valley)
    assert valley().item() <= 49.2 + 1e-9
    for _ in range(10):
        valley.optimizer.step(valley)
    np.testing.assert_allclose(valley.x.tolist(), [1, 1], rtol=1e-5)


def test_lbfgs_refuses():
    a, b = parameters([(2,), (2,)])
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [a]}, {"params": [b]}])
    optimizer = optim.LBFGS([a])
    with pytest.raises(ValueError, match="parameter groups"):
        optimizer.add_param_group({"params": [b]})
    with pytest.raises(TypeError):
        optimizer.step()
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        optim.LBFGS([a], line_search_fn="armijo").step(lambda: 0.0)
