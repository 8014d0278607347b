"""The logs and the sessions panel, and the still timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from until import until

from agentlab import AgentId, Lab
from agentlab.panels.logs import MOST_LINES, TAIL_BYTES, LogsPanel, Tail, _shown, chosen
from agentlab.panels.reading import LabFacts
from agentlab.panels.sessions import MOST, SessionsPanel, heading, ordered, row
from agentlab.panels.timeline import TimelinePanel
from agentlab.wire.watching import SessionInfo, Snapshot

from .cast import Asker, AskToSleep, Echo, Said, Say, Sleep

Keep = Callable[[Any], Any]


def session(id: str, age_s: float, remaining_s: float | None = None, sender: str = "") -> SessionInfo:
    return SessionInfo(id, f"m-{id}", sender, "notebook", "echo/1", "worker-1", "Say", age_s, remaining_s)


def test_lines_are_chosen_by_process_and_by_text_whatever_its_case() -> None:
    logs = [("a", ["Hello", "world"]), ("b", ["hello again"])]
    assert chosen(logs, "a", "") == ["Hello", "world"]
    assert chosen(logs, "all", "HELLO") == ["a: Hello", "b: hello again"]
    assert chosen(logs, "nobody", "") == []
    marked = [("a", ["\x1fx/1\x1fhers", "\x1fy/1\x1fhis", "its"])]
    assert chosen(marked, "a", "") == ["hers", "his", "its"]
    assert chosen(marked, "all", "h", "x/1") == ["a: hers"]


def test_of_a_huge_log_only_the_end_is_read_and_it_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n:09}\n" for n in range(20_000)))
    tail = Tail(path)
    lines = tail.lines()
    assert lines[-1] == "line 000019999"
    assert len(lines[0]) == len(lines[-1])
    assert tail.cut
    assert sum(map(len, lines)) < TAIL_BYTES
    with path.open("a") as log:
        print("one more", file=log)
    assert tail.lines()[-1] == "one more"
    path.unlink()
    assert tail.lines()[-1] == "one more"


def test_what_is_left_out_is_said_and_what_was_printed_stays_text() -> None:
    shown = _shown([*["x"] * MOST_LINES, "<b>bold</b>", "y"], "")
    assert "2 lines before these" in shown
    assert "&lt;b&gt;bold" in shown
    assert "No line contains “q”." in _shown([], "q")


def test_a_session_tells_who_waits_for_whom() -> None:
    assert row(session("s1", 0.5)) == ("Say", "notebook", "echo/1", "worker-1", "500 ms", "none")
    assert row(session("s1", 12.0, 48.0, "judge/1"))[1:] == ("judge/1 (notebook)", "echo/1", "worker-1", "12 s", "48 s")


def test_the_oldest_sessions_come_first_and_how_many_there_are_is_said() -> None:
    sessions = [session(f"s{n}", float(n)) for n in range(MOST + 5)]
    assert ordered(sessions)[0].id == f"s{MOST + 4}"
    facts = LabFacts("running", (), Snapshot([], sessions, 0, 0, {}))
    assert heading(facts) == f"{MOST + 5} direct messages wait for a reply. The {MOST} oldest are shown."
    assert heading(LabFacts("running", (), Snapshot([], [], 0, 0, {}))) == "No direct message waits for its reply."


async def test_what_an_agent_prints_is_followed_and_filtered(lab: Lab, opened: Keep) -> None:
    panel = opened(LogsPanel(lab))
    await lab.register("worker-1", "logged", Echo)
    await lab.send_message(Say("<i>first</i>"), "logged/a")
    await until(lambda: "worker-1: logged/a heard &lt;i&gt;first" in panel.text.value)
    await lab.send_message(Say("second"), "logged/b")
    panel.containing.value = "logged/b"
    await until(lambda: "second" in panel.text.value)
    assert "first" not in panel.text.value
    panel.process.value = "worker-2"
    assert "No line contains" in panel.text.value


async def test_a_session_of_the_notebook_is_listed_and_can_be_cancelled(lab: Lab, opened: Keep) -> None:
    await lab.register("worker-1", "sleeper", Echo)
    panel = opened(SessionsPanel(lab))
    waiting = asyncio.ensure_future(lab.send_message(Sleep(60.0), "sleeper"))
    (id,) = await until(lambda: list(panel._boxes))
    assert "Sleep" in panel._boxes[id][1].value
    button = panel.cancel_button(id)
    assert not button.disabled
    button.click()
    button.click()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: not panel.rows.children)
    panel.cancel(id)
    assert "has ended already" in panel.note.value


async def test_a_session_of_another_worker_can_be_cancelled_and_both_ends_hear_of_it(lab: Lab, opened: Keep) -> None:
    await lab.register("worker-1", "dozer", Echo)
    await lab.register("worker-2", "asker", Asker)
    panel = opened(SessionsPanel(lab))
    waiting = asyncio.ensure_future(lab.send_message(AskToSleep("dozer", 60.0), "asker"))

    def asked_by_the_asker() -> str:
        listed = (one for one in panel._sessions.values() if one.id in panel._boxes)
        return next((one.id for one in listed if one.sender == "asker/default"), "")

    id = await until(asked_by_the_asker)
    panel.cancel_button(id).click()
    assert await waiting == Said("RequestCancelledError: from the notebook")
    await until(lambda: "asker/default gets RequestCancelledError" in panel.note.value)
    await until(lambda: "dozer/default was told to give up" in "".join(lab.logs("worker-1")))
    assert not await lab.cancel_session(id)


async def test_the_timeline_follows_the_lab_and_has_a_still_picture_beside_it(lab: Lab, opened: Keep) -> None:
    await lab.register("worker-2", "drawn", Echo)
    panel = opened(TimelinePanel(lab))
    await lab.send_message(Say("x"), AgentId("drawn", "1"))
    assert "Say" in panel._repr_mimebundle_()["text/plain"]
    assert "data:image/png;base64," in panel._repr_mimebundle_()["text/html"]
    assert panel.timeline is not None
    panel.timeline.wait()
    await until(lambda: panel.timeline.frames)
    panel.close()
    assert panel.timeline.closed
