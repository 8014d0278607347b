"""A worker's connection to its host: one stream at a time, kept up for as long as the worker runs.

It knows nothing of agents. What is sent while there is no stream waits; what was written to a stream that was lost is
given up. Read next: `agentlab.worker.opening`, `agentlab.worker.runtime`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio

from ..core.exceptions import HostLostError, UnauthenticatedError
from ..core.ids import AgentId
from ..version import __version__
from ..wire import calls
from ..wire.channel import MESSAGE_BYTES, end_call, machine_name
from ..wire.codec import decode_plain, encode_plain
from ..wire.frames import decode_frame, encode_frame
from ..wire.parcels import NOTHING, Frame, Hello, Payload, Request, WireError
from ..wire.security import Credentials
from ..wire.writing import Writer
from .clock import HostClock
from .opening import Opened, code_of, described, open_channel, open_link, open_plain, reason
from .outbox import Outbox

logger = logging.getLogger("agentlab.worker")

FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 2.0
"""The pause between attempts doubles from the first to the longest, each shortened by chance by up to a half so that
the workers of a restarted host do not all come at once (exponential backoff with jitter)."""

CLOCK_PERIOD_S: Final = 5.0
"""How often the clock estimate is refreshed."""

CLOCK_SAMPLES: Final = 5
"""How many exchanges the first estimate is made of."""

BROKEN_S: Final = 1.0
"""How long a stream that cannot be written has to say why."""


_WHERE_TOKENS_ARE: Final = (
    "A worker's token is given as token=…, in the environment as AGENTLAB_TOKEN, or with --token-file."
)


@dataclass(slots=True)
class _Stream:
    """A stream to the host that is open."""

    channel: grpc.aio.Channel
    call: Any
    client_id: str
    link: bool
    writer: Writer


class HostConnection:
    """A host connection: a stream of messages to the host and back, opened again whenever it ends.

    `on_frame` gets what arrives. `on_join` is awaited each time a stream opened, before anything that waits is sent:
    to register and subscribe. `on_lost` is told when a stream was lost, and which requests were in flight on it.
    `on_refused` is told when the host does not take this worker, and why: nothing more is sent then.
    """

    def __init__(
        self,
        address: str,
        name: str,
        *,
        on_frame: Callable[[Frame], None],
        on_join: Callable[[], Awaitable[None]],
        on_lost: Callable[[set[str], str], None],
        on_refused: Callable[[str], None] = lambda why: None,
        keepalive_s: float = 5.0,
        link: bool = True,
        clock: HostClock | None = None,
        machine: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.address = address
        self.name = name
        """The lane's name: as the host calls this worker."""
        self.clock = clock or HostClock()
        self.max_message_bytes = 0
        """The largest payload the host takes; 0 while that is not known."""
        self._on_frame = on_frame
        self._on_join = on_join
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._keepalive_s = keepalive_s
        self._credentials = credentials or Credentials()
        self._try_link = link
        self._machine = machine or machine_name()
        self._resume_token = ""
        self._stream: _Stream | None = None
        self._joined = asyncio.Event()
        self.outbox = Outbox()
        """What waits to be sent."""
        self._echoed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False
        self._far = False
        """Whether the host is on another machine, with a clock of its own."""
        self._sampled = asyncio.Event()
        self._problem = ""
        """Why there is no stream, as last logged."""
        self._was_joined = False
        """Whether it was connected once since it was started."""
        self._refused = ""
        """Why the host does not take this worker, whom it would be useless to ask again."""

    @property
    def joined(self) -> bool:
        """Whether a stream is open and everything is registered."""
        return self._joined.is_set()

    @property
    def link(self) -> bool:
        """Whether the host speaks agentlab's link."""
        return self._stream is not None and self._stream.link

    @property
    def client_id(self) -> str:
        """How the host knows this worker on the open stream."""
        return "" if self._stream is None else self._stream.client_id

    def too_large(self, payload: Payload) -> str:
        """Why the host does not take this payload; empty when it does."""
        size, limit = len(payload.data), self.max_message_bytes
        return f"This {payload.type} has {size:,} bytes, and the host takes {limit:,}." if 0 < limit < size else ""

    # Keeping a stream

    def start(self) -> None:
        """Begin to connect, and to keep connected."""
        self._stopping = False
        self._echoed.clear()
        self._refused = ""
        self._was_joined = False
        self._keeping = asyncio.ensure_future(self._keep())

    def check(self) -> None:
        """Raises UnauthenticatedError when the host does not take this worker."""
        if self._refused:
            raise UnauthenticatedError(self._refused)

    async def wait_joined(self, timeout_s: float | None) -> None:
        """Wait for the host. Raises HostLostError when it does not answer in time, UnauthenticatedError."""
        joined = asyncio.ensure_future(self._joined.wait())
        assert self._keeping is not None
        try:
            await asyncio.wait({joined, self._keeping}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            joined.cancel()
        self.check()
        if not self._joined.is_set():
            raise HostLostError(
                f"No host answered at {self.address} within {timeout_s:g} s ({self._problem or 'no reason given'}). "
                "Is it running, and is the address the one it printed? A host is started with: agentlab host"
            )

    async def _keep(self) -> None:
        pause_s = FIRST_RETRY_S
        while not self._stopping:
            channel = self._open_channel()
            lost = ""
            try:
                stream = await self._open_stream(channel)
                self._stream = stream
                try:
                    lost = await self._use(stream)
                finally:
                    was_joined = self._joined.is_set()
                    self._joined.clear()
                    self._stream = None
                    end_call(stream.call)  # closing the channel alone left it open with grpcio 1.80
                    self._give_up(lost or "the connection to the host ended")
                if was_joined:
                    pause_s = FIRST_RETRY_S
            except grpc.RpcError as error:
                lost = reason(error)
                if code_of(error) == grpc.StatusCode.UNAUTHENTICATED:
                    self._refused = f"The host at {self.address} refused {self.name}: {lost} {_WHERE_TOKENS_ARE}"
                    # Whoever waits for the first connection gets it as an error.
                    level = logging.WARNING if self._was_joined else logging.INFO
                    logger.log(level, "%s It is not asked again.", self._refused)
                    self.outbox.clear()
                    self._on_refused(self._refused)
                    return
            except WireError as error:
                lost = f"what answers there is no host: {error}"
            except Exception as error:
                lost = f"this worker failed: {error!r}"
                logger.exception("The connection to the host at %s failed", self.address)
            finally:
                await channel.close()
            if self._stopping:
                return
            if lost != self._problem:
                # One warning an outage; how its reason changes meanwhile is for whoever looks closer.
                level = logging.INFO if self._problem else logging.WARNING
                self._problem = lost
                logger.log(level, "No connection to the host at %s: %s. Trying again.", self.address, lost)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    def _open_channel(self) -> grpc.aio.Channel:
        return open_channel(self.address, self._credentials, self._keepalive_s)

    async def _open_stream(self, channel: grpc.aio.Channel) -> _Stream:
        client_id = str(uuid.uuid4())
        lane = (calls.WORKER_NAME, self.name.encode("ascii", "replace").decode())
        metadata = (*self._metadata(client_id), lane)
        welcomed: Opened | None = None
        if self._try_link:
            hello = Hello(self.name, os.getpid(), self._machine, self._resume_token, __version__)
            welcomed = await open_link(channel, metadata, hello)
            if welcomed is None:
                logger.info("The host at %s does not speak agentlab's link: using OpenChannel.", self.address)
        opened = welcomed or await open_plain(channel, metadata)
        call, welcome = opened.call, opened.welcome
        if welcome is not None:
            self.name = welcome.name
            self._resume_token = welcome.resume_token
            self.max_message_bytes = welcome.max_message_bytes
            self._far = welcome.machine != self._machine
            self.outbox.settle(welcome.taken)
            writer = Writer(call.write, self._next_frame, lambda: self.outbox.waiting, self.outbox.wake)
        else:
            self.max_message_bytes = MESSAGE_BYTES
            self._far = False
            # Its messages cannot travel together, so that none of them waits for others.
            writer = Writer(call.write, self._next_plain, lambda: False, self.outbox.wake)
        return _Stream(channel, call, client_id, welcome is not None, writer)

    def _metadata(self, client_id: str) -> tuple[tuple[str, str], ...]:
        return ((calls.CLIENT_ID, client_id), *self._credentials.metadata())

    async def _use(self, stream: _Stream) -> str:
        """Use an open stream until it ends; say why it ended."""
        reading = asyncio.ensure_future(self._read(stream))
        joining = asyncio.ensure_future(self._join(stream))
        writing = sampling = echoing = None
        try:
            await asyncio.wait({reading, joining}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await joining
                if self._problem:
                    logger.info("Connected to the host at %s again.", self.address)
                    self._problem = ""
                self._joined.set()
                self._was_joined = True
                writing = asyncio.ensure_future(self._write(stream))
                if self._far:
                    sampling = asyncio.ensure_future(self._sample())
                await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
                failure = writing.exception() if writing.done() else None
                if failure is not None:
                    # The stream is lost. It says why when it is read; if it is not, it must not stay half open.
                    await asyncio.wait({reading}, timeout=BROKEN_S)
                    if not reading.done():
                        return f"writing failed: {failure!r}"
                elif writing.done() and not reading.done() and not stream.link:
                    echoing = asyncio.ensure_future(self._echo(stream))
                    await asyncio.wait({reading, echoing}, return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done():
                        await echoing
                        return "stopped"
            # On a link whose one half we closed, the host closes the other when it has read all of it.
            return await reading
        except grpc.RpcError as error:
            return reason(error)
        finally:
            tasks = [task for task in (reading, joining, writing, sampling, echoing) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _echo(self, stream: _Stream) -> None:
        """Wait until a host that never closes its half has passed on all that was written: a request to ourselves, sent
        last, comes back last."""
        echo = _echo_agent(stream)
        await self.call(calls.AGENT_RPC, "RegisterAgent", calls.encode_register_agent(echo.type))
        await stream.call.write(encode_plain(Request(echo.type, echo, NOTHING)))
        await self._echoed.wait()

    def _give_up(self, why: str) -> None:
        """A stream was lost: what was in flight on it, and what only made sense on it, is given up."""
        self._on_lost(self.outbox.give_up(why), why)

    async def _read(self, stream: _Stream) -> str:
        while True:
            data = await stream.call.read()
            if data is grpc.aio.EOF:
                status = await stream.call.code()
                if status == grpc.StatusCode.OK:
                    return "the host ended the connection"
                return described(status, await stream.call.details())
            try:
                frame = decode_frame(data) if stream.link else Frame(parcels=[decode_plain(data)])
            except WireError as error:
                logger.warning("The host sent something illegal: %s", error)
                continue
            stream.writer.pace.heard()
            if frame.clock is not None:
                self.outbox.unconfirmed.answered(frame.clock)
                if self._far:
                    self.clock.learn(frame.clock)
                    self._sampled.set()
            if self._stopping and not stream.link and getattr(frame.parcels[0], "target", None) == _echo_agent(stream):
                self._echoed.set()
                continue
            self._on_frame(frame)

    async def _write(self, stream: _Stream) -> None:
        outbox = self.outbox
        outbox.wake.set()  # the writer of a stream that was lost may have been told, and not come to it
        while True:
            await stream.writer.write()
            outbox.all_written()
            if self._stopping:
                if stream.link:
                    await stream.call.write(encode_frame(goodbye=True))
                    await stream.call.done_writing()
                return

    def _next_frame(self) -> bytes:
        outbox = self.outbox
        if not outbox.waiting and not outbox.ask_due:
            return b""
        clock = self.clock.ask() if outbox.ask_due else None
        outbox.ask_due = False
        return outbox.next_frame(clock)

    def _next_plain(self) -> bytes:
        outbox, data = self.outbox, b""
        while outbox.waiting and not data:
            data = outbox.next_plain()
        return data

    def begin_writing(self) -> None:
        """Begin to write what waits; see `Writer.begin`. For who knows that nothing else is about to follow."""
        stream = self._stream
        if stream is not None and stream.link:
            stream.writer.begin()

    async def _join(self, stream: _Stream) -> None:
        if self._far:  # first of all, because from the first message on its times are compared with the host's
            for _ in range(CLOCK_SAMPLES):
                self._sampled.clear()
                await stream.call.write(encode_frame(clock=self.clock.ask()))
                await self._sampled.wait()
        await self._on_join()

    async def _sample(self) -> None:
        """Ask for the host's time now and then, in a frame like any other: gRPC takes one message at a time."""
        while True:
            await asyncio.sleep(CLOCK_PERIOD_S)
            self.outbox.ask()

    # Calls

    async def flush(self) -> None:
        """Wait until all that was queued so far was written; at once when there is no stream."""
        if self.joined:
            await self.outbox.wait_written()

    async def call(self, service: str, method: str, request: bytes, *more: tuple[str, str]) -> bytes:
        """A unary call on the open stream's channel, with `more` metadata.

        Raises grpc.RpcError, HostLostError without a stream.
        """
        stream = self._stream
        if stream is None:
            raise HostLostError(f"There is no connection to the host at {self.address}: {self._problem}.")
        metadata = (*self._metadata(stream.client_id), *more)
        method_call: Any = stream.channel.unary_unary(f"/{service}/{method}")
        answer: bytes = await method_call(request, metadata=metadata)
        return answer

    def control_stream(self) -> Any:
        """A new control stream beside the open message stream. Raises HostLostError without one."""
        stream = self._stream
        if stream is None:
            raise HostLostError(f"There is no connection to the host at {self.address}: {self._problem}.")
        open_control: Any = stream.channel.stream_stream(f"/{calls.AGENT_RPC}/OpenControlChannel")
        return open_control(metadata=self._metadata(stream.client_id))

    # Stopping

    async def stop(self, grace_s: float = 5.0) -> None:
        """Hand over all that was sent, say goodbye, and end. Gives up after `grace_s` seconds."""
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        self._stopping = True
        self.outbox.tell_all()
        self.outbox.wake.set()
        if self.joined:
            await asyncio.wait({keeping}, timeout=grace_s)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        if self.outbox.unsent:
            logger.warning(
                "%d messages were not sent: there was no connection to the host at the end.", self.outbox.unsent
            )
        self.outbox.clear()


def _echo_agent(stream: _Stream) -> AgentId:
    return AgentId(f"agentlab-echo-{stream.client_id}", "echo")
