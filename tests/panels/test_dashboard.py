"""The dashboard: all panels together, opened and closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from until import until

from agentlab import Lab
from agentlab.panels import Dashboard, LogsPanel, TopologyPanel
from agentlab.panels.observing import _OBSERVERS, in_a_thread
from agentlab.panels.panel import _OPEN

from .conftest import StartLab, living_widgets

Keep = Callable[[Any], Any]


def tasks_of(lab: Lab) -> int:
    assert lab._loop is not None
    return lab._loop.call(lambda: len(asyncio.all_tasks(lab._loop._loop)))  # type: ignore[union-attr]


async def test_a_lab_has_one_dashboard_until_it_is_closed(lab: Lab, opened: Keep) -> None:
    first = opened(lab.dashboard())
    assert lab.dashboard() is first
    first.close()
    first.close()
    second = opened(lab.dashboard())
    assert second is not first
    assert "closed" in repr(first)


async def test_a_lab_as_a_cells_value_is_its_dashboard_with_text_and_a_table_beside_it(lab: Lab, opened: Keep) -> None:
    data = lab._repr_mimebundle_()
    board = opened(lab.dashboard())
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == board.widget.model_id
    assert "worker-2" in data["text/plain"]
    assert "<table>" in data["text/html"]
    board.close()
    assert "application/vnd.jupyter.widget-view+json" not in board._repr_mimebundle_()


async def test_a_panel_made_again_takes_the_place_of_the_earlier_one(lab: Lab, opened: Keep) -> None:
    first = opened(LogsPanel(lab))
    again = opened(LogsPanel(lab))
    assert first.closed
    assert not again.closed


async def test_the_dashboard_of_a_lab_that_was_started_again_closes_the_one_before(
    start_lab: StartLab, opened: Keep
) -> None:
    earlier = await start_lab()
    before = opened(earlier.dashboard())
    await earlier.stop()
    now = opened((await start_lab()).dashboard())
    assert before.closed
    assert not now.closed


async def test_fifty_dashboards_leave_no_widget_no_task_no_thread_and_no_memory(lab: Lab) -> None:
    async def open_and_close(times: int) -> int:
        """The bytes that are in use afterwards, once the last one's task has ended."""
        for _ in range(times):
            lab.dashboard().close()
        await until(lambda: tasks_of(lab) <= tasks)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tasks = tasks_of(lab)
    await open_and_close(5)  # what is made once is made now
    widgets, threads = living_widgets(), threading.active_count()
    tracemalloc.start()
    try:
        halfway = await open_and_close(25)
        at_end = await open_and_close(25)
    finally:
        tracemalloc.stop()
    assert living_widgets() == widgets
    assert lab not in _OPEN
    assert lab not in _OBSERVERS
    assert at_end - halfway < 200_000  # one dashboard takes more
    await until(lambda: threading.active_count() <= threads)


async def test_when_the_lab_stops_no_task_and_no_thread_of_the_dashboard_is_left(start_lab: StartLab) -> None:
    threads = set(threading.enumerate())
    lab = await start_lab(1)
    board = lab.dashboard()
    await until(lambda: board.topology.facts.snapshot)
    await lab.stop()
    assert not board.observer.busy
    assert "The lab is stopped" in board.topology.head.value
    await until(lambda: not [t for t in threading.enumerate() if t not in threads and t.name.startswith("agentlab")])
    widgets = living_widgets()
    other = await start_lab(1)
    shown = TopologyPanel(other)
    assert board.closed  # nobody would ever close it
    assert len(living_widgets()) < len(widgets)
    shown.close()


async def test_a_dashboard_of_a_lab_that_is_not_started_yet_follows_it_once_it_is(opened: Keep) -> None:
    lab = Lab(workers=1)
    board = opened(lab.dashboard())
    assert "The lab is not started." in board.topology.head.value
    board.topology.add_worker()
    assert "The lab is not started." in board.topology.note.value
    async with lab:
        lab.dashboard()._repr_mimebundle_()
        await until(lambda: "worker-1" in board.topology._rows)


async def test_what_goes_wrong_while_a_panel_is_brought_up_to_date_is_said_in_it(
    lab: Lab, opened: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: LogsPanel) -> list[str]:
        raise OSError("no <disk>")

    panel = opened(LogsPanel(lab))
    monkeypatch.setattr(LogsPanel, "lines", fail)
    await until(lambda: "Logs could not be brought up to date (OSError): no &lt;disk&gt;" in panel.note.value)
    assert panel.observer.busy


async def test_something_slow_runs_in_a_thread_that_ends_with_it(lab: Lab) -> None:
    assert await in_a_thread(lambda: threading.current_thread().name) == "agentlab-panel"
    failed = asyncio.ensure_future(in_a_thread(lambda: 1 / 0))
    await asyncio.wait([failed])
    assert isinstance(failed.exception(), ZeroDivisionError)
    await until(lambda: "agentlab-panel" not in {thread.name for thread in threading.enumerate()})


def test_without_ipywidgets_a_lab_has_text_and_a_table_and_the_models_can_be_imported() -> None:
    code = (
        "import sys\n"
        "sys.modules['ipywidgets'] = None\n"
        "from agentlab import Lab\n"
        "import agentlab.panels.reading, agentlab.panels.observing, agentlab.panels.markup\n"
        "data = Lab(workers=1)._repr_mimebundle_()\n"
        "print(sorted(data), data['text/plain'])\n"
        "try:\n"
        "    Lab(workers=1).dashboard()\n"
        "except ImportError:\n"
        "    print('no dashboard')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [
        "['text/html', 'text/plain'] <Lab not started: no processes yet>",
        "no dashboard",
    ], done.stderr


def test_a_dashboard_has_a_tab_for_every_panel_but_the_topology(lab: Lab, opened: Keep) -> None:
    board = opened(Dashboard(lab))
    assert len(board.tabs.children) == len(board.panels) - 1
    board.open(board.logs)
    assert board.tabs.titles[board.tabs.selected_index] == "Logs"
