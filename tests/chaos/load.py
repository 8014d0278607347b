"""Steady load: senders that ask, put and publish, and keep what became of each message."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentlab import (
    AgentId,
    Lab,
    Retry,
    TopicId,
    UndeliverableException,
    WorkerRuntime,
    try_get_known_serializers_for_type,
)

from .cast import Answer, Ask, News, Put

ASK_DEADLINE_S = 3.0
"""Of a direct message that is sent once."""
PUT_DEADLINE_S = 60.0
"""Of one that is sent again until it succeeds: longer than anything stays broken."""
KEYS = [f"key-{n}" for n in range(40)]


@dataclass
class Kept:
    """What one sender keeps."""

    asked: Counter[str] = field(default_factory=Counter)
    """How its direct messages ended: ``reply``, or the error's name."""
    late: list[str] = field(default_factory=list)
    """Those that ended more than a second after their deadline."""
    wrong: list[str] = field(default_factory=list)
    """Those that ended in no way that is promised."""
    put: Counter[str] = field(default_factory=Counter)
    """The same of those that were retried."""
    published: list[str] = field(default_factory=list)
    """The ids of its published messages."""


class Sender:
    """A sender: a worker without agents, which keeps sending until it is told to end."""

    def __init__(self, lab: Lab, number: int, echoes: list[str], seed: int) -> None:
        self.kept = Kept()
        token = None if lab.tokens is None else lab.tokens.worker
        self.runtime = WorkerRuntime(lab.address, name=f"sender-{number}", token=token, keepalive_s=1.0)
        self._echoes = echoes
        self._random = random.Random(seed)
        self._numbers = iter(range(10**9))
        self._enough = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        for cls in Answer, Ask, Put, News:
            self.runtime.add_message_serializer(try_get_known_serializers_for_type(cls))

    async def start(self) -> None:
        await self.runtime.start()
        for work, pause_s in (self._ask, 0.07), (self._put, 0.1), (self._publish, 0.25):
            self._spawn(self._keep(work, pause_s))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        """Steady: a message that takes long does not hold back the next."""
        while not self._enough.is_set():
            self._spawn(work())
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.5))

    async def _ask(self) -> None:
        n = next(self._numbers)
        target = AgentId(self._random.choice(self._echoes), self._random.choice(KEYS))
        began_s = time.monotonic()
        try:
            reply = await self.runtime.send_message(Ask(n), target, deadline_s=ASK_DEADLINE_S)
            if reply != Answer(n):
                self.kept.wrong.append(f"{target} answered {n} with {reply}")
            self.kept.asked["reply"] += 1
        except UndeliverableException as error:
            self.kept.asked[type(error).__name__] += 1
        except Exception as error:
            self.kept.wrong.append(f"{target}: {error!r}")
        took_s = time.monotonic() - began_s
        if took_s > ASK_DEADLINE_S + 1:
            self.kept.late.append(f"{target} after {took_s:.1f} s")

    async def _put(self) -> None:
        n = next(self._numbers)
        target = AgentId("store", self._random.choice(KEYS))
        retry = Retry(attempts=1000, backoff_s=0.1, longest_backoff_s=0.5, attempt_s=3.0)
        try:
            reply = await self.runtime.send_message(Put(n), target, deadline_s=PUT_DEADLINE_S, retry=retry)
            if reply != Answer(n):
                self.kept.wrong.append(f"{target} answered {n} with {reply}")
            self.kept.put["reply"] += 1
        except Exception as error:
            self.kept.put[type(error).__name__] += 1
            self.kept.wrong.append(f"{target}: {error!r}")

    async def _publish(self) -> None:
        n = next(self._numbers)
        message_id = f"{self.runtime.name}:{n}"
        self.kept.published.append(message_id)
        topic = TopicId("news", self._random.choice(KEYS))
        await self.runtime.publish_message(News(n), topic, message_id=message_id)

    async def end(self) -> None:
        """Send nothing more; wait until all that was sent has ended."""
        self._enough.set()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        await self.runtime.stop()
