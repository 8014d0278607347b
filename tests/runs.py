"""Records the saved runs that the course opens: ``python -m tests.runs``.

They are recorded, not written: times and process ids differ from recording to recording, what happens does not.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from agentlab import AgentId, Lab, UndeliverableException
from agentlab.core.journal import REQUEST, STARTED
from agentlab.gallery.cascade import Cascade, Wave
from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.gallery.slow import Slow, Work

from .course.answers import answers_of

RUNS = Path(__file__).parents[1] / "notebooks" / "runs"


async def debate(lab: Lab) -> None:
    """Two players argue in three rounds, and hear the verdict."""
    await lab.register("worker-1", "player-a", Player, "for")
    await lab.register("worker-2", "player-b", Player, "against")
    await lab.register("worker-3", "judge", Judge)
    await lab.send_message(Motion("Should we use this framework?", rounds=3), "judge")


async def cascade(lab: Lab) -> None:
    """One message that leads to many, on three workers."""
    for worker in lab.workers:
        await lab.register(worker, f"wave-{worker[-1]}", Cascade, 1)
    await lab.publish_message(Wave(2), "cascade/0")


async def lost(lab: Lab) -> None:
    """Of three workers that are asked at the same time, one is killed, one misses the deadline, one answers."""
    for worker in lab.workers:
        await lab.register(worker, f"slow-{worker[-1]}", Slow)
    asked = [
        asyncio.ensure_future(lab.send_message(Work(seconds), AgentId(f"slow-{n}", "default"), deadline_s=1.0))
        for n, seconds in ((1, 0.3), (2, 2.0), (3, 0.8))
    ]
    started = 0
    async for event in lab.events():
        started += event.kind == REQUEST and event.what == STARTED
        if started == len(asked):
            break
    await lab.kill("worker-3")
    for one in asked:
        with contextlib.suppress(UndeliverableException):
            await one


MARKET = """
await lab.stop()
lab = await Lab.start(workers=3)
await open_market(lab)
await lab.send_message(Sell("lamp", reserve=20), "auctioneer")
await lab.when_idle()
await lab.stop()
lab.save({path!r})
"""
"""A last cell for the solved notebook 10: one auction."""


async def market() -> Path:
    """One auction in the market that is notebook 10's solution."""
    path, stem = RUNS / "market.jsonl", "10_capstone"
    notebook = nbformat.read(RUNS.parent / f"{stem}.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    source = [cells[0], *(answers.solution for answers in answers_of(stem).values()), MARKET.format(path=str(path))]
    alone = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in source])
    await NotebookClient(alone, timeout=60, kernel_name="python3").async_execute()
    return path


async def main() -> None:
    """Record all of them."""
    for story in (debate, cascade, lost):
        async with Lab(workers=3) as lab:
            await story(lab)
            await lab.when_idle()
        path = lab.save(RUNS / f"{story.__name__}.jsonl")
        print(path, path.stat().st_size // 1000, "kB:", lab.journal)
    print(await market())


if __name__ == "__main__":
    asyncio.run(main())
