"""Asking: a direct message is sent once, and its reply awaited.

Read next: `agentlab.worker.calls`, which has the calls that wait, and `agentlab.worker.outbox`.
"""

from __future__ import annotations

import asyncio
import math

from ..core.cancellation import CancellationToken
from ..core.clock import LamportClock
from ..core.contexts import MessageHandlerContext
from ..core.exceptions import DeadlineExceededError
from ..core.ids import AgentId
from ..wire.parcels import ATTEMPT, Payload, Request
from .calls import PendingCalls
from .connection import HostConnection


class Asker:
    """An asker: sends requests over a worker's connection, and waits for their replies."""

    def __init__(self, pending: PendingCalls, connection: HostConnection, clock: LamportClock) -> None:
        self._pending = pending
        self._connection = connection
        self._clock = clock

    async def ask(
        self,
        recipient: AgentId,
        payload: Payload,
        sender: AgentId | None,
        message_id: str,
        cancellation_token: CancellationToken | None,
        deadline_s: float | None,
        left_s: float | None,
        attempt: int = 0,
    ) -> Payload:
        """Send a request once, and return what was replied. `left_s` is what is left of the deadline; `attempt` counts
        from 1 where there may be several.

        Raises DeadlineExceededError, what the receiver's failure says, and asyncio.CancelledError when the token is
        cancelled.
        """
        request_id, reply = self._pending.open(recipient)
        request = Request(
            request_id,
            recipient,
            payload,
            sender,
            message_id,
            MessageHandlerContext.message_id(),
            self._connection.clock.now_ns(),
            self._clock.tick(),
            math.inf if left_s is None else left_s,
            metadata={ATTEMPT: str(attempt)} if attempt else {},
        )
        if cancellation_token is not None:
            cancellation_token.link_future(reply)
        outbox, expired, reason = self._connection.outbox, False, "cancelled by the sender"
        try:
            if outbox.has_room():
                outbox.put(request)
                if len(self._pending) == 1 and not reply.done():  # nobody else is about to send
                    self._connection.begin_writing()
                if left_s is not None:
                    self._pending.limit(request_id, left_s)
                response = await reply
            else:
                async with asyncio.timeout(left_s):
                    await outbox.send(request)
                    response = await reply
        except TimeoutError:
            expired = True
            reason = f"DeadlineExceededError: {recipient} did not answer within {deadline_s:g} s."
            state = "" if self._connection.joined else " There is no connection to the host at the moment."
            raise DeadlineExceededError(f"{recipient} did not answer within {deadline_s:g} s.{state}") from None
        finally:
            self._pending.close(request_id)
            if reply.done() and not reply.cancelled() and not expired:
                outbox.answered(request_id)
            else:
                outbox.forget(request_id, reason)
        if response.failure is not None:
            raise response.failure.exception()
        return response.payload
