"""gRPC around the host's decisions: one method for each call of the wire, each as thin as it can be.

Read next: `agentlab.host.message_stream`, `agentlab.host.control_stream`, `agentlab.host.service`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import grpc
import grpc.aio

from ..core import journal as j
from ..version import __version__
from ..wire import calls, draining, faults, watching
from ..wire.codec import LONGEST_NAME, decode_plain
from ..wire.frames import decode_frame, encode_frame
from ..wire.parcels import ClockSample, Frame, Hello, Welcome, WireError
from .clients import Clients
from .connection import Connection, LimitError
from .control import ControlDesk
from .control_stream import ControlStream
from .message_stream import Context, MessageStream
from .moving import Moves
from .router import Router
from .standard import StandardServices

logger = logging.getLogger("agentlab.host")

WATCH_PERIOD_S: Final = 0.05
"""How often a watcher is sent what is new."""

WATCH_BATCH: Final = 200
"""Journal events in one message to a watcher: about a millisecond's work, so that messages need not wait long."""

WATCH_PACE: Final = 1000
"""Journal events a period, while the watcher keeps up: it sees all that is going on, and costs a busy host little."""

FAREWELLS: Final = 5
"""For how many periods a watcher of a host that stops waits for the word of what its workers leave behind."""

HELLO_S: Final = 20.0
"""How long a worker may take to introduce itself on a link."""

SLICE: Final = 50
"""A frame of more messages is taken in slices, so that others' messages come in between."""

SLICE_S: Final = 0.001
"""How long a slice takes: one published message may be for very many agents."""

LOOK: Final = 5
"""Messages between two looks at the clock."""


WhoIs = Callable[[str], Awaitable[tuple[str, int] | None]]
"""Tells the name and process id of a worker that was expected, by its address as gRPC writes it; None for others."""


class Streams:
    """The host's gRPC methods. Bytes in, bytes out: decoding is ours, so that garbage is answered, not logged."""

    def __init__(self, router: Router, machine: str, who_is: WhoIs | None = None) -> None:
        self._router = router
        self._control = ControlDesk(router.directory)
        self._moves = Moves(router, self._control)
        self._clients = Clients(router.limits, lambda id: id in router.connections or self._control.has(id))
        self._machine = machine
        self._who_is = who_is
        self._journal_name = secrets.token_hex(8)
        self._standard = StandardServices()
        self._woken: set[MessageStream] = set()
        """Those that were given something to write since a frame was last read."""
        self._closing = asyncio.Event()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        unary, stream, watch = (
            grpc.unary_unary_rpc_method_handler,
            grpc.stream_stream_rpc_method_handler,
            grpc.unary_stream_rpc_method_handler,
        )
        agent_rpc: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "OpenChannel": stream(self.open_channel),
            "OpenControlChannel": stream(self.open_control_channel),
            "RegisterAgent": unary(self.register_agent),
            "AddSubscription": unary(self._asked(self.add_subscription, registers=True)),
            "RemoveSubscription": unary(self._asked(self.remove_subscription, registers=True)),
            "GetSubscriptions": unary(self._asked(self.get_subscriptions)),
        }
        link: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Open": stream(self.open_link),
            "WithdrawAgent": unary(self._asked(self.withdraw_agent, registers=True)),
            "KeepAgents": unary(self._asked(self._moves.keep, most_bytes=draining.KEEP_BYTES)),
            "Leave": unary(self._asked(self._moves.leave)),
            "WaitIdle": unary(self._asked(self._moves.wait_idle)),
            "HandOver": unary(self._asked(self._moves.hand_over, most_bytes=self._router.limits.max_message_bytes)),
            "Watch": watch(self.watch),
            "Snapshot": unary(self._asked(self.snapshot)),
            "CancelSession": unary(self._asked(self.cancel_session)),
            "NoteProcess": unary(self._asked(self.note_process)),
            "SetFault": unary(self._asked(self.set_fault)),
            "RemoveFaults": unary(self._asked(self.remove_faults)),
            "ListFaults": unary(self._asked(self.list_faults)),
        }
        return [
            grpc.method_handlers_generic_handler(calls.AGENT_RPC, agent_rpc),
            grpc.method_handlers_generic_handler(calls.LINK, link),
            self._standard,
        ]

    def close(self) -> None:
        """End every stream from this side."""
        self._closing.set()
        self._standard.close()
        for connection in self._router.connections.values():
            connection.close("the host stopped")

    # Calls

    def _asked(
        self,
        answer: Callable[[str, bytes], bytes | Awaitable[bytes]],
        *,
        registers: bool = False,
        most_bytes: int | None = None,
    ) -> Callable[[bytes, Context], Awaitable[bytes]]:
        """A unary method. Refusals are answered with INVALID_ARGUMENT (ValueError), PERMISSION_DENIED (PermissionError)
        or RESOURCE_EXHAUSTED (LimitError). `registers`: it changes what the client has."""
        limit = self._router.limits.request_bytes if most_bytes is None else most_bytes

        async def method(request: bytes, context: Context) -> bytes:
            client_id = await _client_id(context)
            try:
                if not registers:
                    self._clients.check(client_id, context.peer())
                elif self._clients.register(client_id, context.peer()):
                    self._router.directory.forget(client_id)
                if len(request) > limit:
                    raise LimitError(f"The call has {len(request):,} bytes, and the host takes {limit:,}.")
                answered = answer(client_id, request)
                return answered if isinstance(answered, bytes) else await answered
            except ValueError as error:
                if client_id in self._router.connections:
                    self._note(client_id, str(error)[:1000])
                await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, error)
            except PermissionError as error:
                await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
            raise AssertionError("abort raises")

        return method

    async def _refuse(self, context: Context, code: grpc.StatusCode, error: Exception) -> None:
        """End a call with an error."""
        if isinstance(error, LimitError):
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            self._router.counters["limit"] += 1
        # Cut, because it travels in a header, and gRPC refuses large ones; and a log is kept for ever.
        text = str(error)[:1000]
        logger.info("Refused a call of %s: %s", context.peer(), text)
        await context.abort(code, text)

    async def register_agent(self, request: bytes, context: Context) -> bytes:
        shared = bool(_metadata(context).get(calls.SHARED))

        def register_agent(client_id: str, request: bytes) -> bytes:
            self._router.register(client_id, calls.decode_register_agent(request), shared=shared)
            return b""

        return await self._asked(register_agent, registers=True)(request, context)

    def withdraw_agent(self, client_id: str, request: bytes) -> bytes:
        self._router.withdraw(client_id, calls.decode_withdraw_agent(request))
        return b""

    def add_subscription(self, client_id: str, request: bytes) -> bytes:
        self._router.subscribe(client_id, calls.decode_add_subscription(request))
        return b""

    def remove_subscription(self, client_id: str, request: bytes) -> bytes:
        self._router.unsubscribe(client_id, calls.decode_remove_subscription(request))
        return b""

    def get_subscriptions(self, client_id: str, request: bytes) -> bytes:
        return calls.encode_subscriptions(self._router.directory.subscriptions)

    def snapshot(self, client_id: str, request: bytes) -> bytes:
        return watching.encode_snapshot(self._router.snapshot())

    def cancel_session(self, client_id: str, request: bytes) -> bytes:
        return watching.encode_cancelled(self._router.endings.cancel_session(*watching.decode_cancel_session(request)))

    def note_process(self, client_id: str, request: bytes) -> bytes:
        process, what, detail = watching.decode_note_process(request)
        if what not in {j.KILLED, j.PAUSED, j.RESUMED}:
            raise ValueError(f"{what!r:.100} is not for the lab to note: only killed, paused and resumed are.")
        self._router.book.note(process, what, detail)
        return b""

    def set_fault(self, client_id: str, request: bytes) -> bytes:
        return faults.encode_number(self._router.set_fault(faults.decode_rule(request)))

    def remove_faults(self, client_id: str, request: bytes) -> bytes:
        self._router.remove_faults(faults.decode_remove(request))
        return self.list_faults(client_id, b"")

    def list_faults(self, client_id: str, request: bytes) -> bytes:
        return faults.encode_rules(self._router.faultlab.rules())

    async def watch(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """The journal from some place on. A watcher that reads slowly is told how much it missed."""
        await _client_id(context)
        try:
            seen, follow = watching.decode_watch(request)
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        journal = self._router.journal
        # First the journal's name: whoever watched the journal of an earlier host must begin again.
        yield watching.encode_journal_batch(watching.JournalBatch(self._journal_name, [], 0))
        end = journal.last_seq
        farewells = FAREWELLS
        while follow or seen < end:
            if self._closing.is_set():  # the journal ends with the host: read it to the end, when all have left
                farewells = farewells - 1 if self._router.connections else 0
            behind = journal.last_seq - seen
            pace = WATCH_PACE if behind < journal.capacity // 4 and follow and farewells else behind
            for _ in range(0, min(pace, behind), WATCH_BATCH):
                events = journal.after(seen, WATCH_BATCH)
                if not events:
                    break  # what we were behind by was let go meanwhile
                missed = events[0].seq - seen - 1
                seen = events[-1].seq
                yield watching.encode_journal_batch(watching.JournalBatch(self._journal_name, events, missed))
                await asyncio.sleep(0)
            if follow:
                if not farewells:
                    return
                await asyncio.sleep(WATCH_PERIOD_S)

    # Message streams

    async def open_link(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """agentlab's own stream of frames."""
        client_id = await _client_id(context)
        try:
            async with asyncio.timeout(HELLO_S):
                first: Any = await context.read()
            if first is grpc.aio.EOF:
                return
            hello = decode_frame(first).hello
            if hello is None:
                raise WireError("The first frame on a link should introduce the worker.")
            resume_token = hello.resume_token
        except (WireError, TimeoutError) as error:
            problem = error if isinstance(error, WireError) else WireError(f"No hello came within {HELLO_S:g} s.")
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, problem)
        stream = await self._join(client_id, context, hello)
        connection = stream.connection
        welcome = Welcome(
            connection.name,
            self._machine,
            connection.resume_token,
            self._router.limits.max_message_bytes,
            __version__,
            self._router.taken(resume_token),
        )
        await context.write(encode_frame(welcome=welcome))

        def receive(data: bytes) -> Iterator[None] | None:
            if connection.closed:
                return None  # what is not counted as taken is told to be lost
            received_ns = time.time_ns()
            stream.heard()
            frame: Frame = decode_frame(data)
            if frame.clock is not None:
                stream.answer_clock(ClockSample(frame.clock.worker_sent_ns, received_ns))
            stream.said_goodbye = stream.said_goodbye or frame.goodbye
            if len(frame.parcels) + len(frame.rejected) > SLICE:
                return self._take_slices(connection, frame)
            self._take(connection, frame)
            while self._woken:
                self._woken.pop().begin_writing()
            return None

        await stream.run(receive)

    def _take(self, connection: Connection, frame: Frame) -> None:
        connection.taken += len(frame.parcels) + len(frame.rejected) + len(frame.cancels) + len(frame.lost)
        for error in frame.rejected:
            self._router.reject(connection, error)
        if frame.reports:
            self._router.book.report(connection, frame.reports)
        if frame.handled:
            self._router.book.handled(connection, frame.handled)
        for parcel in frame.parcels:
            self._router.receive(connection, parcel)
        for cancel in frame.cancels:
            self._router.endings.cancel(connection, cancel)
        for lost in frame.lost:
            self._router.book.lost(connection, lost)

    def _take_slices(self, connection: Connection, frame: Frame) -> Iterator[None]:
        """The same, with a pause after each slice: a flood's frames are large, and those of others may be."""
        parcels, rejected = frame.parcels, frame.rejected
        began_s = time.perf_counter()
        for begin in range(0, max(len(parcels), len(rejected)), LOOK):
            if connection.closed:
                return
            end = begin + LOOK
            self._take(connection, Frame(parcels=parcels[begin:end], rejected=rejected[begin:end]))
            if time.perf_counter() - began_s > SLICE_S:
                yield
                began_s = time.perf_counter()
        frame.parcels, frame.rejected = [], []
        self._take(connection, frame)

    async def open_channel(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """AutoGen's stream of single messages."""
        client_id = await _client_id(context)
        stream = await self._join(client_id, context, None)
        # AutoGen's worker waits for the stream to be accepted before it sends anything.
        await context.send_initial_metadata(())
        await stream.run(lambda data: self._router.receive(stream.connection, decode_plain(data)))

    async def _join(self, client_id: str, context: Context, hello: Hello | None) -> MessageStream:
        stream = MessageStream(self._router, context, self._woken)
        name, pid = (_metadata(context).get(calls.WORKER_NAME, ""), 0) if hello is None else (hello.name, hello.pid)
        known = None if self._who_is is None else await self._who_is(context.peer())
        name, pid = known or (name, pid)
        if cut := self._router.faultlab.cut(name):
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{name:.100} cannot reach the host: {cut:.500}")
        try:
            if client_id not in self._router.connections and self._clients.enter(client_id, context.peer()):
                self._router.directory.forget(client_id)
            stream.connection = self._router.connect(
                client_id,
                name,
                reports=hello is not None,
                pid=pid,
                address=context.peer(),
                resume_token="" if hello is None else hello.resume_token,
                wake=stream.wake,
            )
        except ValueError as error:
            await self._refuse(context, grpc.StatusCode.ALREADY_EXISTS, error)
        except PermissionError as error:
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
        logger.info("Worker %s joined from %s", stream.connection.name, context.peer())
        return stream

    async def open_control_channel(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """AutoGen's stream of control messages."""
        client_id = await _client_id(context)
        router = self._router
        stream = ControlStream(
            client_id, context, self._control, router.book, router.limits, lambda why: self._note(client_id, why)
        )
        try:
            self._clients.enter(client_id, context.peer())
            self._control.connect(client_id, stream.send)
        except ValueError as error:
            await self._refuse(context, grpc.StatusCode.ALREADY_EXISTS, error)
        except PermissionError as error:
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
        await context.send_initial_metadata(())
        await stream.run(self._closing)

    def _note(self, client_id: str, why: str) -> None:
        connection = self._router.connections.get(client_id)
        self._router.book.note(connection.name if connection is not None else j.HOST, j.REFUSED, why)


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _client_id(context: Context) -> str:
    client_id = _metadata(context).get(calls.CLIENT_ID, "")
    if not 0 < len(client_id) <= LONGEST_NAME:
        problem = "is missing" if not client_id else f"has more than {LONGEST_NAME} characters"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"The gRPC metadata {calls.CLIENT_ID!r} {problem}.")
    return client_id
