"""Ending and restarting workers in order, with real processes under load."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from until import until

from agentlab import Lab, Retry
from agentlab.lab.errors import LabError

from .cast import Echo, Say, Sleep
from .conftest import StartLab

KEYS = [f"key-{n}" for n in range(30)]


async def where(lab: Lab, agent_type: str) -> set[int]:
    """The process ids at which the agents answer."""
    replies = await asyncio.gather(*(lab.send_message(Say("where"), f"{agent_type}/{key}") for key in KEYS))
    return {reply.pid for reply in replies}


async def test_restarting_all_workers_in_order_under_load_fails_no_call_and_loses_no_state(
    start_lab: StartLab,
) -> None:
    lab = await start_lab(2)
    for worker in lab.workers:
        await lab.register(worker, "echo", Echo, shared=True)
    assert await where(lab, "echo") == {lab[worker].pid for worker in lab.workers}
    heard: Counter[str] = Counter(dict.fromkeys(KEYS, 1))
    enough = asyncio.Event()

    async def load(key: str) -> None:
        while not enough.is_set():
            reply = await lab.send_message(Say("hi"), f"echo/{key}")
            heard[key] += 1
            assert reply.heard == heard[key]

    async with asyncio.TaskGroup() as group:
        for key in KEYS:
            group.create_task(load(key))
        for worker in lab.workers:
            before = lab[worker].pid
            await lab.restart(worker, drain=True)
            assert lab[worker].pid != before
        total = heard.total()
        await until(lambda: heard.total() > total + 100, 60)
        enough.set()
    types = {row["worker"]: row["agent types"] for row in lab.directory()}
    assert types == {"notebook": [], **{worker: ["echo"] for worker in lab.workers}}
    wrong = [e for e in lab.journal if e.what in {"failed", "dropped", "lost"}]
    assert not wrong
    # One who has nothing else to share with: refused, unless it is said who shall have its agents.
    await lab.register("worker-1", "lonely", Echo, "lonely")
    await lab.send_message(Say("hi"), "lonely/a")
    with pytest.raises(LabError, match=r"Nobody but worker-1 has 'lonely'.*to="):
        await lab.drain("worker-1")
    with pytest.raises(LabError, match="cannot hand its agents over to itself"):
        await lab.drain("worker-1", to="worker-1")
    for name in "host", "notebook":
        with pytest.raises(LabError, match="Only workers"):
            await lab.drain(name)
    sleeping = asyncio.ensure_future(lab.send_message(Sleep(1.0), "lonely/a"))
    await until(lambda: any(row["to"] == "lonely/a" for row in lab.sessions()))
    with pytest.raises(LabError, match=r"worker-1 was not drained: handlers still ran after 0\.1 s"):
        await lab.drain("worker-1", to="worker-2", timeout_s=0.1)
    told = await lab.drain("worker-1", to="worker-2")
    assert told.startswith("worker-1: stopped; ")
    assert (await sleeping).text == "slept"
    assert lab["worker-1"].state == "stopped"
    reply = await lab.send_message(Say("again"), "lonely/a")
    assert (reply.text, reply.heard, reply.pid) == ("lonely again", 2, lab["worker-2"].pid)
    assert lab.registered["lonely"][0] == "worker-2"
    await lab.restart("worker-1")
    assert {row["worker"]: row["agent types"] for row in lab.directory()}["worker-1"] == ["echo"]
    # A call that is retried outlives its receiver.
    await lab.kill("worker-2")
    patient = Retry(attempts=1000, backoff_s=0.1, longest_backoff_s=0.3)
    calling = asyncio.ensure_future(lab.send_message(Say("still there?"), "lonely/a", retry=patient))
    await until(lambda: any(e.what == "sent" and e.detail.startswith("attempt") for e in lab.journal))
    await lab.restart("worker-2")
    assert (await calling).text == "lonely still there?"
