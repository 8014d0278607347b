"""Which task runs which handler: those that never wait share one, and no handler notices it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
from until import until

from .cast import LIMIT_S
from .test_handling import Trial


class Incomparable:
    """Like an array: to ask whether it is equal to another is an error."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("cannot be compared")

    __hash__ = None  # type: ignore[assignment]


async def test_handlers_that_never_wait_share_a_task_and_one_that_waits_has_it_alone() -> None:
    trial, gate, tasks = Trial(), asyncio.Event(), list[asyncio.Task[Any] | None]()

    async def handler(waits: bool) -> None:
        tasks.append(asyncio.current_task())
        if waits:
            await gate.wait()
            tasks.append(asyncio.current_task())

    for waits in (False, False, True, False):
        trial.deliveries.start(handler(waits))
    await until(lambda: len(tasks) == 4)
    first, second, third, fourth = tasks
    assert first is second is third
    assert fourth is not third
    gate.set()
    await trial.settle()
    assert tasks[4] is third


async def test_a_time_limit_that_a_handler_sets_before_its_first_wait_ends_only_that_handler() -> None:
    trial, ends = Trial(), list[str]()

    async def limited() -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            ends.append("limited")

    async def patient() -> None:
        await asyncio.sleep(0.05)
        ends.append("patient")

    trial.deliveries.start(patient())
    trial.deliveries.start(limited())
    trial.deliveries.start(patient())
    await trial.settle()
    assert ends == ["limited", "patient", "patient"]


@pytest.mark.parametrize("value", [1, Incomparable()])
async def test_what_a_handler_leaves_in_a_context_variable_no_other_sees(value: object) -> None:
    variable, seen, trial = ContextVar[object]("variable"), list[object](), Trial()
    tasks, before = set[asyncio.Task[Any] | None](), Incomparable()
    variable.set(before)

    async def handler() -> None:
        seen.append(variable.get())
        tasks.add(asyncio.current_task())
        variable.set(value)

    for _ in range(3):
        trial.deliveries.start(handler())
    await trial.settle()
    assert [one is before for one in seen] == [True] * 3
    assert [task and task.exception() for task in tasks] == [None] * 3


async def test_a_handler_that_cancels_its_own_task_cancels_no_other() -> None:
    trial, ends = Trial(), list[str]()

    async def desperate() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def patient() -> None:
        await asyncio.sleep(0)
        ends.append("patient")

    trial.deliveries.start(desperate())
    trial.deliveries.start(patient())
    await trial.settle()
    assert ends == ["patient"]


async def test_a_handler_that_ends_the_process_lets_the_others_begin() -> None:
    trial, ends = Trial(), list[str]()

    class Ending(BaseException):
        pass

    async def ends_it() -> None:
        raise Ending

    async def other() -> None:
        ends.append("other")

    trial.deliveries.start(ends_it())
    trial.deliveries.start(other())
    (task,) = trial.deliveries.tasks
    with pytest.raises(Ending):
        await task
    await trial.settle()
    assert ends == ["other"]


@pytest.mark.parametrize("begun", [False, True])
async def test_what_was_not_begun_when_all_are_cancelled_never_begins(begun: bool) -> None:
    trial, ends = Trial(), list[str]()

    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    async def never() -> None:
        ends.append("begun after all")

    trial.deliveries.start(forever())
    trial.deliveries.start(never())
    if begun:
        await asyncio.sleep(0)
        ends.clear()
        trial.deliveries.start(never())
    await trial.deliveries.cancel_all()
    await trial.settle()
    assert ends == []
    trial.deliveries.start(never())
    await trial.settle()
    assert ends == ["begun after all"]


async def test_a_beginner_that_is_cancelled_by_others_leaves_nothing_half_begun() -> None:
    """As the end of the event loop does: it cancels every task."""
    trial, ends = Trial(), list[str]()

    async def handler() -> None:
        ends.append("begun")

    trial.deliveries.start(handler())
    (task,) = trial.deliveries.tasks
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ends == []
    trial.deliveries.start(handler())
    await trial.settle()
    assert ends == ["begun"]


async def test_waiting_for_handlers_takes_those_in_that_have_not_begun() -> None:
    trial, ends = Trial(), list[int]()

    async def handler(number: int) -> None:
        await asyncio.sleep(0.01)
        ends.append(number)

    for number in range(5):
        trial.deliveries.start(handler(number))
    await trial.deliveries.wait(LIMIT_S)
    assert ends == [0, 1, 2, 3, 4]
    trial.deliveries.start(asyncio.sleep(30))
    await trial.deliveries.wait(0.02)
    assert len(trial.deliveries.tasks) == 1
    await trial.deliveries.cancel_all()
