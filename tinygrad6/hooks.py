"""Handles by which hooks are removed again."""

from __future__ import annotations

import itertools
from typing import Any

_next_id = itertools.count().__next__


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away; so does leaving a `with` block."""

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = _next_id()
        more = extra_dict if isinstance(extra_dict, list) else [] if extra_dict is None else [extra_dict]
        self._dicts = [hooks_dict, *more]  # the latter say more about the same hooks

    def remove(self) -> None:
        """Take the hook away; nothing happens if it is gone already."""
        for hooks in self._dicts:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
