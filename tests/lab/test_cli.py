"""The command line, as a student types it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
from typer.testing import CliRunner

from agentlab.core import journal as j
from agentlab.core.journal import Journal
from agentlab.core.run import Run
from agentlab.lab.cli import app
from agentlab.version import __version__

from .processes import alive, running_children

COMMAND = [sys.executable, "-m", "agentlab"]


def agentlab(*arguments: str | Path, cwd: Path | None = None, limit_s: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=limit_s, check=False,
        env={**os.environ, "COLUMNS": "150", "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip


def agentlab_here(*arguments: str | Path) -> Any:
    """Run a command to its end in this process, which is quicker: for what starts no process."""
    return CliRunner().invoke(app, list(map(str, arguments)))


class Running:
    """A command that runs until it is ended. What it prints goes to a file."""

    def __init__(self, log: Path, cwd: Path, arguments: tuple[str | Path, ...], environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)], cwd=cwd, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            )  # fmt: skip

    def text(self) -> str:
        """What it printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def says(self, pattern: str, limit_s: float = 20) -> re.Match[str]:
        """Wait until it has printed something."""
        end_s = time.monotonic() + limit_s
        while (found := re.search(pattern, self.text())) is None:
            if time.monotonic() > end_s:
                raise AssertionError(f"It did not say {pattern!r} within {limit_s:g} s, but:\n{self.text()}")
            time.sleep(0.02)
        return found

    def ends(self, number: signal.Signals | None = None, limit_s: float = 15) -> int:
        """Send it a signal, if one is given; wait for its end and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(limit_s)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands in the test's folder, and ends those that still run after it."""
    started: list[Running] = []

    def start(*arguments: str | Path, **environment: str) -> Running:
        log = tmp_path / f"command-{len(started)}.log"
        started.append(Running(log, tmp_path, arguments, environment))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            for pid in [*running_children(running.process.pid), running.process.pid]:
                os.kill(pid, signal.SIGKILL)
            running.process.wait()


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A saved run of one message."""
    journal = Journal()
    steps = [(j.SENT, "notebook"), (j.ARRIVED, "host"), (j.LEFT, "host"), (j.RECEIVED, "worker-1"),
             (j.STARTED, "worker-1"), (j.HANDLED, "worker-1")]  # fmt: skip
    for n, (what, process) in enumerate(steps, 1):
        time_ns = 1_700_000_000_000_000_000 + n * 1_000_000
        journal.append(what, j.REQUEST, "m1", "", "", "echo/default", "", process, "Say", 10, time_ns, n)
    return Run(tuple(journal), ("notebook", "worker-1")).save(tmp_path / "run.jsonl")


# Words about itself


@pytest.mark.parametrize("command", [COMMAND, [str(Path(sys.executable).with_name("agentlab"))]])
def test_it_says_its_version(command: list[str]) -> None:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == f"agentlab {__version__}\n"
    assert done.stderr == ""


def test_its_help_names_every_command() -> None:
    done = agentlab("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("demo", "host", "worker", "timeline", "doctor"):
        assert re.search(rf"\b{name}\b", done.stdout)
        help_of_one = agentlab_here(name, "-h")
        assert help_of_one.exit_code == 0
        assert name in help_of_one.stdout


def test_an_unknown_command_is_an_error_that_names_it() -> None:
    done = agentlab("demonstrate")
    assert done.returncode == 2
    assert "demonstrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_all_well() -> None:
    done = agentlab("doctor", limit_s=40)
    assert (done.returncode, done.stderr) == (0, "")
    for what in ("Python", "agentlab", "grpcio", "protobuf", "jupyterlab", "host and worker"):
        assert what in done.stdout
    assert "All is well" in done.stdout
    assert "✗" not in done.stdout


# The demo


def test_the_demo_prints_deliveries_saves_pictures_and_leaves_nothing(tmp_path: Path) -> None:
    before = running_children(os.getpid())
    began = time.monotonic()
    done = agentlab("demo", "--folder", tmp_path / "pictures", cwd=tmp_path, limit_s=60)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 30
    assert done.stderr == ""
    assert (tmp_path / "pictures" / "timeline.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = ElementTree.parse(tmp_path / "pictures" / "timeline.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    deliveries = re.findall(r"^ +\d+\.\d ms .*took \d+\.\d ms", done.stdout, re.MULTILINE)
    assert len([line for line in deliveries if "request" in line]) == 7
    assert len([line for line in deliveries if "response" in line]) == 7
    assert len([line for line in deliveries if "event" in line]) == 2
    assert "The judge says:" in done.stdout
    assert "player-a/default:" in done.stdout
    assert running_children(os.getpid()) == before
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


def test_a_demo_that_cannot_save_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, and no folder")
    done = agentlab("demo", "--folder", tmp_path / "taken", cwd=tmp_path)
    assert done.returncode == 1
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_demo_leaves_nothing(start: Start, tmp_path: Path) -> None:
    demo = start("demo")
    demo.says(r"worker-1")
    children = running_children(demo.process.pid)
    code = demo.ends(signal.SIGINT)
    assert code != 0 or "The judge says" in demo.text()
    assert "Traceback" not in demo.text()
    end_s = time.monotonic() + 10
    while any(alive(pid) for pid in children) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert not [pid for pid in children if alive(pid)]


# Host and workers


AGENTS = """
from dataclasses import dataclass
from agentlab import AgentId, MessageContext, RoutedAgent, message_handler

@dataclass
class Ping:
    n: int

class Bouncer(RoutedAgent):
    partner = ""

    def __init__(self):
        super().__init__("passes a number on")

    @message_handler
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        print(f"{self.id} got {message.n}", flush=True)
        if message.n and self.partner:
            return await self.send_message(Ping(message.n - 1), AgentId(self.partner, "default"))
        return message

class Left(Bouncer):
    partner = "right"

class Right(Bouncer):
    partner = "left"

NUMBER = 42
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_host_and_workers_talk_and_end_with_a_signal(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    from agentlab import AgentId, WorkerRuntime

    (tmp_path / "my_agents.py").write_text(AGENTS)
    host = start("host", "--address", "127.0.0.1:0")
    address = host.says(r"The host listens on (127\.0\.0\.1:\d+)")[1]
    assert f"agentlab worker --host {address}" in host.text()
    first = start("worker", "--host", address, "--agent", "left=my_agents:Left", "--name", "anna")
    second = start("worker", "--host", address, "--agent", "right=my_agents:Right", "--agent", "r2=my_agents:Right")
    first.says(rf"anna \(pid {first.process.pid}\) is connected to {address}\. Agent types: left")
    second.says(r"is connected to .* Agent types: right, r2")
    sys.path.insert(0, str(tmp_path))
    try:
        import my_agents  # type: ignore[import-not-found]

        runtime = WorkerRuntime(address)
        await runtime.start()
        runtime.add_message_serializer(my_agents.Left.message_serializers())
        assert await runtime.send_message(my_agents.Ping(3), AgentId("left", "default")) == my_agents.Ping(0)
        await runtime.stop()
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("my_agents", None)
    first.says("left/default got 1")
    second.says("right/default got 0")
    assert [running.ends(number) for running in (first, second, host)] == [0, 0, 0]
    for running in (first, second, host):
        assert "Traceback" not in running.text()


def test_a_worker_started_before_its_host_waits_for_it_and_comes_back(
    start: Start, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "my_agents.py").write_text(AGENTS)
    address = f"127.0.0.1:{free_port}"
    worker = start("worker", "--host", address, "--agent", "left=my_agents:Left", "--verbose")
    worker.says("No connection to the host")
    host = start("host", "--address", address)
    worker.says(rf"is connected to {address}")
    assert host.ends(signal.SIGTERM) == 0
    again = start("host", "--address", address, "--verbose")
    again.says("joined")
    assert worker.ends(signal.SIGTERM) == 0
    assert again.ends(signal.SIGTERM) == 0


def test_a_worker_that_waits_for_its_host_can_be_interrupted(start: Start, free_port: int) -> None:
    worker = start("worker", "--host", f"127.0.0.1:{free_port}", "--verbose")
    worker.says("No connection to the host")
    assert worker.ends(signal.SIGINT) in {0, 130}
    assert "Traceback" not in worker.text()
    worker = start("worker", "--host", f"127.0.0.1:{free_port}", "--verbose")
    worker.says("No connection to the host")
    assert worker.ends(signal.SIGTERM) in {0, 143, -signal.SIGTERM}
    assert "Traceback" not in worker.text()


def test_a_port_in_use_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = agentlab("host", "--address", f"127.0.0.1:{server.getsockname()[1]}")
    assert done.returncode == 1
    assert "the port is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "no.such.host.invalid:5000"])
def test_an_address_that_is_none_is_an_error(address: str) -> None:
    done = agentlab_here("host", "--address", address)
    assert done.exit_code in {1, 2}
    assert address in done.stderr
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize("option", ["--keepalive-s", "--deadline-s"])
def test_a_host_whose_time_is_nothing_is_an_error(option: str) -> None:
    done = agentlab_here("host", option, "0", "--address", "none")
    assert done.exit_code == 2
    assert option in done.stderr


def test_a_workers_host_address_is_checked() -> None:
    done = agentlab_here("worker", "--host", "nonsense")
    assert done.exit_code in {1, 2}
    assert "should look like 127.0.0.1:50051" in done.stderr
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("left=no_such_module:Left", "The module 'no_such_module' cannot be imported"),
        ("left=my_agents:Middle", "my_agents has no agent class 'Middle'. It has: Bouncer, Left, Right"),
        ("left=my_agents:NUMBER", "my_agents has no agent class 'NUMBER'"),
        ("left=broken:Left", "The module 'broken' cannot be imported: SyntaxError"),
        ("left=raises:Left", "The module 'raises' cannot be imported: ZeroDivisionError: division by zero (/"),
        ("left", "should look like TYPE=module:Class"),
        ("left=my_agents", "should look like TYPE=module:Class"),
        ("=my_agents:Left", "should look like TYPE=module:Class"),
        ("left=:Left", "should look like TYPE=module:Class"),
        ("left=my_agents:", "should look like TYPE=module:Class"),
        ("a b=my_agents:Left", "Invalid agent type: 'a b'"),
    ],
)
def test_an_agent_that_is_none_is_an_error_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "my_agents.py").write_text(AGENTS)
    (tmp_path / "broken.py").write_text("def :\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    done = agentlab_here("worker", "--host", "127.0.0.1:1", "--agent", agent)
    assert done.exit_code in {1, 2}
    assert says in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_an_agent_type_that_is_taken_is_an_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "my_agents.py").write_text(AGENTS)
    host = start("host", "--address", "127.0.0.1:0")
    address = host.says(r"listens on (127\.0\.0\.1:\d+)")[1]
    start("worker", "--host", address, "--agent", "left=my_agents:Left").says("is connected")
    done = agentlab("worker", "--host", address, "--agent", "left=my_agents:Left", cwd=tmp_path)
    assert done.returncode == 1
    assert "Agent type left already registered" in done.stderr
    assert "Traceback" not in done.stderr


# The timeline of a saved run


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_run_is_drawn(run_file: Path, tmp_path: Path, suffix: str, begins: bytes) -> None:
    done = agentlab("timeline", run_file, "-o", tmp_path / f"out.{suffix}")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"out.{suffix}" in done.stdout.replace("\n", "")
    assert (tmp_path / f"out.{suffix}").read_bytes().startswith(begins)


def test_a_run_is_printed_as_text(run_file: Path) -> None:
    done = agentlab("timeline", run_file)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("Say", "notebook", "echo"):
        assert word in done.stdout


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_run_that_was_cut_off_is_drawn_up_to_there_and_says_so(run_file: Path, tmp_path: Path) -> None:
    cut_off(run_file)
    done = agentlab("timeline", run_file, "-o", tmp_path / "out.svg")
    assert done.returncode == 0
    assert "Note: the file was cut off after 5 of 6 events." in done.stderr
    assert (tmp_path / "out.svg").exists()


def damaged(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], '{"what": 1}\n', *lines[3:]]))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "There is no run file"),
        (lambda path: path.write_text("{}\n"), "is not an agentlab run"),
        (lambda path: path.write_text(""), "is not an agentlab run"),
        (lambda path: path.write_bytes(b"\x89PNG\xff\xfe\x00"), "cannot be read as a run"),
        (lambda path: path.write_text('{"format": "agentlab-run", "version": 99}\n'), "format version 99"),
        (damaged, "run.jsonl, line 3"),
    ],
    ids=["missing", "foreign", "empty", "binary", "newer", "damaged"],
)
def test_a_file_that_is_no_run_is_an_error(
    run_file: Path, tmp_path: Path, spoil: Callable[[Path], Any], says: str
) -> None:
    spoil(run_file)
    for arguments in ([], ["-o", tmp_path / "out.svg"]):
        done = agentlab_here("timeline", run_file, *arguments)
        assert done.exit_code == 1
        assert says in done.stderr
        assert isinstance(done.exception, SystemExit)
    assert not (tmp_path / "out.svg").exists()


@pytest.mark.parametrize("output", ["out.xyz", "out", "run.jsonl/out.svg"])
def test_a_picture_that_cannot_be_saved_is_an_error(run_file: Path, tmp_path: Path, output: str) -> None:
    done = agentlab_here("timeline", run_file, "-o", tmp_path / output)
    assert done.exit_code == 1
    assert done.stderr.strip()
    assert isinstance(done.exception, SystemExit)


# JupyterLab


def test_without_a_command_it_serves_jupyterlab_on_the_first_notebook(
    start: Start, tmp_path: Path, free_port: int
) -> None:
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {name: str(tmp_path / name.lower()) for name in names}
    server = start("--no-browser", "--port", str(free_port), **environment)
    url = server.says(rf"(http://127\.0\.0\.1:{free_port}/\S*00_tour\.ipynb\?token=(\w+))", 60)
    root = f"http://127.0.0.1:{free_port}"
    _wait_until_it_listens(free_port)  # it says its address a moment before
    for path in ("/api/status", "/api/contents/00_tour.ipynb"):
        with urllib.request.urlopen(f"{root}{path}?token={url[2]}", timeout=20) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(url[1], timeout=20) as answer:
        assert b"JupyterLab" in answer.read()
    # It has become JupyterLab: no second process can stay.
    assert "jupyterlab" in psutil.Process(server.process.pid).cmdline()
    server.ends(signal.SIGTERM, limit_s=20)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{root}/api/status", timeout=5)


def _wait_until_it_listens(port: int, limit_s: float = 20) -> None:
    end_s = time.monotonic() + limit_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.02)
        else:
            return


def test_an_installed_package_copies_its_notebooks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agentlab.lab import jupyter
    from agentlab.lab.errors import LabError

    installed = tmp_path / "site-packages" / "agentlab" / "lab" / "jupyter.py"
    monkeypatch.setattr(jupyter, "__file__", str(installed))
    with pytest.raises(LabError, match="has no notebooks"):
        jupyter.course_folder(tmp_path)
    notebooks = tmp_path / "site-packages" / "agentlab" / "notebooks"
    notebooks.mkdir(parents=True)
    (notebooks / jupyter.FIRST).write_text("{}")
    folder = jupyter.course_folder(tmp_path)
    assert folder == tmp_path / jupyter.COPIES
    (folder / jupyter.FIRST).write_text("changed by a student")
    assert jupyter.course_folder(tmp_path) == folder
    assert (folder / jupyter.FIRST).read_text() == "changed by a student"


def test_a_run_is_written_for_other_programs_by_its_suffix(tmp_path: Path) -> None:
    run = Run(()).save(tmp_path / "run.jsonl")
    for name in ("run.json", "run.JSON"):
        assert agentlab_here("timeline", run, "-o", tmp_path / name).exit_code == 0
        assert "traceEvents" in (tmp_path / name).read_text()


def test_two_runs_that_do_not_differ_compare_with_exit_code_0(tmp_path: Path) -> None:
    run = Run(()).save(tmp_path / "run.jsonl")
    assert agentlab_here("compare", run, run).exit_code == 0
    assert agentlab_here("compare", run, tmp_path / "missing.jsonl").exit_code == 1
