# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5"]
# ///
"""The agent that `agentlab conform` examines, on AutoGen: ``uv run --script conform.py HOST``."""

import asyncio
import os
import sys
import threading
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    message_handler,
    try_get_known_serializers_for_type,
)
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime


@dataclass
class Echo:
    text: str


@dataclass
class Fail:
    text: str


@dataclass
class Nothing:
    pass


@dataclass
class Note:
    text: str


@dataclass
class Recall:
    pass


@dataclass
class Recalled:
    texts: list[str]


@dataclass
class Subscribe:
    topic: str


@dataclass
class Unsubscribe:
    id: str


@dataclass
class Publish:
    topic: str
    source: str
    texts: list[str]


@dataclass
class Ask:
    type: str
    text: str


@dataclass
class Done:
    id: str


class Conform(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("Does what the contract of agentlab conform says")
        self.notes: list[str] = []

    @message_handler
    async def on_echo(self, message: Echo, ctx: MessageContext) -> Echo:
        return message

    @message_handler
    async def on_fail(self, message: Fail, ctx: MessageContext) -> None:
        raise ValueError(message.text)

    @message_handler
    async def on_nothing(self, message: Nothing, ctx: MessageContext) -> None:
        return None

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.notes.append(message.text)

    @message_handler
    async def on_recall(self, message: Recall, ctx: MessageContext) -> Recalled:
        return Recalled(self.notes)

    @message_handler
    async def on_subscribe(self, message: Subscribe, ctx: MessageContext) -> Done:
        subscription = TypeSubscription(message.topic, self.id.type)
        await self.runtime.add_subscription(subscription)
        return Done(subscription.id)

    @message_handler
    async def on_unsubscribe(self, message: Unsubscribe, ctx: MessageContext) -> Done:
        await self.runtime.remove_subscription(message.id)
        return Done(message.id)

    @message_handler
    async def on_publish(self, message: Publish, ctx: MessageContext) -> Done:
        for text in message.texts:
            await self.publish_message(Note(text), TopicId(message.topic, message.source))
        return Done("")

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Echo:
        return await self.send_message(Echo(message.text), AgentId(message.type, self.id.key))


async def main(host: str) -> None:
    # AutoGen's own stop() would wait for handlers that never end.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    runtime = GrpcWorkerAgentRuntime(host)
    await runtime.start()
    for answer in (Done, Recalled):  # of what its handlers take, AutoGen learns by itself
        runtime.add_message_serializer(try_get_known_serializers_for_type(answer))
    await Conform.register(runtime, "conform", Conform)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
