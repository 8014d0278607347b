"""Work whose first step is done at once. Read next: `agentlab.core.handling`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Begun:
    """Begun work: `begin` did its first step; whoever awaits it does the rest, and is told if the first step failed."""

    __slots__ = ("_error", "_waits_for", "_work")

    def __init__(
        self, work: Coroutine[Any, Any, None], waits_for: Any, error: Exception | asyncio.CancelledError | None = None
    ) -> None:
        self._work = work
        self._waits_for = waits_for
        self._error = error

    def give_up(self) -> None:
        """Cancel what the work waits for; nobody does the rest."""
        waits_for, self._waits_for = self._waits_for, None
        if isinstance(waits_for, asyncio.Future):
            waits_for.cancel()  # also one that is done: asyncio then does not log that nobody asked for its exception
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        if self._error is not None:
            raise self._error
        waits_for = self._waits_for
        while True:
            try:
                try:
                    yield waits_for
                except GeneratorExit:
                    self._work.close()
                    raise
                except BaseException as error:
                    waits_for = self._work.throw(error)
                else:
                    waits_for = self._work.send(None)
            except StopIteration:
                return


def begin(work: Coroutine[Any, Any, None]) -> Begun | None:
    """Do the first step of `work`, up to its first wait; None when it ended without one. (From Python 3.12 on, an
    eager task does the like.)"""
    try:
        return Begun(work, work.send(None))
    except StopIteration:
        return None
    except (Exception, asyncio.CancelledError) as error:  # the latter is what a call that was cancelled says
        return Begun(work, None, error)
