"""The live timeline without a browser: what its controls do, and that it leaves nothing behind."""

from __future__ import annotations

import gc
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ipywidgets
import pytest

from agentlab import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from agentlab.core import journal as j
from agentlab.core.journal import Journal, JournalEvent
from agentlab.core.run import Run
from agentlab.lab.lab import Lab
from agentlab.panels import live_timeline
from agentlab.panels.live_timeline import LiveTimeline
from agentlab.panels.timeline_thread import NAME

JAVASCRIPT = Path(live_timeline.__file__).with_suffix(".js")
MS = 1_000_000


def calls(count: int, start: int = 1) -> list[JournalEvent]:
    """Direct messages from the notebook to an agent, each one second after the other."""
    events = []
    for n in range(start, start + count):
        at = n * 1000 * MS
        request = (f"m{n}", "", "", "echo/1", "")
        reply = (f"m{n}", f"m{n}", "echo/1", "", "")
        for offset, what, kind, ids, process, type, detail in (
            (0.0, j.SENT, j.REQUEST, request, "notebook", "Hello", ""),
            (0.2, j.ARRIVED, j.REQUEST, request, "host", "Hello", "notebook"),
            (0.3, j.LEFT, j.REQUEST, request, "host", "Hello", "worker-1"),
            (0.5, j.RECEIVED, j.REQUEST, request, "worker-1", "Hello", ""),
            (0.6, j.STARTED, j.REQUEST, request, "worker-1", "Hello", ""),
            (1.6, j.HANDLED, j.REQUEST, request, "worker-1", "Hello", ""),
            (1.7, j.SENT, j.RESPONSE, reply, "worker-1", "Answer", ""),
            (1.9, j.ARRIVED, j.RESPONSE, reply, "host", "Answer", "worker-1"),
            (2.0, j.LEFT, j.RESPONSE, reply, "host", "Answer", "notebook"),
            (2.2, j.RECEIVED, j.RESPONSE, reply, "notebook", "Answer", ""),
        ):
            seq = len(events) + 1
            events.append(
                JournalEvent(seq, what, kind, *ids, process, type, 12, at + int(offset * MS), seq, detail)  # type: ignore[call-arg]
            )
    return events


def until(condition: Callable[[], object], limit_s: float = 15.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.01)


def drawing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    until(lambda: not drawing_threads())


@pytest.fixture
def timeline() -> Iterator[LiveTimeline]:
    shown = LiveTimeline(Run(calls(5)))
    assert shown.wait()
    yield shown
    shown.close()


def sent_by_browser(timeline: LiveTimeline, **content: object) -> None:
    timeline._on_message(None, json.loads(json.dumps(content)), [])
    assert timeline.wait()


def test_a_run_is_shown_whole_and_then_nothing_runs(timeline: LiveTimeline) -> None:
    assert timeline.canvas.frame["png"].startswith(b"\x89PNG")
    assert timeline.canvas.status == "10 of 10 messages; all of the run"
    assert len({tip[0] for tip in timeline.canvas.frame["tips"]}) == 10
    until(lambda: not drawing_threads())
    timeline.controls.back.click()
    assert timeline.wait()
    assert timeline.canvas.details["title"]


def test_a_click_selects_a_message_and_tells_its_life(timeline: LiveTimeline) -> None:
    sent_by_browser(timeline, do="select", number=0)
    details = timeline.canvas.details
    assert details["title"] == "Hello — handled"
    assert [step["what"] for step in details["steps"]][:2] == ["sent", "at the host, from notebook"]
    assert sum(step["share"] for step in details["steps"]) == pytest.approx(1)
    assert timeline.canvas.frame["selected"] == 0
    sent_by_browser(timeline, do="select", number=-1)
    assert timeline.canvas.details == {}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"do": "nonsense"},
        {"do": "select", "number": "1"},
        {"do": "window", "first": "x", "last": 2, "window": 1},
        {"do": "message", "id": 3},
        {"do": "size", "width": None, "ratio": 1},
    ],
)
def test_what_makes_no_sense_is_ignored(timeline: LiveTimeline, content: dict[str, object]) -> None:
    assert timeline.order_of(content) is None
    timeline._on_message(None, content, [])
    timeline._on_message(None, "text", [])
    assert timeline.wait()


def test_a_window_is_shown_and_the_frame_says_which_one_it_answers(timeline: LiveTimeline) -> None:
    sent_by_browser(timeline, do="window", first=0, last=3 * MS, window=7)
    assert timeline.canvas.frame["window"] == 7
    assert timeline.canvas.status.startswith("2 of 10 messages; stands on a window")
    assert "2 of 10 messages are shown" in timeline.canvas.frame["alt"]
    timeline.controls.now.click()
    assert timeline.wait()
    assert timeline.canvas.status.startswith("10 of 10")


def test_the_page_says_how_wide_it_is_and_the_picture_follows(timeline: LiveTimeline) -> None:
    sent_by_browser(timeline, do="size", width=700, ratio=2)
    assert timeline.canvas.frame["width"] == 700
    sent_by_browser(timeline, do="size", width=10**9, ratio=10**9)
    assert timeline.canvas.frame["width"] == live_timeline.WIDEST


def test_filters_hide_messages_and_say_how_many(timeline: LiveTimeline) -> None:
    timeline.controls.filters["kind"].value = "response"
    assert timeline.wait()
    assert timeline.canvas.status.startswith("5 of 10")
    assert "5 hidden by the filter (kind response)" in timeline.canvas.frame["alt"]
    timeline.controls.filters["text"].value = "nobody says this"
    assert timeline.wait()
    assert timeline.canvas.status.startswith("0 of 10")
    timeline.controls.clear.click()
    assert timeline.wait()
    assert timeline.canvas.status.startswith("10 of 10")
    assert set(timeline.controls.filters["type"].options) == {"Hello", "Answer"}


def test_stepping_goes_message_by_message(timeline: LiveTimeline) -> None:
    sent_by_browser(timeline, do="window", first=0, last=100, window=1)
    timeline.do(lambda viewer: viewer.change(until=-1))
    titles = []
    for _ in range(3):
        timeline.controls.forth.click()
        assert timeline.wait()
        titles.append(timeline.canvas.details["title"])
    assert titles == ["Hello — handled", "Answer — received", "Hello — handled"]
    assert "stands still" in timeline.canvas.status


def test_a_replay_shows_the_run_again_and_ends(timeline: LiveTimeline) -> None:
    timeline.controls.speed.value = "real time"
    before = timeline.frames
    timeline.controls.replay.click()
    assert timeline.wait()
    assert timeline.controls.replay.icon == "pause"
    until(lambda: not timeline.viewer.is_playing)
    assert timeline.frames > before + 2
    until(lambda: timeline.canvas.status == "10 of 10 messages; all of the run")


@pytest.mark.parametrize(
    ("control", "value"), [("lanes", "agent"), ("axis", True), ("fold", False), ("span", "last 20 messages")]
)
def test_every_choice_draws_another_picture_without_an_error(
    timeline: LiveTimeline, control: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(timeline.controls, control).value = value
    assert timeline.wait()
    for button in ("closer", "wider", "pause", "pause", "back", "forth", "now"):
        getattr(timeline.controls, button).click()
    assert timeline.wait()
    assert not caplog.records


def test_a_journal_that_grows_is_followed_paused_and_caught_up_with() -> None:
    journal = Journal()

    def write(events: list[JournalEvent]) -> None:
        for event in events:
            journal.append(*(getattr(event, name) for name in j.FIELDS[1:]))

    write(calls(2))
    shown = LiveTimeline(journal)
    try:
        until(lambda: shown.canvas.status.startswith("4 of 4 messages; follows"))
        shown.controls.pause.click()
        until(lambda: "stands still" in shown.canvas.status)
        write(calls(3, start=3))
        until(lambda: "of 10 messages" in shown.canvas.status)
        assert shown.canvas.status.startswith("4 of 10")
        shown.controls.now.click()
        until(lambda: shown.canvas.status.startswith("10 of 10 messages; follows"))
        frames = shown.frames
        time.sleep(0.6)
        assert shown.frames == frames  # nothing happened
    finally:
        shown.close()


def test_a_busy_cell_does_not_stop_the_picture_and_there_are_at_most_five_frames_a_second() -> None:
    journal = Journal()
    shown = LiveTimeline(journal)
    assert shown.wait()
    began, before, written = time.monotonic(), shown.frames, 0
    while shown.frames < before + 3:  # without a pause, as a cell that computes
        took = time.monotonic() - began
        assert took < 30, f"{shown.frames - before} frames came"
        if written < took / 0.02:
            written += 1
            for event in calls(1, start=written):
                journal.append(*(getattr(event, name) for name in j.FIELDS[1:]))
    drawn, took = shown.frames - before, time.monotonic() - began
    shown.close()
    assert drawn <= 5 * took + 2


def test_fifty_timelines_opened_and_closed_leave_no_thread_and_no_widget() -> None:
    run = Run(calls(2))
    first = LiveTimeline(run)
    first.wait()
    first.close()
    until(lambda: not drawing_threads())
    threads, widgets = threading.active_count(), len(ipywidgets.widgets.widget._instances)
    for number in range(50):
        shown = LiveTimeline(run)
        if number % 2:
            assert shown.wait()
        shown.close()
        shown.close()
        shown.controls.forth.click()
    until(lambda: threading.active_count() <= threads)
    gc.collect()
    assert len(ipywidgets.widgets.widget._instances) == widgets


def test_without_a_browser_there_is_a_picture_and_text(timeline: LiveTimeline) -> None:
    bundle = timeline._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"].splitlines()[0] == "<LiveTimeline of 10 messages>"
    assert "notebook ──▶ host" in bundle["text/plain"]
    timeline.close()
    assert "image/png" in timeline._repr_mimebundle_()
    assert repr(timeline) == "<LiveTimeline, closed>"


def test_a_wrong_source_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(TypeError, match="a Lab, a Journal, a Run or events, not 3"):
        LiveTimeline(3)


def test_names_and_errors_are_put_into_the_page_as_text() -> None:
    code = JAVASCRIPT.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://|import\(", code)


def test_a_picture_that_cannot_be_drawn_says_so_and_the_next_one_comes(
    timeline: LiveTimeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no picture")

    with monkeypatch.context() as patch:
        patch.setattr(live_timeline, "render", broken)
        timeline.controls.forth.click()
        assert timeline.wait()
        assert timeline.canvas.status.startswith("This view could not be drawn")
    timeline.controls.now.click()
    assert timeline.wait()
    assert timeline.canvas.status.startswith("10 of 10")


@dataclass
class Hello:
    text: str


class Echo(RoutedAgent):
    @message_handler
    async def on_hello(self, message: Hello, ctx: MessageContext) -> Hello:
        return message


async def test_the_standalone_runtime_is_followed_too() -> None:
    journal = Journal()
    runtime = SingleThreadedAgentRuntime(journal=journal)
    await Echo.register(runtime, "echo", lambda: Echo("answers"))
    runtime.start()
    shown = LiveTimeline(journal)
    try:
        await runtime.send_message(Hello("hi"), AgentId("echo", "1"))
        until(lambda: shown.canvas.status.startswith("2 of 2"))
        assert "lanes outside, echo/1" in shown.canvas.frame["alt"]
    finally:
        shown.close()
        await runtime.stop()


def test_the_first_picture_shows_what_a_journal_has_already() -> None:
    journal = Journal()
    for event in calls(2):
        journal.append(*(getattr(event, name) for name in j.FIELDS[1:]))
    shown = LiveTimeline(journal)
    try:
        assert "notebook ──▶ host" in shown._repr_mimebundle_()["text/plain"]
    finally:
        shown.close()


async def test_a_lab_is_followed_to_its_end_and_can_be_looked_at_after_it() -> None:
    lab = await Lab.start(workers=1)
    try:
        shown = LiveTimeline(lab)
        await lab.register("worker-1", "echo", Echo, "answers")
        for _ in range(3):
            await lab.send_message(Hello("hi"), "echo")
        until(lambda: shown.canvas.status.startswith("6 of 6 messages; follows"))
    finally:
        await lab.stop()
    until(lambda: not drawing_threads())
    assert shown.canvas.status.startswith("6 of 6 messages; all of the run")
    assert shown.viewer.chronicle.events == len(lab.journal)
    shown.controls.back.click()
    assert shown.wait()
    assert shown.canvas.details["title"]
    shown.close()
