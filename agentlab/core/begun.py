"""Work whose first step is done at once. Read next: `agentlab.core.handling`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Begun:
    """Begun work: its first step, up to the first wait, is done when this is made; whoever awaits it does the rest, and
    is told if the first step failed. (From Python 3.12 on, an eager task does the like.)"""

    __slots__ = ("_error", "_waits_for", "_work", "ended")

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self._waits_for: Any = None
        self.ended = False
        """Whether it ended without a wait, and without an error."""
        self._error: Exception | asyncio.CancelledError | None = None
        try:
            self._waits_for = work.send(None)
        except StopIteration:
            self.ended = True
        except (Exception, asyncio.CancelledError) as error:  # the latter is what a call that was cancelled says
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
        while not self.ended:
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
                self.ended = True
