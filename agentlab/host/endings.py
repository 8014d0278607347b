"""How a direct message's request ends: by its reply, by an error of the host's own, or because it is given up.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.sessions`, `agentlab.host.router`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..core import journal as j
from ..wire.parcels import Cancel, Failure, Request, Response
from .book import Book
from .connection import Connection, Copy, Delivery
from .faultlab import FaultLab
from .sessions import Session, Sessions


class Endings:
    """The endings: end sessions, and tell those whom it concerns: who asked, who was asked, the book."""

    def __init__(
        self,
        book: Book,
        sessions: Sessions,
        faultlab: FaultLab,
        delivery_ids: Iterator[int],
        now_s: Callable[[], float],
    ) -> None:
        self._book = book
        self._sessions = sessions
        self._faultlab = faultlab
        self._delivery_ids = delivery_ids
        self._now_s = now_s

    # Who asked is told

    def answer(self, session: Session, response: Response, copy: Copy) -> None:
        """Send the reply to a request, whose session has ended, to who asked."""
        delivery = Delivery(next(self._delivery_ids), copy)
        response.request_id = session.request_id
        response.delivery_id = delivery.id
        response.lamport = self._book.tick()
        session.sender.put(response, delivery)

    def end_with_error(self, session: Session, kind: str, text: str, what: str) -> None:
        """End a session with an error of the host's own; `what` became of the request, as the journal has it."""
        self._sessions.end(session)
        self._book.record(what, session.copy, f"{kind}: {text}")
        self._book.counters[kind] += 1
        copy = _error_copy(session.copy, kind)
        self.answer(session, Response(session.request_id, failure=Failure(kind, text)), copy)

    def refuse(self, source: Connection, request: Request, copy: Copy, kind: str, text: str) -> None:
        """Answer a request with an error before it gets a session."""
        self._book.drop(copy, kind, f"{kind}: {text}")
        delivery = Delivery(next(self._delivery_ids), _error_copy(copy, kind))
        failure = Failure(kind, text)
        source.put(
            Response(request.request_id, failure=failure, lamport=self._book.tick(), delivery_id=delivery.id), delivery
        )

    # Requests that are given up

    def cancel(self, source: Connection, cancel: Cancel) -> None:
        """The sender of a request no longer waits."""
        session = source.asked.get(cancel.request_id)
        if session is not None:  # else it was answered meanwhile
            self._sessions.end(session)
            self._book.record(j.FAILED, session.copy, cancel.reason or "cancelled by the sender")
            self._tell_receiver(session, cancel.reason)

    def cancel_session(self, id: str, reason: str = "") -> bool:
        """Give up a request that is not one's own: its sender gets an error. False when it has ended."""
        session = self._sessions.get(id)
        if session is None:
            return False
        text = f"The request to {session.copy.recipient} was cancelled: {reason or 'by the owner of the lab'}."
        self._tell_receiver(session, text)
        self.end_with_error(session, "RequestCancelledError", text, j.FAILED)
        return True

    def expire(self) -> None:
        """End the requests whose deadline has passed. To be called now and then."""
        for session in self._sessions.due(self._now_s()):
            allowed_s = (session.deadline_s or 0.0) - session.opened_s
            text = f"{session.copy.recipient} did not answer within {allowed_s:g} s."
            self._tell_receiver(session, text)
            self.end_with_error(session, "DeadlineExceededError", text, j.FAILED)

    def _tell_receiver(self, session: Session, why: str) -> None:
        """Tell the receiver of a request that nobody waits now, once it has the request (the fault lab may hold it)."""
        self._faultlab.cancel(session, Cancel(session.id, why))

    # Workers that are lost

    def lose(self, connection: Connection, reason: str) -> None:
        """A worker was lost, and with it the requests that it had, those that it sent, and the copies that were on
        their way to it."""
        for session in list(connection.asked_of.values()):
            text = f"The worker {connection.name} was lost ({reason}) before {session.copy.recipient} answered."
            connection.outstanding.pop(session.delivery.id, None)
            self.end_with_error(session, "WorkerLostError", text, j.LOST)
        for session in list(connection.asked.values()):
            self._sessions.end(session)
            why = f"the sender's worker {connection.name} was lost"
            self._tell_receiver(session, why)
            if not session.target.reports:
                self._book.record(j.LOST, session.copy, f"{why}, and the receiver's tells only what it replies")
        for delivery in connection.outstanding.values():
            if connection.reports or not delivery.left_ns:
                self._book.record(j.LOST, delivery.copy, f"the worker {connection.name} was lost ({reason})")
        connection.outstanding.clear()


def _error_copy(request: Copy, kind: str) -> Copy:
    """The host's own answer to a request, as the journal names it."""
    return Copy(j.RESPONSE, request.message_id, request.message_id, "", request.sender, "", kind, 0)
