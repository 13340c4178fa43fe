"""Recurrent layers: RNN, LSTM, GRU with layers, directions and dropout, and their single-step cells."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any

import numpy as np

from tinygrad6.op import OPS
from tinygrad6.ops import create
from tinygrad6.ops.join import cat, stack
from tinygrad6.tensor import Tensor, wrap

from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def _check_settings(
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    batch_first: bool,
    dropout: float,
    proj_size: int,
) -> None:
    if not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being "
            "zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=6,
        )
    for name, value, kind in (
        ("bias", bias, bool),
        ("batch_first", batch_first, bool),
        ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name, value in (
        ("input_size", input_size),
        ("hidden_size", hidden_size),
        ("num_layers", num_layers),
    ):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
        if value > sys.maxsize:
            raise ValueError(f"{name} must fit in 64 bits, got {value}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, or zero to disable projections, got {proj_size}"
        )


_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, layers, directions, batches first or second,
    packed sequences."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        _check_settings(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers = num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        state = proj_size or hidden_size
        for layer in range(num_layers):
            for suffix in self._directions():
                width = input_size if layer == 0 else state * len(self._directions())
                rows = _GATES[mode] * hidden_size
                shapes: dict[str, tuple] = {"weight_ih": (rows, width), "weight_hh": (rows, state)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    p = Parameter(create.empty(shape, device=device, dtype=dtype))
                    setattr(self, f"{name}_l{layer}{suffix}", p)
        self.reset_parameters()

    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def reset_parameters(self) -> None:
        """Draw all weights and biases from U(-1/sqrt(hidden_size), 1/sqrt(hidden_size))."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do on the CPU."""

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights of all layers and directions, as they are now: there is no list beside them."""
        return [getattr(self, name, None) for name in self._flat_weights_names]

    @_flat_weights.setter
    def _flat_weights(self, weights: Any) -> None:
        raise NotImplementedError(
            "_flat_weights shows the weights that have names: set those, as in rnn.weight_hh_l0 = w"
        )

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names behind all_weights; scripts that set the forget gate's bias go through them."""
        names = ["weight_ih", "weight_hh"]
        names += ["bias_ih", "bias_hh"] if self.bias else []
        names += ["weight_hr"] if self.proj_size else []
        return [
            [f"{n}_l{layer}{s}" for n in names]
            for layer in range(self.num_layers)
            for s in self._directions()
        ]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != default:
                s += f", {name}={getattr(self, name)}"
        return s

    # one layer in one direction: (T, B, in), state -> (T, B, H), final state

    def _scan(self, x: Tensor, state: tuple, weights: list) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _bias(self, weights: list, which: int) -> Tensor:
        return weights[which] if self.bias else wrap(np.zeros(weights[0].shape[0], weights[0].array.dtype))

    def _run(self, x: Any, hx: tuple | None) -> tuple[Any, list[Tensor]]:
        """All layers and directions; returns the output and the stacked final states."""
        source, lengths = x, None
        packed = isinstance(x, PackedSequence)
        if packed:
            if x.data.ndim != 2:
                raise RuntimeError(f"input must have 2 dimensions, got {x.data.ndim}")
            x, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes))  # in the packed order
            if hx is not None and source.sorted_indices is not None:
                hx = self.permute_hidden(hx, source.sorted_indices)
        if x.ndim not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {x.ndim}D instead")
        batched = x.ndim == 3
        _check_states(hx, 2 if self.mode == "LSTM" else 1, type(self).__name__)
        for h in hx or ():
            if h.ndim != x.ndim:
                raise RuntimeError(
                    f"For {'batched' if batched else 'unbatched'} {x.ndim}-D input, hx should also be "
                    f"{x.ndim}-D but got {h.ndim}-D tensor"
                )
        if not batched:
            x = x.unsqueeze(1)
            hx = None if hx is None else tuple(h.unsqueeze(1) for h in hx)
        elif self.batch_first and not packed:
            x = x.transpose(0, 1)
        directions = len(self._directions())
        hx = self._states(x, hx)
        weights = self.all_weights
        finals: list[list[Tensor]] = [[] for _ in hx]
        for layer in range(self.num_layers):
            outs = []
            for d in range(directions):
                k = layer * directions + d
                inner = reverse(x, lengths) if d else x
                out, all_states = self._scan(inner, tuple(h[k] for h in hx), weights[k])
                for final, s in zip(finals, all_states, strict=True):
                    final.append(last(s, lengths))
                outs.append(reverse(out, lengths) if d else out)
            x = cat(outs, -1) if len(outs) > 1 else outs[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                if lengths is None:
                    x = F.dropout(x, self.dropout)
                else:  # only what is no padding is drawn for, as in PyTorch
                    rows = pack_padded_sequence(x, lengths)
                    rows = PackedSequence(F.dropout(rows.data, self.dropout), rows.batch_sizes)
                    x = pad_packed_sequence(rows)[0]
        stacked = [stack(f) for f in finals]
        if packed:
            rows = pack_padded_sequence(x, lengths)
            packed_out = PackedSequence(
                rows.data, rows.batch_sizes, source.sorted_indices, source.unsorted_indices
            )
            if source.unsorted_indices is not None:
                stacked = [s.index_select(1, source.unsorted_indices) for s in stacked]
            return packed_out, stacked
        if not batched:
            return x.squeeze(1), [s.squeeze(1) for s in stacked]
        return x.transpose(0, 1) if self.batch_first else x, stacked

    def _states(self, x: Tensor, hx: tuple | None) -> tuple[Tensor, ...]:
        """The initial states, checked, or zeros."""
        self.check_input(x, None)
        if not x.shape[0]:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        shapes = self._state_shapes(x.shape[1])
        if hx is None:
            return tuple(wrap(np.zeros(shape, self.weight_ih_l0.array.dtype)) for shape in shapes)
        for i, (h, shape) in enumerate(zip(hx, shapes, strict=True)):
            which = f"hidden[{i}]" if len(shapes) > 1 else "hidden"
            self.check_hidden_size(h, shape, f"Expected {which} size {{}}, got {{}}")
            if h.array.dtype != x.array.dtype:
                raise RuntimeError(
                    "Input and hidden tensors are not the same dtype, found input tensor with "
                    f"{x.dtype} and {which} tensor with {h.dtype}"
                )
        return tuple(hx)

    def _state_shapes(self, batch: int) -> list[tuple[int, int, int]]:
        """Of h, and of c where there is one."""
        widths = [self.proj_size or self.hidden_size] + [self.hidden_size] * (self.mode == "LSTM")
        return [(self.num_layers * len(self._directions()), batch, w) for w in widths]

    # PyTorch's checks, under its names, for layers that build on these

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """The input's type, its dimensions (2 if packed, else 3) and the size of its last."""
        kind = self.weight_ih_l0.dtype
        if input.dtype != kind:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). "
                f"Convert input: input.to({kind}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}"
            )

    def _batch_of(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        return input.shape[0 if self.batch_first else 1] if batch_sizes is None else int(batch_sizes[0])

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the initial h for this input."""
        return self._state_shapes(self._batch_of(input, batch_sizes))[0]

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """RuntimeError if a state has another shape."""
        if hx.array.shape != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """check_input, and the shapes of the initial states."""
        self.check_input(input, batch_sizes)
        shapes = self._state_shapes(self._batch_of(input, batch_sizes))
        for i, (h, shape) in enumerate(zip([hidden] if len(shapes) == 1 else hidden, shapes, strict=True)):
            which = f"hidden[{i}]" if len(shapes) > 1 else "hidden"
            self.check_hidden_size(h, shape, f"Expected {which} size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """States with their sequences in another order."""
        if permutation is None:
            return hx
        if isinstance(hx, Tensor):
            return hx.index_select(1, permutation)
        return tuple(h.index_select(1, permutation) for h in hx)


def _check_states(states: Any, count: int, name: str) -> None:
    """Whether these are as many hidden states as the layer has, all of them Tensors; None is none given."""
    if states is None:
        return
    if not isinstance(states, (tuple, list)) or len(states) != count:
        raise RuntimeError(f"{name} expects {count} hidden states (h, c), got {type(states).__name__}")
    for i, h in enumerate(states):
        if not isinstance(h, Tensor):
            raise TypeError(f"{name}: expected Tensor as hidden state {i}, but got {type(h).__name__}")


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (T, B, ...) with each sequence in reverse order, within its own length where lengths are given."""
    if lengths is None:
        return x.flip(0)
    t = np.arange(x.shape[0])[:, None]
    n = lengths.array[None, :]
    index = np.where(t < n, n - 1 - t, t)
    return x[wrap(index), wrap(np.arange(x.shape[1])[None, :].repeat(x.shape[0], 0))]


def last(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The last step of each sequence of x (T, B, H)."""
    return x[-1] if lengths is None else x[wrap(lengths.array - 1), wrap(np.arange(x.shape[1]))]


def _no_projection(kwargs: dict) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h[t] = tanh(x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh), or relu, over a sequence (Elman 1990).

    Input (T, N, input_size), or (N, T, input_size) if batch_first, or (T, input_size), or a PackedSequence;
    optional initial state (layers * directions, N, hidden_size). Returns the outputs (T, N, directions *
    hidden_size) and the final state.
    """

    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        if len(args) > 3:  # nonlinearity stands fourth
            nonlinearity, args = args[3], (*args[:3], *args[4:])
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        _no_projection(kwargs)
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def _scan(self, x: Tensor, state: tuple, weights: list) -> Any:
        out = OPS["rnn_scan"].call(
            F.linear(x, weights[0], self._bias(weights, 2)),
            state[0],
            weights[1],
            self._bias(weights, 3),
            nonlinearity=self.nonlinearity,
            cache=None,
        )
        return out, (out,)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        out, (h,) = self._run(input, None if hx is None else (hx,))
        return out, h


class LSTM(RNNBase):
    """Long short-term memory over a sequence: c[t] = f c[t-1] + i g, h[t] = o tanh(c[t]).

    i, f, o = sigmoid and g = tanh of x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh, in the order i, f, g, o.
    Shapes as for RNN; state and final state are pairs (h, c). With proj_size, h[t] = W_hr (o tanh(c[t])) of
    that size.
    Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000; projections: Sak et al. 2014.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the initial c for this input."""
        return self._state_shapes(self._batch_of(input, batch_sizes))[1]

    def _scan(self, x: Tensor, state: tuple, weights: list) -> Any:
        if self.proj_size:  # rare: not worth a scan of its own
            z, (h, c) = F.linear(x, weights[0], self._bias(weights, 2)), state
            return self._projected(z, h, c, weights[1], self._bias(weights, 3), weights[-1])
        bias = weights[2] + weights[3] if self.bias else self._bias(weights, 2)
        both = OPS["lstm_scan"].call(x, *state, weights[0], weights[1], bias)
        h, c = both[..., : self.hidden_size], both[..., self.hidden_size :]
        return h.contiguous(), (h, c)  # out of what h and c share, as users view it in other shapes

    @staticmethod
    def _projected(z: Tensor, h: Tensor, c: Tensor, w: Tensor, b: Tensor, projection: Tensor) -> Any:
        hs, cs = [], []
        for inputs in z:
            h, c = _lstm_step(inputs + F.linear(h, w, b), c)
            h = F.linear(h, projection)
            hs.append(h)
            cs.append(c)
        return stack(hs), (stack(hs), stack(cs))

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        out, (h, c) = self._run(input, hx)
        return out, (h, c)


class GRU(RNNBase):
    """Gated recurrent units over a sequence: h[t] = (1 - z) n + z h[t-1].

    r, z = sigmoid of their parts of x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh;
    n = tanh(x_n + r (h[t-1] W_hn^T + b_hn)).
    Shapes as for RNN. Source: Cho et al. 2014, with PyTorch's place for the reset gate.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

    def _scan(self, x: Tensor, state: tuple, weights: list) -> Any:
        out = OPS["gru_scan"].call(
            F.linear(x, weights[0], self._bias(weights, 2)), state[0], weights[1], self._bias(weights, 3)
        )
        return out, (out,)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        out, (h,) = self._run(input, None if hx is None else (hx,))
        return out, h


def _lstm_step(z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """h and c of an LSTM's next step from its gates before activation (N, 4H)."""
    i, f, g, o = z.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


class RNNCellBase(Module):
    """One step of a recurrent layer."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if not isinstance(bias, bool):
            raise TypeError(f"{type(self).__name__}: bias must be bool, got {bias!r}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = Parameter(create.empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(create.empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            if bias:
                setattr(self, name, Parameter(create.empty(rows, device=device, dtype=dtype)))
            else:
                self.register_parameter(name, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            s += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            s += f", nonlinearity={self.nonlinearity}"
        return s

    def _step(
        self, input: Tensor, state: tuple | None, count: int
    ) -> tuple[Tensor, tuple[Tensor, ...], bool]:
        """(input, `count` states, whether input is a batch): all as batches, checked, zeros if not given."""
        if input.ndim not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.ndim}D instead"
            )
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        if state is None:
            state = tuple(wrap(np.zeros((x.shape[0], self.hidden_size), x.array.dtype)) for _ in range(count))
        else:
            _check_states(state, count, type(self).__name__)
            for s in state:
                if s.ndim not in (1, 2):
                    raise ValueError(
                        f"{type(self).__name__}: Expected hidden to be 1D or 2D, got {s.ndim}D instead"
                    )
            state = state if batched else tuple(s.unsqueeze(0) for s in state)
            for s in state:
                if s.array.shape != (x.shape[0], self.hidden_size):
                    raise RuntimeError(
                        f"{type(self).__name__}: expected hidden of shape {(x.shape[0], self.hidden_size)}, "
                        f"got {tuple(s.shape)}"
                    )
        if x.shape[1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}"
            )
        return x, state, batched


class RNNCell(RNNCellBase):
    """h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu:
    input (N, input_size), state (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._step(input, None if hx is None else (hx,), 1)
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        out = z.tanh() if self.nonlinearity == "tanh" else z.relu()
        return out if batched else out.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input (N, input_size), state (h, c) -> the new (h, c), each (N, hidden_size)."""

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, (h, c), batched = self._step(input, hx, 2)
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        h, c = _lstm_step(z, c)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU: input (N, input_size), state (N, hidden_size) -> the new state."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._step(input, None if hx is None else (hx,), 1)
        a = F.linear(x, self.weight_ih, self.bias_ih)
        b = F.linear(h, self.weight_hh, self.bias_hh)
        (r, z, n), (hr, hz, hn) = a.chunk(3, 1), b.chunk(3, 1)
        z = (z + hz).sigmoid()
        n = (n + (r + hr).sigmoid() * hn).tanh()
        out = n + z * (h - n)
        return out if batched else out.squeeze(0)
