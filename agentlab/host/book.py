"""What the host writes down: the journal's events at the host's time, and how many messages it turned away.

Pure: no gRPC, no asyncio. Read next: `agentlab.core.journal`, which keeps the events; `agentlab.host.router`, which
decides what they are about.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ..core import journal as j
from ..core.clock import LamportClock
from ..core.journal import Journal
from ..wire.parcels import HandledFields, LostMessage, ReportFields
from .connection import Connection, Copy, Delivery


@lru_cache(maxsize=4096)
def one_text(text: str) -> str:
    """The text as one object for all messages that have it, since the journal keeps very many of them. (Interned, some
    releases of Python would keep it for ever, and a worker can send very many.)"""
    return text


_HANDLED: Final = [j.RECEIVED, j.STARTED, j.HANDLED]


class Book:
    """A book: writes into the journal what happens at the host, and what workers say that happened at theirs.

    The host's two clocks are here: `now_ns` (since the epoch), and the Lamport clock, which `tick` moves on. Of what a
    message says, the first `payload_bytes` are kept.
    """

    def __init__(
        self, journal: Journal | None = None, *, payload_bytes: int = 0, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.journal = journal if journal is not None else Journal()
        self.counters: Counter[str] = Counter()
        """How many messages were refused or dropped, by reason."""
        self._payload_bytes = payload_bytes
        self._now_ns = now_ns
        self._clock = LamportClock()
        self.tick = self._clock.tick
        """The next Lamport time."""

    # What happens at the host

    def note(self, process: str, what: str, detail: str = "", *, type: str = "") -> None:
        """Write down what happened to a process."""
        self.journal.append(what, j.PROCESS, "", "", "", "", "", process, type, 0, self._now_ns(), self.tick(), detail)

    def record(self, what: str, copy: Copy, detail: str = "", *, process: str = j.HOST) -> None:
        """Write down what happened to a copy of a message."""
        self.journal.write(what, copy, process, self._now_ns(), self.tick(), detail)

    def drop(self, copy: Copy, reason: str, detail: str) -> None:
        """A copy goes no further: write it down, and count it under its reason."""
        self.counters[reason] += 1
        self.record(j.DROPPED, copy, detail)

    def arrived(
        self, source: Connection, copy: Copy, sent_ns: int, sent_lamport: int, data: bytes, detail: str = ""
    ) -> None:
        """A message was read from a worker's stream. It says when it was sent: this is written down as well."""
        now = self._now_ns()
        write, name = self.journal.write, source.name
        if sent_ns:  # a worker that does not say is drawn with the host's times alone
            write(j.SENT, copy, name, min(sent_ns, now), sent_lamport, detail)
        texts = (name, "", data[: self._payload_bytes]) if self._payload_bytes else name
        write(j.ARRIVED, copy, j.HOST, now, self._clock.merge(sent_lamport), texts)

    def left(self, connection: Connection, deliveries: list[Delivery]) -> None:
        """These copies were written to a worker's stream."""
        now = self._now_ns()
        copies, lamports = [], []
        for delivery in deliveries:
            delivery.left_ns = now
            copies.append(delivery.copy)
            lamports.append(delivery.lamport)
            if not connection.reports and delivery.copy.kind != j.REQUEST:
                connection.outstanding.pop(delivery.id, None)  # a plain worker will never speak of it
        number = len(copies)
        self.journal.write_all([j.LEFT] * number, copies, j.HOST, [now] * number, lamports, connection.name)

    # What workers say

    def report(self, source: Connection, reports: list[ReportFields]) -> None:
        """A worker says what became of copies that it was sent."""
        write, name = self.journal.write, source.name
        for delivery_id, what, time_ns, lamport, detail, trace in reports:
            delivery = source.outstanding.get(delivery_id)
            if delivery is None:
                self.counters["unknown report"] += 1
                continue
            if what in j.ENDINGS or delivery.copy.kind == j.RESPONSE:
                del source.outstanding[delivery_id]
            # The clock estimate may be a little off; nothing is received before it was sent.
            texts = (detail, trace, "") if trace else detail
            write(what, delivery.copy, name, max(time_ns, delivery.left_ns), lamport, texts)

    def handled(self, source: Connection, handled: list[HandledFields]) -> None:
        """A worker says that it received, started and handled these copies, of which it has not spoken before."""
        outstanding = source.outstanding
        copies: list[Copy] = []
        times: list[int] = []
        lamports: list[int] = []
        for delivery_id, received_ns, started_ns, handled_ns, received, started, ended in handled:
            delivery = outstanding.pop(delivery_id, None)
            if delivery is None:
                self.counters["unknown report"] += 1
                continue
            copy, left_ns = delivery.copy, delivery.left_ns
            if received_ns < left_ns:  # as above
                received_ns, started_ns, handled_ns = left_ns, max(started_ns, left_ns), max(handled_ns, left_ns)
            copies += copy, copy, copy
            times += received_ns, started_ns, handled_ns
            lamports += received, started, ended
        self.journal.write_all(_HANDLED * (len(copies) // 3), copies, source.name, times, lamports)

    def lost(self, source: Connection, lost: LostMessage) -> None:
        """A worker says that a message it published on its last stream never arrived."""
        message_id, cause, sender, topic, type_, size, sent_ns, lamport, detail = lost
        copy = Copy(j.EVENT, message_id, cause, sender, "", topic, type_, size)
        now = self._now_ns()
        self._clock.merge(lamport)
        self.journal.write(j.SENT, copy, source.name, min(sent_ns, now), lamport)
        self.counters["lost on the way"] += 1
        self.record(j.LOST, copy, detail, process=source.name)
