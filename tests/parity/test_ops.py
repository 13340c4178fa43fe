"""Every function and every method against PyTorch, with drawn arguments:
values, gradients, second order, types, errors.

`tests/calls.py` says how to draw for each name; a name of the registry without an entry, or without a reason
here, fails.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from drawing import Draw
from helpers import draws, pytorch, same
from hypothesis import given
from hypothesis import strategies as st
from calls import CALLS, REL

import tinygrad6 as torch
from tinygrad6.op import NAMES

ELSEWHERE = {
    "test_distributions": "igamma igamma_ igammac igammac_",
    "compared in test_vocabulary.py": "segment_reduce",
    "compared in test_random.py": "bernoulli multinomial poisson",
    "compared in test_tensor.py": """
        item tolist type double float half int long short char byte bool cpu numpy new_tensor new_zeros
        new_ones new_empty new_full new from_dlpack to_dlpack new_empty_strided empty_strided empty_permuted
        fill_diagonal is_shared share_memory dim_order as_subclass apply map map2 is_set_to set resize
        resize_as is_storage is_tensor typename get_device frexp is_distributed is_inference is_conj is_neg
    """,
    "compared in test_linalg.py": """
        lu lu_solve lu_unpack qr svd cholesky_solve triangular_solve logdet slogdet orgqr eigh multi_dot lstsq
    """,
    "compared with the layers and losses": """
        batch_norm layer_norm group_norm instance_norm rms_norm conv1d conv2d conv3d conv_transpose1d
        conv_transpose2d conv_transpose3d conv_tbc max_pool1d max_pool2d max_pool3d avg_pool1d one_hot prelu
        hardshrink cosine_similarity adaptive_avg_pool1d adaptive_max_pool1d constant_pad_nd
        max_pool1d_with_indices native_channel_shuffle conj_physical pixel_shuffle pixel_unshuffle
        channel_shuffle dropout affine_grid grid_sampler
    """,
}
ELSEWHERE_NAMES = {name for names in ELSEWHERE.values() for name in names.split()}


def variants(name: str, first: Any) -> list[Any]:
    """How PyTorch lets `name` be called: as a function, as a method, in place."""
    theirs = pytorch()
    found: list[Any] = []
    if hasattr(theirs, name):
        found.append(lambda lib, args, kwargs: getattr(lib, name)(*args, **kwargs))
    if isinstance(first, torch.Tensor):
        if hasattr(theirs.Tensor, name):
            found.append(lambda lib, args, kwargs: getattr(args[0], name)(*args[1:], **kwargs))
        if hasattr(theirs.Tensor, f"{name}_") and not name.startswith("__"):
            found.append(lambda lib, args, kwargs: getattr(args[0].clone(), f"{name}_")(*args[1:], **kwargs))
    return found


@pytest.mark.parametrize("name", sorted(CALLS))
@given(random=st.randoms(use_true_random=False))
@draws(6)
def test_a_name_does_what_pytorch_does(name, random):
    args, kwargs = CALLS[name](Draw(random))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for call in variants(name, args[0]):
            same(call, list(args), kwargs, rtol=REL.get(name), atol=REL.get(name))


def test_every_function_has_an_entry():
    theirs = pytorch()
    missing = [
        n for n in NAMES if hasattr(theirs, n) and n.removesuffix("_") not in CALLS.keys() | ELSEWHERE_NAMES
    ]
    assert not missing, f"how are these drawn? {' '.join(sorted(missing))}"


def test_every_method_has_an_entry():
    theirs = pytorch().Tensor
    ours = [n for n in dir(torch.Tensor) if not n.startswith("_") and callable(getattr(torch.Tensor, n))]
    known = CALLS.keys() | ELSEWHERE_NAMES | set(PLAIN.split())
    missing = [n for n in ours if hasattr(theirs, n) and n not in known and n.removesuffix("_") not in known]
    assert not missing, f"how are these drawn? {' '.join(sorted(missing))}"


PLAIN = """
    backward detach register_hook register_post_accumulate_grad_hook retain_grad requires_grad data_ptr
    storage_offset uniform normal random bernoulli exponential geometric cauchy log_normal cuda xpu ipu mtia
    pin_memory record_stream storage untyped_storage storage_type to_sparse to_sparse_coo to_sparse_csr
    to_sparse_csc to_sparse_bsr to_sparse_bsc bfloat16 cfloat cdouble chalf to_dense const_data_ptr is_pinned
    is_coalesced is_contiguous data unfold where masked_fill layout index_put numpy
"""


@pytest.mark.parametrize(
    "name", ["view_as_complex", "fft", "sparse_coo_tensor", "quantize_per_tensor", "vmap_"]
)
def test_what_is_absent_says_so(name):
    with pytest.raises(AttributeError, match=name):
        getattr(torch, name)
