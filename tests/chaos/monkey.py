"""A monkey: breaks a lab's processes, a few at a time, and mends what it broke."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from agentlab import Lab

AT_A_TIME = 2


class Monkey:
    """A monkey: what it does follows from its seed; when each deed takes effect does not."""

    def __init__(self, lab: Lab, seed: int, drainable: str) -> None:
        self.done: Counter[str] = Counter()
        self._lab = lab
        self._random = random.Random(seed)
        self._drainable = drainable
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def rage(self, seconds: float) -> None:
        """Break things for a while; return when all is mended."""
        until_s = time.monotonic() + seconds
        hosts_s = [time.monotonic() + seconds * part for part in (0.35, 0.75)]
        if seconds > 120:
            hosts_s = [time.monotonic() + 30 * n for n in range(1, int(seconds / 30))]
        while time.monotonic() < until_s:
            if hosts_s and time.monotonic() > hosts_s[0]:
                hosts_s.pop(0)
                await self._settled()
                await self._end_host()
                continue
            if len(self._tasks) < AT_A_TIME:
                self._begin()
            await asyncio.sleep(self._random.uniform(0.1, 0.6))
        await self._settled()

    async def _settled(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _begin(self) -> None:
        free = [name for name in self._lab.workers if name not in self._busy]
        name = self._random.choice(free)
        deeds: list[Callable[[str], Awaitable[None]]] = [self._kill, self._pause, self._cut, self._part, self._restart]
        if name == self._drainable:
            deeds = [self._drain, self._pause, self._kill]
        deed = self._random.choice(deeds)
        self.done[deed.__name__.strip("_")] += 1
        self._busy.add(name)
        task = asyncio.ensure_future(deed(name))
        self._tasks.add(task)

        def ended(task: asyncio.Future[None]) -> None:
            self._tasks.discard(task)  # type: ignore[arg-type]
            self._busy.discard(name)

        task.add_done_callback(ended)

    async def _kill(self, name: str) -> None:
        await self._lab.kill(name)
        await asyncio.sleep(self._random.uniform(0.1, 1.0))
        await self._lab.restart(name)

    async def _pause(self, name: str) -> None:
        await self._lab.pause(name)
        await asyncio.sleep(self._random.uniform(0.2, 3.0))
        await self._lab.resume(name)

    async def _cut(self, name: str) -> None:
        """From the host, and so from all."""
        seconds = self._random.uniform(0.2, 3.0)
        await self._lab.faults.partition(name, "host", heal_after_s=seconds)
        await asyncio.sleep(seconds)

    async def _part(self, name: str) -> None:
        """From the other workers."""
        seconds = self._random.uniform(0.2, 3.0)
        await self._lab.faults.partition(name, heal_after_s=seconds)
        await asyncio.sleep(seconds)

    async def _restart(self, name: str) -> None:
        await self._lab.restart(name)

    async def _drain(self, name: str) -> None:
        await self._lab.restart(name, drain=True)

    async def _end_host(self) -> None:
        self.done["host"] += 1
        if self._random.random() < 0.5:
            await self._lab.kill("host")
        await self._lab.restart("host")
