"""Recurrent layers: RNN, LSTM, GRU with layers, directions and dropout, and their single-step cells."""

from __future__ import annotations

import math
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


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, layers, directions, batches first or second, packed sequences."""

    gates = 1

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
        if not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0 or num_layers <= 0:
            raise ValueError(
                f"hidden_size and num_layers must be greater than zero, got {hidden_size} and {num_layers}"
            )
        if proj_size:
            raise NotImplementedError("proj_size is not supported")
        if dropout > 0 and num_layers == 1:
            import warnings

            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers = (
            mode,
            input_size,
            hidden_size,
            num_layers,
        )
        self.bias, self.batch_first, self.dropout, self.bidirectional = (
            bias,
            batch_first,
            float(dropout),
            bidirectional,
        )
        self.proj_size = 0
        for layer in range(num_layers):
            for suffix in self._directions():
                width = input_size if layer == 0 else hidden_size * len(self._directions())
                rows = self.gates * hidden_size
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    setattr(
                        self,
                        f"{name}_l{layer}{suffix}",
                        Parameter(create.empty(shape, device=device, dtype=dtype)),
                    )
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
    def all_weights(self) -> list[list[Parameter]]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        return [
            [getattr(self, f"{n}_l{layer}{s}") for n in names]
            for layer in range(self.num_layers)
            for s in self._directions()
        ]

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
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

    def _run(self, x: Any, hx: Any) -> tuple[Any, list[Tensor]]:
        """All layers and directions; returns the output and the stacked final states."""
        packed = isinstance(x, PackedSequence)
        lengths = None
        if packed:
            source = x
            x, lengths = pad_packed_sequence(x)
            if source.sorted_indices is not None:  # work in the packed order
                x, lengths = x[:, source.sorted_indices], lengths[source.sorted_indices]
                hx = None if hx is None else tuple(h[:, source.sorted_indices] for h in hx)
        if x.ndim not in (2, 3):
            raise ValueError(f"{self.mode}: Expected input to be 2D or 3D, got {x.ndim}D instead")
        batched = x.ndim == 3
        if not batched:
            x = x.unsqueeze(1)
            hx = None if hx is None else tuple(h.unsqueeze(1) for h in hx)
        elif self.batch_first and not packed:
            x = x.transpose(0, 1)
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.shape[-1]}"
            )
        count = self.num_layers * len(self._directions())
        shape = (count, x.shape[1], self.hidden_size)
        states = 2 if self.mode == "LSTM" else 1
        if hx is None:
            hx = tuple(wrap(np.zeros(shape, x.array.dtype)) for _ in range(states))
        for h in hx:
            if h.array.shape != shape:
                raise RuntimeError(f"Expected hidden size {shape}, got {list(h.shape)}")
        finals: list[list[Tensor]] = [[] for _ in range(states)]
        for layer in range(self.num_layers):
            outs = []
            for d, _ in enumerate(self._directions()):
                k = layer * len(self._directions()) + d
                inner = reverse(x, lengths) if d else x
                out, all_states = self._scan(inner, tuple(h[k] for h in hx), self.all_weights[k])
                for final, s in zip(finals, all_states):
                    final.append(last(s, lengths))
                outs.append(reverse(out, lengths) if d else out)
            x = cat(outs, -1) if len(outs) > 1 else outs[0]
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        stacked = [stack(f) for f in finals]
        if packed:
            out = pack_padded_sequence(x, lengths, enforce_sorted=True)
            out = PackedSequence(out.data, out.batch_sizes, source.sorted_indices, source.unsorted_indices)
            if source.unsorted_indices is not None:
                stacked = [s[:, source.unsorted_indices] for s in stacked]
            return out, stacked
        if not batched:
            return x.squeeze(1), [s.squeeze(1) for s in stacked]
        return x.transpose(0, 1) if self.batch_first else x, stacked


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


class RNN(RNNBase):
    """h[t] = tanh(x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh), or relu, over a sequence (Elman 1990).

    Input (T, N, input_size), or (N, T, input_size) if batch_first, or (T, input_size), or a PackedSequence; optional
    initial state (layers * directions, N, hidden_size). Returns the outputs (T, N, directions * hidden_size) and the
    final state.
    """

    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        if len(args) > 3:  # nonlinearity stands fourth
            nonlinearity, args = args[3], (*args[:3], *args[4:])
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

    i, f, o = sigmoid and g = tanh of x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh, in the order i, f, g, o. Shapes as for
    RNN; state and final state are pairs (h, c). Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000.
    """

    gates = 4

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def _scan(self, x: Tensor, state: tuple, weights: list) -> Any:
        both = OPS["lstm_scan"].call(
            F.linear(x, weights[0], self._bias(weights, 2)), *state, weights[1], self._bias(weights, 3)
        )
        h, c = both[..., : self.hidden_size], both[..., self.hidden_size :]
        return h, (h, c)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        out, (h, c) = self._run(input, hx)
        return out, (h, c)


class GRU(RNNBase):
    """Gated recurrent units over a sequence: h[t] = (1 - z) n + z h[t-1].

    r, z = sigmoid of their parts of x[t] W_ih^T + b_ih + h[t-1] W_hh^T + b_hh; n = tanh(x_n + r (h[t-1] W_hn^T + b_hn)).
    Shapes as for RNN. Source: Cho et al. 2014, with PyTorch's place for the reset gate.
    """

    gates = 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("GRU", *args, **kwargs)

    def _scan(self, x: Tensor, state: tuple, weights: list) -> Any:
        out = OPS["gru_scan"].call(
            F.linear(x, weights[0], self._bias(weights, 2)), state[0], weights[1], self._bias(weights, 3)
        )
        return out, (out,)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        out, (h,) = self._run(input, None if hx is None else (hx,))
        return out, h


class RNNCellBase(Module):
    """One step of a recurrent layer."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
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
        if input.ndim not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.ndim}D instead"
            )
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        if state is None:
            state = tuple(wrap(np.zeros((x.shape[0], self.hidden_size), x.array.dtype)) for _ in range(count))
        elif not batched:
            state = tuple(s.unsqueeze(0) for s in state)
        return x, state, batched


class RNNCell(RNNCellBase):
    """h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu: input (N, input_size), state (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._step(input, None if hx is None else (hx,), 1)
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        out = z.tanh() if self.nonlinearity == "tanh" else z.relu()
        return out if batched else out.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input (N, input_size), state (h, c) -> the new (h, c), each (N, hidden_size)."""

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, (h, c), batched = self._step(input, hx, 2)
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = z.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
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
