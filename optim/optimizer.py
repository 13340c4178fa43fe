"""Optimizer: parameter groups, state, and when a rule is called on what.

A subclass is one rule, written once for one array, in place. An elementwise rule does not care where one parameter ends
and the next begins, so `step` calls it on

* the small parameters of a group together: their gradients and values are gathered into flat buffers, their state lives
  in flat buffers, and the new values are copied back. Hundreds of tiny calls become one;
* each large parameter in blocks that stay in the cache from one pass of the rule to the next.

Parameters stay where they are in memory, so views and arrays that others hold of them go on sharing it. What a step
computes for an element is the same either way, bit for bit.
"""

from __future__ import annotations

import copy
import operator
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad6.hooks import RemovableHandle
from tinygrad6.modes import enable_grad, no_grad, state as mode
from tinygrad6.tensor import Tensor, wrap

SMALL = 1 << 15  # parameters of fewer elements are gathered
BLOCK = 1 << 15  # elements of a block of a large one


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Flat:
    """The small parameters of a group that have gradients: where each lies in the buffers, and the buffers."""

    def __init__(self, params: list[Tensor], states: list[dict], slots: tuple[str, ...]) -> None:
        self.params, self.states = params, states
        sizes = [p.array.size for p in params]
        ends = np.cumsum(sizes).tolist()
        self.places = [slice(b - n, b) for b, n in zip(ends, sizes)]
        kind = params[0].array.dtype
        self.theta, self.g = np.empty(ends[-1], kind), np.empty(ends[-1], kind)
        self.views = [self.theta[s].reshape(p.array.shape) for s, p in zip(self.places, params)]
        self.slots: dict[str, np.ndarray] = {}
        for name in slots:
            buffer = self.slots[name] = np.empty(ends[-1], kind)
            for place, p, s in zip(self.places, params, states):
                buffer[place] = s[name].array.ravel()
                s[name].array = buffer[place].reshape(p.array.shape)
        step = wrap(np.array(states[0]["step"].array))
        for s in states:
            s["step"] = step  # one counter for these, and no others
        self.step = step
        self.kept = [[s[name].array for name in slots] for s in states]

    def fits(self, params: list[Tensor], states: list[dict], slots: tuple[str, ...]) -> bool:
        """Whether these are still the parameters, and their state is still in the buffers."""
        return (
            len(params) == len(self.params)
            and all(map(operator.is_, params, self.params))
            and all(
                s is t and s["step"] is self.step and all(s[n].array is a for n, a in zip(slots, kept))
                for s, t, kept in zip(states, self.states, self.kept)
            )
        )


class Optimizer:
    """Base of the optimizers: params is an iterable of tensors, of (name, tensor) pairs, or of dicts of options with "params".

    A subclass sets `slots` (the names of its state arrays) and defines `rule`, which changes one array in place.
    """

    slots: tuple[str, ...] = ()
    elementwise = True

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._flats: dict[int, Flat] = {}
        self._hooks: dict[str, dict] = {
            "pre": OrderedDict(),
            "post": OrderedDict(),
            "state": OrderedDict(),
            "load": OrderedDict(),
        }
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for g in groups:
            self.add_param_group(g)

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own; what it does not say is the default."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will "
                "change between runs. Please use a list instead."
            )
        items = list(params)
        names = None
        if items and isinstance(items[0], tuple):
            names = [n for n, _ in items]
            items = [p for _, p in items]
        for p in items:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
                )
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            group.setdefault(name, default)
        self._check(group)
        if len({id(p) for p in items}) != len(items):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=3,
            )
        mine = {id(p) for g in self.param_groups for p in g["params"]}
        if mine & {id(p) for p in items}:
            raise ValueError("some parameters appear in more than one parameter group")
        group["params"] = items
        if names is not None:
            group["param_names"] = names
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse options out of range, before anything is kept."""
        for name, low in (
            ("lr", 0.0),
            ("weight_decay", 0.0),
            ("eps", 0.0),
            ("momentum", 0.0),
            ("lr_decay", 0.0),
            ("initial_accumulator_value", 0.0),
        ):
            value = group.get(name)
            if isinstance(value, Tensor):
                value = value.item()
            if value is not None and not value >= low:  # nan is refused too
                words = {"lr": "learning rate"}.get(
                    name, name if name in ("momentum", "lr_decay", "weight_decay") else f"{name} value"
                )
                raise ValueError(f"Invalid {words}: {value}")
        betas = group.get("betas")
        if betas is not None:
            for i, b in enumerate(betas):
                if not 0.0 <= b < 1.0:
                    raise ValueError(f"Invalid beta parameter at index {i}: {b}")
        for name in ("capturable", "differentiable"):
            if group.get(name):
                raise NotImplementedError(f"{type(self).__name__}: {name}=True is not supported")

    # ---- the step

    def rule(
        self, p: np.ndarray, g: np.ndarray, s: dict[str, np.ndarray], step: int, group: dict[str, Any]
    ) -> None:
        """Change p in place by its gradient g, which may be overwritten too; `s` holds the slots, `step` counts from 1."""
        raise NotImplementedError(f"{type(self).__name__} does not define rule")

    def begin(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The slots in use for this group."""
        return self.slots

    def initial(self, name: str, p: np.ndarray, group: dict[str, Any]) -> np.ndarray:
        """What a slot starts from."""
        return np.zeros(p.shape, p.dtype)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; `closure`, if given, computes the loss first and is returned.

        RuntimeError, with nothing changed, if a gradient's shape or type does not match its parameter.
        """
        if self._hooks["pre"]:
            for hook in list(self._hooks["pre"].values()):
                hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        work = [(g, [p for p in g["params"] if p.grad is not None]) for g in self.param_groups]
        for _, params in work:
            for p in params:
                if p.grad.array.shape != p.array.shape or p.grad.array.dtype != p.array.dtype:
                    raise RuntimeError(
                        f"{type(self).__name__}.step(): a gradient of {p.grad.dtype} and shape {list(p.grad.shape)} does not "
                        f"match its parameter of {p.dtype} and shape {list(p.shape)}"
                    )
        before, mode.grad = mode.grad, False
        try:
            for i, (group, params) in enumerate(work):
                if params:
                    self._step_group(i, group, params)
        finally:
            mode.grad = before
        if self._hooks["post"]:
            for hook in list(self._hooks["post"].values()):
                hook(self, (closure,), {})
        return loss

    def _step_group(self, number: int, group: dict[str, Any], params: list[Tensor]) -> None:
        slots = self.begin(group)
        options = {k: v.item() if isinstance(v, Tensor) else v for k, v in group.items() if k != "params"}
        small, large = [], []
        for p in params:
            s = self.state[p]
            if "step" not in s:
                s["step"] = wrap(np.zeros((), np.float32))
            for name in slots:
                if name not in s:
                    s[name] = wrap(self.initial(name, p.array, options))
            (small if self.elementwise and p.array.size < SMALL else large).append(p)
        if len(small) > 1 and self._alike(small):
            self._step_flat(number, options, small, slots)
        else:
            large = params
        for p in large:
            s = self.state[p]
            s["step"] = wrap(s["step"].array + np.float32(1))  # a counter of its own again, if it was shared
            self._step_one(p, {n: s[n].array for n in slots}, int(s["step"].array), options)
            p.bump()

    def _alike(self, params: list[Tensor]) -> bool:
        first = self.state[params[0]]["step"]
        kind = params[0].array.dtype
        return all((s := self.state[p]["step"]) is first or s.array == first.array for p in params) and all(
            p.array.dtype is kind for p in params
        )

    def _step_flat(
        self, number: int, options: dict[str, Any], params: list[Tensor], slots: tuple[str, ...]
    ) -> None:
        states = [self.state[p] for p in params]
        flat = self._flats.get(number)
        if flat is None or not flat.fits(params, states, slots):
            flat = self._flats[number] = Flat(params, states, slots)
        np.concatenate([p.grad.array.ravel() for p in params], out=flat.g)  # type: ignore[union-attr]
        np.concatenate([p.array.ravel() for p in params], out=flat.theta)
        flat.step.array += np.float32(1)
        step = int(flat.step.array)
        self._blocks(flat.theta, flat.g, flat.slots, step, options)
        for p, view in zip(params, flat.views):
            p.array[...] = view
            p.bump()

    def _step_one(self, p: Tensor, s: dict[str, np.ndarray], step: int, options: dict[str, Any]) -> None:
        a, g = p.array, p.grad.array  # type: ignore[union-attr]
        if (
            self.elementwise
            and a.size > BLOCK
            and a.flags.c_contiguous
            and all(v.flags.c_contiguous for v in s.values())
        ):
            self._blocks(
                a.reshape(-1),
                g.reshape(-1),
                {k: v.reshape(-1) for k, v in s.items()},
                step,
                options,
                copy=True,
            )
        else:
            a, g = np.atleast_1d(a), np.atleast_1d(g)  # views: NumPy's results for 0-d arrays are no arrays
            self.rule(a, np.array(g), {k: np.atleast_1d(v) for k, v in s.items()}, step, options)

    def _blocks(
        self,
        a: np.ndarray,
        g: np.ndarray,
        s: dict[str, np.ndarray],
        step: int,
        options: dict[str, Any],
        copy: bool = False,
    ) -> None:
        for i in range(0, a.size, BLOCK):
            b = slice(i, i + BLOCK)
            part = g[b]
            self.rule(a[b], part.copy() if copy else part, {k: v[b] for k, v in s.items()}, step, options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    with no_grad():
                        p.grad.detach_().zero_()

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {slot: tensor}}, "param_groups": [{option: value, "params": [numbers]}]}, as in PyTorch."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            groups.append(
                {
                    **{k: v for k, v in group.items() if k != "params"},
                    "params": [numbers[id(p)] for p in group["params"]],
                }
            )
        state = {numbers.get(id(p), p): dict(s) for p, s in self.state.items() if s}
        answer: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._hooks["state"].values():
            changed = hook(self, answer)
            answer = answer if changed is None else changed
        return answer

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict; ValueError, with nothing changed, if its groups do not match."""
        for hook in self._hooks["load"].values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved, groups = state_dict["param_groups"], self.param_groups
        if len(saved) != len(groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(saved, groups)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        by_number = {n: p for a, b in zip(saved, groups) for n, p in zip(a["params"], b["params"])}
        fresh: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, entries in state_dict["state"].items():
            p = by_number.get(number, number)
            fresh[p] = {k: self._loaded(k, v, p) for k, v in entries.items()}
        new_groups = []
        for a, b in zip(saved, groups):
            group = {**copy.deepcopy({k: v for k, v in a.items() if k != "params"}), "params": b["params"]}
            if "param_names" in b and "param_names" not in a:
                group["param_names"] = b["param_names"]
            for name, default in self.defaults.items():
                group.setdefault(name, default)
            self._check(group)
            new_groups.append(group)
        self.state, self.param_groups = fresh, new_groups
        self._flats = {}

    @staticmethod
    def _loaded(key: str, value: Any, p: Any) -> Any:
        if not isinstance(value, Tensor):
            return wrap(np.array(value, np.float32)) if key == "step" else copy.deepcopy(value)
        if key == "step" or not isinstance(p, Tensor):
            return wrap(np.array(value.array, np.float32 if key == "step" else value.array.dtype))
        return wrap(np.array(value.array, p.array.dtype if p.array.dtype.kind == "f" else value.array.dtype))

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._flats = {}
        self._hooks = {
            "pre": OrderedDict(),
            "post": OrderedDict(),
            "state": OrderedDict(),
            "load": OrderedDict(),
        }

    # ---- hooks, repr

    def _register(self, kind: str, hook: Callable[..., Any]) -> RemovableHandle:
        handle = RemovableHandle(self._hooks[kind])
        self._hooks[kind][handle.id] = hook
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before each step."""
        return self._register("pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after each step."""
        return self._register("post", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, state_dict) at the end of state_dict; a result replaces it."""
        return self._register("state", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before loading; a result replaces it."""
        return self._register("load", hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k not in ("params", "param_names")]
        return "\n".join(lines) + "\n)"


def harmless(
    foreach: Any = None, fused: Any = None, capturable: bool = False, differentiable: bool = False
) -> dict[str, Any]:
    """Options that choose among PyTorch's implementations: kept; foreach and fused change nothing here."""
    return {"foreach": foreach, "fused": fused, "capturable": capturable, "differentiable": differentiable}


def decayed(p: np.ndarray, g: np.ndarray, group: dict[str, Any]) -> np.ndarray:
    """g, turned round if maximizing, plus weight_decay p: L2 regularization. In place."""
    if group["maximize"]:
        np.negative(g, out=g)
    if group["weight_decay"]:
        g += p * p.dtype.type(group["weight_decay"])
    return g


__all__ = ["Optimizer", "decayed", "harmless", "required"]
