"""Optimizer: parameter groups, state, hooks, and a step that calls one rule.

A subclass is one rule, written once for one array, in place; plan.py decides on which arrays it is called.
Parameters stay where they are in memory, so views and arrays that others hold of them go on sharing it.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad6.accidents import tell_constructor
from tinygrad6.dtypes import default_float
from tinygrad6.hooks import RemovableHandle
from tinygrad6.modes import enable_grad, no_grad
from tinygrad6.tensor import Tensor, wrap

from .plan import Plan

Array = np.ndarray
Slots = dict[str, Array]  # the state arrays of a parameter, or of a block of many
Counters = dict[str, Any]  # the numbers kept per parameter, such as the count of its steps
ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]  # for annotations
Group = dict[str, Any]  # a parameter group: its parameters and the options they share

# What each option may be; nan is refused too, for it compares false.
LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "lr": ("learning rate", lambda v: v >= 0.0),
    "weight_decay": ("weight_decay value", lambda v: v >= 0.0),
    "momentum": ("momentum value", lambda v: v >= 0.0),
    "eps": ("epsilon value", lambda v: v >= 0.0),
    "rho": ("rho value", lambda v: 0.0 <= v <= 1.0),
    "lr_decay": ("lr_decay value", lambda v: v >= 0.0),
    "momentum_decay": ("momentum_decay value", lambda v: v >= 0.0),
    "initial_accumulator_value": ("initial_accumulator_value value", lambda v: v >= 0.0),
}


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` that calls the hooks before and after, and may be left out: see Optimizer.skip_nonfinite."""

    @functools.wraps(step)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        self = args[0]
        for hook in list(self._pre_hooks.values()) if self._pre_hooks else ():
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{type(self).__name__}.step(): a pre-hook must return None or a tuple of (new_args, "
                        f"new_kwargs), but got {changed!r}"
                    )
                args, kwargs = changed
        if self._opt_called is False:
            self._opt_called = True
        if self.skip_nonfinite:
            answer = self._loss_of(args[1] if len(args) > 1 else kwargs.get("closure"))
            if self._nonfinite():
                self.skipped_steps += 1
                return answer
            step(self)
        else:
            answer = step(*args, **kwargs)
        for hook in list(self._post_hooks.values()) if self._post_hooks else ():
            hook(self, args, kwargs)
        return answer

    return hooked


class Optimizer:
    """Base of the optimizers: parameters in groups, their state, and a step that changes them.

    params is an iterable of tensors, of (name, tensor) pairs, or of dicts with "params" and options.

    >>> import tinygrad6 as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> groups = [{"params": [layer.weight]}, {"params": [layer.bias], "weight_decay": 0.0}]
    >>> optimizer = torch.optim.AdamW(groups, lr=1e-3)  # what a group does not say is as given here
    >>> [g["weight_decay"] for g in optimizer.param_groups]
    [0.01, 0.0]

    A subclass names its state arrays in `slots` and defines `rule`, which changes one array in place:

    >>> import numpy as np
    >>> class SignSGD(torch.optim.Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, dict(lr=lr))
    ...     def rule(self, p, g, s, t, group, x, y):
    ...         p -= group["lr"] * np.sign(g)
    >>> w = torch.tensor([1.0, -1.0], requires_grad=True)
    >>> optimizer = SignSGD([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -0.9000], requires_grad=True)

    A subclass may also define `step` itself, as in PyTorch.

    Beyond PyTorch: with `optimizer.skip_nonfinite = True` a step whose gradients hold inf or nan changes
    neither parameters nor state, and `optimizer.skipped_steps` counts it.

    >>> optimizer.skip_nonfinite = True
    >>> w.grad[0] = float("nan")
    >>> optimizer.step()
    >>> w, optimizer.skipped_steps
    (tensor([ 0.9000, -0.9000], requires_grad=True), 1)
    """

    slots: tuple[str, ...] = ()
    counters: tuple[str, ...] = ("step",)  # numbers kept per parameter; the first counts steps
    elementwise = True  # or the rule needs whole parameters, one by one
    skip_nonfinite = False  # set it to True, and a step whose gradients hold inf or nan changes nothing
    skipped_steps = 0  # how many steps were left out for that
    limits: dict[str, tuple[str, Callable[[Any], bool]]] = {}  # what options of its own may be, as LIMITS
    _pre_hooks: Any = ()  # here too: optimizers around another one, such as Lookahead, often call no __init__
    _post_hooks: Any = ()
    # whether step was called since there is a scheduler, which sets it to False
    _opt_called: bool | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tell_constructor(cls)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.step)

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._check(dict(defaults))
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}: write [parameter] for a single one"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._no_hooks()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for g in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(g)

    def _no_hooks(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._pre_hooks = OrderedDict()
        self._post_hooks = OrderedDict()
        self._state_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._state_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._load_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._load_post_hooks: OrderedDict[int, Callable] = OrderedDict()

    # ---- groups

    def add_param_group(self, param_group: Group) -> None:
        """Add a group of parameters with options of its own; what it does not say is the default.

        TypeError for anything but tensors in an ordered collection; ValueError for tensors that are not
        leaves or are in a group already, and for options out of range. Nothing is added then.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        if isinstance(group["params"], set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        items = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        names = [item[0] for item in items if isinstance(item, tuple)]
        params = [item[1] if isinstance(item, tuple) else item for item in items]
        if names and len(names) != len(items):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
                )
            if not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        group["params"] = params
        if names:
            group["param_names"] = names
        for name, default in self.defaults.items():
            if group.setdefault(name, default) is required:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
        self._check(group)
        mine = {id(p) for p in params}
        if len(mine) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error",
                stacklevel=3,
            )
        if any(("param_names" in other) != ("param_names" in group) for other in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if names else 'without'} names to the optimizer"
            )
        if not mine.isdisjoint(id(p) for other in self.param_groups for p in other["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def _check(self, group: Group) -> None:
        """Refuse options out of range, before anything is kept."""
        if isinstance(group.get("lr"), Tensor):
            if group["lr"].numel() != 1:
                raise ValueError("Tensor lr must be 1-element")
            if group.get("foreach") and "betas" in group:
                raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        for name, (words, allowed) in {**LIMITS, **self.limits}.items():
            value = group.get(name)
            if value is None and name in group and type(self).__module__.startswith(__package__):
                raise TypeError(f"{type(self).__name__}(): argument '{name}' must be float, not NoneType")
            if value is not None and value is not required and not allowed(number(value)):
                raise ValueError(f"Invalid {words}: {value}")
        if "betas" in group:
            group["betas"] = tuple(number(b) for b in group["betas"])
            if len(group["betas"]) != 2 and type(self).__module__.startswith(__package__):
                raise ValueError(f"betas must be two numbers, got {group['betas']}")
            for i, b in enumerate(group["betas"]):
                if not 0.0 <= b < 1.0:
                    raise ValueError(f"Invalid beta parameter at index {i}: {b}")
        for name in ("capturable", "differentiable"):
            if group.get(name):
                raise NotImplementedError(
                    f"{type(self).__name__}: {name}=True is not supported: leave it out, a step is the same "
                    "without"
                    if name == "capturable"
                    else f"{type(self).__name__}: differentiable=True is not supported: write the update, "
                    "p - lr * p.grad, after backward(create_graph=True)"
                )
        if group.get("fused") and group.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    # ---- the step

    def rule(self, p: Array, g: Array, s: Slots, t: Counters, group: Group, x: Array, y: Array) -> None:
        """Change p in place by its gradient g, which stays as it is; x and y are scratch arrays like p.

        `s` holds the slots, to be changed in place. `t` holds the counters: t["step"] counts from 1, the
        others are as they were after the last step; t["new"] says whether the slots were made for this step.
        """
        raise NotImplementedError

    def after(self, t: Counters, group: Group) -> None:
        """Change counters other than the step, once the rule has been applied."""

    def slots_of(self, group: Group, p: Tensor) -> tuple[str, ...]:
        """The slots that parameter p has with the options of this group, in the order of the state_dict."""
        return self.slots

    def initial(self, name: str, p: Array, group: Group) -> Any:
        """What a slot, or a counter other than the step, starts from."""
        return np.zeros_like(p)

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; `closure`, if given, first computes the loss, returned.

        RuntimeError, with nothing changed, if a gradient's shape or dtype is not its parameter's.
        """
        if type(self).rule is Optimizer.rule:
            raise NotImplementedError(f"{type(self).__name__} defines neither rule nor step")
        loss = self._loss_of(closure)
        work = []
        for group in self.param_groups:
            params = []
            for p in group["params"]:
                grad = p._grad
                if grad is not None:
                    a, g = p.array, grad.array
                    if a.shape != g.shape or (a.dtype is not g.dtype and a.dtype != g.dtype):
                        raise RuntimeError(
                            f"{type(self).__name__}.step(): a gradient of {grad.dtype} and shape "
                            f"{list(grad.shape)} does not match its parameter of {p.dtype} and shape "
                            f"{list(p.shape)}"
                        )
                    params.append(p)
            work.append(params)
        with np.errstate(all="ignore"):
            for i, params in enumerate(work):
                if params:
                    self._step_group(i, params)
        return loss

    def _loss_of(self, closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            return None
        if not callable(closure):
            raise TypeError(f"step(): argument 'closure' must be callable, not {type(closure).__name__}")
        with enable_grad():
            return closure()

    def _nonfinite(self) -> bool:
        """Whether some gradient holds inf or nan."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and not np.isfinite(p.grad.array).all():
                    return True
        return False

    def _check_memory(self, p: Tensor) -> None:
        """RuntimeError for parameters that no step can be written into."""
        if p.array.dtype.kind != "f":
            raise RuntimeError(f"{type(self).__name__}.step(): parameters must be floats, got {p.dtype}")
        if p.array.size and any(s == 0 and n > 1 for s, n in zip(p.array.strides, p.array.shape)):
            raise RuntimeError(
                f"{type(self).__name__}.step(): several elements of a parameter of shape {list(p.shape)} lie "
                "in one place, as after expand(): clone() it"
            )

    def _step_group(self, i: int, params: list[Tensor]) -> None:
        group = self.param_groups[i]
        plan = self._plans.get(i)
        if plan is None or not plan.fits(params, self.slots_of(group, params[0]), self.state):
            once = list(dict.fromkeys(params))
            if len(once) != len(params):  # what is there twice steps twice
                again = [p for j, p in enumerate(params) if any(p is q for q in params[:j])]
                self._step_group(i, once)
                return self._step_group(i, again)
            for p in params:
                self._check_memory(p)
            plan = self._plans[i] = Plan(self, group, params)
        if isinstance(group.get("lr"), Tensor) or isinstance(group.get("weight_decay"), Tensor):
            group = {k: number(v) for k, v in group.items()}
        for unit in plan.units:
            unit.step(self, group)

    def prepare(self, p: Tensor, group: Group) -> bool:
        """Make what is missing of p's state; whether slots were made."""
        slots, new = self.slots_of(group, p), False
        if not slots and not self.counters:
            return False
        s = self.state[p]
        for name in self.counters:
            if name not in s:
                kind = np.float64 if default_float() == np.float64 else np.float32  # as PyTorch's counters
                s[name] = wrap(np.array(0 if name == "step" else self.initial(name, p.array, group), kind))
        for name in slots:
            if s.get(name) is None:
                s[name], new = wrap(self.initial(name, p.array, group)), True
        return new

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p.grad is not None:
                    with no_grad():
                        p.grad.detach_().zero_()

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {name: tensor}}, "param_groups": [{option: value, "params": [numbers]}]}.

        The tensors are the optimizer's own, which the next step changes: deepcopy it to keep it.
        """
        for hook in self._state_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups, start = [], 0
        for group in self.param_groups:
            numbers.update((id(p), i) for i, p in enumerate(group["params"], start))
            start += len(group["params"])
            packed = {k: v for k, v in group.items() if k != "params"}
            groups.append({**packed, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers.get(id(p), p): s for p, s in self.state.items()}
        answer: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._state_post_hooks.values():
            changed = hook(self, answer)
            answer = answer if changed is None else changed
        return answer

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict; its tensors are copied, in their parameter's dtype.

        ValueError, with nothing changed, if its groups or the shapes in it do not match, or an option is out
        of range.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(f"load_state_dict(): expected a dict, got {type(state_dict).__name__}")
        state_dict = state_dict.copy()
        for hook in self._load_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved, groups = state_dict["param_groups"], self.param_groups
        if len(saved) != len(groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(saved, groups)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group"
            )
        by_number = {n: p for a, b in zip(saved, groups) for n, p in zip(a["params"], b["params"])}
        new_groups = []
        for a, b in zip(saved, groups):
            group = {**copy.deepcopy({k: v for k, v in a.items() if k != "params"}), "params": b["params"]}
            if "param_names" in b:
                group.setdefault("param_names", b["param_names"])
            for name, default in self.defaults.items():
                group.setdefault(name, default)
            self._check(group)
            new_groups.append(group)
        fresh: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        for n, entries in state_dict["state"].items():
            if n in by_number:
                p = by_number[n]
                fresh[p] = {k: self._loaded(k, v, p) for k, v in entries.items()}
            else:
                fresh[n] = entries
        for group in new_groups:
            for p in group["params"]:
                self._check_shapes(p, fresh.get(p, {}), group)
        self.state, self.param_groups, self._plans = fresh, new_groups, {}
        for hook in self._load_post_hooks.values():
            hook(self)

    def _loaded(self, key: str, value: Any, p: Tensor) -> Any:
        if key in self.counters:
            array = value.array if isinstance(value, Tensor) else np.array(value, np.float32)
            return wrap(np.array(array))
        if isinstance(value, Tensor):
            return wrap(np.array(value.array, p.array.dtype if p.array.dtype.kind == "f" else None))
        if isinstance(value, (list, tuple)):
            return type(value)(self._loaded("", v, p) for v in value)
        return copy.deepcopy(value)

    def _check_shapes(self, p: Tensor, s: dict[str, Any], group: Group) -> None:
        for name in self.slots_of(group, p):
            want = self.initial(name, p.array, group).shape
            if s.get(name) is not None and tuple(s[name].shape) != want:
                raise ValueError(
                    f"loaded state dict has {name} of shape {list(s[name].shape)} for a parameter of shape "
                    f"{list(p.shape)}"
                )

    def __getstate__(self) -> dict[str, Any]:
        kept = ("skip_nonfinite", "skipped_steps")
        state = {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}
        return {**state, **{name: self.__dict__[name] for name in kept if name in self.__dict__}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._no_hooks()

    # ---- hooks, repr

    @staticmethod
    def _register(
        hooks: OrderedDict[int, Callable], hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before each step; it may return new (args, kwargs).

        args begin with the optimizer itself.
        """
        return self._register(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after each step."""
        return self._register(self._post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) before state_dict."""
        return self._register(self._state_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) at the end of state_dict; a result replaces it."""
        return self._register(self._state_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before loading, with a shallow copy; a result replaces it."""
        return self._register(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) after loading."""
        return self._register(self._load_post_hooks, hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"


def number(value: Any) -> Any:
    """The number in a one-element tensor; anything else as it is."""
    return value.item() if isinstance(value, Tensor) else value


def decayed(p: Array, g: Array, group: Group, x: Array) -> Array:
    """g + weight_decay p, with g negated first if maximizing: L2 regularization. g itself, or in x."""
    if group["weight_decay"]:
        np.multiply(p, p.dtype.type(group["weight_decay"]), x)
        return np.subtract(x, g, x) if group["maximize"] else np.add(x, g, x)
    return np.negative(g, x) if group["maximize"] else g


def lerp(m: Array, g: Array, weight: float, y: Array) -> None:
    """m += weight (g - m), from the nearer end, so that weight 1 gives g itself. y is scratch."""
    np.subtract(g, m, y)
    if weight < 0.5:
        m += np.multiply(y, m.dtype.type(weight), y)
    else:
        np.subtract(g, np.multiply(y, m.dtype.type(1 - weight), y), m)


def add_square(v: Array, g: Array, weight: float, y: Array) -> None:
    """v += weight g^2, without squaring g itself, which may overflow where the sum does not. y is scratch."""
    np.multiply(g, v.dtype.type(weight), y)
    v += np.multiply(y, g, y)


__all__ = ["Optimizer", "ParamsT", "add_square", "decayed", "lerp", "number", "required"]
