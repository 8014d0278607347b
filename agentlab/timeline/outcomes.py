"""How a message ended, in one word: what a timeline is filtered by, and what the details of a message begin with.

Read next: `agentlab.timeline.chronicle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agentlab.core.journal import (
    ARRIVED,
    DROPPED,
    FAILED,
    HANDLED,
    LEFT,
    LOST,
    RECEIVED,
    RESPONSE,
    SENT,
    STARTED,
    UNHANDLED,
    JournalEvent,
)

TIMED_OUT: Final = "timed out"
"""Nobody answered within the deadline."""
LATE: Final = "late"
"""The reply came when its request had already ended, and was thrown away."""
IN_FLIGHT: Final = "in flight"
RUNNING: Final = "running"
"""Its handler has not ended yet."""
DONE: Final = "received"
"""A response that reached the one who asked, or a published message that was taken for delivery."""

OUTCOMES: Final = (
    LOST,
    TIMED_OUT,
    FAILED,
    DROPPED,
    LATE,
    UNHANDLED,
    HANDLED,
    DONE,
    RUNNING,
    IN_FLIGHT,
)
"""All outcomes; where several things happened to one copy, the one that comes first here tells most."""
BAD: Final = frozenset({LOST, TIMED_OUT, FAILED, DROPPED, LATE, UNHANDLED})
OPEN: Final = frozenset({RUNNING, IN_FLIGHT})
"""Something will still happen to these."""

_RANKS: Final = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}
_SURE: Final = {what: _RANKS[what] for what in (HANDLED, LOST, UNHANDLED)} | {
    SENT: _RANKS[IN_FLIGHT],
    LEFT: _RANKS[IN_FLIGHT],
    STARTED: _RANKS[RUNNING],
}
"""What tells an outcome, whatever else the event says."""
_DEADLINE: Final = "DeadlineExceededError"
_LATE_DETAILS: Final = ("late:", "too late:")


def is_timeout(event: JournalEvent) -> bool:
    """Whether this end of a request is a missed deadline."""
    return event.what == FAILED and event.detail.startswith(_DEADLINE)


def is_late(event: JournalEvent) -> bool:
    """Whether this end of a response is that it came too late."""
    return event.what == DROPPED and event.kind == RESPONSE and event.detail.startswith(_LATE_DETAILS)


def outcome_of(steps: Sequence[JournalEvent]) -> str:
    """The outcome of one message copy, from its events in any order: one of `OUTCOMES`."""
    best = len(OUTCOMES) - 1
    for event in steps:
        rank = _SURE.get(event.what)
        if rank is None:
            rank = _RANKS[_outcome(event)]
        if rank < best:
            best = rank
    return OUTCOMES[best]


def _outcome(event: JournalEvent) -> str:
    """What an event tells of which `_SURE` does not know."""
    what = event.what
    if what == FAILED:
        return TIMED_OUT if is_timeout(event) else FAILED
    if what == DROPPED:
        return LATE if is_late(event) else DROPPED
    is_response = event.kind == RESPONSE
    if (what == RECEIVED and is_response) or (what == ARRIVED and event.kind == "event" and not event.recipient):
        return DONE
    return IN_FLIGHT
