"""The training step of an MLP as one writes it with NumPy alone, MyGrad, HIPS autograd and JAX.

Every side starts from the same weights on the same batch. NumPy, MyGrad and autograd share the updates
written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import Build, library

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def batch_of(sizes: list[int], batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], batch)


def initial(sizes: list[int]) -> list[np.ndarray]:
    """PyTorch's weights and biases for seed 0, layer by layer."""
    lib = library("tinygrad6")
    lib.torch.manual_seed(0)
    layers = [lib.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
    return [p.detach().numpy() for layer in layers for p in (layer.weight, layer.bias)]


def adam(params: list[np.ndarray]) -> Callable[[list[np.ndarray]], None]:
    ms, vs, t = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params], 0

    def update(grads: list[np.ndarray]) -> None:
        nonlocal t
        t += 1
        size, root = LR / (1 - BETA1**t), (1 - BETA2**t) ** 0.5
        for p, g, m, v in zip(params, grads, ms, vs):
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            p -= size * m / (np.sqrt(v) / root + EPS)

    return update


def sgd(params: list[np.ndarray]) -> Callable[[list[np.ndarray]], None]:
    def update(grads: list[np.ndarray]) -> None:
        for p, g in zip(params, grads):
            p -= LR * g

    return update


UPDATES = {"Adam": adam, "SGD": sgd}


def pairs(params: list) -> list[tuple]:
    return list(zip(params[::2], params[1::2]))


def numpy_step(sizes: list[int], batch: int, activation: str = "ReLU", optimizer: str = "Adam") -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        params, (x, y) = initial(sizes), batch_of(sizes, batch)
        update, rows, layers = UPDATES[optimizer](params), np.arange(batch), pairs(params)

        def step() -> Any:
            hs = [x]
            for w, b in layers:
                z = hs[-1] @ w.T + b
                hs.append(np.maximum(z, 0) if activation == "ReLU" else 1 / (1 + np.exp(-z)))
            z -= z.max(1, keepdims=True)
            e = np.exp(z)
            total = e.sum(1, keepdims=True)
            loss = (np.log(total[:, 0]) - z[rows, y]).mean()
            g = e / total
            g[rows, y] -= 1
            g /= batch
            grads: list[np.ndarray] = []
            for i, (w, _) in reversed(list(enumerate(layers))):
                grads[:0] = [g.T @ hs[i], g.sum(0)]
                if i:
                    g = g @ w
                    g = g * (hs[i] > 0) if activation == "ReLU" else g * hs[i] * (1 - hs[i])
            update(grads)
            return loss

        return step

    return build


def mygrad_step(sizes: list[int], batch: int, activation: str = "ReLU", optimizer: str = "Adam") -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        import mygrad as mg
        from mygrad.nnet.activations import relu, sigmoid
        from mygrad.nnet.losses import softmax_crossentropy

        params = [mg.tensor(p) for p in initial(sizes)]
        x, y = batch_of(sizes, batch)
        act = relu if activation == "ReLU" else sigmoid
        update, layers = UPDATES[optimizer]([p.data for p in params]), pairs(params)

        def step() -> Any:
            z: Any = x
            for i, (w, b) in enumerate(layers):
                z = mg.matmul(act(z) if i else z, w.T) + b
            loss = softmax_crossentropy(z, y)
            loss.backward()
            update([p.grad for p in params])
            for p in params:
                p.null_grad()
            return loss.data

        return step

    return build


def autograd_step(sizes: list[int], batch: int, activation: str = "ReLU", optimizer: str = "Adam") -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        import autograd.numpy as anp
        from autograd import value_and_grad

        params, (x, y) = initial(sizes), batch_of(sizes, batch)
        differentiate, update = value_and_grad(_loss(anp, activation)), UPDATES[optimizer](params)

        def step() -> Any:
            loss, grads = differentiate(params, x, y)
            update(grads)
            return loss

        return step

    return build


def jax_step(sizes: list[int], batch: int, activation: str = "ReLU", optimizer: str = "Adam") -> Build:
    def build(lib: Any) -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        differentiate = jax.value_and_grad(_loss(jnp, activation))

        def adam(params: list, state: Any, grads: list) -> tuple:
            ms, vs, t = state
            t = t + 1
            size, root = LR / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
            ms = [m + (1 - BETA1) * (g - m) for m, g in zip(ms, grads)]
            vs = [v + (1 - BETA2) * (g * g - v) for v, g in zip(vs, grads)]
            new = [p - size * m / (jnp.sqrt(v) / root + EPS) for p, m, v in zip(params, ms, vs)]
            return new, (ms, vs, t)

        def sgd(params: list, state: Any, grads: list) -> tuple:
            return [p - LR * g for p, g in zip(params, grads)], state

        def whole(params: list, state: Any, x: Any, y: Any) -> tuple:
            loss, grads = differentiate(params, x, y)
            return loss, *(adam if optimizer == "Adam" else sgd)(params, state, grads)

        jitted = jax.jit(whole, donate_argnums=(0, 1))
        params, (x, y) = [jnp.array(p) for p in initial(sizes)], map(jnp.array, batch_of(sizes, batch))
        state = [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], jnp.zeros(())

        def step() -> Any:
            nonlocal params, state
            loss, params, state = jitted(params, state, x, y)
            return jax.block_until_ready((loss, params))[0]

        return step

    return build


def _loss(np_like: Any, activation: str) -> Callable[..., Any]:
    """The cross entropy of an MLP, by autograd's or JAX's NumPy."""

    def loss(params: list, x: Any, y: Any) -> Any:
        z = x
        for i, (w, b) in enumerate(pairs(params)):
            if i:
                z = np_like.maximum(z, 0) if activation == "ReLU" else 1 / (1 + np_like.exp(-z))
            z = np_like.dot(z, w.T) + b
        z = z - np_like.max(z, axis=1, keepdims=True)
        return np_like.mean(np_like.log(np_like.sum(np_like.exp(z), axis=1)) - z[np.arange(len(y)), y])

    return loss


STEPS: dict[str, Callable[..., Build]] = {
    "numpy": numpy_step,
    "mygrad": mygrad_step,
    "autograd": autograd_step,
    "jax": jax_step,
}
