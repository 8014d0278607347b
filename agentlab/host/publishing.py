"""Published messages at the host: each goes to all who subscribe to its topic, wherever they are.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.directory`, which knows who they are; `agentlab.host.router`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..core import journal as j
from ..wire.parcels import Event
from ..wire.rows import Row, name_text, row_of
from .book import Book, one_text
from .connection import Connection, Copy, Delivery, Limits
from .directory import Directory, Receivers
from .faultlab import FaultLab
from .leaving import HeldEvent


class Publisher:
    """A publisher: makes a copy of a published message for each agent that receives it, and sends each worker its own.

    `faults` gives the fault lab, while that has anything to do.
    """

    def __init__(
        self,
        connections: Mapping[str, Connection],
        directory: Directory,
        book: Book,
        delivery_ids: Iterator[int],
        limits: Limits,
        faults: Callable[[], FaultLab | None],
    ) -> None:
        self._connections = connections
        self._directory = directory
        self._book = book
        self._delivery_ids = delivery_ids
        self._limits = limits
        self._faults = faults

    def publish(self, source: Connection, event: Event) -> None:
        """A worker published a message."""
        payload = event.payload
        event.message_id = event.message_id or f"{source.name}:event-{next(self._delivery_ids)}"
        topic, sender = name_text(event.topic), "" if event.sender is None else name_text(event.sender)
        copy = Copy(
            j.EVENT, event.message_id, event.cause, sender, "", topic, one_text(payload.type), len(payload.data)
        )
        self._book.arrived(source, copy, event.sent_ns, event.lamport, payload.data)
        if copy.size > self._limits.max_message_bytes:
            return self._book.drop(copy, "too large", self._limits.too_large(copy.size))
        routes = self._directory.routes(event.topic)
        if event.sender is not None:
            routes = [(client_id, [one for one in agents if one[0] != event.sender]) for client_id, agents in routes]
        if not any(agents for _, agents in routes):
            return self._book.drop(copy, "no subscriber", f"nobody subscribes to {topic}")
        event.lamport = self._book.tick()
        row = row_of(event)
        for client_id, agents in routes:
            target = None if client_id is None else self._connections[client_id]
            if target is None or target.leaving is not None or not target.has_room():
                for agent, text in agents:
                    self.send_on(HeldEvent(source, event, agent, copy._replace(recipient=text)))
            elif agents:
                self._send(source, event, row, target, agents, copy)
        return None

    def send_on(self, held: HeldEvent) -> None:
        """A copy goes to who has its agent now; it waits if that worker is about to leave."""
        source, event, agent, copy = held
        client_id = self._directory.holder_of(agent)
        if client_id is None:
            return self._book.drop(copy, "nobody advertises", f"nobody advertises the type {agent.type!r}")
        target = self._connections[client_id]
        if not target.has_room() or (target.leaving is not None and target.leaving.is_full()):
            text = f"too many messages already wait at the host for {target.name}"
            return self._book.drop(copy, "queue full", text)
        if target.leaving is not None:
            return target.leaving.hold_event(held)
        event.lamport = self._book.tick()
        return self._send(source, event, row_of(event), target, [(agent, copy.recipient)], copy)

    def _send(
        self, source: Connection, event: Event, row: Row, target: Connection, agents: Receivers, copy: Copy
    ) -> None:
        """The copies for one worker's agents go there. `row` is the message, whoever receives it."""
        kind, message_id, cause, sender, _, topic, type_, size = copy
        new, ids = tuple.__new__, self._delivery_ids  # the named tuple's own way takes twice as long
        deliveries = [
            Delivery(next(ids), new(Copy, (kind, message_id, cause, sender, text, topic, type_, size)))
            for _, text in agents
        ]
        faults = self._faults()
        if faults is None:
            target.put_event(event, row, deliveries)
        else:
            faults.event(
                source, event, target, [(agent, own) for (agent, _), own in zip(agents, deliveries, strict=True)]
            )
