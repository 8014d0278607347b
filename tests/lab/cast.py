"""Agents of a module: they travel by name."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentlab import MessageContext, RoutedAgent, default_subscription, message_handler


@dataclass
class Say:
    """Asks for an echo."""

    text: str


@dataclass
class Said:
    """The echo."""

    text: str
    pid: int
    heard: int


@dataclass
class Sleep:
    """Asks an agent to take its time."""

    seconds: float
    blocking: bool = False


@default_subscription
class Echo(RoutedAgent):
    """Says again what it hears, counts it, and prints it."""

    def __init__(self, word: str = "echo") -> None:
        super().__init__("says again what it hears")
        self.word = word
        self.heard = 0

    @message_handler
    async def on_say(self, message: Say, ctx: MessageContext) -> Said:
        if message.text == "fail":
            raise ValueError("asked to fail")
        self.heard += 1
        print(f"{self.id} heard {message.text}")
        return Said(f"{self.word} {message.text}", os.getpid(), self.heard)

    @message_handler
    async def on_sleep(self, message: Sleep, ctx: MessageContext) -> Said:
        if message.blocking:
            time.sleep(message.seconds)  # noqa: ASYNC251  an agent that blocks its worker is what some tests need
        else:
            sleeping = asyncio.ensure_future(asyncio.sleep(message.seconds))
            ctx.cancellation_token.link_future(sleeping)
            try:
                await sleeping
            except asyncio.CancelledError:
                print(f"{self.id} was cancelled")
                raise
        return Said("slept", os.getpid(), self.heard)

    async def save_state(self) -> Mapping[str, Any]:
        return {"heard": self.heard}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.heard = state["heard"]
