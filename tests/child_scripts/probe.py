"""A probe in a process of its own: how long a direct message takes. Options: `host` (address), `target` (agent type),
`calls`. For every line on stdin it makes that many calls, a few milliseconds apart, and prints the median in seconds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

from actor import Order, Report
from stdin import say

from agentlab import AgentId, WorkerRuntime, try_get_known_serializers_for_type


async def main() -> None:
    options = json.loads(sys.argv[1])
    worker = WorkerRuntime(options["host"], name="probe")
    worker.add_message_serializer(try_get_known_serializers_for_type(Report))
    await worker.start()
    say(name=worker.name)
    while await asyncio.to_thread(sys.stdin.readline):
        took_s = []
        for n in range(options["calls"]):
            began_s = time.perf_counter()
            assert await worker.send_message(Order("echo", n), AgentId(options["target"], "k")) == Report(n)
            took_s.append(time.perf_counter() - began_s)
            await asyncio.sleep(0.005)
        say(median_s=statistics.median(took_s))
    await worker.stop()


asyncio.run(main())
