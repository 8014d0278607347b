"""The life of one message: its steps, and which share of its time each of them took.

Read next: `agentlab.timeline.density`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentlab.core.journal import (
    ARRIVED,
    DELAYED,
    DUPLICATED,
    ENDINGS,
    EVENT,
    HOST,
    LEFT,
    RECEIVED,
    RESPONSE,
    SENT,
    STARTED,
    JournalEvent,
)

from .outcomes import outcome_of
from .ruler import duration
from .shapes import OUTSIDE

_WORDS: Final = {
    SENT: "sent",
    ARRIVED: "at the host",
    LEFT: "left the host",
    RECEIVED: "received",
    STARTED: "handler started",
    DUPLICATED: "a second copy was made",
    DELAYED: "held back",
}
_TOLD: Final = ENDINGS | {SENT, DUPLICATED, DELAYED}
"""Of these the detail says why."""
_ORDER: Final = {what: place for place, what in enumerate((SENT, ARRIVED, LEFT, RECEIVED, STARTED))}


@dataclass(frozen=True, slots=True)
class Step:
    """A step is one event of the message's life, with the time that led up to it."""

    what: str
    process: str
    after_ns: int
    """Since the message's first step."""
    took_ns: int
    """Since the step before."""
    share: float
    """The part of the whole life that this took, from 0 to 1; all shares together are 1, if it took any time."""
    detail: str


@dataclass(frozen=True, slots=True)
class MessageLife:
    """A message life is all that the journal tells about one message copy."""

    message_id: str
    kind: str
    type: str
    sender: str
    """The agent, or `OUTSIDE`."""
    recipient: str
    """The agent, the topic of a message that is not routed yet, or `OUTSIDE`."""
    topic: str
    cause: str
    size: int
    """Bytes of the serialized payload."""
    started_ns: int
    """Nanoseconds since the epoch."""
    took_ns: int
    outcome: str
    steps: tuple[Step, ...]
    error: str
    trace: str
    payload: str = ""
    """What it said, cut when it is long; empty when payloads were not recorded."""

    @property
    def route(self) -> str:
        """From whom to whom, in a few words."""
        return f"{self.sender} → {self.recipient}"


def life_of(steps: Sequence[JournalEvent], published: Sequence[JournalEvent] = ()) -> MessageLife:
    """The life of one copy. `published` are the events of the published message that it is a copy of: the time
    before the host made the copy is part of its life."""
    own = sorted((*published, *steps), key=lambda e: (e.time_ns, _ORDER.get(e.what, len(_ORDER)), e.seq))
    first = steps[0]
    started, whole = own[0].time_ns, own[-1].time_ns - own[0].time_ns
    told = []
    before = started
    for event in own:
        took = event.time_ns - before
        before = event.time_ns
        where = event.detail if event.what in (ARRIVED, LEFT) else ""
        told.append(
            Step(
                _WORDS.get(event.what, event.what) + (f", {_direction(event)} {where}" if where else ""),
                event.process,
                event.time_ns - started,
                took,
                took / whole if whole else 0.0,
                event.detail if event.what in _TOLD else "",
            )
        )
    endings = [event for event in own if event.what in ENDINGS and (event.detail or event.trace)]
    worst = max(endings, key=lambda event: bool(event.trace), default=None)
    nobody = first.topic if first.kind == EVENT else OUTSIDE
    return MessageLife(
        message_id=first.message_id,
        kind=first.kind,
        type=first.type,
        sender=first.sender or OUTSIDE,
        recipient=first.recipient or nobody,
        topic=first.topic,
        cause=first.cause if first.cause != first.message_id else "",
        size=first.size,
        started_ns=started,
        took_ns=whole,
        outcome=outcome_of(steps),
        steps=tuple(told),
        error=worst.detail if worst else "",
        trace=worst.trace if worst else "",
        payload=next((event.payload for event in own if event.payload), ""),
    )


def _direction(event: JournalEvent) -> str:
    return "from" if event.what == ARRIVED else "to"


def tip(steps: Sequence[JournalEvent], latency_ns: int) -> list[str]:
    """What hovering over a message tells: type, route, size, latency, its end, and what was done to it on purpose."""
    first = steps[0]
    to = first.recipient or (first.topic if first.kind == EVENT else OUTSIDE)
    kind = {EVENT: "published event", RESPONSE: "response"}.get(first.kind, first.kind)
    lines = [first.type.rpartition(".")[2] or "(no type)", f"{kind}: {first.sender or OUTSIDE} → {to}"]
    size = f"{first.size:,} bytes"
    lines.append(f"{size}, delivered in {duration(latency_ns)}" if latency_ns >= 0 else size)
    outcome = outcome_of(steps)
    why = next((e.detail.partition("\n")[0] for e in steps if e.what in ENDINGS and e.detail), "")
    lines.append(f"{outcome}: {why}"[:160] if why else outcome)
    lines += [f"{e.what}: {e.detail}"[:160] for e in steps if e.what in (DELAYED, DUPLICATED) and e.detail]
    return lines


def life_text(life: MessageLife, width: int = 100) -> str:
    """The life of a message as plain text."""
    lines = [f"{life.type} ({life.kind}), {life.route}: {life.outcome}, {duration(life.took_ns)}, {life.size} bytes"]
    for step in life.steps:
        where = "" if step.process == HOST and HOST in step.what else f" ({step.process})"
        lines.append(f"  {duration(step.after_ns):>8}  {step.share:>4.0%}  {step.what}{where}")
    if life.payload:
        lines.append(f"  said: {life.payload}")
    return "\n".join([line[:width] for line in lines] + [text for text in (life.trace or life.error,) if text])
