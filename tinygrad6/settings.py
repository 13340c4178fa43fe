"""Settings that scripts make, for a library that computes on the CPU in the types of its inputs.

What would change results is refused; what only asks for speed or for another device's care is accepted, as
PyTorch does on a machine without that device.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from tinygrad6 import dtypes
from tinygrad6.devices import CPU, device, to_device

_precision = "highest"
_deterministic = False
_warn_only = False
_warn_always = False
_interop = 1


def _assert(condition: Any, message: str) -> None:
    """Python's assert, as model files written for tracing spell it."""
    assert condition, message


def compile(  # noqa: A001 -- PyTorch's name
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
) -> Any:
    """The function or module itself: compiling changes speed, never results, and nothing is compiled here."""
    if model is None:
        return lambda function: compile(function)
    if not callable(model):
        raise RuntimeError(f"compile(): expected a module or a function, got {type(model).__name__}")
    return model


def get_default_device() -> device:
    """The CPU."""
    return CPU


def set_default_device(device: Any) -> None:
    """Accepts the CPU, the only device; RuntimeError for others."""
    to_device(device)


def set_default_tensor_type(t: Any) -> None:
    """Choose the default float by an old-style type, such as torch.DoubleTensor or its name."""
    made = getattr(t, "dtype_made", t)
    if isinstance(t, str):
        names = {"HalfTensor": dtypes.float16, "FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64}
        made = names.get(t.removeprefix("torch."), t)
    if not isinstance(made, dtypes.dtype) or not made.is_floating_point:
        raise TypeError(f"set_default_tensor_type(): only floating-point types are supported, got {t!r}")
    dtypes.set_default_dtype(made)


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was given."""
    return _precision


def set_float32_matmul_precision(precision: str) -> None:
    """Allow float32 products to be less precise: "highest", "high" or "medium".

    They are of full precision in any case.
    """
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"set_float32_matmul_precision(): got {precision!r}, expected highest, high or medium"
        )
    _precision = precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for repeatable results. All of ours are."""
    global _deterministic, _warn_only
    _deterministic, _warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was given."""
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether use_deterministic_algorithms was given warn_only."""
    return _deterministic and _warn_only


def get_deterministic_debug_mode() -> int:
    """0 if repeatable results were not asked for, 1 with warn_only, else 2."""
    return (1 if _warn_only else 2) if _deterministic else 0


def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """use_deterministic_algorithms as a number or word: 0 default, 1 warn, 2 error."""
    mode = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    if mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0 `default`, 1 `warn`, 2 `error`; got {debug_mode!r}"
        )
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_num_interop_threads() -> int:
    """How many threads run independent operations: one at a time here."""
    return _interop


def set_num_interop_threads(n: int) -> None:
    """Accepts a positive number; operations run one at a time in any case."""
    global _interop
    if not isinstance(n, int) or n < 1:
        raise RuntimeError(f"Expected a positive number of threads, but got {n!r}")
    _interop = n


def set_flush_denormal(mode: bool) -> bool:
    """False: subnormal numbers are kept."""
    return False


def is_warn_always_enabled() -> bool:
    """What set_warn_always was given."""
    return _warn_always


def set_warn_always(mode: bool) -> None:
    """Remember the mode; warnings follow Python's filters."""
    global _warn_always
    _warn_always = bool(mode)


# ---- mixed precision: nothing is cast here, and the CPU's would need bfloat16

_AUTOCAST = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla", "ipu", "maia")
_casting: dict[str, bool] = {}  # device: whether we are in a block for it
_cast_to: dict[str, Any] = {"cpu": dtypes.bfloat16}
_caches, _nesting = True, 0


def is_autocast_available(device_type: str) -> bool:
    """Whether PyTorch has mixed precision for this kind of device."""
    return device(device_type).type in _AUTOCAST


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether we are in an autocast block for this kind of device, which is never the CPU or CUDA here."""
    return _casting.get(device(device_type or "cuda").type, False)


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """What entering an autocast block does; NotImplementedError for the CPU."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    name = device(device_type).type
    if name == "cpu" and enabled:
        raise NotImplementedError(_NO_CPU)
    _casting[name] = bool(enabled)


def get_autocast_dtype(device_type: str) -> Any:
    """What blocks for this kind of device compute in: bfloat16 on the CPU, else float16."""
    return _cast_to.get(device(device_type).type, dtypes.float16)


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set the type that autocast would compute in on a device; it stays disabled for the CPU."""
    if not isinstance(dtype, dtypes.dtype):
        raise TypeError(
            "set_autocast_dtype(): argument 'dtype' (position 2) must be torch.dtype, not "
            f"{type(dtype).__name__}"
        )
    _cast_to[device(device_type).type] = dtype


def get_autocast_gpu_dtype() -> Any:
    """The older form of get_autocast_dtype('cuda')."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> Any:
    """The older form of get_autocast_dtype('cpu')."""
    return get_autocast_dtype("cpu")


def is_autocast_cpu_enabled() -> bool:
    """The older form of is_autocast_enabled('cpu'): False."""
    return False


def is_autocast_cache_enabled() -> bool:
    """What set_autocast_cache_enabled was given; True at first."""
    return _caches


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Remember it: there is nothing to cache."""
    global _caches
    _caches = bool(enabled)


def clear_autocast_cache() -> None:
    """Nothing: there is no such cache."""


def autocast_increment_nesting() -> int:
    """Count a block more; returns how many we are in."""
    global _nesting
    _nesting += 1
    return _nesting


def autocast_decrement_nesting() -> int:
    """Count a block less; returns how many we are in."""
    global _nesting
    _nesting -= 1
    return _nesting


_NO_CPU = (
    "autocast('cpu'): mixed precision on the CPU needs bfloat16, which is not supported: pass enabled=False, "
    "or use a contextlib.nullcontext()"
)


class autocast:  # noqa: N801 -- PyTorch's name
    """A block in which nothing is cast: `autocast(device, enabled=False)`,
    and any for a device that is not there.

    Enabled for the CPU, PyTorch computes in bfloat16 or float16: NotImplementedError. Enabled for CUDA, or
    with a type that it does not take, it warns and is disabled, as in PyTorch without CUDA. RuntimeError for
    devices that PyTorch has no mixed precision for; ValueError for a device_type that is no string.

    >>> import tinygrad6 as torch
    >>> with torch.autocast("cuda", enabled=torch.cuda.is_available()):
    ...     (torch.ones(1, 2) @ torch.ones(2, 1)).dtype
    torch.float32
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if enabled and device_type == "cuda":
            warnings.warn(
                "CUDA is not available or torch_xla is imported. Disabling autocast.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        elif enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} "
                "Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        if enabled and device(device_type).type == "cpu":
            raise NotImplementedError(_NO_CPU)
        self._enabled = enabled
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._before: list[tuple[bool, Any, bool]] = []

    def __enter__(self) -> autocast:
        name = self.device
        self._before.append((is_autocast_enabled(name), get_autocast_dtype(name), _caches))
        set_autocast_dtype(name, self.fast_dtype)
        set_autocast_enabled(name, self._enabled)
        set_autocast_cache_enabled(self._cache_enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *exc: object) -> None:
        enabled, dtype, caches = self._before.pop()
        autocast_decrement_nesting()
        set_autocast_enabled(self.device, enabled)
        set_autocast_dtype(self.device, dtype)
        set_autocast_cache_enabled(caches)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(function).__name__}. Did you mean to "
                "use autocast as a context manager?"
            )

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside


class memory_format:  # noqa: N801 -- PyTorch's name
    """How dimensions lie in memory. Tensors follow it, and results; weights stay row-major."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")


class layout:  # noqa: N801 -- PyTorch's name
    """How a tensor is stored: `strided`, the only one."""

    def __repr__(self) -> str:
        return "torch.strided"

    def __reduce__(self) -> str:
        return "strided"


strided = layout()
