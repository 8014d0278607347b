"""Killed, paused, restarted: what happens to the processes of a lab, and to the messages meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psutil
import pytest
from until import until

from agentlab import AgentNotFoundError, HostLostError, Lab, UndeliverableException, WorkerLostError
from agentlab.core import journal as j
from agentlab.lab.errors import LabError, ProcessStartError, RegistrationError

from .cast import Echo, Say, Sleep
from .cells import Notebook
from .conftest import StartLab
from .processes import alive, running_children


def process_events(lab: Lab, process: str) -> list[str]:
    """What the journal says of a process itself."""
    return [event.what for event in lab.journal if event.kind == j.PROCESS and event.process == process]


async def test_a_killed_worker_ends_what_it_was_doing_and_comes_back_with_its_agents(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo, "first")
    await lab.register("worker-1", "echo", Echo, "replaced")
    await lab.register("worker-1", "gone", Echo)
    await lab.unregister("worker-1", "gone")
    first = await lab.send_message(Say("hi"), "echo")
    sending = asyncio.ensure_future(lab.send_message(Sleep(60), "echo"))
    await until(lambda: len(lab.sessions()) == 1)
    await lab.kill("worker-1")
    with pytest.raises(WorkerLostError):
        await asyncio.wait_for(sending, 20)
    assert lab["worker-1"].state == "killed"
    assert not alive(first.pid)
    with pytest.raises(AgentNotFoundError, match="No agent of type 'echo' is advertised"):
        await lab.send_message(Say("hi"), "echo")
    for attempt in (lab.register("worker-1", "more", Echo), lab.unregister("worker-1", "echo")):
        with pytest.raises(LabError, match=r"worker-1 is not running: it is killed.*lab\.restart\('worker-1'\)"):
            await attempt
    await lab.restart("worker-1")
    said = await lab.send_message(Say("hi"), "echo")
    assert (said.text, said.heard) == ("replaced hi", 1)
    assert said.pid == lab["worker-1"].pid != first.pid
    assert list(next(row for row in lab.directory() if row["worker"] == "worker-1")["agent types"]) == ["echo"]
    events = process_events(lab, "worker-1")
    assert events.index(j.KILLED) > events.index(j.JOINED)
    assert events.count(j.JOINED) == 2
    await lab.kill("worker-1")
    await lab.kill("worker-1")  # it is dead already


async def test_a_worker_that_dies_by_itself_is_seen(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    os.kill(lab["worker-2"].pid, signal.SIGKILL)
    await until(lambda: lab["worker-2"].state == "exited -9")
    assert "worker-2 exited -9" in repr(lab)
    await until(lambda: "worker-2" not in lab.directory().column("worker"))
    with pytest.raises(LabError, match="worker-2 is not running: it is exited -9"):
        await lab.register("worker-2", "other", Echo)
    assert (await lab.send_message(Say("hi"), "echo")).heard == 1


async def test_an_agent_that_ends_its_process_is_seen_by_its_exit_code(start_lab: StartLab, notebook: Notebook) -> None:
    lab = await start_lab(workers=1)
    notebook.run("""
        import os

        @dataclass
        class Exit:
            code: int

        class Quitter(RoutedAgent):
            def __init__(self):
                super().__init__("quits")

            @message_handler
            async def on_exit(self, message: Exit, ctx: MessageContext) -> None:
                print("last words", flush=True)
                os._exit(message.code)
    """)
    await lab.register("worker-1", "quitter", notebook.Quitter)
    with pytest.raises(WorkerLostError):
        await lab.send_message(notebook.Exit(3), "quitter")
    await until(lambda: lab["worker-1"].state == "exited 3")
    assert "last words" in lab.logs("worker-1")
    await lab.restart("worker-1")
    assert "last words" in lab.logs("worker-1")  # its log goes on
    assert "quitter" in str(lab.directory())


async def test_a_paused_worker_answers_when_it_goes_on(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    await lab.pause("worker-1")
    await until(lambda: psutil.Process(lab["worker-1"].pid).status() == psutil.STATUS_STOPPED)
    assert lab["worker-1"].state == "paused"
    for attempt, says in (
        (lab.pause("worker-1"), "worker-1 cannot be paused: it is paused"),
        (lab.register("worker-1", "more", Echo), r"worker-1 is paused. Wake it with: await lab\.resume\('worker-1'\)"),
        (lab.unregister("worker-1", "echo"), r"worker-1 is paused. Wake it with"),
    ):
        with pytest.raises(LabError, match=says):
            await asyncio.wait_for(attempt, 20)
    sending = asyncio.ensure_future(lab.send_message(Say("hi"), "echo"))
    await until(lambda: len(lab.sessions()) == 1)
    await lab.resume("worker-1")
    assert (await asyncio.wait_for(sending, 20)).text == "echo hi"
    with pytest.raises(LabError, match="worker-1 cannot be resumed: it is running"):
        await lab.resume("worker-1")
    events = process_events(lab, "worker-1")
    assert events[-2:] == [j.PAUSED, j.RESUMED]
    await until(lambda: len(running_children(os.getpid())) == len(lab.processes))


async def test_a_paused_worker_is_lost_within_the_keep_alive_time_and_comes_back(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1, keepalive_s=0.5)
    await lab.register("worker-1", "echo", Echo)
    await lab.pause("worker-1")
    began = time.monotonic()
    with pytest.raises(WorkerLostError):
        await lab.send_message(Say("hi"), "echo", deadline_s=10)
    assert time.monotonic() - began < 4
    await lab.resume("worker-1")
    await until(lambda: "echo" in str(lab.directory()))
    assert (await lab.send_message(Say("hi"), "echo")).text == "echo hi"


@pytest.mark.parametrize("name", ["worker-1", "host"])
async def test_a_lab_with_a_paused_process_stops_soon(start_lab: StartLab, name: str) -> None:
    lab = await start_lab(workers=2)
    pids = lab.processes.column("pid")
    await lab.pause(name)
    began = time.monotonic()
    await lab.stop()
    assert time.monotonic() - began < 5
    assert not [pid for pid in pids if alive(pid)]


async def test_a_paused_worker_can_be_killed_restarted_and_removed(start_lab: StartLab) -> None:
    lab = await start_lab(workers=3)
    await lab.register("worker-2", "echo", Echo)
    for name in lab.workers:
        await lab.pause(name)
    await lab.kill("worker-1")
    assert lab["worker-1"].state == "killed"
    await lab.restart("worker-2")
    assert (await lab.send_message(Say("hi"), "echo")).pid == lab["worker-2"].pid
    await lab.remove_worker("worker-3")
    assert lab.workers == ["worker-1", "worker-2"]


async def test_workers_can_be_added_and_removed(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    assert await lab.add_worker() == "worker-2"
    assert await lab.add_worker("special") == "special"
    assert lab.workers == ["worker-1", "worker-2", "special"]
    await lab.register("special", "other", Echo)
    pid = (await lab.send_message(Say("hi"), "other")).pid
    await lab.remove_worker("special")
    assert not alive(pid)
    with pytest.raises(AgentNotFoundError):
        await lab.send_message(Say("hi"), "other")
    await lab.register("worker-2", "other", Echo)
    for name, says in (("special", "no process 'special'"), ("host", "cannot be without its host")):
        with pytest.raises(LabError, match=says):
            await lab.remove_worker(name)
    for name, says in (("worker-1", "is taken"), ("host", "is taken"), ("a b", "is no worker's name")):
        with pytest.raises(LabError, match=says):
            await lab.add_worker(name)
    assert await lab.add_worker() == "worker-3"
    assert process_events(lab, "special") == [j.JOINED, j.ADVERTISED, j.GONE]


async def test_a_worker_that_is_restarted_and_removed_at_the_same_time_leaves_nothing_behind(
    start_lab: StartLab,
) -> None:
    lab = await start_lab(workers=1)
    before = set(running_children(os.getpid())) - set(lab.processes.column("pid"))
    await asyncio.gather(lab.restart("worker-1"), lab.restart("worker-1"), lab.remove_worker("worker-1"))
    assert lab.workers == []
    assert set(running_children(os.getpid())) - before == {lab["host"].pid}


async def test_workers_that_are_added_at_the_same_time_have_names_of_their_own(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    assert sorted(await asyncio.gather(lab.add_worker(), lab.add_worker())) == ["worker-2", "worker-3"]
    assert sorted(row["worker"] for row in lab.directory()) == ["notebook", "worker-1", "worker-2", "worker-3"]


async def test_a_worker_that_was_added_later_reads_what_the_others_answer(
    start_lab: StartLab, notebook: Notebook
) -> None:
    lab = await start_lab(workers=1)
    notebook.run("""
        @dataclass
        class Ask:
            via: str

        @dataclass
        class Hidden:
            text: str

        @dataclass
        class Told:
            text: str

        class Middle(RoutedAgent):
            def __init__(self):
                super().__init__("asks another")

            @message_handler
            async def on_ask(self, message: Ask, ctx: MessageContext) -> Told:
                reply = await self.send_message(message, AgentId(message.via, "default"))
                return Told(f"{type(reply).__name__} {reply.text}")

        class Source(RoutedAgent):
            def __init__(self):
                super().__init__("knows")

            @message_handler
            async def on_ask(self, message: Ask, ctx: MessageContext) -> Hidden:
                return Hidden("treasure")
    """)
    await lab.register("worker-1", "source", notebook.Source)
    await lab.add_worker()
    await lab.register("worker-2", "middle", notebook.Middle)
    assert await lab.send_message(notebook.Ask("source"), "middle") == notebook.Told("Hidden treasure")
    await lab.kill("worker-2")
    await lab.restart("worker-2")
    assert await lab.send_message(notebook.Ask("source"), "middle") == notebook.Told("Hidden treasure")


async def test_a_restarted_host_gets_everybody_back_and_the_journal_goes_on(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    await lab.register("notebook", "here", Echo, "notebook")
    await lab.send_message(Say("before"), "echo", message_id="before")
    address, pids = lab.address, {row["process"]: row["pid"] for row in lab.processes}
    await lab.restart("host")
    assert lab.address == address
    assert lab["host"].pid != pids["host"]
    assert lab["worker-1"].pid == pids["worker-1"]
    said = await lab.send_message(Say("after"), "echo", message_id="after")
    assert said.heard == 2  # the workers went on: their agents have their state
    assert (await lab.send_message(Say("hi"), "here")).text == "notebook hi"
    await lab.publish_message(Say("to all"))
    await until(lambda: "echo/default heard to all" in lab.logs("worker-1"))
    run = lab.journal
    seqs = [event.seq for event in run]
    assert seqs == list(range(1, len(run) + 1))
    ids = [event.message_id for event in run if event.message_id in {"before", "after"}]
    assert ids.count("before") == ids.count("after") == 10
    assert ids.index("after") >= 10


async def test_a_killed_host_ends_what_was_under_way_and_the_lab_stays_of_use(start_lab: StartLab) -> None:
    lab = await start_lab(workers=1)
    await lab.register("worker-1", "echo", Echo)
    await lab.send_message(Say("hi"), "echo")
    sending = asyncio.ensure_future(lab.send_message(Sleep(60), "echo"))
    await lab.publish_message(Sleep(60), message_id="published")
    await until(lambda: len(lab.sessions()) == 1)
    await until(lambda: [e for e in lab.journal if e.message_id == "published" and e.what == j.STARTED])
    await lab.kill("host")
    with pytest.raises(HostLostError):
        await asyncio.wait_for(sending, 20)
    with pytest.raises(UndeliverableException):
        await lab.send_message(Say("hi"), "echo", deadline_s=0.3)
    for look in (lab.directory, lab.sessions):
        with pytest.raises(LabError, match="The host does not answer"):
            look()
    assert [event for event in lab.journal if event.type == "Said"]
    assert process_events(lab, "host")[-1] == j.KILLED
    await lab.restart("host")
    assert (await lab.send_message(Say("hi"), "echo")).heard == 2
    await lab.when_idle()
    lost = {(event.kind, event.recipient) for event in lab.journal if event.what == j.LOST}
    assert lost == {(j.REQUEST, "echo/default"), (j.EVENT, "echo/default")}
    await lab.stop()


async def test_a_lab_without_a_host_stops_soon(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    pids = lab.processes.column("pid")
    await lab.kill("host")
    began = time.monotonic()
    await lab.stop()
    assert time.monotonic() - began < 8
    assert not [pid for pid in pids if alive(pid)]


async def test_all_processes_killed_at_once_leave_a_lab_that_can_be_read_and_stopped(start_lab: StartLab) -> None:
    lab = await start_lab(workers=2)
    for pid in lab.processes.column("pid"):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: lab.processes.column("state") == ["exited -9"] * 3)
    assert len(lab.journal) > 0
    await lab.stop()


async def test_a_worker_that_does_not_come_up_again_is_an_error_that_leaves_the_lab_running(
    start_lab: StartLab, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ProcessStartError, match="/nowhere/python"):
        await lab.restart("worker-2")
    with pytest.raises(ProcessStartError, match="/nowhere/python"):
        await lab.add_worker()
    monkeypatch.undo()
    assert lab.workers == ["worker-1", "worker-2"]
    assert (await lab.send_message(Say("hi"), "echo")).heard == 1
    await lab.restart("worker-2")
    assert lab["worker-2"].state == "running"


async def test_a_restarted_worker_whose_agent_cannot_be_registered_says_so(
    start_lab: StartLab, notebook: Notebook
) -> None:
    lab = await start_lab(workers=2)
    await lab.register("worker-1", "echo", Echo)
    await lab.kill("worker-1")
    await lab.register("worker-2", "echo", Echo)
    with pytest.raises(RegistrationError, match="worker-1 runs again, but without 'echo'"):
        await lab.restart("worker-1")
    assert (await lab.send_message(Say("hi"), "echo")).pid == lab["worker-2"].pid
    await lab.restart("host")  # what worker-1 could not have, it is not waited for
    assert (await lab.send_message(Say("hi"), "echo")).pid == lab["worker-2"].pid


async def test_what_is_printed_at_the_end_is_in_the_log(start_lab: StartLab, notebook: Notebook) -> None:
    lab = await start_lab(workers=1)
    notebook.run("""
        @dataclass
        class Wake:
            pass

        class Polite(RoutedAgent):
            def __init__(self):
                super().__init__("says goodbye")

            @message_handler
            async def on_wake(self, message: Wake, ctx: MessageContext) -> None:
                print("without a line's end", end="", flush=True)

            async def close(self):
                print(", goodbye")
    """)
    await lab.register("worker-1", "polite", notebook.Polite)
    await lab.send_message(notebook.Wake(), "polite")
    await lab.stop()
    assert "without a line's end, goodbye\n" in lab.logs("worker-1")
