"""Waiting until a lab has nothing left to do, as `stop_when_idle` does for the standalone runtime."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from ..core.journal import LEFT, REQUEST, JournalEvent
from ..exports.copies import IN_FLIGHT, MessageCopy, message_copies
from .errors import LabError

PERIOD_S: Final = 0.05
"""How often the journal is looked at: as often as the host tells of new events."""


def under_way(events: Iterable[JournalEvent], silent: Collection[str] = ()) -> list[MessageCopy]:
    """The message copies of which the journal does not tell an end so far, oldest first.

    `silent` are the workers that report nothing: what left for one of them has gone as far as anybody can tell, unless
    it is a request, which its reply ends.
    """

    def is_over(copy: MessageCopy) -> bool:
        return copy.outcome != IN_FLIGHT or (copy.kind != REQUEST and LEFT in copy.steps and copy.to_process in silent)

    return [copy for copy in message_copies(events) if not is_over(copy)]


async def when_idle(
    read: Callable[[], Iterable[JournalEvent]], silent: Callable[[], Collection[str]], limit_s: float
) -> None:
    """Read the journal again and again until no message is under way. Raises LabError after `limit_s` seconds."""
    end_s = time.monotonic() + limit_s
    while waiting := under_way(await asyncio.to_thread(read), silent()):
        if time.monotonic() > end_s:
            first = waiting[0]
            where = first.recipient or first.topic or first.to_process or "the sender"
            more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            raise LabError(
                f"After {limit_s:g} s there is still a message under way: the {first.kind} {first.type} to "
                f"{where}{more}. Is a worker paused, or a handler still running? See lab.processes and lab.sessions()."
            )
        await asyncio.sleep(PERIOD_S)
