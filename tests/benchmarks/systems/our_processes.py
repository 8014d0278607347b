"""agentlab: ``our_processes.py host|worker|client OPTIONS``, OPTIONS as JSON.

Everything is on: journal, reports, sessions, deadlines.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from stand import Received, client, serve

from agentlab import (
    AgentId,
    HostService,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    WorkerRuntime,
    event,
    rpc,
    try_get_known_serializers_for_type,
)
from agentlab.core.garbage import collect_seldom
from agentlab.core.journal import Journal
from agentlab.host.connection import Limits


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


class NoJournal(Journal):
    """Forgets everything: what the journal costs is the difference."""

    def write(self, *record: Any) -> None:
        """Forget it."""

    def write_all(self, *records: Any) -> None:
        """Forget them."""


async def host(journal: bool = True, capacity: int = 200_000) -> None:
    limits = Limits(max_message_bytes=8 * 2**20)
    service = HostService("127.0.0.1:0", journal_capacity=capacity, limits=limits)
    if not journal:
        service.router.book.journal = NoJournal()
    service.start()
    await serve({}, address=service.address)
    await service.stop(0)


async def worker(address: str, name: str, readers: int = 0, types: int = 0, subscriptions: int = 0) -> None:
    received = Received()
    runtime = WorkerRuntime(address, name=name)
    await runtime.start()
    await Echo.register(runtime, f"echo-{name}", lambda: Echo("answers"))
    for n in range(types):
        await Echo.register(runtime, f"idle-{name}-{n}", lambda: Echo("waits"))
    for n in range(subscriptions):
        await runtime.add_subscription(TypeSubscription(f"other-{name}-{n}", f"echo-{name}"))
    for n in range(readers):
        await Reader.register(runtime, f"reader-{name}-{n}", lambda: Reader(received))
        await runtime.add_subscription(TypeSubscription("news", f"reader-{name}-{n}"))

    async def wait(expected: int, limit_s: float) -> Any:
        return await received.wait(expected, limit_s)

    await serve({"received": wait})
    await runtime.stop(0)


async def asking(address: str, target: str = "w0") -> None:
    runtime = WorkerRuntime(address, name="client")
    runtime.add_message_serializer(try_get_known_serializers_for_type(Ping))
    await runtime.start()
    echo, topic = AgentId(f"echo-{target}", "1"), TopicId("news", "1")

    async def call(number: int, text: str) -> tuple[int, str]:
        reply = await runtime.send_message(Ping(number, text), echo)
        return reply.number, reply.text

    async def publish(number: int, text: str) -> None:
        await runtime.publish_message(News(number, text), topic)

    await serve(client(call, publish))
    await runtime.stop(0)


if __name__ == "__main__":
    if sys.argv[1] != "client":  # a notebook's kernel
        collect_seldom()  # as a lab's processes do
    asyncio.run({"host": host, "worker": worker, "client": asking}[sys.argv[1]](**json.loads(sys.argv[2])))
