"""Slow: takes as long as it is told to.

Try: send `Work(seconds=3)` with a deadline of one second: the sender gets a `DeadlineExceededError`, and the worker is
told that nobody waits any more, so that it stops. Kill its worker meanwhile. Send `Work(1, blocking=True)` and, at
once, a text to an `Echo` on the same worker: the echo waits, because a handler that blocks keeps the whole process
busy.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, rpc


@dataclass
class Work:
    """Asks for work of so many seconds; blocking work does not let anything else run meanwhile."""

    seconds: float = 1.0
    blocking: bool = False


@dataclass
class Done:
    """The work is done, and took so many seconds."""

    seconds: float


class Slow(RoutedAgent):
    """A slow agent: works, and stops when nobody wants the result any more."""

    def __init__(self) -> None:
        super().__init__("takes its time")

    @rpc
    async def on_work(self, message: Work, ctx: MessageContext) -> Done:
        start_s = time.monotonic()
        if message.blocking:
            time.sleep(message.seconds)  # noqa: ASYNC251 - it is what is to be seen
        else:
            work = asyncio.ensure_future(asyncio.sleep(message.seconds))
            await ctx.cancellation_token.link_future(work)
        return Done(time.monotonic() - start_s)
