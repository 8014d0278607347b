"""What processes have of what a leak would leave behind: threads, file descriptors, tasks, memory."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import dataclass

import psutil

from agentlab import AgentId, Lab

from .cast import Census

MORE_THREADS = 2
"""gRPC keeps a few threads more or fewer, as it needs them."""


def host_memory(lab: Lab) -> int:
    """Bytes of the host."""
    return int(psutil.Process(lab["host"].pid).memory_info().rss)


class Belongings:
    """What this process has: threads, file descriptors, tasks."""

    def __init__(self) -> None:
        gc.collect()
        self.threads = {thread for thread in threading.enumerate() if thread.is_alive()}
        self.descriptors = psutil.Process().num_fds()
        self.tasks = {task for task in asyncio.all_tasks() if not task.done()}

    def nothing_is_left(self) -> bool:
        now = Belongings()
        return now.threads <= self.threads and now.descriptors <= self.descriptors and now.tasks <= self.tasks


@dataclass(frozen=True)
class Holding:
    """What one process of the lab has."""

    pid: int
    threads: int
    descriptors: int
    tasks: tuple[str, ...]
    """What its event loop's tasks run, for whoever reads the figures; none where no agent can be asked."""

    def is_no_more_than(self, other: Holding) -> bool:
        return (
            self.threads <= other.threads + MORE_THREADS
            and self.descriptors <= other.descriptors
            and len(self.tasks) <= len(other.tasks)
        )


async def holdings(lab: Lab, agents: dict[str, str]) -> dict[str, Holding]:
    """What the host and each worker have; `agents` are the types that count a worker's tasks."""
    found = {}
    for name in ("host", *lab.workers):
        tasks: list[str] = []
        if name in agents:
            tasks = (await lab.send_message(Census(), AgentId(agents[name], "census"))).tasks
        process = psutil.Process(lab[name].pid)
        found[name] = Holding(process.pid, process.num_threads(), process.num_fds(), tuple(tasks))
    return found


async def nothing_more_is_held(lab: Lab, agents: dict[str, str], before: dict[str, Holding]) -> bool:
    now = await holdings(lab, agents)
    return all(holding.is_no_more_than(before[name]) for name, holding in now.items())
