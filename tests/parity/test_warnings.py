"""What both libraries warn about: in the same lines, as often, of the same category, with the same first words."""
# ruff: noqa: E501

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch
from bad_input import names_of

import tinygrad6

LINES = """
F.mse_loss(x(2, 3), x(3))
F.l1_loss(x(2, 3), x(2, 1))
F.l1_loss(x(2, 3), x(2, 3))
F.smooth_l1_loss(x(3), x(1))
F.huber_loss(x(3), x(1))
F.mse_loss(x(3), x(3), size_average=True)
F.mse_loss(x(3), x(3), reduce=False)
F.mse_loss(x(3), x(3), size_average=False, reduce=True)
nn.MSELoss(size_average=False)
nn.MSELoss(reduce=False)(x(3), x(3))
nn.L1Loss(None, None)
F.kl_div(x(3), x(3))
F.kl_div(x(3), x(3), reduction='batchmean')
F.kl_div(x(3), x(3), reduction='sum')
F.kl_div(x(3), x(3), size_average=True)
nn.KLDivLoss()(x(3), x(3))
F.dropout1d(x(2, 3))
F.dropout2d(x(2, 3))
F.dropout2d(x(2, 3, 4))
F.dropout2d(x(2, 3, 4, 5))
F.dropout2d(x(1, 2, 3, 4, 5))
F.dropout3d(x(2, 3, 4))
F.dropout3d(x(2, 3, 4, 5))
F.dropout3d(x(2, 3, 4, 5, 6))
F.feature_alpha_dropout(x(2, 3), 0.5, True)
F.softmax(x(2, 3))
F.softmax(x(2, 3), 1)
F.log_softmax(x(2))
F.softmin(x(2, 3, 4))
nn.Softmax()(x(2, 3))
nn.Softmin()(x(2, 3))
nn.LogSoftmax()(x(2, 3))
nn.Softmax(0)(x(2, 3))
init.trunc_normal_(x(3), 5.0)
init.trunc_normal_(x(3), -5.0)
init.trunc_normal_(x(3), 3.9)
init.trunc_normal_(x(3), 4.0)
init.trunc_normal_(x(3), -4.0)
init.trunc_normal_(x(3), 3.0, 0.5)
init.trunc_normal_(x(3), -3.1, 0.5)
init.kaiming_uniform_(torch.empty(0, 3))
init.kaiming_normal_(torch.empty(3, 0))
init.kaiming_normal_(torch.empty(3, 2))
init.uniform(x(3))
init.normal(x(3))
init.constant(x(3), 2.0)
init.eye(x(3, 3))
init.dirac(x(3, 3, 3))
init.xavier_uniform(x(3, 3))
init.xavier_normal(x(3, 3))
init.kaiming_uniform(x(3, 3))
init.kaiming_normal(x(3, 3))
init.orthogonal(x(3, 3))
init.sparse(x(3, 3), 0.5)
nn.PReLU(0)
nn.PReLU(1)
nn.Threshold(1.0, 2.0)
nn.Hardtanh(min_value=-2.0)
nn.Hardtanh(max_value=2.0)
nn.Hardtanh(-2.0, 2.0, False, -3.0)
nn.InstanceNorm1d(3)(x(2, 4, 5))
nn.InstanceNorm1d(3)(x(2, 3, 5))
nn.InstanceNorm1d(3, affine=True)(x(2, 3, 5))
nn.InstanceNorm2d(3)(x(4, 5, 6))
nn.InstanceNorm2d(3)(x(3, 5, 6))
nn.LSTM(2, 3, dropout=0.5)
nn.LSTM(2, 3, 2, dropout=0.5)
nn.GRU(2, 3, dropout=0.0)
nn.RNN(2, 3, dropout=1.0)
nn.MultiheadAttention(4, 2)(x(3, 1, 4), x(3, 1, 4), x(3, 1, 4), torch.zeros(1, 3), attn_mask=torch.zeros(3, 3).bool())
nn.MultiheadAttention(4, 2)(x(3, 1, 4), x(3, 1, 4), x(3, 1, 4), torch.zeros(1, 3).bool(), attn_mask=torch.zeros(3, 3).bool())
nn.MultiheadAttention(4, 2)(x(3, 1, 4), x(3, 1, 4), x(3, 1, 4), torch.zeros(1, 3), attn_mask=torch.zeros(3, 3))
nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])
F.gumbel_softmax(x(2, 3))
F.gumbel_softmax(x(2, 3), eps=1e-5)
F.upsample(x(1, 1, 2, 2), 4)
F.upsample_nearest(x(1, 1, 2, 2), 4)
F.upsample_bilinear(x(1, 1, 2, 2), 4)
F.interpolate(x(1, 1, 2, 2), 4, mode='bilinear')
F.interpolate(x(1, 1, 2, 2), scale_factor=1.5, mode='bilinear')
F.interpolate(x(1, 1, 2, 2), scale_factor=1.5, recompute_scale_factor=True)
F.tanh(x(2))
F.sigmoid(x(2))
F.max_pool2d(x(1, 1, 4, 4), 2)
F.ctc_loss(x(3, 1, 4).log_softmax(2), i(4, 1, 1), torch.tensor([3]), torch.tensor([1]))
nn.Sequential(nn.Linear(1, 1)).load_state_dict({}, strict=False)
utils.clip_grad_norm([graded(2)], 1.0)
utils.weight_norm(nn.Linear(2, 2))
utils.spectral_norm(nn.Linear(2, 2))
nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 4, batch_first=True), 1)
nn.CosineSimilarity()(x(2, 3), x(2, 3))
nn.BCELoss()(x(3), x(3))
nn.Upsample(scale_factor=1.5)(x(1, 1, 4))
optim.SGD([p(2), p(3)], 0.1)
[q := p(2), optim.SGD([q, q], 0.1)]
[q := p(2), optim.SGD([{'params': [q, q]}, {'params': [p(1)]}], 0.1)]
schedulers.StepLR(sgd(), 2).step()
[o := sgd(), s := schedulers.StepLR(o, 2), o.step(), s.step()]
[o := sgd(), s := schedulers.StepLR(o, 2), o.step(), s.step(), s.step(3)]
[o := sgd(), s := schedulers.StepLR(o, 2), s.step(), s.step(), o.step()]
[o := sgd(), s := schedulers.ExponentialLR(o, 0.5), o.step(), s.step(), s.get_last_lr()]
[s.get_lr() for s in [schedulers.StepLR(sgd(), 2)]]
[s.get_lr() for s in [schedulers.ExponentialLR(sgd(), 0.5)]]
[s.get_lr() for s in [schedulers.MultiStepLR(sgd(), [2])]]
[s.get_lr() for s in [schedulers.LambdaLR(sgd(), lambda e: 1.0)]]
[s.get_lr() for s in [schedulers.MultiplicativeLR(sgd(), lambda e: 1.0)]]
[s.get_lr() for s in [schedulers.ConstantLR(sgd())]]
[s.get_lr() for s in [schedulers.LinearLR(sgd())]]
[s.get_lr() for s in [schedulers.PolynomialLR(sgd())]]
[s.get_lr() for s in [schedulers.CosineAnnealingLR(sgd(), 3)]]
[s.get_lr() for s in [schedulers.CosineAnnealingWarmRestarts(sgd(), 3)]]
[s.get_lr() for s in [schedulers.OneCycleLR(sgd(momentum=0.5), 0.2, 5)]]
[s.get_lr() for s in [schedulers.CyclicLR(sgd(momentum=0.5), 0.1, 0.2)]]
[s.get_lr() for s in [swa.SWALR(sgd(), 0.2)]]
[o := sgd(), s := schedulers.ReduceLROnPlateau(o), s.step(1.0)]
[o := sgd(), s := schedulers.ReduceLROnPlateau(o), s.step(1.0, 3)]
[o := sgd(), s := schedulers.SequentialLR(o, [schedulers.ConstantLR(o), schedulers.StepLR(o, 1)], [1]), o.step(), s.step(), s.step()]
[o := sgd(), s := schedulers.ChainedScheduler([schedulers.ConstantLR(o), schedulers.StepLR(o, 1)]), o.step(), s.step()]
"""


def words(text):
    """What a warning says, but for paths, and for punctuation."""
    return re.findall(r"[a-z]{3,}", text.lower())


@pytest.mark.parametrize("line", LINES.split("\n")[1:-1])
def test_warnings_are_pytorchs(line):
    told = []
    for lib in (tinygrad6, torch):
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            eval(line, dict(names_of(lib)))
        told.append([(w.category, " ".join(words(str(w.message))[:5])) for w in caught])
    assert told[0] == told[1]
