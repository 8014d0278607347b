"""The time axis: where on the timeline an event belongs, and in which unit that place is read.

Everything that turns an event into a place goes through `TimeAxis`: `at` gives its time in whole ticks, `place`
where that time is drawn. So Lamport's logical time is another axis and nothing else, and so is a window.
Read next: `agentlab.timeline.folding`, then `agentlab.timeline.shapes`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agentlab.core.journal import JournalEvent

UNITS: Final = (("µs", 1_000, 1_000_000), ("ms", 1_000_000, 10_000_000_000), ("s", 1_000_000_000, None))
"""Unit, nanoseconds in it, and the length in nanoseconds up to which it is used. Milliseconds are what a
message between processes takes, so they serve from 1 ms to 10 s: below and above, the numbers get long."""


LOGICAL_LABEL: Final = "logical time (Lamport's clock)"
WINDOW_LABEL: Final = "time since the first event"


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold is a long stretch of time in which nothing new happens, drawn as a narrow break.

    Within it the order of time is kept, only the scale is another one.
    """

    start: int
    """The tick at which the fold begins."""
    end: int
    place: int
    """Where it is drawn, in ticks as wide as those outside folds."""
    width: int
    """How wide it is drawn, in ticks as wide as those outside folds."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A time axis maps events to ticks (nanoseconds since the first event), and ticks to places in the picture.

    A place is read in the axis's unit. Outside the folds the scale is the same everywhere; without folds, a
    place is the time itself.
    """

    origin: int
    """The tick of the earliest event."""
    length: int
    """Ticks from the beginning of what is shown to its end: of all events, from the earliest to the latest."""
    unit: str
    """The unit in which times are shown."""
    ticks_per_unit: int
    label: str
    """What to write under the axis."""
    folds: tuple[Fold, ...] = ()
    """In order of time; they may touch, and do not overlap."""
    first: int = 0
    """The tick at which what is shown begins."""
    is_logical: bool = False
    """Whether a tick is one of Lamport's clock, and not a nanosecond."""
    is_window: bool = False
    """Whether this is a part of the time that the events took."""

    @property
    def last(self) -> int:
        """The tick at which what is shown ends."""
        return self.first + self.length

    def at(self, event: JournalEvent) -> int:
        """The event's time, in ticks since the origin."""
        return (event.lamport if self.is_logical else event.time_ns) - self.origin

    def shown(self, ticks: int) -> float:
        """A time or a length of time, in the unit of the axis."""
        return ticks / self.ticks_per_unit

    def place(self, ticks: int) -> float:
        """Where a time is drawn. A later time is drawn further to the right."""
        number = bisect_right(self.folds, ticks, key=lambda fold: fold.start) if self.folds else 0
        if number == 0:
            return ticks / self.ticks_per_unit
        fold = self.folds[number - 1]
        if ticks >= fold.end:
            return (fold.place + fold.width + ticks - fold.end) / self.ticks_per_unit
        share = (ticks - fold.start) / (fold.end - fold.start)
        return (fold.place + fold.width * share) / self.ticks_per_unit

    def ticks_at(self, place: float) -> float:
        """The time that is drawn at a place: the inverse of `place`."""
        wanted = place * self.ticks_per_unit
        number = bisect_right(self.folds, wanted, key=lambda fold: fold.place)
        if number == 0:
            return wanted
        fold = self.folds[number - 1]
        within = wanted - fold.place
        if within >= fold.width:
            return fold.end + within - fold.width
        return fold.start + (fold.end - fold.start) * within / fold.width

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Start and end of the stretches between the folds, where the scale is true."""
        start = self.first
        for fold in self.folds:
            yield start, fold.start
            start = fold.end
        yield start, self.last


def time_axis(events: Sequence[JournalEvent]) -> TimeAxis:
    """The axis that fits these events, without folds. The origin is the earliest time, which need not be the first
    event's: what a worker reports reaches the journal after what the host saw itself."""
    times = [event.time_ns for event in events]
    origin = min(times, default=0)
    length = max(times, default=0) - origin
    unit, ticks = next((unit, ns) for unit, ns, limit in UNITS if limit is None or length < limit)
    return TimeAxis(origin, length, unit, ticks, f"{unit} since the first event")


def window_axis(origin: int, first: int, last: int, *, is_logical: bool) -> TimeAxis:
    """The axis of a window from tick `first` to tick `last`, without folds."""
    length = max(1, last - first)
    if is_logical:
        return TimeAxis(origin, length, "", 1, LOGICAL_LABEL, first=first, is_logical=True, is_window=True)
    unit, ticks = next((unit, ns) for unit, ns, limit in UNITS if limit is None or length < limit)
    return TimeAxis(origin, length, unit, ticks, WINDOW_LABEL, first=first, is_window=True)
