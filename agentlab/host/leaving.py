"""Workers that leave in order: their agents go to others, and no message is lost over it.

While a worker leaves, what comes for its agents waits at the host. An agent that has nothing under way any more is
frozen, its state is carried to its new worker, and what waited for it goes there.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.router`; the worker's part is in `agentlab.worker.draining`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..core import journal as j
from ..core.exceptions import agent_not_found
from ..core.ids import AgentId
from ..wire.parcels import Event, Request
from .book import Book
from .connection import Connection, Copy, Delivery
from .directory import Directory
from .endings import Endings
from .sessions import Session, Sessions


class HeldEvent(NamedTuple):
    """A published message's copy that waits."""

    source: Connection
    event: Event
    agent: AgentId
    copy: Copy


class HeldRequest(NamedTuple):
    """A direct message that waits; its session is open all the while, so that it can end in every usual way."""

    session: Session
    request: Request


Held = HeldEvent | HeldRequest


@dataclass(frozen=True)
class Around:
    """What leaving needs of the host around it."""

    connections: Mapping[str, Connection]
    sessions: Sessions
    directory: Directory
    deliver: Callable[[Session, Request], None]
    send_event: Callable[[HeldEvent], None]
    endings: Endings
    book: Book
    now_s: Callable[[], float]


class Leaving:
    """A leaving: what waits at the host for the agents of one worker that is about to go."""

    def __init__(self, around: Around, connection: Connection) -> None:
        self._around = around
        self._connection = connection
        self._held: dict[AgentId, deque[Held]] = {}
        self._frozen: set[AgentId] = set()
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        """How many messages wait."""
        return self._count

    def is_full(self) -> bool:
        """Whether as much waits as may wait for one worker."""
        limits = self._connection.limits
        return self._count >= limits.queue_messages or self._bytes >= limits.queue_bytes

    def hold_request(self, session: Session, request: Request) -> bool:
        """Let a direct message wait; False for one that may pass, because work under way waits for its reply."""
        if request.target not in self._frozen and self._is_needed(request.cause):
            return False
        self._hold(request.target, HeldRequest(session, request), len(request.payload.data))
        return True

    def hold_event(self, held: HeldEvent) -> None:
        """Let a copy of a published message wait."""
        self._hold(held.agent, held, len(held.event.payload.data))

    def _hold(self, agent: AgentId, held: Held, size: int) -> None:
        self._held.setdefault(agent, deque()).append(held)
        self._count += 1
        self._bytes += size

    def _is_needed(self, cause: str) -> bool:
        """Whether a message was sent, directly or not, by work that is under way at this worker.

        Else an agent that asks itself, or two that ask each other, would wait for what waits for them.
        """
        if not cause:
            return False
        own = {delivery.copy.message_id for delivery in _under_way([self._connection])}
        causes: dict[str, str] | None = None
        seen = set()
        while cause and cause not in seen:
            if cause in own:
                return True
            seen.add(cause)
            if causes is None:
                everywhere = _under_way(self._around.connections.values())
                causes = {delivery.copy.message_id: delivery.copy.cause for delivery in everywhere}
            cause = causes.get(cause, "")
        return False

    def busy(self) -> set[str]:
        """The agents, as text, that have messages under way at the worker."""
        agents = {delivery.copy.recipient for delivery in _under_way([self._connection])}
        waiting = {held.session.id for queue in self._held.values() for held in queue if isinstance(held, HeldRequest)}
        agents.update(s.copy.recipient for s in self._connection.asked_of.values() if s.id not in waiting)
        return agents

    def freeze(self, agent: AgentId) -> None:
        """Nothing more goes to the agent where it is: its state is on the way."""
        self._frozen.add(agent)

    def release(self, agents: Iterable[AgentId] | None = None) -> None:
        """Send on what waited for these agents, or for all."""
        for agent in list(self._held) if agents is None else agents:
            self._frozen.discard(agent)
            for held in self._held.pop(agent, ()):
                self._count -= 1
                self._bytes -= len((held.request if isinstance(held, HeldRequest) else held.event).payload.data)
                self._send_on(held)
        if agents is None:
            self._frozen.clear()

    def release_type(self, agent_type: str) -> None:
        """Send on what waited for agents of a type that the worker has given up."""
        self.release([agent for agent in self._held if agent.type == agent_type])

    # To who has the agent now

    def _send_on(self, held: Held) -> None:
        if isinstance(held, HeldRequest):
            self._send_request(*held)
        else:
            self._around.send_event(held)

    def _send_request(self, session: Session, request: Request) -> None:
        around = self._around
        if not around.sessions.is_open(session):
            sender = session.sender
            if around.connections.get(sender.client_id) is not sender:  # the other endings are in the journal
                around.book.record(j.LOST, session.copy, f"the sender's worker {sender.name} was lost")
            return
        client_id = around.directory.holder_of(request.target)
        target = None if client_id is None else around.connections[client_id]
        if target is None:
            text = str(agent_not_found(request.target.type, around.directory.types))
            around.endings.end_with_error(session, "AgentNotFoundError", text, j.DROPPED)
        elif not target.has_room():
            text = f"Too many messages already wait at the host for {target.name}, the worker of {request.target}."
            around.endings.end_with_error(session, "QueueFullError", text, j.DROPPED)
        else:
            around.sessions.retarget(session, target)
            if session.deadline_s is not None:
                request.deadline_s = max(0.0, session.deadline_s - around.now_s())
            if target.leaving is None or not target.leaving.hold_request(session, request):
                around.deliver(session, request)


def _under_way(connections: Iterable[Connection]) -> list[Delivery]:
    return [
        delivery
        for connection in connections
        for delivery in connection.outstanding.values()
        if delivery.copy.kind != j.RESPONSE
    ]
