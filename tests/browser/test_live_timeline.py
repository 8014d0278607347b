"""The live timeline in a real browser: hover, click, zoom, pan, keys, filters and replay, and pictures to look at."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from playwright.sync_api import Page

from .conftest import JupyterServer, OpenNotebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PICTURES = Path(os.environ.get("AGENTLAB_TEST_PICTURES", "test-pictures"))
NAME = "live_timeline_test.ipynb"
HOSTILE = "<img src=x onerror='window.hacked=1'>"

CELLS = [
    """
import time
from dataclasses import dataclass
from agentlab import AgentId, Lab, MessageContext, RoutedAgent, message_handler
from agentlab.panels.live_timeline import LiveTimeline

@dataclass
class Ask:
    depth: int

class Chain(RoutedAgent):
    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Ask:
        if message.depth == 13:
            raise ValueError("HOSTILE")
        if message.depth <= 0:
            return message
        other = "pong" if self.id.type == "ping" else "ping"
        return await self.send_message(Ask(message.depth - 1), AgentId(other, "x"))

lab = await Lab.start(workers=2)
await lab.register("worker-1", "ping", Chain, "asks on")
await lab.register("worker-2", "pong", Chain, "asks on")
timeline = LiveTimeline(lab)
timeline
""".replace("HOSTILE", HOSTILE),
    """
await lab.send_message(Ask(2), "ping/x")
try:
    await lab.send_message(Ask(13), "pong/x")
except Exception as error:
    print(type(error).__name__)
""",
]
STOP = "await lab.stop()"


def lab_processes() -> list[str]:
    """The hosts and workers of labs that live below this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(" ".join(process.cmdline()))
    return [command for command in found if "agentlab.lab.child" in command]


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """In place of the check of all tests: the browser that they share starts processes when it likes. What a lab
    started ends with its kernel."""
    yield
    end_s = time.monotonic() + 10
    while left := lab_processes():
        assert time.monotonic() < end_s, left
        time.sleep(0.02)


@pytest.fixture
def page(jupyter: JupyterServer, open_notebook: OpenNotebook) -> Iterator[Page]:
    """A notebook with a timeline of six messages, two of which belong to a request that failed."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, jupyter.folder / NAME)
    page = open_notebook(NAME)
    page.evaluate("() => { window.jupyterapp.commands.execute('application:toggle-left-area') }")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_selector(".agentlab-timeline canvas", timeout=90_000)
    says(page, "8 of 8 messages")
    yield page
    run(page, STOP)


def says(page: Page, text: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('.agentlab-status .said')?.textContent.includes(text)", arg=text, timeout=30_000
    )


def run(page: Page, code: str, *, wait: bool = True) -> None:
    """Run code in the kernel, as a cell would."""
    page.evaluate(
        """async ([code, wait]) => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({code, store_history: false});
            if (wait) await future.done;
        }""",
        [code, wait],
    )


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.wait_for_timeout(300)
    page.screenshot(path=str(PICTURES / f"live-timeline-{name}.png"))


def frame(page: Page) -> dict[str, Any]:
    """The frame that is shown, as the kernel has sent it (without its picture)."""
    found: dict[str, Any] = page.evaluate(
        """async () => {
            const shown = window.jupyterapp.shell.currentWidget;
            const kernel = shown.sessionContext.session.kernel;
            const code = 'import json; f = dict(timeline.canvas.frame); f.pop("png"); print(json.dumps(f))';
            let text = '';
            const future = kernel.requestExecute({code, store_history: false});
            future.onIOPub = message => { if (message.header.msg_type === 'stream') text += message.content.text; };
            await future.done;
            return JSON.parse(text);
        }"""
    )
    return found


def middle_of(page: Page, wanted: Callable[[list[Any]], bool]) -> tuple[float, float]:
    """The middle of the first arrow whose message's tip is wanted, in pixels of the page."""
    page.locator(".agentlab-timeline canvas").scroll_into_view_if_needed()
    shown = frame(page)
    hit = next(hit for hit in shown["hits"] if hit[0] == "arrow" and wanted(shown["tips"][hit[5]]))
    box = page.locator(".agentlab-timeline canvas").bounding_box()
    assert box is not None
    return box["x"] + (hit[1] + hit[3]) / 2, box["y"] + (hit[2] + hit[4]) / 2


def test_a_message_is_hovered_clicked_and_followed_to_its_cause(page: Page) -> None:
    page.locator(".agentlab-timeline canvas").scroll_into_view_if_needed()
    picture(page, "follows")
    x, y = middle_of(page, lambda tip: "ping/x → pong/x" in tip[2] and "request" in tip[2])
    page.mouse.move(x, y)
    page.wait_for_selector(".agentlab-tip:not([hidden])")
    shown = page.locator(".agentlab-tip").inner_text()
    assert "Ask" in shown
    assert "ping/x → pong/x" in shown
    assert "bytes, delivered in" in shown
    picture(page, "hover")
    page.mouse.click(x, y)
    page.wait_for_selector(".agentlab-life:not([hidden])")
    text = page.locator(".agentlab-life").inner_text()
    assert "handler started" in text
    assert '"depth": 1' in page.locator(".agentlab-life pre.payload").inner_text()
    assert "1 message led to it, and it led to 4 messages." in text
    page.locator(".agentlab-life").scroll_into_view_if_needed()
    picture(page, "selected")
    page.get_by_role("button", name="Select its cause").click()
    page.wait_for_function("() => document.querySelector('.agentlab-life').innerText.includes('outside → ping/x')")


def test_an_error_from_elsewhere_is_shown_as_text_with_its_traceback(page: Page) -> None:
    x, y = middle_of(page, lambda tip: tip[-1].startswith("failed"))
    page.mouse.move(x, y)
    page.wait_for_selector(".agentlab-tip:not([hidden])")
    assert HOSTILE in page.locator(".agentlab-tip").inner_text()
    page.mouse.click(x, y)
    page.wait_for_selector(".agentlab-life pre:not(.payload)")
    assert HOSTILE in page.locator(".agentlab-life pre:not(.payload)").inner_text()
    page.locator(".agentlab-life pre:not(.payload)").scroll_into_view_if_needed()
    picture(page, "error")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".agentlab-timeline img").count() == 0


def test_zoom_pan_and_keys_send_windows_and_the_buttons_bring_it_back(page: Page) -> None:
    canvas = page.locator(".agentlab-timeline canvas")
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 300, "y": 20})
    before = frame(page)["scale"]
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 150)
    page.mouse.wheel(0, -240)
    says(page, "stands on a window")
    closer = frame(page)["scale"]
    assert closer[-1][1] - closer[0][1] < before[-1][1] - before[0][1]
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 150, steps=5)
    page.mouse.up()
    page.wait_for_timeout(800)
    moved = frame(page)["scale"]
    assert moved[0][1] > closer[0][1]
    picture(page, "window")
    page.keyboard.press("End")
    says(page, "follows")
    page.keyboard.press("ArrowLeft")
    says(page, "stands still")
    assert page.locator(".agentlab-life h4").inner_text()
    picture(page, "step")
    page.keyboard.press("End")
    says(page, "follows")
    page.get_by_role("button", name="Pause").click()
    says(page, "stands still")
    page.get_by_role("button", name="Follow").click()
    says(page, "follows")
    page.keyboard.press("Escape")


def test_filters_axes_and_replay_work_by_mouse(page: Page) -> None:
    page.locator("select").filter(has_text="any kind").select_option("response")
    says(page, "4 of 8 messages")
    picture(page, "filter")
    page.get_by_role("button", name="Clear").click()
    says(page, "8 of 8 messages")
    page.locator("select").filter(has_text="lanes: agents").select_option("lanes: agents")
    page.locator("select").filter(has_text="logical time").select_option("logical time")
    page.wait_for_timeout(800)
    picture(page, "agents-logical")
    page.locator("select").filter(has_text="1000× slower").select_option("1000× slower")
    page.get_by_role("button", name="Replay").click()
    says(page, "replays")
    page.wait_for_timeout(1200)
    picture(page, "replay")
    page.get_by_role("button", name="Now").click()
    says(page, "follows")


def test_a_cell_that_blocks_does_not_stop_the_picture(page: Page) -> None:
    frames = "() => Number(document.querySelector('.agentlab-timeline').dataset.frames)"
    before = page.evaluate(frames)
    run(
        page,
        "import asyncio, threading, time\n"
        "async def more():\n"
        "    for _ in range(20):\n"
        "        await lab.send_message(Ask(1), 'ping/x')\n"
        "        await asyncio.sleep(0.1)\n"
        "threading.Thread(target=lambda: asyncio.run(more())).start()\n"
        "time.sleep(4)",
        wait=False,
    )
    page.wait_for_timeout(3000)
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status") == "busy"
    assert page.evaluate(frames) - before >= 5
    says(page, "of 88 messages; follows")
    picture(page, "busy")


def test_a_very_large_run_opens_as_an_overview_and_zooms_in_to_single_messages(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 800})
    run(
        page,
        "from agentlab import Run\n"
        "events = list(lab.journal.events)\n"
        "from dataclasses import replace\n"
        "messages = [e for e in events if e.message_id]\n"
        "many = [replace(e, message_id=f'{e.message_id}-{n}', cause='', time_ns=e.time_ns + n * 25_000_000)\n"
        "    for n in range(1500) for e in messages]\n"
        "timeline.close()\n"
        "timeline = LiveTimeline(Run(sorted(many, key=lambda e: e.time_ns)))\n"
        "from IPython.display import display",
    )
    page.evaluate(
        """async () => {
            const {content, sessionContext} = window.jupyterapp.shell.currentWidget;
            const cell = content.widgets[0];
            cell.model.sharedModel.setSource('timeline');
            content.activeCellIndex = 0;
            window.jupyterapp.commands.execute('notebook:run-cell');
        }"""
    )
    says(page, "12,000 of 12,000 messages; all of the run")
    page.wait_for_function(  # the picture becomes as wide as the page
        "() => { const c = document.querySelector('.agentlab-timeline canvas');"
        " return c && Math.abs(c.clientWidth - c.parentElement.clientWidth) < 3; }"
    )
    canvas = page.locator(".agentlab-timeline canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 80)
    page.wait_for_selector(".agentlab-tip:not([hidden])")
    picture(page, "overview")
    for _ in range(4):
        page.mouse.dblclick(box["x"] + 400, box["y"] + 150)
        page.wait_for_timeout(700)
    page.wait_for_function("() => !document.querySelector('.said').textContent.startsWith('12,000')")
    assert frame(page)["cells"] is None
    picture(page, "zoomed-in")
