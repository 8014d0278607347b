"""The commands that make tokens, and hosts and workers that use them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from agentlab.lab.cli import app
from agentlab.wire.security import read_token

LIMIT_S = 40.0


class Command:
    """An `agentlab` command that runs until it is ended. What it prints goes to a file."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentlab", *arguments], stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "300", **environment},
            )  # fmt: skip

    def says(self, text: str) -> str:
        """Wait until it has printed something; return all that it printed."""
        end_s = time.monotonic() + LIMIT_S
        while text not in (said := self._log.read_text()):
            assert time.monotonic() < end_s, f"not said: {text!r}, but:\n{said}"
            time.sleep(0.02)
        return said

    def ends(self) -> int:
        """Wait for its end; return the exit code."""
        return self.process.wait(LIMIT_S)


class Commands:
    """Commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Command] = []

    def start(self, *arguments: str | Path, **environment: str) -> Command:
        log = self.folder / f"{len(self.started)}.log"
        self.started.append(Command(log, *map(str, arguments), **environment))
        return self.started[-1]

    def host(self, *arguments: str | Path, **environment: str) -> str:
        """A host; returns where it listens."""
        host = self.start("host", "--address", "127.0.0.1:0", *arguments, **environment)
        return host.says("Workers join with").split("listens on ")[1].split(". ")[0]


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(tmp_path)
    yield commands
    for command in commands.started:
        if command.process.poll() is None:
            command.process.send_signal(signal.SIGTERM)
            command.ends()


def make_token(path: Path) -> Path:
    """A file with a new token."""
    done = CliRunner().invoke(app, ["token", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_a_token_is_written_for_its_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    path = make_token(tmp_path / "class.token")
    token = read_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = CliRunner().invoke(app, ["token", str(path)])
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert read_token(path) == token
    assert len(CliRunner().invoke(app, ["token"]).output.strip()) >= 32


@pytest.mark.parametrize("text", ["", "two words that are long enough", "short"])
def test_a_file_without_a_token_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "class.token"
    path.write_text(text)
    for arguments in (["host", "--address", "127.0.0.1:0"], ["worker", "--host", "127.0.0.1:1"]):
        done = CliRunner().invoke(app, [*arguments, "--token-file", str(path)])
        assert done.exit_code == 1
        assert "holds no token" in done.output
        assert not text or text not in done.output


def test_an_owners_token_alone_is_refused(tmp_path: Path) -> None:
    path = make_token(tmp_path / "owner.token")
    done = CliRunner().invoke(app, ["host", "--address", "127.0.0.1:0", "--owner-token-file", str(path)])
    assert done.exit_code == 1
    assert "--token-file" in done.output


def test_a_host_beyond_this_machine_without_protection_is_refused() -> None:
    done = CliRunner().invoke(app, ["host", "--address", "0.0.0.0:0"])
    assert done.exit_code == 1
    assert "--insecure" in done.output


def test_workers_join_with_the_file_or_the_environment_and_a_stranger_ends_at_once(commands: Commands) -> None:
    path = make_token(commands.folder / "class.token")
    address = commands.host("--token-file", path)
    with_file = commands.start("worker", "--host", address, "--token-file", path)
    with_variable = commands.start("worker", "--host", address, AGENTLAB_TOKEN=read_token(path))
    stranger = commands.start("worker", "--host", address)
    for worker in (with_file, with_variable):
        assert read_token(path) not in worker.says("is connected to")
        assert read_token(path) not in " ".join(psutil.Process(worker.process.pid).cmdline())
    assert stranger.ends() == 1
    said = stranger.says("A token is needed")
    assert "--token-file" in said
    assert "Traceback" not in said
