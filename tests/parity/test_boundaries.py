"""One setting at a time at its boundaries: optimizers, schedulers and modules do what PyTorch's do.

A number just inside a range works on both sides with the same results; one just outside is refused on both
with the same type of error.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
from helpers import assert_same, pytorch
from modules import MODULES, draw

import tinygrad6

LIBRARIES = (tinygrad6, pytorch())
# Where we differ on purpose: we refuse what PyTorch lets pass unseen, and take empty stacks of layers.
DIFFERENT = {
    *{
        ("Muon", "eps"),
        ("Bilinear", "in1_features"),
        ("CrossEntropyLoss", "label_smoothing"),
        ("LazyConvTranspose3d", "padding"),
    },
    *{
        ("EmbeddingBag", "embedding_dim"),
        ("EmbeddingBag", "sparse"),
        ("Embedding", "sparse"),
        ("Embedding", "num_embeddings"),
    },
    *{("MultiheadAttention", key) for key in ("kdim", "vdim", "dropout")},  # PyTorch asserts
    *{(f"MaxUnpool{d}d", key) for d in (1, 2, 3) for key in ("kernel_size", "padding")},
    *{("Transformer", "num_encoder_layers"), ("Transformer", "num_decoder_layers")},
}


def around(value: Any) -> list[Any]:
    """Settings near one: the ends of usual ranges, for each number of a tuple too."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [v for v in (-1, 0, 1, 2, value + 1, value - 1) if v != value]
    if isinstance(value, float):
        return [v for v in (-0.5, 0.0, 0.5, 1.0, 1.5) if v != value]
    if isinstance(value, tuple):
        return [(*value[:i], v, *value[i + 1 :]) for i, one in enumerate(value) for v in around(one)]
    return ["x"] if isinstance(value, str) else []


def outcome(run: Any, lib: Any) -> Any:
    """What it gives, or the type of the error."""
    lib.manual_seed(0)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return run(lib)
    except Exception as e:
        return next(k for k in type(e).__mro__ if k.__module__ == "builtins")


def agree(run: Any, said: str, tolerance: float = 1e-5) -> None:
    ours, theirs = (outcome(run, lib) for lib in LIBRARIES)
    refused = isinstance(theirs, type)
    if refused != isinstance(ours, type):
        what = "gives a result where PyTorch raises" if refused else "raises where PyTorch gives a result:"
        raise AssertionError(f"{said}: {what} {(theirs if refused else ours).__name__}")
    if refused:
        assert issubclass(ours, theirs), f"{said}: raises {ours.__name__}, PyTorch {theirs.__name__}"
        return
    try:
        assert_same(ours, theirs, tolerance, tolerance)
    except AssertionError as e:
        raise AssertionError(f"{said}: {e}") from e


# ---- optimizers

SWITCHES = {"foreach", "fused", "capturable", "differentiable"}
OPTIMIZERS = [n for n in pytorch().optim.__dict__ if n[0].isupper() and n not in ("Optimizer", "SparseAdam")]
COMPANY: dict[str, list[dict]] = {"SGD": [{"momentum": 0.5}], "RMSprop": [{"momentum": 0.5}]}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    signature = inspect.signature(getattr(pytorch().optim, name))
    for key, p in signature.parameters.items():
        for value in () if key in SWITCHES or (name, key) in DIFFERENT else around(p.default):
            for others in ({}, *COMPANY.get(name, ())):

                def run(lib, options={**others, key: value}):  # noqa: B006
                    w = lib.tensor([[1.0, -2.0], [0.5, 0.0]], dtype=lib.float64).requires_grad_()
                    opt = getattr(lib.optim, name)([w], **options)

                    def closure():
                        opt.zero_grad()
                        loss = (w * w * w * w - w * w + 0.1 * w).sum()
                        loss.backward()
                        return loss

                    for _ in range(3):
                        opt.step(closure)
                    return w.detach()

                agree(run, f"{name}({key}={value!r})", 1e-2 if name == "Muon" else 1e-5)


SCHEDULERS: dict[str, dict[str, Any]] = {
    "StepLR": dict(step_size=2),
    "MultiStepLR": dict(milestones=[1, 3]),
    "ConstantLR": {},
    "LinearLR": dict(total_iters=3),
    "ExponentialLR": dict(gamma=0.5),
    "PolynomialLR": dict(total_iters=3),
    "CosineAnnealingLR": dict(T_max=3),
    "CosineAnnealingWarmRestarts": dict(T_0=2),
    "CyclicLR": dict(base_lr=0.1, max_lr=1.0, step_size_up=2, cycle_momentum=False),
    "OneCycleLR": dict(max_lr=1.0, total_steps=7),
    "ReduceLROnPlateau": dict(patience=1),
    "SWALR": dict(swa_lr=0.05, anneal_epochs=3),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name):
    theirs = pytorch().optim.swa_utils if name == "SWALR" else pytorch().optim.lr_scheduler
    defaults = {k: p.default for k, p in inspect.signature(getattr(theirs, name)).parameters.items()}
    for key, value in ({} | defaults | SCHEDULERS[name]).items():
        for near in [value, *around(value)] if key != "last_epoch" else ():

            def run(lib, options={**SCHEDULERS[name], key: near}):  # noqa: B006
                space = lib.optim.swa_utils if name == "SWALR" else lib.optim.lr_scheduler
                opt = lib.optim.SGD([lib.zeros(1).requires_grad_()], lr=0.25, momentum=0.5)
                scheduler = getattr(space, name)(opt, **options)
                rates = []
                for i in range(7):
                    group = opt.param_groups[0]
                    rates.append([float(group["lr"]), float(group["momentum"])])
                    opt.step()
                    scheduler.step(
                        *([[5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0][i]] * (name == "ReduceLROnPlateau"))
                    )
                return rates

            agree(run, f"{name}({key}={near!r})")


# ---- modules


class Recorder:
    """Stands for nn: notes which class is made with what."""

    def __getattr__(self, name: str) -> Any:
        def made(*args: Any, **kwargs: Any) -> None:
            self.call = name, args, kwargs

        return made


def settings_of_modules() -> dict[str, list[tuple]]:
    """Class -> (its settings, the entry), for each entry of the table that is one class."""
    found: dict[str, list[tuple]] = {}
    for entry in MODULES:
        recorder = Recorder()
        try:
            entry.make(recorder)
            name, args, kwargs = recorder.call
            bound = inspect.signature(getattr(pytorch().nn, name)).bind(*args, **kwargs)
        except Exception:
            continue
        positional = next(
            (p for p in bound.signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None
        )
        if positional is None and "inplace" not in kwargs and name[-7:] not in ("Encoder", "Decoder"):
            bound.apply_defaults()
            options = {
                k: v for k, v in bound.arguments.items() if not callable(v) and k not in ("args", "kwargs")
            }
            found.setdefault(name, []).append((options, entry))
    return found


TABLE = settings_of_modules()


@pytest.mark.parametrize("name", TABLE)
def test_modules(name):
    done, wrong = set(), []
    for options, entry in TABLE[name]:
        for key, value in options.items():
            for near in around(value):
                mark = key, repr(near)
                if mark in done or (name, key) in DIFFERENT:
                    continue
                done.add(mark)

                def run(lib, options={**options, key: near}, entry=entry):  # noqa: B006
                    module = getattr(lib.nn, name)(**options)
                    inputs = [
                        a if a is None else lib.from_numpy(np.array(a))
                        for a in draw(entry.inputs, np.float32)
                    ]
                    out = module(*inputs)
                    return [out, repr(module)]

                try:
                    agree(run, f"{name}({key}={near!r}) beside {entry.name}", 1e-4)
                except AssertionError as e:
                    wrong.append(str(e))
    assert not wrong, "\n".join(wrong)
