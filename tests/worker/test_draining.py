"""Workers that leave in order: what they have goes to others, and nothing is lost over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import Cast
from until import until

from agentlab import (
    AgentId,
    CancellationToken,
    DeadlineExceededError,
    HostService,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    WorkerRuntime,
    message_handler,
)
from agentlab.core import journal as j

from .cast import Gate, Number, Recorder, Text, teach

KEYS = [f"key-{n}" for n in range(12)]
LIMIT_S = 20.0


class Pensive(RoutedAgent):
    """Counts what it is asked, takes its time, and asks itself or others while it does."""

    def __init__(self) -> None:
        super().__init__("counts slowly")
        self.count = 0

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> Number:
        await asyncio.sleep(0.01)
        self.count += 1
        return Number(self.count)

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Number:
        await asyncio.sleep(0.05)
        reply: Number = await self.send_message(Number(), AgentId(self.type, message.text))
        return reply

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


async def team(cast: Cast, host: HostService, *, shared: bool = True) -> tuple[WorkerRuntime, ...]:
    """A sender, a worker with agents of the type ``pensive``, and one that may share them."""
    sender, one, two = [await cast.worker(host, name) for name in ("sender", "one", "two")]
    teach(sender, one, two)
    await Pensive.register(one, "pensive", Pensive, shared=shared)
    await one.add_subscription(TypeSubscription("news", "pensive"))
    if shared:
        await Pensive.register(two, "pensive", Pensive, shared=True)
        await two.add_subscription(TypeSubscription("news", "pensive"))
    return sender, one, two


def agents_of(worker: WorkerRuntime) -> set[str]:
    return {agent.key for agent in worker._catalog.agents}


@asynccontextmanager
async def load(sender: WorkerRuntime) -> AsyncIterator[dict[str, list[Number]]]:
    """Keep asking every agent, one message after the other; yields all replies by key."""
    replies: dict[str, list[Number]] = {key: [] for key in KEYS}
    enough = asyncio.Event()

    async def ask(key: str) -> None:
        while not enough.is_set():
            replies[key].append(await sender.send_message(Number(), AgentId("pensive", key)))

    async with asyncio.TaskGroup() as group:
        for key in KEYS:
            group.create_task(ask(key))
        await until(lambda: all(len(own) >= 3 for own in replies.values()))
        yield replies
        before = {key: len(own) for key, own in replies.items()}
        await until(lambda: all(len(own) >= before[key] + 3 for key, own in replies.items()))
        enough.set()


async def test_a_worker_that_is_drained_under_load_loses_no_call_and_no_state(cast: Cast, host: HostService) -> None:
    sender, one, two = await team(cast, host)
    async with load(sender) as replies:
        of_one = agents_of(one)
        assert of_one
        moved = await asyncio.wait_for(one.drain(), LIMIT_S)
        await one.stop()
    assert {agent.key for agent in moved} == of_one
    assert set(moved.values()) == {"two"}
    assert agents_of(two) == set(KEYS)
    for own in replies.values():  # every message counted once, at an agent that remembered the others
        assert own == [Number(n) for n in range(1, len(own) + 1)]
    assert [e.what for e in host.journal if e.process == "one" and e.what in {j.LEAVING, j.MOVED, j.WITHDRAWN}] == [
        j.LEAVING, *[j.MOVED] * len(of_one), j.WITHDRAWN,
    ]  # fmt: skip
    assert len(host.router.sessions) == 0


async def test_a_type_that_only_one_worker_has_goes_to_one_that_takes_its_place(cast: Cast, host: HostService) -> None:
    sender, one, two = await team(cast, host, shared=False)
    async with load(sender) as replies:
        await one.leave()
        await Pensive.register(two, "pensive", Pensive)
        await two.add_subscription(TypeSubscription("news", "pensive"))
        await asyncio.wait_for(one.drain(), LIMIT_S)
        await one.stop()
    for own in replies.values():
        assert own == [Number(n) for n in range(1, len(own) + 1)]
    assert agents_of(two) == set(KEYS)
    assert not host.router.directory.is_shared("pensive")


async def test_work_under_way_may_ask_agents_that_are_about_to_move(cast: Cast, host: HostService) -> None:
    sender, one, _ = await team(cast, host)
    await asyncio.gather(*(sender.send_message(Number(), AgentId("pensive", key)) for key in KEYS))
    first, second, *_ = sorted(agents_of(one))
    asks = [
        (first, first),  # itself
        (first, second),  # each other
        (second, first),
    ]
    calls = [asyncio.ensure_future(sender.send_message(Text(b), AgentId("pensive", a))) for a, b in asks]
    await until(lambda: any(e.what == j.STARTED and e.recipient == f"pensive/{second}" for e in host.journal))
    await asyncio.wait_for(one.drain(), LIMIT_S)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*calls)
    assert not agents_of(one)


async def test_published_messages_wait_for_an_agent_that_moves(cast: Cast, host: HostService) -> None:
    sender, one, two = await team(cast, host)
    await asyncio.gather(*(sender.send_message(Number(), AgentId("pensive", key)) for key in KEYS))
    await one.leave()
    for key in KEYS:
        for _ in range(5):
            await sender.publish_message(Number(), TopicId("news", key))
    await asyncio.wait_for(one.drain(), LIMIT_S)
    for key in KEYS:
        await until(lambda key=key: two._catalog.agents[AgentId("pensive", key)].count == 6)  # type: ignore[attr-defined]
    assert not [e for e in host.journal if e.what in {j.DROPPED, j.LOST, j.FAILED}]


async def test_a_message_that_waits_can_be_cancelled_and_can_expire(cast: Cast, host: HostService) -> None:
    sender, one, _ = await team(cast, host)
    directory = host.router.directory
    of_one = directory.holders("pensive")[0]
    agent = next(agent for key in KEYS if directory.holder_of(agent := AgentId("pensive", key)) == of_one)
    await sender.send_message(Number(), agent)
    await one.leave()
    token = CancellationToken()
    cancelled = asyncio.ensure_future(sender.send_message(Number(), agent, cancellation_token=token))
    expired = asyncio.ensure_future(sender.send_message(Number(), agent, deadline_s=0.1))
    kept = asyncio.ensure_future(sender.send_message(Number(), agent))
    await until(lambda: len(host.router.sessions) == 3)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with pytest.raises(DeadlineExceededError):
        await expired
    await until(lambda: len(host.router.sessions) == 1)
    await one.drain()
    assert await asyncio.wait_for(kept, LIMIT_S) == Number(2)


async def test_a_worker_that_stays_after_all_gets_what_waited(cast: Cast, host: HostService) -> None:
    sender, one, _ = await team(cast, host, shared=False)
    await sender.send_message(Number(), AgentId("pensive", "a"))
    await one.leave()
    waiting = asyncio.ensure_future(sender.send_message(Number(), AgentId("pensive", "a")))
    await until(lambda: len(host.router.sessions) == 1)
    await one.stay()
    assert await asyncio.wait_for(waiting, LIMIT_S) == Number(2)


async def test_what_waits_for_a_leaving_worker_that_dies_goes_to_the_others(cast: Cast, host: HostService) -> None:
    sender, one, two = await team(cast, host)
    await asyncio.gather(*(sender.send_message(Number(), AgentId("pensive", key)) for key in KEYS))
    await one.leave()
    waiting = [asyncio.ensure_future(sender.send_message(Number(), AgentId("pensive", key))) for key in KEYS]
    await until(lambda: len(host.router.sessions) >= 1)
    await one.stop()
    await asyncio.wait_for(asyncio.gather(*waiting), LIMIT_S)
    assert agents_of(two) == set(KEYS)


async def test_an_agent_that_nobody_can_take_stays_and_so_does_its_worker(cast: Cast, host: HostService) -> None:
    sender, one, _ = await team(cast, host, shared=False)
    agent = AgentId("pensive", "a")
    await sender.send_message(Number(), agent)
    with pytest.raises(ValueError, match=r"pensive/a cannot move: no other worker has the agent type 'pensive'"):
        await one.drain()
    assert await sender.send_message(Number(), agent) == Number(2)
    assert one.agent_types == ["pensive"]


class Choosy(Pensive):
    """Takes on no state."""

    async def load_state(self, state: Mapping[str, Any]) -> None:
        raise LookupError("not mine")


async def test_an_agent_whose_state_is_not_taken_on_stays(cast: Cast, host: HostService) -> None:
    sender, one = await cast.worker(host, "sender"), await cast.worker(host, "one")
    teach(sender, one)
    await Pensive.register(one, "pensive", Pensive, shared=True)
    agent = AgentId("pensive", "a")
    await sender.send_message(Number(), agent)
    two = await cast.worker(host, "two")
    await Choosy.register(two, "pensive", Choosy, shared=True)
    with pytest.raises(ValueError, match=r"pensive/a could not take on its state at two: .*not mine"):
        await one.drain()
    assert await sender.send_message(Number(), agent) == Number(2)


async def test_a_drain_that_takes_too_long_is_given_up(cast: Cast, host: HostService) -> None:
    sender, one, two = [await cast.worker(host, name) for name in ("sender", "one", "two")]
    teach(sender, one, two)
    gates: list[Gate] = []

    def make() -> Gate:
        gates.append(Gate())
        return gates[-1]

    await one.register_factory("gate", make, shared=True)
    call = asyncio.ensure_future(sender.send_message(Text("hi"), AgentId("gate", "a")))
    await until(lambda: gates and gates[0].inside.is_set())
    await two.register_factory("gate", make, shared=True)
    with pytest.raises(TimeoutError):
        await one.drain(timeout_s=0.1)
    gates[0].open.set()
    assert await asyncio.wait_for(call, LIMIT_S) == Text("hi")
    assert await asyncio.wait_for(sender.send_message(Text("again"), AgentId("gate", "a")), LIMIT_S) == Text("again")
    assert len(gates) == 1


async def test_agents_without_state_are_made_anew(cast: Cast, host: HostService) -> None:
    sender, one, two = [await cast.worker(host, name) for name in ("sender", "one", "two")]
    teach(sender, one, two)

    class Plain(Recorder):
        save_state = RoutedAgent.save_state
        load_state = RoutedAgent.load_state

    await Plain.register(one, "plain", Plain, shared=True)
    assert await sender.send_message(Number(), AgentId("plain", "a")) == Number(1)
    await Plain.register(two, "plain", Plain, shared=True)
    assert await one.drain() == {AgentId("plain", "a"): "two"}
    assert await sender.send_message(Number(), AgentId("plain", "a")) == Number(1)


async def test_a_worker_without_the_link_cannot_leave_in_order(cast: Cast, host: HostService) -> None:
    plain = await cast.worker(host, "plain", link=False)
    with pytest.raises(ValueError, match="speaks agentlab's link"):
        await plain.drain()
