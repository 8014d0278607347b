"""The host's decisions: what becomes of every message, and of every request when a process is lost.

Pure: no gRPC, no asyncio. What happens comes in as plain calls; what should be written goes into the connections'
queues; all of it into the book. Read next: `agentlab.host.endings`, `agentlab.host.book`, `agentlab.host.service`.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from itertools import count

from ..core import journal as j
from ..core.exceptions import agent_not_found
from ..core.journal import Journal
from ..core.subscriptions import Subscription
from ..wire.faults import Rule
from ..wire.parcels import ATTEMPT, Failure, Parcel, Request, Response, WireError
from ..wire.rows import name_text
from ..wire.watching import SessionInfo, Snapshot, WorkerInfo
from .book import Book, one_text
from .connection import Connection, Copy, Delivery, LimitError, Limits
from .directory import Directory
from .endings import Endings
from .faultlab import FaultLab, Host
from .leaving import Around, Leaving
from .publishing import Publisher
from .sessions import LATE, Session, Sessions


class Router:
    """A router: takes what the workers send, and decides where each message goes.

    `default_deadline_s` ends the requests of workers that state no deadline of their own (AutoGen's never do).
    A worker that the fault lab cuts off is taken for lost after `silence_s` seconds. `now_ns` (since the epoch) and
    `now_s` (monotonic) are the clocks.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        journal: Journal | None = None,
        default_deadline_s: float | None = 60.0,
        record_payload_bytes: int = 0,
        silence_s: float = 10.0,
        now_ns: Callable[[], int] = time.time_ns,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.book = Book(journal, payload_bytes=record_payload_bytes, now_ns=now_ns)
        self.directory = Directory()
        self.sessions = Sessions()
        self.connections: dict[str, Connection] = {}
        """The connected workers, by client id."""
        self._taken: OrderedDict[str, int] = OrderedDict()
        """How much was taken from connections that ended, by resume token."""
        self._default_deadline_s = default_deadline_s
        self._now_s = now_s
        self._delivery_ids = count(1)
        self.faultlab = FaultLab(
            Host(
                self.connections, self.book, self._delivery_ids.__next__, self.sessions.is_open, now_s, silence_s,
            )
        )  # fmt: skip
        self._faults: FaultLab | None = None
        """The fault lab, while it has anything to do: messages ask it only then."""
        self.endings = Endings(self.book, self.sessions, self.faultlab, self._delivery_ids, now_s)
        self._publisher = Publisher(
            self.connections, self.directory, self.book, self._delivery_ids, self.limits, lambda: self._faults
        )
        self._around_leaving = Around(
            self.connections, self.sessions, self.directory, self._deliver, self._publisher.send_on,
            self.endings, self.book, now_s,
        )  # fmt: skip

    @property
    def journal(self) -> Journal:
        """What happened to every message."""
        return self.book.journal

    @property
    def counters(self) -> Counter[str]:
        """How many messages were refused or dropped, by reason."""
        return self.book.counters

    # Workers

    def connect(
        self,
        client_id: str,
        name: str,
        *,
        reports: bool,
        pid: int = 0,
        address: str = "",
        resume_token: str = "",
        wake: Callable[[], None] = lambda: None,
    ) -> Connection:
        """A worker's stream opened. With the `resume_token` of an earlier connection, it takes that one's place.

        Raises ValueError when a connected worker has this client id, LimitError when too many are connected.
        """
        if client_id in self.connections:
            raise ValueError(f"The client id {client_id!r} is in use by a connected worker.")
        if resume_token:
            for earlier in list(self.connections.values()):
                if earlier.resume_token == resume_token:
                    self.disconnect(earlier, "its worker connected again")
        if len(self.connections) >= self.limits.workers:
            self.book.counters["too many workers"] += 1
            raise LimitError(f"{len(self.connections):,} workers are connected, and the host takes no more.")
        taken = {connection.name for connection in self.connections.values()} | {j.HOST}
        base = name or f"worker-{client_id[:8]}"
        lane = next(text for n in count(1) if (text := base if n == 1 else f"{base}-{n}") not in taken)
        connection = Connection(client_id, lane, self.limits, reports=reports, pid=pid, address=address, wake=wake)
        self.connections[client_id] = connection
        self.book.note(lane, j.JOINED, f"pid {pid}" if pid else "")
        for why in self.directory.connect(client_id, lane):
            self.book.note(lane, j.REFUSED, why)
        for agent_type in self.directory.types_of(client_id):
            self.book.note(lane, j.ADVERTISED, type=agent_type)
        return connection

    def disconnect(self, connection: Connection, reason: str) -> None:
        """A worker's stream ended. All that depended on it ends too; doing it twice does nothing."""
        if self.connections.get(connection.client_id) is not connection:
            return
        del self.connections[connection.client_id]
        self._taken[connection.resume_token] = connection.taken
        if len(self._taken) > self.limits.workers:
            self._taken.popitem(last=False)
        connection.close(reason)
        if self._faults is not None:
            self._faults.lost(connection)
        self.directory.disconnect(connection.client_id)
        self.book.note(connection.name, j.GONE, reason)
        leaving, connection.leaving = connection.leaving, None
        if leaving is not None:
            leaving.release()  # to who has its agents now
        self.endings.lose(connection, reason)

    def taken(self, resume_token: str) -> int | None:
        """How many messages, cancellations and lost messages were taken from a connection that ended; None for one that
        is not known."""
        return self._taken.get(resume_token)

    def register(self, client_id: str, agent_type: str, *, shared: bool = False) -> None:
        """A worker advertises a type; `shared`: others may too. Raises ValueError, LimitError."""
        if self.directory.counts(client_id)[0] >= self.limits.types:
            raise LimitError(f"A worker may advertise {self.limits.types:,} agent types, and this one does.")
        if self.directory.register(client_id, agent_type, shared=shared):
            self.book.note(self.connections[client_id].name, j.ADVERTISED, type=agent_type)

    def withdraw(self, client_id: str, agent_type: str) -> None:
        """A worker gives up a type. Raises ValueError."""
        self.directory.withdraw(client_id, agent_type)
        connection = self.connections[client_id]
        self.book.note(connection.name, j.WITHDRAWN, type=agent_type)
        if connection.leaving is not None:
            connection.leaving.release_type(agent_type)

    def subscribe(self, client_id: str, subscription: Subscription) -> None:
        """Raises ValueError when an equal one exists, LimitError."""
        if self.directory.counts(client_id)[1] >= self.limits.subscriptions:
            raise LimitError(f"A worker may have {self.limits.subscriptions:,} subscriptions, and this one has.")
        self.directory.subscribe(client_id, subscription)

    def unsubscribe(self, client_id: str, id: str) -> None:
        """Raises ValueError for an unknown id, PermissionError for another worker's subscription."""
        self.directory.unsubscribe(client_id, id)

    # Messages

    def receive(self, source: Connection, parcel: Parcel) -> None:
        """A worker sent a message."""
        if isinstance(parcel, Request):
            self._request(source, parcel)
        elif isinstance(parcel, Response):
            self._response(source, parcel)
        else:
            self._publisher.publish(source, parcel)

    def reject(self, source: Connection, error: WireError) -> None:
        """A worker sent something illegal. Whoever waits for an answer because of it is told: the sender of an illegal
        request, or the one whose request was answered so."""
        why = str(error)
        self.book.counters["illegal"] += 1
        self.book.note(source.name, j.REFUSED, why)
        if error.request_id:
            source.put(Response(error.request_id, failure=Failure("UndeliverableException", why)))
        session = source.asked_of.get(error.answers)
        if session is not None:
            text = f"{session.copy.recipient} on {source.name} answered with something illegal: {why}"
            self.endings.end_with_error(session, "UndeliverableException", text, j.FAILED)

    def _request(self, source: Connection, request: Request) -> None:
        payload = request.payload
        message_id = request.message_id or f"{source.name}:{request.request_id}"
        sender = "" if request.sender is None else name_text(request.sender)
        target_text, size = name_text(request.target), len(payload.data)
        copy = Copy(j.REQUEST, message_id, request.cause, sender, target_text, "", one_text(payload.type), size)
        attempt = request.metadata.get(ATTEMPT, "1") if request.metadata else "1"
        detail = f"attempt {attempt:.10}" if attempt != "1" else ""
        self.book.arrived(source, copy, request.sent_ns, request.lamport, payload.data, detail)
        if size > self.limits.max_message_bytes:
            return self.endings.refuse(source, request, copy, "PayloadTooLargeError", self.limits.too_large(size))
        holder = self.directory.holder_of(request.target)
        if holder is None:
            text = str(agent_not_found(request.target.type, self.directory.types))
            return self.endings.refuse(source, request, copy, "AgentNotFoundError", text)
        target = self.connections[holder]
        if not target.has_room() or (target.leaving is not None and target.leaving.is_full()):
            text = f"{len(target)} messages already wait at the host for {target.name}, the worker of {target_text}."
            return self.endings.refuse(source, request, copy, "QueueFullError", text)
        if len(source.asked) >= self.limits.sessions:
            text = f"{len(source.asked):,} requests of {source.name} already wait for their replies."
            return self.endings.refuse(source, request, copy, "QueueFullError", text)
        delivery = Delivery(next(self._delivery_ids), copy)
        now_s = self._now_s()
        allowed_s = self._default_deadline_s if request.deadline_s is None else request.deadline_s
        deadline_s = None if allowed_s is None or math.isinf(allowed_s) else now_s + allowed_s
        try:
            session = self.sessions.open(source, request.request_id, target, delivery, now_s, deadline_s)
        except ValueError as error:
            # No error goes back: its request id names the other, honest request.
            self.book.counters["request id in use"] += 1
            return self.book.record(j.DROPPED, copy, str(error))
        request.request_id = session.id
        request.message_id = message_id
        request.deadline_s = allowed_s
        request.delivery_id = delivery.id
        if target.leaving is not None and target.leaving.hold_request(session, request):
            return None
        return self._deliver(session, request)

    def _deliver(self, session: Session, request: Request) -> None:
        if self._faults is not None:
            return self._faults.request(session, request)
        request.lamport = self.book.tick()
        session.target.put(request, session.delivery)
        return None

    def _response(self, source: Connection, response: Response) -> None:
        session = source.asked_of.get(response.request_id)
        payload, failure = response.payload, response.failure
        request = session.copy if session is not None else self.sessions.ended(response.request_id)
        if request is None:
            self.book.counters["unasked reply"] += 1
            return self.book.note(
                source.name, j.REFUSED, f"a reply to {response.request_id!r:.100}, which nobody asked for"
            )
        copy = Copy(
            j.RESPONSE, request.message_id, request.message_id, request.recipient, request.sender, "",
            one_text(failure.kind if failure is not None else payload.type or "None"), len(payload.data),
        )  # fmt: skip
        self.book.arrived(source, copy, response.sent_ns, response.lamport, payload.data)
        if session is None:
            self.book.counters["late reply"] += 1
            return self.book.record(j.DROPPED, copy, LATE)
        if not source.reports:  # the only word we get of what became of the request
            what = j.HANDLED if failure is None else j.FAILED
            self.book.record(what, request, failure.text if failure else "", process=source.name)
        if len(payload.data) > self.limits.max_message_bytes:
            text = f"The reply of {request.recipient} is too large. {self.limits.too_large(len(payload.data))}"
            self.book.record(j.DROPPED, copy, text)
            response.payload, response.failure = type(payload)("", "", b""), Failure("PayloadTooLargeError", text)
        if self._faults is not None:
            return self._faults.response(session, copy, lambda: self._finish(session, response, copy))
        self.sessions.end(session, answered=True)
        self.endings.answer(session, response, copy)
        return None

    def _finish(self, session: Session, response: Response, copy: Copy) -> None:
        """A reply that the fault lab held goes on; its twin may have ended the session before."""
        if self.sessions.is_open(session):
            self.sessions.end(session, answered=True)
        self.endings.answer(session, response, copy)

    # Workers that leave in order

    def leave(self, client_id: str) -> None:
        """A worker is about to leave. Raises ValueError for one that is not connected, or gives no reports."""
        connection = self.connections.get(client_id)
        if connection is None or not connection.reports:
            raise ValueError("Only a worker that is connected, and speaks agentlab's link, can leave in order.")
        if connection.leaving is None:
            if self._faults is not None:
                self._faults.hurry(connection)
            connection.leaving = Leaving(self._around_leaving, connection)
            self.directory.leave(client_id)
            self.book.note(connection.name, j.LEAVING)

    def stay(self, client_id: str) -> None:
        """A worker does not leave after all: what waited goes to whoever has its agents."""
        connection = self.connections.get(client_id)
        if connection is not None and connection.leaving is not None:
            leaving, connection.leaving = connection.leaving, None
            self.directory.stay(client_id)
            self.book.note(connection.name, j.STAYING)
            leaving.release()

    # The fault lab

    def set_fault(self, rule: Rule) -> int:
        """Set a rule of the fault lab; returns its number. Raises ValueError when there are too many."""
        self._faults = self.faultlab
        return self.faultlab.add(rule)

    def remove_faults(self, numbers: Iterable[int] = ()) -> None:
        """Remove rules of the fault lab, or all of them."""
        self.faultlab.remove(numbers)
        self.tick_faults()

    def tick_faults(self) -> float | None:
        """Let the fault lab do what is due; returns in how many seconds it has to do something again, None for never.
        To be called then, and whenever it says that this moment may have changed."""
        next_s = self.faultlab.tick()
        if self.faultlab.idle:
            self._faults = None
        return next_s

    # What is known

    def snapshot(self) -> Snapshot:
        """Who is connected, who advertises what, which sessions are open."""
        now_s, journal = self._now_s(), self.book.journal
        workers = [
            WorkerInfo(
                c.name, c.client_id, c.pid, c.address, c.reports, len(c),
                self.directory.types_of(c.client_id), self.directory.subscriptions_of(c.client_id),  # type: ignore[arg-type]
            )
            for c in self.connections.values()
        ]  # fmt: skip
        sessions = [
            SessionInfo(
                s.id, s.copy.message_id, s.copy.sender, s.sender.name, s.copy.recipient, s.target.name, s.copy.type,
                now_s - s.opened_s, None if s.deadline_s is None else s.deadline_s - now_s,
            )
            for s in self.sessions
        ]  # fmt: skip
        return Snapshot(workers, sessions, journal.last_seq, journal.let_go, dict(self.book.counters))
