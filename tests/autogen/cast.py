"""Our agents and messages in the tests with AutoGen. AutoGen's side has its own, the same by name only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import StringValue

from agentlab import MessageContext, RoutedAgent, WorkerRuntime, message_handler


@dataclass
class Greeting:
    """A JSON message; the protobuf message here is `google.protobuf.StringValue`."""

    text: str


@dataclass
class Received:
    """A message as its agent saw it."""

    agent: str
    type: str
    text: str
    sender: str | None
    topic: str | None


class Greeter(RoutedAgent):
    """Answers a greeting with one of its own, or does what the greeting says."""

    def __init__(self, received: list[Received]) -> None:
        super().__init__("Greeter")
        self._received = received

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Greeting | None:
        self._note("Greeting", message.text, ctx)
        match message.text:
            case "raise":
                raise ValueError("there is no such greeting")
            case "raise without a text":
                raise ValueError
            case "raise with a very long text":
                raise ValueError("long " * 1_000_000)
            case "answer with very much":
                return Greeting("much " * 1_000_000)
            case "wait":
                await asyncio.Event().wait()
            case "answer nothing":
                return None
        return Greeting(f"{message.text} from {self.id}")

    @message_handler
    async def on_string(self, message: StringValue, ctx: MessageContext) -> None:
        self._note("StringValue", message.value, ctx)

    def _note(self, type_name: str, text: str, ctx: MessageContext) -> None:
        sender = None if ctx.sender is None else str(ctx.sender)
        topic = None if ctx.topic_id is None else str(ctx.topic_id)
        self._received.append(Received(str(self.id), type_name, text, sender, topic))


class Meeting(RoutedAgent):
    """Answers nobody before two have come, and then each with what it said."""

    def __init__(self) -> None:
        super().__init__("Meeting")
        self._both = asyncio.Barrier(2)

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Greeting:
        await self._both.wait()
        return message


def broken() -> Greeter:
    """A factory that makes nothing."""
    raise ValueError("this factory makes nothing")


async def register_meeting(worker: WorkerRuntime) -> None:
    """Register `Meeting` as meeting."""
    await Meeting.register(worker, "meeting", Meeting)


async def register_greeter(worker: WorkerRuntime, agent_type: str = "greeter") -> list[Received]:
    """Register a `Greeter`; what its agents receive is in the returned list."""
    received: list[Received] = []
    await Greeter.register(worker, agent_type, lambda: Greeter(received))
    return received
