from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import (
    Agent,
    AgentId,
    BaseAgent,
    CancellationToken,
    MessageContext,
    MessageHandlerContext,
    SingleThreadedAgentRuntime,
)
from agentlab.core.catalog import Catalog
from agentlab.core.handling import Deliveries, run_handler

from .cast import LIMIT_S, Recorder
from .test_catalog import SlowFactory

A1, A2, B1 = AgentId("a", "1"), AgentId("a", "2"), AgentId("b", "1")


class Trial:
    """Deliveries, with what came of them."""

    def __init__(self) -> None:
        self.catalog = Catalog(SingleThreadedAgentRuntime())
        self.deliveries = Deliveries(self.catalog)
        self.started: list[tuple[AgentId, int]] = []
        self.problems: list[BaseException] = []

    def deliver(self, agent_id: AgentId, number: int) -> None:
        self.deliveries.deliver(agent_id, self._handle(number), self.problems.append)

    def _handle(self, number: int) -> Callable[[Agent], Coroutine[Any, Any, None]]:
        async def handle(agent: Agent) -> None:
            self.started.append((agent.id, number))

        return handle

    async def settle(self) -> None:
        """Wait until nothing is under way any more."""
        async with asyncio.timeout(LIMIT_S):
            while self.deliveries.tasks:
                await asyncio.wait(self.deliveries.tasks)


async def test_messages_start_in_order_while_their_agent_is_made_and_after() -> None:
    trial, factory = Trial(), SlowFactory()
    trial.catalog.add_factory("a", factory, None)
    trial.deliver(A1, 0)
    trial.deliver(A1, 1)
    await asyncio.wait_for(factory.called.wait(), LIMIT_S)
    trial.deliver(A1, 2)
    factory.go.set()
    await trial.settle()
    trial.deliver(A1, 3)
    await trial.settle()
    assert trial.started == [(A1, n) for n in range(4)]
    assert factory.calls == 1


async def test_an_agent_that_is_being_made_does_not_hold_up_another() -> None:
    trial, factory = Trial(), SlowFactory()
    trial.catalog.add_factory("a", factory, None)
    trial.catalog.add_instance(await bound(B1), B1)
    trial.deliver(A1, 0)
    trial.deliver(B1, 1)
    await asyncio.wait_for(factory.called.wait(), LIMIT_S)
    assert trial.started == [(B1, 1)]
    factory.go.set()
    await trial.settle()
    assert trial.started == [(B1, 1), (A1, 0)]


async def bound(agent_id: AgentId) -> BaseAgent:
    agent = Recorder()
    await agent.bind_id_and_runtime(agent_id, SingleThreadedAgentRuntime())
    return agent


async def test_all_who_wait_are_told_when_the_factory_raises_and_the_next_one_tries_again() -> None:
    trial, results = Trial(), [ZeroDivisionError("no luck"), await bound(A1)]

    def factory() -> Any:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    trial.catalog.add_factory("a", factory, None)
    trial.deliver(A1, 0)
    trial.deliver(A1, 1)
    await trial.settle()
    assert [str(problem) for problem in trial.problems] == ["no luck", "no luck"]
    trial.deliver(A1, 2)
    await trial.settle()
    assert trial.started == [(A1, 2)]


async def test_a_factory_that_waits_for_something_cancelled_has_failed_and_is_not_called_again_and_again() -> None:
    trial, calls = Trial(), 0

    async def waits_in_vain() -> Recorder:
        nonlocal calls
        calls += 1
        assert calls < 10, "it is called again and again"
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone
        return Recorder()

    trial.catalog.add_factory("a", waits_in_vain, Recorder)
    trial.deliver(A1, 0)
    trial.deliver(A1, 1)
    await trial.settle()
    assert calls == 1
    assert [str(problem) for problem in trial.problems] == [
        "Something that the factory of 'a' waited for was cancelled."
    ] * 2


async def test_who_waits_is_told_when_the_type_is_unregistered_meanwhile() -> None:
    trial, factory = Trial(), SlowFactory()
    trial.catalog.add_factory("a", factory, None)
    trial.deliver(A1, 0)
    await asyncio.wait_for(factory.called.wait(), LIMIT_S)
    trial.catalog.remove("a")
    await trial.settle()
    (problem,) = trial.problems
    assert isinstance(problem, LookupError)
    assert "unregistered" in str(problem)


async def test_messages_of_a_held_type_wait_until_it_is_released() -> None:
    trial = Trial()
    for name in ("a", "b"):
        trial.catalog.add_factory(name, Recorder, None)
    await trial.catalog.agent(A1)
    trial.deliveries.hold("a")
    for number, agent_id in enumerate([A1, A2, B1, A1]):
        trial.deliver(agent_id, number)
    await trial.settle()
    assert trial.started == [(B1, 2)]
    trial.deliveries.release("a")
    trial.deliver(A1, 4)
    await trial.settle()
    assert [number for agent_id, number in trial.started if agent_id == A1] == [0, 3, 4]
    assert (A2, 1) in trial.started


async def test_a_message_waits_when_its_type_is_held_while_the_agent_is_made() -> None:
    trial, factory = Trial(), SlowFactory()
    trial.catalog.add_factory("a", factory, None)
    trial.deliver(A1, 0)
    await asyncio.wait_for(factory.called.wait(), LIMIT_S)
    trial.deliveries.hold("a")
    factory.go.set()
    await trial.settle()
    assert trial.started == []
    trial.deliveries.release("a")
    await trial.settle()
    assert trial.started == [(A1, 0)]


@given(st.lists(st.tuples(st.sampled_from([A1, A2, B1]), st.booleans()), max_size=15))
def test_each_agents_messages_start_once_and_in_order(steps: list[tuple[AgentId, bool]]) -> None:
    """Whether the loop turns between two messages or not."""

    async def trial_run() -> None:
        trial = Trial()

        async def make() -> Recorder:
            await asyncio.sleep(0)
            return Recorder()

        for name in ("a", "b"):
            trial.catalog.add_factory(name, make, None)
        for number, (agent_id, turn) in enumerate(steps):
            trial.deliver(agent_id, number)
            if turn:
                await asyncio.sleep(0)
        await trial.settle()
        for agent_id in (A1, A2, B1):
            sent = [number for number, (recipient, _) in enumerate(steps) if recipient == agent_id]
            assert [number for recipient, number in trial.started if recipient == agent_id] == sent

    asyncio.run(trial_run())


async def test_cancel_all_ends_what_runs() -> None:
    trial, inside, ends = Trial(), asyncio.Event(), list[str]()

    async def forever() -> None:
        inside.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("ended")

    trial.deliveries.start(forever())
    await asyncio.wait_for(inside.wait(), LIMIT_S)
    await asyncio.wait_for(trial.deliveries.cancel_all(), LIMIT_S)
    assert ends == ["ended"]
    assert trial.deliveries.tasks == frozenset()


async def test_a_task_that_calls_cancel_all_goes_on_itself() -> None:
    trial, ends = Trial(), list[str]()

    async def stopper() -> None:
        await trial.deliveries.cancel_all()
        ends.append("went on")

    trial.deliveries.start(stopper())
    await trial.settle()
    assert ends == ["went on"]


@pytest.mark.parametrize("begun", [False, True])
async def test_after_cancel_all_an_agent_that_was_being_made_still_gets_messages(begun: bool) -> None:
    trial, factory = Trial(), SlowFactory()
    trial.catalog.add_factory("a", factory, None)
    trial.deliver(A1, 0)
    if begun:
        await asyncio.wait_for(factory.called.wait(), LIMIT_S)
    await trial.deliveries.cancel_all()
    factory.go.set()
    trial.deliver(A1, 1)
    await trial.settle()
    assert trial.started == [(A1, 1)]


async def test_a_handler_runs_with_its_surroundings_set() -> None:
    class Asks(BaseAgent):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            await asyncio.sleep(0)
            return MessageHandlerContext.agent_id(), MessageHandlerContext.message_id()

    agent = Asks("")
    await agent.bind_id_and_runtime(A1, SingleThreadedAgentRuntime())
    ctx = MessageContext(None, None, True, CancellationToken(), "m1")
    assert await run_handler(agent, "message", ctx) == (A1, "m1")
    assert MessageHandlerContext.current() is None
