"""tinygrad6: PyTorch's tensors, autograd, nn and optim in pure Python on NumPy.

import tinygrad6 as torch
from tinygrad6 import nn, optim
import tinygrad6.nn.functional as F
"""

from __future__ import annotations

import warnings as _warnings
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import Any as _Any

from tinygrad6 import autograd, ops
from tinygrad6.dtypes import (
    bfloat16,
    double,
    dtype,
    e,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    long,
    nan,
    pi,
    set_default_dtype,
    short,
    uint8,
)
from tinygrad6.dtypes import bool_ as bool
from tinygrad6.dtypes import float32 as float
from tinygrad6.dtypes import int32 as int
from tinygrad6.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from tinygrad6.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from tinygrad6 import memory as _memory
from tinygrad6 import out as _out
from tinygrad6 import paths as _paths
from tinygrad6.op import NAMES as _NAMES
from tinygrad6.op import composite, op
from tinygrad6.ops.create import (
    arange,
    as_tensor,
    asarray,
    bartlett_window,
    blackman_window,
    complex,
    empty,
    empty_like,
    eye,
    from_numpy,
    frombuffer,
    full,
    full_like,
    hamming_window,
    hann_window,
    kaiser_window,
    linspace,
    logspace,
    meshgrid,
    ones,
    ones_like,
    range,
    scalar_tensor,
    tensor,
    zeros,
    zeros_like,
)
from tinygrad6.ops.rand import (
    binomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from tinygrad6.ops.typed import (
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from tinygrad6.printing import set_printoptions
from tinygrad6.random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from tinygrad6.settings import (
    are_deterministic_algorithms_enabled,
    autocast,
    autocast_decrement_nesting,
    autocast_increment_nesting,
    channels_last,
    channels_last_3d,
    clear_autocast_cache,
    compile,
    contiguous_format,
    get_autocast_cpu_dtype,
    get_autocast_dtype,
    get_autocast_gpu_dtype,
    get_default_device,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    is_autocast_cache_enabled,
    is_autocast_cpu_enabled,
    is_autocast_enabled,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    layout,
    memory_format,
    preserve_format,
    set_autocast_cache_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
    set_default_device,
    set_default_tensor_type,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_warn_always,
    strided,
    use_deterministic_algorithms,
)
from tinygrad6.devices import device
from tinygrad6.tensor import Size, Tensor
from tinygrad6.threads import get_num_threads, rest_soon as _rest_soon, set_num_threads
from tinygrad6.version import __version__

newaxis = None
_memory.keep_freed()
_rest_soon()
_paths.install()
# inf and nan are results, as in PyTorch, and no reason for NumPy to warn of what our arrays hold.
_warnings.filterwarnings(
    "ignore", r"(divide by zero|overflow|underflow|invalid value) encountered", module="tinygrad6"
)
globals().update(_NAMES)  # the ops, by name: each is defined in one block of tinygrad6/ops
globals().update({name: _out.taking_out(_NAMES[name]) for name in sorted(_out.NAMES)})

if _find_spec("tinygrad6.nn") is None:
    raise ImportError(
        "tinygrad6 is imported from a checkout that is not installed: run `pip install -e .` in it (or `make "
        "demo`)"
    )

# Subpackages, and names that live in one, are loaded when somebody asks for them: the import stays quick.
_MODULES = frozenset(
    """
    accelerator amp backends compiler cpu cuda datasets distributed distributions func functional fx hub jit
    linalg mps mtia multiprocessing nn onnx optim overrides profiler return_types safetensors serialization
    special testing types utils version vision xpu
    """.split()
)
_ELSEWHERE = {
    "OutOfMemoryError": "cuda",
    "DisableTorchFunctionSubclass": "overrides",
    "GradScaler": "amp",
    **dict.fromkeys(("alpha_dropout", "alpha_dropout_", "dropout", "dropout_"), "dropouts"),
    **dict.fromkeys(("feature_alpha_dropout", "feature_alpha_dropout_"), "dropouts"),
    **dict.fromkeys(("pca_lowrank", "svd_lowrank"), "lowrank"),
    "draw": "drawing",
    "load": "serialization",
    "save": "serialization",
    "vmap": "func",
    "_assert": "settings",
    # types that scripts may name and compare with
    **dict.fromkeys(("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"), "dtypes"),
    **dict.fromkeys(("complex32", "chalf", "complex64", "cfloat", "complex128", "cdouble"), "dtypes"),
}

# Functions that PyTorch has under both names.
_OF_FUNCTIONAL = frozenset(
    """
    adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d bilinear celu channel_shuffle conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity group_norm hardshrink
    layer_norm max_pool1d max_pool2d max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu
    relu_ rms_norm rrelu rrelu_ selu selu_ celu_ threshold threshold_
    """.split()
)


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        return _import_module(f"tinygrad6.{name}")
    home = _ELSEWHERE.get(name) or ("nn.functional" if name in _OF_FUNCTIONAL else None)
    if home is None:
        from tinygrad6.absent import message

        if name in _paths.ALIASES:
            return _paths.attribute("tinygrad6", name)
        raise AttributeError(message(name))
    value = globals()[name] = getattr(_import_module(f"tinygrad6.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ELSEWHERE, *_OF_FUNCTIONAL})
