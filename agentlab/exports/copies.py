"""Message copies: what became of each message, gathered from the journal's single steps.

The journal has an event for every step; a table, a diagram or a comparison wants one record for every copy of a
message, with who, what, where, how it ended and how long each part of its way took. Everything in
`agentlab.exports` starts from here. Read next: `agentlab.exports.table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..core.exceptions import BY_NAME
from ..core.journal import (
    ARRIVED,
    DROPPED,
    ENDINGS,
    EVENT,
    HANDLED,
    HOST,
    LEFT,
    PROCESS,
    RECEIVED,
    RESPONSE,
    SENT,
    STARTED,
    JournalEvent,
)
from ..core.run import Run

IN_FLIGHT: Final = "in flight"
"""The outcome of a copy of which the journal does not tell an end."""
NOTEBOOK: Final = "notebook"
"""The lane of the notebook's own process: the first one, as the story starts there."""
_ONCE: Final = frozenset({SENT, ARRIVED})
"""Steps that the receipts of a message have in common, however often it is delivered."""


@dataclass(frozen=True, slots=True)
class MessageCopy:
    """A message copy is one message on its way to one receiver. A delivery that was duplicated makes two of them."""

    message_id: str
    kind: str
    """``request``, ``response`` or ``event``."""
    sender: str
    """The sending agent as ``type/key``; empty when it was sent from outside any agent."""
    recipient: str
    """The receiving agent; empty outside any agent, and for a published message that went to nobody."""
    topic: str
    type: str
    """The message type's name, without its module."""
    size: int
    """Bytes of the serialized payload."""
    cause: str
    """The id of the message that was being handled when this one was sent."""
    steps: Mapping[str, JournalEvent]
    """What happened to it, by the journal's words (*sent*, *arrived*…), without its endings."""
    ending: JournalEvent | None
    """What became of it: of several endings the first that is not *handled*. None while nobody knows."""
    handled_until: JournalEvent | None
    """The end of its handler. A handler may end long after its message did: when it missed the deadline, say."""
    number: int = 1
    """2 and up for further deliveries of the same message to the same receiver."""

    @property
    def outcome(self) -> str:
        """How it ended: one of the journal's endings; *received* for a response that came back; else *in flight*."""
        if self.ending:
            return self.ending.what
        return RECEIVED if self.kind == RESPONSE and RECEIVED in self.steps else IN_FLIGHT

    @property
    def detail(self) -> str:
        """Why it did not end well; empty when it did."""
        return self.ending.detail if self.ending else ""

    @property
    def payload(self) -> str:
        """What it said, cut when it is long; empty when payloads were not recorded."""
        return self.steps[ARRIVED].payload if ARRIVED in self.steps else ""

    @property
    def is_error(self) -> bool:
        """Whether this is a response that carries an error."""
        return self.kind == RESPONSE and self.type in BY_NAME

    @property
    def from_process(self) -> str:
        """The process that it was sent from: the host, when the host made it. Empty when nobody knows."""
        if SENT in self.steps:
            return self.steps[SENT].process
        if ARRIVED in self.steps:
            return self.steps[ARRIVED].detail
        return HOST if self.kind == RESPONSE and LEFT in self.steps else ""

    @property
    def to_process(self) -> str:
        """The process that it was going to; empty when nobody knows."""
        for what in (RECEIVED, STARTED):
            if what in self.steps:
                return self.steps[what].process
        return self.steps[LEFT].detail if LEFT in self.steps else ""

    @property
    def last(self) -> JournalEvent | None:
        """The end of its way: the end of its handler, else its ending, else that it was received."""
        return self.handled_until or self.ending or self.steps.get(RECEIVED)

    @property
    def total_ns(self) -> int | None:
        """Nanoseconds from its sending to the end of its way; None when one of them is not known."""
        return span_ns(self.steps.get(SENT), self.last)


def span_ns(start: JournalEvent | None, end: JournalEvent | None) -> int | None:
    """Nanoseconds between two events, if both are known."""
    return end.time_ns - start.time_ns if start and end else None


def message_copies(source: Iterable[JournalEvent]) -> list[MessageCopy]:
    """The message copies of a run, a journal or any events, in the order in which they were sent.

    A published message stands for itself only while it has no receivers.
    """
    groups: dict[tuple[str, str, str, str, str], list[JournalEvent]] = {}
    for event in source:
        if event.kind != PROCESS:
            # Two senders may use one id; a deadline's error and the late reply differ in nothing but their type.
            type_name = event.type if event.kind == RESPONSE else ""
            key = (event.message_id, event.kind, event.sender, type_name, event.recipient)
            groups.setdefault(key, []).append(event)
    routed = {key[:4] for key in groups if key[4] and key[1] == EVENT}
    copies: list[MessageCopy] = []
    for key, events in groups.items():
        if key[1] == EVENT and not key[4] and key[:4] in routed:
            continue
        published = groups.get((*key[:4], ""), ()) if key[1] == EVENT and key[4] else ()
        copies += _deliveries(events, [event for event in published if event.what in _ONCE])
    return sorted(copies, key=_when)


def _when(copy: MessageCopy) -> tuple[int, int]:
    first = next(iter(copy.steps.values()), copy.ending)
    return (first.time_ns, first.seq) if first else (0, 0)


def _deliveries(events: list[JournalEvent], published: list[JournalEvent]) -> list[MessageCopy]:
    """One copy for each time that the message was delivered to this receiver: mostly one."""
    steps: dict[str, list[JournalEvent]] = {}
    for event in sorted([*published, *events], key=lambda e: e.time_ns):
        if event.what not in ENDINGS:
            steps.setdefault(event.what, []).append(event)
    endings = [event for event in events if event.what in ENDINGS]
    times = max(1, *(len(steps.get(what, ())) for what in (LEFT, RECEIVED, STARTED)))
    left_over = list(endings)
    copies = []
    for n in range(times):
        own = {what: found[min(n, len(found) - 1)] for what, found in steps.items() if what in _ONCE or n < len(found)}
        started = own.get(STARTED)
        in_handler = [e for e in left_over if started and e.process == started.process]
        own_endings = endings
        if times > 1:  # a delivery without a handler (a message that came again, say) has what the others leave over
            possible = sorted(in_handler, key=lambda e: e.what == DROPPED) if started else left_over
            own_endings = possible[:1]
            for event in own_endings:
                left_over.remove(event)
        bad = next((e for e in own_endings if e.what != HANDLED), None)
        handled_until = next(iter(in_handler if times == 1 else own_endings), None)
        first = events[0]
        copies.append(
            MessageCopy(
                message_id=first.message_id,
                kind=first.kind,
                sender=first.sender,
                recipient=first.recipient,
                topic=first.topic,
                type=first.type.rpartition(".")[2],
                size=max(event.size for event in events),
                cause=first.cause,
                steps=own,
                ending=bad or next(iter(own_endings), None),
                handled_until=handled_until,
                number=n + 1,
            )
        )
    return copies


def process_names(source: Iterable[JournalEvent]) -> list[str]:
    """The processes in the order of their lanes: the notebook, those that a run names, the others as they appear, and
    the host in the middle of them."""
    wanted: Sequence[str] = source.lanes if isinstance(source, Run) else ()
    found: dict[str, None] = {}
    for event in source:
        found.setdefault(event.process)
        if event.what in (ARRIVED, LEFT) and event.detail:  # the host names the process at the other end there
            found.setdefault(event.detail)
    order = dict.fromkeys(name for name in (NOTEBOOK, *wanted, *found) if name in found and name != HOST)
    names = list(order)
    if HOST in found:
        names.insert(len(names) // 2, HOST)
    return names
