"""Agents of a module: they travel by name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from agentlab import AgentId, MessageContext, RequestCancelledError, RoutedAgent, default_subscription, event, rpc


class Tone(Enum):
    """How something is said."""

    QUIET = "quiet"
    LOUD = "loud"


@dataclass
class Say:
    """Asks for an echo."""

    text: str
    tone: Tone = Tone.QUIET


@dataclass
class Said:
    """The echo."""

    text: str


@dataclass
class Sleep:
    """Asks an agent to take its time."""

    seconds: float


@dataclass
class AskToSleep:
    """Asks an agent to ask another one to take its time."""

    whom: str
    seconds: float


@default_subscription
class Echo(RoutedAgent):
    """Says again what it hears, and prints it."""

    def __init__(self, word: str = "echo") -> None:
        super().__init__("says again what it hears")
        self.word = word

    @rpc
    async def on_say(self, message: Say, ctx: MessageContext) -> Said:
        if message.text == "fail":
            raise ValueError("asked to <fail>")
        print(f"{self.id} heard {message.text}")
        return Said(f"{self.word} {message.text}")

    @event
    async def on_said(self, message: Said, ctx: MessageContext) -> None:
        print(f"{self.id} overheard {message.text}")

    @rpc
    async def on_sleep(self, message: Sleep, ctx: MessageContext) -> Said:
        sleeping = asyncio.ensure_future(asyncio.sleep(message.seconds))
        ctx.cancellation_token.link_future(sleeping)
        try:
            await sleeping
        except asyncio.CancelledError:
            print(f"{self.id} was told to give up")
            raise
        return Said("slept")


class Asker(RoutedAgent):
    """Asks another agent to sleep, and says what came of it."""

    def __init__(self) -> None:
        super().__init__("asks others")

    @rpc
    async def on_ask(self, message: AskToSleep, ctx: MessageContext) -> Said:
        try:
            await self.send_message(Sleep(message.seconds), AgentId(message.whom, "default"))
        except RequestCancelledError as error:
            return Said(f"{type(error).__name__}: {str(error).partition(': ')[2].rstrip('.')}")
        return Said("it slept")
