"""The cast: messages and agents that several tests use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agentlab import BaseAgent, MessageContext, RoutedAgent, message_handler

LIMIT_S = 10.0
"""Longer than anything here takes; a test that waits so long has failed."""


@dataclass
class Text:
    """A message."""

    text: str = ""


@dataclass
class Number:
    """Another message."""

    number: int = 0


class Recorder(BaseAgent):
    """Keeps every message with its context, and returns the message."""

    def __init__(self, description: str = "keeps what it gets") -> None:
        super().__init__(description)
        self.messages: list[Any] = []
        self.contexts: list[MessageContext] = []

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.messages.append(message)
        self.contexts.append(ctx)
        return message


class Echo(RoutedAgent):
    """Answers a text with the same text, in upper case."""

    def __init__(self, description: str = "answers") -> None:
        super().__init__(description)

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        return Text(message.text.upper())


class Gate(BaseAgent):
    """Waits in its handler until the gate opens; says when a handler is inside."""

    def __init__(self) -> None:
        super().__init__("waits")
        self.inside = asyncio.Event()
        self.open = asyncio.Event()
        self.context: MessageContext | None = None
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self._arrived = asyncio.Event()

    async def has_started(self, count: int) -> None:
        """Wait until so many handlers have started."""
        while len(self.started) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.context = ctx
        self.started.append(message)
        self.inside.set()
        self._arrived.set()
        await self.open.wait()
        self.ended.append(message)
        return message
