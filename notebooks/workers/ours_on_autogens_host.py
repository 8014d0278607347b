"""A worker of agentlab on AutoGen's host: ``python ours_on_autogens_host.py HOST``. Only the address is another one."""

import asyncio
import os
import sys
from dataclasses import dataclass

from agentlab import AgentId, MessageContext, RoutedAgent, WorkerRuntime, message_handler


@dataclass
class Shout:
    text: str


class Echo(RoutedAgent):
    @message_handler
    async def on_shout(self, message: Shout, ctx: MessageContext) -> Shout:
        return Shout(f"{message.text} … {message.text.lower()} …")


async def main(host: str) -> None:
    worker = WorkerRuntime(host, name="ours")
    await worker.start()
    await Echo.register(worker, "echo", lambda: Echo("says it again"))
    print(f"Our worker (pid {os.getpid()}) is connected to AutoGen's host at {host}.")
    reply = await worker.send_message(Shout("HELLO"), AgentId("echo", "valley"))
    print(f"Its agent answers, through AutoGen's host: {reply}")
    await worker.stop()


asyncio.run(main(sys.argv[1]))
