"""Addresses, tables and logs, names of cells, and the lab's event loop."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from agentlab import AgentId, RemoteHandlerError, TopicId
from agentlab.lab import readable
from agentlab.lab.addresses import agent_id, checked_worker_name, free_name, topic_id
from agentlab.lab.errors import LabError
from agentlab.lab.loop import LoopThread
from agentlab.lab.tables import Log, Table


def test_text_is_an_address() -> None:
    assert agent_id("player") == AgentId("player", "default")
    assert agent_id("player/anna") == AgentId("player", "anna")
    assert agent_id("player/with/slashes") == AgentId("player", "with/slashes")
    assert agent_id(AgentId("a", "b")) == AgentId("a", "b")
    assert topic_id("news") == TopicId("news", "default")
    assert topic_id("news/today") == TopicId("news", "today")
    assert topic_id(TopicId("a", "b")) == TopicId("a", "b")
    assert topic_id(None) == TopicId("default", "default")
    with pytest.raises(ValueError, match="Invalid"):
        agent_id("")
    with pytest.raises(ValueError, match="Invalid"):
        topic_id("white space/x")


def test_a_workers_name_is_checked() -> None:
    assert checked_worker_name("worker-1.b_2", ["a"]) == "worker-1.b_2"
    for name in ("a", "host", "notebook"):
        with pytest.raises(LabError, match=f"The name '{name}' is taken"):
            checked_worker_name(name, ["a"])


def test_a_worker_without_a_name_gets_the_first_free_one() -> None:
    assert free_name("worker", {"worker-1", "worker-3"}, bare=False) == "worker-2"
    assert free_name("script", set()) == "script"
    assert free_name("script", {"script", "script-2"}) == "script-3"


def test_a_table_is_a_sequence_of_rows_shown_as_text_and_html() -> None:
    rows = [("a", 1.25, ["x", "y"]), ("<script>alert(1)</script>", None, [])]
    table = Table("A & B", ("name", "value", "list"), rows, "nothing")
    assert len(table) == 2
    assert table[0] == {"name": "a", "value": 1.25, "list": ["x", "y"]}
    assert table.column("value") == [1.25, None]
    with pytest.raises(KeyError, match="no column 'size': there are name, value, list"):
        table.column("size")
    assert repr(table).splitlines() == [
        "A & B",
        "name                       value  list",
        "a                          1.2    x, y",
        "<script>alert(1)</script>  –      –",
    ]
    html = table._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "A &amp; B" in html


def test_an_empty_table_says_so() -> None:
    table = Table("Things", ("a",), [], "none <yet>")
    assert repr(table) == "Things: none <yet>"
    assert table._repr_html_() == "<p><b>Things</b>: none &lt;yet&gt;</p>"


def test_a_log_is_text_shown_line_by_line() -> None:
    log = Log("one\ntwo\n")
    assert repr(log) == "one\ntwo"
    assert log.lines() == ["one", "two"]
    assert log.lines("w") == ["two"]
    assert repr(Log("")) == "(nothing printed yet)"


def test_cells_are_called_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(compile=SimpleNamespace(_filename_map={"/tmp/ipykernel_1/2.py": 7}))
    monkeypatch.setitem(readable.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    error = RemoteHandlerError(
        "failed", remote_traceback='  File "/tmp/ipykernel_1/2.py", line 3, in f\n  File "/a/b.py", line 4, in g\n'
    )
    text = str(readable.readable_error(error))
    assert "  Cell In[7], line 3, in f" in text
    assert '  File "/a/b.py", line 4, in g' in text


def test_the_loop_runs_work_for_any_thread_until_it_is_closed() -> None:
    loop = LoopThread()

    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert asyncio.run(loop.run(where())) == "agentlab-loop"
    assert loop.run_sync(where(), timeout_s=5) == "agentlab-loop"
    assert loop.call(lambda: threading.current_thread().name) == "agentlab-loop"

    async def nested() -> str:
        return await loop.run(where())

    assert loop.run_sync(nested(), timeout_s=5) == "agentlab-loop"

    async def waits_for_itself() -> None:
        loop.run_sync(where(), timeout_s=5)

    with pytest.raises(RuntimeError, match="would wait for itself"):
        loop.run_sync(waits_for_itself(), timeout_s=5)
    loop.close()
    loop.close()
    assert not loop.alive
    with pytest.raises(LabError, match="The lab is stopped"):
        loop.run_sync(where(), timeout_s=5)
    with pytest.raises(LabError, match="The lab is stopped"):
        asyncio.run(loop.run(where()))
    assert loop.call(lambda: threading.current_thread().name) == threading.current_thread().name


def test_closing_the_loop_lets_its_tasks_clean_up() -> None:
    loop = LoopThread()
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    async def begin() -> asyncio.Task[None]:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        return task

    loop.run_sync(begin(), timeout_s=5)
    loop.close()
    assert cleaned == ["up"]
