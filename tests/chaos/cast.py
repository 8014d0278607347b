"""Agents of a module: they travel by name."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentlab import MessageContext, RoutedAgent, event, rpc, type_subscription


@dataclass
class Ask:
    """A direct message."""

    n: int


@dataclass
class Put:
    """A direct message that may be handled twice without harm."""

    n: int


@dataclass
class Answer:
    """The reply to either."""

    n: int


@dataclass
class News:
    """A published message."""

    n: int


@dataclass
class Census:
    """Asks what tasks there are."""


@dataclass
class Count:
    """What tasks there are, by what they run."""

    tasks: list[str]


@type_subscription("news")
class Echo(RoutedAgent):
    """Answers after a moment, and hears the news."""

    def __init__(self) -> None:
        super().__init__("answers")

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Answer:
        await asyncio.sleep(0.005)
        return Answer(message.n)

    @rpc
    async def on_census(self, message: Census, ctx: MessageContext) -> Count:
        gc.collect()  # gRPC ends a call that was given up when it is collected
        return Count(
            sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() if not task.done())
        )

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        await asyncio.sleep(0)


@type_subscription("news")
class Store(RoutedAgent):
    """Keeps the last number it was given, and hears the news."""

    def __init__(self) -> None:
        super().__init__("keeps a number")
        self.n = 0

    @rpc
    async def on_put(self, message: Put, ctx: MessageContext) -> Answer:
        self.n = message.n
        await asyncio.sleep(0.005)
        return Answer(message.n)

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        await asyncio.sleep(0)

    async def save_state(self) -> Mapping[str, Any]:
        return {"n": self.n}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.n = state["n"]
