"""How long a lab takes to start, and to replace an agent: ``lab_start.py start {}``.

A start is a host, three workers, three agent classes of this file (as of a cell), and the first reply.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median

from stand import say

from agentlab import AgentId, Lab, MessageContext, RoutedAgent, rpc

REPLACED = 20


@dataclass
class Ping:
    number: int


class First(RoutedAgent):
    @rpc
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        return Ping(message.number + 1)

    async def save_state(self) -> dict[str, int]:
        return {"kept": 1}

    async def load_state(self, state: dict[str, int]) -> None:
        pass


class Second(First):
    pass


class Third(First):
    pass


async def main() -> None:
    began = time.perf_counter()
    lab = await Lab.start(workers=3)
    await asyncio.gather(
        *(
            lab.register(worker, cls.__name__.lower(), cls, "answers")
            for worker, cls in zip(lab.workers, (First, Second, Third), strict=True)
        )
    )
    reply = await lab.send_message(Ping(1), AgentId("third", "1"))
    started_s = time.perf_counter() - began
    assert reply.number == 2
    await lab.send_message(Ping(1), AgentId("first", "1"))
    replaced_s = []
    for _ in range(REPLACED):
        began = time.perf_counter()
        await lab.register(lab.workers[0], "first", First, "answers")
        replaced_s.append(time.perf_counter() - began)
    await lab.stop()
    say(ready=True, started_s=started_s, replaced_s=median(replaced_s))


if __name__ == "__main__":
    asyncio.run(main())
