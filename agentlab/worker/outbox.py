"""What a worker has to send: it waits here, in order, until a stream takes it.

Read next: `agentlab.worker.connection`, which has the stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple, TypeVar

from ..wire.codec import encode_plain
from ..wire.frames import FRAME_BYTES, FRAME_MESSAGES, Piece, encode_frame, frame_messages, piece_bytes
from ..wire.lost import PUBLISHED
from ..wire.parcels import Cancel, ClockSample, LostMessage, Parcel, ReportFields, Request, Response
from ..wire.rows import row_of
from .delivered import Delivered, Untold
from .unconfirmed import Unconfirmed

T = TypeVar("T")

FRAME_REPORTS: Final = 400
"""Reports in a frame, and copies of which it tells the whole: others wait no more for the host to read them than for
a frame of messages. A report may hold a long traceback."""

REPORT_WAIT_S: Final = 0.01
"""How long a report of a busy worker waits for a message to travel with. A frame of its own for each costs as much as
the messages do. A worker that wrote nothing for as long says at once what it received: its handler may be one that
blocks the process, or ends it."""

HIGH_WATER: Final = 2_000
"""With more messages than this unsent, a sender waits before it may go on: otherwise a loop that publishes would fill
the memory faster than the network empties it."""


class _Item(NamedTuple):
    piece: Piece
    request_id: str
    """Of a request; empty of everything else."""
    parcel: Parcel | None
    """Kept of what must be written again in the other dialect, should the next host speak that; a cancellation, which
    that dialect has no word for, has none."""


class Outbox:
    """An outbox: messages and reports that wait for the stream, and the requests that are in flight on it."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        """Set when there is something to write."""
        self.ask_due = False
        """Whether the next frame should ask the host for its time."""
        self.unconfirmed = Unconfirmed(self.ask)
        self._queue: deque[_Item] = deque()
        self._reports: list[ReportFields] = []
        self._untold = Untold()
        self._at_once = False
        """Whether the next frame should tell all that is known."""
        self._lost: list[LostMessage] = []
        """What the host should be told of."""
        self._in_flight: set[str] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._written = asyncio.Event()
        self._written.set()
        self._wrote_s = 0.0
        """When a frame was last taken, on the event loop's clock."""
        self._reports_due: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._queue or self._untold.handled or self._reports or self._lost or self._at_once)

    @property
    def in_flight(self) -> frozenset[str]:
        """The requests that were written and have no reply."""
        return frozenset(self._in_flight)

    @property
    def unsent(self) -> int:
        """How many requests and published messages wait."""
        return sum(not isinstance(item.parcel, Response | None) for item in self._queue)

    # For who sends

    def has_room(self) -> bool:
        """Whether one more message may be queued without waiting for others to leave."""
        return len(self._queue) <= HIGH_WATER

    def put(self, parcel: Parcel) -> None:
        """Queue a message, in order."""
        self._put(_Item(row_of(parcel), parcel.request_id if isinstance(parcel, Request) else "", parcel))

    async def send(self, parcel: Parcel) -> None:
        """Queue a message, in order; then, if very many wait, wait until fewer do. Who sends in a loop makes way for
        the writer now and then: else nothing would be written before the loop's end."""
        self.put(parcel)
        if len(self._queue) % FRAME_MESSAGES == 0:
            await asyncio.sleep(0)
        if len(self._queue) > HIGH_WATER:
            self._room.clear()
            await self._room.wait()

    def reply(self, response: Response) -> None:
        """Queue a reply."""
        self._put(_Item(row_of(response), "", response))

    def received(self, copy: Delivered) -> None:
        """A copy was received. It is told of when it was handled, or when a while has passed."""
        self._untold.add(copy)
        if self._reports_due is None:
            self._report_soon()

    def handled(self, copy: Delivered, time_ns: int, lamport: int) -> None:
        """A copy that waits was handled."""
        self._untold.end(copy, time_ns, lamport)
        if self._reports_due is None:
            self._report_soon()

    def part(self, copy: Delivered) -> None:
        """What is known so far of a copy that waits is told by itself, since what comes next will be."""
        self._reports += copy.part()

    def report(self, report: ReportFields) -> None:
        """Say what became of a delivered copy."""
        self._reports.append(report)
        if self._reports_due is None:
            self._report_soon()

    def _report_soon(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._wrote_s > REPORT_WAIT_S:
            self.tell_all()
        self._reports_due = loop.call_later(REPORT_WAIT_S, self._report_now)

    def _report_now(self) -> None:
        self._reports_due = None
        self._reports += self._untold.rest()
        if self._untold.handled or self._reports:
            self.wake.set()
        if self._untold:
            self._reports_due = asyncio.get_running_loop().call_later(REPORT_WAIT_S, self._report_now)

    def tell_all(self) -> None:
        """Let the next frame tell all that is known."""
        if self._untold or self._reports:
            self._at_once = True
            self.wake.set()

    def answered(self, request_id: str) -> None:
        """A request has its reply."""
        self._in_flight.discard(request_id)

    def forget(self, request_id: str, reason: str) -> None:
        """The sender of a request no longer waits: take it back if it was not sent yet, else cancel it."""
        if request_id in self._in_flight:
            self._in_flight.discard(request_id)
            self._put(_Item(Cancel(request_id, reason), "", None))
        else:
            self._queue = deque(item for item in self._queue if item.request_id != request_id)
            self._make_room()

    def _put(self, item: _Item) -> None:
        self._queue.append(item)
        self.wake.set()

    async def wait_written(self) -> None:
        """Wait until all that was queued so far is on the stream, or the stream is lost."""
        self.tell_all()
        if self.waiting:
            self._written.clear()
            self.wake.set()
        await self._written.wait()

    # For the stream

    def ask(self) -> None:
        """Let the next frame ask the host for its time."""
        self.ask_due = True
        self.wake.set()

    def settle(self, taken: int | None) -> None:
        """There is another stream to a host that took so many pieces from the last one; None when it does not know."""
        self._lost += self.unconfirmed.settle(taken)

    def next_frame(self, clock: ClockSample | None) -> bytes:
        """What has queued, as one frame of agentlab's link."""
        self._wrote_s = asyncio.get_running_loop().time()
        self._written.clear()
        unconfirmed = self.unconfirmed
        if clock is not None:
            unconfirmed.asked(clock)
        pieces: list[Piece] = []
        size = messages = 0
        most = frame_messages(len(self._queue))
        while self._queue and len(pieces) < most:
            size += piece_bytes(self._queue[0].piece)
            if pieces and size > FRAME_BYTES:
                break
            piece = self._take().piece
            if isinstance(piece, tuple):
                if piece[0] == PUBLISHED:
                    unconfirmed.keep(messages, piece)
                messages += 1  # the host takes a frame's messages first, then its cancellations, then what was lost
            pieces.append(piece)
        if self._at_once:
            self._at_once = False
            self._reports += self._untold.all()
        handled, reports, lost = _first(self._untold.handled), _first(self._reports), _first(self._lost)
        for place, message in enumerate(lost, len(pieces)):
            unconfirmed.keep(place, message)
        unconfirmed.wrote(len(pieces) + len(lost))
        return encode_frame(pieces, reports=reports, handled=handled, lost=lost, clock=clock)

    def next_plain(self) -> bytes:
        """The next message in AutoGen's dialect; empty when what waited has no form in it."""
        self._written.clear()
        self._reports.clear()  # AutoGen's host has no ear for them
        self._untold.clear()
        self._at_once = False
        self._lost.clear()
        if not self._queue:
            return b""
        item = self._take()
        return b"" if item.parcel is None else encode_plain(item.parcel)

    def _take(self) -> _Item:
        item = self._queue.popleft()
        if item.request_id:
            self._in_flight.add(item.request_id)
        self._make_room()
        return item

    def all_written(self) -> None:
        """The stream has taken everything."""
        if not self.waiting:
            self._written.set()

    def give_up(self, why: str) -> set[str]:
        """A stream was lost: return what was in flight on it, and drop what only made sense on it.

        Replies belong to sessions of the host that is gone; requests and published messages can still be sent.
        """
        self.unconfirmed.lose(why)
        self.ask_due = False
        in_flight, self._in_flight = self._in_flight, set()
        self._reports.clear()
        self._untold.clear()
        self._at_once = False
        self._queue = deque(item for item in self._queue if not isinstance(item.parcel, Response | None))
        self._written.set()
        self._make_room()
        return in_flight

    def clear(self) -> None:
        """Drop everything."""
        if self._reports_due is not None:
            self._reports_due.cancel()
            self._reports_due = None
        self._queue.clear()
        self.give_up("")
        self.unconfirmed.clear()
        self._lost.clear()

    def _make_room(self) -> None:
        if len(self._queue) <= HIGH_WATER:
            self._room.set()


def _first(items: list[T]) -> list[T]:
    """Take as many as go into a frame; in place, since thousands may wait."""
    first = items[:FRAME_REPORTS]
    del items[:FRAME_REPORTS]
    return first
