"""A sender in a process of its own: many direct messages, a number of them outstanding at a time.

Options: `host` (address), `name`, `targets` (agent types, in turn), `messages`, `outstanding`. It says it is ready,
begins when a line comes on stdin, and prints what became of the messages: replies (each its own), and errors by name.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

from actor import Order, Report
from stdin import say

from agentlab import AgentId, WorkerRuntime, try_get_known_serializers_for_type
from agentlab.core.exceptions import UndeliverableException


async def main() -> None:
    options = json.loads(sys.argv[1])
    worker = WorkerRuntime(options["host"], name=options["name"])
    worker.add_message_serializer(try_get_known_serializers_for_type(Report))
    await worker.start()
    targets = [AgentId(agent_type, "k") for agent_type in options["targets"]]
    say(name=worker.name)
    await asyncio.to_thread(sys.stdin.readline)
    ended: Counter[str] = Counter()
    numbers = iter(range(options["messages"]))

    async def send() -> None:
        for n in numbers:
            try:
                reply = await worker.send_message(
                    Order("echo", n, worker.name), targets[n % len(targets)], deadline_s=30
                )
                ended["own reply" if reply == Report(n, worker.name) else "wrong reply"] += 1
            except UndeliverableException as error:
                ended[type(error).__name__] += 1
            if sum(ended.values()) == options["messages"] // 2:
                say(half=True)

    await asyncio.gather(*(send() for _ in range(options["outstanding"])))
    await worker.stop()
    outbox = worker._connection.outbox
    say(ended=ended, left=[len(worker._pending), len(outbox.in_flight), outbox.unsent])


asyncio.run(main())
