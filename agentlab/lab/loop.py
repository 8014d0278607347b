"""The lab's own event loop, in a thread of its own.

All gRPC work of a notebook happens on it, so a cell that blocks stops neither the messages nor the picture.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from .errors import LabError

T = TypeVar("T")


LOOK_S: Final = 0.2
"""How often a waiting caller looks whether the loop is still there."""


class LoopThread:
    """A loop thread: runs coroutines for callers on any other loop or thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="agentlab-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive() and not self._loop.is_closed()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` there and await it here; cancelling this cancels it there. Raises LabError after `close`."""
        if not self.alive:
            work.close()
            raise LabError("The lab is stopped. Start another: lab = await Lab.start(workers=3)")
        if threading.current_thread() is self._thread:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def run_sync(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run `work` there and wait for it here, at most `timeout_s` seconds.

        Raises LabError after `close`, TimeoutError, RuntimeError when called on the loop itself.
        """
        if not self.alive:
            work.close()
            raise LabError("The lab is stopped. Start another: lab = await Lab.start(workers=3)")
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("This would wait for itself: it was called on the lab's own event loop.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        limit_s = time.monotonic() + timeout_s
        while True:
            try:
                return future.result(min(LOOK_S, timeout_s))
            except TimeoutError:
                if future.done():
                    raise  # the work's own
                if not self.alive:  # it was closed in between, and will never come to this
                    raise LabError("The lab was stopped meanwhile.") from None
                if time.monotonic() > limit_s:
                    future.cancel()
                    raise

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function there and wait for it; after `close`, here."""
        if not self.alive or threading.current_thread() is self._thread:
            return function()

        async def work() -> T:
            return function()

        return self.run_sync(work(), timeout_s=30)

    def close(self) -> None:
        """Stop the loop and end the thread. Doing it twice does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        """As `asyncio.run` does: what still runs is cancelled, and may clean up."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
