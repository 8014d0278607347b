"""A host and six workers under steady load while their processes are broken: every promise is kept.

``AGENTLAB_CHAOS_S`` says for how many seconds, ``AGENTLAB_CHAOS_SEED`` repeats a run's deeds:
``AGENTLAB_CHAOS_S=1800 pytest -s tests/chaos``.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import pytest
from conftest import Cast
from until import until

from agentlab import AgentId, Lab

from .accounting import Accounts
from .belongings import Belongings, holdings, host_memory, nothing_more_is_held
from .cast import Census, Echo, Put, Store
from .load import KEYS, Sender
from .monkey import Monkey

SECONDS = float(os.environ.get("AGENTLAB_CHAOS_S", "25"))
SEED = int(os.environ.get("AGENTLAB_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
WARM_S = 4.0 if SECONDS < 120 else 20.0
"""How long the load runs before the host's memory is measured: its journal is full by then."""
JOURNAL = 5_000
SETTLE_S = 40.0
WORKERS = 6
SENDERS = 4


@pytest.mark.alone
@pytest.mark.timeout(SECONDS + 180)
async def test_every_promise_is_kept_while_processes_are_killed_paused_parted_and_restarted(cast: Cast) -> None:
    print(f"\nchaos: AGENTLAB_CHAOS_SEED={SEED} AGENTLAB_CHAOS_S={SECONDS:g}")
    await _grpc_has_started(cast)
    before = Belongings()
    lab = await Lab.start(WORKERS, keepalive_s=1.0, journal_capacity=JOURNAL, log_level="ERROR", record_payloads=False)
    try:
        await _keep_promises(lab)
    finally:
        await lab.stop()
    await until(before.nothing_is_left, SETTLE_S)


async def _grpc_has_started(cast: Cast) -> None:
    """What gRPC keeps for as long as the process lives is there from now on."""
    await (await cast.worker(cast.host())).stop()


async def _keep_promises(lab: Lab) -> None:
    *exclusive, drainable = lab.workers
    echoes = [f"echo-{n}" for n in range(1, len(exclusive) + 1)]
    for worker, agent_type in zip(exclusive, echoes, strict=True):
        await lab.register(worker, agent_type, Echo)
    for worker in lab.workers:
        await lab.register(worker, "store", Store, shared=True)
    agents = dict(zip(exclusive, echoes, strict=True))
    await _all_is_made(lab, agents)
    held = await holdings(lab, agents)
    accounts, monkey = Accounts(), Monkey(lab, SEED, drainable)
    watching = asyncio.ensure_future(_watch(lab, accounts))
    senders = [Sender(lab, n, echoes, SEED + n) for n in range(SENDERS)]
    try:
        await asyncio.gather(*(sender.start() for sender in senders))
        await asyncio.sleep(WARM_S)
        memory = host_memory(lab)
        await monkey.rage(SECONDS)
        await asyncio.sleep(WARM_S)  # the load goes on: the last host's journal is full too
        memory_after = host_memory(lab)
        await asyncio.gather(*(sender.end() for sender in senders))
        await until(lambda: not lab.sessions() and not accounts.open, SETTLE_S)
        snapshot = await lab._running().run(lab._host_knows())
        assert snapshot is not None
        assert not any(worker.queued for worker in snapshot.workers)
    finally:
        watching.cancel()
        await asyncio.gather(*(sender.stop() for sender in senders), return_exceptions=True)
    await asyncio.gather(watching, return_exceptions=True)
    _report(monkey, senders, accounts, memory, memory_after)
    kept = [sender.kept for sender in senders]
    assert not [text for own in kept for text in own.wrong]
    assert not [text for own in kept for text in own.late]
    assert all(own.asked["reply"] > 0 and own.put.keys() == {"reply"} for own in kept)
    missed = 0 if lab._watcher is None else lab._watcher.missed
    untold = [message_id for own in kept for message_id in own.published if message_id not in accounts.told]
    assert len(untold) <= missed, f"{len(untold)} published messages disappeared: {untold[:5]}"
    assert abs(memory_after - memory) < 0.2 * memory, f"{memory >> 20} MiB before, {memory_after >> 20} MiB after"
    print("held before:", *held.values(), sep="\n")
    try:
        await until(lambda: nothing_more_is_held(lab, agents, held), SETTLE_S)
    finally:
        print("held after:", *(await holdings(lab, agents)).values(), sep="\n")


async def _all_is_made(lab: Lab, agents: dict[str, str]) -> None:
    """What a process makes at its first message is there from now on."""
    for agent_type in agents.values():
        await lab.send_message(Census(), AgentId(agent_type, "census"))
    for key in KEYS:
        await lab.send_message(Put(0), AgentId("store", key))


async def _watch(lab: Lab, accounts: Accounts) -> None:
    async for event in lab.events():
        accounts.take(event)


def _report(monkey: Monkey, senders: list[Sender], accounts: Accounts, memory: int, memory_after: int) -> None:
    asked: Counter[str] = Counter()
    put: Counter[str] = Counter()
    for sender in senders:
        asked.update(sender.kept.asked)
        put.update(sender.kept.put)
    published = sum(len(sender.kept.published) for sender in senders)
    print(f"deeds: {dict(monkey.done)}")
    print(f"asked: {dict(asked)}")
    print(f"put, with retry: {dict(put)}")
    print(f"published: {published}, told of: {len(accounts.told)}, of which lost or in doubt: {accounts.never_arrived}")
    print(f"copies: {dict(accounts.ended)}; requests: {dict(accounts.outcomes)}")
    print(f"the host's memory: {memory >> 20} MiB, then {memory_after >> 20} MiB")
