"""The state of a module tree by name: state_dict and load_state_dict, a base class of Module.

Loading plans, then acts: every module of the tree says what it would copy and what is wrong, and only when
nothing is wrong anywhere are the copies made. So a load_state_dict that raises has changed nothing, and it
names all problems.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinygrad6.modes import no_grad
from tinygrad6.tensor import Tensor

from .parameter import Parameter, is_lazy

_EXTRA = "_extra_state"


class _IncompatibleKeys(tuple):
    """What load_state_dict found: `missing_keys` and `unexpected_keys`."""

    def __new__(cls, missing_keys: list, unexpected_keys: list) -> Any:
        return super().__new__(cls, (missing_keys, unexpected_keys))

    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])

    def __repr__(self) -> str:
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"


class Stateful:
    """What Module knows about saving and loading."""

    _version = 1
    _names: dict[str, dict]
    _hooks: dict[str, dict] | None

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        """This module's own parameters, then its persistent buffers, by name;
        those that are None left out."""
        own = self.__dict__
        for name in self._names["parameters"]:
            if own[name] is not None:
                yield name, own[name]
        for name, persistent in self._names["buffers"].items():
            if own[name] is not None and persistent:
                yield name, own[name]

    def _overrides(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(Stateful, name)

    # ---- saving

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        for name, t in self._own_state():
            destination[prefix + name] = t if keep_vars or is_lazy(t) else t.detach()
        if self._overrides("get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, sharing memory with the module."""
        if args:  # PyTorch's old calling convention: destination, prefix, keep_vars
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            return self.state_dict(
                **{"destination": destination, "prefix": prefix, "keep_vars": keep_vars, **given}
            )
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in (self._hooks or {}).get("_state_dict_pre_hooks", {}).values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name in self._names["modules"]:
            if (child := self.__dict__[name]) is not None:
                child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in (self._hooks or {}).get("_state_dict_hooks", {}).values():
            answer = hook(self, destination, prefix, metadata)
            destination = destination if answer is None else answer
        return destination

    def get_extra_state(self) -> Any:
        """More to keep in the state_dict: define this and set_extra_state together."""
        raise RuntimeError("get_extra_state() is called only where a subclass defines it.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise RuntimeError("set_extra_state() is called only where a subclass defines it.")

    # ---- loading

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        """Plan this module's own entries (copy them at once if called from elsewhere);
        subclasses may extend it."""
        told = (state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        for hook in (self._hooks or {}).get("_load_state_dict_pre_hooks", {}).values():
            hook.tell(self, *told)
        plan: list[Callable[[], None]] = local_metadata.get("_plan", [])
        assign = local_metadata.get("assign_to_params_buffers", False)
        known = {_EXTRA}
        for name, have in list(self._own_state()):
            known.add(name)
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            given = state_dict[key]
            if problem := _mismatch(key, have, given, assign):
                error_msgs.append(problem)
            elif not (is_lazy(given) and is_lazy(have)):
                plan.append(_store(self, name, have, given, assign))
        if self._overrides("set_extra_state"):
            if prefix + _EXTRA in state_dict:
                extra = state_dict[prefix + _EXTRA]
                plan.append(lambda: self.set_extra_state(extra))
            elif strict:
                missing_keys.append(prefix + _EXTRA)
        elif strict and prefix + _EXTRA in state_dict:
            unexpected_keys.append(prefix + _EXTRA)
        if strict:
            for key in state_dict:
                first, _, rest = key.removeprefix(prefix).partition(".")
                if key.startswith(prefix) and first not in (self._names["modules"] if rest else known):
                    unexpected_keys.append(key)
        if "_plan" not in local_metadata and not error_msgs:
            for act in plan:
                act()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy a state_dict into this module (or take its tensors, if assign);
        returns (missing_keys, unexpected_keys).

        RuntimeError that names every missing, unexpected and misshapen key; the module is then as it was.
        Without `strict`, missing and unexpected keys are only reported.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        errors: list[str] = []
        result = _IncompatibleKeys([], [])
        plan: list[Callable[[], None]] = []
        after: list[
            tuple[Callable[..., Any], Any]
        ] = []  # hooks to be called when all is done, children first
        metadata = getattr(state_dict, "_metadata", {})

        def visit(module: Any, state: Any, prefix: str) -> None:
            local = {**metadata.get(prefix[:-1], {}), "_plan": plan}
            if assign:
                local["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, local, True, *result, errors)
            # by child; sorted once, or deep models take quadratic time
            shares: dict[str, dict[str, Any]] = {}
            for key, value in state.items():
                head, dot, _ = key[len(prefix) :].partition(".")
                if dot:
                    shares.setdefault(head, {})[key] = value
            for name in module._names["modules"]:
                if (child := module.__dict__[name]) is not None:
                    visit(child, shares.get(name, {}), f"{prefix}{name}.")
            after.extend(
                (hook, module)
                for hook in (module._hooks or {}).get("_load_state_dict_post_hooks", {}).values()
            )

        def finish() -> None:
            for hook, module in after:
                if hook(module, result) is not None:
                    raise RuntimeError(
                        "hooks registered with register_load_state_dict_post_hook must change the keys in "
                        "place and return None"
                    )
            after.clear()

        visit(self, OrderedDict(state_dict), "")
        if errors or strict and any(result):
            finish()  # a hook may forgive missing keys
        if strict:
            for keys, what in zip(reversed(result), ("Unexpected", "Missing"), strict=True):
                if keys:
                    errors.insert(
                        0,
                        f"{what} key(s) in state_dict: {', '.join(f'{chr(34)}{k}{chr(34)}' for k in keys)}. ",
                    )
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors)
            )
        for act in plan:
            act()
        finish()
        return result


def _mismatch(key: str, have: Tensor, given: Any, assign: bool) -> str | None:
    """What stands against copying `given` into `have`, or None."""
    if not isinstance(given, Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
            f"checkpoint but received {type(given)}"
        )
    if assign and have.requires_grad and not given.is_floating_point():
        return (
            f'While copying the parameter named "{key}", whose dtype in the model is {have.dtype} and whose '
            f"dtype in the checkpoint is {given.dtype}, an exception occurred : only tensors of floating "
            "point dtype can require gradients."
        )
    if is_lazy(have):
        return None
    if is_lazy(given):
        return f"{key} has no shape yet in the checkpoint, the shape in current model is {have.shape}."
    if given.array.shape == have.array.shape or given.ndim == 1 == given.numel() and have.ndim == 0:
        return None
    return (
        f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in "
        f"current model is {have.shape}."
    )


def _store(module: Any, name: str, have: Any, given: Tensor, assign: bool) -> Callable[[], None]:
    """The action that puts `given` in the place of the parameter or buffer `have`, or its values into it."""

    def act() -> None:
        if is_lazy(have):
            have.materialize(given.array.shape)
        if not assign:
            with no_grad():
                have.copy_(given.reshape(have.shape))
            return
        value = given if given.array.shape == have.array.shape else given.reshape(have.shape)
        if not isinstance(have, Parameter):
            module.__dict__[name] = value
        elif isinstance(value, Parameter):
            module.__dict__[name] = value.requires_grad_(have.requires_grad)
        else:
            module.__dict__[name] = Parameter(value, have.requires_grad)

    return act
