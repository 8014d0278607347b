"""A slow worker in a process of its own: its one type, ``slow``, handles ten messages a second, one after the other.
Option: `host` (address)."""

from __future__ import annotations

import asyncio
import json
import sys

from actor import News, Order, Report
from stdin import end_of_stdin, say

from agentlab import MessageContext, SequentialRoutedAgent, TypeSubscription, WorkerRuntime, event, rpc


class Slow(SequentialRoutedAgent):
    """Takes a tenth of a second for everything."""

    def __init__(self) -> None:
        super().__init__("takes its time")

    @rpc
    async def on_order(self, message: Order, ctx: MessageContext) -> Report:
        await asyncio.sleep(0.1)
        return Report(message.n)

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        await asyncio.sleep(0.1)


async def main() -> None:
    worker = WorkerRuntime(json.loads(sys.argv[1])["host"], name="slow")
    await worker.start()
    await Slow.register(worker, "slow", Slow)
    await worker.add_subscription(TypeSubscription("flood", "slow"))
    say(name=worker.name)
    await end_of_stdin()
    await worker.stop(grace_s=0)


asyncio.run(main())
