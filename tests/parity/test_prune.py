"""nn.utils.prune and parametrizations.orthogonal beside PyTorch's."""

from __future__ import annotations

import copy
import importlib

import numpy as np
import pytest
from helpers import same

import tinygrad6


def prune_of(torch):
    return importlib.import_module(f"{torch.__name__}.nn.utils.prune")


def state(module):
    return [list(module.state_dict().items()), [n for n, _ in module.named_parameters()]]


def layer(torch):
    torch.manual_seed(3)
    return torch.nn.Conv2d(2, 4, 3)


ONCE = {
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.3),
    "l1_count": lambda p, m: p.l1_unstructured(m, name="bias", amount=2),
    "l1_none": lambda p, m: p.l1_unstructured(m, "weight", 0),
    "l1_all": lambda p, m: p.l1_unstructured(m, "weight", 1.0),
    "l1_scores": lambda p, m: p.l1_unstructured(m, "weight", 0.25, importance_scores=-1 / m.weight.detach()),
    "random": lambda p, m: p.random_unstructured(m, "weight", 0.4),
    "random_count": lambda p, m: p.random_unstructured(m, "weight", amount=7),
    "random_structured": lambda p, m: p.random_structured(m, "weight", 0.5, 0),
    "random_structured_last": lambda p, m: p.random_structured(m, "weight", amount=1, dim=-1),
    "ln": lambda p, m: p.ln_structured(m, "weight", 0.5, 2, 0),
    "ln_1": lambda p, m: p.ln_structured(m, "weight", amount=1, n=1, dim=1),
    "ln_inf": lambda p, m: p.ln_structured(m, "weight", 2, float("inf"), -1),
    "ln_none": lambda p, m: p.ln_structured(m, "weight", 0, 2, dim=1),
    "identity": lambda p, m: p.identity(m, "weight"),
    # errors
    "negative": lambda p, m: p.l1_unstructured(m, "weight", -1),
    "share": lambda p, m: p.l1_unstructured(m, "weight", 1.5),
    "kind": lambda p, m: p.random_unstructured(m, "weight", "half"),
    "many": lambda p, m: p.random_unstructured(m, "weight", 73),
    "vector": lambda p, m: p.ln_structured(m, "bias", 1, 2, 0),
    "dim": lambda p, m: p.random_structured(m, "weight", 1, 4),
    "missing": lambda p, m: p.l1_unstructured(m, "wait", 0.1),
    "scores": lambda p, m: p.l1_unstructured(m, "weight", 0.1, importance_scores=m.bias),
    "not_pruned": lambda p, m: p.remove(m, "weight"),
}


@pytest.mark.parametrize("first", ONCE)
@pytest.mark.parametrize("then", [None, "l1", "random_count", "ln", "random_structured", "identity", "mask"])
def test_prune(first, then):
    def run(torch):
        p, m = prune_of(torch), layer(torch)
        returned = ONCE[first](p, m)
        if then == "mask":
            p.custom_from_mask(m, "weight", torch.arange(72).view(4, 2, 3, 3) % 3 > 0)
        elif then:
            ONCE[then](p, m)
        hooks = [[type(h).__name__, h._tensor_name, len(h) if then and hasattr(h, "__len__") else 0]
                 for h in m._forward_pre_hooks.values()]  # fmt: skip
        x = torch.randn(1, 2, 4, 4)
        out = m(x)
        out.square().sum().backward()
        grads = [q.grad for q in m.parameters()]
        pruned = [returned is m, p.is_pruned(m), p.is_pruned(torch.nn.Sequential(m)), state(m), hooks]
        for name in ("weight", "bias"):
            if any(h._tensor_name == name for h in m._forward_pre_hooks.values()):
                p.remove(m, name)
        return [pruned, out.detach(), grads, state(m), p.is_pruned(m), m(x).detach(), torch.rand(1)]

    same(run, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["L1Unstructured", "RandomUnstructured", "LnStructured", "Identity"])
def test_several_parameters_at_once(method):
    def run(torch):
        torch.manual_seed(0)
        p, nn = prune_of(torch), torch.nn
        net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        places = [(net[0], "weight"), (net[2], "weight"), (net[2], "bias")]
        settings = {} if method == "Identity" else {"amount": 0.4}
        settings |= {"n": 2} if method == "LnStructured" else {}
        p.global_unstructured(places, pruning_method=getattr(p, method), **settings)
        p.global_unstructured(tuple(places[:2]), pruning_method=p.L1Unstructured, amount=3)
        before = state(net)
        for m, name in places:
            p.remove(m, name)
        return [before, state(net), torch.rand(1)]

    same(run)
    same(lambda torch: prune_of(torch).global_unstructured(3, prune_of(torch).L1Unstructured, amount=1))

    def scored(torch):
        torch.manual_seed(0)
        p, a = prune_of(torch), torch.nn.Linear(3, 2)
        scores = {(a, "weight"): torch.arange(6.0).view(2, 3)}
        p.global_unstructured([(a, "weight"), (a, "bias")], p.L1Unstructured, scores, amount=4)
        return state(a)

    same(scored)


def test_methods_of_ones_own():
    def run(torch, kind, dim):
        p = prune_of(torch)

        class EveryOther(p.BasePruningMethod):
            PRUNING_TYPE = kind

            def compute_mask(self, t, default_mask):
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        m = layer(torch)
        method = EveryOther.apply(m, "weight")
        if dim is not None:
            method.dim = dim
        EveryOther.dim = dim if dim is not None else None
        if dim is None:
            del EveryOther.dim
        before = state(m)
        EveryOther.apply(m, "weight")
        plain = EveryOther().prune(torch.arange(6.0))
        masked = EveryOther().prune(torch.arange(6.0), default_mask=torch.tensor([1.0, 1, 0, 0, 1, 1]))
        container = list(m._forward_pre_hooks.values())[0]
        kinds = [type(c).__name__ for c in container], type(container[0]).__name__
        return [before, state(m), plain, masked, kinds]

    for kind, dim in (("unstructured", None), ("global", None), ("structured", 1), ("structured", -1),
                      ("structured", -9), ("structured", None), ("other", None)):  # fmt: skip
        same(run, kind=kind, dim=dim)
    same(lambda torch: prune_of(torch).BasePruningMethod())


def test_training_keeps_zeros_and_checkpoints_carry_masks():
    def run(torch):
        p, m = prune_of(torch), layer(torch)
        p.l1_unstructured(m, "weight", 0.5)
        optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
        torch.manual_seed(1)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = m(torch.randn(2, 2, 5, 5)).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        other = layer(torch)
        p.identity(other, "weight")
        other.load_state_dict(m.state_dict())
        x = torch.randn(1, 2, 4, 4)
        return [losses, (m.weight == 0).sum().item(), other(x).detach(), m(x).detach()]

    same(run, rtol=1e-4, atol=1e-5)


def test_a_failed_pruning_changes_nothing():
    m = layer(tinygrad6)
    before = copy.deepcopy(m.state_dict())
    with pytest.raises(ValueError, match="amount=99"):
        prune_of(tinygrad6).l1_unstructured(m, "weight", 99)
    assert list(before) == list(m.state_dict()) and not m._forward_pre_hooks
    prune_of(tinygrad6).l1_unstructured(m, "weight", 2)
    with pytest.raises(ValueError, match="amount=99"):
        prune_of(tinygrad6).l1_unstructured(m, "weight", 99)
    assert len(m._forward_pre_hooks) == 1 and (m.weight == 0).sum() == 2


# ---- orthogonal weights

SHAPES = [(4, 4), (5, 3), (3, 5), (2, 3, 3), (2, 4, 3), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal(shape, how, trivial):
    def run(torch, w, v):
        torch.manual_seed(0)
        m = torch.nn.Module()
        m.register_parameter("weight", torch.nn.Parameter(w.detach().clone()))
        torch.nn.utils.parametrizations.orthogonal(m, "weight", how, use_trivialization=trivial)
        rule = m.parametrizations.weight[0]
        out = m.weight
        (out * v).sum().backward()
        names = [list(m.state_dict()), hasattr(rule, "base"), repr(m), torch.rand(1)]
        q = out.detach()
        m.weight = v / 2  # not orthogonal: Q of its decomposition
        made = m.weight.detach()
        m.weight = q
        return [names, q, m.parametrizations.weight.original.grad, made, m.weight.detach()]

    rng = np.random.default_rng(1)
    w, v = (tinygrad6.tensor(rng.uniform(-1, 1, shape)) for _ in range(2))
    same(run, w, v, rtol=1e-7, atol=1e-8)


def test_orthogonal_in_training_and_refused():
    def train(torch):
        torch.manual_seed(0)
        net = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 5))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        losses = []
        for _ in range(4):
            loss = (net(torch.randn(4, 3)) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        q = net.weight.detach()
        torch.nn.utils.parametrize.remove_parametrizations(net, "weight")
        return [losses, q, q.T @ q, net.weight]

    same(train, rtol=1e-4, atol=1e-5)
    ortho = lambda torch: torch.nn.utils.parametrizations.orthogonal  # noqa: E731
    same(lambda torch: ortho(torch)(torch.nn.Linear(2, 2), "bias"))
    same(lambda torch: ortho(torch)(torch.nn.Linear(2, 2), "wait"))
    same(lambda torch: ortho(torch)(torch.nn.Linear(2, 2), orthogonal_map="qr"))
