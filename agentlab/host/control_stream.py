"""A client's open control stream at the host: AutoGen's questions about agents' states, and their answers.

Read next: `agentlab.host.control`, which decides where they go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from ..wire.codec import LARGEST_ENVELOPE
from ..wire.control import decode_control
from ..wire.parcels import WireError
from .book import Book
from .connection import Limits
from .control import ControlDesk
from .message_stream import Context, read, until_one_ends

CONTROL_QUEUE: Final = 1000
"""Control messages that may wait for a client that does not read them; then the oldest go. Likewise bytes, of which
as many may wait as of messages."""


class ControlStream:
    """A control stream: one client's open stream of control messages. Reads into the control desk, writes what the desk
    sends. `note` writes down what is wrong with what the client sent."""

    def __init__(
        self,
        client_id: str,
        context: Context,
        desk: ControlDesk,
        book: Book,
        limits: Limits,
        note: Callable[[str], None],
    ) -> None:
        self._client_id = client_id
        self._context = context
        self._desk = desk
        self._book = book
        self._limits = limits
        self._note = note
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()

    def send(self, data: bytes) -> None:
        """Queue a control message for the client."""
        self._queue.append(data)
        self._queued_bytes += len(data)
        while len(self._queue) > CONTROL_QUEUE or self._queued_bytes > self._limits.queue_bytes:
            self._queued_bytes -= len(self._queue.popleft())
            self._book.counters["control message dropped"] += 1
        self._wake.set()

    async def run(self, closing: asyncio.Event) -> None:
        """Until either side ends the stream, it is lost, or the host is `closing`. The desk then knows it no more."""
        try:
            reading = read(self._context, self._receive, lambda error: self._note(str(error)))
            await until_one_ends(reading, self._write(closing), closing.wait())
        finally:
            self._desk.disconnect(self._client_id)

    def _receive(self, data: bytes) -> None:
        most = self._limits.max_message_bytes
        if len(data) > most + LARGEST_ENVELOPE:
            raise WireError(f"it has {len(data):,} bytes, and its content may have {most:,}")
        problem = self._desk.receive(self._client_id, decode_control(data))
        if problem:
            self._note(f"control message: {problem}")

    async def _write(self, closing: asyncio.Event) -> None:
        while not closing.is_set():
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                data = self._queue.popleft()
                self._queued_bytes -= len(data)
                await self._context.write(data)
