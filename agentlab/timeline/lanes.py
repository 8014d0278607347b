"""Which lanes a timeline has, in which order, and where an agent lives.

Read next: `agentlab.timeline.hops`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agentlab.core.journal import (
    ADVERTISED,
    ARRIVED,
    EVENT,
    HOST,
    LEFT,
    PROCESS,
    RECEIVED,
    REQUEST,
    SENT,
    STARTED,
    JournalEvent,
)
from agentlab.core.standalone import PROCESS as STANDALONE

from .shapes import OUTSIDE, LaneKind

NOTEBOOK: Final = "notebook"
"""The lane of the notebook's own process: the first one, as the story starts there."""


def fitting_kind(events: Iterable[JournalEvent]) -> LaneKind:
    """What lanes should stand for: agents when there is only the standalone runtime's process, else processes."""
    return "agent" if {event.process for event in events} == {STANDALONE} else "process"


def lane_names(events: Iterable[JournalEvent], kind: LaneKind, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The lanes that appear in these events, from top to bottom.

    The notebook (or, among agents, *outside*) comes first, then those in `wanted`, then the others by first
    appearance, and the host goes in the middle of them all. So further events may move the host, and never
    change the order of the others.
    """
    return in_order(_agents(events) if kind == "agent" else _processes(events), kind, wanted)


def in_order(names: Iterable[str], kind: LaneKind, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """These names (by first appearance, as often as they come) as lanes; see `lane_names`."""
    found = dict.fromkeys(names)
    found.pop("", None)
    order = dict.fromkeys(name for name in (NOTEBOOK, OUTSIDE, *wanted, *found) if name in found)
    if kind == "agent" or HOST not in order:
        return tuple(order)
    others = [name for name in order if name != HOST]
    middle = len(others) // 2
    return (*others[:middle], HOST, *others[middle:])


def _processes(events: Iterable[JournalEvent]) -> Iterable[str]:
    for event in events:
        yield event.process
        if event.what in (ARRIVED, LEFT):  # the host names the process at the other end there
            yield event.detail


def _agents(events: Iterable[JournalEvent]) -> Iterable[str]:
    for event in events:
        if event.kind != PROCESS:
            yield event.sender or OUTSIDE
            if event.recipient or event.kind != EVENT:  # a published message has no recipient until it is routed
                yield event.recipient or OUTSIDE


class Homes:
    """The process that each agent lives in, as far as the journal tells, and which processes report at all."""

    def __init__(self, events: Iterable[JournalEvent]) -> None:
        self.reporting: set[str] = set()
        """Processes that say themselves what they sent and received. Others (workers of another make) do not."""
        self._agents: dict[str, str] = {}
        self._types: dict[str, str] = {}
        self._requesters: dict[str, str] = {}
        self._asked: dict[str, str] = {}
        for event in events:
            self.add(event)

    def add(self, event: JournalEvent) -> None:
        """Learn from a further event."""
        what = event.what
        if what == LEFT:
            self._agents[event.recipient] = event.detail
        elif what in (RECEIVED, STARTED):
            self._agents[event.recipient] = event.process
            self.reporting.add(event.process)
        elif what == SENT:
            self._agents[event.sender] = event.process
            self.reporting.add(event.process)
        elif what == ADVERTISED:
            self._types[event.type] = event.process
        if event.kind == REQUEST:
            self._asked[event.message_id] = event.recipient
            if what in (SENT, ARRIVED):
                self._requesters[event.message_id] = event.process if what == SENT else event.detail

    def of_agent(self, agent: str) -> str:
        """The process an agent was last seen in, else the one that advertised its type, else an empty name."""
        return (self._agents.get(agent) or self._types.get(agent.partition("/")[0], "")) if agent else ""

    def of_requester(self, message_id: str) -> str:
        """The process that a request was sent from; an empty name when nobody knows."""
        return self._requesters.get(message_id, "")

    def asked_agent(self, message_id: str) -> str:
        """The agent that a request is for; an empty name when nobody knows."""
        return self._asked.get(message_id, "")

    def of_recipient(self, event: JournalEvent) -> str:
        """The process that a message was going to; an empty name when nobody knows."""
        if event.kind in (EVENT, REQUEST):
            return self.of_agent(event.recipient)
        return self.of_requester(event.message_id) or self.of_agent(event.recipient)
