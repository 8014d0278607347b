"""What is to be done to processes, now or later: kill, pause, resume, restart.

Used on the lab's event loop. Read next: `agentlab.lab.faults`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

KILL, PAUSE, RESUME, RESTART = "kill", "pause", "resume", "restart"
DEEDS: Final = (KILL, PAUSE, RESUME, RESTART)
"""What can be done to a process."""


@dataclass(eq=False)
class Plan:
    """A plan: something that is done to a process, once or several times."""

    number: int
    deed: str
    process: str
    after_s: float
    for_s: float | None
    """Of a pause: the process is resumed after so many seconds."""
    every_s: float | None
    times: int
    done: int = 0
    state: str = "waiting"
    """``waiting``, ``over``, or what went wrong."""
    due_s: float = 0.0
    """When it is done next, on the monotonic clock."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Its name in lists: ``p1``…"""
        return f"p{self.number}"

    def __str__(self) -> str:
        parts = [
            f"{self.deed} {self.process}",
            f"after {self.after_s:g} s" if self.after_s else "",
            f"for {self.for_s:g} s" if self.for_s is not None else "",
            f"every {self.every_s:g} s, {self.times} times" if self.every_s is not None else "",
        ]
        return " ".join(part for part in parts if part)


class Schedule:
    """A schedule: the plans of a lab. `act` does a deed to a process."""

    def __init__(self, act: Callable[[str, str], Awaitable[None]]) -> None:
        self.plans: dict[int, Plan] = {}
        self._act = act
        self._numbers = count(1)

    async def add(
        self, deed: str, process: str, after_s: float, for_s: float | None, every_s: float | None, times: int
    ) -> Plan:
        """Make a plan. What is to be done at once is done when this returns; what goes wrong then is raised."""
        plan = Plan(next(self._numbers), deed, process, after_s, for_s, every_s, times)
        if not after_s:
            await self._do(plan)
        self.plans[plan.number] = plan
        if plan.done < times or for_s is not None:
            plan.task = asyncio.get_running_loop().create_task(self._carry_out(plan))
        else:
            plan.state = "over"
        return plan

    def remove(self, number: int) -> None:
        """Forget a plan; what it paused stays paused. An unknown number does no harm."""
        plan = self.plans.pop(number, None)
        if plan is not None and plan.task is not None:
            plan.task.cancel()

    def clear(self) -> None:
        """Forget all plans."""
        for number in list(self.plans):
            self.remove(number)

    async def _do(self, plan: Plan) -> None:
        await self._act(plan.deed, plan.process)
        plan.done += 1

    async def _carry_out(self, plan: Plan) -> None:
        try:
            while True:
                if plan.done and plan.for_s is not None:
                    await asyncio.sleep(plan.for_s)
                    await self._act(RESUME, plan.process)
                if plan.done >= plan.times:
                    break
                wait_s = (plan.every_s or 0.0) if plan.done else plan.after_s
                plan.due_s = time.monotonic() + wait_s
                await asyncio.sleep(wait_s)
                await self._do(plan)
            plan.state = "over"
        except Exception as error:  # nobody awaits a plan: its row in the table says what went wrong
            plan.state = f"failed: {error}"
