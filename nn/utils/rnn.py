"""Sequences of different lengths: padding them into one tensor, and packing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad6.accidents import public
from tinygrad6.arguments import Text, checked
from tinygrad6.devices import to_device
from tinygrad6.tensor import Tensor, wrap


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class PackedSequence(_Packed):
    """Sequences of falling length, step by step: data holds batch_sizes[t] rows for step t."""

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Any:
        if batch_sizes is None:  # the older form: both in one
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _with(self, data: Tensor) -> PackedSequence:
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With data cast or moved."""
        return self._with(self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        """Itself: it is on the CPU."""
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """There is no device but the CPU: RuntimeError."""
        to_device("cuda")
        return self

    is_cuda = property(lambda self: False)

    def pin_memory(self) -> PackedSequence:
        """With data as Tensor.pin_memory gives it."""
        return self._with(self.data.pin_memory())

    def is_pinned(self) -> bool:
        """False: there is no memory to be pinned for."""
        return False


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):  # casts of data
    setattr(PackedSequence, _name, lambda self, _name=_name: self._with(getattr(self.data, _name)()))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one."""
    return None if permutation is None else wrap(np.argsort(permutation.array))


@checked
def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack input (T, B, *), or (B, T, *) if batch_first, of which only the first lengths[b] steps count.

    RuntimeError if a length is not positive, or if lengths do not fall although enforce_sorted.
    """
    if isinstance(lengths, str):
        raise TypeError("pack_padded_sequence(): lengths must be a tensor or a list of ints, got str")
    n = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths, np.int64)
    if not input.numel():
        raise RuntimeError(f"Cannot pack empty tensors, got shape {list(input.shape)}")
    if batch_first:
        input = input.transpose(0, 1)
    if n.ndim != 1 or len(n) != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {n.shape} "
            f"(batch_size={input.shape[1]})"
        )
    if (n <= 0).any():
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if n.max() > input.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {input.shape[0]} steps, got {int(n.max())}")
    order = None
    if enforce_sorted:
        if (n[1:] > n[:-1]).any():
            raise RuntimeError(
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can "
                "pass `enforce_sorted=False` to pack_padded_sequence to sidestep this requirement"
            )
    else:
        order = np.argsort(-n, kind="stable")
        n = n[order]
        input = input[:, wrap(order)]
    steps = np.arange(n[0])
    present = steps[:, None] < n[None, :]
    t, b = present.nonzero()
    return PackedSequence(
        input[wrap(t), wrap(b)], wrap(present.sum(1)), None if order is None else wrap(order)
    )


@checked
def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(padded (T, B, *), lengths (B)) of a packed sequence, in its original order."""
    from tinygrad6.ops import create

    if not isinstance(sequence, PackedSequence):
        raise TypeError(
            "pad_packed_sequence(): argument 'sequence' (position 1) must be PackedSequence, not "
            f"{type(sequence).__name__}"
        )
    sizes = sequence.batch_sizes.array
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
    present = np.arange(int(sizes[0]))[None, :] < sizes[:, None]
    t, b = present.nonzero()
    data = sequence.data
    shape = (total_length or steps, int(sizes[0]), *data.shape[1:])
    out = create.full(shape, padding_value, dtype=data.dtype).index_put((wrap(t), wrap(b)), data)
    lengths = wrap(present.sum(0))
    if sequence.unsorted_indices is not None:
        out, lengths = out[:, sequence.unsorted_indices], lengths[sequence.unsorted_indices]
    return (out.transpose(0, 1) if batch_first else out), lengths


@checked
def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: Text = "right",
) -> Tensor:
    """Sequences (T_i, *) as one tensor (max T, B, *), or (B, max T, *), filled up with padding_value,
    of the first one's type."""
    from tinygrad6.ops.join import stack
    from tinygrad6.ops.pad import pad

    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences).__name__}"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    for i, s in enumerate(sequences):
        if not isinstance(s, Tensor):
            raise TypeError(f"pad_sequence: expected Tensor as element {i}, but got {type(s).__name__}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"padding_side should be 'left' or 'right', got {padding_side!r}")
    longest = max(len(s) for s in sequences)
    rows = []
    for s in sequences:
        room = longest - len(s)
        width = [0, 0] * (s.ndim - 1) + ([0, room] if padding_side == "right" else [room, 0])
        rows.append(pad(s.to(sequences[0].dtype), width, value=padding_value))
    return stack(rows, 0 if batch_first else 1)


@checked
def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor, each in its own length."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [r[: int(n)] for r, n in zip(rows, lengths.tolist(), strict=True)]


@checked
def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (T_i, *)."""
    return pack_padded_sequence(
        pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted
    )


@public
def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences in a packed one."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
