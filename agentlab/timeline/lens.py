"""The lens: what a live timeline shows of a chronicle, as data.

A `View` is what the reader asked for: which window, which lanes, which axis, which messages. A `Lens` finds what that
shows: a layout of single messages, or a density when there are too many of them, and in both cases a word about
what is left out. Read next: `agentlab.timeline.frame`, which draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from agentlab.core.journal import RESPONSE, JournalEvent
from agentlab.core.standalone import PROCESS as STANDALONE

from .axis import window_axis
from .causality import Node, causality
from .choosing import Filter
from .chronicle import NO_LATENCY, Chronicle, Columns, Copy, Numbers, first_and_last
from .density import Density, density, quantiles
from .folding import idle_folds
from .lanes import in_order
from .outcomes import BAD, OUTCOMES
from .placing import Ground, place
from .ruler import duration
from .shapes import NOTHING, LaneKind, Layout

SINGLE: Final = 600
"""Up to so many messages are drawn one by one: about 1,000 arrows, a pixel of the page for each."""
ZOOM_IN: Final = f"zoom in to {SINGLE} or fewer"
LIT_IN_DENSITY: Final = 100
"""Of a message that led to more than so many others, a density shows the message alone."""
ALL_LANES: Final = 12
"""Up to so many lanes, all of them are shown always, so that they stand still; else those of what is visible."""
MOST_LANES: Final = 40
EVERYTHING: Final = "everything"
SPANS: Final[dict[str, tuple[int, int]]] = {
    "last 20 messages": (20, 0),
    "last 60 messages": (60, 0),
    "last 200 messages": (200, 0),
    "last second": (0, 1_000_000_000),
    "last 10 seconds": (0, 10_000_000_000),
    "last minute": (0, 60_000_000_000),
    EVERYTHING: (0, 0),
}
"""What a timeline may follow: how many messages, or how many nanoseconds."""


@dataclass(frozen=True, slots=True)
class View:
    """A view is what the reader of a timeline asked to see. Times are ticks: nanoseconds since the first event."""

    window: tuple[int, int] | None = None
    """From when to when, in ticks of the axis in use; None to follow what happens."""
    span: str = "last 60 messages"
    """How much is followed: one of `SPANS`."""
    until: int | None = None
    """What happened later is not shown; None for no limit."""
    lanes: LaneKind | None = None
    is_logical: bool = False
    fold: bool = True
    filter: Filter = field(default_factory=Filter)
    selected: Copy | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A scene is what a view shows."""

    layout: Layout
    density: Density | None
    """There when the messages are too many to be drawn one by one; the layout then has lanes only."""
    visible: tuple[int, ...]
    """The numbers of the messages that are drawn one by one."""
    latencies: tuple[tuple[int, int], ...]
    """When each of them was sent, in ticks, and its latency in nanoseconds."""
    quantiles: tuple[float, float] | None
    """Median and 99th percentile of the latencies of all that is shown, in nanoseconds."""
    shown: int
    """How many messages are shown, one by one or in a density."""
    known: int
    """How many messages there are."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """What of the chronicle a view starts from: the window, and who is in it."""

    columns: Columns
    first: int
    last: int
    now: int
    starts: Numbers
    chosen: Any
    hidden: int


class Lens:
    """A lens finds what views show of one chronicle, and remembers which messages pass the filter."""

    def __init__(self, chronicle: Chronicle, wanted: Sequence[str] = (), *, advice: str = ZOOM_IN) -> None:
        self.chronicle = chronicle
        self.advice = advice
        """What a reader can do when there are too many messages to be drawn one by one."""
        self.let_go = 0
        self.note = ""
        self._wanted = wanted
        self._filter = Filter()
        self._passes = bytearray()
        self._touched: set[int] = set()

    def look(self, view: View) -> Scene:
        """What a view shows now."""
        chronicle = self.chronicle
        self._choose(view.filter)
        if not chronicle.copies and not chronicle.process_events:
            return Scene(NOTHING, None, (), (), None, 0, 0)
        moment = self._moment(view)
        numbers = np.flatnonzero(moment.chosen)
        latencies = moment.columns.latency_ns[numbers]
        measured = latencies[latencies != NO_LATENCY]
        kind = view.lanes or ("agent" if set(chronicle.processes) - {""} == {STANDALONE} else "process")
        lanes = self._lanes(kind, numbers, moment.columns)
        axis = window_axis(
            0 if view.is_logical else chronicle.first_ns, moment.first, moment.last, is_logical=view.is_logical
        )
        names, left_out = lanes[:MOST_LANES], len(lanes[MOST_LANES:])
        ground = Ground(names, axis, moment.now, kind, chronicle.homes)
        is_dense = len(numbers) > SINGLE
        node = None if view.selected is None else Node(view.selected[0], view.selected[1] == RESPONSE)
        lit = None if node is None else causality(node, chronicle.links).around(node)
        if is_dense:
            if view.fold and not view.is_logical:
                ends = np.minimum(moment.columns.end_ns[numbers] - chronicle.first_ns, moment.last)
                found = idle_folds(moment.first, moment.last, moment.starts[numbers], ends)
                axis = replace(axis, folds=found)
                ground = replace(ground, axis=axis)
            layout = self._place(self._standing_out(view, lit or frozenset()), ground, view, fold=False)
        else:
            layout = self._place(numbers.tolist(), ground, view, fold=view.fold and not view.is_logical)
        dense = self._density(ground, moment, numbers) if is_dense else None
        remarks = self._remarks(view, moment, len(numbers), is_dense, left_out)
        sent = moment.starts[numbers]
        points = () if is_dense else tuple(p for p in zip(sent.tolist(), latencies.tolist(), strict=True) if p[1] >= 0)
        return Scene(
            replace(layout, note="; ".join(remarks), let_go=self.let_go, lit=lit),
            dense,
            () if is_dense else tuple(numbers.tolist()),
            points,
            quantiles(measured) if len(measured) else None,
            len(numbers),
            len(chronicle.copies),
        )

    def refresh(self) -> None:
        """Bring the chronicle's columns up to date."""
        self._touched.update(self.chronicle.refresh())

    def _choose(self, chosen: Filter) -> None:
        self.refresh()
        copies, passes = self.chronicle.copies, self._passes
        touched: Iterable[int] = self._touched
        if chosen != self._filter:
            self._filter, touched = chosen, range(len(copies))
        self._touched = set()
        if len(passes) < len(copies):
            passes.extend(b"\x01" * (len(copies) - len(passes)))
        if not chosen:
            self._passes = bytearray(b"\x01") * len(copies)
            return
        for number in touched:
            passes[number] = chosen.passes(copies[number])

    def _moment(self, view: View) -> _Moment:
        """The window, and which copies are in it."""
        chronicle, columns = self.chronicle, self.chronicle.columns
        began = columns.start_ns - chronicle.first_ns
        end_now = chronicle.last_ns - chronicle.first_ns
        until = end_now if view.until is None else min(view.until, end_now)
        happened = began <= until
        passes = happened & (np.frombuffer(bytes(self._passes), np.uint8) > 0)
        starts, ends, now = began, columns.end_ns - chronicle.first_ns, until
        if view.is_logical:
            starts, ends, now = columns.start_clock, columns.end_clock, chronicle.last_clock
            if view.until is not None:
                now = int(starts[happened].max(initial=1))
        if view.window is not None:
            first, last = view.window
        else:
            first, last = _followed(view, starts[passes], now, until), now
        around = (starts <= last) & (ends >= first)
        if view.window is None and SPANS[view.span][0]:  # those that began before are not among the last
            around &= starts >= first
        chosen = passes & around
        hidden = int((happened & around).sum()) - int(chosen.sum())
        return _Moment(columns, int(first), max(int(last), int(first) + 1), int(now), starts, chosen, hidden)

    def _lanes(self, kind: LaneKind, numbers: Numbers, columns: Columns) -> tuple[str, ...]:
        names = self.chronicle.agents if kind == "agent" else self.chronicle.processes
        if len(names) > ALL_LANES and len(numbers):
            ends = (
                (columns.from_agent, columns.to_agent)
                if kind == "agent"
                else (columns.from_process, columns.to_process)
            )
            used = {int(number) for column in ends for number in np.unique(column[numbers])}
            return in_order((name for name, n in names.items() if n in used or name == "host"), kind, self._wanted)
        return in_order(names, kind, self._wanted)

    def _standing_out(self, view: View, lit: frozenset[Node]) -> list[int]:
        """What is drawn one by one even where all else is a density: the selected message, and what belongs to it."""
        names = [node.message_id for node in lit]
        if len(names) > LIT_IN_DENSITY and view.selected is not None:
            names = [view.selected[0]]
        found = (number for name in dict.fromkeys(names) for number in self.chronicle.of_message.get(name, ()))
        return sorted(number for number in found if self._passes[number])

    def _place(self, numbers: list[int], ground: Ground, view: View, *, fold: bool) -> Layout:
        chronicle = self.chronicle
        end_ns = None if view.until is None else chronicle.first_ns + view.until
        shown = {chronicle.copies[number][0].copy for number in numbers}
        copies: dict[Copy, list[JournalEvent]] = {}
        for message_id in dict.fromkeys(name[0] for name in shown):
            for number in chronicle.of_message[message_id]:
                steps = _until(chronicle.copies[number], end_ns)
                if steps:
                    copies[steps[0].copy] = steps
        processes = _until(chronicle.process_events, end_ns)
        messages = first_and_last(chronicle)
        events = [*messages[:1], *processes, *messages[1:]]
        return place(copies, events, ground, fold=fold, shown=shown)

    def _density(self, ground: Ground, moment: _Moment, numbers: Numbers) -> Density:
        columns, chronicle = moment.columns, self.chronicle
        names, sources, targets = chronicle.processes, columns.from_process, columns.to_process
        if ground.kind == "agent":
            names, sources, targets = chronicle.agents, columns.from_agent, columns.to_agent
        lane_of = np.full(len(names) + 1, -1, np.int64)  # the last one is for NOWHERE
        for lane, name in enumerate(ground.names):
            lane_of[names[name]] = lane
        is_bad = np.array([outcome in BAD for outcome in OUTCOMES])
        # Bins are as wide as they are drawn, also where time is folded.
        knots = [ground.axis.first, *(t for f in ground.axis.folds for t in (f.start, f.end)), ground.axis.last]
        places = [ground.axis.place(tick) * ground.axis.ticks_per_unit for tick in knots]
        return density(
            (moment.first, moment.last),
            (round(places[0]), round(places[-1])),
            np.interp(moment.starts[numbers], knots, places).astype(np.int64),
            columns.latency_ns[numbers],
            lane_of[sources[numbers]],
            lane_of[targets[numbers]],
            is_bad[columns.outcome[numbers]],
            len(ground.names),
        )

    def _remarks(self, view: View, moment: _Moment, shown: int, is_dense: bool, lanes_left_out: int) -> list[str]:
        known = len(self.chronicle.copies)
        remarks = [self.note] if self.note else []
        if shown < known:
            remarks.append(f"{shown:,} of {known:,} messages are shown")
        if moment.hidden:
            remarks.append(f"{moment.hidden:,} hidden by the filter ({view.filter})")
        if is_dense:
            remarks.append(f"{shown:,} messages are too many for single arrows: {self.advice}")
        end = self.chronicle.last_ns - self.chronicle.first_ns
        if view.until is not None and view.until < end:
            remarks.append(f"stopped at {duration(max(0, view.until))} of {duration(end)}")
        if lanes_left_out:
            remarks.append(f"{lanes_left_out} lanes are left out")
        return remarks


def _followed(view: View, starts: Numbers, now: int, until: int) -> int:
    """Where the part begins that is followed."""
    messages, span_ns = SPANS[view.span]
    if messages and len(starts) > messages:
        return int(np.partition(starts, len(starts) - messages)[len(starts) - messages])
    if span_ns and not view.is_logical:
        return max(0, until - span_ns)
    return min(int(starts.min(initial=now)), now) if messages else 0


def _until(steps: list[JournalEvent], end_ns: int | None) -> list[JournalEvent]:
    return steps if end_ns is None else [event for event in steps if event.time_ns <= end_ns]
