"""The lab's copy of the host's journal: it outlives the host, and can be read without asking anybody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import grpc
import grpc.aio

from ..core.journal import FIELDS, PROCESS, Journal
from ..wire.calls import CLIENT_ID, LINK
from ..wire.channel import RECEIVE_BYTES
from ..wire.security import Credentials
from ..wire.watching import JournalBatch, decode_journal_batch, encode_watch

logger = logging.getLogger("agentlab.lab")

_RETRY_S: Final = 0.1
_OPTIONS: Final = [("grpc.max_receive_message_length", RECEIVE_BYTES), ("grpc.use_local_subchannel_pool", 1)]


class JournalWatcher:
    """A journal watcher: follows a host's journal into one of its own, across restarts of the host.

    The numbers are its own; `missed` counts what the host had to let go before it could be read.
    """

    def __init__(self, address: str, capacity: int, credentials: Credentials) -> None:
        self.journal = Journal(capacity)
        self.missed = 0
        self._address = address
        self._credentials = credentials
        self._seen = 0
        self._name = ""
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
        self.journal.append(what, PROCESS, "", "", "", "", "", process, "", 0, time.time_ns(), lamport)

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
                if not self._take(batch):
                    return False
        return True

    async def _watch(self, channel: grpc.aio.Channel, *, follow: bool) -> AsyncGenerator[JournalBatch, None]:
        watch: Any = channel.unary_stream(f"/{LINK}/Watch")
        call = watch(
            encode_watch(self._seen, follow), metadata=((CLIENT_ID, "lab-journal"), *self._credentials.metadata())
        )
        try:
            async for data in call:
                yield decode_journal_batch(data)
        finally:
            call.cancel()

    def _take(self, batch: JournalBatch) -> bool:
        """Two readers may overlap: each event is taken once, by its number."""
        if batch.journal != self._name:
            known, self._name = self._name, batch.journal
            if known and self._seen:
                self._seen = 0
                return False
        new = [event for event in batch.events if event.seq > self._seen]
        if new:
            self.missed += max(0, new[0].seq - self._seen - 1)
            self._seen = new[-1].seq
            for event in new:
                self.journal.append(*(getattr(event, name) for name in FIELDS[1:]))
        return True
