"""Writing to one side of a stream, which takes one frame at a time. Read next: `agentlab.wire.pace`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..core.begun import Begun, begin
from .pace import Pace


class Writer:
    """A writer: takes frames for as long as there are any, and gives them to the stream.

    `take` returns the next frame, empty when there is none; `waits` says whether messages wait for one. `wake` is to be
    set when there is something to take.
    """

    def __init__(
        self,
        write: Callable[[bytes], Coroutine[Any, Any, None]],
        take: Callable[[], bytes],
        waits: Callable[[], bool],
        wake: asyncio.Event,
    ) -> None:
        self.pace = Pace()
        self._write = write
        self._take = take
        self._waits = waits
        self._wake = wake
        self._idle = False
        """Whether it waits to be woken."""
        self._begun: Begun | None = None

    def begin(self) -> None:
        """Begin to write what waits: now, where the event loop would come to it only after what else is ready. Does
        nothing when a frame is being written, or should wait for more."""
        if self._idle and self._begun is None and self._waits() and self.pace.may_go():
            self._begun = begin(self._write_one())

    async def _write_one(self) -> None:
        if frame := self._take():
            await self._write(frame)

    async def write(self) -> None:
        """Wait to be woken, then write until there is nothing to take."""
        self._idle = True
        try:
            await self._wake.wait()
        except asyncio.CancelledError:  # nobody will finish what was begun
            if self._begun is not None:
                self._begun.give_up()
            raise
        finally:
            self._idle = False
        self._wake.clear()
        if self._begun is not None:
            begun, self._begun = self._begun, None
            await begun
        while True:
            if self._waits():
                await self.pace.turn()
            frame = self._take()
            if not frame:
                return
            await self._write(frame)
