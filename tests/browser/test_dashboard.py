"""The dashboard in the real browser: what a student clicks, and what is seen then."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import Locator, Page

from .conftest import JupyterServer, OpenNotebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PICTURES = Path(os.environ.get("AGENTLAB_TEST_PICTURES", "test-pictures"))
WAIT_MS = 20_000
REMOVE = ".agentlab-remove-worker-1"

CELLS = [
    """\
from dataclasses import dataclass, field
from enum import Enum
from agentlab import Lab, MessageContext, RoutedAgent, default_subscription, event, rpc""",
    """\
class Tone(Enum):
    QUIET = "quiet"
    LOUD = "loud"

@dataclass
class Ask:
    text: str
    times: int = 1
    tone: Tone = Tone.QUIET
    words: list[str] = field(default_factory=list)

@dataclass
class Told:
    text: str

@default_subscription
class Parrot(RoutedAgent):
    def __init__(self, word: str = "says") -> None:
        super().__init__("repeats what it hears")
        self.word = word

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Told:
        if message.text == "fail":
            raise ValueError("asked to fail")
        return Told(f"{self.id.key} {self.word} {message.text * message.times}")

    @event
    async def on_told(self, message: Told, ctx: MessageContext) -> None:
        print(self.id, "overheard", message.text)""",
    "lab = await Lab.start(workers=2)",
    "lab.dashboard()",
]


def lab_processes() -> list[str]:
    """The hosts and workers of labs that live below this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            if "agentlab.lab.child" in command:
                found.append(command)
    return found


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """In place of the check of all tests: the browser that the tests share starts processes when it likes. What a lab
    started ends with its kernel."""
    yield
    end_s = time.monotonic() + 10
    while left := lab_processes():
        assert time.monotonic() < end_s, left
        time.sleep(0.02)


@pytest.fixture
def notebook(jupyter: JupyterServer) -> Iterator[str]:
    """A notebook with a dashboard, not run yet."""
    name = "dashboard.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, jupyter.folder / name)
    yield name
    (jupyter.folder / name).unlink()


class Board:
    """The dashboard on the page, as a student uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        self.root = page.locator(".jp-OutputArea .agentlab-panel").first
        self.root.wait_for(timeout=60_000)
        self.sees("● running", times=4)

    def sees(self, text: str, times: int = 1) -> Locator:
        """Wait until a text is there so many times."""
        found = self.root.get_by_text(text)
        found.nth(times - 1).wait_for(timeout=WAIT_MS)
        return found

    def tab(self, title: str) -> None:
        self.root.locator(".lm-TabBar-tab", has_text=title).click()

    def field(self, name: str) -> Locator:
        """The entry beside a label."""
        row = self.root.locator(".widget-hbox:visible", has=self.page.get_by_text(name, exact=True)).last
        return row.locator("input:visible, select:visible").first

    def click(self, text: str) -> None:
        named = re.compile(rf"^\s*{text}\s*$")
        self.root.locator("button:visible", has_text=named).first.click()

    def picture(self, name: str) -> None:
        """A screenshot of the notebook with the dashboard at the top."""
        PICTURES.mkdir(exist_ok=True)
        self.root.evaluate("element => element.scrollIntoView({block: 'start'})")
        self.page.screenshot(path=str(PICTURES / f"dashboard-{name}.png"))


def register(board: Board) -> None:
    board.tab("Register agents")
    board.click("Register")
    board.sees("parrot: Parrot() on worker-1")


def send(board: Board, text: str, expected: str) -> None:
    """As somebody does who types fast and clicks at once."""
    board.field("text").fill("")
    board.field("text").press_sequentially(text)
    board.click("Send")
    board.sees(expected)


def test_an_agent_is_registered_edited_written_to_and_killed(open_notebook: OpenNotebook, notebook: str) -> None:
    board = Board(open_notebook(notebook))
    register(board)
    board.picture("register")
    name, button = (board.root.locator(found).first.bounding_box() for found in ("text=worker-1", REMOVE))
    assert name is not None
    assert button is not None
    assert abs(name["y"] - button["y"]) < button["height"]  # one line
    assert board.root.locator(REMOVE).evaluate("button => button.scrollWidth <= button.clientWidth")

    board.tab("Send")
    board.field("text").wait_for()
    send(board, "hello", "default says hello")
    board.picture("send")
    for n in range(5):
        send(board, f"word {n}", f"default says word {n}")
    send(board, "fail", "RemoteHandlerError")
    board.sees('raise ValueError("asked to fail")')
    board.picture("error")

    board.tab("Register agents")
    source = board.root.locator(".agentlab-code:visible textarea")
    before = source.input_value()
    source.fill(before.replace("return Told(", "return Told(("))
    board.click("Apply")
    board.sees("The running agents are as before")
    board.sees("SyntaxError")
    board.picture("mistake")
    source.fill(before.replace("{self.word} ", "{self.word} loudly "))
    board.click("Apply")
    board.sees("The new Parrot runs: parrot on worker-1.")
    board.tab("Send")
    send(board, "again", "default says loudly again")

    board.click("topic")
    board.root.get_by_placeholder("type/source").fill("default/room")
    board.field("message").select_option("Told")
    board.root.get_by_text("tone", exact=True).wait_for(state="detached")  # the form of the message before
    send(board, "everybody", "Published")
    board.picture("topic")
    board.tab("Logs")
    board.sees("parrot/room overheard everybody")
    board.picture("logs")
    board.tab("Timeline")
    board.root.locator("img, svg, canvas").locator("visible=true").first.wait_for(timeout=WAIT_MS)
    board.picture("timeline")

    board.root.locator(".agentlab-kill-worker-1").click()
    board.sees("✖ killed")
    board.picture("killed")
    board.root.locator(".agentlab-restart-worker-1").click()
    board.sees("worker-1 was restarted.")


@pytest.mark.parametrize(("theme", "width"), [("JupyterLab Dark", 1280), ("JupyterLab Light", 800)])
def test_the_dashboard_can_be_read_in_the_dark_and_on_a_narrow_page(
    open_notebook: OpenNotebook, notebook: str, theme: str, width: int
) -> None:
    page = open_notebook(notebook, width=width)
    if width < 1000:
        page.evaluate("() => { window.jupyterapp.shell.collapseLeft() }")
    page.evaluate("theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}) }", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    board = Board(page)
    register(board)
    name = f"{theme.split()[-1].lower()}-{width}"
    board.picture(f"{name}-register")
    board.tab("Send")
    board.field("text").wait_for()
    send(board, "hello", "default says hello")
    board.root.locator(".agentlab-pause-worker-2").click()
    board.sees("paused")
    board.picture(f"{name}-send")
    outside = board.root.evaluate(
        """root => {
            const right = root.getBoundingClientRect().right + 1;
            return [...root.querySelectorAll('button, input, select, textarea')]
                .filter(e => e.offsetParent && e.getBoundingClientRect().right > right).map(e => e.outerHTML);
        }"""
    )
    assert outside == []
    page.evaluate("() => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'}) }")
