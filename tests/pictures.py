"""Makes the pictures of the README: ``python -m tests.pictures``. The dashboard's is taken in a real browser."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import nbformat

from agentlab import Lab, timeline
from agentlab.core import journal
from agentlab.gallery.debate import Judge, Motion, Player
from agentlab.lab.demo import QUESTION

from .browser.conftest import open_in, running_browser, running_jupyter, shut_down

CELLS = [
    """\
from agentlab import Lab
from agentlab.gallery.debate import Judge, Motion, Player

lab = await Lab.start(workers=3)
await lab.register("worker-1", "player-a", Player, "for")
await lab.register("worker-2", "player-b", Player, "against")
await lab.register("worker-3", "judge", Judge)""",
    "lab.dashboard()",
    f"await lab.send_message(Motion({QUESTION!r}, rounds=1), 'judge')",
]
"""What the notebook of the dashboard's picture runs."""
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


def dashboard() -> None:
    """The dashboard while the debate's messages are looked at."""
    with tempfile.TemporaryDirectory() as home, running_jupyter(Path(home)) as jupyter, running_browser() as browser:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, jupyter.folder / "dashboard.ipynb")
        page = browser.new_page(viewport={"width": 1120, "height": 1750})
        open_in(page, jupyter, "dashboard.ipynb")
        page.evaluate("() => { window.jupyterapp.shell.collapseLeft() }")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        board = page.locator(".jp-OutputArea .agentlab-panel").first
        board.get_by_text("● running").nth(4).wait_for(timeout=60_000)
        board.locator(".lm-TabBar-tab", has_text="Timeline").click()
        board.get_by_title("One message back").click(timeout=20_000)
        board.locator(".agentlab-life h4").wait_for(timeout=20_000)
        page.wait_for_timeout(1_000)  # the picture that belongs to it
        FOLDER.mkdir(exist_ok=True)
        board.screenshot(path=FOLDER / "dashboard.png")
        shut_down(page)


if __name__ == "__main__":
    asyncio.run(debate())
    dashboard()
