"""Direct messages that a worker's agents sent and still wait for.

Read next: `agentlab.worker.runtime`.
"""

from __future__ import annotations

import asyncio
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
        self._prefix = uuid.uuid4().hex[:12]
        """AutoGen's host tells requests apart by their id alone, whoever sent them: ours must be nobody else's."""
        self._waiting: dict[str, tuple[asyncio.Future[Response], AgentId]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self, recipient: AgentId) -> tuple[str, asyncio.Future[Response]]:
        """A new request id, and what its reply will come through."""
        request_id = f"{self._prefix}-{next(self._numbers)}"
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future, recipient
        return request_id, future

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
        self.lose(list(self._waiting), why)

    def refuse_all(self, why: str) -> None:
        """The host does not take this worker."""
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(UnauthenticatedError(why))
