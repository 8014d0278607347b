"""Workers that share an agent type."""

from __future__ import annotations

import pytest
from conftest import Cast
from until import until

from agentlab import AgentId, HostService, NotAccessibleError, TopicId, TypeSubscription, WorkerRuntime
from agentlab.core import journal as j

from .cast import Number, Recorder, Text, teach

KEYS = [f"key-{n}" for n in range(24)]


async def sharing(cast: Cast, host: HostService, *names: str) -> list[WorkerRuntime]:
    """Workers that share the type ``recorder``, which hears the topic ``news``."""
    workers = [await cast.worker(host, name) for name in names]
    for worker in workers:
        await Recorder.register(worker, "recorder", Recorder, shared=True)
        await worker.add_subscription(TypeSubscription("news", "recorder"))
    return workers


def agents_of(worker: WorkerRuntime) -> set[str]:
    return {agent.key for agent in worker._catalog.agents}


async def test_each_agent_of_a_shared_type_is_at_one_worker_and_all_work(cast: Cast, host: HostService) -> None:
    one, two = await sharing(cast, host, "one", "two")
    sender = await cast.worker(host, "sender")
    teach(sender)
    for count in 1, 2:
        for key in KEYS:
            assert await sender.send_message(Number(0), AgentId("recorder", key)) == Number(count)
    assert agents_of(one) | agents_of(two) == set(KEYS)
    assert not agents_of(one) & agents_of(two)
    assert agents_of(one)
    assert agents_of(two)
    shown = {worker.name: worker.types for worker in (await sender.snapshot()).workers}
    assert shown["one"] == shown["two"] == ["recorder"]


async def test_a_published_message_reaches_an_agent_of_a_shared_type_once(cast: Cast, host: HostService) -> None:
    one, two = await sharing(cast, host, "one", "two")
    sender = await cast.worker(host, "sender")
    teach(sender)
    for key in KEYS:
        await sender.publish_message(Text("hi"), TopicId("news", key))
    await until(lambda: len(agents_of(one)) + len(agents_of(two)) == len(KEYS))
    await until(lambda: sum(e.what == j.HANDLED for e in host.journal) == len(KEYS))
    counts = [agent.count for worker in (one, two) for agent in worker._catalog.agents.values()]
    assert counts == [1] * len(KEYS)


async def test_when_a_worker_leaves_its_agents_are_made_anew_at_the_other(cast: Cast, host: HostService) -> None:
    one, two = await sharing(cast, host, "one", "two")
    sender = await cast.worker(host, "sender")
    teach(sender)
    for key in KEYS:
        await sender.send_message(Number(0), AgentId("recorder", key))
    stayed, moved = agents_of(two), agents_of(one)
    await one.stop()
    await sender.publish_message(Text("still heard"), TopicId("news", min(moved)))
    for key in KEYS:
        expected = Number(2) if key in stayed or key == min(moved) else Number(1)
        assert await sender.send_message(Number(0), AgentId("recorder", key)) == expected
    assert agents_of(two) == set(KEYS)


async def test_a_type_that_is_not_shared_stays_exclusive(cast: Cast, host: HostService) -> None:
    one, two = await cast.worker(host, "one"), await cast.worker(host, "two")
    await Recorder.register(one, "recorder", Recorder)
    with pytest.raises(ValueError, match=r"Agent type recorder already registered .* shared=True"):
        await Recorder.register(two, "recorder", Recorder, shared=True)
    assert two.agent_types == []
    await one.unregister("recorder")
    await Recorder.register(two, "recorder", Recorder, shared=True)


async def test_an_agent_of_a_shared_type_is_asked_where_it_is(cast: Cast, host: HostService) -> None:
    one, two = await sharing(cast, host, "one", "two")
    for key in KEYS:
        await one.send_message(Number(0), AgentId("recorder", key))
    theirs = AgentId("recorder", min(agents_of(two)))
    own = AgentId("recorder", min(agents_of(one)))
    for agent in theirs, own:
        assert await one.agent_save_state(agent) == {"count": 1}
        await one.agent_load_state(agent, {"count": 7})
        assert await one.send_message(Number(0), agent) == Number(8)
        assert (await one.agent_metadata(agent))["key"] == agent.key
    assert (await one.try_get_underlying_agent_instance(own, Recorder)).count == 8
    with pytest.raises(NotAccessibleError, match="its place may be another worker"):
        await one.try_get_underlying_agent_instance(theirs, Recorder)
    assert theirs.key not in agents_of(one)
    for n in range(20):
        await one.get("recorder", f"new-{n}", lazy=False)
    assert agents_of(two) & {f"new-{n}" for n in range(20)}


async def test_after_a_restart_of_the_host_the_type_is_shared_again(cast: Cast) -> None:
    host = cast.host(keepalive_s=1)
    one, two = await sharing(cast, host, "one", "two")
    sender = await cast.worker(host, "sender")
    teach(sender)
    for key in KEYS:
        await sender.send_message(Number(0), AgentId("recorder", key))
    await host.stop(grace=0)
    again = cast.host(host.address)

    def all_are_back() -> bool:
        workers = {worker.name: worker for worker in again.router.snapshot().workers}
        return {"one", "two"} <= {name for name, w in workers.items() if w.types and len(w.subscriptions) == 2}

    await until(all_are_back, 30)
    await until(lambda: sender.connected, 30)
    for key in KEYS:  # the places come from the names: every agent is where it was
        assert await sender.send_message(Number(0), AgentId("recorder", key)) == Number(2)
    assert agents_of(one)
    assert agents_of(two)


async def test_after_a_restart_of_the_host_agents_are_where_they_were_though_their_names_lead_elsewhere(
    cast: Cast,
) -> None:
    host = cast.host(keepalive_s=1)
    (one,) = await sharing(cast, host, "one")
    sender = await cast.worker(host, "sender")
    teach(sender)
    for key in KEYS:
        await sender.send_message(Number(0), AgentId("recorder", key))
    (two,) = await sharing(cast, host, "two")
    await host.stop(grace=0)
    again = cast.host(host.address)
    await until(lambda: {w.name for w in again.router.snapshot().workers if w.types} == {"one", "two"}, 30)
    await until(lambda: one.connected and two.connected and sender.connected, 30)
    for key in KEYS:
        assert await sender.send_message(Number(0), AgentId("recorder", key)) == Number(2)
    assert agents_of(one) == set(KEYS)
    for n in range(20):
        await sender.send_message(Number(0), AgentId("recorder", f"new-{n}"))
    assert agents_of(two)
