"""A worker of ours with one agent that never answers: ``our_worker.py ADDRESS``.

It tells on stdout what it received, and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass

from agentlab import MessageContext, RoutedAgent, WorkerRuntime, message_handler


@dataclass
class Greeting:
    text: str


class Sleeper(RoutedAgent):
    """Never answers."""

    @message_handler
    async def on_greeting(self, message: Greeting, ctx: MessageContext) -> None:
        print(json.dumps({"what": "received", "agent": str(self.id), "text": message.text}), flush=True)
        await asyncio.Event().wait()


async def main(address: str) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    worker = WorkerRuntime(address, name="sleepers")
    await worker.start()
    await Sleeper.register(worker, "sleeper", lambda: Sleeper("Never answers"))
    print(json.dumps({"what": "ready", "pid": os.getpid()}), flush=True)
    await orders.read()
    await worker.stop(0)


asyncio.run(main(*sys.argv[1:]))
