"""The fault lab with a real host and real workers, in one loop: what senders get, and how long things take."""

from __future__ import annotations

import asyncio
import time

import pytest
from conftest import Cast
from until import until

from agentlab import (
    AgentId,
    DeadlineExceededError,
    HostLostError,
    HostService,
    TopicId,
    TypeSubscription,
    WorkerRuntime,
)
from agentlab.core import journal as j
from agentlab.wire.faults import Delay, Drop, Duplicate, Match, Partition, Reorder, Rule

from .cast import Recorder, Text, teach

SKY = AgentId("sky", "k")


async def pair(cast: Cast, host: HostService) -> tuple[WorkerRuntime, WorkerRuntime]:
    """A worker that asks, and one with an agent of the type `sky`."""
    asker, worker = await cast.worker(host, "asker"), await cast.worker(host, "sky-worker")
    teach(asker, worker)
    await Recorder.register(worker, "sky", Recorder)
    await worker.add_subscription(TypeSubscription("news", "sky"))
    return asker, worker


async def recorder(worker: WorkerRuntime) -> Recorder:
    return await worker.try_get_underlying_agent_instance(SKY, Recorder)


def details(host: HostService, what: str) -> list[str]:
    return [event.detail for event in host.journal if event.what == what]


@pytest.mark.parametrize("kind", [j.REQUEST, j.RESPONSE])
async def test_the_sender_of_what_is_dropped_waits_to_its_deadline(cast: Cast, host: HostService, kind: str) -> None:
    asker, _ = await pair(cast, host)
    host.router.set_fault(Rule(Drop(), Match(kind=kind), count=1))
    with pytest.raises(DeadlineExceededError):
        await asker.send_message(Text("lost"), SKY, deadline_s=0.3)
    assert await asker.send_message(Text("found"), SKY) == Text("found")
    assert len(details(host, j.DROPPED)) == 1
    await until(lambda: len(host.router.sessions) == 0)


async def test_a_delay_is_as_long_as_it_says_and_no_longer_than_that(cast: Cast, host: HostService) -> None:
    asker, _ = await pair(cast, host)
    host.router.set_fault(Rule(Delay(0.2), Match(receiver="sky")))
    began_s = time.monotonic()
    await asker.send_message(Text("slow"), SKY)
    assert time.monotonic() - began_s >= 0.2
    delayed, left = (next(e.time_ns for e in host.journal if e.what == what) for what in (j.DELAYED, j.LEFT))
    assert left - delayed >= 190_000_000


async def test_a_duplicated_message_is_handled_twice(cast: Cast, host: HostService) -> None:
    asker, worker = await pair(cast, host)
    host.router.set_fault(Rule(Duplicate(), Match(kind=j.EVENT)))
    await asker.publish_message(Text("twice"), TopicId("news", "k"))
    await until(lambda: [e.what for e in host.journal if e.kind == j.EVENT].count(j.HANDLED) == 2)
    assert (await recorder(worker)).messages == [Text("twice")] * 2


async def test_order_is_kept_by_a_delay_and_broken_by_a_reordering(cast: Cast, host: HostService) -> None:
    asker, worker = await pair(cast, host)
    await worker.try_get_underlying_agent_instance(SKY, Recorder)
    for number, rule in ((1, Rule(Delay(0.1), count=1)), (2, Rule(Reorder(hold_s=5), count=1))):
        host.router.set_fault(rule)
        for n in range(3):
            await asker.publish_message(Text(f"{number}.{n}"), TopicId("news", "k"))
        heard = (await recorder(worker)).messages
        await until(lambda heard=heard, number=number: len(heard) == 3 * number)  # type: ignore[misc]
    assert [message.text for message in heard] == ["1.0", "1.1", "1.2", "2.1", "2.0", "2.2"]


async def test_a_worker_cut_off_for_a_moment_hears_everything_afterwards(cast: Cast, host: HostService) -> None:
    asker, _ = await pair(cast, host)
    host.router.set_fault(Rule(Partition((("sky-worker",), ("host",))), for_s=0.3))
    began_s = time.monotonic()
    assert await asker.send_message(Text("patience"), SKY) == Text("patience")
    assert time.monotonic() - began_s >= 0.3
    assert [e.process for e in host.journal if e.what in (j.PARTED, j.HEALED)] == ["sky-worker", "host"] * 2


async def test_a_worker_cut_off_for_long_is_lost_and_comes_back_when_it_can(cast: Cast) -> None:
    host = cast.host(keepalive_s=0.5)
    asker, worker = await pair(cast, host)
    number = host.router.set_fault(Rule(Partition((("sky-worker",), ("host",)))))
    asking = asyncio.ensure_future(worker.send_message(Text("hello?"), AgentId("nobody", "k")))
    with pytest.raises(HostLostError):
        await asking
    await until(lambda: "sky" not in host.router.directory.types)
    assert any("no sign of life" in detail for detail in details(host, j.GONE))
    assert not worker.connected
    host.router.remove_faults([number])
    await until(lambda: worker.connected)
    assert await asker.send_message(Text("again"), SKY) == Text("again")


async def test_what_is_held_back_when_everything_stops_is_journaled(cast: Cast, host: HostService) -> None:
    asker, worker = await pair(cast, host)
    host.router.set_fault(Rule(Delay(60)))
    for _ in range(3):
        await asker.publish_message(Text("never"), TopicId("news", "k"))
    await until(lambda: len(details(host, j.DELAYED)) == 3)
    await worker.stop()
    await until(lambda: len(details(host, j.LOST)) == 3)
    await asker.stop()
    await host.stop()
