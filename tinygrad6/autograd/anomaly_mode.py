"""Finding the operation at fault: `detect_anomaly` and `set_detect_anomaly`."""

from __future__ import annotations

import warnings

from tinygrad6.autograd import graph

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:  # noqa: N801 -- PyTorch's name
    """Switch anomaly mode on or off, until the block ends if used with `with`; it holds for all threads.

    While it is on, an error in a backward pass tells the lines that recorded the operation at fault, an
    in-place change refused tells the line that made it, and, with check_nan, the first nan in a gradient
    raises RuntimeError. Recording becomes many times slower: for looking for mistakes only.

    >>> import tinygrad6 as torch
    >>> x = torch.tensor([0.0], requires_grad=True)
    >>> with torch.autograd.set_detect_anomaly(True):  # doctest: +ELLIPSIS
    ...     (x.log() * 0).backward()
    Traceback (most recent call last):
    ...
    RuntimeError: Function 'LogBackward0' returned nan values in its 0th output...
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = graph.anomaly["on"], graph.anomaly["nan"]
        graph.set_anomaly(bool(mode), check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        graph.set_anomaly(*self.before)


class detect_anomaly:  # noqa: N801 -- PyTorch's name
    """Anomaly mode for a block: see `set_detect_anomaly`. Warns that it is on."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before = graph.anomaly["on"], graph.anomaly["nan"]
        graph.set_anomaly(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        graph.set_anomaly(*self.before)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return graph.anomaly["on"]


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, when on, looks for nan."""
    return graph.anomaly["nan"]
