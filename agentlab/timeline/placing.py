"""The layout of a timeline: a journal goes in, lanes, arrows, bars and marks come out.

This is a pure function of the events: no drawing, no clock, no files. What each message copy did is found in
`agentlab.timeline.hops`; here it gets its place. Every message copy of the journal is drawn or counted, and no
arrow runs backwards in time. Read next: `agentlab.timeline.style`, then `agentlab.timeline.draw`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from agentlab.core.exceptions import BY_NAME
from agentlab.core.journal import (
    ARRIVED,
    DROPPED,
    EVENT,
    FAILED,
    HANDLED,
    HEALED,
    HOST,
    JOINED,
    LOST,
    MOVED,
    PARTED,
    PROCESS,
    REQUEST,
    RESPONSE,
    SENT,
    Journal,
    JournalEvent,
    messages,
)
from agentlab.core.run import Run

from .axis import TimeAxis, time_axis
from .folding import shown_folds
from .hops import Handling, Hop, Setting, follow
from .lanes import Homes, fitting_kind, lane_names
from .marks import MARKED, mark_weights, moved_agent
from .outcomes import LATE, TIMED_OUT, is_late, is_timeout
from .shapes import OUTSIDE, RUNNING, Arrow, Bar, Fate, Lane, LaneKind, Layout, Mark, Span, Style, Weight

_FATES: Final[dict[str, Literal["lost", "dropped", "failed"]]] = {
    LOST: "lost",
    DROPPED: "dropped",
    FAILED: "failed",
}

Copy = tuple[str, str, str]


def layout(source: Iterable[JournalEvent], *, lanes: LaneKind | None = None, fold: bool = True) -> Layout:
    """Lay out a run, a journal, or any events in the order of the journal.

    With ``lanes="process"`` each process has a lane and messages go by way of the host. With ``lanes="agent"``
    each agent has one and arrows go straight from sender to receiver. Without `lanes` it is agents for the
    standalone runtime, where all of them share a process, and processes for everything else. With `fold`, long
    waits are drawn narrow (see `agentlab.timeline.folding`); without, the time axis is true everywhere.
    """
    if lanes not in ("process", "agent", None):
        raise ValueError(f'lanes should be "process" or "agent", not {lanes!r}.')
    events = list(source)
    lanes = lanes or fitting_kind(events)
    names = lane_names(events, lanes, source.lanes if isinstance(source, Run) else ())
    axis = time_axis(events)
    placed = place(
        messages(events), events, Ground(names, axis, axis.first + axis.length, lanes, Homes(events)), fold=fold
    )
    return replace(
        placed,
        let_go=source.let_go if isinstance(source, Run | Journal) else 0,
        note=source.note if isinstance(source, Run) else "",
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What messages are laid out on: lanes, an axis, and what is known about the whole journal."""

    names: Sequence[str]
    axis: TimeAxis
    now: int
    """The tick up to which what has not ended is drawn."""
    kind: LaneKind
    homes: Homes


def place(
    copies: Mapping[Copy, list[JournalEvent]],
    events: Sequence[JournalEvent],
    ground: Ground,
    *,
    fold: bool = True,
    shown: Container[Copy] | None = None,
) -> Layout:
    """Lay out message copies, by name, and the process events among `events`.

    With `shown`, only those copies are drawn; the others (a response's request, say) are there to be known about.
    """
    names = ground.names
    placing = _Placing(ground)
    setting = Setting(ground.homes, ground.kind, has_host=HOST in names)
    routed: dict[str, list[JournalEvent]] = {}
    requests: dict[str, list[list[JournalEvent]]] = {}
    for (message_id, kind, recipient), steps in copies.items():
        if kind == EVENT and recipient:
            routed.setdefault(message_id, []).extend(steps)
        elif kind == REQUEST:
            requests.setdefault(message_id, []).append(steps)
    drawn_copies: set[Copy] = set()
    represented: set[str] = set()
    for copy, steps in copies.items():
        if shown is not None and copy not in shown:
            continue
        message_id, kind, recipient = copy
        before_routing = kind == EVENT and not recipient
        published = copies.get((message_id, EVENT, ""), ()) if kind == EVENT and recipient else ()
        onward = routed.get(message_id, ()) if before_routing else ()
        drawn = []
        for part in _parts(steps):
            life = follow(part, setting, published, onward)
            style, error = _style(part, requests.get(message_id, ()))
            drawn += [placing.arrow(hop, part[0], style, error) for hop in life.hops]
            drawn += [placing.bar(handling) for handling in life.handlings]
            drawn += [placing.mark(moment) for moment in life.moments]
            if onward and not life.hops:  # its copies' arrows stand for it, if they have any
                represented.add(message_id)
        if any(drawn):
            drawn_copies.add(copy)
    drawn_copies |= {
        (name, EVENT, "") for name, kind, to in drawn_copies if to and kind == EVENT and name in represented
    }
    process_events = [event for event in events if event.kind == PROCESS]
    for number, weight in mark_weights(events).items():
        placing.process_mark(events[number], weight)
    placing.spans_of(process_events)
    bars, levels = _stack(placing.bars)
    wanted = copies.keys() if shown is None else [copy for copy in copies if copy in shown]
    is_process = ground.kind == "process"
    return Layout(
        lanes=tuple(Lane(name, name == HOST and is_process, levels.get(n, 1)) for n, name in enumerate(names)),
        arrows=tuple(sorted(placing.arrows, key=lambda arrow: (arrow.start, arrow.end))),
        bars=bars,
        marks=tuple(sorted(placing.marks, key=lambda mark: mark.at)),
        spans=tuple(placing.spans),
        axis=placing.folded_axis() if fold else placing.axis,
        undrawn_copies=len(wanted) - sum(copy in drawn_copies for copy in wanted),
        undrawn_process_events=sum(event.what not in MARKED for event in process_events),
        clamped=placing.clamped,
    )


def short_name(type_name: str) -> str:
    """A message type's name without its module."""
    return type_name.rpartition(".")[2]


class _Placing:
    """Gives hops, handlings and moments their lanes and times, and collects what came out."""

    def __init__(self, ground: Ground) -> None:
        self.axis = ground.axis
        self.arrows: list[Arrow] = []
        self.bars: list[Bar] = []
        self.marks: list[Mark] = []
        self.spans: list[Span] = []
        self.clamped = 0
        self._now = ground.now
        self._lanes = {name: number for number, name in enumerate(ground.names)}
        self._by_agent = ground.kind == "agent"
        self._homes = ground.homes

    def arrow(self, hop: Hop, first: JournalEvent, style: Style, error: str) -> bool:
        """Draw one hop; False when not even its sender's lane is known."""
        source = self._lanes.get(hop.source)
        if source is None:
            return False
        target = self._lanes.get(hop.target)
        start = self.axis.at(hop.departed)
        fate: Fate = "in flight"
        end = self._now if target is not None else start
        if hop.landed:
            fate, end = "arrived", self.axis.at(hop.landed)
        elif hop.ending:
            fate, end = _fate(hop.ending), self.axis.at(hop.ending)
        self.arrows.append(
            Arrow(
                message_id=first.message_id,
                recipient=first.recipient,
                style=style,
                label=short_name(first.type),
                from_lane=source,
                to_lane=target,
                start=start,
                end=self._not_before(start, end),
                fate=fate,
                estimated=hop.estimated,
                detail=hop.ending.detail if hop.ending else error,
                begins_midway=hop.begins_midway,
                kind=first.kind,
            )
        )
        return True

    def bar(self, handling: Handling) -> bool:
        started, ended = handling.started, handling.ended
        lane = self._lanes.get((started.recipient or OUTSIDE) if self._by_agent else started.process)
        if lane is None:
            return False
        start = self.axis.at(started)
        self.bars.append(
            Bar(
                message_id=started.message_id,
                agent=started.recipient,
                label=short_name(started.type),
                lane=lane,
                level=0,
                start=start,
                end=self._not_before(start, self.axis.at(ended) if ended else self._now),
                outcome=ended.what if ended else RUNNING,
                detail=ended.detail if ended else "",
            )
        )
        return True

    def mark(self, event: JournalEvent) -> bool:
        name = event.process
        if self._by_agent:
            at_recipient = event.recipient and self._homes.of_agent(event.recipient) in (event.process, "")
            name = event.recipient if at_recipient else event.sender or OUTSIDE
        return self._mark(event, name)

    def process_mark(self, event: JournalEvent, weight: Weight) -> None:
        """Mark what happened to a process: on its lane, or on the lane of each agent that lives in it."""
        if self._by_agent and event.what == MOVED:
            self._mark(event, moved_agent(event), weight)  # by now, its home is elsewhere
        elif self._by_agent:
            for name in self._lanes:
                if self._homes.of_agent(name) == event.process:
                    self._mark(event, name, weight)
        else:
            self._mark(event, event.process, weight)

    def spans_of(self, events: Iterable[JournalEvent]) -> None:
        """Show for how long partitions kept each process apart; several at a time are one span."""
        parted: dict[str, list[JournalEvent]] = {}
        for event in sorted(events, key=lambda event: event.time_ns):
            if event.what == PARTED:
                parted.setdefault(event.process, []).append(event)
            elif event.what == HEALED and (open_ones := parted.get(event.process)):
                first = open_ones.pop(0)
                if open_ones:
                    open_ones[0] = first  # the others go on: the span began with the first
                else:
                    self._span(event.process, self.axis.at(first), self.axis.at(event))
        for process, open_ones in parted.items():
            if open_ones:
                self._span(process, self.axis.at(open_ones[0]), self._now)

    def _span(self, process: str, start: int, end: int) -> None:
        for name, lane in self._lanes.items():
            if (self._homes.of_agent(name) if self._by_agent else name) == process:
                self.spans.append(Span(lane, start, self._not_before(start, end)))

    def folded_axis(self) -> TimeAxis:
        """The axis with long waits folded. A process that joins or stops in order is no reason to end a wait."""
        hops = [(arrow.start, arrow.end) for arrow in self.arrows]
        handlers = [(bar.start, bar.end) for bar in self.bars]
        moments = [mark.at for mark in self.marks if mark.weight == "full" and mark.what != JOINED]
        return replace(self.axis, folds=shown_folds(self.axis, hops, handlers, moments))

    def _mark(self, event: JournalEvent, name: str, weight: Weight = "full") -> bool:
        lane = self._lanes.get(name)
        if lane is None:
            return False
        label = short_name(event.type) if event.message_id else ""
        what = TIMED_OUT if is_timeout(event) else LATE if is_late(event) else event.what
        at = self.axis.at(event)
        self.marks.append(
            Mark(what, lane, at, event.message_id, label, event.detail, weight, event.recipient, event.kind)
        )
        return True

    def _not_before(self, start: int, end: int) -> int:
        """Clocks of different machines are only estimates of each other; a picture must not show time going back."""
        self.clamped += end < start
        return max(start, end)


def _fate(ending: JournalEvent) -> Fate:
    if is_late(ending):
        return "late"
    return "timed out" if is_timeout(ending) else _FATES[ending.what]


def _parts(steps: list[JournalEvent]) -> list[list[JournalEvent]]:
    """One copy's events, where a request got two answers taken apart: an error made by the host (at the deadline,
    say) and the receiver's late reply bear the same name, and differ in type."""
    if steps[0].kind != RESPONSE:
        return [steps]
    by_type: dict[str, list[JournalEvent]] = {}
    for event in steps:
        by_type.setdefault(event.type, []).append(event)
    return list(by_type.values())


def _style(steps: Sequence[JournalEvent], requests: Iterable[list[JournalEvent]]) -> tuple[Style, str]:
    """How a copy's arrows look, and the text of the error that it carries.

    A response whose type is one of the runtimes' own errors is one. The answers of other runtimes have no such
    type; of those the request's end tells: an answer that the host made up is an error when the request ended at
    the host, and any other when its handler failed.
    """
    first = steps[0]
    if first.kind == REQUEST:
        return "request", ""
    if first.kind != RESPONSE:
        return "event", ""
    by_host = not any(event.what in (SENT, ARRIVED) for event in steps)
    request = _request_of(first, requests)
    failures = [
        event.detail
        for event in request
        if event.what in (FAILED, LOST, DROPPED)
        and (event.process == HOST) == by_host
        # What its receiver dropped is a second attempt of a request that it had handled: it gets that reply.
        and (by_host or event.what != DROPPED)
    ]
    name = short_name(first.type)
    if name in BY_NAME:
        own = [text for text in failures if text.startswith(name)]  # attempts may have ended in different ways
        return "error", (own or failures or [name])[0]
    if not by_host and any(event.what == HANDLED for event in request):
        return "response", ""
    return ("error", failures[0]) if failures else ("response", "")


def _request_of(response: JournalEvent, requests: Iterable[list[JournalEvent]]) -> list[JournalEvent]:
    """The events of the request that is answered, which is the one that the response's sender received. An answer
    that the host made up may name no sender; it has the one who asked."""
    for request in requests:
        if response.sender == request[0].recipient or (not response.sender and response.recipient == request[0].sender):
            return request
    return []


def _stack(bars: Sequence[Bar]) -> tuple[tuple[Bar, ...], dict[int, int]]:
    """Put bars that overlap in a lane on different levels; return them in order of time, and the levels of each
    lane. A bar takes the lowest level that is free, so a call made while handling lies on its cause."""
    free_from: dict[int, list[int]] = {}
    stacked = []
    for bar in sorted(bars, key=lambda bar: (bar.start, -bar.end)):
        ends = free_from.setdefault(bar.lane, [])
        level = next((n for n, end in enumerate(ends) if end <= bar.start), len(ends))
        ends[level : level + 1] = [bar.end]
        stacked.append(replace(bar, level=level))
    return tuple(stacked), {lane: len(ends) for lane, ends in free_from.items()}
