"""A worker's open stream at the host: what is read goes into the router, what the router queued is written.

Read next: `agentlab.host.connection`, which has what waits to be written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from ..wire.frames import encode_frame
from ..wire.parcels import ClockSample, WireError
from ..wire.writing import Writer
from .connection import Connection
from .router import Router

logger = logging.getLogger("agentlab.host")

Context = grpc.aio.ServicerContext[bytes, bytes]


class MessageStream:
    """A message stream: the open stream of one worker. Reads into the router, writes what the router queued."""

    connection: Connection

    def __init__(self, router: Router, context: Context, woken: set[MessageStream]) -> None:
        """`woken` gets every stream of the host that was given something to write."""
        self._router = router
        self._context = context
        self._woken = woken
        self._clock: ClockSample | None = None
        self._taken = asyncio.Event()
        self._wake = asyncio.Event()
        self._writer = Writer(context.write, self._next, self._waits, self._wake)
        self.said_goodbye = False
        """Whether the worker said that it stops. The end of a killed worker's stream can look like an orderly one."""

    def answer_clock(self, sample: ClockSample) -> None:
        """Let the next frame carry the answer to a clock sample."""
        self._clock = sample
        self._wake.set()

    def wake(self) -> None:
        """There is something to write, or the connection was closed."""
        self._wake.set()
        self._woken.add(self)

    def heard(self) -> None:
        """A frame was read from this stream."""
        self._writer.pace.heard()

    def begin_writing(self) -> None:
        """Begin to write what was queued; see `Writer.begin`."""
        self._writer.begin()

    async def run(self, receive: Callable[[bytes], Iterator[None] | None]) -> None:
        """Until either side ends the stream, or it is lost."""
        reason = "the connection was lost"
        try:
            done = await until_one_ends(read(self._context, receive, self._reject, self._until_it_reads), self._write())
            reason = self.connection.closed or ("stopped" if self.said_goodbye else done)
        finally:
            self._router.disconnect(self.connection, reason)
            logger.info("Worker %s left: %s", self.connection.name, self.connection.closed)

    def _reject(self, error: WireError) -> None:
        self._router.reject(self.connection, error)

    def _until_it_reads(self) -> Awaitable[None] | None:
        """What to wait for while a worker that sends and does not read has more answers waiting than it should, and
        while it is cut off: what it sends then waits in the network."""
        return self._room() if self.connection.is_full() or self.connection.cut else None

    async def _room(self) -> None:
        while self.connection.is_full() or self.connection.cut:
            self._taken.clear()
            await self._taken.wait()

    def _waits(self) -> bool:
        connection = self.connection
        return connection.reports and bool(len(connection)) and not connection.closed and not connection.cut

    def _next(self) -> bytes:
        """The next frame, or plain message; empty when there is none, or nothing may be written."""
        connection = self.connection
        if connection.closed or connection.cut:
            return b""
        pieces, deliveries = connection.take()
        self._taken.set()
        clock, self._clock = self._clock, None
        if not pieces and clock is None:
            return b""
        self._router.book.left(connection, deliveries)
        if not connection.reports:
            plain: bytes = pieces[0]
            return plain
        if clock is not None:
            clock = clock._replace(host_sent_ns=time.time_ns())
        return encode_frame(pieces, clock=clock)

    async def _write(self) -> str:
        while not self.connection.closed:
            await self._writer.write()
        return self.connection.closed


async def read(
    context: Context,
    receive: Callable[[bytes], Iterator[None] | None],
    reject: Callable[[WireError], None],
    held: Callable[[], Awaitable[None] | None] = lambda: None,
) -> str:
    """Until the client ends its half of the stream. Each message is taken when what `held` says has been waited for,
    and if `receive` iterates, with what else there is to do in between."""
    while True:
        data: Any = await context.read()
        if (until := held()) is not None:
            await until
        if data is grpc.aio.EOF:
            return "its stream ended"
        try:
            if (slices := receive(data)) is not None:
                for _ in slices:
                    await asyncio.sleep(0)
        except WireError as error:
            reject(error)


async def until_one_ends(*works: Awaitable[Any]) -> str:
    """Run all until the first one ends, then cancel the others. Returns the first one's result, or why it failed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    first = results[tasks.index(next(iter(done)))]
    if isinstance(first, grpc.RpcError | grpc.aio.UsageError | asyncio.CancelledError):
        return "the connection was lost"
    if isinstance(first, BaseException):
        logger.error("A stream failed", exc_info=first)
        return f"the host failed: {first!r}"
    return str(first)
