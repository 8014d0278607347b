"""A function inside an agent."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .delegate import Conversation, Listener
from .threads import in_thread


@dataclass(frozen=True)
class Function:
    """A plain or async function of one argument, the message; for an `Assistant`, that is the text.

    A plain function may block: it runs in a thread, one call at a time for each agent. A callable object, or a bound
    method's object, may keep a state: then `save_state()` and `load_state(state)` of it are used, if it has them.
    """

    call: Callable[[Any], Any]

    def begin(self, key: str) -> Conversation:
        """A function remembers nothing itself."""
        return _Calls(self.call)

    def __str__(self) -> str:
        call = self.call.func if isinstance(self.call, functools.partial) else self.call
        return f"the function {getattr(call, '__qualname__', type(call).__name__)}"


class _Calls:
    """The calls of one agent."""

    kind = "function"

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call
        self._is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)
        self._keeper = getattr(call, "__self__", call)
        # A call that nobody waits for any more still runs; the next one must not meet it.
        self._lock = threading.Lock()

    async def answer(self, message: Any, text: str, listen: Listener | None) -> Any:
        """What the function returns."""
        if self._is_async:
            return await self._call(message)
        result = await in_thread(functools.partial(self._call, message), self._lock)
        return await result if inspect.isawaitable(result) else result

    async def save(self) -> dict[str, Any]:
        """What the object whose method it is keeps; empty for one that keeps nothing."""
        save = getattr(self._keeper, "save_state", None)
        return dict(save()) if save is not None else {}

    async def load(self, state: Mapping[str, Any]) -> None:
        """Let the object take it on. An object that keeps nothing ignores it."""
        load = getattr(self._keeper, "load_state", None)
        if load is not None and state:
            load(state)
