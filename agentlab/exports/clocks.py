"""Vector clocks, computed from a journal: for each event, how much of every process it can have known of.

After C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering" (1988). A Lamport clock,
which the journal has, orders a cause before its effect; a vector clock also tells which events have nothing to do
with each other. Read next: `agentlab.exports.shiviz`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from typing import Final

from ..core.journal import ARRIVED, LEFT, PROCESS, RECEIVED, RESPONSE, SENT, JournalEvent
from ..core.standalone import PROCESS as STANDALONE

OUTSIDE: Final = "outside"
"""The lane of what no agent did, where lanes are agents."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with its vector clock."""

    event: JournalEvent
    lane: str
    """Where it happened: a process, or an agent when there is only the standalone runtime's process."""
    clock: Mapping[str, int]
    """Of each lane, the number of its latest event that this one can have known of; lanes with none are left out."""

    def is_before(self, other: Stamped) -> bool:
        """Whether this event happened before the other, and so can have had a part in causing it."""
        return self is not other and self.clock[self.lane] <= other.clock.get(self.lane, 0)


def vector_clocks(source: Iterable[JournalEvent]) -> list[Stamped]:
    """Stamp the events of a run, a journal or any events, and return them in an order that no cause violates: by time,
    where that is one.

    What happened in one process is ordered by its Lamport clock; a message is received after it was sent. Where a
    journal contradicts itself, the order of the process is kept and that of the message is left out.
    """
    events = list(source)
    by_agent = {event.process for event in events} == {STANDALONE}
    lanes: dict[str, list[int]] = {}
    for number, event in enumerate(events):
        lanes.setdefault(_agent(event) if by_agent else event.process, []).append(number)
    queues = {lane: iter(_in_order(events, numbers)) for lane, numbers in lanes.items()}
    sendings = _sendings(events)
    clocks: dict[str, dict[str, int]] = {lane: {} for lane in lanes}
    stamped: dict[int, Stamped] = {}
    ready: list[tuple[int, str, int]] = []
    blocked: dict[int, list[tuple[int, str, int]]] = {}  # by the sending that they wait for

    def line_up(lane: str) -> None:
        number = next(queues[lane], None)
        if number is not None:
            entry = (events[number].time_ns, lane, number)
            sending = sendings.get(number, number)
            if sending == number or sending in stamped:
                heappush(ready, entry)
            else:
                blocked.setdefault(sending, []).append(entry)

    for lane in lanes:
        line_up(lane)
    while ready or blocked:
        if not ready:  # each waits for another: a contradiction
            heappush(ready, min(entry for entries in blocked.values() for entry in entries))
            sending = sendings[ready[0][2]]
            blocked[sending].remove(ready[0])
            blocked = {key: entries for key, entries in blocked.items() if entries}
        _, lane, number = heappop(ready)
        origin = stamped.get(sendings.get(number, number))
        clock = _merged(clocks[lane], origin.clock if origin else {})
        clock[lane] = clocks[lane].get(lane, 0) + 1
        clocks[lane] = clock
        stamped[number] = Stamped(events[number], lane, clock)
        for entry in blocked.pop(number, ()):
            heappush(ready, entry)
        line_up(lane)
    return list(stamped.values())


def _merged(clock: Mapping[str, int], seen: Mapping[str, int]) -> dict[str, int]:
    return {lane: max(clock.get(lane, 0), seen.get(lane, 0)) for lane in {**clock, **seen}}


def _agent(event: JournalEvent) -> str:
    at_sender = event.what == SENT or not (event.recipient or event.kind == RESPONSE)
    return (event.sender if at_sender else event.recipient) or OUTSIDE


def _in_order(events: Sequence[JournalEvent], numbers: Iterable[int]) -> list[int]:
    """One lane's events in the order in which they happened. What happened to the process itself was noted by others,
    so its Lamport time is theirs, and it goes where its time of day puts it."""
    own: list[int] = []
    about: list[int] = []
    for number in numbers:
        (about if events[number].kind == PROCESS else own).append(number)
    own.sort(key=lambda number: (events[number].lamport, number))
    latest = list(accumulate((events[number].time_ns for number in own), max))
    places = [(place, 1, 0, number) for place, number in enumerate(own)]
    for number in about:
        time_ns = events[number].time_ns
        places.append((bisect_right(latest, time_ns), 0, time_ns, number))
    return [number for *_, number in sorted(places)]


def _sendings(events: Sequence[JournalEvent]) -> dict[int, int]:
    """For each receipt of a message, by a process or by the host: where it was sent, both as places in `events`.

    The first of several sendings belongs to the first receipt, and so on.
    """
    departures: dict[tuple[str, ...], list[int]] = {}
    receipts: dict[tuple[str, ...], int] = {}
    for number, event in enumerate(events):
        if event.what == SENT:
            departures.setdefault((SENT, *_name(event), event.process), []).append(number)
            departures.setdefault((SENT, *_name(event)), []).append(number)
        elif event.what == LEFT:
            departures.setdefault((LEFT, *_name(event), event.recipient, event.detail), []).append(number)
    found: dict[int, int] = {}
    for number, event in enumerate(events):
        wanted: tuple[tuple[str, ...], ...] = ()
        if event.what == ARRIVED:
            wanted = ((SENT, *_name(event), event.detail),)
        elif event.what == RECEIVED:
            wanted = ((LEFT, *_name(event), event.recipient, event.process), (SENT, *_name(event)))
        key = next((key for key in wanted if key in departures), None)
        if key:
            nth = receipts[key] = receipts.get(key, 0) + 1
            # one published message is sent once and received by many
            found[number] = departures[key][min(nth, len(departures[key])) - 1]
    return found


def _name(event: JournalEvent) -> tuple[str, str, str, str]:
    """What a message's events have in common. A late reply differs from the deadline's error in nothing but type."""
    return (event.message_id, event.kind, event.sender, event.type)
