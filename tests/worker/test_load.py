"""Twenty thousand direct messages between real processes, one of which is killed half-way."""

from __future__ import annotations

import json
from collections import Counter

from child_scripts.child import Child
from conftest import Cast
from until import until

from agentlab.core import journal as j

MESSAGES = 10_000
OUTSTANDING = 64
LIMIT_S = 90.0


async def test_of_twenty_thousand_calls_each_ends_with_its_own_reply_or_a_typed_error(
    cast: Cast, children: list[Child]
) -> None:
    host = cast.host(journal_capacity=1_000_000)
    workers = [await Child.start("worker", host=host.address, name=f"w{n}", types=[f"actor{n}"]) for n in range(3)]
    children += workers
    senders = [
        await Child.start(
            "sender", host=host.address, name=f"sender{n}", targets=["actor0", "actor1", "actor2"],
            messages=MESSAGES, outstanding=OUTSTANDING,
        )
        for n in range(2)
    ]  # fmt: skip
    children += senders
    for sender in senders:
        sender.tell("begin")
    assert json.loads(await senders[0].read_line(LIMIT_S)) == {"half": True}
    workers[1].kill()
    assert json.loads(await senders[1].read_line(LIMIT_S)) == {"half": True}
    total: Counter[str] = Counter()
    for sender in senders:
        told = json.loads(await sender.read_line(LIMIT_S))
        assert sum(told["ended"].values()) == MESSAGES
        assert told["left"] == [0, 0, 0]
        total.update(told["ended"])
    assert set(total) <= {"own reply", "WorkerLostError", "AgentNotFoundError"}, total
    assert total["own reply"] > 2 * MESSAGES // 2
    assert total["AgentNotFoundError"] > 0

    # Nothing is left in the host's memory …
    router = host.router
    await until(lambda: not any(c.outstanding for c in router.connections.values()))
    assert len(router.sessions) == 0
    assert not any(c.asked or c.asked_of or len(c) for c in router.connections.values())
    assert len(router.sessions._deadlines) < 5000

    # … and the journal accounts for every call: its request ended once, and so did what came back.
    assert host.journal.let_go == 0
    requests: dict[str, list[str]] = {}
    responses: dict[str, list[str]] = {}
    for event in host.journal:
        if event.kind == j.REQUEST:
            requests.setdefault(event.message_id, []).append(event.what)
        elif event.kind == j.RESPONSE:
            responses.setdefault(event.message_id, []).append(event.what)
    assert len(requests) == len(responses) == 2 * MESSAGES
    endings: Counter[str] = Counter()
    for life in requests.values():
        (ending,) = [what for what in life if what in j.ENDINGS]
        endings[ending] += 1
    assert endings[j.HANDLED] >= total["own reply"]
    assert endings[j.LOST] <= total["WorkerLostError"] <= endings[j.LOST] + endings[j.HANDLED]
    assert endings[j.DROPPED] == total["AgentNotFoundError"]
    assert sum(endings.values()) == 2 * MESSAGES
    assert all(j.RECEIVED in life for life in responses.values())
