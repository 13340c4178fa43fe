"""How tensors print, frozen from PyTorch 2.13:
all values, shapes and types that take a way of their own, and all options.

Long texts stand as digests.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest

import tinygrad6 as torch

DEFAULT = {
    "tensor(1.)": "tensor(1.)",
    "tensor(1)": "tensor(1)",
    "tensor(True)": "tensor(True)",
    "tensor([])": "tensor([])",
    "tensor([[]])": "tensor([], size=(1, 0))",
    "zeros(2,0)": "tensor([], size=(2, 0))",
    "zeros(0,3, dtype=torch.int64)": "tensor([], size=(0, 3), dtype=torch.int64)",
    "zeros(0, dtype=torch.bool)": "tensor([], dtype=torch.bool)",
    "tensor([1.,2.])": "tensor([1., 2.])",
    "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
    "tensor([1e-5,1.])": "tensor([1.0000e-05, 1.0000e+00])",
    "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
    "tensor([1e8,1.])": "tensor([1.0000e+08, 1.0000e+00])",
    "tensor([1e9,1.])": "tensor([1.0000e+09, 1.0000e+00])",
    "tensor([1e-8])": "tensor([1.0000e-08])",
    "tensor([0.,0.])": "tensor([0., 0.])",
    "tensor([float('nan'),1.])": "tensor([nan, 1.])",
    "tensor([float('inf'),1.])": "tensor([inf, 1.])",
    "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
    "tensor([float('nan'),1.5])": "tensor([   nan, 1.5000])",
    "tensor([1,2,3])": "tensor([1, 2, 3])",
    "tensor([-1,200,3])": "tensor([ -1, 200,   3])",
    "tensor([True,False])": "tensor([ True, False])",
    "tensor([1,2], dtype=torch.int32)": "tensor([1, 2], dtype=torch.int32)",
    "tensor([1,2], dtype=torch.uint8)": "tensor([1, 2], dtype=torch.uint8)",
    "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
    "tensor([1.5], dtype=torch.float16)": "tensor([1.5000], dtype=torch.float16)",
    "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
    "arange(30)": (
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        18, "
        "19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"
    ),
    "arange(1001)": "tensor([   0,    1,    2,  ...,  998,  999, 1000])",
    "arange(1000)": "sha256 2433bba34abe15d2",
    "arange(2000.)": (
        "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9970e+03, 1.9980e+03,\n        1.9990e+03])"
    ),
    "arange(2000.).reshape(40,50)": "sha256 e6056ab51bb91876",
    "arange(3000).reshape(3,10,100)": "sha256 6c89a62e477bd20a",
    "ones(3,4)": "tensor([[1., 1., 1., 1.],\n        [1., 1., 1., 1.],\n        [1., 1., 1., 1.]])",
    "ones(2,3,4)": "sha256 571803a2654606a8",
    "ones(2,2,2,2)": "sha256 dcd8ffaaf43dd353",
    "tensor(1., requires_grad=True)": "tensor(1., requires_grad=True)",
    "tensor([1.,2.], requires_grad=True)": "tensor([1., 2.], requires_grad=True)",
    "tensor([1.,2.], requires_grad=True)*2": "tensor([2., 4.], grad_fn=<MulBackward0>)",
    "tensor([1.,2.], requires_grad=True).sum()": "tensor(3., grad_fn=<SumBackward0>)",
    "tensor([1.,2.], requires_grad=True).exp().mean()": "tensor(5.0537, grad_fn=<MeanBackward0>)",
    "ones(30, requires_grad=True)*1.5": "sha256 910d7db1e4c8a262",
    "ones(25, requires_grad=True)": (
        "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.,\n        1., "
        "1., 1., 1., 1., 1., 1.], requires_grad=True)"
    ),
    "zeros(3, dtype=torch.float16)": "tensor([0., 0., 0.], dtype=torch.float16)",
    "tensor([0.1,0.22,0.333])": "tensor([0.1000, 0.2200, 0.3330])",
    "tensor([100.5,2.25])": "tensor([100.5000,   2.2500])",
    "tensor([-1.5,2.5])": "tensor([-1.5000,  2.5000])",
    "tensor([-1.,2.])": "tensor([-1.,  2.])",
    "tensor([1e10])": "tensor([1.0000e+10])",
    "tensor([1e-10,1e10])": "tensor([1.0000e-10, 1.0000e+10])",
    "tensor([12345.678])": "tensor([12345.6777])",
    "tensor([123456.])": "tensor([123456.])",
    "tensor([1234567.,0.5])": "tensor([1.2346e+06, 5.0000e-01])",
    "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
    "tensor([0.00001,0.005])": "tensor([1.0000e-05, 5.0000e-03])",
    "tensor(3.14159265)": "tensor(3.1416)",
    "tensor(1e-20)": "tensor(1.0000e-20)",
    "tensor(-0.)": "tensor(-0.)",
    "tensor([[1.5,2],[3,4]])": "tensor([[1.5000, 2.0000],\n        [3.0000, 4.0000]])",
    "tensor([[1,-2],[30,4]])": "tensor([[ 1, -2],\n        [30,  4]])",
    "full((2,2),1e-3)": "tensor([[0.0010, 0.0010],\n        [0.0010, 0.0010]])",
    "full((3,),2.5e-5)": "tensor([2.5000e-05, 2.5000e-05, 2.5000e-05])",
    "linspace(0,1,11)": (
        "tensor([0.0000, 0.1000, 0.2000, 0.3000, 0.4000, 0.5000, 0.6000, 0.7000, 0.8000,\n        "
        "0.9000, 1.0000])"
    ),
    "logspace(-3,3,7)": (
        "tensor([1.0000e-03, 1.0000e-02, 1.0000e-01, 1.0000e+00, 1.0000e+01, 1.0000e+02,\n        "
        "1.0000e+03])"
    ),
    "tensor([999.9999,1.])": "tensor([999.9999,   1.0000])",
    "tensor([1000.1,1.])": "tensor([1.0001e+03, 1.0000e+00])",
    "tensor([1.0001,1001.])": "tensor([1.0001e+00, 1.0010e+03])",
    "eye(3)": "tensor([[1., 0., 0.],\n        [0., 1., 0.],\n        [0., 0., 1.]])",
    "tensor([255], dtype=torch.uint8)": "tensor([255], dtype=torch.uint8)",
    "tensor(2**40)": "tensor(1099511627776)",
    "tensor([[True],[False]])": "tensor([[ True],\n        [False]])",
    "ones(1,1,1)": "tensor([[[1.]]])",
    "arange(1,2000,7.5)": "sha256 649268d89aebc92e",
    "randn_(50,50)": "sha256 0382209ad434b4e2",
    "randn_(5)": "tensor([ 0.1257, -0.1321,  0.6404,  0.1049, -0.5357])",
    "randn_(3,3)*1000": (
        "tensor([[ 125.7302, -132.1049,  640.4227],\n        [ 104.9001, -535.6694,  361.5951],\n        "
        "[1304.0000,  947.0810, -703.7352]])"
    ),
    "randn_(4,2,3)*1e-4": "sha256 03a69da13fa0bd2f",
    "randn_(1001)": "tensor([ 0.1257, -0.1321,  0.6404,  ..., -0.6643, -0.2300,  1.1839])",
    "randn_(20)": "sha256 289d9c21bffa0328",
    "randn_(2,30)": "sha256 85a2fed617d94a74",
    "randn_(7,7,7,7)": "sha256 aedf93b2fcce5090",
    "ones(2,0,3)": "tensor([], size=(2, 0, 3))",
    "tensor([[float('nan')]*3]*2)": "tensor([[nan, nan, nan],\n        [nan, nan, nan]])",
    "ones(1100,2)": (
        "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.],\n        ...,\n        [1., 1.],\n      "
        "  [1., 1.],\n        [1., 1.]])"
    ),
    "ones(2,1100)": "tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n        [1., 1., 1.,  ..., 1., 1., 1.]])",
    "ones(2000, requires_grad=True)": "tensor([1., 1., 1.,  ..., 1., 1., 1.], requires_grad=True)",
    "ones(3, dtype=torch.float64, requires_grad=True)": (
        "tensor([1., 1., 1.], dtype=torch.float64, requires_grad=True)"
    ),
    "ones(3, dtype=torch.float64, requires_grad=True)*2": (
        "tensor([2., 2., 2.], dtype=torch.float64, grad_fn=<MulBackward0>)"
    ),
    "arange(7, dtype=torch.int8)": "tensor([0, 1, 2, 3, 4, 5, 6], dtype=torch.int8)",
    "tensor([3e38])": "tensor([3.0000e+38])",
    "tensor([1e-45])": "tensor([1.4013e-45])",
    "tensor([65504.], dtype=torch.float16)": "tensor([65504.], dtype=torch.float16)",
    "tensor([1e300], dtype=torch.float64)": "tensor([1.0000e+300], dtype=torch.float64)",
    "zeros(1)": "tensor([0.])",
    "zeros(1000)": "sha256 37483d408c470391",
    "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
    "zeros(100, dtype=torch.bool)": "sha256 54ae72a5ef31b8f2",
    "ones(15)*123.456": "sha256 d5bb688f856ad501",
    "ones(200)*0.5": "sha256 c1492f1c05855882",
    "tensor([1.,float('inf')], requires_grad=True)": "tensor([1., inf], requires_grad=True)",
    "tensor([1,2,3])[None,None]": "tensor([[[1, 2, 3]]])",
    "tensor(0.1, dtype=torch.float64)": "tensor(0.1000, dtype=torch.float64)",
    "tensor([0.5]).half().requires_grad_()": "tensor([0.5000], dtype=torch.float16, requires_grad=True)",
    "ones(2).unbind()": "(tensor(1.), tensor(1.))",
    "tensor([2.,1.]).sort()": "torch.return_types.sort(\nvalues=tensor([1., 2.]),\nindices=tensor([1, 0]))",
    "tensor([2.,1.]).max(0)": "torch.return_types.max(\nvalues=tensor(2.),\nindices=tensor(0))",
}
OPTIONS = [
    (
        {"precision": 2},
        {
            "tensor([1.5,2])": "tensor([1.50, 2.00])",
            "tensor([1e5,1.5])": "tensor([1.00e+05, 1.50e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 5756da2b7768ce22",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 07603c84d40a4b84",
            "randn_(20)": (
                "tensor([ 0.13, -0.13,  0.64,  0.10, -0.54,  0.36,  1.30,  0.95, -0.70, -1.27,\n        "
                "-0.62,  0.04, -2.33, -0.22, -1.25, -0.73, -0.54, -0.32,  0.41,  1.04])"
            ),
            "tensor([0.00012,0.5])": "tensor([1.20e-04, 5.00e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 8e0da42c913457f7",
            "logspace(-3,3,7)": (
                "tensor([1.00e-03, 1.00e-02, 1.00e-01, 1.00e+00, 1.00e+01, 1.00e+02, 1.00e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.50], dtype=torch.float64)",
        },
    ),
    (
        {"precision": 8},
        {
            "tensor([1.5,2])": "tensor([1.50000000, 2.00000000])",
            "tensor([1e5,1.5])": "tensor([1.00000000e+05, 1.50000000e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 bb82d0cf0b744366",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 651cff97c07e3727",
            "randn_(20)": "sha256 1131d52e2ac1982e",
            "tensor([0.00012,0.5])": "tensor([1.19999997e-04, 5.00000000e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 99f8c8efeb92062b",
            "logspace(-3,3,7)": (
                "tensor([1.00000005e-03, 9.99999978e-03, 1.00000001e-01, 1.00000000e+00,\n        "
                "1.00000000e+01, 1.00000000e+02, 1.00000000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.50000000], dtype=torch.float64)",
        },
    ),
    (
        {"sci_mode": True},
        {
            "tensor([1.5,2])": "tensor([1.5000e+00, 2.0000e+00])",
            "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 e6056ab51bb91876",
            "ones(2,3,4)": "sha256 25802c36fdb0b3f3",
            "randn_(50,50)": "sha256 9d829caca19edb7e",
            "randn_(20)": "sha256 def19a9c9bd75382",
            "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 cddf67788e8c5176",
            "logspace(-3,3,7)": (
                "tensor([1.0000e-03, 1.0000e-02, 1.0000e-01, 1.0000e+00, 1.0000e+01, 1.0000e+02,\n       "
                " 1.0000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000e+00], dtype=torch.float64)",
        },
    ),
    (
        {"sci_mode": False},
        {
            "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
            "tensor([1e5,1.5])": "tensor([100000.0000,      1.5000])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 fafcc631ce2d0319",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 0382209ad434b4e2",
            "randn_(20)": "sha256 289d9c21bffa0328",
            "tensor([0.00012,0.5])": "tensor([0.0001, 0.5000])",
            "ones(30, requires_grad=True)*1.5": "sha256 910d7db1e4c8a262",
            "logspace(-3,3,7)": (
                "tensor([   0.0010,    0.0100,    0.1000,    1.0000,   10.0000,  100.0000,\n        "
                "1000.0000])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
        },
    ),
    (
        {"threshold": 5},
        {
            "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
            "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
            "arange(10)": "tensor([0, 1, 2,  ..., 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 e6056ab51bb91876",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 0382209ad434b4e2",
            "randn_(20)": "tensor([ 0.1257, -0.1321,  0.6404,  ..., -0.3163,  0.4116,  1.0425])",
            "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
            "ones(30, requires_grad=True)*1.5": (
                "tensor([1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],\n       "
                "grad_fn=<MulBackward0>)"
            ),
            "logspace(-3,3,7)": (
                "tensor([1.0000e-03, 1.0000e-02, 1.0000e-01,  ..., 1.0000e+01, 1.0000e+02,\n        "
                "1.0000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
        },
    ),
    (
        {"edgeitems": 1, "threshold": 5},
        {
            "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
            "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
            "arange(10)": "tensor([0,  ..., 9])",
            "arange(2000.).reshape(40,50)": (
                "tensor([[   0.,  ...,   49.],\n        ...,\n        [1950.,  ..., 1999.]])"
            ),
            "ones(2,3,4)": (
                "tensor([[[1.,  ..., 1.],\n         ...,\n         [1.,  ..., 1.]],\n\n        [[1.,  "
                "..., 1.],\n         ...,\n         [1.,  ..., 1.]]])"
            ),
            "randn_(50,50)": (
                "tensor([[ 0.1257,  ...,  1.3151],\n        ...,\n        [-0.8425,  ...,  0.1710]])"
            ),
            "randn_(20)": "tensor([0.1257,  ..., 1.0425])",
            "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
            "ones(30, requires_grad=True)*1.5": "tensor([1.5000,  ..., 1.5000], grad_fn=<MulBackward0>)",
            "logspace(-3,3,7)": "tensor([1.0000e-03,  ..., 1.0000e+03])",
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0.,  ..., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
        },
    ),
    (
        {"linewidth": 40},
        {
            "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
            "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 e7b8a5f3eda093e8",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 9de3fe88f9fde400",
            "randn_(20)": "sha256 81e43d7cd6fc7d0a",
            "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 eeb692c81d4c986a",
            "logspace(-3,3,7)": (
                "tensor([1.0000e-03, 1.0000e-02,\n        1.0000e-01, 1.0000e+00,\n        1.0000e+01, "
                "1.0000e+02,\n        1.0000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
        },
    ),
    (
        {"profile": "short"},
        {
            "tensor([1.5,2])": "tensor([1.50, 2.00])",
            "tensor([1e5,1.5])": "tensor([1.00e+05, 1.50e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 6ce579163d7eceb2",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 a9203c3152acf71e",
            "randn_(20)": (
                "tensor([ 0.13, -0.13,  0.64,  0.10, -0.54,  0.36,  1.30,  0.95, -0.70, -1.27,\n        "
                "-0.62,  0.04, -2.33, -0.22, -1.25, -0.73, -0.54, -0.32,  0.41,  1.04])"
            ),
            "tensor([0.00012,0.5])": "tensor([1.20e-04, 5.00e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 8e0da42c913457f7",
            "logspace(-3,3,7)": (
                "tensor([1.00e-03, 1.00e-02, 1.00e-01, 1.00e+00, 1.00e+01, 1.00e+02, 1.00e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0.,  ..., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.50], dtype=torch.float64)",
        },
    ),
    (
        {"profile": "full"},
        {
            "tensor([1.5,2])": "tensor([1.5000, 2.0000])",
            "tensor([1e5,1.5])": "tensor([1.0000e+05, 1.5000e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 b6ced18f9cacdd5f",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 aac60d3e5e6edb66",
            "randn_(20)": "sha256 289d9c21bffa0328",
            "tensor([0.00012,0.5])": "tensor([1.2000e-04, 5.0000e-01])",
            "ones(30, requires_grad=True)*1.5": "sha256 910d7db1e4c8a262",
            "logspace(-3,3,7)": (
                "tensor([1.0000e-03, 1.0000e-02, 1.0000e-01, 1.0000e+00, 1.0000e+01, 1.0000e+02,\n       "
                " 1.0000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "sha256 f4d25277fa349cb1",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.5000], dtype=torch.float64)",
        },
    ),
    (
        {"precision": 0},
        {
            "tensor([1.5,2])": "tensor([2, 2])",
            "tensor([1e5,1.5])": "tensor([1e+05, 2e+00])",
            "arange(10)": "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 7878383788d8ba7a",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 0426090dde724f27",
            "randn_(20)": (
                "tensor([ 0, -0,  1,  0, -1,  0,  1,  1, -1, -1, -1,  0, -2, -0, -1, -1, -1, -0,\n       "
                "  0,  1])"
            ),
            "tensor([0.00012,0.5])": "tensor([1e-04, 5e-01])",
            "ones(30, requires_grad=True)*1.5": (
                "tensor([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,\n       "
                " 2, 2, 2, 2, 2, 2], grad_fn=<MulBackward0>)"
            ),
            "logspace(-3,3,7)": "tensor([1e-03, 1e-02, 1e-01, 1e+00, 1e+01, 1e+02, 1e+03])",
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0., 0.,  ..., 0., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([2], dtype=torch.float64)",
        },
    ),
    (
        {"edgeitems": 2, "linewidth": 30, "precision": 6, "threshold": 2},
        {
            "tensor([1.5,2])": "tensor([1.500000, 2.000000])",
            "tensor([1e5,1.5])": "tensor([1.000000e+05,\n        1.500000e+00])",
            "arange(10)": "tensor([0, 1,  ..., 8, 9])",
            "arange(2000.).reshape(40,50)": "sha256 f8f777a9b7d64b1b",
            "ones(2,3,4)": "sha256 571803a2654606a8",
            "randn_(50,50)": "sha256 8dc12cea09a48c96",
            "randn_(20)": "tensor([ 0.125730, -0.132105,\n         ...,  0.411631,\n         1.042513])",
            "tensor([0.00012,0.5])": "tensor([1.200000e-04,\n        5.000000e-01])",
            "ones(30, requires_grad=True)*1.5": (
                "tensor([1.500000, 1.500000,\n         ..., 1.500000,\n        1.500000],\n       "
                "grad_fn=<MulBackward0>)"
            ),
            "logspace(-3,3,7)": (
                "tensor([1.000000e-03,\n        1.000000e-02,\n         ...,\n        1.000000e+02,\n    "
                "    1.000000e+03])"
            ),
            "tensor([float('inf'),-float('inf'),float('nan')])": "tensor([inf, -inf, nan])",
            "zeros(1001)": "tensor([0., 0.,  ..., 0., 0.])",
            "tensor([1.5], dtype=torch.float64)": "tensor([1.500000],\n       dtype=torch.float64)",
        },
    ),
]


def made(expression):
    """The tensor of an expression; randn_(shape) stands for numbers of NumPy's generator 0."""
    if drawn := re.match(r"randn_\(([\d,]+)\)(.*)", expression):
        shape = tuple(map(int, drawn[1].split(",")))
        a = torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
        return eval(f"a{drawn[2]}", {"a": a})
    return eval(f"torch.{expression}")


def check(expression, wanted):
    text = repr(made(expression))
    if wanted.startswith("sha256 "):
        text = f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    assert text == wanted


@pytest.fixture(autouse=True)
def defaults():
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("expression", DEFAULT)
def test_default(expression):
    check(expression, DEFAULT[expression])


@pytest.mark.parametrize("options, texts", OPTIONS, ids=lambda v: str(v)[:30])
def test_options(options, texts):
    torch.set_printoptions(**options)
    for expression, wanted in texts.items():
        check(expression, wanted)


def test_str_and_format():
    t = torch.tensor(1.25)
    assert str(t) == "tensor(1.2500)" and f"{t:.1f}" == "1.2" and f"{torch.ones(2)}" == "tensor([1., 1.])"
    assert repr(torch.ones(2, 3).shape) == "torch.Size([2, 3])" and repr(torch.float32) == "torch.float32"
    assert (
        repr(torch.nn.Parameter(torch.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
    )


def test_a_wrong_profile_is_refused():
    with pytest.raises(ValueError, match="profile"):
        torch.set_printoptions(profile="long")
