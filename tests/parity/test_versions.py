"""What changes a tensor raises its version, in both libraries: else backward would use values that are gone.

Not compared: PyTorch's batch norms write to their running statistics unnoticed, ours do not (test_corners.py).
"""
# ruff: noqa: E501

from __future__ import annotations

import warnings

import pytest
import torch
from bad_input import names_of

import tinygrad6

# what is looked at; what happens to it, as t
CHANGES = """
x(3); init.uniform_(t)
x(3); init.normal_(t)
x(3); init.trunc_normal_(t)
x(3); init.trunc_normal_(t, 0.0, 1.0, 2.0, 3.0)
x(3); init.trunc_normal_(t, 0.0, 0.0001)
x(3); init.constant_(t, 2.0)
x(3); init.ones_(t)
x(3); init.zeros_(t)
x(3, 3); init.eye_(t)
x(3, 3, 3); init.dirac_(t)
x(3, 3); init.xavier_uniform_(t)
x(3, 3); init.xavier_normal_(t)
x(3, 3); init.kaiming_uniform_(t)
x(3, 3); init.kaiming_normal_(t)
x(3, 2); init.orthogonal_(t)
x(2, 3); init.orthogonal_(t)
x(3, 3); init.sparse_(t, 0.5)
x(3); F.batch_norm(x(2, 3), x(3), t, training=False)
x(3); F.batch_norm(x(2, 3), x(3), x(3), t, training=True)
x(3); F.instance_norm(x(2, 3, 4), t, x(3))
x(3); F.instance_norm(x(2, 3, 4), x(3), t)
x(3); F.instance_norm(x(2, 3, 4), t, x(3), use_input_stats=False)
x(4, 3); F.embedding(i(4, 2), t)
x(4, 3); F.embedding(i(4, 2), t, max_norm=0.1)
x(4, 3); F.embedding_bag(i(4, 2, 2), t, max_norm=0.1)
x(2, 3); F.relu(t, inplace=True)
x(2, 3); F.relu(t)
x(2, 3); F.elu_(t)
x(2, 3); F.threshold(t, 0.5, 0.0, inplace=True)
x(2, 3); F.silu(t, inplace=True)
x(2, 3); F.hardtanh(t, inplace=True)
x(2, 3); F.rrelu(t, training=True, inplace=True)
x(2, 3); F.dropout(t, inplace=True)
x(2, 3); F.dropout(t, training=False, inplace=True)
x(2, 3); F.dropout(t, 1.0, inplace=True)
x(2, 3); F.dropout1d(t, inplace=True)
x(2, 3, 4); F.dropout1d(t, inplace=True)
x(2, 3); F.alpha_dropout(t, training=True, inplace=True)
x(2, 3); F.alpha_dropout(t, 1.0, training=True, inplace=True)
x(2, 3); F.normalize(x(2, 3), out=t)
x(3); utils.vector_to_parameters(x(3), [t])
x(3); optim.SGD([t.requires_grad_()], 0.1).step()
x(3); [setattr(t, 'grad', x(3)), optim.SGD([t.requires_grad_()], 0.1).step()]
x(3); [setattr(t, 'grad', x(3)), optim.Adam([t.requires_grad_(), p(2)], 0.1).step()]
x(3); [setattr(t, 'grad', x(3)), optim.Adam([t.requires_grad_(), graded(2)], 0.1).step()]
x(3, 3); [setattr(t, 'grad', x(3, 3)), optim.Muon([t.requires_grad_()], 0.1).step()]
x(3); [setattr(t, 'grad', x(3)), optim.LBFGS([t.requires_grad_()], 0.1).step(lambda: (t * t).sum())]
x(3); [setattr(t, 'grad', x(3)), optim.LBFGS([t.requires_grad_()], 0.1, line_search_fn='strong_wolfe').step(lambda: (t * t).sum())]
x(3); [q := p(3), setattr(q, 'grad', t), optim.SGD([q], 0.1).zero_grad()]
torch.ones(3); [q := p(3), setattr(q, 'grad', t), optim.SGD([q], 0.1).zero_grad(set_to_none=False)]
x(3); [q := p(3), setattr(q, 'grad', t), optim.SGD([q], 0.1, momentum=0.5).step()]
x(3); [q := p(3), setattr(q, 'grad', t), utils.clip_grad_norm_([q], 0.1)]
x(3); [q := p(3), setattr(q, 'grad', t), utils.clip_grad_value_([q], 0.1)]
"""
# a module, called and trained once, or what is done to it as m: for each parameter and buffer, is it changed
MODULES = """
nn.BatchNorm1d(3); m.eval()(x(2, 3))
nn.BatchNorm1d(3, track_running_stats=False); m(x(2, 3))
nn.InstanceNorm1d(3, affine=True, track_running_stats=True); m(x(2, 3, 4))
nn.Embedding(4, 3, max_norm=0.1); m(i(4, 2))
nn.Linear(2, 3); m.load_state_dict({'weight': x(3, 2), 'bias': x(3)})
nn.Linear(2, 3); m.load_state_dict({'weight': x(3, 2)}, strict=False)
nn.Linear(2, 3); m.reset_parameters()
nn.Linear(2, 3); m.requires_grad_(False)
nn.BatchNorm1d(3); m.reset_running_stats()
nn.BatchNorm1d(3); m.reset_parameters()
nn.BatchNorm1d(3); m.load_state_dict(nn.BatchNorm1d(3).state_dict())
nn.Embedding(4, 3, padding_idx=1); m.reset_parameters()
nn.LSTM(2, 3); m.reset_parameters()
nn.Linear(2, 3); m.half()
nn.BatchNorm1d(3); m.double()
nn.BatchNorm1d(3); m.float()
swa.AveragedModel(nn.Linear(2, 1)); m.update_parameters(nn.Linear(2, 1))
swa.AveragedModel(nn.BatchNorm1d(2)); m.update_parameters(nn.BatchNorm1d(2))
nn.BatchNorm1d(3); swa.update_bn([x(2, 3), x(2, 3)], m)
utils.parametrizations.spectral_norm(nn.Linear(2, 3)); m(x(1, 2))
utils.parametrizations.spectral_norm(nn.Linear(2, 3)); m.eval()(x(1, 2))
utils.spectral_norm(nn.Linear(2, 3)); m(x(1, 2))
"""


def lines(text):
    return [line for line in text.splitlines() if line]


def moved(lib, first, then, looked_at):
    """Of what `looked_at` finds in the value of `first`, which versions `then` raises."""
    space = dict(names_of(lib))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = eval(first, space)
        seen = looked_at(t)
        before = [v._version for v in seen]
        eval(then, {**space, "t": t, "m": t})
    return [v._version > b for v, b in zip(seen, before)]


@pytest.mark.parametrize("line", lines(CHANGES))
def test_versions_of_what_is_changed(line):
    first, _, then = line.partition("; ")
    ours, theirs = (moved(lib, first, then, lambda t: [t]) for lib in (tinygrad6, torch))
    assert ours == theirs


@pytest.mark.parametrize("line", lines(MODULES))
def test_versions_in_modules(line):
    first, _, then = line.partition("; ")
    members = lambda m: [*m.parameters(), *m.buffers()]  # noqa: E731
    ours, theirs = (moved(lib, first, then, members) for lib in (tinygrad6, torch))
    assert ours == theirs
