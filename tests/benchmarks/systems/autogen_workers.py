# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5"]
# ///
"""AutoGen Core's own host and workers. ``autogen_workers.py host|worker|client OPTIONS``"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    event,
    rpc,
    try_get_known_serializers_for_type,
)
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost
from stand import Received, client, serve

OPTIONS = [("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)]
logging.disable(logging.CRITICAL)  # it formats every payload into its log, when somebody listens


@dataclass
class Ping:
    number: int
    text: str


@dataclass
class News:
    number: int
    text: str


class Echo(RoutedAgent):
    @rpc
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        return Ping(message.number + 1, message.text)


class Reader(RoutedAgent):
    def __init__(self, received: Received) -> None:
        super().__init__("counts what it reads")
        self._received = received

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        self._received.take(str(self.id), message.number)


async def host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:  # it cannot say which port it got
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    service = GrpcWorkerAgentRuntimeHost(address, extra_grpc_config=OPTIONS)
    service.start()
    await serve({}, address=address)
    await service.stop(0)


async def worker(address: str, name: str, readers: int = 0) -> None:
    received = Received()
    runtime = GrpcWorkerAgentRuntime(address, extra_grpc_config=OPTIONS)
    await runtime.start()
    await Echo.register(runtime, f"echo-{name}", lambda: Echo("answers"))
    for n in range(readers):
        await Reader.register(runtime, f"reader-{name}-{n}", lambda: Reader(received))
        await runtime.add_subscription(TypeSubscription("news", f"reader-{name}-{n}"))
    runtime.add_message_serializer(try_get_known_serializers_for_type(News))
    await serve({"received": received.wait})
    await runtime.stop()


async def asking(address: str) -> None:
    runtime = GrpcWorkerAgentRuntime(address, extra_grpc_config=OPTIONS)
    for cls in (Ping, News):
        runtime.add_message_serializer(try_get_known_serializers_for_type(cls))
    await runtime.start()
    echo, me, topic = AgentId("echo-w0", "1"), AgentId("client", "1"), TopicId("news", "1")

    async def call(number: int, text: str) -> tuple[int, str]:
        reply = await runtime.send_message(Ping(number, text), echo, sender=me)
        return reply.number, reply.text

    async def publish(number: int, text: str) -> None:
        await runtime.publish_message(News(number, text), topic)

    await serve(client(call, publish))
    await runtime.stop()


if __name__ == "__main__":
    asyncio.run({"host": host, "worker": worker, "client": asking}[sys.argv[1]](**json.loads(sys.argv[2])))
