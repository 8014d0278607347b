"""What a timeline is made of: lanes, arrows, handler bars and marks, as plain data.

`agentlab.timeline.placing` makes these from a journal; `agentlab.timeline.draw` and `agentlab.timeline.listing`
show them. All times are whole ticks of the layout's axis, which knows where they are drawn. Read next:
`agentlab.timeline.lanes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agentlab.core.journal import RESPONSE

from .axis import TimeAxis
from .causality import Node

LaneKind = Literal["process", "agent"]
"""What a lane stands for."""

Style = Literal["request", "response", "event", "error"]
"""How an arrow looks: its message's kind, where a response that carries an error is an *error*."""

Fate = Literal["arrived", "in flight", "lost", "dropped", "failed", "late", "timed out"]
"""How a hop ended. An arrow that did not arrive ends halfway."""

Weight = Literal["full", "quiet", "covered"]
"""How much a mark is to be seen: a quiet one is drawn small, a covered one is said by the mark beside it. See
`agentlab.timeline.marks`."""

NO_TIME: Final = TimeAxis(0, 0, "ms", 1_000_000, "ms since the first event")
"""The axis of a timeline without events."""
EMPTY: Final = "nothing has happened yet"
"""What stands in the place of an empty timeline."""
OUTSIDE: Final = "outside"
"""The lane of messages that no agent sent, when lanes are agents."""
RUNNING: Final = "running"
"""The outcome of a handler that has not ended yet."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane is one line of the timeline: a process, or an agent."""

    name: str
    is_host: bool
    levels: int
    """How many handler bars lie over each other at the busiest moment; at least 1."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow is one hop of one message copy, from lane to lane. Its `end` is never before its `start`."""

    message_id: str
    recipient: str
    """The receiving agent; with the message id and the kind, it names the message copy."""
    style: Style
    label: str
    """The message type's short name."""
    from_lane: int
    to_lane: int | None
    """None when nobody knows where the message was going."""
    start: int
    end: int
    fate: Fate
    estimated: bool
    """Whether an end that nobody reported was put where the other one is."""
    detail: str
    """Why it did not arrive, or the text of the error it carries."""
    begins_midway: bool = False
    """Whether the host made this message, and has no lane of its own: it begins where the request ended."""
    kind: str = ""
    """With the message id and the recipient, it names the message copy."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar is one run of a handler, from start to end."""

    message_id: str
    agent: str
    label: str
    """The message type's short name."""
    lane: int
    level: int
    """0 for a bar on the lane itself; 1 and up for those that begin while others still run."""
    start: int
    end: int
    outcome: str
    """`running`, or how it ended: one of `agentlab.core.journal.ENDINGS`."""
    detail: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark is something that happened on a lane at one moment: to its process, or to a message that ended there."""

    what: str
    """What happened: a constant of `agentlab.core.journal`, or `TIMED_OUT` or `LATE` of `.outcomes`."""
    lane: int
    at: int
    message_id: str
    """Empty when it happened to the process."""
    label: str
    """The message type's short name; empty when it happened to the process."""
    detail: str
    weight: Weight = "full"
    recipient: str = ""
    """The receiving agent, of what happened to a message."""
    kind: str = "process"


@dataclass(frozen=True, slots=True)
class Span:
    """A span is the time for which a partition keeps a lane's process from hearing some others."""

    lane: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout is the whole timeline as data: everything that is drawn, and a count of what is not."""

    lanes: tuple[Lane, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    axis: TimeAxis = NO_TIME
    undrawn_copies: int = 0
    """Message copies of which too little is known to draw anything."""
    undrawn_process_events: int = 0
    """Process events without a mark: advertised, withdrawn, refused."""
    let_go: int = 0
    """Events that the journal had let go before."""
    clamped: int = 0
    """Arrows and bars that would have run backwards in time (clocks disagreed) and were made instantaneous."""
    note: str = ""
    """What the run says about itself."""
    lit: frozenset[Node] | None = None
    """The messages and replies that stand out, while the others are drawn faintly; None when all are alike."""

    def is_faint(self, message_id: str, kind: str = "") -> bool:
        """Whether something that belongs to this message is drawn faintly."""
        return self.lit is not None and (message_id, kind == RESPONSE) not in self.lit

    def remarks(self) -> list[str]:
        """What a reader should know besides the picture, a few words each."""
        counted = (
            (self.let_go, "earlier event", "let go by the journal"),
            (self.undrawn_copies, "message copy", "known too little to draw"),
            (self.clamped, "step", "would run backwards in time: clocks disagree"),
        )
        plural = {"message copy": "message copies"}
        remarks = [f"{n} {thing if n == 1 else plural.get(thing, thing + 's')} {why}" for n, thing, why in counted if n]
        return [self.note, *remarks] if self.note else remarks


NOTHING: Final = Layout()
"""The layout of a timeline without events."""
