"""Cascade: a tree of published messages, in which every agent is made by the message that it gets.

A wave of depth 2 makes its receiver publish waves of depth 1, each to a topic of its own, and so on down to depth 0.
The key of an agent is the source of the topic: nobody registers `0.1`, the first message to it does. Try: publish
`Wave(depth=3)` to `TopicId("cascade", "0")`, and say before how many agents there will be. Register the type on one
worker, then count how many messages passed the host. Two types with this class: what happens to the number?
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.contexts import MessageContext
from ..core.routing import RoutedAgent, event
from ..core.subscriptions import type_subscription
from ..core.topics import TopicId

MOST = 1_000
"""Messages in one tree: a picture of more shows nothing, and one more level of depth is easily typed."""


@dataclass
class Wave:
    """A wave runs on as long as it has depth."""

    depth: int = 3


@type_subscription("cascade")
class Cascade(RoutedAgent):
    """A node of the cascade: passes a wave on to its children."""

    def __init__(self, children: int = 2) -> None:
        super().__init__(f"has {children} children")
        self._children = children

    @event
    async def on_wave(self, message: Wave, ctx: MessageContext) -> None:
        if sum(self._children**level for level in range(min(message.depth, MOST) + 1)) > MOST:
            raise ValueError(f"A wave of depth {message.depth} would be more than {MOST} messages.")
        for child in range(self._children if message.depth > 0 else 0):
            await self.publish_message(Wave(message.depth - 1), TopicId("cascade", f"{self.id.key}.{child}"))
