"""The viewer: what a reader does with a live timeline, as plain calls: pause, step, replay, zoom, select.

It holds the `View` and changes it; there is no clock, no thread and no widget in it. Read next:
`agentlab.timeline.frame`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from agentlab.core.journal import EVENT, RESPONSE, JournalEvent

from .causality import Causality, Node, causality
from .chronicle import EVER, Chronicle, Numbers
from .lens import EVERYTHING, SINGLE, SPANS, Lens, View
from .life import MessageLife, life_of

SPEEDS: Final[dict[str, float]] = {
    "1000× slower": 0.001,
    "100× slower": 0.01,
    "10× slower": 0.1,
    "real time": 1.0,
    "10× faster": 10.0,
    "100× faster": 100.0,
}
"""Messages between processes take a millisecond: a thousand times slower, one is seen to travel."""
LONGEST_WAIT_S: Final = 1.0
"""In a replay, nothing happens for so long at most: the rest of a wait is skipped."""
NARROWEST_NS: Final = 2_000
"""No window is narrower: the clocks do not tell shorter times apart."""
NARROWEST_CLOCK: Final = 4


class Viewer:
    """A viewer is one reader's way through a chronicle."""

    def __init__(self, lens: Lens, view: View | None = None, *, is_live: bool = False) -> None:
        self.lens = lens
        self.chronicle: Chronicle = lens.chronicle
        self.view = view or View()
        self.is_live = is_live
        """Whether the chronicle still grows."""
        self.is_playing = False
        self.speed = SPEEDS["100× slower"]
        self._sought: int | None = None
        self._moments: tuple[int, Numbers] = (-1, np.empty(0, np.int64))

    @property
    def end(self) -> int:
        """The time of the latest event, in nanoseconds since the first one."""
        return self.chronicle.last_ns - self.chronicle.first_ns

    @property
    def position(self) -> int:
        """Up to when events are shown, in nanoseconds since the first one."""
        return self.end if self.view.until is None else min(self.view.until, self.end)

    @property
    def is_following(self) -> bool:
        """Whether new messages appear as they happen."""
        return self.view.until is None and self.view.window is None

    @property
    def place(self) -> float:
        """How much of the run has happened where it stands: from 0 to 1, moment by moment, so that waits take none."""
        moments = self._all_moments()
        if self.view.until is None or len(moments) < 2:
            return 1.0
        return max(0, int(np.searchsorted(moments, self.position, side="right")) - 1) / (len(moments) - 1)

    @property
    def is_sought(self) -> bool:
        """Whether it stands where `seek` put it."""
        return self.view.until is not None and self.view.until == self._sought

    def change(self, **fields: Any) -> None:
        """Change fields of the view. A window belongs to its axis, and does not outlive it."""
        if fields.get("is_logical", self.view.is_logical) != self.view.is_logical:
            fields["window"] = None
        if fields.get("span", self.view.span) != self.view.span:
            fields["window"] = None
        self.view = replace(self.view, **fields)

    def choose(self, **fields: str) -> None:
        """Change fields of the filter."""
        self.view = replace(self.view, filter=replace(self.view.filter, **fields))

    def pause(self) -> None:
        """Let the picture stand still, while the run goes on."""
        self.is_playing = False
        self.change(until=self.position)

    def seek(self, place: float) -> None:
        """Stand at a place of the run, from 0 to 1 as in `place`; at its end, follow what happens."""
        moments = self._all_moments()
        if place >= 1 or not len(moments):
            self.follow()
            return
        self.is_playing = False
        self._sought = int(moments[round(max(0.0, place) * (len(moments) - 1))])
        self.change(until=self._sought, window=None, span=self._single())

    def _single(self) -> str:
        """A span that shows single messages: of a density nobody sees it move."""
        many = not SPANS[self.view.span][0] and len(self.chronicle.copies) > SINGLE
        return "last 60 messages" if many else self.view.span

    def follow(self) -> None:
        """Jump to now, and follow what happens."""
        self.is_playing = False
        self.change(until=None, window=None)

    def show(self, first: float, last: float) -> None:
        """Show a window: from when to when, in ticks of the axis in use. It stays within the run, and is never
        narrower than can be told apart."""
        low, high = (1, self.chronicle.last_clock) if self.view.is_logical else (0, self.end)
        narrowest = NARROWEST_CLOCK if self.view.is_logical else NARROWEST_NS
        widest = max(narrowest, high - low)
        wide = min(max(last - first, narrowest), widest)
        middle = (first + last) / 2
        begin = round(min(max(middle - wide / 2, low - wide / 4), max(low, high + wide / 4 - wide)))
        self.is_playing = False
        self.change(window=(begin, begin + round(wide)))

    def show_everything(self) -> None:
        """Show the whole run."""
        self.change(span=EVERYTHING, until=None, window=None)

    def select(self, number: int | None) -> None:
        """Select a message by its number; None, or a number that is not there, selects none."""
        there = number is not None and 0 <= number < len(self.chronicle.copies)
        self.change(selected=self.chronicle.copies[number][0].copy if there and number is not None else None)

    def select_message(self, message_id: str) -> None:
        """Select the first copy of a message, if it is there."""
        numbers = self.chronicle.of_message.get(message_id)
        if numbers:
            self.select(numbers[0])

    @property
    def selected(self) -> int | None:
        """The number of the selected message."""
        return None if self.view.selected is None else self.chronicle.number(self.view.selected)

    def life(self) -> tuple[MessageLife, Causality] | None:
        """The life of the selected message, and what is before and after it."""
        number = self.selected
        if number is None or self.view.selected is None:
            return None
        message_id, kind, recipient = self.view.selected
        published: list[JournalEvent] = []
        if kind == EVENT and recipient:
            before = self.chronicle.number((message_id, EVENT, ""))
            published = [] if before is None else self.chronicle.copies[before]
        chronicle = self.chronicle
        return (
            life_of(chronicle.copies[number], published),
            causality(Node(message_id, kind == RESPONSE), chronicle.links),
        )

    def step(self, by: int) -> None:
        """Go on (or, with a negative `by`, back) by so many messages, and select the one that is reached. It is shown
        whole, and nothing that happened after it."""
        self.is_playing = False
        order = self._order()
        if not len(order):
            return
        starts = self.chronicle.columns.start_ns[order] - self.chronicle.first_ns
        selected = self.selected
        at = np.flatnonzero(order == (-1 if selected is None else selected))
        if len(at) and self.view.until is not None:
            place = int(at[0]) + by
        else:  # the first one that is not shown, or the last one that is
            place = int(np.searchsorted(starts, self.position, side="right")) + (by - 1 if by > 0 else by)
        number = int(order[min(max(place, 0), len(order) - 1)])
        last_ns = max(event.time_ns for event in self.chronicle.copies[number])
        span = self.view.span if SPANS[self.view.span][0] else "last 20 messages"
        window = self.view.window if self._is_in_window(number) else None
        self.view = replace(self.view, until=last_ns - self.chronicle.first_ns, span=span, window=window)
        self.select(number)

    def _is_in_window(self, number: int) -> bool:
        """Whether a message lies whole in the window that is shown."""
        if self.view.window is None:
            return False
        events = self.chronicle.copies[number]
        if self.view.is_logical:
            ticks = [event.lamport for event in events]
        else:
            ticks = [event.time_ns - self.chronicle.first_ns for event in events]
        return self.view.window[0] <= min(ticks) and max(ticks) <= self.view.window[1]

    def _order(self) -> Numbers:
        """The numbers of the messages that pass the filter, in the order they began."""
        self.lens.refresh()
        chosen = self.view.filter
        columns = self.chronicle.columns
        order: Numbers = np.argsort(columns.start_ns, kind="stable").astype(np.int64)
        if not chosen:
            return order
        passes = [chosen.passes(self.chronicle.copies[int(number)]) for number in order]
        passing: Numbers = order[np.array(passes, bool)]
        return passing

    def play(self) -> None:
        """Replay the run from where it stands; from the beginning, when that is its end."""
        if self.view.until is None or self.view.until >= self.end:
            moments = self._all_moments()
            self.change(until=int(moments[0]) if len(moments) else 0)
        self.change(window=None, span=self._single())
        self.is_playing = bool(self.chronicle.copies)

    def advance(self, elapsed_s: float) -> None:
        """Go on with the replay by so many seconds of the reader's time."""
        if not self.is_playing or self.view.until is None:
            return
        until = self.view.until + round(elapsed_s * self.speed * 1e9)
        moments = self._all_moments()
        number = int(np.searchsorted(moments, self.view.until, side="right"))
        if number < len(moments):
            skipped = int(moments[number]) - round(LONGEST_WAIT_S * self.speed * 1e9)
            until = max(until, skipped)
        if until >= self.end:
            self.is_playing = False
            self.change(until=None)
        else:
            self.change(until=until)

    def _all_moments(self) -> Numbers:
        """When something began or ended, in order."""
        if self._moments[0] != self.chronicle.events:
            self.lens.refresh()
            columns = self.chronicle.columns
            times = np.concatenate([columns.start_ns, columns.end_ns[columns.end_ns != EVER]])
            self._moments = (self.chronicle.events, np.unique(times) - self.chronicle.first_ns)
        return self._moments[1]
