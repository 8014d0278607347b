"""The life of one message copy: its hops from lane to lane, the handlers that ran for it, and how it ended.

Here the events of one copy are paired up: *sent* with *arrived*, *left* with *received*, *started* with the
handler's end. Where one of a pair is missing, the message is on its way, or was lost, or belongs to a process
that does not report; this module tells these apart. Lanes are names here, and times are still events.
Read next: `agentlab.timeline.marks`, then `agentlab.timeline.placing`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from agentlab.core.exceptions import BY_NAME
from agentlab.core.journal import (
    ARRIVED,
    DELAYED,
    DROPPED,
    DUPLICATED,
    ENDINGS,
    FAILED,
    HANDLED,
    HOST,
    LEFT,
    LOST,
    RECEIVED,
    RESPONSE,
    SENT,
    STARTED,
    UNHANDLED,
    JournalEvent,
)

from .lanes import Homes
from .shapes import OUTSIDE, LaneKind


@dataclass(slots=True)
class Hop:
    """A hop is one way of one message copy between two lanes."""

    source: str
    target: str
    """Empty when nobody knows."""
    departed: JournalEvent
    landed: JournalEvent | None
    """None while it is on its way, or when it never got there (then `ending` says why)."""
    ending: JournalEvent | None = None
    estimated: bool = False
    begins_midway: bool = False
    """Whether it begins at the host, which has no lane of its own here."""

    @property
    def is_open(self) -> bool:
        """Whether the message may still be on its way."""
        return self.landed is None and self.ending is None


@dataclass(slots=True)
class Handling:
    """A handling is one run of a handler for the message."""

    started: JournalEvent
    ended: JournalEvent | None


@dataclass(slots=True)
class Life:
    """What became of one message copy."""

    hops: list[Hop] = field(default_factory=list)
    handlings: list[Handling] = field(default_factory=list)
    moments: list[JournalEvent] = field(default_factory=list)
    """What happened to it on a lane, outside hops and handlers."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What must be known about the whole journal to follow one message copy."""

    homes: Homes
    kind: LaneKind
    has_host: bool


def follow(
    events: Sequence[JournalEvent],
    setting: Setting,
    published: Sequence[JournalEvent] = (),
    copies: Sequence[JournalEvent] = (),
) -> Life:
    """Follow one message copy through its events.

    `published` are the events of the published message that this is a copy of; `copies` are the events of the
    copies when this is the published message itself, before routing.
    """
    steps: dict[str, list[JournalEvent]] = {}
    for event in sorted(events, key=_time):
        steps.setdefault(event.what, []).append(event)
    life = Life()
    if _goes_straight(steps, published, setting):
        life.hops = _straight_hops(events[0], steps, setting, published, copies)
    else:
        life.hops = [*_hops_to_host(steps, setting, copies), *_hops_from_host(steps, setting)]
    endings = sorted((e for e in events if e.what in ENDINGS), key=_time)
    life.handlings = _handlings(steps.get(STARTED, ()), endings)
    life.moments = sorted([*steps.get(DUPLICATED, ()), *steps.get(DELAYED, ())], key=_time)
    for ending in endings:
        _end(life, ending, setting, published or events)
    return life


def _time(event: JournalEvent) -> int:
    return event.time_ns


def _goes_straight(steps: dict[str, list[JournalEvent]], published: Sequence[JournalEvent], setting: Setting) -> bool:
    """Whether the copy is drawn from sender to receiver without the host in between."""
    if setting.kind == "agent" or not setting.has_host:
        return True
    passed_host = ARRIVED in steps or LEFT in steps or any(e.what == ARRIVED for e in published)
    sent = SENT in steps or any(e.what == SENT for e in published)
    return not passed_host and sent and RECEIVED in steps


def _straight_hops(
    first: JournalEvent,
    steps: dict[str, list[JournalEvent]],
    setting: Setting,
    published: Sequence[JournalEvent],
    copies: Sequence[JournalEvent],
) -> list[Hop]:
    if copies:  # the copies' own arrows begin where the message was published
        return []
    before = [e for e in published if e.what in (SENT, ARRIVED)]
    departures = steps.get(SENT) or [e for e in before if e.what == SENT] or steps.get(ARRIVED) or before
    landings = _receipts(steps)
    if not landings and LEFT in steps and steps[LEFT][0].detail not in setting.homes.reporting:
        landings = steps[LEFT]

    # an answer that the host made comes from where the request was going
    by_host = setting.kind == "agent" and is_made_by_host(first, steps)
    if by_host:
        departures = steps[LEFT]
    asked = setting.homes.asked_agent(first.message_id) if by_host else ""

    def source(event: JournalEvent) -> str:
        if setting.kind == "agent":
            return event.sender or asked or OUTSIDE
        if event.what == SENT:
            return event.process
        return event.detail if event.what == ARRIVED else setting.homes.of_agent(event.sender)

    def target(event: JournalEvent) -> str:
        if setting.kind == "agent":
            return event.recipient or ("" if event.topic else OUTSIDE)
        return event.process if event.what in (RECEIVED, STARTED) else setting.homes.of_recipient(event)

    hops = []
    for number, landing in enumerate(landings):
        # one sending may end in several receipts (a duplicated message), never the other way round
        start = departures[min(number, len(departures) - 1)] if departures else landing
        known = (by_host or start.what == SENT) and landing.what == RECEIVED
        hops.append(Hop(source(start), target(landing), start, landing, estimated=not known))
    hops += [Hop(source(start), target(first), start, None) for start in departures[len(landings) :]]
    for hop in hops:
        hop.begins_midway = by_host
    return hops


def is_made_by_host(first: JournalEvent, steps: Container[str]) -> bool:
    """Whether this response was made by the host, which answers with an error when nobody else can."""
    made = first.kind == RESPONSE and LEFT in steps and SENT not in steps and ARRIVED not in steps
    return made and (not first.sender or first.type in BY_NAME)


def _hops_to_host(steps: dict[str, list[JournalEvent]], setting: Setting, copies: Sequence[JournalEvent]) -> list[Hop]:
    pairs = _pair(steps.get(SENT, ()), steps.get(ARRIVED, ()), lambda e: e.process, lambda e: e.detail)
    onward = min([*steps.get(LEFT, ()), *(e for e in copies if e.what == LEFT)], key=_time, default=None)
    hops = []
    for sent, arrived in pairs:
        if sent and arrived:
            hops.append(Hop(sent.process, HOST, sent, arrived))
        elif sent:  # what left the host must have arrived there
            hops.append(Hop(sent.process, HOST, sent, onward, estimated=onward is not None))
        elif arrived:
            source = arrived.detail or setting.homes.of_agent(arrived.sender)
            hops.append(Hop(source, HOST, arrived, arrived, estimated=True))
    return hops


def _hops_from_host(steps: dict[str, list[JournalEvent]], setting: Setting) -> list[Hop]:
    pairs = _pair(steps.get(LEFT, ()), _receipts(steps), lambda e: e.detail, lambda e: e.process)
    hops = []
    for left, received in pairs:
        if left and received:
            hops.append(Hop(HOST, received.process, left, received))
        elif left:
            target = left.detail or setting.homes.of_recipient(left)
            silent = target not in setting.homes.reporting and not steps.keys() & {LOST, DROPPED}
            hops.append(Hop(HOST, target, left, left if silent else None, estimated=silent))
        elif received:
            hops.append(Hop(HOST, received.process, received, received, estimated=True))
    return hops


def _receipts(steps: dict[str, list[JournalEvent]]) -> list[JournalEvent]:
    """The events that prove the copy reached its receiver: a handler cannot start before that."""
    return steps.get(RECEIVED) or steps.get(STARTED) or []


def _pair(
    earlier: Sequence[JournalEvent],
    later: Sequence[JournalEvent],
    earlier_process: Callable[[JournalEvent], str],
    later_process: Callable[[JournalEvent], str],
) -> list[tuple[JournalEvent | None, JournalEvent | None]]:
    """Pair events first come, first served, where both name the same process (or one does not name any)."""
    waiting = list(later)
    pairs: list[tuple[JournalEvent | None, JournalEvent | None]] = []
    for event in earlier:
        process = earlier_process(event)
        match = next((e for e in waiting if not process or later_process(e) in (process, "")), None)
        if match:
            waiting.remove(match)
        pairs.append((event, match))
    return [*pairs, *((None, event) for event in waiting)]


def _handlings(started: Sequence[JournalEvent], endings: list[JournalEvent]) -> list[Handling]:
    """Pair handler starts with their ends, and take these ends out of `endings`."""
    handlings = []
    for start in started:
        own = [e for e in endings if e.process == start.process and e.what in (HANDLED, UNHANDLED, FAILED)]
        end = next((e for e in own if e.time_ns >= start.time_ns), own[0] if own else None)
        if end:
            endings.remove(end)
        handlings.append(Handling(start, end))
    return handlings


def _end(life: Life, ending: JournalEvent, setting: Setting, before: Sequence[JournalEvent]) -> None:
    """Find what this ending ended: a hop, a handler that was running, or the message as it lay on a lane."""
    if ending.what == HANDLED:
        return
    # a message that is sent again has several hops under one name, and an ending is of one that began before it
    still_open = [hop for hop in reversed(life.hops) if hop.is_open]
    begun = (hop for hop in still_open if hop.departed.time_ns <= ending.time_ns)
    unfinished = next(begun, still_open[0] if still_open else None)
    running = next((handling for handling in life.handlings if handling.ended is None), None)
    if ending.what != UNHANDLED and unfinished:
        unfinished.ending = ending
    elif ending.what == LOST and running:
        running.ended = ending
    elif ending.what in (LOST, DROPPED) and ending.process == HOST and setting.kind == "process":
        arrived = [e for e in before if e.what == ARRIVED and e.time_ns <= ending.time_ns]
        lay = arrived[-1] if arrived else ending
        if ending.what == LOST and _went_on(life.hops, lay, ending):
            # its receiver had it: what was lost is the answer, which the host was waiting for
            life.moments = [*life.moments, ending]
        else:  # it lay at the host: the hop that it never made is drawn, as far as that goes
            life.hops.append(Hop(HOST, setting.homes.of_recipient(ending), lay, None, ending))
    else:
        life.moments = [*life.moments, ending]


def _went_on(hops: Sequence[Hop], arrived: JournalEvent, ending: JournalEvent) -> bool:
    """Whether what arrived at the host left it, and got to its receiver, before this ending."""
    return any(
        hop.source == HOST and hop.landed and arrived.time_ns <= hop.departed.time_ns <= ending.time_ns for hop in hops
    )
