"""What feeds a live timeline: a lab or a journal, which grow, or a run, which does not.

Read next: `agentlab.panels.timeline_canvas`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Final, Protocol, TypeAlias

from ..core.journal import Journal, JournalEvent
from ..core.run import Run
from ..lab.errors import LabError

PERIOD_S: Final = 0.1
"""How often a source is looked at: twice for each frame."""


class Source(Protocol):
    """What can be followed live: a lab."""

    @property
    def state(self) -> str:
        """``running``, ``stopped``…"""
        ...

    def events(self, after: int = 0) -> AsyncGenerator[JournalEvent, None]:
        """The events as they happen, until it is stopped."""
        ...


Take: TypeAlias = Callable[[list[JournalEvent]], None]


def is_live(source: object) -> bool:
    """Whether more events may come."""
    return isinstance(source, Journal) or (hasattr(source, "state") and callable(getattr(source, "events", None)))


def lanes_of(source: object) -> tuple[str, ...]:
    """The lanes in the order they should be drawn, as far as the source says."""
    if isinstance(source, Run):
        return tuple(source.lanes)
    return tuple(getattr(source, "workers", ()))


async def feed(source: Any, take: Take, missed: Callable[[int], None]) -> None:
    """Hand over the events of a source as they come, until it ends; `missed` is told how many were let go before."""
    if isinstance(source, Journal):
        await _feed_journal(source, take, missed)
    elif is_live(source):
        await _feed_live(source, take, missed)
    else:
        events: Iterable[JournalEvent] = source
        if isinstance(source, Run):
            missed(source.let_go)
        take(list(events))


async def _feed_live(source: Source, take: Take, missed: Callable[[int], None]) -> None:
    """A lab is stopped in steps; its last events are there when it says that it is stopped."""
    after = 0
    while True:
        was_ended = source.state == "stopped"
        batch: list[JournalEvent] = []
        try:
            async with contextlib.aclosing(source.events(after)) as stream:
                async for event in stream:
                    if event.seq > after + 1:
                        missed(event.seq - after - 1)
                    after = event.seq
                    batch.append(event)
                    if len(batch) == 1:  # what there is comes without a wait: then all of it is handed over
                        asyncio.get_running_loop().call_soon(_hand_over, batch, take)
        except (RuntimeError, LabError, TimeoutError, concurrent.futures.CancelledError):
            pass  # it was stopped while it was read: what is missing is read again
        _hand_over(batch, take)
        if was_ended:
            return
        await asyncio.sleep(PERIOD_S)


def _hand_over(batch: list[JournalEvent], take: Take) -> None:
    if batch:
        events = list(batch)
        batch.clear()
        take(events)


async def _feed_journal(journal: Journal, take: Take, missed: Callable[[int], None]) -> None:
    after = 0
    while True:
        try:
            events = journal.after(after)
        except RuntimeError:  # it was written to meanwhile, in another thread
            events = []
        if events:
            if events[0].seq > after + 1:
                missed(events[0].seq - after - 1)
            after = events[-1].seq
            take(events)
        await asyncio.sleep(PERIOD_S)
