"""The host's side of one worker: what waits for it, and what it has that nobody heard of since.

Pure: no gRPC, no asyncio. Read next: `agentlab.host.sessions`.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..wire.channel import MESSAGE_BYTES
from ..wire.codec import encode_plain
from ..wire.frames import FRAME_BYTES, Piece, frame_messages, piece_bytes
from ..wire.parcels import Cancel, Event, Parcel
from ..wire.rows import Row, row_bytes, row_of

if TYPE_CHECKING:
    from .leaving import Leaving
    from .sessions import Session


class LimitError(ValueError):
    """A worker asked for more than it may have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may cost the host; beyond it, messages are refused or dropped, and counted."""

    max_message_bytes: int = MESSAGE_BYTES
    """The largest payload. With its envelope it still fits into the 4 MiB that gRPC, and so AutoGen, takes by
    default."""
    queue_messages: int = 10_000
    """Messages that may wait for a worker that does not read them."""
    queue_bytes: int = 64 * 1024 * 1024
    """Bytes that may wait for a worker that does not read them."""
    outstanding: int = 100_000
    """Copies that a worker may have without having said what became of them."""
    sessions: int = 50_000
    """Direct messages of a worker's agents that may wait for their replies."""
    types: int = 1_000
    """Agent types that a worker may advertise."""
    subscriptions: int = 4_000
    """Subscriptions that a worker may have."""
    registrations_per_s: float = 1_000.0
    """How fast a worker may register and subscribe, after the first `types` + `subscriptions` at once."""
    request_bytes: int = 64 * 1024
    """The largest call that is no message: a registration, a subscription, a question of the owner's."""
    metadata_bytes: int = 8 * 1024
    """The gRPC metadata of a call."""
    streams: int = 100
    """Calls at once on one network connection; a worker of ours needs three."""
    workers: int = 1_000
    """Workers that may be connected at once: the host's limit, not one worker's."""

    def too_large(self, size: int) -> str:
        """What is said of a payload that is larger than `max_message_bytes`."""
        return f"The payload has {size:,} bytes, and the host takes {self.max_message_bytes:,}."


class Copy(NamedTuple):
    """A message copy, as the journal names it: fields of `agentlab.core.journal.JournalEvent`."""

    kind: str
    message_id: str
    cause: str
    sender: str
    recipient: str
    topic: str
    type: str
    size: int


class Delivery:
    """A delivery: one copy on its way to one worker."""

    __slots__ = ("copy", "id", "lamport", "left_ns")

    def __init__(self, id: int, copy: Copy) -> None:
        self.id = id
        self.copy = copy
        self.left_ns = 0
        """When the host wrote it to the stream; 0 while it waits."""
        self.lamport = 0
        """The host's logical time in it, which its receiver's times will all be later than."""


class _Item(NamedTuple):
    piece: Piece | bytes
    """Of a frame; or a plain message."""
    size: int
    deliveries: Sequence[Delivery]


class Connection:
    """A connection: one worker's stream, as the host's decisions see it.

    `reports` says whether the worker speaks agentlab's link; if not, it gets AutoGen's plain messages, and nothing is
    known of a copy after it left. `wake` is called when there is something to write, or the connection was closed.
    """

    def __init__(
        self,
        client_id: str,
        name: str,
        limits: Limits,
        *,
        reports: bool,
        pid: int = 0,
        address: str = "",
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.client_id = client_id
        self.name = name
        self.limits = limits
        self.reports = reports
        self.pid = pid
        self.address = address
        self.wake = wake
        self.closed = ""
        """Why the host closed it; empty while it is open."""
        self.cut = ""
        """Why nothing is read from it and written to it, as if the network were cut; empty while it is not."""
        self.resume_token = secrets.token_hex(16)
        self.asked: dict[str, Session] = {}
        """The open sessions that this worker's agents wait in, by its own request id."""
        self.asked_of: dict[str, Session] = {}
        """The open sessions that this worker's agents should answer, by session id."""
        self.outstanding: dict[int, Delivery] = {}
        """The copies it was sent, or that wait, of which nobody heard since."""
        self.taken = 0
        """How many messages, cancellations and lost messages were taken from its stream."""
        self.leaving: Leaving | None = None
        """What waits for its agents to move, while it is about to leave."""
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._queue)

    def has_room(self) -> bool:
        """Whether one more message may wait."""
        return not self.is_full() and len(self.outstanding) < self.limits.outstanding

    def is_full(self) -> bool:
        """Whether more waits than should: then nothing more is read from it, whose answers would wait too."""
        return len(self._queue) >= self.limits.queue_messages or self._queued_bytes >= self.limits.queue_bytes

    def put(self, parcel: Parcel, *deliveries: Delivery) -> None:
        """Queue a message. A reply is queued even when there is no room: its receiver asked for it."""
        self._put_message(parcel, row_of(parcel) if self.reports else None, deliveries)

    def put_event(self, event: Event, row: Row, deliveries: list[Delivery]) -> None:
        """Queue a published message for some of this worker's agents. `row` is the message, whoever receives it."""
        recipients = [(delivery.copy.recipient, delivery.id) for delivery in deliveries]
        self._put_message(event, (*row[:-1], recipients) if self.reports else None, deliveries)

    def _put_message(self, parcel: Parcel, row: Row | None, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            delivery.lamport = parcel.lamport
            self.outstanding[delivery.id] = delivery
        if row is not None:
            self._put(row, row_bytes(row), deliveries)
        else:
            plain = encode_plain(parcel)
            self._put(plain, len(plain), deliveries)

    def put_cancel(self, cancel: Cancel) -> None:
        """Queue a cancellation; a plain worker has no way to hear of it."""
        if self.reports:
            self._put(cancel, piece_bytes(cancel), ())

    def _put(self, piece: Piece | bytes, size: int, deliveries: Sequence[Delivery]) -> None:
        self._queue.append(_Item(piece, size, deliveries))
        self._queued_bytes += size
        self.wake()

    def take(self) -> tuple[list[Any], list[Delivery]]:
        """Take what should be written next: pieces for one frame, or the bytes of one plain message; and whose copies
        they are."""
        pieces: list[Any] = []
        deliveries: list[Delivery] = []
        queue, size = self._queue, 0
        most = frame_messages(len(queue)) if self.reports else 1
        while queue and (not pieces or (len(pieces) < most and size + queue[0].size <= FRAME_BYTES)):
            piece, piece_size, of = queue.popleft()
            pieces.append(piece)
            deliveries.extend(of)
            size += piece_size
        self._queued_bytes -= size
        return pieces, deliveries

    def close(self, reason: str) -> None:
        """End the stream from the host's side."""
        self.closed = self.closed or reason
        self.wake()
