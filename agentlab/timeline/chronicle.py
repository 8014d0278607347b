"""The chronicle: a journal as it grows, sorted by message copy, so that any part of it is found at once.

A live timeline shows a window of a journal that may hold a million events. The chronicle takes each event once,
and keeps a row of numbers for each message copy (from when to when, from where to where, how it ended): which
copies are in a window is then one comparison of columns. Read next: `agentlab.timeline.choosing`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from agentlab.core.garbage import collect_later
from agentlab.core.journal import ARRIVED, LEFT, PROCESS, RECEIVED, RESPONSE, SENT, STARTED, JournalEvent

from .causality import Links
from .lanes import Homes
from .outcomes import OPEN, OUTCOMES, outcome_of
from .shapes import OUTSIDE

Copy: TypeAlias = tuple[str, str, str]
"""What names a message copy: message id, kind, recipient."""
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

EVER: Final = 2**62
"""The end of a copy to which something will still happen."""
NOWHERE: Final = -1
NO_LATENCY: Final = -1
KINDS: Final = ("request", "response", "event")
_OUTCOME_NUMBERS: Final = {outcome: number for number, outcome in enumerate(OUTCOMES)}


class Row(NamedTuple):
    """A row says about one message copy what windows, densities and latencies are made of."""

    start_ns: int
    end_ns: int
    """`EVER` while something will still happen to it."""
    start_clock: int
    """Lamport's clock of its first event."""
    end_clock: int
    latency_ns: int
    """From sent (or, of a copy that the host made, left) to received; `NO_LATENCY` when one of them is missing."""
    kind: int
    """Place in `KINDS`."""
    outcome: int
    """Place in `OUTCOMES`."""
    from_process: int
    """Place in `Chronicle.processes`, or `NOWHERE`."""
    to_process: int
    from_agent: int
    """Place in `Chronicle.agents`."""
    to_agent: int


class Columns:
    """The rows of all copies, by column."""

    def __init__(self, table: Numbers) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getattr__(self, name: str) -> Numbers:
        try:
            return self._table[:, Row._fields.index(name)]
        except ValueError:
            raise AttributeError(name) from None


class Chronicle:
    """A chronicle is a growing journal by message copy. It is written and read by one thread."""

    def __init__(self, events: Iterable[JournalEvent] = ()) -> None:
        self.copies: list[list[JournalEvent]] = []
        """The events of each copy, in the order of the journal. A copy's place here is its number."""
        self.of_message: dict[str, list[int]] = {}
        """The numbers of the copies of each message id: a request and its responses, or a published message."""
        self.causes: dict[str, str] = {}
        """For each message id the id of the message that was being handled when it was sent."""
        self.effects: dict[str, list[str]] = {}
        """For each message id those that were sent while it was handled."""
        self.process_events: list[JournalEvent] = []
        self.processes: dict[str, int] = {}
        """Names and numbers of the processes, by first appearance."""
        self.agents: dict[str, int] = {}
        self.homes = Homes(())
        self.events = 0
        self.first_ns = 0
        self.last_ns = 0
        self.last_clock = 0
        self._numbers: dict[Copy, int] = {}
        self._touched: set[int] = set()
        self._flat = array("q")
        self._columns = Columns(np.empty((0, len(Row._fields)), np.int64))
        self.extend(events)

    def number(self, copy: Copy) -> int | None:
        """The number of a copy; None for one that is not there."""
        return self._numbers.get(copy)

    @property
    def links(self) -> Links:
        """What led to what."""
        return Links(self.causes, self.effects, self._sent_ns, self._reply_ns)

    def _sent_ns(self, message_id: str) -> int:
        numbers = self.of_message.get(message_id)
        return min(event.time_ns for event in self.copies[numbers[0]]) if numbers else 0

    def _reply_ns(self, message_id: str) -> tuple[int, int] | None:
        for number in self.of_message.get(message_id, ()):
            steps = self.copies[number]
            if steps[0].kind == RESPONSE:
                came = [event.time_ns for event in steps if event.what == RECEIVED]
                return min(event.time_ns for event in steps), min(came, default=EVER)
        return None

    @collect_later()
    def extend(self, events: Iterable[JournalEvent]) -> None:
        """Take further events, in the order of the journal."""
        numbers, copies, touched = self._numbers, self.copies, self._touched
        learn, processes = self.homes.add, self.processes
        count, last_clock, times = 0, self.last_clock, []
        for event in events:
            count += 1
            times.append(event.time_ns)
            if event.lamport > last_clock:
                last_clock = event.lamport
            learn(event)
            if event.process not in processes:
                processes[event.process] = len(processes)
            if event.what in (ARRIVED, LEFT) and event.detail not in processes:
                processes[event.detail] = len(processes)
            if event.kind == PROCESS:
                self.process_events.append(event)
                continue
            name = (event.message_id, event.kind, event.recipient)
            number = numbers.get(name)
            if number is None:
                number = numbers[name] = len(copies)
                copies.append([event])
                self._begin(number, event)
            else:
                copies[number].append(event)
            touched.add(number)
        if count:
            self.first_ns = min([*times, self.first_ns] if self.events else times)
            self.last_ns = max(self.last_ns, *times) if self.events else max(times)
            self.last_clock = last_clock
            self.events += count

    def _begin(self, number: int, event: JournalEvent) -> None:
        self.of_message.setdefault(event.message_id, []).append(number)
        cause = event.cause
        if cause and cause != event.message_id and event.message_id not in self.causes:
            self.causes[event.message_id] = cause
            self.effects.setdefault(cause, []).append(event.message_id)

    @collect_later()
    def refresh(self) -> list[int]:
        """Bring `columns` up to date; returns the numbers of the copies that are new or had further events."""
        touched = sorted(self._touched)
        if not touched:
            return touched
        self._touched.clear()
        flat, width = self._flat, len(Row._fields)
        for number in touched:
            row = array("q", self._row(self.copies[number]))
            at = number * width
            flat[at : at + width] = row
        self._columns = Columns(np.array(flat, np.int64).reshape(-1, width))
        return touched

    @property
    def columns(self) -> Columns:
        """The rows of all copies, as of the last `refresh`."""
        return self._columns

    def _row(self, steps: list[JournalEvent]) -> Row:
        first = steps[0]
        start = end = first.time_ns
        low = high = first.lamport
        sent = received = 0
        source = target = ""
        for event in steps:
            what, time = event.what, event.time_ns
            if time < start:
                start = time
            elif time > end:
                end = time
            if event.lamport < low:
                low = event.lamport
            elif event.lamport > high:
                high = event.lamport
            if what == SENT:
                sent, source = time, event.process
            elif what == ARRIVED:
                source = source or event.detail
            elif what == LEFT:
                sent, target = sent or time, event.detail
            elif what in (RECEIVED, STARTED) and not received:
                received, target = time, event.process
        outcome = outcome_of(steps)
        silent = target and not received and target not in self.homes.reporting
        return Row(
            start,
            EVER if outcome in OPEN and not silent else end,
            low,
            EVER if outcome in OPEN and not silent else high,
            max(0, received - sent) if sent and received else NO_LATENCY,
            KINDS.index(first.kind) if first.kind in KINDS else len(KINDS),
            _OUTCOME_NUMBERS[outcome],
            self.processes.get(source or self.homes.of_agent(first.sender), NOWHERE),
            self.processes.get(target or self.homes.of_recipient(first), NOWHERE),
            self._agent(first.sender or OUTSIDE),
            self._agent(first.recipient or (OUTSIDE if not first.topic else "")),
        )

    def _agent(self, name: str) -> int:
        return self.agents.setdefault(name, len(self.agents)) if name else NOWHERE


def first_and_last(chronicle: Chronicle) -> Sequence[JournalEvent]:
    """The earliest and the latest event of any message."""
    if not chronicle.copies:
        return ()
    columns = chronicle.columns
    first = chronicle.copies[int(columns.start_ns.argmin())]
    latest = max(chronicle.copies[-200:], key=lambda steps: max(event.time_ns for event in steps))
    return (min(first, key=lambda event: event.time_ns), max(latest, key=lambda event: event.time_ns))
