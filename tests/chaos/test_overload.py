"""A receiver that handles ten messages a second under a thousand a second, and a watcher that never reads."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter

import grpc.aio
import psutil
import pytest
from child_scripts.actor import News, Order, Report
from child_scripts.child import Child
from conftest import Cast
from until import until

from agentlab import AgentId, TopicId, UndeliverableException, try_get_known_serializers_for_type
from agentlab.wire.calls import CLIENT_ID, LINK
from agentlab.wire.watching import encode_watch

FLOOD_S = 6.0
A_SECOND = 1000
"""Messages: four of five are direct ones."""
PAYLOAD = "x" * 10_000
"""So that all of the flood together is far more than `ROOM`."""
ROOM = 30 * 1024 * 1024
"""By how much a process may grow: the limits below allow a third of it."""
LIMITS = {"queue_messages": 300, "outstanding": 500}
SLOWER = 4.0 if os.environ.get("AGENTLAB_CI") else 2.0
"""How many times as long the others' messages may take meanwhile; in CI other programs share the machine."""


@pytest.mark.alone
async def test_a_receiver_that_is_too_slow_costs_the_others_and_the_host_little(
    cast: Cast, children: list[Child]
) -> None:
    host = await Child.start("host", limits=LIMITS, journal_capacity=5_000)
    children.append(host)
    slow = await Child.start("slow", host=host.address)
    fast = await Child.start("worker", host=host.address, name="fast", types=["fast"])
    probe = await Child.start("probe", host=host.address, target="fast", calls=250)
    children += [slow, fast, probe]
    flooder = await cast.worker(host.address, "flooder")
    for cls in Order, Report, News:
        flooder.add_message_serializer(try_get_known_serializers_for_type(cls))
    assert await flooder.send_message(Order(), AgentId("slow", "k")) == Report(0)

    async def median_s() -> float:
        probe.tell("again")
        return float(json.loads(await probe.read_line(60))["median_s"])

    await median_s()
    unloaded_s = await median_s()
    memory = {child.pid: psutil.Process(child.pid).memory_info().rss for child in (host, slow)}

    ended: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()

    async def ask() -> None:
        try:
            await flooder.send_message(Order("echo", 1, PAYLOAD), AgentId("slow", "k"), deadline_s=3)
            ended["reply"] += 1
        except UndeliverableException as error:
            ended[type(error).__name__] += 1

    async def flood() -> tuple[int, int]:
        asked = published = 0
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < FLOOD_S:
            while asked + published < passed_s * A_SECOND:
                if (asked + published) % 5:
                    task = asyncio.ensure_future(ask())
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    asked += 1
                else:
                    await flooder.publish_message(News(1, PAYLOAD), TopicId("flood", "k"))
                    published += 1
            await asyncio.sleep(0.002)
        return asked, published

    async with grpc.aio.insecure_channel(host.address) as channel:
        watch = channel.unary_stream(f"/{LINK}/Watch")
        deaf = watch(encode_watch(0, True), metadata=((CLIENT_ID, "deaf"),))  # and nobody ever reads it
        flooding = asyncio.ensure_future(flood())
        await asyncio.sleep(1)  # the slow one's room is full by now
        loaded_s = await median_s()
        asked, published = await flooding
        grown = {pid: psutil.Process(pid).memory_info().rss - before for pid, before in memory.items()}
        await asyncio.gather(*tasks)
        counters = (await flooder.snapshot()).counters
        deaf.cancel()

    ratio = loaded_s / unloaded_s
    print(f"\nmedian {unloaded_s * 1e3:.2f} ms unloaded, {loaded_s * 1e3:.2f} ms loaded: {ratio:.2f} times")
    print(f"{asked} asked: {dict(ended)}; {published} published; {counters}; grown by {list(grown.values())} bytes")
    # Every refusal is typed and counted …
    assert ended.total() == asked
    assert ended.keys() <= {"reply", "QueueFullError", "DeadlineExceededError"}
    assert counters["QueueFullError"] == ended["QueueFullError"] > asked / 2
    assert 0 < counters["queue full"] <= published
    # … memory is bounded, and the others hardly notice.
    assert max(grown.values()) < ROOM, grown
    assert ratio < SLOWER
    await until(lambda: not tasks)
