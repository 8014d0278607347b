"""The host service: the process that every worker connects to.

It listens, and leaves the rest to `agentlab.host.gate` (who may), `agentlab.host.streams` (gRPC) and
`agentlab.host.router` (decisions).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from typing import Final

import grpc.aio

from ..core.journal import Journal
from ..core.signals import wait_for_signal
from ..wire.channel import RECEIVE_BYTES, checked_address, keepalive_options, machine_name
from ..wire.security import Tokens
from ..wire.tls import Tls
from .connection import Limits
from .gate import Gate, check_exposure
from .router import Router
from .streams import Streams, WhoIs

logger = logging.getLogger("agentlab.host")

HOST_RECEIVE_BYTES: Final = 8 * 1024 * 1024
"""The largest gRPC message that a host reads. Above the limit for a message, so that one that is too large is read,
refused by name and answered, where gRPC would end the whole stream; and not far above it, because what it can be made
to hold when it is unpacked is fifty times as much."""

HANDSHAKE_MS: Final = 10_000
"""How long a connection may take to become one. Whoever only holds the door open is let go."""

EXPIRY_PERIOD_S: Final = 0.05
"""How often deadlines are looked at. Our own workers keep their deadlines themselves; this is for the others."""


class HostService:
    """A host service: knows who advertises what, delivers every message, keeps a session for every direct message.

    `address` is ``host:port``; port 0 takes a free one, and `HostService.address` then says which. A worker that
    answers nothing for `keepalive_s` seconds, because it hangs or the network is cut, is taken for lost within twice
    that time. `default_deadline_s` ends requests whose sender states no deadline (None: they may wait for ever).
    `limits` says what one worker may cost. `who_is` knows the names of workers that are expected. The
    journal keeps the first `record_payload_bytes` of what each message says, for whoever may watch it.

    With `tokens`, whoever calls must present one of them; without, everybody is trusted. With `tls`, connections are
    encrypted. Beyond this machine it listens only with both, unless ``insecure=True`` says that this is meant.
    Raises ValueError for an address of another shape, and for one that it must not listen on.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:0",
        *,
        tokens: Tokens | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
        keepalive_s: float = 5.0,
        default_deadline_s: float | None = 60.0,
        limits: Limits | None = None,
        journal_capacity: int = 200_000,
        who_is: WhoIs | None = None,
        record_payload_bytes: int = 0,
    ) -> None:
        self._wanted = checked_address(address, any_port=True)
        if not insecure:
            check_exposure(address, tokens, tls)
        self._tokens = tokens
        self._tls_credentials = None if tls is None else tls.server_credentials()
        self._address = address
        self._keepalive_s = keepalive_s
        self._router = Router(
            limits=limits,
            journal=Journal(journal_capacity),
            default_deadline_s=default_deadline_s,
            record_payload_bytes=record_payload_bytes,
            silence_s=2 * keepalive_s,
        )
        self._who_is = who_is
        self._streams: Streams | None = None
        self._server: grpc.aio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Where it listens: the real port, when asked for port 0."""
        return self._address

    @property
    def router(self) -> Router:
        """The host's decisions, to look at: directory, sessions, journal."""
        return self._router

    @property
    def journal(self) -> Journal:
        """What happened to every message."""
        return self._router.journal

    def start(self) -> None:
        """Listen. To be called inside a running event loop.

        Raises RuntimeError when already started, OSError when the address is taken or is none of this machine's.
        """
        if self._server is not None:
            raise RuntimeError("The host service is already started.")
        loop = asyncio.get_running_loop()
        counters, limits = self._router.counters, self._router.limits
        server = grpc.aio.server(
            interceptors=[] if self._tokens is None else [Gate(self._tokens, lambda why: counters.update([why]))],
            options=[
                ("grpc.so_reuseport", 0),  # two hosts on one port would share the workers between them by chance
                ("grpc.max_receive_message_length", max(HOST_RECEIVE_BYTES, 2 * limits.max_message_bytes)),
                ("grpc.max_send_message_length", RECEIVE_BYTES),
                *keepalive_options(self._keepalive_s),
                ("grpc.http2.max_ping_strikes", 0),  # a worker may ask for a sign of life as often as it likes
                ("grpc.max_metadata_size", limits.metadata_bytes),
                ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
                ("grpc.max_concurrent_streams", limits.streams),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
            ],
        )
        host, _, wanted_port = self._wanted.rpartition(":")
        try:
            if self._tls_credentials is None:
                port = server.add_insecure_port(self._wanted)
            else:
                port = server.add_secure_port(self._wanted, self._tls_credentials)
        except RuntimeError as error:
            raise OSError(
                f"The host cannot listen on {self._wanted}: the port is in use, or the address is none of this "
                "machine's. Port 0 takes a free one."
            ) from error
        self._address = f"{host}:{port}" if wanted_port in {"", "0"} else self._wanted
        self._streams = Streams(self._router, machine_name(), self._who_is)
        server.add_generic_rpc_handlers(self._streams.handlers())
        self._server = server
        self._tasks = [
            loop.create_task(server.start()),
            loop.create_task(self._expire()),
            loop.create_task(self._tick()),
        ]
        logger.info("Host listens on %s", self._address)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_PERIOD_S)
            self._router.endings.expire()

    async def _tick(self) -> None:
        """Let the fault lab do what is due, when it is due."""
        turned = asyncio.Event()
        self._router.faultlab.turned = turned.set
        while True:
            turned.clear()
            next_s = self._router.tick_faults()
            turned.clear()  # that was our own doing
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(turned.wait(), next_s)

    async def stop(self, grace: float = 5) -> None:
        """Stop listening and end every stream; calls in progress get up to `grace` seconds.

        Raises RuntimeError when not started.
        """
        server, self._server = self._server, None
        if server is None or self._streams is None:
            raise RuntimeError("The host service is not started.")
        starting, *periodic = self._tasks
        await starting
        self._router.faultlab.close()
        self._streams.close()
        await server.stop(grace)
        for task in periodic:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def stop_when_signal(self, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Wait for one of the signals, then stop."""
        await wait_for_signal(signals)
        await self.stop()

    def __repr__(self) -> str:
        state = f"listening on {self._address}" if self._server is not None else "stopped"
        return f"<HostService {state}, {len(self._router.connections)} workers>"
