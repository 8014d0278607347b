"""How a sender says that it no longer waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

F = TypeVar("F", bound="asyncio.Future[Any]")


_LOCK: Final = threading.Lock()
"""One for all tokens, of which there is one for every message: it is held for a moment."""


class CancellationToken:
    """A cancellation token: a flag that one side sets and the other side watches.

    It may be cancelled from any thread, once; further calls do nothing.
    """

    __slots__ = ("__weakref__", "_callbacks", "_cancelled")

    def __init__(self) -> None:
        self._cancelled = False
        self._callbacks: dict[object, Callable[[], None]] | None = None

    def cancel(self) -> None:
        """Set the flag, cancel every linked future and run every callback; raise the first of what they raised."""
        with _LOCK:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks or {}, None
        problems: list[Exception] = []
        for callback in callbacks.values():
            try:
                callback()
            except Exception as error:
                problems.append(error)  # the others run all the same: a sender may wait for them
        if problems:
            raise problems[0]

    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Run `callback` when the token is cancelled: at once, when it is already."""
        self.watch(object(), callback)

    def link_future(self, future: F) -> F:
        """Cancel `future` when the token is cancelled; return it. A future that is done is let go."""
        loop = future.get_loop()

        def cancel() -> None:
            try:
                here = asyncio.get_running_loop()
            except RuntimeError:
                here = None
            if here is loop or not loop.is_running():
                future.cancel()
            else:
                loop.call_soon_threadsafe(future.cancel)

        self.watch(future, cancel)
        if not self._cancelled:
            future.add_done_callback(self.forget)
        return future

    def watch(self, key: object, callback: Callable[[], None]) -> None:
        """Like `add_callback`, but `forget(key)` takes it back: for what outlives one message."""
        with _LOCK:
            if not self._cancelled:
                if self._callbacks is None:
                    self._callbacks = {}
                self._callbacks[key] = callback
                return
        callback()

    def forget(self, key: object) -> None:
        """Take back the callback that was added under `key`, if it is still there."""
        with _LOCK:
            if self._callbacks is not None:
                self._callbacks.pop(key, None)

    def __repr__(self) -> str:
        return f"<CancellationToken {'cancelled' if self._cancelled else 'not cancelled'}>"


def is_being_cancelled() -> bool:
    """Whether it is the current task that is being cancelled. If not, a CancelledError comes from something that the
    task waited for, and says nothing about the task itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
