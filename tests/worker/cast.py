"""The cast: messages and agents that several tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentlab import BaseAgent, MessageContext, RoutedAgent, WorkerRuntime, message_handler
from agentlab import try_get_known_serializers_for_type as serializers


@dataclass
class Text:
    """A message."""

    text: str = ""


@dataclass
class Number:
    """Another message."""

    number: int = 0


def teach(*workers: WorkerRuntime) -> None:
    """Let these workers read the messages above, also where no handler of theirs takes them."""
    for worker in workers:
        worker.add_message_serializer([*serializers(Text), *serializers(Number)])


class Recorder(RoutedAgent):
    """Keeps every message with its context, and returns the message. Its state is how many it got."""

    made = 0
    """How many were made by `Recorder.make`."""

    def __init__(self, description: str = "keeps what it gets") -> None:
        super().__init__(description)
        self.messages: list[Any] = []
        self.contexts: list[MessageContext] = []
        self.count = 0
        self.closed = 0

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        self._keep(message, ctx)
        return message

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> Number:
        self._keep(message, ctx)
        return Number(self.count)

    def _keep(self, message: Any, ctx: MessageContext) -> None:
        self.messages.append(message)
        self.contexts.append(ctx)
        self.count += 1

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]

    async def close(self) -> None:
        self.closed += 1


class Gate(BaseAgent):
    """Waits in its handler until the gate opens; says when a handler is inside."""

    def __init__(self) -> None:
        super().__init__("waits")
        self.inside = asyncio.Event()
        self.open = asyncio.Event()
        self.contexts: list[MessageContext] = []
        self.ended = 0

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.contexts.append(ctx)
        self.inside.set()
        await self.open.wait()
        self.ended += 1
        return message
