"""What every system under test is measured with: orders on stdin, answers on stdout, one JSON line each.

Standard library only: each system runs this file in an environment of its own. The clocks are the machine's, so what
one process began another may end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

TEXT = "x" * 100
"""The text of every message."""

Call = Callable[[int, str], Awaitable[tuple[int, str]]]
"""Sends a number and a text; returns what came back: the number plus one, and the text."""

Publish = Callable[[int, str], Awaitable[None]]
"""Publishes a number and a text."""

Answer = Callable[..., Awaitable[Any]]


class WrongAnswer(Exception):
    """A system is not fast that answers something else."""


class Received:
    """What the agents of one worker received: all that was published, each in order, or it is wrong."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.count = 0
        self.last_ns = 0
        self.wrong = ""
        self.all_here = asyncio.Event()
        self.expected = 0

    def take(self, agent: str, number: int) -> None:
        """An agent received a message."""
        before = self.last.get(agent, -1)
        if number != before + 1:
            self.wrong = f"{agent} received {number} after {before}"
        self.last[agent] = number
        self.count += 1
        if self.count >= self.expected > 0:
            self.last_ns = time.time_ns()
            self.all_here.set()

    async def wait(self, expected: int, limit_s: float) -> dict[str, Any]:
        """Until `expected` messages were received since the last time; when the last one was. Then begin anew."""
        self.expected = expected
        if self.count < expected:
            self.all_here.clear()
            await asyncio.wait_for(self.all_here.wait(), limit_s)
        else:
            self.last_ns = self.last_ns or time.time_ns()
        if self.wrong or self.count != expected:
            raise WrongAnswer(self.wrong or f"{self.count} received, {expected} published")
        last_ns = self.last_ns
        self.last, self.count, self.expected, self.last_ns = {}, 0, 0, 0
        return {"last_ns": last_ns}


def say(**facts: Any) -> None:
    """Print one JSON line."""
    print(json.dumps(facts), flush=True)


async def serve(answers: dict[str, Answer], **ready: Any) -> None:
    """Say that we are ready, then do as the lines on stdin say, until it ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")

    threading.Thread(target=read, daemon=True).start()
    say(ready=True, pid=os.getpid(), **ready)
    while line := await lines.get():
        order = json.loads(line)
        try:
            say(result=await answers[order.pop("do")](**order))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")


def client(call: Call, publish: Publish | None = None) -> dict[str, Answer]:
    """What a client can be told to do."""

    async def timed(number: int, text: str) -> int:
        began = time.perf_counter_ns()
        answer = await call(number, text)
        ended = time.perf_counter_ns()
        if answer != (number + 1, text):
            raise WrongAnswer(f"{answer!r:.100} is no answer to {number}")
        return ended - began

    async def calls(count: int, outstanding: int, size: int = len(TEXT)) -> dict[str, Any]:
        """`count` direct messages, with always `outstanding` of them under way."""
        numbers, taken_ns, text = iter(range(count)), list[int](), "x" * size

        async def send() -> None:
            for number in numbers:
                taken_ns.append(await timed(number, text))

        began = time.perf_counter_ns()
        await asyncio.gather(*(send() for _ in range(outstanding)))
        return described(taken_ns, time.perf_counter_ns() - began)

    async def paced(count: int, rate: float) -> dict[str, Any]:
        """`count` direct messages, `rate` a second, however long each takes; a late one counts from when it was due."""
        loop, taken_ns = asyncio.get_running_loop(), list[int]()
        began = loop.time()

        async def send(number: int) -> None:
            due = began + number / rate
            answer = await call(number, TEXT)
            if answer != (number + 1, TEXT):
                raise WrongAnswer(f"{answer!r:.100} is no answer to {number}")
            taken_ns.append(int((loop.time() - due) * 1e9))

        async with asyncio.TaskGroup() as group:  # keeps none that has ended: they would cost as much as the messages
            for number in range(count):
                pause = began + number / rate - loop.time()
                if pause > 0:
                    await asyncio.sleep(pause)
                group.create_task(send(number))
        return described(taken_ns, int((loop.time() - began) * 1e9))

    async def published(count: int) -> dict[str, Any]:
        """`count` messages published. When they began; their receivers say when they ended."""
        assert publish is not None
        began_ns = time.time_ns()
        for number in range(count):
            await publish(number, TEXT)
        return {"began_ns": began_ns}

    return {"calls": calls, "paced": paced, "published": published}


def described(taken_ns: list[int], whole_ns: int) -> dict[str, Any]:
    """Times in milliseconds, messages a second."""
    taken_ns.sort()

    def at(part: float) -> float:
        return taken_ns[min(len(taken_ns) - 1, int(part * len(taken_ns)))] / 1e6

    return {
        "per_s": len(taken_ns) / (whole_ns / 1e9),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "count": len(taken_ns),
    }
