"""What a worker knows of a copy that it was sent, and has not told the host yet.

Read next: `agentlab.worker.outbox`, where copies wait to be told of; `agentlab.worker.inbox`, which handles them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core import journal as j
from ..wire.parcels import HandledFields, ReportFields


class Delivered:
    """A delivered copy: what a report about it refers to, and the steps of it that wait to be told together.

    `delivery_id` is the host's number for it, 0 of a host that wants no reports. `stream` is the connection that it
    came over: the numbers of another connection's copies and sessions may be the same. Times are on the host's clock,
    in nanoseconds since the epoch; each step has its Lamport time beside it.
    """

    __slots__ = (
        "delivery_id", "handled_lamport", "handled_ns", "received_lamport", "received_ns", "started_lamport",
        "started_ns", "stream", "waits",
    )  # fmt: skip

    def __init__(self, delivery_id: int, stream: int, received_ns: int, received_lamport: int) -> None:
        self.delivery_id = delivery_id
        self.stream = stream
        self.received_ns = received_ns
        self.received_lamport = received_lamport
        self.started_ns = self.started_lamport = 0
        self.handled_ns = self.handled_lamport = 0
        self.waits = True
        """Whether its steps wait to be told together. Once one was told, each further one is told by itself."""

    def started(self, time_ns: int, lamport: int) -> None:
        """Its handler began to run."""
        self.started_ns, self.started_lamport = time_ns, lamport

    def handled(self, time_ns: int, lamport: int) -> None:
        """Its handler ended normally."""
        self.handled_ns, self.handled_lamport = time_ns, lamport

    def row(self) -> HandledFields:
        """All its steps, of one that was handled."""
        return (
            self.delivery_id, self.received_ns, self.started_ns, self.handled_ns,
            self.received_lamport, self.started_lamport, self.handled_lamport,
        )  # fmt: skip

    def reports(self) -> Iterator[ReportFields]:
        """What is known of one that was not handled yet."""
        yield self.delivery_id, j.RECEIVED, self.received_ns, self.received_lamport, "", ""
        if self.started_ns:
            yield self.delivery_id, j.STARTED, self.started_ns, self.started_lamport, "", ""
