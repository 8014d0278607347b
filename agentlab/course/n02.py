"""The exercises of ``02_host_and_workers.ipynb``."""

from __future__ import annotations

import uuid
from typing import Any

from ..core.ids import AgentId
from ..core.topics import DefaultTopicId
from ..lab.lab import Lab
from .exercises import exercise
from .expecting import expect


@exercise(
    "02.1",
    "Move the observer",
    "A type has one home: try to register `observer` on worker-1, and read the error.",
    'The error names the call that gives a type up: await lab.unregister("worker-3", …)',
    'Then: await lab.register("worker-1", "observer", Observer)',
)
async def moved(lab: Lab) -> str:
    homes = {row["worker"]: row["agent types"] for row in lab.directory()}
    found = [worker for worker, types in homes.items() if "observer" in types]
    seen = f"observer on {found[0]}" if found else "nobody advertises observer"
    expect(found == ["worker-1"], "that the directory has observer on worker-1", seen)
    return "The host's directory has observer on worker-1, and nobody who sends to it has to know."


@exercise(
    "02.2",
    "What the next one knows",
    "save_state is asked of the old object, load_state of the new one, both in the worker.",
    "save_state returns what to remember, as a dictionary of plain values.",
    'async def save_state(self): return {"games": self.games}; async def load_state(self, state): self.games = …',
    limit_s=15,
)
async def remembers(lab: Lab, CountingObserver: Any, Over: Any, HowMany: Any) -> str:
    expect(isinstance(CountingObserver, type), "an agent class", CountingObserver)
    agent_type, key = f"counting-{uuid.uuid4().hex[:6]}", uuid.uuid4().hex[:6]

    async def play(games: int) -> Any:
        await lab.register("worker-1", agent_type, CountingObserver)
        for _ in range(games):
            await lab.publish_message(Over("nobody", []), DefaultTopicId(source=key))
        await lab.when_idle(5)
        reply = await lab.send_message(HowMany(), AgentId(agent_type, key), deadline_s=5)
        return getattr(reply, "value", reply)

    try:
        first = await play(3)
        expect(first == 3, "3 after three games", first)
        second = await play(1)
        expect(second == 4, "4 after it was replaced and heard of one more game", second)
        third = await play(0)
        expect(third == 4, "still 4 after it was replaced once more", third)
    finally:
        await lab.unregister("worker-1", agent_type)
    return "Three objects, one after the other, and one number."


@exercise(
    "02.3",
    "Roll call",
    "An agent's id from its type: AgentId(guide, 'default').",
    "here = await self.send_message(Where(), AgentId(guide, 'default')), for every guide; here.pid is what you need.",
    limit_s=15,
)
async def roll_call(lab: Lab, RollCall: Any) -> str:
    pids = {row["process"]: row["pid"] for row in lab.processes}
    for numbers in ((1, 2, 3), (3, 1, 3)):
        guides = [f"guide-{n}" for n in numbers]
        reply = await lab.send_message(RollCall(guides), "caller", deadline_s=5)
        wanted = [pids[f"worker-{n}"] for n in numbers]
        expect(getattr(reply, "pids", None) == wanted, f"Present({wanted}) for {guides}", reply)
    return "The caller knows names; the host knows where they are."
