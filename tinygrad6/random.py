"""PyTorch's CPU random numbers, from NumPy alone.

PyTorch's generator is the Mersenne Twister MT19937 seeded with the low 32 bits of the seed, which is also
NumPy's `RandomState`; the words it gives out are the same. What differs is how words become numbers; the
methods below say how, each once. So a seeded script draws the same weights, masks, batches and samples with
either library.

Threads may share a generator, and no number is drawn twice; but which thread gets which is left to chance.
For results that can be repeated, give each thread its own.

Sources: Matsumoto and Nishimura 1998; PyTorch's ATen/core/DistributionsHelper.h and native/cpu kernels,
observed from outside.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad6.devices import CPU, device

_pairing = threading.Lock()  # what waits for the next call is given to one thread
if hasattr(os, "register_at_fork"):  # in a child it may be held by a thread that is not there
    os.register_at_fork(after_in_child=_pairing._at_fork_reinit)  # type: ignore[attr-defined]
# the constants of the rejection methods are floats of 32 bits in PyTorch
_THIRD, _SQUEEZE = float(np.float32(1) / np.float32(3)), float(np.float32(0.0331))
# what PyTorch's generator writes down; of the three numbers kept for the next call only the second is used
_STATE = np.dtype(
    [("seed", "<u8"), ("left", "<i4"), ("seeded", "<i4"), ("next", "<u8"), ("key", "<u8", 624)]
    + [("normal_x", "<f8"), ("normal", "<f8"), ("normal_rho", "<f8"), ("has_normal", "<i4"), ("pad", "V4")]
    + [("next_float", "<f4"), ("has_float", "?"), ("end", "V3")]
)
_MASK24, _MASK53 = np.uint32((1 << 24) - 1), np.uint64((1 << 53) - 1)


@functools.cache
def _numpy_pairs_alike() -> bool:
    """Whether NumPy, too, makes a 64-bit word of two words with the first as its upper half: C leaves the
    order to the compiler."""
    first, second = (np.random.RandomState(0) for _ in range(2))
    upper, lower = np.frombuffer(first.bytes(8), "<u4").tolist()
    return int(second.randint(0, 1 << 64, 1, np.uint64)[0]) == upper << 32 | lower


class Generator:
    """A stream of random numbers: `Generator().manual_seed(0)`.

    The array methods return ndarrays; users meet them through `rand`, `randn`, `dropout` and the like, all of
    which take `generator=`.
    """

    def __init__(self, device: Any = "cpu") -> None:
        if str(device) != "cpu":
            raise RuntimeError(
                f"Generator(): device {device!r} is not available: tinygrad6 computes on the CPU only"
            )
        # the second of a pair of normal numbers, kept for the next scalar draw
        self._normal: float | None = None
        self.manual_seed(67280421310721)

    @property
    def device(self) -> device:
        """device(type='cpu'): there is no other."""
        return CPU

    def manual_seed(self, seed: Any) -> Generator:
        """Start the stream of `seed`, an integer in [-2^63, 2^64); returns the generator."""
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError(f"Overflow when unpacking long long: the seed {seed} does not fit in 64 bits")
        self._seed = seed % (1 << 64)
        self._stream = np.random.RandomState(self._seed & 0xFFFFFFFF)
        self._normal = None
        return self

    def seed(self) -> int:
        """Seed from the operating system's randomness; returns the seed."""
        seed = struct.unpack("<Q", os.urandom(8))[0] >> 11
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed the stream was started from."""
        return self._seed

    def get_state(self) -> Any:
        """The whole state, as a uint8 tensor (5056,) for set_state. PyTorch's layout: either library reads
        the other's.
        """
        from tinygrad6.tensor import wrap

        legacy: Any = self._stream.get_state()
        _, key, position, _, _ = legacy
        # PyTorch counts what is left of the 624 words, and starts a fresh stream at word 0
        fresh = position == 624 and key[0] == self._seed & 0xFFFFFFFF
        raw = np.zeros(_STATE.itemsize, np.uint8)
        state = raw.view(_STATE)[0]
        state["seed"], state["seeded"], state["key"] = self._seed, 1, key
        state["left"], state["next"] = 1 if fresh else 625 - position, 0 if fresh else position
        state["normal"], state["has_normal"] = self._normal or 0.0, self._normal is not None
        return wrap(raw)

    def set_state(self, new_state: Any) -> Generator:
        """Go on from a state that get_state gave; returns the generator."""
        raw = np.asarray(getattr(new_state, "array", new_state))
        if raw.dtype != np.uint8 or raw.shape != (_STATE.itemsize,):
            raise RuntimeError(
                f"set_state(): expected a uint8 tensor of {_STATE.itemsize} bytes, got "
                f"{raw.dtype}{list(raw.shape)}"
            )
        state = np.ascontiguousarray(raw).view(_STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        if not 1 <= left <= 624 or position > 624 or (left != 1 and left + position != 625):
            raise RuntimeError("set_state(): the state is not valid")
        position = 624 if left == 1 else position
        key = state["key"].astype(np.uint32)
        self._seed = int(state["seed"])
        self._stream.set_state(("MT19937", key, position, 0, 0.0))
        self._normal = float(state["normal"]) if state["has_normal"] else None
        return self

    def clone_state(self) -> Generator:
        """A generator of its own that goes on from here."""
        twin = Generator()
        twin.set_state(self.get_state())
        return twin

    def __getstate__(self) -> dict:
        return {"state": self.get_state().array}

    def __setstate__(self, state: dict) -> None:
        self.__init__()  # type: ignore[misc]
        self.set_state(state["state"])

    # ---- words

    def words(self, n: int) -> np.ndarray:
        """The next n 32-bit words."""
        return np.frombuffer(self._stream.bytes(4 * n) if n else b"", "<u4")  # bytes(0) would take a word too

    def words64(self, n: int) -> np.ndarray:
        """The next n 64-bit words, each from two 32-bit ones, the first the upper half."""
        if n and _numpy_pairs_alike():
            return self._stream.randint(0, 1 << 64, n, np.uint64)
        pairs = self.words(2 * n).astype(np.uint64)
        return pairs[::2] << np.uint64(32) | pairs[1::2]

    def word64(self) -> int:
        """The next 64-bit word."""
        return int(self.words64(1)[0])

    # ---- uniform

    def _unit(self, n: int, dtype: Any) -> np.ndarray:
        """n numbers in [0, 1): 53 bits in float64, 24 in float32, which float16 is rounded from."""
        kind = np.dtype(dtype)
        if kind == np.float64:
            return (self.words64(n) & _MASK53) * 2.0**-53
        unit = (self.words(n) & _MASK24).astype(np.float32) * np.float32(2.0**-24)
        return _below_end(unit.astype(kind), 0.0, 1.0) if kind == np.float16 else unit

    def uniform(
        self, shape: tuple, dtype: Any = np.float32, low: float = 0.0, high: float = 1.0
    ) -> np.ndarray:
        """Numbers in [low, high): low + (high - low) u, rounded once."""
        n = math.prod(shape)
        half = np.dtype(dtype) == np.float16
        kind = np.dtype(np.float32 if half else dtype).type
        u = self._unit(n, kind)
        if low != 0.0 or high != 1.0:
            a, b = kind(low), kind(high)
            if kind is np.float64:
                u = _fused(u, b - a, a)
            else:
                u = (u.astype(np.float64) * np.float64(b - a) + a).astype(kind)
        u = _below_end(u.astype(np.float16), low, high) if half else u
        return u.reshape(shape)

    # ---- normal

    def normal(
        self, shape: tuple, dtype: Any = np.float32, mean: Any = 0.0, std: Any = 1.0, singly: bool = False
    ) -> np.ndarray:
        """Normal numbers by Box and Muller's method: in blocks of 16 from 16 on, one by one below, or
        `singly`."""
        n, kind = math.prod(shape), np.dtype(dtype)
        scalars = isinstance(mean, (int, float)) and isinstance(std, (int, float))
        if not scalars:
            z = self.normal(shape, dtype)
            return np.asarray(z * np.asarray(std, kind) + np.asarray(mean, kind)).astype(kind)
        if n >= 16 and not singly:
            half = kind == np.float16
            work = np.float32 if half else kind.type
            z = self._normal_blocks(n, np.dtype(work), half)
            if mean or std != 1:
                z = z * work(std) + work(mean)
        else:
            z = np.array(self._normal_few(n), np.float64)
            z = (z * std + mean).astype(kind)
        return z.astype(kind, copy=False).reshape(shape)

    def _normal_blocks(self, n: int, kind: np.dtype, half: bool) -> np.ndarray:
        whole = n - n % 16
        u = self._unit(whole if half else n, kind)
        out = np.empty(n, kind)
        out[:whole] = _box_muller(u[:whole].reshape(-1, 16)).ravel()
        if n % 16:  # the last sixteen are drawn again
            out[-16:] = _box_muller(self._unit(16, kind).reshape(1, 16)).ravel()
        return out

    def _normal_few(self, n: int) -> list[float]:
        """n normal numbers one by one, in pairs: the second of the last pair waits for the next call."""
        out: list[float] = []
        with _pairing:
            if n and self._normal is not None:
                out.append(self._normal)
                self._normal = None
            pairs = (n - len(out) + 1) // 2
            u = self._unit(2 * pairs, np.float64).tolist()
            for u1, u2 in zip(u[::2], u[1::2], strict=True):
                r, theta = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
                out += r * math.cos(theta), r * math.sin(theta)
            if len(out) > n:
                self._normal = out.pop()
        return out

    def integers(
        self, shape: tuple, low: int, high: int, dtype: Any = np.int64, wide: int = 1 << 28
    ) -> np.ndarray:
        """Integers in [low, high): a word modulo the range, of 64 bits for ranges from `wide` on."""
        if not low < high:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
            )
        kind = np.dtype(dtype)
        if kind.kind != "f":
            least, most = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
            if not least <= low < high <= most + 1:
                raise RuntimeError(f"random integers in [{low}, {high}) are out of bounds for {kind}")
        n, span = math.prod(shape), high - low
        if span >= wide:
            drawn = self.words64(n) % np.uint64(span)
        else:
            drawn = (self.words(n) % np.uint32(span)).astype(np.uint64)
        return (drawn.astype(np.int64) + np.int64(low)).astype(dtype).reshape(shape)

    def permutation(self, n: int) -> np.ndarray:
        """A random order of 0 ... n - 1: position i is swapped with i + word % (n - i)."""
        order = list(range(n))
        if n > 1:
            at = np.arange(n - 1)
            partners = at + (self.words(n - 1) % (n - at).astype(np.uint32)).astype(np.int64)
            for i, j in enumerate(partners.tolist()):
                order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)

    # ---- events

    def bernoulli(self, p: Any, shape: tuple) -> np.ndarray:
        """True with probability p, as bool: a number p compares with 53-bit uniforms,
        an array p with those of its type."""
        if isinstance(p, (int, float)):
            if not 0 <= p <= 1:
                raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
            return self._below(p, math.prod(shape)).reshape(shape)
        try:
            p = np.broadcast_to(p, shape)
        except ValueError:
            raise RuntimeError(
                f"bernoulli_(): probabilities of shape {list(p.shape)} do not broadcast to {list(shape)}"
            ) from None
        if not ((p >= 0) & (p <= 1)).all():
            raise RuntimeError(
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false: bernoulli needs probabilities in "
                "[0, 1]"
            )
        kind = np.float64 if p.dtype == np.float64 else np.float32
        return self._unit(p.size, kind).reshape(shape) < p

    def _below(self, p: float, n: int) -> np.ndarray:
        """n times u < p for 53-bit uniforms u, compared as integers."""
        u = self.words64(n)
        u &= _MASK53
        return u < np.uint64(math.ceil(p * 2**53))

    def exponential(self, shape: tuple, dtype: Any = np.float32, lambd: float = 1.0) -> np.ndarray:
        """Exponential numbers of rate lambd: -log(1 - u) / lambd."""
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
        u = self._unit(math.prod(shape), np.float64)
        return ((-1.0 / lambd) * np.log1p(-u)).astype(dtype).reshape(shape)

    def geometric(self, shape: tuple, p: float) -> np.ndarray:
        """The number of the first success in trials with probability p, from 1:
        ceil(log(u) / log(1 - p)), in float64."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        with np.errstate(divide="ignore"):
            return np.ceil(np.log(self._unit(math.prod(shape), np.float64)) / math.log1p(-p)).reshape(shape)

    def cauchy(self, shape: tuple, median: float, sigma: float) -> np.ndarray:
        """median + sigma tan(pi (u - 1/2)), in float64."""
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        u = self._unit(math.prod(shape), np.float64)
        return (median + sigma * np.tan(math.pi * (u - 0.5))).reshape(shape)

    def log_normal(self, shape: tuple, mean: float, std: float) -> np.ndarray:
        """exp of normal numbers, drawn one by one, in float64."""
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        z = np.array(self._normal_few(math.prod(shape)), np.float64)
        return np.exp(z * std + mean).reshape(shape)

    @contextlib.contextmanager
    def _one_by_one(self, expected: int) -> Iterator[Callable[[], float]]:
        """A function that gives the next 53-bit uniform. They are drawn in blocks, and what is left of the
        last block at the end is given back to the stream."""
        block: Iterator[float] = iter(())
        size, state = min(max(2 * expected, 4), 4096), self._stream.get_state()

        def one() -> float:
            nonlocal block, state
            for u in block:
                return u
            state = self._stream.get_state()
            block = iter(self._unit(size, np.float64).tolist())
            return next(block)

        try:
            yield one
        finally:
            if left := operator.length_hint(block):
                self._stream.set_state(state)
                self.words64(size - left)

    def _normal_of(self, one: Callable[[], float]) -> float:
        """The next normal number, as _normal_few draws it."""
        if self._normal is not None:
            z, self._normal = self._normal, None
            return z
        theta, r = 2 * math.pi * one(), math.sqrt(-2 * math.log1p(-one()))
        self._normal = r * math.sin(theta)
        return r * math.cos(theta)

    def gamma(self, concentrations: np.ndarray) -> np.ndarray:
        """Gamma numbers of rate 1, one by one, in float64: Marsaglia and Tsang's method (2000)."""
        with self._one_by_one(2 * concentrations.size) as one:
            drawn = [self._gamma(a, one) for a in concentrations.astype(np.float64).ravel().tolist()]
        return np.array(drawn, np.float64).reshape(concentrations.shape)

    def _gamma(self, a: float, one: Callable[[], float]) -> float:
        if not 0 < a < math.inf:
            return a if a == 0 else math.nan
        scale = 1.0
        if a < 1:
            scale, a = (1 - one()) ** (1 / a), a + 1
        d = a - _THIRD
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self._normal_of(one)
            y = 1 + c * x
            if y <= 0:
                continue
            u, v, square = 1 - one(), y * y * y, x * x
            if u < 1 - _SQUEEZE * square * square:
                return scale * d * v
            if math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
                return scale * d * v

    def poisson(self, rates: np.ndarray) -> np.ndarray:
        """Poisson numbers, one by one, in float64:
        products of uniforms below rate 10, else Hoermann's PTRS (1993)."""
        if (rates < 0).any():
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        with self._one_by_one(2 * rates.size) as one:
            drawn = [self._poisson(rate, one) for rate in rates.astype(np.float64).ravel().tolist()]
        return np.array(drawn, np.float64).reshape(rates.shape)

    @staticmethod
    def _poisson(rate: float, one: Callable[[], float]) -> float:
        if rate < 10:
            k, product, limit = 0, 1.0, math.exp(-rate)
            while rate and (product := product * one()) > limit:
                k += 1
            return k
        b = 0.931 + 2.53 * math.sqrt(rate)
        a = -0.059 + 0.02483 * b
        inverse_alpha, v_r = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
        while True:
            u, v = one() - 0.5, one()
            us = 0.5 - abs(u)
            k = math.floor((2 * a / us + b) * u + rate + 0.43) if us else -1
            if us >= 0.07 and v <= v_r:
                return k
            if k < 0 or us < 0.013 and v > us or not v:
                continue
            accepted = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
            if accepted <= -rate + k * math.log(rate) - math.lgamma(k + 1):
                return k

    def binomial(self, counts: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Binomial numbers, one by one, in float64:
        sums of geometric ones for a mean below 10, else Hoermann's BTRS (1993)."""
        if not ((p >= 0) & (p <= 1)).all():
            raise RuntimeError("binomial: expected probabilities in [0, 1]")
        both = zip(
            counts.astype(np.float64).ravel().tolist(), p.astype(np.float64).ravel().tolist(), strict=True
        )
        with self._one_by_one(2 * counts.size) as one:
            drawn = [
                n - self._binomial(n, 1 - q, one) if q > 0.5 else self._binomial(n, q, one) for n, q in both
            ]
        return np.array(drawn, np.float64).reshape(counts.shape)

    @staticmethod
    def _binomial(n: float, p: float, one: Callable[[], float]) -> float:
        if n <= 0 or p <= 0:
            return 0
        if n * p < 10:
            total, successes, log_q = 0.0, 0, math.log1p(-p)
            while True:
                u = one()
                total += math.ceil(math.log(u) / log_q) if u else math.inf
                if total > n:
                    return successes
                successes += 1
        spread = math.sqrt(n * p * (1 - p))
        b = 1.15 + 2.53 * spread
        a = -0.0873 + 0.0248 * b + 0.01 * p
        alpha, v_r, r = (2.83 + 5.1 / b) * spread, 0.92 - 4.2 / b, p / (1 - p)
        m = math.floor((n + 1) * p)
        while True:
            u, v = one() - 0.5, one()
            us = 0.5 - abs(u)
            k = math.floor((2 * a / us + b) * u + n * p + 0.5) if us else -1
            if us >= 0.07 and v <= v_r:
                return k
            if not 0 <= k <= n or not v:
                continue
            bound = (
                (m + 0.5) * math.log((m + 1) / (r * (n - m + 1)))
                + (n + 1) * math.log((n - m + 1) / (n - k + 1))
                + (k + 0.5) * math.log(r * (n - k + 1) / (k + 1))
                + (_stirling(m) + _stirling(n - m) - _stirling(k) - _stirling(n - k))
            )
            if math.log(v * alpha / (a / (us * us) + b)) <= bound:
                return k

    def multinomial(self, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
        """Indices drawn with probabilities proportional to `weights`, (n,) or (m, n) -> (num_samples,)
        or (m, num_samples)."""
        if weights.ndim not in (1, 2):
            raise RuntimeError("prob_dist must be 1 or 2 dim")
        if weights.dtype.kind != "f":
            raise RuntimeError(
                f"multinomial only supports floating-point dtypes for input, got: {weights.dtype}"
            )
        if num_samples <= 0:
            raise RuntimeError("cannot sample n_sample <= 0 samples")
        if not replacement and num_samples > weights.shape[-1]:
            raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        rows = np.atleast_2d(weights)
        if (rows.sum(1) <= 0).any():
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        if not replacement or num_samples == 1:
            turned = rows.strides[0] < rows.strides[1]  # drawn in the order of memory
            q = self.exponential(rows.shape[::-1] if turned else rows.shape, rows.dtype)
            q = q.T if turned else q
            with np.errstate(divide="ignore"):
                score = rows / q
            chosen = np.argsort(-score, 1, kind="stable")[:, :num_samples]
        else:
            cumulated = np.cumsum(rows.astype(np.float64), 1)
            cumulated /= cumulated[:, -1:]
            u = self._unit(len(rows) * num_samples, np.float64).reshape(len(rows), num_samples)
            chosen = np.stack([np.searchsorted(c, v, "left") for c, v in zip(cumulated, u, strict=True)])
        return chosen.astype(np.int64).reshape((*weights.shape[:-1], num_samples))


def _stirling(k: float) -> float:
    """log(k!) minus Stirling's approximation of it, sqrt(2 pi) ((k + 1) / e)^(k + 1/2) / sqrt(e) ...:
    its tail."""
    return math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - 0.5 * math.log(2 * math.pi)


def _below_end(u: np.ndarray, low: float, high: float) -> np.ndarray:
    """Float16 numbers that were rounded up to the end of the range start it instead, as in PyTorch."""
    u[u == np.float16(high)] = low
    return u


def _fused(x: np.ndarray, y: float, z: float) -> np.ndarray:
    """x y + z in float64, rounded once: the errors of product and sum are computed too (Dekker 1971)."""
    x = np.asarray(x, np.float64)
    t = x * 134217729.0
    high = t - (t - x)
    low = x - high
    s = float(y) * 134217729.0
    y_high = s - (s - float(y))
    y_low = float(y) - y_high
    product = x * y
    error = ((high * y_high - product) + high * y_low + low * y_high) + low * y_low
    total = product + z
    back = total - product
    return total + (((product - (total - back)) + (z - back)) + error)


def _box_muller(u: np.ndarray) -> np.ndarray:
    """Normal numbers from blocks (m, 16) of uniform ones: cosines first, then sines."""
    kind = u.dtype.type
    r = np.sqrt(kind(-2) * np.log(kind(1) - u[:, :8]))
    theta = kind(2 * math.pi) * u[:, 8:]
    return np.concatenate([r * np.cos(theta), r * np.sin(theta)], 1)


default_generator = Generator()


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator, from which all random functions draw unless given another; returns it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator was started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator, as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = (), enabled: bool = True) -> Iterator[None]:
    """Restore the default generator's state when the block ends."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
