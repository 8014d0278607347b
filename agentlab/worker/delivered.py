"""What a worker knows of a copy that it was sent, and has not told the host yet.

Read next: `agentlab.worker.outbox`, where copies wait to be told of; `agentlab.worker.inbox`, which handles them.
"""

from __future__ import annotations

from ..core import journal as j
from ..wire.parcels import HandledFields, ReportFields


class Delivered:
    """A delivered copy: what a report about it refers to, and the steps of it that wait to be told together.

    `delivery_id` is the host's number for it, 0 of a host that wants no reports. `stream` is the connection that it
    came over: the numbers of another connection's copies and sessions may be the same. Times are on the host's clock,
    in nanoseconds since the epoch; each step has its Lamport time beside it.
    """

    __slots__ = (
        "delivery_id", "received_lamport", "received_ns", "started_lamport", "started_ns", "stream", "waits",
    )  # fmt: skip

    def __init__(self, delivery_id: int, stream: int, received_ns: int, received_lamport: int) -> None:
        self.delivery_id = delivery_id
        self.stream = stream
        self.received_ns = received_ns
        self.received_lamport = received_lamport
        self.started_ns = self.started_lamport = 0
        """When its handler began to run; 0 while it did not."""
        self.waits = True
        """Whether its steps wait to be told together. Once one was told, each further one is told by itself."""

    def row(self, time_ns: int, lamport: int) -> HandledFields:
        """All its steps, with the last one: its handler ended normally."""
        return (
            self.delivery_id, self.received_ns, self.started_ns, time_ns,
            self.received_lamport, self.started_lamport, lamport,
        )  # fmt: skip

    def part(self) -> list[ReportFields]:
        """What is known of one that waits; what comes next is told by itself."""
        self.waits = False
        known: list[ReportFields] = [(self.delivery_id, j.RECEIVED, self.received_ns, self.received_lamport, "", "")]
        if self.started_ns:
            known.append((self.delivery_id, j.STARTED, self.started_ns, self.started_lamport, "", ""))
        return known


class Untold:
    """What the host was not told yet of the copies that a worker was sent.

    Most are handled soon, and are told of in one row. Of a copy that is not, what is known is told by itself when
    `rest` has found it twice.
    """

    def __init__(self) -> None:
        self.handled: list[HandledFields] = []
        """Those that were handled."""
        self._new: list[Delivered] = []
        self._found: list[Delivered] = []
        """Those that `rest` has found once."""

    def __bool__(self) -> bool:
        return bool(self.handled or self._new or self._found)

    def add(self, copy: Delivered) -> None:
        """A copy was received."""
        self._new.append(copy)

    def end(self, copy: Delivered, time_ns: int, lamport: int) -> None:
        """A copy that waits was handled: all of it can be told."""
        copy.waits = False
        self.handled.append(copy.row(time_ns, lamport))

    def rest(self) -> list[ReportFields]:
        """What is known of the copies that are not handled since `rest` was asked before."""
        told = _told(self._found)
        self._found = [copy for copy in self._new if copy.waits]
        self._new.clear()
        return told

    def all(self) -> list[ReportFields]:
        """What is known of all copies that are not handled."""
        return self.rest() + self.rest()

    def clear(self) -> None:
        """Forget everything."""
        self.handled.clear()
        self._new.clear()
        self._found.clear()


def _told(copies: list[Delivered]) -> list[ReportFields]:
    return [report for copy in copies if copy.waits for report in copy.part()]
