"""Direct messages that a worker's agents sent and still wait for.

Read next: `agentlab.worker.runtime`.
"""

from __future__ import annotations

import asyncio
import heapq
import uuid
from collections.abc import Iterable
from itertools import count

from ..core.exceptions import HostLostError, UnauthenticatedError
from ..core.ids import AgentId
from ..wire.parcels import Response


class PendingCalls:
    """Pending calls: request id → the future that its sender awaits."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._prefix = uuid.uuid4().hex[:16]
        """AutoGen's host tells requests apart by their id alone, whoever sent them: ours must be nobody else's."""
        self._waiting: dict[str, tuple[asyncio.Future[Response], AgentId]] = {}
        self._due: list[tuple[float, str]] = []
        """Deadlines on the event loop's clock, the earliest first; also of calls that have ended meanwhile."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def new_id(self) -> str:
        """An id that nobody else gives to anything."""
        return f"{self._prefix}-{next(self._numbers)}"

    def open(self, recipient: AgentId) -> tuple[str, asyncio.Future[Response]]:
        """A new request id, and what its reply will come through."""
        request_id = self.new_id()
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future, recipient
        return request_id, future

    def limit(self, request_id: str, seconds: float) -> None:
        """When no reply came within `seconds`, raise TimeoutError to whoever waits. One timer serves all calls: one for
        each, as `asyncio.timeout` makes, costs 5 µs."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        heapq.heappush(self._due, (due, request_id))
        if self._timer is None or due < self._timer.when():
            self._set_timer(loop, due)
        if len(self._due) > 2 * len(self._waiting) + 1000:
            self._due = [entry for entry in self._due if entry[1] in self._waiting]
            heapq.heapify(self._due)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        while self._due and (self._due[0][0] <= now or self._due[0][1] not in self._waiting):
            future, _ = self._waiting.get(heapq.heappop(self._due)[1], (None, None))
            if future is not None and not future.done():
                future.set_exception(TimeoutError())
        if self._due:
            self._set_timer(loop, self._due[0][0])

    def close(self, request_id: str) -> None:
        """Nobody waits any more."""
        self._waiting.pop(request_id, None)

    def answer(self, response: Response) -> bool:
        """A reply came. False when nobody waits for it."""
        waiting = self._waiting.pop(response.request_id, None)
        if waiting is None or waiting[0].done():
            return False
        waiting[0].set_result(response)
        return True

    def lose(self, request_ids: Iterable[str], why: str) -> None:
        """The connection they were in flight on was lost."""
        for request_id in request_ids:
            future, recipient = self._waiting.pop(request_id, (None, None))
            if future is not None and not future.done():
                future.set_exception(
                    HostLostError(f"The connection to the host was lost ({why}) before {recipient} answered.")
                )

    def lose_all(self, why: str) -> None:
        """The worker stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()
        self.lose(list(self._waiting), why)

    def refuse_all(self, why: str) -> None:
        """The host does not take this worker."""
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(UnauthenticatedError(why))
