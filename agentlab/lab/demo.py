"""The tour's story in a terminal: a host and three workers, a debate between them, and the picture of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..core import journal as j
from ..gallery.debate import Judge, Motion, Player, Verdict
from .lab import Lab

QUESTION = "Should we use this framework?"

_LOOKS = {j.REQUEST: ("──▶", "blue"), j.RESPONSE: ("╌╌▷", "green"), j.EVENT: ("··▶", "magenta")}
"""An arrow and a colour for each kind of message: they differ without the colour, too."""


async def run_demo(folder: Path, console: Console) -> Verdict:
    """Run the debate on three workers, print each delivery, save ``timeline.svg`` and ``timeline.png`` in `folder`."""
    from .. import timeline

    console.print("[bold]agentlab demo[/bold]: two players and a judge, each in a process of its own")
    with console.status("Starting a host and three workers …"):
        lab = await Lab.start(workers=3)
    try:
        console.print(repr(lab.processes), highlight=False)
        for worker, agent_type, agent, *arguments in (
            ("worker-1", "player-a", Player, "for"),
            ("worker-2", "player-b", Player, "against"),
            ("worker-3", "judge", Judge),
        ):
            console.print("registered", await lab.register(worker, agent_type, agent, *arguments), highlight=False)
        console.print(f"\n[bold]{QUESTION}[/bold]\n")
        printing = asyncio.ensure_future(_print_deliveries(lab, console))
        verdict: Verdict = await lab.send_message(Motion(QUESTION, rounds=3), "judge")
        await _verdict_heard(lab)
    finally:
        await lab.stop()
    await printing
    for name in ("timeline.svg", "timeline.png"):
        timeline.save(lab.journal, folder / name)
    for worker in ("worker-1", "worker-2"):
        console.print(f"\n[bold]{worker} printed[/bold]")
        console.print(Text(lab.logs(worker).rstrip()))
    console.print(f"\nThe judge says: [bold]{verdict.winner}[/bold] ({verdict.score})")
    console.print(f"The picture of it: {folder / 'timeline.svg'} and {folder / 'timeline.png'}", highlight=False)
    return verdict


async def _print_deliveries(lab: Lab, console: Console) -> None:
    """One line for each message that reached its receiver."""
    sent: dict[tuple[str, str], int] = {}
    first = 0
    async for event in lab.events():
        key = (event.message_id, event.kind)
        if event.what == j.SENT:
            sent[key] = event.time_ns
            first = first or event.time_ns
        elif event.what == j.RECEIVED:
            arrow, colour = _LOOKS[event.kind]
            sent_ns = sent.get(key, event.time_ns)
            line = Text(f"{(event.time_ns - first) / 1e6:7.1f} ms  ")
            line.append(f"{_short(event.sender)} {arrow} {_short(event.recipient)}".ljust(26), colour)
            line.append(f"{event.type:<10}{event.kind:<9} took {(event.time_ns - sent_ns) / 1e6:.1f} ms")
            console.print(line)


def _short(agent: str) -> str:
    return agent.removesuffix("/default") or "notebook"


async def _verdict_heard(lab: Lab) -> None:
    """Wait until both players have handled the verdict that the judge published."""
    handled = 0
    async with asyncio.timeout(10):
        async for event in lab.events():
            handled += event.kind == j.EVENT and event.what == j.HANDLED
            if handled == 2:
                return
