"""The standalone runtime's backlog: what waits for its turn, and how much is not finished yet.

Read next: `agentlab.core.standalone`.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .envelopes import Envelope


class Backlog:
    """A backlog: a queue of messages that also knows which of those taken from it are not finished.

    Every message that is put counts until `finished` is called once for it.
    """

    def __init__(self) -> None:
        self._queue: deque[Envelope] = deque()
        self._arrived = asyncio.Event()
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: BaseException | None = None

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._queue)

    def put(self, item: Envelope) -> None:
        """Put a message at the end."""
        self._unfinished += 1
        self._idle.clear()
        self._queue.append(item)
        self._arrived.set()

    async def take(self) -> Envelope:
        """Take the first message, waiting for one if need be. Raises what `fail` was told meanwhile."""
        while not self._queue and self._failure is None:
            self._arrived.clear()
            await self._arrived.wait()
        self.raise_failure()
        return self._queue.popleft()

    def put_back(self, item: Envelope) -> None:
        """Put a message that was taken back to the front: nothing has been done with it."""
        self._queue.appendleft(item)

    def finished(self) -> None:
        """Nothing more will be done for one of the messages."""
        self._unfinished -= 1
        if self._unfinished == 0:
            self._idle.set()

    async def until_idle(self) -> None:
        """Wait until no message waits, and all are finished."""
        await self._idle.wait()

    def fail(self, failure: BaseException) -> None:
        """Something failed of which whoever takes the next message should hear, in place of getting it."""
        self._failure = failure
        self._arrived.set()

    def raise_failure(self) -> None:
        """Raise what failed, once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def give_up(self, still_running: int) -> list[Envelope]:
        """Empty the queue, and return what was in it. So many handlers are not finished yet, and nothing else."""
        left = list(self._queue)
        self._queue.clear()
        self._unfinished = still_running
        if still_running == 0:
            self._idle.set()
        return left
