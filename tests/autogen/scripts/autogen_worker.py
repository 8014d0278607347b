# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5"]
# ///
"""An AutoGen worker that does what it is told: ``autogen_worker.py ADDRESS [CONTENT_TYPE]``.

It joins the host at ADDRESS and writes published messages as CONTENT_TYPE. Orders come as JSON lines on stdin, what
happens goes as JSON lines to stdout, and the end of stdin ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from typing import Any

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
from google.protobuf.wrappers_pb2 import StringValue


@dataclass
class Greeting:
    """The same by name and fields as `cast.Greeting` in the tests: nothing else is shared."""

    text: str


def tell(what: str, **facts: Any) -> None:
    print(json.dumps({"what": what, **facts}), flush=True)


class Echo(RoutedAgent):
    """Answers a greeting with one of its own, or does what the greeting says."""

    def __init__(self) -> None:
        super().__init__("Echo")

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> Greeting | None:
        self._tell_received("Greeting", message.text, ctx)
        match message.text:
            case "raise":
                raise ValueError("there is no such greeting")
            case "raise without a text":
                raise ValueError
            case "wait":
                await asyncio.Event().wait()
            case "answer nothing":
                return None
        return Greeting(f"{message.text} from {self.id}")

    @message_handler
    async def on_string(self, message: StringValue, ctx: MessageContext) -> Greeting:
        self._tell_received("StringValue", message.value, ctx)
        return Greeting(f"{message.value} from {self.id}")

    def _tell_received(self, type_name: str, text: str, ctx: MessageContext) -> None:
        tell(
            "received",
            agent=str(self.id),
            type=type_name,
            text=text if len(text) < 1000 else f"{len(text)} characters",
            sender=None if ctx.sender is None else str(ctx.sender),
            topic=None if ctx.topic_id is None else str(ctx.topic_id),
        )


def broken() -> Echo:
    raise ValueError("this factory makes nothing")


class Worker:
    """The orders that this worker takes: each is a method."""

    def __init__(self, runtime: GrpcWorkerAgentRuntime) -> None:
        self.runtime = runtime

    async def register(self, type: str, factory: str = "echo") -> None:
        await Echo.register(self.runtime, type, broken if factory == "broken" else Echo)

    async def subscribe(self, topic_type: str, agent_type: str) -> str:
        subscription = TypeSubscription(topic_type, agent_type)
        await self.runtime.add_subscription(subscription)
        return subscription.id

    async def unsubscribe(self, id: str) -> None:
        await self.runtime.remove_subscription(id)

    async def send(self, to: str, text: str, sender: str | None = None, times: int = 1) -> str:
        source = None if sender is None else AgentId.from_str(sender)
        reply = await self.runtime.send_message(Greeting(text * times), AgentId.from_str(to), sender=source)
        if isinstance(reply, Greeting):
            return reply.text if len(reply.text) < 1000 else f"{len(reply.text)} characters"
        return repr(reply)

    async def publish(self, topic: str, text: str, protobuf: bool = False, sender: str | None = None) -> None:
        message = StringValue(value=text) if protobuf else Greeting(text)
        source = None if sender is None else AgentId.from_str(sender)
        await self.runtime.publish_message(message, TopicId.from_str(topic), sender=source)


async def carry_out(worker: Worker, order: dict[str, Any]) -> None:
    number = order.pop("number")
    try:
        result = await getattr(worker, order.pop("do"))(**order)
    except Exception as error:
        details = getattr(error, "details", None)
        text = details() if details is not None else str(error)
        tell("failed", number=number, error=type(error).__name__, text=text[:1000], length=len(text))
    else:
        tell("done", number=number, result=result)


async def main(address: str, content_type: str = "application/json") -> None:
    orders = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    runtime = GrpcWorkerAgentRuntime(address, payload_serialization_format=content_type)
    await runtime.start()
    for cls in (Greeting, StringValue):
        runtime.add_message_serializer(try_get_known_serializers_for_type(cls))
    tell("ready", pid=os.getpid())
    worker = Worker(runtime)
    work: set[asyncio.Task[None]] = set()
    async for line in orders:
        task = asyncio.create_task(carry_out(worker, json.loads(line)))
        work.add(task)
        task.add_done_callback(work.discard)
    os._exit(0)  # its own stop() would wait for handlers that never end


asyncio.run(main(*sys.argv[1:]))
