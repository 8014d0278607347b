"""Sessions: direct messages that have no reply so far.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.router`.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from .connection import Connection, Copy, Delivery

REMEMBERED: Final = 10_000
"""How many sessions that ended without a reply are remembered, to tell a late reply from one that nobody ever asked
for."""

ANSWERED: Final = 1_000
"""How many sessions that ended with a reply are remembered. A second one comes soon, if the request was duplicated."""

LATE: Final = "late: its request had already ended"
"""What becomes of a reply to a request that ended."""


@dataclass(slots=True, eq=False)
class Session:
    """A session: the host's record of one direct message from request to reply."""

    id: str
    """The request id that the target sees: the host's own, so that two senders may use the same."""
    request_id: str
    """The request id that the sender used."""
    sender: Connection
    target: Connection
    delivery: Delivery
    """The request's copy at the target."""
    opened_s: float
    """Seconds on the host's monotonic clock."""
    deadline_s: float | None
    """Seconds on the host's monotonic clock; None for none."""

    @property
    def copy(self) -> Copy:
        """The request, as the journal names it."""
        return self.delivery.copy


class Sessions:
    """All open sessions, and the deadlines among them."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._unanswered: OrderedDict[str, Copy] = OrderedDict()
        self._answered: OrderedDict[str, Copy] = OrderedDict()
        self._deadlines: list[tuple[float, str]] = []
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def open(
        self,
        sender: Connection,
        request_id: str,
        target: Connection,
        delivery: Delivery,
        now_s: float,
        deadline_s: float | None,
    ) -> Session:
        """Begin a session. Raises ValueError when the sender has one open under the same request id."""
        if request_id in sender.asked:
            raise ValueError(f"The request id {request_id!r} is already in use by another open request of this worker.")
        session = Session(f"s{next(self._numbers)}", request_id, sender, target, delivery, now_s, deadline_s)
        self._open[session.id] = sender.asked[request_id] = target.asked_of[session.id] = session
        if deadline_s is not None:
            heapq.heappush(self._deadlines, (deadline_s, session.id))
        return session

    def is_open(self, session: Session) -> bool:
        """Whether its request waits for a reply."""
        return session.id in self._open

    def get(self, session_id: str) -> Session | None:
        """The open session of this id, if there is one."""
        return self._open.get(session_id)

    def end(self, session: Session, *, answered: bool = False) -> None:
        """End a session, `answered` or not; a reply that comes from now on is late."""
        del self._open[session.id], session.sender.asked[session.request_id], session.target.asked_of[session.id]
        if not session.target.reports:
            session.target.outstanding.pop(session.delivery.id, None)  # a plain worker will not speak of it again
        ended, most = (self._answered, ANSWERED) if answered else (self._unanswered, REMEMBERED)
        ended[session.id] = session.copy
        if len(ended) > most:
            ended.popitem(last=False)
        # Sessions usually end long before their deadline: drop what no longer matters before it piles up.
        if len(self._deadlines) > 2 * len(self._open) + 1000:
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._open]
            heapq.heapify(self._deadlines)

    def retarget(self, session: Session, target: Connection) -> None:
        """Another worker shall answer a request that was not delivered yet."""
        del session.target.asked_of[session.id]
        session.target = target
        target.asked_of[session.id] = session

    def ended(self, session_id: str) -> Copy | None:
        """The request of a session that ended, if it is remembered."""
        return self._unanswered.get(session_id) or self._answered.get(session_id)

    def due(self, now_s: float) -> list[Session]:
        """The open sessions whose deadline has passed."""
        due = []
        while self._deadlines and self._deadlines[0][0] <= now_s:
            session = self._open.get(heapq.heappop(self._deadlines)[1])
            if session is not None:
                due.append(session)
        return due
