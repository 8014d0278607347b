"""A worker that is any program at all: as well kept as the lab's own, and as clear when it fails."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest
from until import until

from agentlab import AgentNotFoundError, Lab, WorkerLostError
from agentlab.core import journal as j
from agentlab.lab.errors import LabError, ProcessStartError
from agentlab.lab.guard import __file__ as GUARD

from .conftest import SCRIPTS, WORKERS
from .messages import Mute, Shout

PLAIN = WORKERS / "plain_grpc.py"
MISBEHAVING = SCRIPTS / "misbehaving.py"


def process_events(lab: Lab, process: str) -> list[str]:
    return [event.what for event in lab.journal if event.kind == j.PROCESS and event.process == process]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


async def test_a_program_joins_under_the_name_it_was_given(lab: Lab) -> None:
    assert await lab.add_worker("loud", script=PLAIN) == "loud"
    (row,) = [row for row in lab.directory() if row["worker"] == "loud"]
    assert (row["agent types"], row["subscriptions"]) == (["shouter"], ["news → shouter"])
    assert row["pid"] == lab["loud"].pid == next(r["pid"] for r in lab.processes if r["process"] == "loud")
    assert await lab.send_message(Shout("hello"), "shouter/a") == Shout("HELLO!")
    await lab.publish_message(Shout("rain"), "news/b")
    await until(lambda: "shouter/b received Shout {'text': 'rain'}" in lab.logs("loud"))
    assert "shouter/a received" in lab.logs("loud", 2)


async def test_a_published_message_that_it_cannot_handle_does_not_end_it(lab: Lab) -> None:
    await lab.add_worker("tough", script=PLAIN)
    await lab.publish_message(Mute(), "news/b")
    await until(lambda: "news/b was not handled: KeyError('text')" in lab.logs("tough"))
    assert await lab.send_message(Shout("hello"), "shouter/a") == Shout("HELLO!")


async def test_its_lane_has_its_name_from_the_first_event_on(lab: Lab) -> None:
    await lab.add_worker("lane", script=PLAIN)
    await lab.send_message(Shout("hello"), "shouter/a", message_id="for the lane")
    assert process_events(lab, "lane") == [j.JOINED, j.ADVERTISED]
    handled = [e for e in lab.journal if e.message_id == "for the lane" and e.what == j.HANDLED]
    assert [event.process for event in handled] == ["lane"]
    assert not [event.process for event in lab.journal if event.process.startswith("worker-")]


async def test_without_a_name_it_is_called_like_its_script(lab: Lab) -> None:
    assert await lab.add_worker(script=PLAIN) == "plain_grpc"
    with pytest.raises(LabError, match="'plain_grpc' is taken"):
        await lab.add_worker("plain_grpc", script=PLAIN)


async def test_it_is_killed_and_restarted_like_any_worker(lab: Lab) -> None:
    await lab.add_worker("mortal", script=PLAIN)
    first = lab["mortal"].pid
    await lab.kill("mortal")
    await until(lambda: not alive(first))
    assert lab["mortal"].state == "killed"
    await until(lambda: j.GONE in process_events(lab, "mortal"))
    with pytest.raises(AgentNotFoundError):
        await lab.send_message(Shout("hello"), "shouter")
    await lab.restart("mortal")
    assert lab["mortal"].pid != first
    assert await lab.send_message(Shout("hello"), "shouter") == Shout("HELLO!")


async def test_it_is_paused_and_resumed(lab: Lab) -> None:
    await lab.add_worker("sleepy", script=PLAIN)
    await lab.pause("sleepy")
    assert psutil.Process(lab["sleepy"].pid).status() == psutil.STATUS_STOPPED
    with pytest.raises(LabError, match="cannot be paused: it is paused"):
        await lab.pause("sleepy")
    await lab.resume("sleepy")
    assert await lab.send_message(Shout("hello"), "shouter") == Shout("HELLO!")


async def test_a_paused_one_is_lost_after_a_while(lab: Lab) -> None:
    await lab.add_worker("frozen", script=PLAIN)
    await lab.pause("frozen")
    with pytest.raises(WorkerLostError):
        await lab.send_message(Shout("hello"), "shouter")


async def test_it_cannot_be_given_agents_of_the_notebook(lab: Lab) -> None:
    from .messages import Shout as Anything

    await lab.add_worker("closed", script=PLAIN)
    with pytest.raises(LabError, match=r"closed runs plain_grpc\.py, a program of its own"):
        await lab.register("closed", "x", lambda: Anything("no agent"))


async def test_it_gets_arguments_and_environment_variables(lab: Lab, tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text("import os, sys\nprint(sys.argv[1:], os.environ['COLOUR'])\n")
    with pytest.raises(ProcessStartError) as caught:
        await lab.add_worker(
            "teller", script=script, args=["--to", "{host}", "as={name}", "{x}"], environment={"COLOUR": "blue"}
        )
    assert f"['--to', '{lab.address}', 'as=teller', '{{x}}'] blue" in str(caught.value)


class TestFailures:
    async def start(self, lab: Lab, what: str, **options: Any) -> str:
        before = list(lab.workers)
        with pytest.raises(ProcessStartError) as caught:
            await lab.add_worker("bad", script=MISBEHAVING, args=[what], **options)
        assert lab.workers == before
        return str(caught.value)

    async def test_one_that_exits_at_once_is_shown_with_its_last_words(self, lab: Lab) -> None:
        text = await self.start(lab, "exits at once")
        assert re.match(
            r"bad \(misbehaving\.py\) ended with exit code 1 before it was ready\. The end of its log", text
        )
        assert text.rstrip().endswith("misbehaving: exits at once\nno worker today")

    async def test_one_that_never_joins_is_ended_at_the_time_limit(self, lab: Lab) -> None:
        text = await self.start(lab, "never joins", timeout_s=1)
        assert "did not get ready within 1 s: it never joined the host, whose address is in AGENTLAB_HOST" in text
        assert "misbehaving: never joins" in text

    async def test_one_that_speaks_another_protocol_is_told_so(self, lab: Lab) -> None:
        text = await self.start(lab, "speaks HTTP/1.1", timeout_s=1)
        assert "never opened the channel of a worker" in text or "never joined the host" in text

    async def test_others_are_unharmed(self, lab: Lab) -> None:
        await lab.add_worker("good", script=PLAIN)
        for what in ("exits at once", "speaks HTTP/1.1"):
            await self.start(lab, what, timeout_s=1)
        assert await lab.send_message(Shout("hello"), "shouter") == Shout("HELLO!")

    async def test_types_that_never_come_are_named(self, lab: Lab) -> None:
        with pytest.raises(ProcessStartError, match="it joined the host, and never advertised whisperer"):
            await lab.add_worker("half", script=PLAIN, types=["shouter", "whisperer"], timeout_s=5)

    async def test_a_script_that_is_not_there_is_named_with_the_closest(self, lab: Lab) -> None:
        with pytest.raises(LabError, match=r"There is no script .*plain_grp\.py.*Did you mean 'plain_grpc\.py'\?"):
            await lab.add_worker(script=WORKERS / "plain_grp.py")

    async def test_a_file_that_is_no_program_is_refused(self, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("nothing to run")
        with pytest.raises(LabError, match=r"make it one with chmod \+x"):
            await lab.add_worker(script=tmp_path / "notes.txt")

    async def test_a_program_that_cannot_be_started_says_why(self, lab: Lab, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
        with pytest.raises(ProcessStartError, match="program cannot be started: .*No such file"):
            await lab.add_worker(script=program)

    async def test_without_node_it_is_said_how_to_get_it(self, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / "worker.mjs").write_text("")
        with pytest.raises(LabError, match=r"worker\.mjs is JavaScript, and node is not installed here.*nodejs\.org"):
            await lab.add_worker(script=tmp_path / "worker.mjs", environment={"PATH": str(tmp_path)})

    async def test_with_an_old_node_it_is_said_which_is_needed(self, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / "worker.mjs").write_text("")
        (tmp_path / "node").write_text("#!/bin/sh\necho v16.20.2\n")
        (tmp_path / "node").chmod(0o755)
        with pytest.raises(LabError, match=r"node here is v16\.20\.2\. It needs Node\.js 18 or later"):
            await lab.add_worker(script=tmp_path / "worker.mjs", environment={"PATH": str(tmp_path)})

    async def test_packages_that_cannot_be_fetched_are_said_with_what_to_type(self, lab: Lab, tmp_path: Path) -> None:
        script = tmp_path / "needy.py"
        script.write_text("# /// script\n# dependencies = ['no-such-package-of-anybody']\n# ///\n")
        with pytest.raises(ProcessStartError, match=r"(?s)needy\.py needs could not be installed.*uv sync --script"):
            await lab.add_worker(script=script, environment={"UV_OFFLINE": "1"})

    async def test_without_uv_it_is_said_how_to_get_it(
        self, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "needy.py"
        script.write_text("# /// script\n# dependencies = []\n# ///\n")
        monkeypatch.setattr("agentlab.lab.scripts.find_uv", lambda: None)
        with pytest.raises(LabError, match="-m pip install uv"):
            await lab.add_worker(script=script)


async def test_a_lab_with_tokens_hands_its_workers_one_and_says_what_to_do_when_it_is_not_presented() -> None:
    async with Lab(workers=0) as lab:
        await lab.add_worker("known", script=PLAIN)
        with pytest.raises(ProcessStartError, match=r"unknown .* was refused by the host.*Lab\.start\(token=None\)"):
            await lab.add_worker("unknown", script=PLAIN, environment={"AGENTLAB_TOKEN": ""})
        assert lab.workers == ["known"]


class TestGuard:
    def guarded(self, what: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", GUARD, sys.executable, str(MISBEHAVING), what]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    async def test_a_program_that_ignores_everything_ends_with_its_stdin(self) -> None:
        with self.guarded("ignores everything") as guard:
            assert guard.stdin is not None
            assert guard.stdout is not None
            guard.stdin.write(b"\n")
            guard.stdin.flush()
            await asyncio.to_thread(guard.stdout.readline)
            below = psutil.Process(guard.pid)
            await until(lambda: len(below.children(recursive=True)) == 2)  # it has a child of its own
            pids = [process.pid for process in below.children(recursive=True)]
            guard.stdin.close()
            await until(lambda: not any(map(alive, pids)))
            await asyncio.to_thread(guard.wait, 10)

    async def test_nothing_starts_when_the_lab_is_gone_before(self) -> None:
        with self.guarded("exits at once") as guard:
            out, _ = await asyncio.to_thread(guard.communicate)
            assert (guard.returncode, out) == (0, b"")

    async def test_it_ends_with_the_programs_exit_code(self) -> None:
        with self.guarded("exits at once") as guard:
            await asyncio.to_thread(guard.communicate, b"\n")
            assert guard.returncode == 1


KERNEL = """
    import asyncio, sys
    from agentlab import Lab

    async def main():
        lab = await Lab.start(workers=0)
        await lab.add_worker("plain", script=sys.argv[1])
        print(*(lab[name].pid for name in ("host", "plain")), lab["plain"].guard_pid, flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
"""


def start_kernel(folder: Path) -> subprocess.Popen[bytes]:
    kernel = folder / "kernel.py"
    kernel.write_text(textwrap.dedent(KERNEL))
    return subprocess.Popen([sys.executable, kernel, PLAIN], stdout=subprocess.PIPE)


async def test_a_killed_kernel_leaves_no_foreign_worker(tmp_path: Path) -> None:
    with start_kernel(tmp_path) as process:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        pids = [int(text) for text in line.split()]
        assert len(pids) == 3
        os.kill(process.pid, signal.SIGKILL)
    await until(lambda: not any(map(alive, pids)))


async def test_a_lab_is_idle_when_what_was_published_has_left_for_a_worker_that_reports_nothing(lab: Lab) -> None:
    await lab.add_worker("silent", script=PLAIN)
    await lab.publish_message(Shout("rain"), "news/idle", message_id="for the silent")
    await lab.when_idle(limit_s=10)
    assert [e.what for e in lab.journal if e.message_id == "for the silent"][-1] == j.LEFT
    await lab.pause("silent")
    asking = asyncio.ensure_future(lab.send_message(Shout("hello"), "shouter/idle", deadline_s=30))
    await until(lambda: lab.sessions())
    with pytest.raises(LabError, match="still a message under way: the request Shout to shouter/idle"):
        await lab.when_idle(limit_s=0.1)
    await lab.resume("silent")
    assert await asking == Shout("HELLO!")
    await lab.when_idle(limit_s=10)
