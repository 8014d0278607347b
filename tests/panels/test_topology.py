"""The topology panel: by plain calls, then by clicks on a real lab."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from until import until

from agentlab import Lab
from agentlab.core.journal import ARRIVED, EVENT, HANDLED, PROCESS, RECEIVED, SENT, JournalEvent
from agentlab.panels import topology
from agentlab.panels.reading import LabFacts, ProcessFacts, Rates
from agentlab.panels.topology import TopologyPanel, actions, row, row_html

from .conftest import StartLab

Keep = Callable[[Any], Any]


def event(what: str, process: str, kind: str = EVENT) -> JournalEvent:
    return JournalEvent(1, what, kind, "m", "", "", "", "", process, "T", 1, 1, 1)


def test_a_row_tells_of_a_process_in_words() -> None:
    facts = ProcessFacts("worker-1", "running", 42, 75.0, 57_300_000, ("echo", "judge"), 0.5)
    assert row(facts) == ("worker-1", "● running", "42", "75 s", "57 MB", "0.5", "echo, judge")


def test_a_dead_process_has_neither_memory_nor_uptime_and_another_sign() -> None:
    assert row(ProcessFacts("worker-1", "killed", 42, 0.0))[1:5] == ("✖ killed", "42", "–", "–")


def test_what_a_process_is_called_stays_text() -> None:
    shown = row_html(ProcessFacts("<script>", "running", 1, 1.0, 1, ("<img src=x onerror=alert(1)>",)))
    assert "<script" not in shown
    assert "<img" not in shown


@pytest.mark.parametrize(
    ("name", "state", "possible"),
    [
        ("worker-1", "running", {"pause", "kill", "restart", "drain", "remove"}),
        ("worker-1", "paused", {"resume", "kill", "restart", "remove"}),
        ("worker-1", "killed", {"restart", "remove"}),
        ("worker-1", "exited 1", {"restart", "remove"}),
        ("worker-1", "starting", set()),
        ("host", "running", {"pause", "kill", "restart"}),
        ("notebook", "running", set()),
    ],
)
def test_what_can_be_done_depends_on_the_state(name: str, state: str, possible: set[str]) -> None:
    assert actions(ProcessFacts(name, state, 1, 1.0), running=True) == possible
    assert actions(ProcessFacts(name, state, 1, 1.0), running=False) == set()


def test_messages_are_counted_where_they_are_sent_and_received_and_at_the_host_once() -> None:
    rates = Rates(window_s=2.0)
    passed = [(SENT, "a"), (ARRIVED, "host"), ("left", "host"), (RECEIVED, "b"), (HANDLED, "b")]
    rates.add([event(what, process) for what, process in passed], now_s=10.0)
    rates.add([event("joined", "host", PROCESS)], now_s=10.5)
    assert rates.per_s() == {"a": 0.5, "host": 0.5, "b": 0.5}
    rates.add([], now_s=13.0)
    assert rates.per_s() == {}


def test_a_problem_says_why_nothing_is_known() -> None:
    host = ProcessFacts("host", "paused", 1, 1.0)
    assert LabFacts("running", (host,)).problem == "The host is paused."
    assert "Start another" in LabFacts("stopped").problem
    assert LabFacts("not started").problem == "The lab is not started."


async def test_the_panel_shows_host_notebook_and_workers_with_their_agents(lab: Lab, opened: Keep) -> None:
    from .cast import Echo

    await lab.register("worker-1", "echo-shown", Echo)
    panel = opened(TopologyPanel(lab))
    assert len(panel.rows.children) == 4
    shown = panel._rows["worker-1"].facts
    await until(lambda: "echo-shown" in shown.value)
    assert str(lab["worker-1"].pid) in shown.value
    assert "worker-2" in panel._repr_mimebundle_()["text/plain"]


async def test_kill_and_restart_are_two_clicks(start_lab: StartLab, opened: Keep) -> None:
    lab = await start_lab(1)
    panel = opened(TopologyPanel(lab))
    panel.button("kill", "worker-1").click()
    panel.button("kill", "worker-1").click()  # in a hurry
    await until(lambda: "✖ killed" in panel._rows["worker-1"].facts.value)
    await until(lambda: panel.button("kill", "worker-1").disabled)
    panel.button("restart", "worker-1").click()
    await until(lambda: lab["worker-1"].state == "running")
    await until(lambda: "● running" in panel._rows["worker-1"].facts.value)
    assert "worker-1 was restarted" in panel.note.value


async def test_the_pause_button_of_a_paused_worker_resumes_it(start_lab: StartLab, opened: Keep) -> None:
    lab = await start_lab(1)
    panel = opened(TopologyPanel(lab))
    panel.button("pause", "worker-1").click()
    await until(lambda: panel.button("pause", "worker-1").description == "Resume")
    panel.button("pause", "worker-1").click()
    await until(lambda: lab["worker-1"].state == "running")
    await until(lambda: panel.button("pause", "worker-1").description == "Pause")


async def test_workers_can_be_added_and_removed(start_lab: StartLab, opened: Keep) -> None:
    lab = await start_lab(1)
    panel = opened(TopologyPanel(lab))
    panel.new_name.value = "anna"
    panel.add.click()
    panel.add.click()  # in a hurry: one is started
    await until(lambda: "anna" in panel._rows and "● running" in panel._rows["anna"].facts.value)
    assert lab.workers == ["worker-1", "anna"]
    await until(lambda: panel.new_name.value == "")
    panel.new_name.value = "no name"
    panel.add.click()
    await until(lambda: "is no worker" in panel.note.value)
    panel.button("remove", "anna").click()
    await until(lambda: "anna" not in panel._rows)
    assert len(panel.rows.children) == 3


async def test_a_worker_is_drained_with_a_click_and_it_is_said_how_far_that_is(
    start_lab: StartLab, opened: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .cast import Echo, Say, Sleep

    monkeypatch.setattr(topology, "PERIOD_S", 0.02)
    lab = await start_lab(2)
    await lab.register("worker-1", "echo", Echo)
    for key in "abc":
        await lab.send_message(Say("hello"), f"echo/{key}")
    panel = opened(TopologyPanel(lab))
    said: list[str] = []
    panel.note.observe(lambda change: said.append(change.new), "value")
    panel.button("drain", "worker-1").click()
    await until(lambda: "Nobody but worker-1 has &#x27;echo&#x27;" in panel.note.value)
    assert lab["worker-1"].state == "running"
    sleeping = asyncio.ensure_future(lab.send_message(Sleep(0.7), "echo/a"))
    await until(lambda: any(row["to"] == "echo/a" for row in lab.sessions()))
    assert panel.heir.options == ("others that share them", "worker-1", "worker-2")
    panel.heir.value = "worker-2"
    panel.button("drain", "worker-1").click()
    panel.button("drain", "worker-1").click()  # in a hurry
    await until(lambda: "Drained worker-1: stopped; 3 agents moved (3 to worker-2)." in panel.note.value)
    assert any("Drain worker-1: 2 agents moved, 1 request in work" in text for text in said)
    assert (await sleeping).text == "slept"
    await until(lambda: "○ stopped" in panel._rows["worker-1"].facts.value)
    assert panel.button("drain", "worker-1").disabled
    assert (await lab.send_message(Say("hello"), "echo/a")).text == "echo hello"


async def test_a_worker_that_dies_or_stops_by_itself_is_seen_within_half_a_second(
    start_lab: StartLab, opened: Keep
) -> None:
    lab = await start_lab(2)
    panel = opened(TopologyPanel(lab))
    await until(lambda: panel.facts.snapshot)
    os.kill(lab["worker-1"].pid, signal.SIGKILL)
    os.kill(lab["worker-2"].pid, signal.SIGSTOP)
    try:
        await until(lambda: "✖ exited" in panel._rows["worker-1"].facts.value, 1.0)
        await until(lambda: "paused" in panel._rows["worker-2"].facts.value, 1.0)
    finally:
        os.kill(lab["worker-2"].pid, signal.SIGCONT)


async def test_a_dead_host_is_said_to_be_dead(start_lab: StartLab, opened: Keep) -> None:
    lab = await start_lab(1)
    panel = opened(TopologyPanel(lab))
    await until(lambda: panel.facts.snapshot)
    panel.button("kill", "host").click()
    await until(lambda: "The host is killed." in panel.head.value)
    panel.button("restart", "host").click()
    await until(lambda: lab["host"].state == "running" and "The host" not in panel.head.value)


async def test_when_the_lab_is_stopped_the_panel_says_so_and_its_buttons_rest(
    start_lab: StartLab, opened: Keep
) -> None:
    lab = await start_lab(1)
    panel = opened(TopologyPanel(lab))
    await until(lambda: panel.facts.snapshot)
    await lab.stop()
    await until(lambda: "The lab is stopped" in panel.head.value)
    assert panel.button("kill", "worker-1").disabled
    panel.act("kill", "worker-1")  # a click that was on its way
    panel.add_worker()
    assert "The lab is stopped" in panel.note.value
