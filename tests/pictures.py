"""Makes the pictures of the README: ``python -m tests.pictures``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from agentlab import Lab, timeline
from agentlab.core import journal
from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.lab.demo import QUESTION

FOLDER = Path(__file__).parents[1] / "notebooks" / "pictures"


async def debate() -> None:
    """The debate, as `agentlab demo` has it, with one round."""
    async with Lab(workers=3) as lab:
        await lab.register("worker-1", "player-a", Player, "for")
        await lab.register("worker-2", "player-b", Player, "against")
        await lab.register("worker-3", "judge", Judge)
        await lab.send_message(Motion("Is everybody awake?", rounds=1), "judge")
        await heard_by_both(lab, 0)
        first = lab.journal.events[-1].seq
        await lab.send_message(Motion(QUESTION, rounds=1), "judge")
        await heard_by_both(lab, first)
        run = lab.journal
    events = [event for event in run if event.seq > first]
    FOLDER.mkdir(exist_ok=True)
    timeline.save(replace(run, events=events), FOLDER / "debate.svg")


async def heard_by_both(lab: Lab, after: int) -> None:
    """Wait until both players have handled the verdict."""
    handled = 0
    async for event in lab.events(after):
        handled += event.kind == journal.EVENT and event.what == journal.HANDLED
        if handled == 2:
            return


if __name__ == "__main__":
    asyncio.run(debate())
