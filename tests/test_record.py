"""utils.record: outputs and gradients of a model's layers, and a model that does not notice."""

import pytest

import tinygrad6 as torch
import tinygrad6.nn.functional as F
from tinygrad6 import nn
from tinygrad6.utils import record


def net(inplace=False):
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=inplace), nn.Linear(3, 2))


def test_outputs_and_gradients_are_those_of_the_layers():
    model, x, y = net(), torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 1])
    with record(model) as r:
        F.cross_entropy(model(x), y).backward()

    first = F.linear(x, model[0].weight, model[0].bias).detach().requires_grad_()
    hidden = first.relu()
    hidden.retain_grad()
    out = F.linear(hidden, model[2].weight, model[2].bias)
    out.retain_grad()
    F.cross_entropy(out, y).backward()
    for name, value in (("0", first), ("1", hidden), ("2", out)):
        assert torch.equal(r.activations[name], value.detach())
        assert torch.allclose(r.gradients[name], value.grad)
        assert not r.activations[name].requires_grad and r.activations[name].grad_fn is None


def test_the_model_computes_the_same_and_keeps_no_hooks():
    model, x = net(), torch.randn(5, 4)
    model(x).sum().backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with record(model) as r:
        model(x).sum().backward()
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), plain))
    before = r.activations["0"].clone()
    model(torch.randn(5, 4))
    assert torch.equal(r.activations["0"], before)

    with pytest.raises(RuntimeError), record(model) as failed:
        model(torch.randn(5, 7))
    model(x)
    assert failed.activations == {}


def test_an_in_place_layer_does_not_overwrite_what_was_recorded():
    model, x = net(inplace=True), torch.randn(50, 4)
    with record(model) as r:
        model(x).sum().backward()
    assert (r.activations["0"] < 0).any() and (r.activations["1"] >= 0).all()
    dead = r.activations["0"] < 0
    assert (r.gradients["0"][dead] == 0).all() and (r.gradients["1"][dead] != 0).any()


def test_a_module_called_twice_keeps_the_last_call_or_every_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Tanh()

        def forward(self, x):
            return 3 * self.act(2 * self.act(x))

    x = torch.randn(4, requires_grad=True)
    model = Twice()
    with record(model) as last, record(model, every=True) as every:
        model(x).sum().backward()
    once = x.tanh()
    twice = (2 * once).tanh()
    assert torch.equal(last.activations["act"], twice.detach())
    assert torch.equal(last.gradients["act"], torch.full((4,), 3.0))
    assert [torch.equal(a, b.detach()) for a, b in zip(every.activations["act"], (once, twice))] == [
        True,
        True,
    ]
    assert torch.allclose(every.gradients["act"][0], (6 * (1 - twice**2)).detach())
    assert torch.equal(every.gradients["act"][1], torch.full((4,), 3.0))


def test_a_call_without_gradient_does_not_inherit_the_one_before():
    model, x = net(), torch.randn(5, 4)
    with record(model) as r:
        model(x).sum().backward()
        with torch.no_grad():
            model(x)
    assert r.gradients == {} and set(r.activations) == {"0", "1", "2"}


def test_several_outputs_have_paths_and_backward_may_follow_the_block():
    model = nn.LSTM(3, 2)
    with record(model) as r:
        out, (h, c) = model(torch.randn(4, 1, 3))
    assert set(r.activations) == {"[0]", "[1][0]", "[1][1]"} and r.gradients == {}
    (out.sum() + 2 * h.sum()).backward()
    assert torch.equal(r.gradients["[1][0]"], torch.full(h.shape, 2.0))
    assert torch.equal(r.activations["[1][1]"], c.detach())


def test_where_chooses_modules_and_clear_forgets():
    model = nn.Sequential(net(), nn.Tanh())
    with record(model, where=lambda name, module: isinstance(module, nn.Linear) or name == "") as r:
        model(torch.randn(5, 4))
        assert list(r.activations) == ["0.0", "0.2", ""]
        r.clear()
        assert r.activations == {}
        model(torch.randn(2, 4))
    assert r.activations[""].shape == (2, 2)


def test_statistics_and_the_table():
    model = nn.Sequential(nn.ReLU())
    x = torch.tensor([-1.0, 1.0, 3.0, -5.0], requires_grad=True)
    with record(model) as r:
        (model(x) * torch.tensor([1.0, 0.0, 2.0, 1.0])).sum().backward()
    row = r.statistics()["0"]
    assert row["mean"] == 1 and row["zeros"] == 0.5 and row["std"] == pytest.approx(1.5**0.5)
    assert row["grad_mean"] == 1 and row["grad_zeros"] == 0.25 and row["grad_std"] == pytest.approx(0.5**0.5)
    with record(model) as r:
        model(torch.ones(2))
    assert "grad_mean" not in r.statistics()["0"]
    assert repr(r).splitlines()[1].split() == ["0", "1", "0", "0", "-", "-", "-"]


def test_what_is_refused():
    with pytest.raises(TypeError, match="model must be a Module, got function"):
        record(lambda x: x)
    model = net()
    with record(model) as r, pytest.raises(RuntimeError, match="running already"):
        r.__enter__()
