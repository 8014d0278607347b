"""The agent that `agentlab conform` examines, on agentlab's own worker runtime: ``python python_worker.py HOST``."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from agentlab import AgentId, MessageContext, RoutedAgent, TopicId, TypeSubscription, WorkerRuntime, message_handler
from agentlab.conformance.messages import (
    Ask,
    Done,
    Echo,
    Fail,
    Note,
    Nothing,
    Publish,
    Recall,
    Recalled,
    Subscribe,
    Unsubscribe,
)


class Conform(RoutedAgent):
    """Does what the contract says."""

    def __init__(self) -> None:
        super().__init__("Conform")
        self._notes: list[str] = []

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
        self._notes.append(message.text)

    @message_handler
    async def on_recall(self, message: Recall, ctx: MessageContext) -> Recalled:
        return Recalled(self._notes)

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
        reply: Echo = await self.send_message(Echo(message.text), AgentId(message.type, self.id.key))
        return reply


async def main(host: str) -> None:
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    worker = WorkerRuntime(host)
    await worker.start()
    await Conform.register(worker, "conform", Conform)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
