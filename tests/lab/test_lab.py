"""Starting and stopping a lab, and how it shows itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest
from until import until

from agentlab import Lab, timeline
from agentlab.core import journal as j
from agentlab.core.run import Run
from agentlab.host.connection import Limits
from agentlab.lab.errors import LabError, ProcessStartError

from .cast import Echo, Say, Sleep
from .conftest import StartLab
from .processes import alive, running_children


def children() -> set[int]:
    """This process's children that run."""
    return set(running_children(os.getpid()))


async def test_a_lab_is_a_host_and_named_workers_in_processes_of_their_own() -> None:
    before = children()
    async with Lab(workers=2) as lab:
        assert lab.state == "running"
        assert lab.workers == ["worker-1", "worker-2"]
        pids = lab.processes.column("pid")
        assert children() - before == set(pids)
        assert lab.processes.column("state") == ["running"] * 3
        assert all(os.getsid(pid) == pid for pid in pids)
    assert lab.state == "stopped"
    assert children() == before
    assert lab.processes.column("state") == ["stopped"] * 3
    assert lab.processes.column("uptime_s") == [None] * 3


async def test_a_lab_in_a_with_block_ends_when_the_block_raises() -> None:
    before = children()
    with pytest.raises(ZeroDivisionError):
        async with Lab(workers=1) as lab:
            raise ZeroDivisionError
    assert lab.state == "stopped"
    assert children() == before


async def test_stopping_twice_does_nothing(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    await lab.stop()
    await lab.stop()
    assert lab.state == "stopped"


async def test_stopping_from_two_sides_at_once_stops_once(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    pids = lab.processes.column("pid")
    await asyncio.gather(lab.stop(), lab.stop())
    assert lab.state == "stopped"
    assert not [pid for pid in pids if alive(pid)]


async def test_stopping_before_the_start_does_nothing() -> None:
    lab = Lab(workers=1)
    await lab.stop()
    assert lab.state == "not started"
    async with lab:
        assert lab.state == "running"


async def test_a_running_lab_can_be_entered_and_a_stopped_one_is_refused(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    pids = lab.processes.column("pid")
    async with lab as entered:
        assert entered is lab
        assert lab.processes.column("pid") == pids
        await lab.register("worker-1", "echo", Echo)
        assert (await lab.send_message(Say("hi"), "echo")).text == "echo hi"
    assert lab.state == "stopped"
    with pytest.raises(LabError, match="This lab is stopped. Start another"):
        await lab.__aenter__()


async def test_a_stopped_lab_says_so_and_shows_what_happened(start_lab: StartLab, tmp_path: Path) -> None:
    lab = await start_lab(workers=["anna", "ben"])
    await lab.register("anna", "echo", Echo)
    await lab.send_message(Say("hi"), "echo")
    await lab.stop()
    for attempt in (
        lambda: lab.send_message(Say("hi"), "echo"),
        lambda: lab.publish_message(Say("hi")),
        lambda: lab.register("anna", "another", Echo),
        lambda: lab.unregister("anna", "echo"),
        lambda: lab.kill("anna"),
        lambda: lab.pause("anna"),
        lambda: lab.resume("anna"),
        lambda: lab.restart("anna"),
        lambda: lab.add_worker(),
        lambda: lab.remove_worker("anna"),
    ):
        with pytest.raises(LabError, match=r"The lab is stopped\. Start"):
            await attempt()
    for look in (lab.directory, lab.sessions):
        with pytest.raises(LabError, match=r"The lab is stopped\. Start"):
            look()
    assert "echo/default heard hi" in lab.logs("anna")
    steps = [event.what for event in lab.journal if event.type in {"Say", "Said"}]
    assert len(steps) == 10
    path = lab.save(tmp_path / "deeper" / "run.jsonl")
    opened = Run.open(path)
    assert list(opened) == list(lab.journal)
    assert list(opened.lanes) == ["notebook", "anna", "ben"]
    assert opened.info["workers"] == ["anna", "ben"]
    assert not opened.note


async def test_what_ends_while_the_lab_stops_is_in_the_journal_and_who_follows_it_hears_of_it(
    start_lab: StartLab,
) -> None:
    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    seen: list[j.JournalEvent] = []

    async def follow() -> None:
        async for event in lab.events():
            seen.append(event)

    following = asyncio.ensure_future(follow())
    await lab.publish_message(Sleep(0.5))
    await until(lambda: j.STARTED in [event.what for event in seen])
    await lab.stop()
    await asyncio.wait_for(following, 20)
    assert [event.what for event in seen if event.recipient == "echo/default"][-1] == j.HANDLED
    assert {event.process for event in seen if event.what == j.GONE} == {"notebook", "worker-1"}
    assert seen == list(lab.journal)


async def test_the_timeline_of_a_stopped_lab_and_of_its_saved_run_can_be_drawn(
    start_lab: StartLab, tmp_path: Path
) -> None:
    from agentlab import timeline

    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    await lab.send_message(Say("hi"), "echo")
    await lab.stop()
    lab.timeline(title="of the lab").savefig(tmp_path / "lab.png")
    timeline.save(Run.open(lab.save(tmp_path / "run.jsonl")), tmp_path / "run.svg")
    assert (tmp_path / "lab.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "run.svg").read_text(encoding="utf-8")


async def test_one_workers_name_in_the_place_of_a_list_is_refused() -> None:
    with pytest.raises(LabError, match=r"workers=\['worker-1'\]"):
        await Lab.start(workers="worker-1")


async def test_a_lab_that_was_not_started_says_so() -> None:
    lab = Lab(workers=1)
    assert repr(lab) == "<Lab not started: no processes yet>"
    assert len(lab.journal) == 0
    with pytest.raises(LabError, match=r"The lab is not started\. Start one"):
        await lab.send_message(Say("hi"), "echo")
    with pytest.raises(LabError, match="There is no host"):
        lab.address  # noqa: B018


async def test_a_lab_shows_its_processes_as_text_and_html_and_completes_their_names(start_lab: StartLab) -> None:
    lab = await start_lab(workers=["left", "right"])
    assert repr(lab) == "<Lab running: host running, left running, right running>"
    html = lab._repr_html_()
    assert "left" in html
    assert "<table" in html
    assert lab._ipython_key_completions_() == ["host", "left", "right"]
    assert "left" in lab
    assert "middle" not in lab
    with pytest.raises(TypeError, match="lab.timeline"):
        timeline.plot(lab)  # type: ignore[arg-type]
    assert repr(lab["left"]) == f"<left: running, pid {lab['left'].pid}>"
    assert lab["left"].ready["version"]
    with pytest.raises(
        LabError, match="There is no process 'right2'. Did you mean 'right'[?] There are: host, left, right"
    ):
        lab["right2"]
    with pytest.raises(LabError, match="There is no process 'middle'. There are: host, left, right"):
        lab["middle"]
    for name in ("kill", "pause", "resume", "restart", "remove_worker"):
        with pytest.raises(LabError, match="There is no process 'middle'"):
            await getattr(lab, name)("middle")
    with pytest.raises(LabError, match="There is no process 'middle'"):
        lab.logs("middle")


async def test_the_directory_says_who_advertises_what(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    await lab.register("notebook", "here", Echo)
    rows = {row["worker"]: row for row in lab.directory()}
    assert list(rows) == ["notebook", "worker-1", "worker-2"]
    assert list(rows["worker-1"]["agent types"]) == ["echo"]
    assert rows["worker-1"]["subscriptions"] == ["default → echo", "echo:* → echo"]
    assert rows["worker-1"]["pid"] == lab["worker-1"].pid
    assert list(rows["notebook"]["agent types"]) == ["here"]
    assert rows["notebook"]["pid"] == os.getpid()
    assert not rows["worker-2"]["agent types"]


@pytest.mark.parametrize("names", [["host"], ["notebook"], ["a", "a"], ["white space"], [""], ["a/b"]])
def test_a_workers_name_is_legal_and_free(names: list[str]) -> None:
    before = children()
    with pytest.raises(LabError, match="is taken|is no worker's name"):
        Lab(workers=names)
    assert children() == before


async def test_two_labs_live_side_by_side(start_lab: StartLab) -> None:
    first, second = await asyncio.gather(start_lab(workers=1), start_lab(workers=1))
    await first.register("worker-1", "echo", Echo, "first")
    await second.register("worker-1", "echo", Echo, "second")
    assert (await first.send_message(Say("hi"), "echo")).text == "first hi"
    await first.stop()
    assert (await second.send_message(Say("hi"), "echo")).text == "second hi"


async def test_a_lab_without_workers_has_the_notebooks_own_lane(start_lab: StartLab) -> None:
    lab = await start_lab(workers=0)
    await lab.register("notebook", "echo", Echo)
    assert (await lab.send_message(Say("hi"), "echo")).pid == os.getpid()


# What keeps a lab from starting


@pytest.fixture
def failing_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Children of one role fail as told when they import what comes first."""

    def fail(role: str, how: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            dedent(f"""
                import sys
                if "agentlab.lab.child" in str(sys.orig_argv) and {role!r} in sys.orig_argv:
                    {how}
            """)
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return fail


@pytest.mark.parametrize(("role", "name"), [("host", "host"), ("worker", "worker-2")])
async def test_a_process_that_ends_at_once_is_an_error_with_exit_code_and_log(
    failing_children: Any, role: str, name: str
) -> None:
    before = children()
    failing_children(name, "print('the reason for it', file=sys.stderr); import os; os._exit(7)")
    lab = Lab(workers=2)
    with pytest.raises(ProcessStartError) as caught:
        async with lab:
            pass
    assert f"{name} ended with exit code 7 before it was ready" in str(caught.value)
    assert "the reason for it" in str(caught.value)
    assert lab.state == "stopped"
    assert children() == before


async def test_a_process_that_never_gets_ready_is_an_error_in_time(failing_children: Any) -> None:
    before = children()
    failing_children("worker-1", "print('dreaming', file=sys.stderr, flush=True); import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(ProcessStartError, match=r"worker-1 did not get ready within 2 s(.|\n)*dreaming"):
        await Lab.start(workers=1, start_timeout_s=2)
    assert time.monotonic() - began < 10
    assert children() == before


async def test_a_child_whose_python_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ProcessStartError, match="/nowhere/python"):
        await Lab.start(workers=1)
    assert children() == before


async def test_limits_that_make_no_sense_are_an_error_with_the_hosts_own_words() -> None:
    before = children()
    with pytest.raises((ProcessStartError, ValueError), match="at least one event, not 0"):
        await Lab.start(workers=1, journal_capacity=0)
    assert children() == before


async def test_a_start_that_is_interrupted_leaves_nothing(failing_children: Any) -> None:
    before = children()
    failing_children("worker-1", "import time; time.sleep(60)")
    lab = Lab(workers=2)
    starting = asyncio.ensure_future(lab.__aenter__())
    await until(lambda: len(children() - before) == 3)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert lab.state == "stopped"
    await until(lambda: children() == before, 5)


async def test_a_stop_that_is_interrupted_leaves_nothing(start_lab: StartLab) -> None:
    before = children()
    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    await lab.publish_message(Sleep(60, blocking=True))
    await until(lambda: [event for event in lab.journal if event.what == "received" and event.type == "Sleep"])
    stopping = asyncio.ensure_future(lab.stop())
    await asyncio.sleep(0.1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert lab.state == "stopped"
    await until(lambda: children() == before, 8)


# Whatever agents do


async def test_an_agent_that_never_gives_its_worker_a_turn_cannot_keep_the_lab_from_stopping(
    start_lab: StartLab,
) -> None:
    lab = await start_lab(workers=1)
    pid = lab["worker-1"].pid
    await lab.register("worker-1", "echo", Echo)
    await lab.publish_message(Sleep(600, blocking=True))
    await until(lambda: [event for event in lab.journal if event.what == "received" and event.type == "Sleep"])
    began = time.monotonic()
    await lab.stop()
    assert time.monotonic() - began < 7
    assert not alive(pid)


async def test_a_forgotten_lab_ends_with_its_script(tmp_path: Path) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(
        dedent("""
            import asyncio
            from agentlab import Lab

            async def main():
                lab = await Lab.start(workers=2)
                await lab.pause("worker-2")
                print(*[row["pid"] for row in lab.processes])

            asyncio.run(main())
        """)
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(script)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 3
    await until(lambda: not [pid for pid in pids if alive(pid)], 5)


async def test_a_journal_that_was_too_small_says_what_it_let_go(start_lab: StartLab, tmp_path: Path) -> None:
    lab = await start_lab(workers=1, journal_capacity=50)
    await lab.register("worker-1", "echo", Echo)
    for _ in range(5):
        await asyncio.gather(*(lab.send_message(Say("hi"), "echo") for _ in range(40)))
    run = lab.journal
    assert 50 <= len(run) <= 250
    missed = int(run.note.split()[0]) if run.note else 0
    seqs = [event.seq for event in run]
    assert seqs == list(range(run.let_go + 1, run.let_go + len(run) + 1))
    # Joined, advertised …: a few events are about processes.
    assert 2000 <= run.let_go + len(run) + missed <= 2020
    assert run.let_go + missed > 1500
    assert "let go" in repr(run) or f"{missed} events were not seen in time" in repr(run)
    await lab.stop()
    assert len(Run.open(lab.save(tmp_path / "run.jsonl"))) == len(lab.journal)


async def test_limits_hold_in_the_host(start_lab: StartLab) -> None:
    from agentlab import PayloadTooLargeError

    lab = await start_lab(workers=1, limits=Limits(max_message_bytes=1000))
    await lab.register("worker-1", "echo", Echo)
    with pytest.raises(PayloadTooLargeError):
        await lab.send_message(Say("x" * 2000), "echo")
    assert (await lab.send_message(Say("x" * 500), "echo")).heard == 1


async def test_a_labs_folder_goes_with_it() -> None:
    lab = Lab(workers=0)
    folder = lab._folder
    assert folder.exists()
    del lab
    gc.collect()  # lab and lab.faults know each other
    assert not folder.exists()


async def test_what_goes_on_while_starting_is_said_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with contextlib.suppress(psutil.NoSuchProcess):
        async with Lab(workers=2):
            pass
    text = terminal.getvalue()
    assert "Starting the host …" in text
    assert "Starting worker-1, worker-2 …" in text
    assert "Started a host and 2 workers in" in text
    assert text.endswith("\n")
