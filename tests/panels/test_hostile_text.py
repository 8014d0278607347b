"""What agents say stays text in every panel: in all widgets of a dashboard, and in what is shown without widgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import ipywidgets as w
from until import until

from agentlab import AgentId, Lab, TopicId
from agentlab.core.exceptions import RemoteHandlerError
from agentlab.panels import Dashboard

from .cast import Echo, Said, Say, Sleep

Keep = Callable[[Any], Any]

BAD = "<img src=x onerror=alert(1)></script><script>alert(2)</script> $\\alpha$ \x1b[31m \u202e ' onload=\"x()"
TAGS = "style div span p pre table caption thead tbody tr th td b br img"
OURS = set(TAGS.split())


class Elements(HTMLParser):
    """The elements of some HTML, with their attributes, and the text of all."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.handlers += [name for name, value in attrs if name.startswith("on") or name == "href"]
        self.handlers += [str(value) for name, value in attrs if name == "src" and not str(value).startswith("data:")]

    def handle_data(self, data: str) -> None:
        self.text += data


def all_of(widget: Any) -> Iterator[Any]:
    """A widget, and all in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_of(child)


async def test_hostile_texts_are_text_in_every_panel(lab: Lab, opened: Keep) -> None:
    await lab.register("worker-1", "bad", Echo, BAD)
    reply = await lab.send_message(Say(BAD), AgentId("bad", BAD))
    assert reply.text.endswith(BAD)
    sleeping = asyncio.ensure_future(lab.send_message(Sleep(30), AgentId("bad", BAD)))
    await lab.publish_message(Said(BAD), TopicId("default", BAD))
    board: Dashboard = opened(Dashboard(lab))
    for number in range(len(board.panels) - 1):
        board.tabs.selected_index = number
    board.tabs.selected_index = board.panels.index(board.sessions) - 1
    for panel in board.panels:
        panel.say_error(BAD, RemoteHandlerError(BAD, remote_type=BAD, remote_traceback=BAD))
    await until(lambda: board.facts.snapshot and board.facts.snapshot.sessions)
    seen = board.facts
    await until(lambda: board.facts is not seen)
    texts = [one.value for one in all_of(board.widget) if isinstance(one, w.HTML)]
    texts += [panel._repr_mimebundle_()["text/html"] for panel in board.panels]
    texts += [lab.sessions()._repr_html_(), lab.directory()._repr_html_(), lab._repr_html_()]
    pages = [Elements(text) for text in texts]
    for page in pages:
        assert page.names <= OURS
        assert not page.handlers
        assert not {"\x1b", "\u202e"} & set(page.text)
    assert sum("<script>alert(2)</script> $\\alpha$" in page.text for page in pages) > 10
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    await lab.unregister("worker-1", "bad")
