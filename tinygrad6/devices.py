"""Devices: the CPU, and the names of those on which tensors cannot be."""

from __future__ import annotations

from typing import Any


class NoDeviceError(RuntimeError, AssertionError):
    """A device that is not there: both what we raise for devices and what PyTorch raises for CUDA without
    CUDA."""


DEVICES = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, "
    "hpu, mtia, privateuseone"
)


class device:  # noqa: N801 -- PyTorch's name
    """`device('cpu')`: the only device on which tensors can be.

    device('cuda:1') and the other names of PyTorch can be made, compared and printed, but not used:
    RuntimeError where a tensor would be made there or moved. RuntimeError for names that PyTorch does not
    know, and for a number alone, which counts devices that are not there.
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, int) and not isinstance(type, bool):
            raise RuntimeError("Cannot access accelerator device when none is available.")
        if not isinstance(type, str):
            raise TypeError(f"device(): the type must be a string such as 'cpu', got {type!r}")
        name, colon, number = type.partition(":")
        if name not in DEVICES.split(", "):
            raise RuntimeError(
                f"Expected one of {DEVICES} device type at start of device string: {name or type!r}"
            )
        if colon:
            if not number.isdecimal() or number != str(int(number)):
                raise RuntimeError(f"Invalid device string: {type!r}")
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
        self.type = name
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + ("" if self.index is None else f", index={self.index}") + ")"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        return to_device(self)

    def __exit__(self, *exc: object) -> None:
        pass


CPU = device("cpu")


def to_device(d: Any) -> device:
    """The device `d` names; None is the CPU. RuntimeError for one that does not exist here."""
    if d is None or d is CPU:
        return CPU
    place = d if isinstance(d, device) else device(d)
    if place.type == "cpu":
        return place
    if place.type == "cuda":
        raise NoDeviceError("Torch not compiled with CUDA enabled: tinygrad6 computes on the CPU only")
    if place.type == "meta":
        raise NotImplementedError("device 'meta': tensors without values are not supported: use 'cpu'")
    raise NoDeviceError(f"device '{place}' is not available: tinygrad6 computes on the CPU only")
