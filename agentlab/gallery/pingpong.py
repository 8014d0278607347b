"""Ping-pong: two agents that send each other a ball, and each waits until the other is done.

Try: register one as `ping` with `PingPong("pong")` and the other as `pong` with `PingPong("ping")`, and send
`Ball(hits=5)` to `ping`. The timeline shows handlers within handlers: a handler that waits for a reply does not keep
its agent from handling the next ball. Then derive `PingPong` from `SequentialRoutedAgent` instead, which finishes one
message before it starts the next: the ball comes back to an agent that waits for it, and only the deadline ends that.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.contexts import MessageContext
from ..core.ids import AgentId
from ..core.routing import RoutedAgent, rpc


@dataclass
class Ball:
    """A ball in play: how often it is still to be hit, and by whom it was."""

    hits: int
    by: str = ""


class PingPong(RoutedAgent):
    """A ping-pong player: hits the ball to its partner, as long as hits are left."""

    def __init__(self, partner: str = "pong") -> None:
        super().__init__(f"plays with {partner}")
        self._partner = partner

    @rpc
    async def on_ball(self, message: Ball, ctx: MessageContext) -> Ball:
        hit = Ball(message.hits - 1, f"{message.by} {self.id.type}".strip())
        if hit.hits <= 0:
            return hit
        back: Ball = await self.send_message(
            hit, AgentId(self._partner, self.id.key), cancellation_token=ctx.cancellation_token
        )
        return back
