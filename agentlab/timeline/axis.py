"""The time axis: where on the timeline an event belongs, and in which unit that place is read.

Everything that turns an event into a place goes through `TimeAxis.at`, so another notion of time (Lamport's
clock, say) is another axis and nothing else. Read next: `agentlab.timeline.shapes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentlab.core.journal import JournalEvent

UNITS: Final = (("µs", 1_000, 1_000_000), ("ms", 1_000_000, 10_000_000_000), ("s", 1_000_000_000, None))
"""Unit, nanoseconds in it, and the length in nanoseconds up to which it is used. Milliseconds are what a
message between processes takes, so they serve from 1 ms to 10 s: below and above, the numbers get long."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A time axis maps events to places: whole ticks (nanoseconds) since the first event."""

    origin: int
    """The tick of the earliest event."""
    length: int
    """Ticks from the earliest event to the latest."""
    unit: str
    """The unit in which places are shown."""
    ticks_per_unit: int
    label: str
    """What to write under the axis."""

    def at(self, event: JournalEvent) -> int:
        """The event's place, in ticks since the origin."""
        return event.time_ns - self.origin

    def shown(self, ticks: int) -> float:
        """A place or a length, in the unit of the axis."""
        return ticks / self.ticks_per_unit


def time_axis(events: Sequence[JournalEvent]) -> TimeAxis:
    """The axis that fits these events. The origin is the earliest time, which need not be the first event's:
    what a worker reports reaches the journal after what the host saw itself."""
    times = [event.time_ns for event in events]
    origin = min(times, default=0)
    length = max(times, default=0) - origin
    unit, ticks = next((unit, ns) for unit, ns, limit in UNITS if limit is None or length < limit)
    return TimeAxis(origin, length, unit, ticks, f"{unit} since the first event")
