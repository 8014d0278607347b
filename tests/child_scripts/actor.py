"""The agent of the child processes: it does what it is told, also badly."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from agentlab import AgentId, MessageContext, RoutedAgent, TopicId, event, rpc


@dataclass
class Order:
    """What to do: one of the branches of `Actor.on_order`."""

    do: str = "echo"
    n: int = 0
    text: str = ""


@dataclass
class Report:
    """The answer to an `Order`."""

    n: int
    text: str = ""


@dataclass
class News:
    """A published message."""

    n: int
    text: str = ""


class Unspeakable:
    """What no serializer can write."""


class Actor(RoutedAgent):
    """An actor: does what each message says."""

    def __init__(self, description: str = "does what it is told") -> None:
        super().__init__(description)
        self.news: list[int] = []
        self.cancelled = 0
        """How many of its handlers saw their token cancelled."""
        self.waiting = 0
        """How many of its handlers wait."""

    @rpc(strict=False)
    async def on_order(self, message: Order, ctx: MessageContext) -> Any:
        match message.do:
            case "echo":
                return Report(message.n, message.text)
            case "none":
                return None
            case "raise":
                raise LookupError(message.text) if message.text else LookupError
            case "wait":  # until the sender no longer waits
                gone = asyncio.Event()
                ctx.cancellation_token.add_callback(gone.set)
                self.waiting += 1
                await gone.wait()
                self.cancelled += 1
                return Report(message.n, "late")
            case "waiting":
                return Report(self.waiting)
            case "cancelled":
                return Report(self.cancelled)
            case "sleep":
                await asyncio.sleep(float(message.text))
                return Report(message.n)
            case "unspeakable":
                return Unspeakable()
            case "big":
                return Report(message.n, "x" * message.n)
            case "news":
                return Report(len(self.news), ",".join(map(str, self.news)))
            case "publish":
                for n in range(message.n):
                    await self.publish_message(News(n), TopicId("news", self.id.key))
                return Report(message.n)
            case "forward":  # to the actor, what the text says
                reply = await self.send_message(Order(message.text), AgentId("actor", "k"))
                return Report(message.n, repr(reply))
            case "raise at length":
                raise LookupError("x" * message.n)
            case "exit":
                os._exit(3)
        raise ValueError(f"Nobody taught me to {message.do}.")

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        if message.text == "raise":
            raise LookupError("bad news")
        self.news.append(message.n)


class Unborn(RoutedAgent):
    """An agent that cannot be made."""

    def __init__(self) -> None:
        raise FileNotFoundError("there is no such thing")

    @rpc
    async def on_order(self, message: Order, ctx: MessageContext) -> Report:
        raise AssertionError("nobody ever gets here")
