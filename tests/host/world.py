"""A host without a network: its decisions, a clock that the test moves, and workers that are plain objects."""

from __future__ import annotations

from agentlab import AgentId, TopicId, TypeSubscription
from agentlab.core import journal as j
from agentlab.core.clock import LamportClock
from agentlab.core.journal import Journal
from agentlab.host.connection import Limits
from agentlab.host.router import Router
from agentlab.wire.codec import decode_plain
from agentlab.wire.frames import decode_frame, encode_frame
from agentlab.wire.parcels import Cancel, Event, Failure, Parcel, Payload, Report, Request, Response

TEXT = Payload("Text", "application/json", b'{"text": "hi"}')


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def seconds(self) -> float:
        return self.now_s

    def nanoseconds(self) -> int:
        return int(self.now_s * 1e9)


class World:
    """A router, its clock, and its workers."""

    def __init__(self, limits: Limits | None = None, default_deadline_s: float | None = 60.0) -> None:
        self.clock = Clock()
        self.router = Router(
            limits=limits,
            journal=Journal(100_000),
            default_deadline_s=default_deadline_s,
            now_ns=self.clock.nanoseconds,
            now_s=self.clock.seconds,
        )
        self.number = 0

    def worker(self, name: str, *types: str, reports: bool = True) -> Peer:
        """A worker that is connected and advertises these types."""
        self.number += 1
        return Peer(self, f"client-{self.number}", name, types, reports)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the deadlines be looked at, and the fault lab do what is due."""
        self.clock.now_s += seconds
        self.router.endings.expire()
        self.router.tick_faults()

    def events(self, kind: str = "", what: str = "") -> list[j.JournalEvent]:
        """The journal's events of a kind, and of something that happened."""
        return [e for e in self.router.journal if (not kind or e.kind == kind) and (not what or e.what == what)]

    def words(self, message_id: str) -> list[str]:
        """What happened to a message, in order: ``request sent``, …"""
        return [f"{e.kind} {e.what}" for e in self.router.journal if e.message_id == message_id]


class Peer:
    """A worker as the host's decisions see it: what it sends goes in, what is queued for it can be read."""

    def __init__(self, world: World, client_id: str, name: str, types: tuple[str, ...], reports: bool) -> None:
        self.world = world
        self.router = world.router
        self.client_id = client_id
        self.lamport = LamportClock()
        self.woken = 0
        self.connection = self.router.connect(client_id, name, reports=reports, wake=self._wake)
        for agent_type in types:
            self.router.register(client_id, agent_type)
        self.cancels: list[Cancel] = []
        """What it was told to cancel, of all that it read so far."""

    def _wake(self) -> None:
        self.woken += 1

    def subscribe(self, topic_type: str, agent_type: str) -> None:
        self.router.subscribe(self.client_id, TypeSubscription(topic_type, agent_type))

    def ask(self, request_id: str, target: str, **options: object) -> Request:
        """Send a direct message to ``target/k``."""
        request = Request(request_id, AgentId(target, "k"), TEXT, message_id=f"{self.client_id}:{request_id}")
        for name, value in options.items():
            setattr(request, name, value)
        self._stamp(request)
        self.router.receive(self.connection, request)
        return request

    def publish(self, topic_type: str, message_id: str, sender: AgentId | None = None, payload: Payload = TEXT) -> None:
        event = Event(TopicId(topic_type, "k"), payload, sender, message_id)
        self._stamp(event)
        self.router.receive(self.connection, event)

    def answer(self, request: Request, payload: Payload = TEXT, failure: Failure | None = None) -> None:
        """Handle a request that was read: report, and reply."""
        if self.connection.reports:
            self.report(request.delivery_id, j.STARTED)
            self.report(request.delivery_id, j.HANDLED if failure is None else j.FAILED)
        response = Response(request.request_id, payload, failure)
        self._stamp(response)
        self.router.receive(self.connection, response)

    def report(self, delivery_id: int, what: str) -> None:
        time_ns = self.world.clock.nanoseconds()
        self.router.book.report(self.connection, [Report(delivery_id, what, time_ns, self.lamport.tick())])

    def cancel(self, request_id: str) -> None:
        self.router.endings.cancel(self.connection, Cancel(request_id, "cancelled by the sender"))

    def read(self) -> list[Parcel]:
        """Take all that waits, as a stream would write it; a worker of ours says that it received it."""
        parcels: list[Parcel] = []
        while True:
            pieces, deliveries = self.connection.take()
            if not pieces:
                return parcels
            self.router.book.left(self.connection, deliveries)
            if not self.connection.reports:
                plain = [decode_plain(piece) for piece in pieces]
                for parcel in plain:
                    self.lamport.merge(parcel.lamport)
                parcels += plain
                continue
            frame = decode_frame(encode_frame(pieces))
            self.cancels += frame.cancels
            parcels += frame.parcels
            for parcel in frame.parcels:
                seen = self.lamport.merge(parcel.lamport)
                ids = [id for _, id in parcel.recipients] if isinstance(parcel, Event) else [parcel.delivery_id]
                for delivery_id in ids:
                    time_ns = self.world.clock.nanoseconds()
                    self.router.book.report(self.connection, [Report(delivery_id, j.RECEIVED, time_ns, seen)])

    def read_requests(self) -> list[Request]:
        return [parcel for parcel in self.read() if isinstance(parcel, Request)]

    def read_responses(self) -> list[Response]:
        return [parcel for parcel in self.read() if isinstance(parcel, Response)]

    def leave(self, reason: str = "the connection was lost") -> None:
        self.router.disconnect(self.connection, reason)

    def _stamp(self, parcel: Parcel) -> None:
        parcel.sent_ns = self.world.clock.nanoseconds()
        parcel.lamport = self.lamport.tick()
