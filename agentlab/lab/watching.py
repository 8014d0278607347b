"""The lab's copy of the host's journal: it outlives the host, and can be read without asking anybody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Collection
from typing import Any, Final

import grpc
import grpc.aio

from ..core import journal as j
from ..core.journal import FIELDS, Journal, JournalEvent
from ..wire.calls import CLIENT_ID, LINK
from ..wire.channel import RECEIVE_BYTES
from ..wire.security import Credentials
from ..wire.watching import JournalBatch, decode_journal_batch, encode_watch
from .idle import under_way

logger = logging.getLogger("agentlab.lab")

_RETRY_S: Final = 0.1
_OPTIONS: Final = [("grpc.max_receive_message_length", RECEIVE_BYTES), ("grpc.use_local_subchannel_pool", 1)]


LOOKED_BACK: Final = 100_000
"""Events before a host's end among which the messages are looked for that had no end: a second's work in a thread."""

HOST_ENDED: Final = "the host ended, and with it all word of what became of this"


class JournalWatcher:
    """A journal watcher: follows a host's journal into one of its own, across restarts of the host.

    The numbers are its own; `missed` counts what the host had to let go before it could be read. What was under way
    when a host ended is lost. `silent` are the workers that report nothing.
    """

    def __init__(
        self, address: str, capacity: int, credentials: Credentials, silent: Collection[str] = frozenset()
    ) -> None:
        self.journal = Journal(capacity)
        self.missed = 0
        self._address = address
        self._credentials = credentials
        self._seen = 0
        self._name = ""
        self._silent = silent
        self._turn = asyncio.Lock()
        self._began = 0
        """Where in our journal that of the host begins."""
        self._arrived: frozenset[str] = frozenset()
        """What was published and arrived at the host before this one: its sender may not know that it did."""
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._following = asyncio.ensure_future(self._follow())

    async def stop(self) -> None:
        """Stop following. The journal stays."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
            self._following = None

    def note(self, process: str, what: str) -> None:
        """Write down what was done to a process that no host can write about."""
        last = self.journal.after(self.journal.last_seq - 1)
        lamport = last[-1].lamport + 1 if last else 1
        self.journal.append(what, j.PROCESS, "", "", "", "", "", process, "", 0, time.time_ns(), lamport)

    async def catch_up(self) -> None:
        """Read all that the host has written up to now. Raises grpc.RpcError when the host is not there."""
        async with self._credentials.channel(self._address, _OPTIONS) as channel:
            while not await self._read(channel, follow=False):
                pass

    async def _follow(self) -> None:
        while True:
            # A channel of its own for every attempt: an old one waits longer and longer before it tries again.
            async with self._credentials.channel(self._address, _OPTIONS) as channel:
                try:
                    await self._read(channel, follow=True)
                except grpc.RpcError as error:
                    logger.debug("The journal's stream ended: %s", error)
            await asyncio.sleep(_RETRY_S)

    async def _read(self, channel: grpc.aio.Channel, *, follow: bool) -> bool:
        """Read to the end; False when it turned out to be another host's journal, to be read from its beginning."""
        async with contextlib.aclosing(self._watch(channel, follow=follow)) as batches:
            async for batch in batches:
                async with self._turn:
                    if not await self._take(batch):
                        return False
        return True

    async def _watch(self, channel: grpc.aio.Channel, *, follow: bool) -> AsyncGenerator[JournalBatch, None]:
        watch: Any = channel.unary_stream(f"/{LINK}/Watch")
        call = watch(
            encode_watch(self._seen, follow), metadata=((CLIENT_ID, "lab-journal"), *self._credentials.metadata())
        )
        try:
            # Not `async for`: the call and its iterator would keep each other, and the connection, until the garbage
            # collector comes by.
            while (data := await call.read()) is not grpc.aio.EOF:
                yield decode_journal_batch(data)
        finally:
            call.cancel()

    async def _take(self, batch: JournalBatch) -> bool:
        """Two readers may overlap: each event is taken once, by its number."""
        if batch.journal != self._name:
            known, self._name = self._name, batch.journal
            if known and self._seen:
                self._seen = 0
                await self._close()
                return False
        new = [event for event in batch.events if event.seq > self._seen]
        if new:
            self.missed += max(0, new[0].seq - self._seen - 1)
            self._seen = new[-1].seq
            for event in new:
                if not self._knows_better(event):
                    self.journal.append(*(getattr(event, name) for name in FIELDS[1:]))
        return True

    async def _close(self) -> None:
        """A host's journal is at its end: what has none in it is lost."""
        events = self.journal.after(max(self._began, self.journal.last_seq - LOOKED_BACK))
        self._arrived = frozenset(e.message_id for e in events if e.kind == j.EVENT and e.what == j.ARRIVED)
        end_ns = max((event.time_ns for event in events), default=0)
        lamport = max((event.lamport for event in events), default=0)
        for copy in await asyncio.to_thread(under_way, events, self._silent):
            last = max(copy.steps.values(), key=lambda event: event.time_ns)
            lamport += 1
            self.journal.append(
                j.LOST, copy.kind, copy.message_id, copy.cause, copy.sender, copy.recipient, copy.topic, j.HOST,
                last.type, last.size, end_ns, lamport, HOST_ENDED,
            )  # fmt: skip
        self._began = self.journal.last_seq

    def _knows_better(self, event: JournalEvent) -> bool:
        """Whether this says of a message that it may not have arrived, which did."""
        return (
            event.message_id in self._arrived
            and event.kind == j.EVENT
            and not event.recipient
            and event.what in (j.SENT, j.LOST)
        )
