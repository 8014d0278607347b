"""A worker in a process of its own. Options: `host` (address), `types` (agent types, all of them Actors),
`unborn` (agent types that cannot be made), `subscribe` (pairs of topic type and agent type); the others are
WorkerRuntime's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

from actor import Actor, Unborn
from stdin import end_of_stdin, say

from agentlab import Tls, TypeSubscription, WorkerRuntime


async def main() -> None:
    options = json.loads(sys.argv[1])
    host, types = options.pop("host"), options.pop("types", [])
    unborn, subscribe = options.pop("unborn", []), options.pop("subscribe", [])
    if "tls" in options:
        options["tls"] = Tls.read(**options["tls"])
    worker = WorkerRuntime(host, **options)
    await worker.start()
    for agent_type in types:
        await Actor.register(worker, agent_type, Actor)
    for agent_type in unborn:
        await Unborn.register(worker, agent_type, Unborn)
    for topic_type, agent_type in subscribe:
        await worker.add_subscription(TypeSubscription(topic_type, agent_type))
    say(name=worker.name, pid=os.getpid())
    await end_of_stdin()
    await worker.stop(grace_s=0)


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
